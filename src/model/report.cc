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

std::string MessageOf(const CheckInfo& check, const Finding& finding, Language language) {
  MessageArgs args = finding.args;
  args.emplace_back("container", finding.evidence.container);
  args.emplace_back("path", finding.evidence.path);
  args.emplace_back("value", finding.evidence.value);
  args.emplace_back("kind", finding.asset.kind);
  args.emplace_back("name", finding.asset.name);
  args.emplace_back("namespace", finding.asset.ns);
  if (finding.status == Status::kError) {
    static const Text unread{"could not be read: {error}", "无法读取：{error}"};
    return Render(unread.In(language), args);
  }
  return Render(check.message.In(language), args);
}

}  // namespace bulwark
