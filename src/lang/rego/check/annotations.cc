#include "lang/rego/check/annotations.h"

#include <algorithm>

#include "lang/rego/check/stages.h"
#include "lang/rego/check/text.h"

namespace bulwark::rego {

namespace {

int ComparePaths(std::span<const Value> a, std::span<const Value> b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (int c = Value::Compare(a[i], b[i]); c != 0) return c;
  }
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

bool Before(const Location& a, const Location& b) {
  return a.row != b.row ? a.row < b.row : a.column < b.column;
}

}  // namespace

bool AnnotationSet::PathOrder::operator()(const std::vector<Value>& a,
                                          const std::vector<Value>& b) const {
  return ComparePaths(a, b) < 0;
}

std::vector<Value> PackagePath(const Module& module) {
  std::vector<Value> path = {Value::String("data")};
  for (size_t i = 1; i < module.package.path.size(); ++i) {
    path.push_back(module.package.path[i]->value);
  }
  return path;
}

std::vector<Value> RulePath(const Rule& rule) {
  std::vector<Value> path = PackagePath(*rule.module);
  path.push_back(Value::String(rule.head.name));
  for (size_t i = 1; i < rule.head.ref.size(); ++i) {
    if (rule.head.ref[i]->kind != TermKind::kScalar) break;
    path.push_back(rule.head.ref[i]->value);
  }
  return path;
}

bool AnnotationSet::AddOnce(ByPath& to, AnnotationLink link, std::vector<Diagnostic>& errors) {
  auto [at, fresh] = to.try_emplace(link.path, link);
  if (fresh) return true;
  errors.push_back(MakeDiagnostic(
      "rego_type_error", link.module, link.annotations->at,
      std::string(link.annotations->scope) +
          " annotation redeclared: " + PlaceText(at->second.module, at->second.annotations->at)));
  return false;
}

void AnnotationSet::Add(std::span<const std::unique_ptr<Module>> modules,
                        std::vector<Diagnostic>& errors) {
  for (const auto& module : modules) {
    for (const Annotations* annotations : module->annotations) {
      AnnotationLink link{.path = {}, .annotations = annotations, .module = module.get(), .at = {}};
      const Rule* rule = annotations->rule;
      link.path = rule != nullptr ? RulePath(*rule) : PackagePath(*module);
      link.at = rule != nullptr ? rule->at : module->package.at;
      if (annotations->scope == "rule") {
        if (rule == nullptr) continue;
        by_rule_[rule].push_back(annotations);
      } else if (annotations->scope == "package") {
        if (!AddOnce(by_package_, link, errors)) continue;
      } else if (!AddOnce(by_path_, link, errors)) {
        continue;
      }
      all_.push_back(std::move(link));
    }
  }
}

std::span<const Annotations* const> AnnotationSet::RuleScope(const Rule& rule) const {
  auto at = by_rule_.find(&rule);
  if (at == by_rule_.end()) return {};
  return at->second;
}

const Annotations* AnnotationSet::DocumentScope(std::span<const Value> path) const {
  if (by_path_.empty()) return nullptr;
  auto at = by_path_.find(std::vector<Value>(path.begin(), path.end()));
  return at == by_path_.end() ? nullptr : at->second.annotations;
}

const Annotations* AnnotationSet::PackageScope(std::span<const Value> path) const {
  if (by_package_.empty()) return nullptr;
  auto at = by_package_.find(std::vector<Value>(path.begin(), path.end()));
  return at == by_package_.end() ? nullptr : at->second.annotations;
}

std::vector<AnnotationLink> AnnotationSet::SubpackagesScope(std::span<const Value> path) const {
  std::vector<AnnotationLink> found;
  if (by_path_.empty()) return found;
  for (size_t length = 1; length <= path.size(); ++length) {
    auto at = by_path_.find(
        std::vector<Value>(path.begin(), path.begin() + static_cast<ptrdiff_t>(length)));
    if (at != by_path_.end()) found.push_back(at->second);
  }
  return found;
}

std::vector<AnnotationLink> AnnotationSet::Links(const RuleInfo& info) const {
  const Rule& rule = *info.rule;
  const std::vector<Value> path = RulePath(rule);
  const std::vector<Value> package = PackagePath(*info.module);
  std::vector<AnnotationLink> links;
  for (const Annotations* own : RuleScope(rule)) {
    links.push_back({.path = path, .annotations = own, .module = info.module, .at = rule.at});
  }
  std::ranges::stable_sort(links, [](const AnnotationLink& a, const AnnotationLink& b) {
    return Before(b.annotations->at, a.annotations->at);
  });
  if (links.empty()) {
    links.push_back({.path = path, .annotations = nullptr, .module = info.module, .at = rule.at});
  }
  if (auto at = by_path_.find(path); at != by_path_.end()) links.push_back(at->second);
  if (auto at = by_package_.find(package); at != by_package_.end()) links.push_back(at->second);
  std::vector<AnnotationLink> around = SubpackagesScope(package);
  links.insert(links.end(), around.rbegin(), around.rend());
  return links;
}

Value AnnotationValue(const Annotations& annotations, Arena& arena) {
  MapBuilder map(arena);
  if (!annotations.scope.empty()) map.Add("scope", Value::String(annotations.scope));
  for (const Value::Entry& entry : annotations.value.entries()) {
    const bool left_out = entry.key.IsString() &&
                          (entry.key.AsString() == "scope" || entry.key.AsString() == "compile");
    if (!left_out) map.Add(entry.key, entry.value);
  }
  return map.Finish();
}

Value AnnotationSet::Chain(const RuleInfo& rule, Arena& arena) const {
  std::vector<Value> chain;
  for (const AnnotationLink& link : Links(rule)) {
    MapBuilder map(arena);
    map.Add("path", Value::Array(arena, std::span<const Value>(link.path).subspan(1)));
    if (link.annotations != nullptr) {
      map.Add("annotations", AnnotationValue(*link.annotations, arena));
    }
    chain.push_back(map.Finish());
  }
  return Value::Array(arena, chain);
}

Value AnnotationSet::RuleMetadata(const RuleInfo& rule, Arena& arena) const {
  const Annotations* first = nullptr;
  for (const Annotations* own : RuleScope(*rule.rule)) {
    if (first == nullptr || Before(own->at, first->at)) first = own;
  }
  return first != nullptr ? AnnotationValue(*first, arena) : Value::EmptyMap();
}

std::vector<AnnotationLink> AnnotationSet::All() const {
  std::vector<AnnotationLink> sorted = all_;
  std::ranges::stable_sort(sorted, [](const AnnotationLink& a, const AnnotationLink& b) {
    if (int c = ComparePaths(a.path, b.path); c != 0) return c < 0;
    if (a.module != b.module) return a.module->file < b.module->file;
    return Before(a.annotations->at, b.annotations->at);
  });
  return sorted;
}

std::vector<std::vector<Value>> AnnotationSet::Entrypoints() const {
  std::vector<std::vector<Value>> paths;
  for (const AnnotationLink& link : All()) {
    if (link.annotations->entrypoint &&
        (paths.empty() || ComparePaths(paths.back(), link.path) != 0)) {
      paths.push_back(link.path);
    }
  }
  return paths;
}

std::vector<Value> AnnotationSet::Schemas(const RuleInfo& rule) const {
  std::vector<Value> schemas;
  if (all_.empty()) return schemas;
  auto add = [&](const Annotations* annotations) {
    if (annotations == nullptr) return;
    const Value list = annotations->value["schemas"];
    schemas.insert(schemas.end(), list.items().begin(), list.items().end());
  };
  const std::vector<Value> package = PackagePath(*rule.module);
  for (const AnnotationLink& link : SubpackagesScope(package)) add(link.annotations);
  add(PackageScope(package));
  add(DocumentScope(RulePath(*rule.rule)));
  for (const Annotations* own : RuleScope(*rule.rule)) add(own);
  return schemas;
}

}  // namespace bulwark::rego
