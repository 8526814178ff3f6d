#include "app/app.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/agent/agent_commands.h"
#include "app/cel_commands.h"
#include "app/completion.h"
#include "app/rego/commands.h"
#include "app/server/client_commands.h"
#include "app/server/server_commands.h"
#include "base/text.h"
#include "features/admission/commands.h"
#include "features/posture/commands.h"

namespace bulwark {

namespace {

std::vector<std::string> NamesOfCommands(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

CLI::App* FindCommand(CLI::App* app, const std::string& name) {
  for (CLI::App* sub : app->get_subcommands([](CLI::App*) { return true; })) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

// The innermost command that was named on the command line.
CLI::App* NamedCommand(CLI::App& app) {
  CLI::App* named = &app;
  while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
  return named;
}

// "bulwark checks list"
std::string FullName(const CLI::App* command) {
  std::string name = command->get_name();
  while ((command = command->get_parent()) != nullptr) name = command->get_name() + " " + name;
  return name;
}

std::string Meant(std::string_view word, const std::vector<std::string>& candidates) {
  std::vector<std::string_view> views(candidates.begin(), candidates.end());
  std::string_view meant = DidYouMean(word, views);
  return meant.empty() ? "" : fmt::format("; did you mean {}?", meant);
}

// What is wrong with a command line, in words that name what was meant.
std::string Explain(const CLI::ParseError& error, CLI::App& app) {
  CLI::App* named = NamedCommand(app);
  std::vector<std::string> commands = NamesOfCommands(named), options;
  for (const CLI::Option* option : named->get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (const std::string& word : app.remaining(/*recurse=*/true)) {
    if (word.starts_with("-") && word != "-") {
      std::string name(Split(word, '=').front());
      return fmt::format("{} has no option {}{}", FullName(named), name, Meant(name, options));
    }
    if (!commands.empty()) {
      return fmt::format("there is no command {} {}{}", FullName(named), word,
                         Meant(word, commands));
    }
    return fmt::format("{} does not take {}", FullName(named), word);
  }
  if (!commands.empty() && named != &app) {
    return fmt::format("{} needs a command: {}", FullName(named), fmt::join(commands, ", "));
  }
  return error.what();
}

Result<std::string> HelpOn(CLI::App& app, const std::vector<std::string>& words,
                           Language language) {
  CLI::App* command = &app;
  std::string parents;
  for (const std::string& word : words) {
    CLI::App* next = FindCommand(command, word);
    if (next == nullptr) {
      return Error(Code::kNotFound, fmt::format("there is no command {} {}{}", FullName(command),
                                                word, Meant(word, NamesOfCommands(command))));
    }
    parents += (parents.empty() ? "" : " ") + command->get_name();
    command = next;
  }
  if (words.size() == 1) {
    for (std::string_view page :
         {posture::ManualPage(words[0], language), words[0] == "cel" ? CelManualPage(language) : "",
          words[0] == "gate" ? admission::ManualPage(language) : "",
          RegoManualPage(words[0], language), words[0] == "agent" ? AgentManualPage(language) : "",
          ServerManualPage(words[0], language)}) {
      if (!page.empty()) return std::string(page);
    }
  }
  // Not help(), which would speak of the command that was named on the command line: this one.
  return command->get_formatter()->make_help(
      command, parents.empty() ? command->get_name() : parents + " " + command->get_name(),
      CLI::AppFormatMode::Normal);
}

void AddHelpCommands(CLI::App& app, Env& env, int& exit_code) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* help = app.add_subcommand("help", "The manual page of a command");
  help->add_option("COMMAND", *words, "The command");
  help->footer("Example: bulwark help inspect");
  help->callback([=, &app, &env, &exit_code] {
    auto page = HelpOn(app, *words, env.language);
    if (page) return env.out(*page);
    env.Complain(page.error().ToString());
    exit_code = kUsage;
  });

  auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "A script that completes command lines");
  completion->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer("Example: source <(bulwark completion bash)");
  completion->callback([=, &app, &env] { env.out(CompletionScript(app, *shell)); });
}

}  // namespace

int Main(std::vector<std::string> args, Env& env) {
  CLI::App app("Bulwark: container security for Kubernetes", "bulwark");
  app.require_subcommand(1);
  app.set_version_flag("--version", BULWARK_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print what a command takes");
  app.get_formatter()->column_width(34);
  app.footer(
      "Example: bulwark inspect k8s/\n"
      "`bulwark help COMMAND` prints a manual page.");
  int exit_code = kClean;
  posture::AddCommands(app, env, exit_code);
  AddCelCommands(app, env, exit_code);
  admission::AddCommands(app, env, exit_code);
  AddRegoCommands(app, env, exit_code);
  AddAgentCommands(app, env, exit_code);
  AddServerCommands(app, env, exit_code);
  AddClientCommands(app, env, exit_code);
  AddHelpCommands(app, env, exit_code);
  if (args.empty()) {
    env.err(app.help());
    return kUsage;
  }
  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app.parse(args);
  } catch (const CLI::CallForHelp&) {
    env.out(app.help());  // of the command that was named
    return kClean;
  } catch (const CLI::CallForVersion&) {
    env.out(std::string(BULWARK_VERSION) + "\n");
    return kClean;
  } catch (const CLI::ParseError& error) {
    env.Complain(
        fmt::format("{}\nTry: {} --help", Explain(error, app), FullName(NamedCommand(app))));
    return kUsage;
  }
  return exit_code;
}

}  // namespace bulwark
