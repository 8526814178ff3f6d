#pragma once

// A shell for Rego: statements in, answers out. One statement may go over several lines; an empty
// line ends it. Apart from reading lines it does no I/O, so that a test speaks to it as a user
// does.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/rego/session.h"
#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/rego.h"
#include "platform/command.h"

namespace bulwark::regocli {

class Repl {
 public:
  // `paths` are loaded again for every statement that changes the policy.
  Repl(Env& env, Common common, std::vector<std::string> paths)
      : env_(env), common_(std::move(common)), paths_(std::move(paths)) {}

  // Reads what was named. False with an explanation on `err`.
  bool Start();
  // "> ", or "| " within a statement.
  std::string_view Prompt() const { return buffer_.empty() ? "> " : "| "; }
  // False when it is time to go.
  bool Take(std::string_view line);

 private:
  bool Command(std::string_view line);
  void Statement(bool complete);
  void AddRule(const std::string& text, const std::string& name);
  void Ask(const std::string& text);
  void Show() const;
  void Unset(std::string_view name);
  void SetInput(std::string_view term);
  void Help() const;
  // The module that the statements make, as text.
  std::string ModuleText() const;
  // Compiles everything; nullptr with the errors printed.
  std::shared_ptr<const rego::Policy> Compile(const std::string& extra);
  void Say(std::string_view text) const { env_.out(std::string(text) + "\n"); }

  Env& env_;
  Common common_;
  std::vector<std::string> paths_;
  std::string buffer_;
  std::string package_ = "repl";
  std::vector<std::string> imports_;
  struct Rule {
    std::string name, text;
  };
  std::map<std::string, std::vector<Rule>> rules_;  // by package
  std::vector<Sources> sources_;
  std::shared_ptr<const rego::Policy> policy_;
  Value data_ = Value::EmptyMap();
  std::optional<Value> input_;  // in arena_
  Arena arena_;
  bool json_ = false, metrics_ = false, strict_errors_ = false;
  size_t pretty_limit_ = 80;
};

}  // namespace bulwark::regocli
