#pragma once

// What Bulwark knows now: collections of JSON records with a key. A feature declares the columns of
// its records that can be asked for, sorted and counted by; the store keeps those beside the record
// and does the filtering, sorting, paging and counting itself, the same way on every backend.
//
//   const Collection kClusters{.name = "clusters", .version = 1, .columns = {
//       {.name = "name", .path = "name", .indexed = true}, …}};
//   BW_TRY(store.Define(kClusters));
//   Batch batch;
//   batch.Put("clusters", id, json);
//   BW_TRY(store.Commit(batch));
//
// Acknowledged is durable: when Commit() returns Ok, a crash at any moment keeps all of the batch,
// and needs no repair. Opening a store of a newer schema than this program's is refused
// (store.newer); older ones are brought up to date, forward only.
//
// Times without a value, numbers, … sort before all others; in queries a text that is not there is
// the empty one: owner:"" finds what has none. Sorting by a list is by its first value; grouping
// by one counts the record under each.
//
// Errors: store.collection (kNotFound: not defined), store.sort, store.cursor, store.record
// (kInvalid: no JSON object), store.timeout (kLimit: a read took too long), store.conflict
// (kExists: an expected revision did not hold; nothing of the batch was done), store.limit (kLimit:
// record or batch too big), store.full (kUnavailable: no space), store.io (kUnavailable),
// store.corrupt (kInternal).
//
// Thread-safety: all members from any thread. Reads see one state of the store and do not wait for
// writes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "platform/store/query.h"

namespace bulwark::store {

struct Column {
  std::string name;  // in queries and `sort`: "ns"
  std::string path;  // in the record, dots between: "target.namespace"; an array matches by any
  ColumnType type = ColumnType::kText;
  bool indexed = false;    // worth an index: asked or sorted by often
  bool full_text = false;  // its words are found by bare words of a query
  std::vector<std::string> aliases;
};

struct Collection {
  std::string name;  // lower case, digits, _
  int version = 1;   // raise it when columns change: the store rebuilds them
  std::vector<Column> columns;
  std::string default_sort;  // "-lastSeen"; else the key
};

// Limits: names of lower-case letters, digits, _ (collections; at most 40 bytes) and letters,
// digits, _ (columns), at most 60 columns.
Result<> ValidateCollection(const Collection& collection);
// What ParseQuery() takes: the columns, and "key" where no column has that name.
std::vector<Field> FieldsOf(const Collection& collection);

// A column's values in a record: those under its path, through arrays. A map gives "key=value" for
// each of its entries; of a list, empty values and repetitions do not count; what is not of the
// column's type is not there.
std::vector<FieldValue> ColumnValues(const Column& column, const Value& body);
// What bare words are looked for in: the values of the full-text columns, a line each.
std::string RecordText(const Collection& collection, const Value& body);

// A record as Matches() asks it. All three must outlive it.
class RecordSubject : public QuerySubject {
 public:
  RecordSubject(const Collection& collection, std::string_view key, const Value& body)
      : collection_(collection), key_(key), body_(body) {}
  ColumnType Values(std::string_view field, std::vector<FieldValue>& values) const override;
  std::string FullText() const override { return RecordText(collection_, body_); }

 private:
  const Collection& collection_;
  std::string_view key_;
  const Value& body_;
};

struct Record {
  std::string key;
  uint64_t revision = 0;  // of its last change; grows over the whole store
  std::string body;       // JSON object
};

struct ListOptions {
  Query filter;
  std::string sort;    // "-severity,lastSeen"; the key decides between equals; "" the default
  std::string cursor;  // ListPage::next of the page before, with the same filter and sort
  int limit = 50;      // 1..1000
  bool total = false;  // count all that match, too
};

struct ListPage {
  std::vector<Record> records;
  std::string next;  // empty: this was the last page
  std::optional<uint64_t> total;
};

struct Group {
  std::vector<std::string> values;  // of the columns grouped by
  uint64_t count = 0;
};

// Changes that happen together or not at all, in their order.
class Batch {
 public:
  // `expect`: the revision that the record must have now; 0: it must not exist. Else: whatever.
  void Put(std::string_view collection, std::string_view key, std::string body,
           std::optional<uint64_t> expect = std::nullopt);
  void Delete(std::string_view collection, std::string_view key,
              std::optional<uint64_t> expect = std::nullopt);
  void DeleteWhere(std::string_view collection, Query filter);

  struct Change {
    enum class Kind : uint8_t { kPut, kDelete, kDeleteWhere };
    Kind kind;
    std::string collection, key, body;
    std::optional<uint64_t> expect;
    Query filter;
  };
  const std::vector<Change>& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }

 private:
  std::vector<Change> changes_;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  virtual Result<> Define(const Collection& collection) = 0;
  // The fields of a collection, for ParseQuery(); nullptr if it was not defined.
  virtual const std::vector<Field>* Fields(std::string_view collection) const = 0;

  virtual Result<std::optional<Record>> Get(std::string_view collection, std::string_view key) = 0;
  virtual Result<ListPage> List(std::string_view collection, const ListOptions& options) = 0;
  // Every record that matches, in the order of keys; an error of `each` ends it.
  virtual Result<> Scan(std::string_view collection, const Query& filter,
                        const std::function<Result<>(const Record&)>& each) = 0;
  virtual Result<uint64_t> Count(std::string_view collection, const Query& filter) = 0;
  // The most frequent first.
  virtual Result<std::vector<Group>> GroupBy(std::string_view collection, const Query& filter,
                                             const std::vector<std::string>& columns,
                                             int limit = 1000) = 0;
  // The revision of the change.
  virtual Result<uint64_t> Commit(const Batch& batch) = 0;

  // A copy of the whole store as a file, consistent, also while it is being written to.
  virtual Result<> Backup(const std::string& file) = 0;

  struct Stats {
    uint64_t bytes = 0;
    std::vector<std::pair<std::string, uint64_t>> records;  // by collection
  };
  virtual Result<Stats> Statistics() = 0;
};

}  // namespace bulwark::store
