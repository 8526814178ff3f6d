#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/template_tree.h"

namespace bulwark::rego {

namespace {

using Node = TemplateNode;
using Kind = TemplateNode::Kind;

constexpr size_t kMaxDepth = 200;

enum class Item : uint8_t {
  kError,
  kBool,
  kChar,
  kCharConstant,
  kAssign,
  kDeclare,
  kEof,
  kField,
  kIdentifier,
  kLeftDelim,
  kLeftParen,
  kNumber,
  kPipe,
  kRawString,
  kRightDelim,
  kRightParen,
  kSpace,
  kString,
  kText,
  kVariable,
  kKeyword,  // those that follow are words of the language
  kBlock,
  kBreak,
  kContinue,
  kDot,
  kDefine,
  kElse,
  kEnd,
  kIf,
  kNil,
  kRange,
  kTemplate,
  kWith,
};

struct Token {
  Item item = Item::kEof;
  size_t at = 0;
  std::string text;
  size_t line = 1;

  std::string ToString() const {
    if (item == Item::kEof) return "EOF";
    if (item == Item::kError) return text;
    if (item > Item::kKeyword) return "<" + text + ">";
    if (text.size() > 10) {
      // Ten characters of it.
      size_t end = 0;
      for (int i = 0; i < 10 && end < text.size(); ++i) end += DecodeUtf8(text, end).length;
      if (end < text.size()) return GoQuote(text.substr(0, end)) + "...";
    }
    return GoQuote(text);
  }
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsWord(char c) {
  return c == '_' || IsAsciiLetter(c) || IsAsciiDigit(c) || static_cast<uint8_t>(c) >= 0x80;
}

// "U+0040 '@'"
std::string Sharp(std::string_view text, size_t at) {
  if (at >= text.size()) return "U+FFFFFFFFFFFFFFFF";
  CodePoint c = DecodeUtf8(text, at);
  return fmt::format("U+{:04X} '{}'", static_cast<uint32_t>(c.value), text.substr(at, c.length));
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token Next() {
    if (failed_) return {Item::kEof, 0, "EOF", line_};
    return inside_ ? Inside() : Text();
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Ended() const { return at_ >= text_.size(); }
  std::string_view Rest() const { return text_.substr(at_); }

  Token Made(Item item) {
    Token token{item, start_, std::string(text_.substr(start_, at_ - start_)), start_line_};
    line_ += static_cast<size_t>(std::count(token.text.begin(), token.text.end(), '\n'));
    Ignore();
    return token;
  }
  void Ignore() {
    start_ = at_;
    start_line_ = line_;
  }
  // Moves over text that is no token's.
  void SkipTo(size_t at) {
    line_ += static_cast<size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                            text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    at_ = at;
    Ignore();
  }
  Token Fail(std::string message) {
    failed_ = true;
    return {Item::kError, start_, std::move(message), start_line_};
  }
  bool TrimsLeft(size_t at) const {
    return at + 1 < text_.size() && text_[at] == '-' && IsSpace(text_[at + 1]);
  }
  bool TrimsRight(size_t at) const {
    return at + 1 < text_.size() && IsSpace(text_[at]) && text_[at + 1] == '-';
  }
  bool AtRightDelim(bool& trims) const {
    trims = TrimsRight(at_) && text_.substr(at_ + 2).starts_with("}}");
    return trims || Rest().starts_with("}}");
  }
  size_t AfterSpace(size_t at) const {
    while (at < text_.size() && IsSpace(text_[at])) ++at;
    return at;
  }

  Token Text() {
    while (true) {
      size_t open = text_.find("{{", at_);
      if (open == std::string_view::npos) {
        at_ = text_.size();
        return at_ > start_ ? Made(Item::kText) : Made(Item::kEof);
      }
      if (open > at_) {
        size_t end = open;
        if (TrimsLeft(open + 2)) {
          while (end > start_ && IsSpace(text_[end - 1])) --end;
        }
        at_ = end;
        Token token = Made(Item::kText);
        SkipTo(open);
        if (!token.text.empty()) return token;
      }
      bool trims = TrimsLeft(at_ + 2);
      size_t after = at_ + 2 + (trims ? 2 : 0);
      if (!text_.substr(after).starts_with("/*")) {
        at_ += 2;
        Token token = Made(Item::kLeftDelim);
        inside_ = true;
        parens_ = 0;
        SkipTo(after);
        return token;
      }
      SkipTo(after);
      size_t end = text_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return Fail("unclosed comment");
      at_ = end + 2;
      bool trims_after = false;
      if (!AtRightDelim(trims_after)) return Fail("comment ends before closing delimiter");
      size_t past = at_ + 2 + (trims_after ? 2 : 0);
      if (trims_after) past = AfterSpace(past);
      at_ = start_;
      SkipTo(past);
    }
  }

  Token RightDelim(bool trims) {
    if (trims) SkipTo(at_ + 2);
    at_ += 2;
    Token token = Made(Item::kRightDelim);
    if (trims) SkipTo(AfterSpace(at_));
    inside_ = false;
    return token;
  }

  Token Inside() {
    bool trims = false;
    if (AtRightDelim(trims)) {
      if (parens_ > 0) return Fail("unclosed left paren");
      return RightDelim(trims);
    }
    if (Ended()) return Fail("unclosed action");
    char c = text_[at_];
    if (IsSpace(c)) return Space();
    switch (c) {
      case '=': ++at_; return Made(Item::kAssign);
      case ':':
        ++at_;
        if (Peek() != '=') return Fail("expected :=");
        ++at_;
        return Made(Item::kDeclare);
      case '|': ++at_; return Made(Item::kPipe);
      case '"': return Quoted('"', Item::kString, "unterminated quoted string");
      case '\'': return Quoted('\'', Item::kCharConstant, "unterminated character constant");
      case '`': {
        size_t end = text_.find('`', at_ + 1);
        if (end == std::string_view::npos) return Fail("unterminated raw quoted string");
        at_ = end + 1;
        return Made(Item::kRawString);
      }
      case '$': ++at_; return FieldOrVariable(Item::kVariable);
      case '(':
        ++at_;
        ++parens_;
        return Made(Item::kLeftParen);
      case ')':
        if (parens_ == 0) return Fail("unexpected right paren");
        ++at_;
        --parens_;
        return Made(Item::kRightParen);
      default: break;
    }
    if (c == '.' && !IsAsciiDigit(Peek(1))) {
      ++at_;
      return FieldOrVariable(Item::kField);
    }
    if (c == '.' || c == '+' || c == '-' || IsAsciiDigit(c)) return Number();
    if (IsWord(c)) return Identifier();
    if (c > ' ' && c < 0x7f) {
      ++at_;
      return Made(Item::kChar);
    }
    return Fail("unrecognized character in action: " + Sharp(text_, at_));
  }

  Token Space() {
    size_t end = AfterSpace(at_);
    if (TrimsRight(end - 1) && text_.substr(end + 1).starts_with("}}")) {
      --end;  // the last space belongs to the delimiter
      if (end == at_) return RightDelim(true);
    }
    at_ = end;
    return Made(Item::kSpace);
  }

  bool AtTerminator() const {
    if (Ended() || IsSpace(Peek())) return true;
    return std::string_view(".,|:)(").find(Peek()) != std::string_view::npos ||
           Rest().starts_with("}}");
  }

  Token Identifier() {
    while (!Ended() && IsWord(Peek())) ++at_;
    if (!AtTerminator()) return Fail("bad character " + Sharp(text_, at_));
    std::string_view word = text_.substr(start_, at_ - start_);
    struct Keyword {
      std::string_view word;
      Item item;
    };
    constexpr std::array<Keyword, 11> kKeywords = {{{"block", Item::kBlock},
                                                    {"break", Item::kBreak},
                                                    {"continue", Item::kContinue},
                                                    {"define", Item::kDefine},
                                                    {"else", Item::kElse},
                                                    {"end", Item::kEnd},
                                                    {"if", Item::kIf},
                                                    {"range", Item::kRange},
                                                    {"nil", Item::kNil},
                                                    {"template", Item::kTemplate},
                                                    {"with", Item::kWith}}};
    for (const Keyword& keyword : kKeywords) {
      if (keyword.word == word) return Made(keyword.item);
    }
    return Made(word == "true" || word == "false" ? Item::kBool : Item::kIdentifier);
  }

  Token FieldOrVariable(Item item) {
    if (AtTerminator()) return Made(item == Item::kVariable ? item : Item::kDot);
    while (!Ended() && IsWord(Peek())) ++at_;
    if (!AtTerminator()) return Fail("bad character " + Sharp(text_, at_));
    return Made(item);
  }

  Token Quoted(char quote, Item item, std::string_view message) {
    ++at_;
    while (true) {
      if (Ended() || Peek() == '\n') return Fail(std::string(message));
      char c = text_[at_++];
      if (c == quote) return Made(item);
      if (c != '\\') continue;
      if (Ended() || Peek() == '\n') return Fail(std::string(message));
      ++at_;
    }
  }

  Token Number() {
    auto accept = [&](std::string_view any) {
      if (Ended() || any.find(Peek()) == std::string_view::npos) return false;
      ++at_;
      return true;
    };
    auto run = [&](std::string_view any) {
      while (accept(any)) {
      }
    };
    accept("+-");
    std::string_view digits = "0123456789_";
    bool hex = false;
    if (accept("0")) {
      if (accept("xX")) {
        digits = "0123456789abcdefABCDEF_";
        hex = true;
      } else if (accept("oO")) {
        digits = "01234567_";
      } else if (accept("bB")) {
        digits = "01_";
      }
    }
    run(digits);
    if (accept(".")) run(digits);
    if (accept(hex ? "pP" : digits.size() == 11 ? "eE" : "")) {
      accept("+-");
      run("0123456789_");
    }
    if (!Ended() && IsWord(Peek())) {
      at_ += DecodeUtf8(text_, at_).length;
      return Fail("bad number syntax: " + GoQuote(text_.substr(start_, at_ - start_)));
    }
    return Made(Item::kNumber);
  }

  std::string_view text_;
  size_t at_ = 0, start_ = 0;
  size_t line_ = 1, start_line_ = 1;
  int parens_ = 0;
  bool inside_ = false, failed_ = false;
};

// strconv.Unquote of a string in " or `, or a character's code point in '. Nothing: malformed.
std::optional<std::string> Unquote(std::string_view quoted) {
  if (quoted.size() < 2) return std::nullopt;
  char quote = quoted[0];
  std::string_view body = quoted.substr(1, quoted.size() - 2);
  if (quote == '`') return ReplaceAll(body, "\r", "");
  std::string out;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out += body[i];
      continue;
    }
    if (++i >= body.size()) return std::nullopt;
    char c = body[i];
    constexpr std::string_view kEscapes = "abfnrtv\\";
    constexpr std::string_view kMeant = "\a\b\f\n\r\t\v\\";
    if (size_t known = kEscapes.find(c); known != std::string_view::npos) {
      out += kMeant[known];
      continue;
    }
    if (c == quote) {
      out += c;
      continue;
    }
    int base = 16;
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c >= '0' && c <= '7') {
      base = 8;
      digits = 3;
      --i;
    }
    uint32_t code = 0;
    if (digits == 0 || i + digits >= body.size()) return std::nullopt;
    const char* begin = body.data() + i + 1;
    auto [end, error] = std::from_chars(begin, begin + digits, code, base);
    if (error != std::errc() || end != begin + digits) return std::nullopt;
    i += digits;
    if (digits <= 3) {
      if (code > 0xff) return std::nullopt;
      out += static_cast<char>(code);
    } else {
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
      AppendUtf8(out, code);
    }
  }
  return out;
}

class Parser {
 public:
  Parser(std::string_view source, TemplateSet& set) : lexer_(source), set_(set) {}

