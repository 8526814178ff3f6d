#include "model/output/writers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/check.h"
#include "formats/json.h"

namespace bulwark::output {

void JsonOut::Separate() {
  if (!first_) Raw(",");
  if (line_) Raw("\n");
  first_ = line_ = false;
}

JsonOut& JsonOut::Key(std::string_view key) {
  Separate();
  AppendJsonString(out_.buffer(), key);
  Raw(":");
  first_ = true;
  return *this;
}

JsonOut& JsonOut::String(std::string_view text) {
  Separate();
  AppendJsonString(out_.buffer(), text);
  out_.Settle();
  return *this;
}

JsonOut& JsonOut::Number(uint64_t number) {
  Separate();
  Raw(fmt::format_int(number).c_str());
  return *this;
}

JsonOut& JsonOut::Double(double number) {
  Separate();
  AppendJsonDouble(out_.buffer(), number);
  return *this;
}

JsonOut& JsonOut::Bool(bool value) {
  Separate();
  Raw(value ? "true" : "false");
  return *this;
}

std::string_view SeverityWord(Severity severity, Language language) {
  if (language == Language::kEnglish) return SeverityName(severity);
  switch (severity) {
    case Severity::kCritical: return "严重";
    case Severity::kHigh: return "高危";
    case Severity::kMedium: return "中危";
    case Severity::kLow: return "低危";
    case Severity::kInfo: return "提示";
    case Severity::kUnknown: return "未知";
  }
  BW_UNREACHABLE();
}

std::string_view CategoryName(std::string_view category, Language language) {
  for (const Category& c : kCategories) {
    if (c.id == category) return Pick(language, c.en, c.zh);
  }
  return category;
}

std::string Count(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string Counted(uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", Count(number), number == 1 ? one : many);
}

std::string CountOf(uint64_t number, Severity severity, Language language) {
  std::string_view word = SeverityWord(severity, language);
  return language == Language::kChinese ? fmt::format("{} {}", word, Count(number))
                                        : fmt::format("{} {}", Count(number), word);
}

std::string Percent(double percent) {
  double rounded = std::round(percent * 10) / 10;
  if (rounded == 100 && percent < 100) rounded = 99.9;
  return fmt::format("{:.{}f}", rounded, rounded == std::floor(rounded) ? 0 : 1);
}

std::string MessageIn(const Report& report, const Finding& finding, Language language) {
  if (const CheckInfo* check = report.FindCheck(finding.check)) {
    std::string message = MessageOf(*check, finding, language);
    return message.empty() ? check->title.In(language) : message;
  }
  return MessageOf({}, finding, language);
}

std::string TitleIn(const Report& report, std::string_view check, Language language) {
  const CheckInfo* info = report.FindCheck(check);
  return info != nullptr && !info->title.empty() ? info->title.In(language) : std::string(check);
}

std::vector<std::pair<std::string, const Tally*>> CategoriesOf(const Report& report) {
  std::vector<std::pair<std::string, const Tally*>> out;
  auto known = [](const std::string& id) {
    return std::any_of(std::begin(kCategories), std::end(kCategories),
                       [&](const Category& c) { return c.id == id; });
  };
  for (const Category& category : kCategories) {
    auto found = report.by_category.find(std::string(category.id));
    if (found != report.by_category.end()) out.emplace_back(found->first, &found->second);
  }
  for (const auto& [id, tally] : report.by_category) {
    if (!known(id)) out.emplace_back(id, &tally);
  }
  return out;
}

std::vector<Group> GroupsOf(const Report& report, const OutputOptions& options) {
  std::vector<Group> groups;
  std::unordered_map<std::string, size_t> at;  // key and file
  const Asset* last_asset = nullptr;
  std::unordered_map<std::string, size_t> of_asset;  // file → group, of the asset at hand
  for (uint32_t i = 0; i < report.findings.size(); ++i) {
    if (!Listed(report, i, options)) continue;
    const Asset* asset = &report.findings.AssetOf(i);
    if (asset != last_asset) of_asset.clear();
    last_asset = asset;
    std::string file = report.findings[i].evidence.place.file;
    auto [found, added] = of_asset.emplace(file, groups.size());
    if (added) {
      at.emplace(fmt::format("{}\n{}", asset->Key(), file), groups.size());
      groups.push_back({.asset = asset, .file = std::move(file)});
    }
    groups[found->second].findings.push_back(i);
  }
  for (const AssetTally& tally : report.assets) {
    auto found = at.find(fmt::format("{}\n{}", tally.asset.Key(), tally.place.file));
    if (found == at.end() || groups[found->second].tally != nullptr) continue;
    groups[found->second].tally = &tally;
    groups[found->second].line = tally.place.line;
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a.file, a.line, a.asset->cluster, a.asset->ns, a.asset->kind, a.asset->name,
                    a.asset->group) < std::tie(b.file, b.line, b.asset->cluster, b.asset->ns,
                                               b.asset->kind, b.asset->name, b.asset->group);
  });
  return groups;
}

