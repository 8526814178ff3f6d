// The public face: modules in, prepared queries out.

#include <fmt/core.h>

#include <algorithm>

#include "lang/rego/ast/parser.h"
#include "lang/rego/check/check.h"
#include "lang/rego/machine.h"
#include "lang/rego/planner.h"
#include "lang/rego/rego.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

namespace {

Error Refused(std::vector<Diagnostic> found, std::vector<Diagnostic>* errors) {
  Error error(Code::kInvalid, found.front().code, DiagnosticsText(found));
  if (errors != nullptr) *errors = std::move(found);
  return error;
}

class Compiled;

class Prepared : public PreparedQuery {
 public:
  explicit Prepared(std::shared_ptr<const Compiled> policy) : policy_(std::move(policy)) {}
  Result<ResultSet> Evaluate(const EvalOptions& options, Arena& arena) const override;
  Result<std::optional<Value>> EvaluateOne(const EvalOptions& options, Arena& arena) const override;

  ResolvedQuery resolved;
  QueryPlan plan;
  std::shared_ptr<const Module> header;  // of the imports

 private:
  std::shared_ptr<const Compiled> policy_;
};

class Compiled : public Policy {
 public:
  explicit Compiled(const CompileOptions& options) : options_(options) {}

  bool Build(std::vector<std::unique_ptr<Module>> modules, std::vector<Diagnostic>& errors) {
    ResolveModules(std::move(modules), {.builtins = options_.builtins}, resolution_, errors);
    CheckPolicy(resolution_, Checks(), types_, errors);
    if (!errors.empty()) return false;
    PlanModules(resolution_, Plans(), plan_, errors);
    return errors.empty();
  }

  Result<std::shared_ptr<const PreparedQuery>> Prepare(std::string_view text,
                                                       std::string_view package,
                                                       std::span<const std::string> imports,
                                                       std::vector<Diagnostic>* errors,
                                                       Dialect dialect) const override {
    std::vector<Diagnostic> found;
    ParseOptions parse;
    parse.dialect = dialect;
    parse.all_future_keywords = dialect != Dialect::kV0;
    Result<std::unique_ptr<Query>> query = ParseQuery(std::string(text), parse, errors);
    if (!query) return std::move(query).error();
    // Imports are read as those of a module, which then lends its nodes to the query.
    std::shared_ptr<Module> header;
    if (!imports.empty()) {
      std::string source = "package query\n";
      for (const std::string& import : imports) source += "import " + import + "\n";
      Result<std::unique_ptr<Module>> module = ParseModule("", std::move(source), parse, errors);
      if (!module) return std::move(module).error();
      header = std::move(*module);
      (*query)->imports = header->imports;
    }
    auto prepared =
        std::make_shared<Prepared>(std::static_pointer_cast<const Compiled>(shared_from_this()));
    std::vector<Value> path;
    if (!package.empty()) {
      for (size_t at = 0; at <= package.size();) {
        const size_t dot = std::min(package.find('.', at), package.size());
        path.push_back(Value::String((*query)->arena, package.substr(at, dot - at)));
        at = dot + 1;
      }
      if (path[0].AsString() != "data") path.insert(path.begin(), Value::String("data"));
    }
    ResolveQuery(resolution_, *std::move(query), path, prepared->resolved, found);
    CheckQuery(resolution_, types_, prepared->resolved, Checks(), found);
    if (found.empty())
      PlanQuery(resolution_, plan_, prepared->resolved, Plans(), prepared->plan, found);
    if (!found.empty()) return Refused(std::move(found), errors);
    prepared->header = std::move(header);
    return std::shared_ptr<const PreparedQuery>(std::move(prepared));
  }

  // Forgets what was needed to compile, and to prepare queries.
  void Seal() {
    types_ = PolicyTypes();
    auto forget = [](auto& self, TreeNode& node) -> void {
      node.rules = {};
      for (auto& [key, child] : node.children) self(self, *child);
    };
    forget(forget, *resolution_.root());
    resolution_.info = {};
    resolution_.rules = {};
    resolution_.arena = Arena(512);
    for (auto& module : resolution_.modules) {
      module->text = {};
      module->package = {};
      module->imports = {};
      module->rules = {};
      module->annotations = {};
      module->comments = {};
      module->arena = Arena(512);
    }
    Shrink(plan_.code);
    options_ = {};
  }

