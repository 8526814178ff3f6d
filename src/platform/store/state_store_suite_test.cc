#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "formats/json.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/store/state_store_suite.h"

namespace bulwark::store {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

const Collection kPods{
    .name = "pods",
    .version = 1,
    .columns =
        {{.name = "ns", .path = "asset.namespace", .indexed = true, .aliases = {"namespace"}},
         {.name = "name", .path = "asset.name", .indexed = true, .full_text = true},
         {.name = "label", .path = "labels"},
         {.name = "image", .path = "images.reference"},
         {.name = "severity", .path = "severity", .type = ColumnType::kSeverity, .indexed = true},
         {.name = "count", .path = "count", .type = ColumnType::kInt},
         {.name = "score", .path = "score", .type = ColumnType::kReal},
         {.name = "gone", .path = "gone", .type = ColumnType::kBool},
         {.name = "last", .path = "lastSeen", .type = ColumnType::kTime, .indexed = true},
         {.name = "note", .path = "note", .full_text = true}},
    .default_sort = "-last"};

std::vector<std::string> Keys(const Result<ListPage>& page) {
  std::vector<std::string> keys;
  EXPECT_TRUE(page) << (page ? "" : page.error().ToString());
  if (page) {
    for (const Record& record : page->records) keys.push_back(record.key);
  }
  return keys;
}

Query Parse(StateStore& store, std::string_view collection, std::string_view text) {
  auto query = ParseQuery(text, *store.Fields(collection), "last", 1'800'000'000'000'000);
  EXPECT_TRUE(query) << text << ": " << query.error().ToString();
  return query ? *query : Query::All();
}

TEST_P(StateStoreSuite, KeepsAndForgets) {
  ASSERT_TRUE(store_->Define(kPods));
  EXPECT_EQ(store_->Fields("nothing"), nullptr);
  Batch batch;
  batch.Put("pods", "a", R"({"asset":{"name":"web"}})");
  batch.Put("pods", "b", R"({"asset":{"name":"db"}})");
  const uint64_t first = *store_->Commit(batch);
  auto a = *store_->Get("pods", "a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->body, R"({"asset":{"name":"web"}})");
  EXPECT_EQ(a->revision, first);
  EXPECT_FALSE(*store_->Get("pods", "c"));
  EXPECT_EQ(store_->Get("nothing", "c").error().id(), "store.collection");

  Batch more;
  more.Delete("pods", "a");
  more.Put("pods", "b", R"({"asset":{"name":"db2"}})", first);
  const uint64_t second = *store_->Commit(more);
  EXPECT_GT(second, first);
  EXPECT_FALSE(*store_->Get("pods", "a"));
  EXPECT_EQ((*store_->Get("pods", "b"))->revision, second);
  Reopen();
  ASSERT_TRUE(store_->Define(kPods));
  EXPECT_EQ((*store_->Get("pods", "b"))->body, R"({"asset":{"name":"db2"}})");
  Batch third;
  third.Put("pods", "c", "{}");
  EXPECT_GT(*store_->Commit(third), second);
  EXPECT_EQ(*store_->Count("pods", Query::All()), 2u);
}

TEST_P(StateStoreSuite, ConflictUndoesTheWholeBatch) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  batch.Put("pods", "a", "{}", 0);
  const uint64_t revision = *store_->Commit(batch);
  EXPECT_EQ(store_->Commit(batch).error().id(), "store.conflict");
  Batch two;
  two.Put("pods", "new", "{}");
  two.Put("pods", "a", R"({"count":1})", revision + 7);
  auto refused = store_->Commit(two);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kExists);
  EXPECT_FALSE(*store_->Get("pods", "new"));
  EXPECT_EQ((*store_->Get("pods", "a"))->body, "{}");
  Batch gone;
  gone.Delete("pods", "a", revision + 1);
  EXPECT_EQ(store_->Commit(gone).error().id(), "store.conflict");
}

TEST_P(StateStoreSuite, RefusesWhatIsNoRecord) {
  ASSERT_TRUE(store_->Define(kPods));
  const auto id = [&](std::string_view collection, std::string_view key, std::string body) {
    Batch batch;
    batch.Put("pods", "before", "{}");
    batch.Put(collection, key, std::move(body));
    auto result = store_->Commit(batch);
    EXPECT_FALSE(*store_->Get("pods", "before"));
    return result ? "ok" : result.error().id();
  };
  EXPECT_EQ(id("pods", "a", "[1]"), "store.record");
  EXPECT_EQ(id("pods", "a", "{"), "store.record");
  EXPECT_EQ(id("pods", "a", "{\"a\":\"\xff\"}"), "store.record");
  EXPECT_EQ(id("pods", "", "{}"), "store.record");
  EXPECT_EQ(id("pods", std::string(5000, 'k'), "{}"), "store.limit");
  EXPECT_EQ(id("pods", "a", "{\"a\":\"" + std::string(2 << 20, 'x') + "\"}"), "store.limit");
  EXPECT_EQ(id("other", "a", "{}"), "store.collection");
  EXPECT_FALSE(store_->Define({.name = "Bad-Name"}));
  EXPECT_FALSE(store_->Define({.name = "x", .columns = {{.name = "a b", .path = "a"}}}));
  EXPECT_FALSE(store_->Define(
      {.name = "x", .columns = {{.name = "a", .path = "a"}, {.name = "a", .path = "b"}}}));
}

TEST_P(StateStoreSuite, FindsByFieldsListsAndWords) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  batch.Put("pods", "1", R"({"asset":{"namespace":"prod","name":"web-1"},"labels":["app=web","t=1"],
    "images":[{"reference":"nginx:1"},{"reference":"envoy:2"}],"severity":"high","count":3,
    "lastSeen":"2026-01-02T00:00:00Z","note":"The kube-system pod 正在运行容器时退出","gone":false})");
  batch.Put("pods", "2", R"({"asset":{"namespace":"prod","name":"db"},"labels":{"app":"db","t":"1"},
    "images":[{"reference":"postgres:16"}],"severity":"low","count":-5,"score":1.5,
    "lastSeen":"2026-01-03T12:00:00.25Z","note":"nothing","gone":true})");
  batch.Put("pods", "3",
            R"({"asset":{"namespace":"kube-system","name":"dns*"},"severity":"critical"})");
  ASSERT_TRUE(store_->Commit(batch));
  const auto find = [&](std::string_view text) {
    return Keys(store_->List("pods", {.filter = Parse(*store_, "pods", text), .sort = "key"}));
  };
  EXPECT_THAT(find("ns:prod"), ElementsAre("1", "2"));
  EXPECT_THAT(find("namespace:prod name:web*"), ElementsAre("1"));
  EXPECT_THAT(find("-ns:kube-*"), ElementsAre("1", "2"));
  EXPECT_THAT(find("label:app=db"), ElementsAre("2"));
  EXPECT_THAT(find("label:t=1"), ElementsAre("1", "2"));
  EXPECT_THAT(find("image:envoy*"), ElementsAre("1"));
  EXPECT_THAT(find("-image:nginx*"), ElementsAre("2", "3"));
  EXPECT_THAT(find("name:dns\\*"), ElementsAre("3"));
  EXPECT_THAT(find("name:\"dns*\""), ElementsAre("3"));
  EXPECT_THAT(find("name:\"web*\""), ElementsAre());
  EXPECT_THAT(find("severity>=high"), ElementsAre("1", "3"));
  EXPECT_THAT(find("severity:critical,low"), ElementsAre("2", "3"));
  EXPECT_THAT(find("count<0"), ElementsAre("2"));
  EXPECT_THAT(find("count:<=3"), ElementsAre("1", "2"));
  EXPECT_THAT(find("score>1"), ElementsAre("2"));
  EXPECT_THAT(find("-has:count"), ElementsAre("3"));
  EXPECT_THAT(find("has:label"), ElementsAre("1", "2"));
  EXPECT_THAT(find("gone:true"), ElementsAre("2"));
  EXPECT_THAT(find("gone:false"), ElementsAre("1"));
  EXPECT_THAT(find("last:2026-01-02"), ElementsAre("1"));
  EXPECT_THAT(find("since:2026-01-03"), ElementsAre("2"));
  EXPECT_THAT(find("until:2026-01-02"), ElementsAre("1"));
  EXPECT_THAT(find("last<2026-01-03T12:00:00.25Z"), ElementsAre("1"));
  EXPECT_THAT(find("note:\"\""), ElementsAre("3"));
  EXPECT_THAT(find("容器"), ElementsAre("1"));
  EXPECT_THAT(find("容"), ElementsAre("1"));
  EXPECT_THAT(find("\"pod 正在\""), ElementsAre("1"));
  EXPECT_THAT(find("在行"), ElementsAre());
  EXPECT_THAT(find("KUBE-system"), ElementsAre("1"));
  EXPECT_THAT(find("system"), ElementsAre("1"));
  EXPECT_THAT(find("web"), ElementsAre("1"));
  EXPECT_THAT(find("key:2 or key:3"), ElementsAre("2", "3"));
  // An update takes the old words and values away.
  Batch change;
  change.Put("pods", "1", R"({"asset":{"name":"x"},"note":"others","labels":["app=new"]})");
  ASSERT_TRUE(store_->Commit(change));
  EXPECT_THAT(find("容器"), ElementsAre());
  EXPECT_THAT(find("web"), ElementsAre());
  EXPECT_THAT(find("label:app=web"), ElementsAre());
  EXPECT_THAT(find("label:app=new others"), ElementsAre("1"));
  Batch where;
  where.DeleteWhere("pods", Parse(*store_, "pods", "label:app=* nothing"));
  ASSERT_TRUE(store_->Commit(where));
  EXPECT_THAT(find(""), ElementsAre("1", "3"));
}

