#include "lang/rego/check/lower.h"

#include <algorithm>
#include <array>

#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

bool IsEvaluated(const Node& node) {
  return node.kind == NodeKind::kRef || node.kind >= NodeKind::kArrayComprehension;
}

bool IsCollection(TermKind kind) {
  return kind == TermKind::kArray || kind == TermKind::kSet || kind == TermKind::kObject;
}

bool IsComprehension(TermKind kind) {
  return kind == TermKind::kArrayComprehension || kind == TermKind::kSetComprehension ||
         kind == TermKind::kObjectComprehension;
}

}  // namespace

std::vector<Value> KnownPath(const Term& term) {
  std::vector<Value> path;
  if (term.kind != TermKind::kVar && term.kind != TermKind::kRef) return path;
  const Term& head = term.kind == TermKind::kRef ? *term.items[0] : term;
  std::span<const Value> resolved = term.resolved.empty() ? head.resolved : term.resolved;
  path.assign(resolved.begin(), resolved.end());
  if (path.empty()) {
    const bool root = head.kind == TermKind::kVar && head.variable == nullptr &&
                      (head.name == "data" || head.name == "input");
    if (!root) return path;
    path.push_back(Value::String(head.name));
  }
  if (term.kind == TermKind::kVar) return path;
  for (const Term* item : term.items.subspan(1)) {
    if (item->kind != TermKind::kScalar) return {};
    path.push_back(item->value);
  }
  return path;
}

void Lowering::Start(const std::deque<Variable>& variables) {
  locals_.clear();
  locals_.resize(variables.size());
  for (const Variable& variable : variables) locals_[variable.id].name = variable.name;
}

Node* Lowering::New(NodeKind kind, const Location* at) {
  auto* node = arena_.New<Node>();
  node->kind = kind;
  node->at = at;
  return node;
}

Node* Lowering::NewLocal(const Location* at, const Term* subject) {
  Node* node = New(NodeKind::kLocal, at);
  node->local = static_cast<uint32_t>(locals_.size());
  locals_.push_back({.name = {}, .subject = subject});
  return node;
}

Node* Lowering::Scalar(const Value& value, const Location* at) {
  Node* node = New(NodeKind::kScalar, at);
  node->value = value;
  node->constant = true;
  return node;
}

void Lowering::Root(std::span<const Value> path, const Location* at, std::vector<Node*>& items) {
  Node* name = New(NodeKind::kName, at);
  name->value = path[0];
  items.push_back(name);
  for (const Value& operand : path.subspan(1)) items.push_back(Scalar(operand, at));
}

Node* Lowering::MakeRef(const std::vector<Node*>& items) {
  Node* node = New(NodeKind::kRef, items[0]->at);
  node->items = Done(items);
  return node;
}

Step* Lowering::NewStep(StepKind kind, const Location* at, std::span<LoweredWith> with, Sink& out) {
  auto* step = arena_.New<Step>();
  step->kind = kind;
  step->at = at;
  step->with = with;
  out.push_back(step);
  return step;
}

Step* Lowering::Equal(Node* a, Node* b, const Location* at, std::span<LoweredWith> with,
                      Sink& out) {
  Step* step = NewStep(StepKind::kEqual, at, with, out);
  const std::array<Node*, 2> operands = {a, b};
  step->operands = arena_.Copy(std::span<Node* const>(operands));
  return step;
}

Node* Lowering::Hoist(Node* node, const Term* subject, Sink& out, std::span<LoweredWith> with) {
  Node* local = NewLocal(node->at, subject);
  Equal(local, node, node->at, with, out);
  return local;
}

Node* Lowering::Flat(const Term& term, Sink& out, std::span<LoweredWith> with) {
  Node* node = Outer(term, out, with);
  return IsEvaluated(*node) ? Hoist(node, &term, out, with) : node;
}

Node* Lowering::Outer(const Term& term, Sink& out, std::span<LoweredWith> with) {
  switch (term.kind) {
    case TermKind::kScalar: return Scalar(term.value, &term.at);
    case TermKind::kVar:
      if (term.variable != nullptr) {
        Node* node = New(NodeKind::kLocal, &term.at);
        node->local = term.variable->id;
        return node;
      }
      [[fallthrough]];
    case TermKind::kRef: {
      std::vector<Node*> items;
      Reference(term, items, out, with);
      return MakeRef(items);
    }
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject: return Collection(term, out, with);
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: return Comprehension(term);
    case TermKind::kCall: return Call(term, out, with);
    case TermKind::kTemplateString: return Template(term, out, with);
  }
  return New(NodeKind::kScalar, &term.at);
}

