#include "lang/rego/builtins/x509.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/signature.h"
#include "lang/rego/builtins/big_int.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_time.h"

namespace bulwark::rego {

namespace {

using crypto::DerContext;
using crypto::DerElement;
using crypto::DerReader;
using crypto::kDerInteger;
using crypto::kDerObjectId;
using crypto::kDerOctetString;
using crypto::kDerSequence;
using crypto::kDerSet;

constexpr size_t kMaxNumberBytes = 4096;
constexpr size_t kMaxCertificates = 1000;

Error Wrong(std::string message) { return Error(Code::kInvalid, "x509: " + std::move(message)); }

std::string OidText(const ObjectId& id) {
  std::string out;
  for (uint32_t part : id) out += (out.empty() ? "" : ".") + std::to_string(part);
  return out;
}

bool Is(const ObjectId& id, std::initializer_list<uint32_t> parts) {
  return std::equal(id.begin(), id.end(), parts.begin(), parts.end());
}

bool IsIa5(std::string_view text) { return IsAscii(text); }

// --- Names ---------------------------------------------------------------------------------------

bool IsPrintableString(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) ||
           std::string_view(" '()+,-./:=?*&").find(c) != std::string_view::npos;
  });
}

constexpr uint8_t kUtf8String = 12;
constexpr uint8_t kNumericString = 18;
constexpr uint8_t kPrintableString = 19;
constexpr uint8_t kT61String = 20;
constexpr uint8_t kIa5String = 22;
constexpr uint8_t kUtcTime = 23;
constexpr uint8_t kGeneralizedTime = 24;
constexpr uint8_t kBmpString = 30;

Result<std::string> Asn1String(uint8_t tag, std::string_view value) {
  auto invalid = [](std::string_view what) {
    return Error(Code::kInvalid, "invalid " + std::string(what));
  };
  switch (tag) {
    case kT61String: {
      std::string out;
      for (char c : value) AppendUtf8(out, static_cast<uint8_t>(c));
      return out;
    }
    case kPrintableString:
      if (!IsPrintableString(value)) return invalid("PrintableString");
      return std::string(value);
    case kUtf8String:
      if (!IsUtf8(value)) return invalid("UTF-8 string");
      return std::string(value);
    case kBmpString: {
      if (value.size() % 2 != 0) return invalid("BMPString");
      if (value.ends_with(std::string_view("\0\0", 2))) value.remove_suffix(2);
      std::string out;
      for (size_t i = 0; i + 1 < value.size(); i += 2) {
        auto unit = static_cast<char32_t>(static_cast<uint8_t>(value[i]) << 8 |
                                          static_cast<uint8_t>(value[i + 1]));
        if (unit >= 0xfffe || (unit >= 0xfdd0 && unit <= 0xfdef) ||
            (unit >= 0xd800 && unit <= 0xdfff)) {
          return invalid("BMPString");
        }
        AppendUtf8(out, unit);
      }
      return out;
    }
    case kIa5String:
      if (!IsIa5(value)) return invalid("IA5String");
      return std::string(value);
    case kNumericString:
      for (char c : value) {
        if (!IsAsciiDigit(c) && c != ' ') return invalid("NumericString");
      }
      return std::string(value);
    default: return Error(Code::kInvalid, fmt::format("unsupported string type: {}", tag));
  }
}

Result<X509Name> ParseName(std::string_view der, Arena& arena) {
  X509Name name;
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(kDerSequence);
  if (!sequence) return Wrong("invalid RDNSequence");
  while (!sequence->empty()) {
    std::optional<DerReader> set = sequence->Enter(kDerSet);
    if (!set) return Wrong("invalid RDNSequence");
    while (!set->empty()) {
      std::optional<DerReader> attribute = set->Enter(kDerSequence);
      if (!attribute) return Wrong("invalid RDNSequence: invalid attribute");
      std::optional<ObjectId> type = attribute->ReadObjectId();
      if (!type) return Wrong("invalid RDNSequence: invalid attribute type");
      std::optional<DerElement> value = attribute->ReadAny();
      if (!value) return Wrong("invalid RDNSequence: invalid attribute value");
      Result<std::string> text = Asn1String(value->tag, value->content);
      if (!text) {
        return Wrong("invalid RDNSequence: invalid attribute value: " + text.error().message());
      }
      name.attributes.push_back({*std::move(type), Value::String(arena, *text)});
    }
  }
  return name;
}

Result<Timestamp> ParseTime(DerReader& reader) {
  std::optional<DerElement> element = reader.ReadAny();
  if (!element) return Wrong("unsupported time format");
  std::string_view text = element->content;
  if (element->tag == kUtcTime) {
    for (std::string_view layout : {"0601021504Z0700", "060102150405Z0700"}) {
      Result<Timestamp> at = GoParseTime(layout, text);
      if (!at) continue;
      Civil civil = ToCivil(at->seconds);
      if (civil.year >= 2050) {
        civil.year -= 100;
        return Timestamp{FromCivil(civil), 0};
      }
      return at;
    }
    return Wrong("malformed UTCTime");
  }
  if (element->tag == kGeneralizedTime) {
    Result<Timestamp> at = GoParseTime("20060102150405Z0700", text);
    if (!at || at->nanos != 0) return Wrong("malformed GeneralizedTime");
    return at;
  }
  return Wrong("unsupported time format");
}

// --- Algorithms and keys -------------------------------------------------------------------------

struct AlgorithmId {
  ObjectId id;
  std::string_view parameters;  // the whole element; empty where there is none
};

Result<AlgorithmId> ParseAlgorithm(DerReader reader) {
  AlgorithmId out;
  std::optional<ObjectId> id = reader.ReadObjectId();
  if (!id) return Wrong("malformed OID");
  out.id = *std::move(id);
  if (reader.empty()) return out;
  std::optional<DerElement> parameters = reader.ReadAny();
  if (!parameters) return Wrong("malformed parameters");
  out.parameters = parameters->whole;
  return out;
}

constexpr std::string_view kNull("\x05\x00", 2);

