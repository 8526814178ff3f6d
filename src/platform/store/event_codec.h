#pragma once

// What of an event stands in no column: arguments and body, packed and compressed with zstd, with a
// dictionary of its kind (trained on the first thousand, and again for each segment) where there
// is one: audit events of a cluster resemble each other, and are small.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/event.h"

namespace bulwark::store {

// "" where there are neither.
std::string PackPayload(const Event& event);
// Error: store.corrupt.
Result<> UnpackPayload(std::string_view packed, bool body, Event& event);

// Dictionaries by id. Thread-safe.
class PayloadCodec {
 public:
  PayloadCodec();
  ~PayloadCodec();
  bool Knows(int64_t id) const;
  void Add(int64_t id, std::string_view dictionary);
  // 0: without a dictionary. The id is in the result.
  std::string Compress(std::string_view packed, int64_t dictionary) const;
  // `missing`: set to the id of a dictionary that must be Add()ed first.
  Result<std::string> Decompress(std::string_view bytes, int64_t* missing) const;
  // "" where the samples are too few or too unlike.
  static std::string Train(const std::vector<std::string>& samples);

 private:
  struct Dictionary;
  mutable std::shared_mutex mutex_;
  std::map<int64_t, std::unique_ptr<Dictionary>> dictionaries_;
};

}  // namespace bulwark::store
