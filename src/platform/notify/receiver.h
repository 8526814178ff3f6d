#pragma once

// Who gets what a sink sends. A kind of receiver is made from a sink's record: file and http are
// here (receivers.cc); chat and mail become further ones, for each line is an event with its
// message, title and severity in the sink's language (platform/pipeline/event_json.h).
//
// A receiver belongs to one sink's thread. Send() gives all lines or none as far as it can tell;
// what failed is sent again, so a receiver may get a line twice (events have an id).

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/value.h"
#include "net/url_guard.h"

namespace bulwark::notify {

class Receiver {
 public:
  virtual ~Receiver() = default;
  // Each line is a JSON object without its newline. Errors: kUnavailable and kLimit are tried
  // again; with any other the lines are given up.
  virtual Result<> Send(std::span<const std::string> lines, const std::stop_token& stop) = 0;
};

struct ReceiverContext {
  const Value& record;      // the sink's
  std::string secret;       // sealed beside it, "" if there is none: JSON of secret headers
  std::string file_folder;  // where files may be written
  std::shared_ptr<const net::UrlGuard> guard;
};

struct ReceiverType {
  std::string name;  // "file"
  // What of the record is its own is right; sinks.… (kInvalid).
  std::function<Result<>(const ReceiverContext&)> check;
  std::function<Result<std::unique_ptr<Receiver>>(const ReceiverContext&)> make;
};

// {"path": "alerts.jsonl", "maxBytes": 104857600, "files": 5}: JSON lines in the folder for sinks,
// rotated by size: alerts.jsonl.1 is the one before.
ReceiverType FileReceiver();
// {"url": "https://…", "headers": {…}, "format": "lines" | "array"}: POST of a batch, as
// application/x-ndjson or as a JSON array.
ReceiverType HttpReceiver();

}  // namespace bulwark::notify
