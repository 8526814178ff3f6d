// The console's files, out of the program's own memory.

#include <zlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "platform/api/api_state.h"

namespace bulwark::api {

namespace {

// A page may do what it comes with and nothing else: no inline script or style, no eval, no other
// host. (The console makes its styles through constructed sheets: console/src/csp.)
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

std::string_view TypeOf(std::string_view path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".txt", "text/plain; charset=utf-8"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"}};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

std::string Gzip(std::string_view bytes) {
  z_stream z{};
  BW_CHECK(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, static_cast<uLong>(bytes.size())), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  BW_CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

bool TakesGzip(std::string_view accept_encoding) {
  for (std::string_view item : Split(accept_encoding, ',')) {
    auto parts = Cut(item, ";");
    std::string_view name = Trim(parts ? parts->first : item);
    if (EqualsIgnoringCase(name, "gzip")) {
      return !parts || Trim(parts->second) != "q=0";
    }
  }
  return false;
}

}  // namespace

void ConsoleFiles::Set(std::map<std::string, std::string_view> files) {
  files_.clear();
  for (const auto& [path, bytes] : files) {
    File file{.bytes = bytes,
              .gzip = {},
              .type = std::string(TypeOf(path)),
              .etag = "\"" + Sha256Hex(bytes).substr(0, 32) + "\"",
              .immutable = path.starts_with("/assets/")};
    if (bytes.size() > 512) file.gzip = Gzip(bytes);
    if (file.gzip.size() + file.gzip.size() / 10 > bytes.size()) file.gzip.clear();
    files_.emplace(path, std::move(file));
  }
}

std::optional<net::ServerResponse> ConsoleFiles::Serve(const net::ServerRequest& request) const {
  auto index = files_.find("/index.html");
  if (index == files_.end()) return std::nullopt;
  net::ServerResponse out;
  if (request.method != "GET" && request.method != "HEAD") {
    out.status = 405;
    out.headers = {{"Allow", "GET, HEAD"}};
    return out;
  }
  // Names are compared with those of the table: there is no file system to climb around in.
  std::string path;
  for (const std::string& segment : request.segments) path += "/" + segment;
  auto found = files_.find(path);
  // A page of the console's own router; but a script that is gone must not become a page.
  if (found == files_.end()) {
    if (path.starts_with("/assets/")) return std::nullopt;
    found = index;
  }
  const File& file = found->second;
  out.headers = {
      {"Content-Type", file.type},
      {"ETag", file.etag},
      {"Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Content-Security-Policy", std::string(kPolicy)}};
  out.compress = false;
  if (!file.gzip.empty()) out.headers.emplace_back("Vary", "Accept-Encoding");
  for (std::string_view tag : Split(request.Header("if-none-match"), ',')) {
    tag = Trim(tag);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == file.etag) {
      out.status = 304;
      return out;
    }
  }
  if (!file.gzip.empty() && TakesGzip(request.Header("accept-encoding"))) {
    out.headers.emplace_back("Content-Encoding", "gzip");
    out.body = file.gzip;
  } else {
    out.body = file.bytes;
  }
  return out;
}

}  // namespace bulwark::api
