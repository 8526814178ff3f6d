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

namespace bulwark::store {
namespace {

constexpr int kSchema = 1;
constexpr int kApplication = 0x42575354;  // "BWST"

struct CollectionInfo {
  Collection collection;
  std::vector<Field> fields;
  uint64_t text_columns = 0;
  // The columns (as bits) of which some record ever had several values. Set before the commit that
  // makes it so, read within a reader's transaction: never too small for what is seen.
  std::atomic<uint64_t> lists = 0;
  uint64_t lists_stored = 0;  // the writer's own

  std::string Table(char kind) const { return fmt::format("{}_{}", kind, collection.name); }
};

// What is kept of a record beside its JSON.
struct Extracted {
  std::vector<CursorValue> cells;                        // one a column
  std::vector<std::pair<int64_t, CursorValue>> entries;  // column and value, of lists
  uint64_t lists = 0;
  std::string text;
};

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
                                                        const SqliteStateOptions& options) {
    std::unique_ptr<SqliteStateStore> store(new SqliteStateStore(options));
    struct stat info{};
    const bool folder = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    store->file_ = folder ? path + "/state.db" : path;
    store->lock_ = BW_TRY(LockDatabase(store->file_));
    store->writer_ = BW_TRY(Connection::Open(
        store->file_, {.cache_kib = options.cache_kib, .max_pages = options.max_pages}));
    store->group_ = std::make_unique<GroupCommit>(*store->writer_);
    store->readers_ =
        std::make_unique<ConnectionPool>(store->file_,
                                         ConnectionOptions{.read_only = true,
                                                           .cache_kib = options.cache_kib / 2,
                                                           .mmap_bytes = int64_t{128} << 20},
                                         options.readers);
    Result<> migrated = store->Migrate();
    if (!migrated) return std::move(migrated).error().While("opening " + store->file_);
    return store;
  }

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
  Result<CollectionInfo*> Known(std::string_view name) const {
    CollectionInfo* info = Find(name);
    if (info != nullptr) return info;
    return Error(Code::kNotFound, "store.collection",
                 fmt::format("there is no collection {}", Quote(name)),
                 {{"collection", std::string(name)}});
  }

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

// --- Opening and defining ------------------------------------------------------------------------

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

// --- Reading -------------------------------------------------------------------------------------

Result<SqliteStateStore::Reading> SqliteStateStore::Read() {
  ConnectionPool::Lease connection = BW_TRY(readers_->Take());
  connection->SetDeadline(std::chrono::steady_clock::now() + options_.read_timeout);
  Transaction transaction = BW_TRY(Transaction::Begin(*connection, false));
  // A transaction sees the state of its first read.
  BW_TRY(connection->QueryInt("SELECT value FROM meta WHERE name='revision'"));
  return Reading{std::move(connection), std::move(transaction)};
}

std::string SqliteStateStore::Where(const CollectionInfo& info, const Query& query,
                                    std::vector<CursorValue>& parameters) const {
  const uint64_t lists = info.lists;
  std::vector<SqlColumn> columns;
  const auto& declared = info.collection.columns;
  for (size_t i = 0; i < declared.size(); ++i) {
    SqlColumn column{.type = declared[i].type,
                     .expression = fmt::format("c.f{}", i),
                     .list_select = {},
                     .id = "c.id"};
    if ((lists >> i & 1) != 0) {
      column.list_select =
          fmt::format("SELECT id FROM l_{} WHERE col={} AND %", info.collection.name, i);
    }
    columns.push_back(std::move(column));
  }
  const SqlColumn key{
      .type = ColumnType::kText, .expression = "c.key", .list_select = {}, .id = {}};
  const SqlFilter filter(
      [&](std::string_view field) -> const SqlColumn* {
        for (size_t i = 0; i < declared.size(); ++i) {
          if (declared[i].name == field) return &columns[i];
        }
        return field == "key" ? &key : nullptr;
      },
      info.text_columns == 0 ? std::string()
                             : fmt::format("c.id IN (SELECT rowid FROM t_{0} WHERE t_{0} MATCH ?)",
                                           info.collection.name));
  return filter.Where(query, parameters);
}

Result<std::optional<Record>> SqliteStateStore::Get(std::string_view collection,
                                                    std::string_view key) {
  const CollectionInfo* info = BW_TRY(Known(collection));
  ConnectionPool::Lease reader = BW_TRY(readers_->Take());
  Statement get = BW_TRY(reader->Prepare(
      fmt::format("SELECT c.revision, b.body FROM c_{0} c JOIN b_{0} b ON b.id=c.id WHERE c.key=?1",
                  info->collection.name)));
  if (!BW_TRY(get.Bind(1, key).Step())) return std::optional<Record>();
  return std::optional<Record>(Record{.key = std::string(key),
                                      .revision = static_cast<uint64_t>(get.Int(0)),
                                      .body = std::string(get.Text(1))});
}

Result<std::vector<SortPart>> SqliteStateStore::ParseSort(const CollectionInfo& info,
                                                          std::string_view sort) const {
  std::vector<SortPart> parts;
  if (sort.empty()) sort = info.collection.default_sort;
  for (std::string_view name : sort.empty() ? std::vector<std::string_view>() : Split(sort, ',')) {
    SortPart part;
    name = Trim(name);
    if (name.starts_with('-') || name.starts_with('+')) {
      part.descending = name[0] == '-';
      name.remove_prefix(1);
    }
    const Field* found = nullptr;
    std::vector<std::string_view> names;
    for (const Field& field : info.fields) {
      names.push_back(field.name);
      if (EqualsIgnoringCase(field.name, name)) found = &field;
      for (const std::string& alias : field.aliases) {
        if (found == nullptr && EqualsIgnoringCase(alias, name)) found = &field;
      }
    }
    if (found == nullptr || parts.size() >= 8) {
      std::string message = fmt::format("cannot sort by {}", Quote(name));
      const std::string_view nearest = DidYouMean(name, names);
      if (found == nullptr && !nearest.empty())
        message += fmt::format("; did you mean {}?", nearest);
      return Error(Code::kInvalid, "store.sort", message, {{"field", std::string(name)}});
    }
    part.type = found->type;
    for (size_t i = 0; i < info.collection.columns.size(); ++i) {
      if (info.collection.columns[i].name == found->name) part.column = static_cast<int>(i);
    }
    parts.push_back(part);
    if (part.column < 0) return parts;  // the key decides all
  }
  // In the last part's direction, so that an index serves both.
  parts.push_back({.column = -1,
                   .type = ColumnType::kText,
                   .descending = !parts.empty() && parts.back().descending});
  return parts;
}

Result<ListPage> SqliteStateStore::List(std::string_view collection, const ListOptions& options) {
  const CollectionInfo* info = BW_TRY(Known(collection));
  const std::vector<SortPart> sort = BW_TRY(ParseSort(*info, options.sort));
  const int64_t limit = std::clamp(options.limit, 1, 1000);

  std::string purpose = info->collection.name;
  std::string order;
  std::string selected;
  std::vector<std::string> expressions;
  for (const SortPart& part : sort) {
    expressions.push_back(part.column < 0 ? "c.key" : fmt::format("c.f{}", part.column));
    purpose += fmt::format(
        " {}{}", part.descending ? "-" : "",
        part.column < 0 ? "key" : info->collection.columns[static_cast<size_t>(part.column)].name);
    if (!order.empty()) order += ", ";
    order += expressions.back() + (part.descending ? " DESC" : "");
    selected += ", " + expressions.back();
  }

  Reading reading = BW_TRY(Read());
  std::vector<CursorValue> parameters;
  const std::string where = Where(*info, options.filter, parameters);
  const size_t filter_parameters = parameters.size();
  std::string after;
  if (!options.cursor.empty()) {
    const std::vector<CursorValue> from =
        BW_TRY(DecodeCursor(options.cursor, purpose, cursor_secret_));
    if (from.size() != sort.size()) {
      return Error(Code::kInvalid, "store.cursor", "this is not a cursor of this list");
    }
    const bool one_way = std::all_of(sort.begin(), sort.end(), [&](const SortPart& part) {
      return part.descending == sort[0].descending;
    });
    if (one_way) {
      // A row value, which an index can be entered at.
      std::string row, marks;
      for (size_t i = 0; i < sort.size(); ++i) {
        row += (i == 0 ? "" : ",") + expressions[i];
        marks += i == 0 ? "?" : ",?";
        parameters.push_back(from[i]);
      }
      after = fmt::format(" AND ({}){}({})", row, sort[0].descending ? "<" : ">", marks);
    } else {
      std::string any;
      for (size_t i = 0; i < sort.size(); ++i) {
        std::string all;
        for (size_t j = 0; j <= i; ++j) {
          const std::string_view sign = j < i ? "=" : sort[j].descending ? "<" : ">";
          all += fmt::format("{}{}{}?", j == 0 ? "" : " AND ", expressions[j], sign);
          parameters.push_back(from[j]);
        }
        any += (i == 0 ? "(" : " OR (") + all + ")";
      }
      after = " AND (" + any + ")";
    }
  }

  ListPage page;
  std::vector<int64_t> ids;
  std::vector<CursorValue> last;
  {
    Statement list = BW_TRY(reading.connection->Prepare(
        fmt::format("SELECT c.id{} FROM c_{} c WHERE {}{} ORDER BY {} LIMIT {}", selected,
                    info->collection.name, where, after, order, limit + 1)));
    BindAll(list, parameters);
    while (BW_TRY(list.Step())) {
      if (ids.size() == static_cast<size_t>(limit)) {
        page.next = EncodeCursor(last, purpose, cursor_secret_);
        break;
      }
      ids.push_back(list.Int(0));
      if (ids.size() < static_cast<size_t>(limit)) continue;
      for (size_t i = 0; i < sort.size(); ++i) {
        const int column = static_cast<int>(i) + 1;
        if (sort[i].type == ColumnType::kText) {
          last.emplace_back(std::string(list.Text(column)));
        } else if (sort[i].type == ColumnType::kReal) {
          last.emplace_back(list.Real(column));
        } else {
          last.emplace_back(list.Int(column));
        }
      }
    }
  }
  Statement get = BW_TRY(reading.connection->Prepare(
      fmt::format("SELECT c.key, c.revision, b.body FROM c_{0} c JOIN b_{0} b ON b.id=c.id "
                  "WHERE c.id=?1",
                  info->collection.name)));
  for (int64_t id : ids) {
    if (BW_TRY(get.Bind(1, id).Step())) {
      page.records.push_back({.key = std::string(get.Text(0)),
                              .revision = static_cast<uint64_t>(get.Int(1)),
                              .body = std::string(get.Text(2))});
    }
    get.Reset();
  }
  if (options.total) {
    parameters.resize(filter_parameters);
    Statement count = BW_TRY(reading.connection->Prepare(
        fmt::format("SELECT count(*) FROM c_{} c WHERE {}", info->collection.name, where)));
    BindAll(count, parameters);
    BW_TRY(count.Step());
    page.total = static_cast<uint64_t>(count.Int(0));
  }
  return page;
}

Result<> SqliteStateStore::Scan(std::string_view collection, const Query& filter,
                                const std::function<Result<>(const Record&)>& each) {
  const CollectionInfo* info = BW_TRY(Known(collection));
  Reading reading = BW_TRY(Read());
  reading.connection->ClearDeadline();  // `each` may take its time
  std::vector<CursorValue> parameters;
  const std::string where = Where(*info, filter, parameters);
  Statement scan = BW_TRY(reading.connection->Prepare(
      fmt::format("SELECT c.key, c.revision, b.body FROM c_{0} c CROSS JOIN b_{0} b ON b.id=c.id "
                  "WHERE {1} ORDER BY c.key",
                  info->collection.name, where)));
  BindAll(scan, parameters);
  while (BW_TRY(scan.Step())) {
    BW_TRY(each(Record{.key = std::string(scan.Text(0)),
                       .revision = static_cast<uint64_t>(scan.Int(1)),
                       .body = std::string(scan.Text(2))}));
  }
  return Ok();
}

Result<uint64_t> SqliteStateStore::Count(std::string_view collection, const Query& filter) {
  const CollectionInfo* info = BW_TRY(Known(collection));
  Reading reading = BW_TRY(Read());
  std::vector<CursorValue> parameters;
  const std::string where = Where(*info, filter, parameters);
  Statement count = BW_TRY(reading.connection->Prepare(
      fmt::format("SELECT count(*) FROM c_{} c WHERE {}", info->collection.name, where)));
  BindAll(count, parameters);
  BW_TRY(count.Step());
  return static_cast<uint64_t>(count.Int(0));
}

Result<std::vector<Group>> SqliteStateStore::GroupBy(std::string_view collection,
                                                     const Query& filter,
                                                     const std::vector<std::string>& columns,
                                                     int limit) {
  const CollectionInfo* info = BW_TRY(Known(collection));
  if (columns.size() > 8) {
    return Error(Code::kInvalid, "store.sort", "grouping by more than 8 columns");
  }
  std::string by;
  for (const std::string& name : columns) by += (by.empty() ? "" : ",") + name;
  std::vector<SortPart> parts;
  if (!columns.empty()) {
    parts = BW_TRY(ParseSort(*info, by));
    if (parts.size() > columns.size()) parts.pop_back();
    if (parts.size() != columns.size()) {
      return Error(Code::kInvalid, "store.sort", "cannot group by the key and others");
    }
  }
  Reading reading = BW_TRY(Read());
  const uint64_t lists = info->lists;
  std::string selected, joins, grouped;
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string expression = "c.key";
    if (parts[i].column >= 0) {
      expression = fmt::format("c.f{}", parts[i].column);
      if ((lists >> parts[i].column & 1) != 0) {
        joins += fmt::format(" LEFT JOIN l_{0} s{1} ON s{1}.id=c.id AND s{1}.col={2}",
                             info->collection.name, i, parts[i].column);
        expression = fmt::format("coalesce(s{}.value,{})", i, expression);
      }
    }
    selected += expression + ", ";
    grouped += fmt::format("{}{}", i == 0 ? "" : ",", i + 1);
  }
  std::vector<CursorValue> parameters;
  const std::string where = Where(*info, filter, parameters);
  Statement group = BW_TRY(reading.connection->Prepare(fmt::format(
      "SELECT {}count(*) FROM c_{} c{} WHERE {}{} ORDER BY {} DESC{} LIMIT {}", selected,
      info->collection.name, joins, where, parts.empty() ? "" : " GROUP BY " + grouped,
      parts.size() + 1, parts.empty() ? "" : "," + grouped, std::clamp(limit, 1, 100'000))));
  BindAll(group, parameters);
  std::vector<Group> groups;
  while (BW_TRY(group.Step())) {
    Group found;
    for (size_t i = 0; i < parts.size(); ++i) {
      const int column = static_cast<int>(i);
      const ColumnType type = parts[i].type;
      if (type == ColumnType::kText) {
        found.values.emplace_back(group.Text(column));
      } else if (type == ColumnType::kReal) {
        const double number = group.Real(column);
        found.values.push_back(std::isfinite(number) ? fmt::format("{}", number) : std::string());
      } else {
        const int64_t number = group.Int(column);
        found.values.push_back(number == kMissingInt
                                   ? std::string()
                                   : NumberAsText(type, static_cast<double>(number)));
      }
    }
    found.count = static_cast<uint64_t>(group.Int(static_cast<int>(parts.size())));
    groups.push_back(std::move(found));
  }
  return groups;
}

Result<StateStore::Stats> SqliteStateStore::Statistics() {
  Reading reading = BW_TRY(Read());
  Stats stats;
  stats.bytes = static_cast<uint64_t>(BW_TRY(reading.connection->QueryInt("PRAGMA page_count")) *
                                      BW_TRY(reading.connection->QueryInt("PRAGMA page_size")));
  std::vector<std::string> names;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [name, info] : current_) names.push_back(name);
  }
  for (const std::string& name : names) {
    stats.records.emplace_back(name, static_cast<uint64_t>(BW_TRY(reading.connection->QueryInt(
                                         fmt::format("SELECT count(*) FROM c_{}", name)))));
  }
  return stats;
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

}  // namespace

Result<std::unique_ptr<StateStore>> OpenSqliteStateStore(const std::string& path,
                                                         const SqliteStateOptions& options) {
  std::unique_ptr<StateStore> store = BW_TRY(SqliteStateStore::Open(path, options));
  return store;
}

}  // namespace bulwark::store