  Result<> Run() {
    Node root{.kind = Kind::kList};
    variables_ = {"$"};
    while (Ok() && Peek().item != Item::kEof) {
      if (Peek().item == Item::kLeftDelim) {
        Token delim = Next();
        if (NextNonSpace().item == Item::kDefine) {
          Definition();
          continue;
        }
        Backup2(delim);
      }
      Node node = TextOrAction();
      if (node.kind == Kind::kEnd || node.kind == Kind::kElse) {
        Fail("unexpected " + node.ToString());
      }
      root.children.push_back(std::move(node));
    }
    Add("template", std::move(root));
    if (!error_.empty()) return Error(Code::kInvalid, error_);
    return bulwark::Ok{};
  }

 private:
  // --- Tokens ------------------------------------------------------------------------------------

  bool Ok() const { return error_.empty(); }

  Token Next() {
    if (peeked_ > 0) {
      --peeked_;
    } else {
      tokens_[0] = Ok() ? lexer_.Next() : Token{Item::kEof, 0, "EOF", 1};
    }
    return tokens_[peeked_];
  }
  void Backup() { ++peeked_; }
  void Backup2(Token before) {
    tokens_[1] = std::move(before);
    peeked_ = 2;
  }
  void Backup3(Token second, Token first) {
    tokens_[1] = std::move(first);
    tokens_[2] = std::move(second);
    peeked_ = 3;
  }
  const Token& Peek() {
    if (peeked_ == 0) {
      peeked_ = 1;
      tokens_[0] = Ok() ? lexer_.Next() : Token{Item::kEof, 0, "EOF", 1};
    }
    return tokens_[peeked_ - 1];
  }
  Token NextNonSpace() {
    Token token = Next();
    while (token.item == Item::kSpace) token = Next();
    return token;
  }
  Token PeekNonSpace() {
    Token token = NextNonSpace();
    Backup();
    return token;
  }
  void Fail(const std::string& message) {
    if (Ok()) error_ = fmt::format("template: template:{}: {}", tokens_[0].line, message);
  }
  void Unexpected(const Token& token, std::string_view context) {
    if (token.item != Item::kError) {
      return Fail(fmt::format("unexpected {} in {}", token.ToString(), context));
    }
    std::string extra;
    if (action_line_ != 0 && action_line_ != token.line) {
      extra = fmt::format(" in action started at template:{}", action_line_);
      if (token.text.ends_with(" action")) extra = extra.substr(10);
    }
    Fail(token.text + extra);
  }
  Token Expect(Item item, std::string_view context) {
    Token token = NextNonSpace();
    if (token.item != item) Unexpected(token, context);
    return token;
  }

