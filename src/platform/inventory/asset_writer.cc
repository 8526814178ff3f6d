#include "platform/inventory/asset_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"

namespace bulwark::inventory {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kMaxOrphans = 20'000;
constexpr size_t kMaxRetired = 5'000;
constexpr size_t kMaxReferences = 20;  // of one image
constexpr size_t kPathsInMessage = 3;
// How much earlier than the last sign of life something may have been made and yet be news: the
// clocks of a cluster and ours differ.
constexpr std::chrono::seconds kClockSlack{60};

uint64_t Hash(std::string_view text) { return XxHash3(text); }

Event EventOf(const Asset& asset, std::string_view verb, int64_t time_us, int64_t now_us) {
  Event event;
  event.time_us = time_us;
  event.received_us = now_us;
  event.kind = "asset";
  event.cluster = asset.cluster;
  event.severity = Severity::kInfo;
  event.verb = verb;
  event.target = asset;
  return event;
}

int64_t Micros(Timestamp at) { return at.seconds * 1'000'000 + at.nanos / 1000; }

// "shop" of "cluster//Pod/shop/web".
struct KeyParts {
  std::string group, kind, ns, name;
};
KeyParts PartsOf(std::string_view key) {
  KeyParts parts;
  std::string* into[] = {nullptr, &parts.group, &parts.kind, &parts.ns};
  for (std::string* part : into) {
    size_t slash = key.find('/');
    if (slash == std::string_view::npos) break;
    if (part != nullptr) *part = key.substr(0, slash);
    key.remove_prefix(slash + 1);
  }
  parts.name = key;
  return parts;
}

bool Sleep(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

const store::Collection& AssetCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = "assets",
      .version = 1,
      .columns =
          {
              {.name = "cluster", .path = "asset.cluster", .indexed = true},
              {.name = "group", .path = "asset.group"},
              {.name = "kind", .path = "asset.kind", .indexed = true},
              {.name = "ns", .path = "asset.namespace", .indexed = true, .aliases = {"namespace"}},
              {.name = "name", .path = "asset.name", .indexed = true, .full_text = true},
              {.name = "class", .path = "class", .indexed = true},
              {.name = "label", .path = "labels", .aliases = {"labels"}},
              {.name = "image", .path = "imageNames", .indexed = true},
              {.name = "node", .path = "node", .indexed = true},
              {.name = "owner", .path = "owner.name"},
              {.name = "workload", .path = "workload", .indexed = true},
              {.name = "serviceaccount", .path = "serviceAccount", .aliases = {"sa"}},
              {.name = "subject", .path = "summary.subjects"},
              {.name = "role", .path = "summary.role"},
              {.name = "phase", .path = "phase"},
              {.name = "created", .path = "createdAt", .type = ColumnType::kTime},
              {.name = "firstseen", .path = "firstSeen", .type = ColumnType::kTime},
              {.name = "lastseen", .path = "lastSeen", .type = ColumnType::kTime, .indexed = true},
              {.name = "gone", .path = "gone", .type = ColumnType::kBool},
          },
      .default_sort = "kind,ns,name",
  };
  return collection;
}

AssetSink SinkOf(store::StateStore& state, Pipeline& pipeline, const std::string& cluster) {
  AssetSink sink;
  sink.commit = [&state](const store::Batch& batch) -> Result<> {
    BW_TRY(state.Commit(batch));
    return Ok();
  };
  sink.publish = [&pipeline](std::vector<Event> events) -> Result<> {
    BW_TRY(pipeline.Publish(std::move(events)));
    return Ok();
  };
  sink.get = [&state](const std::string& key) -> Result<std::optional<std::string>> {
    auto record = BW_TRY(state.Get("assets", key));
    if (!record) return std::optional<std::string>();
    return std::optional(std::move(record->body));
  };
  sink.scan = [&state, cluster](const auto& each) -> Result<> {
    auto filter = store::Query::And({store::Query::Exactly("cluster", cluster),
                                     store::Query::Not(store::Query::Equals("gone", "true"))});
    return state.Scan("assets", filter, [&](const store::Record& record) -> Result<> {
      each(record.key, record.body);
      return Ok();
    });
  };
  return sink;
}

