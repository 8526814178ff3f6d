#include "app/server/server.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "app/server/agent_process.h"
#include "app/server/api_client.h"
#include "app/server/config_kinds.h"
#include "app/server/error_texts.h"
#include "app/server/recent_log.h"
#include "app/server/system_routes.h"
#include "base/files.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "base/time.h"
#include "console_files/console_files.h"
#include "features/audit/feature.h"
#include "features/audit/routes.h"
#include "features/node/feature.h"
#include "features/posture/server/feature.h"
#include "features/posture/server/routes.h"
#include "model/record.h"
#include "net/http_server.h"
#include "net/url_guard.h"
#include "platform/api/api.h"
#include "platform/auth/auth.h"
#include "platform/auth/kubernetes.h"
#include "platform/config/config.h"
#include "platform/inventory/inventory.h"
#include "platform/inventory/routes.h"
#include "platform/link/server.h"
#include "platform/link/token_review.h"
#include "platform/notify/sinks.h"
#include "platform/pipeline/pipeline.h"
#include "platform/schedule/routes.h"
#include "platform/schedule/schedule.h"
#include "platform/service/service.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/certificates.h"
#include "platform/vault/vault.h"

namespace bulwark {

namespace {

Result<> MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return Error(Code::kUnavailable, "server.folder",
                 fmt::format("cannot make the folder {}: {}", path, error.message()),
                 {{"path", path}, {"error", error.message()}});
  }
  // What others could read or write of it is nothing to build on.
  if (::chmod(path.c_str(), 0700) != 0) {
    return Error(Code::kDenied, "server.folder",
                 fmt::format("the folder {} belongs to somebody else", path), {{"path", path}});
  }
  return Ok();
}

// A write, or what was refused, as an event.
Event AccessEvent(const api::Request& request, const api::Route& route, int status) {
  Event event;
  event.time_us = event.received_us = NowUs();
  event.id = EventId({"access", request.http.id, route.id, std::to_string(event.time_us)});
  event.kind = "access";
  event.verb = request.http.method == "GET"      ? "read"
               : request.http.method == "DELETE" ? "delete"
               : request.http.method == "POST"   ? "create"
                                                 : "update";
  event.outcome = status < 400 ? "allowed" : status == 401 || status == 403 ? "denied" : "failed";
  event.severity = status == 401 || status == 403 ? Severity::kLow : Severity::kInfo;
  event.user = request.principal.id;
  event.source_ip = request.http.client;
  event.user_agent = request.http.Header("user-agent");
  event.resource = route.id;
  if (auto cluster = request.path.find("cluster"); cluster != request.path.end())
    event.target.cluster = cluster->second;
  event.message = "access.request";
  event.args = {{"user", request.principal.name.empty() ? "anonymous" : request.principal.name},
                {"what", route.summary},
                {"method", request.http.method},
                {"path", request.http.path},
                {"status", std::to_string(status)}};
  return event;
}

std::string UrlOf(const net::HttpServer* server) {
  if (server == nullptr || server->addresses().empty()) return {};
  std::string address = server->addresses().front();
  // Where it listens on every address, this machine is meant.
  for (std::string_view any : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(any)) address = "127.0.0.1:" + address.substr(any.size());
  }
  return "https://" + address;
}

}  // namespace

struct Server::State {
  explicit State(ServerOptions o) : options(std::move(o)) {}

  ServerOptions options;
  Timestamp started = Now();
  Metrics& metrics = Metrics::Default();
  Catalog catalog;
  std::shared_ptr<const net::UrlGuard> guard;
  std::unique_ptr<store::StateStore> state;
  std::unique_ptr<store::EventStore> events;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<vault::Certificates> certificates;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<Inventory> inventory;
  std::unique_ptr<auth::Auth> auth;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<Config> config;
  std::unique_ptr<notify::Sinks> sinks;
  std::unique_ptr<link::LinkServer> link;
  std::optional<Services> services;
  std::vector<std::unique_ptr<Feature>> features;
  std::shared_ptr<void> system_routes;
  Feature* audit = nullptr;
  std::unique_ptr<net::HttpServer> console, webhooks;
  std::string ca_file;
  std::vector<std::string> warnings;
  size_t features_started = 0;

  std::vector<std::pair<std::string, std::string>> Listeners() const;
  Result<> Open();
  Result<> AddFeatures();
  Result<> Listen();
  Result<> Begin();
  Result<> StartConsole();
  ~State();
};

