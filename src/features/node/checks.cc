#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "base/time.h"
#include "features/node/check_texts.h"
#include "features/node/node.h"
#include "formats/json.h"

namespace bulwark::node {
namespace {

// What is asked of the facts, and what came of it.
struct Judge {
  const Value& facts;
  int64_t today;
  NodeAssessment out;

  void Say(Status status, std::string path, const Value& value) {
    out.status = status;
    out.path = std::move(path);
    out.value = value.IsNull() ? "" : TruncateToWidth(ToJson(value), 200, true);
  }
  void PassIf(bool good, std::string path, const Value& value) {
    Say(good ? Status::kPass : Status::kFail, std::move(path), value);
  }
  void NotApplicable() { out.status = Status::kNotApplicable; }
  void NotKnown(std::string path, std::string_view error) {
    out.status = Status::kError;
    out.path = std::move(path);
    out.error = std::string(error);
  }

  // A setting of the kubelet; nothing where the check is settled without it.
  const Value* Setting(std::string_view path) {
    const Value* kubelet = facts.Find("kubelet");
    if (kubelet == nullptr) {
      NotApplicable();
      return nullptr;
    }
    const Value* at = kubelet->Find("config");
    for (std::string_view step : Split(path, '.')) {
      if (at != nullptr) at = at->Find(step);
    }
    if (at == nullptr) {
      NotKnown(fmt::format("kubelet.config.{}", path),
               kubelet->StringAt("configError", "the kubelet's configuration was not told"));
    }
    return at;
  }

  void KubeletSetting(std::string_view path, bool (*good)(const Value&)) {
    if (const Value* value = Setting(path); value != nullptr) {
      PassIf(good(*value), fmt::format("kubelet.config.{}", path), *value);
    }
  }

