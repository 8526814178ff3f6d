#pragma once

// Who a request is from: the headers and certificate that a Config stands for at this moment. Token
// files are read again every minute (Kubernetes replaces a pod's every hour); programs (exec) run
// when what they gave last has expired or was refused.
//
// Thread-safety: all members may be called from any thread; a program runs once for all that wait.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kube/kubeconfig.h"

namespace bulwark::kube {

// How to run a program: the caller's, so that this module starts no processes of its own. The
// program gets this process' environment and `environment` besides, and nothing to read.
struct ProgramCall {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
};
struct ProgramOutput {
  int exit_code = 0;
  std::string out, err;
};
using RunProgram = std::function<Result<ProgramOutput>(const ProgramCall&)>;

class Credentials {
 public:
  // Without `run`, a Config with exec gives kUnsupported.
  Credentials(const Config& config, RunProgram run);
  ~Credentials();

  struct Proof {
    net::HttpHeaders headers;  // Authorization, Impersonate-*
    // Changes whenever the certificate does.
    uint64_t certificate = 0;
    std::string certificate_pem, key_pem;  // of a program; "" where the Config's own count
  };
  // Errors: kube.exec (the program's name and what it said on stderr), or the token file's.
  Result<Proof> Get();
  // The server said 401: what can be had anew is. False if that is nothing.
  bool Refused();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::kube
