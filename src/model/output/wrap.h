#pragma once

// Text in lines of a terminal.

#include <string>
#include <string_view>
#include <vector>

namespace bulwark::output {

// Breaks text into lines of at most `columns` display columns: at spaces, between East Asian
// characters (never before closing punctuation), and inside a word only where it fits no line. No
// text gives one empty line.
std::vector<std::string> Wrap(std::string_view text, size_t columns);

}  // namespace bulwark::output
