#include "features/admission/suite.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "features/admission/gate_run.h"
#include "features/admission/go_text.h"
#include "features/admission/print_host.h"
#include "formats/source_map.h"
#include "formats/yaml.h"

namespace bulwark::admission {

namespace {

Error Make(std::string_view id, std::string message) {
  return Error(Code::kInvalid, std::string(id), std::move(message));
}
Error Wrap(std::string_view what, const Error& error) {
  return Error(error.code(), error.id(), fmt::format("{}: {}", what, error.message()));
}

// "a/./b/../c" → "a/c", as Go's path.Join cleans it; never above the root.
std::string JoinPath(std::string_view folder, std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::string_view whole : {folder, path}) {
    for (std::string_view part : Split(whole, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == ".." && !parts.empty() && parts.back() != "..") {
        parts.pop_back();
      } else {
        parts.push_back(part);
      }
    }
  }
  return Join(parts, "/");
}

std::string_view FolderOf(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : path.substr(0, slash);
}

bool IsYaml(std::string_view name) {
  size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  return name.substr(dot) == ".yaml" || name.substr(dot) == ".yml";
}

// Reads a suite's fields; where YAML 1.1 has a bool (yes, no, on, off), gator has the text.
class SuiteReader {
 public:
  SuiteReader(std::string_view text, const SourceMap& positions)
      : text_(text), positions_(positions) {}

  Result<Suite> Read(const Value& root) {
    Suite out;
    out.skip = BW_TRY(Flag(root, "skip", "Suite.skip"));
    for (const Value& test : BW_TRY(List(root, "tests", "Suite.tests", "[]verify.Test"))) {
      if (!test.IsMap()) return Wrong(test, "Suite.tests", "verify.Test");
      out.tests.push_back(BW_TRY(ReadTest(test)));
    }
    return out;
  }

 private:
  static Error Wrong(const Value& found, std::string_view field, std::string_view type) {
    return Make("gate.suite.yaml",
                fmt::format("invalid yaml: json: cannot unmarshal {} into Go struct field {} of "
                            "type {}",
                            GoJsonType(found), field, type));
  }

  // The text of a value that is one, or that only YAML 1.1 takes for something else.
  std::optional<std::string> TextOf(const Value* slot) const {
    if (slot->IsString()) return std::string(slot->AsString());
    if (!slot->IsBool()) return std::nullopt;
    std::optional<Position> at = positions_.Of(slot);
    if (!at || at->end > text_.size()) return std::nullopt;
    std::string_view source = text_.substr(at->offset, at->end - at->offset);
    if (EqualsIgnoringCase(source, "true") || EqualsIgnoringCase(source, "false")) {
      return std::nullopt;
    }
    return std::string(source);
  }

  Result<std::string> Text(const Value& map, std::string_view name, std::string_view field) const {
    const Value* slot = map.Find(name);
    if (slot == nullptr || slot->IsNull()) return std::string();
    std::optional<std::string> text = TextOf(slot);
    if (!text) return Wrong(*slot, field, "string");
    return *text;
  }

  Result<bool> Flag(const Value& map, std::string_view name, std::string_view field) const {
    const Value* slot = map.Find(name);
    if (slot == nullptr || slot->IsNull()) return false;
    if (!slot->IsBool() || TextOf(slot)) return Wrong(*slot, field, "bool");
    return slot->AsBool();
  }

  static Result<std::span<const Value>> List(const Value& map, std::string_view name,
                                             std::string_view field, std::string_view type) {
    const Value* slot = map.Find(name);
    if (slot == nullptr || slot->IsNull()) return std::span<const Value>();
    if (!slot->IsArray()) return Wrong(*slot, field, type);
    return slot->items();
  }

