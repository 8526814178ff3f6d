#include "kube/schema.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "kube/object.h"

namespace bulwark::embedded {
std::string_view kubernetes_schemas();
std::string_view kubernetes_lifecycle();
}  // namespace bulwark::embedded

namespace bulwark::kube {

namespace {

uint64_t Load(const char* from, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return word;
}

// Names are short: their first and last eight bytes and their length tell nearly all of them apart.
uint32_t HashName(std::string_view name) {
  uint64_t a = 0, b = 0;
  size_t n = name.size();
  if (n >= 8) {
    a = Load(name.data(), 8);
    b = Load(name.data() + n - 8, 8);
  } else if (n >= 4) {
    a = Load(name.data(), 4);
    b = Load(name.data() + n - 4, 4);
  } else if (n > 0) {
    a = static_cast<uint8_t>(name[0]) | static_cast<uint64_t>(static_cast<uint8_t>(name[n / 2]))
                                            << 8;
    b = static_cast<uint8_t>(name[n - 1]);
  }
  uint64_t h = (a ^ (n * 0x9e3779b97f4a7c15U)) * 0xff51afd7ed558ccdU;
  h = (h ^ (h >> 32) ^ b) * 0xc4ceb9fe1a85ec53U;
  return static_cast<uint32_t>(h >> 32);
}

// For what is longer and rarer: the names of types, of kinds.
uint32_t HashText(std::string_view text, uint32_t seed = 0) {
  uint64_t h = 0x9e3779b97f4a7c15U ^ seed ^ text.size();
  while (text.size() >= 8) {
    h = (h ^ Load(text.data(), 8)) * 0xff51afd7ed558ccdU;
    h ^= h >> 32;
    text.remove_prefix(8);
  }
  if (!text.empty()) {
    h = (h ^ Load(text.data(), text.size())) * 0xff51afd7ed558ccdU;
    h ^= h >> 32;
  }
  return static_cast<uint32_t>((h * 0xc4ceb9fe1a85ec53U) >> 32);
}

uint32_t HashKind(std::string_view api_version, std::string_view kind) {
  return HashText(kind, HashText(api_version));
}

size_t SlotCount(size_t items) { return std::bit_ceil(items * 2 + 1); }

std::vector<std::string_view> SplitKeys(std::string_view keys) {
  if (keys.empty()) return {};
  return Split(keys, ',');
}

}  // namespace

std::string_view SchemaProblemName(SchemaProblem::Kind kind) {
  switch (kind) {
    case SchemaProblem::Kind::kUnknownField: return "unknown_field";
    case SchemaProblem::Kind::kMisplaced: return "misplaced_field";
    case SchemaProblem::Kind::kOtherVersion: return "field_of_other_version";
    case SchemaProblem::Kind::kWrongType: return "wrong_type";
    case SchemaProblem::Kind::kBadValue: return "bad_value";
    case SchemaProblem::Kind::kDuplicate: return "duplicate_item";
    case SchemaProblem::Kind::kDeprecatedField: return "deprecated_field";
    case SchemaProblem::Kind::kMissing: return "missing_field";
    case SchemaProblem::Kind::kUnknownKind: return "unknown_kind";
    case SchemaProblem::Kind::kNotServed: return "api_not_served";
  }
  BW_UNREACHABLE();
}

// --- Reading the tables --------------------------------------------------------------------------

class SchemaParser {
 public:
  explicit SchemaParser(Schemas& to) : s_(to) {}

  Result<> ParseTypes(std::string_view text) {
    s_.fields_.reserve(text.size() / 40);
    s_.types_.reserve(text.size() / 250);
    s_.kinds_.reserve(text.size() / 700);
    file_ = "kubernetes.txt";
    line_number_ = 0;
    while (NextLine(text)) {
      if (line_[0] == ' ') {
        line_.remove_prefix(1);
        BW_TRY(AddField(Word()));
        continue;
      }
      std::string_view head = Word();
      if (head == "type") {
        BW_TRY(AddType());
      } else if (head == "kind") {
        BW_TRY(AddKind());
      } else if (head == "minors") {
        int from = 0, to = 0;
        if (!Number(Word(), from) || !Number(Word(), to) || from > to || to > 254) {
          return Bad("expected two minor versions");
        }
        s_.minors_ = {from, to};
        all_ = {static_cast<uint8_t>(from), static_cast<uint8_t>(to)};
      } else {
        return Bad("expected type, kind, minors or a field");
      }
    }
    FinishType();
    return Resolve();
  }

