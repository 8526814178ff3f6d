#include "app/server/client_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/server/api_client.h"
#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "formats/yaml_write.h"

namespace bulwark {

namespace {

constexpr size_t kMaxInput = size_t{64} << 20;

int Finish(const Env& env, const Result<int>& done) {
  if (done) return *done;
  env.Complain(done.error().ToString());
  return done.error().code() == Code::kInternal ? kInternal : kUsage;
}

// --- config
// ---------------------------------------------------------------------------------------

struct ConfigCommand {
  ApiAddress address;
  std::vector<std::string> files, kinds;
  bool prune = false, json = false;
};

Result<int> Export(const ConfigCommand& command, Env& env) {
  ApiClient client = BW_TRY(ApiClient::Make(command.address, env));
  Arena arena;
  std::string query = QueryString({{"kinds", Join(command.kinds, ",")}});
  Value root = BW_TRY(client.Get("/api/v1/config" + (query.empty() ? "" : "?" + query), arena));
  if (command.json) {
    env.out(ToJson(root, {.indent = 2}) + "\n");
    return kClean;
  }
  Value items = root["items"];
  bool first = true;
  for (const Value& item : items.items()) {
    if (!first) env.out("---\n");
    first = false;
    env.out(ToYaml(item));
  }
  return kClean;
}

// The objects of all documents of all files, as the API takes them.
Result<std::string> ReadObjects(const ConfigCommand& command, const Env& env) {
  std::string body = R"({"items":[)";
  bool any = false;
  for (const std::string& file : command.files) {
    std::string text = file == "-" ? BW_TRY(env.read_stdin(kMaxInput)) : BW_TRY(ReadFile(file, kMaxInput));
    YamlDocuments documents(text);
    while (documents.More()) {
      auto document = documents.Next();
      if (!document) return std::move(document).error().While(file);
      Arena arena;
      YamlOptions options;
      options.origin = document->origin;
      auto value = ParseYaml(document->text, arena, options);
      if (!value) return std::move(value).error().While(file);
      if (value->IsNull()) continue;
      // A list holds objects; anything else is one.
      std::vector<Value> objects = {*value};
      if (value->IsMap() && (*value)["items"].IsArray()) {
        Value items = (*value)["items"];
        objects.assign(items.items().begin(), items.items().end());
      }
      for (const Value& object : objects) {
        if (any) body += ',';
        any = true;
        AppendJson(body, object);
      }
    }
  }
  return body + "]}";
}

Result<int> Apply(const ConfigCommand& command, bool dry, Env& env) {
  ApiClient client = BW_TRY(ApiClient::Make(command.address, env));
  std::string body = BW_TRY(ReadObjects(command, env));
  Arena arena;
  std::string query =
      QueryString({{"dryRun", dry ? "true" : ""}, {"prune", command.prune ? "true" : ""}});
  Value root = BW_TRY(
      client.Post("/api/v1/config" + (query.empty() ? "" : "?" + query), std::move(body), arena));
  Value changes = root["changes"];
  if (command.json) {
    env.out(ToJson(root, {.indent = 2}) + "\n");
  } else {
    for (const Value& change : changes.items()) {
      if (dry) {
        env.out(change.StringAt("diff"));
      } else {
        env.out(EscapeForTerminal(fmt::format("{} {} {}\n", change.StringAt("kind"),
                                              change.StringAt("name"), change.StringAt("op")),
                                  true));
      }
    }
    if (changes.empty()) env.err("nothing to change\n");
  }
  // As diff has it: 1 where there is a difference.
  return dry && !changes.empty() ? kFindings : kClean;
}

void AddConfig(CLI::App& app, Env& env, int& exit_code) {
  CLI::App* config = app.add_subcommand("config", "Settings of a server as objects in files");
  config->require_subcommand(1);
  auto command = std::make_shared<ConfigCommand>();
  CLI::App* out = config->add_subcommand("export", "Print them as YAML");
  out->add_option("--kind", command->kinds, "Only this kind; may be repeated");
  CLI::App* apply =
      config->add_subcommand("apply", "Make the server's settings what the files say");
  CLI::App* diff = config->add_subcommand("diff",
                                          "Print what applying would change; exit code 1 if "
                                          "anything");
  for (CLI::App* sub : {apply, diff}) {
    sub->add_option("-f,--file,FILE", command->files, "YAML or JSON; - for standard input")
        ->required();
    sub->add_flag("--prune", command->prune,
                  "Delete objects of the kinds given that the files do not have");
  }
  for (CLI::App* sub : {out, apply, diff}) {
    AddAddressOptions(*sub, command->address);
    sub->add_flag("--json", command->json, "Print JSON");
  }
  out->footer("Example: bulwark config export > settings.yaml");
  apply->footer("Example: bulwark config apply -f settings.yaml");
  diff->footer("Example: bulwark config diff -f settings.yaml");
  out->callback([=, &env, &exit_code] { exit_code = Finish(env, Export(*command, env)); });
  apply->callback([=, &env, &exit_code] { exit_code = Finish(env, Apply(*command, false, env)); });
  diff->callback([=, &env, &exit_code] { exit_code = Finish(env, Apply(*command, true, env)); });
}

// --- lists
// ----------------------------------------------------------------------------------------

struct ListCommand {
  ApiAddress address;
  std::string query, since, until, sort, top, format = "table";
  int limit = 50;
};

std::string Cell(std::string_view text, size_t width) {
  std::string shown = TruncateToWidth(EscapeForTerminal(text), width);
  size_t wide = DisplayWidth(shown);
  if (wide < width) shown.append(width - wide, ' ');
  return shown;
}

Result<int> ListEvents(const ListCommand& command, Env& env) {
  ApiClient client = BW_TRY(ApiClient::Make(command.address, env));
  Arena arena;
  if (!command.top.empty()) {
    Value root = BW_TRY(client.Get(
        fmt::format("/api/v1/events/top?{}",
                    QueryString({{"q", command.query},
                                 {"since", command.since},
                                 {"until", command.until},
                                 {"field", command.top},
                                 {"limit", std::to_string(std::min(command.limit, 100))}})),
        arena));
    if (command.format == "json") {
      env.out(ToJson(root, {.indent = 2}) + "\n");
      return kClean;
    }
    Value items = root["items"];
    for (const Value& item : items.items()) {
      env.out(fmt::format("{:>10}  {}\n", item["count"].ToInt().value_or(0),
                          EscapeForTerminal(item.StringAt("value"))));
    }
    return kClean;
  }
  int left = command.limit;
  std::string cursor;
  while (left > 0) {
    int page = std::min(left, 1000);
    Value root = BW_TRY(
        client.Get(fmt::format("/api/v1/events?{}", QueryString({{"q", command.query},
                                                                 {"since", command.since},
                                                                 {"until", command.until},
                                                                 {"limit", std::to_string(page)},
                                                                 {"cursor", cursor}})),
                   arena));
    Value items = root["items"];
    for (const Value& event : items.items()) {
      if (command.format == "json") {
        env.out(ToJson(event) + "\n");
        continue;
      }
      env.out(fmt::format("{}  {}  {}  {}\n", Cell(event.StringAt("time").substr(0, 19), 19),
                          Cell(event.StringAt("severity"), 8), Cell(event.StringAt("kind"), 10),
                          EscapeForTerminal(event.StringAt("message"))));
    }
    left -= static_cast<int>(items.size());
    cursor = root.StringAt("next");
    if (cursor.empty() || items.empty()) break;
  }
  return kClean;
}

Result<int> ListAlerts(const ListCommand& command, Env& env) {
  ApiClient client = BW_TRY(ApiClient::Make(command.address, env));
  Arena arena;
  Value root = BW_TRY(client.Get(
      fmt::format("/api/v1/alerts?{}",
                  QueryString({{"q", command.query},
                               {"sort", command.sort},
                               {"limit", std::to_string(std::min(command.limit, 1000))}})),
      arena));
  if (command.format == "json") {
    env.out(ToJson(root, {.indent = 2}) + "\n");
    return kClean;
  }
  Value items = root["items"];
  for (const Value& alert : items.items()) {
    env.out(fmt::format(
        "{}  {}  {}  {:>6}  {}\n", Cell(alert.StringAt("lastSeen").substr(0, 19), 19),
        Cell(alert.StringAt("severity"), 8), Cell(alert.StringAt("state"), 12),
        alert["count"].ToInt().value_or(0), EscapeForTerminal(alert.StringAt("message"))));
  }
  return kClean;
}

void AddLists(CLI::App& app, Env& env, int& exit_code) {
  auto events = std::make_shared<ListCommand>();
  CLI::App* list = app.add_subcommand("events", "Search what happened");
  list->add_option("QUERY", events->query,
                   "As in the console: kind:audit verb:delete user:alice ns:prod \"secret\"");
  list->add_option("--since", events->since, "An age (24h, 7d), date or time");
  list->add_option("--until", events->until, "The same");
  list->add_option("--limit", events->limit, "At most so many")->check(CLI::Range(1, 1'000'000));
  list->add_option("--top", events->top, "The most frequent values of this field instead");
  list->add_option("-o,--format", events->format, "table or json (JSON lines)")
      ->check(CLI::IsMember({"table", "json"}));
  AddAddressOptions(*list, events->address);
  list->footer("Example: bulwark events 'kind:audit verb:delete ns:prod' --since 24h");
  list->callback([=, &env, &exit_code] { exit_code = Finish(env, ListEvents(*events, env)); });

  auto alerts = std::make_shared<ListCommand>();
  alerts->query = "-state:resolved";
  alerts->sort = "-severity,-last";
  CLI::App* alarm = app.add_subcommand("alerts", "What needs somebody's attention");
  alarm->add_option("QUERY", alerts->query, "As in the console: severity:>=high state:open");
  alarm->add_option("--sort", alerts->sort, "Fields, - before those that fall");
  alarm->add_option("--limit", alerts->limit, "At most so many")->check(CLI::Range(1, 1000));
  alarm->add_option("-o,--format", alerts->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  AddAddressOptions(*alarm, alerts->address);
  alarm->footer("Example: bulwark alerts 'severity:>=high state:open'");
  alarm->callback([=, &env, &exit_code] { exit_code = Finish(env, ListAlerts(*alerts, env)); });
}

// --- support
// --------------------------------------------------------------------------------------

void AddSupport(CLI::App& app, Env& env, int& exit_code) {
  CLI::App* support = app.add_subcommand("support", "Help to find out what is wrong");
  support->require_subcommand(1);
  struct Options {
    ApiAddress address;
    std::string output = "bulwark-support.tar.gz";
  };
  auto options = std::make_shared<Options>();
  CLI::App* bundle =
      support->add_subcommand("bundle", "State, settings, metrics and log of a server, redacted");
  bundle->add_option("--output", options->output, "The archive to write");
  AddAddressOptions(*bundle, options->address);
  bundle->footer("Example: bulwark support bundle --output bulwark-support.tar.gz");
  bundle->callback([=, &env, &exit_code] {
    auto run = [&]() -> Result<int> {
      ApiClient client = BW_TRY(ApiClient::Make(options->address, env));
      std::string bytes = BW_TRY(client.Fetch("/api/v1/system/support"));
      BW_TRY(WriteFileAtomic(options->output, bytes, 0600));
      env.err(fmt::format("{}: {} bytes\n", options->output, bytes.size()));
      return kClean;
    };
    exit_code = Finish(env, run());
  });
}

}  // namespace

void AddClientCommands(CLI::App& app, Env& env, int& exit_code) {
  AddConfig(app, env, exit_code);
  AddLists(app, env, exit_code);
  AddSupport(app, env, exit_code);
}

}  // namespace bulwark
