#pragma once

// The part of YAML that Kubernetes manifests are written in, read without libyaml at several times
// its speed. Internal to formats/yaml.
//
// Taken are texts of printable ASCII without tabs, whose nodes are block maps and sequences, plain
// and quoted scalars of one line, literals (|, |-, |+), and flow collections of one line. At
// anything else (anchors, tags, `? `, folded and multi-line scalars, whatever is an error) the
// scanner gives up, and the caller reads the whole text with libyaml. What it takes it reports as
// libyaml would, ranges included; yaml_block_fuzz.cc and yaml_block_test.cc hold it to that. When
// in doubt it gives up: that costs time and nothing else.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "formats/source_map.h"

namespace bulwark::yaml {

// The sink's members give false where the reading is to be given up:
//   Key(text, range, plain, lasting), Scalar(text, range, plain, lasting), Open(begin, map, flow),
//   Close(end)
// `lasting`: the text is part of the document, else it is good until the next call. `end` is 0 for
// block collections, which end where their last part does.
template <typename Sink>
class BlockScanner {
 public:
  using Range = SourceMap::Range;

  BlockScanner(std::string_view text, Sink& sink)
      : text_(text), size_(static_cast<uint32_t>(text.size())), sink_(sink) {}

  // False: given up; what the sink was told counts for nothing.
  bool Run() {
    if (!IsPrintable()) return false;
    if (!ToContent()) return false;
    if (at_end_) return true;
    return Node(-1, 0) && at_end_;
  }

 private:
  static constexpr int kMaxDepth = 64;
  static constexpr uint32_t kMaxKey = 1000;  // libyaml: 1024 characters

  struct Text {
    std::string_view text;
    Range range;
    bool plain = false;
    bool lasting = true;
  };

  bool IsPrintable() const {
    bool good = true;
    size_t at = 0;
    while (at < text_.size() && good) {
      size_t end = std::min(text_.size(), at + 4096);
      unsigned bad = 0;
      for (; at < end; ++at) {
        auto c = static_cast<uint8_t>(text_[at]);
        bad |= static_cast<unsigned>(static_cast<uint8_t>(c - 0x20) > 0x5e) &
               static_cast<unsigned>(c != '\n');
      }
      good = bad == 0;
    }
    return good;
  }

  // Past the end there is a line break.
  char Look(uint32_t at) const { return at < size_ ? text_[at] : '\n'; }
  static bool IsBlank(char c) { return c == ' ' || c == '\n'; }
  int column() const { return static_cast<int>(at_ - line_); }
  void SkipSpaces() {
    while (at_ < size_ && text_[at_] == ' ') ++at_;
  }
  // "- ": an entry of a block sequence.
  bool IsEntry() const { return Look(at_) == '-' && IsBlank(Look(at_ + 1)); }

  uint32_t LineEnd(uint32_t from) const {
    const void* found =
        from < size_ ? std::memchr(text_.data() + from, '\n', size_ - from) : nullptr;
    return found == nullptr ? size_
                            : static_cast<uint32_t>(static_cast<const char*>(found) - text_.data());
  }

  // From the beginning of a line to the first thing that is neither blank nor comment.
  bool ToContent() {
    for (;; ++at_) {
      line_ = at_;
      SkipSpaces();
      if (at_ >= size_) {
        at_end_ = true;
        return true;
      }
      if (text_[at_] == '#') at_ = LineEnd(at_);
      if (at_ >= size_) {
        at_end_ = true;
        return true;
      }
      if (text_[at_] != '\n') break;
    }
    if (column() > 0) return true;
    std::string_view rest = text_.substr(at_, 3);
    return rest != "---" && rest != "..." && rest[0] != '%';
  }

  // At what follows a token: true if nothing but a comment does, up to the end of the line.
  bool AtLineEnd() {
    SkipSpaces();
    if (at_ < size_ && text_[at_] == '#' && at_ > 0 && text_[at_ - 1] == ' ') at_ = LineEnd(at_);
    return at_ >= size_ || text_[at_] == '\n';
  }
  bool NextLine() {
    if (at_ < size_) ++at_;
    return ToContent();
  }

