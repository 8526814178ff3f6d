#include "kube/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/files.h"
#include "kube/credentials.h"

namespace bulwark::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

class KubeconfigTest : public testing::Test {
 protected:
  std::string Write(std::string_view name, std::string_view text) {
    std::string path = dir_.File(name);
    EXPECT_TRUE(WriteFileAtomic(path, text));
    return path;
  }
  Result<Config> Load(std::string path, std::string context = "") {
    return LoadConfig({.path = std::move(path), .context = std::move(context), .variable = Env()});
  }
  Result<Config> LoadList(std::string list, std::string context = "") {
    variables_["KUBECONFIG"] = std::move(list);
    return Load("", std::move(context));
  }
  Variables Env() {
    return [this](const std::string& name) -> std::optional<std::string> {
      auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
  }

  TempDir dir_ = TempDir::Make().value();
  std::map<std::string, std::string> variables_ = {{"HOME", "/nonexistent"}};
};

constexpr std::string_view kFull = R"(
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c
  cluster:
    server: https://10.0.0.1:6443/base/
    certificate-authority-data: Q0E=
    tls-server-name: kube.example
    proxy-url: http://proxy:3128
users:
- name: u
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
    as: alice
    as-groups: [dev, ops]
    as-user-extra: {team: [red, blue]}
- name: t
  user: {token: abc}
contexts:
- name: one
  context: {cluster: c, user: u, namespace: prod}
- name: two
  context: {cluster: c, user: t}
)";

TEST_F(KubeconfigTest, ReadsEveryField) {
  auto config = Load(Write("config", kFull));
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->context, "one");
  EXPECT_EQ(config->server, "https://10.0.0.1:6443/base");
  EXPECT_EQ(config->ns, "prod");
  EXPECT_EQ(config->tls.ca_pem, "CA");
  EXPECT_EQ(config->tls.server_name, "kube.example");
  EXPECT_EQ(config->tls.client_certificate_pem, "CERT");
  EXPECT_EQ(config->tls.client_key_pem, "KEY");
  EXPECT_EQ(config->proxy, "http://proxy:3128");
  Credentials credentials(*config, nullptr);
  auto proof = credentials.Get();
  ASSERT_TRUE(proof) << proof.error().ToString();
  EXPECT_THAT(proof->headers,
              ElementsAre(Pair("Impersonate-User", "alice"), Pair("Impersonate-Group", "dev"),
                          Pair("Impersonate-Group", "ops"), Pair("Impersonate-Extra-team", "red"),
                          Pair("Impersonate-Extra-team", "blue")));
}

TEST_F(KubeconfigTest, ContextIsChosen) {
  auto config = Load(Write("config", kFull), "two");
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->token, "abc");
  EXPECT_EQ(config->ns, "default");
  auto none = Load(dir_.File("config"), "three");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("no context \"three\"; there are one, two"));
}

