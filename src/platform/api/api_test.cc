#include "platform/api/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_client.h"
#include "platform/api/json_schema.h"
#include "platform/api/rate_limit.h"
#include "platform/api/router.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using namespace std::chrono_literals;

// --- Parts ---------------------------------------------------------------------------------------

std::string Route(const Router& router, std::string_view method, std::string_view path) {
  std::vector<std::string> segments;
  for (std::string_view s : Split(path.substr(1), '/')) segments.emplace_back(s);
  auto match = router.Find(method, segments);
  if (!match) return "nothing";
  std::string out = match->route ? std::to_string(*match->route) : "method";
  for (const auto& [name, value] : match->parameters) out += " " + name + "=" + value;
  return out;
}

TEST(Router, LiteralBeforeOneBeforeMany) {
  Router router;
  EXPECT_TRUE(router.Add("GET", "/a/{x}", 0));
  EXPECT_TRUE(router.Add("POST", "/a/{y}", 1));
  EXPECT_TRUE(router.Add("GET", "/a/groups", 2));
  EXPECT_TRUE(router.Add("GET", "/a/{x}/b", 3));
  EXPECT_TRUE(router.Add("GET", "/k/{key...}", 4));
  EXPECT_TRUE(router.Add("GET", "/k/groups", 5));
  EXPECT_TRUE(router.Add("DELETE", "/k/{id}", 6));
  EXPECT_FALSE(router.Add("GET", "/a/{other}", 7));
  EXPECT_FALSE(router.Add("GET", "/k/{rest...}/more", 8));
  EXPECT_FALSE(router.Add("GET", "relative", 9));
  EXPECT_EQ(Route(router, "GET", "/a/1"), "0 x=1");
  EXPECT_EQ(Route(router, "HEAD", "/a/1"), "0 x=1");
  EXPECT_EQ(Route(router, "POST", "/a/1"), "1 y=1");
  EXPECT_EQ(Route(router, "PUT", "/a/1"), "method");
  EXPECT_EQ(Route(router, "GET", "/a/groups"), "2");
  EXPECT_EQ(Route(router, "GET", "/a/groups/b"), "3 x=groups");
  EXPECT_EQ(Route(router, "GET", "/a/"), "nothing");
  EXPECT_EQ(Route(router, "GET", "/a"), "nothing");
  EXPECT_EQ(Route(router, "GET", "/a/1/c"), "nothing");
  EXPECT_EQ(Route(router, "GET", "/k/a/b//c"), "4 key=a/b//c");
  EXPECT_EQ(Route(router, "GET", "/k/groups"), "5");
  EXPECT_EQ(Route(router, "GET", "/k/groups/x"), "4 key=groups/x");
  EXPECT_EQ(Route(router, "DELETE", "/k/x"), "6 id=x");
}

TEST(RateLimit, BurstsThenRefillsAndForgets) {
  RateLimit limit(2, 4, 3);
  auto now = RateLimit::Clock::now();
  int wait = 0;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit.Take("a", now, &wait));
  EXPECT_FALSE(limit.Take("a", now, &wait));
  EXPECT_EQ(wait, 1);
  EXPECT_TRUE(limit.Take("b", now, &wait));
  EXPECT_TRUE(limit.Take("a", now + 500ms, &wait));
  EXPECT_FALSE(limit.Take("a", now + 500ms, &wait));
  // More names than are remembered share a bucket, until others are full again.
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit.Take("c", now, &wait));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit.Take("n" + std::to_string(i), now, &wait));
  EXPECT_FALSE(limit.Take("n9", now, &wait));
  EXPECT_TRUE(limit.Take("n9", now + 10s, &wait));
}

std::string Faults(const JsonSchemas& schemas, std::string_view schema, std::string_view json) {
  Arena arena;
  auto value = ParseJson(json, arena);
  EXPECT_TRUE(value) << json;
  std::string out;
  for (const auto& f : schemas.Check(schema, *value)) out += f.path + " " + f.message + "\n";
  return out;
}

