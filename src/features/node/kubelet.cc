// The kubelet's effective configuration (kubelet.config.k8s.io/v1beta1).

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "base/text.h"
#include "features/node/host.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::node {
namespace {

enum class Type { kBool, kInt, kText, kList };

struct Setting {
  std::string_view path;  // in the configuration file
  std::string_view flag;  // "" where there is none
  Type type;
  std::string_view normal;  // default, where there is a configuration file; JSON
  std::string_view legacy;  // default of the flags alone; "" where it is the same
};

constexpr Setting kSettings[] = {
    {"authentication.anonymous.enabled", "anonymous-auth", Type::kBool, "false", "true"},
    {"authentication.webhook.enabled", "authentication-token-webhook", Type::kBool, "true",
     "false"},
    {"authentication.x509.clientCAFile", "client-ca-file", Type::kText, R"("")", ""},
    {"authorization.mode", "authorization-mode", Type::kText, R"("Webhook")", R"("AlwaysAllow")"},
    {"cgroupDriver", "cgroup-driver", Type::kText, R"("cgroupfs")", ""},
    {"containerRuntimeEndpoint", "container-runtime-endpoint", Type::kText,
     R"("unix:///run/containerd/containerd.sock")", ""},
    {"enableDebuggingHandlers", "enable-debugging-handlers", Type::kBool, "true", ""},
    {"eventRecordQPS", "event-qps", Type::kInt, "50", ""},
    {"failSwapOn", "fail-swap-on", Type::kBool, "true", ""},
    {"healthzPort", "healthz-port", Type::kInt, "10248", ""},
    {"makeIPTablesUtilChains", "make-iptables-util-chains", Type::kBool, "true", ""},
    {"memorySwap.swapBehavior", "", Type::kText, R"("")", ""},
    {"podPidsLimit", "pod-max-pids", Type::kInt, "-1", ""},
    {"port", "port", Type::kInt, "10250", ""},
    {"protectKernelDefaults", "protect-kernel-defaults", Type::kBool, "false", ""},
    {"readOnlyPort", "read-only-port", Type::kInt, "0", "10255"},
    {"rotateCertificates", "rotate-certificates", Type::kBool, "false", ""},
    {"seccompDefault", "seccomp-default", Type::kBool, "false", ""},
    {"serverTLSBootstrap", "rotate-server-certificates", Type::kBool, "false", ""},
    {"staticPodPath", "pod-manifest-path", Type::kText, R"("")", ""},
    {"streamingConnectionIdleTimeout", "streaming-connection-idle-timeout", Type::kText,
     R"("4h0m0s")", ""},
    {"tlsCertFile", "tls-cert-file", Type::kText, R"("")", ""},
    {"tlsCipherSuites", "tls-cipher-suites", Type::kList, "[]", ""},
    {"tlsMinVersion", "tls-min-version", Type::kText, R"("")", ""},
    {"tlsPrivateKeyFile", "tls-private-key-file", Type::kText, R"("")", ""},
};

// Flags whose values are told beside those of settings: paths and names, nothing secret.
constexpr std::string_view kPlainFlags[] = {
    "config",  "config-dir", "kubeconfig", "bootstrap-kubeconfig", "hostname-override",
    "node-ip", "cert-dir",   "root-dir"};

using Flags = std::map<std::string, std::string, std::less<>>;

const Setting* SettingOfFlag(std::string_view flag) {
  for (const Setting& s : kSettings) {
    if (!s.flag.empty() && s.flag == flag) return &s;
  }
  return nullptr;
}

// As pflag reads them: --name=value, --name value, and --name alone for a bool. The last counts.
Flags ParseFlags(const std::vector<std::string>& arguments) {
  Flags out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    if (word == "--") break;
    if (!word.starts_with("--")) continue;
    word.remove_prefix(2);
    if (auto pair = Cut(word, "=")) {
      out[std::string(pair->first)] = std::string(pair->second);
      continue;
    }
    const Setting* setting = SettingOfFlag(word);
    bool is_bool = setting != nullptr && setting->type == Type::kBool;
    if (!is_bool && i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
      out[std::string(word)] = arguments[++i];
    } else {
      out[std::string(word)] = "true";
    }
  }
  return out;
}

// What a flag's text means; nothing where it means nothing.
std::optional<Value> FlagValue(const Setting& setting, std::string_view text, Arena& arena) {
  switch (setting.type) {
    case Type::kBool: {
      // strconv.ParseBool
      for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
        if (text == yes) return Value::Bool(true);
      }
      for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
        if (text == no) return Value::Bool(false);
      }
      return std::nullopt;
    }
    case Type::kInt: {
      int64_t number = 0;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
      return Value::Int(number);
    }
    case Type::kText: return Value::String(arena, text);
    case Type::kList: {
      std::vector<Value> items;
      for (std::string_view item : Split(text, ',')) {
        if (!item.empty()) items.push_back(Value::String(arena, item));
      }
      return Value::Array(arena, items);
    }
  }
  return std::nullopt;
}

bool IsOfType(const Value& value, Type type) {
  switch (type) {
    case Type::kBool: return value.IsBool();
    case Type::kInt: return value.ToInt().has_value();
    case Type::kText: return value.IsString();
    case Type::kList: return value.IsArray();
  }
  return false;
}

const Value* FindDotted(const Value& root, std::string_view path) {
  const Value* at = &root;
  for (std::string_view step : Split(path, '.')) {
    at = at->Find(step);
    if (at == nullptr) return nullptr;
  }
  return at;
}

