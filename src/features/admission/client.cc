#include "features/admission/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "features/admission/go_text.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

Error NotFound(std::string_view kind) {
  return Error(
      Code::kNotFound, "gate.template.missing",
      fmt::format("missing ConstraintTemplate: template {} not found", GoQuote(AsciiLower(kind))));
}

}  // namespace

Result<bool> MatchesReview(const Constraint& constraint, const Review& review,
                           const NamespaceView* ns) {
  if (!constraint.has_match) return true;
  bool any = false;
  // On DELETE object is the old one, looked at twice for nothing.
  for (const ObjectView* view : {&review.view, &review.old_view}) {
    if (view->value == nullptr || (view == &review.old_view && review.is_delete)) continue;
    any = true;
    if (view->kind.empty()) {
      return Error(Code::kInvalid, "gate.match",
                   fmt::format("invalid request object: failed to unmarshal gkReview object {}\n",
                               ToJson(*view->value, {.sort_keys = true})));
    }
    Result<bool> matches = constraint.match.Matches({*view, ns, review.source});
    if (!matches) {
      return Error(Code::kInvalid, "gate.match",
                   fmt::format("error matching the requested object: {} :{}", view->name,
                               matches.error().message()));
    }
    if (*matches) return true;
  }
  if (!any) {
    return Error(Code::kInvalid, "gate.match",
                 "invalid request object: neither object nor old object are defined");
  }
  return false;
}

// --- Inventory -----------------------------------------------------------------------------------

Result<> Inventory::Add(const Value& object) {
  ObjectView view(object);
  auto wrong = [&](std::string_view what) {
    return Error(Code::kInvalid, "gate.data",
                 fmt::format("{}: invalid request object: resource {} has no {}\n", kTarget,
                             view.name, what));
  };
  if (view.version.empty()) return wrong("version");
  if (view.kind.empty()) return wrong("kind");
  Versions& versions = view.ns.empty() ? cluster_ : namespaces_[std::string(view.ns)];
  std::string version =
      fmt::format("{}{}{}", view.group, view.group.empty() ? "" : "/", view.version);
  versions[version][std::string(view.kind)].insert_or_assign(std::string(view.name), object);
  return Ok{};
}

void Inventory::Remove(const Value& object) {
  ObjectView view(object);
  Versions* versions = &cluster_;
  if (!view.ns.empty()) {
    auto ns = namespaces_.find(view.ns);
    if (ns == namespaces_.end()) return;
    versions = &ns->second;
  }
  auto version = versions->find(
      fmt::format("{}{}{}", view.group, view.group.empty() ? "" : "/", view.version));
  if (version == versions->end()) return;
  auto kind = version->second.find(view.kind);
  if (kind == version->second.end()) return;
  auto name = kind->second.find(view.name);
  if (name != kind->second.end()) kind->second.erase(name);
}

Value Inventory::ToValue(const Versions& versions, Arena& arena) {
  std::vector<Value::Entry> version_entries;
  for (const auto& [version, kinds] : versions) {
    std::vector<Value::Entry> kind_entries;
    for (const auto& [kind, names] : kinds) {
      std::vector<Value::Entry> name_entries;
      name_entries.reserve(names.size());
      for (const auto& [name, object] : names) {
        name_entries.push_back({Value::String(arena, name), object});
      }
      kind_entries.push_back(
          {Value::String(arena, kind),
           MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(name_entries))});
    }
    version_entries.push_back(
        {Value::String(arena, version),
         MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(kind_entries))});
  }
  return MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(version_entries));
}

Value Inventory::ToData(Arena& arena) const {
  MapBuilder out(arena);
  if (!cluster_.empty()) out.Add("cluster", ToValue(cluster_, arena));
  if (!namespaces_.empty()) {
    std::vector<Value::Entry> entries;
    for (const auto& [ns, versions] : namespaces_) {
      entries.push_back({Value::String(arena, ns), ToValue(versions, arena)});
    }
    out.Add("namespace", MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(entries)));
  }
  return MapBuilder(arena).Add("inventory", out.Finish()).Finish();
}

// --- Client --------------------------------------------------------------------------------------

