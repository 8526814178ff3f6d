// rego_differential: our answers to the questions of the generator (../opa/differential).
//
//   rego_differential RECORDED.jsonl [--seed N]   recorded questions with OPA's answers: says where
//                                                 ours are others; exit code 1 if any is
//   rego_differential --serve                     a question a line on standard input, an answer a
//                                                 line on standard output
//
// An answer is {"rows": [{name: value}]}, {"error": "file:row: code: message"} or {"compile":
// ["file:row: code: message"]}; in values a set is {"$set": [...]}, an object whose keys are not
// all strings
// {"$object": [[key, value], ...]}.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/rego.h"

namespace bulwark::rego {
namespace {

Value Tagged(const Value& value, Arena& arena) {
  if (value.IsArray() || value.IsSet()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(Tagged(item, arena));
    Value array = Value::Array(arena, items);
    if (value.IsArray()) return array;
    return MapBuilder(arena).Add("$set", array).Finish();
  }
  if (!value.IsMap()) return value;
  const bool plain =
      std::ranges::all_of(value.entries(), [](const auto& e) { return e.key.IsString(); });
  if (plain) {
    MapBuilder out(arena, value.size());
    for (const auto& [key, member] : value.entries()) out.Add(key, Tagged(member, arena));
    return out.Finish();
  }
  std::vector<Value> pairs;
  for (const auto& [key, member] : value.entries()) {
    pairs.push_back(Value::Array(
        arena, std::initializer_list<Value>{Tagged(key, arena), Tagged(member, arena)}));
  }
  return MapBuilder(arena).Add("$object", Value::Array(arena, pairs)).Finish();
}

Value Untagged(const Value& value, Arena& arena) {
  if (value.IsArray()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(Untagged(item, arena));
    return Value::Array(arena, items);
  }
  if (!value.IsMap()) return value;
  if (const Value* set = value.Find("$set")) {
    return Value::Set(arena, Untagged(*set, arena).items());
  }
  MapBuilder out(arena, value.size());
  if (const Value* pairs = value.Find("$object")) {
    for (const Value& pair : pairs->items()) {
      out.Add(Untagged(pair[0], arena), Untagged(pair[1], arena));
    }
  } else {
    for (const auto& [key, member] : value.entries()) out.Add(key, Untagged(member, arena));
  }
  return out.Finish();
}

Value Reports(std::span<const Diagnostic> errors, Arena& arena) {
  std::set<std::string> lines;
  for (const Diagnostic& error : errors) {
    std::string where = error.at.row == 0 ? "?" : fmt::format("{}:{}", error.file, error.at.row);
    lines.insert(fmt::format("{}: {}: {}", where, error.code, error.message));
  }
  std::vector<Value> out;
  for (const std::string& line : lines) out.push_back(Value::String(arena, line));
  return MapBuilder(arena).Add("compile", Value::Array(arena, out)).Finish();
}

Value Answer(const Value& question, Arena& arena) {
  std::vector<Diagnostic> errors;
  ParseOptions parse;
  parse.dialect = question.StringAt("dialect") == "v0" ? Dialect::kV0 : Dialect::kV1;
  std::vector<std::unique_ptr<Module>> modules;
  for (const Value& text : question["modules"].items()) {
    auto module = ParseModule(fmt::format("test-{}.rego", modules.size()),
                              std::string(text.AsString()), parse, &errors);
    if (!module) return Reports(errors, arena);
    modules.push_back(std::move(*module));
  }
  if (question["syntax"].IsTrue()) {
    return MapBuilder(arena).Add("rows", Value::EmptyArray()).Finish();
  }
  auto policy = Policy::Compile(std::move(modules), {}, &errors);
  if (!policy) return Reports(errors, arena);
  auto query = (*policy)->Prepare(question.StringAt("query"), {}, {}, &errors);
  if (!query) return Reports(errors, arena);
  EvalOptions options;
  options.input = question.Find("input");
  options.data = question.Find("data");
  options.strict_builtin_errors = question["strict"].IsTrue();
  options.limits.time = std::chrono::seconds(60);
  auto results = (*query)->Evaluate(options, arena);
  if (!results) {
    return MapBuilder(arena).Add("error", Value::String(arena, results.error().message())).Finish();
  }
  std::vector<Value> rows;
  for (const ResultRow& row : results->rows) {
    MapBuilder out(arena);
    // The names and values may be the query's, which does not live as long as the arena.
    for (const auto& [name, value] : row.bindings) {
      out.Add(Value::String(arena, name), Tagged(value, arena).CopyTo(arena));
    }
    rows.push_back(out.Finish());
  }
  return MapBuilder(arena).Add("rows", Value::Array(arena, rows)).Finish();
}

bool Same(const Value& want, const Value& got, Arena& arena) {
  if (const Value* as_good = want.Find("or"); as_good != nullptr && Same(*as_good, got, arena)) {
    return true;
  }
  for (const char* failure : {"error", "compile"}) {
    if (want.Find(failure) != nullptr) return want[failure] == got[failure];
  }
  auto rows = [&](const Value& answer) {
    return Value::Set(arena, Untagged(answer["rows"], arena).items());
  };
  return got.Find("rows") != nullptr && rows(want) == rows(got);
}

int Serve() {
  std::string line;
  while (std::getline(std::cin, line)) {
    Arena arena;
    auto question = ParseJson(line, arena);
    if (!question) {
      fmt::print(stderr, "rego_differential: {}\n", question.error().ToString());
      return 2;
    }
    std::cout << ToJson(Answer(*question, arena)) << std::endl;
  }
  return 0;
}

int Replay(const char* file, long seed) {
  auto text = ReadFile(file);
  if (!text) {
    fmt::print(stderr, "rego_differential: {}\n", text.error().ToString());
    return 2;
  }
  size_t pairs = 0;
  size_t differences = 0;
  JsonLines lines(*text);
  while (lines.More()) {
    Arena arena;
    auto line = lines.Next(arena);
    if (!line) {
      fmt::print(stderr, "rego_differential: {}\n", line.error().ToString());
      return 2;
    }
    if (seed >= 0 && (*line)["seed"].ToInt() != seed) continue;
    ++pairs;
    // As it came through JSON, as the recorded answer did: bytes that are no UTF-8 are U+FFFD.
    const std::string text_of_answer = ToJson(Answer(*line, arena));
    const Value got = ParseJson(text_of_answer, arena).value();
    const Value& want = *line->Find("want");
    const bool same = Same(want, got, arena);
    if (same && seed < 0) continue;
    differences += !same;
    fmt::print("=== seed {}, {}, strict {}\n", ToJson((*line)["seed"]), line->StringAt("dialect"),
               (*line)["strict"].IsTrue());
    for (const Value& module : (*line)["modules"].items()) fmt::print("{}\n", module.AsString());
    fmt::print("query: {}\ninput: {}\ndata:  {}\nOPA:   {}\nours:  {}\n\n", line->StringAt("query"),
               ToJson((*line)["input"]), ToJson((*line)["data"]), ToJson(want), ToJson(got));
  }
  fmt::print("{} pairs, {} differences\n", pairs, differences);
  return differences == 0 && pairs > 0 ? 0 : 1;
}

}  // namespace
}  // namespace bulwark::rego

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (argc == 2 && first == "--serve") return bulwark::rego::Serve();
  if (argc == 2 && !first.starts_with("-")) return bulwark::rego::Replay(argv[1], -1);
  if (argc == 4 && std::string_view(argv[2]) == "--seed") {
    return bulwark::rego::Replay(argv[1], std::strtol(argv[3], nullptr, 10));
  }
  fmt::print(stderr, "usage: rego_differential RECORDED.jsonl [--seed N] | --serve\n");
  return 2;
}
