#pragma once

// Inference of type parameters: which types agree, and what type variables must be for that. One
// for each check. The rules are cel-go's (checker/types.go), whose order of trying things decides
// what a type variable becomes, and with it which expressions check.

#include <cstdint>
#include <span>
#include <vector>

#include "base/arena.h"
#include "lang/cel/type.h"

namespace bulwark::cel {

class Unifier {
 public:
  // New types are made in the arena.
  explicit Unifier(Arena& arena) : arena_(arena) {}

  // An unbound type variable.
  Type NewVariable();
  // `count` of them: the first is the result + 1.
  uint32_t NewVariables(uint32_t count);
  // The type with its variables 1 … replaced by those after `base`.
  Type Instantiate(Type type, uint32_t base);

  // Whether a value of type `from` may stand where `to` is wanted. If so, variables are bound as
  // that needs; if not, nothing has changed.
  bool Assignable(Type from, Type to);
  bool Assignable(std::span<const Type> from, std::span<const Type> to);

  // Bound variables replaced by what they are, the others (`finally`) by dyn.
  Type Substitute(Type type, bool finally);

  // Of two types that agree, the one that takes more.
  static Type MostGeneral(Type a, Type b);

 private:
  struct Found {
    bool valid;
    bool bound;
  };
  bool Agree(Type a, Type b);
  bool Agree(std::span<const Type> a, std::span<const Type> b);
  Found TryBinding(Type type, Type variable);
  bool Occurs(Type variable, Type within) const;
  // A binding: nullptr if there is none.
  const Type* Find(Type variable) const;
  void Bind(Type variable, Type type);
  void Undo(size_t mark);

  // Variables by number. A parameter that came with a declared variable's type has no number: those
  // few are found by name.
  struct Slot {
    Type type;
    bool bound = false;
  };
  struct Named {
    std::string_view name;
    Slot slot;
  };
  struct Change {
    uint32_t variable;  // from 1; 0: the named one at `named`
    size_t named;
    Slot old;
  };
  Arena& arena_;
  std::vector<Slot> slots_;
  std::vector<Named> named_;
  std::vector<Change> trail_;
};

}  // namespace bulwark::cel
