#pragma once

// What the tests of this folder share: `bulwark rego …` in process.

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "app/rego/commands.h"
#include "base/files.h"
#include "platform/command.h"

namespace bulwark::regocli {

struct Ran {
  int code = -1;
  std::string out, err;
};

inline Ran Rego(std::vector<std::string> args, const std::string& input = {}) {
  Ran ran;
  Env env;
  env.out = [&](std::string_view text) { ran.out += text; };
  env.err = [&](std::string_view text) { ran.err += text; };
  env.read_stdin = [&](size_t) -> Result<std::string> { return input; };
  // 2026-06-01T00:00:00Z
  env.now = [] { return std::chrono::system_clock::time_point(std::chrono::seconds(1780272000)); };
  env.variable = [](const std::string&) { return std::nullopt; };
  CLI::App app("test", "bulwark");
  int code = 0;
  AddRegoCommands(app, env, code);
  args.insert(args.begin(), "rego");
  std::reverse(args.begin(), args.end());
  try {
    app.parse(args);
  } catch (const CLI::ParseError& error) {
    ran.err += error.what();
    code = 2;
  }
  ran.code = code;
  return ran;
}

// A folder that is the working directory while it lives.
class InFolder {
 public:
  explicit InFolder(const std::filesystem::path& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~InFolder() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

// A folder of its own with these files, which is the working directory meanwhile.
class Scratch {
 public:
  Scratch() : dir_(TempDir::Make().value()), in_(dir_.path()) {}
  void Write(const std::string& name, std::string_view text) const {
    std::filesystem::path path = dir_.File(name);
    std::filesystem::create_directories(path.parent_path());
    ASSERT_TRUE(WriteFileAtomic(path.string(), text, 0644));
  }
  std::string Read(const std::string& name) const {
    return ReadFile(dir_.File(name)).value_or("<not there>");
  }
  const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_;
  InFolder in_;
};

}  // namespace bulwark::regocli
