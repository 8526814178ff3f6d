#pragma once

// How functions, macros and constants come into an environment. A Library is a static table: the
// standard library and each extension is one. Nothing here does I/O: a function that needs the
// outside world (authorizer) takes it from an interface in CallContext.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "lang/cel/ast.h"
#include "lang/cel/type.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

class Authorizer;   // lang/cel/ext/authz.h
class CostContext;  // lang/cel/cost.h: sizes of operands for estimates

// What a function's implementation may use besides its arguments.
struct CallContext {
  Arena& arena;         // for what it returns
  int64_t expr_id = 0;  // the call
  const Authorizer* authorizer = nullptr;
  uint64_t max_bytes = 0;  // no string or list that it makes may be larger; 0: no limit
  Value Error(std::string_view message) const { return MakeError(arena, message, expr_id); }
};

// The receiver of a member function is args[0]. Strict functions never see errors or unknowns. An
// implementation whose argument has a kind that the overload does not take must return
// NoSuchOverload(): with dyn types the evaluator tries overloads by their parameter kinds, then
// calls.
using Function = Value (*)(CallContext&, std::span<const Value> args);
Value NoSuchOverload(const CallContext&);

// Inclusive; arithmetic saturates.
struct Range {
  uint64_t min = 0, max = 0;
};
struct CallEstimate {
  Range cost;
  std::optional<Range> result_size;
};
// What a call cost, given what it did (cel-go: interpreter.CallCost).
using ActualCost = uint64_t (*)(std::span<const Value> args, const Value& result);
// What costs take a value's size to be: what size() gives, 1 for what has none.
uint64_t ActualSize(const Value&);
// What a call may cost, before it is made (cel-go: checker.EstimateCallCost). nullopt: the
// default, 1.
using EstimatedCost = std::optional<CallEstimate> (*)(CostContext&, const Expr* target,
                                                      std::span<const Expr* const> args);

struct Overload {
  std::string_view id;       // as in cel-go: "size_string", "string_to_timestamp"
  bool member = false;       // x.f(y) rather than f(x, y)
  std::vector<Type> params;  // with the receiver first
  Type result;
  Function function = nullptr;
  ActualCost actual_cost = nullptr;        // nullptr: 1
  EstimatedCost estimated_cost = nullptr;  // nullptr: 1
  bool non_strict = false;                 // errors and unknowns are passed in
};

struct FunctionDecl {
  std::string_view name;
  std::vector<Overload> overloads;
};

// What a macro's expander works with. It makes new nodes in the tree that is being parsed.
class MacroContext {
 public:
  virtual ~MacroContext() = default;
  virtual Expr* New(ExprKind kind) = 0;  // with a fresh id, at the macro's place
  virtual Arena& arena() = 0;
  virtual std::string_view accumulator() const = 0;                      // "@result"
  virtual std::nullptr_t Fail(const Expr* at, std::string message) = 0;  // reports an issue
  // Makers in terms of New(). Names are not copied.
  const Expr* Literal(Value v);
  const Expr* Ident(std::string_view name);
  const Expr* Call(std::string_view function, std::initializer_list<const Expr*> args);
  const Expr* Member(std::string_view function, const Expr* target,
                     std::initializer_list<const Expr*> args);
  const Expr* List(std::initializer_list<const Expr*> items);
  const Expr* EmptyMap();
  const Expr* Accumulator() { return Ident(accumulator()); }
  // A copy with fresh ids and the same places, for what stands in the expansion twice.
  const Expr* Copy(const Expr* expr);
  const Expr* Fold(const Comprehension& fold);
};

struct Macro {
  std::string_view name;
  bool receiver = true;  // x.all(i, p) rather than has(x.y)
  int arg_count = 0;     // -1: any
  // nullopt: not this macro after all, an ordinary call. nullptr: Fail()ed.
  std::optional<const Expr*> (*expand)(MacroContext&, const Expr* call, const Expr* target,
                                       std::span<const Expr* const> args);
};

struct Constant {
  std::string_view name;
  Type type;
  Value value;
};

struct Library {
  std::string_view name;
  // Overloads of an existing function are added to it; one of an existing id replaces that one. One
  // of an existing id that has no function leaves that as it is and replaces its costs, where it
  // has any.
  std::vector<FunctionDecl> functions;
  std::vector<Macro> macros;  // the last of equal name, style and count wins
  std::vector<Constant> constants;
  std::vector<std::pair<std::string_view, Type>> types;  // type names usable as values: "net.IP"
};

// The functions and macros of langdef.md.
const Library& StandardLibrary();

// Where struct types (messages, schema objects) come from. Thread-safe after construction.
class TypeProvider {
 public:
  virtual ~TypeProvider() = default;
  struct Field {
    Type type;
    std::string_view name;  // under which the value has it
  };
  virtual std::optional<Type> FindType(std::string_view name) const = 0;
  virtual std::optional<Field> FindField(std::string_view type, std::string_view field) const = 0;
  // An enum's constant by full name.
  virtual std::optional<Value> FindConstant(std::string_view) const { return std::nullopt; }
  // Type{field: value, …}, an error value where that cannot be.
  virtual Value Create(Arena&, std::string_view type,
                       std::span<const std::pair<std::string_view, Value>> fields) const = 0;
};

}  // namespace bulwark::cel
