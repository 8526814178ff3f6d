// Content-Encoding of requests: strangers' gzip and zstd, within the limit; and ours round about.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http_server_coding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::net;
  if (size > 100'000) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (Coding coding : {Coding::kGzip, Coding::kZstd}) {
    auto plain = DecodeBody(CodingName(coding), std::string(bytes), 1 << 16);
    if (plain) BW_CHECK(plain->size() <= 1 << 16);
    std::string packed;
    auto encoder = MakeEncoder(coding);
    encoder->Add(bytes.substr(0, size / 2), size % 2 == 0, packed);
    encoder->Add(bytes.substr(size / 2), false, packed);
    encoder->Finish(packed);
    auto back = DecodeBody(CodingName(coding), packed, size);
    BW_CHECK(back && *back == bytes);
    back = DecodeBody(CodingName(coding), Compress(coding, bytes), size);
    BW_CHECK(back && *back == bytes);
  }
  ChooseCoding(bytes);
  return 0;
}
