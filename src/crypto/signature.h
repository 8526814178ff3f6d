#pragma once

// Signatures with keys as strangers bring them: RSA of any size that can be computed (512 to 16384
// bits), ECDSA on P-224 to P-521 with any hash, Ed25519. For checking what a policy is asked to
// check, the way that policy's language defines it; our own trust is keys.h, which refuses weak
// keys.
//
// Numbers are big-endian without sign. Immutable and cheap to copy; safe from any thread.
//
// Errors: key.malformed kInvalid, key.unsupported kUnsupported.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/digest.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace bulwark::crypto {

enum class KeyKind { kRsa, kEc, kEd25519, kOther };
enum class RsaPadding { kPkcs1, kPss, kPssHashSalt };  // RSA's

class AnyPublicKey {
 public:
  // SubjectPublicKeyInfo.
  static Result<AnyPublicKey> FromDer(std::string_view spki);
  static Result<AnyPublicKey> FromRsa(std::string_view modulus, std::string_view exponent);
  // "P-256"
  static Result<AnyPublicKey> FromEc(std::string_view curve, std::string_view x,
                                     std::string_view y);
  static Result<AnyPublicKey> FromEd25519(std::string_view bytes);

  KeyKind kind() const { return kind_; }
  size_t bits() const;
  std::string ToDer() const;

  // False for a key of another kind, too. The salt of PSS may have any length, or must be as long
  // as the hash.
  bool VerifyRsa(RsaPadding padding, Hash hash, std::string_view message,
                 std::string_view signature) const;
  bool VerifyEcdsa(Hash hash, std::string_view message, std::string_view r,
                   std::string_view s) const;
  bool VerifyEcdsaDer(Hash hash, std::string_view message, std::string_view signature) const;
  bool VerifyEd25519(std::string_view message, std::string_view signature) const;

 private:
  friend class AnyPrivateKey;
  AnyPublicKey(std::shared_ptr<evp_pkey_st> key, KeyKind kind)
      : key_(std::move(key)), kind_(kind) {}
  std::shared_ptr<evp_pkey_st> key_;
  KeyKind kind_;
};

struct RsaParts {
  std::string_view n, e, d, p, q, dp, dq, qi;  // p and what follows may be missing
};

class AnyPrivateKey {
 public:
  static Result<AnyPrivateKey> FromRsa(const RsaParts& parts);
  static Result<AnyPrivateKey> FromEc(std::string_view curve, std::string_view d);
  static Result<AnyPrivateKey> FromEd25519(std::string_view seed);

  KeyKind kind() const { return kind_; }
  size_t bits() const;
  // x and y of a curve's point, or the 32 bytes of Ed25519 in x.
  struct Point {
    std::string x, y;
  };
  Point PublicPoint() const;

  // key.unsupported for a key of another kind. PSS has a salt as long as the hash.
  Result<std::string> SignRsa(RsaPadding padding, Hash hash, std::string_view message) const;
  // r and s, each as long as the curve's numbers.
  Result<std::string> SignEcdsa(Hash hash, std::string_view message) const;
  Result<std::string> SignEd25519(std::string_view message) const;

 private:
  AnyPrivateKey(std::shared_ptr<evp_pkey_st> key, KeyKind kind)
      : key_(std::move(key)), kind_(kind) {}
  std::shared_ptr<evp_pkey_st> key_;
  KeyKind kind_;
};

}  // namespace bulwark::crypto
