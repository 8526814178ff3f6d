// The cases of others: the CEL specification's for extensions, and Kubernetes' for its functions.
// Skipped where tests/conformance/cel/dump.sh has not been run.

#include <re2/re2.h>

#include <charconv>
#include <cmath>

#include "base/hash.h"
#include "lang/cel/ext/authz.h"
#include "lang/cel/ext/bindings.h"
#include "lang/cel/ext/encoders.h"
#include "lang/cel/ext/format.h"
#include "lang/cel/ext/json_patch.h"
#include "lang/cel/ext/kube_lists.h"
#include "lang/cel/ext/lists.h"
#include "lang/cel/ext/math.h"
#include "lang/cel/ext/net.h"
#include "lang/cel/ext/optionals.h"
#include "lang/cel/ext/protos.h"
#include "lang/cel/ext/quantity.h"
#include "lang/cel/ext/regex.h"
#include "lang/cel/ext/semver.h"
#include "lang/cel/ext/sets.h"
#include "lang/cel/ext/strings.h"
#include "lang/cel/ext/testing.h"
#include "lang/cel/ext/urls.h"
#include "lang/cel/macros.h"

namespace bulwark::cel::ext {
namespace {

// --- The specification ---------------------------------------------------------------------------

// A cel.expr.Value in protojson. nullopt: of a kind that needs messages.
std::optional<Value> ReadValue(Arena& arena, const Value& json) {
  if (json.entries().size() != 1) return std::nullopt;
  std::string_view kind = json.entries()[0].key.AsString();
  const Value& v = json.entries()[0].value;
  if (kind == "null_value") return Value::Null();
  if (kind == "bool_value") return v;
  if (kind == "int64_value" || kind == "uint64_value") {
    std::string_view digits = v.AsString();
    int64_t i = 0;
    uint64_t u = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), i);
    std::from_chars(digits.data(), digits.data() + digits.size(), u);
    return kind == "int64_value" ? Value::Int(i) : Value::Uint(u);
  }
  if (kind == "double_value") {
    if (!v.IsString()) return Value::Double(v.ToDouble());
    return Value::Double(v.AsString() == "NaN"    ? NAN
                         : v.AsString()[0] == '-' ? -INFINITY
                                                  : INFINITY);
  }
  if (kind == "string_value") return v;
  if (kind == "bytes_value") return Value::Bytes(arena.Copy(*Base64Decode(v.AsString())));
  if (kind == "type_value") return MakeType(arena, v.AsString());
  if (kind == "list_value") {
    std::vector<Value> items;
    for (const Value& item : v["values"].items()) {
      std::optional<Value> read = ReadValue(arena, item);
      if (!read) return std::nullopt;
      items.push_back(*read);
    }
    return Value::Array(arena, items);
  }
  if (kind == "map_value") {
    MapBuilder map(arena);
    for (const Value& entry : v["entries"].items()) {
      std::optional<Value> key = ReadValue(arena, entry["key"]);
      std::optional<Value> value = ReadValue(arena, entry["value"]);
      if (!key || !value) return std::nullopt;
      map.Add(*key, *value);
    }
    return map.Finish();
  }
  return std::nullopt;
}

std::optional<Type> ReadType(const Value& json) {
  if (json.Find("dyn") != nullptr) return Type::Dyn();
  if (json.Find("null") != nullptr) return Type::Null();
  std::string_view primitive = json.StringAt("primitive");
  if (primitive == "BOOL") return Type::Bool();
  if (primitive == "INT64") return Type::Int();
  if (primitive == "UINT64") return Type::Uint();
  if (primitive == "DOUBLE") return Type::Double();
  if (primitive == "STRING") return Type::String();
  if (primitive == "BYTES") return Type::Bytes();
  Arena& types = Type::Static();
  if (const Value* list = json.Find("list_type")) {
    std::optional<Type> of = ReadType((*list)["elem_type"]);
    return of ? std::optional(Type::List(types, *of)) : std::nullopt;
  }
  if (const Value* map = json.Find("map_type")) {
    std::optional<Type> key = ReadType((*map)["key_type"]);
    std::optional<Type> value = ReadType((*map)["value_type"]);
    return key && value ? std::optional(Type::Map(types, *key, *value)) : std::nullopt;
  }
  return std::nullopt;
}

// Equal, and of the same kind, except that a NaN equals a NaN.
bool Same(const Value& a, const Value& b) {
  if (a.IsDouble() && b.IsDouble() && std::isnan(a.AsDouble())) return std::isnan(b.AsDouble());
  if (a.IsNumber() && a.kind() != b.kind()) return false;
  return CelEqual(a, b);
}

