#pragma once

// DER (X.690): reading, element by element, in place.
//
//   DerReader reader(der);
//   std::optional<DerReader> sequence = reader.Enter(kDerSequence);
//   std::optional<std::string_view> serial = sequence->Read(kDerInteger);
//
// Strict about lengths (definite, shortest form); tags above 30 are refused. A reader that failed
// to read stays where it was. Views into the text; nothing is copied.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace bulwark::crypto {

inline constexpr uint8_t kDerBoolean = 0x01;
inline constexpr uint8_t kDerInteger = 0x02;
inline constexpr uint8_t kDerBitString = 0x03;
inline constexpr uint8_t kDerOctetString = 0x04;
inline constexpr uint8_t kDerNull = 0x05;
inline constexpr uint8_t kDerObjectId = 0x06;
inline constexpr uint8_t kDerSequence = 0x30;
inline constexpr uint8_t kDerSet = 0x31;
inline constexpr uint8_t DerContext(uint8_t number, bool constructed = false) {
  return static_cast<uint8_t>(0x80 | (constructed ? 0x20 : 0) | number);
}

struct DerElement {
  uint8_t tag;
  std::string_view content;
  std::string_view whole;  // with tag and length
};

class DerReader {
 public:
  explicit DerReader(std::string_view der) : rest_(der) {}
  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  bool NextIs(uint8_t tag) const { return !rest_.empty() && static_cast<uint8_t>(rest_[0]) == tag; }
  std::optional<DerElement> ReadAny();
  std::optional<DerElement> ReadElement(uint8_t tag);
  // The content of an element with that tag.
  std::optional<std::string_view> Read(uint8_t tag);
  std::optional<DerReader> Enter(uint8_t tag);
  // The content of an INTEGER (shortest form): two's complement.
  std::optional<std::string_view> ReadInteger();
  // As above, of at most 63 bits.
  std::optional<int64_t> ReadSmallInteger(uint8_t tag = kDerInteger);
  std::optional<bool> ReadBoolean();
  struct Bits {
    std::string_view bytes;
    int unused = 0;  // of the last byte, from the right
    bool At(size_t bit) const {
      return bit / 8 < bytes.size() && (static_cast<uint8_t>(bytes[bit / 8]) >> (7 - bit % 8) & 1);
    }
  };
  std::optional<Bits> ReadBits();
  // {1, 2, 840, 113549}
  std::optional<std::vector<uint32_t>> ReadObjectId();

 private:
  std::string_view rest_;
};

// The parts of an OBJECT IDENTIFIER's content; nothing if it is malformed or a part has more than
// 31 bits.
std::optional<std::vector<uint32_t>> DecodeObjectId(std::string_view content);

}  // namespace bulwark::crypto
