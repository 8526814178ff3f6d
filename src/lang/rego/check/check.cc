#include "lang/rego/check/check.h"

#include <algorithm>
#include <map>

#include "lang/rego/check/graph.h"
#include "lang/rego/check/infer.h"
#include "lang/rego/check/schema.h"
#include "lang/rego/check/stages.h"
#include "lang/rego/check/text.h"
#include "lang/rego/check/type_tree.h"

namespace bulwark::rego {

struct PolicyTypes::Rep {
  Arena arena;
  TypeFactory types{arena};
  TypeTree base;   // what schemas say
  TypeTree rules;  // what rules define
  TypeLayer base_layer{.tree = &base, .next = nullptr};
  TypeLayer rules_layer{.tree = &rules, .next = &base_layer};
  TypeRef input = nullptr;
  AnnotationSet annotations;
  std::unique_ptr<RuleGraph> graph;
  std::unique_ptr<BuiltinTypes> own_builtins;

  const BuiltinTypes& Builtins(const Registry& registry) {
    if (&registry == &Registry::Standard()) return BuiltinTypes::Standard();
    if (own_builtins == nullptr) own_builtins = std::make_unique<BuiltinTypes>(registry);
    return *own_builtins;
  }
};

PolicyTypes::PolicyTypes() : rep_(std::make_unique<Rep>()) {}
PolicyTypes::~PolicyTypes() = default;
PolicyTypes::PolicyTypes(PolicyTypes&&) noexcept = default;
PolicyTypes& PolicyTypes::operator=(PolicyTypes&&) noexcept = default;

TypeRef PolicyTypes::Find(std::span<const Value> path, Arena& arena) const {
  TypeFactory types(arena);
  return path.empty() ? kAnyType : TypeAt(&rep_->rules_layer, path, types);
}

const AnnotationSet& PolicyTypes::annotations() const { return rep_->annotations; }

const RuleGraph* PolicyTypes::graph() const { return rep_->graph.get(); }

CheckContext::CheckContext(const Resolution& resolution, const CheckOptions& check_options)
    : policy(resolution), options(check_options) {
  allowed.insert(options.allowed_builtins.begin(), options.allowed_builtins.end());
  unsafe.insert(options.unsafe_builtins.begin(), options.unsafe_builtins.end());
}

const Builtin* CheckContext::Find(std::string_view name) const {
  const Builtin* builtin = policy.builtins->Find(name);
  if (builtin == nullptr) return nullptr;
  return allowed.empty() || allowed.contains(name) ? builtin : nullptr;
}

Diagnostic MakeDiagnostic(std::string_view code, const Module* module, const Location& at,
                          std::string message) {
  return {.code = std::string(code),
          .message = std::move(message),
          .file = module != nullptr ? module->file : std::string(),
          .at = at,
          .details = {}};
}

bool IsV1(const Module& module) { return module.dialect != Dialect::kV0; }

namespace {

// Where a module has no place for an error it comes last.
bool ComesBefore(const Diagnostic& a, const Diagnostic& b) {
  if ((a.at.row == 0) != (b.at.row == 0)) return b.at.row == 0;
  if (a.file != b.file) return a.file < b.file;
  if (a.at.row != b.at.row) return a.at.row < b.at.row;
  if (a.at.column != b.at.column) return a.at.column < b.at.column;
  if (a.code != b.code) return a.code < b.code;
  if (a.message != b.message) return a.message < b.message;
  return a.details < b.details;
}

// Collects what the stages find, up to a limit.
class Record {
 public:
  explicit Record(size_t limit) : limit_(limit) {}

  // After errors that do not end it, later stages still run.
  void Add(Diagnostics found, bool ends) {
    if (found.empty() || full_) return;
    if (limit_ != 0 && errors_.size() + found.size() >= limit_) {
      found.resize(limit_ - errors_.size());
      full_ = true;
    }
    std::ranges::move(found, std::back_inserter(errors_));
    ended_ = ended_ || ends || full_;
  }
  bool ended() const { return ended_; }

  Diagnostics Sorted() && {
    std::ranges::stable_sort(errors_, ComesBefore);
    if (full_) {
      errors_.push_back(MakeDiagnostic("rego_compile_error", nullptr, {}, "error limit reached"));
    }
    return std::move(errors_);
  }

