// Any bytes are decoded as each well-known message, or refused; what was decoded can be encoded
// again, and is then decoded as the same.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lang/cel/well_known_types.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  using namespace bulwark::cel;
  constexpr std::string_view kMessages[] = {
      "google.protobuf.BoolValue",   "google.protobuf.Int32Value",  "google.protobuf.Int64Value",
      "google.protobuf.UInt32Value", "google.protobuf.UInt64Value", "google.protobuf.FloatValue",
      "google.protobuf.DoubleValue", "google.protobuf.StringValue", "google.protobuf.BytesValue",
      "google.protobuf.Timestamp",   "google.protobuf.Duration",    "google.protobuf.Struct",
      "google.protobuf.Value",       "google.protobuf.ListValue",   "google.protobuf.Any"};
  if (size == 0) return 0;
  const std::string_view message = kMessages[data[0] % std::size(kMessages)];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Arena arena;
  const Value v = DecodeWellKnown(arena, message, bytes);
  if (IsError(v)) return 0;
  Result<std::string> again = EncodeWellKnown(message, v);
  if (!again) return 0;  // an Any takes one level more than what was in it
  const Value back = DecodeWellKnown(arena, message, *again);
  BW_CHECK(!IsError(back) && Value::Compare(v, back) == 0);  // a NaN compares as equal to itself
  return 0;
}
