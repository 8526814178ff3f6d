// Markdown for a comment on a pull request: a verdict, what is worst, and the rest folded. GitHub
// cuts a comment off at 65,536 characters, GitLab at a million; without `all` the report stays
// below the smaller, and says what it left out.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

constexpr size_t kMaxBytes = 60'000;
constexpr size_t kTableRows = 20;

// Text in a paragraph or a table cell: nothing in it is markup, a mention or a line break.
std::string Plain(std::string_view text) {
  std::string out;
  std::string clean = EscapeForTerminal(text);
  for (CodePoint c : CodePoints(clean)) {
    if (c.value == '<') {
      out += "&lt;";
    } else if (c.value == '>') {
      out += "&gt;";
    } else if (c.value == '&') {
      out += "&amp;";
    } else if (c.value == '@') {
      out += "@<!-- -->";  // "@name" would call somebody
    } else {
      if (c.value < 0x80 && std::string_view("\\`*_[]#|~").find(static_cast<char>(c.value)) !=
                                std::string_view::npos) {
        out += '\\';
      }
      AppendUtf8(out, c.value);
    }
  }
  return out;
}

// A code span in a table cell. HTML rather than backticks: those cannot hold a pipe everywhere.
std::string CodeSpan(std::string_view text) {
  if (text.empty()) return "";
  std::string clean = EscapeForTerminal(text);
  bool simple = clean.find_first_of("`|\\<>&@") == std::string::npos && clean.front() != ' ' &&
                clean.back() != ' ';
  if (simple) return "`" + clean + "`";
  std::string out = "<code>";
  for (char c : clean) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '|': out += "&#124;"; break;
      case '@': out += "&#64;"; break;
      case '`': out += "&#96;"; break;
      case '*': out += "&#42;"; break;
      case '_': out += "&#95;"; break;
      case '[': out += "&#91;"; break;
      case '\\': out += "&#92;"; break;
      default: out += c;
    }
  }
  return out + "</code>";
}

class MarkdownWriter {
 public:
  MarkdownWriter(const Report& report, const OutputOptions& options, const Sink& sink)
      : report_(report), options_(options), language_(options.language), sink_(sink) {}

  void Write() {
    WriteHead();
    if (options_.framework.empty()) {
      WriteFindings();
    } else {
      WriteControls();
    }
    WriteExcepted();
    WriteUnread();
    WriteCategories();
    if (left_out_ > 0) {
      Put(fmt::format(
          fmt::runtime(Say("\n*{} more are left out here to keep this comment short; "
                           "`--all` writes them.*\n",
                           "\n*为控制评论长度，另有 {} 项未列出；`--all` 可全部写出。*\n")),
          Count(left_out_)));
    }
    WriteFoot();
  }

 private:
  std::string_view Say(std::string_view en, std::string_view zh) const {
    return Pick(language_, en, zh);
  }
  void Put(std::string_view text) {
    bytes_ += text.size();
    sink_(text);
  }
  // Counts what does not fit; true: it was written.
  bool PutIfRoom(std::string_view text, size_t stands_for = 1) {
    if (!options_.all && bytes_ + text.size() > kMaxBytes) {
      left_out_ += stands_for;
      return false;
    }
    Put(text);
    return true;
  }

  static std::string_view Dot(Severity severity) {
    switch (severity) {
      case Severity::kCritical: return "🟣";
      case Severity::kHigh: return "🔴";
      case Severity::kMedium: return "🟠";
      case Severity::kLow: return "🔵";
      default: return "⚪";
    }
  }
  std::string SeverityCell(const Finding& f) const {
    if (f.status == Status::kError) return fmt::format("❔ {}", Say("unread", "未读取"));
    return fmt::format("{} {}", Dot(f.severity), SeverityWord(f.severity, language_));
  }

