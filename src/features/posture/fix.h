#pragma once

// Fixes: from the edits that a check declares to changes of the source files.
//
// A fix is planned on the object as data: while the check fails somewhere, its edits are applied
// there; edits that do not make that failure go away are taken back. What remains is then made in
// the text of the file, comments and formatting kept (formats/yaml_edit.h), and the result is
// inspected again: a fix that does not close its finding, or opens another, is not offered.

#include <string>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/posture/check.h"
#include "features/posture/inspection.h"
#include "formats/yaml_edit.h"
#include "model/report.h"

namespace bulwark::posture {

// The edits, in the order in which they are to be applied, that make check `index` pass on the
// object; `fixed` is the object after them. No edits where the fix cannot help.
struct PlannedFix {
  std::vector<DocumentEdit> edits;
  Value fixed;
  size_t failures_closed = 0;
};
PlannedFix PlanFix(const CheckSet& checks, Checker& checker, size_t index, const Value& object,
                   Arena& arena);

// Fills Report::fixes for the findings that can be fixed in a file; Finding::fixable is set to
// whether that is so.
Result<> AddFixes(const CheckSet& checks, const InspectOptions& options, Report& report);
// What a patch calls a file after "a/" and "b/": relative to the current folder where it is below
// that, so that `git apply` and `patch -p1` find it there; else relative to the root.
std::string NameInPatch(const std::string& file);
// Changes the file, unless it has changed meanwhile.
Result<> WriteFix(const FileFix& fix);

}  // namespace bulwark::posture
