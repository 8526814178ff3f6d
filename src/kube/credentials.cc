#include "kube/credentials.h"

#include <fmt/format.h>

#include <mutex>
#include <optional>

#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::kube {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTokenFileAge = std::chrono::minutes(1);
// A credential is fetched anew when it has less than this to live.
constexpr auto kBeforeExpiry = std::chrono::seconds(10);

Error ExecError(const ExecPlugin& plugin, std::string_view why) {
  return Error(Code::kDenied, "kube.exec",
               fmt::format("credentials from {}: {}", plugin.command, why));
}

std::string ExecInfo(const Config& config, const ExecPlugin& plugin) {
  Arena arena;
  MapBuilder spec(arena);
  spec.Add("interactive", Value::Bool(false));
  if (plugin.provide_cluster_info) {
    MapBuilder cluster(arena);
    cluster.Add("server", Value::String(config.server));
    if (!config.tls.server_name.empty()) {
      cluster.Add("tls-server-name", Value::String(config.tls.server_name));
    }
    if (config.tls.insecure) cluster.Add("insecure-skip-tls-verify", Value::Bool(true));
    if (!config.tls.ca_pem.empty()) {
      cluster.Add("certificate-authority-data",
                  Value::String(arena, Base64Encode(config.tls.ca_pem)));
    }
    if (config.proxy) cluster.Add("proxy-url", Value::String(*config.proxy));
    if (!plugin.cluster_config.empty()) {
      if (auto extra = ParseJson(plugin.cluster_config, arena)) cluster.Add("config", *extra);
    }
    spec.Add("cluster", cluster.Finish());
  }
  return ToJson(MapBuilder(arena)
                    .Add("apiVersion", Value::String(plugin.api_version))
                    .Add("kind", Value::String("ExecCredential"))
                    .Add("spec", spec.Finish())
                    .Finish());
}

}  // namespace

struct Credentials::State {
  Config config;
  RunProgram run;
  std::mutex mutex;

  std::string file_token;
  std::optional<Clock::time_point> file_read;

  struct FromProgram {
    std::string token, certificate, key;
    std::optional<Timestamp> expires;
  };
  std::optional<FromProgram> from_program;
  uint64_t generation = 0;

  Result<std::string> Token() {
    if (config.token_file.empty()) return config.token;
    if (!file_read || Clock::now() - *file_read > kTokenFileAge) {
      auto text = ReadFile(config.token_file, size_t{1} << 20);
      if (text && !Trim(*text).empty()) {
        file_token = Trim(*text);
        file_read = Clock::now();
      } else if (file_token.empty() && config.token.empty()) {
        if (!text) return std::move(text).error().While("reading the service account's token");
        return Error(Code::kInvalid, "kube.config", config.token_file + ": is empty");
      }
    }
    return file_token.empty() ? config.token : file_token;
  }

  Result<> RunPlugin() {
    const ExecPlugin& plugin = *config.exec;
    if (from_program &&
        (!from_program->expires || Now() + Nanos(kBeforeExpiry) < *from_program->expires)) {
      return Ok();
    }
    if (!run) {
      return Error(Code::kUnsupported, "kube.exec",
                   fmt::format("credentials come from {}, and programs may not be run here",
                               plugin.command));
    }
    if (plugin.needs_terminal) {
      return ExecError(plugin, "it wants a terminal (interactiveMode: Always); there is none");
    }
    ProgramCall call;
    call.argv.push_back(plugin.command);
    call.argv.insert(call.argv.end(), plugin.args.begin(), plugin.args.end());
    call.environment = plugin.env;
    call.environment.emplace_back("KUBERNETES_EXEC_INFO", ExecInfo(config, plugin));
    auto ran = run(call);
    if (!ran) {
      std::string why = ran.error().ToString();
      if (ran.error().code() == Code::kNotFound && !plugin.install_hint.empty()) {
        why += ": " + plugin.install_hint;
      }
      return ExecError(plugin, why);
    }
    if (ran->exit_code != 0) {
      std::string_view said = Trim(ran->err);
      return ExecError(plugin,
                       fmt::format("exit code {}{}{}", ran->exit_code, said.empty() ? "" : ": ",
                                   EscapeForTerminal(said.substr(0, 2000))));
    }
    // What it printed is a secret: messages must not show it.
    Arena arena;
    auto root = ParseYaml(ran->out, arena);
    if (!root || root->StringAt("kind") != "ExecCredential") {
      return ExecError(plugin, "it printed no ExecCredential");
    }
    if (root->StringAt("apiVersion") != plugin.api_version) {
      return ExecError(plugin,
                       fmt::format("it printed {}, not {}", Quote(root->StringAt("apiVersion")),
                                   plugin.api_version));
    }
    const Value status = (*root)["status"];
    FromProgram got;
    got.token = status.StringAt("token");
    got.certificate = status.StringAt("clientCertificateData");
    got.key = status.StringAt("clientKeyData");
    if (got.token.empty() && got.certificate.empty()) {
      return ExecError(plugin, "status has neither token nor clientCertificateData");
    }
    if (got.certificate.empty() != got.key.empty()) {
      return ExecError(plugin, "clientCertificateData and clientKeyData must come together");
    }
    if (std::string_view expires = status.StringAt("expirationTimestamp"); !expires.empty()) {
      auto at = ParseRfc3339(expires);
      if (!at) return ExecError(plugin, "expirationTimestamp is not an RFC 3339 time");
      got.expires = *at;
    }
    if (!from_program || from_program->certificate != got.certificate ||
        from_program->key != got.key) {
      ++generation;
    }
    from_program = std::move(got);
    return Ok();
  }
};

Credentials::Credentials(const Config& config, RunProgram run) : state_(std::make_unique<State>()) {
  state_->config = config;
  state_->run = std::move(run);
}
Credentials::~Credentials() = default;

Result<Credentials::Proof> Credentials::Get() {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  Proof proof;
  std::string token = BW_TRY(s.Token());
  if (s.config.exec && token.empty() && s.config.username.empty()) {
    BW_TRY(s.RunPlugin());
    token = s.from_program->token;
    proof.certificate_pem = s.from_program->certificate;
    proof.key_pem = s.from_program->key;
  }
  proof.certificate = s.generation;
  if (!token.empty()) {
    proof.headers.emplace_back("Authorization", "Bearer " + token);
  } else if (!s.config.username.empty()) {
    proof.headers.emplace_back(
        "Authorization", "Basic " + Base64Encode(s.config.username + ":" + s.config.password));
  }
  const Config::Impersonation& as = s.config.as;
  if (!as.user.empty()) proof.headers.emplace_back("Impersonate-User", as.user);
  if (!as.uid.empty()) proof.headers.emplace_back("Impersonate-Uid", as.uid);
  for (const std::string& group : as.groups) proof.headers.emplace_back("Impersonate-Group", group);
  for (const auto& [key, values] : as.extra) {
    for (const std::string& value : values) {
      proof.headers.emplace_back("Impersonate-Extra-" + net::UrlEscape(key), value);
    }
  }
  return proof;
}

bool Credentials::Refused() {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  bool can = s.file_read.has_value() || s.from_program.has_value();
  s.file_read.reset();
  s.from_program.reset();
  return can;
}

}  // namespace bulwark::kube
