#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "features/admission/go_text.h"
#include "features/admission/policy.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/ast/printer.h"
#include "lang/rego/rego.h"

namespace bulwark::admission {

namespace {

constexpr std::string_view kEntry = "template";

Error Bad(std::string message) {
  return Error(Code::kInvalid, "gate.template.rego", std::move(message));
}

Error BadTemplate(std::string_view message) {
  return Bad(fmt::format("invalid ConstraintTemplate: {}", message));
}

// The operands of a reference, and its head, as texts; "" for what is no name or text.
std::string_view PartOf(const rego::Term* term) {
  if (term->kind == rego::TermKind::kVar) return term->name;
  if (term->kind == rego::TermKind::kScalar && term->value.IsString()) {
    return term->value.AsString();
  }
  return "";
}

bool BeginsWith(std::span<rego::Term* const> ref, std::initializer_list<std::string_view> prefix) {
  if (ref.size() < prefix.size()) return false;
  size_t i = 0;
  for (std::string_view part : prefix) {
    if (PartOf(ref[i++]) != part) return false;
  }
  return true;
}

// Calls `visit(term, operands)` for every reference and every bare var in a rule, outermost first;
// where it says true, what is inside is passed over. Trees are as deep as the parser lets them be.
class RefWalk {
 public:
  using Visit = bool (*)(void* self, const rego::Term& term);
  RefWalk(void* self, Visit visit) : self_(self), visit_(visit) {}

  void Rule(const rego::Rule& rule) {
    for (const rego::Term* term : rule.head.args) Term(term);
    if (rule.head.ref.size() > 1) {
      for (const rego::Term* term : rule.head.ref.subspan(1)) Term(term);
    }
    Term(rule.head.key);
    Term(rule.head.value);
    Body(rule.body);
    if (rule.else_rule != nullptr) Rule(*rule.else_rule);
  }

 private:
  void Term(const rego::Term* term) {
    if (term == nullptr) return;
    if ((term->kind == rego::TermKind::kRef || term->kind == rego::TermKind::kVar) &&
        visit_(self_, *term)) {
      return;
    }
    for (const rego::Term* item : term->items) Term(item);
    Body(term->body);
  }

  void Body(rego::Body body) {
    for (const rego::Expr* expr : body) {
      Term(expr->term);
      for (const rego::Term* term : expr->terms) Term(term);
      Body(expr->lhs);
      Body(expr->rhs);
      for (const rego::With& with : expr->with) {
        Term(with.target);
        Term(with.value);
      }
    }
  }

  void* self_;
  Visit visit_;
};

// A template may look at data.inventory and at its own libraries, and at no other data.
Result<> CheckData(const rego::Module& module, std::string_view path) {
  struct Found {
    std::vector<std::string> wrong;
  } found;
  RefWalk walk(&found, [](void* self, const rego::Term& term) {
    bool ref = term.kind == rego::TermKind::kRef;
    std::string_view head = ref ? PartOf(term.items[0]) : term.name;
    if (ref && term.items[0]->kind != rego::TermKind::kVar) return false;
    if (head != "data") return ref;
    if (ref && (BeginsWith(term.items, {"data", "inventory"}) ||
                BeginsWith(term.items, {"data", "lib"}))) {
      return true;
    }
    static_cast<Found*>(self)->wrong.push_back(
        fmt::format("disallowed ref {}", rego::ToText(term)));
    return true;
  });
  for (const rego::Rule* rule : module.rules) walk.Rule(*rule);
  if (found.wrong.empty()) return Ok{};
  return BadTemplate(
      fmt::format("invalid data references: check refs failed on module {{{}}}: errors ({}):\n{}\n",
                  path, found.wrong.size(), fmt::join(found.wrong, "\n")));
}

Result<> CheckImports(const rego::Module& module) {
  for (const rego::Import* import : module.imports) {
    const rego::Term& path = *import->path;
    std::span<rego::Term* const> ref = path.items;
    bool is_ref = path.kind == rego::TermKind::kRef;
    std::string_view head = is_ref ? PartOf(ref[0]) : path.name;
    std::string text = rego::ToText(path);
    if (head == "input") {
      return BadTemplate(fmt::format("invalid import: cannot import input: {}", GoQuote(text)));
    }
    if (is_ref && BeginsWith(ref, {"data", "lib"})) continue;
    if (head == "future") continue;
    return BadTemplate(fmt::format("invalid import: bad import: {}", GoQuote(text)));
  }
  return Ok{};
}

class RegoPolicy final : public Policy {
 public:
  std::string_view engine() const override { return kRegoEngine; }
  Result<> Read(const Value& source, const PolicyOptions& options);
  Result<> Judge(const Review& review, std::span<const Constraint* const> constraints,
                 const JudgeContext& context, Arena& arena,
                 std::vector<Finding>& out) const override;

