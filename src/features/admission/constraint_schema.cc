#include "features/admission/constraint_schema.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "features/admission/go_text.h"
#include "features/admission/mutator.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

// What Gatekeeper puts around a template's parameters; PARAMETERS is for them.
constexpr std::string_view kAround = R"({
 "type": "object",
 "properties": {
  "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 63}}},
  "spec": {
   "type": "object",
   "properties": {
    "match": {
     "type": "object",
     "properties": {
      "source": {"type": "string", "enum": ["All", "Generated", "Original"]},
      "kinds": {"type": "array", "items": {"type": "object", "properties": {
       "apiGroups": {"type": "array", "items": {"type": "string"}},
       "kinds": {"type": "array", "items": {"type": "string"}}}}},
      "scope": {"type": "string"},
      "namespaces": {"type": "array",
                     "items": {"type": "string", "pattern": "^\\*?[-:a-z0-9]*\\*?$"}},
      "excludedNamespaces": {"type": "array",
                             "items": {"type": "string", "pattern": "^\\*?[-:a-z0-9]*\\*?$"}},
      "labelSelector": SELECTOR,
      "namespaceSelector": SELECTOR,
      "name": {"type": "string", "pattern": "^\\*?[-:a-z0-9]*\\*?$"}}},
    "enforcementAction": {"type": "string", "default": "deny"},
    "scopedEnforcementActions": {"type": "array", "items": {"type": "object", "properties": {
     "action": {"type": "string"},
     "enforcementPoints": {"type": "array", "items": {"type": "object", "properties": {
      "name": {"type": "string"}}}}}}}}},
  "status": {"x-kubernetes-preserve-unknown-fields": true}}})";
constexpr std::string_view kSelector = R"({
 "type": "object",
 "properties": {
  "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
  "matchExpressions": {"type": "array", "items": {"type": "object",
   "required": ["key", "operator"],
   "properties": {"key": {"type": "string"}, "operator": {"type": "string"},
                  "values": {"type": "array", "items": {"type": "string"}}}}}}})";

constexpr size_t kMaxDepth = 200;

Error NoSchema(std::string_view field, std::string_view expected, const Value& found) {
  return Error(Code::kInvalid, "gate.schema",
               fmt::format("{}: expected {}, found {}", field, expected, GoType(found)));
}

std::string_view TypeOf(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull: return "null";
    case Value::Kind::kBool: return "boolean";
    case Value::Kind::kInt:
    case Value::Kind::kUint: return "integer";
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: return value.ToInt() ? "integer" : "number";
    case Value::Kind::kArray: return "array";
    case Value::Kind::kMap: return "object";
    default: return "string";
  }
}

std::string Dotted(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

// "spec.x: Invalid value: "y": spec.x in body …", as field.Error prints it.
std::string Invalid(const std::string& path, const Value& value, std::string_view what) {
  std::string shown = value.IsString()                   ? GoQuote(value.AsString())
                      : value.IsMap() || value.IsArray() ? ToJson(value, {.sort_keys = true})
                                                         : GoText(value);
  return fmt::format("{}: Invalid value: {}: {}", path.empty() ? "<nil>" : path, shown, what);
}

std::string Number(double number) {
  std::string out;
  AppendJsonDouble(out, number);
  return out;
}

}  // namespace

struct JsonSchema::Pattern {
  explicit Pattern(std::string_view text) : regex(text, RE2::Quiet) {}
  RE2 regex;
};

JsonSchema::~JsonSchema() = default;

Result<JsonSchema::Ref> JsonSchema::Read(const Value& json, bool legacy, size_t max_depth) {
  return Ref(BW_TRY(ReadAt(json, legacy, max_depth)));
}

