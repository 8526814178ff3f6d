#pragma once

// TLS for servers: TLS 1.2 with forward-secret AEAD ciphers, and 1.3; ALPN "http/1.1" (a client
// that offers only others is refused); no renegotiation, no compression. Certificates and keys are
// PEM text. Thread-safe once made.
//
// Errors: tls.certificate, tls.key, tls.mismatch, tls.client_ca (all kInvalid).

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace bulwark::net {

enum class ClientCertificates : uint8_t {
  kOff,       // not asked for
  kOptional,  // asked for; one that does not verify is shown to the handler as not verified
  kRequired,  // the handshake fails without one that verifies
};

struct TlsServerOptions {
  std::string certificate_pem;  // the server's, then its intermediates
  std::string key_pem;
  ClientCertificates client_certificates = ClientCertificates::kOff;
  std::string client_ca_pem;  // whom clients' certificates must come from; needed unless kOff
};

// What a client showed.
struct PeerCertificate {
  std::string pem, der;
  std::string subject;      // RFC 2253: "CN=node-1,O=bulwark"
  std::string common_name;  // the last CN, or ""
  std::string sha256;       // of the DER, lower-case hex
  bool verified = false;    // against client_ca_pem, for client authentication, now valid
  std::string verify_error;
};

// A server's side of TLS: an SSL_CTX, immutable.
class TlsServerContext {
 public:
  static Result<std::shared_ptr<const TlsServerContext>> Make(const TlsServerOptions& options);
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;
  ~TlsServerContext();
  void* native() const { return ctx_; }  // SSL_CTX*

 private:
  explicit TlsServerContext(void* ctx) : ctx_(ctx) {}
  void* ctx_;
};

// The certificate that the other end of an SSL* showed; nullptr if none.
std::shared_ptr<const PeerCertificate> PeerCertificateOf(void* ssl);

}  // namespace bulwark::net
