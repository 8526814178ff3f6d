#include "lang/cel/ext/netip.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace bulwark::cel::ext {
namespace {

Error BadAddress(std::string_view text, std::string_view message, std::string_view at = {}) {
  std::string out = "ParseAddr(" + Quote(text) + "): " + std::string(message);
  if (!at.empty()) out += " (at " + Quote(at) + ")";
  return Error(Code::kInvalid, std::move(out));
}

// `field` is the part of `text` that is an IPv4 address.
Result<Ok> ParseV4(std::string_view text, std::string_view field, uint8_t* out) {
  int value = 0;
  int digits = 0;
  int position = 0;
  for (size_t i = 0; i < field.size(); ++i) {
    char c = field[i];
    if (IsAsciiDigit(c)) {
      if (digits == 1 && value == 0) {
        return BadAddress(text, "IPv4 field has octet with leading zero");
      }
      value = value * 10 + (c - '0');
      ++digits;
      if (value > 255) return BadAddress(text, "IPv4 field has value >255");
    } else if (c == '.') {
      if (i == 0 || i == field.size() - 1 || field[i - 1] == '.') {
        return BadAddress(text, "IPv4 field must have at least one digit", field.substr(i));
      }
      if (position == 3) return BadAddress(text, "IPv4 address too long");
      out[position++] = static_cast<uint8_t>(value);
      value = 0;
      digits = 0;
    } else {
      return BadAddress(text, "unexpected character", field.substr(i));
    }
  }
  if (position < 3) return BadAddress(text, "IPv4 address too short");
  out[3] = static_cast<uint8_t>(value);
  return Ok{};
}

int HexDigit(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<Ok> ParseV6(std::string_view text, std::string_view rest, std::array<uint8_t, 16>& ip) {
  int ellipsis = -1;  // where in ip the zeros go
  if (rest.starts_with("::")) {
    ellipsis = 0;
    rest.remove_prefix(2);
    if (rest.empty()) return Ok{};
  }
  int i = 0;
  while (i < 16) {
    size_t length = 0;
    uint32_t group = 0;
    for (; length < rest.size() && HexDigit(rest[length]) >= 0; ++length) {
      if (length > 3) return BadAddress(text, "each group must have 4 or less digits", rest);
      group = group << 4 | static_cast<uint32_t>(HexDigit(rest[length]));
    }
    if (length == 0) {
      return BadAddress(text, "each colon-separated field must have at least one digit", rest);
    }
    if (length < rest.size() && rest[length] == '.') {
      if (ellipsis < 0 && i != 12) {
        return BadAddress(
            text, "embedded IPv4 address must replace the final 2 fields of the address", rest);
      }
      if (i + 4 > 16) {
        return BadAddress(
            text, "too many hex fields to fit an embedded IPv4 at the end of the address", rest);
      }
      BW_TRY(ParseV4(text, rest, &ip[static_cast<size_t>(i)]));
      rest = {};
      i += 4;
      break;
    }
    ip[static_cast<size_t>(i)] = static_cast<uint8_t>(group >> 8);
    ip[static_cast<size_t>(i) + 1] = static_cast<uint8_t>(group);
    i += 2;
    rest.remove_prefix(length);
    if (rest.empty()) break;
    if (rest[0] != ':') return BadAddress(text, "unexpected character, want colon", rest);
    if (rest.size() == 1)
      return BadAddress(text, "colon must be followed by more characters", rest);
    rest.remove_prefix(1);
    if (rest[0] == ':') {
      if (ellipsis >= 0) return BadAddress(text, "multiple :: in address", rest);
      ellipsis = i;
      rest.remove_prefix(1);
      if (rest.empty()) break;
    }
  }
  if (!rest.empty()) return BadAddress(text, "trailing garbage after address", rest);
  if (i == 16) {
    if (ellipsis < 0) return Ok{};
    return BadAddress(text, "the :: must expand to at least one field of zeros");
  }
  if (ellipsis < 0) return BadAddress(text, "address string too short");
  std::move_backward(ip.begin() + ellipsis, ip.begin() + i, ip.end());
  std::fill(ip.begin() + ellipsis, ip.begin() + ellipsis + (16 - i), uint8_t{0});
  return Ok{};
}

}  // namespace

Address Address::V4(const std::array<uint8_t, 4>& bytes) {
  Address a;
  a.is4_ = true;
  std::copy(bytes.begin(), bytes.end(), a.bytes_.begin() + 12);
  return a;
}

Address Address::V6(const std::array<uint8_t, 16>& bytes) {
  Address a;
  a.bytes_ = bytes;
  return a;
}

Result<Address::Parsed> Address::Parse(std::string_view text) {
  size_t special = text.find_first_of(".:%");
  if (special == std::string_view::npos) return BadAddress(text, "unable to parse IP");
  if (text[special] == '%') return BadAddress(text, "missing IPv6 address");
  if (text[special] == '.') {
    std::array<uint8_t, 4> bytes{};
    BW_TRY(ParseV4(text, text, bytes.data()));
    return Parsed{V4(bytes), {}};
  }
  std::string_view address = text;
  std::string_view zone;
  if (size_t percent = text.find('%'); percent != std::string_view::npos) {
    address = text.substr(0, percent);
    zone = text.substr(percent + 1);
    if (zone.empty()) return BadAddress(text, "zone must be a non-empty string");
  }
  std::array<uint8_t, 16> bytes{};
  BW_TRY(ParseV6(text, address, bytes));
  return Parsed{V6(bytes), zone};
}

bool Address::Is4In6() const {
  return !is4_ &&
         std::all_of(bytes_.begin(), bytes_.begin() + 10, [](uint8_t b) { return b == 0; }) &&
         bytes_[10] == 0xFF && bytes_[11] == 0xFF;
}

Address Address::Unmapped() const {
  if (!Is4In6()) return *this;
  return V4({bytes_[12], bytes_[13], bytes_[14], bytes_[15]});
}

bool Address::IsUnspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool Address::IsLoopback() const {
  if (is4_) return First(0) == 127;
  if (Is4In6()) return Unmapped().IsLoopback();
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool Address::IsMulticast() const {
  if (Is4In6()) return Unmapped().IsMulticast();
  return is4_ ? (First(0) & 0xF0) == 0xE0 : First(0) == 0xFF;
}

bool Address::IsLinkLocalMulticast() const {
  if (Is4In6()) return Unmapped().IsLinkLocalMulticast();
  if (is4_) return First(0) == 224 && First(1) == 0 && First(2) == 0;
  return First(0) == 0xFF && (First(1) & 0x0F) == 0x02;
}

bool Address::IsLinkLocalUnicast() const {
  if (Is4In6()) return Unmapped().IsLinkLocalUnicast();
  if (is4_) return First(0) == 169 && First(1) == 254;
  return First(0) == 0xFE && (First(1) & 0xC0) == 0x80;
}

bool Address::IsGlobalUnicast() const {
  if (Is4In6()) return Unmapped().IsGlobalUnicast();
  if (is4_ && *this == V4({255, 255, 255, 255})) return false;
  return !IsUnspecified() && !IsLoopback() && !IsMulticast() && !IsLinkLocalUnicast();
}

std::string Address::ToString() const {
  if (is4_) return fmt::format("{}.{}.{}.{}", First(0), First(1), First(2), First(3));
  if (Is4In6()) return "::ffff:" + Unmapped().ToString();
  auto group = [this](size_t i) { return bytes_[2 * i] << 8 | bytes_[2 * i + 1]; };
  // The first of the longest runs of two or more zeros is left out.
  size_t zero_start = 8;
  size_t zero_end = 8;
  for (size_t i = 0; i < 8; ++i) {
    size_t j = i;
    while (j < 8 && group(j) == 0) ++j;
    if (j - i >= 2 && j - i > zero_end - zero_start) {
      zero_start = i;
      zero_end = j;
    }
  }
  std::string out;
  for (size_t i = 0; i < 8; ++i) {
    if (i == zero_start && zero_end > zero_start) {
      out += "::";
      i = zero_end;
      if (i >= 8) break;
    } else if (i > 0) {
      out += ':';
    }
    out += fmt::format("{:x}", group(i));
  }
  return out;
}

Address Address::Masked(int bits) const {
  Address out = *this;
  int start = is4_ ? 12 : 0;
  for (int i = start; i < 16; ++i) {
    int keep = std::clamp(bits - (i - start) * 8, 0, 8);
    out.bytes_[static_cast<size_t>(i)] &= static_cast<uint8_t>(0xFF00 >> keep);
  }
  return out;
}

Result<Prefix> Prefix::Parse(std::string_view text) {
  auto fail = [text](std::string_view message) {
    return Error(Code::kInvalid, "netip.ParsePrefix(" + Quote(text) + "): " + std::string(message));
  };
  size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return fail("no '/'");
  Result<Address::Parsed> address = Address::Parse(text.substr(0, slash));
  if (!address) return fail(address.error().message());
  if (!address->zone.empty()) return fail("IPv6 zones cannot be present in a prefix");
  std::string_view digits = text.substr(slash + 1);
  bool bad = digits.empty() || digits.size() > 18 || (digits.size() > 1 && digits[0] == '0') ||
             !std::all_of(digits.begin(), digits.end(), IsAsciiDigit);
  if (bad) return fail("bad bits after slash: " + Quote(digits));
  int64_t bits = 0;
  for (char c : digits) bits = bits * 10 + (c - '0');
  if (bits > address->address.bit_length()) return fail("prefix length out of range");
  return Prefix{address->address, static_cast<int>(bits)};
}

bool Prefix::Contains(const Address& other) const {
  return other.is4() == address.is4() && other.Masked(bits) == address.Masked(bits);
}

bool Prefix::Overlaps(const Prefix& other) const {
  if (address.is4() != other.address.is4()) return false;
  int common = std::min(bits, other.bits);
  return address.Masked(common) == other.address.Masked(common);
}

}  // namespace bulwark::cel::ext
