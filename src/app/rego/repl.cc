#include "app/rego/repl.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/rego/output.h"
#include "app/rego/subcommands.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/ast/parser.h"

namespace bulwark::regocli {

namespace {

// Whether the parser stopped because there was no more text.
bool WantsMore(const std::vector<rego::Diagnostic>& diagnostics, std::string_view text) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const auto& diagnostic) {
    if (diagnostic.message.find("eof") != std::string::npos) return true;
    if (diagnostic.message.find("non-terminated") != std::string::npos) return true;
    return diagnostic.at.offset >= TrimRight(text).size();
  });
}

// What a single `x := …` or a rule in full defines; "" for a query.
std::string RuleName(std::string_view package, const std::string& text, rego::Dialect dialect) {
  rego::ParseOptions options;
  options.dialect = dialect;
  auto module = rego::ParseModule("repl", fmt::format("package {}\n{}", package, text), options);
  if (!module || (*module)->rules.size() != 1) return "";
  const rego::Head& head = (*module)->rules.front()->head;
  std::string name(head.name);
  // Without a body, and not assigned, it is a question: `x = 1`, `data.x`, `f(1)`.
  bool body = !(*module)->rules.front()->generated_body;
  bool defines = body || head.assign || head.contains || (*module)->rules.front()->is_default;
  return defines ? name : "";
}

}  // namespace

bool Repl::Start() {
  policy_ = Compile("");
  return policy_ != nullptr;
}

std::string Repl::ModuleText() const {
  std::string out;
  auto rules = rules_.find(package_);
  out = fmt::format("package {}\n", package_);
  for (const std::string& import : imports_) out += fmt::format("\n{}\n", import);
  if (rules != rules_.end()) {
    for (const Rule& rule : rules->second) out += fmt::format("\n{}\n", rule.text);
  }
  return out;
}

std::shared_ptr<const rego::Policy> Repl::Compile(const std::string& extra) {
  Failure failure;
  Sources sources;
  if (!LoadSources(common_, paths_, common_.bundles, sources, failure)) {
    env_.err(failure.text + "\n");
    return nullptr;
  }
  rego::ParseOptions parse;
  parse.dialect = common_.dialect();
  std::map<std::string, std::string> texts;
  for (const auto& [package, rules] : rules_) {
    std::string text = fmt::format("package {}\n", package);
    if (package == package_) {
      for (const std::string& import : imports_) text += import + "\n";
    }
    for (const Rule& rule : rules) text += rule.text + "\n";
    texts[package] = text;
  }
  if (texts.find(package_) == texts.end()) {
    std::string text = fmt::format("package {}\n", package_);
    for (const std::string& import : imports_) text += import + "\n";
    texts[package_] = text;
  }
  texts[package_] += extra + "\n";
  for (const auto& [package, text] : texts) {
    auto module = rego::ParseModule("repl", text, parse);
    if (!module) {
      env_.err(module.error().message() + "\n");
      return nullptr;
    }
    sources.modules.push_back(*std::move(module));
  }
  auto options = Compiling(common_, *sources.arena);
  if (!options) {
    env_.err(options.error().ToString() + "\n");
    return nullptr;
  }
  auto policy = rego::Policy::Compile(std::move(sources.modules), *options);
  if (!policy) {
    env_.err(policy.error().message() + "\n");
    return nullptr;
  }
  data_ = sources.data;
  // What came before may go: nothing of it is shown again.
  sources_.clear();
  sources_.push_back(std::move(sources));
  return *policy;
}

bool Repl::Take(std::string_view line) {
  if (buffer_.empty()) {
    std::string_view word = Trim(line);
    if (word.empty()) return true;
    if (word == "exit" || word == "quit") return false;
    if (Command(word)) return true;
    buffer_ = line;
    Statement(/*complete=*/false);
    return true;
  }
  buffer_ += '\n';
  buffer_ += line;
  Statement(/*complete=*/Trim(line).empty());
  return true;
}

