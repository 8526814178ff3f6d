#include "platform/auth/oidc.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"

namespace bulwark::auth {
namespace {

constexpr size_t kMaxDocument = size_t{1} << 20;
constexpr int64_t kKeepSeconds = 3600;
constexpr int64_t kAnewSeconds = 10;
constexpr int64_t kFailedSeconds = 5;
constexpr size_t kMaxGroups = 1000;
constexpr int64_t kMaxTokenAge = 600;

Error Answer(std::string message) {
  return Error(Code::kInvalid, "oidc.answer", "the provider: " + std::move(message));
}
Error TokenError(std::string what) {
  return Error(Code::kDenied, "oidc.token", "the ID token: " + what, {{"what", what}});
}

Result<Value> ParseObject(std::string_view json, Arena& arena) {
  if (json.size() > kMaxDocument) return Answer("a document of more than 1 MiB");
  Result<Value> value = ParseJson(json, arena, {.max_depth = 32});
  if (!value) return Answer("no JSON: " + value.error().message());
  if (!value->IsMap()) return Answer("no JSON object");
  return value;
}

Result<std::string> Endpoint(const Value& document, std::string_view name, bool required) {
  std::string_view url = document.StringAt(name);
  if (url.empty() && !required) return std::string();
  if (!url.starts_with("https://") || url.size() > 2000 ||
      !std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return Answer(fmt::format("its {} is no https URL", name));
  }
  return std::string(url);
}

// A claim under its name, or along the points of it.
Value Claim(const Value& claims, std::string_view path) {
  if (const Value* direct = claims.Find(path)) return *direct;
  Value at = claims;
  for (std::string_view step : Split(path, '.')) at = at[step];
  return at;
}

void AddNames(const Value& value, std::vector<std::string>& out) {
  auto add = [&](const Value& item) {
    if (item.IsString() && !item.AsString().empty() && item.AsString().size() <= 200 &&
        out.size() < kMaxGroups) {
      out.emplace_back(item.AsString());
    }
  };
  add(value);
  for (const Value& item : value.items()) add(item);
}

// Of a form, and of the halves of client_secret_basic (RFC 6749 section 2.3.1).
void AddField(std::string& form, std::string_view name, std::string_view value) {
  if (!form.empty()) form += '&';
  form += fmt::format("{}={}", name, net::UrlEscape(value));
}

std::string Text(const Value& value) {
  return value.IsString() ? std::string(value.AsString()) : std::string();
}

}  // namespace

OidcFlow NewOidcFlow() {
  return {.state = crypto::RandomToken(),
          .nonce = crypto::RandomToken(),
          .verifier = crypto::RandomToken()};
}

Result<OidcMetadata> ParseOidcMetadata(std::string_view json, std::string_view issuer) {
  Arena arena;
  Value document = BW_TRY(ParseObject(json, arena));
  // Discovery section 4.3: exactly, or one provider could stand in for another.
  if (document.StringAt("issuer") != issuer) {
    return Error(Code::kDenied, "oidc.issuer",
                 fmt::format("the provider calls itself {}, not {}",
                             Quote(document.StringAt("issuer").substr(0, 200)), Quote(issuer)),
                 {{"issuer", std::string(issuer)}});
  }
  OidcMetadata out;
  out.authorization_endpoint = BW_TRY(Endpoint(document, "authorization_endpoint", true));
  out.token_endpoint = BW_TRY(Endpoint(document, "token_endpoint", true));
  out.jwks_uri = BW_TRY(Endpoint(document, "jwks_uri", true));
  out.userinfo_endpoint = BW_TRY(Endpoint(document, "userinfo_endpoint", false));
  Value methods = document["token_endpoint_auth_methods_supported"];
  out.post_secret = methods.IsArray() && !methods.Contains(Value::String("client_secret_basic")) &&
                    methods.Contains(Value::String("client_secret_post"));
  out.names_issuer = document["authorization_response_iss_parameter_supported"].IsTrue();
  return out;
}

Result<Identity> IdentityOf(const Value& claims, const OidcConfig& config) {
  Identity out;
  std::string sub = Text(claims["sub"]);
  if (sub.empty() || sub.size() > 255) return TokenError("sub is missing or too long");
  Value user = Claim(claims, config.user_claim);
  out.subject = Text(user);
  if (user.IsNumber()) out.subject = ToJson(user);
  if (out.subject.empty() || out.subject.size() > 200) {
    return TokenError(config.user_claim + " is missing or too long");
  }
  // Whoever may write his own address is not its owner for that.
  if (config.user_claim == "email" && !claims["email_verified"].IsTrue()) {
    return TokenError("the e-mail address is not verified");
  }
  for (std::string_view name :
       {std::string_view(config.name_claim), std::string_view("preferred_username"),
        std::string_view("email")}) {
    if (out.name.empty()) out.name = Text(Claim(claims, name));
  }
  out.email = Text(claims["email"]);
  for (const std::string& claim : config.groups_claims) {
    AddNames(Claim(claims, claim), out.groups);
  }
  return out;
}

OidcClient::OidcClient(OidcConfig config, std::shared_ptr<const net::UrlGuard> guard,
                       std::function<Timestamp()> now)
    : config_(std::move(config)),
      guard_(std::move(guard)),
      now_(std::move(now)),
      http_({.tls = {.ca_pem = config_.ca_pem}, .guard = guard_}) {}

Result<std::string> OidcClient::Fetch(const std::string& url, std::string_view bearer) {
  net::HttpRequest request{.url = url,
                           .headers = {{"Accept", "application/json"}},
                           .total_timeout = std::chrono::seconds(15),
                           .max_response_bytes = kMaxDocument};
  if (!bearer.empty()) {
    request.headers.emplace_back("Authorization", fmt::format("Bearer {}", bearer));
  }
  net::HttpResponse answer = BW_TRY(http_.Send(std::move(request)));
  if (answer.status != 200) {
    return Error(Code::kUnavailable, "oidc.discovery",
                 fmt::format("{} answered {}", net::UrlForMessages(url), answer.status),
                 {{"url", net::UrlForMessages(url)}, {"status", std::to_string(answer.status)}});
  }
  return std::move(answer.body);
}

Result<OidcMetadata> OidcClient::Metadata() {
  Timestamp now = now_();
  auto known = [&]() -> std::optional<Result<OidcMetadata>> {
    std::lock_guard lock(mutex_);
    if (metadata_ && now.seconds - metadata_at_.seconds < kKeepSeconds) return *metadata_;
    if (failed_ && now.seconds - failed_at_.seconds < kFailedSeconds) return *failed_;
    return std::nullopt;
  };
  if (auto have = known()) return *have;
  std::unique_lock fetching(fetching_, std::chrono::seconds(2));
  if (!fetching) {
    return Error(Code::kUnavailable, "oidc.discovery", "the provider is slow to answer",
                 {{"url", config_.issuer}, {"status", "-"}});
  }
  if (auto have = known()) return *have;
  Result<OidcMetadata> metadata = Discover();
  std::lock_guard lock(mutex_);
  failed_.reset();
  if (metadata) {
    metadata_ = *metadata;
    metadata_at_ = now;
  } else {
    failed_ = metadata.error();
    failed_at_ = now;
  }
  return metadata;
}

Result<OidcMetadata> OidcClient::Discover() {
  std::string issuer = config_.issuer;
  while (issuer.ends_with('/')) issuer.pop_back();
  Result<std::string> text = Fetch(issuer + "/.well-known/openid-configuration");
  if (!text) return std::move(text).error().While("asking the provider for its configuration");
  return ParseOidcMetadata(*text, config_.issuer);
}

Result<std::shared_ptr<const crypto::Jwks>> OidcClient::Keys(bool anew) {
  Timestamp now = now_();
  {
    std::lock_guard lock(mutex_);
    int64_t age = now.seconds - keys_at_.seconds;
    if (keys_ && age < (anew ? kAnewSeconds : kKeepSeconds)) return keys_;
  }
  OidcMetadata metadata = BW_TRY(Metadata());
  Result<std::string> text = Fetch(metadata.jwks_uri);
  if (!text) return std::move(text).error().While("asking the provider for its keys");
  auto keys = std::make_shared<const crypto::Jwks>(BW_TRY(crypto::Jwks::Parse(*text)));
  std::lock_guard lock(mutex_);
  keys_ = keys;
  keys_at_ = now;
  return std::shared_ptr<const crypto::Jwks>(keys);
}

Result<std::string> OidcClient::AuthorizationUrl(const OidcFlow& flow,
                                                 std::string_view redirect_uri) {
  OidcMetadata metadata = BW_TRY(Metadata());
  std::string query;
  AddField(query, "response_type", "code");
  AddField(query, "client_id", config_.client_id);
  AddField(query, "redirect_uri", redirect_uri);
  AddField(query, "scope", Join(std::span<const std::string>(config_.scopes), " "));
  AddField(query, "state", flow.state);
  AddField(query, "nonce", flow.nonce);
  AddField(query, "code_challenge",
           Base64Encode(Sha256(flow.verifier), Base64::kUrl, Padding::kNo));
  AddField(query, "code_challenge_method", "S256");
  const std::string& url = metadata.authorization_endpoint;
  return url + (url.find('?') == std::string::npos ? "?" : "&") + query;
}

Result<crypto::Jwt> OidcClient::CheckIdToken(std::string_view token, std::string_view nonce) {
  crypto::JwtOptions options{.algorithms = config_.algorithms,
                             .issuer = config_.issuer,
                             .audience = config_.client_id,
                             .now = now_()};
  auto keys = BW_TRY(Keys(false));
  Result<crypto::Jwt> jwt = crypto::VerifyJwt(token, *keys, options);
  // Keys change: once more with those that count now.
  if (!jwt && (jwt.error().id() == "jwt.key" || jwt.error().id() == "jwt.signature")) {
    auto fresh = BW_TRY(Keys(true));
    if (fresh != keys) jwt = crypto::VerifyJwt(token, *fresh, options);
  }
  if (!jwt) return std::move(jwt).error();
  const Value& claims = jwt->claims;
  Value azp = claims["azp"];
  if (!azp.IsNull() && (!azp.IsString() || azp.AsString() != config_.client_id)) {
    return TokenError("azp is another client");
  }
  if (claims["aud"].IsArray() && claims["aud"].size() > 1 && azp.IsNull()) {
    return TokenError("several audiences without azp");
  }
  if (!ConstantTimeEquals(claims.StringAt("nonce"), nonce) || nonce.empty()) {
    return TokenError("nonce is another");
  }
  if (!claims["iat"].IsNumber()) return TokenError("iat is missing");
  if (static_cast<double>(options.now->seconds - kMaxTokenAge) > claims["iat"].ToDouble()) {
    return TokenError("it was issued too long ago");
  }
  return jwt;
}

Result<Identity> OidcClient::Redeem(std::string_view code, std::string_view issuer,
                                    const OidcFlow& flow, std::string_view redirect_uri) {
  OidcMetadata metadata = BW_TRY(Metadata());
  if ((metadata.names_issuer || !issuer.empty()) && issuer != config_.issuer) {
    return Error(Code::kDenied, "oidc.issuer", "the answer comes from another issuer",
                 {{"issuer", config_.issuer}});
  }
  if (code.empty() || code.size() > 4096) return Answer("no code");

  net::HttpRequest request{.method = "POST",
                           .url = metadata.token_endpoint,
                           .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                                       {"Accept", "application/json"}},
                           .total_timeout = std::chrono::seconds(15),
                           .max_response_bytes = kMaxDocument};
  AddField(request.body, "grant_type", "authorization_code");
  AddField(request.body, "code", code);
  AddField(request.body, "redirect_uri", redirect_uri);
  AddField(request.body, "code_verifier", flow.verifier);
  if (config_.client_secret.empty() || metadata.post_secret) {
    AddField(request.body, "client_id", config_.client_id);
    if (!config_.client_secret.empty()) {
      AddField(request.body, "client_secret", config_.client_secret);
    }
  } else {
    request.headers.emplace_back("Authorization",
                                 "Basic " + Base64Encode(net::UrlEscape(config_.client_id) + ":" +
                                                         net::UrlEscape(config_.client_secret)));
  }
  net::HttpResponse answer = BW_TRY(http_.Send(std::move(request)));
  Arena arena;
  if (answer.status != 200) {
    Result<Value> problem = ParseObject(answer.body, arena);
    std::string why = problem ? ToValidUtf8(problem->StringAt("error").substr(0, 64)) : "";
    return Error(answer.status >= 500 ? Code::kUnavailable : Code::kDenied, "oidc.exchange",
                 fmt::format("the provider refused the code: {} {}", answer.status, Quote(why)),
                 {{"status", std::to_string(answer.status)}, {"error", why}});
  }
  Value tokens = BW_TRY(ParseObject(answer.body, arena));
  crypto::Jwt jwt = BW_TRY(CheckIdToken(tokens.StringAt("id_token"), flow.nonce));

  Value claims = jwt.claims;
  // What the token does not say, the provider may say when asked: then about the same person.
  bool lacks = std::ranges::any_of(config_.groups_claims, [&](const std::string& claim) {
    return Claim(claims, claim).IsNull();
  });
  std::string_view access = tokens.StringAt("access_token");
  if ((lacks || Claim(claims, config_.name_claim).IsNull() ||
       Claim(claims, config_.user_claim).IsNull()) &&
      !metadata.userinfo_endpoint.empty() && !access.empty()) {
    Result<std::string> text = Fetch(metadata.userinfo_endpoint, access);
    if (!text) return std::move(text).error().While("asking the provider about the user");
    Value info = BW_TRY(ParseObject(*text, arena));
    if (info.StringAt("sub") != claims.StringAt("sub")) {
      return TokenError("userinfo is about another");
    }
    MapBuilder both(arena);
    for (const Value::Entry& e : info.entries()) both.Add(e.key, e.value);
    // What is signed counts.
    for (const Value::Entry& e : claims.entries()) both.Add(e.key, e.value);
    claims = both.Finish();
  }
  return IdentityOf(claims, config_);
}

}  // namespace bulwark::auth
