#pragma once

// Kubernetes' library of lists (k8s.io/apiserver/pkg/cel/library/lists.go, v0.34):
// isSorted sum min max indexOf lastIndexOf.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& KubeLists();

}  // namespace bulwark::cel::ext
