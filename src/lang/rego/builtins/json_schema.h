#pragma once

// JSON Schema, drafts 4, 6 and 7, and the mixture of them that a schema without "$schema" is read
// as, the way gojsonschema (as OPA has it) compiles and validates: its checks, messages and order.
// Where its order is that of a hash table, ours is that of the keys.
//
//   JsonSchema schema = BW_TRY(JsonSchema::Compile(json_text));
//   JsonSchema::Report report = BW_TRY(schema.Validate(document, spend));
//
// References lead within the document, to its $id's and to the meta-schemas; nothing is fetched.
// Immutable; safe from any thread.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

class JsonSchema {
 public:
  // `text` is JSON.
  static Result<JsonSchema> Compile(std::string_view text);

  struct Failure {
    std::string type;         // "invalid_type"
    std::string field;        // "a.0.b", "(Root)"
    std::string description;  // "Invalid type. Expected: integer, given: string"
    std::string Text() const { return field + ": " + description; }
  };
  // `spend` is asked for each step; false ends the validation with an error. So does a schema that
  // leads to itself without end.
  Result<std::vector<Failure>> Validate(const Value& document,
                                        const std::function<bool()>& spend) const;

  struct Node;

 private:
  struct State;
  explicit JsonSchema(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// The text of a draft's meta-schema; "" for any other URL.
std::string_view MetaSchema(std::string_view url);

// Whether text has a format of JSON Schema ("date-time", "ipv4"); true for one that is not known.
bool HasJsonFormat(std::string_view format, std::string_view text);

}  // namespace bulwark::rego