  // --- Structure ---------------------------------------------------------------------------------

  static bool IsEmpty(const Node& list) {
    return std::all_of(list.children.begin(), list.children.end(), [](const Node& node) {
      return node.kind == Kind::kText && Trim(node.text).empty();
    });
  }

  void Add(const std::string& name, Node root) {
    auto found = set_.templates.find(name);
    if (found == set_.templates.end() || IsEmpty(found->second)) {
      set_.templates[name] = std::move(root);
    } else if (!IsEmpty(root)) {
      Fail(fmt::format("template: multiple definition of template {}", GoQuote(name)));
    }
  }

  std::string Name(const Token& token, std::string_view context) {
    if (token.item != Item::kString && token.item != Item::kRawString) {
      Unexpected(token, context);
      return "";
    }
    std::optional<std::string> name = Unquote(token.text);
    if (!name) Fail("invalid syntax");
    return name.value_or("");
  }

  // The variables of what is outside are not known within a definition.
  template <typename F>
  void Apart(F inside) {
    std::vector<std::string> outer = std::exchange(variables_, {"$"});
    int ranges = std::exchange(ranges_, 0);
    inside();
    variables_ = std::move(outer);
    ranges_ = ranges;
  }

  void Definition() {
    constexpr std::string_view kContext = "define clause";
    std::string name = Name(NextNonSpace(), kContext);
    Expect(Item::kRightDelim, kContext);
    Apart([&] {
      Node end;
      Node list = List(end);
      if (end.kind != Kind::kEnd) {
        Fail(fmt::format("unexpected {} in {}", end.ToString(), kContext));
      }
      Add(name, std::move(list));
    });
  }

