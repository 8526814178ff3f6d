#pragma once

// The inspection of every cluster of a server, as it changes: the inventory tells of objects, live
// inspections judge them, the findings' book keeps what came out. Beside findings it keeps
//   inspections  a record a cluster: score, counts by severity, category, namespace, check, control
//   inspected    a record an asset that was judged: its score and counts
//   trends       a record a cluster and day: score, open findings, how many opened and closed
//   runs         a record a full inspection: by whom, when, how it came out
//
// A full inspection (Run) reads the cluster anew, beside the watches, and is compared with what the
// watches have led to: a difference is logged, counted and shown, for it would be a change that was
// missed.
//
// Thread-safe.

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "features/posture/check_set.h"
#include "features/posture/live.h"
#include "features/posture/server/exception_book.h"
#include "features/posture/server/feature.h"
#include "features/posture/server/findings_book.h"
#include "features/posture/server/known_checks.h"
#include "features/posture/server/trends.h"
#include "model/report.h"
#include "platform/inventory/inventory.h"
#include "platform/service/service.h"

namespace bulwark::posture {

inline constexpr std::string_view kInspections = "inspections";
inline constexpr std::string_view kInspected = "inspected";
inline constexpr std::string_view kRuns = "runs";
const store::Collection& InspectionsCollection();
const store::Collection& InspectedCollection();
const store::Collection& RunsCollection();

class LivePosture : public AssetListener {
 public:
  // `others`: checks that somebody else runs, who tells what came of them by TakeOthers().
  LivePosture(Services& services, const CheckSet& checks, std::vector<CheckInfo> others = {});
  ~LivePosture() override;

  // Before the inventory's: puts right what a crash, or a cluster removed meanwhile, left behind.
  Result<> Start();
  void Stop();

  // A full inspection of a cluster, whose report is returned; recorded in "runs". Errors beside
  // those of the inventory: posture.running (kExists), posture.stopped (kUnavailable).
  Result<Report> Run(const std::string& cluster, std::string_view by, const std::stop_token& stop);
  // The same in the background; the key of the record, which is there by then.
  Result<std::string> StartRun(const std::string& cluster, std::string_view by);

  // All that others judged of an asset: findings open, stay, or close where the check passes.
  Result<> TakeOthers(const Asset& asset, std::span<const OtherAssessment> judged);

  ExceptionBook& exceptions() { return exceptions_; }
  // They were changed in the store; findings follow in a moment.
  void ExceptionsChanged();
  const CheckSet& checks() const { return checks_; }
  const KnownChecks& known() const { return known_; }

  // AssetListener
  bool Wants(const kube::Resource& resource) const override;
  void OnCluster(const Cluster& cluster, const kube::Client& client) override;
  void OnPut(const Cluster& cluster, const kube::Resource& resource, const Value& object,
             std::string_view text) override;
  void OnDelete(const Cluster& cluster, const kube::Resource& resource, std::string_view ns,
                std::string_view name) override;
  void OnSynced(const Cluster& cluster) override;
  void OnUnreadable(const Cluster& cluster, const kube::Resource& resource, std::string_view ns,
                    const Error& error) override;
  void OnRemoved(const Cluster& cluster) override;

 private:
  class Watched;  // one cluster

  void AddCustom(std::set<std::string> kinds);
  std::shared_ptr<Watched> Find(const std::string& cluster) const;
  std::vector<std::shared_ptr<Watched>> All() const;
  void Work(const std::stop_token& stop);
  void SettleOne(Watched& watched);
  void ApplyExceptions();
  Result<> ExceptOthers();
  std::string NameOf(const std::string& cluster) const;
  void WriteScores(Watched& watched);
  Result<> WriteSummary(Watched& watched, const LiveSummary& summary);
  void ForgetCluster(const std::string& cluster);
  void Sweep();

  // What is asked of clusters beside their watches.
  void Ask(const std::stop_token& stop);
  void ReadKubeletsOf(Watched& watched, const std::stop_token& stop);
  void ReadOrphansOf(Watched& watched, const std::stop_token& stop);

  Result<> Claim(const std::string& cluster);
  void WriteRun(const std::string& key, const std::string& cluster, std::string_view by,
                const std::string& started, const Result<Report>* report,
                std::optional<uint64_t> drift);
  Result<Report> Inspect(const std::string& cluster, const std::stop_token& stop);
  Result<Report> RunClaimed(const std::string& key, const std::string& cluster, std::string_view by,
                            const std::stop_token& stop);
  std::optional<uint64_t> DriftOf(const Report& report, const std::string& cluster,
                                  int64_t started_us, const std::stop_token& stop);

  Services& services_;
  const CheckSet& checks_;
  const KnownChecks known_;
  FindingsBook book_;
  ExceptionBook exceptions_;
  Counter& drift_;
  std::atomic<bool> running_workers_ = false;
  std::atomic<bool> flush_failed_ = false;

  mutable std::mutex mutex_;  // before that of a Watched, never after
  std::map<std::string, std::shared_ptr<Watched>> clusters_;
  std::set<std::string> removed_;                     // to be forgotten by the worker
  std::map<std::string, FindingsBook::Moves> moves_;  // not yet in a trend
  // Custom resources with pod templates, of all clusters; and what Wants() has said, by kind.
  std::set<std::string> custom_;
  mutable std::unordered_map<std::string, bool> wanted_;
  bool exceptions_changed_ = true;
  bool stopped_ = false;
  struct Background {
    std::shared_ptr<std::atomic<bool>> done;
    std::jthread thread;
  };
  std::vector<Background> runs_;
  std::set<std::string> running_;  // clusters
  std::stop_source ending_;
  std::jthread worker_, asker_;
  std::condition_variable_any wake_;
};

}  // namespace bulwark::posture
