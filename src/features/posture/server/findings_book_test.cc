#include "features/posture/server/findings_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/posture/server/testing.h"

namespace bulwark::posture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A store that can be told to fail, and that others can write between.
class Troubled : public store::StateStore {
 public:
  explicit Troubled(store::StateStore& real) : real_(real) {}
  Result<> Define(const store::Collection& c) override { return real_.Define(c); }
  const std::vector<store::Field>* Fields(std::string_view c) const override {
    return real_.Fields(c);
  }
  Result<std::optional<store::Record>> Get(std::string_view c, std::string_view key) override {
    return real_.Get(c, key);
  }
  Result<store::ListPage> List(std::string_view c, const store::ListOptions& o) override {
    return real_.List(c, o);
  }
  Result<> Scan(std::string_view c, const store::Query& q,
                const std::function<Result<>(const store::Record&)>& each) override {
    return real_.Scan(c, q, each);
  }
  Result<uint64_t> Count(std::string_view c, const store::Query& q) override {
    return real_.Count(c, q);
  }
  Result<std::vector<store::Group>> GroupBy(std::string_view c, const store::Query& q,
                                            const std::vector<std::string>& by,
                                            int limit) override {
    return real_.GroupBy(c, q, by, limit);
  }
  Result<uint64_t> Commit(const store::Batch& batch) override {
    if (before_commit) std::exchange(before_commit, nullptr)();
    if (fail) return *std::exchange(fail, std::nullopt);
    ++commits;
    return real_.Commit(batch);
  }
  Result<> Backup(const std::string& file) override { return real_.Backup(file); }
  Result<Stats> Statistics() override { return real_.Statistics(); }

  std::optional<Error> fail;
  std::function<void()> before_commit;
  int commits = 0;

 private:
  store::StateStore& real_;
};

class FindingsBookTest : public ::testing::Test {
 protected:
  FindingsBookTest() : set_(FewChecks()), checks_(set_), store_(*world_.state) {
    EXPECT_TRUE(world_.state->Define(FindingsCollection()));
    Open();
  }
  void Open() {
    book_ = std::make_unique<FindingsBook>(
        store_, *world_.pipeline, checks_,
        [this](std::string_view, const std::string& key, const Asset&,
               const std::vector<std::string>&) { told_.push_back(key); },
        [this] { return now_ += 1'000'000; });
  }
  static Finding Of(const std::string& name, const std::string& value = "true") {
    Finding f;
    f.id = "id-" + name;
    f.check = "privileged";
    f.severity = Severity::kHigh;
    f.asset = {.cluster = "c1",
               .group = "apps",
               .version = "v1",
               .kind = "Deployment",
               .ns = "prod",
               .name = name};
    f.evidence.path = "spec.template.spec.containers[0].securityContext.privileged";
    f.evidence.value = value;
    f.evidence.container = "c";
    f.args = {{"some", "thing"}};
    return f;
  }
  // Findings of an exception that came (or went) come without what was not judged anew.
  static Finding Excused(const std::string& name, const std::string& exception) {
    Finding f = Of(name, "");
    f.args.clear();
    if (!exception.empty()) f.excused = ::bulwark::Excused{.reason = "why", .id = exception};
    return f;
  }
  void Tell(FindingChange change, const Finding& f) {
    Value labels = ParseJson(R"({"app":"web"})", arena_).value();
    Value images = ParseJson(R"(["nginx:1"])", arena_).value();
    book_->Add("c1", change, f, {.labels = labels, .images = images});
  }
  void Flush() {
    auto done = book_->Flush();
    EXPECT_TRUE(done) << done.error().ToString();
    EXPECT_EQ(book_->pending(), 0u);
  }
  Value Record(const std::string& name) { return world_.Record(kFindings, "id-" + name, arena_); }
  std::string Status(const std::string& name) {
    return std::string(Record(name).StringAt("status"));
  }
  std::vector<std::string> Events() { return world_.Events("finding"); }

  World world_;
  Arena arena_;
  CheckSet set_;
  KnownChecks checks_;
  Troubled store_;
  std::atomic<int64_t> now_ = 1'700'000'000'000'000;
  std::vector<std::string> told_;
  std::unique_ptr<FindingsBook> book_;
};

