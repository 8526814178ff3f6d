// Auth behind the real API, router and HTTP server, over real stores.

#include "platform/auth/auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "platform/auth/credentials.h"
#include "platform/auth/permissions.h"
#include "platform/auth/records.h"
#include "platform/auth/testing.h"

namespace bulwark::auth {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const std::string kPassword(TestServer::kPassword);

std::vector<std::string> Strings(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) out.emplace_back(item.AsString());
  return out;
}

TEST(FirstAdmin, PasswordIsInAFileAndMustBeChanged) {
  TestServer server;
  std::string file = server.folder() + "/first-password";
  struct stat info;
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(ReadFile(file).value(), *server.auth->first_password() + "\n");

  Browser browser(server);
  Answer in = browser.LogIn("admin", *server.auth->first_password());
  ASSERT_EQ(in.status, 200) << in.body;
  EXPECT_TRUE(in.json["mustChangePassword"].IsTrue());
  // Until then he may nothing else.
  EXPECT_TRUE(in.json["permissions"].empty());
  EXPECT_EQ(browser.Get("/api/v1/users").status, 403);
  EXPECT_EQ(browser.Post("/api/v1/tokens", R"({"name":"x"})").Problem(),
            "auth.must_change_password");
  std::string path = "/api/v1/users/admin/password";
  std::string current = *server.auth->first_password();
  EXPECT_EQ(browser.Post(path, R"({"current":"wrong","password":")" + kPassword + "\"}").Problem(),
            "auth.wrong");
  EXPECT_EQ(
      browser.Post(path, R"({"current":")" + current + R"(","password":"Password1234"})").Problem(),
      "auth.password_common");
  std::string before = browser.cookies.at(std::string(kSessionCookie));
  Answer changed =
      browser.Post(path, R"({"current":")" + current + R"(","password":")" + kPassword + "\"}");
  ASSERT_EQ(changed.status, 204) << changed.body;
  EXPECT_NE(browser.cookies.at(std::string(kSessionCookie)), before);
  EXPECT_NE(::stat(file.c_str(), &info), 0) << "the file has served";
  browser.Refresh();
  EXPECT_EQ(browser.Get("/api/v1/users").status, 200);

  // A second start makes nobody.
  auto again = Auth::Open(*server.store, *server.vault, {.data_folder = server.folder()});
  ASSERT_TRUE(again);
  EXPECT_FALSE((*again)->first_password());
}

TEST(Session, CookieAndCsrf) {
  TestServer server;
  Browser admin = Admin(server);
  AddUser(admin, "dev", "developer", R"({"namespaces":["dev"]})");
  Browser browser(server);
  EXPECT_TRUE(browser.Get("/api/v1/session").json["authenticated"].IsFalse());
  EXPECT_EQ(browser.Get("/api/v1/things").status, 401);
  Answer in = browser.LogIn("DEV", kPassword);
  ASSERT_EQ(in.status, 200) << in.body;
  EXPECT_THAT(browser.last_cookie, testing::StartsWith("__Host-bulwark="));
  for (const char* part : {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}) {
    EXPECT_THAT(browser.last_cookie, HasSubstr(part));
  }
  EXPECT_THAT(browser.last_cookie, Not(HasSubstr("Domain")));
  EXPECT_EQ(in.Header("cache-control"), "no-store");

  Answer session = browser.Get("/api/v1/session");
  EXPECT_TRUE(session.json["authenticated"].IsTrue());
  EXPECT_EQ(session.json["user"].StringAt("id"), "user:dev");
  EXPECT_THAT(Strings(session.json["permissions"]), Contains("findings.read"));
  EXPECT_THAT(Strings(session.json["permissions"]), Not(Contains("findings.write")));
  EXPECT_EQ(Strings(session.json["roles"]), std::vector<std::string>{"developer"});
  EXPECT_EQ(ToJson(session.json["scopes"][0]["scope"]), R"({"namespaces":["dev"]})");
  EXPECT_EQ(browser.Get("/api/v1/things").status, 200);

  // Only the hash of the secret is stored, and nothing of it is shown.
  std::string secret = browser.cookies.at(std::string(kSessionCookie));
  int sessions = 0;
  ASSERT_TRUE(
      server.store->Scan("sessions", store::Query::All(), [&](const store::Record& r) -> Result<> {
        ++sessions;
        EXPECT_THAT(r.key + r.body, Not(HasSubstr(secret)));
        return Ok{};
      }));
  EXPECT_EQ(sessions, 2);
  EXPECT_THAT(session.body, Not(HasSubstr(secret)));

  // A write needs the token of the session.
  std::string csrf = browser.csrf;
  browser.csrf.clear();
  EXPECT_EQ(browser.Post("/api/v1/tokens", R"({"name":"t"})").status, 403);
  browser.csrf = csrf.substr(1) + "x";
  EXPECT_EQ(browser.Post("/api/v1/tokens", R"({"name":"t"})").status, 403);
  browser.csrf = csrf;
  EXPECT_EQ(browser.Post("/api/v1/tokens", R"({"name":"t"})").status, 201);

  // Logging in again ends the session that came with it.
  Browser old = browser;
  browser.LogIn("dev", kPassword);
  EXPECT_EQ(old.Get("/api/v1/things").Problem(), "auth.session");
  EXPECT_TRUE(old.Get("/api/v1/session").json["authenticated"].IsFalse());
  EXPECT_EQ(browser.Get("/api/v1/things").status, 200);

  EXPECT_EQ(browser.Send("DELETE", "/api/v1/session").status, 204);
  EXPECT_FALSE(browser.cookies.contains(std::string(kSessionCookie)));
  browser.cookies[std::string(kSessionCookie)] = secret;
  EXPECT_EQ(browser.Get("/api/v1/things").status, 401);
}

