// OpenID Connect against a real provider (npm's oidc-provider): the whole code flow, with the
// provider's own log-in form, and what must fail.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "platform/auth/credentials.h"
#include "platform/auth/oidc.h"
#include "platform/auth/testing.h"
#include "tests/auth/peers.h"

namespace bulwark::auth {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kFolder = std::string(BULWARK_SOURCE_DIR) + "/tests/auth/oidc";

// The part of a browser that talks to the provider: cookies of its own, forms, redirects up to
// where they lead back to us.
class Person {
 public:
  explicit Person(std::string ca_pem) : client_({.tls = {.ca_pem = std::move(ca_pem)}}) {}

  // Logs in as `name` where a form asks, agrees where one asks; the URL that the provider sends
  // the browser to in the end.
  std::string Through(std::string url, const std::string& name, const std::string& home) {
    std::string body;
    for (int steps = 0; steps < 20; ++steps) {
      net::HttpRequest request{.method = body.empty() ? "GET" : "POST", .url = url, .body = body};
      std::string cookie;
      for (const auto& [n, v] : cookies_) cookie += n + "=" + v + "; ";
      if (!cookie.empty()) request.headers.emplace_back("Cookie", cookie);
      if (!body.empty()) {
        request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
      }
      Result<net::HttpResponse> got = client_.Send(std::move(request));
      if (!got) {
        ADD_FAILURE() << got.error().ToString();
        return {};
      }
      for (const auto& [n, v] : got->headers) {
        if (n != "set-cookie") continue;
        auto pair = Cut(std::string_view(v).substr(0, v.find(';')), "=");
        if (pair) cookies_[std::string(pair->first)] = std::string(pair->second);
      }
      body.clear();
      if (std::string to(got->Header("location")); !to.empty()) {
        url = to.starts_with("/") ? home + to : to;
        if (!url.starts_with(home)) return url;
        continue;
      }
      // A form: of the log-in, or of the consent.
      size_t action = got->body.find("action=\"");
      if (got->status != 200 || action == std::string::npos) {
        ADD_FAILURE() << got->status << ": " << got->body;
        return {};
      }
      url = got->body.substr(action + 8, got->body.find('"', action + 8) - action - 8);
      if (url.starts_with("/")) url = home + url;
      body = got->body.find("name=\"password\"") != std::string::npos
                 ? "prompt=login&login=" + name + "&password=any"
                 : "prompt=consent";
    }
    ADD_FAILURE() << "too many steps";
    return {};
  }

 private:
  net::HttpClient client_;
  std::map<std::string, std::string> cookies_;
};

class Oidc : public testing::Test {
 protected:
  static void SetUpTestSuite() { ca_ = new test::TestCa; }
  static void TearDownTestSuite() { delete ca_; }

  void SetUp() override {
    if (::access((kFolder + "/node_modules/oidc-provider").c_str(), R_OK) != 0) {
      GTEST_SKIP() << "oidc-provider is not installed: npm ci in tests/auth/oidc";
    }
    server_ = std::make_unique<TestServer>(AuthOptions{.allow_addresses = {"127.0.0.1"}});
    server_->frozen = false;
    Begin(true);
  }

  void Begin(bool in_token) {
    std::string redirect = server_->url() + "/api/v1/session/oidc/corp/callback";
    Arena arena;
    std::vector<Value> redirects = {Value::String(redirect),
                                    Value::String("https://elsewhere.example/callback")};
    std::string options = ToJson(MapBuilder(arena)
                                     .Add("cert", Value::String(arena, ca_->leaf.ToPem()))
                                     .Add("key", Value::String(arena, ca_->key.ToPem()))
                                     .Add("redirects", Value::Array(arena, redirects))
                                     .Add("inToken", Value::Bool(in_token))
                                     .Finish());
    provider_ = std::make_unique<test::Program>(
        std::vector<std::string>{"node", kFolder + "/server.mjs", options});
    std::string line = NextAnswer();
    auto port = ParseJson(line, arena);
    ASSERT_TRUE(port) << line;
    issuer_ = "https://127.0.0.1:" + std::to_string((*port)["port"].ToInt().value());
  }

  // What the script says; the library has notices of its own.
  std::string NextAnswer() {
    for (;;) {
      std::string line = provider_->Line();
      if (line.empty() || line[0] == '{') return line;
    }
  }

