#include "lang/cel/literals.h"

#include <re2/re2.h>

#include <algorithm>

#include "lang/cel/stdlib.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

namespace {

// As cel-go's IsEquivalentType: the same, whatever type parameters are called.
bool Equivalent(Type a, Type b) {
  if (a.kind() != b.kind() || a.params().size() != b.params().size()) return false;
  if (a.kind() != TypeKind::kParam && a.name() != b.name()) return false;
  return std::ranges::equal(a.params(), b.params(), Equivalent);
}

class Search {
 public:
  Search(const EnvOptions& options, bool format, const Ast& ast, std::vector<Issue>& issues)
      : options_(options), format_(format), ast_(ast), issues_(issues) {}

  // Without recursion, as trees may be deep.
  void Run() {
    Push(ast_.root, false);
    while (!pending_.empty()) {
      auto [expr, exempt] = pending_.back();
      pending_.pop_back();
      if (options_.homogeneous_aggregate_literals && !exempt) {
        if (expr->kind == ExprKind::kList) CheckList(expr);
        if (expr->kind == ExprKind::kMap) CheckMap(expr);
      }
      if (expr->kind == ExprKind::kCall) {
        if (options_.validate_literals) CheckCall(expr);
        exempt |= format_ && expr->name == "format";
      }
      Push(expr->operand, exempt);
      for (const Expr* arg : expr->args) Push(arg, exempt);
      for (const MapEntry& entry : expr->entries) {
        Push(entry.key, exempt);
        Push(entry.value, exempt);
      }
      if (expr->loop != nullptr) {
        const Comprehension& fold = *expr->loop;
        for (const Expr* part :
             {fold.range, fold.accu_init, fold.condition, fold.step, fold.result}) {
          Push(part, exempt);
        }
      }
    }
  }

 private:
  void Push(const Expr* expr, bool exempt) {
    if (expr != nullptr) pending_.emplace_back(expr, exempt);
  }

  Type TypeOf(const Expr* expr, bool optional) const {
    const Type type = ast_.types[static_cast<size_t>(expr->id)];
    return optional && type.IsOptional() ? type.params()[0] : type;
  }

  void Report(const Expr* at, std::string message) {
    issues_.push_back(MakeIssue(ast_.source, at->offset, std::move(message)));
  }

  // False, and a report, if an item is not of the type of the first.
  bool Agree(const Expr* at, Type first, Type type) {
    if (Equivalent(first, type)) return true;
    Report(at, "expected type '" + first.ToString() + "' but found '" + type.ToString() + "'");
    return false;
  }

  void CheckList(const Expr* expr) {
    auto type_of = [&](size_t i) {
      return TypeOf(expr->args[i],
                    std::ranges::binary_search(expr->optional_args, static_cast<uint32_t>(i)));
    };
    for (size_t i = 1; i < expr->args.size(); ++i) {
      if (!Agree(expr->args[i], type_of(0), type_of(i))) return;
    }
  }

  void CheckMap(const Expr* expr) {
    for (size_t i = 1; i < expr->entries.size(); ++i) {
      const MapEntry& first = expr->entries[0];
      const MapEntry& entry = expr->entries[i];
      Agree(entry.key, TypeOf(first.key, false), TypeOf(entry.key, false));
      Agree(entry.value, TypeOf(first.value, first.optional), TypeOf(entry.value, entry.optional));
    }
  }

  void CheckCall(const Expr* call) {
    if (call->args.empty() || call->args[0]->kind != ExprKind::kLiteral) return;
    const Expr* literal = call->args[0];
    bool valid = true;
    if (call->name == "matches") {
      std::string error;
      valid = !literal->literal.IsString() ||
              CompilePattern(literal->literal.AsString(), &error) != nullptr;
    } else if (call->name == "duration" || call->name == "timestamp") {
      Arena arena(256);
      CallContext context{.arena = arena};
      for (const Overload* overload : ast_.references[static_cast<size_t>(call->id)].overloads) {
        if (overload->function == nullptr || overload->params.size() != 1) continue;
        if (!(overload->params[0] == TypeOf(literal, false))) continue;
        valid = !IsError(overload->function(context, std::span(&literal->literal, 1)));
      }
    }
    if (!valid) Report(literal, "invalid " + std::string(call->name) + " argument");
  }

  const EnvOptions& options_;
  const bool format_;
  const Ast& ast_;
  std::vector<Issue>& issues_;
  std::vector<std::pair<const Expr*, bool>> pending_;
};

}  // namespace

void CheckLiterals(const EnvOptions& options, bool format, const Ast& ast,
                   std::vector<Issue>& issues) {
  if (options.homogeneous_aggregate_literals || options.validate_literals) {
    Search(options, format, ast, issues).Run();
  }
}

}  // namespace bulwark::cel