TEST(Session, Expires) {
  TestServer server(
      {.session_idle = std::chrono::minutes(30), .session_lifetime = std::chrono::hours(2)});
  Browser admin = Admin(server);
  for (int i = 0; i < 5; ++i) {
    server.skew_s += 20 * 60;
    EXPECT_EQ(admin.Get("/api/v1/users").status, 200) << i;
  }
  server.skew_s += 20 * 60;  // two hours
  EXPECT_EQ(admin.Get("/api/v1/users").Problem(), "auth.session");
  ASSERT_EQ(admin.LogIn("admin", kPassword).status, 200);
  server.skew_s += 31 * 60;
  EXPECT_EQ(admin.Get("/api/v1/users").Problem(), "auth.session");
  admin.LogIn("admin", kPassword);
  Browser other(server);
  other.LogIn("admin", kPassword);
  server.skew_s += 31 * 60;
  EXPECT_EQ(server.auth->Sweep().value(), 2U);
  EXPECT_EQ(server.store->Count("sessions", store::Query::All()).value(), 0U);
}

TEST(Session, EndsWithThePasswordAndWithTheAccount) {
  TestServer server;
  Browser admin = Admin(server);
  AddUser(admin, "dev", "developer");
  Browser one(server), two(server);
  one.LogIn("dev", kPassword);
  two.LogIn("dev", kPassword);
  ASSERT_EQ(two.Get("/api/v1/things").status, 200);
  ASSERT_EQ(one.Post("/api/v1/users/dev/password",
                     R"({"current":")" + kPassword + R"(","password":"a new one every day!"})")
                .status,
            204);
  EXPECT_EQ(two.Get("/api/v1/things").status, 401);
  EXPECT_EQ(one.Get("/api/v1/things").status, 200);
  one.Refresh();
  Answer token = one.Post("/api/v1/tokens", R"({"name":"t"})");
  Browser program(server);
  program.token = token.json.StringAt("token");
  EXPECT_EQ(program.Get("/api/v1/things").status, 200);

  ASSERT_EQ(admin.Send("PATCH", "/api/v1/users/dev", R"({"disabled":true})").status, 200);
  EXPECT_EQ(one.Get("/api/v1/things").status, 401);
  EXPECT_EQ(program.Get("/api/v1/things").Problem(), "auth.token");
  EXPECT_EQ(two.LogIn("dev", "a new one every day!").Problem(), "auth.wrong");
  ASSERT_EQ(admin.Send("PATCH", "/api/v1/users/dev", R"({"disabled":false})").status, 200);
  EXPECT_EQ(one.Get("/api/v1/things").status, 401) << "what ended stays ended";
  EXPECT_EQ(two.LogIn("dev", "a new one every day!").status, 200);
  // Set by another: to be changed at once.
  ASSERT_EQ(
      admin.Post("/api/v1/users/dev/password", R"({"password":"set by somebody else"})").status,
      204);
  EXPECT_EQ(two.Get("/api/v1/things").status, 401);
  EXPECT_TRUE(two.LogIn("dev", "set by somebody else").json["mustChangePassword"].IsTrue());
  EXPECT_EQ(two.Get("/api/v1/things").status, 403);
  ASSERT_EQ(admin.Send("DELETE", "/api/v1/users/dev").status, 204);
  EXPECT_EQ(two.Get("/api/v1/things").status, 401);
  EXPECT_EQ(server.store->Count("tokens", store::Query::All()).value(), 0U);
  EXPECT_FALSE(server.vault->Has({"users", "dev", "password"}).value());
}

