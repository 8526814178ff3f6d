#include "net/url_guard.h"

#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/test_server.h"

namespace bulwark::net {
namespace {

TEST(UrlGuard, ForbidsAddressesThatNothingOutsideHas) {
  UrlGuard guard = *UrlGuard::Make({});
  const struct {
    std::string_view address;
    bool forbidden;
  } kCases[] = {
      {"127.0.0.1", true},
      {"127.255.0.9", true},
      {"0.0.0.0", true},
      {"0.1.2.3", true},
      {"169.254.169.254", true},
      {"169.254.0.1", true},
      {"100.100.100.200", true},
      {"168.63.129.16", true},
      {"192.0.0.192", true},
      {"224.0.0.1", true},
      {"255.255.255.255", true},
      {"240.0.0.1", true},
      {"::", true},
      {"::1", true},
      {"fe80::1", true},
      {"fe80::1%eth0", true},
      {"ff02::1", true},
      {"fd00:ec2::254", true},
      {"::ffff:127.0.0.1", true},
      {"::ffff:a9fe:a9fe", true},
      {"::127.0.0.1", true},
      {"64:ff9b::7f00:1", true},
      {"64:ff9b::a9fe:a9fe", true},
      {"64:ff9b:1::7f00:1", true},
      {"2002:7f00:1::", true},
      {"2001:0:7f00:1::", true},
      {"2001:0:1234:5678:0:0:80ff:fffe", true},
      {"fe80::5efe:7f00:1", true},
      {"2001:db8::5efe:7f00:1", true},
      {"::ffff:0:7f00:1", true},
      {"10.0.0.1", false},
      {"192.168.1.1", false},
      {"172.16.0.1", false},
      {"8.8.8.8", false},
      {"100.64.0.1", false},
      {"fd00::1", false},
      {"2606:4700::1111", false},
      {"64:ff9b::808:808", false},
      {"2002:808:808::1", false},
      {"::ffff:8.8.8.8", false},
      {"126.255.255.255", false},
      {"128.0.0.0", false},
      {"169.253.255.255", false},
      {"169.255.0.0", false},
      {"223.255.255.255", false},
  };
  for (const auto& c : kCases) {
    auto address = IpAddress::Parse(c.address);
    ASSERT_TRUE(address) << c.address;
    EXPECT_EQ(!guard.Forbidden(*address).empty(), c.forbidden) << c.address;
  }
  for (std::string_view text : {"", "1.2.3", "0177.0.0.1", "0x7f.0.0.1", "1.2.3.4.5", "localhost",
                                "1.2.3.4%eth0", "::g", "1:2:3:4:5:6:7:8:9", "[::1]"}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
}

TEST(UrlGuard, AllowsWhatItWasTold) {
  UrlGuard guard = *UrlGuard::Make({.allow = {"127.0.0.1", "169.254.10.0/23", "fe80::/64"}});
  auto forbidden = [&](std::string_view text) {
    return !guard.Forbidden(*IpAddress::Parse(text)).empty();
  };
  EXPECT_FALSE(forbidden("127.0.0.1"));
  EXPECT_FALSE(forbidden("::ffff:127.0.0.1"));
  EXPECT_TRUE(forbidden("127.0.0.2"));
  EXPECT_FALSE(forbidden("169.254.11.255"));
  EXPECT_TRUE(forbidden("169.254.12.0"));
  EXPECT_FALSE(forbidden("fe80::1"));
  EXPECT_TRUE(forbidden("fe80:0:0:1::1"));
  for (const char* range :
       {"", "x", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "::/129", "1.2.3.4/08x"}) {
    EXPECT_FALSE(UrlGuard::Make({.allow = {range}})) << range;
  }
  auto v4 = *IpRange::Parse("::ffff:10.0.0.0/104");
  EXPECT_TRUE(v4.Contains(*IpAddress::Parse("10.9.9.9")));
  EXPECT_FALSE(v4.Contains(*IpAddress::Parse("11.0.0.0")));
}

TEST(UrlGuard, JudgesUrlsWrittenAsAddresses) {
  UrlGuard guard = *UrlGuard::Make({});
  for (const char* url :
       {"http://127.0.0.1/", "http://localhost:80/", "http://LOCALHOST./", "http://a.localhost/",
        "https://[::1]:443/x", "http://[::ffff:127.0.0.1]/", "http://2130706433/",
        "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://user:p@127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/"}) {
    EXPECT_FALSE(guard.CheckUrl(url)) << url;
  }
  for (const char* url :
       {"https://example.com/", "http://10.0.0.1/", "https://hooks.example.com:8443/a?b"}) {
    EXPECT_TRUE(guard.CheckUrl(url)) << url;
  }
  EXPECT_EQ(guard.CheckUrl("http://").error().id(), "http.url");
}

TEST(UrlGuard, TheClientConnectsNowhereElse) {
  TestServer server(
      [](const TestServer::Request&, TestServer::Reply& reply) { reply.Send(200, "{}"); });
  auto get = [](std::shared_ptr<const UrlGuard> guard, const std::string& url) {
    auto answer = HttpClient({.guard = std::move(guard)}).Send({.url = url});
    return answer ? std::to_string(answer->status) : answer.error().id();
  };
  auto strict = std::make_shared<const UrlGuard>(*UrlGuard::Make({}));
  auto open = std::make_shared<const UrlGuard>(*UrlGuard::Make({.allow = {"127.0.0.1"}}));
  std::string port = std::to_string(server.port());
  EXPECT_EQ(get(strict, server.url()), "url_guard.forbidden");
  EXPECT_EQ(get(open, server.url()), "200");
  // A name that the resolver turns into a loopback address: what counts is where it leads.
  std::string name = "http://ip6-localhost:" + port;
  std::string why = get(strict, name);
  EXPECT_TRUE(why == "url_guard.forbidden" || why == "http.connect") << why;
  char host[256] = "";
  if (::gethostname(host, sizeof(host)) == 0) {
    EXPECT_NE(get(strict, "http://" + std::string(host) + ":" + port), "200");
  }
  EXPECT_EQ(server.connections(), 1);
  // The environment's proxy would do the resolving instead of us.
  ::setenv("http_proxy", server.url().c_str(), 1);
  EXPECT_EQ(get(strict, "http://bulwark.invalid/"), "http.connect");
  ::unsetenv("http_proxy");
}

}  // namespace
}  // namespace bulwark::net
