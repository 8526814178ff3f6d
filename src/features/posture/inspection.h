#pragma once

// An inspection from texts to a Report. Texts are divided into documents, which a pool of workers
// reads and judges as they come; what lives on of an object is its count, its findings (some fifty
// bytes each) and what checks between objects need (inventory.h).
//
//   Inspection inspection(checks, options);
//   inspection.AddText(text, "deploy.yaml");
//   Report report = inspection.Finish();
//
// Add…() and Finish() are called from one thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "features/posture/check.h"
#include "features/posture/check_set.h"
#include "model/report.h"

namespace bulwark::posture {

class RegoChecks;

struct InspectOptions {
  CheckOptions check;
  unsigned threads = 0;                          // 0: one a processor
  size_t max_document_bytes = size_t{64} << 20;  // a larger one could not be read
  bool whole_cluster = false;                    // the input is all of a cluster
  std::shared_ptr<const RegoChecks> rego;        // further checks, nullptr: none
};

class Inspection {
 public:
  Inspection(const CheckSet& checks, InspectOptions options);
  ~Inspection();

  // A file's text: YAML documents, a JSON document, or JSON lines. `keep_alive` owns the memory of
  // `text`. What is no Kubernetes object is an error, or passed over if `lenient` (a folder holds
  // all sorts of YAML). Without a file's name (a cluster's objects) findings have no place.
  void AddText(std::string_view text, std::shared_ptr<const void> keep_alive,
               const std::string& file, bool lenient = false, Origin origin = {});
  // Convenience: takes the text. `origin`: where it begins within its file.
  void AddText(std::string text, const std::string& file, bool lenient = false, Origin origin = {});
  // Something that could not be read at all.
  void AddUnread(Unread unread);
  // Of that namespace ("": of what is in none; "*": of anything) the input is a part only: checks
  // that ask for complete input do not run there.
  void MarkIncomplete(const std::string& ns);
  // Waits until everything added so far was judged. What is owned by an object (a Pod by its
  // ReplicaSet) is only then sure not to be judged beside it at some cost of memory; a cluster's
  // kinds are added owners first, with a Wait() between.
  void Wait();
  // Documents passed over because they are no Kubernetes objects.
  uint64_t skipped() const;

  Report Finish();

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace bulwark::posture
