#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "formats/json.h"
#include "platform/link/enrolment.h"
#include "platform/link/testing.h"

namespace bulwark::link {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;
using net::HttpResponse;
using testing::HasSubstr;

std::string Member(const std::string& json, std::string_view name) {
  Arena arena;
  Value value = ParseJson(json, arena).value();
  Value member = value[name];
  return member.IsString() ? std::string(member.AsString()) : ToJson(member);
}

// A peer that does what it likes, with whatever certificate it has.
struct Stranger {
  net::HttpClient client;
  std::string url;
  HttpResponse Post(const std::string& path, const std::string& body) const {
    Result<HttpResponse> answer = client.Send({.method = "POST", .url = url + path, .body = body});
    return answer ? *answer : HttpResponse{.body = answer.error().ToString()};
  }
};

Stranger WithoutCertificate(World& world) {
  return {net::HttpClient({.tls = {.ca_pem = world.certificates->ca_pem()}}), world.url()};
}
Stranger WithCertificate(World& world, const Certificate& certificate, const PrivateKey& key) {
  return {net::HttpClient({.tls = {.ca_pem = world.certificates->ca_pem(),
                                   .client_certificate_pem = certificate.ToPem(),
                                   .client_key_pem = key.ToPem()}}),
          world.url()};
}
// With the identity of an agent that has stopped.
Stranger AsAgent(World& world, const std::string& node) {
  std::string pem = ReadFile(world.folder.File("agent-" + node + "/identity.pem")).value();
  return WithCertificate(world, Certificate::FromPem(pem).value(),
                         PrivateKey::FromPem(pem).value());
}

std::string BatchOf(const std::string& node, int from, int to, const std::string& cluster = "c1",
                    const std::string& epoch = "0123456789abcdef") {
  std::vector<std::string> texts;
  std::vector<std::string_view> envelopes;
  for (int i = from; i <= to; ++i) {
    texts.push_back(EnvelopeJson(static_cast<uint64_t>(i), "test", "number", 1,
                                 1'700'000'000'000'000, fmt::format(R"({{"number":{}}})", i)));
  }
  envelopes.assign(texts.begin(), texts.end());
  return BatchJson({cluster, node, ""}, epoch, "0.1.0", 0, 0, envelopes);
}

TEST(Link, EnrolsAndDelivers) {
  World world;
  world.StartServer();
  auto agent = world.Agent("n1");
  for (int i = 0; i < 250; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }));
  EXPECT_EQ(world.Numbers(), 250u);
  EXPECT_EQ(agent->status().identity.node, "n1");
  EXPECT_EQ(agent->status().identity.cluster, "c1");
  std::string record = (*world.state->Get("agents", AgentId("c1", "n1")))->body;
  EXPECT_EQ(Member(record, "state"), "connected");
  EXPECT_EQ(Member(record, "version"), "0.1.0");
  EXPECT_EQ(world.metrics.Expose().find("outcome=\"refused\"} 0") == std::string::npos, false);
}

TEST(Link, TheServerGoesAwayAndComesBack) {
  World world;
  world.StartServer();
  auto agent = world.Agent("n1");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  ASSERT_TRUE(Eventually([&] { return world.Numbers() == 20; }));
  world.StopServer();
  for (int i = 20; i < 60; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  ASSERT_TRUE(Eventually([&] { return !agent->status().last_error.empty(); }));
  // The agent, too, is restarted meanwhile; it needs no new token.
  agent.reset();
  agent = LinkAgent::Open(world.AgentOptions("n1")).value();
  EXPECT_EQ(agent->status().spool.waiting, 40u);
  agent->Start();
  for (int i = 60; i < 80; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  world.StartServer();
  ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }))
      << agent->status().last_error;
  EXPECT_EQ(world.Numbers(), 80u);
  EXPECT_EQ(agent->status().spool.dropped, 0u);
}

