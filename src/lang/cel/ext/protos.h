#pragma once

// Extension fields of protobuf messages (cel-go's ext/protos.go, v0.26.0): the macros
// proto.getExt(message, full.name) and proto.hasExt(message, full.name).

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Protos();

}  // namespace bulwark::cel::ext
