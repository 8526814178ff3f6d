#include "features/admission/match.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "features/admission/go_text.h"

namespace bulwark::admission {

namespace {

constexpr std::string_view kStar = "*";

Error MatchError(std::string_view what) {
  return Error(Code::kInvalid, "gate.match", fmt::format("failed to run Match criteria: {}", what));
}

bool Has(std::span<const std::string_view> set, std::string_view element) {
  return std::find(set.begin(), set.end(), element) != set.end();
}

bool Has(std::span<const std::string> set, std::string_view element) {
  return std::find(set.begin(), set.end(), element) != set.end();
}

// What encoding/json says of a value that does not fit; `field` is "Match.kinds".
Error WrongType(std::string_view field, const Value& found, std::string_view type) {
  return Error(Code::kInvalid, "gate.match",
               fmt::format("json: cannot unmarshal {} into Go struct field {} of type {}",
                           GoJsonType(found), field, type));
}

// `path` is the field with the Go types before it: "Match.kinds.apiGroups".
std::string_view LastOf(std::string_view path) { return path.substr(path.rfind('.') + 1); }

Result<std::string_view> ReadText(const Value& map, std::string_view path,
                                  std::string_view type = "string") {
  const Value* found = map.Find(LastOf(path));
  if (found == nullptr || found->IsNull()) return std::string_view();
  if (!found->IsString()) return WrongType(path, *found, type);
  return found->AsString();
}

Result<std::vector<std::string_view>> ReadTexts(const Value& map, std::string_view path,
                                                std::string_view type = "string") {
  std::vector<std::string_view> out;
  const Value* found = map.Find(LastOf(path));
  if (found == nullptr || found->IsNull()) return out;
  if (!found->IsArray()) return WrongType(path, *found, fmt::format("[]{}", type));
  for (const Value& item : found->items()) {
    if (!item.IsString() && !item.IsNull()) return WrongType(path, item, type);
    out.push_back(item.IsNull() ? std::string_view() : item.AsString());
  }
  return out;
}

bool AlphaNumeric(char c) { return IsAsciiLetter(c) || IsAsciiDigit(c); }

// (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?
bool LabelText(std::string_view text) {
  if (text.empty()) return true;
  if (!AlphaNumeric(text.front()) || !AlphaNumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return AlphaNumeric(c) || c == '-' || c == '_' || c == '.'; });
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

std::string ValidateLabelKey(std::string_view key) {
  std::string_view name = key;
  if (auto parts = Cut(key, "/")) {
    if (parts->second.find('/') != std::string_view::npos) {
      return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must "
             "start and end with an alphanumeric character with an optional DNS subdomain prefix "
             "and '/' (e.g. 'example.com/MyName')";
    }
    if (parts->first.empty()) return "prefix part must be non-empty";
    if (!DnsSubdomain(parts->first)) {
      return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
             "characters, '-' or '.', and must start and end with an alphanumeric character";
    }
    name = parts->second;
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part must be no more than 63 bytes";
  if (!LabelText(name)) {
    return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and "
           "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
           "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  }
  return {};
}

std::string ValidateLabelValue(std::string_view value) {
  if (value.size() > 63) return "must be no more than 63 bytes";
  if (!LabelText(value)) {
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
           "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
           "'my_value',  or '12345', regex used for validation is "
           "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
  }
  return {};
}

}  // namespace

// --- Wildcard ------------------------------------------------------------------------------------

bool Wildcard::Matches(std::string_view name) const {
  bool front = pattern_.starts_with('*'), back = pattern_.ends_with('*');
  std::string_view rest = pattern_;
  if (front) rest.remove_prefix(1);
  if (front && back) {
    if (rest.ends_with('*')) rest.remove_suffix(1);
    return name.find(rest) != std::string_view::npos;
  }
  if (front) return name.ends_with(rest);
  if (back) return name.starts_with(rest.substr(0, rest.size() - 1));
  return name == pattern_;
}

bool Wildcard::MatchesGenerateName(std::string_view prefix) const {
  return pattern_.ends_with('*') && Matches(prefix);
}

// --- LabelSelector -------------------------------------------------------------------------------

Result<LabelSelector> LabelSelector::Read(const Value& selector) {
  LabelSelector out;
  if (!selector.IsMap()) return WrongType("LabelSelector", selector, "v1.LabelSelector");
  auto fail = [&](std::string what) {
    if (!out.error_) out.error_ = Error(Code::kInvalid, "gate.match", std::move(what));
  };
  auto add = [&](std::string_view key, Operator op, std::vector<std::string_view> values) {
    if (std::string wrong = ValidateLabelKey(key); !wrong.empty()) {
      fail(fmt::format("key: Invalid value: {}: {}", GoQuote(key), wrong));
    }
    if (op == Operator::kIn || op == Operator::kNotIn) {
      if (values.empty()) {
        fail("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
      }
    } else if (!values.empty()) {
      fail(
          fmt::format("values: Invalid value: [{}]: values set must be empty for exists and does "
                      "not exist",
                      fmt::join(values, " ")));
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::string wrong = ValidateLabelValue(values[i]); !wrong.empty()) {
        fail(fmt::format("values[{}][{}]: Invalid value: {}: {}", i, key, GoQuote(values[i]),
                         wrong));
      }
    }
    out.requirements_.push_back({key, op, std::move(values)});
  };
  const Value labels = selector["matchLabels"];
  if (!labels.IsNull() && !labels.IsMap()) {
    return WrongType("LabelSelector.matchLabels", labels, "map[string]string");
  }
  for (const auto& [key, value] : labels.entries()) {
    if (!value.IsString() && !value.IsNull()) {
      return WrongType("LabelSelector.matchLabels", value, "string");
    }
    add(key.AsString(), Operator::kIn, {value.IsNull() ? std::string_view() : value.AsString()});
  }
  const Value expressions = selector["matchExpressions"];
  if (!expressions.IsNull() && !expressions.IsArray()) {
    return WrongType("LabelSelector.matchExpressions", expressions,
                     "[]v1.LabelSelectorRequirement");
  }
  for (const Value& expression : expressions.items()) {
    constexpr std::string_view kAt = "LabelSelector.matchExpressions";
    if (!expression.IsMap()) return WrongType(kAt, expression, "v1.LabelSelectorRequirement");
    std::string_view key =
        BW_TRY(ReadText(expression, "LabelSelectorRequirement.matchExpressions.key"));
    std::string_view op =
        BW_TRY(ReadText(expression, "LabelSelectorRequirement.matchExpressions.operator",
                        "v1.LabelSelectorOperator"));
    std::vector<std::string_view> values =
        BW_TRY(ReadTexts(expression, "LabelSelectorRequirement.matchExpressions.values"));
    if (op == "In") {
      add(key, Operator::kIn, std::move(values));
    } else if (op == "NotIn") {
      add(key, Operator::kNotIn, std::move(values));
    } else if (op == "Exists") {
      add(key, Operator::kExists, std::move(values));
    } else if (op == "DoesNotExist") {
      add(key, Operator::kDoesNotExist, std::move(values));
    } else {
      fail(fmt::format("{} is not a valid label selector operator", GoQuote(op)));
    }
  }
  return out;
}

Result<bool> LabelSelector::Matches(const Value& labels) const {
  if (error_) return *error_;
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& r) {
    const Value* found = labels.Find(r.key);
    // A label that is no string: unstructured objects have no labels then, but one wrong label
    // should not hide the others.
    bool has = found != nullptr && found->IsString();
    switch (r.op) {
      case Operator::kIn: return has && Has(r.values, found->AsString());
      case Operator::kNotIn: return !has || !Has(r.values, found->AsString());
      case Operator::kExists: return has;
      case Operator::kDoesNotExist: return !has;
    }
    return false;
  });
}

std::vector<std::string> LabelSelector::Problems(const Value& selector, std::string_view path) {
  std::vector<std::string> out;
  auto text = [](const Value& value) { return value.IsString() ? value.AsString() : ""; };
  auto invalid = [&](const std::string& at, std::string_view value, std::string_view what) {
    out.push_back(fmt::format("{}{}: Invalid value: {}: {}", path, at, GoQuote(value), what));
  };
  const Value expressions = selector["matchExpressions"];
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Value expression = expressions[i];
    std::string at = fmt::format(".matchExpressions[{}]", i);
    std::string_view op = expression.StringAt("operator");
    const Value values = expression["values"];
    if (op == "In" || op == "NotIn") {
      if (values.empty()) {
        out.push_back(fmt::format(
            "{}{}.values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            path, at));
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!values.empty()) {
        out.push_back(
            fmt::format("{}{}.values: Forbidden: may not be specified when `operator` is "
                        "'Exists' or 'DoesNotExist'",
                        path, at));
      }
    } else {
      invalid(at + ".operator", op, "not a valid selector operator");
    }
    std::string_view key = expression.StringAt("key");
    if (std::string wrong = ValidateLabelKey(key); !wrong.empty()) invalid(at + ".key", key, wrong);
    for (size_t j = 0; j < values.size(); ++j) {
      if (std::string wrong = ValidateLabelValue(text(values[j])); !wrong.empty()) {
        invalid(fmt::format("{}.values[{}]", at, j), text(values[j]), wrong);
      }
    }
  }
  for (const auto& [key, value] : selector["matchLabels"].entries()) {
    if (std::string wrong = ValidateLabelKey(key.AsString()); !wrong.empty()) {
      invalid(".matchLabels", key.AsString(), wrong);
    }
    if (std::string wrong = ValidateLabelValue(text(value)); !wrong.empty()) {
      invalid(".matchLabels", text(value), wrong);
    }
  }
  return out;
}

// --- ObjectView ----------------------------------------------------------------------------------

ObjectView::ObjectView(const Value& object)
    : value(&object), api_version(object.StringAt("apiVersion")), kind(object.StringAt("kind")) {
  size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) {
    version = api_version;
  } else if (api_version.find('/', slash + 1) == std::string_view::npos) {
    group = api_version.substr(0, slash);
    version = api_version.substr(slash + 1);
  }
  if (const Value* metadata = object.Find("metadata")) {
    name = metadata->StringAt("name");
    generate_name = metadata->StringAt("generateName");
    ns = metadata->StringAt("namespace");
    labels = (*metadata)["labels"];
  }
}

// --- Match ---------------------------------------------------------------------------------------

Result<Match> Match::Read(const Value& spec) {
  Match out;
  if (spec.IsNull()) return out;
  if (!spec.IsMap()) {
    return Error(Code::kInvalid, "gate.match",
                 fmt::format(".spec.match accessor error: {} is of the type {}, expected "
                             "map[string]interface{{}}",
                             GoText(spec), GoType(spec)));
  }
  Result<Match> read = ReadMap(spec);
  if (!read) {
    return Error(Code::kInvalid, "gate.match",
                 fmt::format("could not convert JSON to Match: {}", read.error().message()));
  }
  return read;
}

Result<Match> Match::ReadMap(const Value& spec) {
  Match out;
  const Value kinds = spec["kinds"];
  if (!kinds.IsNull() && !kinds.IsArray()) {
    return WrongType("Match.kinds", kinds, "[]match.Kinds");
  }
  for (const Value& entry : kinds.items()) {
    if (!entry.IsMap()) return WrongType("Match.kinds", entry, "match.Kinds");
    out.kinds_.push_back({
      BW_TRY(ReadTexts(entry, "Kinds.kinds.apiGroups"))
      , BW_TRY(ReadTexts(entry, "Kinds.kinds.kinds"))
    });
  }
  out.scope_ = BW_TRY(ReadText(spec, "Match.scope", "v1.ResourceScope"));
  out.source_ = BW_TRY(ReadText(spec, "Match.source"));
  for (std::string_view pattern :
       BW_TRY(ReadTexts(spec, "Match.namespaces", "wildcard.Wildcard"))) {
    out.namespaces_.emplace_back(pattern);
  }
  for (std::string_view pattern :
       BW_TRY(ReadTexts(spec, "Match.excludedNamespaces", "wildcard.Wildcard"))) {
    out.excluded_.emplace_back(pattern);
  }
  if (const Value* selector = spec.Find("labelSelector"); selector && !selector->IsNull()) {
    out.label_selector_ = BW_TRY(LabelSelector::Read(*selector));
  }
  if (const Value* selector = spec.Find("namespaceSelector"); selector && !selector->IsNull()) {
    out.namespace_selector_ = BW_TRY(LabelSelector::Read(*selector));
  }
  std::string_view name = BW_TRY(ReadText(spec, "Match.name", "wildcard.Wildcard"));
  if (!name.empty()) out.name_ = Wildcard(name);
  return out;
}

bool Match::MatchesKind(std::string_view group, std::string_view kind) const {
  if (kinds_.empty()) return true;
  return std::any_of(kinds_.begin(), kinds_.end(), [&](const Kinds& entry) {
    return (entry.kinds.empty() || Has(entry.kinds, kStar) || Has(entry.kinds, kind)) &&
           (entry.groups.empty() || Has(entry.groups, kStar) || Has(entry.groups, group));
  });
}

bool Match::TakesAnyKind() const {
  return kinds_.empty() || std::any_of(kinds_.begin(), kinds_.end(), [](const Kinds& entry) {
           return entry.kinds.empty() || Has(entry.kinds, kStar);
         });
}

std::vector<std::string_view> Match::NamedKinds() const {
  std::vector<std::string_view> out;
  for (const Kinds& entry : kinds_) out.insert(out.end(), entry.kinds.begin(), entry.kinds.end());
  return out;
}

Result<bool> Match::Matches(const Matchable& target) const {
  const ObjectView& object = target.object;
  if (object.value == nullptr) return MatchError("obj must be non-nil");
  if (!MatchesKind(object.group, object.kind)) return false;

  bool is_namespace = object.IsNamespace();
  bool has_namespace = !object.ns.empty() || target.ns != nullptr;
  if (scope_ == "Cluster" && !is_namespace && has_namespace) return false;
  if (scope_ == "Namespaced" && (is_namespace || !has_namespace)) return false;

  if (!namespaces_.empty() || !excluded_.empty()) {
    std::optional<std::string_view> ns;
    if (is_namespace) {
      ns = object.name;
    } else if (target.ns != nullptr) {
      ns = target.ns->name;
    } else if (!object.ns.empty()) {
      ns = object.ns;
    }
    auto named = [&](const Wildcard& w) { return w.Matches(*ns); };
    if (ns && !namespaces_.empty() && std::none_of(namespaces_.begin(), namespaces_.end(), named)) {
      return false;
    }
    if (ns && std::any_of(excluded_.begin(), excluded_.end(), named)) return false;
  }

  auto select = [](const LabelSelector& selector, const Value& labels) -> Result<bool> {
    Result<bool> matches = selector.Matches(labels);
    if (!matches) return MatchError(matches.error().message());
    return matches;
  };
  if (label_selector_ && !BW_TRY(select(*label_selector_, object.labels))) return false;
  if (namespace_selector_ && (is_namespace || has_namespace)) {
    if (namespace_selector_->error()) {
      return MatchError(namespace_selector_->error()->message());
    }
    if (is_namespace) {
      if (!BW_TRY(select(*namespace_selector_, object.labels))) return false;
    } else if (target.ns == nullptr) {
      return MatchError("namespace selector for namespace-scoped object but missing Namespace");
    } else if (!BW_TRY(select(*namespace_selector_, target.ns->labels))) {
      return false;
    }
  }

  if (name_ && !name_->Matches(object.name) && !name_->MatchesGenerateName(object.generate_name)) {
    return false;
  }

  auto valid = [](std::string_view source) {
    return source == kSourceOriginal || source == kSourceGenerated || source == kSourceAll;
  };
  if (!source_.empty() && !valid(source_)) {
    return MatchError(fmt::format("invalid source field {}", GoQuote(source_)));
  }
  if (source_.empty() || source_ == kSourceAll) return true;
  if (target.source.empty()) {
    return MatchError(fmt::format("source field not specified for resource {}", object.name));
  }
  if (!valid(target.source)) {
    return MatchError(fmt::format("invalid source field {}", GoQuote(target.source)));
  }
  return source_ == target.source;
}

// --- ApplyTo -------------------------------------------------------------------------------------

std::string Gvk::ToString() const { return fmt::format("{}/{}, Kind={}", group, version, kind); }

Result<std::vector<ApplyTo>> ApplyTo::Read(const Value& list) {
  std::vector<ApplyTo> out;
  if (list.IsNull()) return out;
  if (!list.IsArray()) return WrongType("applyTo", list, "[]match.ApplyTo");
  for (const Value& entry : list.items()) {
    if (!entry.IsMap()) return WrongType("applyTo", entry, "match.ApplyTo");
    auto texts = [&](std::string_view field) -> Result<std::vector<std::string>> {
      std::vector<std::string_view> views = BW_TRY(ReadTexts(entry, field));
      return std::vector<std::string>(views.begin(), views.end());
    };
    out.push_back({
      BW_TRY(texts("groups"))
      , BW_TRY(texts("versions"))
      , BW_TRY(texts("kinds"))
      , BW_TRY(texts("operations"))
    });
  }
  return out;
}

bool ApplyTo::Matches(std::string_view group, std::string_view version,
                      std::string_view kind) const {
  return Has(groups, group) && Has(versions, version) && Has(kinds, kind);
}

namespace {
constexpr std::string_view kMutated[] = {"CREATE", "UPDATE"};
}  // namespace

bool ApplyTo::MatchesOperation(std::string_view operation) const {
  bool all = operations.empty() || Has(operations, kStar);
  if (operation.empty()) {
    return all || std::all_of(std::begin(kMutated), std::end(kMutated),
                              [&](std::string_view o) { return Has(operations, o); });
  }
  if (!Has(kMutated, operation)) return false;
  return all || Has(operations, operation);
}

std::vector<std::string> ApplyTo::EffectiveOperations() const {
  std::vector<std::string> out;
  bool all = operations.empty() || Has(operations, kStar);
  for (std::string_view operation : kMutated) {
    if (all || Has(operations, operation)) out.emplace_back(operation);
  }
  return out;
}

std::vector<Gvk> ApplyTo::Flatten() const {
  std::vector<Gvk> out;
  for (const std::string& group : groups) {
    for (const std::string& version : versions) {
      for (const std::string& kind : kinds) out.push_back({group, version, kind});
    }
  }
  return out;
}

bool AppliesTo(std::span<const ApplyTo> entries, std::string_view group, std::string_view version,
               std::string_view kind) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const ApplyTo& entry) { return entry.Matches(group, version, kind); });
}

