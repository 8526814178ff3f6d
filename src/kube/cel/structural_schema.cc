#include "kube/cel/structural_schema.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace bulwark::kube {

namespace {

// langdef.md, "Syntax": RESERVED, with the words that are literals.
constexpr std::array<std::string_view, 21> kReserved = {
    "as",       "break",   "const",  "continue", "else", "false", "for",
    "function", "if",      "import", "in",       "let",  "loop",  "namespace",
    "null",     "package", "return", "true",     "var",  "void",  "while"};

struct Escape {
  std::string_view text;
  std::string_view name;
};
constexpr Escape kEscapes[] = {{"__", "underscores"}, {".", "dot"}, {"-", "dash"}, {"/", "slash"}};

}  // namespace

bool IsReservedWord(std::string_view word) { return std::ranges::binary_search(kReserved, word); }

std::optional<std::string> EscapeProperty(std::string_view name) {
  if (name.empty() || IsAsciiDigit(name[0])) return std::nullopt;
  if (IsReservedWord(name)) return "__" + std::string(name) + "__";
  std::string out;
  for (size_t at = 0; at < name.size();) {
    auto escape = std::ranges::find_if(
        kEscapes, [&](const Escape& e) { return name.substr(at).starts_with(e.text); });
    if (escape != std::end(kEscapes)) {
      out += "__" + std::string(escape->name) + "__";
      at += escape->text.size();
      continue;
    }
    if (!IsAsciiLetter(name[at]) && !IsAsciiDigit(name[at]) && name[at] != '_') return std::nullopt;
    out += name[at++];
  }
  return out;
}

std::optional<std::string> UnescapeProperty(std::string_view escaped) {
  std::string out;
  for (size_t at = 0; at < escaped.size();) {
    // "__", something without "_", "__"
    size_t end = std::string_view::npos;
    if (escaped.substr(at).starts_with("__")) {
      end = escaped.find('_', at + 2);
      if (end == at + 2 || end == std::string_view::npos ||
          !escaped.substr(end).starts_with("__")) {
        end = std::string_view::npos;
      }
    }
    if (end == std::string_view::npos) {
      out += escaped[at++];
      continue;
    }
    std::string_view name = escaped.substr(at + 2, end - at - 2);
    auto escape = std::ranges::find(kEscapes, name, &Escape::name);
    if (escape != std::end(kEscapes)) {
      out += escape->text;
    } else if (IsReservedWord(name) && name.size() + 4 == escaped.size()) {
      out += name;
    } else {
      return std::nullopt;
    }
    at = end + 2;
  }
  return out;
}

// --- Reading -------------------------------------------------------------------------------------

namespace {

using Ref = StructuralSchema::Ref;

void MarkRequired(const StructuralSchema& schema, StructuralSchema::Property& property) {
  property.required = std::ranges::find(schema.required, property.name) != schema.required.end();
}

class Reader {
 public:
  explicit Reader(size_t max_depth) : max_depth_(max_depth) {}

  Result<Ref> Read(const Value& json, const std::string& path) {
    if (!json.IsMap()) return Expected(path, "an object");
    if (depth_ == max_depth_) {
      return Error(Code::kLimit, "schema.too_deep",
                   "the schema is nested deeper than " + std::to_string(max_depth_) + " levels",
                   {{"limit", std::to_string(max_depth_)}});
    }
    ++depth_;
    auto schema = std::make_shared<StructuralSchema>();
    BW_TRY(Scalars(json, path, *schema));
    BW_TRY(Children(json, path, *schema));
    BW_TRY(Rules(json, path, *schema));
    --depth_;
    Ref done = schema;
    // The resource is made of a copy: else the two would hold each other.
    if (schema->embedded_resource) {
      schema->resource =
          StructuralSchema::AsResource(std::make_shared<const StructuralSchema>(*schema));
    }
    return done;
  }

 private:
  static Error Expected(const std::string& path, std::string_view what) {
    std::string message = path.empty() ? "the schema" : path;
    return {Code::kInvalid,
            "schema.malformed",
            message + ": expected " + std::string(what),
            {{"path", path}, {"expected", std::string(what)}}};
  }
  static std::string Join(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  }

