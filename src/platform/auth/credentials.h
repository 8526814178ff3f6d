#pragma once

// What requests carry to say who asks: the cookie of a session, or an API token as bearer (RFC
// 6750). Strangers' text, all of it; pure functions, safe from any thread.
//
// An API token is "bwk_", 43 characters of [0-9A-Za-z] (256 random bits), and six more that are a
// checksum of those: scanners of secrets know one when they see it, and a mistyped one is refused
// without a look into the store. Only its SHA-256 is kept, whose beginning is the token's id.
//
// Errors: auth.credentials kDenied: neither, malformed, or twice.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_server.h"

namespace bulwark::auth {

// __Host-: Secure, of this host alone, Path=/ (RFC 6265bis section 4.1.3.2).
inline constexpr std::string_view kSessionCookie = "__Host-bulwark";
inline constexpr std::string_view kLoginCookie = "__Host-bulwark-login";

struct Credentials {
  std::string token;    // "bwk_…"
  std::string session;  // the cookie's value
};
// Where there is an Authorization header, it alone counts.
Result<Credentials> ReadCredentials(const net::ServerRequest& request);

// The token after "Bearer "; only [A-Za-z0-9._~+/=-], at most 4096.
Result<std::string> ParseBearer(std::string_view authorization);
// The cookie's value out of a Cookie header; an error if it is there twice with another value.
Result<std::optional<std::string>> FindCookie(std::string_view header, std::string_view name);

std::string MakeApiToken();
bool IsApiToken(std::string_view text);          // form and checksum
std::string ApiTokenId(std::string_view token);  // 20 hex digits
std::string HashOf(std::string_view secret);     // 64 hex digits

// `max_age` 0 ends it, absent: until the browser ends.
std::string MakeCookie(std::string_view name, std::string_view value,
                       std::optional<int64_t> max_age);

// As it may stand in subjects and keys: what a store's query would take for a wildcard, controls,
// '%' and malformed UTF-8 become %XX. At most 256 bytes come out; more is an error (auth.name).
Result<std::string> EncodeName(std::string_view name);

// Of a local user: a lower-case letter or digit, then up to 62 more with . _ - among them.
bool IsLocalName(std::string_view name);

// A path to go to after the log-in: "/…" of this host, with no way to another; else "/".
std::string SafeNext(std::string_view next);

}  // namespace bulwark::auth
