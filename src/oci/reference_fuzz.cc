#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "oci/reference.h"

// What is read, written out again, reads the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto reference = bulwark::oci::ParseReference(text);
  if (!reference) return 0;
  std::string again = reference->registry + "/" + reference->repository;
  if (!reference->tag.empty()) again += ":" + reference->tag;
  if (!reference->digest.empty()) again += "@" + reference->digest;
  auto second = bulwark::oci::ParseReference(again);
  BW_CHECK(second.has_value());
  BW_CHECK(second->repository == reference->repository && second->registry == reference->registry);
  return 0;
}
