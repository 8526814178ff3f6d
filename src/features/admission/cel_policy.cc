#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/text.h"
#include "features/admission/go_text.h"
#include "features/admission/policy.h"
#include "lang/cel/env.h"
#include "lang/cel/ext/kubernetes.h"
#include "lang/cel/program.h"
#include "lang/cel/values.h"

namespace bulwark::admission {

namespace {

constexpr std::string_view kReserved = "gatekeeper_internal_";
constexpr size_t kMaxMessage = 5 * 1024;
constexpr std::string_view kVariables = "kubernetes.variables";

// The types that an API server declares for admission (apiserver v0.36,
// pkg/admission/plugin/cel/compile.go), and that of `variables`, whose fields are added one by one.
class AdmissionTypes final : public cel::TypeProvider {
 public:
  AdmissionTypes() {
    using cel::Type;
    const Type text = Type::String(), time = Type::Timestamp();
    const Type texts = Type::List(arena_, text);
    const Type labels = Type::Map(arena_, text, text);
    auto type = [&](std::string_view name) { return Type::Struct(arena_, name); };
    fields_["kubernetes.GroupVersionKind"] = {{"group", text}, {"version", text}, {"kind", text}};
    fields_["kubernetes.GroupVersionResource"] = {
        {"group", text}, {"version", text}, {"resource", text}};
    fields_["kubernetes.UserInfo"] = {{"username", text},
                                      {"uid", text},
                                      {"groups", texts},
                                      {"extra", Type::Map(arena_, text, texts)}};
    const Type gvk = type("kubernetes.GroupVersionKind");
    const Type gvr = type("kubernetes.GroupVersionResource");
    fields_["kubernetes.AdmissionRequest"] = {{"kind", gvk},
                                              {"resource", gvr},
                                              {"subResource", text},
                                              {"requestKind", gvk},
                                              {"requestResource", gvr},
                                              {"requestSubResource", text},
                                              {"name", text},
                                              {"namespace", text},
                                              {"operation", text},
                                              {"userInfo", type("kubernetes.UserInfo")},
                                              {"dryRun", Type::Bool()},
                                              {"options", Type::Dyn()}};
    fields_["kubernetes.NamespaceSpec"] = {{"finalizers", texts}};
    fields_["kubernetes.NamespaceCondition"] = {{"status", text},
                                                {"type", text},
                                                {"lastTransitionTime", time},
                                                {"message", text},
                                                {"reason", text}};
    fields_["kubernetes.NamespaceStatus"] = {
        {"conditions", Type::List(arena_, type("kubernetes.NamespaceCondition"))}, {"phase", text}};
    fields_["kubernetes.NamespaceMetadata"] = {{"name", text},
                                               {"generateName", text},
                                               {"namespace", text},
                                               {"labels", labels},
                                               {"annotations", labels},
                                               {"UID", text},
                                               {"creationTimestamp", time},
                                               {"deletionGracePeriodSeconds", Type::Int()},
                                               {"deletionTimestamp", time},
                                               {"generation", Type::Int()},
                                               {"resourceVersion", text},
                                               {"finalizers", texts}};
    fields_["kubernetes.Namespace"] = {{"metadata", type("kubernetes.NamespaceMetadata")},
                                       {"spec", type("kubernetes.NamespaceSpec")},
                                       {"status", type("kubernetes.NamespaceStatus")}};
    fields_[std::string(kVariables)] = {};
  }

  cel::Type Of(std::string_view name) const {
    std::lock_guard lock(mutex_);
    return cel::Type::Struct(arena_, name);
  }

  void AddVariable(const std::string& name, cel::Type type) {
    fields_[std::string(kVariables)].insert_or_assign(name, type);
  }

  std::optional<cel::Type> FindType(std::string_view name) const override {
    if (!fields_.contains(name)) return std::nullopt;
    return Of(name);
  }

