#pragma once

// The pure heart of an inspection: one object in, the outcome of every check that speaks of it out.
// No I/O.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/value.h"
#include "features/posture/check_set.h"
#include "features/posture/exceptions.h"
#include "formats/source_map.h"
#include "kube/object.h"
#include "model/findings.h"
#include "model/report.h"

namespace bulwark::posture {

struct CheckOptions {
  int kubernetes_minor = kube::kNewestMinor;
  std::vector<kube::PodTemplatePath> templates;  // of custom resources
  const Exceptions* exceptions = nullptr;
  std::string cluster;  // UID, for assets
};

// One object to be judged.
struct Subject {
  const Value* object = nullptr;
  // Where it stands. `positions` may be nullptr; then findings are at `place`.
  std::string file;
  const SourceMap* positions = nullptr;
  Place place;
  // Finds the position of a path in a trimmed copy, whose own slots have none (inventory.h).
  std::function<Place(const Path&)> place_of;
};

// Runs checks. Holds an evaluator: one a thread. The CheckSet must outlive it.
class Checker {
 public:
  Checker(const CheckSet& checks, const CheckOptions& options);
  ~Checker();

  // Every check without `needs`. Findings are added to `findings`, counts to `by_check` (indexed as
  // CheckSet::checks()) and to the returned tally.
  Tally Run(const Subject& subject, Findings& findings, std::vector<Tally>& by_check);
  // The checks with `needs`, against what Inventory gathered; `complete`: those that ask for
  // complete input may run.
  Tally RunRelated(const Subject& subject, const Value& peers, const Value& cluster, bool complete,
                   Findings& findings, std::vector<Tally>& by_check);

  // For fixes: runs one check on one object; calls `failed` for every place where it fails, with
  // the path of the node that `at` and `fix` start from and the bindings in force.
  struct Failure {
    Path node;       // absolute
    Path path;       // absolute, of the evidence
    Value evidence;  // the map that `fail` gave, or null
    std::span<const Value> bindings;
  };
  void ForEachFailure(size_t check, const Subject& subject,
                      const std::function<void(const Failure&)>& failed);
  // Evaluates one of a check's programs under the bindings of a failure.
  Value Evaluate(const cel::Program& program, std::span<const Value> bindings, Arena& arena);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::posture
