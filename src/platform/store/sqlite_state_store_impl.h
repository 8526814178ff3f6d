#pragma once

// The SQLite StateStore from inside: sqlite_state_store.cc (opening, collections, writing) and
// state_reading.cc (lists, counts, groups). Private to this folder.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "platform/store/sqlite.h"
#include "platform/store/sqlite_filter.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::store {

struct CollectionInfo {
  Collection collection;
  std::vector<Field> fields;
  uint64_t text_columns = 0;
  // The columns (as bits) of which some record ever had several values. Set before the commit that
  // makes it so, read within a reader's transaction: never too small for what is seen.
  std::atomic<uint64_t> lists = 0;
  uint64_t lists_stored = 0;  // the writer's own

  std::string Table(char kind) const { return std::string(1, kind) + "_" + collection.name; }
};

// What is kept of a record beside its JSON.
struct Extracted {
  std::vector<CursorValue> cells;                        // one a column
  std::vector<std::pair<int64_t, CursorValue>> entries;  // column and value, of lists
  uint64_t lists = 0;
  std::string text;
};

struct SortPart {
  int column = -1;  // -1: the key
  ColumnType type = ColumnType::kText;
  bool descending = false;
};

// A change that needs only its SQL run.
struct Prepared {
  const Batch::Change* change = nullptr;
  CollectionInfo* info = nullptr;
  Extracted extracted;
};

class SqliteStateStore : public StateStore {
 public:
  static Result<std::unique_ptr<SqliteStateStore>> Open(const std::string& path,
                                                        const SqliteStateOptions& options);
  ~SqliteStateStore() override {
    if (!infos_.empty()) (void)writer_->Run("PRAGMA optimize");
  }

  Result<> Define(const Collection& collection) override;
  const std::vector<Field>* Fields(std::string_view collection) const override {
    const CollectionInfo* info = Find(collection);
    return info == nullptr ? nullptr : &info->fields;
  }
  Result<std::optional<Record>> Get(std::string_view collection, std::string_view key) override;
  Result<ListPage> List(std::string_view collection, const ListOptions& options) override;
  Result<> Scan(std::string_view collection, const Query& filter,
                const std::function<Result<>(const Record&)>& each) override;
  Result<uint64_t> Count(std::string_view collection, const Query& filter) override;
  Result<std::vector<Group>> GroupBy(std::string_view collection, const Query& filter,
                                     const std::vector<std::string>& columns, int limit) override;
  Result<uint64_t> Commit(const Batch& batch) override;
  Result<> Backup(const std::string& file) override {
    ConnectionPool::Lease reader = BW_TRY(readers_->Take());
    return BackupTo(*reader, file);
  }
  Result<Stats> Statistics() override;

 private:
  explicit SqliteStateStore(const SqliteStateOptions& options) : options_(options) {}

  Result<> Migrate();
  Result<> MakeTables(const CollectionInfo& info);
  Result<> Rebuild(CollectionInfo& info);

  CollectionInfo* Find(std::string_view name) const {
    const std::shared_lock lock(mutex_);
    const auto found = current_.find(name);
    return found == current_.end() ? nullptr : found->second;
  }
  // store.collection
  Result<CollectionInfo*> Known(std::string_view name) const;

  // A reader whose transaction has begun, so that what is read next is of one state.
  struct Reading {
    ConnectionPool::Lease connection;
    Transaction transaction;
  };
  Result<Reading> Read();

  std::string Where(const CollectionInfo& info, const Query& query,
                    std::vector<CursorValue>& parameters) const;
  Result<std::vector<SortPart>> ParseSort(const CollectionInfo& info, std::string_view sort) const;
  Result<Prepared> Prepare(const Batch::Change& change) const;
  Result<> Apply(Prepared& prepared, uint64_t revision);
  Result<> Insert(CollectionInfo& info, int64_t id, std::string_view key, uint64_t revision,
                  std::string_view body, const Extracted& extracted);
  Result<> Update(CollectionInfo& info, int64_t id, uint64_t revision, std::string_view body,
                  const Extracted& extracted);
  Result<> Remove(CollectionInfo& info, int64_t id);
  Result<> InsertLists(CollectionInfo& info, int64_t id, const Extracted& extracted);
  Result<std::string> OldText(const CollectionInfo& info, int64_t id);
  Result<> DropText(const CollectionInfo& info, int64_t id, std::string_view text);
  Result<> AddText(const CollectionInfo& info, int64_t id, std::string_view text);

  SqliteStateOptions options_;
  std::string file_;
  Fd lock_;
  std::unique_ptr<Connection> writer_;
  std::unique_ptr<GroupCommit> group_;
  std::unique_ptr<ConnectionPool> readers_;
  std::string cursor_secret_;
  uint64_t revision_ = 0;  // the writer's
  uint64_t changes_since_analyze_ = 0;

  mutable std::shared_mutex mutex_;
  std::vector<std::unique_ptr<CollectionInfo>> infos_;  // never removed: Fields() points there
  std::map<std::string, CollectionInfo*, std::less<>> current_;
};

}  // namespace bulwark::store
