#include "lang/rego/ast/parser.h"

#include <algorithm>

#include "lang/rego/ast/annotations.h"
#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

constexpr std::string_view kParseError = "rego_parse_error";
constexpr size_t kMaxMessage = 10'000;  // messages quote the source, which may be anything

Tok TokOfBit(Tok keyword, uint8_t keys) {
  uint8_t bit = 0;
  switch (keyword) {
    case Tok::kIn: bit = kKeyIn; break;
    case Tok::kEvery: bit = kKeyEvery; break;
    case Tok::kContains: bit = kKeyContains; break;
    case Tok::kIf: bit = kKeyIf; break;
    case Tok::kLogicalAnd: bit = kKeyAnd; break;
    case Tok::kLogicalOr: bit = kKeyOr; break;
    default: return Tok::kIdent;
  }
  return (keys & bit) != 0 ? keyword : Tok::kIdent;
}

bool IsKeywordToken(Tok tok) {
  return (tok >= Tok::kPackage && tok <= Tok::kFalse) || tok == Tok::kIn || tok >= Tok::kEvery;
}

}  // namespace

uint8_t KeywordBitOf(std::string_view word) {
  if (word == "in") return kKeyIn;
  if (word == "every") return kKeyEvery;
  if (word == "contains") return kKeyContains;
  if (word == "if") return kKeyIf;
  if (word == "not") return kKeyNot;
  if (word == "and") return kKeyAnd;
  if (word == "or") return kKeyOr;
  return 0;
}

bool IsKeywordIn(std::string_view word, Dialect dialect) {
  static constexpr std::string_view kAlways[] = {
      "not", "package", "import", "as", "default", "else", "with", "null", "true", "false", "some"};
  if (std::find(std::begin(kAlways), std::end(kAlways), word) != std::end(kAlways)) return true;
  const uint8_t bit = KeywordBitOf(word);
  return (dialect != Dialect::kV0 && (bit & kKeysV0) != 0) ||
         (dialect == Dialect::kV2 && (bit & kKeysV1) != 0);
}

std::string_view TermKindName(const Term& term) {
  switch (term.kind) {
    case TermKind::kScalar:
      if (term.value.IsNull()) return "null";
      if (term.value.IsBool()) return "boolean";
      return term.value.IsString() ? "string" : "number";
    case TermKind::kVar: return "var";
    case TermKind::kRef: return "ref";
    case TermKind::kArray: return "array";
    case TermKind::kSet: return "set";
    case TermKind::kObject: return "object";
    case TermKind::kArrayComprehension: return "arraycomprehension";
    case TermKind::kSetComprehension: return "setcomprehension";
    case TermKind::kObjectComprehension: return "objectcomprehension";
    case TermKind::kCall: return "call";
    case TermKind::kTemplateString: return "templatestring";
  }
  BW_UNREACHABLE();
}

Parser::Parser(std::string_view text, Arena& arena, const ParseOptions& options, bool skip_rules)
    : text_(text), arena_(arena), options_(options), skip_rules_(skip_rules), lexed_(Lex(text)) {
  step_limit_ = 500'000 + 20 * lexed_.tokens.size();
}

// Tokens.

std::string_view Parser::lit() const {
  if (At(Tok::kWhitespace)) return " ";
  if (token().kind > Tok::kRawTemplateEnd) return {};  // signs have none in OPA either
  return text_.substr(token().offset, token().end - token().offset);
}

// Where the token begins; of blanks: where the token before them ended.
Location Parser::Here() const {
  const Token& t = token();
  if (!At(Tok::kWhitespace)) return {t.offset, t.end - t.offset, t.row, t.column};
  if (text_[t.end] == '\n') return {t.end, 1, lexed_.tokens[s_.pos].row + 1, 0};
  Location at{t.end, 1, t.row, t.column};
  for (uint32_t i = t.offset; i < t.end; ++i) {
    if (text_[i] == '\n') {
      ++at.row;
      at.column = 1;
    } else if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) {
      ++at.column;
    }
  }
  return at;
}

