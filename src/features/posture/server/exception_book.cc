#include "features/posture/server/exception_book.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::posture {

namespace {

constexpr size_t kMaxText = 2000, kMaxLabels = 64;
constexpr std::string_view kPatterns[] = {"check", "cluster", "namespace", "kind", "name", "image"};

// `what`: the id's last word.
Error Invalid(std::string_view field, std::string_view what, std::string_view why) {
  return Error(Code::kInvalid, fmt::format("exception.{}", what), fmt::format("{}: {}", field, why),
               {{"field", std::string(field)}, {"limit", std::to_string(kMaxText)}});
}

// Whether a pattern leaves anything out.
bool Narrows(std::string_view pattern) {
  return pattern.find_first_not_of("*?") != std::string_view::npos;
}

// A date means its end. Microseconds; 0 for never.
Result<int64_t> ExpiryOf(std::string_view text) {
  if (text.empty()) return int64_t{0};
  bool date = text.size() == 10;
  auto time = ParseRfc3339(date ? std::string(text) + "T00:00:00Z" : std::string(text));
  if (!time) return Invalid("expires", "expires", "expected a date such as 2027-06-30, or a time");
  return (time->seconds + (date ? 86'400 : 0)) * 1'000'000;
}

// The fields that people choose, checked.
Result<> CheckAsked(const Value& asked) {
  for (std::string_view field :
       {"check", "cluster", "namespace", "kind", "name", "image", "reason", "expires"}) {
    const Value* value = asked.Find(field);
    if (value == nullptr || value->IsNull()) continue;
    if (!value->IsString()) return Invalid(field, "text", "must be a text");
    if (value->size() > kMaxText)
      return Invalid(field, "long", fmt::format("more than {} bytes", kMaxText));
  }
  for (std::string_view field : {"check", "reason"}) {
    if (Trim(asked.StringAt(field)).empty()) return Invalid(field, "missing", "is missing");
  }
  const Value* labels = asked.Find("labels");
  if (labels != nullptr && !labels->IsNull()) {
    if (!labels->IsMap() || labels->size() > kMaxLabels)
      return Invalid("labels", "labels", "must be a map of texts");
    for (const Value::Entry& entry : labels->entries()) {
      if (!entry.key.IsString() || !entry.value.IsString() || entry.value.size() > kMaxText)
        return Invalid("labels", "labels", "must be a map of texts");
    }
  }
  // One for everything everywhere is no exception but the end of inspection.
  bool narrow = labels != nullptr && !labels->empty();
  for (std::string_view field : kPatterns) narrow = narrow || Narrows(asked.StringAt(field));
  if (!narrow)
    return Invalid("check", "narrow", "an exception must be narrower than everything everywhere");
  return Ok();
}

Value With(const Value& record, Arena& arena,
           std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  MapBuilder out(arena);
  for (const Value::Entry& entry : record.entries()) out.Add(entry.key, entry.value);
  for (const auto& [name, value] : fields) out.Add(name, Value::String(arena, value));
  return out.Finish();
}

}  // namespace

const store::Collection& ExceptionsCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = std::string(kExceptions),
      .version = 1,
      .columns =
          {
              {.name = "check", .path = "check", .indexed = true, .full_text = true},
              {.name = "state", .path = "state", .indexed = true},
              {.name = "cluster", .path = "cluster"},
              {.name = "ns", .path = "namespace", .aliases = {"namespace"}},
              {.name = "kind", .path = "kind"},
              {.name = "name", .path = "name", .full_text = true},
              {.name = "image", .path = "image"},
              {.name = "reason", .path = "reason", .full_text = true},
              {.name = "by", .path = "requestedBy", .aliases = {"requestedBy"}},
              {.name = "decider", .path = "decidedBy", .aliases = {"decidedBy"}},
              {.name = "requested",
               .path = "requestedAt",
               .type = ColumnType::kTime,
               .indexed = true,
               .aliases = {"requestedAt", "time"}},
              {.name = "expires", .path = "expiresAt", .type = ColumnType::kTime, .indexed = true},
          },
      .default_sort = "-requested"};
  return collection;
}

