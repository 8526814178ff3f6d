#include "lang/rego/check/recursion.h"

#include <algorithm>
#include <optional>

#include "lang/rego/check/infer.h"
#include "lang/rego/check/narrow.h"
#include "lang/rego/check/text.h"
#include "lang/rego/check/walk.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxConditions = 2;  // beyond which a message only names the reference
constexpr size_t kMaxMembers = 5;     // of a collection that a message lists
constexpr int kMaxBindings = 1000;    // followed from one variable to the next

// The operand of a rule's path at a position after data: its constant, or nullptr.
const Value* RuleOperand(const RuleInfo& rule, size_t position) {
  std::vector<const Value*> ground;
  for (const TreeNode* node = rule.node; node->parent != nullptr; node = node->parent) {
    ground.push_back(&node->key);
  }
  if (position < ground.size()) return ground[ground.size() - 1 - position];
  position -= ground.size();
  if (position >= rule.dynamic.size() || rule.dynamic[position]->kind != TermKind::kScalar) {
    return nullptr;
  }
  return &rule.dynamic[position]->value;
}

size_t RuleLength(const RuleInfo& rule) {
  size_t length = rule.dynamic.size();
  for (const TreeNode* node = rule.node; node->parent != nullptr; node = node->parent) ++length;
  return length;
}

bool HasVariable(const std::vector<const Variable*>& bound, const Variable* variable) {
  return std::ranges::find(bound, variable) != bound.end();
}

// The variables that may have a value when the expression at `index` is evaluated.
std::vector<const Variable*> BoundBefore(const Rule& rule, size_t index) {
  std::vector<const Variable*> bound;
  auto add = [&](const Term& term) {
    if (term.kind == TermKind::kVar && term.variable != nullptr) bound.push_back(term.variable);
  };
  ForEachHeadTerm(rule.head, [&](const Term& term) { WalkTerms(term, add); });
  for (size_t i = 0; i < std::min(index, rule.body.size()); ++i) WalkTerms(*rule.body[i], add);
  return bound;
}

// Whether the reference selects the rule whatever its variables are. Else, `positions` are the
// operands that must be as the rule's.
bool Selects(const Term& ref, const RefPattern& selector, const RuleInfo& rule,
             const std::vector<const Variable*>& bound, std::vector<size_t>* positions) {
  const std::vector<const Term*> terms = OperandTerms(ref);
  bool fixed = true;
  for (size_t i = 0; i < std::min(selector.size(), RuleLength(rule)); ++i) {
    const Value* wanted = RuleOperand(rule, i);
    if (wanted == nullptr) continue;
    const Term* term = i < terms.size() ? terms[i] : nullptr;
    if (selector[i] != nullptr) {
      if (!Value::Equal(*selector[i], *wanted)) return false;
      continue;
    }
    if (term != nullptr && term->kind == TermKind::kVar && term->variable != nullptr &&
        !HasVariable(bound, term->variable)) {
      const auto same = std::ranges::count_if(terms, [&](const Term* t) {
        return t != nullptr && t->kind == TermKind::kVar && t->variable == term->variable;
      });
      if (same == 1) continue;  // it is each of the keys in turn
    }
    if (positions == nullptr) return false;
    fixed = false;
    positions->push_back(i);
  }
  return fixed;
}

bool MayReturn(std::string_view builtin, const Value& value) {
  const Builtin* found = Registry::Standard().Find(builtin);
  TypeRef type = found != nullptr ? BuiltinTypes::Standard().Find(found) : nullptr;
  if (type == nullptr || type->kind != TypeKind::kFunction || type->result.type == nullptr) {
    return true;
  }
  if (value.IsArray() || value.IsMap() || value.IsSet()) return true;
  Arena arena;
  TypeFactory types(arena);
  return Contains(type->result.type, types.Of(value));
}

}  // namespace

struct RecursionReport::Origin {
  enum class Kind : uint8_t {
    kNone,
    kInput,
    kRule,
    kCollection,
    kBuiltin,
    kHeadKey,
    kHeadArgument
  };
  Kind kind = Kind::kNone;
  std::string text;  // of the reference, or the name of the built-in
  Value collection;
};