  Result<SuiteTest> ReadTest(const Value& test) const {
    SuiteTest out;
    out.name = BW_TRY(Text(test, "name", "Test.tests.name"));
    out.template_path = BW_TRY(Text(test, "template", "Test.tests.template"));
    out.constraint = BW_TRY(Text(test, "constraint", "Test.tests.constraint"));
    out.expansion = BW_TRY(Text(test, "expansion", "Test.tests.expansion"));
    out.invalid = BW_TRY(Flag(test, "invalid", "Test.tests.invalid"));
    out.skip = BW_TRY(Flag(test, "skip", "Test.tests.skip"));
    for (const Value& c : BW_TRY(List(test, "cases", "Test.tests.cases", "[]*verify.Case"))) {
      if (!c.IsMap()) return Wrong(c, "Test.tests.cases", "verify.Case");
      out.cases.push_back(BW_TRY(ReadCase(c)));
    }
    return out;
  }

  Result<SuiteCase> ReadCase(const Value& from) const {
    SuiteCase out;
    out.name = BW_TRY(Text(from, "name", "Case.tests.cases.name"));
    out.object = BW_TRY(Text(from, "object", "Case.tests.cases.object"));
    out.skip = BW_TRY(Flag(from, "skip", "Case.tests.cases.skip"));
    for (const Value& path :
         BW_TRY(List(from, "inventory", "Case.tests.cases.inventory", "[]string"))) {
      std::optional<std::string> text = TextOf(&path);
      if (!text) return Wrong(path, "Case.tests.cases.inventory", "string");
      out.inventory.push_back(*text);
    }
    for (const Value& assertion :
         BW_TRY(List(from, "assertions", "Case.tests.cases.assertions", "[]verify.Assertion"))) {
      if (!assertion.IsMap()) {
        return Wrong(assertion, "Case.tests.cases.assertions", "verify.Assertion");
      }
      Assertion made;
      if (const Value* slot = assertion.Find("violations"); slot && !slot->IsNull()) {
        if (slot->IsNumber()) {
          made.count = slot->ToInt();
          if (!made.count || *made.count > INT32_MAX || *made.count < INT32_MIN) {
            return Wrong(*slot, "Assertion.tests.cases.assertions.violations", "int32");
          }
        } else if (std::optional<std::string> text = TextOf(slot)) {
          made.word = *text;
        } else {
          return Wrong(*slot, "Assertion.tests.cases.assertions.violations", "int32");
        }
      }
      if (const Value* slot = assertion.Find("message"); slot && !slot->IsNull()) {
        made.message = TextOf(slot);
        if (!made.message) {
          return Wrong(*slot, "Assertion.tests.cases.assertions.message", "string");
        }
      }
      out.assertions.push_back(std::move(made));
    }
    return out;
  }

  std::string_view text_;
  const SourceMap& positions_;
};

// What yaml.v3 would say: "yaml: line 3: …".
std::string YamlMessage(const Error& error) {
  std::string line;
  for (const Error::Arg& arg : error.args()) {
    if (arg.name == "line") line = arg.value;
  }
  // Our own messages begin with line and column.
  std::string_view what = error.message();
  if (what.starts_with("line ")) {
    if (auto parts = Cut(what, ": ")) what = parts->second;
  }
  return line.empty() ? fmt::format("yaml: {}", what)
                      : fmt::format("yaml: line {}: {}", line, what);
}

constexpr YamlOptions kYaml{.duplicate_keys = false};

}  // namespace

Result<std::optional<Suite>> ReadSuite(std::string_view text) {
  Arena arena;
  SourceMap positions;
  // Only the first document counts.
  std::string_view first = text;
  YamlDocuments documents(text);
  while (documents.More()) {
    Result<YamlDocument> document = documents.Next();
    if (!document) break;
    first = document->text;
    if (!Trim(first).empty()) break;
  }
  Result<Value> root = ParseYaml(first, arena, kYaml, &positions);
  if (!root) return Make("gate.suite.yaml", YamlMessage(root.error()));
  ObjectView view(*root);
  if (view.group != "test.gatekeeper.sh" || view.kind != "Suite") return std::optional<Suite>();
  return std::optional<Suite>(BW_TRY(SuiteReader(first, positions).Read(*root)));
}

namespace {

Result<> Walk(const FileTree& files, const std::string& folder, bool recursive,
              std::vector<std::string>& out) {
  for (const FileTree::Entry& entry : BW_TRY(files.List(folder))) {
    std::string path = folder.empty() || folder == "." ? entry.name : folder + "/" + entry.name;
    if (entry.is_folder) {
      if (recursive) BW_TRY(Walk(files, path, true, out));
    } else if (IsYaml(entry.name)) {
      out.push_back(std::move(path));
    }
  }
  return Ok{};
}

}  // namespace

