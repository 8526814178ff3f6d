#include "lang/rego/check/infer.h"

#include <algorithm>

#include "lang/rego/check/result_names.h"
#include "lang/rego/check/text.h"

namespace bulwark::rego {

namespace {

constexpr size_t kLineWidth = 80;  // of a detail, beyond which types are shortened
constexpr std::string_view kMatchErrorDocs =
    "https://www.openpolicyagent.org/docs/errors/rego-type-error/match-error";

size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

bool TooWide(const std::string& a, const std::string& b) {
  return Width(a) > kLineWidth || Width(b) > kLineWidth;
}

std::string_view SharedCollection(TypeRef a, TypeRef b) {
  if (a == nullptr || b == nullptr || a->kind != b->kind) return {};
  switch (a->kind) {
    case TypeKind::kObject: return "objects";
    case TypeKind::kArray: return "arrays";
    case TypeKind::kSet: return "sets";
    default: return {};
  }
}

std::string ListText(const std::vector<std::string>& parts) {
  std::string out = "(";
  for (const std::string& part : parts) {
    if (out.size() > 1) out += ", ";
    out += part;
  }
  return out + ")";
}

// What a function takes, its result as the last.
std::vector<Argument> Wanted(TypeRef function, bool with_result) {
  std::vector<Argument> wanted(function->arguments.begin(), function->arguments.end());
  if (with_result && function->result.type != nullptr) wanted.push_back(function->result);
  return wanted;
}

std::string ShortNamed(const Argument& argument) {
  if (argument.name.empty()) return ShortText(argument.type);
  std::string prefix = std::string(argument.name) + ": ";
  std::string full = prefix + ToText(argument.type);
  constexpr size_t kShortWidth = 32;
  if (Width(full) <= kShortWidth) return full;
  // The name counts: a type that would fit alone may be too long with it.
  return prefix + ConstructorText(argument.type);
}

void CollectKeys(TypeRef type, std::vector<Value>& keys, int depth) {
  type = Unfold(type);
  if (type == nullptr || depth > kMaxTypeDepth) return;
  if (type->kind == TypeKind::kObject) {
    for (const Property& property : type->properties) keys.push_back(property.key);
  } else if (type->kind == TypeKind::kAny) {
    for (TypeRef item : type->items) CollectKeys(item, keys, depth + 1);
  }
}

}  // namespace

BuiltinTypes::BuiltinTypes(const Registry& registry) {
  TypeFactory types(arena_);
  for (const Builtin* builtin : registry.all()) {
    Result<TypeRef> type = ParseType(builtin->type, types);
    TypeRef function = type ? *type : kAnyType;
    if (function->kind == TypeKind::kFunction && function->result.name.empty() &&
        function->result.type != nullptr) {
      function = types.Function(function->arguments,
                                {.name = ResultName(builtin->name), .type = function->result.type});
    }
    types_[builtin] = function;
  }
}

const BuiltinTypes& BuiltinTypes::Standard() {
  static const BuiltinTypes standard(Registry::Standard());
  return standard;
}

std::vector<Value> KnownKeys(TypeRef type) {
  std::vector<Value> keys;
  CollectKeys(type, keys, 0);
  std::ranges::sort(keys, [](const Value& a, const Value& b) { return Value::Compare(a, b) < 0; });
  auto same = std::ranges::unique(
      keys, [](const Value& a, const Value& b) { return Value::Compare(a, b) == 0; });
  keys.erase(same.begin(), same.end());
  return keys;
}

std::vector<std::string> MatchDetails(TypeRef left, TypeRef right) {
  std::string a = "left  : " + ToText(left);
  std::string b = "right : " + ToText(right);
  if (TooWide(a, b)) {
    auto [short_a, short_b] = DifferenceText(left, right);
    a = "left  : " + short_a;
    b = "right : " + short_b;
  }
  std::vector<std::string> lines = {std::move(a), std::move(b)};
  if (std::string_view kind = SharedCollection(left, right); !kind.empty()) {
    lines.push_back("hint  : both sides are " + std::string(kind) +
                    " but their types differ, so they can never be equal (see " +
                    std::string(kMatchErrorDocs) + ")");
  }
  return lines;
}

std::vector<std::string> ArgumentDetails(std::span<const TypeRef> have, TypeRef function,
                                         bool with_result) {
  std::vector<std::string> left;
  for (TypeRef type : have) left.push_back(ToText(type));
  std::string a = "have: " + ListText(left);
  std::string b = "want: " + ArgumentsText(function, with_result);
  if (!TooWide(a, b)) return {std::move(a), std::move(b)};
  const std::vector<Argument> wanted = Wanted(function, with_result);
  std::vector<std::string> right;
  left.clear();
  for (TypeRef type : have) left.push_back(ShortText(type));
  for (const Argument& argument : wanted) right.push_back(ShortNamed(argument));
  for (size_t i = 0; i < std::min(have.size(), wanted.size()); ++i) {
    TypeRef want = wanted[i].type;
    if (have[i] != nullptr && want != nullptr && Unifies(have[i], want)) continue;
    auto [x, y] = DifferenceText(have[i], want);
    left[i] = x;
    right[i] = wanted[i].name.empty() ? y : std::string(wanted[i].name) + ": " + y;
  }
  if (function->variadic) right.push_back(ShortNamed(function->rest) + "...");
  return {"have: " + ListText(left), "want: " + ListText(right)};
}

Diagnostic Inference::Error(const Location* at, std::string message) const {
  return {.code = "rego_type_error",
          .message = std::move(message),
          .file = std::string(file_),
          .at = at != nullptr ? *at : Location(),
          .details = {}};
}

void Inference::Start(std::span<const Local> locals, const TypeLayer* documents,
                      std::string_view file) {
  locals_ = locals;
  locals_types_.assign(locals.size(), nullptr);
  undo_.clear();
  documents_ = documents;
  file_ = file;
}

void Inference::SetLocal(uint32_t local, TypeRef type) {
  undo_.emplace_back(local, locals_types_[local]);
  locals_types_[local] = type;
}

bool Inference::Body(Steps steps) {
  const size_t before = errors_.size();
  CheckSteps(steps, errors_);
  return errors_.size() == before;
}

void Inference::CheckSteps(Steps steps, std::vector<Diagnostic>& errors) {
  for (Step* step : steps) CheckStep(*step, errors);
}

void Inference::CheckStep(Step& step, std::vector<Diagnostic>& errors) {
  std::deque<TypeTree> trees;
  std::deque<TypeLayer> layers;
  const TypeLayer* outside = documents_;
  if (!step.with.empty()) documents_ = With(step.with, trees, layers);

  std::vector<Diagnostic> closure_errors;
  for (Node* operand : step.operands) CheckClosures(operand, closure_errors);
  CheckClosures(step.lhs, closure_errors);
  CheckClosures(step.rhs, closure_errors);

  std::vector<Diagnostic> ref_errors;
  CheckRefs(step, ref_errors);

  Problem problem = CheckWith(step);
  if (!problem.found) {
    if (step.kind == StepKind::kEqual) {
      problem = CheckEqual(step);
    } else if (step.kind == StepKind::kCall) {
      std::string_view name = step.builtin != nullptr ? step.builtin->name : std::string_view();
      if (name == "internal.member_2" || name == "internal.member_3") {
        problem = CheckMember(step, name == "internal.member_3");
      }
      if (!problem.found) problem = CheckCall(step);
    }
  }
  // What follows from an error that has been said already is not said again.
  const bool follows =
      problem.found && problem.partial && (!closure_errors.empty() || !ref_errors.empty());
  std::ranges::move(closure_errors, std::back_inserter(errors));
  std::ranges::move(ref_errors, std::back_inserter(errors));
  if (problem.found && !follows) errors.push_back(std::move(problem.diagnostic));
  documents_ = outside;
}

bool Inference::CheckComprehension(Node& node, std::vector<Diagnostic>& errors) {
  const size_t mark = undo_.size();
  const size_t before = errors.size();
  CheckSteps(node.body, errors);
  const bool good = errors.size() == before;
  if (good) {
    switch (node.kind) {
      case NodeKind::kArrayComprehension:
        node.type = types_.Array(std::span<const TypeRef>(), TypeOf(*node.items[0]));
        break;
      case NodeKind::kSetComprehension: node.type = types_.Set(TypeOf(*node.items[0])); break;
      default: node.type = types_.Object({}, TypeOf(*node.items[0]), TypeOf(*node.items[1])); break;
    }
  }
  node.typed = true;
  while (undo_.size() > mark) {
    locals_types_[undo_.back().first] = undo_.back().second;
    undo_.pop_back();
  }
  return good;
}

void Inference::CheckClosures(Node* node, std::vector<Diagnostic>& errors) {
  if (node == nullptr || node->constant) return;
  if (node->kind >= NodeKind::kArrayComprehension) {
    std::vector<Diagnostic> found;
    // The errors of the last closure that has any are those that count.
    if (!CheckComprehension(*node, found)) errors = std::move(found);
    return;
  }
  for (Node* item : node->items) CheckClosures(item, errors);
}

void Inference::CheckClosures(Steps steps, std::vector<Diagnostic>& errors) {
  for (Step* step : steps) {
    for (Node* operand : step->operands) CheckClosures(operand, errors);
    CheckClosures(step->lhs, errors);
    CheckClosures(step->rhs, errors);
  }
}

void Inference::CheckRefs(Node* node, std::vector<Diagnostic>& errors) {
  if (node == nullptr || node->constant || node->kind >= NodeKind::kArrayComprehension) return;
  if (node->kind == NodeKind::kRef) {
    TypeRef type = RefType(*node);
    if (type != nullptr && type->kind == TypeKind::kFunction) {
      Unsupported(node->items, node->items.size() - 1, type, errors);
      return;
    }
    CheckRefStart(documents_, node->items, errors);
  }
  for (Node* item : node->items) CheckRefs(item, errors);
}

void Inference::CheckRefs(const Step& step, std::vector<Diagnostic>& errors) {
  for (Node* operand : step.operands) CheckRefs(operand, errors);
  for (const Step* inner : step.lhs) CheckRefs(*inner, errors);
  for (const Step* inner : step.rhs) CheckRefs(*inner, errors);
}

std::vector<TypeRef> Inference::TypesOf(Nodes nodes) {
  std::vector<TypeRef> types;
  types.reserve(nodes.size());
  for (Node* node : nodes) types.push_back(TypeOf(*node));
  return types;
}

Inference::Problem Inference::MatchError(const Step& step, TypeRef left, TypeRef right) {
  Problem problem{.found = true, .partial = IsPartial(left) || IsPartial(right), .diagnostic = {}};
  problem.diagnostic = Error(step.at, "match error");
  problem.diagnostic.details = MatchDetails(left, right);
  return problem;
}

Inference::Problem Inference::ArgumentError(const Location& at, std::string_view name,
                                            std::string_view what, std::span<const TypeRef> have,
                                            TypeRef function, bool with_result) {
  Problem problem{.found = true, .partial = false, .diagnostic = {}};
  problem.partial = std::ranges::any_of(have, IsPartial);
  problem.diagnostic = Error(&at, std::string(name) + ": " + std::string(what));
  problem.diagnostic.details = ArgumentDetails(have, function, with_result);
  return problem;
}

Inference::Problem Inference::CheckWith(const Step& step) {
  for (const LoweredWith& with : step.with) {
    TypeRef target = TypeOf(*with.target);
    TypeRef value = TypeOf(*with.value);
    if (target == nullptr || target->kind != TypeKind::kFunction || value == nullptr ||
        value->kind != TypeKind::kFunction || Unifies(target, value)) {
      continue;
    }
    std::vector<TypeRef> have;
    for (const Argument& argument : value->arguments) have.push_back(argument.type);
    return ArgumentError(*with.at, NodeText(*with.target), "arity mismatch", have, target, false);
  }
  return {};
}

Inference::Problem Inference::CheckEqual(Step& step) {
  if (step.operands.size() != 2) {
    TypeFactory types(types_.arena());
    static constexpr Argument kTwo[] = {{.name = {}, .type = kAnyType},
                                        {.name = {}, .type = kAnyType}};
    return ArgumentError(
        *step.at, "eq", step.operands.size() < 2 ? "too few arguments" : "too many arguments",
        TypesOf(step.operands), types.Function(kTwo, {.name = {}, .type = kBooleanType}), false);
  }
  Node& a = *step.operands[0];
  Node& b = *step.operands[1];
  TypeRef type_a = TypeOf(a);
  TypeRef type_b = TypeOf(b);
  if (!Unify(a, type_a, b, type_b)) return MatchError(step, type_a, type_b);
  return {};
}

Inference::Problem Inference::CheckMember(Step& step, bool with_key) {
  const size_t arity = with_key ? 3 : 2;
  if (step.operands.size() < arity) return {};
  TypeRef collection = TypeOf(*step.operands[arity - 1]);
  TypeRef values = types_.Values(collection);
  if (values == nullptr) return {};
  if (with_key) {
    Problem problem = CheckMemberOperand(step, *step.operands[0], types_.Keys(collection));
    if (problem.found) return problem;
  }
  return CheckMemberOperand(step, *step.operands[arity - 2], values);
}

Inference::Problem Inference::CheckMemberOperand(Step& step, Node& operand, TypeRef type) {
  if (IsPartial(type)) return {};
  TypeRef have = TypeOf(operand);
  const bool known = !IsPartial(have);
  if ((known && !Unifies(have, type)) || !Fits(operand, type, false)) {
    return MatchError(step, have, type);
  }
  return {};
}

Inference::Problem Inference::CheckCall(Step& step) {
  TypeRef function =
      step.builtin != nullptr ? builtin_types_.Find(step.builtin) : RefType(*step.callee);
  if (function != nullptr && function->IsAnything()) return {};
  std::string name = NodeText(*step.callee);
  if (step.builtin != nullptr) name = step.builtin->name;
  if (function == nullptr || function->kind != TypeKind::kFunction) {
    return {.found = true,
            .partial = false,
            .diagnostic = Error(step.at, "undefined function " + name)};
  }
  const std::vector<Argument> wanted = Wanted(function, true);
  std::vector<TypeRef> have = TypesOf(step.operands);
  if (have.size() > wanted.size() && !function->variadic) {
    return ArgumentError(*step.at, name, "too many arguments", have, function, true);
  }
  if (have.size() < function->arguments.size()) {
    return ArgumentError(*step.at, name, "too few arguments", have, function, true);
  }
  for (size_t i = 0; i < have.size(); ++i) {
    TypeRef want = i < wanted.size() ? wanted[i].type : function->rest.type;
    if (!IsPartial(have[i]) && !Unifies(have[i], want)) {
      return ArgumentError(*step.at, name, "invalid argument(s)", have, function, true);
    }
    if (!Fits(*step.operands[i], want, false)) {
      return ArgumentError(*step.at, name, "invalid argument(s)", TypesOf(step.operands), function,
                           true);
    }
  }
  return {};
}

TypeRef Inference::TypeOf(Node& node) {
  switch (node.kind) {
    case NodeKind::kScalar: return types_.Of(node.value);
    case NodeKind::kLocal: return LocalType(node.local);
    case NodeKind::kRef: return RefType(node);
    case NodeKind::kName: return nullptr;
    case NodeKind::kArray: {
      auto* items = types_.arena().Array<TypeRef>(node.items.size());
      for (size_t i = 0; i < node.items.size(); ++i) items[i] = TypeOf(*node.items[i]);
      return types_.Array(std::span<const TypeRef>(items, node.items.size()), nullptr);
    }
    case NodeKind::kSet: {
      TypeRef of = nullptr;
      for (Node* item : node.items) of = types_.Or(of, TypeOf(*item));
      return types_.Set(of);
    }
    case NodeKind::kObject: {
      std::vector<Property> properties;
      bool dynamic = false;
      TypeRef key = nullptr;
      TypeRef value = nullptr;
      for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
        if (node.items[i]->kind == NodeKind::kScalar) {
          properties.push_back({.key = node.items[i]->value, .value = TypeOf(*node.items[i + 1])});
        } else if (node.items[i]->constant) {
          properties.push_back(
              {.key = ConstantValue(*node.items[i]), .value = TypeOf(*node.items[i + 1])});
        } else {
          dynamic = true;
          key = TypeOf(*node.items[i]);
          value = TypeOf(*node.items[i + 1]);
        }
      }
      return dynamic ? types_.Object(properties, key, value) : types_.Object(properties);
    }
    case NodeKind::kArrayComprehension:
    case NodeKind::kSetComprehension:
    case NodeKind::kObjectComprehension:
      if (!node.typed) {
        std::vector<Diagnostic> ignored;
        CheckComprehension(node, ignored);
      }
      return node.type;
  }
  return nullptr;
}