 private:
  size_t limit_;
  Diagnostics errors_;
  bool full_ = false;
  bool ended_ = false;
};

// The schemas that a host gives, by path.
class SchemaSet {
 public:
  explicit SchemaSet(const CheckOptions& options) {
    for (const auto& [path, schema] : options.schemas) schemas_.emplace(path, &schema);
  }
  bool empty() const { return schemas_.empty(); }
  const Value* Find(std::string_view path) const {
    auto at = schemas_.find(path);
    return at == schemas_.end() ? nullptr : at->second;
  }
  auto begin() const { return schemas_.begin(); }
  auto end() const { return schemas_.end(); }
  SchemaOptions Options() const {
    return {.other = [this](std::string_view ref) { return Other(ref); }};
  }

 private:
  // A $ref names another schema by its path or its file: "schema.pod", "pod.json".
  const Value* Other(std::string_view ref) const {
    if (const Value* found = Find(ref)) return found;
    if (size_t slash = ref.rfind('/'); slash != std::string_view::npos)
      ref.remove_prefix(slash + 1);
    for (std::string_view suffix : {".json", ".yaml", ".yml"}) {
      if (ref.ends_with(suffix)) ref.remove_suffix(suffix.size());
    }
    return Find("schema." + std::string(ref));
  }
  std::map<std::string, const Value*, std::less<>> schemas_;
};

// "data.acl" as a path. Words only: what schemas are given by.
std::vector<Value> SplitPath(std::string_view text, Arena& arena) {
  std::vector<Value> path;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find('.', start), text.size());
    path.push_back(Value::String(arena, text.substr(start, end - start)));
    start = end + 1;
  }
  return path;
}

TypeRef NestedType(std::span<const Value> keys, TypeRef type, bool dynamic, TypeRef key,
                   TypeRef value, TypeFactory& types) {
  if (keys.empty()) return type;
  const Property property = {
      .key = keys[0], .value = NestedType(keys.subspan(1), type, dynamic, key, value, types)};
  const std::span<const Property> one(&property, 1);
  return dynamic ? types.Object(one, key, value) : types.Object(one);
}

// `type` with what is at the path below it replaced.
TypeRef Override(TypeRef type, std::span<const Value> path, TypeRef with, TypeFactory& types) {
  type = Unfold(type);
  if (type == nullptr || type->kind != TypeKind::kObject) {
    return NestedType(path, with, true, kAnyType, kAnyType, types);
  }
  std::vector<Property> properties(type->properties.begin(), type->properties.end());
  auto at = std::ranges::find_if(properties,
                                 [&](const Property& p) { return Value::Equal(p.key, path[0]); });
  if (at != properties.end()) {
    at->value = path.size() == 1 ? with : Override(at->value, path.subspan(1), with, types);
  } else {
    TypeRef below = NestedType(path.subspan(1), with, type->dynamic, type->key, type->value, types);
    properties.push_back({.key = path[0], .value = below});
  }
  return type->dynamic ? types.Object(properties, type->key, type->value)
                       : types.Object(properties);
}

}  // namespace

class PolicyCheck {
 public:
  PolicyCheck(Resolution& policy, const CheckOptions& options, PolicyTypes& types)
      : policy_(policy),
        context_(policy, options),
        options_(options),
        rep_(*types.rep_),
        schemas_(options),
        record_(options.error_limit) {}

  Diagnostics Run(Diagnostics resolved) {
    Stages(std::move(resolved));
    return std::move(record_).Sorted();
  }

 private:
  template <typename F>
  void EachModule(bool ends, const F& check) {
    Diagnostics found;
    for (const auto& module : policy_.modules) check(*module, found);
    record_.Add(std::move(found), ends);
  }
  template <typename F>
  bool EachRule(const F& check) {
    Diagnostics found;
    for (const RuleInfo& rule : policy_.rules) check(rule, found);
    record_.Add(std::move(found), true);
    return !record_.ended();
  }

  // Of the rules that have a trait.
  bool EachWith(bool RuleTraits::* trait,
                void (*check)(const CheckContext&, const RuleInfo&, Diagnostics&)) {
    Diagnostics found;
    size_t index = 0;
    for (const RuleInfo& rule : policy_.rules) {
      if (traits_[index++].*trait) check(context_, rule, found);
    }
    record_.Add(std::move(found), true);
    return !record_.ended();
  }

