// What is the SQLite stores' own, and the parts they are made of.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "base/files.h"
#include "platform/store/cursor.h"
#include "platform/store/event_codec.h"
#include "platform/store/event_writer.h"
#include "platform/store/query.h"
#include "platform/store/sqlite.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_open.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/store/tokenizer.h"

namespace bulwark::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<Field> kFields = {
    {"ns", ColumnType::kText, {"namespace"}}, {"name", ColumnType::kText, {}},
    {"severity", ColumnType::kSeverity, {}},  {"count", ColumnType::kInt, {}},
    {"score", ColumnType::kReal, {}},         {"gone", ColumnType::kBool, {}},
    {"last", ColumnType::kTime, {}}};
constexpr int64_t kNow = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z

TEST(QueryTest, CanonicalText) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"  ", ""},
      {"ns:prod", "ns:prod"},
      {"NAMESPACE:prod", "ns:prod"},
      {"ns:a,b name:c*", "ns:a,b name:c*"},
      {"ns:a and name:b", "ns:a name:b"},
      {"ns:a OR name:b", "ns:a or name:b"},
      {"(ns:a or ns:b) -name:c", "(ns:a or ns:b) -name:c"},
      {"not (ns:a ns:b)", "-(ns:a ns:b)"},
      {"ns:\"a b\"", "ns:\"a b\""},
      {"ns:\"a*\"", "ns:\"a*\""},
      {"ns:a\\*b", "ns:\"a*b\""},
      {"ns:\"x y\"*", "ns:\"x y\"*"},
      {"ns:a\\ b", "ns:\"a b\""},
      {"ns:a:b:c", "ns:a:b:c"},
      {"ns:\"\"", "ns:\"\""},
      {"severity:HIGH,important", "severity:high,high"},
      {"severity>=high", "severity>=high"},
      {"severity:>=high", "severity>=high"},
      {"count<10", "count<10"},
      {"count:-5", "count:-5"},
      {"score>=1.5", "score>=1.5"},
      {"gone:yes", "gone:true"},
      {"last>2026-01-31T08:00:00.5+08:00", "last>2026-01-31T00:00:00.5Z"},
      {"since:24h", "last>=2025-12-31T00:00:00Z"},
      {"since:7d until:1d", "last>=2025-12-25T00:00:00Z last<2025-12-31T00:00:00Z"},
      {"until:2026-01-31", "last<2026-02-01T00:00:00Z"},
      {"last:2026-01-31", "last>=2026-01-31T00:00:00Z last<2026-02-01T00:00:00Z"},
      {"last>2026-01-31", "last>=2026-02-01T00:00:00Z"},
      {"has:namespace", "has:ns"},
      {"secret \"two words\" 容器", "\"secret\" \"two words\" \"容器\""},
      {"kube-system", "\"kube-system\""},
      {"orders notes android", "\"orders\" \"notes\" \"android\""},
      {"ns:a　容器", "ns:a \"容器\""},
  };
  for (const auto& [text, canonical] : cases) {
    auto query = ParseQuery(text, kFields, "last", kNow);
    ASSERT_TRUE(query) << text << ": " << query.error().ToString();
    EXPECT_EQ(ToText(*query), canonical) << text;
    auto again = ParseQuery(canonical, kFields, "last", kNow + 5);
    ASSERT_TRUE(again) << canonical;
    EXPECT_EQ(ToText(*again), canonical);
  }
}

