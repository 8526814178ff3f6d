#include "platform/auth/records.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark::auth {
namespace {

constexpr size_t kMaxPatterns = 100;

Value Texts(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> items;
  for (const std::string& t : texts) items.push_back(Value::String(arena, t));
  return Value::Array(arena, items);
}

std::vector<std::string> TextsAt(const Value& value, std::string_view field) {
  std::vector<std::string> out;
  for (const Value& item : value[field].items()) {
    if (item.IsString()) out.emplace_back(item.AsString());
  }
  return out;
}

// Fields that are empty are left out.
class Writer {
 public:
  Writer() : map_(arena_) {}
  Arena& arena() { return arena_; }
  Writer& Text(std::string_view name, std::string_view text) {
    if (!text.empty()) map_.Add(name, Value::String(arena_, text));
    return *this;
  }
  Writer& Time(std::string_view name, int64_t us) {
    return us == 0 ? *this : Text(name, TimeText(us));
  }
  Writer& Put(std::string_view name, Value value) {
    map_.Add(name, value);
    return *this;
  }
  Writer& List(std::string_view name, const std::vector<std::string>& texts) {
    return Put(name, Texts(texts, arena_));
  }
  Writer& Grants(std::string_view name, const std::vector<RoleGrant>& grants) {
    std::vector<Value> items;
    for (const RoleGrant& g : grants) {
      items.push_back(MapBuilder(arena_)
                          .Add("role", Value::String(arena_, g.role))
                          .Add("scope", ScopeValue(g.scope, arena_))
                          .Finish());
    }
    return Put(name, Value::Array(arena_, items));
  }
  std::string Finish() { return ToJson(map_.Finish()); }

 private:
  Arena arena_;
  MapBuilder map_;
};

Result<std::vector<RoleGrant>> GrantsAt(const Value& value, std::string_view field) {
  std::vector<RoleGrant> out;
  for (const Value& item : value[field].items()) {
    out.push_back({ std::string(item.StringAt("role")), BW_TRY(ParseScope(item["scope"])) });
  }
  return out;
}

int64_t TimeAt(const Value& value, std::string_view field) { return TimeOf(value.StringAt(field)); }

Result<Value> Parse(const store::Record& record, Arena& arena) {
  Result<Value> value = ParseJson(record.body, arena, {.max_depth = 16});
  if (!value) return std::move(value).error().While("reading the record of " + record.key);
  return value;
}

bool IsScopePattern(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) ||
           std::string_view("-._:*?").find(c) != std::string_view::npos;
  });
}

bool IsLabelText(std::string_view text, std::string_view also) {
  return text.size() <= 317 && std::ranges::all_of(text, [&](char c) {
           return IsAsciiLetter(c) || IsAsciiDigit(c) || also.find(c) != std::string_view::npos;
         });
}

}  // namespace

std::string TimeText(int64_t us) {
  int64_t seconds = us / 1'000'000, rest = us % 1'000'000;
  if (rest < 0) rest += 1'000'000, --seconds;
  return FormatRfc3339({.seconds = seconds, .nanos = static_cast<int32_t>(rest * 1000)});
}

int64_t TimeOf(std::string_view text) {
  Result<Timestamp> at = ParseRfc3339(text);
  return at ? at->seconds * 1'000'000 + at->nanos / 1000 : 0;
}

Value ScopeValue(const api::Scope& scope, Arena& arena) {
  MapBuilder out(arena);
  if (!scope.clusters.empty()) out.Add("clusters", Texts(scope.clusters, arena));
  if (!scope.namespaces.empty()) out.Add("namespaces", Texts(scope.namespaces, arena));
  if (!scope.labels.empty()) {
    MapBuilder labels(arena);
    for (const auto& [key, value] : scope.labels) {
      labels.Add(Value::String(arena, key), Value::String(arena, value));
    }
    out.Add("labels", labels.Finish());
  }
  return out.Finish();
}

Error FieldError(std::string_view field, std::string_view why) {
  return Error(Code::kInvalid, "auth.field", fmt::format("{}: {}", field, why),
               {{"field", std::string(field)}, {"why", std::string(why)}});
}

Result<std::string> TextField(const Value& body, std::string_view field, size_t max_bytes,
                              bool required) {
  Value value = body[field];
  if (value.IsNull() && !required) return std::string();
  if (!value.IsString()) return FieldError(field, "a text is expected");
  if (required && value.AsString().empty()) return FieldError(field, "must not be empty");
  if (value.AsString().size() > max_bytes) {
    return FieldError(field, fmt::format("at most {} bytes", max_bytes));
  }
  return std::string(value.AsString());
}

