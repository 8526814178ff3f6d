#include "lang/rego/planner.h"

#include <fmt/core.h>

namespace bulwark::rego {

Planner::Label Planner::NewLabel() {
  labels_.push_back(kNone);
  return static_cast<Label>(labels_.size() - 1);
}

void Planner::Bind(Label label) {
  labels_[label] = static_cast<uint32_t>(code_.instructions.size());
}

uint32_t Planner::Emit(Instruction instruction) {
  code_.instructions.push_back(instruction);
  return static_cast<uint32_t>(code_.instructions.size() - 1);
}

Planner::Operand Planner::Constant(const Value& value) {
  std::vector<uint32_t>& same = constants_[value.Hash()];
  for (uint32_t at : same) {
    const Value& there = code_.constants[at];
    if (there.kind() == value.kind() && there == value) return at | kConstant;
  }
  code_.constants.push_back(value.CopyTo(code_.arena));
  same.push_back(static_cast<uint32_t>(code_.constants.size() - 1));
  return same.back() | kConstant;
}

// Keys that outlive the syntax tree.
std::vector<Value> Planner::Kept(std::vector<Value> path) {
  for (Value& key : path) key = key.CopyTo(code_.arena);
  return path;
}

uint32_t Planner::PathIndex(std::vector<Value> path) {
  for (size_t i = 0; i < code_.paths.size(); ++i) {
    if (code_.paths[i] == path) return static_cast<uint32_t>(i);
  }
  code_.paths.push_back(Kept(std::move(path)));
  return static_cast<uint32_t>(code_.paths.size() - 1);
}

uint32_t Planner::PlaceIndex(const Location& at) {
  code_.places.push_back({module_, at});
  return static_cast<uint32_t>(code_.places.size() - 1);
}

// Labels become addresses.
void Planner::FixLabels() {
  for (size_t i = first_instruction_; i < code_.instructions.size(); ++i) {
    Instruction& instruction = code_.instructions[i];
    if (instruction.fail != kNone) instruction.fail = labels_[instruction.fail];
  }
}

void Planner::Begin(size_t variables, uint32_t first_register) {
  known_ = {};
  known_.places.assign(variables, kNone);
  next_register_ = std::max(next_register_, first_register);
}

void Planner::BindVariable(const Variable& variable, Operand place) {
  known_.places[variable.id] = place;
  known_.bound.Add(variable.id);
}

Procedure Planner::Finish(uint32_t entry) {
  FixLabels();
  return {.code = &code_,
          .entry = entry,
          .registers = next_register_,
          .iterators = iterators_,
          .builders = builders_,
          .walkers = walkers_,
          .contexts = contexts_,
          .document = nullptr,
          .module = nullptr,
          .at = {}};
}

// The orderer lets nothing unsafe through; should it ever, the policy is refused.
void Planner::Unsafe(const Location& at, std::string_view name) {
  errors_.push_back({.code = "rego_unsafe_var_error",
                     .message = fmt::format("var {} is unsafe", name.starts_with('$') ? "_" : name),
                     .file = module_ != nullptr ? module_->file : "",
                     .at = at,
                     .details = {}});
}

void Planner::Observe(const Location& at, bool held) {
  if (!options_.observe || module_ == nullptr || at.row == 0) return;
  code_.places.push_back({module_, at});
  Emit({.op = Op::kObserve,
        .aux = static_cast<uint8_t>(held ? 1 : 0),
        .x = static_cast<uint32_t>(code_.places.size() - 1)});
}

}  // namespace bulwark::rego
