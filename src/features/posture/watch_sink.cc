#include "features/posture/watch_sink.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "base/metrics.h"

namespace bulwark::posture {

namespace {

using Clock = std::chrono::steady_clock;

class OutSink : public WatchSink {
 public:
  explicit OutSink(std::function<void(std::string_view)> out) : out_(std::move(out)) {}
  void Write(std::string_view line) override { out_(line); }

 private:
  std::function<void(std::string_view)> out_;
};

class FileSink : public WatchSink {
 public:
  FileSink(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  void Write(std::string_view line) override {
    if (error_) return;
    auto written = WriteAll(fd_.get(), line, path_);
    if (!written) error_ = std::move(written).error();
  }
  Result<> Check() override {
    if (error_) return *error_;
    return Ok();
  }

 private:
  Fd fd_;
  std::string path_;
  std::optional<Error> error_;
};

class Webhook : public WatchSink {
 public:
  Webhook(std::string url, WebhookOptions options)
      : url_(std::move(url)), options_(std::move(options)), client_(options_.http) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
  }
  ~Webhook() override {
    {
      std::lock_guard lock(mutex_);
      until_ = Clock::now() + options_.last_wait;
    }
    // What waits gets its last chance, then the thread is stopped.
    std::unique_lock lock(mutex_);
    changed_.notify_all();
    idle_.wait_until(lock, *until_, [&] { return lines_.empty() && !sending_; });
    lock.unlock();
    thread_.request_stop();
    thread_.join();
    if (uint64_t lost = dropped_ + lines_.size(); lost > 0) {
      Log(Level::kWarn, "watch.webhook.dropped",
          {{"url", net::UrlForMessages(url_)}, {"lines", lost}});
    }
  }

  void Write(std::string_view line) override {
    std::lock_guard lock(mutex_);
    if (lines_.size() >= options_.max_lines || bytes_ + line.size() > options_.max_bytes) {
      return Drop(1);
    }
    bytes_ += line.size();
    lines_.emplace_back(line);
    changed_.notify_all();
  }
  uint64_t dropped() const override {
    std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  void Drop(uint64_t count) {
    static Counter& all = Metrics::Default().AddCounter(
        "bulwark_watch_lines_dropped_total", "Lines of a watch that its webhook did not get.");
    all.Add(count);
    dropped_ += count;
    untold_ += count;
  }

  void Loop(const std::stop_token& stop) {
    auto wait = options_.first_wait;
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      if (!changed_.wait(lock, stop, [&] { return !lines_.empty(); })) return;
      std::string body;
      size_t count = 0;
      while (count < lines_.size() &&
             (count == 0 || body.size() + lines_[count].size() <= options_.batch_bytes)) {
        body += lines_[count++];
      }
      uint64_t told = untold_;
      if (told > 0) body += fmt::format("{{\"type\":\"dropped\",\"count\":{}}}\n", told);
      sending_ = true;
      lock.unlock();
      auto answer = client_.Send({.method = "POST",
                                  .url = url_,
                                  .headers = {{"Content-Type", "application/x-ndjson"}},
                                  .body = std::move(body),
                                  .max_response_bytes = size_t{1} << 20,
                                  .stop = stop});
      lock.lock();
      sending_ = false;
      bool taken = answer && answer->status >= 200 && answer->status <= 299;
      bool again = !answer ? answer.error().code() == Code::kUnavailable
                           : answer->status == 429 || answer->status >= 500;
      if (taken || !again) {
        for (size_t i = 0; i < count; ++i) {
          bytes_ -= lines_.front().size();
          lines_.pop_front();
        }
        if (taken) untold_ -= told;
        if (!taken) Drop(count);
        wait = options_.first_wait;
        idle_.notify_all();
      }
      if (taken) continue;
      Log(Level::kWarn, "watch.webhook.failed",
          {{"url", net::UrlForMessages(url_)},
           {"error", answer ? fmt::format("HTTP {}", answer->status) : answer.error().ToString()},
           {"again", again}});
      if (!again) continue;
      auto pause = until_ ? std::min(wait, options_.first_wait) : wait;
      // The end wakes this wait: there is less time then.
      bool ending = until_.has_value();
      changed_.wait_for(lock, stop, pause, [&] { return until_.has_value() != ending; });
      wait = std::min(wait * 2, options_.max_wait);
    }
  }

  const std::string url_;
  const WebhookOptions options_;
  const net::HttpClient client_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::condition_variable idle_;
  std::deque<std::string> lines_;
  size_t bytes_ = 0;
  uint64_t dropped_ = 0, untold_ = 0;  // untold: the webhook does not know of them yet
  bool sending_ = false;
  std::optional<Clock::time_point> until_;  // set at the end
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<WatchSink> WebhookSink(std::string url, WebhookOptions options) {
  return std::make_unique<Webhook>(std::move(url), std::move(options));
}

Result<std::unique_ptr<WatchSink>> OpenSink(const std::string& where,
                                            std::function<void(std::string_view)> out) {
  std::unique_ptr<WatchSink> sink;
  if (where.empty() || where == "-") {
    sink = std::make_unique<OutSink>(std::move(out));
  } else if (where.starts_with("http://") || where.starts_with("https://")) {
    sink = WebhookSink(where);
  } else {
    Fd fd = BW_TRY(OpenFile(where, O_WRONLY | O_CREAT | O_APPEND, 0644));
    sink = std::make_unique<FileSink>(std::move(fd), where);
  }
  return sink;
}

}  // namespace bulwark::posture
