#include "crypto/seal.h"

#include <gtest/gtest.h>

#include <set>

#include "base/hash.h"
#include "crypto/random.h"

namespace bulwark::crypto {
namespace {

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16 (256-bit keys).
TEST(Seal, Vectors) {
  const std::string key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
  const std::string text =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525b16aedf5aa0de657ba637b391aafd255";
  const std::string cipher =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
      "828838c5f61e6393ba7a0abcc9f662898015ad";
  struct {
    std::string key, nonce, text, associated, cipher, tag;
  } const cases[] = {
      {std::string(64, '0'), std::string(24, '0'), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {std::string(64, '0'), std::string(24, '0'), std::string(32, '0'), "",
       "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
      {key, "cafebabefacedbaddecaf888", text, "", cipher, "b094dac5d93471bdec1a502270e3cc6c"},
      {key, "cafebabefacedbaddecaf888", text.substr(0, 120),
       "feedfacedeadbeeffeedfacedeadbeefabaddad2", cipher.substr(0, 120),
       "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const auto& c : cases) {
    std::string sealed = SealWithNonce(*HexDecode(c.key), *HexDecode(c.nonce), *HexDecode(c.text),
                                       *HexDecode(c.associated));
    EXPECT_EQ(HexEncode(sealed), c.nonce + c.cipher + c.tag);
    EXPECT_EQ(HexEncode(*Open(*HexDecode(c.key), sealed, *HexDecode(c.associated))), c.text);
  }
}

TEST(Seal, OpensOnlyUnchangedInItsPlaceWithItsKey) {
  std::string key = RandomBytes(kSealKeyBytes);
  std::string sealed = Seal(key, "hunter2", "clusters/1/kubeconfig");
  EXPECT_EQ(sealed.size(), 7 + kSealOverhead);
  EXPECT_EQ(*Open(key, sealed, "clusters/1/kubeconfig"), "hunter2");
  EXPECT_EQ(Open(key, sealed, "clusters/2/kubeconfig").error().id(), "seal.broken");
  EXPECT_EQ(Open(key, sealed, "").error().code(), Code::kDenied);
  EXPECT_FALSE(Open(RandomBytes(kSealKeyBytes), sealed, "clusters/1/kubeconfig"));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    EXPECT_FALSE(Open(key, changed, "clusters/1/kubeconfig")) << i;
    EXPECT_FALSE(Open(key, sealed.substr(0, i), "clusters/1/kubeconfig")) << i;
  }
  EXPECT_NE(Seal(key, "a", ""), Seal(key, "a", ""));
  EXPECT_EQ(*Open(key, Seal(key, "", ""), ""), "");
}

TEST(Random, BytesAndTokens) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(RandomToken());
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(seen.begin()->size(), 43u);
  EXPECT_EQ(RandomBytes(0), "");
  EXPECT_EQ(RandomBytes(7).size(), 7u);
}

// RFC 4231, test cases 1, 2, 3, 6.
TEST(Hmac, Vectors) {
  EXPECT_EQ(HexEncode(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HexEncode(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexEncode(HmacSha256(std::string(20, '\xaa'), std::string(50, '\xdd'))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(HexEncode(HmacSha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(HexEncode(HmacSha256("", "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Wipe, Empties) {
  std::string secret = "a secret that is long enough to live on the heap";
  Wipe(secret);
  EXPECT_TRUE(secret.empty());
}

}  // namespace
}  // namespace bulwark::crypto
