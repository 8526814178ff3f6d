#pragma once

// The first half of resolving: what each name of a rule or query means.

#include <deque>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

// What names mean in a package, outside of any rule: its rules and the module's imports, each as
// the operands of a reference (data or input first).
using Globals = std::unordered_map<std::string_view, std::span<const Value>>;

class NameResolver {
 public:
  NameResolver(Arena& arena, const Registry& builtins, const Globals& globals,
               std::deque<Variable>& variables, std::vector<Diagnostic>& errors,
               std::string_view file)
      : arena_(arena),
        builtins_(builtins),
        globals_(globals),
        variables_(variables),
        errors_(errors),
        file_(file) {}

  // A rule with its else branches.
  void Rule(rego::Rule& rule);
  void QueryBody(Body body);

 private:
  enum class Occurrence : uint8_t { kNew, kSeen, kAssigned, kDeclared, kArgument };
  struct Binding {
    std::string_view name;
    Variable* variable;
    Occurrence occurrence;
  };
  struct Scope {
    std::vector<Binding> bindings;
    std::vector<std::string_view> hidden;  // names that the body declares, wherever
  };

  void Push(Body body);
  void Pop() { scopes_.pop_back(); }
  Variable* Declared(std::string_view name) const;
  bool Hidden(std::string_view name) const;
  Variable* Make(std::string_view name, const Location& at);
  // Declares the name in the innermost scope; nullptr (and an error) where it must not be.
  Variable* Declare(const rego::Term& var, Occurrence how, const Location& at);
  void Name(rego::Term& term);
  void Term(rego::Term& term);
  // `nested`: a call within a term, which must not be one of a variable.
  void Callee(rego::Term& callee, bool nested);
  void Argument(rego::Term& term);
  void Bodies(Body body);
  void Expr(rego::Expr& expr);
  void Terms(rego::Expr& expr);
  void Assign(rego::Expr& expr);
  void AssignTo(rego::Term& term);
  void SomeIn(rego::Expr& expr);
  void DeclarePattern(rego::Term& term, const Location& at);
  void Every(rego::Expr& expr);
  void Operand(Body body, bool is_explicit, std::string_view error);
  void With(rego::Expr& expr);
  bool NamesBuiltin(const rego::Term& term) const;
  void Head(rego::Rule& rule);
  void Fail(const Location& at, std::string message);

  Arena& arena_;
  const Registry& builtins_;
  const Globals& globals_;
  std::deque<Variable>& variables_;
  std::vector<Diagnostic>& errors_;
  std::string_view file_;
  std::vector<Scope> scopes_;
  size_t first_of_pattern_ = 0;  // among the bindings of the innermost scope
  std::unordered_map<std::string_view, Variable*> implicit_;
};

// An assignment, `x := y`, with both sides.
bool IsAssignment(const Expr& expr);
// A call of the operator eq: `x = y`.
bool IsUnification(const Expr& expr);
// print(…): its operands are evaluated apart from each other, and may be undefined.
bool IsPrint(const Expr& expr);
// The name of a built-in that a call names, "io.jwt.decode"; empty where the callee is a rule's.
std::string_view BuiltinName(const Term& callee, Arena& arena);

}  // namespace bulwark::rego
