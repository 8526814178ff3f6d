#pragma once

// What `gator verify` does (gatekeeper v3.23, pkg/gator/verify): suites of tests, each a template,
// a constraint and cases of objects with what is expected of them.
//
//   kind: Suite                         apiVersion: test.gatekeeper.sh/v1alpha1
//   tests:
//   - name, template, constraint, expansion: paths beside the suite; invalid; skip
//     cases:
//     - name, object, inventory: paths; skip
//       assertions: [{violations: yes | no | 3, message: regular expression}]
//
// Errors are gator's, text for text. A runner is for one thread; runners share nothing.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "features/admission/client.h"

namespace re2 {
class RE2;
}

namespace bulwark::admission {

// Files by slash-separated path, without a slash at the beginning.
class FileTree {
 public:
  enum class Kind : uint8_t { kMissing, kFile, kFolder };
  struct Entry {
    std::string name;
    bool is_folder = false;
  };
  virtual ~FileTree() = default;
  virtual Kind KindOf(const std::string& path) const = 0;
  // Of a path where there is nothing.
  virtual Error Missing(const std::string& path) const = 0;
  // An error's message is like Go's: "open a/b.yaml: no such file or directory".
  virtual Result<std::string> Read(const std::string& path) const = 0;
  // By name.
  virtual Result<std::vector<Entry>> List(const std::string& path) const = 0;
};

struct Assertion {
  // What was written: an integer, "yes", "no"; anything else is an error when it is asked.
  std::optional<int64_t> count;
  std::string word = "yes";
  std::optional<std::string> message;

  // Ids: gate.suite.violations (another number), .regex, .yaml.
  Result<> Check(const std::vector<std::string>& messages) const;
};

struct SuiteCase {
  std::string name, object;
  std::vector<std::string> inventory;
  std::vector<Assertion> assertions;
  bool skip = false;
};

struct SuiteTest {
  std::string name, template_path, constraint, expansion;
  std::vector<SuiteCase> cases;
  bool invalid = false, skip = false;
};

struct Suite {
  std::vector<SuiteTest> tests;
  std::string path;        // in the tree
  std::string input_path;  // as it was asked for
  bool skip = false;
};

// A YAML document as gator's Go library reads it: yes, no, on and off are texts. nullopt if it is
// no suite. Errors: gate.suite.yaml.
Result<std::optional<Suite>> ReadSuite(std::string_view text);
// The suites at `target`: a file, a folder, or (recursive) all below it; `original` is what the
// user wrote for it. By path.
Result<std::vector<Suite>> ReadSuites(const FileTree& files, const std::string& target,
                                      const std::string& original, bool recursive);

// --run: "name" (of a test or case), "test//case"; regular expressions.
class SuiteFilter {
 public:
  // Id: gate.suite.filter.
  static Result<SuiteFilter> Parse(std::string_view text);
  SuiteFilter(SuiteFilter&&) noexcept;
  ~SuiteFilter();
  bool MatchesTest(const SuiteTest& test) const;
  bool MatchesCase(std::string_view test, std::string_view name) const;

 private:
  SuiteFilter();
  std::unique_ptr<re2::RE2> either_, test_, case_;
};

struct CaseResult {
  std::string name;
  bool skipped = false;
  std::optional<Error> error;
  std::chrono::nanoseconds time{0};
  std::optional<std::string> trace;
  std::string prints;
};
struct TestResult {
  std::string name;
  bool skipped = false;
  std::optional<Error> error;
  std::chrono::nanoseconds time{0};
  std::vector<CaseResult> cases;
  bool failed() const;
};
struct SuiteResult {
  std::string path;
  bool skipped = false;
  std::optional<Error> error;
  std::chrono::nanoseconds time{0};
  std::vector<TestResult> tests;
  bool failed() const;
};

struct VerifyOptions {
  bool cel = true;
  bool fail_by_default = true;
  bool trace = false;
};
SuiteResult RunSuite(const FileTree& files, const Suite& suite, const SuiteFilter& filter,
                     const VerifyOptions& options);

// As `go test` would, with FAIL or PASS at the end.
std::string FormatSuiteResults(const std::vector<SuiteResult>& results, bool verbose);

// The documents of a text, divided and cleaned as gator does it for suites' files.
Result<std::vector<Value>> ReadSuiteObjects(std::string_view text, Arena& arena);

}  // namespace bulwark::admission