  // Until an {{end}} or {{else}}, which `next` gets.
  Node List(Node& next) {
    Node list{.kind = Kind::kList, .at = PeekNonSpace().at};
    if (++depth_ > kMaxDepth) Fail("template is nested too deeply");
    while (Ok() && PeekNonSpace().item != Item::kEof) {
      Node node = TextOrAction();
      if (node.kind == Kind::kEnd || node.kind == Kind::kElse) {
        next = std::move(node);
        --depth_;
        return list;
      }
      list.children.push_back(std::move(node));
    }
    Fail("unexpected EOF");
    --depth_;
    return list;
  }

  Node TextOrAction() {
    Token token = NextNonSpace();
    if (token.item == Item::kText) {
      return {.kind = Kind::kText, .at = token.at, .text = std::move(token.text)};
    }
    if (token.item == Item::kLeftDelim) {
      action_line_ = token.line;
      Node node = Action();
      action_line_ = 0;
      return node;
    }
    Unexpected(token, "input");
    return {};
  }

  Node Action() {
    Token token = NextNonSpace();
    switch (token.item) {
      case Item::kBlock: return Block();
      case Item::kBreak: return Jump(token, Kind::kBreak, "{{break}}");
      case Item::kContinue: return Jump(token, Kind::kContinue, "{{continue}}");
      case Item::kElse: {
        Token next = PeekNonSpace();
        if (next.item != Item::kIf && next.item != Item::kWith) {
          next = Expect(Item::kRightDelim, "else");
        }
        return {.kind = Kind::kElse, .at = next.at};
      }
      case Item::kEnd: return {.kind = Kind::kEnd, .at = Expect(Item::kRightDelim, "end").at};
      case Item::kIf: return Control(Kind::kIf, "if");
      case Item::kRange: return Control(Kind::kRange, "range");
      case Item::kWith: return Control(Kind::kWith, "with");
      case Item::kTemplate: {
        constexpr std::string_view kContext = "template clause";
        Token name = NextNonSpace();
        Node node{.kind = Kind::kTemplate, .at = name.at, .text = Name(name, kContext)};
        if (NextNonSpace().item != Item::kRightDelim) {
          Backup();
          node.pipe.push_back(Pipeline(kContext, Item::kRightDelim));
        }
        return node;
      }
      default: {
        Backup();
        Node node{.kind = Kind::kAction, .at = Peek().at};
        node.pipe.push_back(Pipeline("command", Item::kRightDelim));
        return node;
      }
    }
  }

