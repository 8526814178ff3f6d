#include "lang/cel/protobuf/messages.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <functional>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "lang/cel/expr_value.h"
#include "lang/cel/well_known_types.h"

namespace bulwark::cel {

namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

constexpr int kMaxJsonDepth = 100;

class Messages;

// A message of the types' own. It is part of another message, or the arena has it.
class MessageValue final : public ObjectValue {
 public:
  MessageValue(const Messages& types, const pb::Message& message)
      : types_(types), message_(message) {}
  std::string_view TypeName() const override { return message_.GetDescriptor()->full_name(); }
  Value Get(Arena& arena, std::string_view field) const override;
  std::optional<bool> Has(std::string_view field) const override;
  bool IsZero() const override;
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override { return std::hash<std::string_view>{}(TypeName()); }
  std::string ToString() const override { return message_.ShortDebugString(); }
  const pb::Message& message() const { return message_; }

 private:
  const Messages& types_;
  const pb::Message& message_;
};

const MessageValue* AsMessage(const Value& v) {
  return HasTag(v, kObjectTag) ? dynamic_cast<const MessageValue*>(v.AsOpaque()) : nullptr;
}

bool IsMessageField(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// Fields of these messages hold null, where others are not set by it.
bool HoldsNull(const pb::Descriptor* message) {
  return message->full_name() == "google.protobuf.Value" ||
         message->full_name() == "google.protobuf.Any";
}

// Whether null, in a list or map of this type, stands for nothing.
bool IsPruned(const FieldDescriptor* field, const Value& v) {
  return v.IsNull() && IsMessageField(field) && !HoldsNull(field->message_type());
}

Error Unsuited(const FieldDescriptor* field, const Value& v) {
  return Error(Code::kInvalid, "unsupported type '" + std::string(TypeNameOf(v)) +
                                   "' of a value for field '" + field->name() + "'");
}
Error OutOfRange(const FieldDescriptor* field) {
  return Error(Code::kInvalid, "range error: value of field '" + field->name() + "'");
}

std::string ToText(const pb::Message& message) {
  return message.SerializePartialAsString();  // required fields may be missing
}

class ErrorsOfFiles final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (text.empty()) text = file + ": " + element + ": " + message;
  }
  std::string text;
};

class Messages final : public MessageTypes, public MessageCodec {
 public:
  Messages() : factory_(&pool_) {}

  Result<> Init(std::string_view file_descriptor_set) {
    pb::FileDescriptorSet files;
    if (!files.ParseFromArray(file_descriptor_set.data(),
                              static_cast<int>(file_descriptor_set.size()))) {
      return Error(Code::kInvalid, "not a google.protobuf.FileDescriptorSet");
    }
    ErrorsOfFiles errors;
    for (const pb::FileDescriptorProto& proto : files.file()) {
      const pb::FileDescriptor* file = pool_.BuildFileCollectingErrors(proto, &errors);
      if (file == nullptr) return Error(Code::kInvalid, errors.text);
      for (int i = 0; i < file->message_type_count(); ++i) AddMessage(file->message_type(i));
      for (int i = 0; i < file->extension_count(); ++i) AddField(file->extension(i));
    }
    return Ok{};
  }

  // --- Types -------------------------------------------------------------------------------------

  std::optional<Type> FindType(std::string_view name) const override {
    if (std::optional<Type> known = WellKnownType(name)) return known;
    const pb::Descriptor* message = pool_.FindMessageTypeByName(std::string(name));
    if (message == nullptr) return std::nullopt;
    return messages_.at(message);
  }

  std::optional<Field> FindField(std::string_view type, std::string_view name) const override {
    if (WellKnownType(type)) return WellKnownTypes()->FindField(type, name);
    const pb::Descriptor* message = pool_.FindMessageTypeByName(std::string(type));
    const FieldDescriptor* field = message != nullptr ? FieldOf(message, name) : nullptr;
    if (field == nullptr) return std::nullopt;
    return Field{fields_.at(field), field->is_extension() ? field->full_name() : field->name()};
  }