Result<std::vector<Suite>> ReadSuites(const FileTree& files, const std::string& target,
                                      const std::string& original, bool recursive) {
  if (target.empty()) return Make("gate.suite.target", "target not specified");
  std::vector<std::string> paths;
  switch (files.KindOf(target)) {
    case FileTree::Kind::kMissing: return files.Missing(target);
    case FileTree::Kind::kFile:
      if (recursive) {
        return Make("gate.suite.target",
                    fmt::format("can only recursively traverse directories, not a directory: {}",
                                GoQuote(target)));
      }
      if (!IsYaml(target)) {
        size_t dot = target.rfind('.');
        return Make("gate.suite.target",
                    fmt::format("unsupported extension: {}",
                                GoQuote(dot == std::string::npos ? "" : target.substr(dot))));
      }
      paths.push_back(target);
      break;
    case FileTree::Kind::kFolder: BW_TRY(Walk(files, target, recursive, paths)); break;
  }
  std::string_view cut = original;
  if (cut.starts_with('/')) cut.remove_prefix(1);
  if (cut.starts_with("./")) cut.remove_prefix(2);
  while (cut.starts_with("../")) cut.remove_prefix(3);
  std::vector<Suite> out;
  for (const std::string& path : paths) {
    auto text = files.Read(path);
    if (!text) return Wrap(fmt::format("reading file {}", GoQuote(path)), text.error());
    Result<std::optional<Suite>> suite = ReadSuite(*text);
    if (!suite) {
      if (suite.error().message().starts_with("invalid yaml")) return std::move(suite).error();
      return Wrap(fmt::format("invalid yaml: parsing yaml file {}", GoQuote(path)), suite.error());
    }
    if (!*suite) continue;
    size_t at = path.find(cut);
    if (at == std::string::npos) {
      return Make("gate.suite.target", fmt::format("could not find {} in {}", cut, path));
    }
    (*suite)->path = path;
    (*suite)->input_path = original + path.substr(at + cut.size());
    out.push_back(**std::move(suite));
  }
  std::sort(out.begin(), out.end(), [](const Suite& a, const Suite& b) { return a.path < b.path; });
  return out;
}

// --- Filter --------------------------------------------------------------------------------------

SuiteFilter::SuiteFilter() = default;
SuiteFilter::SuiteFilter(SuiteFilter&&) noexcept = default;
SuiteFilter::~SuiteFilter() = default;

Result<SuiteFilter> SuiteFilter::Parse(std::string_view text) {
  SuiteFilter out;
  if (text.empty()) return out;
  auto compile = [](std::string_view pattern) -> Result<std::unique_ptr<re2::RE2>> {
    auto regex = std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet);
    if (!regex->ok()) {
      return Make("gate.suite.filter",
                  fmt::format("invalid test filter: {}", GoRegexError(*regex)));
    }
    return regex;
  };
  std::vector<std::string_view> parts = Split(text, "//");
  if (parts.size() == 1) {
    out.either_ = BW_TRY(compile(parts[0]));
  } else if (parts.size() == 2) {
    out.test_ = BW_TRY(compile(parts[0]));
    out.case_ = BW_TRY(compile(parts[1]));
  } else {
    return Make("gate.suite.filter",
                "invalid test filter: a filter may include at most one \"//\"");
  }
  return out;
}

bool SuiteFilter::MatchesTest(const SuiteTest& test) const {
  if (test_ != nullptr) return RE2::PartialMatch(test.name, *test_);
  if (either_ == nullptr || RE2::PartialMatch(test.name, *either_)) return true;
  return std::any_of(test.cases.begin(), test.cases.end(),
                     [&](const SuiteCase& c) { return RE2::PartialMatch(c.name, *either_); });
}

bool SuiteFilter::MatchesCase(std::string_view test, std::string_view name) const {
  if (test_ != nullptr) return RE2::PartialMatch(name, *case_) && RE2::PartialMatch(test, *test_);
  return either_ == nullptr || RE2::PartialMatch(name, *either_) ||
         RE2::PartialMatch(test, *either_);
}

