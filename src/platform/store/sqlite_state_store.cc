#include "platform/store/sqlite_state_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <shared_mutex>

#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "platform/store/sqlite.h"
#include "platform/store/sqlite_filter.h"
#include "platform/store/sqlite_open.h"
#include "platform/store/sqlite_state_store_impl.h"

namespace bulwark::store {
namespace {

constexpr int kSchema = 1;
constexpr int kApplication = 0x42575354;  // "BWST"

CursorValue Stored(ColumnType type, const FieldValue& value) {
  if (type == ColumnType::kText) return value.text;
  return StoredNumber(type, *value.number);
}

Extracted Extract(const CollectionInfo& info, const Value& body) {
  Extracted out;
  const auto& columns = info.collection.columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::vector<FieldValue> values = ColumnValues(columns[i], body);
    out.cells.push_back(values.empty() ? MissingValue(columns[i].type)
                                       : Stored(columns[i].type, values[0]));
    if (values.size() < 2) continue;
    out.lists |= uint64_t{1} << i;
    for (const FieldValue& value : values) {
      out.entries.emplace_back(static_cast<int64_t>(i), Stored(columns[i].type, value));
    }
  }
  if (info.text_columns != 0) out.text = RecordText(info.collection, body);
  return out;
}

// The definition as far as the tables depend on it.
std::string SpecOf(const Collection& collection) {
  std::string spec = "1";
  for (const Column& column : collection.columns) {
    fmt::format_to(std::back_inserter(spec), "\n{}\t{}\t{}\t{}\t{}", column.name, column.path,
                   static_cast<int>(column.type), column.indexed, column.full_text);
  }
  return spec;
}

Error Conflict(std::string_view collection, std::string_view key) {
  return Error(Code::kExists, "store.conflict",
               fmt::format("{} {} has changed meanwhile", collection, Quote(key)),
               {{"collection", std::string(collection)}, {"key", std::string(key)}});
}

}  // namespace

// --- Opening and defining ------------------------------------------------------------------------

Result<std::unique_ptr<SqliteStateStore>> SqliteStateStore::Open(
    const std::string& path, const SqliteStateOptions& options) {
  std::unique_ptr<SqliteStateStore> store(new SqliteStateStore(options));
  struct stat info{};
  const bool folder = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  store->file_ = folder ? path + "/state.db" : path;
  store->lock_ = BW_TRY(LockDatabase(store->file_));
  store->writer_ = BW_TRY(Connection::Open(
      store->file_, {.cache_kib = options.cache_kib, .max_pages = options.max_pages}));
  store->group_ = std::make_unique<GroupCommit>(*store->writer_);
  store->readers_ = std::make_unique<ConnectionPool>(
      store->file_,
      ConnectionOptions{
          .read_only = true, .cache_kib = options.cache_kib / 2, .mmap_bytes = int64_t{128} << 20},
      options.readers);
  Result<> migrated = store->Migrate();
  if (!migrated) return std::move(migrated).error().While("opening " + store->file_);
  return store;
}

Result<CollectionInfo*> SqliteStateStore::Known(std::string_view name) const {
  CollectionInfo* info = Find(name);
  if (info != nullptr) return info;
  return Error(Code::kNotFound, "store.collection",
               fmt::format("there is no collection {}", Quote(name)),
               {{"collection", std::string(name)}});
}

Result<> SqliteStateStore::Migrate() {
  const std::vector<std::string> steps = {
      // 1
      "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
      "CREATE TABLE collections(name TEXT PRIMARY KEY, version INTEGER NOT NULL,"
      " spec TEXT NOT NULL, lists INTEGER NOT NULL) WITHOUT ROWID;"
      "INSERT INTO meta VALUES('revision',0),('cursor_secret',hex(randomblob(32)));",
  };
  static_assert(kSchema == 1);
  BW_TRY(MigrateSchema(*writer_, kApplication, steps));
  cursor_secret_ = BW_TRY(writer_->QueryText("SELECT value FROM meta WHERE name='cursor_secret'"));
  revision_ = static_cast<uint64_t>(
      BW_TRY(writer_->QueryInt("SELECT value FROM meta WHERE name='revision'")));
  return Ok();
}