  // Registers the provider, as the administrator.
  void Register(const std::string& algorithm, const std::string& more = "") {
    Browser admin = Admin(*server_);
    std::string pem = ca_->ca.ToPem(), quoted;
    AppendJsonString(quoted, pem);
    Answer made =
        admin.Post("/api/v1/providers",
                   R"({"name":"corp","kind":"oidc","oidc":{"issuer":")" + issuer_ +
                       R"(","clientId":"bulwark-)" + algorithm +
                       R"(","clientSecret":"the secret: of 100 % {client}","caPem":)" + quoted +
                       R"(,"scopes":["openid","profile","email","groups"])" + more + "}}");
    ASSERT_EQ(made.status, 201) << made.body;
    Answer granted = admin.Post("/api/v1/grants",
                                R"({"subject":"group:corp:dev","role":"developer",
                                    "scope":{"namespaces":["dev"]}})");
    ASSERT_EQ(granted.status, 201) << granted.body;
  }

  // From the button in our page to the callback, which is not yet called.
  std::string ToCallback(Browser& browser, const std::string& name) {
    Answer start = browser.Get("/api/v1/session/oidc/corp?next=/findings");
    EXPECT_EQ(start.status, 302) << start.body;
    EXPECT_THAT(start.Header("location"), StartsWith(issuer_));
    EXPECT_THAT(start.Header("location"), HasSubstr("code_challenge_method=S256"));
    return Person(ca_->ca.ToPem()).Through(start.Header("location"), name, issuer_);
  }

  OidcConfig Config(const std::string& algorithm) {
    return {.issuer = issuer_,
            .client_id = "bulwark-" + algorithm,
            .client_secret = "the secret: of 100 % {client}",
            .scopes = {"openid", "profile", "email", "groups"},
            .ca_pem = ca_->ca.ToPem()};
  }
  std::shared_ptr<const net::UrlGuard> Guard() {
    return std::make_shared<net::UrlGuard>(net::UrlGuard::Make({.allow = {"127.0.0.1"}}).value());
  }
  // A code for that flow.
  std::pair<std::string, std::string> CodeFor(OidcClient& client, const OidcFlow& flow) {
    Result<std::string> url = client.AuthorizationUrl(flow, kElsewhere);
    EXPECT_TRUE(url) << url.error().ToString();
    std::string back = Person(ca_->ca.ToPem()).Through(*url, "alice", issuer_);
    auto parameter = [&](const std::string& name) {
      size_t at = back.find(name + "=");
      if (at == std::string::npos) return std::string();
      at += name.size() + 1;
      return back.substr(at, back.find('&', at) - at);
    };
    EXPECT_EQ(parameter("state"), flow.state);
    return {parameter("code"), issuer_};
  }

  static constexpr std::string_view kElsewhere = "https://elsewhere.example/callback";
  static inline test::TestCa* ca_ = nullptr;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<test::Program> provider_;
  std::string issuer_;
};

TEST_F(Oidc, WholeFlow) {
  Register("RS256");
  Browser browser(*server_);
  std::string callback = ToCallback(browser, "alice");
  ASSERT_THAT(callback, StartsWith(server_->url() + "/api/v1/session/oidc/corp/callback?"));
  // Another browser cannot end what this one began.
  Browser thief(*server_);
  EXPECT_EQ(thief.Get(callback).Header("location"), "/login?provider=corp&error=oidc.state");
  EXPECT_FALSE(thief.cookies.contains(std::string(kSessionCookie)));

  Answer done = browser.Get(callback);
  EXPECT_EQ(done.status, 302);
  EXPECT_EQ(done.Header("location"), "/findings") << done.body;
  EXPECT_TRUE(browser.cookies.contains(std::string(kSessionCookie)));
  EXPECT_FALSE(browser.cookies.contains(std::string(kLoginCookie)));
  Answer session = browser.Get("/api/v1/session");
  EXPECT_EQ(session.json["user"].StringAt("id"), "user:corp:alice");
  EXPECT_EQ(session.json["user"].StringAt("name"), "Alice 王");
  EXPECT_EQ(session.json["roles"][0].AsString(), "developer");
  EXPECT_EQ(browser.Get("/api/v1/things").status, 200);
  EXPECT_THAT(server_->EventIds(), Contains("auth.event.login"));

  // The code is used up, and so is the cookie.
  EXPECT_EQ(browser.Get(callback).Header("location"), "/login?provider=corp&error=oidc.state");

  Browser admin(*server_);
  admin.LogIn("admin", TestServer::kPassword);
  Answer users = admin.Get("/api/v1/users/corp:alice");
  ASSERT_EQ(users.status, 200) << users.body;
  EXPECT_EQ(ToJson(users.json["groups"]), R"(["corp:dev","corp:ops%2A"])");
  EXPECT_EQ(users.json.StringAt("email"), "alice@example.com");
  // A provider's user has no password here, may be disabled, and then does not come in again.
  EXPECT_EQ(
      admin.Post("/api/v1/users/corp:alice/password", R"({"password":"long enough, this"})").status,
      400);
  ASSERT_EQ(admin.Send("PATCH", "/api/v1/users/corp:alice", R"({"disabled":true})").status, 200);
  EXPECT_EQ(browser.Get("/api/v1/things").status, 401);
  callback = ToCallback(browser, "alice");
  EXPECT_EQ(browser.Get(callback).Header("location"), "/login?provider=corp&error=auth.wrong");
  ASSERT_EQ(admin.Send("DELETE", "/api/v1/providers/corp").status, 204);
  EXPECT_EQ(admin.Get("/api/v1/users/corp:alice").status, 404);
  EXPECT_EQ(admin.Get("/api/v1/grants?q=subject:group*").json["items"].size(), 0U);
}

