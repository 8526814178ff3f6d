#include "net/url_guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "net/http_client.h"

namespace bulwark::net {

namespace {

struct Rule {
  std::string_view range, what;
};

// IANA's special-purpose registries (RFC 6890), as far as nothing that settings name stands there.
constexpr Rule kV4[] = {
    {"0.0.0.0/8", "unspecified"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local"},
    {"100.100.100.200/32", "a metadata service"},
    {"168.63.129.16/32", "a metadata service"},
    {"192.0.0.0/24", "reserved"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved"},
};
constexpr Rule kV6[] = {
    {"::/128", "unspecified"},
    {"::1/128", "loopback"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local"},
    {"ff00::/8", "multicast"},
    {"fd00:ec2::254/128", "a metadata service"},
    {"fd20:ce::254/128", "a metadata service"},
    {"100::/64", "discarded"},
};

template <size_t N>
std::vector<std::pair<IpRange, std::string_view>> Compile(const Rule (&rules)[N]) {
  std::vector<std::pair<IpRange, std::string_view>> out;
  for (const Rule& rule : rules) {
    auto range = IpRange::Parse(rule.range);
    BW_CHECK(range.has_value());
    out.emplace_back(*range, rule.what);
  }
  return out;
}

IpAddress V4(const uint8_t* bytes, uint8_t flip = 0) {
  IpAddress out;
  for (size_t i = 0; i < 4; ++i) out.bytes[i] = bytes[i] ^ flip;
  return out;
}

bool StartsWith(const IpAddress& a, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), a.bytes.begin());
}

// IPv4 addresses that packets to this IPv6 address may end up at.
std::vector<IpAddress> Embedded(const IpAddress& a) {
  std::vector<IpAddress> out;
  const uint8_t* b = a.bytes.data();
  static constexpr uint8_t kZeros[12] = {};
  // Mapped is unmapped before. ::a.b.c.d, but not :: and ::1.
  if (std::memcmp(b, kZeros, 12) == 0) out.push_back(V4(b + 12));
  if (StartsWith(a, {0, 0x64, 0xff, 0x9b})) out.push_back(V4(b + 12));  // RFC 6052, RFC 8215
  if (StartsWith(a, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0})) out.push_back(V4(b + 12));  // SIIT
  if (StartsWith(a, {0x20, 0x02})) out.push_back(V4(b + 2));                                 // 6to4
  if (StartsWith(a, {0x20, 0x01, 0, 0})) {  // Teredo
    out.push_back(V4(b + 4));
    out.push_back(V4(b + 12, 0xff));
  }
  if ((b[8] & 0xfd) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe) {  // ISATAP
    out.push_back(V4(b + 12));
  }
  return out;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress out;
  if (size_t zone = text.find('%'); zone != std::string_view::npos) {
    if (text.find(':') == std::string_view::npos) return std::nullopt;
    text = text.substr(0, zone);
  }
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  if (::inet_pton(AF_INET, copy.c_str(), out.bytes.data()) == 1) return out;
  out.v6 = true;
  if (::inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Of(const sockaddr* address) {
  IpAddress out;
  if (address->sa_family == AF_INET) {
    std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
    return out;
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  out.v6 = true;
  std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  return out;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof(text));
  return text;
}

IpAddress IpAddress::Unmapped() const {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!v6 || std::memcmp(bytes.data(), kMapped, 12) != 0) return *this;
  return V4(bytes.data() + 12);
}

Result<IpRange> IpRange::Parse(std::string_view text) {
  auto wrong = [&] {
    return Error(Code::kInvalid, "url_guard.range",
                 fmt::format("{} is no address and no CIDR range", Quote(text)),
                 {{"range", std::string(text)}});
  };
  auto parts = Cut(text, "/");
  auto base = IpAddress::Parse(parts ? parts->first : text);
  if (!base) return wrong();
  IpRange out{.base = *base, .bits = base->v6 ? 128 : 32};
  if (parts) {
    if (parts->second.empty() || parts->second.size() > 3 ||
        !std::all_of(parts->second.begin(), parts->second.end(), IsAsciiDigit)) {
      return wrong();
    }
    int bits = std::stoi(std::string(parts->second));
    if (bits > out.bits) return wrong();
    out.bits = bits;
  }
  if (IpAddress plain = out.base.Unmapped(); plain.v6 != out.base.v6 && out.bits >= 96) {
    out = {.base = plain, .bits = out.bits - 96};
  }
  return out;
}

bool IpRange::Contains(const IpAddress& address) const {
  IpAddress a = address.Unmapped();
  if (a.v6 != base.v6) return false;
  for (int bit = 0; bit < bits; bit += 8) {
    size_t i = static_cast<size_t>(bit) / 8;
    auto mask = static_cast<uint8_t>(bits - bit >= 8 ? 0xff : 0xff << (8 - (bits - bit)));
    if (((a.bytes[i] ^ base.bytes[i]) & mask) != 0) return false;
  }
  return true;
}

Result<UrlGuard> UrlGuard::Make(const UrlGuardOptions& options) {
  UrlGuard out;
  for (const std::string& range : options.allow) {
    out.allow_.push_back(BW_TRY(IpRange::Parse(range)));
  }
  return out;
}

std::string_view UrlGuard::Forbidden(const IpAddress& address) const {
  static const auto kRules4 = Compile(kV4);
  static const auto kRules6 = Compile(kV6);
  IpAddress a = address.Unmapped();
  for (const IpRange& range : allow_) {
    if (range.Contains(a)) return {};
  }
  for (const auto& [range, what] : a.v6 ? kRules6 : kRules4) {
    if (range.Contains(a)) return what;
  }
  if (!a.v6) return {};
  for (const IpAddress& inner : Embedded(a)) {
    if (std::string_view what = Forbidden(inner); !what.empty()) return what;
  }
  return {};
}

Result<> UrlGuard::CheckUrl(std::string_view url) const {
  // curl's parser also normalises what it connects to: 0x7f.1, 2130706433, 0177.0.0.1.
  std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  char* host = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) {
    return Error(Code::kInvalid, "http.url", fmt::format("{}: no URL", UrlForMessages(url)));
  }
  std::string name = host;
  curl_free(host);
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  while (name.ends_with('.')) name.pop_back();
  std::string_view what;
  if (auto address = IpAddress::Parse(name)) {
    what = Forbidden(*address);
  } else if (AsciiLower(name) == "localhost" || AsciiLower(name).ends_with(".localhost")) {
    what = Forbidden(*IpAddress::Parse("127.0.0.1"));
  }
  if (what.empty()) return Ok();
  return Error(
      Code::kDenied, "url_guard.forbidden",
      fmt::format("{}: {} is {}, where requests must not go", UrlForMessages(url), name, what),
      {{"host", name}, {"what", std::string(what)}});
}

}  // namespace bulwark::net
