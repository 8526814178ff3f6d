#include "lang/rego/builtins/go_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

constexpr std::string_view kUpperHex = "0123456789ABCDEF";

Error UrlError(std::string_view text, std::string_view why) {
  return Error(Code::kInvalid, fmt::format("parse {}: {}", GoQuote(text), why));
}

enum class Part { kPath, kPathSegment, kHost, kZone, kUser, kQuery, kFragment };

bool ShouldEscape(char c, Part part) {
  if (IsAsciiLetter(c) || IsAsciiDigit(c)) return false;
  if (part == Part::kHost || part == Part::kZone) {
    if (std::string_view("!$&'()*+,;=:[]<>\"").find(c) != std::string_view::npos) return false;
  }
  switch (c) {
    case '-':
    case '_':
    case '.':
    case '~': return false;
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
        case Part::kPathSegment: return c == '/' || c == ';' || c == ',' || c == '?';
        case Part::kUser: return c == '@' || c == '/' || c == '?' || c == ':';
        case Part::kQuery: return true;
        case Part::kFragment: return false;
        default: return true;
      }
    default: break;
  }
  if (part == Part::kFragment && (c == '!' || c == '(' || c == ')' || c == '*')) return false;
  return true;
}

std::string Escape(std::string_view text, Part part) {
  std::string out;
  for (char c : text) {
    if (!ShouldEscape(c, part)) {
      out += c;
    } else if (c == ' ' && part == Part::kQuery) {
      out += '+';
    } else {
      auto byte = static_cast<uint8_t>(c);
      out += '%';
      out += kUpperHex[byte >> 4];
      out += kUpperHex[byte & 15];
    }
  }
  return out;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> Unescape(std::string_view text, Part part) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) {
        return Error(Code::kInvalid, "invalid URL escape " + GoQuote(text.substr(i, 3)));
      }
      int value = HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]);
      if (part == Part::kHost && value < 0x80 && text.substr(i, 3) != "%25") {
        return Error(Code::kInvalid, "invalid URL escape " + GoQuote(text.substr(i, 3)));
      }
      if (part == Part::kZone && value != 0x25 && value != ' ' &&
          ShouldEscape(static_cast<char>(value), Part::kHost)) {
        return Error(Code::kInvalid, "invalid URL escape " + GoQuote(text.substr(i, 3)));
      }
      out += static_cast<char>(value);
      i += 2;
    } else if (c == '+' && part == Part::kQuery) {
      out += ' ';
    } else {
      if ((part == Part::kHost || part == Part::kZone) && static_cast<uint8_t>(c) < 0x80 &&
          ShouldEscape(c, part)) {
        return Error(Code::kInvalid,
                     fmt::format("invalid character {} in host name", GoQuote({&c, 1})));
      }
      out += c;
    }
  }
  return out;
}

bool ValidPort(std::string_view text) {
  if (text.empty()) return true;
  if (text[0] != ':') return false;
  return std::all_of(text.begin() + 1, text.end(), IsAsciiDigit);
}

Result<std::string> ParseHost(std::string_view host) {
  if (host.starts_with('[')) {
    size_t end = host.rfind(']');
    if (end == std::string_view::npos) return Error(Code::kInvalid, "missing ']' in host");
    if (!ValidPort(host.substr(end + 1))) {
      return Error(Code::kInvalid,
                   fmt::format("invalid port {} after host", GoQuote(host.substr(end + 1))));
    }
    size_t zone = host.substr(0, end).find("%25");
    if (zone != std::string_view::npos) {
      return BW_TRY(Unescape(host.substr(0, zone), Part::kHost))
      +BW_TRY(Unescape(host.substr(zone, end - zone), Part::kZone))
      +BW_TRY(Unescape(host.substr(end), Part::kHost));
    }
  } else if (size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    if (!ValidPort(host.substr(colon))) {
      return Error(Code::kInvalid,
                   fmt::format("invalid port {} after host", GoQuote(host.substr(colon))));
    }
  }
  return Unescape(host, Part::kHost);
}