  std::optional<Value> FindConstant(std::string_view name) const override {
    if (std::optional<Value> known = WellKnownTypes()->FindConstant(name)) return known;
    // A value's own full name has not the enum's in it, but that of what the enum is in.
    const size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const pb::EnumDescriptor* of = pool_.FindEnumTypeByName(std::string(name.substr(0, dot)));
    if (of == nullptr) return std::nullopt;
    const pb::EnumValueDescriptor* value = of->FindValueByName(std::string(name.substr(dot + 1)));
    if (value == nullptr) return std::nullopt;
    return Value::Int(value->number());
  }

  const FieldDescriptor* FieldOf(const pb::Descriptor* message, std::string_view name) const {
    const std::string text(name);
    if (const FieldDescriptor* field = message->FindFieldByName(text)) return field;
    const FieldDescriptor* extension = pool_.FindExtensionByName(text);
    return extension != nullptr && extension->containing_type() == message ? extension : nullptr;
  }

  // --- From messages to values -------------------------------------------------------------------

  Value Parse(Arena& arena, std::string_view type, std::string_view bytes) const override {
    return Decode(arena, type, bytes);
  }

  Value Decode(Arena& arena, std::string_view type, std::string_view bytes) const override {
    if (WellKnownType(type)) return DecodeWellKnown(arena, type, bytes, this);
    pb::Message* message = New(arena, type);
    if (message == nullptr) return MakeError(arena, "unknown type: " + std::string(type));
    if (bytes.size() > INT32_MAX ||
        !message->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return MakeError(arena, "malformed message of type " + std::string(type));
    }
    return FromMessage(arena, *message);
  }

  Value FromMessage(Arena& arena, const pb::Message& message) const {
    const std::string& name = message.GetDescriptor()->full_name();
    if (!WellKnownType(name)) return Value::FromOpaque(arena.New<MessageValue>(*this, message));
    return DecodeWellKnown(arena, name, arena.Copy(ToText(message)), this);
  }

