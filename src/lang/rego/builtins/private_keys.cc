// Private keys as Go reads them (PKCS#1, SEC 1, PKCS#8) and shows them.

#include <array>

#include "base/hash.h"
#include "crypto/der.h"
#include "crypto/signature.h"
#include "lang/rego/builtins/x509.h"

namespace bulwark::rego {

namespace {

using crypto::DerContext;
using crypto::DerElement;
using crypto::DerReader;

constexpr size_t kMaxNumberBytes = 2048;

Error Wrong(std::string_view message) {
  return Error(Code::kInvalid, "x509: " + std::string(message));
}

std::string_view Unsigned(std::string_view integer) {
  while (integer.size() > 1 && integer[0] == '\0') integer.remove_prefix(1);
  return integer;
}

struct NamedCurve {
  std::string_view name;
  ObjectId id;
  size_t bytes;
};

const NamedCurve* FindCurve(const ObjectId& id) {
  static const std::array<NamedCurve, 4> kCurves = {{
      {"P-224", {1, 3, 132, 0, 33}, 28},
      {"P-256", {1, 2, 840, 10045, 3, 1, 7}, 32},
      {"P-384", {1, 3, 132, 0, 34}, 48},
      {"P-521", {1, 3, 132, 0, 35}, 66},
  }};
  for (const NamedCurve& curve : kCurves) {
    if (curve.id == id) return &curve;
  }
  return nullptr;
}

Result<X509PrivateKey> ParseEc(std::string_view der, const NamedCurve* curve) {
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(crypto::kDerSequence);
  std::optional<int64_t> version = sequence ? sequence->ReadSmallInteger() : std::nullopt;
  std::optional<std::string_view> d =
      version ? sequence->Read(crypto::kDerOctetString) : std::nullopt;
  if (!d) return Wrong("failed to parse EC private key: asn1: structure error");
  if (version != 1) {
    return Wrong("unknown EC private key version " + std::to_string(*version));
  }
  if (curve == nullptr) {
    std::optional<DerReader> parameters = sequence->Enter(DerContext(0, true));
    std::optional<ObjectId> id = parameters ? parameters->ReadObjectId() : std::nullopt;
    if (id) curve = FindCurve(*id);
  }
  if (curve == nullptr) return Wrong("unknown elliptic curve");
  std::string_view number = *d;
  while (number.size() > curve->bytes) {
    if (number[0] != '\0') return Wrong("invalid private key length");
    number.remove_prefix(1);
  }
  Result<crypto::AnyPrivateKey> key = crypto::AnyPrivateKey::FromEc(curve->name, number);
  if (!key) return Wrong("invalid elliptic curve private key value");
  crypto::AnyPrivateKey::Point point = key->PublicPoint();
  X509PrivateKey out;
  out.algorithm = X509KeyAlgorithm::kEcdsa;
  out.curve = curve->name;
  out.d = number;
  out.x = std::move(point.x);
  out.y = std::move(point.y);
  return out;
}

// The bytes of a number, at least as many as told, as base64url.
Value Base64Number(std::string_view bytes, Arena& arena, size_t width = 0) {
  std::string padded(width > bytes.size() ? width - bytes.size() : 0, '\0');
  padded += bytes;
  return Value::String(arena, Base64Encode(padded, Base64::kUrl, Padding::kNo));
}

}  // namespace

Result<X509PrivateKey> ParsePkcs1Key(std::string_view der) {
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(crypto::kDerSequence);
  std::optional<int64_t> version = sequence ? sequence->ReadSmallInteger() : std::nullopt;
  std::array<std::string_view, 8> numbers;
  bool complete = version.has_value();
  for (std::string_view& number : numbers) {
    std::optional<std::string_view> read = complete ? sequence->ReadInteger() : std::nullopt;
    complete = read && read->size() <= kMaxNumberBytes;
    if (!complete) break;
    if ((static_cast<uint8_t>((*read)[0]) & 0x80) != 0) {
      return Wrong("private key contains zero or negative value");
    }
    number = Unsigned(*read);
  }
  if (!complete) {
    // Go tells when it was another kind of key.
    if (ParseEcKey(der)) {
      return Wrong(
          "failed to parse private key (use ParseECPrivateKey instead for this key format)");
    }
    return Error(Code::kInvalid, "asn1: structure error: malformed RSA private key");
  }
  if (*version > 1) return Wrong("unsupported private key version");
  X509PrivateKey out;
  out.algorithm = X509KeyAlgorithm::kRsa;
  out.n = numbers[0];
  out.e = numbers[1];
  out.d = numbers[2];
  out.p = numbers[3];
  out.q = numbers[4];
  out.dp = numbers[5];
  out.dq = numbers[6];
  out.qi = numbers[7];
  if (!crypto::AnyPrivateKey::FromRsa({.n = out.n,
                                       .e = out.e,
                                       .d = out.d,
                                       .p = out.p,
                                       .q = out.q,
                                       .dp = out.dp,
                                       .dq = out.dq,
                                       .qi = out.qi})) {
    return Error(Code::kInvalid, "crypto/rsa: invalid private key");
  }
  return out;
}

Result<X509PrivateKey> ParseEcKey(std::string_view der) { return ParseEc(der, nullptr); }

Result<X509PrivateKey> ParsePkcs8Key(std::string_view der) {
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(crypto::kDerSequence);
  std::optional<int64_t> version = sequence ? sequence->ReadSmallInteger() : std::nullopt;
  std::optional<DerReader> algorithm =
      version ? sequence->Enter(crypto::kDerSequence) : std::nullopt;
  std::optional<ObjectId> id = algorithm ? algorithm->ReadObjectId() : std::nullopt;
  std::optional<std::string_view> key = id ? sequence->Read(crypto::kDerOctetString) : std::nullopt;
  if (!key) return Error(Code::kInvalid, "asn1: structure error: malformed PKCS#8 private key");
  if (*id == ObjectId{1, 2, 840, 113549, 1, 1, 1}) return ParsePkcs1Key(*key);
  if (*id == ObjectId{1, 2, 840, 10045, 2, 1}) {
    std::optional<ObjectId> curve_id = algorithm->ReadObjectId();
    const NamedCurve* curve = curve_id ? FindCurve(*curve_id) : nullptr;
    return ParseEc(*key, curve);
  }
  if (*id == ObjectId{1, 3, 101, 112}) {
    DerReader inner(*key);
    std::optional<std::string_view> seed = inner.Read(crypto::kDerOctetString);
    if (!seed) return Wrong("invalid Ed25519 private key");
    Result<crypto::AnyPrivateKey> private_key = crypto::AnyPrivateKey::FromEd25519(*seed);
    if (!private_key) {
      return Wrong("invalid Ed25519 private key length: " + std::to_string(seed->size()));
    }
    X509PrivateKey out;
    out.algorithm = X509KeyAlgorithm::kEd25519;
    out.d = *seed;
    out.x = private_key->PublicPoint().x;
    return out;
  }
  std::string text;
  for (uint32_t part : *id) text += (text.empty() ? "" : ".") + std::to_string(part);
  return Wrong("PKCS#8 wrapping contained private key with unknown algorithm: " + text);
}

Value X509PrivateKeyValue(const X509PrivateKey& key, Arena& arena) {
  auto number = [&](std::string_view bytes) { return BigEndianNumber(bytes, arena); };
  MapBuilder map(arena);
  switch (key.algorithm) {
    case X509KeyAlgorithm::kRsa: {
      map.Add("N", number(key.n));
      map.Add("E", number(key.e));
      map.Add("D", number(key.d));
      Value primes[] = {number(key.p), number(key.q)};
      map.Add("Primes", Value::Array(arena, primes));
      MapBuilder precomputed(arena);
      precomputed.Add("Dp", number(key.dp));
      precomputed.Add("Dq", number(key.dq));
      precomputed.Add("Qinv", number(key.qi));
      precomputed.Add("CRTValues", Value::EmptyArray());
      map.Add("Precomputed", precomputed.Finish());
      return map.Finish();
    }
    case X509KeyAlgorithm::kEcdsa:
      map.Add("Curve", Value::EmptyMap());
      map.Add("X", number(key.x));
      map.Add("Y", number(key.y));
      map.Add("D", number(key.d));
      return map.Finish();
    default: return Value::String(arena, Base64Encode(std::string(key.d) + key.x));
  }
}

Value PrivateKeyJwk(const X509PrivateKey& key, Arena& arena) {
  MapBuilder map(arena);
  auto add = [&](std::string_view name, std::string_view bytes, size_t width = 0) {
    map.Add(name, Base64Number(bytes, arena, width));
  };
  switch (key.algorithm) {
    case X509KeyAlgorithm::kRsa:
      map.Add("kty", Value::String("RSA"));
      add("n", key.n);
      add("e", key.e);
      add("d", key.d);
      add("p", key.p);
      add("q", key.q);
      add("dp", key.dp);
      add("dq", key.dq);
      add("qi", key.qi);
      break;
    case X509KeyAlgorithm::kEcdsa:
      map.Add("kty", Value::String("EC"));
      map.Add("crv", Value::String(key.curve));
      add("x", key.x);
      add("y", key.y);
      add("d", key.d, key.x.size());
      break;
    default:
      map.Add("kty", Value::String("OKP"));
      map.Add("crv", Value::String("Ed25519"));
      add("x", key.x);
      add("d", key.d);
  }
  return map.Finish();
}

}  // namespace bulwark::rego
