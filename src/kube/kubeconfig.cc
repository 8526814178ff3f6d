#include "kube/kubeconfig.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "base/arena.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::kube {

namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxForeignBytes = size_t{1} << 20;
constexpr size_t kMaxPemBytes = size_t{4} << 20;
constexpr std::string_view kExecExtension = "client.authentication.k8s.io/exec";

Error Invalid(std::string_view file, std::string_view field, std::string_view why) {
  return Error(Code::kInvalid, "kube.config", fmt::format("{}: {}: {}", file, field, why),
               {{"file", std::string(file)}, {"field", std::string(field)}});
}

// A part of a file, with its name in messages: `users[admin].user`.
struct Part {
  Value value;
  const std::string* file = nullptr;
  std::string field;

  Part At(std::string_view key) const {
    return {value[key], file, fmt::format("{}.{}", field, key)};
  }
  Error Wrong(std::string_view key, std::string_view why) const {
    return Invalid(*file, fmt::format("{}.{}", field, key), why);
  }
  Result<std::string> Text(std::string_view key) const {
    Value v = value[key];
    if (v.IsNull()) return std::string();
    if (!v.IsString()) return Wrong(key, "must be a string");
    return std::string(v.AsString());
  }
  Result<bool> Bool(std::string_view key) const {
    Value v = value[key];
    if (v.IsNull()) return false;
    if (!v.IsBool()) return Wrong(key, "must be true or false");
    return v.AsBool();
  }
  Result<std::vector<std::string>> Texts(std::string_view key) const {
    Value v = value[key];
    std::vector<std::string> out;
    if (!v.IsNull() && !v.IsArray()) return Wrong(key, "must be a list of strings");
    for (const Value& item : v.items()) {
      if (!item.IsString()) return Wrong(key, "must be a list of strings");
      out.emplace_back(item.AsString());
    }
    return out;
  }
  // A path in the file, which starts at the file's folder.
  Result<std::string> FilePath(std::string_view key) const {
    std::string path = BW_TRY(Text(key));
    if (path.empty() || path.front() == '/') return path;
    return (std::filesystem::path(*file).parent_path() / path).lexically_normal().string();
  }
  // `key`-data in base64, else the file that `key` names.
  Result<std::string> Pem(std::string_view key) const {
    std::string data_key = fmt::format("{}-data", key);
    std::string data = BW_TRY(Text(data_key));
    if (!data.empty()) {
      auto pem = Base64DecodeLikeGo(data);
      if (!pem) return Wrong(data_key, "is not base64");
      return pem;
    }
    std::string path = BW_TRY(FilePath(key));
    if (path.empty()) return std::string();
    auto pem = ReadFile(path, kMaxPemBytes);
    if (!pem) return std::move(pem).error().While(fmt::format("{}: {}.{}", *file, field, key));
    return pem;
  }
};

// What several files say together.
class Merged {
 public:
  Result<> Add(const std::string& path) {
    return AddText(path, BW_TRY(ReadFile(path, kMaxConfigBytes)));
  }

  Result<> AddText(const std::string& path, std::string_view text) {
    File& file = *files_.emplace_back(std::make_unique<File>());
    file.path = path;
    auto parsed = ParseYaml(text, file.arena);
    if (!parsed) return std::move(parsed).error().While(path);
    const Value root = parsed->CopyTo(file.arena);  // `text` ends here
    if (root.IsNull()) return Ok();
    if (!root.IsMap()) return Invalid(path, "(whole file)", "must be a map");
    if (std::string_view kind = root.StringAt("kind"); !kind.empty() && kind != "Config") {
      return Invalid(path, "kind", fmt::format("must be Config, not {}", Quote(kind)));
    }
    if (std::string_view v = root.StringAt("apiVersion"); !v.empty() && v != "v1") {
      return Invalid(path, "apiVersion", fmt::format("must be v1, not {}", Quote(v)));
    }
    BW_TRY(AddList(file, root, "clusters", "cluster", clusters_));
    BW_TRY(AddList(file, root, "users", "user", users_));
    BW_TRY(AddList(file, root, "contexts", "context", contexts_));
    Value current = root["current-context"];
    if (!current.IsNull() && !current.IsString()) {
      return Invalid(path, "current-context", "must be a string");
    }
    if (current_.empty() && current.IsString()) current_ = current.AsString();
    return Ok();
  }

