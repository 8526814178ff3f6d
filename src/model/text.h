#pragma once

// Text in both languages, and messages that are kept as a template with arguments until somebody
// reads them. Text is never stored rendered.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulwark {

enum class Language : uint8_t { kEnglish, kChinese };
// From "zh_CN.UTF-8", "zh-CN", "en", …: Chinese for anything that starts with zh, else English.
Language ParseLanguage(std::string_view tag);

struct Text {
  std::string en, zh;
  // The text in that language; English where there is no other.
  const std::string& In(Language language) const {
    return language == Language::kChinese && !zh.empty() ? zh : en;
  }
  bool empty() const { return en.empty() && zh.empty(); }
};

using MessageArgs = std::vector<std::pair<std::string, std::string>>;

// Replaces each "{name}" of the template by that argument; an unknown name stays as it is.
std::string Render(std::string_view message_template, const MessageArgs& args);

}  // namespace bulwark