AssetWriter::AssetWriter(std::string cluster, AssetSink sink, Metrics& metrics,
                         std::optional<Timestamp> known_until)
    : cluster_(std::move(cluster)),
      sink_(std::move(sink)),
      known_until_(known_until),
      writes_(metrics.AddCounter("bulwark_inventory_writes_total",
                                 "Records of assets written to the store")),
      events_published_(metrics.AddCounter("bulwark_inventory_events_total",
                                           "Changes of assets published as events")),
      lost_(metrics.AddCounter("bulwark_inventory_lost_total",
                               "Changes of assets that the store refused for good")) {}

std::string AssetWriter::KeyOf(std::string_view group, std::string_view kind, std::string_view ns,
                               std::string_view name) const {
  return fmt::format("{}/{}/{}/{}/{}", cluster_, group, kind, ns, name);
}

Result<> AssetWriter::Load() {
  return sink_.scan([&](std::string_view key, std::string_view body) {
    auto stable = StableOf(body);
    uint64_t hash = Hash(key);
    seen_[hash] = stable ? Hash(*stable) : 0;
    unconfirmed_.emplace(hash, key);
    ++counts_[PartsOf(key).kind];
  });
}

// --- From objects to records ---------------------------------------------------------------------

void AssetWriter::Put(const kube::Resource& resource, const Value& object) {
  AssetRecord record = RecordOf(cluster_, resource, object);
  if (record.asset.name.empty()) return;
  Resolve(record);
  if (record.asset.kind == "Node" && provider_.empty()) {
    std::string_view id = object["spec"].StringAt("providerID");
    provider_ = id.substr(0, std::min(id.find(':'), id.size()));
  }
  if (record.cls == "pod") UseImages(record);
  PutRecord(record);
}

// Who stands at the top of the owners.
void AssetWriter::Resolve(AssetRecord& record) {
  const uint64_t own = Hash(record.asset.Key());
  if (record.owner && record.owner->kind != "Node") {
    const OwnerRef& owner = *record.owner;
    std::string owner_key = KeyOf(owner.group, owner.kind, record.asset.ns, owner.name);
    bool between = (owner.group == "apps" && owner.kind == "ReplicaSet") ||
                   (owner.group == "batch" && owner.kind == "Job");
    auto above = between ? owners_.find(Hash(owner_key)) : owners_.end();
    if (above != owners_.end()) {
      record.workload = above->second;
    } else {
      record.workload = owner_key;
      if (between && record.cls == "pod" && orphan_count_ < kMaxOrphans) {
        auto& waiting = orphans_[Hash(owner_key)];
        if (waiting.insert_or_assign(record.asset.name, record).second) ++orphan_count_;
      }
    }
  }
  if (record.asset.kind != "ReplicaSet" && record.asset.kind != "Job") return;
  std::string top = record.workload.empty() ? record.asset.Key() : record.workload;
  owners_[own] = top;
  auto waiting = orphans_.find(own);
  if (waiting == orphans_.end()) return;
  auto pods = std::move(waiting->second);
  orphans_.erase(waiting);
  orphan_count_ -= pods.size();
  for (auto& [name, pod] : pods) {
    if (!seen_.contains(Hash(pod.asset.Key())) || pod.workload == top) continue;
    pod.workload = top;
    UseImages(pod);
    PutRecord(pod);
  }
}

std::optional<std::string> AssetWriter::Old(const std::string& key) {
  if (auto at = pending_.find(key); at != pending_.end()) return at->second;
  auto got = sink_.get(key);
  if (!got) {
    // Without the old record the change is still written; its history says less.
    Log(Level::kWarn, "inventory.read.failed", {{"asset", key}, {"error", got.error()}});
    return std::nullopt;
  }
  return *std::move(got);
}

