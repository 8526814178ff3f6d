#include "platform/config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "formats/diff.h"
#include "formats/json.h"
#include "formats/yaml_write.h"
#include "model/catalog.h"

namespace bulwark {

namespace {

constexpr size_t kMaxName = 253;

bool Has(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// What of a record people chose, its fields in the order of the kind.
Value SpecOf(const ConfigKind& kind, const Value& record, Arena& arena) {
  MapBuilder spec(arena);
  for (const std::string& field : kind.fields) {
    const Value* value = record.Find(field);
    if (value != nullptr && !value->IsNull()) spec.Add(field, *value);
  }
  return spec.Finish();
}

Value ObjectOf(const ConfigKind& kind, std::string_view name, const Value& record, Arena& arena) {
  MapBuilder metadata(arena), object(arena);
  metadata.Add("name", Value::String(arena, name));
  object.Add("apiVersion", Value::String(kConfigApiVersion));
  object.Add("kind", Value::String(arena, kind.kind));
  object.Add("metadata", metadata.Finish());
  object.Add("spec", SpecOf(kind, record, arena));
  return object.Finish();
}

// What is wrong with an object.
Error Wrong(std::string id, std::string message, std::vector<Error::Arg> args = {}) {
  return Error(Code::kInvalid, "config." + id, std::move(message), std::move(args));
}
Error BadObject(std::string what, const Error& why) {
  std::string message = fmt::format("{}: {}", what, why.ToString());
  std::vector<Error::Arg> args = {{"object", std::move(what)}};
  AddWhy(args, why);
  return Error(Code::kInvalid, "config.object", std::move(message), std::move(args));
}

// "; did you mean X?", or nothing.
std::string Meant(std::string_view word, const std::vector<std::string_view>& names) {
  std::string_view meant = DidYouMean(word, names);
  return meant.empty() ? "" : fmt::format("; did you mean {}?", meant);
}

// Nothing but these fields, each a text.
Result<> OnlyFields(const Value& map, std::string_view path,
                    const std::vector<std::string_view>& fields) {
  for (const Value::Entry& entry : map.entries()) {
    std::string where(path.empty() ? "it" : path);
    if (!entry.key.IsString()) {
      return Wrong("field", fmt::format("a name in {} is no text", where),
                   {{"where", where}, {"field", "?"}});
    }
    std::string_view field = entry.key.AsString();
    if (std::find(fields.begin(), fields.end(), field) != fields.end()) continue;
    return Wrong("field",
                 fmt::format("{}{} is not a field{}", path.empty() ? "" : fmt::format("{}.", path),
                             field, Meant(field, fields)),
                 {{"where", where}, {"field", std::string(field)}});
  }
  return Ok();
}

// A key of the store that people can read and write.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && IsUtf8(name) &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The record with the fields of the spec instead of its own; fields the spec leaves out go.
Value TakeOver(const ConfigKind& kind, const Value& spec, const Value& old, Arena& arena) {
  MapBuilder record(arena);
  for (const Value::Entry& entry : old.entries()) {
    if (!Has(kind.fields, entry.key.AsString())) record.Add(entry.key, entry.value);
  }
  for (const Value::Entry& entry : spec.entries()) {
    if (!entry.value.IsNull()) record.Add(entry.key, entry.value);
  }
  return record.Finish();
}

}  // namespace

std::string_view ConfigOpName(ConfigChange::Op op) {
  switch (op) {
    case ConfigChange::Op::kCreate: return "create";
    case ConfigChange::Op::kUpdate: return "update";
    case ConfigChange::Op::kDelete: return "delete";
  }
  BW_UNREACHABLE();
}

void Config::Register(ConfigKind kind) {
  BW_CHECK(Find(kind.kind) == nullptr);
  kinds_.push_back(std::move(kind));
}

const ConfigKind* Config::Find(std::string_view kind) const {
  for (const ConfigKind& k : kinds_) {
    if (k.kind == kind) return &k;
  }
  return nullptr;
}

Result<std::vector<Value>> Config::Export(const std::vector<std::string>& kinds,
                                          const std::function<bool(const ConfigKind&)>& may_read,
                                          Arena& arena) const {
  std::vector<Value> objects;
  for (const ConfigKind& kind : kinds_) {
    if ((!kinds.empty() && !Has(kinds, kind.kind)) || !may_read(kind)) continue;
    BW_TRY(
        state_.Scan(kind.collection, kind.exported, [&](const store::Record& record) -> Result<> {
          Value body = BW_TRY(ParseJson(record.body, arena));
          objects.push_back(ObjectOf(kind, record.key, body, arena).CopyTo(arena));
          return Ok();
        }));
  }
  return objects;
}

Result<std::vector<ConfigChange>> Config::Plan(std::span<const Value> objects, bool prune,
                                               const ConfigActor& by) const {
  std::vector<ConfigChange> changes;
  std::set<std::pair<std::string, std::string>> seen;
  std::set<std::string> given_kinds;
  for (size_t i = 0; i < objects.size(); ++i) {
    Arena arena;
    const Value& object = objects[i];
    if (!object.IsMap())
      return BadObject(fmt::format("object {}", i + 1), Wrong("no_map", "it is no map"));
    std::string_view kind_name = object.StringAt("kind");
    std::string name(object["metadata"].StringAt("name"));
    std::string what =
        kind_name.empty() ? fmt::format("object {}", i + 1) : fmt::format("{} {}", kind_name, name);
    if (object.StringAt("apiVersion") != kConfigApiVersion)
      return BadObject(what,
                       Wrong("api_version", fmt::format("apiVersion is not {}", kConfigApiVersion),
                             {{"expected", std::string(kConfigApiVersion)}}));
    const ConfigKind* kind = Find(kind_name);
    if (kind == nullptr) {
      std::vector<std::string_view> names;
      for (const ConfigKind& k : kinds_) names.push_back(k.kind);
      return Error(Code::kInvalid, "config.kind",
                   fmt::format("{}: there is no such kind{}; there are {}", what,
                               Meant(kind_name, names), fmt::join(names, ", ")),
                   {{"object", what}});
    }
    Result<> fields = OnlyFields(object, "", {"apiVersion", "kind", "metadata", "spec"});
    if (fields) fields = OnlyFields(object["metadata"], "metadata", {"name"});
    if (!fields) return BadObject(what, fields.error());
    if (name.empty()) return BadObject(what, Wrong("no_name", "metadata.name is missing"));
    if (!IsName(name))
      return BadObject(
          fmt::format("{} {}", kind_name, i + 1),
          Wrong("bad_name",
                fmt::format("metadata.name: at most {} bytes, none of them controls", kMaxName),
                {{"limit", std::to_string(kMaxName)}}));
    if (!seen.emplace(kind->kind, name).second)
      return Error(Code::kInvalid, "config.twice", what + ": given twice", {{"object", what}});
    given_kinds.insert(kind->kind);

    const Value* spec = object.Find("spec");
    if (spec == nullptr || !spec->IsMap())
      return BadObject(what, Wrong("no_spec", "spec is missing or no map"));
    for (const Value::Entry& entry : spec->entries()) {
      if (entry.key.IsString() && Has(kind->secrets, entry.key.AsString()))
        return BadObject(what, Wrong("secret",
                                     fmt::format("spec.{} is a secret: set it in the console or by "
                                                 "the API, where it is sealed",
                                                 entry.key.AsString()),
                                     {{"field", std::string(entry.key.AsString())}}));
    }
    fields = OnlyFields(*spec, "spec", {kind->fields.begin(), kind->fields.end()});
    if (!fields) return BadObject(what, fields.error());

    auto record = BW_TRY(state_.Get(kind->collection, name));
    Value old;
    if (record) old = BW_TRY(ParseJson(record->body, arena));
    auto made = kind->make ? kind->make(name, *spec, old, arena, by)
                           : Result<Value>(TakeOver(*kind, *spec, old, arena));
    if (!made) return BadObject(what, made.error());
    std::string before = record ? ToYaml(ObjectOf(*kind, name, old, arena)) : "";
    std::string after = ToYaml(ObjectOf(*kind, name, *made, arena));
    if (before == after) {
      if (*made == old) continue;
      // One that is there but does not count (an exception that was refused) counts after this.
      uint64_t counts = BW_TRY(
          state_.Count(kind->collection,
                       store::Query::And({store::Query::Exactly("key", name), kind->exported})));
      if (counts != 0) continue;
      before.clear();
    }
    std::string file = fmt::format("{}/{}.yaml", kind->kind, name);
    changes.push_back(
        {record ? ConfigChange::Op::kUpdate : ConfigChange::Op::kCreate, kind->kind, name,
         UnifiedDiff(
             before, after,
             {.old_name = before.empty() ? "/dev/null" : "a/" + file, .new_name = "b/" + file}),
         ToJson(*made), record ? record->revision : 0});
  }
  if (!prune) return changes;
  for (const ConfigKind& kind : kinds_) {
    if (!given_kinds.contains(kind.kind)) continue;
    BW_TRY(
        state_.Scan(kind.collection, kind.exported, [&](const store::Record& record) -> Result<> {
          if (seen.contains({kind.kind, record.key})) return Ok();
          Arena arena;
          Value body = BW_TRY(ParseJson(record.body, arena));
          std::string file = fmt::format("{}/{}.yaml", kind.kind, record.key);
          changes.push_back({ConfigChange::Op::kDelete, kind.kind, record.key,
                             UnifiedDiff(ToYaml(ObjectOf(kind, record.key, body, arena)), "",
                                         {.old_name = "a/" + file, .new_name = "/dev/null"}),
                             "", record.revision});
          return Ok();
        }));
  }
  return changes;
}

Result<> Config::Apply(const std::vector<ConfigChange>& changes) {
  if (changes.empty()) return Ok();
  store::Batch batch;
  for (const ConfigChange& change : changes) {
    const ConfigKind* kind = Find(change.kind);
    BW_CHECK(kind != nullptr);
    const std::string& collection = kind->collection;
    if (change.op == ConfigChange::Op::kDelete) {
      batch.Delete(collection, change.name, change.revision);
    } else {
      batch.Put(collection, change.name, change.body, change.revision);
    }
  }
  BW_TRY(state_.Commit(batch));
  for (const ConfigChange& change : changes) {
    const ConfigKind* kind = Find(change.kind);
    if (kind->changed) kind->changed(change.name);
  }
  return Ok();
}

}  // namespace bulwark