Result<> SqliteStateStore::MakeTables(const CollectionInfo& info) {
  std::string sql = fmt::format(
      "CREATE TABLE {}(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL",
      info.Table('c'));
  std::string indexes;
  for (size_t i = 0; i < info.collection.columns.size(); ++i) {
    const Column& column = info.collection.columns[i];
    const bool text = column.type == ColumnType::kText;
    const bool real = column.type == ColumnType::kReal;
    sql += fmt::format(", f{} {} NOT NULL", i, text ? "TEXT" : real ? "REAL" : "INTEGER");
    if (column.indexed) {
      indexes +=
          fmt::format("CREATE INDEX i_{0}_{1} ON c_{0}(f{1}, key);", info.collection.name, i);
    }
  }
  sql += ");" + indexes;
  sql += fmt::format(
      "CREATE TABLE b_{0}(id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
      "CREATE TABLE l_{0}(col INTEGER, value, id INTEGER,"
      " PRIMARY KEY(col, value, id)) WITHOUT ROWID;"
      "CREATE INDEX il_{0} ON l_{0}(id, col);",
      info.collection.name);
  if (info.text_columns != 0) {
    sql += fmt::format(
        "CREATE VIRTUAL TABLE t_{} USING fts5(text, content='', columnsize=0,"
        " tokenize='bulwark');",
        info.collection.name);
  }
  return writer_->Run(sql);
}

Result<> SqliteStateStore::Rebuild(CollectionInfo& info) {
  const std::string& name = info.collection.name;
  // The records stand aside under other names while they are taken over.
  BW_TRY(
      writer_->Run(fmt::format("ALTER TABLE c_{0} RENAME TO old_c;"
                               "ALTER TABLE b_{0} RENAME TO old_b;"
                               "DROP TABLE l_{0}; DROP TABLE IF EXISTS t_{0};",
                               name)));
  std::vector<std::string> indexes;
  {
    Statement list = BW_TRY(writer_->Prepare(
        "SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='old_c' AND sql IS NOT "
        "NULL"));
    while (BW_TRY(list.Step())) indexes.emplace_back(list.Text(0));
  }
  for (const std::string& index : indexes) {
    BW_TRY(writer_->Run(fmt::format("DROP INDEX \"{}\"", index)));
  }
  BW_TRY(MakeTables(info));
  {
    Statement old = BW_TRY(writer_->Prepare(
        "SELECT c.id, c.key, c.revision, b.body FROM old_c c JOIN old_b b ON b.id=c.id"));
    while (BW_TRY(old.Step())) {
      Arena arena;
      const Value body = BW_TRY(ParseJson(old.Text(3), arena, {.borrow_text = true}));
      BW_TRY(Insert(info, old.Int(0), old.Text(1), static_cast<uint64_t>(old.Int(2)), old.Text(3),
                    Extract(info, body)));
    }
  }
  return writer_->Run("DROP TABLE old_c; DROP TABLE old_b;");
}

