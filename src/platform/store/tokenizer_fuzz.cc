#include <cstdlib>
#include <string_view>

#include "platform/store/tokenizer.h"

// A text has its own words in a row, and those of any of its beginnings at a character's end.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> words = SearchWords(text);
  for (const std::string& word : words) {
    if (word.empty() || word.size() > kMaxWordBytes) abort();
  }
  if (!words.empty() && !TokenizedText(text).Contains(words)) abort();
  return 0;
}
