#include "crypto/keys.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/hash.h"
#include "crypto/openssl.h"

namespace bulwark::crypto {
namespace {

constexpr int kMinRsaBits = 2048, kMaxRsaBits = 8192;
constexpr size_t kMaxKeyText = size_t{1} << 16;

std::shared_ptr<EVP_PKEY> Shared(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

const char* CurveName(KeyType type) {
  switch (type) {
    case KeyType::kEcP256: return "P-256";
    case KeyType::kEcP384: return "P-384";
    default: return "P-521";
  }
}

Result<KeyType> TypeOf(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519")) return KeyType::kEd25519;
  if (EVP_PKEY_is_a(key, "EC")) {
    char name[64] = {};
    if (EVP_PKEY_get_group_name(key, name, sizeof(name), nullptr) == 1) {
      std::string_view curve = name;
      if (curve == "prime256v1" || curve == "P-256") return KeyType::kEcP256;
      if (curve == "secp384r1" || curve == "P-384") return KeyType::kEcP384;
      if (curve == "secp521r1" || curve == "P-521") return KeyType::kEcP521;
    }
    (void)TakeOpensslErrors();
    return Error(Code::kUnsupported, "key.unsupported",
                 fmt::format("keys on the curve {} are not accepted; use P-256, P-384 or P-521",
                             name[0] != 0 ? name : "of this key"));
  }
  if (EVP_PKEY_is_a(key, "RSA")) {
    int bits = EVP_PKEY_get_bits(key);
    if (bits >= kMinRsaBits && bits <= kMaxRsaBits) return KeyType::kRsa;
    return Error(Code::kUnsupported, "key.unsupported",
                 fmt::format("RSA keys of {} bits are not accepted; use {} to {}", bits,
                             kMinRsaBits, kMaxRsaBits));
  }
  const char* name = EVP_PKEY_get0_type_name(key);
  return Error(Code::kUnsupported, "key.unsupported",
               fmt::format("keys of the type {} are not accepted; use Ed25519, ECDSA or RSA",
                           name != nullptr ? name : "unknown"));
}

Error Malformed(std::string_view what) {
  return OpensslError(Code::kInvalid, "key.malformed", what);
}

const EVP_MD* DigestOf(Scheme scheme) {
  switch (scheme) {
    case Scheme::kEd25519: return nullptr;
    case Scheme::kEcdsaSha256:
    case Scheme::kRsaSha256:
    case Scheme::kPssSha256: return EVP_sha256();
    case Scheme::kEcdsaSha384:
    case Scheme::kRsaSha384:
    case Scheme::kPssSha384: return EVP_sha384();
    default: return EVP_sha512();
  }
}

bool IsPss(Scheme scheme) {
  return scheme == Scheme::kPssSha256 || scheme == Scheme::kPssSha384 ||
         scheme == Scheme::kPssSha512;
}

bool SetPss(EVP_PKEY_CTX* context, Scheme scheme) {
  return !IsPss(scheme) || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
                            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0 &&
                            EVP_PKEY_CTX_set_rsa_mgf1_md(context, DigestOf(scheme)) > 0);
}

struct Passphrase {
  std::string_view text;
  bool asked = false;
};

int GivePassphrase(char* buffer, int size, int, void* user) {
  auto* passphrase = static_cast<Passphrase*>(user);
  passphrase->asked = true;
  if (passphrase->text.empty() || passphrase->text.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, passphrase->text.data(), passphrase->text.size());
  return static_cast<int>(passphrase->text.size());
}

Result<PublicKey> FromParameters(const char* type, OSSL_PARAM_BLD* builder) {
  Owned<OSSL_PARAM, OSSL_PARAM_free> parameters(OSSL_PARAM_BLD_to_param(builder));
  BW_CHECK(parameters != nullptr);
  OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  BW_CHECK(context != nullptr);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) <= 0 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) <= 0) {
    EVP_PKEY_free(key);
    return Malformed(fmt::format("not a public {} key", type));
  }
  return PublicKey::Adopt(Shared(key));
}

}  // namespace