TEST_P(StateStoreSuite, SortsAndPages) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  const char* severities[] = {"low", "high", "critical"};
  for (int i = 0; i < 137; ++i) {
    batch.Put(
        "pods", fmt::format("k{:03}", i),
        fmt::format(R"({{"severity":"{}","count":{},"score":{},"asset":{{"namespace":"n{}"}}}})",
                    severities[i % 3], i % 5, (i % 7) * 0.5, i % 11));
  }
  batch.Put("pods", "none", "{}");
  ASSERT_TRUE(store_->Commit(batch));
  for (const char* sort : {"", "key", "-key", "severity", "-severity", "-severity,count",
                           "ns,-count,score", "score", "-score,ns", "last"}) {
    std::vector<std::string> whole =
        Keys(store_->List("pods", {.filter = {}, .sort = sort, .cursor = "", .limit = 1000}));
    ASSERT_EQ(whole.size(), 138u);
    std::vector<std::string> paged;
    std::string cursor;
    do {
      auto page = store_->List(
          "pods", {.filter = {}, .sort = sort, .cursor = cursor, .limit = 10, .total = true});
      ASSERT_TRUE(page) << page.error().ToString();
      EXPECT_EQ(page->total, 138u);
      for (auto& key : Keys(page)) paged.push_back(key);
      cursor = page->next;
    } while (!cursor.empty());
    EXPECT_EQ(paged, whole) << sort;
  }
  auto sorted = store_->List("pods", {.sort = "-severity,count", .limit = 3});
  EXPECT_THAT(Keys(sorted), ElementsAre("k005", "k020", "k035"));
  EXPECT_EQ(store_->List("pods", {.sort = "severty"}).error().id(), "store.sort");
}

