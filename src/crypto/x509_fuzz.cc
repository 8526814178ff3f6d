// Certificates (PEM and DER) and requests: whatever is taken must be readable in all its parts, and
// the same after writing and reading again.

#include <cstdint>

#include "base/check.h"
#include "base/text.h"
#include "crypto/x509.h"

using namespace bulwark;          // NOLINT
using namespace bulwark::crypto;  // NOLINT

static void LookAt(const Certificate& c) {
  BW_CHECK(IsUtf8(c.SubjectText()) && IsUtf8(c.IssuerText()) && IsUtf8(c.subject().common_name));
  for (const std::string& name : c.names().dns) BW_CHECK(IsAscii(name));
  (void)c.is_ca();
  (void)c.for_server();
  (void)c.public_key();
  (void)RenewAt(c);
  Result<Certificate> again = Certificate::FromPem(c.ToPem());
  BW_CHECK(again.has_value() && again->Fingerprint() == c.Fingerprint());
  std::vector<Certificate> chain = {c};
  (void)VerifyChain(chain, chain, {.purpose = Purpose::kServer, .name = "a.example"});
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (Result<std::vector<Certificate>> all = Certificate::AllFromPem(text, 4); all) {
    BW_CHECK(!all->empty());
    for (const Certificate& c : *all) LookAt(c);
  }
  if (Result<Certificate> der = Certificate::FromDer(text); der) LookAt(*der);
  if (Result<Request> request = Request::FromPem(text); request) {
    BW_CHECK(IsUtf8(request->subject().common_name));
    (void)request->names();
    BW_CHECK(Request::FromPem(request->ToPem()).has_value());
  }
  if (Result<PublicKey> key = PublicKey::FromPem(text); key) (void)key->Fingerprint();
  (void)PrivateKey::FromPem(text, "secret");
  return 0;
}
