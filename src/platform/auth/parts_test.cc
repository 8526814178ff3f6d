// The parts that need no server: rules of passwords, credentials, throttle, roles, records.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "formats/json.h"
#include "platform/auth/credentials.h"
#include "platform/auth/ldap.h"
#include "platform/auth/password_rules.h"
#include "platform/auth/permissions.h"
#include "platform/auth/records.h"
#include "platform/auth/throttle.h"

namespace bulwark::auth {
namespace {

TEST(PasswordRules, Table) {
  struct Case {
    std::string password;
    std::string_view error;  // "": good
  };
  const Case cases[] = {
      {"a stitch in time saves nine", ""},
      {"Xk2#vaQ9!pLm", ""},
      {"容器安全平台的管理口令很长", ""},  // 13 characters
      {"容器安全平台", "auth.password_short"},
      {"short", "auth.password_short"},
      {"", "auth.password_short"},
      {"Xk2#vaQ9!pL", "auth.password_short"},
      {std::string(1025, 'x'), "auth.password_long"},
      {"Password1234", "auth.password_common"},
      {"P@ssw0rd2026!", "auth.password_common"},
      {"!!!welcome!!!123", "auth.password_common"},
      {"aaaaaaaaaaaa", "auth.password_common"},
      {"abcabcabcabc", "auth.password_common"},
      {"123412341234", "auth.password_common"},
      {"123456789012", "auth.password_common"},
      {"ABCDEFGHIJKL", "auth.password_common"},
      {"lkjhgfdsapoi", "auth.password_common"},
      {"qwertyuiopas", "auth.password_common"},
      {"1qaz2wsx3edc", "auth.password_common"},
      {"correcthorsebatterystaple", "auth.password_common"},
      {"kubernetes2026", "auth.password_common"},
      {"alice-alice-1", "auth.password_name"},
      {"ALICE2026!!!", "auth.password_name"},
      {"alice likes long walks", ""},
      {std::string("with\0zero bytes", 15), "auth.password_text"},
      {"new\nlines in it", "auth.password_text"},
      {"\xff\xfe malformed text", "auth.password_text"},
  };
  for (const Case& c : cases) {
    Result<> r = CheckPassword(c.password, "alice");
    EXPECT_EQ(r ? "" : r.error().id(), c.error) << c.password;
  }
}

TEST(Credentials, ApiTokens) {
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    std::string token = MakeApiToken();
    EXPECT_EQ(token.size(), 53U);
    EXPECT_TRUE(IsApiToken(token)) << token;
    EXPECT_TRUE(seen.insert(token).second);
    EXPECT_EQ(ApiTokenId(token).size(), 20U);
    // Any one character wrong is seen without a look into the store.
    for (size_t at = 4; at < token.size(); ++at) {
      std::string wrong = token;
      wrong[at] = wrong[at] == 'a' ? 'b' : 'a';
      EXPECT_FALSE(IsApiToken(wrong)) << at;
    }
    EXPECT_FALSE(IsApiToken(token.substr(1)));
    EXPECT_FALSE(IsApiToken(token + "x"));
  }
  EXPECT_FALSE(IsApiToken(""));
  EXPECT_FALSE(IsApiToken("bwk_"));
}

TEST(Credentials, Read) {
  struct Case {
    net::HttpHeaders headers;
    std::string token, session;
    bool error;
  };
  const Case cases[] = {
      {{}, "", "", false},
      {{{"authorization", "Bearer abc"}}, "abc", "", false},
      {{{"authorization", "bearer   abc "}}, "abc", "", false},
      {{{"authorization", "BEARER abc"}}, "abc", "", false},
      {{{"authorization", "Basic YTpi"}}, "", "", true},
      {{{"authorization", "Bearer"}}, "", "", true},
      {{{"authorization", "Bearer "}}, "", "", true},
      {{{"authorization", ""}}, "", "", true},
      {{{"authorization", "Bearer a b"}}, "", "", true},
      {{{"authorization", "Bearer a\tb"}}, "", "", true},
      {{{"authorization", "Bearer " + std::string(5000, 'a')}}, "", "", true},
      {{{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}, "", "", true},
      {{{"cookie", "__Host-bulwark=xyz"}}, "", "xyz", false},
      {{{"cookie", "a=b; __Host-bulwark=xyz; c=d"}}, "", "xyz", false},
      {{{"cookie", "__host-bulwark=xyz"}}, "", "", false},
      {{{"cookie", "x__Host-bulwark=xyz"}}, "", "", false},
      {{{"cookie", "__Host-bulwark-login=xyz"}}, "", "", false},
      {{{"cookie", "__Host-bulwark=x; __Host-bulwark=y"}}, "", "", true},
      {{{"cookie", "__Host-bulwark=x"}, {"cookie", "__Host-bulwark=y"}}, "", "", true},
      {{{"cookie", "__Host-bulwark=x; __Host-bulwark=x"}}, "", "x", false},
      {{{"cookie", "__Host-bulwark="}}, "", "", false},
      // A header that says who asks makes a cookie count for nothing.
      {{{"cookie", "__Host-bulwark=x"}, {"authorization", "Bearer t"}}, "t", "", false},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    net::ServerRequest request;
    request.headers = cases[i].headers;
    Result<Credentials> got = ReadCredentials(request);
    ASSERT_EQ(!got, cases[i].error) << "case " << i;
    if (!got) {
      EXPECT_EQ(got.error().id(), "auth.credentials");
      continue;
    }
    EXPECT_EQ(got->token, cases[i].token) << "case " << i;
    EXPECT_EQ(got->session, cases[i].session) << "case " << i;
  }
}

TEST(Credentials, Cookie) {
  EXPECT_EQ(MakeCookie(kSessionCookie, "abc", std::nullopt),
            "__Host-bulwark=abc; Path=/; Secure; HttpOnly; SameSite=Lax");
  EXPECT_EQ(MakeCookie("a", "", 0), "a=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
}

TEST(Credentials, Names) {
  // What a query would take for a wildcard never gets into one.
  EXPECT_EQ(EncodeName("corp:dev*").value(), "corp:dev%2A");
  EXPECT_EQ(EncodeName("a?b\\c%d").value(), "a%3Fb%5Cc%25d");
  EXPECT_EQ(EncodeName("研发 team").value(), "研发 team");
  EXPECT_EQ(EncodeName(std::string("a\0b\n", 4)).value(), "a%00b%0A");
  EXPECT_EQ(EncodeName("\xff").value(), "%FF");
  EXPECT_NE(EncodeName("a*").value(), EncodeName("a%2A").value());
  EXPECT_FALSE(EncodeName(""));
  EXPECT_FALSE(EncodeName(std::string(257, 'a')));
  for (std::string_view good : {"alice", "a.b_c-d", "0x"}) EXPECT_TRUE(IsLocalName(good)) << good;
  for (std::string_view bad : {"", "Alice", "a:b", "-a", "a b", "a*", "\xc3\xa9"}) {
    EXPECT_FALSE(IsLocalName(bad)) << bad;
  }
}

TEST(Credentials, SafeNext) {
  for (std::string_view good : {"/", "/findings?q=a#b", "/a/b"}) EXPECT_EQ(SafeNext(good), good);
  for (std::string_view bad :
       {"", "//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a b", "/\t/evil",
        "\\\\evil", "javascript:alert(1)", "/\n"}) {
    EXPECT_EQ(SafeNext(bad), "/") << bad;
  }
}

TEST(Throttle, WaitsDoubleByAccount) {
  Throttle throttle;
  Timestamp now{.seconds = 1'800'000'000, .nanos = 0};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(throttle.Begin("alice", "10.0.0.1", now)) << i;
  // The sixth may be tried, and costs a second; then two, four …
  int64_t waited = 1;
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(throttle.Begin("alice", "10.0.0.1", now)) << i;
    Result<> refused = throttle.Begin("alice", "10.9.9.9", now);
    ASSERT_FALSE(refused) << i;
    EXPECT_EQ(refused.error().id(), "auth.throttled");
    EXPECT_EQ(refused.error().args()[0].value, std::to_string(std::min<int64_t>(waited, 60)));
    // Another account is free, from elsewhere.
    EXPECT_TRUE(throttle.Begin("bob" + std::to_string(i), "10.0.0.2", now));
    now.seconds += std::min<int64_t>(waited, 60);
    waited *= 2;
  }
  throttle.Succeeded("alice", "10.0.0.1", now);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(throttle.Begin("alice", "10.0.0.3", now)) << i;
}

TEST(Throttle, AddressesAreCountedOverAccounts) {
  Throttle throttle;
  Timestamp now{.seconds = 1'800'000'000, .nanos = 0};
  for (int i = 0; i < 21; ++i) {
    EXPECT_TRUE(
        throttle.Begin("user" + std::to_string(i), "2001:db8:1:2::" + std::to_string(i), now));
  }
  EXPECT_FALSE(throttle.Begin("another", "2001:db8:1:2:ffff::1", now));  // the same /64
  EXPECT_TRUE(throttle.Begin("another", "2001:db8:1:3::1", now));
  // One good account does not clear the way.
  now.seconds += 5;
  EXPECT_TRUE(throttle.Begin("mine", "2001:db8:1:2::1", now));
  throttle.Succeeded("mine", "2001:db8:1:2::1", now);
  now.seconds += 5;
  EXPECT_TRUE(throttle.Begin("x1", "2001:db8:1:2::1", now));
  EXPECT_FALSE(throttle.Begin("x2", "2001:db8:1:2::1", now));
  // Quiet time does.
  now.seconds += 3 * 3600;
  for (int i = 0; i < 15; ++i) {
    EXPECT_TRUE(throttle.Begin("y" + std::to_string(i), "2001:db8:1:2::1", now)) << i;
  }
}

// A flood of other names pushes nobody's count out, and slows few others.
TEST(Throttle, BoundedAndNotToBeFlooded) {
  Throttle throttle;
  Timestamp now{.seconds = 1'800'000'000, .nanos = 0};
  for (int i = 0; i < 6; ++i) throttle.Begin("victim", "10.0.0.1", now).has_value();
  for (int i = 0; i < 20'000; ++i) {
    std::string n = std::to_string(i);
    throttle
        .Begin("flood" + n, "10." + std::to_string(i % 250) + ".1." + std::to_string(i / 250), now)
        .has_value();
  }
  EXPECT_FALSE(throttle.Begin("victim", "192.0.2.1", now));
  int slowed = 0;
  for (int i = 0; i < 100; ++i) {
    slowed +=
        throttle.Begin("quiet" + std::to_string(i), "192.0.2." + std::to_string(i), now) ? 0 : 1;
  }
  EXPECT_LT(slowed, 5);
}

TEST(RateLimit, SoManyAMinute) {
  RateLimit limit(3);
  Timestamp now{.seconds = 1'800'000'000, .nanos = 0};
  EXPECT_TRUE(limit.Take("a", now));
  EXPECT_TRUE(limit.Take("a", now));
  EXPECT_TRUE(limit.Take("a", now));
  EXPECT_FALSE(limit.Take("a", now));
  now.seconds += 60;
  EXPECT_TRUE(limit.Take("a", now));
}

TEST(Roles, AreWhatTheySay) {
  struct Case {
    std::string_view role, may, may_not;
  };
  const Case cases[] = {
      {"admin", "users.write", ""},
      {"admin", "anything.new", ""},
      {"security", "findings.write", "audit.read"},
      {"security", "exceptions.approve", "clusters.write"},
      {"security", "alerts.triage", "users.write"},
      {"security", "rules.write", "settings.write"},
      {"operator", "clusters.write", "exceptions.approve"},
      {"operator", "agents.enroll", "alerts.triage"},
      {"operator", "settings.write", "audit.read"},
      {"operator", "inspections.run", "providers.write"},
      {"developer", "exceptions.request", "exceptions.approve"},
      {"developer", "inspections.run", "users.read"},
      {"restricted", "findings.read", "alerts.read"},
      {"restricted", "assets.read", "exceptions.request"},
      {"auditor", "audit.read", "findings.write"},
      {"auditor", "users.read", "inspections.run"},
  };
  for (const Case& c : cases) {
    const Role* role = FindBuiltInRole(c.role);
    ASSERT_NE(role, nullptr);
    api::Principal p;
    p.grants = {{role->name, role->permissions, {}}};
    EXPECT_TRUE(p.May(c.may)) << c.role << " " << c.may;
    if (!c.may_not.empty()) EXPECT_FALSE(p.May(c.may_not)) << c.role << " " << c.may_not;
  }
  EXPECT_EQ(FindBuiltInRole("nobody"), nullptr);
}

// Everything that a role names is there, and everything has names in both languages.
TEST(Roles, NamesInBothLanguages) {
  std::set<std::string> ids;
  for (const Permission& p : Permissions()) {
    EXPECT_TRUE(ids.insert(p.id).second) << p.id;
    EXPECT_TRUE(api::IsPermissionPattern(p.id)) << p.id;
    EXPECT_FALSE(p.title.en.empty());
    EXPECT_FALSE(p.title.zh.empty());
    EXPECT_NE(p.title.en, p.title.zh);
  }
  EXPECT_TRUE(ids.contains("exceptions.approve"));
  EXPECT_TRUE(ids.contains("agents.enroll"));
  EXPECT_EQ(BuiltInRoles().size(), 6U);
  for (const Role& role : BuiltInRoles()) {
    EXPECT_FALSE(role.title.zh.empty() || role.description.zh.empty());
    for (const std::string& p : role.permissions) EXPECT_TRUE(GivesSomething(p)) << p;
  }
  EXPECT_FALSE(GivesSomething("find.read"));
}

TEST(Records, SurviveTheStore) {
  Session s{.user = "corp:alice",
            .provider = "corp",
            .kubernetes = true,
            .roles = {{"developer", {.clusters = {"c1"}, .labels = {{"app", "web"}}}}},
            .generation = 3,
            .created_us = 1'800'000'000'123'456,
            .last_seen_us = 2,
            .expires_us = 3,
            .address = "10.0.0.1",
            .user_agent = "x\"y"};
  Session back = ReadSession({.key = "k", .revision = 1, .body = ToRecord(s)}).value();
  EXPECT_EQ(back.user, s.user);
  EXPECT_EQ(back.roles[0].scope, s.roles[0].scope);
  EXPECT_EQ(back.created_us, s.created_us);
  EXPECT_EQ(back.generation, 3);
  EXPECT_TRUE(back.kubernetes);
  EXPECT_EQ(ToRecord(back), ToRecord(s));
  Token t{.id = "k",
          .name = "ci",
          .machine = true,
          .owner = "",
          .created_by = "user:a",
          .hash = "h",
          .inherit = false,
          .grants = {{"auditor", {.namespaces = {"a*"}}}},
          .created_us = 1,
          .expires_us = 2,
          .last_used_us = 3,
          .last_address = "::1"};
  EXPECT_EQ(ToRecord(ReadToken({.key = "k", .revision = 1, .body = ToRecord(t)}).value()),
            ToRecord(t));
  User u{.name = "a",
         .display_name = "A",
         .email = "a@b",
         .provider = "p",
         .groups = {"p:x"},
         .disabled = true,
         .must_change_password = true,
         .generation = 9,
         .created_us = 1,
         .last_login_us = 2,
         .password_changed_us = 3};
  EXPECT_EQ(ToRecord(ReadUser({.key = "a", .revision = 1, .body = ToRecord(u)}).value()),
            ToRecord(u));
  EXPECT_FALSE(ReadUser({.key = "a", .revision = 1, .body = "{"}));
}

TEST(Records, ScopesOfRequests) {
  Arena arena;
  auto parse = [&](std::string_view json) { return ParseScope(ParseJson(json, arena).value()); };
  EXPECT_TRUE(parse("null")->everything());
  EXPECT_TRUE(parse("{}")->everything());
  EXPECT_EQ(parse(R"({"clusters":["c1"],"namespaces":["team-*"],"labels":{"a/b":"c*"}})").value(),
            (api::Scope{.clusters = {"c1"}, .namespaces = {"team-*"}, .labels = {{"a/b", "c*"}}}));
  for (std::string_view bad :
       {"[]", "1", R"({"cluster":["a"]})", R"({"clusters":"a"})", R"({"clusters":[1]})",
        R"({"clusters":[""]})", R"({"namespaces":["a b"]})", R"({"namespaces":["a\\b"]})",
        R"({"labels":["a=b"]})", R"({"labels":{"":"x"}})", R"({"labels":{"a*":"x"}})",
        R"({"labels":{"a":1}})", R"({"labels":{"a":"x y"}})"}) {
    Result<api::Scope> scope = parse(bad);
    ASSERT_FALSE(scope) << bad;
    EXPECT_EQ(scope.error().id(), "auth.field") << bad;
  }
}

TEST(Ldap, FiltersAreEscaped) {
  EXPECT_EQ(EscapeLdapFilter("alice"), "alice");
  EXPECT_EQ(EscapeLdapFilter("*)(uid=*"), "\\2a\\29\\28uid=\\2a");
  EXPECT_EQ(EscapeLdapFilter("a\\b"), "a\\5cb");
  EXPECT_EQ(EscapeLdapFilter(std::string_view("a\0b", 3)), "a\\00b");
  EXPECT_EQ(EscapeLdapFilter("\xc3\xa9"), "\\c3\\a9");
  // What is put in is not filled in again.
  EXPECT_EQ(FillLdapFilter("(&(uid={user})(m={dn}))", "{dn}", "x"), "(&(uid={dn})(m=x))");
}

TEST(Ldap, SettingsAreChecked) {
  LdapConfig good{.url = "ldaps://ldap.example.com", .user_base = "dc=example"};
  EXPECT_TRUE(CheckLdapConfig(good));
  for (std::string_view url : {"http://x", "ldapi:///", "ldap://", "ldap://a b", "ldap://h/dc=x",
                               "ldap://a ldap://b", "ldap://user@h", ""}) {
    LdapConfig bad = good;
    bad.url = url;
    EXPECT_FALSE(CheckLdapConfig(bad)) << url;
  }
  LdapConfig bad = good;
  bad.user_filter = "(uid=*)";
  EXPECT_FALSE(CheckLdapConfig(bad));
  bad = good;
  bad.name_attribute = "cn)(x";
  EXPECT_FALSE(CheckLdapConfig(bad));
  bad = good;
  bad.user_base = "";
  EXPECT_FALSE(CheckLdapConfig(bad));
}

}  // namespace
}  // namespace bulwark::auth
