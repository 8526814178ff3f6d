// Schemas::Validate(): a walk through an object beside its type.

#include <algorithm>
#include <array>

#include "base/path.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "kube/object.h"
#include "kube/schema.h"

namespace bulwark::kube {

namespace {

// Kubernetes' quantities: 1, .5, 1.5Gi, 100m, 1e3, 12E-3.
bool IsQuantity(std::string_view text) {
  size_t at = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  size_t digits = 0;
  while (at < text.size() && IsAsciiDigit(text[at])) ++at, ++digits;
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (at < text.size() && IsAsciiDigit(text[at])) ++at, ++digits;
  }
  if (digits == 0) return false;
  std::string_view suffix = text.substr(at);
  if (suffix.empty()) return true;
  if (suffix.size() == 1)
    return std::string_view("numkMGTPE").find(suffix[0]) != std::string_view::npos;
  if (suffix[0] == 'e' || suffix[0] == 'E') {
    std::string_view exponent = suffix.substr(1);
    if (suffix == "Ei") return true;
    if (exponent[0] == '+' || exponent[0] == '-') exponent.remove_prefix(1);
    return !exponent.empty() && std::all_of(exponent.begin(), exponent.end(), IsAsciiDigit);
  }
  return suffix.size() == 2 && suffix[1] == 'i' &&
         std::string_view("KMGTP").find(suffix[0]) != std::string_view::npos;
}

constexpr auto kBase64 = [] {
  std::array<bool, 256> is{};
  for (char c :
       std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")) {
    is[static_cast<uint8_t>(c)] = true;
  }
  return is;
}();

// RFC 4648 with padding; line breaks are passed over, as Go does.
bool IsBase64(std::string_view text) {
  size_t digits = 0, padding = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
    } else if (padding > 0 || !kBase64[static_cast<uint8_t>(c)]) {
      return false;
    } else {
      ++digits;
    }
  }
  return padding <= 2 && (digits + padding) % 4 == 0 && (padding == 0 || digits % 4 >= 2);
}

bool IsIntegerWithin(const Value& value, int64_t low, int64_t high) {
  std::optional<int64_t> number = value.ToInt();
  return number && low <= *number && *number <= high;
}

std::string_view TypeWord(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull: return "null";
    case Value::Kind::kBool: return "boolean";
    case Value::Kind::kInt:
    case Value::Kind::kUint: return "integer";
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: return "number";
    case Value::Kind::kString: return "string";
    case Value::Kind::kBytes: return "bytes";
    case Value::Kind::kTimestamp: return "timestamp";
    case Value::Kind::kDuration: return "duration";
    case Value::Kind::kArray:
    case Value::Kind::kSet: return "list";
    case Value::Kind::kMap: return "object";
    case Value::Kind::kOpaque: return "opaque";
  }
  BW_UNREACHABLE();
}

std::string Excerpt(const Value& value) {
  if (value.IsArray() || value.IsMap() || value.IsSet() || value.IsOpaque()) return {};
  // A long string is cut before it is escaped, at the end of a character.
  constexpr size_t kMost = 60;
  if (value.IsString() && value.AsString().size() > kMost) {
    std::string_view text = value.AsString();
    size_t end = kMost;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
    return ToJson(Value::String(std::string(text.substr(0, end)) + "…"));
  }
  return ToJson(value);
}

}  // namespace

// One walk through one object.
class SchemaWalk {
 public:
  SchemaWalk(const Schemas& schemas, int minor, const Schemas::Options& options,
             std::vector<SchemaProblem>& out)
      : s_(schemas), minor_(minor), options_(options), out_(out) {}

  // A step of the path to where the walk stands. `type` is that of the object whose field it is.
  struct Step {
    enum class What : uint8_t { kField, kKey, kIndex };
    const Step* up;
    What what;
    const Schemas::Type* type;
    std::string_view name;
    size_t index;
  };

  bool complete() const { return complete_; }

