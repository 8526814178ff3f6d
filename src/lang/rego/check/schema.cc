#include "lang/rego/check/schema.h"

#include <algorithm>
#include <array>
#include <vector>

namespace bulwark::rego {

namespace {

constexpr std::array<std::string_view, 7> kKinds = {"array", "boolean", "integer", "number",
                                                    "null",  "object",  "string"};

Error Invalid(std::string message) { return {Code::kInvalid, "rego.schema", std::move(message)}; }

Error Uncompilable(std::string_view why) {
  return Invalid("unable to compile the schema: " + std::string(why));
}

// A schema of which some keywords have been read, and perhaps joined with others'.
struct Schema {
  std::vector<std::string_view> kinds;
  std::vector<std::pair<std::string_view, const Value*>> properties;
  std::vector<const Value*> items;
  bool one_item_schema = false;
  const Value* any_of = nullptr;
  const Value* all_of = nullptr;
  std::string_view ref;

  bool Is(std::string_view kind) const { return std::ranges::find(kinds, kind) != kinds.end(); }
  std::string KindText() const {
    if (kinds.empty()) return "Undefined";
    if (kinds.size() == 1) return std::string(kinds[0]);
    std::string text = "[";
    for (std::string_view kind : kinds) {
      if (text.size() > 1) text += ',';
      text += kind;
    }
    return text + "]";
  }
  void Structure() {
    if (!properties.empty()) {
      if (!Is("object")) kinds.emplace_back("object");
    } else if (!items.empty() && !Is("array")) {
      kinds.emplace_back("array");
    }
  }
};

class SchemaReader {
 public:
  SchemaReader(const Value& root, TypeFactory& types, const SchemaOptions& options)
      : root_(root), types_(types), options_(options) {}

  Result<TypeRef> Read() { return ReadType(root_); }

 private:
  struct Definition {
    TypeRef type = nullptr;
    Type* recursive = nullptr;
    bool open = true;
  };

  // Reads the keywords, and finds what is wrong with them.
  Result<Schema> ReadSchema(const Value& json) {
    Schema schema;
    if (json.IsBool()) return schema;  // true and false: no type
    if (!json.IsMap()) return Uncompilable("Expected: Valid Schema, given: Invalid JSON");
    if (const Value* ref = json.Find("$ref"); ref != nullptr) {
      if (!ref->IsString()) return Uncompilable("Invalid type. Expected: string, given: $ref");
      schema.ref = ref->AsString();
      return schema;
    }
    if (const Value* type = json.Find("type"); type != nullptr) {
      if (type->IsString()) {
        BW_TRY(AddKind(schema, *type));
      } else if (type->IsArray()) {
        for (const Value& one : type->items()) {
          if (!one.IsString()) {
            return Uncompilable("Invalid type. Expected: type, given: string/array of strings");
          }
          BW_TRY(AddKind(schema, one));
        }
      } else {
        return Uncompilable("Invalid type. Expected: type, given: string/array of strings");
      }
    }
    if (const Value* properties = json.Find("properties"); properties != nullptr) {
      if (!properties->IsMap()) return Uncompilable("Properties must be of type object");
      for (const Value::Entry& entry : properties->entries()) {
        if (!entry.key.IsString()) continue;
        schema.properties.emplace_back(entry.key.AsString(), &entry.value);
      }
      std::ranges::sort(schema.properties, {}, [](const auto& p) { return p.first; });
    }
    if (const Value* items = json.Find("items"); items != nullptr) {
      if (items->IsArray()) {
        for (const Value& item : items->items()) schema.items.push_back(&item);
      } else if (items->IsMap() || items->IsBool()) {
        schema.items.push_back(items);
        schema.one_item_schema = true;
      } else {
        return Uncompilable("Invalid type. Expected: Valid Schema/Array Of Schemas, given: items");
      }
    }
    schema.any_of = List(json, "anyOf");
    schema.all_of = List(json, "allOf");
    return schema;
  }

  static const Value* List(const Value& json, std::string_view key) {
    const Value* list = json.Find(key);
    return list != nullptr && list->IsArray() && !list->items().empty() ? list : nullptr;
  }

  static Result<Ok> AddKind(Schema& schema, const Value& kind) {
    std::string_view name = kind.AsString();
    if (std::ranges::find(kKinds, name) == kKinds.end()) {
      return Uncompilable("has a primitive type that is NOT VALID -- given: /" + std::string(name) +
                          "/ Expected valid values are:[array boolean integer number null object "
                          "string]");
    }
    if (schema.Is(name)) return Uncompilable(std::string(name) + " type is duplicated");
    schema.kinds.push_back(name);
    return Ok{};
  }

