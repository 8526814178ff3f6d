#include "platform/notify/sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/pipeline/event_json.h"
#include "platform/store/event_store.h"

namespace bulwark::notify {

namespace {

constexpr std::string_view kSecretField = "headers";

const std::vector<std::string>& DefaultKinds() {
  static const std::vector<std::string> kinds = {"alert", "finding"};
  return kinds;
}

std::vector<std::string> StringsOf(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) {
    if (item.IsString()) out.emplace_back(item.AsString());
  }
  return out;
}

}  // namespace

// One sink that runs.
class Sinks::Sink {
 public:
  Sink(std::string id, std::unique_ptr<LineSpool> spool, std::unique_ptr<Receiver> receiver,
       store::Query filter, Language language, bool bodies, const Catalog& catalog,
       const SinkOptions& options, Metrics& metrics)
      : id_(std::move(id)),
        spool_(std::move(spool)),
        receiver_(std::move(receiver)),
        filter_(std::move(filter)),
        language_(language),
        bodies_(bodies),
        catalog_(catalog),
        options_(options),
        sent_metric_(metrics.AddCounter("bulwark_sink_sent_total",
                                        "Lines that a sink's receiver took.", {{"sink", id_}})),
        dropped_metric_(metrics.AddCounter("bulwark_sink_dropped_total",
                                           "Lines that a sink gave up.", {{"sink", id_}})) {}

  ~Sink() { Stop(); }

  void Start(Pipeline& pipeline, std::vector<std::string> kinds) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
    subscription_ = pipeline.Subscribe("sink:" + id_, std::move(kinds),
                                       [this](std::span<const Event> events) { Take(events); });
  }

  void Stop() {
    std::unique_ptr<Pipeline::Subscription> subscription;
    {
      std::lock_guard lock(mutex_);  // status() may look at it
      subscription = std::move(subscription_);
    }
    subscription.reset();  // without the lock, which Take() needs
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  Status status() const {
    std::lock_guard lock(mutex_);
    Status out = status_;
    out.waiting = spool_->waiting();
    out.dropped += spool_->dropped() + (subscription_ ? subscription_->dropped() : 0);
    return out;
  }

 private:
  void Take(std::span<const Event> events) {
    std::vector<std::string> lines;
    Arena arena(16 * 1024);
    for (const Event& event : events) {
      if (!store::Matches(filter_, store::EventSubject(event))) continue;
      arena.Reset();
      lines.push_back(ToJson(EventToValue(event, catalog_, language_, bodies_, arena)));
    }
    if (lines.empty()) return;
    uint64_t dropped = spool_->dropped();
    if (auto spooled = spool_->Append(lines); !spooled) Failed(spooled.error());
    dropped_metric_.Add(spool_->dropped() - dropped);
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }

  void Failed(const Error& error) {
    std::lock_guard lock(mutex_);
    ++status_.failures;
    std::string text = error.ToString();
    if (text != status_.last_error) {
      Log(Level::kWarn, "sink.failed", {{"sink", id_}, {"error", text}});
    }
    status_.last_error = std::move(text);
  }

  void Run(const std::stop_token& stop) {
    std::chrono::milliseconds wait = options_.first_wait;
    while (!stop.stop_requested()) {
      auto lines = spool_->Peek(options_.batch_lines);
      if (!lines || lines->empty()) {
        if (!lines) Failed(lines.error());
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, stop, std::chrono::seconds(1), [&] { return spool_->waiting() > 0; });
        continue;
      }
      auto sent = receiver_->Send(*lines, stop);
      if (sent) {
        spool_->Done(lines->size());
        sent_metric_.Add(lines->size());
        wait = options_.first_wait;
        std::lock_guard lock(mutex_);
        status_.sent += lines->size();
        status_.last_sent_us = NowUs();
        status_.last_error.clear();
        continue;
      }
      if (stop.stop_requested()) return;
      Failed(sent.error());
      bool again = sent.error().code() == Code::kUnavailable || sent.error().code() == Code::kLimit;
      if (!again) {
        spool_->Done(lines->size());
        dropped_metric_.Add(lines->size());
        std::lock_guard lock(mutex_);
        status_.dropped += lines->size();
        continue;
      }
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, wait, [] { return false; });
      wait = std::min(wait * 2, options_.max_wait);
    }
  }

  const std::string id_;
  const std::unique_ptr<LineSpool> spool_;
  const std::unique_ptr<Receiver> receiver_;
  const store::Query filter_;
  const Language language_;
  const bool bodies_;
  const Catalog& catalog_;
  const SinkOptions& options_;
  Counter& sent_metric_;
  Counter& dropped_metric_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  Status status_;
  std::unique_ptr<Pipeline::Subscription> subscription_;
  std::jthread thread_;
};

Sinks::Sinks(store::StateStore& state, Pipeline& pipeline, vault::Vault& vault, Catalog& catalog,
             Metrics& metrics, SinkOptions options)
    : state_(state),
      pipeline_(pipeline),
      vault_(vault),
      catalog_(catalog),
      metrics_(metrics),
      options_(std::move(options)) {
  types_.push_back(FileReceiver());
  types_.push_back(HttpReceiver());
}