 private:
  class Tracer;
  Result<> Collect(const Constraint& constraint, const Value& found, Arena& arena,
                   std::vector<Finding>& out) const;

  std::shared_ptr<const rego::Policy> policy_, traced_;
  std::shared_ptr<const rego::PreparedQuery> query_;
  // With --trace: the same again, made so that it can be followed.
  std::shared_ptr<const rego::PreparedQuery> traced_query_;
};

struct Texts {
  std::string rego;
  std::vector<std::string> libs;
  rego::Dialect dialect = rego::Dialect::kV0;
};

Result<Texts> ReadTexts(const Value& source) {
  if (!source.IsMap()) return Bad("could not recognize the type");
  Texts out;
  auto accessor = [](std::string_view field, const Value& found, std::string_view expected,
                     std::string_view what) {
    return Bad(
        fmt::format(".{} accessor error: {} is of the type {}, expected {}: while "
                    "extracting Rego {}",
                    field, GoText(found), GoType(found), expected, what));
  };
  const Value* rego_text = source.Find("rego");
  if (rego_text == nullptr) return Bad("rego source missing required field: rego");
  if (!rego_text->IsString()) return accessor("rego", *rego_text, "string", "source");
  out.rego = rego_text->AsString();
  if (const Value* version = source.Find("version")) {
    if (!version->IsString()) return accessor("version", *version, "string", "version");
    if (version->AsString() == "v1") out.dialect = rego::Dialect::kV1;
  }
  if (const Value* libs = source.Find("libs")) {
    if (!libs->IsArray()) return accessor("libs", *libs, "[]interface{}", "libs");
    for (const Value& lib : libs->items()) {
      if (!lib.IsString()) return accessor("libs", lib, "string", "libs");
      out.libs.emplace_back(lib.AsString());
    }
  }
  return out;
}

Result<std::vector<std::unique_ptr<rego::Module>>> ReadModules(const Texts& texts) {
  const rego::ParseOptions parse{.dialect = texts.dialect};
  std::vector<std::unique_ptr<rego::Module>> out;
  auto entry = rego::ParseModule(std::string(kEntry), texts.rego, parse);
  if (!entry) return BadTemplate(entry.error().message());
  rego::Module& module = **entry;
  // Every template is data.template, whatever it calls itself.
  if (module.package.path.empty()) {
    return BadTemplate("invalid module: module \"template\" is empty");
  }
  auto* name = module.arena.New<rego::Term>();
  name->value = Value::String(kEntry);
  name->at = module.package.path.back()->at;
  rego::Term* path[] = {module.package.path[0], name};
  module.package.path = module.arena.Copy<rego::Term*>(path);
  bool has_violation =
      std::any_of(module.rules.begin(), module.rules.end(),
                  [](const rego::Rule* rule) { return rule->head.name == "violation"; });
  if (!has_violation) {
    return BadTemplate("invalid rego: invalid module: missing required rules: [violation]");
  }
  std::vector<std::string> paths;
  for (size_t i = 0; i < texts.libs.size(); ++i) {
    paths.push_back(fmt::format("libs[\"lib_{}\"]", i));
    auto lib = rego::ParseModule(paths.back(), texts.libs[i], parse);
    if (!lib) return BadTemplate(lib.error().message());
    out.push_back(*std::move(lib));
  }
  for (const auto& lib : out) {
    std::span<rego::Term* const> package = lib->package.path;
    if (package.size() > 2 && BeginsWith(package, {"data", "lib"})) continue;
    std::string text;
    for (const rego::Term* part : package) {
      text += fmt::format("{}{}", text.empty() ? "" : ".", PartOf(part));
    }
    return BadTemplate(fmt::format("invalid lib prefix: path {} not found in lib prefixes", text));
  }
  paths.emplace_back(kEntry);
  out.push_back(*std::move(entry));
  for (const auto& each : out) BW_TRY(CheckImports(*each));
  for (size_t i = 0; i < out.size(); ++i) BW_TRY(CheckData(*out[i], paths[i]));
  return out;
}

Result<std::shared_ptr<const rego::PreparedQuery>> Prepare(
    std::vector<std::unique_ptr<rego::Module>> modules, const rego::CompileOptions& options,
    std::shared_ptr<const rego::Policy>& policy) {
  auto compiled = rego::Policy::Compile(std::move(modules), options);
  if (!compiled) {
    return Bad(fmt::format("unable to compile modules: {}", compiled.error().message()));
  }
  policy = *compiled;
  auto query = policy->Prepare("data.template.violation");
  if (!query) return Bad(fmt::format("unable to compile modules: {}", query.error().message()));
  return query;
}

// What was tried, and what held, line by line.
class RegoPolicy::Tracer final : public rego::Observer {
 public:
  explicit Tracer(std::string& out) : out_(out) {}
  void OnEnter(const rego::Module* module, const rego::Location& at) override {
    Line("Eval", module, at);
  }
  void OnHold(const rego::Module* module, const rego::Location& at) override {
    Line("Holds", module, at);
  }