const RecursionReport::Causes& RecursionReport::CausesOf(uint32_t unit) {
  auto [at, fresh] = causes_.try_emplace(unit);
  Causes& causes = at->second;
  if (!fresh) return causes;
  const RuleUnit& u = graph_.units()[unit];
  std::vector<const RuleInfo*> fixed;
  std::vector<const Variable*> bound;
  size_t bound_index = SIZE_MAX;
  WalkDependencies(graph_.policy_, u, arena_, [&](const Dependency& dependency) {
    bool selects = true;
    RefPattern selector;
    if (dependency.dynamic) {
      if (bound_index != dependency.index) {
        bound = BoundBefore(*u.rule, dependency.index);
        bound_index = dependency.index;
      }
      selector = dependency.selector != nullptr ? *dependency.selector
                                                : PatternOf(*dependency.ref, arena_);
      selects = Selects(*dependency.ref, selector, *dependency.target, bound, nullptr);
    }
    if (selects) {
      fixed.push_back(dependency.target);
    } else {
      causes.try_emplace(
          dependency.target,
          Cause{.ref = dependency.ref, .selector = std::move(selector), .index = dependency.index});
    }
  });
  for (const RuleInfo* rule : fixed) causes.erase(rule);
  return causes;
}

const RecursionReport::Cause* RecursionReport::CauseOf(uint32_t from, uint32_t to) {
  const Causes& causes = CausesOf(from);
  auto at = causes.find(graph_.units()[to].info);
  return at == causes.end() ? nullptr : &at->second;
}

// A way from a unit back to itself, both ends included; empty where there is none. Only along what
// is selected whatever variables are, where `fixed`.
std::vector<uint32_t> RecursionReport::Path(uint32_t from, bool fixed) {
  std::vector<bool> visited(graph_.units().size(), false);
  struct Frame {
    uint32_t unit;
    size_t next;
  };
  std::vector<Frame> stack = {{from, 0}};
  visited[from] = true;
  while (!stack.empty()) {
    const uint32_t unit = stack.back().unit;
    std::span<const uint32_t> edges = graph_.Dependencies(unit);
    if (stack.back().next == edges.size()) {
      stack.pop_back();
      continue;
    }
    const uint32_t to = edges[stack.back().next++];
    if (fixed && CauseOf(unit, to) != nullptr) continue;
    if (to == from) {
      std::vector<uint32_t> path;
      for (const Frame& frame : stack) path.push_back(frame.unit);
      path.push_back(from);
      return path;
    }
    if (visited[to]) continue;
    visited[to] = true;
    stack.push_back({to, 0});
  }
  return {};
}

bool RecursionReport::IsFixed(const std::vector<uint32_t>& path) {
  for (size_t i = 1; i < path.size(); ++i) {
    if (CauseOf(path[i - 1], path[i]) != nullptr) return false;
  }
  return true;
}

void RecursionReport::Report(uint32_t unit, std::vector<Diagnostic>& errors) {
  std::vector<uint32_t> path = Path(unit, false);
  if (path.empty()) return;
  std::string_view verb = " is recursive: ";
  std::string cause;
  if (!IsFixed(path)) {
    if (std::vector<uint32_t> certain = Path(unit, true); !certain.empty()) {
      path = std::move(certain);
    } else {
      verb = " may be recursive: ";
      cause = CauseText(path);
    }
  }
  const RuleUnit& u = graph_.units()[unit];
  std::string message = "rule " + RuleText(*u.rule);
  // An else branch goes by its rule's name.
  if (u.rule != u.info->rule) message = "rule " + RuleText(*u.info->rule);
  message += verb;
  for (size_t i = 0; i < path.size(); ++i) {
    if (i != 0) message += " -> ";
    message += RuleText(*graph_.units()[path[i]].info->rule);
  }
  errors.push_back({.code = "rego_recursion_error",
                    .message = message + cause,
                    .file = u.info->module->file,
                    .at = u.rule->at,
                    .details = {}});
}

