// The functions of pkg/wildcard, pkg/mutation and pkg/expansion.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "calls.h"
#include "features/admission/expansion.h"
#include "features/admission/match.h"
#include "features/admission/mutation.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

Verdict CompareBool(const Value& want, bool got) {
  if (want.IsTrue() == got) return {};
  return fmt::format("expected {}, found {}", want.IsTrue(), got);
}

Verdict First(std::initializer_list<Verdict> verdicts) {
  for (const Verdict& verdict : verdicts) {
    if (!verdict.empty()) return verdict;
  }
  return {};
}

// A Namespace as Go marshals it, or null.
std::optional<NamespaceView> NamespaceOf(const Value& value) {
  if (!value.IsMap()) return std::nullopt;
  return NamespaceView{value["metadata"].StringAt("name"), value["metadata"]["labels"]};
}

std::string_view Text(const Value& value) { return value.IsString() ? value.AsString() : ""; }

Gvk GvkOf(const Value& value) {
  return {std::string(value.StringAt("Group")), std::string(value.StringAt("Version")),
          std::string(value.StringAt("Kind"))};
}

MutatorId IdOf(const Value& value) {
  return {std::string(value.StringAt("Group")), std::string(value.StringAt("Kind")),
          std::string(value.StringAt("Namespace")), std::string(value.StringAt("Name"))};
}

// --- Matching ------------------------------------------------------------------------------------

Verdict MatchMatches(const Call& call) {
  Arena& arena = CallArena();
  Result<Match> match = Match::Read(call.Arg(0));
  if (!match) return "the match could not be read: " + match.error().message();
  std::optional<NamespaceView> ns = NamespaceOf(call.Arg(2));
  ObjectView view;
  if (call.Arg(1).IsMap()) view = ObjectView(*arena.New<Value>(call.Arg(1)));
  Result<bool> got = match->Matches({view, ns ? &*ns : nullptr, Text(call.Arg(3))});
  Verdict error = CompareError(call.ErrorAt(1), MessageOf(got));
  if (!error.empty() || !got) return error;
  return CompareBool(call.results[0], *got);
}

Result<std::vector<ApplyTo>> ReadApply(const Value& value) {
  if (value.IsMap()) return ApplyTo::Read(Value::Array(CallArena(), std::span(&value, 1)));
  return ApplyTo::Read(value);
}

void AddMatching(std::map<std::string, Answer>& to) {
  to["wildcard.matches"] = [](const Call& call) {
    return CompareBool(call.results[0], Wildcard(Text(call.Arg(0))).Matches(Text(call.Arg(1))));
  };
  to["wildcard.generate"] = [](const Call& call) {
    return CompareBool(call.results[0],
                       Wildcard(Text(call.Arg(0))).MatchesGenerateName(Text(call.Arg(1))));
  };
  to["match.matches"] = MatchMatches;
  to["apply.applies"] = [](const Call& call) {
    auto apply = ReadApply(call.Arg(0));
    Gvk gvk = GvkOf(call.Arg(1));
    return CompareBool(call.results[0], AppliesTo(*apply, gvk.group, gvk.version, gvk.kind));
  };
  to["apply.operation"] = [](const Call& call) {
    auto apply = ReadApply(call.Arg(0));
    Gvk gvk = GvkOf(call.Arg(1));
    bool any = std::any_of(apply->begin(), apply->end(), [&](const ApplyTo& entry) {
      return entry.Matches(gvk.group, gvk.version, gvk.kind) &&
             entry.MatchesOperation(Text(call.Arg(2)));
    });
    return CompareBool(call.results[0], any);
  };
  to["apply.validate"] = [](const Call& call) {
    return CompareError(call.ErrorAt(0), MessageOf(ValidateOperations(*ReadApply(call.Arg(0)))));
  };
  to["apply.matches_operation"] = [](const Call& call) {
    return CompareBool(call.results[0],
                       (*ReadApply(call.Arg(0)))[0].MatchesOperation(Text(call.Arg(1))));
  };
  to["apply.effective"] = [](const Call& call) {
    std::vector<Value> got;
    for (const std::string& operation : (*ReadApply(call.Arg(0)))[0].EffectiveOperations()) {
      got.push_back(Value::String(CallArena(), operation));
    }
    return CompareValue("operations",
                        call.results[0].IsNull() ? Value::EmptyArray() : call.results[0],
                        Value::Array(CallArena(), got));
  };
}

