#include "platform/auth/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/random.h"

namespace bulwark::auth {
namespace {

constexpr std::string_view kPrefix = "bwk_";
constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kRandom = 43, kChecksum = 6;

Error Malformed(std::string message) {
  return Error(Code::kDenied, "auth.credentials", std::move(message));
}

std::string Checksum(std::string_view random) {
  std::string digest = Sha256("bulwark api token " + std::string(random));
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word = word << 8 | static_cast<uint8_t>(digest[i]);
  std::string out(kChecksum, '0');
  for (size_t i = kChecksum; i-- > 0; word /= 62) out[i] = kDigits[word % 62];
  return out;
}

bool IsTokenCharacter(char c) {
  return IsAsciiLetter(c) || IsAsciiDigit(c) ||
         std::string_view("._~+/=-").find(c) != std::string_view::npos;
}

}  // namespace

Result<std::string> ParseBearer(std::string_view authorization) {
  auto parts = Cut(authorization, " ");
  if (!parts || !EqualsIgnoringCase(parts->first, "bearer")) {
    return Malformed("only bearer tokens are taken in Authorization");
  }
  std::string_view token = Trim(parts->second);
  if (token.empty() || token.size() > 4096 || !std::ranges::all_of(token, IsTokenCharacter)) {
    return Malformed("the bearer token is malformed");
  }
  return std::string(token);
}

Result<std::optional<std::string>> FindCookie(std::string_view header, std::string_view name) {
  std::optional<std::string> found;
  for (std::string_view pair : Split(header, ';')) {
    auto parts = Cut(pair, "=");
    if (!parts || Trim(parts->first) != name) continue;
    std::string_view value = Trim(parts->second);
    if (found && *found != value) return Malformed("the cookie came twice");
    found = std::string(value);
  }
  return found;
}

Result<Credentials> ReadCredentials(const net::ServerRequest& request) {
  Credentials out;
  std::string_view authorization;
  bool seen = false;
  std::optional<std::string> session;
  for (const auto& [name, value] : request.headers) {
    if (name == "authorization") {
      if (seen) return Malformed("several Authorization headers");
      seen = true;
      authorization = value;
    } else if (name == "cookie") {
      std::optional<std::string> cookie = BW_TRY(FindCookie(value, kSessionCookie));
      if (cookie && session && *cookie != *session) return Malformed("the cookie came twice");
      if (cookie) session = std::move(cookie);
    }
  }
  if (seen) {
    out.token = BW_TRY(ParseBearer(authorization));
  } else if (session) {
    out.session = std::move(*session);
  }
  return out;
}

std::string MakeApiToken() {
  std::string random;
  while (random.size() < kRandom) {
    for (char c : crypto::RandomBytes(64)) {
      auto byte = static_cast<uint8_t>(c);
      // 4 * 62: each digit as likely as any other.
      if (byte < 248 && random.size() < kRandom) random += kDigits[byte % 62];
    }
  }
  return std::string(kPrefix) + random + Checksum(random);
}

bool IsApiToken(std::string_view text) {
  if (text.size() != kPrefix.size() + kRandom + kChecksum || !text.starts_with(kPrefix)) {
    return false;
  }
  text.remove_prefix(kPrefix.size());
  return text.find_first_not_of(kDigits) == std::string_view::npos &&
         ConstantTimeEquals(Checksum(text.substr(0, kRandom)), text.substr(kRandom));
}

std::string ApiTokenId(std::string_view token) { return HashOf(token).substr(0, 20); }

std::string HashOf(std::string_view secret) { return Sha256Hex(secret); }

std::string MakeCookie(std::string_view name, std::string_view value,
                       std::optional<int64_t> max_age) {
  std::string out = fmt::format("{}={}; Path=/; Secure; HttpOnly; SameSite=Lax", name, value);
  if (max_age) out += fmt::format("; Max-Age={}", *max_age);
  return out;
}

Result<std::string> EncodeName(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size() && out.size() <= 256;) {
    CodePoint c = DecodeUtf8(name, i);
    std::string_view bytes = name.substr(i, c.length);
    bool plain = c.valid && c.value >= 0x20 && !(c.value >= 0x7f && c.value < 0xa0) &&
                 std::string_view("*?\\%,\"").find(bytes) == std::string_view::npos;
    for (char b : bytes) {
      if (plain)
        out += b;
      else
        out += fmt::format("%{:02X}", static_cast<uint8_t>(b));
    }
    i += c.length;
  }
  if (out.empty() || out.size() > 256) {
    return Error(Code::kInvalid, "auth.name", "a name is empty or longer than 256 bytes",
                 {{"limit", "256"}});
  }
  return out;
}

bool IsLocalName(std::string_view name) {
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || IsAsciiDigit(c); };
  return !name.empty() && name.size() <= 63 && plain(name[0]) &&
         std::ranges::all_of(name,
                             [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

std::string SafeNext(std::string_view next) {
  // Browsers take "\" for "/", and drop tabs and newlines.
  bool safe = next.size() <= 1024 && next.starts_with('/') && !next.starts_with("//") &&
              std::ranges::all_of(next, [](char c) { return c > 0x20 && c < 0x7f && c != '\\'; });
  return safe ? std::string(next) : "/";
}

}  // namespace bulwark::auth
