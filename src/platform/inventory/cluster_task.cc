#include "platform/inventory/cluster_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"
#include "kube/object.h"

namespace bulwark::inventory {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstWait{1000};
constexpr milliseconds kProbeTimeout{5000};
constexpr milliseconds kProbeAgain{2000};  // after a first failure
constexpr seconds kSettlePatience{30};     // for kinds that do not answer while others do
constexpr seconds kSaveEvery{60};
constexpr seconds kSaveCountsEvery{5};
constexpr size_t kMaxUnreadable = 100;
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

std::string NowText() { return FormatRfc3339(bulwark::Now()); }

bool IsSecret(const kube::Resource& r) { return r.group.empty() && r.kind == "Secret"; }

bool IsPassing(const Error& error) { return error.code() == Code::kUnavailable; }

Value Strings(Arena& arena, const std::vector<std::string>& texts) {
  std::vector<Value> items;
  for (const std::string& text : texts) items.push_back(Value::String(text));
  return Value::Array(arena, items);
}

Value ErrorValue(const Error& error, Arena& arena) {
  MapBuilder args(arena);
  for (const auto& [name, value] : error.args()) {
    args.Add(arena.Copy(name), Value::String(arena, value));
  }
  return MapBuilder(arena)
      .Add("id", Value::String(arena, error.id()))
      .Add("code", Value::String(CodeName(error.code())))
      .Add("message", Value::String(arena, error.ToString()))
      .Add("args", args.Finish())
      .Finish();
}

// A row of a Secret as an object: all that may be kept of it.
Value ObjectOfRow(const kube::Resource& resource, const Value& row, Arena& arena) {
  MapBuilder metadata(arena);
  for (const auto& [key, value] : kube::MetadataOf(row).entries()) {
    if (key == Value::String("managedFields")) continue;
    if (key != Value::String("annotations")) {
      metadata.Add(key, value);
      continue;
    }
    MapBuilder notes(arena);
    for (const auto& [name, note] : value.entries()) {
      if (name != Value::String(kLastApplied)) notes.Add(name, note);
    }
    metadata.Add(key, notes.Finish());
  }
  MapBuilder object(arena);
  object.Add("apiVersion", Value::String(arena, resource.ApiVersion()))
      .Add("kind", Value::String(resource.kind))
      .Add("metadata", metadata.Finish());
  // The columns of a Secret: name, type, number of entries, age.
  if (const Value type = row["cells"][1]; type.IsString()) object.Add("type", type);
  return object.Finish();
}

}  // namespace

// --- The record ----------------------------------------------------------------------------------

const store::Collection& ClusterCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = "clusters",
      .version = 1,
      .columns =
          {
              {.name = "cluster", .path = "id", .indexed = true, .aliases = {"id"}},
              // Clusters are in no namespace.
              {.name = "ns", .path = "namespace"},
              {.name = "name", .path = "name", .indexed = true, .full_text = true},
              {.name = "state", .path = "state"},
              {.name = "server", .path = "server"},
              {.name = "version", .path = "version"},
              {.name = "provider", .path = "provider"},
              {.name = "label", .path = "labels", .aliases = {"labels"}},
              {.name = "nodes", .path = "nodes", .type = ColumnType::kInt},
              {.name = "added", .path = "addedAt", .type = ColumnType::kTime},
              {.name = "lastseen", .path = "lastSeen", .type = ColumnType::kTime},
              {.name = "local", .path = "local", .type = ColumnType::kBool},
          },
      .default_sort = "name",
  };
  return collection;
}

std::string ErrorToJson(const Error& error) {
  Arena arena;
  return bulwark::ToJson(ErrorValue(error, arena));
}

Error ErrorFromJson(const Value& value) {
  std::vector<Error::Arg> args;
  for (const auto& [key, arg] : value["args"].entries()) {
    if (key.IsString() && arg.IsString()) {
      args.push_back({std::string(key.AsString()), std::string(arg.AsString())});
    }
  }
  Code code = Code::kUnavailable;
  for (int c = 0; c <= static_cast<int>(Code::kInternal); ++c) {
    if (CodeName(static_cast<Code>(c)) == value.StringAt("code")) code = static_cast<Code>(c);
  }
  return Error(code, std::string(value.StringAt("id")), std::string(value.StringAt("message")),
               std::move(args));
}

