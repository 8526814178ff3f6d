#include "oci/reference.h"

#include <gtest/gtest.h>

namespace bulwark::oci {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(Reference, FillsInWhatRuntimesFillIn) {
  struct Case {
    std::string text, registry, repository, tag, digest;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"nginx", "docker.io", "library/nginx", "", ""},
           {"nginx:1.27", "docker.io", "library/nginx", "1.27", ""},
           {"bitnami/redis", "docker.io", "bitnami/redis", "", ""},
           {"index.docker.io/nginx", "docker.io", "library/nginx", "", ""},
           {"ghcr.io/a/b/c:v1", "ghcr.io", "a/b/c", "v1", ""},
           {"localhost/app", "localhost", "app", "", ""},
           {"localhost:5000/app:x", "localhost:5000", "app", "x", ""},
           {"registry:5000/app", "registry:5000", "app", "", ""},
           {"[::1]:5000/app", "[::1]:5000", "app", "", ""},
           {"a.b/c@" + kDigest, "a.b", "c", "", kDigest},
           {"a.b/c:1@" + kDigest, "a.b", "c", "1", kDigest},
           {"a.b/c__d/e---f", "a.b", "c__d/e---f", "", ""},
       }) {
    auto got = ParseReference(c.text);
    ASSERT_TRUE(got.has_value()) << c.text;
    EXPECT_EQ(got->registry, c.registry) << c.text;
    EXPECT_EQ(got->repository, c.repository) << c.text;
    EXPECT_EQ(got->tag, c.tag) << c.text;
    EXPECT_EQ(got->digest, c.digest) << c.text;
  }
  EXPECT_EQ(ParseReference("ghcr.io/a/b:1")->name(), "b");
}

TEST(Reference, RefusesWhatRuntimesRefuse) {
  for (const std::string& text : std::initializer_list<std::string>{
           "", ":1", "nginx:", "Nginx", "a//b", "a/b:bad tag", "a@sha256:12", "-a", "a-", "a..b",
           "a.b/", "host:port/a", "${IMAGE}", "a___b", std::string("x/") + std::string(256, 'a')}) {
    EXPECT_FALSE(ParseReference(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace bulwark::oci