 private:
  void Line(std::string_view what, const rego::Module* module, const rego::Location& at) {
    constexpr size_t kMost = size_t{16} << 20;
    if (module == nullptr || out_.size() > kMost) return;
    out_ += fmt::format("{}:{:<6} {:<5} {}\n", module->file, at.row, what, module->Text(at));
  }
  std::string& out_;
};

Result<> RegoPolicy::Read(const Value& source, const PolicyOptions& options) {
  Texts texts = BW_TRY(ReadTexts(source));
  auto modules = BW_TRY(ReadModules(texts));
  rego::CompileOptions compile{.print = options.print};
  query_ = BW_TRY(Prepare(std::move(modules), compile, policy_));
  if (options.trace) {
    compile.observe = true;
    auto again = BW_TRY(ReadModules(texts));
    traced_query_ = BW_TRY(Prepare(std::move(again), compile, traced_));
  }
  return Ok{};
}

Result<> RegoPolicy::Collect(const Constraint& constraint, const Value& found, Arena& arena,
                             std::vector<Finding>& out) const {
  size_t first = out.size();
  auto add = [&](const Value& violation) -> Result<> {
    if (!violation.IsMap()) return Ok{};
    const Value* message = violation.Find("msg");
    if (message == nullptr) return Ok{};
    if (!message->IsString()) {
      return Error(Code::kInvalid, "gate.review",
                   fmt::format("extracting message binding: .msg accessor error: {} is of the type "
                               "{}, expected string",
                               GoText(*message), GoType(*message)));
    }
    const Value* details = violation.Find("details");
    out.push_back({&constraint, message->AsString(), true,
                   details == nullptr ? Value::EmptyMap() : *details});
    return Ok{};
  };
  if (found.IsMap()) {
    for (const auto& [key, value] : found.entries()) BW_TRY(add(key));
  } else {
    for (const Value& item : found.items()) BW_TRY(add(item));
  }
  (void)arena;
  // In the order of a set of {details, key, msg}.
  auto begin = out.begin() + static_cast<ptrdiff_t>(first);
  auto less = [](const Finding& a, const Finding& b) {
    int order = Value::Compare(a.details, b.details);
    return order != 0 ? order < 0 : a.message < b.message;
  };
  std::stable_sort(begin, out.end(), less);
  out.erase(std::unique(begin, out.end(),
                        [&](const Finding& a, const Finding& b) {
                          return a.message == b.message && a.details == b.details;
                        }),
            out.end());
  return Ok{};
}

Result<> RegoPolicy::Judge(const Review& review, std::span<const Constraint* const> constraints,
                           const JudgeContext& context, Arena& arena,
                           std::vector<Finding>& out) const {
  const rego::PreparedQuery& query =
      context.trace != nullptr && traced_query_ != nullptr ? *traced_query_ : *query_;
  std::optional<Tracer> tracer;
  if (context.trace != nullptr) tracer.emplace(*context.trace);
  size_t first = out.size();
  for (const Constraint* constraint : constraints) {
    Value::Entry entries[] = {{Value::String("review"), review.request},
                              {Value::String("parameters"), constraint->parameters}};
    const Value input = MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(entries));
    rego::EvalOptions options;
    options.input = &input;
    options.data = context.data;
    options.host = context.host;
    if (tracer) options.observer = &*tracer;
    Result<std::optional<Value>> found = query.EvaluateOne(options, arena);
    if (!found) {
      // One question is asked for all constraints of a kind: all of them fail.
      out.resize(first);
      std::string_view message = arena.Copy(found.error().message());
      for (const Constraint* each : constraints) out.push_back({each, message, true, Value()});
      return Ok{};
    }
    if (*found) BW_TRY(Collect(*constraint, **found, arena, out));
  }
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<const Policy>> CompileRego(const ConstraintTemplate& of,
                                                  const PolicyOptions& options) {
  const ConstraintTemplate::Source* source = of.Find(kRegoEngine);
  if (source == nullptr) return Bad("could not extract Rego from the constraint template");
  auto out = std::make_unique<RegoPolicy>();
  BW_TRY(out->Read(source->source, options));
  return std::unique_ptr<const Policy>(std::move(out));
}

}  // namespace bulwark::admission
