#include "lang/cel/planner.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/text.h"
#include "lang/cel/loop_shape.h"
#include "lang/cel/operators.h"
#include "lang/cel/program.h"
#include "lang/cel/stdlib.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

namespace {

// The evaluator recurses as deep as the tree is; one level of source may be several of tree.
constexpr int kMaxTreeDepth = 1500;

constexpr uint16_t Bit(Value::Kind kind) {
  return static_cast<uint16_t>(1U << static_cast<unsigned>(kind));
}

// The kinds that a value of a type has at run time.
uint16_t KindsOf(Type type, std::string_view* opaque_name) {
  using Kind = Value::Kind;
  switch (type.kind()) {
    case TypeKind::kDyn:
    case TypeKind::kError:
    case TypeKind::kAny:
    case TypeKind::kParam: return 0xffff;
    case TypeKind::kNull: return Bit(Kind::kNull);
    case TypeKind::kBool: return Bit(Kind::kBool);
    case TypeKind::kInt: return Bit(Kind::kInt);
    case TypeKind::kUint: return Bit(Kind::kUint);
    case TypeKind::kDouble: return Bit(Kind::kDouble);
    case TypeKind::kString: return Bit(Kind::kString);
    case TypeKind::kBytes: return Bit(Kind::kBytes);
    case TypeKind::kTimestamp: return Bit(Kind::kTimestamp);
    case TypeKind::kDuration: return Bit(Kind::kDuration);
    case TypeKind::kWrapper:
      return static_cast<uint16_t>(Bit(Kind::kNull) | KindsOf(type.params()[0], opaque_name));
    case TypeKind::kList:
      *opaque_name = "list";
      return Bit(Kind::kArray) | Bit(Kind::kSet) | Bit(Kind::kOpaque);
    case TypeKind::kMap: return Bit(Kind::kMap);
    case TypeKind::kType: *opaque_name = "type"; return Bit(Kind::kOpaque);
    case TypeKind::kStruct: return Bit(Kind::kMap) | Bit(Kind::kOpaque);
    case TypeKind::kOpaque: *opaque_name = type.name(); return Bit(Kind::kOpaque);
  }
  BW_UNREACHABLE();
}

class Planner {
 public:
  Planner(const Env& env, std::shared_ptr<const Ast> ast)
      : env_(env), ast_(*ast), program_(std::make_shared<Program>()) {
    program_->ast = std::move(ast);
    program_->types = env.options().types;
    program_->limits = env.options().limits;
    program_->error_on_bad_presence_test = env.options().error_on_bad_presence_test;
    for (const Variable& variable : env.variables()) {
      slots_.emplace(variable.name, static_cast<uint32_t>(program_->variables.size()));
      program_->variables.push_back(variable.name);
    }
  }

  Result<std::shared_ptr<const Program>> Run() {
    Failure(ast_.root, "");  // node 0: what a failed plan points to
    program_->root = Plan(ast_.root);
    if (error_) return *std::move(error_);
    return std::shared_ptr<const Program>(std::move(program_));
  }

 private:
  // A variable of an enclosing comprehension.
  struct Local {
    std::string_view name;
    uint32_t slot;
    uint32_t init = kNoNode;  // of an accumulator that is made when first asked for
  };

  // --- Making nodes ------------------------------------------------------------------------------

  Node& At(uint32_t node) { return program_->nodes[node]; }

  uint32_t Make(const Expr* e, Op op, int32_t cost = 0) {
    Node node;
    node.op = op;
    node.cost = cost;
    node.expr = static_cast<uint32_t>(e->id);
    program_->nodes.push_back(node);
    return static_cast<uint32_t>(program_->nodes.size() - 1);
  }

  uint32_t Operation(const Expr* e, Op op, int32_t cost, uint32_t a, uint32_t b = 0,
                     uint32_t c = 0) {
    uint32_t node = Make(e, op, cost);
    At(node).a = a;
    At(node).b = b;
    At(node).c = c;
    return node;
  }

  uint32_t AddConstant(Value v) {
    program_->constants.push_back(v);
    return static_cast<uint32_t>(program_->constants.size() - 1);
  }