bool ValidUser(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) ||
           std::string_view("-._:~!$&'()*+,;=%@").find(c) != std::string_view::npos;
  });
}

// Whether a path or fragment is written as the default would not, but rightly so.
bool ValidEncoded(std::string_view text, Part part) {
  for (char c : text) {
    switch (c) {
      case '!':
      case '$':
      case '&':
      case '\'':
      case '(':
      case ')':
      case '*':
      case '+':
      case ',':
      case ';':
      case '=':
      case ':':
      case '@':
      case '[':
      case ']':
      case '%': break;
      default:
        if (ShouldEscape(c, part)) return false;
    }
  }
  return true;
}

Result<> SetPath(GoUrl& url, std::string_view text) {
  url.path = BW_TRY(Unescape(text, Part::kPath));
  url.raw_path = Escape(url.path, Part::kPath) == text ? std::string() : std::string(text);
  return Ok{};
}

std::string ResolvePath(std::string_view base, std::string_view reference) {
  std::string full;
  if (reference.empty()) {
    full = base;
  } else if (reference[0] != '/') {
    size_t slash = base.rfind('/');
    full = std::string(base.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
    full += reference;
  } else {
    full = reference;
  }
  if (full.empty()) return "";
  std::vector<std::string_view> kept;
  std::string_view last;
  for (std::string_view part : Split(std::string_view(full), '/')) {
    last = part;
    if (part == ".") continue;
    if (part == "..") {
      if (kept.size() > 1) kept.pop_back();
      continue;
    }
    kept.push_back(part);
  }
  std::string out = Join(kept, "/");
  if ((last == "." || last == "..") && !out.ends_with('/')) out += '/';
  if (!out.starts_with('/')) out.insert(out.begin(), '/');
  // "//a" would be read as a host.
  if (out.size() > 1 && out[1] == '/') out = out.substr(1);
  return out;
}

}  // namespace

std::string GoQuote(std::string_view text) {
  std::string out;
  AppendQuoted(out, text);
  return out;
}

std::string GoFloat(double number, char format) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Inf" : "+Inf";
  std::array<char, 512> buffer;
  if (format == 'g') {
    // The shortest digits; the exponent's form where it is below -4 or at least 21.
    auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                      std::chars_format::scientific);
    std::string text(buffer.data(), end);
    int exponent = 0;
    std::from_chars(text.data() + text.find('e') + 1 + (text[text.find('e') + 1] == '+' ? 1 : 0),
                    text.data() + text.size(), exponent);
    if (exponent < -4 || exponent >= 21) return text;
  }
  auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed);
  return {buffer.data(), end};
}

Result<std::string> DecodeGoBase64(std::string_view text, GoBase64 encoding) {
  bool url = encoding == GoBase64::kUrl || encoding == GoBase64::kUrlRaw;
  bool padded = encoding == GoBase64::kStandard || encoding == GoBase64::kUrl;
  auto illegal = [](size_t at) {
    return Error(Code::kInvalid, fmt::format("illegal base64 data at input byte {}", at));
  };
  auto digit = [url](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    if (c == (url ? '_' : '/')) return 63;
    return -1;
  };
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  size_t at = 0;
  bool ended = false;
  while (!ended) {
    std::array<int, 4> quantum{};
    int filled = 0;
    int wanted = 4;
    while (filled < 4) {
      if (at == text.size()) {
        if (filled == 0) return out;
        if (filled == 1 || padded) return illegal(at - static_cast<size_t>(filled));
        wanted = filled;
        ended = true;
        break;
      }
      char c = text[at++];
      int value = digit(c);
      if (value >= 0) {
        quantum[static_cast<size_t>(filled++)] = value;
        continue;
      }
      if (c == '\n' || c == '\r') continue;
      if (!padded || c != '=') return illegal(at - 1);
      // The end: "=" after three digits, "==" after two.
      if (filled < 2) return illegal(at - 1);
      if (filled == 2) {
        while (at < text.size() && (text[at] == '\n' || text[at] == '\r')) ++at;
        if (at == text.size()) return illegal(text.size());
        if (text[at] != '=') return illegal(at - 1);
        ++at;
      }
      while (at < text.size() && (text[at] == '\n' || text[at] == '\r')) ++at;
      if (at < text.size()) return illegal(at);
      wanted = filled;
      ended = true;
      break;
    }
    uint32_t bits = 0;
    for (int value : quantum) bits = bits << 6 | static_cast<uint32_t>(value);
    for (int i = 0; i < wanted - 1; ++i) {
      out += static_cast<char>(bits >> (16 - 8 * i) & 0xff);
    }
  }
  return out;
}

