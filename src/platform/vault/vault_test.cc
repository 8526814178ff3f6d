#include "platform/vault/vault.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/hash.h"
#include "crypto/random.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::vault {
namespace {

using testing::HasSubstr;
using testing::Not;

// A real store in a folder of its own.
struct World {
  TempDir folder = TempDir::Make().value();
  std::string key_file = folder.File("master.key");
  std::unique_ptr<store::StateStore> state = OpenStore();
  std::unique_ptr<Vault> vault = OpenVault().value();

  std::unique_ptr<store::StateStore> OpenStore() const {
    return store::OpenSqliteStateStore(folder.File("state.db")).value();
  }
  Result<std::unique_ptr<Vault>> OpenVault() const {
    return Vault::Open(*state, OpenKeyFile({key_file}).value());
  }
  void Reopen() {
    vault.reset();
    state.reset();
    state = OpenStore();
    vault = OpenVault().value();
  }
};

TEST(Vault, KeepsSecretsAndForgetsThem) {
  World world;
  Place place{"clusters", "a/b%c", "kubeconfig"};
  EXPECT_EQ(world.vault->Get(place).error().id(), "vault.not_found");
  ASSERT_TRUE(world.vault->Put(place, "hunter2"));
  ASSERT_TRUE(world.vault->Put({"clusters", "a/b%c", "token"}, ""));
  EXPECT_EQ(*world.vault->Get(place), "hunter2");
  world.Reopen();
  EXPECT_EQ(*world.vault->Get(place), "hunter2");
  EXPECT_EQ(*world.vault->Get({"clusters", "a/b%c", "token"}), "");
  ASSERT_TRUE(world.vault->Put(place, "hunter3"));
  EXPECT_EQ(*world.vault->Get(place), "hunter3");
  store::Batch batch;
  world.vault->Delete(batch, place);
  ASSERT_TRUE(world.state->Commit(batch));
  EXPECT_FALSE(*world.vault->Has(place));
  EXPECT_TRUE(*world.vault->Has({"clusters", "a/b%c", "token"}));
}

TEST(Vault, DeleteAllTakesOneRecordsFieldsOnly) {
  World world;
  for (const char* key : {"*", "a", "b"}) {
    for (const char* field : {"x", "y"}) {
      ASSERT_TRUE(world.vault->Put({"c", key, field}, "s"));
    }
  }
  ASSERT_TRUE(world.vault->Put({"c/*", "x", "x"}, "s"));
  store::Batch batch;
  world.vault->DeleteAll(batch, "c", "*");
  ASSERT_TRUE(world.state->Commit(batch));
  EXPECT_FALSE(*world.vault->Has({"c", "*", "x"}));
  EXPECT_FALSE(*world.vault->Has({"c", "*", "y"}));
  EXPECT_TRUE(*world.vault->Has({"c", "a", "x"}));
  EXPECT_TRUE(*world.vault->Has({"c", "b", "y"}));
  EXPECT_TRUE(*world.vault->Has({"c/*", "x", "x"}));
}

TEST(Vault, PlacesAreUnambiguous) {
  EXPECT_EQ((Place{"a", "b/c", "d"}.ToString()), "a/b%2Fc/d");
  EXPECT_NE((Place{"a/b", "c", "d"}.ToString()), (Place{"a", "b/c", "d"}.ToString()));
  EXPECT_NE((Place{"a%2Fb", "c", "d"}.ToString()), (Place{"a/b", "c", "d"}.ToString()));
}

TEST(Vault, CommitsWithTheCallersBatchOrNotAtAll) {
  World world;
  ASSERT_TRUE(world.state->Define({.name = "clusters"}));
  store::Batch batch;
  batch.Put("clusters", "1", R"({"name":"a"})", 12345);  // a revision that never was
  ASSERT_TRUE(world.vault->Put(batch, {"clusters", "1", "kubeconfig"}, "s"));
  EXPECT_FALSE(world.state->Commit(batch));
  EXPECT_FALSE(*world.vault->Has({"clusters", "1", "kubeconfig"}));
}

TEST(Vault, NothingOnDiskReadsAsTheSecret) {
  World world;
  std::string secret = "a-very-particular-secret-" + crypto::RandomToken();
  ASSERT_TRUE(world.vault->Put({"c", "k", "f"}, secret));
  world.vault.reset();
  world.state.reset();
  std::vector<std::string> files = WalkFiles(world.folder.path(), {.hidden = true}).value();
  EXPECT_FALSE(files.empty());
  for (const std::string& file : files) {
    std::string bytes = *ReadFile(file);
    EXPECT_THAT(bytes, Not(HasSubstr(secret))) << file;
    EXPECT_THAT(bytes, Not(HasSubstr(Base64Encode(secret).substr(0, 30)))) << file;
  }
  world.state = world.OpenStore();
}

TEST(Vault, AMovedSecretDoesNotOpen) {
  World world;
  ASSERT_TRUE(world.vault->Put({"c", "a", "f"}, "secret of a"));
  std::string body = (*world.state->Get("secrets", "c/a/f"))->body;
  store::Batch batch;
  batch.Put("secrets", "c/b/f", body);
  ASSERT_TRUE(world.state->Commit(batch));
  EXPECT_EQ(world.vault->Get({"c", "b", "f"}).error().id(), "vault.broken");
  // Also not by a rotation, which names what it cannot open and takes care of the rest.
  Result<Vault::Rotation> rotated = world.vault->Rotate();
  ASSERT_FALSE(rotated);
  EXPECT_EQ(rotated.error().id(), "vault.broken");
  EXPECT_EQ(world.vault->Get({"c", "b", "f"}).error().id(), "vault.broken");
  EXPECT_EQ(*world.vault->Get({"c", "a", "f"}), "secret of a");
}

TEST(Vault, TheMasterKey) {
  World world;
  ASSERT_TRUE(world.vault->Put({"c", "a", "f"}, "s"));
  struct stat status{};
  ASSERT_EQ(::stat(world.key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);

  std::string right = *ReadFile(world.key_file);
  std::string wrong = Base64Encode(crypto::RandomBytes(32)) + "\n";
  struct {
    const char* why;
    std::string text;
    mode_t mode;
    const char* id;
  } const cases[] = {
      {"another key", wrong, 0600, "vault.master_key"},
      {"readable by all", right, 0644, "vault.key_file"},
      {"writable by the group", right, 0660, "vault.key_file"},
      {"empty", "", 0600, "vault.key_file"},
      {"garbage", "not base64\n", 0600, "vault.key_file"},
      {"short", Base64Encode("short") + "\n", 0600, "vault.key_file"},
      {"with a comment, after another", "# keys\n" + wrong + right, 0440, ""},
      {"right", right, 0600, ""},
  };
  for (const auto& c : cases) {
    ASSERT_TRUE(WriteFileAtomic(world.key_file, c.text, c.mode));
    Result<std::unique_ptr<Vault>> vault = world.OpenVault();
    EXPECT_EQ(vault ? "" : vault.error().id(), c.id) << c.why;
    if (vault) {
      EXPECT_EQ(*(*vault)->Get({"c", "a", "f"}), "s") << c.why;
    } else {
      EXPECT_THAT(vault.error().ToString(), Not(HasSubstr(right.substr(0, 20))));
    }
  }
  // A lost one is not made anew over a store that has secrets.
  ASSERT_EQ(::unlink(world.key_file.c_str()), 0);
  EXPECT_EQ(world.OpenVault().error().code(), Code::kNotFound);
  EXPECT_NE(::access(world.key_file.c_str(), F_OK), 0);
}

TEST(Vault, AMountedKeyMustBeThere) {
  World world;
  EXPECT_EQ(OpenKeyFile({world.folder.File("none"), false}).error().code(), Code::kNotFound);
}

TEST(Vault, RotationSealsAnewAndKeepsEverything) {
  World world;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(world.vault->Put({"c", std::to_string(i), "f"}, "secret " + std::to_string(i)));
  }
  std::string before = (*world.state->Get("secrets", "c/7/f"))->body;
  Vault::Rotation rotated = world.vault->Rotate().value();
  EXPECT_EQ(rotated.sealed_anew, 20u);
  EXPECT_FALSE(rotated.resumed);
  EXPECT_NE((*world.state->Get("secrets", "c/7/f"))->body, before);
  Vault::Status status = world.vault->Describe().value();
  EXPECT_EQ(status.secrets, 20u);
  EXPECT_EQ(status.not_current, 0u);
  EXPECT_EQ(status.keys, 2u) << "the old key stays for what is on its way";
  world.Reopen();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(*world.vault->Get({"c", std::to_string(i), "f"}), "secret " + std::to_string(i));
  }
}

