#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "features/posture/fix.h"
#include "formats/diff.h"
#include "formats/yaml.h"
#include "formats/yaml_edit.h"

namespace bulwark::posture {

namespace {

// The finding ids of what fails in one object, checks between objects left out.
std::set<std::string> FailuresOf(Checker& checker, const CheckSet& checks, const Value& object) {
  Findings findings;
  std::vector<Tally> by_check(checks.checks().size());
  checker.Run({.object = &object}, findings, by_check);
  std::set<std::string> ids;
  for (const Finding& f : findings) {
    if (f.status == Status::kFail) ids.insert(f.id);
  }
  return ids;
}

// The objects of a document with their paths: itself, or the items of a List.
void ForEachObject(const Value& root, const std::function<void(const Value&, const Path&)>& f) {
  if (kube::IsList(root)) {
    auto items = root["items"].items();
    for (size_t i = 0; i < items.size(); ++i)
      f(items[i], {PathStep::Key("items"), PathStep::Index(i)});
  } else if (root.IsArray()) {
    for (size_t i = 0; i < root.items().size(); ++i) f(root.items()[i], {PathStep::Index(i)});
  } else {
    f(root, {});
  }
}

class FileFixer {
 public:
  FileFixer(const CheckSet& checks, const InspectOptions& options,
            const std::set<std::string>& wanted)
      : checks_(checks), checker_(checks, options.check), wanted_(wanted) {}

  // The document after every fix that could be made, one upon the other.
  std::string FixDocument(std::string text) {
    // A fix that would open another finding may be possible once that one's check is fixed, too.
    for (bool changed = true; changed;) {
      changed = false;
      ForEachFix(text, [&](size_t object, size_t check) {
        auto fixed = Try(text, object, check);
        if (!fixed) return;
        text = std::move(fixed->text);
        closed_.insert(fixed->closed.begin(), fixed->closed.end());
        changed = true;
      });
    }
    return text;
  }

  // Each fix on its own, as changes of the original text.
  std::vector<FileFix::Replacement> EachFix(std::string_view text, Origin origin) {
    std::vector<FileFix::Replacement> out;
    ForEachFix(text, [&](size_t object, size_t check) {
      auto fixed = Try(text, object, check);
      if (!fixed) return;
      std::vector<FileFix::Replacement> changes = ChangedLines(text, fixed->text);
      for (const std::string& finding : fixed->closed) {
        for (FileFix::Replacement change : changes) {
          change.finding = finding;
          change.begin += origin.offset;
          change.end += origin.offset;
          change.begin_line += origin.line - 1;
          change.end_line += origin.line - 1;
          out.push_back(std::move(change));
        }
      }
    });
    return out;
  }

  // The findings that FixDocument() has closed so far.
  const std::set<std::string>& closed() const { return closed_; }

 private:
  struct Fixed {
    std::string text;
    std::set<std::string> closed;
  };

  void ForEachFix(std::string_view text, const std::function<void(size_t, size_t)>& f) {
    Arena arena;
    auto root = ParseYaml(text, arena, {.drop_nulls = true});
    if (!root || root->IsNull()) return;
    size_t objects = 0;
    ForEachObject(*root, [&](const Value&, const Path&) { ++objects; });
    for (size_t object = 0; object < objects; ++object) {
      for (size_t i = 0; i < checks_.checks().size(); ++i) {
        const Check& check = checks_.checks()[i];
        if (check.info.has_fix && !check.needs_others() && wanted_.contains(check.info.id)) {
          f(object, i);
        }
      }
    }
  }

  // Fixes one check in the n-th object of the text; nothing where that cannot be done.
  std::optional<Fixed> Try(std::string_view text, size_t n, size_t index) {
    Arena arena;
    auto root = ParseYaml(text, arena, {.drop_nulls = true});
    if (!root) return std::nullopt;
    const Value* object = nullptr;
    Path prefix;
    size_t i = 0;
    ForEachObject(*root, [&](const Value& o, const Path& p) {
      if (i++ == n) object = &o, prefix = p;
    });
    if (object == nullptr) return std::nullopt;
    PlannedFix plan = PlanFix(checks_, checker_, index, *object, arena);
    if (plan.edits.empty()) return std::nullopt;
    for (DocumentEdit& edit : plan.edits) {
      edit.path.insert(edit.path.begin(), prefix.begin(), prefix.end());
    }
    auto edited = EditYaml(text, plan.edits);
    if (!edited) return std::nullopt;  // shared through an anchor, say: left to a person

    // What the new text means must close what it is to close, and open nothing.
    auto after_root = ParseYaml(*edited, arena, {.drop_nulls = true});
    const Value* after = after_root ? FindPath(*after_root, prefix) : nullptr;
    if (after == nullptr) return std::nullopt;
    std::set<std::string> before_ids = FailuresOf(checker_, checks_, *object);
    std::set<std::string> after_ids = FailuresOf(checker_, checks_, *after);
    if (!std::includes(before_ids.begin(), before_ids.end(), after_ids.begin(), after_ids.end()) ||
        after_ids.size() >= before_ids.size()) {
      return std::nullopt;
    }
    Fixed out{.text = *std::move(edited)};
    std::set_difference(before_ids.begin(), before_ids.end(), after_ids.begin(), after_ids.end(),
                        std::inserter(out.closed, out.closed.end()));
    return out;
  }

