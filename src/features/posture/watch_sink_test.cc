#include "features/posture/watch_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/files.h"
#include "net/test_server.h"

namespace bulwark::posture {
namespace {

using namespace std::chrono_literals;
using net::TestServer;
using ::testing::HasSubstr;

TEST(WatchSink, StandardOutputAndFiles) {
  std::string out;
  auto sink = OpenSink("-", [&](std::string_view line) { out += line; });
  ASSERT_TRUE(sink);
  (*sink)->Write("a\n");
  EXPECT_EQ(out, "a\n");

  TempDir dir = TempDir::Make().value();
  std::string path = dir.File("lines");
  ASSERT_TRUE(WriteFileAtomic(path, "old\n"));
  {
    auto file = OpenSink(path, nullptr);
    ASSERT_TRUE(file);
    (*file)->Write("new\n");
    EXPECT_TRUE((*file)->Check());
  }
  EXPECT_EQ(ReadFile(path).value(), "old\nnew\n");
  EXPECT_FALSE(OpenSink(dir.File("none/lines"), nullptr));
}

TEST(WatchSink, AFullDiskIsTold) {
  auto file = OpenSink("/dev/full", nullptr);
  ASSERT_TRUE(file) << file.error().ToString();
  EXPECT_TRUE((*file)->Check());
  (*file)->Write("x\n");
  EXPECT_FALSE((*file)->Check());
}

WebhookOptions Quick() { return {.first_wait = 5ms, .max_wait = 20ms, .last_wait = 2s}; }

TEST(Webhook, SendsEveryLineOnceAndInOrder) {
  std::mutex mutex;
  std::string got;
  std::atomic<int> posts = 0;
  TestServer server([&](const TestServer::Request& r, TestServer::Reply& reply) {
    EXPECT_EQ(r.method, "POST");
    EXPECT_EQ(r.headers.at("content-type"), "application/x-ndjson");
    // Every second attempt fails, in one way or another.
    switch (++posts % 4) {
      case 0: return reply.Send(503, "");
      case 2: return reply.Break();
      default: break;
    }
    std::lock_guard lock(mutex);
    got += r.body;
    reply.Send(204, "");
  });
  std::string expected;
  {
    WebhookOptions options = Quick();
    options.batch_bytes = 100;
    auto sink = WebhookSink(server.url(), options);
    for (int i = 0; i < 200; ++i) {
      std::string line = "{\"n\":" + std::to_string(i) + "}\n";
      expected += line;
      sink->Write(line);
    }
  }  // the end waits for what is left
  EXPECT_EQ(got, expected);
  EXPECT_GT(posts, 20);
}

TEST(Webhook, WhatDoesNotFitIsDroppedCountedAndTold) {
  std::atomic<bool> away = true;
  std::mutex mutex;
  std::string got;
  TestServer server([&](const TestServer::Request& r, TestServer::Reply& reply) {
    if (away) return reply.Send(500, "");
    std::lock_guard lock(mutex);
    got += r.body;
    reply.Send(200, "");
  });
  WebhookOptions options = Quick();
  options.max_lines = 3;
  auto sink = WebhookSink(server.url(), options);
  for (int i = 0; i < 10; ++i) sink->Write(std::to_string(i) + "\n");
  EXPECT_EQ(sink->dropped(), 7U);
  away = false;
  sink.reset();
  EXPECT_THAT(got, HasSubstr("0\n1\n2\n"));
  EXPECT_THAT(got, HasSubstr(R"({"type":"dropped","count":7})"));
}

TEST(Webhook, WhatIsRefusedIsNotSentAgain) {
  std::atomic<int> posts = 0;
  TestServer server([&](const TestServer::Request&, TestServer::Reply& reply) {
    ++posts;
    reply.Send(400, "");
  });
  auto sink = WebhookSink(server.url(), Quick());
  sink->Write("a\n");
  for (int i = 0; i < 400 && sink->dropped() == 0; ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(sink->dropped(), 1U);
  EXPECT_EQ(posts, 1);
}

TEST(Webhook, TheEndDoesNotWaitForEver) {
  TestServer server(
      [&](const TestServer::Request&, TestServer::Reply& reply) { reply.Sleep(30s); });
  WebhookOptions options = Quick();
  options.last_wait = 100ms;
  auto start = std::chrono::steady_clock::now();
  auto sink = WebhookSink(server.url(), options);
  sink->Write("a\n");
  sink.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

}  // namespace
}  // namespace bulwark::posture
