// The node half of the fixture: pods run for real, and nothing is left on the machine.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>

#include "tests/cluster/fixture.h"

namespace bulwark::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kPods = R"yaml(
apiVersion: v1
kind: Pod
metadata: {name: hello, labels: {app: hello}}
spec:
  containers:
  - name: main
    image: bulwark.test/busybox:1
    command: [sh, -c, 'echo "hello from $(hostname)"; exec httpd -f -p 8080 -h /etc']
    resources: {limits: {memory: 32Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {selector: {app: hello}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent}
spec:
  hostNetwork: true
  hostPID: true
  containers:
  - name: main
    image: bulwark.test/busybox:1
    command: [sleep, "3600"]
    securityContext: {privileged: true}
    volumeMounts: [{name: host, mountPath: /host}]
  volumes: [{name: host, hostPath: {path: /}}]
)yaml";

// What this machine has that a node might leave behind.
std::set<std::string> Traces() {
  std::set<std::string> traces;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);)
    traces.insert(line.substr(line.find(" / ") + 1));
  std::error_code ignored;
  for (const char* folder :
       {"/sys/class/net", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup",
        "/sys/fs/cgroup/unified", "/run", "/var/lib", "/var/log", "/etc", "/run/containerd"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      traces.insert(entry.path());
    }
  }
  for (const char* file : {"/proc/sys/kernel/panic", "/proc/sys/vm/overcommit_memory"}) {
    std::ifstream in(file);
    traces.insert(std::string(file) + " " + std::string(std::istreambuf_iterator<char>(in), {}));
  }
  return traces;
}

class NodeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    reason_ = Cluster::WhyNot({.node = true});
    if (reason_.empty()) cluster_.emplace(Cluster::StartNode());
  }
  static void TearDownTestSuite() { cluster_.reset(); }

  void SetUp() override {
    if (!reason_.empty()) GTEST_SKIP() << reason_;
    ASSERT_TRUE(*cluster_) << cluster_->error().ToString();
  }

  static const Cluster& cluster() { return cluster_->value(); }

 private:
  static inline std::string reason_;
  static inline std::optional<Result<Cluster>> cluster_;
};

TEST_F(NodeTest, PodsRunAndTalk) {
  Output applied = cluster().Kubectl({"apply", "--filename=-"}, kPods);
  ASSERT_EQ(applied.status, 0) << applied.err;
  Output ready =
      cluster().Kubectl({"wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s"});
  ASSERT_EQ(ready.status, 0) << ready.err << cluster().Kubectl({"describe", "pods"}).out;
  EXPECT_EQ(cluster().Kubectl({"logs", "hello"}).out, "hello from hello\n");
  // A service by its name: CoreDNS, then kube-proxy, then the pod's network.
  Output fetched =
      cluster().Kubectl({"exec", "hello", "--", "wget", "-qO-", "http://hello.default.svc/passwd"});
  EXPECT_THAT(fetched.out, HasSubstr("root:x:0:0")) << fetched.err;
  // A privileged pod sees the node's files, not those of this machine.
  EXPECT_THAT(cluster().Kubectl({"exec", "agent", "--", "ls", "/host/var/lib/kubelet"}).out,
              HasSubstr("config.yaml"));
}

TEST_F(NodeTest, TheNodeLooksLikeOne) {
  EXPECT_EQ(cluster().OnNode({"hostname"}).out, "node1\n");
  EXPECT_EQ(cluster().OnNode({"test", "-S", "/run/containerd/containerd.sock"}).status, 0);
  EXPECT_EQ(cluster().OnNode({"test", "-f", "/var/lib/kubelet/config.yaml"}).status, 0);
  EXPECT_THAT(cluster().OnNode({"ip", "-4", "address"}).out, HasSubstr("10.213."));
  // Processes keep the machine's numbers: what eBPF reports is what /proc says.
  EXPECT_EQ(cluster().OnNode({"readlink", "/proc/self/ns/pid"}).out,
            RunProgram({"readlink", "/proc/self/ns/pid"}).out);
}

TEST_F(NodeTest, AnImageIsLoaded) {
  const std::string tar = cluster().dir() + "/tool.tar";
  Output made = RunProgram({BULWARK_IMAGE_SCRIPT, "--name", "bulwark.test/tool:1", "--output", tar,
                            "--program", "/bin/cat:/bin/cat", "--add", "/etc/debian_version:/v",
                            "--entrypoint", "/bin/cat", "--entrypoint", "/v"});
  ASSERT_EQ(made.status, 0) << made.err;
  Result<Ok> loaded = cluster().LoadImage(tar);
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  Output ran = cluster().Kubectl({"run", "tool", "--image=bulwark.test/tool:1", "--restart=Never"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  Output done = cluster().Kubectl(
      {"wait", "pod/tool", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(cluster().Kubectl({"logs", "tool"}).out,
            RunProgram({"cat", "/etc/debian_version"}).out);
}

TEST(NodeTeardownTest, NothingIsLeftOnTheMachine) {
  if (std::string reason = Cluster::WhyNot({.node = true}); !reason.empty()) GTEST_SKIP() << reason;
  for (const std::string& trace : Traces()) {
    if (trace.starts_with("/sys/class/net/bulwark")) GTEST_SKIP() << "another node runs: " << trace;
  }
  const std::set<std::string> before = Traces();
  {
    Result<Cluster> cluster = Cluster::StartNode();
    ASSERT_TRUE(cluster) << cluster.error().ToString();
    ASSERT_EQ(cluster->Kubectl({"apply", "--filename=-"}, kPods).status, 0);
    Output ready =
        cluster->Kubectl({"wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s"});
    ASSERT_EQ(ready.status, 0) << ready.err;
    EXPECT_THAT(Traces(), Not(before));
  }
  EXPECT_EQ(Traces(), before);
}

}  // namespace
}  // namespace bulwark::test
