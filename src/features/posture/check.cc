#include "features/posture/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "features/posture/functions.h"
#include "formats/json.h"

namespace bulwark::posture {

namespace {

constexpr size_t kMaxValueBytes = 200;
// Of the loops of one run of a check: a second of work, whatever an object holds.
constexpr uint64_t kMaxRounds = 5'000'000;

// A relative path under a node's path.
std::string JoinPath(std::string_view node, std::string_view relative) {
  std::string out(node);
  if (!out.empty() && !relative.empty() && relative.front() != '[') out += '.';
  return out += relative;
}

// What is at a place, short enough for a report.
std::string Excerpt(const Value& v) {
  std::string text = ToJson(v);
  if (text.size() <= kMaxValueBytes) return text;
  size_t end = kMaxValueBytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// The path with indices replaced by names where the items have them.
std::string StablePath(const Value& root, const Path& path) {
  std::string out;
  Value at = root;
  for (const PathStep& step : path) {
    if (!step.IsIndex()) {
      at = at[step.key];
      AppendKey(out, step.key);
      continue;
    }
    at = at[static_cast<size_t>(step.index)];
    std::string_view name = at.StringAt("name");
    if (name.empty()) {
      AppendIndex(out, static_cast<size_t>(step.index));
    } else {
      out += '[';
      out += name;
      out += ']';
    }
  }
  return out;
}

}  // namespace

struct Checker::State {
  State(const CheckSet& set, const CheckOptions& o) : checks(set), options(o) {
    bindings.fill(Value::Null());
    bindings[kKubeSlot] = Value::Int(o.kubernetes_minor);
    ClearRelated();
  }

  // What came out where a check's fields had certain values: it is a function of them.
  struct Remembered {
    static constexpr size_t kFields = 6;
    std::array<uint32_t, kFields> ids{};  // of FieldValues
    uint8_t type = 0;                     // of container
    bool used = false;
    bool failed = false;  // gave true; else
    uint32_t passes = 0;  // so many: 0 or 1, or with `each` any number
  };
  // A check as it is run on objects of one kind.
  struct Run {
    uint32_t index;
    const Compiled* compiled;
    // Where none of these fields is there, the outcome is known: nothing is evaluated. Of
    // containers, apart by type.
    FieldIndex::Mask when_fields, fields;
    FieldIndex::Mask read;                          // all that it depends on
    bool when_known = false;                        // without `when_fields`, it does not apply
    std::array<bool, 3> known{}, passes_without{};  // without `fields`: passes, or does not apply
    std::vector<Remembered> memory;                 // by hash; empty: not to be remembered
    size_t displaced = 0;                           // since it grew
  };
  // The checks that speak of a kind, apart by scope. Made once a kind.
  struct Plan {
    std::vector<Run> object, pod, container;
    std::vector<uint32_t> related;  // with `needs`, all scopes
    std::vector<uint32_t> broken;   // do not compile
    FieldIndex fields;              // that they read
    FieldValues values;
  };

  Plan& PlanFor(const kube::GroupVersionKind& id, bool workload) {
    key.assign(id.group).append("/").append(id.kind).append(workload ? "+" : "-");
    auto found = plans.find(key);
    if (found != plans.end()) return found->second;
    Plan plan;
    for (uint32_t i = 0; i < checks.checks().size(); ++i) {
      const Check& check = checks.checks()[i];
      if (options.kubernetes_minor < check.since || options.kubernetes_minor > check.until)
        continue;
      if (!check.SpeaksOf(id.group, id.kind, workload)) continue;
      if (check.needs_others()) {
        plan.related.push_back(i);
        continue;
      }
      auto programs = checks.Programs(i);
      if (!programs) {
        plan.broken.push_back(i);
        continue;
      }
      auto& of_scope = check.scope == Scope::kObject ? plan.object
                       : check.scope == Scope::kPod  ? plan.pod
                                                     : plan.container;
      of_scope.push_back(PlanRun(i, **programs, plan.fields));
    }
    return plans.emplace(key, std::move(plan)).first->second;
  }

