#include "model/record.h"

#include "base/time.h"

namespace bulwark {

Value ToValue(const Asset& asset, Arena& arena) {
  MapBuilder out(arena);
  auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out.Add(name, Value::String(arena, value));
  };
  add("cluster", asset.cluster);
  add("group", asset.group);
  add("version", asset.version);
  out.Add("kind", Value::String(arena, asset.kind));
  add("namespace", asset.ns);
  out.Add("name", Value::String(arena, asset.name));
  return out.Finish();
}

Asset AssetOf(const Value& record) {
  auto text = [&](std::string_view name) { return std::string(record.StringAt(name)); };
  return {.cluster = text("cluster"),
          .group = text("group"),
          .version = text("version"),
          .kind = text("kind"),
          .ns = text("namespace"),
          .name = text("name")};
}

std::string FormatTime(int64_t us) {
  int64_t seconds = us / 1'000'000, rest = us % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  return FormatRfc3339({seconds, static_cast<int32_t>(rest * 1000)});
}

int64_t ParseTime(std::string_view text) {
  auto time = ParseRfc3339(text);
  return time ? time->seconds * 1'000'000 + time->nanos / 1000 : 0;
}

int64_t NowUs() {
  Timestamp now = Now();
  return now.seconds * 1'000'000 + now.nanos / 1000;
}

}  // namespace bulwark
