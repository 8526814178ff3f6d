#include "app/server/system_routes.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "app/server/backup.h"
#include "app/server/support.h"
#include "app/server/system_schemas.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/api/api.h"
#include "platform/config/config.h"
#include "platform/inventory/inventory.h"
#include "platform/schedule/schedule.h"
#include "platform/store/event_store.h"

namespace bulwark {

namespace {

using api::Request;
using api::Response;

constexpr int64_t kDay = int64_t{86'400} * 1'000'000;
constexpr std::string_view kSettings = "settings";
constexpr std::string_view kRecord = "server";

// Days that things are kept, unless settings say otherwise; 0: for ever.
struct Kept {
  std::string_view name;  // in settings.retention
  int64_t days;
};
constexpr Kept kEventDays[] = {{"audit", 30},      {"kubernetes", 30}, {"finding", 180},
                               {"alert", 180},     {"asset", 90},      {"access", 365},
                               {"exception", 365}, {"node", 90},       {"other", 90}};
constexpr Kept kRecordDays[] = {
    {"closedFindings", 90}, {"runs", 90}, {"resolvedAlerts", 180}, {"trends", 400}};

uint64_t ResidentBytes() {
  auto text = ReadFile("/proc/self/statm");
  if (!text) return 0;
  auto words = SplitWords(*text);
  return words.size() < 2 ? 0
                          : std::strtoull(std::string(words[1]).c_str(), nullptr, 10) *
                                static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Value Str(Arena& arena, std::string_view text) { return Value::String(arena, text); }

class System {
 public:
  System(Services& services, SystemOptions options)
      : services_(services),
        options_(std::move(options)),
        dropped_(services.metrics.AddCounter("bulwark_events_expired_total",
                                             "Events that retention or the size limit dropped.")) {}

  Result<> AddAll() {
    BW_TRY(services_.state.Define({.name = std::string(kSettings), .version = 1}));
    AddSystemSchemas(services_.api);
    Add(
        "GET", "/healthz", "healthz", "Whether the process runs", api::kPublic,
        [](Request&) -> Result<Response> { return Plain("ok\n"); }, {}, "", "text/plain");
    Add(
        "GET", "/readyz", "readyz", "Whether the server can serve", api::kPublic,
        [this](Request&) -> Result<Response> {
          BW_TRY(services_.state.Get(kSettings, kRecord));
          BW_TRY(services_.events.Get("none"));
          return Plain("ok\n");
        },
        {}, "", "text/plain");
    Add(
        "GET", "/metrics", "metrics", "Metrics in Prometheus' text format", "system.read",
        [this](Request&) -> Result<Response> {
          Response response = Plain(services_.metrics.Expose());
          response.content_type = "text/plain; version=0.0.4; charset=utf-8";
          return response;
        },
        {}, "", "text/plain");
    Add(
        "GET", "/api/v1/system", "getSystem", "The server itself", "system.read",
        [this](Request& r) { return About(r); }, {}, "System");
    Add(
        "GET", "/api/v1/settings", "getSettings", "Settings", "settings.read",
        [this](Request& r) { return Settings(r); }, {}, "Settings");
    services_.api.Add({.method = "PATCH",
                       .path = "/api/v1/settings",
                       .id = "patchSettings",
                       .tag = "system",
                       .summary = "Change settings (JSON merge patch)",
                       .permission = "settings.write",
                       .request = "SettingsPatch",
                       .response = "Settings",
                       .handler = [this](Request& r) { return Patch(r); }});
    Add(
        "GET", "/api/v1/overview", "getOverview", "Everything at a glance", "findings.read",
        [this](Request& r) { return Overview(r); },
        {{.name = "cluster", .description = "Its id; all where absent"},
         {.name = "namespace", .description = "Its name; all where absent"}},
        "Overview");
    Add(
        "GET", "/api/v1/config", "exportConfig", "All settings as objects", "settings.read",
        [this](Request& r) { return ExportConfig(r); },
        {{.name = "kinds", .description = "Comma between; all where absent"}}, "ConfigObjects");
    services_.api.Add(
        {.method = "POST",
         .path = "/api/v1/config",
         .id = "applyConfig",
         .tag = "system",
         .summary = "Apply objects, or say what that would change",
         .permission = "settings.write",
         .parameters = {{.name = "dryRun",
                         .description = "Only say it",
                         .schema = R"({"type":"boolean"})"},
                        {.name = "prune",
                         .description = "Delete objects of the kinds given that are not among them",
                         .schema = R"({"type":"boolean"})"}},
         .request = R"({"type":"object","required":["items"],"properties":{"items":{
                         "type":"array","maxItems":10000,"items":{"type":"object"}}}})",
         .response = "ConfigChanges",
         .max_body_bytes = size_t{16} << 20,
         .handler = [this](Request& r) { return ApplyConfig(r); }});
    services_.api.Add({.method = "POST",
                       .path = "/api/v1/system/backup",
                       .id = "backUp",
                       .tag = "system",
                       .summary = "Back up to the server's data folder",
                       .permission = "system.backup",
                       .response = "Backup",
                       .status = 201,
                       .handler = [this](Request& r) { return BackUp(r); }});
    Add(
        "GET", "/api/v1/system/support", "getSupportBundle",
        "What helps to find out what is wrong; no secrets", "system.backup",
        [this](Request& r) { return Support(r); }, {}, "", "application/gzip");
    services_.scheduler.Every("retention", "@every 10m",
                              [this](const std::stop_token& stop) { Forget(stop); });
    return Ok();
  }

