// The functions of pkg/gator and cmd/gator.

#include <fmt/format.h>

#include <algorithm>

#include "calls.h"
#include "features/admission/gate_run.h"
#include "features/admission/suite.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

// A recorded fstest.MapFS.
class RecordedFiles final : public FileTree {
 public:
  explicit RecordedFiles(const Value& files) : files_(files) {}

  Kind KindOf(const std::string& path) const override {
    if (files_.Find(path) != nullptr) return Kind::kFile;
    if (path == ".") return Kind::kFolder;
    for (const auto& [name, file] : files_.entries()) {
      if (name.AsString().starts_with(path + "/")) return Kind::kFolder;
    }
    return Kind::kMissing;
  }
  Error Missing(const std::string& path) const override {
    return Error(Code::kNotFound, fmt::format("open {}: file does not exist", path));
  }
  Result<std::string> Read(const std::string& path) const override {
    const Value* file = files_.Find(path);
    if (file == nullptr) return Missing(path);
    return std::string((*file).StringAt("Data"));
  }
  Result<std::vector<Entry>> List(const std::string& path) const override {
    std::string prefix = path == "." ? "" : path + "/";
    std::map<std::string, bool> found;
    for (const auto& [name, file] : files_.entries()) {
      if (!name.AsString().starts_with(prefix)) continue;
      std::string rest(name.AsString().substr(prefix.size()));
      size_t slash = rest.find('/');
      found[rest.substr(0, slash)] = slash != std::string::npos;
    }
    std::vector<Entry> out;
    for (const auto& [name, folder] : found) out.push_back({name, folder});
    return out;
  }

 private:
  const Value files_;
};

SuiteTest TestOf(const Value& from) {
  SuiteTest out;
  out.name = from.StringAt("name");
  out.template_path = from.StringAt("template");
  out.constraint = from.StringAt("constraint");
  out.expansion = from.StringAt("expansion");
  out.invalid = from["invalid"].IsTrue();
  out.skip = from["skip"].IsTrue();
  for (const Value& c : from["cases"].items()) {
    SuiteCase& made = out.cases.emplace_back();
    made.name = c.StringAt("name");
    made.object = c.StringAt("object");
    made.skip = c["skip"].IsTrue();
    for (const Value& path : c["inventory"].items()) made.inventory.emplace_back(path.AsString());
    for (const Value& assertion : c["assertions"].items()) {
      Assertion& a = made.assertions.emplace_back();
      if (const Value v = assertion["violations"]; v.IsNumber()) {
        a.count = v.ToInt();
      } else if (v.IsString()) {
        a.word = v.AsString();
      } else if (v.IsMap()) {
        a.word = "?";  // a type that there is not
      }
      if (const Value message = assertion["message"]; message.IsString()) {
        a.message = message.AsString();
      }
    }
  }
  return out;
}

Result<SuiteFilter> FilterOf(const Value& recorded) {
  if (recorded.Find("regex") != nullptr) return SuiteFilter::Parse(recorded.StringAt("regex"));
  if (recorded.Find("testRegex") != nullptr || recorded.Find("caseRegex") != nullptr) {
    return SuiteFilter::Parse(
        fmt::format("{}//{}", recorded.StringAt("testRegex"), recorded.StringAt("caseRegex")));
  }
  return SuiteFilter::Parse("");
}

std::string ErrorText(const Value& holder) {
  const Value* error = holder["Error"].Find("error");
  return error != nullptr && error->IsString() ? std::string(error->AsString()) : "";
}

// One line a result: what it is called, whether it ran, why it failed.
std::vector<std::string> Lines(const Value& result) {
  std::vector<std::string> out;
  auto line = [&](std::string_view what, const Value& of) {
    out.push_back(fmt::format("{} {} {} {} {}", what, of.StringAt("Name"), of["Skipped"].IsTrue(),
                              ErrorText(of), of.StringAt("Print")));
  };
  line("suite", result);
  for (const Value& test : result["TestResults"].items()) {
    line("test", test);
    for (const Value& c : test["CaseResults"].items()) line("case", c);
  }
  return out;
}

std::vector<std::string> Lines(const SuiteResult& result) {
  std::vector<std::string> out;
  auto line = [&](std::string_view what, std::string_view name, bool skipped,
                  const std::optional<Error>& error, std::string_view prints) {
    out.push_back(
        fmt::format("{} {} {} {} {}", what, name, skipped, error ? error->message() : "", prints));
  };
  line("suite", "", result.skipped, result.error, "");
  for (const TestResult& test : result.tests) {
    line("test", test.name, test.skipped, test.error, "");
    for (const CaseResult& c : test.cases) line("case", c.name, c.skipped, c.error, c.prints);
  }
  return out;
}

