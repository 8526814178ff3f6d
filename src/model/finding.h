#pragma once

// Assets, assessments and findings: what every feature that judges something produces. A finding is
// an assessment that fails now. Plain data; safe to read from any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/severity.h"
#include "model/text.h"

namespace bulwark {

// Something protected. The key is stable: it names the same thing in a file and in a cluster.
struct Asset {
  std::string cluster;  // UID of kube-system; empty for files
  std::string group;    // API group: "apps"; empty for core
  std::string version;  // "v1"
  std::string kind;     // "Deployment"
  std::string ns;       // empty for what is cluster-scoped or says none
  std::string name;     // metadata.name; metadata.generateName + "*" where only that is set
  // "cluster/apps/Deployment/ns/name", without the API version.
  std::string Key() const;
  // "Deployment ns/name", as people say it.
  std::string Label() const;
  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  friend bool operator==(const Asset&, const Asset&) = default;
};

enum class Status : uint8_t {
  kPass,
  kFail,
  kError,          // could not be read
  kManual,         // a person must look
  kNotApplicable,  // says nothing about this asset
};
std::string_view StatusName(Status status);

// Where something stands in a source file. Lines and columns count from 1; columns are bytes.
struct Place {
  std::string file;  // as the user named it; "-" for standard input; empty for a cluster
  uint32_t line = 0, column = 0;          // 0: not known
  uint32_t end_line = 0, end_column = 0;  // just past its end; 0: not known
  // "deploy.yaml:27:11"
  std::string ToString() const;
};

// What an assessment rests on.
struct Evidence {
  std::string path;   // "spec.template.spec.containers[0].securityContext.privileged"
  std::string value;  // what is there, as JSON (at most 200 bytes, secrets masked); empty: absent
  std::string container;  // the container's name, where one is concerned
  Place place;
};

// An exception that covers a finding.
struct Excused {
  std::string reason, owner, expires;  // expires: RFC 3339 date or time; empty: never
  bool by_owner = false;               // by an annotation on the object itself
  std::string id;                      // of the exception's record; empty for one of a file
};

struct Finding {
  std::string id;  // hash of check, asset key and stable evidence path (also SARIF's fingerprint)
  std::string check;  // Check::id
  Severity severity = Severity::kUnknown;
  Status status = Status::kFail;  // kFail or kError
  Asset asset;
  Evidence evidence;
  MessageArgs args;  // of Check::message; of an error: {"error", text}
  std::optional<Excused> excused;
  bool fixable = false;  // a fix was made and passes the check
  bool is_new = false;   // not in the baseline that was given
};

// The id of a finding: 32 hex digits of SHA-256. List indices in `path` are replaced by the item's
// name where `stable_path` has done so, so that adding a container in front changes no ids.
std::string FindingId(std::string_view check, std::string_view asset_key,
                      std::string_view stable_path);
void AppendFindingId(std::string& out, std::string_view check, std::string_view asset_key,
                     std::string_view stable_path);

}  // namespace bulwark
