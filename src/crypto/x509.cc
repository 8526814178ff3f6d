#include "crypto/x509.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace bulwark::crypto {
namespace {

constexpr size_t kMaxPem = size_t{1} << 20, kMaxRequest = size_t{1} << 16;
constexpr size_t kMaxNames = 1000;

Error Malformed(std::string_view what) {
  return OpensslError(Code::kInvalid, "x509.malformed", what);
}

Error BadName(std::string_view what, std::string_view name) {
  return {Code::kInvalid,
          "x509.name",
          fmt::format("{}: {}", what, Quote(name)),
          {{"name", std::string(name)}}};
}

// --- reading ---

std::string TextOf(const ASN1_STRING* text) {
  unsigned char* utf8 = nullptr;
  int size = ASN1_STRING_to_UTF8(&utf8, text);
  if (size < 0) {
    ERR_clear_error();
    return {};
  }
  std::string out(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return ToValidUtf8(out);
}

std::string_view ViewOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

Name ReadName(const X509_NAME* name) {
  Name out;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    // The last common name is the most specific one, as everybody else reads it.
    if (nid == NID_commonName) out.common_name = TextOf(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_organizationName) {
      out.organizations.push_back(TextOf(X509_NAME_ENTRY_get_data(entry)));
    }
  }
  return out;
}

std::string NameText(const X509_NAME* name) {
  OwnedBio bio = MemoryBio();
  X509_NAME_print_ex(bio.get(), name, 0, (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB));
  ERR_clear_error();
  return ToValidUtf8(crypto::TextOf(bio.get()));
}

std::string IpText(std::string_view octets) {
  char text[INET6_ADDRSTRLEN] = {};
  int family = octets.size() == 4 ? AF_INET : AF_INET6;
  if (octets.size() != 4 && octets.size() != 16) return {};
  inet_ntop(family, octets.data(), text, sizeof(text));
  return text;
}

AltNames ReadAltNames(const GENERAL_NAMES* names) {
  AltNames out;
  if (names == nullptr) return out;
  int count = std::min<int>(sk_GENERAL_NAME_num(names), kMaxNames);
  for (int i = 0; i < count; ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    if (type != GEN_DNS && type != GEN_URI && type != GEN_EMAIL && type != GEN_IPADD) continue;
    std::string_view text = ViewOf(static_cast<const ASN1_STRING*>(value));
    if (type == GEN_IPADD) {
      if (std::string ip = IpText(text); !ip.empty()) out.ips.push_back(ip);
      continue;
    }
    // A name with a NUL or other bytes that no name has is a trick: it names nothing.
    if (!IsAscii(text) || std::any_of(text.begin(), text.end(), [](char c) { return c <= ' '; })) {
      continue;
    }
    auto& list = type == GEN_DNS ? out.dns : type == GEN_URI ? out.uris : out.emails;
    list.emplace_back(text);
  }
  return out;
}

Timestamp ReadTime(const ASN1_TIME* time) {
  std::tm tm{};
  if (ASN1_TIME_to_tm(time, &tm) != 1) {
    ERR_clear_error();
    return {};
  }
  return {.seconds = FromCivil({.year = tm.tm_year + 1900,
                                .month = tm.tm_mon + 1,
                                .day = tm.tm_mday,
                                .hour = tm.tm_hour,
                                .minute = tm.tm_min,
                                .second = tm.tm_sec})};
}

// --- making ---

Result<> AddEntry(X509_NAME* to, int nid, std::string_view text, std::string_view what) {
  if (text.empty() || !IsUtf8(text) || CountCodePoints(text) > 64 ||
      std::any_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; })) {
    return BadName(fmt::format("{} has 1 to 64 characters, and no controls", what), text);
  }
  if (X509_NAME_add_entry_by_NID(to, nid, MBSTRING_UTF8, Octets(text),
                                 static_cast<int>(text.size()), -1, 0) != 1) {
    ERR_clear_error();
    return BadName(fmt::format("not fit for {}", what), text);
  }
  return Ok{};
}

Result<> FillName(X509_NAME* to, const Name& name) {
  for (const std::string& organization : name.organizations) {
    BW_TRY(AddEntry(to, NID_organizationName, organization, "an organization"));
  }
  if (!name.common_name.empty()) {
    BW_TRY(AddEntry(to, NID_commonName, name.common_name, "a common name"));
  }
  return Ok{};
}

