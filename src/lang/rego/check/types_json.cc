#include <string>
#include <vector>

#include "lang/rego/check/types.h"

namespace bulwark::rego {

namespace {

std::string_view KindName(TypeKind kind) {
  switch (kind) {
    case TypeKind::kNull: return "null";
    case TypeKind::kBoolean: return "boolean";
    case TypeKind::kNumber: return "number";
    case TypeKind::kString: return "string";
    case TypeKind::kArray: return "array";
    case TypeKind::kObject: return "object";
    case TypeKind::kSet: return "set";
    case TypeKind::kAny: return "any";
    case TypeKind::kFunction: return "function";
    case TypeKind::kRecursive: return "recursive";
  }
  return {};
}

Value List(Arena& arena, const std::vector<Value>& items) { return Value::Array(arena, items); }

Value NamedToJson(const Argument& argument, Arena& arena, bool names) {
  Value type = TypeToJson(argument.type, arena, names);
  if (!names || argument.name.empty()) return type;
  MapBuilder named(arena);
  for (const Value::Entry& entry : type.entries()) named.Add(entry.key, entry.value);
  named.Add("name", Value::String(argument.name));
  return named.Finish();
}

Error Invalid(std::string message) {
  return {Code::kInvalid, "rego.type_json", std::move(message)};
}

class Reader {
 public:
  explicit Reader(TypeFactory& types) : types_(types) {}

  Result<TypeRef> Read(const Value& json, int depth) {
    if (depth > kMaxTypeDepth) return Invalid("type: nested too deeply");
    std::string_view kind = json.StringAt("type");
    if (kind == "null") return kNullType;
    if (kind == "boolean") return kBooleanType;
    if (kind == "number") return kNumberType;
    if (kind == "string") return kStringType;
    if (kind == "any") {
      std::vector<TypeRef> of = BW_TRY(ReadList(json["of"], depth));
      return types_.Any(of);
    }
    if (kind == "set") return types_.Set(BW_TRY(Maybe(json, "of", depth)));
    if (kind == "array") {
      std::vector<TypeRef> items = BW_TRY(ReadList(json["static"], depth));
      TypeRef value = BW_TRY(Maybe(json, "dynamic", depth));
      return types_.Array(types_.arena().Copy(std::span<const TypeRef>(items)), value);
    }
    if (kind == "object") return ReadObject(json, depth);
    if (kind == "function") return ReadFunction(json, depth);
    return Invalid("unsupported type '" + std::string(kind) + "'");
  }

 private:
  Result<TypeRef> Maybe(const Value& json, std::string_view key, int depth) {
    const Value* found = json.Find(key);
    if (found == nullptr) return TypeRef{nullptr};
    return Read(*found, depth + 1);
  }

  Result<std::vector<TypeRef>> ReadList(const Value& json, int depth) {
    std::vector<TypeRef> types;
    for (const Value& item : json.items()) types.push_back(BW_TRY(Read(item, depth + 1)));
    return types;
  }

  Result<TypeRef> ReadObject(const Value& json, int depth) {
    std::vector<Property> properties;
    for (const Value& item : json["static"].items()) {
      TypeRef value = BW_TRY(Read(item["value"], depth + 1));
      properties.push_back({.key = item["key"].CopyTo(types_.arena()), .value = value});
    }
    const Value dynamic = json["dynamic"];
    if (!dynamic.IsMap()) return types_.Object(properties);
    TypeRef key = BW_TRY(Read(dynamic["key"], depth + 1));
    TypeRef value = BW_TRY(Read(dynamic["value"], depth + 1));
    return types_.Object(properties, key, value);
  }

  Result<TypeRef> ReadFunction(const Value& json, int depth) {
    std::vector<Argument> arguments;
    for (const Value& item : json["args"].items()) {
      arguments.push_back({
        .name = types_.arena().Copy(item.StringAt("name")), .type = BW_TRY(Read(item, depth + 1))
      });
    }
    std::span<Argument> copy = types_.arena().Copy(std::span<const Argument>(arguments));
    if (const Value* rest = json.Find("variadic")) {
      return types_.Variadic(copy, { .name = {}, .type = BW_TRY(Read(*rest, depth + 1)) });
    }
    Argument result;
    result.type = BW_TRY(Maybe(json, "result", depth));
    result.name = types_.arena().Copy(json["result"].StringAt("name"));
    return types_.Function(copy, result);
  }

  TypeFactory& types_;
};

}  // namespace

Value TypeToJson(TypeRef type, Arena& arena, bool names) {
  if (type == nullptr) return Value::Null();
  MapBuilder out(arena);
  std::vector<Value> list;
  switch (type->kind) {
    case TypeKind::kRecursive: return out.Add("name", Value::String(type->name)).Finish();
    case TypeKind::kArray:
      if (type->value != nullptr) out.Add("dynamic", TypeToJson(type->value, arena, names));
      for (TypeRef item : type->items) list.push_back(TypeToJson(item, arena, names));
      if (!list.empty()) out.Add("static", List(arena, list));
      break;
    case TypeKind::kObject:
      if (type->dynamic) {
        MapBuilder dynamic(arena);
        dynamic.Add("key", TypeToJson(type->key, arena, names));
        dynamic.Add("value", TypeToJson(type->value, arena, names));
        out.Add("dynamic", dynamic.Finish());
      }
      for (const Property& property : type->properties) {
        MapBuilder entry(arena);
        entry.Add("key", property.key);
        entry.Add("value", TypeToJson(property.value, arena, names));
        list.push_back(entry.Finish());
      }
      if (!list.empty()) out.Add("static", List(arena, list));
      break;
    case TypeKind::kSet:
      if (type->value != nullptr) out.Add("of", TypeToJson(type->value, arena, names));
      break;
    case TypeKind::kAny:
      for (TypeRef item : type->items) list.push_back(TypeToJson(item, arena, names));
      if (!list.empty()) out.Add("of", List(arena, list));
      break;
    case TypeKind::kFunction:
      for (const Argument& a : type->arguments) list.push_back(NamedToJson(a, arena, names));
      if (!list.empty()) out.Add("args", List(arena, list));
      if (type->result.type != nullptr) out.Add("result", NamedToJson(type->result, arena, names));
      break;
    default: break;
  }
  out.Add("type", Value::String(KindName(type->kind)));
  if (type->variadic) out.Add("variadic", NamedToJson(type->rest, arena, names));
  return out.Finish();
}

Result<TypeRef> TypeFromJson(const Value& json, TypeFactory& types) {
  return Reader(types).Read(json, 0);
}

}  // namespace bulwark::rego
