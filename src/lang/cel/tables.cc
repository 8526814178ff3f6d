#include "lang/cel/tables.h"

#include <algorithm>

#include "lang/cel/macros.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

namespace {

std::string_view FirstName(std::string_view name) { return name.substr(0, name.find('.')); }

// 1 < 2.0: a comparison between numbers of different kinds.
bool IsCrossTypeComparison(std::string_view function, const Overload& overload) {
  const bool compares = function == op::kLess || function == op::kLessEquals ||
                        function == op::kGreater || function == op::kGreaterEquals;
  return compares && overload.params.size() == 2 &&
         overload.params[0].kind() != overload.params[1].kind();
}

// Gives each type parameter of one declaration its number.
class Numbering {
 public:
  explicit Numbering(Arena& arena) : arena_(arena) {}

  uint32_t count() const { return static_cast<uint32_t>(names_.size()); }

  Type Apply(Type type) {
    if (!type.IsGeneric()) return type;
    if (type.kind() == TypeKind::kParam) return Type::Variable(arena_, Number(type.name()));
    std::vector<Type> params;
    for (Type param : type.params()) params.push_back(Apply(param));
    switch (type.kind()) {
      case TypeKind::kList: return Type::List(arena_, params[0]);
      case TypeKind::kMap: return Type::Map(arena_, params[0], params[1]);
      case TypeKind::kType: return Type::TypeOf(arena_, params[0]);
      default: return Type::Opaque(arena_, type.name(), params);
    }
  }

 private:
  uint32_t Number(std::string_view name) {
    auto at = std::find(names_.begin(), names_.end(), name);
    if (at == names_.end()) at = names_.insert(at, name);
    return static_cast<uint32_t>(at - names_.begin()) + 1;
  }

  Arena& arena_;
  std::vector<std::string_view> names_;
};

// Puts an overload in the place of the one with its id, or at the end.
void Merge(std::vector<Overload>& overloads, const Overload& added) {
  auto same = std::find_if(overloads.begin(), overloads.end(),
                           [&](const Overload& old) { return old.id == added.id; });
  if (same == overloads.end()) {
    overloads.push_back(added);
  } else if (added.function == nullptr && same->function != nullptr) {
    if (added.actual_cost != nullptr) same->actual_cost = added.actual_cost;
    if (added.estimated_cost != nullptr) same->estimated_cost = added.estimated_cost;
  } else {
    *same = added;
  }
}

}  // namespace

Result<std::shared_ptr<const Tables>> Tables::Create(const EnvOptions& options) {
  auto tables = std::make_shared<Tables>();
  for (std::string_view rest = options.container; !rest.empty();) {
    tables->prefixes_.push_back(std::string(rest) + ".");
    size_t dot = rest.rfind('.');
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(0, dot);
  }
  tables->prefixes_.emplace_back();

  tables->AddTypes();
  tables->AddLibrary(StandardLibrary());
  for (const Library* library : options.libraries) tables->AddLibrary(*library);
  if (!options.standard_macros) {
    // Only what the libraries bring.
    tables->macros_.clear();
    for (const Library* library : options.libraries) {
      for (const Macro& macro : library->macros) tables->macros_[macro.name].push_back(macro);
    }
  }
  Result<> added = tables->AddVariables(options);
  if (!added) return std::move(added).error();
  tables->Specialise(options.cross_type_numeric_comparisons);
  return std::shared_ptr<const Tables>(std::move(tables));
}

Result<> Tables::AddVariables(const EnvOptions& options) {
  for (size_t i = 0; i < options.variables.size(); ++i) {
    const Variable& variable = options.variables[i];
    auto old = idents_.find(variable.name);
    if (old != idents_.end() && old->second.slot >= 0) {
      return Error(Code::kInvalid, "cel.environment",
                   "overlapping identifier for name '" + variable.name + "'");
    }
    AddIdent({variable.name, variable.type, static_cast<int32_t>(i), nullptr});
  }
  return Ok{};
}

