#include "features/admission/location.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "features/admission/go_text.h"

namespace bulwark::admission {

namespace {

enum class Kind : uint8_t { kError, kEnd, kIdent, kInt, kOpen, kClose, kDot, kStar, kColon };

struct Token {
  Kind kind = Kind::kEnd;
  std::string text;
  std::string ToString() const {
    constexpr std::string_view kNames[] = {"ERROR",    "EOF",       "IDENT", "INT",  "LBRACKET",
                                           "RBRACKET", "SEPARATOR", "GLOB",  "COLON"};
    return fmt::format("{}: {}", kNames[static_cast<int>(kind)], GoQuote(text));
  }
};

bool IsWord(char c) { return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_' || c == '-'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Token Next() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
    if (at_ == text_.size()) return {Kind::kEnd, ""};
    size_t begin = at_;
    char c = text_[at_];
    if (IsAsciiDigit(c)) {
      while (at_ < text_.size() && IsAsciiDigit(text_[at_])) ++at_;
      return {Kind::kInt, std::string(text_.substr(begin, at_ - begin))};
    }
    if (IsWord(c)) {
      while (at_ < text_.size() && IsWord(text_[at_])) ++at_;
      return {Kind::kIdent, std::string(text_.substr(begin, at_ - begin))};
    }
    CodePoint point = DecodeUtf8(text_, at_);
    at_ += point.length;
    switch (c) {
      case '.': return {Kind::kDot, "."};
      case '[': return {Kind::kOpen, "["};
      case ']': return {Kind::kClose, "]"};
      case '*': return {Kind::kStar, "*"};
      case ':': return {Kind::kColon, ":"};
      case '"':
      case '\'': return Quoted(c);
      default: {
        Token token{Kind::kError, ""};
        AppendUtf8(token.text, point.value);
        return token;
      }
    }
  }

 private:
  Token Quoted(char quote) {
    Token token{Kind::kIdent, ""};
    while (at_ < text_.size()) {
      CodePoint point = DecodeUtf8(text_, at_);
      at_ += point.length;
      if (point.value == static_cast<unsigned char>(quote)) return token;
      if (point.value == '\\') {
        if (at_ == text_.size()) break;
        point = DecodeUtf8(text_, at_);
        at_ += point.length;
      }
      AppendUtf8(token.text, point.value);
    }
    token.kind = Kind::kError;  // it does not end
    return token;
  }

  std::string_view text_;
  size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : scanner_(text) {
    current_ = scanner_.Next();
    peek_ = scanner_.Next();
  }

  Result<Location> Parse() {
    Location out;
    while (current_.kind == Kind::kIdent) {
      LocationNode field;
      field.name = current_.text;
      out.nodes.push_back(std::move(field));
      if (Take(Kind::kOpen)) out.nodes.push_back(BW_TRY(ParseList()));
      if (Take(Kind::kDot)) {
        if (peek_.kind == Kind::kEnd) {
          return Error(Code::kInvalid, "gate.location.trailing",
                       "trailing separators are forbidden");
        }
        Advance();
      } else if (!Take(Kind::kEnd)) {
        return Unexpected("expected '.' or eof", peek_);
      }
    }
    if (current_.kind != Kind::kEnd) return Unexpected("expected field name or eof", current_);
    return out;
  }

 private:
  static Error Unexpected(std::string_view expected, const Token& got) {
    return Error(Code::kInvalid, "gate.location.token",
                 fmt::format("unexpected token: {}, got: {}", expected, got.ToString()));
  }

  void Advance() {
    current_ = std::move(peek_);
    peek_ = scanner_.Next();
  }

  bool Take(Kind kind) {
    if (peek_.kind != kind) return false;
    Advance();
    return true;
  }

  Result<LocationNode> ParseList() {
    LocationNode out;
    out.is_list = true;
    if (!Take(Kind::kIdent)) return Unexpected("expected keyField in listSpec", peek_);
    out.name = current_.text;
    if (!Take(Kind::kColon)) {
      return Unexpected(fmt::format("expected ':' following keyField {}", out.name), peek_);
    }
    if (Take(Kind::kStar)) {
      out.glob = true;
    } else if (Take(Kind::kIdent)) {
      out.key = LocationNode::Key::kText;
      out.text = current_.text;
    } else if (Take(Kind::kInt)) {
      out.key = LocationNode::Key::kInteger;
      for (char c : current_.text) {
        if (__builtin_mul_overflow(out.integer, 10, &out.integer) ||
            __builtin_add_overflow(out.integer, c - '0', &out.integer)) {
          return Error(Code::kInvalid, "gate.location.integer",
                       fmt::format("invalid integer: overflow in integer string: {}: parsing key "
                                   "value for key: {}",
                                   current_.text, out.name));
        }
      }
    } else {
      return Unexpected("expected key value or glob in listSpec", peek_);
    }
    if (!Take(Kind::kClose)) return Unexpected("expected ']' following listSpec", peek_);
    return out;
  }