TEST(Link, ReplaysCountOnce) {
  World world;
  world.StartServer();
  world.Agent("n1").reset();
  Stranger agent = AsAgent(world, "n1");
  HttpResponse first = agent.Post("/link/v1/batch", BatchOf("n1", 1, 10));
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(Member(first.body, "taken"), "10");
  size_t events = world.events.size();
  HttpResponse again = agent.Post("/link/v1/batch", BatchOf("n1", 1, 12));
  EXPECT_EQ(Member(again.body, "taken"), "2");
  EXPECT_EQ(Member(again.body, "duplicates"), "10");
  EXPECT_EQ(world.Numbers(), 12u);
  EXPECT_EQ(world.events.size(), events + 2);
  // An older one alone changes nothing.
  EXPECT_EQ(Member(agent.Post("/link/v1/batch", BatchOf("n1", 3, 4)).body, "taken"), "0");
}

TEST(Link, AnotherNodesEnvelopesAreRefused) {
  World world;
  world.StartServer();
  world.Agent("n1").reset();
  world.Agent("n2").reset();
  Stranger agent = AsAgent(world, "n1");
  for (const std::string& batch :
       {BatchOf("n2", 1, 5), BatchOf("n1", 1, 5, "c2"), BatchOf("n1", 1, 5, "")}) {
    HttpResponse answer = agent.Post("/link/v1/batch", batch);
    EXPECT_EQ(answer.status, 403) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("link.foreign"));
  }
  EXPECT_EQ(world.Numbers(), 0u);
  EXPECT_THAT(world.metrics.Expose(), HasSubstr("bulwark_link_foreign_batches_total 3"));
}

