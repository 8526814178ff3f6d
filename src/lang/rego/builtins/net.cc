// Networks: IPv4 and IPv6 as Go's package net has them. An address that maps an IPv4 one into IPv6
// (::ffff:1.2.3.4) is that IPv4 address.

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr Uint128 kMapped = Uint128{0xffff} << 32;

struct Address {
  Uint128 bits = 0;  // of IPv4 the low 32
  bool v4 = false;

  int width() const { return v4 ? 32 : 128; }
  // Among all addresses: IPv4 stands where IPv6 maps it.
  Uint128 place() const { return v4 ? bits | kMapped : bits; }
  friend bool operator==(const Address&, const Address&) = default;
};

struct Network {
  Address first;  // of a network that was parsed: with no bits past the prefix
  int prefix = 0;

  Uint128 HostMask() const {
    int bits = first.width() - prefix;
    return bits >= 128 ? ~Uint128{0} : (Uint128{1} << bits) - 1;
  }
  bool Contains(const Address& address) const {
    return address.v4 == first.v4 && ((address.bits ^ first.bits) & ~HostMask()) == 0;
  }
  Address Last() const { return {first.bits | HostMask(), first.v4}; }
};

// `as_written`: a mapped address stays an IPv6 one.
std::optional<Address> ParseAddress(std::string_view text, bool as_written = false) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated || text.find('\0') != text.npos) return std::nullopt;
  terminated[text.copy(terminated, text.size())] = '\0';
  uint8_t bytes[16];
  bool v4 = text.find(':') == text.npos;
  if (inet_pton(v4 ? AF_INET : AF_INET6, terminated, bytes) != 1) return std::nullopt;
  Address out{0, v4};
  for (int i = 0; i < (v4 ? 4 : 16); ++i) out.bits = out.bits << 8 | bytes[i];
  if (!v4 && !as_written && out.bits >> 32 == kMapped >> 32) {
    out = {out.bits & 0xffffffffU, true};
  }
  return out;
}

std::optional<Network> ParseNetwork(std::string_view text) {
  auto cut = Cut(text, "/");
  if (!cut) return std::nullopt;
  std::optional<Address> address = ParseAddress(cut->first, true);
  if (!address) return std::nullopt;
  std::string_view digits = cut->second;
  if (digits.empty() || !std::ranges::all_of(digits, IsAsciiDigit)) return std::nullopt;
  int prefix = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (error != std::errc() || prefix > address->width()) return std::nullopt;
  Network out{*address, prefix};
  out.first.bits &= ~out.HostMask();
  if (!out.first.v4 && prefix >= 96 && out.first.bits >> 32 == kMapped >> 32) {
    out = {{out.first.bits & 0xffffffffU, true}, prefix - 96};
  }
  return out;
}

std::string ToText(const Address& address) {
  uint8_t bytes[16];
  int count = address.v4 ? 4 : 16;
  for (int i = 0; i < count; ++i) {
    bytes[i] = static_cast<uint8_t>(address.bits >> (8 * (count - 1 - i)));
  }
  std::string out;
  if (address.v4) {
    for (int i = 0; i < 4; ++i) {
      if (i > 0) out += '.';
      out += std::to_string(bytes[i]);
    }
    return out;
  }
  // RFC 5952: the longest run of zeros, of two groups at least, as "::".
  uint16_t groups[8];
  for (int i = 0; i < 8; ++i) {
    groups[i] = static_cast<uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
  int best = -1;
  int best_length = 1;
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = std::max(end, i + 1);
  }
  for (int i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && !out.ends_with(':')) out += ':';
    char hex[8];
    auto [end, error] = std::to_chars(hex, hex + sizeof hex, groups[i], 16);
    out.append(hex, end);
  }
  return out;
}

std::string ToText(const Network& network) {
  return ToText(network.first) + "/" + std::to_string(network.prefix);
}

// OPA names operand 1 whichever it is.
bool NetworkArgument(Context& c, const Value& value, Network& out) {
  if (!value.IsString()) {
    c.WrongType(1, value, "string");
    return false;
  }
  std::optional<Network> network = ParseNetwork(value.AsString());
  if (!network) {
    c.Fail("invalid CIDR address: " + std::string(value.AsString()));
    return false;
  }
  out = *network;
  return true;
}

