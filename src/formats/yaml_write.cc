#include "formats/yaml_write.h"

#include "formats/yaml_render.h"

namespace bulwark {

std::string ToYaml(const Value& value) {
  if (yaml::IsInline(value))
    return yaml::RenderScalar(value, yaml::Quotes::kAsNeeded, false) + "\n";
  return yaml::RenderBlock(value, {}, 0) + "\n";
}

}  // namespace bulwark