  // Finds out what a check gives where the fields that it reads are absent, by running it there.
  Run PlanRun(uint32_t index, const Compiled& compiled, FieldIndex& fields) {
    Run run{.index = index, .compiled = &compiled, .when_fields = {}, .fields = {}, .read = {}};
    const Check& check = checks.checks()[index];
    const Reads& when = compiled.when_reads;
    bool all_known = compiled.fail_reads.known && (compiled.when == nullptr || when.known);
    if (!check.each.empty()) {
      // Where the list or map is absent, there is nothing to judge.
      FieldRead list{.slot = static_cast<uint32_t>(check.scope == Scope::kContainer ? kContainerSlot
                                                   : check.scope == Scope::kPod     ? kPodSlot
                                                                                    : kObjectSlot),
                     .keys = {}};
      for (const EachStep& step : check.each) {
        if (step.field.empty()) break;
        list.keys.push_back(step.field);
      }
      if (list.keys.empty()) return run;
      run.fields = fields.Add(std::span(&list, 1));
      run.known.fill(true);
      if (all_known) {
        run.read = run.fields;
        run.read.Add(fields.Add(compiled.fail_reads.fields));
        run.read.Add(fields.Add(when.fields));
        Remember(run);
      }
      return run;
    }
    auto saved = bindings;
    for (Slot slot : {kObjectSlot, kPodSlot, kPodMetaSlot, kContainerSlot}) {
      bindings[slot] = Value::EmptyMap();
    }
    bindings[kItemSlot] = bindings[kKeySlot] = Value::Null();
    bindings[kParamsSlot] = check.params;
    if (compiled.when != nullptr && when.known && !when.container_type) {
      run.when_known = Evaluate(check, *compiled.when).IsFalse();
      if (run.when_known) run.when_fields = fields.Add(when.fields);
    }
    if (all_known) {
      run.fields = fields.Add(compiled.fail_reads.fields);
      if (compiled.when != nullptr) run.fields.Add(fields.Add(when.fields));
      run.read = run.fields;
      Remember(run);
      for (size_t type = 0; type < run.known.size(); ++type) {
        bindings[kContainerTypeSlot] = Value::String(
            check.scope == Scope::kContainer ? kube::kContainerLists[type] : std::string_view());
        bool failed = false;
        auto judged = Judge(
            check, compiled, [&](std::string_view, const Value&) { failed = true; },
            [&](const std::string&) { failed = true; });
        run.known[type] = !failed;
        run.passes_without[type] = judged == true;
      }
    }
    bindings = saved;
    return run;
  }

  static void Remember(Run& run) {
    constexpr size_t kSlots = 32;
    if (run.read.fields.size() <= Remembered::kFields) run.memory.resize(kSlots);
  }
  // Where the outcome for what is there now is, or would be, remembered; nullptr: nowhere.
  Remembered* Recall(Run& run, size_t type, Remembered& now) const {
    if (run.memory.empty()) return nullptr;
    uint64_t hash = type;
    for (size_t i = 0; i < run.read.fields.size(); ++i) {
      now.ids[i] = present.ids[run.read.fields[i]];
      if (now.ids[i] == FieldValues::kOther) return nullptr;
      hash = (hash ^ now.ids[i]) * 0x9e3779b97f4a7c15U;
    }
    now.type = static_cast<uint8_t>(type);
    return &run.memory[(hash >> 32) % run.memory.size()];
  }

  // Runs a check on a node of its scope, unless what comes out is known.
  void RunOn(Run& run, const Value& node, std::string_view path, size_t type, Findings& findings,
             Tally& of_check) {
    const Check& check = checks.checks()[run.index];
    Remembered now;
    Remembered* memory = Recall(run, type, now);
    if (memory != nullptr && memory->used && memory->ids == now.ids && memory->type == now.type) {
      if (memory->failed) {
        Record(check, Status::kFail, Absolute(path, check.at), Value(), {}, findings, of_check);
      }
      for (uint32_t i = 0; i < memory->passes; ++i) Pass(check, of_check);
      return;
    }
    std::optional<Outcome> out =
        RunCheckOn(run.index, *run.compiled, node, path, findings, of_check);
    if (memory == nullptr || !out) return;
    constexpr size_t kMostSlots = 512;
    if (memory->used && ++run.displaced > run.memory.size() && run.memory.size() < kMostSlots) {
      run.displaced = 0;
      run.memory.assign(run.memory.size() * 2, {});
      memory = Recall(run, type, now);
    }
    now.used = true;
    now.failed = out->failed;
    now.passes = out->passes;
    *memory = now;
  }

  // Whether nothing need be evaluated; adds what is known to come out.
  bool Skip(const Run& run, size_t type, Tally& of_check) {
    if (run.when_known && !present.Any(run.when_fields)) return true;
    if (!run.known[type] || present.Any(run.fields)) return false;
    if (run.passes_without[type]) Pass(checks.checks()[run.index], of_check);
    return true;
  }
  void Pass(const Check& check, Tally& of_check) {
    ++passed[static_cast<size_t>(check.info.severity)];
    of_check.Add(check.info.severity, Status::kPass, false);
  }

