#pragma once

// Type inference over one rule or query (OPA's v1/ast/check.go): each step is checked against the
// types of documents and built-ins, and gives types to the locals that it binds.

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lang/rego/check/lower.h"
#include "lang/rego/check/type_tree.h"
#include "lang/rego/check/types.h"

namespace bulwark::rego {

// The types of the built-ins of a registry, parsed once.
class BuiltinTypes {
 public:
  explicit BuiltinTypes(const Registry& registry);
  // Of Registry::Standard(), shared by all.
  static const BuiltinTypes& Standard();
  // nullptr for the unknown.
  TypeRef Find(const Builtin* builtin) const {
    auto at = types_.find(builtin);
    return at == types_.end() ? nullptr : at->second;
  }

 private:
  Arena arena_;
  std::unordered_map<const Builtin*, TypeRef> types_;
};

class Inference {
 public:
  // The rules that a document's replacement by `with` may change, as paths.
  using Dependents = std::function<std::vector<std::vector<Value>>(std::span<const Value>)>;

  Inference(TypeFactory& types, const BuiltinTypes& builtin_types, const Registry& builtins,
            std::vector<Diagnostic>& errors)
      : types_(types), builtin_types_(builtin_types), builtins_(builtins), errors_(errors) {}

  Dependents dependents;

  // Begins with the locals of a rule or query, none of them typed.
  void Start(std::span<const Local> locals, const TypeLayer* documents, std::string_view file);
  // Checks a body; its locals keep their types. False (and diagnostics) where something is wrong.
  bool Body(Steps steps);
  TypeRef TypeOf(Node& node);
  // Types every local of a pattern that has none as any.
  void AssumeAny(Node& node);

 private:
  struct Problem {
    bool found = false;
    bool partial = false;  // due to a type that is not known
    Diagnostic diagnostic;
  };

  TypeRef LocalType(uint32_t local) const { return locals_types_[local]; }
  void SetLocal(uint32_t local, TypeRef type);
  void CheckSteps(Steps steps, std::vector<Diagnostic>& errors);
  void CheckStep(Step& step, std::vector<Diagnostic>& errors);
  bool CheckComprehension(Node& node, std::vector<Diagnostic>& errors);
  void CheckClosures(Node* node, std::vector<Diagnostic>& errors);
  void CheckClosures(Steps steps, std::vector<Diagnostic>& errors);
  void CheckRefs(Node* node, std::vector<Diagnostic>& errors);
  void CheckRefs(const Step& step, std::vector<Diagnostic>& errors);

  Problem CheckWith(const Step& step);
  Problem CheckEqual(Step& step);
  Problem CheckMember(Step& step, bool with_key);
  Problem CheckMemberOperand(Step& step, Node& operand, TypeRef type);
  Problem CheckCall(Step& step);
  Problem MatchError(const Step& step, TypeRef left, TypeRef right);
  Problem ArgumentError(const Location& at, std::string_view name, std::string_view what,
                        std::span<const TypeRef> have, TypeRef function, bool with_result);
  std::vector<TypeRef> TypesOf(Nodes nodes);
  // A constant as a key: JSON's form of it.
  Value ConstantValue(const Node& node);

  // References.
  TypeRef RefType(const Node& ref);
  TypeRef RefTypeFrom(const TypeLayer* layer, Nodes ref);
  TypeRef RefTypeIn(const TypeLayer* layer, const TypeNode& node, Nodes ref, size_t at);
  TypeRef SelectPath(TypeRef type, Nodes operands);
  bool CheckRef(const TypeLayer* layer, const TypeNode& node, Nodes ref, size_t at,
                std::vector<Diagnostic>& errors);
  bool CheckRefLeaf(TypeRef type, Nodes ref, size_t at, std::vector<Diagnostic>& errors);
  bool CheckRefStart(const TypeLayer* layer, Nodes ref, std::vector<Diagnostic>& errors);
  bool Undefined(Nodes ref, size_t at, bool has_type, TypeRef have, TypeRef want,
                 const std::vector<Value>& one_of, std::vector<Diagnostic>& errors);
  bool Unsupported(Nodes ref, size_t at, TypeRef have, std::vector<Diagnostic>& errors);
  const Builtin* BuiltinOf(Nodes ref) const;

  // Unification.
  bool Unify(Node& a, TypeRef type_a, Node& b, TypeRef type_b);
  bool UnifyArray(Node& a, Node& b);
  bool UnifyObject(Node& a, Node& b);
  bool Fits(Node& node, TypeRef type, bool join);
  bool FitsAny(Node& node, TypeRef type);

  std::string RefText(Nodes ref, size_t end) const;
  std::string NodeText(const Node& node) const;
  Diagnostic Error(const Location* at, std::string message) const;

  const TypeLayer* With(std::span<LoweredWith> with, std::deque<TypeTree>& trees,
                        std::deque<TypeLayer>& layers);

  TypeFactory& types_;
  const BuiltinTypes& builtin_types_;
  const Registry& builtins_;
  std::vector<Diagnostic>& errors_;
  std::span<const Local> locals_;
  std::vector<TypeRef> locals_types_;
  std::vector<std::pair<uint32_t, TypeRef>> undo_;
  const TypeLayer* documents_ = nullptr;
  std::string_view file_;
};

// The lines below a type error that does not fit or match.
std::vector<std::string> MatchDetails(TypeRef left, TypeRef right);
std::vector<std::string> ArgumentDetails(std::span<const TypeRef> have, TypeRef function,
                                         bool with_result);
// The keys that an object, or any object of a union, is known to have; sorted.
std::vector<Value> KnownKeys(TypeRef type);

}  // namespace bulwark::rego
