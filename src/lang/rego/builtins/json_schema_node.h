#pragma once

// A compiled schema, for json_schema*.cc alone.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/arena.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/json_schema.h"
#include "lang/rego/builtins/regex.h"

namespace bulwark::rego {

enum class Draft { k4 = 4, k6 = 6, k7 = 7, kHybrid = 1000 };

using Pattern = std::shared_ptr<const re2::RE2>;

struct JsonSchema::Node {
  std::optional<Draft> draft;
  const Node* parent = nullptr;
  std::string property;
  std::optional<GoUrl> id, ref;  // nothing: the parent's
  std::optional<bool> pass;      // of a boolean schema
  Node* referenced = nullptr;

  std::vector<std::string_view> types;
  std::vector<Node*> items;
  bool single_item = false;
  std::variant<std::monostate, bool, Node*> additional_items, additional_properties;
  std::vector<Node*> properties;
  struct PatternProperty {
    std::string text;
    Pattern pattern;
    Node* node;
  };
  std::vector<PatternProperty> pattern_properties;
  Node* property_names = nullptr;
  Node* contains = nullptr;
  std::map<std::string, std::variant<std::vector<std::string>, Node*>, std::less<>> dependencies;

  std::optional<Value> multiple_of, maximum, exclusive_maximum, minimum, exclusive_minimum;
  std::optional<int64_t> min_length, max_length, min_properties, max_properties, min_items,
      max_items;
  Pattern pattern;
  std::string pattern_text, format;
  std::vector<std::string> required;
  bool unique_items = false;
  std::optional<std::string> constant;
  std::optional<std::vector<std::string>> enumeration;
  std::vector<Node*> one_of, any_of, all_of;
  Node* negated = nullptr;
  Node* condition = nullptr;
  Node* then_node = nullptr;
  Node* else_node = nullptr;
};

struct JsonSchema::State {
  Arena arena;
  std::vector<std::unique_ptr<Node>> nodes;
  Node* root = nullptr;
};

// Whether a JSON number is an integer, and whether one is a multiple of another. False where their
// exponents are beyond reason.
bool IsJsonInteger(const Value& number);
bool IsMultiple(const Value& number, const Value& of);
// As Go's big.Float prints by itself: six digits before an exponent.
std::string ShortNumber(const Value& number);

}  // namespace bulwark::rego