  Node Jump(const Token& token, Kind kind, std::string_view name) {
    Token end = NextNonSpace();
    if (end.item != Item::kRightDelim) Unexpected(end, name);
    if (ranges_ == 0) Fail(fmt::format("{} outside {{{{range}}}}", name));
    return {.kind = kind, .at = token.at};
  }

  Node Block() {
    constexpr std::string_view kContext = "block clause";
    Token token = NextNonSpace();
    std::string name = Name(token, kContext);
    Node node{.kind = Kind::kTemplate, .at = token.at, .text = name};
    node.pipe.push_back(Pipeline(kContext, Item::kRightDelim));
    Apart([&] {
      Node end;
      Node list = List(end);
      if (end.kind != Kind::kEnd) {
        Fail(fmt::format("unexpected {} in {}", end.ToString(), kContext));
      }
      Add(name, std::move(list));
    });
    return node;
  }

  Node Control(Kind kind, std::string_view context) {
    size_t known = variables_.size();
    Node node{.kind = kind};
    node.pipe.push_back(Pipeline(context, Item::kRightDelim));
    node.at = node.pipe[0].at;
    ranges_ += kind == Kind::kRange ? 1 : 0;
    Node next;
    node.body.push_back(List(next));
    ranges_ -= kind == Kind::kRange ? 1 : 0;
    if (next.kind == Kind::kElse) {
      node.has_otherwise = true;
      Item again = kind == Kind::kIf ? Item::kIf : kind == Kind::kWith ? Item::kWith : Item::kError;
      if (again != Item::kError && Peek().item == again) {
        Next();
        Node list{.kind = Kind::kList, .at = next.at};
        if (++depth_ > kMaxDepth) Fail("template is nested too deeply");
        if (Ok()) list.children.push_back(Control(kind, context));
        --depth_;
        node.otherwise.push_back(std::move(list));
      } else {
        Node end;
        node.otherwise.push_back(List(end));
        if (Ok() && end.kind != Kind::kEnd) {
          Fail("expected end; found " + end.ToString());
        }
      }
    }
    variables_.resize(std::min(known, variables_.size()));
    return node;
  }

