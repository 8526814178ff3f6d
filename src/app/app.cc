#include "app/app.h"

#include <CLI/CLI.hpp>

#include "app/cel_commands.h"
#include "features/posture/commands.h"

namespace bulwark {

int Main(std::vector<std::string> args, Env& env) {
  CLI::App app("Bulwark: container security for Kubernetes", "bulwark");
  app.require_subcommand(1);
  app.set_version_flag("--version", BULWARK_VERSION);
  app.get_formatter()->column_width(34);
  int exit_code = kClean;
  posture::AddCommands(app, env, exit_code);
  AddCelCommands(app, env, exit_code);
  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app.parse(args);
  } catch (const CLI::CallForHelp&) {
    // The innermost subcommand that was named is the one whose help is wanted.
    CLI::App* named = &app;
    while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
    env.out(named->help());
    return kClean;
  } catch (const CLI::CallForAllHelp&) {
    env.out(app.help("", CLI::AppFormatMode::All));
    return kClean;
  } catch (const CLI::CallForVersion&) {
    env.out(std::string(BULWARK_VERSION) + "\n");
    return kClean;
  } catch (const CLI::ParseError& error) {
    env.Complain(std::string(error.what()) + "\nTry --help.");
    return kUsage;
  }
  return exit_code;
}

}  // namespace bulwark
