#include "features/posture/server/schemas.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "features/posture/server/exception_book.h"
#include "platform/api/api.h"

namespace bulwark::posture {
namespace {

constexpr std::string_view kFinding = R"({"type":"object",
  "required":["id","check","severity","status","state","asset","firstSeen","lastSeen","title",
    "message"],"properties":{
  "id":{"type":"string"},"check":{"type":"string"},"category":{"type":"string"},
  "severity":{"$ref":"#/components/schemas/Severity"},
  "status":{"type":"string","enum":["open","excepted","closed"]},
  "state":{"type":"string","enum":["fail","error"]},
  "asset":{"$ref":"#/components/schemas/Asset"},
  "workload":{"type":"string","description":"The key of the asset that it counts for"},
  "path":{"type":"string"},"value":{"type":"string"},"container":{"type":"string"},
  "args":{"type":"object","additionalProperties":{"type":"string"}},
  "labels":{"type":"array","items":{"type":"string"}},
  "images":{"type":"array","items":{"type":"string"}},
  "controls":{"type":"array","items":{"type":"string"}},"fixable":{"type":"boolean"},
  "exception":{"type":"object","properties":{"id":{"type":"string"},"reason":{"type":"string"},
    "owner":{"type":"string"},"expires":{"type":"string"},"byOwner":{"type":"boolean"}}},
  "firstSeen":{"type":"string","format":"date-time"},
  "lastSeen":{"type":"string","format":"date-time"},
  "closedAt":{"type":"string","format":"date-time"},
  "reopened":{"type":"integer"},"title":{"type":"string"},"message":{"type":"string"},
  "description":{"type":"string","description":"With what follows: of one finding, not of lists"},
  "why":{"type":"string"},"remedy":{"type":"string"},
  "mitre":{"type":"array","items":{"type":"string"}}}})";

constexpr std::string_view kFix = R"({"type":"object","required":["diff","fixed","closes"],
  "properties":{"diff":{"type":"string","description":"Unified"},
  "fixed":{"type":"string","description":"The object as YAML"},
  "closes":{"type":"integer","description":"Findings that it closes"}}})";

constexpr std::string_view kException = R"({"type":"object",
  "required":["id","check","reason","requestedBy","requestedAt","state"],"properties":{
  "id":{"type":"string"},"check":{"type":"string","description":"Glob"},
  "cluster":{"type":"string"},"namespace":{"type":"string"},"kind":{"type":"string"},
  "name":{"type":"string"},"image":{"type":"string"},
  "labels":{"type":"object","additionalProperties":{"type":"string"}},
  "reason":{"type":"string"},
  "expires":{"type":"string","description":"As it was asked for: a date (to its end) or a time"},
  "expiresAt":{"type":"string","format":"date-time"},
  "requestedBy":{"type":"string"},"requestedAt":{"type":"string","format":"date-time"},
  "state":{"type":"string","enum":["requested","approved","refused","withdrawn","expired"]},
  "decidedBy":{"type":"string"},"decidedAt":{"type":"string","format":"date-time"},
  "comment":{"type":"string"},
  "covers":{"type":"integer","description":"Findings that it excepts now"}}})";

// How things came out, in numbers.
constexpr std::string_view kCounts = R"("passed":{"type":"integer"},"failed":{"type":"integer"},
  "errors":{"type":"integer"},"excepted":{"type":"integer"})";
constexpr std::string_view kCountNames = R"("passed","failed","errors","excepted")";
constexpr std::string_view kScore = R"("score":{"type":"integer","minimum":0,"maximum":100},
  "bySeverity":{"type":"object","additionalProperties":{"type":"integer"},
    "description":"Failures, by severity"})";

std::string Object(std::string_view required, std::string_view properties) {
  return fmt::format(R"({{"type":"object","required":[{}],"properties":{{{}}}}})", required,
                     properties);
}
std::string Scored(std::string_view required, std::string_view properties) {
  return Object(
      fmt::format("{}{}{}", required, required.empty() ? "" : ",",
                  R"("score","bySeverity","passed","failed","errors","excepted")"),
      fmt::format("{}{}{},{}", properties, properties.empty() ? "" : ",", kScore, kCounts));
}
std::string ListOf(std::string_view name) {
  return fmt::format(R"({{"type":"object","required":["items"],"properties":{{
    "items":{{"type":"array","items":{{"$ref":"#/components/schemas/{}"}}}}}}}})",
                     name);
}

constexpr std::string_view kByName =
    R"({"type":"object","additionalProperties":{"$ref":"#/components/schemas/Tally"}})";

constexpr std::string_view kInspectedWorkload = R"("asset":{"$ref":"#/components/schemas/Asset"},
  "severity":{"$ref":"#/components/schemas/Severity"},
  "labels":{"type":"array","items":{"type":"string"}},
  "images":{"type":"array","items":{"type":"string"}},
  "workload":{"type":"boolean","description":"Whether it runs containers"},
  "updatedAt":{"type":"string","format":"date-time"})";