  Result<> ParseLives(std::string_view text) {
    s_.lives_.reserve(text.size() / 64);
    file_ = "lifecycle.txt";
    line_number_ = 0;
    while (NextLine(text)) {
      Schemas::Life life;
      life.api_version = Word();
      life.kind = Word();
      for (std::optional<int>* at :
           {&life.life.introduced, &life.life.deprecated, &life.life.removed}) {
        std::string_view word = Word();
        if (word == "-") continue;
        int minor = 0;
        if (!word.starts_with("1.") || !Number(word.substr(2), minor)) {
          return Bad("expected a version such as 1.22, or -");
        }
        *at = minor;
      }
      life.life.replacement_api_version = Word();
      life.life.replacement_kind = Word();
      s_.lives_.push_back(life);
    }
    if (s_.lives_.size() >= UINT16_MAX) return Bad("too many lines");
    Index(s_.life_slots_, s_.lives_.size(),
          [&](size_t i) { return HashKind(s_.lives_[i].api_version, s_.lives_[i].kind); });
    return Ok();
  }

 private:
  // The next line that is no comment, without its \n.
  bool NextLine(std::string_view& text) {
    while (!text.empty()) {
      size_t end = std::min(text.find('\n'), text.size());
      line_ = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_number_;
      if (!line_.empty() && line_[0] != '#') return true;
    }
    return false;
  }

  std::string_view Word() {
    size_t end = std::min(line_.find(' '), line_.size());
    std::string_view word = line_.substr(0, end);
    line_.remove_prefix(std::min(end + 1, line_.size()));
    return word;
  }

  Error Bad(std::string_view what) const {
    std::string line = std::to_string(line_number_);
    return Error(Code::kInvalid, "kube.schema_table",
                 std::string(file_) + ":" + line + ": " + std::string(what), {{"line", line}});
  }

