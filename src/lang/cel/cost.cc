#include "lang/cel/cost.h"

#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/text.h"

namespace bulwark::cel {

namespace {

// Cost units, which Kubernetes' budgets are stated in (cel-go: common/cost.go).
constexpr uint64_t kSelectAndIdentCost = 1;
constexpr uint64_t kListCost = 10;
constexpr uint64_t kMapCost = 30;
constexpr uint64_t kStructCost = 40;
constexpr double kStringTraversalFactor = 0.1;
// A guess: an expression within a regular expression is about four characters long.
constexpr double kRegexLengthFactor = 0.25;

constexpr Range kUnknownSize{0, kMaxCost};

constexpr Range Fixed(uint64_t n) { return {n, n}; }

uint64_t MultiplyByFactor(uint64_t size, double factor) {
  const double product = std::ceil(static_cast<double>(size) * factor);
  return product >= 0x1p64 ? kMaxCost : static_cast<uint64_t>(product);
}

// The standard library's functions whose cost is not 1.
enum class Formula {
  kFormat,
  kStringToBytes,
  kBytesToString,
  kQuote,
  kAffix,
  kInList,
  kMatches,
  kContains,
  kLogic,
  kConditional,
  kConcat,
  kConcatList,
  kCompare,
  kIndexList,
  kIndexMap,
};

const Formula* FindFormula(std::string_view overload_id) {
  static const std::unordered_map<std::string_view, Formula> formulas = {
      {"string_format", Formula::kFormat},
      {"string_to_bytes", Formula::kStringToBytes},
      {"bytes_to_string", Formula::kBytesToString},
      {"strings_quote", Formula::kQuote},
      {"starts_with_string", Formula::kAffix},
      {"ends_with_string", Formula::kAffix},
      {"in_list", Formula::kInList},
      {"matches_string", Formula::kMatches},
      {"contains_string", Formula::kContains},
      {"logical_or", Formula::kLogic},
      {"logical_and", Formula::kLogic},
      {"conditional", Formula::kConditional},
      {"add_string", Formula::kConcat},
      {"add_bytes", Formula::kConcat},
      {"add_list", Formula::kConcatList},
      {"less_string", Formula::kCompare},
      {"less_bytes", Formula::kCompare},
      {"less_equals_string", Formula::kCompare},
      {"less_equals_bytes", Formula::kCompare},
      {"greater_string", Formula::kCompare},
      {"greater_bytes", Formula::kCompare},
      {"greater_equals_string", Formula::kCompare},
      {"greater_equals_bytes", Formula::kCompare},
      {"equals", Formula::kCompare},
      {"not_equals", Formula::kCompare},
      {"index_list", Formula::kIndexList},
      {"index_map", Formula::kIndexMap},
  };
  auto at = formulas.find(overload_id);
  return at != formulas.end() ? &at->second : nullptr;
}

// Of a size known from the type alone: one that is no text, bytes, list, map or message.
bool IsScalar(Type type) {
  switch (type.kind()) {
    case TypeKind::kBool:
    case TypeKind::kInt:
    case TypeKind::kUint:
    case TypeKind::kDouble:
    case TypeKind::kTimestamp:
    case TypeKind::kDuration: return true;
    case TypeKind::kWrapper: return IsScalar(type.params()[0]);
    default: return type.IsOptional() && IsScalar(type.params()[0]);
  }
}

// What stands literally in the expression has its size.
std::optional<Range> LiteralSize(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral:
      if (expr.literal.IsString()) return Fixed(CountCodePoints(expr.literal.AsString()));
      if (expr.literal.IsBytes()) return Fixed(expr.literal.size());
      return Fixed(1);
    case ExprKind::kList: return Fixed(expr.args.size());
    case ExprKind::kMap: return Fixed(expr.entries.size());
    default: return std::nullopt;
  }
}

class Estimator final : public CostContext {
 public:
  Estimator(const Ast& ast, const SizeHints* hints, const CostOptions& options)
      : ast_(ast),
        hints_(hints),
        presence_test_cost_(options.presence_test_has_cost ? kSelectAndIdentCost : 0),
        facts_(static_cast<size_t>(ast.max_id) + 1) {}

