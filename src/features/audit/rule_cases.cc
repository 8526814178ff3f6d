#include "features/audit/rule_cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "detect/rules_engine.h"
#include "features/audit/audit_event.h"
#include "features/audit/kube_event.h"
#include "formats/json.h"

namespace bulwark::audit {

namespace {

constexpr int64_t kStart = 1'700'000'000;  // seconds

std::string Text(const Value& v, std::string_view key, int64_t i, std::string_view other = {}) {
  return ReplaceAll(v.StringAt(key, other), "{i}", std::to_string(i));
}

Result<int64_t> SecondsOf(const Value& v, std::string_view key) {
  std::string_view text = v.StringAt(key);
  if (v.Find(key) == nullptr) return int64_t{0};
  Nanos duration = BW_TRY(ParseGoDuration(text));
  return duration.count() / 1'000'000'000;
}

class Runner {
 public:
  explicit Runner(const std::shared_ptr<const detect::EventRule>& rule)
      : rule_(rule), reader_({}) {}

  // "" if it is as it should be.
  std::string Run(const Value& c) {
    const Value* fires = c.Find("fires");
    if (fires == nullptr) return "fires is missing";
    AuditBatch batch;
    for (std::string_view kind : {"audit", "kube"}) {
      Value given = c[kind];
      std::vector<Value> all(given.items().begin(), given.items().end());
      if (given.IsMap()) all.push_back(given);
      for (const Value& one : all) {
        if (auto made = kind == "audit" ? Audit(one, batch) : Kube(one, batch); !made) {
          return made.error().ToString();
        }
      }
    }
    if (batch.invalid != 0) return batch.error;
    std::stable_sort(batch.events.begin(), batch.events.end(),
                     [](const Event& a, const Event& b) { return a.time_us < b.time_us; });
    detect::RuleEngine engine(std::make_shared<const detect::RuleSet>());
    engine.Add(rule_);
    std::vector<detect::Match> matches;
    for (const Event& event : batch.events) engine.Evaluate(event, matches);
    if (c.Find("tick") != nullptr) {
      auto tick = SecondsOf(c, "tick");
      if (!tick) return tick.error().ToString();
      engine.Tick((kStart + *tick) * 1'000'000, 0, [](std::string_view) { return true; }, matches);
    }
    if (const auto& counts = engine.CountsOf(*rule_); counts.errors != 0) {
      return "the condition failed: " + counts.last_error;
    }
    std::multiset<std::string> got;
    for (const detect::Match& match : matches) got.insert(match.group);
    if (fires->IsArray()) {
      std::multiset<std::string> want;
      for (const Value& group : fires->items()) want.emplace(group.AsString());
      if (got == want) return "";
      return fmt::format("expected [{}], got [{}]", fmt::join(want, "; "), fmt::join(got, "; "));
    }
    if (fires->ToInt() == static_cast<int64_t>(got.size())) return "";
    return fmt::format("expected {} matches, got {} [{}]", ToJson(*fires), got.size(),
                       fmt::join(got, "; "));
  }

 private:
  template <typename Make>
  static Result<> Repeat(const Value& v, const Make& make) {
    int64_t at = BW_TRY(SecondsOf(v, "at"))
    , every = BW_TRY(SecondsOf(v, "every"));
    int64_t times = v["times"].ToInt().value_or(1);
    for (int64_t i = 0; i < times; ++i) make(i, FormatRfc3339({kStart + at + i * every, 0}));
    return Ok{};
  }

