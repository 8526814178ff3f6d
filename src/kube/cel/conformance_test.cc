// Kubernetes' own tests of rules on objects (tests/conformance/cel/kubernetes/README.md). Skipped
// where tests/conformance/cel/dump.sh has not been run.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "kube/cel/validation.h"

namespace bulwark::kube {
namespace {

std::string DataFolder() {
  if (const char* set = std::getenv("BULWARK_CONFORMANCE"))
    return std::string(set) + "/cel/kubernetes";
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) {
    return std::string(cache) + "/bulwark/conformance/cel/kubernetes";
  }
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "") + "/.cache/bulwark/conformance/cel/kubernetes";
}

// The lines "table/name: reason" of what is not done.
const std::set<std::string>& Skips() {
  static const std::set<std::string> kSkips = [] {
    std::set<std::string> out;
    Result<std::string> text =
        ReadFile(BULWARK_SOURCE_DIR "/tests/conformance/cel/kubernetes/skips.txt");
    if (!text) return out;
    for (std::string_view line : SplitLines(*text)) {
      if (line.empty() || line[0] == '#') continue;
      if (auto cut = Cut(line, ": ")) out.emplace(cut->first);
    }
    return out;
  }();
  return kSkips;
}

// One file of cases, and how they went.
class Table {
 public:
  explicit Table(std::string name) : name_(std::move(name)) {
    Result<std::string> text = ReadFile(DataFolder() + "/" + name_ + ".json");
    if (!text) return;
    text_ = *std::move(text);
    Result<Value> json = ParseJson(text_, arena_);
    if (!json) {
      ADD_FAILURE() << name_ << ": " << json.error().ToString();
      return;
    }
    cases_ = (*json)["cases"];
  }
  ~Table() {
    if (IsThere())
      fmt::print("{}: {} passed, {} failed, {} skipped\n", name_, passed_, failed_, skipped_);
  }
  bool IsThere() const { return !cases_.IsNull(); }
  std::span<const Value> cases() const { return cases_.items(); }
  size_t passed() const { return passed_; }
  size_t skipped() const { return skipped_; }

  void Count(std::string_view name, const std::string& problem) {
    if (Skips().contains(name_ + "/" + std::string(name))) {
      ++skipped_;
      EXPECT_FALSE(problem.empty()) << name_ << "/" << name << " passes, and is in skips.txt";
    } else if (problem.empty()) {
      ++passed_;
    } else {
      ++failed_;
      ADD_FAILURE() << name_ << "/" << name << ":\n  " << problem;
    }
  }

 private:
  std::string name_, text_;
  Arena arena_;
  Value cases_;
  size_t passed_ = 0, failed_ = 0, skipped_ = 0;
};

// A schema with one rule at its top, and no other there.
Value WithRule(Arena& arena, const Value& schema, std::string_view rule) {
  MapBuilder entry(arena);
  entry.Add("rule", Value::String(rule));
  Value rules[] = {entry.Finish()};
  MapBuilder out(arena);
  for (const Value::Entry& e : schema.entries()) out.Add(e.key, e.value);
  out.Add("x-kubernetes-validations", Value::Array(arena, rules));
  return out.Finish();
}

CompileOptions Options(bool is_resource, int minor = 34) {
  CompileOptions options;
  options.is_resource = is_resource;
  options.kubernetes_minor = minor;
  return options;
}

ValidateOptions Root(int64_t budget = INT64_MAX) {
  return {.path = "root", .budget = budget, .ratcheting = false};
}

std::vector<std::string> Texts(std::span<const Violation> violations) {
  std::vector<std::string> out;
  for (const Violation& v : violations) out.push_back(v.ToString());
  std::ranges::sort(out);
  return out;
}

std::string Show(std::span<const std::string> texts) {
  return texts.empty() ? "no errors" : Join(texts, "\n    ");
}

std::string_view TypeOf(ViolationReason reason) {
  switch (reason) {
    case ViolationReason::kInvalid: return "FieldValueInvalid";
    case ViolationReason::kForbidden: return "FieldValueForbidden";
    case ViolationReason::kRequired: return "FieldValueRequired";
    case ViolationReason::kDuplicate: return "FieldValueDuplicate";
    case ViolationReason::kInternal: return "InternalError";
  }
  return "";
}