  // A member, unless it is not there or null.
  static const Value* Member(const Value& json, std::string_view name) {
    const Value* found = json.Find(name);
    return found != nullptr && !found->IsNull() ? found : nullptr;
  }

  static Result<bool> Bool(const Value& json, const std::string& path, std::string_view name) {
    const Value* found = Member(json, name);
    if (found == nullptr) return false;
    if (!found->IsBool()) return Expected(Join(path, name), "true or false");
    return found->AsBool();
  }
  static Result<std::string> Text(const Value& json, const std::string& path,
                                  std::string_view name) {
    const Value* found = Member(json, name);
    if (found == nullptr) return std::string();
    if (!found->IsString()) return Expected(Join(path, name), "a string");
    return std::string(found->AsString());
  }
  static Result<std::optional<int64_t>> Size(const Value& json, const std::string& path,
                                             std::string_view name) {
    const Value* found = Member(json, name);
    if (found == nullptr) return std::optional<int64_t>();
    std::optional<int64_t> size = found->ToInt();
    if (!size) return Expected(Join(path, name), "an integer");
    return size;
  }
  static Result<std::span<const Value>> List(const Value& json, const std::string& path,
                                             std::string_view name) {
    const Value* found = Member(json, name);
    if (found == nullptr) return std::span<const Value>();
    if (!found->IsArray()) return Expected(Join(path, name), "a list");
    return found->items();
  }

  static Result<> Scalars(const Value& json, const std::string& path, StructuralSchema& out) {
    using Type = StructuralSchema::Type;
    using Format = StructuralSchema::Format;
    using ListType = StructuralSchema::ListType;
    out.type_name = BW_TRY(Text(json, path, "type"));
    constexpr std::pair<std::string_view, Type> kTypes[] = {
        {"object", Type::kObject}, {"array", Type::kArray},     {"string", Type::kString},
        {"number", Type::kNumber}, {"integer", Type::kInteger}, {"boolean", Type::kBoolean}};
    for (const auto& [name, type] : kTypes) {
      if (out.type_name == name) out.type = type;
    }
    const std::string format = BW_TRY(Text(json, path, "format"));
    constexpr std::pair<std::string_view, Format> kFormats[] = {{"byte", Format::kByte},
                                                                {"date", Format::kDate},
                                                                {"date-time", Format::kDateTime},
                                                                {"duration", Format::kDuration}};
    for (const auto& [name, value] : kFormats) {
      if (format == name) out.format = value;
    }
    const std::string list_type = BW_TRY(Text(json, path, "x-kubernetes-list-type"));
    out.list_type_set = !list_type.empty();
    out.list_type = list_type.empty() || list_type == "atomic" ? ListType::kAtomic
                    : list_type == "set"                       ? ListType::kSet
                    : list_type == "map"                       ? ListType::kMap
                                                               : ListType::kUnknown;
    const std::string map_type = BW_TRY(Text(json, path, "x-kubernetes-map-type"));
    out.map_type_correlatable = map_type.empty() || map_type == "granular" || map_type == "atomic";
    for (const Value& key : BW_TRY(List(json, path, "x-kubernetes-list-map-keys"))) {
      if (!key.IsString()) return Expected(Join(path, "x-kubernetes-list-map-keys"), "strings");
      out.list_map_keys.emplace_back(key.AsString());
      out.list_map_keys_escaped.push_back(
          EscapeProperty(key.AsString()).value_or(std::string(key.AsString())));
    }
    out.nullable = BW_TRY(Bool(json, path, "nullable"));
    out.int_or_string = BW_TRY(Bool(json, path, "x-kubernetes-int-or-string"));
    out.embedded_resource = BW_TRY(Bool(json, path, "x-kubernetes-embedded-resource"));
    out.preserve_unknown_fields = BW_TRY(Bool(json, path, "x-kubernetes-preserve-unknown-fields"));
    out.has_default = Member(json, "default") != nullptr;
    out.max_length = BW_TRY(Size(json, path, "maxLength"));
    out.max_items = BW_TRY(Size(json, path, "maxItems"));
    out.max_properties = BW_TRY(Size(json, path, "maxProperties"));
    for (const Value& value : BW_TRY(List(json, path, "enum"))) {
      out.has_enum = true;
      if (value.IsString()) {
        out.longest_enum = std::max(out.longest_enum, static_cast<int64_t>(value.size()));
      }
    }
    return Ok{};
  }

