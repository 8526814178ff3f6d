// Chains of certificates, as Go's Certificate.Verify finds them (RFC 5280 section 6.1, without
// policies and revocation).

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "crypto/signature.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/x509.h"
#include "net/url_guard.h"

namespace bulwark::rego {

namespace {

constexpr int kMaxSignatureChecks = 100;
constexpr size_t kMaxNameChecks = 250'000;

bool SignedBy(const X509Certificate& child, const X509Certificate& parent) {
  if (parent.basic_constraints ? !parent.is_ca : parent.version == 3) return false;
  constexpr int kCertSign = 1 << 5;
  if (parent.key_usage != 0 && (parent.key_usage & kCertSign) == 0) return false;
  Result<crypto::AnyPublicKey> key = crypto::AnyPublicKey::FromDer(parent.raw_spki);
  if (!key) return false;
  using crypto::Hash;
  using crypto::RsaPadding;
  constexpr size_t kMinRsaBits = 1024;
  auto rsa = [&](RsaPadding padding, Hash hash) {
    return key->kind() == crypto::KeyKind::kRsa && key->bits() >= kMinRsaBits &&
           key->VerifyRsa(padding, hash, child.raw_tbs, child.signature);
  };
  auto ecdsa = [&](Hash hash) { return key->VerifyEcdsaDer(hash, child.raw_tbs, child.signature); };
  switch (child.signature_algorithm) {
    case 4: return rsa(RsaPadding::kPkcs1, Hash::kSha256);
    case 5: return rsa(RsaPadding::kPkcs1, Hash::kSha384);
    case 6: return rsa(RsaPadding::kPkcs1, Hash::kSha512);
    case 10: return ecdsa(Hash::kSha256);
    case 11: return ecdsa(Hash::kSha384);
    case 12: return ecdsa(Hash::kSha512);
    case 13: return rsa(RsaPadding::kPss, Hash::kSha256);
    case 14: return rsa(RsaPadding::kPss, Hash::kSha384);
    case 15: return rsa(RsaPadding::kPss, Hash::kSha512);
    case 16: return key->VerifyEd25519(child.raw_tbs, child.signature);
    default: return false;  // SHA-1 and MD5 among them
  }
}

// `depth` certificates stand between it and the leaf, the leaf not counted; -1 for the leaf itself.
bool IsValid(const X509Certificate& c, bool intermediate, int64_t depth, Timestamp now) {
  if (!c.unhandled_critical.empty()) return false;
  if (now < c.not_before || now > c.not_after) return false;
  if (intermediate && (!c.basic_constraints || !c.is_ca)) return false;
  return !(c.basic_constraints && c.max_path_length >= 0 && depth > c.max_path_length);
}

bool Same(const X509Certificate& a, const X509Certificate& b) {
  auto alt_names = [](const X509Certificate& c) -> std::optional<std::string_view> {
    for (const X509Extension& e : c.extensions) {
      if (e.id == ObjectId{2, 5, 29, 17}) return e.value;
    }
    return std::nullopt;
  };
  return a.raw_subject == b.raw_subject && a.raw_spki == b.raw_spki && alt_names(a) == alt_names(b);
}

// --- Host names ----------------------------------------------------------------------------------

bool ValidHostName(std::string_view host, bool pattern) {
  if (!pattern && host.ends_with('.')) host.remove_suffix(1);
  if (host.empty()) return false;
  std::vector<std::string_view> parts = Split(host, '.');
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) return false;
    if (pattern && i == 0 && parts[i] == "*") continue;
    for (size_t j = 0; j < parts[i].size(); ++j) {
      char c = parts[i][j];
      if (IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_' || (c == '-' && j != 0)) continue;
      return false;
    }
  }
  return true;
}

bool HostMatches(const X509Certificate& leaf, std::string_view host) {
  std::string_view address = host;
  if (host.size() >= 3 && host.front() == '[' && host.back() == ']') {
    address = host.substr(1, host.size() - 2);
  }
  if (std::optional<net::IpAddress> ip = net::IpAddress::Parse(address)) {
    for (std::string_view bytes : leaf.names.ips) {
      net::IpAddress other;
      other.v6 = bytes.size() == 16;
      std::copy(bytes.begin(), bytes.end(), other.bytes.begin());
      if (other.Unmapped() == ip->Unmapped()) return true;
    }
    return false;
  }
  std::string wanted = AsciiLower(host);
  bool valid = ValidHostName(wanted, false);
  for (std::string_view name : leaf.names.dns) {
    std::string pattern = AsciiLower(name);
    if (!valid || !ValidHostName(pattern, true)) {
      if (pattern == wanted) return true;
      continue;
    }
    std::string_view left = wanted;
    if (left.ends_with('.')) left.remove_suffix(1);
    std::vector<std::string_view> a = Split(std::string_view(pattern), '.');
    std::vector<std::string_view> b = Split(left, '.');
    if (a.size() != b.size()) continue;
    bool matches = true;
    for (size_t i = 0; i < a.size(); ++i) {
      matches = matches && ((i == 0 && a[i] == "*") || a[i] == b[i]);
    }
    if (matches) return true;
  }
  return false;
}

// --- What a chain is for -------------------------------------------------------------------------

bool FitsUsages(std::span<const X509Certificate> certificates, std::span<const size_t> chain,
                std::vector<int> usages) {
  if (usages.empty()) usages.push_back(1);
  if (std::find(usages.begin(), usages.end(), 0) != usages.end()) return true;
  for (size_t i = chain.size(); i-- > 0;) {
    const X509Certificate& c = certificates[chain[i]];
    if (c.usages.empty() && c.unknown_usages.empty()) continue;
    if (std::find(c.usages.begin(), c.usages.end(), 0) != c.usages.end()) continue;
    std::erase_if(usages, [&](int usage) {
      return std::find(c.usages.begin(), c.usages.end(), usage) == c.usages.end();
    });
    if (usages.empty()) return false;
  }
  return true;
}

// "example.com" or ".example.com" (for a name below it only, in e-mail and URI constraints).
bool DomainWithin(std::string_view domain, std::string_view constraint) {
  if (constraint.empty()) return true;
  bool below = constraint.starts_with('.');
  if (below) constraint.remove_prefix(1);
  std::string name = AsciiLower(domain);
  std::string within = AsciiLower(constraint);
  if (name == within) return !below;
  return name.ends_with("." + within);
}

bool AddressWithin(std::string_view ip, const IpNet& net) {
  if (ip.size() != net.ip.size()) return false;
  for (size_t i = 0; i < ip.size(); ++i) {
    if ((static_cast<uint8_t>(ip[i]) ^ static_cast<uint8_t>(net.ip[i])) &
        static_cast<uint8_t>(net.mask[i])) {
      return false;
    }
  }
  return true;
}

class NameChecker {
 public:
  bool Allows(const X509Certificate& ca, const X509Names& names) {
    auto dns = [](std::string_view name, std::string_view constraint) {
      return DomainWithin(name, constraint);
    };
    auto email = [](std::string_view mailbox, std::string_view constraint) {
      size_t at = mailbox.rfind('@');
      if (at == std::string_view::npos) return false;
      if (size_t exact = constraint.rfind('@'); exact != std::string_view::npos) {
        return mailbox.substr(0, at) == constraint.substr(0, exact) &&
               EqualsIgnoringCase(mailbox.substr(at + 1), constraint.substr(exact + 1));
      }
      return DomainWithin(mailbox.substr(at + 1), constraint);
    };
    auto uri = [](std::string_view text, std::string_view constraint) {
      Result<GoUrl> url = GoUrl::Parse(text);
      return url && !url->host.empty() && DomainWithin(url->HostName(), constraint);
    };
    return List(names.dns, ca.permitted.dns, ca.excluded.dns, dns) &&
           List(names.emails, ca.permitted.emails, ca.excluded.emails, email) &&
           List(names.ips, ca.permitted.ips, ca.excluded.ips, AddressWithin) &&
           List(names.uris, ca.permitted.uris, ca.excluded.uris, uri);
  }