// Dotted paths as maps in maps.
struct Tree {
  std::map<std::string, std::unique_ptr<Tree>, std::less<>> children;
  Value leaf;

  void Set(std::string_view path, Value value) {
    Tree* at = this;
    for (std::string_view step : Split(path, '.')) {
      std::unique_ptr<Tree>& child = at->children[std::string(step)];
      if (child == nullptr) child = std::make_unique<Tree>();
      at = child.get();
    }
    at->leaf = value;
  }
  Value Finish(Arena& arena) const {
    if (children.empty()) return leaf;
    MapBuilder map(arena);
    for (const auto& [name, child] : children) map.Add(arena.Copy(name), child->Finish(arena));
    return map.Finish();
  }
};

struct ConfigFiles {
  std::vector<Value> documents;  // the later go before the earlier
  std::string error;             // why the configuration is not known
};

void ReadConfig(const Host& host, const std::string& path, ConfigFiles& out, Arena& arena) {
  Result<std::string> text = host.Read(path);
  if (!text) {
    out.error = text.error().ToString();
    return;
  }
  Result<Value> document = ParseYaml(*text, arena);
  if (!document || !document->IsMap()) {
    out.error = fmt::format("{} is not a configuration: {}", path,
                            document ? "no mapping" : document.error().message());
    return;
  }
  out.documents.push_back(document->CopyTo(arena));
}

ConfigFiles ReadConfigs(const Host& host, const Flags& flags, Arena& arena) {
  ConfigFiles out;
  if (auto config = flags.find("config"); config != flags.end()) {
    ReadConfig(host, config->second, out, arena);
  }
  if (auto folder = flags.find("config-dir"); folder != flags.end() && out.error.empty()) {
    for (const std::string& name : host.List(folder->second, 1000)) {
      if (name.ends_with(".conf")) ReadConfig(host, folder->second + "/" + name, out, arena);
    }
  }
  return out;
}

}  // namespace

Value CollectKubelet(const Host& machine, const Process& kubelet, Arena& arena) {
  MapBuilder out(arena);
  out.Add("pid", Value::Int(kubelet.pid));
  Flags flags = ParseFlags(kubelet.arguments);

  // Its files as it sees them, where we may look there.
  Result<Host> its_root = machine.RootOf(kubelet.pid);
  const Host& host = its_root ? *its_root : machine;
  ConfigFiles files = ReadConfigs(host, flags, arena);

  MapBuilder told(arena);
  std::vector<Value> others;
  for (const auto& [name, value] : flags) {
    bool plain =
        SettingOfFlag(name) != nullptr ||
        std::find(std::begin(kPlainFlags), std::end(kPlainFlags), name) != std::end(kPlainFlags);
    if (plain) {
      told.Add(arena.Copy(name), Value::String(arena, value));
    } else {
      others.push_back(Value::String(arena, name));
    }
  }
  out.Add("flags", told.Finish());
  out.Add("otherFlags", Value::Array(arena, others));
  if (auto config = flags.find("config"); config != flags.end()) {
    out.Add("configFile", Value::String(arena, config->second));
  }
  if (!files.error.empty()) out.Add("configError", Value::String(arena, files.error));

  Tree effective;
  MapBuilder sources(arena);
  for (const Setting& setting : kSettings) {
    std::optional<Value> value;
    std::string_view source = "default";
    if (auto flag = flags.find(setting.flag); !setting.flag.empty() && flag != flags.end()) {
      value = FlagValue(setting, flag->second, arena);
      if (value) source = "flag";
    }
    for (auto file = files.documents.rbegin(); !value && file != files.documents.rend(); ++file) {
      const Value* found = FindDotted(*file, setting.path);
      if (found != nullptr && IsOfType(*found, setting.type)) {
        value = *found;
        source = "file";
      }
    }
    // What an unreadable file may say is not known: no value, rather than a default.
    if (!value && !files.error.empty()) continue;
    if (!value) {
      bool legacy = !flags.contains("config") && !setting.legacy.empty();
      value = ParseJson(legacy ? setting.legacy : setting.normal, arena).value();
    }
    effective.Set(setting.path, *value);
    sources.Add(setting.path, Value::String(source));
  }
  out.Add("config", effective.children.empty() ? Value::EmptyMap() : effective.Finish(arena));
  out.Add("sources", sources.Finish());

  std::vector<Value> found;
  auto look = [&](std::string_view role, const std::string& path) {
    if (path.empty()) return;
    Result<FileInfo> info = host.Info(path);
    if (!info) return;
    MapBuilder file(arena);
    file.Add("role", Value::String(role));
    file.Add("path", Value::String(arena, path));
    file.Add("mode", Value::String(arena, fmt::format("{:04o}", info->mode & 07777)));
    file.Add("uid", Value::Int(info->uid));
    file.Add("gid", Value::Int(info->gid));
    found.push_back(file.Finish());
  };
  auto flag = [&](std::string_view name) {
    auto it = flags.find(name);
    return it == flags.end() ? std::string() : it->second;
  };
  look("config", flag("config"));
  look("kubeconfig", flag("kubeconfig"));
  if (const Value* ca = FindDotted(effective.Finish(arena), "authentication.x509.clientCAFile");
      ca != nullptr && ca->IsString()) {
    look("clientCa", std::string(ca->AsString()));
  }
  out.Add("files", Value::Array(arena, found));
  return out.Finish();
}

}  // namespace bulwark::node