// Stores, secrets, certificates: what must be right before anything else is.
Result<> Server::State::Open() {
  // What an ldaprc of this user says is not meant for a server.
  ::setenv("LDAPNOINIT", "1", 1);
  BW_TRY(MakeFolder(options.data_folder));
  auto made = net::UrlGuard::Make({.allow = options.allow_addresses});
  if (!made) return std::move(made).error().While("reading allow-address");
  guard = std::make_shared<const net::UrlGuard>(std::move(*made));
  state = BW_TRY(store::OpenSqliteStateStore(options.data_folder));
  events = BW_TRY(store::OpenSqliteEventStore(options.data_folder));
  bool own_key = options.master_key_file.empty();
  auto key = BW_TRY(vault::OpenKeyFile(
      {.path = own_key ? options.data_folder + "/master.key" : options.master_key_file,
       .create = own_key}));
  vault = BW_TRY(vault::Vault::Open(*state, std::move(key)));
  ca_file = options.data_folder + "/ca.crt";
  vault::CertificateOptions certificate;
  for (const std::string& name : options.names) {
    if (net::IpAddress::Parse(name)) {
      certificate.names.ips.push_back(name);
    } else {
      certificate.names.dns.push_back(name);
    }
  }
  certificate.certificate_file = options.certificate_file;
  certificate.key_file = options.key_file;
  certificate.ca_file = ca_file;
  certificates = BW_TRY(vault::Certificates::Open(*state, *vault, certificate));
  return Ok();
}

Result<> Server::State::AddFeatures() {
  api::AddMessages(catalog);
  auth::Auth::AddMessages(catalog);
  link::LinkServer::AddMessages(catalog);
  AddInventoryMessages(catalog);
  AddScheduleMessages(catalog);
  catalog.Add("access.request",
              {"{user}: {what} ({path}, {status})", "{user} 请求 {method} {path}（{status}）"});

  pipeline = std::make_unique<Pipeline>(*events, metrics);
  auto record_access = [this](const api::Request& r, const api::Route& route, int status) {
    pipeline->Offer("access", AccessEvent(r, route, status));
  };
  std::function<void(const api::Route&, const std::string&)> wrong_answer;
  if (options.on_wrong_answer) {
    wrong_answer = [this](const api::Route& route, const std::string& what) {
      options.on_wrong_answer(route.id, what);
    };
  }
  api =
      std::make_unique<api::Api>(*state, catalog, metrics,
                                 api::ApiOptions{.requests_per_second = options.requests_per_second,
                                                 .public_url = options.public_url,
                                                 .on_access = record_access,
                                                 .on_wrong_answer = wrong_answer});
  InventoryOptions watching;
  if (options.guard_clusters) watching.guard = guard;
  inventory = std::make_unique<Inventory>(*state, *pipeline, *vault, metrics, watching);
  auth::AuthOptions who{.data_folder = options.data_folder,
                        .public_url = options.public_url,
                        .allow_addresses = options.allow_addresses};
  who.kubernetes = auth::MakeKubernetesIdentity(
      [this](std::string_view cluster) { return inventory->ClientOf(cluster); });
  who.on_event = [this](Event event) { pipeline->Offer("access", std::move(event)); };
  auth = BW_TRY(auth::Auth::Open(*state, *vault, std::move(who)));
  auth->AddRoutes(*api);
  api->SetAuthenticator(auth.get());
  scheduler = std::make_unique<Scheduler>(*state);
  config = std::make_unique<Config>(*state);
  services.emplace(Services{*state, *events, *pipeline, *vault, *api, *inventory, *scheduler,
                            *config, catalog, metrics, options.data_folder, options.version});
  AddInventoryRoutes(*api, *inventory, *state, *events, catalog);
  AddScheduleRoutes(*api, *scheduler, *state);

  link::LinkServerOptions link_options{.listen = options.agent_listen};
  link_options.review = [this](std::string_view cluster,
                               std::string_view token) -> Result<link::ReviewedToken> {
    auto client = BW_TRY(inventory->ClientOf(cluster));
    return link::ReviewToken(*client, token);
  };
  link = std::make_unique<link::LinkServer>(*state, *pipeline, *certificates, metrics,
                                            std::move(link_options));
  link->AddRoutes(*api);

  auto others_may_approve = [this](const std::string& principal) {
    // Where that cannot be found out, one's own requests are not approved.
    return auth->OthersMay("exceptions.approve", principal).value_or(true);
  };
  features.push_back(
      BW_TRY(posture::MakePosture(*services, {.check_folders = options.check_folders,
                                              .others_may_approve = others_may_approve,
                                              .other_checks = node::NodeChecks()})));
  Feature& posture = *features.back();
  if (options.webhook_url.empty() && !options.webhook_listen.empty()) {
    // Where it listens, under the first of the server's names.
    std::string listen = options.webhook_listen.front();
    options.webhook_url =
        fmt::format("https://{}:{}", options.names.empty() ? "127.0.0.1" : options.names.front(),
                    listen.substr(listen.rfind(':') + 1));
  }
  audit::AuditFeatureOptions hear{.webhook_url = options.webhook_url,
                                  .webhook_ca_pem = certificates->ca_pem(),
                                  .rule_folders = options.rule_folders};
  for (const std::string& log : options.audit_logs) {
    auto parts = Cut(log, "=");
    if (!parts || parts->first.empty() || parts->second.empty()) {
      return Error(Code::kInvalid, "server.audit_log",
                   fmt::format("--audit-log: expected cluster=path, not {}", log));
    }
    hear.files.push_back(
        {.path = std::string(parts->second), .cluster = std::string(parts->first)});
  }
  features.push_back(BW_TRY(audit::MakeAudit(*services, std::move(hear))));
  audit = features.back().get();
  node::NodeOptions nodes{
      .assessed = [&posture](const Asset& asset,
                             std::span<const node::NodeAssessment> all) -> Result<> {
        std::vector<posture::OtherAssessment> judged;
        for (const node::NodeAssessment& a : all) {
          judged.push_back({a.check, a.status, a.path, a.value, a.error});
        }
        return posture::TakeAssessments(posture, asset, judged);
      }};
  features.push_back(BW_TRY(node::MakeNode(*services, *link, std::move(nodes))));
  sinks = std::make_unique<notify::Sinks>(
      *state, *pipeline, *vault, catalog, metrics,
      notify::SinkOptions{.spool_folder = options.data_folder + "/spool/sinks",
                          .file_folder = options.data_folder + "/sinks",
                          .guard = guard});
  BW_TRY(sinks->Open());
  sinks->AddRoutes(*api);

  AddConfigKinds(*services, posture);
  SystemOptions system{.started = started, .max_event_bytes = options.max_event_bytes};
  system.listeners = [this] { return Listeners(); };
  system.queues = [this] {
    std::vector<SystemOptions::Queue> out;
    for (const Pipeline::Queue& q : pipeline->Queues()) {
      out.push_back({.name = q.name, .queued = q.queued, .dropped = q.dropped});
    }
    return out;
  };
  system.recent_log = RecentLog;
  system.settings_changed = [&posture] { posture::ExceptionSettingsChanged(posture); };
  system.render_finding = [&posture](const Value& record, Language language, Arena& arena) {
    return posture::RenderFinding(posture::ChecksOf(posture), record, language, false, arena);
  };
  system.trend = [this](const api::Principal& who, const std::string& cluster,
                        const std::string& ns, Arena& arena) {
    return posture::TrendPoints(*state, who, {.cluster = cluster, .ns = ns}, NowUs(), arena);
  };
  system.render_alert = [this](const Value& record, Language language, Arena& arena) {
    return audit::RenderAlert(catalog, record, language, arena);
  };
  system_routes = BW_TRY(AddSystemRoutes(*services, std::move(system)));
  AddErrorTexts(catalog);
  api->SetConsole(ConsoleFiles());
  return Ok();
}

