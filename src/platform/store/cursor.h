#pragma once

// Places in a sorted list, as opaque text for clients: values, sealed with a secret of the store so
// that only what the store gave out comes back. A cursor is bound to a purpose (collection and
// sort), not to a filter: since:24h means another time on each page. Pure; safe from any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace bulwark::store {

using CursorValue = std::variant<int64_t, double, std::string>;

std::string EncodeCursor(const std::vector<CursorValue>& values, std::string_view purpose,
                         std::string_view secret);
// Error: store.cursor (kInvalid).
Result<std::vector<CursorValue>> DecodeCursor(std::string_view cursor, std::string_view purpose,
                                              std::string_view secret);

}  // namespace bulwark::store