bool Repl::Command(std::string_view line) {
  auto words = SplitWords(line);
  std::string_view word = words.front();
  std::string_view rest = Trim(line.substr(word.size()));
  auto toggle = [&](bool& flag, std::string_view what) {
    flag = !flag;
    Say(fmt::format("{} {}", what, flag ? "on" : "off"));
    return true;
  };
  if (word == "help") {
    Help();
  } else if (word == "show") {
    Show();
  } else if (word == "unset" && !rest.empty()) {
    Unset(rest);
  } else if (word == "unset-package") {
    rules_.erase(package_);
    package_ = "repl";
    imports_.clear();
    policy_ = Compile("");
  } else if (word == "json" && rest.empty()) {
    json_ = true;
  } else if (word == "pretty" && rest.empty()) {
    json_ = false;
  } else if (word == "pretty-limit" && words.size() == 2) {
    pretty_limit_ = 0;
    for (char c : words[1]) {
      if (IsAsciiDigit(c)) pretty_limit_ = pretty_limit_ * 10 + static_cast<size_t>(c - '0');
    }
  } else if (word == "metrics" && rest.empty()) {
    return toggle(metrics_, "metrics");
  } else if (word == "strict-builtin-errors" && rest.empty()) {
    return toggle(strict_errors_, "strict errors of built-ins");
  } else if (word == "dump" && rest.empty()) {
    Say(GoJson(Plain(data_, arena_), 2));
  } else if (word == "input" && (rest.starts_with(":=") || rest.starts_with("= "))) {
    SetInput(Trim(rest.substr(rest.starts_with(":=") ? 2 : 1)));
  } else if (word == "package" && words.size() == 2) {
    std::string name(rest);
    if (auto module = rego::ParseModule("repl", fmt::format("package {}\n", name), {}); !module) {
      env_.err(module.error().message() + "\n");
      return true;
    }
    package_ = name;
    imports_.clear();
    policy_ = Compile("");
  } else if (word == "import" && !rest.empty()) {
    imports_.emplace_back(line);
    if (auto policy = Compile("")) {
      policy_ = policy;
    } else {
      imports_.pop_back();
    }
  } else {
    return false;
  }
  return true;
}

void Repl::Statement(bool complete) {
  std::string text = buffer_;
  std::string name = RuleName(package_, text, common_.dialect());
  if (!name.empty()) {
    buffer_.clear();
    return AddRule(text, name);
  }
  rego::ParseOptions options;
  options.dialect = common_.dialect();
  options.all_future_keywords = true;
  std::vector<rego::Diagnostic> diagnostics;
  auto query = rego::ParseQuery(text, options, &diagnostics);
  if (query) {
    buffer_.clear();
    return Ask(text);
  }
  // A rule that is not yet at its end is a wrong query, too; so its own errors count.
  std::string module = fmt::format("package {}\n{}", package_, text);
  std::vector<rego::Diagnostic> of_rule;
  (void)rego::ParseModule("repl", module, options, &of_rule);
  if (!complete && (WantsMore(diagnostics, text) || WantsMore(of_rule, module))) return;
  buffer_.clear();
  env_.err(query.error().message() + "\n");
}

void Repl::AddRule(const std::string& text, const std::string& name) {
  std::vector<Rule>& rules = rules_[package_];
  std::vector<Rule> before = rules;
  // `x := 1` again takes the place of what was said before.
  rego::ParseOptions options;
  options.dialect = common_.dialect();
  auto module = rego::ParseModule("repl", fmt::format("package {}\n{}", package_, text), options);
  bool constant =
      module && (*module)->rules.front()->generated_body && (*module)->rules.front()->head.assign &&
      (*module)->rules.front()->head.args.empty() && (*module)->rules.front()->head.ref.size() == 1;
  bool known =
      std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.name == name; });
  if (constant) std::erase_if(rules, [&](const Rule& rule) { return rule.name == name; });
  rules.push_back({name, std::string(Trim(text))});
  auto policy = Compile("");
  if (policy == nullptr) {
    rules_[package_] = std::move(before);
    return;
  }
  policy_ = policy;
  Say(fmt::format("Rule '{}' {} in package {}. Type 'show' to see rules.", name,
                  constant && known ? "re-defined" : "defined", package_));
}

void Repl::SetInput(std::string_view term) {
  if (policy_ == nullptr) return;
  auto query = policy_->Prepare(term, "data." + package_);
  if (!query) {
    env_.err(query.error().message() + "\n");
    return;
  }
  rego::EvalOptions options;
  options.data = &data_;
  if (input_) options.input = &*input_;
  Arena arena;
  auto value = (*query)->EvaluateOne(options, arena);
  if (!value || !*value) {
    env_.err(value ? "undefined\n" : value.error().message() + "\n");
    return;
  }
  input_ = (*value)->CopyTo(arena_);
}

