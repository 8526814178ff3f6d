#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_client.h"
#include "platform/notify/receiver.h"

namespace bulwark::notify {

namespace {

Error Wrong(std::string_view field, std::string_view what) {
  return Error(Code::kInvalid, "sinks.invalid", fmt::format("{}: {}", field, what),
               {{"field", std::string(field)}, {"what", std::string(what)}});
}

// --- Files
// --------------------------------------------------------------------------------------------

Result<> CheckFile(const ReceiverContext& c) {
  std::string_view name = c.record.StringAt("path");
  bool plain =
      !name.empty() && name.size() <= 100 && name[0] != '.' &&
      std::all_of(name.begin(), name.end(), [](char ch) {
        return IsAsciiLetter(ch) || IsAsciiDigit(ch) || ch == '-' || ch == '_' || ch == '.';
      });
  if (!plain) return Wrong("path", "must be a file's name, without a folder");
  if (const Value* bytes = c.record.Find("maxBytes")) {
    auto n = bytes->ToInt();
    if (!n || *n < 1024 || *n > (int64_t{1} << 40)) {
      return Wrong("maxBytes", "must be from 1 KiB to 1 TiB");
    }
  }
  if (const Value* files = c.record.Find("files")) {
    auto n = files->ToInt();
    if (!n || *n < 1 || *n > 1000) return Wrong("files", "must be from 1 to 1000");
  }
  return Ok{};
}

class ToFile final : public Receiver {
 public:
  ToFile(std::string path, uint64_t max_bytes, int files)
      : path_(std::move(path)), max_bytes_(max_bytes), files_(files) {}

  Result<> Send(std::span<const std::string> lines, const std::stop_token&) override {
    if (!file_) BW_TRY(Open());
    std::string text;
    for (const std::string& line : lines) text.append(line).append("\n");
    if (size_ > 0 && size_ + text.size() > max_bytes_) BW_TRY(Rotate());
    if (auto written = WriteAll(file_.get(), text, path_); !written) {
      // A part of it may be there: what follows begins on a line of its own.
      file_.Close();
      return Error(Code::kUnavailable, written.error().message());
    }
    size_ += text.size();
    return Ok{};
  }

 private:
  Result<> Open() {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
    auto file = OpenFile(path_, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0640);
    if (!file) return Error(Code::kUnavailable, file.error().message());
    file_ = *std::move(file);
    struct stat st;
    size_ = fstat(file_.get(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
    char last = '\n';
    if (size_ > 0 && pread(file_.get(), &last, 1, static_cast<off_t>(size_ - 1)) == 1 &&
        last != '\n') {
      BW_TRY(WriteAll(file_.get(), "\n", path_));
      ++size_;
    }
    return Ok{};
  }
  Result<> Rotate() {
    file_.Close();
    for (int i = files_ - 1; i >= 1; --i) {
      std::string from = i == 1 ? path_ : fmt::format("{}.{}", path_, i - 1);
      rename(from.c_str(), fmt::format("{}.{}", path_, i).c_str());
    }
    if (files_ == 1) remove(path_.c_str());
    return Open();
  }

  const std::string path_;
  const uint64_t max_bytes_;
  const int files_;
  Fd file_;
  uint64_t size_ = 0;
};

// --- HTTP
// ---------------------------------------------------------------------------------------------

bool IsHeaderName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '-' || c == '_';
  });
}

Result<net::HttpHeaders> HeadersOf(const Value& map) {
  net::HttpHeaders out;
  for (const auto& [name, value] : map.entries()) {
    std::string_view key = name.IsString() ? name.AsString() : std::string_view();
    if (!IsHeaderName(key) || !value.IsString() ||
        value.AsString().find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return Wrong("headers", "a name or a value is no header's");
    }
    out.emplace_back(key, value.AsString());
  }
  return out;
}

Result<> CheckHttp(const ReceiverContext& c) {
  std::string_view url = c.record.StringAt("url");
  if (!url.starts_with("https://") && !url.starts_with("http://")) {
    return Wrong("url", "must begin with https:// or http://");
  }
  if (c.guard) BW_TRY(c.guard->CheckUrl(url));
  std::string_view format = c.record.StringAt("format", "lines");
  if (format != "lines" && format != "array") return Wrong("format", "must be lines or array");
  BW_TRY(HeadersOf(c.record["headers"]));
  return Ok{};
}

class ToHttp final : public Receiver {
 public:
  ToHttp(net::HttpOptions options, std::string url, net::HttpHeaders headers, bool array)
      : client_(std::move(options)),
        url_(std::move(url)),
        headers_(std::move(headers)),
        array_(array) {}