  // Nothing that would run a program or read a file here.
  Result<> RequireSelfContained() const {
    for (const auto& [name, cluster] : clusters_) {
      BW_TRY(Refuse(cluster, "certificate-authority", "certificate-authority-data"));
    }
    for (const auto& [name, user] : users_) {
      BW_TRY(Refuse(user, "exec", "a token or client-certificate-data"));
      BW_TRY(Refuse(user, "auth-provider", "a token or client-certificate-data"));
      BW_TRY(Refuse(user, "tokenFile", "token"));
      BW_TRY(Refuse(user, "client-certificate", "client-certificate-data"));
      BW_TRY(Refuse(user, "client-key", "client-key-data"));
    }
    return Ok();
  }

  bool empty() const {
    return clusters_.empty() && users_.empty() && contexts_.empty() && current_.empty();
  }

  Result<Config> Choose(const std::string& wanted, std::string_view where) const {
    std::string name = wanted.empty() ? current_ : wanted;
    auto context = contexts_.find(name);
    if (context == contexts_.end()) {
      std::string known;
      for (const auto& [other, part] : contexts_) known += (known.empty() ? "" : ", ") + other;
      return Invalid(where, "contexts",
                     fmt::format("{}; there {}",
                                 name.empty() ? "no current-context is set and none was asked for"
                                              : fmt::format("no context {}", Quote(name)),
                                 known.empty() ? "are none" : "are " + known));
    }
    const Part& c = context->second;
    std::string cluster_name = BW_TRY(c.Text("cluster"));
    std::string user_name = BW_TRY(c.Text("user"));
    auto cluster = clusters_.find(cluster_name);
    if (cluster == clusters_.end()) {
      return c.Wrong("cluster", fmt::format("no cluster {}", Quote(cluster_name)));
    }
    Config config;
    config.context = name;
    if (std::string ns = BW_TRY(c.Text("namespace")); !ns.empty()) config.ns = ns;
    BW_TRY(ReadCluster(cluster->second, config));
    if (user_name.empty()) return config;
    auto user = users_.find(user_name);
    if (user == users_.end()) return c.Wrong("user", fmt::format("no user {}", Quote(user_name)));
    BW_TRY(ReadUser(user->second, cluster->second, config));
    return config;
  }

 private:
  struct File {
    std::string path;
    Arena arena;
  };
  using Parts = std::map<std::string, Part>;

  static Result<> Refuse(const Part& part, std::string_view field, std::string_view instead) {
    const Value* value = part.value.Find(field);
    if (value == nullptr || value->IsNull() || (value->IsString() && value->empty())) return Ok();
    std::string where = fmt::format("{}.{}", part.field, field);
    return Error(Code::kDenied, "kube.config_refused",
                 fmt::format("{}: {}: programs and files of this machine are not used for a "
                             "kubeconfig from elsewhere; give {} instead",
                             *part.file, where, instead),
                 {{"file", *part.file}, {"field", where}, {"instead", std::string(instead)}});
  }

  static Result<> AddList(const File& file, const Value& root, std::string_view list,
                          std::string_view inner, Parts& into) {
    const Value all = root[list];
    if (!all.IsNull() && !all.IsArray()) return Invalid(file.path, list, "must be a list");
    Parts own;
    for (size_t i = 0; i < all.size(); ++i) {
      const Value item = all[i];
      std::string at = fmt::format("{}[{}]", list, i);
      if (!item.IsMap() || !item["name"].IsString()) {
        return Invalid(file.path, at, "must be a map with a name");
      }
      std::string name(item.StringAt("name"));
      if (!item[inner].IsNull() && !item[inner].IsMap()) {
        return Invalid(file.path, at + "." + std::string(inner), "must be a map");
      }
      Part part{item[inner], &file.path, fmt::format("{}[{}].{}", list, name, inner)};
      if (!own.emplace(name, std::move(part)).second) {
        return Invalid(file.path, at + ".name",
                       fmt::format("{} stands in the list twice", Quote(name)));
      }
    }
    into.merge(own);  // what is there already stays
    return Ok();
  }

