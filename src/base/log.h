#pragma once

// A thin structured log: an event name, typed fields, one line each, on stderr unless told
// otherwise.
//
//   Log(Level::kWarn, "scan.layer.skipped", {{"digest", digest}, {"bytes", size}});
//   Log(Level::kError, "store.open.failed", {{"path", path}, {"error", error}});
//   Log(Level::kInfo, "kube.connected", {{"server", url}, {"token", Secret(token)}});
//
// The name is a stable id, lower case with points, that users filter by; it is not prose. A
// Secret's text never reaches the log, only its length. Strings are escaped for the terminal and
// for JSON, and cut after 4096 bytes.
//
// Lines are JSON ({"time":…,"level":…,"event":…,fields…}) or, for people, "time LEVEL event
// key=value". A line is written with one call, so that lines of several threads and processes do
// not mix. Below the level that is set, nothing is formatted. Safe from any thread.

#include <concepts>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace bulwark {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat : uint8_t { kText, kJson };

// "debug", "info", "warn", "error", "off".
Result<Level> ParseLevel(std::string_view name);

// A text that must not be shown. The log writes "[redacted, 12 bytes]".
struct Secret {
  explicit Secret(std::string_view text) : size(text.size()) {}
  size_t size;
};

struct LogField {
  template <typename T>
  LogField(std::string_view n, T&& v) : name(n), value(Wrap(std::forward<T>(v))) {}

  std::string_view name;
  std::variant<std::string, int64_t, uint64_t, double, bool, Secret> value;

 private:
  using Any = decltype(value);
  static Any Wrap(bool v) { return v; }
  template <std::signed_integral T>
  static Any Wrap(T v) {
    return static_cast<int64_t>(v);
  }
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  static Any Wrap(T v) {
    return static_cast<uint64_t>(v);
  }
  static Any Wrap(double v) { return v; }
  static Any Wrap(std::string_view v) { return std::string(v); }
  static Any Wrap(const std::string& v) { return v; }
  static Any Wrap(const char* v) { return std::string(v); }
  static Any Wrap(const Error& v) { return v.ToString(); }
  static Any Wrap(Secret v) { return v; }
};

struct LogSettings {
  Level level = Level::kInfo;
  LogFormat format = LogFormat::kText;
  // Where a line, newline included, goes; stderr where empty. Called from any thread, one at a
  // time.
  std::function<void(std::string_view line)> sink;
};

// For the start of a process and for tests; lines of other threads may still go by the old
// settings.
void SetLog(LogSettings settings);
bool LogEnabled(Level level);
void Log(Level level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace bulwark
