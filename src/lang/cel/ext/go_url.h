#pragma once

// URLs as Go's net/url reads and writes them (Go 1.24.8 and later, which Kubernetes 1.34 is built
// with), since Kubernetes' url() and format.uri() promise just that.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bulwark::cel::ext {

struct GoUrl {
  std::string scheme, opaque, host, path, raw_path, raw_query, fragment, raw_fragment;
  bool has_user = false, has_password = false, force_query = false, omit_host = false;
  std::string username, password;

  // url.Parse and url.ParseRequestURI; the errors' messages are theirs.
  static Result<GoUrl> Parse(std::string_view text);
  static Result<GoUrl> ParseRequestUri(std::string_view text);

  std::string EscapedPath() const;
  std::string EscapedFragment() const;
  std::string Hostname() const;  // without brackets and port
  std::string Port() const;      // "" if there is none, or it is not a number
  std::string ToString() const;
  // Names and values in order, percent-decoded; pairs that cannot be decoded are left out. None
  // where there are more than 10,000.
  std::vector<std::pair<std::string, std::string>> Query() const;
};

}  // namespace bulwark::cel::ext