  static Result<> ReadCluster(const Part& c, Config& config) {
    config.server = BW_TRY(c.Text("server"));
    if (config.server.empty()) return c.Wrong("server", "is missing");
    if (config.server.find("://") == std::string::npos) config.server = "https://" + config.server;
    while (config.server.ends_with('/')) config.server.pop_back();
    config.tls.ca_pem = BW_TRY(c.Pem("certificate-authority"));
    config.tls.insecure = BW_TRY(c.Bool("insecure-skip-tls-verify"));
    config.tls.server_name = BW_TRY(c.Text("tls-server-name"));
    if (config.tls.insecure && !config.tls.ca_pem.empty()) {
      return c.Wrong("insecure-skip-tls-verify",
                     "a certificate authority is given as well; it must be one or the other");
    }
    if (std::string proxy = BW_TRY(c.Text("proxy-url")); !proxy.empty()) config.proxy = proxy;
    return Ok();
  }

  static Result<> ReadUser(const Part& u, const Part& cluster, Config& config) {
    if (!u.value["auth-provider"].IsNull()) {
      return Error(Code::kUnsupported, "kube.config",
                   fmt::format("{}: {}.auth-provider: Kubernetes removed it in 1.26; use exec",
                               *u.file, u.field));
    }
    config.tls.client_certificate_pem = BW_TRY(u.Pem("client-certificate"));
    config.tls.client_key_pem = BW_TRY(u.Pem("client-key"));
    if (config.tls.client_certificate_pem.empty() != config.tls.client_key_pem.empty()) {
      bool key = config.tls.client_key_pem.empty();
      return u.Wrong(
          key ? "client-key" : "client-certificate",
          fmt::format("is missing beside {}", key ? "client-certificate" : "client-key"));
    }
    config.token = BW_TRY(u.Text("token"));
    config.token_file = BW_TRY(u.FilePath("tokenFile"));
    config.username = BW_TRY(u.Text("username"));
    config.password = BW_TRY(u.Text("password"));
    if (!config.username.empty() && (!config.token.empty() || !config.token_file.empty())) {
      return u.Wrong("username", "a token is given as well; it must be one or the other");
    }
    config.as.user = BW_TRY(u.Text("as"));
    config.as.uid = BW_TRY(u.Text("as-uid"));
    config.as.groups = BW_TRY(u.Texts("as-groups"));
    for (const auto& [key, value] : u.value["as-user-extra"].entries()) {
      if (!key.IsString()) return u.Wrong("as-user-extra", "keys must be strings");
      auto values = BW_TRY(u.At("as-user-extra").Texts(key.AsString()));
      config.as.extra.emplace_back(std::string(key.AsString()), std::move(values));
    }
    if (config.as.user.empty() &&
        (!config.as.uid.empty() || !config.as.groups.empty() || !config.as.extra.empty())) {
      return u.Wrong("as", "is missing beside as-uid, as-groups or as-user-extra");
    }
    if (u.value["exec"].IsNull()) return Ok();
    if (!u.value["exec"].IsMap()) return u.Wrong("exec", "must be a map");
    Part e = u.At("exec");
    ExecPlugin plugin;
    plugin.api_version = BW_TRY(e.Text("apiVersion"));
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1") {
      return e.Wrong("apiVersion", fmt::format("must be client.authentication.k8s.io/v1 or "
                                               "client.authentication.k8s.io/v1beta1, not {}",
                                               Quote(plugin.api_version)));
    }
    plugin.command = BW_TRY(e.Text("command"));
    if (plugin.command.empty()) return e.Wrong("command", "is missing");
    if (plugin.command.find('/') != std::string::npos) {
      plugin.command = BW_TRY(e.FilePath("command"));
    }
    plugin.args = BW_TRY(e.Texts("args"));
    size_t i = 0;
    for (const Value& item : e.value["env"].items()) {
      Part pair{item, e.file, fmt::format("{}.env[{}]", e.field, i++)};
      std::string name = BW_TRY(pair.Text("name"));
      if (name.empty()) return pair.Wrong("name", "is missing");
      plugin.env.emplace_back(std::move(name), BW_TRY(pair.Text("value")));
    }
    plugin.install_hint = BW_TRY(e.Text("installHint"));
    plugin.provide_cluster_info = BW_TRY(e.Bool("provideClusterInfo"));
    plugin.needs_terminal = BW_TRY(e.Text("interactiveMode"))
    == "Always";
    for (const Value& extension : cluster.value["extensions"].items()) {
      if (extension.StringAt("name") == kExecExtension) {
        plugin.cluster_config = ToJson(extension["extension"]);
      }
    }
    config.exec = std::move(plugin);
    return Ok();
  }

  std::vector<std::unique_ptr<File>> files_;
  Parts clusters_, users_, contexts_;
  std::string current_;
};

}  // namespace