std::string ClusterRecord::ToJson() const {
  Arena arena;
  MapBuilder out(arena);
  auto text = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out.Add(key, Value::String(value));
  };
  text("id", cluster.id);
  text("name", cluster.name);
  text("server", cluster.server);
  text("version", cluster.version);
  text("state", cluster.state);
  if (reason) out.Add("stateReason", ErrorValue(*reason, arena));
  text("provider", provider);
  auto nodes = counts.find("Node");
  out.Add("nodes", Value::Int(nodes == counts.end() ? 0 : static_cast<int64_t>(nodes->second)));
  text("addedAt", added_at);
  text("lastSeen", last_seen);
  text("syncedAt", synced_at);
  out.Add("labels", Strings(arena, labels));
  std::vector<Value> items;
  for (const Unreadable& u : unreadable) {
    items.push_back(MapBuilder(arena)
                        .Add("resource", Value::String(u.resource))
                        .Add("error", ErrorValue(u.error, arena))
                        .Finish());
  }
  out.Add("unreadable", Value::Array(arena, items));
  MapBuilder numbers(arena);
  for (const auto& [kind, n] : counts) numbers.Add(kind, Value::Int(static_cast<int64_t>(n)));
  out.Add("counts", numbers.Finish());
  out.Add("local", Value::Bool(local));
  if (insecure) out.Add("insecure", Value::Bool(true));
  return bulwark::ToJson(out.Finish());
}

Result<ClusterRecord> ClusterRecord::Parse(std::string_view json) {
  Arena arena;
  Value v = BW_TRY(ParseJson(json, arena, {.borrow_text = true}));
  ClusterRecord r;
  r.cluster = {std::string(v.StringAt("id")), std::string(v.StringAt("name")),
               std::string(v.StringAt("server")), std::string(v.StringAt("version")),
               std::string(v.StringAt("state"))};
  if (v["stateReason"].IsMap()) r.reason = ErrorFromJson(v["stateReason"]);
  r.provider = v.StringAt("provider");
  r.added_at = v.StringAt("addedAt");
  r.last_seen = v.StringAt("lastSeen");
  r.synced_at = v.StringAt("syncedAt");
  for (const Value& label : v["labels"].items()) {
    if (label.IsString()) r.labels.emplace_back(label.AsString());
  }
  for (const Value& u : v["unreadable"].items()) {
    r.unreadable.push_back({std::string(u.StringAt("resource")), ErrorFromJson(u["error"])});
  }
  for (const auto& [kind, n] : v["counts"].entries()) {
    if (kind.IsString()) {
      r.counts[std::string(kind.AsString())] = static_cast<uint64_t>(n.ToInt().value_or(0));
    }
  }
  r.local = v["local"].IsTrue();
  r.insecure = v["insecure"].IsTrue();
  return r;
}

Result<std::string> ClusterUid(const kube::Client& client) {
  const kube::Resource namespaces{"", "v1", "Namespace", "namespaces", false, {"get"}};
  auto text = client.Get(namespaces, "", "kube-system");
  if (!text && text.error().code() != Code::kDenied) return std::move(text).error();
  std::string uid;
  Arena arena;
  if (text) {
    if (auto root = ParseJson(*text, arena)) uid = (*root)["metadata"].StringAt("uid");
  }
  if (!uid.empty() && uid.find('/') == std::string::npos && uid.size() <= 64) return uid;
  return Error(Code::kDenied, "inventory.identity",
               "the account may not read the namespace kube-system, whose UID identifies the "
               "cluster");
}

// --- Life ----------------------------------------------------------------------------------------

