// Kubernetes' cases for its functions. Skipped where tests/conformance/cel/dump.sh has not been
// run. (The specification's cases for extensions are in tests/conformance/cel/spec.)

#include <re2/re2.h>

#include <cmath>

#include "lang/cel/ext/authz.h"
#include "lang/cel/ext/format.h"
#include "lang/cel/ext/json_patch.h"
#include "lang/cel/ext/kube_lists.h"
#include "lang/cel/ext/net.h"
#include "lang/cel/ext/optionals.h"
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

// Equal, and of the same kind, except that a NaN equals a NaN.
bool Same(const Value& a, const Value& b) {
  if (a.IsDouble() && b.IsDouble() && std::isnan(a.AsDouble())) return std::isnan(b.AsDouble());
  if (a.IsNumber() && a.kind() != b.kind()) return false;
  return CelEqual(a, b);
}

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
