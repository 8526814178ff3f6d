#include "lang/rego/ast/literal.h"

#include <charconv>
#include <cmath>
#include <string>

namespace bulwark::rego {
namespace {

void AppendUtf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// Four hexadecimal digits, or -1.
int32_t Hex4(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 4, out, 16);
  return error == std::errc() && end == text.data() + at + 4 ? static_cast<int32_t>(out) : -1;
}

}  // namespace

NumberCheck CheckNumber(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  const size_t mark = text.find_first_of("eE");
  std::string_view mantissa = text.substr(0, mark);
  // Past 19 digits or so, only a long text or an exponent can come near the limits.
  if (mark == std::string_view::npos && mantissa.size() < 30000) return NumberCheck::kGood;
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view digits = text.substr(mark + 1);
    if (!digits.empty() && digits[0] == '+') digits.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (error != std::errc() || end != digits.data() + digits.size()) return NumberCheck::kInvalid;
    if (exponent > INT32_MAX || exponent < INT32_MIN) return NumberCheck::kInvalid;
  }
  // value = 0.leading… × 10^place
  std::string leading;
  int64_t place = exponent;
  bool point = false;
  for (char c : mantissa) {
    if (c == '.') {
      point = true;
      continue;
    }
    if (leading.empty() && c == '0') {
      if (point) --place;
      continue;
    }
    if (!point) ++place;
    if (leading.size() < 20) leading += c;
  }
  if (leading.empty()) return NumberCheck::kGood;  // zero
  leading.resize(20, '0');
  // 2^100000 = 0.999002093014384507… × 10^30103; 2^-100001 = 0.500499453640… × 10^-30103
  if (place > 30103 || (place == 30103 && leading >= "99900209301438450794")) {
    return NumberCheck::kTooBig;
  }
  if (place < -30103 || (place == -30103 && leading < "50049945364041235800")) {
    return NumberCheck::kTooBig;
  }
  return NumberCheck::kGood;
}

Value NumberValue(std::string_view text, Arena& arena) {
  if (text.starts_with('.')) return NumberValue(arena.Copy("0" + std::string(text)), arena);
  if (text.starts_with("-.")) {
    return NumberValue(arena.Copy("-0" + std::string(text.substr(1))), arena);
  }
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.find_first_of(".eE") == std::string_view::npos) {
    int64_t integer = 0;
    if (const auto r = std::from_chars(begin, end, integer); r.ec == std::errc() && r.ptr == end) {
      return text == "-0" ? Value::Decimal(text) : Value::Int(integer);
    }
    uint64_t positive = 0;
    if (const auto r = std::from_chars(begin, end, positive); r.ec == std::errc() && r.ptr == end) {
      return Value::Uint(positive);
    }
    return Value::Decimal(text);
  }
  double real = 0;
  // JSON writes smaller and larger ones with an exponent.
  if (const auto r = std::from_chars(begin, end, real);
      r.ec == std::errc() && r.ptr == end && std::abs(real) >= 1e-6 && std::abs(real) < 1e21) {
    char shortest[512];
    const auto s =
        std::to_chars(shortest, shortest + sizeof shortest, real, std::chars_format::fixed);
    if (s.ec == std::errc() &&
        std::string_view(shortest, static_cast<size_t>(s.ptr - shortest)) == text) {
      return Value::Double(real);
    }
  }
  return Value::Decimal(text);
}

bool Unescape(std::string_view inner, Arena& arena, std::string_view& out) {
  std::string text;
  text.reserve(inner.size());
  for (size_t i = 0; i < inner.size(); ++i) {
    const char c = inner[i];
    if (static_cast<unsigned char>(c) < 0x20) return false;
    if (c != '\\') {
      if (c == '"') return false;
      text += c;
      continue;
    }
    if (++i == inner.size()) return false;
    switch (inner[i]) {
      case '"':
      case '\\':
      case '/': text += inner[i]; break;
      case 'b': text += '\b'; break;
      case 'f': text += '\f'; break;
      case 'n': text += '\n'; break;
      case 'r': text += '\r'; break;
      case 't': text += '\t'; break;
      case 'u': {
        const int32_t unit = Hex4(inner, i + 1);
        if (unit < 0) return false;
        i += 4;
        uint32_t code = static_cast<uint32_t>(unit);
        if (code >= 0xD800 && code < 0xE000) {
          const int32_t low =
              code < 0xDC00 && i + 2 < inner.size() && inner[i + 1] == '\\' && inner[i + 2] == 'u'
                  ? Hex4(inner, i + 3)
                  : -1;
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(low) - 0xDC00);
            i += 6;
          } else {
            code = 0xFFFD;
          }
        }
        AppendUtf8(text, code);
        break;
      }
      default: return false;
    }
  }
  out = arena.Copy(text);
  return true;
}

}  // namespace bulwark::rego