  // Returns whether the object's fields were looked at.
  bool Root(const Value& object, const Step* at) {
    if (!object.IsMap()) {
      if (!object.IsNull()) WrongType(object, at, "object");
      return false;
    }
    std::string_view api_version = object.StringAt("apiVersion");
    std::string_view name = object.StringAt("kind");
    if (api_version.empty() || name.empty()) {
      const Step missing{at, Step::What::kField, nullptr, name.empty() ? "kind" : "apiVersion", 0};
      if (SchemaProblem* p = Add(SchemaProblem::Kind::kUnknownKind, object, &missing)) {
        p->expected = "string";
      }
      return false;
    }
    const ApiKind* kind = s_.FindKind(api_version, name);
    if (kind == nullptr) return UnlistedKind(object, at, api_version, name);
    int wanted = minor_;
    if (!kind->served.Has(minor_)) {
      NotServed(object, at, *kind);
      minor_ = std::clamp(minor_, kind->served.from, kind->served.to);
    }
    const Schemas::Type& type =
        s_.types_[s_.kind_types_[static_cast<size_t>(kind - s_.kinds_.data())]];
    // A subresource's kind may be served longer than the documents describe it.
    minor_ = std::clamp<int>(minor_, type.in.from, type.in.to);
    root_ = at;
    Object(object, type, at);
    minor_ = wanted;
    return true;
  }

 private:
  using Kind = SchemaProblem::Kind;
  using Base = Schemas::Base;

  void Object(const Value& object, const Schemas::Type& type, const Step* at) {
    for (const Value::Entry& entry : object.entries()) {
      Step step{at, Step::What::kField, &type, {}, 0};
      if (!entry.key.IsString()) [[unlikely]] {
        std::string key = ToJson(entry.key);
        step.name = key;
        Unknown(entry.value, type, &step);
        continue;
      }
      step.name = entry.key.AsString();
      const Schemas::Field* field = s_.FindField(type, step.name);
      while (field != nullptr && !field->in.Has(minor_)) {
        field = field->has_other_shape ? field + 1 : nullptr;
      }
      if (field == nullptr) [[unlikely]] {
        Unknown(entry.value, type, &step);
        continue;
      }
      if (options_.deprecated && field->deprecated.Has(minor_) && !entry.value.IsNull()) {
        Add(Kind::kDeprecatedField, entry.value, &step);
      }
      Check(entry.value, *field, field->wrappers, &step);
    }
    if (options_.required && type.any_required) Required(object, type, at);
  }

  void Required(const Value& object, const Schemas::Type& type, const Step* at) {
    for (uint32_t i = 0; i < type.fields; ++i) {
      const Schemas::Field& field = s_.fields_[type.first_field + i];
      if (!field.required.Has(minor_)) continue;
      const Value* value = object.Find(field.name);
      if (value != nullptr && !value->IsNull()) continue;
      const Step step{at, Step::What::kField, &type, field.name, 0};
      if (SchemaProblem* p = Add(Kind::kMissing, object, &step)) p->expected = field.shape;
    }
  }

  void Check(const Value& value, const Schemas::Field& field, uint8_t wrappers, const Step* at) {
    if (value.IsNull()) return;
    if (wrappers == 0) {
      if (field.base == Base::kType) {
        if (!value.IsMap()) return WrongType(value, at, "object");
        return Object(value, s_.types_[field.type], at);
      }
      if (!FitsBase(value, field.base)) [[unlikely]]
        return WrongScalar(value, field, at);
      if (field.values != 0 && options_.values && value.IsString()) CheckValue(value, field, at);
      return;
    }
    if ((wrappers & 3) == Schemas::kList) {
      if (!value.IsArray()) return WrongType(value, at, Rest(field, wrappers));
      std::span<const Value> items = value.items();
      for (size_t i = 0; i < items.size(); ++i) {
        const Step step{at, Step::What::kIndex, nullptr, {}, i};
        Check(items[i], field, static_cast<uint8_t>(wrappers >> 2), &step);
      }
      if (!field.keys.empty() && options_.duplicates && items.size() > 1) {
        Duplicates(items, field.keys, at);
      }
      return;
    }
    if (!value.IsMap()) return WrongType(value, at, Rest(field, wrappers));
    for (const Value::Entry& entry : value.entries()) {
      if (entry.key.IsString()) [[likely]] {
        const Step step{at, Step::What::kKey, nullptr, entry.key.AsString(), 0};
        Check(entry.value, field, static_cast<uint8_t>(wrappers >> 2), &step);
      } else {
        std::string key = ToJson(entry.key);
        const Step step{at, Step::What::kKey, nullptr, key, 0};
        Check(entry.value, field, static_cast<uint8_t>(wrappers >> 2), &step);
      }
    }
  }