// --- Assertions ----------------------------------------------------------------------------------

Result<> Assertion::Check(const std::vector<std::string>& messages) const {
  std::optional<re2::RE2> regex;
  int64_t matching = static_cast<int64_t>(messages.size());
  // Where there is nothing to match, the expression is not looked at.
  if (message && !messages.empty()) {
    regex.emplace(*message, re2::RE2::Quiet);
    if (!regex->ok()) {
      return Make("gate.suite.regex", fmt::format("message contains invalid regular expression: {}",
                                                  GoRegexError(*regex)));
    }
    matching = std::count_if(messages.begin(), messages.end(), [&](const std::string& text) {
      return RE2::PartialMatch(text, *regex);
    });
  }
  std::string got = fmt::format("got messages [{}]", fmt::join(messages, " "));
  std::string containing = message ? fmt::format(" containing {}", GoQuote(*message)) : "";
  auto wrong = [&](std::string_view want) {
    return Make("gate.suite.violations",
                fmt::format("unexpected number of violations: got {} violations{} but want {}: {}",
                            matching, containing, want, got));
  };
  constexpr std::string_view kBad =
      "invalid yaml: assertion.violation, if set, must be a nonnegative integer, \"yes\", or "
      "\"no\"";
  if (count) {
    if (*count < 0) return Make("gate.suite.yaml", fmt::format("{}: {}", kBad, got));
    if (*count != matching) return wrong(fmt::format("exactly {}", *count));
  } else if (word == "yes") {
    if (matching == 0) return wrong("at least 1");
  } else if (word == "no") {
    if (matching > 0) return wrong("none");
  } else {
    return Make("gate.suite.yaml", fmt::format("{}: {}", kBad, got));
  }
  return Ok{};
}

// --- Running -------------------------------------------------------------------------------------

Result<std::vector<Value>> ReadSuiteObjects(std::string_view text, Arena& arena) {
  std::vector<Value> out;
  for (std::string_view part : Split(text, "\n---")) {
    std::string clean;
    for (std::string_view line : Split(part, '\n')) {
      std::string_view trimmed = Trim(line);
      if (trimmed.empty() || trimmed[0] == '#') continue;
      clean += line;
      clean += '\n';
    }
    if (clean.empty() || Trim(clean) == "---") continue;
    YamlOptions options = kYaml;
    Result<Value> value = ParseYaml(clean, arena, options);
    if (!value)
      return Make("gate.suite.yaml", fmt::format("invalid yaml: {}", YamlMessage(value.error())));
    if (!value->IsMap()) {
      return Make("gate.suite.yaml",
                  fmt::format("invalid yaml: yaml: unmarshal errors:\n  cannot unmarshal {} into "
                              "map[string]interface {{}}",
                              GoJsonType(*value)));
    }
    out.push_back(*value);
  }
  return out;
}

bool TestResult::failed() const {
  return error.has_value() || std::any_of(cases.begin(), cases.end(),
                                          [](const CaseResult& c) { return c.error.has_value(); });
}
bool SuiteResult::failed() const {
  return error.has_value() ||
         std::any_of(tests.begin(), tests.end(), [](const TestResult& t) { return t.failed(); });
}

namespace {

using Clock = std::chrono::steady_clock;

// One test: its template and constraint are read and compiled once, for all of its cases.
class TestRun {
 public:
  TestRun(const FileTree& files, std::string_view folder, const SuiteTest& test,
          const SuiteFilter& filter, const VerifyOptions& options)
      : files_(files), folder_(folder), test_(test), filter_(filter), options_(options) {
    ClientOptions setup;
    setup.cel = options.cel;
    setup.policies.fail_by_default = options.fail_by_default;
    setup.policies.print = true;
    setup.policies.trace = options.trace;
    client_ = std::make_unique<Client>(setup);
  }