bool AssetWriter::IsNews(const AssetRecord& record) const {
  if (synced_.contains(record.asset.group + "/" + record.asset.kind)) return true;
  if (!known_until_) return false;
  auto created = ParseRfc3339(record.created);
  return created && *created > *known_until_ - kClockSlack;
}

void AssetWriter::PutRecord(const AssetRecord& record, bool is_image) {
  const std::string key = record.asset.Key();
  const uint64_t hash = Hash(key);
  std::string stable = StableBody(record);
  const uint64_t stable_hash = Hash(stable);
  if (!unconfirmed_.empty()) unconfirmed_.erase(hash);
  auto [at, is_new] = seen_.try_emplace(hash, stable_hash);
  if (!is_new && at->second == stable_hash) return;
  at->second = stable_hash;
  if (is_new) ++counts_[record.asset.kind];

  std::string now = FormatRfc3339(sink_.now());
  std::string first = now;
  if (is_new) {
    if (!is_image && IsNews(record)) {
      AddEvent(record, "created", "asset.created", {}, {});
    }
  } else if (auto old_body = Old(key)) {
    Arena arena;
    auto old = ParseJson(*old_body, arena, {.borrow_text = true});
    if (old && old->IsMap()) {
      const std::string_view old_uid = old->StringAt("uid");
      if (old_uid != record.uid && !old_uid.empty()) {
        AddEvent(record, "created", "asset.created", {{"replaced", std::string(old_uid)}}, {});
      } else {
        if (std::string_view f = old->StringAt("firstSeen"); !f.empty()) first = f;
        auto config = ParseJson(record.config, arena);
        ConfigDiff diff =
            config && !is_image ? DiffConfigs((*old)["config"], *config) : ConfigDiff();
        if (!diff.changes.empty()) {
          std::string fields, body = R"({"changes":[)";
          for (size_t i = 0; i < diff.changes.size(); ++i) {
            const FieldChange& change = diff.changes[i];
            if (i < kPathsInMessage) fields += (i > 0 ? ", " : "") + change.path;
            body += i > 0 ? R"(,{"path":)" : R"({"path":)";
            AppendJsonString(body, change.path);
            body += R"(,"before":)";
            AppendJsonString(body, change.before);
            body += R"(,"after":)";
            AppendJsonString(body, change.after);
            body += '}';
          }
          body += ']';
          size_t all = diff.changes.size() + diff.more;
          if (all > kPathsInMessage) fields += fmt::format(" (+{})", all - kPathsInMessage);
          if (diff.more > 0) body += fmt::format(R"(,"more":{})", diff.more);
          AddEvent(record, "updated", "asset.updated", {{"fields", fields}}, body + "}");
        }
      }
    }
  }
  Stage(key, WholeBody(stable, {.first = first, .last = now}));
  told_.push_back({false, key, cluster_, record.asset.ns, record.asset.kind, record.asset.name});
}

void AssetWriter::AddEvent(const AssetRecord& record, std::string_view verb, std::string message,
                           MessageArgs args, std::string body) {
  const Timestamp now = sink_.now();
  Timestamp at = now;
  // What the object says of its time, where that is not in the future.
  const std::string& said = verb == "created" ? record.created : record.managed_at;
  if (auto parsed = ParseRfc3339(said); parsed && *parsed <= now) at = *parsed;
  Event event = EventOf(record.asset, verb, Micros(at), Micros(now));
  event.id = EventId({"asset", record.asset.Key(), record.uid, record.version, verb});
  event.user_agent = record.manager;
  event.node = record.node;
  if (record.cls == "pod") event.pod = record.asset.name;
  event.message = std::move(message);
  args.emplace(args.begin(), "object", record.asset.Label());
  args.emplace_back("manager", record.manager.empty() ? "?" : record.manager);
  event.args = std::move(args);
  event.body = std::move(body);
  if (events_.empty() && pending_.empty()) first_pending_ = Clock::now();
  events_.push_back(std::move(event));
}

void AssetWriter::Stage(const std::string& key, std::string body) {
  if (events_.empty() && pending_.empty()) first_pending_ = Clock::now();
  pending_.insert_or_assign(key, std::move(body));
}

