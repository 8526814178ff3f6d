#include "app/rego/config_test_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "app/rego/output.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/ast/printer.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

namespace {

// `word`, or it with further words of letters and digits after underscores.
bool Named(std::string_view name, std::string_view word) {
  if (!name.starts_with(word)) return false;
  std::string_view rest = name.substr(word.size());
  if (rest.empty()) return true;
  bool fresh = false;
  for (char c : rest) {
    if (c == '_') {
      if (fresh) return false;
      fresh = true;
    } else if (IsAsciiLetter(c) || IsAsciiDigit(c)) {
      if (!fresh && &c == rest.data()) return false;
      fresh = false;
    } else {
      return false;
    }
  }
  return rest.front() == '_' && !fresh;
}

std::string NamespaceOf(const rego::Module& module) {
  std::string text;
  rego::AppendRefText(module.package.path, text);
  return text.starts_with("data.") ? text.substr(5) : text;
}

// What an exception calls the rule.
std::string WithoutPrefix(std::string_view rule) {
  for (std::string_view prefix : {"violation", "deny", "warn"}) {
    if (rule == prefix) return "";
    if (rule.starts_with(std::string(prefix) + "_")) {
      return std::string(rule.substr(prefix.size() + 1));
    }
  }
  return std::string(rule);
}

std::string NumberText(const Value& value) {
  return value.IsNumber() ? ToJson(value) : std::string();
}

Result<ConfigMessage> MessageOf(const Value& value, const std::string& query, Arena& arena) {
  ConfigMessage out;
  MapBuilder metadata(arena);
  std::vector<std::pair<std::string, Value>> entries;
  if (value.IsMap()) {
    const Value* text = value.Find("msg");
    if (text == nullptr || !text->IsString()) {
      return Error(Code::kInvalid, "new result: \"msg\" field must be present and a string");
    }
    out.text = text->AsString();
    for (const auto& [key, item] : value.entries()) {
      if (key.AsString() == "msg") continue;
      if (key.AsString() == "_loc") {
        out.file = item.StringAt("file");
        out.line = NumberText(item["line"]);
        out.has_location = !out.file.empty() || !out.line.empty();
        continue;
      }
      entries.emplace_back(key.AsString(), item);
    }
  } else {
    out.text = value.AsString();
  }
  entries.emplace_back("query", Value::String(arena, query));
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [key, item] : entries) metadata.Add(Value::String(arena, key), item);
  out.metadata = metadata.Finish();
  return out;
}

}  // namespace

bool IsFailureRule(std::string_view name) {
  return Named(name, "deny") || Named(name, "violation");
}
bool IsWarningRule(std::string_view name) { return Named(name, "warn"); }