bool IsDnsName(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  if (name.empty() || name.size() > 253) return false;
  for (std::string_view label : Split(name, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    for (char c : label) {
      if (!IsAsciiLetter(c) && !IsAsciiDigit(c) && c != '-' && c != '_') return false;
    }
  }
  return true;
}

void PushName(GENERAL_NAMES* to, int type, std::string_view octets) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  BW_CHECK(name != nullptr && text != nullptr);
  BW_CHECK(ASN1_STRING_set(text, octets.data(), static_cast<int>(octets.size())) == 1);
  GENERAL_NAME_set0_value(name, type, text);
  BW_CHECK(sk_GENERAL_NAME_push(to, name) > 0);
}

Result<OwnedNames> MakeAltNames(const AltNames& names) {
  OwnedNames out(GENERAL_NAMES_new());
  BW_CHECK(out != nullptr);
  for (const std::string& dns : names.dns) {
    if (!IsDnsName(dns)) return BadName("not a DNS name", dns);
    PushName(out.get(), GEN_DNS, dns);
  }
  for (const std::string& ip : names.ips) {
    unsigned char octets[16];
    size_t size = inet_pton(AF_INET, ip.c_str(), octets) == 1    ? 4
                  : inet_pton(AF_INET6, ip.c_str(), octets) == 1 ? 16
                                                                 : 0;
    if (size == 0) return BadName("not an IP address", ip);
    PushName(out.get(), GEN_IPADD, {reinterpret_cast<char*>(octets), size});
  }
  auto plain = [](std::string_view text) {
    return !text.empty() && text.size() <= 1024 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  };
  for (const std::string& uri : names.uris) {
    if (!plain(uri) || uri.find(':') == std::string::npos) return BadName("not a URI", uri);
    PushName(out.get(), GEN_URI, uri);
  }
  for (const std::string& email : names.emails) {
    if (!plain(email) || email.find('@') == std::string::npos) return BadName("no e-mail", email);
    PushName(out.get(), GEN_EMAIL, email);
  }
  return out;
}

void AddExtension(X509* to, int nid, void* value, bool critical) {
  BW_CHECK(X509_add1_ext_i2d(to, nid, value, critical, X509V3_ADD_DEFAULT) == 1);
}

// RFC 7093, method 1: the first 160 bits of SHA-256 over the key.
std::string KeyIdentifier(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  BW_CHECK(X509_pubkey_digest(certificate, EVP_sha256(), digest, &size) == 1 && size >= 20);
  return {reinterpret_cast<char*>(digest), 20};
}

Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> OctetString(std::string_view octets) {
  Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> out(ASN1_OCTET_STRING_new());
  BW_CHECK(out != nullptr &&
           ASN1_OCTET_STRING_set(out.get(), Octets(octets), static_cast<int>(octets.size())) == 1);
  return out;
}

void SetTime(ASN1_TIME* to, Timestamp at) {
  BW_CHECK(ASN1_TIME_adj(to, 0, 0, 0) != nullptr);
  Civil c = ToCivil(at.seconds);
  std::string text = fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour,
                                 c.minute, c.second);
  BW_CHECK(ASN1_TIME_set_string_X509(to, text.c_str()) == 1);
}

const EVP_MD* SigningDigest(KeyType type) {
  switch (type) {
    case KeyType::kEd25519: return nullptr;
    case KeyType::kEcP384: return EVP_sha384();
    case KeyType::kEcP521: return EVP_sha512();
    default: return EVP_sha256();
  }
}