// --- What goes -----------------------------------------------------------------------------------

void AssetWriter::Deleted(const kube::Resource& resource, std::string_view ns,
                          std::string_view name) {
  std::string key = KeyOf(resource.group, resource.kind, ns, name);
  Gone(key);
}

void AssetWriter::Gone(const std::string& key) {
  const uint64_t hash = Hash(key);
  unconfirmed_.erase(hash);
  if (seen_.erase(hash) == 0) return;
  KeyParts parts = PartsOf(key);
  if (auto count = counts_.find(parts.kind); count != counts_.end() && --count->second == 0) {
    counts_.erase(count);
  }
  if (parts.kind == "Pod") DropUses(hash);
  if (parts.kind == "ReplicaSet" || parts.kind == "Job") Retire(hash);
  std::string now = FormatRfc3339(sink_.now());
  told_.push_back({true, key, cluster_, parts.ns, parts.kind, parts.name});
  auto old_body = Old(key);
  auto stable = old_body ? StableOf(*old_body) : std::nullopt;
  if (!stable) return;
  Arena arena;
  auto old = ParseJson(*old_body, arena, {.borrow_text = true});
  if (!old || !old->IsMap()) return;
  Stage(key,
        WholeBody(*stable,
                  {.first = std::string(old->StringAt("firstSeen")), .last = now, .gone = true}));
  if (parts.kind == "Image") return;
  AssetRecord record;
  const Value asset = (*old)["asset"];
  record.asset = {cluster_,   parts.group, std::string(asset.StringAt("version")),
                  parts.kind, parts.ns,    parts.name};
  record.uid = old->StringAt("uid");
  record.cls = old->StringAt("class");
  record.node = old->StringAt("node");
  AddEvent(record, "deleted", "asset.deleted", {}, {});
}

// Its pods go after it, and should still find the way to the top.
void AssetWriter::Retire(uint64_t owner) {
  retired_.push_back(owner);
  if (retired_.size() <= kMaxRetired) return;
  uint64_t oldest = retired_.front();
  retired_.pop_front();
  if (!seen_.contains(oldest)) owners_.erase(oldest);
}

void AssetWriter::Synced(const kube::Resource& resource) {
  std::string prefix = fmt::format("{}/{}/{}/", cluster_, resource.group, resource.kind);
  std::vector<std::string> gone;
  for (const auto& [hash, key] : unconfirmed_) {
    if (key.starts_with(prefix)) gone.push_back(key);
  }
  std::sort(gone.begin(), gone.end());
  for (const std::string& key : gone) Gone(key);
  synced_.insert(resource.group + "/" + resource.kind);
  // Images are no objects: they are known when all pods are.
  if (resource.kind == "Pod" && resource.group.empty()) {
    WriteImages();
    prefix = fmt::format("{}//Image/", cluster_);
    gone.clear();
    for (const auto& [hash, key] : unconfirmed_) {
      if (key.starts_with(prefix)) gone.push_back(key);
    }
    for (const std::string& key : gone) Gone(key);
  }
}

Result<> AssetWriter::Forget(Timestamp since) {
  auto before = store::Query::Compare("lastseen", store::Term::Op::kLess, FormatRfc3339(since));
  store::Batch batch;
  batch.DeleteWhere("assets", store::Query::And({store::Query::Exactly("cluster", cluster_),
                                                 store::Query::Equals("gone", "true"), before}));
  return sink_.commit(batch);
}

// --- Images --------------------------------------------------------------------------------------