  Value FromField(Arena& arena, const pb::Message& message, const FieldDescriptor* field) const {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field->is_repeated()) {
      const int count = reflection.FieldSize(message, field);
      if (field->is_map()) return FromMap(arena, message, field, count);
      std::vector<Value> items;
      for (int i = 0; i < count; ++i) {
        items.push_back(FromItem(arena, message, field, i));
        if (IsError(items.back())) return items.back();
      }
      return Value::Array(arena, items);
    }
    if (IsMessageField(field) && !reflection.HasField(message, field)) {
      std::optional<Type> known = WellKnownType(field->message_type()->full_name());
      if (known && (known->IsDynLike() || known->kind() == TypeKind::kWrapper)) {
        return Value::Null();
      }
    }
    return FromItem(arena, message, field, -1);
  }

  // --- From values to messages -------------------------------------------------------------------

  Value Create(Arena& arena, std::string_view type,
               std::span<const std::pair<std::string_view, Value>> fields) const override {
    if (WellKnownType(type)) return CreateWellKnown(arena, type, fields, this);
    pb::Message* message = New(arena, type);
    if (message == nullptr) return MakeError(arena, "unknown type: " + std::string(type));
    for (const auto& [name, value] : fields) {
      const FieldDescriptor* field = FieldOf(message->GetDescriptor(), name);
      if (field == nullptr) return MakeError(arena, "no such field '" + std::string(name) + "'");
      if (Result<> set = SetField(*message, field, value); !set) {
        return MakeError(arena, set.error().message());
      }
    }
    return FromMessage(arena, *message);
  }

  Result<std::string> Encode(const ObjectValue& object) const override {
    const auto* message = dynamic_cast<const MessageValue*>(&object);
    if (message == nullptr) return Foreign(object);
    return ToText(message->message());
  }

  Result<std::string> EncodeAsJson(const ObjectValue& object) const override {
    const auto* message = dynamic_cast<const MessageValue*>(&object);
    if (message == nullptr) return Foreign(object);
    std::string json;
    pb::Value value;
    if (!pb::util::MessageToJsonString(message->message(), &json).ok() ||
        !pb::util::JsonStringToMessage(json, &value).ok()) {
      return Error(Code::kInvalid, std::string(object.TypeName()) + " has no form in JSON");
    }
    return ToText(value);
  }

  Result<Value> FromJson(Arena& arena, const Value& any) const override {
    std::string_view type = any.StringAt("@type");
    type = type.substr(type.rfind('/') + 1);
    const pb::Descriptor* message = pool_.FindMessageTypeByName(std::string(type));
    if (message == nullptr) return Error(Code::kInvalid, "unknown type: " + std::string(type));
    return MessageFromJson(arena, message, any, 0);
  }

 private:
  void AddMessage(const pb::Descriptor* message) {
    messages_.emplace(message, Type::Struct(arena_, message->full_name()));
    for (int i = 0; i < message->field_count(); ++i) AddField(message->field(i));
    for (int i = 0; i < message->extension_count(); ++i) AddField(message->extension(i));
    for (int i = 0; i < message->nested_type_count(); ++i) AddMessage(message->nested_type(i));
  }

  void AddField(const FieldDescriptor* field) {
    Type type;
    if (field->is_map()) {
      type = Type::Map(arena_, ItemType(field->message_type()->map_key()),
                       ItemType(field->message_type()->map_value()));
    } else if (field->is_repeated()) {
      type = Type::List(arena_, ItemType(field));
    } else {
      type = ItemType(field);
    }
    fields_.emplace(field, type);
  }

  Type ItemType(const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64: return Type::Int();
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64: return Type::Uint();
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE: return Type::Double();
      case FieldDescriptor::CPPTYPE_BOOL: return Type::Bool();
      case FieldDescriptor::CPPTYPE_STRING:
        return field->type() == FieldDescriptor::TYPE_BYTES ? Type::Bytes() : Type::String();
      case FieldDescriptor::CPPTYPE_ENUM: return IsNullEnum(field) ? Type::Null() : Type::Int();
      case FieldDescriptor::CPPTYPE_MESSAGE: break;
    }
    const std::string& name = field->message_type()->full_name();
    std::optional<Type> known = WellKnownType(name);
    return known ? *known : Type::Struct(arena_, name);
  }

  static bool IsNullEnum(const FieldDescriptor* field) {
    return field->enum_type()->full_name() == "google.protobuf.NullValue";
  }

  // A new message that the arena has.
  pb::Message* New(Arena& arena, std::string_view type) const {
    const pb::Descriptor* descriptor = pool_.FindMessageTypeByName(std::string(type));
    if (descriptor == nullptr) return nullptr;
    // The factory has a lock of its own.
    pb::Message* made =
        const_cast<pb::DynamicMessageFactory&>(factory_).GetPrototype(descriptor)->New();
    arena.Own<std::unique_ptr<pb::Message>>(made);
    return made;
  }

  Value FromMap(Arena& arena, const pb::Message& message, const FieldDescriptor* field,
                int count) const {
    const FieldDescriptor* key = field->message_type()->map_key();
    const FieldDescriptor* value = field->message_type()->map_value();
    MapBuilder map(arena, static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      const pb::Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
      const Value name = FromItem(arena, entry, key, -1);
      const Value item = FromItem(arena, entry, value, -1);
      if (IsError(name)) return name;
      if (IsError(item)) return item;
      map.Add(name, item);
    }
    return map.Finish();
  }

  // A singular field (`index` < 0) or one item of a repeated one.
  Value FromItem(Arena& arena, const pb::Message& m, const FieldDescriptor* f, int index) const {
    const pb::Reflection& r = *m.GetReflection();
    const bool one = index < 0;
    switch (f->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return Value::Int(one ? r.GetInt32(m, f) : r.GetRepeatedInt32(m, f, index));
      case FieldDescriptor::CPPTYPE_INT64:
        return Value::Int(one ? r.GetInt64(m, f) : r.GetRepeatedInt64(m, f, index));
      case FieldDescriptor::CPPTYPE_UINT32:
        return Value::Uint(one ? r.GetUInt32(m, f) : r.GetRepeatedUInt32(m, f, index));
      case FieldDescriptor::CPPTYPE_UINT64:
        return Value::Uint(one ? r.GetUInt64(m, f) : r.GetRepeatedUInt64(m, f, index));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return Value::Double(
            static_cast<double>(one ? r.GetFloat(m, f) : r.GetRepeatedFloat(m, f, index)));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return Value::Double(one ? r.GetDouble(m, f) : r.GetRepeatedDouble(m, f, index));
      case FieldDescriptor::CPPTYPE_BOOL:
        return Value::Bool(one ? r.GetBool(m, f) : r.GetRepeatedBool(m, f, index));
      case FieldDescriptor::CPPTYPE_ENUM:
        if (IsNullEnum(f)) return Value::Null();
        return Value::Int(one ? r.GetEnumValue(m, f) : r.GetRepeatedEnumValue(m, f, index));
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        const std::string& text = one ? r.GetStringReference(m, f, &scratch)
                                      : r.GetRepeatedStringReference(m, f, index, &scratch);
        std::string_view kept = &text == &scratch ? arena.Copy(text) : std::string_view(text);
        if (f->type() == FieldDescriptor::TYPE_BYTES) return Value::Bytes(kept);
        if (!IsUtf8(kept)) return MakeError(arena, "string field is not UTF-8");
        return Value::String(kept);
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return FromMessage(arena, one ? r.GetMessage(m, f) : r.GetRepeatedMessage(m, f, index));
    }
    BW_UNREACHABLE();
  }

  Result<> SetField(pb::Message& message, const FieldDescriptor* field, const Value& v) const {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field->is_map()) {
      if (!v.IsMap()) return Unsuited(field, v);
      const FieldDescriptor* key_field = field->message_type()->map_key();
      const FieldDescriptor* value_field = field->message_type()->map_value();
      for (const auto& [key, value] : v.entries()) {
        if (IsPruned(value_field, value)) continue;
        pb::Message& entry = *reflection.AddMessage(&message, field);
        BW_TRY(SetItem(entry, key_field, key, /*add=*/false));
        BW_TRY(SetItem(entry, value_field, value, /*add=*/false));
      }
      return Ok{};
    }
    if (field->is_repeated()) {
      auto items = ListItems(v);
      if (!items) return Unsuited(field, v);
      for (const Value& item : *items) {
        if (IsPruned(field, item)) continue;
        BW_TRY(SetItem(message, field, item, /*add=*/true));
      }
      return Ok{};
    }
    if (IsPruned(field, v) && MayBeNull(field->message_type())) return Ok{};
    return SetItem(message, field, v, /*add=*/false);
  }

  // Struct and ListValue are maps and lists, which null is not.
  static bool MayBeNull(const pb::Descriptor* message) {
    std::optional<Type> known = WellKnownType(message->full_name());
    return !known || (known->kind() != TypeKind::kMap && known->kind() != TypeKind::kList);
  }

  Result<> SetItem(pb::Message& m, const FieldDescriptor* f, const Value& v, bool add) const {
    const pb::Reflection& r = *m.GetReflection();
    switch (f->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_ENUM: {
        const bool is_enum = f->cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
        const bool is_null = is_enum && IsNullEnum(f) && v.IsNull();
        if (!v.IsInt() && !is_null) return Unsuited(f, v);
        const int64_t number = is_null ? 0 : v.AsInt();
        const auto narrow = static_cast<int32_t>(number);
        if (narrow != number) return OutOfRange(f);
        if (is_enum) {
          add ? r.AddEnumValue(&m, f, narrow) : r.SetEnumValue(&m, f, narrow);
        } else {
          add ? r.AddInt32(&m, f, narrow) : r.SetInt32(&m, f, narrow);
        }
        return Ok{};
      }
      case FieldDescriptor::CPPTYPE_INT64:
        if (!v.IsInt()) return Unsuited(f, v);
        add ? r.AddInt64(&m, f, v.AsInt()) : r.SetInt64(&m, f, v.AsInt());
        return Ok{};
      case FieldDescriptor::CPPTYPE_UINT32: {
        if (!v.IsUint()) return Unsuited(f, v);
        if (v.AsUint() > UINT32_MAX) return OutOfRange(f);
        const auto narrow = static_cast<uint32_t>(v.AsUint());
        add ? r.AddUInt32(&m, f, narrow) : r.SetUInt32(&m, f, narrow);
        return Ok{};
      }
      case FieldDescriptor::CPPTYPE_UINT64:
        if (!v.IsUint()) return Unsuited(f, v);
        add ? r.AddUInt64(&m, f, v.AsUint()) : r.SetUInt64(&m, f, v.AsUint());
        return Ok{};
      case FieldDescriptor::CPPTYPE_FLOAT: {
        if (!v.IsDouble()) return Unsuited(f, v);
        const auto narrow = static_cast<float>(v.AsDouble());
        add ? r.AddFloat(&m, f, narrow) : r.SetFloat(&m, f, narrow);
        return Ok{};
      }
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (!v.IsDouble()) return Unsuited(f, v);
        add ? r.AddDouble(&m, f, v.AsDouble()) : r.SetDouble(&m, f, v.AsDouble());
        return Ok{};
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!v.IsBool()) return Unsuited(f, v);
        add ? r.AddBool(&m, f, v.AsBool()) : r.SetBool(&m, f, v.AsBool());
        return Ok{};
      case FieldDescriptor::CPPTYPE_STRING: {
        const bool fits = f->type() == FieldDescriptor::TYPE_BYTES ? v.IsBytes() : v.IsString();
        if (!fits) return Unsuited(f, v);
        std::string text(v.AsString());
        add ? r.AddString(&m, f, std::move(text)) : r.SetString(&m, f, std::move(text));
        return Ok{};
      }
      case FieldDescriptor::CPPTYPE_MESSAGE: break;
    }
    const std::string& name = f->message_type()->full_name();
    if (WellKnownType(name)) {
      const std::string bytes = BW_TRY(EncodeWellKnown(name, v, this));
      pb::Message* part = add ? r.AddMessage(&m, f) : r.MutableMessage(&m, f);
      if (!part->ParsePartialFromString(bytes)) return Unsuited(f, v);
      return Ok{};
    }
    const MessageValue* given = AsMessage(v);
    if (given == nullptr || given->message().GetDescriptor() != f->message_type()) {
      return Unsuited(f, v);
    }
    (add ? r.AddMessage(&m, f) : r.MutableMessage(&m, f))->CopyFrom(given->message());
    return Ok{};
  }

  static Error Foreign(const ObjectValue& object) {
    return Error(Code::kInvalid, "no message: " + std::string(object.TypeName()));
  }

  // --- protojson ---------------------------------------------------------------------------------

  const FieldDescriptor* FieldByJsonName(const pb::Descriptor* message,
                                         std::string_view key) const {
    if (key.starts_with('[') && key.ends_with(']')) {
      return FieldOf(message, key.substr(1, key.size() - 2));
    }
    for (int i = 0; i < message->field_count(); ++i) {
      const FieldDescriptor* field = message->field(i);
      const bool group = field->type() == FieldDescriptor::TYPE_GROUP;
      if (key == field->name() || key == field->json_name() ||
          (group && key == field->message_type()->name())) {
        return field;
      }
    }
    return nullptr;
  }

  Result<Value> MessageFromJson(Arena& arena, const pb::Descriptor* type, const Value& json,
                                int depth) const {
    if (depth > kMaxJsonDepth) return Error(Code::kLimit, "message is nested too deeply");
    if (!json.IsMap()) return Error(Code::kInvalid, type->full_name() + ": expected an object");
    pb::Message& message = *New(arena, type->full_name());
    for (const auto& [key, part] : json.entries()) {
      if (!key.IsString()) return Error(Code::kInvalid, "the name of a field must be a string");
      if (depth == 0 && key.AsString() == "@type") continue;
      const FieldDescriptor* field = FieldByJsonName(type, key.AsString());
      if (field == nullptr) {
        return Error(Code::kInvalid,
                     type->full_name() + ": no such field '" + std::string(key.AsString()) + "'");
      }
      const bool holds_null = IsMessageField(field) && !field->is_repeated() &&
                              field->message_type()->full_name() == "google.protobuf.Value";
      if (part.IsNull() && !holds_null) continue;
      const Value value = BW_TRY(FieldFromJson(arena, field, part, depth));
      BW_TRY(SetField(message, field, value));
    }
    return FromMessage(arena, message);
  }

  Result<Value> FieldFromJson(Arena& arena, const FieldDescriptor* field, const Value& json,
                              int depth) const {
    if (field->is_map()) {
      if (!json.IsMap()) return Error(Code::kInvalid, field->name() + ": expected an object");
      MapBuilder map(arena);
      for (const auto& [key, part] : json.entries()) {
        // Keys are texts, whatever their type.
        if (!key.IsString()) return Error(Code::kInvalid, field->name() + ": a key is a string");
        Value typed = key;
        if (field->message_type()->map_key()->type() == FieldDescriptor::TYPE_BOOL) {
          typed = Value::Bool(key.AsString() == "true");
        }
        map.Add(BW_TRY(ItemFromJson(arena, field->message_type()->map_key(), typed, depth)),
                BW_TRY(ItemFromJson(arena, field->message_type()->map_value(), part, depth)));
      }
      return map.Finish();
    }
    if (!field->is_repeated()) return ItemFromJson(arena, field, json, depth);
    if (!json.IsArray()) return Error(Code::kInvalid, field->name() + ": expected an array");
    std::vector<Value> items;
    for (const Value& item : json.items()) {
      items.push_back(BW_TRY(ItemFromJson(arena, field, item, depth)));
    }
    return Value::Array(arena, items);
  }

  // Scalars and well-known messages are written as in a cel.expr.Value.
  Result<Value> ItemFromJson(Arena& arena, const FieldDescriptor* field, const Value& json,
                             int depth) const {
    auto as = [&](std::string_view kind, const Value& v) {
      return FromExprValue(MapBuilder(arena).Add(kind, v).Finish(), arena,
                           [this](const Value& any, Arena& to) { return FromJson(to, any); });
    };
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64: return as("int64_value", json);
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64: return as("uint64_value", json);
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE: return as("double_value", json);
      case FieldDescriptor::CPPTYPE_BOOL: return as("bool_value", json);
      case FieldDescriptor::CPPTYPE_STRING:
        return as(field->type() == FieldDescriptor::TYPE_BYTES ? "bytes_value" : "string_value",
                  json);
      case FieldDescriptor::CPPTYPE_ENUM: {
        if (!json.IsString()) return as("int64_value", json);
        const auto* value = field->enum_type()->FindValueByName(std::string(json.AsString()));
        if (value == nullptr) return Error(Code::kInvalid, field->name() + ": no such enum value");
        return Value::Int(value->number());
      }
      case FieldDescriptor::CPPTYPE_MESSAGE: break;
    }
    const pb::Descriptor* type = field->message_type();
    if (!WellKnownType(type->full_name())) return MessageFromJson(arena, type, json, depth + 1);
    if (type->full_name() == "google.protobuf.Any") return as("object_value", json);
    return as("object_value",
              MapBuilder(arena)
                  .Add("@type", Value::String(arena, "type.googleapis.com/" + type->full_name()))
                  .Add("value", json)
                  .Finish());
  }

  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_;
  Arena arena_;  // the types'
  std::unordered_map<const pb::Descriptor*, Type> messages_;
  std::unordered_map<const FieldDescriptor*, Type> fields_;
};

