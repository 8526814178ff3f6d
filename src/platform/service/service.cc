#include "platform/service/service.h"

namespace bulwark {

Feature::~Feature() = default;

}  // namespace bulwark
