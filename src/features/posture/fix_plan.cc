#include "features/posture/fix.h"

#include <algorithm>
#include <set>

namespace bulwark::posture {

namespace {

// A check may fail at many places of one object; past this many it is left to a person.
constexpr size_t kMaxEdits = 500;

// The edits that a check declares, for one failure.
class Declared {
 public:
  Declared(const Check& check, const Compiled& programs, Checker& checker, const Value& object,
           Arena& arena)
      : check_(check), programs_(programs), checker_(checker), object_(object), arena_(arena) {}

  std::vector<DocumentEdit> For(const Checker::Failure& failure) {
    std::vector<DocumentEdit> edits;
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
    std::stable_sort(edits.begin(), edits.end(), [](const DocumentEdit& a, const DocumentEdit& b) {
      if (a.kind != DocumentEdit::kRemove || b.kind != DocumentEdit::kRemove) {
        return a.kind != DocumentEdit::kRemove && b.kind == DocumentEdit::kRemove;
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
               std::vector<DocumentEdit>& edits) {
    DocumentEdit edit;
    std::string_view relative;
    if (const Value* path = declared.Find("set")) {
      relative = path->IsString() ? path->AsString() : "";
      edit.value = declared.Find("toExpr") != nullptr ? computed : declared["to"];
    } else if (path = declared.Find("add"); path != nullptr) {
      edit.kind = DocumentEdit::kAppend;
      relative = path->IsString() ? path->AsString() : "";
      edit.value = declared.Find("toExpr") != nullptr ? computed : declared["value"];
    } else if (path = declared.Find("remove"); path != nullptr) {
      edit.kind = DocumentEdit::kRemove;
      relative = path->IsString() ? path->AsString() : "";
    } else {
      return false;
    }
    // "" and "." mean the node itself: what `each` stands at.
    auto steps = ParsePath(relative == "." ? "" : relative);
    edit.path = failure.node;
    for (std::string_view root : {"$object.", "$pod.", "$podMeta."}) {
      if (!relative.starts_with(root)) continue;
      steps = ParsePath(relative.substr(root.size()));
      auto pod = kube::FindPodTemplate(object_);
      edit.path = root == "$object." || !pod ? Path()
                  : root == "$pod."          ? pod->at->spec
                                             : pod->at->meta;
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

namespace {

// The object after an edit; as it was where the edit changes nothing there or cannot be made.
Value After(const Value& object, const DocumentEdit& edit, Arena& arena) {
  if (edit.kind == DocumentEdit::kAppend) {
    const Value* list = FindPath(object, edit.path);
    if (list != nullptr && list->Contains(edit.value)) return object;
  }
  auto edited = ApplyEdit(object, edit, arena);
  return edited ? *edited : object;
}

}  // namespace

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
    std::vector<DocumentEdit> edits;
    std::string path;
    checker.ForEachFailure(index, {.object = &out.fixed}, [&](const Checker::Failure& f) {
      if (!path.empty() || hopeless.contains(PathToString(f.path))) return;
      path = PathToString(f.path);
      if (path.empty()) path = ".";
      edits = Declared(check, **programs, checker, out.fixed, arena).For(f);
    });
    if (path.empty()) break;
    Value next = out.fixed;
    std::vector<DocumentEdit> made;
    for (const DocumentEdit& edit : edits) {
      Value changed = After(next, edit, arena);
      if (changed != next) made.push_back(edit);
      next = changed;
    }
    size_t after = paths_of(next).size();
    if (made.empty() || after >= left) {
      if (!hopeless.insert(path == "." ? "" : path).second) break;
      continue;
    }
    left = after;
    out.fixed = next;
    out.edits.insert(out.edits.end(), made.begin(), made.end());
  }
  out.failures_closed = at_first - left;
  return out;
}

}  // namespace bulwark::posture
