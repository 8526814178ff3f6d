#include "net/http_server_coding.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace bulwark::net {

namespace {

constexpr int kGzipWindow = 15 + 16;  // 32 KiB, gzip's frame
constexpr int kGzipLevel = 5;
constexpr int kZstdLevel = 3;
// At most 8 MiB of memory for a stranger's frame (RFC 8878 asks decoders for that much).
constexpr int kZstdWindowLog = 23;

class GzipEncoder final : public Encoder {
 public:
  GzipEncoder() {
    BW_CHECK(deflateInit2(&z_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  }
  GzipEncoder(const GzipEncoder&) = delete;
  ~GzipEncoder() override { deflateEnd(&z_); }

  void Add(std::string_view bytes, bool flush, std::string& out) override {
    Run(bytes, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH, out);
  }
  void Finish(std::string& out) override { Run({}, Z_FINISH, out); }
  void Reset() { deflateReset(&z_); }

 private:
  void Run(std::string_view bytes, int mode, std::string& out) {
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    z_.avail_in = static_cast<uInt>(bytes.size());
    do {
      size_t at = out.size();
      out.resize(at + std::max<size_t>(bytes.size() / 3, 512));
      z_.next_out = reinterpret_cast<Bytef*>(out.data() + at);
      z_.avail_out = static_cast<uInt>(out.size() - at);
      deflate(&z_, mode);
      out.resize(out.size() - z_.avail_out);
      if (z_.avail_out != 0) break;
    } while (true);
  }
  z_stream z_{};
};

class ZstdEncoder final : public Encoder {
 public:
  ZstdEncoder() : z_(ZSTD_createCCtx()) {
    BW_CHECK(z_ != nullptr);
    ZSTD_CCtx_setParameter(z_, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(z_, ZSTD_c_windowLog, 20);  // browsers take up to 23; ours need less
  }
  ZstdEncoder(const ZstdEncoder&) = delete;
  ~ZstdEncoder() override { ZSTD_freeCCtx(z_); }

  void Add(std::string_view bytes, bool flush, std::string& out) override {
    Run(bytes, flush ? ZSTD_e_flush : ZSTD_e_continue, out);
  }
  void Finish(std::string& out) override { Run({}, ZSTD_e_end, out); }

 private:
  void Run(std::string_view bytes, ZSTD_EndDirective mode, std::string& out) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      size_t at = out.size();
      out.resize(at + std::max<size_t>(bytes.size() / 3, 512));
      ZSTD_outBuffer to{out.data() + at, out.size() - at, 0};
      size_t left = ZSTD_compressStream2(z_, &to, &in, mode);
      BW_CHECK(!ZSTD_isError(left));
      out.resize(at + to.pos);
      if (mode == ZSTD_e_continue ? in.pos == in.size : left == 0) return;
    }
  }
  ZSTD_CCtx* z_;
};

Error Broken(std::string_view coding) {
  return Error(Code::kInvalid, "http.coding_broken", fmt::format("the body is no {}", coding));
}

Error TooBig(size_t max_bytes) {
  return Error(Code::kLimit, "http.too_big",
               fmt::format("the body has more than {} bytes", max_bytes));
}

Result<std::string> Gunzip(std::string_view in, size_t max_bytes) {
  z_stream z{};
  BW_CHECK(inflateInit2(&z, kGzipWindow) == Z_OK);
  std::string out;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  int code = Z_OK;
  size_t used = 0;
  for (;;) {
    if (used == out.size()) {
      if (used > max_bytes) break;
      out.resize(std::min(max_bytes + 1, std::max<size_t>(used * 2, in.size() * 3 + 64)));
    }
    z.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    z.avail_out = static_cast<uInt>(std::min<size_t>(out.size() - used, size_t{1} << 30));
    size_t room = z.avail_out;
    code = inflate(&z, Z_NO_FLUSH);
    used += room - z.avail_out;
    if (code == Z_STREAM_END && z.avail_in != 0) {  // another member (RFC 1952, 2.2)
      code = inflateReset(&z);
      continue;
    }
    if (code != Z_OK) break;
  }
  inflateEnd(&z);
  if (used > max_bytes) return TooBig(max_bytes);
  if (code != Z_STREAM_END) return Broken("gzip");
  out.resize(used);
  return out;
}

Result<std::string> Unzstd(std::string_view bytes, size_t max_bytes) {
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> z(ZSTD_createDCtx(), ZSTD_freeDCtx);
  BW_CHECK(z != nullptr);
  ZSTD_DCtx_setParameter(z.get(), ZSTD_d_windowLogMax, kZstdWindowLog);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::string out;
  size_t used = 0, left = 1;
  while (in.pos < in.size || (left != 0 && used == out.size())) {
    if (used == out.size()) {
      if (used > max_bytes) return TooBig(max_bytes);
      out.resize(std::min(max_bytes + 1, std::max<size_t>(used * 2, bytes.size() * 3 + 64)));
    }
    ZSTD_outBuffer to{out.data(), out.size(), used};
    left = ZSTD_decompressStream(z.get(), &to, &in);
    if (ZSTD_isError(left)) return Broken("zstd");
    bool stuck = to.pos == used && in.pos == in.size;
    used = to.pos;
    if (stuck) break;
  }
  if (used > max_bytes) return TooBig(max_bytes);
  if (left != 0) return Broken("zstd");
  out.resize(used);
  return out;
}

}  // namespace

Coding ChooseCoding(std::string_view accept_encoding) {
  double gzip = -1, zstd = -1, any = 0;
  for (std::string_view item : Split(accept_encoding, ',')) {
    auto parts = Cut(item, ";");
    std::string name = AsciiLower(Trim(parts ? parts->first : item));
    double q = 1;
    if (parts) {
      std::string_view weight = Trim(parts->second);
      if (weight.starts_with("q=") || weight.starts_with("Q=")) {
        q = std::strtod(std::string(weight.substr(2, 8)).c_str(), nullptr);
      }
    }
    if (name == "gzip" || name == "x-gzip") gzip = q;
    if (name == "zstd") zstd = q;
    if (name == "*") any = q;
  }
  if (gzip < 0) gzip = any;
  if (zstd < 0) zstd = any;
  if (zstd > 0 && zstd >= gzip) return Coding::kZstd;
  return gzip > 0 ? Coding::kGzip : Coding::kIdentity;
}

std::string_view CodingName(Coding coding) {
  switch (coding) {
    case Coding::kIdentity: return "identity";
    case Coding::kGzip: return "gzip";
    case Coding::kZstd: return "zstd";
  }
  BW_UNREACHABLE();
}

bool IsCompressible(std::string_view content_type) {
  auto parts = Cut(content_type, ";");
  std::string type = AsciiLower(Trim(parts ? parts->first : content_type));
  if (type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml")) return true;
  static constexpr std::string_view kTypes[] = {
      "application/json",   "application/javascript", "application/xml", "application/yaml",
      "application/x-yaml", "application/x-ndjson",   "image/svg+xml",   "application/wasm",
      "font/ttf",           "application/toml"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

std::unique_ptr<Encoder> MakeEncoder(Coding coding) {
  switch (coding) {
    case Coding::kIdentity: return nullptr;
    case Coding::kGzip: return std::make_unique<GzipEncoder>();
    case Coding::kZstd: return std::make_unique<ZstdEncoder>();
  }
  BW_UNREACHABLE();
}

std::string Compress(Coding coding, std::string_view body) {
  std::string out;
  if (coding == Coding::kIdentity) {
    out = body;
  } else if (coding == Coding::kGzip) {
    thread_local GzipEncoder encoder;
    encoder.Reset();
    out.reserve(body.size() / 3 + 512);
    encoder.Add(body, false, out);
    encoder.Finish(out);
  } else {
    struct Context {
      ~Context() { ZSTD_freeCCtx(z); }
      ZSTD_CCtx* z = ZSTD_createCCtx();
    };
    thread_local Context context;
    BW_CHECK(context.z != nullptr);
    out.resize(ZSTD_compressBound(body.size()));
    size_t size =
        ZSTD_compressCCtx(context.z, out.data(), out.size(), body.data(), body.size(), kZstdLevel);
    BW_CHECK(!ZSTD_isError(size));
    out.resize(size);
  }
  return out;
}

Result<std::string> DecodeBody(std::string_view coding, std::string body, size_t max_bytes) {
  std::string name = AsciiLower(Trim(coding));
  if (name.empty() || name == "identity") return body;
  if (name == "gzip" || name == "x-gzip") return Gunzip(body, max_bytes);
  if (name == "zstd") return Unzstd(body, max_bytes);
  return Error(Code::kUnsupported, "http.coding",
               fmt::format("Content-Encoding {} is not known; gzip and zstd are", Quote(name)));
}

}  // namespace bulwark::net
