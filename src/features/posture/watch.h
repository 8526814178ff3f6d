#pragma once

// Inspection without end: a cluster is listed and watched, and each change judged as it comes.
//
//   WatchCluster(checks, options, client, watch, [&](std::string_view line) { … }, stop);
//
// What comes out are JSON lines:
//   {"type":"present","time":…,"finding":{…}}    each finding of the beginning, excepted or not
//   {"type":"snapshot","time":…,"objects":9,"findings":3,"excepted":1}
//   {"type":"opened","time":…,"finding":{…}}     it fails now
//   {"type":"excepted","time":…,"finding":{…}}   it fails now, or still, and is excepted
//   {"type":"closed","time":…,"finding":{…}}     fixed, or its object is gone
//   {"type":"unread","time":…,"what":…,"error":…} not to be read (again, once it was)
// A finding has the fields of the JSON report (docs/reference); of a closed one, those that
// identify it.
//
// A changed object is judged at once by the checks that look at it alone. Checks between objects
// run over all that is kept, once changes have settled (WatchOptions::settle; rarer where they take
// long). What an owner stands for (a Deployment's Pods) is not judged beside it. Exceptions that
// expire meanwhile do so when their object is judged next.
//
// Memory: of every object its key; of those that checks compare, a trimmed copy as text; of every
// finding some 200 bytes. Everything runs on the caller's thread.

#include <chrono>
#include <functional>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "features/posture/check_set.h"
#include "features/posture/cluster_source.h"
#include "features/posture/inspection.h"
#include "kube/watch.h"
#include "model/text.h"

namespace bulwark::posture {

struct WatchOptions {
  ClusterOptions cluster;
  kube::WatchSettings streams;
  std::chrono::milliseconds settle = std::chrono::seconds(2);
  Language language = Language::kEnglish;  // of findings' messages
  std::function<Timestamp()> now = Now;
};

// Gets one line, its newline included.
using LineSink = std::function<void(std::string_view line)>;

// Until the stop token is triggered, which is no error. Fails where the API server cannot be asked
// what it serves; later failures are tried again and told as "unread".
Result<> WatchCluster(const CheckSet& checks, const InspectOptions& options,
                      const kube::Client& client, const WatchOptions& watch, const LineSink& sink,
                      const std::stop_token& stop);

}  // namespace bulwark::posture
