#pragma once

// What a check says of itself, whichever engine runs it: the text of reports, consoles and manual
// pages. And the frameworks whose controls checks cover.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/severity.h"
#include "model/text.h"

namespace bulwark {

struct CheckInfo {
  std::string id;  // "privileged-container"
  Severity severity = Severity::kUnknown;
  std::string category;  // health, image, network, resources, security, access, secrets
  Text title, description, why, remedy, message;
  std::vector<std::string> mitre;                            // "T1611"
  std::map<std::string, std::vector<std::string>> controls;  // framework id → control ids
  bool has_fix = false;
  std::string origin;  // the file it came from
};

struct Control {
  std::string id;
  Text title;
};

struct Framework {
  std::string id;  // "pss-baseline"
  std::string version;
  std::string url;
  Text title;
  std::vector<Control> controls;
  const Control* Find(std::string_view control) const;
};

// The categories in the order of reports, and their names.
struct Category {
  std::string_view id;
  std::string_view en, zh;
};
inline constexpr Category kCategories[] = {
    {"health", "Health checks", "健康检查"}, {"image", "Images", "镜像"},
    {"network", "Network", "网络"},          {"resources", "Resources", "资源"},
    {"security", "Security", "安全"},        {"access", "Access", "访问控制"},
    {"secrets", "Secrets", "密钥与凭证"},
};

}  // namespace bulwark
