#pragma once

// The string library of cel-go (github.com/google/cel-go/ext, v0.26.0: strings.go, formatting.go,
// formatting_v2.go), and what Kubernetes charges for its functions.
//
//   version 0: charAt indexOf lastIndexOf join lowerAscii replace split substring trim upperAscii
//   version 1: format, strings.quote
//   version 2: join looks at each item by itself
//   version 3: reverse
//   version 4: format without a locale, as the CEL specification has it; an offset past the end of
//              the string is an error in indexOf and lastIndexOf, as the specification has it
//
// Offsets count code points. Before version 4 format() writes numbers for the locale en_US
// (1,234.5; 1.5×10⁰³), as Kubernetes does. Differences from cel-go: %f and %e of integers in
// version 4 give the number; a precision past 1000 is an error.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Strings(int version = 4);

// text.format(args). Exposed for tests.
Value FormatString(CallContext& ctx, std::string_view text, std::span<const Value> args,
                   int version);

}  // namespace bulwark::cel::ext
