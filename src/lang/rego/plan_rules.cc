// Planning of rules and queries: the code of a whole document.

#include <algorithm>
#include <map>
#include <set>

#include "lang/rego/planner.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

// Fewer rules than this are tried one after the other.
constexpr size_t kIndexFrom = 4;

const Term* ConstantValue(const Rule& rule) {
  return rule.head.value != nullptr && rule.head.value->kind == TermKind::kScalar ? rule.head.value
                                                                                  : nullptr;
}

// True if all rules and their else branches give one and the same constant.
template <typename Members>
bool SameConstant(const Members& rules) {
  const Term* first = nullptr;
  for (const auto& [info, below] : rules) {
    for (const Rule* rule = info->rule; rule != nullptr; rule = rule->else_rule) {
      if (rule->head.value == nullptr) continue;  // true
      const Term* value = ConstantValue(*rule);
      if (value == nullptr) return false;
      if (first == nullptr) first = value;
      if (!(first->value == value->value) || first->value.kind() != value->value.kind())
        return false;
    }
  }
  if (first == nullptr) return true;
  if (first->value.IsTrue()) return true;
  // A rule without a value is true: it must not stand beside others.
  return std::ranges::all_of(rules, [](const auto& member) {
    for (const Rule* rule = member.info->rule; rule != nullptr; rule = rule->else_rule) {
      if (rule->head.value == nullptr) return false;
    }
    return true;
  });
}

}  // namespace

void Planner::PlanArgumentsOfRule(const Rule& rule, bool later) {
  for (size_t i = 0; i < rule.head.args.size(); ++i) {
    const Term& argument = *rule.head.args[i];
    if ((argument.kind == TermKind::kTemplateString) == later)
      Match(argument, static_cast<Operand>(i));
  }
}

void Planner::CollectMembers(const TreeNode& node, bool below, std::vector<Value>& path,
                             std::vector<Member>& out) const {
  for (const RuleInfo* info : node.rules) {
    if (info->rule->is_default || info->kind == RuleKind::kFunction) {
      if (!path.empty()) continue;
    }
    if (!info->rule->is_default) out.push_back({info, path});
  }
  if (!below) return;
  for (const auto& [key, child] : node.children) {
    path.push_back(key);
    CollectMembers(*child, below, path, out);
    path.pop_back();
  }
}

// A rule with its else branches; jumps to `next` when it has no more to give.
void Planner::PlanRule(const Member& member, Document& document, Label next, Label end,
                       bool same_constant, uint32_t builder) {
  const RuleInfo& info = *member.info;
  rule_ = &info;
  module_ = info.module;
  const bool chained = info.rule->else_rule != nullptr;
  for (const Rule* rule = info.rule; rule != nullptr; rule = rule->else_rule) {
    Begin(info.variables.size(), document.arguments);
    const Label exhausted = NewLabel();
    const Operand held = chained ? NewRegister() : kNone;
    if (chained) Emit({.op = Op::kMove, .dst = held, .x = Constant(Value::Bool(false))});
    fail_ = exhausted;
    PlanArgumentsOfRule(*info.rule, false);
    if (!rule->is_default) Observe(rule->head.at, false);
    PlanBody(rule->body);
    PlanArgumentsOfRule(*info.rule, true);
    Observe(rule->head.at, true);
    switch (document.kind) {
      case DocumentKind::kComplete:
      case DocumentKind::kFunction: {
        const bool constant = rule->head.value == nullptr || Ground(*rule->head.value);
        const Operand value =
            rule->head.value == nullptr ? Constant(Value::Bool(true)) : PlanTerm(*rule->head.value);
        code_.places.push_back({info.module, rule->at});
        Emit({.op = Op::kResult, .x = value, .y = static_cast<uint32_t>(code_.places.size() - 1)});
        if (constant) {
          // More solutions would give the same.
          Emit({.op = Op::kJump, .fail = same_constant ? end : next});
        } else {
          if (chained) Emit({.op = Op::kMove, .dst = held, .x = Constant(Value::Bool(true))});
          Emit({.op = Op::kJump, .fail = fail_});
        }
        break;
      }
      case DocumentKind::kSet: {
        const Operand key = PlanTerm(*rule->head.key);
        Emit({.op = Op::kAdd, .dst = builder, .x = key, .fail = fail_});
        Emit({.op = Op::kJump, .fail = fail_});
        break;
      }
      case DocumentKind::kObject: {
        std::vector<Operand> keys;
        for (const Value& key : member.below) keys.push_back(Constant(key));
        std::vector<Operand> dynamic = PlanArguments(info.dynamic);
        keys.insert(keys.end(), dynamic.begin(), dynamic.end());
        const bool element = info.kind == RuleKind::kPartialSet;
        const Term* value_term = element ? rule->head.key : rule->head.value;
        const Operand value =
            value_term == nullptr ? Constant(Value::Bool(true)) : PlanTerm(*value_term);
        code_.places.push_back({info.module, rule->at});
        keys.push_back(static_cast<uint32_t>(code_.places.size() - 1));
        code_.lists.push_back(std::move(keys));
        Emit({.op = Op::kAddPath,
              .aux = static_cast<uint8_t>(element ? 1 : 0),
              .dst = builder,
              .x = static_cast<uint32_t>(code_.lists.size() - 1),
              .y = value,
              .fail = fail_});
        Emit({.op = Op::kJump, .fail = fail_});
        break;
      }
    }
    Bind(exhausted);
    if (!chained) break;
    // Held at least once: the branches after it are not asked.
    const Label other = NewLabel();
    Emit({.op = Op::kHolds, .x = held, .fail = other});
    Emit({.op = Op::kJump, .fail = next});
    Bind(other);
  }
  Emit({.op = Op::kJump, .fail = next});
}

