#include "net/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace bulwark::net {

namespace {

using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

Error TlsError(std::string id, std::string_view what) {
  std::array<char, 256> why{};
  unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, why.data(), why.size());
  ERR_clear_error();
  return Error(Code::kInvalid, std::move(id),
               code != 0 ? fmt::format("{}: {}", what, why.data()) : std::string(what));
}

BioPtr Reader(std::string_view text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

int NoPassphrase(char*, int, int, void*) { return -1; }

std::vector<X509Ptr> ReadCertificates(std::string_view pem) {
  std::vector<X509Ptr> out;
  BioPtr bio = Reader(pem);
  while (X509* x = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) {
    out.emplace_back(x, X509_free);
  }
  if (!out.empty()) ERR_clear_error();  // the end of the text counts as one
  return out;
}

int ChooseAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned in_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof(kOurs) - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Whether it verifies is looked at afterwards.
int AcceptAny(int, X509_STORE_CTX*) { return 1; }

std::string Take(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace

TlsServerContext::~TlsServerContext() { SSL_CTX_free(static_cast<SSL_CTX*>(ctx_)); }

Result<std::shared_ptr<const TlsServerContext>> TlsServerContext::Make(
    const TlsServerOptions& options) {
  ERR_clear_error();
  SSL_CTX* ctx = SSL_CTX_new(TLS_server_method());
  BW_CHECK(ctx != nullptr);
  std::shared_ptr<const TlsServerContext> made(new TlsServerContext(ctx));

  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  BW_CHECK(SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP:!kRSA") == 1);
  BW_CHECK(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);  // idle connections keep 34 KiB less
  SSL_CTX_set_alpn_select_cb(ctx, ChooseAlpn, nullptr);

  auto certificates = ReadCertificates(options.certificate_pem);
  if (certificates.empty()) return TlsError("tls.certificate", "no PEM certificate");
  if (SSL_CTX_use_certificate(ctx, certificates[0].get()) != 1) {
    return TlsError("tls.certificate", "the certificate cannot be used");
  }
  for (size_t i = 1; i < certificates.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ctx, certificates[i].get()) != 1) {
      return TlsError("tls.certificate", "an intermediate certificate cannot be used");
    }
  }
  BioPtr bio = Reader(options.key_pem);
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  if (!key) return TlsError("tls.key", "no PEM private key without a passphrase");
  if (X509_check_private_key(certificates[0].get(), key.get()) != 1) {
    return TlsError("tls.mismatch", "the key does not belong to the certificate");
  }
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return TlsError("tls.key", "the key cannot be used");
  }

  if (options.client_certificates == ClientCertificates::kOff) {
    // Tickets only: no state here.
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return made;
  }
  // A resumed session would bring an old verdict along.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  auto authorities = ReadCertificates(options.client_ca_pem);
  if (authorities.empty()) return TlsError("tls.client_ca", "no PEM certificate of a client CA");
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  for (const X509Ptr& ca : authorities) {
    if (X509_STORE_add_cert(store, ca.get()) != 1 || SSL_CTX_add_client_CA(ctx, ca.get()) != 1) {
      return TlsError("tls.client_ca", "a client CA cannot be used");
    }
  }
  SSL_CTX_set_verify_depth(ctx, 5);
  if (options.client_certificates == ClientCertificates::kRequired) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  } else {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, AcceptAny);
  }
  return made;
}

std::shared_ptr<const PeerCertificate> PeerCertificateOf(void* ssl) {
  X509Ptr x(SSL_get1_peer_certificate(static_cast<SSL*>(ssl)), X509_free);
  if (!x) return nullptr;
  auto out = std::make_shared<PeerCertificate>();
  unsigned char* der = nullptr;
  if (int size = i2d_X509(x.get(), &der); size > 0) {
    out->der.assign(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
  }
  out->sha256 = Sha256Hex(out->der);
  BioPtr pem(BIO_new(BIO_s_mem()), BIO_free);
  if (PEM_write_bio_X509(pem.get(), x.get()) == 1) out->pem = Take(pem.get());
  BioPtr name(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME* subject = X509_get_subject_name(x.get());
  X509_NAME_print_ex(name.get(), subject, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  out->subject = Take(name.get());
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
    unsigned char* utf8 = nullptr;
    int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) continue;
    out->common_name.assign(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
    OPENSSL_free(utf8);
  }
  long verdict = SSL_get_verify_result(static_cast<SSL*>(ssl));
  out->verified = verdict == X509_V_OK;
  if (!out->verified) out->verify_error = X509_verify_cert_error_string(verdict);
  ERR_clear_error();
  return out;
}

}  // namespace bulwark::net
