#pragma once

// What the checks of nodes say, for this folder alone.

#include <string_view>

#include "model/severity.h"

namespace bulwark::node {

struct CheckText {
  std::string_view id;
  Severity severity;
  std::string_view category;  // of model/check.h
  const char* cis;            // control of cis-1.12, or ""
  const char *title_en, *title_zh;
  const char *description_en, *description_zh;
  const char *remedy_en, *remedy_zh;
};

const CheckText* FindText(std::string_view id);

}  // namespace bulwark::node
