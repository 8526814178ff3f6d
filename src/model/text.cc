#include "model/text.h"

#include <algorithm>

namespace bulwark {

Language ParseLanguage(std::string_view tag) {
  return tag.starts_with("zh") || tag.starts_with("ZH") ? Language::kChinese : Language::kEnglish;
}

std::string Render(std::string_view message_template, const MessageArgs& args) {
  std::string out;
  out.reserve(message_template.size() + 32);
  AppendRendered(
      out, message_template, [&](std::string_view name) -> std::optional<std::string_view> {
        auto arg =
            std::find_if(args.begin(), args.end(), [&](const auto& a) { return a.first == name; });
        if (arg == args.end()) return std::nullopt;
        return arg->second;
      });
  return out;
}

}  // namespace bulwark
