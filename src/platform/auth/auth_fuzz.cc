// Cookies, Authorization headers, API tokens, names, discovery documents, claims, providers'
// settings and scopes: strangers' text. The first byte says which.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "formats/json.h"
#include "platform/auth/credentials.h"
#include "platform/auth/ldap.h"
#include "platform/auth/oidc.h"
#include "platform/auth/password_rules.h"
#include "platform/auth/providers.h"
#include "platform/auth/records.h"

namespace bulwark::auth {
namespace {

void Headers(std::string_view text) {
  net::ServerRequest request;
  for (std::string_view line : SplitLines(text)) {
    if (auto pair = Cut(line, ":")) {
      request.headers.emplace_back(AsciiLower(pair->first), std::string(Trim(pair->second)));
    }
  }
  if (Result<Credentials> got = ReadCredentials(request)) {
    BW_CHECK(got->token.empty() || got->session.empty());
    BW_CHECK(got->token.size() <= 4096);
    IsApiToken(got->token);
  }
}

void Names(std::string_view text) {
  if (Result<std::string> name = EncodeName(text)) {
    BW_CHECK(!name->empty() && name->size() <= 256 && IsUtf8(*name));
    BW_CHECK(name->find_first_of("*?\\,\"") == std::string::npos);
  }
  std::string next = SafeNext(text);
  BW_CHECK(next.starts_with('/') && !next.starts_with("//"));
  BW_CHECK(next.find_first_of("\\\r\n\t ") == std::string::npos);
  std::string filter = FillLdapFilter("(uid={user})", text, text);
  BW_CHECK(filter.starts_with("(uid=") && filter.ends_with(")"));
  std::string_view value = std::string_view(filter).substr(5, filter.size() - 6);
  BW_CHECK(value.find_first_of("()*") == std::string_view::npos);
  (void)CheckPassword(text, "alice").has_value();
  (void)IsApiToken(text);
}

void Json(std::string_view text) {
  Arena arena;
  Result<Value> value = ParseJson(text, arena, {.max_depth = 32});
  if (!value) return;
  OidcConfig config{.groups_claims = {"groups", "realm_access.roles"}};
  if (Result<Identity> who = IdentityOf(*value, config)) {
    BW_CHECK(!who->subject.empty() && who->groups.size() <= 1000);
  }
  if (Result<api::Scope> scope = ParseScope(*value)) {
    // What was taken stays what it is.
    BW_CHECK(ParseScope(ScopeValue(*scope, arena)).value() == *scope);
  }
  if (Result<Provider> provider = ParseProvider("corp", *value)) {
    std::string record = ToRecord(*provider);
    Arena again;
    Result<Provider> back = ParseProvider("corp", ParseJson(record, again).value());
    BW_CHECK(back.has_value() && ToRecord(*back) == record);
  }
}

}  // namespace
}  // namespace bulwark::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: bulwark::auth::Headers(text); break;
    case 1: bulwark::auth::Names(text); break;
    case 2: bulwark::auth::Json(text); break;
    default:
      (void)bulwark::auth::ParseOidcMetadata(text, "https://id.example.com").has_value();
      (void)bulwark::auth::ReadUser({.key = "k", .revision = 1, .body = std::string(text)})
          .has_value();
      (void)bulwark::auth::ReadSession({.key = "k", .revision = 1, .body = std::string(text)})
          .has_value();
      (void)bulwark::auth::ReadToken({.key = "k", .revision = 1, .body = std::string(text)})
          .has_value();
  }
  return 0;
}
