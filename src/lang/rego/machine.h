#pragma once

// Runs a program (program.h) over an input and base documents. One Machine serves one evaluation,
// on one thread; everything it makes lives in the caller's arena.

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/planner.h"
#include "lang/rego/program.h"
#include "lang/rego/rego.h"

namespace bulwark::rego {

class Machine {
 public:
  Machine(const Plan& plan, const EvalOptions& options, Arena& arena);

  // Runs a query to its end; the solutions are in rows().
  Result<> Query(const QueryPlan& query);
  struct Row {
    std::vector<Value> expressions;
    std::vector<Value> bindings;
  };
  std::vector<Row>& rows() { return rows_; }

 private:
  enum class State : uint8_t { kNew, kRunning, kDefined, kUndefined };
  struct Memo {
    Value value;
    State state = State::kNew;
  };
  // What `with` replaced: the replacements of functions, innermost first.
  struct Mock {
    const WithTarget* what = nullptr;
    Value value;
    const Mock* outer = nullptr;
  };
  // What rules and references see; `with` makes another one.
  struct Scope {
    bool has_input = false;
    Value input;
    Value data;
    Memo* documents = nullptr;  // by Document::number; made when first needed
    Memo* extents = nullptr;    // by TreeNode::id
    const Mock* mocks = nullptr;
    const Scope* outer = nullptr;
    // Paths of data that were replaced as a whole, from here outwards.
    const WithSite* replaced = nullptr;
    bool data_replaced = false;
  };
  struct Iterator {
    std::span<const Value> items;
    std::span<const Value::Entry> entries;
    std::span<const uint32_t> rules;
    uint32_t at = 0;
    bool set = false;
  };
  // A walk through a value, from the outside in.
  struct Walker {
    struct Level {
      std::span<const Value> items;
      std::span<const Value::Entry> entries;
      size_t at = 0;
      bool set = false;
    };
    Value next;
    bool has_next = false;
    std::vector<Level> levels;
    std::vector<Value> path;
    void Begin(const Value& root);
    // The next value, and where it is.
    bool Next(Arena& arena, Value* path_out, Value& value);
  };
  // A document that grows by paths: p[x].q[y] := z.
  struct Branch {
    std::map<Value, std::unique_ptr<Branch>, KeyOrder> children;
    std::vector<Value> elements;
    Value value;
    enum class Kind : uint8_t { kInner, kValue, kSet } kind = Kind::kInner;
  };
  struct Builder {
    uint8_t kind = 0;
    std::vector<Value> items;
    std::vector<Value::Entry> entries;
    std::vector<uint32_t> index;  // open addressing over entries, once there are many
    std::unique_ptr<Branch> tree;
    const Value::Entry* Find(const Value& key) const;
    void Insert(const Value& key, const Value& value);
    void Clear(uint8_t new_kind);
  };

  Outcome Run(const Procedure& procedure, std::span<const Value> arguments, Value& out);
  Outcome Documented(const Document& document, Value& out);
  // Everything under a node: what its rules give (Leaves) and the base documents there.
  Outcome Extent(const TreeNode& node, Value& out);
  Outcome Leaves(const TreeNode& node, Value& out);
  Outcome Dynamic(const WalkSite& walk, const Program& code, const Value* registers, Value& out);
  Outcome Call(const CallSite& site, const Program& code, const Value* registers, Value& out);
  Outcome CallFunction(const Document& function, std::span<const Value> arguments, Value& out);
  Outcome CallBuiltin(const Builtin& builtin, std::span<const Value> arguments,
                      const CallSite& site, Value& out);
  Outcome Calculated(Arithmetic what, const CallSite& site, const Program& code,
                     const Value* registers, Value& out);
  void Enter(const WithSite& site, const Program& code, const Value* registers, Scope*& slot);
  Value Patched(const Value* from, std::span<const Value> path, const Value& value);
  bool Replaced(std::span<const Value> path) const;
  const Value* Base(std::span<const Value> path) const;
  static const Value* BaseStep(const Value& at, const Value& key);
  bool AddToObject(Builder& builder, const Value& key, const Value& value);
  bool AddPath(Builder& builder, std::span<const Value> keys, const Value& value, bool element,
               const Place& place);
  Value FinishBuilder(Builder& builder);
  Value Freeze(const Branch& branch);
  Value Merge(const Value& under, const Value& over);
  void Print(const CallSite& site, const Value* registers, const Program& code);

  Outcome Fail(std::string_view code, std::string_view message, const Module* module,
               const Location& at);
  bool Grant(Context& context, uint64_t units, uint64_t& budget);
  Memo& MemoOf(const Document& document);
  Memo& MemoOf(const TreeNode& node);

  const Plan& plan_;
  const EvalOptions& options_;
  Arena& arena_;
  Host default_host_;
  Context context_;
  Scope root_;
  Scope* scope_ = &root_;
  std::vector<Row> rows_;
  std::vector<std::unique_ptr<Builder>> builders_;
  size_t builders_used_ = 0;
  std::vector<std::unique_ptr<Walker>> walkers_;
  size_t walkers_used_ = 0;
  size_t depth_ = 0;
  std::optional<Error> error_;
  std::chrono::steady_clock::time_point deadline_;
  uint64_t spent_ = 0;
  size_t arena_before_ = 0;

  // Frames, one after the other.
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* frame_at_ = nullptr;
  std::byte* frame_end_ = nullptr;
};

}  // namespace bulwark::rego
