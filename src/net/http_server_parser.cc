#include "net/http_server_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/text.h"

namespace bulwark::net {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BoostView = boost::beast::string_view;

namespace {

std::string_view View(BoostView text) { return {text.data(), text.size()}; }

int HexDigit(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  c = AsciiLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// %XX undone; nothing where an escape is malformed, or what comes out holds NUL or no UTF-8.
std::optional<std::string> Unescape(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus && text[i] == '+' ? ' ' : text[i];
    }
  }
  if (out.find('\0') != std::string::npos || !IsUtf8(out)) return std::nullopt;
  return out;
}

bool IsHost(std::string_view host) {
  return !host.empty() && host.size() <= 261 && std::all_of(host.begin(), host.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '.' || c == '-' || c == '_' || c == ':' ||
           c == '[' || c == ']';
  });
}

Error Malformed(std::string message) {
  return Error(Code::kInvalid, "http.malformed", std::move(message));
}

}  // namespace

bool IsHttpToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool IsHeaderValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    auto u = static_cast<unsigned char>(c);
    return (u >= 0x20 && u != 0x7f) || u == '\t';
  });
}

Result<std::vector<std::string>> DecodePath(std::string_view path) {
  std::vector<std::string> out;
  if (path.empty() || path[0] != '/') return Malformed("the path does not begin with /");
  if (path == "/") return out;
  for (std::string_view part : Split(path.substr(1), '/')) {
    auto plain = Unescape(part, false);
    if (!plain) return Malformed("the path has a malformed escape, a NUL or is not UTF-8");
    if (*plain == "." || *plain == "..") return Malformed("the path has a dot segment");
    out.push_back(*std::move(plain));
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> DecodeQuery(std::string_view query,
                                                                     size_t max) {
  std::vector<std::pair<std::string, std::string>> out;
  if (query.empty()) return out;
  for (std::string_view pair : Split(query, '&')) {
    if (pair.empty()) continue;
    auto parts = Cut(pair, "=");
    auto key = Unescape(parts ? parts->first : pair, true);
    auto value = Unescape(parts ? parts->second : std::string_view(), true);
    if (!key || !value) {
      return Malformed("the query has a malformed escape, a NUL or is not UTF-8");
    }
    if (out.size() == max) return Malformed(fmt::format("more than {} query parameters", max));
    out.emplace_back(*std::move(key), *std::move(value));
  }
  return out;
}

struct RequestParser::Impl {
  // What Beast calls.
  class Parser final : public http::basic_parser<true> {
   public:
    explicit Parser(Impl& impl) : impl_(impl) {
      body_limit(boost::none);
      header_limit(
          static_cast<uint32_t>(std::min<size_t>(impl.limits.max_header_bytes, size_t{1} << 24)));
    }

   private:
    void on_request_impl(http::verb, BoostView method, BoostView target, int version,
                         error_code&) override {
      impl_.request.method = View(method);
      impl_.request.target = View(target);
      impl_.request.version = version;
    }
    void on_field_impl(http::field, BoostView name, BoostView value, error_code& ec) override {
      if (++impl_.fields > impl_.limits.max_headers) {
        return Fail(ec, 431, fmt::format("more than {} headers", impl_.limits.max_headers));
      }
      if (!IsHeaderValue(View(value))) return Fail(ec, 400, "a header's value has a control");
      if (impl_.state != State::kHead) return;  // a trailer: nobody asked for it
      impl_.request.headers.emplace_back(AsciiLower(View(name)), std::string(View(value)));
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(boost::optional<uint64_t> const&, error_code&) override {}
    size_t on_body_impl(BoostView body, error_code& ec) override { return Take(body, ec); }
    void on_chunk_header_impl(uint64_t size, BoostView, error_code& ec) override {
      if (size > impl_.max_body - std::min(impl_.max_body, impl_.request.body.size())) TooBig(ec);
      // Chunks of a byte each cost a hundred times what they carry.
      if (++impl_.chunks > 4096 + impl_.request.body.size() / 64) {
        Fail(ec, 400, "too many small chunks");
      }
    }
    size_t on_chunk_body_impl(uint64_t, BoostView body, error_code& ec) override {
      return Take(body, ec);
    }
    void on_finish_impl(error_code&) override {}
    void on_response_impl(int, BoostView, int, error_code&) override {}

    size_t Take(BoostView body, error_code& ec) {
      if (body.size() > impl_.max_body - std::min(impl_.max_body, impl_.request.body.size())) {
        TooBig(ec);
        return 0;
      }
      impl_.request.body.append(body.data(), body.size());
      return body.size();
    }
    void TooBig(error_code& ec) {
      Fail(ec, 413, fmt::format("the body has more than {} bytes", impl_.max_body));
    }
    void Fail(error_code& ec, int with, std::string why) {
      impl_.Fail(with, std::move(why));
      ec = http::error::bad_value;
    }
    Impl& impl_;
  };

  explicit Impl(const HttpLimits& l) : limits(l) { Reset(); }

  void Reset() {
    parser.emplace(*this);
    state = State::kHead;
    status = 0;
    reason.clear();
    request = {};
    fields = chunks = head_bytes = 0;
    max_body = limits.max_body_bytes;
    expects_continue = false;
  }

  void Fail(int with, std::string why) {
    if (state == State::kFailed) return;
    state = State::kFailed;
    status = with;
    reason = std::move(why);
  }

  void FailBy(const error_code& ec) {
    if (state == State::kFailed) return;
    if (ec == http::error::header_limit) {
      return Fail(431, fmt::format("the head has more than {} bytes", limits.max_header_bytes));
    }
    if (ec == http::error::bad_version)
      return Fail(505, "the request line does not end with HTTP/1.0 or HTTP/1.1");
    Fail(400, ec.message());
  }

  // Everything that the head as a whole must be.
  void CheckHead() {
    ServerRequest& r = request;
    const std::string* host = nullptr;
    size_t lengths = 0, codings = 0;
    for (const auto& [name, value] : r.headers) {
      if (name == "host") {
        if (host != nullptr) return Fail(400, "more than one Host");
        host = &value;
      } else if (name == "content-length") {
        // Beast also takes "5, 5".
        if (++lengths > 1 || value.empty() || value.size() > 18 ||
            !std::all_of(value.begin(), value.end(), IsAsciiDigit)) {
          return Fail(400, "Content-Length is not one number");
        }
      } else if (name == "transfer-encoding") {
        if (++codings > 1 || r.version < 11) return Fail(400, "Transfer-Encoding does not fit");
        if (!EqualsIgnoringCase(value, "chunked")) {
          return Fail(501, "only Transfer-Encoding: chunked is known");
        }
      } else if (name == "expect") {
        if (!EqualsIgnoringCase(value, "100-continue")) return Fail(417, "unknown expectation");
        expects_continue = r.version >= 11;
      }
    }
    if (lengths != 0 && codings != 0) return Fail(400, "Content-Length beside Transfer-Encoding");
    if (host == nullptr && r.version >= 11) return Fail(400, "no Host");
    if (host != nullptr) {
      if (!IsHost(*host)) return Fail(400, "Host is malformed");
      r.host = *host;
    }
    CheckTarget();
  }

  void CheckTarget() {
    ServerRequest& r = request;
    std::string_view target = r.target;
    for (char c : target) {
      if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\') {
        return Fail(400, "the target has a character that must be escaped");
      }
    }
    if (r.method == "CONNECT") return Fail(501, "this is no proxy");
    if (target == "*" && r.method == "OPTIONS") {
      r.path = "*";
      return;
    }
    if (!target.starts_with('/')) {  // absolute-form: its authority counts (RFC 9112, 3.2.2)
      bool http = AsciiLower(target.substr(0, 7)) == "http://";
      if (!http && AsciiLower(target.substr(0, 8)) != "https://")
        return Fail(400, "the target is no path");
      std::string_view rest = target.substr(http ? 7 : 8);
      size_t slash = std::min(rest.find_first_of("/?"), rest.size());
      if (!IsHost(rest.substr(0, slash))) return Fail(400, "the target's host is malformed");
      r.host = rest.substr(0, slash);
      target = rest.substr(slash);
    }
    size_t question = std::min(target.find('?'), target.size());
    r.path = target.substr(0, question);
    if (r.path.empty()) r.path = "/";
    auto segments = DecodePath(r.path);
    if (!segments) return Fail(400, segments.error().message());
    r.segments = *std::move(segments);
    if (question == target.size()) return;
    auto query = DecodeQuery(target.substr(question + 1), limits.max_query_parameters);
    if (!query) return Fail(400, query.error().message());
    r.query = *std::move(query);
  }

  size_t Feed(std::string_view bytes, bool full) {
    size_t used = 0;
    while (state == State::kHead || state == State::kBody) {
      error_code ec;
      State before = state;
      size_t n =
          parser->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
      used += n;
      if (state == State::kHead) {
        head_bytes += n;
        // Beast takes a head line by line, and knows only of what it has not taken yet.
        if (head_bytes + (ec == http::error::need_more ? bytes.size() - used : 0) >
            limits.max_header_bytes) {
          Fail(431, fmt::format("the head has more than {} bytes", limits.max_header_bytes));
          break;
        }
      }
      if (ec == http::error::need_more) {
        if (full && used == 0) Fail(400, "a line is too long");
        break;
      }
      if (ec) {
        FailBy(ec);
        break;
      }
      if (before == State::kHead && parser->is_header_done()) {
        CheckHead();
        if (state == State::kFailed) break;
        state = parser->is_done() ? State::kDone : State::kBody;
        parser->eager(true);
        break;
      }
      if (parser->is_done()) state = State::kDone;
      if (used == bytes.size()) break;
    }
    return used;
  }

  const HttpLimits& limits;
  std::optional<Parser> parser;
  State state = State::kHead;
  int status = 0;
  std::string reason;
  ServerRequest request;
  size_t fields = 0, chunks = 0, head_bytes = 0, max_body = 0;
  bool expects_continue = false;
};

RequestParser::RequestParser(const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;
void RequestParser::Reset() { impl_->Reset(); }
size_t RequestParser::Feed(std::string_view bytes, bool full) { return impl_->Feed(bytes, full); }
RequestParser::State RequestParser::state() const { return impl_->state; }
int RequestParser::status() const { return impl_->status; }
const std::string& RequestParser::reason() const { return impl_->reason; }
ServerRequest& RequestParser::request() { return impl_->request; }
void RequestParser::set_max_body(size_t bytes) { impl_->max_body = bytes; }
size_t RequestParser::max_body() const { return impl_->max_body; }
std::optional<uint64_t> RequestParser::content_length() const {
  auto length = impl_->parser->content_length();
  return length ? std::optional<uint64_t>(*length) : std::nullopt;
}
bool RequestParser::keep_alive() const { return impl_->parser->keep_alive(); }
bool RequestParser::expects_continue() const { return impl_->expects_continue; }

}  // namespace bulwark::net
