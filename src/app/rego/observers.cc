#include "app/rego/observers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace bulwark::regocli {

using rego::Expr;
using rego::ExprKind;
using rego::Location;
using rego::Module;
using rego::Rule;
using rego::Term;

void Coverage::OnEnter(const Module* module, const Location& at) {
  if (module == nullptr || at.row == 0 || module->file.empty()) return;
  std::lock_guard lock(mutex_);
  seen_[module].entered.emplace(at.offset, at.length);
}

void Coverage::OnHold(const Module* module, const Location& at) {
  if (module == nullptr || at.row == 0 || module->file.empty()) return;
  std::lock_guard lock(mutex_);
  seen_[module].held.emplace(at.offset, at.length);
}

Coverage::Range Coverage::RangeOf(const Module& module, const Location& at) {
  Range range{at.row, at.column, at.row, at.column};
  std::string_view text = module.Text(at);
  for (CodePoint c : CodePoints(text)) {
    if (c.value == '\n') {
      ++range.end_row;
      range.end_column = 1;
    } else {
      ++range.end_column;
    }
  }
  return range;
}

// The places of a module that can be covered: heads of rules, which count when they hold, and
// expressions, which count when they are tried.
struct CoverageWalk {
  std::vector<const Location*> heads, exprs;

  void Visit(const Rule& rule) {
    heads.push_back(&rule.head.at);
    for (const Term* term : rule.head.ref) Visit(*term);
    for (const Term* term : rule.head.args) Visit(*term);
    if (rule.head.key != nullptr) Visit(*rule.head.key);
    if (rule.head.value != nullptr) Visit(*rule.head.value);
    Visit(rule.body);
    if (rule.else_rule != nullptr) Visit(*rule.else_rule);
  }
  void Visit(rego::Body body) {
    for (const Expr* expr : body) Visit(*expr);
  }
  void Visit(const Expr& expr) {
    if (expr.kind != ExprKind::kSome && expr.at.row != 0) exprs.push_back(&expr.at);
    if (expr.term != nullptr) Visit(*expr.term);
    for (const Term* term : expr.terms) {
      if (term != nullptr) Visit(*term);
    }
    Visit(expr.lhs);
    Visit(expr.rhs);
    for (const rego::With& with : expr.with) Visit(*with.value);
  }
  void Visit(const Term& term) {
    for (const Term* item : term.items) Visit(*item);
    if (term.kind != rego::TermKind::kTemplateString) Visit(term.body);
  }
};

Value Coverage::Report(std::span<const std::unique_ptr<Module>> modules, Arena& arena) const {
  std::lock_guard lock(mutex_);
  std::map<std::string, Value> files;
  int64_t all_covered = 0, all_missed = 0;
  for (const auto& module : modules) {
    static const Seen kNothing;
    auto found = seen_.find(module.get());
    const Seen& seen = found == seen_.end() ? kNothing : found->second;
    std::set<Range> covered, missed;
    CoverageWalk walk;
    for (const Rule* rule : module->rules) walk.Visit(*rule);
    auto sort = [&](const Location& at, bool yes) {
      (yes ? covered : missed).insert(RangeOf(*module, at));
    };
    for (const Location* at : walk.heads) sort(*at, seen.held.contains({at->offset, at->length}));
    for (const Location* at : walk.exprs) {
      sort(*at, seen.entered.contains({at->offset, at->length}));
    }
    for (const Range& range : covered) missed.erase(range);
    auto list = [&](const std::set<Range>& ranges, int64_t& lines) {
      std::vector<Value> out;
      std::set<uint32_t> rows;
      for (const Range& range : ranges) {
        for (uint32_t row = range.row; row <= range.end_row; ++row) rows.insert(row);
        auto position = [&](uint32_t row, uint32_t column) {
          return MapBuilder(arena)
              .Add("row", Value::Int(row))
              .Add("col", Value::Int(column))
              .Finish();
        };
        out.push_back(MapBuilder(arena)
                          .Add("start", position(range.row, range.column))
                          .Add("end", position(range.end_row, range.end_column))
                          .Finish());
      }
      lines = static_cast<int64_t>(rows.size());
      return Value::Array(arena, out);
    };
    int64_t lines_covered = 0, lines_missed = 0;
    Value yes = list(covered, lines_covered), no = list(missed, lines_missed);
    MapBuilder file(arena);
    if (!covered.empty()) file.Add("covered", yes);
    if (!missed.empty()) file.Add("not_covered", no);
    if (lines_covered > 0) file.Add("covered_lines", Value::Int(lines_covered));
    if (lines_missed > 0) file.Add("not_covered_lines", Value::Int(lines_missed));
    if (lines_covered > 0) {
      file.Add("coverage", Value::Double(100.0 * static_cast<double>(lines_covered) /
                                         static_cast<double>(lines_covered + lines_missed)));
    }
    all_covered += lines_covered;
    all_missed += lines_missed;
    files[module->file] = file.Finish();
  }
  MapBuilder by_name(arena);
  for (const auto& [name, file] : files) by_name.Add(Value::String(arena, name), file);
  double share = all_covered + all_missed == 0 ? 0
                                               : 100.0 * static_cast<double>(all_covered) /
                                                     static_cast<double>(all_covered + all_missed);
  return MapBuilder(arena)
      .Add("files", by_name.Finish())
      .Add("covered_lines", Value::Int(all_covered))
      .Add("not_covered_lines", Value::Int(all_missed))
      .Add("coverage", Value::Double(share))
      .Finish();
}

