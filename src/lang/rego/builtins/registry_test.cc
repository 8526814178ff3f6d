// The declarations of all built-ins against OPA's: testdata/capabilities.txt, which
// tests/conformance/rego/capabilities_dump.py wrote.

#include <gtest/gtest.h>

#include <map>

#include "base/files.h"
#include "base/text.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {
namespace {

// The type without the names of its arguments.
std::string WithoutNames(std::string_view type) {
  std::string out;
  int depth = 0;
  for (size_t i = 0; i < type.size(); ++i) {
    char c = type[i];
    if (c == '[' || c == '<') ++depth;
    if (c == ']' || (c == '>' && type[i - 1] != '-')) --depth;
    if (depth == 0 && c == ':') {
      while (!out.ends_with('(') && !out.ends_with(", ") && !out.ends_with("-> ")) out.pop_back();
      ++i;  // the space
      continue;
    }
    out += c;
  }
  return out;
}

std::string Describe(const Builtin& b) {
  std::string out = std::string(b.name) + "\t" + WithoutNames(b.type) + "\t";
  out += b.infix.empty() ? "-" : b.infix;
  if (b.nondeterministic) out += "\tnondeterministic";
  if (b.deprecated) out += "\tdeprecated";
  if (b.relation) out += "\trelation";
  return out;
}

TEST(Registry, DeclaresWhatOpaDeclares) {
  auto table = ReadFile(BULWARK_SOURCE_DIR "/src/lang/rego/builtins/testdata/capabilities.txt");
  ASSERT_TRUE(table) << table.error().ToString();
  std::map<std::string, std::string, std::less<>> expected;
  for (std::string_view line : SplitLines(*table)) {
    expected.emplace(line.substr(0, line.find('\t')), line);
  }
  ASSERT_EQ(expected.size(), 206U);
  for (const Builtin* builtin : Registry::Standard().all()) {
    auto found = expected.find(builtin->name);
    ASSERT_NE(found, expected.end()) << builtin->name;
    EXPECT_EQ(Describe(*builtin), found->second);
    expected.erase(found);
  }
  for (const auto& [name, line] : expected) ADD_FAILURE() << "missing: " << line;
}

TEST(Registry, TakesMore) {
  constexpr Builtin kMore[] = {{"acme.greet", "(name: string) -> string"}};
  Registry registry(kMore);
  EXPECT_NE(registry.Find("acme.greet"), nullptr);
  EXPECT_NE(registry.Find("count"), nullptr);
  EXPECT_EQ(Registry::Standard().Find("acme.greet"), nullptr);
  EXPECT_EQ(registry.all().size(), Registry::Standard().all().size() + 1);
}

}  // namespace
}  // namespace bulwark::rego