Result<JsonSchema::Own> JsonSchema::ReadAt(const Value& json, bool legacy, size_t depth) {
  if (depth == 0) return Error(Code::kLimit, "gate.schema", "the schema is nested too deep");
  if (!json.IsMap()) return NoSchema("schema", "an object", json);
  auto out = std::make_shared<JsonSchema>();
  auto schemas = [&](std::string_view field, std::vector<Ref>& to) -> Result<> {
    const Value* found = json.Find(field);
    if (found == nullptr || found->IsNull()) return Ok{};
    if (!found->IsArray()) return NoSchema(field, "a list", *found);
    // Below a junctor nothing is kept or dropped.
    for (const Value& item : found->items()) to.push_back(BW_TRY(ReadAt(item, false, depth - 1)));
    return Ok{};
  };
  auto text = [&](std::string_view field, std::string& to) -> Result<> {
    const Value* found = json.Find(field);
    if (found == nullptr || found->IsNull()) return Ok{};
    if (!found->IsString()) return NoSchema(field, "a string", *found);
    to = found->AsString();
    return Ok{};
  };
  auto flag = [&](std::string_view field, bool& to) -> Result<> {
    const Value* found = json.Find(field);
    if (found == nullptr || found->IsNull()) return Ok{};
    if (!found->IsBool()) return NoSchema(field, "a boolean", *found);
    to = found->AsBool();
    return Ok{};
  };
  auto count = [&](std::string_view field, std::optional<int64_t>& to) -> Result<> {
    const Value* found = json.Find(field);
    if (found == nullptr || found->IsNull()) return Ok{};
    to = found->IsNumber() ? found->ToInt() : std::nullopt;
    if (!to) return NoSchema(field, "an integer", *found);
    return Ok{};
  };
  auto number = [&](std::string_view field, std::optional<double>& to) -> Result<> {
    const Value* found = json.Find(field);
    if (found == nullptr || found->IsNull()) return Ok{};
    if (!found->IsNumber()) return NoSchema(field, "a number", *found);
    to = found->ToDouble();
    return Ok{};
  };
  BW_TRY(text("type", out->type_));
  BW_TRY(text("format", out->format_));
  BW_TRY(text("pattern", out->pattern_text_));
  if (!out->pattern_text_.empty()) {
    out->pattern_ = std::make_unique<Pattern>(out->pattern_text_);
  }
  BW_TRY(flag("nullable", out->nullable_));
  BW_TRY(flag("uniqueItems", out->unique_items_));
  BW_TRY(flag("exclusiveMinimum", out->exclusive_minimum_));
  BW_TRY(flag("exclusiveMaximum", out->exclusive_maximum_));
  BW_TRY(flag("x-kubernetes-preserve-unknown-fields", out->preserve_));
  BW_TRY(flag("x-kubernetes-int-or-string", out->int_or_string_));
  BW_TRY(flag("x-kubernetes-embedded-resource", out->embedded_));
  BW_TRY(count("minLength", out->min_length_));
  BW_TRY(count("maxLength", out->max_length_));
  BW_TRY(count("minItems", out->min_items_));
  BW_TRY(count("maxItems", out->max_items_));
  BW_TRY(count("minProperties", out->min_properties_));
  BW_TRY(count("maxProperties", out->max_properties_));
  BW_TRY(number("minimum", out->minimum_));
  BW_TRY(number("maximum", out->maximum_));
  BW_TRY(number("multipleOf", out->multiple_of_));
  if (const Value* found = json.Find("default")) out->default_ = *found;
  if (const Value found = json["enum"]; found.IsArray()) {
    out->enum_.assign(found.items().begin(), found.items().end());
  }
  if (const Value found = json["required"]; !found.IsNull()) {
    if (!found.IsArray()) return NoSchema("required", "a list", found);
    for (const Value& name : found.items()) {
      if (!name.IsString()) return NoSchema("required", "a string", name);
      out->required_.emplace_back(name.AsString());
    }
  }
  if (const Value found = json["properties"]; !found.IsNull()) {
    if (!found.IsMap()) return NoSchema("properties", "an object", found);
    for (const auto& [name, property] : found.entries()) {
      out->properties_[std::string(name.AsString())] = BW_TRY(ReadAt(property, legacy, depth - 1));
    }
  }
  if (const Value* found = json.Find("items"); found != nullptr && !found->IsNull()) {
    if (found->IsArray()) {
      return Error(Code::kInvalid, "gate.schema",
                   "non-nil JSONSchemas encountered, multiple schemas are not supported");
    }
    out->items_ = BW_TRY(ReadAt(*found, legacy, depth - 1));
  }
  if (const Value* found = json.Find("additionalProperties"); found && !found->IsNull()) {
    out->has_additional_ = true;
    if (found->IsBool()) {
      out->additional_allowed_ = found->AsBool();
    } else {
      out->additional_ = BW_TRY(ReadAt(*found, legacy, depth - 1));
    }
  }
  if (const Value* found = json.Find("not"); found && !found->IsNull()) {
    out->not_ = BW_TRY(ReadAt(*found, false, depth - 1));
  }
  BW_TRY(schemas("allOf", out->all_of_));
  BW_TRY(schemas("anyOf", out->any_of_));
  BW_TRY(schemas("oneOf", out->one_of_));
  if (legacy) {
    if (out->type_.empty() || out->type_ == "object") {
      out->preserve_ = true;
    } else if (out->type_ == "array" && out->items_ == nullptr) {
      auto anything = std::make_shared<JsonSchema>();
      anything->preserve_ = true;
      out->items_ = anything;
    }
  }
  return out;
}

