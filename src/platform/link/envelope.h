#pragma once

// What agents tell their server: envelopes, in batches.
//
// A batch is one JSON object, sent with POST /link/v1/batch (Content-Encoding: zstd):
//
//   {"cluster":"6f…","node":"n1","epoch":"0123456789abcdef",
//    "agent":{"version":"0.1.0","spooled":12,"dropped":0},
//    "envelopes":[{"seq":7,"feature":"node","kind":"facts","version":1,
//                  "time":"2026-01-01T00:00:00Z","payload":{…}}]}
//
// The id of an envelope is its node, its spool's epoch (random, made with the spool) and its
// sequence number, which only grows. Within a batch numbers ascend. A gap is what the agent had to
// drop. Pure functions and plain data; safe from any thread.
//
// Errors: link.batch kInvalid or kLimit, with why.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::link {

// Who sends: what a certificate says.
struct NodeIdentity {
  std::string cluster;    // UID of kube-system; empty for a machine outside of any cluster
  std::string node;       // its name in Kubernetes, or the host's
  std::string enrolment;  // which of its enrolments: revoking ends that one
  friend bool operator==(const NodeIdentity&, const NodeIdentity&) = default;
};

// Lower-case letters, digits and -, at most 63; or nothing.
bool IsClusterId(std::string_view text);
// A DNS subdomain: lower-case letters, digits, - and ., at most 253.
bool IsNodeName(std::string_view text);
// Of features and kinds: lower-case letters, digits, _ and -, at most 63.
bool IsWord(std::string_view text);

// As the URI in an agent's certificate: "bulwark:agent:<cluster>:<node>:<enrolment>".
std::string ToUri(const NodeIdentity& identity);
Result<NodeIdentity> ParseUri(std::string_view uri);

struct Envelope {
  uint64_t seq = 0;
  std::string_view feature, kind;
  int64_t version = 1;  // of the payload's shape
  int64_t time_us = 0;
  Value payload;  // a map
};

// Views into the arena that it was parsed with.
struct EnvelopeBatch {
  std::string_view cluster, node, epoch;
  std::string_view agent_version;
  uint64_t spooled = 0, dropped = 0;
  std::vector<Envelope> envelopes;
};

struct BatchLimits {
  size_t bytes = size_t{8} << 20;
  size_t envelopes = 5000;
  size_t depth = 64;
};

Result<EnvelopeBatch> ParseBatch(std::string_view json, Arena& arena,
                                 const BatchLimits& limits = {});

// The JSON of one envelope, and of a batch of such. `payload` is a JSON object.
std::string EnvelopeJson(uint64_t seq, std::string_view feature, std::string_view kind,
                         int64_t version, int64_t time_us, std::string_view payload);
std::string BatchJson(const NodeIdentity& identity, std::string_view epoch,
                      std::string_view agent_version, uint64_t spooled, uint64_t dropped,
                      const std::vector<std::string_view>& envelopes);

}  // namespace bulwark::link
