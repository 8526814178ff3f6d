#include "features/admission/mutator.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "features/admission/go_text.h"

namespace bulwark::admission {

namespace {

constexpr std::string_view kGroup = "mutations.gatekeeper.sh";
constexpr std::string_view kKinds[] = {"Assign", "AssignMetadata", "AssignImage", "ModifySet"};

Error Wrong(std::string message) {
  return Error(Code::kInvalid, "gate.mutator", std::move(message));
}

Result<std::string_view> ReadText(const Value& map, std::string_view field) {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return std::string_view();
  if (!found->IsString()) {
    return Wrong(fmt::format("{}: expected a string, found {}", field, GoType(*found)));
  }
  return found->AsString();
}

Result<Value> ReadMap(const Value& map, std::string_view field) {
  const Value* found = map.Find(field);
  if (found == nullptr || found->IsNull()) return Value();
  if (!found->IsMap()) {
    return Wrong(fmt::format("{}: expected an object, found {}", field, GoType(*found)));
  }
  return *found;
}

// A location `foo[name: bar].name` would change the key of the item.
Result<> CheckKeyNotChanged(const Location& location) {
  if (location.nodes.empty()) return Wrong("empty path");
  if (location.nodes.size() < 2) return Ok{};
  const LocationNode& last = location.nodes.back();
  const LocationNode& before = location.nodes[location.nodes.size() - 2];
  if (!before.is_list) return Ok{};
  if (last.is_list) return Wrong("invalid path format: child of a list can't be a list");
  if (last.name == before.name) {
    return Wrong("invalid path format: changing the item key is not allowed");
  }
  return Ok{};
}

// Go compares interfaces here: a string is no number.
bool SameKey(const Value& a, const Value& b) { return a.IsString() == b.IsString() && a == b; }

}  // namespace

Value WithEntry(const Value& map, std::string_view key, const Value& value, Arena& arena) {
  std::vector<Value::Entry> entries(map.entries().begin(), map.entries().end());
  auto at = std::find_if(entries.begin(), entries.end(), [&](const Value::Entry& e) {
    return e.key.IsString() && e.key.AsString() == key;
  });
  if (at != entries.end()) {
    at->value = value;
  } else {
    entries.push_back({Value::String(arena, key), value});
  }
  return MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(entries));
}

Value WithoutEntry(const Value& map, std::string_view key, Arena& arena) {
  if (map.Find(key) == nullptr) return map;
  std::vector<Value::Entry> entries;
  for (const Value::Entry& e : map.entries()) {
    if (!e.key.IsString() || e.key.AsString() != key) entries.push_back(e);
  }
  return MapBuilder::FromUnique(arena, arena.Copy<Value::Entry>(entries));
}

std::string MutatorId::ToString() const {
  return fmt::format("{}{}{} {}/{}", kind, group.empty() ? "" : ".", group, ns, name);
}

bool ExternalDataPlaceholder::Equals(const Opaque& other) const {
  if (other.tag() != kTag) return false;
  const auto& o = static_cast<const ExternalDataPlaceholder&>(other);
  return provider_ == o.provider_ && policy_ == o.policy_ && default_ == o.default_ &&
         key_ == o.key_;
}

uint64_t ExternalDataPlaceholder::Hash() const {
  return Value::String(provider_).Hash() * 31 + Value::String(key_).Hash();
}

// --- Reading -------------------------------------------------------------------------------------

bool Mutator::Is(const ObjectView& object) {
  return object.group == kGroup &&
         std::find(std::begin(kKinds), std::end(kKinds), object.kind) != std::end(kKinds);
}