  std::optional<Field> FindField(std::string_view type, std::string_view field) const override {
    auto found = fields_.find(type);
    if (found == fields_.end()) return std::nullopt;
    auto at = found->second.find(field);
    if (at == found->second.end()) return std::nullopt;
    return Field{at->second, at->first};
  }

  Value Create(Arena& arena, std::string_view type,
               std::span<const std::pair<std::string_view, Value>>) const override {
    return cel::MakeError(arena, fmt::format("unknown type '{}'", type));
  }

 private:
  mutable std::mutex mutex_;
  mutable Arena arena_{1024};
  std::map<std::string, std::map<std::string, cel::Type, std::less<>>, std::less<>> fields_;
};

struct Expression {
  std::string text;
  std::shared_ptr<const cel::Program> program;
  std::string error;                // why there is none
  std::vector<uint32_t> variables;  // of the policy's that it names
};

struct NamedExpression {
  std::string name;
  Expression expression;
};

struct Validation {
  Expression expression, message_expression;
  std::string message;
  bool has_message_expression = false;
};

// Which of `variables` an expression names.
void FindVariables(const cel::Expr* expr, std::set<std::string_view>& out) {
  if (expr == nullptr) return;
  if (expr->kind == cel::ExprKind::kSelect && expr->operand != nullptr &&
      expr->operand->kind == cel::ExprKind::kIdent && expr->operand->name == "variables") {
    out.insert(expr->name);
  }
  FindVariables(expr->operand, out);
  for (const cel::Expr* arg : expr->args) FindVariables(arg, out);
  for (const cel::MapEntry& entry : expr->entries) {
    FindVariables(entry.key, out);
    FindVariables(entry.value, out);
  }
  if (expr->loop != nullptr) {
    for (const cel::Expr* part : {expr->loop->range, expr->loop->accu_init, expr->loop->condition,
                                  expr->loop->step, expr->loop->result}) {
      FindVariables(part, out);
    }
  }
}

class CelPolicy final : public Policy {
 public:
  std::string_view engine() const override { return kCelEngine; }

  Result<> Read(const Value& source, const PolicyOptions& options);
  Result<> Judge(const Review& review, std::span<const Constraint* const> constraints,
                 const JudgeContext& context, Arena& arena,
                 std::vector<Finding>& out) const override;

 private:
  enum class Wanted : uint8_t { kAnything, kBool, kString };
  class Run;

  Expression Compile(std::string_view text, const cel::Env& env, Wanted wanted) const;
  Result<std::string> Text(const Value& map, std::string_view field) const;
  void AddVariable(std::string name, std::string_view text, const cel::Env& env);