  static bool FitsBase(const Value& value, Base base) {
    switch (base) {
      case Base::kString: return value.IsString();
      case Base::kInt32: return value.IsNumber() && IsIntegerWithin(value, INT32_MIN, INT32_MAX);
      case Base::kInt64:
        return value.IsInt() || (value.IsNumber() && IsIntegerWithin(value, INT64_MIN, INT64_MAX));
      case Base::kNumber: return value.IsNumber();
      case Base::kBoolean: return value.IsBool();
      case Base::kQuantity:
        return value.IsNumber() || (value.IsString() && IsQuantity(value.AsString()));
      case Base::kIntOrString:
        return value.IsString() ||
               (value.IsNumber() && IsIntegerWithin(value, INT32_MIN, INT32_MAX));
      case Base::kDateTime:
        return value.IsTimestamp() || (value.IsString() && ParseRfc3339(value.AsString()));
      case Base::kBytes: return value.IsBytes() || (value.IsString() && IsBase64(value.AsString()));
      case Base::kObject: return value.IsMap();
      case Base::kAny: return true;
      case Base::kType: return value.IsMap();
    }
    BW_UNREACHABLE();
  }

  void CheckValue(const Value& value, const Schemas::Field& field, const Step* at) {
    std::string_view text = value.AsString();
    if (text.empty()) return;
    bool known = false;
    std::span values = std::span(s_.values_).subspan(field.first_value, field.values);
    for (const Schemas::EnumValue& v : values) {
      if (!v.in.Has(minor_)) continue;
      if (v.text == text) return;
      known = true;
    }
    if (!known) return;
    SchemaProblem* p = Add(Kind::kBadValue, value, at);
    if (p == nullptr) return;
    for (const Schemas::EnumValue& v : values) {
      if (v.in.Has(minor_)) {
        if (!p->expected.empty()) p->expected += ", ";
        p->expected += v.text;
      }
      if (v.text == text) p->exists = {v.in.from, v.in.to};
      if (EqualsIgnoringCase(v.text, text)) p->suggestion = v.text;
    }
    Describe(*p, value);
  }

