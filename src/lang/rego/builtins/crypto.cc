// crypto.*: digests and HMACs as hex, certificates, requests and keys as the JSON that Go gives
// them.

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/x509.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxPem = size_t{4} << 20;
constexpr size_t kMaxKeys = 1000;

// --- Digests -------------------------------------------------------------------------------------

template <crypto::Hash kHash>
Outcome Hashed(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!c.Spend(args[0].size() / 100 + 1)) return Outcome::kHalt;
  out = Value::String(c.arena, HexEncode(crypto::Digest(kHash, args[0].AsString())));
  return Outcome::kValue;
}

template <crypto::Hash kHash>
Outcome Authenticated(Context& c, Args args, Value& out) {
  for (size_t i = 0; i < 2; ++i) {
    if (!args[i].IsString()) return c.WrongType(i + 1, args[i], "string");
    if (!c.Spend(args[i].size() / 100 + 1)) return Outcome::kHalt;
  }
  out = Value::String(c.arena,
                      HexEncode(crypto::Hmac(kHash, args[1].AsString(), args[0].AsString())));
  return Outcome::kValue;
}

Outcome HmacEqual(Context& c, Args args, Value& out) {
  for (size_t i = 0; i < 2; ++i) {
    if (!args[i].IsString()) return c.WrongType(i + 1, args[i], "string");
  }
  out = Value::Bool(ConstantTimeEquals(args[0].AsString(), args[1].AsString()));
  return Outcome::kValue;
}

// --- Certificates --------------------------------------------------------------------------------

Result<std::vector<X509Certificate>> CertificatesFromPem(std::string_view text, Arena& arena) {
  std::string der;
  while (!text.empty()) {
    std::optional<PemBlock> block = DecodePem(text, &text);
    if (!block) break;
    if (block->type != "CERTIFICATE") {
      return Error(Code::kInvalid, "PEM block type is '" + block->type + "', expected CERTIFICATE");
    }
    der += block->bytes;
  }
  return ParseX509Certificates(der, arena);
}

// PEM, or Base64 of PEM or of DER.
Result<std::vector<X509Certificate>> Certificates(std::string_view text, Arena& arena) {
  if (text.size() > kMaxPem) return Error(Code::kLimit, "x509: too many certificates");
  constexpr std::string_view kBegin = "-----BEGIN";
  if (text.starts_with(kBegin)) return CertificatesFromPem(text, arena);
  std::string decoded = BW_TRY(DecodeGoBase64(text, GoBase64::kStandard));
  if (decoded.starts_with(kBegin)) return CertificatesFromPem(decoded, arena);
  return ParseX509Certificates(decoded, arena);
}

bool SpendOn(Context& c, const Value& text) { return c.Spend(text.size() / 10 + 10); }

Outcome ParseCertificates(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  Result<std::vector<X509Certificate>> certificates = Certificates(args[0].AsString(), c.arena);
  if (!certificates) return c.Fail(certificates.error().message());
  std::vector<Value> values;
  for (const X509Certificate& certificate : *certificates) {
    values.push_back(X509CertificateValue(certificate, c.arena, true));
  }
  out = Value::Array(c.arena, values);
  return Outcome::kValue;
}

Value Verdict(Context& c, bool valid, std::span<const Value> chain) {
  Value pair[] = {Value::Bool(valid), Value::Array(c.arena, chain)};
  return Value::Array(c.arena, pair);
}

Outcome Verify(Context& c, std::string_view text, const X509VerifyOptions& options,
               bool uri_strings, Value& out) {
  out = Verdict(c, false, {});
  Result<std::vector<X509Certificate>> certificates = Certificates(text, c.arena);
  if (!certificates || certificates->size() < 2) return Outcome::kValue;
  std::optional<std::vector<size_t>> chain = VerifyX509Chain(*certificates, options);
  if (!chain) return Outcome::kValue;
  std::vector<Value> values;
  for (size_t i : *chain) {
    values.push_back(X509CertificateValue((*certificates)[i], c.arena, uri_strings));
  }
  out = Verdict(c, true, values);
  return Outcome::kValue;
}

Timestamp FromNanos(int64_t nanos) { return Timestamp{} + Nanos(nanos); }

Outcome ParseAndVerify(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  return Verify(c, args[0].AsString(), {.at = FromNanos(c.now_nanos())}, true, out);
}

