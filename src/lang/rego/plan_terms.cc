// Planning of terms: code that has a value for the instructions after it.

#include <algorithm>
#include <utility>

#include "lang/rego/planner.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

bool IsPattern(const Term& term) {
  return term.kind == TermKind::kArray || term.kind == TermKind::kObject;
}

}  // namespace

bool Planner::Ground(const Term& term) const {
  switch (term.kind) {
    case TermKind::kScalar: return true;
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject:
      return std::ranges::all_of(term.items, [&](const Term* item) { return Ground(*item); });
    default: return false;
  }
}

Value Planner::GroundValue(const Term& term) {
  if (term.kind == TermKind::kScalar) return term.value;
  std::vector<Value> items;
  for (const Term* item : term.items) items.push_back(GroundValue(*item));
  if (term.kind == TermKind::kArray) return Value::Array(code_.arena, items);
  if (term.kind == TermKind::kSet) return Value::Set(code_.arena, items);
  MapBuilder map(code_.arena);
  for (size_t i = 0; i + 1 < items.size(); i += 2) map.Add(items[i], items[i + 1]);
  return map.Finish();
}

bool Planner::Ready(const Term& term) const {
  VarSet open;
  CollectVars(term, open);
  if (open.Within(known_.bound)) return true;
  VarSet outputs;
  orderer_.Outputs(term, known_.bound, outputs);
  open.Remove(outputs);
  return open.Within(known_.bound);
}

const Builtin* Planner::BuiltinOf(const Term& callee) {
  if (!callee.resolved.empty()) return nullptr;
  return policy_.builtins->Find(BuiltinName(callee, code_.arena));
}

const Document* Planner::FunctionOf(const Term& callee) {
  if (callee.resolved.empty() || callee.resolved[0].AsString() != "data") return nullptr;
  const TreeNode* node = policy_.Find(callee.resolved.subspan(1));
  if (node == nullptr) return nullptr;
  if (callee.kind == TermKind::kRef) {
    for (const Term* item : callee.items.subspan(1)) {
      if (item->kind != TermKind::kScalar) return nullptr;
      node = node->Child(item->value);
      if (node == nullptr) return nullptr;
    }
  }
  const Document* document = plan_.Of(*node);
  return document != nullptr && document->kind == DocumentKind::kFunction ? document : nullptr;
}

Planner::Operand Planner::PlanTerm(const Term& term) {
  if (Ground(term)) return Constant(GroundValue(term));
  switch (term.kind) {
    case TermKind::kScalar: return Constant(term.value);
    case TermKind::kVar: return PlanVar(term);
    case TermKind::kRef: return PlanRef(term);
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject: return PlanComposite(term);
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: return PlanComprehension(term);
    case TermKind::kCall: return PlanCall(term.items, term.at);
    case TermKind::kTemplateString: return PlanTemplate(term);
  }
  return kNone;
}

Planner::Operand Planner::PlanRoot(Op op, uint32_t site) {
  auto [at, fresh] = known_.roots.try_emplace({static_cast<uint32_t>(op), site}, kNone);
  if (fresh) {
    at->second = NewRegister();
    Emit({.op = op, .dst = at->second, .x = site, .fail = fail_});
  }
  return at->second;
}

Planner::Operand Planner::PlanVar(const Term& term) {
  if (term.variable != nullptr) {
    Operand place = known_.places[term.variable->id];
    if (place == kNone) {
      Unsafe(term.at, term.name);
      return Constant(Value::Null());
    }
    return place;
  }
  if (term.resolved.empty()) {
    Unsafe(term.at, term.name);
    return Constant(Value::Null());
  }
  if (term.resolved[0].AsString() == "data") return PlanData(term.resolved, {});
  Operand at = PlanRoot(Op::kInput, 0);
  for (const Value& key : term.resolved.subspan(1)) at = PlanGet(at, Constant(key));
  return at;
}

Planner::Operand Planner::PlanRef(const Term& term) {
  const Term& head = *term.items[0];
  std::span<Term* const> operands = std::span<Term* const>(term.items).subspan(1);
  if (head.kind == TermKind::kVar && head.variable == nullptr && !head.resolved.empty() &&
      head.resolved[0].AsString() == "data") {
    return PlanData(head.resolved, operands);
  }
  return PlanSteps(PlanTerm(head), operands);
}