void AssetWriter::UseImages(const AssetRecord& pod) {
  const uint64_t hash = Hash(pod.asset.Key());
  // What is over does not run any more.
  if (pod.phase == "Succeeded" || pod.phase == "Failed") return DropUses(hash);
  const uint64_t workload = Hash(pod.workload.empty() ? pod.asset.Key() : pod.workload);
  std::vector<uint32_t> numbers;
  for (const ImageUse& use : pod.images) {
    auto [at, is_new] = image_numbers_.try_emplace(use.name(), 0);
    if (is_new) {
      if (free_images_.empty()) {
        at->second = static_cast<uint32_t>(images_.size());
        images_.emplace_back();
      } else {
        at->second = free_images_.back();
        free_images_.pop_back();
      }
      images_[at->second].name = use.name();
    }
    Image& image = images_[at->second];
    if (image.references.size() < kMaxReferences && image.references.insert(use.reference).second) {
      changed_images_.insert(at->second);
    }
    if (std::find(numbers.begin(), numbers.end(), at->second) == numbers.end()) {
      numbers.push_back(at->second);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  if (auto old = pods_.find(hash); old != pods_.end()) {
    if (old->second.workload == workload && old->second.images == numbers) return;
  }
  // First the new, so that an image of both is not taken for unused in between.
  for (uint32_t n : numbers) {
    ++images_[n].pods;
    ++images_[n].workloads[workload];
    changed_images_.insert(n);
  }
  DropUses(hash);
  pods_[hash] = {workload, std::move(numbers)};
}

void AssetWriter::DropUses(uint64_t pod) {
  auto at = pods_.find(pod);
  if (at == pods_.end()) return;
  for (uint32_t n : at->second.images) {
    Image& image = images_[n];
    --image.pods;
    auto workload = image.workloads.find(at->second.workload);
    if (--workload->second == 0) image.workloads.erase(workload);
    changed_images_.insert(n);
  }
  pods_.erase(at);
}

void AssetWriter::WriteImages() {
  for (uint32_t n : std::exchange(changed_images_, {})) {
    Image& image = images_[n];
    AssetRecord record;
    record.asset = {.cluster = cluster_, .kind = "Image", .name = image.name};
    if (image.pods == 0) {
      Gone(record.asset.Key());
      image_numbers_.erase(image.name);
      image = {};
      free_images_.push_back(n);
      continue;
    }
    record.cls = "image";
    ImageUse use{.container = {}, .reference = *image.references.begin(), .digest = {}};
    if (image.name != use.reference) use.digest = image.name;
    record.images = {use};
    std::string references;
    for (const std::string& reference : image.references) {
      references += references.empty() ? "" : ",";
      AppendJsonString(references, reference);
    }
    record.summary = fmt::format(R"({{"references":[{}],"workloads":{},"pods":{}}})", references,
                                 image.workloads.size(), image.pods);
    PutRecord(record, true);
  }
}

// --- To the store --------------------------------------------------------------------------------

bool AssetWriter::Due() const {
  if (pending_.size() >= kBatch || events_.size() >= kBatch) return true;
  return Waiting() && Clock::now() - first_pending_ >= kLinger;
}

void AssetWriter::Flush(const std::stop_token& stop) {
  // Until all pods are known, images would be written over and over.
  if (synced_.contains("/Pod")) WriteImages();
  if (!Waiting()) return;
  milliseconds wait(100);
  // False where it is no use to go on.
  auto insist = [&](std::string_view what, size_t changes, const std::function<Result<>()>& act) {
    for (;;) {
      Result<> done = act();
      if (done) return true;
      bool passing = done.error().code() == Code::kUnavailable;
      Log(passing ? Level::kWarn : Level::kError, "inventory.write.failed",
          {{"what", what}, {"changes", changes}, {"error", done.error()}});
      if (!passing) {
        lost_.Add(changes);
        return true;
      }
      if (!Sleep(wait, stop)) return false;
      wait = std::min(wait * 2, milliseconds(5000));
    }
  };
  if (!events_.empty()) {
    if (!insist("events", events_.size(), [&] { return sink_.publish(events_); })) return;
    events_published_.Add(events_.size());
    events_.clear();
  }
  if (!pending_.empty()) {
    store::Batch batch;
    for (auto& [key, body] : pending_) batch.Put("assets", key, body);
    if (!insist("assets", pending_.size(), [&] { return sink_.commit(batch); })) return;
    writes_.Add(pending_.size());
    pending_.clear();
  }
  if (sink_.tell) sink_.tell(told_);
  told_.clear();
}

}  // namespace bulwark::inventory