TEST_F(Oidc, GroupsFromUserinfoAndAnotherAlgorithm) {
  Begin(false);
  Register("ES256", R"(,"userClaim":"email","algorithms":["ES256"])");
  Browser browser(*server_);
  Answer done = browser.Get(ToCallback(browser, "alice"));
  EXPECT_EQ(done.Header("location"), "/findings");
  Answer session = browser.Get("/api/v1/session");
  EXPECT_EQ(session.json["user"].StringAt("id"), "user:corp:alice@example.com");
  EXPECT_EQ(session.json["roles"].size(), 1U);
  // Somebody who calls himself so, unverified, is not taken for her.
  Browser mallory(*server_);
  EXPECT_EQ(mallory.Get(ToCallback(mallory, "mallory")).Header("location"),
            "/login?provider=corp&error=oidc.token");
}

TEST_F(Oidc, ForgedAnswers) {
  Register("RS256");
  Browser browser(*server_);
  std::string callback = ToCallback(browser, "alice");
  auto with = [&](const std::string& name, const std::string& value) {
    size_t at = callback.find(name + "=") + name.size() + 1;
    std::string out = callback;
    size_t end = callback.find('&', at);
    out.replace(at, end == std::string::npos ? std::string::npos : end - at, value);
    return out;
  };
  struct Case {
    std::string url;
    std::string_view error;
  };
  const Case cases[] = {
      {with("state", "forged"), "oidc.state"},
      {with("state", ""), "oidc.state"},
      {with("code", "forged"), "oidc.exchange"},
      {with("iss", "https%3A%2F%2Fevil.example"), "oidc.issuer"},
      {callback + "&error=access_denied", "oidc.refused"},
      {server_->url() + "/api/v1/session/oidc/corp/callback", "oidc.state"},
      {server_->url() + "/api/v1/session/oidc/absent/callback?state=x", "auth.not_found"},
  };
  auto cookies = browser.cookies;
  for (const Case& c : cases) {
    browser.cookies = cookies;
    EXPECT_THAT(browser.Get(c.url).Header("location"), HasSubstr("error=" + std::string(c.error)))
        << c.url;
    EXPECT_FALSE(browser.cookies.contains(std::string(kSessionCookie)));
  }
  // Too late.
  browser.cookies = cookies;
  server_->skew_s += 601;
  EXPECT_THAT(browser.Get(callback).Header("location"), HasSubstr("error=oidc.state"));
  // A cookie that was touched.
  std::string& kept = cookies.at(std::string(kLoginCookie));
  kept[kept.size() / 2] = kept[kept.size() / 2] == 'A' ? 'B' : 'A';
  browser.cookies = cookies;
  server_->skew_s = 0;
  EXPECT_THAT(browser.Get(callback).Header("location"), HasSubstr("error=oidc.state"));
}