  // --- Scalars -----------------------------------------------------------------------------------

  // What a plain scalar may begin with, in a block; the rest are indicators.
  static constexpr std::array<bool, 256> MakeFirst() {
    std::array<bool, 256> out{};
    for (int c = 0x21; c < 0x7f; ++c) out[static_cast<size_t>(c)] = true;
    for (char c : std::string_view("?:,[]{}#&*!|>'\"%@`")) out[static_cast<uint8_t>(c)] = false;
    return out;
  }
  static constexpr std::array<bool, 256> kFirst = MakeFirst();

  // What may stand in a plain scalar of a flow collection.
  static constexpr std::array<bool, 256> MakeFlow() {
    std::array<bool, 256> out{};
    for (int c = 'a'; c <= 'z'; ++c) out[static_cast<size_t>(c)] = true;
    for (int c = 'A'; c <= 'Z'; ++c) out[static_cast<size_t>(c)] = true;
    for (int c = '0'; c <= '9'; ++c) out[static_cast<size_t>(c)] = true;
    for (char c : std::string_view("_./-+=$~^()<>;")) out[static_cast<uint8_t>(c)] = true;
    return out;
  }
  static constexpr std::array<bool, 256> kFlow = MakeFlow();

  // A plain scalar of one line. Ends before ": " (or ":" at the end of the line) or " #".
  bool Plain(Text& out) {
    char first = Look(at_);
    if (!kFirst[static_cast<uint8_t>(first)] || (first == '-' && IsBlank(Look(at_ + 1)))) {
      return false;
    }
    uint32_t begin = at_;
    uint32_t at = at_ + 1;
    for (; at < size_; ++at) {
      char c = text_[at];
      if (c > ':') continue;
      if (c == '\n' || (c == ':' && IsBlank(Look(at + 1))) || (c == '#' && text_[at - 1] == ' ')) {
        break;
      }
    }
    at_ = at;
    while (text_[at - 1] == ' ') --at;
    out = {text_.substr(begin, at - begin), {begin, at}, true, true};
    return true;
  }

  bool Quoted(Text& out) { return text_[at_] == '"' ? DoubleQuoted(out) : SingleQuoted(out); }

  bool DoubleQuoted(Text& out) {
    uint32_t begin = at_++;
    uint32_t from = at_;
    bool escaped = false;
    for (;; ++at_) {
      char c = Look(at_);
      if (c == '\n') return false;
      if (c == '"') break;
      if (c != '\\') {
        if (escaped) scratch_ += c;
        continue;
      }
      if (!escaped) scratch_.assign(text_.substr(from, at_ - from));
      escaped = true;
      switch (Look(++at_)) {
        case '"': scratch_ += '"'; break;
        case '\\': scratch_ += '\\'; break;
        case 'n': scratch_ += '\n'; break;
        case 't': scratch_ += '\t'; break;
        default: return false;
      }
    }
    ++at_;
    std::string_view plain = text_.substr(from, at_ - 1 - from);
    out = {escaped ? std::string_view(scratch_) : plain, {begin, at_}, false, !escaped};
    return true;
  }

  bool SingleQuoted(Text& out) {
    uint32_t begin = at_++;
    uint32_t from = at_;
    bool escaped = false;
    for (;; ++at_) {
      char c = Look(at_);
      if (c == '\n') return false;
      if (c == '\'') {
        if (Look(at_ + 1) != '\'') break;
        if (!escaped) scratch_.assign(text_.substr(from, at_ - from));
        escaped = true;
        ++at_;
      }
      if (escaped) scratch_ += c;
    }
    ++at_;
    std::string_view plain = text_.substr(from, at_ - 1 - from);
    out = {escaped ? std::string_view(scratch_) : plain, {begin, at_}, false, !escaped};
    return true;
  }

