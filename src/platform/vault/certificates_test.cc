#include "platform/vault/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "base/files.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::vault {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;
using std::chrono::hours;
using testing::HasSubstr;

struct World {
  TempDir folder = TempDir::Make().value();
  std::unique_ptr<store::StateStore> state =
      store::OpenSqliteStateStore(folder.File("state.db")).value();
  std::unique_ptr<Vault> vault =
      Vault::Open(*state, OpenKeyFile({folder.File("master.key")}).value()).value();
  Timestamp now = ParseRfc3339("2026-06-01T00:00:00Z").value();

  CertificateOptions Options() {
    return {.ca_file = folder.File("ca.pem"), .now = [this] { return now; }};
  }
  std::unique_ptr<Certificates> Open(CertificateOptions options) {
    return Certificates::Open(*state, *vault, std::move(options)).value();
  }
};

Certificate LeafOf(const TlsPair& pair) {
  return Certificate::FromPem(pair.certificate_pem).value();
}

TEST(Certificates, FirstStartMakesAllAndTheNextKeepsIt) {
  World world;
  auto first = world.Open(world.Options());
  Certificate leaf = LeafOf(first->front());
  std::vector<Certificate> chain = {leaf}, roots = {first->ca()};
  for (const char* name : {"localhost", "127.0.0.1", "::1"}) {
    EXPECT_TRUE(crypto::VerifyChain(
        chain, roots, {.purpose = crypto::Purpose::kServer, .name = name, .at = world.now}))
        << name;
  }
  EXPECT_EQ(leaf.not_after() - leaf.not_before(), hours(24 * 90));
  EXPECT_EQ(first->ca().not_after() - first->ca().not_before(), hours(24 * 3650));
  EXPECT_TRUE(Matches(leaf, *PrivateKey::FromPem(first->front().key_pem)));
  EXPECT_EQ(*ReadFile(world.folder.File("ca.pem")), first->ca_pem());
  auto second = world.Open(world.Options());
  EXPECT_EQ(second->ca().Fingerprint(), first->ca().Fingerprint());
  EXPECT_EQ(second->front().fingerprint, first->front().fingerprint);
  EXPECT_EQ(second->internal().key_pem, first->internal().key_pem);
}

TEST(Certificates, TheServersIsRenewedAtTwoThirds) {
  World world;
  auto certificates = world.Open(world.Options());
  int told = 0;
  certificates->OnChange([&] { ++told; });
  std::string before = certificates->front().fingerprint;
  world.now = world.now + hours(24 * 59);
  EXPECT_FALSE(*certificates->Look());
  EXPECT_EQ(told, 0);
  world.now = world.now + hours(24 * 2);
  EXPECT_TRUE(*certificates->Look());
  EXPECT_EQ(told, 1);
  EXPECT_NE(certificates->front().fingerprint, before);
  EXPECT_FALSE(*certificates->Look());
  EXPECT_EQ(LeafOf(certificates->front()).IssuerText(), certificates->ca().SubjectText());
}

TEST(Certificates, ANewNameMakesANewOne) {
  World world;
  std::string before = world.Open(world.Options())->front().fingerprint;
  CertificateOptions options = world.Options();
  options.names.dns = {"bulwark.example.com"};
  options.names.ips = {"10.1.2.3"};
  auto certificates = world.Open(options);
  EXPECT_NE(certificates->front().fingerprint, before);
  EXPECT_THAT(LeafOf(certificates->front()).names().dns, testing::Contains("bulwark.example.com"));
  EXPECT_EQ(world.Open(options)->front().fingerprint, certificates->front().fingerprint);
}

struct Pair {
  PrivateKey key = PrivateKey::Generate(crypto::KeyType::kEcP256);
  Certificate certificate =
      crypto::SelfSigned(key, {.subject = {.common_name = "own"},
                               .names = {.dns = {"own.example"}},
                               .not_before = ParseRfc3339("2026-01-01T00:00:00Z").value(),
                               .not_after = ParseRfc3339("2027-01-01T00:00:00Z").value(),
                               .server = true})
          .value();
};

