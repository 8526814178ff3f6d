#pragma once

// The second half of resolving: the order in which a body's expressions can run, so that each
// variable is bound before it is needed (in arguments of calls, in negations, in closures).
// https://www.openpolicyagent.org/docs/policy-language: "safety".

#include <vector>

#include "lang/rego/resolve/resolve.h"
#include "lang/rego/resolve/varset.h"

namespace bulwark::rego {

// The variables in a term or expression, as the planner and the orderer ask for them.
struct VarsOptions {
  bool closures = false;  // also within comprehensions and bodies
  bool calls = true;      // within calls other than the outermost
  bool ref_heads = true;
  bool object_keys = true;
  bool sets = true;
};
void CollectVars(const Term& term, VarSet& out, const VarsOptions& options = {});
void CollectVars(const Expr& expr, VarSet& out, const VarsOptions& options = {});

class Orderer {
 public:
  explicit Orderer(const Resolution& policy) : policy_(policy) {}

  // Expressions that cannot run, with the variables that nothing binds.
  struct Unsafe {
    const Expr* expr;
    VarSet variables;
  };

  // Orders the body and all closures in it; `safe` is bound before. What is left over is unsafe.
  void Order(Body body, const VarSet& safe, std::vector<Unsafe>& unsafe);
  // The closures within a term that is evaluated after `body`.
  void OrderWithin(Term& term, const VarSet& bound, const Expr* context,
                   std::vector<Unsafe>& unsafe);

  // What evaluating a term binds: the variables in operands of references. For the planner too.
  void Outputs(const Term& term, const VarSet& safe, VarSet& out) const;
  // What an expression binds, provided that it can run with `safe`; nothing if it cannot.
  VarSet Outputs(const Expr& expr, const VarSet& safe) const;
  // How many arguments a function takes; -1: no function; INT_MAX: any number.
  int Arity(const Term& callee) const;

 private:
  bool RefSafe(const Term& ref, const VarSet& safe) const;
  void OutputsOfUnit(const Expr& expr, const VarSet& safe, VarSet& out) const;
  void OutputsOfCall(std::span<Term* const> terms, const VarSet& safe, VarSet& out) const;
  void Needs(const Expr& expr, VarSet& out) const;
  void OrderWithin(Expr& expr, const VarSet& bound, std::vector<Unsafe>& unsafe);
  void OrderClosure(std::span<Term* const> heads, Body body, const VarSet& bound,
                    const Expr* context, std::vector<Unsafe>& unsafe);

  const Resolution& policy_;
};

// True where two keys of object patterns are the same constant or the same variable.
bool SameKey(const Term& a, const Term& b);
// The variables that `a = b` binds when those of `safe` are bound.
VarSet UnifyOutputs(const VarSet& safe, const Term& a, const Term& b);

int BuiltinArity(const Builtin& builtin);

}  // namespace bulwark::rego
