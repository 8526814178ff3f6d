#pragma once

// What the tests of this folder share.

#include <gtest/gtest.h>

#include <string>

#include "formats/json.h"

namespace bulwark::kube {

// JSON with ' for ", to be read in a test.
inline Value Json(Arena& arena, std::string_view text) {
  std::string quoted(text);
  for (char& c : quoted) {
    if (c == '\'') c = '"';
  }
  Result<Value> value = ParseJson(quoted, arena);
  EXPECT_TRUE(value.has_value()) << quoted << "\n" << value.error().ToString();
  return value ? *value : Value();
}

}  // namespace bulwark::kube