  Result<> Send(std::span<const std::string> lines, const std::stop_token& stop) override {
    net::HttpRequest request{.method = "POST", .url = url_, .headers = headers_};
    request.headers.emplace_back("Content-Type",
                                 array_ ? "application/json" : "application/x-ndjson");
    if (array_) request.body = "[";
    for (size_t i = 0; i < lines.size(); ++i) {
      if (array_ && i > 0) request.body += ',';
      request.body += lines[i];
      if (!array_) request.body += '\n';
    }
    if (array_) request.body += ']';
    request.total_timeout = std::chrono::seconds(30);
    request.max_response_bytes = size_t{1} << 20;
    request.stop = stop;
    auto answer = client_.Send(std::move(request));
    if (!answer) {
      // A certificate that is not trusted today may be tomorrow; an address that is forbidden
      // stays so.
      if (answer.error().id() == "url_guard.forbidden" || answer.error().id() == "http.url") {
        return std::move(answer).error();
      }
      return Error(Code::kUnavailable, answer.error().id(), answer.error().message());
    }
    if (answer->status >= 200 && answer->status < 300) return Ok{};
    bool again = answer->status == 408 || answer->status == 425 || answer->status == 429 ||
                 answer->status >= 500 || answer->status == 401 || answer->status == 403 ||
                 answer->status == 404;
    return Error(again ? Code::kUnavailable : Code::kInvalid, "sinks.answer",
                 fmt::format("{} answered {}", net::UrlForMessages(url_), answer->status),
                 {{"url", net::UrlForMessages(url_)}, {"status", std::to_string(answer->status)}});
  }

 private:
  net::HttpClient client_;
  const std::string url_;
  const net::HttpHeaders headers_;
  const bool array_;
};

}  // namespace

ReceiverType FileReceiver() {
  return {.name = "file",
          .check = CheckFile,
          .make = [](const ReceiverContext& c) -> Result<std::unique_ptr<Receiver>> {
            BW_TRY(CheckFile(c));
            return std::unique_ptr<Receiver>(std::make_unique<ToFile>(
                c.file_folder + "/" + std::string(c.record.StringAt("path")),
                static_cast<uint64_t>(c.record["maxBytes"].ToInt().value_or(int64_t{100} << 20)),
                static_cast<int>(c.record["files"].ToInt().value_or(5))));
          }};
}

ReceiverType HttpReceiver() {
  return {.name = "http",
          .check = CheckHttp,
          .make = [](const ReceiverContext& c) -> Result<std::unique_ptr<Receiver>> {
            BW_TRY(CheckHttp(c));
            net::HttpHeaders headers = BW_TRY(HeadersOf(c.record["headers"]));
            if (!c.secret.empty()) {
              Arena arena;
              Value secret = BW_TRY(ParseJson(c.secret, arena));
              auto sealed = BW_TRY(HeadersOf(secret));
              for (auto& header : sealed) headers.push_back(std::move(header));
            }
            net::HttpOptions options;
            options.guard = c.guard;
            options.max_idle_connections = 1;
            return std::unique_ptr<Receiver>(std::make_unique<ToHttp>(
                std::move(options), std::string(c.record.StringAt("url")), std::move(headers),
                c.record.StringAt("format") == "array"));
          }};
}

}  // namespace bulwark::notify
