#pragma once

// Detection rules over events: data (rules/detection/*.yaml), their conditions in CEL. A rule says
// which events it speaks of, when one of them matters, and what becomes one alert.
//
//   rules:
//     - id: exec-into-pod                    # lower case, digits, dashes
//       severity: medium
//       title: {en: …, zh: …}                # also description, remedy
//       message: {en: '{user} ran a command in {what}', zh: …}   # arguments: the event's own and
//                                            # its fields (below); absent: the title
//       source: [audit]                      # Event::kind
//       verbs: [exec]                        # these four only pick events, quickly; absent: any
//       resources: [pods/exec]
//       outcomes: [allowed]
//       condition: "!event.user.startsWith('system:')"   # absent: true
//       group: [cluster, user, ns, name]     # fields; equal in all: one alert, with a count
//       threshold: {count: 10, within: 5m, distinct: name}
//       firstTime: {of: [user, ns], per: [cluster], learn: 24h}
//       silence: {after: 15m}
//       exceptions: [{name: backup, when: "event.user == 'system:serviceaccount:ops:velero'"}]
//       mitre: [T1609]
//       enabled: true
//       cases: […]                           # features/audit/rule_cases.h
//
// threshold: so many events of a group within that time (with `distinct`: so many different values
//   of that field), and, with `share: {of: <CEL>, over: 0.5}`, more than that part of them such
//   that <CEL> holds.
// firstTime: only where these values were never seen together before; what comes within `learn`
//   after the first event of the rule (for each `per`) is learnt without an alert.
// silence: no events of these sources from a cluster that sent some before, for so long.
//
// In CEL, `event` has the fields kind verb outcome severity user ip agent resource group targetKind
// ns name cluster node pod image process rule message (strings), time (timestamp), args
// (map(string, string)), system (bool: the user is a part of Kubernetes' own control plane), body
// (dyn: the source's JSON), object (body.requestObject), podSpec (of a pod or workload in `object`;
// null where there is none). A misspelt field is an error when the rule is read; a failing
// condition (a missing key) is no match, and counted.
//
// Immutable once made; safe from any thread.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/cel/env.h"
#include "model/catalog.h"
#include "model/event.h"

namespace bulwark::detect {

// The fields of events that rules group by and suppressions match.
enum class EventField : uint8_t {
  kKind,
  kVerb,
  kOutcome,
  kSeverity,
  kUser,
  kIp,
  kAgent,
  kResource,
  kGroup,
  kTargetKind,
  kNs,
  kName,
  kCluster,
  kNode,
  kPod,
  kImage,
  kProcess,
  kRule,
  kMessage,
};
std::optional<EventField> FindEventField(std::string_view name);
std::string_view EventFieldName(EventField field);
std::string_view ValueOf(const Event& event, EventField field);

struct EventRule {
  std::string id;
  Severity severity = Severity::kMedium;
  Text title, description, remedy, message;
  std::vector<std::string> sources, verbs, resources, outcomes;
  std::string condition;
  std::vector<EventField> group;

  struct Threshold {
    uint32_t count = 1;
    int64_t within_us = 0;
    std::optional<EventField> distinct;
    std::string share_of;
    double share_over = 0;
  };
  std::optional<Threshold> threshold;

  struct FirstTime {
    std::vector<EventField> of, per;
    int64_t learn_us = 0;
  };
  std::optional<FirstTime> first_time;

  int64_t silence_us = 0;  // 0: no rule of that kind

  struct Exception {
    std::string name, when;
  };
  std::vector<Exception> exceptions;
  std::vector<std::string> mitre;
  bool enabled = true;
  Value cases;         // array, or null
  std::string origin;  // "file:line"

  // Compiled; null where there is no such text.
  std::shared_ptr<const cel::Program> condition_program, share_program;
  std::vector<std::shared_ptr<const cel::Program>> exception_programs;

  bool SpeaksOf(const Event& event) const;
  // The ids in the catalogue: "rule.<id>" the message, and .title, .description, .remedy.
  std::string MessageId() const { return "rule." + id; }
};

struct RuleLimits {
  size_t max_rules = 2'000;
  uint32_t max_count = 1'000;              // of a threshold
  int64_t max_within_us = 86'400'000'000;  // a day
  uint64_t max_cost = 1'000'000;           // of one condition, as Kubernetes counts
};

class RuleSet {
 public:
  // What is built into the program.
  static Result<RuleSet> BuiltIn();
  explicit RuleSet(RuleLimits limits = {});
  RuleSet(RuleSet&&) noexcept;
  RuleSet& operator=(RuleSet&&) noexcept;
  ~RuleSet();

  // Adds the rules of a file, or of every .yaml and .yml below a folder; a rule whose id is there
  // already replaces it. Fails with file:line for the first thing wrong: rules.invalid (kInvalid),
  // rules.limit (kLimit), or YAML's. Conditions are compiled here.
  Result<> AddText(std::string_view yaml, const std::string& origin);
  Result<> AddFolder(const std::string& path);

  const std::vector<std::shared_ptr<const EventRule>>& rules() const { return rules_; }  // by id
  const EventRule* Find(std::string_view id) const;
  void AddTexts(Catalog& catalog) const;

 private:
  RuleLimits limits_;
  std::shared_ptr<Arena> arena_;  // of the cases
  std::vector<std::shared_ptr<const EventRule>> rules_;
};

// One rule as text that its author is about to try: {"rules": […]} or the rule itself.
Result<std::shared_ptr<const EventRule>> ParseRule(const Value& rule, const std::string& origin,
                                                   const RuleLimits& limits = {});

// The environment of conditions; its one variable is `event`.
const cel::Env& RuleEnvironment();

// An event as CEL sees it. The body is parsed when it is first asked for; a body that is no JSON
// object reads as null.
class EventValue final : public cel::ObjectValue {
 public:
  explicit EventValue(const Event& event) : event_(event) {}
  std::string_view TypeName() const override { return "bulwark.Event"; }
  Value Get(Arena& arena, std::string_view field) const override;
  std::optional<bool> Has(std::string_view field) const override;

 private:
  Value Body() const;
  const Event& event_;
  mutable std::unique_ptr<Arena> arena_;  // of the body
  mutable std::optional<Value> body_;
};

}  // namespace bulwark::detect