TEST_F(FindingsBookTest, OpensChangesIsExceptedClosesAndReopens) {
  Tell(FindingChange::kOpened, Of("web"));
  Flush();
  Value r = Record("web");
  EXPECT_EQ(r.StringAt("status"), "open");
  EXPECT_EQ(r.StringAt("state"), "fail");
  EXPECT_EQ(r.StringAt("severity"), "high");
  EXPECT_EQ(r.StringAt("category"), "security");
  EXPECT_EQ(r.StringAt("value"), "true");
  EXPECT_EQ(r["args"].StringAt("some"), "thing");
  EXPECT_EQ(ToJson(r["labels"]), R"(["app=web"])");
  EXPECT_EQ(ToJson(r["images"]), R"(["nginx:1"])");
  EXPECT_TRUE(r["fixable"].IsTrue());
  EXPECT_EQ(r["reopened"], Value::Int(0));
  const std::string first(r.StringAt("firstSeen"));
  EXPECT_FALSE(first.empty());

  Tell(FindingChange::kChanged, Of("web", "1"));
  Flush();
  r = Record("web");
  EXPECT_EQ(r.StringAt("value"), "1");
  EXPECT_EQ(r.StringAt("firstSeen"), first);
  EXPECT_NE(r.StringAt("lastSeen"), first);

  Tell(FindingChange::kExcused, Excused("web", "e1"));
  Flush();
  r = Record("web");
  EXPECT_EQ(r.StringAt("status"), "excepted");
  EXPECT_EQ(r["exception"].StringAt("id"), "e1");
  EXPECT_EQ(r.StringAt("value"), "1") << "it was not judged anew";
  EXPECT_EQ(r["args"].StringAt("some"), "thing");
  EXPECT_EQ(world_.Count(kFindings, store::Query::Equals("exception", "e1")), 1u);

  Tell(FindingChange::kExcused, Excused("web", ""));
  Flush();
  EXPECT_EQ(Status("web"), "open");
  EXPECT_EQ(Record("web").Find("exception"), nullptr);

  Tell(FindingChange::kClosed, Excused("web", ""));
  Flush();
  r = Record("web");
  EXPECT_EQ(r.StringAt("status"), "closed");
  EXPECT_FALSE(r.StringAt("closedAt").empty());
  EXPECT_EQ(r.StringAt("value"), "1") << "what it was stays visible";

  Tell(FindingChange::kOpened, Of("web"));
  Flush();
  r = Record("web");
  EXPECT_EQ(r.StringAt("status"), "open");
  EXPECT_EQ(r["reopened"], Value::Int(1));
  EXPECT_EQ(r.Find("closedAt"), nullptr);
  EXPECT_EQ(r.StringAt("firstSeen"), first);
  EXPECT_THAT(Events(), ElementsAre("opened privileged web", "excepted privileged web",
                                    "unexcepted privileged web", "closed privileged web",
                                    "reopened privileged web"));
  EXPECT_THAT(told_, SizeIs(6));
  auto moves = book_->TakeMoves();
  EXPECT_EQ(moves["c1"].all.opened, 2u);
  EXPECT_EQ(moves["c1"].all.closed, 1u);
  EXPECT_THAT(book_->TakeMoves(), IsEmpty());
}