enum class Verdict { kPassed, kFailed, kNeedsMessages };

Verdict RunSpecTest(const Value& test, const std::vector<const Library*>& libraries,
                    std::string* why) {
  Arena arena;
  EnvOptions options;
  options.libraries = libraries;
  options.error_on_bad_presence_test = true;
  options.container = test.StringAt("container");
  std::vector<Value> bindings;
  for (const Value& declaration : test["type_env"].items()) {
    const Value* ident = declaration.Find("ident");
    std::optional<Type> type = ident != nullptr ? ReadType((*ident)["type"]) : std::nullopt;
    if (!type) return Verdict::kNeedsMessages;
    std::string_view name = declaration.StringAt("name");
    options.variables.push_back({std::string(name), *type});
    const Value& bound = test["bindings"][name]["value"];
    std::optional<Value> value = ReadValue(arena, bound);
    if (!value) return Verdict::kNeedsMessages;
    bindings.push_back(*value);
  }
  std::string_view expression = test.StringAt("expr");
  if (expression.contains("TestAllTypes")) return Verdict::kNeedsMessages;
  Result<std::shared_ptr<const Env>> env = Env::Create(options);
  if (!env) {
    *why = env.error().message();
    return Verdict::kFailed;
  }
  Tried tried = Try(**env, expression, !test["disable_check"].IsTrue(), bindings);
  bool want_error = test.Find("eval_error") != nullptr;
  if (want_error) {
    if (!tried.ok()) return Verdict::kPassed;
    *why = "no error";
    return Verdict::kFailed;
  }
  if (!tried.ok()) {
    *why = tried.compile_errors.empty() ? tried.runtime_error : tried.compile_errors[0];
    return Verdict::kFailed;
  }
  std::optional<Value> want = Value::Bool(true);
  if (const Value* value = test.Find("value")) want = ReadValue(arena, *value);
  if (const Value* typed = test.Find("typed_result")) {
    want = ReadValue(arena, (*typed)["result"]);
  }
  if (!want) return Verdict::kNeedsMessages;
  if (Same(tried.value, *want)) return Verdict::kPassed;
  *why = "got " + ToJson(tried.value) + ", want " + ToJson(*want);
  return Verdict::kFailed;
}

struct SpecFile {
  const char* name;
  size_t tests;
  size_t with_messages;  // those that need protobuf messages: tested where those are
  std::vector<const Library*> (*libraries)();
};

void PrintTo(const SpecFile& file, std::ostream* out) { *out << file.name; }

class Specification : public testing::TestWithParam<SpecFile> {};

TEST_P(Specification, Passes) {
  const SpecFile& file = GetParam();
  Arena arena;
  Value data = ReadConformance(std::string("spec/") + file.name + ".json", arena);
  if (data.IsNull()) GTEST_SKIP() << "no conformance data";
  size_t count = 0;
  size_t with_messages = 0;
  for (const Value& section : data["section"].items()) {
    for (const Value& test : section["test"].items()) {
      ++count;
      std::string why;
      Verdict verdict = RunSpecTest(test, file.libraries(), &why);
      if (verdict == Verdict::kNeedsMessages) ++with_messages;
      EXPECT_TRUE(verdict != Verdict::kFailed)
          << section.StringAt("name") << "/" << test.StringAt("name") << ": "
          << test.StringAt("expr") << "\n  " << why;
    }
  }
  EXPECT_EQ(count, file.tests);
  EXPECT_EQ(with_messages, file.with_messages);
}

using Libraries = std::vector<const Library*>;
INSTANTIATE_TEST_SUITE_P(
    Files, Specification,
    testing::Values(
        SpecFile{"string_ext", 216, 3, []() -> Libraries { return {&Strings()}; }},
        SpecFile{"math_ext", 199, 0, []() -> Libraries { return {&Math()}; }},
        SpecFile{"lists_ext", 52, 0, []() -> Libraries { return {&Lists()}; }},
        SpecFile{"encoders_ext", 4, 0, []() -> Libraries { return {&Encoders()}; }},
        SpecFile{"bindings_ext", 8, 0, []() -> Libraries { return {&Bindings()}; }},
        SpecFile{"network_ext", 69, 0, []() -> Libraries { return {&Network()}; }},
        SpecFile{"optionals", 70, 11, []() -> Libraries { return {&OptionalTypes()}; }},
        SpecFile{"block_ext", 37, 12,
                 []() -> Libraries { return {&Block(), &OptionalTypes(), &Strings()}; }},
        SpecFile{"macros2", 46, 0,
                 []() -> Libraries { return {&TwoVarComprehensions(), &OptionalTypes()}; }}),
    [](const auto& param) { return std::string(param.param.name); });

