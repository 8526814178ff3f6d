#pragma once

// Rules whose names begin with test_ and todo_test_, found and run as `opa test` does.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/rego/observers.h"
#include "app/rego/session.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/rego.h"

namespace bulwark::regocli {

// A case of a test that has several: `test_x[note] if …`.
struct SubResult {
  bool fail = false;
  std::map<std::string, SubResult> children;
};

struct TestResult {
  std::string file, package, name;
  uint32_t row = 0, column = 0;
  bool fail = false, skip = false;
  std::optional<Failure> error;
  int64_t nanos = 0;
  std::string output;                    // what it printed
  std::string trace;                     // the expressions that did not hold
  std::string failed_file, failed_text;  // the last of them
  uint32_t failed_row = 0;
  std::map<std::string, SubResult> cases;
  std::string benchmark;

  bool Passed() const { return !fail && !skip && !error; }
  std::string_view Outcome() const;
  // "data.p.test_x: PASS (1.2ms)"
  std::string ToString() const;
};

struct TestOptions {
  std::string run;  // a regular expression over full names
  std::chrono::nanoseconds timeout{std::chrono::seconds(5)};
  size_t threads = 0;  // 0: as many as processors
  bool trace = false;
  bool benchmark = false, benchmark_memory = true;
  Coverage* coverage = nullptr;
};

// What has to be done to the modules before they are compiled: tests of one name are numbered, and
// those with cases say which they come to.
void PrepareTests(std::vector<std::unique_ptr<rego::Module>>& modules);
// The built-ins that prepared tests call.
const rego::Registry& TestBuiltins();

// In the order of modules and lines. An error for a --run that is no regular expression.
Result<std::vector<TestResult>> RunTests(const rego::Policy& policy, const Value& data,
                                         const TestOptions& options, const Env& env);

}  // namespace bulwark::regocli
