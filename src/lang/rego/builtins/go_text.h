#pragma once

// Text as Go's standard library reads and writes it, where policies can see the difference: quoted
// strings, Base64 with its errors, PEM blocks, URLs. Pure functions; errors carry Go's messages.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

// strconv.Quote: "a\n\x00é".
std::string GoQuote(std::string_view text);
// strconv.FormatFloat(number, 'f' or 'g', -1, 64).
std::string GoFloat(double number, char format);

// encoding/base64: '=' as told, line breaks passed over, unused bits may be anything. Fails with
// "illegal base64 data at input byte 4".
enum class GoBase64 { kStandard, kStandardRaw, kUrl, kUrlRaw };
Result<std::string> DecodeGoBase64(std::string_view text, GoBase64 encoding);

// encoding/pem: the next block, wherever it is, and what follows it.
struct PemBlock {
  std::string type;
  bool headers = false;  // it has some: "Proc-Type: 4,ENCRYPTED"
  std::string bytes;
};
std::optional<PemBlock> DecodePem(std::string_view text, std::string_view* rest);
std::string EncodePem(std::string_view type, std::string_view bytes);

// net/url.
struct GoUrl {
  std::string scheme, opaque;
  bool has_user = false;
  std::string user;  // as written: "name:password"
  std::string host;  // with its port
  std::string path, raw_path;
  bool omit_host = false;  // "scheme:///path" without authority
  bool force_query = false;
  std::string raw_query;
  std::string fragment, raw_fragment;

  // Fails with `parse "…": …`.
  static Result<GoUrl> Parse(std::string_view text);
  std::string EscapedPath() const;
  std::string EscapedFragment() const;
  std::string HostName() const;  // without port and brackets
  std::string ToString() const;
  // RFC 3986 section 5.2.
  GoUrl Resolve(const GoUrl& reference) const;
};

// encoding/json's Marshal of what a value is in JSON: keys sorted, < > & and the line separators
// escaped, sets as arrays, keys that are no strings as the text of their JSON.
// `plain_numbers`: every number as a float64 spells it, so that equal ones look equal.
std::string GoJson(const Value& value, bool plain_numbers = false);

// url.QueryEscape
std::string GoQueryEscape(std::string_view text);

}  // namespace bulwark::rego