  // The lines that differ, as replacements of whole lines of the original.
  static std::vector<FileFix::Replacement> ChangedLines(std::string_view original,
                                                        std::string_view fixed) {
    std::vector<size_t> starts = {0};
    for (size_t at = 0; (at = original.find('\n', at)) != std::string_view::npos;)
      starts.push_back(++at);
    auto offset = [&](size_t line) {
      return static_cast<uint32_t>(line - 1 < starts.size() ? starts[line - 1] : original.size());
    };
    std::string diff = UnifiedDiff(original, fixed, {.context = 0});
    std::vector<FileFix::Replacement> out;
    for (std::string_view line : SplitLines(diff)) {
      if (line.starts_with("@@ -")) {
        // "@@ -first,count +…": a count that is left out is 1, and with 0 the change stands after
        // that line.
        unsigned first = 0, count = 1;
        std::string head(line.substr(4, line.find(' ', 4) - 4));
        if (std::sscanf(head.c_str(), "%u,%u", &first, &count) < 1) return {};
        if (count == 0) ++first;
        out.push_back({.begin = offset(first),
                       .end = offset(first + count),
                       .begin_line = first,
                       .begin_column = 1,
                       .end_line = first + count,
                       .end_column = 1});
      } else if (line.starts_with("+") && !out.empty()) {
        out.back().text += line.substr(1);
        out.back().text += '\n';
      }
    }
    return out;
  }

  const CheckSet& checks_;
  Checker checker_;
  const std::set<std::string>& wanted_;
  std::set<std::string> closed_;
};

}  // namespace

std::string NameInPatch(const std::string& file) {
  namespace fs = std::filesystem;
  fs::path path = fs::path(file).lexically_normal();
  if (path.is_relative()) return path.generic_string();
  std::error_code error;
  fs::path here = fs::current_path(error);
  if (!error) {
    fs::path below = path.lexically_relative(here);
    if (!below.empty() && *below.begin() != "..") return below.generic_string();
  }
  return path.relative_path().generic_string();
}

Result<> AddFixes(const CheckSet& checks, const InspectOptions& options, Report& report) {
  // file → checks that fail in it and have a fix
  std::map<std::string, std::set<std::string>> wanted;
  std::map<std::string, std::vector<size_t>> findings_of;
  for (size_t i = 0; i < report.findings.size(); ++i) {
    Finding f = report.findings[i];
    const std::string& file = f.evidence.place.file;
    report.findings.SetFixable(i, false);
    if (f.excused || f.status != Status::kFail || file.empty()) continue;
    // One fix may close a neighbour that has none of its own.
    findings_of[file].push_back(i);
    std::error_code ignored;
    if (f.fixable && std::filesystem::is_regular_file(file, ignored)) wanted[file].insert(f.check);
  }
  for (const auto& [file, check_ids] : wanted) {
    std::string original = BW_TRY(ReadFile(file));
    FileFixer fixer(checks, options, check_ids);
    std::string fixed;
    size_t done = 0;
    YamlDocuments documents(original);
    std::vector<FileFix::Replacement> replacements;
    while (documents.More()) {
      auto document = documents.Next();
      if (!document) break;
      for (auto& one : fixer.EachFix(document->text, document->origin)) {
        replacements.push_back(std::move(one));
      }
      auto begin = static_cast<size_t>(document->text.data() - original.data());
      fixed += std::string_view(original).substr(done, begin - done);
      fixed += fixer.FixDocument(std::string(document->text));
      done = begin + document->text.size();
    }
    fixed += std::string_view(original).substr(done);
    if (fixed == original) continue;
    FileFix change{.file = file,
                   .diff = UnifiedDiff(original, fixed,
                                       {.old_name = "a/" + NameInPatch(file),
                                        .new_name = "b/" + NameInPatch(file)}),
                   .original = original,
                   .fixed = fixed,
                   .replacements = std::move(replacements)};
    for (size_t i : findings_of[file]) {
      std::string id = report.findings[i].id;
      if (!fixer.closed().contains(id)) continue;
      report.findings.SetFixable(i, true);
      change.findings.push_back(std::move(id));
    }
    report.fixes.push_back(std::move(change));
  }
  return Ok{};
}

Result<> WriteFix(const FileFix& fix) {
  std::string now = BW_TRY(ReadFile(fix.file));
  if (now != fix.original) {
    return Error(
        Code::kExists,
        fmt::format("{} has changed since it was inspected; nothing was written to it", fix.file));
  }
  return WriteFileAtomic(fix.file, fix.fixed);
}

}  // namespace bulwark::posture