// A certificate for `subject_key`; where there is no issuer, it is its own.
Result<Certificate> Build(const PublicKey& subject_key, const CertificateSpec& spec,
                          const X509* issuer, const PrivateKey& signer) {
  OwnedX509 made(X509_new());
  BW_CHECK(made != nullptr && X509_set_version(made.get(), X509_VERSION_3) == 1);
  std::string serial = RandomBytes(16);
  serial[0] = static_cast<char>((serial[0] & 0x7f) | 0x40);  // positive, and of one length
  OwnedBignum number(BN_bin2bn(Octets(serial), 16, nullptr));
  BW_CHECK(number != nullptr &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())) != nullptr);
  if (spec.not_after <= spec.not_before || spec.not_before.seconds < 0 ||
      ToCivil(spec.not_after.seconds).year > 9999) {
    return Error(Code::kInvalid, "x509.name", "a certificate must end after it begins");
  }
  SetTime(X509_getm_notBefore(made.get()), spec.not_before);
  SetTime(X509_getm_notAfter(made.get()), spec.not_after);
  BW_TRY(FillName(X509_get_subject_name(made.get()), spec.subject));
  BW_CHECK(X509_set_issuer_name(
               made.get(), X509_get_subject_name(issuer != nullptr ? issuer : made.get())) == 1);
  BW_CHECK(X509_set_pubkey(made.get(), subject_key.native()) == 1);

  Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(BASIC_CONSTRAINTS_new());
  BW_CHECK(constraints != nullptr);
  if (spec.ca) {
    constraints->ca = 1;
    constraints->pathlen = ASN1_INTEGER_new();
    BW_CHECK(constraints->pathlen != nullptr && ASN1_INTEGER_set(constraints->pathlen, 0) == 1);
  }
  AddExtension(made.get(), NID_basic_constraints, constraints.get(), true);

  Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> usage(ASN1_BIT_STRING_new());
  BW_CHECK(usage != nullptr);
  if (spec.ca) {
    ASN1_BIT_STRING_set_bit(usage.get(), 5, 1);  // keyCertSign
    ASN1_BIT_STRING_set_bit(usage.get(), 6, 1);  // cRLSign
  } else {
    ASN1_BIT_STRING_set_bit(usage.get(), 0, 1);  // digitalSignature
    if (subject_key.type() == KeyType::kRsa) ASN1_BIT_STRING_set_bit(usage.get(), 2, 1);
  }
  AddExtension(made.get(), NID_key_usage, usage.get(), true);

  if (spec.server || spec.client) {
    Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> extended(EXTENDED_KEY_USAGE_new());
    BW_CHECK(extended != nullptr);
    if (spec.server) sk_ASN1_OBJECT_push(extended.get(), OBJ_nid2obj(NID_server_auth));
    if (spec.client) sk_ASN1_OBJECT_push(extended.get(), OBJ_nid2obj(NID_client_auth));
    AddExtension(made.get(), NID_ext_key_usage, extended.get(), false);
  }

  AddExtension(made.get(), NID_subject_key_identifier, OctetString(KeyIdentifier(made.get())).get(),
               false);
  if (issuer != nullptr) {
    Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> authority(AUTHORITY_KEYID_new());
    BW_CHECK(authority != nullptr);
    const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(const_cast<X509*>(issuer));
    authority->keyid =
        id != nullptr ? ASN1_OCTET_STRING_dup(id) : OctetString(KeyIdentifier(issuer)).release();
    AddExtension(made.get(), NID_authority_key_identifier, authority.get(), false);
  }
  if (!spec.names.empty()) {
    OwnedNames names = BW_TRY(MakeAltNames(spec.names));
    // Critical where the subject is empty (RFC 5280, 4.2.1.6).
    AddExtension(made.get(), NID_subject_alt_name, names.get(), spec.subject == Name{});
  }
  if (X509_sign(made.get(), signer.native(), SigningDigest(signer.type())) <= 0) {
    return OpensslError(Code::kInternal, "x509.sign", "signing a certificate failed");
  }
  return Certificate::Adopt({made.release(), X509_free});
}

bool Allows(X509* certificate, uint32_t usage) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) == 0) return true;
  return (X509_get_extended_key_usage(certificate) & usage) != 0;
}

}  // namespace

Certificate Certificate::Adopt(std::shared_ptr<x509_st> certificate) {
  BW_CHECK(certificate != nullptr);
  // Fills OpenSSL's cache of extensions now, so that later readers on many threads only read.
  X509_check_purpose(certificate.get(), -1, 0);
  ERR_clear_error();
  return Certificate(std::move(certificate));
}

Result<std::vector<Certificate>> Certificate::AllFromPem(std::string_view pem, size_t max) {
  if (pem.size() > kMaxPem) return Malformed("certificates of more than 1 MiB");
  OwnedBio bio = ReadingBio(pem);
  std::vector<Certificate> out;
  // Other blocks than certificates (a key before its certificate) are passed over.
  while (X509* read = PEM_read_bio_X509(
             bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr)) {
    out.push_back(Adopt({read, X509_free}));
    if (out.size() >= max) break;
  }
  if (out.size() < max) {
    unsigned long last = ERR_peek_last_error();  // NOLINT: OpenSSL's type
    bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!at_end) return Malformed("a PEM certificate is malformed");
    if (out.empty()) return Malformed("no PEM certificate");
  }
  ERR_clear_error();
  return out;
}