// The first file that names something has all the say on it; nothing of the second is mixed in.
TEST_F(KubeconfigTest, FilesAreMergedAsKubectlDoes) {
  std::string a = Write("a", R"(
clusters: [{name: c, cluster: {server: "https://first"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
)");
  std::string b = Write("b", R"(
current-context: x
clusters:
- {name: c, cluster: {server: "https://second", tls-server-name: other}}
- {name: d, cluster: {server: "https://d"}}
users: [{name: u, user: {token: from-b}}]
contexts: [{name: z, context: {cluster: d}}]
)");
  std::string c = Write("c", "current-context: z\n");
  auto config = LoadList(a + ":/does/not/exist::" + b + ":" + c);
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->context, "x");
  EXPECT_EQ(config->server, "https://first");
  EXPECT_EQ(config->tls.server_name, "");
  EXPECT_EQ(config->token, "from-b");
  auto z = LoadList(a + ":" + b, "z");
  ASSERT_TRUE(z) << z.error().ToString();
  EXPECT_EQ(z->server, "https://d");
  EXPECT_EQ(z->token, "");
}

TEST_F(KubeconfigTest, RelativePathsStartAtTheFilesFolder) {
  Write("ca.pem", "CA");
  Write("token", " secret-token\n");
  std::string path = Write("config", R"(
current-context: x
clusters: [{name: c, cluster: {server: "https://h", certificate-authority: ca.pem}}]
users: [{name: u, user: {tokenFile: ./token}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
)");
  auto config = Load(path);
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->tls.ca_pem, "CA");
  Credentials credentials(*config, nullptr);
  auto proof = credentials.Get();
  ASSERT_TRUE(proof) << proof.error().ToString();
  EXPECT_THAT(proof->headers, ElementsAre(Pair("Authorization", "Bearer secret-token")));
  // Kept for a minute, but read again once it was refused.
  Write("token", "next");
  EXPECT_THAT(credentials.Get()->headers,
              ElementsAre(Pair("Authorization", "Bearer secret-token")));
  EXPECT_TRUE(credentials.Refused());
  EXPECT_THAT(credentials.Get()->headers, ElementsAre(Pair("Authorization", "Bearer next")));
}

TEST_F(KubeconfigTest, ErrorsNameFileAndFieldButNoSecret) {
  struct Case {
    std::string text, message;
  };
  const std::string context =
      "\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
      "current-context: x\n";
  const std::string cluster = "clusters: [{name: c, cluster: {server: 'https://h'}}]\n";
  for (const Case& c : std::vector<Case>{
           {"[]", "(whole file): must be a map"},
           {"kind: Pod", "kind: must be Config"},
           {"clusters: {}", "clusters: must be a list"},
           {"clusters: [{cluster: {}}]", "clusters[0]: must be a map with a name"},
           {"clusters: [{name: a}, {name: a}]", "clusters[1].name: \"a\" stands in the list twice"},
           {"users: [{name: u, user: 3}]", "users[0].user: must be a map"},
           {cluster, "no current-context is set"},
           {context, "contexts[x].context.cluster: no cluster \"c\""},
           {cluster + context, "contexts[x].context.user: no user \"u\""},
           {"clusters: [{name: c, cluster: {}}]" + context,
            "clusters[c].cluster.server: is missing"},
           {"clusters: [{name: c, cluster: {server: 1}}]" + context,
            "clusters[c].cluster.server: must be a string"},
           {"clusters: [{name: c, cluster: {server: h, insecure-skip-tls-verify: 'yes'}}]" +
                context,
            "clusters[c].cluster.insecure-skip-tls-verify: must be true or false"},
           {"clusters: [{name: c, cluster: {server: h, certificate-authority-data: '#hidden'}}]" +
                context,
            "clusters[c].cluster.certificate-authority-data: is not base64"},
           {cluster + "users: [{name: u, user: {client-key-data: aGlkZGVu}}]" + context,
            "users[u].user.client-certificate: is missing beside client-key"},
           {cluster + "users: [{name: u, user: {token: hidden, username: a, password: hidden}}]" +
                context,
            "users[u].user.username: a token is given as well"},
           {cluster + "users: [{name: u, user: {auth-provider: {name: gcp}}}]" + context,
            "users[u].user.auth-provider: Kubernetes removed it"},
           {cluster + "users: [{name: u, user: {exec: {command: x, apiVersion: v1alpha1}}}]" +
                context,
            "users[u].user.exec.apiVersion: must be client.authentication.k8s.io/v1"},
           {cluster + "users: [{name: u, user: {as-groups: [a]}}]" + context,
            "users[u].user.as: is missing"},
           {cluster + "users: [{name: u, user: {client-certificate: nowhere.pem, client-key: k}}]" +
                context,
            "users[u].user.client-certificate: "},
       }) {
    std::string path = Write("bad", c.text);
    auto config = Load(path);
    ASSERT_FALSE(config) << c.text;
    std::string message = config.error().ToString();
    EXPECT_THAT(message, HasSubstr(c.message)) << c.text;
    EXPECT_THAT(message, HasSubstr(path)) << c.text;
    EXPECT_THAT(message, Not(HasSubstr("hidden"))) << c.text;
  }
  auto missing = Load(dir_.File("nowhere"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
}

TEST_F(KubeconfigTest, InAPodTheServiceAccountIsUsed) {
  auto nothing = Load("");
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message(), HasSubstr("no kubeconfig"));
  Write("token", "pod-token\n");
  Write("ca.crt", "CA");
  Write("namespace", "tools\n");
  variables_["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  variables_["KUBERNETES_SERVICE_PORT"] = "443";
  auto config = LoadConfig({.variable = Env(), .service_account = dir_.path()});
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->ns, "tools");
  EXPECT_EQ(config->tls.ca_pem, "CA");
  EXPECT_EQ(config->token_file, dir_.File("token"));
  EXPECT_EQ(config->context, "in-cluster");
  auto outside = LoadConfig({.variable = Env(), .service_account = "/nowhere"});
  ASSERT_FALSE(outside);
  EXPECT_THAT(outside.error().ToString(), HasSubstr("/nowhere/token"));
}

constexpr std::string_view kExec = R"(
current-context: x
clusters:
- name: c
  cluster:
    server: https://h
    extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: a}}]
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: bin/login
      args: [get, token]
      env: [{name: REGION, value: eu}]
      installHint: install it from example.com
      provideClusterInfo: true
contexts: [{name: x, context: {cluster: c, user: u}}]
)";

