#include "features/posture/live.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "formats/json.h"

namespace bulwark::posture {

namespace {

// Checks between objects take at most a fifth of the time.
constexpr int kRestPerRun = 4;
// However fast a cluster changes, they run after so many times the settling time.
constexpr int kMaxSettles = 10;
constexpr std::string_view kOwnExceptions = "except.bulwark.io/";

std::string NameOf(std::string_view ns, std::string_view kind, std::string_view name) {
  return fmt::format("{}\n{}\n{}", ns, kind, name);
}

// What may change about a finding that stays the same one. `facts`: of its object.
uint64_t HashOf(const Finding& f, std::string_view facts) {
  std::string all = fmt::format("{}\n{}\n{}\n{}\n{}", f.evidence.path, f.evidence.value,
                                f.evidence.container, static_cast<int>(f.status), facts);
  for (const auto& [name, value] : f.args) all += fmt::format("\n{}={}", name, value);
  return XxHash3(all);
}

uint64_t HashOf(const std::optional<Excused>& excused) {
  if (!excused) return 0;
  return XxHash3(fmt::format("{}\n{}\n{}\n{}\n{}", excused->id, excused->reason, excused->owner,
                             excused->expires, excused->by_owner)) |
         1;
}

// As an object, so that exceptions find there what they look for: labels, annotations that except,
// and the images of containers.
std::string FactsText(const Value& value, const std::vector<kube::PodTemplatePath>& templates,
                      Arena& arena) {
  kube::Object object(value);
  MapBuilder metadata(arena), annotations(arena), facts(arena);
  for (const Value::Entry& entry : object.annotations().entries()) {
    if (entry.key.IsString() && entry.key.AsString().starts_with(kOwnExceptions))
      annotations.Add(entry.key, entry.value);
  }
  if (annotations.size() != 0) metadata.Add("annotations", annotations.Finish());
  if (object.labels().IsMap()) metadata.Add("labels", object.labels());
  facts.Add("metadata", metadata.Finish());
  std::vector<Value> containers;
  if (auto pod = kube::FindPodTemplate(value, templates)) {
    for (std::string_view list : kube::kContainerLists) {
      Value all = (*pod->spec)[list];  // a copy keeps its items' memory
      for (const Value& container : all.items()) {
        MapBuilder one(arena);
        one.Add("name", container["name"]).Add("image", container["image"]);
        containers.push_back(one.Finish());
      }
    }
  }
  if (!containers.empty()) facts.Add("containers", Value::Array(arena, containers));
  return ToJson(facts.Finish());
}

}  // namespace

LiveInspection::LiveInspection(const CheckSet& checks, LiveOptions options, LiveListener& listener)
    : checks_(checks),
      options_(std::move(options)),
      listener_(listener),
      check_options_([this] {
        CheckOptions with = options_.check;
        with.exceptions = &exceptions_;
        return with;
      }()),
      checker_(checks, check_options_),
      trimmer_(checks, check_options_.templates),
      by_check_(checks.checks().size()),
      first_change_(Clock::now()),
      last_change_(first_change_) {
  for (uint32_t i = 0; i < checks.checks().size(); ++i) {
    index_.emplace(checks.checks()[i].info.id, i);
  }
}

Result<> LiveInspection::Put(const std::string& key, std::string_view text) {
  arena_.Reset();
  Value value = BW_TRY(
      ParseJson(text, arena_, {.duplicate_keys = true, .drop_nulls = true, .borrow_text = true}));
  if (!value.IsMap()) return Error(Code::kInvalid, "posture.object", key + ": not a JSON object");
  kube::Object object(value);
  auto [at, is_new] = objects_.try_emplace(key);
  Known& known = at->second;
  Changed();
  if (is_new) {
    known.name = NameOf(object.ns(), object.kind(), object.name());
    ++names_[known.name];
  }
  Value controller = kube::ControllerOf(value);
  known.owner = controller.IsNull()
                    ? std::string()
                    : NameOf(object.ns(), controller.StringAt("kind"), controller.StringAt("name"));
  known.waiting.clear();
  orphans_.erase(key);
  known.orphan = false;
  if (known.owner.empty()) {
    Judge(known, value);
  } else if (names_.contains(known.owner)) {
    // Its owner is judged in its place.
    Forget(known);
  } else if (known.asset != nullptr) {
    known.orphan = true;
    orphans_.insert(key);
    Judge(known, value);
  } else {
    // The owner may come in a moment, over another stream.
    known.waiting = text;
    orphans_.insert(key);
  }
  return Ok();
}

void LiveInspection::Delete(const std::string& key) {
  auto at = objects_.find(key);
  if (at == objects_.end()) return;
  Changed();
  Forget(at->second);
  if (auto name = names_.find(at->second.name); --name->second == 0) {
    names_.erase(name);
    vanished_.insert(at->second.name);
  }
  orphans_.erase(key);
  objects_.erase(at);
}

void LiveInspection::Keep(Known& known, std::string kept) {
  if (known.kept == kept) return;
  known.kept = std::move(kept);
  related_changed_ = true;
}

// It is not judged any more.
void LiveInspection::Forget(Known& known) {
  Keep(known, {});
  known.waiting.clear();
  known.counts.clear();
  known.related_counts.clear();
  for (const auto* findings : {&known.findings, &known.related}) {
    for (const Open& open : *findings) TellClosed(open);
  }
  known.findings.clear();
  known.related.clear();
  known.facts.clear();
  if (known.asset == nullptr) return;
  listener_.OnGone(*known.asset);
  known.asset = nullptr;
}

void LiveInspection::Judge(Known& known, const Value& value) {
  kube::Object object(value);
  Asset asset = object.ToAsset(check_options_.cluster);
  bool same = known.asset != nullptr && *known.asset == asset;
  if (!same) known.asset = std::make_shared<const Asset>(std::move(asset));
  std::string facts = FactsText(value, check_options_.templates, arena_);
  same = same && known.facts == facts;
  known.facts = std::move(facts);
  Findings findings;
  checker_.Run({.object = &value}, findings, by_check_);
  std::vector<Count> counts = TakeCounts();
  same = same && known.counts == counts;
  known.counts = std::move(counts);
  Replace(known, known.findings, findings, arena_);
  bool workload = kube::FindPodTemplate(value, check_options_.templates).has_value();
  kube::GroupVersionKind id = object.gvk();
  // Namespaces are kept in any case: they say which input is complete.
  bool keep =
      trimmer_.Wants(id.group, id.kind, workload) || (id.group.empty() && id.kind == "Namespace");
  Keep(known, keep ? ToJson(Inventory::Trimmed(value, arena_)) : std::string());
  if (!same) TellJudged(known, arena_);
}

void LiveInspection::SetExceptions(Exceptions exceptions) {
  exceptions_ = std::move(exceptions);
  // Most findings are of checks that no exception speaks of.
  std::vector<bool> mentioned;
  for (const Check& check : checks_.checks())
    mentioned.push_back(exceptions_.Mention(check.info.id));
  auto concerned = [&](const Open& open) { return mentioned[open.check] || open.excuse != 0; };
  Arena arena(1 << 14);
  for (auto& [key, known] : objects_) {
    if (std::none_of(known.findings.begin(), known.findings.end(), concerned) &&
        std::none_of(known.related.begin(), known.related.end(), concerned))
      continue;
    arena.Reset();
    auto facts = ParseJson(known.facts, arena, {.borrow_text = true});
    if (!facts) continue;
    Value containers = (*facts)["containers"];
    std::vector<std::string_view> images;
    for (const Value& c : containers.items()) images.push_back(c.StringAt("image"));
    bool different = false;
    auto look = [&](Open& open, std::vector<Count>& counts) {
      if (open.status != Status::kFail || !concerned(open)) return;
      std::string_view image;
      for (const Value& c : containers.items()) {
        if (!open.container.empty() && c.StringAt("name") == open.container)
          image = c.StringAt("image");
      }
      const CheckInfo& check = checks_.checks()[open.check].info;
      auto excused = exceptions_.Find(check.id, *open.asset, *facts, image, images);
      uint64_t excuse = HashOf(excused);
      if (excuse == open.excuse) return;
      bool moved = (excuse == 0) != (open.excuse == 0);
      open.excuse = excuse;
      for (Count& count : counts) {
        if (count.check != open.check || !moved) continue;
        uint16_t& from = excuse != 0 ? count.failed : count.excused;
        uint16_t& to = excuse != 0 ? count.excused : count.failed;
        if (from == 0 || to == UINT16_MAX) continue;
        --from;
        ++to;
        different = true;
      }
      Finding f;
      f.id = open.id;
      f.check = check.id;
      f.severity = check.severity;
      f.status = open.status;
      f.asset = *open.asset;
      f.evidence.path = open.path;
      f.evidence.container = open.container;
      f.excused = std::move(excused);
      listener_.OnFinding(FindingChange::kExcused, f, FactsOf(known, arena));
    };
    for (Open& open : known.findings) look(open, known.counts);
    for (Open& open : known.related) look(open, known.related_counts);
    if (different) TellJudged(known, arena);
  }
}

void LiveInspection::Lost(const std::string& what, bool was_read) {
  if (lost_.contains(what) || unreadable_.contains(what)) return;
  (was_read ? lost_ : unreadable_).insert(what);
  related_changed_ = true;
}

void LiveInspection::Found(const std::string& what) {
  if (unreadable_.erase(what) + lost_.erase(what) == 0) return;
  related_changed_ = true;
  Changed();
}

// --- Checks between objects ----------------------------------------------------------------------

void LiveInspection::Changed() {
  if (!changed_) first_change_ = Clock::now();
  changed_ = true;
  last_change_ = Clock::now();
}

LiveInspection::Clock::time_point LiveInspection::SettleAt() const {
  if (!changed_) return Clock::time_point::max();
  auto at = std::min(last_change_ + options_.settle, first_change_ + options_.settle * kMaxSettles);
  return std::max(at, last_run_ + last_run_took_ * kRestPerRun);
}

void LiveInspection::Settle() {
  auto start = Clock::now();
  for (auto next = orphans_.begin(); next != orphans_.end();) {
    auto key = next++;
    Known& known = objects_.at(*key);
    if (names_.contains(known.owner)) {
      known.orphan = false;
      Forget(known);
      orphans_.erase(key);
    } else if (!known.waiting.empty()) {
      std::string text = std::exchange(known.waiting, {});
      arena_.Reset();
      auto value = ParseJson(text, arena_,
                             {.duplicate_keys = true, .drop_nulls = true, .borrow_text = true});
      known.orphan = true;
      if (value) Judge(known, *value);
    }
  }
  // What went with its owner is gone by now.
  if (auto vanished = std::exchange(vanished_, {}); !vanished.empty()) {
    for (const auto& [key, known] : objects_) {
      if (known.asset == nullptr && known.waiting.empty() && vanished.contains(known.owner) &&
          !names_.contains(known.owner))
        listener_.OnOrphan(key);
    }
  }
  if (lost_.empty() && std::exchange(related_changed_, false)) RunRelated();
  changed_ = false;
  last_run_ = Clock::now();
  last_run_took_ = last_run_ - start;
}

void LiveInspection::RunRelated() {
  Arena arena(1 << 16);
  Inventory inventory(checks_, check_options_.templates);
  for (auto& [key, known] : objects_) {
    if (known.kept.empty()) continue;
    auto value = ParseJson(known.kept, arena, {.borrow_text = true});
    if (!value) continue;
    const Value* kept = arena.New<Value>(*value);
    bool workload = kube::FindPodTemplate(*kept, check_options_.templates).has_value();
    inventory.Add(*kept, workload, key, {}, nullptr);  // its "file" is how it is found again
  }
  inventory.Finish();
  for (const Inventory::Kept& kept : inventory.kept()) {
    kube::Object object(kept.object);
    bool is_namespace = object.kind() == "Namespace";
    std::string ns = is_namespace ? object.name() : std::string(object.ns());
    if (ns.empty()) ns = "default";
    bool complete = options_.whole || inventory.HasNamespace(ns) ||
                    (object.ns().empty() && inventory.HasNamespace(""));
    complete = complete && unreadable_.empty();
    Findings findings;
    checker_.RunRelated({.object = &kept.object}, inventory.Peers(ns), inventory.Cluster(),
                        complete, findings, by_check_);
    Known& known = objects_.at(kept.file);
    std::vector<Count> counts = TakeCounts();
    Arena scratch(1 << 12);
    Replace(known, known.related, findings, scratch);
    if (counts != known.related_counts) {
      known.related_counts = std::move(counts);
      TellJudged(known, scratch);
    }
  }
}

// --- What is told --------------------------------------------------------------------------------

// Tells the differences, and remembers the new ones.
void LiveInspection::Replace(Known& known, std::vector<Open>& old, const Findings& now,
                             Arena& arena) {
  if (old.empty() && now.empty()) return;
  std::vector<Open> next;
  next.reserve(now.size());
  std::vector<std::pair<std::string, size_t>> order;
  for (size_t i = 0; i < now.size(); ++i) order.emplace_back(now[i].id, i);
  std::sort(order.begin(), order.end());
  Facts facts = FactsOf(known, arena);
  size_t at = 0;
  auto close_before = [&](const std::string* id) {
    for (; at < old.size() && (id == nullptr || old[at].id < *id); ++at) TellClosed(old[at]);
  };
  for (const auto& [id, i] : order) {
    if (!next.empty() && next.back().id == id) continue;
    Finding f = now[i];
    close_before(&id);
    uint64_t excuse = HashOf(f.excused), hash = HashOf(f, known.facts);
    bool was = at < old.size() && old[at].id == id;
    if (!was || (old[at].excuse != 0) != (excuse != 0)) {
      listener_.OnFinding(excuse != 0 ? FindingChange::kExcepted : FindingChange::kOpened, f,
                          facts);
    } else if (old[at].hash != hash || old[at].excuse != excuse) {
      listener_.OnFinding(FindingChange::kChanged, f, facts);
    }
    if (was) ++at;
    next.push_back({id, hash, excuse, index_.at(f.check), f.status, known.asset, f.evidence.path,
                    f.evidence.container});
  }
  close_before(nullptr);
  next.shrink_to_fit();
  old = std::move(next);
}

void LiveInspection::TellClosed(const Open& open) {
  const CheckInfo& check = checks_.checks()[open.check].info;
  Finding f;
  f.id = open.id;
  f.check = check.id;
  f.severity = check.severity;
  f.status = open.status;
  f.asset = *open.asset;
  f.evidence.path = open.path;
  f.evidence.container = open.container;
  listener_.OnFinding(FindingChange::kClosed, f, {});
}

void LiveInspection::TellJudged(const Known& known, Arena& arena) {
  if (known.asset != nullptr) {
    listener_.OnJudged(*known.asset, FactsOf(known, arena), TallyOf(known));
  }
}

Facts LiveInspection::FactsOf(const Known& known, Arena& arena) const {
  auto parsed = ParseJson(known.facts, arena, {.borrow_text = true});
  if (!parsed) return {};
  std::vector<Value> images;
  for (const Value& container : (*parsed)["containers"].items()) {
    if (container["image"].IsString()) images.push_back(container["image"]);
  }
  return {.labels = (*parsed)["metadata"]["labels"], .images = Value::Array(arena, images)};
}

// --- Counts --------------------------------------------------------------------------------------

std::vector<LiveInspection::Count> LiveInspection::TakeCounts() {
  std::vector<Count> counts;
  auto clip = [](uint64_t n) { return static_cast<uint16_t>(std::min<uint64_t>(n, UINT16_MAX)); };
  for (size_t i = 0; i < by_check_.size(); ++i) {
    Tally& tally = by_check_[i];
    if (tally.total() == 0) continue;
    counts.push_back({static_cast<uint16_t>(i), clip(tally.passed), clip(tally.failed),
                      clip(tally.errors), clip(tally.excused)});
    tally = {};
  }
  counts.shrink_to_fit();
  return counts;
}

void LiveInspection::AddTo(const Count& count, Tally& tally) const {
  Severity severity = checks_.checks()[count.check].info.severity;
  if (count.passed != 0) tally.Add(severity, Status::kPass, false, count.passed);
  if (count.failed != 0) tally.Add(severity, Status::kFail, false, count.failed);
  if (count.errors != 0) tally.Add(severity, Status::kError, false, count.errors);
  if (count.excused != 0) tally.Add(severity, Status::kFail, true, count.excused);
}

Tally LiveInspection::TallyOf(const Known& known) const {
  Tally tally;
  for (const Count& count : known.counts) AddTo(count, tally);
  for (const Count& count : known.related_counts) AddTo(count, tally);
  return tally;
}

LiveSummary LiveInspection::Summarise() const {
  LiveSummary summary;
  summary.by_check.resize(checks_.checks().size());
  for (const auto& [key, known] : objects_) {
    if (known.asset == nullptr) continue;
    ++summary.judged;
    Tally& of_namespace = summary.by_namespace[known.asset->ns];
    for (const auto* counts : {&known.counts, &known.related_counts}) {
      for (const Count& count : *counts) {
        AddTo(count, summary.by_check[count.check]);
        AddTo(count, of_namespace);
      }
    }
  }
  for (size_t i = 0; i < summary.by_check.size(); ++i) {
    if (summary.by_check[i].total() == 0) continue;
    summary.total.Merge(summary.by_check[i]);
    summary.by_category[checks_.checks()[i].info.category].Merge(summary.by_check[i]);
  }
  return summary;
}

}  // namespace bulwark::posture
