#include "platform/notify/sinks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_server.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::notify {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

template <typename Condition>
bool Eventually(Condition condition) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// What an endpoint of somebody's got.
class Endpoint {
 public:
  Endpoint() {
    server_ = *net::HttpServer::Start({}, [this](const net::ServerRequest& r) {
      std::lock_guard lock(mutex_);
      if (status_ == 200) bodies_.push_back(std::string(r.Header("authorization")) + "|" + r.body);
      ++requests_;
      return net::ServerResponse{.status = status_};
    });
  }
  std::string url() const { return "http://" + server_->addresses()[0] + "/hook?token=shy"; }
  void Answer(int status) {
    std::lock_guard lock(mutex_);
    status_ = status;
  }
  int requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  std::string all() const {
    std::lock_guard lock(mutex_);
    return Join(bodies_, "\n");
  }

 private:
  mutable std::mutex mutex_;
  int status_ = 200, requests_ = 0;
  std::vector<std::string> bodies_;
  std::unique_ptr<net::HttpServer> server_;
};

class SinksTest : public ::testing::Test {
 protected:
  SinksTest() {
    state_ = *store::OpenSqliteStateStore(dir_.path());
    events_ = *store::OpenSqliteEventStore(dir_.path());
    pipeline_ = std::make_unique<Pipeline>(*events_, metrics_);
    vault_ = *vault::Vault::Open(*state_, *vault::OpenKeyFile({dir_.File("master.key")}));
    catalog_.Add("t", {"{who} did it", "{who} 做的"});
    Begin();
  }
  void Begin() {
    sinks_.reset();
    auto guard = net::UrlGuard::Make({.allow = {"127.0.0.1"}});
    sinks_ =
        std::make_unique<Sinks>(*state_, *pipeline_, *vault_, catalog_, metrics_,
                                SinkOptions{.spool_folder = dir_.File("spool"),
                                            .file_folder = dir_.File("out"),
                                            .guard = std::make_shared<const net::UrlGuard>(*guard),
                                            .first_wait = 5ms,
                                            .max_wait = 20ms});
    ASSERT_TRUE(sinks_->Open());
  }
  Result<store::Record> Save(std::string_view json, std::string_view id = "") {
    return sinks_->Save(id, *ParseJson(json, arena_), "user:a");
  }
  void Publish(std::string id, std::string kind = "alert", Severity severity = Severity::kHigh) {
    Event e;
    e.id = std::move(id);
    e.kind = std::move(kind);
    e.severity = severity;
    e.message = "t";
    e.args = {{"who", e.id}};
    ASSERT_TRUE(pipeline_->Publish({e}));
  }
  std::string File(const std::string& name) {
    auto text = ReadFile(dir_.File("out/" + name));
    return text ? *text : "";
  }

  TempDir dir_ = *TempDir::Make();
  Metrics metrics_;
  Catalog catalog_;
  Arena arena_;
  std::unique_ptr<store::StateStore> state_;
  std::unique_ptr<store::EventStore> events_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<vault::Vault> vault_;
  std::unique_ptr<Sinks> sinks_;
};

TEST_F(SinksTest, AFileGetsWhatItsFilterPicks) {
  ASSERT_TRUE(Save(R"({"type":"file","path":"a.jsonl","q":"severity>=high","language":"zh-CN"})"));
  ASSERT_TRUE(sinks_->Start());
  Publish("one");
  Publish("two", "alert", Severity::kLow);
  Publish("three", "audit");
  Publish("four", "finding");
  EXPECT_TRUE(Eventually([&] { return File("a.jsonl").find("four") != std::string::npos; }));
  auto text = File("a.jsonl");
  auto lines = SplitLines(text);
  ASSERT_THAT(lines, SizeIs(2));
  auto first = ParseJson(lines[0], arena_);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->StringAt("message"), "one 做的");
  EXPECT_EQ(first->StringAt("kind"), "alert");
}

TEST_F(SinksTest, FilesRotate) {
  auto saved = Save(R"({"type":"file","path":"a.jsonl","maxBytes":1024,"files":3})");
  ASSERT_TRUE(saved) << saved.error().ToString();
  ASSERT_TRUE(sinks_->Start());
  for (int i = 0; i < 40; ++i) {
    Publish("event-" + std::to_string(i));
    ASSERT_TRUE(Eventually([&] { return sinks_->StatusOf(saved->key).sent == i + 1U; }));
  }
  EXPECT_THAT(File("a.jsonl"), HasSubstr("event-39"));
  EXPECT_NE(File("a.jsonl.2"), "");
  EXPECT_EQ(File("a.jsonl.3"), "");
  EXPECT_LE(File("a.jsonl.1").size(), 1024U);
}

