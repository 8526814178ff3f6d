#pragma once

// A real Kubernetes for tests, started by the script tests/cluster/cluster and ended with the
// object:
//
//   TEST(Inventory, SeesPods) {
//     if (std::string reason = Cluster::WhyNot({.node = true}); !reason.empty()) {
//       GTEST_SKIP() << reason;
//     }
//     Result<Cluster> cluster = Cluster::Start({.node = true});
//     ASSERT_TRUE(cluster) << cluster.error().ToString();
//     cluster->Kubectl({"apply", "--filename=-"}, kPod);
//     ... cluster->kubeconfig() ...
//   }
//
// Cost, on two cores: an API server is up in 2.5 s and takes 330 MiB; with controllers 7 s, 510
// MiB; a node 8 s, 750 MiB; each is gone within a second. Share one among the cases of a suite
// (SetUpTestSuite) where they do not disturb each other. Any number runs at a time.
// The programs are built from source once, which takes minutes. The CTest test tests/cluster/build
// does that; a test that starts a cluster should name its fixture: FIXTURES_REQUIRED cluster.
//
// Thread safety: const members may be called from any thread. Teardown is certain: the process that
// holds the cluster ends it when this one closes its pipe, be it by a crash or by SIGKILL.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::test {

// What a program printed and how it ended: its exit status, 128 + n if signal n ended it, 127 if it
// could not be started.
struct Output {
  int status = 0;
  std::string out, err;
};

class Cluster {
 public:
  struct Options {
    // A node: containerd, kubelet and kube-proxy, so that pods run. Needs root. The image
    // bulwark.test/busybox:1 is there, others come by LoadImage. Implies `controllers`.
    bool node = false;
    // kube-controller-manager and kube-scheduler. Without them, deployments make no pods,
    // namespaces never finish going, there are no "default" service accounts and aggregated roles
    // stay empty.
    bool controllers = false;
    // More arguments of kube-apiserver, such as "--audit-log-path=/tmp/x".
    std::vector<std::string> apiserver_args;
  };

  // Why no such cluster can run here (not root, no containerd, no Go), or nothing. For GTEST_SKIP.
  static std::string WhyNot(const Options& options);

  // Starts one and waits until it is ready.
  static Result<Cluster> Start(const Options& options);
  static Result<Cluster> StartApiServer() { return Start({}); }
  static Result<Cluster> StartNode() { return Start({.node = true}); }

  Cluster(Cluster&& other) noexcept;
  Cluster& operator=(Cluster&& other) noexcept;
  ~Cluster();  // Stop; what goes wrong is printed to stderr

  // Ends all processes and removes the folder and everything else that was made. Idempotent.
  Result<Ok> Stop();

  // All that the cluster keeps: logs in log/, certificates in pki/, programs in bin/.
  const std::string& dir() const { return dir_; }
  // The administrator's, a client certificate.
  std::string kubeconfig() const { return dir_ + "/kubeconfig"; }
  // A program that was built for the cluster: "kubectl", "helm", "etcd".
  std::string program(std::string_view name) const { return dir_ + "/bin/" + std::string(name); }

  // Runs kubectl as administrator, or with the kubeconfig that the arguments name.
  Output Kubectl(std::vector<std::string> arguments, std::string_view input = {}) const;
  // Runs a command on the node: in its network and among its mounts, as root.
  Output OnNode(std::vector<std::string> command) const;

  // The path of a new kubeconfig for a service account, which must exist: a token that holds an
  // hour.
  Result<std::string> ServiceAccountKubeconfig(std::string_view name_space,
                                               std::string_view account) const;
  // Imports an image (an OCI or docker tar, such as image.py makes) into the node.
  Result<Ok> LoadImage(const std::string& tar) const;
  // Applies the objects that objects.py writes: 224 of nearly every kind in six namespaces.
  Result<Ok> Seed() const;

 private:
  Cluster(std::string dir, int pid, int pipe, int log)
      : dir_(std::move(dir)), pid_(pid), pipe_(pipe), log_(log) {}

  // `cluster <command> --dir <dir_> <arguments>`: what it printed.
  Result<std::string> Script(std::string_view command, std::vector<std::string> arguments) const;

  std::string dir_;
  int pid_ = -1;   // of `cluster run`
  int pipe_ = -1;  // its stdin: closing it ends the cluster
  int log_ = -1;   // its stderr, a file in memory
};

// Runs a program, found on PATH unless it has a slash, to its end.
Output RunProgram(std::vector<std::string> arguments, std::string_view input = {});

}  // namespace bulwark::test
