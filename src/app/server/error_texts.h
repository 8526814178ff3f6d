#pragma once

// What the errors of the lower modules say in Chinese: those speak English alone, and name their
// errors by ids. In English the error's own message is said, which knows more.

#include "model/catalog.h"

namespace bulwark {

void AddErrorTexts(Catalog& catalog);

}  // namespace bulwark
