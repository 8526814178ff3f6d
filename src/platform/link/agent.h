#pragma once

// The agent's half of the link: enrols once, renews its certificate, sends what is in the spool,
// listens for policies.
//
//   LinkAgent link = …Open({.server = "https://bulwark:7443", .ca_file = …, .token_file = …, …});
//   link->OnPolicy("node", [](const Value& policy) { … });
//   link->Start();
//   link->Send("node", "facts", 1, json);    // into the spool; never waits for the server
//
// State folder: identity.pem (0600: key, certificate, the server's CA) and spool/. Where identity
// and CA are there, no token is needed. The certificate is renewed at two thirds of its life; one
// that has expired, or was refused (401), makes the agent enrol anew where it has a token that
// serves more than once (a service account's), else it says so and goes on trying.
//
// Times between attempts double from first_wait to max_wait, with some chance in them, so that a
// thousand agents do not come back in one moment. Batches that are too big are halved.
// Thread-safety: OnPolicy() before Start(), Send() and status() from any thread; callbacks on the
// thread that polls.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "base/time.h"
#include "base/value.h"
#include "crypto/keys.h"
#include "crypto/x509.h"
#include "net/http_client.h"
#include "platform/link/envelope.h"
#include "platform/link/spool.h"

namespace bulwark::link {

struct LinkAgentOptions {
  std::string server;  // "https://bulwark.example:7443"
  std::string state_folder;
  std::string ca_file;     // PEM of the server's CA
  std::string token_file;  // a one-time token, or (with cluster) a projected service-account token
  std::string cluster;     // with a service-account token: its cluster's id
  std::string node;        // with a one-time token: this node's name
  std::string version;     // ours
  SpoolOptions spool;
  size_t batch_envelopes = 1000;
  size_t batch_bytes = size_t{2} << 20;
  std::chrono::milliseconds linger{200};  // how long the first envelope waits for company
  std::chrono::milliseconds first_wait = std::chrono::seconds(1);
  std::chrono::milliseconds max_wait = std::chrono::minutes(1);
  std::chrono::seconds poll_wait{55};
  // A batch without envelopes when nothing was sent for so long, so that the server knows.
  std::chrono::milliseconds heartbeat = std::chrono::minutes(1);
  std::function<Timestamp()> now = Now;
};

class LinkAgent {
 public:
  // kInvalid for options that cannot be; spool's errors.
  static Result<std::unique_ptr<LinkAgent>> Open(LinkAgentOptions options);
  ~LinkAgent();  // Stop()
  LinkAgent(const LinkAgent&) = delete;
  LinkAgent& operator=(const LinkAgent&) = delete;

  using PolicyCallback = std::function<void(const Value& policy)>;
  void OnPolicy(std::string feature, PolicyCallback then);
  void Start();
  void Stop();

  // `payload` is a JSON object.
  Result<> Send(std::string_view feature, std::string_view kind, int64_t version,
                std::string_view payload);
  // Waits until the server has acknowledged all that was sent; false where stop came first.
  bool Flush(const std::stop_token& stop);

  struct Status {
    bool enrolled = false;
    NodeIdentity identity;
    Timestamp certificate_expires;
    std::string last_error;  // empty: the last attempt went well
    uint64_t sent = 0, refused = 0;
    Spool::Stats spool;
  };
  Status status() const;

 private:
  struct Identity {
    NodeIdentity who;
    std::string key_pem, certificate_pem, ca_pem;
    Timestamp renew_at, expires;
  };

  explicit LinkAgent(LinkAgentOptions options, std::unique_ptr<Spool> spool);
  void LoadIdentity();
  Result<> SaveIdentity(const Identity& identity) const;
  // A client with the identity, made anew when that changed; nullptr where there is none.
  std::shared_ptr<const net::HttpClient> Client() const;
  void Adopt(Identity identity);
  Result<> EnsureIdentity(const std::stop_token& stop);
  Result<Identity> AskForIdentity(const net::HttpClient& client, std::string_view path,
                                  std::string_view members, const std::stop_token& stop);
  Result<> Enrol(const std::stop_token& stop);
  Result<> Renew(const std::stop_token& stop);
  // Sends one batch: whether there was anything to send.
  Result<bool> SendBatch(const std::stop_token& stop);
  Result<> PollPolicy(const std::stop_token& stop);
  void SendLoop(const std::stop_token& stop);
  void PollLoop(const std::stop_token& stop);
  // False where stop came.
  bool Wait(const std::stop_token& stop, std::chrono::milliseconds time);
  void Say(const Result<>& outcome);
  void LoseIdentity();

  const LinkAgentOptions options_;
  const std::unique_ptr<Spool> spool_;
  std::map<std::string, PolicyCallback> on_policy_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable_any changed_;
  std::shared_ptr<const Identity> identity_;
  std::shared_ptr<const net::HttpClient> client_;
  bool refused_ = false;  // the server did not take our identity: enrol anew
  bool waiting_ = false;  // envelopes came since the sender last looked
  std::string last_error_;
  uint64_t sent_ = 0, refused_envelopes_ = 0;
  size_t batch_limit_;
  std::chrono::steady_clock::time_point last_sent_;

  uint64_t policy_version_ = 0;  // of the polling thread
  std::jthread sender_, poller_;
};

}  // namespace bulwark::link