Result<std::unique_ptr<const Mutator>> Mutator::Read(const Value& object) {
  ObjectView view(object);
  auto kind = std::find(std::begin(kKinds), std::end(kKinds), view.kind);
  if (kind == std::end(kKinds)) {
    return Wrong(fmt::format("cannot convert mutator of kind {}", GoQuote(view.kind)));
  }
  auto out = std::make_unique<Mutator>();
  out->kind_ = static_cast<Kind>(kind - std::begin(kKinds));
  out->id_ = {std::string(kGroup), std::string(*kind), std::string(view.ns),
              std::string(view.name)};
  if (view.name.size() > 63) return Wrong("maximum name length is 63 characters");
  out->generation_ = object["metadata"]["generation"].ToInt().value_or(0);
  out->spec_ = BW_TRY(ReadMap(object, "spec"));
  const Value match = BW_TRY(ReadMap(out->spec_, "match"));
  out->match_ = BW_TRY(Match::Read(match));
  out->apply_to_ = BW_TRY(ApplyTo::Read(out->spec_["applyTo"]));
  const Value parameters = BW_TRY(ReadMap(out->spec_, "parameters"));
  std::string_view location = BW_TRY(ReadText(out->spec_, "location"));
  BW_TRY(out->CheckLocation(location));
  switch (out->kind_) {
    case Kind::kAssign:
    case Kind::kAssignMetadata: {
      const Value assign = BW_TRY(ReadMap(parameters, "assign"));
      BW_TRY(out->ReadAssign(assign));
      break;
    }
    case Kind::kAssignImage: BW_TRY(out->ReadImage(parameters)); break;
    case Kind::kModifySet: BW_TRY(out->ReadSet(parameters)); break;
  }
  const std::string& name = out->id_.name;
  if (out->kind_ == Kind::kAssignMetadata) {
    std::pair<Location, PathCondition> only{out->location_, PathCondition::kMustNotExist};
    out->tester_ = BW_TRY(PathTester::Create(out->location_, std::span(&only, 1)));
    return std::unique_ptr<const Mutator>(std::move(out));
  }

  std::vector<std::pair<Location, PathCondition>> tests;
  const Value path_tests = parameters["pathTests"];
  if (!path_tests.IsNull() && !path_tests.IsArray()) {
    return Wrong(fmt::format("pathTests: expected a list, found {}", GoType(path_tests)));
  }
  for (const Value& test : path_tests.items()) {
    if (!test.IsMap()) return Wrong("pathTests: expected an object");
    std::string_view sub_path = BW_TRY(ReadText(test, "subPath"));
    std::string_view condition = BW_TRY(ReadText(test, "condition"));
    Result<Location> path = ParseLocation(sub_path);
    if (!path) {
      return Wrong(fmt::format("problem parsing sub path `{}` for {} {}: {}", sub_path, *kind, name,
                               path.error().message()));
    }
    if (condition != "MustExist" && condition != "MustNotExist") {
      return Wrong(fmt::format("{} is not a valid path test condition", condition));
    }
    tests.emplace_back(*std::move(path), condition == "MustExist" ? PathCondition::kMustExist
                                                                  : PathCondition::kMustNotExist);
  }
  out->tester_ = BW_TRY(PathTester::Create(out->location_, tests));

  for (const ApplyTo& apply : out->apply_to_) {
    if (apply.groups.empty() || apply.versions.empty() || apply.kinds.empty()) {
      return Wrong(fmt::format(
          "invalid applyTo for {} mutator {}, all of group, version and kind must be specified",
          *kind, name));
    }
  }
  if (Result<> operations = ValidateOperations(out->apply_to_); !operations) {
    return Wrong(fmt::format("invalid applyTo for {} mutator {}: {}", *kind, name,
                             operations.error().message()));
  }
  if (out->apply_to_.empty()) {
    return Wrong(fmt::format("applyTo required for {} mutator {}", *kind, name));
  }
  std::set<Binding> bindings;
  for (const ApplyTo& apply : out->apply_to_) {
    for (const Gvk& gvk : apply.Flatten()) {
      for (std::string& operation : apply.EffectiveOperations()) {
        bindings.insert({gvk, std::move(operation)});
      }
    }
  }
  out->bindings_.assign(bindings.begin(), bindings.end());
  return std::unique_ptr<const Mutator>(std::move(out));
}

