#pragma once

// The checks of an inspection: read from data (docs/guides/adding-a-check.md is the format),
// expanded (variants), and compiled from CEL when first used. Immutable after loading but for that
// compilation, which any number of threads may ask for at once.

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/path.h"
#include "base/result.h"
#include "features/posture/reads.h"
#include "lang/cel/env.h"
#include "model/check.h"

namespace bulwark::posture {

enum class Scope : uint8_t { kContainer, kPod, kObject };

// A step of `each`: a field, or every element of the list or map reached so far.
struct EachStep {
  std::string field;  // empty: every element
};

struct Check {
  CheckInfo info;
  Scope scope = Scope::kObject;
  std::vector<std::string> kinds;  // "Kind" or "Kind.group"; empty: every workload
  std::vector<EachStep> each;      // ends with an "every element" step; empty: no `each`
  std::string when, fail;
  std::string at;              // relative path, may be empty
  Value fix;                   // array of edits, or null
  std::string fix_expression;  // fixExpr
  Value params;                // map
  std::vector<std::string> needs;
  bool complete = false;
  int since = 0, until = 999;  // minor versions, inclusive
  Value cases;                 // array, or null where they were not loaded
  std::string origin_line;     // "file:line" for error messages
  bool built_in = false;       // comes with the program

  bool needs_others() const { return !needs.empty(); }
  // Whether the check speaks of that kind at all. `workload`: it has a pod template.
  bool SpeaksOf(std::string_view group, std::string_view kind, bool workload) const;
};

// A check's expressions, compiled.
struct Compiled {
  std::shared_ptr<const cel::Program> when, fail, fix;
  Reads when_reads, fail_reads;
  std::vector<std::shared_ptr<const cel::Program>> fix_values;  // toExpr, by index of edit
};

// The CEL variables of checks, in this order (Env::variables()).
enum Slot : size_t {
  kObjectSlot,
  kPodSlot,
  kPodMetaSlot,
  kContainerSlot,
  kContainerTypeSlot,
  kItemSlot,
  kKeySlot,
  kParamsSlot,
  kKubeSlot,
  kPeersSlot,
  kClusterSlot,
  kSlots,
};

class CheckSet {
 public:
  // What is built into the program. `with_cases` also loads the cases, for `checks test`.
  static Result<CheckSet> BuiltIn(bool with_cases = false);
  // Without checks: for a set of one's own alone.
  static CheckSet Empty() { return CheckSet(); }
  CheckSet(CheckSet&&) noexcept;
  CheckSet& operator=(CheckSet&&) noexcept;
  ~CheckSet();

  // Adds the checks of every .yaml, .yml and .json file below a folder (or of one file). A check
  // whose id is there already replaces it. Fails with file:line for the first thing wrong, a
  // misspelt key included.
  Result<> AddFolder(const std::string& path);
  // The same from text; `origin` names it in messages.
  Result<> AddText(std::string_view yaml, const std::string& origin);
  // Replaces settings of checks: {check id: {param: value}}.
  Result<> SetParams(const Value& by_check);
  // Keeps only those for which `keep` holds.
  void Filter(const std::function<bool(const Check&)>& keep);

  // A set of one of these checks, which must be there. It shares this set's memory.
  CheckSet Only(std::string_view id) const;

  std::span<const Check> checks() const { return checks_; }  // sorted by id
  const Check* Find(std::string_view id) const;
  const std::vector<Framework>& frameworks() const { return frameworks_; }

  // The i-th check's programs; compiled at the first call. An error is the check's author's, with
  // its file and line.
  Result<const Compiled*> Programs(size_t i) const;
  // Compiles all, and gives every error.
  std::vector<Error> CompileAll() const;

 private:
  CheckSet();
  struct Slots;
  Result<> AddValue(const Value& root, const std::string& origin,
                    const std::function<uint32_t(const Value*)>& line_of);
  void Sort();

  // Of fixes, params, cases: this set's own, and those of sets that it was made from.
  std::shared_ptr<Arena> arena_;
  std::vector<std::shared_ptr<const Arena>> shared_;
  std::vector<Check> checks_;
  std::vector<Framework> frameworks_;
  std::unique_ptr<Slots> slots_;
};

// The environment that checks are compiled in: every library of CEL and Kubernetes, and Bulwark's
// functions (functions.h).
const cel::Env& CheckEnvironment();

}  // namespace bulwark::posture
