// An archive, signed or not, must be a bundle or an error; a bundle must be written and read again
// as the same. The first byte chooses: the rest is an archive, or a file within one.

#include <cstdint>

#include "base/check.h"
#include "formats/json.h"
#include "lang/rego/bundle/archive.h"
#include "lang/rego/bundle/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;        // NOLINT
  using namespace bulwark::rego;  // NOLINT
  if (size == 0) return 0;
  std::string rest(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string archive;
  switch (data[0] % 5) {
    case 0: archive = rest; break;
    case 1:
      archive = WriteTarGz({{"/.manifest", rest}, {"/a/data.json", "{\"x\":1}"}}).value();
      break;
    case 2: archive = WriteTarGz({{"/data.json", rest}, {"/p.rego", "package p\n"}}).value(); break;
    case 3: archive = WriteTarGz({{"/a/data.yaml", rest}}).value(); break;
    default: archive = WriteTarGz({{"/.signatures.json", rest}, {"/data.json", "{}"}}).value();
  }
  BundleOptions options;
  options.limits = {
      .max_file_bytes = 1 << 20, .max_total_bytes = 4 << 20, .max_files = 1000, .max_depth = 100};
  options.verify.emplace();
  options.verify->required = false;
  options.verify->keys["default"] = {.key = "secret", .algorithm = "HS256", .scope = ""};
  auto bundle = ReadBundle(archive, "b", options);
  if (!bundle) {
    BW_CHECK(!bundle.error().message().empty());
    return 0;
  }
  auto written = WriteBundle(*bundle, /*by_path=*/true);
  BW_CHECK(written.has_value());
  options.skip_verify = true;
  auto again = ReadBundle(*written, "b", options);
  BW_CHECK(again.has_value());
  BW_CHECK(Value::Equal(again->data, bundle->data));
  return 0;
}
