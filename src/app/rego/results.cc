#include <algorithm>

#include "app/rego/output.h"
#include "app/rego/session.h"

namespace bulwark::regocli {

Value BindingsOf(const rego::ResultRow& row, Arena& arena) {
  MapBuilder out(arena);
  for (const auto& [name, value] : row.bindings) out.Add(Value::String(arena, name), value);
  return Plain(out.Finish(), arena);
}

Value ResultsOf(const rego::ResultSet& results, Arena& arena) {
  std::vector<Value> rows;
  for (const rego::ResultRow& row : results.rows) {
    MapBuilder out(arena);
    std::vector<Value> expressions;
    for (const auto& expression : row.expressions) {
      expressions.push_back(MapBuilder(arena)
                                .Add("value", Plain(expression.value, arena))
                                .Add("text", Value::String(arena, expression.text))
                                .Add("location", MapBuilder(arena)
                                                     .Add("row", Value::Int(expression.at.row))
                                                     .Add("col", Value::Int(expression.at.column))
                                                     .Finish())
                                .Finish());
    }
    if (!expressions.empty()) out.Add("expressions", Value::Array(arena, expressions));
    if (!row.bindings.empty()) out.Add("bindings", BindingsOf(row, arena));
    rows.push_back(out.Finish());
  }
  return Value::Array(arena, rows);
}

std::string PrettyResults(const rego::ResultSet& results, size_t limit, Arena& arena) {
  if (results.rows.empty()) return "undefined\n";
  const rego::ResultRow& first = results.rows.front();
  auto boolean = [](const auto& expression) { return expression.value.IsBool(); };
  if (results.rows.size() == 1 && first.bindings.empty() &&
      (first.expressions.size() == 1 ||
       std::all_of(first.expressions.begin(), first.expressions.end(), boolean))) {
    return GoJson(Plain(first.expressions.front().value, arena), 2) + "\n";
  }
  // Columns: expressions that are no mere tests, then variables by name.
  Table table;
  std::vector<size_t> expressions;
  std::vector<std::string> variables;
  for (size_t i = 0; i < first.expressions.size(); ++i) {
    if (boolean(first.expressions[i]) && !first.bindings.empty()) continue;
    expressions.push_back(i);
    table.header.emplace_back(first.expressions[i].text);
  }
  for (const auto& [name, value] : first.bindings) variables.emplace_back(name);
  std::sort(variables.begin(), variables.end());
  for (const std::string& name : variables) table.header.push_back(name);
  auto cell = [&](const Value& value) {
    std::string text = GoJson(Plain(value, arena), 0);
    if (limit > 0 && text.size() > limit) {
      text = text.substr(0, limit) + "...";
    }
    return text;
  };
  for (const rego::ResultRow& row : results.rows) {
    std::vector<std::string>& cells = table.rows.emplace_back();
    for (size_t i : expressions) cells.push_back(cell(row.expressions[i].value));
    for (const std::string& name : variables) {
      for (const auto& [other, value] : row.bindings) {
        if (other == name) cells.push_back(cell(value));
      }
    }
  }
  return table.Render();
}

std::string JsonOfResults(const rego::ResultSet& results, Arena& arena) {
  MapBuilder root(arena);
  if (!results.rows.empty()) root.Add("result", ResultsOf(results, arena));
  return GoJson(root.Finish(), 2) + "\n";
}

}  // namespace bulwark::regocli