  void WriteHead() {
    const Tally& total = report_.total;
    std::string_view mark = total.total() == 0                            ? "⚪"
                            : total.failed > 0                            ? "❌"
                            : total.errors > 0 || !report_.unread.empty() ? "⚠️"
                                                                          : "✅";
    std::string name(options_.framework.empty()
                         ? std::string("Bulwark")
                         : Plain(FrameworkTitle(report_, options_.framework, language_)));
    std::string verdict;
    if (total.total() == 0) {
      verdict = Say("nothing was judged", "没有可检查的内容");
    } else if (total.failed == 0) {
      verdict = Say("no findings", "未发现问题");
    } else if (language_ == Language::kChinese) {
      verdict = fmt::format("{} 个问题", Count(total.failed));
    } else {
      verdict = Counted(total.failed, "finding", "findings");
    }
    Put(fmt::format("## {} {}{}{}\n\n", mark, name, Say(": ", "："), verdict));
    Numbers numbers = NumbersOf(report_, options_);
    std::vector<std::string> facts;
    auto fact = [&](std::string_view en, std::string_view zh, const std::string& n) {
      facts.push_back(fmt::format(fmt::runtime(Say(en, zh)), n));
    };
    if (total.total() > 0) {
      fact("**Health {}/100**", "**健康度 {}/100**", std::to_string(total.Score()));
      fact("{} % of assessments passed", "通过率 {}%", Percent(total.PassedPercent()));
    }
    fact("{} objects", "{} 个对象", Count(report_.objects));
    if (options_.baseline) {
      fact("**{} new since the baseline**", "**较基线新增 {}**", Count(numbers.is_new));
    }
    if (total.excused > 0) fact("{} excepted", "已豁免 {}", Count(total.excused));
    uint64_t unread = total.errors + report_.unread.size();
    if (unread > 0) fact("**{} could not be read**", "**无法读取 {}**", Count(unread));
    Put(Join(facts, " · ") + "\n\n");
    if (total.failed > 0) {
      std::string names, numbers_row, rule;
      for (int i = kSeverities; i-- > 0;) {
        auto severity = static_cast<Severity>(i);
        uint64_t n = total.by_severity[static_cast<size_t>(i)];
        if (n == 0 && severity <= Severity::kInfo) continue;
        names += fmt::format("| {} {} ", Dot(severity), SeverityWord(severity, language_));
        rule += "| :-: ";
        numbers_row += fmt::format("| {} ", n == 0 ? "–" : "**" + Count(n) + "**");
      }
      Put(fmt::format("{}|\n{}|\n{}|\n\n", names, rule, numbers_row));
    }
    if (numbers.below > 0) {
      Put(fmt::format(
          fmt::runtime(Say("{} below {} are not listed.\n\n", "{} 项低于“{}”，未列出。\n\n")),
          Count(numbers.below), SeverityWord(options_.min_severity, language_)));
    }
  }

  std::string Row(const Finding& f) const {
    std::string where = f.evidence.place.ToString();
    std::string tags;
    if (options_.baseline && f.is_new) tags += Say(" **new**", " **新增**");
    if (f.fixable && !f.excused) tags += " 🔧";
    return fmt::format("| {} | {}{}<br>{} | {}{}{} |\n", SeverityCell(f),
                       Plain(MessageIn(report_, f, language_)), tags, CodeSpan(f.check),
                       Plain(f.asset.Label()), where.empty() ? "" : "<br>",
                       CodeSpan(where.empty() ? f.evidence.path : where));
  }
  std::string TableHead() const {
    return fmt::format("| {} | {} | {} |\n| :-- | :-- | :-- |\n", Say("Severity", "级别"),
                       Say("Finding", "问题"), Say("Where", "位置"));
  }