TEST(JsonSchemas, FindsFaults) {
  JsonSchemas schemas;
  ASSERT_TRUE(schemas.Add("Scope", R"({"type":"object","additionalProperties":false,"properties":{
    "clusters":{"type":"array","maxItems":2,"items":{"type":"string","minLength":1,"maxLength":3}},
    "next":{"$ref":"#/components/schemas/Scope"}}})"));
  ASSERT_TRUE(schemas.Add("Thing", R"({"type":"object","required":["name"],"properties":{
    "name":{"type":"string","pattern":"^[a-z]+$"},"count":{"type":"integer","minimum":1,"maximum":9},
    "when":{"type":"string","format":"date-time"},"mode":{"enum":["a",1,null]},
    "either":{"anyOf":[{"type":"string"},{"type":"boolean"}]},"labels":{"type":"object",
    "additionalProperties":{"type":"string"}},"maybe":{"type":["string","null"]},
    "scope":{"$ref":"#/components/schemas/Scope"}}})"));
  const struct {
    std::string_view json, faults;
  } kCases[] = {
      {R"({"name":"x"})", ""},
      {R"({"name":"x","count":5,"when":"2026-01-31T00:00:00Z","mode":null,"either":true,"labels":{"a":"b"},"maybe":null,"scope":{"clusters":["a"],"next":{}},"extra":1})",
       ""},
      {R"([])", " api.fault.type\n"},
      {R"({})", "name api.fault.required\n"},
      {R"({"name":"X"})", "name api.fault.pattern\n"},
      {R"({"name":"x","count":0})", "count api.fault.range\n"},
      {R"({"name":"x","count":1.5})", "count api.fault.type\n"},
      {R"({"name":"x","count":"1"})", "count api.fault.type\n"},
      {R"({"name":"x","when":"yesterday"})", "when api.fault.time\n"},
      {R"({"name":"x","mode":"b"})", "mode api.fault.enum\n"},
      {R"({"name":"x","either":1})", "either api.fault.any\n"},
      {R"({"name":"x","labels":{"a":1}})", "labels.a api.fault.type\n"},
      {R"({"name":"x","scope":{"cluster":[]}})", "scope.cluster api.fault.meant\n"},
      {R"({"name":"x","scope":{"next":{"clusters":["a","","abcd"]}}})",
       "scope.next.clusters api.fault.items\nscope.next.clusters[1] "
       "api.fault.length\nscope.next.clusters[2] api.fault.length\n"},
      {R"({"name":"x","scope":{"clusters":["容器好"]}})", ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(Faults(schemas, "Thing", c.json), c.faults) << c.json;
  EXPECT_FALSE(schemas.Add("A", R"({"oneOf":[]})"));
  EXPECT_FALSE(schemas.Add("A", R"({"type":"strin"})"));
  EXPECT_FALSE(schemas.Add("A", R"({"pattern":"("})"));
  EXPECT_FALSE(schemas.Add("A", "{"));
  EXPECT_FALSE(schemas.Add("A", R"({"$ref":["x"]})"));
  EXPECT_FALSE(schemas.Add("A", R"({"minimum":"1"})"));
  EXPECT_FALSE(schemas.Add("A", R"({"required":[1]})"));
  ASSERT_TRUE(schemas.Add("B", R"({"items":{"$ref":"#/components/schemas/Absent"}})"));
  EXPECT_THAT(schemas.Missing(), ElementsAre("Absent"));
}

// --- All of it, over a socket --------------------------------------------------------------------

// Who a bearer or a cookie says that it is: "read", "write", "prod" (findings of namespace prod), …
class ByName final : public Authenticator {
 public:
  Result<Principal> Authenticate(const net::ServerRequest& request) override {
    Principal out;
    std::string_view name = request.Header("authorization");
    bool cookie = name.empty();
    if (cookie) name = request.Header("cookie");
    if (name.empty()) return out;
    if (name == "wrong") return Error(Code::kDenied, "auth.token", "no such token");
    if (name == "broken") return Error(Code::kUnavailable, "store.full", "no space");
    out.kind = cookie ? Principal::Kind::kUser : Principal::Kind::kToken;
    out.id = "user:" + std::string(name);
    if (cookie) {
      out.session = "s";
      out.csrf_token = "secret";
    }
    if (name == "nobody" || gone) return out;
    Grant grant{.role = "r", .permissions = {"findings.read"}};
    if (name == "write") grant.permissions = {"*"};
    if (name == "prod") grant.scope.namespaces = {"prod"};
    out.grants.push_back(grant);
    return out;
  }
  std::atomic<bool> gone = false;
};

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = *store::OpenSqliteStateStore(dir_.path());
    ASSERT_TRUE(
        store_->Define({.name = "findings",
                        .columns = {{.name = "cluster", .path = "asset.cluster"},
                                    {.name = "ns", .path = "asset.namespace", .indexed = true},
                                    {.name = "severity",
                                     .path = "severity",
                                     .type = store::ColumnType::kSeverity,
                                     .indexed = true},
                                    {.name = "title", .path = "title", .full_text = true}},
                        .default_sort = "-severity"}));
    store::Batch batch;
    const char* const kSeverities[] = {"critical", "high", "medium", "low"};
    for (int i = 0; i < 40; ++i) {
      std::string id = "f" + std::to_string(100 + i);
      batch.Put("findings", id,
                R"({"id":")" + id + R"(","severity":")" + kSeverities[i % 4] + R"(","title":"=1+)" +
                    std::to_string(i) + R"( 容器","asset":{"cluster":"c1","namespace":")" +
                    (i % 2 ? "prod" : "dev") + R"(","name":"web"}})");
    }
    ASSERT_TRUE(store_->Commit(batch));
    AddMessages(catalog_);
    ApiOptions options{.requests_per_second = 100000, .max_streams_each = 2, .heartbeat = 20ms};
    options.on_access = [this](const Request& r, const api::Route& route, int status) {
      std::lock_guard lock(mutex_);
      accessed_.push_back(r.principal.id + " " + route.id + " " + std::to_string(status));
    };
    Start(std::move(options));
  }

  void Start(ApiOptions options) {
    api_ = std::make_unique<Api>(*store_, catalog_, metrics_, std::move(options));
    api_->SetAuthenticator(&authenticator_);
    api_->AddSchema("Finding", R"({"type":"object","properties":{"id":{"type":"string"}}})");
    api_->AddSchema("New", R"({"type":"object","required":["name"],"additionalProperties":false,
      "properties":{"name":{"type":"string"}}})");
    api_->AddCollection(
        {.path = "/api/v1/findings",
         .collection = "findings",
         .tag = "findings",
         .id = "Finding",
         .permission = "findings.read",
         .schema = "Finding",
         .csv_columns = {"id", "severity", "title", "asset.name"},
         .render = [](const Request& r, const store::Record&, Value record, Arena& arena,
                      Value& out) {
           MapBuilder more(arena);
           for (const auto& [k, v] : record.entries()) more.Add(k, v);
           more.Add("message", Value::String(r.language == Language::kChinese ? "你好" : "hello"));
           out = more.Finish();
         }});
    api_->Add({.method = "POST",
               .path = "/api/v1/things",
               .id = "createThing",
               .tag = "things",
               .summary = "Make one",
               .permission = "things.write",
               .request = "New",
               .response = "New",
               .status = 201,
               .handler = [](Request& r) -> Result<Response> {
                 return Response::Json(ToJson(r.body), 201);
               }});
    api_->Add({.method = "PUT",
               .path = "/api/v1/things/{id}",
               .id = "putThing",
               .tag = "things",
               .summary = "Change one",
               .permission = "things.write",
               .max_body_bytes = 10,
               .handler = [](Request& r) -> Result<Response> {
                 if (r.IfMatch() == 7u) return Response::NoContent();
                 return Error(Code::kExists, "store.conflict", "it is another one now");
               }});
    api_->Add({.method = "GET",
               .path = "/api/v1/things/{id}",
               .id = "getThing",
               .tag = "things",
               .summary = "One",
               .permission = std::string(kAuthenticated),
               .handler = [](Request& r) -> Result<Response> {
                 if (r.Param("id") == "bug") return Error(Code::kInternal, "secret reason");
                 if (r.Param("id") == "busy") {
                   return Error(Code::kLimit, "auth.throttled", "wait", {{"seconds", "17"}});
                 }
                 Response out = Response::Json("{}");
                 out.revision = 7;
                 return out;
               }});
    api_->Add({.method = "GET",
               .path = "/open",
               .id = "open",
               .tag = "x",
               .summary = "Open",
               .permission = std::string(kPublic),
               .handler = [](Request& r) -> Result<Response> {
                 return Response{.body = "hello " + r.principal.id, .content_type = "text/plain"};
               }});
    api_->SetConsole({{"/index.html", index_}, {"/assets/app-1a2b.js", script_}});
    net::HttpServerOptions server_options;
    server_options.on_head = [this](const net::ServerRequest& r) { return api_->Head(r); };
    server_ = *net::HttpServer::Start(
        std::move(server_options), [this](const net::ServerRequest& r) { return api_->Handle(r); });
  }

  void TearDown() override {
    if (api_) api_->Stop();
    server_.reset();
  }

  net::HttpResponse Send(std::string method, std::string path, std::string who = "",
                         net::HttpHeaders headers = {}, std::string body = "") {
    if (!who.empty()) headers.emplace_back("Authorization", who);
    auto answer = client_.Send({.method = std::move(method),
                                .url = "http://127.0.0.1:" + std::to_string(server_->port()) + path,
                                .headers = std::move(headers),
                                .body = std::move(body)});
    EXPECT_TRUE(answer) << path;
    return answer.value_or({});
  }
  std::string Get(std::string path, std::string who) {
    auto answer = Send("GET", std::move(path), std::move(who));
    return std::to_string(answer.status) + " " + answer.body;
  }
  Value Json(const std::string& text) {
    auto value = ParseJson(text, arena_);
    EXPECT_TRUE(value) << text;
    return value.value_or(Value());
  }

  TempDir dir_ = *TempDir::Make();
  Arena arena_;
  std::unique_ptr<store::StateStore> store_;
  Catalog catalog_;
  Metrics metrics_;
  ByName authenticator_;
  std::string index_ = "<html>" + std::string(2000, ' ') + "</html>", script_ = "let a = 1;";
  std::mutex mutex_;
  std::vector<std::string> accessed_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<net::HttpServer> server_;
  net::HttpClient client_;
};