Procedure Planner::PlanDocument(Document& document) {
  first_instruction_ = code_.instructions.size();
  const auto entry = static_cast<uint32_t>(first_instruction_);
  labels_.clear();
  module_ = document.module;
  next_register_ = document.arguments;
  iterators_ = builders_ = walkers_ = contexts_ = 0;
  std::vector<Member> rules;
  std::vector<Value> path;
  CollectMembers(*document.node, document.kind == DocumentKind::kObject, path, rules);
  const RuleInfo* otherwise = nullptr;
  for (const RuleInfo* info : document.node->rules) {
    if (info->rule->is_default && otherwise == nullptr) otherwise = info;
  }
  const bool valued =
      document.kind == DocumentKind::kComplete || document.kind == DocumentKind::kFunction;
  const uint32_t builder = valued ? 0 : builders_++;
  if (!valued) {
    Emit({.op = Op::kBuild,
          .aux = static_cast<uint8_t>(document.kind == DocumentKind::kSet ? 1 : 3),
          .dst = builder,
          .x = PlaceIndex(document.at)});
  }
  const Label end = NewLabel();
  const bool same_constant = valued && SameConstant(rules);
  RuleIndex index;
  if (rules.size() >= kIndexFrom && BuildIndex(rules, document, index)) {
    const uint32_t iterator = iterators_++;
    const Label next = NewLabel();
    const size_t site = code_.indices.size();
    code_.indices.push_back({});
    Emit({.op = Op::kSelect, .dst = iterator, .x = static_cast<uint32_t>(site)});
    Bind(next);
    Emit({.op = Op::kNextRule, .x = iterator, .fail = end});
    std::vector<uint32_t> entries;
    for (const Member& member : rules) {
      entries.push_back(static_cast<uint32_t>(code_.instructions.size()));
      PlanRule(member, document, next, end, same_constant, builder);
    }
    // From numbers of rules to where their code begins.
    for (auto& list : index.lists) {
      for (uint32_t& rule : list) rule = entries[rule];
    }
    for (uint32_t& rule : index.others) rule = entries[rule];
    code_.indices[site] = std::move(index);
  } else {
    for (const Member& member : rules) {
      const Label next = NewLabel();
      PlanRule(member, document, next, end, same_constant, builder);
      Bind(next);
    }
  }
  Bind(end);
  if (!valued) {
    const Operand to = NewRegister();
    Emit({.op = Op::kFinish, .dst = to, .x = builder, .fail = end});
    Emit({.op = Op::kResult, .x = to});
  } else if (otherwise != nullptr) {
    module_ = otherwise->module;
    Begin(otherwise->variables.size(), document.arguments);
    const Label none = NewLabel();
    const Label skip = NewLabel();
    Emit({.op = Op::kDefault, .fail = skip});
    fail_ = none;
    PlanArgumentsOfRule(*otherwise->rule, false);
    PlanBody(otherwise->rule->body);
    const Operand value = otherwise->rule->head.value == nullptr
                              ? Constant(Value::Bool(true))
                              : PlanTerm(*otherwise->rule->head.value);
    Emit({.op = Op::kResult, .x = value});
    Bind(none);
    Bind(skip);
  }
  Emit({.op = Op::kEnd});
  Procedure procedure = Finish(entry);
  procedure.document = &document;
  procedure.module = document.module;
  procedure.at = document.at;
  return procedure;
}

