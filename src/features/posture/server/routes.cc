#include "features/posture/server/routes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "features/posture/fix.h"
#include "features/posture/server/schemas.h"
#include "formats/diff.h"
#include "formats/json.h"
#include "formats/yaml_write.h"
#include "kube/object.h"
#include "model/output/output.h"
#include "model/record.h"
#include "platform/api/api.h"

namespace bulwark::posture {

namespace {

using api::Request;
using api::Response;

// The finding that a record is, as far as its message needs it.
Finding FindingOf(const Value& record) {
  Finding f;
  f.check = record.StringAt("check");
  f.status = record.StringAt("state") == "error" ? Status::kError : Status::kFail;
  f.asset = AssetOf(record["asset"]);
  f.evidence.path = record.StringAt("path");
  f.evidence.value = record.StringAt("value");
  f.evidence.container = record.StringAt("container");
  Value args = record["args"];
  for (const Value::Entry& arg : args.entries()) {
    f.args.emplace_back(arg.key.AsString(), arg.value.IsString() ? arg.value.AsString() : "");
  }
  return f;
}

Value Strings(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> values;
  for (const std::string& text : texts) values.push_back(Value::String(arena, text));
  return Value::Array(arena, values);
}

Value SummaryOf(const CheckInfo& info, Language language, Arena& arena) {
  MapBuilder out(arena);
  auto text = [&](const Text& t) { return Value::String(arena, t.In(language)); };
  out.Add("id", Value::String(arena, info.id));
  out.Add("severity", Value::String(SeverityName(info.severity)));
  out.Add("category", Value::String(arena, info.category));
  out.Add("title", text(info.title)).Add("description", text(info.description));
  out.Add("why", text(info.why)).Add("remedy", text(info.remedy));
  out.Add("mitre", Strings(info.mitre, arena));
  MapBuilder controls(arena);
  for (const auto& [framework, ids] : info.controls) {
    controls.Add(Value::String(arena, framework), Strings(ids, arena));
  }
  out.Add("controls", controls.Finish());
  out.Add("fixable", Value::Bool(info.has_fix));
  out.Add("origin", Value::String(arena, info.origin));
  return out.Finish();
}

// What of several clusters' records ({name: {passed, …}}) stands under one name, added up.
struct Sums {
  std::map<std::string, Tally> by_name;
  void Add(const Value& by) {
    for (const Value::Entry& entry : by.entries()) {
      Tally& tally = by_name[std::string(entry.key.AsString())];
      auto number = [&](std::string_view name) {
        return static_cast<uint64_t>(entry.value[name].ToInt().value_or(0));
      };
      tally.passed += number("passed");
      tally.failed += number("failed");
      tally.errors += number("errors");
      tally.excused += number("excepted");
    }
  }
};

void AddCounts(const Tally& tally, MapBuilder& out) {
  out.Add("passed", Value::Uint(tally.passed));
  out.Add("failed", Value::Uint(tally.failed));
  out.Add("errors", Value::Uint(tally.errors));
  out.Add("excepted", Value::Uint(tally.excused));
}

Error NoFinding() {
  return Error(Code::kNotFound, "finding.not_found", "no such finding, or you may not see it");
}
Error NoException() {
  return Error(Code::kNotFound, "exception.not_found", "no such exception, or you may not see it");
}

std::vector<std::string> TextsOf(const Value& array) {
  std::vector<std::string> out;
  for (const Value& item : array.items()) {
    if (item.IsString()) out.emplace_back(item.AsString());
  }
  return out;
}

// Where an exception counts, as a scope: throughout it must be allowed whoever asks for one, agrees
// to one or ends one. What a pattern could match counts, and clusters go by id or name.
api::Scope ScopeOf(const Value& exception) {
  api::Scope scope;
  std::string_view cluster = exception.StringAt("cluster"), ns = exception.StringAt("namespace");
  if (!cluster.empty() && cluster.find_first_of("*?\\") == std::string_view::npos)
    scope.clusters.emplace_back(cluster);
  // One of stars alone also matches what is in no namespace.
  if (ns.find_first_not_of('*') != std::string_view::npos) scope.namespaces.emplace_back(ns);
  Value labels = exception["labels"];
  for (const Value::Entry& label : labels.entries()) {
    if (!label.key.IsString() || !label.value.IsString()) continue;
    std::string value(label.value.AsString());
    scope.labels.emplace_back(label.key.AsString(), value.empty() ? "*" : value);
  }
  return scope;
}

class Routes {
 public:
  Routes(Services& services, LivePosture& posture,
         std::function<bool(const std::string&)> others_may_approve)
      : services_(services),
        posture_(posture),
        others_may_approve_(std::move(others_may_approve)) {}

