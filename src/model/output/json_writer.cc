// The report as JSON: one object, its lists with an element a line.
// docs/reference/report.schema.json describes it; a field is added at will, and `formatVersion`
// rises when one changes its meaning.

#include "base/text.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

void WriteTally(JsonOut& json, const Tally& tally) {
  json.Field("passed", tally.passed)
      .Field("failed", tally.failed)
      .Field("excepted", tally.excused)
      .Field("errors", tally.errors)
      .Field("total", tally.total());
  json.Key("passedPercent").Double(tally.PassedPercent());
  json.Field("score", static_cast<uint64_t>(tally.Score()));
  json.Key("bySeverity").Open('{');
  for (int i = kSeverities; i-- > 0;) {
    auto severity = static_cast<Severity>(i);
    json.Field(SeverityName(severity), tally.by_severity[static_cast<size_t>(i)]);
  }
  json.Close('}');
}

void WriteTallies(JsonOut& json, std::string_view key, const std::map<std::string, Tally>& all) {
  json.Line().Key(key).Open('{');
  for (const auto& [name, tally] : all) {
    json.Line().Key(name).Open('{');
    WriteTally(json, tally);
    json.Close('}');
  }
  json.Close('}');
}

void WriteText(JsonOut& json, std::string_view key, const Text& text) {
  if (text.empty()) return;
  json.Key(key).Open('{').FieldIf("en", text.en).FieldIf("zh", text.zh).Close('}');
}

void WriteStrings(JsonOut& json, std::string_view key, const std::vector<std::string>& all) {
  json.Key(key).Open('[');
  for (const std::string& s : all) json.String(s);
  json.Close(']');
}

void WritePlace(JsonOut& json, const Place& place) {
  json.FieldIf("file", place.file);
  if (place.line == 0) return;
  json.Field("line", uint64_t{place.line}).Field("column", uint64_t{place.column});
  if (place.end_line == 0) return;
  json.Field("endLine", uint64_t{place.end_line}).Field("endColumn", uint64_t{place.end_column});
}

void WriteAsset(JsonOut& json, const Asset& asset) {
  json.FieldIf("cluster", asset.cluster)
      .Field("apiVersion", asset.ApiVersion())
      .Field("kind", asset.kind)
      .FieldIf("namespace", asset.ns)
      .Field("name", asset.name);
}

void WriteCheck(JsonOut& json, const CheckInfo& check) {
  json.Line().Open('{').Field("id", check.id);
  json.Field("severity", SeverityName(check.severity)).Field("category", check.category);
  WriteText(json, "title", check.title);
  WriteText(json, "description", check.description);
  WriteText(json, "why", check.why);
  WriteText(json, "remedy", check.remedy);
  WriteText(json, "message", check.message);
  WriteStrings(json, "mitre", check.mitre);
  json.Key("controls").Open('{');
  for (const auto& [framework, controls] : check.controls) WriteStrings(json, framework, controls);
  json.Close('}').Field("hasFix", check.has_fix).FieldIf("origin", check.origin).Close('}');
}

void WriteFinding(JsonOut& json, const Report& report, const Finding& f,
                  const OutputOptions& options) {
  json.Line().Open('{').Field("id", f.id).Field("check", f.check);
  json.Field("severity", SeverityName(f.severity)).Field("status", StatusName(f.status));
  json.Key("asset").Open('{');
  WriteAsset(json, f.asset);
  json.Close('}').Key("evidence").Open('{').Field("path", f.evidence.path);
  json.FieldIf("value", f.evidence.value).FieldIf("container", f.evidence.container).Close('}');
  json.Key("place").Open('{');
  WritePlace(json, f.evidence.place);
  json.Close('}').Field("message", MessageIn(report, f, options.language));
  // The message can be rendered again from this, in another language: checks[].message, or for an
  // error "could not be read".
  json.Field("messageId", f.status == Status::kError ? std::string_view("assessment.unread")
                                                     : std::string_view(f.check));
  json.Key("args").Open('{');
  for (size_t i = 0; i < f.args.size(); ++i) {
    // The first of two with one name is the one that is rendered.
    bool repeated = false;
    for (size_t j = 0; j < i; ++j) repeated = repeated || f.args[j].first == f.args[i].first;
    if (!repeated) json.Field(f.args[i].first, f.args[i].second);
  }
  json.Close('}').Field("fixable", f.fixable);
  if (options.baseline) json.Field("new", f.is_new);
  if (f.excused) {
    json.Key("excepted").Open('{').Field("reason", f.excused->reason);
    json.FieldIf("owner", f.excused->owner).FieldIf("expires", f.excused->expires);
    json.Field("byOwner", f.excused->by_owner).Close('}');
  }
  json.Close('}');
}

