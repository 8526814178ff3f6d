#pragma once

// For tests and fuzzers: ParseYaml beside libyaml alone.

#include <string>
#include <string_view>

#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::yaml {

inline std::string ComparePlaces(const Value& a, const SourceMap& a_at, const Value& b,
                                 const SourceMap& b_at, const std::string& path, int depth) {
  auto differ = [&](const Value* x, const Value* y, const std::string& at) -> std::string {
    auto px = a_at.Of(x);
    auto py = b_at.Of(y);
    if (px != py || px.has_value() != py.has_value()) {
      return at + ": " + std::to_string(px ? px->offset : 0) + "-" +
             std::to_string(px ? px->end : 0) + ", libyaml " + std::to_string(py ? py->offset : 0) +
             "-" + std::to_string(py ? py->end : 0);
    }
    if (a_at.KeyOf(x) != b_at.KeyOf(y)) return at + ": its key";
    return depth > 40 ? "" : ComparePlaces(*x, a_at, *y, b_at, at, depth + 1);
  };
  for (size_t i = 0; i < a.items().size(); ++i) {
    std::string found = differ(&a.items()[i], &b.items()[i], path + "[" + std::to_string(i) + "]");
    if (!found.empty()) return found;
  }
  for (size_t i = 0; i < a.entries().size(); ++i) {
    std::string found = differ(&a.entries()[i].value, &b.entries()[i].value,
                               path + "." + std::string(a.entries()[i].key.AsString()));
    if (!found.empty()) return found;
  }
  return {};
}

// What is different; empty where nothing is.
inline std::string CompareReaders(std::string_view text, bool drop_nulls) {
  Arena arena;
  SourceMap fast_places, slow_places;
  YamlOptions options{.max_alias_nodes = 5000, .drop_nulls = drop_nulls, .borrow_text = true};
  Result<Value> fast = ParseYaml(text, arena, options, &fast_places);
  Result<Value> slow = ParseWithLibyaml(text, arena, options, &slow_places);
  if (fast.has_value() != slow.has_value()) {
    return fast ? "libyaml fails: " + slow.error().ToString() : "fails: " + fast.error().ToString();
  }
  if (!fast) {
    return fast.error().ToString() == slow.error().ToString()
               ? ""
               : fast.error().ToString() + ", libyaml: " + slow.error().ToString();
  }
  std::string a = ToJson(*fast);
  std::string b = ToJson(*slow);
  if (a != b) return a + ", libyaml " + b;
  if (fast_places.Root() != slow_places.Root()) return "the root's place";
  return ComparePlaces(*fast, fast_places, *slow, slow_places, "", 0);
}

// The same for each document of a stream.
inline std::string CompareStream(std::string_view stream, bool drop_nulls) {
  YamlDocuments documents(stream);
  while (documents.More()) {
    Result<YamlDocument> document = documents.Next();
    if (!document) break;
    std::string found = CompareReaders(document->text, drop_nulls);
    if (!found.empty()) return found + "\nin\n" + std::string(document->text);
  }
  return {};
}

}  // namespace bulwark::yaml
