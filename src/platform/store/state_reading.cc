// What the SQLite StateStore reads: one record, pages, all, counts and groups.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "platform/store/cursor.h"
#include "platform/store/sqlite_state_store_impl.h"

namespace bulwark::store {

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

}  // namespace bulwark::store