  uint32_t Constant(const Expr* e, Value v, uint8_t flags = kPure) {
    uint32_t node = Operation(e, Op::kConst, 0, AddConstant(Normalize(v)));
    At(node).flags = flags;
    return node;
  }

  uint32_t Failure(const Expr* e, std::string_view message) {
    return Operation(e, Op::kError, 1, AddConstant(MakeError(program_->arena, message, e->id)));
  }

  uint32_t Fail(Error error) {
    if (!error_) error_ = std::move(error);
    return 0;
  }

  void SetChildren(uint32_t node, std::span<const uint32_t> children) {
    At(node).b = static_cast<uint32_t>(program_->children.size());
    At(node).count = static_cast<uint32_t>(children.size());
    program_->children.insert(program_->children.end(), children.begin(), children.end());
  }

  bool IsConst(uint32_t node) { return At(node).op == Op::kConst; }
  bool IsPure(uint32_t node) { return IsConst(node) && (At(node).flags & kPure) != 0; }
  const Value& ConstOf(uint32_t node) { return program_->constants[At(node).a]; }

  // Replaces `node`, whose operands (all of them constants) are the nodes from `first` on, by its
  // value, unless that is an error.
  uint32_t Fold(uint32_t node, uint32_t first, uint8_t flags = 0) {
    uint64_t cost = 0;
    Value value = EvaluateConstant(*program_, node, program_->arena, &cost);
    if (IsErrorOrUnknown(value)) {
      fold_error_ = value;
      return node;
    }
    if (cost > INT32_MAX) return node;
    uint32_t expr = At(node).expr;
    program_->nodes.resize(first + 1);
    Node folded;
    folded.op = Op::kConst;
    folded.flags = flags;
    const bool free = (flags & kPure) != 0 && !env_.options().literals_have_cost;
    folded.cost = free ? 0 : static_cast<int32_t>(cost);
    folded.expr = expr;
    folded.a = AddConstant(value);
    At(first) = folded;
    return first;
  }

  uint32_t Mark() const { return static_cast<uint32_t>(program_->nodes.size()); }

  const Reference* ReferenceOf(const Expr* e) const {
    return ast_.checked() ? &ast_.references[static_cast<size_t>(e->id)] : nullptr;
  }

  // --- Names -------------------------------------------------------------------------------------

  const Local* FindLocal(std::string_view name) const {
    for (size_t i = locals_.size(); i-- > 0;) {
      if (locals_[i].name == name) return &locals_[i];
    }
    return nullptr;
  }

  uint32_t ReadLocal(const Expr* e, const Local& local) {
    if (local.init != kNoNode) return Operation(e, Op::kLazy, 1, local.slot, local.init);
    return Operation(e, Op::kLocal, 1, local.slot);
  }

  // A variable, constant or type by its name as it stands in an expression that was not checked.
  std::optional<uint32_t> Resolve(const Expr* e, std::string_view name) {
    for (const std::string& candidate : env_.Candidates(name)) {
      if (auto slot = slots_.find(candidate); slot != slots_.end()) {
        return Operation(e, Op::kVariable, 1, slot->second);
      }
      if (const cel::Constant* constant = env_.FindConstant(candidate)) {
        return Constant(e, constant->value);
      }
      if (program_->types == nullptr) continue;
      if (auto constant = program_->types->FindConstant(candidate)) {
        return Constant(e, constant->CopyTo(program_->arena));
      }
      if (program_->types->FindType(candidate)) {
        return Constant(e, MakeType(program_->arena, candidate));
      }
    }
    return std::nullopt;
  }

  uint32_t PlanIdent(const Expr* e) {
    if (const Reference* reference = ReferenceOf(e)) {
      if (reference->is_constant) return Constant(e, reference->constant);
      if (reference->slot >= 0) {
        return Operation(e, Op::kVariable, 1, static_cast<uint32_t>(reference->slot));
      }
    }
    if (!e->name.starts_with('.')) {
      if (const Local* local = FindLocal(e->name)) return ReadLocal(e, *local);
    }
    if (!ast_.checked()) {
      if (auto found = Resolve(e, e->name)) return *found;
    }
    return Failure(e, "no such attribute(s): " + std::string(e->name));
  }

  // --- Attributes: a root and what is selected from it -------------------------------------------

