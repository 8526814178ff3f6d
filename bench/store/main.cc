// Measures the stores: appends realistic audit and Kubernetes events (a fifth with Chinese text) to
// an EventStore, searches it while it is quiet and while more arrives, and fills and lists a
// StateStore. Prints one line a figure: name, then key=value. See run.sh.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::store {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kSecond = 1'000'000, kHour = 3600 * kSecond, kDay = 24 * kHour;
constexpr int64_t kStart = 1'767'225'600 * kSecond;
constexpr int64_t kSpan = 30 * kDay;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename T>
T Must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "error: {}\n", result.error().ToString());
    std::exit(1);
  }
  return std::move(*result);
}

class Generator {
 public:
  Generator(uint64_t seed, int64_t total) : engine_(seed), total_(total) {}
  // Skewed: low numbers are far more frequent.
  size_t Skewed(size_t n) {
    const double u = static_cast<double>(engine_() >> 11) * 0x1p-53;
    return std::min(n - 1, static_cast<size_t>(static_cast<double>(n) * u * u * u));
  }
  uint64_t Below(uint64_t n) { return engine_() % n; }
  std::string Hex(int digits) {
    std::string out;
    for (int i = 0; i < digits; ++i) out += "0123456789abcdef"[Below(16)];
    return out;
  }