TEST(QueryTest, ErrorsSayWhereAndWhat) {
  struct Case {
    const char* text;
    const char* id;
    size_t offset;
    const char* says;
  };
  const Case cases[] = {
      {"nss:prod", "query.field", 0, "did you mean ns?"},
      {"ns:a sevrity:high", "query.field", 5, "severity"},
      {"http://x", "query.field", 0, "in quotes"},
      {"has:nam", "query.field", 4, "name"},
      {"sinse:24h", "query.field", 0, "since"},
      {"count:abc", "query.value", 6, "whole number"},
      {"count:1*", "query.value", 6, "whole number"},
      {"count:1,x", "query.value", 8, "whole number"},
      {"count:1.5", "query.value", 6, "whole number"},
      {"severity:bad", "query.value", 9, "critical"},
      {"last>soon", "query.value", 5, "age"},
      {"last:2026-02-30", "query.value", 5, "date"},
      {"ns>a", "query.value", 0, "no order"},
      {"ns:", "query.value", 3, "after ns"},
      {"ns:a,", "query.value", 5, "after ns"},
      {"***", "query.value", 0, "letter"},
      {"ns:a )", "query.syntax", 5, "')'"},
      {"(ns:a", "query.syntax", 0, "never closed"},
      {"()", "query.syntax", 0, "term"},
      {"\"abc", "query.syntax", 0, "quotes"},
      {"ns:\"a", "query.syntax", 3, "quotes"},
      {"or ns:a", "query.syntax", 0, "before"},
      {"ns:a or", "query.syntax", 7, "after"},
      {"ns:a and", "query.syntax", 5, "and"},
      {"- ns:a", "query.syntax", 0, "right after"},
      {"not", "query.syntax", 3, "negate"},
      {"count>1,2", "query.syntax", 7, "one value"},
      {"a\xff", "query.syntax", 1, "UTF-8"},
  };
  for (const Case& c : cases) {
    auto query = ParseQuery(c.text, kFields, "last", kNow);
    ASSERT_FALSE(query) << c.text;
    EXPECT_EQ(query.error().id(), c.id) << c.text;
    EXPECT_EQ(query.error().code(), Code::kInvalid);
    EXPECT_EQ(query.error().args().at(0).value, std::to_string(c.offset)) << c.text;
    EXPECT_THAT(query.error().message(), HasSubstr(c.says)) << c.text;
  }
  EXPECT_EQ(ParseQuery(std::string(5000, 'a'), kFields, "last", 0).error().id(), "query.limit");
  EXPECT_EQ(ParseQuery(std::string(100, '('), kFields, "last", 0).error().id(), "query.limit");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "a ";
  EXPECT_EQ(ParseQuery(many, kFields, "last", 0).error().id(), "query.limit");
  EXPECT_FALSE(ParseQuery("since:1h", kFields, "", 0));
}

TEST(QueryTest, Globs) {
  EXPECT_TRUE(IsGlob("a*"));
  EXPECT_TRUE(IsGlob("?"));
  EXPECT_FALSE(IsGlob("a\\*"));
  EXPECT_FALSE(IsGlob("\\\\\\?"));
  for (const char* text : {"a*b", "\\", "x\\*", "", "plain"}) {
    EXPECT_FALSE(IsGlob(EscapeGlob(text)));
    EXPECT_EQ(PlainValue(EscapeGlob(text)), text);
  }
}

std::vector<std::string> Words(std::string_view text, TokenizeFor purpose) {
  std::vector<std::string> out;
  Tokenize(text, purpose, [&](const Token& token) {
    EXPECT_LE(token.end, text.size());
    EXPECT_LT(token.begin, token.end);
    out.push_back((token.colocated ? "=" : "") + std::string(token.text));
    return true;
  });
  return out;
}

