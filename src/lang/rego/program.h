#pragma once

// What a policy is compiled to: a program for a register machine (machine.h).
//
// The plan of a body is a straight line of instructions. One that does not hold jumps to its `fail`
// target; where several values are tried in turn (kNext), the instructions after it fail back into
// it, so that running off the end of a body means: take the next solution. There is no search at
// run time beside that, and no binding of variables: which variable has its value when is known
// when planning, and a variable is a register, or another name of one.
//
// Operands are registers of the frame, or constants (kConstant set).

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

struct TreeNode;

constexpr uint32_t kConstant = 0x8000'0000U;
constexpr uint32_t kNone = 0xffff'ffffU;

enum class Op : uint8_t {
  kMove,          // dst = x
  kInput,         // dst = input
  kBase,          // dst = the base document at paths[x]
  kGet,           // dst = x[y]
  kIterate,       // iterators[dst] over x
  kIterateWhere,  // iterators[dst] over those items of filters[x] that can be equal
  kNext,          // dst, y = the next key and value of iterators[x] (kNone: not wanted)
  kWalk,          // walkers[dst] begins at x
  kNextWalk,      // dst, y = the next path (kNone: not wanted) and value of walkers[x]
  kDocument,      // dst = the value of documents[x]
  kExtent,        // dst = everything under node x: rules and base documents
  kDynamic,       // dst = data at walks[x], keys known only now
  kEqual,         // x == y
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kCompare,     // dst = x <aux> y as a boolean; aux is an Op from kEqual to kGreaterEqual
  kHolds,       // x is not false
  kMember,      // dst = whether x is in y
  kArithmetic,  // dst = the two operands of calls[x], <aux> an Arithmetic
  kIsArray,     // x is an array of y items (y a plain number)
  kIsObject,    // x is an object of y entries
  kArray,       // dst = [lists[x]…]
  kObject,      // dst = {lists[x]: key, value …}; aux 1: keys are unique and sorted
  kSet,         // dst = {lists[x]…}
  kBuild,       // builders[dst] begins, at places[x]; aux: 0 array, 1 set, 2 object, 3 document
  kAdd,         // builders[dst] gets x (and y)
  kAddPath,     // builders[dst] gets the entry lists[x] → y; aux: 1 the element y of a set there;
                // the list's last item is no operand, but a place
  kFinish,      // dst = what builders[x] built
  kCall,        // dst = calls[x]
  kResult,      // the rule's value is x; a second, different one is a conflict, at places[y]
  kDefault,     // fails where there is a value already
  kSelect,      // iterators[dst] over the rules that index x has for what the frame holds
  kNextRule,    // jump to the next rule of iterators[x]
  kJump,
  kEnter,    // contexts[dst] = the current one changed by withs[x]; it is the current one
  kLeave,    // the context outside of contexts[x] is the current one
  kResume,   // contexts[x] is the current one again
  kRow,      // the query has a solution: rows[x]
  kPrint,    // print the operands of calls[x]: sets of values
  kObserve,  // tell the observer of places[x]; aux: 0 enter, 1 hold
  kEnd,
};

struct Instruction {
  Op op;
  uint8_t aux = 0;
  uint16_t unused = 0;
  uint32_t dst = kNone;
  uint32_t x = kNone;
  uint32_t y = kNone;
  uint32_t fail = kNone;
};
static_assert(sizeof(Instruction) == 20);

struct Document;  // all rules of one node, below

// A call of a built-in or of a function.
struct CallSite {
  const Builtin* builtin = nullptr;
  const Document* function = nullptr;
  std::vector<uint32_t> operands;
  const Module* module = nullptr;
  Location at;
};

// One replacement of a `with`.
struct WithTarget {
  enum class Kind : uint8_t { kInput, kData, kFunction } kind = Kind::kInput;
  std::vector<Value> path;  // after input or data
  uint32_t value = kNone;   // operand
  // kFunction: what is replaced, and by what (or by `value`).
  const Builtin* builtin = nullptr;
  const Document* function = nullptr;
  const Builtin* by_builtin = nullptr;
  const Document* by_function = nullptr;
};

struct WithSite {
  std::vector<WithTarget> targets;
  const Module* module = nullptr;
  Location at;
};

// data, some constant keys (the node), and then keys in registers.
struct WalkSite {
  const TreeNode* node = nullptr;
  std::vector<uint32_t> keys;  // operands
};

// Which rules can hold, by the value at one path (rule indexing).
struct RuleIndex {
  // Where the value is: an argument's register, or input.
  uint32_t argument = kNone;
  std::vector<Value> path;
  // The rules (places in `entries`) that stay where there is no value, or one that no rule names.
  std::vector<uint32_t> others;
  Value table;  // a map: value → its number in `lists`
  std::vector<std::vector<uint32_t>> lists;
};

// An iteration whose items are compared with a value right after: `some x in xs; x.kind == kind`.
// Where it is repeated, the items are found by an index.
struct FilterSite {
  uint32_t collection = kNone;
  uint32_t value = kNone;
  std::vector<Value> path;
};

struct RowSite {
  struct Binding {
    std::string_view name;
    uint32_t operand;
  };
  struct Expression {
    Location at;
    uint32_t operand;  // kNone: true
  };
  std::vector<Expression> expressions;
  std::vector<Binding> bindings;
};

struct Place {
  const Module* module;
  Location at;
};

struct Program {
  std::vector<Instruction> instructions;
  std::vector<Value> constants;
  std::vector<std::vector<Value>> paths;
  std::vector<std::vector<uint32_t>> lists;
  std::vector<CallSite> calls;
  std::vector<WithSite> withs;
  std::vector<WalkSite> walks;
  std::vector<RuleIndex> indices;
  std::vector<FilterSite> filters;
  std::vector<RowSite> rows;
  std::vector<Place> places;
  Arena arena{512};
};

// A stretch of code with a frame of its own.
struct Procedure {
  const Program* code = nullptr;
  uint32_t entry = 0;
  uint32_t registers = 0;
  uint32_t iterators = 0;
  uint32_t builders = 0;
  uint32_t walkers = 0;
  uint32_t contexts = 0;
  // For messages: whose code it is.
  const Document* document = nullptr;
  const Module* module = nullptr;
  Location at;
};

enum class DocumentKind : uint8_t {
  kComplete,
  kSet,
  kObject,  // rules with keys in their heads: p[x] := y, p.q[x] contains y
  kFunction,
};

// All rules of one node.
struct Document {
  const TreeNode* node = nullptr;
  DocumentKind kind = DocumentKind::kComplete;
  uint32_t number = 0;     // in Plan::documents
  uint32_t arguments = 0;  // of a function
  uint32_t depth = 0;      // kObject: the longest run of keys
  Procedure procedure;
  std::vector<Value> path;  // after data
  Location at;              // of its first rule
  const Module* module = nullptr;
};

}  // namespace bulwark::rego