// What differs from what Kubernetes did, beyond what its test asserts. "" if nothing.
std::string CompareObserved(const Value& observed, const Validation& got, int64_t budget,
                            std::span<const CompiledRule> rules) {
  std::vector<std::string> want;
  for (const Value& e : observed["errors"].items()) want.emplace_back(e.StringAt("text"));
  std::ranges::sort(want);
  std::vector<std::string> texts = Texts(got.errors);
  if (texts != want) return "errors " + Show(texts) + "\n  want " + Show(want);
  if (const Value* warnings = observed.Find("warnings")) {
    std::vector<std::string> want_warnings;
    for (const Value& w : warnings->items()) want_warnings.emplace_back(w.AsString());
    std::ranges::sort(want_warnings);
    if (Texts(got.warnings) != want_warnings) {
      return "warnings " + Show(Texts(got.warnings)) + "\n  want " + Show(want_warnings);
    }
  }
  if (observed["outOfBudget"].IsTrue()) {
    if (got.remaining_budget >= 0) return "budget was enough";
  } else if (const Value* cost = observed.Find("cost")) {
    if (got.remaining_budget != budget - cost->AsInt()) {
      return fmt::format("cost {}, want {}", budget - got.remaining_budget, cost->AsInt());
    }
  }
  std::span<const Value> compiled = observed["compiled"].items();
  for (size_t i = 0; i < compiled.size(); ++i) {
    if (i >= rules.size()) return "a rule is missing";
    const Value& c = compiled[i];
    const CompiledRule& rule = rules[i];
    if (c.StringAt("error") != rule.error) {
      // lists v3, which only stored rules may use: they compile here.
      if (c["onlyStored"].IsTrue() && rule.error.empty()) continue;
      return "compiled: " + rule.error + "\n  want: " + std::string(c.StringAt("error"));
    }
    if (!rule.error.empty()) continue;
    if (c.Find("maxCost") == nullptr) continue;
    if (c["maxCost"].ToInt() != static_cast<int64_t>(rule.max_cost) &&
        !(c["maxCost"].IsUint() && c["maxCost"].AsUint() == rule.max_cost)) {
      return fmt::format("estimate {}, want {}", rule.max_cost, ToJson(c["maxCost"]));
    }
    if (c["maxCardinality"].ToInt() != static_cast<int64_t>(rule.max_cardinality)) {
      return fmt::format("cardinality {}, want {}", rule.max_cardinality,
                         ToJson(c["maxCardinality"]));
    }
    if (c["usesOldSelf"].IsTrue() != rule.uses_old_self) return "usesOldSelf";
    if (const Value* max = c.Find("messageExpressionMaxCost")) {
      if (max->ToInt() != static_cast<int64_t>(rule.message_max_cost)) {
        return fmt::format("message's estimate {}, want {}", rule.message_max_cost, ToJson(*max));
      }
    }
    if (c.StringAt("messageExpressionError") != rule.message_error) {
      return "message's error: " + rule.message_error;
    }
  }
  return {};
}

// The same with the entries of all maps in the other order. Go has none, and a loop over a map that
// stops early costs by it.
Value Reversed(Arena& arena, const Value& v) {
  if (v.IsArray()) {
    std::vector<Value> items;
    for (const Value& item : v.items()) items.push_back(Reversed(arena, item));
    return Value::Array(arena, items);
  }
  if (!v.IsMap()) return v;
  MapBuilder out(arena);
  for (size_t i = v.size(); i-- > 0;) {
    out.Add(v.entries()[i].key, Reversed(arena, v.entries()[i].value));
  }
  return out.Finish();
}

const Value* OldOf(const Value& test) {
  const Value* old = test.Find("oldObject");
  return old != nullptr && !old->IsNull() ? old : nullptr;
}

