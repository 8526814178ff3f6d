#include "lang/rego/ast/ast_json.h"

#include "formats/json.h"

namespace bulwark::rego {

std::string AnnotationsJsonText(const Annotations& annotations) {
  return ToJson(annotations.value, {.sort_keys = true});
}

}  // namespace bulwark::rego
