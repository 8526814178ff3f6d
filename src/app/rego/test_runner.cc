#include "app/rego/test_runner.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "app/rego/benchmark.h"
#include "app/rego/output.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/ast/printer.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

using rego::Expr;
using rego::ExprKind;
using rego::Rule;
using rego::Term;
using rego::TermKind;

namespace {

constexpr std::string_view kTest = "test_", kTodo = "todo_test_";

// Of a part of a head's reference: its name, "" where it is none.
std::string_view NameOf(const Term& term, bool first) {
  if (first && term.kind == TermKind::kVar) return term.name;
  if (term.kind == TermKind::kScalar && term.value.IsString()) return term.value.AsString();
  return {};
}

// How many parts of the head's reference name the test; 0 for a rule that is none.
size_t TestLength(const Rule& rule) {
  for (size_t i = 0; i < rule.head.ref.size(); ++i) {
    const Term& term = *rule.head.ref[i];
    if (i > 0 && term.kind != TermKind::kScalar) return 0;
    std::string_view name = NameOf(term, i == 0);
    if (name.starts_with(kTest) || name.starts_with(kTodo)) return i + 1;
  }
  return 0;
}

// A test of several cases: `test_x[note] if …`, whose key is no constant.
bool HasCases(const Rule& rule, size_t length) {
  if (rule.head.contains) return false;
  auto keys = rule.head.ref.subspan(length);
  return std::any_of(keys.begin(), keys.end(),
                     [](const Term* key) { return key->kind != TermKind::kScalar; });
}

std::string_view TestName(const Rule& rule, size_t length) {
  return NameOf(*rule.head.ref[length - 1], length == 1);
}

std::string RefText(std::span<Term* const> ref) {
  std::string out;
  rego::AppendRefText(ref, out);
  return out;
}

std::string PackageText(const rego::Module& module) { return RefText(module.package.path); }

// "data.p" and `q.test_x` as one reference. A name that is no word stands in brackets.
std::string FullName(const rego::Module& module, const Rule& rule, size_t length) {
  std::string out = PackageText(module);
  for (size_t i = 0; i < length; ++i) {
    std::string_view name = NameOf(*rule.head.ref[i], i == 0);
    bool word = !name.empty() && !IsAsciiDigit(name[0]) &&
                std::all_of(name.begin(), name.end(),
                            [](char c) { return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_'; });
    if (word) {
      out += fmt::format(".{}", name);
    } else if (!name.empty()) {
      out += '[';
      rego::AppendQuoted(name, out);
      out += ']';
    } else {
      out += fmt::format("[{}]", ToJson(rule.head.ref[i]->value));
    }
  }
  return out;
}

// --- Preparing -----------------------------------------------------------------------------------

void FindNames(const Term& term, std::set<std::string_view>& names) {
  if (term.kind == TermKind::kVar) names.insert(term.name);
  for (const Term* item : term.items) FindNames(*item, names);
}

// Whether the expression mentions a name, outside of what it declares for itself.
bool Mentions(const Expr& expr, std::string_view name);
bool Mentions(const Term& term, std::string_view name) {
  if (term.kind == TermKind::kVar && term.name == name) return true;
  for (const Term* item : term.items) {
    if (Mentions(*item, name)) return true;
  }
  return false;
}
bool Mentions(const Expr& expr, std::string_view name) {
  if (expr.kind == ExprKind::kSome) return false;
  if (expr.term != nullptr && Mentions(*expr.term, name)) return true;
  return std::any_of(expr.terms.begin(), expr.terms.end(),
                     [&](const Term* term) { return term != nullptr && Mentions(*term, name); });
}

Term* Clone(const Term& term, Arena& arena) {
  Term* copy = arena.New<Term>(term);
  std::vector<Term*> items;
  for (const Term* item : term.items) items.push_back(Clone(*item, arena));
  copy->items = arena.Copy<Term*>(items);
  return copy;
}

bool CanClone(const Term& term) {
  if (!term.body.empty()) return false;
  return std::all_of(term.items.begin(), term.items.end(),
                     [](const Term* item) { return CanClone(*item); });
}

Term* MakeName(std::string_view name, Arena& arena) {
  Term* term = arena.New<Term>();
  term->kind = TermKind::kVar;
  term->name = name;
  return term;
}

// A call of internal.test_case with the case's keys, as early in the body as these are known.
void ReportCases(Rule& rule, size_t length, Arena& arena) {
  std::span<Term*> keys = rule.head.ref.subspan(length);
  if (keys.empty()) return;
  std::set<std::string_view> names;
  for (const Term* key : keys) {
    if (!CanClone(*key)) return;
    FindNames(*key, names);
  }
  size_t after = 0;  // of how many expressions the names are known
  for (std::string_view name : names) {
    for (size_t i = 0; i < rule.body.size(); ++i) {
      if (!Mentions(*rule.body[i], name)) continue;
      after = std::max(after, i + 1);
      break;
    }
  }
  std::vector<Term*> copies;
  for (const Term* key : keys) copies.push_back(Clone(*key, arena));
  Term* list = arena.New<Term>();
  list->kind = TermKind::kArray;
  list->items = arena.Copy<Term*>(copies);
  for (const Term* copy : copies) list->height = std::max(list->height, copy->height + 1);
  Term* part = arena.New<Term>();
  part->value = Value::String("test_case");
  std::vector<Term*> ref = {MakeName("internal", arena), part};
  Term* function = arena.New<Term>();
  function->kind = TermKind::kRef;
  function->items = arena.Copy<Term*>(ref);
  function->height = 2;
  std::vector<Term*> terms = {function, list};
  Expr* call = arena.New<Expr>();
  call->kind = ExprKind::kCall;
  call->generated = true;
  call->terms = arena.Copy<Term*>(terms);
  call->height = list->height + 1;
  std::vector<Expr*> body(rule.body.begin(), rule.body.end());
  body.insert(body.begin() + static_cast<ptrdiff_t>(after), call);
  for (size_t i = 0; i < body.size(); ++i) body[i]->index = static_cast<uint32_t>(i);
  rule.body = arena.Copy<Expr*>(body);
}

// A test's host: takes what it prints, and which cases it came to.
class TestHost : public CliHost {
 public:
  explicit TestHost(const Env& env)
      : CliHost(env, [this](std::string_view line) { printed += std::string(line) + "\n"; }) {}
  std::string printed;
  std::vector<std::vector<std::string>> cases;
};

std::string CaseName(const Value& key) {
  Arena arena;
  return key.IsString() ? std::string(key.AsString()) : ToJson(Plain(key, arena));
}

rego::Outcome ReportCase(rego::Context& context, rego::Args args, Value& out) {
  if (auto* host = dynamic_cast<TestHost*>(&context.host)) {
    std::vector<std::string>& names = host->cases.emplace_back();
    for (const Value& key : args[0].items()) names.push_back(CaseName(key));
  }
  out = Value::Bool(true);
  return rego::Outcome::kValue;
}

// --- Running -------------------------------------------------------------------------------------

bool AddSubResults(const Value& value, std::map<std::string, SubResult>& out) {
  bool fail = false;
  for (const auto& [key, item] : value.entries()) {
    SubResult& sub = out[CaseName(key)];
    sub.fail = item.IsMap() ? AddSubResults(item, sub.children) : !item.IsTrue();
    fail = fail || sub.fail;
  }
  return fail;
}

// A case that was come to and is not in the result has failed.
bool AddCase(const std::vector<std::string>& path, size_t at,
             std::map<std::string, SubResult>& out) {
  if (at >= path.size()) return true;
  auto [place, fresh] = out.try_emplace(path[at]);
  if (fresh) place->second.fail = true;
  if (at + 1 == path.size()) return place->second.fail;
  bool fail = AddCase(path, at + 1, place->second.children);
  place->second.fail = place->second.fail || fail;
  return fail;
}

struct Found {
  const rego::Module* module;
  const Rule* rule;
  size_t length;
};

TestResult RunOne(const rego::Policy& policy, const Value& data, const Found& test,
                  const TestOptions& options, const Env& env, std::mutex& preparing) {
  TestResult result;
  const rego::Location& at = test.rule->at;
  result.file = test.module->file;
  result.row = at.row;
  result.column = at.column;
  result.package = PackageText(*test.module);
  result.name = RefText(test.rule->head.ref.first(test.length));
  if (TestName(*test.rule, test.length).starts_with(kTodo)) {
    result.skip = true;
    return result;
  }
  auto query = [&] {
    std::lock_guard lock(preparing);
    return policy.Prepare(FullName(*test.module, *test.rule, test.length));
  }();
  if (!query) {
    result.error = Failure::Of(query.error());
    return result;
  }
  TestHost host(env);
  Trace trace(100'000);
  Observers observers;
  if (options.coverage != nullptr) observers.Add(options.coverage);
  if (options.trace && options.coverage == nullptr) observers.Add(&trace);
  rego::EvalOptions eval;
  eval.data = &data;
  eval.host = &host;
  eval.limits.time = options.timeout;
  eval.observer = observers.get();
  Arena arena;
  auto start = std::chrono::steady_clock::now();
  auto value = (*query)->EvaluateOne(eval, arena);
  result.nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
          .count();
  result.output = host.printed;
  bool cases = HasCases(*test.rule, test.length);
  if (!value) {
    result.error =
        Failure::OfEvaluation(value.error(), FullName(*test.module, *test.rule, test.length));
  } else if (!*value) {
    result.fail = true;
  } else if (cases) {
    result.fail = AddSubResults(**value, result.cases);
    for (const auto& path : host.cases) result.fail = AddCase(path, 0, result.cases) || result.fail;
  } else {
    result.fail = !(*value)->IsTrue();
  }
  if (result.fail && options.trace) {
    result.trace = trace.Text(/*failed_only=*/true);
    Value failed = trace.ToValue(arena, true);
    if (!failed.items().empty()) {
      const Value& last = failed.items().back();
      result.failed_file = last["Location"].StringAt("file");
      result.failed_row = static_cast<uint32_t>(last["Location"]["row"].AsInt());
      result.failed_text = last.StringAt("Node");
    }
  }
  if (options.benchmark && result.Passed()) {
    auto measured = Measure([&]() -> Result<size_t> {
      Arena scratch;
      rego::EvalOptions quiet = eval;
      quiet.observer = nullptr;
      auto again = (*query)->EvaluateOne(quiet, scratch);
      if (!again) return std::move(again).error();
      return scratch.bytes_reserved();
    });
    if (measured) result.benchmark = measured->ToString(options.benchmark_memory);
  }
  return result;
}

}  // namespace

std::string_view TestResult::Outcome() const {
  if (error) return "ERROR";
  if (fail) return "FAIL";
  return skip ? "SKIPPED" : "PASS";
}

std::string TestResult::ToString() const {
  std::string out = fmt::format("{}.{}: {}", package, name, Outcome());
  return skip ? out : fmt::format("{} ({})", out, GoDuration(nanos));
}

void PrepareTests(std::vector<std::unique_ptr<rego::Module>>& modules) {
  std::map<std::string, int> count;
  for (auto& module : modules) {
    for (Rule* rule : module->rules) {
      size_t length = TestLength(*rule);
      if (length == 0 || !TestName(*rule, length).starts_with(kTest)) continue;
      bool cases = HasCases(*rule, length);
      std::string full = FullName(*module, *rule, length);
      int earlier = count[full]++;
      if (earlier > 0) {
        std::string_view name =
            module->arena.Copy(fmt::format("{}#{:02}", TestName(*rule, length), earlier));
        std::vector<Term*> ref(rule->head.ref.begin(), rule->head.ref.end());
        Term* renamed = module->arena.New<Term>(*ref[length - 1]);
        renamed->hash = 0;
        if (length == 1) {
          renamed->name = name;
          rule->head.name = name;
        } else {
          renamed->value = Value::String(name);
        }
        ref[length - 1] = renamed;
        rule->head.ref = module->arena.Copy<Term*>(ref);
      }
      if (cases) ReportCases(*rule, length, module->arena);
    }
  }
}

const rego::Registry& TestBuiltins() {
  static constexpr rego::Builtin kMore[] = {
      {.name = "internal.test_case", .type = "(array[any]) -> void", .call = ReportCase}};
  static const rego::Registry registry{std::span(kMore)};
  return registry;
}

Result<std::vector<TestResult>> RunTests(const rego::Policy& policy, const Value& data,
                                         const TestOptions& options, const Env& env) {
  std::unique_ptr<re2::RE2> pattern;
  if (!options.run.empty()) {
    pattern = std::make_unique<re2::RE2>(options.run, re2::RE2::Quiet);
    if (!pattern->ok()) {
      return Error(Code::kInvalid, fmt::format("error parsing regexp: {}", pattern->error()));
    }
  }
  std::vector<Found> found;
  for (const auto& module : policy.resolution().modules) {
    for (const Rule* rule : module->rules) {
      size_t length = TestLength(*rule);
      if (length == 0) continue;
      if (pattern != nullptr &&
          !re2::RE2::PartialMatch(FullName(*module, *rule, length), *pattern)) {
        continue;
      }
      found.push_back({module.get(), rule, length});
    }
  }
  std::vector<TestResult> results(found.size());
  // Queries are prepared one after the other; they are evaluated at the same time.
  std::mutex preparing;
  size_t threads = options.threads > 0 ? options.threads : std::thread::hardware_concurrency();
  threads = options.benchmark ? 1 : std::clamp<size_t>(threads, 1, found.size() + 1);
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i = next++; i < found.size(); i = next++) {
      results[i] = RunOne(policy, data, found[i], options, env, preparing);
    }
  };
  if (threads <= 1) {
    work();
  } else {
    std::vector<std::jthread> workers;
    for (size_t i = 0; i < threads; ++i) workers.emplace_back(work);
  }
  return results;
}

}  // namespace bulwark::regocli
