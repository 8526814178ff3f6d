#include "lang/cel/parser.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/text.h"
#include "lang/cel/env.h"
#include "lang/cel/lexer.h"
#include "lang/cel/library.h"

namespace bulwark::cel {

namespace {

constexpr size_t kMaxIssues = 100;
constexpr std::string_view kStartOfExpression =
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, "
    "BYTES, IDENTIFIER}";

// Not usable as variables and functions, but as fields (langdef.md, RESERVED).
bool IsReserved(std::string_view word) {
  static constexpr std::string_view kWords[] = {
      "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
      "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};
  if (word.size() < 2 || word.size() > 9) return false;
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

// A subtree, and how much of cel-go's recursion limit it takes: selects, indexes, receiver calls,
// arithmetic, comparisons and conditionals count one each.
struct Node {
  Expr* expr = nullptr;  // nullptr: a syntax error was reported
  int depth = 0;
  explicit operator bool() const { return expr != nullptr; }
};

class Parser final : public MacroContext {
 public:
  Parser(const Env& env, Ast& ast, std::vector<Issue>& issues)
      : env_(env), limits_(env.options().limits), ast_(ast), source_(ast.source), issues_(issues) {}

  bool limit_exceeded() const { return limit_exceeded_; }

  void Run() {
    Advance();
    Node root = ParseExpr();
    if (root && token_.kind != Tok::kEnd) {
      bool one_too_many = Lex(source_, token_.end).kind == Tok::kEnd;
      SyntaxError(token_, (one_too_many ? "extraneous input " : "mismatched input ") +
                              Describe(token_) + " expecting <EOF>");
    }
    ast_.root = root.expr;
    ast_.max_id = last_id_;
  }

  // MacroContext:
  Expr* New(ExprKind kind) override { return NewNode(kind, macro_offset_); }
  Arena& arena() override { return ast_.arena; }
  std::string_view accumulator() const override { return "@result"; }
  std::nullptr_t Fail(const Expr* at, std::string message) override {
    Report(at->offset, std::move(message));
    return nullptr;
  }

 private:
  // --- Errors
  // -------------------------------------------------------------------------------------

  void Report(size_t offset, std::string message) {
    if (issues_.size() < kMaxIssues) {
      issues_.push_back(MakeIssue(source_, offset, std::move(message)));
    }
  }
  Node SyntaxError(const Token& at, const std::string& message) {
    Report(at.start, "Syntax error: " + message);
    return {};
  }
  Node LimitError(size_t offset, std::string message) {
    if (!limit_exceeded_) Report(offset, std::move(message));
    limit_exceeded_ = true;
    return {};
  }
  std::string Describe(const Token& token) const {
    return "'" + (token.kind == Tok::kEnd ? std::string("<EOF>") : std::string(Text(token))) + "'";
  }
  // Something else is wrong than the syntax: reported, and parsing goes on with a stand-in.
  Node Bad(size_t offset, std::string message) {
    Report(offset, std::move(message));
    return Leaf(ExprKind::kLiteral, offset);
  }

  // --- Tokens
  // -------------------------------------------------------------------------------------

  std::string_view Text(const Token& token) const {
    return source_.substr(token.start, token.end - token.start);
  }
  void Advance() {
    token_ = Lex(source_, token_.end);
    while (token_.kind == Tok::kError) {
      SyntaxError(token_, "token recognition error at: '" + std::string(Text(token_)) + "'");
      token_ = Lex(source_, token_.end);
    }
  }
  bool Take(Tok kind) {
    if (token_.kind != kind) return false;
    Advance();
    return true;
  }
  bool Expect(Tok kind, std::string_view shown) {
    if (Take(kind)) return true;
    std::string expected(shown);
    if (token_.kind == Tok::kEnd) {
      SyntaxError(token_, "missing " + expected + " at '<EOF>'");
    } else if (Lex(source_, token_.end).kind == kind) {
      SyntaxError(token_, "extraneous input " + Describe(token_) + " expecting " + expected);
    } else {
      SyntaxError(token_, "mismatched input " + Describe(token_) + " expecting " + expected);
    }
    return false;
  }

  // --- Nodes
  // --------------------------------------------------------------------------------------

  int64_t NewId(size_t offset) {
    if (static_cast<size_t>(last_id_) >= limits_.max_nodes) {
      LimitError(offset,
                 "expression size exceeds limit: " + std::to_string(limits_.max_nodes) + " nodes");
    }
    return ++last_id_;
  }
  Expr* NewNode(ExprKind kind, size_t offset) {
    Expr* node = ast_.arena.New<Expr>();
    node->id = NewId(offset);
    node->offset = static_cast<uint32_t>(offset);
    node->kind = kind;
    return node;
  }
  Node Leaf(ExprKind kind, size_t offset) { return {NewNode(kind, offset), 0}; }
  Node Literal(size_t offset, Value value) {
    Node node = Leaf(ExprKind::kLiteral, offset);
    node.expr->literal = value;
    return node;
  }
  // One level more, within the limit.
  Node Deeper(Expr* expr, int depth) {
    if (depth + 1 > limits_.max_depth) return TooDeep(expr->offset);
    return {expr, depth + 1};
  }
  Node TooDeep(size_t offset) {
    return LimitError(offset,
                      "expression recursion limit exceeded: " + std::to_string(limits_.max_depth));
  }
  std::span<const Expr* const> Args(std::initializer_list<const Expr*> args) {
    return ast_.arena.Copy(std::span<const Expr* const>(args.begin(), args.size()));
  }
  // What was pushed on a stack since `base`, as an array of the tree's.
  template <typename T>
  std::span<const T> Pop(std::vector<T>& stack, size_t base) {
    std::span<const T> items = ast_.arena.Copy(std::span<const T>(stack).subspan(base));
    stack.resize(base);
    return items;
  }

  Node Binary(std::string_view name, size_t offset, Node left, Node right) {
    Expr* call = NewNode(ExprKind::kCall, offset);
    call->name = name;
    call->args = Args({left.expr, right.expr});
    return Deeper(call, std::max(left.depth, right.depth));
  }

  // --- Operators
  // ----------------------------------------------------------------------------------

  Node ParseExpr() {
    if (++nesting_ > limits_.max_depth) return TooDeep(token_.start);
    Node node = ParseOr();
    if (node && token_.kind == Tok::kQuestion) node = ParseConditional(node);
    --nesting_;
    return limit_exceeded_ ? Node{} : node;
  }

  Node ParseConditional(Node condition) {
    size_t offset = token_.start;
    Advance();
    Node yes = ParseOr();
    if (!yes || !Expect(Tok::kColon, "':'")) return {};
    Node no = ParseExpr();
    if (!no) return {};
    Expr* call = NewNode(ExprKind::kCall, offset);
    call->name = op::kConditional;
    call->args = Args({condition.expr, yes.expr, no.expr});
    return Deeper(call, std::max({condition.depth, yes.depth, no.depth}));
  }

  Node ParseOr() { return ParseLogic(Tok::kOr, op::kOr, &Parser::ParseAnd); }
  Node ParseAnd() { return ParseLogic(Tok::kAnd, op::kAnd, &Parser::ParseRelation); }

  struct Term {
    const Expr* expr;
    uint32_t offset;  // of the operator before it
  };

  Node ParseLogic(Tok kind, std::string_view name, Node (Parser::*parse_term)()) {
    Node node = (this->*parse_term)();
    if (!node || token_.kind != kind) return node;
    size_t base = terms_.size();
    terms_.push_back({node.expr, 0});
    while (token_.kind == kind) {
      uint32_t offset = token_.start;
      Advance();
      Node next = (this->*parse_term)();
      if (!next) return {};
      node.depth = std::max(node.depth, next.depth);
      terms_.push_back({next.expr, offset});
    }
    node.expr = Balance(name, std::span<const Term>(terms_).subspan(base));
    terms_.resize(base);
    return node;
  }

  // The operators' order of evaluation is free, so a long chain need not be a deep tree. The root
  // is the operator in the middle.
  Expr* Balance(std::string_view name, std::span<const Term> terms) {
    if (terms.size() == 1) return const_cast<Expr*>(terms[0].expr);
    size_t middle = (terms.size() + 1) / 2;
    const Expr* left = Balance(name, terms.first(middle));
    const Expr* right = Balance(name, terms.subspan(middle));
    Expr* call = NewNode(ExprKind::kCall, terms[middle].offset);
    call->name = name;
    call->args = Args({left, right});
    return call;
  }

  static std::string_view RelationName(Tok kind) {
    switch (kind) {
      case Tok::kEqual: return op::kEquals;
      case Tok::kNotEqual: return op::kNotEquals;
      case Tok::kLess: return op::kLess;
      case Tok::kLessEqual: return op::kLessEquals;
      case Tok::kGreater: return op::kGreater;
      case Tok::kGreaterEqual: return op::kGreaterEquals;
      case Tok::kIn: return op::kIn;
      default: return {};
    }
  }

  Node ParseRelation() {
    Node left = ParseSum();
    while (left) {
      std::string_view name = RelationName(token_.kind);
      if (name.empty()) break;
      size_t offset = token_.start;
      Advance();
      Node right = ParseSum();
      if (!right) return {};
      left = Binary(name, offset, left, right);
    }
    return left;
  }

  Node ParseSum() {
    Node left = ParseProduct();
    while (left && (token_.kind == Tok::kPlus || token_.kind == Tok::kMinus)) {
      std::string_view name = token_.kind == Tok::kPlus ? op::kAdd : op::kSubtract;
      size_t offset = token_.start;
      Advance();
      Node right = ParseProduct();
      if (!right) return {};
      left = Binary(name, offset, left, right);
    }
    return left;
  }

  Node ParseProduct() {
    Node left = ParseUnary();
    while (left) {
      std::string_view name;
      if (token_.kind == Tok::kStar) name = op::kMultiply;
      if (token_.kind == Tok::kSlash) name = op::kDivide;
      if (token_.kind == Tok::kPercent) name = op::kModulo;
      if (name.empty()) break;
      size_t offset = token_.start;
      Advance();
      Node right = ParseUnary();
      if (!right) return {};
      left = Binary(name, offset, left, right);
    }
    return left;
  }

  Node ParseUnary() {
    const Tok kind = token_.kind;
    if (kind != Tok::kNot && (kind != Tok::kMinus || IsNegativeLiteral())) return ParseMember();
    size_t offset = token_.start;
    bool odd = false;
    for (; token_.kind == kind; odd = !odd) Advance();
    Node operand = ParseMember();
    if (!operand || !odd) return operand;
    Expr* call = NewNode(ExprKind::kCall, offset);
    call->name = kind == Tok::kNot ? op::kNot : op::kNegate;
    call->args = Args({operand.expr});
    return {call, operand.depth};
  }

  bool IsNegativeLiteral() const {
    if (token_.kind != Tok::kMinus) return false;
    Tok next = Lex(source_, token_.end).kind;
    return next == Tok::kInt || next == Tok::kFloat;
  }

  // --- Members
  // ------------------------------------------------------------------------------------

  Node ParseMember() {
    const uint32_t start = token_.start;
    const bool named = token_.kind == Tok::kIdent || token_.kind == Tok::kDot;
    uint32_t end = token_.end;  // of what may be the name of a type
    Node node = ParsePrimary(end);
    bool maybe_type = node && named && node.expr->kind == ExprKind::kIdent;
    while (node) {
      if (token_.kind == Tok::kDot) {
        node = ParseSelect(node, maybe_type, end);
      } else if (token_.kind == Tok::kLeftBracket) {
        node = ParseIndex(node);
        maybe_type = false;
      } else if (token_.kind == Tok::kLeftBrace && maybe_type) {
        node = ParseStruct(TypeName(start, end));
        maybe_type = false;
      } else {
        break;
      }
    }
    return node;
  }

  Node ParseSelect(Node operand, bool& maybe_type, uint32_t& end) {
    const uint32_t dot = token_.start;
    Advance();
    bool optional = false;
    if (token_.kind == Tok::kQuestion) {
      optional = true;
      maybe_type = false;
      Advance();
    }
    const Token name = token_;
    if (name.kind == Tok::kQuotedIdent) {
      maybe_type = false;
    } else if (name.kind != Tok::kIdent) {
      return SyntaxError(name, "mismatched input " + Describe(name) + " expecting IDENTIFIER");
    }
    end = name.end;
    Advance();
    if (token_.kind == Tok::kLeftParen && !optional && name.kind == Tok::kIdent) {
      maybe_type = false;
      return ParseCall(Text(name), operand);
    }
    std::string_view field = FieldName(name);
    if (!optional) {
      Expr* select = NewNode(ExprKind::kSelect, dot);
      select->operand = operand.expr;
      select->name = field;
      return Deeper(select, operand.depth);
    }
    if (!env_.options().optional_syntax) return Bad(dot, "unsupported syntax '.?'");
    Node literal = Literal(name.start, Value::String(field));
    return Binary(op::kOptSelect, dot, operand, literal);
  }

  std::string_view FieldName(const Token& token) const {
    std::string_view text = Text(token);
    return token.kind == Tok::kQuotedIdent ? text.substr(1, text.size() - 2) : text;
  }

  Node ParseIndex(Node operand) {
    const uint32_t bracket = token_.start;
    Advance();
    const bool optional = Take(Tok::kQuestion);
    Node index = ParseExpr();
    if (!index || !Expect(Tok::kRightBracket, "']'")) return {};
    if (optional && !env_.options().optional_syntax) {
      return Bad(bracket, "unsupported syntax '[?'");
    }
    return Binary(optional ? op::kOptIndex : op::kIndex, bracket, operand, index);
  }

  // "(args)" of a call of `name`, on `target` if there is one.
  Node ParseCall(std::string_view name, Node target) {
    const uint32_t paren = token_.start;
    Advance();
    const size_t base = args_.size();
    int depth = target.depth;
    if (token_.kind != Tok::kRightParen) {
      do {
        Node arg = ParseExpr();
        if (!arg) return {};
        depth = std::max(depth, arg.depth);
        args_.push_back(arg.expr);
      } while (Take(Tok::kComma));
    }
    if (!Expect(Tok::kRightParen, "')'")) return {};
    Expr* call = NewNode(ExprKind::kCall, paren);
    call->name = name;
    call->operand = target.expr;
    call->args = Pop(args_, base);
    if (target && depth + 1 > limits_.max_depth) return TooDeep(paren);
    return {Expand(call), target ? depth + 1 : depth};
  }

  // What a macro makes of the call, if it is one.
  Expr* Expand(Expr* call) {
    const bool receiver = call->operand != nullptr;
    const Macro* macro = env_.FindMacro(call->name, receiver, static_cast<int>(call->args.size()));
    if (macro == nullptr) return call;
    macro_offset_ = call->offset;
    const size_t reported = issues_.size();
    std::optional<const Expr*> expanded = macro->expand(*this, call, call->operand, call->args);
    if (!expanded) return call;
    if (*expanded != nullptr) return const_cast<Expr*>(*expanded);
    if (issues_.size() == reported) Report(call->offset, "invalid macro call");
    return NewNode(ExprKind::kLiteral, call->offset);
  }

  // --- Primaries
  // ----------------------------------------------------------------------------------

  // `name_end` is set to the end of an identifier.
  Node ParsePrimary(uint32_t& name_end) {
    const Token token = token_;
    switch (token.kind) {
      case Tok::kDot:
      case Tok::kIdent: return ParseIdent(name_end);
      case Tok::kLeftParen: {
        Advance();
        Node node = ParseExpr();
        if (!node || !Expect(Tok::kRightParen, "')'")) return {};
        return node;
      }
      case Tok::kLeftBracket: return ParseList();
      case Tok::kLeftBrace: return ParseMap();
      case Tok::kMinus:
        if (!IsNegativeLiteral()) {
          const Token next = Lex(source_, token.end);
          return SyntaxError(next,
                             "no viable alternative at input '-" + std::string(Text(next)) + "'");
        }
        Advance();
        return Number(token.start);
      case Tok::kInt:
      case Tok::kUint:
      case Tok::kFloat: return Number(token.start);
      case Tok::kString:
      case Tok::kBytes: Advance(); return Quoted(token);
      case Tok::kTrue:
      case Tok::kFalse:
        Advance();
        return Literal(token.start, Value::Bool(token.kind == Tok::kTrue));
      case Tok::kNull: Advance(); return Literal(token.start, Value::Null());
      default: break;
    }
    return SyntaxError(token, "mismatched input " + Describe(token) + " expecting " +
                                  std::string(kStartOfExpression));
  }

  Node ParseIdent(uint32_t& name_end) {
    const uint32_t start = token_.start;
    const bool dotted = Take(Tok::kDot);
    const Token token = token_;
    if (token.kind != Tok::kIdent) {
      return SyntaxError(token, "mismatched input " + Describe(token) + " expecting IDENTIFIER");
    }
    name_end = token.end;
    Advance();
    std::string_view word = Text(token);
    if (token_.kind != Tok::kLeftBrace && IsReserved(word)) {
      Bad(start, "reserved identifier: " + std::string(word));
    }
    std::string_view name = dotted ? TypeName(start, token.end) : word;
    if (token_.kind == Tok::kLeftParen) return ParseCall(name, {});
    Node node = Leaf(ExprKind::kIdent, token.start);
    node.expr->name = name;
    return node;
  }

  // A dotted name without the white space and comments that may stand in it.
  std::string_view TypeName(uint32_t start, uint32_t end) {
    std::string_view text = source_.substr(start, end - start);
    auto is_part = [](char c) {
      return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_' || c == '.';
    };
    if (std::all_of(text.begin(), text.end(), is_part)) return text;
    std::string name;
    for (Token token = Lex(source_, start); token.kind != Tok::kEnd && token.end <= end;
         token = Lex(source_, token.end)) {
      name += Text(token);
    }
    return ast_.arena.Copy(name);
  }

  Node ParseList() {
    const uint32_t bracket = token_.start;
    Advance();
    const size_t base = args_.size();
    const size_t optional_base = optional_.size();
    int depth = 0;
    while (token_.kind != Tok::kRightBracket && token_.kind != Tok::kComma) {
      const uint32_t question = token_.start;
      if (Take(Tok::kQuestion)) {
        if (!env_.options().optional_syntax) Report(question, "unsupported syntax '?'");
        optional_.push_back(static_cast<uint32_t>(args_.size() - base));
      }
      Node item = ParseExpr();
      if (!item) return {};
      depth = std::max(depth, item.depth);
      args_.push_back(item.expr);
      if (token_.kind != Tok::kComma || !Take(Tok::kComma)) break;
      if (token_.kind == Tok::kComma) break;
    }
    if (args_.size() == base) Take(Tok::kComma);  // [,]
    if (!Expect(Tok::kRightBracket, "']'")) return {};
    Expr* list = NewNode(ExprKind::kList, bracket);
    list->args = Pop(args_, base);
    list->optional_args = Pop(optional_, optional_base);
    return {list, depth};
  }

  Node ParseMap() {
    const uint32_t brace = token_.start;
    Advance();
    return ParseEntries(NewNode(ExprKind::kMap, brace));
  }

  Node ParseStruct(std::string_view type) {
    const uint32_t brace = token_.start;
    Advance();
    Expr* made = NewNode(ExprKind::kStruct, brace);
    made->name = type;
    return ParseEntries(made);
  }

  // "key: value, …}" of a map or struct.
  Node ParseEntries(Expr* made) {
    const size_t base = entries_.size();
    int depth = 0;
    while (token_.kind != Tok::kRightBrace && token_.kind != Tok::kComma) {
      MapEntry entry{};
      const uint32_t question = token_.start;
      if (Take(Tok::kQuestion)) {
        if (!env_.options().optional_syntax) Report(question, "unsupported syntax '?'");
        entry.optional = true;
      }
      if (made->kind == ExprKind::kMap) {
        Node key = ParseExpr();
        if (!key) return {};
        depth = std::max(depth, key.depth);
        entry.key = key.expr;
      } else {
        if (token_.kind != Tok::kIdent && token_.kind != Tok::kQuotedIdent) {
          return SyntaxError(token_, "mismatched input " + Describe(token_) +
                                         " expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}");
        }
        entry.field = FieldName(token_);
        Advance();
      }
      entry.offset = token_.start;
      entry.id = NewId(entry.offset);
      if (!Expect(Tok::kColon, "':'")) return {};
      Node value = ParseExpr();
      if (!value) return {};
      depth = std::max(depth, value.depth);
      entry.value = value.expr;
      entries_.push_back(entry);
      if (!Take(Tok::kComma) || token_.kind == Tok::kComma) break;
    }
    if (entries_.size() == base) Take(Tok::kComma);  // {,}
    if (!Expect(Tok::kRightBrace, "'}'")) return {};
    made->entries = Pop(entries_, base);
    return {made, depth};
  }

  // --- Literals
  // -----------------------------------------------------------------------------------

  // The number that is the current token; its sign, if any, stands at `start`.
  Node Number(uint32_t start) {
    const Token token = token_;
    Advance();
    const bool negative = start != token.start;
    std::string_view text = Text(token);
    if (token.kind == Tok::kFloat) {
      double value = 0;
      if (!ParseDouble(text, value)) return Bad(start, "invalid double literal");
      return Literal(start, Value::Double(negative ? -value : value));
    }
    if (token.kind == Tok::kUint) text.remove_suffix(1);
    int base = 10;
    if (text.starts_with("0x")) {
      base = 16;
      text.remove_prefix(2);
    }
    uint64_t value = 0;
    const bool fits =
        std::from_chars(text.data(), text.data() + text.size(), value, base).ec == std::errc();
    if (token.kind == Tok::kUint) {
      if (!fits) return Bad(start, "invalid uint literal");
      return Literal(start, Value::Uint(value));
    }
    const uint64_t limit = uint64_t{INT64_MAX} + (negative ? 1 : 0);
    if (!fits || value > limit) return Bad(start, "invalid int literal");
    return Literal(start, Value::Int(static_cast<int64_t>(negative ? uint64_t{0} - value : value)));
  }

  // Too large is an error, too small is 0.
  static bool ParseDouble(std::string_view text, double& value) {
    std::from_chars_result read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc()) return true;
    // Which of the two: the power of ten of the first digit that is not 0.
    size_t mantissa_end = std::min(text.find_first_of("eE"), text.size());
    size_t point = std::min(text.find('.'), mantissa_end);
    size_t first = text.find_first_of("123456789");
    if (first == std::string_view::npos || first > mantissa_end) return false;
    int64_t power = static_cast<int64_t>(point) - static_cast<int64_t>(first);
    if (mantissa_end < text.size()) {
      std::string_view exponent = text.substr(mantissa_end + 1);
      const bool negative = exponent.starts_with('-');
      if (negative || exponent.starts_with('+')) exponent.remove_prefix(1);
      int64_t digits = 0;
      auto parsed = std::from_chars(exponent.data(), exponent.data() + exponent.size(), digits);
      if (parsed.ec != std::errc()) digits = INT32_MAX;
      power += negative ? -digits : digits;
    }
    value = 0;
    return power < 0;
  }

  Node Quoted(const Token& token) {
    std::string_view text = Text(token);
    const bool bytes = token.kind == Tok::kBytes;
    if (bytes) text.remove_prefix(1);
    const bool raw = AsciiLower(text[0]) == 'r';
    if (raw) text.remove_prefix(1);
    const bool triple = text.size() >= 6 && text[0] == text[1] && text[0] == text[2];
    const size_t quotes = triple ? 3 : 1;
    text = text.substr(quotes, text.size() - 2 * quotes);
    const bool plain =
        text.find('\r') == std::string_view::npos && (raw || text.find('\\') == text.npos);
    if (!plain) {
      // An escape sequence is never shorter than what it stands for.
      char* out = static_cast<char*>(ast_.arena.Allocate(text.size() + 1, 1));
      size_t size = 0;
      if (const char* wrong = Unescape(text, raw, bytes, out, size)) return Bad(token.start, wrong);
      text = {out, size};
    }
    return Literal(token.start, bytes ? Value::Bytes(text) : Value::String(text));
  }

  // What is wrong, or nullptr. The lexer has seen to the form of the sequences.
  static const char* Unescape(std::string_view text, bool raw, bool bytes, char* out,
                              size_t& size) {
    auto put = [&](char c) { out[size++] = c; };
    for (size_t i = 0; i < text.size(); ++i) {
      char c = text[i];
      if (c == '\r') {  // line ends are \n, whatever they were
        if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
        put('\n');
        continue;
      }
      if (c != '\\' || raw) {
        put(c);
        continue;
      }
      c = text[++i];
      size_t digits = 0;
      int base = 16;
      switch (c) {
        case 'a': put('\a'); continue;
        case 'b': put('\b'); continue;
        case 'f': put('\f'); continue;
        case 'n': put('\n'); continue;
        case 'r': put('\r'); continue;
        case 't': put('\t'); continue;
        case 'v': put('\v'); continue;
        case 'x':
        case 'X': digits = 2; break;
        case 'u': digits = 4; break;
        case 'U': digits = 8; break;
        case '0':
        case '1':
        case '2':
        case '3':
          digits = 3;
          base = 8;
          --i;  // the first digit is part of the number
          break;
        default: put(c); continue;  // punctuation stands for itself
      }
      if (bytes && digits >= 4) return "unable to unescape string";
      uint32_t value = 0;
      std::from_chars(text.data() + i + 1, text.data() + i + 1 + digits, value, base);
      i += digits;
      if (bytes) {
        put(static_cast<char>(value));
        continue;
      }
      if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return "invalid unicode code point";
      }
      std::string encoded;
      AppendUtf8(encoded, value);
      for (char byte : encoded) put(byte);
    }
    return nullptr;
  }

  const Env& env_;
  const Limits& limits_;
  Ast& ast_;
  std::string_view source_;
  std::vector<Issue>& issues_;

  Token token_;
  int64_t last_id_ = 0;
  int nesting_ = 0;
  bool limit_exceeded_ = false;
  uint32_t macro_offset_ = 0;
  // Stacks of what belongs to the lists being parsed: each takes what stands above its base.
  std::vector<const Expr*> args_;
  std::vector<uint32_t> optional_;
  std::vector<MapEntry> entries_;
  std::vector<Term> terms_;
};

}  // namespace

Result<std::shared_ptr<Ast>> ParseSource(const Env& env, std::string_view source,
                                         std::vector<Issue>* issues) {
  const Limits& limits = env.options().limits;
  if (source.size() > limits.max_source_bytes) {
    return Error(Code::kLimit, "cel.limit",
                 "expression size exceeds limit: size: " + std::to_string(source.size()) +
                     " bytes, limit: " + std::to_string(limits.max_source_bytes));
  }
  auto ast = std::make_shared<Ast>();
  ast->source = ast->arena.Copy(source);
  std::vector<Issue> found;
  bool limited = false;
  if (size_t bad = FirstInvalidUtf8(source); bad != std::string_view::npos) {
    found.push_back(MakeIssue(source, bad, "Syntax error: not valid UTF-8"));
  } else {
    Parser parser(env, *ast, found);
    parser.Run();
    limited = parser.limit_exceeded();
  }
  if (found.empty()) return ast;
  Error error(limited ? Code::kLimit : Code::kInvalid, limited ? "cel.limit" : "cel.syntax",
              RenderIssues(source, found));
  if (issues != nullptr) std::move(found.begin(), found.end(), std::back_inserter(*issues));
  return error;
}

}  // namespace bulwark::cel
