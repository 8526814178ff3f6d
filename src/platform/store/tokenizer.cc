#include "platform/store/tokenizer.h"

#include <algorithm>

#include "base/text.h"

namespace bulwark::store {
namespace {

enum class Class : uint8_t { kNone, kWord, kCjk, kMark };

bool In(char32_t c, char32_t from, char32_t to) { return c >= from && c <= to; }

bool IsCjk(char32_t c) {
  if (c < 0x1100) return false;
  return In(c, 0x1100, 0x11FF) || In(c, 0x2E80, 0x2FDF) || In(c, 0x3005, 0x3007) ||
         In(c, 0x3041, 0x3096) || In(c, 0x309D, 0x309F) || In(c, 0x30A1, 0x30FA) ||
         In(c, 0x30FC, 0x318E) || In(c, 0x31A0, 0x31BF) || In(c, 0x31F0, 0x31FF) ||
         In(c, 0x3400, 0x4DBF) || In(c, 0x4E00, 0x9FFF) || In(c, 0xA960, 0xA97F) ||
         In(c, 0xAC00, 0xD7FF) || In(c, 0xF900, 0xFAFF) || In(c, 0xFF66, 0xFF9F) ||
         In(c, 0x20000, 0x3FFFF);
}

Class ClassOf(char32_t c) {
  if (c < 0x80) {
    return IsAsciiLetter(static_cast<char>(c)) || IsAsciiDigit(static_cast<char>(c)) ? Class::kWord
                                                                                     : Class::kNone;
  }
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA ? Class::kWord : Class::kNone;
  if (c == 0xD7 || c == 0xF7) return Class::kNone;
  if (In(c, 0x0300, 0x036F)) return Class::kMark;
  if (IsCjk(c)) return Class::kCjk;
  // Punctuation, symbols, private use, specials; the full-width forms of ASCII's punctuation.
  if (In(c, 0x2000, 0x206F) || In(c, 0x20A0, 0x20CF) || In(c, 0x2190, 0x2BFF) ||
      In(c, 0x2E00, 0x2E7F) || In(c, 0x3000, 0x303F) || In(c, 0x3099, 0x30FB) ||
      In(c, 0xD800, 0xF8FF) || In(c, 0xFE00, 0xFE6F) || In(c, 0xFEFF, 0xFF0F) ||
      In(c, 0xFF1A, 0xFF20) || In(c, 0xFF3B, 0xFF40) || In(c, 0xFF5B, 0xFF65) ||
      In(c, 0xFFE0, 0xFFFF) || c > 0x3FFFF) {
    return Class::kNone;
  }
  return Class::kWord;
}

char32_t Fold(char32_t c) {
  if (c < 0x80) return static_cast<char32_t>(AsciiLower(static_cast<char>(c)));
  if (In(c, 0xC0, 0xDE)) return c + 32;
  if (In(c, 0x100, 0x137) || In(c, 0x14A, 0x177) || In(c, 0x1DE, 0x1EF) || In(c, 0x1F8, 0x21F) ||
      In(c, 0x222, 0x233) || In(c, 0x460, 0x481) || In(c, 0x48A, 0x4BF) || In(c, 0x4D0, 0x52F) ||
      In(c, 0x1E00, 0x1E95) || In(c, 0x1EA0, 0x1EFF)) {
    if (c == 0x130) return 'i';
    return c | 1;
  }
  if (In(c, 0x139, 0x148) || In(c, 0x179, 0x17E) || In(c, 0x4C1, 0x4CE)) {
    return (c & 1) != 0 ? c + 1 : c;
  }
  if (c == 0x178) return 0xFF;
  if (c == 0x386) return 0x3AC;
  if (In(c, 0x388, 0x38A)) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (In(c, 0x391, 0x3AB) && c != 0x3A2) return c + 32;
  if (c == 0x3C2) return 0x3C3;  // final sigma
  if (In(c, 0x400, 0x40F)) return c + 80;
  if (In(c, 0x410, 0x42F)) return c + 32;
  if (In(c, 0x531, 0x556)) return c + 48;
  if (In(c, 0xFF10, 0xFF19)) return c - 0xFF10 + '0';
  if (In(c, 0xFF21, 0xFF3A)) return c - 0xFF21 + 'a';
  if (In(c, 0xFF41, 0xFF5A)) return c - 0xFF41 + 'a';
  return c;
}

bool IsHex(char c) { return IsAsciiDigit(c) || (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'f'); }

// 8-4-4-4-12 hex digits that nothing wordlike follows.
bool IsUuidAt(std::string_view text, size_t at) {
  constexpr size_t kLength = 36;
  if (text.size() - at < kLength) return false;
  for (size_t i = 0; i < kLength; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[at + i] != '-' : !IsHex(text[at + i])) return false;
  }
  if (text.size() - at == kLength) return true;
  const unsigned char next = static_cast<unsigned char>(text[at + kLength]);
  return next < 0x80 && ClassOf(next) == Class::kNone && next != '-';
}

class Cutter {
 public:
  Cutter(std::string_view text, TokenizeFor purpose, const std::function<bool(const Token&)>& sink)
      : text_(text), purpose_(purpose), sink_(sink) {}

