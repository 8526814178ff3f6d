// SARIF 2.1.0 (OASIS standard, errata 01): one run.
//
//   tool.driver.rules    every check that ran; levels, help, tags, security-severity (the property
//                        that code-scanning services sort by), relationships to taxonomies
//   taxonomies           the frameworks, and MITRE ATT&CK
//   results              findings: kind fail; "open" for what could not be read; suppressed ones
//                        for exceptions; partialFingerprints hold the finding's id
//   invocations          notifications of unread inputs and warnings
//
// Columns count UTF-16 code units (columnKind), ours are bytes: each needs its source line.

#include <fmt/format.h>

#include <unordered_map>

#include "base/text.h"
#include "formats/json.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

constexpr std::string_view kFingerprint = "bulwarkFindingId/v1";
constexpr std::string_view kMitre = "mitre";

std::string_view Level(Severity severity) {
  switch (severity) {
    case Severity::kCritical:
    case Severity::kHigh: return "error";
    case Severity::kMedium: return "warning";
    default: return "note";
  }
}

// As CVSS words its ranges; the middle of each.
std::string_view SecuritySeverity(Severity severity) {
  switch (severity) {
    case Severity::kCritical: return "9.5";
    case Severity::kHigh: return "8.0";
    case Severity::kMedium: return "5.5";
    case Severity::kLow: return "2.5";
    default: return "0.0";
  }
}

