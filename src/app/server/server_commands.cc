#include "app/server/server_commands.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "app/server/agent_process.h"
#include "app/server/api_client.h"
#include "app/server/backup.h"
#include "app/server/recent_log.h"
#include "app/server/server.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/kubeconfig.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"

namespace bulwark {

namespace embedded {
std::string_view up_manual();
std::string_view up_manual_zh();
std::string_view server_manual();
std::string_view server_manual_zh();
std::string_view events_manual();
std::string_view events_manual_zh();
std::string_view alerts_manual();
std::string_view alerts_manual_zh();
std::string_view config_manual();
std::string_view config_manual_zh();
std::string_view backup_manual();
std::string_view backup_manual_zh();
}  // namespace embedded

namespace {

struct ServerCommand {
  ServerOptions options;
  std::string kubeconfig, context, log_level = "info", log_format;
  bool in_cluster = false;
  bool agent = false;  // `up` alone
};

int Fail(const Env& env, const Error& error) {
  env.Complain(error.ToString());
  return error.code() == Code::kInternal ? kInternal : kUsage;
}

void AddServerOptions(CLI::App& command, ServerCommand& o) {
  ServerOptions& s = o.options;
  command.add_option("--data", s.data_folder, "The folder that everything is kept in");
  command.add_option("--listen", s.console_listen, "Console and API: host:port")
      ->allow_extra_args(false);
  command.add_option("--webhook-listen", s.webhook_listen, "Webhooks of API servers: host:port")
      ->allow_extra_args(false);
  command.add_option("--agent-listen", s.agent_listen, "Agents: host:port")
      ->allow_extra_args(false);
  command.add_option("--public-url", s.public_url, "How people reach the console");
  command.add_option("--webhook-url", s.webhook_url, "How API servers reach the webhooks");
  command.add_option("--tls-certificate", s.certificate_file,
                     "The console's certificate (PEM), instead of one of its own");
  command.add_option("--tls-key", s.key_file, "Its key (PEM)");
  command.add_option("--name", s.names, "A name or address of the server, for its certificate")
      ->allow_extra_args(false);
  command.add_option("--master-key", s.master_key_file,
                     "The file of the key that secrets are sealed with");
  command
      .add_option("--trusted-proxy", s.trusted_proxies,
                  "An address or CIDR whose X-Forwarded-For is believed")
      ->allow_extra_args(false);
  command.add_option("--checks", s.check_folders, "A folder of checks of one's own")
      ->allow_extra_args(false);
  command.add_option("--rules", s.rule_folders, "A folder of event rules of one's own")
      ->allow_extra_args(false);
  command
      .add_option("--allow-address", s.allow_addresses,
                  "A loopback, link-local or metadata network that settings may name (CIDR)")
      ->allow_extra_args(false);
  command
      .add_option("--audit-log", s.audit_logs,
                  "An API server's audit log: cluster=path, with the cluster's id")
      ->allow_extra_args(false);
  command.add_option("--kubeconfig", o.kubeconfig, "A cluster to watch; else $KUBECONFIG");
  command.add_option("--context", o.context, "Of the kubeconfig");
  command.add_flag("--in-cluster", o.in_cluster,
                   "Watch the cluster that this runs in, with the pod's service account");
  command.add_option("--workers", s.workers, "Requests served at once")->check(CLI::Range(1, 256));
  command
      .add_option("--requests-per-second", s.requests_per_second,
                  "Of one user, token or address; bursts of four times that")
      ->check(CLI::Range(1, 1'000'000));
  command.add_option("--max-event-bytes", s.max_event_bytes,
                     "How much events may take on disk; the oldest go first");
  command.add_option("--log-level", o.log_level, "debug, info, warn, error, off");
  command.add_option("--log-format", o.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

Result<> SetUpLog(const ServerCommand& command, const Env& env) {
  Level level = BW_TRY(ParseLevel(command.log_level));
  bool text = command.log_format.empty() ? env.err_is_terminal : command.log_format == "text";
  SetLog(
      {.level = level, .format = text ? LogFormat::kText : LogFormat::kJson, .sink = RememberLog});
  return Ok();
}

// The clusters that the process itself can reach.
Result<std::vector<ServerOptions::Local>> LocalClusters(const ServerCommand& command,
                                                        const Env& env) {
  std::vector<ServerOptions::Local> out;
  kube::ConfigSources sources{
      .path = command.kubeconfig, .context = command.context, .variable = env.variable};
  if (command.in_cluster) {
    out.push_back({ "in-cluster", BW_TRY(kube::InClusterConfig(sources)) });
  }
  bool asked = !command.kubeconfig.empty() || !command.context.empty();
  auto variable = env.variable("KUBECONFIG");
  if (asked || (variable && !variable->empty())) {
    kube::Config config = BW_TRY(kube::LoadConfig(sources));
    std::string name = config.context.empty() ? "local" : config.context;
    out.push_back({std::move(name), std::move(config)});
  }
  return out;
}

// Until somebody ends the process.
void WaitForSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  int got = 0;
  sigwait(&signals, &got);
}

// Before any thread is made, so that all of them leave these signals to WaitForSignal().
void BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

Result<int> Run(ServerCommand& command, bool up, Env& env) {
  BW_TRY(SetUpLog(command, env));
  ServerOptions& options = command.options;
  options.version = BULWARK_VERSION;
  if (options.data_folder.empty()) options.data_folder = DefaultDataFolder(env);
  options.clusters = BW_TRY(LocalClusters(command, env));
  const std::string data = options.data_folder;
  BlockSignals();
  auto server = BW_TRY(Server::Start(std::move(options)));
  BW_TRY(server->WriteClientFile());
  env.out(fmt::format("Console   {}\n", server->console_url()));
  if (auto url = server->webhook_url(); !url.empty()) env.out(fmt::format("Webhooks  {}\n", url));
  if (auto url = server->agent_url(); !url.empty()) env.out(fmt::format("Agents    {}\n", url));
  env.out(fmt::format("CA        {}\n", server->ca_file()));
  if (auto password = server->first_password()) {
    // It stands in a file that only this user can read; on a screen only where one is.
    env.out(env.out_is_terminal
                ? fmt::format("Log in as admin with {}\n", *password)
                : fmt::format("Log in as admin with the password in {}/first-password\n", data));
  }
  for (const std::string& warning : server->warnings()) env.Complain(warning);
  std::unique_ptr<AgentProcess> agent;
  if (up && command.agent) {
    auto started = server->StartLocalAgent(data + "/agent");
    if (started) {
      agent = std::move(*started);
    } else {
      env.Complain(
          std::move(started).error().While("starting the agent of this machine").ToString());
    }
  }
  WaitForSignal();
  env.err("stopping\n");
  agent.reset();
  server.reset();
  return kClean;
}

void AddServer(CLI::App& app, Env& env, int& exit_code) {
  auto up_options = std::make_shared<ServerCommand>();
  up_options->agent = ::geteuid() == 0;
  up_options->options.guard_clusters = false;  // a cluster on this machine is what it is for
  CLI::App* up = app.add_subcommand("up", "The whole product on this machine");
  AddServerOptions(*up, *up_options);
  up->add_flag("--agent,!--no-agent", up_options->agent,
               "Also run the agent of this machine, as a process of its own (so it is for root)");
  up->footer("Example: bulwark up --kubeconfig ~/.kube/config");
  up->callback([=, &env, &exit_code] {
    auto done = Run(*up_options, true, env);
    exit_code = done ? *done : Fail(env, done.error());
  });

  auto server_options = std::make_shared<ServerCommand>();
  server_options->options.console_listen = {"0.0.0.0:8443"};
  server_options->options.webhook_listen = {"0.0.0.0:9443"};
  server_options->options.agent_listen = {"0.0.0.0:7443"};
  CLI::App* server = app.add_subcommand("server", "The control plane, as a service");
  AddServerOptions(*server, *server_options);
  server->footer(
      "Example: bulwark server --data /var/lib/bulwark --in-cluster --name bulwark.bulwark.svc");
  server->callback([=, &env, &exit_code] {
    auto done = Run(*server_options, false, env);
    exit_code = done ? *done : Fail(env, done.error());
  });
}

// --- backup, restore, vault
// -----------------------------------------------------------------------

void AddBackup(CLI::App& app, Env& env, int& exit_code) {
  struct Options {
    ApiAddress address;
    std::string folder, data, master_key;
  };
  auto options = std::make_shared<Options>();
  CLI::App* backup = app.add_subcommand("backup", "Copy a server's stores, also while it runs");
  backup->add_option("FOLDER", options->folder,
                     "Where to; without it the running server makes one in its data folder");
  AddAddressOptions(*backup, options->address);
  backup->footer(
      "Example: bulwark backup            (asks the running server)\n"
      "         bulwark backup /mnt/backup/2026-06-01 --data /var/lib/bulwark   (it is stopped)");
  backup->callback([=, &env, &exit_code] {
    auto run = [&]() -> Result<int> {
      if (options->folder.empty()) {
        ApiClient client = BW_TRY(ApiClient::Make(options->address, env));
        Arena arena;
        Value made = BW_TRY(client.Post("/api/v1/system/backup", "", arena));
        env.out(fmt::format("{}\n", made.StringAt("folder")));
        return kClean;
      }
      std::string data = options->address.data_folder.empty() ? DefaultDataFolder(env)
                                                              : options->address.data_folder;
      auto state = BW_TRY(store::OpenSqliteStateStore(data));
      auto events = BW_TRY(store::OpenSqliteEventStore(data));
      BackupManifest manifest =
          BW_TRY(WriteBackup(*state, *events, options->folder, BULWARK_VERSION));
      env.out(fmt::format("{}: {} files, {} bytes\n", options->folder, manifest.files.size(),
                          manifest.bytes()));
      return kClean;
    };
    auto done = run();
    exit_code = done ? *done : Fail(env, done.error());
  });

  CLI::App* restore = app.add_subcommand("restore", "Put a backup in place; the server is stopped");
  restore->add_option("FOLDER", options->folder, "The backup")->required();
  restore->add_option("--data", options->data, "The data folder");
  restore->add_option("--master-key", options->master_key,
                      "The master key's file, where the data folder does not have it");
  restore->footer(
      "Example: bulwark restore /mnt/backup/2026-06-01 --master-key /mnt/key/master.key");
  restore->callback([=, &env, &exit_code] {
    std::string data = options->data.empty() ? DefaultDataFolder(env) : options->data;
    auto done = RestoreBackup(options->folder, data, options->master_key);
    if (!done) {
      exit_code = Fail(env, done.error());
      return;
    }
    env.out(fmt::format("{}: restored from {}, made {} by {}\n", data, options->folder, done->made,
                        done->version));
  });
}

void AddVault(CLI::App& app, Env& env, int& exit_code) {
  struct Options {
    std::string data, master_key;
  };
  auto options = std::make_shared<Options>();
  CLI::App* vault = app.add_subcommand("vault", "Secrets at rest");
  vault->require_subcommand(1);
  CLI::App* rotate = vault->add_subcommand("rotate", "Seal everything with a new data key");
  for (CLI::App* sub : {rotate}) {
    sub->add_option("--data", options->data, "The data folder of a server that is stopped");
    sub->add_option("--master-key", options->master_key, "The master key's file");
  }
  rotate->footer("Example: bulwark vault rotate --data /var/lib/bulwark");
  rotate->callback([=, &env, &exit_code] {
    auto run = [&]() -> Result<int> {
      std::string data = options->data.empty() ? DefaultDataFolder(env) : options->data;
      auto state = BW_TRY(store::OpenSqliteStateStore(data));
      std::string path = options->master_key.empty() ? data + "/master.key" : options->master_key;
      auto key = BW_TRY(vault::OpenKeyFile({.path = path, .create = false}));
      auto opened = BW_TRY(vault::Vault::Open(*state, std::move(key)));
      vault::Vault::Rotation rotation = BW_TRY(opened->Rotate());
      env.out(fmt::format("{} secrets sealed anew{}\n", rotation.sealed_anew,
                          rotation.resumed ? " (an interrupted rotation was finished)" : ""));
      return kClean;
    };
    auto done = run();
    exit_code = done ? *done : Fail(env, done.error());
  });
}

}  // namespace

std::string_view ServerManualPage(std::string_view command, Language language) {
  struct Page {
    std::string_view command;
    std::string_view (*en)();
    std::string_view (*zh)();
  };
  static constexpr Page kPages[] = {
      {"up", embedded::up_manual, embedded::up_manual_zh},
      {"server", embedded::server_manual, embedded::server_manual_zh},
      {"events", embedded::events_manual, embedded::events_manual_zh},
      {"alerts", embedded::alerts_manual, embedded::alerts_manual_zh},
      {"config", embedded::config_manual, embedded::config_manual_zh},
      {"backup", embedded::backup_manual, embedded::backup_manual_zh},
      {"restore", embedded::backup_manual, embedded::backup_manual_zh},
      {"vault", embedded::backup_manual, embedded::backup_manual_zh},
  };
  for (const Page& page : kPages) {
    if (page.command == command) return language == Language::kChinese ? page.zh() : page.en();
  }
  return {};
}

void AddServerCommands(CLI::App& app, Env& env, int& exit_code) {
  AddServer(app, env, exit_code);
  AddBackup(app, env, exit_code);
  AddVault(app, env, exit_code);
}

}  // namespace bulwark
