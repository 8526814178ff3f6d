#pragma once

// A host for policies that may use the network: http.send and net.lookup_ip_addr, for the hosts
// that are named, as OPA behaves (its fields, redirects, decoding and caching of answers).
//
//   NetworkHost host({.allowed_hosts = {"registry.example"}});
//   rego::Context context(arena, host);
//
// Nothing is allowed that the options do not name: no host, no file, no variable of the
// environment. Answers that say so ("cache": true, Cache-Control: max-age) or are told to
// ("force_cache") are kept for the host's life, up to a size.
//
// Errors of HttpSend: those of net/http_client.h, and rego.host (kDenied: "disallowed host: x";
// kInvalid: what is wrong with the request). Safe from any thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lang/rego/builtins/builtin.h"
#include "net/http_client.h"

namespace bulwark::rego {

struct NetworkHostOptions {
  // Names without port; "*" alone is any.
  std::vector<std::string> allowed_hosts;
  // Where the addresses of allowed hosts may lead; absent: anywhere.
  std::shared_ptr<const net::UrlGuard> guard;
  bool allow_files = false;        // tls_ca_cert_file and its like
  bool allow_environment = false;  // tls_ca_cert_env_variable and its like
  size_t max_response_bytes = size_t{16} << 20;
  size_t max_cache_bytes = size_t{64} << 20;
  int64_t max_retries = 10;
  std::stop_token stop;  // ends requests and the waiting between them
  // opa.runtime(): "env" and whatever else is to be known.
  std::vector<std::pair<std::string, std::string>> runtime, environment;
  std::function<void(std::string_view text, std::string_view place)> print;
};

class NetworkHost : public Host {
 public:
  explicit NetworkHost(NetworkHostOptions options);
  ~NetworkHost() override;
  NetworkHost(const NetworkHost&) = delete;
  NetworkHost& operator=(const NetworkHost&) = delete;

  Value Runtime(Arena& arena) override;
  Result<Value> HttpSend(const Value& request, Arena& arena) override;
  Result<std::vector<std::string>> LookupAddress(std::string_view name) override;
  void Print(std::string_view text, std::string_view place) override;

 private:
  struct Answer;
  struct Kept;
  struct Sending;
  Result<> CheckHost(std::string_view url) const;
  Result<Answer> Exchange(const Sending& sending);
  Result<Answer> ExchangeWithRetries(const Sending& sending);
  Result<std::shared_ptr<const net::HttpClient>> ClientFor(const Sending& sending);
  std::shared_ptr<const Kept> Find(const std::string& key);
  void Keep(const std::string& key, const Answer& answer, int64_t expires);
  void Forget(const std::string& key);

  NetworkHostOptions options_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Kept>> kept_;
  size_t kept_bytes_ = 0;
  std::shared_ptr<const net::HttpClient> plain_;
};

}  // namespace bulwark::rego
