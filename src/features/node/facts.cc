#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "features/node/host.h"
#include "features/node/node.h"
#include "formats/json.h"

namespace bulwark::node {
namespace {

constexpr std::string_view kProcesses[] = {"kubelet", "containerd", "dockerd",
                                           "crio",    "kube-proxy", "cri-dockerd"};
constexpr std::string_view kRuntimes[] = {"containerd", "dockerd", "crio", "cri-dockerd"};

constexpr std::string_view kSysctls[] = {
    "fs.protected_fifos",
    "fs.protected_hardlinks",
    "fs.protected_regular",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
    "kernel.dmesg_restrict",
    "kernel.kptr_restrict",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.perf_event_paranoid",
    "kernel.randomize_va_space",
    "kernel.unprivileged_bpf_disabled",
    "kernel.unprivileged_userns_clone",
    "kernel.yama.ptrace_scope",
    "net.bridge.bridge-nf-call-iptables",
    "net.ipv4.conf.all.accept_redirects",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "user.max_user_namespaces",
    "vm.overcommit_memory",
};

constexpr std::string_view kFiles[] = {
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/pki/ca.crt",
    "/etc/kubernetes/pki/ca.key",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/k3s/containerd/containerd.sock",
    "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
};

constexpr std::string_view kMounts[] = {"/",        "/boot",    "/var",        "/tmp",
                                        "/var/tmp", "/var/log", "/proc",       "/sys",
                                        "/dev/shm", "/run",     "/sys/fs/bpf", "/sys/fs/cgroup"};
constexpr std::string_view kMountPrefixes[] = {"/var/lib/kubelet", "/var/lib/containerd",
                                               "/var/lib/docker", "/var/lib/containers",
                                               "/var/lib/etcd"};
constexpr size_t kMaxMounts = 100, kMaxListening = 200;

class Collector {
 public:
  Collector(const Host& host, const HostOptions& options, Arena& arena)
      : host_(host), options_(options), arena_(arena), out_(arena) {}

  Value Run() {
    processes_ = FindProcesses(
        host_, std::vector<std::string_view>(std::begin(kProcesses), std::end(kProcesses)),
        options_.max_processes);
    Kernel();
    Os();
    Machine();
    Clock();
    Security();
    Runtimes();
    Kubelet();
    Sysctls();
    Swaps();
    Mounts();
    Listening();
    Files();
    out_.Add("unreadable", Value::Array(arena_, unreadable_));
    return out_.Finish();
  }

 private:
  Value Text(std::string_view text) { return Value::String(arena_, text); }

  void Unreadable(std::string_view what, std::string_view error) {
    MapBuilder one(arena_);
    one.Add("what", Text(what));
    one.Add("error", Text(error));
    unreadable_.push_back(one.Finish());
  }

  // A file that every Linux has.
  std::optional<std::string> Needed(const std::string& path) {
    Result<std::string> text = host_.Read(path);
    if (text) return ToValidUtf8(Trim(*text));
    Unreadable(path, text.error().ToString());
    return std::nullopt;
  }

  void Kernel() {
    MapBuilder kernel(arena_);
    if (auto release = Needed("/proc/sys/kernel/osrelease")) kernel.Add("release", Text(*release));
    if (auto version = Needed("/proc/sys/kernel/version")) kernel.Add("version", Text(*version));
    utsname name{};
    if (::uname(&name) == 0) kernel.Add("arch", Text(name.machine));
    out_.Add("kernel", kernel.Finish());
  }

