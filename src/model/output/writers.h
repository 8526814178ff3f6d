#pragma once

// What the writers share. Private to this folder.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/output/output.h"

namespace bulwark::output {

void WriteTable(const Report& report, const OutputOptions& options, const Sink& out);
void WriteJson(const Report& report, const OutputOptions& options, const Sink& out);
void WriteSarif(const Report& report, const OutputOptions& options, const Sink& out);
void WriteJunit(const Report& report, const OutputOptions& options, const Sink& out);
void WriteHtml(const Report& report, const OutputOptions& options, const Sink& out);
void WriteMarkdown(const Report& report, const OutputOptions& options, const Sink& out);
void WriteCsv(const Report& report, const OutputOptions& options, const Sink& out);

// Gathers small writes into large ones.
class Out {
 public:
  explicit Out(const Sink& sink) : sink_(sink) {}
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;
  ~Out() { Flush(); }
  Out& operator<<(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kFull) Flush();
    return *this;
  }
  // For functions that append to a string; call Settle() afterwards.
  std::string& buffer() { return buffer_; }
  void Settle() {
    if (buffer_.size() >= kFull) Flush();
  }
  // A large text, as it is.
  void Pass(std::string_view text) {
    Flush();
    for (; !text.empty(); text.remove_prefix(std::min(kFull, text.size()))) {
      sink_(text.substr(0, kFull));
    }
  }
  void Flush() {
    if (!buffer_.empty()) sink_(buffer_);
    buffer_.clear();
  }

 private:
  static constexpr size_t kFull = size_t{64} << 10;
  const Sink& sink_;
  std::string buffer_;
};

// JSON, piece by piece: commas are put where they belong, everything else is the caller's.
class JsonOut {
 public:
  explicit JsonOut(Out& out) : out_(out) {}
  JsonOut& Open(char bracket) {
    Separate();
    Raw(std::string_view(&bracket, 1));
    first_ = true;
    return *this;
  }
  JsonOut& Close(char bracket) {
    Raw(std::string_view(&bracket, 1));
    first_ = false;
    return *this;
  }
  JsonOut& Key(std::string_view key);
  JsonOut& String(std::string_view text);
  JsonOut& Number(uint64_t number);
  JsonOut& Double(double number);
  JsonOut& Bool(bool value);
  JsonOut& Field(std::string_view key, std::string_view text) { return Key(key).String(text); }
  JsonOut& Field(std::string_view key, const char* text) { return Key(key).String(text); }
  JsonOut& Field(std::string_view key, uint64_t number) { return Key(key).Number(number); }
  JsonOut& Field(std::string_view key, bool value) { return Key(key).Bool(value); }
  // Only where there is something to say.
  JsonOut& FieldIf(std::string_view key, std::string_view text) {
    return text.empty() ? *this : Field(key, text);
  }
  JsonOut& FieldIf(std::string_view key, bool value) { return value ? Field(key, true) : *this; }
  // A line break before the next element, so that large files can be read and compared by line.
  JsonOut& Line() {
    line_ = true;
    return *this;
  }

 private:
  void Separate();
  void Raw(std::string_view text) { out_ << text; }
  Out& out_;
  bool first_ = true, line_ = false;
};

// --- Words ---------------------------------------------------------------------------------------

inline std::string_view Pick(Language language, std::string_view en, std::string_view zh) {
  return language == Language::kChinese ? zh : en;
}
std::string_view SeverityWord(Severity severity, Language language);
std::string_view CategoryName(std::string_view category, Language language);
// "12,345"
std::string Count(uint64_t number);
// "1 finding", "2 findings"
std::string Counted(uint64_t number, std::string_view one, std::string_view many);
// "3 critical", "严重 3"
std::string CountOf(uint64_t number, Severity severity, Language language);
// "87.5"; "99.9" rather than 100 where anything is missing.
std::string Percent(double percent);
// The message, or what there is where the check is not in the report.
std::string MessageIn(const Report& report, const Finding& finding, Language language);
// The title of a check, or its id.
std::string TitleIn(const Report& report, std::string_view check, Language language);

// --- What to list --------------------------------------------------------------------------------

inline bool Listed(const Report& report, size_t i, const OutputOptions& options) {
  return report.findings.SeverityOf(i) >= options.min_severity;
}

// Categories that were judged: in the order of kCategories, then others by name.
std::vector<std::pair<std::string, const Tally*>> CategoriesOf(const Report& report);

// The findings of one object in one file (the same object may stand in several).
struct Group {
  const Asset* asset = nullptr;
  const AssetTally* tally = nullptr;  // nullptr: the report has none
  std::string file;
  uint32_t line = 0;
  std::vector<uint32_t> findings;  // listed ones, excepted ones among them
};
// All objects with findings to list, by file, line and name.
std::vector<Group> GroupsOf(const Report& report, const OutputOptions& options);

enum class ControlState : uint8_t { kPass, kFail, kError, kNothing, kManual };
// "pass", "fail", "error", "n/a" (no object that it speaks of), "manual" (no check covers it).
std::string_view ControlStateName(ControlState state);
struct ControlRow {
  std::string id;
  Text title;
  ControlState state = ControlState::kManual;
  Tally tally;
  std::vector<std::string> checks;
};
// Every control of a framework, in its order, then those that only checks name.
std::vector<ControlRow> ControlsOf(const Report& report, const std::string& framework);
const Framework* FindFramework(const Report& report, std::string_view id);
// "NSA/CISA Kubernetes Hardening Guide 1.2", or the id.
std::string FrameworkTitle(const Report& report, std::string_view id, Language language);

// The numbers that a summary needs and that the report does not hold ready.
struct Numbers {
  uint64_t fixable = 0, is_new = 0;  // of findings that fail and are not excepted
  uint64_t below = 0;                // not listed, because of min_severity
  std::string example_check;         // a check with one of the worst findings
};
Numbers NumbersOf(const Report& report, const OutputOptions& options);

// The objects or namespaces that fare worst: those with findings, most weight lost first.
struct Worst {
  std::string name;
  const Tally* tally;
};
std::vector<Worst> WorstAssets(const Report& report, size_t limit);
std::vector<Worst> WorstNamespaces(const Report& report, size_t limit, Language language);
// "3 critical, 4 high, 1 low"
std::string BySeverity(const Tally& tally, Language language);

}  // namespace bulwark::output
