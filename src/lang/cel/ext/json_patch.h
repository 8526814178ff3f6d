#pragma once

// jsonpatch.escapeKey(text): a name as a part of a JSON pointer (k8s.io/apiserver/pkg/cel/library/
// jsonpatch.go, v0.34; RFC 6901, section 3). In mutating policies only.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& JsonPatch();

}  // namespace bulwark::cel::ext
