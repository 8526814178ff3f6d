#include "features/posture/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "features/posture/inventory.h"
#include "features/posture/rego_checks.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::posture {

namespace {

// Documents are handed to workers in batches of about this many bytes: enough that queueing costs
// nothing, few enough that all workers are busy to the end.
constexpr size_t kBatchBytes = 64 << 10;
constexpr size_t kMaxQueued = 64;

struct Batch {
  std::vector<YamlDocument> documents;
  size_t bytes = 0;
  std::shared_ptr<const void> keep_alive;
  std::string file;
  bool lenient = false;
  bool json = false;
};

std::string SeenKey(std::string_view ns, std::string_view kind, std::string_view name) {
  return fmt::format("{}\n{}\n{}", ns, kind, name);
}

// The objects that were met, as hashes, so that an owned one can be told from an orphan.
class Seen {
 public:
  void Add(const Value& object) {
    kube::Object o(object);
    std::lock_guard lock(mutex_);
    hashes_.insert(XxHash3(SeenKey(o.ns(), o.kind(), o.name())));
  }
  bool HasOwnerOf(const Value& object, const Value& controller) const {
    std::lock_guard lock(mutex_);
    return hashes_.contains(XxHash3(SeenKey(kube::Object(object).ns(), controller.StringAt("kind"),
                                            controller.StringAt("name"))));
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_set<uint64_t> hashes_;
};

bool LooksLikeJson(std::string_view text) {
  text = TrimLeft(text);
  return text.starts_with('{') || text.starts_with('[');
}

// What one thread makes of its share.
class Worker {
 public:
  Worker(const CheckSet& checks, const InspectOptions& options, Seen& seen)
      : options_(options),
        seen_(seen),
        checker_(checks, options.check),
        inventory_(checks, options.check.templates),
        by_check_(checks.checks().size()),
        by_rego_(options.rego == nullptr ? 0 : options.rego->infos().size()) {}

  void Run(const Batch& batch) {
    placeless_ = batch.file.empty();
    for (const YamlDocument& document : batch.documents) {
      arena_.Reset();
      if (batch.json) {
        RunJson(document, batch);
      } else {
        RunYaml(document, batch);
      }
    }
  }

  // Judges what was kept because its owner had not come by yet, and never did.
  void RunOrphans() {
    for (Orphan& orphan : std::exchange(orphans_, {})) {
      if (seen_.HasOwnerOf(orphan.object, kube::ControllerOf(orphan.object))) continue;
      Judge(orphan.object, orphan.file, orphan.place, nullptr);
    }
  }

  void RunRelated(const Inventory& inventory, const Inventory::Kept& kept,
                  const std::set<std::string, std::less<>>& incomplete) {
    kube::Object object(kept.object);
    bool is_namespace = object.kind() == "Namespace";
    std::string ns = is_namespace ? object.name() : std::string(object.ns());
    bool in_part = incomplete.contains(ns) || incomplete.contains("*");
    if (ns.empty()) ns = "default";
    Subject subject{.object = &kept.object, .file = kept.file, .place = kept.place};
    subject.place_of = [&](const Path& path) { return kept.PlaceOf(path); };
    bool complete = options_.whole_cluster || inventory.HasNamespace(ns) ||
                    (object.ns().empty() && inventory.HasNamespace(""));
    complete = complete && !in_part;
    Tally tally = checker_.RunRelated(subject, inventory.Peers(ns), inventory.Cluster(), complete,
                                      findings_, by_check_);
    if (tally.total() > 0) {
      assets_.push_back({object.ToAsset(options_.check.cluster), kept.place, tally});
    }
  }

 private:
  friend class bulwark::posture::Inspection;
  struct Orphan {
    Value object;
    std::string file;
    Place place;
  };

  void Fail(std::string what, const Batch& batch, Place place, std::string error) {
    place.file = batch.file;
    unread_.push_back({std::move(what), std::move(place), std::move(error)});
  }

  static Place PlaceOfError(const Error& error, const YamlDocument& document) {
    Place place;
    place.line = document.origin.line;
    place.column = 1;
    for (const Error::Arg& arg : error.args()) {
      if (arg.name == "line") place.line = static_cast<uint32_t>(std::atoi(arg.value.c_str()));
      if (arg.name == "column") place.column = static_cast<uint32_t>(std::atoi(arg.value.c_str()));
    }
    return place;
  }

