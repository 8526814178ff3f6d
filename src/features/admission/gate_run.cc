#include "features/admission/gate_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "features/admission/go_output.h"
#include "features/admission/go_text.h"
#include "features/admission/print_host.h"

namespace bulwark::admission {

namespace {

const NamespaceView kNoName{"", Value()};
const NamespaceView kDefault{"default", Value()};

Error Wrap(std::string_view what, const Error& error) {
  return Error(error.code(), error.id(), fmt::format("{}: {}", what, error.message()));
}

std::string GvkText(const ObjectView& view) {
  return Gvk{std::string(view.group), std::string(view.version), std::string(view.kind)}.ToString();
}

std::string Place(const ObjectView& view) {
  return fmt::format("{} {}/{}", GvkText(view), view.ns, view.name);
}

}  // namespace

// --- Expander ------------------------------------------------------------------------------------

Result<std::unique_ptr<Expander>> Expander::Create(std::span<const Value> objects) {
  std::unique_ptr<Expander> out(new Expander());
  std::vector<std::shared_ptr<const Mutator>> mutators;
  std::vector<ExpansionTemplate> expansions;
  for (const Value& object : objects) {
    ObjectView view(object);
    if (Mutator::Is(view)) {
      auto mutator = Mutator::Read(object);
      if (!mutator) return Wrap("error parsing resources", mutator.error());
      mutators.push_back(*std::move(mutator));
    } else if (ExpansionTemplate::Is(view)) {
      auto expansion = ExpansionTemplate::Read(object);
      if (!expansion) return Wrap("error parsing resources", expansion.error());
      expansions.push_back(*std::move(expansion));
    } else if (view.IsNamespace()) {
      out->namespaces_.insert_or_assign(std::string(view.name),
                                        NamespaceView{view.name, view.labels});
    }
  }
  for (ExpansionTemplate& expansion : expansions) {
    std::string name = expansion.name;
    Result<> added = out->expansion_.Upsert(std::move(expansion));
    if (!added) return Wrap(fmt::format("error upserting template {}", name), added.error());
  }
  for (std::shared_ptr<const Mutator>& mutator : mutators) {
    Result<> added = out->mutators_.Upsert(std::move(mutator));
    if (!added) return Wrap("error upserting mutator", added.error());
  }
  return out;
}

const NamespaceView* Expander::NamespaceOf(const ObjectView& object) const {
  if (object.ns.empty()) return &kNoName;
  auto found = namespaces_.find(object.ns);
  if (found != namespaces_.end()) return &found->second;
  return object.ns == "default" ? &kDefault : nullptr;
}

Result<Expander::Expanded> Expander::Expand(const Value& object, const NamespaceView* ns,
                                            Arena& arena) const {
  Mutable base{object, ns, "", kSourceOriginal, ""};
  auto mutated = mutators_.Mutate(base, arena);
  if (!mutated) {
    return Wrap(fmt::format("error mutating base resource {}", ObjectView(object).name),
                mutated.error());
  }
  base.object = mutated->object;
  auto resultants = expansion_.Expand(base, arena);
  if (!resultants) {
    return Wrap(fmt::format("error expanding resource {}", ObjectView(object).name),
                resultants.error());
  }
  return Expanded{base.object, *std::move(resultants)};
}

// --- The test ------------------------------------------------------------------------------------

namespace {

// What one object's review left behind.
struct ObjectOutcome {
  std::vector<GateResult> results;
  std::vector<GateTime> times;
  std::string trace;
  std::optional<Error> error;
};

class Reviewer {
 public:
  Reviewer(const Client& client, const Expander& expander, const GateTestOptions& options,
           rego::Host* host, Arena& kept)
      : client_(client), expander_(expander), options_(options), host_(host), kept_(kept) {}

  void Run(const Value& object, ObjectOutcome& out) {
    // What one object took is given back before the next, unless it was little.
    scratch_.Reset();
    Result<> done = Objects(object, out);
    if (!done) out.error = std::move(done).error();
  }