  Event Make(int64_t number) {
    Event event;
    event.time_us =
        kStart +
        static_cast<int64_t>(static_cast<double>(number) / static_cast<double>(total_) * kSpan) +
        static_cast<int64_t>(Below(400'000));
    event.received_us = event.time_us + 300'000 + static_cast<int64_t>(Below(500'000));
    event.cluster = kClusters[Skewed(3)];
    const std::string ns = Skewed(60) == 0 ? "prod" : fmt::format("team-{}", Skewed(60));
    const std::string name = fmt::format("{}-{}", kApps[Skewed(20)], Skewed(250));
    event.target = {event.cluster, "", "v1", "Pod", ns, name};
    event.node = fmt::format("node-{}", Skewed(1000));
    const bool chinese = Below(5) == 0;
    if (Below(10) < 7) {
      Audit(event, number, chinese);
    } else {
      Kubernetes(event, number, chinese);
    }
    if (number % 100'003 == 7) event.args.emplace_back("note", "xylophone");  // the rare word
    return event;
  }

 private:
  static constexpr const char* kClusters[] = {"3f2504e0-4f89-11d3-9a0c-0305e82c3301",
                                              "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                                              "7d444840-9dc0-11d1-b245-5ffdce74fad2"};
  static constexpr const char* kApps[] = {
      "web",   "api",  "db",  "cache", "queue",  "auth",  "search", "mail", "cart", "pay",
      "stock", "ship", "img", "log",   "metric", "trace", "job",    "cron", "gate", "edge"};
  static constexpr const char* kChinese[] = {
      "拉取镜像失败，请检查镜像仓库的访问权限", "运行容器时内存不足，进程已被终止",
      "节点磁盘空间不足，正在驱逐容器组",       "就绪探针检查失败，连接被拒绝",
      "创建负载均衡器成功，已分配地址",         "挂载存储卷超时，等待设备就绪",
      "调度失败，没有满足条件的节点",           "更新部署完成，旧版本已缩容"};

  void Audit(Event& event, int64_t number, bool chinese) {
    static constexpr const char* kVerbs[] = {"get",   "list",   "watch",  "update",
                                             "patch", "create", "delete", "deletecollection"};
    static constexpr const char* kResources[] = {
        "pods",     "configmaps", "leases", "secrets",      "deployments",
        "services", "endpoints",  "events", "nodes/status", "pods/exec"};
    const std::string id = fmt::format("{}-{}-4{}-a{}-{}", Hex(8), Hex(4), Hex(3), Hex(3), Hex(12));
    event.kind = "audit";
    event.id = EventId({id, "ResponseComplete", std::to_string(number)});
    event.verb = kVerbs[Skewed(8)];
    event.resource = kResources[Skewed(10)];
    event.target.kind = event.resource;
    const size_t who = Skewed(400);
    event.user = who < 300
                     ? fmt::format("system:serviceaccount:{}:{}", event.target.ns, kApps[who % 20])
                     : fmt::format("user{}@example.com", who);
    event.source_ip = fmt::format("10.{}.{}.{}", Skewed(4), Skewed(20), Skewed(200));
    event.user_agent =
        fmt::format("{}/v1.3{}.{} (linux/amd64) kubernetes/{}",
                    who < 300 ? "controller" : "kubectl", Skewed(4), Skewed(6), Skewed(30));
    event.outcome = Below(40) == 0 ? "denied" : "allowed";
    event.severity = event.outcome == "denied"       ? Severity::kMedium
                     : event.resource == "pods/exec" ? Severity::kHigh
                                                     : Severity::kInfo;
    event.message = "audit.request";
    event.args = {{"user", event.user},
                  {"verb", event.verb},
                  {"resource", event.resource},
                  {"name", event.target.name}};
    event.body = fmt::format(
        R"({{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{}","stage":"ResponseComplete",)"
        R"("requestURI":"/api/v1/namespaces/{}/{}/{}?timeout=32s","verb":"{}","user":{{"username":"{}","uid":"{}","groups":["system:serviceaccounts","system:serviceaccounts:{}","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI={}"]}}}},)"
        R"("sourceIPs":["{}"],"userAgent":"{}","objectRef":{{"resource":"{}","namespace":"{}","name":"{}","apiVersion":"v1"}},)"
        R"("responseStatus":{{"metadata":{{}},"code":{}}},"requestReceivedTimestamp":"2026-01-01T00:00:00.{:06}Z","stageTimestamp":"2026-01-01T00:00:01.{:06}Z",)"
        R"("annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"{}\" of ClusterRole \"{}\" to ServiceAccount"{}}}}})",
        id, event.target.ns, event.resource, event.target.name, event.verb, event.user, Hex(8),
        event.target.ns, Hex(12), event.source_ip, event.user_agent, event.resource,
        event.target.ns, event.target.name, event.outcome == "denied" ? 403 : 200, Below(1'000'000),
        Below(1'000'000), kApps[Skewed(20)], kApps[Skewed(20)],
        chinese ? fmt::format(R"(,"note":"{}")", kChinese[Skewed(8)]) : "");
  }

  void Kubernetes(Event& event, int64_t number, bool chinese) {
    static constexpr const char* kReasons[] = {
        "Pulled",    "Scheduled", "Created",          "Started",    "Killing",
        "Unhealthy", "BackOff",   "FailedScheduling", "OOMKilling", "Evicted"};
    event.kind = "kubernetes";
    event.id = EventId({"kubernetes", std::to_string(number), Hex(4)});
    const size_t reason = Skewed(10);
    event.verb = kReasons[reason];
    event.severity = reason < 5 ? Severity::kInfo : reason < 8 ? Severity::kLow : Severity::kHigh;
    event.pod = fmt::format("{}-{}-{}", event.target.name, Hex(6), Hex(5));
    event.target.name = event.pod;
    event.image = fmt::format("registry.example.com/{}/{}:1.{}", event.target.ns, kApps[Skewed(20)],
                              Skewed(40));
    event.message = "kubernetes.event";
    const std::string text =
        chinese ? kChinese[Skewed(8)]
                : fmt::format("Successfully pulled image \"{}\" in {}ms ({}ms including waiting)",
                              event.image, Below(9000), Below(9000));
    event.args = {{"reason", event.verb}, {"object", event.pod}, {"text", text}};
    event.body = fmt::format(
        R"({{"reason":"{}","message":"{}","type":"{}","count":{},"source":{{"component":"kubelet","host":"{}"}},"involvedObject":{{"kind":"Pod","namespace":"{}","name":"{}","uid":"{}-{}-4{}-8{}-{}"}}}})",
        event.verb, chinese ? text : "Successfully pulled image in " + Hex(3),
        reason < 5 ? "Normal" : "Warning", Below(40), event.node, event.target.ns, event.pod,
        Hex(8), Hex(4), Hex(3), Hex(3), Hex(12));
  }

  std::mt19937_64 engine_;
  int64_t total_;
};

