#include "features/admission/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "features/admission/go_text.h"
#include "features/admission/mutator.h"

namespace bulwark::admission {

namespace {

constexpr std::string_view kTemplateGroup = "templates.gatekeeper.sh";
constexpr std::string_view kConstraintGroup = "constraints.gatekeeper.sh";

Error BadTemplate(std::string_view what) {
  return Error(Code::kInvalid, "gate.template",
               fmt::format("invalid ConstraintTemplate: {}", what));
}

Error BadConstraint(std::string_view what) {
  return Error(Code::kInvalid, "gate.constraint", fmt::format("invalid Constraint: {}", what));
}

Error Undecodable(std::string_view field, std::string_view expected, const Value& found) {
  return Error(Code::kInvalid, "gate.template.decode",
               fmt::format("json: cannot unmarshal {} into Go struct field {} of type {}",
                           GoJsonType(found), field, expected));
}

Result<Value> MapAt(const Value& map, std::string_view field, std::string_view path) {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return Value();
  if (!found->IsMap()) return Undecodable(path, "object", *found);
  return *found;
}

Result<std::string_view> TextAt(const Value& map, std::string_view field, std::string_view path) {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return std::string_view();
  if (!found->IsString()) return Undecodable(path, "string", *found);
  return found->AsString();
}

Result<std::span<const Value>> ListAt(const Value& map, std::string_view field,
                                      std::string_view path) {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return std::span<const Value>();
  if (!found->IsArray()) return Undecodable(path, "list", *found);
  return found->items();
}

// What is wrong with a DNS label (RFC 1035); "" if nothing is.
std::string_view CheckDns1035(std::string_view text) {
  if (text.size() > 63) return "must be no more than 63 characters";
  bool fine = !text.empty() && text[0] >= 'a' && text[0] <= 'z' && text.back() != '-' &&
              std::all_of(text.begin(), text.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || IsAsciiDigit(c) || c == '-';
              });
  if (fine) return "";
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
         "an "
         "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
         "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

bool DnsSubdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (std::string_view part : Split(text, '.')) {
    if (part.empty() || part.front() == '-' || part.back() == '-') return false;
    for (char c : part) {
      if (!(c >= 'a' && c <= 'z') && !IsAsciiDigit(c) && c != '-') return false;
    }
  }
  return true;
}

// A target as JSON decodes it; Rego beside `code` counts as its first source.
Result<> ReadTarget(const Value& target, ConstraintTemplate& out, Arena& arena) {
  for (const Value& code : BW_TRY(ListAt(target, "code", "spec.targets.code"))) {
    if (!code.IsMap()) return Undecodable("spec.targets.code", "object", code);
    out.code.push_back({
      std::string(BW_TRY(TextAt(code, "engine", "spec.targets.code.engine"))), code["source"]
    });
  }
  for (const Value& operation : BW_TRY(ListAt(target, "operations", "spec.targets.operations"))) {
    if (!operation.IsString()) return Undecodable("spec.targets.operations", "string", operation);
    out.operations.emplace_back(operation.AsString());
  }
  std::string_view rego = BW_TRY(TextAt(target, "rego", "spec.targets.rego"));
  std::span<const Value> libs = BW_TRY(ListAt(target, "libs", "spec.targets.libs"));
  for (const Value& lib : libs) {
    if (!lib.IsString()) return Undecodable("spec.targets.libs", "string", lib);
  }
  if (rego.empty()) return Ok{};
  MapBuilder source(arena);
  source.Add("rego", Value::String(rego));
  if (!libs.empty()) source.Add("libs", Value::Array(libs));
  const Value made = source.Finish();
  for (ConstraintTemplate::Source& code : out.code) {
    if (code.engine == kRegoEngine) {
      code.source = made;
      return Ok{};
    }
  }
  out.code.push_back({std::string(kRegoEngine), made});
  return Ok{};
}

}  // namespace

Result<> ValidateKind(std::string_view kind) {
  std::vector<std::string> problems;
  std::string lower = AsciiLower(kind), list = std::string(kind) + "List";
  auto check = [&](std::string_view field, std::string_view value, std::string_view prefix) {
    std::string_view wrong = CheckDns1035(AsciiLower(value));
    if (wrong.empty()) return;
    problems.push_back(fmt::format("spec.names.{}: Invalid value: {}: {}{}", field, GoQuote(value),
                                   prefix, wrong));
  };
  constexpr std::string_view kMixed = "may have mixed case, but should otherwise match: ";
  check("plural", lower, "");
  check("singular", lower, "");
  check("kind", kind, kMixed);
  check("listKind", list, kMixed);
  if (problems.empty()) return Ok{};
  return Error(Code::kInvalid, "gate.template",
               problems.size() == 1 ? problems[0] : fmt::format("[{}]", fmt::join(problems, ", ")));
}

