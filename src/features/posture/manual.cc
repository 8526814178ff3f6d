#include "features/posture/commands.h"

namespace bulwark {

namespace embedded {
std::string_view posture_manual();
std::string_view posture_manual_zh();
}  // namespace embedded

namespace posture {

std::string_view ManualPage(std::string_view command, Language language) {
  // A page begins with "# bulwark <command>", and ends where the next one begins.
  constexpr std::string_view kStart = "# bulwark ";
  std::string_view text =
      language == Language::kChinese ? embedded::posture_manual_zh() : embedded::posture_manual();
  while (text.starts_with(kStart)) {
    size_t end = text.find("\n# bulwark ");
    std::string_view page = text.substr(0, end == std::string_view::npos ? end : end + 1);
    std::string_view title = page.substr(kStart.size(), page.find('\n') - kStart.size());
    if (title == command) return page;
    text.remove_prefix(page.size());
  }
  return {};
}

}  // namespace posture

}  // namespace bulwark