  void Stages(Diagnostics resolved) {
    ReadSchemas();
    if (record_.ended()) return;
    std::erase_if(resolved, [](const Diagnostic& error) {
      return error.message.starts_with("args must not shadow ");
    });
    if (!EachRule(CheckShadowedRoots)) return;
    if (options_.strict) EachModule(false, CheckUnusedImports);
    EachModule(false, [&](const Module& module, Diagnostics& found) {
      if (options_.strict || IsV1(module)) CheckRootOverrides(module, found);
    });
    EachModule(false, [&](const Module& module, Diagnostics& found) {
      if (options_.strict || IsV1(module)) CheckDuplicateImports(module, found);
    });
    if (!Locals(std::move(resolved))) return;
    for (const RuleInfo& rule : policy_.rules) traits_.push_back(TraitsOf(context_, rule));
    if (!EachWith(&RuleTraits::templates, CheckTemplates)) return;
    if (!EachWith(&RuleTraits::voids, CheckVoidCalls)) return;
    if (options_.print && !EachWith(&RuleTraits::prints, CheckPrints)) return;
    Diagnostics found;
    rep_.annotations.Add(policy_.modules, found);
    record_.Add(std::move(found), true);
    if (record_.ended()) return;
    rep_.graph = std::make_unique<RuleGraph>(policy_);
    if (!EachWith(&RuleTraits::withs, CheckWithTargets)) return;
    found.clear();
    CheckConflicts(context_, found);
    record_.Add(std::move(found), true);
    if (record_.ended()) return;
    if (!EachRule([&](const RuleInfo& r, Diagnostics& f) {
          CheckFunctions(context_, r, rep_.input, f);
        })) {
      return;
    }
    // Recursion is described by the bodies as they are written.
    Diagnostics recursion;
    rep_.graph->CheckRecursion(recursion);
    found.clear();
    OrderBodies(policy_, found);
    record_.Add(std::move(found), true);
    if (record_.ended()) return;
    record_.Add(std::move(recursion), true);
    if (record_.ended()) return;
    Types();
    Forbidden(
        "unsafe", &RuleTraits::unsafe,
        [&](std::string_view name) { return context_.unsafe.contains(name); },
        [](const Module&) { return true; });
    Forbidden(
        "deprecated", &RuleTraits::deprecated,
        [&](std::string_view name) {
          const Builtin* builtin = context_.Find(name);
          return builtin != nullptr && builtin->deprecated;
        },
        [&](const Module& module) { return options_.strict || IsV1(module); });
  }

  // What ResolveModules() found, and what nothing uses.
  bool Locals(Diagnostics resolved) {
    const bool bad = !resolved.empty();
    Diagnostics unused;
    for (const RuleInfo& rule : policy_.rules) {
      // Where a declaration is wrong, uses of it are not found either.
      const bool wrong = bad && std::ranges::any_of(resolved, [&](const Diagnostic& error) {
                           return error.file == rule.module->file && Within(error.at, *rule.rule);
                         });
      if (!wrong) CheckUnusedLocals(rule, options_.strict, unused);
    }
    record_.Add(std::move(resolved), true);
    if (!record_.ended() || bad) record_.Add(std::move(unused), false);
    return !record_.ended();
  }

  static bool Within(const Location& at, const Rule& rule) {
    for (const Rule* branch = &rule; branch != nullptr; branch = branch->else_rule) {
      if (at.offset >= branch->at.offset && at.offset <= branch->at.offset + branch->at.length) {
        return true;
      }
    }
    return false;
  }

  void ReadSchemas() {
    Diagnostics found;
    for (const auto& [name, json] : schemas_) {
      const bool input = name == "input" || name == "schema";
      if (!input && !name.starts_with("data.")) continue;
      Result<TypeRef> type = TypeFromSchema(*json, rep_.types, schemas_.Options());
      if (!type) {
        found.push_back(MakeDiagnostic("rego_type_error", nullptr, {}, type.error().message()));
        continue;
      }
      if (input) {
        rep_.input = *type;
        const Value path[] = {Value::String("input")};
        rep_.base.Put(path, *type);
      } else {
        rep_.base.Put(SplitPath(name, rep_.arena), *type);
      }
    }
    record_.Add(std::move(found), true);
  }

  void Forbidden(std::string_view what, bool RuleTraits::* trait,
                 const std::function<bool(std::string_view)>& is_bad,
                 const std::function<bool(const Module&)>& applies) {
    Diagnostics found;
    size_t index = 0;
    for (const RuleInfo& rule : policy_.rules) {
      if (traits_[index++].*trait && applies(*rule.module)) {
        CheckForbidden(rule, what, is_bad, found);
      }
    }
    record_.Add(std::move(found), false);
  }

  void Types() {
    Diagnostics found;
    Inference inference(rep_.types, rep_.Builtins(*policy_.builtins), *policy_.builtins, found);
    inference.dependents = [this](std::span<const Value> path) {
      return rep_.graph->Dependents(path);
    };
    Arena scratch;
    Lowering lowering(scratch, policy_, {.print = options_.print});
    for (uint32_t unit : rep_.graph->Order()) {
      CheckRule(rep_.graph->units()[unit], lowering, inference, found);
      scratch.Reset();
    }
    // As found in the order of dependencies; their own order decides which are within the limit.
    std::ranges::stable_sort(found, ComesBefore);
    record_.Add(std::move(found), false);
  }

