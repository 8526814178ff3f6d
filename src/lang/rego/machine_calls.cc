// Calls of functions and built-ins, and what stands in for them.

#include <fmt/core.h>

#include <algorithm>

#include "lang/rego/machine.h"
#include "lang/rego/machine_values.h"

namespace bulwark::rego {

Outcome Machine::CallBuiltin(const Builtin& builtin, std::span<const Value> arguments,
                             const CallSite& site, Value& out) {
  if (builtin.call == nullptr) return Outcome::kUndefined;
  const Outcome outcome = builtin.call(context_, arguments, out);
  if (outcome == Outcome::kValue || outcome == Outcome::kUndefined) return outcome;
  if (outcome == Outcome::kHalt) {
    return Fail(context_.error_code.empty() ? "eval_cancel_error" : context_.error_code,
                context_.error, site.module, site.at);
  }
  const std::string message = fmt::format("{}: {}", builtin.name, context_.error);
  if (options_.strict_builtin_errors)
    return Fail(context_.error_code, message, site.module, site.at);
  if (options_.builtin_errors != nullptr) {
    options_.builtin_errors->push_back(fmt::format("{}:{}: {}: {}",
                                                   site.module != nullptr ? site.module->file : "",
                                                   site.at.row, context_.error_code, message));
  }
  return Outcome::kUndefined;
}

Outcome Machine::Call(const CallSite& site, const Program& code, const Value* registers,
                      Value& out) {
  Value few[8];
  std::vector<Value> many;
  std::span<Value> arguments(few, std::min<size_t>(site.operands.size(), 8));
  if (site.operands.size() > 8) {
    many.resize(site.operands.size());
    arguments = many;
  }
  for (size_t i = 0; i < site.operands.size(); ++i) {
    const uint32_t operand = site.operands[i];
    arguments[i] = Operand(code, registers, operand);
  }
  const Builtin* builtin = site.builtin;
  const Document* function = site.function;
  if (scope_->mocks != nullptr) {
    for (const Mock* mock = scope_->mocks; mock != nullptr; mock = mock->outer) {
      const WithTarget& what = *mock->what;
      if (what.builtin != builtin || what.function != function) continue;
      if (what.by_builtin == nullptr && what.by_function == nullptr) {
        out = mock->value;
        return Outcome::kValue;
      }
      // The replacement itself runs without any, so that it may call what it replaces.
      const Mock* const all = scope_->mocks;
      Outcome outcome = Outcome::kUndefined;
      if (what.by_builtin != nullptr) {
        outcome = CallBuiltin(*what.by_builtin, arguments, site, out);
      } else {
        Scope* const outside = scope_;
        Scope* inside = arena_.New<Scope>(*outside);
        inside->memos = {};
        inside->mocks = nullptr;
        scope_ = inside;
        outcome = Run(what.by_function->procedure, arguments, out);
        scope_ = outside;
      }
      scope_->mocks = all;
      return outcome;
    }
  }
  if (builtin != nullptr) return CallBuiltin(*builtin, arguments, site, out);
  if (scope_->data_replaced && Replaced(function->path)) {
    const Value* base = Base(function->path);
    if (base == nullptr) return Outcome::kUndefined;
    out = *base;
    return Outcome::kValue;
  }
  return Run(function->procedure, arguments, out);
}

Outcome Machine::Calculated(Arithmetic what, const CallSite& site, const Program& code,
                            const Value* registers, Value& out) {
  auto operand = [&](uint32_t at) -> const Value& { return Operand(code, registers, at); };
  const Value& a = operand(site.operands[0]);
  const Value& b = operand(site.operands[1]);
  if (a.IsInt() && b.IsInt()) {
    int64_t result = 0;
    bool done = false;
    switch (what) {
      case Arithmetic::kPlus: done = !__builtin_add_overflow(a.AsInt(), b.AsInt(), &result); break;
      case Arithmetic::kMinus: done = !__builtin_sub_overflow(a.AsInt(), b.AsInt(), &result); break;
      case Arithmetic::kMultiply:
        done = !__builtin_mul_overflow(a.AsInt(), b.AsInt(), &result);
        break;
      case Arithmetic::kRemainder:
        if (b.AsInt() != 0 && b.AsInt() != -1) {
          result = a.AsInt() % b.AsInt();
          done = true;
        }
        break;
      case Arithmetic::kDivide:
        if (b.AsInt() != 0 && b.AsInt() != -1 && a.AsInt() % b.AsInt() == 0) {
          result = a.AsInt() / b.AsInt();
          done = true;
        }
        break;
    }
    if (done) {
      out = Value::Int(result);
      return Outcome::kValue;
    }
  }
  return Call(site, code, registers, out);
}

void Machine::Print(const CallSite& site, const Value* registers, const Program& code) {
  std::vector<std::vector<std::string>> columns;
  size_t lines = 1;
  for (uint32_t operand : site.operands) {
    const Value& set = Operand(code, registers, operand);
    std::vector<std::string> column;
    for (const Value& value : set.items())
      column.push_back(value.IsString() ? std::string(value.AsString()) : ToRegoText(value));
    if (column.empty()) column.emplace_back("<undefined>");
    lines *= column.size();
    columns.push_back(std::move(column));
    if (!context_.Spend(lines)) return;
  }
  const std::string place =
      site.module != nullptr ? fmt::format("{}:{}", site.module->file, site.at.row) : "";
  for (size_t line = 0; line < lines; ++line) {
    std::string text;
    size_t rest = line;
    size_t block = lines;
    for (const auto& column : columns) {
      block /= column.size();
      if (!text.empty() || &column != &columns.front()) text += ' ';
      text += column[rest / block];
      rest %= block;
    }
    context_.host.Print(text, place);
  }
}

}  // namespace bulwark::rego
