#include "kube/cel/validation.h"

#include <algorithm>

#include "base/text.h"
#include "kube/cel/schema_types.h"
#include "kube/cel/schema_values.h"
#include "lang/cel/values.h"

namespace bulwark::kube {

namespace {

using Ref = StructuralSchema::Ref;
using Type = StructuralSchema::Type;
using ListType = StructuralSchema::ListType;

constexpr std::string_view kSelf = "self";
constexpr std::string_view kOldSelf = "oldSelf";
constexpr size_t kMaxMessageBytes = 5 * 1024;

}  // namespace

// A place of the schema that has rules, or has places below that do.
struct Validator::Node {
  struct Rule {
    const ValidationRule* source;
    std::string error;                            // why there is no program
    std::shared_ptr<const cel::Program> program;  // nullptr also where the rule is empty
    std::shared_ptr<const cel::Program> message;
    bool uses_old_self = false;
    std::string field_path;
  };
  Ref rules_schema;   // where the rules are, which is `schema` or a part of its allOf
  Ref schema;         // what the values are
  Ref value_schema;   // as `schema`, with what a resource has
  std::string error;  // why there are no rules
  std::vector<Rule> rules;
  bool uses_old_self = false;
  std::unique_ptr<Node> items, additional_properties;
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> properties;  // sorted
  std::vector<std::unique_ptr<Node>> all_of;

  const Node* FindProperty(std::string_view name) const {
    auto at = std::ranges::lower_bound(properties, name, {},
                                       [](const auto& p) { return std::string_view(p.first); });
    return at != properties.end() && at->first == name ? at->second.get() : nullptr;
  }
};

// --- Compiling -----------------------------------------------------------------------------------

class Validator::Compiler {
 public:
  Compiler(const CompileOptions& options, std::vector<CompiledRule>& out)
      : options_(options), out_(out) {}

  // A place in the schema, as a list of steps down to it.
  struct Place {
    const Place* above;
    std::string_view step;  // "items"
    std::string_view name;  // of a property
    std::optional<uint64_t> cardinality;
    std::string ToString() const {
      if (above == nullptr) return {};
      std::string out = above->ToString();
      if (!out.empty()) out += '.';
      out += step;
      if (step == "properties") out += "[" + std::string(name) + "]";
      return out;
    }
  };

  // `rules` is `schema`, or what an allOf says of it. `type` is nullptr for what CEL cannot see.
  std::unique_ptr<Node> Compile(const Ref& rules, const Ref& schema, bool is_resource,
                                const DeclaredType::Ref& type, const Place& place) {
    auto node = std::make_unique<Node>();
    node->rules_schema = rules;
    node->schema = schema;
    node->value_schema = is_resource ? StructuralSchema::AsResource(schema) : schema;
    CompileRules(*node, type, place);
    bool any = !node->rules.empty() || !node->error.empty();

    for (const Ref& clause : rules->all_of) {
      Place below{&place, "allOf", {}, place.cardinality};
      if (auto child = Compile(clause, schema, is_resource, type, below)) {
        node->all_of.push_back(std::move(child));
      }
    }
    const std::optional<uint64_t> cardinality = ChildCardinality(*schema, place.cardinality);
    const DeclaredType::Ref element = type != nullptr ? type->element : nullptr;
    if (rules->items != nullptr && schema->items != nullptr) {
      node->items = Compile(rules->items, schema->items, schema->items->embedded_resource, element,
                            {&place, "items", {}, cardinality});
    }
    CompileProperties(*node, type, {&place, "properties", {}, cardinality});
    if (rules->additional_properties != nullptr && schema->additional_properties != nullptr) {
      const Ref& values = schema->additional_properties;
      node->additional_properties =
          Compile(rules->additional_properties, values, values->embedded_resource, element,
                  {&place, "additionalProperties", {}, cardinality});
    }
    any |= !node->all_of.empty() || node->items != nullptr || !node->properties.empty() ||
           node->additional_properties != nullptr;
    return any ? std::move(node) : nullptr;
  }

 private:
  // How many values there can be below one, by what the schema declares.
  static std::optional<uint64_t> ChildCardinality(const StructuralSchema& schema,
                                                  std::optional<uint64_t> above) {
    std::optional<int64_t> count = 1;
    if (schema.type == Type::kArray) count = schema.max_items;
    if (schema.type == Type::kObject && schema.has_additional_properties) {
      count = schema.max_properties;
    }
    if (!above || !count) return std::nullopt;
    return cel::SaturatingMultiply(*above, static_cast<uint64_t>(std::max<int64_t>(*count, 0)));
  }

