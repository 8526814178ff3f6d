#include <algorithm>

#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

namespace {

using Family = std::span<const Builtin> (*)();

constexpr Family kFamilies[] = {
    OperatorBuiltins, NumberBuiltins,   AggregateBuiltins, ObjectBuiltins, StringBuiltins,
    TypeBuiltins,     EncodingBuiltins, RegexBuiltins,     GlobBuiltins,   UnitBuiltins,
    NetBuiltins,      TimeBuiltins,     CryptoBuiltins,    TokenBuiltins,  EffectBuiltins,
    SchemaBuiltins,   GraphqlBuiltins,  TemplateBuiltins,  RegoBuiltins,
};

}  // namespace

void Registry::Add(std::span<const Builtin> family) {
  for (const Builtin& builtin : family) by_name_[builtin.name] = &builtin;
  sorted_.clear();
  for (const auto& [name, builtin] : by_name_) sorted_.push_back(builtin);
  std::ranges::sort(sorted_, {}, [](const Builtin* b) { return b->name; });
}

const Registry& Registry::Standard() {
  static const Registry* const registry = [] {
    auto* made = new Registry();
    for (Family family : kFamilies) made->Add(family());
    return made;
  }();
  return *registry;
}

Registry::Registry(std::span<const Builtin> more) : Registry(Standard()) { Add(more); }

const Builtin* Registry::Find(std::string_view name) const {
  auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace bulwark::rego