// --- Locations -----------------------------------------------------------------------------------

Verdict LocationParse(const Call& call) {
  Result<Location> got = ParseLocation(Text(call.Arg(0)));
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  std::span<const Value> want = call.results[0]["Nodes"].items();
  if (want.size() != got->nodes.size()) return "another number of nodes";
  for (size_t i = 0; i < want.size(); ++i) {
    const LocationNode& node = got->nodes[i];
    bool list = want[i].StringAt("$type") == "*parser.List";
    if (list != node.is_list) return fmt::format("node {} is of the other kind", i);
    if (want[i].StringAt(list ? "KeyField" : "Reference") != node.name) return "another name";
    if (list &&
        (want[i]["Glob"].IsTrue() != node.glob || !(want[i]["KeyValue"] == node.KeyValue()))) {
      return "another key";
    }
  }
  Result<Location> again = ParseLocation(got->ToString());
  if (!again || again->nodes != got->nodes)
    return "printed, it is something else: " + got->ToString();
  return {};
}

Verdict LocationTester(const Call& call) {
  Result<Location> location = ParseLocation(Text(call.Arg(0)));
  if (!location) return location.error().message();
  std::vector<std::pair<Location, PathCondition>> tests;
  for (const Value& test : call.Arg(1).items()) {
    Result<Location> path = ParseLocation(Text(test[0]));
    if (!path) return path.error().message();
    tests.emplace_back(*path, Text(test[1]) == "MustExist" ? PathCondition::kMustExist
                                                           : PathCondition::kMustNotExist);
  }
  Result<PathTester> got = PathTester::Create(*location, tests);
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  for (size_t depth = 0; depth < location->nodes.size(); ++depth) {
    std::string_view want = call.results[0]["tests"].StringAt(std::to_string(depth));
    if (got->ExistsOkay(depth) != (want != "MustNotExist") ||
        got->MissingOkay(depth) != (want != "MustExist")) {
      return fmt::format("at depth {} it is not {}", depth, want);
    }
  }
  return {};
}

// --- Mutators ------------------------------------------------------------------------------------

Value WithKind(const Value& mutator, std::string_view kind) {
  Arena& arena = CallArena();
  Value out = mutator.IsMap() ? mutator : Value::EmptyMap();
  out = WithEntry(out, "kind", Value::String(arena, kind), arena);
  return WithEntry(out, "apiVersion", Value::String("mutations.gatekeeper.sh/v1"), arena);
}

std::string_view KindOfCall(const Call& call) {
  return std::string_view(call.name).substr(call.name.rfind('.') + 1);
}

Verdict MutatorRead(const Call& call) {
  auto got = Mutator::Read(WithKind(call.Arg(0), KindOfCall(call)));
  return CompareError(call.ErrorAt(1), MessageOf(got));
}

struct Target {
  std::optional<NamespaceView> ns;
  Mutable target;
  explicit Target(const Value& value) {
    ns = NamespaceOf(value["Namespace"]);
    target = {value["Object"], ns ? &*ns : nullptr, value.StringAt("Username"),
              value.StringAt("Source"), value.StringAt("Operation")};
  }
};

// Whether a value has what stands for external data in it, as the recorder wrote that down.
bool HasPlaceholder(const Value& value) {
  if (value.StringAt("$type").find("ExternalDataPlaceholder") != std::string_view::npos)
    return true;
  if (value.Find("ValueAtLocation") != nullptr) return true;
  for (const Value& item : value.items()) {
    if (HasPlaceholder(item)) return true;
  }
  for (const auto& [key, entry] : value.entries()) {
    if (HasPlaceholder(entry)) return true;
  }
  return false;
}

Verdict MutatorMutate(const Call& call) {
  Arena& arena = CallArena();
  auto mutator = Mutator::Read(WithKind(call.Arg(0), KindOfCall(call)));
  if (!mutator) return mutator.error().message();
  if (HasPlaceholder(call.after)) return {};  // mutation_test.cc has external data
  Target target(call.Arg(1));
  Result<std::optional<Value>> got = (*mutator)->Mutate(target.target, arena);
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  return First({CompareBool(call.results[0], got->has_value()),
                CompareValue("object", call.after[0], *got ? **got : target.target.object)});
}

