// As v1/dependencies of OPA decides: references to a local that stands for a reference are joined
// with it (`x = input.a; x.b` is input.a.b); of two references of which one is the beginning of
// the other the shorter counts.

#include "lang/rego/check/deps.h"

#include <algorithm>
#include <map>
#include <set>

#include "lang/rego/check/narrow.h"
#include "lang/rego/check/text.h"
#include "lang/rego/check/walk.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxJoined = 256;  // references that one local may stand for

// An operand: a constant, a local, or any other term.
struct Operand {
  enum class Kind : uint8_t { kConstant, kVariable, kTerm } kind = Kind::kConstant;
  Value value;
  const Variable* variable = nullptr;
  const Term* term = nullptr;
};

int CompareOperands(const Operand& a, const Operand& b) {
  // OPA sorts variables before strings but after other scalars; only that the order is total and
  // that constants are in theirs matters here.
  if (a.kind != b.kind) return a.kind < b.kind ? -1 : 1;
  if (a.kind == Operand::Kind::kConstant) return Value::Compare(a.value, b.value);
  if (a.kind == Operand::Kind::kVariable) {
    return a.variable == b.variable ? 0 : (a.variable->id < b.variable->id ? -1 : 1);
  }
  if (a.term == b.term) return 0;
  const std::string x = TermText(*a.term);
  const std::string y = TermText(*b.term);
  return x.compare(y);
}

struct Ref {
  const Variable* head = nullptr;  // nullptr: the first operand is the root's name
  std::vector<Operand> operands;
};

int Compare(const Ref& a, const Ref& b) {
  if ((a.head == nullptr) != (b.head == nullptr)) return a.head == nullptr ? -1 : 1;
  if (a.head != b.head) return a.head->id < b.head->id ? -1 : 1;
  for (size_t i = 0; i < std::min(a.operands.size(), b.operands.size()); ++i) {
    if (int c = CompareOperands(a.operands[i], b.operands[i]); c != 0) return c;
  }
  if (a.operands.size() == b.operands.size()) return 0;
  return a.operands.size() < b.operands.size() ? -1 : 1;
}

struct RefOrder {
  bool operator()(const Ref& a, const Ref& b) const { return Compare(a, b) < 0; }
};

bool HasPrefix(const Ref& ref, const Ref& prefix) {
  if (ref.head != prefix.head || ref.operands.size() < prefix.operands.size()) return false;
  for (size_t i = 0; i < prefix.operands.size(); ++i) {
    if (CompareOperands(ref.operands[i], prefix.operands[i]) != 0) return false;
  }
  return true;
}

// The path of constants that a reference begins with.
using Path = std::vector<Value>;

struct PathOrder {
  bool operator()(const Path& a, const Path& b) const {
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (int c = Value::Compare(a[i], b[i]); c != 0) return c < 0;
    }
    return a.size() < b.size();
  }
};

class BodyDependencies {
 public:
  // `head`: the terms of which the values are asked for.
  BodyDependencies(Body body, const std::vector<const Term*>& head) : body_(body), head_(head) {}

  std::vector<Ref> Find() {
    for (const Term* term : head_) {
      WalkTerms(*term, [&](const Term& t) {
        if (t.kind == TermKind::kVar && t.variable != nullptr) wanted_.insert(t.variable);
      });
    }
    std::vector<const Expr*> others;
    for (const Expr* expr : body_) {
      if (!Alias(*expr)) others.push_back(expr);
    }
    Join();
    for (const Expr* expr : others) {
      WalkRefs(*expr, [&](const Term& term) { Resolve(term); });
      LocalRefs(*expr);
      Use(*expr);
    }
    for (const Term* term : head_) {
      WalkRefs(*term, [&](const Term& t) { Resolve(t); });
    }
    // Locals within operands are used.
    for (const Expr* expr : body_) {
      WalkTerms(*expr, [&](const Term& t) {
        if (t.kind != TermKind::kRef) return;
        for (const Term* operand : t.items.subspan(1)) {
          if (operand->kind == TermKind::kVar && operand->variable != nullptr) {
            used_.insert(operand->variable);
          }
        }
      });
    }
    std::vector<Ref> aliases;
    for (const auto& [variable, refs] : joined_) {
      const bool alias =
          refs.size() == 1 && !wanted_.contains(variable) && !used_.contains(variable);
      for (const Ref& ref : refs) {
        for (const Operand& operand : ref.operands) {
          if (operand.kind != Operand::Kind::kTerm) continue;
          WalkRefs(*operand.term, [&](const Term& term) { Resolve(term); });
          LocalRefs(*operand.term);
        }
        if (alias) {
          aliases.push_back(ref);
        } else {
          Add(ref);
        }
      }
    }
    const size_t known = found_.size();
    for (Ref& ref : aliases) {
      const bool covered = std::any_of(
          found_.begin(), found_.begin() + static_cast<ptrdiff_t>(known),
          [&](const Ref& other) { return HasPrefix(ref, other) || HasPrefix(other, ref); });
      if (!covered) found_.push_back(std::move(ref));
    }
    return std::move(found_);
  }