TEST(LogIn, WrongNameAndWrongPasswordAreOne) {
  TestServer server;
  Browser admin = Admin(server);
  AddUser(admin, "alice", "");
  AddUser(admin, "gone", "");
  admin.Send("PATCH", "/api/v1/users/gone", R"({"disabled":true})");
  Browser browser(server);
  std::set<std::string> answers;
  for (const char* name : {"alice", "nobody", "gone", "", "Not A Name*", "corp:alice"}) {
    if (*name == 0) continue;
    Answer answer = browser.LogIn(name, name == std::string("gone") ? kPassword : "wrong password");
    EXPECT_EQ(answer.status, 401);
    answers.insert(answer.Problem() + std::string(answer.json.StringAt("detail")));
  }
  EXPECT_EQ(answers.size(), 1U) << *answers.rbegin();
  EXPECT_EQ(browser.LogIn("alice", kPassword).status, 200);
}

TEST(LogIn, GuessingIsSlowedDown) {
  TestServer server;
  Browser admin = Admin(server);
  AddUser(admin, "alice", "");
  Browser browser(server);
  int tries = 0;
  Answer last;
  for (; tries < 20; ++tries) {
    Answer answer = browser.LogIn("alice", "wrong password");
    if (answer.status == 429) {
      EXPECT_EQ(answer.Problem(), "auth.throttled");
      EXPECT_EQ(answer.Header("retry-after"), "1");
      break;
    }
    EXPECT_EQ(answer.status, 401);
  }
  EXPECT_EQ(tries, 6);
  // Not even the right one, for a second; the same of a name that is not there.
  EXPECT_EQ(browser.LogIn("alice", kPassword).status, 429);
  server.skew_s += 2;
  EXPECT_EQ(browser.LogIn("alice", kPassword).status, 200);
  for (tries = 0; tries < 20; ++tries) {
    if (browser.LogIn("nobody", "wrong password").status == 429) break;
  }
  EXPECT_EQ(tries, 6);
  EXPECT_THAT(server.EventIds(), Contains("auth.event.login_failed"));
}

TEST(LogIn, OnlyFromOurOwnPages) {
  TestServer server;
  Admin(server);
  net::HttpClient client;
  auto status = [&](net::HttpHeaders headers) {
    return client
        .Send({.method = "POST",
               .url = server.url() + "/api/v1/session",
               .headers = std::move(headers),
               .body = R"({"method":"password","name":"admin","password":")" + kPassword + "\"}"})
        .value()
        .status;
  };
  EXPECT_EQ(status({{"Content-Type", "application/json"}}), 200);
  EXPECT_NE(status({{"Content-Type", "text/plain"}}), 200);
  EXPECT_NE(status({{"Content-Type", "application/x-www-form-urlencoded"}}), 200);
  EXPECT_NE(status({{"Content-Type", "application/json"}, {"Sec-Fetch-Site", "cross-site"}}), 200);
  EXPECT_NE(status({{"Content-Type", "application/json"}, {"Origin", "https://evil.example"}}),
            200);
}