Verdict MutatorMatches(const Call& call) {
  auto mutator = Mutator::Read(WithKind(call.Arg(0), KindOfCall(call)));
  if (!mutator) return mutator.error().message();
  Target target(call.Arg(1));
  Result<bool> got = (*mutator)->Matches(target.target);
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  return CompareBool(call.results[0], *got);
}

// core.Mutate: an Assign with that location, those tests and that value does the same.
Verdict MutatorCore(const Call& call) {
  Arena& arena = CallArena();
  if (HasPlaceholder(call.args) || HasPlaceholder(call.after)) return {};
  const Value setter = call.Arg(2);
  const Value* value = setter.Find("value");
  Result<Location> location = ParseLocation(Text(call.Arg(0)));
  if (!location) return location.error().message();
  std::vector<Value> tests;
  for (const auto& [depth, condition] : call.Arg(1)["tests"].entries()) {
    size_t at = std::stoul(std::string(depth.AsString()));
    Location path;
    path.nodes.assign(location->nodes.begin(), location->nodes.begin() + static_cast<long>(at) + 1);
    tests.push_back(MapBuilder(arena)
                        .Add("subPath", Value::String(arena, path.ToString()))
                        .Add("condition", condition)
                        .Finish());
  }
  Arena scratch;
  const std::string gvk = R"([{"groups":["x"],"versions":["x"],"kinds":["x"]}])";
  MapBuilder spec(arena), parameters(arena);
  spec.Add("location", Value::String(arena, location->ToString()));
  spec.Add("applyTo", *ParseJson(gvk, arena));
  std::string_view kind = "Assign";
  bool metadata = !location->nodes.empty() && location->nodes[0].name == "metadata";
  if (setter.Find("tag") != nullptr || setter.Find("domain") != nullptr) {
    kind = "AssignImage";
    for (auto [from, to] : {std::pair("domain", "assignDomain"), std::pair("path", "assignPath"),
                            std::pair("tag", "assignTag")}) {
      if (const Value part = setter[from]; !part.IsNull()) parameters.Add(to, part);
    }
  } else if (setter.Find("op") != nullptr) {
    kind = "ModifySet";
    parameters.Add("operation", setter["op"]);
    parameters.Add("values", MapBuilder(arena).Add("fromList", setter["values"]).Finish());
  } else {
    if (value == nullptr) return {};  // a test's own setter
    parameters.Add("assign", MapBuilder(arena).Add("value", *value).Finish());
    if (metadata) kind = "AssignMetadata";
  }
  parameters.Add("pathTests", Value::Array(arena, tests));
  spec.Add("parameters", parameters.Finish());
  Value object = MapBuilder(arena).Add("spec", spec.Finish()).Finish();
  auto mutator = Mutator::Read(WithKind(object, kind));
  // Some locations no mutator may have.
  if (!mutator) return call.ErrorAt(1) ? "" : "not readable: " + mutator.error().message();
  Result<std::optional<Value>> got = (*mutator)->Mutate({.object = call.Arg(3)}, arena);
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  return First({CompareBool(call.results[0], got->has_value()),
                CompareValue("object", call.after[0], *got ? **got : call.Arg(3))});
}

