#include "crypto/digest.h"

#include <openssl/hmac.h>

#include "base/check.h"
#include "crypto/openssl.h"
#include "crypto/signature_openssl.h"

namespace bulwark::crypto {

const EVP_MD* DigestOf(Hash hash) {
  switch (hash) {
    case Hash::kMd5: return EVP_md5();
    case Hash::kSha1: return EVP_sha1();
    case Hash::kSha256: return EVP_sha256();
    case Hash::kSha384: return EVP_sha384();
    case Hash::kSha512: return EVP_sha512();
  }
  BW_CHECK(false);
  return nullptr;
}

size_t DigestBytes(Hash hash) { return static_cast<size_t>(EVP_MD_get_size(DigestOf(hash))); }

std::string Digest(Hash hash, std::string_view message) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  BW_CHECK(EVP_Digest(message.data(), message.size(), reinterpret_cast<unsigned char*>(out.data()),
                      &length, DigestOf(hash), nullptr) == 1);
  out.resize(length);
  return out;
}

std::string Hmac(Hash hash, std::string_view key, std::string_view message) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  // A key without bytes still needs a pointer.
  BW_CHECK(key.size() <= INT32_MAX);
  BW_CHECK(HMAC(DigestOf(hash), key.empty() ? "" : key.data(), static_cast<int>(key.size()),
                Octets(message), message.size(), reinterpret_cast<unsigned char*>(out.data()),
                &length) != nullptr);
  out.resize(length);
  return out;
}

}  // namespace bulwark::crypto
