#pragma once

// The well-known messages of Protocol Buffers (google/protobuf/any.proto, duration.proto,
// struct.proto, timestamp.proto, wrappers.proto) as CEL has them (langdef.md, "Dynamic Values"):
// not as messages but as values of its own. google.protobuf.Int32Value{value: 1} is the int 1 or,
// where a field holds none, null; a Struct is a map, a Value whatever JSON value it holds, an Any
// what is packed in it. Reads and writes their wire format itself: no libprotobuf. Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/cel/library.h"
#include "lang/cel/type.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

// Messages other than the well-known ones, inside of an Any or a Value.
class MessageCodec {
 public:
  virtual ~MessageCodec() = default;
  // The value of a serialized message; an error value where the type is unknown or the bytes are
  // malformed.
  virtual Value Decode(Arena&, std::string_view message, std::string_view bytes) const = 0;
  virtual Result<std::string> Encode(const ObjectValue&) const = 0;
  // As a serialized google.protobuf.Value that holds its JSON form.
  virtual Result<std::string> EncodeAsJson(const ObjectValue&) const = 0;
};

// EnvOptions::types for environments that have these messages and no others:
//   google.protobuf.Duration{seconds: 5}, google.protobuf.NullValue.NULL_VALUE
std::shared_ptr<const TypeProvider> WellKnownTypes();

// The type that a message has in CEL; nullopt if it is not well known.
std::optional<Type> WellKnownType(std::string_view message);

// The value of a well-known message. An error value where the bytes are malformed or nested more
// than 100 deep, or hold what CEL cannot (a timestamp out of range). It is a view of the bytes.
Value DecodeWellKnown(Arena&, std::string_view message, std::string_view bytes,
                      const MessageCodec* others = nullptr);

// The other way. Code::kInvalid where the message cannot hold the value: its type is another, or it
// is out of range (an int of more than 32 bits for Int32Value). null is a Value or an Any only.
// What JSON has no numbers for (an int beyond ±2^53) goes into a Value as text, as protojson has
// it.
Result<std::string> EncodeWellKnown(std::string_view message, const Value&,
                                    const MessageCodec* others = nullptr);

// Message{field: value, …} of a well-known message; an error value where that cannot be.
Value CreateWellKnown(Arena&, std::string_view message,
                      std::span<const std::pair<std::string_view, Value>> fields,
                      const MessageCodec* others = nullptr);

}  // namespace bulwark::cel