  void RunYaml(const YamlDocument& document, const Batch& batch) {
    YamlOptions options;
    options.origin = document.origin;
    options.max_bytes = options_.max_document_bytes;
    options.drop_nulls = true;
    options.borrow_text = true;
    SourceMap& positions = positions_;
    auto root = ParseYaml(document.text, arena_, options, &positions);
    if (!root) return FailDocument(root.error(), document, batch);
    RunRoot(*root, batch);
  }

  void RunJson(const YamlDocument& document, const Batch& batch) {
    JsonOptions options;
    options.origin = document.origin;
    options.max_bytes = options_.max_document_bytes;
    options.borrow_text = true;
    options.drop_nulls = true;
    options.duplicate_keys = true;  // the last one wins, as the API server has it
    auto root = ParseJson(document.text, arena_, options, placeless_ ? nullptr : &positions_);
    if (root) return RunRoot(*root, batch);
    // One object a line, as `kubectl … -o json | jq -c .items[]` writes it.
    JsonLines lines(document.text, options);
    if (lines.More()) {
      auto first = lines.Next(arena_, &positions_);
      if (first && first->IsMap() && lines.More()) {
        RunRoot(*first, batch);
        while (lines.More()) {
          arena_.Reset();
          auto line = lines.Next(arena_, &positions_);
          if (line) {
            RunRoot(*line, batch);
          } else {
            FailDocument(line.error(), {{}, lines.origin()}, batch);
          }
        }
        return;
      }
    }
    // Not JSON: YAML's flow style begins the same way. Its error counts if neither reads it.
    YamlOptions yaml;
    yaml.origin = document.origin;
    yaml.max_bytes = options_.max_document_bytes;
    yaml.drop_nulls = true;
    yaml.borrow_text = true;
    auto flow = ParseYaml(document.text, arena_, yaml, &positions_);
    if (flow) return RunRoot(*flow, batch);
    FailDocument(root.error(), document, batch);
  }

  void FailDocument(const Error& error, const YamlDocument& document, const Batch& batch) {
    Fail(placeless_ ? "an answer of the API server" : batch.file, batch,
         PlaceOfError(error, document), error.ToString());
  }

  void RunRoot(const Value& root, const Batch& batch) {
    if (root.IsNull()) return;  // nothing between two separators
    Place place{.file = batch.file};
    if (!placeless_) {
      Position at = positions_.Root();
      place.line = at.line;
      place.column = at.column;
    }
    RunObject(root, batch, place, 0);
  }

  void RunObject(const Value& object, const Batch& batch, const Place& place, int depth) {
    if (object.IsMap() && depth < 3 && kube::IsList(object)) {
      for (const Value& item : object["items"].items())
        RunObject(item, batch, PlaceOfSlot(item, place), depth + 1);
      return;
    }
    if (object.IsArray() && depth == 0) {
      for (const Value& item : object.items())
        RunObject(item, batch, PlaceOfSlot(item, place), depth + 1);
      return;
    }
    std::string_view kind = object.StringAt("kind");
    if (kind.empty() || object.StringAt("apiVersion").empty()) {
      if (batch.lenient && depth == 0) {
        ++skipped_;
        return;
      }
      std::string_view what = object.IsMap() ? "it has no apiVersion and kind" : "it is no map";
      Fail(batch.file, batch, place, fmt::format("not a Kubernetes object: {}", what));
      return;
    }
    const Value* meta = object.Find("metadata");
    if (meta != nullptr && !meta->IsMap() && !meta->IsNull()) {
      Fail(fmt::format("{} in {}", kind, batch.file), batch, place, "metadata must be a map");
      return;
    }
    seen_.Add(object);
    if (Value controller = kube::ControllerOf(object); !controller.IsNull()) {
      if (seen_.HasOwnerOf(object, controller)) return;  // its owner is judged in its place
      orphans_.push_back({object.CopyTo(orphan_arena_), batch.file, place});
      return;
    }
    Judge(object, batch.file, place, placeless_ ? nullptr : &positions_);
  }

  Place PlaceOfSlot(const Value& slot, Place place) const {
    if (placeless_) return place;
    if (auto at = positions_.Of(&slot)) {
      place.line = at->line;
      place.column = at->column;
    }
    return place;
  }

  void Judge(const Value& object, const std::string& file, const Place& place,
             const SourceMap* positions) {
    ++objects_;
    Subject subject{.object = &object, .file = file, .positions = positions, .place = place};
    Tally tally = checker_.Run(subject, findings_, by_check_);
    if (options_.rego != nullptr) {
      tally.Merge(options_.rego->Run(subject, options_.check, findings_, by_rego_));
    }
    bool workload = kube::FindPodTemplate(object, options_.check.templates).has_value();
    if (!inventory_.empty()) inventory_.Add(object, workload, file, place, positions);
    assets_.push_back({kube::Object(object).ToAsset(options_.check.cluster), place, tally});
  }