Planner::Operand Planner::PlanGet(Operand from, Operand key) {
  const bool constant = (key & kConstant) != 0;
  if (constant) {
    if (auto at = known_.gets.find({from, key}); at != known_.gets.end()) return at->second;
  }
  Operand to = NewRegister();
  Emit({.op = Op::kGet, .dst = to, .x = from, .y = key, .fail = fail_});
  if (constant) known_.gets[{from, key}] = to;
  return to;
}

// The operands of a reference, one after the other, into a value.
Planner::Operand Planner::PlanSteps(Operand from, std::span<Term* const> steps) {
  const Variable* const item = std::exchange(item_, nullptr);
  for (const Term* step : steps) {
    if (Ready(*step)) {
      from = PlanGet(from, PlanTerm(*step));
      continue;
    }
    const uint32_t iterator = iterators_++;
    PlanIteration(from, iterator, step == steps.back() ? item : nullptr);
    const Label next = NewLabel();
    Bind(next);
    const bool wildcard = step->kind == TermKind::kVar && step->variable->wildcard();
    // A wildcard's key is wanted by nobody: each stands for itself.
    const Operand key = wildcard ? kNone : NewRegister();
    const Operand value = NewRegister();
    Emit({.op = Op::kNext, .dst = key, .x = iterator, .y = value, .fail = fail_});
    fail_ = next;
    if (wildcard) {
      known_.bound.Add(step->variable->id);
    } else {
      Match(*step, key);
    }
    from = value;
  }
  return from;
}

// A reference below data: along the tree of rules as far as its keys are known, then by value.
Planner::Operand Planner::PlanData(std::span<const Value> head, std::span<Term* const> operands) {
  const TreeNode* node = policy_.root();
  std::vector<Value> base;
  // Below a base document, numbers as keys find texts, too: they are part of the path.
  auto leave = [&](const Value& key, std::span<Term* const>& rest) {
    base.push_back(key);
    while (!rest.empty() && rest[0]->kind == TermKind::kScalar && rest[0]->value.IsNumber()) {
      base.push_back(rest[0]->value);
      rest = rest.subspan(1);
    }
    return PlanRoot(Op::kBase, PathIndex(base));
  };
  auto document = [&]() -> Operand {
    const Document* found = plan_.Of(*node);
    if (found->kind == DocumentKind::kFunction) {
      // No value: only calls reach it.
      Emit({.op = Op::kJump, .fail = fail_});
      return Constant(Value::Null());
    }
    if (found->kind == DocumentKind::kObject) return PlanRoot(Op::kExtent, node->id);
    return PlanRoot(Op::kDocument, found->number);
  };
  std::span<const Value> keys = head.subspan(1);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (plan_.Of(*node) != nullptr) {
      Operand at = document();
      for (const Value& key : keys.subspan(i)) at = PlanGet(at, Constant(key));
      return PlanSteps(at, operands);
    }
    const TreeNode* child = node->Child(keys[i]);
    if (child == nullptr) {
      std::span<Term* const> none;
      Operand at = i + 1 == keys.size() ? leave(keys[i], operands) : leave(keys[i], none);
      for (const Value& key : keys.subspan(i + 1)) at = PlanGet(at, Constant(key));
      return PlanSteps(at, operands);
    }
    base.push_back(keys[i]);
    node = child;
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    if (plan_.Of(*node) != nullptr) return PlanSteps(document(), operands.subspan(i));
    const Term& step = *operands[i];
    if (step.kind == TermKind::kScalar) {
      const TreeNode* child = node->Child(step.value);
      if (child == nullptr) {
        std::span<Term* const> rest = operands.subspan(i + 1);
        const Operand at = leave(step.value, rest);
        return PlanSteps(at, rest);
      }
      base.push_back(step.value);
      node = child;
      continue;
    }
    if (!Ready(step)) return PlanSteps(PlanRoot(Op::kExtent, node->id), operands.subspan(i));
    WalkSite walk{.node = node, .keys = {}};
    size_t end = i;
    while (end < operands.size() && Ready(*operands[end]))
      walk.keys.push_back(PlanTerm(*operands[end++]));
    code_.walks.push_back(std::move(walk));
    const Operand to = NewRegister();
    Emit({.op = Op::kDynamic,
          .dst = to,
          .x = static_cast<uint32_t>(code_.walks.size() - 1),
          .fail = fail_});
    return PlanSteps(to, operands.subspan(end));
  }
  if (plan_.Of(*node) != nullptr) return document();
  return PlanRoot(Op::kExtent, node->id);
}

