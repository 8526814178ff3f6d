#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace bulwark {

void CheckFailed(const char* text, std::source_location where) {
  std::fprintf(stderr, "%s:%u: check failed: %s\n", where.file_name(), where.line(), text);
  std::abort();
}

}  // namespace bulwark