  void CompileProperties(Node& node, const DeclaredType::Ref& type, Place place) {
    for (const StructuralSchema::Property& rules : node.rules_schema->properties) {
      const StructuralSchema::Property* property = node.schema->FindProperty(rules.name);
      if (property == nullptr) continue;
      const bool is_resource = property->schema->embedded_resource;
      DeclaredType::Ref field;
      if (property->escaped) {
        if (type == nullptr) continue;
        auto declared = type->fields.find(*property->escaped);
        if (declared == type->fields.end()) continue;
        field = declared->second;
      } else {
        field = DeclareType(property->schema, is_resource);
        if (field == nullptr) continue;
      }
      place.name = rules.name;
      auto child = Compile(rules.schema, property->schema, is_resource, field, place);
      if (child != nullptr) node.properties.emplace_back(rules.name, std::move(child));
    }
  }

  void CompileRules(Node& node, const DeclaredType::Ref& type, const Place& place) {
    if (node.rules_schema->rules.empty()) return;
    if (type == nullptr) {
      node.error = "failed to convert to declType for CEL validation rules";
      return;
    }
    types_ = std::make_shared<const SchemaTypes>(type, options_.kubernetes_minor >= 31);
    envs_[0] = envs_[1] = nullptr;
    const std::string path = place.ToString();
    for (const ValidationRule& source : node.rules_schema->rules) {
      CompiledRule facts;
      facts.path = path;
      facts.rule = source.rule;
      facts.declared_cardinality = place.cardinality;
      Node::Rule rule;
      rule.source = &source;
      if (!Trim(source.rule).empty()) CompileRule(node, *type, rule, facts);
      rule.error = facts.error;
      rule.uses_old_self = facts.uses_old_self;
      rule.field_path = facts.field_path;
      node.uses_old_self |= rule.uses_old_self;
      node.rules.push_back(std::move(rule));
      out_.push_back(std::move(facts));
    }
  }

  void CompileRule(const Node& node, const DeclaredType& type, Node::Rule& rule,
                   CompiledRule& facts) {
    const ValidationRule& source = *rule.source;
    const SchemaSizes sizes(&type);
    Result<const cel::Env*> env = EnvFor(source.optional_old_self);
    if (!env) {
      facts.error = env.error().message();
      return;
    }
    auto compile = [&](const std::string& text, cel::Type wanted, uint64_t* max_cost,
                       bool* uses_old_self,
                       std::string* error) -> std::shared_ptr<const cel::Program> {
      const bool is_rule = uses_old_self != nullptr;
      auto fail = [&](std::string_view what) {
        *error = (is_rule ? "" : "messageExpression ") + std::string(what);
        return nullptr;
      };
      Result<std::shared_ptr<cel::Ast>> ast = (*env)->Parse(text);
      if (ast) ast = (*env)->Check(std::move(*ast));
      if (!ast) return fail("compilation failed: " + ast.error().message());
      if (!((*ast)->type() == wanted)) {
        return fail(is_rule ? "cel expression must evaluate to a bool"
                            : "must evaluate to a string");
      }
      if (is_rule) {
        *uses_old_self = std::ranges::any_of(
            (*ast)->references, [](const cel::Reference& r) { return r.name == kOldSelf; });
      }
      Result<std::shared_ptr<const cel::Program>> program = (*env)->Plan(*ast);
      if (!program) {
        return fail((is_rule ? "program instantiation failed: " : "instantiation failed: ") +
                    program.error().message());
      }
      *max_cost = cel::EstimateCost(**ast, &sizes, {.presence_test_has_cost = false}).max;
      return *program;
    };
    rule.program = compile(source.rule, cel::Type::Bool(), &facts.max_cost, &facts.uses_old_self,
                           &facts.error);
    if (rule.program == nullptr) return;
    facts.max_cardinality = type.MaxCardinality();
    if (!source.message_expression.empty()) {
      rule.message = compile(source.message_expression, cel::Type::String(),
                             &facts.message_max_cost, nullptr, &facts.message_error);
      if (rule.message == nullptr) return;
    }
    if (!source.field_path.empty()) {
      facts.field_path = NormalizeFieldPath(source.field_path, *node.schema).value_or("");
    }
  }