TEST(KubernetesRules, ValidationExpressions) {
  Table table("validation_expressions");
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  size_t valid = 0;
  for (const Value& test : table.cases()) {
    for (const Value& row : test["rules"].items()) {
      Arena arena;
      const Value schema = WithRule(arena, test["schema"], row.StringAt("rule"));
      CompileOptions options = Options(row["isRoot"].IsTrue());
      if (const Value* limit = test.Find("perCallLimit")) {
        options.per_call_limit = static_cast<uint64_t>(limit->AsInt());
      }
      std::string problem;
      Result<Validator> validator = Validator::Compile(schema, options);
      if (!validator) {
        problem = validator.error().ToString();
      } else {
        int64_t budget = test["costBudget"].AsInt();
        Validation got = validator->Validate(test["object"], OldOf(test), Root(budget));
        const Value& expect = row["expect"];
        std::vector<std::string> texts = Texts(got.errors);
        if (expect["valid"].IsTrue()) {
          ++valid;
          if (!texts.empty()) problem = Show(texts);
        } else if (texts.size() != 1 || !texts[0].contains(expect.StringAt("error"))) {
          problem = Show(texts) + "\n  want: " + std::string(expect.StringAt("error"));
        }
        if (problem.empty()) {
          problem = CompareObserved(row["observed"], got, budget, validator->rules());
        }
        if (problem.starts_with("cost ")) {
          got = validator->Validate(Reversed(arena, test["object"]), OldOf(test), Root(budget));
          problem = CompareObserved(row["observed"], got, budget, validator->rules());
        }
      }
      table.Count(std::string(test.StringAt("name")) + "/" + std::string(row.StringAt("rule")),
                  problem);
    }
  }
  EXPECT_EQ(table.passed() + table.skipped(), 790U);
  EXPECT_EQ(valid, 714U);
}

// The tables whose rules stand in the schemas.
void RunTable(const char* name, size_t count, bool ratcheting) {
  Table table(name);
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  for (const Value& test : table.cases()) {
    std::string problem;
    CompileOptions compile = Options(test["isRoot"].IsTrue());
    if (const Value* limit = test.Find("perCallLimit")) {
      compile.per_call_limit = static_cast<uint64_t>(limit->AsInt());
    }
    Result<Validator> validator = Validator::Compile(test["schema"], compile);
    if (!validator) {
      problem = validator.error().ToString();
    } else {
      ValidateOptions options = Root(test["costBudget"].AsInt());
      options.ratcheting = ratcheting;
      Validation got = validator->Validate(test["object"], OldOf(test), options);
      problem = CompareObserved(test["observed"], got, options.budget, validator->rules());
      const Value& expect = test["expect"];
      const std::vector<std::string> texts = Texts(got.errors);
      for (const Value& e : expect["errors"].items()) {
        bool found =
            e.IsString()
                ? std::ranges::any_of(
                      texts, [&](const std::string& t) { return t.contains(e.AsString()); })
                : std::ranges::any_of(got.errors, [&](const Violation& v) {
                    return v.path == e.StringAt("field") && TypeOf(v.reason) == e.StringAt("type");
                  });
        if (!found) problem += "\n  missing: " + ToJson(e) + " in " + Show(texts);
      }
      if (const Value* left = expect.Find("remainingBudget")) {
        if (left->AsInt() != got.remaining_budget) {
          problem += fmt::format("\n  budget {}, want {}", got.remaining_budget, left->AsInt());
        }
      }
    }
    table.Count(test.StringAt("name"), problem);
  }
  EXPECT_EQ(table.passed() + table.skipped(), count);
}

TEST(KubernetesRules, SchemaLevels) { RunTable("schema_levels", 25, false); }
TEST(KubernetesRules, Ratcheting) { RunTable("ratcheting", 16, true); }
TEST(KubernetesRules, OptionalOldSelf) { RunTable("optional_old_self", 36, false); }
TEST(KubernetesRules, MessageExpressions) { RunTable("message_expressions", 12, false); }
TEST(KubernetesRules, Reasons) { RunTable("reasons", 4, false); }

TEST(KubernetesRules, RuntimeCosts) {
  Table table("cost_runtime");
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  for (const Value& test : table.cases()) {
    for (const Value& row : test["rules"].items()) {
      Arena arena;
      std::string problem;
      Result<Validator> validator =
          Validator::Compile(WithRule(arena, test["schema"], row.StringAt("rule")), Options(true));
      if (!validator) {
        problem = validator.error().ToString();
      } else {
        Validation got = validator->Validate(test["object"], nullptr, Root());
        int64_t cost = INT64_MAX - got.remaining_budget;
        if (!got.errors.empty()) problem = Show(Texts(got.errors));
        if (cost != row["cost"].AsInt()) {
          problem += fmt::format("cost {}, want {}", cost, row["cost"].AsInt());
        }
      }
      table.Count(std::string(test.StringAt("name")) + "/" + std::string(row.StringAt("rule")),
                  problem);
    }
  }
  EXPECT_EQ(table.passed() + table.skipped(), 329U);
}