Verdict VerifyRun(const Call& call) {
  RecordedFiles files(call.Arg(0));
  Result<SuiteFilter> filter = FilterOf(call.Arg(1));
  if (!filter) return filter.error().message();
  Suite suite;
  const Value recorded = call.Arg(2);
  suite.path = recorded.StringAt("AbsolutePath");
  suite.input_path = recorded.StringAt("InputPath");
  suite.skip = recorded["skip"].IsTrue();
  for (const Value& test : recorded["tests"].items()) suite.tests.push_back(TestOf(test));
  SuiteResult got = RunSuite(files, suite, *filter, {.trace = call.Arg(3).IsTrue()});
  // Most of the tests make clients that keep no prints.
  const Value tests = call.results[0]["TestResults"];
  for (size_t i = 0; i < got.tests.size(); ++i) {
    for (size_t j = 0; j < got.tests[i].cases.size(); ++j) {
      if (tests[i]["CaseResults"][j].StringAt("Print").empty())
        got.tests[i].cases[j].prints.clear();
    }
  }
  std::vector<std::string> want = Lines(call.results[0]), have = Lines(got);
  if (want == have) return {};
  return fmt::format("expected\n{}\nfound\n{}", fmt::join(want, "\n"), fmt::join(have, "\n"));
}

Verdict VerifySuites(const Call& call) {
  if (call.Arg(0).IsNull()) return {};  // no file system at all
  RecordedFiles files(call.Arg(0));
  auto got = ReadSuites(files, std::string(call.Arg(1).AsString()),
                        std::string(call.Arg(2).AsString()), call.Arg(3).IsTrue());
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  std::span<const Value> want = call.results[0].items();
  if (want.size() != got->size()) return fmt::format("{} suites", got->size());
  for (size_t i = 0; i < want.size(); ++i) {
    const Suite& suite = (*got)[i];
    if (want[i].StringAt("AbsolutePath") != suite.path ||
        want[i].StringAt("InputPath") != suite.input_path ||
        want[i]["skip"].IsTrue() != suite.skip || want[i]["tests"].size() != suite.tests.size()) {
      return "another suite: " + suite.path + " " + suite.input_path;
    }
    for (size_t j = 0; j < suite.tests.size(); ++j) {
      SuiteTest expected = TestOf(want[i]["tests"][j]);
      const SuiteTest& test = suite.tests[j];
      if (expected.name != test.name || expected.template_path != test.template_path ||
          expected.constraint != test.constraint || expected.expansion != test.expansion ||
          expected.invalid != test.invalid || expected.skip != test.skip ||
          expected.cases.size() != test.cases.size()) {
        return "another test: " + test.name;
      }
      for (size_t k = 0; k < test.cases.size(); ++k) {
        const SuiteCase &a = expected.cases[k], &b = test.cases[k];
        if (a.name != b.name || a.object != b.object || a.inventory != b.inventory ||
            a.skip != b.skip || a.assertions.size() != b.assertions.size()) {
          return "another case: " + b.name;
        }
        for (size_t n = 0; n < a.assertions.size(); ++n) {
          if (a.assertions[n].count != b.assertions[n].count ||
              (!a.assertions[n].count && a.assertions[n].word != b.assertions[n].word) ||
              a.assertions[n].message != b.assertions[n].message) {
            return "another assertion in " + b.name;
          }
        }
      }
    }
  }
  return {};
}

Verdict VerifyAssertion(const Call& call) {
  Assertion assertion;
  if (const Value v = call.Arg(0); v.IsNumber()) {
    assertion.count = v.ToInt();
  } else if (v.IsString()) {
    assertion.word = v.AsString();
  }
  if (call.Arg(1).IsString()) assertion.message = call.Arg(1).AsString();
  std::vector<std::string> messages;
  for (const Value& result : call.Arg(2).items()) messages.emplace_back(result.StringAt("msg"));
  return CompareError(call.ErrorAt(0), MessageOf(assertion.Check(messages)));
}

std::optional<Error> RecordedError(const Value& holder) {
  std::string text = ErrorText(holder);
  if (holder.Find("Error") == nullptr || holder["Error"].IsNull()) return std::nullopt;
  return Error(Code::kInvalid, text);
}

