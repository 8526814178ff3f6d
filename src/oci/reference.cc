#include "oci/reference.h"

#include <algorithm>

namespace bulwark::oci {

namespace {

bool IsLower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
bool IsWord(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

// path-component := alpha-numeric [separator alpha-numeric]*, separator := [_.] | __ | [-]*
bool IsComponent(std::string_view part) {
  if (part.empty() || !IsLower(part.front()) || !IsLower(part.back())) return false;
  for (size_t i = 0; i < part.size();) {
    if (IsLower(part[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < part.size() && part[end] == part[i]) ++end;
    bool dashes = part[i] == '-';
    bool dot = part[i] == '.' && end - i == 1;
    bool underscores = part[i] == '_' && end - i <= 2;
    if (!(dashes || dot || underscores) || end == part.size() || !IsLower(part[end])) return false;
    i = end;
  }
  return true;
}

bool IsRepository(std::string_view path) {
  if (path.size() > 255) return false;
  for (;;) {
    size_t slash = path.find('/');
    if (!IsComponent(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

// host[:port], host a name, an IPv4 address or [IPv6].
bool IsRegistry(std::string_view text) {
  std::string_view host = text;
  if (host.starts_with('[')) {
    size_t close = host.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    auto inside = host.substr(1, close - 1);
    if (!std::all_of(inside.begin(), inside.end(), [](char c) {
          return IsHex(c) || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
        })) {
      return false;
    }
    host.remove_prefix(close + 1);
  } else {
    size_t colon = host.find(':');
    std::string_view name = host.substr(0, colon);
    if (name.empty() || name.front() == '-' || name.back() == '-' || name.back() == '.' ||
        !std::all_of(name.begin(), name.end(),
                     [](char c) { return (IsWord(c) && c != '_') || c == '-' || c == '.'; })) {
      return false;
    }
    host = colon == std::string_view::npos ? "" : host.substr(colon);
  }
  if (host.empty()) return true;
  host.remove_prefix(1);
  return !host.empty() && host.size() <= 5 &&
         std::all_of(host.begin(), host.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsTag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && IsWord(tag.front()) &&
         std::all_of(tag.begin(), tag.end(),
                     [](char c) { return IsWord(c) || c == '.' || c == '-'; });
}

bool IsDigest(std::string_view digest) {
  size_t colon = digest.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view algorithm = digest.substr(0, colon);
  std::string_view hex = digest.substr(colon + 1);
  size_t length = algorithm == "sha256"   ? 64
                  : algorithm == "sha384" ? 96
                  : algorithm == "sha512" ? 128
                                          : 0;
  return hex.size() == length && length != 0 && std::all_of(hex.begin(), hex.end(), IsHex);
}

}  // namespace

std::string_view Reference::name() const {
  std::string_view all = repository;
  return all.substr(all.rfind('/') + 1);
}

std::optional<Reference> ParseReference(std::string_view text) {
  Reference out;
  if (size_t at = text.find('@'); at != std::string_view::npos) {
    out.digest = text.substr(at + 1);
    if (!IsDigest(out.digest)) return std::nullopt;
    text = text.substr(0, at);
  }
  size_t slash = text.rfind('/');
  size_t colon = text.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    out.tag = text.substr(colon + 1);
    if (!IsTag(out.tag)) return std::nullopt;
    text = text.substr(0, colon);
  }
  size_t first = text.find('/');
  std::string_view head = text.substr(0, first);
  bool has_registry =
      first != std::string_view::npos &&
      (head.find_first_of(".:[") != std::string_view::npos || head == "localhost" ||
       std::any_of(head.begin(), head.end(), [](char c) { return c >= 'A' && c <= 'Z'; }));
  if (has_registry) {
    if (!IsRegistry(head)) return std::nullopt;
    out.registry = head;
    out.repository = text.substr(first + 1);
  } else {
    out.registry = "docker.io";
    out.repository = text;
  }
  if (out.registry == "index.docker.io") out.registry = "docker.io";
  if (!IsRepository(out.repository)) return std::nullopt;
  if (out.registry == "docker.io" && out.repository.find('/') == std::string::npos) {
    out.repository.insert(0, "library/");
  }
  return out;
}

}  // namespace bulwark::oci
