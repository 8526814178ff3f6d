#pragma once

// IP addresses and prefixes exactly as Go's net/netip reads, writes and classifies them, which is
// what Kubernetes' CEL functions promise. Values; no I/O.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::cel::ext {

class Address {
 public:
  // The zone of "fe80::1%eth0" is returned beside it. Error messages are netip.ParseAddr's.
  struct Parsed;
  static Result<Parsed> Parse(std::string_view text);
  static Address V4(const std::array<uint8_t, 4>& bytes);
  static Address V6(const std::array<uint8_t, 16>& bytes);

  bool is4() const { return is4_; }
  // ::ffff:a.b.c.d
  bool Is4In6() const;
  // As an IPv4 address, if it is one in IPv6's form.
  Address Unmapped() const;
  bool IsUnspecified() const;
  bool IsLoopback() const;
  bool IsMulticast() const;
  bool IsLinkLocalMulticast() const;
  bool IsLinkLocalUnicast() const;
  bool IsGlobalUnicast() const;
  std::string ToString() const;
  int bit_length() const { return is4_ ? 32 : 128; }
  // The network's address: all but the first `bits` set to zero.
  Address Masked(int bits) const;
  // IPv4 in the last four.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  friend bool operator==(const Address&, const Address&) = default;

 private:
  uint8_t First(int i) const { return bytes_[(is4_ ? 12 : 0) + i]; }
  std::array<uint8_t, 16> bytes_{};
  bool is4_ = false;
};

struct Address::Parsed {
  Address address;
  std::string_view zone;
};

struct Prefix {
  Address address;
  int bits = 0;

  // Error messages are netip.ParsePrefix's.
  static Result<Prefix> Parse(std::string_view text);
  Prefix Masked() const { return {address.Masked(bits), bits}; }
  // Never true for addresses of the other family.
  bool Contains(const Address& other) const;
  bool Overlaps(const Prefix& other) const;
  std::string ToString() const { return address.ToString() + "/" + std::to_string(bits); }
  friend bool operator==(const Prefix&, const Prefix&) = default;
};

}  // namespace bulwark::cel::ext