Result<> SqliteStateStore::Define(const Collection& collection) {
  BW_TRY(ValidateCollection(collection));
  auto made = std::make_unique<CollectionInfo>();
  made->collection = collection;
  made->fields = FieldsOf(collection);
  for (size_t i = 0; i < collection.columns.size(); ++i) {
    if (collection.columns[i].full_text) made->text_columns |= uint64_t{1} << i;
  }
  CollectionInfo& info = *made;
  const std::string spec = SpecOf(collection);
  const auto work = [&]() -> Result<> {
    int64_t version = 0;
    std::string old_spec;
    {
      Statement find =
          BW_TRY(writer_->Prepare("SELECT version, spec, lists FROM collections WHERE name=?1"));
      if (BW_TRY(find.Bind(1, std::string_view(collection.name)).Step())) {
        version = find.Int(0);
        old_spec = find.Text(1);
        info.lists_stored = static_cast<uint64_t>(find.Int(2));
        info.lists = info.lists_stored;
      }
    }
    if (version > collection.version) {
      return Error(Code::kUnsupported, "store.newer",
                   fmt::format("collection {} has version {}, this program knows {}",
                               collection.name, version, collection.version),
                   {{"collection", collection.name}});
    }
    if (version == collection.version && spec == old_spec) return Ok();
    Transaction transaction = BW_TRY(Transaction::Begin(*writer_, true));
    {
      Statement note =
          BW_TRY(writer_->Prepare("INSERT OR REPLACE INTO collections VALUES(?1, ?2, ?3, 0)"));
      BW_TRY(note.Bind(1, std::string_view(collection.name))
                 .Bind(2, int64_t{collection.version})
                 .Bind(3, std::string_view(spec))
                 .Run());
    }
    if (spec != old_spec) {
      info.lists = info.lists_stored = 0;
      if (version == 0) {
        BW_TRY(MakeTables(info));
      } else {
        BW_TRY(Rebuild(info));
      }
    }
    Statement lists = BW_TRY(writer_->Prepare("UPDATE collections SET lists=?2 WHERE name=?1"));
    info.lists_stored = info.lists;
    BW_TRY(lists.Bind(1, std::string_view(collection.name))
               .Bind(2, static_cast<int64_t>(info.lists_stored))
               .Run());
    return transaction.Commit();
  };
  Result<> defined = group_->Alone(work);
  if (!defined) {
    return std::move(defined).error().While("defining collection " + collection.name);
  }
  const std::unique_lock lock(mutex_);
  current_[collection.name] = made.get();
  infos_.push_back(std::move(made));
  return Ok();
}

// --- Writing -------------------------------------------------------------------------------------

Result<Prepared> SqliteStateStore::Prepare(const Batch::Change& change) const {
  Prepared prepared;
  prepared.change = &change;
  prepared.info = BW_TRY(Known(change.collection));
  if (change.kind == Batch::Change::Kind::kDeleteWhere) return prepared;
  if (change.key.empty() || change.key.size() > options_.max_key_bytes || !IsUtf8(change.key)) {
    return Error(change.key.size() > options_.max_key_bytes ? Code::kLimit : Code::kInvalid,
                 change.key.size() > options_.max_key_bytes ? "store.limit" : "store.record",
                 fmt::format("a key of {} bytes", change.key.size()),
                 {{"collection", change.collection}});
  }
  if (change.kind == Batch::Change::Kind::kDelete) return prepared;
  if (change.body.size() > options_.max_record_bytes) {
    return Error(Code::kLimit, "store.limit",
                 fmt::format("{} {} has {} bytes, more than {}", change.collection,
                             Quote(change.key), change.body.size(), options_.max_record_bytes),
                 {{"collection", change.collection}, {"key", change.key}});
  }
  Arena arena;
  Result<Value> body = ParseJson(change.body, arena, {.max_depth = 100, .borrow_text = true});
  if (!body || !body->IsMap()) {
    return Error(Code::kInvalid, "store.record",
                 fmt::format("{} {}: {}", change.collection, Quote(change.key),
                             body ? "expected a JSON object" : body.error().message()),
                 {{"collection", change.collection}, {"key", change.key}});
  }
  prepared.extracted = Extract(*prepared.info, *body);
  return prepared;
}

Result<std::string> SqliteStateStore::OldText(const CollectionInfo& info, int64_t id) {
  Statement get = BW_TRY(
      writer_->Prepare(fmt::format("SELECT body FROM b_{} WHERE id=?1", info.collection.name)));
  if (!BW_TRY(get.Bind(1, id).Step())) return std::string();
  Arena arena;
  const Value body = BW_TRY(ParseJson(get.Text(0), arena, {.borrow_text = true}));
  return RecordText(info.collection, body);
}

// FTS5 without content must be told what a record's text was.
Result<> SqliteStateStore::DropText(const CollectionInfo& info, int64_t id, std::string_view text) {
  if (text.empty()) return Ok();
  Statement drop = BW_TRY(writer_->Prepare(fmt::format(
      "INSERT INTO t_{0}(t_{0}, rowid, text) VALUES('delete', ?1, ?2)", info.collection.name)));
  return drop.Bind(1, id).Bind(2, text).Run();
}