Sinks::~Sinks() { Stop(); }

void Sinks::AddType(ReceiverType type) { types_.push_back(std::move(type)); }

Result<> Sinks::Open() {
  if (!options_.guard) {
    auto guard = BW_TRY(net::UrlGuard::Make({}));
    options_.guard = std::make_shared<const net::UrlGuard>(std::move(guard));
  }
  catalog_.Add("sinks.none", {"there is no such sink", "没有此输出"});
  catalog_.Add("sinks.invalid", {"{field}: {what}", "{field}：{what}"});
  catalog_.Add("sinks.type", {"there is no type of sink {type}", "没有 {type} 类型的输出"});
  catalog_.Add("sinks.limit", {"there are too many sinks", "输出过多"});
  catalog_.Add("sinks.answer", {"{url} answered {status}", "{url} 返回了 {status}"});
  return state_.Define(
      {.name = std::string(kCollection),
       .version = 1,
       .columns = {{.name = "name", .path = "name"},
                   {.name = "type", .path = "type"},
                   {.name = "enabled", .path = "enabled", .type = store::ColumnType::kBool}},
       .default_sort = "name"});
}

const ReceiverType* Sinks::TypeOf(std::string_view name) const {
  for (const ReceiverType& type : types_) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

Result<ReceiverContext> Sinks::ContextOf(const Value& record, std::string_view id) {
  ReceiverContext context{
      .record = record, .secret = "", .file_folder = options_.file_folder, .guard = options_.guard};
  vault::Place place{std::string(kCollection), std::string(id), std::string(kSecretField)};
  if (BW_TRY(vault_.Has(place))) context.secret = BW_TRY(vault_.Get(place));
  return context;
}

Result<> Sinks::Begin(const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(ParseJson(record.body, arena));
  if (!v["enabled"].IsTrue()) return Ok{};
  const ReceiverType* type = TypeOf(v.StringAt("type"));
  if (type == nullptr) {
    return Error(Code::kInvalid, "sinks.type", "there is no type " + Quote(v.StringAt("type")),
                 {{"type", std::string(v.StringAt("type"))}});
  }
  ReceiverContext context = BW_TRY(ContextOf(v, record.key));
  auto receiver = BW_TRY(type->make(context));
  store::Query filter;
  if (std::string_view q = v.StringAt("q"); !Trim(q).empty()) {
    filter = BW_TRY(store::ParseQuery(q, store::EventFields(), "time", NowUs()));
  }
  std::vector<std::string> kinds = StringsOf(v["kinds"]);
  if (kinds.empty()) kinds = DefaultKinds();
  auto spool = BW_TRY(LineSpool::Open(options_.spool_folder + "/" + record.key, options_.spool));
  auto sink = std::make_shared<Sink>(record.key, std::move(spool), std::move(receiver),
                                     std::move(filter), ParseLanguage(v.StringAt("language")),
                                     v["bodies"].IsTrue(), catalog_, options_, metrics_);
  sink->Start(pipeline_, std::move(kinds));
  std::lock_guard lock(mutex_);
  sinks_[record.key] = std::move(sink);
  return Ok{};
}

Result<> Sinks::Start() {
  std::vector<store::Record> records;
  auto each = [&](const store::Record& record) -> Result<> {
    records.push_back(record);
    return Ok{};
  };
  BW_TRY(state_.Scan(kCollection, store::Query::All(), each));
  std::lock_guard change(change_mutex_);
  {
    std::lock_guard lock(mutex_);
    running_ = true;
  }
  for (const store::Record& record : records) {
    // One that cannot begin keeps nobody else from it.
    if (auto begun = Begin(record); !begun) {
      Log(Level::kError, "sink.not_started", {{"sink", record.key}, {"error", begun.error()}});
    }
  }
  return Ok{};
}

void Sinks::Stop() {
  std::map<std::string, std::shared_ptr<Sink>, std::less<>> sinks;
  {
    std::lock_guard lock(mutex_);
    running_ = false;
    sinks.swap(sinks_);
  }
  for (const auto& [id, sink] : sinks) sink->Stop();
}

Result<store::Record> Sinks::Save(std::string_view id, const Value& settings, std::string_view by,
                                  std::optional<uint64_t> expect) {
  std::lock_guard change(change_mutex_);
  Arena arena;
  store::Record record;
  Value old;
  if (!id.empty()) {
    auto found = BW_TRY(state_.Get(kCollection, id));
    if (!found) return Error(Code::kNotFound, "sinks.none", "there is no such sink");
    record = *std::move(found);
    old = BW_TRY(ParseJson(record.body, arena));
    if (!expect) expect = record.revision;
  } else {
    if (BW_TRY(state_.Count(kCollection, store::Query::All())) >= options_.max_sinks) {
      return Error(Code::kLimit, "sinks.limit", "there are too many sinks");
    }
    record.key = Sha256Hex(crypto::RandomToken()).substr(0, 16);
    expect = 0;
  }
  const ReceiverType* type = TypeOf(settings.StringAt("type"));
  if (type == nullptr) {
    return Error(Code::kInvalid, "sinks.type",
                 "there is no type " + Quote(settings.StringAt("type")),
                 {{"type", std::string(settings.StringAt("type"))}});
  }
  if (std::string_view q = settings.StringAt("q"); !Trim(q).empty()) {
    BW_TRY(store::ParseQuery(q, store::EventFields(), "time", NowUs()));
  }
  ReceiverContext context{.record = settings,
                          .secret = "",
                          .file_folder = options_.file_folder,
                          .guard = options_.guard};
  BW_TRY(type->check(context));
  // Where the receiver changes, its secrets are not sent to the new one.
  bool elsewhere = !old.IsNull() && (settings.StringAt("url") != old.StringAt("url") ||
                                     settings.StringAt("type") != old.StringAt("type"));
  vault::Place place{std::string(kCollection), record.key, std::string(kSecretField)};
  std::vector<Value> names;
  store::Batch batch;
  if (const Value* secrets = settings.Find("secretHeaders"); secrets && secrets->IsMap()) {
    for (const auto& [name, value] : secrets->entries()) {
      if (!value.IsString()) {
        return Error(Code::kInvalid, "sinks.invalid", "secretHeaders: values must be strings",
                     {{"field", "secretHeaders"}, {"what", "values must be strings"}});
      }
      names.push_back(name);
    }
    if (names.empty()) {
      vault_.Delete(batch, place);
    } else {
      BW_TRY(vault_.Put(batch, place, ToJson(*secrets)));
    }
  } else if (elsewhere) {
    vault_.Delete(batch, place);
  } else {
    for (const Value& name : old["secretHeaders"].items()) names.push_back(name);
  }
  MapBuilder out(arena, settings.size() + 6);
  out.Add("id", Value::String(record.key));
  for (const auto& [key, value] : settings.entries()) {
    if (key == Value::String("id") || key == Value::String("secretHeaders")) continue;
    out.Add(key, value);
  }
  if (settings.Find("enabled") == nullptr) out.Add("enabled", Value::Bool(true));
  out.Add("secretHeaders", Value::Array(arena, names));
  out.Add("createdAt", old.IsNull() ? Value::String(arena, FormatTime(NowUs())) : old["createdAt"]);
  out.Add("createdBy", old.IsNull() ? Value::String(by) : old["createdBy"]);
  record.body = ToJson(out.Finish());
  batch.Put(kCollection, record.key, record.body, expect);
  record.revision = BW_TRY(state_.Commit(batch));
  std::shared_ptr<Sink> before;
  bool running;
  {
    std::lock_guard lock(mutex_);
    running = running_;
    if (auto at = sinks_.find(record.key); at != sinks_.end()) {
      before = std::move(at->second);
      sinks_.erase(at);
    }
  }
  if (before) before->Stop();
  before.reset();
  if (running) BW_TRY(Begin(record));
  return record;
}

Result<> Sinks::Delete(std::string_view id) {
  std::lock_guard change(change_mutex_);
  if (!BW_TRY(state_.Get(kCollection, id))) {
    return Error(Code::kNotFound, "sinks.none", "there is no such sink");
  }
  store::Batch batch;
  batch.Delete(kCollection, id);
  vault_.DeleteAll(batch, kCollection, id);
  BW_TRY(state_.Commit(batch));
  std::shared_ptr<Sink> before;
  {
    std::lock_guard lock(mutex_);
    if (auto at = sinks_.find(id); at != sinks_.end()) {
      before = std::move(at->second);
      sinks_.erase(at);
    }
  }
  if (before) before->Stop();
  std::error_code ignored;
  std::filesystem::remove_all(options_.spool_folder + "/" + std::string(id), ignored);
  return Ok{};
}

Result<> Sinks::Test(std::string_view id) {
  auto record = BW_TRY(state_.Get(kCollection, id));
  if (!record) return Error(Code::kNotFound, "sinks.none", "there is no such sink");
  Arena arena;
  Value v = BW_TRY(ParseJson(record->body, arena));
  const ReceiverType* type = TypeOf(v.StringAt("type"));
  if (type == nullptr) return Error(Code::kInvalid, "sinks.type", "there is no such type");
  ReceiverContext context = BW_TRY(ContextOf(v, id));
  auto receiver = BW_TRY(type->make(context));
  std::vector<std::string> lines = {fmt::format(
      R"({{"id":"{}","time":"{}","kind":"test","severity":"info","message":"Bulwark"}})",
      Sha256Hex(crypto::RandomToken()).substr(0, 32), FormatTime(NowUs()))};
  return receiver->Send(lines, {});
}

Sinks::Status Sinks::StatusOf(std::string_view id) const {
  std::shared_ptr<Sink> sink;
  {
    std::lock_guard lock(mutex_);
    if (auto at = sinks_.find(id); at != sinks_.end()) sink = at->second;
  }
  return sink ? sink->status() : Status{};
}

}  // namespace bulwark::notify