  static bool IsAttribute(Op op) {
    return op == Op::kVariable || op == Op::kLocal || op == Op::kLazy || op == Op::kFields ||
           op == Op::kHas || op == Op::kPath || op == Op::kCond || op == Op::kError;
  }

  // cel-go does not count the root of an attribute that is a branch of a conditional or an index:
  // it resolves those without observing them.
  void FreeRoot(uint32_t node) {
    if (IsAttribute(At(node).op) && At(node).op != Op::kCond) At(node).cost = 0;
  }

  uint32_t AddStep(const Expr* e, uint32_t operand, Step step) {
    step.expr = static_cast<uint32_t>(e->id);
    uint32_t node = operand;
    Op op = At(operand).op;
    std::vector<Step>& steps = program_->steps;
    if (op == Op::kFields || op == Op::kPath) {
      if (At(node).b + At(node).count != steps.size()) {  // an index made steps of its own
        std::vector<Step> copy(steps.begin() + At(node).b,
                               steps.begin() + At(node).b + At(node).count);
        At(node).b = static_cast<uint32_t>(steps.size());
        steps.insert(steps.end(), copy.begin(), copy.end());
      }
    } else {
      bool conditional = op == Op::kCond;
      node = Make(e, Op::kFields, conditional ? 0 : 1);
      At(node).a = operand;
      At(node).b = static_cast<uint32_t>(steps.size());
      if (IsAttribute(op) && !conditional) At(operand).cost = 0;  // it is this node's now
    }
    At(node).expr = static_cast<uint32_t>(e->id);
    ++At(node).count;
    if (step.test) {
      At(node).op = At(node).op == Op::kFields && !step.optional ? Op::kHas : Op::kPath;
      if (!env_.options().presence_test_has_cost) --At(node).cost;
      // Of a conditional cel-go counts nothing, and takes the test off all the same.
    } else if (step.node != kNoNode || step.optional || !step.key.IsString()) {
      At(node).op = Op::kPath;
    }
    steps.push_back(step);
    MarkSoftPath(node);
    return node;
  }

  void MarkSoftPath(uint32_t node) {
    if (At(node).op != Op::kPath) return;
    const Step* first = program_->steps.data() + At(node).b;
    const Step* last = first + At(node).count;
    bool plain = std::all_of(first, last, [](const Step& step) {
      return step.node == kNoNode && !step.test && !step.field.empty();
    });
    bool soft = plain && std::any_of(first, last, [](const Step& s) { return s.optional; });
    At(node).flags = static_cast<uint8_t>(soft ? At(node).flags | kSoftPath
                                               : At(node).flags & ~unsigned{kSoftPath});
  }

  Step ConstStep(const Expr* e, Value key) {
    Step step;
    step.key = key;
    if (key.IsString()) step.field = key.AsString();
    step.error = MakeError(program_->arena, "no such key: " + ShowKey(key), e->id);
    return step;
  }

  uint32_t PlanSelect(const Expr* e) {
    const Reference* reference = ReferenceOf(e);
    if (reference != nullptr && (reference->is_constant || reference->slot >= 0)) {
      return PlanIdent(e);
    }
    if (!ast_.checked() && !e->test_only) {
      // "a.b.c" may be one name; the longest that there is wins, a local variable against all.
      std::string name = QualifiedName(*e);
      if (!name.empty() && (name[0] == '.' || FindLocal(std::string_view(name).substr(
                                                  0, name.find('.'))) == nullptr)) {
        if (auto found = Resolve(e, name)) return *found;
      }
    }
    uint32_t operand = Plan(e->operand);
    std::string_view field = e->name;
    if (reference != nullptr && !reference->field.empty()) field = reference->field;
    Step step = ConstStep(e, Value::String(field));
    step.test = e->test_only;
    return AddStep(e, operand, step);
  }

  uint32_t PlanIndex(const Expr* e, bool optional) {
    uint32_t operand = Plan(e->args[0]);
    uint32_t mark = Mark();
    uint32_t index = Plan(e->args[1]);
    Step step;
    if (IsPure(index)) {
      step = ConstStep(e, ConstOf(index));
      program_->nodes.resize(mark);
    } else {
      FreeRoot(index);
      step.node = index;
    }
    step.optional = optional;
    return AddStep(e, operand, step);
  }

  // --- Calls -------------------------------------------------------------------------------------