  Result<> Children(const Value& json, const std::string& path, StructuralSchema& out) {
    if (const Value* items = Member(json, "items")) {
      out.items = BW_TRY(Read(*items, Join(path, "items")));
    }
    if (const Value* more = Member(json, "additionalProperties")) {
      if (more->IsBool()) {
        out.has_additional_properties = true;
      } else {
        out.additional_properties = BW_TRY(Read(*more, Join(path, "additionalProperties")));
        out.has_additional_properties = true;
      }
    }
    if (const Value* properties = Member(json, "properties")) {
      if (!properties->IsMap()) return Expected(Join(path, "properties"), "an object");
      for (const Value::Entry& entry : properties->entries()) {
        if (!entry.key.IsString()) return Expected(Join(path, "properties"), "names");
        std::string_view name = entry.key.AsString();
        Ref schema = BW_TRY(Read(entry.value, Join(path, "properties[" + std::string(name) + "]")));
        out.properties.push_back({std::string(name), EscapeProperty(name), std::move(schema)});
      }
      std::ranges::sort(out.properties, {}, &StructuralSchema::Property::name);
    }
    for (const Value& name : BW_TRY(List(json, path, "required"))) {
      if (!name.IsString()) return Expected(Join(path, "required"), "strings");
      out.required.emplace_back(name.AsString());
    }
    for (StructuralSchema::Property& property : out.properties) MarkRequired(out, property);
    size_t index = 0;
    for (const Value& clause : BW_TRY(List(json, path, "allOf"))) {
      out.all_of.push_back(
          BW_TRY(Read(clause, Join(path, "allOf[" + std::to_string(index++) + "]"))));
    }
    return Ok{};
  }

  static Result<> Rules(const Value& json, const std::string& path, StructuralSchema& out) {
    constexpr std::string_view kName = "x-kubernetes-validations";
    for (const Value& entry : BW_TRY(List(json, path, kName))) {
      std::string at = Join(path, kName) + "[" + std::to_string(out.rules.size()) + "]";
      if (!entry.IsMap()) return Expected(at, "an object");
      ValidationRule rule;
      rule.rule = BW_TRY(Text(entry, at, "rule"));
      rule.message = BW_TRY(Text(entry, at, "message"));
      rule.message_expression = BW_TRY(Text(entry, at, "messageExpression"));
      rule.field_path = BW_TRY(Text(entry, at, "fieldPath"));
      rule.optional_old_self = BW_TRY(Bool(entry, at, "optionalOldSelf"));
      const std::string reason = BW_TRY(Text(entry, at, "reason"));
      if (reason == "FieldValueForbidden") rule.reason = ViolationReason::kForbidden;
      if (reason == "FieldValueRequired") rule.reason = ViolationReason::kRequired;
      if (reason == "FieldValueDuplicate") rule.reason = ViolationReason::kDuplicate;
      out.rules.push_back(std::move(rule));
    }
    return Ok{};
  }

  const size_t max_depth_;
  size_t depth_ = 0;
};

Ref StringSchema() {
  static const Ref kSchema = [] {
    auto schema = std::make_shared<StructuralSchema>();
    schema->type = StructuralSchema::Type::kString;
    schema->type_name = "string";
    return schema;
  }();
  return kSchema;
}

bool HasType(const StructuralSchema& schema, std::string_view property,
             StructuralSchema::Type type) {
  const StructuralSchema::Property* found = schema.FindProperty(property);
  return found != nullptr && found->schema->type == type;
}

}  // namespace

Result<StructuralSchema::Ref> StructuralSchema::Parse(const Value& json, size_t max_depth) {
  return Reader(max_depth).Read(json, "");
}

const StructuralSchema::Property* StructuralSchema::FindProperty(std::string_view name) const {
  auto at = std::ranges::lower_bound(properties, name, {}, &Property::name);
  return at != properties.end() && at->name == name ? &*at : nullptr;
}

