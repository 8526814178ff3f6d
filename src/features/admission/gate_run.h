#pragma once

// What `gator test` does (gatekeeper v3.23, pkg/gator/test): of a heap of objects, templates and
// constraints are set up, everything is put into data.inventory, and every object is reviewed, with
// what expansion templates and mutators among them make of it.
//
// Two of its ways that surprise: an object without a namespace is matched as if it stood in a
// namespace without a name, and templates and constraints are reviewed like anything else.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/client.h"
#include "features/admission/expansion.h"
#include "features/admission/mutation.h"

namespace bulwark::admission {

// Mutators, expansion templates and namespaces of a heap of objects (pkg/gator/expand).
class Expander {
 public:
  // The objects must outlive it. Errors: "error parsing resources: …", as gator's.
  static Result<std::unique_ptr<Expander>> Create(std::span<const Value> objects);

  // The namespace that an object is in, if it is among the objects; "default" always is, and an
  // object without a namespace is in one without a name.
  const NamespaceView* NamespaceOf(const ObjectView& object) const;
  struct Expanded {
    Value base;  // mutated
    std::vector<Resultant> resultants;
  };
  Result<Expanded> Expand(const Value& object, const NamespaceView* ns, Arena& arena) const;
  bool trivial() const { return mutators_.size() == 0 && expansion_.empty(); }

 private:
  Expander() : expansion_(&mutators_) {}
  MutationSystem mutators_;
  ExpansionSystem expansion_;
  std::map<std::string, NamespaceView, std::less<>> namespaces_;
};

struct GateTestOptions {
  bool cel = true;
  bool fail_by_default = true;
  bool trace = false;
  bool stats = false;
  size_t threads = 0;             // 0: as many as there are processors
  std::string* prints = nullptr;  // what policies print(), up to a megabyte; one thread then
};

struct GateResult {
  const Constraint* constraint = nullptr;
  Value violating_object;
  std::string_view message;
  Value details;
  bool has_details = false;
  std::string_view enforcement_action;
  const std::vector<std::string>* scoped_actions = nullptr;
};

struct GateTime {
  TimeSpent spent;
  std::string implied_by;
};

struct GateReport {
  std::vector<GateResult> results;  // by enforcement action and message
  std::vector<GateTime> times;
  std::string trace;

  // What the results refer to, beside the objects.
  std::unique_ptr<Client> client;
  std::unique_ptr<Expander> expander;
  std::vector<std::unique_ptr<Arena>> arenas;
};

// `objects` must outlive the report. Reviews run on several threads; the report does not depend on
// how many.
Result<GateReport> RunGateTest(std::span<const Value> objects, const GateTestOptions& options);

// Whether a result fails the run: its action, or one of its scoped ones, is deny.
bool Denies(const GateResult& result);

// --- Printing ------------------------------------------------------------------------------------

struct GateFormat {
  std::string output;  // "", json, yaml, in any case; "default" prints nothing
  bool deny_only = false;
  bool trace = false;
  bool stats = false;
};
// A piece at a time: every violation is printed with its constraint and its object, which can be
// much more than there is in memory.
void PrintGateReport(const GateReport& report, const GateFormat& format,
                     const std::function<void(std::string_view)>& out);
std::string FormatGateReport(const GateReport& report, const GateFormat& format);

}  // namespace bulwark::admission