  // --- Pipelines ---------------------------------------------------------------------------------

  static std::vector<std::string> Idents(std::string_view text) {
    std::vector<std::string> out;
    for (std::string_view part : Split(text, '.')) out.emplace_back(part);
    return out;
  }
  static Node Variable(size_t at, const std::string& text) {
    return {.kind = Kind::kVariable, .at = at, .text = text, .idents = Idents(text)};
  }

  Node Pipeline(std::string_view context, Item end) {
    Node pipe{.kind = Kind::kPipe, .at = PeekNonSpace().at};
    while (Ok()) {
      Token variable = PeekNonSpace();
      if (variable.item != Item::kVariable) break;
      Next();
      Token after = Peek();
      Token next = PeekNonSpace();
      if (next.item == Item::kAssign || next.item == Item::kDeclare) {
        pipe.truth = next.item == Item::kAssign;
        NextNonSpace();
        pipe.declarations.push_back(Variable(variable.at, variable.text));
        variables_.push_back(variable.text);
        break;
      }
      if (next.item == Item::kChar && next.text == ",") {
        NextNonSpace();
        pipe.declarations.push_back(Variable(variable.at, variable.text));
        variables_.push_back(variable.text);
        if (context == "range" && pipe.declarations.size() < 2) {
          Item then = PeekNonSpace().item;
          if (then == Item::kVariable || then == Item::kRightDelim || then == Item::kRightParen) {
            continue;
          }
          Fail("range can only initialize variables");
        }
        Fail(fmt::format("too many declarations in {}", context));
        break;
      }
      if (after.item == Item::kSpace) {
        Backup3(variable, after);
      } else {
        Backup2(variable);
      }
      break;
    }
    while (Ok()) {
      Token token = NextNonSpace();
      if (token.item == end) {
        CheckPipeline(pipe, context);
        return pipe;
      }
      switch (token.item) {
        case Item::kBool:
        case Item::kCharConstant:
        case Item::kDot:
        case Item::kField:
        case Item::kIdentifier:
        case Item::kNumber:
        case Item::kNil:
        case Item::kRawString:
        case Item::kString:
        case Item::kVariable:
        case Item::kLeftParen:
          Backup();
          pipe.children.push_back(Command());
          break;
        default: Unexpected(token, context);
      }
    }
    return pipe;
  }

  void CheckPipeline(const Node& pipe, std::string_view context) {
    if (pipe.children.empty()) Fail(fmt::format("missing value for {}", context));
    for (size_t i = 1; i < pipe.children.size(); ++i) {
      if (pipe.children[i].children.empty()) continue;
      switch (pipe.children[i].children[0].kind) {
        case Kind::kBool:
        case Kind::kDot:
        case Kind::kNil:
        case Kind::kNumber:
        case Kind::kString:
          Fail(fmt::format("non executable command in pipeline stage {}", i + 1));
          break;
        default: break;
      }
    }
  }

  Node Command() {
    Node command{.kind = Kind::kCommand, .at = PeekNonSpace().at};
    while (Ok()) {
      PeekNonSpace();
      if (std::optional<Node> operand = Operand()) {
        command.children.push_back(*std::move(operand));
      }
      Token token = Next();
      if (token.item == Item::kSpace) continue;
      if (token.item == Item::kRightDelim || token.item == Item::kRightParen) {
        Backup();
      } else if (token.item != Item::kPipe) {
        Unexpected(token, "operand");
      }
      break;
    }
    if (command.children.empty()) Fail("empty command");
    return command;
  }