Result<Certificate> Certificate::FromPem(std::string_view pem) {
  std::vector<Certificate> all = BW_TRY(AllFromPem(pem, 1));
  return all[0];
}

Result<Certificate> Certificate::FromDer(std::string_view der) {
  if (der.size() > kMaxPem) return Malformed("a certificate of more than 1 MiB");
  const unsigned char* at = Octets(der);
  std::shared_ptr<X509> read(d2i_X509(nullptr, &at, static_cast<long>(der.size())),  // NOLINT
                             X509_free);
  if (read == nullptr) return Malformed("not a DER certificate");
  if (at != Octets(der) + der.size()) return Malformed("bytes after a DER certificate");
  return Adopt(std::move(read));
}

std::string Certificate::ToPem() const {
  OwnedBio bio = MemoryBio();
  BW_CHECK(PEM_write_bio_X509(bio.get(), certificate_.get()) == 1);
  return crypto::TextOf(bio.get());
}

std::string Certificate::ToDer() const {
  unsigned char* der = nullptr;
  int size = i2d_X509(certificate_.get(), &der);
  BW_CHECK(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

Name Certificate::subject() const { return ReadName(X509_get_subject_name(certificate_.get())); }
Name Certificate::issuer() const { return ReadName(X509_get_issuer_name(certificate_.get())); }
std::string Certificate::SubjectText() const {
  return NameText(X509_get_subject_name(certificate_.get()));
}
std::string Certificate::IssuerText() const {
  return NameText(X509_get_issuer_name(certificate_.get()));
}

AltNames Certificate::names() const {
  OwnedNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate_.get(), NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  return ReadAltNames(names.get());
}

Timestamp Certificate::not_before() const {
  return ReadTime(X509_get0_notBefore(certificate_.get()));
}
Timestamp Certificate::not_after() const {
  return ReadTime(X509_get0_notAfter(certificate_.get()));
}

std::string Certificate::Serial() const {
  return HexEncode(ViewOf(X509_get0_serialNumber(certificate_.get())));
}

std::string Certificate::Fingerprint() const { return Sha256Hex(ToDer()); }
bool Certificate::is_ca() const { return X509_check_ca(certificate_.get()) == 1; }
bool Certificate::is_self_issued() const {
  return X509_NAME_cmp(X509_get_subject_name(certificate_.get()),
                       X509_get_issuer_name(certificate_.get())) == 0;
}
bool Certificate::for_server() const { return Allows(certificate_.get(), XKU_SSL_SERVER); }
bool Certificate::for_client() const { return Allows(certificate_.get(), XKU_SSL_CLIENT); }

Result<PublicKey> Certificate::public_key() const {
  EVP_PKEY* key = X509_get_pubkey(certificate_.get());
  if (key == nullptr) return Malformed("a certificate whose key cannot be read");
  return PublicKey::Adopt({key, EVP_PKEY_free});
}

Result<Request> Request::FromPem(std::string_view pem) {
  if (pem.size() > kMaxRequest) return Malformed("a request of more than 64 KiB");
  OwnedBio bio = ReadingBio(pem);
  std::shared_ptr<X509_REQ> read(
      PEM_read_bio_X509_REQ(
          bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr),
      X509_REQ_free);
  if (read == nullptr) return Malformed("not a PEM certificate request");
  EVP_PKEY* key = X509_REQ_get_pubkey(read.get());
  if (key == nullptr) return Malformed("a request whose key cannot be read");
  // Type and size are looked at before the signature: checking one of a giant key takes long.
  PublicKey adopted = BW_TRY(PublicKey::Adopt({key, EVP_PKEY_free}));
  if (X509_REQ_verify(read.get(), key) != 1) return Malformed("a request with a wrong signature");
  return Request(std::move(read), std::move(adopted));
}

Result<Request> Request::Make(const PrivateKey& key, const Name& subject, const AltNames& names) {
  std::shared_ptr<X509_REQ> made(X509_REQ_new(), X509_REQ_free);
  BW_CHECK(made != nullptr && X509_REQ_set_version(made.get(), X509_REQ_VERSION_1) == 1);
  BW_TRY(FillName(X509_REQ_get_subject_name(made.get()), subject));
  PublicKey public_key = key.Public();
  BW_CHECK(X509_REQ_set_pubkey(made.get(), public_key.native()) == 1);
  if (!names.empty()) {
    OwnedNames alt = BW_TRY(MakeAltNames(names));
    STACK_OF(X509_EXTENSION)* extensions = nullptr;
    BW_CHECK(X509V3_add1_i2d(&extensions, NID_subject_alt_name, alt.get(), 0, X509V3_ADD_DEFAULT) ==
             1);
    BW_CHECK(X509_REQ_add_extensions(made.get(), extensions) == 1);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  }
  if (X509_REQ_sign(made.get(), key.native(), SigningDigest(key.type())) <= 0) {
    return OpensslError(Code::kInternal, "x509.sign", "signing a request failed");
  }
  return Request(std::move(made), std::move(public_key));
}

std::string Request::ToPem() const {
  OwnedBio bio = MemoryBio();
  BW_CHECK(PEM_write_bio_X509_REQ(bio.get(), request_.get()) == 1);
  return crypto::TextOf(bio.get());
}

Name Request::subject() const { return ReadName(X509_REQ_get_subject_name(request_.get())); }

AltNames Request::names() const {
  AltNames out;
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request_.get());
  if (extensions != nullptr) {
    OwnedNames names(static_cast<GENERAL_NAMES*>(
        X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr)));
    out = ReadAltNames(names.get());
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  }
  ERR_clear_error();
  return out;
}

