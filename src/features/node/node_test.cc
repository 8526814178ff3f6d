#include "features/node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "base/time.h"
#include "features/node/host.h"
#include "formats/json.h"

namespace bulwark::node {
namespace {

using testing::Contains;
using testing::HasSubstr;

const int64_t kToday = ParseRfc3339("2026-06-01T00:00:00Z").value().seconds;

// A machine in a folder.
class Machine {
 public:
  Machine() {
    Write("/proc/sys/kernel/osrelease", "6.12.5\n");
    Write("/proc/sys/kernel/version", "#1 SMP\n");
    Write("/proc/uptime", "1000.5 2000.0\n");
    Write("/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
    Write("/proc/swaps", "Filename Type Size Used Priority\n");
    Write("/etc/os-release",
          "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
    Write("/sys/kernel/security/lsm", "capability,yama,apparmor\n");
    Write("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    Write("/proc/1/mountinfo", "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
  }
  void Write(const std::string& path, std::string_view text, mode_t mode = 0644) {
    std::string full = folder_.path() + path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    ASSERT_TRUE(WriteFileAtomic(full, text, mode));
  }
  void Kubelet(const std::vector<std::string>& arguments, const std::string& config = "") {
    std::string line = "/usr/bin/kubelet";
    for (const std::string& a : arguments) line += '\0' + a;
    line += '\0';
    Write("/proc/100/comm", "kubelet\n");
    Write("/proc/100/cmdline", line);
    // Its own root, as in a container: links within it stay within it.
    std::error_code ignored;
    std::filesystem::create_directory_symlink(folder_.path(), folder_.path() + "/proc/100/root",
                                              ignored);
    if (!config.empty()) Write("/var/lib/kubelet/config.yaml", config, 0600);
  }
  std::string path() const { return folder_.path(); }
  Value Facts(Arena& arena) const {
    return Collect({.root = folder_.path(), .ask_versions = false}, arena);
  }
  NodeAssessment Check(std::string_view id) const {
    Arena arena;
    for (NodeAssessment& a : Assess(Facts(arena), kToday)) {
      if (a.check == id) return a;
    }
    ADD_FAILURE() << id;
    return {};
  }

 private:
  TempDir folder_ = TempDir::Make().value();
};

TEST(NodeFacts, OfAMachineInAFolder) {
  Machine machine;
  machine.Kubelet({"--config=/var/lib/kubelet/config.yaml", "--v=2", "--node-ip", "10.0.0.1"},
                  "kind: KubeletConfiguration\nreadOnlyPort: 0\n");
  machine.Write("/proc/sys/net/ipv4/ip_forward", "1\n");
  Arena arena;
  Value facts = machine.Facts(arena);
  EXPECT_EQ(facts["kernel"].StringAt("release"), "6.12.5");
  EXPECT_EQ(facts["os"].StringAt("id"), "debian");
  EXPECT_EQ(facts["os"].StringAt("prettyName"), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(facts["memoryKib"].ToInt(), 16384);
  EXPECT_EQ(facts["uptimeSeconds"].ToInt(), 1000);
  EXPECT_EQ(facts["cgroupVersion"].ToInt(), 2);
  EXPECT_TRUE(facts["lsms"].Contains(Value::String("apparmor")));
  EXPECT_EQ(facts["sysctls"].StringAt("net.ipv4.ip_forward"), "1");
  EXPECT_EQ(facts["mounts"][size_t{0}].StringAt("type"), "ext4");
  EXPECT_EQ(facts["kubelet"]["flags"].StringAt("node-ip"), "10.0.0.1");
  EXPECT_TRUE(facts["kubelet"]["otherFlags"].Contains(Value::String("v")));
  EXPECT_EQ(ToJson(facts["unreadable"]), "[]");
  // What is sent reads back.
  std::vector<NodeAssessment> assessments = Assess(facts, kToday);
  Value report = ParseJson(ReportJson(facts, assessments), arena).value();
  std::vector<NodeAssessment> reread = ParseAssessments(report).value();
  ASSERT_EQ(reread.size(), assessments.size());
  for (size_t i = 0; i < reread.size(); ++i) {
    EXPECT_EQ(reread[i].check, assessments[i].check);
    EXPECT_EQ(reread[i].status, assessments[i].status);
    EXPECT_EQ(reread[i].value, assessments[i].value);
  }
}

TEST(NodeFacts, AnEmptyFolderIsUnreadableNotFine) {
  TempDir empty = TempDir::Make().value();
  Arena arena;
  Value facts = Collect({.root = empty.path()}, arena);
  EXPECT_GE(facts["unreadable"].size(), 5u);
  for (const NodeAssessment& a : Assess(facts, kToday)) {
    EXPECT_NE(a.status, Status::kPass) << a.check;
    // The clock is this machine's.
    if (a.check != "node-clock") EXPECT_NE(a.status, Status::kFail) << a.check;
  }
  Value none = Collect({.root = "/no/such/folder"}, arena);
  EXPECT_EQ(none["unreadable"].size(), 1u);
  EXPECT_FALSE(Assess(none, kToday).empty());
}

TEST(NodeFacts, LinksStayBelowTheRoot) {
  Machine machine;
  // Absolute, as distributions have it: the machine's, not ours.
  machine.Write("/usr/lib/os-release", "ID=inside\n");
  std::filesystem::remove(machine.path() + "/etc/os-release");
  std::filesystem::create_symlink("/usr/lib/os-release", machine.path() + "/etc/os-release");
  Arena arena;
  EXPECT_EQ(machine.Facts(arena)["os"].StringAt("id"), "inside");
  std::filesystem::remove(machine.path() + "/etc/os-release");
  std::filesystem::create_symlink("../../../../../../../../etc/os-release",
                                  machine.path() + "/etc/os-release");
  std::filesystem::remove(machine.path() + "/usr/lib/os-release");
  EXPECT_TRUE(machine.Facts(arena)["os"].IsNull()) << "not this machine's";
}

TEST(NodeFacts, StableTextForgetsTheClock) {
  Machine machine;
  Arena arena;
  std::string before = StableText(machine.Facts(arena));
  machine.Write("/proc/uptime", "2000.0 1.0\n");
  EXPECT_EQ(StableText(machine.Facts(arena)), before);
  machine.Write("/proc/sys/kernel/osrelease", "6.12.6\n");
  EXPECT_NE(StableText(machine.Facts(arena)), before);
}

TEST(Kubelet, EffectiveConfiguration) {
  struct {
    const char* why;
    std::vector<std::string> flags;
    const char* config;  // of --config; empty: no file
    const char *path, *value, *source;
  } const cases[] = {
      {"lax defaults of flags alone",
       {},
       "",
       "authentication.anonymous.enabled",
       "true",
       "default"},
      {"lax defaults of flags alone", {}, "", "authorization.mode", "\"AlwaysAllow\"", "default"},
      {"lax defaults of flags alone", {}, "", "readOnlyPort", "10255", "default"},
      {"defaults of a file",
       {"--config=/var/lib/kubelet/config.yaml"},
       "kind: x\n",
       "authentication.anonymous.enabled",
       "false",
       "default"},
      {"defaults of a file",
       {"--config", "/var/lib/kubelet/config.yaml"},
       "kind: x\n",
       "authorization.mode",
       "\"Webhook\"",
       "default"},
      {"the file",
       {"--config=/var/lib/kubelet/config.yaml"},
       "authentication: {anonymous: {enabled: true}}\n",
       "authentication.anonymous.enabled",
       "true",
       "file"},
      {"JSON is YAML",
       {"--config=/var/lib/kubelet/config.yaml"},
       "{\"podPidsLimit\": 99}",
       "podPidsLimit",
       "99",
       "file"},
      {"a flag goes before the file",
       {"--config=/var/lib/kubelet/config.yaml", "--anonymous-auth=false"},
       "authentication: {anonymous: {enabled: true}}\n",
       "authentication.anonymous.enabled",
       "false",
       "flag"},
      {"a bool alone, then another flag",
       {"--anonymous-auth", "--read-only-port=0"},
       "",
       "authentication.anonymous.enabled",
       "true",
       "flag"},
      {"a bool takes no word",
       {"--protect-kernel-defaults", "false"},
       "",
       "protectKernelDefaults",
       "true",
       "flag"},
      {"Go's bools",
       {"--anonymous-auth=F"},
       "",
       "authentication.anonymous.enabled",
       "false",
       "flag"},
      {"the last counts", {"--event-qps=1", "--event-qps", "7"}, "", "eventRecordQPS", "7", "flag"},
      {"a list", {"--tls-cipher-suites=A,B"}, "", "tlsCipherSuites", "[\"A\",\"B\"]", "flag"},
      {"what is of no use is as good as absent",
       {"--event-qps=many"},
       "",
       "eventRecordQPS",
       "50",
       "default"},
      {"of another type",
       {"--config=/var/lib/kubelet/config.yaml"},
       "readOnlyPort: [1]\n",
       "readOnlyPort",
       "0",
       "default"},
      {"after --",
       {"--", "--anonymous-auth=false"},
       "",
       "authentication.anonymous.enabled",
       "true",
       "default"},
  };
  for (const auto& c : cases) {
    Machine machine;
    machine.Kubelet(c.flags, c.config);
    Arena arena;
    Value kubelet = machine.Facts(arena)["kubelet"];
    Value at = kubelet["config"];
    for (std::string_view step : Split(c.path, '.')) at = at[step];
    EXPECT_EQ(ToJson(at), c.value) << c.why;
    EXPECT_EQ(kubelet["sources"].StringAt(c.path), c.source) << c.why;
  }
}

TEST(Kubelet, DropInsInTheirOrder) {
  Machine machine;
  machine.Kubelet({"--config=/var/lib/kubelet/config.yaml", "--config-dir=/etc/kubelet.d"},
                  "podPidsLimit: 1\neventRecordQPS: 9\n");
  machine.Write("/etc/kubelet.d/10-a.conf", "podPidsLimit: 2\n");
  machine.Write("/etc/kubelet.d/20-b.conf", "podPidsLimit: 3\n");
  machine.Write("/etc/kubelet.d/30-c.txt", "podPidsLimit: 4\n");
  Arena arena;
  Value config = machine.Facts(arena)["kubelet"]["config"];
  EXPECT_EQ(config["podPidsLimit"].ToInt(), 3);
  EXPECT_EQ(config["eventRecordQPS"].ToInt(), 9);
}

TEST(Kubelet, AConfigurationThatCannotBeReadIsAnErrorNotADefault) {
  for (const char* config : {"", "a: b: c", "- 1\n"}) {
    Machine machine;
    machine.Kubelet({"--config=/var/lib/kubelet/config.yaml", "--read-only-port=0"}, config);
    NodeAssessment anonymous = machine.Check("node-kubelet-anonymous-auth");
    EXPECT_EQ(anonymous.status, Status::kError) << config;
    EXPECT_THAT(anonymous.error, HasSubstr("/var/lib/kubelet/config.yaml"));
    EXPECT_EQ(machine.Check("node-kubelet-read-only-port").status, Status::kPass)
        << "a flag is known all the same";
  }
}

// Values of flags that may be secret are not told.
TEST(Kubelet, UnknownFlagsAreNamedWithoutValue) {
  Machine machine;
  machine.Kubelet({"--bootstrap-token=hunter2", "--image-credential-provider-config", "hunter3"});
  Arena arena;
  Value facts = machine.Facts(arena);
  EXPECT_THAT(ToJson(facts), Not(HasSubstr("hunter")));
  EXPECT_TRUE(facts["kubelet"]["otherFlags"].Contains(Value::String("bootstrap-token")));
}

const char kGoodConfig[] = R"(kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}
authorization: {mode: Webhook}
readOnlyPort: 0
eventRecordQPS: 50
podPidsLimit: 4096
protectKernelDefaults: true
rotateCertificates: true
seccompDefault: true
serverTLSBootstrap: true
tlsCipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305]
)";

TEST(NodeChecks, AGoodNodePasses) {
  Machine machine;
  machine.Kubelet(
      {"--config=/var/lib/kubelet/config.yaml", "--kubeconfig=/etc/kubernetes/kubelet.conf"},
      kGoodConfig);
  machine.Write("/etc/kubernetes/kubelet.conf", "x", 0600);
  for (auto [name, value] :
       {std::pair("net/ipv4/ip_forward", "1"), std::pair("kernel/kptr_restrict", "2"),
        std::pair("kernel/dmesg_restrict", "1"), std::pair("kernel/unprivileged_bpf_disabled", "2"),
        std::pair("kernel/unprivileged_userns_clone", "0")}) {
    machine.Write(std::string("/proc/sys/") + name, value);
  }
  Arena arena;
  std::set<std::string> not_passed;
  for (const NodeAssessment& a : Assess(machine.Facts(arena), kToday)) {
    if (a.check == "node-clock" || a.status == Status::kPass) continue;
    not_passed.insert(a.check + " " + std::string(StatusName(a.status)));
  }
  EXPECT_EQ(not_passed, std::set<std::string>{"node-runtime-socket " +
                                              std::string(StatusName(Status::kNotApplicable))});
}

TEST(NodeChecks, EachFailsForItsReason) {
  struct {
    const char *check, *config;  // a line that makes it fail
    const char* path;
  } const cases[] = {
      {"node-kubelet-anonymous-auth", "authentication: {anonymous: {enabled: true}}",
       "kubelet.config.authentication.anonymous.enabled"},
      {"node-kubelet-authorization", "authorization: {mode: AlwaysAllow}",
       "kubelet.config.authorization.mode"},
      {"node-kubelet-client-ca", "authentication: {x509: {clientCAFile: ''}}",
       "kubelet.config.authentication.x509.clientCAFile"},
      {"node-kubelet-read-only-port", "readOnlyPort: 10255", "kubelet.config.readOnlyPort"},
      {"node-kubelet-event-qps", "eventRecordQPS: 0", "kubelet.config.eventRecordQPS"},
      {"node-kubelet-iptables-chains", "makeIPTablesUtilChains: false",
       "kubelet.config.makeIPTablesUtilChains"},
      {"node-kubelet-pids-limit", "podPidsLimit: -1", "kubelet.config.podPidsLimit"},
      {"node-kubelet-protect-kernel-defaults", "protectKernelDefaults: false",
       "kubelet.config.protectKernelDefaults"},
      {"node-kubelet-rotate-certificates", "rotateCertificates: false",
       "kubelet.config.rotateCertificates"},
      {"node-kubelet-seccomp-default", "seccompDefault: false", "kubelet.config.seccompDefault"},
      {"node-kubelet-server-certificate", "serverTLSBootstrap: false",
       "kubelet.config.serverTLSBootstrap"},
      {"node-kubelet-streaming-timeout", "streamingConnectionIdleTimeout: 0s",
       "kubelet.config.streamingConnectionIdleTimeout"},
      {"node-kubelet-tls-ciphers", "tlsCipherSuites: [TLS_RSA_WITH_AES_128_CBC_SHA]",
       "kubelet.config.tlsCipherSuites"},
  };
  for (const auto& c : cases) {
    Machine machine;
    machine.Kubelet({"--config=/var/lib/kubelet/config.yaml"}, std::string(c.config) + "\n");
    NodeAssessment a = machine.Check(c.check);
    EXPECT_EQ(a.status, Status::kFail) << c.check;
    EXPECT_EQ(a.path, c.path);
    EXPECT_FALSE(a.value.empty());
  }
}

TEST(NodeChecks, OfFilesSysctlsAndSystems) {
  struct {
    const char* check;
    std::function<void(Machine&)> change;
    Status status;
  } const cases[] = {
      {"node-kubelet-config-permissions",
       [](Machine& m) { m.Write("/var/lib/kubelet/config.yaml", "{}", 0644); }, Status::kFail},
      {"node-kubelet-kubeconfig-permissions",
       [](Machine& m) { m.Write("/etc/kubernetes/kubelet.conf", "x", 0640); }, Status::kFail},
      {"node-kubelet-kubeconfig-permissions",
       [](Machine& m) { m.Write("/etc/kubernetes/kubelet.conf", "x", 0600); }, Status::kPass},
      {"node-kubelet-kubeconfig-permissions", [](Machine&) {}, Status::kNotApplicable},
      {"node-sysctl-kptr-restrict",
       [](Machine& m) { m.Write("/proc/sys/kernel/kptr_restrict", "0\n"); }, Status::kFail},
      {"node-sysctl-kptr-restrict", [](Machine&) {}, Status::kNotApplicable},
      {"node-sysctl-kptr-restrict",
       [](Machine& m) { m.Write("/proc/sys/kernel/kptr_restrict", "x\n"); }, Status::kError},
      {"node-sysctl-ip-forward",
       [](Machine& m) { m.Write("/proc/sys/net/ipv4/ip_forward", "1\n"); }, Status::kFail},
      {"node-sysctl-ip-forward",
       [](Machine& m) {
         m.Kubelet({});
         m.Write("/proc/sys/net/ipv4/ip_forward", "1\n");
       },
       Status::kPass},
      {"node-sysctl-unprivileged-userns",
       [](Machine& m) { m.Write("/proc/sys/user/max_user_namespaces", "1000\n"); }, Status::kFail},
      {"node-swap",
       [](Machine& m) {
         m.Kubelet({});
         m.Write("/proc/swaps", "Filename Type Size Used Priority\n/dev/sdb partition 100 0 -2\n");
       },
       Status::kFail},
      {"node-lsm", [](Machine& m) { m.Write("/sys/kernel/security/lsm", "capability\n"); },
       Status::kFail},
      {"node-lsm",
       [](Machine& m) { std::filesystem::remove(m.path() + "/sys/kernel/security/lsm"); },
       Status::kError},
      {"node-kernel-eol", [](Machine& m) { m.Write("/proc/sys/kernel/osrelease", "5.4.1"); },
       Status::kFail},
      {"node-kernel-eol", [](Machine& m) { m.Write("/proc/sys/kernel/osrelease", "6.3.1"); },
       Status::kFail},
      {"node-kernel-eol", [](Machine& m) { m.Write("/proc/sys/kernel/osrelease", "6.12.9-x"); },
       Status::kPass},
      {"node-kernel-eol", [](Machine& m) { m.Write("/proc/sys/kernel/osrelease", "7.9.0"); },
       Status::kManual},
      {"node-kernel-eol",
       [](Machine& m) { m.Write("/proc/sys/kernel/osrelease", "4.18.0-553.el8.x86_64"); },
       Status::kNotApplicable},
      {"node-kernel-eol", [](Machine& m) { m.Write("/proc/sys/kernel/osrelease", "linux"); },
       Status::kError},
      {"node-os-eol",
       [](Machine& m) { m.Write("/etc/os-release", "ID=ubuntu\nVERSION_ID='20.04'\n"); },
       Status::kFail},
      {"node-os-eol", [](Machine& m) { m.Write("/etc/os-release", "ID=rocky\nVERSION_ID=9.4\n"); },
       Status::kPass},
      {"node-os-eol", [](Machine& m) { m.Write("/etc/os-release", "ID=arch\n"); }, Status::kManual},
      {"node-cgroup-v1",
       [](Machine& m) {
         std::filesystem::remove(m.path() + "/sys/fs/cgroup/cgroup.controllers");
         std::filesystem::create_directory(m.path() + "/sys/fs/cgroup/memory");
       },
       Status::kFail},
  };
  for (const auto& c : cases) {
    Machine machine;
    c.change(machine);
    EXPECT_EQ(StatusName(machine.Check(c.check).status), StatusName(c.status)) << c.check;
  }
}

TEST(NodeChecks, TheRuntimesSocket) {
  Machine machine;
  std::filesystem::create_directories(machine.path() + "/run");
  std::string path = machine.path() + "/run/docker.sock";
  int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  NodeAssessment open = machine.Check("node-runtime-socket");
  EXPECT_EQ(open.status, Status::kFail);
  EXPECT_EQ(open.path, "files[/run/docker.sock]");
  ASSERT_EQ(::chmod(path.c_str(), 0660), 0);
  EXPECT_EQ(machine.Check("node-runtime-socket").status, Status::kPass);
  ::close(fd);
}

TEST(NodeChecks, TextsAreCompleteInBothLanguages) {
  EXPECT_GE(NodeChecks().size(), 12u);
  std::string last;
  for (const CheckInfo& check : NodeChecks()) {
    EXPECT_LT(last, check.id) << "sorted, for look-ups";
    last = check.id;
    EXPECT_EQ(FindNodeCheck(check.id), &check);
    EXPECT_NE(check.severity, Severity::kUnknown);
    for (const Text* text : {&check.title, &check.description, &check.remedy, &check.message}) {
      EXPECT_FALSE(text->en.empty()) << check.id;
      EXPECT_TRUE(IsAscii(text->en)) << check.id;
      EXPECT_FALSE(IsAscii(text->zh)) << check.id << ": not translated";
    }
  }
  EXPECT_EQ(FindNodeCheck("node-none"), nullptr);
}

TEST(NodeReport, OfAStranger) {
  Arena arena;
  for (const char* report : {
           "{}",
           R"({"facts":{}})",
           R"({"facts":[],"assessments":[]})",
           R"({"facts":{},"assessments":[{"check":"x","status":"pass"}]})",
           R"({"facts":{},"assessments":[{"check":"node-swap","status":"fine"}]})",
       }) {
    EXPECT_FALSE(ParseAssessments(ParseJson(report, arena).value())) << report;
  }
  EXPECT_TRUE(ParseAssessments(
      ParseJson(R"({"facts":{},"assessments":[{"check":"node-swap","status":"pass"}]})", arena)
          .value()));
}

TEST(Versions, InWhatProgramsSay) {
  EXPECT_EQ(VersionIn("Kubernetes v1.34.4\n"), "v1.34.4");
  EXPECT_EQ(VersionIn("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1"),
            "v1.6.20~ds1");
  EXPECT_EQ(VersionIn("containerd github.com/containerd/containerd/v2 v2.1.0 061792f0e"), "v2.1.0");
  EXPECT_EQ(VersionIn("Docker version 27.3.1, build ce1223035a"), "v27.3.1");
  EXPECT_EQ(VersionIn("nothing here"), "");
  EXPECT_EQ(VersionIn("v1.2;rm -rf"), "");
}

// This machine, as it is.
TEST(NodeFacts, OfThisMachine) {
  Arena arena;
  Value facts = Collect({}, arena);
  utsname name{};
  ASSERT_EQ(::uname(&name), 0);
  EXPECT_EQ(facts["kernel"].StringAt("release"), name.release);
  EXPECT_EQ(facts["kernel"].StringAt("arch"), name.machine);
  EXPECT_GT(facts["memoryKib"].ToInt(), 1000);
  EXPECT_EQ(facts["cpus"].ToInt(), ::sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_FALSE(facts["sysctls"].empty());
  EXPECT_FALSE(facts["mounts"].empty());
  EXPECT_TRUE(facts["clock"]["synchronized"].IsBool());
}

// A real process that is called kubelet, with flags and a file.
TEST(Kubelet, OfARealProcess) {
  TempDir folder = TempDir::Make().value();
  std::string program = folder.File("kubelet"), config = folder.File("config.yaml");
  std::filesystem::copy_file("/bin/bash", program);
  ASSERT_TRUE(WriteFileAtomic(config, "readOnlyPort: 10255\n", 0640));
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[0], 0);
    ::close(pipe[1]);
    std::string flag = "--config=" + config;
    ::execl(program.c_str(), "kubelet", "-c", "read line", "x", flag.c_str(),
            "--anonymous-auth=true", nullptr);
    ::_exit(127);
  }
  ::close(pipe[0]);
  Host host = Host::Open("/").value();
  std::vector<Process> mine;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (mine.empty() && std::chrono::steady_clock::now() < deadline) {
    for (Process& process : FindProcesses(host, {"kubelet"}, 100'000)) {
      if (process.pid == child) mine.push_back(process);
    }
  }
  ASSERT_EQ(mine.size(), 1u);
  Arena arena;
  Value kubelet = CollectKubelet(host, mine[0], arena);
  EXPECT_EQ(kubelet["config"]["readOnlyPort"].ToInt(), 10255);
  EXPECT_EQ(kubelet["sources"].StringAt("readOnlyPort"), "file");
  EXPECT_TRUE(kubelet["config"]["authentication"]["anonymous"]["enabled"].IsTrue());
  EXPECT_EQ(kubelet["files"][size_t{0}].StringAt("mode"), "0640");
  ::close(pipe[1]);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace bulwark::node