  std::shared_ptr<AdmissionTypes> types_ = std::make_shared<AdmissionTypes>();
  std::vector<NamedExpression> variables_, conditions_;
  std::vector<Validation> validations_;
  bool fail_ = true;
};

Error Bad(std::string message) {
  return Error(Code::kInvalid, "gate.template.cel", std::move(message));
}

Result<std::string> CelPolicy::Text(const Value& map, std::string_view field) const {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return std::string();
  if (!found->IsString()) {
    return Bad(fmt::format("{}: cannot convert {} to string", field, GoType(*found)));
  }
  return std::string(found->AsString());
}

Expression CelPolicy::Compile(std::string_view text, const cel::Env& env, Wanted wanted) const {
  Expression out;
  out.text = text;
  auto compiled = env.Compile(text);
  if (!compiled) {
    out.error = fmt::format("compilation failed: {}", compiled.error().message());
    return out;
  }
  const cel::Ast& ast = cel::AstOf(**compiled);
  std::string type = ast.type().ToString();
  if ((wanted == Wanted::kBool && type != "bool") ||
      (wanted == Wanted::kString && type != "string")) {
    out.error = fmt::format("must evaluate to {} but got {}",
                            wanted == Wanted::kBool ? "bool" : "string", type);
    return out;
  }
  out.program = *compiled;
  std::set<std::string_view> named;
  FindVariables(ast.root, named);
  for (uint32_t i = 0; i < variables_.size(); ++i) {
    if (named.contains(variables_[i].name)) out.variables.push_back(i);
  }
  return out;
}

void CelPolicy::AddVariable(std::string name, std::string_view text, const cel::Env& env) {
  Expression expression = Compile(text, env, Wanted::kAnything);
  types_->AddVariable(name, expression.program != nullptr ? cel::AstOf(*expression.program).type()
                                                          : cel::Type::Dyn());
  variables_.push_back({std::move(name), std::move(expression)});
}

Result<> CelPolicy::Read(const Value& source, const PolicyOptions& options) {
  if (!source.IsMap()) return Bad("could not recognize the type");
  auto list = [&](std::string_view field) -> Result<std::span<const Value>> {
    const Value* found = source.Find(field);
    if (found == nullptr || found->IsNull()) return std::span<const Value>();
    if (!found->IsArray()) {
      return Bad(fmt::format("{}: cannot restore slice from {}", field, GoType(*found)));
    }
    for (const Value& item : found->items()) {
      if (!item.IsMap()) {
        return Bad(fmt::format("{}: cannot restore struct from: {}", field, GoType(item)));
      }
    }
    return found->items();
  };
  auto conditions = BW_TRY(list("matchCondition"));
  auto variables = BW_TRY(list("variables"));
  auto validations = BW_TRY(list("validations"));
  for (const Value& condition : conditions) {
    std::string name = BW_TRY(Text(condition, "name"));
    if (name.starts_with(kReserved)) {
      return Bad(
          fmt::format("invalid match condition: {} is not a valid match condition; cannot "
                      "have \"{}\" as a prefix",
                      name, kReserved));
    }
  }
  for (const Value& variable : variables) {
    std::string name = BW_TRY(Text(variable, "name"));
    if (name.starts_with(kReserved)) {
      return Bad(
          fmt::format("invalid variable definition: {} is not a valid variable; cannot have "
                      "\"{}\" as a prefix",
                      name, kReserved));
    }
    if (name == "params" || name == "anyObject") {
      return Bad(
          fmt::format("invalid variable definition: {0} an invalid variable name, \"{0}\" is "
                      "a reserved keyword",
                      name));
    }
  }
  fail_ = options.fail_by_default;
  if (const Value* given = source.Find("failurePolicy"); given != nullptr && !given->IsNull()) {
    std::string policy = BW_TRY(Text(source, "failurePolicy"));
    if (policy != "Fail" && policy != "Ignore") {
      return Bad(fmt::format("invalid failure policy: unrecognized failure policy: {}", policy));
    }
    fail_ = policy == "Fail";
  }

  // What every expression sees; params only what Gatekeeper's own and the variables do.
  auto env_of = [&](bool params) {
    cel::EnvOptions env = cel::ext::KubernetesEnvironment();
    env.types = types_;
    env.variables = {{"object", cel::Type::Dyn()},
                     {"oldObject", cel::Type::Dyn()},
                     {"namespaceObject", types_->Of("kubernetes.Namespace")},
                     {"request", types_->Of("kubernetes.AdmissionRequest")},
                     {"variables", types_->Of(kVariables)}};
    if (params) env.variables.push_back({"params", cel::Type::Dyn()});
    return cel::Env::Create(std::move(env));
  };
  auto with_params = BW_TRY(env_of(true));
  auto without = BW_TRY(env_of(false));
  AddVariable("anyObject",
              "has(request.operation) && request.operation == \"DELETE\" && object == null ? "
              "oldObject : object",
              *with_params);
  AddVariable("params",
              "!has(params.spec) ? null : !has(params.spec.parameters) ? null: "
              "params.spec.parameters",
              *with_params);
  for (const Value& variable : variables) {
    AddVariable(BW_TRY(Text(variable, "name")), BW_TRY(Text(variable, "expression")), *with_params);
  }
  for (const Value& condition : conditions) {
    conditions_.push_back({
      BW_TRY(Text(condition, "name"))
      , Compile(BW_TRY(Text(condition, "expression")), *without, Wanted::kBool)
    });
  }
  for (const Value& validation : validations) {
    Validation made;
    made.expression = Compile(BW_TRY(Text(validation, "expression")), *without, Wanted::kBool);
    made.message = BW_TRY(Text(validation, "message"));
    std::string message = BW_TRY(Text(validation, "messageExpression"));
    if (!message.empty()) {
      made.has_message_expression = true;
      made.message_expression = Compile(message, *without, Wanted::kString);
    }
    validations_.push_back(std::move(made));
  }
  return Ok{};
}

// One constraint over one review. Variables are evaluated when first asked for, and kept for the
// expressions of one list, as in Kubernetes.
class CelPolicy::Run {
 public:
  Run(const CelPolicy& policy, const Value (&bindings)[6], uint64_t budget, Arena& arena)
      : policy_(policy), arena_(arena), budget_(budget), values_(policy.variables_.size()) {
    std::copy(std::begin(bindings), std::end(bindings), bindings_);
  }