  // | and its kin, whose first line tells the indentation. Leaves at_ at the next content.
  bool Literal(int indent) {
    uint32_t begin = at_++;
    char chomp = Look(at_);
    if (chomp == '-' || chomp == '+') {
      ++at_;
    } else {
      chomp = ' ';
    }
    SkipSpaces();
    if (Look(at_) != '\n' || text_.back() != '\n' || at_ + 1 >= size_) return false;
    uint32_t line = at_ + 1;
    uint32_t first = line;
    while (text_[first] == ' ') ++first;  // the text ends with a line break
    uint32_t margin = first - line;
    if (text_[first] == '\n' || static_cast<int>(margin) <= indent || margin == 0) return false;
    scratch_.clear();
    size_t breaks = 0;
    while (line < size_) {
      uint32_t at = line;
      while (at - line < margin && text_[at] == ' ') ++at;
      if (text_[at] == '\n') {
        ++breaks;
        line = at + 1;
        continue;
      }
      if (at - line < margin) break;
      scratch_.append(breaks, '\n');
      uint32_t end = LineEnd(at);
      scratch_.append(text_.substr(at, end - at));
      breaks = 1;
      line = end + 1;
    }
    if (chomp == '+') scratch_.append(breaks, '\n');
    if (chomp == ' ') scratch_ += '\n';
    if (!sink_.Scalar(scratch_, {begin, line}, false, false)) return false;
    at_ = line;
    return ToContent();
  }

  // --- Nodes -------------------------------------------------------------------------------------

  // A key and its colon. at_ is after that then.
  bool Key(Text& out) {
    char c = Look(at_);
    if (c == '"' || c == '\'' ? !Quoted(out) : !Plain(out)) return false;
    return TakeColon(out);
  }
  bool TakeColon(const Text& key) {
    if (Look(at_) != ':' || !IsBlank(Look(at_ + 1)) || at_ != key.range.end) return false;
    if (at_ - key.range.begin > kMaxKey || (key.plain && key.text == "<<")) return false;
    ++at_;
    return true;
  }

  // A node in a collection whose column is `indent`, at its first character. Leaves at_ at the next
  // content, whose column is `indent` or less.
  bool Node(int indent, int depth) {
    if (depth > kMaxDepth) return false;
    if (IsEntry()) return Sequence(column(), false, depth);
    char c = Look(at_);
    if (c == '[' || c == '{' || c == '|') return Inline(indent, depth);
    Text text;
    int at_column = column();
    if (c == '"' || c == '\'' ? !Quoted(text) : !Plain(text)) return false;
    if (Look(at_) == ':') return TakeColon(text) && Map(at_column, text, depth);
    return sink_.Scalar(text.text, text.range, text.plain, text.lasting) && EndNode(indent);
  }

  // A value that begins in the line of its key.
  bool Inline(int indent, int depth) {
    Text text;
    switch (Look(at_)) {
      case '|': return Literal(indent) && (at_end_ || column() <= indent);
      case '[':
      case '{': return Flow(depth) && EndNode(indent);
      case '"':
      case '\'':
        if (!Quoted(text)) return false;
        break;
      default:
        if (!Plain(text)) return false;
    }
    return sink_.Scalar(text.text, text.range, text.plain, text.lasting) && EndNode(indent);
  }

  bool EndNode(int indent) {
    // What stands further in would go on with the scalar, or be an error.
    return AtLineEnd() && NextLine() && (at_end_ || column() <= indent);
  }

  bool Map(int at_column, Text key, int depth) {
    if (!sink_.Open(key.range.begin, true, false)) return false;
    for (;;) {
      if (!sink_.Key(key.text, key.range, key.plain, key.lasting)) return false;
      if (!Value(at_column, depth)) return false;
      if (at_end_ || column() < at_column) return sink_.Close(0);
      if (column() > at_column || IsEntry() || !Key(key)) return false;
    }
  }

