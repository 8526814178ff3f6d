#include "app/server/system_schemas.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "platform/api/api.h"

namespace bulwark {
namespace {

constexpr std::string_view kSystem = R"({"type":"object",
  "required":["version","uptime","stores","queues","listeners","clusters","agents","memory"],
  "properties":{"version":{"type":"string"},"uptime":{"type":"integer","description":"Seconds"},
  "stores":{"type":"object","required":["state","events"],"properties":{
    "state":{"type":"object","required":["bytes","records"],"properties":{
      "bytes":{"type":"integer"},
      "records":{"type":"object","additionalProperties":{"type":"integer"}}}},
    "events":{"type":"object","required":["bytes","events"],"properties":{
      "bytes":{"type":"integer"},"events":{"type":"integer"},
      "oldest":{"type":"string","format":"date-time"},
      "newest":{"type":"string","format":"date-time"}}}}},
  "queues":{"type":"array","items":{"type":"object","required":["name","queued","dropped"],
    "properties":{"name":{"type":"string"},"queued":{"type":"integer"},
    "dropped":{"type":"integer"}}}},
  "listeners":{"type":"array","items":{"type":"object","required":["name","address","tls"],
    "properties":{"name":{"type":"string"},"address":{"type":"string"},
    "tls":{"type":"boolean"}}}},
  "clusters":{"type":"integer"},"agents":{"type":"integer"},
  "memory":{"type":"object","required":["rss"],"properties":{"rss":{"type":"integer"}}}}})";

// What can be set; a change names only what changes.
constexpr std::string_view kSettings = R"(
  "retention":{"type":"object","additionalProperties":{"type":"integer","minimum":0,
      "maximum":36500},
    "description":"Days that events of a kind, and records, are kept; 0: for ever"},
  "maxEventBytes":{"type":"integer","minimum":67108864},
  "ownerExceptions":{"type":"array","items":{"type":"string"},
    "description":"Checks that objects may except themselves from by annotation; globs"})";

constexpr std::string_view kOverview = R"({"type":"object",
  "required":["trend","bySeverity","topRisks","topAlerts","clusters","coverage","counts"],"properties":{
  "score":{"type":"integer","minimum":0,"maximum":100,
    "description":"Absent where nothing was inspected"},
  "trend":{"type":"array","items":{"$ref":"#/components/schemas/TrendPoint"},
    "description":"Of the last 30 days"},
  "bySeverity":{"type":"object","additionalProperties":{"type":"integer"}},
  "topRisks":{"type":"array","items":{"$ref":"#/components/schemas/Finding"}},
  "topAlerts":{"type":"array","items":{"$ref":"#/components/schemas/Alert"}},
  "clusters":{"type":"array","items":{"$ref":"#/components/schemas/Cluster"}},
  "coverage":{"type":"array","items":{"type":"object","required":["what","covered","total","why"],
    "properties":{"what":{"type":"string","enum":["clusters","workloads","nodes","audit"]},
    "covered":{"type":"integer"},"total":{"type":"integer"},"why":{"type":"string"}}}},
  "counts":{"type":"object","additionalProperties":{"type":"integer"}}}})";

constexpr std::string_view kConfigObject = R"({"type":"object",
  "required":["apiVersion","kind","metadata","spec"],"properties":{
  "apiVersion":{"type":"string"},"kind":{"type":"string"},
  "metadata":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}},
  "spec":{"type":"object"}}})";

constexpr std::string_view kConfigChanges = R"({"type":"object","required":["changes","applied"],
  "properties":{"changes":{"type":"array","items":{"type":"object",
    "required":["op","kind","name","diff"],"properties":{
    "op":{"type":"string","enum":["create","update","delete"]},"kind":{"type":"string"},
    "name":{"type":"string"},"diff":{"type":"string"}}}},"applied":{"type":"boolean"}}})";

}  // namespace

void AddSystemSchemas(api::Api& api) {
  api.AddSchema("System", std::string(kSystem));
  api.AddSchema("Settings",
                fmt::format(R"({{"type":"object","required":["retention","maxEventBytes",
    "ownerExceptions"],"properties":{{{}}}}})",
                            kSettings));
  api.AddSchema(
      "SettingsPatch",
      fmt::format(R"({{"type":"object","additionalProperties":false,"properties":{{{}}}}})",
                  kSettings));
  api.AddSchema("Overview", std::string(kOverview));
  api.AddSchema("ConfigObject", std::string(kConfigObject));
  api.AddSchema("ConfigObjects", R"({"type":"object","required":["items"],"properties":{
    "items":{"type":"array","items":{"$ref":"#/components/schemas/ConfigObject"}}}})");
  api.AddSchema("ConfigChanges", std::string(kConfigChanges));
  api.AddSchema("Backup", R"({"type":"object","required":["folder","bytes"],"properties":{
    "folder":{"type":"string","description":"On the server"},"bytes":{"type":"integer"}}})");
}

}  // namespace bulwark