Result<Certificate> SelfSigned(const PrivateKey& key, const CertificateSpec& spec) {
  return Build(key.Public(), spec, nullptr, key);
}

Result<Certificate> Issue(const Certificate& ca, const PrivateKey& ca_key,
                          const PublicKey& subject_key, const CertificateSpec& spec) {
  BW_CHECK(ca.is_ca() && Matches(ca, ca_key));
  CertificateSpec bounded = spec;
  bounded.not_after = std::min(spec.not_after, ca.not_after());
  return Build(subject_key, bounded, ca.native(), ca_key);
}

Result<> VerifyChain(std::span<const Certificate> chain, std::span<const Certificate> roots,
                     const VerifyOptions& options) {
  BW_CHECK(!chain.empty());
  Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  Owned<STACK_OF(X509), [](STACK_OF(X509) * stack) { sk_X509_free(stack); }> others(
      sk_X509_new_null());
  BW_CHECK(store != nullptr && context != nullptr && others != nullptr);
  for (const Certificate& root : roots) X509_STORE_add_cert(store.get(), root.native());
  for (const Certificate& other : chain.subspan(1)) {
    BW_CHECK(sk_X509_push(others.get(), other.native()) > 0);
  }
  BW_CHECK(X509_STORE_CTX_init(context.get(), store.get(), chain[0].native(), others.get()) == 1);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_depth(param, 8);
  X509_VERIFY_PARAM_set_auth_level(param, 2);
  X509_VERIFY_PARAM_set_time(param, (options.at ? *options.at : Now()).seconds);
  if (options.purpose != Purpose::kAny) {
    X509_VERIFY_PARAM_set_purpose(param, options.purpose == Purpose::kServer
                                             ? X509_PURPOSE_SSL_SERVER
                                             : X509_PURPOSE_SSL_CLIENT);
  }
  if (!options.name.empty()) {
    // A NUL would end the name early for OpenSSL.
    bool set = options.name.find('\0') == std::string::npos &&
               (X509_VERIFY_PARAM_set1_ip_asc(param, options.name.c_str()) == 1 ||
                X509_VERIFY_PARAM_set1_host(param, options.name.data(), options.name.size()) == 1);
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!set) return BadName("not a host name", options.name);
  }
  int status = X509_verify_cert(context.get());
  int why = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (status == 1 && why == X509_V_OK) return Ok{};
  std::string reason = X509_verify_cert_error_string(why);
  return Error(Code::kDenied, "x509.untrusted",
               fmt::format("the certificate {} is not to be trusted: {}",
                           Quote(chain[0].SubjectText()), reason),
               {{"subject", chain[0].SubjectText()}, {"why", reason}});
}

bool Matches(const Certificate& certificate, const PrivateKey& key) {
  bool matches = X509_check_private_key(certificate.native(), key.native()) == 1;
  ERR_clear_error();
  return matches;
}

Timestamp RenewAt(const Certificate& certificate) {
  Timestamp begin = certificate.not_before(), end = certificate.not_after();
  return {.seconds = begin.seconds + (end.seconds - begin.seconds) / 3 * 2};
}

}  // namespace bulwark::crypto