std::string RecursionReport::CauseText(const std::vector<uint32_t>& path) {
  for (size_t i = 1; i < path.size(); ++i) {
    const Cause* cause = CauseOf(path[i - 1], path[i]);
    if (cause == nullptr) continue;
    const RuleUnit& source = graph_.units()[path[i - 1]];
    const RuleInfo& target = *graph_.units()[path[i]].info;
    const std::vector<const Term*> terms = OperandTerms(*cause->ref);
    const RefPattern written = PatternOf(*cause->ref, arena_);
    const size_t length = std::min(terms.size(), RuleLength(target));
    std::string text = " (data";
    for (size_t j = 0; j < length; ++j) {
      if (written[j] != nullptr) {
        AppendOperand(text, *written[j]);
      } else {
        text += "[" + TermText(*terms[j]) + "]";
      }
    }
    if (i > 1) text += " in " + RuleText(*source.info->rule);

    std::vector<size_t> positions;
    Selects(*cause->ref, cause->selector, target, BoundBefore(*source.rule, cause->index),
            &positions);
    std::vector<Condition> conditions;
    bool possible = true;
    for (size_t position : positions) {
      if (position >= length || terms[position] == nullptr) continue;
      std::string name = TermText(*terms[position]);
      auto same = std::ranges::find_if(
          conditions, [&](const Condition& c) { return TermText(*c.term) == name; });
      const Value& wanted = *RuleOperand(target, position);
      if (same == conditions.end()) {
        conditions.push_back({.position = position, .term = terms[position], .value = wanted});
      } else if (!Value::Equal(same->value, wanted)) {
        possible = false;
      }
    }
    const bool unchecked = std::ranges::any_of(
        conditions, [&](const Condition& c) { return Unchecked(source, *cause, c); });
    std::string name = RuleText(*target.rule);
    if (!possible || unchecked || conditions.empty() || conditions.size() > kMaxConditions) {
      return text + " could refer to " + name + ")";
    }
    text += " refers to " + name;
    std::string_view joint = " if ";
    for (const Condition& condition : conditions) {
      text.append(joint).append(TermText(*condition.term)).append(" is ");
      text += ToRegoText(condition.value);
      joint = " and ";
      if (std::string note = OriginText(source, *cause, condition); !note.empty()) {
        text += " (" + note + ")";
      }
    }
    return text + ")";
  }
  return {};
}

// Where a variable of a body gets its value.
RecursionReport::Origin RecursionReport::OriginOf(const RuleUnit& unit, size_t index,
                                                  const Variable* variable, int depth) {
  using Kind = Origin::Kind;
  if (depth > kMaxBindings) return {};
  const Rule& rule = *unit.rule;
  const Term* bound_to = nullptr;
  const Term* element_of = nullptr;
  for (size_t i = 0; i < std::min(index, rule.body.size()); ++i) {
    const Expr& expr = *rule.body[i];
    if (expr.negated || !expr.with.empty()) continue;
    auto is_variable = [&](const Term* term) {
      return term->kind == TermKind::kVar && term->variable == variable;
    };
    if (std::optional<Binding> binding = BindingOf(expr)) {
      if (bound_to != nullptr || element_of != nullptr) continue;
      if (is_variable(binding->left)) {
        bound_to = binding->right;
        element_of = binding->collection;
      } else if (binding->right != nullptr && is_variable(binding->right)) {
        bound_to = binding->left;
      }
      continue;
    }
    // A built-in's output as one more operand.
    if (expr.kind != ExprKind::kCall || !is_variable(expr.terms.back())) continue;
    std::string_view name = BuiltinName(*expr.terms[0], arena_);
    const Builtin* builtin = name.empty() ? nullptr : Registry::Standard().Find(name);
    if (builtin == nullptr) continue;
    TypeRef type = BuiltinTypes::Standard().Find(builtin);
    if (type != nullptr && expr.terms.size() == type->arguments.size() + 2) {
      return {.kind = Kind::kBuiltin, .text = std::string(name), .collection = {}};
    }
  }
  // A reference, or what one more operand selects of it.
  auto of_ref = [&](const Term& ref, bool element) -> Origin {
    std::span<const Value> path = ref.resolved;
    if (path.empty() && ref.kind == TermKind::kRef) path = ref.items[0]->resolved;
    if (!path.empty()) {
      std::string text = PathText(path);
      if (ref.kind == TermKind::kRef) {
        for (const Term* operand : ref.items.subspan(1)) {
          if (operand->kind != TermKind::kScalar) break;
          AppendOperand(text, operand->value);
        }
      }
      const bool input = path[0].IsString() && path[0].AsString() == "input";
      return {.kind = input ? Kind::kInput : Kind::kRule, .text = text, .collection = {}};
    }
    const Term* head = &ref;
    if (ref.kind == TermKind::kRef) {
      if (element || ref.items.size() != 2 || ref.items[1]->kind == TermKind::kScalar) return {};
      head = ref.items[0];
    } else if (!element) {
      return {};
    }
    // The collection, perhaps by way of variables.
    for (int i = 0; i < kMaxBindings && head != nullptr && head->kind == TermKind::kVar; ++i) {
      const Term* next = nullptr;
      for (size_t j = 0; j < std::min(index, rule.body.size()) && next == nullptr; ++j) {
        std::optional<Binding> binding = BindingOf(*rule.body[j]);
        if (!binding || binding->right == nullptr) continue;
        if (binding->left->kind == TermKind::kVar && binding->left->variable == head->variable) {
          next = binding->right;
        } else if (binding->right->kind == TermKind::kVar &&
                   binding->right->variable == head->variable) {
          next = binding->left;
        }
      }
      head = next;
    }
    std::optional<Value> collection;
    if (head != nullptr && head->kind != TermKind::kScalar) {
      collection = ConstantValue(*head, arena_);
    }
    if (!collection) return {};
    return {.kind = Kind::kCollection, .text = {}, .collection = *collection};
  };
  if (element_of != nullptr) {
    if (Origin origin = of_ref(*element_of, true); origin.kind != Kind::kNone) return origin;
  } else if (bound_to != nullptr) {
    if (bound_to->kind == TermKind::kVar && bound_to->variable != nullptr) {
      return OriginOf(unit, index, bound_to->variable, depth + 1);
    }
    if (bound_to->kind == TermKind::kCall) {
      std::string_view name = BuiltinName(*bound_to->items[0], arena_);
      if (!name.empty() && Registry::Standard().Find(name) != nullptr) {
        return {.kind = Kind::kBuiltin, .text = std::string(name), .collection = {}};
      }
    } else if (Origin origin = of_ref(*bound_to, false); origin.kind != Kind::kNone) {
      return origin;
    }
  }
  for (const Term* argument : rule.head.args) {
    if (argument->variable == variable) {
      return {.kind = Kind::kHeadArgument, .text = {}, .collection = {}};
    }
  }
  for (const Term* operand : unit.info->dynamic) {
    if (operand->variable == variable)
      return {.kind = Kind::kHeadKey, .text = {}, .collection = {}};
  }
  if (rule.head.key != nullptr && rule.head.key->variable == variable) {
    return {.kind = Kind::kHeadKey, .text = {}, .collection = {}};
  }
  return {};
}