ClusterTask::ClusterTask(TaskContext context, ClusterRecord record,
                         std::shared_ptr<const kube::Client> client)
    : context_(std::move(context)),
      id_(record.cluster.id),
      record_(std::move(record)),
      client_(std::move(client)),
      relists_(context_.metrics.AddCounter("bulwark_inventory_lists_total",
                                           "Kinds that were listed in full")) {
  if (record_.synced_at.empty()) return;
  if (auto seen = ParseRfc3339(record_.last_seen)) known_until_ = *seen;
}

ClusterTask::~ClusterTask() { Stop(); }

void ClusterTask::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void ClusterTask::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

ClusterRecord ClusterTask::record() const {
  std::lock_guard lock(mutex_);
  return record_;
}

Cluster ClusterTask::Self() const {
  std::lock_guard lock(mutex_);
  return record_.cluster;
}

Result<std::shared_ptr<const kube::Client>> ClusterTask::client() const {
  std::lock_guard lock(mutex_);
  if (client_ != nullptr) return client_;
  return Error(Code::kUnavailable, "inventory.away",
               fmt::format("cluster {} is not connected", Quote(record_.cluster.name)),
               {{"cluster", record_.cluster.name}});
}

std::shared_ptr<const kube::Discovery> ClusterTask::discovery() const {
  std::lock_guard lock(mutex_);
  return discovery_;
}

Result<> ClusterTask::Edit(std::optional<std::string> name,
                           std::optional<std::vector<std::string>> labels) {
  std::lock_guard write(write_mutex_);
  ClusterRecord changed = record();
  if (name) changed.cluster.name = *std::move(name);
  if (labels) changed.labels = *std::move(labels);
  BW_TRY(Commit(changed));
  std::lock_guard lock(mutex_);
  record_.cluster.name = changed.cluster.name;
  record_.labels = std::move(changed.labels);
  return Ok();
}

void ClusterTask::Reconnect() {
  std::lock_guard lock(mutex_);
  reconnect_ = true;
  wake_.notify_all();
}

bool ClusterTask::Pause(milliseconds time, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [&] { return reconnect_; });
  return !stop.stop_requested();
}

Result<> ClusterTask::Commit(const ClusterRecord& record) {
  store::Batch batch;
  batch.Put("clusters", id_, record.ToJson());
  BW_TRY(context_.state.Commit(batch));
  if (context_.tell) {
    context_.tell({.topic = "clusters",
                   .deleted = false,
                   .key = id_,
                   .cluster = id_,
                   .ns = {},
                   .kind = "Cluster",
                   .name = record.cluster.name});
  }
  return Ok();
}

void ClusterTask::Save(bool now) {
  ClusterRecord record;
  {
    std::lock_guard lock(mutex_);
    bool counted = writer_ != nullptr && record_.counts != writer_->counts();
    auto age = Clock::now() - saved_;
    if (!now && age < kSaveEvery && !(counted && age >= kSaveCountsEvery)) return;
    if (counted) record_.counts = writer_->counts();
    if (writer_ != nullptr && !writer_->provider().empty()) record_.provider = writer_->provider();
  }
  saved_ = Clock::now();
  std::lock_guard write(write_mutex_);
  auto done = Commit(this->record());
  // What is not written now is written next time.
  if (!done) Log(Level::kWarn, "inventory.cluster.save_failed", {{"error", done.error()}});
}