TEST_F(SinksTest, AnEndpointThatIsAwayIsTriedAgainAlsoAfterARestart) {
  Endpoint endpoint;
  endpoint.Answer(503);
  auto saved = Save(R"({"type":"http","url":")" + endpoint.url() +
                    R"(","secretHeaders":{"Authorization":"Bearer hunter2"}})");
  ASSERT_TRUE(saved) << saved.error().ToString();
  EXPECT_THAT(saved->body, AllOf(Not(HasSubstr("hunter2")), HasSubstr("Authorization")));
  ASSERT_TRUE(sinks_->Start());
  Publish("one");
  EXPECT_TRUE(Eventually([&] { return endpoint.requests() > 2; }));
  auto status = sinks_->StatusOf(saved->key);
  EXPECT_EQ(status.waiting, 1U);
  EXPECT_THAT(status.last_error, AllOf(HasSubstr("answered 503"), Not(HasSubstr("shy"))));
  Begin();  // a new server
  ASSERT_TRUE(sinks_->Start());
  Publish("two");
  endpoint.Answer(200);
  EXPECT_TRUE(Eventually([&] { return endpoint.all().find("two did it") != std::string::npos; }));
  EXPECT_THAT(endpoint.all(), HasSubstr("one did it"));
  EXPECT_THAT(endpoint.all(), HasSubstr("Bearer hunter2|"));
  EXPECT_TRUE(Eventually([&] { return sinks_->StatusOf(saved->key).waiting == 0; }));
}

TEST_F(SinksTest, WhatIsRefusedForGoodIsGivenUpAndCounted) {
  Endpoint endpoint;
  endpoint.Answer(400);
  auto saved = Save(R"({"type":"http","format":"array","url":")" + endpoint.url() + R"("})");
  ASSERT_TRUE(saved);
  ASSERT_TRUE(sinks_->Start());
  Publish("one");
  EXPECT_TRUE(Eventually([&] { return sinks_->StatusOf(saved->key).dropped == 1; }));
  endpoint.Answer(200);
  Publish("two");
  EXPECT_TRUE(Eventually([&] { return sinks_->StatusOf(saved->key).sent == 1; }));
  EXPECT_THAT(endpoint.all(), HasSubstr("|[{\"id\":\"two\""));
  ASSERT_TRUE(sinks_->Test(saved->key));
  EXPECT_THAT(endpoint.all(), HasSubstr("\"kind\":\"test\""));
}

TEST_F(SinksTest, SecretsDoNotFollowToAnotherPlace) {
  Endpoint endpoint;
  auto saved = Save(R"({"type":"http","enabled":false,"url":")" + endpoint.url() +
                    R"(","secretHeaders":{"Authorization":"Bearer hunter2"}})");
  ASSERT_TRUE(saved);
  auto same =
      Save(R"({"type":"http","name":"n","enabled":false,"url":")" + endpoint.url() + R"("})",
           saved->key);
  ASSERT_TRUE(same);
  EXPECT_THAT(same->body, HasSubstr("Authorization"));
  auto moved =
      Save(R"({"type":"http","enabled":false,"url":"https://elsewhere.example/"})", saved->key);
  ASSERT_TRUE(moved);
  EXPECT_THAT(moved->body, Not(HasSubstr("Authorization")));
  EXPECT_FALSE(*vault_->Has({"sinks", saved->key, "headers"}));
  ASSERT_TRUE(sinks_->Delete(saved->key));
  EXPECT_FALSE(sinks_->Delete(saved->key));
}

TEST_F(SinksTest, WrongSettingsAreRefused) {
  for (std::string_view bad :
       {R"({"type":"pigeon"})", R"({"type":"file"})", R"({"type":"file","path":"../x"})",
        R"({"type":"file","path":"/etc/passwd"})", R"({"type":"file","path":".hidden"})",
        R"({"type":"file","path":"a","maxBytes":5})", R"({"type":"http","url":"ftp://x"})",
        R"({"type":"http","url":"http://169.254.169.254/"})",
        R"({"type":"http","url":"http://[::1]/"})",
        R"({"type":"http","url":"https://x.example","headers":{"a b":"c"}})",
        R"({"type":"http","url":"https://x.example","headers":{"a":"c\r\nd: e"}})",
        R"({"type":"http","url":"https://x.example","q":"nofield:x"})"}) {
    auto saved = Save(bad);
    EXPECT_FALSE(saved) << bad;
  }
  EXPECT_EQ(*state_->Count("sinks", store::Query::All()), 0U);
}

TEST(LineSpool, KeepsOrderAndBounds) {
  TempDir dir = *TempDir::Make();
  std::vector<std::string> all;
  for (int i = 0; i < 100; ++i) all.push_back("line " + std::to_string(i));
  {
    auto spool = *LineSpool::Open(dir.path(), {.max_bytes = 300, .file_bytes = 50});
    for (const std::string& line : all) ASSERT_TRUE(spool->Append(std::span(&line, 1)));
    EXPECT_GT(spool->dropped(), 50U);
    EXPECT_EQ(spool->dropped() + spool->waiting(), 100U);
    auto first = *spool->Peek(2);
    EXPECT_THAT(first, SizeIs(2));
    EXPECT_EQ(first[0], "line " + std::to_string(spool->dropped()));
    EXPECT_EQ(*spool->Peek(2), first);  // not done yet
    spool->Done(1);
    EXPECT_EQ((*spool->Peek(1))[0], first[1]);
  }
  // A cut line of a crash is no line.
  auto spool = *LineSpool::Open(dir.path());
  std::string last;
  while (true) {
    auto lines = *spool->Peek(7);
    if (lines.empty()) break;
    last = lines.back();
    spool->Done(lines.size());
  }
  EXPECT_EQ(last, "line 99");
  EXPECT_EQ(spool->waiting(), 0U);
  ASSERT_TRUE(spool->Append(std::span(&all[0], 1)));
  EXPECT_THAT(*spool->Peek(7), ElementsAre("line 0"));
}

}  // namespace
}  // namespace bulwark::notify
