#pragma once

// The server's certificate authority and its certificates.
//
// On its first start a server makes a CA (ECDSA P-256, 10 years), whose key is sealed in the vault
// and taken out only while something is signed, and a certificate for itself (90 days). That one
// is made anew at two thirds of its life, and when the names change that it should have; running
// listeners are told, so that they take it over. The CA's certificate is written to a file, for
// people to trust and agents to be given.
//
// The console and API may have the user's own certificate instead: two PEM files, which are looked
// at every half minute, so that what cert-manager or Kubernetes (which swaps the link ..data under
// a mounted Secret) puts there is served without a restart. New files that cannot be used (a key
// that does not fit, half of a change) leave the old pair in service, with a line in the log.
// Agents always see the certificate of our own CA: they trust nothing else.
//
// A CA is not renewed by itself, as agents would have to trust the new one first; from a year
// before its end the log and the metric bulwark_ca_expiry_seconds say so.
//
// Errors beside those of crypto/x509.h, the vault, the store and files: certificates.mismatch
// kInvalid (certificate and key files are no pair). Thread-safety: all members from any thread.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "platform/store/state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::vault {

// What a TLS listener needs.
struct TlsPair {
  std::string certificate_pem;  // with intermediates
  std::string key_pem;
  std::string fingerprint;  // of the certificate
};

struct CertificateOptions {
  // Beside localhost, 127.0.0.1, ::1 and the host's name.
  crypto::AltNames names;
  // The user's own, for the console and API. Both or none.
  std::string certificate_file, key_file;
  // Where the CA's certificate is written; empty: nowhere.
  std::string ca_file;
  std::chrono::hours ca_life = std::chrono::hours(24 * 3650);
  std::chrono::hours server_life = std::chrono::hours(24 * 90);
  std::chrono::milliseconds look_every = std::chrono::seconds(30);
  std::function<Timestamp()> now = Now;
};

class Certificates {
 public:
  static Result<std::unique_ptr<Certificates>> Open(store::StateStore& state, Vault& vault,
                                                    CertificateOptions options = {});
  ~Certificates();  // ends the thread
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  crypto::Certificate ca() const { return ca_; }
  std::string ca_pem() const { return ca_.ToPem(); }
  // For the console, API and webhooks: the user's own, or that of our CA.
  TlsPair front() const;
  // For agents: always that of our CA.
  TlsPair internal() const;

  // Signed by the CA now.
  Result<crypto::Certificate> Issue(const crypto::PublicKey& subject_key,
                                    const crypto::CertificateSpec& spec);

  // Told after front() or internal() changed, by the thread that found out. Before Start().
  void OnChange(std::function<void()> then);
  // Looks after clock and files from now on, on a thread of its own.
  void Start();
  // One look, as the thread does it: whether anything changed.
  Result<bool> Look();

 private:
  Certificates(store::StateStore& state, Vault& vault, CertificateOptions options,
               crypto::Certificate ca);
  Result<bool> LookAtOwn();
  Result<bool> LookAtFiles();
  Result<TlsPair> MakeServer();

  store::StateStore& state_;
  Vault& vault_;
  const CertificateOptions options_;
  const crypto::Certificate ca_;
  crypto::AltNames names_;
  std::vector<std::function<void()>> on_change_;

  std::mutex looking_;        // one look at a time
  std::string files_seen_;    // hash of the last files that were looked at
  mutable std::mutex mutex_;  // of what follows
  TlsPair internal_, from_files_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace bulwark::vault
