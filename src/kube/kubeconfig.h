#pragma once

// How to reach an API server, and as whom: read from kubeconfig files as kubectl reads them, or
// from what Kubernetes mounts into a pod.
//
//   Config config = BW_TRY(LoadConfig({.path = flag, .context = flag2, .variable = env.variable}));
//   Client client = BW_TRY(Client::Connect(std::move(config), …));
//
// Files, first that applies: the path given (which must be there); those of $KUBECONFIG, separated
// by ':' (those that are not there are passed over); ~/.kube/config; in a pod, the service account.
// Of several files, the first that names a cluster, user or context has all the say on it, and the
// first that sets current-context. Relative paths in a file start at the file's folder.
// Certificates and keys are read at once; tokenFile whenever it is asked for (credentials.h).
//
// Formats: v1 Config of kubernetes.io/docs/reference/config-api/kubeconfig.v1. Not built:
// auth-provider, which Kubernetes removed in 1.26 (exec took its place); it is an error that says
// so. Errors (kube.config, unless a file could not be read) name file and field, never a secret.
// Pure functions beside reading files; safe from any thread.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http_client.h"

namespace bulwark::kube {

// A program that prints credentials (client.authentication.k8s.io v1 or v1beta1).
struct ExecPlugin {
  std::string api_version;
  std::string command;  // with its folder where the file's author gave one
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string install_hint;
  bool provide_cluster_info = false;
  bool needs_terminal = false;  // interactiveMode: Always
  std::string cluster_config;   // JSON of the cluster's extension for plugins; "" for none
};

struct Config {
  std::string context;  // its name, "in-cluster" for a pod's: for messages
  std::string server;   // "https://10.0.0.1:6443", perhaps with a path; no slash at the end
  std::string ns = "default";
  net::TlsOptions tls;
  std::optional<std::string> proxy;  // as HttpOptions::proxy

  // One of these, or a client certificate, or nothing.
  std::string token;
  std::string token_file;  // wins over `token` as long as it can be read
  std::string username, password;
  std::optional<ExecPlugin> exec;

  // Whom to act as, where `user` is not empty.
  struct Impersonation {
    std::string user, uid;
    std::vector<std::string> groups;
    std::vector<std::pair<std::string, std::vector<std::string>>> extra;
  } as;
};

using Variables = std::function<std::optional<std::string>(const std::string& name)>;

struct ConfigSources {
  std::string path;     // --kubeconfig
  std::string context;  // --context; else current-context
  Variables variable;   // environment: KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST …
  std::string service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
};

Result<Config> LoadConfig(const ConfigSources& sources);

// A kubeconfig that somebody else hands in, as text. Whoever uses it must not be made to run
// programs or to read files for them: one that names a program (exec), auth-provider, tokenFile or
// any path of a file, in any of its clusters and users, is refused (kube.config_refused, kDenied,
// with the argument "field"). `name` stands for the file in messages. At most 1 MiB.
Result<Config> ParseForeignConfig(std::string_view text, const std::string& name = "kubeconfig",
                                  const std::string& context = {});
// Only the pod's own service account.
Result<Config> InClusterConfig(const ConfigSources& sources);

}  // namespace bulwark::kube
