#include "platform/inventory/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "kube/kubeconfig.h"
#include "kube/object.h"
#include "kube/schema.h"
#include "platform/inventory/cluster_task.h"
#include "platform/vault/vault.h"

namespace bulwark {

using inventory::ClusterRecord;
using inventory::ClusterTask;
using inventory::TaskContext;

namespace {

constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxClusters = 1000;

vault::Place PlaceOf(std::string_view id) { return {"clusters", std::string(id), "kubeconfig"}; }

Result<> CheckName(std::string_view name) {
  if (!name.empty() && name.size() <= kMaxNameBytes && IsUtf8(name) && Trim(name) == name &&
      std::none_of(name.begin(), name.end(),
                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return Ok();
  }
  return Error(Code::kInvalid, "inventory.name",
               fmt::format("a cluster's name has 1 to {} bytes, none of them controls, and no "
                           "blanks at its ends",
                           kMaxNameBytes),
               {{"limit", std::to_string(kMaxNameBytes)}});
}

Error NoCluster(std::string_view id) {
  return Error(Code::kNotFound, "inventory.no_cluster", fmt::format("no cluster {}", Quote(id)),
               {{"cluster", std::string(id)}});
}

Error Exists(const ClusterRecord& record) {
  return Error(Code::kExists, "inventory.exists",
               fmt::format("that cluster is there already, as {}", Quote(record.cluster.name)),
               {{"cluster", record.cluster.id}, {"name", record.cluster.name}});
}

}  // namespace

struct Inventory::State {
  State(store::StateStore& s, Pipeline& p, vault::Vault& v, Metrics& m, InventoryOptions o)
      : state(s), pipeline(p), vault(v), metrics(m), options(std::move(o)) {}

  store::StateStore& state;
  Pipeline& pipeline;
  vault::Vault& vault;
  Metrics& metrics;
  const InventoryOptions options;
  std::vector<AssetListener*> listeners;
  std::function<void(const InventoryChange&)> tell;

  mutable std::mutex mutex;
  bool running = false;
  std::map<std::string, std::shared_ptr<ClusterTask>, std::less<>> tasks;
  std::map<std::string, kube::Config, std::less<>> local;  // credentials of the process itself
  std::set<std::string, std::less<>> busy;                 // being added or removed

  // A cluster that is being added or removed; nobody else may do so meanwhile.
  class Claim {
   public:
    Claim(State& s, std::string id) : state_(s), id_(std::move(id)) {}
    Claim(const Claim&) = delete;
    ~Claim() {
      std::lock_guard lock(state_.mutex);
      state_.busy.erase(id_);
    }

   private:
    State& state_;
    std::string id_;
  };

  Result<std::shared_ptr<ClusterTask>> Find(std::string_view id) const {
    std::lock_guard lock(mutex);
    auto found = tasks.find(id);
    if (found == tasks.end()) return NoCluster(id);
    return found->second;
  }

  kube::ClientOptions ClientOptionsFor(bool is_local) const {
    kube::ClientOptions out = options.client;
    if (is_local) {
      out.guard = nullptr;
    } else {
      out.guard = options.guard;
      out.run = nullptr;
    }
    return out;
  }