bool RecursionReport::Unchecked(const RuleUnit& unit, const Cause& cause,
                                const Condition& condition) {
  if (condition.term->kind != TermKind::kVar || condition.term->variable == nullptr) return false;
  Origin origin = OriginOf(unit, cause.index, condition.term->variable, 0);
  if (origin.kind == Origin::Kind::kCollection) {
    std::optional<std::vector<Value>> members = Members(origin.collection, arena_);
    return members && std::ranges::none_of(*members, [&](const Value& member) {
             return Value::Equal(member, condition.value);
           });
  }
  return origin.kind == Origin::Kind::kBuiltin && !MayReturn(origin.text, condition.value);
}

std::string RecursionReport::OriginText(const RuleUnit& unit, const Cause& cause,
                                        const Condition& condition) {
  using Kind = Origin::Kind;
  const Term& term = *condition.term;
  if (term.kind == TermKind::kRef || !term.resolved.empty()) {
    std::span<const Value> path = term.resolved;
    const bool data = !path.empty() && path[0].IsString() && path[0].AsString() == "data";
    return data ? "rule values aren't known at compile time" : "";
  }
  if (term.kind != TermKind::kVar || term.variable == nullptr) return {};
  Origin origin = OriginOf(unit, cause.index, term.variable, 0);
  std::string name = TermText(term);
  switch (origin.kind) {
    case Kind::kNone: return {};
    case Kind::kInput: return name + " comes from " + origin.text;
    case Kind::kRule:
      return name + " comes from rule " + origin.text + ", whose value isn't known at compile time";
    case Kind::kCollection: {
      std::optional<std::vector<Value>> members = Members(origin.collection, arena_);
      if (members && members->size() > kMaxMembers) {
        return name + " is one of " + std::to_string(members->size()) + " values";
      }
      return name + " is one of " + ToRegoText(origin.collection);
    }
    case Kind::kBuiltin: return name + " is computed by " + origin.text;
    case Kind::kHeadKey: return name + " is a key of " + RuleText(*unit.info->rule);
    case Kind::kHeadArgument: return name + " is an argument of " + RuleText(*unit.info->rule);
  }
  return {};
}

}  // namespace bulwark::rego
