#pragma once

// http.send's request object: what may be in it and of which types, as OPA checks it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

// That only known parameters are there, and the required ones: kValue, or kError with
// "operand <n> invalid request parameters(s): {…}".
Outcome CheckRequestKeys(Context& context, const Value& request, size_t operand);

struct SendRequest {
  std::string method, url, body;
  bool has_body = false;
  std::vector<std::pair<std::string, std::string>> headers;  // names canonical: "Content-Type"
  std::string tls_ca_cert, tls_ca_cert_file, tls_ca_cert_env_variable;
  std::string tls_client_cert, tls_client_cert_file, tls_client_cert_env_variable;
  std::string tls_client_key, tls_client_key_file, tls_client_key_env_variable;
  std::string tls_server_name;
  bool tls_use_system_certs = false, tls_insecure_skip_verify = false;
  bool enable_redirect = false;
  int64_t timeout_nanos = 5'000'000'000;  // 0: none
  int64_t max_retry_attempts = 0;
  bool force_json_decode = false, force_yaml_decode = false;
  bool cache = false;               // across queries
  int64_t force_cache_seconds = 0;  // > 0: for so long, whatever the answer says
};

// Reads a request whose keys were checked. Errors have OPA's messages.
Result<SendRequest> ReadSendRequest(const Value& request, Arena& arena);

// What caches know a request by: everything but the headers that it says to ignore.
Result<std::string> RequestCacheKey(const Value& request, Arena& arena);

// "content-type" → "Content-Type"
std::string CanonicalHeader(std::string_view name);

// providers.aws.sign_req
Outcome AwsSignRequest(Context& context, Args args, Value& out);

}  // namespace bulwark::rego
