// The whole server in this process, over its real listeners: who may do what on every route, what
// browsers could be tricked into, what strangers may send, and what a restart keeps.

#include "app/server/server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <re2/re2.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>

#include "app/server/api_client.h"
#include "app/server/backup.h"
#include "base/arena.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_client.h"
#include "tests/e2e/server_caller.h"

namespace bulwark {
namespace {

using test::Caller;
using test::Folder;
using test::kPassword;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    SetLog({.level = Level::kError});
    folder_ = new Folder;
    Start();
    admin_ = new Caller(Anonymous());
    std::string first =
        std::string(Trim(ReadFile(folder_->path() + "/first-password").value_or("")));
    ASSERT_FALSE(first.empty());
    admin_->origin = admin_->base;
    ASSERT_EQ(admin_->LogIn("admin", first).status, 200);
    auto changed =
        admin_->Send("POST", "/api/v1/users/admin/password",
                     fmt::format(R"({{"password":"{}","current":"{}"}})", kPassword, first));
    ASSERT_THAT(changed.status, AnyOf(200, 204)) << changed.body;
    admin_->cookie.clear();
    admin_->csrf.clear();
    ASSERT_EQ(admin_->LogIn("admin", kPassword).status, 200);
  }
  // Whatever a test asks for: answers are what their routes state.
  void TearDown() override { EXPECT_THAT(wrong_.Take(), ::testing::IsEmpty()); }
  static void TearDownTestSuite() {
    delete admin_;
    server_.reset();
    delete folder_;
  }
  static void Start() {
    auto started = Server::Start(test::OptionsIn(folder_->path(), &wrong_));
    ASSERT_TRUE(started) << started.error().ToString();
    server_ = std::move(*started);
  }
  static Caller Anonymous() {
    net::HttpOptions options;
    options.tls.ca_file = folder_->path() + "/ca.crt";
    options.proxy = "";
    return {.base = server_->console_url(),
            .http = std::make_shared<const net::HttpClient>(std::move(options))};
  }
  // A program with a machine token of that role in that scope.
  static Caller WithRole(const std::string& role, const std::string& scope = "{}",
                         const std::string& expires = "") {
    std::string body =
        fmt::format(R"({{"name":"t","kind":"machine","grants":[{{"role":"{}","scope":{}}}]{}}})",
                    role, scope, expires.empty() ? "" : fmt::format(R"(,"expires":"{}")", expires));
    auto made = admin_->Send("POST", "/api/v1/tokens", body);
    EXPECT_EQ(made.status, 201) << made.body;
    Arena arena;
    Caller caller = Anonymous();
    auto answer = ParseJson(made.body, arena);
    if (answer) caller.token = answer->StringAt("token");
    EXPECT_FALSE(caller.token.empty());
    return caller;
  }

  struct Operation {
    std::string method, path, id, permission;
    bool is_public = false, has_body = false;
  };
  static std::vector<Operation> Operations() {
    std::vector<Operation> out;
    auto answer = admin_->Send("GET", "/api/v1/openapi.json");
    Arena arena;
    auto document = ParseJson(answer.body, arena);
    EXPECT_TRUE(document) << answer.body.substr(0, 300);
    if (!document) return out;
    Value paths = (*document)["paths"];
    for (const Value::Entry& path : paths.entries()) {
      for (const Value::Entry& operation : path.value.entries()) {
        Operation op;
        op.method = AsciiUpper(operation.key.AsString());
        op.id = operation.value.StringAt("operationId");
        op.permission = operation.value.StringAt("x-permission");
        op.is_public = operation.value["security"].IsArray();
        op.has_body = operation.value["requestBody"].IsMap();
        // Any value will do for what the path names: it does not exist.
        std::string text(path.key.AsString());
        while (auto open = Cut(text, "{")) {
          auto close = Cut(open->second, "}");
          if (!close) break;
          text = std::string(open->first) + "none" + std::string(close->second);
        }
        op.path = text;
        out.push_back(std::move(op));
      }
    }
    return out;
  }

  static test::WrongAnswers wrong_;
  static Folder* folder_;
  static std::unique_ptr<Server> server_;
  static Caller* admin_;
};