// Whether a network holds an address or all of another network. False: the context has the error.
bool Holds(Context& c, const Network& network, const Value& what, bool& out) {
  if (!what.IsString()) {
    c.WrongType(1, what, "string");
    return false;
  }
  if (std::optional<Address> address = ParseAddress(what.AsString())) {
    out = network.Contains(*address);
    return true;
  }
  std::optional<Network> other = ParseNetwork(what.AsString());
  if (!other) {
    c.Fail("not a valid textual representation of an IP address or CIDR: " +
           std::string(what.AsString()));
    return false;
  }
  out = network.Contains(other->first) && network.Contains(other->Last());
  return true;
}

Outcome CidrContains(Context& c, Args args, Value& out) {
  Network network;
  bool holds = false;
  if (!NetworkArgument(c, args[0], network)) return Outcome::kError;
  if (!Holds(c, network, args[1], holds)) return Outcome::kError;
  return Give(out, holds);
}

Outcome CidrIntersects(Context& c, Args args, Value& out) {
  Network a;
  Network b;
  if (!NetworkArgument(c, args[0], a) || !NetworkArgument(c, args[1], b)) return Outcome::kError;
  return Give(out, a.Contains(b.first) || b.Contains(a.first));
}

Outcome CidrIsValid(Context& /*c*/, Args args, Value& out) {
  return Give(out, args[0].IsString() && ParseNetwork(args[0].AsString()).has_value());
}

// --- net.cidr_contains_matches -------------------------------------------------------------------

struct Indexed {
  Value text;   // what should be an address or a network
  Value index;  // how the answer names it
};

// A string, or a collection of strings and of arrays that begin with one.
bool IndexedArgument(Context& c, size_t operand, const Value& value, std::vector<Indexed>& out) {
  auto add = [&](const Value& item, const Value& index) {
    if (item.IsString()) {
      out.push_back({item, index});
    } else if (item.IsArray() && !item.empty()) {
      out.push_back({item.items()[0], index});
    } else {
      c.Fail("operand " + std::to_string(operand) + ": element must be string or non-empty array");
      return false;
    }
    return true;
  };
  if (value.IsString()) return add(value, value);
  if (value.IsMap()) {
    return std::ranges::all_of(SortedEntries(value, c.arena), [&](const Value::Entry& entry) {
      return add(entry.value, entry.key);
    });
  }
  int64_t i = 0;
  return std::ranges::all_of(value.items(), [&](const Value& item) {
    return add(item, value.IsArray() ? Value::Int(i++) : item);
  });
}

Outcome CidrContainsMatches(Context& c, Args args, Value& out) {
  std::vector<Indexed> networks;
  std::vector<Indexed> others;
  if (!IndexedArgument(c, 1, args[0], networks)) return Outcome::kError;
  if (!networks.empty() && !IndexedArgument(c, 2, args[1], others)) return Outcome::kError;
  std::vector<Value> found;
  for (const Indexed& one : networks) {
    if (others.empty()) break;
    Network network;
    if (!NetworkArgument(c, one.text, network)) return Outcome::kError;
    if (!c.Spend(others.size())) return Outcome::kHalt;
    for (const Indexed& other : others) {
      bool holds = false;
      if (!Holds(c, network, other.text, holds)) return Outcome::kError;
      if (!holds) continue;
      const Value pair[] = {one.index, other.index};
      found.push_back(Value::Array(c.arena, pair));
    }
  }
  return Give(out, Value::Set(c.arena, found));
}

// --- net.cidr_expand -----------------------------------------------------------------------------

constexpr uint64_t kMostAddresses = uint64_t{1} << 24;

Outcome CidrExpand(Context& c, Args args, Value& out) {
  Network network;
  if (!NetworkArgument(c, args[0], network)) return Outcome::kError;
  Uint128 hosts = network.HostMask();
  bool fits = hosts < kMostAddresses;
  uint64_t count = fits ? static_cast<uint64_t>(hosts) + 1 : 0;
  if (fits && !c.Spend(count * 4)) return Outcome::kHalt;
  if (!fits) {
    c.error_code = "eval_cancel_error";
    c.error = "timed out before generating all IP addresses";
    return Outcome::kHalt;
  }
  std::vector<Value> all;
  all.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    Address address{network.first.bits + i, network.first.v4};
    all.push_back(Value::String(c.arena, ToText(address)));
  }
  return Give(out, Value::Set(c.arena, all));
}

// --- net.cidr_merge ------------------------------------------------------------------------------

struct Range {
  Uint128 first = 0, last = 0;   // places
  std::optional<Network> whole;  // what it was given as, while nothing was merged into it
};

