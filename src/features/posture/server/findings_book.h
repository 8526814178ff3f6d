#pragma once

// The findings of a server: what live inspections tell, kept as records of the collection
// "findings". They open, change, are excepted, close and open again; each transition is an event of
// kind "finding". After a restart what is told anew is compared with what was kept, so that nothing
// opens twice, and what was fixed meanwhile closes.
//
//   FindingsBook book(state, pipeline, checks, tell);
//   book.Begin(cluster);                        // what is told from here on is all there is
//   book.Add(cluster, change, finding, facts);  // any number; quick
//   book.Complete(cluster);                     // all was told: the rest of what was open closes
//   book.Flush();                               // by a thread of the caller, every so often
//
// Record: {id, check, category, severity, status: open|excepted|closed, state: fail|error, asset,
// path, value, container, args, labels: ["k=v"], images, exception: {…}, controls:
// ["cis-1.12/5.2.2"], fixable, firstSeen, lastSeen, closedAt, reopened}.
//
// Thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "features/posture/check_set.h"
#include "features/posture/live.h"
#include "model/finding.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark::posture {

inline constexpr std::string_view kFindings = "findings";
const store::Collection& FindingsCollection();

class FindingsBook {
 public:
  // Told of each record that changed.
  using Tell = std::function<void(std::string_view op, const std::string& key, const Asset& asset)>;

  FindingsBook(store::StateStore& state, Pipeline& pipeline, const CheckSet& checks, Tell tell,
               std::function<int64_t()> now_us);

  void Begin(const std::string& cluster);
  void Add(const std::string& cluster, FindingChange change, const Finding& finding,
           const Facts& facts);
  void Complete(const std::string& cluster);
  // The cluster was removed: its findings close.
  void Forget(const std::string& cluster);

  // Writes what has been told. Keeps what could not be written for the next time.
  Result<> Flush();
  size_t pending() const;

  // Transitions since the last call, by cluster: for trends.
  struct Moves {
    uint64_t opened = 0, closed = 0;
  };
  std::map<std::string, Moves> TakeMoves();

 private:
  struct Pending {
    std::string cluster;
    FindingChange change;
    Finding finding;
    std::vector<std::string> labels, images;
    bool first = false;  // told at the start: may be there already
  };
  Result<> Write(const std::vector<Pending>& changes);
  Result<> CloseOthers(const std::string& cluster, const std::unordered_set<std::string>* seen);

  store::StateStore& state_;
  Pipeline& pipeline_;
  const CheckSet& checks_;
  const Tell tell_;
  const std::function<int64_t()> now_us_;

  std::mutex writing_;  // one Flush() at a time
  mutable std::mutex mutex_;
  std::vector<Pending> pending_;
  std::unordered_map<std::string, size_t> at_;  // id → index in pending_
  // Clusters that are being told, with what was; and those that are complete once the pending ones
  // are written.
  std::map<std::string, std::unordered_set<std::string>> starting_, complete_;
  std::unordered_set<std::string> forgotten_;
  std::map<std::string, Moves> moves_;
};

}  // namespace bulwark::posture