// Looks for one place (an argument, a path of input) that many rules compare with a constant.
bool Planner::BuildIndex(std::span<const Member> rules, const Document& document, RuleIndex& out) {
  struct Condition {
    uint32_t argument = kNone;
    std::vector<Value> path;
    Value value;
  };
  struct Key {
    uint32_t argument;
    std::vector<Value> path;
    bool operator<(const Key& other) const {
      if (argument != other.argument) return argument < other.argument;
      return std::ranges::lexicographical_compare(
          path, other.path,
          [](const Value& a, const Value& b) { return Value::Compare(a, b) < 0; });
    }
  };
  auto place = [&](const RuleInfo& info, const Term& term, Key& key) {
    const Term& head = term.kind == TermKind::kRef ? *term.items[0] : term;
    if (head.kind != TermKind::kVar) return false;
    key = {kNone, {}};
    if (head.variable != nullptr) {
      if (!head.variable->argument) return false;
      const auto& args = info.rule->head.args;
      for (size_t i = 0; i < args.size(); ++i) {
        if (args[i]->kind == TermKind::kVar && args[i]->variable == head.variable)
          key.argument = static_cast<uint32_t>(i);
      }
      if (key.argument == kNone) return false;
    } else if (!head.resolved.empty() && head.resolved[0].AsString() == "input") {
      key.path.assign(head.resolved.begin() + 1, head.resolved.end());
    } else {
      return false;
    }
    if (term.kind == TermKind::kRef) {
      for (const Term* item : term.items.subspan(1)) {
        if (item->kind != TermKind::kScalar) return false;
        key.path.push_back(item->value);
      }
    }
    return key.argument != kNone || !key.path.empty();
  };
  std::map<Key, std::map<uint32_t, Value>> found;  // place → rule → constant
  for (uint32_t number = 0; number < rules.size(); ++number) {
    const RuleInfo& info = *rules[number].info;
    if (info.rule->else_rule != nullptr) continue;
    if (document.kind == DocumentKind::kFunction) {
      for (size_t i = 0; i < info.rule->head.args.size(); ++i) {
        const Term& argument = *info.rule->head.args[i];
        if (Ground(argument))
          found[{static_cast<uint32_t>(i), {}}].emplace(number, GroundValue(argument));
      }
    }
    for (const Expr* expr : info.rule->body) {
      if (expr->negated || !expr->with.empty() || expr->kind != ExprKind::kCall ||
          expr->terms.size() != 3) {
        continue;
      }
      const Term& callee = *expr->terms[0];
      const Term& name = callee.kind == TermKind::kRef ? *callee.items[0] : callee;
      if (!callee.resolved.empty() || name.kind != TermKind::kVar ||
          (name.name != "eq" && name.name != "equal")) {
        continue;
      }
      for (int side = 1; side <= 2; ++side) {
        const Term& constant = *expr->terms[side == 1 ? 2 : 1];
        Key key;
        if (!Ground(constant)) continue;
        if (place(info, *expr->terms[static_cast<size_t>(side)], key))
          found[key].emplace(number, GroundValue(constant));
      }
    }
  }
  // The best place leaves the fewest rules to try: those without the condition, and an even share
  // of the others.
  const std::map<uint32_t, Value>* best = nullptr;
  const Key* best_key = nullptr;
  size_t fewest = 0;
  for (const auto& [key, conditions] : found) {
    std::set<Value, KeyOrder> distinct;
    for (const auto& [rule, value] : conditions) distinct.insert(value);
    const size_t left = rules.size() - conditions.size() + conditions.size() / distinct.size();
    if (best != nullptr && left >= fewest) continue;
    best = &conditions;
    best_key = &key;
    fewest = left;
  }
  if (best == nullptr || best->size() < kIndexFrom) return false;
  out.argument = best_key->argument;
  out.path = Kept(best_key->path);
  // Each value's rules, those without the condition among them, in their order.
  std::map<Value, uint32_t, KeyOrder> numbers;
  for (const auto& [rule, value] : *best)
    numbers.try_emplace(value, static_cast<uint32_t>(numbers.size()));
  out.lists.resize(numbers.size());
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    if (auto at = best->find(rule); at != best->end()) {
      out.lists[numbers.at(at->second)].push_back(rule);
      continue;
    }
    for (auto& list : out.lists) list.push_back(rule);
    out.others.push_back(rule);
  }
  std::vector<Value::Entry> entries;
  for (const auto& [value, number] : numbers)
    entries.push_back({value.CopyTo(code_.arena), Value::Int(number)});
  out.table = MapBuilder::FromUnique(code_.arena, code_.arena.Copy<Value::Entry>(entries));
  return true;
}

