#include "calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

constexpr std::string_view kFolder = BULWARK_SOURCE_DIR "/tests/conformance/gatekeeper/";

struct Skip {
  std::string call, test, text, reason;
  mutable bool used = false;
};

const std::vector<Skip>& Skips() {
  static const std::vector<Skip>* const skips = [] {
    auto* out = new std::vector<Skip>();
    Result<std::string> file = ReadFile(std::string(kFolder) + "skips.txt");
    BW_CHECK(file.has_value());
    for (std::string_view line : SplitLines(*file)) {
      if (line.empty() || line[0] == '#') continue;
      std::vector<std::string_view> parts = Split(line, " | ");
      BW_CHECK(parts.size() == 4);
      out->push_back({std::string(parts[0]), std::string(parts[1]), std::string(parts[2]),
                      std::string(parts[3])});
    }
    return out;
  }();
  return *skips;
}

std::map<std::string, Answer> Answers() {
  std::map<std::string, Answer> out;
  AddMutationAnswers(out);
  AddPolicyAnswers(out);
  AddGatorAnswers(out);
  return out;
}

}  // namespace

Arena& CallArena() {
  static Arena* const arena = new Arena();
  return *arena;
}

const std::vector<Call>& AllCalls() {
  static const std::vector<Call>* const calls = [] {
    auto* out = new std::vector<Call>();
    static const std::string* const text = [] {
      Result<std::string> file = ReadFile(std::string(kFolder) + "calls.jsonl");
      BW_CHECK(file.has_value());
      return new std::string(*std::move(file));
    }();
    JsonLines lines(*text);
    int number = 0;
    while (lines.More()) {
      ++number;
      Result<Value> line = lines.Next(CallArena());
      BW_CHECK(line.has_value());
      Call call;
      call.line = number;
      call.name = line->StringAt("call");
      call.session = line->StringAt("session");
      call.test = line->StringAt("test");
      call.args = (*line)["args"];
      call.after = (*line)["after"];
      call.results = (*line)["results"];
      out->push_back(std::move(call));
    }
    return out;
  }();
  return *calls;
}

std::optional<std::string> Call::ErrorAt(size_t i) const {
  const Value* error = results[i].Find("error");
  if (error == nullptr || !error->IsString()) return std::nullopt;
  return std::string(error->AsString());
}

std::optional<std::string> SkipReason(const Call& call) {
  for (const Skip& skip : Skips()) {
    if (skip.call != call.name) continue;
    if (skip.test != "*" && skip.test != call.test) continue;
    if (skip.text != "*") {
      if (ToJson(call.args).find(skip.text) == std::string::npos &&
          ToJson(call.results).find(skip.text) == std::string::npos) {
        continue;
      }
    }
    skip.used = true;
    return skip.reason;
  }
  return std::nullopt;
}

Verdict CompareError(const std::optional<std::string>& want,
                     const std::optional<std::string>& got) {
  if (want.has_value() != got.has_value()) {
    return want ? fmt::format("expected the error {}, there was none", *want)
                : fmt::format("unexpected error: {}", *got);
  }
  if (want && *want != *got)
    return fmt::format("expected the error\n  {}\nfound\n  {}", *want, *got);
  return {};
}

Verdict CompareValue(std::string_view what, const Value& want, const Value& got) {
  if (want == got) return {};
  return fmt::format("{}: expected\n  {}\nfound\n  {}", what, ToJson(want, {.sort_keys = true}),
                     ToJson(got, {.sort_keys = true}));
}

Value Pruned(const Value& value, Arena& arena) {
  if (value.IsMap()) {
    MapBuilder out(arena);
    for (const auto& [key, entry] : value.entries()) {
      Value pruned = Pruned(entry, arena);
      if (pruned.IsNull() || pruned.IsFalse() ||
          ((pruned.IsMap() || pruned.IsArray() || pruned.IsString()) && pruned.empty())) {
        continue;
      }
      out.Add(key, pruned);
    }
    return out.Finish();
  }
  if (value.IsArray()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(Pruned(item, arena));
    return Value::Array(arena, items);
  }
  return value;
}

namespace {

// Every call that was recorded is asked, but for those of skips.txt.
TEST(GatekeeperCalls, AllAnsweredAlike) {
  const std::map<std::string, Answer> answers = Answers();
  struct Count {
    int right = 0, wrong = 0, skipped = 0;
  };
  std::map<std::string, Count> counts;
  for (const Call& call : AllCalls()) {
    Count& count = counts[call.name];
    auto answer = answers.find(call.name);
    if (answer == answers.end()) {
      ADD_FAILURE() << "nobody answers " << call.name;
      continue;
    }
    // A session's state must go on whether or not the call is compared.
    Verdict verdict = answer->second(call);
    if (SkipReason(call)) {
      ++count.skipped;
    } else if (verdict.empty()) {
      ++count.right;
    } else if (++count.wrong <= 6) {
      ADD_FAILURE() << "calls.jsonl:" << call.line << " " << call.name << " (" << call.test << ")\n"
                    << ToJson(call.args).substr(0, 1500) << "\n"
                    << verdict;
    }
  }
  for (const auto& [name, count] : counts) {
    printf("%-32s %4d right %4d wrong %4d skipped\n", name.c_str(), count.right, count.wrong,
           count.skipped);
    EXPECT_EQ(count.wrong, 0) << name;
    EXPECT_GT(count.right + count.skipped, 0) << name;
  }
  for (const Skip& skip : Skips()) {
    EXPECT_TRUE(skip.used) << "skips.txt: no such call: " << skip.call << " | " << skip.test
                           << " | " << skip.text;
  }
}

}  // namespace

}  // namespace bulwark::admission
