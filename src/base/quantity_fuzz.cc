// Any text: no crash, and what is written reads back as the same amount.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/quantity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using bulwark::Quantity;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  bulwark::Result<Quantity> q = Quantity::Parse(text);
  if (!q) return 0;
  static_cast<void>(q->ToDouble());
  static_cast<void>(q->RoundedUp());
  // Larger ones may need more digits when they are read back than are taken.
  static const Quantity kMost = *Quantity::Parse("1e900");
  static const Quantity kLeast = *Quantity::Parse("-1e900");
  if (*q > kMost || *q < kLeast) return 0;
  bulwark::Result<Quantity> again = Quantity::Parse(q->ToString());
  BW_CHECK(again && *again == *q && again->Hash() == q->Hash());
  if (bulwark::Result<Quantity> twice = q->Add(*q)) {
    bulwark::Result<Quantity> back = twice->Sub(*q);
    BW_CHECK(back && *back == *q);
  }
  return 0;
}
