#pragma once

// Resolved modules → program. See program.h for what a program is.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lang/rego/check/annotations.h"
#include "lang/rego/program.h"
#include "lang/rego/resolve/resolve.h"
#include "lang/rego/resolve/safety.h"
#include "lang/rego/resolve/varset.h"

namespace bulwark::rego {

// What a whole policy is compiled to. Immutable once planned.
struct Plan {
  Program code;
  std::deque<Document> documents;
  std::vector<const TreeNode*> nodes;  // by id
  std::vector<Document*> by_node;      // by TreeNode::id; nullptr where a node has no rules

  const Document* Of(const TreeNode& node) const {
    return node.id < by_node.size() ? by_node[node.id] : nullptr;
  }
};

// Gives back what was set aside for growing.
void Shrink(Program& code);

struct PlanOptions {
  bool observe = false;  // instructions that tell an Observer where the program is
  bool print = true;
  const AnnotationSet* annotations = nullptr;  // for rego.metadata.*
};

// Plans every rule.
void PlanModules(const Resolution& policy, const PlanOptions& options, Plan& out,
                 std::vector<Diagnostic>& errors);

struct QueryPlan {
  Program code;
  Procedure procedure;
  // The query is one reference to a document without variables: its value is all there is.
  bool single = false;
};

// Plans a query against a planned policy.
void PlanQuery(const Resolution& policy, const Plan& plan, const ResolvedQuery& query,
               const PlanOptions& options, QueryPlan& out, std::vector<Diagnostic>& errors);

// The planner of one stretch of code. (Its parts: plan_terms.cc, plan_exprs.cc, plan_rules.cc.)
class Planner {
 public:
  Planner(const Resolution& policy, const Plan& plan, Program& code, const PlanOptions& options,
          const Module* module, std::vector<Diagnostic>& errors)
      : policy_(policy),
        plan_(plan),
        code_(code),
        options_(options),
        module_(module),
        errors_(errors),
        orderer_(policy) {}

  Procedure PlanDocument(Document& document);
  Procedure PlanQueryBody(const ResolvedQuery& query, bool& single);

 private:
  using Operand = uint32_t;
  // A place to jump to that may not be known yet.
  using Label = uint32_t;

  // What is known at a place in the code: which variables have values and where, which paths were
  // looked up before.
  struct Known {
    VarSet bound;
    std::vector<Operand> places;                             // by variable id
    std::map<std::pair<Operand, Operand>, Operand> gets;     // (container, constant key) → value
    std::map<std::pair<uint32_t, uint32_t>, Operand> roots;  // (op, site) → value
  };

  // --- code (planner.cc)
  Label NewLabel();
  void Bind(Label label);
  uint32_t Emit(Instruction instruction);
  Operand NewRegister() { return next_register_++; }
  Operand Constant(const Value& value);
  std::vector<Value> Kept(std::vector<Value> path);
  uint32_t PathIndex(std::vector<Value> path);
  uint32_t PlaceIndex(const Location& at);
  void FixLabels();
  Procedure Finish(uint32_t entry);
  void Begin(size_t variables, uint32_t first_register);
  void BindVariable(const Variable& variable, Operand place);
  void Unsafe(const Location& at, std::string_view name);
  void Observe(const Location& at, bool held);