  static bool Number(std::string_view word, int& to) {
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), to);
    return error == std::errc() && end == word.data() + word.size() && to >= 0;
  }

  // "@21-24", "@21-", "@-24" or nothing, within `outer`.
  static bool Range(std::string_view word, Schemas::Range8 outer, Schemas::Range8& to) {
    to = outer;
    if (word.empty()) return true;
    size_t dash = word.find('-');
    if (word[0] != '@' || dash == std::string_view::npos) return false;
    int from = outer.from, until = outer.to;
    if (dash > 1 && !Number(word.substr(1, dash - 1), from)) return false;
    if (dash + 1 < word.size() && !Number(word.substr(dash + 1), until)) return false;
    if (from < outer.from || until > outer.to || from > until) return false;
    to = {static_cast<uint8_t>(from), static_cast<uint8_t>(until)};
    return true;
  }

  template <typename HashOf>
  static void Index(std::vector<uint16_t>& slots, size_t count, HashOf hash_of) {
    slots.assign(SlotCount(count), 0);
    size_t mask = slots.size() - 1;
    for (size_t i = 0; i < count; ++i) {
      size_t at = hash_of(i) & mask;
      while (slots[at] != 0) at = (at + 1) & mask;
      slots[at] = static_cast<uint16_t>(i + 1);
    }
  }

  Result<> AddKind() {
    ApiKind kind;
    kind.api_version = Word();
    kind.kind = Word();
    kind.type = Word();
    std::string_view scope = Word();
    if (scope == "namespaced") {
      kind.scope = ApiKind::Scope::kNamespaced;
    } else if (scope == "list") {
      kind.scope = ApiKind::Scope::kList;
    } else if (scope != "cluster") {
      return Bad("expected namespaced, cluster or list");
    }
    kind.plural = Word();
    if (kind.plural == "-") kind.plural = {};
    Schemas::Range8 range;
    if (!Range(Word(), all_, range)) return Bad("malformed range");
    kind.served = {range.from, range.to};
    s_.kinds_.push_back(kind);
    return Ok();
  }

  Result<> AddType() {
    FinishType();
    Schemas::Type type;
    type.name = Word();
    if (!Range(Word(), all_, type.in)) return Bad("malformed range");
    type.first_field = static_cast<uint32_t>(s_.fields_.size());
    s_.types_.push_back(type);
    return Ok();
  }

  Result<> AddField(std::string_view name) {
    if (s_.types_.empty()) return Bad("a field outside of a type");
    Schemas::Type& type = s_.types_.back();
    Schemas::Field field;
    field.name = name;
    field.shape = Word();
    field.in = type.in;
    std::string_view base = field.shape;
    for (int shift = 0; base.starts_with("[]") || base.starts_with("{}"); shift += 2) {
      if (shift > 6) return Bad("too many lists and maps");
      field.wrappers = static_cast<uint8_t>(
          field.wrappers | (base[0] == '[' ? Schemas::kList : Schemas::kMap) << shift);
      base.remove_prefix(2);
    }
    static constexpr std::string_view kBases[] = {
        "string",        "int32",     "int64", "number", "boolean", "quantity",
        "int-or-string", "date-time", "bytes", "object", "any"};
    auto* found = std::find(std::begin(kBases), std::end(kBases), base);
    field.base = static_cast<Schemas::Base>(found - std::begin(kBases));
    if (field.base == Schemas::Base::kType) references_.emplace_back(s_.fields_.size(), base);

    field.required = field.deprecated = {1, 0};
    while (!line_.empty()) {
      // Values may have spaces in them: they stand last.
      std::string_view word = line_.starts_with("enum=") ? std::exchange(line_, {}) : Word();
      bool ok = true;
      if (word.starts_with('@')) {
        ok = Range(word, type.in, field.in);
      } else if (word.starts_with("required")) {
        ok = Range(word.substr(8), field.in, field.required);
        type.any_required = true;
      } else if (word.starts_with("deprecated")) {
        ok = Range(word.substr(10), field.in, field.deprecated);
      } else if (word.starts_with("keys=")) {
        field.keys = word.substr(5);
      } else if (word == "set") {
        field.set = true;
      } else if (word.starts_with("enum=")) {
        field.first_value = static_cast<uint16_t>(s_.values_.size());
        std::string_view rest = word.substr(5);
        while (ok && !rest.empty()) {
          size_t end = std::min(rest.find('|'), rest.size());
          std::string_view value = rest.substr(0, end);
          rest.remove_prefix(std::min(end + 1, rest.size()));
          size_t at = std::min(value.find('@'), value.size());
          Schemas::EnumValue entry{value.substr(0, at), {}};
          ok = Range(value.substr(at), field.in, entry.in);
          s_.values_.push_back(entry);
          ++field.values;
        }
      } else {
        // merge= is for those who patch.
        ok = word.starts_with("merge=");
      }
      if (!ok) return Bad("malformed attribute " + Quote(word));
    }
    if (s_.fields_.size() > type.first_field && s_.fields_.back().name == name) {
      s_.fields_.back().has_other_shape = true;
    }
    s_.fields_.push_back(field);
    return Ok();
  }

  // Builds the hash table of the last type's fields.
  void FinishType() {
    if (s_.types_.empty()) return;
    Schemas::Type& type = s_.types_.back();
    type.fields = static_cast<uint32_t>(s_.fields_.size() - type.first_field);
    size_t slots = SlotCount(type.fields);
    type.slots = static_cast<uint32_t>(s_.slots_.size());
    type.mask = static_cast<uint32_t>(slots - 1);
    s_.slots_.resize(s_.slots_.size() + slots);
    uint16_t* table = s_.slots_.data() + type.slots;
    for (uint32_t i = 0; i < type.fields; ++i) {
      const Schemas::Field& field = s_.fields_[type.first_field + i];
      // Other shapes are reached through the first one.
      if (i > 0 && s_.fields_[type.first_field + i - 1].has_other_shape) continue;
      uint32_t at = HashName(field.name) & type.mask;
      while (table[at] != 0) at = (at + 1) & type.mask;
      table[at] = static_cast<uint16_t>(i + 1);
    }
  }

  Result<> Resolve() {
    if (s_.types_.empty() || s_.minors_.to == 0) return Bad("no types");
    if (s_.types_.size() >= UINT16_MAX || s_.kinds_.size() >= UINT16_MAX ||
        s_.values_.size() >= UINT16_MAX) {
      return Bad("too many types, kinds or values");
    }
    Index(s_.type_slots_, s_.types_.size(), [&](size_t i) { return HashText(s_.types_[i].name); });
    for (auto [field, name] : references_) {
      const Schemas::Type* type = s_.FindType(name);
      if (type == nullptr) return Bad("there is no type " + Quote(name));
      s_.fields_[field].type = static_cast<uint16_t>(type - s_.types_.data());
    }
    Index(s_.kind_slots_, s_.kinds_.size(),
          [&](size_t i) { return HashKind(s_.kinds_[i].api_version, s_.kinds_[i].kind); });
    for (const ApiKind& kind : s_.kinds_) {
      const Schemas::Type* type = s_.FindType(kind.type);
      if (type == nullptr) return Bad("there is no type " + Quote(kind.type));
      s_.kind_types_.push_back(static_cast<uint16_t>(type - s_.types_.data()));
    }
    return Ok();
  }

  Schemas& s_;
  Schemas::Range8 all_;
  std::string_view file_, line_;
  int line_number_ = 0;
  std::vector<std::pair<size_t, std::string_view>> references_;
};

