#include "features/node/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark::node {
namespace {

struct Message {
  const char *id, *en, *zh;
};
constexpr Message kMessages[] = {
    {"node.changed", "Node {node} changed: {what}", "节点 {node} 发生变化：{what}"},
    {"node.check.failed", "Node {node} fails the check {check}: {path} is {value}",
     "节点 {node} 未通过检查 {check}：{path} 的值为 {value}"},
    {"node.check.fixed", "Node {node} passes the check {check} again",
     "节点 {node} 已重新通过检查 {check}"},
    {"node.report", "The node's report is not valid", "节点报告无效"},
};

std::string JsonOf(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

// "containerd v1.7.2", "Debian GNU/Linux 12 (bookworm)".
std::string RuntimeOf(const Value& facts) {
  Value runtime = facts["runtimes"][size_t{0}];
  std::string out(runtime.StringAt("name"));
  if (std::string_view version = runtime.StringAt("version"); !version.empty()) {
    out += " " + std::string(version);
  }
  return out;
}

// The top-level facts that differ.
std::string Differences(const Value& before, const Value& after) {
  Arena arena;
  Value a = ParseJson(StableText(before), arena).value();
  Value b = ParseJson(StableText(after), arena).value();
  std::set<std::string> names;
  for (const auto& [one, other] : {std::pair(a, b), std::pair(b, a)}) {
    for (const Value::Entry& entry : one.entries()) {
      const Value* found = other.Find(entry.key);
      if (found == nullptr || *found != entry.value) names.emplace(entry.key.AsString());
    }
  }
  return Join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

struct Tally {
  int passed = 0, failed = 0, errors = 0, manual = 0;
  Severity worst = Severity::kUnknown;
};

Tally Count(const std::vector<NodeAssessment>& assessments) {
  Tally out;
  for (const NodeAssessment& a : assessments) {
    switch (a.status) {
      case Status::kPass: ++out.passed; break;
      case Status::kFail:
        ++out.failed;
        out.worst = std::max(out.worst, FindNodeCheck(a.check)->severity);
        break;
      case Status::kError: ++out.errors; break;
      case Status::kManual: ++out.manual; break;
      case Status::kNotApplicable: break;
    }
  }
  return out;
}

std::string AssetJson(const Asset& asset) {
  return fmt::format(
      R"({{"cluster":"{}","group":"{}","version":"{}","kind":"{}","namespace":"","name":"{}"}})",
      asset.cluster, asset.group, asset.version, asset.kind, asset.name);
}

void AddEvents(const link::Delivered& d, const Value& before,
               const std::vector<NodeAssessment>& now) {
  Asset node{.cluster = d.from.cluster, .version = "v1", .kind = "Node", .name = d.from.node};
  auto add = [&](std::string_view verb, std::string_view message, MessageArgs args) -> Event& {
    Event event;
    event.kind = "node";
    event.verb = std::string(verb);
    event.target = node;
    event.message = std::string(message);
    event.args = std::move(args);
    event.args.emplace_back("node", d.from.node);
    d.events.push_back(std::move(event));
    return d.events.back();
  };
  if (!before.IsMap()) return;  // the first report changes nothing
  std::string what = Differences(before["facts"], d.envelope.payload["facts"]);
  if (!what.empty()) add("changed", "node.changed", {{"what", what}});
  std::map<std::string_view, std::string_view> was;
  for (const Value& item : before["assessments"].items()) {
    was[item.StringAt("check")] = item.StringAt("status");
  }
  for (const NodeAssessment& a : now) {
    bool failed = was[a.check] == StatusName(Status::kFail);
    if (a.status == Status::kFail && !failed) {
      Event& event = add("failed", "node.check.failed",
                         {{"check", a.check}, {"path", a.path}, {"value", a.value}});
      event.rule = a.check;
      event.severity = FindNodeCheck(a.check)->severity;
    } else if (a.status == Status::kPass && failed) {
      add("fixed", "node.check.fixed", {{"check", a.check}}).rule = a.check;
    }
  }
}

}  // namespace

void AddNodeMessages(Catalog& catalog) {
  for (const Message& message : kMessages) {
    catalog.Add(message.id, {.en = message.en, .zh = message.zh});
  }
}

Result<> DefineNodes(store::StateStore& state) {
  using store::ColumnType;
  BW_TRY(state.Define(
      {.name = std::string(kNodes),
       .version = 1,
       .columns = {{.name = "cluster", .path = "cluster", .indexed = true},
                   {.name = "ns", .path = "asset.namespace"},
                   {.name = "name", .path = "node", .full_text = true, .aliases = {"node"}},
                   {.name = "os", .path = "os", .full_text = true},
                   {.name = "kernel", .path = "kernel", .full_text = true},
                   {.name = "runtime", .path = "runtime", .full_text = true},
                   {.name = "kubelet", .path = "kubelet"},
                   {.name = "failed", .path = "failed", .type = ColumnType::kInt},
                   {.name = "worst", .path = "worst", .type = ColumnType::kSeverity},
                   {.name = "check", .path = "failing"},
                   {.name = "reported", .path = "reportedAt", .type = ColumnType::kTime}},
       .default_sort = "name"}));
  return state.Define({.name = std::string(kReports), .version = 1});
}

Asset JudgedAsset(const Asset& facts) {
  if (facts.cluster.empty()) return facts;
  return {.cluster = facts.cluster, .version = "v1", .kind = "Node", .name = facts.name};
}

Result<> TellKept(const NodeOptions& options, store::StateStore& state) {
  if (!options.assessed) return Ok();
  return state.Scan(kReports, store::Query::All(), [&](const store::Record& record) -> Result<> {
    Arena arena;
    Value report = BW_TRY(ParseJson(record.body, arena));
    auto assessments = ParseAssessments(report);
    // Of a version with other checks: its agent reports anew.
    if (!assessments) return Ok();
    Asset asset{.cluster = std::string(report.StringAt("cluster")),
                .group = "bulwark.io",
                .version = "v1",
                .kind = "NodeFacts",
                .name = std::string(report.StringAt("node"))};
    return options.assessed(JudgedAsset(asset), *assessments);
  });
}

Result<> TakeReport(const NodeOptions& options, const link::Delivered& d) {
  if (d.envelope.version != 1) {
    return Error(Code::kUnsupported, "node.report", "a report of a version that is not known");
  }
  const Value& report = d.envelope.payload;
  std::vector<NodeAssessment> assessments = BW_TRY(ParseAssessments(report));
  Value facts = report["facts"];
  Asset asset{.cluster = d.from.cluster,
              .group = "bulwark.io",
              .version = "v1",
              .kind = "NodeFacts",
              .name = d.from.node};
  std::string id = link::AgentId(d.from.cluster, d.from.node);
  Timestamp at{d.envelope.time_us / 1'000'000,
               static_cast<int32_t>(d.envelope.time_us % 1'000'000) * 1000};
  std::string reported = FormatRfc3339(at);

  Arena arena;
  std::optional<std::string> old = BW_TRY(d.Get(kReports, id));
  Value before = old ? BW_TRY(ParseJson(*old, arena)) : Value();
  AddEvents(d, before, assessments);

  Tally tally = Count(assessments);
  std::vector<std::string> failing;
  for (const NodeAssessment& a : assessments) {
    if (a.status == Status::kFail) failing.push_back("\"" + a.check + "\"");
  }
  std::string_view release = facts["kernel"].StringAt("release");
  std::string summary = fmt::format(
      R"("os":{},"kernel":{},"runtime":{},"kubelet":{},"passed":{},"failed":{},"errors":{},"manual":{},"worst":"{}")",
      JsonOf(facts["os"].StringAt("prettyName")), JsonOf(release), JsonOf(RuntimeOf(facts)),
      JsonOf(facts["kubelet"].StringAt("version")), tally.passed, tally.failed, tally.errors,
      tally.manual, SeverityName(tally.worst));
  d.state.Put(
      kNodes, id,
      fmt::format(
          R"({{"id":"{}","asset":{},"cluster":"{}","node":"{}",{},"failing":[{}],"reportedAt":"{}"}})",
          id, AssetJson(asset), d.from.cluster, d.from.node, summary, Join(failing, ","),
          reported));
  // What is stored is what was understood, and no more of what a node may send.
  std::string body = ReportJson(facts, assessments);
  body.pop_back();
  d.state.Put(kReports, id,
              fmt::format(R"({},"cluster":"{}","node":"{}","reportedAt":"{}"}})", body,
                          d.from.cluster, d.from.node, reported));
  if (d.store.Fields("assets") != nullptr) {
    std::string key = asset.Key();
    std::optional<std::string> known = BW_TRY(d.Get("assets", key));
    Value was = known ? BW_TRY(ParseJson(*known, arena)) : Value();
    d.state.Put(
        "assets", key,
        fmt::format(
            R"({{"asset":{},"uid":"","labels":[],"images":[],"node":"{}","createdAt":"{}","firstSeen":"{}","lastSeen":"{}","summary":{{{}}}}})",
            AssetJson(asset), d.from.node, was.StringAt("createdAt", reported),
            was.StringAt("firstSeen", reported), reported, summary));
  }
  if (options.assessed) BW_TRY(options.assessed(JudgedAsset(asset), assessments));
  return Ok{};
}

Result<std::string> RenderReport(std::string_view record, Language language) {
  Arena arena;
  Value report = BW_TRY(ParseJson(record, arena));
  MapBuilder out(arena);
  for (const Value::Entry& entry : report.entries()) {
    if (entry.key.AsString() != "assessments") {
      out.Add(entry.key, entry.value);
      continue;
    }
    std::vector<Value> rendered;
    for (const Value& item : entry.value.items()) {
      MapBuilder one(arena);
      for (const Value::Entry& field : item.entries()) one.Add(field.key, field.value);
      if (const CheckInfo* check = FindNodeCheck(item.StringAt("check")); check != nullptr) {
        one.Add("severity", Value::String(SeverityName(check->severity)));
        one.Add("category", Value::String(check->category));
        one.Add("title", Value::String(check->title.In(language)));
        one.Add("description", Value::String(check->description.In(language)));
        one.Add("remedy", Value::String(check->remedy.In(language)));
        std::vector<Value> controls;
        for (const auto& [framework, ids] : check->controls) {
          for (const std::string& control : ids) {
            controls.push_back(Value::String(arena, framework + "/" + control));
          }
        }
        one.Add("controls", Value::Array(arena, controls));
      }
      rendered.push_back(one.Finish());
    }
    out.Add("assessments", Value::Array(arena, rendered));
  }
  return ToJson(out.Finish());
}

}  // namespace bulwark::node
