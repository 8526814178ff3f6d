#pragma once

// Where outgoing requests that settings name (notifiers, webhooks, log stores) may go. Judged is
// the address that is connected to, after names were resolved and for each redirect, so that
// neither a name that points inside nor one that changes its answer gets past.
//
//   HttpClient client({.guard = std::make_shared<UrlGuard>(BW_TRY(UrlGuard::Make({}))) });
//
// Refused: unspecified, loopback, link-local (with the clouds' metadata services at
// 169.254.169.254 and fd00:ec2::254, and 100.100.100.200, 168.63.129.16, 192.0.0.192), multicast,
// broadcast, reserved (240/4), and IPv6 addresses that embed such an IPv4 address: mapped,
// compatible, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), 6to4, Teredo, ISATAP. Private addresses
// (10/8, fc00::/7 …) are where such services usually stand, and are allowed. Immutable.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sockaddr;

namespace bulwark::net {

// An IPv4 or IPv6 address, without a zone.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // IPv4: the first four
  bool v6 = false;

  // "10.0.0.1", "::1", "fe80::1%eth0" (the zone is dropped); nothing for anything else: octal,
  // hexadecimal and short forms are no addresses.
  static std::optional<IpAddress> Parse(std::string_view text);
  static std::optional<IpAddress> Of(const sockaddr* address);
  std::string ToString() const;
  // The IPv4 address of ::ffff:a.b.c.d, else itself.
  IpAddress Unmapped() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// "10.0.0.0/8", or one address.
struct IpRange {
  IpAddress base;
  int bits = 0;
  static Result<IpRange> Parse(std::string_view text);
  // A mapped IPv4 address counts as IPv4.
  bool Contains(const IpAddress& address) const;
};

struct UrlGuardOptions {
  // Ranges that are reachable all the same ("127.0.0.1", "169.254.10.0/24").
  std::vector<std::string> allow;
};

class UrlGuard {
 public:
  // An error: url_guard.range (kInvalid).
  static Result<UrlGuard> Make(const UrlGuardOptions& options);

  // What the address is that makes it forbidden ("loopback"), "" if it is allowed.
  std::string_view Forbidden(const IpAddress& address) const;
  // For a URL's host where it is written as an address, so that settings are refused when they are
  // made and not when they are used: url_guard.forbidden (kDenied). Names pass.
  Result<> CheckUrl(std::string_view url) const;

 private:
  std::vector<IpRange> allow_;
};

}  // namespace bulwark::net