  void Sysctl(std::string_view name, bool (*good)(int64_t)) {
    std::string path = fmt::format("sysctls[{}]", name);
    const Value* text = facts["sysctls"].Find(name);
    // Not every kernel has every switch.
    if (text == nullptr || !text->IsString()) return NotApplicable();
    int64_t number = 0;
    std::string_view digits = text->AsString();
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc()) return NotKnown(path, "not a number");
    PassIf(good(number), path, *text);
  }
};

// "0644" → 0644; nothing for what is no mode.
std::optional<int> Mode(const Value& file) {
  std::string_view text = file.StringAt("mode");
  int mode = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return mode;
}

// Files may have no other bits than `allowed`, and belong to root.
void JudgeFiles(Judge& judge, std::string_view role, std::string_view also, int allowed) {
  bool any = false;
  auto look = [&](std::string_view list, const Value& files) {
    for (const Value& file : files.items()) {
      if (file.StringAt("role") != role && file.StringAt("path") != also) continue;
      std::optional<int> mode = Mode(file);
      if (!mode) continue;
      any = true;
      bool good = (*mode & ~allowed) == 0 && file["uid"].ToInt() == 0;
      // The first that is bad is what is told.
      if (judge.out.status != Status::kFail) {
        judge.PassIf(good, fmt::format("{}[{}]", list, file.StringAt("path")), file);
      }
    }
  };
  look("kubelet.files", judge.facts["kubelet"]["files"]);
  look("files", judge.facts["files"]);
  if (!any) judge.NotApplicable();
}

struct Version {
  int major = 0, minor = 0;
  friend auto operator<=>(const Version&, const Version&) = default;
};

std::optional<Version> ParseVersion(std::string_view text) {
  Version out;
  const char *begin = text.data(), *end = begin + text.size();
  auto [dot, error] = std::from_chars(begin, end, out.major);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  auto [rest, failed] = std::from_chars(dot + 1, end, out.minor);
  if (failed != std::errc()) return std::nullopt;
  return out;
}

struct EndOfLife {
  std::string_view what;  // a kernel series, or a distribution's id and version
  std::string_view date;  // the last day of general support
};

// Long-term series, as kernel.org lists them. Others are kept for about three months.
constexpr EndOfLife kKernels[] = {
    {"4.4", "2022-02-03"}, {"4.9", "2023-01-07"},  {"4.14", "2024-01-10"}, {"4.19", "2024-12-05"},
    {"5.4", "2025-12-03"}, {"5.10", "2026-12-31"}, {"5.15", "2026-12-31"}, {"6.1", "2027-12-31"},
    {"6.6", "2027-12-31"}, {"6.12", "2028-12-31"}, {"6.18", "2028-12-31"},
};
// Distributions that keep kernels of their own; long-term support included where it is free.
constexpr EndOfLife kSystems[] = {
    {"almalinux 8", "2029-05-31"},  {"almalinux 9", "2032-05-31"},  {"almalinux 10", "2035-05-31"},
    {"amzn 2", "2026-06-30"},       {"amzn 2023", "2029-06-30"},    {"centos 7", "2024-06-30"},
    {"centos 8", "2021-12-31"},     {"debian 10", "2024-06-30"},    {"debian 11", "2026-08-31"},
    {"debian 12", "2028-06-30"},    {"debian 13", "2030-06-30"},    {"ol 8", "2029-07-31"},
    {"ol 9", "2032-06-30"},         {"rhel 7", "2024-06-30"},       {"rhel 8", "2029-05-31"},
    {"rhel 9", "2032-05-31"},       {"rhel 10", "2035-05-31"},      {"rocky 8", "2029-05-31"},
    {"rocky 9", "2032-05-31"},      {"rocky 10", "2035-05-31"},     {"ubuntu 18.04", "2023-05-31"},
    {"ubuntu 20.04", "2025-05-31"}, {"ubuntu 22.04", "2027-04-30"}, {"ubuntu 24.04", "2029-04-30"},
};

std::optional<int64_t> EndOf(std::span<const EndOfLife> table, std::string_view what) {
  for (const EndOfLife& row : table) {
    if (row.what != what) continue;
    return ParseRfc3339(std::string(row.date) + "T23:59:59Z").value().seconds;
  }
  return std::nullopt;
}

void JudgeSystem(Judge& judge) {
  Value os = judge.facts["os"];
  std::string_view id = os.StringAt("id"), version = os.StringAt("versionId");
  std::string_view major = id == "ubuntu" ? version : version.substr(0, version.find('.'));
  auto end = EndOf(kSystems, fmt::format("{} {}", id, major));
  // A rolling one, or one that the table does not know: a person must look.
  if (!end) return judge.Say(Status::kManual, "os", os["prettyName"]);
  judge.PassIf(judge.today <= *end, "os.versionId", os["versionId"]);
}

void JudgeKernel(Judge& judge) {
  Value release = judge.facts["kernel"]["release"];
  if (!release.IsString()) return judge.NotKnown("kernel.release", "not told");
  auto version = ParseVersion(release.AsString());
  if (!version) return judge.NotKnown("kernel.release", "not a version");
  // A distribution keeps its own for as long as it lives itself: os-eol judges that.
  Value os = judge.facts["os"];
  std::string_view id = os.StringAt("id"), text = release.AsString();
  bool own = (id == "debian" && (text.ends_with("-amd64") || text.ends_with("-arm64"))) ||
             (id == "ubuntu" && text.find('-') != std::string_view::npos) ||
             text.find(".el") != std::string_view::npos ||
             text.find(".amzn") != std::string_view::npos;
  if (own) return judge.NotApplicable();
  std::string series = fmt::format("{}.{}", version->major, version->minor);
  if (auto end = EndOf(kKernels, series)) {
    return judge.PassIf(judge.today <= *end, "kernel.release", release);
  }
  auto newest = ParseVersion(std::end(kKernels)[-1].what);
  // Between two long-term ones: over long ago. Newer than all of them: this table is too old.
  judge.Say(*version > *newest ? Status::kManual : Status::kFail, "kernel.release", release);
}

bool IsTrue(const Value& v) { return v.IsTrue(); }
bool IsFalse(const Value& v) { return v.IsFalse(); }
bool IsZero(const Value& v) { return v.ToInt() == 0; }
bool IsNotEmpty(const Value& v) { return v.IsString() && !v.empty(); }

// Go's names of suites with AEAD and forward secrecy, and TLS 1.3's.
bool IsStrongCipher(std::string_view name) {
  return name.starts_with("TLS_AES_") || name.starts_with("TLS_CHACHA20_") ||
         (name.starts_with("TLS_ECDHE_") &&
          (name.ends_with("_GCM_SHA256") || name.ends_with("_GCM_SHA384") ||
           name.find("_CHACHA20_POLY1305") != std::string_view::npos));
}

using Rule = void (*)(Judge&);

struct Row {
  std::string_view id;
  Rule rule;
};

constexpr Row kRules[] = {
    {"node-cgroup-v1",
     [](Judge& j) {
       Value version = j.facts["cgroupVersion"];
       if (!version.IsInt()) return j.NotKnown("cgroupVersion", "not told");
       j.PassIf(version.AsInt() == 2, "cgroupVersion", version);
     }},
    {"node-clock",
     [](Judge& j) {
       Value synchronized = j.facts["clock"]["synchronized"];
       if (!synchronized.IsBool()) return j.NotKnown("clock.synchronized", "not told");
       j.PassIf(synchronized.IsTrue(), "clock.synchronized", synchronized);
     }},
    {"node-kernel-eol", JudgeKernel},
    {"node-kubelet-anonymous-auth",
     [](Judge& j) { j.KubeletSetting("authentication.anonymous.enabled", IsFalse); }},
    {"node-kubelet-authorization",
     [](Judge& j) {
       j.KubeletSetting("authorization.mode",
                        [](const Value& v) { return v.IsString() && v.AsString() == "Webhook"; });
     }},
    {"node-kubelet-client-ca",
     [](Judge& j) { j.KubeletSetting("authentication.x509.clientCAFile", IsNotEmpty); }},
    {"node-kubelet-config-permissions",
     [](Judge& j) { JudgeFiles(j, "config", "/var/lib/kubelet/config.yaml", 0600); }},
    {"node-kubelet-event-qps",
     [](Judge& j) {
       // 0 is no limit: a node that floods the API server is the other danger.
       j.KubeletSetting("eventRecordQPS", [](const Value& v) {
         int64_t qps = v.ToInt().value_or(0);
         return qps >= 5 && qps <= 500;
       });
     }},
    {"node-kubelet-iptables-chains",
     [](Judge& j) { j.KubeletSetting("makeIPTablesUtilChains", IsTrue); }},
    {"node-kubelet-kubeconfig-permissions",
     [](Judge& j) { JudgeFiles(j, "kubeconfig", "/etc/kubernetes/kubelet.conf", 0600); }},
    {"node-kubelet-pids-limit",
     [](Judge& j) {
       j.KubeletSetting("podPidsLimit", [](const Value& v) { return v.ToInt().value_or(-1) > 0; });
     }},
    {"node-kubelet-protect-kernel-defaults",
     [](Judge& j) { j.KubeletSetting("protectKernelDefaults", IsTrue); }},
    {"node-kubelet-read-only-port", [](Judge& j) { j.KubeletSetting("readOnlyPort", IsZero); }},
    {"node-kubelet-rotate-certificates",
     [](Judge& j) { j.KubeletSetting("rotateCertificates", IsTrue); }},
    {"node-kubelet-seccomp-default", [](Judge& j) { j.KubeletSetting("seccompDefault", IsTrue); }},
    {"node-kubelet-server-certificate",
     [](Judge& j) {
       const Value* rotated = j.Setting("serverTLSBootstrap");
       if (rotated == nullptr) return;
       const Value* own = j.Setting("tlsCertFile");
       // One of its own is somebody's else's to renew.
       if (own != nullptr && IsNotEmpty(*own)) {
         return j.Say(Status::kManual, "kubelet.config.tlsCertFile", *own);
       }
       j.PassIf(rotated->IsTrue(), "kubelet.config.serverTLSBootstrap", *rotated);
     }},
    {"node-kubelet-streaming-timeout",
     [](Judge& j) {
       j.KubeletSetting("streamingConnectionIdleTimeout", [](const Value& v) {
         if (!v.IsString()) return false;
         Result<Nanos> time = ParseGoDuration(v.AsString());
         return time && *time > Nanos(0);
       });
     }},
    {"node-kubelet-tls-ciphers",
     [](Judge& j) {
       const Value* minimum = j.Setting("tlsMinVersion");
       const Value* suites = j.Setting("tlsCipherSuites");
       if (minimum == nullptr || suites == nullptr) return;
       if (minimum->IsString() && minimum->AsString() == "VersionTLS13") {
         return j.Say(Status::kPass, "kubelet.config.tlsMinVersion", *minimum);
       }
       // None given means Go's own list, in which weaker ones for old peers stand.
       bool strong = !suites->empty();
       for (const Value& suite : suites->items()) {
         strong = strong && suite.IsString() && IsStrongCipher(suite.AsString());
       }
       j.PassIf(strong, "kubelet.config.tlsCipherSuites", *suites);
     }},
    {"node-lsm",
     [](Judge& j) {
       const Value* modules = j.facts.Find("lsms");
       if (modules == nullptr || !modules->IsArray()) return j.NotKnown("lsms", "not told");
       bool confined = modules->Contains(Value::String("apparmor")) ||
                       modules->Contains(Value::String("selinux"));
       j.PassIf(confined, "lsms", *modules);
     }},
    {"node-os-eol", JudgeSystem},
    {"node-runtime-socket",
     [](Judge& j) {
       bool any = false;
       for (const Value& file : j.facts["files"].items()) {
         std::optional<int> mode = Mode(file);
         if (file.StringAt("kind") != "socket" || !mode) continue;
         any = true;
         // To connect is to write.
         bool good = (*mode & 0002) == 0;
         if (j.out.status == Status::kFail) continue;
         j.PassIf(good, fmt::format("files[{}]", file.StringAt("path")), file);
       }
       if (!any) j.NotApplicable();
     }},
    {"node-swap",
     [](Judge& j) {
       const Value* swaps = j.facts.Find("swaps");
       if (swaps == nullptr) return j.NotKnown("swaps", "not told");
       if (j.facts.Find("kubelet") == nullptr) return j.NotApplicable();
       j.PassIf(swaps->empty(), "swaps", *swaps);
     }},
    {"node-sysctl-dmesg-restrict",
     [](Judge& j) { j.Sysctl("kernel.dmesg_restrict", [](int64_t n) { return n >= 1; }); }},
    {"node-sysctl-ip-forward",
     [](Judge& j) {
       // Pods need it; a machine without pods has no business forwarding.
       if (j.facts.Find("kubelet") != nullptr) {
         return j.Sysctl("net.ipv4.ip_forward", [](int64_t n) { return n == 1; });
       }
       if (!j.facts["runtimes"].empty()) return j.NotApplicable();
       j.Sysctl("net.ipv4.ip_forward", [](int64_t n) { return n == 0; });
     }},
    {"node-sysctl-kptr-restrict",
     [](Judge& j) { j.Sysctl("kernel.kptr_restrict", [](int64_t n) { return n >= 1; }); }},
    {"node-sysctl-unprivileged-bpf",
     [](Judge& j) {
       j.Sysctl("kernel.unprivileged_bpf_disabled", [](int64_t n) { return n >= 1; });
     }},
    {"node-sysctl-unprivileged-userns",
     [](Judge& j) {
       // Debian's and Ubuntu's switch; elsewhere the number of user namespaces is the only one.
       if (j.facts["sysctls"].Find("kernel.unprivileged_userns_clone") != nullptr) {
         return j.Sysctl("kernel.unprivileged_userns_clone", [](int64_t n) { return n == 0; });
       }
       j.Sysctl("user.max_user_namespaces", [](int64_t n) { return n == 0; });
     }},
};

}  // namespace

