#include "detect/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/files.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "formats/source_map.h"
#include "formats/yaml.h"
#include "lang/cel/ext/kubernetes.h"
#include "lang/cel/values.h"

namespace bulwark::embedded {
std::string_view detection_rules();
}  // namespace bulwark::embedded

namespace bulwark::detect {

namespace {

constexpr std::string_view kFieldNames[] = {
    "kind",     "verb",  "outcome",    "severity", "user",   "ip",      "agent",
    "resource", "group", "targetKind", "ns",       "name",   "cluster", "node",
    "pod",      "image", "process",    "rule",     "message"};

constexpr std::string_view kKeys[] = {
    "id",      "severity",   "title",    "description", "remedy", "message",   "source",
    "verbs",   "resources",  "outcomes", "condition",   "group",  "threshold", "firstTime",
    "silence", "exceptions", "mitre",    "enabled",     "cases"};

Error Wrong(const std::string& where, std::string_view what) {
  return Error(Code::kInvalid, "rules.invalid", fmt::format("{}: {}", where, what),
               {{"where", where}, {"what", std::string(what)}});
}

// --- The type bulwark.Event ----------------------------------------------------------------------

class EventTypes final : public cel::TypeProvider {
 public:
  std::optional<cel::Type> FindType(std::string_view name) const override {
    if (name != "bulwark.Event") return std::nullopt;
    return EventType();
  }
  std::optional<Field> FindField(std::string_view type, std::string_view field) const override {
    if (type != "bulwark.Event") return std::nullopt;
    if (FindEventField(field)) return Field{cel::Type::String(), field};
    if (field == "time") return Field{cel::Type::Timestamp(), field};
    if (field == "system") return Field{cel::Type::Bool(), field};
    if (field == "args") return Field{ArgsType(), field};
    if (field == "body" || field == "object" || field == "podSpec") {
      return Field{cel::Type::Dyn(), field};
    }
    return std::nullopt;
  }
  Value Create(Arena& arena, std::string_view,
               std::span<const std::pair<std::string_view, Value>>) const override {
    return cel::MakeError(arena, "events cannot be made in a condition");
  }

  static cel::Type EventType() {
    static const cel::Type type = cel::Type::Struct(cel::Type::Static(), "bulwark.Event");
    return type;
  }
  static cel::Type ArgsType() {
    static const cel::Type type =
        cel::Type::Map(cel::Type::Static(), cel::Type::String(), cel::Type::String());
    return type;
  }
};

// --- Reading
// ---------------------------------------------------------------------------------------

class Reader {
 public:
  Reader(const Value& rule, std::string where, const RuleLimits& limits)
      : rule_(rule), where_(std::move(where)), limits_(limits) {}

