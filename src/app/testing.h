#pragma once

// What the tests of this folder share: command lines run in process, as a user would see them.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/files.h"
#include "base/text.h"
#include "platform/process.h"

namespace bulwark::test {

struct Ran {
  int code = -1;
  std::string out, err;
};

struct World {
  std::string input;                             // standard input
  std::map<std::string, std::string> variables;  // the environment
  Language language = Language::kEnglish;
  // 2026-06-01T00:00:00Z
  std::chrono::system_clock::time_point now{std::chrono::seconds(1780272000)};
};

inline Ran Bulwark(const std::vector<std::string>& args, const World& world = {}) {
  Ran ran;
  Env env;
  env.out = [&](std::string_view text) { ran.out += text; };
  env.err = [&](std::string_view text) { ran.err += text; };
  env.read_stdin = [&](size_t) -> Result<std::string> { return world.input; };
  env.now = [&] { return world.now; };
  env.variable = [&](const std::string& name) -> std::optional<std::string> {
    auto found = world.variables.find(name);
    if (found == world.variables.end()) return std::nullopt;
    return found->second;
  };
  env.language = world.language;
  ran.code = Main(args, env);
  return ran;
}

// A command line as a shell divides it: blanks, and quotes of both kinds without escapes.
inline std::vector<std::string> ShellWords(std::string_view line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        words.back() += c;
      }
      continue;
    }
    if (c == ' ' || c == '\n') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\'' || c == '"') {
      quote = c;
    } else {
      words.back() += c;
    }
  }
  return words;
}

// A folder that is the working directory while it lives, and is removed with it.
class Folder {
 public:
  Folder() : before_(std::filesystem::current_path()) {
    std::string name = (std::filesystem::temp_directory_path() / "bulwark-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
    std::filesystem::current_path(path_);
  }
  ~Folder() {
    std::filesystem::current_path(before_);
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  void Write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    auto written = WriteFileAtomic(path_ + "/" + name, text, 0644);
    ASSERT_TRUE(written.has_value()) << written.error().ToString();
  }
  std::string Read(const std::string& name) const {
    return ReadFile(path_ + "/" + name).value_or("<not there>");
  }

 private:
  std::filesystem::path before_;
  std::string path_;
};

// kubectl or helm: what the variable names, else what tests/cluster/build.sh has built. "" if there
// is none.
inline std::string Tool(const std::string& name, const char* variable) {
  if (const char* named = ::getenv(variable)) return named;
  const char *cache = ::getenv("XDG_CACHE_HOME"), *home = ::getenv("HOME");
  std::filesystem::path root = cache != nullptr
                                   ? std::filesystem::path(cache)
                                   : std::filesystem::path(home ? home : "/") / ".cache";
  std::error_code ignored;
  for (const auto& built : std::filesystem::directory_iterator(root / "bulwark/cluster", ignored)) {
    std::filesystem::path tool = built.path() / "bin" / name;
    if (std::filesystem::exists(tool, ignored)) return tool.string();
  }
  return HasProgram(name) ? name : "";
}

}  // namespace bulwark::test