Verdict VerifyPrint(const Call& call) {
  std::vector<SuiteResult> results;
  for (const Value& from : call.Arg(0).items()) {
    SuiteResult& suite = results.emplace_back();
    suite.path = from.StringAt("Path");
    suite.error = RecordedError(from);
    suite.time = std::chrono::nanoseconds(from["Runtime"].ToInt().value_or(0));
    for (const Value& t : from["TestResults"].items()) {
      TestResult& test = suite.tests.emplace_back();
      test.name = t.StringAt("Name");
      test.skipped = t["Skipped"].IsTrue();
      test.error = RecordedError(t);
      test.time = std::chrono::nanoseconds(t["Runtime"].ToInt().value_or(0));
      for (const Value& c : t["CaseResults"].items()) {
        CaseResult& result = test.cases.emplace_back();
        result.name = c.StringAt("Name");
        result.skipped = c["Skipped"].IsTrue();
        result.error = RecordedError(c);
        result.time = std::chrono::nanoseconds(c["Runtime"].ToInt().value_or(0));
        if (c["Trace"].IsString()) result.trace = c["Trace"].AsString();
        result.prints = c.StringAt("Print");
      }
    }
  }
  std::string got = FormatSuiteResults(results, call.Arg(1).IsTrue());
  return CompareValue("output", call.after[0], Value::String(got));
}

// --- gator test ----------------------------------------------------------------------------------

std::string ResultLine(std::string_view message, std::string_view action, const Value& constraint,
                       const Value& object) {
  return fmt::format("{} {} {} {}", message, action, ToJson(constraint, {.sort_keys = true}),
                     ToJson(object, {.sort_keys = true}));
}

Verdict GatorTest(const Call& call) {
  std::span<const Value> objects = call.Arg(0).items();
  std::string prints;
  auto got = RunGateTest(objects, {.threads = 2, .prints = nullptr});
  if (Verdict error = CompareError(call.ErrorAt(1), MessageOf(got)); !error.empty() || !got) {
    return error;
  }
  std::vector<std::string> want, have;
  for (const Value& result :
       call.results[0]["ByTarget"]["admission.k8s.gatekeeper.sh"]["Results"].items()) {
    want.push_back(ResultLine(result.StringAt("msg"), result.StringAt("enforcementAction"),
                              result["constraint"], result["violatingObject"]));
  }
  for (const GateResult& result : got->results) {
    have.push_back(ResultLine(result.message, result.enforcement_action, result.constraint->object,
                              result.violating_object));
  }
  std::sort(want.begin(), want.end());
  std::sort(have.begin(), have.end());
  if (want == have) return {};
  return fmt::format("expected\n{}\nfound\n{}", fmt::join(want, "\n"), fmt::join(have, "\n"));
}

Verdict GatorFormat(const Call& call) {
  GateReport report;
  std::vector<std::unique_ptr<Constraint>> constraints;
  bool trace = false;
  for (const Value& from : call.Arg(1).items()) {
    auto& constraint = constraints.emplace_back(std::make_unique<Constraint>());
    constraint->object = from["constraint"];
    GateResult& result = report.results.emplace_back();
    result.constraint = constraint.get();
    result.violating_object = from["violatingObject"];
    result.message = from.StringAt("msg");
    result.enforcement_action = from.StringAt("enforcementAction");
    if (from["trace"].IsString()) {
      report.trace = from["trace"].AsString();
      trace = true;
    }
  }
  std::string got =
      FormatGateReport(report, {.output = std::string(call.Arg(0).AsString()), .trace = trace});
  // The recorded target is made up.
  for (size_t at; (at = got.find("admission.k8s.gatekeeper.sh")) != std::string::npos;) {
    got.replace(at, 27, "foo");
  }
  return CompareValue("output", call.results[0], Value::String(got));
}

}  // namespace

void AddGatorAnswers(std::map<std::string, Answer>& to) {
  to["verify.run"] = VerifyRun;
  to["verify.suites"] = VerifySuites;
  to["verify.assertion"] = VerifyAssertion;
  to["verify.print"] = VerifyPrint;
  to["gator.test"] = GatorTest;
  to["gator.format"] = GatorFormat;
  to["filter.new"] = [](const Call& call) {
    return CompareError(call.ErrorAt(1), MessageOf(SuiteFilter::Parse(call.Arg(0).AsString())));
  };
  to["filter.test"] = [](const Call& call) -> Verdict {
    Result<SuiteFilter> filter = FilterOf(call.Arg(0));
    if (!filter) return filter.error().message();
    bool got = filter->MatchesTest(TestOf(call.Arg(1)));
    return got == call.results[0].IsTrue() ? "" : "another answer";
  };
  to["filter.case"] = [](const Call& call) -> Verdict {
    Result<SuiteFilter> filter = FilterOf(call.Arg(0));
    if (!filter) return filter.error().message();
    bool got = filter->MatchesCase(call.Arg(1).AsString(), call.Arg(2).AsString());
    return got == call.results[0].IsTrue() ? "" : "another answer";
  };
}

}  // namespace bulwark::admission
