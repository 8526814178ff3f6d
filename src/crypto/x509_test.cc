#include "crypto/x509.h"

#include <gtest/gtest.h>

namespace bulwark::crypto {
namespace {

using std::chrono::hours;

Timestamp At(std::string_view text) { return ParseRfc3339(text).value(); }

struct Authority {
  PrivateKey key = PrivateKey::Generate(KeyType::kEcP256);
  Certificate certificate =
      SelfSigned(key, {.subject = {.common_name = "Test CA", .organizations = {"Bulwark"}},
                       .not_before = At("2026-01-01T00:00:00Z"),
                       .not_after = At("2036-01-01T00:00:00Z"),
                       .ca = true})
          .value();
  Certificate Leaf(const PublicKey& subject, CertificateSpec spec) const {
    if (spec.not_before == Timestamp{}) spec.not_before = At("2026-01-01T00:00:00Z");
    if (spec.not_after == Timestamp{}) spec.not_after = At("2026-04-01T00:00:00Z");
    return Issue(certificate, key, subject, spec).value();
  }
};

const Timestamp kNow = At("2026-02-01T00:00:00Z");

TEST(X509, WhatIsPutInIsReadBack) {
  Authority ca;
  PrivateKey key = PrivateKey::Generate(KeyType::kEd25519);
  AltNames names{.dns = {"bulwark.example", "*.edge.example"},
                 .ips = {"10.0.0.1", "fd00::1"},
                 .uris = {"bulwark://c1/nodes/n1"},
                 .emails = {"a@example.com"}};
  Certificate made =
      ca.Leaf(key.Public(), {.subject = {.common_name = "节点 1", .organizations = {"a", "b"}},
                             .names = names,
                             .server = true});
  for (const Certificate& c : {made, Certificate::FromPem(made.ToPem()).value(),
                               Certificate::FromDer(made.ToDer()).value()}) {
    EXPECT_EQ(c.subject(), (Name{"节点 1", {"a", "b"}}));
    EXPECT_EQ(c.issuer().common_name, "Test CA");
    EXPECT_EQ(c.SubjectText(), "CN=节点 1,O=b,O=a");
    EXPECT_EQ(c.names(), names);
    EXPECT_EQ(c.not_before(), At("2026-01-01T00:00:00Z"));
    EXPECT_EQ(c.not_after(), At("2026-04-01T00:00:00Z"));
    EXPECT_EQ(c.Serial().size(), 32u);
    EXPECT_EQ(c.Fingerprint(), made.Fingerprint());
    EXPECT_FALSE(c.is_ca());
    EXPECT_FALSE(c.is_self_issued());
    EXPECT_TRUE(c.for_server());
    EXPECT_FALSE(c.for_client());
    EXPECT_TRUE(Matches(c, key));
    EXPECT_FALSE(Matches(c, ca.key));
    EXPECT_EQ(c.public_key()->Fingerprint(), key.Public().Fingerprint());
  }
  EXPECT_TRUE(ca.certificate.is_ca());
  EXPECT_TRUE(ca.certificate.is_self_issued());
  EXPECT_NE(ca.Leaf(key.Public(), {}).Serial(), ca.Leaf(key.Public(), {}).Serial());
  EXPECT_EQ(RenewAt(made), At("2026-03-02T00:00:00Z"));
}

TEST(X509, NobodyOutlivesTheirCa) {
  Authority ca;
  Certificate leaf = ca.Leaf(ca.key.Public(), {.not_after = At("2099-01-01T00:00:00Z")});
  EXPECT_EQ(leaf.not_after(), ca.certificate.not_after());
}

TEST(X509, VerifyChain) {
  Authority ca, other;
  PrivateKey key = PrivateKey::Generate(KeyType::kEcP256);
  Certificate server =
      ca.Leaf(key.Public(), {.subject = {.common_name = "common.example"},
                             .names = {.dns = {"web.example"}, .ips = {"10.0.0.1", "::1"}},
                             .server = true});
  Certificate client = ca.Leaf(key.Public(), {.subject = {.common_name = "c"}, .client = true});
  // A leaf that signs another: no CA.
  Result<Certificate> below = SelfSigned(key, {.subject = {.common_name = "x"},
                                               .not_before = kNow - hours(1),
                                               .not_after = kNow + hours(1)});
  struct {
    const char* why;
    Certificate leaf;
    const Authority& root;
    VerifyOptions options;
    const char* error;  // part of it; empty: trusted
  } const cases[] = {
      {"any", server, ca, {.at = kNow}, ""},
      {"host", server, ca, {Purpose::kServer, "web.example", kNow}, ""},
      {"address", server, ca, {Purpose::kServer, "10.0.0.1", kNow}, ""},
      {"IPv6", server, ca, {Purpose::kServer, "::1", kNow}, ""},
      {"client", client, ca, {Purpose::kClient, "", kNow}, ""},
      {"last second", server, ca, {.at = At("2026-03-31T23:59:59Z")}, ""},
      {"other host", server, ca, {Purpose::kServer, "evil.example", kNow}, "hostname mismatch"},
      {"common names name no hosts",
       server,
       ca,
       {Purpose::kServer, "common.example", kNow},
       "hostname mismatch"},
      {"NUL",
       server,
       ca,
       {Purpose::kServer, std::string("web.example\0x", 13), kNow},
       "not a host name"},
      {"other address", server, ca, {Purpose::kServer, "10.0.0.2", kNow}, "IP address mismatch"},
      {"as client", server, ca, {Purpose::kClient, "", kNow}, "purpose"},
      {"as server", client, ca, {Purpose::kServer, "", kNow}, "purpose"},
      {"other root", server, other, {.at = kNow}, "unable to get local issuer"},
      {"expired", server, ca, {.at = At("2026-04-01T00:00:01Z")}, "expired"},
      {"too early", server, ca, {.at = At("2025-12-31T23:59:59Z")}, "not yet valid"},
      {"self-signed", *below, ca, {.at = kNow}, "self"},
  };
  for (const auto& c : cases) {
    std::vector<Certificate> chain = {c.leaf}, roots = {c.root.certificate};
    Result<> trusted = VerifyChain(chain, roots, c.options);
    if (*c.error == 0) {
      EXPECT_TRUE(trusted) << c.why << ": " << trusted.error().message();
    } else {
      ASSERT_FALSE(trusted) << c.why;
      EXPECT_NE(trusted.error().message().find(c.error), std::string::npos)
          << c.why << ": " << trusted.error().message();
    }
  }
}

TEST(X509, WeakHashesAndKeysAreNotTrusted) {
  // A real chain with RSA 1024: openssl req -x509 -newkey rsa:1024 … (testdata)
  const char* pem =
#include "crypto/testdata/weak_certificate.inc"
      ;
  Certificate weak = Certificate::FromPem(pem).value();
  std::vector<Certificate> chain = {weak};
  Result<> trusted = VerifyChain(chain, chain, {.at = weak.not_before() + hours(1)});
  ASSERT_FALSE(trusted);
  EXPECT_NE(trusted.error().message().find("too weak"), std::string::npos);
  EXPECT_EQ(weak.public_key().error().code(), Code::kUnsupported);
}

TEST(X509, NamesThatCannotBeAreRefused) {
  PrivateKey key = PrivateKey::Generate(KeyType::kEd25519);
  auto make = [&](Name subject, AltNames names) {
    return SelfSigned(key, {.subject = std::move(subject),
                            .names = std::move(names),
                            .not_before = kNow,
                            .not_after = kNow + hours(1)});
  };
  EXPECT_TRUE(make({std::string(64, 'x'), {}}, {}));
  EXPECT_FALSE(make({std::string(65, 'x'), {}}, {}));
  EXPECT_FALSE(make({"a\nb", {}}, {}));
  EXPECT_FALSE(make({"\xff", {}}, {}));
  EXPECT_FALSE(make({"a", {""}}, {}));
  EXPECT_FALSE(make({}, {.dns = {"a,IP:127.0.0.1"}}));
  EXPECT_FALSE(make({}, {.dns = {std::string("a\0b", 3)}}));
  EXPECT_FALSE(make({}, {.dns = {"-a"}}));
  EXPECT_FALSE(make({}, {.ips = {"1.2.3"}}));
  EXPECT_FALSE(make({}, {.uris = {"a b:c"}}));
  EXPECT_FALSE(make({}, {.emails = {"nobody"}}));
  EXPECT_FALSE(SelfSigned(key, {.not_before = kNow, .not_after = kNow}));
}

TEST(X509, ARequestGivesOnlyItsKey) {
  Authority ca;
  PrivateKey key = PrivateKey::Generate(KeyType::kEcP384);
  Request made = Request::Make(key, {.common_name = "admin", .organizations = {"system:masters"}},
                               {.dns = {"kubernetes.default"}})
                     .value();
  Request request = Request::FromPem(made.ToPem()).value();
  EXPECT_EQ(request.subject().common_name, "admin");
  EXPECT_EQ(request.names().dns, std::vector<std::string>{"kubernetes.default"});
  EXPECT_EQ(request.public_key().Fingerprint(), key.Public().Fingerprint());
  Certificate leaf =
      ca.Leaf(request.public_key(), {.subject = {.common_name = "n1"}, .client = true});
  EXPECT_EQ(leaf.subject(), (Name{"n1", {}}));
  EXPECT_TRUE(leaf.names().empty());
  EXPECT_FALSE(leaf.is_ca());
}

TEST(X509, ARequestWithAWrongSignatureIsRefused) {
  std::string pem = Request::Make(PrivateKey::Generate(KeyType::kEd25519), {"a", {}})->ToPem();
  EXPECT_TRUE(Request::FromPem(pem));
  // The last bytes of the base64 are the signature's.
  size_t at = pem.find("\n-----END") - 6;
  pem[at] = pem[at] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(Request::FromPem(pem));
  EXPECT_FALSE(Request::FromPem(""));
  EXPECT_FALSE(Request::FromPem(std::string(1 << 17, 'x')));
}

TEST(X509, ManyInOneText) {
  Authority a, b;
  std::string both = "some text\n" + a.key.ToPem() + a.certificate.ToPem() + "\n" +
                     b.certificate.ToPem() + "trailing text";
  std::vector<Certificate> all = Certificate::AllFromPem(both).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].Fingerprint(), b.certificate.Fingerprint());
  EXPECT_EQ(Certificate::AllFromPem(both, 1)->size(), 1u);
  EXPECT_EQ(Certificate::FromPem("").error().id(), "x509.malformed");
  std::string cut = both.substr(0, both.size() - 100);
  EXPECT_FALSE(Certificate::AllFromPem(cut)) << "the second is broken: not half of what was meant";
  EXPECT_FALSE(Certificate::FromDer(a.certificate.ToDer() + "x"));
}

}  // namespace
}  // namespace bulwark::crypto