  void Run(TestResult& out) {
    Result<> ready = SetUp();
    if (test_.invalid) {
      if (!ready && ready.error().id() == "gate.constraint.schema") return;
      out.error = Make("gate.suite.invalid",
                       fmt::format("constraint should have failed schema validation: got error {} "
                                   "but want schema validation failed",
                                   ready ? "%!w(<nil>)" : ready.error().message()));
      return;
    }
    if (!ready) {
      out.error = std::move(ready).error();
      return;
    }
    if (Result<> expander = MakeExpander(); !expander) {
      out.error = std::move(expander).error();
      return;
    }
    for (const SuiteCase& c : test_.cases) {
      CaseResult& result = out.cases.emplace_back();
      result.name = c.name;
      if (c.skip || !filter_.MatchesCase(test_.name, c.name)) {
        result.skipped = true;
        continue;
      }
      Clock::time_point begin = Clock::now();
      Result<> done = RunCase(c, result);
      if (!done) result.error = std::move(done).error();
      result.time = Clock::now() - begin;
    }
  }

 private:
  std::string PathOf(std::string_view path) const { return JoinPath(folder_, path); }

  // One object of a file, as ReadTemplate() and ReadConstraint() of gator read it.
  Result<Value> ReadOne(std::string_view path, std::string_view what, std::string_view doing) {
    std::string full = PathOf(path);
    Result<std::string> text = files_.Read(full);
    if (!text) {
      return Wrap(fmt::format("reading {} from {}", what, GoQuote(full)), text.error());
    }
    std::string_view kept = arena_.Copy(*text);
    // Only the first document counts.
    YamlDocuments documents(kept);
    std::string_view first = kept;
    while (documents.More()) {
      Result<YamlDocument> document = documents.Next();
      if (!document) break;
      first = document->text;
      if (!Trim(first).empty()) break;
    }
    Result<Value> value = ParseYaml(first, arena_, kYaml);
    if (!value || (!value->IsMap() && !value->IsNull())) {
      return Make(
          "gate.suite.yaml",
          fmt::format("{}: parsing {} from {}: {}", doing,
                      what == "Constraint" ? "Constraint" : "ConstraintTemplate YAML",
                      GoQuote(full), value ? "yaml: not an object" : YamlMessage(value.error())));
    }
    return value->IsNull() ? Value::EmptyMap() : *value;
  }

  Result<> SetUp() {
    if (test_.template_path.empty()) {
      return Make("gate.suite", "invalid Suite: missing template");
    }
    Value object = BW_TRY(ReadOne(test_.template_path, "ConstraintTemplate", "adding template"));
    if (Result<> decoded = DecodeTemplate(object); !decoded) {
      std::string where = fmt::format("path {}", GoQuote(PathOf(test_.template_path)));
      if (decoded.error().id() == "gate.template.not") return Wrap(where, decoded.error());
      return Wrap(where + ": adding template", decoded.error());
    }
    if (Result<> added = client_->AddTemplate(object); !added) {
      return Wrap("adding template", added.error());
    }
    if (test_.constraint.empty()) return Make("gate.suite", "invalid Suite: missing constraint");
    Value constraint = BW_TRY(ReadOne(test_.constraint, "Constraint", "adding constraint"));
    if (!Constraint::Is(ObjectView(constraint))) {
      return Make("gate.suite", "not a Constraint");
    }
    return client_->AddConstraint(constraint);
  }

  Result<> MakeExpander() {
    if (test_.expansion.empty()) return Ok{};
    std::string full = PathOf(test_.expansion);
    Result<std::string> text = files_.Read(full);
    if (!text) {
      return Wrap(fmt::format("reading ExpansionTemplate from {}", GoQuote(full)), text.error());
    }
    auto objects = ReadSuiteObjects(*text, arena_);
    if (!objects) return Wrap(fmt::format("reading {}", GoQuote(full)), objects.error());
    bool all =
        !objects->empty() && std::all_of(objects->begin(), objects->end(), [](const Value& object) {
          return ExpansionTemplate::Is(ObjectView(object));
        });
    if (!all) {
      return Make("gate.suite", fmt::format("not an Expansion Template: {}", GoQuote(full)));
    }
    expansions_ = *std::move(objects);
    expander_ = BW_TRY(Expander::Create(expansions_));
    return Ok{};
  }