  // What follows a key's colon.
  bool Value(int at_column, int depth) {
    uint32_t colon = at_;
    if (!AtLineEnd()) return Inline(at_column, depth);
    if (!NextLine()) return false;
    if (!at_end_ && column() > at_column) return Node(at_column, depth + 1);
    if (!at_end_ && column() == at_column && IsEntry()) return Sequence(at_column, true, depth + 1);
    return sink_.Scalar({}, {colon, colon}, true, true);
  }

  // `in_map`: it stands in the column of the keys of the map that it is in.
  bool Sequence(int at_column, bool in_map, int depth) {
    if (depth > kMaxDepth || !sink_.Open(at_, false, false)) return false;
    for (;;) {
      uint32_t dash = ++at_;
      if (!AtLineEnd()) {
        if (!Node(at_column, depth + 1)) return false;
      } else {
        if (!NextLine()) return false;
        if (!at_end_ && column() > at_column) {
          if (!Node(at_column, depth + 1)) return false;
        } else if (!sink_.Scalar({}, {dash, dash}, true, true)) {
          return false;
        }
      }
      if (at_end_ || column() < at_column) return sink_.Close(0);
      if (column() > at_column) return false;
      if (!IsEntry()) return in_map && sink_.Close(0);
    }
  }

  // --- Flow collections --------------------------------------------------------------------------

  bool FlowPlain(Text& out) {
    uint32_t begin = at_;
    char first = Look(at_);
    if (!kFlow[static_cast<uint8_t>(first)]) return false;
    if (first == '<' || first == '>') return false;
    if (first == '-' && !kFlow[static_cast<uint8_t>(Look(at_ + 1))]) return false;
    uint32_t at = at_ + 1;
    for (;; ++at) {
      char c = Look(at);
      if (kFlow[static_cast<uint8_t>(c)] || c == ' ') continue;
      if (c == ':') {
        char next = Look(at + 1);
        if (next == ' ') break;
        if (!kFlow[static_cast<uint8_t>(next)]) return false;
        continue;
      }
      if (c == ',' || c == ']' || c == '}') break;
      return false;
    }
    at_ = at;
    while (text_[at - 1] == ' ') --at;
    out = {text_.substr(begin, at - begin), {begin, at}, true, true};
    return true;
  }

  bool Flow(int depth) {
    if (depth > kMaxDepth) return false;
    bool map = text_[at_] == '{';
    char close = map ? '}' : ']';
    if (!sink_.Open(at_, map, true)) return false;
    ++at_;
    SkipSpaces();
    while (Look(at_) != close) {
      Text text;
      if (map) {
        bool quoted = Look(at_) == '"' || Look(at_) == '\'';
        if (quoted ? !Quoted(text) : !FlowPlain(text)) return false;
        if (Look(at_) != ':' || at_ != text.range.end) return false;
        if (at_ - text.range.begin > kMaxKey) return false;
        if (!sink_.Key(text.text, text.range, text.plain, text.lasting)) return false;
        ++at_;
        SkipSpaces();
      }
      char c = Look(at_);
      if (c == '[' || c == '{') {
        if (!Flow(depth + 1)) return false;
      } else {
        if (c == '"' || c == '\'' ? !Quoted(text) : !FlowPlain(text)) return false;
        if (!sink_.Scalar(text.text, text.range, text.plain, text.lasting)) return false;
      }
      SkipSpaces();
      if (Look(at_) == close) break;
      if (Look(at_) != ',') return false;
      ++at_;
      SkipSpaces();
      if (Look(at_) == close) return false;
    }
    ++at_;
    return sink_.Close(at_);
  }

  std::string_view text_;
  uint32_t size_;
  Sink& sink_;
  uint32_t at_ = 0;
  uint32_t line_ = 0;  // where its line begins
  bool at_end_ = false;
  std::string scratch_;  // of a scalar with escapes
};

}  // namespace bulwark::yaml