struct Times {
  std::vector<double> ms;
  std::string Text() {
    std::sort(ms.begin(), ms.end());
    const auto at = [&](double q) {
      return ms[std::min(ms.size() - 1, static_cast<size_t>(q * static_cast<double>(ms.size())))];
    };
    return fmt::format("p50_ms={:.2f} p95_ms={:.2f} max_ms={:.2f}", at(0.5), at(0.95), ms.back());
  }
};

void Measure(const std::string& name, int rounds, const std::function<size_t(int)>& run) {
  Times times;
  size_t results = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    results += run(i);
    times.ms.push_back(Since(start) * 1000);
  }
  fmt::print("{:<44} results={} {}\n", name, results / static_cast<size_t>(rounds), times.Text());
  std::fflush(stdout);
}

Query Parse(std::string_view text, int64_t now) {
  return Must(ParseQuery(text, EventFields(), "time", now));
}

void Searches(EventStore& store, const std::string& prefix, int rounds) {
  const int64_t end = Must(store.Statistics()).newest_us;
  const std::pair<const char*, const char*> cases[] = {
      {"newest", ""},
      {"kind", "kind:kubernetes"},
      {"user", "user:user350@example.com"},
      {"ns", "ns:team-7"},
      {"user+ns+verb", "user:system:serviceaccount:team-7:web ns:team-7 verb:delete"},
      {"severity+verb glob", "severity>=high verb:*Kill*"},
      {"denied, not system", "outcome:denied -user:system:*"},
      {"exec of a user in prod", "resource:pods/exec ns:prod user:user*"},
      {"rare word", "xylophone"},
      {"common word", "controller"},
      {"common words in a row", "\"allowed by ClusterRoleBinding\""},
      {"phrase with field", "\"Successfully pulled\" ns:prod"},
      {"absent word", "zzzzzz"},
      {"absent pair", "verb:OOMKilling user:user350@example.com"},
      {"common words, empty together", "controller Unhealthy"},
      {"Chinese word", "容器"},
      {"Chinese phrase", "正在驱逐容器组"},
      {"Chinese character", "驱"},
      {"Chinese and field", "镜像失败 ns:team-3"},
      {"last day", "since:24h ns:team-3"},
      {"last day, word", "since:24h 内存不足"},
      {"day in the middle", "since:2026-01-05 until:2026-01-05 verb:delete"},
  };
  for (const auto& [name, text] : cases) {
    const Query filter = Parse(text, end);
    Measure(prefix + name, rounds,
            [&](int) { return Must(store.Search({.filter = filter, .limit = 50})).events.size(); });
  }
  Measure(prefix + "20 pages on", std::max(rounds / 10, 1), [&](int) {
    EventQuery query{.filter = Parse("ns:prod", end), .limit = 50};
    for (int i = 0; i < 20; ++i) query.cursor = Must(store.Search(query)).next;
    return size_t{1};
  });
}