  Result<std::vector<Value>> ReadObjects(std::string_view path, Arena& arena) {
    std::string full = PathOf(path);
    std::string text = BW_TRY(files_.Read(full));
    auto objects = ReadSuiteObjects(text, arena);
    if (!objects) return Wrap(fmt::format("reading {}", GoQuote(full)), objects.error());
    if (objects->empty()) {
      return Make("gate.suite",
                  fmt::format("missing objects: path {} defines no YAML objects", GoQuote(full)));
    }
    return objects;
  }

  Result<> RunCase(const SuiteCase& c, CaseResult& out) {
    if (c.object.empty()) return Make("gate.suite", "invalid Case: must define object");
    if (c.assertions.empty()) {
      return Make("gate.suite", "invalid Case: assertions must be non-empty");
    }
    Arena arena;
    std::vector<Value> objects = BW_TRY(ReadObjects(c.object, arena));
    if (objects.size() != 1) {
      return Make("gate.suite",
                  fmt::format("object file must contain exactly one object: {} defines {} objects",
                              GoQuote(PathOf(c.object)), objects.size()));
    }
    client_->ClearData();
    for (const std::string& path : c.inventory) {
      for (const Value& object : BW_TRY(ReadObjects(path, arena))) {
        Result<> added = client_->AddData(object);
        if (added) continue;
        ObjectView view(object);
        return Wrap(fmt::format("unable to add object to data.inventory: {} {}/{}", GvkOf(view),
                                view.ns, view.name),
                    added.error());
      }
    }
    client_->Freeze();
    std::vector<std::pair<std::string, std::string>> found;  // action, message
    BW_TRY(Review(objects[0], arena, out, found));
    std::stable_sort(found.begin(), found.end());
    std::vector<std::string> messages;
    for (auto& [action, message] : found) messages.push_back(std::move(message));
    for (const Assertion& assertion : c.assertions) BW_TRY(assertion.Check(messages));
    return Ok{};
  }

  static std::string GvkOf(const ObjectView& view) {
    return Gvk{std::string(view.group), std::string(view.version), std::string(view.kind)}
        .ToString();
  }

  Result<> Review(const Value& object, Arena& arena, CaseResult& out,
                  std::vector<std::pair<std::string, std::string>>& found) {
    PrintHost host(out.prints);
    ReviewOptions options;
    options.context.host = &host;
    std::string trace;
    if (options_.trace) options.context.trace = &trace;
    auto judge = [&](const Result<admission::Review>& review,
                     const Resultant* resultant) -> Result<> {
      if (!review) {
        return Make("gate.review",
                    fmt::format("{}: target.HandleReview failed for target {}: {}\n", kTarget,
                                GoQuote(kTarget), review.error().message()));
      }
      Response response = BW_TRY(client_->Judge(*review, options, arena));
      for (Violation& violation : response.violations) {
        bool other = resultant != nullptr && !resultant->enforcement_action.empty();
        found.emplace_back(
            other ? std::string(resultant->enforcement_action) : violation.enforcement_action,
            resultant == nullptr ? std::move(violation.message)
                                 : ImpliedMessage(resultant->template_name, violation.message));
      }
      return Ok{};
    };
    auto finish = [&] {
      if (options_.trace) {
        out.trace = fmt::format("Target: {}\nTrace:\n{}\n", kTarget, trace);
      }
    };
    ObjectView view(object);
    if (IsAdmissionReview(view)) {
      Value request = BW_TRY(RequestOf(object));
      BW_TRY(
          judge(admission::Review::OfRequest(request, nullptr, kSourceOriginal, arena), nullptr));
      finish();
      return Ok{};
    }
    Result<> judged =
        judge(admission::Review::OfObject(object, nullptr, kSourceOriginal, "", arena), nullptr);
    if (!judged) {
      return Wrap(fmt::format("reviewing {} {}/{}", GvkOf(view), view.ns, view.name),
                  judged.error());
    }
    if (expander_ != nullptr) {
      auto expanded = expander_->Expand(object, expander_->NamespaceOf(view), arena);
      if (!expanded) {
        return Wrap(fmt::format("expanding resource {}", view.name), expanded.error());
      }
      for (const Resultant& resultant : expanded->resultants) {
        judged = judge(
            admission::Review::OfObject(resultant.object, nullptr, kSourceGenerated, "", arena),
            &resultant);
        if (!judged) {
          ObjectView of(resultant.object);
          return Wrap(
              fmt::format("reviewing expanded resource {} {}/{}", GvkOf(of), of.ns, of.name),
              judged.error());
        }
      }
    }
    finish();
    return Ok{};
  }

