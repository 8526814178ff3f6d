#include "lang/rego/resolve/resolve.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "lang/rego/resolve/names.h"
#include "lang/rego/resolve/safety.h"

namespace bulwark::rego {

namespace {

std::string PathText(std::span<const Value> keys) {
  std::string out;
  for (const Value& key : keys) {
    if (out.empty() && key.IsString()) {
      out = key.AsString();
      continue;
    }
    bool plain = key.IsString() && !key.AsString().empty();
    if (plain) {
      for (size_t i = 0; i < key.AsString().size(); ++i) {
        const char c = key.AsString()[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) plain = false;
      }
    }
    out += plain ? fmt::format(".{}", key.AsString()) : fmt::format("[{}]", ToRegoText(key));
  }
  return out;
}

// The child of a node, made where there is none yet.
TreeNode* Descend(Arena& memory, TreeNode* node, const Value& key, uint32_t& next_id) {
  if (TreeNode* child = node->Child(key); child != nullptr) return child;
  const Value kept = key.CopyTo(memory);
  auto& child = node->children[kept];
  child = std::make_unique<TreeNode>();
  child->key = kept;
  child->parent = node;
  child->id = next_id++;
  return child.get();
}

std::span<const Value> Operands(Arena& arena, std::span<Term* const> path) {
  std::vector<Value> out;
  for (const Term* term : path) {
    if (term->kind == TermKind::kVar) {
      out.push_back(Value::String(term->name));
    } else {
      out.push_back(term->value);
    }
  }
  return arena.Copy<Value>(out);
}

std::span<const Value> Append(Arena& arena, std::span<const Value> path, Value key) {
  Value* out = arena.Array<Value>(path.size() + 1);
  std::uninitialized_copy(path.begin(), path.end(), out);
  new (out + path.size()) Value(key);
  return {out, path.size() + 1};
}

std::string_view HeadName(const Rule& rule) {
  return rule.head.ref.empty() ? rule.head.name : rule.head.ref[0]->name;
}

std::span<Term* const> PathOf(const Term& term) {
  return term.kind == TermKind::kRef ? std::span<Term* const>(term.items)
                                     : std::span<Term* const>();
}

void AddImports(Arena& arena, std::span<Import* const> imports, Globals& out) {
  for (const Import* import : imports) {
    std::span<const Value> path;
    if (import->path->kind == TermKind::kVar) {
      Value root = Value::String(import->path->name);
      path = arena.Copy<Value>({&root, 1});
    } else {
      path = Operands(arena, PathOf(*import->path));
    }
    if (path.empty() || !path[0].IsString()) continue;
    if (path[0].AsString() == "future" || path[0].AsString() == "rego") continue;
    std::string_view name = import->alias;
    if (name.empty() && path.back().IsString()) name = path.back().AsString();
    if (!name.empty()) out[name] = path;
  }
}

// Turns what the orderer left over into messages, as OPA words and chooses them.
class UnsafeReport {
 public:
  UnsafeReport(const std::deque<Variable>& variables, std::string file, std::string scope)
      : variables_(variables), file_(std::move(file)), scope_(std::move(scope)) {}

  void Report(const std::vector<Orderer::Unsafe>& unsafe, std::vector<Diagnostic>& errors) const {
    VarSet assigned;
    struct Found {
      uint32_t id;
      Location at;
    };
    std::vector<Found> found;
    for (const auto& [expr, open] : unsafe) {
      if (IsAssignment(*expr)) CollectVars(*expr->terms[1], assigned, {.closures = true});
      open.ForEach([&](uint32_t id) {
        const Location place = PlaceOf(*expr, id);
        auto at = std::ranges::find(found, id, &Found::id);
        if (at == found.end()) {
          found.push_back({id, place});
        } else if (Before(place, at->at)) {
          at->at = place;
        }
      });
    }
    std::ranges::stable_sort(found,
                             [](const Found& a, const Found& b) { return Before(a.at, b.at); });
    const bool others =
        std::ranges::any_of(found, [&](const Found& f) { return !assigned.Has(f.id); });
    for (const auto& [id, at] : found) {
      if (others && assigned.Has(id)) continue;
      Add(variables_[id].name, at, errors);
    }
  }

