// The functions of pkg/target, pkg/drivers and of the constraint framework's client and drivers.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "calls.h"
#include "features/admission/client.h"
#include "features/admission/mutator.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

Verdict CompareBool(const Value& want, bool got) {
  if (want.IsTrue() == got) return {};
  return fmt::format("expected {}, found {}", want.IsTrue(), got);
}

// --- The target ----------------------------------------------------------------------------------

NamespaceView* NamespaceOf(const Value& value) {
  if (!value.IsMap()) return nullptr;
  static auto* const kept = new std::vector<std::unique_ptr<NamespaceView>>();
  kept->push_back(std::make_unique<NamespaceView>(
      NamespaceView{value["metadata"].StringAt("name"), value["metadata"]["labels"]}));
  return kept->back().get();
}

// What a call was given to review, in any of the forms that Gatekeeper takes.
Result<Review> ReviewOf(const Value& given) {
  Arena& arena = CallArena();
  if (const Value* request = given.Find("AdmissionRequest")) {
    return Review::OfRequest(*request, NamespaceOf(given["Namespace"]), given.StringAt("Source"),
                             arena);
  }
  if (const Value* object = given.Find("Object"); object != nullptr && given.Find("Source")) {
    return Review::OfObject(*object, NamespaceOf(given["Namespace"]), given.StringAt("Source"),
                            given.StringAt("Operation"), arena);
  }
  if (given.Find("apiVersion") != nullptr || given.StringAt("kind") != "") {
    return Review::OfObject(given, nullptr, "", "", arena);
  }
  return Review::OfRequest(given, nullptr, "", arena);
}

// A gkReview as it was written down: the request's fields, the namespace's object under its name
// or, where the request names one too, under _namespace.
Result<Review> ReviewFromRecord(const Value& record) {
  Arena& arena = CallArena();
  Value ns = record["_namespace"], request = record;
  if (record["namespace"].IsMap()) {
    ns = record["namespace"];
    request = WithoutEntry(request, "namespace", arena);
  }
  for (std::string_view field : {"isAdmission", "source", "_namespace", "$type"}) {
    request = WithoutEntry(request, field, arena);
  }
  return Review::OfRequest(request, NamespaceOf(ns), record.StringAt("source"), arena);
}