// Which of the three buckets of RSA-PSS the parameters mean; 0 for none.
int PssAlgorithm(std::string_view parameters) {
  DerReader outer(parameters);
  std::optional<DerReader> sequence = outer.Enter(kDerSequence);
  if (!sequence) return 0;
  auto algorithm = [](DerReader reader) -> std::optional<AlgorithmId> {
    std::optional<DerReader> inner = reader.Enter(kDerSequence);
    if (!inner) return std::nullopt;
    Result<AlgorithmId> id = ParseAlgorithm(*inner);
    if (!id) return std::nullopt;
    return *std::move(id);
  };
  std::optional<DerReader> hash_part = sequence->Enter(DerContext(0, true));
  std::optional<DerReader> mgf_part = sequence->Enter(DerContext(1, true));
  std::optional<DerReader> salt_part = sequence->Enter(DerContext(2, true));
  std::optional<DerReader> trailer_part = sequence->Enter(DerContext(3, true));
  if (!hash_part || !mgf_part || !salt_part) return 0;
  std::optional<AlgorithmId> hash = algorithm(*hash_part);
  std::optional<AlgorithmId> mgf = algorithm(*mgf_part);
  std::optional<int64_t> salt = salt_part->ReadSmallInteger();
  if (!hash || !mgf || !salt) return 0;
  if (trailer_part && trailer_part->ReadSmallInteger() != 1) return 0;
  std::optional<AlgorithmId> mgf_hash = algorithm(DerReader(mgf->parameters));
  auto plain = [](std::string_view p) { return p.empty() || p == kNull; };
  if (!mgf_hash || !Is(mgf->id, {1, 2, 840, 113549, 1, 1, 8}) || mgf_hash->id != hash->id ||
      !plain(hash->parameters) || !plain(mgf_hash->parameters)) {
    return 0;
  }
  if (Is(hash->id, {2, 16, 840, 1, 101, 3, 4, 2, 1}) && salt == 32) return 13;
  if (Is(hash->id, {2, 16, 840, 1, 101, 3, 4, 2, 2}) && salt == 48) return 14;
  if (Is(hash->id, {2, 16, 840, 1, 101, 3, 4, 2, 3}) && salt == 64) return 15;
  return 0;
}

int SignatureAlgorithm(const AlgorithmId& algorithm) {
  static const std::vector<std::pair<ObjectId, int>> kKnown = {
      {{1, 2, 840, 113549, 1, 1, 4}, 2},  {{1, 2, 840, 113549, 1, 1, 5}, 3},
      {{1, 3, 14, 3, 2, 29}, 3},          {{1, 2, 840, 113549, 1, 1, 11}, 4},
      {{1, 2, 840, 113549, 1, 1, 12}, 5}, {{1, 2, 840, 113549, 1, 1, 13}, 6},
      {{1, 2, 840, 10040, 4, 3}, 7},      {{2, 16, 840, 1, 101, 3, 4, 3, 2}, 8},
      {{1, 2, 840, 10045, 4, 1}, 9},      {{1, 2, 840, 10045, 4, 3, 2}, 10},
      {{1, 2, 840, 10045, 4, 3, 3}, 11},  {{1, 2, 840, 10045, 4, 3, 4}, 12},
  };
  if (Is(algorithm.id, {1, 3, 101, 112})) return algorithm.parameters.empty() ? 16 : 0;
  if (Is(algorithm.id, {1, 2, 840, 113549, 1, 1, 10})) return PssAlgorithm(algorithm.parameters);
  for (const auto& [id, number] : kKnown) {
    if (id == algorithm.id) return number;
  }
  return 0;
}

X509KeyAlgorithm KeyAlgorithm(const ObjectId& id) {
  if (Is(id, {1, 2, 840, 113549, 1, 1, 1})) return X509KeyAlgorithm::kRsa;
  if (Is(id, {1, 2, 840, 10040, 4, 1})) return X509KeyAlgorithm::kDsa;
  if (Is(id, {1, 2, 840, 10045, 2, 1})) return X509KeyAlgorithm::kEcdsa;
  if (Is(id, {1, 3, 101, 112})) return X509KeyAlgorithm::kEd25519;
  return X509KeyAlgorithm::kUnknown;
}

struct NamedCurve {
  std::string_view name;
  ObjectId id;
  size_t bytes;
};

const NamedCurve* FindCurve(const ObjectId& id) {
  static const std::vector<NamedCurve> kCurves = {
      {"P-224", {1, 3, 132, 0, 33}, 28},
      {"P-256", {1, 2, 840, 10045, 3, 1, 7}, 32},
      {"P-384", {1, 3, 132, 0, 34}, 48},
      {"P-521", {1, 3, 132, 0, 35}, 66},
  };
  for (const NamedCurve& curve : kCurves) {
    if (curve.id == id) return &curve;
  }
  return nullptr;
}

bool Positive(std::string_view integer) {
  return (static_cast<uint8_t>(integer[0]) & 0x80) == 0 && integer != std::string_view("\0", 1);
}

Value BytesValue(std::string_view bytes, Arena& arena) {
  return Value::String(arena, Base64Encode(bytes));
}

Value CurvePoint(std::string_view x, std::string_view y, Arena& arena) {
  MapBuilder map(arena);
  map.Add("Curve", Value::EmptyMap());
  map.Add("X", BigEndianNumber(x, arena));
  map.Add("Y", BigEndianNumber(y, arena));
  return map.Finish();
}

// The shape of Go's public key: {"N": …, "E": …}, {"Curve": {}, "X": …, "Y": …}, Base64.
Result<Value> ParsePublicKey(X509KeyAlgorithm algorithm, const AlgorithmId& id,
                             std::string_view key, Arena& arena) {
  MapBuilder map(arena);
  DerReader reader(key);
  switch (algorithm) {
    case X509KeyAlgorithm::kRsa: {
      if (id.parameters != kNull) return Wrong("RSA key missing NULL parameters");
      std::optional<DerReader> sequence = reader.Enter(kDerSequence);
      if (!sequence) return Wrong("invalid RSA public key");
      std::optional<std::string_view> n = sequence->ReadInteger();
      if (!n || n->size() > kMaxNumberBytes) return Wrong("invalid RSA modulus");
      std::optional<int64_t> e = sequence->ReadSmallInteger();
      if (!e) return Wrong("invalid RSA public exponent");
      if (!Positive(*n)) return Wrong("RSA modulus is not a positive number");
      if (*e <= 0) return Wrong("RSA public exponent is not a positive number");
      map.Add("N", BigEndianNumber(*n, arena));
      map.Add("E", Value::Int(*e));
      return map.Finish();
    }
    case X509KeyAlgorithm::kEcdsa: {
      std::optional<ObjectId> curve_id = DerReader(id.parameters).ReadObjectId();
      if (!curve_id) return Wrong("invalid ECDSA parameters");
      const NamedCurve* curve = FindCurve(*curve_id);
      if (curve == nullptr) return Wrong("unsupported elliptic curve");
      if (key.size() != 1 + 2 * curve->bytes || key[0] != 4) {
        return Error(Code::kInvalid, "ecdsa: invalid uncompressed public key");
      }
      if (!crypto::AnyPublicKey::FromEc(curve->name, key.substr(1, curve->bytes),
                                        key.substr(1 + curve->bytes))) {
        return Error(Code::kInvalid, ReplaceAll(curve->name, "-", "") + " point not on curve");
      }
      return CurvePoint(key.substr(1, curve->bytes), key.substr(1 + curve->bytes), arena);
    }
    case X509KeyAlgorithm::kEd25519:
      if (!id.parameters.empty()) return Wrong("Ed25519 key encoded with illegal parameters");
      if (key.size() != 32) return Wrong("wrong Ed25519 public key size");
      return BytesValue(key, arena);
    case X509KeyAlgorithm::kDsa: {
      std::optional<std::string_view> y = reader.ReadInteger();
      if (!y) return Wrong("invalid DSA public key");
      std::optional<DerReader> parameters = DerReader(id.parameters).Enter(kDerSequence);
      if (!parameters) return Wrong("invalid DSA parameters");
      for (std::string_view name : {"P", "Q", "G"}) {
        std::optional<std::string_view> number = parameters->ReadInteger();
        if (!number || number->size() > kMaxNumberBytes) return Wrong("invalid DSA parameters");
        if (!Positive(*number)) return Wrong("zero or negative DSA parameter");
        map.Add(name, BigEndianNumber(*number, arena));
      }
      if (!Positive(*y) || y->size() > kMaxNumberBytes) {
        return Wrong("zero or negative DSA parameter");
      }
      map.Add("Y", BigEndianNumber(*y, arena));
      return map.Finish();
    }
    case X509KeyAlgorithm::kUnknown: return Value::Null();
  }
  return Value::Null();
}

