#pragma once

// Text in both languages, and messages that are kept as a template with arguments until somebody
// reads them. Text is never stored rendered.

#include <cstdint>
#include <optional>
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
// The same with arguments from `argument(name)`, which gives a std::optional<std::string_view>.
template <typename F>
void AppendRendered(std::string& out, std::string_view message_template, F&& argument) {
  while (!message_template.empty()) {
    size_t open = message_template.find('{');
    out += message_template.substr(0, open);
    if (open == std::string_view::npos) return;
    message_template.remove_prefix(open);
    size_t close = message_template.find('}');
    if (close != std::string_view::npos) {
      if (auto value = argument(message_template.substr(1, close - 1))) {
        out += *value;
        message_template.remove_prefix(close + 1);
        continue;
      }
    }
    out += '{';
    message_template.remove_prefix(1);
  }
}

}  // namespace bulwark