void ClusterTask::SetState(std::string_view state, std::optional<Error> reason) {
  std::string before;
  Cluster now;
  {
    std::lock_guard lock(mutex_);
    before = record_.cluster.state;
    bool same = before == state && record_.reason.has_value() == reason.has_value() &&
                (!reason || reason->id() == record_.reason->id());
    if (same) return;
    record_.cluster.state = state;
    record_.reason = reason;
    now = record_.cluster;
  }
  Log(state == "ready" ? Level::kInfo : Level::kWarn, "inventory.cluster.state",
      {{"cluster", now.name}, {"state", state}, {"reason", reason ? reason->ToString() : ""}});
  Save(true);
  bool troubled = state == "away" || state == "denied";
  bool was_troubled = before == "away" || before == "denied";
  if (before == state || (!troubled && !(was_troubled && state == "ready"))) return;
  Event event;
  Timestamp at = bulwark::Now();
  event.time_us = event.received_us = at.seconds * 1'000'000 + at.nanos / 1000;
  event.kind = "asset";
  event.cluster = id_;
  event.severity = troubled ? Severity::kMedium : Severity::kInfo;
  event.verb = state;
  event.target = {.cluster = id_, .kind = "Cluster", .name = now.name};
  event.id = EventId({"cluster", id_, state, FormatRfc3339(at)});
  event.message = fmt::format("cluster.{}", state);
  event.args = {{"cluster", now.name}};
  if (reason) {
    event.args.emplace_back("reason", reason->ToString());
    event.body = fmt::format(R"({{"reason":{}}})", ErrorToJson(*reason));
  }
  context_.pipeline.Offer("inventory", std::move(event));
}

// --- The thread ----------------------------------------------------------------------------------

void ClusterTask::Run(const std::stop_token& stop) {
  milliseconds wait = std::min(kFirstWait, context_.options.max_wait);
  while (!stop.stop_requested()) {
    {
      std::lock_guard lock(mutex_);
      reconnect_ = false;
    }
    if (Connect(stop)) {
      wait = std::min(kFirstWait, context_.options.max_wait);
      Watch(stop);
      continue;
    }
    if (!Pause(wait, stop)) return;
    wait = std::min(wait * 2, context_.options.max_wait);
  }
}

bool ClusterTask::Connect(const std::stop_token& stop) {
  // Add() comes with a client that has just been tried.
  auto connect = [&]() -> Result<std::shared_ptr<const kube::Client>> {
    if (auto have = client()) return have;
    kube::Config config = BW_TRY(context_.config());
    kube::Client made = BW_TRY(kube::Client::Connect(std::move(config), context_.client));
    auto shared = std::make_shared<const kube::Client>(std::move(made));
    std::string uid = BW_TRY(ClusterUid(*shared));
    if (uid != id_) {
      return Error(Code::kDenied, "inventory.other_cluster",
                   "another cluster answers at this address: it was set up anew, or the address "
                   "was given to another one");
    }
    return shared;
  };
  auto client = connect();
  auto served =
      client ? (*client)->Discover(stop) : Result<kube::Discovery>(std::move(client).error());
  if (stop.stop_requested()) return false;
  if (!served) {
    {
      std::lock_guard lock(mutex_);
      client_ = nullptr;
    }
    SetState(served.error().code() == Code::kDenied ? "denied" : "away", served.error());
    return false;
  }
  {
    std::lock_guard lock(mutex_);
    client_ = *client;
    discovery_ = std::make_shared<const kube::Discovery>(*std::move(served));
    record_.cluster.server = client_->config().server;
    record_.cluster.version = client_->git_version();
    record_.insecure = client_->config().tls.insecure;
    record_.last_seen = NowText();
  }
  return true;
}

