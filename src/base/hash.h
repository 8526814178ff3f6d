#pragma once

// Hashes for tables and identities, and the plain encodings of bytes. Keys, signatures and random
// numbers are crypto/'s. Pure functions: safe from any thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark {

// xxHash: fast, not secret, not collision-resistant against an adversary. Stable over versions and
// machines: may be stored.
uint64_t XxHash64(std::string_view bytes, uint64_t seed = 0);  // XXH64
uint64_t XxHash3(std::string_view bytes, uint64_t seed = 0);   // XXH3_64bits

// FIPS 180-4. Sha256() gives the 32 raw bytes, Sha256Hex() 64 lower-case digits.
std::string Sha256(std::string_view bytes);
std::string Sha256Hex(std::string_view bytes);

// SHA-256 of what comes piecewise.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void Update(std::string_view bytes);
  // The 32 raw bytes; the stream starts anew.
  std::string Finish();
  std::string FinishHex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// True if equal; takes as long whatever the bytes are (but not whatever the lengths are).
bool ConstantTimeEquals(std::string_view a, std::string_view b);

// RFC 4648. kUrl is section 5's alphabet.
enum class Base64 { kStandard, kUrl };
enum class Padding { kYes, kNo };
std::string Base64Encode(std::string_view bytes, Base64 alphabet = Base64::kStandard,
                         Padding padding = Padding::kYes);
void AppendBase64(std::string& out, std::string_view bytes);
// Strict: the padding as told, no other characters (no line breaks), unused bits zero.
Result<std::string> Base64Decode(std::string_view text, Base64 alphabet = Base64::kStandard,
                                 Padding padding = Padding::kYes);
// As Go's base64.StdEncoding reads it, and so Kubernetes a Secret: line breaks are passed over,
// unused bits may be anything.
Result<std::string> Base64DecodeLikeGo(std::string_view text);

std::string HexEncode(std::string_view bytes);  // lower case
Result<std::string> HexDecode(std::string_view text);

}  // namespace bulwark
