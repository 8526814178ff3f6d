#pragma once

// Which fields a check's expression reads, found in its checked tree, so that a check need not run
// on an object that has none of them: what comes out then is always the same.

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/value.h"
#include "lang/cel/ast.h"

namespace bulwark::posture {

// A field below a variable (Slot, check_set.h): {kContainerSlot, {"securityContext",
// "privileged"}}. It is absent if one of these maps lacks the next key; where something on the way
// is no map, it counts as there.
struct FieldRead {
  uint32_t slot = 0;
  std::vector<std::string> keys;
  friend bool operator==(const FieldRead&, const FieldRead&) = default;
};

struct Reads {
  // False: the expression also depends on something else, such as all of an object.
  bool known = true;
  bool container_type = false;  // depends on containerType
  // Where all of these are absent, the expression gives the same whatever else is there.
  std::vector<FieldRead> fields;
};

// `ast` must be checked. Parameters and the version of Kubernetes do not count: they are the same
// for all objects. `item` and `key` are those of
// the list or map that a check's `each` names.
//
// An optional selection (x.?a.?b) gives none wherever on the way something is missing, so that its
// whole path is one field. A plain one (x.a.b) fails differently with each part that is missing:
// only its first part is. What hangs upon a loop's variable belongs to the loop's range.
Reads ReadsOf(const cel::Ast& ast);

// The values that fields have had, by small numbers: the same number, the same value, exactly. For
// one thread. Holds a few hundred kilobytes at most; long values, and fields whose values hardly
// repeat, get no number.
class FieldValues {
 public:
  static constexpr uint32_t kAbsent = 0, kOther = UINT32_MAX;
  uint32_t IdOf(uint32_t field, const Value& value);

 private:
  static constexpr size_t kMany = 512;     // numbers a field
  static constexpr uint64_t kTries = 400;  // before a field is given up
  struct OfField {
    std::unordered_map<std::string, uint32_t> ids;
    uint64_t found = 0, missed = 0;
  };
  std::vector<OfField> by_field_;
  std::string buffer_;
};

// Fields by number, and which of them an object has: one walk over it for all checks. Filled once,
// then read by any number of threads.
class FieldIndex {
 public:
  // Some fields.
  struct Mask {
    struct Part {
      uint32_t word;
      uint64_t bits;
    };
    std::vector<Part> parts;
    std::vector<uint32_t> fields;  // no two the same
    void Add(const Mask& other);
  };
  // Those that are there, and what they hold.
  struct Present {
    std::vector<uint64_t> words;
    std::vector<uint32_t> ids;  // by field: of FieldValues
    FieldValues* values = nullptr;
    void Clear(const FieldIndex& index, FieldValues& of_kind) {
      words.assign((index.fields_ + 63) / 64, 0);
      ids.assign(index.fields_, FieldValues::kAbsent);
      values = &of_kind;
    }
    bool Any(const Mask& mask) const {
      uint64_t found = 0;
      for (const Mask::Part& part : mask.parts) found |= words[part.word] & part.bits;
      return found != 0;
    }
    void Set(uint32_t field, uint32_t id) {
      words[field / 64] |= uint64_t{1} << (field % 64);
      ids[field] = id;
    }
  };

  Mask Add(std::span<const FieldRead> fields);
  // Adds to `present` what a variable's value has.
  void Mark(uint32_t slot, const Value& value, Present& present) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    uint32_t field = kNone;
    std::vector<std::pair<std::string, uint32_t>> children;
  };
  uint32_t Child(uint32_t node, const std::string& key);
  void MarkNode(uint32_t node, const Value& value, Present& present) const;
  void MarkAll(uint32_t node, Present& present) const;
  void MarkChild(uint32_t child, const Value& value, Present& present) const;

  std::vector<Node> nodes_;
  std::vector<uint32_t> roots_;  // by slot
  uint32_t fields_ = 0;
};

}  // namespace bulwark::posture
