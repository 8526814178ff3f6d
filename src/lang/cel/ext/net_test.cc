#include "lang/cel/ext/net.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Net, AnswersAsKubernetes) { ExpectAnswers("net.txt", *EnvWith({&Ip(), &Cidr()})); }

TEST(Net, MappedAddressesDifferByDialect) {
  EXPECT_FALSE(Try(*EnvWith({&Ip(), &Cidr()}), "ip('::ffff:c0a8:1')").ok());
  std::shared_ptr<const Env> spec = EnvWith({&Network()});
  ExpectAllTrue(*spec, {"ip('::ffff:c0a8:1') == ip('192.168.0.1')",
                        "string(ip('::ffff:c0a8:1')) == '192.168.0.1'"});
  ExpectErrors(*spec, {{"ip('::ffff:192.168.0.1')", "IPv4-mapped IPv6 address is not allowed"},
                       {"ip('fe80::1%en0')", "IP Address with zone value is not allowed"},
                       {"cidr('fe80::1%en0/24')", "CIDR with zone value is not allowed"}});
}

TEST(Net, ValuesHashAsTheyCompare) {
  IpValue a(Address::Parse("2001:DB8::1")->address);
  IpValue b(Address::Parse("2001:db8:0::1")->address);
  EXPECT_TRUE(a.Equals(b));
  EXPECT_EQ(a.Hash(), b.Hash());
  CidrValue c(*Prefix::Parse("10.0.0.1/8"));
  CidrValue d(*Prefix::Parse("10.0.0.0/8"));
  EXPECT_FALSE(c.Equals(d));
  EXPECT_FALSE(a.Equals(c));
  // The same bits in the other family are another address.
  EXPECT_FALSE(
      IpValue(Address::Parse("0.0.0.1")->address).Equals(IpValue(Address::Parse("::1")->address)));
}

}  // namespace
}  // namespace bulwark::cel::ext
