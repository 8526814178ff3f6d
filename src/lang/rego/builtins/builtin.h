#pragma once

// What a built-in function of Rego is, and what it may use.
//
// A built-in gets values and answers with one, with undefined, or with an error. It makes what it
// needs in the query's arena, keeps nothing between calls (Context::state() is for what a query
// wants kept), has no effects of its own (Host has the clock, randomness, network and the process'
// environment), and is called by any number of threads at once. It must bound its work: call
// Context::Spend() in loops whose length the input decides, and end with kHalt when that says so.
//
//   Outcome Upper(Context& c, Args args, Value& out) {
//     if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
//     …
//   }
//   constexpr Builtin kStrings[] = {
//       {"upper", "(x: string) -> string", Upper},
//   };
//
// Types are written as: any, null, boolean, number, string, array[T], array<A, B> (exactly these),
// set[T], object[K: V], object<"op": string, "path": any> (these keys), object<"op": string, any:
// any> (these and others), T1 | T2 for either, `-> void` for print, `any...` as the last argument
// for any number of further ones.
// Names before the types are what documentation calls the arguments.
//
// Rego's values as ours: an object is a map, whose keys may be any value and whose order is of no
// meaning (whoever iterates goes by Compare: SortedEntries()); a set is a set; numbers are int64,
// uint64, double or decimal and compare by value. No NaN, no infinity, no bytes, no opaque.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

enum class Outcome : uint8_t {
  kValue,
  kUndefined,
  kError,  // Context::error says what; undefined for the policy, unless built-in errors are strict
  kHalt,   // the query ends with Context::error: cancelled, out of time or memory
};

using Args = std::span<const Value>;

// What the host lends to policies. The default is a host that gives nothing but time and chance.
class Host {
 public:
  virtual ~Host() = default;
  // Nanoseconds since 1970. A query sees one time throughout: the machine asks once.
  virtual int64_t NowNanos();
  virtual void Random(std::span<uint8_t> out);
  // opa.runtime(): {"env": …, "version": …, "commit": …}
  virtual Value Runtime(Arena& arena);
  // The answer to http.send's request object; Error(kDenied) where hosts are not allowed.
  virtual Result<Value> HttpSend(const Value& request, Arena& arena);
  virtual Result<std::vector<std::string>> LookupAddress(std::string_view name);
  // print() and trace(): one line, with the place it was called at ("file:row").
  virtual void Print(std::string_view text, std::string_view place);
};

class Context {
 public:
  Context(Arena& query_arena, Host& query_host) : arena(query_arena), host(query_host) {}

  Arena& arena;
  Host& host;

  // The error of the last kError or kHalt.
  std::string error_code;  // eval_type_error, eval_builtin_error, eval_cancel_error …
  std::string error;       // without the name of the built-in before it: the caller knows it

  // kError, eval_type_error: "operand 1 must be string but got number". `expected` as OPA writes
  // it: "string", "one of {array, set}".
  Outcome WrongType(size_t operand, const Value& got, std::string_view expected);
  // kError, eval_type_error: "operand 1 <what>"
  Outcome BadOperand(size_t operand, std::string_view what);
  // kError, eval_builtin_error
  Outcome Fail(std::string_view message);

  // Counts work (an element looked at, about a hundred bytes produced). False: stop with kHalt.
  bool Spend(uint64_t units) {
    if (units < budget_) {
      budget_ -= units;
      return true;
    }
    return Refill(units);
  }

  // Whether Spend() has said no: for work deep in recursion that only its caller can end.
  bool halted() const { return halted_; }

  // One T a query, made when first asked for: compiled regular expressions, parsed schemas.
  template <typename T>
  T& state() {
    std::shared_ptr<void>& slot = states_[std::type_index(typeid(T))];
    if (slot == nullptr) slot = std::make_shared<T>();
    return *static_cast<T*>(slot.get());
  }

