#include "features/posture/source.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/files.h"
#include "features/posture/testing.h"

namespace bulwark::posture {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Report InspectPaths(const CheckSet& checks, const std::vector<std::string>& paths,
                    std::string stdin_text = "") {
  Env env = Env::Process();
  env.read_stdin = [&](size_t) -> Result<std::string> { return stdin_text; };
  Inspection inspection(checks, {.threads = 2});
  AddPaths(inspection, env, paths, {});
  return inspection.Finish();
}

constexpr const char* kBad =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec:\n  containers:\n  - name: a\n"
    "    securityContext:\n      privileged: true\n";

TEST(Source, ReadsALargeFileInPiecesWithTheRightLines) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  std::string text;
  uint32_t line = 1;
  std::vector<uint32_t> want;
  for (int i = 0; text.size() < (size_t{3} << 20); ++i) {
    std::string document = "---\n" + std::string(kBad);
    document.replace(document.find("bad"), 3, "p" + std::to_string(i));
    // Documents of all sizes, some larger than a piece.
    if (i == 5) document += "data: " + std::string(size_t{1} << 20, 'x') + "\n";
    if (i % 7 == 0) document += std::string(static_cast<size_t>(i % 50), '\n');
    want.push_back(line + 8);
    line += static_cast<uint32_t>(std::count(document.begin(), document.end(), '\n'));
    text += document;
  }
  std::string file = dir->File("many.yaml");
  ASSERT_TRUE(WriteFileAtomic(file, text).has_value());
  Report report = InspectPaths(ChecksFrom(kPrivileged), {file});
  EXPECT_TRUE(report.unread.empty());
  std::vector<uint32_t> got;
  for (const Finding& f : report.findings) got.push_back(f.evidence.place.line);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, want);
}

TEST(Source, WalksFoldersAndNamesWhatIsMissing) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  std::filesystem::create_directories(dir->File("k8s/sub"));
  std::filesystem::create_directories(dir->File("k8s/chart/templates"));
  ASSERT_TRUE(WriteFileAtomic(dir->File("k8s/a.yaml"), kBad).has_value());
  ASSERT_TRUE(WriteFileAtomic(dir->File("k8s/sub/b.yml"), kBad).has_value());
  ASSERT_TRUE(WriteFileAtomic(dir->File("k8s/notes.txt"), "not: read: at all").has_value());
  ASSERT_TRUE(WriteFileAtomic(dir->File("k8s/values.yaml"), "replicas: 3\n").has_value());
  ASSERT_TRUE(WriteFileAtomic(dir->File("k8s/chart/Chart.yaml"),
                              "name: c\nversion: 1.0.0\napiVersion: v2\n")
                  .has_value());
  ASSERT_TRUE(WriteFileAtomic(dir->File("k8s/chart/templates/x.yaml"), "{{ if }}").has_value());
  ::setenv("HELM", "no-such-helm", 1);
  Report report =
      InspectPaths(ChecksFrom(kPrivileged), {dir->File("k8s"), dir->File("absent.yaml")});
  ::unsetenv("HELM");
  EXPECT_EQ(report.findings.size(), 2U);
  std::vector<std::string> errors;
  for (const Unread& u : report.unread) errors.push_back(u.error);
  EXPECT_THAT(errors, ElementsAre(HasSubstr("no such file"), HasSubstr("install helm")));
}

TEST(Source, StandardInput) {
  Report report = InspectPaths(ChecksFrom(kPrivileged), {"-"}, kBad);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].evidence.place.ToString(), "-:8:19");
}

}  // namespace
}  // namespace bulwark::posture
