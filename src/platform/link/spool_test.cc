#include "platform/link/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/files.h"
#include "formats/json.h"

namespace bulwark::link {
namespace {

struct World {
  TempDir temp = TempDir::Make().value();
  std::string folder = temp.File("spool");
  std::unique_ptr<Spool> Open(const SpoolOptions& options = {}) const {
    return Spool::Open(folder, options).value();
  }
};

uint64_t Add(Spool& spool, int number, size_t padding = 0) {
  return spool
      .Append("node", "facts", 1, 1'700'000'000'000'000,
              fmt::format(R"({{"number":{},"padding":"{}"}})", number, std::string(padding, 'x')))
      .value();
}

std::vector<int64_t> Numbers(const std::vector<Spooled>& all) {
  std::vector<int64_t> out;
  for (const Spooled& one : all) {
    Arena arena;
    Value value = ParseJson(one.json, arena).value();
    EXPECT_EQ(value["seq"].ToInt(), static_cast<int64_t>(one.seq));
    out.push_back(*value["payload"]["number"].ToInt());
  }
  return out;
}

TEST(Spool, KeepsOrderAndForgetsWhatIsAcknowledged) {
  World world;
  auto spool = world.Open();
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(Add(*spool, i), static_cast<uint64_t>(i));
  EXPECT_EQ(Numbers(*spool->Peek(3, 1 << 20)), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(Numbers(*spool->Peek(3, 1)), (std::vector<int64_t>{1})) << "one at least";
  ASSERT_TRUE(spool->Acknowledge(3));
  EXPECT_EQ(Numbers(*spool->Peek(100, 1 << 20)), (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(spool->stats().waiting, 2u);
  ASSERT_TRUE(spool->Acknowledge(99)) << "no further than there is";
  EXPECT_TRUE(spool->Peek(100, 1 << 20)->empty());
  EXPECT_EQ(spool->stats().bytes, 0u);
  EXPECT_EQ(Add(*spool, 6), 6u);
}

TEST(Spool, ComesBackAsItWas) {
  World world;
  std::string epoch;
  {
    auto spool = world.Open({.segment_bytes = 300});
    epoch = spool->epoch();
    for (int i = 1; i <= 10; ++i) Add(*spool, i);
    ASSERT_TRUE(spool->Acknowledge(4));
  }
  {
    auto spool = world.Open();
    EXPECT_EQ(spool->epoch(), epoch);
    EXPECT_EQ(Numbers(*spool->Peek(100, 1 << 20)), (std::vector<int64_t>{5, 6, 7, 8, 9, 10}));
    EXPECT_EQ(Add(*spool, 11), 11u);
    ASSERT_TRUE(spool->Acknowledge(11));
  }
  auto spool = world.Open();
  EXPECT_EQ(Add(*spool, 12), 12u) << "numbers go on though nothing is there";
  EXPECT_EQ(spool->epoch(), epoch);
}

TEST(Spool, OnlyOneAtATime) {
  World world;
  auto spool = world.Open();
  EXPECT_EQ(Spool::Open(world.folder).error().id(), "link.spool_locked");
}

TEST(Spool, FullDropsTheOldestAndCounts) {
  World world;
  auto spool = world.Open({.max_bytes = 10'000, .segment_bytes = 1'000});
  for (int i = 1; i <= 200; ++i) Add(*spool, i, 100);
  Spool::Stats stats = spool->stats();
  EXPECT_LE(stats.bytes, 10'000u);
  std::vector<int64_t> left = Numbers(*spool->Peek(1000, 1 << 20));
  EXPECT_EQ(left.back(), 200);
  EXPECT_EQ(stats.dropped + left.size(), 200u);
  EXPECT_EQ(left.front(), static_cast<int64_t>(stats.dropped) + 1) << "the oldest went";
  spool.reset();
  spool = world.Open();
  EXPECT_EQ(spool->stats().dropped, stats.dropped);
  EXPECT_EQ(spool->stats().waiting, left.size());
}

TEST(Spool, AnEnvelopeThatIsTooBig) {
  World world;
  auto spool = world.Open({.max_envelope_bytes = 100});
  Result<uint64_t> seq = spool->Append("a", "b", 1, 0, "\"" + std::string(101, 'x') + "\"");
  ASSERT_FALSE(seq);
  EXPECT_EQ(seq.error().code(), Code::kLimit);
}

TEST(Spool, DamageCostsWhatIsDamagedAndNoMore) {
  struct {
    const char* why;
    std::function<void(const std::string& file)> damage;
    size_t left;
  } const cases[] = {
      {"cut in the last frame",
       [](const std::string& file) {
         std::string bytes = *ReadFile(file);
         ASSERT_TRUE(WriteFileAtomic(file, bytes.substr(0, bytes.size() - 3)));
       },
       4},
      {"a bit of the last frame",
       [](const std::string& file) {
         std::string bytes = *ReadFile(file);
         bytes[bytes.size() - 3] ^= 1;
         ASSERT_TRUE(WriteFileAtomic(file, bytes));
       },
       4},
      {"garbage behind",
       [](const std::string& file) {
         ASSERT_TRUE(WriteFileAtomic(file, *ReadFile(file) + std::string(100, '\xff')));
       },
       5},
      {"empty", [](const std::string& file) { ASSERT_TRUE(WriteFileAtomic(file, "")); }, 0},
  };
  for (const auto& c : cases) {
    World world;
    {
      auto spool = world.Open();
      for (int i = 1; i <= 5; ++i) Add(*spool, i);
    }
    std::vector<std::string> files = WalkFiles(world.folder).value();
    for (const std::string& file : files) {
      if (file.ends_with(".spool")) c.damage(file);
    }
    auto spool = world.Open();
    EXPECT_EQ(spool->Peek(100, 1 << 20)->size(), c.left) << c.why;
    uint64_t next = Add(*spool, 6);
    std::vector<Spooled> all = spool->Peek(100, 1 << 20).value();
    EXPECT_EQ(all.size(), c.left + 1) << c.why;
    EXPECT_EQ(all.back().seq, next);
  }
}

TEST(Spool, WithoutItsStateItSendsAgainUnderTheSameNumbers) {
  World world;
  std::string epoch;
  {
    auto spool = world.Open();
    epoch = spool->epoch();
    for (int i = 1; i <= 5; ++i) Add(*spool, i);
    ASSERT_TRUE(spool->Acknowledge(2));
  }
  for (const char* text : {"garbage", ""}) {
    ASSERT_TRUE(WriteFileAtomic(world.folder + "/state", text));
    auto spool = world.Open();
    EXPECT_EQ(spool->epoch(), epoch);
    EXPECT_EQ(Numbers(*spool->Peek(100, 1 << 20)), (std::vector<int64_t>{1, 2, 3, 4, 5}));
  }
}

// A process that appends is killed again and again: what it was told is kept, is kept.
TEST(Spool, KilledWhileAppending) {
  World world;
  int64_t told = 0;
  for (int round = 0; round < 10; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      auto spool = world.Open({.segment_bytes = 2000});
      for (;;) {
        uint64_t seq = Add(*spool, 0, 50);
        if (::write(pipe[1], &seq, sizeof(seq)) != sizeof(seq)) ::_exit(1);
      }
    }
    ::close(pipe[1]);
    uint64_t seq = 0;
    for (int i = 0; i < 50 + round * 13; ++i) {
      ASSERT_EQ(::read(pipe[0], &seq, sizeof(seq)), static_cast<ssize_t>(sizeof(seq)));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe[0], &seq, sizeof(seq)) == sizeof(seq)) {
    }
    ::close(pipe[0]);
    told = static_cast<int64_t>(seq);
    auto spool = world.Open();
    std::vector<Spooled> all = spool->Peek(100'000, 1 << 30).value();
    ASSERT_GE(all.size(), static_cast<size_t>(told));
    for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].seq, i + 1);
    EXPECT_EQ(spool->stats().dropped, 0u);
  }
}

}  // namespace
}  // namespace bulwark::link
