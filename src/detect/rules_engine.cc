#include "detect/rules_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"

namespace bulwark::detect {

namespace {

constexpr size_t kMaxIds = 20;
constexpr int kBuckets = 12;

// What a threshold has seen of one group.
struct Window {
  std::string group;
  struct Seen {
    int64_t time_us;
    uint64_t value;  // hash of the distinct field
  };
  std::deque<Seen> seen;  // the latest; at most Threshold::count
  struct Bucket {
    int64_t number = INT64_MIN;  // time / its width
    uint64_t all = 0, hits = 0;
  };
  std::vector<Bucket> buckets;  // of a share
  std::deque<std::string> ids;
  bool firing = false;
};

struct Windows {
  std::list<Window> list;  // the latest touched first
  std::unordered_map<std::string_view, std::list<Window>::iterator> by_group;
};

struct Rule {
  std::shared_ptr<const EventRule> rule;
  RuleSettings settings;
  RuleEngine::Counts counts;
  Windows windows;
};

// When a cluster's events of a silence rule were last heard.
struct Heard {
  int64_t last_us = 0;
  bool reported = false;
};

std::string JoinValues(const std::vector<EventField>& fields, const Event& event) {
  std::string out;
  for (EventField field : fields) {
    if (!out.empty()) out += " / ";
    std::string_view value = ValueOf(event, field);
    out += value.empty() ? "-" : value;
  }
  return out;
}

MessageArgs ArgsOf(const Event& event) {
  MessageArgs args = event.args;
  auto add = [&](std::string_view name, std::string_view value) {
    for (const auto& [have, unused] : args) {
      if (have == name) return;
    }
    args.emplace_back(name, value);
  };
  for (EventField field :
       {EventField::kUser, EventField::kVerb, EventField::kResource, EventField::kIp,
        EventField::kAgent, EventField::kNs, EventField::kName, EventField::kNode, EventField::kPod,
        EventField::kImage, EventField::kOutcome, EventField::kTargetKind}) {
    add(EventFieldName(field), ValueOf(event, field));
  }
  return args;
}

}  // namespace

std::string GroupOf(const EventRule& rule, const Event& event) {
  return JoinValues(rule.group, event);
}

bool Suppression::Covers(const EventRule& of, const Event& event, int64_t now_us) const {
  if (rule != "*" && rule != of.id) return false;
  if (expires_us != 0 && now_us >= expires_us) return false;
  return std::all_of(match.begin(), match.end(), [&](const auto& m) {
    return GlobMatch(m.second, ValueOf(event, m.first), '\0');
  });
}

struct RuleEngine::State {
  std::shared_ptr<const RuleSet> set;
  EngineLimits limits;
  std::vector<std::unique_ptr<Rule>> rules;
  std::unordered_map<std::string, std::vector<Rule*>> picked;  // by combination
  std::vector<Suppression> suppressions;
  std::map<std::string, uint64_t> suppressed;
  std::unordered_set<std::string> known;
  std::unordered_map<std::string, int64_t> learning;  // rule and `per` → time of the first event
  std::vector<Known> fresh;
  std::map<std::pair<std::string, std::string>, Heard> heard;  // rule, cluster
  cel::Evaluator evaluator;
  std::string key;  // reused

  const Rule* Find(const EventRule& rule) const {
    for (const auto& r : rules) {
      if (r->rule->id == rule.id) return r.get();
    }
    return nullptr;
  }
  static bool Enabled(const Rule& r) { return r.settings.enabled.value_or(r.rule->enabled); }
  static Severity SeverityOf(const Rule& r) {
    return r.settings.severity.value_or(r.rule->severity);
  }

  const std::vector<Rule*>& Pick(const Event& event, std::vector<Rule*>& own) {
    key.assign(event.kind).append("\n").append(event.verb).append("\n");
    key.append(event.resource).append("\n").append(event.outcome);
    if (auto at = picked.find(key); at != picked.end()) return at->second;
    for (const auto& r : rules) {
      if (Enabled(*r) && r->rule->SpeaksOf(event)) own.push_back(r.get());
    }
    // Strangers can make up resources: past the limit they are looked up anew.
    if (picked.size() >= limits.max_combinations) return own;
    return picked.emplace(key, own).first->second;
  }

