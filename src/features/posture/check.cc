#include "features/posture/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "features/posture/functions.h"
#include "formats/json.h"

namespace bulwark::posture {

namespace {

constexpr size_t kMaxValueBytes = 200;

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

  // The checks that speak of a kind, apart by scope. Made once a kind.
  struct Plan {
    std::vector<uint32_t> object, pod, container;
    std::vector<uint32_t> related;  // with `needs`, all scopes
  };

  const Plan& PlanFor(const kube::GroupVersionKind& id, bool workload) {
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
      } else if (check.scope == Scope::kObject) {
        plan.object.push_back(i);
      } else if (check.scope == Scope::kPod) {
        plan.pod.push_back(i);
      } else {
        plan.container.push_back(i);
      }
    }
    return plans.emplace(key, std::move(plan)).first->second;
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
    tally = {};
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

  // Judges one node (with `item` bound where the check has `each`). `each_failure` gets the path
  // and the map that `fail` gave (or null); `error` gets the text. Gives nullopt if not applicable,
  // else whether it passed.
  template <typename OnFail, typename OnError>
  std::optional<bool> Judge(const Check& check, const Compiled& programs, OnFail&& on_fail,
                            OnError&& on_error) {
    if (programs.when != nullptr) {
      cel::Outcome when = evaluator.Run(*programs.when, bindings);
      if (when.value.IsFalse()) return std::nullopt;
      if (!when.value.IsTrue()) {
        on_error(ErrorText("when", when.value));
        return false;
      }
    }
    cel::Outcome out = evaluator.Run(*programs.fail, bindings);
    if (out.value.IsFalse()) return true;
    if (out.value.IsTrue()) {
      on_fail(std::string_view(check.at), Value());
      return false;
    }
    auto items = cel::ListItems(out.value);
    if (!items) {
      on_error(ErrorText("fail", out.value));
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
    bindings[kParamsSlot] = check.params;
    ForEachNode(check.scope, [&](const Value& node, std::string_view path) {
      // `at_path` makes the node's path: only a failure needs it.
      auto judge = [&](auto&& at_path) {
        auto passed = Judge(
            check, **programs,
            [&](std::string_view relative, const Value& evidence) {
              Record(check, Status::kFail, Absolute(at_path(), relative), evidence, {}, findings,
                     of_check);
            },
            [&](const std::string& error) {
              Record(check, Status::kError, Absolute(at_path(), check.at), Value(), error, findings,
                     of_check);
            });
        if (passed == true) {
          tally.Add(check.info.severity, Status::kPass, false);
          of_check.Add(check.info.severity, Status::kPass, false);
        }
      };
      if (check.each.empty()) return judge([&] { return path; });
      Path below;
      ForEachElement(check, 0, node, below, [&](const Value&) {
        judge([&] { return JoinPath(path, PathToString(below)); });
      });
    });
    bindings[kItemSlot] = bindings[kKeySlot] = Value::Null();
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

  void Record(const Check& check, Status status, const std::string& path, const Value& evidence,
              const std::string& error, Findings& findings, Tally& of_check) {
    Finding f;
    f.check = check.info.id;
    f.severity = check.info.severity;
    f.status = status;
    f.asset = asset;
    f.evidence.path = path;
    f.evidence.container = container_name;
    auto steps = ParsePath(path);
    std::string stable = path;
    if (steps) {
      stable = StablePath(*subject->object, *steps);
      f.evidence.place = PlaceOf(*steps);
      const Value* there = FindPath(*subject->object, *steps);
      // What a secret is must not end up in a report.
      if (there != nullptr && check.info.category != "secrets") f.evidence.value = Excerpt(*there);
    } else {
      f.evidence.place = subject->place;
    }
    for (const auto& [name, value] : evidence.entries()) {
      if (!name.IsString() || name.AsString() == "path") continue;
      std::string text = value.IsString() ? std::string(value.AsString()) : Excerpt(value);
      if (name.AsString() == "value" || name.AsString() == "masked") f.evidence.value = text;
      f.args.emplace_back(std::string(name.AsString()), std::move(text));
    }
    if (status == Status::kError) f.args = {{"error", error}};
    f.fixable = status == Status::kFail && check.info.has_fix;
    if (status == Status::kFail && options.exceptions != nullptr && !options.exceptions->empty()) {
      f.excused = options.exceptions->Find(check.info.id, asset, *subject->object, ContainerImage(),
                                           Images());
    }
    tally.Add(f.severity, status, f.excused.has_value());
    of_check.Add(f.severity, status, f.excused.has_value());
    findings.Add(f, stable);
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
  Tally tally;
};

Checker::Checker(const CheckSet& checks, const CheckOptions& options)
    : state_(std::make_unique<State>(checks, options)) {}
Checker::~Checker() = default;

Tally Checker::Run(const Subject& subject, Findings& findings, std::vector<Tally>& by_check) {
  State& s = *state_;
  s.Enter(subject);
  s.ClearRelated();
  const State::Plan& plan =
      s.PlanFor(kube::Object(*subject.object).gvk(), s.template_at.has_value());
  for (const auto* list : {&plan.object, &plan.pod, &plan.container}) {
    for (uint32_t i : *list) s.RunCheck(i, findings, by_check[i]);
  }
  return s.tally;
}

Tally Checker::RunRelated(const Subject& subject, const Value& peers, const Value& cluster,
                          bool complete, Findings& findings, std::vector<Tally>& by_check) {
  State& s = *state_;
  s.Enter(subject);
  s.bindings[kPeersSlot] = peers;
  s.bindings[kClusterSlot] = cluster;
  const State::Plan& plan =
      s.PlanFor(kube::Object(*subject.object).gvk(), s.template_at.has_value());
  for (uint32_t i : plan.related) {
    if (complete || !s.checks.checks()[i].complete) s.RunCheck(i, findings, by_check[i]);
  }
  return s.tally;
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