// --- Extensions ----------------------------------------------------------------------------------

bool DomainNameValid(std::string_view name, bool constraint) {
  if (name.empty()) return constraint;
  if ((!constraint && name[0] == '.') || name.back() == '.' || name.size() > 253) return false;
  if (constraint && name[0] == '.') name.remove_prefix(1);
  for (std::string_view label : Split(name, '.')) {
    if (label.empty() || label.size() > 63) return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; });
}

Result<X509Names> ParseAltNames(std::string_view der) {
  X509Names names;
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(kDerSequence);
  if (!sequence) return Wrong("invalid subject alternative names");
  while (!sequence->empty()) {
    std::optional<DerElement> name = sequence->ReadAny();
    if (!name) return Wrong("invalid subject alternative name");
    switch (name->tag) {
      case DerContext(1):
        if (!IsIa5(name->content)) return Wrong("SAN rfc822Name is malformed");
        names.emails.push_back(name->content);
        break;
      case DerContext(2):
        if (!IsIa5(name->content)) return Wrong("SAN dNSName is malformed");
        names.dns.push_back(name->content);
        break;
      case DerContext(6): {
        if (!IsIa5(name->content)) return Wrong("SAN uniformResourceIdentifier is malformed");
        Result<GoUrl> url = GoUrl::Parse(name->content);
        if (!url) {
          return Wrong(fmt::format("cannot parse URI {}: {}", GoQuote(name->content),
                                   url.error().message()));
        }
        if (!url->host.empty() && !DomainNameValid(url->host, false)) {
          return Wrong(fmt::format("cannot parse URI {}: invalid domain", GoQuote(name->content)));
        }
        names.uris.push_back(name->content);
        break;
      }
      case DerContext(7):
        if (name->content.size() != 4 && name->content.size() != 16) {
          return Wrong(fmt::format("cannot parse IP address of length {}", name->content.size()));
        }
        names.ips.push_back(name->content);
        break;
      default: break;
    }
  }
  return names;
}

bool ValidMask(std::string_view mask) {
  bool seen_zero = false;
  for (char c : mask) {
    for (int bit = 7; bit >= 0; --bit) {
      bool one = (static_cast<uint8_t>(c) >> bit & 1) != 0;
      if (one && seen_zero) return false;
      seen_zero = seen_zero || !one;
    }
  }
  return true;
}

Result<> ParseConstraintList(DerReader subtrees, X509Constraints& out, bool& unhandled) {
  while (!subtrees.empty()) {
    std::optional<DerReader> tree = subtrees.Enter(kDerSequence);
    std::optional<DerElement> base = tree ? tree->ReadAny() : std::nullopt;
    if (!base) return Wrong("invalid NameConstraints extension");
    std::string_view value = base->content;
    constexpr std::string_view kNotIa5 = "invalid constraint value: x509: invalid IA5String";
    switch (base->tag) {
      case DerContext(2):
        if (!IsIa5(value)) return Wrong(std::string(kNotIa5));
        if (!DomainNameValid(value, true)) {
          return Wrong("failed to parse dnsName constraint " + GoQuote(value));
        }
        out.dns.push_back(value);
        break;
      case DerContext(7): {
        if (value.size() != 8 && value.size() != 32) {
          return Wrong(fmt::format("IP constraint contained value of length {}", value.size()));
        }
        size_t half = value.size() / 2;
        if (!ValidMask(value.substr(half))) {
          return Wrong("IP constraint contained invalid mask " + HexEncode(value.substr(half)));
        }
        out.ips.push_back({value.substr(0, half), value.substr(half)});
        break;
      }
      case DerContext(1): {
        if (!IsIa5(value)) return Wrong(std::string(kNotIa5));
        size_t at = value.rfind('@');
        bool mailbox = at != std::string_view::npos && at > 0 && at + 1 < value.size();
        if (at == std::string_view::npos ? !DomainNameValid(value, true) : !mailbox) {
          return Wrong("failed to parse rfc822Name constraint " + GoQuote(value));
        }
        out.emails.push_back(value);
        break;
      }
      case DerContext(6):
        if (!IsIa5(value)) return Wrong(std::string(kNotIa5));
        if (!DomainNameValid(value, true)) {
          return Wrong("failed to parse URI constraint " + GoQuote(value));
        }
        out.uris.push_back(value);
        break;
      default: unhandled = true;
    }
  }
  return Ok{};
}

Result<> ParseConstraints(const X509Extension& extension, X509Certificate& out, bool& unhandled) {
  DerReader outer(extension.value);
  std::optional<DerReader> sequence = outer.Enter(kDerSequence);
  if (!sequence || !outer.empty()) return Wrong("invalid NameConstraints extension");
  std::optional<DerReader> permitted = sequence->Enter(DerContext(0, true));
  std::optional<DerReader> excluded = sequence->Enter(DerContext(1, true));
  if (!sequence->empty()) return Wrong("invalid NameConstraints extension");
  bool none = (!permitted || permitted->empty()) && (!excluded || excluded->empty());
  if (none) return Wrong("empty name constraints extension");
  if (permitted) {
    if (Result<> r = ParseConstraintList(*permitted, out.permitted, unhandled); !r) return r;
  }
  if (excluded) {
    if (Result<> r = ParseConstraintList(*excluded, out.excluded, unhandled); !r) return r;
  }
  out.constraints_critical = extension.critical;
  return Ok{};
}

Result<> ParseCrlPoints(std::string_view der, X509Certificate& out) {
  DerReader outer(der);
  std::optional<DerReader> points = outer.Enter(kDerSequence);
  if (!points) return Wrong("invalid CRL distribution points");
  while (!points->empty()) {
    std::optional<DerReader> point = points->Enter(kDerSequence);
    if (!point) return Wrong("invalid CRL distribution point");
    if (!point->NextIs(DerContext(0, true))) continue;
    std::optional<DerReader> name = point->Enter(DerContext(0, true));
    std::optional<DerReader> full = name ? name->Enter(DerContext(0, true)) : std::nullopt;
    if (!full) return Wrong("invalid CRL distribution point");
    while (full->NextIs(DerContext(6))) {
      std::optional<std::string_view> uri = full->Read(DerContext(6));
      if (!uri) return Wrong("invalid CRL distribution point");
      out.crl_points.push_back(*uri);
    }
  }
  return Ok{};
}

