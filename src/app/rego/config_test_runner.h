#pragma once

// Policies over configuration files, as Conftest runs them: rules deny, violation and warn (and
// deny_…, violation_…, warn_…) of a namespace say what is wrong with each file, rules `exception`
// what is excused.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/rego/session.h"
#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/rego.h"

namespace bulwark::regocli {

struct ConfigMessage {
  std::string text;
  Value metadata;          // null or a map
  std::string file, line;  // where the policy says that it is; empty: nothing said
  bool has_location = false;
};

struct ConfigResult {
  std::string file, name_space;
  size_t successes = 0;
  std::vector<ConfigMessage> warnings, failures, exceptions;
  std::vector<std::string> printed;

  size_t Tests() const { return successes + warnings.size() + failures.size() + exceptions.size(); }
};

// A file, or "Combined": its documents.
struct ConfigFile {
  std::string path;
  Value content;
};

class ConfigChecker {
 public:
  // The policy must outlive it; values that come back live in `arena`.
  ConfigChecker(const rego::Policy& policy, const Value& data, const Env& env, Arena& arena,
                bool builtin_errors)
      : policy_(policy), data_(data), env_(env), arena_(arena), builtin_errors_(builtin_errors) {}

  // Every package that there is, without `data.`, in the order of modules.
  std::vector<std::string> Namespaces() const;
  // `several`: an array in the file is that many documents, each judged alone.
  Result<ConfigResult> Check(const ConfigFile& file, const std::string& name_space, bool several);

 private:
  struct Rules {
    size_t count = 0;
    std::vector<std::string> names;
  };
  Rules RulesOf(const std::string& name_space) const;
  Result<> CheckOne(const ConfigFile& file, const Value& input, const std::string& name_space,
                    ConfigResult& out);
  Result<rego::ResultSet> Query(const std::string& query, const Value& input,
                                const std::string& file, ConfigResult& out);

  const rego::Policy& policy_;
  const Value& data_;
  const Env& env_;
  Arena& arena_;
  bool builtin_errors_;
  std::map<std::string, std::shared_ptr<const rego::PreparedQuery>> prepared_;
};

// A rule of that name says what is wrong: deny, violation, deny_x …
bool IsFailureRule(std::string_view name);
bool IsWarningRule(std::string_view name);

// "12 tests, 7 passed, 1 warning, 3 failures, 1 exception"
std::string TotalsOf(const std::vector<ConfigResult>& results);

struct ConfigOutput {
  std::string format = "stdout";
  bool color = false, suppress_exceptions = false, junit_hide_message = false,
       github_hide_passed = false;
};
std::string WriteConfigResults(const std::vector<ConfigResult>& results,
                               const ConfigOutput& output);

}  // namespace bulwark::regocli
