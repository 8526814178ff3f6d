// providers.aws.sign_req: AWS Signature Version 4 in an Authorization header.

#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_time.h"
#include "lang/rego/builtins/http_request.h"
#include "lang/rego/builtins/number.h"

namespace bulwark::rego {

namespace {

std::string Text(const Value* value) {
  return value != nullptr && value->IsString() ? std::string(value->AsString()) : std::string();
}

struct Signing {
  std::string access_key, secret_key, region, session_token, service;
  bool sign_payload = true;
  Timestamp at;
};

struct Signed {
  std::string authorization;
  std::map<std::string, std::string> headers;  // of AWS' own
};

Signed Sign(const std::map<std::string, std::string>& headers, std::string_view method,
            const GoUrl& url, std::string_view body, const Signing& signing) {
  std::string content_hash = signing.sign_payload ? Sha256Hex(body) : "UNSIGNED-PAYLOAD";
  std::string day = GoFormatTime(signing.at, 0, "UTC", "20060102");
  std::string instant = GoFormatTime(signing.at, 0, "UTC", "20060102T150405Z");
  Signed out;
  out.headers["host"] = url.host;
  out.headers["x-amz-date"] = instant;
  if (signing.service == "s3" || signing.service == "glacier") {
    out.headers["x-amz-content-sha256"] = content_hash;
  }
  if (!signing.session_token.empty()) {
    out.headers["x-amz-security-token"] = signing.session_token;
  }
  std::map<std::string, std::string> signed_headers = out.headers;
  for (const auto& [name, value] : headers) {
    std::string lower = AsciiLower(name);
    // Proxies change these.
    if (lower == "authorization" || lower == "user-agent" || lower == "x-amzn-trace-id") continue;
    signed_headers[lower] = value;
  }
  std::string canonical = fmt::format("{}\n{}\n{}\n", method, url.EscapedPath(), url.raw_query);
  std::string names;
  for (const auto& [name, value] : signed_headers) {
    canonical += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += "\n" + names + "\n" + content_hash;

  std::string scope = fmt::format("{}/{}/{}/aws4_request", day, signing.region, signing.service);
  std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", instant, scope, Sha256Hex(canonical));
  using crypto::Hash;
  std::string key = crypto::Hmac(Hash::kSha256, "AWS4" + signing.secret_key, day);
  for (std::string_view part : {std::string_view(signing.region), std::string_view(signing.service),
                                std::string_view("aws4_request")}) {
    key = crypto::Hmac(Hash::kSha256, key, part);
  }
  std::string signature = HexEncode(crypto::Hmac(Hash::kSha256, key, to_sign));
  out.authorization = fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}",
                                  signing.access_key, scope, names, signature);
  return out;
}

}  // namespace

Outcome AwsSignRequest(Context& c, Args args, Value& out) {
  const Value& request = args[0];
  const Value& config = args[1];
  if (!request.IsMap()) return c.WrongType(1, request, "object");
  if (!config.IsMap()) return c.WrongType(1, config, "object");

  std::vector<Value> missing;
  std::vector<Value> invalid;
  for (std::string_view key :
       {"aws_service", "aws_access_key", "aws_secret_access_key", "aws_region"}) {
    const Value* value = config.Find(key);
    if (value == nullptr) missing.push_back(Value::String(key));
    if (value != nullptr && !value->IsString()) invalid.push_back(Value::String(key));
  }
  if (!missing.empty()) {
    return c.BadOperand(2, "missing required AWS config parameters(s): " +
                               ToRegoText(Value::Set(c.arena, missing)));
  }
  if (!invalid.empty()) {
    return c.BadOperand(2, "invalid values for required AWS config parameters(s): " +
                               ToRegoText(Value::Set(c.arena, invalid)));
  }
  if (!args[2].IsNumber()) return c.WrongType(1, args[2], "number");
  std::optional<int64_t> nanos = MachineInt(args[2]);
  if (!nanos) {
    return c.BadOperand(3, "could not convert time_ns value into a unix timestamp");
  }
  if (Outcome checked = CheckRequestKeys(c, request, 1); checked != Outcome::kValue) {
    return checked;
  }
  const Value* headers = request.Find("headers");
  if (headers != nullptr && !headers->IsMap()) return c.WrongType(0, *headers, "object");
  for (std::string_view key : {"url", "method"}) {
    if (!request.Find(key)->IsString()) invalid.push_back(Value::String(key));
  }
  if (!invalid.empty()) {
    return c.BadOperand(1, "invalid values for required request parameters(s): " +
                               ToRegoText(Value::Set(c.arena, invalid)));
  }
  Result<GoUrl> url = GoUrl::Parse(request.Find("url")->AsString());
  if (!url) return c.Fail(url.error().message());
  std::string body;
  if (const Value* raw = request.Find("raw_body")) {
    body = Text(raw);
  } else if (const Value* value = request.Find("body")) {
    body = GoJson(*value);
  }
  if (!c.Spend(body.size() / 100 + 10)) return Outcome::kHalt;

  Signing signing{.access_key = Text(config.Find("aws_access_key")),
                  .secret_key = Text(config.Find("aws_secret_access_key")),
                  .region = Text(config.Find("aws_region")),
                  .session_token = Text(config.Find("aws_session_token")),
                  .service = Text(config.Find("aws_service")),
                  .at = Timestamp{} + Nanos(*nanos)};
  if (const Value* unsigned_payload = config.Find("disable_payload_signing")) {
    if (!unsigned_payload->IsBool()) {
      return c.BadOperand(2, "invalid value for 'disable_payload_signing' in AWS config");
    }
    signing.sign_payload = !unsigned_payload->IsTrue();
  }
  std::map<std::string, std::string> given;
  if (headers != nullptr) {
    for (const Value::Entry& entry : headers->entries()) {
      given[Text(&entry.key)] = Text(&entry.value);
    }
  }
  Signed made = Sign(given, request.Find("method")->AsString(), *url, body, signing);
  MapBuilder all(c.arena);
  auto add = [&](std::string_view name, std::string_view value) {
    all.Add(c.arena.Copy(name), Value::String(c.arena, value));
  };
  for (const auto& [name, value] : given) add(name, value);
  add("Authorization", made.authorization);
  for (const auto& [name, value] : made.headers) add(name, value);

  MapBuilder result(c.arena);
  for (const Value::Entry& entry : request.entries()) result.Add(entry.key, entry.value);
  result.Add("headers", all.Finish());
  out = result.Finish();
  return Outcome::kValue;
}

}  // namespace bulwark::rego
