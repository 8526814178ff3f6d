// JUnit XML, as Jenkins' and GitLab's readers take it: a suite an object, a case a finding, with a
// class name in dots (Jenkins' tree: namespace, kind, name) and the file. A case's name stays the
// same from run to run, so that both show what is new and how old the rest is. What passed is one
// case a suite: the report holds its number, not its names.

#include <fmt/format.h>

#include "base/text.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

struct Counts {
  uint64_t tests = 0, failures = 0, errors = 0, skipped = 0;
  std::string Attributes() const {
    return fmt::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}")", tests, failures,
                       errors, skipped);
  }
};

void Add(Counts& counts, const Report& report, size_t i) {
  ++counts.tests;
  if (report.findings.IsExcused(i)) {
    ++counts.skipped;
  } else if (report.findings.StatusOf(i) == Status::kError) {
    ++counts.errors;
  } else {
    ++counts.failures;
  }
}

// Dots divide packages in Jenkins; a name's own must not.
std::string ClassPart(std::string_view text) { return ReplaceAll(text, ".", "\xe2\x80\xa4"); }

std::string ClassName(const Asset& asset) {
  return fmt::format("{}.{}.{}", asset.ns.empty() ? "-" : ClassPart(asset.ns),
                     ClassPart(asset.kind), ClassPart(asset.name));
}

std::string Details(const Report& report, const Finding& f, Language language) {
  std::string out = MessageIn(report, f, language) + "\n";
  auto line = [&](std::string_view label, std::string_view text) {
    if (!text.empty()) out += fmt::format("{}: {}\n", label, text);
  };
  line(Pick(language, "object", "对象"), f.asset.Label());
  line(Pick(language, "at", "位置"), f.evidence.place.ToString());
  line(Pick(language, "path", "路径"), f.evidence.path);
  line(Pick(language, "value", "当前值"), f.evidence.value);
  line(Pick(language, "severity", "级别"), SeverityWord(f.severity, language));
  if (const CheckInfo* check = report.FindCheck(f.check)) {
    line(Pick(language, "remedy", "处理建议"), check->remedy.In(language));
  }
  return out;
}

void WriteCase(Out& out, const Report& report, const Finding& f, Language language) {
  out << fmt::format(R"(    <testcase classname="{}" name="{}" time="0")",
                     EscapeXml(ClassName(f.asset)),
                     EscapeXml(fmt::format("{}: {}", f.check, f.evidence.path)));
  const Place& place = f.evidence.place;
  if (!place.file.empty()) out << fmt::format(R"( file="{}")", EscapeXml(place.file));
  if (place.line != 0) out << fmt::format(R"( line="{}")", place.line);
  std::string message = MessageIn(report, f, language);
  if (f.excused) {
    std::string why = std::string(
        f.excused->by_owner ? Pick(language, "excepted by its owner: ", "由其所有者豁免：")
                            : Pick(language, "excepted: ", "已豁免："));
    out << fmt::format(">\n      <skipped message=\"{}\"/>\n    </testcase>\n",
                       EscapeXml(why + f.excused->reason));
    return;
  }
  std::string_view element = f.status == Status::kError ? "error" : "failure";
  out << fmt::format(">\n      <{} message=\"{}\" type=\"{}\">{}</{}>\n    </testcase>\n", element,
                     EscapeXml(message), EscapeXml(SeverityName(f.severity)),
                     EscapeXml(Details(report, f, language)), element);
}

}  // namespace

void WriteJunit(const Report& report, const OutputOptions& options, const Sink& sink) {
  Out out(sink);
  Language language = options.language;
  std::vector<Group> groups = GroupsOf(report, options);
  // Objects with nothing to list: one passed case each.
  std::set<const AssetTally*> with_findings;
  Counts total;
  for (const Group& group : groups) {
    with_findings.insert(group.tally);
    for (uint32_t i : group.findings) Add(total, report, i);
    total.tests += group.tally != nullptr && group.tally->tally.passed > 0;
  }
  for (const AssetTally& asset : report.assets) {
    total.tests += !with_findings.contains(&asset) && asset.tally.passed > 0;
  }
  total.tests += report.unread.size();
  total.errors += report.unread.size();

  auto passed_case = [&](const Asset& asset, uint64_t passed) {
    if (passed == 0) return;
    // The number would make another name each time: it goes into the case's output.
    out << fmt::format(R"(    <testcase classname="{}" name="{}" time="0">)",
                       EscapeXml(ClassName(asset)), Pick(language, "passed checks", "已通过的检查"))
        << fmt::format("\n      <system-out>{}</system-out>\n    </testcase>\n",
                       language == Language::kChinese
                           ? fmt::format("{} 项检查已通过", Count(passed))
                           : Counted(passed, "check passed", "checks passed"));
  };

  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out << fmt::format("<testsuites name=\"bulwark\" {} time=\"0\">\n", total.Attributes());
  auto open = [&](const Asset& asset, const std::string& file, const Counts& counts) {
    out << fmt::format("  <testsuite name=\"{}\" {} time=\"0\"", EscapeXml(asset.Label()),
                       counts.Attributes());
    if (!report.started.empty()) {
      // xs:dateTime without a zone, as the readers expect it.
      out << fmt::format(" timestamp=\"{}\"", EscapeXml(report.started.substr(0, 19)));
    }
    if (!file.empty()) out << fmt::format(" file=\"{}\"", EscapeXml(file));
    out << ">\n";
  };
  for (const Group& group : groups) {
    uint64_t passed = group.tally != nullptr ? group.tally->tally.passed : 0;
    Counts counts{.tests = passed > 0};
    for (uint32_t i : group.findings) Add(counts, report, i);
    open(*group.asset, group.file, counts);
    for (uint32_t i : group.findings) WriteCase(out, report, report.findings[i], language);
    passed_case(*group.asset, passed);
    out << "  </testsuite>\n";
  }
  for (const AssetTally& asset : report.assets) {
    if (with_findings.contains(&asset) || asset.tally.passed == 0) continue;
    open(asset.asset, asset.place.file, {.tests = 1});
    passed_case(asset.asset, asset.tally.passed);
    out << "  </testsuite>\n";
  }
  if (!report.unread.empty()) {
    std::string_view name = Pick(language, "could not be read", "无法读取");
    out << fmt::format(
        "  <testsuite name=\"{}\" {} time=\"0\">\n", name,
        Counts{.tests = report.unread.size(), .errors = report.unread.size()}.Attributes());
    for (const Unread& unread : report.unread) {
      std::string place = unread.place.ToString();
      out << fmt::format(
          "    <testcase classname=\"unread\" name=\"{}\" time=\"0\">\n"
          "      <error message=\"{}\" type=\"unread\">{}</error>\n    </testcase>\n",
          EscapeXml(unread.what), EscapeXml(unread.error),
          EscapeXml(place.empty() ? unread.error : place + ": " + unread.error));
    }
    out << "  </testsuite>\n";
  }
  out << "</testsuites>\n";
}

}  // namespace bulwark::output