Result<Schemas> Schemas::Parse(std::string_view kubernetes, std::string_view lifecycle) {
  Schemas schemas;
  SchemaParser parser(schemas);
  BW_TRY(parser.ParseTypes(kubernetes));
  BW_TRY(parser.ParseLives(lifecycle));
  return schemas;
}

const Schemas& Schemas::BuiltIn() {
  static const Schemas schemas = [] {
    Result<Schemas> parsed =
        Parse(embedded::kubernetes_schemas(), embedded::kubernetes_lifecycle());
    // The tables are ours: a test reads them.
    if (!parsed) CheckFailed(parsed.error().ToString().c_str());
    return std::move(parsed).value();
  }();
  return schemas;
}

// --- Looking things up ---------------------------------------------------------------------------

int Schemas::Clamp(int target) const { return std::clamp(target, minors_.from, minors_.to); }

const Schemas::Field* Schemas::FindField(const Type& type, std::string_view name) const {
  const uint16_t* table = slots_.data() + type.slots;
  for (uint32_t at = HashName(name) & type.mask; table[at] != 0; at = (at + 1) & type.mask) {
    const Field& field = fields_[type.first_field + table[at] - 1];
    if (field.name == name) return &field;
  }
  return nullptr;
}

const Schemas::Field* Schemas::FindField(const Type& type, std::string_view name, int minor) const {
  const Field* field = FindField(type, name);
  if (field == nullptr) return nullptr;
  while (!field->in.Has(minor)) {
    if (!field->has_other_shape) return nullptr;
    ++field;
  }
  return field;
}

const Schemas::Type* Schemas::FindType(std::string_view name) const {
  size_t mask = type_slots_.size() - 1;
  for (size_t at = HashText(name) & mask; type_slots_[at] != 0; at = (at + 1) & mask) {
    const Type& type = types_[type_slots_[at] - 1U];
    if (type.name == name) return &type;
  }
  return nullptr;
}

const ApiKind* Schemas::FindKind(std::string_view api_version, std::string_view kind) const {
  size_t mask = kind_slots_.size() - 1;
  for (size_t at = HashKind(api_version, kind) & mask; kind_slots_[at] != 0; at = (at + 1) & mask) {
    const ApiKind& found = kinds_[kind_slots_[at] - 1U];
    if (found.kind == kind && found.api_version == api_version) return &found;
  }
  return nullptr;
}

const Schemas::Life* Schemas::FindLife(std::string_view api_version, std::string_view kind) const {
  size_t mask = life_slots_.size() - 1;
  for (size_t at = HashKind(api_version, kind) & mask; life_slots_[at] != 0; at = (at + 1) & mask) {
    const Life& found = lives_[life_slots_[at] - 1U];
    if (found.kind == kind && found.api_version == api_version) return &found;
  }
  return nullptr;
}

