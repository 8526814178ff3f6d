// An agent enrols with its pod's token at a server that asks a real API server whose it is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "kube/client.h"
#include "platform/link/testing.h"
#include "tests/cluster/fixture.h"

namespace bulwark {
namespace {

using testing::HasSubstr;

const char kObjects[] = R"(
apiVersion: v1
kind: Namespace
metadata: {name: bulwark}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bulwark-agent, namespace: bulwark}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: other, namespace: bulwark}
---
apiVersion: v1
kind: Node
metadata: {name: node-7}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: bulwark}
spec:
  nodeName: node-7
  serviceAccountName: bulwark-agent
  containers: [{name: c, image: x}]
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: bulwark}
spec:
  nodeName: node-7
  serviceAccountName: other
  containers: [{name: c, image: x}]
)";

TEST(AgentEnrolment, WithThePodsToken) {
  if (std::string reason = test::Cluster::WhyNot({}); !reason.empty()) GTEST_SKIP() << reason;
  Result<test::Cluster> cluster = test::Cluster::StartApiServer();
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  test::Output applied = cluster->Kubectl({"apply", "--filename=-"}, kObjects);
  ASSERT_EQ(applied.status, 0) << applied.err;
  auto token = [&](const std::string& account, std::vector<std::string> more) {
    std::vector<std::string> words = {"create", "token", account, "--namespace=bulwark"};
    words.insert(words.end(), more.begin(), more.end());
    test::Output made = cluster->Kubectl(words);
    EXPECT_EQ(made.status, 0) << made.err;
    return std::string(Trim(made.out));
  };
  kube::Config config = kube::LoadConfig({.path = cluster->kubeconfig()}).value();
  kube::Client client = kube::Client::Connect(std::move(config)).value();

  link::World world;
  world.options.review = [&](std::string_view, std::string_view given) {
    return link::ReviewToken(client, given);
  };
  world.StartServer();
  int folders = 0;
  auto enrol = [&](const std::string& text) {
    EXPECT_TRUE(WriteFileAtomic(world.folder.File("token-a"), text, 0600));
    link::LinkAgentOptions options = world.AgentOptions("a");
    options.node.clear();
    options.cluster = "c1";
    options.state_folder = world.folder.File(fmt::format("agent-{}", ++folders));
    auto agent = link::LinkAgent::Open(options).value();
    agent->Start();
    EXPECT_TRUE(link::Eventually([&] {
      link::LinkAgent::Status status = agent->status();
      return status.enrolled || !status.last_error.empty();
    }));
    link::LinkAgent::Status status = agent->status();
    return status.enrolled ? status.identity.node : status.last_error;
  };
  std::string audience = "--audience=" + std::string(link::kAudience);
  std::vector<std::string> of_agent = {audience, "--bound-object-kind=Pod",
                                       "--bound-object-name=agent"};
  EXPECT_EQ(enrol(token("bulwark-agent", of_agent)), "node-7");
  EXPECT_THAT(
      enrol(token("bulwark-agent", {"--bound-object-kind=Pod", "--bound-object-name=agent"})),
      HasSubstr("does not accept"))
      << "for another audience";
  EXPECT_THAT(enrol(token("bulwark-agent", {audience})), HasSubstr("bound to no node"));
  EXPECT_THAT(
      enrol(token("other", {audience, "--bound-object-kind=Pod", "--bound-object-name=other"})),
      HasSubstr("not an agent"));
  EXPECT_THAT(enrol("not.a.token"), HasSubstr("does not accept"));
}

}  // namespace
}  // namespace bulwark