  // The guard judges what is connected to, which behind a proxy is the proxy; a name could lead it
  // anywhere.
  Result<> CheckProxy(const std::string& proxy) const {
    BW_TRY(options.guard->CheckUrl(proxy));
    std::string_view host = proxy;
    if (auto scheme = Cut(host, "://")) host = scheme->second;
    host = host.substr(0, host.find('/'));
    if (size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
    if (host.starts_with('[')) {
      host = host.substr(1, host.find(']') - 1);
    } else {
      host = host.substr(0, host.rfind(':'));
    }
    if (net::IpAddress::Parse(host)) return Ok();
    return Error(Code::kDenied, "inventory.proxy",
                 "the proxy must be given by its address, for a name may lead anywhere");
  }

  Result<kube::Config> ReadForeign(std::string_view kubeconfig) const {
    kube::Config config = BW_TRY(kube::ParseForeignConfig(kubeconfig));
    if (!options.allow_http && !AsciiLower(config.server).starts_with("https://")) {
      return Error(Code::kDenied, "inventory.http",
                   fmt::format("the server's address {} is not https: credentials would be "
                               "readable on the way",
                               Quote(net::UrlForMessages(config.server))),
                   {{"server", net::UrlForMessages(config.server)}});
    }
    if (options.guard != nullptr) {
      BW_TRY(options.guard->CheckUrl(config.server));
      if (config.proxy && !config.proxy->empty()) BW_TRY(CheckProxy(*config.proxy));
    }
    return config;
  }

  Result<kube::Config> ConfigOf(const std::string& id, bool is_local) {
    if (!is_local) {
      std::string kubeconfig = BW_TRY(vault.Get(PlaceOf(id)));
      return ReadForeign(kubeconfig);
    }
    std::lock_guard lock(mutex);
    auto found = local.find(id);
    if (found != local.end()) return found->second;
    return Error(Code::kUnavailable, "inventory.no_credentials",
                 "this cluster's credentials were those of a process that has ended");
  }

  std::shared_ptr<ClusterTask> MakeTask(ClusterRecord record,
                                        std::shared_ptr<const kube::Client> client) {
    TaskContext context{.state = state,
                        .pipeline = pipeline,
                        .metrics = metrics,
                        .options = options,
                        .listeners = listeners,
                        .config = [this, id = record.cluster.id,
                                   is_local = record.local] { return ConfigOf(id, is_local); },
                        .client = ClientOptionsFor(record.local),
                        .tell = tell};
    return std::make_shared<ClusterTask>(std::move(context), std::move(record), std::move(client));
  }

  struct Reached {
    std::shared_ptr<const kube::Client> client;
    std::string uid;
  };
  Result<Reached> Reach(kube::Config config, bool is_local) const {
    kube::Client made =
        BW_TRY(kube::Client::Connect(std::move(config), ClientOptionsFor(is_local)));
    auto client = std::make_shared<const kube::Client>(std::move(made));
    std::string uid = BW_TRY(inventory::ClusterUid(*client));
    return Reached{std::move(client), std::move(uid)};
  }

  // Writes the record, and begins to watch. The claim is held by the caller.
  Result<Cluster> Begin(std::string name, const Reached& reached, bool is_local,
                        std::string_view kubeconfig) {
    ClusterRecord record;
    record.cluster = {reached.uid, std::move(name), reached.client->config().server,
                      reached.client->git_version(), "connecting"};
    record.added_at = record.last_seen = FormatRfc3339(Now());
    record.local = is_local;
    record.insecure = reached.client->config().tls.insecure;
    store::Batch batch;
    batch.Put("clusters", reached.uid, record.ToJson(), uint64_t{0});
    if (!is_local) BW_TRY(vault.Put(batch, PlaceOf(reached.uid), kubeconfig));
    BW_TRY(state.Commit(batch));
    if (tell) {
      tell({"clusters", false, reached.uid, reached.uid, "", "Cluster", record.cluster.name});
    }
    Cluster out = record.cluster;
    auto task = MakeTask(std::move(record), reached.client);
    std::lock_guard lock(mutex);
    if (running) task->Start();
    tasks.emplace(reached.uid, std::move(task));
    return out;
  }

  // Nobody else adds or removes that cluster, and it is (not) there.
  Result<std::unique_ptr<Claim>> ClaimId(const std::string& id) {
    std::lock_guard lock(mutex);
    if (!busy.insert(id).second) {
      return Error(Code::kExists, "inventory.busy",
                   "that cluster is being added or removed at this moment", {{"cluster", id}});
    }
    return std::make_unique<Claim>(*this, id);
  }

  Result<> ForTask(std::string_view id, const std::function<Result<>(ClusterTask&)>& act) {
    auto task = BW_TRY(Find(id));
    return act(*task);
  }
};

Inventory::Inventory(store::StateStore& state, Pipeline& pipeline, vault::Vault& vault,
                     Metrics& metrics, InventoryOptions options)
    : state_(std::make_unique<State>(state, pipeline, vault, metrics, std::move(options))) {}

Inventory::~Inventory() { Stop(); }

void Inventory::AddListener(AssetListener* listener) { state_->listeners.push_back(listener); }

void Inventory::SetTeller(std::function<void(const InventoryChange&)> tell) {
  state_->tell = std::move(tell);
}

Result<> Inventory::Start() {
  State& s = *state_;
  BW_TRY(s.state.Define(inventory::ClusterCollection()));
  BW_TRY(s.state.Define(inventory::AssetCollection()));
  std::vector<ClusterRecord> records;
  BW_TRY(s.state.Scan("clusters", store::Query::All(), [&](const store::Record& r) -> Result<> {
    auto record = ClusterRecord::Parse(r.body);
    if (!record) return std::move(record).error().While("reading cluster " + r.key);
    records.push_back(*std::move(record));
    return Ok();
  }));
  std::lock_guard lock(s.mutex);
  for (ClusterRecord& record : records) {
    if (s.tasks.contains(record.cluster.id)) continue;
    std::string id = record.cluster.id;
    s.tasks.emplace(id, s.MakeTask(std::move(record), nullptr));
  }
  s.running = true;
  for (auto& [id, task] : s.tasks) task->Start();
  return Ok();
}

void Inventory::Stop() {
  State& s = *state_;
  std::vector<std::shared_ptr<ClusterTask>> tasks;
  {
    std::lock_guard lock(s.mutex);
    s.running = false;
    for (auto& [id, task] : s.tasks) tasks.push_back(task);
    s.tasks.clear();
  }
  // All are told before the first is waited for.
  std::vector<std::jthread> stoppers;
  for (auto& task : tasks) stoppers.emplace_back([&task] { task->Stop(); });
}

Result<Cluster> Inventory::Add(std::string name, std::string_view kubeconfig) {
  State& s = *state_;
  BW_TRY(CheckName(name));
  kube::Config config = BW_TRY(s.ReadForeign(kubeconfig));
  auto reached = BW_TRY(s.Reach(std::move(config), false));
  auto claim = BW_TRY(s.ClaimId(reached.uid));
  {
    std::lock_guard lock(s.mutex);
    if (auto there = s.tasks.find(reached.uid); there != s.tasks.end()) {
      return Exists(there->second->record());
    }
    if (s.tasks.size() >= kMaxClusters) {
      return Error(Code::kLimit, "inventory.too_many",
                   fmt::format("at most {} clusters can be added", kMaxClusters),
                   {{"limit", std::to_string(kMaxClusters)}});
    }
  }
  return s.Begin(std::move(name), reached, false, kubeconfig);
}

Result<Cluster> Inventory::AddLocal(std::string name, kube::Config config) {
  State& s = *state_;
  BW_TRY(CheckName(name));
  BW_TRY(s.state.Define(inventory::ClusterCollection()));
  BW_TRY(s.state.Define(inventory::AssetCollection()));
  auto reached = BW_TRY(s.Reach(config, true));
  auto claim = BW_TRY(s.ClaimId(reached.uid));
  std::shared_ptr<ClusterTask> task;
  {
    std::lock_guard lock(s.mutex);
    s.local.insert_or_assign(reached.uid, std::move(config));
    if (auto there = s.tasks.find(reached.uid); there != s.tasks.end()) task = there->second;
  }
  if (task != nullptr) {
    // Of an earlier run: its credentials are here again.
    ClusterRecord record = task->record();
    if (!record.local) return Exists(record);
    task->Reconnect();
    return record.cluster;
  }
  auto stored = BW_TRY(s.state.Get("clusters", reached.uid));
  if (!stored) return s.Begin(std::move(name), reached, true, {});
  ClusterRecord record = BW_TRY(ClusterRecord::Parse(stored->body));
  if (!record.local) return Exists(record);
  Cluster out = record.cluster;
  auto made = s.MakeTask(std::move(record), reached.client);
  std::lock_guard lock(s.mutex);
  if (s.running) made->Start();
  s.tasks.emplace(reached.uid, std::move(made));
  return out;
}

Result<> Inventory::ReplaceCredentials(std::string_view id, std::string_view kubeconfig) {
  State& s = *state_;
  auto task = BW_TRY(s.Find(id));
  kube::Config config = BW_TRY(s.ReadForeign(kubeconfig));
  auto reached = BW_TRY(s.Reach(std::move(config), false));
  if (reached.uid != id) {
    return Error(Code::kInvalid, "inventory.other_cluster",
                 "these credentials lead to another cluster");
  }
  if (task->record().local) return Exists(task->record());
  BW_TRY(s.vault.Put(PlaceOf(id), kubeconfig));
  task->Reconnect();
  return Ok();
}

Result<> Inventory::Rename(std::string_view id, std::string name) {
  BW_TRY(CheckName(name));
  return state_->ForTask(
      id, [&](ClusterTask& task) { return task.Edit(std::move(name), std::nullopt); });
}

Result<> Inventory::SetLabels(std::string_view id, std::vector<std::string> labels) {
  auto bad = [](const std::string& label) {
    size_t eq = label.find('=');
    return eq == 0 || eq == std::string::npos || label.size() > 256 || !IsUtf8(label);
  };
  if (labels.size() > kMaxLabels || std::any_of(labels.begin(), labels.end(), bad)) {
    return Error(Code::kInvalid, "inventory.labels",
                 fmt::format("labels are at most {} texts \"key=value\"", kMaxLabels),
                 {{"limit", std::to_string(kMaxLabels)}});
  }
  return state_->ForTask(
      id, [&](ClusterTask& task) { return task.Edit(std::nullopt, std::move(labels)); });
}

Result<> Inventory::Remove(std::string_view id) {
  State& s = *state_;
  const std::string key(id);
  auto task = BW_TRY(s.Find(id));
  auto claim = BW_TRY(s.ClaimId(key));
  BW_TRY(s.Find(id));  // somebody else may have been faster
  task->Stop();
  store::Batch batch;
  batch.Delete("clusters", key);
  batch.DeleteWhere("assets", store::Query::Exactly("cluster", key));
  s.vault.DeleteAll(batch, "clusters", key);
  if (auto done = s.state.Commit(batch); !done) {
    // As it was: the store has all of it still.
    std::lock_guard lock(s.mutex);
    if (s.running) task->Start();
    return std::move(done).error();
  }
  Cluster cluster = task->record().cluster;
  {
    std::lock_guard lock(s.mutex);
    s.tasks.erase(key);
    s.local.erase(key);
  }
  for (AssetListener* listener : s.listeners) listener->OnRemoved(cluster);
  if (s.tell) s.tell({"clusters", true, key, key, "", "Cluster", cluster.name});
  return Ok();
}

std::vector<Cluster> Inventory::Clusters() const {
  std::vector<std::shared_ptr<ClusterTask>> tasks;
  {
    std::lock_guard lock(state_->mutex);
    for (const auto& [id, task] : state_->tasks) tasks.push_back(task);
  }
  std::vector<Cluster> out;
  for (const auto& task : tasks) out.push_back(task->record().cluster);
  return out;
}

Result<std::shared_ptr<const kube::Client>> Inventory::ClientOf(std::string_view id) const {
  return BW_TRY(state_->Find(id))
  ->client();
}

std::vector<kube::Resource> Inventory::Kinds() const {
  std::vector<kube::Resource> out;
  const kube::Schemas& schemas = kube::Schemas::BuiltIn();
  std::map<std::pair<std::string, std::string>, kube::Resource> best;
  auto rank = [](std::string_view version) {
    return version.find("alpha") != std::string_view::npos  ? 0
           : version.find("beta") != std::string_view::npos ? 1
                                                            : 2;
  };
  for (const kube::ApiKind& kind : schemas.kinds()) {
    if (kind.scope == kube::ApiKind::Scope::kList || kind.served.to < schemas.max_minor() ||
        kind.plural.find('/') != std::string_view::npos) {
      continue;
    }
    auto [group, version] = kube::SplitApiVersion(kind.api_version);
    kube::Resource r{std::string(group),
                     std::string(version),
                     std::string(kind.kind),
                     std::string(kind.plural),
                     kind.scope == kube::ApiKind::Scope::kNamespaced,
                     {"get", "list", "watch"}};
    auto [at, is_new] = best.try_emplace({r.group, r.kind}, r);
    if (!is_new && rank(r.version) > rank(at->second.version)) at->second = r;
  }
  for (const auto& [name, r] : best) {
    bool wanted = inventory::FindAssetKind(r.group, r.kind) != nullptr ||
                  std::any_of(state_->listeners.begin(), state_->listeners.end(),
                              [&](AssetListener* l) { return l->Wants(r); });
    if (wanted) out.push_back(r);
  }
  return out;
}

Result<ClusterCheck> Inventory::Check(std::string_view id) const {
  auto task = BW_TRY(state_->Find(id));
  const bool is_local = task->record().local;
  // Not over the connection that is there: it is the credentials that are being tried.
  kube::Config config = BW_TRY(state_->ConfigOf(std::string(id), is_local));
  kube::Client client =
      BW_TRY(kube::Client::Connect(std::move(config), state_->ClientOptionsFor(is_local)));
  ClusterCheck out;
  out.version = client.git_version();
  auto start = std::chrono::steady_clock::now();
  auto served = BW_TRY(client.Discover());
  out.milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::steady_clock::now() - start)
                         .count();
  for (const kube::Resource& r : served.resources) {
    bool needed = inventory::FindAssetKind(r.group, r.kind) != nullptr;
    bool wanted = needed || std::any_of(state_->listeners.begin(), state_->listeners.end(),
                                        [&](AssetListener* l) { return l->Wants(r); });
    if (!wanted || !r.Can("list") || !r.Can("watch")) continue;
    ClusterCheck::Kind kind{.resource = r, .needed = needed, .reason = {}};
    for (const char* verb : {"list", "watch"}) {
      Arena arena;
      MapBuilder attributes(arena);
      attributes.Add("verb", Value::String(verb))
          .Add("group", Value::String(r.group))
          .Add("resource", Value::String(r.plural));
      Value review =
          MapBuilder(arena)
              .Add("apiVersion", Value::String("authorization.k8s.io/v1"))
              .Add("kind", Value::String("SelfSubjectAccessReview"))
              .Add("spec",
                   MapBuilder(arena).Add("resourceAttributes", attributes.Finish()).Finish())
              .Finish();
      std::string answer =
          BW_TRY(client.Do({.verb = "create",
                            .what = "selfsubjectaccessreviews.authorization.k8s.io",
                            .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                            .body = ToJson(review)}));
      auto root = ParseJson(answer, arena);
      bool allowed = root && (*root)["status"]["allowed"].IsTrue();
      (std::string_view(verb) == "list" ? kind.list : kind.watch) = allowed;
      if (!allowed && root) kind.reason = (*root)["status"].StringAt("reason");
    }
    out.kinds.push_back(std::move(kind));
  }
  return out;
}

Result<std::string> Inventory::Object(const Asset& asset) const {
  auto task = BW_TRY(state_->Find(asset.cluster));
  auto client = BW_TRY(task->client());
  auto served = task->discovery();
  const kube::Resource* r = served ? served->Find(asset.group, asset.kind) : nullptr;
  if (r == nullptr || asset.name.empty() || r->namespaced != !asset.ns.empty()) {
    return Error(Code::kNotFound, "inventory.no_object",
                 fmt::format("the cluster has no {}", asset.Label()), {{"object", asset.Label()}});
  }
  const bool secret = r->group.empty() && r->kind == "Secret";
  auto answer = client->Do({.what = fmt::format("{} {}", r->Name(), asset.name),
                            .path = r->Path(asset.ns, asset.name),
                            .accept = secret ? "application/json;as=PartialObjectMetadata;"
                                               "g=meta.k8s.io;v=v1"
                                             : std::string(kube::kJson),
                            .retries = 1});
  if (!answer) return std::move(answer).error();
  Arena arena;
  Value root = BW_TRY(ParseJson(*answer, arena, {.duplicate_keys = true, .borrow_text = true}));
  MapBuilder out(arena);
  out.Add("apiVersion", Value::String(arena, r->ApiVersion())).Add("kind", Value::String(r->kind));
  for (const auto& [key, value] : root.entries()) {
    if (key == Value::String("apiVersion") || key == Value::String("kind")) continue;
    if (key != Value::String("metadata")) {
      // A server that does not know the short form answers with all of it.
      if (!secret || key == Value::String("type")) out.Add(key, value);
      continue;
    }
    MapBuilder metadata(arena);
    for (const auto& [name, field] : value.entries()) {
      if (name == Value::String("managedFields")) continue;
      if (!secret || name != Value::String("annotations")) {
        metadata.Add(name, field);
        continue;
      }
      MapBuilder notes(arena);
      for (const auto& [note, text] : field.entries()) {
        if (note != Value::String("kubectl.kubernetes.io/last-applied-configuration")) {
          notes.Add(note, text);
        }
      }
      metadata.Add(name, notes.Finish());
    }
    out.Add(key, metadata.Finish());
  }
  return ToJson(out.Finish());
}

}  // namespace bulwark
