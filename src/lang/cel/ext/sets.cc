#include "lang/cel/ext/sets.h"

#include <algorithm>

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

using List = std::span<const Value>;

// Small lists are compared item by item, large ones through an index.
constexpr size_t kManyPairs = 64;

class Haystack {
 public:
  Haystack(List list, size_t lookups) : list_(list) {
    if (list.size() * lookups < kManyPairs) return;
    indexed_ = true;
    for (const Value& item : list) index_.Insert(item);
  }
  bool Has(const Value& item) const {
    if (indexed_) return index_.Contains(item);
    return std::any_of(list_.begin(), list_.end(),
                       [&item](const Value& other) { return CelEqual(other, item); });
  }

 private:
  List list_;
  bool indexed_ = false;
  ValueSet index_;
};

bool ContainsAll(List list, List items) {
  Haystack haystack(list, items.size());
  return std::all_of(items.begin(), items.end(),
                     [&haystack](const Value& item) { return haystack.Has(item); });
}

bool Equivalent(List a, List b) { return ContainsAll(a, b) && ContainsAll(b, a); }

bool Intersects(List a, List b) {
  Haystack haystack(b, a.size());
  return std::any_of(a.begin(), a.end(),
                     [&haystack](const Value& item) { return haystack.Has(item); });
}

template <bool (*kTest)(List, List)>
Value Test(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "ll")) return NoSuchOverload(ctx);
  return Value::Bool(kTest(Items(args[0]), Items(args[1])));
}

template <int kFactor>
constexpr Cost kProduct = {[](std::span<const Value> args, const Value&) {
                             uint64_t pairs = SaturatingMultiply(SizeOf(args[0]), SizeOf(args[1]));
                             return SaturatingAdd(1, SaturatingMultiply(pairs, kFactor));
                           },
                           [](CostContext& ctx, const Expr*,
                              std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                             if (args.size() != 2) return std::nullopt;
                             Range pairs = ctx.SizeOf(args[0]) * ctx.SizeOf(args[1]);
                             return CallEstimate{MultiplyByFactor(pairs, kFactor) + Range{1, 1},
                                                 std::nullopt};
                           }};

}  // namespace

const Library& Sets() {
  static const Library kLibrary = [] {
    const Type list = ListOf(Parameter("T"));
    const Type b = Type::Bool();
    Library lib;
    lib.name = "cel.lib.ext.sets";
    lib.functions = {
        {"sets.contains",
         {Global("list_sets_contains_list", {list, list}, b, Test<ContainsAll>, kProduct<1>)}},
        {"sets.equivalent",
         {Global("list_sets_equivalent_list", {list, list}, b, Test<Equivalent>, kProduct<2>)}},
        {"sets.intersects",
         {Global("list_sets_intersects_list", {list, list}, b, Test<Intersects>, kProduct<1>)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
