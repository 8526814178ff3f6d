#pragma once

// cel-go's math library (ext/math.go, v0.26.0).
//
//   version 0: the macros math.greatest and math.least, over math.@max and math.@min
//   version 1: ceil floor round trunc, isInf isNaN isFinite, abs sign,
//              bitAnd bitOr bitXor bitNot bitShiftLeft bitShiftRight
//   version 2: sqrt

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Math(int version = 2);

}  // namespace bulwark::cel::ext