bool ConstraintTemplate::Is(const ObjectView& object) {
  return object.group == kTemplateGroup && object.kind == "ConstraintTemplate";
}

Result<> DecodeTemplate(const Value& object) {
  ObjectView view(object);
  if (!ConstraintTemplate::Is(view)) {
    return Error(Code::kInvalid, "gate.template.not", "not a ConstraintTemplate");
  }
  if (view.version != "v1" && view.version != "v1beta1" && view.version != "v1alpha1") {
    return Error(
        Code::kInvalid, "gate.template.decode",
        fmt::format("no kind \"ConstraintTemplate\" is registered for version {} in scheme "
                    "\"pkg/runtime/scheme.go:111\"",
                    GoQuote(view.api_version)));
  }
  const Value spec = object["spec"];
  if (!spec.IsMap() && !spec.IsNull()) {
    return Undecodable("ConstraintTemplate.spec",
                       fmt::format("{}.ConstraintTemplateSpec", view.version), spec);
  }
  const Value crd = BW_TRY(MapAt(spec, "crd", "spec.crd"));
  const Value crd_spec = BW_TRY(MapAt(crd, "spec", "spec.crd.spec"));
  const Value names = BW_TRY(MapAt(crd_spec, "names", "spec.crd.spec.names"));
  BW_TRY(TextAt(names, "kind", "spec.crd.spec.names.kind"));
  const Value validation = BW_TRY(MapAt(crd_spec, "validation", "spec.crd.spec.validation"));
  BW_TRY(MapAt(validation, "openAPIV3Schema", "spec.crd.spec.validation.openAPIV3Schema"));
  if (const Value legacy = validation["legacySchema"]; !legacy.IsBool() && !legacy.IsNull()) {
    return Undecodable("spec.crd.spec.validation.legacySchema", "bool", legacy);
  }
  Arena scratch;
  for (const Value& target : BW_TRY(ListAt(spec, "targets", "spec.targets"))) {
    if (!target.IsMap()) return Undecodable("spec.targets", "object", target);
    ConstraintTemplate ignored;
    BW_TRY(TextAt(target, "target", "spec.targets.target"));
    BW_TRY(ReadTarget(target, ignored, scratch));
  }
  return Ok{};
}

Result<ConstraintTemplate> ConstraintTemplate::Read(const Value& object, Arena& arena) {
  BW_TRY(DecodeTemplate(object));
  ObjectView view(object);
  ConstraintTemplate out;
  out.name = view.name;
  const Value spec = object["spec"];
  std::span<const Value> targets = spec["targets"].items();
  if (targets.size() != 1) return BadTemplate("must declare exactly one target");
  std::string_view target = targets[0].StringAt("target");
  if (target.empty()) return BadTemplate("target name must not be empty");
  const Value crd = spec["crd"]["spec"];
  out.kind = crd["names"].StringAt("kind");
  if (out.kind.empty()) {
    return BadTemplate(
        fmt::format("ConstraintTemplate {} does not specify CRD Kind", GoQuote(out.name)));
  }
  if (!EqualsIgnoringCase(out.name, out.kind)) {
    return BadTemplate(fmt::format(
        "the ConstraintTemplate's name {} is not equal to the lowercase of CRD's Kind: {}",
        GoQuote(out.name), GoQuote(AsciiLower(out.kind))));
  }
  if (target != kTarget) {
    return BadTemplate(
        fmt::format("target {} not recognized, known targets [{}]", GoQuote(target), kTarget));
  }
  if (Result<> names = ValidateKind(out.kind); !names) return BadTemplate(names.error().message());
  const Value validation = crd["validation"];
  const Value legacy = validation["legacySchema"];
  Result<std::shared_ptr<const ConstraintSchema>> schema = ConstraintSchema::Create(
      validation["openAPIV3Schema"], legacy.IsNull() ? view.version != "v1" : legacy.AsBool());
  if (!schema) return BadTemplate(schema.error().message());
  out.schema = *std::move(schema);
  BW_TRY(ReadTarget(targets[0], out, arena));
  return out;
}

const ConstraintTemplate::Source* ConstraintTemplate::Find(std::string_view engine) const {
  for (const Source& source : code) {
    if (source.engine == engine) return &source;
  }
  return nullptr;
}

bool ConstraintTemplate::MatchesOperation(std::string_view operation) const {
  return operations.empty() ||
         std::any_of(operations.begin(), operations.end(),
                     [&](const std::string& o) { return o == operation || o == "*"; });
}

// --- Constraints ---------------------------------------------------------------------------------

bool Constraint::Is(const ObjectView& object) { return object.group == kConstraintGroup; }

