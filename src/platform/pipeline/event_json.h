#pragma once

// An event as the API shows it and sinks send it: every field of model/event.h in camelCase, what
// is empty left out, "message" in a language beside "messageId" and "args", "body" as an object.

#include "base/arena.h"
#include "base/value.h"
#include "model/catalog.h"
#include "model/event.h"

namespace bulwark {

// Strings are copied into the arena.
Value EventToValue(const Event& event, const Catalog& catalog, Language language, bool body,
                   Arena& arena);

}  // namespace bulwark