constexpr std::string_view kRun = R"("id":{"type":"string"},"cluster":{"type":"string"},
  "by":{"type":"string"},"state":{"type":"string","enum":["running","done","failed"]},
  "startedAt":{"type":"string","format":"date-time"},
  "finishedAt":{"type":"string","format":"date-time"},"error":{"type":"string"},
  "objects":{"type":"integer"},"findings":{"type":"integer"},
  "drift":{"type":"integer","description":"Findings that watching had missed"},
  "unread":{"type":"array","items":{"type":"object","required":["what","error"],"properties":{
    "what":{"type":"string"},"error":{"type":"string"}}}})";

constexpr std::string_view kCheck = R"("id":{"type":"string"},
  "severity":{"$ref":"#/components/schemas/Severity"},"category":{"type":"string"},
  "title":{"type":"string"},"description":{"type":"string"},"why":{"type":"string"},
  "remedy":{"type":"string"},"mitre":{"type":"array","items":{"type":"string"}},
  "controls":{"type":"object",
    "additionalProperties":{"type":"array","items":{"type":"string"}}},
  "fixable":{"type":"boolean"},"origin":{"type":"string"})";

constexpr std::string_view kControl = R"("id":{"type":"string"},"title":{"type":"string"},
  "status":{"type":"string","enum":["pass","fail","manual","n/a"]},
  "checks":{"type":"array","items":{"type":"string"}})";

constexpr std::string_view kFramework = R"("id":{"type":"string"},"version":{"type":"string"},
  "url":{"type":"string"},"title":{"type":"string"},"passing":{"type":"integer"},
  "failing":{"type":"integer"},"notAssessed":{"type":"integer"},
  "controls":{"type":"array","items":{"$ref":"#/components/schemas/Control"},
    "description":"Of one framework, not of lists"})";

constexpr std::string_view kTrends = R"({"type":"object","required":["items"],"properties":{
  "items":{"type":"array","items":{"$ref":"#/components/schemas/TrendPoint"}}}})";
constexpr std::string_view kTrendPoint = R"({"type":"object",
  "required":["date","score","open","opened","closed","bySeverity"],"properties":{
    "date":{"type":"string","description":"2026-01-31"},"score":{"type":"integer"},
    "open":{"type":"integer"},"opened":{"type":"integer"},"closed":{"type":"integer"},
    "bySeverity":{"type":"object","additionalProperties":{"type":"integer"}}}})";

}  // namespace

void AddPostureSchemas(api::Api& api) {
  api.AddSchema("Finding", std::string(kFinding));
  api.AddSchema("FindingFix", std::string(kFix));
  api.AddSchema("Exception", std::string(kException));
  api.AddSchema("ExceptionRequest", std::string(ExceptionRequestSchema()));
  api.AddSchema("Tally", Scored("", ""));
  api.AddSchema(
      "InspectedWorkload",
      Scored(R"("asset","severity","labels","images","workload","updatedAt")", kInspectedWorkload));
  api.AddSchema(
      "Inspection",
      Scored(R"("cluster","clusterName","updatedAt","byNamespace")",
             fmt::format(R"("cluster":{{"type":"string"}},"clusterName":{{"type":"string"}},
    "kubernetes":{{"type":"string"}},"updatedAt":{{"type":"string","format":"date-time"}},
    "judged":{{"type":"integer"}},"moreNamespaces":{{"type":"integer"}},
    "byCategory":{0},"byNamespace":{0},"byCheck":{0},"byControl":{0})",
                         kByName)));
  api.AddSchema("InspectionList", ListOf("Inspection"));
  api.AddSchema("Run", Object(R"("id","cluster","by","state","startedAt")",
                              fmt::format("{},{},{}", kRun, kScore, kCounts)));
  api.AddSchema("RunStarted", Object(R"("id","cluster","state")",
                                     R"("id":{"type":"string"},"cluster":{"type":"string"},
    "state":{"type":"string","enum":["running"]})"));
  api.AddSchema("Check",
                Object(fmt::format(R"("id","severity","category","title","description","why",
    "remedy","mitre","controls","fixable","origin",{})",
                                   kCountNames),
                       fmt::format("{},{}", kCheck, kCounts)));
  api.AddSchema("CheckList", ListOf("Check"));
  api.AddSchema("Control", Object(fmt::format(R"("id","title","status","checks",{})", kCountNames),
                                  fmt::format("{},{}", kControl, kCounts)));
  api.AddSchema("Framework", Object(fmt::format(R"("id","version","url","title","passing","failing",
    "notAssessed",{})",
                                                kCountNames),
                                    fmt::format("{},{}", kFramework, kCounts)));
  api.AddSchema("FrameworkList", ListOf("Framework"));
  api.AddSchema("InspectionReport", R"({"type":"object","description":"report.schema.json",
    "required":["format","formatVersion","tool","started","target","summary","findings"]})");
  api.AddSchema("TrendPoint", std::string(kTrendPoint));
  api.AddSchema("TrendList", std::string(kTrends));
}

}  // namespace bulwark::posture
