#pragma once

// What each Kubernetes release's API takes: which kinds it serves, which fields they have and of
// what types, and when an API came and went. Reads the tables of rules/schemas (their README
// describes the format), which are in the program.
//
//   std::vector<SchemaProblem> problems;
//   Schemas::BuiltIn().Validate(object, 29, {}, problems);
//   // spec.template.spec.securityContext.readOnlyRootFilesystem: kMisplaced, suggestion
//   // spec.template.spec.containers[*].securityContext.readOnlyRootFilesystem
//
// Validate() finds what the API server would drop (unknown fields) or refuse to decode (wrong
// types), with its semantics: field names are case-sensitive, null stands for "not given"
// everywhere, a quantity may be a number, bytes are base64, the values of labels, annotations and
// ConfigMap data are strings. One leniency: a number with an empty fraction is an integer, as in
// kubectl's YAML. It does not do the API server's validation proper (name syntax, cross-field
// rules), and knows nothing of custom resources.
//
// Releases are minor versions of Kubernetes 1: 29 (kube::ParseMinorVersion() reads "v1.29.3").
// Limits: those from min_minor() to max_minor(); a target before or after is taken for the nearest.
// Nesting of a value is bounded by whoever parsed it. Thread-safety: immutable after creation;
// BuiltIn() may be called from any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::kube {

// Where a thing exists: from one minor version to another, both inclusive.
struct MinorRange {
  int from = 0;
  int to = 0;
  bool Has(int minor) const { return from <= minor && minor <= to; }
  friend bool operator==(const MinorRange&, const MinorRange&) = default;
};

struct SchemaProblem {
  enum class Kind : uint8_t {
    kUnknownField,     // dropped: no such field, here or nearby
    kMisplaced,        // dropped: the field exists elsewhere, see suggestion
    kOtherVersion,     // dropped: the field exists, but not in the target version, see exists
    kWrongType,        // refused, or not what was meant: expected, found
    kBadValue,         // refused: not one of the values in expected
    kDuplicate,        // the keys of this list item are an earlier item's
    kDeprecatedField,  // taken, but deprecated in the target version
    kMissing,          // a field that the API declares required is not there
    kUnknownKind,  // a group of Kubernetes' own has no such kind; or apiVersion or kind is missing
    kNotServed,    // the target version does not serve this API, see exists and suggestion
  };
  Kind kind;
  // As in Kubernetes' errors: spec.containers[0].image, metadata.labels[app.kubernetes.io/name].
  std::string path;
  // The place in the document (formats/source_map.h): of the value, or of the object that lacks
  // one.
  const Value* where = nullptr;
  // A type ("string", "int32", "[]string", "quantity", "object"…) or the valid values ("A, B").
  std::string expected;
  // The type of what was found ("string", "integer", "number", "boolean", "list", "object"…).
  std::string found;
  // What was found: a scalar as JSON, cut after some 60 bytes; else "".
  std::string value;
  // kUnknownField: a field of a similar name; kMisplaced: where the field exists, with [*] for any
  // item of a list; kDuplicate: the earlier item; kNotServed, kUnknownKind: "apps/v1 Deployment".
  std::string suggestion;
  MinorRange exists;

  friend bool operator==(const SchemaProblem&, const SchemaProblem&) = default;
};
std::string_view SchemaProblemName(SchemaProblem::Kind kind);  // "unknown_field"

// When an API came and goes. Minors of Kubernetes 1; nothing where not known or not so.
struct Lifecycle {
  std::optional<int> introduced;
  std::optional<int> deprecated;
  // The first release without it. Beyond Schemas::max_minor() it is a plan.
  std::optional<int> removed;
  std::string_view replacement_api_version;  // "" where nothing takes its place
  std::string_view replacement_kind;

  bool DeprecatedIn(int minor) const { return deprecated && minor >= *deprecated; }
  bool RemovedIn(int minor) const { return removed && minor >= *removed; }
};

// A kind that some release serves.
struct ApiKind {
  enum class Scope : uint8_t { kNamespaced, kCluster, kList };
  std::string_view api_version;  // "apps/v1", "v1"
  std::string_view kind;
  std::string_view plural;  // "deployments"; "pods/eviction" for a subresource's; "" for a list
  std::string_view type;    // "apps.v1.Deployment"
  Scope scope = Scope::kCluster;
  MinorRange served;
};

// A field of a type in one release.
struct FieldInfo {
  std::string_view name;
  std::string_view shape;  // "string", "[]core.v1.Container", "{}quantity"…: see the format
  bool required = false;
  bool deprecated = false;
  std::vector<std::string_view> list_map_keys;
  std::vector<std::string_view> values;  // of a closed enumeration; none where anything goes
};

class Schemas {
 public:
  // The tables in the program. The first call reads them (about a millisecond).
  static const Schemas& BuiltIn();
  // Reads tables from elsewhere; the texts must outlive the result. Error: kube.schema_table, which
  // names the file's line.
  static Result<Schemas> Parse(std::string_view kubernetes, std::string_view lifecycle);

