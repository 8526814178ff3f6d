#include "crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <climits>

#include "base/check.h"
#include "base/hash.h"

namespace bulwark::crypto {

std::string RandomBytes(size_t count) {
  BW_CHECK(count <= INT_MAX);
  std::string out(count, '\0');
  BW_CHECK(count == 0 ||
           RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) == 1);
  return out;
}

std::string RandomToken(size_t bytes) {
  return Base64Encode(RandomBytes(bytes), Base64::kUrl, Padding::kNo);
}

std::string HmacSha256(std::string_view key, std::string_view message) {
  BW_CHECK(key.size() <= INT_MAX);
  std::string out(32, '\0');
  unsigned length = 0;
  // A null key would mean "the key of last time".
  BW_CHECK(HMAC(EVP_sha256(), key.empty() ? "" : key.data(), static_cast<int>(key.size()),
                reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                reinterpret_cast<unsigned char*>(out.data()), &length) != nullptr);
  BW_CHECK(length == out.size());
  return out;
}

void Wipe(std::string& secret) {
  secret.resize(secret.capacity());
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace bulwark::crypto