  const FileTree& files_;
  std::string folder_;
  const SuiteTest& test_;
  const SuiteFilter& filter_;
  const VerifyOptions& options_;
  Arena arena_;
  std::unique_ptr<Client> client_;
  std::vector<Value> expansions_;
  std::unique_ptr<Expander> expander_;
};

}  // namespace

SuiteResult RunSuite(const FileTree& files, const Suite& suite, const SuiteFilter& filter,
                     const VerifyOptions& options) {
  SuiteResult out;
  out.path = suite.input_path;
  if (suite.skip) {
    out.skipped = true;
    return out;
  }
  Clock::time_point begin = Clock::now();
  std::string_view folder = FolderOf(suite.path);
  for (const SuiteTest& test : suite.tests) {
    TestResult& result = out.tests.emplace_back();
    result.name = test.name;
    if (test.skip || !filter.MatchesTest(test)) {
      result.skipped = true;
      continue;
    }
    Clock::time_point start = Clock::now();
    TestRun(files, folder, test, filter, options).Run(result);
    result.time = Clock::now() - start;
  }
  out.time = Clock::now() - begin;
  return out;
}

// --- Printing ------------------------------------------------------------------------------------

namespace {

std::string Seconds(std::chrono::nanoseconds time) {
  return fmt::format("{:.3f}s", std::chrono::duration<double>(time).count());
}

void AppendCase(std::string& out, const CaseResult& result, bool verbose) {
  if (verbose) {
    if (result.skipped) {
      out += fmt::format("    === SKIP  {}\n", result.name);
      return;
    }
    out += fmt::format("    === RUN   {}\n", result.name);
    if (!result.prints.empty()) {
      out += "        === PRINT ===\n";
      std::string_view prints = result.prints;
      if (prints.ends_with('\n')) prints.remove_suffix(1);
      for (std::string_view line : Split(prints, '\n')) out += fmt::format("        {}\n", line);
    }
  }
  if (result.error) {
    out += fmt::format("    --- FAIL: {}\t({})\n        {}\n", result.name, Seconds(result.time),
                       result.error->message());
  } else if (verbose) {
    out += fmt::format("    --- PASS: {}\t({})\n", result.name, Seconds(result.time));
  }
  if (result.trace) {
    std::string prefix = verbose ? "    --- " : "";
    out += fmt::format("{}TRACE: {}\t{}\n", prefix, result.name,
                       ReplaceAll(*result.trace, "\n", "\n" + prefix));
  }
}

void AppendTest(std::string& out, const TestResult& result, bool verbose) {
  if (verbose) {
    if (result.skipped) {
      out += fmt::format("=== SKIP  {}\n", result.name);
      return;
    }
    out += fmt::format("=== RUN   {}\n", result.name);
  }
  for (const CaseResult& c : result.cases) AppendCase(out, c, verbose);
  if (result.failed()) {
    out += fmt::format("--- FAIL: {}\t({})\n", result.name, Seconds(result.time));
    if (result.error) out += fmt::format("  {}\n", result.error->message());
  } else if (verbose) {
    out += fmt::format("--- PASS: {}\t({})\n", result.name, Seconds(result.time));
  }
}

}  // namespace

std::string FormatSuiteResults(const std::vector<SuiteResult>& results, bool verbose) {
  std::string out;
  bool failed = false;
  for (const SuiteResult& result : results) {
    for (const TestResult& test : result.tests) AppendTest(out, test, verbose);
    out += fmt::format("{}\t{}\t{}\n", result.failed() ? "FAIL" : "ok", result.path,
                       Seconds(result.time));
    if (result.error) out += fmt::format("  {}\n", result.error->message());
    failed = failed || result.failed();
  }
  return out + (failed ? "FAIL\n" : "PASS\n");
}

}  // namespace bulwark::admission