void Aggregates(EventStore& store, int rounds) {
  const int64_t end = Must(store.Statistics()).newest_us;
  for (const auto& [name, text, span] : {std::tuple{"histogram 30 d all", "", kSpan},
                                         {"histogram 30 d ns", "ns:prod", kSpan},
                                         {"histogram 30 d user", "user:user350@example.com", kSpan},
                                         {"histogram 30 d ns+verb", "ns:prod verb:delete", kSpan},
                                         {"histogram 30 d word", "内存不足 ns:team-3", kSpan},
                                         {"histogram 1 d all", "", kDay},
                                         {"histogram 1 d ns+verb", "ns:prod verb:delete", kDay},
                                         {"histogram 1 d word", "controller", kDay}}) {
    const int64_t step = HistogramStep(span, 60);
    const int64_t since = (end - span) / step * step;
    const EventQuery query{.filter = Parse(text, end), .since_us = since, .until_us = end};
    Measure(name, rounds, [&](int) {
      size_t sum = 0;
      for (const Bucket& bucket : Must(store.Histogram(query, step))) sum += bucket.count;
      return sum;
    });
  }
  for (const auto& [name, text, field, span] :
       {std::tuple{"top user 30 d", "", "user", kSpan},
        {"top name 30 d", "", "name", kSpan},
        {"top verb 30 d ns", "ns:prod", "verb", kSpan},
        {"top user 30 d kind", "kind:audit", "user", kSpan},
        {"top ns 1 d", "", "ns", kDay},
        {"top user 1 d denied", "outcome:denied", "user", kDay}}) {
    const EventQuery query{.filter = Parse(text, end), .since_us = end - span, .until_us = end};
    Measure(name, rounds, [&](int) {
      return static_cast<size_t>(Must(store.Top(query, field, 10)).front().second);
    });
  }
  Measure("count ns", rounds,
          [&](int) { return Must(store.Count({.filter = Parse("ns:prod", end)}, UINT64_MAX)); });
  Measure("count word up to 100,000", rounds,
          [&](int) { return Must(store.Count({.filter = Parse("controller", end)})); });
}

int64_t ResidentKib() {
  const std::string status = Must(ReadFile("/proc/self/status"));
  const size_t at = status.find("VmHWM:");
  return at == std::string::npos ? 0 : std::atoll(status.c_str() + at + 6);
}

void Events(const std::string& folder, int64_t count, int rounds) {
  auto store = Must(OpenSqliteEventStore(folder));
  if (Must(store->Statistics()).events == 0) {
    Generator generator(42, count);
    constexpr int64_t kBatch = 1000;
    double in_store = 0;
    const auto start = Clock::now();
    auto shown = start;
    std::vector<Event> batch;
    for (int64_t i = 0; i < count; ++i) {
      batch.push_back(generator.Make(i));
      if (static_cast<int64_t>(batch.size()) < kBatch && i + 1 < count) continue;
      const auto before = Clock::now();
      Must(store->Append(batch));
      in_store += Since(before);
      batch.clear();
      if (Since(shown) > 30) {
        shown = Clock::now();
        fmt::print(stderr, "{} events, {:.0f}/s\n", i, static_cast<double>(i) / Since(start));
      }
    }
    const auto stats = Must(store->Statistics());
    fmt::print(
        "append, batches of {}: events={} rate={:.0f}/s of the store alone={:.0f}/s "
        "bytes_per_event={:.0f}\n",
        kBatch, count, static_cast<double>(count) / Since(start),
        static_cast<double>(count) / in_store,
        static_cast<double>(stats.bytes) / static_cast<double>(stats.events));
  }
  const auto stats = Must(store->Statistics());
  fmt::print("stored: events={} bytes={} bytes_per_event={:.0f}\n", stats.events, stats.bytes,
             static_cast<double>(stats.bytes) / static_cast<double>(stats.events));
  Searches(*store, "search: ", rounds);
  Aggregates(*store, rounds);
  fmt::print("memory: peak_mib={}\n", ResidentKib() / 1024);

  // Searches while 5,000 events/s arrive.
  std::atomic<bool> stop = false;
  std::atomic<int64_t> appended = 0;
  const int64_t newest = stats.newest_us;
  std::jthread writer([&] {
    Generator generator(99, count);
    int64_t number = 1'000'000'000;
    const auto begin = Clock::now();
    while (!stop) {
      std::vector<Event> batch;
      for (int i = 0; i < 500; ++i) {
        Event event = generator.Make(number++);
        event.time_us = newest + appended.load() * 200 + i;
        event.received_us = event.time_us + 1000;
        batch.push_back(std::move(event));
      }
      Must(store->Append(batch));
      appended += 500;
      std::this_thread::sleep_until(begin + std::chrono::microseconds(appended.load() * 200));
    }
  });
  const auto begin = Clock::now();
  Searches(*store, "while 5,000/s arrive: ", std::max(rounds / 4, 5));
  while (Since(begin) < 20) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  stop = true;
  writer.join();
  fmt::print("appended meanwhile: events={} rate={:.0f}/s\n", appended.load(),
             static_cast<double>(appended.load()) / Since(begin));

  const auto dropped = Clock::now();
  const int64_t third = (stats.newest_us - stats.oldest_us) / 3;
  const Retention day[] = {{.kind = "audit", .max_age_us = 2 * third}};
  uint64_t gone = 0;
  for (const auto& [kind, number] : Must(store->Expire(day, 0, stats.newest_us))) gone += number;
  fmt::print("expire the first third: events={} seconds={:.2f}\n", gone, Since(dropped));
}

