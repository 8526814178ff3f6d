#include "features/admission/print_host.h"

namespace bulwark::admission {

void PrintHost::Print(std::string_view text, std::string_view) {
  if (truncated_) return;
  std::string line(text);
  line += '\n';
  std::string_view taken = std::string_view(line).substr(0, kMost - written_);
  out_ += taken;
  written_ += taken.size();
  if (taken.size() < line.size()) {
    truncated_ = true;
    out_ += "\n... additional print output truncated ...\n";
  }
}

}  // namespace bulwark::admission