Client::Client(ClientOptions options) : options_(std::move(options)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

Result<> Client::AddTemplate(const Value& object) {
  auto made = std::make_unique<Template>();
  made->definition = BW_TRY(ConstraintTemplate::Read(object, *arena_));
  const ConstraintTemplate& definition = made->definition;
  if (options_.cel && definition.Find(kCelEngine) != nullptr) {
    made->policy = BW_TRY(CompileCel(definition, options_.policies));
  } else if (options_.rego && definition.Find(kRegoEngine) != nullptr) {
    made->policy = BW_TRY(CompileRego(definition, options_.policies));
  } else {
    return Error(Code::kUnsupported, "gate.template.engine",
                 fmt::format("no language driver is installed that handles this constraint "
                             "template: available drivers: map[{}], wanted \"\"",
                             options_.cel && options_.rego ? "K8sNativeValidation:1 Rego:2"
                             : options_.cel                ? "K8sNativeValidation:1"
                             : options_.rego               ? "Rego:1"
                                                           : ""));
  }
  frozen_ = false;
  std::unique_ptr<Template>& slot = templates_[definition.name];
  if (slot != nullptr) made->constraints = std::move(slot->constraints);
  slot = std::move(made);
  return Ok{};
}

Result<> Client::AddConstraint(const Value& object) {
  ObjectView view(object);
  auto bad = [](std::string message) {
    return Error(Code::kInvalid, "gate.constraint", "invalid Constraint: " + std::move(message));
  };
  if (view.name.empty()) return bad("missing metadata.name");
  if (view.kind.empty()) return bad("missing kind");
  if (!Constraint::Is(view)) {
    return bad(
        fmt::format("wrong API Group for Constraint {}, got {} but need "
                    "\"constraints.gatekeeper.sh\"",
                    GoQuote(view.name), GoQuote(view.group)));
  }
  auto found = templates_.find(AsciiLower(view.kind));
  if (found == templates_.end()) return NotFound(view.kind);
  Template& of = *found->second;
  auto made = std::make_unique<Constraint>(
      BW_TRY(Constraint::Read(object, of.definition, options_.enforcement_point, *arena_)));
  frozen_ = false;
  std::string name = made->name;
  of.constraints[name] = std::move(made);
  return Ok{};
}

Result<> Client::AddData(const Value& object) {
  BW_TRY(inventory_.Add(object));
  frozen_ = false;
  ObjectView view(object);
  if (view.IsNamespace()) {
    namespaces_.insert_or_assign(std::string(view.name), NamespaceView{view.name, view.labels});
  }
  return Ok{};
}

void Client::RemoveData(const Value& object) {
  inventory_.Remove(object);
  frozen_ = false;
  ObjectView view(object);
  if (!view.IsNamespace()) return;
  auto found = namespaces_.find(view.name);
  if (found != namespaces_.end()) namespaces_.erase(found);
}

void Client::ClearData() {
  inventory_.Clear();
  namespaces_.clear();
  frozen_ = false;
}

void Client::RemoveTemplate(std::string_view name) {
  auto found = templates_.find(name);
  if (found != templates_.end()) templates_.erase(found);
  frozen_ = false;
}

void Client::RemoveConstraint(std::string_view kind, std::string_view name) {
  frozen_ = false;
  auto found = templates_.find(AsciiLower(kind));
  if (found == templates_.end()) return;
  auto constraint = found->second->constraints.find(name);
  if (constraint != found->second->constraints.end()) found->second->constraints.erase(constraint);
}

size_t Client::constraints() const {
  size_t out = 0;
  for (const auto& [name, of] : templates_) out += of->constraints.size();
  return out;
}

void Client::Freeze() {
  if (frozen_) return;
  data_arena_ = std::make_unique<Arena>();
  data_ = inventory_.ToData(*data_arena_);
  candidates_.clear();
  any_kind_.clear();
  by_kind_.clear();
  for (const auto& [name, of] : templates_) {
    for (const auto& [constraint_name, constraint] : of->constraints) {
      // One that is for other points than ours is never asked.
      if (constraint->is_scoped && constraint->scoped.empty()) continue;
      candidates_.push_back({of.get(), constraint.get()});
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.constraint->kind, a.constraint->name) <
           std::tie(b.constraint->kind, b.constraint->name);
  });
  // A kind that a constraint names has a list of its own, which has those that name none, too.
  for (const Candidate& candidate : candidates_) {
    if (!candidate.constraint->has_match) continue;
    for (std::string_view kind : candidate.constraint->match.NamedKinds()) {
      by_kind_.try_emplace(std::string(kind));
    }
  }
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    const Constraint& constraint = *candidates_[i].constraint;
    if (!constraint.has_match || constraint.match.TakesAnyKind()) {
      any_kind_.push_back(i);
      for (auto& [kind, list] : by_kind_) list.push_back(i);
    } else {
      for (std::string_view kind : constraint.match.NamedKinds()) {
        std::vector<uint32_t>& list = by_kind_[std::string(kind)];
        if (list.empty() || list.back() != i) list.push_back(i);
      }
    }
  }
  frozen_ = true;
}