  std::optional<Node> Operand() {
    std::optional<Node> node = Term();
    if (!node || Peek().item != Item::kField) return node;
    size_t at = Peek().at;
    std::vector<std::string> fields;
    while (Ok() && Peek().item == Item::kField) fields.push_back(Next().text.substr(1));
    switch (node->kind) {
      case Kind::kField:
      case Kind::kVariable:
        node->at = at;
        for (std::string& field : fields) node->idents.push_back(std::move(field));
        return node;
      case Kind::kBool:
      case Kind::kString:
      case Kind::kNumber:
      case Kind::kNil:
      case Kind::kDot: Fail("unexpected . after term " + GoQuote(node->ToString())); return node;
      default: {
        Node chain{.kind = Kind::kChain, .at = at, .idents = std::move(fields)};
        chain.children.push_back(*std::move(node));
        return chain;
      }
    }
  }

  std::optional<Node> Term() {
    Token token = NextNonSpace();
    switch (token.item) {
      case Item::kIdentifier:
        if (FindTemplateFunction(token.text) == nullptr) {
          Fail(fmt::format("function {} not defined", GoQuote(token.text)));
        }
        return Node{.kind = Kind::kIdentifier, .at = token.at, .text = token.text};
      case Item::kDot: return Node{.kind = Kind::kDot, .at = token.at};
      case Item::kNil: return Node{.kind = Kind::kNil, .at = token.at};
      case Item::kVariable: {
        if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
          Fail("undefined variable " + GoQuote(token.text));
        }
        return Variable(token.at, token.text);
      }
      case Item::kField:
        return Node{.kind = Kind::kField, .at = token.at, .idents = Idents(token.text.substr(1))};
      case Item::kBool:
        return Node{.kind = Kind::kBool, .at = token.at, .truth = token.text == "true"};
      case Item::kCharConstant:
      case Item::kNumber: return Number(token);
      case Item::kLeftParen: {
        if (++depth_ > kMaxDepth) Fail("max expression depth exceeded");
        Node pipe = Pipeline("parenthesized pipeline", Item::kRightParen);
        --depth_;
        return pipe;
      }
      case Item::kString:
      case Item::kRawString: {
        std::optional<std::string> text = Unquote(token.text);
        if (!text) Fail("invalid syntax");
        return Node{
            .kind = Kind::kString, .at = token.at, .text = token.text, .value = text.value_or("")};
      }
      default: Backup(); return std::nullopt;
    }
  }

  Node Number(const Token& token) {
    Node node{.kind = Kind::kNumber, .at = token.at, .text = token.text};
    if (token.item == Item::kCharConstant) {
      std::optional<std::string> text = Unquote(token.text);
      if (!text || text->empty() || DecodeUtf8(*text, 0).length != text->size()) {
        Fail(text ? "malformed character constant: " + token.text : "invalid syntax");
        return node;
      }
      node.integer = static_cast<int64_t>(DecodeUtf8(*text, 0).value);
      return node;
    }
    std::string digits = ReplaceAll(token.text, "_", "");
    bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.erase(0, 1);
    int base = 10;
    std::string_view rest = digits;
    auto prefix = [&](std::string_view lower, std::string_view upper, int of) {
      if (!rest.starts_with(lower) && !rest.starts_with(upper)) return;
      rest.remove_prefix(2);
      base = of;
    };
    prefix("0x", "0X", 16);
    prefix("0o", "0O", 8);
    prefix("0b", "0B", 2);
    if (base == 10 && rest.size() > 1 && rest[0] == '0' &&
        rest.find_first_not_of("01234567") == std::string_view::npos) {
      base = 8;
    }
    uint64_t magnitude = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
    bool whole = end == rest.data() + rest.size() && !rest.empty();
    if (whole && error == std::errc() && magnitude <= INT64_MAX) {
      node.integer = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
      return node;
    }
    bool fraction = rest.find_first_of(base == 16 ? ".pP" : ".eEpP") != std::string_view::npos;
    double real = 0;
    auto [stop, wrong] =
        std::from_chars(rest.data(), rest.data() + rest.size(), real,
                        base == 16 ? std::chars_format::hex : std::chars_format::general);
    if (wrong != std::errc() || stop != rest.data() + rest.size()) {
      Fail("illegal number syntax: " + GoQuote(token.text));
      return node;
    }
    if (!fraction) {
      Fail("integer overflow: " + GoQuote(token.text));
      return node;
    }
    node.is_float = true;
    node.real = negative ? -real : real;
    return node;
  }

