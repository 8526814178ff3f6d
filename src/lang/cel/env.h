#pragma once

// CEL from text to result (cel-spec, github.com/cel-expr/cel-spec, and what Kubernetes adds).
//
//   auto env = BW_TRY(cel::Env::Create({.variables = {{"object", cel::Type::Dyn()}}}));
//   auto program = BW_TRY(env->Compile("object.spec.replicas > 1"));
//   cel::Evaluator evaluator;                               // one a thread, used again and again
//   Value bindings[] = {object};                            // in the order of Env::variables()
//   cel::Outcome out = evaluator.Run(program, bindings);    // out.value, valid until the next
//   Run()
//
// Env and Program are immutable and may be used by any number of threads at once.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "lang/cel/ast.h"
#include "lang/cel/cost.h"
#include "lang/cel/library.h"

namespace bulwark::cel {

struct Limits {
  size_t max_source_bytes = 100'000;
  int max_depth = 250;                        // nesting of the source
  size_t max_nodes = 100'000;                 // after macro expansion
  uint64_t max_cost = UINT64_MAX;             // of one run; tracked only if set or asked for
  size_t max_value_bytes = size_t{64} << 20;  // of one string or list made by an expression
};

struct Variable {
  std::string name;  // may be qualified: "a.b"
  Type type;
};

struct EnvOptions {
  std::string container;
  std::vector<Variable> variables;
  std::vector<const Library*> libraries;  // beside the standard library
  std::shared_ptr<const TypeProvider> types;
  bool standard_macros = true;
  bool optional_syntax = true;                  // a.?b, a[?b], [?x], {?k: v}
  bool cross_type_numeric_comparisons = true;   // 1 < 2.0
  bool homogeneous_aggregate_literals = false;  // [1, 'a'] does not check, but in format()
  // A list or map made of literals costs as any other when it is run; in Kubernetes, which plans
  // with cel-go's OptOptimize, nothing.
  bool literals_have_cost = false;
  bool presence_test_has_cost = false;  // has() itself costs 1, as in cel-go; not in Kubernetes
  // has(x.f) and x.?f are errors where x can have no fields (an int, null), as the specification
  // has it; in Kubernetes there is just nothing.
  bool error_on_bad_presence_test = false;
  // A literal that duration(), timestamp() or matches() must fail on is an error of Check(), and
  // one that any other conversion must fail on of Plan(), as in Kubernetes, and not of the run
  // (where it may never be reached).
  bool validate_literals = false;
  Limits limits;
};

class Program;

class Env {
 public:
  static Result<std::shared_ptr<const Env>> Create(EnvOptions options);
  virtual ~Env() = default;

  // Each fails with Code::kInvalid and RenderIssues() as message; the issues alone through
  // `issues`.
  virtual Result<std::shared_ptr<Ast>> Parse(std::string_view source,
                                             std::vector<Issue>* issues = nullptr) const = 0;
  virtual Result<std::shared_ptr<Ast>> Check(std::shared_ptr<Ast> parsed,
                                             std::vector<Issue>* issues = nullptr) const = 0;
  // Parse, check and plan.
  virtual Result<std::shared_ptr<const Program>> Compile(
      std::string_view source, std::vector<Issue>* issues = nullptr) const = 0;
  // Plans an Ast that was checked, or only parsed (then names are resolved at run time).
  virtual Result<std::shared_ptr<const Program>> Plan(std::shared_ptr<const Ast> ast) const = 0;

  virtual const EnvOptions& options() const = 0;
  const std::vector<Variable>& variables() const { return options().variables; }
  // All overloads of a function, or nullptr.
  virtual const FunctionDecl* FindFunction(std::string_view name) const = 0;
  virtual const Macro* FindMacro(std::string_view name, bool receiver, int arg_count) const = 0;
  // A constant or type name by its full name.
  virtual const Constant* FindConstant(std::string_view name) const = 0;
  // Candidate full names of an identifier under the container, most qualified first (langdef.md,
  // "Name Resolution").
  virtual std::vector<std::string> Candidates(std::string_view name) const = 0;
};

// "variable.field.*" whose value is not known yet (partial evaluation). Elements: a name, an index,
// or a wildcard (nullopt).
struct AttributePattern {
  std::string variable;
  std::vector<std::optional<Value>> qualifiers;
};

struct RunOptions {
  bool track_cost = false;         // Outcome::cost is filled
  uint64_t max_cost = UINT64_MAX;  // overrides the Env's when smaller
  // Not 0: the run costs nothing and has no cost limit, its own or the Env's, but is aborted after
  // so many rounds of its loops, all told. For expressions of one's own, whose every round is known
  // to be cheap: a run is faster for it.
  uint64_t max_rounds = 0;
  std::span<const AttributePattern> unknowns;
  const Authorizer* authorizer = nullptr;
};

struct Outcome {
  Value value;        // may be an error or an unknown (values.h)
  uint64_t cost = 0;  // if tracked
  bool ok() const { return !IsErrorOrUnknown(value); }
};

// Runs programs; holds the memory of the last result. Not thread-safe: one a thread.
class Evaluator {
 public:
  Evaluator();
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  // `bindings[i]` is the value of Env::variables()[i]; one that is missing is an error where it is
  // used. The outcome is valid until the next Run(), unless an arena is given: then until that
  // arena's end. In either case it may be a view of the bindings and of the program's literals,
  // which must last as long.
  Outcome Run(const Program& program, std::span<const Value> bindings,
              const RunOptions& options = {}, Arena* arena = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// An error value with its place in the source, as RenderIssues() draws it.
std::string RenderRuntimeError(const Program& program, const Value& error);
const Ast& AstOf(const Program& program);

}  // namespace bulwark::cel