TEST_F(KubeconfigTest, ProgramsGiveCredentials) {
  auto config = Load(Write("config", kExec));
  ASSERT_TRUE(config) << config.error().ToString();
  int runs = 0;
  std::string answer = R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
    "status":{"token":"t1","clientCertificateData":"C","clientKeyData":"K"}})";
  Credentials credentials(*config, [&](const ProgramCall& call) -> Result<ProgramOutput> {
    ++runs;
    EXPECT_THAT(call.argv, ElementsAre(dir_.File("bin/login"), "get", "token"));
    EXPECT_THAT(
        call.environment,
        ElementsAre(
            Pair("REGION", "eu"),
            Pair("KUBERNETES_EXEC_INFO",
                 R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",)"
                 R"("spec":{"interactive":false,"cluster":{"server":"https://h",)"
                 R"("config":{"audience":"a"}}}})")));
    return ProgramOutput{0, answer, ""};
  });
  auto proof = credentials.Get();
  ASSERT_TRUE(proof) << proof.error().ToString();
  EXPECT_THAT(proof->headers, ElementsAre(Pair("Authorization", "Bearer t1")));
  EXPECT_EQ(proof->certificate_pem, "C");
  EXPECT_EQ(proof->key_pem, "K");
  uint64_t first = proof->certificate;
  EXPECT_TRUE(credentials.Get());
  EXPECT_EQ(runs, 1);  // no time of expiry: good until refused
  EXPECT_TRUE(credentials.Refused());
  answer = R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
    "status":{"token":"t2","expirationTimestamp":"2020-01-01T00:00:00Z"}})";
  EXPECT_NE(credentials.Get()->certificate, first);
  EXPECT_TRUE(credentials.Get());
  EXPECT_EQ(runs, 3);  // expired each time
}

TEST_F(KubeconfigTest, WhatProgramsDoWrongIsSaidWithoutTheirOutput) {
  auto config = Load(Write("config", kExec));
  ASSERT_TRUE(config) << config.error().ToString();
  struct Case {
    Result<ProgramOutput> output;
    std::string message;
  };
  const std::string head =
      R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":)";
  for (const Case& c : std::vector<Case>{
           {Error(Code::kNotFound, "no such program"), "install it from example.com"},
           {ProgramOutput{3, "hidden", "please log in\n"}, "exit code 3: please log in"},
           {ProgramOutput{0, "hidden", ""}, "it printed no ExecCredential"},
           {ProgramOutput{0, head + "{}}", ""}, "has neither token nor clientCertificateData"},
           {ProgramOutput{0, head + R"({"clientCertificateData":"hidden"}})", ""},
            "must come together"},
           {ProgramOutput{0, head + R"({"token":"hidden","expirationTimestamp":"soon"}})", ""},
            "not an RFC 3339 time"},
           {ProgramOutput{0,
                          R"({"apiVersion":"client.authentication.k8s.io/v1beta1",)"
                          R"("kind":"ExecCredential","status":{"token":"hidden"}})",
                          ""},
            "not client.authentication.k8s.io/v1"},
       }) {
    Credentials credentials(*config, [&](const ProgramCall&) { return c.output; });
    auto proof = credentials.Get();
    ASSERT_FALSE(proof) << c.message;
    EXPECT_THAT(proof.error().message(), HasSubstr(c.message));
    EXPECT_THAT(proof.error().message(), Not(HasSubstr("hidden")));
  }
  auto none = Credentials(*config, nullptr).Get();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kUnsupported);
}

TEST(ForeignConfig, IsTakenIfAllOfItStandsInIt) {
  auto config = ParseForeignConfig(kFull, "kubeconfig", "two");
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->token, "abc");
  EXPECT_EQ(ParseForeignConfig(kFull)->context, "one");
  EXPECT_FALSE(ParseForeignConfig(""));
  EXPECT_FALSE(ParseForeignConfig("[]"));
  auto big = ParseForeignConfig(std::string((size_t{1} << 20) + 1, ' '));
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().code(), Code::kLimit);
}

TEST(ForeignConfig, ProgramsAndFilesAreRefusedWhereverTheyStand) {
  struct Case {
    std::string user, cluster, field;
  };
  for (const Case& c : std::vector<Case>{
           {"exec: {apiVersion: client.authentication.k8s.io/v1, command: id}", "",
            "users[other].user.exec"},
           {"auth-provider: {name: gcp}", "", "users[other].user.auth-provider"},
           {"tokenFile: /etc/shadow", "", "users[other].user.tokenFile"},
           {"client-certificate: a.pem", "", "users[other].user.client-certificate"},
           {"client-key: /etc/passwd", "", "users[other].user.client-key"},
           {"exec: [odd]", "", "users[other].user.exec"},
           {"token: t", "certificate-authority: /etc/passwd",
            "clusters[c].cluster.certificate-authority"},
       }) {
    // In a user that the current context does not name, too.
    std::string text =
        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://h', " +
        c.cluster + "}}]\n" + "users: [{name: u, user: {token: hidden}}, {name: other, user: {" +
        c.user + "}}]\n";
    auto config = ParseForeignConfig(text, "pasted");
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().id(), "kube.config_refused");
    EXPECT_EQ(config.error().code(), Code::kDenied);
    EXPECT_THAT(config.error().message(), HasSubstr("pasted: " + c.field + ": "));
    EXPECT_THAT(config.error().message(), Not(HasSubstr("hidden")));
  }
}

}  // namespace
}  // namespace bulwark::kube