std::vector<std::string> ConfigChecker::Namespaces() const {
  std::vector<std::string> out;
  for (const auto& module : policy_.resolution().modules) {
    std::string name = NamespaceOf(*module);
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

ConfigChecker::Rules ConfigChecker::RulesOf(const std::string& name_space) const {
  Rules out;
  for (const auto& module : policy_.resolution().modules) {
    if (NamespaceOf(*module) != name_space) continue;
    for (const rego::Rule* rule : module->rules) {
      std::string name(rule->head.name);
      if (!IsFailureRule(name) && !IsWarningRule(name)) continue;
      ++out.count;
      if (std::find(out.names.begin(), out.names.end(), name) == out.names.end()) {
        out.names.push_back(name);
      }
    }
  }
  return out;
}

Result<rego::ResultSet> ConfigChecker::Query(const std::string& query, const Value& input,
                                             const std::string& file, ConfigResult& out) {
  auto& prepared = prepared_[query];
  if (prepared == nullptr) prepared = BW_TRY(policy_.Prepare(query));
  CliHost host(env_, nullptr);
  class Printing : public CliHost {
   public:
    Printing(const Env& env, std::vector<std::string>& lines) : CliHost(env, nullptr), to(lines) {}
    void Print(std::string_view text, std::string_view place) override {
      to.push_back(fmt::format("{}: {}\n", place, text));
    }
    std::vector<std::string>& to;
  } printing(env_, out.printed);
  // data.conftest.file tells policies which file it is.
  std::error_code ignored;
  std::filesystem::path absolute = std::filesystem::absolute(file, ignored);
  Value about = MapBuilder(arena_)
                    .Add("name", Value::String(arena_, absolute.filename().string()))
                    .Add("dir", Value::String(arena_, absolute.parent_path().string()))
                    .Finish();
  MapBuilder data(arena_);
  for (const auto& [key, value] : data_.entries()) data.Add(key, value);
  data.Add("conftest", MapBuilder(arena_).Add("file", about).Finish());
  Value documents = data.Finish();
  rego::EvalOptions options;
  options.input = &input;
  options.data = &documents;
  options.host = &printing;
  std::vector<std::string> errors;
  if (builtin_errors_) options.builtin_errors = &errors;
  auto results = prepared->Evaluate(options, arena_);
  if (!results) return std::move(results).error().While("evaluating policy");
  if (!errors.empty()) {
    return Error(Code::kInvalid, fmt::format("built-in error: {}", fmt::join(errors, "; ")));
  }
  return results;
}

Result<> ConfigChecker::CheckOne(const ConfigFile& file, const Value& input,
                                 const std::string& name_space, ConfigResult& out) {
  Rules rules = RulesOf(name_space);
  size_t successes = 0, found = 0;
  for (const std::string& rule : rules.names) {
    std::string excuse =
        fmt::format("data.{}.exception[_][_] == {}", name_space, Quote(WithoutPrefix(rule)));
    rego::ResultSet excused = BW_TRY(Query(excuse, input, file.path, out));
    size_t exceptions = 0;
    for (const rego::ResultRow& row : excused.rows) {
      bool holds = std::all_of(row.expressions.begin(), row.expressions.end(),
                               [](const auto& expression) { return expression.value.IsTrue(); });
      if (!holds) continue;
      ++exceptions;
      out.exceptions.push_back({.text = excuse, .metadata = {}, .file = {}, .line = {}});
    }
    found += exceptions;
    std::string query = fmt::format("data.{}.{}", name_space, rule);
    rego::ResultSet results = BW_TRY(Query(query, input, file.path, out));
    if (exceptions > 0) continue;
    for (const rego::ResultRow& row : results.rows) {
      for (const auto& expression : row.expressions) {
        Value value = Plain(expression.value, arena_);
        if (!value.IsArray() || value.empty()) {
          ++successes;
          continue;
        }
        for (const Value& item : value.items()) {
          if (!item.IsString() && !item.IsMap()) continue;
          ConfigMessage message = BW_TRY(MessageOf(item, query, arena_));
          if (message.text.empty()) {
            ++successes;
            continue;
          }
          ++found;
          (IsFailureRule(rule) ? out.failures : out.warnings).push_back(std::move(message));
        }
      }
    }
  }
  // A rule that has nothing to say counts once for each of its definitions.
  if (found + successes < rules.count) successes = rules.count - found;
  out.successes += successes;
  return Ok{};
}

Result<ConfigResult> ConfigChecker::Check(const ConfigFile& file, const std::string& name_space,
                                          bool several) {
  ConfigResult out;
  out.file = file.path;
  out.name_space = name_space;
  if (several && file.content.IsArray()) {
    for (const Value& document : file.content.items()) {
      BW_TRY(CheckOne(file, document, name_space, out));
    }
  } else {
    BW_TRY(CheckOne(file, file.content, name_space, out));
  }
  return out;
}

// --- Output --------------------------------------------------------------------------------------

std::string TotalsOf(const std::vector<ConfigResult>& results) {
  size_t tests = 0, passed = 0, warnings = 0, failures = 0, exceptions = 0;
  for (const ConfigResult& result : results) {
    tests += result.Tests();
    passed += result.successes;
    warnings += result.warnings.size();
    failures += result.failures.size();
    exceptions += result.exceptions.size();
  }
  auto count = [](size_t n, std::string_view word) {
    return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
  };
  return fmt::format("{}, {} passed, {}, {}, {}", count(tests, "test"), passed,
                     count(warnings, "warning"), count(failures, "failure"),
                     count(exceptions, "exception"));
}

namespace {

std::string Painted(std::string_view text, int color, bool on) {
  return on ? fmt::format("\x1b[{}m{}\x1b[0m", color, text) : std::string(text);
}

// "- file - namespace -"
std::string Place(const ConfigResult& result) {
  std::string out = result.file == "-" ? "-" : "- " + result.file;
  return out + (result.name_space == "-" ? " -" : fmt::format(" - {} -", result.name_space));
}

std::string Standard(const std::vector<ConfigResult>& results, const ConfigOutput& output) {
  std::string out;
  bool failed = false, warned = false, excused = false;
  for (const ConfigResult& result : results) {
    for (const std::string& line : result.printed) {
      out += fmt::format("{}  {}\n", Painted("PRNT ", 34, output.color), line);
    }
  }
  for (const ConfigResult& result : results) {
    failed = failed || !result.failures.empty();
    warned = warned || !result.warnings.empty();
    excused = excused || !result.exceptions.empty();
    auto list = [&](std::string_view word, int color, const std::vector<ConfigMessage>& messages) {
      for (const ConfigMessage& message : messages) {
        out += fmt::format("{} {} {}\n", Painted(word, color, output.color), Place(result),
                           message.text);
      }
    };
    list("WARN", 33, result.warnings);
    list("FAIL", 31, result.failures);
    if (!output.suppress_exceptions) list("EXCP", 36, result.exceptions);
  }
  int color = failed ? 31 : warned ? 33 : excused ? 36 : 32;
  return out + "\n" + Painted(TotalsOf(results), color, output.color) + "\n";
}

std::string Json(const std::vector<ConfigResult>& results) {
  Arena arena;
  std::vector<Value> list;
  for (const ConfigResult& result : results) {
    MapBuilder out(arena);
    out.Add("filename", Value::String(arena, result.file == "-" ? "" : result.file));
    out.Add("namespace", Value::String(arena, result.name_space));
    out.Add("successes", Value::Int(static_cast<int64_t>(result.successes)));
    auto add = [&](std::string_view name, const std::vector<ConfigMessage>& messages) {
      if (messages.empty()) return;
      std::vector<Value> items;
      for (const ConfigMessage& message : messages) {
        MapBuilder item(arena);
        item.Add("msg", Value::String(arena, message.text));
        if (message.has_location) {
          MapBuilder place(arena);
          if (!message.file.empty()) place.Add("file", Value::String(arena, message.file));
          if (!message.line.empty()) place.Add("line", JsonNumber(message.line));
          item.Add("loc", place.Finish());
        }
        if (message.metadata.IsMap()) item.Add("metadata", message.metadata);
        items.push_back(item.Finish());
      }
      out.Add(name, Value::Array(arena, items));
    };
    add("warnings", result.warnings);
    add("failures", result.failures);
    add("exceptions", result.exceptions);
    list.push_back(out.Finish());
  }
  // Indented by tabs.
  std::string spaced = GoJson(Value::Array(arena, list), 1), out;
  for (std::string_view line : Split(spaced, '\n')) {
    size_t indent = line.find_first_not_of(' ');
    if (indent == std::string_view::npos) indent = line.size();
    out += std::string(indent, '\t') + std::string(line.substr(indent)) + "\n";
  }
  return out;
}

std::string Tap(const std::vector<ConfigResult>& results) {
  size_t total = 0, number = 1;
  for (const ConfigResult& result : results) total += result.Tests();
  if (total == 0) return {};
  std::string out = fmt::format("1..{}\n", total);
  for (const ConfigResult& result : results) {
    auto section = [&](std::string_view header, std::string_view status,
                       const std::vector<ConfigMessage>& messages) {
      if (!header.empty() && !messages.empty()) out += fmt::format("# {}\n", header);
      for (const ConfigMessage& message : messages) {
        out += fmt::format("{} {} {} {}\n", status, number++, Place(result), message.text);
      }
    };
    section("", "not ok", result.failures);
    section("warnings", "not ok", result.warnings);
    section("exceptions", "ok", result.exceptions);
    ConfigMessage success{.text = "SUCCESS", .metadata = {}, .file = {}, .line = {}};
    section("successes", "ok", std::vector<ConfigMessage>(result.successes, success));
  }
  return out;
}

std::string TableOf(const std::vector<ConfigResult>& results) {
  Table table{.header = {"RESULT", "FILE", "NAMESPACE", "MESSAGE"}, .rows = {}, .align = {}};
  for (const ConfigResult& result : results) {
    auto add = [&](std::string_view word, const std::string& text) {
      table.rows.push_back({std::string(word), result.file, result.name_space, text});
    };
    for (size_t i = 0; i < result.successes; ++i) add("success", "SUCCESS");
    for (const auto& message : result.exceptions) add("exception", message.text);
    for (const auto& message : result.warnings) add("warning", message.text);
    for (const auto& message : result.failures) add("failure", message.text);
  }
  return table.rows.empty() ? "" : table.Render();
}

std::string JUnit(const std::vector<ConfigResult>& results, const ConfigOutput& output) {
  std::vector<std::string> order;
  std::map<std::string, std::string> cases;
  std::map<std::string, std::pair<size_t, size_t>> counts;  // tests, failures
  for (const ConfigResult& result : results) {
    if (!cases.contains(result.name_space)) order.push_back(result.name_space);
    std::string& out = cases[result.name_space];
    auto& [tests, failures] = counts[result.name_space];
    auto open = [&](const std::string& name) {
      ++tests;
      out += fmt::format("\t\t<testcase classname=\"conftest.{}\" name=\"{}\" time=\"0.000\">",
                         EscapeXml(result.name_space), EscapeXml(name));
    };
    for (const auto* messages : {&result.warnings, &result.failures}) {
      for (const ConfigMessage& message : *messages) {
        ++failures;
        open(output.junit_hide_message
                 ? result.file
                 : fmt::format("{} - {}", result.file, Split(message.text, '\n').front()));
        out += fmt::format(
            "\n\t\t\t<failure message=\"Failed\" type=\"\">{}</failure>\n"
            "\t\t</testcase>\n",
            EscapeXml(message.text));
      }
    }
    for (size_t i = 0; i < result.successes; ++i) {
      open(result.file);
      out += "</testcase>\n";
    }
  }
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const std::string& name : order) {
    auto [tests, failures] = counts[name];
    out += fmt::format(
        "\t<testsuite tests=\"{}\" failures=\"{}\" time=\"0.000\" name=\"conftest.{}\">\n"
        "\t\t<properties></properties>\n{}\t</testsuite>\n",
        tests, failures, EscapeXml(name), cases[name]);
  }
  return out + "</testsuites>\n";
}

// A property of a GitHub workflow command.
std::string Property(std::string text) {
  for (auto [from, to] :
       {std::pair("%", "%25"), {"\r", "%0D"}, {"\n", "%0A"}, {":", "%3A"}, {",", "%2C"}}) {
    text = ReplaceAll(text, from, to);
  }
  return text;
}

std::string GitHub(const std::vector<ConfigResult>& results, const ConfigOutput& output) {
  std::string out;
  for (const ConfigResult& result : results) {
    bool quiet = result.failures.empty() && result.warnings.empty() && result.exceptions.empty();
    if (output.github_hide_passed && quiet) continue;
    out += fmt::format("::group::Testing {} against {} policies in namespace {}\n",
                       Quote(result.file), result.Tests(), Quote(result.name_space));
    auto at = [&](std::string_view level, const std::string& file, const std::string& line,
                  const std::string& text) {
      out += fmt::format("::{} file={},line={}::{}\n", level, Property(file), line, text);
    };
    auto list = [&](std::string_view level, const std::vector<ConfigMessage>& messages) {
      for (const ConfigMessage& message : messages) {
        if (!message.has_location) {
          at(level, result.file, "1", message.text);
        } else {
          at(level, message.file, message.line, message.text);
          if (message.file == result.file) continue;
          at(level, result.file, "1",
             fmt::format("(ORIGINATING FROM {} L{}) {}", message.file, message.line, message.text));
        }
      }
    };
    list("error", result.failures);
    list("warning", result.warnings);
    list("notice", result.exceptions);
    at("notice", result.file, "1",
       fmt::format("Number of successful checks: {}", result.successes));
    out += "::endgroup::\n";
  }
  return out + TotalsOf(results) + "\n";
}

}  // namespace

std::string WriteConfigResults(const std::vector<ConfigResult>& results,
                               const ConfigOutput& output) {
  if (output.format == "json") return Json(results);
  if (output.format == "tap") return Tap(results);
  if (output.format == "table") return TableOf(results);
  if (output.format == "junit") return JUnit(results, output);
  if (output.format == "github") return GitHub(results, output);
  return Standard(results, output);
}

}  // namespace bulwark::regocli
