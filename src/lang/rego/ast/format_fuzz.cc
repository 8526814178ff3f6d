// Any bytes as a module to format: no crash, and the rules of what comes out are those of what went
// in. The first byte chooses the dialects.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "lang/rego/ast/format.h"
#include "lang/rego/ast/parser.h"

using namespace bulwark;        // NOLINT: a program of one function
using namespace bulwark::rego;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > (1 << 16)) return 0;
  static constexpr FormatOptions kOptions[] = {
      {Dialect::kV1, Dialect::kV1, Dialect::kV1}, {Dialect::kV0, Dialect::kV0, Dialect::kV0},
      {Dialect::kV0, Dialect::kV0, Dialect::kV1}, {Dialect::kV2, Dialect::kV2, Dialect::kV2},
      {Dialect::kV1, Dialect::kV1, Dialect::kV2}, {Dialect::kV1, Dialect::kV1, Dialect::kV1, true},
      {Dialect::kV0, Dialect::kV0, Dialect::kV2}, {Dialect::kV1, Dialect::kV0, Dialect::kV1},
  };
  FormatOptions options = kOptions[data[0] % std::size(kOptions)];
  options.max_depth = 100;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<std::string> formatted = FormatSource("f.rego", text, options);
  if (!formatted) return 0;
  BW_CHECK(formatted->starts_with("package ") || formatted->starts_with('#'));
  BW_CHECK(formatted->ends_with('\n'));
  // Whatever went wrong with a comment in the midst of a term, the same text again is no worse.
  static_cast<void>(FormatSource("f.rego", *formatted, options));
  return 0;
}