Result<std::vector<std::string>> ListField(const Value& body, std::string_view field,
                                           size_t max_items, size_t max_bytes) {
  std::vector<std::string> out;
  Value value = body[field];
  if (value.IsNull()) return out;
  if (!value.IsArray()) return FieldError(field, "a list of texts is expected");
  if (value.size() > max_items) return FieldError(field, fmt::format("at most {}", max_items));
  for (const Value& item : value.items()) {
    if (!item.IsString() || item.AsString().empty() || item.AsString().size() > max_bytes) {
      return FieldError(field, fmt::format("texts of 1 to {} bytes are expected", max_bytes));
    }
    out.emplace_back(item.AsString());
  }
  return out;
}

Result<api::Scope> ParseScope(const Value& value) {
  api::Scope scope;
  if (value.IsNull()) return scope;
  if (!value.IsMap()) return FieldError("scope", "an object is expected");
  for (const Value::Entry& entry : value.entries()) {
    std::string_view name = entry.key.AsString();
    if (name != "clusters" && name != "namespaces" && name != "labels") {
      return FieldError("scope", fmt::format("{} is not known", Quote(name)));
    }
  }
  scope.clusters = BW_TRY(ListField(value, "clusters", kMaxPatterns, 253));
  scope.namespaces = BW_TRY(ListField(value, "namespaces", kMaxPatterns, 253));
  for (const auto* list : {&scope.clusters, &scope.namespaces}) {
    if (!std::ranges::all_of(*list, IsScopePattern)) {
      return FieldError("scope", "names or globs of letters, digits and -._:*? are expected");
    }
  }
  Value labels = value["labels"];
  if (labels.IsNull()) return scope;
  if (!labels.IsMap() || labels.size() > kMaxPatterns) {
    return FieldError("scope.labels", "an object of texts is expected");
  }
  for (const Value::Entry& entry : labels.entries()) {
    if (!entry.value.IsString() || entry.key.AsString().empty() ||
        !IsLabelText(entry.key.AsString(), "-._/") ||
        !IsLabelText(entry.value.AsString(), "-._*?")) {
      return FieldError("scope.labels", "labels of Kubernetes are expected");
    }
    scope.labels.emplace_back(entry.key.AsString(), entry.value.AsString());
  }
  return scope;
}

std::string ToRecord(const User& u) {
  return Writer()
      .Text("name", u.name)
      .Text("displayName", u.display_name)
      .Text("email", u.email)
      .Text("provider", u.provider)
      .List("groups", u.groups)
      .Put("disabled", Value::Bool(u.disabled))
      .Put("mustChangePassword", Value::Bool(u.must_change_password))
      .Put("generation", Value::Int(u.generation))
      .Time("createdAt", u.created_us)
      .Time("lastLogin", u.last_login_us)
      .Time("passwordChangedAt", u.password_changed_us)
      .Finish();
}

Result<User> ReadUser(const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(Parse(record, arena));
  User u;
  u.name = record.key;
  u.display_name = v.StringAt("displayName");
  u.email = v.StringAt("email");
  u.provider = v.StringAt("provider");
  u.groups = TextsAt(v, "groups");
  u.disabled = v["disabled"].IsTrue();
  u.must_change_password = v["mustChangePassword"].IsTrue();
  u.generation = v["generation"].ToInt().value_or(0);
  u.created_us = TimeAt(v, "createdAt");
  u.last_login_us = TimeAt(v, "lastLogin");
  u.password_changed_us = TimeAt(v, "passwordChangedAt");
  return u;
}

std::string ToRecord(const Session& s) {
  Writer w;
  w.Text("user", s.user)
      .Text("provider", s.provider)
      .Put("kubernetes", Value::Bool(s.kubernetes))
      .Grants("roles", s.roles)
      .Put("generation", Value::Int(s.generation))
      .Time("createdAt", s.created_us)
      .Time("lastSeen", s.last_seen_us)
      .Time("expires", s.expires_us)
      .Text("address", s.address)
      .Text("userAgent", s.user_agent);
  return w.Finish();
}

Result<Session> ReadSession(const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(Parse(record, arena));
  Session s;
  s.user = v.StringAt("user");
  s.provider = v.StringAt("provider");
  s.kubernetes = v["kubernetes"].IsTrue();
  s.roles = BW_TRY(GrantsAt(v, "roles"));
  s.generation = v["generation"].ToInt().value_or(-1);
  s.created_us = TimeAt(v, "createdAt");
  s.last_seen_us = TimeAt(v, "lastSeen");
  s.expires_us = TimeAt(v, "expires");
  s.address = v.StringAt("address");
  s.user_agent = v.StringAt("userAgent");
  return s;
}

std::string ToRecord(const Token& t) {
  Writer w;
  w.Text("id", t.id)
      .Text("name", t.name)
      .Text("kind", t.machine ? "machine" : "personal")
      .Text("owner", t.owner)
      .Text("createdBy", t.created_by)
      .Text("hash", t.hash)
      .Put("inherit", Value::Bool(t.inherit))
      .Grants("grants", t.grants)
      .Time("createdAt", t.created_us)
      .Time("expires", t.expires_us)
      .Time("lastUsed", t.last_used_us)
      .Text("lastAddress", t.last_address);
  return w.Finish();
}