  Range Cost(const Expr* expr) {
    switch (expr->kind) {
      case ExprKind::kLiteral: return Fixed(0);
      case ExprKind::kIdent: return IdentCost(expr);
      case ExprKind::kSelect: return SelectCost(expr);
      case ExprKind::kCall: return CallCost(expr);
      case ExprKind::kList: return ListCost(expr);
      case ExprKind::kMap: return MapCost(expr);
      case ExprKind::kStruct: return StructCost(expr);
      case ExprKind::kComprehension:
        return IsBinding(*expr->loop) ? BindingCost(expr) : LoopCost(expr);
    }
    return {};
  }

  // CostContext:
  Range SizeOf(const Expr* operand) override { return KnownSizeOf(operand).value_or(kUnknownSize); }
  Type TypeOf(const Expr* operand) override { return ast_.types[static_cast<size_t>(operand->id)]; }
  const SizeHints* hints() override { return hints_; }

  std::optional<Range> KnownSizeOf(const Expr* operand) override {
    Facts& facts = FactsOf(operand);
    if (facts.size) return facts.size;
    if (std::optional<Range> size = LiteralSize(*operand)) return size;
    if (hints_ != nullptr) {
      facts.size = hints_->SizeOf(Spell(PathOf(operand)), TypeOf(operand));
      if (facts.size) return facts.size;
    }
    if (IsScalar(TypeOf(operand))) return Fixed(1);
    const Local* local = FindLocal(operand);
    return local != nullptr ? local->size : std::nullopt;
  }

  Range ElementSizeOf(const Expr* list) override {
    if (hints_ == nullptr || TypeOf(list).params().empty()) return kUnknownSize;
    const Step* path = PathOf(list);
    if (path != nullptr && RootOf(path)->name == "@result") path = nullptr;
    if (path != nullptr) path = Extend(path, "@items");
    return hints_->SizeOf(Spell(path), TypeOf(list).params()[0]).value_or(kUnknownSize);
  }

 private:
  // A path from a variable: its last step, which knows the one before. nullptr: no path.
  struct Step {
    const Step* before;
    std::string_view name;
  };

  // What is known of the entries of a list or map.
  struct Entries {
    TypeKind container;
    Range key;
    Range value;
  };

  // What has been found out about a node.
  struct Facts {
    const Step* path = nullptr;
    std::optional<Range> size;
    std::optional<Entries> entries;
  };

  struct Local {
    std::string_view name;
    const Step* path;
    std::optional<Range> size;
    std::optional<Entries> entries;
  };

  Facts& FactsOf(const Expr* expr) { return facts_[static_cast<size_t>(expr->id)]; }

  // --- Paths and sizes --------------------------------------------------------------------------

  const Step* Extend(const Step* before, std::string_view name) {
    return paths_.New<Step>(Step{before, name});
  }
  static const Step* RootOf(const Step* path) {
    while (path->before != nullptr) path = path->before;
    return path;
  }
  static std::vector<std::string> Spell(const Step* path) {
    std::vector<std::string> names;
    for (; path != nullptr; path = path->before)
      names.insert(names.begin(), std::string(path->name));
    return names;
  }

  const Local* FindLocal(const Expr* ident) const {
    if (ident->kind != ExprKind::kIdent) return nullptr;
    for (size_t i = locals_.size(); i-- > 0;) {
      if (locals_[i].name == ident->name) return &locals_[i];
    }
    return nullptr;
  }

  const Step* PathOf(const Expr* expr) {
    const Local* local = FindLocal(expr);
    return local != nullptr ? local->path : FactsOf(expr).path;
  }

  std::optional<Entries> EntriesOf(const Expr* expr) {
    if (FactsOf(expr).entries) return FactsOf(expr).entries;
    const Local* local = FindLocal(expr);
    return local != nullptr ? local->entries : std::nullopt;
  }

  static std::optional<Entries> UnionOf(const std::optional<Entries>& a,
                                        const std::optional<Entries>& b) {
    if (!a || !b) return std::nullopt;
    return Entries{a->container, Union(a->key, b->key), Union(a->value, b->value)};
  }

  void SetSize(const Expr* expr, const std::optional<Range>& size) {
    if (size) FactsOf(expr).size = size;
  }
  void SetEntries(const Expr* expr, const std::optional<Entries>& entries) {
    if (entries) FactsOf(expr).entries = entries;
  }