Value MessageValue::Get(Arena& arena, std::string_view name) const {
  const FieldDescriptor* field = types_.FieldOf(message_.GetDescriptor(), name);
  if (field == nullptr) return MakeError(arena, "no such field '" + std::string(name) + "'");
  return types_.FromField(arena, message_, field);
}

std::optional<bool> MessageValue::Has(std::string_view name) const {
  const FieldDescriptor* field = types_.FieldOf(message_.GetDescriptor(), name);
  if (field == nullptr) return std::nullopt;
  const pb::Reflection& reflection = *message_.GetReflection();
  if (field->is_repeated()) return reflection.FieldSize(message_, field) > 0;
  return reflection.HasField(message_, field);
}

bool MessageValue::IsZero() const {
  std::vector<const FieldDescriptor*> set;
  const pb::Reflection& reflection = *message_.GetReflection();
  reflection.ListFields(message_, &set);
  return set.empty() && reflection.GetUnknownFields(message_).empty();
}

bool MessageValue::Equals(const Opaque& other) const {
  const auto* that = dynamic_cast<const MessageValue*>(&other);
  return that != nullptr && message_.GetDescriptor() == that->message_.GetDescriptor() &&
         pb::util::MessageDifferencer::Equals(message_, that->message_);
}

}  // namespace

Result<std::shared_ptr<const MessageTypes>> MessageTypes::FromDescriptors(
    std::string_view file_descriptor_set) {
  auto types = std::make_shared<Messages>();
  BW_TRY(types->Init(file_descriptor_set));
  return std::shared_ptr<const MessageTypes>(std::move(types));
}

}  // namespace bulwark::cel
