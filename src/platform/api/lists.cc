// Collections as resources: list, groups, one by key; the filtering, sorting and paging is the
// store's.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "formats/json.h"
#include "platform/api/api_state.h"

namespace bulwark::api {

namespace {

using store::Query;

Error NotFound() {
  return Error(Code::kNotFound, "api.not_found", "there is no such thing, or you may not see it");
}

// What of the collection the principal may see; nothing where there is none of it.
std::optional<Query> Visible(const Request& request, const CollectionResource& resource) {
  if (!resource.scoped) {
    return request.principal.May(resource.permission) ? std::optional(Query::All()) : std::nullopt;
  }
  return request.principal.Visible(resource.permission, resource.labels);
}

Result<Query> Filter(const Request& request, const CollectionResource& resource,
                     store::StateStore& state, Query visible) {
  const auto* fields = state.Fields(resource.collection);
  if (fields == nullptr) {
    return Error(Code::kInternal, "the collection " + resource.collection + " is not defined");
  }
  std::string text = request.Query("q").value_or("");
  if (Trim(text).empty()) return visible;
  Query asked = BW_TRY(store::ParseQuery(text, *fields, resource.time_field, request.now_us));
  if (visible.kind == Query::Kind::kAll) return asked;
  return Query::And({std::move(visible), std::move(asked)});
}

// The record as readers get it.
Result<Value> Rendered(const Request& request, const CollectionResource& resource,
                       const store::Record& record, Arena& arena) {
  Value stored = BW_TRY(ParseJson(record.body, arena));
  if (!resource.render) return stored;
  Value out = stored;
  resource.render(request, record, stored, arena, out);
  return out;
}

// The value at "a.b.c"; null where there is none.
Value At(Value value, std::string_view path) {
  for (std::string_view step : Split(path, '.')) value = value[step];
  return value;
}

// Only these paths, in their places.
struct Selection {
  std::vector<std::string> names;  // none: all of it
  std::vector<Selection> parts;    // beside the names

  void Add(std::string_view path) {
    auto cut = Cut(path, ".");
    std::string_view first = cut ? cut->first : path;
    auto found = std::find(names.begin(), names.end(), first);
    bool fresh = found == names.end();
    auto at = static_cast<size_t>(found - names.begin());
    if (fresh) {
      names.emplace_back(first);
      parts.emplace_back();
    }
    if (!cut) {
      parts[at] = {};
    } else if (fresh || !parts[at].names.empty()) {
      parts[at].Add(cut->second);
    }
  }
  Value Of(const Value& value, Arena& arena) const {
    if (names.empty()) return value;
    if (value.IsArray()) {
      std::vector<Value> items;
      for (const Value& item : value.items()) items.push_back(Of(item, arena));
      return Value::Array(arena, items);
    }
    if (!value.IsMap()) return value;
    MapBuilder out(arena);
    for (size_t i = 0; i < names.size(); ++i) {
      if (const Value* found = value.Find(names[i])) {
        out.Add(Value::String(arena, names[i]), parts[i].Of(*found, arena));
      }
    }
    return out.Finish();
  }
};

Result<Selection> ParseFields(const std::string& text) {
  Selection out;
  if (text.empty()) return out;
  auto paths = Split(text, ',');
  if (paths.size() > 100) return Error(Code::kLimit, "more than 100 fields");
  for (std::string_view path : paths) {
    if (std::count(path.begin(), path.end(), '.') > 16) {
      return Error(Code::kInvalid, "api.field", "there is no field " + Quote(path),
                   {{"field", std::string(path)}});
    }
    out.Add(Trim(path));
  }
  return out;
}

std::string CsvText(const Value& value) {
  if (value.IsNull()) return "";
  if (value.IsString()) return std::string(value.AsString());
  if (value.IsArray()) {
    std::string out;
    for (const Value& item : value.items()) out += (out.empty() ? "" : "; ") + CsvText(item);
    return out;
  }
  return ToJson(value);
}

bool WantsCsv(const Request& request) {
  if (auto format = request.Query("format")) return *format == "csv";
  std::string_view accept = request.http.Header("accept");
  return accept.find("text/csv") != std::string_view::npos;
}

// All pages, one after the other, as the client takes them.
struct CsvExport {
  CsvExport(const Request& from, const CollectionResource& what, store::StateStore& store)
      : http(from.http),
        request{.http = http,
                .principal = from.principal,
                .language = from.language,
                .path = from.path,
                .query = from.query,
                .now_us = from.now_us,
                .arena = from.arena},
        resource(what),
        state(store) {}