  bool Holds(Rule& r, const cel::Program* program, const Value& event) {
    if (program == nullptr) return true;
    ++r.counts.evaluated;
    cel::Outcome outcome = evaluator.Run(*program, std::span(&event, 1));
    if (outcome.ok()) return outcome.value.IsTrue();
    ++r.counts.errors;
    if (r.counts.errors % 1000 == 1) r.counts.last_error = cel::ErrorMessage(outcome.value);
    return false;
  }

  bool Suppressed(Rule& r, const Event& event, const Value& bound) {
    for (const auto& program : r.rule->exception_programs) {
      if (Holds(r, program.get(), bound)) {
        ++r.counts.suppressed;
        return true;
      }
    }
    for (const Suppression& s : suppressions) {
      if (!s.Covers(*r.rule, event, event.time_us)) continue;
      ++suppressed[s.id];
      ++r.counts.suppressed;
      return true;
    }
    return false;
  }

  Window& Touch(Rule& r, std::string group) {
    Windows& windows = r.windows;
    if (auto at = windows.by_group.find(group); at != windows.by_group.end()) {
      windows.list.splice(windows.list.begin(), windows.list, at->second);
      return windows.list.front();
    }
    if (windows.list.size() >= limits.max_windows) {
      windows.by_group.erase(windows.list.back().group);
      windows.list.pop_back();
    }
    windows.list.push_front({.group = std::move(group)});
    windows.by_group.emplace(windows.list.front().group, windows.list.begin());
    return windows.list.front();
  }

  // Whether the threshold holds with this event, and how many events that is.
  std::optional<uint64_t> Count(Rule& r, Window& window, const Event& event, const Value& bound) {
    const EventRule::Threshold& t = *r.rule->threshold;
    int64_t begin = event.time_us - t.within_us;
    if (r.rule->share_program != nullptr) {
      bool hit = Holds(r, r.rule->share_program.get(), bound);
      if (hit) Remember(window, event);
      window.buckets.resize(kBuckets);
      int64_t width = std::max<int64_t>(t.within_us / kBuckets, 1);
      int64_t number = event.time_us / width;
      auto& bucket =
          window.buckets[static_cast<size_t>(((number % kBuckets) + kBuckets) % kBuckets)];
      if (bucket.number < number) bucket = {number, 0, 0};
      if (bucket.number != number) return std::nullopt;  // older than the window
      ++bucket.all;
      if (hit) ++bucket.hits;
      uint64_t all = 0, hits = 0;
      for (const auto& b : window.buckets) {
        if (b.number <= number - kBuckets || b.number > number) continue;
        all += b.all;
        hits += b.hits;
      }
      bool over =
          all >= t.count && static_cast<double>(hits) > t.share_over * static_cast<double>(all);
      if (!over) window.firing = false;
      if (!over || !hit) return std::nullopt;
      return hits;
    }
    Remember(window, event);
    uint64_t value = t.distinct ? XxHash3(ValueOf(event, *t.distinct)) : 0;
    if (t.distinct) {
      auto same = std::find_if(window.seen.begin(), window.seen.end(),
                               [&](const auto& s) { return s.value == value; });
      if (same != window.seen.end()) window.seen.erase(same);
    }
    window.seen.push_back({event.time_us, value});
    while (window.seen.size() > t.count || window.seen.front().time_us < begin) {
      window.seen.pop_front();
    }
    if (window.seen.size() < t.count) {
      window.firing = false;
      return std::nullopt;
    }
    return window.seen.size();
  }

  static void Remember(Window& window, const Event& event) {
    window.ids.push_back(event.id);
    if (window.ids.size() > kMaxIds) window.ids.pop_front();
  }

  // Whether these values are new, and to be told.
  bool FirstTime(Rule& r, const Event& event) {
    const EventRule::FirstTime& f = *r.rule->first_time;
    std::string per = JoinValues(f.per, event);
    std::string values = JoinValues(f.of, event);
    std::string id = r.rule->id + "/" + Sha256Hex(per + "\n" + values).substr(0, 32);
    std::string started = r.rule->id + "/" + Sha256Hex(per).substr(0, 32) + "*";
    auto [start, first] = learning.try_emplace(started, event.time_us);
    if (first) fresh.push_back({started, r.rule->id, per, event.time_us});
    if (known.contains(id)) return false;
    if (known.size() < limits.max_known) {
      known.insert(id);
      fresh.push_back({id, r.rule->id, values, event.time_us});
    }
    int64_t learn = r.settings.learn_us.value_or(f.learn_us);
    return event.time_us - start->second >= learn;
  }