const std::vector<uint32_t>& Client::CandidatesFor(const Review& review,
                                                   std::vector<uint32_t>& scratch) const {
  auto of = [&](const ObjectView& view) -> const std::vector<uint32_t>& {
    auto found = by_kind_.find(std::string(view.kind));
    return found == by_kind_.end() ? any_kind_ : found->second;
  };
  if (review.view.value == nullptr && review.old_view.value == nullptr) {
    for (uint32_t i = 0; i < candidates_.size(); ++i) scratch.push_back(i);
    return scratch;  // whoever matches by anything cannot know
  }
  if (review.view.value == nullptr) return of(review.old_view);
  const std::vector<uint32_t>& mine = of(review.view);
  if (review.old_view.value == nullptr || review.old_view.kind == review.view.kind) return mine;
  const std::vector<uint32_t>& old = of(review.old_view);
  std::set_union(mine.begin(), mine.end(), old.begin(), old.end(), std::back_inserter(scratch));
  return scratch;
}

// A Rego policy's time is that of all its constraints, CEL's of each.
Result<> Client::JudgeTimed(const Template& of, const Review& review,
                            std::span<const Constraint* const> constraints,
                            const JudgeContext& context, Arena& arena,
                            std::vector<Finding>& findings, Response& out) {
  using Clock = std::chrono::steady_clock;
  std::string_view engine = of.policy->engine();
  size_t step = engine == kRegoEngine ? constraints.size() : 1;
  for (size_t at = 0; at < constraints.size(); at += step) {
    auto begin = Clock::now();
    BW_TRY(of.policy->Judge(review, constraints.subspan(at, step), context, arena, findings));
    auto spent = Clock::now() - begin;
    std::string name;
    if (engine != kRegoEngine) {
      name = fmt::format("{}/{}", constraints[at]->kind, constraints[at]->name);
    }
    out.times.push_back({of.definition.kind, std::move(name), engine,
                         std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count(),
                         step});
  }
  return Ok{};
}

Result<Response> Client::Judge(const Review& review, const ReviewOptions& options,
                               Arena& arena) const {
  BW_CHECK(frozen_);
  Response out;
  const NamespaceView* ns = review.ns_object;
  if (ns == nullptr && !review.ns.empty()) {
    auto found = namespaces_.find(review.ns);
    if (found != namespaces_.end()) ns = &found->second;
  }
  JudgeContext context = options.context;
  context.data = &data_;
  std::vector<uint32_t> scratch;
  const std::vector<uint32_t>& candidates = CandidatesFor(review, scratch);
  std::vector<const Constraint*> matching;
  std::vector<Finding> findings;
  std::string errors;
  // The candidates stand by kind: each run of one kind is one question to its policy.
  for (size_t at = 0; at < candidates.size();) {
    const Template* of = candidates_[candidates[at]].of;
    matching.clear();
    size_t first = out.violations.size();
    bool skip = options.by_operation &&
                !of->definition.MatchesOperation(review.request.StringAt("operation"));
    for (; at < candidates.size() && candidates_[candidates[at]].of == of; ++at) {
      if (skip) continue;
      const Constraint* constraint = candidates_[candidates[at]].constraint;
      Result<bool> matches = MatchesReview(*constraint, review, ns);
      if (!matches) {
        out.violations.push_back(
            {constraint, fmt::format("unable to match constraints: {}", matches.error().message()),
             false, Value(), constraint->action, constraint->scoped});
      } else if (*matches) {
        matching.push_back(constraint);
      }
    }
    if (matching.empty()) continue;
    findings.clear();
    Result<> judged = options.times
                          ? JudgeTimed(*of, review, matching, context, arena, findings, out)
                          : of->policy->Judge(review, matching, context, arena, findings);
    if (!judged) {
      if (errors.empty()) {
        errors =
            fmt::format("{}: {}: {}\n\n", kTarget, of->policy->engine(), judged.error().message());
      }
      continue;
    }
    for (const Finding& finding : findings) {
      out.violations.push_back({finding.constraint, std::string(finding.message),
                                finding.has_details, finding.details, finding.constraint->action,
                                finding.constraint->scoped});
    }
    std::stable_sort(out.violations.begin() + static_cast<ptrdiff_t>(first), out.violations.end(),
                     [](const Violation& a, const Violation& b) {
                       return a.constraint->name < b.constraint->name;
                     });
  }
  if (!errors.empty()) return Error(Code::kInvalid, "gate.review", std::move(errors));
  return out;
}

}  // namespace bulwark::admission