// The parts of a reference, its head's path in full.
void Lowering::Reference(const Term& term, std::vector<Node*>& items, Sink& out,
                         std::span<LoweredWith> with) {
  const bool ref = term.kind == TermKind::kRef;
  const Term& head = ref ? *term.items[0] : term;
  if (std::span<const Value> path = term.resolved.empty() ? head.resolved : term.resolved;
      !path.empty()) {
    Root(path, &head.at, items);
  } else if (head.kind == TermKind::kVar && head.variable == nullptr) {
    Node* name = New(NodeKind::kName, &head.at);
    name->value = Value::String(head.name);
    items.push_back(name);
  } else if (IsCollection(head.kind) || IsComprehension(head.kind)) {
    items.push_back(Hoist(Outer(head, out, with), &head, out, with));
  } else {
    items.push_back(Flat(head, out, with));
  }
  if (!ref) return;
  for (const Term* operand : term.items.subspan(1)) items.push_back(Flat(*operand, out, with));
}

Node* Lowering::Collection(const Term& term, Sink& out, std::span<LoweredWith> with) {
  NodeKind kind = term.kind == TermKind::kArray ? NodeKind::kArray
                  : term.kind == TermKind::kSet ? NodeKind::kSet
                                                : NodeKind::kObject;
  Node* node = New(kind, &term.at);
  node->items = {arena_.Array<Node*>(term.items.size()), term.items.size()};
  node->constant = true;
  for (size_t i = 0; i < term.items.size(); ++i) {
    node->items[i] = Flat(*term.items[i], out, with);
    node->constant = node->constant && node->items[i]->constant;
  }
  return node;
}

Node* Lowering::Part(const Term& term, Sink& out) {
  Node* node = Outer(term, out, {});
  return IsEvaluated(*node) ? Hoist(node, nullptr, out, {}) : node;
}

Node* Lowering::Comprehension(const Term& term) {
  NodeKind kind = term.kind == TermKind::kArrayComprehension ? NodeKind::kArrayComprehension
                  : term.kind == TermKind::kSetComprehension ? NodeKind::kSetComprehension
                                                             : NodeKind::kObjectComprehension;
  Node* node = New(kind, &term.at);
  Sink inner;
  for (const Expr* expr : term.body) Expression(*expr, inner);
  node->items = {arena_.Array<Node*>(term.items.size()), term.items.size()};
  for (size_t i = 0; i < term.items.size(); ++i) node->items[i] = Part(*term.items[i], inner);
  node->body = Done(inner);
  return node;
}

void Lowering::Callee(const Term& callee, Step& step) {
  if (std::string_view name = BuiltinName(callee, arena_); !name.empty()) {
    step.builtin = Find(name);
    Node* root = New(NodeKind::kName, &callee.at);
    root->value = Value::String(name);
    step.callee = MakeRef({root});
    return;
  }
  std::vector<Node*> items;
  Sink ignored;
  Reference(callee, items, ignored, {});
  step.callee = MakeRef(items);
}

Node* Lowering::Call(const Term& term, Sink& out, std::span<LoweredWith> with) {
  std::vector<Node*> operands;
  for (const Term* argument : term.items.subspan(1)) operands.push_back(Flat(*argument, out, with));
  Node* result = NewLocal(&term.at, &term);
  operands.push_back(result);
  Step* step = NewStep(StepKind::kCall, &term.at, with, out);
  Callee(*term.items[0], *step);
  step->operands = Done(operands);
  return result;
}

Node* Lowering::Capture(const Term& term, std::span<LoweredWith> with) {
  Node* set = New(NodeKind::kSetComprehension, &term.at);
  Sink inner;
  Node* local = NewLocal(&term.at, nullptr);
  Equal(local, Outer(term, inner, with), &term.at, with, inner);
  set->body = Done(inner);
  set->items = {arena_.Array<Node*>(1), 1};
  set->items[0] = local;
  return set;
}

