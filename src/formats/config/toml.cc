// TOML 1.0 by toml++.

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 64
#include <fmt/format.h>

// What the library takes for granted does not hold for every input ("[" and then a control
// character), and beyond that point it promises nothing: its assertions end the parse instead.
namespace bulwark {
namespace {
struct TomlAssertion {};
}  // namespace
}  // namespace bulwark
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT
#define TOML_ASSERT(expr) (static_cast<bool>(expr) ? void() : throw ::bulwark::TomlAssertion())
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(expr) TOML_ASSERT(expr)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wterminate"  // in functions that are not called here
#pragma GCC diagnostic ignored "-Wexceptions"
// Its tests of characters come to places that they take for unreachable: "no" is the answer there.
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include <toml++/impl/forward_declarations.h>
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE throw ::bulwark::TomlAssertion()
#include <toml++/toml.h>
#pragma GCC diagnostic pop
#include <cmath>
#include <sstream>

#include "base/text.h"
#include "formats/config/config.h"
#include "formats/config/errors.h"

namespace bulwark {

namespace {

using config_internal::CheckText;
using config_internal::WithoutBom;

// toml++ bounds values within each other, but not the tables that one dotted key makes, whose depth
// is stack. So keys of more parts than that are refused before it sees them: runs of key characters
// in which dots stand.
Result<> CheckKeys(std::string_view text, size_t limit) {
  size_t dots = 0;
  char last = '\n';
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '.') {
      // Two dots in a row are no key, but prose.
      dots = last == '.' ? 0 : dots + 1;
      if (dots > limit) return config_internal::TooDeep(limit);
    } else if (!IsAsciiLetter(c) && !IsAsciiDigit(c) && c != '_' && c != '-' && c != ' ' &&
               c != '\t' && c != '"' && c != '\'') {
      dots = 0;
    }
    if (c != ' ' && c != '\t') last = c;
  }
  return Ok{};
}

class Converter {
 public:
  Converter(Arena& arena, size_t max_depth) : arena_(arena), max_depth_(max_depth) {}

  Result<Value> Convert(const toml::node& node, size_t depth) {
    if (depth > max_depth_) return config_internal::TooDeep(max_depth_);
    switch (node.type()) {
      case toml::node_type::table: {
        MapBuilder out(arena_);
        for (const auto& [key, value] : *node.as_table()) {
          out.Add(Value::String(arena_, key.str()), BW_TRY(Convert(value, depth + 1)));
        }
        return out.Finish();
      }
      case toml::node_type::array: {
        std::vector<Value> items;
        for (const toml::node& item : *node.as_array()) {
          items.push_back(BW_TRY(Convert(item, depth + 1)));
        }
        return Value::Array(arena_, items);
      }
      case toml::node_type::string: return Value::String(arena_, node.as_string()->get());
      case toml::node_type::integer: return Value::Int(node.as_integer()->get());
      case toml::node_type::floating_point: {
        double number = node.as_floating_point()->get();
        if (!std::isfinite(number)) {
          return config_internal::SyntaxErrorAt(node.source().begin.line,
                                                node.source().begin.column,
                                                "JSON has no number for infinity or nan");
        }
        return Value::Double(number);
      }
      case toml::node_type::boolean: return Value::Bool(node.as_boolean()->get());
      case toml::node_type::date: return Text(node.as_date()->get());
      case toml::node_type::time: return Text(node.as_time()->get());
      case toml::node_type::date_time: return Text(node.as_date_time()->get());
      case toml::node_type::none: break;
    }
    return Value();
  }

 private:
  template <typename T>
  Value Text(const T& when) {
    std::ostringstream out;
    out << when;
    return Value::String(arena_, out.str());
  }

  Arena& arena_;
  size_t max_depth_;
};

// The first line that begins a table's name with what begins no key; else the first line.
uint32_t SuspectLine(std::string_view text) {
  uint32_t number = 0;
  for (std::string_view line : SplitLines(text)) {
    ++number;
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with('[')) continue;
    line.remove_prefix(std::min(line.find_first_not_of("[ \t"), line.size()));
    const char c = line.empty() ? ']' : line[0];
    const bool key = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '"' || c == '\'';
    if (!key) return number;
  }
  return 1;
}

}  // namespace

Result<Value> ParseToml(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  text = WithoutBom(text);
  BW_TRY(CheckKeys(text, std::min<size_t>(limits.max_depth, 64)));
  try {
    toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
      const toml::parse_error& error = parsed.error();
      return config_internal::SyntaxErrorAt(error.source().begin.line, error.source().begin.column,
                                            error.description());
    }
    return Converter(arena, limits.max_depth).Convert(parsed.table(), 0);
  } catch (const TomlAssertion&) {
    return config_internal::SyntaxErrorAt(SuspectLine(text), 1, "expected a key");
  }
}

}  // namespace bulwark
