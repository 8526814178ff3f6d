#include "lang/cel/checker.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "lang/cel/literals.h"
#include "lang/cel/unify.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

namespace {

constexpr size_t kMaxIssues = 100;
// Nodes of a type. Types of maps grow as fast as 2^n with nested bindings; a real one has ten.
constexpr uint32_t kMaxTypeSize = 1024;

bool IsDynOrError(Type type) { return type.IsDynLike() || type.kind() == TypeKind::kError; }

std::string Quoted(Type type) { return "'" + type.ToString() + "'"; }

// Of kinds that only agree with their own: whether two types cannot agree is then seen at once.
TypeKind PlainKind(Type type) {
  switch (type.kind()) {
    case TypeKind::kDyn:
    case TypeKind::kAny:
    case TypeKind::kError:
    case TypeKind::kNull:
    case TypeKind::kParam: return TypeKind::kDyn;
    case TypeKind::kWrapper: return type.params()[0].kind();
    default: return type.kind();
  }
}
bool CannotAgree(Type a, Type b) {
  const TypeKind kind_a = PlainKind(a), kind_b = PlainKind(b);
  return kind_a != kind_b && kind_a != TypeKind::kDyn && kind_b != TypeKind::kDyn;
}

class Checker {
 public:
  Checker(const EnvOptions& options, const Tables& tables, Ast& ast, std::vector<Issue>& issues)
      : options_(options),
        tables_(tables),
        ast_(ast),
        arena_(ast.arena),
        issues_(issues),
        unifier_(ast.arena) {}

  void Run() {
    const size_t count = static_cast<size_t>(ast_.max_id) + 1;
    ast_.types.resize(count);
    ast_.references.resize(count);
    Check(ast_.root);
    for (Type& type : ast_.types) type = unifier_.Substitute(type, /*finally=*/true);
  }

 private:
  // Nodes are the parser's, made in this very arena as mutable ones.
  static Expr& Mutable(const Expr* expr) { return *const_cast<Expr*>(expr); }

  Type TypeOf(const Expr* expr) const { return ast_.types[static_cast<size_t>(expr->id)]; }
  void SetType(const Expr* expr, Type type) {
    if (type.size() > kMaxTypeSize) {
      Report(expr, "type of expression is too large");
      type = Type::Error();
    }
    ast_.types[static_cast<size_t>(expr->id)] = type;
  }
  Reference& ReferenceOf(const Expr* expr) {
    return ast_.references[static_cast<size_t>(expr->id)];
  }

  void Report(uint32_t offset, std::string message) {
    if (issues_.size() < kMaxIssues) {
      issues_.push_back(MakeIssue(ast_.source, offset, std::move(message)));
    }
  }
  void Report(const Expr* at, std::string message) { Report(at->offset, std::move(message)); }
  void ReportUndeclared(const Expr* at, std::string_view name) {
    Report(at, "undeclared reference to '" + std::string(name) + "' (in container '" +
                   options_.container + "')");
  }
  void ReportMismatch(const Expr* at, Type expected, Type found) {
    Report(at, "expected type " + Quoted(unifier_.Substitute(expected, true)) + " but found " +
                   Quoted(unifier_.Substitute(found, true)));
  }

  void Check(const Expr* expr) {
    switch (expr->kind) {
      case ExprKind::kLiteral: return SetType(expr, LiteralType(expr->literal));
      case ExprKind::kIdent: return CheckIdent(expr);
      case ExprKind::kSelect: return CheckSelect(expr);
      case ExprKind::kCall: return CheckCall(expr);
      case ExprKind::kList: return CheckList(expr);
      case ExprKind::kMap: return CheckMap(expr);
      case ExprKind::kStruct: return CheckStruct(expr);
      case ExprKind::kComprehension: return CheckComprehension(expr);
    }
  }

  static Type LiteralType(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::kNull: return Type::Null();
      case Value::Kind::kBool: return Type::Bool();
      case Value::Kind::kInt: return Type::Int();
      case Value::Kind::kUint: return Type::Uint();
      case Value::Kind::kDouble: return Type::Double();
      case Value::Kind::kString: return Type::String();
      case Value::Kind::kBytes: return Type::Bytes();
      case Value::Kind::kTimestamp: return Type::Timestamp();
      case Value::Kind::kDuration: return Type::Duration();
      default: return Type::Dyn();
    }
  }

  // --- Names ------------------------------------------------------------------------------------