  // The environment of the types of the present place.
  Result<const cel::Env*> EnvFor(bool optional_old_self) {
    std::shared_ptr<const cel::Env>& env = envs_[optional_old_self ? 1 : 0];
    if (env == nullptr) {
      cel::EnvOptions options = cel::ext::KubernetesEnvironment(options_.kubernetes_minor);
      options.limits.max_cost = options_.per_call_limit;
      const cel::Type self = types_->root();
      const cel::Type old_self = optional_old_self ? types_->optional_root() : self;
      options.variables = {{std::string(kSelf), self}, {std::string(kOldSelf), old_self}};
      options.types = types_;
      env = BW_TRY(cel::Env::Create(std::move(options)));
    }
    return env.get();
  }

  const CompileOptions& options_;
  std::vector<CompiledRule>& out_;
  std::shared_ptr<const SchemaTypes> types_;
  std::shared_ptr<const cel::Env> envs_[2];
};

Validator::Validator() = default;
Validator::Validator(Validator&&) noexcept = default;
Validator& Validator::operator=(Validator&&) noexcept = default;
Validator::~Validator() = default;

Result<Validator> Validator::Compile(const Value& schema, const CompileOptions& options) {
  Ref root = BW_TRY(StructuralSchema::Parse(schema, options.max_depth));
  Validator validator;
  if (!root->HasRules()) return validator;
  Compiler compiler(options, validator.rules_);
  validator.root_ = compiler.Compile(root, root, options.is_resource,
                                     DeclareType(root, options.is_resource), {nullptr, {}, {}, 1});
  return validator;
}

uint64_t CompiledRule::EstimatedCost() const {
  return cel::SaturatingMultiply(max_cost, declared_cardinality.value_or(max_cardinality));
}

uint64_t Validator::EstimatedCost() const {
  uint64_t sum = 0;
  for (const CompiledRule& rule : rules_) {
    sum = cel::SaturatingAdd(sum, rule.EstimatedCost());
    sum = cel::SaturatingAdd(sum, rule.message_max_cost);
  }
  return sum;
}

std::string Violation::ToString() const {
  std::string out = path.empty() ? "<nil>" : path;
  out += ": ";
  switch (reason) {
    case ViolationReason::kInvalid: out += "Invalid value: " + Quote(value); break;
    case ViolationReason::kForbidden: out += "Forbidden"; break;
    case ViolationReason::kRequired: out += "Required value"; break;
    case ViolationReason::kDuplicate: out += "Duplicate value: " + Quote(value); break;
    case ViolationReason::kInternal: out += "Internal error"; break;
  }
  if (!message.empty()) out += ": " + message;
  return out;
}

// --- What has not changed ------------------------------------------------------------------------

namespace {

// Whether a value is what it was: of a map list whatever the order. What the schema does not know
// has changed. As deep as the schema.
bool IsUnchanged(const Value& value, const Value& old, const StructuralSchema& schema);

bool IsUnchangedList(const Value& value, const Value& old, const StructuralSchema& schema) {
  if (value.size() != old.size()) return false;
  if (schema.type != Type::kArray || schema.list_type != ListType::kMap ||
      schema.items == nullptr) {
    return value.empty() || (schema.list_type != ListType::kMap && value == old);
  }
  const KeyedItems before(old.items(), schema.list_map_keys);
  return std::ranges::all_of(value.items(), [&](const Value& item) {
    std::optional<size_t> at = before.Find(item);
    return at && IsUnchanged(item, old.items()[*at], *schema.items);
  });
}

const StructuralSchema* ChildSchema(const StructuralSchema& schema, std::string_view name) {
  const StructuralSchema::Property* property = schema.FindProperty(name);
  return property != nullptr ? property->schema.get() : schema.additional_properties.get();
}

bool IsUnchanged(const Value& value, const Value& old, const StructuralSchema& schema) {
  if (value.kind() != old.kind()) return false;
  if (value.IsArray()) return IsUnchangedList(value, old, schema);
  if (!value.IsMap()) return value == old;
  return value.size() == old.size() &&
         std::ranges::all_of(value.entries(), [&](const Value::Entry& entry) {
           const Value* before = old.Find(entry.key);
           const StructuralSchema* child =
               entry.key.IsString() ? ChildSchema(schema, entry.key.AsString()) : nullptr;
           return before != nullptr && child != nullptr &&
                  IsUnchanged(entry.value, *before, *child);
         });
}

// A value and what it was, where there is such a thing.
struct Correlated {
  Value value;
  Value old;
  const StructuralSchema* schema;
  mutable std::optional<bool> unchanged;
  bool IsUnchanged() const {
    if (!unchanged) unchanged = kube::IsUnchanged(value, old, *schema);
    return *unchanged;
  }
};

// Of a place: itself, or the nearest one above it that has one.
struct Correlation {
  const Correlated* current = nullptr;
  const Correlated* above = nullptr;
  bool Forgives() const {
    if (current != nullptr) return current->IsUnchanged();
    return above != nullptr && above->IsUnchanged();
  }
};

// A place in the object.
struct Path {
  enum class Kind : uint8_t { kRoot, kField, kKey, kIndex };
  const Path* above = nullptr;
  Kind kind = Kind::kRoot;
  std::string_view name;
  size_t index = 0;