  const InspectOptions& options_;
  Seen& seen_;
  Checker checker_;
  Arena arena_{1 << 16};
  SourceMap positions_;
  bool placeless_ = false;  // the batch is no file: positions_ has nothing of it
  Arena orphan_arena_;
  std::vector<Orphan> orphans_;
  Inventory inventory_;
  Findings findings_;
  std::vector<Tally> by_check_, by_rego_;
  std::vector<AssetTally> assets_;
  std::vector<Unread> unread_;
  uint64_t objects_ = 0, skipped_ = 0;
};

}  // namespace

struct Inspection::Work {
  Work(const CheckSet& set, InspectOptions o) : checks(set), options(std::move(o)) {
    unsigned n =
        options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < n; ++i)
      workers.push_back(std::make_unique<Worker>(checks, options, seen));
  }
  ~Work() { Stop(); }

  // One worker needs no thread of its own, and small input none at all: a thread is started for
  // each batch that finds the others busy.
  void Push(Batch batch) {
    if (batch.documents.empty()) return;
    std::unique_lock lock(mutex);
    has_room.wait(lock, [&] { return queue.size() < kMaxQueued; });
    queue.push_back(std::move(batch));
    if (threads.size() < workers.size() && idle < queue.size()) {
      threads.emplace_back([this, worker = workers[threads.size()].get()] { Loop(*worker); });
    }
    lock.unlock();
    has_work.notify_one();
  }

  void Loop(Worker& worker) {
    std::unique_lock lock(mutex);
    for (;;) {
      ++idle;
      if (queue.empty() && busy == 0) all_done.notify_all();
      has_work.wait(lock, [&] { return stopping || !queue.empty(); });
      --idle;
      if (queue.empty()) return;
      Batch batch = std::move(queue.front());
      queue.pop_front();
      ++busy;
      lock.unlock();
      has_room.notify_one();
      worker.Run(batch);
      lock.lock();
      --busy;
    }
  }

  void Wait() {
    std::unique_lock lock(mutex);
    all_done.wait(lock, [&] { return queue.empty() && busy == 0; });
  }

  // The checks between objects, by all workers. Everything that was added is judged already, and
  // the first worker's inventory complete.
  void RunRelated() {
    const Inventory& inventory = workers.front()->inventory_;
    const auto& kept = inventory.kept();
    std::atomic<size_t> next = 0;
    auto share = [&](Worker& worker) {
      constexpr size_t kAtOnce = 16;
      for (size_t begin; (begin = next.fetch_add(kAtOnce)) < kept.size();) {
        for (size_t i = begin; i < std::min(begin + kAtOnce, kept.size()); ++i) {
          worker.RunRelated(inventory, kept[i], incomplete);
        }
      }
    };
    constexpr size_t kWorthAThread = 64;
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < std::min(workers.size(), kept.size() / kWorthAThread); ++i) {
      helpers.emplace_back([&, worker = workers[i].get()] { share(*worker); });
    }
    share(*workers.front());
  }

  void Stop() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    has_work.notify_all();
    threads.clear();  // joins
  }

  const CheckSet& checks;
  InspectOptions options;
  Seen seen;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Unread> unread;
  std::set<std::string, std::less<>> incomplete;

  std::mutex mutex;
  std::condition_variable has_work, has_room, all_done;
  std::deque<Batch> queue;
  size_t idle = 0, busy = 0;
  bool stopping = false;
  std::vector<std::jthread> threads;
};

Inspection::Inspection(const CheckSet& checks, InspectOptions options)
    : work_(std::make_unique<Work>(checks, std::move(options))) {}
Inspection::~Inspection() = default;

void Inspection::AddUnread(Unread unread) { work_->unread.push_back(std::move(unread)); }

void Inspection::MarkIncomplete(const std::string& ns) { work_->incomplete.insert(ns); }

void Inspection::AddText(std::string text, const std::string& file, bool lenient, Origin origin) {
  auto owned = std::make_shared<const std::string>(std::move(text));
  AddText(*owned, owned, file, lenient, origin);
}

