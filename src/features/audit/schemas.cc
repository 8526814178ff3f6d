#include "features/audit/schemas.h"

#include <string>
#include <string_view>

#include "platform/api/api.h"

namespace bulwark::audit {
namespace {

constexpr std::string_view kEvent = R"({"type":"object",
  "required":["id","time","received","kind","severity","args","message"],"properties":{
  "id":{"type":"string"},"time":{"type":"string","format":"date-time"},
  "received":{"type":"string","format":"date-time"},"kind":{"type":"string"},
  "cluster":{"type":"string"},"severity":{"$ref":"#/components/schemas/Severity"},
  "verb":{"type":"string"},"outcome":{"type":"string"},"user":{"type":"string"},
  "sourceIp":{"type":"string"},"userAgent":{"type":"string"},"resource":{"type":"string"},
  "target":{"$ref":"#/components/schemas/Asset"},"node":{"type":"string"},"pod":{"type":"string"},
  "image":{"type":"string"},"process":{"type":"string"},"rule":{"type":"string"},
  "messageId":{"type":"string"},
  "args":{"type":"object","additionalProperties":{"type":"string"}},
  "message":{"type":"string","description":"In the language of the request"},
  "body":{"description":"What its source said, as JSON"}}})";

constexpr std::string_view kEventPage = R"({"type":"object","required":["items"],"properties":{
  "items":{"type":"array","items":{"$ref":"#/components/schemas/Event"}},
  "next":{"type":"string"},"total":{"type":"integer"}}})";

constexpr std::string_view kHistogram = R"({"type":"object","required":["items","stepSeconds"],
  "properties":{"items":{"type":"array","items":{"type":"object","required":["start","count"],
    "properties":{"start":{"type":"string","format":"date-time"},"count":{"type":"integer"}}}},
  "stepSeconds":{"type":"integer"}}})";

constexpr std::string_view kTop = R"({"type":"object","required":["items"],"properties":{
  "items":{"type":"array","items":{"type":"object","required":["value","count"],
    "properties":{"value":{"type":"string"},"count":{"type":"integer"}}}}}})";

constexpr std::string_view kFields = R"({"type":"object","required":["items"],"properties":{
  "items":{"type":"array","items":{"type":"object","required":["name","type","aliases"],
    "properties":{"name":{"type":"string"},
    "type":{"type":"string","enum":["text","int","real","bool","time","severity"]},
    "aliases":{"type":"array","items":{"type":"string"}}}}}}})";

constexpr std::string_view kAlert = R"({"type":"object",
  "required":["id","rule","group","severity","state","target","messageId","args","count",
    "firstSeen","lastSeen","events","reopened","mitre","comments","message"],"properties":{
  "id":{"type":"string"},"rule":{"type":"string"},
  "group":{"type":"string","description":"What is alike: the values of the rule's group"},
  "severity":{"$ref":"#/components/schemas/Severity"},
  "state":{"type":"string","enum":["open","acknowledged","resolved"]},
  "target":{"$ref":"#/components/schemas/Asset"},"user":{"type":"string"},
  "sourceIp":{"type":"string"},"node":{"type":"string"},"pod":{"type":"string"},
  "image":{"type":"string"},"messageId":{"type":"string"},
  "args":{"type":"object","additionalProperties":{"type":"string"}},
  "count":{"type":"integer"},"firstSeen":{"type":"string","format":"date-time"},
  "lastSeen":{"type":"string","format":"date-time"},
  "events":{"type":"array","items":{"type":"string"},"description":"The first and the latest"},
  "assignee":{"type":"string"},"resolution":{"type":"string"},
  "resolvedAt":{"type":"string","format":"date-time"},"reopened":{"type":"integer"},
  "mitre":{"type":"array","items":{"type":"string"}},
  "comments":{"type":"array","items":{"type":"object","required":["by","at","text"],"properties":{
    "by":{"type":"string"},"at":{"type":"string","format":"date-time"},
    "text":{"type":"string"}}}},
  "message":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},
  "remedy":{"type":"string"}}})";

constexpr std::string_view kSuppression = R"({"type":"object",
  "required":["id","rule","cluster","namespace","match","reason","by","at","expires","hits"],
  "properties":{"id":{"type":"string"},"rule":{"type":"string"},"cluster":{"type":"string"},
  "namespace":{"type":"string"},
  "match":{"type":"object","additionalProperties":{"type":"string"},
    "description":"Fields of events, with globs"},
  "reason":{"type":"string"},"by":{"type":"string"},"at":{"type":"string","format":"date-time"},
  "expires":{"type":"string","format":"date-time"},
  "alert":{"type":"string","description":"Of which it was made"},"hits":{"type":"integer"}}})";