  void AddAll() {
    api::Api& api = services_.api;
    AddPostureSchemas(api);

    api.AddCollection(
        {.path = "/api/v1/findings",
         .collection = std::string(kFindings),
         .tag = "findings",
         .id = "Finding",
         .permission = "findings.read",
         .schema = "Finding",
         .labels = true,
         .time_field = "first",
         .csv_columns = {"id", "severity", "status", "check", "title", "message", "asset.cluster",
                         "asset.kind", "asset.namespace", "asset.name", "container", "path",
                         "value", "firstSeen", "lastSeen", "closedAt"},
         .render = [this](const Request& r, const store::Record&, Value body, Arena& arena,
                          Value& out) {
           bool full = r.path.contains("key") || r.path.contains("id");
           out = RenderFinding(posture_.known(), body, r.language, full, arena);
         }});
    api.AddCollection(
        {.path = "/api/v1/inspections/workloads",
         .collection = std::string(kInspected),
         .tag = "workloads",
         .id = "InspectedWorkload",
         .permission = "inspections.read",
         .schema = "InspectedWorkload",
         .labels = true,
         .csv_columns = {"asset.cluster", "asset.kind", "asset.namespace", "asset.name", "score",
                         "passed", "failed", "errors", "excepted"}});
    api.AddCollection({.path = "/api/v1/runs",
                       .collection = std::string(kRuns),
                       .tag = "runs",
                       .id = "Run",
                       .permission = "inspections.read",
                       .schema = "Run",
                       .time_field = "started"});
    api.AddCollection(
        {.path = "/api/v1/exceptions",
         .collection = std::string(kExceptions),
         .tag = "exceptions",
         .id = "Exception",
         .permission = "exceptions.read",
         .schema = "Exception",
         .time_field = "requested",
         .csv_columns = {"id", "check", "state", "cluster", "namespace", "kind", "name", "reason",
                         "requestedBy", "requestedAt", "decidedBy", "decidedAt", "expires"},
         .render = [this](const Request&, const store::Record& record, Value body, Arena& arena,
                          Value& out) { RenderException(record, body, arena, out); }});

    Get("/api/v1/findings/{id}/fix", "getFindingFix", "findings", "The change that fixes a finding",
        "findings.read", "FindingFix", [this](Request& r) { return Fix(r); });
    Get("/api/v1/checks", "listChecks", "checks", "Every check, with how it came out",
        "findings.read", "CheckList", [this](Request& r) { return Checks(r); });
    Get("/api/v1/checks/{check}", "getCheck", "checks", "A check", "findings.read", "Check",
        [this](Request& r) { return OneCheck(r); });
    Get("/api/v1/frameworks", "listFrameworks", "checks", "Frameworks and their controls",
        "findings.read", "FrameworkList", [this](Request& r) { return Frameworks(r); });
    Get("/api/v1/frameworks/{framework}", "getFramework", "checks", "A framework's controls",
        "findings.read", "Framework", [this](Request& r) { return OneFramework(r); });
    Get("/api/v1/inspections", "listInspections", "inspections", "How each cluster stands",
        "inspections.read", "InspectionList", [this](Request& r) { return Inspections(r); },
        {{.name = "cluster", .description = "Its id"}});
    Get("/api/v1/trends", "listTrends", "inspections", "How a cluster did, day by day",
        "inspections.read", "TrendList", [this](Request& r) { return Trends(r); },
        {{.name = "cluster", .description = "Its id; all where absent"},
         {.name = "namespace", .description = "Its name; all where absent"},
         {.name = "days",
          .description = "How many",
          .schema = R"({"type":"integer","minimum":1,"maximum":400,"default":30})"}});
    Get("/api/v1/inspections/report", "getInspectionReport", "inspections",
        "A full inspection's report, to keep", "inspections.run", R"({"type":"object"})",
        [this](Request& r) { return Report(r); },
        {{.name = "cluster", .description = "Its id", .required = true},
         {.name = "format",
          .description = "Of the report",
          .schema =
              R"({"type":"string","enum":["html","json","sarif","junit","markdown","csv"],"default":"html"})"}},
        {"text/html", "application/sarif+json", "application/xml", "text/markdown", "text/csv"});
    Post(
        "/api/v1/inspections/run", "runInspection", "inspections", "Inspect a cluster now",
        "inspections.run", R"({"type":"object","required":["cluster"],"properties":{"cluster":
         {"type":"string","minLength":1}},"additionalProperties":false})",
        "RunStarted", [this](Request& r) { return RunNow(r); }, 202);
    Post(
        "/api/v1/exceptions", "requestException", "exceptions", "Ask for an exception",
        "exceptions.request", "ExceptionRequest", "Exception",
        [this](Request& r) { return Ask(r, r.body); }, 201);
    Post(
        "/api/v1/findings/{id}/exception", "exceptFinding", "exceptions",
        "Ask for an exception for one finding's check at its object", "exceptions.request",
        R"({"type":"object","required":["reason"],"additionalProperties":false,"properties":{
         "reason":{"type":"string","minLength":1,"maxLength":2000},"expires":{"type":"string"},
         "scope":{"type":"string","enum":["object","namespace","cluster","everywhere"],"default":"object"},
         "approve":{"type":"boolean"}}})",
        "Exception", [this](Request& r) { return ExceptFinding(r); }, 201);
    for (std::string_view step : {"approve", "refuse", "withdraw"}) {
      Post(
          fmt::format("/api/v1/exceptions/{{id}}/{}", step), fmt::format("{}Exception", step),
          "exceptions", fmt::format("Exceptions: {}", step),
          step == "withdraw" ? "exceptions.request" : "exceptions.approve",
          R"({"type":"object","additionalProperties":false,"properties":{"comment":{"type":"string","maxLength":2000}}})",
          "Exception", [this, step](Request& r) { return Decide(r, step); });
    }
    api.Add({.method = "DELETE",
             .path = "/api/v1/exceptions/{id}",
             .id = "deleteException",
             .tag = "exceptions",
             .summary = "Delete an exception",
             .permission = "exceptions.approve",
             .status = 204,
             .handler = [this](Request& r) -> Result<Response> {
               BW_TRY(MayTouchException(r, "exceptions.approve"));
               BW_TRY(posture_.exceptions().Delete(r.Param("id"), r.principal.id));
               return Response::NoContent();
             }});
  }

 private:
  void Get(std::string path, std::string id, std::string tag, std::string summary,
           std::string permission, std::string response, api::Handler handler,
           std::vector<api::Parameter> parameters = {}, std::vector<std::string> types = {}) {
    services_.api.Add({.method = "GET",
                       .path = std::move(path),
                       .id = std::move(id),
                       .tag = std::move(tag),
                       .summary = std::move(summary),
                       .permission = std::move(permission),
                       .parameters = std::move(parameters),
                       .response = std::move(response),
                       .types = std::move(types),
                       .handler = std::move(handler)});
  }
  void Post(std::string path, std::string id, std::string tag, std::string summary,
            std::string_view permission, std::string request, std::string response,
            api::Handler handler, int status = 200) {
    services_.api.Add({.method = "POST",
                       .path = std::move(path),
                       .id = std::move(id),
                       .tag = std::move(tag),
                       .summary = std::move(summary),
                       .permission = std::string(permission),
                       .request = std::move(request),
                       .response = std::move(response),
                       .status = status,
                       .handler = std::move(handler)});
  }

  // --- Findings

  // The record of a finding that the principal may see.
  Result<Value> FindingFor(const Request& r, Arena& arena) const {
    auto record = BW_TRY(services_.state.Get(kFindings, r.Param("id")));
    if (!record) return NoFinding();
    Value body = BW_TRY(ParseJson(record->body, arena));
    if (!May(r, "findings.read", body)) return NoFinding();
    return body;
  }
  static bool May(const Request& r, std::string_view permission, const Value& finding) {
    Value asset = finding["asset"];
    return r.principal.May(permission, asset.StringAt("cluster"), asset.StringAt("namespace"),
                           TextsOf(finding["labels"]));
  }

  Result<Response> Fix(Request& r) {
    Arena arena;
    Value record = BW_TRY(FindingFor(r, arena));
    // It shows the object as it is.
    if (!May(r, "assets.read", record)) {
      return Error(Code::kDenied, "api.denied", "this needs the right assets.read",
                   {{"permission", "assets.read"}});
    }
    const CheckSet& checks = posture_.checks();
    const Check* check = checks.Find(record.StringAt("check"));
    if (check == nullptr || !check->info.has_fix)
      return Error(Code::kNotFound, "finding.no_fix", "there is no fix that a program can make");
    Asset asset = AssetOf(record["asset"]);
    std::string text = BW_TRY(services_.inventory.Object(asset));
    Value object = BW_TRY(ParseJson(text, arena, {.drop_nulls = true, .borrow_text = true}));
    CheckOptions options{.cluster = asset.cluster};
    if (auto client = services_.inventory.ClientOf(asset.cluster))
      options.kubernetes_minor = (*client)->minor_version().value_or(kube::kNewestMinor);
    Checker checker(checks, options);
    auto index = static_cast<size_t>(check - checks.checks().data());
    PlannedFix plan = PlanFix(checks, checker, index, object, arena);
    if (plan.edits.empty())
      return Error(Code::kNotFound, "finding.no_fix",
                   "there is nothing left to fix, or the fix does not help");
    // What the server fills in is not what people write.
    auto shown = [&](const Value& of) {
      MapBuilder out(arena);
      for (const Value::Entry& entry : of.entries()) {
        if (entry.key.AsString() == "status") continue;
        if (entry.key.AsString() != "metadata") {
          out.Add(entry.key, entry.value);
          continue;
        }
        MapBuilder metadata(arena);
        for (const Value::Entry& field : entry.value.entries()) {
          std::string_view name = field.key.AsString();
          if (name == "name" || name == "namespace" || name == "labels" || name == "annotations")
            metadata.Add(field.key, field.value);
        }
        out.Add("metadata", metadata.Finish());
      }
      return ToYaml(out.Finish());
    };
    std::string before = shown(object), after = shown(plan.fixed);
    std::string file = AsciiLower(asset.kind) + "-" + asset.name + ".yaml";
    MapBuilder out(arena);
    out.Add("diff",
            Value::String(arena, UnifiedDiff(before, after,
                                             {.old_name = "a/" + file, .new_name = "b/" + file})));
    out.Add("fixed", Value::String(arena, after));
    out.Add("closes", Value::Uint(plan.failures_closed));
    return Response::Json(ToJson(out.Finish()));
  }

  // --- Checks and frameworks

  // How the clusters stand: in full where the principal may see all of one; else the namespaces
  // that it may see, and these added up.
  Result<std::vector<Value>> VisibleInspections(const Request& r, std::string_view only,
                                                Arena& arena) const {
    std::vector<Value> out;
    BW_TRY(services_.state.Scan(kInspections, store::Query::All(),
                                [&](const store::Record& record) -> Result<> {
                                  if (!only.empty() && record.key != only) return Ok();
                                  Value body = BW_TRY(ParseJson(record.body, arena));
                                  if (!r.principal.May("inspections.read", record.key, "")) {
                                    body = PartOf(r, body, record.key, arena);
                                    if (body.IsNull()) return Ok();
                                  }
                                  out.push_back(body);
                                  return Ok();
                                }));
    return out;
  }
  static Value PartOf(const Request& r, const Value& whole, const std::string& cluster,
                      Arena& arena) {
    Value by_namespace = whole["byNamespace"];
    MapBuilder visible(arena);
    std::map<std::string, int64_t> sums, severities;
    int64_t weighed = 0;
    for (const Value::Entry& entry : by_namespace.entries()) {
      if (!r.principal.May("inspections.read", cluster, entry.key.AsString())) continue;
      visible.Add(entry.key, entry.value);
      int64_t all = 0;
      for (const char* name : {"passed", "failed", "errors", "excepted"}) {
        int64_t n = entry.value[name].ToInt().value_or(0);
        sums[name] += n;
        all += n;
      }
      // By how much was judged: namespaces keep no weights.
      weighed += entry.value["score"].ToInt().value_or(0) * all;
      Value of = entry.value["bySeverity"];
      for (const Value::Entry& s : of.entries())
        severities[std::string(s.key.AsString())] += s.value.ToInt().value_or(0);
    }
    if (visible.size() == 0) return Value::Null();
    MapBuilder out(arena);
    for (const char* name : {"cluster", "clusterName", "kubernetes", "updatedAt"})
      out.Add(name, whole[name]);
    int64_t judged = 0;
    for (const auto& [name, n] : sums) {
      out.Add(Value::String(arena, name), Value::Int(n));
      judged += n;
    }
    out.Add("score", Value::Int(judged == 0 ? 100 : weighed / judged));
    MapBuilder worst(arena);
    for (const auto& [name, n] : severities) worst.Add(Value::String(arena, name), Value::Int(n));
    out.Add("bySeverity", worst.Finish()).Add("byNamespace", visible.Finish());
    return out.Finish();
  }

  // How checks (or controls) came out, as far as the principal may see findings: in full of
  // clusters that it may see all of; of the others what fails, for what passes is not kept by
  // namespace.
  Result<Sums> SumsBy(const Request& r, std::string_view field, const std::string& column,
                      Arena& arena) const {
    using store::Query;
    Sums sums;
    std::string only = r.Query("cluster").value_or("");
    std::vector<Query> others;
    BW_TRY(services_.state.Scan(
        kInspections, Query::All(), [&](const store::Record& record) -> Result<> {
          if (!only.empty() && record.key != only) return Ok();
          if (!r.principal.May("findings.read", record.key, "")) return Ok();
          Value body = BW_TRY(ParseJson(record.body, arena));
          sums.Add(body[field]);
          others.push_back(Query::Not(Query::Exactly("cluster", record.key)));
          return Ok();
        }));
    auto visible = r.principal.Visible("findings.read", true);
    if (!visible) return sums;
    auto count = [&](std::vector<Query> which) -> Result<> {
      which.push_back(*visible);
      which.push_back(Query::AnyOf("status", {"open", "excepted"}));
      if (!only.empty()) which.push_back(Query::Exactly("cluster", only));
      for (const store::Group& group : BW_TRY(services_.state.GroupBy(
               kFindings, Query::And(std::move(which)), {column, "status", "state"}, 10'000))) {
        Tally& tally = sums.by_name[group.values[0]];
        (group.values[1] == "excepted" ? tally.excused
         : group.values[2] == "error"  ? tally.errors
                                       : tally.failed) += group.count;
      }
      return Ok();
    };
    // What others judge is in no inspection's numbers.
    std::vector<std::string> judged_by_others;
    for (const CheckInfo& check : posture_.known().others()) judged_by_others.push_back(check.id);
    if (!judged_by_others.empty()) BW_TRY(count({Query::AnyOf("check", judged_by_others)}));
    if (visible->kind == Query::Kind::kAll) return sums;
    others.push_back(Query::Not(Query::AnyOf("check", judged_by_others)));
    BW_TRY(count(std::move(others)));
    return sums;
  }

  Result<Response> Checks(Request& r) {
    Arena arena;
    Sums sums = BW_TRY(SumsBy(r, "byCheck", "check", arena));
    std::vector<Value> items;
    auto add = [&](const CheckInfo& check) {
      MapBuilder out(arena);
      Value summary = SummaryOf(check, r.language, arena);
      for (const Value::Entry& entry : summary.entries()) out.Add(entry.key, entry.value);
      auto tally = sums.by_name.find(check.id);
      AddCounts(tally == sums.by_name.end() ? Tally() : tally->second, out);
      items.push_back(out.Finish());
    };
    for (const Check& check : posture_.checks().checks()) add(check.info);
    for (const CheckInfo& check : posture_.known().others()) add(check);
    MapBuilder root(arena);
    root.Add("items", Value::Array(arena, items));
    return Response::Json(ToJson(root.Finish()));
  }

  Result<Response> OneCheck(Request& r) {
    const CheckInfo* check = posture_.known().Find(r.Param("check"));
    if (check == nullptr) return Error(Code::kNotFound, "check.not_found", "no such check");
    Arena arena;
    Sums sums = BW_TRY(SumsBy(r, "byCheck", "check", arena));
    MapBuilder out(arena);
    Value summary = SummaryOf(*check, r.language, arena);
    for (const Value::Entry& entry : summary.entries()) out.Add(entry.key, entry.value);
    auto tally = sums.by_name.find(check->id);
    AddCounts(tally == sums.by_name.end() ? Tally() : tally->second, out);
    return Response::Json(ToJson(out.Finish()));
  }

  Value FrameworkOf(const Framework& framework, const Request& r, const Sums& sums, Arena& arena) {
    std::vector<Value> controls;
    Tally total;
    uint64_t passing = 0, failing = 0, silent = 0;
    for (const Control& control : framework.controls) {
      MapBuilder out(arena);
      out.Add("id", Value::String(arena, control.id));
      out.Add("title", Value::String(arena, control.title.In(r.language)));
      std::vector<std::string> checks;
      auto look = [&](const CheckInfo& check) {
        auto ids = check.controls.find(framework.id);
        if (ids != check.controls.end() &&
            std::find(ids->second.begin(), ids->second.end(), control.id) != ids->second.end())
          checks.push_back(check.id);
      };
      for (const Check& check : posture_.checks().checks()) look(check.info);
      for (const CheckInfo& check : posture_.known().others()) look(check);
      auto tally = sums.by_name.find(framework.id + "/" + control.id);
      Tally of = tally == sums.by_name.end() ? Tally() : tally->second;
      bool judged = of.total() != 0;
      std::string_view state = checks.empty()               ? "manual"
                               : !judged                    ? "n/a"
                               : of.failed + of.errors != 0 ? "fail"
                                                            : "pass";
      (state == "pass" ? passing : state == "fail" ? failing : silent) += 1;
      out.Add("status", Value::String(state));
      out.Add("checks", Strings(checks, arena));
      AddCounts(of, out);
      total.Merge(of);
      controls.push_back(out.Finish());
    }
    MapBuilder out(arena);
    out.Add("id", Value::String(arena, framework.id));
    out.Add("version", Value::String(arena, framework.version));
    out.Add("url", Value::String(arena, framework.url));
    out.Add("title", Value::String(arena, framework.title.In(r.language)));
    out.Add("passing", Value::Uint(passing)).Add("failing", Value::Uint(failing));
    out.Add("notAssessed", Value::Uint(silent));
    AddCounts(total, out);
    out.Add("controls", Value::Array(arena, controls));
    return out.Finish();
  }

  Result<Response> Frameworks(Request& r) {
    Arena arena;
    Sums sums = BW_TRY(SumsBy(r, "byControl", "control", arena));
    std::vector<Value> items;
    for (const Framework& framework : posture_.checks().frameworks()) {
      MapBuilder out(arena);
      Value full = FrameworkOf(framework, r, sums, arena);
      for (const Value::Entry& entry : full.entries()) {
        if (entry.key.AsString() != "controls") out.Add(entry.key, entry.value);
      }
      items.push_back(out.Finish());
    }
    MapBuilder root(arena);
    root.Add("items", Value::Array(arena, items));
    return Response::Json(ToJson(root.Finish()));
  }

  Result<Response> OneFramework(Request& r) {
    Arena arena;
    for (const Framework& framework : posture_.checks().frameworks()) {
      if (framework.id != r.Param("framework")) continue;
      Sums sums = BW_TRY(SumsBy(r, "byControl", "control", arena));
      return Response::Json(ToJson(FrameworkOf(framework, r, sums, arena)));
    }
    return Error(Code::kNotFound, "framework.not_found", "no such framework");
  }

  // --- Inspections

  Result<Response> Inspections(Request& r) {
    Arena arena;
    std::vector<Value> items =
        BW_TRY(VisibleInspections(r, r.Query("cluster").value_or(""), arena));
    MapBuilder root(arena);
    root.Add("items", Value::Array(arena, items));
    return Response::Json(ToJson(root.Finish()));
  }

  Result<Response> Trends(Request& r) {
    TrendQuery query{.cluster = r.Query("cluster").value_or(""),
                     .ns = r.Query("namespace").value_or("")};
    if (auto text = r.Query("days")) {
      query.days = std::atoi(text->c_str());
      if (query.days < 1 || query.days > 400)
        return Error(Code::kInvalid, "trends.days", "days must be from 1 to 400");
    }
    Arena arena;
    auto items = BW_TRY(TrendPoints(services_.state, r.principal, query, r.now_us, arena));
    MapBuilder root(arena);
    root.Add("items", Value::Array(arena, items));
    return Response::Json(ToJson(root.Finish()));
  }

  Result<Response> RunNow(Request& r) {
    std::string cluster(r.body.StringAt("cluster"));
    BW_TRY(r.Require("inspections.run", cluster, ""));
    std::string key = BW_TRY(posture_.StartRun(cluster, r.principal.id));
    Arena arena;
    MapBuilder out(arena);
    out.Add("id", Value::String(key)).Add("cluster", Value::String(cluster));
    out.Add("state", Value::String("running"));
    return Response::Json(ToJson(out.Finish()), 202);
  }

  Result<Response> Report(Request& r) {
    std::string cluster = r.Query("cluster").value_or("");
    if (cluster.empty()) return Error(Code::kInvalid, "report.cluster", "cluster is missing");
    BW_TRY(r.Require("inspections.run", cluster, ""));
    BW_TRY(r.Require("findings.read", cluster, ""));  // it shows them all
    auto format = output::ParseFormat(r.Query("format").value_or("html"));
    if (!format || *format == output::Format::kTable)
      return Error(Code::kInvalid, "report.format",
                   "format must be html, json, sarif, junit, markdown or csv");
    bulwark::Report report = BW_TRY(posture_.Run(cluster, r.principal.id, {}));
    struct Kind {
      std::string_view type, extension;
    };
    static const std::map<output::Format, Kind> kinds = {
        {output::Format::kHtml, {"text/html; charset=utf-8", "html"}},
        {output::Format::kJson, {"application/json", "json"}},
        {output::Format::kSarif, {"application/sarif+json", "sarif"}},
        {output::Format::kJunit, {"application/xml", "xml"}},
        {output::Format::kMarkdown, {"text/markdown; charset=utf-8", "md"}},
        {output::Format::kCsv, {"text/csv; charset=utf-8", "csv"}},
    };
    const Kind& kind = kinds.at(*format);
    Response response;
    response.content_type = kind.type;
    output::Write(*format, report, {.language = r.language, .csv_bom = true},
                  [&](std::string_view text) { response.body += text; });
    response.headers.emplace_back("Content-Disposition",
                                  fmt::format("attachment; filename=\"bulwark-inspection-{}.{}\"",
                                              FormatTime(r.now_us).substr(0, 10), kind.extension));
    return response;
  }

  // --- Exceptions

  void RenderException(const store::Record& record, const Value& body, Arena& arena,
                       Value& out) const {
    MapBuilder all(arena);
    for (const Value::Entry& entry : body.entries()) all.Add(entry.key, entry.value);
    auto covers = services_.state.Count(kFindings, store::Query::Equals("exception", record.key));
    all.Add("covers", Value::Uint(covers.value_or(0)));
    out = all.Finish();
  }

  Result<> RequireThroughout(const Request& r, std::string_view permission,
                             const api::Scope& scope) const {
    if (r.principal.Has({.role = {}, .permissions = {std::string(permission)}, .scope = scope}))
      return Ok();
    return Error(Code::kDenied, "exception.scope",
                 fmt::format("this needs the right {} wherever the exception counts", permission),
                 {{"permission", std::string(permission)}});
  }

  // A cluster that is called by its name, by its id.
  Value WithClusterId(const Value& asked, Arena& arena) const {
    std::string_view name = asked.StringAt("cluster");
    if (name.empty()) return asked;
    for (const Cluster& cluster : services_.inventory.Clusters()) {
      if (cluster.id == name) return asked;
      if (cluster.name != name) continue;
      MapBuilder out(arena);
      for (const Value::Entry& entry : asked.entries()) out.Add(entry.key, entry.value);
      return out.Add("cluster", Value::String(arena, cluster.id)).Finish();
    }
    return asked;
  }

  Result<Response> Ask(Request& r, const Value& given) {
    Arena arena;
    Value asked = WithClusterId(given, arena);
    api::Scope scope = ScopeOf(asked);
    BW_TRY(RequireThroughout(r, "exceptions.request", scope));
    bool approve = asked["approve"].IsTrue();
    if (approve) {
      BW_TRY(RequireThroughout(r, "exceptions.approve", scope));
      if (OthersMayApprove(r)) {
        return Error(Code::kDenied, "exception.own",
                     "somebody else must approve one's own request");
      }
    }
    store::Record record = BW_TRY(posture_.exceptions().Request(asked, r.principal.id, approve));
    Response response = Response::Json(record.body, 201);
    response.revision = record.revision;
    return response;
  }

  Result<Response> ExceptFinding(Request& r) {
    Arena arena;
    Value finding = BW_TRY(FindingFor(r, arena));
    Value asset = finding["asset"];
    std::string scope(r.body.StringAt("scope", "object"));
    MapBuilder asked(arena);
    asked.Add("check", finding["check"]).Add("reason", r.body["reason"]);
    if (!r.body["expires"].IsNull()) asked.Add("expires", r.body["expires"]);
    if (!r.body["approve"].IsNull()) asked.Add("approve", r.body["approve"]);
    if (scope != "everywhere") asked.Add("cluster", asset["cluster"]);
    if (scope == "object" || scope == "namespace") {
      if (!asset.StringAt("namespace").empty()) asked.Add("namespace", asset["namespace"]);
    }
    if (scope == "namespace" && asset.StringAt("namespace").empty()) {
      return Error(Code::kInvalid, "exception.no_namespace", "the object is in no namespace");
    }
    // Names of roles may hold what is a wildcard here.
    if (scope == "object") {
      asked.Add("kind", asset["kind"]);
      asked.Add("name", Value::String(arena, store::EscapeGlob(asset.StringAt("name"))));
    }
    return Ask(r, asked.Finish());
  }

  bool OthersMayApprove(const Request& r) const {
    return others_may_approve_ != nullptr && others_may_approve_(r.principal.id);
  }

  Result<> MayTouchException(const Request& r, std::string_view permission) const {
    auto record = BW_TRY(services_.state.Get(kExceptions, r.Param("id")));
    if (!record) return NoException();
    Arena arena;
    Value body = BW_TRY(ParseJson(record->body, arena, {.borrow_text = true}));
    // Only one's own can be withdrawn, unless one may decide.
    bool own = body.StringAt("requestedBy") == r.principal.id;
    if (permission == "exceptions.request" && own) return Ok();
    auto may = RequireThroughout(r, "exceptions.approve", ScopeOf(body));
    if (may || own ||
        r.principal.May("exceptions.read", body.StringAt("cluster"), body.StringAt("namespace")))
      return may;
    return NoException();
  }

  Result<Response> Decide(Request& r, std::string_view step) {
    BW_TRY(MayTouchException(r, step == "withdraw" ? "exceptions.request" : "exceptions.approve"));
    store::Record record = BW_TRY(posture_.exceptions().Decide(
        r.Param("id"), step, r.principal.id, r.body.StringAt("comment"), !OthersMayApprove(r)));
    Response response = Response::Json(record.body);
    response.revision = record.revision;
    return response;
  }

  Services& services_;
  LivePosture& posture_;
  const std::function<bool(const std::string&)> others_may_approve_;
};

}  // namespace