  // What a $ref points to: within the document, or another.
  Result<const Value*> Follow(std::string_view ref) {
    const Value* document = &root_;
    std::string_view fragment;
    if (size_t hash = ref.find('#'); hash != std::string_view::npos) {
      fragment = ref.substr(hash + 1);
      ref = ref.substr(0, hash);
    }
    if (const Value* named = FindId(root_, ref, fragment, 0); named != nullptr) {
      if (fragment.empty() || !fragment.starts_with('/')) return named;
      document = named;
    } else if (!ref.empty()) {
      const Value* other = options_.other ? options_.other(ref) : nullptr;
      if (other == nullptr) {
        const bool absolute = ref.find("://") != std::string_view::npos;
        return Uncompilable(absolute ? "remote reference loading disabled: " + std::string(ref)
                                     : "Reference " + std::string(ref) + " must be canonical");
      }
      document = other;
    }
    return Pointer(*document, fragment);
  }

  // The schema that calls itself so: "other.json", or "#name".
  const Value* FindId(const Value& json, std::string_view ref, std::string_view fragment,
                      int depth) {
    if (depth > options_.max_depth || (ref.empty() && (fragment.empty() || fragment[0] == '/'))) {
      return nullptr;
    }
    if (json.IsMap()) {
      for (std::string_view key : {"$id", "id"}) {
        const Value* id = json.Find(key);
        if (id == nullptr || !id->IsString()) continue;
        std::string_view text = id->AsString();
        if (!ref.empty() && (text == ref || text.ends_with("/" + std::string(ref)))) return &json;
        if (ref.empty() && text.starts_with('#') && text.substr(1) == fragment) return &json;
      }
      for (const Value::Entry& entry : json.entries()) {
        if (const Value* found = FindId(entry.value, ref, fragment, depth + 1)) return found;
      }
    }
    for (const Value& item : json.items()) {
      if (const Value* found = FindId(item, ref, fragment, depth + 1)) return found;
    }
    return nullptr;
  }

  // RFC 6901, percent-encoded as in a URI.
  static Result<const Value*> Pointer(const Value& document, std::string_view pointer) {
    const Value* at = &document;
    while (!pointer.empty()) {
      if (pointer[0] != '/')
        return Uncompilable("JSON pointer must be empty or start with a \"/\"");
      pointer.remove_prefix(1);
      const size_t end = std::min(pointer.find('/'), pointer.size());
      std::string token;
      std::string_view part = pointer.substr(0, end);
      for (size_t i = 0; i < part.size(); ++i) {
        if (part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1')) {
          token += part[++i] == '0' ? '~' : '/';
        } else if (part[i] == '%' && i + 2 < part.size() && Hex(part[i + 1]) >= 0 &&
                   Hex(part[i + 2]) >= 0) {
          token += static_cast<char>(Hex(part[i + 1]) * 16 + Hex(part[i + 2]));
          i += 2;
        } else {
          token += part[i];
        }
      }
      pointer.remove_prefix(end);
      if (at->IsMap()) {
        const Value* member = at->Find(token);
        if (member == nullptr) return Uncompilable("Object has no key '" + token + "'");
        at = member;
      } else if (at->IsArray()) {
        size_t index = 0;
        for (char c : token) {
          if (c < '0' || c > '9' || index > 1'000'000'000) {
            return Uncompilable("Invalid array index '" + token + "'");
          }
          index = index * 10 + static_cast<size_t>(c - '0');
        }
        if (index >= at->size()) {
          return Uncompilable("Out of bound array[0," + std::to_string(at->size()) + "] index '" +
                              std::to_string(index) + "'");
        }
        at = &at->items()[index];
      } else {
        return Uncompilable("Invalid token reference '" + token + "'");
      }
    }
    return at;
  }

  static int Hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }

  Result<TypeRef> ReadType(const Value& json) {
    if (depth_ >= options_.max_depth) return Uncompilable("nested too deeply");
    ++depth_;
    Result<TypeRef> type = ReadTypeAt(json);
    --depth_;
    return type;
  }

  Result<TypeRef> ReadTypeAt(const Value& json) {
    Schema schema = BW_TRY(ReadSchema(json));
    if (schema.ref.empty()) return TypeOf(std::move(schema));
    std::string name(schema.ref);
    auto [at, fresh] = definitions_.try_emplace(name);
    Definition& known = at->second;  // stays where it is: the map is of nodes
    if (!fresh) {
      if (!known.open) return known.type;
      if (known.recursive == nullptr) known.recursive = types_.Recursive(name);
      return TypeRef{known.recursive};
    }
    const Value* target = BW_TRY(Follow(schema.ref));
    if (!target->IsMap() && !target->IsBool()) {
      return Uncompilable("Valid Schema must be of type object");
    }
    TypeRef type = BW_TRY(ReadType(*target));
    known.open = false;
    known.type = type;
    if (known.recursive != nullptr) known.recursive->value = type;
    return type;
  }

  Result<TypeRef> TypeOf(Schema schema) {
    if (schema.any_of != nullptr) return AnyOf(std::move(schema));
    if (schema.all_of != nullptr) return AllOf(std::move(schema));
    if (schema.Is("boolean")) return kBooleanType;
    if (schema.Is("string")) return kStringType;
    if (schema.Is("integer") || schema.Is("number")) return kNumberType;
    if (schema.Is("object")) return ObjectType(schema);
    if (schema.Is("array")) return ArrayType(schema);
    if (schema.kinds.empty() || schema.kinds == std::vector<std::string_view>{"null"}) {
      schema.Structure();
      if (schema.Is("object")) return ObjectType(schema);
      if (schema.Is("array")) return ArrayType(schema);
    }
    return kAnyType;
  }