  void Os() {
    std::optional<std::string> text = host_.Line("/etc/os-release");
    if (!text) text = host_.Line("/usr/lib/os-release");
    if (!text) return Unreadable("/etc/os-release", "not there");
    // os-release(5): shell assignments.
    std::map<std::string_view, std::string> fields;
    for (std::string_view line : SplitLines(*text)) {
      auto pair = Cut(Trim(line), "=");
      if (!pair || pair->first.starts_with('#')) continue;
      std::string_view value = pair->second;
      if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
          value.back() == value.front()) {
        value = value.substr(1, value.size() - 2);
      }
      fields[pair->first] = ReplaceAll(value, "\\\"", "\"");
    }
    MapBuilder os(arena_);
    for (auto [name, key] :
         {std::pair("id", "ID"), std::pair("idLike", "ID_LIKE"),
          std::pair("versionId", "VERSION_ID"), std::pair("prettyName", "PRETTY_NAME"),
          std::pair("variant", "VARIANT_ID")}) {
      if (auto found = fields.find(key); found != fields.end()) os.Add(name, Text(found->second));
    }
    out_.Add("os", os.Finish());
  }

  void Machine() {
    if (auto id = host_.Line("/proc/sys/kernel/random/boot_id")) out_.Add("bootId", Text(*id));
    if (auto text = Needed("/proc/uptime")) {
      out_.Add("uptimeSeconds",
               Value::Int(static_cast<int64_t>(std::strtod(text->c_str(), nullptr))));
    }
    if (auto text = Needed("/proc/meminfo")) {
      for (std::string_view line : SplitLines(*text)) {
        if (auto kib = Number(line, "MemTotal:")) out_.Add("memoryKib", Value::Int(*kib));
      }
    }
    if (auto text = host_.Read("/proc/stat", size_t{4} << 20)) {
      int64_t cpus = 0;
      for (std::string_view line : SplitLines(*text)) {
        cpus += line.starts_with("cpu") && line.size() > 3 && IsAsciiDigit(line[3]);
      }
      out_.Add("cpus", Value::Int(cpus));
    }
  }

  // The number after a word at the line's beginning.
  static std::optional<int64_t> Number(std::string_view line, std::string_view word) {
    if (!line.starts_with(word)) return std::nullopt;
    std::vector<std::string_view> words = SplitWords(line.substr(word.size()));
    int64_t out = 0;
    if (words.empty()) return std::nullopt;
    auto [end, error] = std::from_chars(words[0].data(), words[0].data() + words[0].size(), out);
    if (error != std::errc()) return std::nullopt;
    return out;
  }

  // The clock is this machine's, whatever the prefix.
  void Clock() {
    timex state{};
    int outcome = ::adjtimex(&state);
    if (outcome < 0) return Unreadable("clock", std::strerror(errno));
    MapBuilder clock(arena_);
    clock.Add("synchronized", Value::Bool((state.status & STA_UNSYNC) == 0));
    int64_t offset = (state.status & STA_NANO) != 0 ? state.offset / 1000 : state.offset;
    clock.Add("offsetMicros", Value::Int(offset));
    clock.Add("maxErrorMicros", Value::Int(state.maxerror));
    out_.Add("clock", clock.Finish());
  }

  void Security() {
    bool unified = host_.Exists("/sys/fs/cgroup/cgroup.controllers");
    bool split = host_.Exists("/sys/fs/cgroup/memory");
    if (unified || split) out_.Add("cgroupVersion", Value::Int(unified ? 2 : 1));
    std::vector<Value> modules;
    if (auto lsm = host_.Line("/sys/kernel/security/lsm")) {
      for (std::string_view name : Split(*lsm, ',')) {
        if (!name.empty()) modules.push_back(Text(name));
      }
      out_.Add("lsms", Value::Array(arena_, modules));
      return;
    }
    // securityfs is not always mounted; these are the two that containers are confined with.
    bool known = false;
    if (auto enabled = host_.Line("/sys/module/apparmor/parameters/enabled")) {
      known = true;
      if (*enabled == "Y") modules.push_back(Text("apparmor"));
    }
    if (host_.Exists("/sys/fs/selinux/enforce")) {
      known = true;
      modules.push_back(Text("selinux"));
    }
    if (!known) return Unreadable("/sys/kernel/security/lsm", "not there");
    out_.Add("lsms", Value::Array(arena_, modules));
  }