  const Resolution& resolution() const override { return resolution_; }
  size_t bytes() const override {
    size_t total = plan_.code.instructions.capacity() * sizeof(Instruction) +
                   plan_.code.constants.capacity() * sizeof(Value) +
                   plan_.code.arena.bytes_reserved() + resolution_.arena.bytes_reserved();
    for (const auto& module : resolution_.modules)
      total += module->arena.bytes_reserved() + module->text.size();
    return total;
  }
  const Plan& plan() const { return plan_; }

 private:
  CheckOptions Checks() const {
    CheckOptions out;
    out.strict = options_.strict;
    out.print = options_.print;
    out.error_limit = options_.error_limit;
    out.allowed_builtins = options_.allowed_builtins;
    out.unsafe_builtins = options_.unsafe_builtins;
    out.schemas = options_.schemas;
    return out;
  }
  PlanOptions Plans() const {
    return {
        .observe = options_.observe, .print = options_.print, .annotations = &types_.annotations()};
  }

  CompileOptions options_;
  Resolution resolution_;
  PolicyTypes types_;
  Plan plan_;
};

Result<ResultSet> Prepared::Evaluate(const EvalOptions& options, Arena& arena) const {
  Machine machine(policy_->plan(), options, arena);
  BW_TRY(machine.Query(plan));
  ResultSet out;
  const RowSite& site = plan.code.rows[0];
  for (Machine::Row& row : machine.rows()) {
    ResultRow& made = out.rows.emplace_back();
    for (size_t i = 0; i < row.expressions.size(); ++i) {
      const Location& at = site.expressions[i].at;
      made.expressions.push_back(
          {.text = std::string_view(resolved.query->text).substr(at.offset, at.length),
           .at = at,
           .value = row.expressions[i]});
    }
    for (size_t i = 0; i < row.bindings.size(); ++i)
      made.bindings.emplace_back(site.bindings[i].name, row.bindings[i]);
  }
  return out;
}

Result<std::optional<Value>> Prepared::EvaluateOne(const EvalOptions& options, Arena& arena) const {
  Machine machine(policy_->plan(), options, arena);
  BW_TRY(machine.Query(plan));
  if (machine.rows().size() != 1 || machine.rows()[0].expressions.size() != 1) return std::nullopt;
  return machine.rows()[0].expressions[0];
}

}  // namespace

Result<std::vector<std::shared_ptr<const PreparedQuery>>> Policy::CompileQueries(
    std::vector<std::unique_ptr<Module>> modules, const CompileOptions& options,
    std::span<const std::string_view> queries, std::vector<Diagnostic>* errors) {
  auto compiled = std::make_shared<Compiled>(options);
  std::vector<Diagnostic> found;
  if (!compiled->Build(std::move(modules), found)) return Refused(std::move(found), errors);
  std::vector<std::shared_ptr<const PreparedQuery>> out;
  for (std::string_view query : queries)
    out.push_back(BW_TRY(compiled->Prepare(query, {}, {}, errors, Dialect::kV1)));
  for (const auto& query : out) {
    auto& prepared = const_cast<Prepared&>(static_cast<const Prepared&>(*query));
    prepared.resolved.variables = {};
    prepared.resolved.query->body = {};
    prepared.resolved.query->arena = Arena(512);
    Shrink(prepared.plan.code);
  }
  compiled->Seal();
  return out;
}

std::optional<Value> ResultSet::Single() const {
  if (rows.size() != 1 || rows[0].expressions.size() != 1) return std::nullopt;
  return rows[0].expressions[0].value;
}

bool ResultSet::Allowed() const {
  return std::ranges::any_of(rows, [](const ResultRow& row) {
    return std::ranges::all_of(row.expressions,
                               [](const auto& expression) { return expression.value.IsTrue(); });
  });
}

Result<std::shared_ptr<const Policy>> Policy::Compile(std::vector<std::unique_ptr<Module>> modules,
                                                      const CompileOptions& options,
                                                      std::vector<Diagnostic>* errors) {
  auto compiled = std::make_shared<Compiled>(options);
  std::vector<Diagnostic> found;
  if (!compiled->Build(std::move(modules), found)) return Refused(std::move(found), errors);
  return std::shared_ptr<const Policy>(std::move(compiled));
}

}  // namespace bulwark::rego
