#include "platform/store/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/files.h"
#include "base/text.h"
#include "platform/store/tokenizer.h"

namespace bulwark::store {
namespace {

constexpr size_t kMaxStatements = 300;

void Glob(sqlite3_context* context, int, sqlite3_value** values) {
  const auto view = [](sqlite3_value* value) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    const int size = sqlite3_value_bytes(value);
    return text == nullptr ? std::string_view() : std::string_view(text, size);
  };
  const std::string_view pattern = view(values[0]);
  sqlite3_result_int(context, GlobMatch(pattern, view(values[1]), '\0') ? 1 : 0);
}

// --- The tokenizer -------------------------------------------------------------------------------

struct TokenizerKind {
  bool keys;
};
TokenizerKind plain_tokenizer{false}, keys_tokenizer{true};

int CreateTokenizer(void* kind, const char**, int, Fts5Tokenizer** out) {
  *out = static_cast<Fts5Tokenizer*>(kind);
  return SQLITE_OK;
}
void DeleteTokenizer(Fts5Tokenizer*) {}

int TokenizeForFts(Fts5Tokenizer* tokenizer, void* context, int flags, const char* text, int size,
                   int (*emit)(void*, int, const char*, int, int, int)) {
  std::string_view rest(text == nullptr ? "" : text, static_cast<size_t>(size));
  int code = SQLITE_OK;
  if (reinterpret_cast<TokenizerKind*>(tokenizer)->keys && rest.starts_with('\x02')) {
    const size_t end = rest.find('\x03');
    const std::string_view keys = rest.substr(1, end == std::string_view::npos ? end : end - 1);
    for (std::string_view key : Split(keys, ' ')) {
      if (key.empty()) continue;
      code = emit(context, 0, key.data(), static_cast<int>(key.size()), 0, 0);
      if (code != SQLITE_OK) return code;
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  const bool search = (flags & FTS5_TOKENIZE_QUERY) != 0;
  Tokenize(rest, search ? TokenizeFor::kSearch : TokenizeFor::kIndex, [&](const Token& token) {
    code = emit(context, token.colocated ? FTS5_TOKEN_COLOCATED : 0, token.text.data(),
                static_cast<int>(token.text.size()), static_cast<int>(token.begin),
                static_cast<int>(token.end));
    return code == SQLITE_OK;
  });
  return code;
}

int RegisterTokenizers(sqlite3* db) {
  fts5_api* api = nullptr;
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &statement, nullptr);
  if (code != SQLITE_OK) return code;
  sqlite3_bind_pointer(statement, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
  sqlite3_step(statement);
  sqlite3_finalize(statement);
  if (api == nullptr) return SQLITE_ERROR;
  fts5_tokenizer methods{CreateTokenizer, DeleteTokenizer, TokenizeForFts};
  code = api->xCreateTokenizer(api, "bulwark", &plain_tokenizer, &methods, nullptr);
  if (code != SQLITE_OK) return code;
  return api->xCreateTokenizer(api, "bulwark_keys", &keys_tokenizer, &methods, nullptr);
}

}  // namespace

Error SqliteError(sqlite3* db, int code, std::string_view doing) {
  const std::string why = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const std::string message = fmt::format("{}: {}", doing, why);
  const std::vector<Error::Arg> args = {{"why", why}};
  switch (code & 0xff) {
    case SQLITE_FULL: return Error(Code::kUnavailable, "store.full", message, args);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Error(Code::kUnavailable, "store.io", message, args);
    case SQLITE_INTERRUPT:
      return Error(Code::kLimit, "store.timeout", "the search took longer than it may", args);
    case SQLITE_TOOBIG: return Error(Code::kLimit, "store.limit", message, args);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Error(Code::kInternal, "store.corrupt", message, args);
    default: return Error(Code::kInternal, "store.sql", message, args);
  }
}

// --- Statement -----------------------------------------------------------------------------------

Statement::~Statement() {
  if (statement_ == nullptr) return;
  Reset();
  *busy_ = false;
}

Statement& Statement::Bind(int at, int64_t number) {
  sqlite3_bind_int64(statement_, at, number);
  return *this;
}
Statement& Statement::Bind(int at, double number) {
  sqlite3_bind_double(statement_, at, number);
  return *this;
}
Statement& Statement::Bind(int at, std::string_view text) {
  sqlite3_bind_text64(statement_, at, text.data() == nullptr ? "" : text.data(), text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}
Statement& Statement::BindBlob(int at, std::string_view bytes) {
  sqlite3_bind_blob64(statement_, at, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(),
                      SQLITE_STATIC);
  return *this;
}
Statement& Statement::BindNull(int at) {
  sqlite3_bind_null(statement_, at);
  return *this;
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, code, "store");
}

Result<> Statement::Run() {
  Result<bool> row = Step();
  Reset();
  if (!row) return std::move(row).error();
  return Ok();
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::Real(int column) const { return sqlite3_column_double(statement_, column); }
std::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}
std::string_view Statement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}
bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- Connection ----------------------------------------------------------------------------------

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& file,
                                                     const ConnectionOptions& options) {
  std::unique_ptr<Connection> out(new Connection());
  // The file is made by us, so that nobody else may read it.
  if (!options.read_only) BW_TRY(OpenFile(file, O_RDWR | O_CREAT, 0600));
  const int flags =
      (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(file.c_str(), &out->db_, flags, nullptr);
  const std::string doing = "opening " + file;
  if (code != SQLITE_OK) return SqliteError(out->db_, code, doing);
  sqlite3* db = out->db_;
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 60'000);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_progress_handler(db, 10'000, &Connection::Progress, out.get());
  if (int made = sqlite3_create_function_v2(db, "bw_glob", 2,
                                            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                            nullptr, Glob, nullptr, nullptr, nullptr);
      made != SQLITE_OK) {
    return SqliteError(db, made, doing);
  }
  if (int made = RegisterTokenizers(db); made != SQLITE_OK) return SqliteError(db, made, doing);
  std::string pragmas = fmt::format(
      "PRAGMA cache_size=-{};PRAGMA temp_store=MEMORY;"
      "PRAGMA foreign_keys=OFF;PRAGMA secure_delete=OFF;",
      options.cache_kib);
  if (options.mmap_bytes > 0) pragmas += fmt::format("PRAGMA mmap_size={};", options.mmap_bytes);
  if (!options.read_only) {
    pragmas += fmt::format(
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint={};"
        "PRAGMA journal_size_limit=67108864;",
        options.checkpoint_pages);
    if (options.max_pages != 0)
      pragmas += fmt::format("PRAGMA max_page_count={};", options.max_pages);
  }
  Result<> ran = out->Run(pragmas);
  if (!ran) return std::move(ran).error().While(doing);
  return out;
}