  // The overloads that a call may mean.
  std::vector<const Overload*> OverloadsOf(const Expr* e, std::string_view name, bool member,
                                           size_t arg_count) const {
    std::vector<const Overload*> out;
    if (const Reference* reference = ReferenceOf(e); reference != nullptr) {
      out.assign(reference->overloads.begin(), reference->overloads.end());
      if (!out.empty()) return out;
    }
    const FunctionDecl* decl = env_.FindFunction(name);
    if (decl == nullptr) return out;
    for (const Overload& overload : decl->overloads) {
      if (overload.member == member && overload.params.size() == arg_count) {
        out.push_back(&overload);
      }
    }
    return out;
  }

  // The id of the one overload that the checker chose; empty if there are several.
  std::string_view OverloadId(const Expr* e) const {
    const Reference* reference = ReferenceOf(e);
    if (reference == nullptr || reference->overloads.size() != 1) return {};
    return reference->overloads[0]->id;
  }

  uint32_t PlanLogical(const Expr* e, Op op) {
    // a && b && c is one node. The left spine is walked in a loop: it may be long.
    std::vector<const Expr*> terms;
    std::string_view name = op == Op::kAnd ? op::kAnd : op::kOr;
    std::vector<const Expr*> pending{e};
    while (!pending.empty()) {
      const Expr* at = pending.back();
      pending.pop_back();
      if (at->kind == ExprKind::kCall && at->operand == nullptr && at->name == name &&
          at->args.size() >= 2) {
        for (size_t i = at->args.size(); i-- > 0;) pending.push_back(at->args[i]);
      } else {
        terms.push_back(at);
      }
    }
    std::vector<uint32_t> children;
    children.reserve(terms.size());
    for (const Expr* term : terms) children.push_back(Plan(term));
    uint32_t node = Make(e, op);
    SetChildren(node, children);
    return node;
  }

  uint32_t PlanEqual(const Expr* e, bool negated) {
    uint32_t mark = Mark();
    uint32_t a = Plan(e->args[0]);
    uint32_t b = Plan(e->args[1]);
    if (IsConst(a) && IsConst(b)) {
      return Fold(Operation(e, negated ? Op::kNotEqual : Op::kEqual, 0, a, b), mark);
    }
    if (IsPure(a) && ConstOf(a).IsString()) std::swap(a, b);
    if (IsPure(b) && ConstOf(b).IsString()) {
      uint32_t node = Operation(e, Op::kEqualText, 0, a, At(b).a);
      if (negated) At(node).flags = kNegated;
      return node;
    }
    return Operation(e, negated ? Op::kNotEqual : Op::kEqual, 0, a, b);
  }

  uint32_t PlanBinary(const Expr* e, Op op) {
    uint32_t mark = Mark();
    uint32_t a = Plan(e->args[0]);
    uint32_t b = Plan(e->args[1]);
    std::string_view id = OverloadId(e);
    bool sized = id == "add_string" || id == "add_bytes" || id == "in_list" ||
                 (op != Op::kAdd && (id.ends_with("_string") || id.ends_with("_bytes")));
    if (op == Op::kIn && IsPure(b)) {
      if (auto set = MakeSet(ConstOf(b))) {
        // cel-go makes a set, which costs nothing, only where it knows that this is a list.
        bool empty = program_->sets[*set].items.empty();
        if (id == "in_list" && empty) {
          program_->nodes.resize(mark);
          return Constant(e, Value::Bool(false));
        }
        return Operation(e, Op::kInSet, id == "in_list" ? 0 : 1, a, *set);
      }
    }
    uint32_t node = Operation(e, op, sized ? 0 : 1, a, b);
    if (sized) At(node).flags = kSized;
    if (IsConst(a) && IsConst(b)) return Fold(node, mark);
    return node;
  }