TEST_P(StateStoreSuite, CursorsAreNotForged) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  for (int i = 0; i < 30; ++i) batch.Put("pods", fmt::format("{}", i), "{}");
  ASSERT_TRUE(store_->Commit(batch));
  const std::string good = store_->List("pods", {.sort = "key", .limit = 10})->next;
  ASSERT_FALSE(good.empty());
  EXPECT_TRUE(store_->List("pods", {.sort = "key", .cursor = good}));
  EXPECT_EQ(store_->List("pods", {.sort = "-key", .cursor = good}).error().id(), "store.cursor");
  EXPECT_EQ(store_->List("pods", {.sort = "name", .cursor = good}).error().id(), "store.cursor");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    auto page = store_->List("pods", {.sort = "key", .cursor = bad});
    EXPECT_FALSE(page) << i;
    EXPECT_FALSE(store_->List("pods", {.sort = "key", .cursor = good.substr(0, i) + "x"}));
  }
}

TEST_P(StateStoreSuite, Groups) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  batch.Put("pods", "1", R"({"severity":"high","labels":["a=1","b=1"],"gone":true})");
  batch.Put("pods", "2", R"({"severity":"high","labels":["a=1"],"gone":true})");
  batch.Put("pods", "3", R"({"severity":"low"})");
  ASSERT_TRUE(store_->Commit(batch));
  const auto group = [&](std::vector<std::string> columns, std::string_view filter = "") {
    std::vector<std::string> out;
    auto groups = store_->GroupBy("pods", Parse(*store_, "pods", filter), columns);
    EXPECT_TRUE(groups) << groups.error().ToString();
    if (groups) {
      for (const Group& one : *groups)
        out.push_back(fmt::format("{}={}", fmt::join(one.values, "|"), one.count));
    }
    return out;
  };
  EXPECT_THAT(group({"severity"}), ElementsAre("high=2", "low=1"));
  EXPECT_THAT(group({"label"}), ElementsAre("a=1=2", "=1", "b=1=1"));
  EXPECT_THAT(group({"severity", "gone"}), ElementsAre("high|true=2", "low|=1"));
  EXPECT_THAT(group({"severity"}, "label:b=1"), ElementsAre("high=1"));
  EXPECT_THAT(group({}), ElementsAre("=3"));
  EXPECT_FALSE(store_->GroupBy("pods", {}, {"nope"}));
}

