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
// In quotes, * and ? stand for themselves; so does a character after a backslash outside of quotes.
// A date alone is all of that day in UTC: time:2026-01-31 is from its midnight to the next,
// until:2026-01-31 and time<=2026-01-31 include it. An age is that long before now, also in
// firstseen>7d: later than seven days ago. A list field matches by any of its values. `and` between
// terms says nothing more.
// Case counts in values of fields, not in full text. An Error (query.syntax, query.field,
// query.value, query.limit; kInvalid) has "offset" (bytes) and says what was expected, with the
// nearest field. Parsing is pure; a Query is immutable; safe from any thread.

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
  std::vector<std::string> values;  // any of these; globs where a * or ? has no \ before it
  std::vector<double> numbers;      // of kInt, kReal, kTime (µs), kSeverity, kBool, beside values
};

// Whether a value has a wildcard; the plain text of one that has none; a text as a value that has
// none: IsGlob(EscapeGlob(x)) is never true.
bool IsGlob(std::string_view value);
std::string PlainValue(std::string_view value);
std::string EscapeGlob(std::string_view text);

// And, or, not over terms.
struct Query {
  enum class Kind : uint8_t { kAll, kAnd, kOr, kNot, kTerm };
  Kind kind = Kind::kAll;  // kAll: matches everything
  std::vector<Query> parts;
  Term term;

  static Query All() { return {}; }
  // The values may be globs; what comes from strangers is given to Exactly().
  static Query Equals(std::string field, std::string value);
  static Query Exactly(std::string field, std::string_view text);
  static Query Has(std::string field);
  static Query Text(std::string words);
  static Query Compare(std::string field, Term::Op op, std::string value);
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

// The query as text that parses to the same query again, whatever the now (but for since: and
// until:, which have become comparisons). "" for kAll.
std::string ToText(const Query& query);

// The number that a text stands for in a field of that type: seconds and ages become microseconds
// since 1970, severities their order. nullopt: it is none. `now_us`: what ages count from.
std::optional<double> FieldNumber(ColumnType type, std::string_view text, int64_t now_us = 0);
// A number as people read it in that field: RFC 3339, "high", "true", "42".
std::string NumberAsText(ColumnType type, double number);
// The numbers of a term's values, whoever made the term; what is no number is left out.
std::vector<double> TermNumbers(const Term& term, ColumnType type);

// --- Evaluation in memory, equal to the stores': for subscribers and tests
// ------------------------

struct FieldValue {
  std::string text;              // of kText; may be empty
  std::optional<double> number;  // of the other types
};

// What a query is asked of.
class QuerySubject {
 public:
  virtual ~QuerySubject() = default;
  // The values of a field (several of a list), and its type; none where there is no such field.
  virtual ColumnType Values(std::string_view field, std::vector<FieldValue>& values) const = 0;
  // What bare words are looked for in.
  virtual std::string FullText() const = 0;
};
bool Matches(const Query& query, const QuerySubject& subject);

}  // namespace bulwark::store
