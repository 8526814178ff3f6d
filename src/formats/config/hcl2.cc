// HCL 2, the native syntax (https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md), as JSON:
// literals become values, and every other expression the text of a template, "${…}", as HCL's own
// JSON syntax spells it. Nothing is evaluated but a sign before a literal.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/text.h"
#include "formats/config/config.h"
#include "formats/config/errors.h"
#include "formats/json.h"

namespace bulwark {

namespace {

using config_internal::SyntaxError;

struct Node;
using NodePtr = std::unique_ptr<Node>;

// As much of an expression as its conversion asks for.
struct Node {
  enum class Kind {
    kLiteral,      // value
    kUnary,        // value: of a sign before a literal
    kTemplate,     // parts
    kWrapped,      // "${x}": parts[0]
    kTuple,        // parts
    kObject,       // parts: key, value, …
    kName,         // a traversal, as a key may be: a.b
    kConditional,  // parts: condition, then, else
    kFor,          // %{for}: parts: collection, body; text: "k, v"
    kOther,
  };
  Kind kind = Kind::kOther;
  size_t begin = 0, end = 0;  // of its source
  Value value;
  std::string text;
  std::vector<NodePtr> parts;
};

bool IsNameStart(char c) { return IsAsciiLetter(c) || c == '_' || static_cast<uint8_t>(c) >= 0x80; }
bool IsNamePart(char c) { return IsNameStart(c) || IsAsciiDigit(c) || c == '-'; }

// `${` and `%{` in text that is no template are doubled.
std::string EscapeMarkers(std::string_view text) {
  return ReplaceAll(ReplaceAll(text, "${", "$${"), "%{", "%%{");
}

class Parser {
 public:
  Parser(std::string_view text, Arena& arena, size_t max_depth)
      : text_(text), arena_(arena), max_depth_(max_depth) {}

  struct Body;
  struct Block {
    std::string type;
    std::vector<std::string> labels;
    std::unique_ptr<Body> body;
    size_t at;
  };
  struct Body {
    std::vector<std::pair<std::string, NodePtr>> attributes;
    std::set<std::string> names;  // of attributes
    std::vector<Block> blocks;
  };

  Result<Value> Run() {
    auto body = BW_TRY(ParseBody(/*top=*/true));
    return ConvertBody(*body);
  }

 private:
  // --- Reading -----------------------------------------------------------------------------------

  struct Deeper {
    explicit Deeper(size_t& at) : depth(at) { ++depth; }
    ~Deeper() { --depth; }
    size_t& depth;
  };