Result<> ParseInformationAccess(const X509Extension& extension, X509Certificate& out) {
  if (extension.critical) return Wrong("authority info access incorrectly marked critical");
  DerReader outer(extension.value);
  std::optional<DerReader> entries = outer.Enter(kDerSequence);
  if (!entries) return Wrong("invalid authority info access");
  while (!entries->empty()) {
    std::optional<DerReader> entry = entries->Enter(kDerSequence);
    std::optional<ObjectId> method = entry ? entry->ReadObjectId() : std::nullopt;
    if (!method) return Wrong("invalid authority info access");
    if (!entry->NextIs(DerContext(6))) continue;
    std::optional<std::string_view> uri = entry->Read(DerContext(6));
    if (!uri) return Wrong("invalid authority info access");
    if (Is(*method, {1, 3, 6, 1, 5, 5, 7, 48, 1})) out.ocsp_servers.push_back(*uri);
    if (Is(*method, {1, 3, 6, 1, 5, 5, 7, 48, 2})) out.issuing_urls.push_back(*uri);
  }
  return Ok{};
}

Result<> ParseUsages(std::string_view der, X509Certificate& out) {
  static const std::vector<ObjectId> kUsages = {
      {2, 5, 29, 37, 0},
      {1, 3, 6, 1, 5, 5, 7, 3, 1},
      {1, 3, 6, 1, 5, 5, 7, 3, 2},
      {1, 3, 6, 1, 5, 5, 7, 3, 3},
      {1, 3, 6, 1, 5, 5, 7, 3, 4},
      {1, 3, 6, 1, 5, 5, 7, 3, 5},
      {1, 3, 6, 1, 5, 5, 7, 3, 6},
      {1, 3, 6, 1, 5, 5, 7, 3, 7},
      {1, 3, 6, 1, 5, 5, 7, 3, 8},
      {1, 3, 6, 1, 5, 5, 7, 3, 9},
      {1, 3, 6, 1, 4, 1, 311, 10, 3, 3},
      {2, 16, 840, 1, 113730, 4, 1},
      {1, 3, 6, 1, 4, 1, 311, 2, 1, 22},
      {1, 3, 6, 1, 4, 1, 311, 61, 1, 1},
  };
  DerReader outer(der);
  std::optional<DerReader> ids = outer.Enter(kDerSequence);
  if (!ids) return Wrong("invalid extended key usages");
  while (!ids->empty()) {
    std::optional<ObjectId> id = ids->ReadObjectId();
    if (!id) return Wrong("invalid extended key usages");
    auto known = std::find(kUsages.begin(), kUsages.end(), *id);
    if (known != kUsages.end()) {
      out.usages.push_back(static_cast<int>(known - kUsages.begin()));
    } else {
      out.unknown_usages.push_back(*std::move(id));
    }
  }
  return Ok{};
}

Result<> ParsePolicies(std::string_view der, X509Certificate& out) {
  DerReader outer(der);
  std::optional<DerReader> policies = outer.Enter(kDerSequence);
  Error invalid = Wrong("invalid certificate policies");
  if (!policies) return invalid;
  out.policies.emplace();
  while (!policies->empty()) {
    std::optional<DerReader> policy = policies->Enter(kDerSequence);
    std::optional<std::string_view> id = policy ? policy->Read(kDerObjectId) : std::nullopt;
    if (!id || id->empty() || (static_cast<uint8_t>(id->back()) & 0x80) != 0 ||
        std::find(out.policies->begin(), out.policies->end(), *id) != out.policies->end()) {
      return invalid;
    }
    out.policies->push_back(*id);
  }
  return Ok{};
}

Result<> ParsePolicyMappings(std::string_view der, X509Certificate& out) {
  DerReader outer(der);
  std::optional<DerReader> mappings = outer.Enter(kDerSequence);
  Error invalid = Wrong("invalid policy mappings extension");
  if (!mappings) return invalid;
  while (!mappings->empty()) {
    std::optional<DerReader> pair = mappings->Enter(kDerSequence);
    std::optional<std::string_view> issuer = pair ? pair->Read(kDerObjectId) : std::nullopt;
    std::optional<std::string_view> subject = issuer ? pair->Read(kDerObjectId) : std::nullopt;
    if (!subject) return invalid;
    out.policy_mappings.push_back({*issuer, *subject});
  }
  return Ok{};
}

Result<> ParsePolicyConstraints(std::string_view der, X509Certificate& out) {
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(kDerSequence);
  Error invalid = Wrong("invalid policy constraints extension");
  if (!sequence) return invalid;
  if (sequence->NextIs(DerContext(0))) {
    out.explicit_policy = sequence->ReadSmallInteger(DerContext(0));
    if (!out.explicit_policy) return invalid;
  }
  if (sequence->NextIs(DerContext(1))) {
    out.inhibit_mapping = sequence->ReadSmallInteger(DerContext(1));
    if (!out.inhibit_mapping) return invalid;
  }
  return Ok{};
}

Result<> ParseBasicConstraints(std::string_view der, X509Certificate& out) {
  DerReader outer(der);
  std::optional<DerReader> sequence = outer.Enter(kDerSequence);
  Error invalid = Wrong("invalid basic constraints");
  if (!sequence) return invalid;
  if (sequence->NextIs(crypto::kDerBoolean)) {
    std::optional<bool> ca = sequence->ReadBoolean();
    if (!ca) return invalid;
    out.is_ca = *ca;
  }
  out.max_path_length = -1;
  if (sequence->NextIs(kDerInteger)) {
    std::optional<int64_t> length = sequence->ReadSmallInteger();
    if (!length || *length < 0) return invalid;
    out.max_path_length = *length;
  }
  out.basic_constraints = true;
  return Ok{};
}

