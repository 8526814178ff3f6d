#pragma once

// Digests and their HMACs, by name: what policies and old formats ask for, MD5 and SHA-1 among
// them, which are fit for nothing that matters. Raw bytes out. Pure functions: safe from any
// thread.

#include <string>
#include <string_view>

namespace bulwark::crypto {

enum class Hash { kMd5, kSha1, kSha256, kSha384, kSha512 };
size_t DigestBytes(Hash hash);
std::string Digest(Hash hash, std::string_view message);
// RFC 2104.
std::string Hmac(Hash hash, std::string_view key, std::string_view message);

}  // namespace bulwark::crypto