 private:
  template <typename C, typename F>
  bool List(const std::vector<std::string_view>& names, const std::vector<C>& permitted,
            const std::vector<C>& excluded, F matches) {
    for (std::string_view name : names) {
      checks_ += permitted.size() + excluded.size();
      if (checks_ > kMaxNameChecks) return false;
      auto is = [&](const C& constraint) { return matches(name, constraint); };
      if (std::any_of(excluded.begin(), excluded.end(), is)) return false;
      if (!permitted.empty() && std::none_of(permitted.begin(), permitted.end(), is)) return false;
    }
    return true;
  }
  size_t checks_ = 0;
};

bool FitsConstraints(std::span<const X509Certificate> certificates, std::span<const size_t> chain) {
  NameChecker checker;
  for (size_t i = 1; i < chain.size(); ++i) {
    const X509Certificate& ca = certificates[chain[i]];
    if (!ca.constraints_critical) continue;
    for (size_t j = 0; j < i; ++j) {
      if (!checker.Allows(ca, certificates[chain[j]].names)) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::vector<size_t>> VerifyX509Chain(std::span<const X509Certificate> certificates,
                                                   const X509VerifyOptions& options) {
  size_t leaf = certificates.size() - 1;
  constexpr size_t kRoot = 0;
  const X509Certificate& leaf_certificate = certificates[leaf];
  if (!IsValid(leaf_certificate, false, -1, options.at)) return std::nullopt;
  if (!options.dns_name.empty() && !HostMatches(leaf_certificate, options.dns_name)) {
    return std::nullopt;
  }
  auto good = [&](const std::vector<size_t>& chain) {
    return FitsUsages(certificates, chain, options.usages) && FitsConstraints(certificates, chain);
  };
  if (leaf_certificate.raw == certificates[kRoot].raw) {
    std::vector<size_t> alone = {leaf};
    return good(alone) ? std::optional(alone) : std::nullopt;
  }
  // Depth first, the root before the intermediates, those that the key identifier names before the
  // others.
  int checks = 0;
  std::optional<std::vector<size_t>> found;
  std::vector<size_t> chain = {leaf};
  std::function<void()> extend = [&] {
    const X509Certificate& child = certificates[chain.back()];
    auto rank = [&](size_t i) {
      const auto& id = certificates[i].subject_key_id;
      if (id && child.authority_key_id) return *id == *child.authority_key_id ? 0 : 2;
      return !id && !child.authority_key_id ? 0 : 1;
    };
    std::vector<size_t> parents;
    for (size_t i = 1; i < leaf; ++i) parents.push_back(i);
    std::stable_sort(parents.begin(), parents.end(),
                     [&](size_t a, size_t b) { return rank(a) < rank(b); });
    parents.insert(parents.begin(), kRoot);
    for (size_t i : parents) {
      const X509Certificate& parent = certificates[i];
      if (parent.raw_subject != child.raw_issuer) continue;
      if (found || ++checks > kMaxSignatureChecks) return;
      auto same = [&](size_t seen) { return Same(certificates[seen], parent); };
      if (parent.key_algorithm == X509KeyAlgorithm::kUnknown ||
          std::any_of(chain.begin(), chain.end(), same)) {
        continue;
      }
      auto depth = static_cast<int64_t>(chain.size()) - 1;
      if (!SignedBy(child, parent) || !IsValid(parent, i != kRoot, depth, options.at)) continue;
      chain.push_back(i);
      if (i == kRoot) {
        if (good(chain)) found = chain;
      } else {
        extend();
      }
      chain.pop_back();
    }
  };
  extend();
  return found;
}

}  // namespace bulwark::rego
