#include "platform/store/event_codec.h"

#include <zdict.h>
#include <zstd.h>

#include "base/check.h"

namespace bulwark::store {
namespace {

constexpr int kLevel = 3;
constexpr size_t kMaxPacked = size_t{64} << 20;
constexpr size_t kDictionaryBytes = 32 << 10;

void AppendVarint(std::string& out, uint64_t number) {
  while (number >= 0x80) {
    out += static_cast<char>(number | 0x80);
    number >>= 7;
  }
  out += static_cast<char>(number);
}

bool ReadVarint(std::string_view& in, uint64_t& number) {
  number = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in[0]);
    in.remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ReadText(std::string_view& in, std::string_view& text) {
  uint64_t size = 0;
  if (!ReadVarint(in, size) || size > in.size()) return false;
  text = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

void AppendText(std::string& out, std::string_view text) {
  AppendVarint(out, text.size());
  out += text;
}

Error Corrupt() { return Error(Code::kInternal, "store.corrupt", "an event's body is damaged"); }

struct Contexts {
  ZSTD_CCtx* compress = ZSTD_createCCtx();
  ZSTD_DCtx* decompress = ZSTD_createDCtx();
  ~Contexts() {
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
  }
};
Contexts& ThisThread() {
  thread_local Contexts contexts;
  return contexts;
}

}  // namespace

std::string PackPayload(const Event& event) {
  std::string out;
  if (event.args.empty() && event.body.empty()) return out;
  AppendVarint(out, event.args.size());
  for (const auto& [name, value] : event.args) {
    AppendText(out, name);
    AppendText(out, value);
  }
  out += event.body;
  return out;
}

Result<> UnpackPayload(std::string_view packed, bool body, Event& event) {
  uint64_t count = 0;
  if (packed.empty()) return Ok();
  if (!ReadVarint(packed, count)) return Corrupt();
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view name, value;
    if (!ReadText(packed, name) || !ReadText(packed, value)) return Corrupt();
    event.args.emplace_back(name, value);
  }
  if (body) event.body = packed;
  return Ok();
}

struct PayloadCodec::Dictionary {
  ZSTD_CDict* compress;
  ZSTD_DDict* decompress;
  explicit Dictionary(std::string_view bytes)
      : compress(ZSTD_createCDict(bytes.data(), bytes.size(), kLevel)),
        decompress(ZSTD_createDDict(bytes.data(), bytes.size())) {}
  ~Dictionary() {
    ZSTD_freeCDict(compress);
    ZSTD_freeDDict(decompress);
  }
};

PayloadCodec::PayloadCodec() = default;
PayloadCodec::~PayloadCodec() = default;

bool PayloadCodec::Knows(int64_t id) const {
  const std::shared_lock lock(mutex_);
  return dictionaries_.contains(id);
}

void PayloadCodec::Add(int64_t id, std::string_view dictionary) {
  const std::unique_lock lock(mutex_);
  auto& slot = dictionaries_[id];
  if (slot == nullptr) slot = std::make_unique<Dictionary>(dictionary);
}

std::string PayloadCodec::Compress(std::string_view packed, int64_t dictionary) const {
  std::string out;
  if (packed.empty()) return out;
  const std::shared_lock lock(mutex_);
  const auto found = dictionaries_.find(dictionary);
  const Dictionary* with = found == dictionaries_.end() ? nullptr : found->second.get();
  AppendVarint(out, with == nullptr ? 0 : static_cast<uint64_t>(dictionary));
  const size_t header = out.size();
  out.resize(header + ZSTD_compressBound(packed.size()));
  ZSTD_CCtx* context = ThisThread().compress;
  const size_t size =
      with != nullptr ? ZSTD_compress_usingCDict(context, out.data() + header, out.size() - header,
                                                 packed.data(), packed.size(), with->compress)
                      : ZSTD_compressCCtx(context, out.data() + header, out.size() - header,
                                          packed.data(), packed.size(), kLevel);
  BW_CHECK(!ZSTD_isError(size));
  out.resize(header + size);
  return out;
}

Result<std::string> PayloadCodec::Decompress(std::string_view bytes, int64_t* missing) const {
  *missing = 0;
  if (bytes.empty()) return std::string();
  uint64_t id = 0;
  if (!ReadVarint(bytes, id)) return Corrupt();
  const std::shared_lock lock(mutex_);
  const auto found = dictionaries_.find(static_cast<int64_t>(id));
  if (id != 0 && found == dictionaries_.end()) {
    *missing = static_cast<int64_t>(id);
    return Corrupt();
  }
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMaxPacked) {
    return Corrupt();
  }
  std::string out(size, '\0');
  ZSTD_DCtx* context = ThisThread().decompress;
  const size_t got =
      id != 0 ? ZSTD_decompress_usingDDict(context, out.data(), out.size(), bytes.data(),
                                           bytes.size(), found->second->decompress)
              : ZSTD_decompressDCtx(context, out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) || got != size) return Corrupt();
  return out;
}

std::string PayloadCodec::Train(const std::vector<std::string>& samples) {
  std::string all;
  std::vector<size_t> sizes;
  for (const std::string& sample : samples) {
    if (sample.empty()) continue;
    all += sample.substr(0, 16 << 10);
    sizes.push_back(std::min<size_t>(sample.size(), 16 << 10));
  }
  std::string out(kDictionaryBytes, '\0');
  const size_t size = ZDICT_trainFromBuffer(out.data(), out.size(), all.data(), sizes.data(),
                                            static_cast<unsigned>(sizes.size()));
  if (ZDICT_isError(size)) return {};
  out.resize(size);
  return out;
}

}  // namespace bulwark::store
