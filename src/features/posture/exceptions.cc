#include "features/posture/exceptions.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/arena.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/yaml.h"
#include "kube/object.h"

namespace bulwark::posture {

namespace {

constexpr std::string_view kAnnotation = "except.bulwark.io/";
constexpr std::string_view kKeys[] = {"check", "namespace", "kind",  "name",   "labels",
                                      "image", "reason",    "owner", "expires"};

Error Wrong(const std::string& where, std::string_view what) {
  return Error(Code::kInvalid, "exceptions.invalid", fmt::format("{}: {}", where, what));
}

// Seconds since 1970 at which an expiry takes effect: a time at once, a date at its end.
Result<int64_t> ParseExpiry(std::string_view text, const std::string& where) {
  bool date_only = text.size() == 10;
  auto time = ParseRfc3339(date_only ? std::string(text) + "T00:00:00Z" : std::string(text));
  if (!time) {
    return Wrong(where, fmt::format("expires must be a date such as 2027-06-30, not \"{}\"", text));
  }
  return time->seconds + (date_only ? 24 * 3600 : 0);
}

// No pattern, or one that matches. Names hold no separators that a star must stop at.
bool Matches(const std::string& pattern, std::string_view text) {
  if (pattern.empty()) return true;
  if (pattern.find_first_of("*?\\") == std::string::npos) return pattern == text;
  return GlobMatch(pattern, text, '\0');
}

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& p) { return Matches(p, text); });
}

}  // namespace

Result<Exceptions> Exceptions::Parse(std::string_view yaml, const std::string& origin,
                                     int64_t now) {
  Exceptions out;
  out.now_ = now;
  Arena arena;
  SourceMap positions;
  auto parsed = ParseYaml(yaml, arena, {.duplicate_keys = false}, &positions);
  if (!parsed) return std::move(parsed).error().While("reading exceptions from " + origin);
  const Value& root = *parsed;
  if (root.IsNull()) return out;
  if (!root.IsMap()) return Wrong(origin, "expected a map with `exceptions`");
  auto where_of = [&](const Value& slot) {
    auto at = positions.Of(&slot);
    return at ? fmt::format("{}:{}", origin, at->line) : origin;
  };
  for (const auto& entry : root.entries()) {
    if (entry.key != Value::String("exceptions") && entry.key != Value::String("annotations")) {
      return Wrong(where_of(entry.value),
                   fmt::format("unknown key \"{}\"; expected exceptions or annotations",
                               entry.key.AsString()));
    }
  }
  if (const Value* list = root.Find("exceptions")) {
    if (!list->IsArray() && !list->IsNull()) {
      return Wrong(where_of(*list), "exceptions must be a list");
    }
    for (const Value& item : list->items()) {
      std::string where = where_of(item);
      if (!item.IsMap()) return Wrong(where, "an exception must be a map");
      for (const auto& [key, value] : item.entries()) {
        std::string_view name = key.AsString();
        if (std::find(std::begin(kKeys), std::end(kKeys), name) == std::end(kKeys)) {
          std::string_view meant = DidYouMean(name, kKeys);
          return Wrong(
              where,
              fmt::format("unknown key \"{}\"{}", name,
                          meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
        }
        if (name != "labels" && !value.IsString()) {
          return Wrong(where, fmt::format("{} must be a string", name));
        }
      }
      Rule rule;
      rule.check = item.StringAt("check");
      rule.ns = item.StringAt("namespace");
      rule.kind = item.StringAt("kind");
      rule.name = item.StringAt("name");
      rule.image = item.StringAt("image");
      rule.excused = {.reason = std::string(item.StringAt("reason")),
                      .owner = std::string(item.StringAt("owner")),
                      .expires = std::string(item.StringAt("expires"))};
      rule.where = where;
      if (rule.check.empty()) return Wrong(where, "check is missing (\"*\" for every check)");
      if (rule.excused.reason.empty()) return Wrong(where, "reason is missing");
      if (rule.excused.owner.empty()) return Wrong(where, "owner is missing");
      Value labels = item["labels"];
      if (!labels.IsNull() && !labels.IsMap()) return Wrong(where, "labels must be a map");
      for (const auto& [key, value] : labels.entries()) {
        if (!value.IsString()) return Wrong(where, "the values of labels must be strings");
        rule.labels.emplace_back(key.AsString(), value.AsString());
      }
      if (!rule.excused.expires.empty()) {
        int64_t expiry = BW_TRY(ParseExpiry(rule.excused.expires, where));
        rule.expired = expiry <= now;
      }
      out.rules_.push_back(std::move(rule));
    }
  }
  if (const Value* annotations = root.Find("annotations")) {
    for (std::string_view key : {"allow", "namespaces"}) {
      Value list = (*annotations)[key];
      if (!list.IsNull() && !list.IsArray()) {
        return Wrong(where_of(*annotations), fmt::format("{} must be a list", key));
      }
      for (const Value& item : list.items()) {
        if (!item.IsString())
          return Wrong(where_of(item), fmt::format("{} must be a list of strings", key));
        (key == "allow" ? out.allow_ : out.namespaces_).emplace_back(item.AsString());
      }
    }
  }
  return out;
}

void Exceptions::Add(Given exception) {
  Rule rule;
  static_cast<Given&>(rule) = std::move(exception);
  rules_.push_back(std::move(rule));
}

void Exceptions::AllowAnnotations(std::vector<std::string> checks,
                                  std::vector<std::string> namespaces, int64_t now) {
  allow_ = std::move(checks);
  namespaces_ = std::move(namespaces);
  now_ = now;
}

bool Exceptions::Mention(std::string_view check) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const Rule& rule) { return Matches(rule.check, check); }) ||
         MatchesAny(allow_, check);
}

