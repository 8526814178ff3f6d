#include "crypto/keys.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace bulwark::crypto {
namespace {

struct Pairing {
  KeyType type;
  std::vector<Scheme> schemes;
};
const std::vector<Pairing>& Pairings() {
  static const std::vector<Pairing> all = {
      {KeyType::kEd25519, {Scheme::kEd25519}},
      {KeyType::kEcP256, {Scheme::kEcdsaSha256, Scheme::kEcdsaSha384, Scheme::kEcdsaSha512}},
      {KeyType::kEcP384, {Scheme::kEcdsaSha384}},
      {KeyType::kEcP521, {Scheme::kEcdsaSha512}},
      {KeyType::kRsa,
       {Scheme::kRsaSha256, Scheme::kRsaSha384, Scheme::kRsaSha512, Scheme::kPssSha256,
        Scheme::kPssSha384, Scheme::kPssSha512}},
  };
  return all;
}

TEST(Keys, SignAndVerifyThroughPem) {
  for (const Pairing& pairing : Pairings()) {
    PrivateKey made = PrivateKey::Generate(pairing.type, 2048);
    PrivateKey key = PrivateKey::FromPem(made.ToPem()).value();
    EXPECT_EQ(key.type(), pairing.type);
    PublicKey reread = PublicKey::FromPem(key.Public().ToPem()).value();
    EXPECT_EQ(reread.Fingerprint(), made.Public().Fingerprint());
    EXPECT_EQ(PublicKey::FromDer(reread.ToDer())->Fingerprint(), reread.Fingerprint());
    for (Scheme scheme : pairing.schemes) {
      std::string signature = key.Sign(scheme, "text").value();
      EXPECT_TRUE(reread.Verify(scheme, "text", signature)) << KeyTypeName(pairing.type);
      EXPECT_FALSE(reread.Verify(scheme, "texts", signature));
      EXPECT_FALSE(reread.Verify(scheme, "text", ""));
      std::string bad = signature;
      bad.back() ^= 1;
      EXPECT_FALSE(reread.Verify(scheme, "text", bad));
      for (Scheme other : {Scheme::kEd25519, Scheme::kEcdsaSha256, Scheme::kRsaSha256,
                           Scheme::kRsaSha512, Scheme::kPssSha256}) {
        if (other != scheme) {
          EXPECT_FALSE(reread.Verify(other, "text", signature));
        }
      }
    }
  }
}

TEST(Keys, SchemeMustFit) {
  Result<std::string> signature =
      PrivateKey::Generate(KeyType::kEd25519).Sign(Scheme::kRsaSha256, "x");
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().id(), "key.unsupported");
}

// RFC 8032, section 7.1, tests 1 and 2.
TEST(Keys, Ed25519Vectors) {
  struct {
    const char *key, *message, *signature;
  } const cases[] = {
      {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
       "f9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
       "f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
  };
  for (const auto& c : cases) {
    PublicKey key = PublicKey::FromEd25519(*HexDecode(c.key)).value();
    EXPECT_TRUE(key.Verify(Scheme::kEd25519, *HexDecode(c.message), *HexDecode(c.signature)));
    EXPECT_FALSE(key.Verify(Scheme::kEd25519, "other", *HexDecode(c.signature)));
  }
}

// RFC 6979, A.2.5: P-256 with SHA-256, message "sample".
TEST(Keys, EcdsaVector) {
  PublicKey key =
      PublicKey::FromEc(
          KeyType::kEcP256,
          *HexDecode("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
          *HexDecode("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"))
          .value();
  // DER of r and s.
  std::string signature = *HexDecode(
      "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716022100f7cb1c942d65"
      "7c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
  EXPECT_TRUE(key.Verify(Scheme::kEcdsaSha256, "sample", signature));
  EXPECT_FALSE(key.Verify(Scheme::kEcdsaSha256, "Sample", signature));
}

TEST(Keys, RefusesWeakOddAndForeign) {
  struct {
    const char *why, *pem;
    Code code;
  } const cases[] = {
      {"empty", "", Code::kInvalid},
      {"text", "hello", Code::kInvalid},
      {"cut", "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", Code::kInvalid},
      {"RSA 1024",
       "-----BEGIN PUBLIC KEY-----\n"
       "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugd\n"
       "UWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUparCwlvdbH6dvEOfou0/gCFQs\n"
       "HUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5D\n"
       "o2kQ+X5xK9cipRgEKwIDAQAB\n-----END PUBLIC KEY-----\n",
       Code::kUnsupported},
      {"X25519",
       "-----BEGIN PUBLIC KEY-----\n"
       "MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"
       "-----END PUBLIC KEY-----\n",
       Code::kUnsupported},
  };
  for (const auto& c : cases) {
    Result<PublicKey> key = PublicKey::FromPem(c.pem);
    ASSERT_FALSE(key) << c.why;
    EXPECT_EQ(key.error().code(), c.code) << c.why << ": " << key.error().message();
  }
  EXPECT_FALSE(PublicKey::FromRsa(std::string(2048, '\xff'), "\x01\x00\x01")) << "16384 bits";
  EXPECT_FALSE(PublicKey::FromRsa(std::string(256, '\xfe'), std::string("\x01\x00\x01", 3)))
      << "an even modulus";
  EXPECT_FALSE(PublicKey::FromRsa(std::string(256, '\xff'), std::string(9, '\xff')));
  EXPECT_FALSE(PublicKey::FromEc(KeyType::kEcP256, std::string(32, 1), std::string(32, 1)))
      << "not on the curve";
  EXPECT_FALSE(PublicKey::FromEc(KeyType::kEcP256, "x", "y"));
  EXPECT_FALSE(PublicKey::FromEd25519("short"));
}

TEST(Keys, EncryptedPrivateKeys) {
  // openssl genpkey -algorithm ed25519 -aes-256-cbc -pass pass:geheim
  const char* pem =
#include "crypto/testdata/encrypted_key.inc"
      ;
  Result<PrivateKey> without = PrivateKey::FromPem(pem);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().id(), "key.encrypted");
  EXPECT_EQ(PrivateKey::FromPem(pem, "falsch").error().id(), "key.encrypted");
  Result<PrivateKey> key = PrivateKey::FromPem(pem, "geheim");
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_EQ(key->type(), KeyType::kEd25519);
}

}  // namespace
}  // namespace bulwark::crypto
