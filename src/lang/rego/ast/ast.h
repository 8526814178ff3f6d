#pragma once

// The syntax tree of Rego, both dialects (OPA 1.22:
// https://www.openpolicyagent.org/docs/policy-reference#grammar).
//
// A tree lives in the arena of the Module (or Query) that it was parsed from, together with the
// text; nodes are plain structs that refer to each other by pointer and span, and are freed all at
// once. The parser leaves the members under "resolved" empty; the compiler fills them in and
// changes nothing else, so that a tree still prints as it was written. Not thread-safe while it is
// compiled; read by any number of threads after.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/value.h"

namespace bulwark::rego {

// The dialect that a text is written in.
enum class Dialect : uint8_t {
  kV0,          // before OPA 1.0: `if`, `contains`, `every`, `in` only after import future.keywords
  kV1,          // OPA 1.x
  kV0CompatV1,  // v0 text that must be valid v1 too: what `import rego.v1` makes of a v0 module
  kV2,          // `import rego.v2`: `and`, `or` and bodies after `not`
};

// A place in a text. Rows and columns count from 1, columns in characters as OPA does;
// offset and length are bytes. Row 0: nowhere (what the compiler made itself).
struct Location {
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t row = 0;
  uint32_t column = 0;
};

struct Expr;
struct Rule;
struct Term;
struct Variable;  // a local variable; the compiler's

using Body = std::span<Expr*>;

enum class TermKind : uint8_t {
  kScalar,  // value: null, bool, number or string
  kVar,     // name; "$0", "$1" … for each `_`, unique within the module
  kRef,     // items: the head (a var, or any other term as in `f(x)[y]`, `[1,2][i]`), then the
            // operands
  kArray,   // items
  kSet,     // items
  kObject,  // items: key, value, key, value …; of equal keys the last one's value counts
  kArrayComprehension,   // items: the term; body
  kSetComprehension,     // items: the term; body
  kObjectComprehension,  // items: key, value; body
  kCall,                 // items: the function (a kRef, `plus` for an infix +), then the arguments
  // body: the parts in order. Literal text is a generated kTerm expression of a string; scalars in
  // braces (`{5}`) are generated too, for they are text like any other.
  kTemplateString,
};

struct Term {
  TermKind kind = TermKind::kScalar;
  bool multi_line = false;  // kTemplateString: written between backquotes
  // kCall: written as an operator (`a + b`) or, in `x in xs`, as a membership.
  bool infix = false;
  // Written in parentheses (`(a + b)`).
  bool parenthesised = false;
  Location at;
  uint32_t height = 1;        // of the tree below, at most ParseOptions::max_depth
  mutable uint64_t hash = 0;  // of the syntax (TermHash in ast_compare.h); 0: not yet computed
  Value value;
  std::string_view name;  // of a number: as it was written
  std::span<Term*> items;
  Body body;

