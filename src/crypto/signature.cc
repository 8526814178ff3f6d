#include "crypto/signature.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <utility>
#include <vector>

#include "crypto/openssl.h"
#include "crypto/signature_openssl.h"

namespace bulwark::crypto {

namespace {

using OwnedParams = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using OwnedBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using OwnedSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using OwnedGroup = Owned<EC_GROUP, EC_GROUP_free>;
using OwnedPoint = Owned<EC_POINT, EC_POINT_free>;

constexpr int kMaxRsaBits = 16384;
constexpr int kMinRsaBits = 512;

Error Malformed() {
  TakeOpensslErrors();
  return Error(Code::kInvalid, "key.malformed", "malformed key");
}

Error Unsupported(std::string_view what) {
  TakeOpensslErrors();
  return Error(Code::kUnsupported, "key.unsupported", "unsupported key: " + std::string(what));
}

OwnedBignum Number(std::string_view bytes) {
  return OwnedBignum(BN_bin2bn(Octets(bytes), static_cast<int>(bytes.size()), nullptr));
}

struct Curve {
  std::string_view name;
  int nid;
  const char* group;
  size_t bytes;
};
constexpr std::array<Curve, 4> kCurves = {{{"P-224", NID_secp224r1, "P-224", 28},
                                           {"P-256", NID_X9_62_prime256v1, "P-256", 32},
                                           {"P-384", NID_secp384r1, "P-384", 48},
                                           {"P-521", NID_secp521r1, "P-521", 66}}};

const Curve* FindCurve(std::string_view name) {
  for (const Curve& curve : kCurves) {
    if (curve.name == name) return &curve;
  }
  return nullptr;
}

std::shared_ptr<EVP_PKEY> FromParams(const char* type, OSSL_PARAM_BLD* builder, int selection) {
  OwnedParams params(OSSL_PARAM_BLD_to_param(builder));
  OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, params.get()) != 1) {
    TakeOpensslErrors();
    return nullptr;
  }
  return {key, EVP_PKEY_free};
}

KeyKind KindOf(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return KeyKind::kRsa;
    case EVP_PKEY_EC: return KeyKind::kEc;
    case EVP_PKEY_ED25519: return KeyKind::kEd25519;
    default: return KeyKind::kOther;
  }
}

bool SetPadding(EVP_PKEY_CTX* context, RsaPadding padding, int salt) {
  if (padding == RsaPadding::kPkcs1) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  }
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt) == 1;
}

std::string Padded(const BIGNUM* number, size_t bytes) {
  std::string out(bytes, '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(bytes));
  return out;
}

}  // namespace

Result<AnyPublicKey> AnyPublicKey::FromDer(std::string_view spki) {
  const unsigned char* at = Octets(spki);
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size()));
  if (key == nullptr) return Malformed();
  std::shared_ptr<EVP_PKEY> owned(key, EVP_PKEY_free);
  KeyKind kind = KindOf(key);
  if (kind == KeyKind::kRsa && EVP_PKEY_get_bits(key) > kMaxRsaBits) {
    return Unsupported("too many bits");
  }
  return AnyPublicKey(std::move(owned), kind);
}

Result<AnyPublicKey> AnyPublicKey::FromRsa(std::string_view modulus, std::string_view exponent) {
  OwnedBignum n = Number(modulus);
  OwnedBignum e = Number(exponent);
  if (BN_num_bits(n.get()) < kMinRsaBits || BN_num_bits(n.get()) > kMaxRsaBits ||
      BN_num_bits(e.get()) > 64 || BN_is_zero(e.get())) {
    return Unsupported("RSA of that size");
  }
  OwnedBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  auto key = FromParams("RSA", builder.get(), EVP_PKEY_PUBLIC_KEY);
  if (key == nullptr) return Malformed();
  return AnyPublicKey(std::move(key), KeyKind::kRsa);
}

Result<AnyPublicKey> AnyPublicKey::FromEc(std::string_view name, std::string_view x,
                                          std::string_view y) {
  const Curve* curve = FindCurve(name);
  if (curve == nullptr) return Unsupported("curve");
  auto strip = [](std::string_view& number) {
    while (number.starts_with('\0')) number.remove_prefix(1);
  };
  strip(x);
  strip(y);
  if (x.size() > curve->bytes || y.size() > curve->bytes) return Malformed();
  std::string point = "\x04";
  point.append(curve->bytes - x.size(), '\0').append(x);
  point.append(curve->bytes - y.size(), '\0').append(y);
  OwnedBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  auto key = FromParams("EC", builder.get(), EVP_PKEY_PUBLIC_KEY);
  if (key == nullptr) return Malformed();
  return AnyPublicKey(std::move(key), KeyKind::kEc);
}

