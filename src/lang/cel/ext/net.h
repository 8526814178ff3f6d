#pragma once

// IP addresses and ranges in CEL: types net.IP and net.CIDR. Two dialects of the same functions:
//
//   Ip(), Cidr()   Kubernetes' (k8s.io/apiserver/pkg/cel/library/ip.go, cidr.go, v0.34):
//                  no IPv4-mapped IPv6 address is taken
//   Network()      the CEL specification's (network_ext of its tests, v0.25.3): both at once; an
//                  IPv4-mapped address is taken in hexadecimal, and is then the IPv4 address
//
// An environment has one or the other.

#include "lang/cel/ext/netip.h"
#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Ip();
const Library& Cidr();
const Library& Network();

class IpValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "net.IP";
  explicit IpValue(const Address& address) : Opaque(kExtensionTag), address_(address) {}
  std::string_view TypeName() const override { return kTypeName; }
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override;
  std::string ToString() const override { return address_.ToString(); }
  const Address& address() const { return address_; }

 private:
  Address address_;
};

class CidrValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "net.CIDR";
  explicit CidrValue(const Prefix& prefix) : Opaque(kExtensionTag), prefix_(prefix) {}
  std::string_view TypeName() const override { return kTypeName; }
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override;
  std::string ToString() const override { return prefix_.ToString(); }
  const Prefix& prefix() const { return prefix_; }
  int bits() const { return prefix_.bits; }

 private:
  Prefix prefix_;
};

}  // namespace bulwark::cel::ext
