#include "features/audit/sources.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "crypto/random.h"
#include "features/audit/kube_event.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::audit {

namespace {

constexpr std::string_view kFiles = "auditfiles";
constexpr std::string_view kEventsHelp = "Audit events and Kubernetes Events that came.";
constexpr size_t kMaxSources = 10'000;

Counter& EventsMetric(Metrics& metrics, std::string source) {
  return metrics.AddCounter("bulwark_audit_events_total", kEventsHelp,
                            {{"source", std::move(source)}});
}

net::ServerResponse Answer(int status, std::string_view title, std::string_view detail) {
  Arena arena;
  net::ServerResponse out{.status = status};
  out.headers.emplace_back("Content-Type", "application/problem+json");
  if (status == 503) out.headers.emplace_back("Retry-After", "5");
  out.body = ToJson(MapBuilder(arena)
                        .Add("type", Value::String("about:blank"))
                        .Add("title", Value::String(title))
                        .Add("status", Value::Int(status))
                        .Add("detail", Value::String(detail))
                        .Finish());
  return out;
}

}  // namespace

// --- The webhook
// ------------------------------------------------------------------------------------

AuditWebhook::AuditWebhook(store::StateStore& state, Pipeline& pipeline, Metrics& metrics)
    : state_(state),
      pipeline_(pipeline),
      events_metric_(EventsMetric(metrics, "webhook")),
      invalid_metric_(metrics.AddCounter("bulwark_audit_invalid_total",
                                         "Audit events that could not be read.",
                                         {{"source", "webhook"}})),
      shortened_metric_(metrics.AddCounter("bulwark_audit_shortened_total",
                                           "Audit events kept without what was too long.")),
      refused_metric_(metrics.AddCounter("bulwark_audit_refused_total",
                                         "Requests of strangers to the audit webhook.")) {}

Result<> AuditWebhook::Open() {
  using store::ColumnType;
  BW_TRY(state_.Define(
      {.name = std::string(kCollection),
       .version = 1,
       .columns = {{.name = "name", .path = "name"},
                   {.name = "cluster", .path = "cluster"},
                   {.name = "ns", .path = "namespace"},
                   {.name = "created", .path = "createdAt", .type = ColumnType::kTime}},
       .default_sort = "name"}));
  return Load();
}

Result<> AuditWebhook::Load() {
  std::lock_guard lock(mutex_);
  auto old = std::move(by_id_);
  by_id_.clear();
  by_secret_.clear();
  by_name_.clear();
  auto each = [&](const store::Record& record) -> Result<> {
    Arena arena;
    Value v = BW_TRY(ParseJson(record.body, arena));
    std::shared_ptr<Source> source;
    if (auto at = old.find(record.key); at != old.end()) {
      source = at->second;
    } else {
      source = std::make_shared<Source>(record.key, std::string(v.StringAt("cluster")));
    }
    by_id_[record.key] = source;
    if (auto hash = v.StringAt("secretSha256"); !hash.empty()) {
      by_secret_[std::string(hash)] = source;
    }
    for (const Value& name : v["certificateNames"].items()) {
      if (name.IsString()) by_name_[std::string(name.AsString())] = source;
    }
    return Ok{};
  };
  return state_.Scan(kCollection, store::Query::All(), each);
}

Result<AuditWebhook::Made> AuditWebhook::Add(const NewSource& source) {
  {
    std::lock_guard lock(mutex_);
    if (by_id_.size() >= kMaxSources) {
      return Error(Code::kLimit, "audit.sources", "too many sources");
    }
    for (const std::string& name : source.certificate_names) {
      if (name.empty() || by_name_.contains(name)) {
        return Error(Code::kExists, "audit.certificate",
                     fmt::format("the certificate name {} is empty or in use", name),
                     {{"name", name}});
      }
    }
  }
  Made made;
  made.secret = crypto::RandomToken();
  Arena arena;
  std::string id = Sha256Hex(crypto::RandomToken()).substr(0, 16);
  std::vector<Value> names;
  for (const std::string& name : source.certificate_names) names.push_back(Value::String(name));
  made.record.key = id;
  made.record.body = ToJson(MapBuilder(arena)
                                .Add("id", Value::String(id))
                                .Add("name", Value::String(source.name))
                                .Add("cluster", Value::String(source.cluster))
                                .Add("certificateNames", Value::Array(arena, names))
                                .Add("secretSha256", Value::String(arena, Sha256Hex(made.secret)))
                                .Add("createdAt", Value::String(arena, FormatTime(NowUs())))
                                .Add("createdBy", Value::String(source.by))
                                .Finish());
  store::Batch batch;
  batch.Put(kCollection, id, made.record.body, 0);
  made.record.revision = BW_TRY(state_.Commit(batch));
  BW_TRY(Load());
  return made;
}

