#pragma once

// The YAML of METADATA blocks, as OPA reads it: go-yaml v3 (YAML 1.2's core scalars, 0777 as octal,
// dates as timestamps), decoded into fields of fixed types, with its words for what is wrong. The
// project's own YAML (formats/yaml.h) means scalars as Kubernetes does, which is not the same.
// Private to this module.

#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

struct AnnotationFields {
  std::string scope, title, description;
  bool entrypoint = false;
  std::vector<std::string> organizations;
  std::vector<Value> related_resources, authors, schemas;
  bool has_compile = false;
  Value compile, custom, labels;
};

// Values are in `arena`. Maps whose keys are not all strings keep the others' kinds. An Error's
// message is go-yaml's, from "yaml: " on.
Result<AnnotationFields> ReadAnnotationFields(std::string_view yaml, Arena& arena);

}  // namespace bulwark::rego
