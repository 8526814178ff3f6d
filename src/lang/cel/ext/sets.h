#pragma once

// cel-go's library of lists as sets (ext/sets.go, v0.26.0): sets.contains, sets.equivalent,
// sets.intersects.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Sets();

}  // namespace bulwark::cel::ext