std::string_view TrimQuotes(std::string_view text) {
  while (text.starts_with('"')) text.remove_prefix(1);
  while (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

// The options' names are Go's. An Error has the message.
Result<> ReadVerifyOptions(Context& c, const Value& object, X509VerifyOptions& options) {
  constexpr std::string_view kUsages[] = {"KeyUsageAny",
                                          "KeyUsageServerAuth",
                                          "KeyUsageClientAuth",
                                          "KeyUsageCodeSigning",
                                          "KeyUsageEmailProtection",
                                          "KeyUsageIPSECEndSystem",
                                          "KeyUsageIPSECTunnel",
                                          "KeyUsageIPSECUser",
                                          "KeyUsageTimeStamping",
                                          "KeyUsageOCSPSigning",
                                          "KeyUsageMicrosoftServerGatedCrypto",
                                          "KeyUsageNetscapeServerGatedCrypto",
                                          "KeyUsageMicrosoftCommercialCodeSigning",
                                          "KeyUsageMicrosoftKernelCodeSigning"};
  auto wrong = [](std::string message) { return Error(Code::kInvalid, std::move(message)); };
  for (const Value::Entry& entry : SortedEntries(object, c.arena)) {
    if (!entry.key.IsString()) continue;
    std::string_view key = entry.key.AsString();
    const Value& value = entry.value;
    if (key == "DNSName") {
      if (!value.IsString()) return wrong("'DNSName' should be a string");
      options.dns_name = TrimQuotes(value.AsString());
    } else if (key == "CurrentTime") {
      if (!value.IsNumber()) return wrong("'CurrentTime' should be a number");
      std::optional<int64_t> nanos = value.ToInt();
      if (!nanos) return wrong("'CurrentTime' should be a valid int64 number");
      options.at = FromNanos(*nanos);
    } else if (key == "MaxConstraintComparisons") {
      if (!value.IsNumber()) return wrong("'MaxConstraintComparisons' should be a number");
      if (!value.ToInt()) return wrong("'MaxConstraintComparisons' should be a valid number");
    } else if (key == "KeyUsages") {
      if (!value.IsArray() && !value.IsSet()) {
        return wrong("'KeyUsages' should be an Array or Set");
      }
      std::string invalid;
      for (const Value& item : value.items()) {
        if (!item.IsString()) continue;
        std::string_view name = TrimQuotes(item.AsString());
        const auto* known = std::find(std::begin(kUsages), std::end(kUsages), name);
        if (known != std::end(kUsages)) {
          options.usages.push_back(static_cast<int>(known - std::begin(kUsages)));
        } else {
          invalid += (invalid.empty() ? "" : " ") + std::string(name);
        }
      }
      if (!invalid.empty()) {
        return wrong("invalid entries for 'KeyUsages' found: [" + invalid + "]");
      }
    } else {
      return wrong("invalid key option");
    }
  }
  return Ok{};
}

Outcome ParseAndVerifyWithOptions(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!args[1].IsMap()) return c.WrongType(2, args[1], "object");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  if (!Certificates(args[0].AsString(), c.arena)) {
    out = Verdict(c, false, {});
    return Outcome::kValue;
  }
  X509VerifyOptions options{.at = FromNanos(c.now_nanos())};
  if (Result<> read = ReadVerifyOptions(c, args[1], options); !read) {
    return c.Fail(read.error().message());
  }
  return Verify(c, args[0].AsString(), options, false, out);
}

Outcome ParseCertificateRequest(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  std::string bytes(args[0].AsString());
  if (bytes.size() > kMaxPem) return c.Fail("x509: request too long");
  if (!bytes.starts_with("-----BEGIN CERTIFICATE REQUEST-----")) {
    Result<std::string> decoded = DecodeGoBase64(bytes, GoBase64::kStandard);
    if (!decoded) return c.Fail(decoded.error().message());
    bytes = *std::move(decoded);
  }
  std::string_view rest;
  if (std::optional<PemBlock> block = DecodePem(bytes, &rest)) {
    if (block->type != "CERTIFICATE REQUEST") {
      return c.Fail("invalid PEM-encoded certificate signing request");
    }
    bytes = std::move(block->bytes);
  }
  Result<Value> value = ParseX509Request(bytes, c.arena);
  if (!value) return c.Fail(value.error().message());
  out = *value;
  return Outcome::kValue;
}

// --- Keys ----------------------------------------------------------------------------------------

Result<X509PrivateKey> ParseTlsKey(std::string_view der) {
  if (Result<X509PrivateKey> key = ParsePkcs1Key(der)) return key;
  if (Result<X509PrivateKey> key = ParsePkcs8Key(der)) return key;
  if (Result<X509PrivateKey> key = ParseEcKey(der)) return key;
  return Error(Code::kInvalid, "tls: failed to parse private key");
}

// The public half as a certificate's PublicKey shows it.
Value PublicPart(const X509PrivateKey& key, Arena& arena) {
  MapBuilder map(arena);
  switch (key.algorithm) {
    case X509KeyAlgorithm::kRsa:
      map.Add("N", BigEndianNumber(key.n, arena));
      map.Add("E", BigEndianNumber(key.e, arena));
      return map.Finish();
    case X509KeyAlgorithm::kEcdsa:
      map.Add("Curve", Value::EmptyMap());
      map.Add("X", BigEndianNumber(key.x, arena));
      map.Add("Y", BigEndianNumber(key.y, arena));
      return map.Finish();
    default: return Value::String(arena, Base64Encode(key.x));
  }
}

std::string TypeList(const std::vector<std::string>& types) { return "[" + Join(types, " ") + "]"; }

// Text that may be PEM, Base64 of PEM or Base64 of DER, as PEM.
Result<std::string> AsPem(std::string_view text, std::string_view type) {
  if (text.size() > kMaxPem) return Error(Code::kLimit, "x509: text too long");
  if (text.starts_with("-----BEGIN ")) return std::string(text);
  std::string decoded = BW_TRY(DecodeGoBase64(text, GoBase64::kStandard));
  if (decoded.starts_with("-----BEGIN ")) return decoded;
  return EncodePem(type, decoded);
}

Result<Value> KeyPair(Context& c, std::string_view certificate_text, std::string_view key_text) {
  std::string certificate_pem = BW_TRY(AsPem(certificate_text, "CERTIFICATE"));
  std::string key_pem = BW_TRY(AsPem(key_text, "PRIVATE KEY"));
  auto wrong = [](std::string message) {
    return Error(Code::kInvalid, "tls: " + std::move(message));
  };
  std::vector<std::string> ders;
  std::vector<std::string> skipped;
  std::string_view rest = certificate_pem;
  while (std::optional<PemBlock> block = DecodePem(rest, &rest)) {
    if (ders.size() + skipped.size() > kMaxKeys) return wrong("too many PEM blocks");
    if (block->type == "CERTIFICATE") {
      ders.push_back(std::move(block->bytes));
    } else {
      skipped.push_back(std::move(block->type));
    }
  }
  if (ders.empty()) {
    if (skipped.empty()) return wrong("failed to find any PEM data in certificate input");
    if (skipped.size() == 1 && skipped[0].ends_with("PRIVATE KEY")) {
      return wrong(
          "failed to find certificate PEM data in certificate input, but did find a private key; "
          "PEM inputs may have been switched");
    }
    return wrong(
        "failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks "
        "of the following types: " +
        TypeList(skipped));
  }
  skipped.clear();
  rest = key_pem;
  std::string key_der;
  while (true) {
    std::optional<PemBlock> block = DecodePem(rest, &rest);
    if (!block) {
      if (skipped.empty()) return wrong("failed to find any PEM data in key input");
      if (skipped.size() == 1 && skipped[0] == "CERTIFICATE") {
        return wrong("found a certificate rather than a key in the PEM for the private key");
      }
      return wrong(
          "failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after "
          "skipping PEM blocks of the following types: " +
          TypeList(skipped));
    }
    if (block->type == "PRIVATE KEY" || block->type.ends_with(" PRIVATE KEY")) {
      key_der = std::move(block->bytes);
      break;
    }
    skipped.push_back(std::move(block->type));
  }
  std::vector<X509Certificate> parsed = BW_TRY(ParseX509Certificates(ders[0], c.arena));
  if (parsed.size() != 1) {
    return Error(Code::kInvalid,
                 parsed.empty() ? "x509: malformed certificate" : "x509: trailing data");
  }
  X509PrivateKey key = BW_TRY(ParseTlsKey(key_der));
  if (parsed[0].key_algorithm == X509KeyAlgorithm::kUnknown ||
      parsed[0].key_algorithm == X509KeyAlgorithm::kDsa) {
    return wrong("unknown public key algorithm");
  }
  if (parsed[0].key_algorithm != key.algorithm) {
    return wrong("private key type does not match public key type");
  }
  if (PublicPart(key, c.arena) != parsed[0].public_key) {
    return wrong("private key does not match public key");
  }
  std::vector<Value> chain;
  for (const std::string& der : ders) chain.push_back(Value::String(c.arena, Base64Encode(der)));
  MapBuilder map(c.arena);
  map.Add("Certificate", Value::Array(c.arena, chain));
  map.Add("PrivateKey", X509PrivateKeyValue(key, c.arena));
  map.Add("SupportedSignatureAlgorithms", Value::Null());
  map.Add("OCSPStaple", Value::Null());
  map.Add("SignedCertificateTimestamps", Value::Null());
  map.Add("Leaf", X509CertificateValue(parsed[0], c.arena, false));
  return map.Finish();
}

Outcome ParseKeyPair(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!args[1].IsString()) return c.WrongType(1, args[1], "string");
  if (!SpendOn(c, args[0]) || !SpendOn(c, args[1])) return Outcome::kHalt;
  Result<Value> pair = KeyPair(c, args[0].AsString(), args[1].AsString());
  if (!pair) return c.Fail(pair.error().message());
  out = *pair;
  return Outcome::kValue;
}