  // Worst first; new ones before the others of their severity, where a baseline was given.
  std::vector<uint32_t> Open() const {
    std::vector<uint32_t> rows;
    std::vector<bool> is_new(report_.findings.size());
    for (uint32_t i = 0; i < report_.findings.size(); ++i) {
      if (!Listed(report_, i, options_) || report_.findings.IsExcused(i)) continue;
      if (options_.baseline) is_new[i] = report_.findings[i].is_new;
      rows.push_back(i);
    }
    std::stable_sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) {
      return std::make_pair(report_.findings.SeverityOf(a), is_new[a] ? 1 : 0) >
             std::make_pair(report_.findings.SeverityOf(b), is_new[b] ? 1 : 0);
    });
    return rows;
  }

  void WriteFindings() {
    std::vector<uint32_t> rows = Open();
    if (rows.empty()) return;
    // So much that the table is folded from here on, and the details of checks come to hand.
    size_t first = options_.all ? rows.size() : std::min(rows.size(), kTableRows);
    Put(TableHead());
    for (size_t i = 0; i < first; ++i) PutIfRoom(Row(report_.findings[rows[i]]));
    Put("\n");
    if (first < rows.size()) {
      Put(fmt::format("<details><summary>{}</summary>\n\n{}",
                      language_ == Language::kChinese
                          ? fmt::format("另有 {} 个问题", Count(rows.size() - first))
                          : Counted(rows.size() - first, "more finding", "more findings"),
                      TableHead()));
      // Room is kept for what comes after.
      for (size_t i = first; i < rows.size(); ++i) {
        if (!options_.all && bytes_ > kMaxBytes * 2 / 3) {
          left_out_ += rows.size() - i;
          break;
        }
        PutIfRoom(Row(report_.findings[rows[i]]));
      }
      Put("\n</details>\n\n");
    }
    WriteRemedies(rows);
  }

  void WriteRemedies(const std::vector<uint32_t>& rows) {
    std::vector<std::string_view> checks;
    std::set<std::string_view> seen;
    for (uint32_t i : rows) {
      std::string_view check = report_.findings.CheckOf(i);
      if (seen.insert(check).second) checks.push_back(check);
    }
    Put(fmt::format("<details><summary>{}</summary>\n\n",
                    Say("Why it matters, and what to do", "风险与处理建议")));
    for (std::string_view id : checks) {
      const CheckInfo* check = report_.FindCheck(id);
      if (check == nullptr) continue;
      std::string text =
          fmt::format("**{}** {}\n", Plain(TitleIn(report_, id, language_)), CodeSpan(id));
      if (!check->why.In(language_).empty()) text += Plain(check->why.In(language_)) + "\n";
      if (!check->remedy.In(language_).empty()) {
        text += fmt::format("→ {}\n", Plain(check->remedy.In(language_)));
      }
      text += "\n";
      if (!options_.all && bytes_ + text.size() > kMaxBytes) break;  // help, not findings
      Put(text);
    }
    Put("</details>\n\n");
  }

  void WriteControls() {
    std::vector<ControlRow> rows = ControlsOf(report_, options_.framework);
    Put(fmt::format("| | {} | {} | {} | {} |\n| :-: | :-- | :-- | --: | --: |\n",
                    Say("Control", "控制项"), Say("Title", "名称"), Say("Failed", "未通过"),
                    Say("Passed", "通过")));
    for (const ControlRow& row : rows) {
      static constexpr std::string_view kMarks[] = {"✅", "❌", "❔", "➖", "✋"};
      std::string title = Plain(row.title.In(language_));
      if (row.state == ControlState::kManual) {
        title += fmt::format(
            " *({})*", Say("not covered by a check: review by hand", "无自动检查，需人工审查"));
      } else if (row.state == ControlState::kNothing) {
        title += fmt::format(" *({})*", Say("no such object", "无相关对象"));
      }
      PutIfRoom(fmt::format("| {} | {} | {} | {} | {} |\n", kMarks[static_cast<size_t>(row.state)],
                            CodeSpan(row.id), title, Count(row.tally.failed),
                            Count(row.tally.passed + row.tally.excused)));
    }
    Put("\n");
    std::vector<uint32_t> open = Open();
    for (const ControlRow& row : rows) {
      std::set<std::string_view> checks(row.checks.begin(), row.checks.end());
      std::vector<uint32_t> findings;
      for (uint32_t i : open) {
        if (checks.contains(report_.findings.CheckOf(i))) findings.push_back(i);
      }
      if (findings.empty()) continue;
      std::string head =
          fmt::format("<details><summary>{} {} ({})</summary>\n\n{}", CodeSpanHtml(row.id),
                      EscapeHtml(EscapeForTerminal(row.title.In(language_))),
                      Count(findings.size()), TableHead());
      if (!PutIfRoom(head, findings.size())) continue;
      for (uint32_t i : findings) PutIfRoom(Row(report_.findings[i]));
      Put("\n</details>\n\n");
    }
  }
  static std::string CodeSpanHtml(std::string_view text) {
    return "<code>" + EscapeHtml(EscapeForTerminal(text)) + "</code>";
  }

  void WriteExcepted() {
    if (!options_.show_excepted || report_.total.excused == 0) return;
    Put(fmt::format("<details><summary>{}</summary>\n\n| {} | {} | {} |\n| :-- | :-- | :-- |\n",
                    language_ == Language::kChinese
                        ? fmt::format("已豁免 {}", Count(report_.total.excused))
                        : fmt::format("{} excepted", Count(report_.total.excused)),
                    Say("Finding", "问题"), Say("Where", "位置"), Say("Reason", "原因")));
    for (size_t i = 0; i < report_.findings.size(); ++i) {
      if (!report_.findings.IsExcused(i) || !Listed(report_, i, options_)) continue;
      Finding f = report_.findings[i];
      std::string by = Plain(f.excused->owner);
      if (f.excused->by_owner) {
        by = std::string(Say("excepted by its owner", "由其所有者豁免")) +
             (by.empty() ? "" : " " + by);
      }
      if (!f.excused->expires.empty()) {
        by +=
            fmt::format(fmt::runtime(Say(" until {}", "，有效期至 {}")), Plain(f.excused->expires));
      }
      PutIfRoom(fmt::format("| {}<br>{} | {}<br>{} | {}<br>{} |\n",
                            Plain(MessageIn(report_, f, language_)), CodeSpan(f.check),
                            Plain(f.asset.Label()), CodeSpan(f.evidence.place.ToString()),
                            Plain(f.excused->reason), by));
    }
    Put("\n</details>\n\n");
  }

  void WriteUnread() {
    if (report_.unread.empty() && report_.warnings.empty()) return;
    if (!report_.unread.empty()) {
      Put(fmt::format("**{}**\n\n", Say("Could not be read", "无法读取")));
      for (const Unread& unread : report_.unread) {
        std::string place = unread.place.ToString();
        PutIfRoom(fmt::format("- {}{}: {}\n", Plain(unread.what),
                              place.empty() || unread.error.find(place) != std::string::npos
                                  ? ""
                                  : " " + CodeSpan(place),
                              Plain(unread.error)));
      }
      Put("\n");
    }
    for (const std::string& warning : report_.warnings) {
      PutIfRoom(fmt::format("> ⚠️ {}\n", Plain(warning)));
    }
    if (!report_.warnings.empty()) Put("\n");
  }

  void WriteCategories() {
    auto categories = CategoriesOf(report_);
    if (categories.empty()) return;
    Put(fmt::format(
        "<details><summary>{}</summary>\n\n| {} | {} | | {} |\n| :-- | --: | :-- | :-- |\n",
        Say("Health by category", "各类别健康度"), Say("Category", "类别"), Say("Health", "健康度"),
        Say("Findings", "问题")));
    for (const auto& [id, tally] : categories) {
      int score = tally->Score();
      std::string bar;
      for (int i = 0; i < 10; ++i) bar += i < score / 10 ? "█" : "░";
      Put(fmt::format("| {} | {} | {} | {} |\n", Plain(CategoryName(id, language_)), score, bar,
                      BySeverity(*tally, language_)));
    }
    Put("\n</details>\n\n");
  }

  void WriteFoot() {
    std::string text = fmt::format("\n<sub>Bulwark {} · {}", Plain(report_.tool_version),
                                   CodeSpanHtml(report_.target));
    if (!report_.kubernetes.empty()) text += " · Kubernetes " + Plain(report_.kubernetes);
    if (!report_.started.empty()) text += " · " + Plain(report_.started);
    Put(text + "</sub>\n");
  }

  const Report& report_;
  const OutputOptions& options_;
  Language language_;
  const Sink& sink_;
  size_t bytes_ = 0, left_out_ = 0;
};

}  // namespace

void WriteMarkdown(const Report& report, const OutputOptions& options, const Sink& sink) {
  Out out(sink);
  Sink buffered = [&](std::string_view text) { out << text; };
  MarkdownWriter(report, options, buffered).Write();
}

}  // namespace bulwark::output