  Scanner scanner_;
  Token current_, peek_;
};

std::string Quote(std::string_view text) {
  if (text.empty()) return "\"\"";
  if (text.find_first_of("'\"\t\n \\*[]:.") == std::string_view::npos &&
      !IsAsciiDigit(text.front()) && std::all_of(text.begin(), text.end(), IsWord)) {
    return std::string(text);
  }
  return "\"" + ReplaceAll(ReplaceAll(text, "\\", "\\\\"), "\"", "\\\"") + "\"";
}

}  // namespace

Value LocationNode::KeyValue() const {
  switch (key) {
    case Key::kText: return Value::String(text);
    case Key::kInteger: return Value::Int(integer);
    case Key::kNone: break;
  }
  return Value();
}

std::string LocationNode::ToString() const {
  if (!is_list) return Quote(name);
  std::string value = glob                   ? "*"
                      : key == Key::kText    ? Quote(text)
                      : key == Key::kInteger ? std::to_string(integer)
                                             : "";
  return fmt::format("[{}: {}]", Quote(name), value);
}

std::string Location::ToString() const {
  std::string out;
  for (const LocationNode& node : nodes) {
    if (!node.is_list && !out.empty()) out += '.';
    out += node.ToString();
  }
  return out;
}

bool Location::HasPrefix(const Location& prefix) const {
  return prefix.nodes.size() <= nodes.size() &&
         std::equal(prefix.nodes.begin(), prefix.nodes.end(), nodes.begin());
}

Result<Location> ParseLocation(std::string_view text) { return Parser(text).Parse(); }

Result<PathTester> PathTester::Create(const Location& location,
                                      std::span<const std::pair<Location, PathCondition>> tests) {
  PathTester out;
  for (const auto& [path, condition] : tests) {
    if (!location.HasPrefix(path)) {
      return Error(Code::kInvalid, "gate.location.prefix",
                   fmt::format("all subpaths must be a prefix of the `location` value of the "
                               "mutation: subpath {} is not a prefix of location {}",
                               GoQuote(path.ToString()), GoQuote(location.ToString())));
    }
  }
  // A test of the empty path is about the object itself, which exists.
  auto conflict = [](std::string what) {
    return Error(Code::kInvalid, "gate.location.conflict",
                 "conflicting path test conditions: " + std::move(what));
  };
  std::optional<size_t> lowest_forbidden, highest_required;
  for (const auto& [path, condition] : tests) {
    if (path.nodes.empty()) continue;
    size_t depth = path.nodes.size() - 1;
    auto [at, added] = out.tests_.emplace(depth, condition);
    if (!added && at->second != condition) {
      return conflict(fmt::format("path {} is marked both MustExist and MustNotExist",
                                  GoQuote(path.ToString())));
    }
    if (condition == PathCondition::kMustNotExist) {
      lowest_forbidden = std::min(lowest_forbidden.value_or(depth), depth);
    } else {
      highest_required = std::max(highest_required.value_or(depth), depth);
    }
  }
  if (lowest_forbidden && highest_required && *highest_required > *lowest_forbidden) {
    auto prefix = [&](size_t depth) {
      Location part;
      part.nodes.assign(location.nodes.begin(), location.nodes.begin() + depth + 1);
      return GoQuote(part.ToString());
    };
    return conflict(fmt::format("path {} is marked MustExist but parent {} MustNotExist",
                                prefix(*highest_required), prefix(*lowest_forbidden)));
  }
  return out;
}

bool PathTester::ExistsOkay(size_t depth) const {
  auto found = tests_.find(depth);
  return found == tests_.end() || found->second == PathCondition::kMustExist;
}

bool PathTester::MissingOkay(size_t depth) const {
  auto found = tests_.find(depth);
  return found == tests_.end() || found->second == PathCondition::kMustNotExist;
}

}  // namespace bulwark::admission
