#pragma once

// All mutators together (gatekeeper v3.23, pkg/mutation): in the order of their ids, again and
// again until nothing changes any more, at most once more than there are mutators.
//
//   MutationSystem mutators;
//   Result<> added = mutators.Upsert(BW_TRY(Mutator::Read(object)));  // gate.conflict: added, too
//   Result<Mutated> done = mutators.Mutate({.object = pod, .source = kSourceOriginal}, arena);
//
// Not thread-safe while it is changed; else any number of threads may Mutate() at once, each with
// an arena of its own. Results refer to the object, the mutators and the arena.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/mutation_schema.h"
#include "features/admission/mutator.h"

namespace bulwark::admission {

// Where external data comes from. The default has none: mutators that want some are errors,
// gate.external_data.
class ExternalData {
 public:
  struct Item {
    std::string key;
    Value value;
    std::string error;
  };
  virtual ~ExternalData() = default;
  virtual Result<std::vector<Item>> Ask(std::string_view provider,
                                        std::span<const std::string_view> keys, Arena& arena) = 0;
};

struct MutationOptions {
  ExternalData* external_data = nullptr;
  // Adds gatekeeper.sh/mutations and, where `mutation_id` is given, gatekeeper.sh/mutation-id.
  bool annotations = false;
  std::function<std::string()> mutation_id;
};

class MutationSystem {
 public:
  explicit MutationSystem(MutationOptions options = {}) : options_(std::move(options)) {}

  // An error where it conflicts with others (ConflictError); it is in nevertheless, but applied
  // only when the others are gone.
  Result<> Upsert(std::shared_ptr<const Mutator> mutator);
  void Remove(const MutatorId& id);
  const Mutator* Find(const MutatorId& id) const;
  MutationSchema::Ids ConflictsOf(const MutatorId& id) const { return schema_.ConflictsOf(id); }
  size_t size() const { return mutators_.size(); }

  struct Mutated {
    Value object;
    bool changed = false;
    size_t iterations = 0;
  };
  // Errors: gate.mutation, of a mutator that could not be applied, or where there is no end
  // ("mutation not converging").
  Result<Mutated> Mutate(Mutable target, Arena& arena) const;

 private:
  Result<Value> ResolvePlaceholders(const Value& object, Arena& arena) const;

  MutationOptions options_;
  std::map<MutatorId, std::shared_ptr<const Mutator>> mutators_;
  MutationSchema schema_;
};

}  // namespace bulwark::admission