  Lexer lexer_;
  TemplateSet& set_;
  std::array<Token, 3> tokens_;
  size_t peeked_ = 0;
  std::vector<std::string> variables_;
  int ranges_ = 0;
  size_t depth_ = 0, action_line_ = 0;
  std::string error_;
};

std::string JoinNodes(const std::vector<Node>& nodes, std::string_view separator) {
  std::string out;
  for (const Node& node : nodes) {
    if (!out.empty()) out += separator;
    out += node.ToString();
  }
  return out;
}

}  // namespace

std::string TemplateNode::ToString() const {
  auto fields = [&](size_t from) {
    std::string out;
    for (size_t i = from; i < idents.size(); ++i) out += "." + idents[i];
    return out;
  };
  auto branch = [&](std::string_view name) {
    std::string out =
        fmt::format("{{{{{} {}}}}}{}", name, JoinNodes(pipe, ""), JoinNodes(body, ""));
    if (has_otherwise) out += "{{else}}" + JoinNodes(otherwise, "");
    return out + "{{end}}";
  };
  switch (kind) {
    case Kind::kList: return JoinNodes(children, "");
    case Kind::kText: return text;
    case Kind::kAction: return "{{" + JoinNodes(pipe, "") + "}}";
    case Kind::kIf: return branch("if");
    case Kind::kRange: return branch("range");
    case Kind::kWith: return branch("with");
    case Kind::kTemplate: {
      std::string out = "{{template " + GoQuote(text);
      if (!pipe.empty()) out += " " + pipe[0].ToString();
      return out + "}}";
    }
    case Kind::kBreak: return "{{break}}";
    case Kind::kContinue: return "{{continue}}";
    case Kind::kPipe: {
      std::string out = JoinNodes(declarations, ", ");
      if (!out.empty()) out += truth ? " = " : " := ";
      return out + JoinNodes(children, " | ");
    }
    case Kind::kCommand: {
      std::string out;
      for (const Node& word : children) {
        if (!out.empty()) out += ' ';
        out += word.kind == Kind::kPipe ? "(" + word.ToString() + ")" : word.ToString();
      }
      return out;
    }
    case Kind::kIdentifier:
    case Kind::kNumber:
    case Kind::kString: return text;
    case Kind::kField: return fields(0);
    case Kind::kVariable: return idents[0] + fields(1);
    case Kind::kChain: {
      const Node& of = children[0];
      return (of.kind == Kind::kPipe ? "(" + of.ToString() + ")" : of.ToString()) + fields(0);
    }
    case Kind::kDot: return ".";
    case Kind::kNil: return "nil";
    case Kind::kBool: return truth ? "true" : "false";
    case Kind::kEnd: return "{{end}}";
    case Kind::kElse: return "{{else}}";
  }
  return "";
}

Result<std::shared_ptr<const TemplateSet>> ParseTemplate(std::string_view source) {
  auto set = std::make_shared<TemplateSet>();
  set->source = source;
  Parser parser(set->source, *set);
  if (Result<> parsed = parser.Run(); !parsed) return std::move(parsed).error();
  return std::shared_ptr<const TemplateSet>(std::move(set));
}

const TemplateFunction* FindTemplateFunction(std::string_view name) {
  static constexpr TemplateFunction kFunctions[] = {
      {"and", 1, true},     {"call", 1, true},  {"eq", 1, true},       {"ge", 2, false},
      {"gt", 2, false},     {"html", 0, true},  {"index", 1, true},    {"js", 0, true},
      {"le", 2, false},     {"len", 1, false},  {"lt", 2, false},      {"ne", 2, false},
      {"not", 1, false},    {"or", 1, true},    {"print", 0, true},    {"printf", 1, true},
      {"println", 0, true}, {"slice", 1, true}, {"urlquery", 0, true},
  };
  for (const TemplateFunction& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace bulwark::rego