TEST_P(StateStoreSuite, ScansInOrderWhileWritten) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  for (int i = 0; i < 100; ++i) batch.Put("pods", fmt::format("{:03}", i), "{}");
  ASSERT_TRUE(store_->Commit(batch));
  int seen = 0;
  auto scanned = store_->Scan("pods", {}, [&](const Record& record) -> Result<> {
    EXPECT_EQ(record.key, fmt::format("{:03}", seen++));
    Batch more;
    more.Put("pods", fmt::format("z{}", seen), "{}");
    more.Delete("pods", fmt::format("{:03}", 99 - seen));
    BW_TRY(store_->Commit(more));
    EXPECT_TRUE(store_->Get("pods", "000"));
    return Ok();
  });
  ASSERT_TRUE(scanned) << scanned.error().ToString();
  EXPECT_EQ(seen, 100);
  auto ended = store_->Scan("pods", {}, [&](const Record&) -> Result<> {
    return Error(Code::kLimit, "enough", "enough");
  });
  EXPECT_EQ(ended.error().id(), "enough");
}

TEST_P(StateStoreSuite, ColumnsAreRebuiltAndNewerRefused) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  batch.Put("pods", "1",
            R"({"asset":{"name":"web"},"owner":"alice","tags":["x","y"],"note":"old words"})");
  const uint64_t revision = *store_->Commit(batch);
  Collection next = kPods;
  next.version = 2;
  next.columns.push_back({.name = "owner", .path = "owner", .indexed = true, .full_text = true});
  next.columns.push_back({.name = "tag", .path = "tags"});
  ASSERT_TRUE(store_->Define(next));
  EXPECT_THAT(Keys(store_->List("pods", {.filter = Parse(*store_, "pods", "owner:alice")})),
              ElementsAre("1"));
  EXPECT_THAT(
      Keys(store_->List("pods", {.filter = Parse(*store_, "pods", "tag:y alice \"old words\"")})),
      ElementsAre("1"));
  EXPECT_EQ((*store_->Get("pods", "1"))->revision, revision);
  Reopen();
  EXPECT_EQ(store_->Define(kPods).error().id(), "store.newer");
  ASSERT_TRUE(store_->Define(next));
  EXPECT_THAT(Keys(store_->List("pods", {.filter = Parse(*store_, "pods", "tag:x")})),
              ElementsAre("1"));
}

