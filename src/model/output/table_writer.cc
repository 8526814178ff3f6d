// The terminal. What a person wants to know stands last, where the eye is when a command ends:
// the summary, and the next step. Above it the findings, by object in the order of the files; an
// object's worst first.
//
//   Deployment shop/web  deploy.yaml:5                                  health 41
//     critical  container web runs privileged
//               deploy.yaml:27:11  privileged-container  fixable
//               → Set securityContext.privileged to false.
//
// The remedy is told once a check. What many objects of a namespace have in common is listed for
// the first few and then counted.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "model/output/wrap.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

constexpr size_t kShortReport = 40;     // findings; a report no longer than that is listed in full
constexpr size_t kSameInNamespace = 3;  // objects of a namespace that are shown for one check
constexpr size_t kSameInAll = 6;        // objects in all that are shown for one check
constexpr size_t kSameInObject = 3;     // places of one object that are shown for one check
constexpr size_t kNames = 3;            // names that stand for many
constexpr size_t kPerControl = 5;       // findings that are shown for one control
constexpr size_t kWorst = 5;            // rows of the lists of the worst
constexpr size_t kWordWidth = 8;        // "critical", "excepted"
constexpr size_t kIndent = 2 + kWordWidth + 2;

enum class Style { kBold, kDim, kRed, kYellow, kGreen, kCyan, kMagenta, kBoldRed, kBoldGreen };

class TableWriter {
 public:
  TableWriter(const Report& report, const OutputOptions& options, Out& out)
      : report_(report),
        options_(options),
        language_(options.language),
        width_(static_cast<size_t>(std::clamp(options.columns, 40, 160))),
        out_(out) {}

  void Write() {
    if (options_.framework.empty()) {
      WriteGroups();
    } else {
      WriteControls();
    }
    WriteUnread();
    WriteWarnings();
    WriteSummary();
  }

 private:
  std::string_view Say(std::string_view en, std::string_view zh) const {
    return Pick(language_, en, zh);
  }