std::string_view KeyTypeName(KeyType type) {
  switch (type) {
    case KeyType::kEd25519: return "Ed25519";
    case KeyType::kEcP256: return "ECDSA P-256";
    case KeyType::kEcP384: return "ECDSA P-384";
    case KeyType::kEcP521: return "ECDSA P-521";
    case KeyType::kRsa: return "RSA";
  }
  BW_UNREACHABLE();
}

bool Fits(KeyType type, Scheme scheme) {
  switch (scheme) {
    case Scheme::kEd25519: return type == KeyType::kEd25519;
    case Scheme::kEcdsaSha256:
    case Scheme::kEcdsaSha384:
    case Scheme::kEcdsaSha512:
      return type == KeyType::kEcP256 || type == KeyType::kEcP384 || type == KeyType::kEcP521;
    default: return type == KeyType::kRsa;
  }
}

Result<PublicKey> PublicKey::Adopt(std::shared_ptr<evp_pkey_st> key) {
  BW_CHECK(key != nullptr);
  KeyType type = BW_TRY(TypeOf(key.get()));
  return PublicKey(std::move(key), type);
}

Result<PublicKey> PublicKey::FromPem(std::string_view pem) {
  if (pem.size() > kMaxKeyText) return Malformed("a public key of more than 64 KiB");
  Passphrase none;
  OwnedBio bio = ReadingBio(pem);
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio.get(), nullptr, GivePassphrase, &none);
  if (key == nullptr) return Malformed("not a PEM public key");
  return Adopt(Shared(key));
}

Result<PublicKey> PublicKey::FromDer(std::string_view der) {
  if (der.size() > kMaxKeyText) return Malformed("a public key of more than 64 KiB");
  const unsigned char* at = Octets(der);
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size()));  // NOLINT
  auto shared = Shared(key);
  if (key == nullptr) return Malformed("not a DER public key");
  if (at != Octets(der) + der.size()) return Malformed("bytes after a DER public key");
  return Adopt(std::move(shared));
}

Result<PublicKey> PublicKey::FromRsa(std::string_view modulus, std::string_view exponent) {
  // Bounds the work before anything is multiplied.
  if (modulus.size() > kMaxRsaBits / 8 + 1 || exponent.empty() || exponent.size() > 8) {
    return Error(Code::kUnsupported, "key.unsupported",
                 "RSA key with a modulus or an exponent out of bounds");
  }
  OwnedBignum n(BN_bin2bn(Octets(modulus), static_cast<int>(modulus.size()), nullptr));
  OwnedBignum e(BN_bin2bn(Octets(exponent), static_cast<int>(exponent.size()), nullptr));
  BW_CHECK(n != nullptr && e != nullptr);
  if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get())) {
    return Malformed("RSA key with an even modulus or a bad exponent");
  }
  Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  BW_CHECK(builder != nullptr &&
           OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  return FromParameters("RSA", builder.get());
}

Result<PublicKey> PublicKey::FromEc(KeyType curve, std::string_view x, std::string_view y) {
  BW_CHECK(curve == KeyType::kEcP256 || curve == KeyType::kEcP384 || curve == KeyType::kEcP521);
  const size_t bytes = curve == KeyType::kEcP256 ? 32 : curve == KeyType::kEcP384 ? 48 : 66;
  if (x.size() != bytes || y.size() != bytes) {
    return Malformed(fmt::format("coordinates of {} have {} bytes", CurveName(curve), bytes));
  }
  std::string point = "\x04" + std::string(x) + std::string(y);
  Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  BW_CHECK(builder != nullptr &&
           OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                           CurveName(curve), 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                            point.size()) == 1);
  return FromParameters("EC", builder.get());
}

Result<PublicKey> PublicKey::FromEd25519(std::string_view bytes) {
  EVP_PKEY* key =
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Octets(bytes), bytes.size());
  if (key == nullptr) return Malformed("not an Ed25519 public key");
  return Adopt(Shared(key));
}