TEST_F(FindingsBookTest, ToldTwiceBeforeAFlush) {
  // The exception came before the finding was written: nothing of it is lost.
  Tell(FindingChange::kOpened, Of("a"));
  Tell(FindingChange::kExcused, Excused("a", "e1"));
  // It came and went: it never was.
  Tell(FindingChange::kOpened, Of("b"));
  Tell(FindingChange::kClosed, Excused("b", ""));
  // Changed before it was written: it is new all the same.
  Tell(FindingChange::kOpened, Of("c"));
  Tell(FindingChange::kChanged, Of("c", "2"));
  // Excepted and judged anew.
  Tell(FindingChange::kOpened, Of("d"));
  Tell(FindingChange::kExcused, Excused("d", "e1"));
  Tell(FindingChange::kOpened, Of("d", "3"));
  EXPECT_EQ(book_->pending(), 4u);
  Flush();
  EXPECT_EQ(Status("a"), "excepted");
  EXPECT_EQ(Record("a").StringAt("value"), "true");
  EXPECT_EQ(Record("a")["args"].StringAt("some"), "thing");
  EXPECT_TRUE(Record("b").IsNull());
  EXPECT_EQ(Record("c").StringAt("value"), "2");
  EXPECT_EQ(Status("d"), "open");
  EXPECT_EQ(Record("d").StringAt("value"), "3");
  EXPECT_THAT(Events(), UnorderedElementsAre("excepted privileged a", "opened privileged c",
                                             "opened privileged d"));
  // Gone and back before a flush: it never was away.
  Tell(FindingChange::kClosed, Excused("c", ""));
  Tell(FindingChange::kOpened, Of("c", "2"));
  Flush();
  EXPECT_EQ(Record("c")["reopened"], Value::Int(0));
  EXPECT_THAT(Events(), SizeIs(3));
}

TEST_F(FindingsBookTest, ARestartOpensNothingTwiceAndClosesWhatWasFixedMeanwhile) {
  for (const char* name : {"same", "moved", "fixed"}) Tell(FindingChange::kOpened, Of(name));
  Tell(FindingChange::kExcepted, [] {
    Finding f = Of("excepted");
    f.excused = ::bulwark::Excused{.reason = "why", .id = "e1"};
    return f;
  }());
  Flush();
  const std::string same = ToJson(Record("same")), excepted = ToJson(Record("excepted"));
  Open();
  told_.clear();
  int commits = store_.commits;
  book_->Begin("c1");
  Tell(FindingChange::kOpened, Of("same"));
  Finding f = Of("excepted");
  f.excused = ::bulwark::Excused{.reason = "why", .id = "e1"};
  Tell(FindingChange::kExcepted, f);
  Flush();
  EXPECT_EQ(store_.commits, commits) << "nothing is written for what is the same";
  Tell(FindingChange::kOpened, Of("moved", "new"));
  Flush();
  EXPECT_EQ(Status("fixed"), "open") << "not all was told yet";
  book_->Complete("c1", {});
  Flush();
  EXPECT_EQ(ToJson(Record("same")), same);
  EXPECT_EQ(ToJson(Record("excepted")), excepted);
  EXPECT_EQ(Record("moved").StringAt("value"), "new");
  EXPECT_EQ(Status("fixed"), "closed");
  EXPECT_THAT(told_, UnorderedElementsAre("id-moved", "id-fixed"));
  EXPECT_EQ(Events().back(), "closed privileged fixed");
  EXPECT_THAT(Events(), SizeIs(5));
  // Complete() says it once.
  Tell(FindingChange::kOpened, Of("later"));
  Flush();
  Flush();
  EXPECT_EQ(Status("later"), "open");
}

TEST_F(FindingsBookTest, WhatIsToldBetweenCompleteAndTheFlushStays) {
  book_->Begin("c1");
  Tell(FindingChange::kOpened, Of("early"));
  book_->Complete("c1", {});
  Tell(FindingChange::kOpened, Of("late"));
  Flush();
  Flush();
  EXPECT_EQ(Status("early"), "open");
  EXPECT_EQ(Status("late"), "open");
  EXPECT_THAT(Events(), SizeIs(2));
}

TEST_F(FindingsBookTest, WhatIsToldDuringTheFlushStays) {
  Tell(FindingChange::kOpened, Of("back"));
  Tell(FindingChange::kOpened, Of("gone"));
  Flush();
  Open();
  book_->Begin("c1");
  Tell(FindingChange::kOpened, Of("new"));
  book_->Complete("c1", {});
  // While the first of the flush is written, an object that was not there comes back.
  store_.before_commit = [&] { Tell(FindingChange::kOpened, Of("back")); };
  ASSERT_TRUE(book_->Flush());
  EXPECT_EQ(Status("back"), "open");
  EXPECT_EQ(Status("gone"), "closed");
  Flush();
  EXPECT_EQ(Record("back")["reopened"], Value::Int(0));
}

