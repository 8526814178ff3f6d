#include "model/report.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace bulwark {

namespace {

double Weight(Severity severity) {
  switch (severity) {
    case Severity::kCritical: return 10;
    case Severity::kHigh: return 5;
    case Severity::kMedium: return 2;
    case Severity::kLow: return 1;
    case Severity::kInfo:
    case Severity::kUnknown: return 0;
  }
  BW_UNREACHABLE();
}

}  // namespace

const Control* Framework::Find(std::string_view control) const {
  auto found = std::find_if(controls.begin(), controls.end(),
                            [&](const Control& c) { return c.id == control; });
  return found == controls.end() ? nullptr : &*found;
}

const CheckInfo* Report::FindCheck(std::string_view id) const {
  auto found = std::lower_bound(checks.begin(), checks.end(), id,
                                [](const CheckInfo& c, std::string_view i) { return c.id < i; });
  return found != checks.end() && found->id == id ? &*found : nullptr;
}

double Tally::PassedPercent() const {
  if (total() == 0) return 100;
  return 100.0 * static_cast<double>(passed + excused) / static_cast<double>(total());
}

int Tally::Score() const {
  if (weight_total <= 0) return 100;
  int score = static_cast<int>(std::lround(100 * weight_passed / weight_total));
  // 100 is for those who have nothing left to do.
  return score == 100 && weight_passed < weight_total ? 99 : score;
}

void Tally::Add(Severity severity, Status status, bool is_excused, uint64_t count) {
  double weight = Weight(severity) * static_cast<double>(count);
  switch (status) {
    case Status::kPass:
      passed += count;
      weight_passed += weight;
      weight_total += weight;
      break;
    case Status::kFail:
      weight_total += weight;
      if (is_excused) {
        excused += count;
        weight_passed += weight;
      } else {
        failed += count;
        by_severity[static_cast<size_t>(severity)] += count;
      }
      break;
    case Status::kError:
      errors += count;
      weight_total += weight;
      break;
    case Status::kManual:
    case Status::kNotApplicable: break;
  }
}

void Tally::Merge(const Tally& other) {
  passed += other.passed;
  failed += other.failed;
  errors += other.errors;
  excused += other.excused;
  for (size_t i = 0; i < by_severity.size(); ++i) by_severity[i] += other.by_severity[i];
  weight_passed += other.weight_passed;
  weight_total += other.weight_total;
}

namespace {

const std::string& TemplateOf(const CheckInfo& check, Status status, Language language) {
  static const Text unread{"could not be read: {error}", "无法读取：{error}"};
  return status == Status::kError ? unread.In(language) : check.message.In(language);
}

}  // namespace

std::string MessageOf(const CheckInfo& check, const Finding& finding, Language language) {
  MessageArgs args = finding.args;
  args.emplace_back("container", finding.evidence.container);
  args.emplace_back("path", finding.evidence.path);
  args.emplace_back("value", finding.evidence.value);
  args.emplace_back("kind", finding.asset.kind);
  args.emplace_back("name", finding.asset.name);
  args.emplace_back("namespace", finding.asset.ns);
  return Render(TemplateOf(check, finding.status, language), args);
}

void AppendMessage(std::string& out, const CheckInfo& check, const FindingView& finding,
                   Language language) {
  auto argument = [&](std::string_view name) -> std::optional<std::string_view> {
    std::optional<std::string_view> found;
    ForEachArg(finding.args, [&](std::string_view arg, std::string_view value) {
      if (!found && arg == name) found = value;
    });
    if (found) return found;
    if (name == "container") return finding.container;
    if (name == "path") return finding.path;
    if (name == "value") return finding.value;
    if (name == "kind") return finding.asset->kind;
    if (name == "name") return finding.asset->name;
    if (name == "namespace") return finding.asset->ns;
    return std::nullopt;
  };
  AppendRendered(out, TemplateOf(check, finding.status, language), argument);
}

}  // namespace bulwark