Connection::~Connection() {
  for (Cached& cached : statements_) sqlite3_finalize(cached.statement);
  sqlite3_close_v2(db_);
}

Result<> Connection::Run(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_, code, "store");
  return Ok();
}

Result<> Connection::Execute(std::string_view sql) {
  Statement statement = BW_TRY(Prepare(sql));
  return statement.Run();
}

Result<Statement> Connection::Prepare(std::string_view sql) {
  const auto found = by_sql_.find(sql);
  if (found != by_sql_.end() && !found->second->busy) {
    statements_.splice(statements_.begin(), statements_, found->second);
    Cached& cached = statements_.front();
    cached.busy = true;
    return Statement(db_, cached.statement, &cached.busy);
  }
  // One that is in use is prepared a second time under a key that is never looked up.
  Cached cached{.sql = std::string(sql), .statement = nullptr, .busy = true};
  const int code = sqlite3_prepare_v3(db_, cached.sql.data(), static_cast<int>(cached.sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &cached.statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_, code, "store");
  BW_CHECK(cached.statement != nullptr);
  statements_.push_front(std::move(cached));
  if (found == by_sql_.end()) by_sql_.emplace(statements_.front().sql, statements_.begin());
  for (auto last = std::prev(statements_.end());
       statements_.size() > kMaxStatements && last != statements_.begin();) {
    const auto drop = last--;
    if (drop->busy) continue;
    const auto named = by_sql_.find(drop->sql);
    if (named != by_sql_.end() && named->second == drop) by_sql_.erase(named);
    sqlite3_finalize(drop->statement);
    statements_.erase(drop);
  }
  return Statement(db_, statements_.front().statement, &statements_.front().busy);
}

Result<int64_t> Connection::QueryInt(std::string_view sql) {
  Statement statement = BW_TRY(Prepare(sql));
  if (!BW_TRY(statement.Step())) return int64_t{0};
  return statement.Int(0);
}

Result<std::string> Connection::QueryText(std::string_view sql) {
  Statement statement = BW_TRY(Prepare(sql));
  if (!BW_TRY(statement.Step())) return std::string();
  return std::string(statement.Text(0));
}

int64_t Connection::Changes() const { return sqlite3_changes64(db_); }
int64_t Connection::LastRowId() const { return sqlite3_last_insert_rowid(db_); }
bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

void Connection::SetDeadline(std::chrono::steady_clock::time_point deadline) {
  deadline_ = deadline;
}

int Connection::Progress(void* self) {
  const auto deadline = static_cast<Connection*>(self)->deadline_;
  return deadline != std::chrono::steady_clock::time_point() &&
                 std::chrono::steady_clock::now() > deadline
             ? 1
             : 0;
}

// --- ConnectionPool ------------------------------------------------------------------------------

ConnectionPool::Lease::~Lease() {
  if (connection_ != nullptr) pool_->Give(std::move(connection_));
}

Result<ConnectionPool::Lease> ConnectionPool::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(this, std::move(connection));
    }
  }
  return Lease(this, BW_TRY(Connection::Open(file_, options_)));
}