// As the kubelet does it: a folder a version, and the link ..data that is swapped.
void Mount(const std::string& folder, const std::string& version, const Pair& pair) {
  std::filesystem::create_directory(folder + "/" + version);
  ASSERT_TRUE(WriteFileAtomic(folder + "/" + version + "/tls.crt", pair.certificate.ToPem()));
  ASSERT_TRUE(WriteFileAtomic(folder + "/" + version + "/tls.key", pair.key.ToPem()));
  ::unlink((folder + "/..data_tmp").c_str());
  std::filesystem::create_symlink(version, folder + "/..data_tmp");
  std::filesystem::rename(folder + "/..data_tmp", folder + "/..data");
  for (const char* name : {"tls.crt", "tls.key"}) {
    std::string link = folder + "/" + name;
    if (!std::filesystem::is_symlink(link)) {
      std::filesystem::create_symlink(std::string("..data/") + name, link);
    }
  }
}

TEST(Certificates, TheUsersOwnFromAMountedSecret) {
  World world;
  Pair first, second;
  std::string mount = world.folder.File("tls");
  std::filesystem::create_directory(mount);
  Mount(mount, "..1", first);
  CertificateOptions options = world.Options();
  options.certificate_file = mount + "/tls.crt";
  options.key_file = mount + "/tls.key";
  options.look_every = std::chrono::milliseconds(10);
  auto certificates = world.Open(options);
  std::atomic<int> told = 0;
  certificates->OnChange([&] { ++told; });
  EXPECT_EQ(certificates->front().fingerprint, first.certificate.Fingerprint());
  EXPECT_NE(certificates->internal().fingerprint, first.certificate.Fingerprint());
  certificates->Start();
  Mount(mount, "..2", second);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (told == 0 && std::chrono::steady_clock::now() < deadline) ::usleep(1000);
  EXPECT_EQ(certificates->front().fingerprint, second.certificate.Fingerprint());
  EXPECT_EQ(certificates->front().key_pem, second.key.ToPem());
}

TEST(Certificates, FilesThatAreNoGoodLeaveTheOldInService) {
  World world;
  Pair first, second;
  std::string certificate = world.folder.File("c.pem"), key = world.folder.File("k.pem");
  CertificateOptions options = world.Options();
  options.certificate_file = certificate;
  options.key_file = key;
  EXPECT_FALSE(Certificates::Open(*world.state, *world.vault, options)) << "no files at start";
  ASSERT_TRUE(WriteFileAtomic(certificate, first.certificate.ToPem()));
  ASSERT_TRUE(WriteFileAtomic(key, first.key.ToPem()));
  auto certificates = world.Open(options);
  ASSERT_TRUE(WriteFileAtomic(certificate, second.certificate.ToPem()));
  EXPECT_EQ(certificates->Look().error().id(), "certificates.mismatch");
  EXPECT_EQ(certificates->front().fingerprint, first.certificate.Fingerprint());
  EXPECT_FALSE(*certificates->Look()) << "said once";
  ASSERT_TRUE(WriteFileAtomic(certificate, "garbage"));
  EXPECT_EQ(certificates->Look().error().id(), "x509.malformed");
  ASSERT_TRUE(WriteFileAtomic(certificate, second.certificate.ToPem()));
  ASSERT_TRUE(WriteFileAtomic(key, second.key.ToPem()));
  EXPECT_TRUE(*certificates->Look());
  EXPECT_EQ(certificates->front().fingerprint, second.certificate.Fingerprint());
  options.key_file.clear();
  EXPECT_EQ(Certificates::Open(*world.state, *world.vault, options).error().code(), Code::kInvalid);
}

TEST(Certificates, IssuesWithItsCa) {
  World world;
  auto certificates = world.Open(world.Options());
  PrivateKey key = PrivateKey::Generate(crypto::KeyType::kEd25519);
  Certificate leaf = certificates
                         ->Issue(key.Public(), {.subject = {.common_name = "n1"},
                                                .not_before = world.now,
                                                .not_after = world.now + hours(24),
                                                .client = true})
                         .value();
  std::vector<Certificate> chain = {leaf}, roots = {certificates->ca()};
  EXPECT_TRUE(
      crypto::VerifyChain(chain, roots, {.purpose = crypto::Purpose::kClient, .at = world.now}));
}

TEST(Certificates, TheCaKeyIsOnlyInTheVault) {
  World world;
  auto certificates = world.Open(world.Options());
  std::string body = (*world.state->Get("certificates", "ca"))->body;
  EXPECT_THAT(body, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(body, testing::Not(HasSubstr("PRIVATE")));
  EXPECT_TRUE(*world.vault->Has({"certificates", "ca", "key"}));
}

}  // namespace
}  // namespace bulwark::vault
