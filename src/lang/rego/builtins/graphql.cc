// graphql.*: queries and schemas as text or as the trees that these functions give.

#include <charconv>
#include <map>
#include <memory>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/graphql_ast.h"

namespace bulwark::rego {

namespace {

// A schema, and the nodes it consists of.
struct Compiled {
  GqlPool pool;
  GqlSchema schema;
};

// The schemas of a query that were compiled from text.
struct Schemas {
  std::map<std::string, std::shared_ptr<Compiled>, std::less<>> schemas;
};

Error Wrong(std::string message) { return Error(Code::kInvalid, std::move(message)); }

// "input:3:5: message." → "message in GraphQL string at location 3:5"
std::string Located(const std::string& text) {
  auto number = [](std::string_view digits) -> std::optional<uint64_t> {
    uint64_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  size_t first = text.find(':');
  size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  size_t third = second == std::string::npos ? second : text.find(':', second + 1);
  if (third != std::string::npos) {
    std::optional<uint64_t> row =
        number(std::string_view(text).substr(first + 1, second - first - 1));
    std::optional<uint64_t> column =
        number(std::string_view(text).substr(second + 1, third - second - 1));
    if (row && column) {
      std::string_view message = std::string_view(text).substr(third + 1);
      while (message.starts_with(' ')) message.remove_prefix(1);
      if (message.ends_with(".\n")) message.remove_suffix(2);
      return std::string(message) + " in GraphQL string at location " + std::to_string(*row) + ":" +
             std::to_string(*column);
    }
  }
  return "GraphQL parse error: " + text;
}

Result<GqlQueryDocument> ReadQuery(const Value& value, GqlPool& pool) {
  if (value.IsMap()) return GqlQueryFromValue(value, pool);
  Result<GqlQueryDocument> query = ParseGqlQuery(value.AsString(), pool);
  if (!query) return Wrong(Located(query.error().message()));
  return query;
}

Result<GqlSchemaDocument> ReadSchema(const Value& value, GqlPool& pool) {
  if (value.IsMap()) return GqlSchemaFromValue(value, pool);
  Result<GqlSchemaDocument> schema = ParseGqlSchema(value.AsString(), pool);
  if (!schema) return Wrong(Located(schema.error().message()));
  return schema;
}

bool IsDocument(const Value& value) { return value.IsString() || value.IsMap(); }

// The schema of an operand; its tree too, where `tree` is asked for.
Result<std::shared_ptr<Compiled>> Compile(Context& c, const Value& operand, Value* tree) {
  auto& known = c.state<Schemas>().schemas;
  if (operand.IsString() && tree == nullptr) {
    if (auto found = known.find(operand.AsString()); found != known.end()) return found->second;
  }
  auto compiled = std::make_shared<Compiled>();
  GqlSchemaDocument document = BW_TRY(ReadSchema(operand, compiled->pool));
  if (tree != nullptr) *tree = GqlSchemaValue(document, c.arena);
  Result<GqlSchema> schema = MakeGqlSchema(document, compiled->pool);
  if (!schema) {
    return Wrong("Error in gqlparser SchemaDocument to Schema conversion: " +
                 schema.error().message());
  }
  compiled->schema = *std::move(schema);
  constexpr size_t kMaxKept = 10;
  if (operand.IsString() && known.size() < kMaxKept) {
    known.emplace(operand.AsString(), compiled);
  }
  return compiled;
}

// An empty Error message with `halted` set means: stop.
Result<> Validate(Context& c, Compiled& compiled, GqlQueryDocument& query, bool& halted) {
  std::vector<GqlError> errors =
      ValidateGqlQuery(compiled.schema, query, compiled.pool, [&](uint64_t units) {
        halted = !c.Spend(units);
        return !halted;
      });
  if (halted) return Wrong("");
  if (errors.empty()) return Ok{};
  std::string text;
  for (const GqlError& error : errors) text += error.Text() + "\n";
  return Wrong(Located(text));
}

bool SpendOn(Context& c, const Value& document) {
  return c.Spend(document.IsString() ? document.size() / 10 + 10 : 100);
}

struct Parsed {
  Value query, schema;
};

Result<Parsed> ParseBoth(Context& c, Args args, bool& halted) {
  Parsed out;
  GqlPool pool;
  GqlQueryDocument query = BW_TRY(ReadQuery(args[0], pool));
  std::shared_ptr<Compiled> compiled = BW_TRY(Compile(c, args[1], &out.schema));
  out.query = GqlQueryValue(query, c.arena);
  if (Result<> valid = Validate(c, *compiled, query, halted); !valid) {
    return std::move(valid).error();
  }
  return out;
}

Outcome Parse(Context& c, Args args, Value& out) {
  for (size_t i = 0; i < 2; ++i) {
    if (!IsDocument(args[i])) {
      if (i == 1) {  // a query that does not parse is the first thing wrong
        GqlPool pool;
        Result<GqlQueryDocument> query = ReadQuery(args[0], pool);
        if (!query) return c.Fail(query.error().message());
      }
      return c.WrongType(i, args[i], "one of {string, object}");
    }
    if (!SpendOn(c, args[i])) return Outcome::kHalt;
  }
  bool halted = false;
  Result<Parsed> parsed = ParseBoth(c, args, halted);
  if (halted) return Outcome::kHalt;
  if (!parsed) return c.Fail(parsed.error().message());
  Value pair[] = {parsed->query, parsed->schema};
  out = Value::Array(c.arena, pair);
  return Outcome::kValue;
}

Outcome ParseAndVerify(Context& c, Args args, Value& out) {
  Value triple[] = {Value::Bool(false), Value::EmptyMap(), Value::EmptyMap()};
  if (!SpendOn(c, args[0]) || !SpendOn(c, args[1])) return Outcome::kHalt;
  if (IsDocument(args[0]) && IsDocument(args[1])) {
    bool halted = false;
    Result<Parsed> parsed = ParseBoth(c, args, halted);
    if (halted) return Outcome::kHalt;
    if (parsed) {
      triple[0] = Value::Bool(true);
      triple[1] = parsed->query;
      triple[2] = parsed->schema;
    }
  }
  out = Value::Array(c.arena, triple);
  return Outcome::kValue;
}

Outcome ParseQuery(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  GqlPool pool;
  Result<GqlQueryDocument> query = ReadQuery(args[0], pool);
  if (!query) return c.Fail(query.error().message());
  out = GqlQueryValue(*query, c.arena);
  return Outcome::kValue;
}

Outcome ParseSchema(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  GqlPool pool;
  Result<GqlSchemaDocument> schema = ReadSchema(args[0], pool);
  if (!schema) return c.Fail(schema.error().message());
  out = GqlSchemaValue(*schema, c.arena);
  return Outcome::kValue;
}

Outcome IsValid(Context& c, Args args, Value& out) {
  out = Value::Bool(false);
  if (!IsDocument(args[0]) || !IsDocument(args[1])) return Outcome::kValue;
  if (!SpendOn(c, args[0]) || !SpendOn(c, args[1])) return Outcome::kHalt;
  GqlPool pool;
  Result<GqlQueryDocument> query = ReadQuery(args[0], pool);
  if (!query) return Outcome::kValue;
  Result<std::shared_ptr<Compiled>> compiled = Compile(c, args[1], nullptr);
  if (!compiled) return Outcome::kValue;
  bool halted = false;
  Result<> valid = Validate(c, **compiled, *query, halted);
  if (halted) return Outcome::kHalt;
  out = Value::Bool(valid.has_value());
  return Outcome::kValue;
}

Outcome SchemaIsValid(Context& c, Args args, Value& out) {
  out = Value::Bool(false);
  if (!IsDocument(args[0])) return Outcome::kValue;
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  out = Value::Bool(Compile(c, args[0], nullptr).has_value());
  return Outcome::kValue;
}

constexpr Builtin kGraphql[] = {
    {"graphql.parse",
     "(query: string | object[any: any], schema: string | object[any: any]) -> output: "
     "array<object[any: any], object[any: any]>",
     Parse},
    {"graphql.parse_and_verify",
     "(query: string | object[any: any], schema: string | object[any: any]) -> output: "
     "array<boolean, object[any: any], object[any: any]>",
     ParseAndVerify},
    {"graphql.parse_query", "(query: string) -> output: object[any: any]", ParseQuery},
    {"graphql.parse_schema", "(schema: string) -> output: object[any: any]", ParseSchema},
    {"graphql.is_valid",
     "(query: string | object[any: any], schema: string | object[any: any]) -> output: boolean",
     IsValid},
    {"graphql.schema_is_valid", "(schema: string | object[any: any]) -> output: boolean",
     SchemaIsValid},
};

}  // namespace

std::span<const Builtin> GraphqlBuiltins() { return kGraphql; }

}  // namespace bulwark::rego