TEST_F(ApiTest, EveryRouteIsClosedUnlessItSaysOtherwise) {
  for (const api::Route& route : api_->routes()) {
    std::string path = ReplaceAll(ReplaceAll(route.path, "{id}", "1"), "{key}", "1");
    auto anonymous = Send(route.method, path);
    auto wrong = Send(route.method, path, "wrong");
    if (route.permission == kPublic) {
      EXPECT_EQ(anonymous.status, 200) << path;
      EXPECT_EQ(wrong.status, 200) << path;
      continue;
    }
    EXPECT_EQ(anonymous.status, 401) << path;
    EXPECT_EQ(wrong.status, 401) << path;
    EXPECT_EQ(anonymous.Header("content-type"), "application/problem+json");
    EXPECT_FALSE(anonymous.Header("www-authenticate").empty());
    if (route.permission != kAuthenticated) {
      auto nobody = Send(route.method, path, "nobody");
      EXPECT_EQ(nobody.status, 403) << path;
      EXPECT_EQ(Json(nobody.body).StringAt("type"), "urn:bulwark:api.denied");
    }
  }
  EXPECT_EQ(Send("GET", "/api/v1/things/1", "broken").status, 503);
}

TEST_F(ApiTest, PagesThroughAList) {
  std::vector<std::string> ids;
  std::string cursor;
  do {
    Value page =
        Json(Send("GET", "/api/v1/findings?limit=7&total=true&cursor=" + cursor, "read").body);
    EXPECT_EQ(page["total"].ToInt(), 40);
    for (const Value& item : page["items"].items()) ids.emplace_back(item.StringAt("id"));
    cursor = net::UrlEscape(page.StringAt("next"));
  } while (!cursor.empty());
  EXPECT_THAT(ids, SizeIs(40));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_F(ApiTest, FiltersSortsSelectsAndRenders) {
  Value page = Json(
      Send("GET",
           "/api/v1/"
           "findings?q=severity:critical%20ns:dev&sort=-key&limit=2&fields=id,asset.name,message",
           "read", {{"Accept-Language", "zh-CN,en;q=0.5"}})
          .body);
  EXPECT_EQ(
      ToJson(page["items"]),
      R"([{"id":"f136","asset":{"name":"web"},"message":"你好"},{"id":"f132","asset":{"name":"web"},"message":"你好"}])");
  EXPECT_THAT(Get("/api/v1/findings?q=%E5%AE%B9%E5%99%A8&limit=1&lang=en", "read"),
              HasSubstr("hello"));
  EXPECT_THAT(Get("/api/v1/findings?q=colour:red", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings?sort=colour", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings?cursor=forged", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings?limit=0", "read"), HasSubstr("limit"));
  EXPECT_THAT(Get("/api/v1/findings?limit=1001", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings?limit=x", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings?limit=1&limit=2", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings?total=maybe", "read"), StartsWith("400 "));
}

TEST_F(ApiTest, ShowsOnlyWhatTheScopeCovers) {
  Value page = Json(Send("GET", "/api/v1/findings?limit=100&total=true", "prod").body);
  EXPECT_EQ(page["total"].ToInt(), 20);
  for (const Value& item : page["items"].items())
    EXPECT_EQ(item["asset"].StringAt("namespace"), "prod");
  // A query cannot widen it.
  EXPECT_EQ(
      Json(Send("GET", "/api/v1/findings?total=true&q=ns:dev%20or%20ns:prod", "prod").body)["total"]
          .ToInt(),
      20);
  EXPECT_EQ(Json(Send("GET", "/api/v1/findings?total=true&q=ns:dev", "prod").body)["total"].ToInt(),
            0);
  EXPECT_THAT(Get("/api/v1/findings/f101", "prod"), StartsWith("200 "));
  EXPECT_THAT(Get("/api/v1/findings/f100", "prod"), StartsWith("404 "));
  EXPECT_THAT(Get("/api/v1/findings/f100", "read"), StartsWith("200 "));
  EXPECT_THAT(Get("/api/v1/findings/f1*", "read"), StartsWith("404 ")) << "a key is no glob";
  EXPECT_EQ(Get("/api/v1/findings/groups?by=ns", "prod"),
            R"(200 {"items":[{"values":["prod"],"count":20}]})");
  EXPECT_THAT(Send("GET", "/api/v1/findings?format=csv", "prod").body, Not(HasSubstr("f100")));
}

TEST_F(ApiTest, Groups) {
  Value all =
      Json(Send("GET", "/api/v1/findings/groups?by=severity,ns&q=-severity:low", "read").body);
  EXPECT_THAT(all["items"].items(), SizeIs(3));
  EXPECT_EQ(all["items"][0]["count"].ToInt(), 10);
  EXPECT_THAT(Get("/api/v1/findings/groups", "read"), StartsWith("400 "));
  EXPECT_THAT(Get("/api/v1/findings/groups?by=colour", "read"), StartsWith("400 "));
}

TEST_F(ApiTest, ExportsCsv) {
  auto csv = Send("GET", "/api/v1/findings?q=severity:critical&sort=key", "read",
                  {{"Accept", "text/csv"}});
  EXPECT_EQ(csv.Header("content-type"), "text/csv; charset=utf-8");
  EXPECT_THAT(std::string(csv.Header("content-disposition")), HasSubstr("findings.csv"));
  auto lines = SplitLines(csv.body);
  ASSERT_THAT(lines, SizeIs(11));
  EXPECT_EQ(lines[0], "id,severity,title,asset.name");
  EXPECT_EQ(lines[1], "f100,critical,'=1+0 容器,web") << "formulas are escaped";
  EXPECT_EQ(
      Send("GET", "/api/v1/findings?format=csv&fields=id,message&sort=key&q=key:f101", "read").body,
      "id,message\r\nf101,hello\r\n");
  EXPECT_EQ(Send("GET", "/api/v1/findings?format=csv&q=((", "read").status, 400);
}

TEST_F(ApiTest, WritesNeedAProperOriginAndToken) {
  std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  auto post = [&](net::HttpHeaders headers, std::string who = "") {
    headers.emplace_back("Content-Type", "application/json");
    return Send("POST", "/api/v1/things", std::move(who), std::move(headers), R"({"name":"x"})")
        .status;
  };
  EXPECT_EQ(post({}, "write"), 201) << "a bearer token needs neither";
  EXPECT_EQ(post({{"Origin", "https://evil.example"}}, "write"), 201);
  EXPECT_EQ(post({{"Cookie", "write"}, {"Origin", own}, {"X-CSRF-Token", "secret"}}), 201);
  EXPECT_EQ(
      post({{"Cookie", "write"}, {"Sec-Fetch-Site", "same-origin"}, {"X-CSRF-Token", "secret"}}),
      201);
  EXPECT_EQ(post({{"Cookie", "write"}, {"Origin", own}}), 403);
  EXPECT_EQ(post({{"Cookie", "write"}, {"Origin", own}, {"X-CSRF-Token", "guess"}}), 403);
  EXPECT_EQ(post({{"Cookie", "write"}, {"X-CSRF-Token", "secret"}}), 403);
  EXPECT_EQ(post({{"Cookie", "write"}, {"Origin", "null"}, {"X-CSRF-Token", "secret"}}), 403);
  EXPECT_EQ(post({{"Cookie", "write"}, {"Origin", own + "0"}, {"X-CSRF-Token", "secret"}}), 403);
  EXPECT_EQ(
      post({{"Cookie", "write"}, {"Sec-Fetch-Site", "cross-site"}, {"X-CSRF-Token", "secret"}}),
      403);
  EXPECT_EQ(post({{"Origin", "https://evil.example"}}), 403) << "nor a log-in";
  std::lock_guard lock(mutex_);
  EXPECT_THAT(accessed_, testing::Contains("user:write createThing 201"));
  EXPECT_THAT(accessed_, testing::Contains("user:write createThing 403"));
}

TEST_F(ApiTest, ChecksBodies) {
  auto post = [&](std::string type, std::string body) {
    auto answer = Send("POST", "/api/v1/things", "write", {{"Content-Type", std::move(type)}},
                       std::move(body));
    return std::to_string(answer.status) + " " + answer.body;
  };
  EXPECT_EQ(post("application/json; charset=utf-8", R"({"name":"x"})"), R"(201 {"name":"x"})");
  EXPECT_EQ(post("application/merge-patch+json", R"({"name":"x"})"), R"(201 {"name":"x"})");
  EXPECT_THAT(post("text/plain", R"({"name":"x"})"), StartsWith("415 "));
  EXPECT_THAT(post("application/json", ""), StartsWith("400 "));
  EXPECT_THAT(post("application/json", "{"), HasSubstr("urn:bulwark:api.json"));
  EXPECT_THAT(post("application/json", std::string(1000, '[')), StartsWith("400 "));
  Value problem = Json(post("application/json", R"({"nam":1})").substr(4));
  EXPECT_EQ(problem.StringAt("type"), "urn:bulwark:api.schema");
  EXPECT_EQ(
      ToJson(problem["errors"]),
      R"([{"path":"name","message":"is required"},{"path":"nam","message":"is not known; did you mean name?"}])");
  EXPECT_FALSE(problem.StringAt("requestId").empty());
  auto chinese = Send("POST", "/api/v1/things?lang=zh-CN", "write",
                      {{"Content-Type", "application/json"}}, "{}");
  EXPECT_THAT(chinese.body, HasSubstr("为必填项"));
  EXPECT_EQ(chinese.Header("content-language"), "zh-CN");
  EXPECT_EQ(Send("PUT", "/api/v1/things/1", "write", {}, std::string(11, 'x')).status, 413);
  EXPECT_EQ(Send("PUT", "/nowhere", "write", {}, std::string(5000, 'x')).status, 413);
}

TEST_F(ApiTest, RevisionsAreEtags) {
  auto first = Send("GET", "/api/v1/things/1", "read");
  std::string etag(first.Header("etag"));
  EXPECT_EQ(etag, "\"7-en\"");
  EXPECT_EQ(Send("GET", "/api/v1/things/1", "read", {{"If-None-Match", "\"x\", W/" + etag}}).status,
            304);
  EXPECT_EQ(Send("GET", "/api/v1/things/1?lang=zh", "read", {{"If-None-Match", etag}}).status, 200);
  EXPECT_EQ(Send("PUT", "/api/v1/things/1", "write", {{"If-Match", etag}}, "x").status, 204);
  EXPECT_EQ(Send("PUT", "/api/v1/things/1", "write", {{"If-Match", "\"6-en\""}}, "x").status, 412);
  EXPECT_EQ(Send("PUT", "/api/v1/things/1", "write", {{"If-Match", "rubbish"}}, "x").status, 412);
  EXPECT_EQ(Send("PUT", "/api/v1/things/1", "write", {}, "x").status, 409);
  EXPECT_EQ(Send("GET", "/api/v1/findings/f100", "read").Header("etag").substr(0, 1), "\"");
}

TEST_F(ApiTest, ErrorsBecomeProblems) {
  auto bug = Send("GET", "/api/v1/things/bug", "read");
  EXPECT_EQ(bug.status, 500);
  EXPECT_THAT(bug.body, Not(HasSubstr("secret reason")));
  auto busy = Send("GET", "/api/v1/things/busy", "read");
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.Header("retry-after"), "17");
  EXPECT_EQ(Send("GET", "/api/v1/nothing", "read").status, 404);
  auto method = Send("DELETE", "/api/v1/things/1", "read");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.Header("allow"), "GET, HEAD, PUT");
  EXPECT_EQ(Send("OPTIONS", "/api/v1/things/1").status, 204);
  auto plain = Send("GET", "/open");
  EXPECT_EQ(plain.Header("x-content-type-options"), "nosniff");
  EXPECT_EQ(plain.Header("cache-control"), "no-store");
  EXPECT_THAT(std::string(plain.Header("content-security-policy")),
              HasSubstr("default-src 'none'"));
}

TEST_F(ApiTest, ServesTheConsole) {
  auto page = Send("GET", "/workloads/some/page");
  EXPECT_EQ(page.body, index_);
  EXPECT_THAT(std::string(page.Header("content-security-policy")), HasSubstr("script-src 'self';"));
  EXPECT_EQ(page.Header("cache-control"), "no-cache");
  EXPECT_EQ(Send("GET", "/", "", {{"If-None-Match", std::string(page.Header("etag"))}}).status,
            304);
  EXPECT_THAT(std::string(Send("GET", "/assets/app-1a2b.js").Header("cache-control")),
              HasSubstr("immutable"));
  EXPECT_EQ(Send("GET", "/assets/app-old.js").status, 404);
  EXPECT_EQ(Send("GET", "/assets/%2e%2e/secret").status, 400);
  EXPECT_EQ(Send("GET", "/assets%2fapp-1a2b.js").body, script_)
      << "no file system: only names of the table";
  EXPECT_EQ(Send("POST", "/", "", {}, "x").status, 405);
}

TEST_F(ApiTest, LimitsRequests) {
  TearDown();
  Start({.requests_per_second = 1});
  int limited = 0;
  for (int i = 0; i < 10; ++i) limited += Send("GET", "/api/v1/things/1", "read").status == 429;
  EXPECT_GE(limited, 4);
  EXPECT_EQ(Send("GET", "/api/v1/things/1", "nobody").status, 200)
      << "each has a bucket of its own";
  auto answer = Send("GET", "/api/v1/things/1", "read");
  while (answer.status != 429) answer = Send("GET", "/api/v1/things/1", "read");
  EXPECT_EQ(answer.Header("retry-after"), "1");
}

TEST_F(ApiTest, OpenApiIsTheTable) {
  Value document = Json(Send("GET", "/api/v1/openapi.json").body);
  EXPECT_EQ(document.StringAt("openapi"), "3.1.0");
  EXPECT_THAT(api_->MissingSchemas(), IsEmpty());
  size_t operations = 0;
  for (const auto& [path, methods] : document["paths"].entries()) operations += methods.size();
  EXPECT_EQ(operations, api_->routes().size());
  Value create = document["paths"]["/api/v1/things"]["post"];
  EXPECT_EQ(create.StringAt("x-permission"), "things.write");
  EXPECT_FALSE(create["responses"]["201"].IsNull());
  Value list = document["paths"]["/api/v1/findings"]["get"]["responses"]["200"]["content"];
  EXPECT_EQ(list.size(), 2u);
  EXPECT_TRUE(list["application/json"]["schema"].IsMap());
  EXPECT_TRUE(list["text/csv"].IsMap());
  EXPECT_EQ(create["requestBody"]["content"]["application/json"]["schema"].StringAt("$ref"),
            "#/components/schemas/New");
  EXPECT_TRUE(document["paths"]["/open"]["get"]["security"].IsArray());
  EXPECT_FALSE(document["components"]["schemas"]["Problem"].IsNull());
}

// What a listener has read so far.
class Listening {
 public:
  Listening(const net::HttpServer& server, std::string who, std::string topics)
      : thread_([this, &server, who, topics](std::stop_token stop) {
          auto answer =
              net::HttpClient().Send({.url = "http://127.0.0.1:" + std::to_string(server.port()) +
                                             "/api/v1/stream?topics=" + topics,
                                      .headers = {{"Authorization", who}},
                                      .on_body = [this](std::string_view bytes) -> Result<> {
                                        std::lock_guard lock(mutex_);
                                        seen_ += bytes;
                                        return Ok();
                                      },
                                      .total_timeout = 0s,
                                      .stop = stop});
          std::lock_guard lock(mutex_);
          status_ = answer ? answer->status : -1;
          over_ = true;
        }) {}
  bool Sees(std::string_view text) {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < until) {
      {
        std::lock_guard lock(mutex_);
        if (seen_.find(text) != std::string::npos) return true;
        if (over_) return false;
      }
      std::this_thread::sleep_for(2ms);
    }
    return false;
  }
  std::string seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  int Status() {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < until) {
      {
        std::lock_guard lock(mutex_);
        if (over_) return status_;
      }
      std::this_thread::sleep_for(2ms);
    }
    return 0;
  }

 private:
  std::mutex mutex_;
  std::string seen_;
  bool over_ = false;
  int status_ = 0;
  std::jthread thread_;
};

TEST_F(ApiTest, TellsListenersWhatTheyMaySee) {
  Listening all(*server_, "read", "findings,alerts"), prod(*server_, "prod", "findings");
  ASSERT_TRUE(all.Sees("retry:") && prod.Sees("retry:"));
  ASSERT_TRUE(all.Sees(": alive") && prod.Sees(": alive"));
  api_->Tell({.topic = "findings",
              .permission = "findings.read",
              .cluster = "c",
              .ns = "dev",
              .labels = {},
              .data = R"({"key":"in-dev"})"});
  api_->Tell({.topic = "assets",
              .permission = "findings.read",
              .cluster = "c",
              .ns = "prod",
              .labels = {},
              .data = R"({"key":"other-topic"})"});
  api_->Tell({.topic = "alerts",
              .permission = "alerts.read",
              .cluster = "c",
              .ns = "prod",
              .labels = {},
              .data = R"({"key":"no-right"})"});
  api_->Tell({.topic = "findings",
              .permission = "findings.read",
              .cluster = "c",
              .ns = "prod",
              .labels = {},
              .data = "{\"key\":\n\"in-prod\"}"});
  ASSERT_TRUE(all.Sees("in-prod") && prod.Sees("in-prod"));
  EXPECT_THAT(all.seen(), HasSubstr("event: findings\ndata: {\"key\":\"in-dev\"}\n\n"));
  EXPECT_THAT(all.seen(), HasSubstr("event: findings\ndata: {\"key\":\ndata: \"in-prod\"}\n\n"));
  EXPECT_THAT(all.seen(), Not(HasSubstr("other-topic")));
  EXPECT_THAT(all.seen(), Not(HasSubstr("no-right")));
  EXPECT_THAT(prod.seen(), Not(HasSubstr("in-dev")));
  EXPECT_EQ(Send("GET", "/api/v1/stream", "read").status, 400);
  Listening second(*server_, "read", "alerts");
  ASSERT_TRUE(second.Sees(": alive"));
  EXPECT_EQ(Send("GET", "/api/v1/stream?topics=alerts", "read").status, 429);
  api_->Stop();
  EXPECT_EQ(all.Status(), 200);
  EXPECT_EQ(Send("GET", "/api/v1/stream?topics=alerts", "read").status, 429);
}

TEST_F(ApiTest, AnswersAreHeldAgainstWhatRoutesState) {
  TearDown();
  std::vector<std::string> wrong;
  Start({.on_wrong_answer = [&](const api::Route& route, const std::string& what) {
    std::lock_guard lock(mutex_);
    wrong.push_back(route.id + ": " +
                    std::string(Cut(what, ":").value_or(std::pair(what, "")).first));
  }});
  EXPECT_EQ(Send("POST", "/api/v1/things", "write", {{"Content-Type", "application/json"}},
                 R"({"name":"x"})")
                .status,
            201);
  EXPECT_EQ(Send("GET", "/api/v1/findings?fields=title", "read").status, 200);
  EXPECT_EQ(Send("GET", "/api/v1/findings/none", "read").status, 404);
  EXPECT_EQ(Send("GET", "/open").status, 200);
  EXPECT_THAT(wrong, IsEmpty());
  // Its schema knows the id alone.
  EXPECT_EQ(Send("GET", "/api/v1/findings/f100", "read").status, 200);
  EXPECT_EQ(Send("GET", "/api/v1/things/1", "read").status, 200);
  EXPECT_THAT(
      wrong, ElementsAre("getFinding: severity", "getFinding: title", "getFinding: asset",
                         "getFinding: message", "getThing: it answers with JSON, and states none"));
}

}  // namespace
}  // namespace bulwark::api
