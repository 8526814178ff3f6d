#include "crypto/password.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace bulwark::crypto {
namespace {

constexpr PasswordCost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};

TEST(Password, HashesAndVerifies) {
  std::string phc = *HashPassword("correct horse 电池");
  EXPECT_TRUE(phc.starts_with("$argon2id$v=19$m=65536,t=3,p=4$")) << phc;
  PasswordVerdict good = *VerifyPassword(phc, "correct horse 电池");
  EXPECT_TRUE(good.matches);
  EXPECT_EQ(good.upgraded, "");
  PasswordVerdict bad = *VerifyPassword(phc, "correct horse");
  EXPECT_FALSE(bad.matches);
  EXPECT_EQ(bad.upgraded, "");
  EXPECT_NE(*HashPassword("x", kCheap), *HashPassword("x", kCheap)) << "salts differ";
}

TEST(Password, WeakHashIsUpgradedOnlyWhereThePasswordIsRight) {
  std::string weak = *HashPassword("secret", kCheap);
  PasswordCost wanted{.memory_kib = 128, .passes = 2, .lanes = 1};
  EXPECT_EQ(VerifyPassword(weak, "wrong", wanted)->upgraded, "");
  PasswordVerdict verdict = *VerifyPassword(weak, "secret", wanted);
  ASSERT_TRUE(verdict.matches);
  EXPECT_EQ(ParsePasswordHash(verdict.upgraded)->cost, wanted);
  PasswordVerdict again = *VerifyPassword(verdict.upgraded, "secret", wanted);
  EXPECT_TRUE(again.matches);
  EXPECT_EQ(again.upgraded, "");
}

// The reference implementation's own test vectors (version 0x13, argon2id).
TEST(Password, ReferenceVectors) {
  struct {
    const char *password, *phc;
  } const cases[] = {
      {"password",
       "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
      {"password",
       "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
      {"password",
       "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
      {"differentpassword",
       "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94"},
  };
  for (const auto& c : cases) {
    EXPECT_TRUE(VerifyPassword(c.phc, c.password, kCheap)->matches) << c.phc;
    EXPECT_FALSE(VerifyPassword(c.phc, "x", kCheap)->matches) << c.phc;
    EXPECT_EQ(FormatPasswordHash(*ParsePasswordHash(c.phc)), c.phc);
  }
}

TEST(Password, RefusesWhatIsNoHashOfOurs) {
  const char* const cases[] = {
      "",
      "secret",
      "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=65536,t=99,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=65536,t=2,p=99$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=8,t=2,p=2$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$t=2,m=65536,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=065536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO0",
      "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$not base64",
      "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc$",
  };
  for (const char* phc : cases) {
    Result<PasswordVerdict> verdict = VerifyPassword(phc, "password");
    ASSERT_FALSE(verdict) << phc;
    EXPECT_EQ(verdict.error().code(), Code::kInvalid) << phc;
  }
}

TEST(Password, LongPasswordsAreRefusedBeforeAnyWork) {
  EXPECT_TRUE(HashPassword(std::string(1024, 'x'), kCheap));
  Result<std::string> hash = HashPassword(std::string(1025, 'x'), kCheap);
  ASSERT_FALSE(hash);
  EXPECT_EQ(hash.error().id(), "password.too_long");
}

TEST(Password, DecoyNeverMatchesAndCostsTheSame) {
  EXPECT_EQ(ParsePasswordHash(DecoyPasswordHash())->cost, PasswordCost{});
  EXPECT_FALSE(VerifyPassword(DecoyPasswordHash(), "")->matches);
  EXPECT_EQ(DecoyPasswordHash(), DecoyPasswordHash());
}

}  // namespace
}  // namespace bulwark::crypto
