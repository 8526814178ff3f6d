#pragma once

// cel-go's library of lists (ext/lists.go, v0.26.0).
//
//   version 0: slice
//   version 1: flatten
//   version 2: sort sortBy distinct reverse, lists.range
//   version 3: the same, with costs
//   version 4: lists.range of a negative number, or of one past 1,000,000, is an error, as the CEL
//              specification has it (cel-go gives an empty list, or the whole range)
//
// sort() and sortBy() are stable. A NaN stands before every other number.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Lists(int version = 4);

}  // namespace bulwark::cel::ext