Result<> Mutator::CheckLocation(std::string_view text) {
  Result<Location> parsed = ParseLocation(text);
  const std::string& name = id_.name;
  if (!parsed) {
    return Wrong(kind_ == Kind::kAssignMetadata
                     ? fmt::format("invalid location format for AssignMetadata {}: {}: {}", name,
                                   text, parsed.error().message())
                     : fmt::format("invalid location format `{}` for {} {}: {}", text,
                                   kind_ == Kind::kAssignImage ? "assignImage" : id_.kind, name,
                                   parsed.error().message()));
  }
  location_ = *std::move(parsed);
  const std::vector<LocationNode>& nodes = location_.nodes;
  bool metadata = !nodes.empty() && !nodes[0].is_list && nodes[0].name == "metadata";
  bool ends_in_list = !nodes.empty() && nodes.back().is_list;
  switch (kind_) {
    case Kind::kAssign:
      if (metadata) return Wrong(fmt::format("assign {} can't change metadata", name));
      return CheckKeyNotChanged(location_);
    case Kind::kAssignMetadata:
      if (nodes.size() != 3 || !metadata || nodes[1].is_list || nodes[2].is_list ||
          (nodes[1].name != "labels" && nodes[1].name != "annotations")) {
        return Wrong(fmt::format("invalid location for assignmetadata {}: {}", name, text));
      }
      return Ok{};
    case Kind::kAssignImage:
      if (metadata) {
        return Error(Code::kInvalid, "gate.image.metadata",
                     fmt::format("assignImage {} can't change metadata", name));
      }
      if (ends_in_list) {
        return Error(Code::kInvalid, "gate.image.list",
                     fmt::format("assignImage {} cannot mutate list-type fields", name));
      }
      return CheckKeyNotChanged(location_);
    case Kind::kModifySet:
      if (metadata) return Wrong(fmt::format("modifyset {} can't change metadata", name));
      if (ends_in_list) {
        return Wrong("final node in a modifyset location cannot be a keyed list");
      }
      return Ok{};
  }
  return Ok{};
}

Result<> Mutator::ReadAssign(const Value& assign) {
  // {value: null} is a value, of which Go's decoding leaves an empty one.
  const Value* value = assign.Find("value");
  bool has_value = value != nullptr && !value->IsNull();
  const Value from = BW_TRY(ReadMap(assign, "fromMetadata"));
  const Value external = BW_TRY(ReadMap(assign, "externalData"));
  int given = static_cast<int>(has_value) + static_cast<int>(from.IsMap()) +
              static_cast<int>(external.IsMap());
  if (given == 0) {
    return Wrong(
        "assign must set one of `externalData`, `value` or `fromMetadata`: invalid assign "
        "field");
  }
  if (given > 1) {
    return Wrong(
        "assign must only set one of `externalData`, `value` or `fromMetadata`: invalid "
        "assign field");
  }
  if (from.IsMap()) {
    source_ = Source::kFromMetadata;
    field_ = BW_TRY(ReadText(from, "field"));
    if (field_ != "name" && field_ != "namespace") {
      return Wrong(fmt::format("field {} is not recognized: invalid fromMetadata field", field_));
    }
  }
  if (external.IsMap()) {
    source_ = Source::kExternal;
    external_.provider = BW_TRY(ReadText(external, "provider"));
    external_.data_source = BW_TRY(ReadText(external, "dataSource"));
    external_.default_value = BW_TRY(ReadText(external, "default"));
    std::string_view policy = BW_TRY(ReadText(external, "failurePolicy"));
    using Policy = ExternalDataPlaceholder::Policy;
    external_.policy = policy == "Ignore"       ? Policy::kIgnore
                       : policy == "UseDefault" ? Policy::kUseDefault
                                                : Policy::kFail;
    if (external_.policy == Policy::kUseDefault && external_.default_value.empty()) {
      return Wrong("`default` must not be empty when `failurePolicy` is set to `UseDefault`");
    }
  }
  if (has_value) value_ = *value;

  if (kind_ == Kind::kAssignMetadata) {
    if (source_ == Source::kExternal && external_.data_source != "Username") {
      return Wrong(
          fmt::format("only username data source is supported for assignmetadata {}", id_.name));
    }
    if (has_value && !value_.IsString()) {
      return Wrong(
          fmt::format("spec.parameters.assign.value field must be a string for AssignMetadata {}",
                      GoQuote(id_.name)));
    }
    return Ok{};
  }
  const LocationNode& last = location_.nodes.back();
  if (!last.is_list) return Ok{};
  if (source_ == Source::kFromMetadata) return Wrong("cannot assign a metadata field to a list");
  if (source_ == Source::kExternal) {
    return Wrong("cannot assign external data response to a list");
  }
  if (last.glob) return Wrong("can't append to a globbed list");
  if (!value_.IsMap()) {
    return Wrong(fmt::format("invalid value: `{}`, only objects can be added to keyed lists",
                             GoText(value_)));
  }
  if (!SameKey(last.KeyValue(), value_[last.name])) {
    return Wrong(
        fmt::format("adding object to list with different key {}: list key {}, object key {}",
                    last.name, GoText(last.KeyValue()), GoText(value_[last.name])));
  }
  return Ok{};
}

