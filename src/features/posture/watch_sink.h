#pragma once

// Where a watch's JSON lines go: standard output, a file that grows, or a webhook.
//
// A webhook gets POSTs of many lines each (application/x-ndjson) from a thread of its own. What it
// does not take (no connection, 429, 5xx) is sent again, after twice as long each time, up to half
// a minute; what it refuses otherwise is dropped. While it is away lines wait, up to max_lines and
// max_bytes; past that the newest are dropped. All that is dropped is counted, in dropped() and
// `bulwark_watch_lines_dropped_total`, and told to the webhook by a line
// {"type":"dropped","count":N} once it is back.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace bulwark::posture {

class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // A line with its newline. Any thread, one at a time.
  virtual void Write(std::string_view line) = 0;
  // The error that keeps lines from being written, if there is one.
  virtual Result<> Check() { return Ok(); }
  virtual uint64_t dropped() const { return 0; }
};

struct WebhookOptions {
  size_t max_lines = 100'000;
  size_t max_bytes = size_t{32} << 20;
  size_t batch_bytes = size_t{1} << 20;
  std::chrono::milliseconds first_wait = std::chrono::milliseconds(500);
  std::chrono::milliseconds max_wait = std::chrono::seconds(30);
  std::chrono::milliseconds last_wait = std::chrono::seconds(5);  // for what waits at the end
  net::HttpOptions http;
};

std::unique_ptr<WatchSink> WebhookSink(std::string url, WebhookOptions options = {});

// "-": `out`; "http://…", "https://…": a webhook; anything else: a file, appended to.
Result<std::unique_ptr<WatchSink>> OpenSink(const std::string& where,
                                            std::function<void(std::string_view)> out);

}  // namespace bulwark::posture
