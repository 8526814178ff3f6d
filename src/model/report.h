#pragma once

// The result of an inspection, as every writer (table, json, sarif, junit, html, markdown, csv)
// gets it. Text is chosen on writing.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/check.h"
#include "model/finding.h"
#include "model/findings.h"

namespace bulwark {

// How many assessments came out how.
struct Tally {
  uint64_t passed = 0, failed = 0, errors = 0, excused = 0;
  std::array<uint64_t, kSeverities> by_severity{};  // failed, not excused
  uint64_t total() const { return passed + failed + errors + excused; }
  // Passed or excused, per cent of all; 100 where there is nothing.
  double PassedPercent() const;
  // Health, 0 to 100: the weight of what passed over the weight of all, where critical weighs 10,
  // high 5, medium 2, low 1 and info 0.
  int Score() const;
  double weight_passed = 0, weight_total = 0;
  void Add(Severity severity, Status status, bool excused, uint64_t count = 1);
  void Merge(const Tally& other);
};

// An input, or a part of one, that could not be read.
struct Unread {
  std::string what;  // a file, an object, "secrets in namespace prod"
  Place place;
  std::string error;
};

// One assessed asset and its count.
struct AssetTally {
  Asset asset;
  Place place;
  Tally tally;
};

// A fix that passed its check, as a change of a source file.
struct FileFix {
  std::string file;
  std::string diff;                   // unified
  std::string original, fixed;        // the file's text before and after
  std::vector<std::string> findings;  // Finding::id of those that it closes
  // Replacements by byte offset in the original file, for SARIF.
  struct Replacement {
    std::string finding;
    uint32_t begin, end;
    uint32_t begin_line, begin_column, end_line, end_column;
    std::string text;
  };
  std::vector<Replacement> replacements;
};

struct Report {
  std::string tool_version;
  std::string started;            // RFC 3339
  std::string target;             // what was inspected, as the user named it, quoted for a shell
  std::string kubernetes;         // the target version, "1.34"
  std::vector<CheckInfo> checks;  // those that ran, by id
  std::vector<Framework> frameworks;  // those asked for with --framework, else all
  Findings findings;                  // sorted: asset key, worst first, check, place
  std::vector<AssetTally> assets;     // sorted by key
  std::vector<Unread> unread;
  std::vector<std::string> warnings;  // "exception 3 matches nothing"
  std::vector<FileFix> fixes;
  Tally total;
  std::map<std::string, Tally> by_category, by_namespace, by_check;
  std::map<std::string, std::map<std::string, Tally>> by_control;  // framework → control
  uint64_t objects = 0;
  const CheckInfo* FindCheck(std::string_view id) const;
};

// What a finding says: its check's message with the arguments {container}, {path}, {value} and
// those of its own; for an error, why it could not be read.
std::string MessageOf(const CheckInfo& check, const Finding& finding, Language language);
void AppendMessage(std::string& out, const CheckInfo& check, const FindingView& finding,
                   Language language);

}  // namespace bulwark