Result<> Mutator::ReadImage(const Value& parameters) {
  source_ = Source::kImage;
  domain_ = BW_TRY(ReadText(parameters, "assignDomain"));
  path_ = BW_TRY(ReadText(parameters, "assignPath"));
  tag_ = BW_TRY(ReadText(parameters, "assignTag"));
  Result<> valid = ValidateImageParts(domain_, path_, tag_);
  if (!valid) {
    return Error(Code::kInvalid, valid.error().id(),
                 fmt::format("assignImage {} has invalid parameters: {}", id_.name,
                             valid.error().message()));
  }
  return Ok{};
}

Result<> Mutator::ReadSet(const Value& parameters) {
  source_ = Source::kSet;
  operation_ = BW_TRY(ReadText(parameters, "operation"));
  prune_ = operation_ == "prune";
  const Value values = BW_TRY(ReadMap(parameters, "values"));
  const Value list = values["fromList"];
  if (!list.IsNull() && !list.IsArray()) {
    return Wrong(fmt::format("fromList: expected a list, found {}", GoType(list)));
  }
  values_ = list.items();
  return Ok{};
}

TerminalType Mutator::terminal_type() const {
  return kind_ == Kind::kAssignImage ? TerminalType::kString
         : kind_ == Kind::kModifySet ? TerminalType::kSet
                                     : TerminalType::kUnknown;
}

std::string Mutator::ToString() const {
  return fmt::format("{}/{}/{}:{}", id_.kind, id_.ns, id_.name, generation_);
}

bool Mutator::DiffersFrom(const Mutator& other) const {
  return id_ != other.id_ || !(spec_ == other.spec_);
}

Result<bool> Mutator::Matches(const Mutable& target) const {
  ObjectView view(target.object);
  if (has_schema() && !AppliesTo(apply_to_, view, target.operation)) return false;
  return match_.Matches({view, target.ns, target.source});
}

// --- Mutating ------------------------------------------------------------------------------------

// One mutation: down the location, and a new object on the way back.
class Mutator::Walk {
 public:
  Walk(const Mutator& mutator, const Value& value, Arena& arena)
      : mutator_(mutator), value_(value), arena_(arena) {}

  Result<std::optional<Value>> At(const Value& current, size_t depth) {
    const LocationNode& node = nodes()[depth];
    return node.is_list ? AtList(current, node, depth) : AtField(current, node, depth);
  }

 private:
  using Changed = std::optional<Value>;
  const std::vector<LocationNode>& nodes() const { return mutator_.location_.nodes; }
  bool IsLast(size_t depth) const { return depth + 1 == nodes().size(); }

  static Error Mismatch(std::string_view type, const Value& got, const LocationNode& node) {
    return Wrong(fmt::format(
        "mismatch between path entry (type: {}) and received object (type: {}). Path: {}", type,
        GoType(got), node.ToString()));
  }

  Result<Changed> AtField(const Value& current, const LocationNode& node, size_t depth) {
    if (!current.IsMap()) return Mismatch("object", current, node);
    const Value* next = current.Find(node.name);
    if (next != nullptr ? !mutator_.tester_.ExistsOkay(depth)
                        : !mutator_.tester_.MissingOkay(depth)) {
      return Changed();
    }
    if (IsLast(depth)) return BW_TRY(Set(current, node.name, next));
    Value made;
    if (next == nullptr) {
      made = BW_TRY(CreateMissing(depth));
      next = &made;
    }
    Changed changed = BW_TRY(At(*next, depth + 1));
    if (!changed) return Changed();
    return Changed(WithEntry(current, node.name, *changed, arena_));
  }

  Result<Changed> AtList(const Value& current, const LocationNode& node, size_t depth) {
    if (!current.IsArray()) return Mismatch("List", current, node);
    if (IsLast(depth)) return SetItem(current, node, depth);
    if (node.glob && !mutator_.tester_.ExistsOkay(depth)) return Changed();
    std::vector<Value> items(current.items().begin(), current.items().end());
    bool found = false, mutated = false;
    for (Value& item : items) {
      if (!node.glob) {
        const Value* key = item.Find(node.name);
        if (key == nullptr || !SameKey(*key, node.KeyValue())) continue;
        if (!mutator_.tester_.ExistsOkay(depth)) return Changed();
      }
      found = true;
      if (Changed changed = BW_TRY(At(item, depth + 1))) {
        item = *changed;
        mutated = true;
      }
    }
    if (!node.glob && !found) {
      if (!mutator_.tester_.MissingOkay(depth)) return Changed();
      Value made = BW_TRY(CreateMissing(depth));
      if (Changed changed = BW_TRY(At(made, depth + 1))) {
        items.push_back(*changed);
        mutated = true;
      }
    }
    if (!mutated) return Changed();
    return Changed(Value::Array(arena_, items));
  }