test::WrongAnswers ServerTest::wrong_;
Folder* ServerTest::folder_ = nullptr;
std::unique_ptr<Server> ServerTest::server_;
Caller* ServerTest::admin_ = nullptr;

TEST_F(ServerTest, NobodyGetsAnythingWithoutBeingLoggedIn) {
  Caller nobody = Anonymous();
  Caller forged = Anonymous();
  forged.token = "bwk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  Caller stale = Anonymous();
  stale.cookie = "__Host-bulwark=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  size_t closed = 0;
  for (const Operation& op : Operations()) {
    if (op.is_public) continue;
    SCOPED_TRACE(op.method + " " + op.path);
    std::string body = op.has_body ? "{}" : "";
    EXPECT_EQ(nobody.Send(op.method, op.path, body).status, 401);
    EXPECT_EQ(forged.Send(op.method, op.path, body).status, 401);
    EXPECT_EQ(stale.Send(op.method, op.path, body).status, 401);
    ++closed;
  }
  EXPECT_GT(closed, 60);
}

TEST_F(ServerTest, WhatIsPublicIsNoMoreThanItMustBe) {
  std::set<std::string> open;
  for (const Operation& op : Operations()) {
    if (op.is_public) open.insert(op.id);
  }
  EXPECT_THAT(open, ::testing::UnorderedElementsAre("healthz", "readyz", "getOpenApi", "logIn",
                                                    "getSession", "listLogInMethods", "startOidc",
                                                    "finishOidc"))
      << "what is public is a decision: change this list with it";
}

// docs/reference/openapi.json is what the server says, and what the console's types are made of
// (npm run types). With BW_UPDATE_GOLDEN=1 in the environment it is written anew: read the
// difference.
TEST_F(ServerTest, TheReferenceHasTheDocument) {
  const std::string path = BULWARK_SOURCE_DIR "/docs/reference/openapi.json";
  Arena arena;
  auto document = ParseJson(admin_->Send("GET", "/api/v1/openapi.json").body, arena);
  ASSERT_TRUE(document);
  std::string text = ToJson(*document, {.indent = 1}) + "\n";
  if (std::getenv("BW_UPDATE_GOLDEN") != nullptr) ASSERT_TRUE(WriteFileAtomic(path, text, 0644));
  EXPECT_TRUE(ReadFile(path).value_or("") == text) << "BW_UPDATE_GOLDEN=1 rewrites " << path;
}

// Errors and events are told in the reader's language: what the server may raise by an id is in the
// catalogue, and says something else in Chinese.
TEST_F(ServerTest, WhateverIsSaidIsSaidInBothLanguages) {
  // Folders whose errors a server's API can tell. Those of languages (CEL, Rego) speak of source
  // text, and those of the command line to its user.
  const std::vector<std::string> folders = {
      "base",     "crypto",         "detect",        "formats",          "kube",      "net",
      "platform", "features/audit", "features/node", "features/posture", "app/server"};
  const std::set<std::string> not_told = {
      "commands.cc",   "server_commands.cc", "client_commands.cc",
      "api_client.cc", "agent.cc",           "duty.cc",
      "host.cc"};
  std::set<std::string> ids;
  const RE2 raised(
      R"re((?:Error|Event\w*|Bad\w*|Refused|Invalid|Fail\w*)\(\s*Code::k\w+,\s*"([a-z_]+(?:\.[a-z_0-9-]+)+)")re");
  const RE2 said(R"re(\.message\s*=\s*"([a-z_]+(?:\.[a-z_0-9-]+)+)")re");
  for (const std::string& folder : folders) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(BULWARK_SOURCE_DIR "/src/" + folder)) {
      std::string name = entry.path().filename().string();
      if (!name.ends_with(".cc") || name.ends_with("_test.cc") || name.ends_with("_bench.cc") ||
          name.ends_with("_fuzz.cc") || not_told.contains(name))
        continue;
      std::string text = ReadFile(entry.path().string()).value_or("");
      for (const RE2* pattern : {&raised, &said}) {
        re2::StringPiece rest(text);
        std::string id;
        while (RE2::FindAndConsume(&rest, *pattern, &id)) ids.insert(id);
      }
    }
  }
  EXPECT_GT(ids.size(), 150U);
  std::vector<std::string> missing;
  for (const std::string& id : ids) {
    if (server_->catalog().Find(id) == nullptr) missing.push_back(id);
  }
  EXPECT_EQ(Join(missing, " "), "");
  for (const auto& [id, text] : server_->catalog().all()) {
    EXPECT_FALSE(text.en.empty()) << id;
    bool chinese = std::any_of(text.zh.begin(), text.zh.end(), [](char c) { return c < 0; });
    // Some are values and names alone.
    std::string plain = text.en;
    RE2::GlobalReplace(&plain, R"(\{\w+\})", "");
    bool words = RE2::PartialMatch(plain, "[A-Za-z]{3}");
    EXPECT_TRUE(chinese || !words) << id << ": " << text.zh;
  }
}