TEST(Tokens, ScopesExpiryAndRevocation) {
  TestServer server;
  Browser admin = Admin(server);
  AddUser(admin, "dev", "developer", R"({"namespaces":["dev","test"]})");
  Browser dev(server);
  dev.LogIn("dev", kPassword);
  auto make = [&](const std::string& body) { return dev.Post("/api/v1/tokens", body); };
  // No more than one's own.
  EXPECT_EQ(make(R"({"name":"t","grants":[{"role":"admin"}]})").Problem(), "auth.more_than_own");
  EXPECT_EQ(make(R"({"name":"t","grants":[{"role":"developer"}]})").Problem(),
            "auth.more_than_own");
  EXPECT_EQ(make(R"({"name":"t","grants":[{"role":"developer","scope":{"namespaces":["prod"]}}]})")
                .Problem(),
            "auth.more_than_own");
  EXPECT_EQ(make(R"({"name":"t","grants":[{"role":"nothing"}]})").status, 400);
  EXPECT_EQ(make(R"({"name":"t","kind":"machine","grants":[{"role":"restricted"}]})").status, 403);
  EXPECT_EQ(make(R"({"name":"t","expires":"2001-01-01T00:00:00Z"})").status, 400);
  EXPECT_EQ(make(R"({"name":"t","expires":"2199-01-01T00:00:00Z"})").status, 400);
  Answer made =
      make(R"({"name":"ci","grants":[{"role":"restricted","scope":{"namespaces":["dev"]}}]})");
  ASSERT_EQ(made.status, 201) << made.body;
  std::string secret(made.json.StringAt("token"));
  std::string id(made.json["record"].StringAt("id"));
  EXPECT_TRUE(IsApiToken(secret));
  EXPECT_EQ(ApiTokenId(secret), id);
  EXPECT_FALSE(made.json["record"].StringAt("expires").empty()) << "90 days unless told";
  Answer list = dev.Get("/api/v1/tokens");
  EXPECT_THAT(list.body, Not(HasSubstr(secret)));
  EXPECT_THAT(list.body, Not(HasSubstr("hash")));
  EXPECT_EQ(list.json["items"].size(), 1U);

  Browser program(server);
  program.token = secret;
  Answer session = program.Get("/api/v1/session");
  EXPECT_EQ(session.json["user"].StringAt("kind"), "token");
  EXPECT_EQ(Strings(session.json["roles"]), std::vector<std::string>{"restricted"});
  EXPECT_EQ(program.Get("/api/v1/things").status, 200);
  EXPECT_FALSE(dev.Get("/api/v1/tokens").json["items"][0]["lastUsed"].IsNull());
  // A token makes no tokens and sees none.
  EXPECT_EQ(program.Post("/api/v1/tokens", R"({"name":"t"})").status, 403);
  EXPECT_EQ(program.Get("/api/v1/tokens").status, 403);
  // What its owner loses, it loses.
  Answer grants = admin.Get("/api/v1/grants?q=subject:user%3Adev");
  std::string grant(grants.json["items"][0].StringAt("id"));
  ASSERT_EQ(admin.Send("DELETE", "/api/v1/grants/" + grant).status, 204);
  EXPECT_EQ(program.Get("/api/v1/things").status, 403);
  ASSERT_EQ(admin.Post("/api/v1/grants", R"({"subject":"user:dev","role":"developer","scope":{}})")
                .status,
            201);
  EXPECT_EQ(program.Get("/api/v1/things").status, 200);
  // Another's token does not exist for him.
  AddUser(admin, "eve", "developer");
  Browser eve(server);
  eve.LogIn("eve", kPassword);
  EXPECT_EQ(eve.Send("DELETE", "/api/v1/tokens/" + id).status, 404);
  EXPECT_EQ(eve.Get("/api/v1/tokens").json["items"].size(), 0U);
  ASSERT_EQ(dev.Send("DELETE", "/api/v1/tokens/" + id).status, 204);
  EXPECT_EQ(program.Get("/api/v1/things").Problem(), "auth.token");

  Answer machine =
      admin.Post("/api/v1/tokens", R"({"name":"m","kind":"machine","grants":[{"role":"auditor"}],
                 "expires":")" + TimeText((Now().seconds + 3600) * 1'000'000) +
                                       "\"}");
  ASSERT_EQ(machine.status, 201) << machine.body;
  program.token = machine.json.StringAt("token");
  EXPECT_EQ(program.Get("/api/v1/users").status, 200);
  EXPECT_EQ(program.Post("/api/v1/roles", R"({"name":"x","permissions":["findings.read"]})").status,
            403);
  server.skew_s += 3601;
  EXPECT_EQ(program.Get("/api/v1/users").Problem(), "auth.token");
  for (std::string bad : {"bwk_", "nonsense", secret.c_str(), "bwk_AAAA"}) {
    program.token = bad;
    EXPECT_EQ(program.Get("/api/v1/things").Problem(), "auth.token") << bad;
  }
  EXPECT_THAT(server.EventIds(), Contains("auth.event.token_made"));
  EXPECT_THAT(server.EventIds(), Contains("auth.event.token_failed"));
  for (const Event& e : server.Events()) {
    std::string all = e.body + e.user + e.target.name;
    for (const auto& [name, value] : e.args) all += value;
    EXPECT_THAT(all, Not(HasSubstr(secret)));
    EXPECT_EQ(e.kind, "access");
    EXPECT_FALSE(e.source_ip.empty());
  }
}