// --- Kubernetes' functions -----------------------------------------------------------------------

// A value as library.json has it: {"type": …, "value": …}.
Value ReadTyped(Arena& arena, const Value& json) {
  std::string_view type = json.StringAt("type");
  const Value& v = json["value"];
  auto own = [](auto* opaque) { return Value::FromOpaque(opaque); };
  if (type == "kubernetes.Quantity") {
    return own(arena.Own<QuantityValue>(*Quantity::Parse(v.AsString())));
  }
  if (type == "net.IP") return own(arena.New<IpValue>(Address::Parse(v.AsString())->address));
  if (type == "net.CIDR") return own(arena.New<CidrValue>(*Prefix::Parse(v.AsString())));
  if (type == "kubernetes.Semver") {
    return own(arena.Own<SemverValue>(*Semver::Parse(v.AsString())));
  }
  if (type == "kubernetes.NamedFormat") {
    for (const NamedFormat& format : NamedFormats()) {
      if (format.own_name == v.AsString()) return own(arena.New<FormatValue>(&format));
    }
    ADD_FAILURE() << "no format " << v.AsString();
  }
  if (type == "optional_type") {
    return v.IsNull() ? NoneOptional() : MakeOptional(arena, ReadTyped(arena, v));
  }
  if (type == "list") {
    std::vector<Value> items;
    for (const Value& item : v.items()) items.push_back(ReadTyped(arena, item));
    return Value::Array(arena, items);
  }
  if (type == "double") return Value::Double(v.ToDouble());
  if (type == "uint") return Value::Uint(static_cast<uint64_t>(*v.ToInt()));
  return v;
}

std::shared_ptr<const Env> EnvOf(std::string_view table, int64_t version) {
  if (table == "ip" || table == "cidr") return EnvWith({&Ip(), &Cidr()});
  if (table == "semver") return EnvWith({&Semvers(static_cast<int>(version))});
  return EnvWith({&OptionalTypes(), &Strings(2), &Urls(), &KubeRegex(), &KubeLists(), &Quantities(),
                  &Formats()});
}

TEST(Kubernetes, Library) {
  Arena arena;
  Value data = ReadConformance("kubernetes/library.json", arena);
  if (data.IsNull()) GTEST_SKIP() << "no conformance data";
  std::span<const Value> cases = data["cases"].items();
  EXPECT_EQ(cases.size(), 349u);
  for (const Value& row : cases) {
    std::string_view expression = row.StringAt("expr");
    SCOPED_TRACE(std::string(row.StringAt("table")) + ": " + std::string(expression));
    std::shared_ptr<const Env> env =
        EnvOf(row.StringAt("table"), row["version"].ToInt().value_or(0));
    Tried tried = Try(*env, expression);
    if (const Value* want = row.Find("value")) {
      ASSERT_TRUE(tried.ok()) << tried.runtime_error
                              << (tried.compile_errors.empty() ? "" : tried.compile_errors[0]);
      EXPECT_TRUE(Same(tried.value, ReadTyped(arena, *want))) << ToJson(tried.value);
    } else if (const Value* error = row.Find("runtimeError")) {
      if (row.StringAt("runtimeErrorMatch") == "exact") {
        EXPECT_EQ(tried.runtime_error, error->AsString());
      } else {
        EXPECT_TRUE(RE2::PartialMatch(tried.runtime_error, std::string(error->AsString())))
            << tried.runtime_error;
      }
    } else {
      ASSERT_FALSE(tried.compile_errors.empty());
      for (const Value& pattern : row["compileErrors"].items()) {
        bool found = false;
        for (const std::string& issue : tried.compile_errors) {
          found = found || RE2::PartialMatch(issue, std::string(pattern.AsString()));
        }
        EXPECT_TRUE(found) << tried.compile_errors[0] << "\n" << pattern.AsString();
      }
    }
  }
}

// --- Costs ---------------------------------------------------------------------------------------

class AllowAll final : public Authorizer {
 public:
  AuthorizationDecision Authorize(const AuthorizationCheck&) const override {
    return {true, "", ""};
  }
};

// Texts of unknown size are up to 12 long.
class TwelveLong final : public SizeHints {
 public:
  std::optional<Range> SizeOf(std::span<const std::string>, Type type) const override {
    if (type.kind() == TypeKind::kString || type.kind() == TypeKind::kBytes) return Range{0, 12};
    return std::nullopt;
  }
};