// `unhandled`: nothing was made of it.
Result<> ProcessExtension(const X509Extension& extension, X509Certificate& out, bool& unhandled) {
  const ObjectId& id = extension.id;
  if (Is(id, {1, 3, 6, 1, 5, 5, 7, 1, 1})) return ParseInformationAccess(extension, out);
  if (id.size() != 4 || id[0] != 2 || id[1] != 5 || id[2] != 29) {
    unhandled = true;
    return Ok{};
  }
  DerReader reader(extension.value);
  switch (id[3]) {
    case 14: {
      if (extension.critical) return Wrong("subject key identifier incorrectly marked critical");
      out.subject_key_id = reader.Read(kDerOctetString);
      if (!out.subject_key_id) return Wrong("invalid subject key identifier");
      return Ok{};
    }
    case 15: {
      std::optional<DerReader::Bits> bits = reader.ReadBits();
      if (!bits) return Wrong("invalid key usage");
      for (size_t i = 0; i < 9; ++i) {
        if (bits->At(i)) out.key_usage |= 1 << i;
      }
      return Ok{};
    }
    case 17:
      out.names = BW_TRY(ParseAltNames(extension.value));
      unhandled = out.names.dns.empty() && out.names.emails.empty() && out.names.ips.empty() &&
                  out.names.uris.empty();
      return Ok{};
    case 19: return ParseBasicConstraints(extension.value, out);
    case 30: return ParseConstraints(extension, out, unhandled);
    case 31: return ParseCrlPoints(extension.value, out);
    case 32: return ParsePolicies(extension.value, out);
    case 33: return ParsePolicyMappings(extension.value, out);
    case 35: {
      if (extension.critical) return Wrong("authority key identifier incorrectly marked critical");
      std::optional<DerReader> sequence = reader.Enter(kDerSequence);
      if (!sequence) return Wrong("invalid authority key identifier");
      if (sequence->NextIs(DerContext(0))) {
        out.authority_key_id = sequence->Read(DerContext(0));
        if (!out.authority_key_id) return Wrong("invalid authority key identifier");
      }
      return Ok{};
    }
    case 36: return ParsePolicyConstraints(extension.value, out);
    case 37: return ParseUsages(extension.value, out);
    case 54:
      out.inhibit_any_policy = reader.ReadSmallInteger();
      if (!out.inhibit_any_policy) return Wrong("invalid inhibit any policy extension");
      return Ok{};
    default: unhandled = true; return Ok{};
  }
}

Result<X509Extension> ParseExtension(DerReader reader) {
  X509Extension extension;
  std::optional<ObjectId> id = reader.ReadObjectId();
  if (!id) return Wrong("malformed extension OID field");
  extension.id = *std::move(id);
  if (reader.NextIs(crypto::kDerBoolean)) {
    std::optional<bool> critical = reader.ReadBoolean();
    if (!critical) return Wrong("malformed extension critical field");
    extension.critical = *critical;
  }
  std::optional<std::string_view> value = reader.Read(kDerOctetString);
  if (!value) return Wrong("malformed extension value field");
  extension.value = *value;
  return extension;
}

struct PublicKeyInfo {
  X509KeyAlgorithm algorithm;
  Value key;
};

Result<PublicKeyInfo> ParseSpki(std::string_view der, Arena& arena) {
  DerReader outer(der);
  std::optional<DerReader> spki = outer.Enter(kDerSequence);
  if (!spki) return Wrong("malformed spki");
  std::optional<DerReader> algorithm_part = spki->Enter(kDerSequence);
  if (!algorithm_part) return Wrong("malformed public key algorithm identifier");
  AlgorithmId algorithm = BW_TRY(ParseAlgorithm(*algorithm_part));
  std::optional<DerReader::Bits> bits = spki->ReadBits();
  if (!bits) return Wrong("malformed subjectPublicKey");
  PublicKeyInfo out{KeyAlgorithm(algorithm.id), {}};
  out.key = BW_TRY(ParsePublicKey(out.algorithm, algorithm, bits->bytes, arena));
  return out;
}

Result<X509Certificate> ParseCertificate(std::string_view der, Arena& arena) {
  X509Certificate out;
  DerReader reader(der);
  std::optional<DerElement> outer = reader.ReadElement(kDerSequence);
  if (!outer) return Wrong("malformed certificate");
  out.raw = outer->whole;
  DerReader input(outer->content);
  std::optional<DerElement> tbs_element = input.ReadElement(kDerSequence);
  if (!tbs_element) return Wrong("malformed tbs certificate");
  out.raw_tbs = tbs_element->whole;
  DerReader tbs(tbs_element->content);

  if (tbs.NextIs(DerContext(0, true))) {
    std::optional<DerReader> version = tbs.Enter(DerContext(0, true));
    std::optional<int64_t> number = version ? version->ReadSmallInteger() : std::nullopt;
    if (!number || *number < 0) return Wrong("malformed version");
    out.version = *number;
  }
  if (out.version > 2) return Wrong("invalid version");
  ++out.version;

  std::optional<std::string_view> serial = tbs.ReadInteger();
  if (!serial || serial->size() > kMaxNumberBytes) return Wrong("malformed serial number");
  if ((static_cast<uint8_t>((*serial)[0]) & 0x80) != 0) return Wrong("negative serial number");
  out.serial = *serial;

  std::optional<std::string_view> inner = tbs.Read(kDerSequence);
  if (!inner) return Wrong("malformed signature algorithm identifier");
  std::optional<std::string_view> repeated = input.Read(kDerSequence);
  if (!repeated) return Wrong("malformed algorithm identifier");
  if (*inner != *repeated) {
    return Wrong("inner and outer signature algorithm identifiers don't match");
  }
  out.signature_algorithm = SignatureAlgorithm(BW_TRY(ParseAlgorithm(DerReader(*inner))));

  std::optional<DerElement> issuer = tbs.ReadElement(kDerSequence);
  if (!issuer) return Wrong("malformed issuer");
  out.raw_issuer = issuer->whole;
  out.issuer = BW_TRY(ParseName(issuer->whole, arena));

  std::optional<DerReader> validity = tbs.Enter(kDerSequence);
  if (!validity) return Wrong("malformed validity");
  out.not_before = BW_TRY(ParseTime(*validity));
  out.not_after = BW_TRY(ParseTime(*validity));

  std::optional<DerElement> subject = tbs.ReadElement(kDerSequence);
  if (!subject) return Wrong("malformed issuer");
  out.raw_subject = subject->whole;
  out.subject = BW_TRY(ParseName(subject->whole, arena));

  std::optional<DerElement> spki = tbs.ReadElement(kDerSequence);
  if (!spki) return Wrong("malformed spki");
  out.raw_spki = spki->whole;
  PublicKeyInfo key = BW_TRY(ParseSpki(spki->whole, arena));
  out.key_algorithm = key.algorithm;
  out.public_key = key.key;

  if (out.version > 1) {
    for (uint8_t id : {1, 2}) {
      if (tbs.NextIs(DerContext(id)) && !tbs.Read(DerContext(id))) {
        return Wrong(id == 1 ? "malformed issuerUniqueID" : "malformed subjectUniqueID");
      }
    }
  }
  if (out.version == 3 && tbs.NextIs(DerContext(3, true))) {
    std::optional<DerReader> wrapped = tbs.Enter(DerContext(3, true));
    std::optional<DerReader> list = wrapped ? wrapped->Enter(kDerSequence) : std::nullopt;
    if (!list) return Wrong("malformed extensions");
    while (!list->empty()) {
      std::optional<DerReader> part = list->Enter(kDerSequence);
      if (!part) return Wrong("malformed extension");
      X509Extension extension = BW_TRY(ParseExtension(*part));
      for (const X509Extension& seen : out.extensions) {
        if (seen.id == extension.id) {
          return Wrong("certificate contains duplicate extension with OID " +
                       GoQuote(OidText(extension.id)));
        }
      }
      out.extensions.push_back(std::move(extension));
      if (out.extensions.size() > 1000) return Wrong("malformed extensions");
    }
    for (const X509Extension& extension : out.extensions) {
      bool unhandled = false;
      if (Result<> r = ProcessExtension(extension, out, unhandled); !r) {
        return std::move(r).error();
      }
      if (unhandled && extension.critical) out.unhandled_critical.push_back(extension.id);
    }
  }
  std::optional<DerReader::Bits> signature = input.ReadBits();
  if (!signature) return Wrong("malformed signature");
  out.signature = signature->bytes;
  return out;
}

