#pragma once

// Rego: the policy language of Open Policy Agent (1.22), both dialects, compiled to a register
// program. This is the page to read first.
//
//   std::vector<std::unique_ptr<rego::Module>> modules;
//   modules.push_back(BW_TRY(rego::ParseModule("allow.rego", text, {})));
//   auto policy = BW_TRY(rego::Policy::Compile(std::move(modules), {}));
//   auto query = BW_TRY(policy->Prepare("data.example.allow"));
//   Arena arena;
//   rego::EvalOptions options{.input = &input, .data = &data};
//   Result<rego::ResultSet> results = query->Evaluate(options, arena);
//
// A Policy and a PreparedQuery are immutable: any number of threads evaluate them at once, each
// with an arena of its own. Values that come back live in that arena, or in the input, the data
// or the policy, whose memory must last as long.
//
// What a policy does wrong (a conflict between rules, a built-in's error in strict mode) is an
// Error whose id is OPA's code: eval_conflict_error, eval_builtin_error, eval_type_error,
// eval_cancel_error (also for time), eval_with_merge_error, eval_internal_error; other limits are
// eval_limit_error.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

struct CompileOptions {
  const Registry* builtins = &Registry::Standard();
  // Names of built-ins that policies may use; empty: all. (OPA: capabilities.)
  std::vector<std::string> allowed_builtins;
  std::vector<std::string> unsafe_builtins;  // rego_type_error where one is called
  bool strict = false;                       // --strict
  bool print = true;                         // false: calls to print() are erased
  size_t error_limit = 10;                   // 0: none
  bool observe = false;                      // lets an Observer follow evaluations, at some cost
  // JSON schemas for type checking, by path ("input", "data.acl") or by the name that METADATA
  // gives them ("schema.input").
  std::vector<std::pair<std::string, Value>> schemas;
};

struct EvalLimits {
  std::chrono::nanoseconds time{0};       // 0: none
  size_t memory_bytes = size_t{2} << 30;  // taken from the arena
  uint64_t instructions = 0;              // 0: none
  size_t depth = 2000;                    // calls within calls
};

// What happens while a query runs, for tests, coverage and traces. Called on the query's thread.
class Observer {
 public:
  virtual ~Observer() = default;
  // An expression is about to be evaluated, or held.
  virtual void OnEnter(const Module* module, const Location& at) = 0;
  virtual void OnHold(const Module* module, const Location& at) = 0;
};

struct EvalOptions {
  const Value* input = nullptr;  // nullptr: undefined
  const Value* data = nullptr;   // the base documents; nullptr: {}
  EvalLimits limits;
  bool strict_builtin_errors = false;
  Host* host = nullptr;                       // nullptr: a default Host
  const std::atomic<bool>* cancel = nullptr;  // set by another thread
  Observer* observer = nullptr;
  std::vector<std::string>* builtin_errors = nullptr;  // what non-strict mode swallowed
};

struct ResultRow {
  struct Expression {
    std::string_view text;
    Location at;
    Value value;
  };
  std::vector<Expression> expressions;
  std::vector<std::pair<std::string_view, Value>> bindings;  // by name
};

struct ResultSet {
  std::vector<ResultRow> rows;
  // The value of the only expression of the only row, as of `data.example.allow`.
  std::optional<Value> Single() const;
  // False unless there is a row whose expressions are all true.
  bool Allowed() const;
};

class Policy;

class PreparedQuery {
 public:
  virtual ~PreparedQuery() = default;
  virtual Result<ResultSet> Evaluate(const EvalOptions& options, Arena& arena) const = 0;
  // The quick way for a query that is one reference or rule: its value, or nullopt (undefined).
  virtual Result<std::optional<Value>> EvaluateOne(const EvalOptions& options,
                                                   Arena& arena) const = 0;
};

struct Resolution;

class Policy : public std::enable_shared_from_this<Policy> {
 public:
  virtual ~Policy() = default;
  // All that is wrong goes to `errors`, where given; the Error's message is DiagnosticsText().
  static Result<std::shared_ptr<const Policy>> Compile(std::vector<std::unique_ptr<Module>> modules,
                                                       const CompileOptions& options,
                                                       std::vector<Diagnostic>* errors = nullptr);
  // A policy for these queries and no others, in their order: what only compiling needs (syntax
  // trees, types, names) is given back, most of the memory that a Policy takes.
  static Result<std::vector<std::shared_ptr<const PreparedQuery>>> CompileQueries(
      std::vector<std::unique_ptr<Module>> modules, const CompileOptions& options,
      std::span<const std::string_view> queries, std::vector<Diagnostic>* errors = nullptr);
  // `package`: "data.example", where names of the query are looked up; `imports` as in a module.
  virtual Result<std::shared_ptr<const PreparedQuery>> Prepare(
      std::string_view query, std::string_view package = {},
      std::span<const std::string> imports = {}, std::vector<Diagnostic>* errors = nullptr,
      Dialect dialect = Dialect::kV1) const = 0;
  virtual const Resolution& resolution() const = 0;
  // Bytes that the compiled form takes.
  virtual size_t bytes() const = 0;
};

}  // namespace bulwark::rego