TEST_P(StateStoreSuite, BackupIsAStore) {
  ASSERT_TRUE(store_->Define(kPods));
  Batch batch;
  batch.Put("pods", "1", R"({"note":"容器"})");
  ASSERT_TRUE(store_->Commit(batch));
  TempDir other = *TempDir::Make();
  ASSERT_TRUE(store_->Backup(other.File("state.db")));
  EXPECT_FALSE(store_->Backup(other.File("state.db")));
  Batch later;
  later.Put("pods", "2", "{}");
  ASSERT_TRUE(store_->Commit(later));
  auto copy = GetParam().open(other.path());
  ASSERT_TRUE(copy) << copy.error().ToString();
  ASSERT_TRUE((*copy)->Define(kPods));
  EXPECT_THAT(Keys((*copy)->List("pods", {.filter = Query::Text("容")})), ElementsAre("1"));
  EXPECT_GT((*copy)->Statistics()->bytes, 0u);
  EXPECT_THAT((*copy)->Statistics()->records, ElementsAre(testing::Pair("pods", 1u)));
}

// --- The store's answer is the answer in memory --------------------------------------------------

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  std::string Word() {
    static const char* const kWords[] = {
        "web",  "db",   "kube-system", "容器", "运行容器时", "a*b",   "a\\b", "x y", "",
        "Über", "ÜBER", "容",          "é",    "\"q\"",      "web-1", "w",    "1",   "时退"};
    return kWords[Below(std::size(kWords))];
  }
  std::string Record() {
    Arena arena;
    MapBuilder record(arena), asset(arena);
    const auto maybe = [&] { return Below(4) != 0; };
    if (maybe()) asset.Add("namespace", Value::String(arena, Word()));
    if (maybe()) asset.Add("name", Value::String(arena, Word()));
    record.Add("asset", asset.Finish());
    if (maybe()) {
      std::vector<Value> labels;
      for (int i = Below(4); i > 0; --i) labels.push_back(Value::String(arena, Word()));
      record.Add("labels",
                 Below(3) == 0 ? Value::String(arena, Word()) : Value::Array(arena, labels));
    }
    if (maybe()) record.Add("note", Value::String(arena, Word() + " " + Word()));
    if (maybe()) record.Add("severity", Value::String(arena, Severity()));
    if (maybe()) {
      const Value numbers[] = {Value::Int(Below(5) - 2), Value::Int(Below(5))};
      record.Add("count", Below(3) == 0 ? Value::Array(arena, numbers) : numbers[0]);
    }
    if (maybe()) record.Add("score", Value::Double(Below(9) * 0.5 - 2));
    if (maybe())
      record.Add("gone", Below(5) == 0 ? Value::String("true") : Value::Bool(Below(2) == 0));
    if (maybe())
      record.Add("lastSeen",
                 Value::String(arena, fmt::format("2026-01-0{}T00:00:00Z", 1 + Below(9))));
    return ToJson(record.Finish());
  }
  std::string Severity() {
    static const char* const kNames[] = {"critical", "high",    "medium", "low",
                                         "info",     "unknown", "?"};
    return kNames[Below(std::size(kNames))];
  }
  Query Term() {
    static const char* const kTexts[] = {"ns", "name", "label", "note", "key", "image"};
    switch (Below(7)) {
      case 0: return Query::Exactly(kTexts[Below(6)], Word());
      case 1: {
        const std::string plain = EscapeGlob(Word());
        const std::string globs[] = {plain + "*", "*" + plain,  "?" + plain,
                                     "*",         plain + "?*", "w*b"};
        return Query::AnyOf(kTexts[Below(6)], {globs[Below(6)], EscapeGlob(Word())});
      }
      case 2: {
        static const char* const kAll[] = {"ns",   "label", "count",   "score",
                                           "gone", "last",  "severity"};
        return Query::Has(kAll[Below(7)]);
      }
      case 3: return Query::Text(Word());
      case 4: return Query::Compare("count", Op(), fmt::format("{}", Below(6) - 2));
      case 5: return Query::Compare("score", Op(), fmt::format("{}", Below(9) * 0.5 - 2));
      default:
        if (Below(3) == 0) return Query::Equals("gone", Below(2) == 0 ? "true" : "false");
        if (Below(2) == 0) {
          return Query::Compare("last", Op(), fmt::format("2026-01-0{}T00:00:00Z", 1 + Below(9)));
        }
        return Query::Compare("severity", Op(), Below(2) == 0 ? "high" : "info");
    }
  }
  Term::Op Op() { return static_cast<Term::Op>(Below(5)); }
  Query Make(int depth = 0) {
    const int kind = depth >= 3 ? 9 : Below(10);
    if (kind < 3) {
      std::vector<Query> parts;
      for (int i = Below(4); i > 0; --i) parts.push_back(Make(depth + 1));
      return kind == 0 ? Query::Or(std::move(parts)) : Query::And(std::move(parts));
    }
    if (kind == 3) return Query::Not(Make(depth + 1));
    if (kind == 4 && depth > 0) return Query::All();
    return Term();
  }

 private:
  std::mt19937 engine_;
};

