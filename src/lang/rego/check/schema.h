#pragma once

// Types of JSON schemas, drafts 4, 6 and 7, as OPA reads them (v1/ast/compile.go: schemaParser):
// `type`, `properties`, `items`, `allOf`, `anyOf`, `$ref`. An object with properties has these and
// no others, whatever additionalProperties says.

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "base/value.h"
#include "lang/rego/check/types.h"

namespace bulwark::rego {

struct SchemaOptions {
  // The schema that a $ref to another document names, or nullptr. Nothing is fetched.
  std::function<const Value*(std::string_view)> other;
  int max_depth = 200;
};

// The schema's memory must last as long as the types. Errors are worded as OPA's ("unable to
// compile the schema: …").
Result<TypeRef> TypeFromSchema(const Value& schema, TypeFactory& types,
                               const SchemaOptions& options = {});

}  // namespace bulwark::rego
