#include "features/admission/expansion.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"
#include "features/admission/go_text.h"

namespace bulwark::admission {

namespace {

Error Wrong(std::string message) {
  return Error(Code::kInvalid, "gate.expansion", std::move(message));
}

Result<std::string> ReadText(const Value& map, std::string_view field) {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return std::string();
  if (!found->IsString()) {
    return Wrong(fmt::format("{}: expected a string, found {}", field, GoType(*found)));
  }
  return std::string(found->AsString());
}

// The parent as an owner, unless it is one already.
Value OwnerReferences(const Value& metadata, const ObjectView& parent, Arena& arena) {
  if (parent.api_version.empty() || parent.kind.empty() || parent.name.empty()) {
    return metadata["ownerReferences"];
  }
  std::vector<Value> references;
  for (const Value& reference : metadata["ownerReferences"].items()) {
    if (!reference.IsMap()) continue;
    references.push_back(reference);
    if (reference.StringAt("apiVersion") == parent.api_version &&
        reference.StringAt("kind") == parent.kind && reference.StringAt("name") == parent.name) {
      return metadata["ownerReferences"];
    }
  }
  references.push_back(MapBuilder(arena)
                           .Add("apiVersion", Value::String(parent.api_version))
                           .Add("kind", Value::String(parent.kind))
                           .Add("name", Value::String(parent.name))
                           .Add("uid", Value::String(""))
                           .Finish());
  return Value::Array(arena, references);
}

}  // namespace

Result<Value> ExpandResource(const Value& from, const NamespaceView* ns,
                             const ExpansionTemplate& expansion, Arena& arena) {
  ObjectView object(from);
  if (expansion.source.empty()) {
    return Wrong("cannot expand resource using a template with no source");
  }
  if (expansion.generated == Gvk()) {
    return Wrong("cannot expand resource using template with empty generatedGVK");
  }
  Value source = from;
  std::string walked;
  for (std::string_view part : Split(expansion.source, '.')) {
    walked += fmt::format("{}{}", walked.empty() ? "" : ".", part);
    if (!source.IsMap()) {
      return Wrong(fmt::format(
          "could not extract source field from unstructured: .{} accessor error: {} is of the type "
          "{}, expected map[string]interface{{}}",
          walked, GoText(source), GoType(source)));
    }
    const Value* next = source.Find(part);
    if (next == nullptr) {
      return Wrong(fmt::format("could not find source field {} in resource {}",
                               GoQuote(expansion.source), object.name));
    }
    source = *next;
  }
  if (!source.IsMap()) {
    return Wrong(fmt::format(
        "could not extract source field from unstructured: .{} accessor error: {} is of the type "
        "{}, expected map[string]interface{{}}",
        walked, GoText(source), GoType(source)));
  }
  const Gvk& gvk = expansion.generated;
  std::string api_version = gvk.group.empty() ? gvk.version : gvk.group + "/" + gvk.version;
  source = WithEntry(source, "apiVersion", Value::String(arena, api_version), arena);
  source = WithEntry(source, "kind", Value::String(gvk.kind), arena);
  Value metadata = source["metadata"];
  if (!metadata.IsMap()) metadata = Value::EmptyMap();
  std::string_view space = object.ns;
  if (ns != nullptr) {
    space = ns->name;
  } else if (const Value* given = (*object.value)["metadata"].Find("namespace");
             given != nullptr && !given->IsString()) {
    return Wrong(fmt::format("could not extract namespace field {} in parent resource {}",
                             GoQuote(expansion.source), object.name));
  }
  if (!space.empty()) {
    metadata = WithEntry(metadata, "namespace", Value::String(arena, space), arena);
  } else if (ns != nullptr || !object.ns.empty()) {
    metadata = WithoutEntry(metadata, "namespace", arena);
  }
  std::string name =
      AsciiLower(fmt::format("{}{}{}", object.name, gvk.kind.empty() ? "" : "-", gvk.kind));
  metadata = WithEntry(metadata, "name", Value::String(arena, name), arena);
  if (const Value owners = OwnerReferences(metadata, object, arena); !owners.IsNull()) {
    metadata = WithEntry(metadata, "ownerReferences", owners, arena);
  }
  return WithEntry(source, "metadata", metadata, arena);
}

bool ExpansionTemplate::Is(const ObjectView& object) {
  return object.group == "expansion.gatekeeper.sh" && object.kind == "ExpansionTemplate";
}

Result<ExpansionTemplate> ExpansionTemplate::Read(const Value& object) {
  ExpansionTemplate out;
  out.name = BW_TRY(ReadText(object["metadata"], "name"));
  const Value spec = object["spec"];
  out.apply_to = BW_TRY(ApplyTo::Read(spec["applyTo"]));
  out.source = BW_TRY(ReadText(spec, "templateSource"));
  const Value generated = spec["generatedGVK"];
  out.generated = {
    BW_TRY(ReadText(generated, "group")),
    BW_TRY(ReadText(generated, "version")),
    BW_TRY(ReadText(generated, "kind"))
  };
  out.enforcement_action = BW_TRY(ReadText(spec, "enforcementAction"));
  return out;
}

Result<> ExpansionTemplate::Validate() const {
  if (name.empty()) return Wrong("ExpansionTemplate has empty name field");
  if (name.size() >= 64) return Wrong("ExpansionTemplate name must be less than 64 characters");
  if (source.empty())
    return Wrong(fmt::format("ExpansionTemplate {} has empty source field", name));
  if (generated == Gvk()) {
    return Wrong(fmt::format("ExpansionTemplate {} has empty generatedGVK field", name));
  }
  if (apply_to.empty()) {
    return Wrong(fmt::format("ExpansionTemplate {} must specify ApplyTo", name));
  }
  if (AppliesTo(apply_to, generated.group, generated.version, generated.kind)) {
    return Wrong(
        fmt::format("ExpansionTemplate {} generates GVK {}, but also applies to that same GVK",
                    name, generated.ToString()));
  }
  return Ok{};
}

Result<> ExpansionSystem::Upsert(ExpansionTemplate expansion) {
  BW_TRY(expansion.Validate());
  std::string name = expansion.name;
  templates_[name] = {std::move(expansion), false};
  FindCycles();
  if (templates_[name].conflict) {
    return Error(Code::kInvalid, "gate.expansion.cycle", "template forms expansion cycle");
  }
  return Ok{};
}

void ExpansionSystem::Remove(const std::string& name) {
  templates_.erase(name);
  FindCycles();
}

std::vector<std::string> ExpansionSystem::Conflicts() const {
  std::vector<std::string> out;
  for (const auto& [name, state] : templates_) {
    if (state.conflict) out.push_back(name);
  }
  return out;
}

// A template is in a circle if it can reach itself. There are few.
void ExpansionSystem::FindCycles() {
  by_gvk_.clear();
  for (const auto& [name, state] : templates_) {
    std::set<Gvk> kinds;
    for (const ApplyTo& apply : state.expansion.apply_to) {
      for (Gvk& gvk : apply.Flatten()) kinds.insert(std::move(gvk));
    }
    for (const Gvk& gvk : kinds) by_gvk_[gvk].push_back(&state);
  }
  for (auto& [name, state] : templates_) {
    std::set<const State*> seen;
    std::vector<const State*> todo = {&state};
    state.conflict = false;
    while (!todo.empty() && !state.conflict) {
      const State* at = todo.back();
      todo.pop_back();
      auto next = by_gvk_.find(at->expansion.generated);
      if (next == by_gvk_.end()) continue;
      for (const State* to : next->second) {
        if (to == &state) state.conflict = true;
        if (seen.insert(to).second) todo.push_back(to);
      }
    }
  }
}

std::vector<const ExpansionSystem::State*> ExpansionSystem::TemplatesFor(
    const ObjectView& object) const {
  std::vector<const State*> out;
  auto found = by_gvk_.find(
      Gvk{std::string(object.group), std::string(object.version), std::string(object.kind)});
  if (found == by_gvk_.end()) return out;
  std::copy_if(found->second.begin(), found->second.end(), std::back_inserter(out),
               [](const State* state) { return !state->conflict; });
  return out;
}

Result<std::vector<Resultant>> ExpansionSystem::Expand(const Mutable& base, Arena& arena) const {
  std::vector<Resultant> out;
  BW_TRY(ExpandInto(base, out, 0, arena));
  return out;
}

Result<> ExpansionSystem::ExpandInto(const Mutable& base, std::vector<Resultant>& out, int depth,
                                     Arena& arena) const {
  if (depth >= kMaxDepth) {
    return Error(Code::kLimit, "gate.expansion",
                 fmt::format("maximum recursion depth of {} reached", kMaxDepth));
  }
  ObjectView view(base.object);
  if (view.kind.empty() && view.version.empty() && view.group.empty()) {
    return Wrong(fmt::format("cannot expand resource {} with empty GVK", view.name));
  }
  std::vector<Resultant> mine;
  for (const State* state : TemplatesFor(view)) {
    Value object = BW_TRY(ExpandResource(base.object, base.ns, state->expansion, arena));
    if (mutators_ != nullptr) {
      Result<MutationSystem::Mutated> mutated =
          mutators_->Mutate({object, base.ns, base.username, kSourceGenerated, ""}, arena);
      if (!mutated) {
        return Error(mutated.error().code(), mutated.error().id(),
                     fmt::format("failed to mutate resultant resource {}: {}",
                                 ObjectView(object).name, mutated.error().message()));
      }
      object = mutated->object;
    }
    mine.push_back({object, state->expansion.name, state->expansion.enforcement_action});
  }
  for (const Resultant& resultant : mine) {
    BW_TRY(ExpandInto({resultant.object, base.ns, base.username, base.source, ""}, out, depth + 1,
                      arena));
  }
  out.insert(out.end(), mine.begin(), mine.end());
  return Ok{};
}

std::string ImpliedMessage(std::string_view template_name, std::string_view message) {
  return fmt::format("[Implied by {}] {}", template_name, message);
}

}  // namespace bulwark::admission