  std::string ToString() const {
    std::string out = above != nullptr ? above->ToString() : std::string();
    switch (kind) {
      case Kind::kRoot: out += name; break;
      case Kind::kField:
        if (!out.empty()) out += '.';
        out += name;
        break;
      case Kind::kKey: out += "[" + std::string(name) + "]"; break;
      case Kind::kIndex: out += "[" + std::to_string(index) + "]"; break;
    }
    return out;
  }
};

// A value as it is, and as CEL sees it once that was asked for.
struct Subject {
  Value raw;
  std::optional<Value> seen;
};

}  // namespace

// --- Validating ----------------------------------------------------------------------------------

class Validator::Run {
 public:
  explicit Run(const ValidateOptions& options) : remaining_(options.budget) {}

  void Walk(const Node& node, const Path& path, Subject self, std::optional<Subject> old,
            const Correlation& correlation) {
    if (self.raw.IsNull()) return;  // rules on what may be null stand above it
    if (old && old->raw.IsNull()) old.reset();
    Rules(node, path, self, old, correlation);
    for (const auto& clause : node.all_of) {
      if (remaining_ < 0) return;
      Walk(*clause, path, self, old, {nullptr, correlation.above});
    }
    if (self.raw.IsArray()) {
      Items(node, path, self, old, correlation);
    } else if (self.raw.IsMap()) {
      Members(node, path, self, old, correlation);
    }
  }

  Validation Finish() && {
    out_.remaining_budget = remaining_;
    return std::move(out_);
  }

 private:
  // --- Below a value

  void Items(const Node& node, const Path& path, const Subject& self,
             const std::optional<Subject>& old, const Correlation& correlation) {
    if (node.items == nullptr) return;
    const StructuralSchema& schema = *node.schema;
    const bool keyed = schema.type == Type::kArray && schema.list_type == ListType::kMap;
    std::span<const Value> old_items;
    if (old && keyed) old_items = old->raw.items();
    std::optional<KeyedItems> before;
    if (!old_items.empty()) before.emplace(old_items, schema.list_map_keys);
    std::span<const Value> old_correlated;
    std::optional<KeyedItems> correlated_before;
    if (correlation.current != nullptr && keyed) {
      old_correlated = correlation.current->old.items();
      correlated_before.emplace(old_correlated, schema.list_map_keys);
    }
    for (size_t i = 0; i < self.raw.size() && remaining_ >= 0; ++i) {
      const Value& item = self.raw.items()[i];
      std::optional<Subject> was;
      if (before) {
        if (auto at = before->Find(item)) {
          was = Subject{old_items[*at], SeenItem(old->seen, *at)};
        }
      }
      Correlation below = correlation;
      Correlated here;
      if (correlation.current != nullptr) {
        below = {nullptr, correlation.current};
        if (auto at = correlated_before ? correlated_before->Find(item) : std::nullopt) {
          here = {item, old_correlated[*at], schema.items.get(), {}};
          if (!here.old.IsNull()) below.current = &here;
        }
      }
      Walk(*node.items, {&path, Path::Kind::kIndex, {}, i}, {item, SeenItem(self.seen, i)},
           std::move(was), below);
    }
  }

