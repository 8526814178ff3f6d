#include "model/event.h"

#include <gtest/gtest.h>

#include "model/alert.h"
#include "model/catalog.h"
#include "model/record.h"

namespace bulwark {
namespace {

TEST(EventId, TellsPartsApart) {
  EXPECT_EQ(EventId({"a", "bc"}), EventId({"a", "bc"}));
  EXPECT_NE(EventId({"a", "bc"}), EventId({"ab", "c"}));
  EXPECT_NE(EventId({"a", ""}), EventId({"a"}));
  EXPECT_EQ(EventId({"a"}).size(), 32);
}

TEST(Catalog, SpeaksBothLanguagesAndNeverHidesWhatItDoesNotKnow) {
  Catalog catalog;
  catalog.Add("audit.did", {"{user} deleted {name}", "{user} 删除了 {name}"});
  MessageArgs args = {{"user", "alice"}, {"name", "db"}};
  EXPECT_EQ(catalog.Message("audit.did", args, Language::kEnglish), "alice deleted db");
  EXPECT_EQ(catalog.Message("audit.did", args, Language::kChinese), "alice 删除了 db");
  EXPECT_EQ(catalog.Message("other", args, Language::kChinese), "other user=alice name=db");
  Error known(Code::kInvalid, "audit.did", "bob deleted x", {{"user", "bob"}, {"name", "x"}});
  EXPECT_EQ(catalog.Message(known, Language::kChinese), "bob 删除了 x");
  EXPECT_EQ(catalog.Message(Error(Code::kInvalid, "no luck"), Language::kChinese), "no luck");
}

TEST(Record, AssetsAndTimesComeBackAsTheyWere) {
  Arena arena;
  Asset web{.cluster = "c1",
            .group = "apps",
            .version = "v1",
            .kind = "Deployment",
            .ns = "prod",
            .name = "web"};
  EXPECT_EQ(AssetOf(ToValue(web, arena)), web);
  Asset node{.cluster = "c1", .version = "v1", .kind = "Node", .name = "n1"};
  EXPECT_EQ(AssetOf(ToValue(node, arena)), node);
  EXPECT_EQ(ToValue(node, arena).Find("namespace"), nullptr);
  EXPECT_EQ(FormatTime(1'500'000), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(FormatTime(-1), "1969-12-31T23:59:59.999999Z");
  for (int64_t us : {int64_t{0}, int64_t{-1}, int64_t{1'780'272'000'000'001}})
    EXPECT_EQ(ParseTime(FormatTime(us)), us);
  EXPECT_EQ(ParseTime("yesterday"), 0);
}

}  // namespace
}  // namespace bulwark
