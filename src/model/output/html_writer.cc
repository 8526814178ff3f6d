// One page that needs nothing else. report.html is the page; this puts the report into it as JSON,
// which the page's script draws in either language. The policy in its head allows exactly the
// script and the style that stand in it, by their hashes.

#include <fmt/format.h>

#include <array>
#include <unordered_map>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "model/output/writers.h"

namespace bulwark::embedded {
std::string_view report_html();
}

namespace bulwark::output {

namespace {

constexpr size_t kMaxDiffs = size_t{2} << 20;  // bytes of fixes that are shown

// What stands between two marks of the page.
std::string_view Between(std::string_view page, std::string_view begin, std::string_view end) {
  size_t from = page.find(begin);
  BW_CHECK(from != page.npos);
  from += begin.size();
  size_t to = page.find(end, from);
  BW_CHECK(to != page.npos);
  return page.substr(from, to - from);
}

// 0 is the worst, as the page orders them.
uint64_t SeverityIndex(Severity severity) {
  return static_cast<uint64_t>(kSeverities - 1 - static_cast<int>(severity));
}

class Data {
 public:
  Data(const Report& report, const OutputOptions& options, Out& out)
      : report_(report), options_(options), json_(out) {}

  void Write() {
    Numbers numbers = NumbersOf(report_, options_);
    json_.Open('{').Field("tool", report_.tool_version).Field("started", report_.started);
    json_.Field("target", report_.target).Field("kubernetes", report_.kubernetes);
    json_.Field("objects", report_.objects).Field("framework", options_.framework);
    json_.Field("lang", Pick(options_.language, "en", "zh-CN"));
    json_.Field("baseline", options_.baseline).Field("newFindings", numbers.is_new);
    json_.Field("fixable", numbers.fixable).Field("below", numbers.below);
    json_.Field("minSeverity", SeverityName(options_.min_severity));
    json_.Key("total");
    WriteTally(report_.total);
    WriteCategories();
    json_.Line().Key("namespaces").Open('[');
    for (const auto& [ns, tally] : report_.by_namespace) named_[&tally] = ns;
    for (const Worst& worst : WorstNamespaces(report_, 8, Language::kEnglish)) {
      json_.Open('[').String(named_[worst.tally]);
      WriteTally(*worst.tally);
      json_.Close(']');
    }
    json_.Close(']');
    WriteChecks();
    WriteFindings();
    WriteWorst();
    WriteAssets();
    WriteFrameworks();
    WriteRest();
    json_.Close('}');
  }

 private:
  void WriteText(const Text& text) {
    json_.Open('[').String(text.en);
    if (!text.zh.empty()) json_.String(text.zh);
    json_.Close(']');
  }

  void WriteTally(const Tally& tally) {
    json_.Open('[').Number(tally.passed).Number(tally.failed).Number(tally.errors);
    json_.Number(tally.excused).Number(static_cast<uint64_t>(tally.Score()));
    json_.String(Percent(tally.PassedPercent()));
    for (int i = kSeverities; i-- > 0;) json_.Number(tally.by_severity[static_cast<size_t>(i)]);
    json_.Close(']');
  }

  void WriteCategories() {
    json_.Line().Key("categories").Open('[');
    for (const auto& [id, tally] : CategoriesOf(report_)) {
      json_.Open('[').String(id);
      WriteText({std::string(CategoryName(id, Language::kEnglish)),
                 std::string(CategoryName(id, Language::kChinese))});
      WriteTally(*tally);
      json_.Close(']');
    }
    json_.Close(']');
  }

  void WriteCheck(const CheckInfo& check) {
    json_.Line().Open('{').Field("id", check.id).Field("category", check.category);
    struct Part {
      std::string_view key;
      const Text& text;
    };
    for (const Part& part :
         {Part{"title", check.title}, Part{"description", check.description},
          Part{"why", check.why}, Part{"remedy", check.remedy}, Part{"message", check.message}}) {
      json_.Key(part.key);
      WriteText(part.text);
    }
    json_.Key("mitre").Open('[');
    for (const std::string& technique : check.mitre) json_.String(technique);
    json_.Close(']').Key("controls").Open('{');
    for (const auto& [framework, controls] : check.controls) {
      json_.Key(framework).Open('[');
      for (const std::string& control : controls) json_.String(control);
      json_.Close(']');
    }
    json_.Close('}').Close('}');
  }

  // Those with findings: what the page never shows does not travel.
  void WriteChecks() {
    json_.Line().Key("checks").Open('[');
    for (size_t i = 0; i < report_.findings.size(); ++i) {
      if (!Listed(report_, i, options_)) continue;
      std::string_view id = report_.findings.CheckOf(i);
      if (!checks_.emplace(id, checks_.size()).second) continue;
      const CheckInfo* check = report_.FindCheck(id);
      if (check != nullptr) {
        WriteCheck(*check);
      } else {
        WriteCheck({.id = std::string(id)});
      }
    }
    json_.Close(']');
  }

  size_t AssetIndex(const Asset& asset) {
    std::string key = asset.Key();
    auto [at, added] = asset_index_.emplace(std::move(key), assets_.size());
    if (added) assets_.push_back(&asset);
    return at->second;
  }