// For every built-in role: each route answers 403 or 404 exactly where the role has no permission.
TEST_F(ServerTest, EveryRouteWithEveryRole) {
  auto roles = admin_->Send("GET", "/api/v1/roles?limit=100");
  Arena arena;
  auto parsed = ParseJson(roles.body, arena);
  ASSERT_TRUE(parsed) << roles.body;
  std::vector<Operation> operations = Operations();
  size_t refused = 0, allowed = 0;
  Value items = (*parsed)["items"];
  for (const Value& role : items.items()) {
    std::string name(role.StringAt("name"));
    if (name.empty()) name = role.StringAt("id");
    Caller caller = WithRole(name);
    Value permissions = role["permissions"];
    for (const Operation& op : operations) {
      if (op.is_public || op.permission.empty()) continue;
      // What these do to the server is tested elsewhere.
      if (op.id == "stream" || op.id == "backUp") continue;
      bool may = false;
      for (const Value& p : permissions.items())
        may |= GlobMatch(p.AsString(), op.permission, '\0');
      int status = caller.Send(op.method, op.path, op.has_body ? "{}" : "").status;
      SCOPED_TRACE(
          fmt::format("{} as {}: {} {} ({})", op.id, name, op.method, op.path, op.permission));
      if (may) {
        EXPECT_THAT(status, Not(AnyOf(401, 403, 0, 500)));
        ++allowed;
      } else {
        EXPECT_EQ(status, 403);
        ++refused;
      }
    }
  }
  EXPECT_GT(allowed, 200);
  EXPECT_GT(refused, 100);
}

TEST_F(ServerTest, TokensExpireAndAreRevokedAtOnce) {
  Caller expired = WithRole("auditor", "{}", "2099-01-01T00:00:00Z");
  EXPECT_EQ(expired.Send("GET", "/api/v1/findings").status, 200);
  auto list = admin_->Send("GET", "/api/v1/tokens?limit=1000");
  Arena arena;
  auto parsed = ParseJson(list.body, arena);
  ASSERT_TRUE(parsed);
  Value items = (*parsed)["items"];
  size_t revoked = 0;
  for (const Value& token : items.items()) {
    if (token.StringAt("expires") != "2099-01-01T00:00:00Z") continue;
    EXPECT_EQ(admin_->Send("DELETE", "/api/v1/tokens/" + std::string(token.StringAt("id"))).status,
              204);
    ++revoked;
  }
  EXPECT_EQ(revoked, 1);
  EXPECT_EQ(expired.Send("GET", "/api/v1/findings").status, 401);
  auto past = admin_->Send(
      "POST", "/api/v1/tokens",
      R"({"name":"p","kind":"machine","expires":"2020-01-01T00:00:00Z","grants":[{"role":"auditor"}]})");
  EXPECT_EQ(past.status, 400) << past.body;
}

TEST_F(ServerTest, AForeignScopeSeesAndDoesNothing) {
  Caller elsewhere = WithRole("developer", R"({"clusters":["c-other"],"namespaces":["other"]})");
  EXPECT_EQ(elsewhere.Send("GET", "/api/v1/clusters/none").status, 404);
  EXPECT_THAT(elsewhere.Send("POST", "/api/v1/inspections/run", R"({"cluster":"c1"})").status,
              AnyOf(403, 404));
  EXPECT_EQ(elsewhere
                .Send("POST", "/api/v1/exceptions",
                      R"({"check":"image-*","reason":"r","namespace":"prod"})")
                .status,
            403);
  EXPECT_EQ(elsewhere.Send("GET", "/api/v1/users").status, 403);
}