  // Resolved. kVar: the local variable that the name means; nullptr for the roots `input` and
  // `data`, for names of built-ins, and for what resolved (below) stands for.
  Variable* variable = nullptr;
  // Resolved. kVar and kRef: what the head means in full, where it is an import or a rule of the
  // package: the operands of a reference that begins with data or input ("data", "lib", "x").
  std::span<const Value> resolved;
};

// `with target as value`
struct With {
  Term* target = nullptr;  // kRef or kVar: input…, data…, a function or built-in
  Term* value = nullptr;
  Location at;
};

enum class ExprKind : uint8_t {
  kTerm,    // term
  kCall,    // terms: the function, then the arguments, as in Term's kCall; `x := 1` is assign,
            // `x = 1` is eq, `x == 1` is equal
  kSome,    // terms: variables to declare: `some x, y`
  kSomeIn,  // terms: [key,] value, collection: `some k, v in xs`; term: the kCall of member
  kEvery,   // terms: [key or nullptr], value, domain; lhs: the body
  kNot,     // lhs: the body (`not { … }`, and in v2 `not a and b`)
  kAnd,     // lhs, rhs
  kOr,      // lhs, rhs
};

struct Expr {
  ExprKind kind = ExprKind::kTerm;
  bool negated = false;       // `not …` before a plain expression
  bool explicit_lhs = false;  // kNot, kAnd, kOr: lhs was written in braces
  bool explicit_rhs = false;  // kAnd, kOr: rhs was written in braces
  bool generated = false;     // the parser's, not the author's: the `true` of a rule without body
  uint32_t index = 0;         // place in its body
  uint32_t height = 1;        // as Term's
  Location at;
  Term* term = nullptr;
  std::span<Term*> terms;
  Body lhs;
  Body rhs;
  std::span<With> with;
};

struct Comment {
  std::string_view text;  // without the #
  Location at;
};

// A METADATA block (https://www.openpolicyagent.org/docs/policy-language#annotations). `value` is
// the object as written in YAML; the parser has checked its shape.
struct Annotations {
  std::string_view scope;  // rule, document, package, subpackages
  bool entrypoint = false;
  Value value;
  Location at;
  Location end;  // of the block's last line
  // What it is attached to; nullptr: the package.
  const Rule* rule = nullptr;
};

// As in OPA's tree: `p[x] { … }` without a value is a partial set, whose ref is `p` and whose key
// is x; `p[x] = y` and `p[x] if …` have p[x] as ref, and x as key too; a rule is a partial set just
// where it has no value.
struct Head {
  std::string_view name;     // the head's first name
  bool has_name = false;     // OPA's tree names the head beside its ref
  std::span<Term*> ref;      // the whole head reference: a var, then operands (`p.q[x]`)
  std::span<Term*> args;     // of a function
  bool is_function = false;  // there are args: a head `f()` is the complete rule f
  bool contains = false;     // written with `contains`
  bool if_keyword = false;
  bool assign = false;           // `:=` rather than `=`
  bool generated_value = false;  // no value was written: it is `true`
  Term* key = nullptr;           // the element of a partial set; in v0 of `p[x]` too
  Term* value = nullptr;         // nullptr for partial sets
  Location at;
};

struct Rule {
  Head head;
  Body body;  // never empty: a generated `true` where none was written
  Rule* else_rule = nullptr;
  bool is_default = false;
  bool generated_body = false;
  bool is_else = false;
  Location at;
  std::span<Annotations*> annotations;
  const struct Module* module = nullptr;
};

struct Import {
  Term* path = nullptr;    // a ref, or the var `input` or `data`
  std::string_view alias;  // empty: the last name of the path
  Location at;
  Location alias_at;
};

struct Package {
  std::span<Term*> path;  // data, then strings
  Location at;
};

// One file. Owns everything that it points to.
struct Module {
  explicit Module(std::string name, std::string source)
      : file(std::move(name)), text(std::move(source)) {}
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  std::string file;
  std::string text;
  Arena arena;
  Dialect dialect = Dialect::kV1;       // after imports of rego.v1 and rego.v2
  Dialect base_dialect = Dialect::kV1;  // before them: ParseOptions::dialect
  Package package;
  std::vector<Import*> imports;
  std::vector<Rule*> rules;  // in order; else rules hang on theirs
  std::vector<Annotations*> annotations;
  std::vector<Comment> comments;

  std::string_view Text(const Location& at) const {
    return std::string_view(text).substr(at.offset, at.length);
  }
};

// A query: a body on its own, with the arena of what it needs.
struct Query {
  explicit Query(std::string source) : text(std::move(source)) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  std::string text;
  Arena arena;
  Body body;
  std::vector<Import*> imports;  // what the caller imports for it
};

// One thing wrong with a policy, as OPA reports it.
//   code: rego_parse_error, rego_compile_error, rego_type_error, rego_unsafe_var_error,
//         rego_recursion_error
struct Diagnostic {
  std::string code;
  std::string message;
  std::string file;
  Location at;
  std::vector<std::string> details;  // further lines: what was expected, the line with a caret
  // "file:row: code: message" and the details, a tab before each
  std::string ToString() const;
};

// Several diagnostics as one text: "1 error occurred: …" or "3 errors occurred:\n…".
std::string DiagnosticsText(std::span<const Diagnostic> errors);

}  // namespace bulwark::rego
