#pragma once

// All settings as declarative objects: what people chose, in files that a repository can keep.
//
//   apiVersion: bulwark.io/v1
//   kind: Schedule
//   metadata: {name: nightly}
//   spec: {feature: posture, cron: "0 2 * * *", timeZone: Asia/Shanghai, enabled: true}
//
// A kind is a collection of the StateStore and those fields of its records that people choose; what
// the server found out itself (last run, counts) stays out. Secrets are neither exported nor
// compared; applying an object leaves those that are stored as they are. metadata.name is the
// record's key.
//
// A field that is null is one that is left out; a record's fields that a spec leaves out go. A
// record that is there but is not people's own (ConfigKind::exported) becomes so when it is
// applied.
//
// Errors: config.kind (kInvalid: no such kind; says which was meant), config.object (kInvalid, with
// "object": which one and what is wrong), config.twice (kInvalid).
// Thread-safety: Register() before the server starts; the rest from any thread.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "platform/store/state_store.h"

namespace bulwark {

inline constexpr std::string_view kConfigApiVersion = "bulwark.io/v1";

// Who applies objects, and what they may everywhere.
struct ConfigActor {
  std::string id = "config";
  std::function<bool(std::string_view permission)> may;
};

struct ConfigKind {
  std::string kind;                  // "Schedule"
  std::string collection;            // "schedules"
  std::string noun;                  // of its permissions: "schedules"
  std::vector<std::string> fields;   // of the record, at its top: what people choose
  std::vector<std::string> secrets;  // of the record, at its top: sealed
  store::Query exported;             // which records are people's own
  // Checks a spec and makes the record of it: `old` is the record as it is, null for a new one. The
  // default takes the fields of the spec over into `old`.
  std::function<Result<Value>(std::string_view name, const Value& spec, const Value& old, Arena&,
                              const ConfigActor& by)>
      make;
  // After it was written or deleted.
  std::function<void(std::string_view name)> changed;
};

struct ConfigChange {
  enum class Op : uint8_t { kCreate, kUpdate, kDelete };
  Op op;
  std::string kind, name;
  std::string diff;       // unified, of the YAML
  std::string body;       // the record to be written
  uint64_t revision = 0;  // of the record that is changed
};
std::string_view ConfigOpName(ConfigChange::Op op);  // "create", "update", "delete"

class Config {
 public:
  explicit Config(store::StateStore& state) : state_(state) {}

  void Register(ConfigKind kind);
  const ConfigKind* Find(std::string_view kind) const;
  const std::vector<ConfigKind>& kinds() const { return kinds_; }

  // The objects of those kinds (none: of all) that `may_read` allows, by kind and name.
  Result<std::vector<Value>> Export(const std::vector<std::string>& kinds,
                                    const std::function<bool(const ConfigKind&)>& may_read,
                                    Arena& arena) const;
  // What applying these objects would change. `prune`: objects of the kinds that are given and that
  // are not among them go.
  Result<std::vector<ConfigChange>> Plan(std::span<const Value> objects, bool prune,
                                         const ConfigActor& by) const;
  // All or nothing; store.conflict where a record has changed since Plan().
  Result<> Apply(const std::vector<ConfigChange>& changes);

 private:
  store::StateStore& state_;
  std::vector<ConfigKind> kinds_;
};

}  // namespace bulwark
