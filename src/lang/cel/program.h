#pragma once

// A planned expression: a tree of small nodes in one array, children by index, with everything that
// can be known beforehand worked out: variables are slots, chains of selections one node, constants
// folded, patterns compiled, the errors of missing keys made. Immutable; any number of threads may
// evaluate one. The evaluator (eval.cc) is a switch over Op.
//
// A node's `cost` is what cel-go's runtime cost tracker (interpreter/runtimecost.go, v0.26) counts
// for it whatever happens, under the options that Kubernetes plans with (OptOptimize): literals
// made of literals, and tests of membership in them, cost nothing. What depends on values is
// counted where they are.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "lang/cel/ast.h"
#include "lang/cel/env.h"
#include "lang/cel/library.h"

namespace re2 {
class RE2;
}

namespace bulwark::cel {

// Operands are nodes unless said otherwise.
enum class Op : uint8_t {
  kConst,     // a: constant
  kVariable,  // a: variable's slot
  kLocal,     // a: local's slot
  kLazy,      // a: local's slot, b: what it is when first asked for
  kError,     // a: constant, an error
  kFields,    // a: root, b: first step, count: steps, all of them plain fields
  kHas,       // as kFields; the last step is a test
  kPath,      // as kFields; steps of any kind
  kCond,      // a ? b : c
  kAnd,       // b: first child, count: children
  kOr,        // the same
  kNot,       // a
  kNegate,
  kNotStrictlyFalse,
  kEqual,  // a, b
  kNotEqual,
  kEqualText,  // a, b: constant, a string; flag kNegated
  kLess,
  kLessEquals,
  kGreater,
  kGreaterEquals,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kIn,       // a in b
  kInSet,    // a in set b
  kSize,     // of a
  kMatches,  // a, b: pattern, c: its cost
  kCall,     // a: call site, b: first child, count: children
  kOptOr,    // a.or(b)
  kOptOrValue,
  kList,    // b: first child, count
  kMap,     // b: first child, count: entries, two children each
  kStruct,  // a: struct site, b: first child, count: fields
  kAll,     // a: loop
  kExists,
  kExistsOne,
  kMapList,    // also a filter; transformList
  kTransform,  // transformMap, transformMapEntry
  kFold,       // any other
  kBind,       // a: loop
};

enum NodeFlag : uint8_t {
  kPure = 1,       // kConst: also cel-go would have it as a constant
  kSized = 2,      // its cost depends on the operands' sizes
  kOptionals = 4,  // kList, kMap, kStruct: some children have kOptionalChild
  kNegated = 8,
  kSoftPath = 16,  // kPath: plain fields, none a test, one at least optional
};

struct Node {
  Op op = Op::kConst;
  uint8_t flags = 0;
  int32_t cost = 0;
  uint32_t expr = 0;  // Expr::id
  uint32_t a = 0, b = 0, c = 0;
  uint32_t count = 0;
};
static_assert(sizeof(Node) == 28);

inline constexpr uint32_t kOptionalChild = 0x80000000;  // in a list of children

// One selection or indexing.
struct Step {
  Value key;                   // if `node` is kNoNode
  std::string_view field;      // the key's text, if it is a string
  Value error;                 // what a missing key gives
  uint32_t node = UINT32_MAX;  // makes the key
  uint32_t expr = 0;
  bool optional = false;
  bool test = false;
};
inline constexpr uint32_t kNoNode = UINT32_MAX;

// What may be called at a place.
struct Candidate {
  Function function = nullptr;
  ActualCost cost = nullptr;
  bool counted = false;  // its actual cost holds for errors too
  struct Param {
    uint16_t kinds;         // that it may have, a bit a Value::Kind
    std::string_view type;  // the name of the type, where an opaque is one; empty: any
  };
  std::vector<Param> params;
};

struct CallSite {
  std::string function;
  std::vector<Candidate> candidates;
  bool non_strict = false;
};

struct StructSite {
  std::string type;
  std::vector<std::string> fields;
};

// A comprehension. Slots are locals'.
struct LoopSite {
  uint32_t range = kNoNode;
  uint32_t var = kNoNode, var2 = kNoNode, accu = kNoNode;
  uint32_t init = kNoNode;  // kFold, kBind: nodes
  uint32_t condition = kNoNode, step = kNoNode, result = kNoNode;
  // Of the loops with a node of their own.
  uint32_t predicate = kNoNode;  // or filter
  uint32_t key = kNoNode;        // kTransform: with `item`, or kNoNode: `item` is a map of entries
  uint32_t item = kNoNode;
  int32_t round_cost = 0;  // each round, beside its parts
  int32_t item_cost = 0;   // each item that is taken, beside its parts
  int32_t stop_cost = 0;   // at a break
  int32_t end_cost = 0;    // of the result
};

// Scalars to look up: scanned if few.
struct ConstSet {
  std::vector<Value> items;
  std::vector<uint32_t> index;  // open addressing, item number + 1
  bool Contains(const Value& v) const;
};

class Program {
 public:
  std::shared_ptr<const Ast> ast;
  std::shared_ptr<const TypeProvider> types;
  Limits limits;
  Arena arena{1024};
  std::vector<Node> nodes;
  uint32_t root = 0;
  std::vector<uint32_t> children;
  std::vector<Value> constants;
  std::vector<Step> steps;
  std::vector<CallSite> calls;
  std::vector<StructSite> structs;
  std::vector<LoopSite> loops;
  std::vector<ConstSet> sets;
  std::vector<std::unique_ptr<re2::RE2>> patterns;
  std::vector<std::string> variables;  // names, by slot
  uint32_t locals = 0;
  bool error_on_bad_presence_test = false;

  Program();
  ~Program();
};

// Evaluates one node that has no variables, for the planner. The value, or error, lives in `arena`.
Value EvaluateConstant(const Program& program, uint32_t node, Arena& arena, uint64_t* cost);

}  // namespace bulwark::cel