void Tables::AddLibrary(const Library& library) {
  if (&library == &StandardLibrary()) {
    for (const Macro& macro : StandardMacros()) macros_[macro.name].push_back(macro);
  }
  for (const Macro& macro : library.macros) macros_[macro.name].push_back(macro);
  for (const FunctionDecl& function : library.functions) AddFunction(function);
  for (const Constant& constant : library.constants) {
    AddConstant(constant.name, constant.type, constant.value);
  }
  for (const auto& [name, type] : library.types) {
    AddConstant(name, Type::TypeOf(arena_, type), MakeType(arena_, name));
  }
}

void Tables::AddFunction(const FunctionDecl& function) {
  auto [at, is_new] = declarations_.try_emplace(function.name, &function);
  if (is_new) return;
  const bool ours = std::any_of(merged_.begin(), merged_.end(),
                                [&](const FunctionDecl& own) { return &own == at->second; });
  if (!ours) at->second = &merged_.emplace_back(*at->second);
  FunctionDecl& merged = const_cast<FunctionDecl&>(*at->second);
  for (const Overload& overload : function.overloads) Merge(merged.overloads, overload);
}

void Tables::AddIdent(const IdentSpec& ident) {
  idents_[ident.name] = ident;
  if (ident.name.find('.') != std::string_view::npos) first_names_.insert(FirstName(ident.name));
}

void Tables::AddConstant(std::string_view name, Type type, Value value) {
  const Constant& constant = constants_.emplace_back(Constant{arena_.Copy(name), type, value});
  AddIdent({constant.name, type, -1, &constant});
}

// The types of langdef.md "Values" are values themselves.
void Tables::AddTypes() {
  const Type dyn = Type::Dyn();
  const Type types[] = {
      Type::Bool(),   Type::Bytes(),           Type::Double(), Type::Duration(),
      Type::Int(),    Type::List(arena_, dyn), Type::Null(),   Type::Map(arena_, dyn, dyn),
      Type::String(), Type::Timestamp(),       Type::Uint(),   Type::TypeOfType()};
  for (Type type : types) {
    AddConstant(type.name(), Type::TypeOf(arena_, type), MakeType(arena_, type.name()));
  }
}

void Tables::Specialise(bool cross_type_comparisons) {
  functions_.reserve(declarations_.size());
  for (const auto& [name, declaration] : declarations_) {
    FunctionSpec& spec = functions_[name];
    spec.declaration = declaration;
    if (name.find('.') != std::string_view::npos) first_function_names_.insert(FirstName(name));
    spec.overloads.reserve(declaration->overloads.size());
    for (const Overload& overload : declaration->overloads) {
      if (!cross_type_comparisons && IsCrossTypeComparison(name, overload)) continue;
      Numbering numbering(arena_);
      Type* params = arena_.Array<Type>(overload.params.size());
      for (size_t i = 0; i < overload.params.size(); ++i) {
        new (&params[i]) Type(numbering.Apply(overload.params[i]));
      }
      const Type result = numbering.Apply(overload.result);
      spec.overloads.push_back(
          {&overload, {params, overload.params.size()}, result, numbering.count()});
    }
  }
}

const FunctionSpec* Tables::FindFunction(std::string_view name) const {
  auto at = functions_.find(name);
  return at != functions_.end() ? &at->second : nullptr;
}

const IdentSpec* Tables::FindIdent(std::string_view name) const {
  auto at = idents_.find(name);
  return at != idents_.end() ? &at->second : nullptr;
}

const Macro* Tables::FindMacro(std::string_view name, bool receiver, int arg_count) const {
  auto at = macros_.find(name);
  if (at == macros_.end()) return nullptr;
  const Macro* any = nullptr;
  for (auto macro = at->second.rbegin(); macro != at->second.rend(); ++macro) {
    if (macro->receiver != receiver) continue;
    if (macro->arg_count == arg_count) return &*macro;
    if (macro->arg_count < 0 && any == nullptr) any = &*macro;
  }
  return any;
}

}  // namespace bulwark::cel