  // The machine's: what to do when the budget is spent. Grants more, or sets the error.
  std::function<bool(Context&, uint64_t units, uint64_t& budget)> refill;
  int64_t now_nanos();  // one time a query

 private:
  bool Refill(uint64_t units);
  uint64_t budget_ = 0;
  bool halted_ = false;
  int64_t now_ = INT64_MIN;
  std::unordered_map<std::type_index, std::shared_ptr<void>> states_;
};

using BuiltinFunction = Outcome (*)(Context& context, Args args, Value& out);

struct Builtin {
  std::string_view name;
  std::string_view type;
  BuiltinFunction call = nullptr;  // nullptr: the compiler's own (print, walk, rego.metadata.*)
  std::string_view infix = {};     // "+", ":=", "in"
  bool nondeterministic = false;   // the same arguments may give different answers
  bool deprecated = false;
  bool relation = false;  // answers with an array of results, each tried in turn (walk)
};

// All built-ins known to this process.
class Registry {
 public:
  static const Registry& Standard();
  const Builtin* Find(std::string_view name) const;
  std::span<const Builtin* const> all() const { return sorted_; }  // by name

  // A registry of the standard ones and more: what a host adds of its own.
  explicit Registry(std::span<const Builtin> more);

 private:
  Registry() = default;
  void Add(std::span<const Builtin> family);
  std::vector<const Builtin*> sorted_;
  std::unordered_map<std::string_view, const Builtin*> by_name_;
};

// The families, each in its own file.
std::span<const Builtin> OperatorBuiltins();   // operators.cc: eq, assign, plus … internal.*
std::span<const Builtin> NumberBuiltins();     // numbers.cc
std::span<const Builtin> AggregateBuiltins();  // aggregates.cc, with sets, arrays
std::span<const Builtin> ObjectBuiltins();     // objects.cc, json.patch and its like, graph
std::span<const Builtin> StringBuiltins();     // strings.cc, sprintf
std::span<const Builtin> TypeBuiltins();       // types.cc, casts
std::span<const Builtin> EncodingBuiltins();   // encoding.cc
std::span<const Builtin> RegexBuiltins();      // regex.cc
std::span<const Builtin> GlobBuiltins();       // glob.cc
std::span<const Builtin> UnitBuiltins();       // units.cc, semver
std::span<const Builtin> NetBuiltins();        // net.cc, uri.cc
std::span<const Builtin> TimeBuiltins();       // time.cc
std::span<const Builtin> CryptoBuiltins();     // crypto.cc, x509
std::span<const Builtin> TokenBuiltins();      // tokens.cc: io.jwt.*
std::span<const Builtin> GraphqlBuiltins();    // graphql.cc
std::span<const Builtin> SchemaBuiltins();     // schema.cc: json.match_schema, json.verify_schema
std::span<const Builtin> EffectBuiltins();     // effects.cc: http.send, opa.runtime, rand, uuid …
std::span<const Builtin> TemplateBuiltins();   // template.cc: strings.render_template
std::span<const Builtin> RegoBuiltins();       // rego.cc: rego.parse_module

// "null", "boolean", "number", "string", "array", "object", "set"
std::string_view TypeName(const Value& value);
// The entries of an object by Compare of their keys. Already sorted ones are not copied.
std::span<const Value::Entry> SortedEntries(const Value& object, Arena& arena);
// The value as Rego text, as OPA's %v prints it: strings quoted within collections, sets as
// {1, 2} and set(), objects {"a": 1}.
std::string ToRegoText(const Value& value);

// Exact arithmetic on Rego's numbers (numbers.cc): integers of any size; else as OPA computes,
// with a mantissa of 64 bits. The machine does int64 itself and asks here for the rest.
enum class Arithmetic : uint8_t { kPlus, kMinus, kMultiply, kDivide, kRemainder };
// kValue or kError ("divide by zero", "modulo on floating-point number").
Outcome Calculate(Context& context, Arithmetic what, const Value& a, const Value& b, Value& out);

}  // namespace bulwark::rego
