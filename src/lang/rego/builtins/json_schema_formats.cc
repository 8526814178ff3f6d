// The formats of JSON Schema that strings are checked for.

#include <re2/re2.h>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_time.h"
#include "lang/rego/builtins/json_schema.h"
#include "lang/rego/builtins/regex.h"
#include "net/url_guard.h"

namespace bulwark::rego {

namespace {

bool FullMatch(const re2::RE2& pattern, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

bool IsTime(std::string_view layout, std::string_view text) {
  return GoParseTime(layout, text).has_value();
}

bool IsDateTime(std::string_view text) {
  for (std::string_view layout : {std::string_view("15:04:05"), std::string_view("15:04:05Z07:00"),
                                  std::string_view("2006-01-02"), kGoRfc3339, kGoRfc3339Nano}) {
    if (IsTime(layout, text)) return true;
  }
  return false;
}

bool IsIp(std::string_view text, char needs) {
  return text.find('%') == std::string_view::npos && text.find(needs) != std::string_view::npos &&
         net::IpAddress::Parse(text).has_value();
}

// An address as RFC 5322 writes it, alone or after a name: a@b.example, "A B" <a@b.example>.
bool IsMailAddress(std::string_view text) {
  static const re2::RE2 kAddress(
      R"re((?s)(?:[ \t]*(?:"(?:[^"\\]|\\.)*"|[^<>@,;:\\"\[\]()\x00-\x1f\x7f]*)[ \t]*<)?)re"
      R"re([ \t]*(?:[^\x00-\x20\x7f()<>\[\]:;@\\,."]+(?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,."]+)*)re"
      R"re(|"(?:[^"\\]|\\.)*")@(?:[^\x00-\x20\x7f()<>\[\]:;@\\,."]+)re"
      R"re((?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,."]+)*|\[[^\[\]\\]*\])[ \t]*(>)?[ \t]*)re");
  std::string closing;
  if (!re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kAddress, &closing)) {
    return false;
  }
  // An angle bracket that is opened is closed, and no other.
  bool opened = false;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '<' && !quoted) {
      opened = true;
    }
  }
  return opened == !closing.empty();
}

}  // namespace

bool HasJsonFormat(std::string_view format, std::string_view text) {
  constexpr size_t kMaxText = size_t{1} << 20;
  if (text.size() > kMaxText) return false;
  if (format == "date") return IsTime("2006-01-02", text);
  if (format == "time") return IsTime("15:04:05Z07:00", text) || IsTime("15:04:05", text);
  if (format == "date-time") return IsDateTime(text);
  if (format == "hostname") {
    static const re2::RE2 kHost(R"(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9]))"
                                R"((\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9]))*)");
    return text.size() < 256 && FullMatch(kHost, text);
  }
  if (format == "email" || format == "idn-email") return IsMailAddress(text);
  if (format == "ipv4") return IsIp(text, '.');
  if (format == "ipv6") return IsIp(text, ':');
  if (format == "uri" || format == "iri" || format == "uri-reference" ||
      format == "iri-reference" || format == "uri-template") {
    Result<GoUrl> url = GoUrl::Parse(text);
    if (!url || text.find('\\') != std::string_view::npos) return false;
    if (format == "uri" || format == "iri") return !url->scheme.empty();
    static const re2::RE2 kBalanced(R"(([^{]*(\{[^}]*\})?)*)");
    return format != "uri-template" || FullMatch(kBalanced, url->path);
  }
  if (format == "uuid") {
    static const re2::RE2 kUuid("(?i)[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}");
    return FullMatch(kUuid, text);
  }
  if (format == "regex") return text.empty() || CompileRegex(text).has_value();
  if (format == "json-pointer") {
    static const re2::RE2 kPointer("(?:/(?:[^~/]|~0|~1)*)*");
    return FullMatch(kPointer, text);
  }
  if (format == "relative-json-pointer") {
    static const re2::RE2 kRelative("(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~0|~1)*)*)");
    return FullMatch(kRelative, text);
  }
  return true;
}

}  // namespace bulwark::rego
