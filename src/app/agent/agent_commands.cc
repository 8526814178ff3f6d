#include "app/agent/agent_commands.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "features/node/duty.h"
#include "features/node/node.h"
#include "formats/json.h"
#include "platform/link/agent.h"

namespace bulwark {

namespace embedded {
std::string_view agent_manual();
std::string_view agent_manual_zh();
}  // namespace embedded

namespace {

struct Agent {
  std::string server, state = "/var/lib/bulwark-agent", ca_file, token_file, cluster, node;
  std::string root = "/", log_format = "text", log_level = "info";
  int spool_mib = 64, interval = 600;
  bool once = false;
};

// The host's name as Kubernetes would write it.
std::string HostName() {
  char name[256] = {};
  (void)::gethostname(name, sizeof(name) - 1);
  return AsciiLower(name);
}

// Signals that end the agent, taken by this thread alone: before any other is started.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

Result<> Run(const Agent& given) {
  SetLog({
    .level = BW_TRY(ParseLevel(given.log_level))
    , .format = given.log_format == "json" ? LogFormat::kJson : LogFormat::kText
  });
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  sigset_t signals = BlockSignals();
  // Whatever the agent writes is for its own user.
  ::umask(0077);
  auto link = BW_TRY(link::LinkAgent::Open(
      {.server = given.server,
       .state_folder = given.state,
       .ca_file = given.ca_file,
       .token_file = given.token_file,
       .cluster = given.cluster,
       .node = given.node.empty() ? HostName() : given.node,
       .version = BULWARK_VERSION,
       .spool = {.max_bytes = static_cast<uint64_t>(given.spool_mib) << 20}}));
  node::NodeDuty duty(
      *link, {.host = {.root = given.root}, .interval = std::chrono::seconds(given.interval)});
  link->Start();
  if (given.once) {
    Result<bool> looked = duty.Look();
    // Until the server has it, or somebody has enough of waiting.
    std::stop_source stop;
    std::jthread waiter([&](const std::stop_token& done) {
      timespec second{.tv_nsec = 100'000'000};
      while (!done.stop_requested()) {
        if (::sigtimedwait(&signals, nullptr, &second) > 0) stop.request_stop();
      }
    });
    bool sent = looked && link->Flush(stop.get_token());
    waiter.request_stop();
    waiter.join();
    std::string why = link->status().last_error;
    link->Stop();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!looked) return std::move(looked).error();
    if (!sent) return Error(Code::kUnavailable, "agent.unsent", "the report was not sent: " + why);
    return Ok{};
  }
  duty.Start();
  Log(Level::kInfo, "agent.started", {{"server", given.server}, {"version", BULWARK_VERSION}});
  int signal = 0;
  ::sigwait(&signals, &signal);
  Log(Level::kInfo, "agent.stopping", {{"signal", signal}});
  link->Stop();
  duty.Stop();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return Ok{};
}

std::string_view StatusText(Status status, Language language) {
  bool zh = language == Language::kChinese;
  switch (status) {
    case Status::kPass: return zh ? "通过" : "pass";
    case Status::kFail: return zh ? "未通过" : "fail";
    case Status::kError: return zh ? "错误" : "error";
    case Status::kManual: return zh ? "人工" : "manual";
    case Status::kNotApplicable: return zh ? "不适用" : "n/a";
  }
  BW_UNREACHABLE();
}

int PrintFacts(const Env& env, const std::string& root, const std::string& format) {
  Arena arena;
  Value facts = node::Collect({.root = root}, arena);
  int64_t today =
      std::chrono::duration_cast<std::chrono::seconds>(env.now().time_since_epoch()).count();
  std::vector<node::NodeAssessment> assessments = node::Assess(facts, today);
  int worst = kClean;
  for (const node::NodeAssessment& a : assessments) {
    bool bad =
        a.status == Status::kFail && node::FindNodeCheck(a.check)->severity >= Severity::kHigh;
    if (bad) worst = kFindings;
  }
  if (format == "json") {
    Value report = ParseJson(node::ReportJson(facts, assessments), arena).value();
    env.out(ToJson(report, {.indent = 2}) + "\n");
    return worst;
  }
  size_t width = 0;
  for (const node::NodeAssessment& a : assessments) width = std::max(width, a.check.size());
  for (const node::NodeAssessment& a : assessments) {
    const CheckInfo* check = node::FindNodeCheck(a.check);
    std::string_view status = StatusText(a.status, env.language);
    size_t pad = 8 - std::min<size_t>(8, DisplayWidth(status));
    std::string detail;
    if (a.status == Status::kFail || a.status == Status::kManual) {
      detail = fmt::format("  {} = {}", a.path, a.value);
    } else if (a.status == Status::kError) {
      detail = fmt::format("  {}", a.error);
    }
    std::string title =
        a.status == Status::kFail
            ? fmt::format("  [{}] {}", SeverityName(check->severity), check->title.In(env.language))
            : "";
    env.out(fmt::format("{}{} {:<{}}{}{}\n", status, std::string(pad, ' '), a.check, width, title,
                        EscapeForTerminal(detail)));
  }
  return worst;
}

}  // namespace

std::string_view AgentManualPage(Language language) {
  return language == Language::kChinese ? embedded::agent_manual_zh() : embedded::agent_manual();
}

void AddAgentCommands(CLI::App& app, Env& env, int& exit_code) {
  auto given = std::make_shared<Agent>();
  CLI::App* agent = app.add_subcommand("agent", "Run the agent of a node");
  agent->add_option("--server", given->server, "The server's address for agents: https://host:7443")
      ->required();
  agent->add_option("--ca-file", given->ca_file, "PEM of the server's CA, to enrol");
  agent->add_option("--token-file", given->token_file,
                    "An enrolment token, or a pod's projected service-account token");
  agent->add_option("--cluster", given->cluster, "The cluster's id, with a service-account token");
  agent->add_option("--node", given->node, "This node's name; else the host's");
  agent->add_option("--state", given->state, "Where identity and spool are kept")
      ->capture_default_str();
  agent->add_option("--root", given->root, "Where the host's file system is mounted")
      ->capture_default_str();
  agent->add_option("--spool-mib", given->spool_mib, "How much is kept while the server is away")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  agent->add_option("--interval", given->interval, "Seconds between looks at the node")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  agent->add_option("--log-format", given->log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  agent->add_option("--log-level", given->log_level, "debug, info, warn, error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  agent->add_flag("--once", given->once, "Report once, and end when the server has it");
  agent->footer(
      "Example: bulwark agent --server https://bulwark:7443 --ca-file ca.pem --token-file token");
  agent->callback([given, &env, &exit_code] {
    Result<> ran = Run(*given);
    if (ran) return;
    env.Complain(ran.error().ToString());
    exit_code = ran.error().code() == Code::kInternal ? kInternal : kUsage;
  });

  auto root = std::make_shared<std::string>("/");
  auto format = std::make_shared<std::string>("table");
  CLI::App* node = app.add_subcommand("node", "This machine as a node: facts and checks");
  node->require_subcommand(1);
  CLI::App* facts = node->add_subcommand("facts", "Print this node's facts and the checks on them");
  facts->add_option("--root", *root, "Where the host's file system is mounted")
      ->capture_default_str();
  facts->add_option("--format,-o", *format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  facts->footer("Example: bulwark node facts --format json");
  facts->callback([=, &env, &exit_code] { exit_code = PrintFacts(env, *root, *format); });
}

}  // namespace bulwark
