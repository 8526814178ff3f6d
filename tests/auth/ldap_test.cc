// LDAP against a real slapd, started on free ports over a temporary folder.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/files.h"
#include "net/test_server.h"
#include "platform/auth/ldap.h"
#include "platform/auth/testing.h"
#include "tests/auth/peers.h"
#include "tests/cluster/fixture.h"

namespace bulwark::auth {
namespace {

constexpr std::string_view kEntries = R"(dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=reader,dc=example,dc=com
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reader
userPassword: reads

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice Wang
sn: Wang
mail: alice@example.com
userPassword: alice's secret

dn: uid=b\2Cob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: b,ob
cn: Bob (of *)
sn: B
userPassword: bob's secret

dn: uid=twin1,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: twin1
uid: twin
cn: Twin
sn: T
userPassword: twin

dn: uid=twin2,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: twin2
uid: twin
cn: Twin
sn: T
userPassword: twin

dn: ou=elsewhere,ou=people,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://203.0.113.1/dc=evil

dn: cn=dev,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: dev
member: uid=alice,ou=people,dc=example,dc=com
member: uid=b\2Cob,ou=people,dc=example,dc=com

dn: cn=posix,ou=groups,dc=example,dc=com
objectClass: posixGroup
cn: posix
gidNumber: 5
memberUid: alice
)";

class Ldap : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::access("/usr/sbin/slapd", X_OK) != 0) return;
    ca_ = new test::TestCa;
    folder_ = new TempDir(TempDir::Make().value());
    ASSERT_TRUE(WriteFileAtomic(folder_->File("ca.pem"), ca_->ca.ToPem()));
    ASSERT_TRUE(WriteFileAtomic(folder_->File("cert.pem"), ca_->leaf.ToPem()));
    ASSERT_TRUE(WriteFileAtomic(folder_->File("key.pem"), ca_->key.ToPem(), 0600));
    ASSERT_TRUE(WriteFileAtomic(folder_->File("data.ldif"), kEntries));
    std::filesystem::create_directory(folder_->File("db"));
    std::string conf = folder_->File("slapd.conf");
    std::string text;
    for (const char* schema : {"core", "cosine", "nis", "inetorgperson"}) {
      text += "include /etc/ldap/schema/" + std::string(schema) + ".schema\n";
    }
    text += "modulepath /usr/lib/ldap\nmoduleload back_mdb\n";
    for (const char* pair : {"TLSCACertificateFile ca.pem", "TLSCertificateFile cert.pem",
                             "TLSCertificateKeyFile key.pem", "pidfile slapd.pid"}) {
      auto parts = *Cut(pair, " ");
      text += std::string(parts.first) + " " + folder_->File(parts.second) + "\n";
    }
    // Nothing is told to whom nobody knows, and nothing in the clear.
    text +=
        "security simple_bind=112\ndatabase mdb\nsuffix dc=example,dc=com\n"
        "rootdn cn=root,dc=example,dc=com\nmaxsize 10485760\ndirectory " +
        folder_->File("db") +
        "\naccess to attrs=userPassword by anonymous auth by * none\n"
        "access to * by dn.exact=cn=reader,dc=example,dc=com read by * none\n";
    ASSERT_TRUE(WriteFileAtomic(conf, text));
    test::Output added =
        test::RunProgram({"/usr/sbin/slapadd", "-f", conf, "-l", folder_->File("data.ldif")});
    ASSERT_EQ(added.status, 0) << added.err;
    plain_ = test::FreePort();
    tls_ = test::FreePort();
    slapd_ = new test::Program(
        {"/usr/sbin/slapd", "-f", conf, "-d", "0", "-h",
         fmt::format("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/", plain_, tls_)});
    ASSERT_TRUE(test::WaitForPort(tls_, *slapd_));
  }
  static void TearDownTestSuite() {
    delete slapd_;
    delete folder_;
    delete ca_;
  }
  void SetUp() override {
    if (slapd_ == nullptr) GTEST_SKIP() << "slapd is not installed";
  }

  static LdapConfig Config(bool tls) {
    return {.url = tls ? fmt::format("ldaps://127.0.0.1:{}", tls_)
                       : fmt::format("ldap://127.0.0.1:{}", plain_),
            .ca_pem = ca_->ca.ToPem(),
            .bind_dn = "cn=reader,dc=example,dc=com",
            .bind_password = "reads",
            .user_base = "ou=people,dc=example,dc=com",
            .group_base = "ou=groups,dc=example,dc=com"};
  }
  static std::string ErrorOf(const LdapConfig& config, std::string_view name,
                             std::string_view password) {
    Result<Identity> who = LdapLogIn(config, name, password, nullptr);
    return who ? "" : who.error().id();
  }

  static inline test::TestCa* ca_ = nullptr;
  static inline TempDir* folder_ = nullptr;
  static inline test::Program* slapd_ = nullptr;
  static inline int plain_ = 0, tls_ = 0;
};