Result<Token> ReadToken(const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(Parse(record, arena));
  Token t;
  t.id = record.key;
  t.name = v.StringAt("name");
  t.machine = v.StringAt("kind") == "machine";
  t.owner = v.StringAt("owner");
  t.created_by = v.StringAt("createdBy");
  t.hash = v.StringAt("hash");
  t.inherit = v["inherit"].IsTrue();
  t.grants = BW_TRY(GrantsAt(v, "grants"));
  t.created_us = TimeAt(v, "createdAt");
  t.expires_us = TimeAt(v, "expires");
  t.last_used_us = TimeAt(v, "lastUsed");
  t.last_address = v.StringAt("lastAddress");
  return t;
}

std::string ToRecord(const CustomRole& r) {
  return Writer()
      .Text("name", r.name)
      .Text("title", r.title)
      .Text("description", r.description)
      .List("permissions", r.permissions)
      .Put("builtIn", Value::Bool(r.built_in))
      .Finish();
}

Result<CustomRole> ReadRole(const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(Parse(record, arena));
  return CustomRole{.name = record.key,
                    .title = std::string(v.StringAt("title")),
                    .description = std::string(v.StringAt("description")),
                    .permissions = TextsAt(v, "permissions"),
                    .built_in = v["builtIn"].IsTrue()};
}

std::string ToRecord(const GrantRecord& g) {
  Writer w;
  w.Text("id", g.id)
      .Text("subject", g.subject)
      .Text("role", g.grant.role)
      .Put("scope", ScopeValue(g.grant.scope, w.arena()))
      .Text("createdBy", g.created_by)
      .Time("createdAt", g.created_us);
  return w.Finish();
}

Result<GrantRecord> ReadGrant(const store::Record& record) {
  Arena arena;
  Value v = BW_TRY(Parse(record, arena));
  return GrantRecord{.id = record.key,
                     .subject = std::string(v.StringAt("subject")),
                     .grant = {std::string(v.StringAt("role")), BW_TRY(ParseScope(v["scope"]))},
                     .created_by = std::string(v.StringAt("createdBy")),
                     .created_us = TimeAt(v, "createdAt")};
}

const std::vector<store::Collection>& Collections() {
  using store::ColumnType;
  static const std::vector<store::Collection> all = {
      {.name = "users",
       .columns = {{.name = "name", .path = "name", .full_text = true},
                   {.name = "displayname", .path = "displayName", .full_text = true},
                   {.name = "email", .path = "email", .full_text = true},
                   {.name = "provider", .path = "provider", .indexed = true},
                   {.name = "disabled", .path = "disabled", .type = ColumnType::kBool},
                   {.name = "lastlogin", .path = "lastLogin", .type = ColumnType::kTime}}},
      {.name = "sessions",
       .columns =
           {{.name = "user", .path = "user", .indexed = true},
            {.name = "provider", .path = "provider", .indexed = true},
            {.name = "address", .path = "address"},
            {.name = "created", .path = "createdAt", .type = ColumnType::kTime},
            {.name = "lastseen", .path = "lastSeen", .type = ColumnType::kTime},
            {.name = "expires", .path = "expires", .type = ColumnType::kTime, .indexed = true}}},
      {.name = "tokens",
       .columns = {{.name = "name", .path = "name", .full_text = true},
                   {.name = "owner", .path = "owner", .indexed = true},
                   {.name = "kind", .path = "kind"},
                   {.name = "created", .path = "createdAt", .type = ColumnType::kTime},
                   {.name = "lastused", .path = "lastUsed", .type = ColumnType::kTime},
                   {.name = "expires", .path = "expires", .type = ColumnType::kTime}},
       .default_sort = "-created"},
      {.name = "roles",
       .columns = {{.name = "name", .path = "name", .full_text = true},
                   {.name = "builtin", .path = "builtIn", .type = ColumnType::kBool},
                   {.name = "permission", .path = "permissions"}}},
      {.name = "grants",
       .columns = {{.name = "subject", .path = "subject", .indexed = true, .full_text = true},
                   {.name = "role", .path = "role", .indexed = true},
                   {.name = "cluster", .path = "scope.clusters"},
                   {.name = "ns", .path = "scope.namespaces", .aliases = {"namespace"}},
                   {.name = "created", .path = "createdAt", .type = ColumnType::kTime}}},
      {.name = "providers",
       .columns = {{.name = "name", .path = "name"},
                   {.name = "kind", .path = "kind"},
                   {.name = "enabled", .path = "enabled", .type = ColumnType::kBool}}},
  };
  return all;
}

}  // namespace bulwark::auth
