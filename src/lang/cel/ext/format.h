#pragma once

// Kubernetes' named formats (k8s.io/apiserver/pkg/cel/library/format.go, v0.34):
// format.dns1123Label() and twelve others, format.named(name), and validate(text), which gives a
// list of what is wrong or none. Type kubernetes.NamedFormat. The messages are those of
// k8s.io/apimachinery's validation.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Formats();

struct NamedFormat {
  std::string_view name;      // in CEL: "dns1123Label"
  std::string_view own_name;  // by which formats are equal: "DNS1123Label"
  uint64_t pattern_size;      // what costs take its regular expression to be long
  std::vector<std::string> (*validate)(std::string_view text);
};
std::span<const NamedFormat> NamedFormats();
const NamedFormat* FindNamedFormat(std::string_view name);

class FormatValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "kubernetes.NamedFormat";
  explicit FormatValue(const NamedFormat* format) : Opaque(kExtensionTag), format_(format) {}
  std::string_view TypeName() const override { return kTypeName; }
  bool Equals(const Opaque& other) const override {
    return other.tag() == kExtensionTag && other.TypeName() == kTypeName &&
           static_cast<const FormatValue&>(other).format_ == format_;
  }
  uint64_t Hash() const override { return std::hash<const void*>()(format_); }
  std::string ToString() const override { return std::string(format_->own_name); }
  const NamedFormat& format() const { return *format_; }

 private:
  const NamedFormat* format_;
};

}  // namespace bulwark::cel::ext