TEST_F(ServerTest, WritesOfASessionNeedItsTokenAndOurOrigin) {
  std::string body = R"({"retention":{"audit":30}})";
  EXPECT_EQ(admin_->Send("PATCH", "/api/v1/settings", body).status, 200);
  Caller without = *admin_;
  without.csrf.clear();
  EXPECT_EQ(without.Send("PATCH", "/api/v1/settings", body).status, 403);
  Caller wrong = *admin_;
  wrong.csrf.back() = wrong.csrf.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(wrong.Send("PATCH", "/api/v1/settings", body).status, 403);
  Caller foreign = *admin_;
  foreign.origin = "https://evil.example";
  EXPECT_EQ(foreign.Send("PATCH", "/api/v1/settings", body).status, 403);
  foreign.origin = "null";
  EXPECT_EQ(foreign.Send("PATCH", "/api/v1/settings", body).status, 403);
  // A form cannot send JSON.
  EXPECT_EQ(
      admin_->Send("PATCH", "/api/v1/settings", body, {{"Content-Type", "text/plain"}}).status,
      415);
}

TEST_F(ServerTest, ConsoleFilesStayWithinTheConsole) {
  Caller nobody = Anonymous();
  auto page = nobody.Send("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(std::string(page.Header("content-security-policy")), HasSubstr("default-src 'none'"));
  EXPECT_EQ(page.Header("x-content-type-options"), "nosniff");
  for (const std::string& path :
       {"/../../etc/passwd", "/assets/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc/passwd", "/assets/%00", "//etc/passwd", "/assets/\\..\\x"}) {
    auto answer = nobody.Send("GET", path);
    EXPECT_THAT(answer.body, Not(HasSubstr("root:"))) << path;
    EXPECT_THAT(answer.status, AnyOf(200, 400, 404, 0)) << path;
  }
}

TEST_F(ServerTest, BodiesAndHeadersHaveLimits) {
  std::string big = R"({"retention":{"audit":)" + std::string(2 << 20, '1') + "}}";
  EXPECT_EQ(admin_->Send("PATCH", "/api/v1/settings", big).status, 413);
  EXPECT_EQ(
      admin_->Send("GET", "/api/v1/findings", "", {{"X-Long", std::string(60'000, 'a')}}).status,
      431);
  EXPECT_THAT(admin_->Send("GET", "/api/v1/findings?q=" + std::string(20'000, 'a')).status,
              AnyOf(400, 414, 431));
  std::string deep(5000, '[');
  EXPECT_EQ(admin_->Send("PATCH", "/api/v1/settings", deep).status, 400);
  EXPECT_EQ(admin_->Send("GET", "/api/v1/findings?q=((((((((((((((((((((((((((a").status, 400);
  EXPECT_EQ(admin_->Send("GET", "/api/v1/findings?cursor=AAAA").status, 400);
  EXPECT_EQ(admin_->Send("GET", "/api/v1/findings?limit=100000").status, 400);
  EXPECT_EQ(admin_->Send("GET", "/api/v1/findings?sort=nothing").status, 400);
}

TEST_F(ServerTest, WebhooksNeedTheirSecret) {
  net::HttpOptions options;
  options.tls.ca_file = folder_->path() + "/ca.crt";
  options.proxy = "";
  Caller stranger{.base = server_->webhook_url(),
                  .http = std::make_shared<const net::HttpClient>(std::move(options))};
  std::string forged =
      R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"x","level":"Metadata","stage":"ResponseComplete","verb":"delete","user":{"username":"alice"},"requestURI":"/x"}]})";
  for (const std::string& path : {"/audit/", "/audit/guess", "/audit/../audit/guess", "/"}) {
    EXPECT_THAT(stranger.Send("POST", path, forged).status, AnyOf(400, 401, 404)) << path;
  }
  auto found = admin_->Send("GET", "/api/v1/events?q=kind:audit");
  EXPECT_EQ(found.status, 200);
  EXPECT_THAT(found.body, HasSubstr("\"items\":[]"));
}

TEST_F(ServerTest, SettingsCannotSendTheServerToItself) {
  for (const std::string& url :
       {"https://127.0.0.1:1/x", "http://169.254.169.254/latest/meta-data", "https://[::1]/",
        "https://[::ffff:127.0.0.1]/", "http://0.0.0.0:8080/"}) {
    auto made = admin_->Send(
        "POST", "/api/v1/sinks",
        fmt::format(R"({{"name":"s","type":"http","url":"{}","kinds":["alert"]}})", url));
    EXPECT_THAT(made.status, AnyOf(400, 403)) << url << " " << made.body;
  }
}

TEST_F(ServerTest, WhatWasDoneIsRecorded) {
  ASSERT_EQ(admin_->Send("PATCH", "/api/v1/settings", R"({"retention":{"runs":7}})").status, 200);
  bool seen = false;
  for (int i = 0; i < 600 && !seen; ++i) {
    auto found = admin_->Send("GET", "/api/v1/events?q=kind:access%20resource:patchSettings");
    seen = found.body.find("patchSettings") != std::string::npos;
    if (!seen) ::usleep(100'000);
  }
  EXPECT_TRUE(seen);
}

TEST_F(ServerTest, AThousandIdleConnectionsLeaveRoom) {
  auto colon = server_->console_url().rfind(':');
  auto port = static_cast<uint16_t>(std::stoi(server_->console_url().substr(colon + 1)));
  std::vector<int> open;
  for (int i = 0; i < 1000; ++i) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
      if (fd >= 0) ::close(fd);
      break;
    }
    open.push_back(fd);
  }
  EXPECT_EQ(open.size(), 1000);
  EXPECT_EQ(Anonymous().Send("GET", "/healthz").status, 200);
  for (int fd : open) ::close(fd);
}

TEST_F(ServerTest, ARestartKeepsEverythingAndABackupRestores) {
  ASSERT_EQ(admin_
                ->Send("POST", "/api/v1/exceptions",
                       R"({"check":"image-*","namespace":"kept","reason":"why not"})")
                .status,
            201);
  auto made = admin_->Send("POST", "/api/v1/system/backup", "");
  ASSERT_EQ(made.status, 201) << made.body;
  Arena arena;
  std::string backup(ParseJson(made.body, arena)->StringAt("folder"));
  EXPECT_TRUE(VerifyBackup(backup));

  server_.reset();
  Start();
  admin_->base = admin_->origin = server_->console_url();
  EXPECT_EQ(admin_->Send("GET", "/api/v1/session").status, 200);
  EXPECT_THAT(admin_->Send("GET", "/api/v1/exceptions").body, HasSubstr("why not"));

  Folder elsewhere;
  EXPECT_FALSE(RestoreBackup(backup, elsewhere.path(), "")) << "without the master key";
  auto restored = RestoreBackup(backup, elsewhere.path(), folder_->path() + "/master.key");
  ASSERT_TRUE(restored) << restored.error().ToString();
  auto second = Server::Start(test::OptionsIn(elsewhere.path()));
  ASSERT_TRUE(second) << second.error().ToString();
  EXPECT_FALSE((*second)->first_password());
  net::HttpOptions options;
  options.tls.ca_file = elsewhere.path() + "/ca.crt";
  options.proxy = "";
  Caller caller{.base = (*second)->console_url(),
                .http = std::make_shared<const net::HttpClient>(std::move(options))};
  caller.origin = caller.base;
  EXPECT_EQ(caller.LogIn("admin", kPassword).status, 200);
  EXPECT_THAT(caller.Send("GET", "/api/v1/exceptions").body, HasSubstr("why not"));

  // What was changed is not restored.
  {
    std::string state = backup + "/state.db";
    std::string bytes = ReadFile(state).value_or("");
    bytes[bytes.size() / 2] ^= 1;
    ASSERT_TRUE(WriteFileAtomic(state, bytes, 0600));
  }
  EXPECT_FALSE(VerifyBackup(backup));
}

TEST_F(ServerTest, TheFolderIsNobodyElses) {
  struct stat about{};
  ASSERT_EQ(::stat(folder_->path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 077, 0);
  for (const std::string& name : {"master.key", "state.db", "events.db"}) {
    ASSERT_EQ(::stat((folder_->path() + "/" + name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 077, 0) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_->path() + "/first-password"))
      << "it was changed, and must go";
  // The same folder serves one server at a time.
  auto twice = Server::Start(test::OptionsIn(folder_->path()));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().id(), "store.locked");
}

}  // namespace
}  // namespace bulwark