  void Members(const Node& node, const Path& path, const Subject& self,
               const std::optional<Subject>& old, const Correlation& correlation) {
    if (node.additional_properties == nullptr && node.properties.empty()) return;
    for (const bool fields : {false, true}) {
      for (const Value::Entry& entry : self.raw.entries()) {
        if (remaining_ < 0) return;
        if (!entry.key.IsString()) continue;
        std::string_view name = entry.key.AsString();
        const Node* child = fields ? node.FindProperty(name) : node.additional_properties.get();
        if (child == nullptr) continue;
        const StructuralSchema::Property* property =
            fields ? node.schema->FindProperty(name) : nullptr;
        // Where CEL sees something else there than the schema says, for a resource's sake.
        const bool differs = property != nullptr && node.value_schema != node.schema &&
                             node.value_schema->FindProperty(name)->schema != property->schema;
        std::string_view seen_name =
            property != nullptr && property->escaped ? *property->escaped : name;
        auto seen = [&](const std::optional<Value>& all) -> std::optional<Value> {
          const Value* found = all && !differs ? all->Find(seen_name) : nullptr;
          return found != nullptr ? std::optional(*found) : std::nullopt;
        };
        std::optional<Subject> was;
        if (old && node.schema->map_type_correlatable) {
          if (const Value* before = old->raw.Find(name)) was = Subject{*before, seen(old->seen)};
        }
        Correlated here;
        Correlation below = CorrelationOf(name, node, entry.value, correlation, &here);
        Walk(*child, {&path, fields ? Path::Kind::kField : Path::Kind::kKey, name, 0},
             {entry.value, seen(self.seen)}, std::move(was), below);
      }
    }
  }

  // `here` is for what it points at.
  static Correlation CorrelationOf(std::string_view name, const Node& node, const Value& value,
                                   const Correlation& correlation, Correlated* here) {
    if (correlation.current == nullptr) return correlation;
    // An object's own version and kind are not seen to change: both are converted to the same.
    if (correlation.above == nullptr && (name == "apiVersion" || name == "kind")) return {};
    Correlation below{nullptr, correlation.current};
    const Value* before = correlation.current->old.Find(name);
    const StructuralSchema* schema = ChildSchema(*node.schema, name);
    if (before != nullptr && schema != nullptr) {
      *here = {value, *before, schema, {}};
      below.current = here;
    }
    return below;
  }

  static std::optional<Value> SeenItem(const std::optional<Value>& list, size_t index) {
    if (!list) return std::nullopt;
    auto items = cel::ListItems(*list);
    return items && index < items->size() ? std::optional((*items)[index]) : std::nullopt;
  }

  // --- At a value

  const Value& Seen(Subject& subject, const Node& node) {
    if (!subject.seen) subject.seen = ToCelValue(values_, subject.raw, *node.value_schema);
    return *subject.seen;
  }

  void Rules(const Node& node, const Path& path, Subject& self, std::optional<Subject>& old,
             const Correlation& correlation) {
    if (!node.error.empty()) {
      return Report(path, node, "rule compiler initialization error: " + node.error);
    }
    if (node.rules.empty()) return;
    if (remaining_ <= 0) return OutOfBudget(path, node);
    Value bindings[2] = {Seen(self, node), Value()};
    Value old_self;
    if (node.uses_old_self && old) old_self = Seen(*old, node);
    for (const Node::Rule& rule : node.rules) {
      if (!rule.error.empty()) {
        Report(path, node, "rule compile error: " + rule.error);
        continue;
      }
      if (rule.program == nullptr) continue;
      if (rule.uses_old_self) {
        if (!old && !rule.source->optional_old_self) continue;
        bindings[1] = old_self;
        if (rule.source->optional_old_self) {
          bindings[1] = old ? cel::MakeOptional(values_, old_self) : cel::NoneOptional();
        }
      }
      if (!Apply(node, rule, path, bindings, correlation)) return;
    }
  }

  cel::Outcome Evaluate(const cel::Program& program, std::span<const Value> bindings) {
    return evaluator_.Run(program, bindings,
                          {.track_cost = true, .max_cost = static_cast<uint64_t>(remaining_)});
  }

