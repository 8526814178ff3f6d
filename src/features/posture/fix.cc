#include "features/posture/fix.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/files.h"
#include "formats/diff.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "formats/yaml_edit.h"

namespace bulwark::posture {

namespace {

// A check may fail at many places of one object; past this many it is left to a person.
constexpr size_t kMaxEdits = 500;

Value With(const Value& v, const Path& path, size_t step, const Edit& edit, Arena& arena);

// A map with `key` set to what With() makes of what is there; without it where that is nothing.
Value WithKey(const Value& map, const std::string& key, const Path& path, size_t step,
              const Edit& edit, Arena& arena) {
  const Value* there = map.Find(key);
  bool last = step + 1 == path.size();
  if (edit.op == Edit::Op::kRemove && there == nullptr) return map;
  MapBuilder out(arena, map.size() + 1);
  for (const auto& [k, value] : map.entries()) {
    if (&value != there) {
      out.Add(k, value);
    } else if (!(edit.op == Edit::Op::kRemove && last)) {
      out.Add(k, With(value, path, step + 1, edit, arena));
    }
  }
  if (there == nullptr) {
    out.Add(Value::String(arena, key), With(Value::Null(), path, step + 1, edit, arena));
  }
  return out.Finish();
}

Value With(const Value& v, const Path& path, size_t step, const Edit& edit, Arena& arena) {
  if (step == path.size()) {
    if (edit.op != Edit::Op::kAdd) return edit.value.CopyTo(arena);
    std::vector<Value> items(v.items().begin(), v.items().end());
    if (v.Contains(edit.value)) return v;
    items.push_back(edit.value.CopyTo(arena));
    return Value::Array(arena, items);
  }
  const PathStep& at = path[step];
  if (!at.IsIndex()) {
    return WithKey(v.IsMap() ? v : Value::EmptyMap(), at.key, path, step, edit, arena);
  }
  auto index = static_cast<size_t>(at.index);
  if (index >= v.items().size()) return v;
  std::vector<Value> items(v.items().begin(), v.items().end());
  if (edit.op == Edit::Op::kRemove && step + 1 == path.size()) {
    items.erase(items.begin() + at.index);
  } else {
    items[index] = With(items[index], path, step + 1, edit, arena);
  }
  return Value::Array(arena, items);
}

// Whether every step of the path but the last few, which With() makes, can be taken: maps where
// keys are, lists where indices are.
bool Fits(const Value& object, const Path& path) {
  size_t depth = 0;
  const Value* deepest = FindDeepest(object, path, &depth);
  if (depth == path.size()) return true;
  if (path[depth].IsIndex()) return false;
  return deepest->IsMap() || deepest->IsNull();
}

// The edits that a check declares, for one failure.
class Declared {
 public:
  Declared(const Check& check, const Compiled& programs, Checker& checker, const Value& object,
           Arena& arena)
      : check_(check), programs_(programs), checker_(checker), object_(object), arena_(arena) {}

  std::vector<Edit> For(const Checker::Failure& failure) {
    std::vector<Edit> edits;
    auto declared = check_.fix.items();
    for (size_t i = 0; i < declared.size(); ++i) {
      Value value;
      if (programs_.fix_values[i] != nullptr) {
        value = checker_.Evaluate(*programs_.fix_values[i], failure.bindings, arena_);
        if (cel::IsErrorOrUnknown(value)) return {};
      }
      if (!AddEdit(declared[i], value, failure, edits)) return {};
    }
    if (programs_.fix != nullptr) {
      Value list = checker_.Evaluate(*programs_.fix, failure.bindings, arena_);
      auto items = cel::ListItems(list);
      if (!items) return {};
      for (const Value& item : *items) {
        if (!AddEdit(item, Value(), failure, edits)) return {};
      }
    }
    // Items of a list are removed from the back, so that the indices of the others hold.
    std::stable_sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) {
      if (a.op != Edit::Op::kRemove || b.op != Edit::Op::kRemove) {
        return a.op != Edit::Op::kRemove && b.op == Edit::Op::kRemove;
      }
      return std::lexicographical_compare(b.path.begin(), b.path.end(), a.path.begin(),
                                          a.path.end(), [](const PathStep& x, const PathStep& y) {
                                            return std::tie(x.index, x.key) <
                                                   std::tie(y.index, y.key);
                                          });
    });
    return edits;
  }

