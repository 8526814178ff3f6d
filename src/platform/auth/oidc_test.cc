// What a provider that means no good could say: discovery documents, claims, and ID tokens that the
// real ones (tests/auth) never make.

#include "platform/auth/oidc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/x509.h"
#include "formats/json.h"
#include "net/http_server.h"

namespace bulwark::auth {
namespace {

constexpr std::string_view kIssuer = "https://id.example.com";

std::string Document(std::string_view more = "") {
  return R"({"issuer":"https://id.example.com",
    "authorization_endpoint":"https://id.example.com/auth",
    "token_endpoint":"https://id.example.com/token","jwks_uri":"https://id.example.com/jwks")" +
         std::string(more) + "}";
}

TEST(OidcMetadata, Reads) {
  OidcMetadata m = ParseOidcMetadata(Document(R"(,"userinfo_endpoint":"https://id.example.com/me",
      "token_endpoint_auth_methods_supported":["client_secret_post","private_key_jwt"],
      "authorization_response_iss_parameter_supported":true)"),
                                     kIssuer)
                       .value();
  EXPECT_EQ(m.token_endpoint, "https://id.example.com/token");
  EXPECT_EQ(m.userinfo_endpoint, "https://id.example.com/me");
  EXPECT_TRUE(m.post_secret);
  EXPECT_TRUE(m.names_issuer);
  EXPECT_FALSE(ParseOidcMetadata(Document(), kIssuer)->post_secret);
}

TEST(OidcMetadata, Refuses) {
  struct Case {
    std::string json;
    std::string_view error;
  };
  std::string deep(100, '[');
  const Case cases[] = {
      {"", "oidc.answer"},
      {"[]", "oidc.answer"},
      {"{}", "oidc.issuer"},
      {R"({"issuer":"https://id.example.com/"})", "oidc.issuer"},
      {R"({"issuer":["https://id.example.com"]})", "oidc.issuer"},
      {R"({"issuer":"https://id.example.com"})", "oidc.answer"},
      {Document(R"(,"userinfo_endpoint":"http://id.example.com/me")"), "oidc.answer"},
      {Document(R"(,"userinfo_endpoint":"file:///etc/passwd")"), "oidc.answer"},
      {Document(R"(,"userinfo_endpoint":"https://a/\n")"), "oidc.answer"},
      {Document(R"(,"x":)" + deep), "oidc.answer"},
      {std::string(2 << 20, ' '), "oidc.answer"},
  };
  for (const Case& c : cases) {
    auto m = ParseOidcMetadata(c.json, kIssuer);
    ASSERT_FALSE(m) << c.json.substr(0, 100);
    EXPECT_EQ(m.error().id(), c.error) << c.json.substr(0, 100);
  }
}

TEST(OidcClaims, BecomeAnIdentity) {
  struct Case {
    std::string claims;
    OidcConfig config;
    std::string who;  // "subject|name|groups", or the error
  };
  OidcConfig plain, email{.user_claim = "email"},
      keycloak{.groups_claims = {"groups", "realm_access.roles", "a.b"},
               .user_claim = "preferred_username"};
  const Case cases[] = {
      {R"({"sub":"1","name":"A","groups":["x","y"]})", plain, "1|A|x,y"},
      {R"({"sub":"1","groups":"x"})", plain, "1||x"},
      {R"({"sub":"1","groups":[1,null,{"a":1},"x",""]})", plain, "1||x"},
      {R"({"sub":"1","groups":{"a":"b"}})", plain, "1||"},
      {R"({"sub":"1","preferred_username":"p"})", plain, "1|p|"},
      {R"({"sub":1})", plain, "oidc.token"},
      {R"({"sub":""})", plain, "oidc.token"},
      {R"({})", plain, "oidc.token"},
      {R"({"sub":")" + std::string(300, 'a') + "\"}", plain, "oidc.token"},
      {R"({"sub":"1","email":"a@b","email_verified":true})", email, "a@b|a@b|"},
      {R"({"sub":"1","email":"a@b","email_verified":"true"})", email, "oidc.token"},
      {R"({"sub":"1","email":"a@b"})", email, "oidc.token"},
      {R"({"sub":"1","preferred_username":"k","realm_access":{"roles":["r"]},"a.b":["direct"]})",
       keycloak, "k|k|r,direct"},
      {R"({"sub":"1"})", keycloak, "oidc.token"},
  };
  for (const Case& c : cases) {
    Arena arena;
    Result<Identity> who = IdentityOf(ParseJson(c.claims, arena).value(), c.config);
    std::string text = who ? who->subject + "|" + who->name + "|" : who.error().id();
    for (size_t i = 0; who && i < who->groups.size(); ++i) {
      text += (i ? "," : "") + who->groups[i];
    }
    EXPECT_EQ(text, c.who) << c.claims.substr(0, 100);
  }
}

TEST(OidcFlow, IsAsLongAsItMustBe) {
  OidcFlow a = NewOidcFlow(), b = NewOidcFlow();
  EXPECT_GE(a.verifier.size(), 43U);  // RFC 7636 section 4.1
  EXPECT_NE(a.verifier, b.verifier);
  EXPECT_NE(a.state, b.state);
  EXPECT_NE(a.nonce, a.state);
}

// A provider whose ID tokens say whatever a case wants.
class Forger {
 public:
  Forger() {
    Timestamp now = Now();
    now.nanos = 0;
    crypto::CertificateSpec spec{
        .subject = {.common_name = "localhost", .organizations = {}},
        .names = {.dns = {}, .ips = {"127.0.0.1"}, .uris = {}, .emails = {}},
        .not_before = now - std::chrono::hours(1),
        .not_after = now + std::chrono::hours(1),
        .ca = true};
    auto ca_key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
    auto ca = crypto::SelfSigned(ca_key, spec).value();
    spec.ca = false;
    spec.server = true;
    auto tls_key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
    ca_pem = ca.ToPem();
    server_ = net::HttpServer::Start(
                  {.listen = {"127.0.0.1:0"},
                   .tls =
                       net::TlsServerOptions{
                           .certificate_pem =
                               crypto::Issue(ca, ca_key, tls_key.Public(), spec).value().ToPem(),
                           .key_pem = tls_key.ToPem()}},
                  [this](const net::ServerRequest& r) { return Answer(r); })
                  .value();
    issuer = "https://127.0.0.1:" + std::to_string(server_->port());
  }

  std::string Token(std::string_view claims, std::string_view algorithm = "ES256",
                    std::string_view kid = "k") const {
    return crypto::SignJwt(algorithm == "EdDSA" ? ed_ : key_, algorithm, kid, claims).value();
  }

  std::string issuer, ca_pem;
  std::string id_token, userinfo = "{}";

 private:
  net::ServerResponse Answer(const net::ServerRequest& request) const {
    net::ServerResponse out;
    out.headers = {{"Content-Type", "application/json"}};
    if (request.path == "/.well-known/openid-configuration") {
      out.body = R"({"issuer":")" + issuer + R"(","authorization_endpoint":")" + issuer +
                 R"(/auth","token_endpoint":")" + issuer + R"(/token","jwks_uri":")" + issuer +
                 R"(/jwks","userinfo_endpoint":")" + issuer + R"(/me"})";
    } else if (request.path == "/jwks") {
      out.body = R"({"keys":[)" + crypto::ToJwk(key_.Public(), "k") + "," +
                 crypto::ToJwk(ed_.Public(), "e") + "]}";
    } else if (request.path == "/token") {
      out.body = R"({"access_token":"a","token_type":"Bearer","id_token":")" + id_token + "\"}";
    } else if (request.path == "/me") {
      out.body = userinfo;
    } else {
      out.status = 404;
    }
    return out;
  }

  crypto::PrivateKey key_ = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  crypto::PrivateKey ed_ = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519);
  std::unique_ptr<net::HttpServer> server_;
};

TEST(OidcIdToken, WhatMustHold) {
  Forger forger;
  auto guard =
      std::make_shared<net::UrlGuard>(net::UrlGuard::Make({.allow = {"127.0.0.1"}}).value());
  OidcClient client({.issuer = forger.issuer, .client_id = "bulwark", .ca_pem = forger.ca_pem},
                    guard);
  OidcFlow flow = NewOidcFlow();
  int64_t now = Now().seconds;
  // The good token, but for what a case changes: claims later in the text are put in place of "@".
  auto claims = [&](std::string_view iss, std::string_view aud, std::string_view nonce, int64_t exp,
                    int64_t iat, std::string_view more) {
    return R"({"iss":")" + std::string(iss) +
           R"(","sub":"alice","groups":["g"],"name":"A","aud":)" + std::string(aud) +
           R"(,"nonce":")" + std::string(nonce) + R"(","exp":)" + std::to_string(exp) +
           R"(,"iat":)" + std::to_string(iat) + std::string(more) + "}";
  };
  auto good = [&] { return claims(forger.issuer, "\"bulwark\"", flow.nonce, now + 300, now, ""); };
  struct Case {
    std::string token, error;
  };
  std::string payload = "eyJpc3MiOiJ4In0", none = "eyJhbGciOiJub25lIn0";
  const Case cases[] = {
      {forger.Token(good()), ""},
      {forger.Token(good(), "EdDSA", "e"), ""},
      {forger.Token(claims(forger.issuer, R"(["bulwark"])", flow.nonce, now + 300, now, "")), ""},
      {forger.Token(claims(forger.issuer, R"(["bulwark","x"])", flow.nonce, now + 300, now,
                           R"(,"azp":"bulwark")")),
       ""},
      {forger.Token(claims(forger.issuer, R"(["bulwark","x"])", flow.nonce, now + 300, now, "")),
       "oidc.token"},
      {forger.Token(claims(forger.issuer, R"(["bulwark","x"])", flow.nonce, now + 300, now,
                           R"(,"azp":"x")")),
       "oidc.token"},
      {forger.Token(claims(forger.issuer, "\"bulwark\"", flow.nonce, now + 300, now,
                           R"(,"azp":["bulwark"])")),
       "oidc.token"},
      {forger.Token(claims(forger.issuer, "\"x\"", flow.nonce, now + 300, now, "")),
       "jwt.audience"},
      {forger.Token(claims(forger.issuer, "[]", flow.nonce, now + 300, now, "")), "jwt.audience"},
      {forger.Token(claims("https://evil.example", "\"bulwark\"", flow.nonce, now + 300, now, "")),
       "jwt.issuer"},
      {forger.Token(claims(forger.issuer + "/", "\"bulwark\"", flow.nonce, now + 300, now, "")),
       "jwt.issuer"},
      {forger.Token(claims(forger.issuer, "\"bulwark\"", "other", now + 300, now, "")),
       "oidc.token"},
      {forger.Token(claims(forger.issuer, "\"bulwark\"", "", now + 300, now, "")), "oidc.token"},
      {forger.Token(claims(forger.issuer, "\"bulwark\"", flow.nonce, now - 120, now - 300, "")),
       "jwt.expired"},
      {forger.Token(claims(forger.issuer, "\"bulwark\"", flow.nonce, now + 9000, now - 3600, "")),
       "oidc.token"},  // issued long ago
      {forger.Token(claims(forger.issuer, "\"bulwark\"", flow.nonce, now + 300, now,
                           R"(,"nbf":)" + std::to_string(now + 200))),
       "jwt.not_yet"},
      {forger.Token(R"({"iss":")" + forger.issuer + R"(","aud":"bulwark","sub":"a","nonce":")" +
                    flow.nonce + R"(","exp":)" + std::to_string(now + 300) + "}"),
       "oidc.token"},  // no iat
      {forger.Token(good(), "ES256", "unknown"), "jwt.key"},
      {none + "." + payload + ".", "jwt.algorithm"},
      {"eyJhbGciOiJIUzI1NiJ9." + payload + ".AAAA", "jwt.algorithm"},
      {"", "jwt.malformed"},
      {"a.b.c", "jwt.malformed"},
      {forger.Token(good()) + "x", "*"},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    forger.id_token = cases[i].token;
    Result<Identity> who = client.Redeem("code", "", flow, "https://us.example/callback");
    if (cases[i].error == "*") {
      EXPECT_FALSE(who) << "case " << i;
      continue;
    }
    EXPECT_EQ(who ? "" : who.error().id(), cases[i].error) << "case " << i;
    if (who) EXPECT_EQ(who->subject, "alice");
  }

  // Userinfo that is about another, or no JSON; asked for where the token lacks something.
  forger.id_token = forger.Token(
      R"({"iss":")" + forger.issuer + R"(","aud":"bulwark","sub":"alice","nonce":")" + flow.nonce +
      R"(","exp":)" + std::to_string(now + 300) + R"(,"iat":)" + std::to_string(now) + "}");
  auto redeem = [&] {
    Result<Identity> who = client.Redeem("code", "", flow, "https://us.example/callback");
    return who ? who->name + "/" + std::to_string(who->groups.size()) : who.error().id();
  };
  forger.userinfo = R"({"sub":"alice","name":"A","groups":["x","y"]})";
  EXPECT_EQ(redeem(), "A/2");
  forger.userinfo = R"({"sub":"bob","name":"B","groups":["admins"]})";
  EXPECT_EQ(redeem(), "oidc.token");
  forger.userinfo = R"({"name":"B"})";
  EXPECT_EQ(redeem(), "oidc.token");
  forger.userinfo = "[";
  EXPECT_EQ(redeem(), "oidc.answer");
}

}  // namespace
}  // namespace bulwark::auth