  // --- Names and fields -------------------------------------------------------------------------

  Range IdentCost(const Expr* expr) {
    const Local* local = FindLocal(expr);
    FactsOf(expr).path = local != nullptr ? local->path : Extend(nullptr, expr->name);
    return Fixed(kSelectAndIdentCost);
  }

  Range SelectCost(const Expr* expr) {
    if (expr->test_only) return Fixed(presence_test_cost_) + Cost(expr->operand);
    Range cost = Cost(expr->operand);
    const TypeKind kind = TypeOf(expr->operand).kind();
    if (kind == TypeKind::kMap || kind == TypeKind::kStruct) {
      cost = cost + Fixed(kSelectAndIdentCost);
    }
    FactsOf(expr).path = Extend(PathOf(expr->operand), expr->name);
    return cost;
  }

  // --- Aggregates -------------------------------------------------------------------------------

  // Grows to hold one size after the other.
  struct Span {
    explicit Span(bool none) : range{none ? 0 : kMaxCost, 0} {}
    void Add(Range size) { range = Union(range, size); }
    Range range;
  };

  Range ListCost(const Expr* expr) {
    Range cost = Fixed(kListCost);
    Span items(expr->args.empty());
    for (const Expr* item : expr->args) {
      cost = cost + Cost(item);
      items.Add(SizeOf(item));
    }
    SetEntries(expr, Entries{TypeKind::kList, Fixed(1), items.range});
    return cost;
  }

  Range MapCost(const Expr* expr) {
    Range cost = Fixed(kMapCost);
    Span keys(expr->entries.empty()), values(expr->entries.empty());
    for (const MapEntry& entry : expr->entries) {
      cost = cost + Cost(entry.key) + Cost(entry.value);
      keys.Add(SizeOf(entry.key));
      values.Add(SizeOf(entry.value));
    }
    SetEntries(expr, Entries{TypeKind::kMap, keys.range, values.range});
    return cost;
  }

  Range StructCost(const Expr* expr) {
    Range cost = Fixed(kStructCost);
    for (const MapEntry& entry : expr->entries) cost = cost + Cost(entry.value);
    return cost;
  }

  // --- Comprehensions ---------------------------------------------------------------------------

  // cel.bind() and its like: a loop over nothing, to give a value a name.
  static bool IsBinding(const Comprehension& fold) {
    return fold.range->kind == ExprKind::kList && fold.range->args.empty() &&
           fold.condition->kind == ExprKind::kLiteral && fold.condition->literal.IsFalse() &&
           fold.accu != "__result__";
  }

  Range BindingCost(const Expr* expr) {
    const Comprehension& fold = *expr->loop;
    Range cost = Cost(fold.range) + Cost(fold.accu_init);
    PushAccumulator(fold);
    cost = cost + Cost(fold.result);
    locals_.pop_back();
    SetSize(expr, KnownSizeOf(fold.result));
    SetEntries(expr, EntriesOf(fold.result));
    return cost;
  }

  void PushAccumulator(const Comprehension& fold) {
    locals_.push_back({fold.accu, PathOf(fold.accu_init), KnownSizeOf(fold.accu_init),
                       EntriesOf(fold.accu_init)});
  }

  enum class Part { kKey, kValue, kSingle };

  // A loop's variable: a list's items or a map's keys, or one of both where there are two
  // variables.
  void PushVariable(std::string_view name, const Expr* range, Part part) {
    const std::optional<Entries> entries = EntriesOf(range);
    const TypeKind container = entries ? entries->container : TypeOf(range).kind();
    const bool list = container == TypeKind::kList;
    const bool value = part == Part::kValue || (part == Part::kSingle && list);
    std::string_view step = "@keys";
    if (value) {
      step = list ? "@items" : "@values";
    } else if (list) {
      step = "@indices";
    }
    std::optional<Range> size;
    if (entries) size = value ? entries->value : entries->key;
    locals_.push_back({name, Extend(PathOf(range), step), size, std::nullopt});
  }