  std::string Paint(Style style, std::string_view text) const {
    if (!options_.color || text.empty()) return std::string(text);
    static constexpr std::string_view kCodes[] = {"1",  "2",  "31",   "33",  "32",
                                                  "36", "35", "1;31", "1;32"};
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(style)], text);
  }

  std::string PaintSeverity(Severity severity, std::string_view text) const {
    switch (severity) {
      case Severity::kCritical: return Paint(Style::kBoldRed, text);
      case Severity::kHigh: return Paint(Style::kRed, text);
      case Severity::kMedium: return Paint(Style::kYellow, text);
      case Severity::kLow: return Paint(Style::kCyan, text);
      default: return Paint(Style::kDim, text);
    }
  }

  std::string PaintScore(int score, std::string_view text) const {
    if (score >= 90) return Paint(Style::kGreen, text);
    return Paint(score >= 70 ? Style::kYellow : Style::kRed, text);
  }

  static std::string Clean(std::string_view text) { return EscapeForTerminal(text); }

  // Pads or cuts to exactly `columns`.
  static std::string Fit(std::string_view text, size_t columns) {
    std::string out = TruncateToWidth(text, columns);
    return out + std::string(columns - std::min(columns, DisplayWidth(out)), ' ');
  }

  // The middle of a long name says least.
  static std::string Shorten(std::string_view text, size_t columns) {
    if (DisplayWidth(text) <= columns) return std::string(text);
    size_t tail = columns / 2, skip = text.size();
    for (size_t at = 0; at < text.size(); at += DecodeUtf8(text, at).length) {
      if (DisplayWidth(text.substr(at)) <= tail) {
        skip = at;
        break;
      }
    }
    std::string end(text.substr(skip));
    return TruncateToWidth(text, columns - DisplayWidth(end)) + end;
  }

  void Line(std::string_view text = "") { out_ << text << "\n"; }

  // Wrapped text at an indent; `first` stands before the first line, as wide as the indent.
  void Paragraph(std::string_view first, size_t indent, std::string_view text,
                 std::optional<Style> style = {}, size_t hang = 0) {
    bool is_first = true;
    for (const std::string& line :
         Wrap(text, width_ > indent + hang ? width_ - indent - hang : 1)) {
      if (is_first) {
        out_ << first;
      } else {
        out_ << std::string(indent + hang, ' ');
      }
      Line(style ? Paint(*style, line) : line);
      is_first = false;
    }
  }

  void Rule(std::string_view title) {
    std::string text = TruncateToWidth(fmt::format("── {} ", title), width_);
    while (DisplayWidth(text) < width_) text += "─";
    Line(Paint(Style::kDim, text));
  }

  // --- Findings ----------------------------------------------------------------------------------

  void WriteFinding(const Finding& f, bool name_object) {
    std::string message = Clean(MessageIn(report_, f, language_));
    std::string word;
    if (f.excused) {
      word = Paint(Style::kDim, Fit(Say("excepted", "已豁免"), kWordWidth));
    } else if (f.status == Status::kError) {
      word = Paint(Style::kMagenta, Fit(Say("unread", "未读取"), kWordWidth));
    } else {
      word = PaintSeverity(f.severity, Fit(SeverityWord(f.severity, language_), kWordWidth));
    }
    Paragraph("  " + word + "  ", kIndent, message);

    std::vector<std::string> facts;
    if (name_object) facts.push_back(Shorten(Clean(f.asset.Label()), width_ - kIndent));
    std::string place = Clean(f.evidence.place.ToString());
    facts.push_back(place.empty() ? Clean(f.evidence.path) : place);
    facts.push_back(Clean(f.check));
    if (f.is_new && options_.baseline) facts.emplace_back(Say("new", "新增"));
    if (f.fixable && !f.excused) facts.emplace_back(Say("fixable", "可自动修复"));
    // As many facts a line as fit, none torn apart.
    size_t left = 0;
    for (const std::string& fact : facts) {
      if (left < DisplayWidth(fact) + 2) {
        if (left != 0) Line();
        out_ << std::string(kIndent, ' ');
        left = width_ - kIndent + 2;
      } else {
        out_ << "  ";
      }
      out_ << Paint(Style::kDim, fact);
      size_t used = DisplayWidth(fact) + 2;
      left = left > used ? left - used : 1;
    }
    Line();
    if (f.excused) {
      WriteExcused(*f.excused);
    } else if (f.status == Status::kFail && told_.insert(f.check).second) {
      const CheckInfo* check = report_.FindCheck(f.check);
      std::string remedy = check != nullptr ? Clean(check->remedy.In(language_)) : "";
      if (!remedy.empty()) {
        Paragraph(std::string(kIndent, ' ') + Paint(Style::kGreen, "→ "), kIndent, remedy, {}, 2);
      }
    }
  }

  // Whether a finding differs from the one before in its container only.
  bool SaysTheSame(const Finding& f, const Finding& before) const {
    if (f.check != before.check || f.status != before.status || f.excused || before.excused ||
        f.evidence.container.empty() || before.evidence.container.empty() ||
        f.fixable != before.fixable || f.is_new != before.is_new) {
      return false;
    }
    auto of_any = [&](Finding finding) {
      finding.evidence.container.clear();
      return MessageIn(report_, finding, language_);
    };
    return of_any(f) == of_any(before);
  }

  // "also redis  deploy.yaml:30:11"
  void WriteAlso(const Finding& f) {
    std::string place = Clean(f.evidence.place.ToString());
    std::string text = fmt::format("{} {}", Say("also", "另有容器"), Clean(f.evidence.container));
    text = Shorten(text, width_ - kIndent);
    size_t used = kIndent + DisplayWidth(text) + 2 + DisplayWidth(place);
    if (!place.empty()) {
      text += used <= width_ ? "  " : "\n" + std::string(kIndent, ' ');
      text += Paint(Style::kDim, place);
    }
    Line(std::string(kIndent, ' ') + text);
  }

  void WriteExcused(const Excused& excused) {
    std::string text(excused.by_owner ? Say("excepted by its owner", "由其所有者豁免")
                                      : Say("excepted", "已豁免"));
    if (!excused.owner.empty()) {
      text += fmt::format(fmt::runtime(Say(excused.by_owner ? " ({})" : " by {}", "（{}）")),
                          excused.owner);
    }
    if (!excused.expires.empty()) {
      text += fmt::format(fmt::runtime(Say(" until {}", "，有效期至 {}")), excused.expires);
    }
    if (!excused.reason.empty()) text += std::string(Say(": ", "：")) + excused.reason;
    Paragraph(std::string(kIndent, ' '), kIndent, Clean(text), Style::kDim);
  }

  // "Deployment shop/web  deploy.yaml:5                health 41"
  void WriteHeader(const Group& group) {
    std::string name = Clean(group.asset->Label());
    std::string place =
        Clean(group.line == 0 ? group.file : fmt::format("{}:{}", group.file, group.line));
    std::string health;
    int score = 100;
    if (group.tally != nullptr) {
      score = group.tally->tally.Score();
      health = fmt::format("{} {:>3}", Say("health", "健康度"), score);
    }
    size_t right = DisplayWidth(health) + (health.empty() ? 0 : 2);
    name = Shorten(name, width_ - right);
    size_t left = width_ - right - DisplayWidth(name);
    std::string_view gap = "  ";
    if (left < 2 + std::min<size_t>(DisplayWidth(place), 12)) {
      place.clear();
    } else if (!place.empty()) {
      place = Shorten(place, left - 2);
    }
    if (place.empty()) gap = "";
    size_t used = DisplayWidth(name) + gap.size() + DisplayWidth(place);
    out_ << Paint(Style::kBold, name) << gap << Paint(Style::kDim, place);
    if (!health.empty()) {
      out_ << std::string(width_ - DisplayWidth(health) - used, ' ') << PaintScore(score, health);
    }
    Line();
  }

  // What is not listed of one check.
  struct Same {
    Severity severity = Severity::kUnknown;
    size_t objects = 0;
    std::vector<std::string> names;  // of the first few
    std::map<std::string, size_t> namespaces;
  };

  void WriteGroups() {
    std::vector<Group> groups = GroupsOf(report_, options_);
    size_t open = 0;
    for (const Group& group : groups) {
      for (uint32_t i : group.findings) open += !report_.findings.IsExcused(i);
    }
    bool whole = options_.all || open <= kShortReport;
    std::map<std::pair<std::string, std::string_view>, size_t> shown;  // namespace, check → objects
    std::unordered_map<std::string_view, size_t> shown_in_all;
    std::map<std::string_view, Same> same;
    for (const Group& group : groups) {
      // Which of its checks are to be shown; then whether anything is left at all.
      std::map<std::string_view, bool> show;
      std::vector<uint32_t> rows;
      std::unordered_map<std::string_view, size_t> here;
      size_t as_above = 0;
      std::map<std::string_view, size_t> more_here;
      for (uint32_t i : group.findings) {
        if (report_.findings.IsExcused(i)) {
          if (options_.show_excepted) rows.push_back(i);
          continue;
        }
        std::string_view check = report_.findings.CheckOf(i);
        auto [choice, first] = show.emplace(check, true);
        if (first && !whole) {
          choice->second = shown_in_all[check] < kSameInAll &&
                           shown[{group.asset->ns, check}]++ < kSameInNamespace;
          shown_in_all[check] += choice->second;
        }
        if (!choice->second) {
          Same& more = same[check];
          more.severity = std::max(more.severity, report_.findings.SeverityOf(i));
          if (first) {
            ++more.objects;
            ++more.namespaces[group.asset->ns];
            if (more.names.size() < kNames)
              more.names.push_back(group.asset->kind + " " + group.asset->name);
          }
          ++as_above;
        } else if (!whole && here[check]++ >= kSameInObject) {
          ++more_here[check];
        } else {
          rows.push_back(i);
        }
      }
      if (rows.empty()) continue;
      WriteHeader(group);
      for (size_t r = 0; r < rows.size(); ++r) {
        Finding f = report_.findings[rows[r]];
        if (r > 0 && SaysTheSame(f, report_.findings[rows[r - 1]])) {
          WriteAlso(f);
        } else {
          WriteFinding(f, false);
        }
        std::string_view check = report_.findings.CheckOf(rows[r]);
        bool last = r + 1 == rows.size() || report_.findings.CheckOf(rows[r + 1]) != check;
        auto more = more_here.find(check);
        if (last && more != more_here.end()) {
          More(language_ == Language::kChinese
                   ? fmt::format("… 此对象还有 {} 处：{}", Count(more->second), check)
                   : fmt::format("… and {} of {} in this object",
                                 Counted(more->second, "more place", "more places"), check));
          more_here.erase(more);
        }
      }
      if (as_above > 0) {
        More(language_ == Language::kChinese
                 ? fmt::format("… 另有 {} 项与前述相同", Count(as_above))
                 : fmt::format("… and {} as above", Count(as_above)));
      }
      Line();
    }
    WriteSame(same);
  }

  void More(const std::string& text) {
    Line(std::string(kIndent, ' ') +
         Paint(Style::kDim, TruncateToWidth(Clean(text), width_ - kIndent)));
  }

  void WriteSame(const std::map<std::string_view, Same>& same) {
    if (same.empty()) return;
    Line(Paint(Style::kBold, Say("The same elsewhere", "其他对象的同类问题")) + "  " +
         Paint(Style::kDim, Say("--all lists each", "--all 可逐项列出")));
    std::vector<std::pair<std::string_view, const Same*>> rows;
    for (const auto& [check, more] : same) rows.emplace_back(check, &more);
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return std::make_pair(a.second->severity, a.second->objects) >
             std::make_pair(b.second->severity, b.second->objects);
    });
    for (const auto& [check, more] : rows) {
      out_ << "  "
           << PaintSeverity(more->severity,
                            Fit(SeverityWord(more->severity, language_), kWordWidth))
           << "  ";
      Paragraph("", kIndent, Clean(SameText(check, *more)));
    }
    Line();
  }

  // "run-as-root: 12 more in shop (Deployment api, Deployment cart, …)"
  std::string SameText(std::string_view check, const Same& more) const {
    std::string where, names;
    auto name = [&](const std::string& text) {
      if (!names.empty()) names += Say(", ", "、");
      names += text;
    };
    bool one = more.namespaces.size() == 1;
    if (one) {
      where = more.namespaces.begin()->first;
      for (const std::string& n : more.names) name(n);
      if (more.objects > more.names.size()) name("…");
    } else {
      where = fmt::format(fmt::runtime(Say("{} namespaces", "{} 个命名空间")),
                          Count(more.namespaces.size()));
      // Those with most of them.
      std::vector<std::pair<size_t, std::string_view>> most;
      for (const auto& [ns, n] : more.namespaces) most.emplace_back(n, ns);
      std::stable_sort(most.begin(), most.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      for (size_t i = 0; i < most.size() && i < kNames; ++i) {
        name(fmt::format("{} {}",
                         most[i].second.empty() ? Say("no namespace", "未指定") : most[i].second,
                         Count(most[i].first)));
      }
      if (most.size() > kNames) name("…");
    }
    if (language_ == Language::kChinese) {
      return fmt::format("{}：{}另有 {} 个对象（{}）", check, where.empty() ? "" : where + " 中",
                         Count(more.objects), names);
    }
    return fmt::format("{}: {} more{} ({})", check, Count(more.objects),
                       where.empty() ? "" : " in " + where, names);
  }

  // --- By control --------------------------------------------------------------------------------

  void WriteControls() {
    std::unordered_map<std::string_view, std::vector<uint32_t>> by_check;
    for (uint32_t i = 0; i < report_.findings.size(); ++i) {
      if (!Listed(report_, i, options_)) continue;
      if (report_.findings.IsExcused(i) && !options_.show_excepted) continue;
      by_check[report_.findings.CheckOf(i)].push_back(i);
    }
    Rule(Clean(FrameworkTitle(report_, options_.framework, language_)));
    Line();
    std::vector<ControlRow> rows = ControlsOf(report_, options_.framework);
    std::array<size_t, 5> states{};
    for (const ControlRow& row : rows) {
      ++states[static_cast<size_t>(row.state)];
      WriteControl(row, by_check);
    }
    Line();
    std::string line;
    auto add = [&](ControlState state, std::string_view en, std::string_view zh) {
      size_t n = states[static_cast<size_t>(state)];
      if (n == 0) return;
      if (!line.empty()) line += Say(", ", "，");
      line += fmt::format("{} {}", n, Say(en, zh));
    };
    add(ControlState::kFail, "failed", "项未通过");
    add(ControlState::kError, "could not be judged", "项无法判断");
    add(ControlState::kPass, "passed", "项通过");
    add(ControlState::kNothing, "without objects", "项无相关对象");
    add(ControlState::kManual, "to be reviewed by hand", "项需人工审查");
    Paragraph(
        "", 0,
        fmt::format(fmt::runtime(Say("{} controls: {}", "共 {} 项控制：{}")), rows.size(), line));
    Line();
  }

  void WriteControl(const ControlRow& row,
                    const std::unordered_map<std::string_view, std::vector<uint32_t>>& by_check) {
    std::string mark, state;
    auto n = [](uint64_t count) { return Count(count); };
    switch (row.state) {
      case ControlState::kPass:
        mark = Paint(Style::kGreen, "✓");
        state = Paint(Style::kGreen, Say("passed", "通过")) +
                fmt::format(" {}", n(row.tally.passed + row.tally.excused));
        break;
      case ControlState::kFail:
        mark = Paint(Style::kRed, "✗");
        state =
            Paint(Style::kRed, fmt::format("{} {}", Say("failed", "未通过"), n(row.tally.failed))) +
            fmt::format(fmt::runtime(Say(" of {}", " / {}")), n(row.tally.total()));
        break;
      case ControlState::kError:
        mark = Paint(Style::kMagenta, "?");
        state = Paint(Style::kMagenta,
                      fmt::format("{} {}", Say("unread", "无法读取"), n(row.tally.errors)));
        break;
      case ControlState::kNothing:
        mark = Paint(Style::kDim, "·");
        state = Paint(Style::kDim, Say("no such object", "无相关对象"));
        break;
      case ControlState::kManual:
        mark = Paint(Style::kDim, "○");
        state = Paint(Style::kDim, Say("not covered by a check", "无自动检查"));
        break;
    }
    std::string title = Clean(row.title.In(language_));
    std::string text = Clean(row.id) + (title.empty() ? "" : "  " + title);
    // The state stands right-aligned; its colours take no columns.
    size_t state_width = 0;
    bool escape = false;
    for (CodePoint c : CodePoints(state)) {
      if (c.value == 0x1b) escape = true;
      if (!escape) state_width += static_cast<size_t>(DisplayWidth(c.value));
      if (escape && c.value == 'm') escape = false;
    }
    size_t room = width_ - 2 - state_width - 2;
    out_ << mark << " ";
    std::string fitted = Fit(text, room);
    out_ << (row.state == ControlState::kFail ? Paint(Style::kBold, fitted) : fitted) << "  "
         << state << "\n";
    if (row.state != ControlState::kFail && row.state != ControlState::kError &&
        !options_.show_excepted) {
      return;
    }
    std::vector<uint32_t> findings;
    for (const std::string& check : row.checks) {
      auto found = by_check.find(check);
      if (found != by_check.end()) {
        findings.insert(findings.end(), found->second.begin(), found->second.end());
      }
    }
    if (findings.empty()) return;
    std::stable_sort(findings.begin(), findings.end(), [&](uint32_t a, uint32_t b) {
      return std::make_pair(report_.findings.IsExcused(a), report_.findings.SeverityOf(b)) <
             std::make_pair(report_.findings.IsExcused(b), report_.findings.SeverityOf(a));
    });
    size_t shown = options_.all ? findings.size() : std::min(findings.size(), kPerControl);
    for (size_t i = 0; i < shown; ++i) WriteFinding(report_.findings[findings[i]], true);
    if (shown < findings.size()) {
      More(fmt::format(fmt::runtime(Say("… and {} more; --all", "… 另有 {} 项；--all 列出全部")),
                       Count(findings.size() - shown)));
    }
    Line();
  }

  // --- The end -----------------------------------------------------------------------------------

  void WriteUnread() {
    if (report_.unread.empty()) return;
    Rule(Say("Could not be read", "无法读取"));
    size_t shown =
        options_.all ? report_.unread.size() : std::min<size_t>(report_.unread.size(), 20);
    for (size_t i = 0; i < shown; ++i) {
      const Unread& unread = report_.unread[i];
      std::string place = unread.place.ToString();
      std::string text = unread.error;
      // Most errors name the place themselves.
      if (!unread.what.empty() && text.find(unread.what) == std::string::npos) {
        text = unread.what + ": " + text;
      }
      if (!place.empty() && text.find(place) == std::string::npos) text = place + ": " + text;
      Paragraph("  " + Paint(Style::kMagenta, "✗ "), 4, Clean(text));
    }
    if (shown < report_.unread.size()) {
      Line("    " +
           Paint(Style::kDim, fmt::format(fmt::runtime(Say("… and {} more; --all",
                                                           "… 另有 {} 项；--all 列出全部")),
                                          Count(report_.unread.size() - shown))));
    }
    Line();
  }

  void WriteWarnings() {
    for (const std::string& warning : report_.warnings) {
      std::string_view word = Say("warning: ", "警告：");
      Paragraph(Paint(Style::kYellow, word), DisplayWidth(word), Clean(warning));
    }
    if (!report_.warnings.empty()) Line();
  }

  std::string Bar(double share, size_t cells, int score) const {
    auto full = static_cast<size_t>(share * static_cast<double>(cells) + 0.5);
    if (full == cells && share < 1) --full;
    std::string filled, rest;
    for (size_t i = 0; i < full; ++i) filled += "█";
    for (size_t i = full; i < cells; ++i) rest += "░";
    return PaintScore(score, filled) + Paint(Style::kDim, rest);
  }

  void WriteSummary() {
    const Tally& total = report_.total;
    Numbers numbers = NumbersOf(report_, options_);
    Rule(Say("Summary", "摘要"));
    std::string target = Clean(report_.target);
    std::string what;
    if (!target.empty()) what = target + Say(": ", "：").data();
    if (language_ == Language::kChinese) {
      what += fmt::format("{} 个对象，{} 项检查", Count(report_.objects), Count(total.total()));
      if (!report_.kubernetes.empty()) what += fmt::format("，Kubernetes {}", report_.kubernetes);
    } else {
      what += fmt::format("{}, {}", Counted(report_.objects, "object", "objects"),
                          Counted(total.total(), "assessment", "assessments"));
      if (!report_.kubernetes.empty()) what += fmt::format(", Kubernetes {}", report_.kubernetes);
    }
    Paragraph("", 0, what);

    if (total.total() == 0) {
      Line(Paint(Style::kYellow, Say("Nothing was judged.", "没有可检查的内容。")));
    } else {
      WriteHealth(total);
    }
    std::vector<std::string> facts;
    if (total.failed > 0) {
      facts.push_back(
          fmt::format(fmt::runtime(Say("{} failed", "未通过 {}")), Count(total.failed)));
    }
    if (options_.baseline) {
      facts.push_back(fmt::format(fmt::runtime(Say("{} new since the baseline", "较基线新增 {}")),
                                  Count(numbers.is_new)));
    }
    if (total.excused > 0) {
      std::string fact =
          fmt::format(fmt::runtime(Say("{} excepted", "已豁免 {}")), Count(total.excused));
      if (!options_.show_excepted) fact += Say(" (--show-excepted)", "（--show-excepted）");
      facts.push_back(fact);
    }
    uint64_t unread = total.errors + report_.unread.size();
    if (unread > 0) {
      facts.push_back(
          fmt::format(fmt::runtime(Say("{} could not be read", "无法读取 {}")), Count(unread)));
    }
    if (numbers.below > 0) {
      facts.push_back(
          fmt::format(fmt::runtime(Say("{} below {} not listed", "{} 项低于“{}”，未列出")),
                      Count(numbers.below), SeverityWord(options_.min_severity, language_)));
    }
    if (!facts.empty()) Paragraph("", 0, Join(facts, Say(", ", "，")));
    if (total.failed > 0) WriteSeverities(total);
    WriteCategories();
    WriteWorst(Say("Worst namespaces", "风险最高的命名空间"),
               report_.by_namespace.size() > 1 ? WorstNamespaces(report_, kWorst, language_)
                                               : std::vector<Worst>{});
    WriteWorst(Say("Worst objects", "风险最高的对象"),
               report_.assets.size() > 1 ? WorstAssets(report_, kWorst) : std::vector<Worst>{});
    WriteNext(numbers);
  }

  void WriteHealth(const Tally& total) {
    int score = total.Score();
    std::string left = fmt::format("{} {:>3} ", Say("Health", "健康度"), score);
    std::string right = fmt::format(fmt::runtime(Say(" {} % passed", " 通过率 {}%")),
                                    Percent(total.PassedPercent()));
    size_t used = DisplayWidth(left) + DisplayWidth(right);
    size_t cells = std::min<size_t>(40, width_ > used + 10 ? width_ - used : 10);
    // No score is good while something critical is open.
    int colour = total.by_severity[static_cast<size_t>(Severity::kCritical)] > 0 ? 0
                 : total.by_severity[static_cast<size_t>(Severity::kHigh)] > 0 ? std::min(score, 89)
                                                                               : score;
    Line(Paint(Style::kBold, left) + Bar(score / 100.0, cells, colour) + right);
  }

  void WriteSeverities(const Tally& total) {
    std::string line;
    size_t used = 0;
    for (int i = kSeverities; i-- > 0;) {
      auto severity = static_cast<Severity>(i);
      uint64_t n = total.by_severity[static_cast<size_t>(i)];
      if (n == 0 && (severity == Severity::kUnknown || severity == Severity::kInfo)) continue;
      std::string text = CountOf(n, severity, language_);
      size_t needs = DisplayWidth(text) + (used == 0 ? 0 : 3);
      if (used + needs > width_) {
        line += "\n";
        used = 0;
        needs -= 3;
      }
      line += (used == 0 ? "" : "   ") +
              (n == 0 ? Paint(Style::kDim, text) : PaintSeverity(severity, text));
      used += needs;
    }
    Line(line);
  }

  void WriteCategories() {
    auto categories = CategoriesOf(report_);
    if (categories.empty()) return;
    Line();
    size_t name_width = 0;
    for (const auto& [id, tally] : categories) {
      name_width = std::max(name_width, DisplayWidth(Clean(CategoryName(id, language_))));
    }
    name_width = std::min<size_t>(name_width, 24);
    for (const auto& [id, tally] : categories) {
      int score = tally->Score();
      std::string failed = BySeverity(*tally, language_);
      if (failed.empty()) {
        failed = tally->errors > 0
                     ? fmt::format(fmt::runtime(Say("{} could not be read", "无法读取 {}")),
                                   Count(tally->errors))
                     : std::string(Say("nothing to do", "无问题"));
      }
      size_t cells = width_ >= 70 ? 20 : 10;
      out_ << "  " << Fit(Clean(CategoryName(id, language_)), name_width) << " "
           << PaintScore(score, fmt::format("{:>3}", score)) << " "
           << Bar(score / 100.0, cells, score) << "  ";
      size_t used = 2 + name_width + 1 + 3 + 1 + cells + 2;
      Line(Paint(Style::kDim, TruncateToWidth(failed, width_ - used)));
    }
  }

  void WriteWorst(std::string_view title, const std::vector<Worst>& worst) {
    if (worst.empty()) return;
    Line();
    Line(Paint(Style::kBold, title));
    size_t name_width = 0;
    for (const Worst& w : worst) name_width = std::max(name_width, DisplayWidth(Clean(w.name)));
    name_width = std::min(name_width, width_ / 2);
    for (const Worst& w : worst) {
      int score = w.tally->Score();
      std::string failed = BySeverity(*w.tally, language_);
      if (failed.empty()) failed = Say("could not be read", "无法读取");
      Line("  " + PaintScore(score, fmt::format("{:>3}", score)) + "  " +
           Shorten(Clean(w.name), name_width) +
           std::string(
               name_width - std::min(name_width, DisplayWidth(Shorten(Clean(w.name), name_width))),
               ' ') +
           "  " + Paint(Style::kDim, TruncateToWidth(failed, width_ - name_width - 9)));
    }
  }

  void WriteNext(const Numbers& numbers) {
    if (report_.total.failed == 0) {
      if (report_.total.total() > 0 && report_.total.errors == 0 && report_.unread.empty()) {
        Line();
        Line(Paint(Style::kBoldGreen, "✓ ") + std::string(Say("No findings.", "未发现问题。")));
      }
      return;
    }
    std::vector<std::pair<std::string, std::string>> steps;
    if (numbers.fixable > 0) {
      steps.emplace_back(
          "bulwark inspect --fix=diff " + Clean(report_.target.empty() ? "PATH" : report_.target),
          fmt::format(fmt::runtime(Say("fixes {} of them", "可自动修复 {} 项")),
                      Count(numbers.fixable)));
    }
    if (!numbers.example_check.empty()) {
      steps.emplace_back("bulwark checks show " + Clean(numbers.example_check),
                         std::string(Say("why, and what to do", "查看原因与处理方法")));
    }
    if (steps.empty()) return;
    Line();
    size_t command_width = 0;
    for (const auto& [command, says] : steps) {
      command_width = std::max(command_width, DisplayWidth(command));
    }
    bool beside = command_width + 26 <= width_;
    Line(Paint(Style::kBold, Say("Next", "下一步")));
    for (const auto& [command, says] : steps) {
      if (beside) {
        Line("  " + Paint(Style::kCyan, command) +
             std::string(command_width - DisplayWidth(command) + 2, ' ') +
             Paint(Style::kDim, says));
      } else {
        Line("  " + Paint(Style::kDim, "# " + says));
        Line("  " + Paint(Style::kCyan, command));  // whole, so that it can be copied
      }
    }
  }

  const Report& report_;
  const OutputOptions& options_;
  Language language_;
  size_t width_;
  Out& out_;
  std::unordered_set<std::string> told_;  // checks whose remedy was told
};

}  // namespace

void WriteTable(const Report& report, const OutputOptions& options, const Sink& sink) {
  Out out(sink);
  TableWriter(report, options, out).Write();
}

}  // namespace bulwark::output
