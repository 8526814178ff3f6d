#include "platform/store/sqlite_filter.h"

#include <limits>

#include "base/text.h"
#include "platform/store/tokenizer.h"

namespace bulwark::store {
namespace {

// The text before the first wildcard.
std::string LiteralPrefix(std::string_view glob) {
  std::string out;
  for (size_t i = 0; i < glob.size() && glob[i] != '*' && glob[i] != '?'; ++i) {
    if (glob[i] == '\\' && i + 1 < glob.size()) ++i;
    out += glob[i];
  }
  return out;
}

}  // namespace

CursorValue MissingValue(ColumnType type) {
  if (type == ColumnType::kText) return std::string();
  if (type == ColumnType::kReal) return -std::numeric_limits<double>::infinity();
  return kMissingInt;
}

CursorValue StoredNumber(ColumnType type, double number) {
  if (type == ColumnType::kReal) return number;
  if (number >= 9.2e18) return std::numeric_limits<int64_t>::max();
  if (number <= -9.2e18) return std::numeric_limits<int64_t>::min() + 1;
  return static_cast<int64_t>(number);
}

std::string SqlFilter::Where(const Query& query, std::vector<CursorValue>& parameters) const {
  switch (query.kind) {
    case Query::Kind::kAll: return "1";
    case Query::Kind::kAnd:
      return query.parts.empty() ? "1" : Joined(query.parts, " AND ", parameters);
    case Query::Kind::kOr:
      return query.parts.empty() ? "0" : Joined(query.parts, " OR ", parameters);
    case Query::Kind::kNot:
      if (query.parts.empty()) return "1";
      return "NOT " + Where(query.parts[0], parameters);
    case Query::Kind::kTerm: return OfTerm(query.term, parameters);
  }
  BW_UNREACHABLE();
}

// Halved again and again, so that the tree of a long list is not deep.
std::string SqlFilter::Joined(std::span<const Query> parts, std::string_view word,
                              std::vector<CursorValue>& parameters) const {
  if (parts.size() == 1) return Where(parts[0], parameters);
  const size_t half = parts.size() / 2;
  std::string out = "(" + Joined(parts.first(half), word, parameters);
  out += word;
  return out + Joined(parts.subspan(half), word, parameters) + ")";
}

std::string SqlFilter::OfTerm(const Term& term, std::vector<CursorValue>& parameters) const {
  if (term.op == Term::Op::kText) {
    if (text_condition_.empty() || term.values.empty() || SearchWords(term.values[0]).empty()) {
      return "0";
    }
    parameters.emplace_back(MatchPhrase(term.values[0]));
    return text_condition_;
  }
  const SqlColumn* column = columns_(term.field);
  // As in memory: a field that is not there has no value.
  if (column == nullptr) return OnColumn(term, ColumnType::kText, "''", parameters);
  std::string condition = OnColumn(term, column->type, column->expression, parameters);
  if (column->list_select.empty() || term.op == Term::Op::kHas) return condition;
  // What is not there equals the empty text; a list's values are never empty.
  const std::string inner = OnColumn(term, column->type, "value", parameters);
  return "(" + condition + " OR " + column->id + " IN (" +
         ReplaceAll(column->list_select, "%", inner) + "))";
}

std::string SqlFilter::OnColumn(const Term& term, ColumnType type, const std::string& column,
                                std::vector<CursorValue>& parameters) const {
  if (type == ColumnType::kText) {
    if (term.op == Term::Op::kHas) return column + "<>''";
    if (term.op != Term::Op::kEquals) return "0";
    std::string plain;
    std::vector<Query> globs;
    std::string out;
    for (const std::string& value : term.values) {
      if (IsGlob(value)) continue;
      plain += plain.empty() ? "?" : ",?";
      parameters.emplace_back(PlainValue(value));
    }
    if (!plain.empty()) out = column + " IN (" + plain + ")";
    for (const std::string& value : term.values) {
      if (!IsGlob(value)) continue;
      if (!out.empty()) out += " OR ";
      const std::string prefix = LiteralPrefix(value);
      out += "(";
      if (!prefix.empty()) {
        // No UTF-8 has a byte 0xFF, so that this is past all with the prefix.
        out += column + ">=? AND " + column + "<? AND ";
        parameters.emplace_back(prefix);
        parameters.emplace_back(prefix + "\xFF");
      }
      out += "bw_glob(?," + column + "))";
      parameters.emplace_back(value);
    }
    return out.empty() ? "0" : "(" + out + ")";
  }
  const std::string there =
      column + (type == ColumnType::kReal ? ">-9e999" : ">-9223372036854775808");
  if (term.op == Term::Op::kHas) return "(" + there + ")";
  const std::vector<double> numbers = TermNumbers(term, type);
  if (numbers.empty()) return "0";
  std::string_view sign = "=";
  switch (term.op) {
    case Term::Op::kLess: sign = "<"; break;
    case Term::Op::kLessEqual: sign = "<="; break;
    case Term::Op::kGreater: sign = ">"; break;
    case Term::Op::kGreaterEqual: sign = ">="; break;
    default: break;
  }
  std::string out;
  for (double number : numbers) {
    if (!out.empty()) out += " OR ";
    out += column;
    out += sign;
    out += "?";
    parameters.push_back(StoredNumber(type, number));
  }
  const bool below = term.op == Term::Op::kLess || term.op == Term::Op::kLessEqual;
  return below ? "((" + out + ") AND " + there + ")" : "(" + out + ")";
}

void BindValue(Statement& statement, int at, const CursorValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    statement.Bind(at, *integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    statement.Bind(at, *real);
  } else {
    statement.Bind(at, std::string_view(std::get<std::string>(value)));
  }
}

void BindAll(Statement& statement, const std::vector<CursorValue>& parameters, int first) {
  for (const CursorValue& parameter : parameters) BindValue(statement, first++, parameter);
}

}  // namespace bulwark::store