Planner::Operand Planner::PlanComposite(const Term& term) {
  if (term.kind == TermKind::kObject) {
    // Keys that are different texts: sorted now rather than each time.
    std::vector<std::pair<std::string_view, size_t>> keys;
    for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
      if (term.items[i]->kind == TermKind::kScalar && term.items[i]->value.IsString())
        keys.emplace_back(term.items[i]->value.AsString(), i);
    }
    std::ranges::sort(keys);
    const bool unique = std::ranges::adjacent_find(
                            keys, {}, &std::pair<std::string_view, size_t>::first) == keys.end();
    if (unique && keys.size() * 2 == term.items.size()) {
      std::vector<Operand> items = PlanArguments(term.items);
      std::vector<Operand> sorted;
      for (const auto& [key, at] : keys) {
        sorted.push_back(items[at]);
        sorted.push_back(items[at + 1]);
      }
      code_.lists.push_back(std::move(sorted));
      const Operand to = NewRegister();
      Emit({.op = Op::kObject,
            .aux = 1,
            .dst = to,
            .x = static_cast<uint32_t>(code_.lists.size() - 1),
            .fail = fail_});
      return to;
    }
  }
  std::vector<Operand> items = PlanArguments(term.items);
  code_.lists.push_back(std::move(items));
  const Op op = term.kind == TermKind::kArray ? Op::kArray
                : term.kind == TermKind::kSet ? Op::kSet
                                              : Op::kObject;
  const Operand to = NewRegister();
  Emit({.op = op, .dst = to, .x = static_cast<uint32_t>(code_.lists.size() - 1), .fail = fail_});
  return to;
}

// Several terms, in an order in which each has what it needs.
std::vector<Planner::Operand> Planner::PlanArguments(std::span<Term* const> terms) {
  std::vector<Operand> out(terms.size(), kNone);
  size_t left = terms.size();
  for (bool progress = true; progress && left > 0;) {
    progress = false;
    for (size_t i = 0; i < terms.size(); ++i) {
      if (out[i] != kNone || !Ready(*terms[i])) continue;
      out[i] = PlanTerm(*terms[i]);
      --left;
      progress = true;
    }
  }
  for (size_t i = 0; left > 0 && i < terms.size(); ++i) {
    if (out[i] == kNone) out[i] = PlanTerm(*terms[i]);
  }
  return out;
}

Planner::Operand Planner::PlanComprehension(const Term& term) {
  const uint32_t builder = builders_++;
  const uint8_t kind = term.kind == TermKind::kArrayComprehension ? 0
                       : term.kind == TermKind::kSetComprehension ? 1
                                                                  : 2;
  Emit({.op = Op::kBuild, .aux = kind, .dst = builder, .x = PlaceIndex(term.at)});
  Known outside = known_;
  const Label fail_outside = fail_;
  const Label done = NewLabel();
  fail_ = done;
  PlanBody(term.body);
  std::vector<Operand> heads = PlanArguments(term.items);
  Emit({.op = Op::kAdd,
        .dst = builder,
        .x = heads[0],
        .y = heads.size() > 1 ? heads[1] : kNone,
        .fail = fail_});
  Emit({.op = Op::kJump, .fail = fail_});
  Bind(done);
  known_ = std::move(outside);
  fail_ = fail_outside;
  const Operand to = NewRegister();
  Emit({.op = Op::kFinish, .dst = to, .x = builder, .fail = fail_});
  return to;
}

// The set of all values of an expression or a term: empty where it is undefined.
Planner::Operand Planner::PlanAsSet(const Expr* expr, const Term* term) {
  const uint32_t builder = builders_++;
  Emit({.op = Op::kBuild, .aux = 1, .dst = builder, .x = PlaceIndex({})});
  Known outside = known_;
  const Label fail_outside = fail_;
  const Label done = NewLabel();
  fail_ = done;
  Operand value = kNone;
  if (term != nullptr) {
    value = PlanTerm(*term);
  } else if (expr->with.empty() && expr->kind == ExprKind::kTerm && !expr->negated) {
    value = PlanTerm(*expr->term);
  } else if (expr->with.empty() && expr->kind == ExprKind::kCall && !expr->negated) {
    value = PlanCall(expr->terms, expr->at);
  } else {
    // With modifiers: the value leaves the changed context in a register of its own.
    Expr inner = *expr;
    const Operand kept = NewRegister();
    captured_ = kept;
    PlanWith(inner);
    captured_ = kNone;
    value = kept;
  }
  Emit({.op = Op::kAdd, .dst = builder, .x = value, .fail = fail_});
  Emit({.op = Op::kJump, .fail = fail_});
  Bind(done);
  known_ = std::move(outside);
  fail_ = fail_outside;
  const Operand to = NewRegister();
  Emit({.op = Op::kFinish, .dst = to, .x = builder, .fail = fail_});
  return to;
}