Result<> Server::State::StartConsole() {
  net::HttpServerOptions http;
  http.listen = options.console_listen;
  http.name = "console";
  vault::TlsPair pair = certificates->front();
  http.tls =
      net::TlsServerOptions{.certificate_pem = pair.certificate_pem, .key_pem = pair.key_pem};
  http.workers = static_cast<size_t>(options.workers);
  http.trusted_proxies = options.trusted_proxies;
  http.default_headers = {{"Content-Security-Policy", std::string(kConsolePolicy)},
                          {"X-Content-Type-Options", "nosniff"},
                          {"Referrer-Policy", "no-referrer"},
                          {"Cross-Origin-Opener-Policy", "same-origin"},
                          {"Strict-Transport-Security", "max-age=31536000"}};
  http.on_head = [this](const net::ServerRequest& request) { return api->Head(request); };
  console = BW_TRY(net::HttpServer::Start(
      std::move(http), [this](const net::ServerRequest& request) { return api->Handle(request); }));
  return Ok();
}

Result<> Server::State::Listen() {
  if (!options.console_listen.empty()) {
    BW_TRY(StartConsole());
  }
  if (!options.webhook_listen.empty()) {
    net::HttpServerOptions http;
    http.listen = options.webhook_listen;
    http.name = "webhooks";
    vault::TlsPair pair = certificates->front();
    http.tls =
        net::TlsServerOptions{.certificate_pem = pair.certificate_pem, .key_pem = pair.key_pem};
    http.workers = 2;
    // API servers may show who they are instead of knowing a secret path.
    http.tls->client_certificates = net::ClientCertificates::kOptional;
    http.tls->client_ca_pem = certificates->ca_pem();
    // Each path below has limits and credentials of its own; what is none of them is not there.
    http.on_head = [this](const net::ServerRequest& request) -> net::HeadDecision {
      if (audit::AuditWebhook::IsOurs(request)) return audit::AuditWebhookOf(*audit).Head(request);
      return {.refusal = net::ServerResponse{.status = 404}};
    };
    webhooks =
        BW_TRY(net::HttpServer::Start(std::move(http), [this](const net::ServerRequest& request) {
          return audit::AuditWebhookOf(*audit).Handle(request);
        }));
  }
  certificates->OnChange([this] {
    vault::TlsPair pair = certificates->front();
    for (net::HttpServer* server : {console.get(), webhooks.get()}) {
      if (server == nullptr) continue;
      auto done = server->SetCertificate(pair.certificate_pem, pair.key_pem);
      if (!done) Log(Level::kError, "server.certificate", {{"error", done.error()}});
    }
  });
  return Ok();
}