  Range LoopCost(const Expr* expr) {
    const Comprehension& fold = *expr->loop;
    Range cost = Cost(fold.range) + Cost(fold.accu_init);
    PushAccumulator(fold);
    const size_t scope = locals_.size();
    if (fold.var2.empty()) {
      PushVariable(fold.var, fold.range, Part::kSingle);
    } else {
      PushVariable(fold.var, fold.range, Part::kKey);
      PushVariable(fold.var2, fold.range, Part::kValue);
    }
    const Range condition = Cost(fold.condition);
    const Range turn = Cost(fold.step) + condition;
    locals_.resize(scope);
    cost = cost + Cost(fold.result);
    locals_.resize(scope - 1);

    const Range turns = SizeOf(fold.range);
    cost = cost + turns * turn;
    switch (fold.accu_init->kind) {
      case ExprKind::kLiteral: SetSize(expr, KnownSizeOf(fold.accu_init)); break;
      case ExprKind::kList:
      case ExprKind::kMap:
        SetSize(expr, turns);
        SetEntries(expr, EntriesOf(fold.step));
        break;
      default: break;
    }
    return cost;
  }

  // --- Calls ------------------------------------------------------------------------------------

  Range CallCost(const Expr* expr) {
    if (expr->name == "dyn" && expr->operand == nullptr && expr->args.size() == 1) {
      // Only tells the checker something.
      const Range cost = Fixed(1) + Cost(expr->args[0]);
      SetSize(expr, KnownSizeOf(expr->args[0]));
      SetEntries(expr, EntriesOf(expr->args[0]));
      return cost;
    }
    std::vector<Range> arg_costs;
    arg_costs.reserve(expr->args.size());
    for (const Expr* arg : expr->args) arg_costs.push_back(Cost(arg));
    const std::span<const Overload* const> overloads =
        ast_.references[static_cast<size_t>(expr->id)].overloads;
    if (overloads.empty()) return {};
    Range cost;
    if (expr->operand != nullptr) cost = Cost(expr->operand);

    // Whichever overload it will be.
    Range call{kMaxCost, 0};
    std::optional<Range> size;
    for (const Overload* overload : overloads) {
      const CallEstimate estimate = OverloadCost(expr, *overload, arg_costs);
      call = Union(call, estimate.cost);
      if (estimate.result_size) {
        size = size ? Union(*size, *estimate.result_size) : *estimate.result_size;
      }
      FollowIndex(expr, *overload, size);
      if (!size) size = KnownSizeOf(expr);
    }
    SetSize(expr, size);
    return cost + call;
  }

  // list[i] and map[key] go on with the path, and have the size of an entry.
  void FollowIndex(const Expr* expr, const Overload& overload, std::optional<Range>& size) {
    const Formula* formula = FindFormula(overload.id);
    if (formula == nullptr) return;
    const bool list = *formula == Formula::kIndexList;
    if (!list && *formula != Formula::kIndexMap) return;
    const std::optional<Entries> entries = EntriesOf(expr->args[0]);
    size = entries ? std::optional(entries->value) : std::nullopt;
    FactsOf(expr).path = Extend(PathOf(expr->args[0]), list ? "@items" : "@values");
  }

  CallEstimate OverloadCost(const Expr* expr, const Overload& overload,
                            std::span<const Range> arg_costs) {
    Range args_cost;
    for (Range arg : arg_costs) args_cost = args_cost + arg;
    if (overload.estimated_cost != nullptr) {
      if (auto estimate = overload.estimated_cost(*this, expr->operand, expr->args)) {
        estimate->cost = estimate->cost + args_cost;
        return *estimate;
      }
    }
    if (const Formula* formula = FindFormula(overload.id)) {
      if (auto estimate = FormulaCost(*formula, expr, arg_costs, args_cost)) return *estimate;
    }
    return {Fixed(1) + args_cost, std::nullopt};
  }