std::string_view ControlStateName(ControlState state) {
  switch (state) {
    case ControlState::kPass: return "pass";
    case ControlState::kFail: return "fail";
    case ControlState::kError: return "error";
    case ControlState::kNothing: return "n/a";
    case ControlState::kManual: return "manual";
  }
  BW_UNREACHABLE();
}

std::vector<ControlRow> ControlsOf(const Report& report, const std::string& framework) {
  std::vector<ControlRow> rows;
  std::map<std::string, size_t> index;
  auto row_of = [&](const std::string& id) -> ControlRow& {
    auto [at, added] = index.emplace(id, rows.size());
    if (added) rows.push_back({.id = id});
    return rows[at->second];
  };
  if (const Framework* f = FindFramework(report, framework)) {
    for (const Control& control : f->controls) row_of(control.id).title = control.title;
  }
  for (const CheckInfo& check : report.checks) {
    auto controls = check.controls.find(framework);
    if (controls == check.controls.end()) continue;
    for (const std::string& id : controls->second) row_of(id).checks.push_back(check.id);
  }
  auto tallies = report.by_control.find(framework);
  if (tallies != report.by_control.end()) {
    for (const auto& [id, tally] : tallies->second) row_of(id).tally = tally;
  }
  for (ControlRow& row : rows) {
    if (row.tally.failed > 0) {
      row.state = ControlState::kFail;
    } else if (row.tally.errors > 0) {
      row.state = ControlState::kError;
    } else if (row.tally.total() > 0) {
      row.state = ControlState::kPass;
    } else {
      row.state = row.checks.empty() ? ControlState::kManual : ControlState::kNothing;
    }
  }
  return rows;
}

const Framework* FindFramework(const Report& report, std::string_view id) {
  auto found = std::find_if(report.frameworks.begin(), report.frameworks.end(),
                            [&](const Framework& f) { return f.id == id; });
  return found == report.frameworks.end() ? nullptr : &*found;
}

std::string FrameworkTitle(const Report& report, std::string_view id, Language language) {
  const Framework* framework = FindFramework(report, id);
  if (framework == nullptr || framework->title.empty()) return std::string(id);
  const std::string& title = framework->title.In(language);
  if (framework->version.empty() || title.find(framework->version) != std::string::npos) {
    return title;
  }
  return title + " " + framework->version;
}

Numbers NumbersOf(const Report& report, const OutputOptions& options) {
  Numbers numbers;
  Severity worst = Severity::kUnknown;
  for (size_t i = 0; i < report.findings.size(); ++i) {
    if (report.findings.IsExcused(i)) continue;
    if (!Listed(report, i, options)) ++numbers.below;
    if (report.findings.StatusOf(i) != Status::kFail) continue;
    FindingView finding = report.findings.View(i);
    numbers.fixable += finding.fixable;
    numbers.is_new += finding.is_new;
    if (numbers.example_check.empty() || finding.severity > worst) {
      numbers.example_check = finding.check;
      worst = finding.severity;
    }
  }
  return numbers;
}

namespace {

std::vector<Worst> WorstFirst(std::vector<Worst> all, size_t limit) {
  std::erase_if(all, [](const Worst& w) { return w.tally->failed + w.tally->errors == 0; });
  // By what is lost, not by score: an object that one check speaks of is soon at 0.
  auto worse = [](const Worst& a, const Worst& b) {
    double lost_a = a.tally->weight_total - a.tally->weight_passed;
    double lost_b = b.tally->weight_total - b.tally->weight_passed;
    return std::tie(lost_b, b.tally->failed, a.name) < std::tie(lost_a, a.tally->failed, b.name);
  };
  size_t keep = std::min(limit, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(keep), all.end(), worse);
  all.resize(keep);
  return all;
}

}  // namespace

std::vector<Worst> WorstAssets(const Report& report, size_t limit) {
  std::vector<Worst> all;
  for (const AssetTally& asset : report.assets) {
    if (asset.tally.failed + asset.tally.errors > 0) {
      all.push_back({asset.asset.Label(), &asset.tally});
    }
  }
  return WorstFirst(std::move(all), limit);
}

std::vector<Worst> WorstNamespaces(const Report& report, size_t limit, Language language) {
  std::vector<Worst> all;
  for (const auto& [ns, tally] : report.by_namespace) {
    all.push_back(
        {ns.empty() ? std::string(Pick(language, "(no namespace)", "（未指定）")) : ns, &tally});
  }
  return WorstFirst(std::move(all), limit);
}

std::string BySeverity(const Tally& tally, Language language) {
  std::string out;
  for (int i = kSeverities; i-- > 0;) {
    uint64_t n = tally.by_severity[static_cast<size_t>(i)];
    if (n == 0) continue;
    if (!out.empty()) out += Pick(language, ", ", "，");
    out += CountOf(n, static_cast<Severity>(i), language);
  }
  return out;
}

}  // namespace bulwark::output
