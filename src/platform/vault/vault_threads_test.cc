#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/files.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::vault {
namespace {

// Readers and writers go on while a rotation runs; nothing is lost and nothing is left behind.
TEST(VaultThreads, RotationUnderUse) {
  TempDir folder = TempDir::Make().value();
  auto state = store::OpenSqliteStateStore(folder.File("state.db")).value();
  auto vault = Vault::Open(*state, OpenKeyFile({folder.File("master.key")}).value()).value();
  constexpr int kWriters = 3, kPerWriter = 30;
  for (int w = 0; w < kWriters; ++w) {
    ASSERT_TRUE(vault->Put({"c", std::to_string(w), "f"}, "0"));
  }
  std::atomic<bool> done = false;
  std::vector<std::jthread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      Place place{"c", std::to_string(w), "f"};
      for (int i = 1; i <= kPerWriter; ++i) {
        ASSERT_TRUE(vault->Put(place, std::to_string(i)));
        Result<std::string> got = vault->Get(place);
        ASSERT_TRUE(got) << got.error().message();
        EXPECT_EQ(*got, std::to_string(i));
      }
    });
  }
  std::jthread rotator([&] {
    while (!done) {
      Result<Vault::Rotation> rotated = vault->Rotate();
      ASSERT_TRUE(rotated || rotated.error().code() == Code::kUnavailable)
          << rotated.error().message();
    }
  });
  for (std::jthread& thread : threads) thread.join();
  done = true;
  rotator.join();
  ASSERT_TRUE(vault->Rotate());
  EXPECT_EQ(vault->Describe()->not_current, 0u);
  for (int w = 0; w < kWriters; ++w) {
    EXPECT_EQ(*vault->Get({"c", std::to_string(w), "f"}), std::to_string(kPerWriter));
  }
}

}  // namespace
}  // namespace bulwark::vault
