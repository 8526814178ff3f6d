#include "app/cel_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "kube/object.h"
#include "lang/cel/env.h"
#include "lang/cel/expr_value.h"
#include "lang/cel/ext/kubernetes.h"
#include "lang/cel/well_known_types.h"

namespace bulwark {

namespace embedded {
std::string_view cel_manual();
std::string_view cel_manual_zh();
}  // namespace embedded

namespace {

constexpr size_t kMaxInput = size_t{256} << 20;

struct Cel {
  std::string expression, container, kubernetes, format = "json";
  std::vector<std::string> binds, declared;
  bool batch = false, cost = false;

  Result<cel::EnvOptions> Options() const {
    cel::EnvOptions options;
    if (kubernetes.empty()) {
      options.libraries = cel::ext::AllLibraries();
    } else {
      auto minor = kube::ParseMinorVersion(kubernetes);
      if (!minor)
        return Error(Code::kInvalid, "--kubernetes: not a version such as 1.31: " + kubernetes);
      options = cel::ext::KubernetesEnvironment(*minor);
    }
    options.container = container;
    options.types = cel::WellKnownTypes();
    return options;
  }
};

// NAME=FILE: a JSON or YAML document; NAME:=JSON: the value itself.
Result<std::pair<std::string, Value>> ReadBinding(const Env& env, const std::string& text,
                                                  Arena& arena) {
  if (auto literal = Cut(text, ":=")) {
    auto value = ParseJson(literal->second, arena);
    if (!value) return std::move(value).error().While("--bind " + text);
    return std::pair(std::string(literal->first), *value);
  }
  auto file = Cut(text, "=");
  if (!file || file->first.empty())
    return Error(Code::kInvalid, "--bind: expected NAME=FILE or NAME:=JSON, not " + text);
  std::string content;
  if (file->second == "-") {
    content = BW_TRY(env.read_stdin(kMaxInput));
  } else {
    content = BW_TRY(ReadFile(std::string(file->second)));
  }
  auto value = ParseYaml(arena.Copy(content), arena);
  if (!value) return std::move(value).error().While(std::string(file->second));
  return std::pair(std::string(file->first), *value);
}

Result<int> Evaluate(const Cel& cel, Env& env) {
  Arena arena;
  cel::EnvOptions options = BW_TRY(cel.Options());
  std::vector<Value> bindings;
  for (const std::string& bind : cel.binds) {
    auto [name, value] = BW_TRY(ReadBinding(env, bind, arena));
    options.variables.push_back({name, cel::Type::Dyn()});
    bindings.push_back(value);
  }
  auto made = BW_TRY(cel::Env::Create(std::move(options)));
  auto program = BW_TRY(made->Compile(cel.expression));
  cel::Evaluator evaluator;
  cel::Outcome out = evaluator.Run(*program, bindings, {.track_cost = cel.cost});
  if (!out.ok()) {
    env.err(cel::RenderRuntimeError(*program, out.value) + "\n");
    return kFindings;
  }
  if (cel.format == "value") {
    env.out(ToJson(BW_TRY(cel::ToExprValue(out.value, arena))) + "\n");
  } else {
    env.out(ToJson(out.value, {.indent = 2}) + "\n");
  }
  if (cel.cost) env.err(fmt::format("cost {}\n", out.cost));
  return kClean;
}

// One line in, one line out; an error in a line is that line's answer.
Value Answer(const Cel& cel, const Value& line, Arena& arena) {
  auto fail = [&](const std::string& message) {
    return MapBuilder(arena).Add("error", Value::String(arena, message)).Finish();
  };
  if (!line["expr"].IsString()) return fail("expr must be a string");
  auto options = cel.Options();
  if (!options) return fail(options.error().ToString());
  if (line["container"].IsString()) options->container = line["container"].AsString();
  std::vector<Value> bindings;
  for (const auto& [name, json] : line["bindings"].entries()) {
    // A cel.expr.Value, alone or as {"value": …} (an ExprValue).
    auto value = cel::FromExprValue(json.Find("value") != nullptr ? json["value"] : json, arena);
    if (!value) return fail(value.error().ToString());
    options->variables.push_back({std::string(name.AsString()), cel::Type::Dyn()});
    bindings.push_back(*value);
  }
  auto env = cel::Env::Create(*std::move(options));
  if (!env) return fail(env.error().ToString());
  auto program = (*env)->Compile(line["expr"].AsString());
  if (!program) return fail(program.error().ToString());
  cel::Evaluator evaluator;
  cel::Outcome out = evaluator.Run(**program, bindings, {}, &arena);
  if (!out.ok()) {
    return fail(std::string(cel::IsError(out.value) ? cel::ErrorMessage(out.value) : "unknown"));
  }
  auto value = cel::ToExprValue(out.value, arena);
  if (!value) return fail(value.error().ToString());
  std::string type = cel::AstOf(**program).type().ToString();
  return MapBuilder(arena).Add("value", *value).Add("type", Value::String(arena, type)).Finish();
}

Result<int> Batch(const Cel& cel, Env& env) {
  std::string text = BW_TRY(env.read_stdin(kMaxInput));
  JsonLines lines(text);
  bool bad = false;
  while (lines.More()) {
    Arena arena;
    auto line = lines.Next(arena);
    if (!line) {
      bad = true;
      env.out(ToJson(MapBuilder(arena)
                         .Add("error", Value::String(arena, line.error().ToString()))
                         .Finish()) +
              "\n");
    } else {
      env.out(ToJson(Answer(cel, *line, arena)) + "\n");
    }
  }
  return bad ? kUsage : kClean;
}

Result<int> Check(const Cel& cel, Env& env) {
  cel::EnvOptions options = BW_TRY(cel.Options());
  for (const std::string& bind : cel.binds) {
    options.variables.push_back({std::string(Split(bind, '=')[0]), cel::Type::Dyn()});
  }
  for (const std::string& name : cel.declared)
    options.variables.push_back({name, cel::Type::Dyn()});
  auto made = BW_TRY(cel::Env::Create(std::move(options)));
  auto parsed = BW_TRY(made->Parse(cel.expression));
  auto checked = BW_TRY(made->Check(parsed));
  cel::Range cost = cel::EstimateCost(*checked);
  env.out(fmt::format("type {}\ncost {} to {}\n", checked->type().ToString(), cost.min,
                      cost.max == cel::kMaxCost ? "unbounded" : std::to_string(cost.max)));
  return kClean;
}

}  // namespace

void AddCelCommands(CLI::App& app, Env& env, int& exit_code) {
  CLI::App* group =
      app.add_subcommand("cel", "Evaluate and check CEL, Kubernetes' expression language");
  group->require_subcommand(1);
  auto cel = std::make_shared<Cel>();
  auto finish = [&env, &exit_code](const Result<int>& done) {
    exit_code = done ? *done : static_cast<int>(kUsage);
    if (!done) env.Complain(done.error().ToString());
  };
  auto common = [&](CLI::App* command) {
    command
        ->add_option(
            "--bind", cel->binds,
            "A variable: NAME=FILE (JSON or YAML, - for standard input) or NAME:=JSON (repeatable)")
        ->allow_extra_args(false);
    command->add_option("--container", cel->container,
                        "Names are looked up in this container first");
    command->add_option(
        "--kubernetes", cel->kubernetes,
        "The environment of that version's API server, such as 1.31 (default: every library)");
  };
  CLI::App* eval = group->add_subcommand("eval", "Evaluate an expression");
  eval->add_option("EXPR", cel->expression, "The expression");
  common(eval);
  eval->add_option("-o,--format", cel->format, "json, or value (protojson of cel.expr.Value)")
      ->check(CLI::IsMember({"json", "value"}))
      ->capture_default_str();
  eval->add_flag("--cost", cel->cost, "Print what it cost, in Kubernetes' units");
  eval->add_flag(
      "--batch", cel->batch,
      "Read JSON lines {expr, bindings, container}, write {value, type} or {error} for each");
  eval->footer(
      "Example: bulwark cel eval 'object.spec.replicas > 2' --bind object=deployment.yaml");
  eval->callback([=, &env] {
    if (cel->batch != cel->expression.empty()) {
      finish(Error(Code::kInvalid, "an expression, or --batch, is needed"));
    } else {
      finish(cel->batch ? Batch(*cel, env) : Evaluate(*cel, env));
    }
  });
  group->footer("Example: bulwark cel eval '[1, 2, 3].map(x, x * x)'");
  CLI::App* check =
      group->add_subcommand("check", "Type-check an expression, and estimate its cost");
  check->add_option("EXPR", cel->expression, "The expression")->required();
  common(check);
  check->add_option("--var", cel->declared, "A variable of any type (repeatable)")
      ->allow_extra_args(false);
  check->footer("Example: bulwark cel check 'object.items.all(i, i.size() < 3)' --var object");
  check->callback([=, &env] { finish(Check(*cel, env)); });
}

std::string_view CelManualPage(Language language) {
  return language == Language::kChinese ? embedded::cel_manual_zh() : embedded::cel_manual();
}

}  // namespace bulwark