// --- As values -----------------------------------------------------------------------------------

class Shape {
 public:
  explicit Shape(Arena& arena) : arena_(arena), map_(arena) {}
  void Add(std::string_view key, Value value) { map_.Add(key, value); }
  void Add(std::string_view key, bool value) { map_.Add(key, Value::Bool(value)); }
  void Number(std::string_view key, int64_t value) { map_.Add(key, Value::Int(value)); }
  void Bytes(std::string_view key, std::string_view bytes) {
    map_.Add(key, BytesValue(bytes, arena_));
  }
  // null where there are none
  template <typename T, typename F>
  void List(std::string_view key, const std::vector<T>& items, F make) {
    map_.Add(key, items.empty() ? Value::Null() : Items(items, make));
  }
  void Texts(std::string_view key, const std::vector<std::string_view>& items) {
    List(key, items,
         [&](std::string_view text) { return Value::String(arena_, ToValidUtf8(text)); });
  }
  template <typename T, typename F>
  Value Items(const std::vector<T>& items, F make) {
    std::vector<Value> values;
    values.reserve(items.size());
    for (const T& item : items) values.push_back(make(item));
    return Value::Array(arena_, values);
  }
  Value Finish() { return map_.Finish(); }

 private:
  Arena& arena_;
  MapBuilder map_;
};

Value IdValue(const ObjectId& id, Arena& arena) {
  Value* items = arena.Array<Value>(id.size());
  for (size_t i = 0; i < id.size(); ++i) items[i] = Value::Int(id[i]);
  return Value::Array(std::span<const Value>(items, id.size()));
}

Value IdTextValue(std::string_view der, Arena& arena) {
  std::optional<ObjectId> id = crypto::DecodeObjectId(der);
  return Value::String(arena, id ? OidText(*id) : std::string());
}

Value NameValue(const X509Name& name, Arena& arena) {
  struct Kind {
    uint32_t number;
    std::string_view key;
  };
  constexpr Kind kLists[] = {{6, "Country"},       {7, "Locality"},      {8, "Province"},
                             {9, "StreetAddress"}, {10, "Organization"}, {11, "OrganizationalUnit"},
                             {17, "PostalCode"}};
  Shape shape(arena);
  auto standard = [](const X509Name::Attribute& a, uint32_t number) {
    return a.type.size() == 4 && a.type[0] == 2 && a.type[1] == 5 && a.type[2] == 4 &&
           a.type[3] == number && a.value.IsString();
  };
  for (const Kind& kind : kLists) {
    std::vector<Value> values;
    for (const X509Name::Attribute& attribute : name.attributes) {
      if (standard(attribute, kind.number)) values.push_back(attribute.value);
    }
    shape.Add(kind.key, values.empty() ? Value::Null() : Value::Array(arena, values));
  }
  for (const Kind& kind : {Kind{3, "CommonName"}, Kind{5, "SerialNumber"}}) {
    Value last = Value::String("");
    for (const X509Name::Attribute& attribute : name.attributes) {
      if (standard(attribute, kind.number)) last = attribute.value;
    }
    shape.Add(kind.key, last);
  }
  shape.List("Names", name.attributes, [&](const X509Name::Attribute& attribute) {
    MapBuilder map(arena);
    map.Add("Type", IdValue(attribute.type, arena));
    map.Add("Value", attribute.value);
    return map.Finish();
  });
  shape.Add("ExtraNames", Value::Null());
  return shape.Finish();
}

Value ExtensionValue(const X509Extension& extension, Arena& arena) {
  MapBuilder map(arena);
  map.Add("Id", IdValue(extension.id, arena));
  map.Add("Critical", Value::Bool(extension.critical));
  map.Add("Value", BytesValue(extension.value, arena));
  return map.Finish();
}

std::string IpText(std::string_view bytes) {
  if (bytes.size() == 4) {
    return fmt::format("{}.{}.{}.{}", static_cast<uint8_t>(bytes[0]),
                       static_cast<uint8_t>(bytes[1]), static_cast<uint8_t>(bytes[2]),
                       static_cast<uint8_t>(bytes[3]));
  }
  // IPv4 within IPv6 is written as IPv4.
  if (bytes.substr(0, 12) == std::string_view("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)) {
    return IpText(bytes.substr(12));
  }
  std::array<uint32_t, 8> groups;
  for (size_t i = 0; i < 8; ++i) {
    groups[i] = static_cast<uint32_t>(static_cast<uint8_t>(bytes[2 * i]) << 8 |
                                      static_cast<uint8_t>(bytes[2 * i + 1]));
  }
  size_t best = 8;
  size_t best_length = 1;
  for (size_t i = 0; i < 8; ++i) {
    size_t length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > best_length) {
      best = i;
      best_length = length;
    }
  }
  std::string out;
  for (size_t i = 0; i < 8;) {
    if (i == best) {
      out += "::";
      i += best_length;
      continue;
    }
    if (!out.empty() && !out.ends_with(':')) out += ':';
    out += fmt::format("{:x}", groups[i++]);
  }
  return out;
}

Value UrlValue(std::string_view text, Arena& arena) {
  GoUrl url = GoUrl::Parse(text).value_or(GoUrl{});
  MapBuilder map(arena);
  auto add = [&](std::string_view key, const std::string& value) {
    map.Add(key, Value::String(arena, value));
  };
  add("Scheme", url.scheme);
  add("Opaque", url.opaque);
  map.Add("User", url.has_user ? Value::EmptyMap() : Value::Null());
  add("Host", url.host);
  add("Path", url.path);
  add("RawPath", url.raw_path);
  map.Add("OmitHost", Value::Bool(url.omit_host));
  map.Add("ForceQuery", Value::Bool(url.force_query));
  add("RawQuery", url.raw_query);
  add("Fragment", url.fragment);
  add("RawFragment", url.raw_fragment);
  return map.Finish();
}

void AddNames(Shape& shape, const X509Names& names, Arena& arena) {
  shape.Texts("DNSNames", names.dns);
  shape.Texts("EmailAddresses", names.emails);
  shape.List("IPAddresses", names.ips,
             [&](std::string_view ip) { return Value::String(arena, IpText(ip)); });
  shape.List("URIs", names.uris, [&](std::string_view uri) { return UrlValue(uri, arena); });
}

}  // namespace

Value BigEndianNumber(std::string_view bytes, Arena& arena) {
  BigInt number;
  const auto* octets = reinterpret_cast<const uint8_t*>(bytes.data());
  boost::multiprecision::import_bits(number, octets, octets + bytes.size(), 8);
  return BigIntValue(arena, number);
}

