#include "kube/cel/schema_types.h"

#include <algorithm>

#include "lang/cel/values.h"

namespace bulwark::kube {

namespace {

using Kind = DeclaredType::Kind;
using Type = StructuralSchema::Type;
using Format = StructuralSchema::Format;

// Sizes of JSON texts with their quotation marks (k8s.io/apiserver/pkg/cel/limits.go). The longest
// date-time is 9999-12-31T23:59:59.999999999Z, the shortest has no fraction.
constexpr int64_t kMaxDuration = 32, kMinDuration = 3;
constexpr int64_t kMaxDateTime = 32, kMinDateTime = 21;
constexpr int64_t kDate = 12;
constexpr int64_t kMinString = 2, kMinBool = 4, kMinNumber = 1;
constexpr int64_t kEmptyAggregate = 2;  // [] or {}

int64_t AtLeastZero(int64_t n) { return std::max<int64_t>(n, 0); }

// maxLength counts code points, of up to four bytes each.
int64_t BytesOf(int64_t code_points) {
  return std::min(AtLeastZero(code_points), INT64_MAX / 4) * 4;
}

DeclaredType::Ref Scalar(Kind kind, int64_t min_size, int64_t max_elements = 0) {
  auto type = std::make_shared<DeclaredType>();
  type->kind = kind;
  type->min_serialized_size = min_size;
  type->max_elements = max_elements;
  return type;
}

DeclaredType::Ref Aggregate(Kind kind, DeclaredType::Ref element, int64_t max_elements) {
  auto type = std::make_shared<DeclaredType>();
  type->kind = kind;
  type->element = std::move(element);
  type->max_elements = max_elements;
  type->min_serialized_size = kEmptyAggregate;
  return type;
}

DeclaredType::Ref DeclareString(const StructuralSchema& schema) {
  constexpr int64_t kLongest = kMaxRequestBytes - 2;
  switch (schema.format) {
    case Format::kByte:
      return Scalar(Kind::kBytes, kMinString,
                    schema.max_length ? AtLeastZero(*schema.max_length) : kLongest);
    case Format::kDuration: return Scalar(Kind::kDuration, kMinDuration, kMaxDuration);
    case Format::kDate: return Scalar(Kind::kTimestamp, kDate, kDate);
    case Format::kDateTime: return Scalar(Kind::kTimestamp, kMinDateTime, kMaxDateTime);
    case Format::kNone: break;
  }
  int64_t size = kLongest;
  if (schema.max_length) {
    size = BytesOf(*schema.max_length);
  } else if (schema.has_enum) {
    size = schema.longest_enum;
  }
  return Scalar(Kind::kString, kMinString, size);
}

DeclaredType::Ref DeclareObject(const StructuralSchema& schema) {
  if (schema.additional_properties != nullptr) {
    const StructuralSchema::Ref& values = schema.additional_properties;
    DeclaredType::Ref element = DeclareType(values, values->embedded_resource);
    if (element == nullptr) return nullptr;
    // An entry is at least its value, a key of two bytes, its quotation marks, a colon and a comma.
    int64_t size = schema.max_properties
                       ? AtLeastZero(*schema.max_properties)
                       : (kMaxRequestBytes - 2) / (element->min_serialized_size + 6);
    return Aggregate(Kind::kMap, std::move(element), size);
  }
  auto type = std::make_shared<DeclaredType>();
  type->kind = Kind::kObject;
  type->min_serialized_size = kEmptyAggregate;
  for (const StructuralSchema::Property& property : schema.properties) {
    DeclaredType::Ref field = DeclareType(property.schema, property.schema->embedded_resource);
    if (field == nullptr) continue;
    // What has a default need not be in the request.
    if (property.required && !property.schema->has_default) {
      type->min_serialized_size +=
          static_cast<int64_t>(property.name.size()) + field->min_serialized_size + 4;
    }
    if (property.escaped) type->fields.emplace(*property.escaped, std::move(field));
  }
  return type;
}

}  // namespace

DeclaredType::Ref DeclareType(const StructuralSchema::Ref& schema, bool is_resource) {
  if (schema->int_or_string) {
    return Scalar(Kind::kDyn, 1,
                  schema->max_length ? BytesOf(*schema->max_length) : kMaxRequestBytes - 2);
  }
  switch (schema->type) {
    case Type::kObject:
      return DeclareObject(is_resource ? *StructuralSchema::AsResource(schema) : *schema);
    case Type::kArray: {
      if (schema->items == nullptr) return nullptr;
      DeclaredType::Ref element = DeclareType(schema->items, schema->items->embedded_resource);
      if (element == nullptr) return nullptr;
      int64_t size = schema->max_items
                         ? AtLeastZero(*schema->max_items)
                         : (kMaxRequestBytes - 2) / (element->min_serialized_size + 1);
      return Aggregate(Kind::kList, std::move(element), size);
    }
    case Type::kString: return DeclareString(*schema);
    case Type::kBoolean: return Scalar(Kind::kBool, kMinBool);
    case Type::kNumber: return Scalar(Kind::kDouble, kMinNumber);
    case Type::kInteger: return Scalar(Kind::kInt, kMinNumber);
    case Type::kNone: return nullptr;
  }
  return nullptr;
}

// --- Types by name -------------------------------------------------------------------------------

// Names are paths, and types are made when asked for: a rule sees little of a large schema.
const DeclaredType* SchemaTypes::Find(std::string_view name) const {
  if (!name.starts_with(kRootName)) return nullptr;
  name.remove_prefix(kRootName.size());
  const DeclaredType* at = root_.get();
  while (!name.empty()) {
    if (name[0] != '.') return nullptr;
    name.remove_prefix(1);
    std::string_view step = name.substr(0, name.find('.'));
    name.remove_prefix(step.size());
    if (step == "@idx" || step == "@elem") {
      if (at->kind != (step == "@idx" ? Kind::kList : Kind::kMap)) return nullptr;
      at = at->element.get();
      continue;
    }
    auto field = at->fields.find(step);
    if (field == at->fields.end()) return nullptr;
    at = field->second.get();
  }
  return at;
}

cel::Type SchemaTypes::TypeOf(const DeclaredType& declared, std::string_view name) const {
  std::lock_guard lock(mutex_);
  return Make(declared, std::string(name));
}

cel::Type SchemaTypes::optional_root() const {
  const cel::Type of = root();
  std::lock_guard lock(mutex_);
  return cel::Type::Optional(arena_, of);
}

cel::Type SchemaTypes::Make(const DeclaredType& declared, const std::string& name) const {
  switch (declared.kind) {
    case Kind::kDyn: return cel::Type::Dyn();
    case Kind::kBool: return cel::Type::Bool();
    case Kind::kInt: return cel::Type::Int();
    case Kind::kDouble: return cel::Type::Double();
    case Kind::kString: return cel::Type::String();
    case Kind::kBytes: return cel::Type::Bytes();
    case Kind::kTimestamp: return cel::Type::Timestamp();
    case Kind::kDuration: return cel::Type::Duration();
    case Kind::kList: return cel::Type::List(arena_, Make(*declared.element, name + ".@idx"));
    case Kind::kMap:
      return cel::Type::Map(arena_, cel::Type::String(), Make(*declared.element, name + ".@elem"));
    case Kind::kObject: return cel::Type::Struct(arena_, name);
  }
  BW_UNREACHABLE();
}

std::optional<cel::Type> SchemaTypes::FindType(std::string_view name) const {
  const DeclaredType* declared = Find(name);
  if (declared == nullptr || declared->kind != Kind::kObject) return std::nullopt;
  return TypeOf(*declared, name);
}

std::optional<cel::TypeProvider::Field> SchemaTypes::FindField(std::string_view type,
                                                               std::string_view field) const {
  const DeclaredType* declared = Find(type);
  if (declared == nullptr) return std::nullopt;
  auto found = declared->fields.find(field);
  if (found == declared->fields.end() && keywords_ && IsReservedWord(field)) {
    found = declared->fields.find("__" + std::string(field) + "__");
  }
  if (found == declared->fields.end()) return std::nullopt;
  return Field{TypeOf(*found->second, std::string(type) + "." + found->first), found->first};
}

Value SchemaTypes::Create(Arena& arena, std::string_view type,
                          std::span<const std::pair<std::string_view, Value>>) const {
  return cel::MakeError(arena, "unknown type '" + std::string(type) + "'");
}

// --- Sizes ---------------------------------------------------------------------------------------

std::optional<cel::Range> SchemaSizes::SizeOf(std::span<const std::string> path, cel::Type) const {
  if (path.empty()) return std::nullopt;
  const DeclaredType* at = root_;
  for (const std::string& step : path.subspan(1)) {
    if (step == "@items" || step == "@values") {
      if (at->element == nullptr) return std::nullopt;
      at = at->element.get();
    } else if (step == "@keys") {
      if (at->kind != Kind::kMap) return std::nullopt;
      // Nothing bounds a key: it is taken to be free.
      static const DeclaredType kKey{.kind = Kind::kString};
      at = &kKey;
    } else {
      auto field = at->fields.find(step);
      if (field == at->fields.end()) return std::nullopt;
      at = field->second.get();
    }
  }
  return cel::Range{0, static_cast<uint64_t>(at->max_elements)};
}

}  // namespace bulwark::kube
