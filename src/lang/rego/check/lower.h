#pragma once

// The form of a body that types are inferred on: OPA's, after its compiler has rewritten it
// (v1/ast/compile.go: rewriteLocalVars, rewriteExprTerms, rewriteDynamicTerms and their like).
// Calls within terms, references within collections and comprehensions within either are steps of
// their own, each with a local for its value, so that a step has only scalars, locals, collections
// of these, and, as one side of an equality, one reference or comprehension.
//
//   Lowering lowering(arena, policy, {});
//   LoweredRule rule = lowering.Rule(info, branch);
//
// What is lowered lives in the arena and refers to the tree that it was made from.

#include <deque>
#include <span>
#include <vector>

#include "base/arena.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/check/types.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

struct Step;
struct Node;
using Steps = std::span<Step*>;
using Nodes = std::span<Node*>;

enum class NodeKind : uint8_t {
  kScalar,  // value
  kLocal,   // local
  kRef,     // items: a kLocal, or a kName; then the operands
  kName,    // value: data, input, or the first word of a built-in's name; only as head of a kRef
  kArray,   // items
  kSet,     // items
  kObject,  // items: key, value, key, value …
  kArrayComprehension,   // items: the term; body
  kSetComprehension,     // items: the term; body
  kObjectComprehension,  // items: key, value; body
};

struct Node {
  NodeKind kind = NodeKind::kScalar;
  bool constant = false;  // scalars, and collections of constants
  bool typed = false;     // a comprehension whose type is known
  uint32_t local = 0;
  const Location* at = nullptr;
  Value value;
  Nodes items;
  Steps body;
  TypeRef type = nullptr;  // of a comprehension, once typed; nullptr where its body has errors
};

// A variable of the rule or query. The written ones keep their Variable's id; the others follow.
struct Local {
  std::string_view name;          // empty: generated
  const Term* subject = nullptr;  // what a generated one stands for in messages
};

enum class StepKind : uint8_t {
  kTerm,     // operands[0]
  kEqual,    // operands[0] = operands[1]; more or fewer where the author called eq() so
  kCall,     // callee(operands)
  kEvery,    // operands: key or nullptr, value, domain; lhs
  kNot,      // lhs
  kLogical,  // lhs, rhs
};

struct LoweredWith {
  Node* target = nullptr;
  Node* value = nullptr;
  const Location* at = nullptr;
};

struct Step {
  StepKind kind = StepKind::kTerm;
  const Location* at = nullptr;
  const Builtin* builtin = nullptr;  // kCall, kEqual
  Node* callee = nullptr;            // kCall of a rule: a kRef
  Nodes operands;
  Steps lhs;
  Steps rhs;
  std::span<LoweredWith> with;
};

struct LoweredRule {
  Steps body;
  std::span<Node*> arguments;
  std::span<Node*> path;  // the dynamic part of the head
  Node* key = nullptr;
  Node* value = nullptr;
};

class Lowering {
 public:
  struct Options {
    bool print = true;         // false: print() is erased
    bool unify_equals = true;  // `==` is `=`; not in queries
  };
  Lowering(Arena& arena, const Resolution& policy, Options options)
      : arena_(arena), policy_(policy), builtins_(*policy.builtins), options_(options) {}

  LoweredRule Rule(const RuleInfo& info, const rego::Rule& branch);
  Steps Query(const ResolvedQuery& query);

  std::span<const Local> locals() const { return locals_; }

 private:
  using Sink = std::vector<Step*>;

  void Start(const std::deque<Variable>& variables);
  Node* New(NodeKind kind, const Location* at);
  Node* NewLocal(const Location* at, const Term* subject);
  Node* Scalar(const Value& value, const Location* at);
  void Root(std::span<const Value> path, const Location* at, std::vector<Node*>& items);
  // With nothing left to evaluate: a scalar, a local, or a collection of such.
  Node* Flat(const Term& term, Sink& out, std::span<LoweredWith> with);
  // The same, but that it may itself be a reference or a comprehension.
  Node* Outer(const Term& term, Sink& out, std::span<LoweredWith> with);
  void Reference(const Term& term, std::vector<Node*>& items, Sink& out,
                 std::span<LoweredWith> with);
  Node* MakeRef(const std::vector<Node*>& items);
  Node* Call(const Term& term, Sink& out, std::span<LoweredWith> with);
  Node* Comprehension(const Term& term);
  Node* Template(const Term& term, Sink& out, std::span<LoweredWith> with);
  Node* Collection(const Term& term, Sink& out, std::span<LoweredWith> with);
  Node* Hoist(Node* node, const Term* subject, Sink& out, std::span<LoweredWith> with);
  // A set of what the term is, empty where it is undefined.
  Node* Capture(const Term& term, std::span<LoweredWith> with);
  // The part of a head or comprehension: evaluated by a step at the end of its body.
  Node* Part(const Term& term, Sink& out);
  bool IsFunction(const Term& term);
  Step* Equal(Node* a, Node* b, const Location* at, std::span<LoweredWith> with, Sink& out);
  void Expression(const Expr& expr, Sink& out);
  void CallExpression(const Expr& expr, Sink& out, std::span<LoweredWith> with);
  // What is called, by name or by rule.
  void Callee(const Term& callee, Step& step);
  void SomeIn(const Expr& expr, Sink& out, std::span<LoweredWith> with);
  std::span<LoweredWith> With(const Expr& expr, Sink& out);
  Steps Block(Body body);
  Steps Done(const Sink& sink) { return arena_.Copy(std::span<Step* const>(sink)); }
  Nodes Done(const std::vector<Node*>& nodes) { return arena_.Copy(std::span<Node* const>(nodes)); }
  Step* NewStep(StepKind kind, const Location* at, std::span<LoweredWith> with, Sink& out);
  const Builtin* Find(std::string_view name) const { return builtins_.Find(name); }

  Arena& arena_;
  const Resolution& policy_;
  const Registry& builtins_;
  Options options_;
  std::vector<Local> locals_;
};

// The path that a term names when all of it is known, data or input first; empty for any other.
std::vector<Value> KnownPath(const Term& term);

}  // namespace bulwark::rego
