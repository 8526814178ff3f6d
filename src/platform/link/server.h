#pragma once

// The server's half of the link: agents enrol, send envelopes, and are told what to do.
//
//   LinkServer link(services…);
//   link.Handle("node", "facts", [](const Delivered& d) -> Result<> { … });
//   link.Start({.listen = {"0.0.0.0:7443"}});
//
// The listener (TLS, the server's own CA on both sides):
//   POST /link/v1/enrol   {"method":"token","token":…,"node":…,"csr":PEM}
//                         {"method":"serviceAccount","cluster":…,"token":…,"csr":PEM}
//                         → {"cluster","node","certificate":PEM,"ca":PEM}
//   POST /link/v1/renew   {"csr":PEM} → the same
//   POST /link/v1/batch   envelope.h → {"acknowledged","taken","duplicates","refused":[{"seq",
//                         "error"}]}
//   GET  /link/v1/policy?version=N&wait=55 → {"version":M,"policies":{"node":{…}}}, when M ≠ N or
//                         the seconds are over (then 204)
// All but enrol need a client certificate that this CA has signed for an agent, whose enrolment has
// not been revoked.
//
// Who an envelope is of is what the certificate says and nothing else; a batch that names another
// node or cluster is refused whole (403 link.foreign). Each envelope takes effect once: its changes
// are committed together with the record of how far the node's spool was taken, and its events
// have ids made of the envelope's, so that what comes again after a crash on either side is stored
// once. What a handler refuses is counted, told to the agent, and not asked for again.
//
// One-time tokens are 256 random bits; the store has their hashes. Certificates are for 24 hours.
//
// Collections: "agents" (what pages show), and "agent_enrolments", "agent_spools", "link_policies"
// of its own. Events of kind "node": enrolled, revoked, away, back.
// Thread-safety: Handle() before Start(); the rest from any thread.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "model/catalog.h"
#include "model/event.h"
#include "net/http_server.h"
#include "platform/link/envelope.h"
#include "platform/link/token_review.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"
#include "platform/vault/certificates.h"

namespace bulwark::api {
class Api;
}

namespace bulwark::link {

struct LinkServerOptions {
  std::vector<std::string> listen = {"0.0.0.0:7443"};
  std::chrono::seconds certificate_life = std::chrono::hours(24);
  std::chrono::seconds away_after = std::chrono::minutes(3);
  std::chrono::milliseconds sweep_every = std::chrono::seconds(5);
  int enrolments_per_minute = 600;  // attempts, of all agents together
  BatchLimits batch;
  // Asks a cluster about a service-account token; without it such tokens are not taken.
  std::function<Result<ReviewedToken>(std::string_view cluster, std::string_view token)> review;
  // Which service accounts are agents: "system:serviceaccount:bulwark:bulwark-agent".
  std::vector<std::string> service_accounts = {"system:serviceaccount:bulwark:bulwark-agent"};
  std::function<Timestamp()> now = Now;
};

// One envelope, and what comes of it.
struct Delivered {
  const NodeIdentity& from;
  const Envelope& envelope;
  store::Batch& state;         // changes to commit
  std::vector<Event>& events;  // to publish; the link gives them ids, cluster and node
  store::StateStore& store;
  const store::Batch& earlier;  // changes of the envelopes before, not committed yet

  // The JSON of a record as it is after the envelopes before this one: a handler that compares with
  // what was must ask here, and not the store.
  Result<std::optional<std::string>> Get(std::string_view collection, std::string_view key) const;
};
// An Error refuses the envelope (kInvalid …), or, where its code is kUnavailable, the whole batch
// for now.
using EnvelopeHandler = std::function<Result<>(const Delivered&)>;

// "a3f09b…": agents are known by it in the API.
std::string AgentId(std::string_view cluster, std::string_view node);

class LinkServer {
 public:
  LinkServer(store::StateStore& state, Pipeline& pipeline, vault::Certificates& certificates,
             Metrics& metrics, LinkServerOptions options = {});
  ~LinkServer();
  LinkServer(const LinkServer&) = delete;
  LinkServer& operator=(const LinkServer&) = delete;

  // Messages of events and errors.
  static void AddMessages(Catalog& catalog);
  // GET /api/v1/agents, GET and DELETE /api/v1/agents/{id}, POST /api/v1/agents/enrolment.
  void AddRoutes(api::Api& api);

  void Handle(std::string feature, std::string kind, EnvelopeHandler handler);
  Result<> Start();  // collections, listener, sweeper
  void Stop();
  uint16_t port() const;

  struct Enrolment {
    std::string token;  // shown once
    Timestamp expires;
  };
  // A token for one agent: of that cluster (empty: a machine outside of any), and that node if one
  // is named.
  Result<Enrolment> MakeToken(std::string_view cluster, std::string_view node,
                              std::chrono::seconds life, std::string_view made_by);
  // Its certificates are worth nothing from now on. kNotFound where there is no such agent.
  Result<> Revoke(std::string_view agent_id, std::string_view by);

  // What agents of a cluster ("": of all) shall do for a feature: a JSON object. Pushed at once.
  Result<> SetPolicy(std::string_view feature, std::string_view cluster, std::string_view json);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace bulwark::link