Node* Lowering::Template(const Term& term, Sink& out, std::span<LoweredWith> with) {
  Node* parts = New(NodeKind::kArray, &term.at);
  std::vector<Node*> items;
  for (const Expr* part : term.body) {
    if (part->kind == ExprKind::kTerm && part->term->kind == TermKind::kScalar) {
      items.push_back(Scalar(part->term->value, &part->term->at));
      continue;
    }
    std::span<LoweredWith> part_with = With(*part, out);
    Node* capture = nullptr;
    if (part->kind == ExprKind::kCall) {
      auto* call = arena_.New<Term>();
      call->kind = TermKind::kCall;
      call->at = part->at;
      call->items = part->terms;
      capture = Capture(*call, part_with);
    } else if (part->term != nullptr) {
      capture = Capture(*part->term, part_with);
    } else {
      continue;
    }
    items.push_back(Hoist(capture, nullptr, out, with));
  }
  parts->items = Done(items);
  Node* result = NewLocal(&term.at, &term);
  Step* step = NewStep(StepKind::kCall, &term.at, with, out);
  step->builtin = Find("internal.template_string");
  Node* name = New(NodeKind::kName, &term.at);
  name->value = Value::String("internal.template_string");
  step->callee = MakeRef({name});
  step->operands = Done(std::vector<Node*>{parts, result});
  return result;
}

bool Lowering::IsFunction(const Term& term) {
  if (term.kind != TermKind::kVar && term.kind != TermKind::kRef) return false;
  if (std::string_view name = BuiltinName(term, arena_); !name.empty()) {
    return Find(name) != nullptr;
  }
  std::vector<Value> path = KnownPath(term);
  if (path.empty() || Value::Compare(path[0], Value::String("data")) != 0) return false;
  const TreeNode* node = policy_.Find(std::span<const Value>(path).subspan(1));
  return node != nullptr && node->is_function();
}

std::span<LoweredWith> Lowering::With(const Expr& expr, Sink& out) {
  if (expr.with.empty()) return {};
  std::span<LoweredWith> lowered = {arena_.Array<LoweredWith>(expr.with.size()), expr.with.size()};
  for (size_t i = 0; i < expr.with.size(); ++i) {
    const rego::With& with = expr.with[i];
    std::vector<Node*> target;
    Sink ignored;
    if (with.target->kind == TermKind::kVar || with.target->kind == TermKind::kRef) {
      if (std::string_view name = BuiltinName(*with.target, arena_);
          !name.empty() && Find(name) != nullptr) {
        Node* root = New(NodeKind::kName, &with.target->at);
        root->value = Value::String(name);
        target.push_back(root);
      } else {
        Reference(*with.target, target, ignored, {});
      }
    } else {
      target.push_back(Flat(*with.target, ignored, {}));
    }
    Node* value = nullptr;
    if (IsFunction(*with.value)) {
      std::string_view name = BuiltinName(*with.value, arena_);
      if (!name.empty()) {
        Node* root = New(NodeKind::kName, &with.value->at);
        root->value = Value::String(name);
        value = MakeRef({root});
      } else {
        value = Outer(*with.value, ignored, {});
      }
    } else {
      value = Part(*with.value, out);
    }
    lowered[i] = {.target = MakeRef(target), .value = value, .at = &with.at};
  }
  return lowered;
}

Steps Lowering::Block(Body body) {
  Sink steps;
  for (const Expr* expr : body) Expression(*expr, steps);
  return Done(steps);
}

void Lowering::SomeIn(const Expr& expr, Sink& out, std::span<LoweredWith> with) {
  const size_t count = expr.terms.size();
  const Term& container = *expr.terms[count - 1];
  std::vector<Node*> items;
  Reference(container, items, out, with);
  items.push_back(count == 3 ? Flat(*expr.terms[0], out, with) : NewLocal(&expr.at, nullptr));
  // The pattern, which may hold references of its own.
  Node* element = Outer(*expr.terms[count - 2], out, with);
  Equal(element, MakeRef(items), &expr.at, with, out);
}