// --- State ---------------------------------------------------------------------------------------

const Collection kAssets{
    .name = "assets",
    .columns = {{.name = "cluster", .path = "asset.cluster", .indexed = true},
                {.name = "kind", .path = "asset.kind", .indexed = true},
                {.name = "ns", .path = "asset.namespace", .indexed = true},
                {.name = "name", .path = "asset.name", .indexed = true, .full_text = true},
                {.name = "label", .path = "labels"},
                {.name = "image", .path = "images.reference"},
                {.name = "node", .path = "node", .indexed = true},
                {.name = "last", .path = "lastSeen", .type = ColumnType::kTime, .indexed = true}}};
const Collection kFindings{
    .name = "findings",
    .columns =
        {{.name = "check", .path = "check", .indexed = true},
         {.name = "severity", .path = "severity", .type = ColumnType::kSeverity, .indexed = true},
         {.name = "status", .path = "status", .indexed = true},
         {.name = "cluster", .path = "asset.cluster"},
         {.name = "ns", .path = "asset.namespace", .indexed = true},
         {.name = "kind", .path = "asset.kind"},
         {.name = "name", .path = "asset.name", .full_text = true},
         {.name = "control", .path = "controls"},
         {.name = "last", .path = "lastSeen", .type = ColumnType::kTime, .indexed = true}},
    .default_sort = "-severity,-last"};