TEST_P(StateStoreSuite, AnswersAsMemoryDoes) {
  ASSERT_TRUE(store_->Define(kPods));
  Random random(20260131);
  std::vector<std::pair<std::string, std::string>> records;
  for (int round = 0; round < 3; ++round) {
    Batch batch;
    for (int i = 0; i < 120; ++i) {
      const std::string key = fmt::format("k{}", random.Below(150));
      std::erase_if(records, [&](const auto& record) { return record.first == key; });
      if (random.Below(5) == 0) {
        batch.Delete("pods", key);
        continue;
      }
      records.emplace_back(key, random.Record());
      batch.Put("pods", key, records.back().second);
    }
    ASSERT_TRUE(store_->Commit(batch));
    int matched = 0;
    for (int i = 0; i < 600; ++i) {
      const Query query = random.Make();
      std::vector<std::string> expected;
      for (const auto& [key, body] : records) {
        Arena arena;
        const Value value = *ParseJson(body, arena);
        if (Matches(query, RecordSubject(kPods, key, value))) expected.push_back(key);
      }
      std::sort(expected.begin(), expected.end());
      auto found =
          store_->List("pods", {.filter = query, .sort = "key", .cursor = "", .limit = 1000});
      ASSERT_EQ(Keys(found), expected) << ToText(query);
      matched += expected.empty() ? 0 : 1;
      EXPECT_EQ(*store_->Count("pods", query), expected.size());
      // To text and back is the same query, where text can say it.
      const std::string text = ToText(query);
      auto again = ParseQuery(text, *store_->Fields("pods"), "last", 0,
                              {.bytes = 100'000, .depth = 50, .terms = 1000});
      if (!again) continue;  // words without a letter; empty groups
      EXPECT_EQ(ToText(*again),
                ToText(*ParseQuery(ToText(*again), *store_->Fields("pods"), "last", 0,
                                   {.bytes = 100'000, .depth = 50, .terms = 1000})));
    }
    EXPECT_GT(matched, 200);
  }
}

INSTANTIATE_TEST_SUITE_P(Sqlite, StateStoreSuite,
                         testing::Values(StateBackend{"Sqlite",
                                                      [](const std::string& folder) {
                                                        return OpenSqliteStateStore(folder);
                                                      }}),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace bulwark::store