// RFC 3986: a relative reference, or file:/// for an absolute path.
std::string Uri(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  std::string out = path.starts_with('/') ? "file://" : "";
  for (char c : path) {
    if (IsAsciiLetter(c) || IsAsciiDigit(c) ||
        std::string_view("-._~/!$'()*+,;=@").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// The column in UTF-16 units of a byte column, both from 1.
uint64_t Utf16Column(std::string_view line, uint32_t byte_column) {
  uint64_t units = 1;
  for (size_t at = 0; at < line.size() && at + 1 < byte_column;) {
    CodePoint c = DecodeUtf8(line, at);
    units += c.value > 0xffff ? 2 : 1;
    at += c.length;
  }
  return units;
}

class SarifWriter {
 public:
  SarifWriter(const Report& report, const OutputOptions& options, Out& out)
      : report_(report), options_(options), json_(out) {
    for (size_t i = 0; i < report.checks.size(); ++i) rule_index_[report.checks[i].id] = i;
    for (const FileFix& fix : report.fixes) {
      for (const FileFix::Replacement& r : fix.replacements) {
        fixes_[r.finding].push_back({&fix.file, &r});
      }
    }
    for (const CheckInfo& check : report.checks) {
      for (const auto& [framework, controls] : check.controls) {
        for (const std::string& control : controls) NeedTaxon(framework, control);
      }
      for (const std::string& technique : check.mitre) NeedTaxon(std::string(kMitre), technique);
    }
    for (const Framework& framework : report.frameworks) {
      for (const Control& control : framework.controls) NeedTaxon(framework.id, control.id);
    }
  }

  void Write() {
    json_.Open('{').Field("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json_.Field("version", "2.1.0").Key("runs").Open('[').Open('{');
    WriteTool();
    WriteTaxonomies();
    WriteInvocation();
    json_.Line().Field("columnKind", "utf16CodeUnits");
    json_.Field("language", Pick(options_.language, "en", "zh-CN"));
    json_.Key("automationDetails").Open('{').Field("id", "bulwark/inspect/").Close('}');
    json_.Line().Key("results").Open('[');
    for (size_t i = 0; i < report_.findings.size(); ++i) {
      if (Listed(report_, i, options_)) WriteResult(report_.findings[i]);
    }
    json_.Close(']').Close('}').Close(']').Close('}');
  }

 private:
  struct Edit {
    const std::string* file;
    const FileFix::Replacement* replacement;
  };

  void NeedTaxon(const std::string& framework, const std::string& control) {
    auto& taxa = taxa_[framework];
    if (taxa.index.emplace(control, taxa.ids.size()).second) taxa.ids.push_back(control);
  }

  void Message(std::string_view key, std::string_view text) {
    if (!text.empty()) json_.Key(key).Open('{').Field("text", text).Close('}');
  }

  std::string HelpMarkdown(const CheckInfo& check) const {
    Language l = options_.language;
    std::string out;
    auto part = [&](std::string_view heading, const std::string& text) {
      if (text.empty()) return;
      if (!out.empty()) out += "\n\n";
      if (!heading.empty()) out += fmt::format("**{}** ", heading);
      out += text;
    };
    part("", check.description.In(l));
    part(Pick(l, "Why it matters:", "风险："), check.why.In(l));
    part(Pick(l, "Remedy:", "处理建议："), check.remedy.In(l));
    std::string covers;
    for (const auto& [framework, controls] : check.controls) {
      covers +=
          fmt::format("\n- {}: {}", FrameworkTitle(report_, framework, l), Join(controls, ", "));
    }
    part(Pick(l, "Covers:", "对应条款："), covers);
    part("", fmt::format("`bulwark checks show {}`", check.id));
    return out;
  }

  std::string HelpText(const CheckInfo& check) const {
    Language l = options_.language;
    std::string out = check.remedy.In(l);
    if (out.empty()) out = check.description.In(l);
    if (!check.why.In(l).empty()) out = check.why.In(l) + "\n" + out;
    return out.empty() ? check.id : out;
  }

  void WriteRule(const CheckInfo& check) {
    Language l = options_.language;
    json_.Line().Open('{').Field("id", check.id);
    Message("shortDescription", check.title.In(l).empty() ? check.id : check.title.In(l));
    Message("fullDescription", check.description.In(l));
    json_.Key("help").Open('{').Field("text", HelpText(check));
    json_.Field("markdown", HelpMarkdown(check)).Close('}');
    json_.Key("defaultConfiguration").Open('{').Field("level", Level(check.severity)).Close('}');
    std::map<std::string, std::set<std::string>> covers;
    for (const auto& [framework, controls] : check.controls) {
      covers[framework].insert(controls.begin(), controls.end());
    }
    covers[std::string(kMitre)].insert(check.mitre.begin(), check.mitre.end());
    json_.Key("relationships").Open('[');
    for (const auto& [framework, controls] : covers) {
      for (const std::string& control : controls) {
        json_.Open('{').Key("target").Open('{').Field("id", control);
        json_.Field("index", uint64_t{taxa_[framework].index[control]});
        json_.Key("toolComponent").Open('{').Field("name", framework);
        json_.Field("index",
                    static_cast<uint64_t>(std::distance(taxa_.begin(), taxa_.find(framework))));
        json_.Close('}').Close('}').Key("kinds").Open('[').String("relevant").Close(']');
        json_.Close('}');
      }
    }
    json_.Close(']').Key("properties").Open('{').Key("tags").Open('[');
    json_.String("security").String("kubernetes");
    if (!check.category.empty() && check.category != "security") json_.String(check.category);
    for (const auto& [framework, controls] : covers) {
      for (const std::string& control : controls) json_.String(framework + "/" + control);
    }
    json_.Close(']').Field("security-severity", SecuritySeverity(check.severity));
    json_.Field("severity", SeverityName(check.severity)).Field("precision", "very-high");
    json_.Close('}').Close('}');
  }

  void WriteTool() {
    json_.Line().Key("tool").Open('{').Key("driver").Open('{').Field("name", "bulwark");
    json_.Field("fullName", "Bulwark container security");
    if (!report_.tool_version.empty()) {
      json_.Field("version", report_.tool_version);
      json_.Field("semanticVersion", report_.tool_version);
    }
    json_.Key("supportedTaxonomies").Open('[');
    uint64_t index = 0;
    for (const auto& [framework, taxa] : taxa_) {
      json_.Open('{').Field("name", framework).Field("index", index++).Close('}');
    }
    json_.Close(']').Key("notifications").Open('[');
    for (std::string_view id : {"unread", "warning"}) {
      json_.Open('{').Field("id", id).Close('}');
    }
    json_.Close(']').Key("rules").Open('[');
    for (const CheckInfo& check : report_.checks) WriteRule(check);
    json_.Close(']').Close('}').Close('}');
  }

  void WriteTaxonomies() {
    Language l = options_.language;
    json_.Line().Key("taxonomies").Open('[');
    for (const auto& [id, taxa] : taxa_) {
      const Framework* framework = FindFramework(report_, id);
      bool mitre = id == kMitre;
      json_.Line().Open('{').Field("name", id);
      json_.Field("fullName",
                  framework == nullptr && mitre ? "MITRE ATT&CK" : FrameworkTitle(report_, id, l));
      if (framework != nullptr) json_.FieldIf("version", framework->version);
      std::string url = framework != nullptr ? framework->url : "";
      if (url.empty() && mitre) url = "https://attack.mitre.org/";
      json_.FieldIf("informationUri", url);
      json_.Key("taxa").Open('[');
      for (const std::string& taxon : taxa.ids) {
        json_.Open('{').Field("id", taxon);
        const Control* control = framework != nullptr ? framework->Find(taxon) : nullptr;
        if (control != nullptr) Message("shortDescription", control->title.In(l));
        if (mitre && taxon.starts_with('T')) {
          json_.Field("helpUri", fmt::format("https://attack.mitre.org/techniques/{}/",
                                             Uri(ReplaceAll(taxon, ".", "/"))));
        }
        json_.Close('}');
      }
      json_.Close(']').Close('}');
    }
    json_.Close(']');
  }

  void WriteInvocation() {
    bool nothing_read = report_.objects == 0 && !report_.unread.empty();
    json_.Line().Key("invocations").Open('[').Open('{');
    json_.Field("executionSuccessful", !nothing_read);
    json_.FieldIf("startTimeUtc", report_.started);
    json_.Key("toolExecutionNotifications").Open('[');
    for (const Unread& unread : report_.unread) {
      json_.Line().Open('{').Key("descriptor").Open('{').Field("id", "unread").Close('}');
      json_.Field("level", "error");
      Message("message", fmt::format("{}: {}", unread.what, unread.error));
      if (!unread.place.file.empty()) {
        json_.Key("locations").Open('[').Open('{');
        WritePhysicalLocation(unread.place);
        json_.Close('}').Close(']');
      }
      json_.Close('}');
    }
    for (const std::string& warning : report_.warnings) {
      json_.Line().Open('{').Key("descriptor").Open('{').Field("id", "warning").Close('}');
      json_.Field("level", "warning");
      Message("message", warning.empty() ? "-" : warning);
      json_.Close('}');
    }
    json_.Close(']').Key("properties").Open('{').FieldIf("target", report_.target);
    json_.FieldIf("kubernetes", report_.kubernetes).Field("objects", report_.objects);
    json_.Field("assessments", report_.total.total()).Field("passed", report_.total.passed);
    json_.Field("score", static_cast<uint64_t>(report_.total.Score()));
    json_.Close('}').Close('}').Close(']');
  }

  // The column in UTF-16 units; nothing where the source is not at hand.
  std::optional<uint64_t> Column(const std::string& file, uint32_t line, uint32_t column) {
    if (!options_.line_of || line == 0 || column == 0) return std::nullopt;
    if (file != line_file_ || line != line_number_) {
      line_ = options_.line_of(file, line);
      line_file_ = file;
      line_number_ = line;
    }
    if (!line_) return std::nullopt;
    return Utf16Column(*line_, column);
  }

  void WriteRegion(const std::string& file, uint32_t line, uint32_t column, uint32_t end_line,
                   uint32_t end_column) {
    json_.Open('{').Field("startLine", uint64_t{line});
    std::optional<uint64_t> start = Column(file, line, column);
    if (start) json_.Field("startColumn", *start);
    // An end that is not past its start is nobody's region.
    bool ends = end_line > line || (end_line == line && end_column >= column);
    if (ends && end_line != 0) {
      std::optional<uint64_t> end = Column(file, end_line, end_column);
      if (start && end) {
        json_.Field("endLine", uint64_t{end_line}).Field("endColumn", *end);
      } else {
        // A range that ends before the first byte of a line ends on the line before.
        uint32_t last = end_column <= 1 && end_line > line ? end_line - 1 : end_line;
        json_.Field("endLine", uint64_t{last});
      }
    }
    json_.Close('}');
  }

  void WritePhysicalLocation(const Place& place) {
    json_.Key("physicalLocation").Open('{').Key("artifactLocation").Open('{');
    json_.Field("uri", place.file == "-" ? "stdin" : Uri(place.file)).Close('}');
    if (place.line != 0) {
      json_.Key("region");
      WriteRegion(place.file, place.line, place.column, place.end_line, place.end_column);
    }
    json_.Close('}');
  }

  void WriteFixes(const Finding& f) {
    auto found = fixes_.find(f.id);
    if (found == fixes_.end()) return;
    json_.Key("fixes").Open('[').Open('{');
    const CheckInfo* check = report_.FindCheck(f.check);
    if (check != nullptr) Message("description", check->remedy.In(options_.language));
    json_.Key("artifactChanges").Open('[');
    const std::string* file = nullptr;
    for (const Edit& edit : found->second) {
      if (file == nullptr || *file != *edit.file) {
        if (file != nullptr) json_.Close(']').Close('}');
        file = edit.file;
        json_.Open('{').Key("artifactLocation").Open('{');
        json_.Field("uri", *file == "-" ? "stdin" : Uri(*file)).Close('}');
        json_.Key("replacements").Open('[');
      }
      const FileFix::Replacement& r = *edit.replacement;
      json_.Open('{').Key("deletedRegion");
      if (Column(*file, r.begin_line, r.begin_column) && Column(*file, r.end_line, r.end_column)) {
        WriteRegion(*file, r.begin_line, r.begin_column, r.end_line, r.end_column);
      } else {
        json_.Open('{').Field("byteOffset", uint64_t{r.begin});
        json_.Field("byteLength", uint64_t{r.end - r.begin}).Close('}');
      }
      if (!r.text.empty()) json_.Key("insertedContent").Open('{').Field("text", r.text).Close('}');
      json_.Close('}');
    }
    json_.Close(']').Close('}').Close(']').Close('}').Close(']');
  }

  void WriteResult(const Finding& f) {
    json_.Line().Open('{').Field("ruleId", f.check);
    auto rule = rule_index_.find(f.check);
    if (rule != rule_index_.end()) json_.Field("ruleIndex", uint64_t{rule->second});
    bool unread = f.status == Status::kError;
    if (unread) json_.Field("kind", "open");
    json_.Field("level", unread ? "none" : Level(f.severity));
    std::string message = MessageIn(report_, f, options_.language);
    Message("message", fmt::format("{}: {}", f.asset.Label(), message));
    json_.Key("locations").Open('[').Open('{');
    if (!f.evidence.place.file.empty()) WritePhysicalLocation(f.evidence.place);
    json_.Key("logicalLocations").Open('[').Open('{').Field("name", f.asset.name);
    json_.Field("fullyQualifiedName", f.asset.Key() + "#" + f.evidence.path);
    json_.Field("kind", "resource").Close('}').Close(']').Close('}').Close(']');
    json_.Key("partialFingerprints").Open('{').Field(kFingerprint, f.id).Close('}');
    if (options_.baseline) json_.Field("baselineState", f.is_new ? "new" : "unchanged");
    if (f.excused) {
      json_.Key("suppressions").Open('[').Open('{');
      json_.Field("kind", f.excused->by_owner ? "inSource" : "external");
      json_.Field("status", "accepted").Field("justification", f.excused->reason);
      json_.Key("properties").Open('{').FieldIf("owner", f.excused->owner);
      json_.FieldIf("expires", f.excused->expires).Close('}').Close('}').Close(']');
    } else {
      // Once any result of a run says so, all must: an empty list is "not suppressed".
      json_.Key("suppressions").Open('[').Close(']');
    }
    WriteFixes(f);
    json_.Key("properties").Open('{').Field("severity", SeverityName(f.severity));
    json_.Field("object", f.asset.Label()).Field("path", f.evidence.path);
    json_.FieldIf("value", f.evidence.value).FieldIf("container", f.evidence.container);
    json_.Field("fixable", f.fixable).Close('}').Close('}');
  }

  const Report& report_;
  const OutputOptions& options_;
  JsonOut json_;
  struct Taxa {
    std::map<std::string, size_t> index;
    std::vector<std::string> ids;
  };
  std::map<std::string, Taxa> taxa_;
  std::unordered_map<std::string, size_t> rule_index_;
  std::unordered_map<std::string, std::vector<Edit>> fixes_;
  std::string line_file_;
  uint32_t line_number_ = 0;
  std::optional<std::string> line_;
};

}  // namespace

void WriteSarif(const Report& report, const OutputOptions& options, const Sink& sink) {
  Out out(sink);
  SarifWriter(report, options, out).Write();
  out << "\n";
}

}  // namespace bulwark::output