TEST_F(Oidc, NonceVerifierAndRedirectMustFit) {
  OidcClient client(Config("RS256"), Guard());
  OidcFlow flow = NewOidcFlow(), other = NewOidcFlow();
  {
    auto [code, issuer] = CodeFor(client, flow);
    Result<Identity> who = client.Redeem(code, issuer, flow, kElsewhere);
    ASSERT_TRUE(who) << who.error().ToString();
    EXPECT_EQ(who->subject, "alice");
    EXPECT_EQ(who->groups, (std::vector<std::string>{"dev", "ops*"}));
    Result<Identity> again = client.Redeem(code, issuer, flow, kElsewhere);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().id(), "oidc.exchange");
  }
  auto error = [&](OidcFlow with, std::string_view redirect, bool name_issuer = true) {
    auto [code, issuer] = CodeFor(client, flow);
    Result<Identity> who = client.Redeem(code, name_issuer ? issuer : "", with, redirect);
    return who ? "" : who.error().id();
  };
  EXPECT_EQ(error({flow.state, other.nonce, flow.verifier}, kElsewhere), "oidc.token");
  EXPECT_EQ(error({flow.state, flow.nonce, other.verifier}, kElsewhere), "oidc.exchange");
  EXPECT_EQ(error(flow, "https://other.example/"), "oidc.exchange");
  // This provider says that it always names itself.
  EXPECT_EQ(error(flow, kElsewhere, false), "oidc.issuer");
}

TEST_F(Oidc, KeysChangeAndClocksDiffer) {
  int64_t skew = 0;
  auto clock = [&] { return Now() + std::chrono::seconds(skew); };
  OidcClient client(Config("RS256"), Guard(), clock);
  auto log_in = [&] {
    OidcFlow flow = NewOidcFlow();
    auto [code, issuer] = CodeFor(client, flow);
    Result<Identity> who = client.Redeem(code, issuer, flow, kElsewhere);
    return who ? "" : who.error().id();
  };
  EXPECT_EQ(log_in(), "");
  provider_->Say("rotate");
  ASSERT_EQ(NextAnswer(), "{\"rotated\":true}");
  // Fetched a moment ago: not again within ten seconds, then at once.
  EXPECT_EQ(log_in(), "jwt.key");
  skew = 11;
  EXPECT_EQ(log_in(), "");
  // A clock that runs two hours ahead sees an expired token; one behind, one of the future.
  skew = 7200;
  EXPECT_EQ(log_in(), "jwt.expired");
  skew = -7200;
  EXPECT_THAT(log_in(), testing::AnyOf("jwt.not_yet", "jwt.claims"));
}

TEST_F(Oidc, OnlyItsOwnTokensAndPeers) {
  OidcConfig config = Config("RS256");
  config.algorithms = {"ES256"};
  OidcClient picky(config, Guard());
  OidcFlow flow = NewOidcFlow();
  {
    auto [code, issuer] = CodeFor(picky, flow);
    Result<Identity> who = picky.Redeem(code, issuer, flow, kElsewhere);
    ASSERT_FALSE(who);
    EXPECT_EQ(who.error().id(), "jwt.algorithm");
  }
  config = Config("RS256");
  config.client_secret = "wrong";
  OidcClient wrong(config, Guard());
  {
    auto [code, issuer] = CodeFor(wrong, flow);
    EXPECT_EQ(wrong.Redeem(code, issuer, flow, kElsewhere).error().id(), "oidc.exchange");
  }
  // The same provider under another name; without its CA; where it must not be gone to.
  config = Config("RS256");
  config.issuer = ReplaceAll(config.issuer, "127.0.0.1", "localhost");
  auto both =
      std::make_shared<net::UrlGuard>(net::UrlGuard::Make({.allow = {"127.0.0.1", "::1"}}).value());
  EXPECT_EQ(OidcClient(config, both).AuthorizationUrl(flow, kElsewhere).error().id(),
            "oidc.issuer");
  config = Config("RS256");
  config.ca_pem.clear();
  EXPECT_EQ(OidcClient(config, Guard()).AuthorizationUrl(flow, kElsewhere).error().id(),
            "http.tls");
  auto strict = std::make_shared<net::UrlGuard>(net::UrlGuard::Make({}).value());
  EXPECT_EQ(OidcClient(Config("RS256"), strict).AuthorizationUrl(flow, kElsewhere).error().id(),
            "url_guard.forbidden");
}

}  // namespace
}  // namespace bulwark::auth
