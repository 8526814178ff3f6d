#include "features/posture/check_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "features/posture/functions.h"
#include "features/posture/variants.h"
#include "formats/json.h"
#include "formats/source_map.h"
#include "formats/yaml.h"
#include "kube/object.h"
#include "lang/cel/ext/kubernetes.h"

namespace bulwark::embedded {
std::string_view posture_rules();
std::string_view posture_cases();
}  // namespace bulwark::embedded

namespace bulwark::posture {

namespace {

constexpr std::string_view kKeys[] = {"id",       "severity", "category", "title",  "description",
                                      "why",      "remedy",   "message",  "scope",  "kinds",
                                      "each",     "when",     "fail",     "at",     "fix",
                                      "fixExpr",  "mitre",    "controls", "params", "needs",
                                      "complete", "since",    "until",    "cases",  "variants"};

Error Wrong(const std::string& where, std::string_view what) {
  return Error(Code::kInvalid, "check.invalid", fmt::format("{}: {}", where, what));
}

// `rules[*].verbs` → rules, every, verbs, every.
std::optional<std::vector<EachStep>> ParseEach(std::string_view text) {
  std::vector<EachStep> steps;
  std::string plain;
  for (std::string_view part : Split(text, "[*]")) {
    if (!plain.empty() || !steps.empty()) steps.push_back({});
    if (part.starts_with('.') && !steps.empty()) part.remove_prefix(1);
    if (part.empty()) continue;
    auto path = ParsePath(part);
    if (!path) return std::nullopt;
    for (const PathStep& step : *path) {
      if (step.IsIndex()) return std::nullopt;
      steps.push_back({step.key});
    }
    plain = part;
  }
  if (!steps.empty() && !steps.back().field.empty()) steps.push_back({});
  return steps;
}

class Reader {
 public:
  Reader(const Value& check, std::string where, Arena& arena)
      : check_(check), where_(std::move(where)), arena_(arena) {}

