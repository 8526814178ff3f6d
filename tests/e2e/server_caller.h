#pragma once

// What tests of the whole server share: a folder, a server's options in it, and somebody who calls.

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "app/server/server.h"
#include "base/arena.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_client.h"

namespace bulwark::test {

inline constexpr std::string_view kPassword = "quiet otter folds seven maps";

// What was answered and is not what the route states; from any thread.
class WrongAnswers {
 public:
  void Add(const std::string& route, const std::string& what) {
    std::lock_guard lock(mutex_);
    if (all_.size() < 200) all_.insert(route + ": " + what);
  }
  std::set<std::string> Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(all_, {});
  }

 private:
  std::mutex mutex_;
  std::set<std::string> all_;
};

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/bulwark-server-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline ServerOptions OptionsIn(const std::string& folder, WrongAnswers* wrong = nullptr) {
  ServerOptions options;
  options.data_folder = folder;
  options.version = "test";
  options.console_listen = {"127.0.0.1:0"};
  options.webhook_listen = {"127.0.0.1:0"};
  options.agent_listen = {"127.0.0.1:0"};
  options.requests_per_second = 100'000;
  if (wrong != nullptr) {
    options.on_wrong_answer = [wrong](const std::string& route, const std::string& what) {
      wrong->Add(route, what);
    };
  }
  return options;
}

// A browser or program in front of the server.
struct Caller {
  std::string base;
  std::shared_ptr<const net::HttpClient> http;
  std::string token, cookie, csrf, origin;

  net::HttpResponse Send(const std::string& method, const std::string& path, std::string body = {},
                         net::HttpHeaders headers = {}) const {
    net::HttpRequest request{.method = method, .url = base + path};
    if (!body.empty() && !std::any_of(headers.begin(), headers.end(),
                                      [](const auto& h) { return h.first == "Content-Type"; })) {
      headers.emplace_back("Content-Type",
                           method == "PATCH" ? "application/merge-patch+json" : "application/json");
    }
    request.body = std::move(body);
    request.headers = std::move(headers);
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    if (!cookie.empty()) request.headers.emplace_back("Cookie", cookie);
    if (!csrf.empty()) request.headers.emplace_back("X-CSRF-Token", csrf);
    if (!origin.empty()) request.headers.emplace_back("Origin", origin);
    auto answer = http->Send(std::move(request));
    if (!answer) {
      net::HttpResponse none;
      none.body = answer.error().ToString();
      return none;
    }
    return std::move(*answer);
  }
  // Sends and notes the session that the answer sets.
  net::HttpResponse LogIn(std::string_view name, std::string_view password) {
    net::HttpResponse answer =
        Send("POST", "/api/v1/session",
             fmt::format(R"({{"method":"password","name":"{}","password":"{}"}})", name, password));
    for (const auto& [header, value] : answer.headers) {
      if (header == "set-cookie") cookie = std::string(Split(value, ';').front());
    }
    Arena arena;
    auto body = ParseJson(answer.body, arena);
    if (body) csrf = body->StringAt("csrfToken");
    return answer;
  }
};

}  // namespace bulwark::test