// --- The schema itself ---------------------------------------------------------------------------

void JsonSchema::CheckStructural(const std::string& path,
                                 std::vector<std::string>& problems) const {
  std::vector<std::string> found;
  CheckAt(path, Level::kRoot, Context::kStructure, found);
  std::sort(found.begin(), found.end());
  problems.insert(problems.end(), found.begin(), found.end());
}

bool JsonSchema::IntOrStringPattern() const {
  auto is = [](const std::vector<Ref>& of) {
    return of.size() == 2 && of[0]->type_ == "integer" && of[1]->type_ == "string";
  };
  return int_or_string_ && (is(any_of_) || (!all_of_.empty() && is(all_of_[0]->any_of_)));
}

void JsonSchema::CheckAt(const std::string& path, Level level, Context context,
                         std::vector<std::string>& problems) const {
  bool structure = context == Context::kStructure;
  auto add = [&](std::string_view field, std::string_view what) {
    problems.push_back(fmt::format("{}.{}: {}", path, field, what));
  };
  if (structure) {
    constexpr std::string_view kTypes[] = {"",       "array",  "boolean", "integer",
                                           "number", "object", "string"};
    if (std::find(std::begin(kTypes), std::end(kTypes), type_) == std::end(kTypes)) {
      add("type", fmt::format("Unsupported value: {}: supported values: \"array\", \"boolean\", "
                              "\"integer\", \"number\", \"object\", \"string\"",
                              GoQuote(type_)));
    }
    if (type_ == "array" && items_ == nullptr) {
      add("items", "Required value: must be specified");
    }
    if (has_additional_ && level == Level::kRoot) {
      add("additionalProperties", "Forbidden: must not be used at the root");
    }
    if (has_additional_ && additional_ == nullptr && !additional_allowed_) {
      add("additionalProperties", "Forbidden: additionalProperties cannot be set to false");
    }
    if (has_additional_ && !properties_.empty()) {
      add("additionalProperties",
          "Forbidden: additionalProperties and properties are mutual exclusive");
    }
    if (unique_items_) {
      add("uniqueItems",
          "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
          "quadratic");
    }
    if (int_or_string_ && preserve_) {
      add("x-kubernetes-preserve-unknown-fields",
          "Invalid value: true: must be false if x-kubernetes-int-or-string is true");
    }
    if (embedded_ && type_ != "object") {
      add("type", type_.empty()
                      ? "Required value: must be object if x-kubernetes-embedded-resource is true"
                      : fmt::format("Invalid value: {}: must be object if "
                                    "x-kubernetes-embedded-resource is true",
                                    GoQuote(type_)));
    } else if (type_.empty() && !int_or_string_ && !preserve_) {
      add("type", level == Level::kRoot   ? "Required value: must not be empty at the root"
                  : level == Level::kItem ? "Required value: must not be empty for specified array "
                                            "items"
                                          : "Required value: must not be empty for specified "
                                            "object fields");
    } else if (level == Level::kRoot && type_ != "object" && !type_.empty()) {
      add("type", fmt::format("Invalid value: {}: must be object at the root", GoQuote(type_)));
    }
    if (embedded_ && !preserve_ && properties_.empty()) {
      add("properties",
          "Required value: must not be empty if x-kubernetes-embedded-resource is true without "
          "x-kubernetes-preserve-unknown-fields");
    }
  } else {
    if (!type_.empty()) add("type", "Forbidden: must be empty to be structural");
    if (has_additional_) {
      add("additionalProperties", "Forbidden: must be undefined to be structural");
    }
    if (default_) add("default", "Forbidden: must be undefined to be structural");
    if (nullable_) add("nullable", "Forbidden: must be false to be structural");
  }
  if (pattern_ != nullptr && !pattern_->regex.ok()) {
    add("pattern", fmt::format("Invalid value: {}: must be a valid regular expression, but isn't: "
                               "{}",
                               GoQuote(pattern_text_), GoRegexError(pattern_->regex)));
  }
  if (items_ != nullptr) items_->CheckAt(path + ".items", Level::kItem, context, problems);
  for (const auto& [name, property] : properties_) {
    property->CheckAt(fmt::format("{}.properties[{}]", path, name), Level::kField, context,
                      problems);
  }
  if (additional_ != nullptr) {
    additional_->CheckAt(path + ".additionalProperties", Level::kField, context, problems);
  }
  bool skip = structure && IntOrStringPattern();
  auto nested = [&](const std::vector<Ref>& of, std::string_view name) {
    for (size_t i = 0; i < of.size(); ++i) {
      of[i]->CheckAt(fmt::format("{}.{}[{}]", path, name, i), level, Context::kNested, problems);
    }
  };
  if (!skip) {
    nested(all_of_, "allOf");
    nested(any_of_, "anyOf");
  }
  nested(one_of_, "oneOf");
  if (not_ != nullptr) not_->CheckAt(path + ".not", level, Context::kNested, problems);
}