const std::vector<CheckInfo>& NodeChecks() {
  static const std::vector<CheckInfo> checks = [] {
    std::vector<CheckInfo> out;
    for (const Row& row : kRules) {
      const CheckText* text = FindText(row.id);
      BW_CHECK(text != nullptr);
      CheckInfo info{.id = std::string(row.id),
                     .severity = text->severity,
                     .category = std::string(text->category),
                     .title = {text->title_en, text->title_zh},
                     .description = {text->description_en, text->description_zh},
                     .why = {text->description_en, text->description_zh},
                     .remedy = {text->remedy_en, text->remedy_zh},
                     .message = {fmt::format("{}: {{path}} is {{value}}", text->title_en),
                                 fmt::format("{}：{{path}} 的值为 {{value}}", text->title_zh)},
                     .origin = "node"};
      if (text->cis[0] != '\0') info.controls["cis-1.12"] = {text->cis};
      out.push_back(std::move(info));
    }
    return out;
  }();
  return checks;
}

const CheckInfo* FindNodeCheck(std::string_view id) {
  const std::vector<CheckInfo>& all = NodeChecks();
  auto found = std::lower_bound(
      all.begin(), all.end(), id,
      [](const CheckInfo& check, std::string_view wanted) { return check.id < wanted; });
  return found != all.end() && found->id == id ? &*found : nullptr;
}