constexpr std::string_view kRule = R"({"type":"object",
  "required":["id","title","description","remedy","severity","defaultSeverity","enabled",
    "defaultEnabled","source","verbs","resources","outcomes","condition","group","mitre","builtIn",
    "counts"],"properties":{
  "id":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},
  "remedy":{"type":"string"},"severity":{"$ref":"#/components/schemas/Severity"},
  "defaultSeverity":{"$ref":"#/components/schemas/Severity"},"enabled":{"type":"boolean"},
  "defaultEnabled":{"type":"boolean"},
  "source":{"type":"array","items":{"type":"string"},"description":"Kinds of events"},
  "verbs":{"type":"array","items":{"type":"string"}},
  "resources":{"type":"array","items":{"type":"string"}},
  "outcomes":{"type":"array","items":{"type":"string"}},
  "condition":{"type":"string","description":"CEL"},
  "group":{"type":"array","items":{"type":"string"}},
  "threshold":{"type":"object","required":["count","within"],"properties":{
    "count":{"type":"integer"},"within":{"type":"string"},"distinct":{"type":"string"},
    "share":{"type":"object","required":["of","over"],"properties":{"of":{"type":"string"},
      "over":{"type":"number"}}}}},
  "firstTime":{"type":"object","required":["of","per","learn"],"properties":{
    "of":{"type":"array","items":{"type":"string"}},
    "per":{"type":"array","items":{"type":"string"}},"learn":{"type":"string"}}},
  "silence":{"type":"object","required":["after"],"properties":{"after":{"type":"string"}}},
  "mitre":{"type":"array","items":{"type":"string"}},"builtIn":{"type":"boolean"},
  "counts":{"type":"object","required":["evaluated","matched","errors","suppressed","lastError"],
    "properties":{"evaluated":{"type":"integer"},"matched":{"type":"integer"},
    "errors":{"type":"integer"},"suppressed":{"type":"integer"},"lastError":{"type":"string"}}}}})";

constexpr std::string_view kRuleList = R"({"type":"object","required":["items"],"properties":{
  "items":{"type":"array","items":{"$ref":"#/components/schemas/Rule"}}}})";

constexpr std::string_view kRuleTrial = R"({"type":"object",
  "required":["items","events","matches","errors","error","complete"],"properties":{
  "items":{"type":"array","items":{"type":"object",
    "required":["group","cluster","time","count","events","message"],"properties":{
    "group":{"type":"string"},"cluster":{"type":"string"},
    "time":{"type":"string","format":"date-time"},"count":{"type":"integer"},
    "events":{"type":"array","items":{"type":"string"}},"message":{"type":"string"}}}},
  "events":{"type":"integer","description":"How many were looked at"},
  "matches":{"type":"integer"},"errors":{"type":"integer"},
  "error":{"type":"string","description":"The first"},
  "complete":{"type":"boolean","description":"Whether all of the time was looked at"}}})";

// `more`: of a source that was just made.
std::string Source(std::string_view required, std::string_view more) {
  return R"({"type":"object","required":["id","name","cluster","certificateNames","createdAt",
    "createdBy")" +
         std::string(required) + R"(],"properties":{
    "id":{"type":"string"},"name":{"type":"string"},"cluster":{"type":"string"},
    "certificateNames":{"type":"array","items":{"type":"string"}},
    "createdAt":{"type":"string","format":"date-time"},"createdBy":{"type":"string"},
    "events":{"type":"integer"},"duplicates":{"type":"integer"},"invalid":{"type":"integer"},
    "shortened":{"type":"integer"},"lastSeen":{"type":"string","format":"date-time"})" +
         std::string(more) + "}}";
}

}  // namespace

void AddAuditSchemas(api::Api& api) {
  for (const auto& [name, schema] :
       {std::pair("Event", kEvent), std::pair("EventPage", kEventPage),
        std::pair("EventHistogram", kHistogram), std::pair("EventTop", kTop),
        std::pair("EventFields", kFields), std::pair("Alert", kAlert),
        std::pair("Suppression", kSuppression), std::pair("Rule", kRule),
        std::pair("RuleList", kRuleList), std::pair("RuleTrial", kRuleTrial)}) {
    api.AddSchema(name, std::string(schema));
  }
  api.AddSchema("AuditSource", Source("", ""));
  api.AddSchema(
      "MadeAuditSource",
      Source(R"(,"path","webhookConfig")",
             R"(,"path":{"type":"string","description":"With its secret, shown this once"},
    "webhookConfig":{"type":"string","description":"For --audit-webhook-config-file"})"));
}

}  // namespace bulwark::audit
