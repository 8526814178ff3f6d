#include "features/audit/routes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/random.h"
#include "features/audit/routes_rules.h"
#include "features/audit/schemas.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/pipeline/event_json.h"

namespace bulwark::audit {

using api::Parameter;
using api::Request;
using api::Response;
using store::Query;

namespace {

constexpr std::string_view kAlertDeed =
    R"({"type":"object","additionalProperties":false,"properties":{"comment":{"type":"string","maxLength":4096}}})";

using ContextPtr = std::shared_ptr<RouteContext>;

// --- Events
// ----------------------------------------------------------------------------------------

// Events that the principal may see; nothing where there are none. The access log is for those who
// may read it.
std::optional<Query> VisibleEvents(const Request& r) {
  auto visible = r.principal.Visible("events.read");
  if (!visible) return std::nullopt;
  if (r.principal.May("audit.read")) return visible;
  Query rest = Query::Not(Query::Equals("kind", "access"));
  if (visible->kind == Query::Kind::kAll) return rest;
  return Query::And({*std::move(visible), std::move(rest)});
}

Result<std::optional<int64_t>> TimeOf(const Request& r, std::string_view name) {
  auto text = r.Query(name);
  if (!text || text->empty()) return std::optional<int64_t>();
  auto number = store::FieldNumber(store::ColumnType::kTime, *text, r.now_us);
  if (!number) {
    return Error(Code::kInvalid, "audit.time",
                 fmt::format("{} must be a time or an age such as 24h", name),
                 {{"name", std::string(name)}});
  }
  return std::optional(static_cast<int64_t>(*number));
}

Result<int> IntOf(const Request& r, std::string_view name, int other, int max) {
  auto text = r.Query(name);
  if (!text) return other;
  int out = 0;
  for (char c : *text) {
    if (!IsAsciiDigit(c) || out > max)
      return Error(Code::kInvalid, "audit.number",
                   fmt::format("{} must be a number from 1 to {}", name, max),
                   {{"name", std::string(name)}, {"max", std::to_string(max)}});
    out = out * 10 + (c - '0');
  }
  if (out < 1 || out > max) {
    return Error(Code::kInvalid, "audit.number",
                 fmt::format("{} must be a number from 1 to {}", name, max),
                 {{"name", std::string(name)}, {"max", std::to_string(max)}});
  }
  return out;
}

// What was asked for, within what may be seen; nothing: nothing may be.
Result<std::optional<store::EventQuery>> QueryOf(const Request& r) {
  auto visible = VisibleEvents(r);
  if (!visible) return std::optional<store::EventQuery>();
  store::EventQuery out;
  out.filter = *std::move(visible);
  std::string text = r.Query("q").value_or("");
  if (!Trim(text).empty()) {
    Query asked = BW_TRY(store::ParseQuery(text, store::EventFields(), "time", r.now_us));
    out.filter = out.filter.kind == Query::Kind::kAll
                     ? std::move(asked)
                     : Query::And({std::move(out.filter), std::move(asked)});
  }
  out.since_us = BW_TRY(TimeOf(r, "since"));
  out.until_us = BW_TRY(TimeOf(r, "until"));
  return std::optional(std::move(out));
}

const std::vector<Parameter>& QueryParameters() {
  static const std::vector<Parameter> parameters = {
      {.name = "q", .description = "A query: kind:audit verb:delete user:alice \"words\""},
      {.name = "since", .description = "A time or an age: 24h"},
      {.name = "until", .description = "A time or an age"},
      {.name = "lang", .description = "en or zh-CN"}};
  return parameters;
}

std::vector<Parameter> With(std::vector<Parameter> more) {
  std::vector<Parameter> out = QueryParameters();
  out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return out;
}

constexpr std::string_view kInteger = R"({"type":"integer","minimum":1,"maximum":1000})";

// All pages as CSV, as the client takes them.
Response EventsAsCsv(const ContextPtr& c, store::EventQuery query, Language language) {
  struct Export {
    ContextPtr context;
    store::EventQuery query;
    Language language;
    bool begun = false, over = false;
  };
  query.limit = 500;
  query.bodies = false;
  auto state = std::make_shared<Export>(Export{c, std::move(query), language});
  Response out{.content_type = "text/csv; charset=utf-8"};
  out.headers.emplace_back("Content-Disposition", "attachment; filename=\"events.csv\"");
  out.generator = [state]() -> Result<std::string> {
    if (state->over) return std::string();
    std::string text;
    if (!state->begun) {
      text =
          "time,kind,cluster,severity,verb,outcome,user,sourceIp,resource,namespace,name,node,"
          "pod,message\r\n";
      state->begun = true;
    }
    store::EventPage page = BW_TRY(state->context->events.Search(state->query));
    for (const Event& e : page.events) {
      std::string message = state->context->catalog.Message(e.message, e.args, state->language);
      std::string time = FormatTime(e.time_us);
      bool first = true;
      for (std::string_view field :
           {std::string_view(time), std::string_view(e.kind), std::string_view(e.cluster),
            SeverityName(e.severity), std::string_view(e.verb), std::string_view(e.outcome),
            std::string_view(e.user), std::string_view(e.source_ip), std::string_view(e.resource),
            std::string_view(e.target.ns), std::string_view(e.target.name),
            std::string_view(e.node), std::string_view(e.pod), std::string_view(message)}) {
        if (!first) text += ',';
        first = false;
        text += EscapeCsvField(field);
      }
      text += "\r\n";
    }
    state->query.cursor = page.next;
    state->over = page.next.empty();
    return text;
  };
  return out;
}

// Events by their ids, in that order; those that are not there, or not to be seen, are left out.
Result<Response> EventsOfIds(const ContextPtr& c, Request& r, const std::string& ids) {
  constexpr size_t kMaxIds = 100;
  auto visible = VisibleEvents(r);
  auto wanted = Split(ids, ',');
  if (wanted.size() > kMaxIds) {
    return Error(Code::kLimit, "audit.ids", fmt::format("more than {} ids", kMaxIds),
                 {{"max", std::to_string(kMaxIds)}});
  }
  bool body = r.Query("bodies") != "false";
  std::string out = R"({"items":[)";
  Arena arena(size_t{64} << 10);
  for (std::string_view id : wanted) {
    auto event = BW_TRY(c->events.Get(Trim(id)));
    if (!visible || !event || !store::Matches(*visible, store::EventSubject(*event))) continue;
    if (out.back() == '}') out += ',';
    arena.Reset();
    AppendJson(out, EventToValue(*event, c->catalog, r.language, body, arena));
  }
  return Response::Json(out + "]}");
}

Result<Response> SearchEvents(const ContextPtr& c, Request& r) {
  if (auto ids = r.Query("ids")) return EventsOfIds(c, r, *ids);
  auto query = BW_TRY(QueryOf(r));
  if (!query) return Response::Json(R"({"items":[]})");
  query->cursor = r.Query("cursor").value_or("");
  query->limit = BW_TRY(IntOf(r, "limit", 50, 1000));
  query->oldest_first = r.Query("order") == "oldest";
  query->bodies = r.Query("bodies") != "false";
  bool csv = r.Query("format") == "csv" ||
             r.http.Header("accept").find("text/csv") != std::string_view::npos;
  if (csv) return EventsAsCsv(c, *std::move(query), r.language);
  store::EventPage page = BW_TRY(c->events.Search(*query));
  std::string out = R"({"items":[)";
  Arena arena(size_t{64} << 10);
  for (size_t i = 0; i < page.events.size(); ++i) {
    if (i != 0) out += ',';
    arena.Reset();
    AppendJson(out, EventToValue(page.events[i], c->catalog, r.language, query->bodies, arena));
  }
  out += ']';
  if (!page.next.empty()) {
    out += R"(,"next":)";
    AppendJsonString(out, page.next);
  }
  if (r.Query("total") == "true") {
    store::EventQuery all = *query;
    all.cursor.clear();
    out += fmt::format(R"(,"total":{})", BW_TRY(c->events.Count(all)));
  }
  out += '}';
  return Response::Json(std::move(out));
}

Result<Response> GetEvent(const ContextPtr& c, Request& r) {
  Error none(Code::kNotFound, "api.not_found", "there is no such thing, or you may not see it");
  auto visible = VisibleEvents(r);
  auto event = BW_TRY(c->events.Get(r.Param("id")));
  if (!visible || !event || !store::Matches(*visible, store::EventSubject(*event))) return none;
  Arena arena;
  return Response::Json(ToJson(EventToValue(*event, c->catalog, r.language, true, arena)));
}

Result<Response> EventHistogram(const ContextPtr& c, Request& r) {
  auto query = BW_TRY(QueryOf(r));
  int buckets = BW_TRY(IntOf(r, "buckets", 60, 1000));
  int64_t until = r.now_us, since = r.now_us - int64_t{86'400'000'000};
  if (query && query->until_us) until = *query->until_us;
  if (query) since = query->since_us.value_or(until - int64_t{86'400'000'000});
  if (since >= until) {
    return Error(Code::kInvalid, "audit.span", "since must be before until");
  }
  int64_t step = store::HistogramStep(until - since, buckets);
  since -= ((since % step) + step) % step;
  std::string out = R"({"items":[)";
  if (query) {
    query->since_us = since;
    query->until_us = until;
    auto counts = BW_TRY(c->events.Histogram(*query, step));
    for (size_t i = 0; i < counts.size(); ++i) {
      out += fmt::format(R"({}{{"start":"{}","count":{}}})", i == 0 ? "" : ",",
                         FormatTime(counts[i].start_us), counts[i].count);
    }
  }
  out += fmt::format(R"(],"stepSeconds":{}}})", step / 1'000'000);
  return Response::Json(std::move(out));
}

Result<Response> TopValues(const ContextPtr& c, Request& r) {
  std::string field = r.Query("field").value_or("");
  const auto& fields = store::EventFields();
  auto known = std::find_if(fields.begin(), fields.end(), [&](const store::Field& f) {
    return f.name == field ||
           std::find(f.aliases.begin(), f.aliases.end(), field) != f.aliases.end();
  });
  if (known == fields.end() || known->type == store::ColumnType::kTime) {
    return Error(Code::kInvalid, "api.field", "there is no field " + Quote(field),
                 {{"field", field}});
  }
  auto query = BW_TRY(QueryOf(r));
  int limit = BW_TRY(IntOf(r, "limit", 10, 1000));
  std::string out = R"({"items":[)";
  if (query) {
    auto top = BW_TRY(c->events.Top(*query, known->name, limit));
    for (size_t i = 0; i < top.size(); ++i) {
      if (i != 0) out += ',';
      out += R"({"value":)";
      AppendJsonString(out, top[i].first);
      out += fmt::format(R"(,"count":{}}})", top[i].second);
    }
  }
  out += "]}";
  return Response::Json(std::move(out));
}

std::string_view TypeName(store::ColumnType type) {
  switch (type) {
    case store::ColumnType::kText: return "text";
    case store::ColumnType::kInt: return "int";
    case store::ColumnType::kReal: return "real";
    case store::ColumnType::kBool: return "bool";
    case store::ColumnType::kTime: return "time";
    case store::ColumnType::kSeverity: return "severity";
  }
  BW_UNREACHABLE();
}

Result<Response> FieldList(const ContextPtr&, Request&) {
  Arena arena;
  std::vector<Value> items;
  for (const store::Field& field : store::EventFields()) {
    std::vector<Value> aliases;
    for (const std::string& alias : field.aliases) aliases.push_back(Value::String(alias));
    items.push_back(MapBuilder(arena)
                        .Add("name", Value::String(field.name))
                        .Add("type", Value::String(TypeName(field.type)))
                        .Add("aliases", Value::Array(arena, aliases))
                        .Finish());
  }
  return Response::Json(
      ToJson(MapBuilder(arena).Add("items", Value::Array(arena, items)).Finish()));
}

// --- Alerts
// ----------------------------------------------------------------------------------------

MessageArgs ArgsOf(const Value& v) {
  MessageArgs out;
  for (const auto& [name, value] : v.entries()) {
    if (name.IsString() && value.IsString()) out.emplace_back(name.AsString(), value.AsString());
  }
  return out;
}

}  // namespace

Value RenderAlert(const Catalog& catalog, const Value& record, Language language, Arena& arena) {
  MapBuilder out(arena, record.size() + 4);
  for (const auto& [key, value] : record.entries()) out.Add(key, value);
  auto say = [&](std::string_view key, const std::string& id, const MessageArgs& args) {
    out.Add(key, Value::String(arena, catalog.Message(id, args, language)));
  };
  std::string rule = "rule." + std::string(record.StringAt("rule"));
  MessageArgs args = ArgsOf(record["args"]);
  say("message", std::string(record.StringAt("messageId")), args);
  for (std::string_view text : {"title", "description", "remedy"}) {
    std::string id = rule + "." + std::string(text);
    if (catalog.Find(id) != nullptr) say(text, id, {});
  }
  return out.Finish();
}

namespace {

// The alert's record, if the principal may do that to it.
Result<store::Record> AlertFor(const ContextPtr& c, const Request& r, std::string_view permission) {
  Error none(Code::kNotFound, "api.not_found", "there is no such thing, or you may not see it");
  auto record = BW_TRY(c->state.Get(Alerts::kCollection, r.Param("id")));
  if (!record) return none;
  Arena arena;
  Value v = BW_TRY(ParseJson(record->body, arena));
  std::string cluster(v["target"].StringAt("cluster")), ns(v["target"].StringAt("namespace"));
  if (!r.principal.May("alerts.read", cluster, ns)) return none;
  BW_TRY(r.Require(permission, cluster, ns));
  return *std::move(record);
}

Result<Response> ShowAlert(const ContextPtr& c, const Request& r, const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(ParseJson(record.body, arena));
  Response out = Response::Json(ToJson(RenderAlert(c->catalog, v, r.language, arena)));
  out.revision = record.revision;
  return out;
}

using Deed = std::function<Result<store::Record>(const Request&, const Alerts::Deed&)>;

void AddDeed(const ContextPtr& c, const std::string& name, std::string summary, std::string request,
             Deed deed) {
  std::string id = name + "Alert";
  c->api.Add({.method = "POST",
              .path = "/api/v1/alerts/{id}/" + name,
              .id = id,
              .tag = "alerts",
              .summary = std::move(summary),
              .permission = "alerts.triage",
              .request = std::move(request),
              .response = "Alert",
              .handler = [c, deed = std::move(deed)](Request& r) -> Result<Response> {
                BW_TRY(AlertFor(c, r, "alerts.triage"));
                Alerts::Deed what{.by = r.principal.id,
                                  .comment = std::string(r.body.StringAt("comment")),
                                  .expect = r.IfMatch()};
                store::Record record = BW_TRY(deed(r, what));
                return ShowAlert(c, r, record);
              }});
}

// What the like of an alert is: its rule's group, with the alert's values.
Value LikeOf(const detect::EventRule* rule, const Value& alert, Arena& arena) {
  MapBuilder out(arena);
  auto add = [&](std::string_view field, std::string_view value) {
    if (!value.empty()) out.Add(field, Value::String(arena, store::EscapeGlob(value)));
  };
  add("cluster", alert["target"].StringAt("cluster"));
  if (rule == nullptr) return out.Finish();
  for (detect::EventField field : rule->group) {
    std::string_view name = detect::EventFieldName(field);
    if (name == "cluster") continue;
    std::string_view value = name == "ns"           ? alert["target"].StringAt("namespace")
                             : name == "name"       ? alert["target"].StringAt("name")
                             : name == "targetKind" ? alert["target"].StringAt("kind")
                             : name == "group"      ? alert["target"].StringAt("group")
                             : name == "ip"         ? alert.StringAt("sourceIp")
                             : alert.Find(name) != nullptr && name != "kind"
                                 ? alert.StringAt(name)
                                 : alert["args"].StringAt(name);
    add(name, value);
  }
  return out.Finish();
}

Result<Response> ExceptAlert(const ContextPtr& c, Request& r) {
  store::Record record = BW_TRY(AlertFor(c, r, "alerts.triage"));
  Arena arena;
  Value alert = BW_TRY(ParseJson(record.body, arena));
  std::string cluster(alert["target"].StringAt("cluster"));
  std::string ns(alert["target"].StringAt("namespace"));
  std::string_view reason = Trim(r.body.StringAt("reason"));
  int64_t expires = ParseTime(r.body.StringAt("expires"));
  if (reason.empty()) {
    return Error(Code::kInvalid, "suppressions.reason", "a suppression needs a reason");
  }
  if (expires <= r.now_us || expires > r.now_us + int64_t{366} * 86'400'000'000) {
    return Error(Code::kInvalid, "suppressions.expires", "expires must be within the next year");
  }
  const detect::EventRule* rule = c->detection.rules().Find(alert.StringAt("rule"));
  Value like = r.body["match"].IsMap() ? r.body["match"] : LikeOf(rule, alert, arena);
  MapBuilder match(arena);
  for (const auto& [name, value] : like.entries()) {
    if (!detect::FindEventField(name.AsString()) || !value.IsString() || value.empty()) {
      return Error(Code::kInvalid, "suppressions.field",
                   "events have no field " + Quote(name.AsString()),
                   {{"field", std::string(name.AsString())}});
    }
    if (name.AsString() != "cluster" && name.AsString() != "ns") match.Add(name, value);
  }
  // Never wider than what the principal may handle: the alert's cluster, and its namespace where
  // the whole cluster is not theirs.
  bool whole_cluster = r.principal.May("alerts.triage", cluster, "");
  if (!cluster.empty()) {
    match.Add("cluster", Value::String(arena, store::EscapeGlob(cluster)));
  }
  std::string_view asked_ns = like.StringAt("ns");
  if (!whole_cluster) {
    match.Add("ns", Value::String(arena, store::EscapeGlob(ns)));
  } else if (!asked_ns.empty()) {
    match.Add("ns", Value::String(asked_ns));
  }
  Value matched = match.Finish();
  if (matched.size() < (cluster.empty() ? 1U : 2U)) {
    return Error(Code::kInvalid, "suppressions.wide",
                 "a suppression must name more than the cluster; switch the rule off instead");
  }
  std::string id = Sha256Hex(crypto::RandomToken()).substr(0, 16);
  MapBuilder made(arena);
  made.Add("id", Value::String(id));
  made.Add("rule", alert["rule"]);
  made.Add("cluster", Value::String(cluster));
  made.Add("namespace", whole_cluster && asked_ns.empty() ? Value::String("") : Value::String(ns));
  made.Add("match", matched);
  made.Add("reason", Value::String(reason));
  made.Add("by", Value::String(r.principal.id));
  made.Add("at", Value::String(arena, FormatTime(r.now_us)));
  made.Add("expires", Value::String(arena, FormatTime(expires)));
  made.Add("alert", Value::String(record.key));
  made.Add("hits", Value::Int(0));
  std::string body = ToJson(made.Finish());
  store::Batch batch;
  batch.Put("suppressions", id, body, 0);
  BW_TRY(c->state.Commit(batch));
  BW_TRY(c->detection.ReloadSuppressions());
  if (alert.StringAt("state") != "resolved") {
    BW_TRY(c->alerts.Resolve(record.key, {.by = r.principal.id, .comment = std::string(reason)},
                             "excepted"));
  }
  return Response::Json(std::move(body), 201);
}

void AddEventRoutes(const ContextPtr& c) {
  auto get = [&](std::string_view path, std::string_view id, std::string_view summary,
                 const std::vector<Parameter>& parameters, std::string_view response, auto handler,
                 const std::vector<std::string>& types = {}) {
    c->api.Add({.method = "GET",
                .path = std::string(path),
                .id = std::string(id),
                .tag = "events",
                .summary = std::string(summary),
                .permission = "events.read",
                .parameters = parameters,
                .response = std::string(response),
                .types = types,
                .handler = [c, handler](Request& r) { return handler(c, r); }});
  };
  get("/api/v1/events", "listEvents", "Events, the newest first",
      With({{.name = "limit", .description = "Of a page", .schema = std::string(kInteger)},
            {.name = "cursor", .description = "Of the page before"},
            {.name = "ids",
             .description =
                 "These, comma-separated, and nothing else that is asked for; at most 100",
             .schema = R"({"type":"string","maxLength":13000})"},
            {.name = "order",
             .description = "newest or oldest first",
             .schema = R"({"type":"string","enum":["newest","oldest"]})"},
            {.name = "bodies",
             .description = "false: without the source's JSON",
             .schema = R"({"type":"string","enum":["true","false"]})"},
            {.name = "total",
             .description = "true: count them too, up to 100,000",
             .schema = R"({"type":"string","enum":["true","false"]})"},
            {.name = "format",
             .description = "csv: all of them",
             .schema = R"({"type":"string","enum":["json","csv"]})"}}),
      "EventPage", SearchEvents, {"text/csv"});
  get("/api/v1/events/histogram", "countEvents", "Events over time",
      With({{.name = "buckets", .description = "At most", .schema = std::string(kInteger)}}),
      "EventHistogram", EventHistogram);
  get("/api/v1/events/top", "topEvents", "The most frequent values of a field",
      With({{.name = "field", .description = "Such as user", .required = true},
            {.name = "limit", .description = "At most", .schema = std::string(kInteger)}}),
      "EventTop", TopValues);
  get("/api/v1/events/fields", "eventFields", "The fields that can be asked for", {}, "EventFields",
      FieldList);
  get("/api/v1/events/{id}", "getEvent", "An event",
      {{.name = "lang", .description = "en or zh-CN"}}, "Event", GetEvent);
}

void AddAlertRoutes(const ContextPtr& c) {
  c->api.AddCollection(
      {.path = "/api/v1/alerts",
       .collection = std::string(Alerts::kCollection),
       .tag = "alerts",
       .id = "Alert",
       .permission = "alerts.read",
       .schema = "Alert",
       .time_field = "last",
       .csv_columns = {"id", "rule", "title", "severity", "state", "target.cluster",
                       "target.namespace", "target.kind", "target.name", "user", "sourceIp",
                       "count", "firstSeen", "lastSeen", "assignee", "message"},
       .render = [c](const Request& r, const store::Record&, Value record, Arena& arena,
                     Value& out) { out = RenderAlert(c->catalog, record, r.language, arena); }});
  AddDeed(c, "acknowledge", "Take notice of an alert", std::string(kAlertDeed),
          [c](const Request& r, const Alerts::Deed& deed) {
            return c->alerts.Acknowledge(r.Param("id"), deed);
          });
  AddDeed(
      c, "resolve", "Close an alert",
      R"({"type":"object","additionalProperties":false,"properties":{"comment":{"type":"string","maxLength":4096},"resolution":{"type":"string","enum":["fixed","expected","false-positive","other"]}}})",
      [c](const Request& r, const Alerts::Deed& deed) {
        return c->alerts.Resolve(r.Param("id"), deed,
                                 std::string(r.body.StringAt("resolution", "fixed")));
      });
  AddDeed(c, "reopen", "Open an alert again", std::string(kAlertDeed),
          [c](const Request& r, const Alerts::Deed& deed) {
            return c->alerts.Reopen(r.Param("id"), deed);
          });
  AddDeed(
      c, "comment", "Comment on an alert",
      R"({"type":"object","additionalProperties":false,"required":["comment"],"properties":{"comment":{"type":"string","minLength":1,"maxLength":4096}}})",
      [c](const Request& r, const Alerts::Deed& deed) {
        return c->alerts.Comment(r.Param("id"), deed);
      });
  AddDeed(
      c, "assign", "Give an alert to somebody, or to nobody",
      R"({"type":"object","additionalProperties":false,"required":["assignee"],"properties":{"assignee":{"type":"string","maxLength":200},"comment":{"type":"string","maxLength":4096}}})",
      [c](const Request& r, const Alerts::Deed& deed) {
        return c->alerts.Assign(r.Param("id"), deed, std::string(r.body.StringAt("assignee")));
      });
  c->api.Add(
      {.method = "POST",
       .path = "/api/v1/alerts/{id}/except",
       .id = "exceptAlert",
       .tag = "alerts",
       .summary = "Suppress the like of an alert until a time, and close it",
       .permission = "alerts.triage",
       .request =
           R"({"type":"object","additionalProperties":false,"required":["reason","expires"],"properties":{"reason":{"type":"string","minLength":1,"maxLength":2000},"expires":{"type":"string","format":"date-time"},"match":{"type":"object","additionalProperties":{"type":"string","minLength":1,"maxLength":500}}}})",
       .response = "Suppression",
       .status = 201,
       .handler = [c](Request& r) { return ExceptAlert(c, r); }});
  c->api.AddCollection({.path = "/api/v1/suppressions",
                        .collection = "suppressions",
                        .tag = "suppressions",
                        .id = "Suppression",
                        .permission = "alerts.read",
                        .schema = "Suppression",
                        .time_field = "at",
                        .csv_columns = {"id", "rule", "reason", "by", "at", "expires", "hits"},
                        .render = nullptr});
  c->api.Add({.method = "DELETE",
              .path = "/api/v1/suppressions/{id}",
              .id = "deleteSuppression",
              .tag = "suppressions",
              .summary = "End a suppression",
              .permission = "alerts.triage",
              .status = 204,
              .handler = [c](Request& r) -> Result<Response> {
                Error none(Code::kNotFound, "api.not_found",
                           "there is no such thing, or you may not see it");
                auto record = BW_TRY(c->state.Get("suppressions", r.Param("id")));
                if (!record) return none;
                Arena arena;
                Value v = BW_TRY(ParseJson(record->body, arena));
                BW_TRY(r.Require("alerts.triage", v.StringAt("cluster"), v.StringAt("namespace")));
                store::Batch batch;
                batch.Delete("suppressions", r.Param("id"));
                BW_TRY(c->state.Commit(batch));
                BW_TRY(c->detection.ReloadSuppressions());
                return Response::NoContent();
              }});
}

}  // namespace

void AddAuditRoutes(const ContextPtr& context) {
  AddAuditSchemas(context->api);
  AddEventRoutes(context);
  AddAlertRoutes(context);
  AddRuleRoutes(context);
  AddSourceRoutes(context);
}

}  // namespace bulwark::audit
