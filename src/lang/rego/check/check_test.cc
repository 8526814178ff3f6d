#include "lang/rego/check/check.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/check/deps.h"

namespace bulwark::rego {
namespace {

struct Compiled {
  Resolution policy;
  PolicyTypes types;
  std::vector<Diagnostic> errors;
};

struct Settings {
  CheckOptions check;
  Dialect dialect = Dialect::kV1;
};

std::unique_ptr<Compiled> Compile(const std::vector<std::string>& texts,
                                  const Settings& settings = {}) {
  auto out = std::make_unique<Compiled>();
  std::vector<std::unique_ptr<Module>> modules;
  ParseOptions options;
  options.dialect = settings.dialect;
  for (size_t i = 0; i < texts.size(); ++i) {
    auto module = ParseModule("test-" + std::to_string(i) + ".rego", texts[i], options,
                              &out->errors);
    if (!module) {
      ADD_FAILURE() << texts[i] << "\n" << module.error().ToString();
      return out;
    }
    modules.push_back(std::move(*module));
  }
  ResolveModules(std::move(modules), {.strict = settings.check.strict}, out->policy, out->errors);
  CheckPolicy(out->policy, settings.check, out->types, out->errors);
  return out;
}

std::string Query(const Compiled& compiled, const std::string& text,
                  const CheckOptions& options = {}) {
  std::vector<Diagnostic> errors;
  auto query = ParseQuery(text, {}, &errors);
  if (!query) return query.error().message();
  ResolvedQuery resolved;
  ResolveQuery(compiled.policy, std::move(*query), {}, resolved, errors);
  CheckQuery(compiled.policy, compiled.types, resolved, options, errors);
  return errors.empty() ? "ok" : DiagnosticsText(errors);
}

// testdata/errors.txt: "=== name | flags", modules between "---", what OPA 1.22.2 prints after ">>>".
struct Case {
  std::string name;
  std::string flags;
  std::vector<std::string> modules;
  std::string want;
};

std::vector<Case> ReadCases(const std::string& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  bool answer = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      Case& made = cases.emplace_back();
      const size_t bar = line.find(" | ");
      made.name = line.substr(4, bar == std::string::npos ? bar : bar - 4);
      if (bar != std::string::npos) made.flags = line.substr(bar + 3);
      made.modules.emplace_back();
      answer = false;
    } else if (line == ">>>") {
      answer = true;
    } else if (line == "---" && !answer) {
      cases.back().modules.emplace_back();
    } else if (!cases.empty()) {
      (answer ? cases.back().want : cases.back().modules.back()) += line + "\n";
    }
  }
  for (Case& read : cases) {
    while (read.want.ends_with('\n')) read.want.pop_back();
  }
  return cases;
}

TEST(CheckTest, SaysWhatOpaSays) {
  std::vector<Case> cases =
      ReadCases(BULWARK_SOURCE_DIR "/src/lang/rego/check/testdata/errors.txt");
  ASSERT_GT(cases.size(), 100U);
  for (const Case& c : cases) {
    Settings settings;
    std::istringstream flags(c.flags);
    for (std::string flag; flags >> flag;) {
      if (flag == "strict") settings.check.strict = true;
      if (flag == "v0") settings.dialect = Dialect::kV0;
      if (flag.starts_with("limit=")) settings.check.error_limit = std::stoul(flag.substr(6));
    }
    auto compiled = Compile(c.modules, settings);
    std::string got = compiled->errors.empty() ? "ok" : DiagnosticsText(compiled->errors);
    EXPECT_EQ(got, c.want) << c.name << "\n" << c.modules[0];
  }
}

}  // namespace
}  // namespace bulwark::rego
