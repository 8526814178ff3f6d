#include "lang/cel/ext/go_url.h"

#include <algorithm>

#include "base/text.h"
#include "lang/cel/ext/netip.h"

namespace bulwark::cel::ext {
namespace {

enum class Part { kPath, kHost, kZone, kUserPassword, kQueryComponent, kFragment };

constexpr size_t kMaxQueryParameters = 10'000;

bool IsUnreserved(char c) {
  return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

// net/url's idea of what has to be escaped where; not quite RFC 3986's.
bool ShouldEscape(char c, Part part) {
  if (IsUnreserved(c)) return false;
  if (part == Part::kHost || part == Part::kZone) {
    return !std::string_view("!$&'()*+,;=:[]<>\"").contains(c);
  }
  switch (c) {
    case '$':
    case '&':
    case '+':
    case ',':
    case '/':
    case ':':
    case ';':
    case '=':
    case '?':
    case '@':
      switch (part) {
        case Part::kPath: return c == '?';
        case Part::kUserPassword: return c == '@' || c == '/' || c == '?' || c == ':';
        case Part::kQueryComponent: return true;
        default: return false;
      }
    case '!':
    case '(':
    case ')':
    case '*': return part != Part::kFragment;
    default: return true;
  }
}

std::string Escape(std::string_view text, Part part) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (c == ' ' && part == Part::kQueryComponent) {
      out += '+';
    } else if (ShouldEscape(c, part)) {
      unsigned char byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

int HexDigit(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error Bad(std::string message) { return Error(Code::kInvalid, std::move(message)); }

Result<std::string> Unescape(std::string_view text, Part part) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '%') {
      if (at + 2 >= text.size() || HexDigit(text[at + 1]) < 0 || HexDigit(text[at + 2]) < 0) {
        return Bad("invalid URL escape " + Quote(text.substr(at, 3)));
      }
      std::string_view escape = text.substr(at, 3);
      char byte = static_cast<char>(HexDigit(text[at + 1]) << 4 | HexDigit(text[at + 2]));
      // A host holds escapes of non-ASCII bytes only, and of the percent sign before a zone.
      if (part == Part::kHost && HexDigit(text[at + 1]) < 8 && escape != "%25") {
        return Bad("invalid URL escape " + Quote(escape));
      }
      if (part == Part::kZone && escape != "%25" && byte != ' ' &&
          ShouldEscape(byte, Part::kHost)) {
        return Bad("invalid URL escape " + Quote(escape));
      }
      out += byte;
      at += 2;
    } else if (c == '+' && part == Part::kQueryComponent) {
      out += ' ';
    } else {
      bool host = part == Part::kHost || part == Part::kZone;
      if (host && static_cast<unsigned char>(c) < 0x80 && ShouldEscape(c, part)) {
        return Bad("invalid character " + Quote(std::string_view(&c, 1)) + " in host name");
      }
      out += c;
    }
  }
  return out;
}

// Whether it may stand as an escaped path or fragment.
bool IsValidEncoding(std::string_view text, Part part) {
  return std::all_of(text.begin(), text.end(), [part](char c) {
    return std::string_view("!$&'()*+,;=:@[]%").contains(c) || !ShouldEscape(c, part);
  });
}

bool IsOptionalPort(std::string_view port) {
  if (port.empty()) return true;
  return port[0] == ':' && std::all_of(port.begin() + 1, port.end(), IsAsciiDigit);
}

std::pair<std::string_view, std::string_view> CutAt(std::string_view text, char separator) {
  size_t at = text.find(separator);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

Result<std::string> ParseHost(std::string_view host) {
  size_t open = host.rfind('[');
  if (open != std::string_view::npos && open > 0) return Bad("invalid IP-literal");
  if (open == 0) {
    size_t close = host.rfind(']');
    if (close == std::string_view::npos) return Bad("missing ']' in host");
    std::string_view colon_port = host.substr(close + 1);
    if (!IsOptionalPort(colon_port)) {
      return Bad("invalid port " + Quote(colon_port) + " after host");
    }
    std::string_view inside = host.substr(1, close - 1);
    size_t zone = std::min(inside.find("%25"), inside.size());
    std::string name = BW_TRY(Unescape(inside.substr(0, zone), Part::kHost));
    name += BW_TRY(Unescape(inside.substr(zone), Part::kZone));
    Result<Address::Parsed> address = Address::Parse(name);
    if (!address) return Bad("invalid host: " + address.error().message());
    if (address->address.is4()) return Bad("invalid IP-literal");
    return "[" + name + "]" + std::string(colon_port);
  }
  if (size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    if (!IsOptionalPort(host.substr(colon))) {
      return Bad("invalid port " + Quote(host.substr(colon)) + " after host");
    }
  }
  return Unescape(host, Part::kHost);
}

bool IsValidUserInfo(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) ||
           std::string_view("-._:~!$&'()*+,;=%@").contains(c);
  });
}

Result<Ok> ParseAuthority(std::string_view authority, GoUrl& url) {
  size_t at = authority.rfind('@');
  bool has_user = at != std::string_view::npos;
  url.host = BW_TRY(ParseHost(has_user ? authority.substr(at + 1) : authority));
  if (!has_user) return Ok{};
  std::string_view info = authority.substr(0, at);
  if (!IsValidUserInfo(info)) return Bad("net/url: invalid userinfo");
  auto [name, password] = CutAt(info, ':');
  url.has_user = true;
  url.has_password = info.contains(':');
  url.username = BW_TRY(Unescape(name, Part::kUserPassword));
  url.password = BW_TRY(Unescape(password, Part::kUserPassword));
  return Ok{};
}

struct SchemeAndRest {
  std::string_view scheme, rest;
};