  void Runtimes() {
    std::vector<Value> runtimes;
    std::set<std::string_view> seen;
    for (const Process& process : processes_) {
      if (std::find(std::begin(kRuntimes), std::end(kRuntimes), process.name) ==
              std::end(kRuntimes) ||
          !seen.insert(process.name).second) {
        continue;
      }
      MapBuilder runtime(arena_);
      runtime.Add("name", Text(process.name));
      runtime.Add("pid", Value::Int(process.pid));
      std::string version = options_.ask_versions ? AskVersion(host_, process) : "";
      if (!version.empty()) runtime.Add("version", Text(version));
      runtimes.push_back(runtime.Finish());
    }
    out_.Add("runtimes", Value::Array(arena_, runtimes));
  }

  void Kubelet() {
    for (const Process& process : processes_) {
      if (process.name != "kubelet") continue;
      MapBuilder kubelet(arena_);
      Value found = CollectKubelet(host_, process, arena_);
      for (const Value::Entry& entry : found.entries()) {
        kubelet.Add(entry.key, entry.value);
      }
      std::string version = options_.ask_versions ? AskVersion(host_, process) : "";
      if (!version.empty()) kubelet.Add("version", Text(version));
      out_.Add("kubelet", kubelet.Finish());
      return;
    }
  }

  void Sysctls() {
    MapBuilder sysctls(arena_);
    for (std::string_view name : kSysctls) {
      if (auto value = host_.Line("/proc/sys/" + ReplaceAll(name, ".", "/"))) {
        sysctls.Add(name, Text(TruncateToWidth(*value, 200)));
      }
    }
    out_.Add("sysctls", sysctls.Finish());
  }

  void Swaps() {
    auto text = Needed("/proc/swaps");
    if (!text) return;
    std::vector<Value> swaps;
    std::vector<std::string_view> lines = SplitLines(*text);
    for (size_t i = 1; i < lines.size() && i < 100; ++i) {
      std::vector<std::string_view> words = SplitWords(lines[i]);
      if (words.size() < 3) continue;
      MapBuilder swap(arena_);
      swap.Add("name", Text(words[0]));
      swap.Add("kib", Value::Int(Number(words[2], "").value_or(0)));
      swaps.push_back(swap.Finish());
    }
    out_.Add("swaps", Value::Array(arena_, swaps));
  }

  void Mounts() {
    auto text = host_.Read("/proc/1/mountinfo", size_t{16} << 20);
    if (!text) return Unreadable("/proc/1/mountinfo", text.error().ToString());
    std::vector<Value> mounts;
    for (std::string_view line : SplitLines(*text)) {
      // proc(5): id parent device root target options optional… - type source super-options
      std::vector<std::string_view> words = SplitWords(line);
      auto dash = std::find(words.begin(), words.end(), "-");
      if (words.size() < 6 || words.end() - dash < 3) continue;
      std::string_view target = words[4];
      bool wanted = std::find(std::begin(kMounts), std::end(kMounts), target) != std::end(kMounts);
      for (std::string_view prefix : kMountPrefixes) wanted = wanted || target == prefix;
      if (!wanted || mounts.size() >= kMaxMounts) continue;
      MapBuilder mount(arena_);
      mount.Add("target", Text(target));
      mount.Add("type", Text(dash[1]));
      mount.Add("source", Text(dash[2]));
      mount.Add("options", Text(words[5]));
      mounts.push_back(mount.Finish());
    }
    out_.Add("mounts", Value::Array(arena_, mounts));
  }