void ConnectionPool::Give(std::unique_ptr<Connection> connection) {
  connection->ClearDeadline();
  const std::lock_guard lock(mutex_);
  if (idle_.size() < keep_) idle_.push_back(std::move(connection));
}

// --- Transaction ---------------------------------------------------------------------------------

Result<Transaction> Transaction::Begin(Connection& connection, bool write) {
  BW_TRY(connection.Execute(write ? "BEGIN IMMEDIATE" : "BEGIN"));
  return Transaction(&connection);
}

Transaction::~Transaction() {
  if (connection_ == nullptr || !connection_->in_transaction()) return;
  Result<Statement> rollback = connection_->Prepare("ROLLBACK");
  if (rollback) (void)rollback->Run();
}

Result<> Transaction::Commit() {
  BW_TRY(connection_->Execute("COMMIT"));
  connection_ = nullptr;
  return Ok();
}

// --- GroupCommit ---------------------------------------------------------------------------------

Result<> GroupCommit::Do(const std::function<Result<>()>& work,
                         const std::function<void(bool)>& after) {
  Pending pending;
  pending.work = &work;
  if (after) pending.after = &after;
  return Submit(std::move(pending));
}

Result<> GroupCommit::Alone(const std::function<Result<>()>& work) {
  Pending pending;
  pending.work = &work;
  pending.alone = true;
  return Submit(std::move(pending));
}

Result<> GroupCommit::Submit(Pending pending) {
  constexpr size_t kMaxGroup = 256;
  std::unique_lock lock(mutex_);
  waiting_.push_back(&pending);
  changed_.wait(lock, [&] { return pending.done || !leading_; });
  while (!pending.done) {
    leading_ = true;
    std::vector<Pending*> group;
    while (!waiting_.empty() && group.size() < kMaxGroup) {
      if (waiting_.front()->alone && !group.empty()) break;
      group.push_back(waiting_.front());
      waiting_.pop_front();
      if (group.back()->alone) break;
    }
    lock.unlock();
    RunGroup(group);
    lock.lock();
    for (Pending* one : group) one->done = true;
    leading_ = false;
    changed_.notify_all();
  }
  return std::move(pending.result);
}

void GroupCommit::RunGroup(const std::vector<Pending*>& group) {
  if (group.front()->alone) {
    group.front()->result = (*group.front()->work)();
    return;
  }
  const auto whole = [&]() -> Result<> {
    Transaction transaction = BW_TRY(Transaction::Begin(writer_, true));
    for (Pending* one : group) {
      BW_TRY(writer_.Execute("SAVEPOINT one"));
      one->result = (*one->work)();
      // Some errors (no space) end the whole transaction.
      if (!writer_.in_transaction()) {
        return one->result ? Result<>(Error(Code::kInternal, "store.io", "transaction lost"))
                           : Result<>(one->result.error());
      }
      if (!one->result) BW_TRY(writer_.Execute("ROLLBACK TO one"));
      BW_TRY(writer_.Execute("RELEASE one"));
    }
    return transaction.Commit();
  };
  Result<> committed = whole();
  ++transactions_;
  for (Pending* one : group) {
    if (!committed) one->result = committed.error();
    if (one->after != nullptr) (*one->after)(one->result.has_value());
  }
}

// --- Backup --------------------------------------------------------------------------------------

std::string MatchPhrase(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    // Controls part words; NUL would end the expression, \x02 begin keys.
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

Result<> BackupTo(Connection& source, const std::string& file) {
  if (::access(file.c_str(), F_OK) == 0) {
    return Error(Code::kExists, "store.exists", fmt::format("{} exists already", file),
                 {{"file", file}});
  }
  const std::string part = file + ".part";
  ::unlink(part.c_str());
  const auto copy = [&]() -> Result<> {
    BW_TRY(OpenFile(part, O_RDWR | O_CREAT, 0600));
    {
      Statement vacuum = BW_TRY(source.Prepare("VACUUM INTO ?1"));
      BW_TRY(vacuum.Bind(1, std::string_view(part)).Run());
    }
    Fd fd = BW_TRY(OpenFile(part, O_RDWR));
    if (::fsync(fd.get()) != 0) return FileError(errno, "syncing", part);
    if (::rename(part.c_str(), file.c_str()) != 0) return FileError(errno, "renaming", part);
    return Ok();
  };
  Result<> copied = copy();
  if (!copied) ::unlink(part.c_str());
  return copied;
}

}  // namespace bulwark::store