std::string_view ExceptionRequestSchema() {
  return R"({"type":"object","required":["check","reason"],"additionalProperties":false,"properties":{
    "check":{"type":"string","minLength":1,"maxLength":200,"description":"Glob"},
    "cluster":{"type":"string","maxLength":200,"description":"Id or name; glob"},
    "namespace":{"type":"string","maxLength":253},"kind":{"type":"string","maxLength":100},
    "name":{"type":"string","maxLength":253},"image":{"type":"string","maxLength":1000},
    "labels":{"type":"object","additionalProperties":{"type":"string"}},
    "reason":{"type":"string","minLength":1,"maxLength":2000},
    "expires":{"type":"string","maxLength":40,"description":"A date (to its end) or RFC 3339 time"},
    "approve":{"type":"boolean","description":"At once, by whoever may"}}})";
}

ExceptionBook::ExceptionBook(store::StateStore& state, Pipeline& pipeline,
                             std::function<int64_t()> now_us, std::function<void()> changed,
                             Tell tell)
    : state_(state),
      pipeline_(pipeline),
      now_us_(std::move(now_us)),
      changed_(std::move(changed)),
      tell_(std::move(tell)) {}

void ExceptionBook::Publish(std::string_view verb, std::string_view id, const Value& record,
                            std::string_view by) {
  int64_t now = now_us_();
  Event event;
  event.id = EventId({"exception", id, verb, std::to_string(now)});
  event.time_us = event.received_us = now;
  event.kind = "exception";
  event.verb = verb;
  event.user = by;
  event.rule = record.StringAt("check");
  event.cluster = event.target.cluster = record.StringAt("cluster");
  event.target.ns = record.StringAt("namespace");
  event.target.kind = record.StringAt("kind");
  event.target.name = record.StringAt("name");
  event.message = fmt::format("posture.exception.{}", verb);
  event.args = {{"user", std::string(by)},
                {"check", event.rule},
                {"reason", std::string(record.StringAt("reason"))}};
  pipeline_.Offer("posture", std::move(event));
  if (tell_) tell_(verb == "deleted" ? "delete" : "put", id, record);
}

Result<store::Record> ExceptionBook::Request(const Value& asked, std::string_view by,
                                             bool approve) {
  int64_t now = now_us_();
  BW_TRY(CheckAsked(asked));
  int64_t expires = BW_TRY(ExpiryOf(asked.StringAt("expires")));
  if (expires != 0 && expires <= now) return Invalid("expires", "past", "is in the past");
  Arena arena;
  std::string id = HexEncode(crypto::RandomBytes(8));
  MapBuilder record(arena);
  record.Add("id", Value::String(id));
  for (const Value::Entry& entry : asked.entries()) {
    if (entry.key.AsString() != "approve" && !entry.value.IsNull())
      record.Add(entry.key, entry.value);
  }
  if (expires != 0) record.Add("expiresAt", Value::String(arena, FormatTime(expires)));
  Value when = Value::String(arena, FormatTime(now));
  record.Add("requestedBy", Value::String(by)).Add("requestedAt", when);
  record.Add("state", Value::String(approve ? "approved" : "requested"));
  if (approve) record.Add("decidedBy", Value::String(by)).Add("decidedAt", when);
  Value body = record.Finish();
  store::Batch batch;
  batch.Put(kExceptions, id, ToJson(body), 0);
  uint64_t revision = BW_TRY(state_.Commit(batch));
  Publish("requested", id, body, by);
  if (approve) {
    Publish("approved", id, body, by);
    changed_();
  }
  return store::Record{id, revision, ToJson(body)};
}