void WriteFramework(JsonOut& json, const Report& report, const Framework& framework) {
  json.Line().Open('{').Field("id", framework.id).FieldIf("version", framework.version);
  json.FieldIf("url", framework.url);
  WriteText(json, "title", framework.title);
  json.Key("controls").Open('[');
  for (const ControlRow& row : ControlsOf(report, framework.id)) {
    json.Line().Open('{').Field("id", row.id);
    WriteText(json, "title", row.title);
    json.Field("status", ControlStateName(row.state));
    WriteStrings(json, "checks", row.checks);
    json.Key("tally").Open('{');
    WriteTally(json, row.tally);
    json.Close('}').Close('}');
  }
  json.Close(']').Close('}');
}

void WriteFix(JsonOut& json, const FileFix& fix) {
  json.Line().Open('{').Field("file", fix.file).Field("diff", fix.diff);
  WriteStrings(json, "findings", fix.findings);
  json.Key("replacements").Open('[');
  for (const FileFix::Replacement& r : fix.replacements) {
    json.Open('{').Field("finding", r.finding);
    json.Field("begin", uint64_t{r.begin}).Field("end", uint64_t{r.end});
    json.Field("line", uint64_t{r.begin_line}).Field("column", uint64_t{r.begin_column});
    json.Field("endLine", uint64_t{r.end_line}).Field("endColumn", uint64_t{r.end_column});
    json.Field("text", r.text).Close('}');
  }
  json.Close(']').Close('}');
}

}  // namespace

void WriteJson(const Report& report, const OutputOptions& options, const Sink& sink) {
  Out out(sink);
  JsonOut json(out);
  json.Open('{').Line().Field("format", "bulwark.report").Field("formatVersion", uint64_t{1});
  json.Line().Key("tool").Open('{').Field("name", "bulwark");
  json.Field("version", report.tool_version).Close('}');
  json.Field("started", report.started).Field("target", report.target);
  json.Field("kubernetes", report.kubernetes).Field("objects", report.objects);
  json.Field("language", Pick(options.language, "en", "zh-CN"));
  json.FieldIf("framework", options.framework);
  if (options.min_severity != Severity::kUnknown) {
    json.Field("minSeverity", SeverityName(options.min_severity));
  }
  json.Line().Key("summary").Open('{');
  WriteTally(json, report.total);
  Numbers numbers = NumbersOf(report, options);
  json.Field("fixable", numbers.fixable);
  if (options.baseline) json.Field("new", numbers.is_new);
  json.Field("notListed", numbers.below).Close('}');

  json.Line().Key("findings").Open('[');
  for (size_t i = 0; i < report.findings.size(); ++i) {
    if (Listed(report, i, options)) WriteFinding(json, report, report.findings[i], options);
  }
  json.Close(']');

  json.Line().Key("unread").Open('[');
  for (const Unread& unread : report.unread) {
    json.Line().Open('{').Field("what", unread.what).Field("error", unread.error);
    json.Key("place").Open('{');
    WritePlace(json, unread.place);
    json.Close('}').Close('}');
  }
  json.Close(']');
  json.Line();
  WriteStrings(json, "warnings", report.warnings);

  WriteTallies(json, "byCategory", report.by_category);
  WriteTallies(json, "byNamespace", report.by_namespace);
  WriteTallies(json, "byCheck", report.by_check);
  json.Line().Key("frameworks").Open('[');
  for (const Framework& framework : report.frameworks) {
    if (options.framework.empty() || framework.id == options.framework) {
      WriteFramework(json, report, framework);
    }
  }
  // Tallies of a framework that no content describes.
  for (const auto& [id, tallies] : report.by_control) {
    if (FindFramework(report, id) != nullptr) continue;
    if (options.framework.empty() || id == options.framework) {
      WriteFramework(json, report, {.id = id});
    }
  }
  json.Close(']');
  json.Line().Key("assets").Open('[');
  for (const AssetTally& asset : report.assets) {
    json.Line().Open('{');
    WriteAsset(json, asset.asset);
    json.Key("place").Open('{');
    WritePlace(json, asset.place);
    json.Close('}').Key("tally").Open('{');
    WriteTally(json, asset.tally);
    json.Close('}').Close('}');
  }
  json.Close(']');
  json.Line().Key("checks").Open('[');
  for (const CheckInfo& check : report.checks) WriteCheck(json, check);
  json.Close(']');
  json.Line().Key("fixes").Open('[');
  for (const FileFix& fix : report.fixes) WriteFix(json, fix);
  json.Close(']').Close('}');
  out << "\n";
}

}  // namespace bulwark::output