  int min_minor() const { return minors_.from; }
  int max_minor() const { return minors_.to; }
  bool Covers(int minor) const { return minors_.Has(minor); }

  struct Options {
    bool values = true;       // report kBadValue
    bool duplicates = true;   // report kDuplicate
    bool deprecated = false;  // report kDeprecatedField: live objects have defaulted ones
    bool required = false;    // report kMissing: the API server defaults some of them
    size_t max_problems = 1000;
    size_t max_bytes = size_t{1} << 22;  // of the problems' paths
  };
  struct Outcome {
    bool checked =
        false;  // its fields were looked at: not those of custom resources, unknown kinds
    bool complete = true;  // no problem was left out for a limit
  };

  // Appends what is wrong with an object, or with the items of a v1 List, in the document's order.
  // Where the target does not serve the API, the nearest version that did has the say on its
  // fields. Allocates nothing where nothing is wrong.
  Outcome Validate(const Value& object, int target, const Options& options,
                   std::vector<SchemaProblem>& out) const;

  // nullptr if no release in the table serves it. api_version is "apps/v1" or "v1".
  const ApiKind* FindKind(std::string_view api_version, std::string_view kind) const;
  std::span<const ApiKind> kinds() const { return kinds_; }
  // Whether the target serves it; nothing if the table does not know the kind.
  std::optional<bool> IsServed(std::string_view api_version, std::string_view kind,
                               int target) const;
  std::optional<bool> IsNamespaced(std::string_view api_version, std::string_view kind) const;
  // Also knows APIs that were gone before min_minor().
  std::optional<Lifecycle> LifecycleOf(std::string_view api_version, std::string_view kind) const;
  // What to use in the target instead, past replacements that are gone as well; nothing where
  // nothing takes its place or the target does not serve that yet.
  std::optional<std::pair<std::string_view, std::string_view>> ReplacementFor(
      std::string_view api_version, std::string_view kind, int target) const;

  // The field under a path of names from a kind's root ("spec", "template", …; the items of lists
  // and maps take no step), e.g. for the keys of a list-map.
  std::optional<FieldInfo> FieldAt(std::string_view api_version, std::string_view kind,
                                   std::span<const std::string_view> path, int target) const;
  std::vector<std::string_view> ListMapKeys(std::string_view api_version, std::string_view kind,
                                            std::span<const std::string_view> path,
                                            int target) const;
  // The fields of a type ("core.v1.PodSpec") in a release, by name; none if there is no such type.
  std::vector<FieldInfo> FieldsOf(std::string_view type, int target) const;

 private:
  friend class SchemaParser;
  friend class SchemaWalk;

  enum class Base : uint8_t {
    kString,
    kInt32,
    kInt64,
    kNumber,
    kBoolean,
    kQuantity,
    kIntOrString,
    kDateTime,
    kBytes,
    kObject,
    kAny,
    kType
  };
  struct Range8 {
    uint8_t from = 0, to = 0;
    bool Has(int minor) const { return from <= minor && minor <= to; }
  };
  struct EnumValue {
    std::string_view text;
    Range8 in;
  };
  struct Field {
    std::string_view name;
    std::string_view shape;
    Base base = Base::kAny;
    // What is around the base, outermost in the lowest bits: kList and kMap, two bits each.
    uint8_t wrappers = 0;
    uint16_t type = 0;  // of kType
    Range8 in, required, deprecated;
    bool has_other_shape = false;  // the next field is the same in other minors
    bool set = false;
    uint16_t first_value = 0, values = 0;
    std::string_view keys;  // "containerPort,protocol"
  };
  static constexpr uint8_t kList = 1, kMap = 2;
  struct Type {
    std::string_view name;
    uint32_t first_field = 0, fields = 0;
    uint32_t slots = 0, mask = 0;  // of the hash table of its fields' names
    Range8 in;
    bool any_required = false;
  };
  struct Life {
    std::string_view api_version, kind;
    Lifecycle life;
  };

  Schemas() = default;
  const Field* FindField(const Type& type, std::string_view name) const;
  const Field* FindField(const Type& type, std::string_view name, int minor) const;
  const Type* FindType(std::string_view name) const;
  FieldInfo InfoOf(const Field& field, int minor) const;
  const Life* FindLife(std::string_view api_version, std::string_view kind) const;
  bool IsOwnGroup(std::string_view api_version) const;
  int Clamp(int target) const;

  MinorRange minors_;
  std::vector<Type> types_;
  std::vector<Field> fields_;
  std::vector<EnumValue> values_;
  std::vector<uint16_t> slots_;  // field number within its type + 1
  std::vector<uint16_t> type_slots_;
  std::vector<ApiKind> kinds_;
  std::vector<uint16_t> kind_types_;  // beside kinds_
  std::vector<uint16_t> kind_slots_;
  std::vector<Life> lives_;
  std::vector<uint16_t> life_slots_;
};

}  // namespace bulwark::kube
