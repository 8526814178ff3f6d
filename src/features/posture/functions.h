#pragma once

// The functions that Bulwark adds to CEL for its checks (docs/guides/adding-a-check.md lists them).

#include "lang/cel/library.h"

namespace bulwark::posture {

const cel::Library& CheckFunctions();

// Several checks ask for the same object's schema problems and images, which are found once and
// kept, a thread at a time, until this is called: before the memory of that object is used for
// another.
void ForgetObject();

}  // namespace bulwark::posture