  struct Local {
    std::string_view name;
    Type type;
  };
  const Local* FindLocal(std::string_view name) const {
    for (size_t i = locals_.size(); i-- > 0;) {
      if (locals_[i].name == name) return &locals_[i];
    }
    return nullptr;
  }

  struct Named {
    Type type;
    Reference reference;
  };

  // What a full name means.
  std::optional<Named> FindFullName(std::string_view name) {
    if (const IdentSpec* spec = tables_.FindIdent(name)) {
      Named named{spec->type, {}};
      named.reference.name = arena_.Copy(spec->name);
      named.reference.slot = spec->slot;
      if (spec->constant != nullptr) {
        named.reference.is_constant = true;
        named.reference.constant = spec->constant->value;
      }
      return named;
    }
    if (options_.types == nullptr) return std::nullopt;
    Named named;
    if (std::optional<Type> type = options_.types->FindType(name)) {
      named.reference.name = arena_.Copy(name);
      named.type = Type::TypeOf(arena_, *type);
      named.reference.constant = MakeType(arena_, named.reference.name);
    } else if (std::optional<Value> constant = options_.types->FindConstant(name)) {
      named.reference.name = arena_.Copy(name);
      named.type = LiteralType(*constant);
      named.reference.constant = *constant;
    } else {
      return std::nullopt;
    }
    named.reference.is_constant = true;
    return named;
  }

  // What a name means in the container; a leading dot makes it a full name.
  std::optional<Named> FindName(std::string_view name) {
    if (name.starts_with('.')) return FindFullName(name.substr(1));
    for (const std::string& prefix : tables_.prefixes()) {
      std::optional<Named> named =
          prefix.empty() ? FindFullName(name) : FindFullName(scratch_ = prefix + std::string(name));
      if (named) return named;
    }
    return std::nullopt;
  }

  const FunctionSpec* FindFunction(std::string_view name) {
    if (name.starts_with('.')) return tables_.FindFunction(name.substr(1));
    for (const std::string& prefix : tables_.prefixes()) {
      const FunctionSpec* function =
          tables_.FindFunction(prefix.empty() ? name : scratch_ = prefix + std::string(name));
      if (function != nullptr) return function;
    }
    return nullptr;
  }

  // Whether a select of selects may be the name of something declared, judged by its first name.
  // A comprehension's variable hides such names.
  bool MayBeQualifiedName(const Expr* select) const {
    const Expr* first = select;
    while (first->kind == ExprKind::kSelect && !first->test_only) first = first->operand;
    if (first->kind != ExprKind::kIdent || FindLocal(first->name) != nullptr) return false;
    if (options_.types != nullptr || tables_.prefixes().size() > 1) return true;
    std::string_view name = first->name;
    if (name.starts_with('.')) name.remove_prefix(1);
    return tables_.StartsQualifiedName(name);
  }

  void BecomeIdent(const Expr* expr, const Named& named) {
    SetType(expr, named.type);
    ReferenceOf(expr) = named.reference;
    Expr& node = Mutable(expr);
    node.kind = ExprKind::kIdent;
    node.name = named.reference.name;
    node.operand = nullptr;
  }

  void CheckIdent(const Expr* expr) {
    if (const Local* local = FindLocal(expr->name)) {
      SetType(expr, local->type);
      ReferenceOf(expr).name = local->name;
      return;
    }
    if (std::optional<Named> named = FindName(expr->name)) return BecomeIdent(expr, *named);
    ReportUndeclared(expr, expr->name);
    SetType(expr, Type::Error());
  }

  // --- Fields -----------------------------------------------------------------------------------

  void CheckSelect(const Expr* expr) {
    if (!expr->test_only && MayBeQualifiedName(expr)) {
      if (std::optional<Named> named = FindName(QualifiedName(*expr))) {
        return BecomeIdent(expr, *named);
      }
    }
    Type type = CheckField(expr, expr->operand, expr->name, /*optional=*/false);
    if (expr->test_only) type = Type::Bool();
    SetType(expr, unifier_.Substitute(type, false));
  }