  // The item itself is the end of the location.
  Result<Changed> SetItem(const Value& current, const LocationNode& node, size_t depth) {
    if (mutator_.source_ == Source::kImage || mutator_.source_ == Source::kSet) {
      return Wrong("mutator does not understand keyed lists");
    }
    if (node.glob) return Wrong("last path entry can not be globbed");
    if (!value_.IsMap()) {
      return Wrong(fmt::format("assign.value for keyed list is not an object: {}", GoText(value_)));
    }
    std::vector<Value> items(current.items().begin(), current.items().end());
    for (Value& item : items) {
      if (!item.IsMap()) {
        return Wrong(
            fmt::format("cast error, unable to case {} to map[string]interface{{}}", GoType(item)));
      }
      const Value* key = item.Find(node.name);
      if (key == nullptr || !SameKey(*key, node.KeyValue())) continue;
      const Value* new_key = value_.Find(node.name);
      if (new_key == nullptr || !SameKey(*new_key, node.KeyValue())) {
        return Wrong("key value of replaced object must not change");
      }
      if (!mutator_.tester_.ExistsOkay(depth)) return Changed();
      item = value_;
      return Changed(Value::Array(arena_, items));
    }
    if (!mutator_.tester_.MissingOkay(depth)) return Changed();
    items.push_back(value_);
    return Changed(Value::Array(arena_, items));
  }

  Result<Value> CreateMissing(size_t depth) {
    const LocationNode& node = nodes()[depth];
    const LocationNode& next = nodes()[depth + 1];
    if (!node.is_list) return next.is_list ? Value::EmptyArray() : Value::EmptyMap();
    if (next.is_list) {
      return Wrong(fmt::format("two consecutive list path entries not allowed: {} {}",
                               node.ToString(), next.ToString()));
    }
    return MapBuilder(arena_).Add(node.name, node.KeyValue()).Finish();
  }

  Result<Changed> Set(const Value& map, std::string_view key, const Value* old) {
    switch (mutator_.source_) {
      case Source::kImage: {
        if (old != nullptr && !old->IsString()) {
          return Wrong(fmt::format(
              "expected value at AssignImage location to be a string, got {} of type {}",
              GoText(*old), GoType(*old)));
        }
        std::string image = MutateImage(mutator_.domain_, mutator_.path_, mutator_.tag_,
                                        old != nullptr ? old->AsString() : std::string_view());
        return Changed(WithEntry(map, key, Value::String(arena_, image), arena_));
      }
      case Source::kSet: return SetSet(map, key, old);
      case Source::kExternal: {
        std::string_view at = static_cast<const ExternalDataPlaceholder*>(value_.AsOpaque())->key();
        if (old != nullptr) {
          if (old->IsOpaque() && old->AsOpaque()->tag() == ExternalDataPlaceholder::kTag) {
            at = static_cast<const ExternalDataPlaceholder*>(old->AsOpaque())->key();
          } else if (old->IsString()) {
            at = old->AsString();
          } else {
            return Wrong(fmt::format(
                "value assigned to external data placeholder is not a string, got {} ({})",
                GoText(*old), GoType(*old)));
          }
        }
        const External& external = mutator_.external_;
        const auto* placeholder = arena_.New<ExternalDataPlaceholder>(
            external.provider, external.policy, external.default_value, arena_.Copy(at));
        return Changed(WithEntry(map, key, Value::FromOpaque(placeholder), arena_));
      }
      default: return Changed(WithEntry(map, key, value_, arena_));
    }
  }

  Result<Changed> SetSet(const Value& map, std::string_view key, const Value* old) {
    if (mutator_.operation_ != "merge" && mutator_.operation_ != "prune") {
      return Wrong(fmt::format("unrecognized operation for modifyset: {}", mutator_.operation_));
    }
    if (old == nullptr) {
      if (mutator_.prune_) return Changed(map);
      return Changed(WithEntry(map, key, Value::Array(mutator_.values_), arena_));
    }
    if (!old->IsArray()) {
      return Wrong(
          fmt::format("{} is not a list of values, cannot treat it as a set", GoText(*old)));
    }
    auto among = [](const Value& item, std::span<const Value> set) {
      return std::find(set.begin(), set.end(), item) != set.end();
    };
    std::vector<Value> items;
    if (mutator_.prune_) {
      for (const Value& item : old->items()) {
        if (!among(item, mutator_.values_)) items.push_back(item);
      }
    } else {
      items.assign(old->items().begin(), old->items().end());
      for (const Value& item : mutator_.values_) {
        if (!among(item, items)) items.push_back(item);
      }
    }
    return Changed(WithEntry(map, key, Value::Array(arena_, items), arena_));
  }