TEST(Kubernetes, Costs) {
  Arena arena;
  Value data = ReadConformance("kubernetes/library_cost.json", arena);
  if (data.IsNull()) GTEST_SKIP() << "no conformance data";
  // As the original's test, not as the API server: literals are not folded.
  EnvOptions options;
  options.libraries = {
      &KubeEquality(), &Strings(2),       &Urls(),       &KubeRegex(),     &KubeLists(),
      &Authz(),        &AuthzSelectors(), &Quantities(), &Sets(),          &Ip(),
      &Cidr(),         &Formats(),        &JsonPatch(),  &OptionalTypes(), &TwoVarComprehensions(),
      &Semvers(1)};
  options.literals_have_cost = true;
  options.variables = {{"authorizer", AuthorizerType()}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  const Value bindings[] = {RequestAuthorizer()};
  AllowAll authorizer;
  RunOptions run;
  run.track_cost = true;
  run.authorizer = &authorizer;
  TwelveLong sizes;
  std::span<const Value> cases = data["cases"].items();
  EXPECT_EQ(cases.size(), 216u);
  for (const Value& row : cases) {
    std::string_view expression = row.StringAt("expr");
    SCOPED_TRACE(std::string(row.StringAt("table")) + ": " + std::string(expression));
    std::vector<Issue> issues;
    Result<std::shared_ptr<Ast>> parsed = env->Parse(expression, &issues);
    ASSERT_TRUE(parsed.has_value()) << issues[0].message;
    Result<std::shared_ptr<Ast>> checked = env->Check(*parsed, &issues);
    ASSERT_TRUE(checked.has_value()) << issues[0].message;
    Range estimate = EstimateCost(**checked, &sizes, {.presence_test_has_cost = false});
    EXPECT_EQ(estimate.min, static_cast<uint64_t>(*row["estimatedMin"].ToInt()));
    EXPECT_EQ(estimate.max, static_cast<uint64_t>(*row["estimatedMax"].ToInt()));
    Tried tried = Try(*env, expression, true, bindings, run);
    EXPECT_TRUE(tried.compile_errors.empty());
    EXPECT_EQ(tried.cost, static_cast<uint64_t>(*row["runtime"].ToInt())) << tried.runtime_error;
  }
}

// Answers with the sizes that it is given.
class Given final : public CostContext {
 public:
  std::vector<std::pair<const Expr*, Range>> sizes;
  Range SizeOf(const Expr* operand) override {
    for (const auto& [expr, size] : sizes) {
      if (expr == operand) return size;
    }
    return {0, kMaxCost};
  }
  std::optional<Range> KnownSizeOf(const Expr* operand) override { return SizeOf(operand); }
  Type TypeOf(const Expr*) override { return Type::String(); }
  const SizeHints* hints() override { return nullptr; }
};

TEST(Kubernetes, ResultSizes) {
  Arena arena;
  Value data = ReadConformance("kubernetes/library_size.json", arena);
  if (data.IsNull()) GTEST_SKIP() << "no conformance data";
  auto range = [](const Value& json) {
    return Range{static_cast<uint64_t>(*json["min"].ToInt()),
                 static_cast<uint64_t>(*json["max"].ToInt())};
  };
  std::shared_ptr<const Env> env = MakeEnv(KubernetesEnvironment());
  EXPECT_EQ(data["cases"].items().size(), 6u);
  for (const Value& row : data["cases"].items()) {
    SCOPED_TRACE(row.StringAt("name"));
    Expr target;
    std::vector<Expr> args(row["argSizes"].items().size());
    std::vector<const Expr*> arg_pointers;
    Given given;
    given.sizes.emplace_back(&target, range(row["targetSize"]));
    for (size_t i = 0; i < args.size(); ++i) {
      given.sizes.emplace_back(&args[i], range(row["argSizes"].items()[i]));
      arg_pointers.push_back(&args[i]);
    }
    const FunctionDecl* function = env->FindFunction(row.StringAt("function"));
    ASSERT_NE(function, nullptr);
    std::optional<CallEstimate> estimate =
        function->overloads[0].estimated_cost(given, &target, arg_pointers);
    ASSERT_TRUE(estimate && estimate->result_size);
    Range want = range(row["resultSize"]);
    EXPECT_EQ(estimate->result_size->min, want.min);
    EXPECT_EQ(estimate->result_size->max, want.max);
  }
}

}  // namespace
}  // namespace bulwark::cel::ext
