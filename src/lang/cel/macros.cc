#include "lang/cel/macros.h"

#include <array>
#include <string>

namespace bulwark::cel {

namespace {

using Args = std::span<const Expr* const>;
using Expansion = std::optional<const Expr*>;

// The name of the variable that a macro declares; empty (and reported) if it cannot be one.
std::string_view Variable(MacroContext& context, const Expr* arg,
                          std::string_view wanted = "argument must be a simple name") {
  if (arg->kind != ExprKind::kIdent) {
    context.Fail(arg, std::string(wanted));
    return {};
  }
  if (arg->name == context.accumulator() || arg->name == "__result__") {
    context.Fail(arg, "iteration variable overwrites accumulator variable");
    return {};
  }
  return arg->name;
}

// The four parts of a fold that make it the one or the other macro.
struct Parts {
  Loop loop;
  const Expr* init;
  const Expr* condition;
  const Expr* step;
  const Expr* result;
};

const Expr* Always(MacroContext& context) { return context.Literal(Value::Bool(true)); }

Parts All(MacroContext& c, const Expr* predicate) {
  return {Loop::kAll, c.Literal(Value::Bool(true)),
          c.Call(op::kNotStrictlyFalse, {c.Accumulator()}),
          c.Call(op::kAnd, {c.Accumulator(), predicate}), c.Accumulator()};
}

Parts Exists(MacroContext& c, const Expr* predicate) {
  return {Loop::kExists, c.Literal(Value::Bool(false)),
          c.Call(op::kNotStrictlyFalse, {c.Call(op::kNot, {c.Accumulator()})}),
          c.Call(op::kOr, {c.Accumulator(), predicate}), c.Accumulator()};
}

Parts ExistsOne(MacroContext& c, const Expr* predicate) {
  const Expr* counted = c.Call(op::kAdd, {c.Accumulator(), c.Literal(Value::Int(1))});
  return {Loop::kExistsOne, c.Literal(Value::Int(0)), Always(c),
          c.Call(op::kConditional, {predicate, counted, c.Accumulator()}),
          c.Call(op::kEquals, {c.Accumulator(), c.Literal(Value::Int(1))})};
}

// accu + [item], where the filter (if any) holds.
Parts Collect(MacroContext& c, Loop loop, const Expr* filter, const Expr* item) {
  const Expr* step = c.Call(op::kAdd, {c.Accumulator(), c.List({item})});
  if (filter != nullptr) step = c.Call(op::kConditional, {filter, step, c.Accumulator()});
  return {loop, c.List({}), Always(c), step, c.Accumulator()};
}

constexpr std::string_view kMapInsert = "cel.@mapInsert";

// @mapInsert(accu, insertion...), where the filter (if any) holds.
Parts CollectMap(MacroContext& c, const Expr* filter, const Expr* step) {
  if (filter != nullptr) step = c.Call(op::kConditional, {filter, step, c.Accumulator()});
  return {Loop::kOther, c.EmptyMap(), Always(c), step, c.Accumulator()};
}

const Expr* Fold(MacroContext& context, const Expr* range, std::string_view var,
                 std::string_view var2, const Parts& parts) {
  return context.Fold({.range = range,
                       .var = var,
                       .var2 = var2,
                       .accu = context.accumulator(),
                       .accu_init = parts.init,
                       .condition = parts.condition,
                       .step = parts.step,
                       .result = parts.result,
                       .loop = var2.empty() ? parts.loop : Loop::kOther});
}

// --- One variable
// ---------------------------------------------------------------------------------

Expansion ExpandHas(MacroContext& context, const Expr*, const Expr*, Args args) {
  const Expr* selected = args[0];
  if (selected->kind != ExprKind::kSelect || selected->test_only) {
    return context.Fail(selected, "invalid argument to has() macro");
  }
  Expr* test = context.New(ExprKind::kSelect);
  test->operand = selected->operand;
  test->name = selected->name;
  test->test_only = true;
  return test;
}

template <Parts (*kParts)(MacroContext&, const Expr*)>
Expansion ExpandQuantifier(MacroContext& context, const Expr*, const Expr* target, Args args) {
  std::string_view var = Variable(context, args[0]);
  if (var.empty()) return nullptr;
  return Fold(context, target, var, {}, kParts(context, args[1]));
}

Expansion ExpandMap(MacroContext& context, const Expr*, const Expr* target, Args args) {
  std::string_view var = Variable(context, args[0], "argument is not an identifier");
  if (var.empty()) return nullptr;
  const Expr* filter = args.size() == 3 ? args[1] : nullptr;
  return Fold(context, target, var, {}, Collect(context, Loop::kMap, filter, args.back()));
}

Expansion ExpandFilter(MacroContext& context, const Expr*, const Expr* target, Args args) {
  std::string_view var = Variable(context, args[0], "argument is not an identifier");
  if (var.empty()) return nullptr;
  return Fold(context, target, var, {}, Collect(context, Loop::kFilter, args[1], args[0]));
}

// --- Two variables
// --------------------------------------------------------------------------------

// Both names, or nothing and a report.
std::optional<std::pair<std::string_view, std::string_view>> Variables(MacroContext& context,
                                                                       Args args) {
  std::string_view var = Variable(context, args[0]);
  if (var.empty()) return std::nullopt;
  std::string_view var2 = Variable(context, args[1]);
  if (var2.empty()) return std::nullopt;
  if (var == var2) {
    context.Fail(args[1], "duplicate variable name: " + std::string(var));
    return std::nullopt;
  }
  return std::pair(var, var2);
}

template <Parts (*kParts)(MacroContext&, const Expr*)>
Expansion ExpandQuantifier2(MacroContext& context, const Expr*, const Expr* target, Args args) {
  auto vars = Variables(context, args);
  if (!vars) return nullptr;
  return Fold(context, target, vars->first, vars->second, kParts(context, args[2]));
}

Expansion ExpandTransformList(MacroContext& context, const Expr*, const Expr* target, Args args) {
  auto vars = Variables(context, args);
  if (!vars) return nullptr;
  const Expr* filter = args.size() == 4 ? args[2] : nullptr;
  return Fold(context, target, vars->first, vars->second,
              Collect(context, Loop::kOther, filter, args.back()));
}

Expansion ExpandTransformMap(MacroContext& context, const Expr*, const Expr* target, Args args) {
  auto vars = Variables(context, args);
  if (!vars) return nullptr;
  const Expr* filter = args.size() == 4 ? args[2] : nullptr;
  const Expr* step =
      context.Call(kMapInsert, {context.Accumulator(), context.Ident(vars->first), args.back()});
  return Fold(context, target, vars->first, vars->second, CollectMap(context, filter, step));
}

Expansion ExpandTransformMapEntry(MacroContext& context, const Expr*, const Expr* target,
                                  Args args) {
  auto vars = Variables(context, args);
  if (!vars) return nullptr;
  const Expr* filter = args.size() == 4 ? args[2] : nullptr;
  const Expr* step = context.Call(kMapInsert, {context.Accumulator(), args.back()});
  return Fold(context, target, vars->first, vars->second, CollectMap(context, filter, step));
}

Value InsertError(CallContext& context, const Value& key) {
  std::string text = "insert failed: key ";
  if (key.IsString()) text += std::string(key.AsString());
  if (key.IsInt()) text += std::to_string(key.AsInt());
  if (key.IsUint()) text += std::to_string(key.AsUint());
  if (key.IsBool()) text += key.AsBool() ? "true" : "false";
  return context.Error(text + " already exists");
}

Value MapInsert(CallContext& context, std::span<const Value> args) {
  if (!args[0].IsMap() || (args.size() == 2 && !args[1].IsMap())) return NoSuchOverload(context);
  const Value::Entry single{args[1], args.back()};
  const std::span<const Value::Entry> added =
      args.size() == 3 ? std::span(&single, 1) : args[1].entries();
  for (const Value::Entry& entry : added) {
    if (args[0].Find(entry.key) != nullptr) return InsertError(context, entry.key);
  }
  const std::span<const Value::Entry> old = args[0].entries();
  const size_t size = old.size() + added.size();
  if (context.max_bytes != 0 && size * sizeof(Value::Entry) > context.max_bytes) {
    return context.Error("map is too large");
  }
  Value::Entry* entries = context.arena.Array<Value::Entry>(size);
  std::uninitialized_copy(old.begin(), old.end(), entries);
  std::uninitialized_copy(added.begin(), added.end(), entries + old.size());
  return MapBuilder::FromUnique(context.arena, {entries, size});
}

// --- Optionals
// ------------------------------------------------------------------------------------

// target.hasValue() ? wrap(bind(var, target.value(), expr)) : optional.none()
const Expr* IfPresent(MacroContext& context, const Expr* target, std::string_view var,
                      const Expr* expr, bool wrap) {
  const Expr* present = context.Member("hasValue", target, {});
  const Expr* value = context.Member("value", context.Copy(target), {});
  const Expr* bound = context.Fold({.range = context.List({}),
                                    .var = "#unused",
                                    .var2 = {},
                                    .accu = var,
                                    .accu_init = value,
                                    .condition = context.Literal(Value::Bool(false)),
                                    .step = context.Ident(var),
                                    .result = expr,
                                    .loop = Loop::kOther});
  if (wrap) bound = context.Call("optional.of", {bound});
  return context.Call(op::kConditional, {present, bound, context.Call("optional.none", {})});
}

template <bool kWrap>
Expansion ExpandOptional(MacroContext& context, const Expr*, const Expr* target, Args args) {
  if (args[0]->kind != ExprKind::kIdent) {
    return context.Fail(args[0], std::string(kWrap ? "optMap" : "optFlatMap") +
                                     "() variable name must be a simple identifier");
  }
  return IfPresent(context, target, args[0]->name, args[1], kWrap);
}

}  // namespace

// --- Makers
// ---------------------------------------------------------------------------------------

const Expr* MacroContext::Literal(Value v) {
  Expr* node = New(ExprKind::kLiteral);
  node->literal = v;
  return node;
}

const Expr* MacroContext::Ident(std::string_view name) {
  Expr* node = New(ExprKind::kIdent);
  node->name = name;
  return node;
}

const Expr* MacroContext::Call(std::string_view function, std::initializer_list<const Expr*> args) {
  return Member(function, nullptr, args);
}

const Expr* MacroContext::Member(std::string_view function, const Expr* target,
                                 std::initializer_list<const Expr*> args) {
  Expr* node = New(ExprKind::kCall);
  node->name = function;
  node->operand = target;
  node->args = arena().Copy(Args(args.begin(), args.size()));
  return node;
}

const Expr* MacroContext::List(std::initializer_list<const Expr*> items) {
  Expr* node = New(ExprKind::kList);
  node->args = arena().Copy(Args(items.begin(), items.size()));
  return node;
}

const Expr* MacroContext::EmptyMap() { return New(ExprKind::kMap); }

const Expr* MacroContext::Fold(const Comprehension& fold) {
  Expr* node = New(ExprKind::kComprehension);
  node->loop = arena().New<Comprehension>(fold);
  return node;
}

const Expr* MacroContext::Copy(const Expr* expr) {
  if (expr == nullptr) return nullptr;
  Expr* copy = New(expr->kind);
  const int64_t id = copy->id;
  *copy = *expr;
  copy->id = id;
  copy->operand = Copy(expr->operand);
  const Expr** args = arena().Array<const Expr*>(expr->args.size());
  for (size_t i = 0; i < expr->args.size(); ++i) args[i] = Copy(expr->args[i]);
  copy->args = {args, expr->args.size()};
  MapEntry* entries = arena().Array<MapEntry>(expr->entries.size());
  for (size_t i = 0; i < expr->entries.size(); ++i) {
    entries[i] = expr->entries[i];
    entries[i].id = New(ExprKind::kLiteral)->id;
    entries[i].key = Copy(expr->entries[i].key);
    entries[i].value = Copy(expr->entries[i].value);
  }
  copy->entries = {entries, expr->entries.size()};
  if (expr->loop != nullptr) {
    Comprehension* loop = arena().New<Comprehension>(*expr->loop);
    loop->range = Copy(loop->range);
    loop->accu_init = Copy(loop->accu_init);
    loop->condition = Copy(loop->condition);
    loop->step = Copy(loop->step);
    loop->result = Copy(loop->result);
    copy->loop = loop;
  }
  return copy;
}

// --- Tables
// ---------------------------------------------------------------------------------------

std::span<const Macro> StandardMacros() {
  static constexpr std::array<Macro, 8> kMacros = {{
      {"has", false, 1, ExpandHas},
      {"all", true, 2, ExpandQuantifier<All>},
      {"exists", true, 2, ExpandQuantifier<Exists>},
      {"exists_one", true, 2, ExpandQuantifier<ExistsOne>},
      {"existsOne", true, 2, ExpandQuantifier<ExistsOne>},
      {"map", true, 2, ExpandMap},
      {"map", true, 3, ExpandMap},
      {"filter", true, 2, ExpandFilter},
  }};
  return kMacros;
}

std::span<const Macro> OptionalMacros() {
  static constexpr std::array<Macro, 2> kMacros = {{
      {"optMap", true, 2, ExpandOptional<true>},
      {"optFlatMap", true, 2, ExpandOptional<false>},
  }};
  return kMacros;
}

const Library& TwoVarComprehensions() {
  static const Library library = [] {
    Arena& types = Type::Static();
    const Type key = Type::Param(types, "K");
    const Type value = Type::Param(types, "V");
    const Type map = Type::Map(types, key, value);
    Library made;
    made.name = "two-variable comprehensions";
    made.functions = {{kMapInsert,
                       {{.id = "@mapInsert_map_key_value",
                         .params = {map, key, value},
                         .result = map,
                         .function = MapInsert},
                        {.id = "@mapInsert_map_map",
                         .params = {map, map},
                         .result = map,
                         .function = MapInsert}}}};
    made.macros = {
        {"all", true, 3, ExpandQuantifier2<All>},
        {"exists", true, 3, ExpandQuantifier2<Exists>},
        {"existsOne", true, 3, ExpandQuantifier2<ExistsOne>},
        {"exists_one", true, 3, ExpandQuantifier2<ExistsOne>},
        {"transformList", true, 3, ExpandTransformList},
        {"transformList", true, 4, ExpandTransformList},
        {"transformMap", true, 3, ExpandTransformMap},
        {"transformMap", true, 4, ExpandTransformMap},
        {"transformMapEntry", true, 3, ExpandTransformMapEntry},
        {"transformMapEntry", true, 4, ExpandTransformMapEntry},
    };
    return made;
  }();
  return library;
}

}  // namespace bulwark::cel