std::optional<PemBlock> DecodePem(std::string_view text, std::string_view* rest) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  constexpr std::string_view kDashes = "-----";
  std::string_view left = text;
  *rest = text;
  while (true) {
    // A block begins at the start of a line.
    size_t begin = left.starts_with(kBegin) ? 0 : left.find("\n-----BEGIN ");
    if (begin == std::string_view::npos) return std::nullopt;
    if (!left.starts_with(kBegin)) ++begin;
    left.remove_prefix(begin + kBegin.size());
    size_t newline = left.find('\n');
    std::string_view line = left.substr(0, newline);
    left = newline == std::string_view::npos ? std::string_view() : left.substr(newline + 1);
    line = TrimRight(line);
    if (!line.ends_with(kDashes)) continue;
    PemBlock block{.type = std::string(line.substr(0, line.size() - kDashes.size()))};
    // Headers, until a line without a colon.
    std::string_view body = left;
    while (!body.empty()) {
      size_t end = body.find('\n');
      std::string_view header = body.substr(0, end);
      if (header.find(':') == std::string_view::npos) break;
      block.headers = true;
      body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    }
    size_t end = body.starts_with(kEnd) ? 0 : body.find("\n-----END ");
    if (end == std::string_view::npos) continue;
    size_t marker = body.starts_with(kEnd) ? 0 : end + 1;
    std::string_view trailer = body.substr(marker + kEnd.size());
    if (!trailer.starts_with(block.type) ||
        !trailer.substr(block.type.size()).starts_with(kDashes)) {
      continue;
    }
    std::string_view after = trailer.substr(block.type.size() + kDashes.size());
    size_t stop = after.find('\n');
    if (!Trim(after.substr(0, stop)).empty()) continue;
    std::string digits;
    for (char c : body.substr(0, end)) {
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') digits += c;
    }
    Result<std::string> bytes = DecodeGoBase64(digits, GoBase64::kStandard);
    if (!bytes) continue;
    block.bytes = *std::move(bytes);
    *rest = stop == std::string_view::npos ? std::string_view() : after.substr(stop + 1);
    return block;
  }
}

std::string EncodePem(std::string_view type, std::string_view bytes) {
  std::string out = fmt::format("-----BEGIN {}-----\n", type);
  std::string digits = Base64Encode(bytes);
  for (size_t at = 0; at < digits.size(); at += 64) out += digits.substr(at, 64) + "\n";
  return out + fmt::format("-----END {}-----\n", type);
}