  struct Answer {
    Value value;
    std::string error;
    bool over_budget = false;
  };

  Answer Ask(const Expression& expression) {
    Answer answer;
    if (expression.program == nullptr) {
      answer.error = fmt::format("compilation error: {}", expression.error);
      return answer;
    }
    BindVariables(expression);
    cel::Outcome outcome = Evaluate(expression);
    if (spent_ > budget_) {
      answer.over_budget = true;
      answer.error =
          "validation failed due to running out of cost budget, no further validation rules will "
          "be run";
      return answer;
    }
    if (!outcome.ok()) {
      answer.error = fmt::format(
          "expression '{}' resulted in error: {}", expression.text,
          cel::IsError(outcome.value) ? cel::ErrorMessage(outcome.value) : "unknown value");
      return answer;
    }
    answer.value = outcome.value;
    return answer;
  }

  uint64_t remaining() const { return budget_ > spent_ ? budget_ - spent_ : 0; }

 private:
  cel::Outcome Evaluate(const Expression& expression) {
    static thread_local cel::Evaluator evaluator;
    cel::Outcome outcome =
        evaluator.Run(*expression.program, bindings_,
                      {.track_cost = true, .max_cost = cel::ext::kKubernetesCallLimit}, &arena_);
    spent_ += outcome.cost;
    return outcome;
  }

  // A variable names only those before it: no circles, and no more depth than there are variables.
  void Need(uint32_t index) {
    if (values_[index]) return;
    const auto& [name, expression] = policy_.variables_[index];
    if (expression.program == nullptr) {
      values_[index] =
          cel::MakeError(arena_, fmt::format("composited variable {} fails to compile: {}",
                                             GoQuote(name), expression.error));
      return;
    }
    BindVariables(expression);
    cel::Outcome outcome = Evaluate(expression);
    values_[index] =
        outcome.ok()
            ? outcome.value
            : cel::MakeError(
                  arena_, fmt::format("composited variable {} fails to evaluate: {}", GoQuote(name),
                                      cel::IsError(outcome.value) ? cel::ErrorMessage(outcome.value)
                                                                  : "unknown value"));
  }

  void BindVariables(const Expression& expression) {
    if (expression.variables.empty()) {
      bindings_[4] = Value::EmptyMap();
      return;
    }
    for (uint32_t index : expression.variables) Need(index);
    MapBuilder map(arena_, expression.variables.size());
    for (uint32_t index : expression.variables) {
      map.Add(policy_.variables_[index].name, *values_[index]);
    }
    bindings_[4] = map.Finish();
  }