TEST(Vault, AnInterruptedRotationGoesOn) {
  World world;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(world.vault->Put({"c", std::to_string(i), "f"}, "s"));
  Result<Vault::Rotation> stopped = world.vault->Rotate([](uint64_t done) -> Result<> {
    if (done == 4) return Error(Code::kUnavailable, "stopped by the test");
    return Ok{};
  });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(world.vault->Describe()->not_current, 6u);
  world.Reopen();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(*world.vault->Get({"c", std::to_string(i), "f"}), "s");
  Vault::Rotation rest = world.vault->Rotate().value();
  EXPECT_TRUE(rest.resumed);
  EXPECT_EQ(rest.sealed_anew, 6u);
  EXPECT_EQ(world.vault->Describe()->not_current, 0u);
  EXPECT_FALSE(world.vault->Rotate()->resumed);
}

// A process that rotates is killed, again and again, at whatever point it has reached.
TEST(Vault, KilledWhileRotating) {
  TempDir folder = TempDir::Make().value();
  std::string file = folder.File("state.db"), key_file = folder.File("master.key");
  constexpr int kSecrets = 40;
  auto with_vault = [&](const std::function<void(store::StateStore&, Vault&)>& then) {
    auto state = store::OpenSqliteStateStore(file).value();
    auto vault = Vault::Open(*state, OpenKeyFile({key_file}).value()).value();
    then(*state, *vault);
  };
  with_vault([](store::StateStore&, Vault& vault) {
    for (int i = 0; i < kSecrets; ++i) {
      ASSERT_TRUE(vault.Put({"c", std::to_string(i), "f"}, "secret " + std::to_string(i)));
    }
  });
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      auto state = store::OpenSqliteStateStore(file).value();
      auto vault = Vault::Open(*state, OpenKeyFile({key_file}).value()).value();
      for (;;) {
        (void)vault->Rotate([&](uint64_t) -> Result<> {
          (void)!::write(pipe[1], "x", 1);
          return Ok{};
        });
      }
    }
    ::close(pipe[1]);
    char byte;
    for (int i = 0; i <= round * 7; ++i) ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(pipe[0]);
    with_vault([&](store::StateStore&, Vault& vault) {
      for (int i = 0; i < kSecrets; ++i) {
        Result<std::string> secret = vault.Get({"c", std::to_string(i), "f"});
        ASSERT_TRUE(secret) << "round " << round << ": " << secret.error().message();
        EXPECT_EQ(*secret, "secret " + std::to_string(i));
      }
    });
  }
  with_vault([](store::StateStore&, Vault& vault) {
    ASSERT_TRUE(vault.Rotate());
    EXPECT_EQ(vault.Describe()->not_current, 0u);
  });
}