Result<GoUrl> GoUrl::Parse(std::string_view whole) {
  GoUrl url;
  auto wrong = [&](const Error& error) { return UrlError(whole, error.message()); };
  std::string_view text = whole;
  size_t hash = text.find('#');
  std::string_view raw_fragment;
  if (hash != std::string_view::npos) {
    raw_fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  for (char c : text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      return UrlError(text, "net/url: invalid control character in URL");
    }
  }
  std::string_view rest = text;
  if (rest == "*") {
    url.path = "*";
  } else {
    for (size_t i = 0; i < rest.size(); ++i) {
      char c = rest[i];
      if (IsAsciiLetter(c)) continue;
      if (IsAsciiDigit(c) || c == '+' || c == '-' || c == '.') {
        if (i == 0) break;
        continue;
      }
      if (c == ':') {
        if (i == 0) return UrlError(text, "missing protocol scheme");
        url.scheme = AsciiLower(rest.substr(0, i));
        rest.remove_prefix(i + 1);
      }
      break;
    }
    if (rest.ends_with('?') && std::count(rest.begin(), rest.end(), '?') == 1) {
      url.force_query = true;
      rest.remove_suffix(1);
    } else if (size_t query = rest.find('?'); query != std::string_view::npos) {
      url.raw_query = rest.substr(query + 1);
      rest = rest.substr(0, query);
    }
    bool opaque = false;
    if (!rest.starts_with('/')) {
      if (!url.scheme.empty()) {
        url.opaque = rest;
        opaque = true;
      } else if (std::string_view segment = rest.substr(0, rest.find('/'));
                 segment.find(':') != std::string_view::npos) {
        return UrlError(text, "first path segment in URL cannot contain colon");
      }
    }
    if (!opaque) {
      if ((!url.scheme.empty() || !rest.starts_with("///")) && rest.starts_with("//")) {
        std::string_view authority = rest.substr(2);
        rest = {};
        if (size_t slash = authority.find('/'); slash != std::string_view::npos) {
          rest = authority.substr(slash);
          authority = authority.substr(0, slash);
        }
        if (size_t at = authority.rfind('@'); at != std::string_view::npos) {
          url.has_user = true;
          url.user = authority.substr(0, at);
          authority.remove_prefix(at + 1);
          if (!ValidUser(url.user)) return UrlError(text, "net/url: invalid userinfo");
        }
        Result<std::string> host = ParseHost(authority);
        if (!host) return UrlError(text, host.error().message());
        url.host = *std::move(host);
      } else if (!url.scheme.empty() && rest.starts_with('/')) {
        url.omit_host = true;
      }
      if (Result<> path = SetPath(url, rest); !path) return UrlError(text, path.error().message());
    }
  }
  if (!raw_fragment.empty()) {
    Result<std::string> fragment = Unescape(raw_fragment, Part::kFragment);
    if (!fragment) return wrong(fragment.error());
    url.fragment = *std::move(fragment);
    if (Escape(url.fragment, Part::kFragment) != raw_fragment) url.raw_fragment = raw_fragment;
  }
  return url;
}

std::string GoUrl::EscapedPath() const {
  if (!raw_path.empty() && ValidEncoded(raw_path, Part::kPath)) {
    Result<std::string> plain = Unescape(raw_path, Part::kPath);
    if (plain && *plain == path) return raw_path;
  }
  return path == "*" ? "*" : Escape(path, Part::kPath);
}

std::string GoUrl::EscapedFragment() const {
  if (!raw_fragment.empty() && ValidEncoded(raw_fragment, Part::kFragment)) {
    Result<std::string> plain = Unescape(raw_fragment, Part::kFragment);
    if (plain && *plain == fragment) return raw_fragment;
  }
  return Escape(fragment, Part::kFragment);
}

std::string GoUrl::HostName() const {
  std::string_view name = host;
  size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && ValidPort(name.substr(colon))) {
    name = name.substr(0, colon);
  }
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  return std::string(name);
}