 private:
  // `type` is what it answers with, where that is not JSON.
  void Add(std::string method, std::string path, std::string id, std::string summary,
           std::string_view permission, api::Handler handler,
           std::vector<api::Parameter> parameters, std::string response, std::string type = {}) {
    std::vector<std::string> types;
    if (!type.empty()) types.push_back(std::move(type));
    services_.api.Add({.method = std::move(method),
                       .path = std::move(path),
                       .id = std::move(id),
                       .tag = "system",
                       .summary = std::move(summary),
                       .permission = std::string(permission),
                       .parameters = std::move(parameters),
                       .response = std::move(response),
                       .types = types,
                       .handler = std::move(handler)});
  }
  static Response Plain(std::string text) {
    Response response;
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(text);
    return response;
  }

  // --- About

  Result<Value> Describe(Arena& arena) {
    store::StateStore::Stats state = BW_TRY(services_.state.Statistics());
    store::EventStore::Stats events = BW_TRY(services_.events.Statistics());
    Timestamp now = Now();
    MapBuilder records(arena);
    for (const auto& [name, count] : state.records)
      records.Add(Str(arena, name), Value::Uint(count));
    MapBuilder of_state(arena), of_events(arena), stores(arena), root(arena);
    of_state.Add("bytes", Value::Uint(state.bytes)).Add("records", records.Finish());
    of_events.Add("bytes", Value::Uint(events.bytes)).Add("events", Value::Uint(events.events));
    if (events.events != 0) {
      of_events.Add("oldest", Str(arena, FormatTime(events.oldest_us)));
      of_events.Add("newest", Str(arena, FormatTime(events.newest_us)));
    }
    stores.Add("state", of_state.Finish()).Add("events", of_events.Finish());
    root.Add("version", Str(arena, services_.version));
    root.Add("uptime", Value::Int(now.seconds - options_.started.seconds));
    root.Add("stores", stores.Finish());
    std::vector<Value> queues, listeners;
    if (options_.queues) {
      for (const SystemOptions::Queue& q : options_.queues()) {
        queues.push_back(MapBuilder(arena)
                             .Add("name", Str(arena, q.name))
                             .Add("queued", Value::Uint(q.queued))
                             .Add("dropped", Value::Uint(q.dropped))
                             .Finish());
      }
    }
    if (options_.listeners) {
      for (const auto& [name, address] : options_.listeners()) {
        listeners.push_back(MapBuilder(arena)
                                .Add("name", Str(arena, name))
                                .Add("address", Str(arena, address))
                                .Add("tls", Value::Bool(true))
                                .Finish());
      }
    }
    root.Add("queues", Value::Array(arena, queues));
    root.Add("listeners", Value::Array(arena, listeners));
    root.Add("clusters", Value::Uint(services_.inventory.Clusters().size()));
    uint64_t agents = BW_TRY(services_.state.Count("agents", store::Query::All()));
    root.Add("agents", Value::Uint(agents));
    root.Add("memory", MapBuilder(arena).Add("rss", Value::Uint(ResidentBytes())).Finish());
    return root.Finish();
  }

  Result<Response> About(Request& r) { return Response::Json(ToJson(BW_TRY(Describe(*r.arena)))); }

  // --- Settings

