#include "app/server/recent_log.h"

#include <unistd.h>

#include <deque>
#include <mutex>

namespace bulwark {

namespace {

constexpr size_t kLines = 5000;

struct Recent {
  std::mutex mutex;
  std::deque<std::string> lines;
};
Recent& TheRecent() {
  static Recent* recent = new Recent;  // outlives every thread that logs
  return *recent;
}

}  // namespace

void RememberLog(std::string_view line) {
  // A line that cannot be written has nowhere else to go.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  Recent& recent = TheRecent();
  std::lock_guard lock(recent.mutex);
  recent.lines.emplace_back(line);
  if (recent.lines.size() > kLines) recent.lines.pop_front();
}

std::string RecentLog() {
  Recent& recent = TheRecent();
  std::lock_guard lock(recent.mutex);
  std::string out;
  for (const std::string& line : recent.lines) out += line;
  return out;
}

}  // namespace bulwark
