#include "kube/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <random>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "formats/json.h"

namespace bulwark::kube {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

}  // namespace

struct Watches::State {
  enum class Phase { kList, kConnect, kStream, kRemoved };

  struct Target {
    size_t number = 0;
    Resource resource;
    std::string ns;
    ListOptions options;

    Phase phase = Phase::kList;
    Clock::time_point due;  // of the next attempt
    milliseconds wait{0};   // the one after that
    bool told_unreadable = false, settled = false;
    std::string version;                              // to watch from
    std::unordered_map<std::string, uint64_t> known;  // key → hash of its version

    std::string line;     // of the stream, unfinished
    uint64_t stream = 0;  // of the newest; what an older one still says does not count
    Clock::time_point opened;
    bool gone = false;
  };

  const Client& client;
  std::function<void(const WatchEvent&)> on_event;
  WatchSettings settings;
  std::deque<Target> targets;  // stays in place
  uint64_t reconnects = 0, failures = 0;
  std::minstd_rand random{std::random_device{}()};
  Arena arena{1 << 16};
  net::HttpStreams streams;  // last: its callbacks point to what stands above

  State(const Client& c, std::function<void(const WatchEvent&)> f, WatchSettings s)
      : client(c), on_event(std::move(f)), settings(s) {}

  WatchEvent EventOf(const Target& t, WatchEvent::Type type) const {
    return {.type = type, .target = t.number, .resource = &t.resource, .ns = t.ns};
  }

  static uint64_t VersionHash(const Value& item) {
    return XxHash3(MetadataOf(item).StringAt("resourceVersion"));
  }

  void Put(Target& t, std::string_view key, const Value& object, std::string_view text) {
    uint64_t hash = VersionHash(object);
    auto [at, is_new] = t.known.try_emplace(std::string(key), hash);
    if (!is_new && at->second == hash) return;
    at->second = hash;
    WatchEvent event = EventOf(t, WatchEvent::Type::kPut);
    event.key = key;
    event.object = object;
    event.text = text;
    on_event(event);
  }

  void Delete(Target& t, std::string_view key, const Value& object) {
    if (t.known.erase(std::string(key)) == 0) return;
    WatchEvent event = EventOf(t, WatchEvent::Type::kDeleted);
    event.key = key;
    event.object = object;
    on_event(event);
  }

  // The next attempt: at once after a success of some length, else later and later.
  void Later(Target& t, milliseconds at_least = {}) {
    milliseconds wait = std::max({t.wait, settings.first_wait, at_least});
    t.wait = std::min(wait * 2, settings.max_wait);
    wait = std::min(wait, std::max(settings.max_wait, at_least));
    // All targets fail together when a server goes away; they should not all come back together.
    auto spread = std::uniform_int_distribution<int64_t>(0, wait.count() / 4)(random);
    t.due = Clock::now() + wait + milliseconds(spread);
  }

  void Fail(Target& t, const Error& error) {
    ++failures;
    bool denied = error.code() == Code::kDenied || error.code() == Code::kNotFound;
    if (denied) t.phase = Phase::kList;
    Later(t, denied ? settings.max_wait : milliseconds{});
    // A stream that breaks off is nothing to tell; a list that fails is.
    if ((t.phase == Phase::kList || denied) && !t.told_unreadable) {
      t.told_unreadable = true;
      t.settled = true;
      WatchEvent event = EventOf(t, WatchEvent::Type::kUnreadable);
      event.error = &error;
      on_event(event);
    }
    Log(Level::kWarn, "kube.watch.failed",
        {{"resource", Describe(t.resource, t.ns)}, {"error", error}});
  }