  std::optional<uint32_t> MakeSet(const Value& list) {
    auto items = ListItems(list);
    if (!items) return std::nullopt;
    ConstSet set;
    for (const Value& item : *items) {
      if (!item.IsBool() && !item.IsInt() && !item.IsUint() && !item.IsDouble() &&
          !item.IsString()) {
        return std::nullopt;
      }
      set.items.push_back(item);
    }
    if (set.items.size() > 8) {
      size_t size = 32;
      while (size < set.items.size() * 2) size *= 2;
      set.index.resize(size);
      for (uint32_t i = 0; i < set.items.size(); ++i) {
        uint64_t at = set.items[i].Hash();
        while (set.index[at & (size - 1)] != 0) ++at;
        set.index[at & (size - 1)] = i + 1;
      }
    }
    program_->sets.push_back(std::move(set));
    return static_cast<uint32_t>(program_->sets.size() - 1);
  }

  uint32_t PlanUnary(const Expr* e, Op op, int32_t cost = 1) {
    uint32_t mark = Mark();
    uint32_t a = Plan(e->args[0]);
    uint32_t node = Operation(e, op, cost, a);
    return IsConst(a) ? Fold(node, mark) : node;
  }

  static std::optional<Op> BinaryOp(std::string_view name) {
    static const auto* const ops = new std::unordered_map<std::string_view, Op>{
        {op::kLess, Op::kLess},         {op::kLessEquals, Op::kLessEquals},
        {op::kGreater, Op::kGreater},   {op::kGreaterEquals, Op::kGreaterEquals},
        {op::kAdd, Op::kAdd},           {op::kSubtract, Op::kSubtract},
        {op::kMultiply, Op::kMultiply}, {op::kDivide, Op::kDivide},
        {op::kModulo, Op::kModulo},     {op::kIn, Op::kIn}};
    auto found = ops->find(name);
    return found == ops->end() ? std::nullopt : std::optional(found->second);
  }

  uint32_t PlanCall(const Expr* e) {
    if (e->operand == nullptr) {
      std::string_view name = e->name;
      size_t n = e->args.size();
      if (n >= 2 && name == op::kAnd) return PlanLogical(e, Op::kAnd);
      if (n >= 2 && name == op::kOr) return PlanLogical(e, Op::kOr);
      if (n == 3 && name == op::kConditional) return PlanConditional(e);
      if (n == 2) {
        if (name == op::kEquals) return PlanEqual(e, false);
        if (name == op::kNotEquals) return PlanEqual(e, true);
        if (name == op::kIndex) return PlanIndex(e, false);
        if (name == op::kOptIndex || name == op::kOptSelect) return PlanIndex(e, true);
        if (auto op = BinaryOp(name)) return PlanBinary(e, *op);
      }
      if (n == 1) {
        if (name == op::kNot) return PlanUnary(e, Op::kNot);
        if (name == op::kNegate) return PlanUnary(e, Op::kNegate);
        if (name == op::kNotStrictlyFalse) return PlanUnary(e, Op::kNotStrictlyFalse);
      }
    }
    return PlanFunction(e);
  }

  uint32_t PlanConditional(const Expr* e) {
    uint32_t condition = Plan(e->args[0]);
    uint32_t yes = Plan(e->args[1]);
    FreeRoot(yes);
    uint32_t no = Plan(e->args[2]);
    FreeRoot(no);
    return Operation(e, Op::kCond, 0, condition, yes, no);
  }

  // Which function a call means: a.b.f(x) may be f of a.b, or the function a.b.f.
  struct Target {
    std::string name;
    const Expr* receiver;
  };
  Target ResolveFunction(const Expr* e) {
    if (ast_.checked()) return {std::string(e->name), e->operand};
    std::string name(e->name);
    if (e->operand != nullptr) {
      std::string prefix = QualifiedName(*e->operand);
      if (prefix.empty() ||
          FindLocal(std::string_view(prefix).substr(0, prefix.find('.'))) != nullptr) {
        return {name, e->operand};
      }
      name = prefix + "." + name;
    }
    for (const std::string& candidate : env_.Candidates(name)) {
      if (env_.FindFunction(candidate) != nullptr) return {candidate, nullptr};
    }
    return {std::string(e->name), e->operand};
  }

  Candidate MakeCandidate(const Overload& overload, bool chosen) {
    Candidate out;
    out.function = overload.function;
    bool standard = IsStandardOverload(overload.id);
    out.cost = standard && !chosen ? nullptr : overload.actual_cost;
    out.counted = standard;
    for (Type param : overload.params) {
      std::string_view type;
      uint16_t kinds = KindsOf(param, &type);
      out.params.push_back({kinds, program_->arena.Copy(type)});
    }
    return out;
  }

