#include "lang/rego/builtins/go_json.h"

#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

int HexDigit(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  c = AsciiLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Go takes what RFC 8259 calls malformed text: halves of surrogate pairs, bytes that are no UTF-8.
// Both read as U+FFFD.
std::string Mended(std::string_view text) {
  std::string valid = ToValidUtf8(text);
  std::string out;
  auto unit = [&](size_t at) {
    int value = 0;
    if (at + 6 > valid.size() || valid[at] != '\\' || valid[at + 1] != 'u') return -1;
    for (size_t i = at + 2; i < at + 6; ++i) {
      int digit = HexDigit(valid[i]);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  };
  auto within = [](int value, int first) { return value >= first && value < first + 0x400; };
  for (size_t at = 0; at < valid.size();) {
    if (valid[at] != '\\') {
      out += valid[at++];
      continue;
    }
    int value = unit(at);
    if (within(value, 0xd800) && within(unit(at + 6), 0xdc00)) {
      out.append(valid, at, 12);
      at += 12;
    } else if (within(value, 0xd800) || within(value, 0xdc00)) {
      out += "\\ufffd";
      at += 6;
    } else {
      out.append(valid, at, 2);
      at += 2;
    }
  }
  return out;
}

// Says what is wrong with a text in the words of Go's encoding/json.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // What is wrong with the first value of the text; empty: nothing, and rest() is behind it.
  std::string First() {
    Space();
    if (at_ == text_.size()) return "EOF";
    return AnyValue(0) ? "" : problem_;
  }
  std::string_view rest() const { return text_.substr(at_); }

  // What OPA says of what stands behind the first value; empty: it says nothing.
  std::string Behind() {
    Space();
    if (at_ == text_.size()) return "";
    const size_t begin = at_;
    const char c = text_[at_];
    std::string token;
    if (c == '[' || c == '{') {
      token = c;
    } else if (c == ']' || c == '}' || c == ',' || c == ':') {
      Bad("looking for beginning of value");
      return problem_;
    } else if (!AnyValue(0)) {
      return problem_;
    } else {
      token = text_.substr(begin, at_ - begin);
    }
    if (token == "null") return "";
    if (c == '"') {
      Arena arena;
      if (auto string = ParseJson(Mended(token), arena); string && string->IsString()) {
        token = string->AsString();
      }
    }
    return "error: invalid character '" + token + "' after top-level value";
  }

 private:
  void Space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool Bad(std::string_view where) {
    if (at_ >= text_.size()) {
      problem_ = "unexpected EOF";
      return false;
    }
    std::string quoted;
    std::string character;
    AppendUtf8(character, static_cast<uint8_t>(text_[at_]));  // a byte is a character to Go
    AppendQuoted(quoted, character);
    quoted.front() = quoted.back() = '\'';
    if (text_[at_] == '"') quoted = "'\"'";
    if (text_[at_] == '\'') quoted = "'\\''";
    problem_ = "invalid character " + quoted + " " + std::string(where);
    return false;
  }
  bool Is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool Digit() const { return at_ < text_.size() && IsAsciiDigit(text_[at_]); }

  bool Word(std::string_view word) {
    for (size_t i = 0; i < word.size(); ++i, ++at_) {
      if (!Is(word[i])) {
        return Bad("in literal " + std::string(word) + " (expecting '" + word[i] + "')");
      }
    }
    return true;
  }
  bool Text() {
    for (++at_; !Is('"'); ++at_) {
      if (at_ >= text_.size() || static_cast<uint8_t>(text_[at_]) < 0x20) {
        return Bad("in string literal");
      }
      if (text_[at_] != '\\') continue;
      ++at_;
      if (Is('u')) {
        for (int i = 0; i < 4; ++i) {
          ++at_;
          if (at_ >= text_.size() || HexDigit(text_[at_]) < 0) {
            return Bad("in \\u hexadecimal character escape");
          }
        }
      } else if (at_ >= text_.size() ||
                 std::string_view("\"\\/bfnrt").find(text_[at_]) == text_.npos) {
        return Bad("in string escape code");
      }
    }
    ++at_;
    return true;
  }
  bool Number() {
    if (Is('-')) {
      ++at_;
      if (!Digit()) return Bad("in numeric literal");
    }
    if (Is('0')) {
      ++at_;
    } else {
      while (Digit()) ++at_;
    }
    if (Is('.')) {
      ++at_;
      if (!Digit()) return Bad("after decimal point in numeric literal");
      while (Digit()) ++at_;
    }
    if (Is('e') || Is('E')) {
      ++at_;
      if (Is('+') || Is('-')) ++at_;
      if (!Digit()) return Bad("in exponent of numeric literal");
      while (Digit()) ++at_;
    }
    return true;
  }
  // The items of an array or object, behind its bracket.
  bool Items(bool object, size_t depth) {
    ++at_;
    Space();
    char close = object ? '}' : ']';
    if (Is(close)) {
      ++at_;
      return true;
    }
    while (true) {
      if (object) {
        if (!Is('"')) return Bad("looking for beginning of object key string");
        if (!Text()) return false;
        Space();
        if (!Is(':')) return Bad("after object key");
        ++at_;
        Space();
      }
      if (!AnyValue(depth + 1)) return false;
      Space();
      if (Is(close)) {
        ++at_;
        return true;
      }
      if (!Is(',')) return Bad(object ? "after object key:value pair" : "after array element");
      ++at_;
      Space();
    }
  }
  bool AnyValue(size_t depth) {
    if (depth > 1000) {
      problem_ = "exceeded max depth";
      return false;
    }
    if (at_ >= text_.size()) return Bad("");
    switch (text_[at_]) {
      case '{': return Items(true, depth);
      case '[': return Items(false, depth);
      case '"': return Text();
      case 't': return Word("true");
      case 'f': return Word("false");
      case 'n': return Word("null");
      default: break;
    }
    if (Is('-') || Digit()) return Number();
    return Bad("looking for beginning of value");
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string problem_;
};

Error Wrong(std::string message) { return {Code::kInvalid, std::move(message)}; }

Result<Value> ParseMended(std::string_view text, Arena& arena) {
  JsonOptions options;
  options.duplicate_keys = true;
  Result<Value> value = ParseJson(text, arena, options);
  if (value) return value;
  std::string mended = Mended(text);
  return mended == text ? std::move(value) : ParseJson(mended, arena, options);
}

}  // namespace

Result<Value> ParseGoJson(std::string_view text, Arena& arena) {
  Result<Value> value = ParseMended(text, arena);
  if (value) return value;
  Scanner scanner(text);
  if (std::string wrong = scanner.First(); !wrong.empty()) return Wrong(std::move(wrong));
  if (std::string wrong = scanner.Behind(); !wrong.empty()) return Wrong(std::move(wrong));
  return ParseFirstGoJson(text, arena);  // `null` may stand behind it
}

Result<Value> ParseFirstGoJson(std::string_view text, Arena& arena) {
  Scanner scanner(text);
  if (std::string wrong = scanner.First(); !wrong.empty()) return Wrong(std::move(wrong));
  return ParseMended(text.substr(0, text.size() - scanner.rest().size()), arena);
}

}  // namespace bulwark::rego
