#pragma once

// The syntax tree of a CEL expression (cel-spec: syntax.proto, Expr). Nodes live in the Ast's arena
// and are immutable once checked; macros are already expanded.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/cel/type.h"

namespace bulwark::cel {

enum class ExprKind : uint8_t {
  kLiteral,
  kIdent,
  kSelect,
  kCall,
  kList,
  kMap,
  kStruct,
  kComprehension,
};

// The macro that a comprehension came from, so that the planner can give it a loop of its own. Only
// one-variable macros are told apart here. The step of kMap is `accu + [f]` or, of the form with
// three arguments, `p ? accu + [f] : accu`; that of kFilter `p ? accu + [var] : accu`.
enum class Loop : uint8_t { kOther, kAll, kExists, kExistsOne, kMap, kFilter };

struct Expr;

struct MapEntry {
  int64_t id;
  const Expr* key;         // of a map
  std::string_view field;  // of a struct
  const Expr* value;
  bool optional;        // {?key: value}
  uint32_t offset = 0;  // of the colon
};

struct Comprehension {
  const Expr* range;
  std::string_view var;   // element; or index / key where var2 is set
  std::string_view var2;  // empty unless a two-variable comprehension
  std::string_view accu;
  const Expr* accu_init;
  const Expr* condition;
  const Expr* step;
  const Expr* result;
  Loop loop;
};

// Which members hold depends on kind:
//   kLiteral        literal
//   kIdent          name
//   kSelect         operand, name, test_only (has(operand.name))
//   kCall           name, operand (receiver, or null), args
//   kList           args, optional_args (sorted indices of [?x])
//   kMap            entries
//   kStruct         name, entries
//   kComprehension  loop
struct Expr {
  int64_t id = 0;       // > 0, unique in its Ast, dense
  uint32_t offset = 0;  // byte offset in the source
  ExprKind kind = ExprKind::kLiteral;
  bool test_only = false;
  Value literal;
  std::string_view name;
  const Expr* operand = nullptr;
  std::span<const Expr* const> args;
  std::span<const uint32_t> optional_args;
  std::span<const MapEntry> entries;
  const Comprehension* loop = nullptr;
};

// Operators are calls with these names, as in cel-go ("_+_", "!_", "_[_]", "@in", "_?_:_", …).
namespace op {
inline constexpr std::string_view kConditional = "_?_:_", kAnd = "_&&_", kOr = "_||_", kNot = "!_",
                                  kEquals = "_==_", kNotEquals = "_!=_", kLess = "_<_",
                                  kLessEquals = "_<=_", kGreater = "_>_", kGreaterEquals = "_>=_",
                                  kAdd = "_+_", kSubtract = "_-_", kMultiply = "_*_",
                                  kDivide = "_/_", kModulo = "_%_", kNegate = "-_", kIndex = "_[_]",
                                  kIn = "@in", kOptIndex = "_[?_]", kOptSelect = "_?._",
                                  kNotStrictlyFalse = "@not_strictly_false";
}  // namespace op

// "a.b.c" of an identifier or a select of selects of one; empty for anything else and for has().
std::string QualifiedName(const Expr& expr);

// One thing wrong with an expression.
struct Issue {
  uint32_t offset;  // bytes
  uint32_t line;    // from 1
  uint32_t column;  // from 1, in code points
  std::string message;
};

// The issue at a byte offset of the source; past its end counts as its end.
Issue MakeIssue(std::string_view source, size_t offset, std::string message);
// In the order of their places, at most 100:
// "ERROR: <input>:1:5: undeclared reference to 'x'\n | 1 + x\n | ....^", one after another.
std::string RenderIssues(std::string_view source, std::span<const Issue> issues);

// What the checker found out about a node. The checker also rewrites the tree so that names say
// what they mean: a select that is the qualified name of a variable or constant ("a.b.c") becomes a
// kIdent, a member call that is the call of a namespaced function ("math.greatest(x)") loses its
// operand and is called by its full name, and names of functions and struct types get their
// container. A kIdent with neither slot nor constant is a comprehension's variable.
struct Reference {
  std::string_view name;  // a variable's or constant's full name
  int32_t slot = -1;      // a variable: its index in Env::variables()
  Value constant;         // an enum constant or a type
  bool is_constant = false;
  std::span<const struct Overload* const> overloads;  // a call: those that may apply
  std::string_view field;  // a select on a struct: the field's run-time name
};

// A parsed, and perhaps checked, expression. Owns everything in it.
struct Ast {
  Arena arena;
  std::string_view source;  // in the arena
  const Expr* root = nullptr;
  int64_t max_id = 0;
  std::shared_ptr<const void> names;  // keeps the environment's tables that references point into
  // Filled by the checker; index = Expr::id. Empty if not checked.
  std::vector<Type> types;
  std::vector<Reference> references;
  bool checked() const { return !types.empty(); }
  Type type() const { return types[static_cast<size_t>(root->id)]; }
};

}  // namespace bulwark::cel
