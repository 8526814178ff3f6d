#include "lang/cel/well_known_types.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "lang/cel/expr_value.h"
#include "lang/cel/operators.h"

namespace bulwark::cel {

namespace {

constexpr int kMaxDepth = 100;
constexpr std::string_view kPackage = "google.protobuf.";
constexpr std::string_view kTypeUrl = "type.googleapis.com/";
constexpr int64_t kMaxJsonInteger = (int64_t{1} << 53) - 1;  // beyond, doubles are not exact
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;     // duration.proto: 10,000 years

enum class Message : uint8_t {
  kBool,
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kStruct,
  kValue,
  kListValue,
  kAny,
};

struct Named {
  std::string_view name;  // without the package
  Message message;
};
constexpr Named kMessages[] = {
    {"BoolValue", Message::kBool},
    {"Int32Value", Message::kInt32},
    {"Int64Value", Message::kInt64},
    {"UInt32Value", Message::kUint32},
    {"UInt64Value", Message::kUint64},
    {"FloatValue", Message::kFloat},
    {"DoubleValue", Message::kDouble},
    {"StringValue", Message::kString},
    {"BytesValue", Message::kBytes},
    {"Timestamp", Message::kTimestamp},
    {"Duration", Message::kDuration},
    {"Struct", Message::kStruct},
    {"Value", Message::kValue},
    {"ListValue", Message::kListValue},
    {"Any", Message::kAny},
};

std::optional<Message> Find(std::string_view name) {
  if (!name.starts_with(kPackage)) return std::nullopt;
  name.remove_prefix(kPackage.size());
  for (const Named& known : kMessages) {
    if (known.name == name) return known.message;
  }
  return std::nullopt;
}

bool IsWrapper(Message message) { return message <= Message::kBytes; }

Type ScalarType(Message wrapper) {
  switch (wrapper) {
    case Message::kBool: return Type::Bool();
    case Message::kInt32:
    case Message::kInt64: return Type::Int();
    case Message::kUint32:
    case Message::kUint64: return Type::Uint();
    case Message::kFloat:
    case Message::kDouble: return Type::Double();
    case Message::kString: return Type::String();
    default: return Type::Bytes();
  }
}

Type JsonObject() {
  static const Type type = Type::Map(Type::Static(), Type::String(), Type::Dyn());
  return type;
}
Type JsonList() {
  static const Type type = Type::List(Type::Static(), Type::Dyn());
  return type;
}

Type TypeOf(Message message) {
  switch (message) {
    case Message::kTimestamp: return Type::Timestamp();
    case Message::kDuration: return Type::Duration();
    case Message::kStruct: return JsonObject();
    case Message::kValue: return Type::Dyn();
    case Message::kListValue: return JsonList();
    case Message::kAny: return Type::Any();
    default: return Type::Wrapper(ScalarType(message));
  }
}

// --- The wire format (protobuf.dev/programming-guides/encoding) ----------------------------------

enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class Writer {
 public:
  void Varint(int field, uint64_t value) {
    Tag(field, Wire::kVarint);
    Raw(value);
  }
  void Fixed64(int field, uint64_t value) {
    Tag(field, Wire::kFixed64);
    for (int i = 0; i < 8; ++i) out_ += static_cast<char>(value >> (8 * i));
  }
  void Fixed32(int field, uint32_t value) {
    Tag(field, Wire::kFixed32);
    for (int i = 0; i < 4; ++i) out_ += static_cast<char>(value >> (8 * i));
  }
  void Bytes(int field, std::string_view bytes) {
    Tag(field, Wire::kBytes);
    Raw(bytes.size());
    out_ += bytes;
  }
  std::string Take() { return std::move(out_); }

 private:
  void Tag(int field, Wire wire) {
    Raw((static_cast<uint64_t>(field) << 3) | static_cast<uint64_t>(wire));
  }
  void Raw(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

// Goes over the fields of a message. None of those read here is a group; one that is unknown and a
// group counts as malformed.
class Reader {
 public:
  explicit Reader(std::string_view message) : rest_(message) {}
  // False at the end, and when malformed.
  bool Next() {
    if (rest_.empty()) return false;
    uint64_t tag = 0;
    if (!Raw(&tag) || (tag >> 3) == 0 || (tag >> 3) > (1U << 29) - 1) return Malformed();
    field = static_cast<int>(tag >> 3);
    wire = static_cast<Wire>(tag & 7);
    switch (wire) {
      case Wire::kVarint: return Raw(&number) || Malformed();
      case Wire::kFixed64: return Fixed(8);
      case Wire::kFixed32: return Fixed(4);
      case Wire::kBytes: {
        uint64_t size = 0;
        if (!Raw(&size) || size > rest_.size()) return Malformed();
        bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
      }
    }
    return Malformed();
  }
  bool Is(int wanted, Wire kind) const { return field == wanted && wire == kind; }
  bool malformed() const { return malformed_; }

  int field = 0;
  Wire wire = Wire::kVarint;
  uint64_t number = 0;
  std::string_view bytes;

 private:
  bool Malformed() {
    malformed_ = true;
    return false;
  }
  bool Raw(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Fixed(size_t size) {
    if (rest_.size() < size) return Malformed();
    number = 0;
    for (size_t i = size; i-- > 0;) number = (number << 8) | static_cast<uint8_t>(rest_[i]);
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
  bool malformed_ = false;
};

// --- Reading -------------------------------------------------------------------------------------

class Decoder {
 public:
  Decoder(Arena& arena, const MessageCodec* others) : arena_(arena), others_(others) {}

  Value Decode(Message message, std::string_view bytes, int depth) {
    if (depth > kMaxDepth) return Fail("message is nested too deeply");
    if (IsWrapper(message)) return Wrapper(message, bytes);
    switch (message) {
      case Message::kStruct: return Struct(bytes, depth);
      case Message::kValue: return JsonValue(bytes, depth);
      case Message::kListValue: return List(bytes, depth);
      case Message::kAny: return Any(bytes, depth);
      default: return Time(message, bytes);
    }
  }

  Value Unpack(std::string_view type_url, std::string_view bytes, int depth) {
    const size_t slash = type_url.rfind('/');
    if (slash == std::string_view::npos || slash + 1 == type_url.size()) {
      return Fail("conversion error: google.protobuf.Any without a type");
    }
    std::string_view name = type_url.substr(slash + 1);
    if (std::optional<Message> message = Find(name)) return Decode(*message, bytes, depth + 1);
    if (others_ != nullptr) return others_->Decode(arena_, name, bytes);
    return Fail("unknown type: " + std::string(name));
  }

 private:
  Value Fail(std::string_view message) { return MakeError(arena_, message); }
  Value Malformed() { return Fail("malformed message"); }

  static Wire WireOf(Message wrapper) {
    switch (wrapper) {
      case Message::kFloat: return Wire::kFixed32;
      case Message::kDouble: return Wire::kFixed64;
      case Message::kString:
      case Message::kBytes: return Wire::kBytes;
      default: return Wire::kVarint;
    }
  }

  Value Wrapper(Message wrapper, std::string_view bytes) {
    Reader reader(bytes);
    uint64_t number = 0;
    std::string_view text;
    while (reader.Next()) {
      if (!reader.Is(1, WireOf(wrapper))) continue;
      number = reader.number;
      text = reader.bytes;
    }
    if (reader.malformed()) return Malformed();
    switch (wrapper) {
      case Message::kBool: return Value::Bool(number != 0);
      case Message::kInt32: return Value::Int(static_cast<int32_t>(number));
      case Message::kInt64: return Value::Int(static_cast<int64_t>(number));
      case Message::kUint32: return Value::Uint(static_cast<uint32_t>(number));
      case Message::kUint64: return Value::Uint(number);
      case Message::kFloat:
        return Value::Double(
            static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(number))));
      case Message::kDouble: return Value::Double(std::bit_cast<double>(number));
      case Message::kString: return IsUtf8(text) ? Value::String(text) : Malformed();
      default: return Value::Bytes(text);
    }
  }

  Value Time(Message message, std::string_view bytes) {
    Reader reader(bytes);
    int64_t seconds = 0;
    int64_t nanos = 0;
    while (reader.Next()) {
      if (reader.Is(1, Wire::kVarint)) seconds = static_cast<int64_t>(reader.number);
      if (reader.Is(2, Wire::kVarint)) nanos = static_cast<int32_t>(reader.number);
    }
    if (reader.malformed()) return Malformed();
    return MakeTime(arena_, message, seconds, nanos);
  }

  Value Struct(std::string_view bytes, int depth) {
    MapBuilder map(arena_);
    Reader reader(bytes);
    while (reader.Next()) {
      if (!reader.Is(1, Wire::kBytes)) continue;
      Reader entry(reader.bytes);
      std::string_view key;
      std::string_view json;
      while (entry.Next()) {
        if (entry.Is(1, Wire::kBytes)) key = entry.bytes;
        if (entry.Is(2, Wire::kBytes)) json = entry.bytes;
      }
      if (entry.malformed() || !IsUtf8(key)) return Malformed();
      Value value = Decode(Message::kValue, json, depth + 1);
      if (IsError(value)) return value;
      map.Add(key, value);
    }
    return reader.malformed() ? Malformed() : map.Finish();
  }

  Value List(std::string_view bytes, int depth) {
    std::vector<Value> items;
    Reader reader(bytes);
    while (reader.Next()) {
      if (!reader.Is(1, Wire::kBytes)) continue;
      items.push_back(Decode(Message::kValue, reader.bytes, depth + 1));
      if (IsError(items.back())) return items.back();
    }
    return reader.malformed() ? Malformed() : Value::Array(arena_, items);
  }

  Value JsonValue(std::string_view bytes, int depth) {
    Value value;  // none set: null
    Reader reader(bytes);
    while (reader.Next()) {
      if (reader.Is(1, Wire::kVarint)) value = Value::Null();
      if (reader.Is(2, Wire::kFixed64)) value = Value::Double(std::bit_cast<double>(reader.number));
      if (reader.Is(3, Wire::kBytes)) {
        if (!IsUtf8(reader.bytes)) return Malformed();
        value = Value::String(reader.bytes);
      }
      if (reader.Is(4, Wire::kVarint)) value = Value::Bool(reader.number != 0);
      if (reader.Is(5, Wire::kBytes)) value = Decode(Message::kStruct, reader.bytes, depth + 1);
      if (reader.Is(6, Wire::kBytes)) value = Decode(Message::kListValue, reader.bytes, depth + 1);
      if (IsError(value)) return value;
    }
    return reader.malformed() ? Malformed() : value;
  }

  Value Any(std::string_view bytes, int depth) {
    std::string_view type_url;
    std::string_view packed;
    Reader reader(bytes);
    while (reader.Next()) {
      if (reader.Is(1, Wire::kBytes)) type_url = reader.bytes;
      if (reader.Is(2, Wire::kBytes)) packed = reader.bytes;
    }
    return reader.malformed() ? Malformed() : Unpack(type_url, packed, depth);
  }

 public:
  static Value MakeTime(Arena& arena, Message message, int64_t seconds, int64_t nanos) {
    constexpr int64_t kBillion = 1'000'000'000;
    if (message == Message::kTimestamp) {
      if (seconds < kMinTimestamp || seconds > kMaxTimestamp || nanos < 0 || nanos >= kBillion) {
        return MakeError(arena, "timestamp out of range");
      }
      return Value::Timestamp(seconds, static_cast<int32_t>(nanos));
    }
    const bool mixed = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if (mixed || seconds < -kMaxDurationSeconds || seconds > kMaxDurationSeconds ||
        nanos <= -kBillion || nanos >= kBillion) {
      return MakeError(arena, "duration out of range");
    }
    return Value::Duration(seconds, static_cast<int32_t>(nanos));
  }

 private:
  Arena& arena_;
  const MessageCodec* others_;
};

// --- Writing -------------------------------------------------------------------------------------

class Encoder {
 public:
  explicit Encoder(const MessageCodec* others) : others_(others) {}

  Result<std::string> Encode(Message message, const Value& v, int depth) {
    if (depth > kMaxDepth) return Error(Code::kInvalid, "value is nested too deeply");
    if (IsWrapper(message)) return Wrapper(message, v);
    switch (message) {
      case Message::kStruct: return Struct(v, depth);
      case Message::kValue: return JsonValue(v, depth);
      case Message::kListValue: return List(v, depth);
      case Message::kAny: return Any(v, depth);
      default: return Time(message, v);
    }
  }

 private:
  static Error Unsuited(Message message, const Value& v) {
    return Error(Code::kInvalid, "type conversion error from '" + std::string(TypeNameOf(v)) +
                                     "' to '" + std::string(kPackage) +
                                     std::string(kMessages[static_cast<size_t>(message)].name) +
                                     "'");
  }
  static const ObjectValue* AsObject(const Value& v) {
    return HasTag(v, kObjectTag) ? static_cast<const ObjectValue*>(v.AsOpaque()) : nullptr;
  }

  static Result<std::string> Wrapper(Message wrapper, const Value& v) {
    Writer out;
    auto out_of_range = [] { return Error(Code::kInvalid, "range error: integer overflow"); };
    switch (wrapper) {
      case Message::kBool:
        if (!v.IsBool()) return Unsuited(wrapper, v);
        if (v.IsTrue()) out.Varint(1, 1);
        break;
      case Message::kInt32:
      case Message::kInt64:
        if (!v.IsInt()) return Unsuited(wrapper, v);
        if (wrapper == Message::kInt32 && v.AsInt() != static_cast<int32_t>(v.AsInt())) {
          return out_of_range();
        }
        if (v.AsInt() != 0) out.Varint(1, static_cast<uint64_t>(v.AsInt()));
        break;
      case Message::kUint32:
      case Message::kUint64:
        if (!v.IsUint()) return Unsuited(wrapper, v);
        if (wrapper == Message::kUint32 && v.AsUint() > UINT32_MAX) return out_of_range();
        if (v.AsUint() != 0) out.Varint(1, v.AsUint());
        break;
      case Message::kFloat:
        if (!v.IsDouble()) return Unsuited(wrapper, v);
        out.Fixed32(1, std::bit_cast<uint32_t>(static_cast<float>(v.AsDouble())));
        break;
      case Message::kDouble:
        if (!v.IsDouble()) return Unsuited(wrapper, v);
        out.Fixed64(1, std::bit_cast<uint64_t>(v.AsDouble()));
        break;
      default:
        if (wrapper == Message::kString ? !v.IsString() : !v.IsBytes()) return Unsuited(wrapper, v);
        if (!v.empty()) out.Bytes(1, v.AsString());
        break;
    }
    return out.Take();
  }

  static Result<std::string> Time(Message message, const Value& v) {
    if (message == Message::kTimestamp ? !v.IsTimestamp() : !v.IsDuration()) {
      return Unsuited(message, v);
    }
    Writer out;
    if (v.seconds() != 0) out.Varint(1, static_cast<uint64_t>(v.seconds()));
    if (v.nanos() != 0) out.Varint(2, static_cast<uint64_t>(int64_t{v.nanos()}));
    return out.Take();
  }

  Result<std::string> Struct(const Value& v, int depth) {
    if (!v.IsMap()) return Unsuited(Message::kStruct, v);
    Writer out;
    for (const auto& [key, value] : v.entries()) {
      if (!key.IsString()) {
        return Error(Code::kInvalid, "bad key type: a field's name is a string");
      }
      Writer entry;
      entry.Bytes(1, key.AsString());
      entry.Bytes(2, BW_TRY(Encode(Message::kValue, value, depth + 1)));
      out.Bytes(1, entry.Take());
    }
    return out.Take();
  }

  Result<std::string> List(const Value& v, int depth) {
    auto items = ListItems(v);
    if (!items) return Unsuited(Message::kListValue, v);
    Writer out;
    for (const Value& item : *items) {
      out.Bytes(1, BW_TRY(Encode(Message::kValue, item, depth + 1)));
    }
    return out.Take();
  }

  Result<std::string> JsonValue(const Value& v, int depth) {
    Writer out;
    auto number = [&](double d) { out.Fixed64(2, std::bit_cast<uint64_t>(d)); };
    if (ListItems(v)) {
      out.Bytes(6, BW_TRY(Encode(Message::kListValue, v, depth + 1)));
      return out.Take();
    }
    switch (v.kind()) {
      case Value::Kind::kNull: out.Varint(1, 0); break;
      case Value::Kind::kBool: out.Varint(4, v.IsTrue() ? 1 : 0); break;
      case Value::Kind::kInt:
        if (v.AsInt() >= -kMaxJsonInteger && v.AsInt() <= kMaxJsonInteger) {
          number(v.ToDouble());
        } else {
          out.Bytes(3, std::to_string(v.AsInt()));
        }
        break;
      case Value::Kind::kUint:
        if (v.AsUint() <= static_cast<uint64_t>(kMaxJsonInteger)) {
          number(v.ToDouble());
        } else {
          out.Bytes(3, std::to_string(v.AsUint()));
        }
        break;
      case Value::Kind::kDouble:
      case Value::Kind::kDecimal: number(v.ToDouble()); break;
      case Value::Kind::kString: out.Bytes(3, v.AsString()); break;
      case Value::Kind::kBytes: out.Bytes(3, Base64Encode(v.AsString())); break;
      case Value::Kind::kTimestamp: out.Bytes(3, FormatRfc3339({v.seconds(), v.nanos()})); break;
      case Value::Kind::kDuration: out.Bytes(3, FormatProtoDuration(v)); break;
      case Value::Kind::kMap: out.Bytes(5, BW_TRY(Encode(Message::kStruct, v, depth + 1))); break;
      default:
        if (const ObjectValue* object = AsObject(v); object != nullptr && others_ != nullptr) {
          return others_->EncodeAsJson(*object);
        }
        return Unsuited(Message::kValue, v);
    }
    return out.Take();
  }

  Result<std::string> Any(const Value& v, int depth) {
    std::optional<Message> message;
    if (ListItems(v)) message = Message::kListValue;
    switch (v.kind()) {
      case Value::Kind::kNull: message = Message::kValue; break;
      case Value::Kind::kBool: message = Message::kBool; break;
      case Value::Kind::kInt: message = Message::kInt64; break;
      case Value::Kind::kUint: message = Message::kUint64; break;
      case Value::Kind::kDouble: message = Message::kDouble; break;
      case Value::Kind::kString: message = Message::kString; break;
      case Value::Kind::kBytes: message = Message::kBytes; break;
      case Value::Kind::kTimestamp: message = Message::kTimestamp; break;
      case Value::Kind::kDuration: message = Message::kDuration; break;
      case Value::Kind::kMap: message = Message::kStruct; break;
      default: break;
    }
    std::string type_url(kTypeUrl);
    std::string packed;
    if (message) {
      type_url.append(kPackage).append(kMessages[static_cast<size_t>(*message)].name);
      packed = BW_TRY(Encode(*message, v, depth + 1));
    } else {
      const ObjectValue* object = AsObject(v);
      if (object == nullptr || others_ == nullptr) return Unsuited(Message::kAny, v);
      type_url += object->TypeName();
      packed = BW_TRY(others_->Encode(*object));
    }
    Writer out;
    out.Bytes(1, type_url);
    if (!packed.empty()) out.Bytes(2, packed);
    return out.Take();
  }

  const MessageCodec* others_;
};

// --- Fields --------------------------------------------------------------------------------------

struct JsonField {
  std::string_view name;
  Message holds;  // what the field's value is encoded as
};
// Those of Value's oneof but null_value.
constexpr JsonField kJsonFields[] = {{"number_value", Message::kDouble},
                                     {"string_value", Message::kString},
                                     {"bool_value", Message::kBool},
                                     {"struct_value", Message::kStruct},
                                     {"list_value", Message::kListValue}};

std::optional<Type> FieldType(Message message, std::string_view field) {
  if (IsWrapper(message)) {
    if (field == "value") return ScalarType(message);
    return std::nullopt;
  }
  switch (message) {
    case Message::kStruct:
      if (field == "fields") return JsonObject();
      break;
    case Message::kListValue:
      if (field == "values") return JsonList();
      break;
    case Message::kAny:
      if (field == "type_url") return Type::String();
      if (field == "value") return Type::Bytes();
      break;
    case Message::kValue:
      if (field == "null_value") return Type::Null();
      for (const JsonField& known : kJsonFields) {
        if (known.name != field) continue;
        return IsWrapper(known.holds) ? ScalarType(known.holds) : TypeOf(known.holds);
      }
      break;
    default:
      if (field == "seconds" || field == "nanos") return Type::Int();
  }
  return std::nullopt;
}

// What the value becomes by being put into such a message: a float is rounded, a map JSON.
Value Through(Arena& arena, Message message, const Value& v, const MessageCodec* others) {
  Result<std::string> bytes = Encoder(others).Encode(message, v, 0);
  if (!bytes) return MakeError(arena, bytes.error().message());
  return Decoder(arena, others).Decode(message, arena.Copy(*bytes), 0);
}

class WellKnown final : public TypeProvider {
 public:
  std::optional<Type> FindType(std::string_view name) const override { return WellKnownType(name); }
  std::optional<Field> FindField(std::string_view type, std::string_view field) const override {
    std::optional<Message> message = Find(type);
    std::optional<Type> found = message ? FieldType(*message, field) : std::nullopt;
    if (!found) return std::nullopt;
    return Field{*found, field};
  }
  std::optional<Value> FindConstant(std::string_view name) const override {
    if (name == "google.protobuf.NullValue.NULL_VALUE") return Value::Null();
    return std::nullopt;
  }
  Value Create(Arena& arena, std::string_view type,
               std::span<const std::pair<std::string_view, Value>> fields) const override {
    return CreateWellKnown(arena, type, fields);
  }
};

}  // namespace

std::shared_ptr<const TypeProvider> WellKnownTypes() {
  static const std::shared_ptr<const TypeProvider> types = std::make_shared<WellKnown>();
  return types;
}

std::optional<Type> WellKnownType(std::string_view message) {
  std::optional<Message> found = Find(message);
  if (!found) return std::nullopt;
  return TypeOf(*found);
}

Value DecodeWellKnown(Arena& arena, std::string_view message, std::string_view bytes,
                      const MessageCodec* others) {
  std::optional<Message> found = Find(message);
  if (!found) return MakeError(arena, "unknown type: " + std::string(message));
  return Decoder(arena, others).Decode(*found, bytes, 0);
}

Result<std::string> EncodeWellKnown(std::string_view message, const Value& v,
                                    const MessageCodec* others) {
  std::optional<Message> found = Find(message);
  if (!found) return Error(Code::kInvalid, "unknown type: " + std::string(message));
  return Encoder(others).Encode(*found, v, 0);
}

Value CreateWellKnown(Arena& arena, std::string_view type,
                      std::span<const std::pair<std::string_view, Value>> fields,
                      const MessageCodec* others) {
  std::optional<Message> found = Find(type);
  if (!found) return MakeError(arena, "unknown type: " + std::string(type));
  const Message message = *found;
  for (const auto& [name, value] : fields) {
    if (!FieldType(message, name)) {
      return MakeError(arena, "no such field '" + std::string(name) + "'");
    }
  }
  if (message == Message::kTimestamp || message == Message::kDuration) {
    int64_t seconds = 0;
    int64_t nanos = 0;
    for (const auto& [name, value] : fields) {
      if (!value.IsInt()) return MakeError(arena, "no such overload");
      (name == "seconds" ? seconds : nanos) = value.AsInt();
    }
    return Decoder::MakeTime(arena, message, seconds, nanos);
  }
  if (message == Message::kAny) {
    std::string_view type_url;
    std::string_view bytes;
    for (const auto& [name, value] : fields) {
      const bool is_url = name == "type_url";
      if (is_url ? !value.IsString() : !value.IsBytes())
        return MakeError(arena, "no such overload");
      (is_url ? type_url : bytes) = value.AsString();
    }
    return Decoder(arena, others).Unpack(type_url, bytes, 0);
  }
  if (fields.empty()) return Decoder(arena, others).Decode(message, "", 0);
  const auto& [name, value] = fields.back();
  if (message != Message::kValue) return Through(arena, message, value, others);
  for (const JsonField& known : kJsonFields) {
    if (known.name == name) return Through(arena, known.holds, value, others);
  }
  if (value.IsNull() || (value.IsInt() && value.AsInt() == 0)) return Value::Null();
  return MakeError(arena, "null_value must be null");
}

}  // namespace bulwark::cel
