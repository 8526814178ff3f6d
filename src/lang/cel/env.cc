#include "lang/cel/env.h"

#include "lang/cel/checker.h"
#include "lang/cel/parser.h"
#include "lang/cel/planner.h"
#include "lang/cel/tables.h"

namespace bulwark::cel {

namespace {

class EnvImpl final : public Env {
 public:
  explicit EnvImpl(EnvOptions options) : options_(std::move(options)) {}

  Result<> Init() {
    tables_ = BW_TRY(Tables::Create(options_));
    return Ok{};
  }

  Result<std::shared_ptr<Ast>> Parse(std::string_view source,
                                     std::vector<Issue>* issues) const override {
    Result<std::shared_ptr<Ast>> parsed = ParseSource(*this, source, issues);
    if (parsed) (*parsed)->names = tables_;
    return parsed;
  }

  Result<std::shared_ptr<Ast>> Check(std::shared_ptr<Ast> parsed,
                                     std::vector<Issue>* issues) const override {
    if (parsed->checked()) return parsed;
    Result<> checked = CheckAst(options_, *tables_, *parsed, issues);
    if (!checked) return std::move(checked).error();
    return parsed;
  }

  Result<std::shared_ptr<const Program>> Compile(std::string_view source,
                                                 std::vector<Issue>* issues) const override {
    std::shared_ptr<Ast> ast = BW_TRY(Parse(source, issues));
    return Plan(BW_TRY(Check(std::move(ast), issues)));
  }

  Result<std::shared_ptr<const Program>> Plan(std::shared_ptr<const Ast> ast) const override {
    return PlanProgram(*this, std::move(ast));
  }

  const EnvOptions& options() const override { return options_; }

  const FunctionDecl* FindFunction(std::string_view name) const override {
    const FunctionSpec* spec = tables_->FindFunction(name);
    return spec != nullptr ? spec->declaration : nullptr;
  }

  const Macro* FindMacro(std::string_view name, bool receiver, int arg_count) const override {
    return tables_->FindMacro(name, receiver, arg_count);
  }

  const Constant* FindConstant(std::string_view name) const override {
    const IdentSpec* spec = tables_->FindIdent(name);
    return spec != nullptr ? spec->constant : nullptr;
  }

  std::vector<std::string> Candidates(std::string_view name) const override {
    if (name.starts_with('.')) return {std::string(name.substr(1))};
    std::vector<std::string> candidates;
    for (const std::string& prefix : tables_->prefixes()) {
      candidates.push_back(prefix + std::string(name));
    }
    return candidates;
  }

 private:
  const EnvOptions options_;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace

Result<std::shared_ptr<const Env>> Env::Create(EnvOptions options) {
  auto env = std::make_shared<EnvImpl>(std::move(options));
  Result<> made = env->Init();
  if (!made) return std::move(made).error();
  return std::shared_ptr<const Env>(std::move(env));
}

}  // namespace bulwark::cel