std::string GoUrl::ToString() const {
  std::string out;
  if (!scheme.empty()) out += scheme + ":";
  if (!opaque.empty()) {
    out += opaque;
  } else {
    if (!scheme.empty() || !host.empty() || has_user) {
      if (!omit_host || !host.empty() || has_user) {
        if (!host.empty() || !path.empty() || has_user) out += "//";
        if (has_user) out += user + "@";
        out += Escape(host, Part::kHost);
      }
    }
    std::string escaped = EscapedPath();
    if (!escaped.empty() && escaped[0] != '/' && !host.empty()) out += '/';
    if (out.empty()) {
      std::string_view segment = std::string_view(escaped).substr(0, escaped.find('/'));
      if (segment.find(':') != std::string_view::npos) out += "./";
    }
    out += escaped;
  }
  if (force_query || !raw_query.empty()) out += "?" + raw_query;
  if (!fragment.empty()) out += "#" + EscapedFragment();
  return out;
}

GoUrl GoUrl::Resolve(const GoUrl& reference) const {
  GoUrl url = reference;
  if (reference.scheme.empty()) url.scheme = scheme;
  auto set_path = [&](std::string_view text) {
    // Both came from URLs that were well-formed.
    if (!SetPath(url, text)) url.path = text;
  };
  if (!reference.scheme.empty() || !reference.host.empty() || reference.has_user) {
    set_path(ResolvePath(reference.EscapedPath(), ""));
    return url;
  }
  if (!reference.opaque.empty()) {
    url.has_user = false;
    url.user.clear();
    url.host.clear();
    url.path.clear();
    return url;
  }
  if (reference.path.empty() && !reference.force_query && reference.raw_query.empty()) {
    url.raw_query = raw_query;
    if (reference.fragment.empty()) {
      url.fragment = fragment;
      url.raw_fragment = raw_fragment;
    }
  }
  if (reference.path.empty() && !opaque.empty()) {
    url.opaque = opaque;
    url.has_user = false;
    url.user.clear();
    url.host.clear();
    url.path.clear();
    return url;
  }
  url.host = host;
  url.has_user = has_user;
  url.user = user;
  set_path(ResolvePath(EscapedPath(), reference.EscapedPath()));
  return url;
}

namespace {

void AppendGoJsonString(std::string& out, std::string_view text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    std::string_view raw = text.substr(at, c.length);
    at += c.length;
    switch (c.value) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (!c.valid) {
          out += "\\ufffd";
        } else if (c.value < 0x20 || c.value == '<' || c.value == '>' || c.value == '&' ||
                   c.value == 0x2028 || c.value == 0x2029) {
          out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c.value));
        } else {
          out += raw;
        }
    }
  }
  out += '"';
}

void AppendGoJson(std::string& out, const Value& value, bool plain_numbers) {
  if (value.IsMap()) {
    std::vector<std::pair<std::string, const Value*>> members;
    for (const Value::Entry& entry : value.entries()) {
      members.emplace_back(
          entry.key.IsString() ? std::string(entry.key.AsString()) : GoJson(entry.key),
          &entry.value);
    }
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    out += '{';
    bool first = true;
    for (const auto& [key, member] : members) {
      if (!first) out += ',';
      first = false;
      AppendGoJsonString(out, key);
      out += ':';
      AppendGoJson(out, *member, plain_numbers);
    }
    out += '}';
  } else if (value.IsArray() || value.IsSet()) {
    out += '[';
    bool first = true;
    for (const Value& item : value.items()) {
      if (!first) out += ',';
      first = false;
      AppendGoJson(out, item, plain_numbers);
    }
    out += ']';
  } else if (value.IsString()) {
    AppendGoJsonString(out, value.AsString());
  } else if (value.IsNumber() && plain_numbers) {
    AppendJsonDouble(out, value.ToDouble());
  } else if (value.IsNumber()) {
    AppendNumber(out, value);
  } else {
    out += value.IsNull() ? "null" : value.IsTrue() ? "true" : "false";
  }
}

}  // namespace

std::string GoJson(const Value& value, bool plain_numbers) {
  std::string out;
  AppendGoJson(out, value, plain_numbers);
  return out;
}

std::string GoQueryEscape(std::string_view text) { return Escape(text, Part::kQuery); }

}  // namespace bulwark::rego