  // _?._(operand, "field")
  void CheckOptionalSelect(const Expr* expr) {
    const bool is_field = expr->operand == nullptr && expr->args.size() == 2 &&
                          expr->args[1]->kind == ExprKind::kLiteral &&
                          expr->args[1]->literal.IsString();
    if (!is_field) {
      Report(expr, "unsupported optional field selection");
      return SetType(expr, Type::Error());
    }
    SetType(expr->args[1], Type::String());
    Type type = CheckField(expr, expr->args[0], expr->args[1]->literal.AsString(), true);
    SetType(expr, unifier_.Substitute(type, false));
    if (const FunctionSpec* function = tables_.FindFunction(op::kOptSelect)) {
      if (!function->overloads.empty()) AddOverload(expr, *function->overloads[0].overload);
    }
  }

  Type CheckField(const Expr* expr, const Expr* operand, std::string_view field, bool optional) {
    Check(operand);
    Type type = unifier_.Substitute(TypeOf(operand), false);
    if (type.IsOptional()) {
      optional = true;
      type = type.params()[0];
    }
    Type result = Type::Dyn();
    switch (type.kind()) {
      case TypeKind::kMap: result = type.params()[1]; break;
      case TypeKind::kStruct: {
        std::optional<TypeProvider::Field> found = FindField(expr->offset, type.name(), field);
        result = found ? found->type : Type::Error();
        if (found) ReferenceOf(expr).field = arena_.Copy(found->name);
        break;
      }
      case TypeKind::kParam: unifier_.Assignable(Type::Dyn(), type); break;
      default:
        if (!IsDynOrError(type)) {
          Report(expr, "type " + Quoted(type) + " does not support field selection");
        }
    }
    return optional ? Type::Optional(arena_, result) : result;
  }

  std::optional<TypeProvider::Field> FindField(uint32_t offset, std::string_view type,
                                               std::string_view field) {
    if (options_.types != nullptr) {
      if (auto found = options_.types->FindField(type, field)) return found;
    }
    if (options_.types == nullptr || !options_.types->FindType(type)) {
      Report(offset, "unexpected failed resolution of '" + std::string(type) + "'");
    } else {
      Report(offset, "undefined field '" + std::string(field) + "'");
    }
    return std::nullopt;
  }

  // --- Calls ------------------------------------------------------------------------------------

  void CheckCall(const Expr* expr) {
    if (expr->name == op::kOptSelect) return CheckOptionalSelect(expr);
    for (const Expr* arg : expr->args) Check(arg);
    const FunctionSpec* function = nullptr;
    if (expr->operand != nullptr && MayBeNamespace(expr->operand)) {
      // f in a.b.f(x) is either a function of the namespace a.b, or of the value a.b.
      function = FindFunction(QualifiedName(*expr->operand) + "." + std::string(expr->name));
      if (function != nullptr) Mutable(expr).operand = nullptr;
    }
    if (function == nullptr) {
      if (expr->operand != nullptr) Check(expr->operand);
      function = FindFunction(expr->name);
    }
    if (function == nullptr) {
      ReportUndeclared(expr, expr->name);
      return SetType(expr, Type::Error());
    }
    Mutable(expr).name = function->declaration->name;
    if (expr->name == op::kAnd || expr->name == op::kOr) return CheckLogic(expr, *function);
    ResolveOverloads(expr, *function);
  }

  bool MayBeNamespace(const Expr* operand) const {
    const Expr* first = operand;
    while (first->kind == ExprKind::kSelect && !first->test_only) first = first->operand;
    if (first->kind != ExprKind::kIdent) return false;
    if (tables_.prefixes().size() > 1) return true;
    std::string_view name = first->name;
    if (name.starts_with('.')) name.remove_prefix(1);
    return tables_.StartsFunctionName(name);
  }

  // Any number of operands, each a bool.
  void CheckLogic(const Expr* expr, const FunctionSpec& function) {
    Type result = Type::Bool();
    for (const Expr* arg : expr->args) {
      if (unifier_.Assignable(TypeOf(arg), Type::Bool())) continue;
      ReportMismatch(arg, Type::Bool(), TypeOf(arg));
      result = Type::Error();
    }
    SetType(expr, result);
    if (!function.overloads.empty()) AddOverload(expr, *function.overloads[0].overload);
  }

  void AddOverload(const Expr* expr, const Overload& overload) {
    const Overload* const added = &overload;
    ReferenceOf(expr).overloads = arena_.Copy(std::span<const Overload* const>(&added, 1));
  }