Value RenderFinding(const KnownChecks& checks, const Value& record, Language language, bool full,
                    Arena& arena) {
  const CheckInfo* check = checks.Find(record.StringAt("check"));
  MapBuilder all(arena);
  for (const Value::Entry& entry : record.entries()) all.Add(entry.key, entry.value);
  if (check == nullptr) {
    // Of a check that is no more.
    return all.Add("title", record["check"]).Add("message", record["path"]).Finish();
  }
  const CheckInfo& info = *check;
  all.Add("title", Value::String(arena, info.title.In(language)));
  all.Add("message", Value::String(arena, MessageOf(info, FindingOf(record), language)));
  if (full) {
    all.Add("description", Value::String(arena, info.description.In(language)));
    all.Add("why", Value::String(arena, info.why.In(language)));
    all.Add("remedy", Value::String(arena, info.remedy.In(language)));
    all.Add("mitre", Strings(info.mitre, arena));
  }
  return all.Finish();
}

std::shared_ptr<void> AddPostureRoutes(
    Services& services, LivePosture& posture,
    std::function<bool(const std::string& principal)> others_may_approve) {
  auto routes = std::make_shared<Routes>(services, posture, std::move(others_may_approve));
  routes->AddAll();
  return routes;
}

}  // namespace bulwark::posture