  void CheckRule(const RuleUnit& unit, Lowering& lowering, Inference& inference,
                 Diagnostics& errors) {
    const RuleInfo& info = *unit.info;
    TypeTree overrides;
    TypeLayer layer{.tree = &overrides, .next = &rep_.rules_layer};
    if (options_.schema_annotations) ApplySchemas(unit, layer, overrides, errors);
    LoweredRule rule = lowering.Rule(info, *unit.rule);
    inference.Start(lowering.locals(), overrides.empty() ? &rep_.rules_layer : &layer,
                    info.module->file);
    const bool good = inference.Body(rule.body);
    std::vector<Value> path;
    for (const TreeNode* node = info.node; node->parent != nullptr; node = node->parent) {
      path.push_back(node->key);
    }
    path.push_back(Value::String("data"));
    std::ranges::reverse(path);
    if (!good) {
      // Whatever it may be: what refers to it is not to be blamed.
      rep_.rules.Put(path, kAnyType);
      return;
    }
    if (TypeRef type = RuleType(info, rule, inference); type != nullptr) {
      rep_.rules.Insert(path, type, rep_.types);
    }
  }

  TypeRef RuleType(const RuleInfo& info, LoweredRule& rule, Inference& inference) {
    TypeFactory& types = rep_.types;
    if (info.kind == RuleKind::kFunction) {
      auto* arguments = types.arena().Array<Argument>(rule.arguments.size());
      for (Node* argument : rule.arguments) inference.AssumeAny(*argument);
      for (size_t i = 0; i < rule.arguments.size(); ++i) {
        arguments[i] = {.name = {}, .type = inference.TypeOf(*rule.arguments[i])};
      }
      TypeRef result = rule.value != nullptr ? inference.TypeOf(*rule.value) : kBooleanType;
      return types.Function({arguments, rule.arguments.size()}, {.name = {}, .type = result});
    }
    TypeRef type = nullptr;
    if (info.kind == RuleKind::kPartialSet) {
      TypeRef of = rule.key != nullptr ? inference.TypeOf(*rule.key) : nullptr;
      if (of == nullptr) return nullptr;
      type = types.Set(of);
    } else {
      type = rule.value != nullptr ? inference.TypeOf(*rule.value) : kBooleanType;
    }
    for (size_t i = rule.path.size(); i-- > 0;) {
      TypeRef key = inference.TypeOf(*rule.path[i]);
      if (type == nullptr || key == nullptr) return nullptr;
      type = types.Object({}, key, type);
    }
    return type;
  }

  void ApplySchemas(const RuleUnit& unit, const TypeLayer& layer, TypeTree& overrides,
                    Diagnostics& errors) {
    for (const Value& annotation : rep_.annotations.Schemas(*unit.info)) {
      const Value path = annotation["path"];
      TypeRef type = AnnotatedType(annotation, unit, errors);
      if (type == nullptr || path.items().empty()) continue;
      // The shortest prefix of which something is known, and what is then known of it.
      std::span<const Value> keys = path.items();
      if (keys.size() == 1) {
        overrides.Put(keys, type);
        continue;
      }
      for (size_t length = 1; length <= keys.size(); ++length) {
        TypeRef known =
            length < keys.size() ? TypeAt(&layer, keys.first(length), rep_.types) : nullptr;
        if (length == keys.size()) {
          overrides.Put(keys, type);
        } else if (known != nullptr) {
          overrides.Put(keys.first(length),
                        Override(known, keys.subspan(length), type, rep_.types));
          break;
        }
      }
    }
  }

  TypeRef AnnotatedType(const Value& annotation, const RuleUnit& unit, Diagnostics& errors) {
    const Value* json = nullptr;
    std::string name;
    if (const Value* schema = annotation.Find("schema"); schema != nullptr) {
      if (schemas_.empty()) return nullptr;
      name = PathText(schema->items());
      if (auto at = annotated_.find(name); at != annotated_.end()) return at->second;
      json = schemas_.Find(name);
      // The one schema that a host gives may go by either name.
      if (json == nullptr && name == "schema") json = schemas_.Find("input");
      if (json == nullptr && name == "schema.input") json = schemas_.Find("input");
      if (json == nullptr) {
        errors.push_back(MakeDiagnostic("rego_type_error", unit.info->module, unit.rule->at,
                                        "undefined schema: " + name));
        return nullptr;
      }
    } else {
      json = annotation.Find("definition");
      if (json == nullptr) return nullptr;
    }
    Result<TypeRef> type = TypeFromSchema(*json, rep_.types, schemas_.Options());
    if (!type) {
      errors.push_back(MakeDiagnostic("rego_type_error", unit.info->module, unit.rule->at,
                                      type.error().message()));
      return nullptr;
    }
    if (!name.empty()) annotated_[name] = *type;
    return *type;
  }