  void Ask(Rule& r, const Event& event, const Value& bound, std::vector<Match>& out) {
    const EventRule& rule = *r.rule;
    if (rule.silence_us > 0) {
      Heard& h = heard[{rule.id, event.cluster}];
      h.last_us = std::max(h.last_us, event.time_us);
      h.reported = false;
      return;
    }
    if (!Holds(r, rule.condition_program.get(), bound)) return;
    if (Suppressed(r, event, bound)) return;
    ++r.counts.matched;
    if (rule.first_time && !FirstTime(r, event)) return;
    Match match{.rule = &rule,
                .severity = SeverityOf(r),
                .event = &event,
                .cluster = event.cluster,
                .group = GroupOf(rule, event),
                .events = {event.id},
                .first_us = event.time_us,
                .last_us = event.time_us};
    if (rule.threshold) {
      Window& window = Touch(r, match.group);
      auto count = Count(r, window, event, bound);
      if (!count) return;
      if (!window.firing) {
        window.firing = true;
        match.count = *count;
        match.events.assign(window.ids.begin(), window.ids.end());
        if (!window.seen.empty()) match.first_us = window.seen.front().time_us;
      }
    }
    match.args = ArgsOf(event);
    match.args.emplace_back("count", std::to_string(match.count));
    out.push_back(std::move(match));
  }
};

RuleEngine::RuleEngine(std::shared_ptr<const RuleSet> rules, EngineLimits limits)
    : state_(std::make_unique<State>()) {
  state_->set = std::move(rules);
  state_->limits = limits;
  for (const auto& rule : state_->set->rules()) Add(rule);
}
RuleEngine::~RuleEngine() = default;
RuleEngine::RuleEngine(RuleEngine&&) noexcept = default;

void RuleEngine::Add(std::shared_ptr<const EventRule> rule) {
  auto made = std::make_unique<Rule>();
  made->rule = std::move(rule);
  state_->rules.push_back(std::move(made));
  state_->picked.clear();
}

void RuleEngine::SetSettings(const std::string& rule, RuleSettings settings) {
  for (const auto& r : state_->rules) {
    if (r->rule->id == rule) r->settings = settings;
  }
  state_->picked.clear();
}

bool RuleEngine::Enabled(const EventRule& rule) const {
  const Rule* r = state_->Find(rule);
  return r != nullptr && State::Enabled(*r);
}

Severity RuleEngine::SeverityOf(const EventRule& rule) const {
  const Rule* r = state_->Find(rule);
  return r == nullptr ? rule.severity : State::SeverityOf(*r);
}

void RuleEngine::SetSuppressions(std::vector<Suppression> suppressions) {
  state_->suppressions = std::move(suppressions);
}

void RuleEngine::Evaluate(const Event& event, std::vector<Match>& out) {
  std::vector<Rule*> own;
  const std::vector<Rule*>& picked = state_->Pick(event, own);
  if (picked.empty()) return;
  EventValue value(event);
  Value bound = Value::FromOpaque(&value);
  for (Rule* r : picked) state_->Ask(*r, event, bound, out);
}

void RuleEngine::Tick(int64_t now_us, int64_t not_before_us,
                      const std::function<bool(std::string_view cluster)>& ready,
                      std::vector<Match>& out) {
  for (auto& [key, heard] : state_->heard) {
    const auto& [rule_id, cluster] = key;
    if (heard.reported) continue;
    for (const auto& r : state_->rules) {
      if (r->rule->id != rule_id || !State::Enabled(*r)) continue;
      if (now_us - std::max(heard.last_us, not_before_us) < r->rule->silence_us) break;
      if (!ready(cluster)) break;
      heard.reported = true;
      ++r->counts.matched;
      Match match{.rule = r->rule.get(),
                  .severity = State::SeverityOf(*r),
                  .cluster = cluster,
                  .first_us = now_us,
                  .last_us = now_us};
      match.group = cluster;
      match.args.emplace_back("cluster", cluster);
      match.args.emplace_back("minutes", std::to_string(r->rule->silence_us / 60'000'000));
      out.push_back(std::move(match));
    }
  }
}

std::string RuleEngine::Snapshot(size_t max_windows) const {
  std::string out = "{\"version\":1,\"heard\":[";
  bool first = true;
  auto separate = [&] {
    if (!first) out += ',';
    first = false;
  };
  for (const auto& [key, heard] : state_->heard) {
    separate();
    out += "{\"rule\":";
    AppendJsonString(out, key.first);
    out += ",\"cluster\":";
    AppendJsonString(out, key.second);
    fmt::format_to(std::back_inserter(out), ",\"last\":{},\"reported\":{}}}", heard.last_us,
                   heard.reported);
  }
  out += "],\"windows\":[";
  first = true;
  for (const auto& r : state_->rules) {
    size_t n = 0;
    for (const Window& window : r->windows.list) {
      if (++n > max_windows) break;
      separate();
      out += "{\"rule\":";
      AppendJsonString(out, r->rule->id);
      out += ",\"group\":";
      AppendJsonString(out, window.group);
      fmt::format_to(std::back_inserter(out), ",\"firing\":{},\"seen\":[", window.firing);
      for (size_t i = 0; i < window.seen.size(); ++i) {
        fmt::format_to(std::back_inserter(out), "{}[{},{}]", i == 0 ? "" : ",",
                       window.seen[i].time_us, window.seen[i].value);
      }
      out += "],\"buckets\":[";
      bool first_bucket = true;
      for (const auto& b : window.buckets) {
        if (b.all == 0) continue;
        fmt::format_to(std::back_inserter(out), "{}[{},{},{}]", first_bucket ? "" : ",", b.number,
                       b.all, b.hits);
        first_bucket = false;
      }
      out += "],\"ids\":[";
      for (size_t i = 0; i < window.ids.size(); ++i) {
        if (i != 0) out += ',';
        AppendJsonString(out, window.ids[i]);
      }
      out += "]}";
    }
  }
  out += "]}";
  return out;
}

void RuleEngine::Restore(std::string_view json) {
  Arena arena;
  auto root = ParseJson(json, arena, {.max_depth = 10, .borrow_text = true});
  if (!root) return;
  auto number = [](const Value& v) { return v.ToInt().value_or(0); };
  for (const Value& h : (*root)["heard"].items()) {
    state_->heard[{std::string(h.StringAt("rule")), std::string(h.StringAt("cluster"))}] = {
        number(h["last"]), h["reported"].IsTrue()};
  }
  auto windows = (*root)["windows"].items();
  // The latest touched came first, and is to be the last touched now.
  for (auto w = windows.rbegin(); w != windows.rend(); ++w) {
    for (const auto& r : state_->rules) {
      if (r->rule->id != w->StringAt("rule") || !r->rule->threshold) continue;
      Window& window = state_->Touch(*r, std::string(w->StringAt("group")));
      window.firing = (*w)["firing"].IsTrue();
      for (const Value& seen : (*w)["seen"].items()) {
        if (window.seen.size() >= r->rule->threshold->count) break;
        Value value = seen[size_t{1}];
        window.seen.push_back(
            {number(seen[size_t{0}]),
             value.IsUint() ? value.AsUint() : static_cast<uint64_t>(number(value))});
      }
      for (const Value& b : (*w)["buckets"].items()) {
        window.buckets.resize(kBuckets);
        int64_t n = number(b[size_t{0}]);
        window.buckets[static_cast<size_t>(((n % kBuckets) + kBuckets) % kBuckets)] = {
            n, static_cast<uint64_t>(number(b[size_t{1}])),
            static_cast<uint64_t>(number(b[size_t{2}]))};
      }
      for (const Value& id : (*w)["ids"].items()) {
        if (id.IsString() && window.ids.size() < kMaxIds) window.ids.emplace_back(id.AsString());
      }
    }
  }
}

std::vector<RuleEngine::Known> RuleEngine::TakeKnown() { return std::exchange(state_->fresh, {}); }

void RuleEngine::AddKnown(const Known& known) {
  if (known.key.ends_with('*')) {
    auto [at, added] = state_->learning.try_emplace(known.key, known.first_us);
    if (!added) at->second = std::min(at->second, known.first_us);
  } else if (state_->known.size() < state_->limits.max_known) {
    state_->known.insert(known.key);
  }
}

const RuleEngine::Counts& RuleEngine::CountsOf(const EventRule& rule) const {
  static const Counts kNone;
  const Rule* r = state_->Find(rule);
  return r == nullptr ? kNone : r->counts;
}

std::vector<std::pair<std::string, uint64_t>> RuleEngine::TakeSuppressed() {
  std::vector<std::pair<std::string, uint64_t>> out(state_->suppressed.begin(),
                                                    state_->suppressed.end());
  state_->suppressed.clear();
  return out;
}

}  // namespace bulwark::detect
