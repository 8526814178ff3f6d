#pragma once

// A Query over columns as SQL with parameters. Nothing of a query's text ever stands in the SQL.

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "platform/store/cursor.h"
#include "platform/store/query.h"
#include "platform/store/sqlite.h"

namespace bulwark::store {

// What stands in a column of that type where the record has no value: sorts before all others.
inline constexpr int64_t kMissingInt = INT64_MIN;
CursorValue MissingValue(ColumnType type);
// A number as the store keeps it in a column of that type.
CursorValue StoredNumber(ColumnType type, double number);

// Where a field's values are.
struct SqlColumn {
  ColumnType type = ColumnType::kText;
  std::string expression;  // "c.f3"
  // Where records have several values, else empty: a SELECT of the ids whose value meets the
  // condition on `value` that is put for %.
  std::string list_select;
  std::string id;  // "c.id"
};

class SqlFilter {
 public:
  using Columns = std::function<const SqlColumn*(std::string_view field)>;
  // `text_select`: a condition for full text with one parameter, a MATCH expression; empty: the
  // table has none, and nothing is found.
  SqlFilter(Columns columns, std::string text_condition)
      : columns_(std::move(columns)), text_condition_(std::move(text_condition)) {}

  // A condition; its parameters are added to `parameters`.
  std::string Where(const Query& query, std::vector<CursorValue>& parameters) const;

 private:
  std::string Joined(std::span<const Query> parts, std::string_view word,
                     std::vector<CursorValue>& parameters) const;
  std::string OfTerm(const Term& term, std::vector<CursorValue>& parameters) const;
  std::string OnColumn(const Term& term, ColumnType type, const std::string& column,
                       std::vector<CursorValue>& parameters) const;

  Columns columns_;
  std::string text_condition_;
};

// What is bound must live until the statement has run, so no temporaries.
void BindValue(Statement& statement, int at, const CursorValue& value);
void BindValue(Statement& statement, int at, CursorValue&& value) = delete;
void BindAll(Statement& statement, std::vector<CursorValue>&& parameters, int first = 1) = delete;
void BindAll(Statement& statement, const std::vector<CursorValue>& parameters, int first = 1);

}  // namespace bulwark::store