Planner::Operand Planner::PlanTemplate(const Term& term) {
  std::vector<Operand> parts;
  for (const Expr* part : term.body) {
    if (part->kind == ExprKind::kTerm && part->term->kind == TermKind::kScalar) {
      parts.push_back(Constant(part->term->value));
    } else {
      parts.push_back(PlanAsSet(part, nullptr));
    }
  }
  code_.lists.push_back(std::move(parts));
  const Operand list = NewRegister();
  Emit({.op = Op::kArray,
        .dst = list,
        .x = static_cast<uint32_t>(code_.lists.size() - 1),
        .fail = fail_});
  CallSite site;
  site.builtin = policy_.builtins->Find("internal.template_string");
  site.operands = {list};
  site.module = module_;
  site.at = term.at;
  code_.calls.push_back(std::move(site));
  const Operand to = NewRegister();
  Emit({.op = Op::kCall,
        .dst = to,
        .x = static_cast<uint32_t>(code_.calls.size() - 1),
        .fail = fail_});
  return to;
}

Planner::Operand Planner::PlanCall(std::span<Term* const> terms, const Location& at) {
  return PlanCallValue(terms, terms.size() - 1, at);
}

// A call with its first `arity` arguments.
Planner::Operand Planner::PlanCallValue(std::span<Term* const> terms, size_t arity,
                                        const Location& at) {
  const Term& callee = *terms[0];
  CallSite site;
  site.module = module_;
  site.at = at;
  site.function = FunctionOf(callee);
  if (site.function == nullptr) site.builtin = BuiltinOf(callee);
  if (site.function == nullptr && site.builtin == nullptr) {
    errors_.push_back({.code = "rego_type_error",
                       .message = "undefined function",
                       .file = module_ != nullptr ? module_->file : "",
                       .at = at,
                       .details = {}});
    return Constant(Value::Null());
  }
  if (site.builtin != nullptr) {
    if (rule_ != nullptr && options_.annotations != nullptr) {
      if (site.builtin->name == "rego.metadata.rule")
        return Constant(options_.annotations->RuleMetadata(*rule_, code_.arena));
      if (site.builtin->name == "rego.metadata.chain")
        return Constant(options_.annotations->Chain(*rule_, code_.arena));
    }
    if (site.builtin->relation) return PlanWalk(*terms[1], nullptr);
    if (auto done = PlanOperator(*site.builtin, terms.subspan(1, arity), at)) return *done;
  }
  site.operands = PlanArguments(terms.subspan(1, arity));
  const Operand to = NewRegister();
  code_.calls.push_back(std::move(site));
  Emit({.op = Op::kCall,
        .dst = to,
        .x = static_cast<uint32_t>(code_.calls.size() - 1),
        .fail = fail_});
  return to;
}

Planner::Operand Planner::PlanWalk(const Term& over, const Term* output) {
  const Operand root = PlanTerm(over);
  const uint32_t walker = walkers_++;
  Emit({.op = Op::kWalk, .dst = walker, .x = root});
  const Label next = NewLabel();
  Bind(next);
  const bool apart =
      output != nullptr && output->kind == TermKind::kArray && output->items.size() == 2;
  const bool no_path = apart && output->items[0]->kind == TermKind::kVar &&
                       output->items[0]->variable != nullptr &&
                       output->items[0]->variable->wildcard();
  const Operand path = no_path ? kNone : NewRegister();
  const Operand value = NewRegister();
  Emit({.op = Op::kNextWalk, .dst = path, .x = walker, .y = value, .fail = fail_});
  fail_ = next;
  if (apart) {
    if (no_path) {
      known_.bound.Add(output->items[0]->variable->id);
    } else {
      Match(*output->items[0], path);
    }
    Match(*output->items[1], value);
    return kNone;
  }
  code_.lists.push_back({path, value});
  const Operand pair = NewRegister();
  Emit({.op = Op::kArray,
        .dst = pair,
        .x = static_cast<uint32_t>(code_.lists.size() - 1),
        .fail = fail_});
  if (output != nullptr) Match(*output, pair);
  return pair;
}

