#include "features/audit/feature.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/log.h"
#include "features/audit/routes.h"
#include "features/audit/texts.h"
#include "formats/json.h"
#include "platform/api/api.h"

namespace bulwark::audit {

namespace {

void AddOwnMessages(Catalog& catalog) {
  catalog.Add("audit.body", {"no audit events: {why}", "不是审计事件：{why}"});
  catalog.Add("audit.kind",
              {"expected an EventList or Event of audit.k8s.io/v1, not {kind} of {version}",
               "应为 audit.k8s.io/v1 的 EventList 或 Event，而非 {version} 的 {kind}"});
  catalog.Add("audit.limit", {"more events than a batch may have", "批次中的事件过多"});
  catalog.Add("audit.sources", {"too many sources", "审计来源过多"});
  catalog.Add("audit.certificate",
              {"the certificate name {name} is empty or in use", "证书名称 {name} 为空或已被使用"});
  catalog.Add("audit.no_source", {"there is no such source", "没有此审计来源"});
  catalog.Add("audit.time", {"{name} must be a time or an age such as 24h",
                             "{name} 须为时间，或 24h 这样的时长"});
  catalog.Add("audit.number",
              {"{name} must be a number from 1 to {max}", "{name} 须为 1 到 {max} 的整数"});
  catalog.Add("audit.span", {"since must be before until", "since 须早于 until"});
  catalog.Add("rules.none", {"there is no such rule", "没有此规则"});
  catalog.Add("rules.invalid", {"{where}: {what}", "{where}：{what}"});
  catalog.Add("rules.limit", {"{where}: more than {limit} rules", "{where}：规则超过 {limit} 条"});
  catalog.Add("suppressions.reason", {"a suppression needs a reason", "抑制告警须填写原因"});
  catalog.Add("suppressions.expires",
              {"expires must be within the next year", "到期时间须在一年之内"});
  catalog.Add("suppressions.field", {"events have no field {field}", "事件没有字段 {field}"});
  catalog.Add("suppressions.wide",
              {"a suppression must name more than the cluster; switch the rule off instead",
               "抑制条件不能只有集群；如需全部忽略请停用规则"});
}

// Tells open pages that there are new events, at most once a second for each cluster and namespace.
class EventTeller {
 public:
  explicit EventTeller(api::Api& api) : api_(api) {}
  void Tell(std::span<const Event> events) {
    // Pages ask again when they are told; which events came matters less than that some did.
    std::map<std::tuple<std::string, std::string, std::string>, size_t> counts;
    for (const Event& event : events) {
      if (event.kind == "access") continue;
      if (counts.size() < 100) ++counts[{event.cluster, event.target.ns, event.kind}];
    }
    for (const auto& [key, count] : counts) {
      const auto& [cluster, ns, kind] = key;
      Arena arena;
      api_.Tell({.topic = "events",
                 .permission = "events.read",
                 .cluster = cluster,
                 .ns = ns,
                 .data = ToJson(MapBuilder(arena)
                                    .Add("op", Value::String("put"))
                                    .Add("kind", Value::String(kind))
                                    .Add("cluster", Value::String(cluster))
                                    .Add("namespace", Value::String(ns))
                                    .Add("count", Value::Int(static_cast<int64_t>(count)))
                                    .Finish())});
    }
  }

 private:
  api::Api& api_;
};

class AuditFeature final : public Feature {
 public:
  AuditFeature(Services& services, AuditFeatureOptions options,
               std::shared_ptr<const detect::RuleSet> rules)
      : services_(services),
        options_(std::move(options)),
        alerts_(services.state, services.pipeline, services.catalog, services.metrics,
                options_.alerts),
        detection_(
            services.state, services.events, services.pipeline, alerts_, services.metrics,
            std::move(rules), [this](std::string_view cluster) { return Ready(cluster); },
            options_.detection),
        webhook_(services.state, services.pipeline, services.metrics),
        kubernetes_(services.pipeline, services.metrics),
        teller_(services.api) {}

  ~AuditFeature() override { Stop(); }

