#pragma once

// The inside of LivePosture: one cluster that is watched, and what its parts share. Private to this
// folder: live_posture.cc (what the inventory tells, the worker), summaries.cc (scores, trends),
// runs.cc (full inspections), others.cc (what others judge).

#include <fmt/format.h>

#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "features/posture/live.h"
#include "features/posture/server/live_posture.h"

namespace bulwark::posture {

inline constexpr std::string_view kKubeletConfig = "kubelet.config.k8s.io/KubeletConfiguration";

// What is told to lists that are open.
std::string ChangeData(std::string_view op, std::string_view key, std::string_view cluster,
                       std::string_view ns);
// score, passed, failed, errors, excepted, bySeverity.
void AddTally(const Tally& tally, MapBuilder& out, Arena& arena);

class LivePosture::Watched : private LiveListener {
 public:
  Watched(LivePosture& owner, const Cluster& of, CheckOptions check)
      : id(of.id),
        minor(check.kubernetes_minor),
        name(of.name),
        owner_(owner),
        live(owner.checks_, {.check = std::move(check)}, *this) {}

  struct Judged {
    Asset asset;
    std::vector<std::string> labels, images;
    Tally tally;
    bool gone = false;
  };

  const std::string id;
  const int minor;

  std::mutex mutex;  // over all that follows
  std::string name;
  bool removed = false;  // or another has taken its place: nothing more is told
  bool synced = false;
  bool telling = true;  // what there was at the start has not all been told
  // Connected to again: keys that have not been told since. What is still among them when all was
  // told is gone.
  std::unordered_set<std::string> unseen;
  std::set<std::string> unread;  // kinds
  std::set<std::string> back;    // of these: those that came since
  bool related_unread = false;
  FindingsBook::Unread told_unread;  // what Complete() was told
  std::set<std::string> nodes;       // whose kubelets' configuration is known
  bool kubelets_known = false, kubelets_unread = false;
  LiveInspection::Clock::time_point kubelets_due{};

  std::set<std::string> orphans;  // keys of what is to be asked for anew

  std::unordered_map<std::string, Judged> judged;  // to be written, by asset key
  std::unordered_set<std::string> present;         // asset keys, while telling
  bool scores_changed = false;
  LiveInspection::Clock::time_point scores_written{};

  FindingsBook::Unread Unread() const {
    FindingsBook::Unread out{.kinds = unread, .related = related_unread};
    if (kubelets_unread) out.kinds.emplace(kKubeletConfig);
    return out;
  }

 private:
  void OnFinding(FindingChange change, const Finding& finding, const Facts& facts) override {
    owner_.book_.Add(id, change, finding, facts);
    scores_changed = true;
  }
  void OnJudged(const Asset& asset, const Facts& facts, const Tally& tally) override {
    std::string key = asset.Key();
    if (telling) present.insert(key);
    Judged& j = judged[std::move(key)];
    j = {.asset = asset, .tally = tally};
    for (const Value::Entry& label : facts.labels.entries()) {
      if (label.key.IsString() && label.value.IsString())
        j.labels.push_back(fmt::format("{}={}", label.key.AsString(), label.value.AsString()));
    }
    for (const Value& image : facts.images.items()) {
      if (image.IsString()) j.images.emplace_back(image.AsString());
    }
    scores_changed = true;
  }
  void OnOrphan(const std::string& key) override {
    // What goes with its owner is gone in a moment; of more, the next inspection hears.
    constexpr size_t kMaxOrphans = 10'000;
    if (orphans.size() < kMaxOrphans) orphans.insert(key);
  }
  void OnGone(const Asset& asset) override {
    std::string key = asset.Key();
    present.erase(key);
    judged[std::move(key)] = {.asset = asset, .gone = true};
    scores_changed = true;
  }

  LivePosture& owner_;

 public:
  LiveInspection live;
};

}  // namespace bulwark::posture