TEST(KubernetesRules, EstimatedCosts) {
  Table table("cost_estimated");
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  for (const Value& test : table.cases()) {
    for (const Value& row : test["rules"].items()) {
      Arena arena;
      std::string problem;
      Result<Validator> validator =
          Validator::Compile(WithRule(arena, test["schema"], row.StringAt("rule")), Options(false));
      if (!validator) {
        problem = validator.error().ToString();
      } else {
        const CompiledRule& rule = validator->rules()[0];
        const Value& want = row["cost"];
        uint64_t cost = want.IsUint() ? want.AsUint() : static_cast<uint64_t>(want.AsInt());
        if (!rule.error.empty()) problem = rule.error;
        if (rule.max_cost != cost) problem += fmt::format("cost {}, want {}", rule.max_cost, cost);
      }
      table.Count(std::string(test.StringAt("name")) + "/" + std::string(row.StringAt("rule")),
                  problem);
    }
  }
  EXPECT_EQ(table.passed() + table.skipped(), 301U);
}

TEST(KubernetesRules, CostBounds) {
  Table table("cost_bounds");
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  for (const Value& test : table.cases()) {
    std::string problem;
    Result<Validator> validator = Validator::Compile(test["schema"], Options(false, 33));
    if (!validator) {
      problem = validator.error().ToString();
    } else {
      const CompiledRule& rule = validator->rules()[0];
      const auto exactly = static_cast<uint64_t>(test["cost"].AsInt());
      const auto at_least = static_cast<uint64_t>(test["atLeast"].AsInt());
      if (!rule.error.empty()) problem = rule.error;
      if ((exactly != 0 && rule.max_cost != exactly) || rule.max_cost < at_least) {
        problem += fmt::format("cost {}, want {} or at least {}", rule.max_cost, exactly, at_least);
      }
      const Value& want = test["observed"].items()[0]["maxCost"];
      const uint64_t did = want.IsUint() ? want.AsUint() : static_cast<uint64_t>(want.AsInt());
      if (rule.max_cost != did)
        problem += fmt::format("cost {}, Kubernetes {}", rule.max_cost, did);
    }
    table.Count(std::string(test.StringAt("name")) + "/" + std::string(test.StringAt("variant")),
                problem);
  }
  EXPECT_EQ(table.passed() + table.skipped(), 136U);
}

TEST(KubernetesRules, FieldPaths) {
  Table table("field_paths");
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  for (const Value& test : table.cases()) {
    std::string problem;
    Result<StructuralSchema::Ref> schema = StructuralSchema::Parse(test["schema"]);
    if (!schema) {
      problem = schema.error().ToString();
    } else {
      Result<std::string> path = NormalizeFieldPath(test.StringAt("fieldPath"), **schema);
      std::string got = path ? *path : path.error().message();
      std::string_view want =
          test.StringAt(test.StringAt("error").empty() ? "observed" : "observedError");
      if (path.has_value() != test.StringAt("error").empty() || got != want) {
        problem = got + "\n  want " + std::string(want);
      }
    }
    table.Count(test.StringAt("name"), problem);
  }
  EXPECT_EQ(table.passed() + table.skipped(), 28U);
}

TEST(KubernetesRules, Compilation) {
  Table table("compilation");
  if (!table.IsThere()) GTEST_SKIP() << "no conformance data";
  for (const Value& test : table.cases()) {
    std::string problem;
    Result<Validator> validator = Validator::Compile(test["schema"], Options(false, 33));
    if (!validator) {
      problem = validator.error().ToString();
    } else {
      Arena arena;
      MapBuilder as_compiled(arena);
      as_compiled.Add("errors", Value::EmptyArray());
      as_compiled.Add("compiled", test["observed"]);
      problem = CompareObserved(as_compiled.Finish(), Validation{}, 0, validator->rules());
    }
    table.Count(test.StringAt("name"), problem);
  }
  EXPECT_EQ(table.passed() + table.skipped(), 25U);
}

}  // namespace
}  // namespace bulwark::kube
