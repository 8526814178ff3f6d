#include "features/audit/tail.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

namespace bulwark::audit {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TailTest : public ::testing::Test {
 protected:
  void Append(const std::string& text, const std::string& name = "audit.log") {
    auto fd = OpenFile(dir_.File(name), O_WRONLY | O_APPEND | O_CREAT);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(WriteAll(fd->get(), text, name));
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_EQ(rename(dir_.File(from).c_str(), dir_.File(to).c_str()), 0);
  }
  std::string path() const { return dir_.File("audit.log"); }
  static std::vector<std::string> Read(Tail& tail) {
    auto lines = tail.Read();
    EXPECT_TRUE(lines) << lines.error().ToString();
    return lines ? *lines : std::vector<std::string>{"error"};
  }
  TempDir dir_ = *TempDir::Make();
};

TEST_F(TailTest, LinesAsTheyCome) {
  Tail tail(path(), {});
  EXPECT_FALSE(tail.Read());  // not there yet
  Append("one\ntwo\nthr");
  EXPECT_THAT(Read(tail), ElementsAre("one", "two"));
  EXPECT_THAT(Read(tail), IsEmpty());
  Append("ee\r\n\nfour\n");
  EXPECT_THAT(Read(tail), ElementsAre("three", "four"));
}

TEST_F(TailTest, GoesOnWhereItWas) {
  Append("one\ntwo\npart");
  TailPosition position;
  {
    Tail tail(path(), {});
    Read(tail);
    position = TailPosition::Parse(tail.position().ToJson());
    EXPECT_EQ(position, tail.position());
  }
  Append("ial\nthree\n");
  Tail tail(path(), position);
  EXPECT_THAT(Read(tail), ElementsAre("partial", "three"));
}

TEST_F(TailTest, Renamed) {
  Append("one\n");
  Tail tail(path(), {});
  EXPECT_THAT(Read(tail), ElementsAre("one"));
  Append("two\n");
  Rename("audit.log", "audit-1.log");
  Append("three\n", "audit-1.log");  // its writer has not noticed yet
  Append("four\n");
  EXPECT_THAT(Read(tail), ElementsAre("two", "three", "four"));
  EXPECT_EQ(tail.rotations(), 1U);
}

TEST_F(TailTest, RenamedWhileNobodyLooked) {
  Append("one\n");
  TailPosition position;
  {
    Tail tail(path(), {});
    Read(tail);
    position = tail.position();
  }
  Append("two\n");
  Rename("audit.log", "audit-2026.log");
  Append("three\n");
  Tail tail(path(), position);
  EXPECT_THAT(Read(tail), ElementsAre("two", "three"));
}

TEST_F(TailTest, CopiedAndTruncated) {
  Append("one\ntwo\n");
  Tail tail(path(), {});
  EXPECT_THAT(Read(tail), ElementsAre("one", "two"));
  ASSERT_EQ(truncate(path().c_str(), 0), 0);
  Append("a\n");
  EXPECT_THAT(Read(tail), ElementsAre("a"));
  // Written past the old place between two looks.
  ASSERT_EQ(truncate(path().c_str(), 0), 0);
  Append("new one\nnew two\n");
  EXPECT_THAT(Read(tail), ElementsAre("new one", "new two"));
  EXPECT_EQ(tail.rotations(), 2U);
}

TEST_F(TailTest, AnotherFileInItsPlaceIsReadFromItsBeginning) {
  Append("one\n");
  TailPosition position;
  {
    Tail tail(path(), {});
    Read(tail);
    position = tail.position();
  }
  ASSERT_EQ(unlink(path().c_str()), 0);
  Append("other\n");
  Tail tail(path(), position);
  EXPECT_THAT(Read(tail), ElementsAre("other"));
}

TEST_F(TailTest, LongLinesArePassedOver) {
  Append("one\n" + std::string(100, 'x') + "\ntwo\n" + std::string(100, 'y'));
  Tail tail(path(), {}, {.max_line = 50});
  EXPECT_THAT(Read(tail), ElementsAre("one", "two"));
  EXPECT_EQ(tail.too_long(), 2U);
  Append(std::string(100, 'y') + "\nthree\n");
  EXPECT_THAT(Read(tail), ElementsAre("three"));
  EXPECT_EQ(tail.too_long(), 2U);
}

TEST_F(TailTest, ReadsInPieces) {
  for (int i = 0; i < 100; ++i) Append("line " + std::to_string(i) + "\n");
  Tail tail(path(), {}, {.max_read = 100});
  std::vector<std::string> all;
  while (true) {
    auto lines = Read(tail);
    if (lines.empty()) break;
    EXPECT_LT(lines.size(), 60U);
    all.insert(all.end(), lines.begin(), lines.end());
  }
  EXPECT_EQ(all.size(), 100U);
  EXPECT_EQ(all.back(), "line 99");
}

TEST_F(TailTest, AFolderIsNoLog) {
  Tail tail(dir_.path(), {});
  auto lines = tail.Read();
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().id(), "file.kind");
}

}  // namespace
}  // namespace bulwark::audit
