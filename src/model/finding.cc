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
  return Sha256Hex(fmt::format("{}\n{}\n{}", check, asset_key, stable_path)).substr(0, 32);
}

}  // namespace bulwark
