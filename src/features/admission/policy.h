#pragma once

// A template's code, compiled by one of the two engines, ready to judge reviews: Rego (v0 and v1)
// and K8sNativeValidation (CEL, as a ValidatingAdmissionPolicy has it).
//
// A Policy is immutable; any number of threads ask it at once, each with an arena of its own.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/review.h"
#include "features/admission/template.h"

namespace bulwark::rego {
class Host;
}

namespace bulwark::admission {

// One thing that is wrong with what is reviewed.
struct Finding {
  const Constraint* constraint = nullptr;
  std::string_view message;  // in the arena
  bool has_details = false;  // Rego's answers have details, {} where there are none
  Value details;
};

struct JudgeContext {
  const Value* data = nullptr;  // {"inventory": …}
  rego::Host* host = nullptr;   // for print(), and what the policies may use of the world
  // A trace of the evaluation is appended to it.
  std::string* trace = nullptr;
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::string_view engine() const = 0;
  // Appends what is wrong, in the order of the constraints, all of which are of this policy's kind.
  // That a policy fails is a finding, too; an error is only what no answer can be made of.
  virtual Result<> Judge(const Review& review, std::span<const Constraint* const> constraints,
                         const JudgeContext& context, Arena& arena,
                         std::vector<Finding>& out) const = 0;
};

struct PolicyOptions {
  // Of a K8sNativeValidation source without one: Fail (true) or Ignore.
  bool fail_by_default = true;
  bool print = false;  // Rego's print() does something
  bool trace = false;  // JudgeContext::trace is going to be asked for
};

// Errors: gate.template.cel, what the source's own rules forbid. Expressions that do not compile
// are told of by every review instead, as an API server does.
Result<std::unique_ptr<const Policy>> CompileCel(const ConstraintTemplate& of,
                                                 const PolicyOptions& options);
// Errors: gate.template.rego, with the texts of the framework and of OPA.
Result<std::unique_ptr<const Policy>> CompileRego(const ConstraintTemplate& of,
                                                  const PolicyOptions& options);

}  // namespace bulwark::admission