TEST_F(Ldap, LogsIn) {
  for (bool tls : {false, true}) {
    Result<Identity> who = LdapLogIn(Config(tls), "alice", "alice's secret", nullptr);
    ASSERT_TRUE(who) << who.error().ToString();
    EXPECT_EQ(who->name, "Alice Wang");
    EXPECT_EQ(who->email, "alice@example.com");
    EXPECT_EQ(who->subject.size(), 36U) << who->subject;  // entryUUID
    EXPECT_THAT(who->groups, testing::UnorderedElementsAre("dev", "posix"));
  }
  // A name with what means something in names and filters.
  Result<Identity> who = LdapLogIn(Config(true), "b,ob", "bob's secret", nullptr);
  ASSERT_TRUE(who) << who.error().ToString();
  EXPECT_EQ(who->name, "Bob (of *)");
  EXPECT_THAT(who->groups, testing::ElementsAre("dev"));
}

TEST_F(Ldap, WrongIsWrong) {
  struct Case {
    std::string name, password;
  };
  const Case cases[] = {
      {"alice", "wrong"},
      {"alice", ""},
      {"alice", std::string("alice's secret\0x", 16)},
      {"", "x"},
      {"nobody", "x"},
      {"*", "alice's secret"},
      {"ali*", "alice's secret"},
      {"alice)(cn=*", "alice's secret"},
      {"alice)(|(uid=*)", "alice's secret"},
      {"twin", "twin"},  // two entries
      {std::string("alice\0x", 7), "alice's secret"},
      {std::string(300, 'a'), "x"},
      {"\xff\xfe", "x"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(ErrorOf(Config(true), c.name, c.password), "auth.wrong") << c.name;
}

TEST_F(Ldap, PeersThatAreNotTrusted) {
  LdapConfig config = Config(true);
  test::TestCa other;
  config.ca_pem = other.ca.ToPem();
  EXPECT_THAT(ErrorOf(config, "alice", "alice's secret"), "ldap.tls");
  config = Config(false);
  config.ca_pem = other.ca.ToPem();
  EXPECT_EQ(ErrorOf(config, "alice", "alice's secret"), "ldap.tls");
  // A certificate for another name.
  config = Config(true);
  config.url = fmt::format("ldaps://127.0.0.2:{}", tls_);
  EXPECT_NE(ErrorOf(config, "alice", "alice's secret"), "");
  config = Config(true);
  config.bind_password = "wrong";
  EXPECT_EQ(ErrorOf(config, "alice", "alice's secret"), "ldap.reader");
  config.bind_password = "";
  EXPECT_EQ(ErrorOf(config, "alice", "alice's secret"), "ldap.settings");
  config = Config(true);
  config.user_filter = "(uid={user}";
  EXPECT_EQ(ErrorOf(config, "alice", "alice's secret"), "ldap.settings");
  config = Config(true);
  config.url = fmt::format("ldaps://127.0.0.1:{}", test::FreePort());
  EXPECT_EQ(ErrorOf(config, "alice", "alice's secret"), "ldap.connect");
}

TEST_F(Ldap, GuardLooksAtWhereItConnectedTo) {
  auto strict = net::UrlGuard::Make({}).value();
  Result<Identity> who = LdapLogIn(Config(false), "alice", "alice's secret", &strict);
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error().id(), "url_guard.forbidden") << who.error().ToString();
}

TEST_F(Ldap, SilentPeersAreNotWaitedForLong) {
  // Takes connections and says nothing.
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = test::Loopback(0);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(fd, 8), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  for (const char* scheme : {"ldap", "ldaps"}) {
    LdapConfig config = Config(true);
    config.url = fmt::format("{}://127.0.0.1:{}", scheme, ntohs(address.sin_port));
    config.timeout = std::chrono::seconds(1);
    EXPECT_NE(ErrorOf(config, "alice", "alice's secret"), "") << scheme;
  }
  ::close(fd);
}

TEST_F(Ldap, ThroughTheApi) {
  TestServer server({.allow_addresses = {"127.0.0.1"}});
  Browser admin = Admin(server);
  std::string pem;
  AppendJsonString(pem, ca_->ca.ToPem());
  Answer made = admin.Post(
      "/api/v1/providers",
      fmt::format(R"({{"name":"ad","kind":"ldap","ldap":{{"url":"ldaps://127.0.0.1:{}","caPem":{},
        "bindDn":"cn=reader,dc=example,dc=com","bindPassword":"reads",
        "userBase":"ou=people,dc=example,dc=com","groupBase":"ou=groups,dc=example,dc=com"}}}})",
                  tls_, pem));
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_THAT(made.body, testing::Not(testing::HasSubstr("reads")));
  ASSERT_EQ(
      admin.Post("/api/v1/grants", R"({"subject":"group:ad:dev","role":"restricted"})").status,
      201);
  Browser browser(server);
  auto log_in = [&](std::string_view password) {
    return browser.Post("/api/v1/session",
                        R"({"method":"ldap","provider":"ad","name":"alice","password":")" +
                            std::string(password) + "\"}");
  };
  EXPECT_EQ(log_in("wrong").Problem(), "auth.wrong");
  EXPECT_NE(log_in("").status, 200);
  Answer in = log_in("alice's secret");
  ASSERT_EQ(in.status, 200) << in.body;
  EXPECT_EQ(in.json["roles"][0].AsString(), "restricted");
  EXPECT_EQ(browser.Get("/api/v1/things").status, 200);
  // Guessing is slowed down here, too.
  browser.cookies.clear();
  int tries = 0;
  for (; tries < 20; ++tries) {
    if (log_in("wrong").status == 429) break;
  }
  EXPECT_EQ(tries, 6);
}

}  // namespace
}  // namespace bulwark::auth
