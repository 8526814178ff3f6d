#pragma once

// X.509 as Go's crypto/x509 reads it (its checks, its messages) and as its JSON shows it, which is
// what policies are written against.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/time.h"
#include "base/value.h"

namespace bulwark::rego {

using ObjectId = std::vector<uint32_t>;

struct X509Name {
  struct Attribute {
    ObjectId type;
    Value value;  // a string, or what else stands there
  };
  std::vector<Attribute> attributes;
};

struct X509Extension {
  ObjectId id;
  bool critical = false;
  std::string_view value;
};

enum class X509KeyAlgorithm : uint8_t { kUnknown, kRsa, kDsa, kEcdsa, kEd25519 };

struct IpNet {
  std::string_view ip, mask;
};

// The general names that are looked at.
struct X509Names {
  std::vector<std::string_view> dns, emails, ips, uris;
};
struct X509Constraints {
  std::vector<std::string_view> dns, emails, uris;
  std::vector<IpNet> ips;
};

// Views into the DER, which lives in the arena.
struct X509Certificate {
  std::string_view raw, raw_tbs, raw_spki, raw_subject, raw_issuer;
  std::string_view signature;
  int signature_algorithm = 0;  // Go's numbers
  X509KeyAlgorithm key_algorithm = X509KeyAlgorithm::kUnknown;
  Value public_key;
  int64_t version = 0;
  std::string_view serial;
  X509Name issuer, subject;
  Timestamp not_before, not_after;
  int key_usage = 0;
  std::vector<X509Extension> extensions;
  std::vector<ObjectId> unhandled_critical;
  std::vector<int> usages;
  std::vector<ObjectId> unknown_usages;
  bool basic_constraints = false, is_ca = false;
  int64_t max_path_length = 0;
  std::optional<std::string_view> subject_key_id, authority_key_id;
  std::vector<std::string_view> ocsp_servers, issuing_urls, crl_points;
  X509Names names;
  std::optional<bool> constraints_critical;
  X509Constraints permitted, excluded;
  std::optional<std::vector<std::string_view>> policies;  // DER of the ids
  struct PolicyMapping {
    std::string_view issuer, subject;
  };
  std::vector<PolicyMapping> policy_mappings;
  std::optional<int64_t> inhibit_any_policy, inhibit_mapping, explicit_policy;
};

// The certificates that stand in the DER one after the other.
Result<std::vector<X509Certificate>> ParseX509Certificates(std::string_view der, Arena& arena);
// `uri_strings`: with the URIs once more, as text.
Value X509CertificateValue(const X509Certificate& certificate, Arena& arena, bool uri_strings);
// A certificate request as a value.
Result<Value> ParseX509Request(std::string_view der, Arena& arena);

struct X509VerifyOptions {
  std::string_view dns_name;
  Timestamp at;
  std::vector<int> usages;  // Go's numbers; none: server authentication
};
// Indices from the leaf (the last) to the root (the first); nothing if there is no chain that
// holds.
std::optional<std::vector<size_t>> VerifyX509Chain(std::span<const X509Certificate> certificates,
                                                   const X509VerifyOptions& options);

// Private keys: the numbers of PKCS#1, SEC 1 or PKCS#8, big-endian without sign, as views.
struct X509PrivateKey {
  X509KeyAlgorithm algorithm = X509KeyAlgorithm::kUnknown;
  std::string_view n, e, d, p, q, dp, dq, qi;  // RSA
  std::string_view curve;                      // "P-256"; d is the number
  std::string x, y;  // the point; Ed25519: x is the public key, d the seed
};
Result<X509PrivateKey> ParsePkcs1Key(std::string_view der);
Result<X509PrivateKey> ParsePkcs8Key(std::string_view der);
Result<X509PrivateKey> ParseEcKey(std::string_view der);
Value X509PrivateKeyValue(const X509PrivateKey& key, Arena& arena);
// As a JSON Web Key.
Value PrivateKeyJwk(const X509PrivateKey& key, Arena& arena);

// A number, big-endian without sign.
Value BigEndianNumber(std::string_view bytes, Arena& arena);

}  // namespace bulwark::rego