void Profile::Attribute() {
  auto now = std::chrono::steady_clock::now();
  if (active_ != nullptr) {
    active_->nanos += std::chrono::duration_cast<std::chrono::nanoseconds>(now - since_).count();
  }
  since_ = now;
}

void Profile::OnEnter(const Module* module, const Location& at) {
  Attribute();
  Row& row = rows_[{module, at.row}];
  if (row.row == 0) {
    row.file = module == nullptr ? "" : module->file;
    row.row = at.row;
    row.column = at.column;
  }
  ++row.evaluated;
  active_ = &row;
}

void Profile::OnHold(const Module* module, const Location& at) {
  Attribute();
  auto row = rows_.find({module, at.row});
  if (row != rows_.end()) ++row->second.held;
}

std::vector<Profile::Row> Profile::Rows(const std::vector<std::string>& sort, size_t limit) {
  Attribute();
  active_ = nullptr;
  std::vector<Row> out;
  for (const auto& [ignored, row] : rows_) out.push_back(row);
  std::stable_sort(out.begin(), out.end(), [&](const Row& a, const Row& b) {
    for (const std::string& key : sort) {
      if (key == "total_time_ns" && a.nanos != b.nanos) return a.nanos > b.nanos;
      if (key == "num_eval" && a.evaluated != b.evaluated) return a.evaluated > b.evaluated;
      if (key == "file" && a.file != b.file) return a.file < b.file;
      if (key == "line" && a.row != b.row) return a.row < b.row;
    }
    return false;
  });
  if (limit > 0 && out.size() > limit) out.resize(limit);
  return out;
}

std::vector<Trace::Event> Trace::Chosen(bool failed_only) const {
  if (!failed_only) return events_;
  // An expression failed if nothing says that it held before it is tried again, or at all.
  std::vector<Event> out;
  std::set<std::tuple<const Module*, uint32_t, uint32_t>> held;
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
    std::tuple key(event->module, event->at.offset, event->at.length);
    if (event->what == "Hold") {
      held.insert(key);
    } else if (held.erase(key) == 0) {
      out.push_back({"Fail", event->module, event->at});
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::string Trace::Text(bool failed_only) const {
  std::vector<std::pair<std::string, std::string>> lines;
  size_t width = 0;
  for (const Event& event : Chosen(failed_only)) {
    std::string place = event.module == nullptr || event.module->file.empty()
                            ? fmt::format("query:{}", event.at.row)
                            : fmt::format("{}:{}", event.module->file, event.at.row);
    width = std::max(width, DisplayWidth(place));
    std::string text(event.module == nullptr ? "" : event.module->Text(event.at));
    // On one line.
    std::string line;
    for (std::string_view word : SplitWords(text))
      line += (line.empty() ? "" : " ") + std::string(word);
    lines.emplace_back(std::move(place), fmt::format("{} {}", event.what, line));
  }
  std::string out;
  for (const auto& [place, text] : lines) {
    out += fmt::format("{}{}     {}\n", place, std::string(width - DisplayWidth(place), ' '), text);
  }
  return out;
}

Value Trace::ToValue(Arena& arena, bool failed_only) const {
  std::vector<Value> out;
  for (const Event& event : Chosen(failed_only)) {
    std::string file = event.module == nullptr ? "" : event.module->file;
    out.push_back(MapBuilder(arena)
                      .Add("Op", Value::String(event.what))
                      .Add("Node", Value::String(arena, event.module == nullptr
                                                            ? std::string_view()
                                                            : event.module->Text(event.at)))
                      .Add("Location", MapBuilder(arena)
                                           .Add("file", Value::String(arena, file))
                                           .Add("row", Value::Int(event.at.row))
                                           .Add("col", Value::Int(event.at.column))
                                           .Finish())
                      .Finish());
  }
  return Value::Array(arena, out);
}

}  // namespace bulwark::regocli