Result<std::vector<X509Certificate>> ParseX509Certificates(std::string_view der, Arena& arena) {
  std::string_view kept = arena.Copy(der);
  std::vector<X509Certificate> out;
  while (!kept.empty()) {
    out.push_back(BW_TRY(ParseCertificate(kept, arena)));
    kept.remove_prefix(out.back().raw.size());
    if (out.size() > kMaxCertificates) return Wrong("too many certificates");
  }
  return out;
}

Value X509CertificateValue(const X509Certificate& c, Arena& arena, bool uri_strings) {
  Shape shape(arena);
  shape.Bytes("Raw", c.raw);
  shape.Bytes("RawTBSCertificate", c.raw_tbs);
  shape.Bytes("RawSubjectPublicKeyInfo", c.raw_spki);
  shape.Bytes("RawSubject", c.raw_subject);
  shape.Bytes("RawIssuer", c.raw_issuer);
  shape.Bytes("Signature", c.signature);
  shape.Number("SignatureAlgorithm", c.signature_algorithm);
  shape.Number("PublicKeyAlgorithm", static_cast<int>(c.key_algorithm));
  shape.Add("PublicKey", c.public_key);
  shape.Number("Version", c.version);
  shape.Add("SerialNumber", BigEndianNumber(c.serial, arena));
  shape.Add("Issuer", NameValue(c.issuer, arena));
  shape.Add("Subject", NameValue(c.subject, arena));
  for (auto [key, at] : {std::pair{"NotBefore", c.not_before}, {"NotAfter", c.not_after}}) {
    shape.Add(key, Value::String(arena, GoFormatTime(at, 0, "UTC", kGoRfc3339Nano)));
  }
  shape.Number("KeyUsage", c.key_usage);
  shape.List("Extensions", c.extensions,
             [&](const X509Extension& e) { return ExtensionValue(e, arena); });
  shape.Add("ExtraExtensions", Value::Null());
  auto id_value = [&](const ObjectId& id) { return IdValue(id, arena); };
  shape.List("UnhandledCriticalExtensions", c.unhandled_critical, id_value);
  shape.List("ExtKeyUsage", c.usages, [](int usage) { return Value::Int(usage); });
  shape.List("UnknownExtKeyUsage", c.unknown_usages, id_value);
  shape.Add("BasicConstraintsValid", c.basic_constraints);
  shape.Add("IsCA", c.is_ca);
  shape.Number("MaxPathLen", c.max_path_length);
  shape.Add("MaxPathLenZero", c.basic_constraints && c.max_path_length == 0);
  for (auto [key, id] :
       {std::pair{"SubjectKeyId", c.subject_key_id}, {"AuthorityKeyId", c.authority_key_id}}) {
    shape.Add(key, id ? BytesValue(*id, arena) : Value::Null());
  }
  shape.Texts("OCSPServer", c.ocsp_servers);
  shape.Texts("IssuingCertificateURL", c.issuing_urls);
  AddNames(shape, c.names, arena);
  shape.Add("PermittedDNSDomainsCritical", c.constraints_critical.value_or(false));
  auto net_value = [&](const IpNet& net) {
    MapBuilder map(arena);
    map.Add("IP", Value::String(arena, IpText(net.ip)));
    map.Add("Mask", BytesValue(net.mask, arena));
    return map.Finish();
  };
  shape.Texts("PermittedDNSDomains", c.permitted.dns);
  shape.Texts("ExcludedDNSDomains", c.excluded.dns);
  shape.List("PermittedIPRanges", c.permitted.ips, net_value);
  shape.List("ExcludedIPRanges", c.excluded.ips, net_value);
  shape.Texts("PermittedEmailAddresses", c.permitted.emails);
  shape.Texts("ExcludedEmailAddresses", c.excluded.emails);
  shape.Texts("PermittedURIDomains", c.permitted.uris);
  shape.Texts("ExcludedURIDomains", c.excluded.uris);
  shape.Texts("CRLDistributionPoints", c.crl_points);
  if (c.policies) {
    std::vector<ObjectId> ids;
    for (std::string_view der : *c.policies) {
      if (std::optional<ObjectId> id = crypto::DecodeObjectId(der)) ids.push_back(*id);
    }
    shape.Add("PolicyIdentifiers", shape.Items(ids, id_value));
    shape.List("Policies", *c.policies,
               [&](std::string_view der) { return IdTextValue(der, arena); });
  } else {
    shape.Add("PolicyIdentifiers", Value::Null());
    shape.Add("Policies", Value::Null());
  }
  shape.Number("InhibitAnyPolicy", c.inhibit_any_policy.value_or(0));
  shape.Add("InhibitAnyPolicyZero", c.inhibit_any_policy == 0);
  shape.Number("InhibitPolicyMapping", c.inhibit_mapping.value_or(0));
  shape.Add("InhibitPolicyMappingZero", c.inhibit_mapping == 0);
  shape.Number("RequireExplicitPolicy", c.explicit_policy.value_or(0));
  shape.Add("RequireExplicitPolicyZero", c.explicit_policy == 0);
  shape.List("PolicyMappings", c.policy_mappings, [&](const X509Certificate::PolicyMapping& m) {
    MapBuilder map(arena);
    map.Add("IssuerDomainPolicy", IdTextValue(m.issuer, arena));
    map.Add("SubjectDomainPolicy", IdTextValue(m.subject, arena));
    return map.Finish();
  });
  if (uri_strings) {
    shape.List("URIStrings", c.names.uris, [&](std::string_view uri) {
      return Value::String(arena, GoUrl::Parse(uri).value_or(GoUrl{}).ToString());
    });
  }
  return shape.Finish();
}

// --- Requests ------------------------------------------------------------------------------------

