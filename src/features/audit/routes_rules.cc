#include "features/audit/routes_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "model/record.h"

namespace bulwark::audit {

using api::Request;
using api::Response;

namespace {

using ContextPtr = std::shared_ptr<RouteContext>;

constexpr uint64_t kMaxTrialEvents = 100'000;

Value Texts(const std::vector<std::string>& all, Arena& arena) {
  std::vector<Value> items;
  for (const std::string& s : all) items.push_back(Value::String(s));
  return Value::Array(arena, items);
}

Value FieldNames(const std::vector<detect::EventField>& fields, Arena& arena) {
  std::vector<Value> items;
  for (auto field : fields) items.push_back(Value::String(detect::EventFieldName(field)));
  return Value::Array(arena, items);
}

Value DurationText(int64_t us, Arena& arena) {
  return Value::String(arena, FormatGoDuration(Nanos(us * 1000)));
}

Value RenderRule(const ContextPtr& c, const detect::EventRule& rule, Language language,
                 Arena& arena) {
  Detection::RuleView view = c->detection.View(rule);
  MapBuilder out(arena, 24);
  out.Add("id", Value::String(rule.id));
  out.Add("title", Value::String(rule.title.In(language)));
  out.Add("description", Value::String(rule.description.In(language)));
  out.Add("remedy", Value::String(rule.remedy.In(language)));
  out.Add("severity", Value::String(SeverityName(view.severity)));
  out.Add("defaultSeverity", Value::String(SeverityName(rule.severity)));
  out.Add("enabled", Value::Bool(view.enabled));
  out.Add("defaultEnabled", Value::Bool(rule.enabled));
  out.Add("source", Texts(rule.sources, arena));
  out.Add("verbs", Texts(rule.verbs, arena));
  out.Add("resources", Texts(rule.resources, arena));
  out.Add("outcomes", Texts(rule.outcomes, arena));
  out.Add("condition", Value::String(rule.condition));
  out.Add("group", FieldNames(rule.group, arena));
  if (const auto& t = rule.threshold) {
    MapBuilder threshold(arena);
    threshold.Add("count", Value::Int(t->count));
    threshold.Add("within", DurationText(t->within_us, arena));
    if (t->distinct) {
      threshold.Add("distinct", Value::String(detect::EventFieldName(*t->distinct)));
    }
    if (!t->share_of.empty()) {
      threshold.Add("share", MapBuilder(arena)
                                 .Add("of", Value::String(t->share_of))
                                 .Add("over", Value::Double(t->share_over))
                                 .Finish());
    }
    out.Add("threshold", threshold.Finish());
  }
  if (const auto& f = rule.first_time) {
    out.Add("firstTime", MapBuilder(arena)
                             .Add("of", FieldNames(f->of, arena))
                             .Add("per", FieldNames(f->per, arena))
                             .Add("learn", DurationText(f->learn_us, arena))
                             .Finish());
  }
  if (rule.silence_us > 0) {
    out.Add("silence",
            MapBuilder(arena).Add("after", DurationText(rule.silence_us, arena)).Finish());
  }
  out.Add("mitre", Texts(rule.mitre, arena));
  out.Add("builtIn", Value::Bool(rule.origin.starts_with("built in")));
  out.Add("counts", MapBuilder(arena)
                        .Add("evaluated", Value::Int(static_cast<int64_t>(view.counts.evaluated)))
                        .Add("matched", Value::Int(static_cast<int64_t>(view.counts.matched)))
                        .Add("errors", Value::Int(static_cast<int64_t>(view.counts.errors)))
                        .Add("suppressed", Value::Int(static_cast<int64_t>(view.counts.suppressed)))
                        .Add("lastError", Value::String(arena, view.counts.last_error))
                        .Finish());
  return out.Finish();
}

Error NoRule() { return Error(Code::kNotFound, "rules.none", "there is no such rule"); }

Result<Response> PatchRule(const ContextPtr& c, Request& r) {
  const detect::EventRule* rule = c->detection.rules().Find(r.Param("id"));
  if (rule == nullptr) return NoRule();
  detect::RuleSettings settings;
  auto record = BW_TRY(c->state.Get("rulesettings", rule->id));
  Arena arena;
  if (record) {
    Value v = BW_TRY(ParseJson(record->body, arena));
    if (v["enabled"].IsBool()) settings.enabled = v["enabled"].AsBool();
    settings.severity = ParseSeverity(v.StringAt("severity"));
    settings.learn_us = v["learnUs"].ToInt();
  }
  // A merge patch: null takes a setting back to what the rule says.
  if (const Value* v = r.body.Find("enabled")) {
    settings.enabled = v->IsBool() ? std::optional(v->AsBool()) : std::nullopt;
  }
  if (const Value* v = r.body.Find("severity")) {
    settings.severity = v->IsString() ? ParseSeverity(v->AsString()) : std::nullopt;
  }
  if (const Value* v = r.body.Find("learn")) {
    settings.learn_us.reset();
    if (v->IsString()) {
      Nanos learn = BW_TRY(ParseGoDuration(v->AsString()));
      settings.learn_us = std::max<int64_t>(learn.count() / 1000, 0);
    }
  }
  BW_TRY(c->detection.Change(rule->id, settings));
  return Response::Json(ToJson(RenderRule(c, *rule, r.language, arena)));
}

Result<Response> TestRule(const ContextPtr& c, Request& r) {
  Arena arena;
  Value given = r.body["rule"];
  if (given.IsString()) {
    given = BW_TRY(
        ParseYaml(given.AsString(), arena, {.max_depth = 50, .max_bytes = size_t{256} << 10}));
  }
  auto rule = BW_TRY(detect::ParseRule(given, "rule"));
  auto visible = r.principal.Visible("events.read");
  int64_t since = r.now_us - int64_t{86'400'000'000};
  if (std::string_view text = r.body.StringAt("since"); !text.empty()) {
    auto number = store::FieldNumber(store::ColumnType::kTime, text, r.now_us);
    if (!number) {
      return Error(Code::kInvalid, "audit.time", "since must be a time or an age such as 24h",
                   {{"name", "since"}});
    }
    since = static_cast<int64_t>(*number);
  }
  Detection::Trial trial;
  if (visible) trial = BW_TRY(c->detection.Try(rule, since, *visible, kMaxTrialEvents));
  std::vector<Value> items;
  for (const detect::Match& m : trial.first) {
    std::vector<Value> ids;
    for (const std::string& id : m.events) ids.push_back(Value::String(id));
    items.push_back(
        MapBuilder(arena)
            .Add("group", Value::String(m.group))
            .Add("cluster", Value::String(m.cluster))
            .Add("time", Value::String(arena, FormatTime(m.last_us)))
            .Add("count", Value::Int(static_cast<int64_t>(m.count)))
            .Add("events", Value::Array(arena, ids))
            .Add("message", Value::String(arena, Render(rule->message.In(r.language), m.args)))
            .Finish());
  }
  return Response::Json(ToJson(MapBuilder(arena)
                                   .Add("items", Value::Array(arena, items))
                                   .Add("events", Value::Int(static_cast<int64_t>(trial.events)))
                                   .Add("matches", Value::Int(static_cast<int64_t>(trial.matches)))
                                   .Add("errors", Value::Int(static_cast<int64_t>(trial.errors)))
                                   .Add("error", Value::String(trial.error))
                                   .Add("complete", Value::Bool(trial.all))
                                   .Finish()));
}

// What kube-apiserver takes as --audit-webhook-config-file.
std::string WebhookConfig(const RouteContext& c, const std::string& secret) {
  std::string url = c.webhook_url.empty() ? "https://BULWARK:9444" : c.webhook_url;
  std::string ca;
  if (!c.webhook_ca_pem.empty()) {
    ca = fmt::format("    certificate-authority-data: {}\n", Base64Encode(c.webhook_ca_pem));
  }
  return fmt::format(
      "apiVersion: v1\nkind: Config\nclusters:\n- name: bulwark\n  cluster:\n    server: "
      "{}/audit/{}\n{}contexts:\n- name: bulwark\n  context: {{cluster: bulwark, user: \"\"}}\n"
      "current-context: bulwark\n",
      url, secret, ca);
}

Value RenderSource(const ContextPtr& c, const store::Record& record, Value v, Arena& arena) {
  MapBuilder out(arena, 16);
  for (const auto& [key, value] : v.entries()) {
    if (key != Value::String("secretSha256")) out.Add(key, value);
  }
  if (auto counts = c->webhook.CountsOf(record.key)) {
    auto number = [](const std::atomic<uint64_t>& n) {
      return Value::Int(static_cast<int64_t>(n.load()));
    };
    out.Add("events", number(counts->events));
    out.Add("duplicates", number(counts->duplicates));
    out.Add("invalid", number(counts->invalid));
    out.Add("shortened", number(counts->shortened));
    if (int64_t last = counts->last_us) {
      out.Add("lastSeen", Value::String(arena, FormatTime(last)));
    }
  }
  return out.Finish();
}

}  // namespace

void AddRuleRoutes(const ContextPtr& c) {
  c->api.Add({.method = "GET",
              .path = "/api/v1/rules",
              .id = "listRules",
              .tag = "rules",
              .summary = "Detection rules",
              .permission = "rules.read",
              .parameters = {{.name = "lang", .description = "en or zh-CN"}},
              .response = "RuleList",
              .handler = [c](Request& r) -> Result<Response> {
                std::string out = R"({"items":[)";
                Arena arena(size_t{64} << 10);
                for (const auto& rule : c->detection.rules().rules()) {
                  if (out.back() == '}') out += ',';
                  AppendJson(out, RenderRule(c, *rule, r.language, arena));
                }
                return Response::Json(out + "]}");
              }});
  c->api.Add({.method = "GET",
              .path = "/api/v1/rules/{id}",
              .id = "getRule",
              .tag = "rules",
              .summary = "A detection rule",
              .permission = "rules.read",
              .parameters = {{.name = "lang", .description = "en or zh-CN"}},
              .response = "Rule",
              .handler = [c](Request& r) -> Result<Response> {
                const detect::EventRule* rule = c->detection.rules().Find(r.Param("id"));
                if (rule == nullptr) return NoRule();
                Arena arena;
                return Response::Json(ToJson(RenderRule(c, *rule, r.language, arena)));
              }});
  c->api.Add(
      {.method = "PATCH",
       .path = "/api/v1/rules/{id}",
       .id = "changeRule",
       .tag = "rules",
       .summary = "Switch a rule on or off, or change its severity",
       .permission = "rules.write",
       .request =
           R"({"type":"object","additionalProperties":false,"properties":{"enabled":{"type":["boolean","null"]},"severity":{"type":["string","null"],"enum":["critical","high","medium","low","info",null]},"learn":{"type":["string","null"]}}})",
       .response = "Rule",
       .handler = [c](Request& r) { return PatchRule(c, r); }});
  c->api.Add(
      {.method = "POST",
       .path = "/api/v1/rules/test",
       .id = "testRule",
       .tag = "rules",
       .summary = "What a rule would have said of stored events",
       .permission = "rules.read",
       .request =
           R"({"type":"object","additionalProperties":false,"required":["rule"],"properties":{"rule":{"type":["object","string"]},"since":{"type":"string"}}})",
       .response = "RuleTrial",
       .audited = false,
       .handler = [c](Request& r) { return TestRule(c, r); }});
}

void AddSourceRoutes(const ContextPtr& c) {
  c->api.AddCollection(
      {.path = "/api/v1/audit-sources",
       .collection = std::string(AuditWebhook::kCollection),
       .tag = "auditSources",
       .id = "AuditSource",
       .permission = "settings.read",
       .schema = "AuditSource",
       .scoped = false,
       .time_field = "created",
       .csv_columns = {"id", "name", "cluster", "createdAt", "lastSeen"},
       .render = [c](const Request&, const store::Record& record, Value v, Arena& arena,
                     Value& out) { out = RenderSource(c, record, v, arena); }});
  c->api.Add(
      {.method = "POST",
       .path = "/api/v1/audit-sources",
       .id = "addAuditSource",
       .tag = "auditSources",
       .summary = "Take audit events of a cluster's API server; its secret is shown once",
       .permission = "settings.write",
       .request =
           R"({"type":"object","additionalProperties":false,"required":["cluster"],"properties":{"cluster":{"type":"string","minLength":1,"maxLength":200},"name":{"type":"string","maxLength":200},"certificateNames":{"type":"array","maxItems":20,"items":{"type":"string","minLength":1,"maxLength":200}}}})",
       .response = "MadeAuditSource",
       .status = 201,
       .handler = [c](Request& r) -> Result<Response> {
         AuditWebhook::NewSource source{.name = std::string(r.body.StringAt("name")),
                                        .cluster = std::string(r.body.StringAt("cluster")),
                                        .by = r.principal.id};
         for (const Value& name : r.body["certificateNames"].items()) {
           source.certificate_names.emplace_back(name.AsString());
         }
         AuditWebhook::Made made = BW_TRY(c->webhook.Add(source));
         Arena arena;
         Value v = BW_TRY(ParseJson(made.record.body, arena));
         MapBuilder out(arena);
         for (const auto& [key, value] : RenderSource(c, made.record, v, arena).entries()) {
           out.Add(key, value);
         }
         out.Add("path", Value::String(arena, "/audit/" + made.secret));
         out.Add("webhookConfig", Value::String(arena, WebhookConfig(*c, made.secret)));
         return Response::Json(ToJson(out.Finish()), 201);
       }});
  c->api.Add({.method = "DELETE",
              .path = "/api/v1/audit-sources/{id}",
              .id = "deleteAuditSource",
              .tag = "auditSources",
              .summary = "Take no more audit events of a source",
              .permission = "settings.write",
              .status = 204,
              .handler = [c](Request& r) -> Result<Response> {
                BW_TRY(c->webhook.Delete(r.Param("id")));
                return Response::NoContent();
              }});
}

}  // namespace bulwark::audit
