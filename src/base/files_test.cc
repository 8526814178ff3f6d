#include "base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>
#include <filesystem>

namespace bulwark {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(Files, WriteThenReadAndKeepTheMode) {
  TempDir dir = TempDir::Make().value();
  std::string path = dir.File("a");
  ASSERT_TRUE(WriteFileAtomic(path, "one", 0600));
  EXPECT_EQ(ReadFile(path).value(), "one");
  EXPECT_EQ(ModeOf(path), 0600u);
  ASSERT_TRUE(WriteFileAtomic(path, std::string(200'000, 'x')));
  EXPECT_EQ(ReadFile(path).value().size(), 200'000u);
  EXPECT_EQ(ModeOf(path), 0600u);
  ASSERT_TRUE(WriteFileAtomic(dir.File("new"), ""));
  EXPECT_EQ(ModeOf(dir.File("new")), 0644u);
  // Nothing is left over.
  EXPECT_EQ(WalkFiles(dir.path(), {.hidden = true}).value().size(), 2u);
}

TEST(Files, AFailedWriteLeavesTheOldFileAndNothingElse) {
  TempDir dir = TempDir::Make().value();
  ASSERT_EQ(::mkdir(dir.File("folder").c_str(), 0755), 0);
  ASSERT_TRUE(WriteFileAtomic(dir.File("folder/x"), "1"));
  EXPECT_FALSE(WriteFileAtomic(dir.File("folder"), "2"));
  EXPECT_EQ(WalkFiles(dir.path(), {.hidden = true}).value().size(), 1u);
  EXPECT_EQ(WriteFileAtomic(dir.File("none/x"), "2").error().code(), Code::kNotFound);
}

TEST(Files, ErrorsNameThePathAndTheReason) {
  TempDir dir = TempDir::Make().value();
  Error error = ReadFile(dir.File("none")).error();
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_EQ(error.id(), "file.not_found");
  EXPECT_EQ(error.message(), "opening " + dir.File("none") + ": no such file or directory");
  EXPECT_EQ(ReadFile(dir.path()).error().code(), Code::kInvalid);
}

TEST(Files, SizeIsLimitedAlsoForPipes) {
  TempDir dir = TempDir::Make().value();
  ASSERT_TRUE(WriteFileAtomic(dir.File("a"), "12345"));
  EXPECT_EQ(ReadFile(dir.File("a"), 5).value(), "12345");
  EXPECT_EQ(ReadFile(dir.File("a"), 4).error().id(), "file.too_big");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reader(ends[0]);
  {
    Fd writer(ends[1]);
    ASSERT_TRUE(WriteAll(writer.get(), "123456", "pipe"));
  }
  EXPECT_EQ(ReadAll(reader.get(), "pipe", 5).error().code(), Code::kLimit);
}

TEST(Files, MapsAndWalks) {
  TempDir dir = TempDir::Make().value();
  ASSERT_TRUE(WriteFileAtomic(dir.File("b"), "content"));
  ASSERT_EQ(::mkdir(dir.File("a").c_str(), 0755), 0);
  ASSERT_TRUE(WriteFileAtomic(dir.File("a/z"), ""));
  ASSERT_TRUE(WriteFileAtomic(dir.File(".hidden"), ""));
  ASSERT_EQ(::symlink(dir.path().c_str(), dir.File("loop").c_str()), 0);
  ASSERT_EQ(::symlink("b", dir.File("link").c_str()), 0);
  ASSERT_EQ(::symlink("gone", dir.File("broken").c_str()), 0);
  EXPECT_EQ(MmapFile::Open(dir.File("b")).value().bytes(), "content");
  EXPECT_EQ(MmapFile::Open(dir.File("a/z")).value().bytes(), "");
  EXPECT_FALSE(MmapFile::Open(dir.path()));
  EXPECT_EQ(WalkFiles(dir.path()).value(),
            (std::vector<std::string>{dir.File("a/z"), dir.File("b"), dir.File("link")}));
  EXPECT_EQ(WalkFiles(dir.File("b")).value(), std::vector<std::string>{dir.File("b")});
  EXPECT_EQ(WalkFiles(dir.path(), {.max_files = 1}).error().id(), "file.too_many");
  EXPECT_EQ(WalkFiles(dir.path(), {.max_depth = 0}).error().id(), "file.too_deep");
  EXPECT_EQ(WalkFiles(dir.File("none")).error().code(), Code::kNotFound);
}

TEST(Files, TempDirIsGoneAtTheEnd) {
  std::string path;
  {
    TempDir dir = TempDir::Make().value();
    path = dir.path();
    ASSERT_TRUE(WriteFileAtomic(dir.File("x"), "1"));
    EXPECT_EQ(ModeOf(path), 0700u);
    TempDir moved = std::move(dir);
    EXPECT_EQ(moved.path(), path);
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(WriteFileAtomic, ReplacesNeitherPipesNorLinks) {
  Result<TempDir> dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  std::string pipe = dir->File("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Fd reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  ASSERT_TRUE(WriteFileAtomic(pipe, "through").has_value());
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  char buffer[16];
  EXPECT_EQ(::read(reader.get(), buffer, sizeof buffer), 7);

  ASSERT_TRUE(WriteFileAtomic(dir->File("real"), "old").has_value());
  std::filesystem::create_symlink("real", dir->File("link"));
  ASSERT_TRUE(WriteFileAtomic(dir->File("link"), "new").has_value());
  EXPECT_TRUE(std::filesystem::is_symlink(dir->File("link")));
  EXPECT_EQ(*ReadFile(dir->File("real")), "new");
}

}  // namespace
}  // namespace bulwark
