#pragma once

// Events: something that happened at a time. Immutable and append-only; what features publish, what
// rules read, what people search. Its text is a message id with arguments (model/catalog.h), chosen
// in a language on reading; what the source said in full stands in `body`.
//
// Indexed keys are those that people ask by and that join events to assets and to each other. A key
// that does not apply is empty. Plain data; safe to read from any thread.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "model/finding.h"
#include "model/severity.h"
#include "model/text.h"

namespace bulwark {

struct Event {
  // Unique for ever; the same thing told twice has the same id, and is stored once. 32 hex digits
  // of a hash over what identifies it at its source (an audit event: auditID and stage).
  std::string id;
  int64_t time_us = 0;      // when it happened, microseconds since 1970
  int64_t received_us = 0;  // when it came to us
  std::string kind;         // "audit", "kubernetes", "finding", "alert", "asset", "access", "node"
  std::string cluster;      // Asset::cluster; empty: of Bulwark itself
  Severity severity = Severity::kInfo;
  std::string verb;     // what was done: "delete", "exec", "opened", "OOMKilling"
  std::string outcome;  // "allowed", "denied", "failed"; empty: does not apply

  // Who.
  std::string user;        // "alice", "system:serviceaccount:prod:web"
  std::string source_ip;   // the nearest address that is not forgeable
  std::string user_agent;  // as the client said it
  // To what.
  std::string resource;   // "pods/exec", "secrets": plural, with the subresource
  Asset target;           // as far as it is known
  std::string node, pod;  // where it happened
  std::string image;      // digest, or reference where no digest is known
  std::string process;    // executable's path
  std::string rule;       // of an alert: its rule; of a finding: its check

  std::string message;  // message id
  MessageArgs args;
  std::string body;  // JSON of the source, secrets redacted; may be empty
};

// 32 hex digits of SHA-256 over the parts, each with its length.
std::string EventId(std::initializer_list<std::string_view> parts);

}  // namespace bulwark