Verdict TargetReview(const Call& call) {
  if (!call.results[0].IsTrue() && !call.ErrorAt(2)) return {};  // not an object at all
  Result<Review> got = ReviewOf(call.Arg(0));
  if (Verdict error = CompareError(call.ErrorAt(2), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  Arena& arena = CallArena();
  Result<Review> want = ReviewFromRecord(call.results[1]);
  if (!want) return want.error().message();
  return CompareValue("request", Pruned(want->request, arena), Pruned(got->request, arena));
}

Verdict TargetData(const Call& call) {
  const Value object = call.Arg(0);
  if (!call.results[0].IsTrue() || !object.IsMap() || object.Find("metadata") == nullptr) return {};
  Inventory inventory;
  Result<> added = inventory.Add(object);
  if (added.has_value() == call.ErrorAt(3).has_value()) return "another answer";
  if (!added) {
    return CompareError("admission.k8s.gatekeeper.sh: " + *call.ErrorAt(3) + "\n",
                        MessageOf(added));
  }
  Value at = inventory.ToData(CallArena())["inventory"];
  for (const Value& part : call.results[1].items()) {
    const Value* next = at.Find(part.AsString());
    if (next == nullptr) return "not under " + ToJson(call.results[1]);
    at = *next;
  }
  return CompareValue("object", call.results[2], at);
}

Verdict TargetMatch(const Call& call) {
  // The question to one constraint, whose policy has nothing against anybody.
  Result<Review> review = ReviewFromRecord(call.Arg(2));
  if (!review) return review.error().message();
  Constraint constraint;
  if (call.Arg(0).IsMap()) {
    Result<Match> match = Match::Read(call.Arg(0));
    if (!match) return match.error().message();
    constraint.match = *match;
    constraint.has_match = true;
  }
  const NamespaceView* ns = review->ns_object;
  if (ns == nullptr && !review->ns.empty()) {
    ns = NamespaceOf(call.Arg(1)["cache"][fmt::format("cluster/v1/Namespace/{}", review->ns)]);
  }
  Result<bool> got = MatchesReview(constraint, *review, ns);
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  return CompareBool(call.results[0], *got);
}

// --- Templates and constraints -------------------------------------------------------------------

Verdict CrdConstraint(const Call& call) {
  ConstraintTemplate of;
  of.kind = call.Arg(1).AsString();
  auto schema = ConstraintSchema::Create(call.Arg(2), false);
  if (!schema) return schema.error().message();
  of.schema = *schema;
  return CompareError(call.ErrorAt(0),
                      MessageOf(Constraint::Read(call.Arg(0), of, "x", CallArena())));
}

// A template without its version, as a versioned one: what it says on its schema is complete.
Value AsTemplate(const Value& versionless) {
  Arena& arena = CallArena();
  Value out = versionless.IsMap() ? versionless : Value::EmptyMap();
  out = WithEntry(out, "apiVersion", Value::String("templates.gatekeeper.sh/v1"), arena);
  return WithEntry(out, "kind", Value::String("ConstraintTemplate"), arena);
}

Verdict CrdTargets(const Call& call) {
  // Part of reading: only that there is one target is asked here.
  const Value targets = call.Arg(0)["spec"]["targets"];
  bool fine = targets.IsArray() && targets.size() == 1;
  return call.ErrorAt(0).has_value() == fine ? "another answer" : "";
}

Verdict ConstraintActions(const Call& call) {
  const Value points = call.Arg(1);
  for (const Value& point : points.items()) {
    Result<std::vector<std::string>> got = ScopedActions(call.Arg(0), point.AsString());
    Verdict error = CompareError(call.ErrorAt(1), MessageOf(got));
    if (!error.empty() || !got) return error;
    std::vector<std::string> want;
    for (const Value& action : call.results[0][point.AsString()].items()) {
      want.emplace_back(action.AsString());
    }
    std::sort(want.begin(), want.end());
    if (want != *got)
      return fmt::format("expected {}, found {}", fmt::join(want, ","), fmt::join(*got, ","));
  }
  return {};
}

Verdict TemplateOperation(const Call& call) {
  ConstraintTemplate of;
  const Value targets = call.Arg(0)["spec"]["targets"];
  if (targets.size() == 1) {
    for (const Value& operation : targets[0]["operations"].items()) {
      of.operations.emplace_back(operation.AsString());
    }
  }
  return CompareBool(call.results[0], of.MatchesOperation(call.Arg(1).AsString()));
}

// --- Engines -------------------------------------------------------------------------------------

struct Engine {
  std::map<std::string, std::unique_ptr<const Policy>> policies;  // by kind
  std::map<std::string, Value> parameters;                        // by kind/name
  // data.inventory as the driver was told, whatever stands in it.
  Value inventory = Value::EmptyMap();
};
struct Engines {
  std::map<std::string, Engine> by_session;
  std::map<std::string, std::unique_ptr<Client>> clients;
};

// The tree with `value` at a path.
Value Put(const Value& tree, std::span<const Value> path, const Value& value) {
  if (path.empty()) return value;
  Value map = tree.IsMap() ? tree : Value::EmptyMap();
  std::string_view key = path[0].AsString();
  return WithEntry(map, key, Put(map[key], path.subspan(1), value), CallArena());
}

ConstraintTemplate Definition(const Value& of) {
  ConstraintTemplate out;
  out.name = of["metadata"].StringAt("name");
  out.kind = of["spec"]["crd"]["spec"]["names"].StringAt("kind");
  const Value targets = of["spec"]["targets"];
  if (targets.size() > 0) {
    for (const Value& code : targets[0]["code"].items()) {
      out.code.push_back({std::string(code.StringAt("engine")), code["source"]});
    }
  }
  return out;
}

Verdict EngineTemplate(const Call& call, Engine& engine, bool rego) {
  ConstraintTemplate of = Definition(call.Arg(0));
  auto policy = rego ? CompileRego(of, {.print = true}) : CompileCel(of, {});
  Verdict verdict = CompareError(call.ErrorAt(0), MessageOf(policy));
  if (policy) engine.policies[of.kind] = *std::move(policy);
  return verdict;
}

std::string Line(const Value& constraint, std::string_view message, const Value& metadata) {
  return fmt::format("{}/{} {} {}", constraint.StringAt("kind"),
                     constraint["metadata"].StringAt("name"), message,
                     ToJson(metadata, {.sort_keys = true}));
}

Verdict CompareLines(std::vector<std::string> want, std::vector<std::string> got) {
  std::sort(want.begin(), want.end());
  std::sort(got.begin(), got.end());
  if (want == got) return {};
  return fmt::format("expected\n{}\nfound\n{}", fmt::join(want, "\n"), fmt::join(got, "\n"));
}

Verdict EngineQuery(const Call& call, Engine& engine, bool rego) {
  Arena& arena = CallArena();
  const Value list = call.Arg(rego ? 1 : 0), given = call.Arg(rego ? 2 : 1);
  Review review;
  if (rego) {
    // The driver takes whatever there is for a review.
    review.request = given.IsMap() ? WithEntry(given, "namespaceObject", Value::EmptyMap(), arena)
                                   : Value::EmptyMap();
  } else {
    Result<Review> made = Review::OfRequest(given["request"], nullptr, "Original", arena);
    if (!made) return made.error().message();
    review = *made;
  }
  const Value data = MapBuilder(arena).Add("inventory", engine.inventory).Finish();
  JudgeContext context;
  context.data = &data;
  std::vector<std::string> got;
  std::optional<std::string> error;
  // One question a kind, as the drivers ask.
  std::map<std::string, std::vector<std::unique_ptr<Constraint>>> by_kind;
  for (const Value& object : list.items()) {
    auto made = std::make_unique<Constraint>();
    made->object = object;
    made->kind = object.StringAt("kind");
    made->name = object["metadata"].StringAt("name");
    auto parameters = engine.parameters.find(made->kind + "/" + made->name);
    if (rego && parameters == engine.parameters.end()) continue;  // the driver does not know it
    if (rego) made->parameters = parameters->second;
    by_kind[made->kind].push_back(std::move(made));
  }
  for (const auto& [kind, constraints] : by_kind) {
    auto policy = engine.policies.find(kind);
    if (policy == engine.policies.end()) {
      error = fmt::format("missing Template \"{}\" for target {}", kind, ToJson(call.Arg(0)));
      continue;
    }
    std::vector<const Constraint*> pointers;
    for (const auto& constraint : constraints) pointers.push_back(constraint.get());
    std::vector<Finding> findings;
    Result<> judged = policy->second->Judge(review, pointers, context, arena, findings);
    if (!judged) error = judged.error().message();
    for (const Finding& finding : findings) {
      Value metadata = finding.has_details
                           ? MapBuilder(arena).Add("details", finding.details).Finish()
                           : Value();
      got.push_back(Line(finding.constraint->object, finding.message, Pruned(metadata, arena)));
    }
  }
  if (Verdict verdict = CompareError(call.ErrorAt(1), error); !verdict.empty() || error) {
    return verdict;
  }
  std::vector<std::string> want;
  for (const Value& result : call.results[0]["Results"].items()) {
    want.push_back(
        Line(result["constraint"], result.StringAt("msg"), Pruned(result["metadata"], arena)));
  }
  return CompareLines(want, got);
}

// --- The client ----------------------------------------------------------------------------------

Client& ClientOf(const Call& call, Engines& engines) {
  auto& slot = engines.clients[call.session];
  if (slot == nullptr) slot = std::make_unique<Client>(ClientOptions{});
  return *slot;
}

Verdict ClientReview(const Call& call, Engines& engines) {
  Arena& arena = CallArena();
  Client& client = ClientOf(call, engines);
  client.Freeze();
  Result<Review> review = ReviewOf(call.Arg(1));
  std::optional<std::string> error;
  Response response;
  if (!review) {
    error = fmt::format(
        "admission.k8s.gatekeeper.sh: target.HandleReview failed for target "
        "\"admission.k8s.gatekeeper.sh\": {}\n",
        review.error().message());
  } else {
    auto judged = client.Judge(*review, {}, arena);
    if (judged) {
      response = *std::move(judged);
    } else {
      error = judged.error().message();
    }
  }
  if (Verdict verdict = CompareError(call.ErrorAt(1), error); !verdict.empty() || error) {
    return verdict;
  }
  std::vector<std::string> want, got;
  for (const Value& result :
       call.results[0]["ByTarget"]["admission.k8s.gatekeeper.sh"]["Results"].items()) {
    want.push_back(fmt::format(
        "{} {} {}",
        Line(result["constraint"], result.StringAt("msg"), Pruned(result["metadata"], arena)),
        result.StringAt("enforcementAction"), ToJson(result["scopedActions"])));
  }
  for (const Violation& violation : response.violations) {
    Value metadata =
        violation.has_details
            ? Pruned(MapBuilder(arena).Add("details", violation.details).Finish(), arena)
            : Value();
    std::vector<Value> scoped;
    for (const std::string& action : violation.scoped_actions) {
      scoped.push_back(Value::String(action));
    }
    got.push_back(fmt::format("{} {} {}",
                              Line(violation.constraint->object, violation.message, metadata),
                              violation.enforcement_action,
                              ToJson(scoped.empty() ? Value() : Value::Array(arena, scoped))));
  }
  return CompareLines(want, got);
}

}  // namespace

void AddPolicyAnswers(std::map<std::string, Answer>& to) {
  to["target.validate"] = [](const Call& call) {
    return CompareError(call.ErrorAt(0), MessageOf(ValidateSelectors(call.Arg(0))));
  };
  to["target.matcher"] = [](const Call& call) {
    Result<Match> match = Match::Read(call.Arg(0)["spec"]["match"]);
    std::optional<std::string> got = MessageOf(match);
    if (got) got = "unable to create matcher: " + *got;
    return CompareError(call.ErrorAt(1), got);
  };
  to["target.review"] = TargetReview;
  to["target.data"] = TargetData;
  to["target.match"] = TargetMatch;
  to["crd.constraint"] = CrdConstraint;
  to["crd.validate"] = [](const Call& call) {
    if (Result<> names = ValidateKind(call.Arg(0).AsString()); !names) {
      return CompareError(call.ErrorAt(0), MessageOf(names));
    }
    return CompareError(call.ErrorAt(0), MessageOf(ConstraintSchema::Create(call.Arg(1), false)));
  };
  to["crd.targets"] = CrdTargets;
  to["constraint.actions"] = ConstraintActions;
  to["template.operation"] = TemplateOperation;
  to["cel.source"] = [](const Call& call) {
    ConstraintTemplate of;
    of.code.push_back({std::string(kCelEngine), call.Arg(0)});
    return CompareError(call.ErrorAt(0), MessageOf(CompileCel(of, {})));
  };

  auto engines = std::make_shared<Engines>();
  to["cel.template"] = [=](const Call& call) {
    return EngineTemplate(call, engines->by_session[call.session], false);
  };
  to["cel.query"] = [=](const Call& call) {
    return EngineQuery(call, engines->by_session[call.session], false);
  };
  to["rego.template"] = [=](const Call& call) {
    return EngineTemplate(call, engines->by_session[call.session], true);
  };
  to["rego.query"] = [=](const Call& call) {
    return EngineQuery(call, engines->by_session[call.session], true);
  };
  to["rego.constraint"] = [=](const Call& call) {
    const Value constraint = call.Arg(0);
    Value parameters = constraint["spec"]["parameters"];
    if (parameters.IsNull()) parameters = Value::EmptyMap();
    if (!call.ErrorAt(0)) {
      engines->by_session[call.session].parameters[fmt::format(
          "{}/{}", constraint.StringAt("kind"), constraint["metadata"].StringAt("name"))] =
          parameters;
    }
    return Verdict();
  };
  to["rego.data"] = [=](const Call& call) {
    if (!call.ErrorAt(0)) {
      Value& inventory = engines->by_session[call.session].inventory;
      inventory = Put(inventory, call.Arg(1).items(), call.Arg(2));
    }
    return Verdict();
  };

  to["client.template"] = [=](const Call& call) {
    return CompareError(call.ErrorAt(1),
                        MessageOf(ClientOf(call, *engines).AddTemplate(AsTemplate(call.Arg(1)))));
  };
  to["client.constraint"] = [=](const Call& call) {
    return CompareError(call.ErrorAt(1),
                        MessageOf(ClientOf(call, *engines).AddConstraint(call.Arg(1))));
  };
  to["client.data"] = [=](const Call& call) {
    return CompareError(call.ErrorAt(1), MessageOf(ClientOf(call, *engines).AddData(call.Arg(1))));
  };
  to["client.review"] = [=](const Call& call) { return ClientReview(call, *engines); };
}

}  // namespace bulwark::admission