Result<std::vector<std::string>> ScopedActions(const Value& constraint, std::string_view point) {
  const Value* list = constraint["spec"].Find("scopedEnforcementActions");
  if (list == nullptr || !list->IsArray()) {
    return Error(Code::kInvalid, "gate.constraint",
                 "missing required field: spec.scopedEnforcementActions must be defined");
  }
  constexpr std::string_view kShape =
      "scopedEnforcementActions value must be a [{action: string, enforcementPoints: [{name: "
      "string}]}]";
  std::set<std::string> actions;
  for (const Value& entry : list->items()) {
    if (!entry.IsMap()) return BadConstraint(kShape);
    const Value points = entry["enforcementPoints"];
    if (!points.IsArray() && !points.IsNull()) return BadConstraint(kShape);
    for (const Value& where : points.items()) {
      std::string_view name = where.StringAt("name");
      if (name != "*" && name != point) continue;
      actions.emplace(entry.StringAt("action"));
      if (name == "*") break;
    }
  }
  return std::vector<std::string>(actions.begin(), actions.end());
}

Result<> ValidateSelectors(const Value& constraint) {
  const Value match = constraint["spec"]["match"];
  for (std::string_view field : {"labelSelector", "namespaceSelector"}) {
    const Value* selector = match.Find(field);
    if (selector == nullptr || selector->IsNull()) continue;
    if (!selector->IsMap()) {
      return Error(Code::kInvalid, "gate.constraint",
                   fmt::format(".spec.match.{} accessor error: {} is of the type {}, expected "
                               "map[string]interface{{}}",
                               field, GoText(*selector), GoType(*selector)));
    }
    Result<LabelSelector> read = LabelSelector::Read(*selector);
    if (!read) {
      return Error(
          Code::kInvalid, "gate.constraint",
          fmt::format("Could not convert JSON to LabelSelector: {}", read.error().message()));
    }
    // Kubernetes' checks stand at this path whichever of the two it is.
    std::vector<std::string> problems = LabelSelector::Problems(*selector, "spec.labelSelector");
    if (!problems.empty()) {
      return Error(
          Code::kInvalid, "gate.constraint",
          problems.size() == 1 ? problems[0] : fmt::format("[{}]", fmt::join(problems, ", ")));
    }
  }
  return Ok{};
}

Result<Constraint> Constraint::Read(const Value& object, const ConstraintTemplate& of,
                                    std::string_view point, Arena& arena) {
  ObjectView view(object);
  if (view.name.empty()) return BadConstraint("missing metadata.name");
  if (view.kind.empty()) return BadConstraint("missing kind");
  if (view.group != kConstraintGroup) {
    return BadConstraint(fmt::format("wrong API Group for Constraint {}, got {} but need {}",
                                     GoQuote(view.name), GoQuote(view.group),
                                     GoQuote(kConstraintGroup)));
  }
  if (Result<> selectors = ValidateSelectors(object); !selectors) {
    return BadConstraint(selectors.error().message());
  }
  if (!DnsSubdomain(view.name)) {
    return BadConstraint(fmt::format(
        "invalid name: {}",
        GoQuote(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")));
  }
  if (view.kind != of.kind) {
    return BadConstraint(fmt::format("wrong kind {} for constraint {}; want {}", GoQuote(view.name),
                                     GoQuote(view.kind), GoQuote(of.kind)));
  }
  if (view.version != "v1beta1" && view.version != "v1alpha1") {
    return BadConstraint(fmt::format(
        "unsupported version {} for Constraint {}; supported versions: map[v1alpha1:true "
        "v1beta1:true]",
        GoQuote(view.version), GoQuote(view.name)));
  }
  BW_TRY(of.schema->Validate(object));

  Constraint out;
  out.object = WithoutEntry(of.schema->WithDefaults(object, arena), "status", arena);
  out.kind = view.kind;
  out.name = view.name;
  const Value spec = out.object["spec"];
  const Value* action = spec.Find("enforcementAction");
  if (action != nullptr && !action->IsString()) {
    return BadConstraint("invalid spec.enforcementAction");
  }
  out.action = action == nullptr ? "deny" : action->AsString();
  out.is_scoped = out.action == "scoped";
  if (out.is_scoped) out.scoped = BW_TRY(ScopedActions(out.object, point));
  if (const Value* match = spec.Find("match"); match != nullptr && !match->IsNull()) {
    Result<Match> read = Match::Read(*match);
    if (!read) {
      return BadConstraint(fmt::format("unable to create matcher: {}", read.error().message()));
    }
    out.match = *std::move(read);
    out.has_match = true;
  }
  const Value* parameters = spec.Find("parameters");
  out.parameters = parameters == nullptr || parameters->IsNull() ? Value::EmptyMap() : *parameters;
  return out;
}

}  // namespace bulwark::admission
