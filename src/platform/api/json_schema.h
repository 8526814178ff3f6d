#pragma once

// What bodies and parameters of requests must look like: the subset of JSON Schema 2020-12 that the
// OpenAPI document of the route table uses, so that both come from the same text.
//
//   type (also a list), enum, const, properties, required, additionalProperties, items, minItems,
//   maxItems, minLength, maxLength (code points), minimum, maximum, pattern (RE2), anyOf, allOf,
//   $ref ("#/components/schemas/Name"), format ("date-time" is checked)
//
// and, without effect on what is valid: title, description, default, examples, example, readOnly,
// writeOnly, deprecated. Any other keyword is refused when a schema is compiled (schema.keyword),
// so that none is passed over in silence. Work: bounded by the size of value × schema; $ref past a
// depth of 64 is a problem. Immutable after the last Add(); safe from any thread.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::api {

struct SchemaFault {
  std::string path;     // "scope.clusters[0]"; "" is the whole
  std::string message;  // message id: api.fault.type …
  std::vector<std::pair<std::string, std::string>> args;
};

class JsonSchemas {
 public:
  JsonSchemas();
  ~JsonSchemas();
  // Under "#/components/schemas/<name>". Errors: schema.json, schema.keyword, schema.pattern.
  Result<> Add(const std::string& name, std::string_view json);
  bool Has(std::string_view name) const;
  // What is wrong with the value; at most `max`. `schema`: a name, or JSON that Prepare() has seen.
  // `complete`: so is a name that a schema which states properties does not state, unless it has
  // additionalProperties. For what we answer with, where silence is not leave.
  std::vector<SchemaFault> Check(std::string_view schema, const Value& value, size_t max = 20,
                                 bool complete = false) const;
  // Makes a schema given as JSON known under its own text.
  Result<> Prepare(std::string_view schema);
  // Names that are referred to and that nobody added.
  std::vector<std::string> Missing() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::api