  Result<Check> Read() {
    Check out;
    out.origin_line = where_;
    for (const auto& [key, value] : check_.entries()) {
      if (!key.IsString() ||
          std::find(std::begin(kKeys), std::end(kKeys), key.AsString()) == std::end(kKeys)) {
        std::string name = key.IsString() ? std::string(key.AsString()) : ToJson(key);
        std::string_view meant = DidYouMean(name, kKeys);
        return Wrong(
            where_, fmt::format("unknown key \"{}\"{}", name,
                                meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
      }
    }
    CheckInfo& info = out.info;
    info.id = BW_TRY(Required("id"));
    info.origin = where_;
    where_ += " (" + info.id + ")";
    auto severity = ParseSeverity(BW_TRY(Required("severity")));
    if (!severity) return Wrong(where_, "severity must be critical, high, medium, low or info");
    info.severity = *severity;
    info.category = BW_TRY(Required("category"));
    if (std::none_of(std::begin(kCategories), std::end(kCategories),
                     [&](const Category& c) { return c.id == info.category; })) {
      return Wrong(where_, fmt::format("no such category: {}", info.category));
    }
    info.title = BW_TRY(ReadText("title", true));
    info.description = BW_TRY(ReadText("description", true));
    info.why = BW_TRY(ReadText("why", false));
    info.remedy = BW_TRY(ReadText("remedy", true));
    info.message = BW_TRY(ReadText("message", false));
    if (info.message.empty()) info.message = info.title;
    info.mitre = BW_TRY(Strings(check_["mitre"], "mitre"));
    for (const auto& [framework, ids] : check_["controls"].entries()) {
      if (!framework.IsString()) return Wrong(where_, "controls: names of frameworks are strings");
      info.controls[std::string(framework.AsString())] = BW_TRY(Strings(ids, "controls"));
    }
    if (!info.mitre.empty()) info.controls["mitre"] = info.mitre;

    std::string scope = BW_TRY(Required("scope"));
    if (scope == "container") {
      out.scope = Scope::kContainer;
    } else if (scope == "pod") {
      out.scope = Scope::kPod;
    } else if (scope == "object") {
      out.scope = Scope::kObject;
    } else {
      return Wrong(where_, fmt::format("scope must be container, pod or object, not {}", scope));
    }
    out.kinds = BW_TRY(Strings(check_["kinds"], "kinds"));
    if (out.scope == Scope::kObject && out.kinds.empty()) {
      return Wrong(where_, "scope: object needs kinds (\"*\" for every kind)");
    }
    if (const Value* each = check_.Find("each")) {
      auto steps = each->IsString() ? ParseEach(each->AsString()) : std::nullopt;
      if (!steps || steps->empty())
        return Wrong(where_, "each must be a path such as rules[*].verbs");
      out.each = *std::move(steps);
    }
    out.when = BW_TRY(Optional("when"));
    out.fail = BW_TRY(Required("fail"));
    out.at = BW_TRY(Optional("at"));
    std::string_view relative = out.at;
    for (std::string_view root : {"$pod.", "$podMeta.", "$object."}) {
      if (relative.starts_with(root)) relative.remove_prefix(root.size());
    }
    if (!ParsePath(relative)) return Wrong(where_, fmt::format("at is no path: {}", out.at));
    out.fix = check_["fix"];
    out.fix_expression = BW_TRY(Optional("fixExpr"));
    if (!out.fix.IsNull() && !out.fix.IsArray())
      return Wrong(where_, "fix must be a list of edits");
    info.has_fix = out.fix.IsArray() || !out.fix_expression.empty();
    out.params = check_["params"].IsNull() ? Value::EmptyMap() : check_["params"];
    if (!out.params.IsMap()) return Wrong(where_, "params must be a map");
    out.needs = BW_TRY(Strings(check_["needs"], "needs"));
    out.complete = check_["complete"].IsTrue();
    out.since = BW_TRY(Minor("since", 0));
    out.until = BW_TRY(Minor("until", 999));
    out.cases = check_["cases"];
    return out;
  }

 private:
  Result<std::string> Required(std::string_view key) {
    const Value* v = check_.Find(key);
    if (v == nullptr || v->IsNull()) return Wrong(where_, fmt::format("{} is missing", key));
    return Optional(key);
  }
  Result<std::string> Optional(std::string_view key) {
    const Value* v = check_.Find(key);
    if (v == nullptr || v->IsNull()) return std::string();
    // `fail: true` and `id: 5` are read by YAML as something else than the text that was meant.
    if (v->IsBool()) return std::string(v->AsBool() ? "true" : "false");
    if (!v->IsString()) return Wrong(where_, fmt::format("{} must be a string", key));
    return std::string(v->AsString());
  }
  Result<Text> ReadText(std::string_view key, bool required) {
    const Value* v = check_.Find(key);
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
    if (!v.IsArray()) return Wrong(where_, fmt::format("{} must be a list of strings", key));
    for (const Value& item : v.items()) {
      // CIS control 5.10 and the like come out of YAML as numbers only if unquoted: refuse, since
      // 5.10 and 5.1 would be the same.
      if (!item.IsString())
        return Wrong(where_,
                     fmt::format("{} must be a list of strings (quote {})", key, ToJson(item)));
      out.emplace_back(item.AsString());
    }
    return out;
  }
  Result<int> Minor(std::string_view key, int absent) {
    const Value* v = check_.Find(key);
    if (v == nullptr) return absent;
    std::string text = v->IsString() ? std::string(v->AsString()) : ToJson(*v);
    auto minor = kube::ParseMinorVersion(text);
    // YAML's 1.30 is the number 1.3: only a string says it.
    if (!minor || !v->IsString()) {
      return Wrong(where_,
                   fmt::format("{} must be a quoted Kubernetes version such as \"1.30\"", key));
    }
    return *minor;
  }

  const Value& check_;
  std::string where_;
  Arena& arena_;
};

Result<Framework> ReadFramework(const Value& v, const std::string& origin) {
  Framework out;
  out.id = v.StringAt("id");
  out.version = v.StringAt("version");
  out.url = v.StringAt("url");
  out.title = {std::string(v["title"].StringAt("en")), std::string(v["title"].StringAt("zh"))};
  if (out.id.empty() || out.title.empty()) return Wrong(origin, "a framework needs id and title");
  for (const Value& c : v["controls"].items()) {
    Control control{
        std::string(c.StringAt("id")),
        {std::string(c["title"].StringAt("en")), std::string(c["title"].StringAt("zh"))}};
    if (control.id.empty())
      return Wrong(origin, fmt::format("framework {}: a control needs a quoted id", out.id));
    out.controls.push_back(std::move(control));
  }
  return out;
}

}  // namespace

bool Check::SpeaksOf(std::string_view group, std::string_view kind, bool workload) const {
  if (scope != Scope::kObject && !workload) return false;
  if (kinds.empty()) return true;
  return std::any_of(kinds.begin(), kinds.end(), [&](std::string_view k) {
    if (k == "*") return true;
    if (!k.starts_with(kind)) return false;
    if (k.size() == kind.size()) return true;
    return k[kind.size()] == '.' && k.substr(kind.size() + 1) == group;
  });
}

struct CheckSet::Slots {
  struct One {
    std::once_flag once;
    std::optional<Result<Compiled>> compiled;
  };
  explicit Slots(size_t n) : all(std::make_unique<One[]>(n)) {}
  std::unique_ptr<One[]> all;
};

CheckSet::CheckSet() : arena_(std::make_shared<Arena>()) {}
CheckSet::CheckSet(CheckSet&&) noexcept = default;
CheckSet& CheckSet::operator=(CheckSet&&) noexcept = default;
CheckSet::~CheckSet() = default;

void CheckSet::Sort() {
  std::stable_sort(checks_.begin(), checks_.end(),
                   [](const Check& a, const Check& b) { return a.info.id < b.info.id; });
  slots_ = std::make_unique<Slots>(checks_.size());
}

Result<CheckSet> CheckSet::BuiltIn(bool with_cases) {
  CheckSet set;
  Value rules = BW_TRY(ParseJson(embedded::posture_rules(), *set.arena_, {.borrow_text = true}));
  Value cases;
  if (with_cases) {
    cases = BW_TRY(ParseJson(embedded::posture_cases(), *set.arena_, {.borrow_text = true}));
  }
  for (const auto& [file, root] : rules["files"].entries()) {
    Value whole = root;
    if (with_cases) {
      // Packed apart from the checks, since only tests read them.
      std::vector<Value> checks;
      size_t i = 0;
      Value of_file = cases[file.AsString()];
      for (const Value& check : root["checks"].items()) {
        MapBuilder map(*set.arena_, check.size() + 1);
        for (const auto& [key, value] : check.entries()) map.Add(key, value);
        map.Add("cases", of_file[i++]);
        checks.push_back(map.Finish());
      }
      MapBuilder map(*set.arena_);
      for (const auto& [key, value] : root.entries()) map.Add(key, value);
      map.Add("checks", Value::Array(*set.arena_, checks));
      whole = map.Finish();
    }
    BW_TRY(set.AddValue(whole, std::string(file.AsString()), [](const Value*) { return 0U; }));
  }
  for (Check& check : set.checks_) check.built_in = true;
  set.Sort();
  return set;
}

Result<> CheckSet::AddValue(const Value& root, const std::string& origin,
                            const std::function<uint32_t(const Value*)>& line_of) {
  if (const Value* frameworks = root.Find("frameworks")) {
    for (const Value& f : frameworks->items()) {
      Framework framework = BW_TRY(ReadFramework(f, origin));
      std::erase_if(frameworks_, [&](const Framework& old) { return old.id == framework.id; });
      frameworks_.push_back(std::move(framework));
    }
  }
  const Value* checks = root.Find("checks");
  if (checks == nullptr && root.Find("frameworks") == nullptr) {
    return Wrong(origin, "neither checks nor frameworks at the top of the file");
  }
  if (checks == nullptr) return Ok{};
  for (const Value& check : checks->items()) {
    uint32_t line = line_of(&check);
    std::string where = line == 0 ? origin : fmt::format("{}:{}", origin, line);
    if (!check.IsMap()) return Wrong(where, "a check must be a map");
    for (const Value& expanded : ExpandVariants(check, *arena_)) {
      Check made = BW_TRY(Reader(*arena_->Own<Value>(expanded), where, *arena_).Read());
      auto same = std::find_if(checks_.begin(), checks_.end(),
                               [&](const Check& c) { return c.info.id == made.info.id; });
      if (same != checks_.end() && same->info.origin.substr(0, origin.size()) == origin) {
        return Wrong(where,
                     fmt::format("{} is there already, at {}", made.info.id, same->info.origin));
      }
      if (same != checks_.end()) {
        *same = std::move(made);
      } else {
        checks_.push_back(std::move(made));
      }
    }
  }
  return Ok{};
}

Result<> CheckSet::AddText(std::string_view yaml, const std::string& origin) {
  YamlDocuments documents(arena_->Copy(yaml));
  while (documents.More()) {
    YamlDocument document = BW_TRY(documents.Next());
    SourceMap positions;
    YamlOptions options;
    options.origin = document.origin;
    options.duplicate_keys = false;
    auto root = ParseYaml(document.text, *arena_, options, &positions);
    if (!root) return std::move(root).error().While("reading checks from " + origin);
    if (root->IsNull()) continue;
    auto line_of = [&](const Value* slot) {
      auto at = positions.Of(slot);
      return at ? at->line : 0U;
    };
    BW_TRY(AddValue(*root, origin, line_of));
  }
  Sort();
  return Ok{};
}

Result<> CheckSet::AddFolder(const std::string& path) {
  for (const std::string& file : BW_TRY(WalkFiles(path))) {
    bool rules = file.ends_with(".yaml") || file.ends_with(".yml") || file.ends_with(".json");
    if (rules) BW_TRY(AddText(BW_TRY(ReadFile(file)), file));
  }
  return Ok{};
}

Result<> CheckSet::SetParams(const Value& by_check) {
  for (const auto& [id, params] : by_check.entries()) {
    auto check = std::find_if(checks_.begin(), checks_.end(), [&](const Check& c) {
      return id.IsString() && c.info.id == id.AsString();
    });
    if (check == checks_.end()) {
      return Error(Code::kInvalid, fmt::format("params: there is no check {}", ToJson(id)));
    }
    MapBuilder map(*arena_);
    for (const auto& [key, value] : check->params.entries()) map.Add(key, value);
    for (const auto& [key, value] : params.entries()) {
      if (check->params.Find(key) == nullptr) {
        return Error(Code::kInvalid,
                     fmt::format("params: check {} has no setting {}", ToJson(id), ToJson(key)));
      }
      map.Add(key.CopyTo(*arena_), value.CopyTo(*arena_));
    }
    check->params = map.Finish();
  }
  return Ok{};
}

void CheckSet::Filter(const std::function<bool(const Check&)>& keep) {
  std::erase_if(checks_, [&](const Check& c) { return !keep(c); });
  Sort();
}

CheckSet CheckSet::Only(std::string_view id) const {
  const Check* check = Find(id);
  BW_CHECK(check != nullptr);
  CheckSet out;
  out.checks_ = {*check};
  out.shared_ = shared_;
  out.shared_.push_back(arena_);
  out.Sort();
  return out;
}

const Check* CheckSet::Find(std::string_view id) const {
  auto found = std::lower_bound(checks_.begin(), checks_.end(), id,
                                [](const Check& c, std::string_view i) { return c.info.id < i; });
  return found != checks_.end() && found->info.id == id ? &*found : nullptr;
}

namespace {

Result<std::shared_ptr<const cel::Program>> CompileOne(const Check& check, std::string_view field,
                                                       const std::string& source) {
  auto program = CheckEnvironment().Compile(source);
  if (!program) {
    return std::move(program).error().While(
        fmt::format("{}: check {}, {}", check.origin_line, check.info.id, field));
  }
  return program;
}

Result<Compiled> CompileCheck(const Check& check) {
  Compiled out;
  out.fail = BW_TRY(CompileOne(check, "fail", check.fail));
  out.fail_reads = ReadsOf(cel::AstOf(*out.fail));
  if (!check.when.empty()) {
    out.when = BW_TRY(CompileOne(check, "when", check.when));
    out.when_reads = ReadsOf(cel::AstOf(*out.when));
  }
  if (!check.fix_expression.empty()) {
    out.fix = BW_TRY(CompileOne(check, "fixExpr", check.fix_expression));
  }
  for (const Value& edit : check.fix.items()) {
    std::shared_ptr<const cel::Program> program;
    if (std::string_view source = edit.StringAt("toExpr"); !source.empty()) {
      program = BW_TRY(CompileOne(check, "fix toExpr", std::string(source)));
    }
    out.fix_values.push_back(std::move(program));
  }
  return out;
}

}  // namespace

Result<const Compiled*> CheckSet::Programs(size_t i) const {
  Slots::One& slot = slots_->all[i];
  std::call_once(slot.once, [&] { slot.compiled.emplace(CompileCheck(checks_[i])); });
  if (!slot.compiled->has_value()) return slot.compiled->error();
  return &slot.compiled->value();
}

std::vector<Error> CheckSet::CompileAll() const {
  std::vector<Error> errors;
  for (size_t i = 0; i < checks_.size(); ++i) {
    if (auto programs = Programs(i); !programs) errors.push_back(std::move(programs).error());
  }
  return errors;
}

const cel::Env& CheckEnvironment() {
  static const std::shared_ptr<const cel::Env> env = [] {
    auto dyn = [](const char* name) { return cel::Variable{name, cel::Type::Dyn()}; };
    cel::EnvOptions options;
    options.variables = {dyn("object"),
                         dyn("pod"),
                         dyn("podMeta"),
                         dyn("container"),
                         {"containerType", cel::Type::String()},
                         dyn("item"),
                         dyn("key"),
                         dyn("params"),
                         {"kube", cel::Type::Int()},
                         dyn("peers"),
                         dyn("cluster")};
    options.libraries = cel::ext::AllLibraries();
    options.libraries.push_back(&CheckFunctions());
    options.limits.max_cost = 10'000'000;
    auto made = cel::Env::Create(std::move(options));
    BW_CHECK(made.has_value());
    return std::move(made).value();
  }();
  return *env;
}

}  // namespace bulwark::posture
