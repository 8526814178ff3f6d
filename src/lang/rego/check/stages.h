#pragma once

// The checks that a compilation runs one after the other, each over all modules (OPA's stages,
// v1/ast/compile.go). check.cc says which stop the later ones.

#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "lang/rego/ast/ast.h"
#include "lang/rego/check/check.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

using Diagnostics = std::vector<Diagnostic>;

// What several stages need of the options.
struct CheckContext {
  const Resolution& policy;
  const CheckOptions& options;
  std::unordered_set<std::string_view> allowed;  // built-ins; empty: all
  std::unordered_set<std::string_view> unsafe;

  CheckContext(const Resolution& resolution, const CheckOptions& check_options);
  // nullptr for what is unknown, or not allowed.
  const Builtin* Find(std::string_view name) const;
};

// What is in a rule at all, so that most stages can pass over most rules.
struct RuleTraits {
  bool templates = false;
  bool prints = false;
  bool withs = false;
  bool voids = false;       // calls a built-in without a value
  bool deprecated = false;  // calls a deprecated built-in
  bool unsafe = false;      // calls an unsafe one
};
RuleTraits TraitsOf(const CheckContext& context, const RuleInfo& rule);  // calls.cc

Diagnostic MakeDiagnostic(std::string_view code, const Module* module, const Location& at,
                          std::string message);
// v1 semantics, in which some of strict mode's checks always apply.
bool IsV1(const Module& module);

// imports.cc
void CheckUnusedImports(const Module& module, Diagnostics& errors);
void CheckDuplicateImports(const Module& module, Diagnostics& errors);
// An argument named data or input.
void CheckShadowedRoots(const RuleInfo& rule, Diagnostics& errors);
void CheckRootOverrides(const Module& module, Diagnostics& errors);
void CheckRootOverrides(Body body, const Module* module, Diagnostics& errors);

// locals.cc
// Variables that are declared and never used; in strict mode also those assigned, and arguments.
void CheckUnusedLocals(const RuleInfo& rule, bool strict, Diagnostics& errors);
void CheckUnusedLocals(Body body, bool strict, Diagnostics& errors);

// operands.cc: what template strings and print() show must have a value by then.
void CheckTemplates(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors);
void CheckTemplates(const CheckContext& context, Body body, Diagnostics& errors);
void CheckPrints(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors);
void CheckPrints(const CheckContext& context, Body body, Diagnostics& errors);

// calls.cc
void CheckVoidCalls(const CheckContext& context, const Module* module, Body body,
                    Diagnostics& errors);
void CheckVoidCalls(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors);
void CheckFunctions(const CheckContext& context, const Module* module, Body body, TypeRef input,
                    Diagnostics& errors);
void CheckFunctions(const CheckContext& context, const RuleInfo& rule, TypeRef input,
                    Diagnostics& errors);
void CheckWithTargets(const CheckContext& context, const Module* module, Body body,
                      Diagnostics& errors);
void CheckWithTargets(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors);
// Calls of the built-ins that `is_bad` names; `what` is "unsafe" or "deprecated".
void CheckForbidden(const Module* module, Body body, std::string_view what,
                    const std::function<bool(std::string_view)>& is_bad, Diagnostics& errors);
void CheckForbidden(const RuleInfo& rule, std::string_view what,
                    const std::function<bool(std::string_view)>& is_bad, Diagnostics& errors);

// conflicts.cc
void CheckConflicts(const CheckContext& context, Diagnostics& errors);

}  // namespace bulwark::rego
