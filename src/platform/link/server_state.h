#pragma once

// The inside of LinkServer, for this folder alone.

#include <atomic>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "crypto/x509.h"
#include "platform/link/server.h"

namespace bulwark::link {

// How soon a poll whose time is over is answered.
inline constexpr std::chrono::milliseconds kSweep{500};

struct LinkServer::State : std::enable_shared_from_this<LinkServer::State> {
  State(store::StateStore& state, Pipeline& events, vault::Certificates& certs, Metrics& metrics,
        LinkServerOptions given)
      : store(state),
        pipeline(events),
        certificates(certs),
        options(std::move(given)),
        taken_count(metrics.AddCounter("bulwark_link_envelopes_total",
                                       "Envelopes that agents sent, by what became of them.",
                                       {{"outcome", "taken"}})),
        duplicate_count(metrics.AddCounter("bulwark_link_envelopes_total",
                                           "Envelopes that agents sent, by what became of them.",
                                           {{"outcome", "duplicate"}})),
        refusals(metrics.AddCounter("bulwark_link_envelopes_total",
                                    "Envelopes that agents sent, by what became of them.",
                                    {{"outcome", "refused"}})),
        lost_count(metrics.AddCounter("bulwark_link_envelopes_lost_total",
                                      "Envelopes that agents had to drop before sending them.")),
        foreign(metrics.AddCounter("bulwark_link_foreign_batches_total",
                                   "Batches that named another node than their certificate.")) {}

  // How far each spool of a node was taken.
  struct Spools {
    struct Spool {
      std::string epoch;
      uint64_t last = 0;
      int64_t seen_us = 0;
    };
    std::vector<Spool> all;
    Spool& Find(std::string_view epoch);  // made where it is not there
  };
  struct Policies {
    uint64_t version = 0;
    std::string json;
  };
  // A long poll that waits for a change.
  struct Waiter {
    std::shared_ptr<net::Responder> responder;
    std::string cluster;
    uint64_t known = 0;
    std::chrono::steady_clock::time_point deadline;
  };

  net::ServerResponse Answer(const net::ServerRequest& request);
  Result<NodeIdentity> Identify(const net::ServerRequest& request);
  Result<std::string> Enrol(const net::ServerRequest& request);
  Result<std::string> Renew(const NodeIdentity& who, const net::ServerRequest& request);
  Result<std::string> TakeBatch(const NodeIdentity& who, const net::ServerRequest& request);
  net::ServerResponse Poll(const NodeIdentity& who, const net::ServerRequest& request);

  Result<std::string> IssueFor(const NodeIdentity& who, const crypto::Request& request,
                               crypto::Certificate* issued);
  std::string AgentRecord(const NodeIdentity& who, const crypto::Certificate& issued,
                          const std::optional<store::Record>& old) const;
  Event NodeEvent(std::string_view verb, const NodeIdentity& who, std::string_view why,
                  std::string_view by) const;
  Result<> Deliver(const Delivered& delivered);
  static void Append(store::Batch& to, const store::Batch& from);
  static Spools ParseSpools(const std::optional<store::Record>& record);
  static std::string ToJson(const Spools& spools);
  Result<Policies> PoliciesFor(std::string_view cluster);
  void AddWaiter(Waiter waiter);
  void AnswerWaiters(bool all);
  bool TakeEnrolment();
  void Touch(const NodeIdentity& who);
  void MarkAway();
  void Sweep();

  store::StateStore& store;
  Pipeline& pipeline;
  vault::Certificates& certificates;
  const LinkServerOptions options;
  std::map<std::string, EnvelopeHandler, std::less<>> handlers;
  Counter& taken_count;
  Counter& duplicate_count;
  Counter& refusals;
  Counter& lost_count;
  Counter& foreign;
  std::unique_ptr<net::HttpServer> server;
  std::jthread sweeper;
  std::chrono::steady_clock::time_point last_slow_sweep;

  std::mutex mutex;  // of what follows
  std::list<Waiter> waiters;
  bool stopping = false;
  int enrolments = 0;
  std::chrono::steady_clock::time_point enrolment_window = std::chrono::steady_clock::now();
};

}  // namespace bulwark::link
