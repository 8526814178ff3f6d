#pragma once

// Checks written in Rego: `bulwark inspect --rego DIR`.
//
//   # METADATA
//   # title: Images come from our registry
//   # custom:
//   #   severity: critical
//   deny contains {"msg": msg, "path": path} if {
//     some i, c in input.spec.containers
//     not startswith(c.image, "registry.example/")
//     msg := sprintf("%s is not ours", [c.image])
//     path := sprintf("spec.containers[%d].image", [i])
//   }
//
// Every rule deny, violation or warn (or with a name after it: deny_registry) of every package is a
// check, called after both: "main.deny_registry". It gets each object as `input`, and gives
// messages: texts, or objects with `msg` and, where they like, `path`, the place in the object.
// METADATA says title, description, and under custom: severity (else high; of warn, medium), id,
// category (else security), remedy, and the same texts in Chinese as title_zh, description_zh,
// remedy_zh.
//
// Immutable after loading: any number of threads run it at once. A policy has a second and 256 MiB
// for an object.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/posture/check.h"
#include "model/check.h"
#include "model/findings.h"
#include "model/report.h"

namespace bulwark::posture {

class RegoChecks {
 public:
  // Policies and data from files and folders. An error where they do not compile or have no rules
  // that say what is wrong.
  static Result<std::shared_ptr<const RegoChecks>> Load(const std::vector<std::string>& paths);
  ~RegoChecks();

  std::span<const CheckInfo> infos() const;
  // Judges one object. Counts go to `by_check` (indexed as infos()) and to the returned tally.
  Tally Run(const Subject& subject, const CheckOptions& options, Findings& findings,
            std::vector<Tally>& by_check) const;

 private:
  RegoChecks();
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace bulwark::posture
