#include "crypto/openssl.h"

#include <climits>

#include "base/check.h"

namespace bulwark::crypto {

std::string TakeOpensslErrors() {
  std::string out;
  while (unsigned long code = ERR_get_error()) {  // NOLINT: OpenSSL's type
    const char* reason = ERR_reason_error_string(code);
    if (reason == nullptr) continue;
    if (!out.empty()) out += "; ";
    out += reason;
  }
  return out;
}

Error OpensslError(Code code, std::string id, std::string_view what) {
  std::string message(what);
  std::string why = TakeOpensslErrors();
  if (!why.empty()) message += ": " + why;
  return {code, std::move(id), std::move(message), {{"why", why}}};
}

OwnedBio MemoryBio() {
  OwnedBio bio(BIO_new(BIO_s_mem()));
  BW_CHECK(bio != nullptr);
  return bio;
}

OwnedBio ReadingBio(std::string_view text) {
  BW_CHECK(text.size() <= INT_MAX);
  OwnedBio bio(BIO_new_mem_buf(text.empty() ? "" : text.data(), static_cast<int>(text.size())));
  BW_CHECK(bio != nullptr);
  return bio;
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);  // NOLINT: OpenSSL's type
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

}  // namespace bulwark::crypto