StructuralSchema::Ref StructuralSchema::AsResource(const Ref& schema) {
  const Property* metadata = schema->FindProperty("metadata");
  if (HasType(*schema, "kind", Type::kString) && HasType(*schema, "apiVersion", Type::kString) &&
      HasType(*schema, "metadata", Type::kObject) &&
      HasType(*metadata->schema, "name", Type::kString) &&
      HasType(*metadata->schema, "generateName", Type::kString)) {
    return schema;
  }
  auto meta = std::make_shared<StructuralSchema>();
  meta->type = Type::kObject;
  meta->type_name = "object";
  meta->properties = {{"generateName", "generateName", StringSchema()},
                      {"name", "name", StringSchema()}};
  auto resource = std::make_shared<StructuralSchema>(*schema);
  auto declare = [&](std::string_view name, Ref of) {
    auto at = std::ranges::lower_bound(resource->properties, name, {}, &Property::name);
    if (at == resource->properties.end() || at->name != name) {
      at = resource->properties.insert(at, {std::string(name), std::string(name), nullptr});
    }
    at->schema = std::move(of);
    MarkRequired(*resource, *at);
  };
  declare("apiVersion", StringSchema());
  declare("kind", StringSchema());
  declare("metadata", meta);
  return resource;
}

bool StructuralSchema::HasRules() const {
  if (!rules.empty()) return true;
  if (items != nullptr && items->HasRules()) return true;
  if (additional_properties != nullptr && additional_properties->HasRules()) return true;
  return std::ranges::any_of(all_of, [](const Ref& clause) { return clause->HasRules(); }) ||
         std::ranges::any_of(properties, [](const Property& p) { return p.schema->HasRules(); });
}

// --- Field paths ---------------------------------------------------------------------------------

namespace {

// The next of the tokens ".", "[", "]", a text in single quotes, and what stands between these.
std::string_view NextToken(std::string_view text) {
  if (text[0] == '\'') {
    for (size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '\'' && text[i - 1] != '\\') return text.substr(0, i + 1);
    }
    return text;
  }
  size_t end = text.find_first_of(".[]");
  return text.substr(0, end == 0 ? 1 : end);
}

Result<std::string> UnescapeQuoted(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size() || text[at + 1] == '\n') {
      out += text[at];
      continue;
    }
    constexpr std::string_view kLetters = "abfnrtv'\\";
    constexpr std::string_view kMeant = "\a\b\f\n\r\t\v'\\";
    size_t which = kLetters.find(text[++at]);
    if (which == std::string_view::npos) {
      std::string_view escape = text.substr(at, DecodeUtf8(text, at).length);
      return Error(Code::kInvalid,
                   "invalid string literal: invalid escape char \\" + std::string(escape));
    }
    out += kMeant[which];
  }
  return out;
}

}  // namespace

Result<std::string> NormalizeFieldPath(std::string_view path, const StructuralSchema& schema) {
  auto fail = [](std::string message) { return Error(Code::kInvalid, std::move(message)); };
  const StructuralSchema* at = &schema;
  std::string out;
  auto next = [&]() -> std::optional<std::string_view> {
    if (path.empty()) return std::nullopt;
    std::string_view token = NextToken(path);
    path.remove_prefix(token.size());
    return token;
  };
  while (auto token = next()) {
    const bool bracket = *token == "[";
    if (!bracket && *token != ".") {
      return fail("expected [ or . but got: " + std::string(*token));
    }
    auto step = next();
    if (!step) return fail("unexpected end of JSON path");
    std::string name(*step);
    if (bracket) {
      if (name.size() < 2 || name.front() != '\'' || name.back() != '\'') {
        return fail("expected single quoted string but got " + name);
      }
      name = BW_TRY(UnescapeQuoted(std::string_view(name).substr(1, name.size() - 2)));
    }
    if (!at->properties.empty()) {
      const StructuralSchema::Property* property = at->FindProperty(name);
      if (property == nullptr) return fail("does not refer to a valid field");
      at = property->schema.get();
      if (name.empty()) {
        out += "[]";
      } else {
        out += out.empty() ? name : "." + name;
      }
    } else if (at->additional_properties != nullptr) {
      at = at->additional_properties.get();
      out += "[" + name + "]";
    } else {
      return fail("does not refer to a valid field");
    }
    if (!bracket) continue;
    auto close = next();
    if (!close) return fail("unexpected end of JSON path");
    if (*close != "]") return fail("expected ] but got " + std::string(*close));
  }
  return out;
}

}  // namespace bulwark::kube