Result<> SqliteStateStore::AddText(const CollectionInfo& info, int64_t id, std::string_view text) {
  if (text.empty()) return Ok();
  Statement add = BW_TRY(writer_->Prepare(
      fmt::format("INSERT INTO t_{}(rowid, text) VALUES(?1, ?2)", info.collection.name)));
  return add.Bind(1, id).Bind(2, text).Run();
}

Result<> SqliteStateStore::InsertLists(CollectionInfo& info, int64_t id,
                                       const Extracted& extracted) {
  if (extracted.entries.empty()) return Ok();
  info.lists |= extracted.lists;
  Statement insert = BW_TRY(writer_->Prepare(
      fmt::format("INSERT OR IGNORE INTO l_{} VALUES(?1, ?2, ?3)", info.collection.name)));
  for (const auto& [column, value] : extracted.entries) {
    insert.Bind(1, column);
    BindValue(insert, 2, value);
    BW_TRY(insert.Bind(3, id).Run());
  }
  return Ok();
}

Result<> SqliteStateStore::Insert(CollectionInfo& info, int64_t id, std::string_view key,
                                  uint64_t revision, std::string_view body,
                                  const Extracted& extracted) {
  std::string marks;
  for (size_t i = 0; i < extracted.cells.size(); ++i) marks += ",?";
  Statement insert = BW_TRY(writer_->Prepare(
      fmt::format("INSERT INTO c_{} VALUES(?,?,?{})", info.collection.name, marks)));
  if (id == 0) {
    insert.BindNull(1);
  } else {
    insert.Bind(1, id);
  }
  insert.Bind(2, key).Bind(3, static_cast<int64_t>(revision));
  BindAll(insert, extracted.cells, 4);
  BW_TRY(insert.Run());
  if (id == 0) id = writer_->LastRowId();
  Statement keep = BW_TRY(
      writer_->Prepare(fmt::format("INSERT INTO b_{} VALUES(?1, ?2)", info.collection.name)));
  BW_TRY(keep.Bind(1, id).Bind(2, body).Run());
  BW_TRY(InsertLists(info, id, extracted));
  return info.text_columns == 0 ? Result<>(Ok()) : AddText(info, id, extracted.text);
}

Result<> SqliteStateStore::Update(CollectionInfo& info, int64_t id, uint64_t revision,
                                  std::string_view body, const Extracted& extracted) {
  if (info.text_columns != 0) {
    const std::string old = BW_TRY(OldText(info, id));
    if (old != extracted.text) {
      BW_TRY(DropText(info, id, old));
      BW_TRY(AddText(info, id, extracted.text));
    }
  }
  std::string sets;
  for (size_t i = 0; i < extracted.cells.size(); ++i) sets += fmt::format(",f{}=?", i);
  Statement update = BW_TRY(writer_->Prepare(
      fmt::format("UPDATE c_{} SET revision=?{} WHERE id=?", info.collection.name, sets)));
  update.Bind(1, static_cast<int64_t>(revision));
  BindAll(update, extracted.cells, 2);
  BW_TRY(update.Bind(static_cast<int>(extracted.cells.size()) + 2, id).Run());
  Statement keep = BW_TRY(
      writer_->Prepare(fmt::format("UPDATE b_{} SET body=?2 WHERE id=?1", info.collection.name)));
  BW_TRY(keep.Bind(1, id).Bind(2, body).Run());
  if (info.lists != 0) {
    Statement drop =
        BW_TRY(writer_->Prepare(fmt::format("DELETE FROM l_{} WHERE id=?1", info.collection.name)));
    BW_TRY(drop.Bind(1, id).Run());
  }
  return InsertLists(info, id, extracted);
}

Result<> SqliteStateStore::Remove(CollectionInfo& info, int64_t id) {
  if (info.text_columns != 0) {
    const std::string old = BW_TRY(OldText(info, id));
    BW_TRY(DropText(info, id, old));
  }
  for (const char* table : {"c", "b", "l"}) {
    if (*table == 'l' && info.lists == 0) continue;
    Statement drop = BW_TRY(writer_->Prepare(
        fmt::format("DELETE FROM {}_{} WHERE id=?1", table, info.collection.name)));
    BW_TRY(drop.Bind(1, id).Run());
  }
  return Ok();
}