  static bool IsConversion(std::string_view name) {
    for (std::string_view conversion : {"bool", "bytes", "double", "dyn", "duration", "int",
                                        "string", "timestamp", "type", "uint"}) {
      if (name == conversion) return true;
    }
    return false;
  }

  uint32_t PlanFunction(const Expr* e) {
    Target target = ResolveFunction(e);
    std::vector<const Expr*> args;
    if (target.receiver != nullptr) args.push_back(target.receiver);
    args.insert(args.end(), e->args.begin(), e->args.end());

    uint32_t mark = Mark();
    std::vector<uint32_t> children;
    for (const Expr* arg : args) children.push_back(Plan(arg));

    std::string_view id = OverloadId(e);
    if (target.receiver != nullptr && args.size() == 2) {
      // These do not look at their argument unless they need it.
      if (target.name == "or" && (!ast_.checked() || id == "optional_or_optional")) {
        return Operation(e, Op::kOptOr, 0, children[0], children[1]);
      }
      if (target.name == "orValue" && (!ast_.checked() || id == "optional_orValue_value")) {
        return Operation(e, Op::kOptOrValue, 0, children[0], children[1]);
      }
    }

    std::vector<const Overload*> overloads =
        OverloadsOf(e, target.name, target.receiver != nullptr, args.size());
    if (overloads.empty()) {
      return Failure(e, "no such overload: " + target.name);
    }
    bool standard = true;
    for (const Overload* overload : overloads) standard &= IsStandardOverload(overload->id);
    bool all_const = std::all_of(children.begin(), children.end(),
                                 [&](uint32_t child) { return IsConst(child); });
    if (standard && !all_const) {
      if (target.name == "size") return Operation(e, Op::kSize, 1, children[0]);
      if (target.name == "matches" && IsPure(children[1])) {
        if (auto node = PlanMatches(e, children, overloads[0]->id == "matches_string")) {
          return *node;
        }
      }
    }
    if (env_.options().validate_literals && children.size() >= 2 && IsPure(children[1]) &&
        ConstOf(children[1]).IsString() &&
        (target.name == "matches" || target.name == "find" || target.name == "findAll")) {
      std::string error;
      if (CompilePattern(ConstOf(children[1]).AsString(), &error) == nullptr) {
        return FailLiteral(target.name, args[1], std::move(error));
      }
    }

    CallSite site;
    site.function = target.name;
    for (const Overload* overload : overloads) {
      if (overload->function == nullptr) continue;
      site.candidates.push_back(MakeCandidate(*overload, overloads.size() == 1));
      site.non_strict |= overload->non_strict;
    }
    program_->calls.push_back(std::move(site));
    uint32_t node = Operation(e, Op::kCall, 0, static_cast<uint32_t>(program_->calls.size() - 1));
    SetChildren(node, children);
    if (standard && all_const && !children.empty()) {
      bool pure = IsConversion(target.name) && IsPure(children[0]);
      uint32_t folded = Fold(node, mark, pure ? kPure : 0);
      if (pure && !IsConst(folded) && env_.options().validate_literals) {
        return FailLiteral(target.name, args[0], std::string(ErrorMessage(fold_error_)));
      }
      return folded;
    }
    return node;
  }

  // A literal argument that can only fail.
  uint32_t FailLiteral(std::string_view function, const Expr* literal, std::string message) {
    if (function == "duration" || function == "timestamp" || function == "matches") {
      const Issue issue =
          MakeIssue(ast_.source, literal->offset, "invalid " + std::string(function) + " argument");
      message = RenderIssues(ast_.source, std::span(&issue, 1));
    }
    return Fail(Error(Code::kInvalid, std::move(message)));
  }

  std::optional<uint32_t> PlanMatches(const Expr* e, std::span<const uint32_t> children,
                                      bool member) {
    const Value& pattern = ConstOf(children[1]);
    if (!pattern.IsString()) return std::nullopt;
    std::string error;
    auto compiled = CompilePattern(pattern.AsString(), &error);
    if (compiled == nullptr) return std::nullopt;  // an error at run time, if it comes to that
    program_->patterns.push_back(std::move(compiled));
    // cel-go counts by work only the member that the checker chose.
    bool sized = member && !OverloadId(e).empty();
    uint64_t pattern_cost = ScaleCost(ActualSize(pattern), kPatternCost);
    uint32_t node = Operation(e, Op::kMatches, sized ? 0 : 1, children[0],
                              static_cast<uint32_t>(program_->patterns.size() - 1),
                              static_cast<uint32_t>(pattern_cost));
    if (sized) At(node).flags = kSized;
    return node;
  }

