#pragma once

// Running another program and reading what it prints (kubectl kustomize, helm template). No shell
// is involved. For programs that the user asked for; hostile input is parsed in a confined child
// instead.

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bulwark {

struct ProcessOptions {
  size_t max_output_bytes = size_t{256} << 20;  // of standard output; more is an error
  int timeout_seconds = 120;
  std::string stdin_text;
  // Variables beside, or instead of, those of this process' environment.
  std::vector<std::pair<std::string, std::string>> environment;
};

struct ProcessResult {
  int exit_code = 0;  // 128 + signal where one ended it
  std::string out, err;
};

// `argv[0]` is looked up in PATH. Code::kNotFound where there is no such program.
Result<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                 const ProcessOptions& options = {});
// Whether PATH has such a program.
bool HasProgram(const std::string& name);

}  // namespace bulwark