  void Duplicates(std::span<const Value> items, std::string_view keys, const Step* at) {
    // Lists are short: every pair is compared, until the list is no human's.
    constexpr size_t kMost = 128;
    size_t n = std::min(items.size(), kMost);
    for (size_t i = 1; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (!SameKeys(items[i], items[j], keys)) continue;
        const Step step{at, Step::What::kIndex, nullptr, {}, i};
        if (SchemaProblem* p = Add(Kind::kDuplicate, items[i], &step)) {
          const Step earlier{at, Step::What::kIndex, nullptr, {}, j};
          p->expected = keys;
          AppendPath(p->suggestion, &earlier);
        }
        break;
      }
    }
  }

  // Whether all keys that two items have are the same; at least one must be there.
  static bool SameKeys(const Value& a, const Value& b, std::string_view keys) {
    bool any = false;
    while (!keys.empty()) {
      size_t end = std::min(keys.find(','), keys.size());
      std::string_view key = keys.substr(0, end);
      keys.remove_prefix(std::min(end + 1, keys.size()));
      const Value* x = a.Find(key);
      const Value* y = b.Find(key);
      if (x != nullptr && y != nullptr) {
        if (!(*x == *y)) return false;
        any = any || !x->IsNull();
      } else if (x != nullptr || y != nullptr) {
        // The only key with a default is a port's protocol.
        const Value* given = x != nullptr ? x : y;
        if (key != "protocol" || !given->IsString() || given->AsString() != "TCP") return false;
      }
    }
    return any;
  }

  // --- What is rare: telling what is wrong ---

  SchemaProblem* Add(Kind kind, const Value& where, const Step* at) {
    if (added_ >= options_.max_problems || bytes_ >= options_.max_bytes) {
      complete_ = false;
      return nullptr;
    }
    SchemaProblem& p = out_.emplace_back();
    p.kind = kind;
    p.where = &where;
    AppendPath(p.path, at);
    ++added_;
    bytes_ += p.path.size();
    return &p;
  }

  static void Describe(SchemaProblem& p, const Value& value) {
    p.found = TypeWord(value);
    p.value = Excerpt(value);
  }

  // The shape that is left of a field's when its outer lists and maps are taken off.
  static std::string_view Rest(const Schemas::Field& field, uint8_t wrappers) {
    std::string_view shape = field.shape;
    for (uint8_t all = field.wrappers; all != wrappers; all = static_cast<uint8_t>(all >> 2)) {
      shape.remove_prefix(2);
    }
    return shape;
  }

  void WrongType(const Value& value, const Step* at, std::string_view expected) {
    if (SchemaProblem* p = Add(Kind::kWrongType, value, at)) {
      p->expected = expected;
      Describe(*p, value);
    }
  }

  void WrongScalar(const Value& value, const Schemas::Field& field, const Step* at) {
    WrongType(value, at, Rest(field, 0));
  }

  static void AppendPath(std::string& path, const Step* at) {
    if (at == nullptr) return;
    AppendPath(path, at->up);
    switch (at->what) {
      case Step::What::kField:
      case Step::What::kKey: AppendKey(path, at->name); break;
      case Step::What::kIndex: AppendIndex(path, at->index); break;
    }
  }

  // A loose test of whether a value was meant for a field.
  bool Suits(const Value& value, const Schemas::Field& field) const {
    if (value.IsNull() || field.base == Base::kAny) return true;
    if ((field.wrappers & 3) == Schemas::kList) {
      if (!value.IsArray()) return false;
      if (field.wrappers >> 2 != 0 || value.empty()) return true;
      return field.base == Base::kType ? value[size_t{0}].IsMap() : !value[size_t{0}].IsMap();
    }
    if ((field.wrappers & 3) == Schemas::kMap || field.base == Base::kObject) return value.IsMap();
    if (field.base != Base::kType) return FitsBase(value, field.base);
    if (!value.IsMap()) return false;
    // An object whose every field is foreign was not meant for this type.
    const Schemas::Type& type = s_.types_[field.type];
    if (value.empty()) return true;
    for (const Value::Entry& entry : value.entries()) {
      if (entry.key.IsString() && s_.FindField(type, entry.key.AsString(), minor_) != nullptr) {
        return true;
      }
    }
    return false;
  }

  void Unknown(const Value& value, const Schemas::Type& type, const Step* at) {
    SchemaProblem* p = Add(Kind::kUnknownField, value, at);
    if (p == nullptr) return;
    Describe(*p, value);
    std::string_view name = at->name;
    // The field of another release?
    if (const Schemas::Field* field = s_.FindField(type, name)) {
      p->kind = Kind::kOtherVersion;
      p->exists = {field->in.from, field->in.to};
      for (; field->has_other_shape; ++field) {
        // The part of its life that is nearest to the target.
        const Schemas::Field& next = field[1];
        if (next.in.from <= minor_ || p->exists.from > minor_) {
          p->exists.to = std::max<int>(p->exists.to, next.in.to);
          p->exists.from = std::min<int>(p->exists.from, next.in.from);
        }
      }
      return;
    }
    std::span fields = std::span(s_.fields_).subspan(type.first_field, type.fields);
    const Schemas::Field* similar = nullptr;
    bool suits = false;
    size_t best = std::min<size_t>(2, name.size() / 3) + 1;
    for (const Schemas::Field& field : fields) {
      if (!field.in.Has(minor_)) continue;
      if (EqualsIgnoringCase(field.name, name)) {
        similar = &field;
        suits = true;
        break;
      }
      // An s too many or too few is a slip as well.
      size_t distance = EditDistance(name, field.name, best);
      if (distance < best || (distance == best && similar != nullptr && !suits)) {
        bool fits = Suits(value, field);
        if (distance < best || fits) {
          best = distance;
          similar = &field;
          suits = fits;
        }
      }
    }
    if (similar == nullptr || !suits) {
      std::string place = Elsewhere(value, name, at);
      if (!place.empty()) {
        p->kind = Kind::kMisplaced;
        p->suggestion = std::move(place);
        return;
      }
    }
    if (similar != nullptr) {
      AppendPath(p->suggestion, at->up);
      AppendKey(p->suggestion, similar->name);
    }
  }

  struct Place {
    const Schemas::Type* type;
    std::string path;
  };

  // The nearest place with a field of this name that the value suits: below the object where it
  // stands, or below one around that. "" if there is none.
  std::string Elsewhere(const Value& value, std::string_view name, const Step* at) {
    std::string best;
    size_t best_cost = SIZE_MAX;
    size_t up = 0;
    const Schemas::Type* leave = nullptr;
    for (const Step* step = at; step != root_; step = step->up) {
      if (step->what != Step::What::kField) continue;
      Place start{step->type, {}};
      AppendPath(start.path, step->up);
      std::string found;
      // Of a union's members one is there: a field that it lacks is not meant for another.
      if (up > 0 && IsUnion(*step->type)) leave = step->type;
      size_t down = Below(value, name, std::move(start), leave, found);
      if (!found.empty() && up + down < best_cost) {
        best_cost = up + down;
        best = std::move(found);
      }
      ++up;
    }
    return best;
  }

  static bool IsUnion(const Schemas::Type& type) {
    static constexpr std::string_view kUnions[] = {
        "core.v1.Volume",           "core.v1.PersistentVolumeSpec",
        "core.v1.VolumeProjection", "core.v1.EnvVarSource",
        "core.v1.EnvFromSource",    "core.v1.Probe",
        "core.v1.LifecycleHandler", "core.v1.Handler"};
    return std::find(std::begin(kUnions), std::end(kUnions), type.name) != std::end(kUnions);
  }

  // Breadth first, but not into the members of `leave`. Returns how deep the place was.
  size_t Below(const Value& value, std::string_view name, Place start, const Schemas::Type* leave,
               std::string& found) {
    constexpr size_t kDeepest = 4;
    std::vector<bool> seen(s_.types_.size());
    std::vector<Place> level, next;
    level.push_back(std::move(start));
    for (size_t depth = 0; depth <= kDeepest && !level.empty(); ++depth) {
      next.clear();
      for (const Place& place : level) {
        const Schemas::Field* field = s_.FindField(*place.type, name, minor_);
        if (field != nullptr && Suits(value, *field)) {
          found = place.path;
          AppendKey(found, name);
          return depth;
        }
        if (place.type == leave) continue;
        for (const Schemas::Field& f :
             std::span(s_.fields_).subspan(place.type->first_field, place.type->fields)) {
          if (f.base != Base::kType || !f.in.Has(minor_) || seen[f.type]) continue;
          // Nobody writes these by hand.
          if (f.name == "status" || f.name == "managedFields" || f.name == "ownerReferences" ||
              f.name == "ephemeralContainers") {
            continue;
          }
          seen[f.type] = true;
          Place below{&s_.types_[f.type], place.path};
          AppendKey(below.path, f.name);
          for (uint8_t w = f.wrappers; w != 0; w = static_cast<uint8_t>(w >> 2))
            below.path += "[*]";
          next.push_back(std::move(below));
        }
      }
      std::swap(level, next);
    }
    return 0;
  }

  bool UnlistedKind(const Value& object, const Step* at, std::string_view api_version,
                    std::string_view name) {
    if (api_version == "v1" && name == "List") {
      const Value* items = object.Find("items");
      if (items == nullptr) return true;
      const Step step{at, Step::What::kField, nullptr, "items", 0};
      if (!items->IsArray()) {
        if (!items->IsNull()) WrongType(*items, &step, "[]object");
        return true;
      }
      for (size_t i = 0; i < items->size(); ++i) {
        const Step item{&step, Step::What::kIndex, nullptr, {}, i};
        Root(items->items()[i], &item);
      }
      return true;
    }
    if (!s_.IsOwnGroup(api_version) && s_.FindLife(api_version, name) == nullptr) return false;
    const Schemas::Life* life = s_.FindLife(api_version, name);
    SchemaProblem* p = Add(life != nullptr ? Kind::kNotServed : Kind::kUnknownKind, object, at);
    if (p == nullptr) return false;
    p->found = "string";
    p->value = std::string(api_version) + " " + std::string(name);
    if (life != nullptr) {
      p->exists = {life->life.introduced.value_or(0), life->life.removed.value_or(1) - 1};
      SuggestReplacement(*p, api_version, name);
    } else {
      SuggestKind(*p, api_version, name);
    }
    return false;
  }

  void NotServed(const Value& object, const Step* at, const ApiKind& kind) {
    SchemaProblem* p = Add(Kind::kNotServed, object, at);
    if (p == nullptr) return;
    p->value = std::string(kind.api_version) + " " + std::string(kind.kind);
    p->found = "string";
    p->exists = kind.served;
    if (const Schemas::Life* life = s_.FindLife(kind.api_version, kind.kind)) {
      p->exists.from = life->life.introduced.value_or(p->exists.from);
    }
    SuggestReplacement(*p, kind.api_version, kind.kind);
    if (p->suggestion.empty()) SuggestKind(*p, kind.api_version, kind.kind);
  }

  void SuggestReplacement(SchemaProblem& p, std::string_view api_version, std::string_view name) {
    if (auto use = s_.ReplacementFor(api_version, name, minor_)) {
      p.suggestion = std::string(use->first) + " " + std::string(use->second);
    }
  }

  // The same kind in another version or group that the target serves: the same group first; else a
  // kind of the same apiVersion with a similar name.
  void SuggestKind(SchemaProblem& p, std::string_view api_version, std::string_view name) {
    const ApiKind* best = nullptr;
    int best_rank = 0;
    for (const ApiKind& kind : s_.kinds_) {
      if (!kind.served.Has(minor_)) continue;
      int rank = 0;
      bool same_group =
          SplitApiVersion(kind.api_version).first == SplitApiVersion(api_version).first;
      if (kind.kind == name) {
        bool stable = kind.api_version.find("alpha") == std::string_view::npos &&
                      kind.api_version.find("beta") == std::string_view::npos;
        rank = (same_group ? 6 : 4) + (stable ? 1 : 0);
      } else if (EqualsIgnoringCase(kind.kind, name)) {
        rank = same_group ? 3 : 2;
      } else if (kind.api_version == api_version && name.size() > 3 &&
                 EditDistance(kind.kind, name, 2) <= 2) {
        rank = 1;
      }
      if (rank > best_rank) {
        best_rank = rank;
        best = &kind;
      }
    }
    if (best != nullptr) {
      p.suggestion = std::string(best->api_version) + " " + std::string(best->kind);
    }
  }

  const Schemas& s_;
  int minor_;
  const Schemas::Options& options_;
  std::vector<SchemaProblem>& out_;
  const Step* root_ = nullptr;
  size_t added_ = 0, bytes_ = 0;
  bool complete_ = true;
};

Schemas::Outcome Schemas::Validate(const Value& object, int target, const Options& options,
                                   std::vector<SchemaProblem>& out) const {
  SchemaWalk walk(*this, Clamp(target), options, out);
  bool checked = walk.Root(object, nullptr);
  return {checked, walk.complete()};
}

}  // namespace bulwark::kube