bool MergeArgument(Context& c, const Value& item, std::vector<Range>& out) {
  if (!item.IsString()) {
    c.Fail("element must be string");
    return false;
  }
  std::string_view text = item.AsString();
  Network network;
  if (std::optional<Address> address = ParseAddress(text)) {
    if (!address->v4) {
      c.Fail("IPv6 invalid: needs prefix length");
      return false;
    }
    // A bare address stands for the network of its class.
    auto top = static_cast<uint32_t>(address->bits >> 24);
    network = {*address, top < 0x80 ? 8 : (top < 0xc0 ? 16 : 24)};
  } else if (std::optional<Network> parsed = ParseNetwork(text)) {
    network = *parsed;
  } else {
    c.Fail("invalid CIDR address: " + std::string(text));
    return false;
  }
  Address first{network.first.bits & ~network.HostMask(), network.first.v4};
  out.push_back({first.place(), network.Last().place(), network});
  return true;
}

// The fewest networks that make up a range.
void AddNetworks(Context& c, Range range, std::vector<Value>& out) {
  bool v4 = range.first >> 32 == kMapped >> 32;
  int width = v4 ? 32 : 128;
  while (true) {
    Uint128 first = v4 ? range.first & 0xffffffffU : range.first;
    // As large as the first address is aligned for, and as fits.
    int bits = 0;
    while (bits < width && (first >> bits & 1) == 0) {
      Uint128 size_less_one = bits + 1 >= 128 ? ~Uint128{0} : (Uint128{1} << (bits + 1)) - 1;
      if (size_less_one > range.last - range.first) break;
      ++bits;
    }
    out.push_back(Value::String(c.arena, ToText(Network{{first, v4}, width - bits})));
    Uint128 end = range.first + (bits >= 128 ? ~Uint128{0} : (Uint128{1} << bits) - 1);
    if (end >= range.last) return;
    range.first = end + 1;
  }
}

Outcome CidrMerge(Context& c, Args args, Value& out) {
  if (!args[0].IsArray() && !args[0].IsSet()) return c.Fail("operand must be an array");
  if (!c.Spend(args[0].size() * 4)) return Outcome::kHalt;
  std::vector<Range> ranges;
  for (const Value& item : args[0].items()) {
    if (!MergeArgument(c, item, ranges)) return Outcome::kError;
  }
  std::ranges::sort(ranges, [](const Range& a, const Range& b) {
    return a.last != b.last ? a.last < b.last : a.first < b.first;
  });
  // From the last down: one that overlaps the one before it, or begins right behind it, becomes one
  // with it. The first address of IPv4 has none before it.
  std::vector<Range> merged;
  for (size_t i = ranges.size(); i-- > 0;) {
    Range& range = ranges[i];
    bool none_before = range.first == 0 || range.first == kMapped;
    Uint128 before = none_before ? range.first : range.first - 1;
    if (i > 0 && before <= ranges[i - 1].last) {
      ranges[i - 1] = {std::min(ranges[i - 1].first, range.first), range.last, std::nullopt};
    } else {
      merged.push_back(range);
    }
  }
  std::vector<Value> texts;
  for (const Range& range : merged) {
    if (range.whole) {
      texts.push_back(Value::String(c.arena, ToText(*range.whole)));
    } else {
      AddNetworks(c, range, texts);
    }
  }
  return Give(out, Value::Set(c.arena, texts));
}

constexpr Builtin kBuiltins[] = {
    {"net.cidr_contains", "(cidr: string, cidr_or_ip: string) -> boolean", CidrContains},
    {"net.cidr_contains_matches",
     "(cidrs: string | array[string | array[any]] | object[string: string | array[any]] | "
     "set[string | array[any]], cidrs_or_ips: string | array[string | array[any]] | object[string: "
     "string | array[any]] | set[string | array[any]]) -> set[array<any, any>]",
     CidrContainsMatches},
    {"net.cidr_expand", "(cidr: string) -> set[string]", CidrExpand},
    {"net.cidr_intersects", "(cidr1: string, cidr2: string) -> boolean", CidrIntersects},
    {"net.cidr_is_valid", "(cidr: string) -> boolean", CidrIsValid},
    {"net.cidr_merge", "(addrs: array[string] | set[string]) -> set[string]", CidrMerge},
    Deprecated({"net.cidr_overlap", "(string, string) -> boolean", CidrContains}),
};

}  // namespace

std::span<const Builtin> NetBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
