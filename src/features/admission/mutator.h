#pragma once

// Mutators: Assign, AssignMetadata, AssignImage and ModifySet (gatekeeper v3.23, mutations
// v1, v1beta1 and v1alpha1), read, checked and applied one at a time. mutation.h has the whole of
// them.
//
// Objects are immutable Values: a mutation gives a new one that shares with the old what it did not
// change. A Mutator is immutable; any number of threads may apply it. The Value that it was read
// from must outlive it.

#include <compare>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/location.h"
#include "features/admission/match.h"

namespace bulwark::admission {

struct MutatorId {
  std::string group, kind, ns, name;
  friend auto operator<=>(const MutatorId&, const MutatorId&) = default;
  // "Assign.mutations.gatekeeper.sh /name"
  std::string ToString() const;
};

// What is to be mutated.
struct Mutable {
  Value object;
  const NamespaceView* ns = nullptr;
  std::string_view username;
  std::string_view source;     // Original, Generated
  std::string_view operation;  // CREATE, UPDATE; "" where there is no request
};

// What an Assign of external data leaves until the provider was asked (mutation.h does).
class ExternalDataPlaceholder final : public Opaque {
 public:
  static constexpr uint32_t kTag = 0xAD01;
  enum class Policy : uint8_t { kFail, kIgnore, kUseDefault };
  ExternalDataPlaceholder(std::string_view provider, Policy policy, std::string_view otherwise,
                          std::string_view key)
      : Opaque(kTag), provider_(provider), policy_(policy), default_(otherwise), key_(key) {}
  std::string_view TypeName() const override { return "*unversioned.ExternalDataPlaceholder"; }
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override;
  std::string_view provider() const { return provider_; }
  Policy policy() const { return policy_; }
  std::string_view default_value() const { return default_; }
  std::string_view key() const { return key_; }

 private:
  std::string_view provider_;
  Policy policy_;
  std::string_view default_, key_;
};

// What the last node of a location is, as far as a mutator's kind tells.
enum class TerminalType : uint8_t { kUnknown, kSet, kString };

struct Binding {
  Gvk gvk;
  std::string operation;
  friend auto operator<=>(const Binding&, const Binding&) = default;
};

class Mutator {
 public:
  enum class Kind : uint8_t { kAssign, kAssignMetadata, kAssignImage, kModifySet };

  // Whether an object is one of the four.
  static bool Is(const ObjectView& object);
  // Errors: gate.mutator, with Gatekeeper's texts.
  static Result<std::unique_ptr<const Mutator>> Read(const Value& object);

  Result<bool> Matches(const Mutable& target) const;
  // The object as it is then; nothing if the path tests say no. That it is as it was before is for
  // the caller to see.
  Result<std::optional<Value>> Mutate(const Mutable& target, Arena& arena) const;

  const MutatorId& id() const { return id_; }
  Kind kind() const { return kind_; }
  const Location& location() const { return location_; }
  // Whether it says something on the schema of what it mutates; AssignMetadata does not.
  bool has_schema() const { return kind_ != Kind::kAssignMetadata; }
  TerminalType terminal_type() const;
  // Whether no other mutator may go beyond its location.
  bool must_terminate() const {
    return kind_ == Kind::kAssignImage || source_ == Source::kExternal;
  }
  const std::vector<Binding>& bindings() const { return bindings_; }
  // "Assign//name:1", kind, namespace, name and generation.
  std::string ToString() const;
  // Whether another of the same id would do something else.
  bool DiffersFrom(const Mutator& other) const;

 private:
  enum class Source : uint8_t { kValue, kFromMetadata, kExternal, kImage, kSet };
  struct External {
    std::string_view provider, data_source, default_value;
    ExternalDataPlaceholder::Policy policy = ExternalDataPlaceholder::Policy::kFail;
  };
  class Walk;

  Result<> ReadAssign(const Value& assign);
  Result<> ReadImage(const Value& parameters);
  Result<> ReadSet(const Value& parameters);
  Result<> CheckLocation(std::string_view text);

  MutatorId id_;
  Kind kind_ = Kind::kAssign;
  Source source_ = Source::kValue;
  Value spec_;
  int64_t generation_ = 0;
  std::vector<ApplyTo> apply_to_;
  Match match_;
  Location location_;
  PathTester tester_;
  std::vector<Binding> bindings_;
  Value value_;                           // Assign
  std::string_view field_;                // fromMetadata
  External external_;                     // externalData
  std::string_view domain_, path_, tag_;  // AssignImage
  bool prune_ = false;                    // ModifySet
  std::string_view operation_;            // ModifySet's, as it is written
  std::span<const Value> values_;         // ModifySet
};

// An image reference with the given parts in place of its own (AssignImage).
std::string MutateImage(std::string_view domain, std::string_view path, std::string_view tag,
                        std::string_view reference);
// Ids: gate.image.missing, .domain, .path, .tag, .domain_like_path.
Result<> ValidateImageParts(std::string_view domain, std::string_view path, std::string_view tag);

// A map with one entry replaced, added or (null) removed; the rest shared.
Value WithEntry(const Value& map, std::string_view key, const Value& value, Arena& arena);
Value WithoutEntry(const Value& map, std::string_view key, Arena& arena);

}  // namespace bulwark::admission
