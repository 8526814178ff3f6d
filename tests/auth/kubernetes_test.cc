// Logging in with a token of a real cluster.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/kubeconfig.h"
#include "platform/auth/kubernetes.h"
#include "platform/auth/testing.h"
#include "tests/cluster/fixture.h"

namespace bulwark::auth {
namespace {

constexpr std::string_view kObjects = R"(
apiVersion: v1
kind: ServiceAccount
metadata: {name: dev, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bulwark-developer}
rules: [{apiGroups: [bulwark.io], resources: [roles], resourceNames: [developer], verbs: [use]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bulwark-developer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bulwark-developer}
subjects: [{kind: ServiceAccount, name: dev, namespace: default}]
)";

class Kubernetes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!test::Cluster::WhyNot({}).empty()) return;
    Result<test::Cluster> cluster = test::Cluster::StartApiServer();
    ASSERT_TRUE(cluster) << cluster.error().ToString();
    cluster_ = new test::Cluster(std::move(*cluster));
    test::Output applied = cluster_->Kubectl({"apply", "--filename=-"}, kObjects);
    ASSERT_EQ(applied.status, 0) << applied.err;
    Result<kube::Config> config = kube::LoadConfig({.path = cluster_->kubeconfig()});
    ASSERT_TRUE(config) << config.error().ToString();
    Result<kube::Client> client = kube::Client::Connect(std::move(*config));
    ASSERT_TRUE(client) << client.error().ToString();
    client_ = std::make_shared<const kube::Client>(std::move(*client));
  }
  static void TearDownTestSuite() {
    client_.reset();
    delete cluster_;
  }
  void SetUp() override {
    if (cluster_ == nullptr) GTEST_SKIP() << test::Cluster::WhyNot({});
    identity_ = MakeKubernetesIdentity(
        [](std::string_view id) -> Result<std::shared_ptr<const kube::Client>> {
          if (id != "c1") return Error(Code::kNotFound, "no such cluster");
          return client_;
        });
  }
  static std::string Token(const std::string& account, const std::string& audience = "") {
    std::vector<std::string> arguments = {"create", "token", account};
    if (!audience.empty()) arguments.push_back("--audience=" + audience);
    test::Output out = cluster_->Kubectl(arguments);
    EXPECT_EQ(out.status, 0) << out.err;
    return std::string(Trim(out.out));
  }

  static inline test::Cluster* cluster_ = nullptr;
  static inline std::shared_ptr<const kube::Client> client_;
  std::shared_ptr<KubernetesIdentity> identity_;
};

TEST_F(Kubernetes, ReviewsTokens) {
  Result<KubernetesUser> user = identity_->Review("c1", Token("dev"), "");
  ASSERT_TRUE(user) << user.error().ToString();
  EXPECT_EQ(user->name, "system:serviceaccount:default:dev");
  EXPECT_THAT(user->groups, testing::Contains("system:serviceaccounts:default"));
  EXPECT_TRUE(identity_->May("c1", *user, {.name = "developer"}).value());
  EXPECT_FALSE(identity_->May("c1", *user, {.name = "admin"}).value());
  EXPECT_FALSE(identity_->May("c1", *user, {.verb = "get", .name = "developer"}).value());

  for (std::string bad : {std::string("nonsense"), std::string("a.b.c"), Token("dev") + "x",
                          Token("dev", "others")}) {
    Result<KubernetesUser> refused = identity_->Review("c1", bad, "");
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().id(), "auth.wrong");
  }
  // A token for us is none for the API server, nor the other way round.
  EXPECT_TRUE(identity_->Review("c1", Token("dev", "bulwark"), "bulwark"));
  EXPECT_FALSE(identity_->Review("c1", Token("dev"), "bulwark"));
  EXPECT_FALSE(identity_->Review("c2", Token("dev"), ""));
}

TEST_F(Kubernetes, ThroughTheApi) {
  TestServer server({.kubernetes = identity_});
  Browser admin = Admin(server);
  Answer made = admin.Post("/api/v1/providers", R"({"name":"k8s","kind":"kubernetes",
      "kubernetes":{"cluster":"c1","audience":"bulwark"}})");
  ASSERT_EQ(made.status, 201) << made.body;
  Browser browser(server);
  auto log_in = [&](const std::string& token) {
    return browser.Post("/api/v1/session",
                        R"({"method":"kubernetes","provider":"k8s","token":")" + token + "\"}");
  };
  EXPECT_EQ(log_in(Token("dev")).Problem(), "auth.wrong");
  Answer in = log_in(Token("dev", "bulwark"));
  ASSERT_EQ(in.status, 200) << in.body;
  browser.Learn(in);
  EXPECT_EQ(in.json["user"].StringAt("kind"), "kubernetes");
  EXPECT_EQ(in.json["user"].StringAt("id"), "user:k8s:system:serviceaccount:default:dev");
  ASSERT_EQ(in.json["scopes"].size(), 1U);
  EXPECT_EQ(in.json["scopes"][0].StringAt("role"), "developer");
  // What a cluster says counts in that cluster.
  EXPECT_EQ(ToJson(in.json["scopes"][0]["scope"]), R"({"clusters":["c1"]})");
  EXPECT_EQ(browser.Get("/api/v1/things").status, 200);
  EXPECT_EQ(browser.Get("/api/v1/users").status, 403);
  // An hour, as rights are asked for but once.
  server.skew_s += 3601;
  EXPECT_EQ(browser.Get("/api/v1/things").status, 401);
  // Somebody without a right comes in, and sees nothing.
  Browser nobody(server);
  Answer empty =
      nobody.Post("/api/v1/session", R"({"method":"kubernetes","provider":"k8s","token":")" +
                                         Token("nobody", "bulwark") + "\"}");
  ASSERT_EQ(empty.status, 200) << empty.body;
  EXPECT_EQ(nobody.Get("/api/v1/things").status, 403);
}

}  // namespace
}  // namespace bulwark::auth
