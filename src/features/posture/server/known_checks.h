#pragma once

// The checks that a server knows the findings of: those of this feature, and others' (an agent
// judges its node itself). Immutable once the server runs, and then safe from any thread.

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "features/posture/check_set.h"
#include "model/check.h"

namespace bulwark::posture {

class KnownChecks {
 public:
  // The set must outlive it. A check of the set goes before one of the others' with its id.
  explicit KnownChecks(const CheckSet& set, std::vector<CheckInfo> others = {})
      : set_(set), others_(std::move(others)) {
    std::erase_if(others_, [&](const CheckInfo& info) { return set.Find(info.id) != nullptr; });
  }

  const CheckSet& set() const { return set_; }
  const std::vector<CheckInfo>& others() const { return others_; }
  // Of either; nullptr: of neither.
  const CheckInfo* Find(std::string_view id) const {
    if (const Check* check = set_.Find(id)) return &check->info;
    return FindOther(id);
  }
  const CheckInfo* FindOther(std::string_view id) const {
    auto found = std::find_if(others_.begin(), others_.end(),
                              [&](const CheckInfo& info) { return info.id == id; });
    return found == others_.end() ? nullptr : &*found;
  }

 private:
  const CheckSet& set_;
  std::vector<CheckInfo> others_;
};

}  // namespace bulwark::posture
