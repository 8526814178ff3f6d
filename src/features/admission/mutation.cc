#include "features/admission/mutation.h"

#include <fmt/format.h>

#include <set>

#include "features/admission/go_text.h"

namespace bulwark::admission {

namespace {

std::string Describe(const Value& object) {
  ObjectView view(object);
  return fmt::format("{} {} {} {}", view.group, view.kind, view.ns,
                     view.name.empty() ? view.generate_name : view.name);
}

const ExternalDataPlaceholder* AsPlaceholder(const Value& value) {
  if (!value.IsOpaque() || value.AsOpaque()->tag() != ExternalDataPlaceholder::kTag) return nullptr;
  return static_cast<const ExternalDataPlaceholder*>(value.AsOpaque());
}

using Keys = std::map<std::string_view, std::set<std::string_view>>;

// The object is a parsed document with a few values put in: no deeper than a document may be.
void CollectKeys(const Value& value, Keys& keys) {
  if (const ExternalDataPlaceholder* placeholder = AsPlaceholder(value)) {
    keys[placeholder->provider()].insert(placeholder->key());
    return;
  }
  for (const Value& item : value.items()) CollectKeys(item, keys);
  for (const auto& [key, entry] : value.entries()) CollectKeys(entry, keys);
}

using Answers = std::map<std::string_view, Result<std::vector<ExternalData::Item>>>;

Result<Value> Resolve(const ExternalDataPlaceholder& placeholder, const Answers& answers) {
  using Policy = ExternalDataPlaceholder::Policy;
  std::string error;
  auto found = answers.find(placeholder.provider());
  if (found == answers.end()) {
    error = fmt::format("failed to find external data provider {} in responses",
                        placeholder.provider());
  } else if (!found->second) {
    error = found->second.error().message();
  } else {
    const ExternalData::Item* item = nullptr;
    for (const ExternalData::Item& candidate : *found->second) {
      if (candidate.key == placeholder.key()) item = &candidate;
    }
    if (item == nullptr) {
      error = fmt::format("failed to find external data item in response for provider {}",
                          placeholder.provider());
    } else if (!item->error.empty()) {
      error = fmt::format("failed to retrieve external data item from provider {}: {}",
                          placeholder.provider(), item->error);
    } else if (!item->value.IsString()) {
      error = fmt::format(
          "failed to convert external data item value from provider {} to string, got type {}",
          placeholder.provider(), GoType(item->value));
    } else {
      return item->value;
    }
  }
  switch (placeholder.policy()) {
    case Policy::kIgnore: return Value::String(placeholder.key());
    case Policy::kUseDefault: return Value::String(placeholder.default_value());
    case Policy::kFail: break;
  }
  return Error(Code::kUnavailable, "gate.external_data", std::move(error));
}

Result<Value> Replace(const Value& value, const Answers& answers, Arena& arena) {
  if (value.IsMap()) {
    std::vector<Value::Entry> entries(value.entries().begin(), value.entries().end());
    for (Value::Entry& entry : entries) {
      if (const ExternalDataPlaceholder* placeholder = AsPlaceholder(entry.value)) {
        entry.value = BW_TRY(Resolve(*placeholder, answers));
      } else {
        entry.value = BW_TRY(Replace(entry.value, answers, arena));
      }
    }
    return MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(entries));
  }
  if (value.IsArray()) {
    std::vector<Value> items(value.items().begin(), value.items().end());
    for (Value& item : items) item = BW_TRY(Replace(item, answers, arena));
    return Value::Array(arena, items);
  }
  return value;
}

}  // namespace

Result<> MutationSystem::Upsert(std::shared_ptr<const Mutator> mutator) {
  BW_CHECK(mutator != nullptr);
  const MutatorId id = mutator->id();
  auto found = mutators_.find(id);
  MutationSchema::Ids conflicts;
  if (found != mutators_.end() && !mutator->DiffersFrom(*found->second)) {
    conflicts = schema_.ConflictsOf(id);
  } else if (mutator->has_schema()) {
    conflicts = schema_.Upsert(id, {mutator->location(), mutator->bindings(),
                                    mutator->terminal_type(), mutator->must_terminate()});
  }
  mutators_[id] = std::move(mutator);
  if (!conflicts.empty()) return ConflictError(conflicts);
  return Ok{};
}

