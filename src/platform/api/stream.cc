// Server-sent events: who listens, who may hear what, and who was too slow.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "platform/api/api_state.h"

namespace bulwark::api {

namespace {

constexpr std::string_view kLagged = "event: lagged\ndata: {}\n\n";
constexpr std::string_view kAlive = ": alive\n\n";
// Whether they still are who they were: a session may have ended meanwhile.
constexpr auto kAskAgain = std::chrono::minutes(1);

std::string Message(const Api::Change& change) {
  std::string out = "event: " + change.topic + "\n";
  for (std::string_view line : SplitLines(change.data)) out += fmt::format("data: {}\n", line);
  return out + "\n";
}

}  // namespace

StreamHub::StreamHub(const ApiOptions& options, Metrics& metrics)
    : options_(options),
      listeners_gauge_(metrics.AddGauge("bulwark_api_streams", "Browsers that listen to changes.")),
      told_(metrics.AddCounter("bulwark_api_stream_messages_total",
                               "Messages about changes that were sent.", {{"outcome", "sent"}})),
      lost_(metrics.AddCounter("bulwark_api_stream_messages_total",
                               "Messages about changes that were sent.", {{"outcome", "lost"}})) {}

StreamHub::~StreamHub() { Stop(); }

void StreamHub::SetAuthenticator(Authenticator* authenticator) {
  std::lock_guard lock(mutex_);
  authenticator_ = authenticator;
}

Result<Response> StreamHub::Open(Request& request) {
  auto listener = std::make_shared<Listener>();
  listener->request = request.http;
  listener->principal = request.principal;
  for (std::string_view topic : Split(*request.Query("topics"), ',')) {
    if (!Trim(topic).empty()) listener->topics.emplace(Trim(topic));
  }
  {
    std::lock_guard lock(mutex_);
    size_t mine = static_cast<size_t>(
        std::count_if(listeners_.begin(), listeners_.end(), [&](const auto& other) {
          return other->principal.id == request.principal.id && other->stream->open();
        }));
    if (stopping_ || listeners_.size() >= options_.max_streams ||
        mine >= options_.max_streams_each) {
      return Error(Code::kLimit, "api.streams", "too many open streams", {{"seconds", "30"}});
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  Response out{.content_type = "text/event-stream"};
  out.endless = true;
  out.compress = false;  // little messages, and a compressor's memory for each listener
  out.headers.emplace_back("X-Accel-Buffering", "no");  // for proxies that would hold it back
  out.stream = [this, listener](std::shared_ptr<net::ResponseStream> stream) {
    stream->Write("retry: 3000\n\n");
    listener->stream = std::move(stream);
    std::lock_guard lock(mutex_);
    if (stopping_) return listener->stream->Finish();
    listeners_.push_back(listener);
    listeners_gauge_.Set(static_cast<double>(listeners_.size()));
  };
  return out;
}

void StreamHub::Tell(const Api::Change& change) {
  std::lock_guard lock(mutex_);
  if (listeners_.empty()) return;
  std::string message;
  for (const auto& listener : listeners_) {
    if (!listener->topics.contains(change.topic) ||
        !listener->principal.May(change.permission, change.cluster, change.ns, change.labels)) {
      continue;
    }
    if (listener->lagged) {
      lost_.Add();
      if (listener->stream->Write(kLagged) != net::ResponseStream::Taken::kYes) continue;
      listener->lagged = false;
    }
    if (message.empty()) message = Message(change);
    if (listener->stream->Write(message) == net::ResponseStream::Taken::kYes) {
      told_.Add();
    } else {
      listener->lagged = true;
      lost_.Add();
    }
  }
}

void StreamHub::Run() {
  std::unique_lock lock(mutex_);
  auto ask_at = std::chrono::steady_clock::now() + kAskAgain;
  while (!stopping_) {
    wake_.wait_for(lock, options_.heartbeat, [this] { return stopping_; });
    if (stopping_) break;
    std::erase_if(listeners_, [](const auto& l) { return !l->stream->open(); });
    listeners_gauge_.Set(static_cast<double>(listeners_.size()));
    for (const auto& l : listeners_) {
      auto taken = l->stream->Write(l->lagged ? kLagged : kAlive);
      if (taken == net::ResponseStream::Taken::kYes) l->lagged = false;
    }
    auto now = std::chrono::steady_clock::now();
    if (now < ask_at || authenticator_ == nullptr) continue;
    ask_at = now + kAskAgain;
    auto all = listeners_;
    Authenticator* authenticator = authenticator_;
    lock.unlock();  // it reads the store
    std::vector<std::pair<std::shared_ptr<Listener>, Result<Principal>>> answers;
    for (const auto& l : all) answers.emplace_back(l, authenticator->Authenticate(l->request));
    lock.lock();
    for (auto& [l, principal] : answers) {
      if (principal && principal->id == l->principal.id) {
        l->principal = *std::move(principal);
      } else if (principal || principal.error().code() == Code::kDenied) {
        l->stream->Finish();
      }
    }
  }
}

void StreamHub::Stop() {
  std::thread thread;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& l : listeners_) l->stream->Finish();
    listeners_.clear();
    thread = std::move(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

}  // namespace bulwark::api