std::optional<Excused> Exceptions::Find(std::string_view check, const Asset& asset,
                                        const Value& object, std::string_view image,
                                        std::span<const std::string_view> all_images) const {
  Value labels = kube::Object(object).labels();
  for (const Rule& rule : rules_) {
    if (!Matches(rule.check, check) || !Matches(rule.ns, asset.ns) ||
        !Matches(rule.kind, asset.kind) || !Matches(rule.name, asset.name)) {
      continue;
    }
    if (!std::all_of(rule.labels.begin(), rule.labels.end(), [&](const auto& label) {
          const Value* value = labels.Find(label.first);
          return value != nullptr && value->IsString() && Matches(label.second, value->AsString());
        })) {
      continue;
    }
    if (!rule.image.empty()) {
      bool any = image.empty()
                     ? std::any_of(all_images.begin(), all_images.end(),
                                   [&](std::string_view i) { return Matches(rule.image, i); })
                     : Matches(rule.image, image);
      if (!any) continue;
    }
    rule.used->store(true, std::memory_order_relaxed);
    if (!rule.expired) return rule.excused;
  }
  if (allow_.empty() || !MatchesAny(allow_, check)) return std::nullopt;
  if (!namespaces_.empty() && !MatchesAny(namespaces_, asset.ns)) return std::nullopt;
  std::string_view text =
      kube::Object(object).annotations().StringAt(std::string(kAnnotation) + std::string(check));
  if (text.empty()) return std::nullopt;
  Excused excused{.by_owner = true};
  for (std::string_view part : Split(text, ';')) {
    part = Trim(part);
    auto setting = Cut(part, "=");
    if (setting && setting->first == "owner") {
      excused.owner = setting->second;
    } else if (setting && setting->first == "expires") {
      excused.expires = setting->second;
    } else if (excused.reason.empty()) {
      excused.reason = part;
    }
  }
  // An exception without a reason, or with an expiry that says nothing, is none.
  if (excused.reason.empty()) return std::nullopt;
  if (!excused.expires.empty()) {
    auto expiry = ParseExpiry(excused.expires, "annotation");
    if (!expiry || *expiry <= now_) return std::nullopt;
  }
  return excused;
}

std::vector<std::string> Exceptions::Warnings() const {
  std::vector<std::string> out;
  for (const Rule& rule : rules_) {
    if (rule.expired) {
      out.push_back(fmt::format("{}: the exception for {} expired on {}", rule.where, rule.check,
                                rule.excused.expires));
    }
    if (!rule.used->load(std::memory_order_relaxed)) {
      out.push_back(
          fmt::format("{}: the exception for {} matches nothing", rule.where, rule.check));
    }
  }
  return out;
}

}  // namespace bulwark::posture