size_t Parser::CommentsRead() const {
  const uint32_t end = At(Tok::kWhitespace) ? token().end : token().offset;
  const auto& comments = lexed_.comments;
  return static_cast<size_t>(
      std::partition_point(comments.begin(), comments.end(),
                           [&](const LexComment& c) { return c.offset < end; }) -
      comments.begin());
}

uint32_t Parser::Offset() const { return At(Tok::kWhitespace) ? token().end : token().offset; }

uint32_t Parser::LastEnd() const {
  if (At(Tok::kWhitespace)) return token().end;
  return s_.pos == 0 ? 0 : lexed_.tokens[s_.pos - 1].end;
}

uint32_t Parser::TokenEnd() const { return token().end + (At(Tok::kWhitespace) ? 1 : 0); }

Location Parser::Span(const Location& start, uint32_t offset, uint32_t end) const {
  return {offset, end >= offset ? end - offset : 0, start.row, start.column};
}

std::string_view Parser::Text(uint32_t offset, uint32_t end) const {
  if (offset >= text_.size() || end < offset) return {};
  return text_.substr(offset, end - offset);
}

void Parser::Load() {
  if (++steps_ > step_limit_) [[unlikely]] {
    exhausted_ = true;
    s_.pos = static_cast<uint32_t>(lexed_.tokens.size() - 1);
  }
  const Token& t = token();
  s_.newline = (t.flags & Token::kNewlineBefore) != 0;
  if (t.kind == Tok::kIdent && t.keyword != Tok::kIllegal) {
    s_.tok = t.keyword == Tok::kNot ? (path_mode_ ? Tok::kIdent : Tok::kNot)
                                    : TokOfBit(t.keyword, keys_);
    return;
  }
  s_.tok = t.kind;
  if (t.kind != Tok::kIllegal) return;
  auto error = std::lower_bound(lexed_.errors.begin(), lexed_.errors.end(), s_.pos,
                                [](const LexError& e, uint32_t pos) { return e.token < pos; });
  for (; error != lexed_.errors.end() && error->token == s_.pos; ++error) {
    Fail(Here(), error->message);
  }
}

void Parser::Scan() {
  if (s_.pos + 1 < lexed_.tokens.size()) ++s_.pos;
  Load();
}

// As Scan(), but stops at blanks between the tokens.
void Parser::ScanSpace() {
  if (s_.pos + 1 < lexed_.tokens.size() &&
      (lexed_.tokens[s_.pos + 1].flags & Token::kSpaceBefore) != 0) {
    s_.tok = Tok::kWhitespace;
    s_.newline = text_[token().end] == '\n';
    return;
  }
  Scan();
}

Tok Parser::PeekSpace() {
  const State start = s_;
  ScanSpace();
  const Tok next = tok();
  Restore(start);
  return next;
}

bool Parser::IsKeywordNow(std::string_view word) const {
  return IsKeywordIn(word, Dialect::kV0) || (KeywordBitOf(word) & keys_) != 0;
}

// Keywords that want an import in the dialect.
bool Parser::IsFuture(std::string_view word) const {
  const uint8_t bit = KeywordBitOf(word);
  switch (options_.dialect) {
    case Dialect::kV0:
    case Dialect::kV0CompatV1: return (bit & kKeysV0) != 0;
    case Dialect::kV1: return (bit & kKeysV1) != 0;
    case Dialect::kV2: return false;
  }
  BW_UNREACHABLE();
}

bool Parser::IsAllowedRefKeyword(Tok tok) const {
  // OPA asks by name, and so takes the operators & and | for the words.
  if (!IsKeywordToken(tok) && tok != Tok::kAnd && tok != Tok::kOr) return false;
  const std::string_view word = TokName(tok);
  return IsKeywordIn(word, options_.dialect) || IsKeywordNow(word);
}

