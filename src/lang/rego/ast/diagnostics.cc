#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

std::string Diagnostic::ToString() const {
  std::string out;
  if (!file.empty()) {
    out = file + ":" + std::to_string(at.row) + ": ";
  } else if (at.row != 0) {
    out = std::to_string(at.row) + ":" + std::to_string(at.column) + ": ";
  }
  if (!code.empty()) out.append(code).append(": ");
  out += message;
  for (const std::string& line : details) out.append("\n\t").append(line);
  return out;
}

std::string DiagnosticsText(std::span<const Diagnostic> errors) {
  if (errors.empty()) return "no error(s)";
  if (errors.size() == 1) return "1 error occurred: " + errors[0].ToString();
  std::string out = std::to_string(errors.size()) + " errors occurred:";
  for (const Diagnostic& error : errors) out.append("\n").append(error.ToString());
  return out;
}

}  // namespace bulwark::rego