TEST(Link, MalformedBatches) {
  World world;
  world.options.batch = {.bytes = 100'000, .envelopes = 100};
  world.StartServer();
  world.Agent("n1").reset();
  Stranger agent = AsAgent(world, "n1");
  std::string good = BatchOf("n1", 1, 2);
  auto with = [&](std::string_view from, std::string_view to) {
    std::string out = good;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  struct {
    std::string body;
    int status;
  } const cases[] = {
      {"", 400},
      {"[]", 400},
      {"{", 400},
      {with("\"seq\":2", "\"seq\":1"), 400},
      {with("\"seq\":1", "\"seq\":0"), 400},
      {with("\"seq\":1", "\"seq\":-1"), 400},
      {with("\"seq\":1", "\"seq\":1.5"), 400},
      {with("\"seq\":1", "\"seq\":99999999999999999999"), 400},
      {with("0123456789abcdef", "0123456789ABCDEF"), 400},
      {with("\"test\"", "\"te/st\""), 400},
      {with("\"payload\":{\"number\":1}", "\"payload\":[]"), 400},
      {with("\"version\":1", "\"version\":0"), 400},
      {with("2023", "20x3"), 400},
      {BatchOf("n1", 1, 101), 413},
      {std::string(100'001, ' '), 413},
  };
  for (const auto& c : cases) {
    HttpResponse answer = agent.Post("/link/v1/batch", c.body);
    EXPECT_EQ(answer.status, c.status) << c.body.substr(0, 300) << "\n" << answer.body;
  }
  EXPECT_EQ(world.Numbers(), 0u);
  EXPECT_EQ(agent.Post("/link/v1/batch", good).status, 200) << "and none of it did harm";
}

TEST(Link, OnlyAgentsOfThisServerAreHeard) {
  World world;
  world.StartServer();
  auto running = world.Agent("n1");
  Timestamp now = Now();
  now.nanos = 0;
  auto identity = running->status().identity;
  PrivateKey key = PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto issue = [&](crypto::CertificateSpec spec) {
    if (spec.not_before == Timestamp{}) spec.not_before = now - std::chrono::hours(1);
    if (spec.not_after == Timestamp{}) spec.not_after = now + std::chrono::hours(1);
    return world.certificates->Issue(key.Public(), spec).value();
  };
  crypto::Name name{"n1", {"bulwark:agents"}};
  crypto::AltNames uri{.uris = {ToUri(identity)}};
  // The same names by another CA.
  PrivateKey other_ca = PrivateKey::Generate(crypto::KeyType::kEcP256);
  Certificate other = crypto::SelfSigned(other_ca, {.subject = world.certificates->ca().subject(),
                                                    .not_before = now - std::chrono::hours(1),
                                                    .not_after = now + std::chrono::hours(1),
                                                    .ca = true})
                          .value();
  NodeIdentity unknown = identity, older = identity;
  unknown.node = "n9";
  older.enrolment = "0000000000000000";
  struct {
    const char* why;
    Certificate certificate;
    bool good;
  } const cases[] = {
      {"right", issue({.subject = name, .names = uri, .client = true}), true},
      {"other CA",
       crypto::Issue(other, other_ca, key.Public(),
                     {.subject = name,
                      .names = uri,
                      .not_before = now - std::chrono::hours(1),
                      .not_after = now + std::chrono::hours(1),
                      .client = true})
           .value(),
       false},
      {"expired",
       issue({.subject = name,
              .names = uri,
              .not_before = now - std::chrono::hours(2),
              .not_after = now - std::chrono::hours(1),
              .client = true}),
       false},
      {"for servers", issue({.subject = name, .names = uri, .server = true}), false},
      {"no organization", issue({.subject = {"n1", {}}, .names = uri, .client = true}), false},
      {"no identity", issue({.subject = name, .client = true}), false},
      {"node unknown",
       issue({.subject = name, .names = {.uris = {ToUri(unknown)}}, .client = true}), false},
      {"enrolled anew since",
       issue({.subject = name, .names = {.uris = {ToUri(older)}}, .client = true}), false},
      {"two identities",
       issue(
           {.subject = name, .names = {.uris = {ToUri(identity), ToUri(unknown)}}, .client = true}),
       false},
  };
  for (const auto& c : cases) {
    Stranger peer = WithCertificate(world, c.certificate, key);
    for (const char* path : {"/link/v1/batch", "/link/v1/renew", "/link/v1/nothing"}) {
      HttpResponse answer = peer.Post(path, BatchOf("n1", 1, 1));
      EXPECT_EQ(answer.status == 401, !c.good) << c.why << " " << path << " " << answer.body;
    }
  }
  Stranger nobody = WithoutCertificate(world);
  EXPECT_EQ(nobody.Post("/link/v1/batch", BatchOf("n1", 1, 1)).status, 401);
  EXPECT_EQ(nobody.Post("/link/v1/renew", "{}").status, 401);
  EXPECT_EQ(nobody.client.Send({.url = world.url() + "/link/v1/policy"})->status, 401);
}

std::string Csr(const crypto::Name& name = {"admin", {"system:masters"}}) {
  std::string out;
  AppendJsonString(
      out, crypto::Request::Make(PrivateKey::Generate(crypto::KeyType::kEd25519), name)->ToPem());
  return out;
}
std::string TokenBody(const std::string& token, const std::string& node) {
  return fmt::format(R"({{"method":"token","token":"{}","node":"{}","csr":{}}})", token, node,
                     Csr());
}

TEST(Link, OneTimeTokens) {
  Timestamp now = Now();  // outlives the server
  World world;
  world.options.now = [&] { return now; };
  world.StartServer();
  Stranger nobody = WithoutCertificate(world);
  auto token = [&](const std::string& node = "") {
    return world.server->MakeToken("c1", node, std::chrono::hours(1), "alice")->token;
  };
  std::string good = token();
  // What is malformed does not use it up.
  EXPECT_EQ(nobody.Post("/link/v1/enrol", TokenBody(good, "No Node")).status, 400);
  EXPECT_EQ(nobody
                .Post("/link/v1/enrol",
                      R"({"method":"token","token":")" + good + R"(","node":"n1","csr":"x"})")
                .status,
            400);
  HttpResponse answer = nobody.Post("/link/v1/enrol", TokenBody(good, "n1"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  // Its subject is what we say, whatever the request said.
  Certificate made = Certificate::FromPem(Member(answer.body, "certificate")).value();
  EXPECT_EQ(made.subject(), (crypto::Name{"n1", {"bulwark:agents"}}));
  EXPECT_FALSE(made.is_ca());
  EXPECT_TRUE(made.for_client());
  EXPECT_FALSE(made.for_server());
  EXPECT_LE(made.not_after() - now, std::chrono::hours(24));
  EXPECT_EQ(nobody.Post("/link/v1/enrol", TokenBody(good, "n1")).status, 403) << "once";
  EXPECT_EQ(nobody.Post("/link/v1/enrol", TokenBody("bwe_nonsense", "n1")).status, 403);
  EXPECT_EQ(nobody.Post("/link/v1/enrol", TokenBody(token("n2"), "n1")).status, 403);
  EXPECT_EQ(nobody.Post("/link/v1/enrol", TokenBody(token("n2"), "n2")).status, 200);
  std::string old = token();
  now = now + std::chrono::hours(1);
  EXPECT_EQ(nobody.Post("/link/v1/enrol", TokenBody(old, "n1")).status, 403);
  // Neither the token nor its like stands in the store.
  std::string all;
  ASSERT_TRUE(world.state->Scan("agent_enrolments", store::Query::All(),
                                [&](const store::Record& r) -> Result<> {
                                  all += r.key + r.body;
                                  return Ok{};
                                }));
  EXPECT_THAT(all, testing::Not(HasSubstr(old)));
  EXPECT_THAT(all, testing::Not(HasSubstr("bwe_")));
}

TEST(Link, TwoWithTheSameTokenAtOnce) {
  World world;
  world.StartServer();
  for (int round = 0; round < 5; ++round) {
    std::string token = world.server->MakeToken("c1", "", std::chrono::hours(1), "a")->token;
    std::atomic<int> taken = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        Stranger nobody = WithoutCertificate(world);
        if (nobody.Post("/link/v1/enrol", TokenBody(token, fmt::format("n{}", i))).status == 200) {
          ++taken;
        }
      });
    }
    threads.clear();
    EXPECT_EQ(taken, 1);
  }
}

TEST(Link, ServiceAccountTokens) {
  World world;
  world.options.review = [](std::string_view cluster,
                            std::string_view token) -> Result<ReviewedToken> {
    if (cluster != "c1") return Error(Code::kNotFound, "clusters.unknown", "no such cluster");
    if (token == "agent") {
      return ReviewedToken{"system:serviceaccount:bulwark:bulwark-agent", "pod-x", "node-7"};
    }
    return ReviewedToken{"system:serviceaccount:default:default", "pod-y", "node-7"};
  };
  world.StartServer();
  Stranger nobody = WithoutCertificate(world);
  auto body = [](const std::string& cluster, const std::string& token) {
    // "node" is not asked: it is the token's.
    return fmt::format(
        R"({{"method":"serviceAccount","cluster":"{}","token":"{}","node":"n1","csr":{}}})",
        cluster, token, Csr());
  };
  HttpResponse good = nobody.Post("/link/v1/enrol", body("c1", "agent"));
  ASSERT_EQ(good.status, 200) << good.body;
  EXPECT_EQ(Member(good.body, "node"), "node-7");
  EXPECT_EQ(nobody.Post("/link/v1/enrol", body("c1", "other")).status, 403);
  EXPECT_EQ(nobody.Post("/link/v1/enrol", body("c2", "agent")).status, 404);
  EXPECT_EQ(nobody.Post("/link/v1/enrol", body("", "agent")).status, 400);
}

TEST(Link, TokenReviewAnswers) {
  struct {
    const char *answer, *error;
  } const cases[] = {
      {R"({"kind":"TokenReview","status":{"authenticated":true,"audiences":["bulwark-agent"],
          "user":{"username":"u","extra":{"authentication.kubernetes.io/node-name":["n1"]}}}})",
       ""},
      {R"({"kind":"TokenReview","status":{"authenticated":true,"audiences":["bulwark-agent"],
          "user":{"username":"u"}}})",
       "link.token_node"},
      {R"({"kind":"TokenReview","status":{"authenticated":true,
          "user":{"username":"u","extra":{"authentication.kubernetes.io/node-name":["n1"]}}}})",
       "link.token"},
      {R"({"kind":"TokenReview","status":{"authenticated":true,"audiences":["api"],
          "user":{"username":"u","extra":{"authentication.kubernetes.io/node-name":["n1"]}}}})",
       "link.token"},
      {R"({"kind":"TokenReview","status":{"error":"expired"}})", "link.token"},
      {R"({"kind":"Status"})", "link.token_review"},
      {"", "link.token_review"},
  };
  for (const auto& c : cases) {
    Result<ReviewedToken> reviewed = ParseTokenReview(c.answer);
    EXPECT_EQ(reviewed ? "" : reviewed.error().id(), c.error) << c.answer;
  }
}

