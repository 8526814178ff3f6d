// The first line is a key set, the rest a token. No token of a stranger may pass.

#include <cstdint>

#include "base/check.h"
#include "crypto/jose.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;          // NOLINT
  using namespace bulwark::crypto;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t line = text.find('\n');
  std::string_view set = text.substr(0, line);
  std::string_view token = line == std::string_view::npos ? text : text.substr(line + 1);
  static const PrivateKey secret = PrivateKey::Generate(KeyType::kEcP256);
  static const Jwks ours({Jwk{secret.Public(), "", ""}});
  BW_CHECK(!VerifyJwt(token, ours, {.now = Timestamp{1300819300, 0}}));
  BW_CHECK(!VerifyJws(token, ours));
  if (Result<Jwks> keys = Jwks::Parse(set); keys) {
    for (const Jwk& key : keys->keys()) {
      std::string again = R"({"keys":[)" + ToJwk(key.key, key.id) + "]}";
      Result<Jwks> reread = Jwks::Parse(again);
      BW_CHECK(reread && reread->keys().size() == 1 &&
               reread->keys()[0].key.Fingerprint() == key.key.Fingerprint());
    }
    if (Result<Jwt> jwt = VerifyJwt(token, *keys, {.now = Timestamp{1300819300, 0}}); jwt) {
      BW_CHECK(jwt->claims.IsMap() && !jwt->algorithm.empty());
    }
  }
  (void)ReadUnverifiedJwt(token);
  return 0;
}
