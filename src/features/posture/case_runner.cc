#include "features/posture/case_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "features/posture/fix.h"
#include "features/posture/inspection.h"
#include "formats/json.h"

namespace bulwark::posture {

namespace {

// What a case is inspected as: one object, or several.
std::vector<Value> ObjectsOf(const Value& c, Arena& arena) {
  if (const Value* pod = c.Find("pod")) {
    MapBuilder object(arena);
    object.Add("apiVersion", Value::String("v1"));
    object.Add("kind", Value::String("Pod"));
    MapBuilder meta(arena);
    meta.Add("name", Value::String("case"));
    // A pod's annotations and labels, where a check reads them.
    for (const auto& [key, value] : c["metadata"].entries()) meta.Add(key, value);
    object.Add("metadata", meta.Finish());
    object.Add("spec", *pod);
    return {object.Finish()};
  }
  if (const Value* object = c.Find("object")) return {*object};
  auto items = c["objects"].items();
  return {items.begin(), items.end()};
}

class Runner {
 public:
  Runner(const CheckSet& checks, size_t index) : checks_(checks), index_(index) {}

  void Run(CaseResults& results) {
    const Check& check = checks_.checks()[index_];
    bool fails = false, passes = false, fixes = false;
    for (const Value& c : check.cases.items()) {
      std::string name = fmt::format("{}: {}", check.info.id, c.StringAt("name", "(no name)"));
      std::string problem = RunCase(check, c);
      fails |= c["fails"].size() > 0;
      passes |= c["fails"].IsArray() && c["fails"].empty();
      fixes |= c.Find("fixed") != nullptr;
      if (problem.empty()) {
        ++results.passed;
      } else {
        results.failures.push_back(fmt::format("{}: {}", name, problem));
      }
    }
    auto missing = [&](bool there, std::string_view what) {
      if (!there) results.failures.push_back(fmt::format("{}: no case {}", check.info.id, what));
    };
    missing(fails, "that fails");
    missing(passes, "that passes");
    if (check.info.has_fix) missing(fixes, "of its fix");
  }

 private:
  std::string RunCase(const Check& check, const Value& c) {
    Arena arena;
    std::vector<Value> objects = ObjectsOf(c, arena);
    if (objects.empty()) return "it has neither pod, object nor objects";
    if (!c["fails"].IsArray() && !c["error"].IsTrue()) return "fails must be a list";

    InspectOptions options;
    options.threads = 1;
    options.whole_cluster = true;
    if (const Value* version = c.Find("kubernetes")) {
      std::string text = version->IsString() ? std::string(version->AsString()) : ToJson(*version);
      auto minor = kube::ParseMinorVersion(text);
      if (!minor || !version->IsString()) return "kubernetes must be a quoted version";
      options.check.kubernetes_minor = *minor;
    }
    auto set = OnlyThis(check, c["params"]);
    if (!set) return set.error().ToString();
    for (const Error& error : set->CompileAll()) return error.ToString();

    Inspection inspection(*set, options);
    for (const Value& object : objects) inspection.AddText(ToJson(object), "case");
    Report report = inspection.Finish();
    if (!report.unread.empty()) return "could not be read: " + report.unread.front().error;

    std::multiset<std::string> got, want;
    std::string errors;
    for (const Finding& f : report.findings) {
      if (f.status == Status::kError) {
        errors += (errors.empty() ? "" : "; ") + f.evidence.path + ": " +
                  MessageOf(check.info, f, Language::kEnglish);
        continue;
      }
      got.insert(objects.size() == 1 || !c["objects"].IsArray()
                     ? f.evidence.path
                     : fmt::format("{}/{}: {}", f.asset.kind, f.asset.name, f.evidence.path));
    }
    if (c["error"].IsTrue()) return errors.empty() ? "expected an error, there was none" : "";
    if (!errors.empty()) return errors;
    for (const Value& path : c["fails"].items()) {
      if (!path.IsString()) return "fails must be a list of strings";
      want.insert(std::string(path.AsString()));
    }
    // With one object in `objects`, both ways of writing are taken.
    if (got != want && objects.size() == 1) {
      std::multiset<std::string> named;
      for (const Finding& f : report.findings) {
        named.insert(fmt::format("{}/{}: {}", f.asset.kind, f.asset.name, f.evidence.path));
      }
      if (named == want) got = named;
    }
    if (got != want) {
      return fmt::format("expected failures at [{}], got [{}]", fmt::join(want, ", "),
                         fmt::join(got, ", "));
    }
    if (const Value* fixed = c.Find("fixed"))
      return RunFix(*set, options, c, objects, *fixed, arena);
    return {};
  }

  static std::string RunFix(const CheckSet& set, const InspectOptions& options, const Value& c,
                            const std::vector<Value>& objects, const Value& fixed, Arena& arena) {
    if (objects.size() != 1) return "fixed needs a pod or one object";
    Checker checker(set, options.check);
    PlannedFix plan = PlanFix(set, checker, 0, objects[0], arena);
    if (plan.edits.empty()) return "the fix changes nothing, or does not help";
    Value got = c.Find("pod") != nullptr ? plan.fixed["spec"] : plan.fixed;
    if (got != fixed) {
      return fmt::format("expected after the fix {}, got {}", ToJson(fixed), ToJson(got));
    }
    return {};
  }

  Result<CheckSet> OnlyThis(const Check& check, const Value& params) {
    CheckSet set = checks_.Only(check.info.id);
    if (params.IsMap()) {
      Arena arena;
      Value by_check = MapBuilder(arena).Add(check.info.id, params).Finish();
      BW_TRY(set.SetParams(by_check));
    }
    return set;
  }

  const CheckSet& checks_;
  size_t index_;
};

}  // namespace

CaseResults RunCases(const CheckSet& checks) {
  CaseResults results;
  for (size_t i = 0; i < checks.checks().size(); ++i) Runner(checks, i).Run(results);
  return results;
}

}  // namespace bulwark::posture
