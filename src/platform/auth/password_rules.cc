#include "platform/auth/password_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/text.h"
#include "crypto/password.h"

namespace bulwark::embedded {
std::string_view common_passwords();
}

namespace bulwark::auth {
namespace {

const std::set<std::string_view>& Common() {
  static const std::set<std::string_view> all = [] {
    std::set<std::string_view> out;
    for (std::string_view line : SplitLines(embedded::common_passwords())) {
      if (!line.empty() && line[0] != '#') out.insert(line);
    }
    return out;
  }();
  return all;
}

// "abcabcabcabc", "aaaaaaaaaaaa", "123412341234".
bool Repeats(std::string_view text) {
  for (size_t period = 1; period <= 4; ++period) {
    bool all = true;
    for (size_t i = period; i < text.size() && all; ++i) all = text[i] == text[i - period];
    if (all) return true;
  }
  return false;
}

// "abcdefghijkl", "987654321098", "qwertyuiopas": a stretch of what lies in a row.
bool Runs(std::string_view text) {
  static constexpr std::string_view kRows[] = {
      "01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm",
      "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "1q2w3e4r5t6y7u8i9o0p"};
  for (std::string_view row : kRows) {
    std::string back(row.rbegin(), row.rend());
    if (row.find(text) != std::string_view::npos || back.find(text) != std::string::npos) {
      return true;
    }
  }
  return false;
}

// As people dress a word up: p@ssw0rd is password.
std::string Undress(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '@':
      case '4': out += 'a'; break;
      case '0': out += 'o'; break;
      case '1':
      case '!': out += 'i'; break;
      case '3': out += 'e'; break;
      case '5':
      case '$': out += 's'; break;
      case '7': out += 't'; break;
      default: out += c;
    }
  }
  return out;
}

bool IsCommon(std::string_view lower) {
  if (Common().contains(lower) || Repeats(lower) || Runs(lower)) return true;
  // A common one with digits and signs before or after it.
  auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  std::string undressed = Undress(lower);
  auto bare = [&](std::string_view text) {
    while (!text.empty() && !letter(text.back())) text.remove_suffix(1);
    while (!text.empty() && !letter(text.front())) text.remove_prefix(1);
    return text;
  };
  std::string_view core = bare(lower);
  return Common().contains(core) || Common().contains(undressed) ||
         Common().contains(bare(undressed)) || Common().contains(Undress(core));
}

}  // namespace

Result<> CheckPassword(std::string_view password, std::string_view user_name) {
  if (password.size() > crypto::kMaxPasswordBytes) {
    return Error(Code::kInvalid, "auth.password_long",
                 fmt::format("the password has more than {} bytes", crypto::kMaxPasswordBytes),
                 {{"limit", std::to_string(crypto::kMaxPasswordBytes)}});
  }
  if (!IsUtf8(password) ||
      std::ranges::any_of(password, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; })) {
    return Error(Code::kInvalid, "auth.password_text",
                 "the password is not text, or has control characters in it");
  }
  if (CountCodePoints(password) < kMinPasswordCharacters) {
    return Error(Code::kInvalid, "auth.password_short",
                 fmt::format("the password has fewer than {} characters", kMinPasswordCharacters),
                 {{"limit", std::to_string(kMinPasswordCharacters)}});
  }
  std::string lower = AsciiLower(password);
  if (IsCommon(lower)) {
    return Error(Code::kInvalid, "auth.password_common",
                 "the password is one of those that are tried first");
  }
  std::string name = AsciiLower(user_name);
  if (name.size() >= 3 && lower.find(name) != std::string::npos &&
      ReplaceAll(lower, name, "").size() < 8) {
    return Error(Code::kInvalid, "auth.password_name", "the password is made of the user's name");
  }
  return Ok{};
}

}  // namespace bulwark::auth