bool AppliesTo(std::span<const ApplyTo> entries, const ObjectView& object,
               std::string_view operation) {
  return std::any_of(entries.begin(), entries.end(), [&](const ApplyTo& entry) {
    return entry.Matches(object.group, object.version, object.kind) &&
           entry.MatchesOperation(operation);
  });
}

Result<> ValidateOperations(std::span<const ApplyTo> entries) {
  std::vector<std::string> wrong;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::vector<std::string>& operations = entries[i].operations;
    for (size_t j = 0; j < operations.size(); ++j) {
      const std::string& operation = operations[j];
      if (Has(std::span(operations).first(j), operation)) {
        wrong.push_back(
            fmt::format("duplicate operation {} in applyTo[{}].operations", GoQuote(operation), i));
      }
      if (operation != kStar && !Has(kMutated, operation)) {
        wrong.push_back(fmt::format(
            "invalid operation {} in applyTo[{}].operations: must be one of CREATE, UPDATE, *",
            GoQuote(operation), i));
      }
    }
    if (operations.size() > 1 && Has(operations, kStar)) {
      wrong.push_back(fmt::format(
          "wildcard \"*\" in applyTo[{}].operations must not be combined with other operations",
          i));
    }
  }
  if (wrong.empty()) return Ok{};
  return Error(Code::kInvalid, "gate.apply_to", fmt::format("{}", fmt::join(wrong, "; ")));
}

}  // namespace bulwark::admission