  Result<> Open() {
    BW_TRY(alerts_.Open());
    BW_TRY(detection_.Open());
    BW_TRY(webhook_.Open());
    BW_TRY(DefineAuditFiles(services_.state));
    AddTexts(services_.catalog);
    AddOwnMessages(services_.catalog);
    detection_.rules().AddTexts(services_.catalog);
    alerts_.SetTeller([this](const Alerts::Change& change) {
      Arena arena;
      services_.api.Tell({.topic = "alerts",
                          .permission = "alerts.read",
                          .cluster = change.cluster,
                          .ns = change.ns,
                          .data = ToJson(MapBuilder(arena)
                                             .Add("op", Value::String("put"))
                                             .Add("key", Value::String(change.id))
                                             .Add("cluster", Value::String(change.cluster))
                                             .Add("namespace", Value::String(change.ns))
                                             .Add("state", Value::String(change.state))
                                             .Add("opened", Value::Bool(change.opened))
                                             .Finish())});
    });
    AddAuditRoutes(
        std::make_shared<RouteContext>(RouteContext{.api = services_.api,
                                                    .state = services_.state,
                                                    .events = services_.events,
                                                    .alerts = alerts_,
                                                    .detection = detection_,
                                                    .webhook = webhook_,
                                                    .catalog = services_.catalog,
                                                    .webhook_url = options_.webhook_url,
                                                    .webhook_ca_pem = options_.webhook_ca_pem}));
    if (options_.kubernetes_events) services_.inventory.AddListener(&kubernetes_);
    return Ok{};
  }

  std::string name() const override { return "audit"; }

  Result<> Start() override {
    BW_TRY(detection_.Start());
    told_ = services_.pipeline.Subscribe(
        "event-stream", {}, [this](std::span<const Event> events) { teller_.Tell(events); });
    if (!options_.listen.empty()) {
      net::HttpServerOptions http;
      http.listen = options_.listen;
      http.name = "audit";
      http.tls = options_.tls;
      http.limits.max_body_bytes = AuditWebhook::kMaxBody;
      http.workers = 2;
      http.redirect_to_https = false;
      http.on_head = [this](const net::ServerRequest& r) { return webhook_.Head(r); };
      server_ = BW_TRY(net::HttpServer::Start(
          std::move(http), [this](const net::ServerRequest& r) { return webhook_.Handle(r); }));
    }
    for (const AuditFile& file : options_.files) {
      files_.push_back(std::make_unique<AuditFileSource>(file, services_.state, services_.pipeline,
                                                         services_.metrics));
      files_.back()->Start();
    }
    return Ok{};
  }

  void Stop() override {
    if (server_) server_->Shutdown(std::chrono::seconds(5));
    server_.reset();
    files_.clear();
    told_.reset();
    detection_.Stop();
  }

  AuditWebhook& webhook() { return webhook_; }
  Alerts& alerts() { return alerts_; }
  Detection& detection() { return detection_; }
  std::vector<std::string> addresses() const {
    return server_ ? server_->addresses() : std::vector<std::string>();
  }
  Result<> SetTls(net::TlsServerOptions tls) {
    return server_ ? server_->SetTls(std::move(tls)) : Result<>(Ok{});
  }

 private:
  bool Ready(std::string_view id) const {
    auto clusters = services_.inventory.Clusters();
    return std::any_of(clusters.begin(), clusters.end(),
                       [&](const Cluster& c) { return c.id == id && c.state == "ready"; });
  }

  Services& services_;
  const AuditFeatureOptions options_;
  Alerts alerts_;
  Detection detection_;
  AuditWebhook webhook_;
  KubernetesEvents kubernetes_;
  EventTeller teller_;
  std::unique_ptr<Pipeline::Subscription> told_;
  std::vector<std::unique_ptr<AuditFileSource>> files_;
  std::unique_ptr<net::HttpServer> server_;
};

AuditFeature& Own(Feature& feature) { return static_cast<AuditFeature&>(feature); }

}  // namespace

Result<std::unique_ptr<Feature>> MakeAudit(Services& services, AuditFeatureOptions options) {
  auto rules = BW_TRY(detect::RuleSet::BuiltIn());
  for (const std::string& folder : options.rule_folders) BW_TRY(rules.AddFolder(folder));
  auto feature = std::make_unique<AuditFeature>(
      services, std::move(options), std::make_shared<const detect::RuleSet>(std::move(rules)));
  BW_TRY(feature->Open());
  return std::unique_ptr<Feature>(std::move(feature));
}

AuditWebhook& AuditWebhookOf(Feature& audit) { return Own(audit).webhook(); }
Alerts& AlertsOf(Feature& audit) { return Own(audit).alerts(); }
Detection& DetectionOf(Feature& audit) { return Own(audit).detection(); }
std::vector<std::string> AuditAddressesOf(const Feature& audit) {
  return static_cast<const AuditFeature&>(audit).addresses();
}
Result<> SetAuditTls(Feature& audit, net::TlsServerOptions tls) {
  return Own(audit).SetTls(std::move(tls));
}

}  // namespace bulwark::audit