  // --- Literals ----------------------------------------------------------------------------------

  uint32_t PlanList(const Expr* e) {
    uint32_t mark = Mark();
    std::vector<uint32_t> children;
    bool all_const = true;
    bool all_pure = true;
    for (const Expr* arg : e->args) {
      children.push_back(Plan(arg));
      all_const &= IsConst(children.back());
      all_pure &= IsPure(children.back());
    }
    for (uint32_t index : e->optional_args) {
      if (index < children.size()) children[index] |= kOptionalChild;
    }
    uint32_t node = Make(e, Op::kList, 10);
    SetChildren(node, children);
    if (!e->optional_args.empty()) At(node).flags |= kOptionals;
    return all_const ? Fold(node, mark, all_pure ? kPure : 0) : node;
  }

  uint32_t PlanMap(const Expr* e) {
    uint32_t mark = Mark();
    std::vector<uint32_t> children;
    bool all_const = true;
    bool all_pure = true;
    bool optionals = false;
    for (const MapEntry& entry : e->entries) {
      for (const Expr* part : {entry.key, entry.value}) {
        children.push_back(Plan(part));
        all_const &= IsConst(children.back());
        all_pure &= IsPure(children.back());
      }
      if (entry.optional) {
        children.back() |= kOptionalChild;
        optionals = true;
      }
    }
    uint32_t node = Make(e, Op::kMap, 30);
    SetChildren(node, children);
    At(node).count /= 2;
    if (optionals) At(node).flags |= kOptionals;
    return all_const ? Fold(node, mark, all_pure ? kPure : 0) : node;
  }

  uint32_t PlanStruct(const Expr* e) {
    StructSite site;
    if (ast_.checked()) {
      site.type = e->name;
    } else {
      for (const std::string& candidate : env_.Candidates(e->name)) {
        if (program_->types != nullptr && program_->types->FindType(candidate)) {
          site.type = candidate;
          break;
        }
      }
    }
    if (site.type.empty() || program_->types == nullptr) {
      return Fail(Error(Code::kInvalid, "unknown type: " + std::string(e->name)));
    }
    std::vector<uint32_t> children;
    bool optionals = false;
    for (const MapEntry& entry : e->entries) {
      children.push_back(Plan(entry.value));
      if (entry.optional) {
        children.back() |= kOptionalChild;
        optionals = true;
      }
      site.fields.emplace_back(entry.field);
    }
    program_->structs.push_back(std::move(site));
    uint32_t node =
        Operation(e, Op::kStruct, 40, static_cast<uint32_t>(program_->structs.size() - 1));
    SetChildren(node, children);
    if (optionals) At(node).flags |= kOptionals;
    return node;
  }

  // --- Comprehensions ----------------------------------------------------------------------------

  uint32_t NewLocal() { return program_->locals++; }

  uint32_t AddLoop(const Expr* e, Op op, LoopSite site) {
    program_->loops.push_back(site);
    return Operation(e, op, 0, static_cast<uint32_t>(program_->loops.size() - 1));
  }

  uint32_t PlanComprehension(const Expr* e) {
    const Comprehension& loop = *e->loop;
    LoopSite site;
    site.accu = NewLocal();
    if (IsEmptyList(loop.range) && IsLiteral(loop.condition, Value::Bool(false)))
      return PlanBind(e, site);

    site.range = Plan(loop.range);
    site.var = NewLocal();
    if (!loop.var2.empty()) site.var2 = NewLocal();
    size_t scope = locals_.size();
    uint32_t node = 0;
    if (std::optional<LoopShape> shape = ShapeOf(loop)) {
      EnterVariables(loop, site);
      if (shape->predicate != nullptr) site.predicate = Plan(shape->predicate);
      if (shape->key != nullptr) site.key = Plan(shape->key);
      if (shape->item != nullptr) site.item = Plan(shape->item);
      site.round_cost = shape->round_cost;
      site.item_cost = shape->item_cost;
      site.stop_cost = shape->stop_cost;
      site.end_cost = shape->end_cost;
      if (env_.options().literals_have_cost) {
        // What the accumulator begins with is a literal, too.
        if (shape->op == Op::kMapList) site.end_cost += 10;
        if (shape->op == Op::kTransform) site.end_cost += 30;
      } else if (shape->op == Op::kMapList && IsPure(site.item)) {
        site.item_cost -= 10;  // a list of a literal is a literal
      }
      node = AddLoop(e, shape->op, site);
    } else {
      node = PlanFold(e, site);
    }
    locals_.resize(scope);
    return node;
  }

