// The report as JSON: one object, its lists with an element a line.
// docs/reference/report.schema.json describes it; a field is added at will, and `formatVersion`
// rises when one changes its meaning.

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <unordered_map>

#include "base/text.h"
#include "formats/json.h"
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

// Findings as text, a thread at a time: what an asset and a check say is made once.
class FindingWriter {
 public:
  FindingWriter(const Report& report, const OutputOptions& options)
      : report_(report), options_(options) {}

  void Append(std::string& out, size_t i) {
    FindingView f = report_.findings.View(i);
    out += "\n{\"id\":\"";
    AppendFindingId(out, f.check, report_.findings.AssetKeyOf(i), f.stable_path);
    out += "\",\"check\":";
    AppendJsonString(out, f.check);
    out += ",\"severity\":\"";
    out += SeverityName(f.severity);
    out += "\",\"status\":\"";
    out += StatusName(f.status);
    out += "\",\"asset\":";
    out += AssetText(*f.asset);
    out += ",\"evidence\":{\"path\":";
    AppendJsonString(out, f.path);
    FieldIf(out, ",\"value\":", f.value);
    FieldIf(out, ",\"container\":", f.container);
    out += "},\"place\":{";
    AppendPlace(out, f);
    out += "},\"message\":";
    AppendJsonString(out, Message(f));
    // The message can be rendered again from this, in another language: checks[].message, or for an
    // error "could not be read".
    out += ",\"messageId\":";
    AppendJsonString(out, f.status == Status::kError ? "assessment.unread" : f.check);
    out += ",\"args\":{";
    AppendArgs(out, f.args);
    out += "},\"fixable\":";
    out += f.fixable ? "true" : "false";
    if (options_.baseline) out += f.is_new ? ",\"new\":true" : ",\"new\":false";
    if (f.excused != nullptr) {
      out += ",\"excepted\":{\"reason\":";
      AppendJsonString(out, f.excused->reason);
      FieldIf(out, ",\"owner\":", f.excused->owner);
      FieldIf(out, ",\"expires\":", f.excused->expires);
      out += f.excused->by_owner ? ",\"byOwner\":true}" : ",\"byOwner\":false}";
    }
    out += '}';
  }

 private:
  static void FieldIf(std::string& out, std::string_view key, std::string_view text) {
    if (text.empty()) return;
    out += key;
    AppendJsonString(out, text);
  }

  static void AppendNumber(std::string& out, std::string_view key, uint32_t number) {
    out += key;
    fmt::format_int digits(number);
    out.append(digits.data(), digits.size());
  }

  static void AppendPlace(std::string& out, const FindingView& f) {
    if (!f.file.empty()) {
      out += "\"file\":";
      AppendJsonString(out, f.file);
    }
    if (f.line == 0) return;
    AppendNumber(out, f.file.empty() ? "\"line\":" : ",\"line\":", f.line);
    AppendNumber(out, ",\"column\":", f.column);
    if (f.end_line == 0) return;
    AppendNumber(out, ",\"endLine\":", f.end_line);
    AppendNumber(out, ",\"endColumn\":", f.end_column);
  }

  void AppendArgs(std::string& out, std::string_view packed) {
    names_.clear();
    ForEachArg(packed, [&](std::string_view name, std::string_view value) {
      // The first of two with one name is the one that is rendered.
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) return;
      if (!names_.empty()) out += ',';
      names_.push_back(name);
      AppendJsonString(out, name);
      out += ':';
      AppendJsonString(out, value);
    });
  }

  const std::string& AssetText(const Asset& asset) {
    if (last_asset_ == &asset) return asset_text_;
    last_asset_ = &asset;
    asset_text_.clear();
    Sink sink = [&](std::string_view text) { asset_text_ += text; };
    {
      Out out(sink);
      JsonOut json(out);
      json.Open('{');
      WriteAsset(json, asset);
      json.Close('}');
    }
    return asset_text_;
  }

  const std::string& Message(const FindingView& f) {
    auto [at, added] = checks_.try_emplace(f.check.data(), nullptr);
    if (added) at->second = report_.FindCheck(f.check);
    static const CheckInfo nothing;
    message_.clear();
    AppendMessage(message_, at->second != nullptr ? *at->second : nothing, f, options_.language);
    if (message_.empty() && at->second != nullptr) {
      message_ = at->second->title.In(options_.language);
    }
    return message_;
  }

  const Report& report_;
  const OutputOptions& options_;
  const Asset* last_asset_ = nullptr;
  std::string asset_text_, message_;
  std::vector<std::string_view> names_;
  std::unordered_map<const char*, const CheckInfo*> checks_;  // by where a finding's text stands
};

// Many findings are turned into text by all processors, a few thousand at a time.
void WriteFindings(Out& out, const Report& report, const OutputOptions& options) {
  constexpr size_t kAtOnce = 2048;
  constexpr size_t kMostThreads = 8;
  const size_t all = report.findings.size();
  size_t shares = std::clamp<size_t>(
      std::min<size_t>(std::thread::hardware_concurrency(), all / kAtOnce), 1, kMostThreads);
  std::vector<FindingWriter> writers(shares, FindingWriter(report, options));
  std::vector<std::string> texts(shares);
  bool first = true;
  for (size_t begin = 0; begin < all; begin += shares * kAtOnce) {
    auto share = [&](size_t i) {
      texts[i].clear();
      size_t from = begin + i * kAtOnce;
      for (size_t at = from; at < std::min(from + kAtOnce, all); ++at) {
        if (!Listed(report, at, options)) continue;
        if (!texts[i].empty()) texts[i] += ',';
        writers[i].Append(texts[i], at);
      }
    };
    {
      std::vector<std::jthread> helpers;
      for (size_t i = 1; i < shares; ++i) helpers.emplace_back([&, i] { share(i); });
      share(0);
    }
    for (const std::string& text : texts) {
      if (text.empty()) continue;
      if (!first) out << ",";
      first = false;
      out.Pass(text);
    }
  }
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
  WriteFindings(out, report, options);
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