bool Parser::IdentOrRefKeyword() {
  if (At(Tok::kIdent)) return true;
  if (!IsAllowedRefKeyword(tok())) return false;
  s_.tok = Tok::kIdent;
  return true;
}

bool Parser::ScanAheadRef() {
  if (!IsAllowedRefKeyword(tok())) return false;
  const Tok next = PeekSpace();
  if (next != Tok::kDot && next != Tok::kLBrack) return false;
  s_.tok = Tok::kIdent;
  return true;
}

// `and(x, y)` and `or(x, y)` where a term is wanted are calls.
void Parser::ScanAheadLogicalCall() {
  if (!At(Tok::kLogicalAnd) && !At(Tok::kLogicalOr)) return;
  if (PeekSpace() == Tok::kLParen) s_.tok = Tok::kIdent;
}

bool Parser::IsNegated() {
  if (!At(Tok::kNot)) return false;
  const Tok next = PeekSpace();
  return next != Tok::kDot && next != Tok::kLBrack;
}

// The first token after an import was read before its keywords were known.
void Parser::Reclassify() {
  if (At(Tok::kIdent)) Load();
}

// Errors.

void Parser::Fail(const Location& at, std::string_view message) {
  s_.errors =
      scratch_.New<ErrorNode>(ErrorNode{at, message, s_.hints, s_.errors, false, Tok::kIllegal});
  s_.hints = nullptr;
}

void Parser::FailText(const Location& at, const std::string& message) {
  Fail(at, scratch_.Copy(std::string_view(message).substr(0, kMaxMessage)));
}

void Parser::Unexpected(std::string_view note) {
  if (At(Tok::kIllegal)) {
    Fail(Here(), "illegal token");
    return;
  }
  s_.errors = scratch_.New<ErrorNode>(ErrorNode{Here(), note, s_.hints, s_.errors, true, tok()});
  s_.hints = nullptr;
}

void Parser::UnexpectedText(const std::string& note) {
  Unexpected(scratch_.Copy(std::string_view(note).substr(0, kMaxMessage)));
}

void Parser::Hint(std::string_view text) {
  s_.hints = scratch_.New<HintNode>(HintNode{text.substr(0, kMaxMessage), s_.hints});
}

std::nullptr_t Parser::TooDeep() {
  Fail(Here(), "max parsing recursion depth exceeded");
  return nullptr;
}

bool Parser::Enter() {
  if (depth_ <= options_.max_depth) return true;
  TooDeep();
  return false;
}

namespace {

bool IsSpaceByte(unsigned char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0;
}

}  // namespace

std::vector<std::string> SourceLine(std::string_view text, size_t offset) {
  if (text.empty()) return {"", "^"};
  offset = std::min(offset, text.size() - 1);
  while (offset > 0 && IsSpaceByte(static_cast<unsigned char>(text[offset]))) --offset;
  const auto is_break = [&](size_t i) { return text[i] == '\r' || text[i] == '\n'; };
  size_t begin = offset;
  while (begin > 0 && !is_break(begin)) --begin;
  if (is_break(begin)) ++begin;
  size_t end = offset;
  while (end < text.size() && !is_break(end)) ++end;
  begin = std::min(begin, end);
  // Of a very long line, what is around the place.
  constexpr size_t kAround = 2000;
  if (end - begin > 2 * kAround) {
    if (offset - begin > kAround) begin = offset - kAround;
    end = std::min(end, offset + kAround);
  }
  std::string_view line = text.substr(begin, end - begin);
  size_t tabs = 0;
  while (tabs < line.size() && line[tabs] == '\t') ++tabs;
  const size_t index = offset > begin ? offset - begin : 0;
  return {std::string(line.substr(tabs)), std::string(index > tabs ? index - tabs : 0, ' ') + "^"};
}

