#include "kube/cel/schema_values.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "lang/cel/values.h"

namespace bulwark::kube {

namespace {

using cel::MakeError;
using Type = StructuralSchema::Type;
using Format = StructuralSchema::Format;
using ListType = StructuralSchema::ListType;

// --- Hashes --------------------------------------------------------------------------------------

constexpr int kHashDepth = 8;

// The same for what is equal in CEL: numbers by their values, lists whatever their kind and order.
uint64_t HashOf(const Value& v, int depth = kHashDepth) {
  if (depth == 0) return 1;
  if (auto items = cel::ListItems(v)) {
    uint64_t sum = 2;
    for (const Value& item : *items) sum += HashOf(item, depth - 1);
    return sum;
  }
  if (v.IsMap()) {
    uint64_t sum = 3;
    for (const Value::Entry& entry : v.entries()) {
      sum += HashOf(entry.key, 1) * 31 ^ HashOf(entry.value, depth - 1);
    }
    return sum;
  }
  // Ints compare with doubles as doubles.
  if (v.IsNumber()) return Value::Double(v.ToDouble()).Hash();
  return v.IsOpaque() ? 4 : v.Hash();
}

struct CelHash {
  size_t operator()(const Value& v) const { return HashOf(v); }
};
struct CelEqualTo {
  bool operator()(const Value& a, const Value& b) const { return cel::CelEqual(a, b); }
};
using ValueSet = std::unordered_set<Value, CelHash, CelEqualTo>;

// --- Lists ---------------------------------------------------------------------------------------

class SetList final : public cel::ListValue {
 public:
  explicit SetList(std::span<const Value> items) : ListValue(items) {}

  bool EqualTo(const Value& other) const override {
    auto others = cel::ListItems(other);
    if (!others || others->size() != items().size()) return false;
    ValueSet set(items().begin(), items().end());
    return std::ranges::all_of(*others, [&](const Value& v) { return set.contains(v); });
  }
  uint64_t Hash() const override { return HashOf(Value::Array(items())); }

  Value Concat(Arena& arena, const Value& other) const override {
    auto others = cel::ListItems(other);
    if (!others) return MakeError(arena, "no such overload");
    std::vector<Value> all(items().begin(), items().end());
    ValueSet set(items().begin(), items().end());
    for (const Value& v : *others) {
      if (set.insert(v).second) all.push_back(v);
    }
    return Value::FromOpaque(arena.New<SetList>(arena.Copy<Value>(all)));
  }
};

// The values that an item has under the keys; what is not there is null.
struct Keys {
  std::vector<Value> values;
  bool operator==(const Keys& other) const {
    return std::ranges::equal(values, other.values, CelEqualTo{});
  }
};
struct KeysHash {
  size_t operator()(const Keys& keys) const {
    uint64_t hash = 0;
    for (const Value& v : keys.values) hash = hash * 31 + HashOf(v);
    return hash;
  }
};

class MapList final : public cel::ListValue {
 public:
  MapList(std::span<const Value> items, std::span<const std::string> keys)
      : ListValue(items), keys_(keys) {}

  bool EqualTo(const Value& other) const override {
    auto others = cel::ListItems(other);
    if (!others || others->size() != items().size()) return false;
    const auto index = Index();
    return std::ranges::all_of(*others, [&](const Value& item) {
      auto same = index.find(KeysOf(item));
      return same != index.end() && cel::CelEqual(items()[same->second], item);
    });
  }
  uint64_t Hash() const override { return HashOf(Value::Array(items())); }

  Value Concat(Arena& arena, const Value& other) const override {
    auto others = cel::ListItems(other);
    if (!others) return MakeError(arena, "no such overload");
    std::vector<Value> all(items().begin(), items().end());
    const auto index = Index();
    for (const Value& item : *others) {
      auto same = index.find(KeysOf(item));
      if (same != index.end()) {
        all[same->second] = item;
      } else {
        all.push_back(item);
      }
    }
    return Value::FromOpaque(arena.New<MapList>(arena.Copy<Value>(all), keys_));
  }