 private:
  // A local is used where it stands alone, not where a reference begins with it.
  void Use(const Term& term) {
    if (IsLocal(term)) used_.insert(term.variable);
    const bool ref = term.kind == TermKind::kRef && IsLocal(*term.items[0]);
    for (const Term* item : term.items.subspan(ref ? 1 : 0)) Use(*item);
    for (const Expr* expr : term.body) Use(*expr);
  }

  void Use(const Expr& expr) {
    if (const Term* own = OwnTerm(expr)) Use(*own);
    for (const Term* term : expr.terms) {
      if (term != nullptr) Use(*term);
    }
    for (const Expr* inner : expr.lhs) Use(*inner);
    for (const Expr* inner : expr.rhs) Use(*inner);
    for (const With& with : expr.with) Use(*with.value);
  }

  static bool IsReference(const Term& term) {
    return term.kind == TermKind::kRef || (term.kind == TermKind::kVar && !term.resolved.empty());
  }

  static bool IsLocal(const Term& term) {
    return term.kind == TermKind::kVar && term.variable != nullptr;
  }

  static Ref RefOf(const Term& term) {
    Ref ref;
    std::span<const Value> path = term.resolved;
    if (path.empty() && term.kind == TermKind::kRef) path = term.items[0]->resolved;
    for (const Value& key : path) {
      ref.operands.push_back(
          {.kind = Operand::Kind::kConstant, .value = key, .variable = nullptr, .term = nullptr});
    }
    if (term.kind != TermKind::kRef) return ref;
    if (path.empty()) ref.head = term.items[0]->variable;
    for (const Term* item : term.items.subspan(1)) {
      Operand operand;
      if (item->kind == TermKind::kScalar) {
        operand.value = item->value;
      } else if (IsLocal(*item)) {
        operand.kind = Operand::Kind::kVariable;
        operand.variable = item->variable;
      } else {
        operand.kind = Operand::Kind::kTerm;
        operand.term = item;
      }
      ref.operands.push_back(operand);
    }
    return ref;
  }

  // `x = data.a` and `some x in data.a`: x stands for the reference.
  bool Alias(const Expr& expr) {
    std::optional<Binding> binding = BindingOf(expr);
    if (!binding) return false;
    if (binding->collection != nullptr) {
      if (!IsLocal(*binding->left) || !IsReference(*binding->collection)) return false;
      Ref ref = RefOf(*binding->collection);
      Operand key;
      key.kind = Operand::Kind::kTerm;
      key.term = expr.terms.size() == 3 ? expr.terms[0] : binding->left;
      ref.operands.push_back(key);
      joined_[binding->left->variable].insert(std::move(ref));
      return true;
    }
    const Term& left = *binding->left;
    const Term& right = *binding->right;
    if (IsLocal(left) && IsReference(right)) {
      joined_[left.variable].insert(RefOf(right));
      return true;
    }
    if (IsLocal(right) && IsReference(left)) {
      joined_[right.variable].insert(RefOf(left));
      return true;
    }
    return false;
  }

  // References by locals become references by what these stand for.
  void Join() {
    std::map<const Variable*, std::set<Ref, RefOrder>> direct;
    direct.swap(joined_);
    for (const auto& [variable, refs] : direct) joined_[variable];
    for (bool more = true; more;) {
      more = false;
      for (const auto& [variable, refs] : direct) {
        for (const Ref& ref : refs) {
          if (ref.head == nullptr) {
            more = joined_[variable].insert(ref).second || more;
            continue;
          }
          auto by = joined_.find(ref.head);
          if (by == joined_.end() || joined_[variable].size() > kMaxJoined) continue;
          const std::vector<Ref> bases(by->second.begin(), by->second.end());
          for (Ref base : bases) {
            if (base.operands.size() > kMaxJoined) continue;
            base.operands.insert(base.operands.end(), ref.operands.begin(), ref.operands.end());
            more = joined_[variable].insert(std::move(base)).second || more;
          }
        }
      }
    }
  }

  void Add(const Ref& ref) {
    if (ref.head == nullptr && !ref.operands.empty()) found_.push_back(ref);
  }

