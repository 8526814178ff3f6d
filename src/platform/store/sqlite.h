#pragma once

// SQLite for the stores of this folder: a connection with its prepared statements, errors as ours,
// and what we add to SQL: bw_glob(pattern, text), and the FTS5 tokenizers `bulwark` (tokenizer.h)
// and `bulwark_keys` (the same, after a header "\x02key key …\x03" of terms taken as they are).
//
// A Connection belongs to one thread at a time. sqlite3.h stays in .cc files.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bulwark::store {

// The ids of state_store.h for an SQLite result code.
Error SqliteError(sqlite3* db, int code, std::string_view doing);

// A prepared statement in use; reset and given back at the end. Parameters count from 1, columns
// from 0. What is bound must live until Step() was called for the last time.
class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* statement, bool* busy)
      : db_(db), statement_(statement), busy_(busy) {}
  Statement(Statement&& other) noexcept
      : db_(other.db_), statement_(other.statement_), busy_(other.busy_) {
    other.statement_ = nullptr;
  }
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Bind(int at, int64_t number);
  Statement& Bind(int at, double number);
  Statement& Bind(int at, std::string_view text);
  Statement& BindBlob(int at, std::string_view bytes);
  Statement& BindNull(int at);
  // True: there is a row.
  Result<bool> Step();
  // For what gives no rows; ready to be bound and run again.
  Result<> Run();
  void Reset();

  int64_t Int(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;  // until the next Step()
  std::string_view Blob(int column) const;
  bool IsNull(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  bool* busy_;
};

struct ConnectionOptions {
  bool read_only = false;
  int64_t cache_kib = 8192;
  uint64_t max_pages = 0;  // 0: SQLite's own limit
  int64_t mmap_bytes = 0;
  int64_t checkpoint_pages = 2000;  // how long the log becomes before it is taken over
};

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(const std::string& file,
                                                  const ConnectionOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Statements without parameters and rows.
  Result<> Run(const std::string& sql);
  // One statement of that kind, prepared once.
  Result<> Execute(std::string_view sql);
  // Prepared once, kept for the next time.
  Result<Statement> Prepare(std::string_view sql);
  // The first column of the first row; 0 if there is none.
  Result<int64_t> QueryInt(std::string_view sql);
  Result<std::string> QueryText(std::string_view sql);
  int64_t Changes() const;
  int64_t LastRowId() const;
  // Statements that run past it end with store.timeout (kLimit). Zero: none.
  void SetDeadline(std::chrono::steady_clock::time_point deadline);
  void ClearDeadline() { deadline_ = {}; }
  bool in_transaction() const;
  sqlite3* handle() { return db_; }

 private:
  Connection() = default;
  static int Progress(void* self);

  struct Cached {
    std::string sql;
    sqlite3_stmt* statement = nullptr;
    bool busy = false;
  };
  sqlite3* db_ = nullptr;
  std::list<Cached> statements_;  // the last used first
  std::unordered_map<std::string_view, std::list<Cached>::iterator> by_sql_;
  std::chrono::steady_clock::time_point deadline_;
};

// Connections for readers, made when needed. Taking one never waits, since a reader may read again
// inside of a scan; past `keep`, they are closed when they come back.
class ConnectionPool {
 public:
  ConnectionPool(std::string file, ConnectionOptions options, size_t keep)
      : file_(std::move(file)), options_(options), keep_(keep) {}

  class Lease {
   public:
    Lease(ConnectionPool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection* operator->() { return connection_.get(); }
    Connection& operator*() { return *connection_; }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
  };
  Result<Lease> Take();

 private:
  void Give(std::unique_ptr<Connection> connection);
  std::string file_;
  ConnectionOptions options_;
  size_t keep_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

// BEGIN … ROLLBACK unless Commit() came.
class Transaction {
 public:
  static Result<Transaction> Begin(Connection& connection, bool write);
  Transaction(Transaction&& other) noexcept : connection_(other.connection_) {
    other.connection_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<> Commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;
};

// Joins what many threads want written at once into one transaction, and so one fsync: whoever
// comes first does the work of all that wait. Work that fails alone is undone alone.
class GroupCommit {
 public:
  explicit GroupCommit(Connection& writer) : writer_(writer) {}
  // `work` runs in a transaction, in whichever thread; Ok: it is on the disk. `after` runs once the
  // transaction is settled, with whether this work was kept, before the next transaction.
  Result<> Do(const std::function<Result<>()>& work,
              const std::function<void(bool kept)>& after = nullptr);
  // Alone, outside of any transaction (checkpoints, VACUUM, a transaction of its own).
  Result<> Alone(const std::function<Result<>()>& work);
  uint64_t transactions() const { return transactions_; }

 private:
  struct Pending {
    const std::function<Result<>()>* work = nullptr;
    const std::function<void(bool)>* after = nullptr;
    bool alone = false;
    bool done = false;
    Result<> result = Ok();
  };
  Result<> Submit(Pending pending);
  void RunGroup(const std::vector<Pending*>& group);

  Connection& writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Pending*> waiting_;
  bool leading_ = false;
  uint64_t transactions_ = 0;
};

// A string in MATCH: the phrase of these words.
std::string MatchPhrase(std::string_view text);

// Copies the store to a new file, which must not exist, while others write.
Result<> BackupTo(Connection& source, const std::string& file);

}  // namespace bulwark::store