  Result<std::pair<Value, uint64_t>> ReadSettings(Arena& arena) {
    auto record = BW_TRY(services_.state.Get(kSettings, kRecord));
    Value own = Value::EmptyMap();
    if (record) own = BW_TRY(ParseJson(arena.Copy(record->body), arena, {.borrow_text = true}));
    MapBuilder retention(arena), all(arena);
    auto add = [&](const Kept& kept) {
      const Value* days = own["retention"].Find(kept.name);
      retention.Add(kept.name, days != nullptr ? *days : Value::Int(kept.days));
    };
    for (const Kept& kept : kEventDays) add(kept);
    for (const Kept& kept : kRecordDays) add(kept);
    all.Add("retention", retention.Finish());
    const Value* bytes = own.Find("maxEventBytes");
    all.Add("maxEventBytes", bytes != nullptr ? *bytes : Value::Uint(options_.max_event_bytes));
    const Value* owners = own.Find("ownerExceptions");
    all.Add("ownerExceptions", owners != nullptr ? *owners : Value::EmptyArray());
    return std::pair(all.Finish(), record ? record->revision : 0);
  }

  Result<Response> Settings(Request& r) {
    auto [settings, revision] = BW_TRY(ReadSettings(*r.arena));
    Response response = Response::Json(ToJson(settings));
    response.revision = revision;
    return response;
  }

  Result<Response> Patch(Request& r) {
    Arena& arena = *r.arena;
    auto [now, revision] = BW_TRY(ReadSettings(arena));
    MapBuilder retention(arena), all(arena);
    Value days = now["retention"];
    for (const Value::Entry& entry : days.entries()) retention.Add(entry.key, entry.value);
    Value asked = r.body["retention"];
    for (const Value::Entry& entry : asked.entries()) {
      std::string_view name = entry.key.AsString();
      if (days.Find(name) == nullptr) {
        return Error(Code::kInvalid, "settings.retention",
                     fmt::format("retention.{}: there is nothing of that kind", name),
                     {{"name", std::string(name)}});
      }
      retention.Add(entry.key, entry.value);
    }
    all.Add("retention", retention.Finish());
    for (std::string_view name : {"maxEventBytes", "ownerExceptions"}) {
      const Value* value = r.body.Find(name);
      all.Add(name, value != nullptr ? *value : now[name]);
    }
    Value next = all.Finish();
    store::Batch batch;
    batch.Put(kSettings, kRecord, ToJson(next), r.IfMatch().value_or(revision));
    Response response = Response::Json(ToJson(next));
    response.revision = BW_TRY(services_.state.Commit(batch));
    if (options_.settings_changed) options_.settings_changed();
    return response;
  }

  void Forget(const std::stop_token& stop) {
    Arena arena;
    auto settings = ReadSettings(arena);
    if (!settings) return Log(Level::kError, "retention", {{"error", settings.error()}});
    Value days = settings->first["retention"];
    auto age = [&](std::string_view name) { return days[name].ToInt().value_or(0) * kDay; };
    std::vector<store::Retention> kinds;
    for (const Kept& kept : kEventDays) {
      kinds.push_back({.kind = kept.name == "other" ? "*" : std::string(kept.name),
                       .max_age_us = age(kept.name)});
    }
    int64_t now = NowUs();
    auto max_bytes = static_cast<uint64_t>(settings->first["maxEventBytes"].ToInt().value_or(0));
    auto expired = services_.events.Expire(kinds, max_bytes, now);
    if (!expired) {
      Log(Level::kError, "retention", {{"error", expired.error()}});
    } else {
      for (const auto& [kind, count] : *expired) {
        dropped_.Add(count);
        Log(Level::kInfo, "retention.events", {{"kind", kind}, {"events", count}});
      }
    }
    struct Old {
      std::string_view setting, collection, field, status_field, status;
    };
    static constexpr Old kOld[] = {
        {"resolvedAlerts", "alerts", "last", "state", "resolved"},
    };
    for (const Old& old : kOld) {
      if (stop.stop_requested()) return;
      int64_t max_age = age(old.setting);
      if (max_age == 0) continue;
      const auto* fields = services_.state.Fields(old.collection);
      if (fields == nullptr) continue;
      std::string text = fmt::format("{}:<{}", old.field, FormatTime(now - max_age));
      if (!old.status_field.empty()) text += fmt::format(" {}:{}", old.status_field, old.status);
      auto query = store::ParseQuery(text, *fields, old.field, now);
      if (!query) {
        Log(Level::kError, "retention", {{"error", query.error()}});
        continue;
      }
      store::Batch batch;
      batch.DeleteWhere(old.collection, *query);
      auto done = services_.state.Commit(batch);
      if (!done) Log(Level::kError, "retention", {{"error", done.error()}});
    }
  }