void ClusterTask::Watch(const std::stop_token& stop) {
  const std::shared_ptr<const kube::Client> client = *this->client();
  {
    std::lock_guard lock(mutex_);
    record_.unreadable.clear();
  }
  AssetSink sink = SinkOf(context_.state, context_.pipeline, id_);
  sink.tell = [this](const std::vector<AssetChange>& changes) {
    if (!settled_ || !context_.tell) return;
    for (const AssetChange& c : changes) {
      context_.tell({"assets", c.deleted, c.key, c.cluster, c.ns, c.kind, c.name});
    }
  };
  writer_ = std::make_unique<AssetWriter>(id_, std::move(sink), context_.metrics, known_until_);
  targets_.clear();
  settled_ = synced_again_ = false;
  misses_ = 0;
  first_sync_ = {};
  if (auto loaded = writer_->Load(); !loaded) {
    Log(Level::kError, "inventory.load.failed", {{"error", loaded.error()}});
    Pause(context_.options.max_wait, stop);
    return;
  }
  SetState("connecting");
  for (AssetListener* listener : context_.listeners) listener->OnCluster(Self(), *client);

  kube::WatchSettings settings = context_.options.watch;
  if (settings.list_retries < 0) settings.list_retries = 2;
  settings.max_wait = std::min(settings.max_wait, context_.options.max_wait);
  kube::Watches watches(
      *client, [&](const kube::WatchEvent& event) { OnEvent(event, stop); }, settings);
  AddTargets(*discovery(), watches);

  const InventoryOptions& o = context_.options;
  auto now = Clock::now();
  auto next_probe = now + o.probe, next_discovery = now + o.rediscover,
       next_resync = now + o.resync, next_forget = now;
  uint64_t failures = 0;
  milliseconds away_wait = std::min(kFirstWait, o.max_wait);
  while (!stop.stop_requested()) {
    {
      std::lock_guard lock(mutex_);
      if (reconnect_) {
        client_ = nullptr;
        break;
      }
    }
    std::string state = Self().state;
    if (state == "away" || (state == "denied" && !settled_)) {
      if (!Pause(away_wait, stop)) break;
      away_wait = std::min(away_wait * 2, o.max_wait);
      if (!Probe(stop)) continue;
      away_wait = std::min(kFirstWait, o.max_wait);
      next_probe = Clock::now() + o.probe;
      watches.RetryNow();
    }
    watches.Poll(writer_->Waiting() ? AssetWriter::kLinger / 2 : milliseconds(1000), stop);
    if (stop.stop_requested()) break;
    if (writer_->Due()) writer_->Flush(stop);
    Settle(stop);
    Save(false);

    now = Clock::now();
    // Streams that end may be the first sign that the cluster is gone.
    if (watches.failures() != failures) {
      failures = watches.failures();
      next_probe = std::min(next_probe, now + milliseconds(200));
    }
    if (now >= next_probe) {
      next_probe = Clock::now() + (Probe(stop) ? milliseconds(o.probe)
                                               : std::min(kProbeAgain, milliseconds(o.probe)));
    }
    if (now >= next_discovery) {
      Rediscover(watches, stop);
      next_discovery = Clock::now() + o.rediscover;
    }
    if (now >= next_resync) {
      for (size_t i = 0; i < targets_.size(); ++i) watches.Relist(i);
      next_resync = Clock::now() + o.resync;
    }
    if (settled_ && now >= next_forget) {
      auto done = writer_->Forget(bulwark::Now() - std::chrono::nanoseconds(o.keep_gone));
      if (!done) Log(Level::kWarn, "inventory.forget.failed", {{"error", done.error()}});
      next_forget = now + std::min<seconds>(std::chrono::hours(1), o.keep_gone);
    }
  }
  // What waits is written if the store takes it at once; else the next run finds the difference.
  writer_->Flush(stop);
  Save(true);
  if (settled_) known_until_ = bulwark::Now();
}

// --- What is watched -----------------------------------------------------------------------------

void ClusterTask::AddTargets(const kube::Discovery& served, kube::Watches& watches) {
  std::set<std::pair<std::string, std::string>> there;  // group, plural
  for (const Target& t : targets_) {
    if (!t.removed) there.emplace(t.resource.group, t.resource.plural);
  }
  auto add = [&](const kube::Resource& r, bool asset) {
    if (!r.Can("list") || !r.Can("watch")) return;
    if (there.contains({r.group, r.plural})) return;
    Target target;
    target.resource = r;
    target.asset = asset;
    for (AssetListener* listener : context_.listeners) {
      if (asset || listener->Wants(r)) target.listeners.push_back(listener);
    }
    if (!asset && target.listeners.empty()) return;
    there.emplace(r.group, r.plural);
    size_t number = watches.Add(r, "", {.table = IsSecret(r)});
    BW_CHECK(number == targets_.size());
    targets_.push_back(std::move(target));
  };
  for (const AssetKind& kind : AssetKinds()) {
    if (const kube::Resource* r = served.Find(kind.group, kind.kind)) add(*r, true);
  }
  for (const kube::Resource& r : served.resources) {
    if (FindAssetKind(r.group, r.kind) == nullptr) add(r, false);
  }
}

