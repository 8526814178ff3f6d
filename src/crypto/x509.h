#pragma once

// X.509 certificates and requests (RFC 5280, PKCS#10 RFC 2986): read, made, verified.
//
//   PrivateKey ca_key = PrivateKey::Generate(KeyType::kEcP256);
//   Certificate ca = SelfSigned(ca_key, {.subject = {.common_name = "Bulwark CA"}, .ca = true, …});
//   Certificate leaf = Issue(ca, ca_key, server_key.Public(),
//                            {.names = {.dns = {"bulwark.example"}}, .server = true, …}).value();
//   Result<> trusted = VerifyChain({leaf}, {ca}, {.purpose = Purpose::kServer,
//                                                 .name = "bulwark.example"});
//
// What a certificate says is decided by whoever issues it: of a request, only the public key is
// ever used for one (and the rest is there to be looked at).
//
// Certificates are immutable and cheap to copy; safe from any thread.
//
// Errors: x509.malformed kInvalid; x509.name kInvalid (a name that cannot be put into a
// certificate); x509.untrusted kDenied (VerifyChain: with why); key.* of crypto/keys.h.

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/keys.h"

struct x509_st;      // OpenSSL's X509
struct X509_req_st;  // and X509_REQ

namespace bulwark::crypto {

// The parts of a distinguished name that are in use. A common name has at most 64 characters.
struct Name {
  std::string common_name;
  std::vector<std::string> organizations;
  friend bool operator==(const Name&, const Name&) = default;
};

// subjectAltName. Addresses as text: "10.0.0.1", "fd00::1".
struct AltNames {
  std::vector<std::string> dns, ips, uris, emails;
  bool empty() const { return dns.empty() && ips.empty() && uris.empty() && emails.empty(); }
  friend bool operator==(const AltNames&, const AltNames&) = default;
};

class Certificate {
 public:
  // The first CERTIFICATE block. Texts of more than 1 MiB are refused.
  static Result<Certificate> FromPem(std::string_view pem);
  // All of them, in their order; at least one, at most `max`.
  static Result<std::vector<Certificate>> AllFromPem(std::string_view pem, size_t max = 1000);
  static Result<Certificate> FromDer(std::string_view der);
  std::string ToPem() const;
  std::string ToDer() const;

  Name subject() const;
  Name issuer() const;
  std::string SubjectText() const;  // RFC 2253: "CN=web,O=Example"
  std::string IssuerText() const;
  AltNames names() const;
  Timestamp not_before() const;
  Timestamp not_after() const;
  std::string Serial() const;       // lower-case hex
  std::string Fingerprint() const;  // SHA-256 over the DER, lower-case hex
  bool is_ca() const;
  bool is_self_issued() const;  // subject = issuer
  // extKeyUsage; where the certificate has none, all are allowed.
  bool for_server() const;
  bool for_client() const;
  Result<PublicKey> public_key() const;

  static Certificate Adopt(std::shared_ptr<x509_st> certificate);
  x509_st* native() const { return certificate_.get(); }

 private:
  explicit Certificate(std::shared_ptr<x509_st> c) : certificate_(std::move(c)) {}
  std::shared_ptr<x509_st> certificate_;
};

// A certificate signing request whose signature was found right: whoever sent it (or made it at one
// time) has the private key.
class Request {
 public:
  static Result<Request> FromPem(std::string_view pem);  // at most 64 KiB
  static Result<Request> Make(const PrivateKey& key, const Name& subject,
                              const AltNames& names = {});
  std::string ToPem() const;
  Name subject() const;
  AltNames names() const;
  const PublicKey& public_key() const { return key_; }

 private:
  Request(std::shared_ptr<X509_req_st> request, PublicKey key)
      : request_(std::move(request)), key_(std::move(key)) {}
  std::shared_ptr<X509_req_st> request_;
  PublicKey key_;
};

// What a certificate is to say. The serial number is 127 random bits.
struct CertificateSpec {
  Name subject;
  AltNames names;
  Timestamp not_before, not_after;  // whole seconds
  bool ca = false;                  // signs certificates, no further CAs below it
  bool server = false, client = false;
};

Result<Certificate> SelfSigned(const PrivateKey& key, const CertificateSpec& spec);
// A certificate for `subject_key`, signed by the CA; it ends with the CA at the latest.
Result<Certificate> Issue(const Certificate& ca, const PrivateKey& ca_key,
                          const PublicKey& subject_key, const CertificateSpec& spec);

enum class Purpose { kAny, kServer, kClient };

struct VerifyOptions {
  Purpose purpose = Purpose::kAny;
  std::string name;             // host name or IP address that the leaf must be for; empty: any
  std::optional<Timestamp> at;  // now, unless told
};

// chain[0] is the leaf, the rest help to reach a root. Signatures, validity, CA flags, purpose and
// name are checked; keys and hashes of less than 112 bits of security are refused. Revocation is
// not looked at.
Result<> VerifyChain(std::span<const Certificate> chain, std::span<const Certificate> roots,
                     const VerifyOptions& options = {});

// Whether the certificate is for that key.
bool Matches(const Certificate& certificate, const PrivateKey& key);
// When to renew: at two thirds of its life.
Timestamp RenewAt(const Certificate& certificate);

}  // namespace bulwark::crypto