  // --- terms
  bool Ground(const Term& term) const;
  Value GroundValue(const Term& term);
  // True where the term's value can be had now: what it needs is bound, or bound by its references.
  bool Ready(const Term& term) const;
  // Code that puts the term's value somewhere; it may hold several times.
  Operand PlanTerm(const Term& term);
  Operand PlanVar(const Term& term);
  Operand PlanRef(const Term& term);
  Operand PlanSteps(Operand from, std::span<Term* const> steps);
  Operand PlanGet(Operand from, Operand key);
  Operand PlanData(std::span<const Value> head, std::span<Term* const> operands);
  Operand PlanRoot(Op op, uint32_t site);
  Operand PlanComposite(const Term& term);
  Operand PlanComprehension(const Term& term);
  Operand PlanTemplate(const Term& term);
  Operand PlanCall(std::span<Term* const> terms, const Location& at);
  std::vector<Operand> PlanArguments(std::span<Term* const> terms);
  Operand PlanCallValue(std::span<Term* const> terms, size_t arity, const Location& at);
  std::optional<Operand> PlanOperator(const Builtin& builtin, std::span<Term* const> arguments,
                                      const Location& at);
  bool FunctionTarget(const Term& target, const Term& value, WithTarget& out);
  // walk(x): each path and value in it; `output` is what they are matched with, or nullptr for
  // their array.
  Operand PlanWalk(const Term& over, const Term* output);
  Operand PlanAsSet(const Expr* expr, const Term* term);

  // --- expressions
  void PlanBody(Body body);
  void PlanExpr(const Expr& expr);
  // What an iteration's items are compared with by an expression after it.
  struct Comparand {
    const Term* value;
    std::vector<Value> path;
  };
  std::optional<Comparand> FindComparand(const Variable& item) const;
  void PlanIteration(Operand collection, uint32_t iterator, const Variable* item);
  void PlanPlain(const Expr& expr);
  void PlanCallExpr(const Expr& expr);
  void PlanPrint(const Expr& expr);
  void PlanSomeIn(const Expr& expr);
  void PlanEvery(const Expr& expr);
  void PlanNot(const Expr& expr);
  // `not f(x.y)`: what has to be evaluated for it is evaluated before, and not negated.
  void PlanNegated(const Expr& expr);
  Term* Hoisted(const Term& term);
  Term* HoistedWithin(const Term& term);
  void PlanOr(const Expr& expr);
  void PlanAnd(const Expr& expr);
  void PlanWith(const Expr& expr);
  void PlanOnce(Body body);  // the first solution only; binds nothing
  void Unify(const Term& a, const Term& b);
  void Match(const Term& pattern, Operand value);
  void Holds(Operand value);

  // --- rules
  // A rule of a document, with the keys from the document's node to its own.
  struct Member {
    const RuleInfo* info;
    std::vector<Value> below;
  };
  void CollectMembers(const TreeNode& node, bool below, std::vector<Value>& path,
                      std::vector<Member>& out) const;
  void PlanRule(const Member& member, Document& document, Label next, Label end, bool same_constant,
                uint32_t builder);
  // The arguments' patterns; those that need what the body binds come `later`.
  void PlanArgumentsOfRule(const Rule& rule, bool later);
  bool BuildIndex(std::span<const Member> rules, const Document& document, RuleIndex& out);

  const Builtin* BuiltinOf(const Term& callee);
  const Document* FunctionOf(const Term& callee);

  const Resolution& policy_;
  const Plan& plan_;
  Program& code_;
  const PlanOptions& options_;
  const Module* module_;
  std::vector<Diagnostic>& errors_;
  Orderer orderer_;

  std::deque<Variable> hoisted_;
  const RuleInfo* rule_ = nullptr;  // the one being planned
  Known known_;
  const Variable* item_ = nullptr;  // what the reference being planned is assigned to
  Body rest_;                       // the expressions after the one being planned
  Label fail_ = kNone;
  std::vector<uint32_t> labels_;  // where each label is; kNone: not yet
  size_t first_instruction_ = 0;
  uint32_t next_register_ = 0;
  uint32_t iterators_ = 0;
  uint32_t builders_ = 0;
  uint32_t walkers_ = 0;
  uint32_t contexts_ = 0;
  // Where the value of an expression goes, when it is wanted (of a query, in a template string).
  Operand captured_ = kNone;
  bool keep_false_ = false;  // a captured `false` is an answer
  std::unordered_map<uint64_t, std::vector<uint32_t>> constants_;  // hash → places
};

}  // namespace bulwark::rego
