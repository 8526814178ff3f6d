#pragma once

// The StateStore in one SQLite file (and its -wal and -shm beside it while it is open).
//
// A collection `x` is a narrow table c_x of key, revision and extracted columns (what is filtered,
// sorted and counted is read quickly), b_x with the JSON, l_x with the values of lists, and where a
// column is full text, t_x (FTS5, tokenizer.h). Commits of several threads at once share a
// transaction and so an fsync. Reads have connections of their own and wait for nobody.
//
// The file is written by one process at a time: a second one is refused (store.locked).

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "platform/store/state_store.h"

namespace bulwark::store {

struct SqliteStateOptions {
  size_t max_record_bytes = size_t{1} << 20;
  size_t max_batch_bytes = size_t{64} << 20;
  size_t max_batch_changes = 50'000;
  size_t max_key_bytes = 1024;
  size_t readers = 4;         // connections kept open for readers
  int64_t cache_kib = 16384;  // of the writer, and of each reader half of it
  std::chrono::milliseconds read_timeout{30'000};
  uint64_t max_pages = 0;  // of 4 KiB; 0: as many as the disk holds
};

// A path that is a folder means state.db in it.
Result<std::unique_ptr<StateStore>> OpenSqliteStateStore(const std::string& path,
                                                         const SqliteStateOptions& options = {});

}  // namespace bulwark::store