void Inspection::AddText(std::string_view text, std::shared_ptr<const void> keep_alive,
                         const std::string& file, bool lenient, Origin origin) {
  Batch batch{.keep_alive = keep_alive, .file = file, .lenient = lenient};
  if (LooksLikeJson(text)) {
    batch.json = true;
    batch.documents.push_back({text, origin});
    return work_->Push(std::move(batch));
  }
  YamlDocuments documents(text, origin);
  while (documents.More()) {
    auto document = documents.Next();
    if (!document) {
      AddUnread({file, {.file = file}, document.error().ToString()});
      break;
    }
    batch.bytes += document->text.size();
    batch.documents.push_back(*document);
    if (batch.bytes >= kBatchBytes) {
      Batch next{.keep_alive = keep_alive, .file = file, .lenient = lenient};
      work_->Push(std::exchange(batch, std::move(next)));
    }
  }
  work_->Push(std::move(batch));
}

void Inspection::Wait() { work_->Wait(); }

uint64_t Inspection::skipped() const {
  uint64_t n = 0;
  for (const auto& worker : work_->workers) n += worker->skipped_;
  return n;
}

Report Inspection::Finish() {
  Work& work = *work_;
  work.Wait();
  work.Stop();
  for (auto& worker : work.workers) worker->RunOrphans();

  Worker& first = *work.workers.front();
  for (size_t i = 1; i < work.workers.size(); ++i) {
    Worker& other = *work.workers[i];
    first.inventory_.Merge(std::move(other.inventory_));
  }
  first.inventory_.Finish();
  work.RunRelated();

  Report report;
  report.kubernetes = fmt::format("1.{}", work.options.check.kubernetes_minor);
  report.frameworks = work.checks.frameworks();
  report.unread = std::move(work.unread);
  std::vector<Tally> by_check(work.checks.checks().size());
  std::vector<Tally> by_rego(work.options.rego == nullptr ? 0 : work.options.rego->infos().size());
  for (auto& worker : work.workers) {
    for (size_t i = 0; i < by_rego.size(); ++i) by_rego[i].Merge(worker->by_rego_[i]);
    report.findings.Merge(std::move(worker->findings_));
    worker->findings_ = {};
    report.objects += worker->objects_;
    for (size_t i = 0; i < by_check.size(); ++i) by_check[i].Merge(worker->by_check_[i]);
    std::move(worker->assets_.begin(), worker->assets_.end(), std::back_inserter(report.assets));
    std::move(worker->unread_.begin(), worker->unread_.end(), std::back_inserter(report.unread));
  }
  report.findings.Sort();

  // One line an asset and place: checks between objects counted theirs apart.
  std::vector<std::pair<std::string, size_t>> order;
  order.reserve(report.assets.size());
  for (size_t i = 0; i < report.assets.size(); ++i) {
    order.emplace_back(report.assets[i].asset.Key(), i);
  }
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    const Place& at = report.assets[a.second].place;
    const Place& other = report.assets[b.second].place;
    return std::tie(a.first, at.file, at.line) < std::tie(b.first, other.file, other.line);
  });
  std::vector<AssetTally> joined;
  joined.reserve(order.size());
  for (const auto& [key, index] : order) {
    AssetTally& asset = report.assets[index];
    if (!joined.empty() && joined.back().asset == asset.asset &&
        joined.back().place.file == asset.place.file &&
        joined.back().place.line == asset.place.line) {
      joined.back().tally.Merge(asset.tally);
    } else {
      joined.push_back(std::move(asset));
    }
  }
  report.assets = std::move(joined);
  for (const AssetTally& asset : report.assets) {
    report.total.Merge(asset.tally);
    report.by_namespace[asset.asset.ns].Merge(asset.tally);
  }
  auto sum_up = [&](const CheckInfo& info, const Tally& tally) {
    report.checks.push_back(info);
    if (tally.total() == 0) return;
    report.by_check[info.id] = tally;
    report.by_category[info.category].Merge(tally);
    for (const auto& [framework, controls] : info.controls) {
      for (const std::string& control : controls) {
        report.by_control[framework][control].Merge(tally);
      }
    }
  };
  for (size_t i = 0; i < by_check.size(); ++i) sum_up(work.checks.checks()[i].info, by_check[i]);
  for (size_t i = 0; i < by_rego.size(); ++i) sum_up(work.options.rego->infos()[i], by_rego[i]);
  std::ranges::sort(report.checks, {}, &CheckInfo::id);  // Report::FindCheck() searches by it
  std::sort(report.unread.begin(), report.unread.end(), [](const Unread& a, const Unread& b) {
    return std::tie(a.place.file, a.place.line, a.what, a.error) <
           std::tie(b.place.file, b.place.line, b.what, b.error);
  });
  if (work.options.check.exceptions != nullptr) {
    report.warnings = work.options.check.exceptions->Warnings();
  }
  return report;
}

}  // namespace bulwark::posture