Result<AnyPublicKey> AnyPublicKey::FromEd25519(std::string_view bytes) {
  EVP_PKEY* key =
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Octets(bytes), bytes.size());
  if (key == nullptr) return Malformed();
  return AnyPublicKey({key, EVP_PKEY_free}, KeyKind::kEd25519);
}

size_t AnyPublicKey::bits() const { return static_cast<size_t>(EVP_PKEY_get_bits(key_.get())); }

std::string AnyPublicKey::ToDer() const {
  unsigned char* der = nullptr;
  int length = i2d_PUBKEY(key_.get(), &der);
  if (length <= 0) return {};
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return out;
}

bool AnyPublicKey::VerifyRsa(RsaPadding padding, Hash hash, std::string_view message,
                             std::string_view signature) const {
  if (kind_ != KeyKind::kRsa) return false;
  OwnedDigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  bool right =
      EVP_DigestVerifyInit(context.get(), &key_context, DigestOf(hash), nullptr, key_.get()) == 1 &&
      SetPadding(
          key_context, padding,
          padding == RsaPadding::kPssHashSalt ? RSA_PSS_SALTLEN_DIGEST : RSA_PSS_SALTLEN_AUTO) &&
      EVP_DigestVerify(context.get(), Octets(signature), signature.size(), Octets(message),
                       message.size()) == 1;
  TakeOpensslErrors();
  return right;
}

bool AnyPublicKey::VerifyEcdsa(Hash hash, std::string_view message, std::string_view r,
                               std::string_view s) const {
  OwnedSignature signature(ECDSA_SIG_new());
  if (signature == nullptr) return false;
  ECDSA_SIG_set0(signature.get(), Number(r).release(), Number(s).release());
  unsigned char* der = nullptr;
  int length = i2d_ECDSA_SIG(signature.get(), &der);
  if (length <= 0) return false;
  bool right =
      VerifyEcdsaDer(hash, message, {reinterpret_cast<char*>(der), static_cast<size_t>(length)});
  OPENSSL_free(der);
  return right;
}

bool AnyPublicKey::VerifyEcdsaDer(Hash hash, std::string_view message,
                                  std::string_view signature) const {
  if (kind_ != KeyKind::kEc) return false;
  OwnedDigestContext context(EVP_MD_CTX_new());
  bool right =
      EVP_DigestVerifyInit(context.get(), nullptr, DigestOf(hash), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), Octets(signature), signature.size(), Octets(message),
                       message.size()) == 1;
  TakeOpensslErrors();
  return right;
}

bool AnyPublicKey::VerifyEd25519(std::string_view message, std::string_view signature) const {
  if (kind_ != KeyKind::kEd25519) return false;
  OwnedDigestContext context(EVP_MD_CTX_new());
  bool right = EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
               EVP_DigestVerify(context.get(), Octets(signature), signature.size(), Octets(message),
                                message.size()) == 1;
  TakeOpensslErrors();
  return right;
}

Result<AnyPrivateKey> AnyPrivateKey::FromRsa(const RsaParts& parts) {
  OwnedBignum n = Number(parts.n);
  if (BN_num_bits(n.get()) < kMinRsaBits || BN_num_bits(n.get()) > kMaxRsaBits) {
    return Unsupported("RSA of that size");
  }
  OwnedBuilder builder(OSSL_PARAM_BLD_new());
  std::array<std::pair<const char*, std::string_view>, 8> numbers = {{
      {OSSL_PKEY_PARAM_RSA_N, parts.n},
      {OSSL_PKEY_PARAM_RSA_E, parts.e},
      {OSSL_PKEY_PARAM_RSA_D, parts.d},
      {OSSL_PKEY_PARAM_RSA_FACTOR1, parts.p},
      {OSSL_PKEY_PARAM_RSA_FACTOR2, parts.q},
      {OSSL_PKEY_PARAM_RSA_EXPONENT1, parts.dp},
      {OSSL_PKEY_PARAM_RSA_EXPONENT2, parts.dq},
      {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, parts.qi},
  }};
  std::vector<OwnedBignum> kept;
  // The factors help only all together.
  bool factors = !parts.p.empty() && !parts.q.empty() && !parts.dp.empty() && !parts.dq.empty() &&
                 !parts.qi.empty();
  for (size_t i = 0; i < (factors ? 8U : 3U); ++i) {
    if (numbers[i].second.size() > kMaxRsaBits / 8) return Malformed();
    kept.push_back(Number(numbers[i].second));
    OSSL_PARAM_BLD_push_BN(builder.get(), numbers[i].first, kept.back().get());
  }
  auto key = FromParams("RSA", builder.get(), EVP_PKEY_KEYPAIR);
  if (key == nullptr) return Malformed();
  return AnyPrivateKey(std::move(key), KeyKind::kRsa);
}