// The keys of PEM text, which may be Base64 once more; `value` makes one of what was read.
template <typename F>
Result<std::vector<Value>> PrivateKeys(std::string_view text, F value) {
  if (text.size() > kMaxPem) return Error(Code::kLimit, "x509: text too long");
  std::string decoded;
  if (Result<std::string> bytes = DecodeGoBase64(text, GoBase64::kStandard)) {
    decoded = *std::move(bytes);
    text = decoded;
  }
  std::vector<Value> out;
  while (std::optional<PemBlock> block = DecodePem(text, &text)) {
    if (out.size() > kMaxKeys) return Error(Code::kLimit, "x509: too many keys");
    if (block->type == "RSA PRIVATE KEY") {
      out.push_back(value(BW_TRY(ParsePkcs1Key(block->bytes))));
    } else if (block->type == "PRIVATE KEY") {
      out.push_back(value(BW_TRY(ParsePkcs8Key(block->bytes))));
    } else if (block->type == "EC PRIVATE KEY") {
      out.push_back(value(BW_TRY(ParseEcKey(block->bytes))));
    }
  }
  return out;
}

Outcome ParsePrivateKeys(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  out = Value::Null();
  if (args[0].empty()) return Outcome::kValue;
  Result<std::vector<Value>> keys = PrivateKeys(args[0].AsString(), [&](const X509PrivateKey& key) {
    return X509PrivateKeyValue(key, c.arena);
  });
  if (!keys) return c.Fail(keys.error().message());
  out = Value::Array(c.arena, *keys);
  return Outcome::kValue;
}