void Repl::Unset(std::string_view name) {
  if (name == "input") {
    input_.reset();
    return;
  }
  auto rules = rules_.find(package_);
  size_t gone = rules == rules_.end() ? 0 : std::erase_if(rules->second, [&](const Rule& rule) {
    return rule.name == name;
  });
  if (gone == 0) {
    env_.err(fmt::format("warning: no matching rules in current module\n"));
    return;
  }
  policy_ = Compile("");
}

void Repl::Show() const {
  bool empty = imports_.empty() && rules_.find(package_) == rules_.end();
  if (empty) {
    env_.err(fmt::format("no rules defined\n"));
    return;
  }
  env_.out(ModuleText());
}

void Repl::Ask(const std::string& text) {
  if (policy_ == nullptr) return;
  std::vector<rego::Diagnostic> diagnostics;
  std::vector<std::string> imports;
  for (const std::string& import : imports_) imports.emplace_back(Trim(import.substr(6)));
  auto query = policy_->Prepare(text, "data." + package_, imports, &diagnostics, common_.dialect());
  if (!query) {
    env_.err(query.error().message() + "\n");
    return;
  }
  Arena arena;
  CliHost host(env_, [&](std::string_view line) { env_.err(std::string(line) + "\n"); });
  rego::EvalOptions options;
  options.data = &data_;
  options.host = &host;
  options.strict_builtin_errors = strict_errors_;
  if (input_) options.input = &*input_;
  auto start = std::chrono::steady_clock::now();
  auto results = (*query)->Evaluate(options, arena);
  auto took =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
          .count();
  if (!results) {
    env_.err(Failure::OfEvaluation(results.error(), text).Listed() + "\n");
    return;
  }
  env_.out(json_ ? JsonOfResults(*results, arena) : PrettyResults(*results, pretty_limit_, arena));
  if (metrics_) Say(fmt::format("{}", GoDuration(took)));
}

void Repl::Help() const {
  Table table;
  table.rows = {{"<statement>", "evaluate it, or define a rule: x := 1, p if { … }"},
                {"package <name>", "work in another package"},
                {"import <path>", "import into this package"},
                {"show", "the rules of this package"},
                {"input := <term>", "the input document; unset input forgets it"},
                {"unset <name>", "forget the rules of a name"},
                {"unset-package", "forget this package"},
                {"json, pretty", "how answers are printed"},
                {"pretty-limit <n>", "characters of a cell of a table"},
                {"metrics", "say how long each answer took"},
                {"strict-builtin-errors", "errors of built-ins end an evaluation"},
                {"dump", "the data"},
                {"help", "this"},
                {"exit", "leave (or Ctrl-D)"}};
  env_.out(table.Render());
  Say("A statement may go over several lines; an empty line ends it.");
}

void AddRepl(CLI::App& group, Env& env, int& exit_code) {
  struct Flags {
    Common common;
    std::vector<std::string> paths;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = group.add_subcommand("repl", "Ask and define, line by line");
  command->add_option("PATH", flags->paths, "Policies and data, files and folders");
  AddMany(*command, "-b,--bundle", flags->common.bundles, "Bundle, a file or a folder")
      ->type_name("PATH");
  AddIgnore(*command, flags->common);
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego repl policy/");
  command->callback([=, &env, &exit_code] {
    Repl repl(env, flags->common, flags->paths);
    if (!repl.Start()) {
      exit_code = 1;
      return;
    }
    if (env.read_line) {
      if (env.out_is_terminal) env.out("Type 'help' for what there is, 'exit' to leave.\n");
      while (true) {
        if (env.out_is_terminal) env.out(repl.Prompt());
        auto line = env.read_line();
        if (!line || !repl.Take(*line)) break;
      }
    } else if (auto text = env.read_stdin(kMaxInput)) {
      for (std::string_view line : SplitLines(*text)) {
        if (!repl.Take(line)) break;
      }
    }
    if (env.out_is_terminal) env.out("\n");
  });
}

}  // namespace bulwark::regocli
