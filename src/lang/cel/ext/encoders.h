#pragma once

// cel-go's encoders (ext/encoders.go, v0.26.0): base64.encode, base64.decode. Decoding takes RFC
// 4648's standard alphabet with or without padding, and skips line breaks.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Encoders();

}  // namespace bulwark::cel::ext