void ClusterTask::Rediscover(kube::Watches& watches, const std::stop_token& stop) {
  auto client = this->client();
  if (!client) return;
  auto served = (*client)->Discover(stop);
  if (!served || stop.stop_requested()) return;  // the next time, then
  for (size_t i = 0; i < targets_.size(); ++i) {
    Target& t = targets_[i];
    if (t.removed) continue;
    const kube::Resource* now = served->Find(t.resource.group, t.resource.kind);
    if (now != nullptr &&
        (now->version == t.resource.version || t.phase != Target::Phase::kUnreadable)) {
      continue;
    }
    // A group that does not answer is not gone.
    bool unknown =
        std::any_of(served->failures.begin(), served->failures.end(), [&](const auto& failure) {
          return failure.what.starts_with(t.resource.group + "/") || failure.what.empty();
        });
    if (unknown) continue;
    Log(Level::kInfo, "inventory.kind.gone", {{"resource", t.resource.Name()}});
    t.removed = true;
    t.phase = Target::Phase::kSynced;
    watches.Remove(i);
    std::lock_guard lock(mutex_);
    std::erase_if(record_.unreadable, [&](const ClusterRecord::Unreadable& u) {
      return u.resource == kube::Describe(t.resource, "");
    });
  }
  AddTargets(*served, watches);
  std::lock_guard lock(mutex_);
  discovery_ = std::make_shared<const kube::Discovery>(*std::move(served));
}

void ClusterTask::OnEvent(const kube::WatchEvent& event, const std::stop_token& stop) {
  Target& target = targets_[event.target];
  const std::string what = kube::Describe(target.resource, "");
  auto forget_unreadable = [&] {
    std::lock_guard lock(mutex_);
    std::erase_if(record_.unreadable,
                  [&](const ClusterRecord::Unreadable& u) { return u.resource == what; });
  };
  switch (event.type) {
    case kube::WatchEvent::Type::kPut: TellPut(target, event); break;
    case kube::WatchEvent::Type::kDeleted: {
      size_t slash = event.key.find('/');
      std::string_view ns = event.key.substr(0, slash), name = event.key.substr(slash + 1);
      if (target.asset) writer_->Deleted(target.resource, ns, name);
      if (target.listeners.empty()) break;
      Cluster self = Self();
      for (AssetListener* l : target.listeners) l->OnDelete(self, target.resource, ns, name);
      break;
    }
    case kube::WatchEvent::Type::kSynced:
      relists_.Add();
      if (target.asset) writer_->Synced(target.resource);
      if (target.phase == Target::Phase::kUnreadable) forget_unreadable();
      target.phase = Target::Phase::kSynced;
      target.error.reset();
      if (first_sync_ == Clock::time_point()) first_sync_ = Clock::now();
      synced_again_ = true;
      break;
    case kube::WatchEvent::Type::kUnreadable: {
      target.error = *event.error;
      // It says nothing of the kind if the whole cluster does not answer.
      if (IsPassing(*event.error)) {
        if (target.phase == Target::Phase::kPending) target.phase = Target::Phase::kFailing;
        break;
      }
      target.phase = Target::Phase::kUnreadable;
      forget_unreadable();
      {
        std::lock_guard lock(mutex_);
        if (record_.unreadable.size() < kMaxUnreadable) {
          record_.unreadable.push_back({what, *event.error});
        }
      }
      Cluster self = Self();
      for (AssetListener* l : target.listeners) {
        l->OnUnreadable(self, target.resource, event.ns, *event.error);
      }
      break;
    }
  }
  if (writer_->Due()) writer_->Flush(stop);
}