  void EnterVariables(const Comprehension& loop, const LoopSite& site) {
    locals_.push_back({loop.var, site.var});
    if (!loop.var2.empty()) locals_.push_back({loop.var2, site.var2});
  }

  // cel.bind(v, init, result) and the like: a fold over nothing.
  uint32_t PlanBind(const Expr* e, LoopSite site) {
    const Comprehension& loop = *e->loop;
    site.init = Plan(loop.accu_init);
    locals_.push_back({loop.accu, site.accu, site.init});
    site.result = Plan(loop.result);
    locals_.pop_back();
    return AddLoop(e, Op::kBind, site);
  }

  uint32_t PlanFold(const Expr* e, LoopSite site) {
    const Comprehension& loop = *e->loop;
    site.init = Plan(loop.accu_init);
    EnterVariables(loop, site);
    locals_.push_back({loop.accu, site.accu, site.init});
    site.condition = IsLiteral(loop.condition, Value::Bool(true)) ? kNoNode : Plan(loop.condition);
    site.step = Plan(loop.step);
    // The result sees the accumulator, and not the variables.
    locals_.resize(locals_.size() - (loop.var2.empty() ? 2 : 3));
    locals_.push_back({loop.accu, site.accu, site.init});
    site.result = Plan(loop.result);
    return AddLoop(e, Op::kFold, site);
  }

  // --- All of it ---------------------------------------------------------------------------------

  uint32_t Plan(const Expr* e) {
    if (error_) return 0;
    if (depth_ == kMaxTreeDepth) {
      return Fail(Error(Code::kLimit, "the expression is nested too deeply"));
    }
    ++depth_;
    uint32_t node = PlanKind(e);
    --depth_;
    return error_ ? 0 : node;
  }

  uint32_t PlanKind(const Expr* e) {
    if (error_) return 0;
    switch (e->kind) {
      case ExprKind::kLiteral: return Constant(e, e->literal);
      case ExprKind::kIdent: return PlanIdent(e);
      case ExprKind::kSelect: return PlanSelect(e);
      case ExprKind::kCall: return PlanCall(e);
      case ExprKind::kList: return PlanList(e);
      case ExprKind::kMap: return PlanMap(e);
      case ExprKind::kStruct: return PlanStruct(e);
      case ExprKind::kComprehension: return PlanComprehension(e);
    }
    BW_UNREACHABLE();
  }

  const Env& env_;
  const Ast& ast_;
  std::shared_ptr<Program> program_;
  std::unordered_map<std::string_view, uint32_t> slots_;
  std::vector<Local> locals_;
  int depth_ = 0;
  Value fold_error_;  // why Fold() did not
  std::optional<Error> error_;
};

}  // namespace

Program::Program() = default;
Program::~Program() = default;

bool ConstSet::Contains(const Value& v) const {
  if (index.empty()) {
    for (const Value& item : items) {
      if (Value::Equal(item, v)) return true;
    }
    return false;
  }
  if (v.IsArray() || v.IsMap() || v.IsSet() || v.IsOpaque()) return false;
  uint64_t mask = index.size() - 1;
  for (uint64_t at = v.Hash();; ++at) {
    uint32_t slot = index[at & mask];
    if (slot == 0) return false;
    if (Value::Equal(items[slot - 1], v)) return true;
  }
}

Result<std::shared_ptr<const Program>> PlanProgram(const Env& env, std::shared_ptr<const Ast> ast) {
  return Planner(env, std::move(ast)).Run();
}

}  // namespace bulwark::cel
