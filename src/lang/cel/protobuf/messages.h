#pragma once

// Protocol Buffers messages as CEL's struct types (langdef.md, "Protocol Buffer Data Conversion"),
// through libprotobuf's dynamic messages: any set of types known by their descriptors, proto2 and
// proto3, with extensions (a field's name is then the extension's full name: x.`pkg.extension`) and
// groups. Enums are ints. Well-known messages are as in lang/cel/well_known_types.h.
//
//   auto types = BW_TRY(MessageTypes::FromDescriptors(descriptor_set));
//   auto env = BW_TRY(Env::Create({.container = "pkg", .types = types}));
//   Value pod = types->Parse(arena, "pkg.Pod", bytes);
//
// Thread-safe. Types, and values read or made through it, are good for as long as it is there.

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "lang/cel/library.h"

namespace bulwark::cel {

class MessageTypes : public TypeProvider {
 public:
  // From a serialized google.protobuf.FileDescriptorSet in which each file stands after those that
  // it imports. Code::kInvalid where it is none.
  static Result<std::shared_ptr<const MessageTypes>> FromDescriptors(
      std::string_view file_descriptor_set);

  // The value of a serialized message; an error value where the type is unknown or the bytes are
  // malformed. Required fields may be missing.
  virtual Value Parse(Arena&, std::string_view type, std::string_view bytes) const = 0;
  // The value of an Any in protojson: {"@type": "type.googleapis.com/pkg.Pod", "name": "a"}. Fields
  // go by their names or their camelCase names, extensions as "[pkg.extension]". (libprotobuf's own
  // reader of JSON does not know extensions.) Code::kInvalid where that does not fit the type.
  virtual Result<Value> FromJson(Arena&, const Value& any) const = 0;
};

}  // namespace bulwark::cel
