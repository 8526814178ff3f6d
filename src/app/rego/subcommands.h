#pragma once

// Each adds one command to `bulwark rego`. For the files of this folder.

#include <CLI/CLI.hpp>

#include "app/rego/session.h"
#include "platform/command.h"

namespace bulwark::regocli {

void AddEval(CLI::App& group, Env& env, int& exit_code);
void AddTest(CLI::App& group, Env& env, int& exit_code);
void AddCheck(CLI::App& group, Env& env, int& exit_code);
void AddFmt(CLI::App& group, Env& env, int& exit_code);
void AddParse(CLI::App& group, Env& env, int& exit_code);
void AddDeps(CLI::App& group, Env& env, int& exit_code);
void AddBench(CLI::App& group, Env& env, int& exit_code);
void AddBuild(CLI::App& group, Env& env, int& exit_code);
void AddExec(CLI::App& group, Env& env, int& exit_code);
void AddCapabilities(CLI::App& group, Env& env, int& exit_code);
void AddRepl(CLI::App& group, Env& env, int& exit_code);
void AddTestConfig(CLI::App& group, Env& env, int& exit_code);

// Options of several commands, with OPA's names.
CLI::Option* AddMany(CLI::App& command, const std::string& names, std::vector<std::string>& to,
                     const std::string& text);
void AddVersions(CLI::App& command, Common& common);
void AddData(CLI::App& command, Common& common);
void AddIgnore(CLI::App& command, Common& common);
void AddCapabilitiesOption(CLI::App& command, Common& common);
void AddSchema(CLI::App& command, Common& common);

// "Error: …" on stderr; OPA's exit code for a command line that contradicts itself.
int WrongUsage(const Env& env, std::string_view message);

}  // namespace bulwark::regocli
