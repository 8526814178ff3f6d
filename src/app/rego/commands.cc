#include "app/rego/commands.h"

#include <CLI/CLI.hpp>

#include "app/rego/subcommands.h"

namespace bulwark {

namespace embedded {
std::string_view rego_manual();
std::string_view rego_manual_zh();
}  // namespace embedded

namespace regocli {

CLI::Option* AddMany(CLI::App& command, const std::string& names, std::vector<std::string>& to,
                     const std::string& text) {
  return command.add_option(names, to, text + " (repeatable)")->allow_extra_args(false);
}

void AddVersions(CLI::App& command, Common& common) {
  command.add_flag("--v0-compatible", common.v0, "Policies are Rego v0, as before OPA 1.0");
  command.add_flag("--v1-compatible", common.v1, "Policies are Rego v1 (the default)");
}

void AddData(CLI::App& command, Common& common) {
  AddMany(command, "-d,--data", common.data, "Policy or data file, or folder of them")
      ->type_name("PATH");
  AddMany(command, "-b,--bundle", common.bundles, "Bundle, a file or a folder")->type_name("PATH");
}

void AddIgnore(CLI::App& command, Common& common) {
  AddMany(command, "--ignore", common.ignore, "Names of files and folders to leave out: '.*'")
      ->type_name("GLOB");
}

void AddCapabilitiesOption(CLI::App& command, Common& common) {
  command.add_option("--capabilities", common.capabilities,
                     "Built-ins that policies may use: a capabilities file, or v1.22.2");
}

void AddSchema(CLI::App& command, Common& common) {
  command.add_option("-s,--schema", common.schema, "JSON schema file of the input, or folder")
      ->type_name("PATH");
}

int WrongUsage(const Env& env, std::string_view message) {
  env.err("Error: " + std::string(message) + "\n");
  return 1;
}

}  // namespace regocli

void AddRegoCommands(CLI::App& app, Env& env, int& exit_code) {
  CLI::App* group =
      app.add_subcommand("rego", "Evaluate, test and package policies in Rego, as opa does");
  group->require_subcommand(1);
  group->footer("Example: bulwark rego eval -d policy/ -i input.json data.authz.allow");
  regocli::AddEval(*group, env, exit_code);
  regocli::AddTest(*group, env, exit_code);
  regocli::AddTestConfig(*group, env, exit_code);
  regocli::AddCheck(*group, env, exit_code);
  regocli::AddFmt(*group, env, exit_code);
  regocli::AddParse(*group, env, exit_code);
  regocli::AddDeps(*group, env, exit_code);
  regocli::AddBench(*group, env, exit_code);
  regocli::AddBuild(*group, env, exit_code);
  regocli::AddExec(*group, env, exit_code);
  regocli::AddCapabilities(*group, env, exit_code);
  regocli::AddRepl(*group, env, exit_code);
}

std::string_view RegoManualPage(std::string_view word, Language language) {
  if (word != "rego") return {};
  return language == Language::kChinese ? embedded::rego_manual_zh() : embedded::rego_manual();
}

}  // namespace bulwark