// --- Validating ----------------------------------------------------------------------------------

bool JsonSchema::Accepts(const Value& value) const {
  std::vector<std::string> problems;
  Validate(value, "", problems);
  return problems.empty();
}

void JsonSchema::Validate(const Value& value, const std::string& path,
                          std::vector<std::string>& problems) const {
  std::string_view type = TypeOf(value);
  // The API server reads every number as a float, which it then calls a number.
  auto wrong_type = [&](std::string_view expected) {
    std::string_view found = type == "integer" ? "number" : type;
    problems.push_back(
        Invalid(path, Value::String(found),
                fmt::format("{} in body must be of type {}: {}", path, expected, GoQuote(found))));
  };
  if (int_or_string_) {
    if (type != "integer" && type != "string" && !(value.IsNull() && nullable_)) {
      return wrong_type("integer,string");
    }
  } else if (!type_.empty()) {
    if (value.IsNull()) {
      if (!nullable_) return wrong_type(type_);
      return;
    }
    if (type != type_ && !(type == "integer" && type_ == "number")) return wrong_type(type_);
  }
  if (value.IsNull()) return;

  if (!enum_.empty() && std::find(enum_.begin(), enum_.end(), value) == enum_.end()) {
    std::vector<std::string> values;
    for (const Value& v : enum_) {
      values.push_back(GoQuote(v.IsString() ? std::string(v.AsString()) : ToJson(v)));
    }
    problems.push_back(fmt::format("{}: Unsupported value: {}: supported values: {}", path,
                                   value.IsString() ? GoQuote(value.AsString()) : ToJson(value),
                                   fmt::join(values, ", ")));
  }
  if (value.IsNumber()) ValidateNumber(value, path, problems);
  if (value.IsString()) ValidateText(value.AsString(), path, problems);
  if (value.IsMap()) ValidateFields(value, path, problems);
  if (value.IsArray()) {
    int64_t size = static_cast<int64_t>(value.size());
    if (items_ != nullptr) {
      for (size_t i = 0; i < value.size(); ++i) {
        items_->Validate(value[i], fmt::format("{}[{}]", path, i), problems);
      }
    }
    if (min_items_ && size < *min_items_) {
      problems.push_back(
          Invalid(path, Value::Int(size),
                  fmt::format("{} in body should have at least {} items", path, *min_items_)));
    }
    if (max_items_ && size > *max_items_) {
      problems.push_back(
          fmt::format("{}: Too many: {}: must have at most {} items", path, size, *max_items_));
    }
  }
  for (const Ref& schema : all_of_) schema->Validate(value, path, problems);
  auto accepted = [&](const std::vector<Ref>& of) {
    return std::count_if(of.begin(), of.end(), [&](const Ref& s) { return s->Accepts(value); });
  };
  if (!any_of_.empty() && accepted(any_of_) == 0) {
    problems.push_back(
        Invalid(path, Value::String(""),
                fmt::format("{} in body must validate at least one schema (anyOf)", path)));
  }
  if (!one_of_.empty()) {
    auto n = accepted(one_of_);
    if (n != 1) {
      problems.push_back(
          Invalid(path, Value::String(""),
                  fmt::format("{} in body must validate one and only one schema (oneOf). {}", path,
                              n == 0 ? "Found none valid"
                                     : fmt::format("Found {} valid alternatives", n))));
    }
  }
  if (not_ != nullptr && not_->Accepts(value)) {
    problems.push_back(Invalid(path, Value::String(""),
                               fmt::format("{} in body must not validate the schema (not)", path)));
  }
}