TEST(Grants, NobodyGivesMoreThanHeHas) {
  TestServer server;
  Browser admin = Admin(server);
  // A lead who may manage users and roles, and knows findings in his team's namespaces.
  ASSERT_EQ(admin.Post("/api/v1/roles", R"({"name":"manager","permissions":["users.*","roles.*"]})")
                .status,
            201);
  AddUser(admin, "lead", "manager");
  ASSERT_EQ(admin
                .Post("/api/v1/grants", R"({"subject":"user:lead","role":"developer",
                       "scope":{"namespaces":["team-*"]}})")
                .status,
            201);
  Browser lead(server);
  lead.LogIn("lead", kPassword);
  AddUser(lead, "newbie", "");
  auto grant = [&](const std::string& role, const std::string& scope) {
    return lead.Post("/api/v1/grants",
                     R"({"subject":"user:newbie","role":")" + role + R"(","scope":)" + scope + "}");
  };
  EXPECT_EQ(grant("developer", R"({"namespaces":["team-a"]})").status, 201);
  EXPECT_EQ(grant("developer", "{}").Problem(), "auth.more_than_own");
  EXPECT_EQ(grant("developer", R"({"namespaces":["*"]})").Problem(), "auth.more_than_own");
  EXPECT_EQ(grant("admin", "{}").Problem(), "auth.more_than_own");
  EXPECT_EQ(grant("admin", R"({"namespaces":["team-a"]})").Problem(), "auth.more_than_own");
  EXPECT_EQ(grant("security", R"({"namespaces":["team-a"]})").Problem(), "auth.more_than_own");
  EXPECT_EQ(grant("nothing", "{}").status, 400);
  EXPECT_EQ(grant("manager", "{}").status, 201);
  // Nor by way of a role, or somebody else's account.
  EXPECT_EQ(lead.Post("/api/v1/roles", R"({"name":"mine","permissions":["*"]})").Problem(),
            "auth.more_than_own");
  EXPECT_EQ(lead.Post("/api/v1/roles", R"({"name":"mine","permissions":["users.*"]})").status, 201);
  EXPECT_EQ(
      lead.Send("PUT", "/api/v1/roles/mine", R"({"permissions":["clusters.write"]})").Problem(),
      "auth.more_than_own");
  EXPECT_EQ(
      lead.Post("/api/v1/users/admin/password", R"({"password":"taken over by lead"})").Problem(),
      "auth.more_than_own");
  EXPECT_EQ(lead.Send("PATCH", "/api/v1/users/admin", R"({"disabled":true})").Problem(),
            "auth.more_than_own");
  EXPECT_EQ(lead.Send("DELETE", "/api/v1/users/admin").Problem(), "auth.more_than_own");
  Answer grants = admin.Get("/api/v1/grants?q=role:admin");
  ASSERT_EQ(grants.json["items"].size(), 1U);
  std::string id(grants.json["items"][0].StringAt("id"));
  EXPECT_EQ(lead.Send("DELETE", "/api/v1/grants/" + id).Problem(), "auth.more_than_own");
  EXPECT_EQ(lead.Post("/api/v1/providers",
                      R"({"name":"x","kind":"oidc","oidc":{"issuer":"https://a","clientId":"b"}})")
                .status,
            403);
  // A bounded administrator is none of users.
  AddUser(admin, "nsadmin", "admin", R"({"namespaces":["dev"]})");
  Browser nsadmin(server);
  nsadmin.LogIn("nsadmin", kPassword);
  EXPECT_EQ(nsadmin.Get("/api/v1/users").status, 403);
  EXPECT_EQ(nsadmin.Post("/api/v1/users", R"({"name":"x","password":"long enough, this"})").status,
            403);
  EXPECT_EQ(nsadmin.Get("/api/v1/things").status, 200);
}