  Result<std::string> Next() {
    if (over) return "";
    std::string out;
    if (!begun) {
      begun = true;
      if (request.Query("bom") == "true") out += "\xEF\xBB\xBF";
      for (size_t i = 0; i < columns.size(); ++i) {
        out += (i == 0 ? "" : ",") + EscapeCsvField(columns[i]);
      }
      out += "\r\n";
    }
    store::ListPage page = BW_TRY(state.List(resource.collection, options));
    for (const store::Record& record : page.records) {
      Arena arena;
      Value value = BW_TRY(Rendered(request, resource, record, arena));
      for (size_t i = 0; i < columns.size(); ++i) {
        out += (i == 0 ? "" : ",") + EscapeCsvField(CsvText(At(value, columns[i])));
      }
      out += "\r\n";
    }
    over = page.next.empty();
    options.cursor = std::move(page.next);
    return out;
  }

  const net::ServerRequest http;
  const Request request;
  const CollectionResource& resource;
  store::StateStore& state;
  std::vector<std::string> columns;
  store::ListOptions options;
  bool begun = false, over = false;
};

Result<Response> List(const Request& request, const CollectionResource& resource,
                      store::StateStore& state) {
  auto visible = Visible(request, resource);
  if (!visible) return Response::Json(R"({"items":[]})");
  store::ListOptions options;
  options.filter = BW_TRY(Filter(request, resource, state, *std::move(visible)));
  options.sort = request.Query("sort").value_or("");
  std::string fields = request.Query("fields").value_or("");
  Selection selection = BW_TRY(ParseFields(fields));
  if (WantsCsv(request)) {
    auto csv = std::make_shared<CsvExport>(request, resource, state);
    csv->options = std::move(options);
    csv->options.limit = 500;
    csv->columns = resource.csv_columns;
    if (!fields.empty()) {
      csv->columns.clear();
      for (std::string_view path : Split(fields, ',')) csv->columns.emplace_back(Trim(path));
    }
    // The first page now, so that what is wrong with the query is said with a status.
    std::string first = BW_TRY(csv->Next());
    Response out{.content_type = "text/csv; charset=utf-8"};
    out.headers.emplace_back("Content-Disposition",
                             fmt::format("attachment; filename=\"{}.csv\"", resource.collection));
    out.generator = [csv, first = std::move(first)]() mutable -> Result<std::string> {
      if (!first.empty()) return std::exchange(first, {});
      return csv->Next();
    };
    return out;
  }
  options.cursor = request.Query("cursor").value_or("");
  if (auto limit = request.Query("limit")) options.limit = std::stoi(*limit);
  options.total = request.Query("total") == "true";
  store::ListPage page = BW_TRY(state.List(resource.collection, options));
  std::string out = R"({"items":[)";
  Arena arena(64 * 1024);
  for (size_t i = 0; i < page.records.size(); ++i) {
    if (i != 0) out += ',';
    // As it is stored, where nothing changes it.
    if (!resource.render && selection.names.empty()) {
      out += page.records[i].body;
      continue;
    }
    arena.Reset();
    Value value = BW_TRY(Rendered(request, resource, page.records[i], arena));
    AppendJson(out, selection.Of(value, arena));
  }
  out += ']';
  if (!page.next.empty()) {
    out += R"(,"next":)";
    AppendJsonString(out, page.next);
  }
  if (page.total) out += fmt::format(R"(,"total":{})", *page.total);
  out += '}';
  return Response::Json(std::move(out));
}

Result<Response> Groups(const Request& request, const CollectionResource& resource,
                        store::StateStore& state) {
  auto visible = Visible(request, resource);
  if (!visible) return Response::Json(R"({"items":[]})");
  Query filter = BW_TRY(Filter(request, resource, state, *std::move(visible)));
  std::vector<std::string> by;
  std::string asked = *request.Query("by");
  for (std::string_view name : Split(asked, ',')) {
    name = Trim(name);
    const auto& fields = *state.Fields(resource.collection);
    auto found = std::find_if(fields.begin(), fields.end(), [&](const store::Field& f) {
      return f.name == name ||
             std::find(f.aliases.begin(), f.aliases.end(), name) != f.aliases.end();
    });
    if (found == fields.end() || by.size() == 4) {
      return Error(Code::kInvalid, "api.field", "there is no field " + Quote(name),
                   {{"field", std::string(name)}});
    }
    by.push_back(found->name);
  }
  int limit = 100;
  if (auto text = request.Query("limit")) limit = std::stoi(*text);
  auto groups = BW_TRY(state.GroupBy(resource.collection, filter, by, limit));
  std::string out = R"({"items":[)";
  for (const store::Group& group : groups) {
    if (out.back() != '[') out += ',';
    out += R"({"values":[)";
    for (const std::string& value : group.values) {
      if (out.back() != '[') out += ',';
      AppendJsonString(out, value);
    }
    out += fmt::format(R"(],"count":{}}})", group.count);
  }
  return Response::Json(out + "]}");
}

Result<Response> One(const Request& request, const CollectionResource& resource,
                     store::StateStore& state) {
  auto visible = Visible(request, resource);
  if (!visible) return NotFound();
  // Looked for with the filter, so that what may not be seen is not there.
  Query key = Query::Exactly("key", request.Param("key"));
  store::ListOptions options;
  options.filter = visible->kind == Query::Kind::kAll
                       ? std::move(key)
                       : Query::And({std::move(key), *std::move(visible)});
  options.limit = 1;
  store::ListPage page = BW_TRY(state.List(resource.collection, options));
  if (page.records.empty()) return NotFound();
  Arena arena;
  Value value = BW_TRY(Rendered(request, resource, page.records[0], arena));
  Response out = Response::Json(ToJson(value));
  out.revision = page.records[0].revision;
  return out;
}

}  // namespace

void Api::State::AddCollection(CollectionResource given) {
  auto resource = std::make_shared<const CollectionResource>(std::move(given));
  const CollectionResource& r = *resource;
  // "Finding" → "Findings"; several collections may share a tag, none an id.
  std::string plural = r.id + "s";
  auto language = [] {
    return Parameter{.name = "lang",
                     .description = "Language of texts; else Accept-Language.",
                     .schema = R"({"type":"string","maxLength":35})"};
  };
  auto query = [&] {
    return Parameter{.name = "q",
                     .description =
                         "What to look for, in the query language: "
                         "severity:critical ns:prod \"some words\" since:24h.",
                     .schema = R"({"type":"string","maxLength":4096})"};
  };
  std::string item = r.schema.empty() ? R"({"type":"object"})"
                     : r.schema.starts_with('{')
                         ? r.schema
                         : R"({"$ref":"#/components/schemas/)" + r.schema + R"("})";
  api.Add(
      {.method = "GET",
       .path = r.path,
       .id = "list" + plural,
       .tag = r.tag,
       .summary = "A page of " + r.tag,
       .permission = r.permission,
       .parameters = {query(),
                      {.name = "sort",
                       .description = "Fields, comma-separated; - before one reverses it.",
                       .schema = R"({"type":"string","maxLength":400})"},
                      {.name = "limit",
                       .description = "How many; 50 where not given.",
                       .schema = R"({"type":"integer","minimum":1,"maximum":1000})"},
                      {.name = "cursor",
                       .description = "The `next` of the page before.",
                       .schema = R"({"type":"string","maxLength":4096})"},
                      {.name = "fields",
                       .description = "Only these parts of each, comma-separated: id,asset.name. "
                                      "Then nothing else is there, not even what is required.",
                       .schema = R"({"type":"string","maxLength":2000})"},
                      {.name = "total",
                       .description = "Whether to count all that match.",
                       .schema = R"({"type":"boolean"})"},
                      {.name = "format",
                       .description = "csv: all pages as CSV.",
                       .schema = R"({"type":"string","enum":["json","csv"]})"},
                      {.name = "bom",
                       .description = "Whether CSV begins with a byte order mark.",
                       .schema = R"({"type":"boolean"})"},
                      language()},
       .response =
           R"({"type":"object","required":["items"],"properties":{"items":{"type":"array","items":)" +
           item + R"(},"next":{"type":"string"},"total":{"type":"integer"}}})",
       .types = {"text/csv"},
       .handler = [this, resource](Request& q) { return List(q, *resource, state); }});
  api.Add(
      {.method = "GET",
       .path = r.path + "/groups",
       .id = "group" + plural,
       .tag = r.tag,
       .summary = "How many " + r.tag + " there are of each value",
       .permission = r.permission,
       .parameters = {query(),
                      {.name = "by",
                       .description = "Fields, comma-separated; at most four.",
                       .schema = R"({"type":"string","minLength":1,"maxLength":200})",
                       .required = true},
                      {.name = "limit",
                       .description = "How many groups, the largest first; 100 where not given.",
                       .schema = R"({"type":"integer","minimum":1,"maximum":1000})"}},
       .response =
           R"({"type":"object","required":["items"],"properties":{"items":{"type":"array","items":{
             "type":"object","required":["values","count"],"properties":{
               "values":{"type":"array","items":{"type":"string"}},"count":{"type":"integer"}}}}}})",
       .handler = [this, resource](Request& q) { return Groups(q, *resource, state); }});
  api.Add({.method = "GET",
           .path = r.path + (r.key_with_slashes ? "/{key...}" : "/{key}"),
           .id = "get" + r.id,
           .tag = r.tag,
           .summary = "One of the " + r.tag,
           .permission = r.permission,
           .parameters = {language()},
           .response = r.schema.empty() ? R"({"type":"object"})" : r.schema,
           .handler = [this, resource](Request& q) { return One(q, *resource, state); }});
}

}  // namespace bulwark::api
