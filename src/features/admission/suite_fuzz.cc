// Any text as a suite, run over files that are that text, too.

#include <cstdint>
#include <string>
#include <string_view>

#include "features/admission/suite.h"

namespace {

using bulwark::Code;
using bulwark::Error;
using bulwark::Result;

class OneText final : public bulwark::admission::FileTree {
 public:
  explicit OneText(std::string_view text) : text_(text) {}
  Kind KindOf(const std::string&) const override { return Kind::kFile; }
  Error Missing(const std::string& path) const override { return {Code::kNotFound, path}; }
  Result<std::string> Read(const std::string&) const override { return std::string(text_); }
  Result<std::vector<Entry>> List(const std::string&) const override {
    return std::vector<Entry>();
  }

 private:
  std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::admission;
  if (size > 16384) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto suite = ReadSuite(text);
  if (!suite || !*suite || (*suite)->tests.size() > 20) return 0;
  auto filter = SuiteFilter::Parse("");
  (void)FormatSuiteResults({RunSuite(OneText(text), **suite, *filter, {})}, true);
  return 0;
}