TEST(Grants, SubjectsAreChecked) {
  TestServer server;
  Browser admin = Admin(server);
  for (const char* bad : {"user:nobody", "alice", "group:dev", "group:corp:dev",
                          "user:", "group:", "user:a*", "robot:x", "user:corp:alice"}) {
    Answer answer = admin.Post("/api/v1/grants",
                               R"({"role":"developer","subject":")" + std::string(bad) + "\"}");
    EXPECT_EQ(answer.status, 400) << bad;
  }
  ASSERT_EQ(admin
                .Post("/api/v1/providers", R"({"name":"corp","kind":"oidc",
      "oidc":{"issuer":"https://id.example.com","clientId":"b","clientSecret":"hush"}})")
                .status,
            201);
  EXPECT_EQ(
      admin.Post("/api/v1/grants", R"({"role":"developer","subject":"group:corp:研发"})").status,
      201);
  EXPECT_EQ(admin.Post("/api/v1/grants", R"({"role":"developer","subject":"group:corp:*"})").status,
            400);
}

TEST(Admins, OneIsAlwaysLeft) {
  TestServer server;
  Browser admin = Admin(server);
  EXPECT_EQ(admin.Send("PATCH", "/api/v1/users/admin", R"({"disabled":true})").Problem(),
            "auth.last_admin");
  EXPECT_EQ(admin.Send("DELETE", "/api/v1/users/admin").Problem(), "auth.last_admin");
  Answer grants = admin.Get("/api/v1/grants");
  std::string id(grants.json["items"][0].StringAt("id"));
  EXPECT_EQ(admin.Send("DELETE", "/api/v1/grants/" + id).Problem(), "auth.last_admin");
  ASSERT_EQ(admin.Post("/api/v1/roles", R"({"name":"boss","permissions":["*"]})").status, 201);
  AddUser(admin, "second", "boss");
  EXPECT_EQ(admin.Send("DELETE", "/api/v1/grants/" + id).status, 204);
  Browser second(server);
  second.LogIn("second", kPassword);
  EXPECT_EQ(second.Send("DELETE", "/api/v1/roles/boss").Problem(), "auth.last_admin");
  EXPECT_EQ(
      second.Send("PUT", "/api/v1/roles/boss", R"({"permissions":["findings.read"]})").Problem(),
      "auth.last_admin");
  EXPECT_EQ(second.Send("PATCH", "/api/v1/users/second", R"({"disabled":true})").Problem(),
            "auth.last_admin");
  EXPECT_EQ(second.Send("DELETE", "/api/v1/users/admin").status, 204);
}

TEST(Roles, CustomOnes) {
  TestServer server;
  Browser admin = Admin(server);
  EXPECT_EQ(admin.Post("/api/v1/roles", R"({"name":"admin","permissions":["*"]})").Problem(),
            "auth.exists");
  EXPECT_EQ(admin.Post("/api/v1/roles", R"({"name":"x","permissions":["no.such"]})").status, 400);
  EXPECT_EQ(admin.Post("/api/v1/roles", R"({"name":"X Y","permissions":["*"]})").status, 400);
  EXPECT_EQ(admin.Send("PUT", "/api/v1/roles/admin", R"({"permissions":["*"]})").Problem(),
            "auth.built_in");
  EXPECT_EQ(admin.Send("DELETE", "/api/v1/roles/security").Problem(), "auth.built_in");
  ASSERT_EQ(admin
                .Post("/api/v1/roles",
                      R"({"name":"looker","title":"Looker","permissions":["findings.read"]})")
                .status,
            201);
  Answer list = admin.Get("/api/v1/roles?total=true");
  EXPECT_EQ(list.json["total"].ToInt(), 7);
  EXPECT_THAT(admin.Get("/api/v1/roles/auditor?lang=zh-CN").body, HasSubstr("审计员"));
  AddUser(admin, "bob", "looker");
  Browser bob(server);
  bob.LogIn("bob", kPassword);
  EXPECT_EQ(bob.Get("/api/v1/things").status, 200);
  // With If-Match of what has changed since.
  Answer one = admin.Get("/api/v1/roles/looker");
  ASSERT_EQ(admin
                .Send("PUT", "/api/v1/roles/looker", R"({"permissions":["alerts.read"]})",
                      {{"If-Match", one.Header("etag")}})
                .status,
            200);
  EXPECT_EQ(admin
                .Send("PUT", "/api/v1/roles/looker", R"({"permissions":["alerts.read"]})",
                      {{"If-Match", one.Header("etag")}})
                .status,
            412);
  EXPECT_EQ(bob.Get("/api/v1/things").status, 403) << "at once";
  ASSERT_EQ(admin.Send("DELETE", "/api/v1/roles/looker").status, 204);
  EXPECT_EQ(admin.Get("/api/v1/grants?q=role:looker").json["items"].size(), 0U);
}