TEST(TokenizerTest, CutsWords) {
  const auto index = [](std::string_view text) { return Words(text, TokenizeFor::kIndex); };
  const auto search = [](std::string_view text) { return Words(text, TokenizeFor::kSearch); };
  EXPECT_THAT(index("Pod kube-system/web-1"), ElementsAre("pod", "kube", "system", "web", "1"));
  EXPECT_THAT(index("运行容"), ElementsAre("运行", "=运", "行容", "=行", "容"));
  EXPECT_THAT(search("运行容"), ElementsAre("运行", "行容"));
  EXPECT_THAT(search("容"), ElementsAre("容"));
  EXPECT_THAT(search("容器pod"), ElementsAre("容器", "器", "pod"));
  EXPECT_THAT(index("a容b"), ElementsAre("a", "容", "b"));
  EXPECT_THAT(index("ÜBER Ñandú Привет ΑΒΓ ＡＢＣ１"),
              ElementsAre("über", "ñandú", "привет", "αβγ", "abc1"));
  EXPECT_THAT(index("e\xCC\x81t"), ElementsAre("et"));
  EXPECT_THAT(index("id 3F2504E0-4f89-11d3-9a0c-0305e82c3301, x"),
              ElementsAre("id", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "x"));
  EXPECT_THAT(index("a\xff\xfe"
                    "b，。、c"),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(index(""), ElementsAre());
  EXPECT_EQ(index(std::string(1000, 'x')).at(0).size(), kMaxWordBytes);
  EXPECT_TRUE(TokenizedText("在运行容器时退出").Contains(SearchWords("容器时")));
  EXPECT_FALSE(TokenizedText("在运行容器时退出").Contains(SearchWords("容时")));
  EXPECT_FALSE(TokenizedText("a b").Contains(SearchWords("b a")));
  EXPECT_FALSE(TokenizedText("a b").Contains({}));
}

TEST(CursorTest, KeepsValuesAndRefusesOthers) {
  const std::vector<CursorValue> values = {int64_t{-5}, 1.5, std::string("a\0b", 3), std::string()};
  const std::string cursor = EncodeCursor(values, "p", "secret");
  EXPECT_EQ(*DecodeCursor(cursor, "p", "secret"), values);
  EXPECT_FALSE(DecodeCursor(cursor, "q", "secret"));
  EXPECT_FALSE(DecodeCursor(cursor, "p", "other"));
  EXPECT_FALSE(DecodeCursor("", "p", "secret"));
  EXPECT_FALSE(DecodeCursor(cursor + "AAAA", "p", "secret"));
}

TEST(CodecTest, WithAndWithoutDictionary) {
  PayloadCodec codec;
  std::vector<std::string> samples;
  for (int i = 0; i < 1000; ++i) {
    samples.push_back(
        fmt::format(R"({{"kind":"Event","auditID":"{}","verb":"get","n":{}}})", i * 7919, i));
  }
  const std::string dictionary = PayloadCodec::Train(samples);
  ASSERT_FALSE(dictionary.empty());
  codec.Add(3, dictionary);
  int64_t missing = 0;
  const std::string plain = codec.Compress(samples[7], 0), small = codec.Compress(samples[7], 3);
  EXPECT_LT(small.size(), plain.size());
  EXPECT_EQ(*codec.Decompress(plain, &missing), samples[7]);
  EXPECT_EQ(*codec.Decompress(small, &missing), samples[7]);
  PayloadCodec other;
  EXPECT_FALSE(other.Decompress(small, &missing));
  EXPECT_EQ(missing, 3);
  for (size_t i = 0; i < small.size(); ++i) {
    EXPECT_FALSE(codec.Decompress(small.substr(0, i), &missing) && i != 0) << i;
  }
}

TEST(SqliteStoresTest, OneProcessAndNoOtherProgramsFile) {
  TempDir folder = *TempDir::Make();
  {
    auto first = OpenSqliteStateStore(folder.path());
    ASSERT_TRUE(first);
    EXPECT_EQ(OpenSqliteStateStore(folder.path()).error().id(), "store.locked");
  }
  EXPECT_EQ(OpenSqliteEventStore(folder.File("state.db")).error().id(), "store.corrupt");
  // A newer schema is left alone.
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(folder.File("state.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version=99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_EQ(OpenSqliteStateStore(folder.path()).error().id(), "store.newer");
  ASSERT_TRUE(WriteFileAtomic(folder.File("junk.db"), std::string(8192, 'x')));
  EXPECT_EQ(OpenSqliteStateStore(folder.File("junk.db")).error().id(), "store.corrupt");
  EXPECT_FALSE(OpenSqliteStateStore(folder.File("no/such/folder.db")));
}

TEST(SqliteStoresTest, AFullDiskLosesNothingThatWasThere) {
  TempDir folder = *TempDir::Make();
  const Collection things{.name = "things",
                          .columns = {{.name = "n", .path = "n", .indexed = true}}};
  auto store = *OpenSqliteStateStore(folder.path(), {.max_pages = 200});
  ASSERT_TRUE(store->Define(things));
  int kept = 0;
  Result<uint64_t> full = uint64_t{0};
  const std::string filler(2000, 'x');
  while (full && kept < 10'000) {
    Batch batch;
    batch.Put("things", fmt::format("{}", kept),
              fmt::format(R"({{"n":"{}","x":"{}"}})", kept, filler));
    full = store->Commit(batch);
    if (full) ++kept;
  }
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().id(), "store.full");
  EXPECT_EQ(full.error().code(), Code::kUnavailable);
  EXPECT_GT(kept, 50);
  EXPECT_EQ(*store->Count("things", {}), static_cast<uint64_t>(kept));
  Batch less;
  for (int i = 0; i < kept / 2; ++i) less.Delete("things", fmt::format("{}", i));
  ASSERT_TRUE(store->Commit(less));
  Batch more;
  more.Put("things", "more", "{}");
  EXPECT_TRUE(store->Commit(more));

  auto events = *OpenSqliteEventStore(folder.path(), {.max_pages = 400});
  uint64_t stored = 0;
  Result<AppendOutcome> appended = AppendOutcome{};
  for (int i = 0; appended && i < 10'000; ++i) {
    Event event;
    event.id = fmt::format("{}", i);
    event.kind = i % 100 < 50 ? "a" : "b";
    event.time_us = event.received_us = kNow + i * 1000;
    event.body =
        fmt::format(R"({{"word":"w{}","x":"{}"}})", i, fmt::join(std::vector<int>(100, i), " "));
    appended = events->Append(std::vector<Event>{event});
    if (appended) stored += appended->stored;
  }
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().id(), "store.full");
  EXPECT_EQ(*events->Count({}), stored);
  EXPECT_EQ(events->Search({.filter = Query::Text("w3")})->events.size(), 1u);
  const Retention none[] = {{.kind = "a", .max_age_us = 1}};
  ASSERT_TRUE(events->Expire(none, 0, kNow + 1'000'000'000'000));
  Event again;
  again.id = "again";
  again.kind = "b";
  EXPECT_EQ(events->Append(std::vector<Event>{again})->stored, 1u);
}

TEST(EventWriterTest, DropSaysHowManyWentAndSparesWhatHasBecomeNewer) {
  TempDir folder = *TempDir::Make();
  auto connection = Connection::Open(folder.File("events.db"), {});
  ASSERT_TRUE(connection) << connection.error().ToString();
  ASSERT_TRUE(MigrateSchema(**connection, 1, EventWriter::SchemaSteps()));
  const SqliteEventOptions options;
  EventWriter writer(**connection, options);
  const auto add = [&](int from, int to) {
    std::vector<PreparedEvent> events;
    for (int i = from; i < to; ++i) {
      PreparedEvent& one = events.emplace_back();
      one.event.id = EventId({std::to_string(i)});
      one.event.kind = "audit";
      one.event.time_us = kNow + i;
      one.event.received_us = kNow + i;
      one.hash = IdHash(one.event.id);
    }
    auto outcome = writer.Append(events, kNow);
    ASSERT_TRUE(outcome) << outcome.error().ToString();
  };
  add(0, 3);
  const Segment seen = *writer.Current()->segments.at(0);
  ASSERT_EQ(seen.events, 3);
  add(3, 10);  // between somebody's look and what he does
  EXPECT_EQ(*writer.Drop(seen.id, seen.times.max + 1), 0);
  EXPECT_EQ(writer.Current()->segments.at(0)->events, 10);
  EXPECT_EQ(*writer.Drop(seen.id, kNow + 10), 10);
  EXPECT_TRUE(writer.Current()->segments.empty());
  EXPECT_EQ(*writer.Drop(seen.id, kNoTimeAbove), 0);
}

}  // namespace
}  // namespace bulwark::store