  Resolution& policy_;
  CheckContext context_;
  const CheckOptions& options_;
  PolicyTypes::Rep& rep_;
  SchemaSet schemas_;
  Record record_;
  std::map<std::string, TypeRef> annotated_;
  std::vector<RuleTraits> traits_;  // in the order of the rules
};

void CheckPolicy(Resolution& policy, const CheckOptions& options, PolicyTypes& types,
                 std::vector<Diagnostic>& errors) {
  errors = PolicyCheck(policy, options, types).Run(std::move(errors));
}

class QueryCheck {
 public:
  QueryCheck(const Resolution& policy, const PolicyTypes& types, ResolvedQuery& query,
             const CheckOptions& options)
      : policy_(policy),
        context_(policy, options),
        rep_(*types.rep_),
        query_(query),
        options_(options) {}

  Diagnostics Run(Diagnostics resolved) {
    Stages(std::move(resolved));
    if (options_.error_limit != 0 && errors_.size() > options_.error_limit) {
      errors_.resize(options_.error_limit);
      errors_.push_back(MakeDiagnostic("rego_compile_error", nullptr, {}, "error limit reached"));
    }
    return std::move(errors_);
  }

 private:
  void Stages(Diagnostics resolved) {
    Body body = query_.query->body;
    if (body.empty()) {
      errors_.push_back(
          MakeDiagnostic("rego_compile_error", nullptr, {}, "empty query cannot be compiled"));
      return;
    }
    if (options_.strict) CheckRootOverrides(body, nullptr, errors_);
    if (!errors_.empty()) return;
    errors_ = std::move(resolved);
    if (errors_.empty()) CheckUnusedLocals(body, options_.strict, errors_);
    if (errors_.empty()) CheckTemplates(context_, body, errors_);
    if (errors_.empty()) CheckVoidCalls(context_, nullptr, body, errors_);
    if (errors_.empty() && options_.print) CheckPrints(context_, body, errors_);
    if (errors_.empty()) CheckWithTargets(context_, nullptr, body, errors_);
    if (errors_.empty()) CheckFunctions(context_, nullptr, body, rep_.input, errors_);
    if (errors_.empty()) OrderQuery(policy_, query_, errors_);
    if (errors_.empty()) Types();
    if (errors_.empty() && !context_.unsafe.empty()) {
      CheckForbidden(
          nullptr, query_.query->body, "unsafe",
          [&](std::string_view name) { return context_.unsafe.contains(name); }, errors_);
    }
    if (errors_.empty() && options_.strict) {
      CheckForbidden(
          nullptr, query_.query->body, "deprecated",
          [&](std::string_view name) {
            const Builtin* builtin = context_.Find(name);
            return builtin != nullptr && builtin->deprecated;
          },
          errors_);
    }
  }

  void Types() {
    Arena arena;
    TypeFactory types(arena);
    std::unique_ptr<BuiltinTypes> own;
    const BuiltinTypes* builtins = &BuiltinTypes::Standard();
    if (policy_.builtins != &Registry::Standard()) {
      builtins = rep_.own_builtins.get();
      if (builtins == nullptr) {
        own = std::make_unique<BuiltinTypes>(*policy_.builtins);
        builtins = own.get();
      }
    }
    Inference inference(types, *builtins, *policy_.builtins, errors_);
    if (rep_.graph != nullptr) {
      inference.dependents = [this](std::span<const Value> path) {
        return rep_.graph->Dependents(path);
      };
    }
    Lowering lowering(arena, policy_, {.print = options_.print, .unify_equals = false});
    Steps steps = lowering.Query(query_);
    inference.Start(lowering.locals(), &rep_.rules_layer, {});
    inference.Body(steps);
  }

  const Resolution& policy_;
  CheckContext context_;
  PolicyTypes::Rep& rep_;
  ResolvedQuery& query_;
  const CheckOptions& options_;
  Diagnostics errors_;
};

void CheckQuery(const Resolution& policy, const PolicyTypes& types, ResolvedQuery& query,
                const CheckOptions& options, std::vector<Diagnostic>& errors) {
  errors = QueryCheck(policy, types, query, options).Run(std::move(errors));
}

}  // namespace bulwark::rego
