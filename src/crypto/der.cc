#include "crypto/der.h"

namespace bulwark::crypto {

std::optional<DerElement> DerReader::ReadAny() {
  if (rest_.size() < 2) return std::nullopt;
  auto tag = static_cast<uint8_t>(rest_[0]);
  if ((tag & 0x1f) == 0x1f) return std::nullopt;
  size_t length = static_cast<uint8_t>(rest_[1]);
  size_t header = 2;
  if (length >= 0x80) {
    size_t bytes = length & 0x7f;
    if (bytes == 0 || bytes > 4 || rest_.size() < 2 + bytes) return std::nullopt;
    length = 0;
    for (size_t i = 0; i < bytes; ++i) length = length << 8 | static_cast<uint8_t>(rest_[2 + i]);
    // Only what does not fit the shorter form.
    if (length < 0x80 || length >> ((bytes - 1) * 8) == 0) return std::nullopt;
    header += bytes;
  }
  if (length > rest_.size() - header) return std::nullopt;
  DerElement element{.tag = tag,
                     .content = rest_.substr(header, length),
                     .whole = rest_.substr(0, header + length)};
  rest_.remove_prefix(header + length);
  return element;
}

std::optional<DerElement> DerReader::ReadElement(uint8_t tag) {
  if (!NextIs(tag)) return std::nullopt;
  return ReadAny();
}

std::optional<std::string_view> DerReader::Read(uint8_t tag) {
  std::optional<DerElement> element = ReadElement(tag);
  if (!element) return std::nullopt;
  return element->content;
}

std::optional<DerReader> DerReader::Enter(uint8_t tag) {
  std::optional<std::string_view> content = Read(tag);
  if (!content) return std::nullopt;
  return DerReader(*content);
}

namespace {

bool ShortestInteger(std::string_view content) {
  if (content.empty()) return false;
  if (content.size() == 1) return true;
  auto first = static_cast<uint8_t>(content[0]);
  bool high = (static_cast<uint8_t>(content[1]) & 0x80) != 0;
  return !(first == 0 && !high) && !(first == 0xff && high);
}

}  // namespace

std::optional<std::string_view> DerReader::ReadInteger() {
  DerReader before = *this;
  std::optional<std::string_view> content = Read(kDerInteger);
  if (content && ShortestInteger(*content)) return content;
  *this = before;
  return std::nullopt;
}

std::optional<int64_t> DerReader::ReadSmallInteger(uint8_t tag) {
  DerReader before = *this;
  std::optional<std::string_view> content = Read(tag);
  if (!content || !ShortestInteger(*content) || content->size() > 8) {
    *this = before;
    return std::nullopt;
  }
  uint64_t value = (static_cast<uint8_t>((*content)[0]) & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (char c : *content) value = value << 8 | static_cast<uint8_t>(c);
  return static_cast<int64_t>(value);
}

std::optional<bool> DerReader::ReadBoolean() {
  DerReader before = *this;
  std::optional<std::string_view> content = Read(kDerBoolean);
  if (content && content->size() == 1) {
    auto byte = static_cast<uint8_t>((*content)[0]);
    if (byte == 0 || byte == 0xff) return byte != 0;
  }
  *this = before;
  return std::nullopt;
}

std::optional<DerReader::Bits> DerReader::ReadBits() {
  DerReader before = *this;
  std::optional<std::string_view> content = Read(kDerBitString);
  if (content && !content->empty()) {
    int unused = static_cast<uint8_t>((*content)[0]);
    Bits bits{content->substr(1), unused};
    bool right = unused < 8 && (unused == 0 || !bits.bytes.empty()) &&
                 (bits.bytes.empty() ||
                  (static_cast<uint8_t>(bits.bytes.back()) & ((1 << unused) - 1)) == 0);
    if (right) return bits;
  }
  *this = before;
  return std::nullopt;
}

std::optional<std::vector<uint32_t>> DerReader::ReadObjectId() {
  DerReader before = *this;
  if (std::optional<std::string_view> content = Read(kDerObjectId)) {
    if (auto parts = DecodeObjectId(*content)) return parts;
  }
  *this = before;
  return std::nullopt;
}

std::optional<std::vector<uint32_t>> DecodeObjectId(std::string_view content) {
  if (content.empty() || content.size() > 1024) return std::nullopt;
  std::vector<uint32_t> parts;
  uint64_t value = 0;
  bool inside = false;
  for (char c : content) {
    auto byte = static_cast<uint8_t>(c);
    if (!inside && byte == 0x80) return std::nullopt;  // not the shortest form
    value = value << 7 | (byte & 0x7f);
    if (value > INT32_MAX) return std::nullopt;
    inside = (byte & 0x80) != 0;
    if (inside) continue;
    if (parts.empty()) {
      uint64_t first = value < 80 ? value / 40 : 2;
      parts.push_back(static_cast<uint32_t>(first));
      parts.push_back(static_cast<uint32_t>(value - first * 40));
    } else {
      parts.push_back(static_cast<uint32_t>(value));
    }
    value = 0;
  }
  if (inside) return std::nullopt;
  return parts;
}

}  // namespace bulwark::crypto