  // --- Overview

  // What the overview is of; "" is all.
  struct Part {
    std::string cluster, ns;
    void Narrow(std::vector<store::Query>& all) const {
      if (!cluster.empty()) all.push_back(store::Query::Exactly("cluster", cluster));
      if (!ns.empty()) all.push_back(store::Query::Exactly("ns", ns));
    }
  };

  // The worst of a collection, as people read them.
  Result<std::vector<Value>> Worst(
      const Request& r, std::string_view collection, std::string_view permission,
      std::string_view text, const Part& part, std::string_view sort, int limit,
      const std::function<Value(const Value&, Language, Arena&)>& render) {
    std::vector<Value> out;
    auto visible = r.principal.Visible(permission);
    const auto* fields = services_.state.Fields(collection);
    if (!visible || fields == nullptr) return out;
    store::Query query = BW_TRY(store::ParseQuery(text, *fields, "", r.now_us));
    std::vector<store::Query> all = {std::move(query), std::move(*visible)};
    part.Narrow(all);
    store::ListPage page = BW_TRY(services_.state.List(
        collection,
        {.filter = store::Query::And(std::move(all)), .sort = std::string(sort), .limit = limit}));
    for (const store::Record& record : page.records) {
      Value body = BW_TRY(ParseJson(r.arena->Copy(record.body), *r.arena, {.borrow_text = true}));
      out.push_back(render ? render(body, r.language, *r.arena) : body);
    }
    return out;
  }

  Result<uint64_t> CountVisible(const Request& r, std::string_view collection,
                                std::string_view permission, std::string_view text,
                                const Part& part) {
    auto visible = r.principal.Visible(permission);
    const auto* fields = services_.state.Fields(collection);
    if (!visible || fields == nullptr) return uint64_t{0};
    std::vector<store::Query> all = {
      BW_TRY(store::ParseQuery(text, *fields, "", r.now_us)),
      std::move(*visible)
    };
    part.Narrow(all);
    return services_.state.Count(collection, store::Query::And(std::move(all)));
  }

