#pragma once

// The log's last lines, for a support bundle. Thread-safe.

#include <string>
#include <string_view>

namespace bulwark {

// A LogSettings::sink: writes the line to stderr, and remembers it.
void RememberLog(std::string_view line);
// The last 5,000 lines.
std::string RecentLog();

}  // namespace bulwark
