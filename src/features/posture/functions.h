#pragma once

// The functions that Bulwark adds to CEL for its checks (docs/guides/adding-a-check.md lists them).

#include "lang/cel/library.h"

namespace bulwark::posture {

const cel::Library& CheckFunctions();

}  // namespace bulwark::posture