// The setter of ModifySet alone: a mutator of that one field.
Verdict MutatorSet(const Call& call) {
  Arena& arena = CallArena();
  Location location;
  location.nodes.emplace_back();
  location.nodes[0].name = Text(call.Arg(3));
  Value object =
      MapBuilder(arena)
          .Add("spec",
               MapBuilder(arena)
                   .Add("location", Value::String(arena, location.ToString()))
                   .Add("applyTo",
                        *ParseJson(R"([{"groups":["x"],"versions":["x"],"kinds":["x"]}])", arena))
                   .Add("parameters",
                        MapBuilder(arena)
                            .Add("operation", call.Arg(0))
                            .Add("values", MapBuilder(arena).Add("fromList", call.Arg(1)).Finish())
                            .Finish())
                   .Finish())
          .Finish();
  auto mutator = Mutator::Read(WithKind(object, "ModifySet"));
  if (!mutator) return mutator.error().message();
  Result<std::optional<Value>> got = (*mutator)->Mutate({.object = call.Arg(2)}, arena);
  if (Verdict error = CompareError(call.ErrorAt(0), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  return CompareValue("object", call.after[0], *got ? **got : call.Arg(2));
}

// --- Many of them --------------------------------------------------------------------------------

Verdict SchemaUpsert(const Call& call, MutationSchema& schema) {
  Result<Location> location = ParseLocation(Text(call.Arg(1)));
  if (!location) return location.error().message();
  SchemaEntry entry;
  entry.location = *location;
  for (const Value& binding : call.Arg(2).items()) {
    entry.bindings.push_back({GvkOf(binding["GVK"]), std::string(binding.StringAt("Operation"))});
  }
  std::string_view type = Text(call.Arg(3));
  entry.terminal = type == "Set"      ? TerminalType::kSet
                   : type == "String" ? TerminalType::kString
                                      : TerminalType::kUnknown;
  entry.must_terminate = call.Arg(4).IsTrue();
  MutationSchema::Ids conflicts = schema.Upsert(IdOf(call.Arg(0)), std::move(entry));
  std::optional<std::string> got;
  if (!conflicts.empty()) got = ConflictError(conflicts).message();
  return CompareError(call.ErrorAt(0), got);
}

struct Sessions {
  std::map<std::string, MutationSchema> schemas;
  std::map<std::string, std::unique_ptr<MutationSystem>> systems;
  std::map<std::string, std::unique_ptr<ExpansionSystem>> expansions;

  MutationSystem& System(const std::string& name) {
    auto& slot = systems[name];
    if (slot == nullptr) slot = std::make_unique<MutationSystem>();
    return *slot;
  }
  ExpansionSystem& Expansion(const Call& call, const Value& system) {
    auto& slot = expansions[call.session];
    if (slot == nullptr) {
      slot = std::make_unique<ExpansionSystem>(
          system.IsString() ? &System(std::string(system.AsString())) : nullptr);
    }
    return *slot;
  }
};

Verdict SystemUpsert(const Call& call, Sessions& sessions) {
  const Value recorded = call.Arg(0);
  for (auto [field, kind] :
       {std::pair("assign", "Assign"), std::pair("assignMetadata", "AssignMetadata"),
        std::pair("assignImage", "AssignImage"), std::pair("modifySet", "ModifySet")}) {
    const Value* object = recorded.Find(field);
    if (object == nullptr) continue;
    auto mutator = Mutator::Read(WithKind(*object, kind));
    if (!mutator) return mutator.error().message();
    return CompareError(call.ErrorAt(0),
                        MessageOf(sessions.System(call.session).Upsert(*std::move(mutator))));
  }
  return "a mutator of the test's own";
}

Verdict SystemMutate(const Call& call, Sessions& sessions) {
  Target target(call.Arg(0));
  auto got = sessions.System(call.session).Mutate(target.target, CallArena());
  // Gatekeeper's messages name a number that it rolls.
  auto without_number = [](std::optional<std::string> message) {
    if (!message) return message;
    if (size_t at = message->find("mutation "); at != std::string::npos) {
      size_t begin = at + 9, end = begin + 36;
      if (message->size() > end && (*message)[begin + 8] == '-' && (*message)[end] == ' ') {
        message->erase(begin, 37);
      } else if (message->size() > end + 28 && (*message)[begin + 31] == '-') {
        message->erase(begin + 23, 37);
      }
    }
    return message;
  };
  Verdict error = CompareError(without_number(call.ErrorAt(1)), MessageOf(got));
  if (!error.empty() || !got) return error;
  return First({CompareBool(call.results[0], got->changed),
                CompareValue("object", call.after[0], got->object)});
}

Verdict Expanded(const Call& call, Sessions& sessions) {
  Target target(call.Arg(0));
  auto got = sessions.Expansion(call, call.Arg(1)).Expand(target.target, CallArena());
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  // Gatekeeper takes the templates in any order.
  std::vector<std::string> want, have;
  for (const Value& resultant : call.results[0].items()) {
    want.push_back(fmt::format("{} {} {}", resultant.StringAt("TemplateName"),
                               resultant.StringAt("EnforcementAction"),
                               ToJson(resultant["Obj"], {.sort_keys = true})));
  }
  for (const Resultant& resultant : *got) {
    have.push_back(fmt::format("{} {} {}", resultant.template_name, resultant.enforcement_action,
                               ToJson(resultant.object, {.sort_keys = true})));
  }
  std::sort(want.begin(), want.end());
  std::sort(have.begin(), have.end());
  if (want == have) return {};
  return fmt::format("expected\n{}\nfound\n{}", fmt::join(want, "\n"), fmt::join(have, "\n"));
}

void AddSystems(std::map<std::string, Answer>& to) {
  auto sessions = std::make_shared<Sessions>();
  to["schema.upsert"] = [=](const Call& call) {
    return SchemaUpsert(call, sessions->schemas[call.session]);
  };
  to["schema.remove"] = [=](const Call& call) {
    sessions->schemas[call.session].Remove(IdOf(call.Arg(0)));
    return Verdict();
  };
  to["schema.conflicts"] = [=](const Call& call) {
    return CompareBool(call.results[0],
                       sessions->schemas[call.session].HasConflicts(IdOf(call.Arg(0))));
  };
  to["system.upsert"] = [=](const Call& call) { return SystemUpsert(call, *sessions); };
  to["system.remove"] = [=](const Call& call) {
    sessions->System(call.session).Remove(IdOf(call.Arg(0)));
    return Verdict();
  };
  to["system.mutate"] = [=](const Call& call) { return SystemMutate(call, *sessions); };
  to["expansion.upsert"] = [=](const Call& call) {
    auto expansion = ExpansionTemplate::Read(call.Arg(0));
    if (!expansion) return expansion.error().message();
    return CompareError(
        call.ErrorAt(0),
        MessageOf(sessions->Expansion(call, call.Arg(1)).Upsert(*std::move(expansion))));
  };
  to["expansion.remove"] = [=](const Call& call) {
    sessions->Expansion(call, Value()).Remove(std::string(Text(call.Arg(0))));
    return Verdict();
  };
  to["expansion.expand"] = [=](const Call& call) { return Expanded(call, *sessions); };
  to["expansion.conflicts"] = [=](const Call& call) {
    std::vector<std::string> want;
    for (const auto& [name, yes] : call.results[0].entries()) want.emplace_back(name.AsString());
    std::sort(want.begin(), want.end());
    std::vector<std::string> got = sessions->Expansion(call, Value()).Conflicts();
    return got == want ? Verdict() : Verdict("other conflicts");
  };
  to["expansion.validate"] = [](const Call& call) {
    auto expansion = ExpansionTemplate::Read(call.Arg(0));
    if (!expansion) return expansion.error().message();
    return CompareError(call.ErrorAt(0), MessageOf(expansion->Validate()));
  };
  // A template alone, without what makes it valid.
  to["expansion.resource"] = [](const Call& call) {
    auto expansion = ExpansionTemplate::Read(call.Arg(2));
    if (!expansion) return expansion.error().message();
    std::optional<NamespaceView> ns = NamespaceOf(call.Arg(1));
    Result<Value> got = ExpandResource(call.Arg(0), ns ? &*ns : nullptr, *expansion, CallArena());
    if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
      return error;
    }
    return CompareValue("resultant", call.results[0], *got);
  };
}

}  // namespace

void AddMutationAnswers(std::map<std::string, Answer>& to) {
  AddMatching(to);
  to["location.parse"] = LocationParse;
  to["location.tester"] = LocationTester;
  for (std::string kind : {"Assign", "AssignMetadata", "AssignImage", "ModifySet"}) {
    to["mutator.read." + kind] = MutatorRead;
    to["mutator.mutate." + kind] = MutatorMutate;
    to["mutator.matches." + kind] = MutatorMatches;
  }
  to["mutator.core"] = MutatorCore;
  to["mutator.set"] = MutatorSet;
  to["image.mutate"] = [](const Call& call) {
    std::string got =
        MutateImage(Text(call.Arg(0)), Text(call.Arg(1)), Text(call.Arg(2)), Text(call.Arg(3)));
    return CompareValue("image", call.results[0], Value::String(got));
  };
  to["image.validate"] = [](const Call& call) {
    return CompareError(
        call.ErrorAt(0),
        MessageOf(ValidateImageParts(Text(call.Arg(0)), Text(call.Arg(1)), Text(call.Arg(2)))));
  };
  AddSystems(to);
}

}  // namespace bulwark::admission
