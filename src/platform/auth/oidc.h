#pragma once

// OpenID Connect 1.0 as a relying party: authorization code flow with PKCE (RFC 7636, S256), state
// and nonce, discovery (OpenID Connect Discovery 1.0), the ID token checked as Core section
// 3.1.3.7 asks, the issuer of the answer as RFC 9207 asks.
//
//   OidcFlow flow = NewOidcFlow();
//   std::string url = BW_TRY(client.AuthorizationUrl(flow, redirect));  // send the browser there
//   … it comes back with ?code=…&state=…&iss=… ; compare state with flow.state …
//   Identity who = BW_TRY(client.Redeem(code, iss, flow, redirect));
//
// Issuer and endpoints are https; where they lead is guarded (net/url_guard.h). Discovery and keys
// are kept an hour; a key that is not known makes the keys be fetched anew, at most every ten
// seconds; a provider that failed is not asked again for five, as strangers can make us ask.
// Documents have at most 1 MiB. Algorithms are RS, PS and ES 256 to 512 and EdDSA, or
// those of them that the settings name; never none, never an HMAC.
//
// Errors: oidc.discovery kUnavailable, oidc.issuer kDenied (the document or the answer names
// another), oidc.exchange kDenied (the provider took the code for none of ours), oidc.token kDenied
// (what the ID token lacks or has wrong), oidc.answer kInvalid, and those of net/http_client.h and
// crypto/jose.h. Thread-safe.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/value.h"
#include "crypto/jose.h"
#include "net/http_client.h"
#include "net/url_guard.h"
#include "platform/auth/identity.h"

namespace bulwark::auth {

struct OidcConfig {
  std::string issuer, client_id;
  std::string client_secret;  // empty: a public client
  std::vector<std::string> scopes = {"openid", "profile", "email"};
  // Lists of names, or one; "a.b" also looks into objects.
  std::vector<std::string> groups_claims = {"groups"};
  std::string user_claim = "sub";  // "email" counts only with email_verified
  std::string name_claim = "name";
  std::string ca_pem;                   // empty: the system's
  std::vector<std::string> algorithms;  // empty: all of those above
};

// What must come back, and what must not leave: kept where only that browser brings it from.
struct OidcFlow {
  std::string state, nonce, verifier;
};
OidcFlow NewOidcFlow();

// Of a discovery document.
struct OidcMetadata {
  std::string authorization_endpoint, token_endpoint, jwks_uri, userinfo_endpoint;
  bool post_secret = false;   // client_secret_post is all that it takes
  bool names_issuer = false;  // authorization_response_iss_parameter_supported
};
Result<OidcMetadata> ParseOidcMetadata(std::string_view json, std::string_view issuer);

// Claims (of an ID token or of userinfo) to what counts of them.
Result<Identity> IdentityOf(const Value& claims, const OidcConfig& config);

class OidcClient {
 public:
  OidcClient(OidcConfig config, std::shared_ptr<const net::UrlGuard> guard,
             std::function<Timestamp()> now = Now);

  Result<std::string> AuthorizationUrl(const OidcFlow& flow, std::string_view redirect_uri);
  // `issuer`: the parameter iss of the answer, "" if it had none.
  Result<Identity> Redeem(std::string_view code, std::string_view issuer, const OidcFlow& flow,
                          std::string_view redirect_uri);
  // The checks on an ID token alone.
  Result<crypto::Jwt> CheckIdToken(std::string_view token, std::string_view nonce);

 private:
  Result<OidcMetadata> Metadata();
  Result<OidcMetadata> Discover();
  Result<std::shared_ptr<const crypto::Jwks>> Keys(bool anew);
  Result<std::string> Fetch(const std::string& url, std::string_view bearer = {});

  const OidcConfig config_;
  const std::shared_ptr<const net::UrlGuard> guard_;
  const std::function<Timestamp()> now_;
  const net::HttpClient http_;
  std::timed_mutex fetching_;  // one asks, others wait a little for what it learns
  std::mutex mutex_;
  std::optional<Error> failed_;  // the last discovery
  Timestamp failed_at_;
  std::optional<OidcMetadata> metadata_;
  std::shared_ptr<const crypto::Jwks> keys_;
  Timestamp metadata_at_, keys_at_;
};

}  // namespace bulwark::auth