void ClusterTask::TellPut(const Target& target, const kube::WatchEvent& event) {
  const kube::Resource& r = target.resource;
  Arena arena;
  Value object = event.object;
  std::string made;
  std::string_view text = event.text;
  if (IsSecret(r)) {
    object = ObjectOfRow(r, event.object, arena);
    made = ToJson(object);
    text = made;
  } else if (event.object.Find("kind") == nullptr) {
    // Items of lists leave out what all have in common.
    std::vector<Value::Entry> entries;
    entries.reserve(event.object.size() + 2);
    entries.push_back({Value::String("apiVersion"), Value::String(arena, r.ApiVersion())});
    entries.push_back({Value::String("kind"), Value::String(r.kind)});
    for (const Value::Entry& entry : event.object.entries()) {
      if (entry.key != Value::String("apiVersion")) entries.push_back(entry);
    }
    object = MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(entries));
    if (!target.listeners.empty()) {
      made = fmt::format(R"({{"apiVersion":"{}","kind":"{}"{})", r.ApiVersion(), r.kind,
                         event.object.empty() ? "" : ",");
      made += text.substr(1);
      text = made;
    }
  }
  if (target.asset) writer_->Put(r, object);
  if (target.listeners.empty()) return;
  Cluster self = Self();
  for (AssetListener* listener : target.listeners) listener->OnPut(self, r, object, text);
}

// --- How it is -----------------------------------------------------------------------------------

bool ClusterTask::Probe(const std::stop_token& stop) {
  auto client = this->client();
  if (!client) return false;
  auto answer = (*client)->Do({.what = "the server's version",
                               .path = "/version",
                               .timeout = kProbeTimeout,
                               .retries = 0,
                               .stop = stop});
  if (stop.stop_requested()) return false;
  if (answer || answer.error().id() == "kube.forbidden") {
    misses_ = 0;
    std::string version;
    if (answer) {
      Arena arena;
      if (auto root = ParseJson(*answer, arena)) version = root->StringAt("gitVersion");
    }
    {
      std::lock_guard lock(mutex_);
      record_.last_seen = NowText();
      if (!version.empty()) record_.cluster.version = version;
    }
    std::string state = Self().state;
    if (state == "away" || (state == "denied" && !settled_)) {
      SetState(settled_ ? "ready" : "connecting");
    }
    return true;
  }
  const Error& error = answer.error();
  if (error.id() == "kube.unauthorized") {
    SetState("denied", error);
    return false;
  }
  // A server that is busy is there.
  if (error.id() == "kube.busy") return true;
  if (++misses_ >= 2 || Self().state == "connecting") SetState("away", error);
  return false;
}

void ClusterTask::Settle(const std::stop_token& stop) {
  const auto now = Clock::now();
  const bool patience_ends =
      first_sync_ != Clock::time_point() && now - first_sync_ > kSettlePatience;
  bool all = !targets_.empty(), any = false;
  for (Target& t : targets_) {
    if (t.phase == Target::Phase::kFailing && patience_ends) {
      // The rest of the cluster answers.
      t.phase = Target::Phase::kUnreadable;
      {
        std::lock_guard lock(mutex_);
        if (record_.unreadable.size() < kMaxUnreadable) {
          record_.unreadable.push_back({kube::Describe(t.resource, ""), *t.error});
        }
      }
      Cluster self = Self();
      for (AssetListener* l : t.listeners) l->OnUnreadable(self, t.resource, "", *t.error);
    }
    all = all && (t.phase == Target::Phase::kSynced || t.phase == Target::Phase::kUnreadable);
    any = any || (t.phase == Target::Phase::kSynced && !t.removed);
  }
  if (!all) return;
  if (!any) {
    for (const Target& t : targets_) {
      if (t.error) return SetState("denied", t.error);
    }
    return;
  }
  const bool first = !settled_;
  if (first) {
    writer_->Flush(stop);
    if (writer_->Waiting()) return;  // stopped
    settled_ = true;
    {
      std::lock_guard lock(mutex_);
      record_.synced_at = record_.last_seen = NowText();
      record_.counts = writer_->counts();
    }
  }
  if (first || Self().state == "denied") SetState("ready");
  if (!synced_again_) return;
  synced_again_ = false;
  Cluster self = Self();
  for (AssetListener* listener : context_.listeners) listener->OnSynced(self);
}

}  // namespace bulwark::inventory