Result<> AuditWebhook::Delete(std::string_view id) {
  auto record = BW_TRY(state_.Get(kCollection, id));
  if (!record) return Error(Code::kNotFound, "audit.no_source", "there is no such source");
  store::Batch batch;
  batch.Delete(kCollection, id);
  BW_TRY(state_.Commit(batch));
  return Load();
}

std::shared_ptr<const SourceCounts> AuditWebhook::CountsOf(std::string_view id) const {
  std::lock_guard lock(mutex_);
  auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : at->second->counts;
}

bool AuditWebhook::IsOurs(const net::ServerRequest& request) {
  return !request.segments.empty() && request.segments[0] == "audit";
}

std::shared_ptr<AuditWebhook::Source> AuditWebhook::Find(const net::ServerRequest& request) const {
  std::lock_guard lock(mutex_);
  // By its hash, so that what the look-up takes says nothing about a secret.
  if (request.segments.size() == 2) {
    auto at = by_secret_.find(Sha256Hex(request.segments[1]));
    return at == by_secret_.end() ? nullptr : at->second;
  }
  if (request.segments.size() == 1 && request.certificate && request.certificate->verified) {
    auto at = by_name_.find(request.certificate->common_name);
    return at == by_name_.end() ? nullptr : at->second;
  }
  return nullptr;
}

net::HeadDecision AuditWebhook::Head(const net::ServerRequest& request) const {
  net::HeadDecision out;
  out.max_body_bytes = kMaxBody;
  if (!IsOurs(request)) {
    out.refusal = Answer(404, "Not Found", "there is nothing at this path");
  } else if (Find(request) == nullptr) {
    refused_metric_.Add();
    out.refusal = Answer(401, "Unauthorized", "unknown source");
  } else if (request.method != "POST") {
    out.refusal = Answer(405, "Method Not Allowed", "POST only");
  }
  return out;
}

net::ServerResponse AuditWebhook::Handle(const net::ServerRequest& request) {
  // Again, for a listener without on_head, and a source that was deleted meanwhile.
  auto head = Head(request);
  if (head.refusal) return *std::move(head.refusal);
  std::shared_ptr<Source> source = Find(request);
  if (source == nullptr) return Answer(401, "Unauthorized", "unknown source");
  if (request.body.size() > kMaxBody) return Answer(413, "Content Too Large", "at most 12 MiB");
  Result<AuditBatch> batch = [&] {
    std::lock_guard lock(source->mutex);
    return source->reader.ReadBody(request.body);
  }();
  if (!batch) {
    invalid_metric_.Add();
    ++source->counts->invalid;
    int status = batch.error().code() == Code::kLimit ? 413 : 400;
    return Answer(status, status == 413 ? "Content Too Large" : "Bad Request",
                  batch.error().message());
  }
  if (batch->invalid > 0) {
    invalid_metric_.Add(batch->invalid);
    Log(Level::kWarn, "audit.invalid",
        {{"source", source->id}, {"events", batch->invalid}, {"first", batch->error}});
  }
  shortened_metric_.Add(batch->shortened);
  auto outcome = pipeline_.Publish(std::move(batch->events));
  if (!outcome) {
    Log(Level::kWarn, "audit.store.failed", {{"error", outcome.error()}});
    return Answer(503, "Service Unavailable", "the events could not be stored");
  }
  events_metric_.Add(outcome->stored);
  SourceCounts& counts = *source->counts;
  counts.events += outcome->stored;
  counts.duplicates += outcome->duplicates;
  counts.invalid += batch->invalid;
  counts.passed_over += batch->passed_over;
  counts.shortened += batch->shortened;
  counts.last_us = NowUs();
  net::ServerResponse out{.status = 200};
  out.headers.emplace_back("Content-Type", "application/json");
  out.body = fmt::format(R"({{"stored":{},"duplicates":{},"invalid":{}}})", outcome->stored,
                         outcome->duplicates, batch->invalid);
  return out;
}

