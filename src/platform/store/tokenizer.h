#pragma once

// Words of full text, the same on every backend. Text and searches are cut alike:
//
//   "Pod kube-system/web-1 运行容器"  →  pod kube system web 1 运行 行容 容器
//
// - A word is a run of letters and digits, in lower case (Latin, Greek, Cyrillic, Armenian; full
//   width letters as plain ones), accents that stand apart dropped; at most 64 bytes of it.
//   Identifiers fall into their parts; a search for "kube-system" is one for its parts in a row, so
//   that both the whole and the parts are found.
// - A UUID is one word: nobody looks for a part of one.
// - Chinese, Japanese and Korean characters become pairs of neighbours (bigrams), since no blanks
//   part their words; in an index each character alone as well, at the position of the pair that it
//   begins, so that a search for one character finds it. A search for a run of n characters is the
//   n - 1 pairs in a row.
//
// Malformed UTF-8 parts words. Linear in the text; no state; safe from any thread.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark::store {

inline constexpr size_t kMaxWordBytes = 64;

enum class TokenizeFor : uint8_t { kIndex, kSearch };

struct Token {
  std::string_view text;        // valid during the call
  bool colocated = false;       // at the position of the token before
  uint32_t begin = 0, end = 0;  // bytes of the text that it stands for
};

// Until `sink` returns false.
void Tokenize(std::string_view text, TokenizeFor purpose,
              const std::function<bool(const Token&)>& sink);

// The words of a search in their order; what is found must have them in a row.
std::vector<std::string> SearchWords(std::string_view text);

// Text that can be searched often.
class TokenizedText {
 public:
  explicit TokenizedText(std::string_view text);
  // Has these words (SearchWords) in a row. No words: false.
  bool Contains(const std::vector<std::string>& words) const;

 private:
  std::vector<std::vector<std::string>> positions_;
};

}  // namespace bulwark::store