  Error Bad(std::string_view message) const { return SyntaxError(text_, at_, message); }
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Looking(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  bool Accept(std::string_view word) {
    if (!Looking(word)) return false;
    at_ += word.size();
    return true;
  }

  // White space and comments; newlines too where they mean nothing.
  void Skip(bool newlines) {
    while (!AtEnd()) {
      char c = Peek();
      if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
      } else if (c == '\n') {
        if (!newlines) return;
        ++at_;
      } else if (c == '#' || Looking("//")) {
        size_t end = text_.find('\n', at_);
        at_ = end == std::string_view::npos ? text_.size() : end;
      } else if (Looking("/*")) {
        size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  std::string_view TakeName() {
    size_t begin = at_;
    if (!AtEnd() && IsNameStart(Peek())) {
      while (!AtEnd() && IsNamePart(Peek())) ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  Result<std::unique_ptr<Body>> ParseBody(bool top) {
    if (depth_ >= max_depth_) return config_internal::TooDeep(max_depth_);
    Deeper deeper(depth_);
    auto body = std::make_unique<Body>();
    while (true) {
      Skip(true);
      if (AtEnd()) {
        if (top) return body;
        return Bad("expected } at the end of a block");
      }
      if (!top && Peek() == '}') return body;
      BW_TRY(ParseItem(*body));
      Skip(false);
      if (AtEnd() || Peek() == '\n' || (!top && Peek() == '}')) continue;
      return Bad("expected the end of the line");
    }
  }

  // An attribute or a block.
  Result<> ParseItem(Body& body) {
    size_t begin = at_;
    std::string name(TakeName());
    if (name.empty()) return Bad("expected the name of an attribute or a block");
    Skip(false);
    if (Peek() == '=' && Peek(1) != '=') {
      ++at_;
      Skip(false);
      if (!body.names.insert(name).second) {
        return SyntaxError(text_, begin, fmt::format("{} is set twice", name));
      }
      body.attributes.emplace_back(name, BW_TRY(ParseExpression(false)));
      return Ok{};
    }
    Block block{name, {}, nullptr, begin};
    while (Peek() != '{') {
      if (Peek() == '"') {
        NodePtr label = BW_TRY(ParseQuoted());
        if (label->kind != Node::Kind::kTemplate || label->parts.size() > 1 ||
            (label->parts.size() == 1 && label->parts[0]->kind != Node::Kind::kLiteral)) {
          return SyntaxError(text_, label->begin, "a block's label is no template");
        }
        block.labels.emplace_back(
            label->parts.empty() ? "" : std::string(label->parts[0]->value.AsString()));
      } else {
        std::string_view label = TakeName();
        if (label.empty()) return Bad("expected = or a block's label or {");
        block.labels.emplace_back(label);
      }
      Skip(false);
    }
    ++at_;
    block.body = BW_TRY(ParseBody(/*top=*/false));
    ++at_;  // the }
    body.blocks.push_back(std::move(block));
    return Ok{};
  }

  NodePtr Make(Node::Kind kind, size_t begin) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->begin = begin;
    node->end = at_;
    return node;
  }

  // `newlines`: within brackets, where a line's end means nothing.
  Result<NodePtr> ParseExpression(bool newlines) {
    if (depth_ >= max_depth_) return config_internal::TooDeep(max_depth_);
    Deeper deeper(depth_);
    NodePtr condition = BW_TRY(ParseOperators(newlines));
    size_t end = at_;
    Skip(newlines);
    if (Peek() != '?') {
      at_ = end;
      return condition;
    }
    ++at_;
    Skip(newlines);
    NodePtr yes = BW_TRY(ParseExpression(newlines));
    Skip(newlines);
    if (!Accept(":")) return Bad("expected : of a conditional");
    Skip(newlines);
    NodePtr no = BW_TRY(ParseExpression(newlines));
    NodePtr node = Make(Node::Kind::kConditional, condition->begin);
    node->parts.push_back(std::move(condition));
    node->parts.push_back(std::move(yes));
    node->parts.push_back(std::move(no));
    return node;
  }

  // Operands with operators between them; how they bind makes no difference here.
  Result<NodePtr> ParseOperators(bool newlines) {
    NodePtr first = BW_TRY(ParseUnary(newlines));
    size_t begin = first->begin;
    bool several = false;
    while (true) {
      size_t end = at_;
      Skip(newlines);
      bool found = false;
      for (std::string_view op :
           {"&&", "||", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "<", ">"}) {
        if (op == "%" && Looking("%{")) continue;
        if (Accept(op)) {
          found = true;
          break;
        }
      }
      if (!found) {
        at_ = end;
        return several ? Make(Node::Kind::kOther, begin) : std::move(first);
      }
      several = true;
      Skip(newlines);
      BW_TRY(ParseUnary(newlines));
    }
  }

  Result<NodePtr> ParseUnary(bool newlines) {
    size_t begin = at_;
    char sign = Peek();
    if (sign != '-' && sign != '!') return ParseTerm(newlines);
    if (depth_ >= max_depth_) return config_internal::TooDeep(max_depth_);
    Deeper deeper(depth_);
    ++at_;
    Skip(newlines);
    NodePtr operand = BW_TRY(ParseUnary(newlines));
    NodePtr node = Make(Node::Kind::kOther, begin);
    if (operand->kind == Node::Kind::kLiteral) {
      const Value& value = operand->value;
      if (sign == '!' ? !value.IsBool() : !value.IsNumber()) {
        return SyntaxError(text_, begin, fmt::format("{} does not fit what follows it", sign));
      }
      node->kind = Node::Kind::kUnary;
      std::string negative = "-" + operand->text;
      node->value = sign == '!'            ? Value::Bool(!value.AsBool())
                    : operand->text == "0" ? Value::Int(0)
                                           : JsonNumber(arena_.Copy(negative));
    }
    return node;
  }

  Result<NodePtr> ParseTerm(bool newlines) {
    size_t begin = at_;
    NodePtr node = BW_TRY(ParsePrimary(newlines));
    bool name = node->kind == Node::Kind::kName;
    bool more = false;
    // What is reached through it: .name, .0, .*, [index], [*]
    while (true) {
      size_t end = at_;
      Skip(newlines);
      if (Peek() == '.' && Peek(1) != '.') {
        ++at_;
        Skip(newlines);
        if (Peek() == '*') {
          ++at_;
          name = false;
        } else if (IsAsciiDigit(Peek())) {
          while (IsAsciiDigit(Peek()) || Peek() == '.') ++at_;
        } else if (TakeName().empty()) {
          return Bad("expected a name after .");
        }
      } else if (Peek() == '[') {
        ++at_;
        Skip(true);
        if (Peek() == '*') {
          ++at_;
          name = false;
        } else {
          NodePtr index = BW_TRY(ParseExpression(true));
          bool fixed = index->kind == Node::Kind::kLiteral ||
                       (index->kind == Node::Kind::kTemplate && index->parts.size() <= 1 &&
                        (index->parts.empty() || index->parts[0]->kind == Node::Kind::kLiteral));
          name = name && fixed;
        }
        Skip(true);
        if (!Accept("]")) return Bad("expected ]");
      } else {
        at_ = end;
        break;
      }
      more = true;
    }
    if (!more) return node;
    return Make(name ? Node::Kind::kName : Node::Kind::kOther, begin);
  }

  Result<NodePtr> ParsePrimary(bool newlines) {
    size_t begin = at_;
    char c = Peek();
    if (c == '"') return ParseQuoted();
    if (c == '[') return ParseTuple();
    if (c == '{') return ParseObject();
    if (Looking("<<")) return ParseHeredoc();
    if (IsAsciiDigit(c)) return ParseNumber();
    if (c == '(') {
      ++at_;
      Skip(true);
      BW_TRY(ParseExpression(true));
      Skip(true);
      if (!Accept(")")) return Bad("expected )");
      return Make(Node::Kind::kOther, begin);
    }
    std::string name(TakeName());
    if (name.empty()) return Bad("expected an expression");
    while (Looking("::")) {  // provider::aws::arn()
      at_ += 2;
      if (TakeName().empty()) return Bad("expected a name after ::");
    }
    size_t end = at_;
    Skip(newlines);
    if (Peek() == '(') {
      ++at_;
      return ParseArguments(begin);
    }
    at_ = end;
    NodePtr node = Make(Node::Kind::kName, begin);
    if (name == "true" || name == "false" || name == "null") {
      node->kind = Node::Kind::kLiteral;
      node->text = name;
      if (name != "null") node->value = Value::Bool(name == "true");
    }
    return node;
  }

  Result<NodePtr> ParseArguments(size_t begin) {
    while (true) {
      Skip(true);
      if (Accept(")")) return Make(Node::Kind::kOther, begin);
      BW_TRY(ParseExpression(true));
      Skip(true);
      Accept("...");
      Skip(true);
      if (!Accept(",") && Peek() != ')') return Bad("expected , or )");
    }
  }

  Result<NodePtr> ParseNumber() {
    size_t begin = at_;
    while (IsAsciiDigit(Peek())) ++at_;
    if (Peek() == '.' && IsAsciiDigit(Peek(1))) {
      ++at_;
      while (IsAsciiDigit(Peek())) ++at_;
    }
    if ((Peek() == 'e' || Peek() == 'E') &&
        (IsAsciiDigit(Peek(1)) || ((Peek(1) == '+' || Peek(1) == '-') && IsAsciiDigit(Peek(2))))) {
      at_ += 2;
      while (IsAsciiDigit(Peek())) ++at_;
    }
    NodePtr node = Make(Node::Kind::kLiteral, begin);
    std::string_view token = text_.substr(begin, at_ - begin);
    while (token.size() > 1 && token[0] == '0' && IsAsciiDigit(token[1])) token.remove_prefix(1);
    if (token.size() > 400) return SyntaxError(text_, begin, "a number of more than 400 digits");
    node->text = token;
    node->value = JsonNumber(arena_.Copy(token));
    return node;
  }

  // `for` of a tuple or an object, whose bracket was taken; `close` ends it.
  Result<NodePtr> ParseFor(size_t begin, char close) {
    at_ += 3;
    Skip(true);
    if (TakeName().empty()) return Bad("expected a variable after for");
    Skip(true);
    if (Accept(",")) {
      Skip(true);
      if (TakeName().empty()) return Bad("expected a second variable");
      Skip(true);
    }
    if (TakeName() != "in") return Bad("expected in");
    Skip(true);
    BW_TRY(ParseExpression(true));
    Skip(true);
    if (!Accept(":")) return Bad("expected :");
    Skip(true);
    BW_TRY(ParseExpression(true));
    Skip(true);
    if (close == '}') {
      if (!Accept("=>")) return Bad("expected =>");
      Skip(true);
      BW_TRY(ParseExpression(true));
      Skip(true);
      Accept("...");
      Skip(true);
    }
    if (Looking("if") && !IsNamePart(Peek(2))) {
      at_ += 2;
      Skip(true);
      BW_TRY(ParseExpression(true));
      Skip(true);
    }
    if (Peek() != close) return Bad(fmt::format("expected {} of the for expression", close));
    ++at_;
    return Make(Node::Kind::kOther, begin);
  }

  bool LookingAtFor() const { return Looking("for") && !IsNamePart(Peek(3)); }

  Result<NodePtr> ParseTuple() {
    size_t begin = at_++;
    Skip(true);
    if (LookingAtFor()) return ParseFor(begin, ']');
    std::vector<NodePtr> parts;
    while (true) {
      Skip(true);
      if (Accept("]")) break;
      parts.push_back(BW_TRY(ParseExpression(true)));
      Skip(true);
      if (!Accept(",") && Peek() != ']') return Bad("expected , or ]");
    }
    NodePtr node = Make(Node::Kind::kTuple, begin);
    node->parts = std::move(parts);
    return node;
  }

  Result<NodePtr> ParseObject() {
    size_t begin = at_++;
    Skip(true);
    if (LookingAtFor()) {
      // `{ for = 1 }` is an object all the same.
      size_t back = at_;
      at_ += 3;
      Skip(false);
      bool key = Peek() == '=' || Peek() == ':';
      at_ = back;
      if (!key) return ParseFor(begin, '}');
    }
    std::vector<NodePtr> parts;
    while (true) {
      Skip(true);
      if (Accept("}")) break;
      parts.push_back(BW_TRY(ParseExpression(false)));
      Skip(true);
      if (!(Peek() == '=' && Peek(1) != '=') && Peek() != ':') {
        return Bad("expected = or : after the key");
      }
      ++at_;
      Skip(true);
      parts.push_back(BW_TRY(ParseExpression(false)));
      Skip(false);
      if (!Accept(",") && Peek() != '\n' && Peek() != '}') {
        return Bad("expected a new line, , or }");
      }
    }
    NodePtr node = Make(Node::Kind::kObject, begin);
    node->parts = std::move(parts);
    return node;
  }

  // --- Templates ---------------------------------------------------------------------------------

  // A piece of a template: text, or a marker with what it holds.
  struct Piece {
    enum class Kind { kText, kValue, kIf, kElse, kEndIf, kFor, kEndFor };
    Kind kind = Kind::kText;
    std::string text;  // or the variables of a for
    NodePtr node;
    size_t at = 0;
  };

  // `escapes`: of a quoted template, which a `"` ends; else `end` does. Trims what ~ asks for.
  Result<std::vector<Piece>> ParsePieces(bool quoted, size_t end) {
    std::vector<Piece> pieces;
    bool trim = false;  // the text after a ~}
    auto text = [&]() -> std::string& {
      if (pieces.empty() || pieces.back().kind != Piece::Kind::kText) {
        pieces.emplace_back();
        pieces.back().at = at_;
      }
      return pieces.back().text;
    };
    auto settle = [&] {
      if (trim && !pieces.empty() && pieces.back().kind == Piece::Kind::kText) {
        pieces.back().text = std::string(TrimLeft(pieces.back().text));
      }
      trim = false;
    };
    while (true) {
      if (quoted ? AtEnd() || Peek() == '\n' : at_ >= end) {
        if (quoted) return Bad("no closing quote");
        if (at_ > end) return Bad("a template goes on after the end of its heredoc");
        settle();
        return pieces;
      }
      char c = Peek();
      if (quoted && c == '"') {
        settle();
        return pieces;
      }
      if (Looking("$${") || Looking("%%{")) {
        text() += text_.substr(at_ + 1, 2);
        at_ += 3;
      } else if (Looking("${") || Looking("%{")) {
        settle();
        size_t begin = at_;
        bool control = c == '%';
        at_ += 2;
        if (Accept("~") && !pieces.empty() && pieces.back().kind == Piece::Kind::kText) {
          pieces.back().text = std::string(TrimRight(pieces.back().text));
        }
        Skip(true);
        Piece piece;
        piece.at = begin;
        if (control) {
          BW_TRY(ParseControl(piece));
        } else {
          piece.kind = Piece::Kind::kValue;
          piece.node = BW_TRY(ParseExpression(true));
        }
        Skip(true);
        trim = Accept("~");
        if (!Accept("}")) return Bad("expected } of the template");
        pieces.push_back(std::move(piece));
      } else if (quoted && c == '\\') {
        BW_TRY(ParseEscape(text()));
      } else {
        text() += c;
        ++at_;
        // A heredoc's text is taken line by line.
        if (!quoted && c == '\n' && at_ < end) {
          settle();
          pieces.emplace_back();
          pieces.back().at = at_;
        }
      }
    }
  }

  Result<> ParseControl(Piece& piece) {
    std::string_view word = TakeName();
    Skip(true);
    if (word == "if") {
      piece.kind = Piece::Kind::kIf;
      piece.node = BW_TRY(ParseExpression(true));
    } else if (word == "else") {
      piece.kind = Piece::Kind::kElse;
    } else if (word == "endif") {
      piece.kind = Piece::Kind::kEndIf;
    } else if (word == "endfor") {
      piece.kind = Piece::Kind::kEndFor;
    } else if (word == "for") {
      piece.kind = Piece::Kind::kFor;
      piece.text = TakeName();
      Skip(true);
      if (Accept(",")) {
        Skip(true);
        piece.text += ", " + std::string(TakeName());
        Skip(true);
      }
      if (TakeName() != "in") return Bad("expected in");
      Skip(true);
      piece.node = BW_TRY(ParseExpression(true));
    } else {
      return Bad("expected if, else, endif, for or endfor");
    }
    return Ok{};
  }

  Result<> ParseEscape(std::string& out) {
    size_t begin = at_++;
    char c = Peek();
    ++at_;
    switch (c) {
      case 'n': out += '\n'; return Ok{};
      case 'r': out += '\r'; return Ok{};
      case 't': out += '\t'; return Ok{};
      case '"': out += '"'; return Ok{};
      case '\\': out += '\\'; return Ok{};
      case 'u':
      case 'U': {
        uint32_t code = 0;
        for (int i = 0; i < (c == 'u' ? 4 : 8); ++i, ++at_) {
          char digit = AsciiLower(Peek());
          bool hex = IsAsciiDigit(digit) || (digit >= 'a' && digit <= 'f');
          if (!hex) return SyntaxError(text_, begin, "expected hexadecimal digits");
          code = code * 16 +
                 static_cast<uint32_t>(IsAsciiDigit(digit) ? digit - '0' : digit - 'a' + 10);
        }
        AppendUtf8(out, code);
        return Ok{};
      }
      default: return SyntaxError(text_, begin, "no such escape");
    }
  }

  // Pieces from `next` up to `else`, `endif` or `endfor`, which it leaves.
  Result<std::vector<NodePtr>> Assemble(std::vector<Piece>& pieces, size_t& next) {
    if (depth_ >= max_depth_) return config_internal::TooDeep(max_depth_);
    Deeper deeper(depth_);
    std::vector<NodePtr> parts;
    for (; next < pieces.size(); ++next) {
      Piece& piece = pieces[next];
      switch (piece.kind) {
        case Piece::Kind::kText: {
          if (piece.text.empty()) break;
          NodePtr node = Make(Node::Kind::kLiteral, piece.at);
          node->value = Value::String(arena_, piece.text);
          parts.push_back(std::move(node));
          break;
        }
        case Piece::Kind::kValue: parts.push_back(std::move(piece.node)); break;
        case Piece::Kind::kIf: {
          NodePtr node = Make(Node::Kind::kConditional, piece.at);
          node->parts.push_back(std::move(piece.node));
          ++next;
          node->parts.push_back(TemplateOf(BW_TRY(Assemble(pieces, next)), piece.at));
          if (next < pieces.size() && pieces[next].kind == Piece::Kind::kElse) {
            ++next;
            node->parts.push_back(TemplateOf(BW_TRY(Assemble(pieces, next)), piece.at));
          } else {
            node->parts.push_back(TemplateOf({}, piece.at));
          }
          if (next >= pieces.size() || pieces[next].kind != Piece::Kind::kEndIf) {
            return SyntaxError(text_, piece.at, "an if without its endif");
          }
          parts.push_back(std::move(node));
          break;
        }
        case Piece::Kind::kFor: {
          NodePtr node = Make(Node::Kind::kFor, piece.at);
          node->text = piece.text;
          node->parts.push_back(std::move(piece.node));
          ++next;
          node->parts.push_back(TemplateOf(BW_TRY(Assemble(pieces, next)), piece.at));
          if (next >= pieces.size() || pieces[next].kind != Piece::Kind::kEndFor) {
            return SyntaxError(text_, piece.at, "a for without its endfor");
          }
          parts.push_back(std::move(node));
          break;
        }
        case Piece::Kind::kElse:
        case Piece::Kind::kEndIf:
        case Piece::Kind::kEndFor: return parts;
      }
    }
    return parts;
  }

  NodePtr TemplateOf(std::vector<NodePtr> parts, size_t begin) const {
    NodePtr node = Make(Node::Kind::kTemplate, begin);
    node->parts = std::move(parts);
    return node;
  }

  Result<NodePtr> FinishTemplate(std::vector<Piece> pieces, size_t begin) {
    bool wrapped = pieces.size() == 1 && pieces[0].kind == Piece::Kind::kValue;
    size_t next = 0;
    std::vector<NodePtr> parts = BW_TRY(Assemble(pieces, next));
    if (next < pieces.size()) {
      return SyntaxError(text_, pieces[next].at, "nothing that this would end");
    }
    NodePtr node = TemplateOf(std::move(parts), begin);
    if (wrapped) node->kind = Node::Kind::kWrapped;
    return node;
  }

  Result<NodePtr> ParseQuoted() {
    size_t begin = at_++;
    if (depth_ >= max_depth_) return config_internal::TooDeep(max_depth_);
    Deeper deeper(depth_);
    std::vector<Piece> pieces = BW_TRY(ParsePieces(/*quoted=*/true, 0));
    ++at_;  // the quote
    return FinishTemplate(std::move(pieces), begin);
  }

  Result<NodePtr> ParseHeredoc() {
    size_t begin = at_;
    at_ += 2;
    bool flush = Accept("-");
    std::string word(TakeName());
    if (word.empty()) return Bad("expected the word that ends the heredoc");
    if (Peek() == '\r') ++at_;
    if (Peek() != '\n') return Bad("expected the end of the line");
    size_t body = ++at_;
    // The line that is nothing but the word ends it.
    size_t end = body;
    while (true) {
      if (end >= text_.size()) {
        return SyntaxError(text_, begin, fmt::format("the heredoc {} does not end", word));
      }
      size_t stop = std::min(text_.find('\n', end), text_.size());
      if (Trim(text_.substr(end, stop - end)) == word) break;
      end = stop + 1;
    }
    std::vector<Piece> pieces = BW_TRY(ParsePieces(/*quoted=*/false, end));
    if (flush) Flush(pieces);
    at_ = std::min(text_.find(word, end), text_.size()) + word.size();
    NodePtr node = BW_TRY(FinishTemplate(std::move(pieces), begin));
    node->kind = Node::Kind::kTemplate;
    return node;
  }

  // Takes the indentation that all lines share; empty lines do not count.
  static void Flush(std::vector<Piece>& pieces) {
    size_t least = SIZE_MAX;
    bool fresh = true;
    std::vector<std::string*> lines;
    for (Piece& piece : pieces) {
      bool is_text = piece.kind == Piece::Kind::kText;
      if (fresh) {
        fresh = false;
        size_t spaces = 0;
        if (is_text) {
          size_t trimmed = TrimLeft(piece.text).size();
          if (trimmed == 0 && piece.text.ends_with('\n')) {
            spaces = SIZE_MAX;
          } else if (piece.text.empty()) {
            spaces = SIZE_MAX;
          } else {
            spaces = piece.text.size() - trimmed;
            lines.push_back(&piece.text);
          }
        }
        least = std::min(least, spaces);
      }
      if (is_text && (piece.text.ends_with('\n') || piece.text.empty())) fresh = true;
    }
    for (std::string* line : lines) line->erase(0, std::min(least, line->size()));
  }

  // --- Converting --------------------------------------------------------------------------------

  std::string Source(const Node& node) const {
    return std::string(text_.substr(node.begin, node.end - node.begin));
  }
  std::string Wrap(const Node& node) const { return "${" + Source(node) + "}"; }
  Value Text(const std::string& text) const { return Value::String(arena_, text); }

  std::string PartText(const Node& node) const {
    switch (node.kind) {
      case Node::Kind::kLiteral:
        if (node.value.IsString()) return EscapeMarkers(node.value.AsString());
        return node.value.IsNumber() ? ToJson(node.value) : node.text;
      case Node::Kind::kTemplate: return TemplateText(node);
      case Node::Kind::kWrapped: return PartText(*node.parts[0]);
      case Node::Kind::kConditional: {
        std::string out = "%{if " + Source(*node.parts[0]) + "}" + PartText(*node.parts[1]);
        std::string no = PartText(*node.parts[2]);
        if (!no.empty()) out += "%{else}" + no;
        return out + "%{endif}";
      }
      case Node::Kind::kFor:
        return "%{for " + node.text + " in " + Source(*node.parts[0]) + "}" +
               PartText(*node.parts[1]) + "%{endfor}";
      default: return Wrap(node);
    }
  }

  std::string TemplateText(const Node& node) const {
    std::string out;
    for (const NodePtr& part : node.parts) out += PartText(*part);
    return out;
  }

  Value Convert(const Node& node) const {
    switch (node.kind) {
      case Node::Kind::kLiteral:
      case Node::Kind::kUnary: return node.value;
      case Node::Kind::kTemplate: return Text(TemplateText(node));
      case Node::Kind::kWrapped: return Convert(*node.parts[0]);
      case Node::Kind::kTuple: {
        std::vector<Value> items;
        for (const NodePtr& part : node.parts) items.push_back(Convert(*part));
        return Value::Array(arena_, items);
      }
      case Node::Kind::kObject: {
        MapBuilder out(arena_);
        for (size_t i = 0; i + 1 < node.parts.size(); i += 2) {
          const Node& key = *node.parts[i];
          out.Add(Text(key.kind == Node::Kind::kName ? Source(key) : PartText(key)),
                  Convert(*node.parts[i + 1]));
        }
        return out.Finish();
      }
      default: return Text(Wrap(node));
    }
  }

  // Blocks are collected under type and labels: maps down to a list of bodies.
  struct Tree {
    std::vector<std::string> names;  // of children
    std::vector<Tree> children;
    std::map<std::string, size_t> places;
    std::vector<Value> bodies;
    Tree& Child(const std::string& name) {
      auto [place, fresh] = places.try_emplace(name, children.size());
      if (fresh) {
        names.push_back(name);
        children.emplace_back();
      }
      return children[place->second];
    }
  };

  Value ConvertTree(const Tree& tree) const {
    if (!tree.bodies.empty()) return Value::Array(arena_, tree.bodies);
    MapBuilder out(arena_);
    for (size_t i = 0; i < tree.children.size(); ++i) {
      out.Add(Text(tree.names[i]), ConvertTree(tree.children[i]));
    }
    return out.Finish();
  }

  Result<Value> ConvertBody(const Body& body) const {
    Tree root;
    for (const Block& block : body.blocks) {
      Tree* place = &root.Child(block.type);
      auto mixed = [&] {
        return SyntaxError(text_, block.at,
                           fmt::format("{} stands with and without labels", block.type));
      };
      if (block.labels.size() > max_depth_) return config_internal::TooDeep(max_depth_);
      for (const std::string& label : block.labels) {
        if (!place->bodies.empty()) return mixed();
        place = &place->Child(label);
      }
      if (!place->children.empty()) return mixed();
      place->bodies.push_back(BW_TRY(ConvertBody(*block.body)));
    }
    MapBuilder out(arena_);
    for (size_t i = 0; i < root.children.size(); ++i) {
      out.Add(Text(root.names[i]), ConvertTree(root.children[i]));
    }
    for (const auto& [name, node] : body.attributes) out.Add(Text(name), Convert(*node));
    return out.Finish();
  }

  std::string_view text_;
  Arena& arena_;
  size_t max_depth_;
  size_t at_ = 0;
  size_t depth_ = 0;
};

}  // namespace

Result<Value> ParseHcl2(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(config_internal::CheckText(text, limits));
  return Parser(config_internal::WithoutBom(text), arena, limits.max_depth).Run();
}

}  // namespace bulwark