  void Resolve(const Term& term) {
    const bool named = !term.resolved.empty() ||
                       (term.kind == TermKind::kRef &&
                        (!term.items[0]->resolved.empty() || term.items[0]->variable != nullptr));
    if (!named) return;  // a built-in
    Ref ref = RefOf(term);
    if (ref.head == nullptr) {
      Add(ref);
      return;
    }
    auto at = joined_.find(ref.head);
    if (at == joined_.end()) return;
    for (Ref base : at->second) {
      base.operands.insert(base.operands.end(), ref.operands.begin(), ref.operands.end());
      Add(base);
    }
  }

  template <typename Node>
  void LocalRefs(const Node& node) {
    WalkTerms(node, [&](const Term& term) {
      if (term.kind == TermKind::kRef && term.resolved.empty() &&
          term.items[0]->variable != nullptr) {
        Resolve(term);
      }
    });
  }

  Body body_;
  const std::vector<const Term*>& head_;
  std::set<const Variable*> wanted_;
  std::set<const Variable*> used_;
  std::map<const Variable*, std::set<Ref, RefOrder>> joined_;
  std::vector<Ref> found_;
};

class DependencyWalk {
 public:
  explicit DependencyWalk(const Resolution& policy) : policy_(policy) {}

  void Add(Body body, const std::vector<const Term*>& head) {
    std::vector<Ref> refs = BodyDependencies(body, head).Find();
    std::ranges::sort(refs, RefOrder());
    const Ref* last = nullptr;
    for (const Ref& ref : refs) {
      if (last != nullptr && HasPrefix(ref, *last)) continue;
      last = &ref;
      Follow(ref);
    }
  }

  void Add(const RuleInfo& info) {
    if (!visited_.insert(&info).second) return;
    for (const Rule* rule = info.rule; rule != nullptr; rule = rule->else_rule) {
      std::vector<const Term*> head;
      ForEachHeadTerm(rule->head, [&](const Term& term) { head.push_back(&term); });
      Add(rule->body, head);
    }
  }

  Dependencies Done() const {
    Dependencies out;
    for (const Path& path : base_) out.base.push_back(PathText(path));
    for (const Path& path : virtual_) out.virtual_documents.push_back(PathText(path));
    return out;
  }

 private:
  void Follow(const Ref& ref) {
    Path path;
    for (const Operand& operand : ref.operands) {
      if (operand.kind != Operand::Kind::kConstant) break;
      path.push_back(operand.value);
    }
    std::vector<const RuleInfo*> rules;
    if (path[0].IsString() && path[0].AsString() == "data") {
      // The rules at the path, on the way to it, and below it.
      const TreeNode* node = policy_.root();
      for (size_t i = 1; i < path.size() && node != nullptr; ++i) {
        node = node->Child(path[i]);
        if (node != nullptr && !node->rules.empty() && i + 1 < path.size()) {
          rules.insert(rules.end(), node->rules.begin(), node->rules.end());
          node = nullptr;
        }
      }
      if (node != nullptr) Below(*node, rules);
    }
    if (rules.empty()) {
      base_.insert(std::move(path));
      return;
    }
    for (const RuleInfo* rule : rules) {
      Path rule_path;
      for (const TreeNode* node = rule->node; node->parent != nullptr; node = node->parent) {
        rule_path.push_back(node->key);
      }
      rule_path.push_back(Value::String("data"));
      std::ranges::reverse(rule_path);
      virtual_.insert(std::move(rule_path));
      Add(*rule);
    }
  }

  static void Below(const TreeNode& node, std::vector<const RuleInfo*>& rules) {
    rules.insert(rules.end(), node.rules.begin(), node.rules.end());
    for (const auto& [key, child] : node.children) Below(*child, rules);
  }

  const Resolution& policy_;
  std::set<const RuleInfo*> visited_;
  std::set<Path, PathOrder> base_;
  std::set<Path, PathOrder> virtual_;
};

}  // namespace

Dependencies QueryDependencies(const Resolution& policy, const ResolvedQuery& query) {
  // Every variable of a query is its result.
  std::vector<const Term*> head;
  for (const Expr* expr : query.query->body) {
    WalkTerms(*expr, [&](const Term& term) {
      if (term.kind == TermKind::kVar && term.variable != nullptr && !term.variable->wildcard()) {
        head.push_back(&term);
      }
    });
  }
  DependencyWalk walk(policy);
  walk.Add(query.query->body, head);
  return walk.Done();
}

Dependencies RuleDependencies(const Resolution& policy, const RuleInfo& rule) {
  DependencyWalk walk(policy);
  walk.Add(rule);
  return walk.Done();
}

}  // namespace bulwark::rego