Result<AnyPrivateKey> AnyPrivateKey::FromEc(std::string_view name, std::string_view d) {
  const Curve* curve = FindCurve(name);
  if (curve == nullptr) return Unsupported("curve");
  OwnedGroup group(EC_GROUP_new_by_curve_name(curve->nid));
  OwnedPoint point(EC_POINT_new(group.get()));
  OwnedBignum number = Number(d);
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0 ||
      EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) != 1) {
    return Malformed();
  }
  std::string octets(1 + 2 * curve->bytes, '\0');
  if (EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                         reinterpret_cast<unsigned char*>(octets.data()), octets.size(),
                         nullptr) != octets.size()) {
    return Malformed();
  }
  OwnedBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                   octets.size());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get());
  auto key = FromParams("EC", builder.get(), EVP_PKEY_KEYPAIR);
  if (key == nullptr) return Malformed();
  return AnyPrivateKey(std::move(key), KeyKind::kEc);
}

Result<AnyPrivateKey> AnyPrivateKey::FromEd25519(std::string_view seed) {
  EVP_PKEY* key =
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Octets(seed), seed.size());
  if (key == nullptr) return Malformed();
  return AnyPrivateKey({key, EVP_PKEY_free}, KeyKind::kEd25519);
}

size_t AnyPrivateKey::bits() const { return static_cast<size_t>(EVP_PKEY_get_bits(key_.get())); }

AnyPrivateKey::Point AnyPrivateKey::PublicPoint() const {
  Point point;
  if (kind_ == KeyKind::kEd25519) {
    point.x.resize(32);
    size_t length = point.x.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(point.x.data()),
                                &length);
  } else if (kind_ == KeyKind::kEc) {
    BIGNUM* x = nullptr;
    BIGNUM* y = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, &x);
    EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, &y);
    OwnedBignum owned_x(x);
    OwnedBignum owned_y(y);
    size_t bytes = (bits() + 7) / 8;
    point.x = Padded(x, bytes);
    point.y = Padded(y, bytes);
  }
  return point;
}

Result<std::string> AnyPrivateKey::SignRsa(RsaPadding padding, Hash hash,
                                           std::string_view message) const {
  if (kind_ != KeyKind::kRsa) return Unsupported("not RSA");
  OwnedDigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  std::string out(static_cast<size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  size_t length = out.size();
  if (EVP_DigestSignInit(context.get(), &key_context, DigestOf(hash), nullptr, key_.get()) != 1 ||
      !SetPadding(key_context, padding, RSA_PSS_SALTLEN_DIGEST) ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &length,
                     Octets(message), message.size()) != 1) {
    return Malformed();
  }
  out.resize(length);
  return out;
}

Result<std::string> AnyPrivateKey::SignEcdsa(Hash hash, std::string_view message) const {
  if (kind_ != KeyKind::kEc) return Unsupported("not ECDSA");
  OwnedDigestContext context(EVP_MD_CTX_new());
  std::string der(static_cast<size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  size_t length = der.size();
  if (EVP_DigestSignInit(context.get(), nullptr, DigestOf(hash), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &length,
                     Octets(message), message.size()) != 1) {
    return Malformed();
  }
  const unsigned char* at = Octets(der);
  OwnedSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(length)));
  if (signature == nullptr) return Malformed();
  size_t bytes = (bits() + 7) / 8;
  return Padded(ECDSA_SIG_get0_r(signature.get()), bytes) +
         Padded(ECDSA_SIG_get0_s(signature.get()), bytes);
}

Result<std::string> AnyPrivateKey::SignEd25519(std::string_view message) const {
  if (kind_ != KeyKind::kEd25519) return Unsupported("not Ed25519");
  OwnedDigestContext context(EVP_MD_CTX_new());
  std::string out(64, '\0');
  size_t length = out.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &length,
                     Octets(message), message.size()) != 1) {
    return Malformed();
  }
  return out;
}

}  // namespace bulwark::crypto
