#include "lang/cel/expr_value.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "base/hash.h"
#include "base/time.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

namespace {

constexpr int kMaxDepth = 200;
constexpr std::string_view kTypeUrl = "type.googleapis.com/";
constexpr std::string_view kPackage = "google.protobuf.";

Error Bad(std::string_view what) {
  return Error(Code::kInvalid, "cel.expr_value", "cel.expr.Value: " + std::string(what));
}

// The value of a field by either of its names.
const Value* Field(const Value& json, std::string_view snake, std::string_view camel) {
  const Value* found = json.Find(snake);
  return found != nullptr ? found : json.Find(camel);
}

// int64 and uint64 are strings in protojson; numbers are taken, too.
template <typename T>
std::optional<T> Integer(const Value& v) {
  if (v.IsString()) {
    T out = 0;
    std::string_view text = v.AsString();
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
  }
  if (v.IsUint()) {
    if (v.AsUint() > static_cast<uint64_t>(std::numeric_limits<T>::max())) return std::nullopt;
    return static_cast<T>(v.AsUint());
  }
  auto i = v.ToInt();
  if (!i || (std::is_unsigned_v<T> && *i < 0)) return std::nullopt;
  return static_cast<T>(*i);
}

std::optional<double> Real(const Value& v) {
  if (v.IsNumber()) return v.ToDouble();
  if (!v.IsString()) return std::nullopt;
  if (v.AsString() == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (v.AsString() == "Infinity") return HUGE_VAL;
  if (v.AsString() == "-Infinity") return -HUGE_VAL;
  double d = 0;
  std::string_view text = v.AsString();
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return d;
}

// protojson's duration: "-1.5s", seconds with at most nine digits after the point.
std::optional<Value> ParseProtoDuration(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  size_t point = text.find('.');
  std::string fraction(point == std::string_view::npos ? "" : text.substr(point + 1));
  int64_t seconds = 0;
  std::string_view whole = text.substr(0, point);
  auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (error != std::errc() || end != whole.data() + whole.size() || seconds < 0)
    return std::nullopt;
  if (fraction.size() > 9 || fraction.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  fraction.resize(9, '0');
  int32_t nanos = 0;
  std::from_chars(fraction.data(), fraction.data() + fraction.size(), nanos);
  return Value::Duration(negative ? -seconds : seconds, negative ? -nanos : nanos);
}

// JSON as CEL sees google.protobuf.Value: all numbers are doubles.
Value FromJson(const Value& json, Arena& arena) {
  if (json.IsNumber()) return Value::Double(json.ToDouble());
  if (json.IsArray()) {
    std::vector<Value> items;
    for (const Value& item : json.items()) items.push_back(FromJson(item, arena));
    return Value::Array(arena, items);
  }
  if (json.IsMap()) {
    MapBuilder map(arena, json.size());
    for (const auto& [key, value] : json.entries()) map.Add(key, FromJson(value, arena));
    return map.Finish();
  }
  return json;
}

Result<Value> FromAny(const Value& any, Arena& arena, const MessageReader& messages, int depth) {
  if (depth > kMaxDepth) return Error(Code::kLimit, "cel.expr.Value: nested too deeply");
  std::string_view type = any.StringAt("@type");
  if (type.starts_with(kTypeUrl)) type.remove_prefix(kTypeUrl.size());
  auto other = [&, name = type]() -> Result<Value> {
    if (messages) return messages(any, arena);
    return Error(Code::kUnsupported,
                 "messages of type " + std::string(name) + " are not supported");
  };
  if (!type.starts_with(kPackage)) return other();
  type.remove_prefix(kPackage.size());
  Value v = any["value"];
  if (type == "Duration") {
    auto duration = v.IsString() ? ParseProtoDuration(v.AsString()) : std::nullopt;
    if (!duration) return Bad("not a duration such as 1.5s");
    return *duration;
  }
  if (type == "Timestamp") {
    auto at = v.IsString() ? ParseRfc3339(v.AsString()) : Result<bulwark::Timestamp>(Bad(""));
    if (!at) return Bad("not a timestamp");
    return Value::Timestamp(at->seconds, at->nanos);
  }
  if (type == "Value" || type == "Struct" || type == "ListValue") return FromJson(v, arena);
  auto wrapped = [&](std::string_view field) {
    return FromExprValue(MapBuilder(arena).Add(field, v).Finish(), arena);
  };
  if (type == "BoolValue") return wrapped("bool_value");
  if (type == "Int32Value" || type == "Int64Value") return wrapped("int64_value");
  if (type == "UInt32Value" || type == "UInt64Value") return wrapped("uint64_value");
  if (type == "FloatValue" || type == "DoubleValue") return wrapped("double_value");
  if (type == "StringValue") return wrapped("string_value");
  if (type == "BytesValue") return wrapped("bytes_value");
  if (type == "Any") return FromAny(v, arena, messages, depth + 1);
  return other();
}

Result<Value> From(const Value& json, Arena& arena, const MessageReader& messages, int depth) {
  if (depth > kMaxDepth) return Error(Code::kLimit, "cel.expr.Value: nested too deeply");
  if (!json.IsMap() || json.size() != 1) return Bad("expected an object with one field");
  if (Field(json, "null_value", "nullValue") != nullptr) return Value::Null();
  if (const Value* v = Field(json, "bool_value", "boolValue")) {
    if (!v->IsBool()) return Bad("bool_value must be true or false");
    return *v;
  }
  if (const Value* v = Field(json, "int64_value", "int64Value")) {
    auto i = Integer<int64_t>(*v);
    if (!i) return Bad("int64_value must be an integer of 64 bits");
    return Value::Int(*i);
  }
  if (const Value* v = Field(json, "uint64_value", "uint64Value")) {
    auto u = Integer<uint64_t>(*v);
    if (!u) return Bad("uint64_value must be an unsigned integer of 64 bits");
    return Value::Uint(*u);
  }
  if (const Value* v = Field(json, "double_value", "doubleValue")) {
    auto d = Real(*v);
    if (!d) return Bad("double_value must be a number");
    return Value::Double(*d);
  }
  if (const Value* v = Field(json, "string_value", "stringValue")) {
    if (!v->IsString()) return Bad("string_value must be a string");
    return *v;
  }
  if (const Value* v = Field(json, "bytes_value", "bytesValue")) {
    auto bytes = v->IsString() ? Base64Decode(v->AsString()) : Result<std::string>(Bad(""));
    if (!bytes) return Bad("bytes_value must be base64");
    return Value::Bytes(arena.Copy(*bytes));
  }
  if (const Value* v = Field(json, "type_value", "typeValue")) {
    if (!v->IsString()) return Bad("type_value must be a string");
    return MakeType(arena, v->AsString());
  }
  if (const Value* v = Field(json, "enum_value", "enumValue")) {
    auto i = Integer<int64_t>((*v)["value"].IsNull() ? Value::Int(0) : (*v)["value"]);
    if (!i) return Bad("enum_value must have an integer");
    return Value::Int(*i);
  }
  if (const Value* v = Field(json, "list_value", "listValue")) {
    std::vector<Value> items;
    for (const Value& item : (*v)["values"].items()) {
      items.push_back(BW_TRY(From(item, arena, messages, depth + 1)));
    }
    return Value::Array(arena, items);
  }
  if (const Value* v = Field(json, "map_value", "mapValue")) {
    MapBuilder map(arena);
    for (const Value& entry : (*v)["entries"].items()) {
      Value key = BW_TRY(From(entry["key"], arena, messages, depth + 1));
      map.Add(key, BW_TRY(From(entry["value"], arena, messages, depth + 1)));
    }
    return map.Finish();
  }
  if (const Value* v = Field(json, "object_value", "objectValue")) {
    return FromAny(*v, arena, messages, depth + 1);
  }
  return Bad("unknown field " + std::string(json.entries()[0].key.IsString()
                                                ? json.entries()[0].key.AsString()
                                                : "?"));
}

Value One(Arena& arena, std::string_view field, Value v) {
  return MapBuilder(arena).Add(field, v).Finish();
}

Value Any(Arena& arena, std::string_view type, std::string_view text) {
  Value any = MapBuilder(arena)
                  .Add("@type", Value::String(arena, std::string(kTypeUrl) + std::string(kPackage) +
                                                         std::string(type)))
                  .Add("value", Value::String(arena, text))
                  .Finish();
  return One(arena, "object_value", any);
}

Result<Value> To(const Value& v, Arena& arena, int depth) {
  if (depth > kMaxDepth) return Error(Code::kLimit, "cel.expr.Value: nested too deeply");
  if (auto items = ListItems(v); items || v.IsSet()) {
    std::vector<Value> out;
    for (const Value& item : items ? *items : v.items()) {
      out.push_back(BW_TRY(To(item, arena, depth + 1)));
    }
    return One(arena, "list_value", One(arena, "values", Value::Array(arena, out)));
  }
  switch (v.kind()) {
    case Value::Kind::kNull: return One(arena, "null_value", v);
    case Value::Kind::kBool: return One(arena, "bool_value", v);
    case Value::Kind::kInt:
      return One(arena, "int64_value", Value::String(arena, std::to_string(v.AsInt())));
    case Value::Kind::kUint:
      return One(arena, "uint64_value", Value::String(arena, std::to_string(v.AsUint())));
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: {
      double d = v.ToDouble();
      Value out = Value::Double(d);
      if (std::isnan(d)) out = Value::String("NaN");
      if (std::isinf(d)) out = Value::String(d < 0 ? "-Infinity" : "Infinity");
      return One(arena, "double_value", out);
    }
    case Value::Kind::kString: return One(arena, "string_value", v);
    case Value::Kind::kBytes:
      return One(arena, "bytes_value", Value::String(arena, Base64Encode(v.AsString())));
    case Value::Kind::kTimestamp:
      return Any(arena, "Timestamp", FormatRfc3339({v.seconds(), v.nanos()}));
    case Value::Kind::kDuration: return Any(arena, "Duration", FormatProtoDuration(v));
    case Value::Kind::kMap: {
      std::vector<Value> entries;
      for (const auto& [key, value] : v.entries()) {
        MapBuilder entry(arena);
        entry.Add("key", BW_TRY(To(key, arena, depth + 1)));
        entry.Add("value", BW_TRY(To(value, arena, depth + 1)));
        entries.push_back(entry.Finish());
      }
      return One(arena, "map_value", One(arena, "entries", Value::Array(arena, entries)));
    }
    case Value::Kind::kOpaque:
      if (HasTag(v, kTypeTag)) {
        return One(arena, "type_value", Value::String(arena, v.AsOpaque()->ToString()));
      }
      [[fallthrough]];
    default:
      return Error(Code::kUnsupported,
                   "cel.expr.Value has no place for a value of type " + std::string(TypeNameOf(v)));
  }
}

}  // namespace

std::string FormatProtoDuration(const Value& d) {
  bool negative = d.seconds() < 0 || d.nanos() < 0;
  std::string out = negative ? "-" : "";
  out += std::to_string(std::abs(d.seconds()));
  if (d.nanos() != 0) {
    std::string fraction = std::to_string(std::abs(d.nanos()));
    fraction.insert(0, 9 - fraction.size(), '0');
    fraction.erase(fraction.find_last_not_of('0') + 1);
    out += "." + fraction;
  }
  return out + "s";
}

Result<Value> FromExprValue(const Value& json, Arena& arena, const MessageReader& messages) {
  return From(json, arena, messages, 0);
}
Result<Value> ToExprValue(const Value& value, Arena& arena) { return To(value, arena, 0); }

}  // namespace bulwark::cel
