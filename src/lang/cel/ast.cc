#include "lang/cel/ast.h"

#include <algorithm>

#include "base/text.h"

namespace bulwark::cel {

namespace {

constexpr size_t kMaxRendered = 100;        // issues
constexpr size_t kMaxSnippetBytes = 16384;  // a longer line is not shown

// The line that holds a byte, without its end.
std::string_view LineAt(std::string_view source, size_t offset) {
  offset = std::min(offset, source.size());
  size_t start = offset == 0 ? 0 : source.rfind('\n', offset - 1);
  start = offset == 0 || start == std::string_view::npos ? 0 : start + 1;
  return source.substr(start, source.find('\n', offset) - start);
}

void RenderIssue(std::string& out, std::string_view source, const Issue& issue) {
  out += "ERROR: <input>:" + std::to_string(issue.line) + ":" + std::to_string(issue.column) +
         ": " + issue.message;
  std::string_view line = LineAt(source, issue.offset);
  if (source.empty() || line.size() > kMaxSnippetBytes) return;
  out += "\n | ";
  for (char c : line) out += c == '\t' ? ' ' : c;
  out += "\n | ";
  // Under a wide character stands a wide mark: most characters past ASCII are.
  auto mark = [&](CodePoint c, std::string_view narrow, std::string_view wide) {
    out += c.length > 1 ? wide : narrow;
    line.remove_prefix(c.length);
  };
  for (uint32_t i = 1; i < issue.column && !line.empty(); ++i) {
    mark(DecodeUtf8(line, 0), ".", "\uff0e");
  }
  if (line.empty()) {
    out += '^';
  } else {
    mark(DecodeUtf8(line, 0), "^", "\uff3e");
  }
}

}  // namespace

std::string QualifiedName(const Expr& expr) {
  // From the last name to the first: each is put before what there is.
  size_t size = 0;
  const Expr* at = &expr;
  for (; at->kind == ExprKind::kSelect; at = at->operand) {
    if (at->test_only) return {};
    size += at->name.size() + 1;
  }
  if (at->kind != ExprKind::kIdent) return {};
  size += at->name.size();
  std::string name(size, '.');
  for (at = &expr; at->kind == ExprKind::kSelect; at = at->operand) {
    size -= at->name.size();
    at->name.copy(name.data() + size, at->name.size());
    --size;
  }
  at->name.copy(name.data(), at->name.size());
  return name;
}

Issue MakeIssue(std::string_view source, size_t offset, std::string message) {
  offset = std::min(offset, source.size());
  std::string_view before = source.substr(0, offset);
  size_t line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  size_t newline = before.rfind('\n');
  if (newline != std::string_view::npos) before.remove_prefix(newline + 1);
  return {static_cast<uint32_t>(offset), static_cast<uint32_t>(line),
          static_cast<uint32_t>(CountCodePoints(before) + 1), std::move(message)};
}

std::string RenderIssues(std::string_view source, std::span<const Issue> issues) {
  std::vector<const Issue*> sorted;
  sorted.reserve(issues.size());
  for (const Issue& issue : issues) sorted.push_back(&issue);
  // Those at one place in the order that they were found in.
  std::sort(sorted.begin(), sorted.end(), [](const Issue* a, const Issue* b) {
    return a->offset != b->offset ? a->offset < b->offset : a < b;
  });
  std::string out;
  for (size_t i = 0; i < sorted.size() && i < kMaxRendered; ++i) {
    if (i > 0) out += '\n';
    RenderIssue(out, source, *sorted[i]);
  }
  if (sorted.size() > kMaxRendered) {
    out += "\n" + std::to_string(sorted.size() - kMaxRendered) + " more errors were truncated";
  }
  return out;
}

}  // namespace bulwark::cel