  Result<EventRule> Read() {
    EventRule out;
    out.origin = where_;
    BW_TRY(CheckKeys(rule_, kKeys, ""));
    out.id = BW_TRY(String(rule_, "id", true));
    if (out.id.empty() || out.id.size() > 100 ||
        !std::all_of(out.id.begin(), out.id.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || IsAsciiDigit(c) || c == '-' || c == '.';
        })) {
      return Wrong(where_, "id must be lower-case letters, digits, dashes and points");
    }
    where_ += " (" + out.id + ")";
    auto severity = ParseSeverity(BW_TRY(String(rule_, "severity", true)));
    if (!severity) return Wrong(where_, "severity must be critical, high, medium, low or info");
    out.severity = *severity;
    out.title = BW_TRY(ReadText("title", true));
    out.description = BW_TRY(ReadText("description", true));
    out.remedy = BW_TRY(ReadText("remedy", true));
    out.message = BW_TRY(ReadText("message", false));
    if (out.message.empty()) out.message = out.title;
    out.sources = BW_TRY(Strings(rule_["source"], "source"));
    if (out.sources.empty()) return Wrong(where_, "source is missing: kinds of events");
    out.verbs = BW_TRY(Strings(rule_["verbs"], "verbs"));
    out.resources = BW_TRY(Strings(rule_["resources"], "resources"));
    out.outcomes = BW_TRY(Strings(rule_["outcomes"], "outcomes"));
    out.mitre = BW_TRY(Strings(rule_["mitre"], "mitre"));
    out.group = BW_TRY(Fields(rule_["group"], "group"));
    out.condition = BW_TRY(String(rule_, "condition", false));
    if (const Value* enabled = rule_.Find("enabled")) {
      if (!enabled->IsBool()) return Wrong(where_, "enabled must be true or false");
      out.enabled = enabled->AsBool();
    }
    if (const Value* threshold = rule_.Find("threshold")) {
      out.threshold = BW_TRY(ReadThreshold(*threshold));
    }
    if (const Value* first = rule_.Find("firstTime")) {
      BW_TRY(CheckKeys(*first, kFirstTimeKeys, "firstTime: "));
      EventRule::FirstTime first_time;
      first_time.of = BW_TRY(Fields((*first)["of"], "firstTime.of"));
      first_time.per = BW_TRY(Fields((*first)["per"], "firstTime.per"));
      if (first_time.of.empty()) return Wrong(where_, "firstTime.of is missing: fields");
      first_time.learn_us = BW_TRY(Duration(*first, "learn", false));
      out.first_time = std::move(first_time);
    }
    if (const Value* silence = rule_.Find("silence")) {
      BW_TRY(CheckKeys(*silence, kSilenceKeys, "silence: "));
      out.silence_us = BW_TRY(Duration(*silence, "after", true));
      if (out.threshold || out.first_time || !out.condition.empty()) {
        return Wrong(where_, "silence stands alone: no condition, threshold or firstTime");
      }
    }
    for (const Value& exception : BW_TRY(List("exceptions"))) {
      BW_TRY(CheckKeys(exception, kExceptionKeys, "exceptions: "));
      out.exceptions.push_back({
        BW_TRY(String(exception, "name", true))
        , BW_TRY(String(exception, "when", true))
      });
    }
    out.cases = rule_["cases"];
    BW_TRY(Compile(out));
    return out;
  }

 private:
  static constexpr std::string_view kThresholdKeys[] = {"count", "within", "distinct", "share"};
  static constexpr std::string_view kShareKeys[] = {"of", "over"};
  static constexpr std::string_view kFirstTimeKeys[] = {"of", "per", "learn"};
  static constexpr std::string_view kSilenceKeys[] = {"after"};
  static constexpr std::string_view kExceptionKeys[] = {"name", "when"};

