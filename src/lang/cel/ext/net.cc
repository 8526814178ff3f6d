#include "lang/cel/ext/net.h"

#include "base/hash.h"
#include "base/text.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {

bool IpValue::Equals(const Opaque& other) const {
  return other.tag() == kExtensionTag && other.TypeName() == kTypeName &&
         static_cast<const IpValue&>(other).address_ == address_;
}

uint64_t IpValue::Hash() const {
  const auto& bytes = address_.bytes();
  return XxHash64({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, address_.is4());
}

bool CidrValue::Equals(const Opaque& other) const {
  return other.tag() == kExtensionTag && other.TypeName() == kTypeName &&
         static_cast<const CidrValue&>(other).prefix_ == prefix_;
}

uint64_t CidrValue::Hash() const {
  return IpValue(prefix_.address).Hash() * 131 + static_cast<uint64_t>(prefix_.bits);
}

namespace {

// An address or range in one of the dialects, or the text of an error.

struct Kubernetes {
  static Result<Address> ParseIp(std::string_view text) {
    Result<Address::Parsed> parsed = Address::Parse(text);
    auto fail = [](std::string message) { return Error(Code::kInvalid, std::move(message)); };
    if (!parsed) {
      return fail("IP Address " + Quote(text) +
                  " parse error during conversion from string: " + parsed.error().message());
    }
    if (!parsed->zone.empty()) {
      return fail("IP address " + Quote(text) + " with zone value is not allowed");
    }
    if (parsed->address.Is4In6()) {
      return fail("IPv4-mapped IPv6 address " + Quote(text) + " is not allowed");
    }
    return parsed->address;
  }

  static Result<Prefix> ParseCidr(std::string_view text) {
    // Twice, as the original says it.
    constexpr char kDoing[] = "network address parse error during conversion from string: ";
    Result<Prefix> parsed = Prefix::Parse(text);
    if (!parsed) {
      return Error(Code::kInvalid, std::string(kDoing) + kDoing + parsed.error().message());
    }
    if (parsed->address.Is4In6()) {
      return Error(Code::kInvalid, std::string(kDoing) + "IPv4-mapped IPv6 address " + Quote(text) +
                                       " is not allowed");
    }
    return *parsed;
  }
};

struct Specification {
  static Result<Address> ParseIp(std::string_view text) {
    Result<Address::Parsed> parsed = Address::Parse(text);
    if (!parsed) {
      return Error(Code::kInvalid, "IP Address '" + std::string(text) +
                                       "' parse error during conversion from string");
    }
    if (!parsed->zone.empty()) {
      return Error(Code::kInvalid, "IP Address with zone value is not allowed");
    }
    if (parsed->address.Is4In6() && text.contains('.')) {
      return Error(Code::kInvalid, "IPv4-mapped IPv6 address is not allowed");
    }
    return parsed->address.Unmapped();
  }

  static Result<Prefix> ParseCidr(std::string_view text) {
    if (text.contains('%')) {
      return Error(Code::kInvalid, "CIDR with zone value is not allowed");
    }
    Result<Prefix> parsed = Prefix::Parse(text);
    if (!parsed) {
      return Error(Code::kInvalid, "network address parse error during conversion from string");
    }
    if (parsed->address.Is4In6()) {
      return Error(Code::kInvalid, "IPv4-mapped IPv6 address is not allowed");
    }
    return *parsed;
  }
};

Value Make(CallContext& ctx, const Address& a) {
  return Value::FromOpaque(ctx.arena.New<IpValue>(a));
}
Value Make(CallContext& ctx, const Prefix& p) {
  return Value::FromOpaque(ctx.arena.New<CidrValue>(p));
}

template <typename Dialect>
Value ToIp(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  Result<Address> address = Dialect::ParseIp(args[0].AsString());
  if (!address) return ctx.Error(address.error().message());
  return Make(ctx, *address);
}

template <typename Dialect>
Value IsIp(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  return Value::Bool(Dialect::ParseIp(args[0].AsString()).has_value());
}

template <typename Dialect>
Value IsCanonical(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  Result<Address> address = Dialect::ParseIp(args[0].AsString());
  if (!address) return ctx.Error(address.error().message());
  return Value::Bool(address->ToString() == args[0].AsString());
}

template <typename Dialect>
Value ToCidr(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  Result<Prefix> prefix = Dialect::ParseCidr(args[0].AsString());
  if (!prefix) return ctx.Error(prefix.error().message());
  return Make(ctx, *prefix);
}

template <typename Dialect>
Value IsCidr(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  return Value::Bool(Dialect::ParseCidr(args[0].AsString()).has_value());
}

template <typename T>
Value ToText(CallContext& ctx, std::span<const Value> args) {
  const T* value = args.size() == 1 ? As<T>(args[0]) : nullptr;
  if (value == nullptr) return NoSuchOverload(ctx);
  return Value::String(ctx.arena, value->ToString());
}

Value Family(CallContext& ctx, std::span<const Value> args) {
  const IpValue* ip = args.size() == 1 ? As<IpValue>(args[0]) : nullptr;
  if (ip == nullptr) return NoSuchOverload(ctx);
  return Value::Int(ip->address().is4() ? 4 : 6);
}

template <bool (Address::*kTest)() const>
Value Test(CallContext& ctx, std::span<const Value> args) {
  const IpValue* ip = args.size() == 1 ? As<IpValue>(args[0]) : nullptr;
  if (ip == nullptr) return NoSuchOverload(ctx);
  return Value::Bool((ip->address().*kTest)());
}

template <typename Dialect>
Value ContainsIp(CallContext& ctx, std::span<const Value> args) {
  const CidrValue* cidr = args.size() == 2 ? As<CidrValue>(args[0]) : nullptr;
  if (cidr == nullptr) return NoSuchOverload(ctx);
  if (args[1].IsString()) {
    Result<Address> address = Dialect::ParseIp(args[1].AsString());
    if (!address) return ctx.Error(address.error().message());
    return Value::Bool(cidr->prefix().Contains(*address));
  }
  const IpValue* ip = As<IpValue>(args[1]);
  if (ip == nullptr) return NoSuchOverload(ctx);
  return Value::Bool(cidr->prefix().Contains(ip->address()));
}

bool Covers(const Prefix& a, const Prefix& b) { return a.Overlaps(b) && a.bits <= b.bits; }

template <typename Dialect>
Value ContainsCidr(CallContext& ctx, std::span<const Value> args) {
  const CidrValue* cidr = args.size() == 2 ? As<CidrValue>(args[0]) : nullptr;
  if (cidr == nullptr) return NoSuchOverload(ctx);
  if (args[1].IsString()) {
    Result<Prefix> other = Dialect::ParseCidr(args[1].AsString());
    if (!other) return ctx.Error(other.error().message());
    return Value::Bool(Covers(cidr->prefix(), *other));
  }
  const CidrValue* other = As<CidrValue>(args[1]);
  if (other == nullptr) return NoSuchOverload(ctx);
  return Value::Bool(Covers(cidr->prefix(), other->prefix()));
}

Value CidrIp(CallContext& ctx, std::span<const Value> args) {
  const CidrValue* cidr = args.size() == 1 ? As<CidrValue>(args[0]) : nullptr;
  if (cidr == nullptr) return NoSuchOverload(ctx);
  return Make(ctx, cidr->prefix().address);
}

Value Masked(CallContext& ctx, std::span<const Value> args) {
  const CidrValue* cidr = args.size() == 1 ? As<CidrValue>(args[0]) : nullptr;
  if (cidr == nullptr) return NoSuchOverload(ctx);
  return Make(ctx, cidr->prefix().Masked());
}

Value PrefixLength(CallContext& ctx, std::span<const Value> args) {
  const CidrValue* cidr = args.size() == 1 ? As<CidrValue>(args[0]) : nullptr;
  if (cidr == nullptr) return NoSuchOverload(ctx);
  return Value::Int(cidr->bits());
}

// --- Costs ---------------------------------------------------------------------------------------

constexpr Range kAddressBytes = {4, 16};

// Two comparisons of addresses; the text of the other side is parsed first.
template <bool kText>
constexpr Cost kContainsIp = {
    [](std::span<const Value> args, const Value&) {
      uint64_t cost = Scale(2 * SizeOf(args[0]), kStringFactor);
      return kText ? SaturatingAdd(cost, Scale(SizeOf(args[1]), kStringFactor)) : cost;
    },
    [](CostContext& ctx, const Expr*,
       std::span<const Expr* const> args) -> std::optional<CallEstimate> {
      if (args.empty()) return std::nullopt;
      Range cost = MultiplyByFactor(kAddressBytes + kAddressBytes, kStringFactor);
      if (kText) cost = cost + MultiplyByFactor(ctx.SizeOf(args[0]), kStringFactor);
      return CallEstimate{cost, std::nullopt};
    }};

// That, masking, and comparing the lengths.
template <bool kText>
constexpr Cost kContainsCidr = {
    [](std::span<const Value> args, const Value&) {
      uint64_t size = SizeOf(args[0]);
      uint64_t cost = Scale(2 * size, kStringFactor) + Scale(size, kStringFactor) + 1;
      return kText ? SaturatingAdd(cost, Scale(SizeOf(args[1]), kStringFactor)) : cost;
    },
    [](CostContext& ctx, const Expr*,
       std::span<const Expr* const> args) -> std::optional<CallEstimate> {
      if (args.empty()) return std::nullopt;
      Range cost = MultiplyByFactor(kAddressBytes + kAddressBytes, kStringFactor) +
                   MultiplyByFactor(kAddressBytes, kStringFactor) + Range{1, 1};
      if (kText) cost = cost + MultiplyByFactor(ctx.SizeOf(args[0]), kStringFactor);
      return CallEstimate{cost, std::nullopt};
    }};

Type IpType() {
  static const Type kType = OpaqueNamed(IpValue::kTypeName);
  return kType;
}
Type CidrType() {
  static const Type kType = OpaqueNamed(CidrValue::kTypeName);
  return kType;
}

template <typename Dialect>
std::vector<FunctionDecl> IpFunctions() {
  const Type b = Type::Bool();
  const Type i = Type::Int();
  const Type s = Type::String();
  const Type ip = IpType();
  return {
      {"ip", {Global("string_to_ip", {s}, ip, ToIp<Dialect>, kTraversal)}},
      {"isIP", {Global("is_ip", {s}, b, IsIp<Dialect>, kTraversal)}},
      {"ip.isCanonical", {Global("ip_is_canonical", {s}, b, IsCanonical<Dialect>, kTwoTraversals)}},
      {"string", {Global("ip_to_string", {ip}, s, ToText<IpValue>)}},
      {"family", {Member("ip_family", {ip}, i, Family)}},
      {"isUnspecified", {Member("ip_is_unspecified", {ip}, b, Test<&Address::IsUnspecified>)}},
      {"isLoopback", {Member("ip_is_loopback", {ip}, b, Test<&Address::IsLoopback>)}},
      {"isLinkLocalMulticast",
       {Member("ip_is_link_local_multicast", {ip}, b, Test<&Address::IsLinkLocalMulticast>)}},
      {"isLinkLocalUnicast",
       {Member("ip_is_link_local_unicast", {ip}, b, Test<&Address::IsLinkLocalUnicast>)}},
      {"isGlobalUnicast",
       {Member("ip_is_global_unicast", {ip}, b, Test<&Address::IsGlobalUnicast>)}},
  };
}

template <typename Dialect>
std::vector<FunctionDecl> CidrFunctions() {
  const Type b = Type::Bool();
  const Type i = Type::Int();
  const Type s = Type::String();
  const Type ip = IpType();
  const Type cidr = CidrType();
  return {
      {"cidr", {Global("string_to_cidr", {s}, cidr, ToCidr<Dialect>, kTraversal)}},
      {"isCIDR", {Global("is_cidr", {s}, b, IsCidr<Dialect>, kTraversal)}},
      {"string", {Global("cidr_to_string", {cidr}, s, ToText<CidrValue>)}},
      {"ip", {Member("cidr_ip", {cidr}, ip, CidrIp)}},
      {"masked", {Member("cidr_masked", {cidr}, cidr, Masked)}},
      {"prefixLength", {Member("cidr_prefix_length", {cidr}, i, PrefixLength)}},
      {"containsIP",
       {Member("cidr_contains_ip_string", {cidr, s}, b, ContainsIp<Dialect>, kContainsIp<true>),
        Member("cidr_contains_ip_ip", {cidr, ip}, b, ContainsIp<Dialect>, kContainsIp<false>)}},
      {"containsCIDR",
       {Member("cidr_contains_cidr_string", {cidr, s}, b, ContainsCidr<Dialect>,
               kContainsCidr<true>),
        Member("cidr_contains_cidr", {cidr, cidr}, b, ContainsCidr<Dialect>,
               kContainsCidr<false>)}},
  };
}

}  // namespace

const Library& Ip() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "kubernetes.net.ip";
    lib.functions = IpFunctions<Kubernetes>();
    lib.types = {{IpValue::kTypeName, IpType()}};
    return lib;
  }();
  return kLibrary;
}

const Library& Cidr() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "kubernetes.net.cidr";
    lib.functions = CidrFunctions<Kubernetes>();
    lib.types = {{CidrValue::kTypeName, CidrType()}};
    return lib;
  }();
  return kLibrary;
}

const Library& Network() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "cel.lib.ext.network";
    lib.functions = IpFunctions<Specification>();
    for (FunctionDecl& function : CidrFunctions<Specification>()) {
      lib.functions.push_back(std::move(function));
    }
    lib.types = {{IpValue::kTypeName, IpType()}, {CidrValue::kTypeName, CidrType()}};
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