  void RunAll(Plan& plan, Findings& findings, std::vector<Tally>& by_check) {
    present.Clear(plan.fields, plan.values);
    plan.fields.Mark(kObjectSlot, bindings[kObjectSlot], present);
    plan.fields.Mark(kPodSlot, bindings[kPodSlot], present);
    plan.fields.Mark(kPodMetaSlot, bindings[kPodMetaSlot], present);
    for (uint32_t i : plan.broken) RunCheck(i, findings, by_check[i]);
    for (Run& run : plan.object) {
      if (Skip(run, 0, by_check[run.index])) continue;
      RunOn(run, *subject->object, {}, 0, findings, by_check[run.index]);
    }
    for (Run& run : plan.pod) {
      if (!template_at || Skip(run, 0, by_check[run.index])) continue;
      RunOn(run, *template_at->spec, pod_path, 0, findings, by_check[run.index]);
    }
    FieldIndex::Present of_pod = present;
    for (const ContainerAt& at : containers) {
      EnterContainer(*at.container, at.list);
      present = of_pod;
      plan.fields.Mark(kContainerSlot, *at.container, present);
      auto type = static_cast<size_t>(
          std::find(std::begin(kube::kContainerLists), std::end(kube::kContainerLists), at.list) -
          std::begin(kube::kContainerLists));
      for (Run& run : plan.container) {
        if (Skip(run, type, by_check[run.index])) continue;
        RunOn(run, *at.container, at.path, type, findings, by_check[run.index]);
      }
    }
    LeaveContainer();
  }
  Tally Total() {
    for (size_t i = 0; i < passed.size(); ++i) {
      tally.Add(static_cast<Severity>(i), Status::kPass, false, std::exchange(passed[i], 0));
    }
    return tally;
  }

  void ClearRelated() {
    bindings[kPeersSlot] = Value::EmptyMap();
    bindings[kClusterSlot] = Value::EmptyMap();
  }

  // Enters an object: what all its checks share.
  void Enter(const Subject& s) {
    ForgetObject();
    subject = &s;
    asset = kube::Object(*s.object).ToAsset(options.cluster);
    template_at = kube::FindPodTemplate(*s.object, options.templates);
    bindings[kObjectSlot] = *s.object;
    bindings[kPodSlot] = template_at ? *template_at->spec : Value::EmptyMap();
    bindings[kPodMetaSlot] =
        template_at && template_at->meta != nullptr ? *template_at->meta : Value::EmptyMap();
    pod_path = template_at ? PathToString(template_at->at->spec) : std::string();
    meta_path = template_at ? PathToString(template_at->at->meta) : std::string();
    LeaveContainer();
    FindContainers();
    images.reset();
    places.clear();
    tally = {};
    passed.fill(0);
  }
  // Once an object: each check walks them.
  void FindContainers() {
    containers.clear();
    if (!template_at) return;
    for (std::string_view list : kube::kContainerLists) {
      const Value* found = template_at->spec->Find(list);
      if (found == nullptr) continue;
      size_t i = 0;
      for (const Value& container : found->items()) {
        std::string path = pod_path + "." + std::string(list);
        AppendIndex(path, i++);
        containers.push_back({&container, list, std::move(path)});
      }
    }
  }
  void EnterContainer(const Value& container, std::string_view list) {
    bindings[kContainerSlot] = container;
    bindings[kContainerTypeSlot] = Value::String(list);
    container_name = container.StringAt("name");
  }
  void LeaveContainer() {
    bindings[kContainerSlot] = Value::Null();
    bindings[kContainerTypeSlot] = Value::String("");
    container_name = {};
  }

  // Calls f(node, path) for the node of each scope that the check runs on.
  template <typename F>
  void ForEachNode(Scope scope, F&& f) {
    if (scope == Scope::kObject) return f(*subject->object, std::string_view());
    if (!template_at) return;
    if (scope == Scope::kPod) return f(*template_at->spec, std::string_view(pod_path));
    for (const ContainerAt& at : containers) {
      EnterContainer(*at.container, at.list);
      f(*at.container, std::string_view(at.path));
    }
    LeaveContainer();
  }

