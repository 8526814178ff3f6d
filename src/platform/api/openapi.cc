// The OpenAPI 3.1 document of the route table.

#include <algorithm>
#include <map>

#include "base/text.h"
#include "formats/json.h"
#include "platform/api/api_state.h"

namespace bulwark::api {

namespace {

constexpr std::string_view kProblemResponse =
    R"json({"Problem":{"description":"Why it was refused, as RFC 9457 has it",
    "content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}})json";

class Writer {
 public:
  explicit Writer(Arena& arena) : arena_(arena) {}

  Value Text(std::string_view text) { return Value::String(arena_, text); }
  // A schema: by name, as JSON, or any.
  Value Schema(std::string_view schema) {
    if (schema.starts_with('{')) {
      auto parsed = ParseJson(schema, arena_);
      return parsed ? *parsed : Value::EmptyMap();
    }
    return MapBuilder(arena_)
        .Add("$ref", Text("#/components/schemas/" + std::string(schema)))
        .Finish();
  }

  Value Operation(const Route& route) {
    MapBuilder out(arena_);
    out.Add("operationId", Text(route.id)).Add("summary", Text(route.summary));
    if (!route.description.empty()) out.Add("description", Text(route.description));
    if (!route.tag.empty()) {
      Value tags[] = {Text(route.tag)};
      out.Add("tags", Value::Array(arena_, tags));
    }
    std::vector<Value> parameters;
    for (std::string_view segment : Split(route.path, '/')) {
      if (!segment.starts_with('{')) continue;
      std::string_view name = segment.substr(1, segment.find_first_of(".}") - 1);
      MapBuilder one(arena_);
      one.Add("name", Text(name)).Add("in", Value::String("path"));
      one.Add("required", Value::Bool(true));
      one.Add("schema", Schema(R"({"type":"string","minLength":1})"));
      if (segment.ends_with("...}")) {
        one.Add("description", Value::String("Slashes in it may stand as they are or as %2F"));
        one.Add("example", Value::String("c1/apps/Deployment/shop/web"));
      }
      parameters.push_back(one.Finish());
    }
    for (const Parameter& p : route.parameters) {
      MapBuilder one(arena_);
      one.Add("name", Text(p.name)).Add("in", Value::String("query"));
      if (!p.description.empty()) one.Add("description", Text(p.description));
      if (p.required) one.Add("required", Value::Bool(true));
      one.Add("schema", Schema(p.schema));
      parameters.push_back(one.Finish());
    }
    if (!parameters.empty()) out.Add("parameters", Value::Array(arena_, parameters));
    if (!route.request.empty()) {
      std::string_view type =
          route.method == "PATCH" ? "application/merge-patch+json" : "application/json";
      MapBuilder content(arena_);
      content.Add("application/json",
                  MapBuilder(arena_).Add("schema", Schema(route.request)).Finish());
      if (route.method == "PATCH") {
        content.Add(Text(type), MapBuilder(arena_).Add("schema", Schema(route.request)).Finish());
      }
      out.Add("requestBody", MapBuilder(arena_)
                                 .Add("required", Value::Bool(true))
                                 .Add("content", content.Finish())
                                 .Finish());
    }
    MapBuilder success(arena_);
    success.Add("description", Text(route.summary));
    MapBuilder content(arena_);
    if (!route.response.empty()) {
      content.Add("application/json",
                  MapBuilder(arena_).Add("schema", Schema(route.response)).Finish());
    }
    for (const std::string& type : route.types) content.Add(Text(type), Value::EmptyMap());
    if (!route.response.empty() || !route.types.empty()) success.Add("content", content.Finish());
    MapBuilder responses(arena_);
    responses.Add(Text(std::to_string(route.status)), success.Finish());
    responses.Add("default", Schema(R"({"$ref":"#/components/responses/Problem"})"));
    out.Add("responses", responses.Finish());
    if (route.permission == kPublic) {
      out.Add("security", Value::EmptyArray());
    } else if (route.permission != kAuthenticated) {
      out.Add("x-permission", Text(route.permission));
    }
    return out.Finish();
  }

 private:
  Arena& arena_;
};

}  // namespace

std::string OpenApiDocument(const Api::State& state) {
  Arena arena;
  Writer w(arena);
  // "{key...}" is ours; OpenAPI's parameters are one segment, which clients then escape.
  std::map<std::string, std::map<std::string, const Route*>> paths;
  for (const Route& route : state.routes) {
    std::string method = AsciiLower(route.method);
    paths[ReplaceAll(route.path, "...}", "}")][method] = &route;
  }
  MapBuilder all(arena);
  for (const auto& [path, methods] : paths) {
    MapBuilder one(arena);
    for (const auto& [method, route] : methods) one.Add(w.Text(method), w.Operation(*route));
    all.Add(w.Text(path), one.Finish());
  }
  MapBuilder schemas(arena);
  for (const auto& [name, text] : state.schema_texts) schemas.Add(w.Text(name), w.Schema(text));
  MapBuilder components(arena);
  components.Add("schemas", schemas.Finish());
  components.Add("responses", w.Schema(kProblemResponse));
  components.Add("securitySchemes", w.Schema(R"({
    "bearer":{"type":"http","scheme":"bearer","description":"An API token"},
    "session":{"type":"apiKey","in":"cookie","name":"__Host-bulwark",
      "description":"A browser's session; writes also need X-CSRF-Token"}})"));
  MapBuilder document(arena);
  document.Add("openapi", Value::String("3.1.0"))
      .Add("info",
           MapBuilder(arena)
               .Add("title", Value::String("Bulwark"))
               .Add("version", Value::String(BULWARK_VERSION))
               .Add("license", w.Schema(R"({"name":"Apache-2.0","identifier":"Apache-2.0"})"))
               .Finish())
      .Add("paths", all.Finish())
      .Add("components", components.Finish())
      .Add("security", w.Schema(R"({"x":[{"bearer":[]},{"session":[]}]})")["x"]);
  return ToJson(document.Finish());
}

}  // namespace bulwark::api