void JsonSchema::ValidateNumber(const Value& value, const std::string& path,
                                std::vector<std::string>& problems) const {
  double number = value.ToDouble();
  if (maximum_ && (exclusive_maximum_ ? number >= *maximum_ : number > *maximum_)) {
    problems.push_back(
        Invalid(path, value,
                fmt::format("{} in body should be less than {}{}", path,
                            exclusive_maximum_ ? "" : "or equal to ", Number(*maximum_))));
  }
  if (minimum_ && (exclusive_minimum_ ? number <= *minimum_ : number < *minimum_)) {
    problems.push_back(
        Invalid(path, value,
                fmt::format("{} in body should be greater than {}{}", path,
                            exclusive_minimum_ ? "" : "or equal to ", Number(*minimum_))));
  }
  if (multiple_of_ && *multiple_of_ > 0 && std::fmod(number, *multiple_of_) != 0) {
    problems.push_back(
        Invalid(path, value,
                fmt::format("{} in body should be a multiple of {}", path, Number(*multiple_of_))));
  }
}

void JsonSchema::ValidateText(std::string_view text, const std::string& path,
                              std::vector<std::string>& problems) const {
  int64_t length = static_cast<int64_t>(CountCodePoints(text));
  if (max_length_ && length > *max_length_) {
    problems.push_back(
        fmt::format("{}: Too long: may not be more than {} bytes", path, *max_length_));
  }
  if (min_length_ && length < *min_length_) {
    problems.push_back(
        Invalid(path, Value::String(text),
                fmt::format("{} in body should be at least {} chars long", path, *min_length_)));
  }
  if (pattern_ != nullptr && pattern_->regex.ok() && !RE2::PartialMatch(text, pattern_->regex)) {
    problems.push_back(Invalid(path, Value::String(text),
                               fmt::format("{} in body should match '{}'", path, pattern_text_)));
  }
}

void JsonSchema::ValidateFields(const Value& value, const std::string& path,
                                std::vector<std::string>& problems) const {
  int64_t size = static_cast<int64_t>(value.size());
  if (min_properties_ && size < *min_properties_) {
    problems.push_back(Invalid(
        path, Value::Int(size),
        fmt::format("{} in body should have at least {} properties", path, *min_properties_)));
  }
  if (max_properties_ && size > *max_properties_) {
    problems.push_back(
        fmt::format("{}: Too many: {}: must have at most {} items", path, size, *max_properties_));
  }
  for (const auto& [key, entry] : value.entries()) {
    auto property = properties_.find(key.AsString());
    if (property != properties_.end()) {
      property->second->Validate(entry, Dotted(path, key.AsString()), problems);
    } else if (additional_ != nullptr) {
      additional_->Validate(entry, Dotted(path, key.AsString()), problems);
    } else if (has_additional_ && !additional_allowed_) {
      problems.push_back(
          Invalid(path, Value::String(""),
                  fmt::format("{}.{} in body is a forbidden property", path, key.AsString())));
    }
  }
  for (const std::string& name : required_) {
    if (value.Find(name) == nullptr) {
      problems.push_back(fmt::format("{}: Required value", Dotted(path, name)));
    }
  }
}

void JsonSchema::FindUnknown(const Value& value, const std::string& path,
                             std::vector<std::string>& fields) const {
  if (value.IsArray()) {
    if (items_ == nullptr) return;
    for (size_t i = 0; i < value.size(); ++i) {
      items_->FindUnknown(value[i], fmt::format("{}[{}]", path, i), fields);
    }
    return;
  }
  if (!value.IsMap()) return;
  for (const auto& [key, entry] : value.entries()) {
    std::string_view name = key.AsString();
    auto property = properties_.find(name);
    if (property != properties_.end()) {
      property->second->FindUnknown(entry, Dotted(path, name), fields);
    } else if (additional_ != nullptr) {
      additional_->FindUnknown(entry, Dotted(path, name), fields);
    } else if (!preserve_ && !(has_additional_ && additional_allowed_) &&
               !(embedded_ && (name == "apiVersion" || name == "kind" || name == "metadata"))) {
      fields.push_back(Dotted(path, name));
    }
  }
}

