#include "model/output/output.h"

#include <algorithm>
#include <iterator>

#include "base/arena.h"
#include "base/check.h"
#include "formats/json.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

constexpr std::string_view kNames[] = {"table", "json",     "sarif", "junit",
                                       "html",  "markdown", "csv"};

Error NotAReport(std::string what) {
  return Error(Code::kInvalid, "baseline.invalid",
               "not a report written with --format json: " + std::move(what));
}

}  // namespace

std::optional<Format> ParseFormat(std::string_view name) {
  if (name == "md") return Format::kMarkdown;
  auto found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Format>(found - std::begin(kNames));
}

std::string_view FormatName(Format format) { return kNames[static_cast<size_t>(format)]; }

void Write(Format format, const Report& report, const OutputOptions& options, const Sink& out) {
  switch (format) {
    case Format::kTable: return WriteTable(report, options, out);
    case Format::kJson: return WriteJson(report, options, out);
    case Format::kSarif: return WriteSarif(report, options, out);
    case Format::kJunit: return WriteJunit(report, options, out);
    case Format::kHtml: return WriteHtml(report, options, out);
    case Format::kMarkdown: return WriteMarkdown(report, options, out);
    case Format::kCsv: return WriteCsv(report, options, out);
  }
  BW_UNREACHABLE();
}

Result<std::set<std::string>> ReadBaseline(std::string_view json) {
  Arena arena;
  Value root = BW_TRY(ParseJson(json, arena, {.borrow_text = true}));
  if (!root.IsMap()) return NotAReport("expected an object");
  const Value* findings = root.Find("findings");
  if (findings == nullptr || !findings->IsArray()) return NotAReport("expected a list `findings`");
  std::set<std::string> ids;
  for (const Value& finding : findings->items()) {
    const Value* id = finding.IsMap() ? finding.Find("id") : nullptr;
    if (id == nullptr || !id->IsString()) {
      return NotAReport("expected a text `id` in each of `findings`");
    }
    ids.emplace(id->AsString());
  }
  return ids;
}

void MarkNew(Findings& findings, const std::set<std::string>& baseline) {
  for (size_t i = 0; i < findings.size(); ++i) {
    findings.SetNew(i, !baseline.contains(findings[i].id));
  }
}

}  // namespace bulwark::output
