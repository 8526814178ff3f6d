#include "console_files/console_files.h"

#include <charconv>
#include <utility>
#include <vector>

#include "base/check.h"

namespace bulwark {

namespace embedded {
std::string_view console_pack();
}

std::map<std::string, std::string_view> UnpackConsole(std::string_view pack) {
  auto line = [&pack] {
    size_t end = pack.find('\n');
    BW_CHECK(end != std::string_view::npos);
    std::string_view out = pack.substr(0, end);
    pack.remove_prefix(end + 1);
    return out;
  };
  BW_CHECK(line() == "bulwark-console 1");
  std::vector<std::pair<std::string_view, size_t>> entries;
  for (std::string_view entry = line(); !entry.empty(); entry = line()) {
    size_t size = 0;
    size_t blank = entry.find(' ');
    BW_CHECK(blank != std::string_view::npos);
    auto [end, error] = std::from_chars(entry.data(), entry.data() + blank, size);
    BW_CHECK(error == std::errc() && end == entry.data() + blank);
    entries.emplace_back(entry.substr(blank + 1), size);
  }
  std::map<std::string, std::string_view> files;
  for (auto [path, size] : entries) {
    BW_CHECK(size <= pack.size());
    files.emplace(path, pack.substr(0, size));
    pack.remove_prefix(size);
  }
  BW_CHECK(pack.empty());
  return files;
}

const std::map<std::string, std::string_view>& ConsoleFiles() {
  static const auto& files = *new std::map(UnpackConsole(embedded::console_pack()));
  return files;
}

}  // namespace bulwark