  void ResolveOverloads(const Expr* expr, const FunctionSpec& function) {
    const bool member = expr->operand != nullptr;
    arg_types_.clear();
    if (member) arg_types_.push_back(TypeOf(expr->operand));
    for (const Expr* arg : expr->args) arg_types_.push_back(TypeOf(arg));
    const std::span<const Type> args = arg_types_;

    std::optional<Type> result;
    found_.clear();
    for (const OverloadSpec& spec : function.overloads) {
      if (spec.overload->member != member || spec.params.size() != args.size()) continue;
      std::optional<Type> type = TryOverload(spec, args);
      if (!type) continue;
      found_.push_back(spec.overload);
      if (!result) {
        result = type;
      } else if (!result->IsDynLike() && !(*result == *type)) {
        result = Type::Dyn();
      }
    }
    if (result) {
      SetType(expr, *result);
      ReferenceOf(expr).overloads = arena_.Copy(std::span<const Overload* const>(found_));
    } else {
      ReportNoOverload(expr, args);
      SetType(expr, Type::Error());
    }
  }

  // The type of the call, if the arguments suit the overload.
  std::optional<Type> TryOverload(const OverloadSpec& spec, std::span<const Type> args) {
    for (size_t i = 0; i < args.size(); ++i) {
      if (CannotAgree(args[i], spec.params[i])) return std::nullopt;
    }
    if (spec.variables == 0) {
      if (!unifier_.Assignable(args, spec.params)) return std::nullopt;
      return spec.result;
    }
    const uint32_t first = unifier_.NewVariables(spec.variables);
    params_.clear();
    for (Type param : spec.params) params_.push_back(unifier_.Instantiate(param, first));
    if (!unifier_.Assignable(args, params_)) return std::nullopt;
    return unifier_.Substitute(unifier_.Instantiate(spec.result, first), false);
  }

  void ReportNoOverload(const Expr* expr, std::span<const Type> args) {
    std::string signature;
    if (expr->operand != nullptr) {
      signature = unifier_.Substitute(args[0], true).ToString() + ".";
      args = args.subspan(1);
    }
    signature += '(';
    for (size_t i = 0; i < args.size(); ++i) {
      if (i > 0) signature += ", ";
      signature += unifier_.Substitute(args[i], true).ToString();
    }
    signature += ')';
    Report(expr, "found no matching overload for '" + std::string(expr->name) + "' applied to '" +
                     signature + "'");
  }

  // --- Aggregates -------------------------------------------------------------------------------

  // The type of both, or dyn.
  Type Join(const std::optional<Type>& before, Type type) {
    if (!before) return type;
    if (unifier_.Assignable(*before, type)) return Unifier::MostGeneral(*before, type);
    return Type::Dyn();
  }

  // What an optional entry adds if it is there.
  Type Present(const Expr* value) {
    const Type type = unifier_.Substitute(TypeOf(value), false);
    if (type.IsOptional()) return type.params()[0];
    if (!type.IsDynLike()) ReportMismatch(value, Type::Optional(arena_, type), type);
    return type;
  }

  void CheckList(const Expr* expr) {
    std::optional<Type> element;
    for (size_t i = 0; i < expr->args.size(); ++i) {
      const Expr* item = expr->args[i];
      Check(item);
      const bool optional = std::binary_search(expr->optional_args.begin(),
                                               expr->optional_args.end(), static_cast<uint32_t>(i));
      element = Join(element, optional ? Present(item) : TypeOf(item));
    }
    SetType(expr, Type::List(arena_, element ? *element : unifier_.NewVariable()));
  }

  void CheckMap(const Expr* expr) {
    std::optional<Type> key, value;
    for (const MapEntry& entry : expr->entries) {
      Check(entry.key);
      key = Join(key, TypeOf(entry.key));
      Check(entry.value);
      value = Join(value, entry.optional ? Present(entry.value) : TypeOf(entry.value));
    }
    if (!key) {
      key = unifier_.NewVariable();
      value = unifier_.NewVariable();
    }
    SetType(expr, Type::Map(arena_, *key, *value));
  }