Result<> SqliteStateStore::Apply(Prepared& prepared, uint64_t revision) {
  CollectionInfo& info = *prepared.info;
  const Batch::Change& change = *prepared.change;
  if (change.kind == Batch::Change::Kind::kDeleteWhere) {
    std::vector<CursorValue> parameters;
    const std::string where = Where(info, change.filter, parameters);
    std::vector<int64_t> ids;
    {
      Statement find = BW_TRY(writer_->Prepare(
          fmt::format("SELECT c.id FROM c_{} c WHERE {}", info.collection.name, where)));
      BindAll(find, parameters);
      while (BW_TRY(find.Step())) ids.push_back(find.Int(0));
    }
    for (int64_t id : ids) BW_TRY(Remove(info, id));
    return Ok();
  }
  int64_t id = 0;
  uint64_t current = 0;
  {
    Statement find = BW_TRY(writer_->Prepare(
        fmt::format("SELECT id, revision FROM c_{} WHERE key=?1", info.collection.name)));
    if (BW_TRY(find.Bind(1, std::string_view(change.key)).Step())) {
      id = find.Int(0);
      current = static_cast<uint64_t>(find.Int(1));
    }
  }
  if (change.expect && *change.expect != current) return Conflict(change.collection, change.key);
  if (change.kind == Batch::Change::Kind::kDelete) return id == 0 ? Ok() : Remove(info, id);
  if (id == 0) return Insert(info, 0, change.key, revision, change.body, prepared.extracted);
  return Update(info, id, revision, change.body, prepared.extracted);
}

Result<uint64_t> SqliteStateStore::Commit(const Batch& batch) {
  size_t bytes = 0;
  for (const Batch::Change& change : batch.changes()) bytes += change.body.size();
  if (bytes > options_.max_batch_bytes || batch.changes().size() > options_.max_batch_changes) {
    return Error(Code::kLimit, "store.limit",
                 fmt::format("a batch of {} changes and {} bytes", batch.changes().size(), bytes));
  }
  std::vector<Prepared> changes;
  changes.reserve(batch.changes().size());
  for (const Batch::Change& change : batch.changes()) changes.push_back(BW_TRY(Prepare(change)));
  uint64_t revision = 0;
  std::map<CollectionInfo*, uint64_t> noted;  // the list columns that this batch wrote down
  const auto work = [&]() -> Result<> {
    revision = ++revision_;
    for (Prepared& change : changes) BW_TRY(Apply(change, revision));
    for (Prepared& change : changes) {
      const uint64_t lists = change.info->lists;
      if (lists == change.info->lists_stored || noted.contains(change.info)) continue;
      Statement note = BW_TRY(writer_->Prepare("UPDATE collections SET lists=?2 WHERE name=?1"));
      BW_TRY(note.Bind(1, std::string_view(change.info->collection.name))
                 .Bind(2, static_cast<int64_t>(lists))
                 .Run());
      noted[change.info] = lists;
    }
    Statement count = BW_TRY(writer_->Prepare("UPDATE meta SET value=?1 WHERE name='revision'"));
    return count.Bind(1, static_cast<int64_t>(revision)).Run();
  };
  const auto after = [&](bool kept) {
    if (!kept) return;
    for (const auto& [info, lists] : noted) info->lists_stored |= lists;
    changes_since_analyze_ += changes.size();
    if (changes_since_analyze_ < 20'000) return;
    // So that the planner knows which columns tell records apart.
    changes_since_analyze_ = 0;
    (void)writer_->Run("PRAGMA analysis_limit=400; ANALYZE;");
  };
  Result<> committed = group_->Do(work, after);
  if (!committed) return std::move(committed).error();
  return revision;
}

Result<std::unique_ptr<StateStore>> OpenSqliteStateStore(const std::string& path,
                                                         const SqliteStateOptions& options) {
  std::unique_ptr<StateStore> store = BW_TRY(SqliteStateStore::Open(path, options));
  return store;
}

}  // namespace bulwark::store