TEST_F(FindingsBookTest, WhatCouldNotBeReadStaysAsItWas) {
  Finding pod = Of("pod");
  pod.asset.group.clear();
  pod.asset.kind = "Pod";
  Finding related = Of("related");
  related.check = "alone";
  for (const Finding& f : {Of("web"), pod, related}) Tell(FindingChange::kOpened, f);
  Flush();
  Open();
  book_->Begin("c1");
  book_->Complete("c1", {.kinds = {"/Pod"}, .related = true});
  Flush();
  EXPECT_EQ(Status("web"), "closed");
  EXPECT_EQ(Status("pod"), "open");
  EXPECT_EQ(Status("related"), "open");
  // It can be read: the Pod is not there, the other is.
  Tell(FindingChange::kOpened, related);
  book_->Complete("c1", {});
  Flush();
  EXPECT_EQ(Status("pod"), "closed");
  EXPECT_EQ(Status("related"), "open");
}

TEST_F(FindingsBookTest, AStoreThatFailsOnceLosesNothing) {
  Tell(FindingChange::kOpened, Of("old"));
  Flush();
  Open();
  book_->Begin("c1");
  Tell(FindingChange::kOpened, Of("a"));
  Tell(FindingChange::kOpened, Of("b"));
  book_->Complete("c1", {});
  store_.fail = Error(Code::kUnavailable, "store.full", "no space");
  EXPECT_FALSE(book_->Flush());
  EXPECT_EQ(book_->pending(), 2u);
  EXPECT_EQ(Status("old"), "open");
  // Meanwhile there is news of one, and something new.
  Tell(FindingChange::kExcused, Excused("a", "e1"));
  Tell(FindingChange::kOpened, Of("c"));
  Flush();
  EXPECT_EQ(Status("a"), "excepted");
  EXPECT_EQ(Record("a").StringAt("value"), "true");
  EXPECT_EQ(Status("b"), "open");
  EXPECT_EQ(Status("c"), "open");
  EXPECT_EQ(Status("old"), "closed");
  EXPECT_THAT(Events(), SizeIs(5));
}

TEST_F(FindingsBookTest, SomebodyElseWritesBetween) {
  Tell(FindingChange::kOpened, Of("a"));
  Flush();
  Tell(FindingChange::kChanged, Of("a", "new"));
  store_.before_commit = [&] {
    store::Batch batch;
    batch.Put(kFindings, "id-a", ToJson(Record("a")));
    EXPECT_TRUE(world_.state->Commit(batch));
  };
  auto done = book_->Flush();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kExists);
  Flush();
  EXPECT_EQ(Record("a").StringAt("value"), "new");
}

TEST_F(FindingsBookTest, OneThatTheStoreRefusesDoesNotHoldUpTheOthers) {
  for (int i = 0; i < 9; ++i) Tell(FindingChange::kOpened, Of("n" + std::to_string(i)));
  Tell(FindingChange::kOpened, Of("huge", std::string(2 << 20, 'x')));
  Flush();
  EXPECT_EQ(world_.Count(kFindings), 9u);
  EXPECT_EQ(book_->dropped(), 1u);
  EXPECT_TRUE(Record("huge").IsNull());
}

TEST_F(FindingsBookTest, AClusterThatIsRemovedClosesItsFindings) {
  Tell(FindingChange::kOpened, Of("a"));
  Finding other = Of("other");
  other.asset.cluster = "c2";
  book_->Add("c2", FindingChange::kOpened, other, {});
  Flush();
  Tell(FindingChange::kOpened, Of("b"));
  book_->Forget("c1");
  Flush();
  EXPECT_EQ(Status("a"), "closed");
  EXPECT_EQ(Status("b"), "closed");
  EXPECT_EQ(Status("other"), "open");
  // It comes back.
  book_->Begin("c1");
  Tell(FindingChange::kOpened, Of("a"));
  book_->Complete("c1", {});
  Flush();
  EXPECT_EQ(Record("a")["reopened"], Value::Int(1));
}

}  // namespace
}  // namespace bulwark::posture