Result<store::Record> ExceptionBook::Decide(std::string_view id, std::string_view step,
                                            std::string_view by, std::string_view comment,
                                            bool own_allowed) {
  auto found = BW_TRY(state_.Get(kExceptions, id));
  if (!found) return Error(Code::kNotFound, "exception.not_found", "no such exception");
  Arena arena;
  Value old = BW_TRY(ParseJson(found->body, arena, {.borrow_text = true}));
  std::string_view state = old.StringAt("state");
  bool own = old.StringAt("requestedBy") == by;
  std::string_view next;
  if (step == "approve" || step == "refuse") {
    next = step == "approve" ? "approved" : "refused";
    if (own && step == "approve" && !own_allowed) {
      return Error(Code::kDenied, "exception.own", "somebody else must approve one's own request");
    }
    // What was approved can still be refused: it ends.
    bool fits = state == "requested" || (step == "refuse" && state == "approved");
    if (!fits) next = {};
  } else if (step == "withdraw") {
    if (state == "requested" || state == "approved") next = "withdrawn";
  }
  if (next.empty()) {
    return Error(Code::kExists, "exception.state",
                 fmt::format("cannot {} an exception that is {}", step, state),
                 {{"step", std::string(step)}, {"state", std::string(state)}});
  }
  if (comment.size() > kMaxText)
    return Invalid("comment", "long", fmt::format("more than {} bytes", kMaxText));
  int64_t expires = ParseTime(old.StringAt("expiresAt"));
  if (next == "approved" && expires != 0 && expires <= now_us_())
    return Invalid("expires", "past", "is in the past");
  Value body = With(old, arena,
                    {{"state", next},
                     {"decidedBy", by},
                     {"decidedAt", FormatTime(now_us_())},
                     {"comment", comment}});
  std::string text = ToJson(body);
  store::Batch batch;
  batch.Put(kExceptions, id, text, found->revision);
  uint64_t revision = BW_TRY(state_.Commit(batch));
  Publish(next, id, body, by);
  if (next == "approved" || state == "approved") changed_();
  return store::Record{std::string(id), revision, std::move(text)};
}

Result<Value> ExceptionBook::FromSpec(std::string_view id, const Value& spec, const Value& old,
                                      Arena& arena, std::string_view by, bool approve) {
  int64_t now = now_us_();
  BW_TRY(CheckAsked(spec));
  int64_t expires = BW_TRY(ExpiryOf(spec.StringAt("expires")));
  // What somebody agreed to is what it says, to the last word.
  bool same = old.IsMap();
  for (std::string_view term :
       {"check", "cluster", "namespace", "kind", "name", "image", "labels", "reason", "expires"}) {
    same = same && spec[term] == old[term];
  }
  std::string_view was = old.StringAt("state");
  bool agreed = approve || (same && (was == "approved" || was == "expired"));
  std::string_view state = !agreed                          ? "requested"
                           : expires != 0 && expires <= now ? "expired"
                                                            : "approved";
  MapBuilder record(arena);
  record.Add("id", Value::String(arena, id));
  for (const Value::Entry& entry : spec.entries()) {
    if (!entry.value.IsNull()) record.Add(entry.key, entry.value);
  }
  if (expires != 0) record.Add("expiresAt", Value::String(arena, FormatTime(expires)));
  Value who = Value::String(arena, by), when = Value::String(arena, FormatTime(now));
  // Who changes what it says is who asks for it.
  auto keep = [&](std::string_view field, const Value& otherwise) {
    const Value* had = same ? old.Find(field) : nullptr;
    record.Add(field, had != nullptr && !had->IsNull() ? *had : otherwise);
  };
  keep("requestedBy", who);
  keep("requestedAt", when);
  if (agreed) {
    // A file that is applied again and again agrees once.
    Value none;
    const Value& before = same && was == state ? old : none;
    record.Add("decidedBy", before["decidedBy"].IsString() ? before["decidedBy"] : who);
    record.Add("decidedAt", before["decidedAt"].IsString() ? before["decidedAt"] : when);
  }
  record.Add("state", Value::String(state));
  return record.Finish();
}