void Lowering::CallExpression(const Expr& expr, Sink& out, std::span<LoweredWith> with) {
  std::string_view name = BuiltinName(*expr.terms[0], arena_);
  const size_t count = expr.terms.size() - 1;
  const bool equal = (name == "eq") || (name == "assign" && count == 2) ||
                     (name == "equal" && count == 2 && options_.unify_equals);
  if (equal && count == 2) {
    Node* left = Outer(*expr.terms[1], out, with);
    Node* right = Outer(*expr.terms[2], out, with);
    Equal(left, right, &expr.at, with, out)->builtin = Find("eq");
    return;
  }
  if (name == "print") {
    if (!options_.print) return;
    Node* list = New(NodeKind::kArray, &expr.at);
    std::vector<Node*> captures;
    for (const Term* argument : expr.terms.subspan(1)) {
      captures.push_back(Hoist(Capture(*argument, with), nullptr, out, with));
    }
    list->items = Done(captures);
    Step* step = NewStep(StepKind::kCall, &expr.at, with, out);
    step->builtin = Find("internal.print");
    Callee(*expr.terms[0], *step);
    if (step->builtin == nullptr) step->builtin = Find("internal.print");
    step->operands = Done(std::vector<Node*>{list});
    return;
  }
  std::vector<Node*> operands;
  for (const Term* argument : expr.terms.subspan(1)) operands.push_back(Flat(*argument, out, with));
  Step* step = NewStep(equal ? StepKind::kEqual : StepKind::kCall, &expr.at, with, out);
  Callee(*expr.terms[0], *step);
  step->operands = Done(operands);
}

void Lowering::Expression(const Expr& expr, Sink& out) {
  if (expr.kind == ExprKind::kSome) return;
  std::span<LoweredWith> with = With(expr, out);
  switch (expr.kind) {
    case ExprKind::kTerm: {
      Node* node = Outer(*expr.term, out, with);
      Step* step = NewStep(StepKind::kTerm, &expr.at, with, out);
      step->operands = Done(std::vector<Node*>{node});
      return;
    }
    case ExprKind::kCall: CallExpression(expr, out, with); return;
    case ExprKind::kSomeIn: SomeIn(expr, out, with); return;
    case ExprKind::kEvery: {
      const Term& domain = *expr.terms[2];
      Node* local = NewLocal(&domain.at, nullptr);
      Equal(local, Outer(domain, out, with), &domain.at, with, out);
      std::vector<Node*> operands = {nullptr, nullptr, local};
      Sink none;
      if (expr.terms[0] != nullptr) operands[0] = Flat(*expr.terms[0], none, {});
      operands[1] = Flat(*expr.terms[1], none, {});
      Steps body = Block(expr.lhs);
      Step* step = NewStep(StepKind::kEvery, &expr.at, with, out);
      step->operands = Done(operands);
      step->lhs = body;
      return;
    }
    case ExprKind::kNot:
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      Steps lhs = Block(expr.lhs);
      Steps rhs = Block(expr.rhs);
      Step* step = NewStep(expr.kind == ExprKind::kNot ? StepKind::kNot : StepKind::kLogical,
                           &expr.at, with, out);
      step->lhs = lhs;
      step->rhs = rhs;
      return;
    }
    case ExprKind::kSome: return;
  }
}

LoweredRule Lowering::Rule(const RuleInfo& info, const rego::Rule& branch) {
  Start(info.variables);
  LoweredRule rule;
  Sink body;
  for (const Expr* expr : branch.body) Expression(*expr, body);
  std::vector<Node*> nodes;
  // An else branch has its rule's arguments.
  const Head& head = info.rule->head;
  std::span<Term*> args = branch.head.args.empty() ? head.args : branch.head.args;
  for (const Term* argument : args) nodes.push_back(Part(*argument, body));
  rule.arguments = Done(nodes);
  nodes.clear();
  for (const Term* operand : info.dynamic) nodes.push_back(Part(*operand, body));
  rule.path = Done(nodes);
  if (info.kind == RuleKind::kPartialSet && branch.head.key != nullptr) {
    rule.key = Part(*branch.head.key, body);
  }
  if (branch.head.value != nullptr) rule.value = Part(*branch.head.value, body);
  rule.body = Done(body);
  return rule;
}

Steps Lowering::Query(const ResolvedQuery& query) {
  Start(query.variables);
  return Block(query.query->body);
}

}  // namespace bulwark::rego