// A value against a pattern: what is bound is compared, what is not is bound.
void Planner::Match(const Term& pattern, Operand value) {
  if (pattern.kind == TermKind::kVar && pattern.variable != nullptr) {
    const Operand place = known_.places[pattern.variable->id];
    if (place == kNone) {
      BindVariable(*pattern.variable, value);
    } else {
      Emit({.op = Op::kEqual, .x = place, .y = value, .fail = fail_});
    }
    return;
  }
  VarSet open;
  CollectVars(pattern, open);
  if (!IsPattern(pattern) || open.Within(known_.bound)) {
    const Operand wanted = PlanTerm(pattern);
    Emit({.op = Op::kEqual, .x = wanted, .y = value, .fail = fail_});
    return;
  }
  if (pattern.kind == TermKind::kArray) {
    Emit({.op = Op::kIsArray,
          .x = value,
          .y = static_cast<uint32_t>(pattern.items.size()),
          .fail = fail_});
    // Plain variables first: they bind what the others may need.
    for (const bool plain : {true, false}) {
      for (size_t i = 0; i < pattern.items.size(); ++i) {
        const Term& item = *pattern.items[i];
        if ((item.kind == TermKind::kVar) != plain) continue;
        Match(item, PlanGet(value, Constant(Value::Int(static_cast<int64_t>(i)))));
      }
    }
    return;
  }
  Emit({.op = Op::kIsObject,
        .x = value,
        .y = static_cast<uint32_t>(pattern.items.size() / 2),
        .fail = fail_});
  for (const bool plain : {true, false}) {
    for (size_t i = 0; i + 1 < pattern.items.size(); i += 2) {
      const Term& item = *pattern.items[i + 1];
      if ((item.kind == TermKind::kVar) != plain) continue;
      Match(item, PlanGet(value, PlanTerm(*pattern.items[i])));
    }
  }
}

void Planner::Unify(const Term& a, const Term& b) {
  auto unbound = [&](const Term& term) {
    return term.kind == TermKind::kVar && term.variable != nullptr &&
           known_.places[term.variable->id] == kNone;
  };
  if (a.kind == TermKind::kArray && b.kind == TermKind::kArray) {
    if (a.items.size() != b.items.size()) {
      Emit({.op = Op::kJump, .fail = fail_});
      // What comes after is never reached; its variables have to have places all the same.
      VarSet open;
      CollectVars(a, open);
      CollectVars(b, open);
      open.ForEach([&](uint32_t id) {
        if (known_.places[id] == kNone) known_.places[id] = Constant(Value::Null());
        known_.bound.Add(id);
      });
      return;
    }
    std::vector<bool> done(a.items.size());
    size_t left = a.items.size();
    for (bool force = false; left > 0;) {
      bool progress = false;
      for (size_t i = 0; i < a.items.size(); ++i) {
        if (done[i]) continue;
        if (!force && !Ready(*a.items[i]) && !Ready(*b.items[i])) {
          // Patterns on both sides may still be taken apart.
          if (!(IsPattern(*a.items[i]) && IsPattern(*b.items[i]))) continue;
        }
        Unify(*a.items[i], *b.items[i]);
        done[i] = true;
        --left;
        progress = true;
      }
      if (!progress) {
        if (force) return;
        force = true;
      }
    }
    return;
  }
  if (unbound(a) && Ready(b)) return Match(a, PlanTerm(b));
  if (unbound(b) && Ready(a)) return Match(b, PlanTerm(a));
  if (a.kind == TermKind::kObject && b.kind == TermKind::kObject &&
      a.items.size() == b.items.size() && !(Ready(a) && Ready(b))) {
    // Key by key, where the keys are constants.
    std::vector<std::pair<const Term*, const Term*>> pairs;
    for (size_t i = 0; i + 1 < a.items.size(); i += 2) {
      for (size_t j = 0; j + 1 < b.items.size(); j += 2) {
        if (SameKey(*a.items[i], *b.items[j])) {
          pairs.emplace_back(a.items[i + 1], b.items[j + 1]);
        }
      }
    }
    if (pairs.size() * 2 == a.items.size()) {
      while (!pairs.empty()) {
        auto ready = std::ranges::find_if(
            pairs, [&](const auto& pair) { return Ready(*pair.first) || Ready(*pair.second); });
        if (ready == pairs.end()) ready = pairs.begin();
        const auto [left, right] = *ready;
        pairs.erase(ready);
        Unify(*left, *right);
      }
      return;
    }
  }
  if (Ready(a) && IsPattern(b)) return Match(b, PlanTerm(a));
  if (Ready(b) && IsPattern(a)) return Match(a, PlanTerm(b));
  if (Ready(a)) return Match(b, PlanTerm(a));
  Match(a, PlanTerm(b));
}

}  // namespace bulwark::rego