  void Run() {
    size_t at = 0;
    while (at < text_.size()) {
      const CodePoint c = DecodeUtf8(text_, at);
      const Class kind = c.valid ? ClassOf(c.value) : Class::kNone;
      if (kind == Class::kWord) {
        if (!Word(at)) return;
      } else if (kind == Class::kCjk) {
        if (!CjkRun(at)) return;
      } else {
        at += c.length;
      }
    }
    if (pending_size_ != 0 && !EmitPending(/*last=*/true)) return;
  }

 private:
  bool Emit(std::string_view token, bool colocated, size_t begin, size_t end) {
    return sink_({token, colocated, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  }

  // The last character of a run, of which a search need not tell where nothing comes after it.
  bool EmitPending(bool last) {
    const size_t size = pending_size_;
    pending_size_ = 0;
    if (last && pending_optional_) return true;
    return Emit(text_.substr(pending_at_, size), false, pending_at_, pending_at_ + size);
  }

  bool Word(size_t& at) {
    if (pending_size_ != 0 && !EmitPending(false)) return false;
    const size_t begin = at;
    word_.clear();
    if (IsUuidAt(text_, at)) {
      for (size_t i = 0; i < 36; ++i) word_ += AsciiLower(text_[at + i]);
      at += 36;
      return Emit(word_, false, begin, at);
    }
    while (at < text_.size()) {
      const unsigned char byte = static_cast<unsigned char>(text_[at]);
      if (byte < 0x80) {
        if (ClassOf(byte) != Class::kWord) break;
        if (word_.size() < kMaxWordBytes) word_ += AsciiLower(text_[at]);
        ++at;
        continue;
      }
      const CodePoint c = DecodeUtf8(text_, at);
      const Class kind = c.valid ? ClassOf(c.value) : Class::kNone;
      if (kind != Class::kWord && kind != Class::kMark) break;
      if (kind == Class::kWord && word_.size() + 4 <= kMaxWordBytes) {
        AppendUtf8(word_, Fold(c.value));
      }
      at += c.length;
    }
    return word_.empty() || Emit(word_, false, begin, at);
  }

  bool CjkRun(size_t& at) {
    if (pending_size_ != 0 && !EmitPending(false)) return false;
    size_t first = at;
    size_t first_size = DecodeUtf8(text_, at).length;
    at += first_size;
    bool paired = false;
    while (at < text_.size()) {
      const CodePoint c = DecodeUtf8(text_, at);
      if (!c.valid || ClassOf(c.value) != Class::kCjk) break;
      if (!Emit(text_.substr(first, first_size + c.length), false, first, at + c.length)) {
        return false;
      }
      if (purpose_ == TokenizeFor::kIndex &&
          !Emit(text_.substr(first, first_size), true, first, at)) {
        return false;
      }
      paired = true;
      first = at;
      first_size = c.length;
      at += c.length;
    }
    pending_at_ = first;
    pending_size_ = first_size;
    pending_optional_ = paired && purpose_ == TokenizeFor::kSearch;
    return true;
  }

  std::string_view text_;
  TokenizeFor purpose_;
  const std::function<bool(const Token&)>& sink_;
  std::string word_;
  size_t pending_at_ = 0, pending_size_ = 0;
  bool pending_optional_ = false;
};

}  // namespace

void Tokenize(std::string_view text, TokenizeFor purpose,
              const std::function<bool(const Token&)>& sink) {
  Cutter(text, purpose, sink).Run();
}

std::vector<std::string> SearchWords(std::string_view text) {
  std::vector<std::string> words;
  Tokenize(text, TokenizeFor::kSearch, [&](const Token& token) {
    words.emplace_back(token.text);
    return true;
  });
  return words;
}

TokenizedText::TokenizedText(std::string_view text) {
  Tokenize(text, TokenizeFor::kIndex, [&](const Token& token) {
    if (!token.colocated) positions_.emplace_back();
    positions_.back().emplace_back(token.text);
    return true;
  });
}

bool TokenizedText::Contains(const std::vector<std::string>& words) const {
  if (words.empty() || words.size() > positions_.size()) return false;
  for (size_t at = 0; at + words.size() <= positions_.size(); ++at) {
    bool all = true;
    for (size_t i = 0; i < words.size() && all; ++i) {
      const auto& here = positions_[at + i];
      all = std::find(here.begin(), here.end(), words[i]) != here.end();
    }
    if (all) return true;
  }
  return false;
}

}  // namespace bulwark::store
