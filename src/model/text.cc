#include "model/text.h"

#include <algorithm>

namespace bulwark {

Language ParseLanguage(std::string_view tag) {
  return tag.starts_with("zh") || tag.starts_with("ZH") ? Language::kChinese : Language::kEnglish;
}

std::string Render(std::string_view message_template, const MessageArgs& args) {
  std::string out;
  out.reserve(message_template.size() + 32);
  for (size_t i = 0; i < message_template.size();) {
    size_t close =
        message_template[i] == '{' ? message_template.find('}', i) : std::string_view::npos;
    if (close != std::string_view::npos) {
      std::string_view name = message_template.substr(i + 1, close - i - 1);
      auto arg = std::find_if(args.begin(), args.end(), [&](auto& a) { return a.first == name; });
      if (arg != args.end()) {
        out += arg->second;
        i = close + 1;
        continue;
      }
    }
    out += message_template[i++];
  }
  return out;
}

}  // namespace bulwark
