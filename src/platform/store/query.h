#pragma once

// The one small language of lists and searches, in the API, the console and the CLI:
//
//   kind:audit verb:delete user:alice ns:prod "secret" since:24h
//   severity:critical,high -ns:kube-* (image:nginx* or image:httpd*) count>=10 has:excused
//
// A query is terms that must all hold; `or` and parentheses group; `-` or `not` negates. A term is
//   field:value        equals; * and ? are wildcards; a,b,c is any of these; quotes keep blanks
//   field:>=value      (also <, <=, >, and without the colon) for numbers, times, severities
//   has:field          it is there and not empty
//   since: until:      times: RFC 3339, a date, or an age ("24h", "7d")
//   word  "a phrase"   full text, words and their order; of Chinese any part of a sentence
// Case counts in values of fields, not in full text. An Error (query.syntax, query.field,
// query.value; kInvalid) has "offset" (bytes) and says what was expected, with the nearest field.
// Parsing is pure; a Query is immutable; safe from any thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::store {

enum class ColumnType : uint8_t {
  kText,
  kInt,
  kReal,
  kBool,
  kTime,      // RFC 3339 in the body, microseconds since 1970 in the store
  kSeverity,  // its name in the body; ordered by how bad it is
};

// A field that can be asked for.
struct Field {
  std::string name;  // as people write it: "ns"
  ColumnType type = ColumnType::kText;
  std::vector<std::string> aliases;  // "namespace"
};

struct Term {
  enum class Op : uint8_t { kEquals, kLess, kLessEqual, kGreater, kGreaterEqual, kHas, kText };
  Op op = Op::kEquals;
  std::string field;                // canonical; empty for kText
  std::vector<std::string> values;  // any of these; globs where the value has * or ?
  std::vector<double> numbers;      // of kInt, kReal, kTime (µs), kSeverity, kBool, beside values
};

// And, or, not over terms.
struct Query {
  enum class Kind : uint8_t { kAll, kAnd, kOr, kNot, kTerm };
  Kind kind = Kind::kAll;  // kAll: matches everything
  std::vector<Query> parts;
  Term term;

  static Query All() { return {}; }
  static Query Equals(std::string field, std::string value);
  static Query AnyOf(std::string field, std::vector<std::string> values);
  static Query And(std::vector<Query> parts);
  static Query Or(std::vector<Query> parts);
  static Query Not(Query part);
};

struct QueryLimits {
  size_t bytes = 4096;
  int depth = 16;
  int terms = 64;
};

// `now_us`: what ages count from. since: and until: speak of the field `time_field`.
Result<Query> ParseQuery(std::string_view text, std::span<const Field> fields,
                         std::string_view time_field, int64_t now_us, QueryLimits limits = {});

}  // namespace bulwark::store
