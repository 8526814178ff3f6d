#pragma once

// An environment's names, made once and then only read: what the checker looks up for each node.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "lang/cel/env.h"
#include "lang/cel/library.h"
#include "lang/cel/type.h"

namespace bulwark::cel {

// An overload whose type parameters are the variables 1 … variables.
struct OverloadSpec {
  const Overload* overload;
  std::span<const Type> params;
  Type result;
  uint32_t variables;
};

struct FunctionSpec {
  const FunctionDecl* declaration;
  std::vector<OverloadSpec> overloads;
};

// A variable, constant or type by its full name.
struct IdentSpec {
  std::string_view name;
  Type type;
  int32_t slot = -1;                   // a variable's
  const Constant* constant = nullptr;  // else
};

class Tables {
 public:
  // The standard library, then the others in their order. The options must outlive the tables.
  static Result<std::shared_ptr<const Tables>> Create(const EnvOptions& options);
  Tables() = default;
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  const FunctionSpec* FindFunction(std::string_view name) const;
  const IdentSpec* FindIdent(std::string_view name) const;
  const Macro* FindMacro(std::string_view name, bool receiver, int arg_count) const;
  // Whether a declared name with dots in it starts with this one.
  bool StartsQualifiedName(std::string_view first) const { return first_names_.contains(first); }
  // The same of functions.
  bool StartsFunctionName(std::string_view first) const {
    return first_function_names_.contains(first);
  }
  // What to put before a name, most qualified first: "a.b.", "a.", "".
  const std::vector<std::string>& prefixes() const { return prefixes_; }

 private:
  Result<> AddVariables(const EnvOptions& options);
  void AddLibrary(const Library& library);
  void AddFunction(const FunctionDecl& function);
  void AddConstant(std::string_view name, Type type, Value value);
  void AddTypes();
  void AddIdent(const IdentSpec& ident);
  void Specialise(bool cross_type_comparisons);

  Arena arena_;
  std::unordered_map<std::string_view, const FunctionDecl*> declarations_;
  std::deque<FunctionDecl> merged_;  // those that more than one library adds to
  std::unordered_map<std::string_view, FunctionSpec> functions_;
  std::unordered_map<std::string_view, IdentSpec> idents_;
  std::deque<Constant> constants_;
  std::unordered_map<std::string_view, std::vector<Macro>> macros_;
  std::unordered_set<std::string_view> first_names_, first_function_names_;
  std::vector<std::string> prefixes_;
};

}  // namespace bulwark::cel