std::optional<bool> Schemas::IsServed(std::string_view api_version, std::string_view kind,
                                      int target) const {
  if (const ApiKind* found = FindKind(api_version, kind)) return found->served.Has(Clamp(target));
  if (const Life* life = FindLife(api_version, kind); life != nullptr && life->life.removed) {
    return !life->life.RemovedIn(Clamp(target));
  }
  return std::nullopt;
}

std::optional<bool> Schemas::IsNamespaced(std::string_view api_version,
                                          std::string_view kind) const {
  const ApiKind* found = FindKind(api_version, kind);
  if (found == nullptr || found->scope == ApiKind::Scope::kList) return std::nullopt;
  return found->scope == ApiKind::Scope::kNamespaced;
}

std::optional<Lifecycle> Schemas::LifecycleOf(std::string_view api_version,
                                              std::string_view kind) const {
  const Life* life = FindLife(api_version, kind);
  return life != nullptr ? std::optional(life->life) : std::nullopt;
}

std::optional<std::pair<std::string_view, std::string_view>> Schemas::ReplacementFor(
    std::string_view api_version, std::string_view kind, int target) const {
  const Life* life = FindLife(api_version, kind);
  // The table has no circles, but is only data.
  for (int i = 0; i < 8 && life != nullptr && !life->life.replacement_kind.empty(); ++i) {
    std::string_view next = life->life.replacement_api_version;
    std::string_view next_kind = life->life.replacement_kind;
    if (IsServed(next, next_kind, target).value_or(false)) return std::pair(next, next_kind);
    life = FindLife(next, next_kind);
  }
  return std::nullopt;
}

bool Schemas::IsOwnGroup(std::string_view api_version) const {
  std::string_view group = SplitApiVersion(api_version).first;
  return std::any_of(kinds_.begin(), kinds_.end(), [&](const ApiKind& k) {
    return SplitApiVersion(k.api_version).first == group;
  });
}

FieldInfo Schemas::InfoOf(const Field& field, int minor) const {
  FieldInfo info{.name = field.name,
                 .shape = field.shape,
                 .required = field.required.Has(minor),
                 .deprecated = field.deprecated.Has(minor),
                 .list_map_keys = SplitKeys(field.keys),
                 .values = {}};
  for (const EnumValue& value : std::span(values_).subspan(field.first_value, field.values)) {
    if (value.in.Has(minor)) info.values.push_back(value.text);
  }
  return info;
}

std::optional<FieldInfo> Schemas::FieldAt(std::string_view api_version, std::string_view kind,
                                          std::span<const std::string_view> path,
                                          int target) const {
  const ApiKind* root = FindKind(api_version, kind);
  if (root == nullptr || path.empty()) return std::nullopt;
  int minor = std::clamp(Clamp(target), root->served.from, root->served.to);
  const Type* type = FindType(root->type);
  const Field* field = nullptr;
  for (std::string_view step : path) {
    if (field != nullptr) type = field->base == Base::kType ? &types_[field->type] : nullptr;
    field = type != nullptr ? FindField(*type, step, minor) : nullptr;
    if (field == nullptr) return std::nullopt;
  }
  return InfoOf(*field, minor);
}

std::vector<std::string_view> Schemas::ListMapKeys(std::string_view api_version,
                                                   std::string_view kind,
                                                   std::span<const std::string_view> path,
                                                   int target) const {
  std::optional<FieldInfo> field = FieldAt(api_version, kind, path, target);
  return field ? std::move(field->list_map_keys) : std::vector<std::string_view>();
}

std::vector<FieldInfo> Schemas::FieldsOf(std::string_view type_name, int target) const {
  std::vector<FieldInfo> fields;
  const Type* type = FindType(type_name);
  if (type == nullptr) return fields;
  int minor = Clamp(target);
  for (const Field& field : std::span(fields_).subspan(type->first_field, type->fields)) {
    if (field.in.Has(minor)) fields.push_back(InfoOf(field, minor));
  }
  return fields;
}

}  // namespace bulwark::kube