Outcome ParseRsaPrivateKey(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  if (args[0].empty()) return c.Fail("input PEM data was empty");
  std::string text(args[0].AsString());
  if (text.size() > kMaxPem) return c.Fail("x509: text too long");
  if (!text.starts_with("-----BEGIN")) {
    Result<std::string> decoded = DecodeGoBase64(text, GoBase64::kStandard);
    if (!decoded) return c.Fail(decoded.error().message());
    text = *std::move(decoded);
  }
  Result<std::vector<Value>> keys =
      PrivateKeys(text, [&](const X509PrivateKey& key) { return PrivateKeyJwk(key, c.arena); });
  if (!keys) return c.Fail(keys.error().message());
  out = keys->empty() ? Value::Null() : keys->front();
  return Outcome::kValue;
}

using crypto::Hash;

constexpr Builtin kCrypto[] = {
    {"crypto.md5", "(x: string) -> y: string", Hashed<Hash::kMd5>},
    {"crypto.sha1", "(x: string) -> y: string", Hashed<Hash::kSha1>},
    {"crypto.sha256", "(x: string) -> y: string", Hashed<Hash::kSha256>},
    {"crypto.hmac.md5", "(x: string, key: string) -> y: string", Authenticated<Hash::kMd5>},
    {"crypto.hmac.sha1", "(x: string, key: string) -> y: string", Authenticated<Hash::kSha1>},
    {"crypto.hmac.sha256", "(x: string, key: string) -> y: string", Authenticated<Hash::kSha256>},
    {"crypto.hmac.sha512", "(x: string, key: string) -> y: string", Authenticated<Hash::kSha512>},
    {"crypto.hmac.equal", "(mac1: string, mac2: string) -> result: boolean", HmacEqual},
    {"crypto.parse_private_keys", "(keys: string) -> output: array[object[string: any]]",
     ParsePrivateKeys},
    {"crypto.x509.parse_certificates", "(certs: string) -> output: array[object[string: any]]",
     ParseCertificates},
    {"crypto.x509.parse_and_verify_certificates",
     "(certs: string) -> output: array<boolean, array[object[string: any]]>", ParseAndVerify},
    {"crypto.x509.parse_and_verify_certificates_with_options",
     "(certs: string, options: object[string: any]) -> output: array<boolean, "
     "array[object[string: any]]>",
     ParseAndVerifyWithOptions},
    {"crypto.x509.parse_certificate_request", "(csr: string) -> output: object[string: any]",
     ParseCertificateRequest},
    {"crypto.x509.parse_keypair", "(cert: string, pem: string) -> output: object[string: any]",
     ParseKeyPair},
    {"crypto.x509.parse_rsa_private_key", "(pem: string) -> output: object[string: any]",
     ParseRsaPrivateKey},
};

}  // namespace

std::span<const Builtin> CryptoBuiltins() { return kCrypto; }

}  // namespace bulwark::rego
