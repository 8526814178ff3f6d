#include "base/path.h"

#include <algorithm>
#include <charconv>

namespace bulwark {

namespace {

bool IsPlain(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '$';
  });
}

bool IsNumber(std::string_view key) {
  return !key.empty() && key.size() < 19 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The step inside brackets that start at text[at] == '['; moves `at` past the closing one.
std::optional<PathStep> BracketStep(std::string_view text, size_t& at) {
  ++at;
  if (at < text.size() && text[at] == '"') {
    std::string key;
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      key += text[at];
    }
    if (at + 1 >= text.size() || text[at + 1] != ']') return std::nullopt;
    at += 2;
    return PathStep::Key(key);
  }
  size_t close = text.find(']', at);
  if (close == std::string_view::npos || close == at) return std::nullopt;
  std::string_view inside = text.substr(at, close - at);
  at = close + 1;
  if (!IsNumber(inside)) return PathStep::Key(inside);
  int64_t index = 0;
  std::from_chars(inside.data(), inside.data() + inside.size(), index);
  return PathStep::Index(static_cast<size_t>(index));
}

}  // namespace

std::optional<Path> ParsePath(std::string_view text) {
  Path path;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '[') {
      auto step = BracketStep(text, at);
      if (!step) return std::nullopt;
      path.push_back(*std::move(step));
    } else {
      if (text[at] == '.') {
        if (at == 0) return std::nullopt;
        ++at;
      } else if (at != 0) {
        return std::nullopt;
      }
      size_t end = std::min(text.find_first_of(".[", at), text.size());
      if (end == at) return std::nullopt;
      path.push_back(PathStep::Key(text.substr(at, end - at)));
      at = end;
    }
  }
  return path;
}

void AppendKey(std::string& path, std::string_view key) {
  if (IsPlain(key) && !IsNumber(key)) {
    if (!path.empty()) path += '.';
    path += key;
  } else if (!IsNumber(key) && key.find_first_of("[]\"\\") == std::string_view::npos &&
             !key.empty()) {
    path += '[';
    path += key;
    path += ']';
  } else {
    path += "[\"";
    for (char c : key) {
      if (c == '"' || c == '\\') path += '\\';
      path += c;
    }
    path += "\"]";
  }
}

void AppendIndex(std::string& path, size_t index) {
  path += '[';
  path += std::to_string(index);
  path += ']';
}

std::string PathToString(const Path& path) {
  std::string out;
  for (const PathStep& step : path) {
    if (step.IsIndex()) {
      AppendIndex(out, static_cast<size_t>(step.index));
    } else {
      AppendKey(out, step.key);
    }
  }
  return out;
}

const Value* FindDeepest(const Value& root, const Path& path, size_t* depth) {
  const Value* at = &root;
  size_t taken = 0;
  for (; taken < path.size(); ++taken) {
    const PathStep& step = path[taken];
    const Value* next = nullptr;
    if (step.IsIndex()) {
      auto items = at->items();
      if (static_cast<size_t>(step.index) < items.size())
        next = &items[static_cast<size_t>(step.index)];
    } else {
      next = at->Find(step.key);
    }
    if (next == nullptr) break;
    at = next;
  }
  if (depth != nullptr) *depth = taken;
  return at;
}

const Value* FindPath(const Value& root, const Path& path) {
  size_t depth = 0;
  const Value* found = FindDeepest(root, path, &depth);
  return depth == path.size() ? found : nullptr;
}

}  // namespace bulwark