  const Mutator& mutator_;
  const Value value_;
  Arena& arena_;
};

Result<std::optional<Value>> Mutator::Mutate(const Mutable& target, Arena& arena) const {
  Value value = value_;
  if (source_ == Source::kFromMetadata) {
    value =
        Value::String(target.object["metadata"].StringAt(field_ == "name" ? "name" : "namespace"));
  } else if (source_ == Source::kExternal) {
    std::string_view key = external_.data_source == "Username" ? target.username : "";
    value = Value::FromOpaque(arena.New<ExternalDataPlaceholder>(
        external_.provider, external_.policy, external_.default_value, arena.Copy(key)));
  }
  if (location_.nodes.empty()) return Wrong("attempting to mutate an empty target location");
  return Walk(*this, value, arena).At(target.object, 0);
}

// --- Images --------------------------------------------------------------------------------------

namespace {

// The domain, if the part before the first slash looks like one, and the rest.
std::pair<std::string_view, std::string_view> SplitDomain(std::string_view name) {
  size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {"", name};
  std::string_view first = name.substr(0, slash);
  if (first.find_first_of(".:") == std::string_view::npos && first != "localhost") {
    return {"", name};
  }
  return {first, name.substr(slash + 1)};
}

const RE2& DomainPattern() {
  static const RE2* const pattern =
      new RE2(R"((^\w[\w\-_]*\.[\w\-_\.]*[\w](:\d+)?$)|(^localhost(:\d+)?$))");
  return *pattern;
}
const RE2& PathPattern() {
  static const RE2* const pattern = new RE2(R"([a-z0-9]+(?:(?:(?:[._/]|__|[-]*)[a-z0-9]+)+)?)");
  return *pattern;
}
const RE2& TagPattern() {
  static const RE2* const pattern =
      new RE2(R"((^:[\w][\w.-]{0,127}$)|)"
              R"((^@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*[:][0-9A-Fa-f]{32,}$))");
  return *pattern;
}

}  // namespace

std::string MutateImage(std::string_view domain, std::string_view path, std::string_view tag,
                        std::string_view reference) {
  auto [old_domain, rest] = SplitDomain(reference);
  std::string_view old_path = rest, old_tag;
  if (size_t at = rest.find_first_of(":@"); at != std::string_view::npos) {
    old_path = rest.substr(0, at);
    old_tag = rest.substr(at);
  }
  if (domain.empty()) domain = old_domain;
  if (path.empty()) path = old_path;
  if (tag.empty()) tag = old_tag;
  return fmt::format("{}{}{}{}", domain, domain.empty() ? "" : "/", path, tag);
}

Result<> ValidateImageParts(std::string_view domain, std::string_view path, std::string_view tag) {
  if (domain.empty() && path.empty() && tag.empty()) {
    return Error(Code::kInvalid, "gate.image.missing",
                 "at least one of [assignDomain, assignPath, assignTag] must be set");
  }
  if (!domain.empty() && !RE2::PartialMatch(domain, DomainPattern())) {
    return Error(Code::kInvalid, "gate.image.domain",
                 fmt::format("assignDomain {} must be a fully-qualified domain name or localhost",
                             GoQuote(domain)));
  }
  if (!path.empty() && !RE2::FullMatch(path, PathPattern())) {
    return Error(Code::kInvalid, "gate.image.path",
                 fmt::format("assignPath {} must be a valid docker image path", GoQuote(path)));
  }
  if (!tag.empty() && !RE2::PartialMatch(tag, TagPattern())) {
    return Error(Code::kInvalid, "gate.image.tag",
                 fmt::format("assignTag {} must be a valid docker image tag or digest starting "
                             "with ':' or '@'",
                             GoQuote(tag)));
  }
  if (domain.empty() && !SplitDomain(path).first.empty()) {
    return Error(Code::kInvalid, "gate.image.domain_like_path",
                 fmt::format("assignDomain must be set if the first part of assignPath {} can be "
                             "interpretted as part of a domain",
                             GoQuote(path)));
  }
  return Ok{};
}

}  // namespace bulwark::admission
