#include "crypto/seal.h"

#include <openssl/evp.h>

#include <memory>

#include "crypto/random.h"

namespace bulwark::crypto {
namespace {

constexpr size_t kMaxText = size_t{1} << 30;

const EVP_CIPHER* Algorithm() {
  static const EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  BW_CHECK(algorithm != nullptr);
  return algorithm;
}

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

const unsigned char* In(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Out(std::string& text, size_t at = 0) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}

Error Broken() {
  return {Code::kDenied, "seal.broken",
          "a sealed secret does not open: it was changed, moved, or sealed with another key"};
}

}  // namespace

std::string SealWithNonce(std::string_view key, std::string_view nonce, std::string_view plaintext,
                          std::string_view associated) {
  BW_CHECK(key.size() == kSealKeyBytes && nonce.size() == kSealNonceBytes);
  BW_CHECK(plaintext.size() <= kMaxText && associated.size() <= kMaxText);
  Context context(EVP_CIPHER_CTX_new());
  BW_CHECK(context != nullptr);
  std::string out(kSealOverhead + plaintext.size(), '\0');
  out.replace(0, kSealNonceBytes, nonce);
  int n = 0;
  BW_CHECK(EVP_EncryptInit_ex2(context.get(), Algorithm(), In(key), In(nonce), nullptr) == 1);
  BW_CHECK(associated.empty() || EVP_EncryptUpdate(context.get(), nullptr, &n, In(associated),
                                                   static_cast<int>(associated.size())) == 1);
  BW_CHECK(plaintext.empty() ||
           EVP_EncryptUpdate(context.get(), Out(out, kSealNonceBytes), &n, In(plaintext),
                             static_cast<int>(plaintext.size())) == 1);
  unsigned char rest[16];
  BW_CHECK(EVP_EncryptFinal_ex(context.get(), rest, &n) == 1 && n == 0);
  BW_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kSealTagBytes,
                               Out(out, kSealNonceBytes + plaintext.size())) == 1);
  return out;
}

std::string Seal(std::string_view key, std::string_view plaintext, std::string_view associated) {
  return SealWithNonce(key, RandomBytes(kSealNonceBytes), plaintext, associated);
}

Result<std::string> Open(std::string_view key, std::string_view sealed,
                         std::string_view associated) {
  BW_CHECK(key.size() == kSealKeyBytes);
  if (sealed.size() < kSealOverhead || sealed.size() > kMaxText + kSealOverhead ||
      associated.size() > kMaxText) {
    return Broken();
  }
  std::string_view nonce = sealed.substr(0, kSealNonceBytes);
  std::string tag(sealed.substr(sealed.size() - kSealTagBytes));
  std::string_view body = sealed.substr(kSealNonceBytes, sealed.size() - kSealOverhead);
  Context context(EVP_CIPHER_CTX_new());
  BW_CHECK(context != nullptr);
  std::string out(body.size(), '\0');
  int n = 0;
  BW_CHECK(EVP_DecryptInit_ex2(context.get(), Algorithm(), In(key), In(nonce), nullptr) == 1);
  BW_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kSealTagBytes, Out(tag)) == 1);
  unsigned char rest[16];
  bool good = (associated.empty() || EVP_DecryptUpdate(context.get(), nullptr, &n, In(associated),
                                                       static_cast<int>(associated.size())) == 1) &&
              (body.empty() || EVP_DecryptUpdate(context.get(), Out(out), &n, In(body),
                                                 static_cast<int>(body.size())) == 1) &&
              EVP_DecryptFinal_ex(context.get(), rest, &n) == 1;
  if (good) return out;
  Wipe(out);  // plaintext that nobody vouches for
  return Broken();
}

}  // namespace bulwark::crypto