Value JsonSchema::WithDefaults(const Value& value, Arena& arena) const {
  if (value.IsMap()) {
    Value out = value;
    for (const auto& [name, property] : properties_) {
      const Value* found = out.Find(name);
      // A null where none is allowed stands for nothing.
      if (found != nullptr && !(found->IsNull() && !property->nullable_)) continue;
      if (property->default_) out = WithEntry(out, name, *property->default_, arena);
    }
    for (const auto& [key, entry] : value.entries()) {
      auto property = properties_.find(key.AsString());
      const JsonSchema* schema =
          property != properties_.end() ? property->second.get() : additional_.get();
      const Value* now = out.Find(key);
      if (schema == nullptr || now == nullptr || (!now->IsMap() && !now->IsArray())) continue;
      out = WithEntry(out, key.AsString(), schema->WithDefaults(*now, arena), arena);
    }
    return out;
  }
  if (value.IsArray() && items_ != nullptr) {
    std::vector<Value> items(value.items().begin(), value.items().end());
    for (Value& item : items) {
      if (item.IsNull() && !items_->nullable_ && items_->default_) item = *items_->default_;
      item = items_->WithDefaults(item, arena);
    }
    return Value::Array(arena, items);
  }
  return value;
}

// --- Constraints ---------------------------------------------------------------------------------

Result<std::shared_ptr<const ConstraintSchema>> ConstraintSchema::Create(const Value& parameters,
                                                                         bool legacy) {
  auto out = std::make_shared<ConstraintSchema>();
  static const std::string* const around =
      new std::string(ReplaceAll(kAround, "SELECTOR", kSelector));
  Result<Value> json = ParseJson(*around, *out->arena_);
  BW_CHECK(json.has_value());
  Result<JsonSchema::Own> root = JsonSchema::ReadAt(*json, false, kMaxDepth);
  BW_CHECK(root.has_value());
  out->root_ = *root;
  // A legacy template without a schema takes any parameters.
  Value given = parameters;
  if (!given.IsMap() && legacy) given = Value::EmptyMap();
  if (given.IsMap()) {
    Result<JsonSchema::Own> read = JsonSchema::ReadAt(given, legacy, kMaxDepth);
    if (!read) {
      return Error(read.error().code(), "gate.template.schema", read.error().message());
    }
    std::vector<std::string> problems;
    (*read)->CheckAt("spec.validation.openAPIV3Schema.properties[spec].properties[parameters]",
                     JsonSchema::Level::kField, JsonSchema::Context::kStructure, problems);
    if (!problems.empty()) {
      std::sort(problems.begin(), problems.end());
      problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
      return Error(
          Code::kInvalid, "gate.template.schema",
          problems.size() == 1 ? problems[0] : fmt::format("[{}]", fmt::join(problems, ", ")));
    }
    (*root)->properties_["spec"]->properties_["parameters"] = *read;
  }
  return std::shared_ptr<const ConstraintSchema>(std::move(out));
}

Result<> ConstraintSchema::Validate(const Value& constraint) const {
  std::vector<std::string> problems;
  root_->Validate(constraint, "", problems);
  if (!problems.empty()) {
    std::vector<std::string> unique;
    for (std::string& problem : problems) {
      problem.insert(0, "[].");  // how Kubernetes prints the path of nothing
      if (std::find(unique.begin(), unique.end(), problem) == unique.end()) {
        unique.push_back(std::move(problem));
      }
    }
    return Error(
        Code::kInvalid, "gate.constraint.schema",
        fmt::format("schema validation failed: {}",
                    unique.size() == 1 ? unique[0] : fmt::format("[{}]", fmt::join(unique, ", "))));
  }
  std::vector<std::string> unknown;
  for (const auto& [key, entry] : constraint.entries()) {
    std::string_view name = key.AsString();
    // Every object's own; metadata has fields that no schema names.
    if (name == "apiVersion" || name == "kind" || name == "metadata") continue;
    auto property = root_->properties_.find(name);
    if (property == root_->properties_.end()) {
      unknown.emplace_back(name);
    } else {
      property->second->FindUnknown(entry, std::string(name), unknown);
    }
  }
  if (unknown.empty()) return Ok{};
  return Error(Code::kInvalid, "gate.constraint",
               fmt::format("invalid Constraint: unknown fields: [{}]", fmt::join(unknown, " ")));
}

Value ConstraintSchema::WithDefaults(const Value& constraint, Arena& arena) const {
  return root_->WithDefaults(constraint, arena);
}

}  // namespace bulwark::admission
