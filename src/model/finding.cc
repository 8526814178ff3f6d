#include "model/finding.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/hash.h"

namespace bulwark {

std::string Asset::Key() const {
  return fmt::format("{}/{}/{}/{}/{}", cluster, group, kind, ns, name);
}

std::string Asset::Label() const {
  return ns.empty() ? fmt::format("{} {}", kind, name) : fmt::format("{} {}/{}", kind, ns, name);
}

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kPass: return "pass";
    case Status::kFail: return "fail";
    case Status::kError: return "error";
    case Status::kManual: return "manual";
    case Status::kNotApplicable: return "n/a";
  }
  BW_UNREACHABLE();
}

std::string Place::ToString() const {
  return line == 0 ? file : fmt::format("{}:{}:{}", file, line, column);
}

std::string FindingId(std::string_view check, std::string_view asset_key,
                      std::string_view stable_path) {
  std::string out;
  AppendFindingId(out, check, asset_key, stable_path);
  return out;
}

void AppendFindingId(std::string& out, std::string_view check, std::string_view asset_key,
                     std::string_view stable_path) {
  thread_local std::string text;
  text.assign(check).append("\n").append(asset_key).append("\n").append(stable_path);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hash = Sha256(text);
  for (size_t i = 0; i < 16; ++i) {
    auto byte = static_cast<uint8_t>(hash[i]);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

}  // namespace bulwark