Result<> Server::State::Begin() {
  for (auto& feature : features) {
    auto started_feature = feature->Start();
    if (!started_feature)
      return std::move(started_feature).error().While("starting " + feature->name());
    ++features_started;
  }
  BW_TRY(sinks->Start());
  if (!options.agent_listen.empty()) BW_TRY(link->Start());
  certificates->Start();  // after all who want to be told of new ones
  BW_TRY(inventory->Start());
  for (ServerOptions::Local& local : options.clusters) {
    std::string server = local.config.server;
    auto added = inventory->AddLocal(local.name, std::move(local.config));
    if (!added) {
      warnings.push_back(
          fmt::format("cluster {} ({}): {}", local.name, server, added.error().ToString()));
    }
  }
  scheduler->Every("auth.sweep", "@every 5m", [this](const std::stop_token&) {
    auto swept = auth->Sweep();
    if (!swept) Log(Level::kError, "auth.sweep", {{"error", swept.error()}});
  });
  BW_TRY(scheduler->Start());
  return Ok();
}

std::vector<std::pair<std::string, std::string>> Server::State::Listeners() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, server] :
       {std::pair("console", console.get()), std::pair("webhooks", webhooks.get())}) {
    if (server == nullptr) continue;
    for (const std::string& address : server->addresses()) out.emplace_back(name, address);
  }
  if (!options.agent_listen.empty())
    out.emplace_back("agents", fmt::format("port {}", link->port()));
  return out;
}

// The other way round: nobody is asked any more, then nobody works, then what is queued is stored.
Server::State::~State() {
  using std::chrono::seconds;
  if (api != nullptr) api->Stop();
  for (auto* server : {&console, &webhooks}) {
    if (*server != nullptr) (*server)->Shutdown(seconds(10));
  }
  if (link != nullptr) link->Stop();
  if (scheduler != nullptr) scheduler->Stop();
  if (inventory != nullptr) inventory->Stop();
  for (size_t i = features_started; i > 0; --i) features[i - 1]->Stop();
  console.reset();
  webhooks.reset();
  if (sinks != nullptr) sinks->Stop();
  // Routes and subscriptions hold references into what follows.
  system_routes.reset();
  api.reset();
  sinks.reset();
  features.clear();
  link.reset();
}

Result<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  BW_TRY(state->Open());
  BW_TRY(state->AddFeatures());
  BW_TRY(state->Listen());
  BW_TRY(state->Begin());
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

std::string Server::console_url() const { return UrlOf(state_->console.get()); }
std::string Server::webhook_url() const { return UrlOf(state_->webhooks.get()); }
std::string Server::agent_url() const {
  if (state_->options.agent_listen.empty()) return {};
  return fmt::format("https://127.0.0.1:{}", state_->link->port());
}
Result<> Server::WriteClientFile() {
  std::string token = BW_TRY(state_->auth->IssueLocalToken("command line of this machine", "admin",
                                                           std::chrono::hours(24 * 30)));
  return bulwark::WriteClientFile(state_->options.data_folder, console_url(), token, ca_file());
}

Result<std::unique_ptr<AgentProcess>> Server::StartLocalAgent(const std::string& folder) {
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  auto enrolment = BW_TRY(state_->link->MakeToken("", name, std::chrono::minutes(10), "system"));
  BW_TRY(MakeFolder(folder));
  std::string token_file = folder + "/enrolment-token";
  BW_TRY(WriteFileAtomic(token_file, enrolment.token, 0600));
  return AgentProcess::Start({"agent", "--server", agent_url(), "--ca-file", ca_file(), "--state",
                              folder, "--token-file", token_file, "--node", name, "--log-level",
                              "warn"});
}

const std::string& Server::ca_file() const { return state_->ca_file; }
std::optional<std::string> Server::first_password() const { return state_->auth->first_password(); }
const std::vector<std::string>& Server::warnings() const { return state_->warnings; }
const Catalog& Server::catalog() const { return state_->catalog; }

}  // namespace bulwark