 private:
  bool AddEdit(const Value& declared, const Value& computed, const Checker::Failure& failure,
               std::vector<Edit>& edits) {
    Edit edit;
    std::string_view relative;
    if (const Value* path = declared.Find("set")) {
      relative = path->IsString() ? path->AsString() : "";
      edit.value = declared.Find("toExpr") != nullptr ? computed : declared["to"];
    } else if (path = declared.Find("add"); path != nullptr) {
      edit.op = Edit::Op::kAdd;
      relative = path->IsString() ? path->AsString() : "";
      edit.value = declared.Find("toExpr") != nullptr ? computed : declared["value"];
    } else if (path = declared.Find("remove"); path != nullptr) {
      edit.op = Edit::Op::kRemove;
      relative = path->IsString() ? path->AsString() : "";
    } else {
      return false;
    }
    // "" and "." mean the node itself: what `each` stands at.
    auto steps = ParsePath(relative == "." ? "" : relative);
    edit.path = failure.node;
    for (std::string_view root : {"$object.", "$pod."}) {
      if (!relative.starts_with(root)) continue;
      steps = ParsePath(relative.substr(root.size()));
      auto pod = kube::FindPodTemplate(object_);
      edit.path = root == "$pod." && pod ? pod->at->spec : Path();
    }
    if (!steps) return false;
    edit.path.insert(edit.path.end(), steps->begin(), steps->end());
    edit.value = edit.value.CopyTo(arena_);
    edits.push_back(std::move(edit));
    return true;
  }

  const Check& check_;
  const Compiled& programs_;
  Checker& checker_;
  const Value& object_;
  Arena& arena_;
};

}  // namespace

Value Apply(const Value& object, const Edit& edit, Arena& arena) {
  if (!Fits(object, edit.path)) return object;
  return With(object, edit.path, 0, edit, arena);
}

PlannedFix PlanFix(const CheckSet& checks, Checker& checker, size_t index, const Value& object,
                   Arena& arena) {
  PlannedFix out{.fixed = object};
  const Check& check = checks.checks()[index];
  auto programs = checks.Programs(index);
  if (!programs || !check.info.has_fix) return out;

  auto paths_of = [&](const Value& v) {
    std::vector<std::string> paths;
    checker.ForEachFailure(index, {.object = &v}, [&](const Checker::Failure& f) {
      paths.push_back(PathToString(f.path));
    });
    return paths;
  };
  std::set<std::string> hopeless;
  size_t at_first = paths_of(object).size();
  size_t left = at_first;
  while (left > 0 && out.edits.size() < kMaxEdits) {
    // The first failure that was not tried in vain.
    std::vector<Edit> edits;
    std::string path;
    checker.ForEachFailure(index, {.object = &out.fixed}, [&](const Checker::Failure& f) {
      if (!path.empty() || hopeless.contains(PathToString(f.path))) return;
      path = PathToString(f.path);
      if (path.empty()) path = ".";
      edits = Declared(check, **programs, checker, out.fixed, arena).For(f);
    });
    if (path.empty()) break;
    Value next = out.fixed;
    for (const Edit& edit : edits) next = Apply(next, edit, arena);
    size_t after = paths_of(next).size();
    if (edits.empty() || after >= left) {
      if (!hopeless.insert(path == "." ? "" : path).second) break;
      continue;
    }
    left = after;
    out.fixed = next;
    out.edits.insert(out.edits.end(), edits.begin(), edits.end());
  }
  out.failures_closed = at_first - left;
  return out;
}

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

  // The document after every fix that could be made.
  std::string FixDocument(std::string text) {
    for (size_t object = 0;; ++object) {
      bool any = false;
      for (size_t i = 0; i < checks_.checks().size(); ++i) {
        const Check& check = checks_.checks()[i];
        if (!check.info.has_fix || check.needs_others() || !wanted_.contains(check.info.id))
          continue;
        if (!TryCheck(text, object, i, any)) return text;
      }
      if (!any) return text;  // past the last object
    }
  }
  const std::set<std::string>& closed() const { return closed_; }

 private:
  // Fixes one check in the n-th object of the text. False if the text cannot be read.
  bool TryCheck(std::string& text, size_t n, size_t index, bool& there) {
    Arena arena;
    auto root = ParseYaml(text, arena);
    if (!root || root->IsNull()) return false;
    const Value* object = nullptr;
    Path prefix;
    size_t i = 0;
    ForEachObject(*root, [&](const Value& o, const Path& p) {
      if (i++ == n) object = &o, prefix = p;
    });
    if (object == nullptr) return true;
    there = true;
    PlannedFix plan = PlanFix(checks_, checker_, index, *object, arena);
    if (plan.edits.empty()) return true;

    std::vector<YamlEdit> edits;
    for (Edit& edit : plan.edits) {
      Path path = prefix;
      path.insert(path.end(), edit.path.begin(), edit.path.end());
      YamlEdit::Op op = edit.op == Edit::Op::kSet      ? YamlEdit::Op::kSet
                        : edit.op == Edit::Op::kRemove ? YamlEdit::Op::kRemove
                                                       : YamlEdit::Op::kAdd;
      edits.push_back({op, std::move(path), edit.value});
    }
    auto edited = EditYaml(text, edits);
    if (!edited) return true;  // shared through an anchor, say: left to a person

    // What the new text means must close what it is to close, and open nothing.
    Arena after_arena;
    auto after_root = ParseYaml(*edited, after_arena);
    if (!after_root) return true;
    const Value* after = FindPath(*after_root, prefix);
    if (after == nullptr) return true;
    std::set<std::string> before_ids = FailuresOf(checker_, checks_, *object);
    std::set<std::string> after_ids = FailuresOf(checker_, checks_, *after);
    if (!std::includes(before_ids.begin(), before_ids.end(), after_ids.begin(), after_ids.end()) ||
        after_ids.size() >= before_ids.size()) {
      return true;
    }
    std::set_difference(before_ids.begin(), before_ids.end(), after_ids.begin(), after_ids.end(),
                        std::inserter(closed_, closed_.end()));
    text = *std::move(edited);
    return true;
  }

  const CheckSet& checks_;
  Checker checker_;
  const std::set<std::string>& wanted_;
  std::set<std::string> closed_;
};

