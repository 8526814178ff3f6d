#pragma once

// A Report, written for people and programs.
//
//   output::Write(output::Format::kSarif, report, {.language = env.language}, env.out);
//
//   table     for a terminal: by object, worst first, then a summary and the next step
//   json      everything in the report (docs/reference/report.schema.json); a later run reads it
//   back
//             as --baseline
//   sarif     SARIF 2.1.0 (OASIS), with regions, fixes, suppressions, taxonomies
//   junit     JUnit XML as Jenkins and GitLab read it: a suite an object, a case a finding
//   html      one page that needs nothing else: searchable, printable, in both languages
//   markdown  for a comment on a pull request: short, details folded, cut to what forges accept
//   csv       RFC 4180, a line a finding, always with the same header in English
//
// All writers stream: memory is a few bytes a finding beside the report itself. The same report and
// options give the same bytes. What came from strangers (names, values, messages) is escaped for
// the format: terminal controls, markup, spreadsheet formulas, characters that XML cannot hold.
// Pure functions; safe from any thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/report.h"
#include "model/text.h"

namespace bulwark::output {

enum class Format : uint8_t { kTable, kJson, kSarif, kJunit, kHtml, kMarkdown, kCsv };

// "table", "json", "sarif", "junit", "html", "markdown" (or "md"), "csv"; nullopt for other words.
std::optional<Format> ParseFormat(std::string_view name);
std::string_view FormatName(Format format);

using Sink = std::function<void(std::string_view)>;

struct OutputOptions {
  Language language = Language::kEnglish;  // html holds both and starts with this one
  bool color = false;                      // table
  int columns = 80;                        // table; at least 40 are used
  // Group by the controls of this framework (table, markdown), or list them (json, html). The
  // report should be of that framework's checks only: totals are the report's.
  std::string framework;
  bool show_excepted = false;  // list excepted findings in table and markdown, not only count them
  bool all = false;            // table, markdown: list what repeats, too
  // Findings below it are counted, but not listed. Excepted ones and what could not be read are
  // held to the same measure.
  Severity min_severity = Severity::kUnknown;
  bool baseline = false;  // Finding::is_new was set (see MarkNew)
  bool csv_bom = false;   // a byte order mark, for spreadsheets that guess wrong without it
  // A source line without its line break, for columns in SARIF: there they count UTF-16 units, in a
  // Place bytes. Where it is absent or gives nothing, columns are left out.
  std::function<std::optional<std::string>(const std::string& file, uint32_t line)> line_of;
};

void Write(Format format, const Report& report, const OutputOptions& options, const Sink& out);

// The ids of all findings of a report that was written as json. Fails with what is wrong:
// "baseline.invalid" for JSON that is no such report, and the errors of ParseJson().
Result<std::set<std::string>> ReadBaseline(std::string_view json);
// Sets Finding::is_new of those whose id is not in the baseline.
void MarkNew(Findings& findings, const std::set<std::string>& baseline);

}  // namespace bulwark::output