 private:
  Result<> Objects(const Value& object, ObjectOutcome& out) {
    ObjectView view(object);
    const NamespaceView* ns = expander_.NamespaceOf(view);
    Result<> reviewed = One(object, ns, kSourceOriginal, nullptr, out);
    if (!reviewed) {
      return Wrap(fmt::format("reviewing {}", Place(view)), reviewed.error());
    }
    Value shown = object;
    if (!expander_.trivial()) {
      auto expanded = expander_.Expand(object, ns, scratch_);
      if (!expanded) return Wrap(fmt::format("expanding resource {}", view.name), expanded.error());
      if (!(expanded->base == object)) shown = expanded->base.CopyTo(kept_);
      for (const Resultant& resultant : expanded->resultants) {
        reviewed = One(resultant.object, ns, kSourceGenerated, &resultant, out);
        if (!reviewed) {
          return Wrap(
              fmt::format("reviewing expanded resource {}", Place(ObjectView(resultant.object))),
              reviewed.error());
        }
      }
    }
    for (GateResult& result : out.results) result.violating_object = shown;
    return Ok{};
  }

  Result<> One(const Value& object, const NamespaceView* ns, std::string_view source,
               const Resultant* resultant, ObjectOutcome& out) {
    auto review = Review::OfObject(object, ns, source, "", scratch_);
    if (!review) {
      return Error(review.error().code(), review.error().id(),
                   fmt::format("{}: target.HandleReview failed for target {}: {}\n", kTarget,
                               GoQuote(kTarget), review.error().message()));
    }
    ReviewOptions options;
    options.times = options_.stats;
    options.context.host = host_;
    if (options_.trace) options.context.trace = &out.trace;
    Response response = BW_TRY(client_.Judge(*review, options, scratch_));
    for (const Violation& violation : response.violations) {
      GateResult result;
      result.constraint = violation.constraint;
      result.message =
          resultant == nullptr
              ? kept_.Copy(violation.message)
              : kept_.Copy(ImpliedMessage(resultant->template_name, violation.message));
      result.has_details = violation.has_details;
      result.details = violation.details.CopyTo(kept_);
      // Both last: the expansion's templates and the constraint stay with the report.
      result.enforcement_action = resultant == nullptr || resultant->enforcement_action.empty()
                                      ? std::string_view(violation.constraint->action)
                                      : resultant->enforcement_action;
      result.scoped_actions = &violation.constraint->scoped;
      out.results.push_back(result);
    }
    for (const TimeSpent& spent : response.times) {
      out.times.push_back(
          {spent, resultant == nullptr ? "" : std::string(resultant->template_name)});
    }
    return Ok{};
  }