  // Calls f(node, path) for each element of `each` under a node; the path is made by `path()` only
  // where somebody asks for it.
  template <typename F>
  void ForEachElement(const Check& check, size_t step, const Value& node, Path& below, F&& f) {
    if (step == check.each.size()) return f(node);
    const EachStep& s = check.each[step];
    if (!s.field.empty()) {
      const Value* next = node.Find(s.field);
      if (next == nullptr) return;
      below.push_back(PathStep::Key(s.field));
      ForEachElement(check, step + 1, *next, below, f);
      below.pop_back();
      return;
    }
    bool last = step + 1 == check.each.size();
    size_t i = 0;
    for (const Value& item : node.items()) {
      below.push_back(PathStep::Index(i));
      if (last) bindings[kKeySlot] = Value::Int(static_cast<int64_t>(i));
      if (last) bindings[kItemSlot] = item;
      ++i;
      ForEachElement(check, step + 1, item, below, f);
      below.pop_back();
    }
    for (const auto& [k, item] : node.entries()) {
      if (!k.IsString()) continue;
      below.push_back(PathStep::Key(k.AsString()));
      if (last) bindings[kKeySlot] = k;
      if (last) bindings[kItemSlot] = item;
      ForEachElement(check, step + 1, item, below, f);
      below.pop_back();
    }
  }

  // The absolute path of what a check says about a node.
  std::string Absolute(std::string_view node, std::string_view relative) const {
    if (relative.starts_with("$object.")) return std::string(relative.substr(8));
    if (relative.starts_with("$pod.")) return JoinPath(pod_path, relative.substr(5));
    if (relative.starts_with("$podMeta.")) return JoinPath(meta_path, relative.substr(9));
    return JoinPath(node, relative);
  }

  // The checks that come with the program are known to do little in each round of a loop; for those
  // of others the cost is counted, which takes half as long again.
  Value Evaluate(const Check& check, const cel::Program& program) {
    return evaluator.Run(program, bindings, {.max_rounds = check.built_in ? kMaxRounds : 0}).value;
  }

  // Judges one node (with `item` bound where the check has `each`). `each_failure` gets the path
  // and the map that `fail` gave (or null); `error` gets the text. Gives nullopt if not applicable,
  // else whether it passed.
  template <typename OnFail, typename OnError>
  std::optional<bool> Judge(const Check& check, const Compiled& programs, OnFail&& on_fail,
                            OnError&& on_error) {
    if (programs.when != nullptr) {
      Value when = Evaluate(check, *programs.when);
      if (when.IsFalse()) return std::nullopt;
      if (!when.IsTrue()) {
        on_error(ErrorText("when", when));
        return false;
      }
    }
    Value out = Evaluate(check, *programs.fail);
    if (out.IsFalse()) return true;
    if (out.IsTrue()) {
      on_fail(std::string_view(check.at), Value());
      return false;
    }
    auto items = cel::ListItems(out);
    if (!items) {
      on_error(ErrorText("fail", out));
      return false;
    }
    for (const Value& item : *items) {
      if (item.IsString()) {
        on_fail(item.AsString(), Value());
      } else if (item.IsMap()) {
        const Value* path = item.Find("path");
        on_fail(path != nullptr && path->IsString() ? path->AsString() : check.at, item);
      } else {
        on_error("fail gave a list with something other than paths and maps");
      }
    }
    return items->empty();
  }

  static std::string ErrorText(std::string_view which, const Value& v) {
    if (cel::IsError(v)) return std::string(cel::ErrorMessage(v));
    return fmt::format("{} gave {}, not a bool or a list", which, cel::TypeNameOf(v));
  }

  // Runs a check on the object that was entered, and records what came out.
  void RunCheck(uint32_t index, Findings& findings, Tally& of_check) {
    const Check& check = checks.checks()[index];
    auto programs = checks.Programs(index);
    if (!programs) {
      Record(check, Status::kError, {}, Value(), programs.error().ToString(), findings, of_check);
      return;
    }
    ForEachNode(check.scope, [&](const Value& node, std::string_view path) {
      RunCheckOn(index, **programs, node, path, findings, of_check);
    });
  }