TEST(Link, RevokedMeansAtOnce) {
  World world;
  world.StartServer();
  auto agent = world.Agent("n1");
  EXPECT_EQ(world.server->Revoke("nobody", "alice").error().code(), Code::kNotFound);
  ASSERT_TRUE(world.server->Revoke(AgentId("c1", "n1"), "alice"));
  ASSERT_TRUE(World::SendNumber(*agent, 1));
  ASSERT_TRUE(Eventually([&] { return !agent->status().enrolled; }));
  EXPECT_EQ(world.Numbers(), 0u);
  EXPECT_FALSE(world.server->Revoke(AgentId("c1", "n1"), "alice"));
  // Welcome again with a new token; what waited is not lost.
  world.GiveToken("n1");
  ASSERT_TRUE(Eventually([&] { return world.Numbers() == 1; })) << agent->status().last_error;
}

TEST(Link, CertificatesAreRenewed) {
  World world;
  // With five minutes of clock skew before, two thirds are over two seconds from now.
  world.options.certificate_life = std::chrono::seconds(153);
  world.StartServer();
  LinkAgentOptions options = world.AgentOptions("n1");
  options.heartbeat = std::chrono::milliseconds(50);
  world.GiveToken("n1");
  auto agent = LinkAgent::Open(options).value();
  agent->Start();
  ASSERT_TRUE(Eventually([&] { return agent->status().enrolled; }));
  Timestamp first = agent->status().certificate_expires;
  ASSERT_TRUE(Eventually([&] { return agent->status().certificate_expires > first; }));
  ASSERT_TRUE(World::SendNumber(*agent, 1));
  ASSERT_TRUE(Eventually([&] { return world.Numbers() == 1; }));
  // It is on disk, too.
  Timestamp now = agent->status().certificate_expires;
  agent.reset();
  EXPECT_GE(LinkAgent::Open(options).value()->status().certificate_expires, now);
}

