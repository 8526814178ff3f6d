#pragma once

// Content codings of the server: gzip (RFC 1952) and zstd (RFC 8878), both ways.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::net {

enum class Coding { kIdentity, kGzip, kZstd };

// What of ours an Accept-Encoding asks for (RFC 9110, section 12.5.3): the higher q; zstd where
// they are equal.
Coding ChooseCoding(std::string_view accept_encoding);
std::string_view CodingName(Coding coding);
// Whether bodies of that Content-Type get smaller.
bool IsCompressible(std::string_view content_type);

// Compresses a body as it comes. Not thread-safe.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends to `out`. With `flush` everything given so far can be read from what came out.
  virtual void Add(std::string_view bytes, bool flush, std::string& out) = 0;
  virtual void Finish(std::string& out) = 0;
};
std::unique_ptr<Encoder> MakeEncoder(Coding coding);  // nullptr for kIdentity
// A whole body at once: quicker, since what it needs is kept for the thread's next one.
std::string Compress(Coding coding, std::string_view body);

// A request's body. `coding` is the value of Content-Encoding. Errors: http.coding (kUnsupported),
// http.coding_broken (kInvalid), http.too_big (kLimit).
Result<std::string> DecodeBody(std::string_view coding, std::string body, size_t max_bytes);

}  // namespace bulwark::net
