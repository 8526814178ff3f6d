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

struct ValueHash {
  size_t operator()(const Value& value) const { return value.Hash(); }
};

class Machine {
 public:
  Machine(const Plan& plan, const EvalOptions& options, Arena& arena);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  // Runs a query to its end; the solutions are in rows().
  Result<> Query(const QueryPlan& query);
  struct Row {
    std::vector<Value> expressions;
    std::vector<Value> bindings;
  };
  std::vector<Row>& rows() { return rows_; }

 private:
  enum class State : uint8_t { kNew, kRunning, kDefined, kUndefined };
  // What was found out about a document or an extent.
  struct Memo {
    uint32_t key = kNone;
    State state = State::kNew;
    Value value;
  };
  // Memos by key; grows as there are more. Few of a policy's rules are asked in most queries.
  struct Memos {
    Memo* slots = nullptr;
    uint32_t size = 0;  // a power of two
    uint32_t used = 0;
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
    Memos memos;
    const Mock* mocks = nullptr;
    const Scope* outer = nullptr;
    // Paths of data that were replaced as a whole, from here outwards.
    const WithSite* replaced = nullptr;
    bool data_replaced = false;
  };
  struct Iterator {
    std::span<const Value> items;
    std::span<const Value::Entry> entries;
    std::span<const uint32_t> rules;      // kSelect
    std::span<const uint32_t> positions;  // kIterateWhere: which of the items
    uint32_t at = 0;
    bool set = false;
    bool chosen = false;  // only the positions
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
    uint32_t place = kNone;
    const Value::Entry* Find(const Value& key) const;
    void Insert(const Value& key, const Value& value);
    void Clear(uint8_t new_kind);
  };

  // What a machine needs while it runs, kept by the thread from one evaluation to the next.
  struct Scratch {
    std::vector<std::unique_ptr<Builder>> builders;
    std::vector<std::unique_ptr<Walker>> walkers;
    std::vector<std::unique_ptr<std::byte[]>> blocks;
    bool busy = false;
  };
  // Items of a collection by the value at a path in each.
  struct ItemIndex {
    const void* collection = nullptr;
    size_t size = 0;
    uint32_t uses = 0;
    bool built = false;
    std::unordered_map<Value, std::vector<uint32_t>, ValueHash> positions;
  };

  // The thread's scratch, or `own` where a query runs within another's built-in.
  static Scratch& Borrow(Scratch& own);
  bool Filter(const FilterSite& site, const Program& code, const Value* registers,
              Iterator& iterator);
  Outcome Run(const Procedure& procedure, std::span<const Value> arguments, Value& out);
  Outcome Documented(const Document& document, Value& out);
  // Everything under a node: what its rules give (Leaves) and the base documents there.
  Outcome Extent(const TreeNode& node, Value& out);
  Outcome Leaves(const TreeNode& node, Value& out);
  Outcome Dynamic(const WalkSite& walk, const Program& code, const Value* registers, Value& out);
  Outcome Call(const CallSite& site, const Program& code, const Value* registers, Value& out);
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

  // The values that rules of one name gave, and where: the message of their conflict.
  struct Given {
    Value value;
    Place place;
  };
  Outcome Conflict(const Procedure& procedure, std::vector<Given>& given);
  Outcome Fail(std::string_view code, std::string_view message, const Module* module,
               const Location& at);
  bool Grant(Context& context, uint64_t units, uint64_t& budget);
  // The memo of a document (by number) or of a node's extent. It moves when another is made.
  Memo& MemoOf(const Document& document) { return MemoAt(document.number * 2); }
  Memo& MemoOf(const TreeNode& node) { return MemoAt(node.id * 2 + 1); }
  Memo& MemoAt(uint32_t key);

  const Plan& plan_;
  const EvalOptions& options_;
  Arena& arena_;
  Host default_host_;
  Context context_;
  Scope root_;
  Scope* scope_ = &root_;
  std::vector<Row> rows_;
  Scratch own_scratch_;
  Scratch& scratch_;
  size_t builders_used_ = 0;
  size_t walkers_used_ = 0;
  std::unordered_map<const FilterSite*, ItemIndex> indices_;
  size_t depth_ = 0;
  std::optional<Error> error_;
  std::chrono::steady_clock::time_point deadline_;
  uint64_t spent_ = 0;
  size_t arena_before_ = 0;

  // Frames, one after the other, in blocks of the scratch.
  size_t block_ = 0;
  std::byte* frame_at_ = nullptr;
  std::byte* frame_end_ = nullptr;
};

}  // namespace bulwark::rego