void State(const std::string& folder, int assets, int findings, int rounds) {
  auto store = Must(OpenSqliteStateStore(folder));
  Must(store->Define(kAssets));
  Must(store->Define(kFindings));
  std::mt19937_64 engine(5);
  const auto below = [&](uint64_t n) { return engine() % n; };
  const auto asset = [&](int i) {
    return fmt::format(
        R"({{"asset":{{"cluster":"c{}","group":"","version":"v1","kind":"Pod","namespace":"team-{}","name":"web-{}"}},"uid":"{:016x}","labels":["app=web-{}","tier=t{}","pod-template-hash={:08x}"],)"
        R"("images":[{{"name":"main","reference":"registry.example.com/app:{}"}}],"node":"node-{}","serviceAccount":"default","phase":"Running","createdAt":"2026-01-01T00:00:00Z","firstSeen":"2026-01-01T00:00:00Z","lastSeen":"2026-01-0{}T0{}:{:02}:{:02}Z","summary":{{"restarts":{},"qos":"Burstable","ip":"10.1.{}.{}"}}}})",
        i % 3, below(60), i, engine(), i % 500, below(4), below(1u << 31), below(300), below(1000),
        1 + below(9), below(9), below(60), below(60), below(9), below(256), below(256));
  };
  const auto finding = [&](int i) {
    static constexpr const char* kSeverity[] = {"low", "medium", "high", "critical"};
    return fmt::format(
        R"({{"id":"{:032x}","check":"check-{}","category":"security","severity":"{}","status":"{}","asset":{{"cluster":"c{}","kind":"Deployment","namespace":"team-{}","name":"web-{}"}},"path":"spec.template.spec.containers[0]","value":"true","container":"main","args":{{"container":"main"}},"firstSeen":"2026-01-01T00:00:00Z","lastSeen":"2026-01-0{}T0{}:00:{:02}Z","controls":["cis-1.12/5.2.{}","nsa/{}"],"fixable":true}})",
        i, below(85), kSeverity[below(4)], below(10) == 0 ? "closed" : "open", i % 3, below(60),
        i % 5000, 1 + below(9), below(9), below(60), below(13), below(20));
  };
  const auto fill = [&](const char* collection, int count, const auto& make) {
    const auto start = Clock::now();
    for (int i = 0; i < count;) {
      Batch batch;
      for (int j = 0; j < 500 && i < count; ++j, ++i)
        batch.Put(collection, fmt::format("{}/{:06}", collection, i), make(i));
      Must(store->Commit(batch));
    }
    fmt::print("state: put {} in batches of 500: records={} rate={:.0f}/s\n", collection, count,
               count / Since(start));
  };
  fill("assets", assets, asset);
  fill("findings", findings, finding);
  for (int threads : {1, 4, 16}) {
    std::atomic<int> done = 0;
    const auto start = Clock::now();
    {
      std::vector<std::jthread> all;
      for (int t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
          while (Since(start) < 3) {
            Batch batch;
            batch.Put("findings", fmt::format("new-{}", t),
                      R"({"severity":"low","status":"open"})");
            Must(store->Commit(batch));
            ++done;
          }
        });
      }
    }
    fmt::print("state: single durable commits: threads={} rate={:.0f}/s\n", threads,
               done / Since(start));
  }
  const auto list = [&](const std::string& name, const char* collection, const char* text,
                        const char* sort, bool total) {
    const Query filter = Must(ParseQuery(text, *store->Fields(collection), "last", 0));
    Measure("state: " + name, rounds, [&](int) {
      return Must(store->List(collection,
                              {.filter = filter, .sort = sort, .limit = 50, .total = total}))
          .records.size();
    });
  };
  list("assets by name", "assets", "", "name", false);
  list("assets by name, total", "assets", "", "name", true);
  list("assets ns, by -last, total", "assets", "ns:team-7", "-last", true);
  list("assets label", "assets", "label:app=web-77", "name", true);
  list("assets label glob, by node", "assets", "label:tier=t1 image:*app:1*", "node,name", true);
  list("assets word", "assets", "\"web 4711\"", "name", true);
  list("findings default", "findings", "status:open", "", true);
  list("findings ns+severity", "findings", "status:open ns:team-3 severity>=high",
       "-severity,-last", true);
  list("findings check, not ns", "findings", "check:check-7 -ns:team-1*", "-last", true);
  list("findings control", "findings", "control:cis-1.12/5.2.5 status:open", "-severity,-last",
       true);
  Measure("state: findings, page 500 of 50 rows", 3, [&](int) {
    ListOptions options{
        .filter = Must(ParseQuery("status:open", *store->Fields("findings"), "last", 0)),
        .sort = "-severity,-last",
        .limit = 50};
    for (int i = 0; i < 499; ++i) options.cursor = Must(store->List("findings", options)).next;
    const auto start = Clock::now();
    const size_t size = Must(store->List("findings", options)).records.size();
    fmt::print("state: page 500 itself ms={:.2f}\n", Since(start) * 1000);
    return size;
  });
  Measure("state: group findings by severity,ns", rounds, [&](int) {
    return Must(store->GroupBy("findings", {}, {"severity", "ns"}, 1000)).size();
  });
  Measure("state: group findings by control", rounds,
          [&](int) { return Must(store->GroupBy("findings", {}, {"control"}, 1000)).size(); });
  Measure("state: get", rounds * 10, [&](int i) {
    return Must(store->Get("assets", fmt::format("assets/{:06}", i * 37 % assets))).has_value()
               ? size_t{1}
               : size_t{0};
  });
  fmt::print("state: bytes={} peak_mib={}\n", Must(store->Statistics()).bytes,
             ResidentKib() / 1024);
}

}  // namespace
}  // namespace bulwark::store

int main(int argc, char** argv) {
  using namespace bulwark::store;
  const std::string folder = argc > 1 ? argv[1] : ".";
  const int64_t events = argc > 2 ? std::atoll(argv[2]) : 200'000;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 40;
  if (events > 0) Events(folder, events, rounds);
  State(folder, events < 1'000'000 && events > 0 ? 5'500 : 55'000,
        events < 1'000'000 && events > 0 ? 10'000 : 100'000, rounds);
  return 0;
}
