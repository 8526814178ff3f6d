// Label and field selectors as text (k8s.io/apimachinery/pkg/labels and pkg/fields, v0.34).

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "lang/cel/ext/authz.h"
#include "lang/cel/ext/format.h"

namespace bulwark::cel::ext {
namespace {

using Op = SelectorTerm::Op;

// --- Labels --------------------------------------------------------------------------------------

enum class Token {
  kEnd,
  kWord,
  kIn,
  kNotIn,
  kEquals,
  kNotEquals,
  kGreater,
  kLess,
  kNot,
  kComma,
  kOpen,
  kClose,
  kWrong
};

struct Lexeme {
  Token token;
  std::string_view text;
};

bool IsSpecial(char c) { return std::string_view("=!(),><").contains(c); }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Reads terms from left to right; where one is wrong, error() says why.
class LabelParser {
 public:
  explicit LabelParser(std::string_view text) : text_(text) { Advance(); }

  Selector Run() {
    Selector out;
    while (next_.token != Token::kEnd) {
      if (next_.token != Token::kNot && !IsWord()) {
        return Failed("found '" + Shown() + "', expected: !, identifier, or 'end of string'");
      }
      SelectorTerm term;
      if (!ReadTerm(term)) return Failed("unable to parse requirement: " + error_);
      out.terms.push_back(std::move(term));
      if (next_.token == Token::kEnd) break;
      if (next_.token != Token::kComma) {
        return Failed("found '" + Shown() + "', expected: ',' or 'end of string'");
      }
      Advance();
      if (next_.token != Token::kNot && !IsWord()) {
        return Failed("found '" + Shown() + "', expected: identifier after ','");
      }
    }
    std::stable_sort(out.terms.begin(), out.terms.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    return out;
  }

 private:
  static Selector Failed(std::string error) { return {{}, std::move(error)}; }
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }
  std::string Shown() const { return std::string(next_.text); }
  // `in` and `notin` are words where an operator cannot stand.
  bool IsWord() const {
    return next_.token == Token::kWord || next_.token == Token::kIn || next_.token == Token::kNotIn;
  }

  void Advance() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
    size_t start = at_;
    if (at_ == text_.size()) {
      next_ = {Token::kEnd, {}};
      return;
    }
    if (!IsSpecial(text_[at_])) {
      while (at_ < text_.size() && !IsSpecial(text_[at_]) && !IsBlank(text_[at_])) ++at_;
      std::string_view word = text_.substr(start, at_ - start);
      next_ = {word == "in" ? Token::kIn : word == "notin" ? Token::kNotIn : Token::kWord, word};
      return;
    }
    char c = text_[at_++];
    if ((c == '=' || c == '!') && at_ < text_.size() && text_[at_] == '=') ++at_;
    std::string_view symbol = text_.substr(start, at_ - start);
    switch (c) {
      case '=': next_ = {Token::kEquals, symbol}; break;
      case '!': next_ = {symbol.size() == 2 ? Token::kNotEquals : Token::kNot, symbol}; break;
      case '>': next_ = {Token::kGreater, symbol}; break;
      case '<': next_ = {Token::kLess, symbol}; break;
      case ',': next_ = {Token::kComma, symbol}; break;
      case '(': next_ = {Token::kOpen, symbol}; break;
      default: next_ = {Token::kClose, symbol}; break;
    }
  }

  bool ReadTerm(SelectorTerm& term) {
    bool negated = next_.token == Token::kNot;
    if (negated) Advance();
    if (!IsWord()) return Fail("found '" + Shown() + "', expected: identifier");
    term.key = next_.text;
    if (!Check("qualifiedName", term.key)) return false;
    Advance();
    if (next_.token == Token::kEnd || next_.token == Token::kComma) {
      term.op = negated ? Op::kDoesNotExist : Op::kExists;
      return true;
    }
    if (negated) {
      term.op = Op::kDoesNotExist;
      return true;
    }
    switch (next_.token) {
      case Token::kIn:
      case Token::kEquals: term.op = Op::kIn; break;
      case Token::kNotIn:
      case Token::kNotEquals: term.op = Op::kNotIn; break;
      case Token::kGreater: term.op = Op::kGreaterThan; break;
      case Token::kLess: term.op = Op::kLessThan; break;
      default: return Fail("found '" + Shown() + "', expected: in, notin, =, ==, !=, gt, lt");
    }
    bool many = next_.token == Token::kIn || next_.token == Token::kNotIn;
    Advance();
    if (!(many ? ReadValues(term.values) : ReadValue(term.values))) return false;
    std::sort(term.values.begin(), term.values.end());
    term.values.erase(std::unique(term.values.begin(), term.values.end()), term.values.end());
    for (const std::string& value : term.values) {
      if (!Check("labelValue", value)) return false;
      if (term.op == Op::kGreaterThan || term.op == Op::kLessThan) {
        int64_t number;
        auto read = std::from_chars(value.data(), value.data() + value.size(), number);
        if (read.ec != std::errc() || read.ptr != value.data() + value.size()) {
          return Fail("for 'Gt', 'Lt' operators, the value must be an integer");
        }
      }
    }
    return true;
  }

