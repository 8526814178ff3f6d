// The request path: bytes, cut into pieces as a network would, through the parser. Whatever comes,
// the same bytes in one piece and in many must give the same requests. (What is no request may be
// refused sooner in one piece: Beast looks for the end of a head that has begun before it reads
// on.)

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http_server_parser.h"

namespace {

using bulwark::net::HttpLimits;
using bulwark::net::RequestParser;

// What a connection does with it, as text.
std::string Serve(std::string_view bytes, size_t piece) {
  static const HttpLimits kLimits{.max_header_bytes = 1000,
                                  .max_headers = 20,
                                  .max_query_parameters = 10,
                                  .max_body_bytes = 2000};
  RequestParser parser(kLimits);
  std::string out, buffer;
  for (size_t at = 0; at <= bytes.size();) {
    size_t used = parser.Feed(buffer);
    BW_CHECK(used <= buffer.size());
    buffer.erase(0, used);
    if (parser.state() == RequestParser::State::kFailed) {
      BW_CHECK(parser.status() >= 400 && parser.status() < 600 && !parser.reason().empty());
      return out;
    }
    if (parser.state() == RequestParser::State::kDone) {
      const auto& r = parser.request();
      BW_CHECK(r.body.size() <= kLimits.max_body_bytes && r.headers.size() <= kLimits.max_headers);
      for (const auto& s : r.segments) BW_CHECK(s != ".." && s != "." && s.find('\0') == s.npos);
      for (const auto& [name, value] : r.headers) {
        BW_CHECK(bulwark::net::IsHttpToken(name) && bulwark::net::IsHeaderValue(value));
      }
      out += r.method + " " + r.path + " " + r.host + " " + r.body + "\n";
      parser.Reset();
      continue;
    }
    if (used != 0) continue;
    if (at == bytes.size()) break;
    size_t n = std::min(piece, bytes.size() - at);
    buffer.append(bytes.substr(at, n));
    at += n;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 20'000) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string whole = Serve(bytes, bytes.size() + 1);
  std::string cut = Serve(bytes, data[0] % 32 + 1u);
  BW_CHECK(whole == cut);
  return 0;
}
