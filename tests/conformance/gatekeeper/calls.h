#pragma once

// Recorded calls: see README.md.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::admission {

struct Call {
  int line = 0;
  std::string name, session, test;
  Value args, after, results;
  Value Arg(size_t i) const { return args[i]; }
  // The error that result `i` is, or nullopt.
  std::optional<std::string> ErrorAt(size_t i) const;
};

// All of them, read once; in the order of the file.
const std::vector<Call>& AllCalls();
// The values of a recorded call live as long as the program; an arena for what answers are made of.
Arena& CallArena();

// Why a call is not asked, from skips.txt; nullopt if it is.
std::optional<std::string> SkipReason(const Call& call);

// What one answer of ours is compared by: "" if it is right.
using Verdict = std::string;
// Functions that answer calls, by name. A session's calls go to the one function in their order.
using Answer = std::function<Verdict(const Call&)>;

// "" if both failed or both did not, with the same message.
Verdict CompareError(const std::optional<std::string>& want, const std::optional<std::string>& got);
template <typename T>
std::optional<std::string> MessageOf(const Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().message();
}
Verdict CompareValue(std::string_view what, const Value& want, const Value& got);
// Without entries that are null, empty or false: what Go's omitempty makes equal.
Value Pruned(const Value& value, Arena& arena);

void AddMutationAnswers(std::map<std::string, Answer>& to);
void AddPolicyAnswers(std::map<std::string, Answer>& to);
void AddGatorAnswers(std::map<std::string, Answer>& to);

}  // namespace bulwark::admission
