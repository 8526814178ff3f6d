#pragma once

// The web console, as it stands inside the program: what a browser asks for, and its bytes.
//
//   api.SetConsole(ConsoleFiles());
//
// Paths begin with a slash: "/index.html", "/favicon.svg", "/assets/index-B7xk2.js". What stands in
// /assets/ has a hash of its content in its name. Nothing needs more of a content security policy
// than kConsolePolicy: no inline script or style, no eval, no other host.
//
// The bytes live as long as the program. Safe from any thread.

#include <map>
#include <string>
#include <string_view>

namespace bulwark {

inline constexpr std::string_view kConsolePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const std::map<std::string, std::string_view>& ConsoleFiles();

// Of a file that console/scripts/pack.mjs made. It is the program's own: anything wrong with it is
// our bug.
std::map<std::string, std::string_view> UnpackConsole(std::string_view pack);

}  // namespace bulwark
