#pragma once

// An inspection without end: the objects of one cluster (or folder) come and go, and whoever
// listens is told which findings opened, changed, were excepted and closed because of it.
//
//   LiveInspection live(checks, {.cluster = uid}, listener);
//   live.Put("apps/Deployment/prod/web", json);   // new or changed: judged at once
//   live.Delete("apps/Deployment/prod/web");
//   if (live.SettleAt() <= now) live.Settle();    // checks between objects
//
// A changed object is judged at once by the checks that look at it alone. Checks between objects
// run over all that is kept, once changes have settled (LiveOptions::settle; rarer where they take
// long). What an owner stands for (a Deployment's Pods) is not judged beside it.
//
// Memory: of every object its key; of those with findings what exceptions look at; of those that
// checks compare, a trimmed copy as text; some 200 bytes a finding, 12 bytes a check that ran.
// Not thread-safe.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "features/posture/check.h"
#include "features/posture/check_set.h"
#include "features/posture/exceptions.h"
#include "features/posture/inventory.h"
#include "model/report.h"

namespace bulwark::posture {

enum class FindingChange : uint8_t {
  kOpened,    // fails now, and is not excepted
  kExcepted,  // fails now, or still, and is excepted
  kChanged,   // still open or excepted as before; its value, arguments, place in the object or what
              // lists ask of the object (Facts) is another
  kExcused,   // only its exception came, went (`excused` is empty) or is another: it was not judged
              // anew, and of its evidence only path and container are given
  kClosed,    // fixed, or its object is gone: only what identifies the finding is given
};

// What lists and exceptions ask of an object beside its name.
struct Facts {
  Value labels;  // map
  Value images;  // array of references
};

class LiveListener {
 public:
  virtual ~LiveListener() = default;
  virtual void OnFinding(FindingChange change, const Finding& finding, const Facts& facts) = 0;
  // How an object did, with the checks between objects as they ran last; where that is not what was
  // told before.
  virtual void OnJudged(const Asset& asset, const Facts& facts, const Tally& tally) = 0;
  // It is not there any more, or not judged for itself any more.
  virtual void OnGone(const Asset& asset) = 0;
  // The owner that was judged in its place has gone, and it is still here. Of such an object only
  // the key is kept: whoever can get it puts it again. Told by Settle().
  virtual void OnOrphan(const std::string& key) { (void)key; }
};

struct LiveOptions {
  CheckOptions check;  // without exceptions: those are SetExceptions()'
  bool whole = true;   // the objects are all of a cluster
  std::chrono::milliseconds settle = std::chrono::seconds(2);
};

struct LiveSummary {
  Tally total;
  std::map<std::string, Tally> by_category, by_namespace;
  std::vector<Tally> by_check;  // as CheckSet::checks()
  uint64_t judged = 0;
};

class LiveInspection {
 public:
  using Clock = std::chrono::steady_clock;

  // The check set and the listener must outlive it.
  LiveInspection(const CheckSet& checks, LiveOptions options, LiveListener& listener);

  // `key`: "group/Kind/namespace/name". An error where `text` is no JSON object.
  Result<> Put(const std::string& key, std::string_view text);
  void Delete(const std::string& key);
  // Findings whose exception came, went or is another are told now.
  void SetExceptions(Exceptions exceptions);

  // A kind (`what` names it) that matters for checks that ask for complete input cannot be read:
  // `was_read` where it could be before. While one was lost, checks between objects do not run:
  // what they would not find any more would look fixed.
  void Lost(const std::string& what, bool was_read);
  void Found(const std::string& what);

  // Whether there is anything to settle, and when that is worth it.
  bool changed() const { return changed_; }
  Clock::time_point SettleAt() const;
  void Settle();

  size_t objects() const { return objects_.size(); }
  void ForEachKey(const std::function<void(const std::string& key)>& each) const {
    for (const auto& [key, known] : objects_) each(key);
  }
  LiveSummary Summarise() const;

 private:
  // How many assessments of a check came out how.
  struct Count {
    uint16_t check;
    uint16_t passed, failed, errors, excused;
    friend bool operator==(const Count&, const Count&) = default;
  };
  // What is remembered of a finding: enough to tell differences, and that it closed.
  struct Open {
    std::string id;
    uint64_t hash = 0;    // of what may change about it, but for its exception
    uint64_t excuse = 0;  // of its exception; 0: none
    uint32_t check = 0;   // index in the set
    Status status = Status::kFail;
    std::shared_ptr<const Asset> asset;
    std::string path, container;
  };
  // An object that is there.
  struct Known {
    std::string name;     // as owners are named: namespace, kind, name
    std::string owner;    // the name of its controller, or ""
    std::string kept;     // trimmed, for checks between objects; "" if none asks for it
    std::string waiting;  // in full: its owner has not come by yet
    std::string facts;    // JSON: what exceptions and Facts look at
    bool orphan = false;  // judged although it names an owner
    std::shared_ptr<const Asset> asset;   // of one that is judged
    std::vector<Open> findings, related;  // by id; of itself, and between objects
    std::vector<Count> counts, related_counts;
  };

  void Changed();
  void Keep(Known& known, std::string kept);
  void Forget(Known& known);
  void Judge(Known& known, const Value& value);
  void RunRelated();
  void Replace(Known& known, std::vector<Open>& old, const Findings& now, Arena& arena);
  void TellJudged(const Known& known, Arena& arena);
  void TellClosed(const Open& open);
  // What the scratch tallies say, and clears them.
  std::vector<Count> TakeCounts();
  void AddTo(const Count& count, Tally& tally) const;
  Tally TallyOf(const Known& known) const;
  Facts FactsOf(const Known& known, Arena& arena) const;

  const CheckSet& checks_;
  const LiveOptions options_;
  LiveListener& listener_;
  Exceptions exceptions_;
  CheckOptions check_options_;
  Checker checker_;
  const Inventory trimmer_;                          // knows what to keep
  std::vector<Tally> by_check_;                      // scratch
  std::unordered_map<std::string, uint32_t> index_;  // of checks, by id

  std::unordered_map<std::string, Known> objects_;
  std::unordered_map<std::string, uint32_t> names_;
  std::set<std::string> orphans_;  // keys of those that wait for an owner, or are judged without
  std::unordered_set<std::string> vanished_;  // names that owners had, since Settle()
  std::set<std::string> unreadable_, lost_;
  bool changed_ = true;
  bool related_changed_ = true;  // something that checks between objects look at
  Clock::time_point first_change_, last_change_;
  Clock::time_point last_run_;
  Clock::duration last_run_took_{};
  Arena arena_{1 << 16};
};

}  // namespace bulwark::posture