TEST(Link, WhatAHandlerSays) {
  std::atomic<bool> up = false;
  World world;
  auto numbers = world.prepare;
  world.prepare = [&](LinkServer& link) {
    numbers(link);
    link.Handle("test", "bad", [](const Delivered&) -> Result<> {
      return Error(Code::kInvalid, "test.bad", "never");
    });
    link.Handle("test", "later", [&](const Delivered&) -> Result<> {
      if (!up) return Error(Code::kUnavailable, "test.later", "not now");
      return Ok{};
    });
  };
  world.StartServer();
  auto agent = world.Agent("n1");
  ASSERT_TRUE(World::SendNumber(*agent, 1));
  ASSERT_TRUE(agent->Send("test", "bad", 1, "{}"));
  ASSERT_TRUE(agent->Send("test", "unheard-of", 1, "{}"));
  ASSERT_TRUE(World::SendNumber(*agent, 2));
  ASSERT_TRUE(Eventually([&] { return world.Numbers() == 2; }));
  ASSERT_TRUE(Eventually([&] { return agent->status().refused == 2; }));
  EXPECT_EQ(agent->status().spool.waiting, 0u);
  ASSERT_TRUE(agent->Send("test", "later", 1, "{}"));
  ASSERT_TRUE(World::SendNumber(*agent, 3));
  ASSERT_TRUE(Eventually([&] { return !agent->status().last_error.empty(); }));
  EXPECT_EQ(world.Numbers(), 2u);
  up = true;
  ASSERT_TRUE(Eventually([&] { return world.Numbers() == 3; }));
}

TEST(Link, WhatTheAgentHadToDropIsCounted) {
  World world;
  world.StartServer();
  auto agent = world.Agent("n1");
  world.StopServer();
  agent.reset();
  LinkAgentOptions options = world.AgentOptions("n1");
  options.spool = {.max_bytes = 20'000, .segment_bytes = 2'000};
  agent = LinkAgent::Open(options).value();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  uint64_t dropped = agent->status().spool.dropped, waiting = agent->status().spool.waiting;
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(dropped + waiting, 1000u);
  world.StartServer();
  agent->Start();
  ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }));
  EXPECT_EQ(world.Numbers(), waiting);
  EXPECT_THAT(world.metrics.Expose(),
              HasSubstr(fmt::format("bulwark_link_envelopes_lost_total {}", dropped)));
  std::string record = (*world.state->Get("agents", AgentId("c1", "n1")))->body;
  EXPECT_EQ(Member(record, "dropped"), fmt::to_string(dropped));
}

