// Many at once: log-ins, requests, log-outs and password changes of the same people, tokens that
// are revoked while they are used, administrators who remove each other.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "platform/auth/credentials.h"
#include "platform/auth/testing.h"

namespace bulwark::auth {
namespace {

const std::string kPassword(TestServer::kPassword);

TEST(AuthThreads, LogInsAndRevocations) {
  // Log-ins that lose against a revocation count as failed; here that is none.
  TestServer server({.password_checks = 4,
                     .throttle = {.account = {.free = 1'000'000}, .address = {.free = 1'000'000}}});
  Browser admin = Admin(server);
  AddUser(admin, "alice", "developer");
  std::atomic<bool> stop = false;
  std::atomic<int> in = 0, served = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      Browser browser(server);
      while (!stop) {
        Answer answer = browser.LogIn("alice", kPassword);
        if (answer.status == 200) ++in;
        for (int i = 0; i < 5; ++i) {
          int status = browser.Get("/api/v1/things").status;
          EXPECT_TRUE(status == 200 || status == 401) << status;
          if (status == 200) ++served;
        }
        browser.Send("DELETE", "/api/v1/session");
        browser.csrf.clear();
        browser.cookies.clear();
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) EXPECT_TRUE(server.auth->Sweep());
  });
  while (served < 10) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(admin.Send("DELETE", "/api/v1/users/alice/sessions").status / 100, 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  // Disabled: not one request is served any more, whatever was under way.
  ASSERT_EQ(admin.Send("PATCH", "/api/v1/users/alice", R"({"disabled":true})").status, 200);
  int before = 0;
  Browser late(server);
  EXPECT_NE(late.LogIn("alice", kPassword).status, 200);
  EXPECT_EQ(server.store->Count("sessions", store::Query::Equals("user", "alice")).value(), 0U);
  before = served;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  // What had been admitted before may just have ended: one a thread.
  EXPECT_LE(served - before, 3);
  stop = true;
  for (std::thread& t : threads) t.join();
  EXPECT_GT(in.load(), 0);
  EXPECT_GT(before, 0);
}

TEST(AuthThreads, OneOfTwoAdministratorsStays) {
  TestServer server;
  Browser admin = Admin(server);
  AddUser(admin, "second", "admin");
  Browser second(server);
  second.LogIn("second", kPassword);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> done = 0;
    std::thread one([&] {
      if (admin.Send("PATCH", "/api/v1/users/second", R"({"disabled":true})").status == 200) {
        ++done;
      }
    });
    std::thread two([&] {
      if (second.Send("PATCH", "/api/v1/users/admin", R"({"disabled":true})").status == 200) {
        ++done;
      }
    });
    one.join();
    two.join();
    ASSERT_EQ(done, 1) << "round " << round;
    Browser& left = admin.Get("/api/v1/users").status == 200 ? admin : second;
    std::string other = &left == &admin ? "second" : "admin";
    ASSERT_EQ(left.Send("PATCH", "/api/v1/users/" + other, R"({"disabled":false})").status, 200);
    Browser& back = &left == &admin ? second : admin;
    back.cookies.clear();
    back.csrf.clear();
    ASSERT_EQ(back.LogIn(other, kPassword).status, 200);
  }
}

TEST(AuthThreads, ARevokedTokenStaysRevoked) {
  TestServer server;
  Browser admin = Admin(server);
  for (int round = 0; round < 5; ++round) {
    Answer made = admin.Post("/api/v1/tokens", R"({"name":"t"})");
    ASSERT_EQ(made.status, 201);
    Browser program(server);
    program.token = made.json.StringAt("token");
    std::atomic<bool> stop = false;
    std::thread user([&] {
      while (!stop) {
        // Each minute, its last use is written down: not over its end.
        server.skew_s += 61;
        program.Get("/api/v1/things");
      }
    });
    std::string id(made.json["record"].StringAt("id"));
    int status = admin.Send("DELETE", "/api/v1/tokens/" + id).status;
    stop = true;
    user.join();
    if (status == 401) {
      // The clock ran so far that the administrator's session ended.
      admin.cookies.clear();
      admin.csrf.clear();
      ASSERT_EQ(admin.LogIn("admin", kPassword).status, 200);
      status = admin.Send("DELETE", "/api/v1/tokens/" + id).status;
    }
    ASSERT_EQ(status, 204);
    EXPECT_EQ(program.Get("/api/v1/things").status, 401);
  }
}

TEST(AuthThreads, ThrottleCountsTriesAtOnce) {
  Throttle throttle;
  Timestamp now{.seconds = 1'800'000'000, .nanos = 0};
  std::atomic<int> admitted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        if (throttle.Begin("alice", "10.0.0." + std::to_string(t), now)) ++admitted;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(admitted, 6);
}

}  // namespace
}  // namespace bulwark::auth