Result<Config> LoadConfig(const ConfigSources& sources) {
  Merged merged;
  std::string where;
  if (!sources.path.empty()) {
    where = sources.path;
    BW_TRY(merged.Add(sources.path));
  } else {
    std::vector<std::string> paths;
    auto list = sources.variable("KUBECONFIG");
    if (list && !list->empty()) {
      where = "$KUBECONFIG";
      for (std::string_view path : Split(*list, ':')) {
        if (!path.empty()) paths.emplace_back(path);
      }
    } else if (auto home = sources.variable("HOME"); home && !home->empty()) {
      where = *home + "/.kube/config";
      paths.push_back(where);
    }
    for (const std::string& path : paths) {
      auto added = merged.Add(path);
      if (!added && added.error().code() != Code::kNotFound) return std::move(added).error();
    }
    if (merged.empty()) {
      if (sources.context.empty() && sources.variable("KUBERNETES_SERVICE_HOST")) {
        return InClusterConfig(sources);
      }
      return Error(Code::kNotFound, "kube.config",
                   fmt::format("no kubeconfig: {} has none, and this is no pod of a cluster",
                               where.empty() ? "the home folder" : where));
    }
  }
  return merged.Choose(sources.context, where);
}

Result<Config> ParseForeignConfig(std::string_view text, const std::string& name,
                                  const std::string& context) {
  if (text.size() > kMaxForeignBytes) {
    return Error(Code::kLimit, "kube.config_too_big",
                 fmt::format("{}: more than {} bytes", name, kMaxForeignBytes), {{"file", name}});
  }
  Merged merged;
  BW_TRY(merged.AddText(name, text));
  BW_TRY(merged.RequireSelfContained());
  return merged.Choose(context, name);
}

Result<Config> InClusterConfig(const ConfigSources& sources) {
  auto host = sources.variable("KUBERNETES_SERVICE_HOST");
  auto port = sources.variable("KUBERNETES_SERVICE_PORT");
  if (!host || host->empty() || !port || port->empty()) {
    return Error(Code::kNotFound, "kube.config",
                 "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod "
                 "of a cluster");
  }
  Config config;
  config.context = "in-cluster";
  bool v6 = host->find(':') != std::string::npos;
  config.server = fmt::format("https://{}{}{}:{}", v6 ? "[" : "", *host, v6 ? "]" : "", *port);
  config.token_file = sources.service_account + "/token";
  BW_TRY(ReadFile(config.token_file, kMaxPemBytes));  // says now, not later, that there is none
  config.tls.ca_pem = BW_TRY(ReadFile(sources.service_account + "/ca.crt", kMaxPemBytes));
  if (auto ns = ReadFile(sources.service_account + "/namespace", 4096); ns && !Trim(*ns).empty()) {
    config.ns = Trim(*ns);
  }
  return config;
}

}  // namespace bulwark::kube