void MutationSystem::Remove(const MutatorId& id) {
  schema_.Remove(id);
  mutators_.erase(id);
}

const Mutator* MutationSystem::Find(const MutatorId& id) const {
  auto found = mutators_.find(id);
  return found == mutators_.end() ? nullptr : found->second.get();
}

Result<MutationSystem::Mutated> MutationSystem::Mutate(Mutable target, Arena& arena) const {
  const size_t limit = mutators_.size() + 1;
  std::set<std::string> applied_names;
  for (size_t iteration = 1; iteration <= limit; ++iteration) {
    const Value old = target.object;
    bool applied = false;
    for (const auto& [id, mutator] : mutators_) {
      if (schema_.HasConflicts(id)) continue;
      Result<bool> matches = mutator->Matches(target);
      if (!matches) {
        return Error(Code::kInvalid, "gate.mutation",
                     fmt::format("matching for mutator {} failed for {}: {}", id.ToString(),
                                 Describe(target.object), matches.error().message()));
      }
      if (!*matches) continue;
      Result<std::optional<Value>> mutated = mutator->Mutate(target, arena);
      if (!mutated) {
        return Error(Code::kInvalid, "gate.mutation",
                     fmt::format("mutation for mutator {} failed for {}: {}", id.ToString(),
                                 Describe(target.object), mutated.error().message()));
      }
      if (!*mutated) continue;
      applied = true;
      target.object = **mutated;
      if (options_.annotations) applied_names.insert(mutator->ToString());
    }
    if (applied && !(old == target.object)) continue;
    if (iteration == 1) return Mutated{target.object, false, 0};
    Result<Value> resolved = ResolvePlaceholders(target.object, arena);
    if (!resolved) {
      return Error(resolved.error().code(), resolved.error().id(),
                   fmt::format("failed to resolve external data placeholders: {}",
                               resolved.error().message()));
    }
    Value object = *resolved;
    if (options_.annotations) {
      const Value metadata = object["metadata"];
      Value annotations = metadata["annotations"];
      if (!annotations.IsMap()) annotations = Value::EmptyMap();
      annotations =
          WithEntry(annotations, "gatekeeper.sh/mutations",
                    Value::String(arena, fmt::format("{}", fmt::join(applied_names, ", "))), arena);
      if (options_.mutation_id) {
        annotations = WithEntry(annotations, "gatekeeper.sh/mutation-id",
                                Value::String(arena, options_.mutation_id()), arena);
      }
      object = WithEntry(object, "metadata",
                         WithEntry(metadata.IsMap() ? metadata : Value::EmptyMap(), "annotations",
                                   annotations, arena),
                         arena);
    }
    return Mutated{object, true, iteration};
  }
  return Error(Code::kLimit, "gate.mutation",
               fmt::format("mutation not converging: mutation not converging for {}",
                           Describe(target.object)));
}

Result<Value> MutationSystem::ResolvePlaceholders(const Value& object, Arena& arena) const {
  Keys keys;
  CollectKeys(object, keys);
  if (keys.empty()) return object;
  Answers answers;
  for (const auto& [provider, wanted] : keys) {
    if (options_.external_data == nullptr) {
      answers.emplace(provider,
                      Error(Code::kUnsupported, "gate.external_data",
                            fmt::format("external data provider {} is not configured", provider)));
      continue;
    }
    std::vector<std::string_view> list(wanted.begin(), wanted.end());
    Result<std::vector<ExternalData::Item>> items =
        options_.external_data->Ask(provider, list, arena);
    if (!items) {
      items = Error(Code::kUnavailable, "gate.external_data",
                    fmt::format("failed to send external data request to provider {}: {}", provider,
                                items.error().message()));
    }
    answers.emplace(provider, std::move(items));
  }
  return Replace(object, answers, arena);
}

}  // namespace bulwark::admission