  Result<Response> Overview(Request& r) {
    Arena& arena = *r.arena;
    const Part part{r.Query("cluster").value_or(""), r.Query("namespace").value_or("")};
    const Part clusters_only{part.cluster, ""};
    const std::string& cluster = part.cluster;
    MapBuilder root(arena), severities(arena), counts(arena);

    // Scores of the clusters that may be seen as a whole; else of what findings may be seen.
    int64_t score = 0, scored = 0;
    std::map<std::string, uint64_t> by_severity;
    BW_TRY(services_.state.Scan(
        "inspections", store::Query::All(), [&](const store::Record& record) -> Result<> {
          if (!cluster.empty() && record.key != cluster) return Ok();
          if (!r.principal.May("inspections.read", record.key, part.ns)) return Ok();
          Arena scratch(1 << 16);
          Value body = BW_TRY(ParseJson(record.body, scratch, {.borrow_text = true}));
          if (!part.ns.empty()) {
            body = body["byNamespace"][part.ns];
            if (body.IsNull()) return Ok();
          }
          score += body["score"].ToInt().value_or(0);
          ++scored;
          return Ok();
        }));
    if (auto visible = r.principal.Visible("findings.read", true)) {
      std::vector<store::Query> all = {std::move(*visible), store::Query::Equals("status", "open")};
      part.Narrow(all);
      auto groups = BW_TRY(
          services_.state.GroupBy("findings", store::Query::And(std::move(all)), {"severity"}, 10));
      for (const store::Group& group : groups) by_severity[group.values[0]] += group.count;
    }
    for (std::string_view name : {"critical", "high", "medium", "low", "info"}) {
      severities.Add(name, Value::Uint(by_severity[std::string(name)]));
    }
    if (scored != 0) root.Add("score", Value::Int(score / scored));
    std::vector<Value> trend;
    if (options_.trend) trend = BW_TRY(options_.trend(r.principal, part.cluster, part.ns, arena));
    root.Add("trend", Value::Array(arena, trend));
    root.Add("bySeverity", severities.Finish());
    root.Add("topRisks",
             Value::Array(arena, BW_TRY(Worst(r, "findings", "findings.read",
                                              "status:open severity:>=medium", part,
                                              "-severity,-first", 8, options_.render_finding))));
    root.Add("topAlerts",
             Value::Array(arena, BW_TRY(Worst(r, "alerts", "alerts.read", "-state:resolved", part,
                                              "-severity,-last", 8, options_.render_alert))));

    // Clusters, and what is not covered.
    std::vector<Value> clusters, coverage;
    uint64_t ready = 0, total = 0, nodes = 0;
    BW_TRY(services_.state.Scan(
        "clusters", store::Query::All(), [&](const store::Record& record) -> Result<> {
          if (!cluster.empty() && record.key != cluster) return Ok();
          if (!r.principal.May("clusters.read", record.key, "")) return Ok();
          Value body = BW_TRY(ParseJson(arena.Copy(record.body), arena, {.borrow_text = true}));
          ++total;
          if (body.StringAt("state") == "ready") ++ready;
          nodes += static_cast<uint64_t>(body["nodes"].ToInt().value_or(0));
          clusters.push_back(body);
          return Ok();
        }));
    root.Add("clusters", Value::Array(arena, clusters));
    auto cover = [&](std::string_view what, uint64_t covered, uint64_t of,
                     const bulwark::Text& why) {
      coverage.push_back(MapBuilder(arena)
                             .Add("what", Value::String(what))
                             .Add("covered", Value::Uint(std::min(covered, of)))
                             .Add("total", Value::Uint(of))
                             .Add("why", Str(arena, why.In(r.language)))
                             .Finish());
    };
    cover("clusters", ready, total,
          {"A cluster that does not answer, or may not be read, is not watched",
           "无法连接或无权读取的集群不在监测之中"});
    uint64_t inspected =
        BW_TRY(CountVisible(r, "inspected", "inspections.read", "workload:true", part));
    uint64_t workloads = BW_TRY(
        CountVisible(r, "assets", "assets.read", "class:workload -gone:true -has:owner", part));
    cover("workloads", std::min(inspected, workloads), workloads,
          {"Workloads of kinds that may not be read are not judged",
           "无权读取的类型中的工作负载不会被检查"});
    uint64_t agents = BW_TRY(CountVisible(r, "agents", "agents.read", "", clusters_only));
    cover("nodes", agents, nodes,
          {"Without an agent, a node's kernel, runtime and files are not judged",
           "未部署代理的节点，其内核、运行时和文件不会被检查"});
    std::vector<std::string> audited;
    uint64_t with_audit = 0;
    for (const Value& c : clusters) {
      store::EventQuery query{.filter = store::Query::And(
                                  {store::Query::Equals("kind", "audit"),
                                   store::Query::Equals("cluster", std::string(c.StringAt("id")))}),
                              .since_us = r.now_us - 3'600'000'000,
                              .limit = 1,
                              .bodies = false};
      auto page = BW_TRY(services_.events.Search(query));
      if (!page.events.empty()) ++with_audit;
    }
    cover("audit", with_audit, total,
          {"Without API audit events, of the last hour, nobody sees who does what",
           "最近一小时没有 API 审计事件的集群，无从得知谁做了什么"});
    root.Add("coverage", Value::Array(arena, coverage));
    auto count = [&](std::string_view name, std::string_view collection,
                     std::string_view permission, std::string_view text) -> Result<> {
      counts.Add(name, Value::Uint(BW_TRY(CountVisible(r, collection, permission, text, part))));
      return Ok();
    };
    BW_TRY(count("openFindings", "findings", "findings.read", "status:open"));
    BW_TRY(count("exceptedFindings", "findings", "findings.read", "status:excepted"));
    BW_TRY(count("openAlerts", "alerts", "alerts.read", "state:open"));
    BW_TRY(count("requestedExceptions", "exceptions", "exceptions.read", "state:requested"));
    BW_TRY(count("pods", "assets", "assets.read", "kind:Pod -gone:true"));
    counts.Add("workloads", Value::Uint(workloads)).Add("nodes", Value::Uint(nodes));
    root.Add("counts", counts.Finish());
    return Response::Json(ToJson(root.Finish()));
  }

  // --- Config

