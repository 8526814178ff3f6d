// json.match_schema and json.verify_schema.

#include <map>
#include <memory>

#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/json_schema.h"

namespace bulwark::rego {

namespace {

// The JSON of a document or schema: text that is JSON, or an object or array.
Result<std::string> JsonOf(const Value& value) {
  if (value.IsString()) {
    std::string text = ToValidUtf8(value.AsString());
    Arena arena;
    if (!ParseJson(text, arena, {.duplicate_keys = true})) {
      return Error(Code::kInvalid, "invalid JSON string");
    }
    return text;
  }
  if (!value.IsMap() && !value.IsArray()) {
    return Error(Code::kInvalid, "wrong type, expected string or object");
  }
  return GoJson(value);
}

// The schemas of a query, compiled once.
struct Schemas {
  std::map<std::string, std::shared_ptr<const JsonSchema>, std::less<>> schemas;
};

Result<std::shared_ptr<const JsonSchema>> Compiled(Context& c, const std::string& json) {
  auto& known = c.state<Schemas>().schemas;
  if (auto found = known.find(json); found != known.end()) return found->second;
  auto schema = std::make_shared<const JsonSchema>(BW_TRY(JsonSchema::Compile(json)));
  constexpr size_t kMaxKept = 100;
  if (known.size() < kMaxKept) known.emplace(json, schema);
  return schema;
}

Value Pair(Context& c, bool valid, Value detail) {
  Value pair[] = {Value::Bool(valid), detail};
  return Value::Array(c.arena, pair);
}

Outcome VerifySchema(Context& c, Args args, Value& out) {
  Result<std::string> json = JsonOf(args[0]);
  std::string wrong;
  if (!json) {
    wrong = json.error().message();
  } else {
    if (!c.Spend(json->size() / 10 + 10)) return Outcome::kHalt;
    if (Result<std::shared_ptr<const JsonSchema>> schema = Compiled(c, *json); !schema) {
      wrong = schema.error().message();
    }
  }
  out = wrong.empty() ? Pair(c, true, Value::Null())
                      : Pair(c, false, Value::String(c.arena, "jsonschema: " + wrong));
  return Outcome::kValue;
}

Outcome MatchSchema(Context& c, Args args, Value& out) {
  Result<std::string> document_json = JsonOf(args[0]);
  if (!document_json) return c.Fail(document_json.error().message());
  Result<std::string> schema_json = JsonOf(args[1]);
  if (!schema_json) return c.Fail(schema_json.error().message());
  if (!c.Spend((document_json->size() + schema_json->size()) / 10 + 10)) return Outcome::kHalt;
  Result<std::shared_ptr<const JsonSchema>> schema = Compiled(c, *schema_json);
  if (!schema) return c.Fail(schema.error().message());
  Result<Value> document = ParseJson(*document_json, c.arena, {.duplicate_keys = true});
  if (!document) return c.Fail(document.error().message());
  bool halted = false;
  Result<std::vector<JsonSchema::Failure>> failures = (*schema)->Validate(*document, [&] {
    halted = !c.Spend(5);
    return !halted;
  });
  if (halted) return Outcome::kHalt;
  if (!failures) return c.Fail(failures.error().message());
  std::vector<Value> errors;
  for (const JsonSchema::Failure& failure : *failures) {
    MapBuilder map(c.arena);
    map.Add("error", Value::String(c.arena, failure.Text()));
    map.Add("type", Value::String(c.arena, failure.type));
    map.Add("field", Value::String(c.arena, failure.field));
    map.Add("desc", Value::String(c.arena, failure.description));
    errors.push_back(map.Finish());
  }
  out = Pair(c, failures->empty(), Value::Array(c.arena, errors));
  return Outcome::kValue;
}

constexpr Builtin kSchema[] = {
    {.name = "json.match_schema",
     .type = "(document: string | object[any: any], schema: string | object[any: any]) -> output: "
             "array<boolean, array[object<\"desc\": string, \"error\": string, \"field\": string, "
             "\"type\": string>]>",
     .call = MatchSchema,
     .nondeterministic = true},
    {.name = "json.verify_schema",
     .type = "(schema: string | object[any: any]) -> output: array<boolean, null | string>",
     .call = VerifySchema,
     .nondeterministic = true},
};

}  // namespace

std::span<const Builtin> SchemaBuiltins() { return kSchema; }

}  // namespace bulwark::rego
