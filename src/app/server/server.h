#pragma once

// The server: every service and feature of the product, in one process, over one data folder.
//
//   auto server = BW_TRY(Server::Start({.data_folder = "/var/lib/bulwark"}));
//   server->console_url();        // "https://127.0.0.1:8443"
//   …
//   server.reset();               // graceful: requests finish, queues are stored
//
// The life of a request: net/http_server → platform/api (who, may they, limits) → a route of a
// feature → platform/store. The life of an object of a cluster: platform/inventory (list, watch) →
// features/posture (live inspection) → findings → platform/store, platform/pipeline → lists that
// are open. The life of an event: features/audit (or an agent over platform/link) →
// platform/pipeline → platform/store, rules → alerts.
//
// Three listeners: console and API; webhooks of API servers; agents. The data folder (0700) holds
// state.db, events/, master.key, ca.crt, first-password until it is changed.
// Thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/kubeconfig.h"
#include "model/catalog.h"

namespace bulwark {

class AgentProcess;

struct ServerOptions {
  std::string data_folder;
  std::string version;
  // Empty: no such listener.
  std::vector<std::string> console_listen = {"127.0.0.1:8443"};
  std::vector<std::string> webhook_listen = {"127.0.0.1:9443"};
  std::vector<std::string> agent_listen = {"127.0.0.1:7443"};
  std::string public_url;   // "https://bulwark.example.com"
  std::string webhook_url;  // how API servers reach the webhooks, for what they are given
  // The console's certificate; else one of Bulwark's own CA.
  std::string certificate_file, key_file;
  std::vector<std::string> names;  // of the server, in its own certificate: DNS or IP
  std::string master_key_file;     // else data_folder/master.key, made on the first start
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> check_folders;
  std::vector<std::string> rule_folders;
  // Outgoing requests from settings (providers, sinks, clusters) may go to loopback and the like.
  // Networks in CIDR notation.
  std::vector<std::string> allow_addresses;
  // A cluster whose credentials are the process' own, by name.
  struct Local {
    std::string name;
    kube::Config config;
  };
  std::vector<Local> clusters;
  std::vector<std::string> audit_logs;  // files of API servers' audit logs: "cluster's id=path"
  // Clusters that people add may not stand at loopback or link-local addresses either.
  bool guard_clusters = true;
  int workers = 8;
  int requests_per_second = 50;  // of one principal or address; bursts of four times that
  uint64_t max_event_bytes = uint64_t{20} << 30;
  // For tests: told of every answer that is not what its route states (api::ApiOptions).
  std::function<void(const std::string& route, const std::string& what)> on_wrong_answer;
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> Start(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string console_url() const;
  std::string webhook_url() const;
  std::string agent_url() const;
  const std::string& ca_file() const;
  // Of the first administrator, if this start made one.
  std::optional<std::string> first_password() const;
  // A token of this machine's user for the command line, as <data folder>/client.json (0600); made
  // anew at each start, good for thirty days.
  Result<> WriteClientFile();
  // The agent of this machine, enrolled here, with its data in that folder.
  Result<std::unique_ptr<AgentProcess>> StartLocalAgent(const std::string& folder);
  // What could not be done at the start, and does not keep the server from running (a cluster that
  // is away).
  const std::vector<std::string>& warnings() const;
  // Everything that it says, in both languages.
  const Catalog& catalog() const;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark
