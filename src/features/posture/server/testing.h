#pragma once

// What the tests of this folder share: the parts of a server below the feature, on real stores in a
// folder of their own, requests to the API by people with different rights, and a small cluster.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/metrics.h"
#include "base/text.h"
#include "features/posture/check_set.h"
#include "formats/json.h"
#include "net/test_server.h"
#include "platform/api/api.h"
#include "platform/config/config.h"
#include "platform/inventory/inventory.h"
#include "platform/pipeline/pipeline.h"
#include "platform/schedule/schedule.h"
#include "platform/service/service.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::posture {

// Waits for a condition, generously.
inline bool Eventually(const std::function<bool()>& condition,
                       std::chrono::seconds patience = std::chrono::seconds(60)) {
  auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

// Who a request says that it is.
class People : public api::Authenticator {
 public:
  Result<api::Principal> Authenticate(const net::ServerRequest& request) override {
    std::lock_guard lock(mutex_);
    auto found = people_.find(std::string(request.Header("authorization")));
    return found == people_.end() ? api::Principal{} : found->second;
  }
  void Add(const std::string& name, std::vector<std::string> permissions, api::Scope scope = {}) {
    std::lock_guard lock(mutex_);
    people_[name] = {.kind = api::Principal::Kind::kToken,
                     .id = "user:" + name,
                     .name = name,
                     .grants = {{"r", std::move(permissions), std::move(scope)}},
                     .session = {},
                     .csrf_token = {}};
  }

 private:
  std::mutex mutex_;
  std::map<std::string, api::Principal> people_;
};

class World {
 public:
  explicit World(InventoryOptions o = Quick()) : options(std::move(o)) { Open(); }
  ~World() { Close(); }
  static InventoryOptions Quick() {
    InventoryOptions o;
    o.allow_http = true;
    o.max_wait = std::chrono::milliseconds(200);
    o.probe = std::chrono::seconds(1);
    return o;
  }
  // The same folder again: a restart.
  void Open() {
    state = store::OpenSqliteStateStore(folder.File("state.db")).value();
    events = store::OpenSqliteEventStore(folder.File("events.db")).value();
    vault =
        vault::Vault::Open(*state, vault::OpenKeyFile({folder.File("master.key")}).value()).value();
    metrics = std::make_unique<Metrics>();
    catalog = std::make_unique<Catalog>();
    api::AddMessages(*catalog);
    pipeline = std::make_unique<Pipeline>(*events, *metrics);
    api = std::make_unique<api::Api>(*state, *catalog, *metrics,
                                     api::ApiOptions{.requests_per_second = 1'000'000});
    api->SetAuthenticator(&people);
    inventory =
        std::make_unique<::bulwark::Inventory>(*state, *pipeline, *vault, *metrics, options);
    scheduler = std::make_unique<Scheduler>(*state);
    config = std::make_unique<Config>(*state);
    services.reset(new Services{*state, *events, *pipeline, *vault, *api, *inventory, *scheduler,
                                *config, *catalog, *metrics, folder.path(), "1.0"});
  }
  // In the order of the server: nobody asks, nobody tells; what uses it must be gone by then.
  void Close() {
    if (api) api->Stop();
    scheduler.reset();
    inventory.reset();
    api.reset();
    services.reset();
    config.reset();
    pipeline.reset();
    vault.reset();
    state.reset();
    events.reset();
  }

  Value Record(std::string_view collection, std::string_view key, Arena& arena) {
    auto record = state->Get(collection, key);
    EXPECT_TRUE(record) << record.error().ToString();
    if (!record || !*record) return {};
    return ParseJson((**record).body, arena).value();
  }
  size_t Count(std::string_view collection, store::Query query = store::Query::All()) {
    auto count = state->Count(collection, query);
    EXPECT_TRUE(count) << count.error().ToString();
    return count.value_or(0);
  }
  // "verb rule name" of the events of a kind, in the order of storing.
  std::vector<std::string> Events(std::string_view kind) {
    pipeline->Flush();
    std::vector<std::string> out;
    store::EventQuery query{.filter = store::Query::Equals("kind", std::string(kind)),
                            .since_us = {},
                            .until_us = {},
                            .cursor = {},
                            .limit = 1000,
                            .oldest_first = true};
    do {
      auto page = events->Search(query);
      EXPECT_TRUE(page) << page.error().ToString();
      if (!page) break;
      for (const Event& e : page->events)
        out.push_back(fmt::format("{} {} {}", e.verb, e.rule, e.target.name));
      query.cursor = page->next;
    } while (!query.cursor.empty());
    return out;
  }

  struct Answer {
    int status = 0;
    std::string body, type;
    Value json;
  };
  // `target`: path and query, %XX where needed.
  Answer Call(std::string method, std::string target, std::string_view who, std::string body = "",
              net::HttpHeaders headers = {}) {
    net::ServerRequest request;
    request.method = std::move(method);
    request.target = target;
    auto cut = Cut(target, "?");
    request.path = cut ? std::string(cut->first) : target;
    for (std::string_view segment : Split(std::string_view(request.path).substr(1), '/'))
      request.segments.push_back(Decode(segment));
    if (cut) {
      for (std::string_view pair : Split(cut->second, '&')) {
        auto kv = Cut(pair, "=");
        request.query.emplace_back(kv ? Decode(kv->first) : Decode(pair),
                                   kv ? Decode(kv->second) : "");
      }
    }
    request.headers = std::move(headers);
    request.headers.emplace_back("authorization", who);
    if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
    request.body = std::move(body);
    request.client = request.peer = "127.0.0.1";
    request.id = "r";
    net::ServerResponse response = api->Handle(request);
    Answer out{.status = response.status, .body = response.body, .type = {}, .json = {}};
    while (response.generator) {
      auto more = response.generator();
      EXPECT_TRUE(more);
      if (!more || more->empty()) break;
      out.body += *more;
    }
    for (const auto& [name, value] : response.headers) {
      if (AsciiLower(name) == "content-type") out.type = value;
    }
    if (out.body.starts_with('{')) {
      auto json = ParseJson(out.body, arena);
      if (json) out.json = *json;
    }
    return out;
  }
  static std::string Decode(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size()) {
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
      } else {
        out += text[i];
      }
    }
    return out;
  }

  TempDir folder = TempDir::Make().value();
  InventoryOptions options;
  Arena arena;
  People people;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<store::StateStore> state;
  std::unique_ptr<store::EventStore> events;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<::bulwark::Inventory> inventory;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<Config> config;
  std::unique_ptr<Services> services;
};

inline std::string DeploymentJson(std::string_view ns, std::string_view name,
                                  std::string_view image, bool privileged) {
  return fmt::format(
      R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{1}","namespace":"{0}",)"
      R"("uid":"u-{0}-{1}","resourceVersion":"1","labels":{{"app":"{1}"}}}},"spec":{{"template":)"
      R"({{"metadata":{{"labels":{{"app":"{1}"}}}},"spec":{{"containers":[{{"name":"c","image":"{2}",)"
      R"("securityContext":{{"privileged":{3}}}}}]}}}}}}}})",
      ns, name, image, privileged);
}

// An API server with namespaces and Deployments, which can be told of changes.
class SmallCluster {
 public:
  explicit SmallCluster(std::string uid)
      : uid_(std::move(uid)),
        server_([this](const net::TestServer::Request& r, net::TestServer::Reply& reply) {
          Serve(r, reply);
        }) {}
  kube::Config config() const { return {.context = "x", .server = server_.url()}; }

  void Put(std::string_view ns, std::string_view name, std::string_view image, bool privileged) {
    Change("MODIFIED", fmt::format("{}/{}", ns, name), DeploymentJson(ns, name, image, privileged));
  }
  void Delete(std::string_view ns, std::string_view name) {
    Change("DELETED", fmt::format("{}/{}", ns, name), "");
  }

 private:
  void Change(std::string_view type, const std::string& key, const std::string& object) {
    std::lock_guard lock(mutex_);
    std::string now = object.empty() ? objects_[key] : object;
    now = ReplaceAll(now, R"("resourceVersion":"1")",
                     fmt::format(R"("resourceVersion":"{}")", log_.size() + 2));
    if (object.empty()) {
      objects_.erase(key);
    } else {
      objects_[key] = now;
    }
    log_.push_back(fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, now));
  }
  void Serve(const net::TestServer::Request& r, net::TestServer::Reply& reply) {
    const std::string path = r.path();
    auto resource = [](std::string_view name, std::string_view kind, bool namespaced) {
      return fmt::format(
          R"({{"resource":"{}","responseKind":{{"kind":"{}"}},"scope":"{}","verbs":["list","watch","get"]}})",
          name, kind, namespaced ? "Namespaced" : "Cluster");
    };
    auto group = [&](std::string_view name, std::string_view resources) {
      return fmt::format(
          R"({{"kind":"APIGroupDiscoveryList","items":[{{"metadata":{{"name":"{}"}},"versions":[{{"version":"v1","resources":[{}]}}]}}]}})",
          name, resources);
    };
    if (path == "/version")
      return reply.Send(200, R"({"major":"1","minor":"34","gitVersion":"v1.34.0"})");
    if (path == "/api")
      return reply.Send(200, group("", resource("namespaces", "Namespace", false)));
    if (path == "/apis")
      return reply.Send(200, group("apps", resource("deployments", "Deployment", true)));
    const std::string system = fmt::format(
        R"({{"metadata":{{"name":"kube-system","uid":"{}","resourceVersion":"1"}}}})", uid_);
    if (path == "/api/v1/namespaces/kube-system") return reply.Send(200, system);
    bool deployments = path == "/apis/apps/v1/deployments";
    if (r.Query("watch") == "1") {
      reply.Begin(200);
      size_t at = static_cast<size_t>(std::atoi(r.Query("resourceVersion").c_str())) - 1;
      while (reply.open()) {
        std::vector<std::string> lines;
        {
          std::lock_guard lock(mutex_);
          for (; deployments && at < log_.size(); ++at) lines.push_back(log_[at]);
        }
        for (const std::string& line : lines) reply.Chunk(line);
        reply.Sleep(std::chrono::milliseconds(10));
      }
      return;
    }
    std::lock_guard lock(mutex_);
    constexpr std::string_view kOne = "/apis/apps/v1/namespaces/";
    if (path.starts_with(kOne)) {
      std::string key = ReplaceAll(path.substr(kOne.size()), "/deployments/", "/");
      auto found = objects_.find(key);
      if (found != objects_.end()) return reply.Send(200, found->second);
      return reply.Send(404, R"({"kind":"Status","reason":"NotFound","message":"not found"})");
    }
    std::string items;
    if (path == "/api/v1/namespaces") items = system;
    if (deployments) {
      for (const auto& [key, object] : objects_) items += (items.empty() ? "" : ",") + object;
    }
    reply.Send(200, fmt::format(R"({{"metadata":{{"resourceVersion":"{}"}},"items":[{}]}})",
                                log_.size() + 1, items));
  }

  std::mutex mutex_;
  const std::string uid_;
  std::map<std::string, std::string> objects_;
  std::vector<std::string> log_;
  net::TestServer server_;
};

// Two checks of containers, one of objects beside others.
inline constexpr std::string_view kFewChecks = R"(
checks:
  - id: privileged
    severity: high
    category: security
    title: {en: Privileged, zh: 特权}
    description: {en: d, zh: d}
    why: {en: w, zh: w}
    remedy: {en: r, zh: r}
    message: {en: "{container} is privileged", zh: "{container} 是特权"}
    scope: container
    fail: container.?securityContext.privileged.orValue(false) == true
    at: securityContext.privileged
    fix: [{set: securityContext.privileged, to: false}]
  - id: latest
    severity: low
    category: image
    title: {en: Latest, zh: 最新}
    description: {en: d, zh: d}
    why: {en: w, zh: w}
    remedy: {en: r, zh: r}
    message: {en: "{value}", zh: "{value}"}
    scope: container
    fail: container.image.endsWith(':latest')
    at: image
  - id: alone
    severity: medium
    category: network
    title: {en: Alone, zh: 独自}
    description: {en: d, zh: d}
    why: {en: w, zh: w}
    remedy: {en: r, zh: r}
    message: {en: "no service", zh: "没有服务"}
    scope: object
    kinds: [Deployment.apps]
    needs: [Service]
    fail: peers.Service.size() == 0
)";

inline CheckSet FewChecks() {
  CheckSet set = CheckSet::Empty();
  auto added = set.AddText(kFewChecks, "checks.yaml");
  EXPECT_TRUE(added) << added.error().ToString();
  for (const Error& error : set.CompileAll()) ADD_FAILURE() << error.ToString();
  return set;
}

}  // namespace bulwark::posture
