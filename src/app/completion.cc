#include "app/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "base/text.h"

namespace bulwark {

namespace {

struct Command {
  std::vector<std::string> path;  // "checks", "list"; empty for the program
  const CLI::App* app;
};

void Collect(const CLI::App& app, std::vector<std::string> path, std::vector<Command>& out) {
  out.push_back({path, &app});
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    path.push_back(sub->get_name());
    Collect(*sub, path, out);
    path.pop_back();
  }
}

// What may stand after a command: its commands and long options.
std::vector<std::string> WordsOf(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(sub->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

std::string Bash(const std::vector<Command>& commands) {
  std::string out = R"(_bulwark() {
  local current=${COMP_WORDS[COMP_CWORD]} path= words= word i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    case "$path $word" in
)";
  for (const Command& command : commands) {
    if (command.path.empty()) continue;
    std::string path = fmt::format(" {}", fmt::join(command.path, " "));
    out += fmt::format("      '{}') path='{}' ;;\n", path, path);
  }
  out += R"(    esac
  done
  case $path in
)";
  for (const Command& command : commands) {
    out += fmt::format("    '{}') words='{}' ;;\n",
                       command.path.empty() ? "" : fmt::format(" {}", fmt::join(command.path, " ")),
                       fmt::join(WordsOf(*command.app), " "));
  }
  out += R"(  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $current == -* || -z $path ]] || COMPREPLY+=($(compgen -f -- "$current"))
}
complete -o filenames -o bashdefault -F _bulwark bulwark
)";
  return out;
}

// For fish: within single quotes.
std::string Quoted(std::string_view text) {
  return "'" + ReplaceAll(ReplaceAll(std::string(text), "\\", "\\\\"), "'", "\\'") + "'";
}

std::string Fish(const std::vector<Command>& commands) {
  std::string out;
  for (const Command& command : commands) {
    std::vector<std::string> conditions;
    std::vector<std::string> below;
    for (const CLI::App* sub : command.app->get_subcommands([](const CLI::App*) { return true; })) {
      below.push_back(sub->get_name());
    }
    for (const std::string& name : command.path) {
      conditions.push_back("__fish_seen_subcommand_from " + name);
    }
    std::string inside = fmt::format("{}", fmt::join(conditions, "; and "));
    if (!below.empty()) {
      std::string none = fmt::format("not __fish_seen_subcommand_from {}", fmt::join(below, " "));
      inside = inside.empty() ? none : inside + "; and " + none;
    }
    std::string start = "complete -c bulwark -n " + Quoted(inside);
    for (const std::string& name : below) {
      const CLI::App* sub = command.app->get_subcommand(name);
      out += fmt::format("{} -f -a {} -d {}\n", start, name, Quoted(sub->get_description()));
    }
    for (const CLI::Option* option : command.app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        out += fmt::format("{} -l {}{} -d {}\n", start, name,
                           option->get_items_expected_max() > 0 ? " -r" : "",
                           Quoted(option->get_description()));
      }
    }
  }
  return out;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, std::string_view shell) {
  std::vector<Command> commands;
  Collect(app, {}, commands);
  if (shell == "fish") return Fish(commands);
  std::string bash = Bash(commands);
  if (shell == "zsh") return "autoload -U +X bashcompinit && bashcompinit\n" + bash;
  return bash;
}

}  // namespace bulwark
