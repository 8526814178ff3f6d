#include "detect/secrets.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace bulwark::detect {
namespace {

// Put together at run time, so that scanners of repositories do not take these for real ones.
std::string Join(std::string a, const std::string& b) { return a + b; }

TEST(Secrets, FindsKnownFormats) {
  struct Case {
    std::string kind, text;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"aws-access-key-id", Join("AKIA", "IOSFODNN7EXAMPLE")},
           {"alibaba-access-key-id", Join("LTAI", "4GHvG7ExampleAbc123456")},
           {"github-token", Join("ghp_", std::string(36, 'a'))},
           {"private-key", Join("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIE")},
           {"private-key", Join("-----BEGIN ", "PRIVATE KEY-----")},
           {"slack-token", Join("xoxb-", "123456789012-abcdefghij")},
           {"url-credentials", "postgres://app:hunter22@db:5432/shop"},
           {"jwt", Join("eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlMTIz")},
           {"google-api-key", Join("AIza", std::string(35, 'b'))},
       }) {
    auto found = FindSecrets("before " + c.text + " after");
    ASSERT_EQ(found.size(), 1U) << c.kind;
    EXPECT_EQ(found[0].kind, c.kind);
    EXPECT_EQ(found[0].masked.find(c.text), std::string::npos);
  }
}

TEST(Secrets, LeavesHarmlessTextAlone) {
  for (const char* text :
       {"postgres://app@db:5432/shop", "https://example.com:8443/a@b", "AKIA",
        "postgres://app:$(PASSWORD)@db/shop", "nginx:1.27", "-----BEGIN CERTIFICATE-----"}) {
    EXPECT_TRUE(FindSecrets(text).empty()) << text;
  }
}

TEST(Secrets, KnowsNamesThatHoldSecrets) {
  for (const char* name : {"DB_PASSWORD", "apiToken", "client-secret", "AWS_SECRET_ACCESS_KEY",
                           "API_KEY", "mysql.password", "githubToken"}) {
    EXPECT_TRUE(NameSaysSecret(name)) << name;
  }
  for (const char* name : {"TOKEN_FILE", "SECRET_NAME", "PASSWORD_MIN_LENGTH", "tokenizer",
                           "secretary", "KEY", "PUBLIC_KEY_ID", "", "COMPASS"}) {
    EXPECT_FALSE(NameSaysSecret(name)) << name;
  }
}

TEST(Secrets, MasksWholeCharacters) {
  std::string masked = FindSecretValue("DB_PASSWORD", "红楼梦红楼梦x").at(0).masked;
  EXPECT_TRUE(IsUtf8(masked)) << masked;
}

TEST(Secrets, JudgesValuesByTheirName) {
  EXPECT_EQ(FindSecretValue("DB_PASSWORD", "hunter2")[0].kind, "named-secret");
  EXPECT_EQ(FindSecretValue("API_TOKEN", "q9Zx81kLmP0vTr3wYb77")[0].kind, "high-entropy");
  EXPECT_TRUE(FindSecretValue("COLOR", "q9Zx81kLmP0vTr3wYb77").empty());
  for (const char* value :
       {"", "true", "$(PW)", "/run/secrets/pw", "{{ .Values.pw }}", "${PW}", "vault:secret/x"}) {
    EXPECT_TRUE(FindSecretValue("DB_PASSWORD", value).empty()) << value;
  }
}

}  // namespace
}  // namespace bulwark::detect
