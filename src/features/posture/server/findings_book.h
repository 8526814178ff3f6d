#pragma once

// The findings of a server: what live inspections tell, kept as records of the collection
// "findings". They open, change, are excepted, close and open again; each transition is an event of
// kind "finding". After a restart what is told anew is compared with what was kept, so that nothing
// opens twice, and what was fixed meanwhile closes.
//
//   FindingsBook book(state, pipeline, checks, tell);
//   book.Begin(cluster);                        // what is told from here on is all there is
//   book.Add(cluster, change, finding, facts);  // any number; quick
//   book.Complete(cluster, {});                 // all was told: the rest of what was open closes
//   book.Flush();                               // by a thread of the caller, every so often
//
// Record: {id, check, category, severity, status: open|excepted|closed, state: fail|error, asset,
// path, value, container, args, labels: ["k=v"], images, exception: {…}, controls:
// ["cis-1.12/5.2.2"], fixable, firstSeen, lastSeen (when it was last written: opened, changed,
// excepted or closed), closedAt, reopened}.
//
// A finding that the store refuses for what it is (kLimit, kInvalid) is dropped, logged and
// counted; on any other error everything stays for the next Flush().
//
// Thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "features/posture/live.h"
#include "features/posture/server/known_checks.h"
#include "model/finding.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark::posture {

inline constexpr std::string_view kFindings = "findings";
const store::Collection& FindingsCollection();

class FindingsBook {
 public:
  // Told of each record that changed.
  using Tell = std::function<void(std::string_view op, const std::string& key, const Asset& asset,
                                  const std::vector<std::string>& labels)>;

  FindingsBook(store::StateStore& state, Pipeline& pipeline, const KnownChecks& checks, Tell tell,
               std::function<int64_t()> now_us);

  void Begin(const std::string& cluster);
  void Add(const std::string& cluster, FindingChange change, const Finding& finding,
           const Facts& facts);
  // What could not be read may still be as it was: findings of it stay as they are.
  struct Unread {
    std::set<std::string> kinds;  // "group/Kind"
    bool related = false;         // so may those of checks that compare objects
    bool empty() const { return kinds.empty() && !related; }
    friend bool operator==(const Unread&, const Unread&) = default;
  };
  // All was told but for what is unread, and what others judge. Called again once that has been
  // read.
  void Complete(const std::string& cluster, Unread unread);
  // The cluster was removed: its findings close.
  void Forget(const std::string& cluster);

  // Writes what has been told. Keeps what could not be written for the next time.
  Result<> Flush();
  size_t pending() const;
  uint64_t dropped() const;

  // Transitions since the last call, by cluster: for trends.
  struct Moved {
    uint64_t opened = 0, closed = 0;
    void Add(const Moved& other) {
      opened += other.opened;
      closed += other.closed;
    }
  };
  struct Moves {
    Moved all;
    std::map<std::string, Moved> by_namespace;
    void Add(const Moves& other) {
      all.Add(other.all);
      for (const auto& [ns, moved] : other.by_namespace) by_namespace[ns].Add(moved);
    }
  };
  std::map<std::string, Moves> TakeMoves();

 private:
  struct Pending {
    std::string cluster;
    FindingChange change;
    Finding finding;
    std::vector<std::string> labels, images;
  };
  // What was told of a cluster since Begin(), until all that is not among it has been closed.
  struct Told {
    std::unordered_set<std::string> ids;
    bool complete = false;  // to be closed by the next Flush()
    bool closing = false;   // a Flush() is at it; `ids` are those that were told meanwhile
    Unread unread;
  };
  static void Merge(Pending& earlier, Pending later);
  void Restore(const std::string& cluster, Told told, bool complete);
  Result<> WriteParts(std::span<const Pending> changes);
  Result<> Write(std::span<const Pending> changes);
  Result<> CloseOthers(const std::string& cluster, const Told* told);

  store::StateStore& state_;
  Pipeline& pipeline_;
  const KnownChecks& checks_;
  const Tell tell_;
  const std::function<int64_t()> now_us_;

  std::mutex writing_;  // one Flush() at a time
  mutable std::mutex mutex_;
  std::vector<Pending> pending_;
  std::unordered_map<std::string, size_t> at_;  // id → index in pending_
  std::map<std::string, Told> told_;
  std::unordered_set<std::string> forgotten_;
  std::map<std::string, Moves> moves_;
  uint64_t dropped_ = 0;
};

}  // namespace bulwark::posture