  Result<> CheckKeys(const Value& map, std::span<const std::string_view> known,
                     std::string_view prefix) {
    if (!map.IsMap()) return Wrong(where_, fmt::format("{}must be a map", prefix));
    for (const auto& [key, value] : map.entries()) {
      if (std::find(known.begin(), known.end(), key.AsString()) != known.end()) continue;
      std::string_view meant = DidYouMean(key.AsString(), known);
      return Wrong(where_,
                   fmt::format("{}unknown key {}{}", prefix, Quote(key.AsString()),
                               meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
    }
    return Ok{};
  }
  Result<std::string> String(const Value& map, std::string_view key, bool required) {
    const Value* v = map.Find(key);
    if (v == nullptr || v->IsNull()) {
      if (required) return Wrong(where_, fmt::format("{} is missing", key));
      return std::string();
    }
    // `condition: true` is read by YAML as something else than the text that was meant.
    if (v->IsBool()) return std::string(v->AsBool() ? "true" : "false");
    if (!v->IsString()) return Wrong(where_, fmt::format("{} must be a string", key));
    return std::string(v->AsString());
  }
  Result<Text> ReadText(std::string_view key, bool required) {
    const Value* v = rule_.Find(key);
    if (v == nullptr) {
      if (required) return Wrong(where_, fmt::format("{} is missing", key));
      return Text{};
    }
    if (v->IsString()) return Text{std::string(v->AsString()), {}};
    Text text{std::string(v->StringAt("en")), std::string(v->StringAt("zh"))};
    if (text.en.empty()) return Wrong(where_, fmt::format("{} must be a text or {{en, zh}}", key));
    return text;
  }
  Result<std::vector<std::string>> Strings(const Value& v, std::string_view key) {
    std::vector<std::string> out;
    if (v.IsNull()) return out;
    if (v.IsString()) return std::vector{std::string(v.AsString())};
    for (const Value& item : v.items()) {
      if (!item.IsString()) return Wrong(where_, fmt::format("{} must be a list of strings", key));
      out.emplace_back(item.AsString());
    }
    if (!v.IsArray()) return Wrong(where_, fmt::format("{} must be a list of strings", key));
    return out;
  }
  Result<std::vector<EventField>> Fields(const Value& v, std::string_view key) {
    std::vector<EventField> out;
    for (const std::string& name : BW_TRY(Strings(v, key))) {
      out.push_back(BW_TRY(FieldNamed(name, key)));
    }
    return out;
  }
  Result<EventField> FieldNamed(std::string_view name, std::string_view key) {
    if (auto field = FindEventField(name)) return *field;
    std::string_view meant = DidYouMean(name, kFieldNames);
    return Wrong(where_,
                 fmt::format("{}: events have no field {}{}", key, Quote(name),
                             meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
  }
  Result<int64_t> Duration(const Value& map, std::string_view key, bool required) {
    std::string text = BW_TRY(String(map, key, required));
    if (text.empty()) return int64_t{0};
    auto duration = ParseGoDuration(text);
    if (!duration || duration->count() < 0) {
      return Wrong(where_, fmt::format("{} must be a duration such as 5m", key));
    }
    return duration->count() / 1000;
  }
  Result<std::vector<Value>> List(std::string_view key) {
    const Value* v = rule_.Find(key);
    if (v == nullptr || v->IsNull()) return std::vector<Value>();
    if (!v->IsArray()) return Wrong(where_, fmt::format("{} must be a list", key));
    return std::vector<Value>(v->items().begin(), v->items().end());
  }
  Result<EventRule::Threshold> ReadThreshold(const Value& v) {
    BW_TRY(CheckKeys(v, kThresholdKeys, "threshold: "));
    EventRule::Threshold out;
    auto count = v["count"].ToInt();
    if (!count || *count < 1 || *count > limits_.max_count) {
      return Wrong(where_, fmt::format("threshold.count must be 1 to {}", limits_.max_count));
    }
    out.count = static_cast<uint32_t>(*count);
    out.within_us = BW_TRY(Duration(v, "within", true));
    if (out.within_us < 1'000'000 || out.within_us > limits_.max_within_us) {
      return Wrong(where_, "threshold.within must be 1s to 24h");
    }
    if (v.Find("distinct") != nullptr) {
      std::string name = BW_TRY(String(v, "distinct", true));
      out.distinct = BW_TRY(FieldNamed(name, "threshold.distinct"));
    }
    if (const Value* share = v.Find("share")) {
      BW_TRY(CheckKeys(*share, kShareKeys, "threshold.share: "));
      if (out.distinct) return Wrong(where_, "threshold has either distinct or share");
      out.share_of = BW_TRY(String(*share, "of", true));
      const Value& over = (*share)["over"];
      out.share_over = over.IsNumber() ? over.ToDouble() : -1;
      if (!(out.share_over >= 0 && out.share_over < 1)) {
        return Wrong(where_, "threshold.share.over must be a number from 0 to below 1");
      }
    }
    return out;
  }
  Result<std::shared_ptr<const cel::Program>> CompileOne(const std::string& source,
                                                         std::string_view key) {
    auto ast = RuleEnvironment().Parse(source);
    if (ast) ast = RuleEnvironment().Check(std::move(ast).value());
    if (!ast) return Wrong(where_, fmt::format("{}: {}", key, ast.error().message()));
    cel::Type type = (*ast)->type();
    if (type.kind() != cel::TypeKind::kBool && !type.IsDynLike()) {
      return Wrong(where_, fmt::format("{} must be a bool, not {}", key, type.ToString()));
    }
    auto program = RuleEnvironment().Plan(std::move(ast).value());
    if (!program) return Wrong(where_, fmt::format("{}: {}", key, program.error().message()));
    return program;
  }
  Result<> Compile(EventRule& rule) {
    if (!rule.condition.empty()) {
      rule.condition_program = BW_TRY(CompileOne(rule.condition, "condition"));
    }
    if (rule.threshold && !rule.threshold->share_of.empty()) {
      rule.share_program = BW_TRY(CompileOne(rule.threshold->share_of, "threshold.share.of"));
    }
    for (const auto& exception : rule.exceptions) {
      rule.exception_programs.push_back(
          BW_TRY(CompileOne(exception.when, "exception " + exception.name)));
    }
    return Ok{};
  }

  const Value& rule_;
  std::string where_;
  const RuleLimits& limits_;
};

bool Among(const std::vector<std::string>& list, std::string_view value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

std::optional<EventField> FindEventField(std::string_view name) {
  auto at = std::find(std::begin(kFieldNames), std::end(kFieldNames), name);
  if (at == std::end(kFieldNames)) return std::nullopt;
  return static_cast<EventField>(at - std::begin(kFieldNames));
}

std::string_view EventFieldName(EventField field) {
  return kFieldNames[static_cast<size_t>(field)];
}

std::string_view ValueOf(const Event& event, EventField field) {
  switch (field) {
    case EventField::kKind: return event.kind;
    case EventField::kVerb: return event.verb;
    case EventField::kOutcome: return event.outcome;
    case EventField::kSeverity: return SeverityName(event.severity);
    case EventField::kUser: return event.user;
    case EventField::kIp: return event.source_ip;
    case EventField::kAgent: return event.user_agent;
    case EventField::kResource: return event.resource;
    case EventField::kGroup: return event.target.group;
    case EventField::kTargetKind: return event.target.kind;
    case EventField::kNs: return event.target.ns;
    case EventField::kName: return event.target.name;
    case EventField::kCluster: return event.cluster;
    case EventField::kNode: return event.node;
    case EventField::kPod: return event.pod;
    case EventField::kImage: return event.image;
    case EventField::kProcess: return event.process;
    case EventField::kRule: return event.rule;
    case EventField::kMessage: return event.message;
  }
  BW_UNREACHABLE();
}

bool EventRule::SpeaksOf(const Event& event) const {
  return Among(sources, event.kind) && Among(verbs, event.verb) &&
         Among(resources, event.resource) && Among(outcomes, event.outcome);
}

Value EventValue::Body() const {
  if (!body_) {
    body_ = Value();
    if (!event_.body.empty()) {
      arena_ = std::make_unique<Arena>(event_.body.size() * 2 + 1024);
      auto parsed = ParseJson(event_.body, *arena_,
                              {.max_depth = 200, .duplicate_keys = true, .borrow_text = true});
      if (parsed && parsed->IsMap()) body_ = *parsed;
    }
  }
  return *body_;
}

namespace {

// Kubernetes' own components: what they do is their work.
bool IsSystem(std::string_view user) {
  return user == "system:apiserver" || user.starts_with("system:kube-") ||
         user.starts_with("system:node:") || user.starts_with("system:serviceaccount:kube-system:");
}

Value PodSpecOf(const Value& object) {
  if (object.StringAt("kind") == "Pod") return object["spec"];
  Value spec = object["spec"];
  if (Value of = spec["template"]["spec"]; of.IsMap()) return of;
  return spec["jobTemplate"]["spec"]["template"]["spec"];
}

}  // namespace

Value EventValue::Get(Arena& arena, std::string_view field) const {
  if (auto known = FindEventField(field)) return Value::String(ValueOf(event_, *known));
  if (field == "body") return Body();
  if (field == "object") return Body()["requestObject"];
  if (field == "podSpec") return PodSpecOf(Body()["requestObject"]);
  if (field == "system") return Value::Bool(IsSystem(event_.user));
  if (field == "time") {
    int64_t seconds = event_.time_us / 1'000'000, micros = event_.time_us % 1'000'000;
    if (micros < 0) {
      --seconds;
      micros += 1'000'000;
    }
    return Value::Timestamp(seconds, static_cast<int32_t>(micros * 1000));
  }
  if (field == "args") {
    MapBuilder map(arena, event_.args.size());
    for (const auto& [name, value] : event_.args) map.Add(name, Value::String(value));
    return map.Finish();
  }
  return cel::MakeError(arena, fmt::format("no such field: {}", field));
}

std::optional<bool> EventValue::Has(std::string_view field) const {
  if (auto known = FindEventField(field)) return !ValueOf(event_, *known).empty();
  if (field == "time" || field == "system") return true;
  if (field == "args") return !event_.args.empty();
  if (field == "body") return !Body().IsNull();
  if (field == "object") return !Body()["requestObject"].IsNull();
  if (field == "podSpec") return !PodSpecOf(Body()["requestObject"]).IsNull();
  return std::nullopt;
}

const cel::Env& RuleEnvironment() {
  static const std::shared_ptr<const cel::Env> env = [] {
    cel::EnvOptions options;
    options.variables = {{"event", EventTypes::EventType()}};
    options.libraries = cel::ext::AllLibraries();
    options.types = std::make_shared<EventTypes>();
    options.validate_literals = true;
    options.limits.max_cost = RuleLimits{}.max_cost;
    options.limits.max_source_bytes = 20'000;
    auto made = cel::Env::Create(std::move(options));
    BW_CHECK(made.has_value());
    return std::move(made).value();
  }();
  return *env;
}

Result<std::shared_ptr<const EventRule>> ParseRule(const Value& rule, const std::string& origin,
                                                   const RuleLimits& limits) {
  const Value* one = &rule;
  if (const Value* rules = rule.Find("rules")) {
    if (rules->items().size() != 1) return Wrong(origin, "expected one rule");
    one = &rules->items()[0];
  }
  if (!one->IsMap()) return Wrong(origin, "a rule must be a map");
  EventRule out = BW_TRY(Reader(*one, origin, limits).Read());
  out.cases = Value();  // of another's memory
  return std::make_shared<const EventRule>(std::move(out));
}

RuleSet::RuleSet(RuleLimits limits) : limits_(limits), arena_(std::make_shared<Arena>()) {}
RuleSet::RuleSet(RuleSet&&) noexcept = default;
RuleSet& RuleSet::operator=(RuleSet&&) noexcept = default;
RuleSet::~RuleSet() = default;

Result<RuleSet> RuleSet::BuiltIn() {
  RuleSet set;
  BW_TRY(set.AddText(embedded::detection_rules(), "built in"));
  return set;
}

Result<> RuleSet::AddText(std::string_view yaml, const std::string& origin) {
  YamlDocuments documents(arena_->Copy(yaml));
  while (documents.More()) {
    YamlDocument document = BW_TRY(documents.Next());
    SourceMap positions;
    YamlOptions options;
    options.origin = document.origin;
    options.duplicate_keys = false;
    options.max_bytes = size_t{8} << 20;
    options.max_depth = 100;
    auto root = ParseYaml(document.text, *arena_, options, &positions);
    if (!root) return std::move(root).error().While("reading rules from " + origin);
    if (root->IsNull()) continue;
    const Value* rules = root->Find("rules");
    if (rules == nullptr || !rules->IsArray()) {
      return Wrong(origin, "no list of rules at the top of the file");
    }
    for (const Value& rule : rules->items()) {
      auto at = positions.Of(&rule);
      std::string where = at ? fmt::format("{}:{}", origin, at->line) : origin;
      if (!rule.IsMap()) return Wrong(where, "a rule must be a map");
      auto made = std::make_shared<const EventRule>(BW_TRY(Reader(rule, where, limits_).Read()));
      auto place =
          std::lower_bound(rules_.begin(), rules_.end(), made->id,
                           [](const auto& have, const std::string& id) { return have->id < id; });
      if (place != rules_.end() && (*place)->id == made->id) {
        if (std::string_view((*place)->origin).substr(0, origin.size()) == origin) {
          return Wrong(where,
                       fmt::format("{} is there already, at {}", made->id, (*place)->origin));
        }
        *place = std::move(made);
      } else {
        if (rules_.size() >= limits_.max_rules) {
          return Error(Code::kLimit, "rules.limit",
                       fmt::format("{}: more than {} rules", where, limits_.max_rules),
                       {{"where", where}, {"limit", std::to_string(limits_.max_rules)}});
        }
        rules_.insert(place, std::move(made));
      }
    }
  }
  return Ok{};
}

Result<> RuleSet::AddFolder(const std::string& path) {
  for (const std::string& file : BW_TRY(WalkFiles(path))) {
    if (!file.ends_with(".yaml") && !file.ends_with(".yml")) continue;
    std::string text = BW_TRY(ReadFile(file, size_t{8} << 20));
    BW_TRY(AddText(text, file));
  }
  return Ok{};
}

const EventRule* RuleSet::Find(std::string_view id) const {
  auto at = std::lower_bound(rules_.begin(), rules_.end(), id,
                             [](const auto& have, std::string_view i) { return have->id < i; });
  return at != rules_.end() && (*at)->id == id ? at->get() : nullptr;
}

void RuleSet::AddTexts(Catalog& catalog) const {
  for (const auto& rule : rules_) {
    std::string id = rule->MessageId();
    catalog.Add(id, rule->message);
    catalog.Add(id + ".title", rule->title);
    catalog.Add(id + ".description", rule->description);
    catalog.Add(id + ".remedy", rule->remedy);
  }
}

}  // namespace bulwark::detect
