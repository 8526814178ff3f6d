#pragma once

// Optional values (cel-go's cel/library.go, OptionalTypes, v0.26.0).
//
//   version 0: optional.of optional.ofNonZeroValue optional.none, hasValue value or orValue,
//   optMap,
//              a[?b] and a.?b, a[b] and a.b on an optional
//   version 1: optFlatMap
//   version 2: first last of a list, optional.unwrap, unwrapOpt
//
// or() and orValue() look at their argument only where it is needed.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& OptionalTypes(int version = 2);

}  // namespace bulwark::cel::ext