  void WriteFindings() {
    json_.Line().Key("findings").Open('[');
    const Asset* last = nullptr;
    size_t asset = 0;
    std::unordered_map<std::string, size_t> excuse_index;
    for (size_t i = 0; i < report_.findings.size(); ++i) {
      if (!Listed(report_, i, options_)) continue;
      Finding f = report_.findings[i];
      if (last != &report_.findings.AssetOf(i)) {
        last = &report_.findings.AssetOf(i);
        asset = AssetIndex(*last);
      }
      const Evidence& e = f.evidence;
      json_.Line().Open('[').Number(checks_[f.check]).Number(SeverityIndex(f.severity));
      json_.Number(f.status == Status::kError ? 1 : 0).Number(asset);
      json_.String(e.path).String(e.value).String(e.container);
      if (e.place.file.empty()) {
        json_.Double(-1);
      } else {
        auto [at, added] = file_index_.emplace(e.place.file, files_.size());
        if (added) files_.push_back(e.place.file);
        json_.Number(at->second);
      }
      json_.Number(e.place.line).Number(e.place.column);
      json_.Number((f.fixable && !f.excused ? 1U : 0U) | (f.is_new ? 2U : 0U));
      if (!f.excused) {
        json_.Double(-1);
      } else {
        std::string key = fmt::format("{}\n{}\n{}\n{}", f.excused->reason, f.excused->owner,
                                      f.excused->expires, f.excused->by_owner);
        auto [at, added] = excuse_index.emplace(std::move(key), excuses_.size());
        if (added) excuses_.push_back(*f.excused);
        json_.Number(at->second);
      }
      for (const auto& [name, value] : f.args) json_.String(name).String(value);
      json_.Close(']');
    }
    json_.Close(']');
  }

  void WriteWorst() {
    json_.Line().Key("worst").Open('[');
    std::unordered_map<const Tally*, const Asset*> asset_of;
    for (const AssetTally& asset : report_.assets) asset_of[&asset.tally] = &asset.asset;
    for (const Worst& worst : WorstAssets(report_, 8)) {
      json_.Open('[').Number(AssetIndex(*asset_of[worst.tally]));
      WriteTally(*worst.tally);
      json_.Close(']');
    }
    json_.Close(']');
  }

  void WriteAssets() {
    json_.Line().Key("assets").Open('[');
    for (const Asset* asset : assets_) {
      json_.Open('[').String(asset->kind).String(asset->ns).String(asset->name).Close(']');
    }
    json_.Close(']').Line().Key("files").Open('[');
    for (const std::string& file : files_) json_.String(file);
    json_.Close(']').Line().Key("excuses").Open('[');
    for (const Excused& excused : excuses_) {
      json_.Open('[').String(excused.reason).String(excused.owner).String(excused.expires);
      json_.Bool(excused.by_owner).Close(']');
    }
    json_.Close(']');
  }

  void WriteFrameworks() {
    json_.Line().Key("frameworks").Open('[');
    for (const Framework& framework : report_.frameworks) {
      if (!options_.framework.empty() && framework.id != options_.framework) continue;
      json_.Line().Open('{').Field("id", framework.id).Field("version", framework.version);
      // The page makes a link of it.
      bool web = framework.url.starts_with("https://") || framework.url.starts_with("http://");
      json_.Field("url", web ? std::string_view(framework.url) : std::string_view());
      json_.Key("title");
      WriteText(framework.title);
      json_.Key("controls").Open('[');
      for (const ControlRow& row : ControlsOf(report_, framework.id)) {
        json_.Open('[').String(row.id);
        WriteText(row.title);
        json_.Number(static_cast<uint64_t>(row.state)).Number(row.tally.failed);
        json_.Number(row.tally.passed + row.tally.excused).Close(']');
      }
      json_.Close(']').Close('}');
    }
    json_.Close(']');
  }

  void WriteRest() {
    json_.Line().Key("unread").Open('[');
    for (const Unread& unread : report_.unread) {
      json_.Open('[').String(unread.what).String(unread.place.ToString()).String(unread.error);
      json_.Close(']');
    }
    json_.Close(']').Line().Key("warnings").Open('[');
    for (const std::string& warning : report_.warnings) json_.String(warning);
    json_.Close(']').Line().Key("fixes").Open('[');
    size_t bytes = 0;
    bool omitted = false;
    for (const FileFix& fix : report_.fixes) {
      bytes += fix.diff.size();
      if (bytes > kMaxDiffs) {
        omitted = true;
        break;
      }
      json_.Open('[').String(fix.file).String(fix.diff).Number(fix.findings.size()).Close(']');
    }
    json_.Close(']').Field("fixesOmitted", omitted);
  }

  const Report& report_;
  const OutputOptions& options_;
  JsonOut json_;
  std::unordered_map<const Tally*, std::string> named_;
  std::unordered_map<std::string_view, size_t> checks_;
  std::unordered_map<std::string, size_t> asset_index_, file_index_;
  std::vector<const Asset*> assets_;
  std::vector<std::string> files_;
  std::vector<Excused> excuses_;
};

}  // namespace

void WriteHtml(const Report& report, const OutputOptions& options, const Sink& sink) {
  std::string_view page = embedded::report_html();
  std::string style = Base64Encode(Sha256(Between(page, "<style>", "</style>")));
  std::string script = Base64Encode(Sha256(Between(page, "<script>", "</script>")));
  size_t data_at = page.find("@DATA@");
  BW_CHECK(data_at != page.npos);

  std::string head(page.substr(0, data_at));
  head = ReplaceAll(head, "@STYLE@", style);
  head = ReplaceAll(head, "@SCRIPT@", script);
  head = ReplaceAll(head, "@LANG@", Pick(options.language, "en", "zh-CN"));
  sink(head);
  {
    // Inside <script>, HTML ends at "</script" and changes its mind at "<!--". JSON has "<" in
    // strings only, where it can be spelled in another way.
    Sink escaped = [&](std::string_view json) { sink(ReplaceAll(json, "<", "\\u003c")); };
    Out out(escaped);
    Data(report, options, out).Write();
  }
  sink(page.substr(data_at + std::string_view("@DATA@").size()));
}

}  // namespace bulwark::output
