#include <cstdlib>
#include <string_view>

#include "base/hash.h"
#include "platform/store/cursor.h"
#include "platform/store/event_codec.h"

// Cursors and stored payloads of any bytes: never a crash; nobody makes a cursor by chance. The
// same bytes, sealed rightly, are read to the end.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (DecodeCursor(text, "purpose", "secret")) abort();
  const std::vector<CursorValue> values = {std::string(text), static_cast<int64_t>(size), 0.5};
  if (size < 8000) {
    const auto decoded = DecodeCursor(EncodeCursor(values, text, "s"), text, "s");
    if (!decoded || *decoded != values) abort();
  }
  bulwark::Event event;
  (void)UnpackPayload(text, true, event);
  static const PayloadCodec codec;
  int64_t missing = 0;
  (void)codec.Decompress(text, &missing);
  if (*codec.Decompress(codec.Compress(text, 0), &missing) != text) abort();
  return 0;
}