Value Inference::ConstantValue(const Node& node) {
  if (node.kind == NodeKind::kScalar) return node.value;
  Arena& arena = types_.arena();
  std::vector<Value> items;
  for (const Node* item : node.items) items.push_back(ConstantValue(*item));
  if (node.kind == NodeKind::kArray) return Value::Array(arena, items);
  if (node.kind == NodeKind::kSet) {
    return Value::Array(Value::Set(arena, items).items());
  }
  MapBuilder map(arena);
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    Value key = items[i].IsString() ? items[i] : Value::String(arena, ToRegoText(items[i]));
    map.Add(key, items[i + 1]);
  }
  return map.Finish();
}

void Inference::AssumeAny(Node& node) {
  if (node.kind == NodeKind::kLocal && LocalType(node.local) == nullptr) {
    SetLocal(node.local, kAnyType);
  }
  for (Node* item : node.items) AssumeAny(*item);
}

// The documents as an expression with modifiers sees them: what is replaced may also be what it is
// replaced with, and what depends on it may be anything.
const TypeLayer* Inference::With(std::span<LoweredWith> with, std::deque<TypeTree>& trees,
                                 std::deque<TypeLayer>& layers) {
  const TypeLayer* top = documents_;
  TypeTree replaced;
  for (const LoweredWith& modifier : with) {
    TypeRef target = RefType(*modifier.target);
    const bool function = target != nullptr && target->kind == TypeKind::kFunction;
    std::vector<Value> path;
    bool ground = true;
    for (const Node* item : modifier.target->items) {
      if (item->kind != NodeKind::kScalar && item->kind != NodeKind::kName) {
        ground = false;
        break;
      }
      path.push_back(item->value);
    }
    const bool data = path[0].IsString() && path[0].AsString() == "data";
    if (dependents && data) {
      std::vector<std::vector<Value>> affected = dependents(path);
      if (function)
        std::erase_if(affected, [&](const auto& p) { return std::ranges::equal(p, path); });
      if (!affected.empty()) {
        TypeTree& tree = trees.emplace_back();
        for (const std::vector<Value>& affected_path : affected) tree.Put(affected_path, kAnyType);
        top = &layers.emplace_back(TypeLayer{.tree = &tree, .next = top});
      }
    }
    if (function) continue;
    TypeRef type = kAnyType;
    if (ground && target != nullptr) {
      TypeRef joined = nullptr;
      if (TypeRef value = TypeOf(*modifier.value); value != nullptr) {
        joined = types_.Or(target, value);
      }
      if (joined != nullptr) type = joined;
    }
    replaced.Put(path, type);
  }
  if (replaced.empty()) return top;
  TypeTree& tree = trees.emplace_back(std::move(replaced));
  return &layers.emplace_back(TypeLayer{.tree = &tree, .next = top});
}

}  // namespace bulwark::rego