std::vector<NodeAssessment> Assess(const Value& facts, int64_t today) {
  std::vector<NodeAssessment> out;
  for (const Row& row : kRules) {
    Judge judge{.facts = facts, .today = today, .out = {.check = std::string(row.id)}};
    row.rule(judge);
    out.push_back(std::move(judge.out));
  }
  return out;
}

std::string ReportJson(const Value& facts, const std::vector<NodeAssessment>& assessments) {
  std::string out = R"({"facts":)";
  AppendJson(out, facts);
  out += R"(,"assessments":[)";
  for (const NodeAssessment& a : assessments) {
    if (&a != &assessments[0]) out += ',';
    out += fmt::format(R"({{"check":"{}","status":"{}")", a.check, StatusName(a.status));
    for (const auto& [name, text] :
         {std::pair("path", &a.path), std::pair("value", &a.value), std::pair("error", &a.error)}) {
      if (text->empty()) continue;
      out += fmt::format(R"(,"{}":)", name);
      AppendJsonString(out, *text);
    }
    out += '}';
  }
  return out + "]}";
}

Result<std::vector<NodeAssessment>> ParseAssessments(const Value& report) {
  auto bad = [](std::string_view why) {
    return Error(Code::kInvalid, "node.report", fmt::format("not a node's report: {}", why));
  };
  std::vector<NodeAssessment> out;
  Value list = report["assessments"];
  if (!list.IsArray() || list.size() > 1000) return bad("its assessments");
  if (!report["facts"].IsMap()) return bad("its facts");
  for (const Value& item : list.items()) {
    NodeAssessment one{.check = std::string(item.StringAt("check"))};
    if (FindNodeCheck(one.check) == nullptr) {
      return bad(fmt::format("no check {}", Quote(TruncateToWidth(one.check, 64))));
    }
    bool known = false;
    for (Status status :
         {Status::kPass, Status::kFail, Status::kError, Status::kManual, Status::kNotApplicable}) {
      if (StatusName(status) != item.StringAt("status")) continue;
      one.status = status;
      known = true;
    }
    if (!known) return bad("a state that is none");
    one.path = TruncateToWidth(item.StringAt("path"), 300);
    one.value = TruncateToWidth(item.StringAt("value"), 300);
    one.error = TruncateToWidth(item.StringAt("error"), 300);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace bulwark::node