Result<> ExceptionBook::Delete(std::string_view id, std::string_view by) {
  auto found = BW_TRY(state_.Get(kExceptions, id));
  if (!found) return Error(Code::kNotFound, "exception.not_found", "no such exception");
  store::Batch batch;
  batch.Delete(kExceptions, id, found->revision);
  BW_TRY(state_.Commit(batch));
  Arena arena;
  Publish("deleted", id, BW_TRY(ParseJson(found->body, arena)), by);
  changed_();
  return Ok();
}

Result<Exceptions> ExceptionBook::ActiveFor(std::string_view cluster,
                                            std::string_view cluster_name) {
  Exceptions active;
  int64_t now = now_us_();
  BW_TRY(state_.Scan(
      kExceptions, store::Query::Equals("state", "approved"),
      [&](const store::Record& record) -> Result<> {
        Arena arena(1 << 12);
        Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
        std::string_view of = body.StringAt("cluster");
        if (!of.empty() && !GlobMatch(of, cluster, '\0') && !GlobMatch(of, cluster_name, '\0'))
          return Ok();
        auto text = [&](std::string_view field) { return std::string(body.StringAt(field)); };
        Exceptions::Given given{.check = text("check"),
                                .ns = text("namespace"),
                                .kind = text("kind"),
                                .name = text("name"),
                                .image = text("image")};
        for (const Value::Entry& label : body["labels"].entries()) {
          if (label.value.IsString())
            given.labels.emplace_back(label.key.AsString(), label.value.AsString());
        }
        given.excused = {.reason = text("reason"),
                         .owner = text("requestedBy"),
                         .expires = text("expires"),
                         .id = record.key};
        int64_t expires = ParseTime(body.StringAt("expiresAt"));
        given.expired = expires != 0 && expires <= now;
        given.where = "exception " + record.key;
        active.Add(std::move(given));
        return Ok();
      }));
  // What objects may except themselves from is a setting.
  auto record = state_.Get("settings", "server");
  if (record && *record) {
    Arena arena(1 << 12);
    Value settings = BW_TRY(ParseJson((*record)->body, arena));
    std::vector<std::string> checks;
    Value allowed = settings["ownerExceptions"];
    for (const Value& check : allowed.items()) {
      if (check.IsString()) checks.emplace_back(check.AsString());
    }
    active.AllowAnnotations(std::move(checks), {}, now / 1'000'000);
  }
  return active;
}

Result<bool> ExceptionBook::Expire() {
  int64_t now = now_us_();
  std::vector<store::Record> ended;
  BW_TRY(state_.Scan(
      kExceptions,
      store::Query::And(
          {store::Query::AnyOf("state", {"approved", "requested"}),
           store::Query::Compare("expires", store::Term::Op::kLessEqual, FormatTime(now))}),
      [&](const store::Record& record) -> Result<> {
        ended.push_back(record);
        return Ok();
      }));
  bool any = false;
  for (const store::Record& record : ended) {
    Arena arena;
    Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
    int64_t expires = ParseTime(body.StringAt("expiresAt"));
    if (expires == 0 || expires > now) continue;
    Value next = With(body, arena, {{"state", "expired"}});
    store::Batch batch;
    batch.Put(kExceptions, record.key, ToJson(next), record.revision);
    auto done = state_.Commit(batch);
    // Somebody decides on it at this moment: the next time, then.
    if (!done && done.error().code() == Code::kExists) continue;
    if (!done) {
      if (any) changed_();
      return std::move(done).error();
    }
    Publish("expired", record.key, next, "");
    any = any || body.StringAt("state") == "approved";
  }
  if (any) changed_();
  return any;
}

}  // namespace bulwark::posture