  // Sockets that the kubelet, its runtime and kube-proxy listen on.
  void Listening() {
    std::map<std::string, std::string> owners;  // inode → process
    for (const Process& process : processes_) {
      std::string folder = fmt::format("/proc/{}/fd", process.pid);
      for (const std::string& fd : host_.List(folder, 10'000)) {
        char target[128];
        ssize_t size = ::readlink(host_.Outside(folder + "/" + fd).c_str(), target, sizeof(target));
        std::string_view link(target, size > 0 ? static_cast<size_t>(size) : 0);
        if (link.starts_with("socket:[") && link.ends_with("]")) {
          owners[std::string(link.substr(8, link.size() - 9))] = process.name;
        }
      }
    }
    std::vector<Value> listening;
    for (const char* table : {"/proc/1/net/tcp", "/proc/1/net/tcp6"}) {
      auto text = host_.Read(table, size_t{16} << 20);
      if (!text) continue;
      for (std::string_view line : SplitLines(*text)) {
        std::vector<std::string_view> words = SplitWords(line);
        if (words.size() < 10 || words[3] != "0A") continue;
        auto owner = owners.find(std::string(words[9]));
        auto address = Cut(words[1], ":");
        if (owner == owners.end() || !address || listening.size() >= kMaxListening) continue;
        int64_t port = 0;
        std::from_chars(address->second.data(), address->second.data() + address->second.size(),
                        port, 16);
        MapBuilder one(arena_);
        one.Add("address", Text(AddressOf(address->first)));
        one.Add("port", Value::Int(port));
        one.Add("process", Text(owner->second));
        listening.push_back(one.Finish());
      }
    }
    std::sort(listening.begin(), listening.end(), [](const Value& a, const Value& b) {
      return std::pair(a["port"].AsInt(), a.StringAt("address")) <
             std::pair(b["port"].AsInt(), b.StringAt("address"));
    });
    out_.Add("listening", Value::Array(arena_, listening));
  }

  // Of /proc/net/tcp: 32-bit words in the machine's order, in hexadecimal.
  static std::string AddressOf(std::string_view hex) {
    if (hex.size() != 8 && hex.size() != 32) return "?";
    uint32_t words[4] = {};
    for (size_t i = 0; i < hex.size() / 8; ++i) {
      std::from_chars(hex.data() + 8 * i, hex.data() + 8 * i + 8, words[i], 16);
    }
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(hex.size() == 8 ? AF_INET : AF_INET6, words, text, sizeof(text));
    return text;
  }

  void Files() {
    std::vector<Value> files;
    for (std::string_view path : kFiles) {
      Result<FileInfo> info = host_.Info(std::string(path));
      if (!info) {
        if (info.error().code() != Code::kNotFound) Unreadable(path, info.error().ToString());
        continue;
      }
      MapBuilder file(arena_);
      file.Add("path", Value::String(path));
      file.Add("mode", Text(fmt::format("{:04o}", info->mode & 07777)));
      file.Add("uid", Value::Int(info->uid));
      file.Add("gid", Value::Int(info->gid));
      file.Add("kind", Value::String(S_ISSOCK(info->mode)  ? "socket"
                                     : S_ISDIR(info->mode) ? "folder"
                                                           : "file"));
      files.push_back(file.Finish());
    }
    out_.Add("files", Value::Array(arena_, files));
  }

  const Host& host_;
  const HostOptions& options_;
  Arena& arena_;
  MapBuilder out_;
  std::vector<Value> unreadable_;
  std::vector<Process> processes_;
};

// What changes by itself.
constexpr std::string_view kVolatile[] = {"clock", "uptimeSeconds"};

}  // namespace

Value Collect(const HostOptions& options, Arena& arena) {
  Result<Host> host = Host::Open(options.root);
  if (host) return Collector(*host, options, arena).Run();
  MapBuilder unreadable(arena), out(arena);
  unreadable.Add("what", Value::String(arena, options.root));
  unreadable.Add("error", Value::String(arena, host.error().ToString()));
  Value one = unreadable.Finish();
  out.Add("unreadable", Value::Array(arena, std::span(&one, 1)));
  return out.Finish();
}

std::string StableText(const Value& facts) {
  Arena arena;
  MapBuilder out(arena);
  for (const Value::Entry& entry : facts.entries()) {
    bool changes = entry.key.IsString() && std::find(std::begin(kVolatile), std::end(kVolatile),
                                                     entry.key.AsString()) != std::end(kVolatile);
    if (!changes) {
      out.Add(entry.key, entry.value);
      continue;
    }
    // Whether the clock is in step counts; by how much does not.
    if (const Value* in_step = entry.value.Find("synchronized"); in_step != nullptr) {
      out.Add("synchronized", *in_step);
    }
  }
  return ToJson(out.Finish());
}

}  // namespace bulwark::node