TEST(Link, BatchesThatAreTooBigAreHalved) {
  World world;
  world.options.batch = {.bytes = 4'000, .envelopes = 10};
  world.StartServer();
  auto agent = world.Agent("n1");
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  // One that can never go through does not hold up the others.
  ASSERT_TRUE(agent->Send("test", "number", 1,
                          fmt::format(R"({{"number":1000,"x":"{}"}})", std::string(10'000, 'x'))));
  for (int i = 100; i < 120; ++i) ASSERT_TRUE(World::SendNumber(*agent, i));
  ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }))
      << agent->status().last_error;
  EXPECT_EQ(world.Numbers(), 120u);
  EXPECT_EQ(agent->status().refused, 1u);
}

TEST(Link, PoliciesArePushed) {
  World world;
  world.StartServer();
  ASSERT_TRUE(world.server->SetPolicy("test", "", R"({"level":1})"));
  world.GiveToken("n1");
  auto agent = LinkAgent::Open(world.AgentOptions("n1")).value();
  std::atomic<int64_t> level = 0;
  agent->OnPolicy("test", [&](const Value& policy) { level = *policy["level"].ToInt(); });
  agent->Start();
  ASSERT_TRUE(Eventually([&] { return level == 1; }));
  ASSERT_TRUE(world.server->SetPolicy("test", "", R"({"level":2})"));
  ASSERT_TRUE(Eventually([&] { return level == 2; }));
  // A cluster's own goes before, and another's is nothing to us.
  ASSERT_TRUE(world.server->SetPolicy("test", "c1", R"({"level":3})"));
  ASSERT_TRUE(Eventually([&] { return level == 3; }));
  ASSERT_TRUE(world.server->SetPolicy("test", "c2", R"({"level":4})"));
  ASSERT_TRUE(world.server->SetPolicy("test", "", R"({"level":5})"));
  ASSERT_TRUE(world.server->SetPolicy("test", "c1", R"({"level":6})"));
  ASSERT_TRUE(Eventually([&] { return level == 6; }));
  EXPECT_FALSE(world.server->SetPolicy("test", "", "[]"));
}

TEST(Link, SilentAgentsAreAway) {
  std::atomic<int64_t> skip = 0;  // outlives the server, whose clock it is
  World world;
  world.options.now = [&] { return Now() + std::chrono::seconds(skip); };
  world.options.sweep_every = std::chrono::milliseconds(10);
  world.StartServer();
  auto agent = world.Agent("n1");
  auto state = [&] {
    return Member((*world.state->Get("agents", AgentId("c1", "n1")))->body, "state");
  };
  EXPECT_EQ(state(), "connected");
  agent.reset();
  // The server may hear its last words only now: time goes on until they, too, are long ago.
  ASSERT_TRUE(Eventually([&] {
    skip += 200;
    return state() == "away";
  }));
  agent = LinkAgent::Open(world.AgentOptions("n1")).value();
  agent->Start();
  ASSERT_TRUE(Eventually([&] { return state() == "connected"; }));
}

TEST(Link, OptionsThatCannotBe) {
  TempDir folder = TempDir::Make().value();
  auto open = [&](LinkAgentOptions options) {
    options.state_folder = folder.File("state");
    return LinkAgent::Open(std::move(options));
  };
  EXPECT_FALSE(open({.server = "http://a", .node = "n1"}));
  EXPECT_FALSE(open({.server = "https://a", .node = "N 1"}));
  EXPECT_FALSE(open({.server = "https://a", .cluster = "c/1", .node = "n1"}));
  EXPECT_TRUE(open({.server = "https://a/", .node = "n1"}));
}

TEST(Link, IdentityUris) {
  NodeIdentity identity{"c1", "n1.example", "0123456789abcdef"};
  EXPECT_EQ(*ParseUri(ToUri(identity)), identity);
  for (const char* uri : {"", "bulwark:agent:c1:n1", "bulwark:agent:c1::0123456789abcdef",
                          "bulwark:agent:C1:n1:0123456789abcdef", "x:agent:c1:n1:0123456789abcdef",
                          "bulwark:agent:c1:n1:0123456789abcdef:", "bulwark:agent:c1:n1:0123"}) {
    EXPECT_FALSE(ParseUri(uri)) << uri;
  }
}

}  // namespace
}  // namespace bulwark::link
