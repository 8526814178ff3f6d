#pragma once

// Audit events of Kubernetes' API server (audit.k8s.io/v1, k8s.io/apiserver/pkg/apis/audit/v1) as
// events of ours: who did what to what, from where, and how it ended.
//
//   AuditReader reader({.cluster = id});
//   AuditBatch batch = BW_TRY(reader.ReadBody(body));   // of the webhook: EventList, Event, lines
//   pipeline.Publish(std::move(batch.events));
//
// One request gives several stages. RequestReceived says nothing that a later stage does not say
// too, and is passed over (counted); ResponseStarted matters for streams (exec, attach,
// port-forward), which may last for hours: the event is then made of it, and ResponseComplete is
// "the session ended". An event's id is a hash of cluster, auditID and stage, so what comes twice
// is stored once.
//
// user is who was authenticated; of impersonation, `user` in the message reads "bob → alice" (bob,
// acting as alice), and body.impersonatedUser says the rest. source_ip is the last of sourceIPs:
// the others are what the client said. verb is the API's, but "exec", "attach" and "portforward"
// for those. outcome: "allowed" (status below 400), "denied" (401, 403), "failed".
//
// The body is the event's JSON, redacted (redact.h). One that is longer than max_event_bytes is
// kept in parts: texts cut and annotations left out, then without requestObject and responseObject,
// with "shortened": {"bytes": n} in it.
//
// Errors: audit.body (kInvalid: neither JSON nor JSON lines), audit.kind (kInvalid: no EventList or
// Event of audit.k8s.io/v1). Single events that cannot be read are counted, with the first error.
// Not thread-safe: a reader belongs to one source.

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "model/event.h"

namespace bulwark::audit {

struct AuditOptions {
  std::string cluster;
  size_t max_event_bytes = 262'144;
  size_t max_events = 100'000;       // of one body
  size_t max_body_bytes = 16 << 20;  // as text
};

struct AuditBatch {
  std::vector<Event> events;
  uint64_t passed_over = 0;  // stages that add nothing
  uint64_t invalid = 0;
  uint64_t shortened = 0;
  std::string error;  // of the first that is invalid
};

class AuditReader {
 public:
  explicit AuditReader(AuditOptions options) : options_(std::move(options)) {}

  Result<AuditBatch> ReadBody(std::string_view body);
  // One line of a log; false if it is no audit event.
  void ReadLine(std::string_view line, AuditBatch& batch);

  const AuditOptions& options() const { return options_; }

 private:
  void Add(const Value& item, AuditBatch& batch);
  bool Started(std::string_view audit_id, bool now);

  AuditOptions options_;
  // Streams of which ResponseStarted has come; bounded, the oldest go first.
  std::list<std::string> started_;
  std::unordered_map<std::string_view, std::list<std::string>::iterator> by_id_;
};

}  // namespace bulwark::audit