int PublicKey::bits() const { return EVP_PKEY_get_bits(key_.get()); }

std::string PublicKey::ToPem() const {
  OwnedBio bio = MemoryBio();
  BW_CHECK(PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1);
  return TextOf(bio.get());
}

std::string PublicKey::ToDer() const {
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key_.get(), &der);
  BW_CHECK(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string PublicKey::Fingerprint() const { return Sha256Hex(ToDer()); }

bool PublicKey::Verify(Scheme scheme, std::string_view message, std::string_view signature) const {
  if (!Fits(type_, scheme)) return false;
  OwnedDigestContext context(EVP_MD_CTX_new());
  BW_CHECK(context != nullptr);
  EVP_PKEY_CTX* key_context = nullptr;  // the digest context's own
  bool good = EVP_DigestVerifyInit(context.get(), &key_context, DigestOf(scheme), nullptr,
                                   key_.get()) == 1 &&
              SetPss(key_context, scheme) &&
              EVP_DigestVerify(context.get(), Octets(signature), signature.size(), Octets(message),
                               message.size()) == 1;
  ERR_clear_error();
  return good;
}

PrivateKey PrivateKey::Generate(KeyType type, int rsa_bits) {
  EVP_PKEY* key = nullptr;
  switch (type) {
    case KeyType::kEd25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    case KeyType::kRsa:
      BW_CHECK(rsa_bits >= kMinRsaBits && rsa_bits <= kMaxRsaBits);
      key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(rsa_bits));
      break;
    default: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", CurveName(type)); break;
  }
  BW_CHECK(key != nullptr);
  return {Shared(key), type};
}

Result<PrivateKey> PrivateKey::FromPem(std::string_view pem, std::string_view passphrase) {
  if (pem.size() > kMaxKeyText) return Malformed("a private key of more than 64 KiB");
  Passphrase given{.text = passphrase};
  OwnedBio bio = ReadingBio(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassphrase, &given);
  if (key == nullptr) {
    if (!given.asked) return Malformed("not a PEM private key");
    return OpensslError(Code::kDenied, "key.encrypted",
                        passphrase.empty() ? "the private key is encrypted"
                                           : "the private key does not open with that passphrase");
  }
  auto shared = Shared(key);
  KeyType type = BW_TRY(TypeOf(key));
  return PrivateKey(std::move(shared), type);
}

std::string PrivateKey::ToPem() const {
  OwnedBio bio(BIO_new(BIO_s_secmem()));
  BW_CHECK(bio != nullptr);
  BW_CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                         nullptr) == 1);
  return TextOf(bio.get());
}

PublicKey PrivateKey::Public() const {
  // A key of its own, so that no copy of the private one lives on in a public one.
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key_.get(), &der);
  BW_CHECK(size > 0);
  const unsigned char* at = der;
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, size);
  OPENSSL_free(der);
  BW_CHECK(key != nullptr);
  return {Shared(key), type_};
}

Result<std::string> PrivateKey::Sign(Scheme scheme, std::string_view message) const {
  if (!Fits(type_, scheme)) {
    return Error(Code::kUnsupported, "key.unsupported",
                 fmt::format("{} keys do not sign that way", KeyTypeName(type_)));
  }
  OwnedDigestContext context(EVP_MD_CTX_new());
  BW_CHECK(context != nullptr);
  EVP_PKEY_CTX* key_context = nullptr;
  size_t size = 0;
  std::string out;
  bool good =
      EVP_DigestSignInit(context.get(), &key_context, DigestOf(scheme), nullptr, key_.get()) == 1 &&
      SetPss(key_context, scheme) &&
      EVP_DigestSign(context.get(), nullptr, &size, Octets(message), message.size()) == 1;
  if (good) {
    out.resize(size);
    good = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                          Octets(message), message.size()) == 1;
  }
  if (!good) return OpensslError(Code::kInternal, "key.sign", "signing failed");
  out.resize(size);
  return out;
}

}  // namespace bulwark::crypto
