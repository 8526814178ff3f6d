#pragma once

// Keys and signatures: Ed25519 (RFC 8032), ECDSA on P-256, P-384 and P-521 (FIPS 186-4), RSA
// (RFC 8017) of 2048 to 8192 bits. Weaker, larger or other keys are refused where they are read.
//
//   PrivateKey key = PrivateKey::Generate(KeyType::kEcP256);
//   std::string signature = key.Sign(Scheme::kEcdsaSha256, text).value();
//   key.Public().Verify(Scheme::kEcdsaSha256, text, signature);   // true
//
// Immutable and cheap to copy (shared); safe from any thread. A private key's memory is wiped with
// its last copy; the text that ToPem() gives is the caller's to seal or wipe.
//
// Errors: key.malformed kInvalid, key.unsupported kUnsupported (type, curve or size), key.encrypted
// kDenied (a passphrase that is missing or wrong).

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace bulwark::crypto {

enum class KeyType { kEd25519, kEcP256, kEcP384, kEcP521, kRsa };
std::string_view KeyTypeName(KeyType type);  // "Ed25519", "ECDSA P-256", "RSA"

// Signature schemes. ECDSA signatures are DER (ECDSA-Sig-Value), as X.509 and TLS have them; PSS
// has MGF1 with the same hash and a salt as long as the hash.
enum class Scheme {
  kEd25519,
  kEcdsaSha256,
  kEcdsaSha384,
  kEcdsaSha512,
  kRsaSha256,
  kRsaSha384,
  kRsaSha512,
  kPssSha256,
  kPssSha384,
  kPssSha512,
};
bool Fits(KeyType type, Scheme scheme);

class PublicKey {
 public:
  // A PEM block PUBLIC KEY (SubjectPublicKeyInfo), or the same as DER.
  static Result<PublicKey> FromPem(std::string_view pem);
  static Result<PublicKey> FromDer(std::string_view der);
  // Big-endian numbers without sign; a curve's coordinates or 32 bytes of Ed25519 (JWK's parts).
  static Result<PublicKey> FromRsa(std::string_view modulus, std::string_view exponent);
  static Result<PublicKey> FromEc(KeyType curve, std::string_view x, std::string_view y);
  static Result<PublicKey> FromEd25519(std::string_view bytes);

  KeyType type() const { return type_; }
  int bits() const;
  std::string ToPem() const;
  std::string ToDer() const;
  // SHA-256 over ToDer(), in hex: what a key is known by.
  std::string Fingerprint() const;
  // False for a scheme that does not fit the key, too.
  bool Verify(Scheme scheme, std::string_view message, std::string_view signature) const;

  // For crypto/ itself. Checks type and size.
  static Result<PublicKey> Adopt(std::shared_ptr<evp_pkey_st> key);
  evp_pkey_st* native() const { return key_.get(); }

 private:
  friend class PrivateKey;
  PublicKey(std::shared_ptr<evp_pkey_st> key, KeyType type) : key_(std::move(key)), type_(type) {}
  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_;
};

class PrivateKey {
 public:
  // `rsa_bits` is for RSA alone.
  static PrivateKey Generate(KeyType type, int rsa_bits = 3072);
  // PRIVATE KEY (PKCS#8), EC PRIVATE KEY, RSA PRIVATE KEY, ENCRYPTED PRIVATE KEY.
  static Result<PrivateKey> FromPem(std::string_view pem, std::string_view passphrase = {});
  std::string ToPem() const;  // PKCS#8, not encrypted

  KeyType type() const { return type_; }
  PublicKey Public() const;
  // key.unsupported where the scheme does not fit the key.
  Result<std::string> Sign(Scheme scheme, std::string_view message) const;
  evp_pkey_st* native() const { return key_.get(); }

 private:
  PrivateKey(std::shared_ptr<evp_pkey_st> key, KeyType type) : key_(std::move(key)), type_(type) {}
  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_;
};

}  // namespace bulwark::crypto