  void List(Target& t, std::stop_token stop) {
    std::unordered_map<std::string, uint64_t> before = t.known;
    ListOptions options = t.options;
    options.consistent = true;
    options.retries = settings.list_retries;
    options.stop = stop;
    auto list = [&] {
      return client.List(t.resource, t.ns, options, [&](const ListPage& page) -> Result<> {
        for (const ListPage::Item& item : page.items) {
          before.erase(item.key);
          Put(t, item.key, *item.value, item.text);
        }
        return Ok();
      });
    };
    auto outcome = list();
    if (!outcome && outcome.error().id() == "kube.gone") {
      // The cluster changes faster than its pages can be read: all of them in one.
      options.limit = 0;
      outcome = list();
    }
    if (stop.stop_requested()) return;
    if (!outcome) return Fail(t, outcome.error());
    for (const auto& [key, hash] : before) Delete(t, key, Value());
    t.version = outcome->resource_version;
    t.phase = Phase::kConnect;
    t.due = Clock::now();
    t.wait = {};
    t.told_unreadable = false;
    t.settled = true;
    on_event(EventOf(t, WatchEvent::Type::kSynced));
  }

  void Connect(Target& t) {
    auto seconds = settings.stream_time.count();
    seconds += std::uniform_int_distribution<int64_t>(0, seconds / 2)(random);
    std::string path =
        fmt::format("{}?watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                    t.resource.Path(t.ns), net::UrlEscape(t.version), seconds);
    auto parameter = [&](std::string_view name, std::string_view value) {
      if (!value.empty()) path += fmt::format("&{}={}", name, net::UrlEscape(value));
    };
    parameter("labelSelector", t.options.label_selector);
    parameter("fieldSelector", t.options.field_selector);
    if (t.options.table) parameter("includeObject", "Metadata");
    auto prepared = client.Prepare(path, t.options.table ? kTable : kJson);
    if (!prepared) return Fail(t, prepared.error());
    net::HttpRequest request = std::move(prepared->request);
    request.total_timeout = std::chrono::seconds(seconds + 30);
    request.idle_timeout = std::chrono::seconds(0);  // nothing may happen for long; see keep-alive
    request.max_response_bytes = SIZE_MAX;
    const uint64_t number = ++t.stream;
    request.on_body = [this, &t, number](std::string_view part) -> Result<> {
      if (number != t.stream) return Error(Code::kUnavailable, "kube.stream_over", "not wanted");
      return Read(t, part);
    };
    t.phase = Phase::kStream;
    t.line.clear();
    t.gone = false;
    t.opened = Clock::now();
    streams.Start(*prepared->http, std::move(request),
                  [this, &t, number](Result<net::HttpResponse> end) {
                    if (number == t.stream) Ended(t, end);
                  });
  }

  Result<> Read(Target& t, std::string_view part) {
    for (size_t end; (end = part.find('\n')) != std::string_view::npos;) {
      if (t.line.empty()) {
        BW_TRY(ReadLine(t, part.substr(0, end)));
      } else {
        t.line += part.substr(0, end);
        BW_TRY(ReadLine(t, t.line));
        t.line.clear();
      }
      part.remove_prefix(end + 1);
    }
    t.line += part;
    if (t.line.size() > settings.max_event_bytes) {
      return Error(Code::kLimit, "kube.event_too_big",
                   fmt::format("an event has more than {} bytes", settings.max_event_bytes));
    }
    return Ok();
  }

  Result<> ReadLine(Target& t, std::string_view line) {
    if (line.empty()) return Ok();
    arena.Reset();
    SourceMap positions;
    auto root = ParseJson(line, arena, {.duplicate_keys = true, .borrow_text = true}, &positions);
    const Value* object = root ? root->Find("object") : nullptr;
    if (object == nullptr || !object->IsMap()) {
      return Error(Code::kInvalid, "kube.answer", "a watch gave something that is no event");
    }
    std::string_view type = root->StringAt("type");
    if (type == "ERROR") {
      t.gone = (*object)["code"].ToInt() == 410 || object->StringAt("reason") == "Expired";
      return Error(Code::kUnavailable, t.gone ? "kube.gone" : "kube.server",
                   std::string(object->StringAt("message")));
    }
    // A Table of one row.
    if (t.options.table && object->Find("rows") != nullptr) {
      const Value* rows = object->Find("rows");
      if (rows->empty()) return Ok();
      object = &rows->items()[0];
    }
    std::string_view version = MetadataOf(*object).StringAt("resourceVersion");
    if (!version.empty()) t.version = version;
    if (type == "BOOKMARK") return Ok();
    std::string key = KeyOf(*object);
    if (type == "DELETED") {
      Delete(t, key, *object);
    } else {
      auto at = positions.Of(object);
      BW_CHECK(at.has_value());
      Put(t, key, *object, line.substr(at->offset, at->end - at->offset));
    }
    return Ok();
  }

  void Ended(Target& t, const Result<net::HttpResponse>& end) {
    ++reconnects;
    if (Clock::now() - t.opened > settings.max_wait) t.wait = {};
    t.phase = Phase::kConnect;
    t.due = Clock::now();
    if (end && end->status == 410) t.gone = true;
    if (t.gone) {
      t.phase = Phase::kList;
      if (Clock::now() - t.opened < settings.first_wait) Later(t);
      return;
    }
    if (end && end->status >= 200 && end->status <= 299) {
      t.wait = {};
      // Its time was up. One that ends at once, again and again, must not keep us busy.
      if (Clock::now() - t.opened < settings.first_wait) Later(t);
      return;
    }
    if (!end) return Fail(t, end.error());
    if (end->status == 401 && client.Refused()) return Later(t);
    Fail(t, Client::ErrorOf(*end, "watch", Describe(t.resource, t.ns)));
  }
};

Watches::Watches(const Client& client, std::function<void(const WatchEvent&)> on_event,
                 WatchSettings settings)
    : state_(std::make_unique<State>(client, std::move(on_event), settings)) {}
Watches::~Watches() = default;

size_t Watches::Add(const Resource& resource, std::string ns, ListOptions options) {
  State::Target& target = state_->targets.emplace_back();
  target.number = state_->targets.size() - 1;
  target.resource = resource;
  target.ns = std::move(ns);
  target.options = std::move(options);
  target.due = Clock::now();
  return target.number;
}

void Watches::Remove(size_t target) {
  State::Target& t = state_->targets.at(target);
  if (t.phase == State::Phase::kRemoved) return;
  t.phase = State::Phase::kRemoved;
  ++t.stream;
  t.settled = true;
  auto known = std::exchange(t.known, {});
  for (const auto& [key, hash] : known) {
    WatchEvent event = state_->EventOf(t, WatchEvent::Type::kDeleted);
    event.key = key;
    state_->on_event(event);
  }
}

void Watches::Relist(size_t target) {
  State::Target& t = state_->targets.at(target);
  if (t.phase == State::Phase::kRemoved || t.phase == State::Phase::kList) return;
  t.phase = State::Phase::kList;
  t.due = Clock::now();
  ++t.stream;
}

void Watches::RetryNow() {
  for (State::Target& t : state_->targets) {
    t.due = Clock::now();
    t.wait = {};
  }
}

void Watches::Poll(milliseconds at_most, std::stop_token stop) {
  State& s = *state_;
  std::stop_callback wake(stop, [&s] { s.streams.Wake(); });
  Clock::time_point until = Clock::now() + at_most;
  bool busy = false;
  for (State::Target& t : s.targets) {
    if (stop.stop_requested()) return;
    if (t.phase == State::Phase::kStream || t.phase == State::Phase::kRemoved) continue;
    if (t.due > Clock::now()) {
      until = std::min(until, t.due);
      continue;
    }
    if (t.phase == State::Phase::kList) {
      s.List(t, stop);
      busy = true;
    }
    if (t.phase == State::Phase::kConnect && t.due <= Clock::now()) s.Connect(t);
  }
  auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
  s.streams.Poll(busy ? milliseconds(0) : std::max(left, milliseconds(0)));
}

bool Watches::Settled() const {
  return std::all_of(state_->targets.begin(), state_->targets.end(),
                     [](const State::Target& t) { return t.settled; });
}

uint64_t Watches::reconnects() const { return state_->reconnects; }
uint64_t Watches::failures() const { return state_->failures; }

size_t Watches::known() const {
  size_t n = 0;
  for (const State::Target& t : state_->targets) n += t.known.size();
  return n;
}

}  // namespace bulwark::kube
