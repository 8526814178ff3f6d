// Rules that contradict each other, a package or a base document.

#include <algorithm>
#include <unordered_map>

#include "lang/rego/check/stages.h"
#include "lang/rego/check/text.h"

namespace bulwark::rego {

namespace {

constexpr std::string_view kTypeError = "rego_type_error";
constexpr std::string_view kCompileError = "rego_compile_error";

struct Found {
  std::vector<Value> path;
  const RuleInfo* rule;
};

std::vector<Value> PathOf(const TreeNode& at) {
  std::vector<Value> path;
  for (const TreeNode* node = &at; node->parent != nullptr; node = node->parent) {
    path.push_back(node->key);
  }
  std::ranges::reverse(path);
  return path;
}

int ComparePaths(const std::vector<Value>& a, const std::vector<Value>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (int c = Value::Compare(a[i], b[i]); c != 0) return c;
  }
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

bool HasPrefix(const std::vector<Value>& path, const std::vector<Value>& prefix) {
  return path.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), path.begin(),
                    [](const Value& a, const Value& b) { return Value::Equal(a, b); });
}

// The rules below a node, each without those below itself, in the order of their paths.
class Below {
 public:
  Below(const TreeNode& node, bool functions_only) : functions_only_(functions_only) {
    for (const auto& [key, child] : node.children) Collect(*child);
    std::ranges::stable_sort(
        found_, [](const Found& a, const Found& b) { return ComparePaths(a.path, b.path) < 0; });
  }
  const std::vector<Found>& found() const { return found_; }

 private:
  void Collect(const TreeNode& node) {
    for (const RuleInfo* rule : node.rules) {
      if (functions_only_ && rule->rule->head.args.empty()) continue;
      std::vector<Value> path = PathOf(node);
      const bool covered = std::ranges::any_of(
          found_, [&](const Found& other) { return HasPrefix(path, other.path); });
      if (!covered) found_.push_back({std::move(path), rule});
    }
    for (const auto& [key, child] : node.children) Collect(*child);
  }
  bool functions_only_;
  std::vector<Found> found_;
};

class ConflictCheck {
 public:
  ConflictCheck(const CheckContext& context, Diagnostics& errors)
      : context_(context), errors_(errors) {}

  void Run() {
    for (const auto& [key, child] : context_.policy.root()->children) Node(*child);
    if (context_.options.base_exists) BaseDocuments();
    Packages();
  }

 private:
  void Node(const TreeNode& node) {
    if (!node.rules.empty()) Rules(node);
    for (const auto& [key, child] : node.children) Node(*child);
  }

  void Rules(const TreeNode& node) {
    size_t complete = 0;
    size_t partial = 0;
    size_t sets = 0;
    size_t set_members = 0;
    size_t object_members = 0;
    bool ground = false;
    bool same_arity = true;
    std::vector<const RuleInfo*> defaults;
    const size_t arity = node.rules[0]->rule->head.args.size();
    for (const RuleInfo* info : node.rules) {
      const bool is_ground = info->dynamic.empty();
      const bool is_set = info->kind == RuleKind::kPartialSet;
      ground = ground || is_ground;
      same_arity = same_arity && info->rule->head.args.size() == arity;
      ++(is_ground && !is_set ? complete : partial);
      if (is_set) ++sets;
      if (is_set) ++(is_ground ? set_members : object_members);
      if (info->rule->is_default) defaults.push_back(info);
    }
    const RuleInfo& first = *node.rules[0];
    std::string name = RuleText(*node.rules.back()->rule);
    if (!node.children.empty()) {
      Below below(node, !ground);
      const bool dynamic = std::ranges::any_of(
          node.rules, [](const RuleInfo* info) { return !info->dynamic.empty(); });
      if ((ground || dynamic) && !below.found().empty()) {
        std::string message = "rule " + name + " conflicts with:";
        for (const Found& found : below.found()) {
          message += "\n  rule " + RuleText(*found.rule->rule) + " at " +
                     PlaceText(found.rule->module, found.rule->rule->at);
        }
        Report(kTypeError, first.module, first.rule->at, std::move(message));
        return;
      }
    }
    const bool kinds = sets != 0 && sets != node.rules.size();
    if (kinds || !same_arity || (complete != 0 && partial != 0) ||
        (set_members != 0 && object_members != 0)) {
      Report(kTypeError, first.module, first.rule->at, "conflicting rules " + name + " found");
      return;
    }
    if (defaults.size() > 1) {
      std::string message = "multiple default rules " + name + " found at ";
      for (const RuleInfo* info : defaults) {
        if (info != defaults[0]) message += ", ";
        message += PlaceText(info->module, info->rule->at);
      }
      Report(kTypeError, defaults[0]->module, defaults[0]->module->package.at, std::move(message));
    }
  }

  void BaseDocuments() {
    const TreeNode* root = context_.policy.root();
    const std::vector<std::string>& roots = context_.options.base_roots;
    if (roots.empty() || std::ranges::find(roots, "") != roots.end()) {
      std::vector<std::string_view> path;
      for (const auto& [key, child] : root->children) BaseDocument(*child, path);
      return;
    }
    for (const std::string& text : roots) {
      std::vector<std::string_view> path;
      const TreeNode* node = root;
      for (size_t start = 0; start <= text.size() && node != nullptr;) {
        size_t end = std::min(text.find('/', start), text.size());
        path.push_back(std::string_view(text).substr(start, end - start));
        node = node->Child(Value::String(path.back()));
        start = end + 1;
      }
      if (node == nullptr) continue;
      for (const auto& [key, child] : node->children) BaseDocument(*child, path);
    }
  }

  void BaseDocument(const TreeNode& node, std::vector<std::string_view>& path) {
    if (!node.key.IsString()) return;
    path.push_back(node.key.AsString());
    if (!node.rules.empty() && context_.options.base_exists(path)) {
      std::string text;
      for (std::string_view part : path) {
        if (!text.empty()) text += '/';
        text += part;
      }
      Report(kCompileError, node.rules[0]->module, node.rules[0]->rule->at,
             "conflicting rule for data path " + text + " found");
    } else {
      for (const auto& [key, child] : node.children) BaseDocument(*child, path);
    }
    path.pop_back();
  }

  // A rule and a package of the same path.
  void Packages() {
    std::unordered_map<const TreeNode*, std::vector<const Module*>> modules;
    for (const auto& module : context_.policy.modules) {
      const TreeNode* node = context_.policy.root();
      for (size_t i = 1; i < module->package.path.size() && node != nullptr; ++i) {
        node = node->Child(module->package.path[i]->value);
      }
      if (node != nullptr) modules[node].push_back(module.get());
    }
    for (const RuleInfo& info : context_.policy.rules) {
      if (!info.dynamic.empty()) continue;
      auto at = modules.find(info.node);
      if (at == modules.end()) continue;
      for (const Module* module : at->second) {
        std::string package = PathText(PathOf(*info.node));
        Report(kTypeError, info.module, info.module->package.at,
               "package " + package + " conflicts with rule " + HeadText(info.rule->head) +
                   " defined at " + PlaceText(info.module, info.rule->at));
        if (module == info.module) break;
      }
    }
  }

  void Report(std::string_view code, const Module* module, const Location& at,
              std::string message) {
    errors_.push_back(MakeDiagnostic(code, module, at, std::move(message)));
  }

  const CheckContext& context_;
  Diagnostics& errors_;
};

}  // namespace

void CheckConflicts(const CheckContext& context, Diagnostics& errors) {
  ConflictCheck(context, errors).Run();
}

}  // namespace bulwark::rego