 private:
  Keys KeysOf(const Value& item) const {
    Keys keys;
    for (const std::string& key : keys_) keys.values.push_back(item[key]);
    return keys;
  }
  // Of two items of the same keys the last, as in Kubernetes.
  std::unordered_map<Keys, size_t, KeysHash> Index() const {
    std::unordered_map<Keys, size_t, KeysHash> index;
    for (size_t i = 0; i < items().size(); ++i) index[KeysOf(items()[i])] = i;
    return index;
  }

  std::span<const std::string> keys_;  // escaped
};

// --- Texts with a format -------------------------------------------------------------------------

struct Unit {
  std::string_view names[3];  // the last also with anything after it
  int count;
  int64_t nanos;
};
constexpr int64_t kSecond = 1'000'000'000;
constexpr Unit kUnits[] = {
    {{"ns", "nano"}, 2, 1},
    {{"us", "\u00b5s", "micro"}, 3, 1000},
    {{"ms", "milli"}, 2, 1'000'000},
    {{"s", "sec"}, 2, kSecond},
    {{"m", "min"}, 2, 60 * kSecond},
    {{"h", "hr", "hour"}, 3, 3600 * kSecond},
    {{"d", "day"}, 2, 86'400 * kSecond},
    {{"w", "wk", "week"}, 3, 604'800 * kSecond},
};

std::optional<int64_t> UnitNanos(std::string_view unit) {
  for (const Unit& u : kUnits) {
    for (int i = 0; i < u.count; ++i) {
      if (unit == u.names[i] || (i + 1 == u.count && unit.starts_with(u.names[i]))) return u.nanos;
    }
  }
  return std::nullopt;
}

// As Go's durations, or numbers with units of any length anywhere in the text, as in "3 days, 1
// hour" (k8s.io/kube-openapi/pkg/validation/strfmt).
std::optional<Nanos> ParseWordyDuration(std::string_view text) {
  if (Result<Nanos> go = ParseGoDuration(text)) return *go;
  uint64_t sum = 0;  // wraps round, as in Go
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    if (!IsAsciiDigit(text[at])) {
      ++at;
      continue;
    }
    const size_t digits = at;
    while (at < text.size() && IsAsciiDigit(text[at])) ++at;
    std::string_view number = text.substr(digits, at - digits);
    size_t unit = at;
    while (unit < text.size() && text[unit] != '\v' && IsAsciiSpace(text[unit])) ++unit;
    size_t end = unit;
    constexpr std::string_view kMicro = "\u00b5";
    while (end < text.size() &&
           (IsAsciiLetter(text[end]) || text.substr(end).starts_with(kMicro))) {
      end += IsAsciiLetter(text[end]) ? 1 : kMicro.size();
    }
    if (end == unit) continue;
    at = end;
    int64_t factor = 0;
    for (char c : number) {
      if (__builtin_mul_overflow(factor, 10, &factor) ||
          __builtin_add_overflow(factor, c - '0', &factor)) {
        return std::nullopt;
      }
    }
    if (auto nanos = UnitNanos(AsciiLower(text.substr(unit, end - unit)))) {
      any = true;
      sum += static_cast<uint64_t>(factor) * static_cast<uint64_t>(*nanos);
    }
  }
  if (!any) return std::nullopt;
  return Nanos(static_cast<int64_t>(sum));
}

// RFC 3339, or without a zone; nothing is the epoch.
std::optional<Timestamp> ParseDateTime(const std::string& text) {
  if (text.empty()) return Timestamp{};
  if (Result<Timestamp> at = ParseRfc3339(text)) return *at;
  if (Result<Timestamp> at = ParseRfc3339(text + "Z")) return *at;
  return std::nullopt;
}

std::optional<Timestamp> ParseDate(const std::string& text) {
  if (text.size() != std::string_view("2006-01-02").size()) return std::nullopt;
  if (Result<Timestamp> at = ParseRfc3339(text + "T00:00:00Z")) return *at;
  return std::nullopt;
}

// Base64 of the URL's alphabet, with padding; line breaks are passed over.
std::optional<std::string> ParseBytes(std::string text) {
  for (char& c : text) {
    if (c == '+' || c == '/') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  if (Result<std::string> bytes = Base64DecodeLikeGo(text)) return *bytes;
  return std::nullopt;
}

Value FormattedValue(Arena& arena, const Value& value, Format format) {
  const std::string text(value.AsString());
  auto invalid = [&](std::string_view what) {
    return MakeError(arena, "Invalid " + std::string(what) + " " + text);
  };
  switch (format) {
    case Format::kDuration: {
      std::optional<Nanos> nanos = ParseWordyDuration(text);
      if (!nanos) return invalid("duration");
      return Value::Duration(nanos->count() / kSecond,
                             static_cast<int32_t>(nanos->count() % kSecond));
    }
    case Format::kDate: {
      std::optional<Timestamp> at = ParseDate(text);
      return at ? Value::Timestamp(at->seconds, at->nanos) : invalid("date formatted string");
    }
    case Format::kDateTime: {
      std::optional<Timestamp> at = ParseDateTime(text);
      return at ? Value::Timestamp(at->seconds, at->nanos) : invalid("date-time formatted string");
    }
    case Format::kByte: {
      std::optional<std::string> bytes = ParseBytes(text);
      return bytes ? Value::Bytes(arena.Copy(*bytes)) : invalid("byte formatted string");
    }
    case Format::kNone: break;
  }
  return value;
}

// --- Objects -------------------------------------------------------------------------------------

// What Go calls the type of a value of JSON.
std::string_view GoTypeOf(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kBool: return "bool";
    case Value::Kind::kInt: return "int64";
    case Value::Kind::kString: return "string";
    case Value::Kind::kArray: return "[]interface {}";
    case Value::Kind::kMap: return "map[string]interface {}";
    case Value::Kind::kNull: return "<nil>";
    default: return "float64";
  }
}

class Converter {
 public:
  explicit Converter(Arena& arena) : arena_(arena) {}

  // False if the value is as it should be; else what CEL sees is in `*out`.
  bool Convert(const Value& v, const StructuralSchema& schema, Value* out) {
    if (v.IsNull()) {
      return !schema.nullable && Fail("invalid data, got null for schema with nullable=false", out);
    }
    if (schema.int_or_string) {
      return !(v.IsString() || v.IsInt()) &&
             Fail("invalid data, expected XIntOrString value to be either a string or integer",
                  out);
    }
    switch (schema.type) {
      case Type::kObject:
        if (!v.IsMap()) {
          return Fail("invalid data, expected a map for the provided schema with type=object", out);
        }
        return Object(v, schema.resource != nullptr ? *schema.resource : schema, out);
      case Type::kArray:
        if (!v.IsArray()) {
          return Fail("invalid data, expected an array for the provided schema with type=array",
                      out);
        }
        return List(v, schema, out);
      case Type::kString:
        if (!v.IsString()) return Fail("invalid data, expected string", v, out);
        if (schema.format == Format::kNone) return false;
        *out = FormattedValue(arena_, v, schema.format);
        return true;
      case Type::kNumber:
        if (v.IsDouble()) return false;
        if (!v.IsNumber()) return Fail("invalid data, expected float", v, out);
        *out = Value::Double(v.ToDouble());
        return true;
      case Type::kInteger: return !v.IsInt() && Fail("invalid data, expected int", v, out);
      case Type::kBoolean: return !v.IsBool() && Fail("invalid data, expected bool", v, out);
      case Type::kNone: break;
    }
    return !schema.preserve_unknown_fields &&
           Fail("invalid type, expected object, array, number, integer, boolean or string", out);
  }

 private:
  bool Fail(std::string_view message, Value* out) {
    *out = MakeError(arena_, message);
    return true;
  }
  bool Fail(std::string_view message, const Value& got, Value* out) {
    return Fail(std::string(message) + ", got " + std::string(GoTypeOf(got)), out);
  }

  // An entry that expressions cannot name, but that counts: its key is in a list of its own.
  Value Hidden(const Value& key) {
    return Value::Array(std::span<const Value>(arena_.New<Value>(key), 1));
  }

  // One entry: false if it stays as it is.
  bool Entry(const Value::Entry& entry, const StructuralSchema& schema, Value::Entry* out) {
    *out = entry;
    const StructuralSchema* value_schema = nullptr;
    if (!schema.properties.empty()) {
      const StructuralSchema::Property* property =
          entry.key.IsString() ? schema.FindProperty(entry.key.AsString()) : nullptr;
      if (property != nullptr && !entry.value.IsNull()) {
        value_schema = property->schema.get();
        if (property->escaped && *property->escaped != property->name) {
          out->key = Value::String(*property->escaped);
        }
      }
    } else if (entry.key.IsString()) {
      value_schema = schema.additional_properties.get();
    }
    const bool untyped = value_schema != nullptr && value_schema->type == Type::kNone &&
                         !value_schema->int_or_string && value_schema->preserve_unknown_fields;
    if (value_schema == nullptr || untyped) {
      out->key = Hidden(entry.key);
      return true;
    }
    const bool renamed = value_schema != nullptr && out->key.IsString() &&
                         out->key.AsString().data() != entry.key.AsString().data();
    return Convert(entry.value, *value_schema, &out->value) || renamed;
  }

  bool Object(const Value& v, const StructuralSchema& schema, Value* out) {
    std::span<const Value::Entry> entries = v.entries();
    Value::Entry* copy = nullptr;
    for (size_t i = 0; i < entries.size(); ++i) {
      Value::Entry converted;
      bool changed = Entry(entries[i], schema, &converted);
      if (changed && copy == nullptr) {
        copy = arena_.Array<Value::Entry>(entries.size());
        std::uninitialized_copy_n(entries.begin(), i, copy);
      }
      if (copy != nullptr) new (&copy[i]) Value::Entry(converted);
    }
    if (copy == nullptr) return false;
    *out = MapBuilder::FromUnique(arena_, {copy, entries.size()});
    return true;
  }

  bool List(const Value& v, const StructuralSchema& schema, Value* out) {
    if (schema.items == nullptr) {
      return Fail("invalid array type, expected Items with a non-empty Schema", out);
    }
    std::span<const Value> items = v.items();
    Value* copy = nullptr;
    for (size_t i = 0; i < items.size(); ++i) {
      Value converted = items[i];
      bool changed = Convert(items[i], *schema.items, &converted);
      if (changed && copy == nullptr) {
        copy = arena_.Array<Value>(items.size());
        std::uninitialized_copy_n(items.begin(), i, copy);
      }
      if (copy != nullptr) new (&copy[i]) Value(converted);
    }
    if (copy != nullptr) items = {copy, items.size()};
    switch (schema.list_type) {
      case ListType::kSet: *out = Value::FromOpaque(arena_.New<SetList>(items)); return true;
      case ListType::kMap:
        *out = Value::FromOpaque(arena_.New<MapList>(items, schema.list_map_keys_escaped));
        return true;
      case ListType::kUnknown:
        return Fail("invalid x-kubernetes-list-type, expected 'map', 'set' or 'atomic'", out);
      case ListType::kAtomic: break;
    }
    if (copy != nullptr) *out = Value::Array(items);
    return copy != nullptr;
  }

  Arena& arena_;
};

}  // namespace

Value ToCelValue(Arena& arena, const Value& value, const StructuralSchema& schema) {
  Value out;
  return Converter(arena).Convert(value, schema, &out) ? out : value;
}

// --- Items by keys -------------------------------------------------------------------------------

struct KeyedItems::Table {
  std::span<const std::string> keys;
  std::unordered_map<Keys, size_t, KeysHash> index;

  std::optional<Keys> KeysOf(const Value& item) const {
    Keys out;
    for (const std::string& key : keys) {
      const Value* v = item.Find(key);
      if (v == nullptr || !(v->IsBool() || v->IsNumber() || v->IsString())) return std::nullopt;
      out.values.push_back(*v);
    }
    return out;
  }
};

KeyedItems::KeyedItems(std::span<const Value> items, std::span<const std::string> keys)
    : table_(std::make_unique<Table>()) {
  table_->keys = keys;
  if (keys.empty()) return;
  for (size_t i = 0; i < items.size(); ++i) {
    if (auto found = table_->KeysOf(items[i])) table_->index.try_emplace(std::move(*found), i);
  }
}
KeyedItems::KeyedItems(KeyedItems&&) noexcept = default;
KeyedItems::~KeyedItems() = default;

std::optional<size_t> KeyedItems::Find(const Value& item) const {
  if (table_->keys.empty()) return std::nullopt;
  auto keys = table_->KeysOf(item);
  if (!keys) return std::nullopt;
  auto found = table_->index.find(*keys);
  return found != table_->index.end() ? std::optional(found->second) : std::nullopt;
}

}  // namespace bulwark::kube