  // False if no more rules are to be run.
  bool Apply(const Node& node, const Node::Rule& rule, const Path& path,
             std::span<const Value> bindings, const Correlation& correlation) {
    cel::Outcome outcome = Evaluate(*rule.program, bindings);
    if (!Spend(outcome.cost)) {
      OutOfBudget(path, node);
      return false;
    }
    if (outcome.value.IsTrue()) return true;
    if (!outcome.ok()) return FailedRun(node, rule, path, outcome.value);

    Violation violation;
    violation.reason = rule.source->reason;
    violation.path = path.ToString();
    violation.value = node.schema->type_name;
    violation.message = MessageOf(*rule.source);
    if (!rule.field_path.empty()) {
      if (!violation.path.empty()) violation.path += '.';
      violation.path += rule.field_path;
    }
    if (rule.message != nullptr) {
      cel::Outcome message = Evaluate(*rule.message, bindings);
      if (!Spend(message.cost)) {
        violation.reason = ViolationReason::kInvalid;
        violation.message =
            "messageExpression evaluation failed due to running out of cost budget, no further "
            "validation rules will be run";
      } else if (IsOverLimit(message.value)) {
        remaining_ = -1;
        violation.reason = ViolationReason::kInvalid;
        violation.message =
            "no further validation rules will be run due to call cost exceeds limit for "
            "messageExpression: " +
            Quote(rule.source->message_expression);
      } else if (message.value.IsString()) {
        // What cannot be a message is not one: then the rule's own stands.
        std::string_view text = Trim(message.value.AsString());
        if (!text.empty() && text.size() <= kMaxMessageBytes && !text.contains('\n')) {
          violation.message = text;
        }
      }
    }
    if (violation.reason == ViolationReason::kDuplicate) violation.message.clear();
    const bool forgiven = !rule.uses_old_self && correlation.Forgives();
    (forgiven ? out_.warnings : out_.errors).push_back(std::move(violation));
    return remaining_ >= 0;
  }

  static bool IsOverLimit(const Value& v) {
    return cel::IsError(v) && cel::ErrorMessage(v).starts_with("operation cancelled");
  }

  bool FailedRun(const Node& node, const Node::Rule& rule, const Path& path, const Value& value) {
    std::string why(cel::IsError(value) ? cel::ErrorMessage(value) : "unknown value");
    const std::string_view source =
        Trim(rule.source->message.empty() ? rule.source->rule : rule.source->message);
    if (IsOverLimit(value)) {
      Report(path, node,
             "'" + why +
                 "': no further validation rules will be run due to call cost exceeds limit for "
                 "rule: " +
                 std::string(source));
      remaining_ = -1;
      return false;
    }
    if (why.starts_with("no such overload")) {
      // The checker finds most of these, with their places; values of any type get past it.
      Report(path, node,
             "'" + why +
                 "': call arguments did not match a supported operator, function or macro "
                 "signature for rule: " +
                 std::string(source));
    } else {
      Report(path, node, why + " evaluating rule: " + std::string(source));
    }
    return true;
  }

  static std::string MessageOf(const ValidationRule& rule) {
    if (rule.message.empty()) return "failed rule: " + std::string(Trim(rule.rule));
    return std::string(Trim(rule.message));
  }

  // False, and there is none left, if that is more than there was.
  bool Spend(uint64_t cost) {
    if (cost > INT64_MAX || static_cast<int64_t>(cost) > remaining_) {
      remaining_ = -1;
      return false;
    }
    remaining_ -= static_cast<int64_t>(cost);
    return true;
  }

  void OutOfBudget(const Path& path, const Node& node) {
    remaining_ = -1;
    Report(path, node,
           "validation failed due to running out of cost budget, no further validation rules will "
           "be run");
  }

  void Report(const Path& path, const Node& node, std::string message) {
    out_.errors.push_back(
        {ViolationReason::kInvalid, path.ToString(), node.schema->type_name, std::move(message)});
  }

  Arena values_;
  cel::Evaluator evaluator_;
  int64_t remaining_;
  Validation out_;
};

Validation Validator::Validate(const Value& object, const Value* old_object,
                               const ValidateOptions& options) const {
  Run run(options);
  if (root_ != nullptr) {
    std::optional<Subject> old;
    if (old_object != nullptr) old = Subject{*old_object, {}};
    Correlated correlated;
    Correlation correlation;
    if (options.ratcheting && old_object != nullptr) {
      correlated = {object, *old_object, root_->schema.get(), {}};
      correlation.current = &correlated;
    }
    run.Walk(*root_, {nullptr, Path::Kind::kRoot, options.path, 0}, {object, {}}, std::move(old),
             correlation);
  }
  return std::move(run).Finish();
}

}  // namespace bulwark::kube