void Parser::TakeErrors(const std::string& file, std::vector<Diagnostic>& out) const {
  std::vector<const ErrorNode*> nodes;
  for (const ErrorNode* node = s_.errors; node != nullptr; node = node->before) {
    nodes.push_back(node);
  }
  std::reverse(nodes.begin(), nodes.end());
  if (nodes.size() > options_.error_limit && options_.error_limit != 0) {
    nodes.resize(options_.error_limit);
  }
  for (const ErrorNode* node : nodes) {
    Diagnostic error;
    error.code = kParseError;
    error.file = file;
    error.at = node->at;
    if (node->unexpected) {
      error.message = "unexpected " + std::string(TokName(node->tok)) +
                      (IsKeywordToken(node->tok) ? " keyword" : " token");
      if (!node->message.empty()) error.message.append(": ").append(node->message);
    } else {
      error.message = node->message;
    }
    std::vector<std::string_view> hints;
    for (const HintNode* hint = node->hints; hint != nullptr; hint = hint->before) {
      hints.push_back(hint->text);
    }
    std::reverse(hints.begin(), hints.end());
    for (size_t i = 0; i < hints.size(); ++i) {
      error.message.append(i != 0 ? ", " : hints.size() == 1 ? " (hint: " : " (hints: ");
      error.message.append(hints[i]);
    }
    if (!hints.empty()) error.message += ')';
    error.details = SourceLine(text_, node->at.offset);
    out.push_back(std::move(error));
  }
  if (exhausted_) {
    Diagnostic error;
    error.code = kParseError;
    error.file = file;
    error.message = "the text is too ambiguous to be parsed in reasonable time";
    error.at.row = 1;
    error.at.column = 1;
    out.push_back(std::move(error));
  }
}

bool Parser::SelectKeywords() {
  uint8_t selected = 0;
  if (options_.all_future_keywords || options_.dialect == Dialect::kV2) {
    selected = kKeysAll;
  } else if (options_.dialect == Dialect::kV1) {
    selected = kKeysV0;
  }
  for (const std::string& word : options_.future_keywords) {
    const uint8_t bit = KeywordBitOf(word);
    if (bit == 0) {
      FailText({}, "unknown future keyword: " + word);
      return false;
    }
    selected |= bit;
  }
  if ((selected & kKeyNot) != 0) not_bodies_ = true;
  if ((selected & kKeyEvery) != 0) selected |= kKeyIn;
  keys_ = selected;
  return true;
}

bool Parser::Parse() {
  if (!SelectKeywords()) return false;
  s_.pos = 0;
  Load();
  while (!At(Tok::kEof)) {
    if (!skip_rules_ && KeywordRuleName(false)) break;
    if (At(Tok::kPackage)) {
      const State start = s_;
      if (Package* package = ParsePackage(); package != nullptr) {
        if (At(Tok::kSub)) {
          Unexpected();
          break;
        }
        statements_.push_back(
            {StatementKind::kPackage, package->at, package, nullptr, nullptr, {}});
        continue;
      }
      if (failed()) break;
      Restore(start);
    }
    if (At(Tok::kImport)) {
      const State start = s_;
      if (Import* import = ParseImport(); import != nullptr) {
        if (At(Tok::kSub)) {
          Unexpected();
          break;
        }
        const std::string_view root = import->path->items[0]->name;
        if (root == "rego" || root == "future") {
          if (root == "rego") {
            RegoImport(*import);
          } else {
            FutureImport(*import);
          }
          Reclassify();
        }
        statements_.push_back({StatementKind::kImport, import->at, nullptr, import, nullptr, {}});
        continue;
      }
      if (failed()) break;
      Restore(start);
    }
    if (!skip_rules_) {
      const State start = s_;
      if (ParseRules()) continue;
      if (failed()) break;
      Restore(start);
    }
    Body body = ParseQuery(true, Tok::kEof);
    if (body.empty()) break;
    statements_.push_back({StatementKind::kBody, body[0]->at, nullptr, nullptr, nullptr, body});
  }
  return !failed() && !exhausted_;
}