namespace {

Error Asn1Syntax(std::string_view what) {
  return Error(Code::kInvalid, "asn1: syntax error: " + std::string(what));
}

// What Go makes of a value whose type is not known beforehand; null for what it leaves alone.
Value AnyAsn1(const DerElement& element, Arena& arena) {
  std::string_view content = element.content;
  switch (element.tag) {
    case crypto::kDerBoolean: return Value::Bool(!content.empty() && content[0] != 0);
    case kDerInteger: {
      std::optional<int64_t> number = DerReader(element.whole).ReadSmallInteger();
      return number ? Value::Int(*number) : Value::Null();
    }
    case crypto::kDerBitString: {
      std::optional<DerReader::Bits> bits = DerReader(element.whole).ReadBits();
      if (!bits) return Value::Null();
      MapBuilder map(arena);
      map.Add("Bytes", BytesValue(bits->bytes, arena));
      map.Add("BitLength", Value::Int(static_cast<int64_t>(bits->bytes.size()) * 8 - bits->unused));
      return map.Finish();
    }
    case kDerOctetString: return BytesValue(content, arena);
    case kDerObjectId: {
      std::optional<ObjectId> id = crypto::DecodeObjectId(content);
      return id ? IdValue(*id, arena) : Value::Null();
    }
    case kUtcTime:
    case kGeneralizedTime: {
      DerReader reader(element.whole);
      Result<Timestamp> at = ParseTime(reader);
      if (!at) return Value::Null();
      return Value::String(arena, GoFormatTime(*at, 0, "UTC", kGoRfc3339Nano));
    }
    default: {
      Result<std::string> text = Asn1String(element.tag, content);
      return text ? Value::String(arena, *text) : Value::Null();
    }
  }
}

// One attribute as {"Type": …, "Value": [[{"Type": …, "Value": …}]]}; nothing if it has another
// form.
std::optional<Value> AttributeValue(std::string_view der, Arena& arena) {
  DerReader outer(der);
  std::optional<DerReader> attribute = outer.Enter(kDerSequence);
  std::optional<ObjectId> type = attribute ? attribute->ReadObjectId() : std::nullopt;
  std::optional<DerReader> set = type ? attribute->Enter(kDerSet) : std::nullopt;
  if (!set) return std::nullopt;
  std::vector<Value> values;
  while (!set->empty()) {
    std::optional<DerReader> list = set->Enter(kDerSequence);
    if (!list) return std::nullopt;
    std::vector<Value> pairs;
    while (!list->empty()) {
      std::optional<DerReader> pair = list->Enter(kDerSequence);
      std::optional<ObjectId> id = pair ? pair->ReadObjectId() : std::nullopt;
      std::optional<DerElement> value = id ? pair->ReadAny() : std::nullopt;
      if (!value) return std::nullopt;
      MapBuilder map(arena);
      map.Add("Type", IdValue(*id, arena));
      map.Add("Value", AnyAsn1(*value, arena));
      pairs.push_back(map.Finish());
    }
    values.push_back(Value::Array(arena, pairs));
  }
  MapBuilder map(arena);
  map.Add("Type", IdValue(*type, arena));
  map.Add("Value", Value::Array(arena, values));
  return map.Finish();
}

// The extensions that an attribute asks for.
Result<> ReadRequestedExtensions(std::string_view der, std::vector<X509Extension>& out) {
  DerReader outer(der);
  std::optional<DerReader> attribute = outer.Enter(kDerSequence);
  std::optional<ObjectId> type = attribute ? attribute->ReadObjectId() : std::nullopt;
  std::optional<DerReader> set = type ? attribute->Enter(kDerSet) : std::nullopt;
  if (!set || set->empty() || !Is(*type, {1, 2, 840, 113549, 1, 9, 14})) return Ok{};
  std::optional<DerReader> list = set->Enter(kDerSequence);
  if (!list) return Asn1Syntax("sequence truncated");
  while (!list->empty()) {
    std::optional<DerReader> part = list->Enter(kDerSequence);
    if (!part) return Asn1Syntax("sequence truncated");
    X509Extension extension = BW_TRY(ParseExtension(*part));
    for (const X509Extension& seen : out) {
      if (seen.id == extension.id) {
        return Wrong("certificate request contains duplicate requested extensions");
      }
    }
    if (out.size() > 1000) return Asn1Syntax("too many extensions");
    out.push_back(std::move(extension));
  }
  return Ok{};
}

}  // namespace

Result<Value> ParseX509Request(std::string_view text, Arena& arena) {
  std::string_view der = arena.Copy(text);
  DerReader reader(der);
  if (der.empty()) return Asn1Syntax("sequence truncated");
  if (!reader.NextIs(kDerSequence)) {
    auto tag = static_cast<uint8_t>(der[0]);
    return Error(Code::kInvalid,
                 fmt::format("asn1: structure error: tags don't match (16 vs {{class:{} tag:{} "
                             "length:{} isCompound:{}}}) {{optional:false explicit:false "
                             "application:false private:false defaultValue:<nil> tag:<nil> "
                             "stringType:0 timeType:0 set:false omitEmpty:false}} "
                             "certificateRequest @2",
                             tag >> 6, tag & 0x1f,
                             der.size() > 1 ? static_cast<uint8_t>(der[1]) : 0, (tag & 0x20) != 0));
  }
  std::optional<DerElement> outer = reader.ReadElement(kDerSequence);
  if (!outer) return Asn1Syntax("data truncated");
  if (!reader.empty()) return Asn1Syntax("trailing data");
  DerReader input(outer->content);
  std::optional<DerElement> tbs_element = input.ReadElement(kDerSequence);
  std::optional<DerReader> algorithm_part = tbs_element ? input.Enter(kDerSequence) : std::nullopt;
  std::optional<DerReader::Bits> signature = algorithm_part ? input.ReadBits() : std::nullopt;
  if (!signature) return Asn1Syntax("sequence truncated");
  DerReader tbs(tbs_element->content);
  std::optional<int64_t> version = tbs.ReadSmallInteger();
  std::optional<DerElement> subject = version ? tbs.ReadElement(kDerSequence) : std::nullopt;
  std::optional<DerElement> spki = subject ? tbs.ReadElement(kDerSequence) : std::nullopt;
  if (!spki) return Asn1Syntax("sequence truncated");
  std::optional<DerReader> attributes = tbs.Enter(DerContext(0, true));

  PublicKeyInfo key = BW_TRY(ParseSpki(spki->whole, arena));
  X509Name name = BW_TRY(ParseName(subject->whole, arena));
  std::vector<X509Extension> extensions;
  std::vector<Value> attribute_values;
  while (attributes && !attributes->empty()) {
    std::optional<DerElement> attribute = attributes->ReadAny();
    if (!attribute) return Asn1Syntax("data truncated");
    if (std::optional<Value> value = AttributeValue(attribute->whole, arena)) {
      attribute_values.push_back(*value);
    }
    if (Result<> r = ReadRequestedExtensions(attribute->whole, extensions); !r) {
      return std::move(r).error();
    }
  }
  X509Names names;
  for (const X509Extension& extension : extensions) {
    if (Is(extension.id, {2, 5, 29, 17})) names = BW_TRY(ParseAltNames(extension.value));
  }

  Shape shape(arena);
  shape.Bytes("Raw", outer->whole);
  shape.Bytes("RawTBSCertificateRequest", tbs_element->whole);
  shape.Bytes("RawSubjectPublicKeyInfo", spki->whole);
  shape.Bytes("RawSubject", subject->whole);
  shape.Number("Version", *version);
  shape.Bytes("Signature", signature->bytes);
  Result<AlgorithmId> algorithm = ParseAlgorithm(*algorithm_part);
  shape.Number("SignatureAlgorithm", algorithm ? SignatureAlgorithm(*algorithm) : 0);
  shape.Number("PublicKeyAlgorithm", static_cast<int>(key.algorithm));
  shape.Add("PublicKey", key.key);
  shape.Add("Subject", NameValue(name, arena));
  shape.Add("Attributes",
            attribute_values.empty() ? Value::Null() : Value::Array(arena, attribute_values));
  shape.List("Extensions", extensions,
             [&](const X509Extension& e) { return ExtensionValue(e, arena); });
  shape.Add("ExtraExtensions", Value::Null());
  AddNames(shape, names, arena);
  return shape.Finish();
}

}  // namespace bulwark::rego