  // The same on one node of its scope. Gives what came out if that can be told without evidence.
  struct Outcome {
    bool failed = false;
    uint32_t passes = 0;
  };
  std::optional<Outcome> RunCheckOn(uint32_t index, const Compiled& programs, const Value& node,
                                    std::string_view path, Findings& findings, Tally& of_check) {
    const Check& check = checks.checks()[index];
    bindings[kParamsSlot] = check.params;
    Outcome outcome;
    bool told = true;
    // `at_path` makes the node's path: only a failure needs it.
    auto judge = [&](auto&& at_path) {
      auto passed_here = Judge(
          check, programs,
          [&](std::string_view relative, const Value& evidence) {
            told =
                told && relative.data() == check.at.data() && evidence.IsNull() && !outcome.failed;
            outcome.failed = true;
            Record(check, Status::kFail, Absolute(at_path(), relative), evidence, {}, findings,
                   of_check);
          },
          [&](const std::string& error) {
            told = false;
            Record(check, Status::kError, Absolute(at_path(), check.at), Value(), error, findings,
                   of_check);
          });
      if (passed_here != true) return;
      ++outcome.passes;
      Pass(check, of_check);
    };
    if (check.each.empty()) {
      judge([&] { return path; });
    } else {
      Path below;
      ForEachElement(check, 0, node, below, [&](const Value&) {
        judge([&] { return JoinPath(path, PathToString(below)); });
      });
      bindings[kItemSlot] = bindings[kKeySlot] = Value::Null();
      told = told && !outcome.failed;
    }
    return told ? std::optional(outcome) : std::nullopt;
  }

  Place PlaceOf(const Path& path) const {
    if (subject->place_of) return subject->place_of(path);
    Place place = subject->place;
    if (subject->positions == nullptr) return place;
    const Value* slot = FindDeepest(*subject->object, path);
    // Its key where there is one: a finding about a map points at the line that names it.
    auto at = subject->positions->Of(slot);
    auto key_at = slot->IsMap() || slot->IsArray() ? subject->positions->KeyOf(slot) : std::nullopt;
    if (key_at) at = key_at;
    if (!at) return place;
    place.line = at->line;
    place.column = at->column;
    if (at->end > at->offset) {
      Position end = subject->positions->At(at->end, at->end);
      place.end_line = end.line;
      place.end_column = end.column;
    }
    return place;
  }

  std::string_view ContainerImage() const { return bindings[kContainerSlot].StringAt("image"); }

  const std::vector<std::string_view>& Images() {
    if (!images) {
      images.emplace();
      if (template_at) {
        for (std::string_view list : kube::kContainerLists) {
          for (const Value& c : (*template_at->spec)[list].items()) {
            if (std::string_view image = c.StringAt("image"); !image.empty())
              images->push_back(image);
          }
        }
      }
    }
    return *images;
  }

  // What is found out about a path of the object: several checks fail at the same.
  struct PathFacts {
    std::string path, stable;
    Place place;
    const Value* there = nullptr;  // what stands at it
    std::optional<std::string> excerpt;
  };
  PathFacts& FactsOf(const std::string& path) {
    for (PathFacts& known : places) {
      if (known.path == path) return known;
    }
    constexpr size_t kMany = 32;
    if (places.size() >= kMany) places.clear();
    PathFacts& facts = places.emplace_back();
    facts.path = path;
    if (auto steps = ParsePath(path)) {
      facts.stable = StablePath(*subject->object, *steps);
      facts.place = PlaceOf(*steps);
      facts.there = FindPath(*subject->object, *steps);
    } else {
      facts.stable = path;
      facts.place = subject->place;
    }
    return facts;
  }

  void Record(const Check& check, Status status, const std::string& path, const Value& evidence,
              const std::string& error, Findings& findings, Tally& of_check) {
    PathFacts& facts = FactsOf(path);
    FindingView f{.check = check.info.id,
                  .severity = check.info.severity,
                  .status = status,
                  .asset = &asset,
                  .path = path,
                  .stable_path = facts.stable,
                  .container = container_name,
                  .file = facts.place.file,
                  .line = facts.place.line,
                  .column = facts.place.column,
                  .end_line = facts.place.end_line,
                  .end_column = facts.place.end_column};
    // What a secret is must not end up in a report.
    if (facts.there != nullptr && check.info.category != "secrets") {
      if (!facts.excerpt) facts.excerpt = Excerpt(*facts.there);
      f.value = *facts.excerpt;
    }
    std::string value;
    args.clear();
    for (const auto& [name, argument] : evidence.entries()) {
      if (!name.IsString() || name.AsString() == "path") continue;
      std::string excerpt;
      if (!argument.IsString()) excerpt = Excerpt(argument);
      std::string_view text = argument.IsString() ? argument.AsString() : excerpt;
      if (name.AsString() == "value" || name.AsString() == "masked") {
        value = text;
        f.value = value;
      }
      PackArg(args, name.AsString(), text);
    }
    if (status == Status::kError) {
      args.clear();
      PackArg(args, "error", error);
    }
    f.args = args;
    f.fixable = status == Status::kFail && check.info.has_fix;
    std::optional<Excused> excused;
    if (status == Status::kFail && options.exceptions != nullptr && !options.exceptions->empty()) {
      excused = options.exceptions->Find(check.info.id, asset, *subject->object, ContainerImage(),
                                         Images());
      if (excused) f.excused = &*excused;
    }
    tally.Add(f.severity, status, excused.has_value());
    of_check.Add(f.severity, status, excused.has_value());
    findings.Add(f);
  }