  Result<Response> ExportConfig(Request& r) {
    std::vector<std::string> kinds;
    if (auto text = r.Query("kinds")) {
      for (std::string_view kind : Split(*text, ',')) {
        if (services_.config.Find(kind) == nullptr) {
          return Error(Code::kInvalid, "config.kind", fmt::format("there is no kind {}", kind),
                       {{"object", std::string(kind)}});
        }
        kinds.emplace_back(kind);
      }
    }
    auto objects = BW_TRY(services_.config.Export(
        kinds, [&](const ConfigKind& kind) { return r.principal.May(kind.noun + ".read", "", ""); },
        *r.arena));
    return Response::Json(
        ToJson(MapBuilder(*r.arena).Add("items", Value::Array(*r.arena, objects)).Finish()));
  }

  Result<Response> ApplyConfig(Request& r) {
    bool dry = r.Query("dryRun") == "true", prune = r.Query("prune") == "true";
    Value items = r.body["items"];
    std::vector<ConfigChange> changes = BW_TRY(services_.config.Plan(
        items.items(), prune, {.id = r.principal.id, .may = [&](std::string_view permission) {
                                 return r.principal.May(permission, "", "");
                               }}));
    std::vector<Value> out;
    for (const ConfigChange& change : changes) {
      const ConfigKind* kind = services_.config.Find(change.kind);
      // Who may not write a kind cannot do so this way either.
      BW_TRY(r.Require(kind->noun + ".read", "", ""));
      if (!dry) BW_TRY(r.Require(kind->noun + ".write", "", ""));
      out.push_back(MapBuilder(*r.arena)
                        .Add("op", Value::String(ConfigOpName(change.op)))
                        .Add("kind", Str(*r.arena, change.kind))
                        .Add("name", Str(*r.arena, change.name))
                        .Add("diff", Str(*r.arena, change.diff))
                        .Finish());
    }
    if (!dry) BW_TRY(services_.config.Apply(changes));
    return Response::Json(ToJson(MapBuilder(*r.arena)
                                     .Add("changes", Value::Array(*r.arena, out))
                                     .Add("applied", Value::Bool(!dry))
                                     .Finish()));
  }

  // --- Backup and support

  Result<Response> BackUp(Request& r) {
    std::string stamp = FormatTime(r.now_us);
    std::erase_if(stamp, [](char c) { return c == ':' || c == '.' || c == '-'; });
    std::string folder = fmt::format("{}/backups/{}", services_.data_folder, stamp);
    BackupManifest manifest =
        BW_TRY(WriteBackup(services_.state, services_.events, folder, services_.version));
    MapBuilder out(*r.arena);
    out.Add("folder", Str(*r.arena, folder)).Add("bytes", Value::Uint(manifest.bytes()));
    return Response::Json(ToJson(out.Finish()), 201);
  }

  Result<Response> Support(Request& r) {
    Arena& arena = *r.arena;
    SupportParts parts;
    parts.push_back({ "system.json", ToJson(BW_TRY(Describe(arena)), {.indent = 2}) });
    parts.push_back({ "settings.json", ToJson(BW_TRY(ReadSettings(arena)).first, {.indent = 2}) });
    parts.push_back({"metrics.txt", services_.metrics.Expose()});
    auto objects = BW_TRY(services_.config.Export(
        {}, [&](const ConfigKind& kind) { return r.principal.May(kind.noun + ".read", "", ""); },
        arena));
    parts.push_back({"config.json", ToJson(Value::Array(arena, objects), {.indent = 2})});
    std::vector<Value> clusters;
    BW_TRY(services_.state.Scan(
        "clusters", store::Query::All(), [&](const store::Record& record) -> Result<> {
          clusters.push_back(BW_TRY(ParseJson(arena.Copy(record.body), arena)));
          return Ok();
        }));
    parts.push_back({"clusters.json", ToJson(Value::Array(arena, clusters), {.indent = 2})});
    if (options_.recent_log) parts.push_back({"log.txt", options_.recent_log()});
    Response response;
    response.content_type = "application/gzip";
    response.body = BW_TRY(MakeSupportBundle(parts, r.now_us / 1'000'000));
    response.headers.emplace_back("Content-Disposition",
                                  fmt::format("attachment; filename=\"bulwark-support-{}.tar.gz\"",
                                              FormatTime(r.now_us).substr(0, 10)));
    return response;
  }

  Services& services_;
  const SystemOptions options_;
  Counter& dropped_;
};

}  // namespace

Result<std::shared_ptr<void>> AddSystemRoutes(Services& services, SystemOptions options) {
  auto system = std::make_shared<System>(services, std::move(options));
  BW_TRY(system->AddAll());
  return std::shared_ptr<void>(system);
}

}  // namespace bulwark