  void Add(std::string_view name, const Location& at, std::vector<Diagnostic>& errors) const {
    static const std::set<std::string_view> kKeywords = {"in",  "every", "contains", "if",
                                                         "and", "or",    "not"};
    std::string shown(name.starts_with('$') ? "_" : name);
    std::string message = fmt::format("var {} is unsafe{}", shown, scope_);
    if (kKeywords.contains(name)) {
      message +=
          fmt::format(" (hint: `import future.keywords.{}` to import a future keyword)", name);
    }
    errors.push_back({.code = "rego_unsafe_var_error",
                      .message = std::move(message),
                      .file = file_,
                      .at = at,
                      .details = {}});
  }

 private:
  // Where an expression needs a variable: the expression, or the calls within it.
  static Location PlaceOf(const Expr& expr, uint32_t id) {
    std::optional<Location> first;
    auto walk = [&](auto& self, const Term& term, const Location& at) -> void {
      if (term.kind == TermKind::kVar && term.variable != nullptr && term.variable->id == id) {
        if (!first || Before(at, *first)) first = at;
      }
      const bool call = term.kind == TermKind::kCall;
      for (const Term* item : term.items) self(self, *item, call ? term.at : at);
    };
    if (expr.kind == ExprKind::kTerm) walk(walk, *expr.term, expr.at);
    for (const Term* term : expr.terms) {
      if (term != nullptr) walk(walk, *term, expr.at);
    }
    return first.value_or(expr.at);
  }
  static bool Before(const Location& a, const Location& b) {
    return a.row != b.row ? a.row < b.row : a.column < b.column;
  }
  const std::deque<Variable>& variables_;
  std::string file_, scope_;
};

// The rows of a module on which rules of more than one name stand.
std::set<uint32_t> SharedRows(const Module& module) {
  std::set<uint32_t> shared;
  std::unordered_map<uint32_t, std::string_view> first;
  for (const Rule* rule : module.rules) {
    auto [at, fresh] = first.try_emplace(rule->at.row, HeadName(*rule));
    if (!fresh && at->second != HeadName(*rule)) shared.insert(rule->at.row);
  }
  return shared;
}

std::span<const Term* const> HeadTerms(const Rule& rule, std::vector<const Term*>& out) {
  for (size_t i = 1; i < rule.head.ref.size(); ++i) out.push_back(rule.head.ref[i]);
  if (IsPartialSet(rule)) out.push_back(rule.head.key);
  if (rule.head.value != nullptr) out.push_back(rule.head.value);
  return out;
}

// Variables of the head that neither the body nor an argument has.
void CheckHead(const Orderer& orderer, const Rule& rule, const VarSet& arguments,
               const UnsafeReport& report, std::vector<Diagnostic>& errors) {
  VarSet bound = arguments;
  for (const Expr* expr : rule.body) CollectVars(*expr, bound);
  std::vector<const Term*> terms;
  for (const Term* term : HeadTerms(rule, terms)) {
    VarSet open;
    CollectVars(*term, open);
    VarSet outputs;
    orderer.Outputs(*term, bound, outputs);
    open.Remove(bound);
    open.Remove(outputs);
    if (open.empty()) continue;
    auto locate = [&](auto& self, const Term& t) -> void {
      if (t.kind == TermKind::kVar && t.variable != nullptr && open.Has(t.variable->id)) {
        open.Remove(t.variable->id);
        report.Add(t.name, t.at, errors);
      }
      for (const Term* item : t.items) self(self, *item);
      if (t.kind != TermKind::kTemplateString) return;
      for (const Expr* part : t.body) {
        if (part->kind == ExprKind::kTerm) self(self, *part->term);
        for (const Term* item : part->terms) self(self, *item);
      }
    };
    locate(locate, *term);
  }
}

// What print() shows must be bound by the expressions before it.
void CheckPrints(const Orderer& orderer, Body body, VarSet safe, const RuleInfo& info,
                 std::vector<Diagnostic>& errors) {
  for (const Expr* expr : body) {
    if (IsPrint(*expr)) {
      for (const Term* term : expr->terms.subspan(1)) {
        VarSet open;
        CollectVars(*term, open);
        open.Remove(safe);
        open.ForEach([&](uint32_t id) {
          std::string_view name = info.variables[id].name;
          errors.push_back(
              {.code = "rego_compile_error",
               .message = fmt::format("var {} is undeclared", name.starts_with('$') ? "_" : name),
               .file = info.module->file,
               .at = term->at,
               .details = {}});
        });
      }
    }
    VarSet inside = safe;
    if (expr->kind == ExprKind::kEvery) {
      for (const Term* term : expr->terms.first(2)) {
        if (term != nullptr) CollectVars(*term, inside);
      }
    }
    auto closures = [&](auto& self, const Term& term) -> void {
      if (term.kind == TermKind::kArrayComprehension || term.kind == TermKind::kSetComprehension ||
          term.kind == TermKind::kObjectComprehension) {
        return CheckPrints(orderer, term.body, inside, info, errors);
      }
      for (const Term* item : term.items) self(self, *item);
    };
    if (expr->kind == ExprKind::kTerm) closures(closures, *expr->term);
    for (const Term* term : expr->terms) {
      if (term != nullptr) closures(closures, *term);
    }
    CheckPrints(orderer, expr->lhs, inside, info, errors);
    CheckPrints(orderer, expr->rhs, inside, info, errors);
    safe.Add(orderer.Outputs(*expr, safe));
  }
}

}  // namespace

bool TreeNode::is_function() const {
  return !rules.empty() && rules[0]->kind == RuleKind::kFunction;
}

TreeNode* TreeNode::Child(const Value& child_key) const {
  auto at = children.find(child_key);
  return at == children.end() ? nullptr : at->second.get();
}

std::string TreeNode::Path() const {
  std::vector<Value> keys;
  for (const TreeNode* node = this; node->parent != nullptr; node = node->parent)
    keys.push_back(node->key);
  keys.push_back(Value::String("data"));
  std::ranges::reverse(keys);
  return PathText(keys);
}

const TreeNode* Resolution::Find(std::span<const Value> path) const {
  const TreeNode* node = &root_;
  for (const Value& key : path) {
    node = node->Child(key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

void ResolveModules(std::vector<std::unique_ptr<Module>> modules, const ResolveOptions& options,
                    Resolution& out, std::vector<Diagnostic>& errors) {
  std::ranges::stable_sort(modules, {}, [](const auto& module) { return module->file; });
  out.modules = std::move(modules);
  out.builtins = options.builtins;
  uint32_t next_id = 1;

  // The rules that each package has, over all its modules.
  std::unordered_map<const Module*, TreeNode*> packages;
  std::unordered_map<const TreeNode*, std::set<std::string_view>> exports;
  std::unordered_map<const TreeNode*, std::span<const Value>> paths;
  for (const auto& module : out.modules) {
    std::span<const Value> path = Operands(out.arena, module->package.path);
    TreeNode* node = out.root();
    for (const Value& key : path.subspan(1)) node = Descend(out.keys, node, key, next_id);
    packages[module.get()] = node;
    paths.try_emplace(node, path);
    for (const Rule* rule : module->rules) exports[node].insert(HeadName(*rule));
  }

  for (const auto& module : out.modules) {
    TreeNode* package = packages[module.get()];
    Globals globals;
    for (std::string_view name : exports[package])
      globals[name] = Append(out.arena, paths[package], Value::String(name));
    AddImports(out.arena, module->imports, globals);
    for (Rule* rule : module->rules) {
      RuleInfo& info = out.rules.emplace_back();
      info.rule = rule;
      info.module = module.get();
      for (Rule* branch = rule; branch != nullptr; branch = branch->else_rule)
        out.info[branch] = &info;
      TreeNode* node = package;
      size_t ground = 0;
      node = Descend(out.keys, node, Value::String(HeadName(*rule)), next_id);
      std::span<Term*> operands =
          rule->head.ref.empty() ? rule->head.ref : rule->head.ref.subspan(1);
      while (ground < operands.size() && operands[ground]->kind == TermKind::kScalar)
        node = Descend(out.keys, node, operands[ground++]->value, next_id);
      info.node = node;
      info.dynamic = operands.subspan(ground);
      if (rule->head.is_function || !rule->head.args.empty()) {
        info.kind = RuleKind::kFunction;
      } else if (IsPartialSet(*rule)) {
        info.kind = RuleKind::kPartialSet;
      }
      node->rules.push_back(&info);
      NameResolver(out.arena, *out.builtins, globals, info.variables, errors, module->file)
          .Rule(*rule);
    }
  }
}

void OrderBodies(Resolution& policy, std::vector<Diagnostic>& errors) {
  Orderer orderer(policy);
  const size_t before = errors.size();
  struct Work {
    RuleInfo* info;
    VarSet arguments;
    std::string scope;
  };
  const Module* current = nullptr;
  std::set<uint32_t> shared;
  std::vector<Work> all;
  for (RuleInfo& info : policy.rules) {
    if (info.module != current) {
      current = info.module;
      shared = SharedRows(*current);
    }
    Work work{&info, {}, {}};
    for (const Variable& variable : info.variables) {
      if (variable.argument) work.arguments.Add(variable.id);
    }
    if (shared.contains(info.rule->at.row)) {
      std::string name(HeadName(*info.rule));
      std::vector<Value> keys = {Value::String(name)};
      for (size_t i = 1; i + info.dynamic.size() < info.rule->head.ref.size(); ++i)
        keys.push_back(info.rule->head.ref[i]->value);
      work.scope = " in rule " + PathText(keys);
    }
    all.push_back(std::move(work));
    const UnsafeReport report(info.variables, info.module->file, all.back().scope);
    for (const Rule* rule = info.rule; rule != nullptr; rule = rule->else_rule)
      CheckHead(orderer, *rule, all.back().arguments, report, errors);
  }
  if (errors.size() != before) return;
  for (Work& work : all) {
    for (Rule* rule = work.info->rule; rule != nullptr; rule = rule->else_rule)
      CheckPrints(orderer, rule->body, work.arguments, *work.info, errors);
  }
  if (errors.size() != before) return;
  for (Work& work : all) {
    const UnsafeReport report(work.info->variables, work.info->module->file, work.scope);
    for (Rule* rule = work.info->rule; rule != nullptr; rule = rule->else_rule) {
      std::vector<Orderer::Unsafe> unsafe;
      orderer.Order(rule->body, work.arguments, unsafe);
      VarSet bound = work.arguments;
      for (const Expr* expr : rule->body) CollectVars(*expr, bound);
      for (size_t i = 1; i < rule->head.ref.size(); ++i)
        orderer.OrderWithin(*rule->head.ref[i], bound, rule->body[0], unsafe);
      if (IsPartialSet(*rule)) orderer.OrderWithin(*rule->head.key, bound, rule->body[0], unsafe);
      if (rule->head.value != nullptr)
        orderer.OrderWithin(*rule->head.value, bound, rule->body[0], unsafe);
      if (!unsafe.empty()) report.Report(unsafe, errors);
    }
  }
}

void ResolveQuery(const Resolution& policy, std::unique_ptr<Query> query,
                  std::span<const Value> package, ResolvedQuery& out,
                  std::vector<Diagnostic>& errors) {
  out.query = std::move(query);
  Arena& arena = out.query->arena;
  Globals globals;
  if (!package.empty()) {
    if (const TreeNode* node = policy.Find(package.subspan(1)); node != nullptr) {
      for (const auto& [key, child] : node->children) {
        if (key.IsString()) globals[key.AsString()] = Append(arena, package, key);
      }
    }
  }
  AddImports(arena, out.query->imports, globals);
  NameResolver(arena, *policy.builtins, globals, out.variables, errors, "")
      .QueryBody(out.query->body);
}

void OrderQuery(const Resolution& policy, ResolvedQuery& query, std::vector<Diagnostic>& errors) {
  Orderer orderer(policy);
  std::vector<Orderer::Unsafe> unsafe;
  orderer.Order(query.query->body, {}, unsafe);
  if (!unsafe.empty()) UnsafeReport(query.variables, "", "").Report(unsafe, errors);
}

}  // namespace bulwark::rego