  const CelPolicy& policy_;
  Arena& arena_;
  uint64_t budget_, spent_ = 0;
  Value bindings_[6];
  std::vector<std::optional<Value>> values_;
};

Result<> CelPolicy::Judge(const Review& review, std::span<const Constraint* const> constraints,
                          const JudgeContext&, Arena& arena, std::vector<Finding>& out) const {
  for (const Constraint* constraint : constraints) {
    auto deny = [&](std::string_view message) {
      out.push_back({constraint, arena.Copy(message), false, Value()});
    };
    auto deny_error = [&](std::string_view message) {
      if (fail_) deny(message);
    };
    // Gatekeeper shows Rego the old object of a DELETE in both places; CEL has it in its own alone.
    const Value bindings[6] = {review.is_delete ? Value() : review.object,
                               review.old_object,
                               Value(),
                               review.cel_request,
                               Value(),
                               constraint->object};
    Run matching(*this, bindings, cel::ext::kKubernetesMatchConditionsLimit, arena);
    std::vector<std::string> errors;
    bool excluded = false, over = false;
    for (const NamedExpression& condition : conditions_) {
      Run::Answer answer = matching.Ask(condition.expression);
      if (answer.over_budget) {
        errors = {answer.error};
        over = true;
        break;
      }
      if (!answer.error.empty()) errors.push_back(answer.error);
      if (answer.error.empty() && answer.value.IsFalse()) {
        excluded = true;
        break;
      }
    }
    if (excluded) continue;
    if (!errors.empty()) {
      std::vector<std::string> unique;
      for (std::string& error : errors) {
        if (std::find(unique.begin(), unique.end(), error) == unique.end()) {
          unique.push_back(std::move(error));
        }
      }
      deny_error(unique.size() == 1 || over ? unique[0]
                                            : fmt::format("[{}]", fmt::join(unique, ", ")));
      continue;
    }

    Run run(*this, bindings, cel::ext::kKubernetesCallLimit, arena);
    std::vector<Run::Answer> answers;
    std::string exhausted;
    for (const Validation& validation : validations_) {
      answers.push_back(run.Ask(validation.expression));
      if (answers.back().over_budget) {
        exhausted = answers.back().error;
        break;
      }
    }
    if (!exhausted.empty()) {
      deny_error(exhausted);
      continue;
    }
    Run messages(*this, bindings, run.remaining(), arena);
    std::string messages_exhausted;
    std::vector<std::string> texts(validations_.size());
    for (size_t i = 0; i < validations_.size() && messages_exhausted.empty(); ++i) {
      const Validation& validation = validations_[i];
      bool holds = answers[i].error.empty() && answers[i].value.IsTrue();
      if (!validation.has_message_expression || holds) continue;
      Run::Answer answer = messages.Ask(validation.message_expression);
      if (answer.over_budget) {
        messages_exhausted = answer.error;
      } else if (answer.error.empty() && answer.value.IsString()) {
        texts[i] = Trim(answer.value.AsString());
        if (texts[i].size() > kMaxMessage || texts[i].find('\n') != std::string::npos) {
          texts[i].clear();
        }
      }
    }
    for (size_t i = 0; i < validations_.size(); ++i) {
      const Validation& validation = validations_[i];
      if (!answers[i].error.empty()) {
        deny_error(answers[i].error);
      } else if (!messages_exhausted.empty()) {
        deny_error(fmt::format("failed messageExpression: {}", messages_exhausted));
      } else if (!answers[i].value.IsTrue()) {
        std::string text = texts[i];
        if (text.empty()) text = Trim(validation.message);
        if (text.empty())
          text = fmt::format("failed expression: {}", Trim(validation.expression.text));
        deny(text);
      }
    }
  }
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<const Policy>> CompileCel(const ConstraintTemplate& of,
                                                 const PolicyOptions& options) {
  const ConstraintTemplate::Source* source = of.Find(kCelEngine);
  if (source == nullptr) return Bad("K8sNativeValidation engine is missing");
  auto out = std::make_unique<CelPolicy>();
  BW_TRY(out->Read(source->source, options));
  return std::unique_ptr<const Policy>(std::move(out));
}

}  // namespace bulwark::admission