  bool Check(std::string_view format, const std::string& text) {
    std::vector<std::string> problems = FindNamedFormat(format)->validate(text);
    if (problems.empty()) return true;
    return Fail("Invalid value: " + Quote(text) + ": " +
                Join(std::span<const std::string>(problems), "; "));
  }

  bool ReadValue(std::vector<std::string>& values) {
    if (next_.token == Token::kEnd || next_.token == Token::kComma) {
      values.emplace_back();
      return true;
    }
    if (!IsWord()) return Fail("found '" + Shown() + "', expected: identifier");
    values.emplace_back(next_.text);
    Advance();
    return true;
  }

  // (a,b); what is empty between two commas or at an end is a value too.
  bool ReadValues(std::vector<std::string>& values) {
    if (next_.token != Token::kOpen) return Fail("found '" + Shown() + "' expected: '('");
    Advance();
    for (;;) {
      if (IsWord()) {
        values.emplace_back(next_.text);
        Advance();
      } else if (next_.token == Token::kComma || next_.token == Token::kClose) {
        values.emplace_back();
      } else {
        return Fail("found '" + Shown() + "', expected: ',', ')' or identifier");
      }
      if (next_.token == Token::kClose) break;
      if (next_.token != Token::kComma) {
        return Fail("found '" + Shown() + "', expected: ',' or ')'");
      }
      Advance();
    }
    Advance();
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  Lexeme next_{};
  std::string error_;
};

// --- Fields --------------------------------------------------------------------------------------

// Without the backslashes before \ , and =; false if it cannot be.
bool Unescape(std::string_view text, std::string& out, std::string& error) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' || text[i] == '=') {
      error = std::string("invalid field selector: unescaped character in value: ") + text[i];
      return false;
    }
    if (text[i] == '\\') {
      bool known =
          i + 1 < text.size() && (text[i + 1] == '\\' || text[i + 1] == ',' || text[i + 1] == '=');
      if (!known) {
        error =
            "invalid field selector: invalid escape sequence: " + std::string(text.substr(i, 2));
        return false;
      }
      ++i;
    }
    out += text[i];
  }
  return true;
}

std::vector<std::string_view> SplitFieldTerms(std::string_view text) {
  std::vector<std::string_view> terms;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      terms.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  terms.push_back(text.substr(std::min(start, text.size())));
  std::sort(terms.begin(), terms.end());
  return terms;
}

}  // namespace

Selector ParseLabelSelector(std::string_view text) { return LabelParser(text).Run(); }

Selector ParseFieldSelector(std::string_view text) {
  Selector out;
  for (std::string_view part : SplitFieldTerms(text)) {
    if (part.empty()) continue;
    size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return {{},
              "invalid selector: '" + std::string(text) + "'; can't understand '" +
                  std::string(part) + "'"};
    }
    bool negated = equals > 0 && part[equals - 1] == '!';
    std::string_view value = part.substr(equals + 1);
    if (!negated && value.starts_with('=')) value.remove_prefix(1);
    SelectorTerm term;
    term.key = part.substr(0, negated ? equals - 1 : equals);
    term.op = negated ? Op::kNotIn : Op::kIn;
    std::string error;
    if (!Unescape(value, term.values.emplace_back(), error)) return {{}, error};
    out.terms.push_back(std::move(term));
  }
  return out;
}

}  // namespace bulwark::cel::ext
