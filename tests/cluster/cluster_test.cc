// The API server half of the fixture: an object goes in and comes out again, two servers do not
// disturb each other, permissions hold, and nothing is left when they end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>

#include "tests/cluster/fixture.h"

namespace bulwark::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kConfigMap = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: default}
data: {text: "你好, cluster"}
)";

// The processes whose command line names this folder.
std::vector<std::string> ProcessesNaming(const std::string& folder) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::string line{std::istreambuf_iterator<char>(file), {}};
    if (line.find(folder + "/") != std::string::npos) found.push_back(line);
  }
  return found;
}

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string reason = Cluster::WhyNot({}); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(ClusterTest, AnObjectIsReadBack) {
  Result<Cluster> cluster = Cluster::StartApiServer();
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  Output applied = cluster->Kubectl({"apply", "--filename=-"}, kConfigMap);
  ASSERT_EQ(applied.status, 0) << applied.err;
  Output read =
      cluster->Kubectl({"get", "configmap", "greeting", "--output=jsonpath={.data.text}"});
  EXPECT_EQ(read.status, 0) << read.err;
  EXPECT_EQ(read.out, "你好, cluster");
  Output missing = cluster->Kubectl({"get", "configmap", "nothing"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("not found"));
}

TEST_F(ClusterTest, TwoAreApartAndNothingIsLeft) {
  std::optional<Result<Cluster>> first, second;
  std::thread other([&] { first = Cluster::StartApiServer(); });
  second = Cluster::StartApiServer();
  other.join();
  ASSERT_TRUE(*first) << first->error().ToString();
  ASSERT_TRUE(*second) << second->error().ToString();
  Cluster a = std::move(*first).value(), b = std::move(*second).value();

  ASSERT_EQ(a.Kubectl({"apply", "--filename=-"}, kConfigMap).status, 0);
  EXPECT_EQ(b.Kubectl({"get", "configmap", "greeting"}).status, 1);
  const std::string dir = a.dir();
  EXPECT_FALSE(ProcessesNaming(dir).empty());
  Result<Ok> stopped = a.Stop();
  EXPECT_TRUE(stopped) << stopped.error().ToString();
  EXPECT_THAT(ProcessesNaming(dir), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(dir));
  // The other goes on.
  EXPECT_EQ(b.Kubectl({"get", "--raw=/readyz"}).out, "ok");
}

TEST_F(ClusterTest, AServiceAccountMayOnlyWhatItsRolesSay) {
  Result<Cluster> cluster = Cluster::StartApiServer();
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  for (std::vector<std::string> command :
       {std::vector<std::string>{"create", "serviceaccount", "reader"},
        {"create", "role", "reader", "--verb=get,list", "--resource=configmaps"},
        {"create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:reader"}}) {
    Output output = cluster->Kubectl(command);
    ASSERT_EQ(output.status, 0) << output.err;
  }
  Result<std::string> kubeconfig = cluster->ServiceAccountKubeconfig("default", "reader");
  ASSERT_TRUE(kubeconfig) << kubeconfig.error().ToString();
  const std::string as_reader = "--kubeconfig=" + *kubeconfig;
  EXPECT_EQ(cluster->Kubectl({as_reader, "get", "configmaps"}).status, 0);
  Output denied = cluster->Kubectl({as_reader, "get", "secrets"});
  EXPECT_EQ(denied.status, 1);
  EXPECT_THAT(denied.err, HasSubstr("system:serviceaccount:default:reader"));
  EXPECT_FALSE(cluster->ServiceAccountKubeconfig("default", "nobody"));
}

TEST_F(ClusterTest, TheSeedAppliesAndControllersWork) {
  Result<Cluster> cluster = Cluster::Start({.controllers = true});
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  Result<Ok> seeded = cluster->Seed();
  ASSERT_TRUE(seeded) << seeded.error().ToString();
  // A deployment's pods are made, though there is no node to run them on.
  Output pods = cluster->Kubectl({"wait", "pod", "--namespace=shop", "--selector=app=cart",
                                  "--for=jsonpath={.status.phase}=Pending", "--timeout=30s"});
  EXPECT_EQ(pods.status, 0) << pods.err;
  EXPECT_EQ(cluster->Kubectl({"get", "rollouts.apps.example.test", "--namespace=shop"}).status, 0);
}

TEST_F(ClusterTest, ArgumentsReachTheApiServer) {
  const std::string log = testing::TempDir() + "/bulwark_audit_" + std::to_string(getpid());
  const std::string policy = log + ".yaml";
  std::ofstream(policy)
      << "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
  Result<Cluster> cluster = Cluster::Start(
      {.apiserver_args = {"--audit-policy-file=" + policy, "--audit-log-path=" + log}});
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  ASSERT_EQ(cluster->Kubectl({"apply", "--filename=-"}, kConfigMap).status, 0);
  std::ifstream file(log);
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(file), {}),
              HasSubstr(R"("name":"greeting")"));
  for (const std::string& path : {log, policy}) std::filesystem::remove(path);
}

TEST_F(ClusterTest, AFailureToStartSaysWhyAndLeavesNothing) {
  Result<Cluster> cluster = Cluster::Start({.apiserver_args = {"--no-such-flag"}});
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error().message(), HasSubstr("kube-apiserver ended"));
  EXPECT_THAT(cluster.error().message(), HasSubstr("unknown flag: --no-such-flag"));
}

TEST_F(ClusterTest, ATestProgramThatIsKilledLeavesNothing) {
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  // A fork that starts a cluster, says where, and dies the hardest way.
  pid_t child = fork();
  if (child == 0) {
    Result<Cluster> cluster = Cluster::StartApiServer();
    if (cluster) (void)!write(report[1], cluster->dir().data(), cluster->dir().size());
    raise(SIGKILL);
  }
  close(report[1]);
  char buffer[4096];
  ssize_t got = read(report[0], buffer, sizeof buffer);
  close(report[0]);
  waitpid(child, nullptr, 0);
  ASSERT_GT(got, 0);
  const std::string dir(buffer, static_cast<size_t>(got));
  for (int tries = 0; tries < 300 && std::filesystem::exists(dir); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_FALSE(std::filesystem::exists(dir));
  EXPECT_THAT(ProcessesNaming(dir), IsEmpty());
}

}  // namespace
}  // namespace bulwark::test
