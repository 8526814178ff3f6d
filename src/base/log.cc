#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <mutex>

#include "base/text.h"
#include "base/time.h"

namespace bulwark {

namespace {

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error", "off"};
constexpr size_t kMaxText = 4096;

struct State {
  std::mutex mutex;
  LogSettings settings;
};

// Never destroyed: threads may log while the process ends.
State& TheState() {
  static State* state = new State;
  return *state;
}
std::atomic<Level> the_level = Level::kInfo;

// Cut where a code point ends.
std::string_view Shorten(std::string_view text) {
  if (text.size() <= kMaxText) return text;
  size_t length = kMaxText;
  while (length > 0 && (static_cast<uint8_t>(text[length]) & 0xc0) == 0x80) --length;
  return text.substr(0, length);
}

// A JSON string; controls that could deceive a terminal are escaped there too.
void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    if (c.value == '"' || c.value == '\\') {
      out += '\\';
      out += text[at];
    } else if (!c.valid || c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa0) ||
               (c.value >= 0x2028 && c.value <= 0x202e)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<uint32_t>(c.value));
    } else {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
  out += '"';
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (char c : text) {
    if (static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f || c == '"' ||
        c == '=' || c == '\\') {
      return true;
    }
  }
  return false;
}

void AppendValue(std::string& out, const LogField& field, bool json) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          std::string_view text = Shorten(value);
          if (json || NeedsQuotes(text)) {
            AppendQuoted(out, text);
          } else {
            out += text;
          }
        } else if constexpr (std::is_same_v<T, Secret>) {
          AppendQuoted(out, fmt::format("[redacted, {} bytes]", value.size));
        } else if constexpr (std::is_same_v<T, double>) {
          if (json && !std::isfinite(value)) {
            out += "null";
          } else {
            fmt::format_to(std::back_inserter(out), "{}", value);
          }
        } else {
          fmt::format_to(std::back_inserter(out), "{}", value);
        }
      },
      field.value);
}

std::string FormatLine(LogFormat format, Level level, std::string_view event,
                       std::initializer_list<LogField> fields) {
  std::string_view name = kNames[static_cast<size_t>(level)];
  Timestamp now = Now();
  now.nanos -= now.nanos % 1'000'000;
  std::string time = FormatRfc3339(now);
  bool json = format == LogFormat::kJson;
  std::string out;
  if (json) {
    out = fmt::format(R"({{"time":"{}","level":"{}","event":)", time, name);
    AppendQuoted(out, event);
  } else {
    out = fmt::format("{} {:5} {}", time, AsciiUpper(name), EscapeForTerminal(event));
  }
  for (const LogField& field : fields) {
    out += json ? "," : " ";
    if (json) {
      AppendQuoted(out, field.name);
    } else {
      out += EscapeForTerminal(field.name);
    }
    out += json ? ':' : '=';
    AppendValue(out, field, json);
  }
  out += json ? "}\n" : "\n";
  return out;
}

}  // namespace

Result<Level> ParseLevel(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (EqualsIgnoringCase(name, kNames[i])) return static_cast<Level>(i);
  }
  return Error(Code::kInvalid, "log.level",
               "no log level " + Quote(name) + "; expected debug, info, warn, error or off");
}

void SetLog(LogSettings settings) {
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  the_level = settings.level;
  state.settings = std::move(settings);
}

bool LogEnabled(Level level) { return level >= the_level.load(std::memory_order_relaxed); }

void Log(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level) || level == Level::kOff) return;
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  std::string line = FormatLine(state.settings.format, level, event, fields);
  if (state.settings.sink) {
    state.settings.sink(line);
    return;
  }
  // A log that cannot be written has nobody to be told to.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace bulwark
