#pragma once

// Go's text/template, as far as strings.render_template has it: the whole language over maps,
// lists, texts and numbers, which have no methods. Here: a template's tree.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::rego {

struct TemplateNode {
  enum class Kind : uint8_t {
    kList,
    kText,
    kAction,
    kIf,
    kRange,
    kWith,
    kTemplate,
    kBreak,
    kContinue,
    kPipe,
    kCommand,
    kIdentifier,
    kField,
    kVariable,
    kChain,
    kDot,
    kNil,
    kBool,
    kNumber,
    kString,
    kEnd,   // the parser's own
    kElse,  // the same
  };
  Kind kind = Kind::kList;
  size_t at = 0;                    // byte of the text
  std::string text;                 // text, name, number as written, quoted string, template's name
  std::string value;                // of a string
  std::vector<std::string> idents;  // of a field, variable ("$x" first), chain
  bool truth = false;               // a bool's; a pipe's: "=" instead of ":="
  bool is_float = false;            // of a number
  int64_t integer = 0;
  double real = 0;
  std::vector<TemplateNode> children;      // of a list, command (its words), pipe (its commands)
  std::vector<TemplateNode> declarations;  // of a pipe
  // Of actions and their like: the pipe (none or one), what is done, and what else.
  std::vector<TemplateNode> pipe, body, otherwise;
  bool has_otherwise = false;

  std::string ToString() const;
};

struct TemplateSet {
  std::string source;
  std::map<std::string, TemplateNode, std::less<>> templates;  // "template" is the main one
};

// Fails with Go's message: `template: template:1: unexpected "}" in operand`.
Result<std::shared_ptr<const TemplateSet>> ParseTemplate(std::string_view source);

// How many arguments a function takes; `variadic`: at least so many. Nothing for an unknown name.
struct TemplateFunction {
  std::string_view name;
  size_t arguments;
  bool variadic;
};
const TemplateFunction* FindTemplateFunction(std::string_view name);

}  // namespace bulwark::rego