// The lines that differ, as replacements of whole lines of the original.
std::vector<FileFix::Replacement> Replacements(const std::string& original,
                                               const std::string& fixed) {
  std::vector<FileFix::Replacement> out;
  for (const DiffHunk& hunk : DiffLines(original, fixed)) {
    out.push_back({.begin = static_cast<uint32_t>(hunk.begin),
                   .end = static_cast<uint32_t>(hunk.end),
                   .begin_line = hunk.begin_line,
                   .begin_column = 1,
                   .end_line = hunk.end_line,
                   .end_column = 1,
                   .text = std::string(hunk.text)});
  }
  return out;
}

}  // namespace

Result<> AddFixes(const CheckSet& checks, const InspectOptions& options, Report& report) {
  // file → checks that fail in it and have a fix
  std::map<std::string, std::set<std::string>> wanted;
  std::map<std::string, std::vector<size_t>> findings_of;
  for (size_t i = 0; i < report.findings.size(); ++i) {
    Finding f = report.findings[i];
    if (!f.fixable) continue;
    report.findings.SetFixable(i, false);
    if (f.excused || f.evidence.place.file.empty()) continue;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(f.evidence.place.file, ignored)) continue;
    wanted[f.evidence.place.file].insert(f.check);
    findings_of[f.evidence.place.file].push_back(i);
  }
  for (const auto& [file, check_ids] : wanted) {
    std::string original = BW_TRY(ReadFile(file));
    FileFixer fixer(checks, options, check_ids);
    std::string fixed;
    size_t done = 0;
    YamlDocuments documents(original);
    while (documents.More()) {
      auto document = documents.Next();
      if (!document) break;
      auto begin = static_cast<size_t>(document->text.data() - original.data());
      fixed += std::string_view(original).substr(done, begin - done);
      fixed += fixer.FixDocument(std::string(document->text));
      done = begin + document->text.size();
    }
    fixed += std::string_view(original).substr(done);
    if (fixed == original) continue;
    FileFix change{.file = file,
                   .diff = UnifiedDiff(original, fixed, "a/" + file, "b/" + file),
                   .original = original,
                   .fixed = fixed,
                   .replacements = Replacements(original, fixed)};
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