  Result<> Audit(const Value& v, AuditBatch& batch) {
    return Repeat(v, [&](int64_t i, const std::string& time) {
      Arena arena;
      auto text = [&](std::string_view key, std::string_view other = {}) {
        return Value::String(arena, Text(v, key, i, other));
      };
      auto id = fmt::format("case-{}", ++ids_);
      MapBuilder ref(arena), user(arena), event(arena), status(arena);
      user.Add("username", text("user"));
      if (const Value* groups = v.Find("groups")) user.Add("groups", *groups);
      event.Add("auditID", text("id", id));
      event.Add("stage", text("stage", "ResponseComplete"));
      event.Add("verb", text("verb"));
      event.Add("user", user.Finish());
      if (v.Find("as") != nullptr) {
        event.Add("impersonatedUser", MapBuilder(arena).Add("username", text("as")).Finish());
      }
      Value ip[] = {Value::String("198.51.100.1"), text("ip", "192.0.2.1")};
      event.Add("sourceIPs", Value::Array(arena, ip));
      event.Add("userAgent", text("agent", "kubectl/v1.34"));
      event.Add("requestURI", text("uri", "/"));
      if (v.Find("resource") != nullptr) {
        ref.Add("resource", text("resource"));
        if (v.Find("sub") != nullptr) ref.Add("subresource", text("sub"));
        if (v.Find("group") != nullptr) ref.Add("apiGroup", text("group"));
        if (v.Find("ns") != nullptr) ref.Add("namespace", text("ns"));
        if (v.Find("name") != nullptr) ref.Add("name", text("name"));
        event.Add("objectRef", ref.Finish());
      }
      status.Add("code", v.Find("code") != nullptr ? v["code"] : Value::Int(200));
      event.Add("responseStatus", status.Finish());
      if (const Value* object = v.Find("object")) event.Add("requestObject", *object);
      if (const Value* object = v.Find("response")) event.Add("responseObject", *object);
      event.Add("requestReceivedTimestamp", Value::String(time));
      reader_.ReadLine(ToJson(event.Finish()), batch);
    });
  }

  Result<> Kube(const Value& v, AuditBatch& batch) {
    return Repeat(v, [&](int64_t i, const std::string& time) {
      Arena arena;
      auto text = [&](std::string_view key, std::string_view other = {}) {
        return Value::String(arena, Text(v, key, i, other));
      };
      MapBuilder meta(arena), about(arena), event(arena), source(arena);
      meta.Add("uid", Value::String(arena, fmt::format("uid-{}", ++ids_)));
      about.Add("kind", text("kind"));
      about.Add("apiVersion", Value::String("v1"));
      if (v.Find("ns") != nullptr) about.Add("namespace", text("ns"));
      about.Add("name", text("name"));
      source.Add("component", text("component", "kubelet"));
      source.Add("host", text("host"));
      event.Add("metadata", meta.Finish());
      event.Add("involvedObject", about.Finish());
      event.Add("reason", text("reason"));
      event.Add("type", text("type", "Normal"));
      event.Add("message", text("note"));
      event.Add("source", source.Finish());
      event.Add("lastTimestamp", Value::String(time));
      auto made = FromKubernetesEvent(event.Finish(), "");
      if (made) {
        batch.events.push_back(*std::move(made));
      } else {
        ++batch.invalid;
        batch.error = "no Kubernetes Event";
      }
    });
  }

  std::shared_ptr<const detect::EventRule> rule_;
  AuditReader reader_;
  uint64_t ids_ = 0;
};

}  // namespace

CaseResults RunCases(const detect::RuleSet& rules) {
  CaseResults results;
  for (const auto& rule : rules.rules()) {
    bool fires = false, near = false;
    for (const Value& c : rule->cases.items()) {
      std::string problem = Runner(rule).Run(c);
      Value want = c["fires"];
      bool none = want.ToInt() == 0 || (want.IsArray() && want.empty());
      (none ? near : fires) = true;
      if (problem.empty()) {
        ++results.passed;
      } else {
        results.failures.push_back(
            fmt::format("{}: {}: {}", rule->id, c.StringAt("name", "(no name)"), problem));
      }
    }
    auto missing = [&](bool there, std::string_view what) {
      if (!there) results.failures.push_back(fmt::format("{}: no {}", rule->id, what));
    };
    missing(fires, "case that fires");
    missing(near, "case that does not fire");
    for (const auto& [text, name] :
         {std::pair{rule->title, "title"}, std::pair{rule->description, "description"},
          std::pair{rule->remedy, "remedy"}, std::pair{rule->message, "message"}}) {
      missing(!text.en.empty() && !text.zh.empty(), fmt::format("{} in both languages", name));
    }
  }
  return results;
}

}  // namespace bulwark::audit