TEST(Permissions, ListedInBothLanguages) {
  TestServer server;
  Browser admin = Admin(server);
  Answer en = admin.Get("/api/v1/permissions");
  Answer zh = admin.Get("/api/v1/permissions?lang=zh-CN");
  ASSERT_EQ(en.status, 200);
  EXPECT_EQ(en.json["roles"].size(), 6U);
  EXPECT_GT(en.json["items"].size(), 30U);
  EXPECT_EQ(en.json["roles"][0].StringAt("title"), "Administrator");
  EXPECT_EQ(zh.json["roles"][0].StringAt("title"), "管理员");
  EXPECT_EQ(en.json["roles"][0]["titles"].StringAt("zh"), "管理员");
}

TEST(Users, Fields) {
  TestServer server;
  Browser admin = Admin(server);
  for (const char* bad :
       {R"({"name":"Bad Name","password":"long enough, this"})",
        R"({"name":"a:b","password":"long enough, this"})", R"({"name":"x","password":"short"})",
        R"({"name":"x"})", R"({"name":"admin2","password":"Password1234"})", R"([])", R"({)"}) {
    EXPECT_EQ(admin.Post("/api/v1/users", bad).status, 400) << bad;
  }
  AddUser(admin, "alice", "auditor");
  EXPECT_EQ(
      admin.Post("/api/v1/users", R"({"name":"alice","password":"long enough, this"})").status,
      409);
  Answer patched = admin.Send("PATCH", "/api/v1/users/alice",
                              R"({"displayName":"Alice <b>","email":"a@example.com"})");
  EXPECT_EQ(patched.status, 200);
  EXPECT_EQ(patched.json.StringAt("displayName"), "Alice <b>");
  EXPECT_EQ(admin.Send("PATCH", "/api/v1/users/alice", R"({"provider":"x"})").status, 400);
  EXPECT_EQ(admin.Send("PATCH", "/api/v1/users/alice", R"({"email":null})").json.StringAt("email"),
            "");
  EXPECT_EQ(admin.Send("PATCH", "/api/v1/users/nobody", R"({"disabled":true})").status, 404);
  Answer list = admin.Get("/api/v1/users?q=name:alice");
  ASSERT_EQ(list.json["items"].size(), 1U);
  EXPECT_THAT(list.body, Not(HasSubstr("generation")));
  EXPECT_THAT(list.body, Not(HasSubstr("argon2")));
  // An auditor sees them and changes nothing.
  Browser alice(server);
  alice.LogIn("alice", kPassword);
  EXPECT_EQ(alice.Get("/api/v1/users").status, 200);
  EXPECT_EQ(alice.Send("PATCH", "/api/v1/users/admin", R"({"disabled":true})").status, 403);
  EXPECT_EQ(
      alice.Post("/api/v1/users/admin/password", R"({"password":"long enough, this"})").status,
      403);
  // Whoever may not see users learns nothing of them.
  AddUser(admin, "dev", "developer");
  Browser dev(server);
  dev.LogIn("dev", kPassword);
  EXPECT_EQ(dev.Post("/api/v1/users/nobody/password", R"({"password":"long enough, this"})").status,
            dev.Post("/api/v1/users/admin/password", R"({"password":"long enough, this"})").status);
}

