#pragma once

// What the tests of this folder share: running an expression, and reading the conformance data that
// tests/conformance/cel/dump.sh makes.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "formats/json.h"
#include "lang/cel/env.h"
#include "lang/cel/ext/kubernetes.h"
#include "lang/cel/stdlib_convert.h"

namespace bulwark::cel::ext {

// The result of an expression, or what went wrong on the way to it.
struct Tried {
  std::shared_ptr<const Program> program;  // the value may be a part of it
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  Value value;
  uint64_t cost = 0;
  std::vector<std::string> compile_errors;
  std::string runtime_error;
  bool ok() const { return compile_errors.empty() && runtime_error.empty(); }
};

inline Tried Try(const Env& env, std::string_view expression, bool check = true,
                 std::span<const Value> bindings = {}, const RunOptions& run = {}) {
  Tried out;
  std::vector<Issue> issues;
  if (check) {
    Result<std::shared_ptr<const Program>> compiled = env.Compile(expression, &issues);
    if (compiled) out.program = *compiled;
  } else if (auto parsed = env.Parse(expression, &issues)) {
    if (auto planned = env.Plan(*parsed)) out.program = *planned;
  }
  if (out.program == nullptr) {
    for (const Issue& issue : issues) out.compile_errors.push_back(issue.message);
    if (out.compile_errors.empty()) out.compile_errors.push_back("did not compile");
    return out;
  }
  Evaluator evaluator;
  Outcome outcome = evaluator.Run(*out.program, bindings, run, out.arena.get());
  out.cost = outcome.cost;
  out.value = outcome.value;
  if (IsError(outcome.value)) out.runtime_error = ErrorMessage(outcome.value);
  if (IsUnknown(outcome.value)) out.runtime_error = "unknown";
  return out;
}

inline std::shared_ptr<const Env> MakeEnv(EnvOptions options) {
  Result<std::shared_ptr<const Env>> env = Env::Create(std::move(options));
  EXPECT_TRUE(env.has_value()) << (env ? "" : env.error().message());
  return *env;
}

inline std::shared_ptr<const Env> EnvWith(std::vector<const Library*> libraries) {
  EnvOptions options;
  options.libraries = std::move(libraries);
  return MakeEnv(std::move(options));
}

// Each row must evaluate to true.
inline void ExpectAllTrue(const Env& env, std::initializer_list<std::string_view> expressions) {
  for (std::string_view expression : expressions) {
    Tried tried = Try(env, expression);
    EXPECT_TRUE(tried.ok() && tried.value.IsTrue())
        << expression << "\n  " << tried.runtime_error << " "
        << (tried.compile_errors.empty() ? "" : tried.compile_errors[0]);
  }
}

struct Failure {
  std::string_view expression;
  std::string_view message;  // that of evaluating it, whole
};
inline void ExpectErrors(const Env& env, std::initializer_list<Failure> failures) {
  for (const Failure& failure : failures) {
    Tried tried = Try(env, failure.expression);
    EXPECT_EQ(tried.runtime_error, failure.message)
        << failure.expression << "\n  "
        << (tried.compile_errors.empty() ? "" : tried.compile_errors[0]);
  }
}

// A result as testdata/answers/answers.go shows it.
inline std::string Show(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kString: {
      std::string out;
      AppendJsonString(out, v.AsString());
      return out;
    }
    case Value::Kind::kBytes: return "b'" + HexEncode(v.AsString()) + "'";
    case Value::Kind::kDouble: return FormatDouble(v.AsDouble());
    case Value::Kind::kDuration:
      return FormatGoDuration(std::chrono::seconds(v.seconds()) + Nanos(v.nanos()));
    case Value::Kind::kOpaque: break;
    default: return ToJson(v, {.sort_keys = true});
  }
  if (HasTag(v, kOptionalTag)) {
    const auto& optional = *static_cast<const OptionalValue*>(v.AsOpaque());
    return optional.has_value() ? "optional(" + Show(optional.value()) + ")" : "none";
  }
  return v.AsOpaque()->ToString();
}

// Whether an error's message is the one wanted. What cel-go adds to "no such overload" does not
// count.
inline bool SameError(std::string_view got, std::string_view want) {
  constexpr std::string_view kNoOverload = "no such overload";
  return got == want || (got.starts_with(kNoOverload) && want.starts_with(kNoOverload));
}

// Evaluates each expression of a file in testdata/answers and compares with what stands there.
inline void ExpectAnswers(const std::string& file, const Env& env, bool check = true) {
  std::ifstream in(std::string(BULWARK_SOURCE_DIR) + "/src/lang/cel/ext/testdata/answers/" + file);
  ASSERT_TRUE(in) << file;
  std::string expression, answer;
  int count = 0;
  while (std::getline(in, expression)) {
    if (expression.empty() || expression.starts_with("#")) continue;
    ASSERT_TRUE(std::getline(in, answer) && answer.starts_with("  => "));
    answer.erase(0, 5);
    ++count;
    Tried tried = Try(env, expression, check);
    if (answer.starts_with("PLAN ")) {
      // Found when it is run here.
      EXPECT_EQ(tried.runtime_error, "Illegal regex: " + answer.substr(5)) << expression;
    } else if (answer.starts_with("COMPILE ")) {
      ASSERT_FALSE(tried.compile_errors.empty()) << expression;
      EXPECT_EQ(tried.compile_errors[0], answer.substr(8)) << expression;
    } else if (answer.starts_with("!")) {
      EXPECT_TRUE(SameError(tried.runtime_error, answer.substr(1)))
          << expression << "\n  " << tried.runtime_error << "\n  " << answer;
    } else {
      EXPECT_TRUE(tried.ok()) << expression << "\n  " << tried.runtime_error
                              << (tried.compile_errors.empty() ? "" : tried.compile_errors[0]);
      EXPECT_EQ(Show(tried.value), answer) << expression;
    }
  }
  EXPECT_GT(count, 0) << file;
}

// A file of the conformance data; null where it was not made.
inline Value ReadConformance(const std::string& name, Arena& arena) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string root =
      cache != nullptr ? cache : std::string(home != nullptr ? home : "") + "/.cache";
  std::ifstream file(root + "/bulwark/conformance/cel/" + name, std::ios::binary);
  if (!file) return Value::Null();
  std::stringstream text;
  text << file.rdbuf();
  Result<Value> value = ParseJson(arena.Copy(text.str()), arena);
  EXPECT_TRUE(value.has_value()) << name;
  return value ? *value : Value::Null();
}

}  // namespace bulwark::cel::ext