  const Client& client_;
  const Expander& expander_;
  const GateTestOptions& options_;
  rego::Host* host_;
  Arena& kept_;
  Arena scratch_{1 << 16};
};

}  // namespace

Result<GateReport> RunGateTest(std::span<const Value> objects, const GateTestOptions& options) {
  GateReport report;
  ClientOptions setup;
  setup.cel = options.cel;
  setup.policies.fail_by_default = options.fail_by_default;
  setup.policies.print = options.prints != nullptr;
  setup.policies.trace = options.trace;
  report.client = std::make_unique<Client>(setup);
  Client& client = *report.client;
  for (const Value& object : objects) {
    ObjectView view(object);
    if (!ConstraintTemplate::Is(view)) continue;
    if (Result<> decoded = DecodeTemplate(object); !decoded) {
      return Wrap(fmt::format("converting unstructured {} to template: adding template",
                              GoQuote(view.name)),
                  decoded.error());
    }
    if (Result<> added = client.AddTemplate(object); !added) {
      return Wrap(fmt::format("adding template {}", GoQuote(view.name)), added.error());
    }
  }
  for (const Value& object : objects) {
    ObjectView view(object);
    if (!Constraint::Is(view)) continue;
    if (Result<> added = client.AddConstraint(object); !added) {
      return Wrap(fmt::format("adding constraint {}", GoQuote(view.name)), added.error());
    }
  }
  for (const Value& object : objects) {
    if (Result<> added = client.AddData(object); !added) {
      return Wrap(fmt::format("adding data of GVK {}", GoQuote(GvkText(ObjectView(object)))),
                  added.error());
    }
  }
  client.Freeze();
  auto expander = Expander::Create(objects);
  if (!expander) return Wrap("error creating expander", expander.error());
  report.expander = *std::move(expander);

  // Each worker takes the next few objects; the outcomes are put together in their order.
  size_t threads =
      options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  if (options.prints != nullptr || options.trace) threads = 1;
  constexpr size_t kChunk = 16;
  threads = std::clamp<size_t>(threads, 1, objects.size() / kChunk + 1);
  std::vector<ObjectOutcome> outcomes(objects.size());
  std::atomic<size_t> next = 0, failed = SIZE_MAX;
  for (size_t i = 0; i < threads; ++i) report.arenas.push_back(std::make_unique<Arena>());
  auto work = [&](size_t worker) {
    std::unique_ptr<PrintHost> host;
    if (options.prints != nullptr) host = std::make_unique<PrintHost>(*options.prints);
    Reviewer reviewer(client, *report.expander, options, host.get(), *report.arenas[worker]);
    for (;;) {
      size_t begin = next.fetch_add(kChunk);
      // Past the first error nothing counts.
      if (begin >= objects.size() || begin > failed.load()) return;
      for (size_t i = begin; i < std::min(begin + kChunk, objects.size()); ++i) {
        reviewer.Run(objects[i], outcomes[i]);
        if (!outcomes[i].error) continue;
        size_t known = failed.load();
        while (i < known && !failed.compare_exchange_weak(known, i)) {
        }
        break;
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (size_t i = 1; i < threads; ++i) workers.emplace_back(work, i);
    work(0);
  }
  for (ObjectOutcome& outcome : outcomes) {
    if (outcome.error) return *std::move(outcome.error);
    std::move(outcome.results.begin(), outcome.results.end(), std::back_inserter(report.results));
    std::move(outcome.times.begin(), outcome.times.end(), std::back_inserter(report.times));
    if (!outcome.trace.empty()) report.trace += "\n\n" + outcome.trace;
    outcome = {};
  }
  std::stable_sort(report.results.begin(), report.results.end(),
                   [](const GateResult& a, const GateResult& b) {
                     return std::tie(a.enforcement_action, a.message) <
                            std::tie(b.enforcement_action, b.message);
                   });
  return report;
}

bool Denies(const GateResult& result) {
  return result.enforcement_action == "deny" ||
         (result.scoped_actions != nullptr &&
          std::find(result.scoped_actions->begin(), result.scoped_actions->end(), "deny") !=
              result.scoped_actions->end());
}

// --- Printing ------------------------------------------------------------------------------------

namespace {

GoNode Text(std::string_view text) { return GoNode(Value::String(text)); }

GoNode JsonResult(const GateResult& result, const std::string* trace) {
  GoNode out = GoNode::Struct();
  out.Add("target", Text(kTarget));
  if (!result.message.empty()) out.Add("msg", Text(result.message));
  if (result.has_details) {
    out.Add("metadata", GoNode::Struct().Add("details", GoNode(result.details)));
  }
  out.Add("constraint", GoNode(result.constraint->object));
  if (!result.enforcement_action.empty()) {
    out.Add("enforcementAction", Text(result.enforcement_action));
  }
  if (result.scoped_actions != nullptr && !result.scoped_actions->empty()) {
    GoNode list = GoNode::List();
    for (const std::string& action : *result.scoped_actions) list.Append(Text(action));
    out.Add("scopedActions", std::move(list));
  }
  out.Add("violatingObject", GoNode(result.violating_object));
  out.Add("trace", trace == nullptr ? GoNode(Value()) : Text(*trace));
  return out;
}

GoNode YamlResult(const GateResult& result, const std::string* trace) {
  GoNode inner = GoNode::Struct();
  inner.Add("target", Text(kTarget));
  inner.Add("msg", Text(result.message));
  GoNode metadata = GoNode::Struct();
  if (result.has_details) metadata.Add("details", GoNode(result.details, true));
  inner.Add("metadata", std::move(metadata));
  inner.Add("constraint", GoNode::Struct().Add("object", GoNode(result.constraint->object)));
  inner.Add("enforcementaction", Text(result.enforcement_action));
  GoNode list = GoNode::List();
  if (result.scoped_actions != nullptr) {
    for (const std::string& action : *result.scoped_actions) list.Append(Text(action));
  }
  inner.Add("scopedenforcementactions", std::move(list));
  GoNode out = GoNode::Struct();
  out.Add("result", std::move(inner));
  out.Add("violatingObject", GoNode(result.violating_object, true));
  out.Add("trace", trace == nullptr ? GoNode(Value()) : Text(*trace));
  return out;
}

GoNode Stats(const GateReport& report, bool trace, bool yaml) {
  GoNode out = GoNode::List();
  for (const GateTime& time : report.times) {
    const TimeSpent& spent = time.spent;
    bool rego = spent.engine == kRegoEngine;
    auto stat = [&](std::string_view name, int64_t value) {
      GoNode source = GoNode::Struct();
      source.Add("type", Text("engine")).Add("value", Text(spent.engine));
      GoNode node = GoNode::Struct();
      node.Add("name", Text(name)).Add("value", GoNode(Value::Int(value), yaml));
      node.Add("source", std::move(source));
      return node;
    };
    auto label = [&](std::string_view name, Value value) {
      GoNode node = GoNode::Struct();
      node.Add("name", Text(name)).Add("value", GoNode(value));
      return node;
    };
    GoNode stats = GoNode::List(), labels = GoNode::List();
    GoNode entry = GoNode::Struct();
    entry.Add("scope", Text(rego ? "template" : "constraint"));
    std::string_view stats_for = yaml ? "statsfor" : "statsFor";
    if (rego) {
      entry.Add(stats_for, Text(spent.kind));
      stats.Append(stat("templateRunTimeNS", spent.nanoseconds));
      stats.Append(stat("constraintCount", static_cast<int64_t>(spent.constraints)));
      labels.Append(label("TracingEnabled", Value::Bool(trace)));
      labels.Append(label("PrintEnabled", Value::Bool(false)));
    } else {
      entry.Add(stats_for, Text(spent.name));
      stats.Append(stat("runTimeNS", spent.nanoseconds));
    }
    labels.Append(label("target", Value::String(kTarget)));
    if (!time.implied_by.empty()) {
      labels.Append(label("Implied by", Value::String(time.implied_by)));
    }
    entry.Add("stats", std::move(stats)).Add("labels", std::move(labels));
    out.Append(std::move(entry));
  }
  return out;
}

void AppendHuman(std::string& out, const GateResult& result, const std::string* trace) {
  ObjectView object(result.violating_object);
  ObjectView constraint(result.constraint->object);
  out += fmt::format("{}/{} {}{}{}: [{}] Message: {}\n", object.api_version, object.kind, object.ns,
                     object.ns.empty() ? "" : "/", object.name, GoQuote(constraint.name),
                     GoQuote(result.message));
  if (trace != nullptr) out += fmt::format("Trace: {}", *trace);
}

}  // namespace

void PrintGateReport(const GateReport& report, const GateFormat& format,
                     const std::function<void(std::string_view)>& out) {
  const std::string* trace = format.trace ? &report.trace : nullptr;
  std::string output = AsciiLower(format.output);
  if (output == "default") return;
  bool json = output == "json", yaml = output == "yaml";
  bool stats = format.stats && (json || yaml);
  std::string buffer;
  auto flush = [&](size_t at_least) {
    if (buffer.size() < at_least) return;
    out(buffer);
    buffer.clear();
  };
  if (stats) buffer = json ? "{\n    \"results\": " : "results:";
  size_t printed = 0;
  for (const GateResult& result : report.results) {
    if (format.deny_only && !Denies(result)) continue;
    bool first = printed++ == 0;
    if (json) {
      buffer += first ? "[" : ",";
      buffer += stats ? "\n        " : "\n    ";
      AppendGoJson(buffer, JsonResult(result, trace), stats ? 2 : 1);
    } else if (yaml) {
      if (first && stats) buffer += '\n';
      AppendGoYamlItem(buffer, YamlResult(result, trace), stats ? 4 : 0);
    } else {
      AppendHuman(buffer, result, trace);
    }
    flush(size_t{1} << 16);
  }
  // A nil slice is null in JSON, and [] once YAML's way through JSON was taken.
  if (json) buffer += printed == 0 ? "null" : stats ? "\n    ]" : "\n]";
  if (yaml && printed == 0) buffer += stats ? " []\n" : "[]\n";
  if (stats && json) {
    buffer += ",\n    \"stats\": ";
    AppendGoJson(buffer, Stats(report, format.trace, false), 1);
    buffer += "\n}";
  } else if (stats) {
    buffer += ToGoYaml(GoNode::Struct().Add("stats", Stats(report, format.trace, true)));
  }
  flush(1);
}

std::string FormatGateReport(const GateReport& report, const GateFormat& format) {
  std::string out;
  PrintGateReport(report, format, [&](std::string_view text) { out += text; });
  return out;
}

}  // namespace bulwark::admission