  const CheckSet& checks;
  CheckOptions options;
  cel::Evaluator evaluator;
  std::array<Value, kSlots> bindings;
  std::unordered_map<std::string, Plan> plans;
  std::string key;

  struct ContainerAt {
    const Value* container;
    std::string_view list;
    std::string path;
  };
  std::vector<ContainerAt> containers;

  const Subject* subject = nullptr;
  Asset asset;
  std::optional<kube::PodTemplate> template_at;
  std::string pod_path, meta_path;
  std::string_view container_name;
  std::optional<std::vector<std::string_view>> images;
  FieldIndex::Present present;
  std::vector<PathFacts> places;
  std::string args;
  Tally tally;
  std::array<uint64_t, kSeverities> passed{};  // not yet in `tally`
};

Checker::Checker(const CheckSet& checks, const CheckOptions& options)
    : state_(std::make_unique<State>(checks, options)) {}
Checker::~Checker() = default;

Tally Checker::Run(const Subject& subject, Findings& findings, std::vector<Tally>& by_check) {
  State& s = *state_;
  s.Enter(subject);
  s.ClearRelated();
  State::Plan& plan = s.PlanFor(kube::Object(*subject.object).gvk(), s.template_at.has_value());
  s.RunAll(plan, findings, by_check);
  return s.Total();
}

Tally Checker::RunRelated(const Subject& subject, const Value& peers, const Value& cluster,
                          bool complete, Findings& findings, std::vector<Tally>& by_check) {
  State& s = *state_;
  s.Enter(subject);
  s.bindings[kPeersSlot] = peers;
  s.bindings[kClusterSlot] = cluster;
  State::Plan& plan = s.PlanFor(kube::Object(*subject.object).gvk(), s.template_at.has_value());
  for (uint32_t i : plan.related) {
    if (complete || !s.checks.checks()[i].complete) s.RunCheck(i, findings, by_check[i]);
  }
  return s.Total();
}

void Checker::ForEachFailure(size_t index, const Subject& subject,
                             const std::function<void(const Failure&)>& failed) {
  State& s = *state_;
  const Check& check = s.checks.checks()[index];
  s.Enter(subject);
  if (!check.SpeaksOf(s.asset.group, s.asset.kind, s.template_at.has_value())) return;
  if (s.options.kubernetes_minor < check.since || s.options.kubernetes_minor > check.until) return;
  auto programs = s.checks.Programs(index);
  if (!programs) return;
  s.bindings[kParamsSlot] = check.params;
  s.ForEachNode(check.scope, [&](const Value& node, std::string_view path) {
    auto judge = [&](const std::string& at_path) {
      // Called after the judgement, since the callback may run other programs.
      Arena arena;
      std::vector<Failure> failures;
      s.Judge(
          check, **programs,
          [&](std::string_view relative, const Value& evidence) {
            auto node_steps = ParsePath(at_path);
            auto steps = ParsePath(s.Absolute(at_path, relative));
            if (!node_steps || !steps) return;
            failures.push_back(
                {*std::move(node_steps), *std::move(steps), evidence.CopyTo(arena), s.bindings});
          },
          [](const std::string&) {});
      for (const Failure& failure : failures) failed(failure);
    };
    if (check.each.empty()) return judge(std::string(path));
    Path below;
    s.ForEachElement(check, 0, node, below,
                     [&](const Value&) { judge(JoinPath(path, PathToString(below))); });
  });
  s.bindings[kItemSlot] = s.bindings[kKeySlot] = Value::Null();
}

Value Checker::Evaluate(const cel::Program& program, std::span<const Value> bindings,
                        Arena& arena) {
  return state_->evaluator.Run(program, bindings, {}, &arena).value;
}

}  // namespace bulwark::posture