  std::optional<CallEstimate> FormulaCost(Formula formula, const Expr* expr,
                                          std::span<const Range> arg_costs, Range args_cost) {
    const Expr* target = expr->operand;
    const std::span<const Expr* const> args = expr->args;
    auto traversal = [](Range size) { return MultiplyByFactor(size, kStringTraversalFactor); };
    auto all = [&](Range cost, std::optional<Range> size = std::nullopt) {
      return CallEstimate{cost + args_cost, size};
    };
    switch (formula) {
      case Formula::kFormat:
        if (target == nullptr) return std::nullopt;
        return all(traversal(SizeOf(target)));
      case Formula::kStringToBytes: {
        if (args.size() != 1) return std::nullopt;
        const Range size = SizeOf(args[0]);  // a character is up to four bytes
        return all(traversal(size), Range{size.min, SaturatingMultiply(size.max, 4)});
      }
      case Formula::kBytesToString: {
        if (args.size() != 1) return std::nullopt;
        const Range size = SizeOf(args[0]);
        return all(traversal(size), Range{size.min / 4, size.max});
      }
      case Formula::kQuote: {
        if (args.size() != 1) return std::nullopt;
        const Range size = SizeOf(args[0]);  // each character may have to be escaped
        return all(traversal(size), size * Range{1, 2} + Fixed(2));
      }
      case Formula::kAffix:
        if (args.size() != 1) return std::nullopt;
        return all(traversal(SizeOf(args[0])));
      case Formula::kInList:
        if (args.size() != 2) return std::nullopt;
        return all(MultiplyByFactor(SizeOf(args[1]), 1));
      case Formula::kMatches: {
        if (target == nullptr || args.size() != 1) return std::nullopt;
        // One more than there is, so that an expensive expression on nothing is not free.
        const Range text = traversal(SizeOf(target) + Fixed(1));
        return all(text * MultiplyByFactor(SizeOf(args[0]), kRegexLengthFactor));
      }
      case Formula::kContains:
        if (target == nullptr || args.size() != 1) return std::nullopt;
        return all(traversal(SizeOf(target)) * traversal(SizeOf(args[0])));
      case Formula::kLogic: {
        // At best the first operand decides.
        if (arg_costs.empty()) return std::nullopt;
        return CallEstimate{{arg_costs[0].min, args_cost.max}, std::nullopt};
      }
      case Formula::kConditional: {
        if (args.size() != 3) return std::nullopt;
        SetEntries(expr, UnionOf(EntriesOf(args[1]), EntriesOf(args[2])));
        return CallEstimate{arg_costs[0] + Union(arg_costs[1], arg_costs[2]),
                            Union(SizeOf(args[1]), SizeOf(args[2]))};
      }
      case Formula::kConcat:
      case Formula::kConcatList: {
        if (args.size() != 2) return std::nullopt;
        const Range size = SizeOf(args[0]) + SizeOf(args[1]);
        SetEntries(expr, UnionOf(EntriesOf(args[0]), EntriesOf(args[1])));
        return all(formula == Formula::kConcat ? traversal(size) : Fixed(1), size);
      }
      case Formula::kCompare: {
        if (args.size() != 2) return std::nullopt;
        const uint64_t shorter = std::min(SizeOf(args[0]).max, SizeOf(args[1]).max);
        return all(traversal({shorter > 0 ? uint64_t{1} : 0, shorter}));
      }
      case Formula::kIndexList:
      case Formula::kIndexMap: return std::nullopt;
    }
    return std::nullopt;
  }

  const Ast& ast_;
  const SizeHints* hints_;
  const uint64_t presence_test_cost_;
  Arena paths_;
  std::vector<Facts> facts_;   // by node
  std::vector<Local> locals_;  // innermost last
};

}  // namespace

uint64_t SaturatingAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kMaxCost : sum;
}

uint64_t SaturatingMultiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kMaxCost : product;
}

Range operator+(Range a, Range b) {
  return {SaturatingAdd(a.min, b.min), SaturatingAdd(a.max, b.max)};
}

Range operator*(Range a, Range b) {
  return {SaturatingMultiply(a.min, b.min), SaturatingMultiply(a.max, b.max)};
}

Range Union(Range a, Range b) { return {std::min(a.min, b.min), std::max(a.max, b.max)}; }

Range MultiplyByFactor(Range size, double factor) {
  return {MultiplyByFactor(size.min, factor), MultiplyByFactor(size.max, factor)};
}

Range EstimateCost(const Ast& checked, const SizeHints* hints, const CostOptions& options) {
  return Estimator(checked, hints, options).Cost(checked.root);
}

}  // namespace bulwark::cel
