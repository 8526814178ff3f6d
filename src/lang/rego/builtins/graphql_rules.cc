// Whether a GraphQL query fits a schema (specification section 5), with gqlparser's words and in
// its order: the tree is walked from the leaves up, and at each node the rules come by their names.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/graphql_ast.h"
#include "lang/rego/builtins/graphql_overlap.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxErrors = 1000;

// --- Suggestions ---------------------------------------------------------------------------------

std::string OrList(std::vector<std::string> items) {
  if (items.size() > 5) items.resize(5);
  if (items.size() == 2) return items[0] + " or " + items[1];
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += i + 1 == items.size() ? ", or " : ", ";
    out += items[i];
  }
  return out;
}

std::string QuotedOrList(std::vector<std::string> items) {
  for (std::string& item : items) item = "\"" + item + "\"";
  return OrList(std::move(items));
}

// Insertions, deletions and replacements of code points.
size_t Levenshtein(std::string_view a, std::string_view b) {
  std::vector<char32_t> x;
  std::vector<char32_t> y;
  for (CodePoint c : CodePoints(a)) x.push_back(c.value);
  for (CodePoint c : CodePoints(b)) y.push_back(c.value);
  std::vector<size_t> row(y.size() + 1);
  for (size_t j = 0; j <= y.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= x.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= y.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (x[i - 1] == y[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[y.size()];
}

std::vector<std::string> Suggestions(std::string_view typed,
                                     const std::vector<std::string>& options) {
  constexpr size_t kMaxOptions = 2000;
  constexpr size_t kMaxLength = 200;
  if (options.size() > kMaxOptions || typed.size() > kMaxLength) return {};
  size_t threshold = typed.size() * 2 / 5 + 1;
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& option : options) {
    if (option.size() > kMaxLength) continue;
    std::string a = AsciiLower(typed);
    std::string b = AsciiLower(option);
    size_t distance = typed == option ? 0 : a == b ? 1 : Levenshtein(a, b);
    if (distance <= threshold) near.emplace_back(distance, option);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [distance, option] : near) out.push_back(std::move(option));
  return out;
}

std::string DidYouMean(std::string_view lead, std::string_view typed,
                       const std::vector<std::string>& options, bool quoted = true) {
  std::vector<std::string> near = Suggestions(typed, options);
  if (near.empty()) return "";
  return fmt::format(" {} {}?", lead, quoted ? QuotedOrList(near) : OrList(near));
}

const GqlArgumentDefinition* FindArgument(const std::vector<GqlArgumentDefinition>& arguments,
                                          std::string_view name) {
  auto found = std::find_if(arguments.begin(), arguments.end(),
                            [&](const GqlArgumentDefinition& a) { return a.name == name; });
  return found == arguments.end() ? nullptr : &*found;
}

std::vector<std::string> Names(const std::vector<GqlArgumentDefinition>& arguments) {
  std::vector<std::string> out;
  for (const GqlArgumentDefinition& argument : arguments) out.push_back(argument.name);
  return out;
}

// --- The walk ------------------------------------------------------------------------------------

class Walker {
 public:
  Walker(const GqlSchema& schema, GqlQueryDocument& query, GqlPool& pool,
         const std::function<bool(uint64_t)>& spend)
      : schema_(schema), query_(query), pool_(pool), spend_(spend), overlaps_(schema, spend) {}

  std::vector<GqlError> Walk() {
    for (GqlOperation* operation : query_.operations) {
      walked_.clear();
      WalkOperation(*operation);
    }
    for (GqlFragmentDefinition* fragment : query_.fragments) {
      walked_.clear();
      WalkFragment(*fragment);
    }
    return std::move(errors_);
  }

 private:
  bool Go(uint64_t units = 1) {
    if (stopped_) return false;
    stopped_ = errors_.size() > kMaxErrors || !spend_(units);
    return !stopped_;
  }
  template <typename... Args>
  void Fail(const GqlPlace& place, fmt::format_string<Args...> format, Args&&... args) {
    errors_.push_back({place, fmt::format(format, std::forward<Args>(args)...)});
  }

  void WalkOperation(GqlOperation& operation) {
    current_ = &operation;
    for (GqlVariableDefinition* variable : operation.variables) {
      variable->definition = schema_.Type(variable->type->Name());
      if (variable->definition == nullptr) {
        Fail(variable->place, "Unknown type \"{}\".", variable->type->Name());
      }
      if (variable->default_value != nullptr) {
        variable->default_value->expected = variable->type;
        variable->default_value->definition = variable->definition;
      }
    }
    GqlDefinition* root = nullptr;
    std::string_view location = "QUERY";
    if (operation.operation == "query" || operation.operation.empty()) {
      root = schema_.query;
    } else if (operation.operation == "mutation") {
      root = schema_.mutation;
      location = "MUTATION";
    } else if (operation.operation == "subscription") {
      root = schema_.subscription;
      location = "SUBSCRIPTION";
    }
    for (GqlVariableDefinition* variable : operation.variables) {
      if (variable->default_value != nullptr) WalkValue(*variable->default_value);
      WalkDirectives(variable->directives, "VARIABLE_DEFINITION");
    }
    WalkDirectives(operation.directives, location);
    WalkSelections(root, operation.selections);
    OnOperation(operation, root);
    current_ = nullptr;
  }

  void WalkFragment(GqlFragmentDefinition& fragment) {
    fragment.definition = schema_.Type(fragment.type_condition);
    WalkDirectives(fragment.directives, "FRAGMENT_DEFINITION");
    WalkSelections(fragment.definition, fragment.selections);
    OnFragment(fragment);
  }

  void WalkDirectives(const std::vector<GqlDirective*>& directives, std::string_view location) {
    for (GqlDirective* directive : directives) {
      if (!Go()) return;
      directive->definition = schema_.Directive(directive->name);
      directive->location = location;
      for (GqlArgument& argument : directive->arguments) {
        WalkArgument(directive->definition != nullptr
                         ? FindArgument(directive->definition->arguments, argument.name)
                         : nullptr,
                     argument);
      }
      OnDirective(*directive);
    }
    std::set<std::string_view> seen;
    for (const GqlDirective* directive : directives) {
      bool repeatable = directive->definition != nullptr && directive->definition->repeatable;
      if (!seen.insert(directive->name).second && !repeatable) {
        Fail(directive->place, "The directive \"@{}\" can only be used once at this location.",
             directive->name);
      }
    }
  }

  void WalkArgument(const GqlArgumentDefinition* definition, GqlArgument& argument) {
    if (definition != nullptr) {
      Expect(*argument.value, definition->type, definition->default_value);
    }
    WalkValue(*argument.value);
  }

  void Expect(GqlValue& value, GqlType* type, const GqlValue* default_value) {
    value.expected = type;
    value.expected_has_default = default_value != nullptr && default_value->kind != GqlKind::kNull;
    value.definition = schema_.Type(type->Name());
  }

  void WalkValue(GqlValue& value) {
    if (!Go()) return;
    if (value.kind == GqlKind::kVariable && current_ != nullptr) {
      value.variable = nullptr;
      for (GqlVariableDefinition* variable : current_->variables) {
        if (variable->name != value.raw) continue;
        value.variable = variable;
        variable->used = true;
        break;
      }
    }
    for (GqlValue::Child& child : value.children) {
      if (value.kind == GqlKind::kObject && value.definition != nullptr) {
        if (GqlFieldDefinition* field = value.definition->Field(child.name)) {
          Expect(*child.value, field->type, field->default_value);
        }
      } else if (value.kind == GqlKind::kList && value.expected != nullptr &&
                 value.expected->element != nullptr) {
        child.value->expected = value.expected->element;
        child.value->definition = value.definition;
      }
      WalkValue(*child.value);
    }
    OnValue(value);
  }

  void WalkSelections(GqlDefinition* parent, const std::vector<GqlSelection*>& selections) {
    for (GqlSelection* selection : selections) {
      if (!Go()) return;
      selection->parent = parent;
      switch (selection->kind) {
        case GqlSelection::Kind::kField: WalkField(parent, *selection); break;
        case GqlSelection::Kind::kInline: {
          GqlDefinition* type =
              selection->type_condition.empty() ? parent : schema_.Type(selection->type_condition);
          WalkDirectives(selection->directives, "INLINE_FRAGMENT");
          WalkSelections(type, selection->selections);
          OnInlineFragment(*selection);
          break;
        }
        case GqlSelection::Kind::kSpread: WalkSpread(*selection); break;
      }
    }
  }

  void WalkField(GqlDefinition* parent, GqlSelection& field) {
    field.definition = nullptr;
    if (field.name == "__typename") {
      if (typename_ == nullptr) {
        typename_ = pool_.New<GqlFieldDefinition>();
        typename_->name = "__typename";
        typename_->type = pool_.New<GqlType>();
        typename_->type->name = "String";
      }
      field.definition = typename_;
    } else if (parent != nullptr) {
      field.definition = parent->Field(field.name);
    }
    GqlDefinition* type =
        field.definition != nullptr ? schema_.Type(field.definition->type->Name()) : nullptr;
    if (!Go(field.arguments.size() / 10 + 1)) return;
    for (GqlArgument& argument : field.arguments) {
      WalkArgument(field.definition != nullptr
                       ? FindArgument(field.definition->arguments, argument.name)
                       : nullptr,
                   argument);
    }
    WalkDirectives(field.directives, "FIELD");
    WalkSelections(type, field.selections);
    OnField(field);
  }

  void WalkSpread(GqlSelection& spread) {
    if (!Go(query_.fragments.size() / 20 + 1)) return;
    spread.fragment = query_.Fragment(spread.name);
    WalkDirectives(spread.directives, "FRAGMENT_SPREAD");
    if (spread.fragment != nullptr && walked_.insert(spread.fragment->name).second) {
      WalkDirectives(spread.fragment->directives, "FRAGMENT_DEFINITION");
      WalkSelections(schema_.Type(spread.fragment->type_condition), spread.fragment->selections);
    }
    OnSpread(spread);
  }

  // --- Rules of operations -----------------------------------------------------------------------

  void OnOperation(const GqlOperation& operation, const GqlDefinition* root) {
    if (root == nullptr) {
      Fail(operation.place, "Schema does not support operation type \"{}\"", operation.operation);
    }
    if (operation.name.empty() && query_.operations.size() > 1) {
      Fail(operation.place, "This anonymous operation must be the only defined operation.");
    }
    for (const GqlVariableDefinition* variable : operation.variables) {
      if (variable->used) continue;
      if (operation.name.empty()) {
        Fail(variable->place, "Variable \"${}\" is never used.", variable->name);
      } else {
        Fail(variable->place, "Variable \"${}\" is never used in operation \"{}\".", variable->name,
             operation.name);
      }
    }
    overlaps_.Check(operation.selections, errors_);
    CheckSubscription(operation);
    if (!operation_names_.insert(operation.name).second) {
      Fail(operation.place, "There can be only one operation named \"{}\".", operation.name);
    }
    std::map<std::string_view, int> seen;
    for (const GqlVariableDefinition* variable : operation.variables) {
      if (seen[variable->name]++ == 1) {
        Fail(variable->place, "There can be only one variable named \"${}\".", variable->name);
      }
    }
    for (const GqlVariableDefinition* variable : operation.variables) {
      if (variable->definition == nullptr || variable->definition->IsInput()) continue;
      Fail(variable->place, "Variable \"${}\" cannot be non-input type \"{}\".", variable->name,
           variable->type->Text());
    }
  }

  void CheckSubscription(const GqlOperation& operation) {
    if (schema_.subscription == nullptr || operation.operation != "subscription") return;
    std::vector<const GqlSelection*> fields;
    std::set<std::string_view> names;
    std::set<std::string_view> inside;
    std::function<void(const std::vector<GqlSelection*>&)> collect =
        [&](const std::vector<GqlSelection*>& selections) {
          for (const GqlSelection* selection : selections) {
            if (!Go()) return;
            if (selection->kind == GqlSelection::Kind::kField) {
              if (names.insert(selection->name).second) fields.push_back(selection);
            } else if (selection->kind == GqlSelection::Kind::kInline) {
              collect(selection->selections);
            } else {
              if (selection->fragment == nullptr) return;
              if (inside.insert(selection->fragment->name).second) {
                collect(selection->fragment->selections);
              }
            }
          }
        };
    collect(operation.selections);
    std::string name = operation.name.empty() ? "Anonymous Subscription"
                                              : "Subscription " + GoQuote(operation.name);
    if (fields.size() > 1) {
      Fail(fields[1]->place, "{} must select only one top level field.", name);
    }
    for (const GqlSelection* field : fields) {
      if (field->name.starts_with("__")) {
        Fail(field->place, "{} must not select an introspection top level field.", name);
      }
    }
  }

  // --- Rules of fields ---------------------------------------------------------------------------

  void OnField(const GqlSelection& field) {
    if (field.parent != nullptr && field.definition == nullptr) UnknownField(field);
    if (field.definition != nullptr && field.parent != nullptr) {
      for (const GqlArgument& argument : field.arguments) {
        if (FindArgument(field.definition->arguments, argument.name) != nullptr) continue;
        Fail(field.place, "Unknown argument \"{}\" on field \"{}.{}\".{}", argument.name,
             field.parent->name, field.name,
             DidYouMean("Did you mean", argument.name, Names(field.definition->arguments)));
      }
    }
    if (field.name == "__schema" || field.name == "__type") {
      std::set<std::string_view> visited;
      if (TooDeep(field, visited, 0)) {
        Fail(field.place, "Maximum introspection depth exceeded");
      }
    }
    if (current_ != nullptr) overlaps_.Check(field.selections, errors_);
    if (field.definition != nullptr) {
      for (const GqlArgumentDefinition& wanted : field.definition->arguments) {
        if (Given(wanted, field.arguments)) continue;
        Fail(field.place,
             "Field \"{}\" argument \"{}\" of type \"{}\" is required, but it was not provided.",
             field.name, wanted.name, wanted.type->Text());
      }
      CheckLeaf(field);
    }
    CheckUniqueArguments(field.arguments);
  }

  // Whether an argument is there, or need not be.
  static bool Given(const GqlArgumentDefinition& wanted,
                    const std::vector<GqlArgument>& arguments) {
    if (!wanted.type->non_null || wanted.default_value != nullptr) return true;
    return std::any_of(arguments.begin(), arguments.end(),
                       [&](const GqlArgument& a) { return a.name == wanted.name; });
  }

  void UnknownField(const GqlSelection& field) {
    std::string hint;
    std::vector<std::string> types = TypesWith(*field.parent, field.name);
    if (!types.empty()) {
      hint = " Did you mean to use an inline fragment on " + QuotedOrList(types) + "?";
    } else if (field.parent->kind == "OBJECT" || field.parent->kind == "INTERFACE") {
      std::vector<std::string> names;
      for (const GqlFieldDefinition* other : field.parent->fields) names.push_back(other->name);
      hint = DidYouMean("Did you mean", field.name, names);
    }
    Fail(field.place, "Cannot query field \"{}\" on type \"{}\".{}", field.name, field.parent->name,
         hint);
  }

  // Of an interface or union: the types below it that have the field, those first that are
  // implemented most.
  std::vector<std::string> TypesWith(const GqlDefinition& parent, std::string_view name) const {
    if (!parent.IsAbstract()) return {};
    std::vector<std::string> interfaces;
    std::vector<std::string> objects;
    std::map<std::string, int> uses;
    for (const GqlDefinition* type : schema_.PossibleTypes(parent.name)) {
      if (type->Field(name) == nullptr) continue;
      objects.push_back(type->name);
      for (const std::string& interface : type->interfaces) {
        const GqlDefinition* definition = schema_.Type(interface);
        if (definition == nullptr || definition->Field(name) == nullptr) continue;
        if (uses[interface]++ == 0) interfaces.push_back(interface);
      }
    }
    interfaces.insert(interfaces.end(), objects.begin(), objects.end());
    auto count = [&](const std::string& type) {
      auto found = uses.find(type);
      return found == uses.end() ? 0 : found->second;
    };
    std::stable_sort(interfaces.begin(), interfaces.end(),
                     [&](const std::string& a, const std::string& b) {
                       if (count(a) != count(b)) return count(a) > count(b);
                       return a < b;
                     });
    return interfaces;
  }

  bool TooDeep(const GqlSelection& field, std::set<std::string_view>& visited, int depth) {
    constexpr int kMaxLists = 3;
    if (field.name == "fields" || field.name == "interfaces" || field.name == "possibleTypes" ||
        field.name == "inputFields") {
      if (++depth >= kMaxLists) return true;
    }
    return TooDeepWithin(field.selections, visited, depth);
  }
  bool TooDeepWithin(const std::vector<GqlSelection*>& selections,
                     std::set<std::string_view>& visited, int depth) {
    for (const GqlSelection* selection : selections) {
      if (!Go()) return false;
      if (selection->kind == GqlSelection::Kind::kField) {
        if (TooDeep(*selection, visited, depth)) return true;
      } else if (selection->kind == GqlSelection::Kind::kInline) {
        if (TooDeepWithin(selection->selections, visited, depth)) return true;
      } else if (selection->fragment != nullptr && visited.insert(selection->name).second) {
        bool deep = TooDeepWithin(selection->fragment->selections, visited, depth);
        visited.erase(selection->name);
        if (deep) return true;
      }
    }
    return false;
  }

  void CheckLeaf(const GqlSelection& field) {
    const GqlDefinition* type = schema_.Type(field.definition->type->Name());
    if (type == nullptr) return;
    if (type->IsLeaf() && !field.selections.empty()) {
      Fail(field.place,
           "Field \"{}\" must not have a selection since type \"{}\" has no subfields.", field.name,
           type->name);
    }
    if (!type->IsLeaf() && field.selections.empty()) {
      Fail(field.place,
           "Field \"{}\" of type \"{}\" must have a selection of subfields. Did you mean \"{} {{ "
           "... }}\"?",
           field.name, field.definition->type->Text(), field.name);
    }
  }

  void CheckUniqueArguments(const std::vector<GqlArgument>& arguments) {
    std::map<std::string_view, int> seen;
    for (const GqlArgument& argument : arguments) {
      if (seen[argument.name]++ == 1) {
        Fail(argument.place, "There can be only one argument named \"{}\".", argument.name);
      }
    }
  }

  // --- Rules of fragments ------------------------------------------------------------------------

  void OnFragment(const GqlFragmentDefinition& fragment) {
    if (fragment.definition != nullptr && !fragment.type_condition.empty() &&
        !fragment.definition->IsComposite()) {
      Fail(fragment.place, "Fragment \"{}\" cannot condition on non composite type \"{}\".",
           fragment.name, fragment.type_condition);
    }
    if (fragment.definition == nullptr) {
      std::vector<std::string> types;
      for (const auto& [name, type] : schema_.types) types.push_back(name);
      Fail(fragment.place, "Unknown type \"{}\".{}", fragment.type_condition,
           DidYouMean("Did you mean", fragment.type_condition, types));
    }
    std::vector<const GqlSelection*> path;
    std::map<std::string_view, size_t> on_path;
    FindCycles(fragment, path, on_path);
    in_fragments_ = true;
    if (!used_fragments_.contains(fragment.name)) {
      Fail(fragment.place, "Fragment \"{}\" is never used.", fragment.name);
    }
    overlaps_.Check(fragment.selections, errors_);
    if (!fragment_names_.insert(fragment.name).second) {
      Fail(fragment.place, "There can be only one fragment named \"{}\".", fragment.name);
    }
  }

  void FindCycles(const GqlFragmentDefinition& fragment, std::vector<const GqlSelection*>& path,
                  std::map<std::string_view, size_t>& on_path) {
    constexpr size_t kMaxPath = 2000;
    if (path.size() > kMaxPath || !Go()) return;
    if (!cycle_visited_.insert(fragment.name).second) return;
    std::vector<const GqlSelection*> spreads = Spreads(fragment.selections);
    if (spreads.empty()) return;
    on_path[fragment.name] = path.size();
    for (const GqlSelection* spread : spreads) {
      if (!Go(query_.fragments.size() / 20 + 1)) return;
      auto found = on_path.find(spread->name);
      if (found == on_path.end()) {
        path.push_back(spread);
        if (const GqlFragmentDefinition* next = query_.Fragment(spread->name)) {
          FindCycles(*next, path, on_path);
        }
        path.pop_back();
        continue;
      }
      std::string via;
      for (size_t i = found->second; i < path.size(); ++i) {
        via += fmt::format("{}\"{}\"", via.empty() ? " via " : ", ", path[i]->name);
      }
      Fail(spread->place, "Cannot spread fragment \"{}\" within itself{}.", spread->name, via);
    }
    on_path.erase(fragment.name);
  }

  // Those of the outermost set first, then the last set that was come upon.
  static std::vector<const GqlSelection*> Spreads(const std::vector<GqlSelection*>& selections) {
    std::vector<const GqlSelection*> out;
    std::vector<const std::vector<GqlSelection*>*> sets = {&selections};
    while (!sets.empty()) {
      const std::vector<GqlSelection*>* set = sets.back();
      sets.pop_back();
      for (const GqlSelection* selection : *set) {
        if (selection->kind == GqlSelection::Kind::kSpread) {
          out.push_back(selection);
        } else {
          sets.push_back(&selection->selections);
        }
      }
    }
    return out;
  }

  void OnInlineFragment(const GqlSelection& fragment) {
    const GqlDefinition* type = schema_.Type(fragment.type_condition);
    if (type != nullptr && !type->IsComposite()) {
      Fail(fragment.place, "Fragment cannot condition on non composite type \"{}\".",
           fragment.type_condition);
    }
    if (!fragment.type_condition.empty() && type == nullptr) {
      Fail(fragment.place, "Unknown type \"{}\".", fragment.type_condition);
    }
    overlaps_.Check(fragment.selections, errors_);
    if (!CanBe(fragment.parent, fragment.type_condition)) {
      Fail(fragment.place,
           "Fragment cannot be spread here as objects of type \"{}\" can never be of type \"{}\".",
           fragment.parent->name, fragment.type_condition);
    }
  }

  void OnSpread(const GqlSelection& spread) {
    if (spread.fragment == nullptr) {
      Fail(spread.place, "Unknown fragment \"{}\".", spread.name);
    }
    if (!in_fragments_) used_fragments_.insert(spread.name);
    if (spread.fragment != nullptr && !CanBe(spread.parent, spread.fragment->type_condition)) {
      Fail(spread.place,
           "Fragment \"{}\" cannot be spread here as objects of type \"{}\" can never be of type "
           "\"{}\".",
           spread.name, spread.parent->name, spread.fragment->type_condition);
    }
  }

  // Whether an object of the one type may be of the other.
  bool CanBe(const GqlDefinition* parent, const std::string& condition) {
    if (parent == nullptr || !parent->IsComposite()) return true;
    const GqlDefinition* type = schema_.Type(condition);
    if (type == nullptr || !type->IsComposite()) return true;
    std::set<const GqlDefinition*> parents;
    if (parent->kind == "OBJECT") {
      parents.insert(parent);
    } else {
      const auto& possible = schema_.PossibleTypes(parent->name);
      if (!Go(possible.size() / 10 + 1)) return true;
      parents.insert(possible.begin(), possible.end());
    }
    const auto& possible = schema_.PossibleTypes(type->name);
    return std::any_of(possible.begin(), possible.end(),
                       [&](const GqlDefinition* t) { return parents.contains(t); });
  }

  // --- Rules of directives and values ------------------------------------------------------------

  void OnDirective(const GqlDirective& directive) {
    const GqlDirectiveDefinition* definition = directive.definition;
    if (definition != nullptr) {
      for (const GqlArgument& argument : directive.arguments) {
        if (FindArgument(definition->arguments, argument.name) != nullptr) continue;
        Fail(directive.place, "Unknown argument \"{}\" on directive \"@{}\".{}", argument.name,
             directive.name,
             DidYouMean("Did you mean", argument.name, Names(definition->arguments)));
      }
    }
    if (definition == nullptr) {
      Fail(directive.place, "Unknown directive \"@{}\".", directive.name);
    } else if (std::find(definition->locations.begin(), definition->locations.end(),
                         directive.location) == definition->locations.end() &&
               misplaced_.insert(&directive).second) {
      Fail(directive.place, "Directive \"@{}\" may not be used on {}.", directive.name,
           directive.location);
    }
    if (definition != nullptr) {
      for (const GqlArgumentDefinition& wanted : definition->arguments) {
        if (Given(wanted, directive.arguments)) continue;
        Fail(directive.place,
             "Directive \"@{}\" argument \"{}\" of type \"{}\" is required, but it was not "
             "provided.",
             definition->name, wanted.name, wanted.type->Text());
      }
    }
    CheckUniqueArguments(directive.arguments);
  }

  void OnValue(const GqlValue& value) {
    if (current_ != nullptr && value.kind == GqlKind::kVariable && value.variable == nullptr) {
      if (current_->name.empty()) {
        Fail(value.place, "Variable \"{}\" is not defined.", value.Text());
      } else {
        Fail(value.place, "Variable \"{}\" is not defined by operation \"{}\".", value.Text(),
             current_->name);
      }
    }
    if (value.kind == GqlKind::kObject) {
      std::set<std::string_view> seen;
      for (const GqlValue::Child& child : value.children) {
        if (!seen.insert(child.name).second) {
          Fail(child.place, "There can be only one input field named \"{}\".", child.name);
        }
      }
    }
    CheckType(value);
    CheckVariable(value);
    CheckOneOfVariables(value);
  }

  void CheckVariable(const GqlValue& value) {
    if (value.kind != GqlKind::kVariable || value.expected == nullptr ||
        value.variable == nullptr || current_ == nullptr) {
      return;
    }
    GqlType wanted = *value.expected;
    const GqlValue* default_value = value.variable->default_value;
    if ((default_value != nullptr && default_value->kind != GqlKind::kNull) ||
        value.expected_has_default) {
      wanted.non_null = false;
    }
    if (value.variable->type->Fits(wanted)) return;
    Fail(value.place, "Variable \"{}\" of type \"{}\" used in position expecting type \"{}\".",
         value.Text(), value.variable->type->Text(), value.expected->Text());
  }

  void CheckOneOfVariables(const GqlValue& value) {
    if (value.kind != GqlKind::kObject || value.definition == nullptr ||
        !value.definition->HasDirective("oneOf")) {
      return;
    }
    for (const GqlValue::Child& child : value.children) {
      if (child.value->kind != GqlKind::kVariable || child.value->variable == nullptr ||
          child.value->variable->type->non_null) {
        continue;
      }
      Fail(child.value->variable->place,
           "Variable \"{}\" is of type \"{}\" but must be non-nullable to be used for OneOf Input "
           "Object \"{}\".",
           child.value->Text(), child.value->variable->type->Text(), value.definition->name);
    }
  }

  std::string Unexpected(const GqlValue& value) const {
    std::string type = value.expected->Text();
    std::string text = value.Text();
    if (type == "Int" || type == "Int!") {
      int32_t number = 0;
      auto [end, error] =
          std::from_chars(value.raw.data(), value.raw.data() + value.raw.size(), number);
      if (error == std::errc::result_out_of_range && end == value.raw.data() + value.raw.size()) {
        return "Int cannot represent non 32-bit signed integer value: " + text;
      }
      return "Int cannot represent non-integer value: " + text;
    }
    if (type == "String" || type == "String!" || type == "[String]") {
      return "String cannot represent a non string value: " + text;
    }
    if (type == "Boolean" || type == "Boolean!") {
      return "Boolean cannot represent a non boolean value: " + text;
    }
    if (type == "Float" || type == "Float!") {
      return "Float cannot represent non numeric value: " + text;
    }
    if (type == "ID" || type == "ID!") {
      return "ID cannot represent a non-string and non-integer value: " + text;
    }
    if (value.definition->kind == "ENUM") {
      return fmt::format("Enum \"{}\" cannot represent non-enum value: {}.", type, text);
    }
    return fmt::format("Expected value of type \"{}\", found {}.", type, text);
  }

  // Whether its numbers fit 64 bits.
  static bool Computes(const GqlValue& value) {
    const char* begin = value.raw.data();
    const char* end = begin + value.raw.size();
    switch (value.kind) {
      case GqlKind::kInt: {
        int64_t number = 0;
        auto [at, error] = std::from_chars(begin, end, number);
        return error == std::errc() && at == end;
      }
      case GqlKind::kFloat: {
        double number = 0;
        auto [at, error] = std::from_chars(begin, end, number);
        // Too small is 0; too large is an error.
        if (error == std::errc::result_out_of_range) {
          return value.raw.find("e-") != std::string::npos ||
                 value.raw.find("E-") != std::string::npos;
        }
        return error == std::errc() && at == end;
      }
      case GqlKind::kVariable:
        return value.variable == nullptr || value.variable->default_value == nullptr ||
               Computes(*value.variable->default_value);
      case GqlKind::kList:
      case GqlKind::kObject:
        return std::all_of(value.children.begin(), value.children.end(),
                           [](const GqlValue::Child& child) { return Computes(*child.value); });
      default: return true;
    }
  }

  void CheckType(const GqlValue& value) {
    const GqlDefinition* definition = value.definition;
    if (definition == nullptr || value.expected == nullptr) return;
    if (value.kind == GqlKind::kNull && value.expected->non_null) {
      Fail(value.place, "Expected value of type \"{}\", found {}.", value.expected->Text(),
           value.Text());
    }
    const std::string& name = definition->name;
    if (definition->kind == "SCALAR" && name != "Int" && name != "Float" && name != "String" &&
        name != "Boolean" && name != "ID") {
      return;
    }
    std::vector<std::string> enums;
    if (definition->kind == "ENUM") {
      for (const GqlEnumValue& known : definition->enum_values) enums.push_back(known.name);
    }
    if (!Computes(value)) Fail(value.place, "{}", Unexpected(value));
    constexpr std::string_view kEnumHint = "Did you mean the enum value";
    switch (value.kind) {
      case GqlKind::kNull:
      case GqlKind::kVariable: return;
      case GqlKind::kList:
        if (value.expected->element == nullptr) Fail(value.place, "{}", Unexpected(value));
        return;
      case GqlKind::kInt:
        if (name != "Int" && name != "Float" && name != "ID") {
          Fail(value.place, "{}", Unexpected(value));
        }
        return;
      case GqlKind::kFloat:
        if (name != "Float") Fail(value.place, "{}", Unexpected(value));
        return;
      case GqlKind::kString:
      case GqlKind::kBlock:
        if (definition->kind == "ENUM") {
          Fail(value.place, "Enum \"{}\" cannot represent non-enum value: {}.{}",
               value.expected->Text(), value.Text(), DidYouMean(kEnumHint, value.raw, enums));
        } else if (name != "String" && name != "ID") {
          Fail(value.place, "{}", Unexpected(value));
        }
        return;
      case GqlKind::kEnum:
        if (definition->kind != "ENUM") {
          Fail(value.place, "{}{}", Unexpected(value),
               DidYouMean(kEnumHint, value.raw, enums, false));
        } else if (std::find(enums.begin(), enums.end(), value.raw) == enums.end()) {
          Fail(value.place, "Value \"{}\" does not exist in \"{}\" enum.{}", value.Text(),
               value.expected->Text(), DidYouMean(kEnumHint, value.raw, enums));
        }
        return;
      case GqlKind::kBoolean:
        if (name != "Boolean") Fail(value.place, "{}", Unexpected(value));
        return;
      case GqlKind::kObject: CheckObject(value); return;
    }
  }

  void CheckObject(const GqlValue& value) {
    const GqlDefinition& definition = *value.definition;
    if (!Go(definition.fields.size() / 10 + 1)) return;
    std::set<std::string_view> given;
    for (const GqlValue::Child& child : value.children) given.insert(child.name);
    for (const GqlFieldDefinition* field : definition.fields) {
      if (!field->type->non_null || field->default_value != nullptr ||
          given.contains(field->name)) {
        continue;
      }
      Fail(value.place, "Field \"{}.{}\" of required type \"{}\" was not provided.",
           definition.name, field->name, field->type->Text());
    }
    for (const GqlDirective* directive : definition.directives) {
      if (directive->name != "oneOf") continue;
      if (value.children.size() != 1) {
        Fail(value.place, "OneOf Input Object \"{}\" must specify exactly one key.",
             definition.name);
      } else if (value.children[0].value->kind == GqlKind::kNull && !definition.fields.empty()) {
        Fail(value.children[0].value->place, "Field \"{}.{}\" must be non-null.", definition.name,
             definition.fields[0]->name);
      }
    }
    std::vector<std::string> names;
    for (const GqlFieldDefinition* field : definition.fields) names.push_back(field->name);
    for (const GqlValue::Child& child : value.children) {
      if (definition.Field(child.name) != nullptr) continue;
      if (!Go()) return;
      Fail(child.place, "Field \"{}\" is not defined by type \"{}\".{}", child.name,
           definition.name, DidYouMean("Did you mean", child.name, names));
    }
  }

  const GqlSchema& schema_;
  GqlQueryDocument& query_;
  GqlPool& pool_;
  const std::function<bool(uint64_t)>& spend_;
  bool stopped_ = false;
  std::vector<GqlError> errors_;

  GqlOperation* current_ = nullptr;
  std::set<std::string_view> walked_;  // fragments of the operation
  GqlFieldDefinition* typename_ = nullptr;

  GqlOverlaps overlaps_;
  std::set<std::string_view> operation_names_, fragment_names_, used_fragments_, cycle_visited_;
  std::set<const GqlDirective*> misplaced_;
  bool in_fragments_ = false;
};

}  // namespace

std::vector<GqlError> ValidateGqlQuery(const GqlSchema& schema, GqlQueryDocument& query,
                                       GqlPool& pool, const std::function<bool(uint64_t)>& spend) {
  return Walker(schema, query, pool, spend).Walk();
}

}  // namespace bulwark::rego