// --- Files
// --------------------------------------------------------------------------------------------

Result<> DefineAuditFiles(store::StateStore& state) {
  return state.Define({.name = std::string(kFiles), .version = 1, .columns = {}});
}

AuditFileSource::AuditFileSource(AuditFile file, store::StateStore& state, Pipeline& pipeline,
                                 Metrics& metrics)
    : file_(std::move(file)),
      state_(state),
      pipeline_(pipeline),
      reader_({.cluster = file_.cluster}),
      events_metric_(EventsMetric(metrics, "file")),
      invalid_metric_(metrics.AddCounter("bulwark_audit_invalid_total",
                                         "Audit events that could not be read.",
                                         {{"source", "file"}})),
      too_long_metric_(metrics.AddCounter("bulwark_audit_lines_too_long_total",
                                          "Lines of audit logs that were passed over.")) {}

AuditFileSource::~AuditFileSource() { Stop(); }

void AuditFileSource::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void AuditFileSource::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void AuditFileSource::Run(const std::stop_token& stop) {
  auto wait = [&](std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, time, [] { return false; });
  };
  std::optional<Tail> tail;
  std::string said;
  auto say = [&](const Error& error) {
    std::string text = error.ToString();
    if (text != said)
      Log(Level::kWarn, "audit.file.failed", {{"path", file_.path}, {"error", text}});
    said = text;
  };
  while (!stop.stop_requested()) {
    if (!tail) {
      auto record = state_.Get(kFiles, file_.path);
      if (!record) {
        say(record.error());
        wait(std::chrono::seconds(2));
        continue;
      }
      tail.emplace(file_.path, *record ? TailPosition::Parse((*record)->body) : TailPosition{});
    }
    auto lines = Once(*tail);
    if (!lines) {
      say(lines.error());
      // What was read and not stored is read again.
      tail.reset();
      wait(std::chrono::seconds(2));
    } else if (*lines == 0) {
      wait(std::chrono::milliseconds(250));
    } else {
      said.clear();
    }
  }
}

Result<size_t> AuditFileSource::Once(Tail& tail) {
  TailPosition before = tail.position();
  uint64_t too_long = tail.too_long();
  auto lines = BW_TRY(tail.Read());
  too_long_metric_.Add(tail.too_long() - too_long);
  AuditBatch batch;
  for (const std::string& line : lines) reader_.ReadLine(line, batch);
  if (batch.invalid > 0) {
    invalid_metric_.Add(batch.invalid);
    Log(Level::kWarn, "audit.invalid",
        {{"path", file_.path}, {"lines", batch.invalid}, {"first", batch.error}});
  }
  if (!batch.events.empty()) {
    auto outcome = BW_TRY(pipeline_.Publish(std::move(batch.events)));
    events_metric_.Add(outcome.stored);
  }
  if (tail.position() != before) {
    store::Batch change;
    change.Put(kFiles, file_.path, tail.position().ToJson());
    BW_TRY(state_.Commit(change));
  }
  return lines.size();
}

// --- Kubernetes Events
// -----------------------------------------------------------------------------

KubernetesEvents::KubernetesEvents(Pipeline& pipeline, Metrics& metrics)
    : pipeline_(pipeline), events_metric_(EventsMetric(metrics, "kubernetes")) {}

bool KubernetesEvents::Wants(const kube::Resource& resource) const {
  return resource.group.empty() && resource.kind == "Event";
}

void KubernetesEvents::OnPut(const Cluster& cluster, const kube::Resource& resource,
                             const Value& object, std::string_view) {
  if (!Wants(resource)) return;
  auto event = FromKubernetesEvent(object, cluster.id);
  if (!event) return;
  events_metric_.Add();
  pipeline_.Offer("kubernetes-events", *std::move(event));
}

void KubernetesEvents::OnUnreadable(const Cluster& cluster, const kube::Resource& resource,
                                    std::string_view, const Error& error) {
  if (!Wants(resource)) return;
  Log(Level::kWarn, "audit.events.unreadable", {{"cluster", cluster.name}, {"error", error}});
}

}  // namespace bulwark::audit