  Result<TypeRef> ObjectType(const Schema& schema) {
    if (schema.properties.empty()) return types_.Object({}, kAnyType, kAnyType);
    std::vector<Property> properties;
    for (const auto& [name, json] : schema.properties) {
      TypeRef type = BW_TRY(ReadType(*json));
      properties.push_back({.key = Value::String(name), .value = type});
    }
    return types_.Object(properties);
  }

  Result<TypeRef> ArrayType(const Schema& schema) {
    if (schema.items.empty()) return types_.Array(std::span<const TypeRef>(), kAnyType);
    if (schema.one_item_schema) {
      return types_.Array(std::span<const TypeRef>(), BW_TRY(ReadType(*schema.items[0])));
    }
    std::vector<TypeRef> items;
    for (const Value* item : schema.items) items.push_back(BW_TRY(ReadType(*item)));
    return types_.Array(types_.arena().Copy(std::span<const TypeRef>(items)), nullptr);
  }

  Result<TypeRef> AnyOf(Schema schema) {
    TypeRef type = nullptr;
    const Value* alternatives = schema.any_of;
    if (!schema.kinds.empty()) {
      schema.any_of = nullptr;
      TypeRef core = BW_TRY(TypeOf(std::move(schema)));
      if (core->kind == TypeKind::kObject && !core->properties.empty() && !core->dynamic) {
        type = core;
      }
    }
    for (const Value& alternative : alternatives->items()) {
      type = types_.Or(BW_TRY(ReadType(alternative)), type);
    }
    return type != nullptr ? type : kAnyType;
  }

  // A schema without its $refs.
  Result<Schema> Resolved(const Value& json) {
    Schema schema = BW_TRY(ReadSchema(json));
    for (int i = 0; !schema.ref.empty(); ++i) {
      if (i > options_.max_depth) return Uncompilable("nested too deeply");
      const Value* target = BW_TRY(Follow(schema.ref));
      schema = BW_TRY(ReadSchema(*target));
    }
    return schema;
  }

  Result<TypeRef> AllOf(Schema schema) {
    std::vector<Schema> parts;
    for (const Value& json : schema.all_of->items()) {
      Schema part = BW_TRY(Resolved(json));
      const bool only_any_of = part.kinds.empty() && part.any_of != nullptr &&
                               part.properties.empty() && part.items.empty();
      if (!only_any_of) parts.push_back(std::move(part));
    }
    if (parts.empty()) return kAnyType;
    Schema merged = BW_TRY(Merge(std::move(parts)));
    if (!schema.kinds.empty()) {
      if ((schema.Is("object") && merged.Is("object")) ||
          (schema.Is("array") && merged.Is("array"))) {
        std::vector<Schema> both;
        both.push_back(std::move(merged));
        both.push_back(std::move(schema));
        Schema all = BW_TRY(Merge(std::move(both)));
        return TypeOf(std::move(all));
      }
      if (schema.KindText() != merged.KindText())
        return Invalid("type checking: unable to merge these schemas");
    }
    return TypeOf(std::move(merged));
  }

  Result<Schema> Merge(std::vector<Schema> parts) {
    for (Schema& part : parts) part.Structure();
    Schema result = std::move(parts[0]);
    for (size_t i = 1; i < parts.size(); ++i) {
      Schema& part = parts[i];
      if (result.KindText() != part.KindText()) {
        return Invalid("type checking: unable to merge these schemas: type mismatch: " +
                       result.KindText() + " and " + part.KindText());
      }
      if (result.Is("object") && !result.properties.empty() && !part.properties.empty()) {
        for (const auto& property : part.properties) {
          // The first of two of the same name counts.
          if (std::ranges::find(result.properties, property.first,
                                [](const auto& p) { return p.first; }) == result.properties.end()) {
            result.properties.push_back(property);
          }
        }
      } else if (result.Is("array") && !result.items.empty() && !part.items.empty()) {
        for (size_t j = 0; j < part.items.size(); ++j) {
          if (result.items.size() <= j) {
            result.items.push_back(part.items[j]);
            continue;
          }
          Schema a = BW_TRY(ReadSchema(*result.items[j]));
          Schema b = BW_TRY(ReadSchema(*part.items[j]));
          if (a.KindText() != b.KindText())
            return Invalid("type checking: unable to merge these schemas");
        }
      }
    }
    return result;
  }

  const Value& root_;
  TypeFactory& types_;
  const SchemaOptions& options_;
  std::unordered_map<std::string, Definition> definitions_;
  int depth_ = 0;
};

}  // namespace

Result<TypeRef> TypeFromSchema(const Value& schema, TypeFactory& types,
                               const SchemaOptions& options) {
  return SchemaReader(schema, types, options).Read();
}

}  // namespace bulwark::rego
