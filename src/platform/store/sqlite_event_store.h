#pragma once

// The EventStore in one SQLite file.
//
// Events lie in segments of a kind, at most `segment_events` each (and, once they are many, of no
// more than a day), so that forgetting is DROP TABLE and never a DELETE of millions of rows; what
// comes more than an hour late, or bears a time to come, goes to segments of its own, so that the
// others stay in the order of time and a search for the newest reads only the newest. A segment n
// has the tables
//   e_n  a narrow row an event: time, severity, id, and its keys as codes
//   s_n  the dictionary of those codes, with how often each occurs
//   b_n  arguments and body (event_codec.h)
//   i_n  hash of id → row, for telling duplicates; a Bloom filter stands before it when it is full
//   f_n  FTS5 without content: the words of the text (tokenizer.h) and, beside them, every key of
//        the event as a word; a search by fields and words is one intersection of posting lists,
//        newest first, that ends when the page is full
//   r_n  counts by one key per minute or hour;  x_n  by cluster, verb, outcome, namespace and
//        severity together per hour
// and `blocks` the times of each 256 rows. Histograms, counts and top values come from the counts
// where the filter looks at no more than those keys and the range is cut at whole minutes (hours);
// its ragged ends, and everything else, from the rows.
//
// Segments that are small, or spread over days, are trimmed row by row when their oldest events are
// to go; big ones stay until the last may go. The file does not shrink; what is dropped is used
// again. The file is written by one process at a time (store.locked).

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "platform/store/event_store.h"

namespace bulwark::store {

struct SqliteEventOptions {
  int64_t segment_events = 500'000;
  size_t max_event_bytes = size_t{1} << 20;  // arguments and body
  size_t max_batch_events = 50'000;
  size_t max_kinds = 64;
  size_t readers = 4;
  int64_t cache_kib = 65536;         // of the writer
  int64_t reader_cache_kib = 16384;  // of each reader
  int64_t mmap_bytes = 0;            // readers; counts as resident while it is touched
  std::chrono::milliseconds read_timeout{30'000};
  uint64_t max_pages = 0;  // of 4 KiB; 0: as many as the disk holds
};

// A path that is a folder means events.db in it.
Result<std::unique_ptr<EventStore>> OpenSqliteEventStore(const std::string& path,
                                                         const SqliteEventOptions& options = {});

}  // namespace bulwark::store
