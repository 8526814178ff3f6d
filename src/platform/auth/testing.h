#pragma once

// For the tests of this folder: a server with its stores in a temporary folder and Auth in it, and
// a browser that keeps cookies.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/metrics.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "platform/api/api.h"
#include "platform/auth/auth.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::auth {

class TestServer {
 public:
  explicit TestServer(AuthOptions options = {}, bool first_admin = true) {
    folder_ = std::make_unique<TempDir>(TempDir::Make().value());
    store = store::OpenSqliteStateStore(folder_->File("state.db")).value();
    vault = vault::Vault::Open(*store,
                               vault::OpenKeyFile({.path = folder_->File("master.key")}).value())
                .value();
    if (first_admin) options.data_folder = folder_->path();
    // What a password costs is crypto's to test.
    options.password_cost = {.memory_kib = 1024, .passes = 1, .lanes = 1};
    options.on_event = [this](Event event) {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    };
    options.now = [this] {
      return (frozen ? start_ : Now()) + std::chrono::seconds(skew_s.load());
    };
    api::AddMessages(catalog);
    Auth::AddMessages(catalog);
    auth = Auth::Open(*store, *vault, options).value();
    api = std::make_unique<api::Api>(*store, catalog, metrics,
                                     api::ApiOptions{.requests_per_second = 100000});
    auth->AddRoutes(*api);
    api->Add({.method = "GET",
              .path = "/api/v1/things",
              .id = "things",
              .tag = "things",
              .summary = "Things",
              .permission = "findings.read",
              .response = R"({"type":"object"})",
              .handler = [](api::Request&) -> Result<api::Response> {
                return api::Response::Json("{}");
              }});
    api->SetAuthenticator(auth.get());
    server = net::HttpServer::Start(
                 {.listen = {"127.0.0.1:0"}, .workers = 4},
                 [this](const net::ServerRequest& request) { return api->Handle(request); })
                 .value();
  }
  ~TestServer() { server->Shutdown(std::chrono::seconds(5)); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }
  std::string folder() const { return folder_->path(); }
  std::vector<Event> Events() {
    std::lock_guard lock(mutex_);
    return events_;
  }
  std::vector<std::string> EventIds() {
    std::vector<std::string> out;
    for (const Event& e : Events()) out.push_back(e.message);
    return out;
  }
  // A user with that role, who need not change his password.
  static constexpr std::string_view kPassword = "a stitch in time saves nine";

  std::unique_ptr<TempDir> folder_;
  std::unique_ptr<store::StateStore> store;
  std::unique_ptr<vault::Vault> vault;
  Catalog catalog;
  Metrics metrics;
  std::unique_ptr<Auth> auth;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<net::HttpServer> server;
  std::atomic<int64_t> skew_s = 0;  // added to the clock
  std::atomic<bool> frozen = true;  // which stands still but for that

 private:
  const Timestamp start_ = Now();
  std::mutex mutex_;
  std::vector<Event> events_;
};

// What an answer was.
struct Answer {
  int status = 0;
  std::string body;
  net::HttpHeaders headers;
  Arena arena;
  Value json;
  std::string Header(std::string_view name) const {
    for (const auto& [n, v] : headers) {
      if (n == name) return v;
    }
    return {};
  }
  // The id of a problem: "auth.wrong".
  std::string Problem() const {
    std::string_view type = json.StringAt("type");
    return std::string(type.substr(0, 12) == "urn:bulwark:" ? type.substr(12) : "");
  }
};

class Browser {
 public:
  explicit Browser(const TestServer& server) : url_(server.url()) {}

  Answer Send(std::string method, std::string path, std::string body = {},
              net::HttpHeaders headers = {}) {
    net::HttpRequest request{.method = std::move(method),
                             .url = path.starts_with("http") ? path : url_ + path,
                             .headers = std::move(headers),
                             .body = std::move(body)};
    if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    std::string cookie;
    for (const auto& [name, value] : cookies) {
      cookie += (cookie.empty() ? "" : "; ") + name + "=" + value;
    }
    if (!cookie.empty()) request.headers.emplace_back("Cookie", cookie);
    if (!csrf.empty()) request.headers.emplace_back("X-CSRF-Token", csrf);
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    request.headers.emplace_back("Origin", url_);
    Result<net::HttpResponse> got = client_->Send(std::move(request));
    Answer answer;
    if (!got) {
      ADD_FAILURE() << got.error().ToString();
      return answer;
    }
    for (const auto& [name, value] : got->headers) {
      if (name == "set-cookie") Keep(value);
    }
    answer.status = got->status;
    answer.headers = got->headers;
    answer.body = got->body;
    if (Result<Value> json = ParseJson(answer.body, answer.arena)) answer.json = *json;
    return answer;
  }
  Answer Get(std::string path) { return Send("GET", std::move(path)); }
  Answer Post(std::string path, std::string body) {
    return Send("POST", std::move(path), std::move(body));
  }

  Answer LogIn(std::string_view name, std::string_view password) {
    Answer answer =
        Post("/api/v1/session", R"({"method":"password","name":")" + std::string(name) +
                                    R"(","password":")" + std::string(password) + "\"}");
    Learn(answer);
    return answer;
  }
  // The CSRF token of the session.
  void Learn(const Answer& answer) {
    if (answer.status == 200) csrf = answer.json.StringAt("csrfToken");
  }
  void Refresh() { Learn(Get("/api/v1/session")); }

  std::map<std::string, std::string> cookies;
  std::string last_cookie;  // as it was set
  std::string csrf, token;

 private:
  void Keep(const std::string& set) {
    last_cookie = set;
    auto pair = Cut(std::string_view(set).substr(0, set.find(';')), "=");
    if (!pair) return;
    std::string name(pair->first);
    if (pair->second.empty() || set.find("Max-Age=0") != std::string::npos) {
      cookies.erase(name);
    } else {
      cookies[name] = std::string(pair->second);
    }
  }

  std::string url_;
  std::shared_ptr<net::HttpClient> client_ = std::make_shared<net::HttpClient>();
};

// The first administrator, with his new password.
inline Browser Admin(TestServer& server) {
  Browser browser(server);
  Answer in = browser.LogIn("admin", *server.auth->first_password());
  EXPECT_EQ(in.status, 200) << in.body;
  Answer changed =
      browser.Post("/api/v1/users/admin/password",
                   R"({"current":")" + *server.auth->first_password() + R"(","password":")" +
                       std::string(TestServer::kPassword) + "\"}");
  EXPECT_EQ(changed.status, 204) << changed.body;
  browser.Refresh();
  return browser;
}

// A new local user with a role.
inline void AddUser(Browser& admin, const std::string& name, const std::string& role,
                    const std::string& scope = "{}") {
  Answer made = admin.Post("/api/v1/users", R"({"name":")" + name + R"(","password":")" +
                                                std::string(TestServer::kPassword) +
                                                R"(","mustChangePassword":false})");
  ASSERT_EQ(made.status, 201) << made.body;
  if (role.empty()) return;
  Answer granted = admin.Post("/api/v1/grants", R"({"subject":"user:)" + name + R"(","role":")" +
                                                    role + R"(","scope":)" + scope + "}");
  ASSERT_EQ(granted.status, 201) << granted.body;
}

}  // namespace bulwark::auth
