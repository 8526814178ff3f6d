#pragma once

// Bytes → ServerRequest: Beast's HTTP/1.1 parser, and everything it lets pass that could be read in
// two ways (RFC 9112, sections 3, 5, 6 and 11.2). Private to the server; one object a connection.
// What it refuses has a status and a reason for the client. Not thread-safe.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace bulwark::net {

class RequestParser {
 public:
  enum class State { kHead, kBody, kDone, kFailed };

  explicit RequestParser(const HttpLimits& limits);
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;
  ~RequestParser();

  // For the next request of the connection.
  void Reset();
  // Reads what it can of `bytes`, and returns how many; call again with the rest and more. Stops
  // after the head (kBody, or kDone where there is no body) and after the request (kDone). `full`:
  // there is no room for more, so what is still incomplete is too long.
  size_t Feed(std::string_view bytes, bool full = false);

  State state() const;
  int status() const;                 // where kFailed
  const std::string& reason() const;  // the same
  ServerRequest& request();

  // From the head.
  void set_max_body(size_t bytes);
  size_t max_body() const;
  std::optional<uint64_t> content_length() const;
  bool keep_alive() const;
  bool expects_continue() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "/a%2Fb/c" → "a/b", "c". An error's message says what is wrong with it.
Result<std::vector<std::string>> DecodePath(std::string_view path);
// "a=1&b=x+y" → in order; at most `max` of them.
Result<std::vector<std::pair<std::string, std::string>>> DecodeQuery(std::string_view query,
                                                                     size_t max);
// A token of RFC 9110, section 5.6.2: what header names and methods are.
bool IsHttpToken(std::string_view text);
// What may stand in a header's value: no controls but tab.
bool IsHeaderValue(std::string_view text);

}  // namespace bulwark::net
