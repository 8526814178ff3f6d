#include "platform/store/state_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark::store {
namespace {

bool IsName(std::string_view name, bool upper) {
  if (name.empty() || name.size() > 40 || IsAsciiDigit(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || IsAsciiDigit(c) || c == '_' || (upper && c >= 'A' && c <= 'Z');
  });
}

std::optional<std::string> ScalarText(const Value& value) {
  if (value.IsString()) return std::string(value.AsString());
  if (value.IsBool() || value.IsNumber()) return ToJson(value);
  return std::nullopt;
}

void AddLeaf(ColumnType type, const Value& value, std::vector<FieldValue>& out) {
  FieldValue found;
  switch (type) {
    case ColumnType::kText: {
      if (value.IsMap()) {
        for (const Value::Entry& entry : value.entries()) {
          const std::optional<std::string> text = ScalarText(entry.value);
          if (text && entry.key.IsString()) {
            out.push_back({std::string(entry.key.AsString()) + "=" + *text, std::nullopt});
          }
        }
        return;
      }
      std::optional<std::string> text = ScalarText(value);
      if (!text) return;
      found.text = std::move(*text);
      break;
    }
    case ColumnType::kInt: {
      const std::optional<int64_t> number = value.ToInt();
      if (!number) return;
      found.number = static_cast<double>(*number);
      break;
    }
    case ColumnType::kReal:
      if (!value.IsNumber() || !std::isfinite(value.ToDouble())) return;
      found.number = value.ToDouble();
      break;
    case ColumnType::kBool:
      if (!value.IsBool()) return;
      found.number = value.AsBool() ? 1 : 0;
      break;
    case ColumnType::kTime: {
      if (!value.IsString()) return;
      const Result<Timestamp> time = ParseRfc3339(value.AsString());
      if (!time) return;
      found.number = static_cast<double>(time->seconds * 1'000'000 + time->nanos / 1000);
      break;
    }
    case ColumnType::kSeverity:
      if (!value.IsString()) return;
      found.number = FieldNumber(type, value.AsString());
      if (!found.number) return;
      break;
  }
  out.push_back(std::move(found));
}

void Walk(ColumnType type, const Value& value, std::string_view path, bool& list,
          std::vector<FieldValue>& out) {
  if (value.IsArray()) {
    list = true;
    for (const Value& item : value.items()) Walk(type, item, path, list, out);
    return;
  }
  if (path.empty()) {
    list = list || value.IsMap();
    AddLeaf(type, value, out);
    return;
  }
  const auto cut = Cut(path, ".");
  const std::string_view step = cut ? cut->first : path;
  if (const Value* next = value.Find(step)) {
    Walk(type, *next, cut ? cut->second : std::string_view(), list, out);
  }
}

}  // namespace

Result<> ValidateCollection(const Collection& collection) {
  const auto bad = [&](std::string why) {
    return Error(Code::kInvalid, "store.definition",
                 fmt::format("collection {}: {}", Quote(collection.name), why));
  };
  if (!IsName(collection.name, false)) return bad("not a name of lower-case letters, digits, _");
  if (collection.version < 1) return bad("versions count from 1");
  if (collection.columns.size() > 60) return bad("more than 60 columns");
  std::set<std::string> names;
  for (const Column& column : collection.columns) {
    if (!IsName(column.name, true)) return bad(fmt::format("column {}", Quote(column.name)));
    if (column.path.empty()) return bad(fmt::format("column {} has no path", column.name));
    if (!names.insert(column.name).second) return bad("two columns named " + column.name);
    if (column.full_text && column.type != ColumnType::kText) {
      return bad(fmt::format("full text of {}, which is no text", column.name));
    }
  }
  return Ok();
}

std::vector<Field> FieldsOf(const Collection& collection) {
  std::vector<Field> fields;
  bool key = false;
  for (const Column& column : collection.columns) {
    fields.push_back({column.name, column.type, column.aliases});
    key = key || column.name == "key";
  }
  if (!key) fields.push_back({"key", ColumnType::kText, {}});
  return fields;
}

std::vector<FieldValue> ColumnValues(const Column& column, const Value& body) {
  std::vector<FieldValue> out;
  bool list = false;
  Walk(column.type, body, column.path, list, out);
  if (!list) return out;
  std::vector<FieldValue> distinct;
  std::set<std::pair<std::string_view, double>> seen;
  for (FieldValue& value : out) {
    if (column.type == ColumnType::kText && value.text.empty()) continue;
    if (seen.emplace(value.text, value.number.value_or(0)).second) distinct.push_back(value);
  }
  return distinct;
}

std::string RecordText(const Collection& collection, const Value& body) {
  std::string text;
  for (const Column& column : collection.columns) {
    if (!column.full_text) continue;
    for (const FieldValue& value : ColumnValues(column, body)) {
      if (value.text.empty()) continue;
      if (!text.empty()) text += '\n';
      text += value.text;
    }
  }
  return text;
}

ColumnType RecordSubject::Values(std::string_view field, std::vector<FieldValue>& values) const {
  for (const Column& column : collection_.columns) {
    if (column.name != field) continue;
    values = ColumnValues(column, body_);
    return column.type;
  }
  if (field == "key") values.push_back({std::string(key_), std::nullopt});
  return ColumnType::kText;
}

void Batch::Put(std::string_view collection, std::string_view key, std::string body,
                std::optional<uint64_t> expect) {
  changes_.push_back(
      {Change::Kind::kPut, std::string(collection), std::string(key), std::move(body), expect, {}});
}

void Batch::Delete(std::string_view collection, std::string_view key,
                   std::optional<uint64_t> expect) {
  changes_.push_back(
      {Change::Kind::kDelete, std::string(collection), std::string(key), {}, expect, {}});
}

void Batch::DeleteWhere(std::string_view collection, Query filter) {
  changes_.push_back({Change::Kind::kDeleteWhere,
                      std::string(collection),
                      {},
                      {},
                      std::nullopt,
                      std::move(filter)});
}

}  // namespace bulwark::store