  void CheckStruct(const Expr* expr) {
    std::optional<Named> named = FindName(expr->name);
    if (!named) {
      ReportUndeclared(expr, expr->name);
      return SetType(expr, Type::Error());
    }
    const std::string_view name = named->reference.name;
    Mutable(expr).name = name;
    ReferenceOf(expr) = named->reference;
    Type result = Type::Error();
    if (named->type.kind() != TypeKind::kType || named->type.params().empty()) {
      Report(expr, Quoted(named->type) + " is not a type");
    } else if (IsMessage(named->type.params()[0])) {
      result = named->type.params()[0];
    } else {
      Report(expr, Quoted(named->type.params()[0]) + " is not a message type");
    }
    SetType(expr, result);
    for (const MapEntry& entry : expr->entries) {
      Check(entry.value);
      std::optional<TypeProvider::Field> field = FindField(entry.offset, name, entry.field);
      const Type wanted = field ? field->type : Type::Error();
      const Type given = entry.optional ? Present(entry.value) : TypeOf(entry.value);
      if (unifier_.Assignable(wanted, given)) continue;
      Report(entry.offset, "expected type of field '" + std::string(entry.field) + "' is " +
                               Quoted(wanted) + " but provided type is " +
                               Quoted(unifier_.Substitute(given, true)));
    }
  }

  // Messages, and the well-known ones that are values of CEL's own types.
  static bool IsMessage(Type type) {
    switch (type.kind()) {
      case TypeKind::kStruct:
      case TypeKind::kAny:
      case TypeKind::kDyn:
      case TypeKind::kWrapper:
      case TypeKind::kTimestamp:
      case TypeKind::kDuration:
      case TypeKind::kNull: return true;
      case TypeKind::kList: return type.params()[0].kind() == TypeKind::kDyn;
      case TypeKind::kMap:
        return type.params()[0].kind() == TypeKind::kString &&
               type.params()[1].kind() == TypeKind::kDyn;
      default: return false;
    }
  }

  // --- Comprehensions ---------------------------------------------------------------------------

  void CheckComprehension(const Expr* expr) {
    const Comprehension& fold = *expr->loop;
    const bool two = !fold.var2.empty();
    Check(fold.range);
    Check(fold.accu_init);
    const Type range = unifier_.Substitute(TypeOf(fold.range), false);
    const Type accu = TypeOf(fold.accu_init);
    Type var = Type::Dyn(), var2 = Type::Dyn();
    switch (range.kind()) {
      case TypeKind::kList:
        var = two ? Type::Int() : range.params()[0];
        var2 = range.params()[0];
        break;
      case TypeKind::kMap:
        var = range.params()[0];
        var2 = range.params()[1];
        break;
      case TypeKind::kDyn:
      case TypeKind::kError:
      case TypeKind::kParam: unifier_.Assignable(Type::Dyn(), range); break;
      default:
        Report(fold.range, "expression of type " + Quoted(range) +
                               " cannot be range of a comprehension (must be list, map, or "
                               "dynamic)");
        var = var2 = Type::Error();
    }
    const size_t scope = locals_.size();
    locals_.push_back({fold.accu, accu});
    locals_.push_back({fold.var, var});
    if (two) locals_.push_back({fold.var2, var2});
    Check(fold.condition);
    Require(fold.condition, Type::Bool());
    Check(fold.step);
    Require(fold.step, accu);
    locals_.resize(scope + 1);
    Check(fold.result);
    locals_.resize(scope);
    SetType(expr, unifier_.Substitute(TypeOf(fold.result), false));
  }

  void Require(const Expr* expr, Type type) {
    if (!unifier_.Assignable(type, TypeOf(expr))) {
      ReportMismatch(expr, type, TypeOf(expr));
    }
  }

  const EnvOptions& options_;
  const Tables& tables_;
  Ast& ast_;
  Arena& arena_;
  std::vector<Issue>& issues_;
  Unifier unifier_;
  std::vector<Local> locals_;  // innermost last
  // Scratch space, kept for its memory.
  std::vector<Type> arg_types_;
  std::vector<Type> params_;
  std::vector<const Overload*> found_;
  std::string scratch_;
};

}  // namespace

Result<> CheckAst(const EnvOptions& options, const Tables& tables, Ast& ast,
                  std::vector<Issue>* issues) {
  std::vector<Issue> found;
  Checker(options, tables, ast, found).Run();
  if (found.empty()) {
    const FunctionSpec* format = tables.FindFunction("format");
    const bool has_format =
        format != nullptr &&
        std::ranges::any_of(format->declaration->overloads, [](const Overload& overload) {
          return overload.id == "string_format";
        });
    CheckLiterals(options, has_format, ast, found);
  }
  if (found.empty()) return Ok{};
  ast.types.clear();
  ast.references.clear();
  Error error(Code::kInvalid, "cel.check", RenderIssues(ast.source, found));
  if (issues != nullptr) std::move(found.begin(), found.end(), std::back_inserter(*issues));
  return error;
}

}  // namespace bulwark::cel