TEST(Providers, SecretsNeverComeBack) {
  TestServer server;
  Browser admin = Admin(server);
  std::string body = R"({"name":"corp","kind":"oidc","title":"Corp","oidc":{
      "issuer":"https://id.example.com","clientId":"bulwark","clientSecret":"hush-hush"}})";
  Answer made = admin.Post("/api/v1/providers", body);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_THAT(made.body, Not(HasSubstr("hush")));
  EXPECT_THAT(admin.Get("/api/v1/providers").body, Not(HasSubstr("hush")));
  EXPECT_THAT(admin.Get("/api/v1/providers?format=csv").body, Not(HasSubstr("hush")));
  EXPECT_EQ(server.vault->Get({"providers", "corp", "clientSecret"}).value(), "hush-hush");
  EXPECT_THAT(ReadFile(server.folder() + "/state.db").value(), Not(HasSubstr("hush-hush")));
  // Something else changes: it stays. Its address changes: it is nobody's to have.
  EXPECT_EQ(admin.Send("PATCH", "/api/v1/providers/corp", R"({"title":"Corp SSO"})").status, 200);
  EXPECT_TRUE(server.vault->Has({"providers", "corp", "clientSecret"}).value());
  EXPECT_EQ(admin
                .Send("PATCH", "/api/v1/providers/corp",
                      R"({"oidc":{"issuer":"https://evil.example.com"}})")
                .status,
            200);
  EXPECT_FALSE(server.vault->Has({"providers", "corp", "clientSecret"}).value());
  Answer methods = Browser(server).Get("/api/v1/session/methods");
  EXPECT_EQ(methods.json["items"].size(), 2U);
  EXPECT_EQ(methods.json["items"][1].StringAt("title"), "Corp SSO");

  for (const char* url : {"https://127.0.0.1/", "https://localhost:8443", "https://[::1]",
                          "https://169.254.169.254", "https://[::ffff:127.0.0.1]"}) {
    Answer refused = admin.Post("/api/v1/providers",
                                R"({"name":"x","kind":"oidc","oidc":{"clientId":"b","issuer":")" +
                                    std::string(url) + "\"}}");
    EXPECT_EQ(refused.Problem(), "url_guard.forbidden") << url;
  }
  for (
      const char* bad : {
          R"({"name":"x","kind":"saml"})",
          R"({"name":"X","kind":"oidc","oidc":{"issuer":"https://a","clientId":"b"}})",
          R"({"name":"x","kind":"oidc"})",
          R"({"name":"x","kind":"oidc","oidc":{"issuer":"http://a","clientId":"b"}})",
          R"({"name":"x","kind":"oidc","oidc":{"issuer":"https://a?x","clientId":"b"}})",
          R"({"name":"x","kind":"oidc","oidc":{"issuer":"https://a","clientId":"b","x":1}})",
          R"({"name":"x","kind":"oidc","oidc":{"issuer":"https://a","clientId":"b","algorithms":["none"]}})",
          R"({"name":"x","kind":"oidc","oidc":{"issuer":"https://a","clientId":"b","algorithms":["HS256"]}})",
          R"({"name":"x","kind":"ldap","ldap":{"url":"http://a","userBase":"dc=x"}})",
          R"({"name":"x","kind":"kubernetes","kubernetes":{"cluster":"*"}})",
      }) {
    EXPECT_EQ(admin.Post("/api/v1/providers", bad).status, 400) << bad;
  }
  EXPECT_EQ(admin.Send("DELETE", "/api/v1/providers/corp").status, 204);
  EXPECT_EQ(admin.Send("DELETE", "/api/v1/providers/corp").status, 404);
}

// Every route of ours, with nobody and with everybody's roles: what its permission says, holds.
TEST(Routes, EachStatesItsPermission) {
  TestServer server;
  Browser admin = Admin(server);
  std::map<std::string, Browser> browsers;
  for (const char* role : {"security", "operator", "developer", "restricted", "auditor"}) {
    AddUser(admin, role, role);
    Browser browser(server);
    browser.LogIn(role, kPassword);
    browsers.emplace(role, std::move(browser));
  }
  int checked = 0;
  for (const api::Route& route : server.api->routes()) {
    if (route.permission == api::kPublic || route.id == "stream" || route.id == "logOut" ||
        route.id == "endSessions" || route.path.find("/groups") != std::string::npos) {
      continue;
    }
    std::string path = route.path;
    while (path.find('{') != std::string::npos) {
      size_t from = path.find('{');
      path.replace(from, path.find('}') - from + 1, "absent");
    }
    Browser nobody(server);
    EXPECT_EQ(nobody.Send(route.method, path, route.request.empty() ? "" : "{}").status, 401)
        << route.id;
    if (route.permission == api::kAuthenticated) continue;
    for (auto& [role, browser] : browsers) {
      const Role* built_in = FindBuiltInRole(role);
      api::Principal p;
      p.grants = {{role, built_in->permissions, {}}};
      Answer answer = browser.Send(route.method, path, route.request.empty() ? "" : "{}");
      EXPECT_EQ(answer.status != 403, p.May(route.permission))
          << route.id << " as " << role << ": " << answer.status << answer.body;
      ++checked;
    }
  }
  EXPECT_GT(checked, 60);
}

}  // namespace
}  // namespace bulwark::auth