namespace {

Error ErrorOf(std::span<const Diagnostic> errors) {
  return {Code::kInvalid, "rego_parse_error", DiagnosticsText(errors)};
}

std::optional<Error> CheckSize(std::string_view text, const ParseOptions& options) {
  if (text.size() <= std::min<size_t>(options.max_bytes, UINT32_MAX / 2)) return std::nullopt;
  return Error(Code::kLimit, "rego_parse_error", "the text is larger than a policy may be");
}

}  // namespace

Result<std::unique_ptr<Query>> ParseQuery(std::string text, const ParseOptions& options,
                                          std::vector<Diagnostic>* errors) {
  if (auto error = CheckSize(text, options)) return *error;
  auto query = std::make_unique<Query>(std::move(text));
  Parser parser(query->text, query->arena, options, true);
  std::vector<Diagnostic> found;
  std::vector<Expr*> body;
  if (!parser.Parse()) {
    parser.TakeErrors("", found);
  } else {
    for (const Parser::Statement& statement : parser.statements()) {
      if (statement.kind == Parser::StatementKind::kBody) {
        for (Expr* expr : statement.body) {
          expr->index = static_cast<uint32_t>(body.size());
          body.push_back(expr);
        }
        continue;
      }
      Diagnostic error;
      error.message = statement.kind == Parser::StatementKind::kPackage
                          ? "expected body but got *ast.Package"
                          : "expected body but got *ast.Import";
      found.push_back(std::move(error));
      break;
    }
  }
  if (!found.empty()) {
    Error error = found.size() == 1 && found[0].code.empty()
                      ? Error(Code::kInvalid, "rego_parse_error", found[0].message)
                      : ErrorOf(found);
    if (errors != nullptr) std::move(found.begin(), found.end(), std::back_inserter(*errors));
    return error;
  }
  query->body = query->arena.Copy(std::span<Expr* const>(body));
  return query;
}

namespace {

std::optional<Value> GroundValue(const Term& term, Arena& arena) {
  switch (term.kind) {
    case TermKind::kScalar: return term.value.CopyTo(arena);
    case TermKind::kArray:
    case TermKind::kSet: {
      std::vector<Value> items;
      for (const Term* item : term.items) {
        const std::optional<Value> value = GroundValue(*item, arena);
        if (!value) return std::nullopt;
        items.push_back(*value);
      }
      return term.kind == TermKind::kSet ? Value::Set(arena, items) : Value::Array(arena, items);
    }
    case TermKind::kObject: {
      MapBuilder map(arena, term.items.size() / 2);
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        const std::optional<Value> key = GroundValue(*term.items[i], arena);
        const std::optional<Value> value = GroundValue(*term.items[i + 1], arena);
        if (!key || !value) return std::nullopt;
        map.Add(*key, *value);
      }
      return map.Finish();
    }
    default: return std::nullopt;
  }
}

}  // namespace

Result<Value> ParseGroundTerm(std::string_view text, Arena& arena) {
  Arena scratch;
  const ParseOptions options;
  if (auto error = CheckSize(text, options)) return *error;
  Parser parser(text, scratch, options, true);
  if (!parser.Parse()) {
    std::vector<Diagnostic> errors;
    parser.TakeErrors("", errors);
    return ErrorOf(errors);
  }
  const auto& statements = parser.statements();
  if (statements.size() == 1 && statements[0].body.size() == 1) {
    const Expr& expr = *statements[0].body[0];
    if (expr.kind == ExprKind::kTerm && !expr.negated && expr.with.empty()) {
      if (const std::optional<Value> value = GroundValue(*expr.term, arena)) return *value;
    }
  }
  return Error(Code::kInvalid, "rego_parse_error", "expected one ground term");
}

}  // namespace bulwark::rego
