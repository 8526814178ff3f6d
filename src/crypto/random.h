#pragma once

// Random bytes from the system's generator (by way of OpenSSL's CSPRNG), HMAC, and the wiping of
// secrets. Safe from any thread. A generator that fails is not something a program can go on with:
// BW_CHECK.

#include <cstddef>
#include <string>
#include <string_view>

namespace bulwark::crypto {

std::string RandomBytes(size_t count);
// A token of `bytes` random bytes (256 bits unless told) as base64url without padding: goes into
// URLs, headers and file names as it is.
std::string RandomToken(size_t bytes = 32);

// RFC 2104, FIPS 198-1: 32 raw bytes. Compare with ConstantTimeEquals (base/hash.h).
std::string HmacSha256(std::string_view key, std::string_view message);

// Overwrites the text's memory in a way that no optimiser removes, and empties it.
void Wipe(std::string& secret);

}  // namespace bulwark::crypto
