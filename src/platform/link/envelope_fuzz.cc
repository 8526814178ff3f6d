// A batch that is taken keeps the promises that the server builds on, and is the same when it is
// written and read again.

#include <cstdint>

#include "base/check.h"
#include "formats/json.h"
#include "platform/link/envelope.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;        // NOLINT
  using namespace bulwark::link;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (Result<NodeIdentity> who = ParseUri(text); who) BW_CHECK(ToUri(*who) == text);
  Arena arena;
  BatchLimits limits{.bytes = 1 << 16, .envelopes = 50, .depth = 16};
  Result<EnvelopeBatch> batch = ParseBatch(text, arena, limits);
  if (!batch) {
    BW_CHECK(!batch.error().message().empty());
    return 0;
  }
  BW_CHECK(batch->envelopes.size() <= limits.envelopes && IsNodeName(batch->node));
  std::vector<std::string> texts;
  uint64_t last = 0;
  for (const Envelope& e : batch->envelopes) {
    BW_CHECK(e.seq > last && e.payload.IsMap() && IsWord(e.feature) && IsWord(e.kind));
    last = e.seq;
    if (e.time_us < 0) continue;  // before 1970: nothing that an agent says
    texts.push_back(
        EnvelopeJson(e.seq, e.feature, e.kind, e.version, e.time_us, ToJson(e.payload)));
  }
  std::string again = BatchJson({std::string(batch->cluster), std::string(batch->node), ""},
                                batch->epoch, batch->agent_version, batch->spooled, batch->dropped,
                                std::vector<std::string_view>(texts.begin(), texts.end()));
  Result<EnvelopeBatch> reread = ParseBatch(again, arena, {});
  BW_CHECK(reread && reread->envelopes.size() == texts.size());
  return 0;
}