// The server runs while the command line rotates: each has a view of its own.
TEST(Vault, TwoProcessesOverOneStore) {
  World world;
  std::unique_ptr<Vault> other = world.OpenVault().value();
  ASSERT_TRUE(world.vault->Put({"c", "1", "f"}, "one"));
  ASSERT_TRUE(other->Rotate());
  ASSERT_TRUE(other->Put({"c", "2", "f"}, "two"));
  EXPECT_EQ(*world.vault->Get({"c", "1", "f"}), "one");
  EXPECT_EQ(*world.vault->Get({"c", "2", "f"}), "two");
  ASSERT_TRUE(world.vault->Put({"c", "3", "f"}, "three"));
  EXPECT_EQ(other->Describe()->not_current, 0u) << "the new key is seen at once";
}

// A new master key is put before the old, Rotate() runs, the old one goes.
TEST(Vault, TheMasterKeyIsReplaced) {
  World world;
  ASSERT_TRUE(world.vault->Put({"c", "1", "f"}, "one"));
  std::string fresh = Base64Encode(crypto::RandomBytes(32)) + "\n";
  ASSERT_TRUE(WriteFileAtomic(world.key_file, fresh + *ReadFile(world.key_file), 0600));
  ASSERT_TRUE(world.vault->Rotate());
  ASSERT_TRUE(WriteFileAtomic(world.key_file, fresh, 0600));
  world.Reopen();
  EXPECT_EQ(*world.vault->Get({"c", "1", "f"}), "one");
}

}  // namespace
}  // namespace bulwark::vault
