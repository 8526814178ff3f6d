// CSV as RFC 4180: a header, then a line a finding, CRLF at the end of each.

#include <string>

#include "base/text.h"
#include "model/output/writers.h"

namespace bulwark::output {

namespace {

std::string WithoutControls(std::string_view text) {
  std::string out;
  for (CodePoint c : CodePoints(text)) {
    bool control = c.value < 0x20 && c.value != '\n' && c.value != '\t';
    AppendUtf8(out, control || c.value == 0x7f ? kReplacement : c.value);
  }
  return out;
}

std::string Joined(const std::vector<std::string>& parts) { return Join(parts, " "); }

std::string ControlsText(const CheckInfo& check) {
  std::string out;
  for (const auto& [framework, controls] : check.controls) {
    for (const std::string& control : controls) {
      if (!out.empty()) out += ' ';
      out += framework + ":" + control;
    }
  }
  return out;
}

}  // namespace

void WriteCsv(const Report& report, const OutputOptions& options, const Sink& sink) {
  Out out(sink);
  if (options.csv_bom) out << "\xef\xbb\xbf";
  out << "severity,status,check,title,category,kind,namespace,name,container,message,file,line,"
         "column,"
         "path,value,fixable,new,reason,owner,expires,remedy,mitre,controls,cluster,id\r\n";
  for (size_t i = 0; i < report.findings.size(); ++i) {
    if (!Listed(report, i, options)) continue;
    Finding f = report.findings[i];
    static const CheckInfo kUnknown;
    const CheckInfo* found = report.FindCheck(f.check);
    const CheckInfo& check = found != nullptr ? *found : kUnknown;
    const Place& place = f.evidence.place;
    const Excused excused = f.excused.value_or(Excused{});
    bool first = true;
    auto field = [&](std::string_view text) {
      if (!first) out << ",";
      first = false;
      // No reader of CSV makes anything of malformed bytes and controls; a NUL ends the text of
      // some, and a terminal obeys the rest.
      out << EscapeCsvField(WithoutControls(text));
    };
    auto number = [&](uint32_t n) { field(n == 0 ? "" : std::to_string(n)); };
    field(SeverityName(f.severity));
    field(f.excused ? "excepted" : StatusName(f.status));
    field(f.check);
    field(check.title.In(options.language));
    field(check.category);
    field(f.asset.kind);
    field(f.asset.ns);
    field(f.asset.name);
    field(f.evidence.container);
    field(MessageIn(report, f, options.language));
    field(place.file);
    number(place.line);
    number(place.column);
    field(f.evidence.path);
    field(f.evidence.value);
    field(f.fixable ? "yes" : "no");
    field(!options.baseline ? "" : (f.is_new ? "yes" : "no"));
    field(excused.reason);
    field(excused.by_owner && excused.owner.empty() ? "(annotation)" : excused.owner);
    field(excused.expires);
    field(check.remedy.In(options.language));
    field(Joined(check.mitre));
    field(ControlsText(check));
    field(f.asset.cluster);
    field(f.id);
    out << "\r\n";
  }
}

}  // namespace bulwark::output
