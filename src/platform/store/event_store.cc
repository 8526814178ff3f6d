#include "platform/store/event_store.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "platform/store/event_fields.h"

namespace bulwark::store {
namespace {

constexpr size_t kMaxText = 16 << 10;

class TextBuilder {
 public:
  void Add(std::string_view value) {
    if (value.empty() || text_.size() >= kMaxText) return;
    // Times are searched as times; each would be a word of its own.
    if (value.size() >= 20 && value.size() <= 35 && value[4] == '-' && value[10] == 'T' &&
        ParseRfc3339(value)) {
      return;
    }
    std::string_view cut = value.substr(0, kMaxText - text_.size());
    while (cut.size() < value.size() && !cut.empty() && (value[cut.size()] & 0xC0) == 0x80) {
      cut.remove_suffix(1);
    }
    if (!seen_.insert(std::string(cut)).second) return;
    if (!text_.empty()) text_ += '\n';
    text_ += cut;
  }

  void AddJson(const Value& value, int depth = 0) {
    if (depth > 64 || text_.size() >= kMaxText) return;
    if (value.IsString()) return Add(value.AsString());
    for (const Value& item : value.items()) AddJson(item, depth + 1);
    for (const Value::Entry& entry : value.entries()) AddJson(entry.value, depth + 1);
  }

  std::string Finish() { return std::move(text_); }

 private:
  std::string text_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

const std::vector<EventKey>& EventKeys() {
  static const std::vector<EventKey> kKeys = {
      {"cluster", {}, [](Event& e) -> std::string& { return e.cluster; }, true, 60},
      {"verb", {}, [](Event& e) -> std::string& { return e.verb; }, true, 60},
      {"outcome", {}, [](Event& e) -> std::string& { return e.outcome; }, true, 60},
      {"ns", {"namespace"}, [](Event& e) -> std::string& { return e.target.ns; }, true, 60},
      {"rule", {"check"}, [](Event& e) -> std::string& { return e.rule; }, false, 60},
      {"user", {}, [](Event& e) -> std::string& { return e.user; }, false, 3600},
      {"resource", {}, [](Event& e) -> std::string& { return e.resource; }, false, 3600},
      {"targetkind", {}, [](Event& e) -> std::string& { return e.target.kind; }, false, 3600},
      {"node", {}, [](Event& e) -> std::string& { return e.node; }, false, 3600},
      {"image", {}, [](Event& e) -> std::string& { return e.image; }, false, 3600},
      {"ip", {"sourceip"}, [](Event& e) -> std::string& { return e.source_ip; }, false, 3600},
      {"agent", {"useragent"}, [](Event& e) -> std::string& { return e.user_agent; }, false, 0},
      {"group", {}, [](Event& e) -> std::string& { return e.target.group; }, false, 0},
      {"name", {}, [](Event& e) -> std::string& { return e.target.name; }, false, 0},
      {"pod", {}, [](Event& e) -> std::string& { return e.pod; }, false, 0},
      {"process", {}, [](Event& e) -> std::string& { return e.process; }, false, 0},
      {"message", {}, [](Event& e) -> std::string& { return e.message; }, false, 0},
      {"", {}, [](Event& e) -> std::string& { return e.target.cluster; }, false, 0},
      {"", {}, [](Event& e) -> std::string& { return e.target.version; }, false, 0},
  };
  return kKeys;
}

const std::vector<Field>& EventFields() {
  static const std::vector<Field> kFields = [] {
    std::vector<Field> fields = {{"kind", ColumnType::kText, {}},
                                 {"severity", ColumnType::kSeverity, {}},
                                 {"time", ColumnType::kTime, {}}};
    for (const EventKey& key : EventKeys()) {
      if (!key.name.empty())
        fields.push_back({std::string(key.name), ColumnType::kText, key.aliases});
    }
    return fields;
  }();
  return kFields;
}

std::string EventText(const Event& event) {
  TextBuilder text;
  for (const EventKey& key : EventKeys()) {
    if (key.name != "cluster" && key.name != "message" && !key.name.empty())
      text.Add(key.Of(event));
  }
  for (const auto& [name, value] : event.args) text.Add(value);
  if (!event.body.empty()) {
    Arena arena;
    const Result<Value> body = ParseJson(
        event.body, arena, {.max_depth = 64, .duplicate_keys = true, .borrow_text = true});
    if (body) {
      text.AddJson(*body);
    } else {
      text.Add(event.body);
    }
  }
  return text.Finish();
}

ColumnType EventSubject::Values(std::string_view field, std::vector<FieldValue>& values) const {
  if (field == "severity") {
    values.push_back({{}, static_cast<double>(event_.severity)});
    return ColumnType::kSeverity;
  }
  if (field == "time") {
    values.push_back({{}, static_cast<double>(event_.time_us)});
    return ColumnType::kTime;
  }
  if (field == "kind") {
    values.push_back({event_.kind, std::nullopt});
    return ColumnType::kText;
  }
  for (const EventKey& key : EventKeys()) {
    if (!field.empty() && key.name == field) values.push_back({key.Of(event_), std::nullopt});
  }
  return ColumnType::kText;
}

int64_t HistogramStep(int64_t span_us, int buckets) {
  constexpr int64_t kSteps[] = {1,   2,    5,    10,   15,    30,    60,    120,   300,    600,
                                900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800};
  for (int64_t seconds : kSteps) {
    // One more, for a beginning that is rounded down.
    if (span_us / (seconds * 1'000'000) + 1 <= std::max(buckets, 2)) return seconds * 1'000'000;
  }
  constexpr int64_t kWeek = 604800LL * 1'000'000;
  return (span_us / std::max(buckets - 1, 1) / kWeek + 1) * kWeek;
}

}  // namespace bulwark::store