Result<SchemeAndRest> CutScheme(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (IsAsciiLetter(c)) continue;
    if (IsAsciiDigit(c) || c == '+' || c == '-' || c == '.') {
      if (i == 0) return SchemeAndRest{{}, text};
      continue;
    }
    if (c != ':') return SchemeAndRest{{}, text};
    if (i == 0) return Bad("missing protocol scheme");
    return SchemeAndRest{text.substr(0, i), text.substr(i + 1)};
  }
  return SchemeAndRest{{}, text};
}

// `request`: as in an HTTP request, with no relative references.
Result<GoUrl> ParseWithoutFragment(std::string_view text, bool request) {
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; })) {
    return Bad("net/url: invalid control character in URL");
  }
  if (text.empty() && request) return Bad("empty url");
  GoUrl url;
  if (text == "*") {
    url.path = "*";
    return url;
  }
  auto [scheme, rest] = BW_TRY(CutScheme(text));
  url.scheme = AsciiLower(scheme);
  if (rest.ends_with('?') && rest.find('?') == rest.size() - 1) {
    url.force_query = true;
    rest.remove_suffix(1);
  } else {
    auto [before, query] = CutAt(rest, '?');
    url.raw_query = query;
    rest = before;
  }
  if (!rest.starts_with('/')) {
    if (!url.scheme.empty()) {
      url.opaque = rest;
      return url;
    }
    if (request) return Bad("invalid URI for request");
    if (CutAt(rest, '/').first.contains(':')) {
      return Bad("first path segment in URL cannot contain colon");
    }
  }
  bool authority_allowed = !url.scheme.empty() || (!request && !rest.starts_with("///"));
  if (authority_allowed && rest.starts_with("//")) {
    std::string_view authority = rest.substr(2);
    size_t slash = std::min(authority.find('/'), authority.size());
    rest = authority.substr(slash);
    BW_TRY(ParseAuthority(authority.substr(0, slash), url));
  } else if (!url.scheme.empty() && rest.starts_with('/')) {
    url.omit_host = true;
  }
  url.path = BW_TRY(Unescape(rest, Part::kPath));
  if (Escape(url.path, Part::kPath) != rest) url.raw_path = rest;
  return url;
}

Error While(std::string_view text, const Error& error) {
  return Bad("parse " + Quote(text) + ": " + error.message());
}

std::pair<std::string_view, std::string_view> SplitHostPort(std::string_view host) {
  std::string_view port;
  size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && IsOptionalPort(host.substr(colon))) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (host.size() >= 2 && host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return {host, port};
}

}  // namespace

Result<GoUrl> GoUrl::Parse(std::string_view text) {
  auto [before, fragment] = CutAt(text, '#');
  Result<GoUrl> url = ParseWithoutFragment(before, false);
  if (!url) return While(before, url.error());
  if (!fragment.empty()) {
    Result<std::string> unescaped = Unescape(fragment, Part::kFragment);
    if (!unescaped) return While(text, unescaped.error());
    url->fragment = *unescaped;
    if (Escape(url->fragment, Part::kFragment) != fragment) url->raw_fragment = fragment;
  }
  return url;
}

Result<GoUrl> GoUrl::ParseRequestUri(std::string_view text) {
  Result<GoUrl> url = ParseWithoutFragment(text, true);
  if (!url) return While(text, url.error());
  return url;
}

std::string GoUrl::EscapedPath() const {
  if (!raw_path.empty() && IsValidEncoding(raw_path, Part::kPath)) return raw_path;
  if (path == "*") return "*";
  return Escape(path, Part::kPath);
}

std::string GoUrl::EscapedFragment() const {
  if (!raw_fragment.empty() && IsValidEncoding(raw_fragment, Part::kFragment)) {
    return raw_fragment;
  }
  return Escape(fragment, Part::kFragment);
}

std::string GoUrl::Hostname() const { return std::string(SplitHostPort(host).first); }
std::string GoUrl::Port() const { return std::string(SplitHostPort(host).second); }

std::string GoUrl::ToString() const {
  std::string out;
  if (!scheme.empty()) out += scheme + ":";
  if (!opaque.empty()) {
    out += opaque;
  } else {
    bool authority = !scheme.empty() || !host.empty() || has_user;
    if (authority && !(omit_host && host.empty() && !has_user)) {
      if (!host.empty() || !path.empty() || has_user) out += "//";
      if (has_user) {
        out += Escape(username, Part::kUserPassword);
        if (has_password) out += ":" + Escape(password, Part::kUserPassword);
        out += "@";
      }
      out += Escape(host, Part::kHost);
    }
    std::string escaped = EscapedPath();
    if (!escaped.empty() && escaped[0] != '/' && !host.empty()) out += '/';
    if (out.empty() && CutAt(escaped, '/').first.contains(':')) out += "./";
    out += escaped;
  }
  if (force_query || !raw_query.empty()) out += "?" + raw_query;
  if (!fragment.empty()) out += "#" + EscapedFragment();
  return out;
}

std::vector<std::pair<std::string, std::string>> GoUrl::Query() const {
  std::vector<std::pair<std::string, std::string>> out;
  if (raw_query.empty()) return out;
  std::vector<std::string_view> pairs = Split(std::string_view(raw_query), '&');
  if (pairs.size() > kMaxQueryParameters) return out;
  for (std::string_view pair : pairs) {
    if (pair.empty() || pair.contains(';')) continue;
    auto [name, value] = CutAt(pair, '=');
    Result<std::string> plain_name = Unescape(name, Part::kQueryComponent);
    Result<std::string> plain_value = Unescape(value, Part::kQueryComponent);
    if (plain_name && plain_value) out.emplace_back(*plain_name, *plain_value);
  }
  return out;
}

}  // namespace bulwark::cel::ext
