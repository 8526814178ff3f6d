#include "app/rego/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/text.h"
#include "formats/json.h"

namespace bulwark::regocli {

Value Plain(const Value& value, Arena& arena) {
  if (value.IsArray() || value.IsSet()) {
    std::vector<Value> items;
    items.reserve(value.size());
    for (const Value& item : value.items()) items.push_back(Plain(item, arena));
    return Value::Array(arena, items);
  }
  if (!value.IsMap()) return value;
  std::vector<std::pair<std::string, Value>> entries;
  entries.reserve(value.size());
  for (const auto& [key, item] : value.entries()) {
    entries.emplace_back(key.IsString() ? std::string(key.AsString()) : ToJson(Plain(key, arena)),
                         Plain(item, arena));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  MapBuilder out(arena, entries.size());
  for (const auto& [key, item] : entries) out.Add(Value::String(arena, key), item);
  return out.Finish();
}

std::string GoJson(const Value& value, int indent) {
  std::string json = ToJson(value, {.indent = indent});
  std::string out;
  out.reserve(json.size());
  // These stand in strings only.
  for (size_t i = 0; i < json.size(); ++i) {
    switch (json[i]) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      case '\xe2':
        if (json.compare(i, 3, "\u2028") == 0 || json.compare(i, 3, "\u2029") == 0) {
          out += json[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
          i += 2;
          break;
        }
        [[fallthrough]];
      default: out += json[i];
    }
  }
  return out;
}

std::string Table::Render() const {
  std::vector<std::vector<std::string>> all = rows;
  if (!header.empty()) all.insert(all.begin(), header);
  std::vector<size_t> widths;
  for (const auto& row : all) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      // A cell of several lines is as wide as its longest.
      for (std::string_view line : Split(row[i], '\n')) {
        widths[i] = std::max(widths[i], DisplayWidth(line));
      }
    }
  }
  auto rule = [&](std::string_view left, std::string_view middle, std::string_view right) {
    std::string out(left);
    for (size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) out += middle;
      for (size_t n = 0; n < widths[i] + 2; ++n) out += "─";
    }
    return out + std::string(right) + "\n";
  };
  auto draw = [&](const std::vector<std::string>& row, bool centred) {
    std::vector<std::vector<std::string_view>> cells;
    size_t height = 1;
    for (size_t i = 0; i < widths.size(); ++i) {
      cells.push_back(i < row.size() ? Split(row[i], '\n') : std::vector<std::string_view>{""});
      height = std::max(height, cells.back().size());
    }
    std::string out;
    for (size_t line = 0; line < height; ++line) {
      out += "│";
      for (size_t i = 0; i < widths.size(); ++i) {
        std::string_view text = line < cells[i].size() ? cells[i][line] : "";
        size_t gap = widths[i] - DisplayWidth(text), before = 0;
        if (centred) {
          before = gap / 2;
        } else if (i < align.size() && align[i] == Align::kRight) {
          before = gap;
        }
        out += ' ' + std::string(before, ' ') + std::string(text) + std::string(gap - before, ' ') +
               " │";
      }
      out += '\n';
    }
    return out;
  };
  std::string out = rule("┌", "┬", "┐");
  if (!header.empty()) out += draw(header, true) + rule("├", "┼", "┤");
  for (const auto& row : rows) out += draw(row, false);
  return out + rule("└", "┴", "┘");
}

std::string GoDuration(int64_t nanos) {
  if (nanos < 0) return "-" + GoDuration(-nanos);
  auto fraction = [](int64_t value, int64_t unit) {
    std::string digits = fmt::format("{}", value % unit);
    std::string width = fmt::format("{}", unit);
    digits = std::string(width.size() - 1 - digits.size(), '0') + digits;
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    return fmt::format("{}{}{}", value / unit, digits.empty() ? "" : ".", digits);
  };
  if (nanos == 0) return "0s";
  if (nanos < 1000) return fmt::format("{}ns", nanos);
  if (nanos < 1'000'000) return fraction(nanos, 1000) + "µs";
  if (nanos < 1'000'000'000) return fraction(nanos, 1'000'000) + "ms";
  int64_t minutes = nanos / 60'000'000'000;
  std::string seconds = fraction(nanos % 60'000'000'000, 1'000'000'000) + "s";
  if (minutes == 0) return seconds;
  if (minutes < 60) return fmt::format("{}m{}", minutes, seconds);
  return fmt::format("{}h{}m{}", minutes / 60, minutes % 60, seconds);
}

std::optional<int64_t> ParseGoDuration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 8> kUnits = {{{"ns", 1},
                                                                          {"us", 1e3},
                                                                          {"µs", 1e3},
                                                                          {"μs", 1e3},
                                                                          {"ms", 1e6},
                                                                          {"s", 1e9},
                                                                          {"m", 6e10},
                                                                          {"h", 3.6e12}}};
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    size_t digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    double number = std::strtod(std::string(text.substr(0, digits)).c_str(), nullptr);
    text.remove_prefix(digits);
    size_t best = 0;
    double unit = 0;
    for (const auto& [name, size] : kUnits) {
      if (text.starts_with(name) && name.size() > best) best = name.size(), unit = size;
    }
    if (best == 0) return std::nullopt;
    text.remove_prefix(best);
    total += number * unit;
    if (total > 9e18) return std::nullopt;
  }
  return static_cast<int64_t>(total);
}

std::string Indent(std::string_view text, std::string_view indent) {
  std::string out;
  for (std::string_view line : Split(text, '\n')) {
    if (!out.empty()) out += '\n';
    out += indent;
    out += line;
  }
  return out;
}

}  // namespace bulwark::regocli
