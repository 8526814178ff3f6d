#pragma once

// Two libraries of regular expressions (RE2 syntax).
//
//   Regex()      cel-go's (ext/regex.go, v0.26.0): regex.replace regex.extract regex.extractAll.
//                Needs OptionalTypes().
//   KubeRegex()  Kubernetes' (k8s.io/apiserver/pkg/cel/library/regex.go, v0.34): find findAll

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Regex();
const Library& KubeRegex();

}  // namespace bulwark::cel::ext
