#include "lang/rego/builtins/http_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_time.h"

namespace bulwark::rego {

namespace {

constexpr std::string_view kKeys[] = {
    "body",
    "cache",
    "cache_ignored_headers",
    "caching_mode",
    "enable_redirect",
    "force_cache",
    "force_cache_duration_seconds",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "max_retry_attempts",
    "method",
    "raise_error",
    "raw_body",
    "timeout",
    "tls_ca_cert",
    "tls_ca_cert_env_variable",
    "tls_ca_cert_file",
    "tls_client_cert",
    "tls_client_cert_env_variable",
    "tls_client_cert_file",
    "tls_client_key",
    "tls_client_key_env_variable",
    "tls_client_key_file",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "tls_use_system_certs",
    "url",
};

Error Wrong(std::string message) { return Error(Code::kInvalid, std::move(message)); }

std::string_view TrimQuotes(std::string_view text) {
  while (text.starts_with('"')) text.remove_prefix(1);
  while (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

// As strconv.ParseBool reads what the value looks like as Rego.
Result<bool> ReadBool(const Value& value) {
  std::string text = ToRegoText(value);
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return Wrong(fmt::format("strconv.ParseBool: parsing {}: invalid syntax", GoQuote(text)));
}

Result<bool> BoolField(const Value& request, std::string_view key) {
  const Value* value = request.Find(key);
  if (value == nullptr) return false;
  if (!value->IsBool()) return Wrong(fmt::format("invalid value for \"{}\" field", key));
  return value->IsTrue();
}

Result<int64_t> ReadTimeout(const Value& value) {
  if (value.IsNumber()) {
    if (std::optional<int64_t> nanos = value.ToInt()) return *nanos;
    return Wrong(fmt::format("invalid timeout number value {}, must be int64", ToRegoText(value)));
  }
  if (!value.IsString()) {
    return Wrong(fmt::format("operand 1 'timeout' must be one of {{string, number}} but got {}",
                             TypeName(value)));
  }
  std::string_view text = value.AsString();
  int64_t nanos = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), nanos);
  if (error == std::errc() && end == text.data() + text.size()) return nanos;
  Result<int64_t> duration = GoParseDurationNanos(text);
  if (duration) return duration;
  return Wrong(
      fmt::format("invalid timeout value {}: {}", ToRegoText(value), duration.error().message()));
}

Result<> ReadHeaders(const Value& headers, SendRequest& out, Arena& arena) {
  if (!headers.IsMap()) return Wrong("invalid type for headers key");
  for (const Value::Entry& entry : SortedEntries(headers, arena)) {
    if (!entry.value.IsString()) {
      return Wrong("invalid type for headers value " + (entry.value.IsNumber()
                                                            ? GoQuote(ToRegoText(entry.value))
                                                            : ToRegoText(entry.value)));
    }
    std::string name = entry.key.IsString() ? std::string(entry.key.AsString()) : GoJson(entry.key);
    out.headers.emplace_back(CanonicalHeader(name), entry.value.AsString());
  }
  return Ok{};
}

Result<> ReadCaching(const Value& request, SendRequest& out) {
  out.cache = BW_TRY(BoolField(request, "cache"));
  if (BW_TRY(BoolField(request, "force_cache"))) {
    const Value* seconds = request.Find("force_cache_duration_seconds");
    if (seconds == nullptr) {
      return Wrong("'force_cache' set but 'force_cache_duration_seconds' parameter is missing");
    }
    std::string text = ToRegoText(*seconds);
    int32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Wrong(fmt::format(
          "strconv.ParseInt: parsing {}: {}", GoQuote(text),
          error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax"));
    }
    out.cache = true;
    out.force_cache_seconds = value;
  }
  if (const Value* mode = request.Find("caching_mode"); mode != nullptr && out.cache) {
    if (!mode->IsString()) return Wrong("invalid value for \"caching_mode\" field");
    if (mode->AsString() != "serialized" && mode->AsString() != "deserialized") {
      return Wrong("invalid value specified for \"caching_mode\" field: " +
                   std::string(mode->AsString()));
    }
  }
  return Ok{};
}

}  // namespace

std::string CanonicalHeader(std::string_view name) {
  // Names with other characters stay as they are.
  for (char c : name) {
    if (!IsAsciiLetter(c) && !IsAsciiDigit(c) &&
        std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos) {
      return std::string(name);
    }
  }
  std::string out(name);
  bool upper = true;
  for (char& c : out) {
    c = upper ? AsciiUpper(c) : AsciiLower(c);
    upper = c == '-';
  }
  return out;
}

Outcome CheckRequestKeys(Context& context, const Value& request, size_t operand) {
  std::vector<Value> wrong;
  for (const Value::Entry& entry : request.entries()) {
    bool known = entry.key.IsString() && std::find(std::begin(kKeys), std::end(kKeys),
                                                   entry.key.AsString()) != std::end(kKeys);
    if (!known) wrong.push_back(entry.key);
  }
  if (!wrong.empty()) {
    return context.BadOperand(
        operand, "invalid request parameters(s): " + ToRegoText(Value::Set(context.arena, wrong)));
  }
  for (std::string_view key : {"method", "url"}) {
    if (request.Find(key) == nullptr) wrong.push_back(Value::String(key));
  }
  if (!wrong.empty()) {
    return context.BadOperand(operand, "missing required request parameters(s): " +
                                           ToRegoText(Value::Set(context.arena, wrong)));
  }
  return Outcome::kValue;
}

Result<SendRequest> ReadSendRequest(const Value& request, Arena& arena) {
  SendRequest out;
  if (Result<> read = ReadCaching(request, out); !read) return std::move(read).error();
  struct Text {
    std::string_view key;
    std::string* into;
  };
  std::string raw_body;
  const Text texts[] = {
      {"method", &out.method},
      {"url", &out.url},
      {"raw_body", &raw_body},
      {"tls_ca_cert", &out.tls_ca_cert},
      {"tls_ca_cert_file", &out.tls_ca_cert_file},
      {"tls_ca_cert_env_variable", &out.tls_ca_cert_env_variable},
      {"tls_client_cert", &out.tls_client_cert},
      {"tls_client_cert_file", &out.tls_client_cert_file},
      {"tls_client_cert_env_variable", &out.tls_client_cert_env_variable},
      {"tls_client_key", &out.tls_client_key},
      {"tls_client_key_file", &out.tls_client_key_file},
      {"tls_client_key_env_variable", &out.tls_client_key_env_variable},
      {"tls_server_name", &out.tls_server_name},
  };
  for (const Value::Entry& entry : SortedEntries(request, arena)) {
    std::string_view key = entry.key.AsString();
    const Value& value = entry.value;
    const Text* text = std::find_if(std::begin(texts), std::end(texts),
                                    [&](const Text& t) { return t.key == key; });
    if (text != std::end(texts)) {
      if (!value.IsString()) return Wrong(GoQuote(key) + " must be a string");
      *text->into = TrimQuotes(value.AsString());
    } else if (key == "enable_redirect") {
      out.enable_redirect = BW_TRY(ReadBool(value));
    } else if (key == "tls_use_system_certs") {
      out.tls_use_system_certs = BW_TRY(ReadBool(value));
    } else if (key == "tls_insecure_skip_verify") {
      out.tls_insecure_skip_verify = BW_TRY(ReadBool(value));
    } else if (key == "body") {
      out.body = GoJson(value);
      out.has_body = true;
    } else if (key == "headers") {
      if (Result<> read = ReadHeaders(value, out, arena); !read) return std::move(read).error();
    } else if (key == "timeout") {
      out.timeout_nanos = BW_TRY(ReadTimeout(value));
    }
  }
  if (request.Find("raw_body") != nullptr) {
    out.body = std::move(raw_body);
    out.has_body = true;
  }
  out.method = AsciiUpper(out.method);
  if (const Value* retries = request.Find("max_retry_attempts")) {
    std::optional<int64_t> count = retries->IsNumber() ? retries->ToInt() : std::nullopt;
    if (!count || *count < 0) {
      return Wrong(
          fmt::format("invalid value {} for field \"max_retry_attempts\"", ToRegoText(*retries)));
    }
    out.max_retry_attempts = *count;
  }
  out.force_json_decode = BW_TRY(BoolField(request, "force_json_decode"));
  out.force_yaml_decode = BW_TRY(BoolField(request, "force_yaml_decode"));
  return out;
}

Result<std::string> RequestCacheKey(const Value& request, Arena& arena) {
  const Value* ignored = request.Find("cache_ignored_headers");
  const Value* headers = request.Find("headers");
  MapBuilder key(arena);
  for (const Value::Entry& entry : request.entries()) key.Add(entry.key, entry.value);
  key.Add("cache_ignored_headers", Value::Null());
  if (ignored != nullptr && headers != nullptr) {
    if (!ignored->IsArray() || !std::all_of(ignored->items().begin(), ignored->items().end(),
                                            [](const Value& v) { return v.IsString(); })) {
      return Wrong("cache_ignored_headers must be an array of strings");
    }
    if (!headers->IsMap()) return Wrong("invalid type for headers key");
    MapBuilder kept(arena);
    for (const Value::Entry& entry : headers->entries()) {
      if (!ignored->Contains(entry.key)) kept.Add(entry.key, entry.value);
    }
    key.Add("headers", kept.Finish());
  }
  return ToRegoText(key.Finish());
}

}  // namespace bulwark::rego