Procedure Planner::PlanQueryBody(const ResolvedQuery& query, bool& single) {
  first_instruction_ = code_.instructions.size();
  const auto entry = static_cast<uint32_t>(first_instruction_);
  Begin(query.variables.size(), 0);
  const Label end = NewLabel();
  fail_ = end;
  RowSite row;
  const Body body = query.query->body;
  bool iterates = !query.variables.empty();
  single = body.size() == 1 && body[0]->kind == ExprKind::kTerm && !body[0]->negated &&
           body[0]->with.empty() && !iterates;
  keep_false_ = body.size() == 1 && !iterates;
  for (const Expr* expr : body) {
    captured_ = NewRegister();
    row.expressions.push_back({expr->at, captured_});
    if (expr->kind == ExprKind::kSome) {
      Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
    }
    PlanExpr(*expr);
    captured_ = kNone;
  }
  for (const Variable& variable : query.variables) {
    if (variable.wildcard() || known_.places[variable.id] == kNone) continue;
    row.bindings.push_back({code_.arena.Copy(variable.name), known_.places[variable.id]});
  }
  // Expressions in the order in which they were written.
  std::vector<size_t> written(body.size());
  for (size_t i = 0; i < written.size(); ++i) written[i] = i;
  std::ranges::stable_sort(written, {}, [&](size_t i) { return body[i]->index; });
  RowSite sorted;
  sorted.bindings = std::move(row.bindings);
  for (size_t i : written) sorted.expressions.push_back(row.expressions[i]);
  std::ranges::sort(sorted.bindings, {}, &RowSite::Binding::name);
  code_.rows.push_back(std::move(sorted));
  Emit({.op = Op::kRow, .x = static_cast<uint32_t>(code_.rows.size() - 1)});
  Emit({.op = Op::kJump, .fail = fail_});
  Bind(end);
  Emit({.op = Op::kEnd});
  return Finish(entry);
}

void PlanModules(const Resolution& policy, const PlanOptions& options, Plan& out,
                 std::vector<Diagnostic>& errors) {
  // The documents first: calls refer to them.
  auto visit = [&](auto& self, const TreeNode& node, std::vector<Value>& path) -> void {
    if (out.by_node.size() <= node.id) {
      out.by_node.resize(node.id + 1);
      out.nodes.resize(node.id + 1);
    }
    out.nodes[node.id] = &node;
    if (!node.rules.empty()) {
      Document& document = out.documents.emplace_back();
      document.node = &node;
      document.number = static_cast<uint32_t>(out.documents.size() - 1);
      document.path = path;
      document.at = node.rules[0]->rule->at;
      document.module = node.rules[0]->module;
      out.by_node[node.id] = &document;
      const RuleInfo& first = *node.rules[0];
      if (first.kind == RuleKind::kFunction) {
        document.kind = DocumentKind::kFunction;
        document.arguments = static_cast<uint32_t>(first.rule->head.args.size());
      } else {
        for (const RuleInfo* info : node.rules) {
          document.depth = std::max(document.depth, static_cast<uint32_t>(info->dynamic.size()));
          if (info->kind == RuleKind::kPartialSet) document.kind = DocumentKind::kSet;
        }
        if (document.depth > 0) document.kind = DocumentKind::kObject;
      }
    }
    for (const auto& [key, child] : node.children) {
      path.push_back(key);
      self(self, *child, path);
      path.pop_back();
    }
  };
  std::vector<Value> path;
  visit(visit, *policy.root(), path);
  Planner planner(policy, out, out.code, options, nullptr, errors);
  for (Document& document : out.documents) document.procedure = planner.PlanDocument(document);
}

void Shrink(Program& code) {
  code.instructions.shrink_to_fit();
  code.constants.shrink_to_fit();
  code.paths.shrink_to_fit();
  code.lists.shrink_to_fit();
  code.calls.shrink_to_fit();
  code.withs.shrink_to_fit();
  code.walks.shrink_to_fit();
  code.indices.shrink_to_fit();
  code.filters.shrink_to_fit();
  code.rows.shrink_to_fit();
  code.places.shrink_to_fit();
}

void PlanQuery(const Resolution& policy, const Plan& plan, const ResolvedQuery& query,
               const PlanOptions& options, QueryPlan& out, std::vector<Diagnostic>& errors) {
  Planner planner(policy, plan, out.code, options, nullptr, errors);
  out.procedure = planner.PlanQueryBody(query, out.single);
}

}  // namespace bulwark::rego
