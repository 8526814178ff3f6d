#include "platform/link/agent.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <random>

#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"

namespace bulwark::link {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;
using net::HttpRequest;
using net::HttpResponse;

std::string JsonString(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

std::string Compress(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  BW_CHECK(!ZSTD_isError(size));
  out.resize(size);
  return out;
}

// What an answer other than 2xx says. Its code is the one to act by: kDenied where the server does
// not know us, kLimit where a batch was too big, kInvalid where it would be refused again.
Error Refusal(const HttpResponse& answer) {
  Code code = answer.status == 401                           ? Code::kDenied
              : answer.status == 413                         ? Code::kLimit
              : answer.status == 429 || answer.status >= 500 ? Code::kUnavailable
                                                             : Code::kInvalid;
  Arena arena;
  std::string why;
  if (Result<Value> body = ParseJson(answer.body, arena, {.max_depth = 16}); body) {
    why = std::string(body->StringAt("title"));
  }
  return {code, "link.server",
          fmt::format("the server answered {}{}{}", answer.status, why.empty() ? "" : ": ",
                      TruncateToWidth(why, 300))};
}

Result<HttpResponse> Send(const net::HttpClient& client, HttpRequest request) {
  HttpResponse answer = BW_TRY(client.Send(std::move(request)));
  if (answer.status / 100 != 2) return Refusal(answer);
  return answer;
}

// Between half of it and all of it.
std::chrono::milliseconds WithChance(std::chrono::milliseconds time) {
  thread_local std::minstd_rand random(std::random_device{}());
  auto half = time.count() / 2;
  return std::chrono::milliseconds(half + std::uniform_int_distribution<int64_t>(0, half)(random));
}

}  // namespace

LinkAgent::LinkAgent(LinkAgentOptions options, std::unique_ptr<Spool> spool)
    : options_(std::move(options)),
      spool_(std::move(spool)),
      batch_limit_(options_.batch_envelopes),
      last_sent_(std::chrono::steady_clock::now() - options_.heartbeat) {}

LinkAgent::~LinkAgent() { Stop(); }

Result<std::unique_ptr<LinkAgent>> LinkAgent::Open(LinkAgentOptions options) {
  if (!options.server.starts_with("https://")) {
    return Error(Code::kInvalid, "link.options", "the server's address must begin with https://");
  }
  while (options.server.ends_with('/')) options.server.pop_back();
  if (!options.node.empty() && !IsNodeName(options.node)) {
    return Error(Code::kInvalid, "link.options",
                 fmt::format("not a node's name: {}", Quote(options.node)));
  }
  if (!IsClusterId(options.cluster)) {
    return Error(Code::kInvalid, "link.options",
                 fmt::format("not a cluster's id: {}", Quote(options.cluster)));
  }
  auto spool = BW_TRY(Spool::Open(options.state_folder + "/spool", options.spool));
  std::unique_ptr<LinkAgent> out(new LinkAgent(std::move(options), std::move(spool)));
  out->LoadIdentity();
  return out;
}

void LinkAgent::OnPolicy(std::string feature, PolicyCallback then) {
  BW_CHECK(!sender_.joinable());
  on_policy_[std::move(feature)] = std::move(then);
}

void LinkAgent::Start() {
  BW_CHECK(!sender_.joinable());
  sender_ = std::jthread([this](const std::stop_token& stop) { SendLoop(stop); });
  poller_ = std::jthread([this](const std::stop_token& stop) { PollLoop(stop); });
}

void LinkAgent::Stop() {
  sender_.request_stop();
  poller_.request_stop();
  if (sender_.joinable()) sender_.join();
  if (poller_.joinable()) poller_.join();
  (void)spool_->Sync();
}

Result<> LinkAgent::Send(std::string_view feature, std::string_view kind, int64_t version,
                         std::string_view payload) {
  Timestamp now = options_.now();
  Result<uint64_t> kept =
      spool_->Append(feature, kind, version, now.seconds * 1'000'000 + now.nanos / 1000, payload);
  if (!kept) {
    spool_->CountDropped();
    return std::move(kept).error();
  }
  {
    std::lock_guard lock(mutex_);
    waiting_ = true;
  }
  changed_.notify_all();
  return Ok{};
}

bool LinkAgent::Flush(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (spool_->stats().waiting == 0) return true;
    changed_.wait_for(lock, stop, std::chrono::milliseconds(50), [] { return false; });
  }
  return false;
}

LinkAgent::Status LinkAgent::status() const {
  std::lock_guard lock(mutex_);
  Status out{.enrolled = identity_ != nullptr && !refused_,
             .last_error = last_error_,
             .sent = sent_,
             .refused = refused_envelopes_,
             .spool = spool_->stats()};
  if (identity_ != nullptr) {
    out.identity = identity_->who;
    out.certificate_expires = identity_->expires;
  }
  return out;
}

// --- identity ---

void LinkAgent::LoadIdentity() {
  std::string path = options_.state_folder + "/identity.pem";
  Result<std::string> text = ReadFile(path, size_t{1} << 20);
  if (!text) return;
  Result<PrivateKey> key = PrivateKey::FromPem(*text);
  Result<std::vector<Certificate>> all = Certificate::AllFromPem(*text);
  crypto::Wipe(*text);
  if (!key || !all || all->size() != 2 || !Matches((*all)[0], *key)) {
    Log(Level::kWarn, "link.identity.damaged", {{"file", path}});
    return;
  }
  const Certificate& certificate = (*all)[0];
  std::vector<std::string> uris = certificate.names().uris;
  Result<NodeIdentity> who = ParseUri(uris.empty() ? "" : uris[0]);
  if (!who) return;
  Adopt({.who = *who,
         .key_pem = key->ToPem(),
         .certificate_pem = certificate.ToPem(),
         .ca_pem = (*all)[1].ToPem(),
         .renew_at = crypto::RenewAt(certificate),
         .expires = certificate.not_after()});
}

Result<> LinkAgent::SaveIdentity(const Identity& identity) const {
  std::string text = identity.key_pem + identity.certificate_pem + identity.ca_pem;
  Result<> written = WriteFileAtomic(options_.state_folder + "/identity.pem", text, 0600);
  crypto::Wipe(text);
  return written;
}

void LinkAgent::Adopt(Identity identity) {
  auto client = std::make_shared<net::HttpClient>(
      net::HttpOptions{.tls = {.ca_pem = identity.ca_pem,
                               .client_certificate_pem = identity.certificate_pem,
                               .client_key_pem = identity.key_pem},
                       .user_agent = "bulwark-agent/" + options_.version});
  std::lock_guard lock(mutex_);
  identity_ = std::make_shared<const Identity>(std::move(identity));
  client_ = std::move(client);
  refused_ = false;
  changed_.notify_all();
}

std::shared_ptr<const net::HttpClient> LinkAgent::Client() const {
  std::lock_guard lock(mutex_);
  return refused_ ? nullptr : client_;
}

void LinkAgent::LoseIdentity() {
  std::lock_guard lock(mutex_);
  refused_ = true;
}

Result<LinkAgent::Identity> LinkAgent::AskForIdentity(const net::HttpClient& client,
                                                      std::string_view path,
                                                      std::string_view members,
                                                      const std::stop_token& stop) {
  PrivateKey key = PrivateKey::Generate(crypto::KeyType::kEcP256);
  std::string csr = BW_TRY(crypto::Request::Make(key, {.common_name = "bulwark-agent"}))
  .ToPem();
  HttpResponse answer =
      BW_TRY(link::Send(client, {.method = "POST",
                                 .url = options_.server + std::string(path),
                                 .headers = {{"Content-Type", "application/json"}},
                                 .body = fmt::format(R"({{"csr":{}{}}})", JsonString(csr), members),
                                 .stop = stop}));
  Arena arena;
  Value body = BW_TRY(ParseJson(answer.body, arena));
  Certificate certificate = BW_TRY(Certificate::FromPem(body.StringAt("certificate")));
  Certificate ca = BW_TRY(Certificate::FromPem(body.StringAt("ca")));
  std::vector<std::string> uris = certificate.names().uris;
  NodeIdentity who = BW_TRY(ParseUri(uris.empty() ? "" : uris[0]));
  std::vector<Certificate> chain = {certificate}, roots = {ca};
  // A server that gives what it would not take itself would leave us with nothing.
  if (!Matches(certificate, key)) {
    return Error(Code::kInvalid, "link.identity", "the server's certificate is for another key");
  }
  BW_TRY(crypto::VerifyChain(chain, roots,
                             {.purpose = crypto::Purpose::kClient, .at = options_.now()}));
  return Identity{.who = std::move(who),
                  .key_pem = key.ToPem(),
                  .certificate_pem = certificate.ToPem(),
                  .ca_pem = ca.ToPem(),
                  .renew_at = crypto::RenewAt(certificate),
                  .expires = certificate.not_after()};
}

Result<> LinkAgent::Enrol(const std::stop_token& stop) {
  if (options_.token_file.empty()) {
    return Error(Code::kDenied, "link.enrol",
                 "this agent is not enrolled, and has no token to enrol with");
  }
  std::string ca = BW_TRY(ReadFile(options_.ca_file, size_t{1} << 20));
  // Each time anew: the kubelet renews a projected token.
  std::string token(Trim(BW_TRY(ReadFile(options_.token_file, 64 * 1024))));
  net::HttpClient client({.tls = {.ca_pem = std::move(ca)}});
  std::string members = options_.cluster.empty()
                            ? fmt::format(R"(,"method":"token","token":{},"node":"{}")",
                                          JsonString(token), options_.node)
                            : fmt::format(R"(,"method":"serviceAccount","token":{},"cluster":"{}")",
                                          JsonString(token), options_.cluster);
  Identity identity = BW_TRY(AskForIdentity(client, "/link/v1/enrol", members, stop));
  crypto::Wipe(members);
  crypto::Wipe(token);
  BW_TRY(SaveIdentity(identity));
  Log(Level::kInfo, "link.enrolled",
      {{"server", options_.server},
       {"cluster", identity.who.cluster},
       {"node", identity.who.node}});
  Adopt(std::move(identity));
  return Ok{};
}

Result<> LinkAgent::Renew(const std::stop_token& stop) {
  auto client = Client();
  Identity identity = BW_TRY(AskForIdentity(*client, "/link/v1/renew", "", stop));
  BW_TRY(SaveIdentity(identity));
  Log(Level::kInfo, "link.renewed", {{"until", FormatRfc3339(identity.expires)}});
  Adopt(std::move(identity));
  return Ok{};
}

Result<> LinkAgent::EnsureIdentity(const std::stop_token& stop) {
  std::shared_ptr<const Identity> identity;
  bool refused;
  {
    std::lock_guard lock(mutex_);
    identity = identity_;
    refused = refused_;
  }
  Timestamp now = options_.now();
  if (identity == nullptr || refused || identity->expires <= now) return Enrol(stop);
  if (identity->renew_at <= now) {
    Result<> renewed = Renew(stop);
    // There is a third of its life left to try again in.
    if (!renewed && renewed.error().code() == Code::kDenied) {
      LoseIdentity();
      return renewed;
    }
    if (!renewed) Log(Level::kWarn, "link.renew.failed", {{"error", renewed.error()}});
  }
  return Ok{};
}

// --- sending ---

Result<bool> LinkAgent::SendBatch(const std::stop_token& stop) {
  BW_TRY(EnsureIdentity(stop));
  auto client = Client();
  if (client == nullptr) return Error(Code::kUnavailable, "link.identity", "not enrolled");
  NodeIdentity who;
  size_t limit;
  {
    std::lock_guard lock(mutex_);
    who = identity_->who;
    limit = batch_limit_;
    waiting_ = false;
  }
  // A number that the server has seen must never come again with other contents, whatever the disk
  // forgets.
  BW_TRY(spool_->Sync());
  std::vector<Spooled> spooled = BW_TRY(spool_->Peek(limit, options_.batch_bytes));
  auto now = std::chrono::steady_clock::now();
  if (spooled.empty() && now - last_sent_ < options_.heartbeat) return false;
  std::vector<std::string_view> envelopes;
  for (const Spooled& one : spooled) envelopes.push_back(one.json);
  Spool::Stats stats = spool_->stats();
  Result<HttpResponse> answer = link::Send(
      *client, {.method = "POST",
                .url = options_.server + "/link/v1/batch",
                .headers = {{"Content-Type", "application/json"}, {"Content-Encoding", "zstd"}},
                .body = Compress(BatchJson(who, spool_->epoch(), options_.version, stats.waiting,
                                           stats.dropped, envelopes)),
                .stop = stop});
  if (!answer) {
    Code code = answer.error().code();
    if (code == Code::kDenied && answer.error().id() == "link.server") LoseIdentity();
    if ((code == Code::kLimit || code == Code::kInvalid) && answer.error().id() == "link.server") {
      // Something in it: smaller and smaller, until the one that it is stands alone, and goes.
      std::lock_guard lock(mutex_);
      if (spooled.size() > 1) {
        batch_limit_ = std::max<size_t>(1, spooled.size() / 2);
        return true;
      }
      if (spooled.size() == 1) {
        Log(Level::kError, "link.envelope.refused", {{"error", answer.error()}});
        ++refused_envelopes_;
        spool_->CountDropped();
        BW_TRY(spool_->Acknowledge(spooled[0].seq));
        return true;
      }
    }
    return std::move(answer).error();
  }
  Arena arena;
  Value body = BW_TRY(ParseJson(answer->body, arena));
  for (const Value& refusal : body["refused"].items()) {
    Log(Level::kWarn, "link.envelope.refused",
        {{"seq", refusal["seq"].ToInt().value_or(0)},
         {"error", TruncateToWidth(refusal.StringAt("error"), 300)}});
  }
  if (!spooled.empty()) BW_TRY(spool_->Acknowledge(spooled.back().seq));
  std::lock_guard lock(mutex_);
  last_sent_ = now;
  sent_ += spooled.size();
  refused_envelopes_ += body["refused"].size();
  batch_limit_ = std::min(options_.batch_envelopes, batch_limit_ * 2);
  changed_.notify_all();
  return !spooled.empty();
}

void LinkAgent::Say(const Result<>& outcome) {
  std::string text = outcome ? std::string() : outcome.error().ToString();
  std::lock_guard lock(mutex_);
  if (text == last_error_) return;
  if (!text.empty()) {
    Log(Level::kWarn, "link.failed", {{"server", options_.server}, {"error", text}});
  } else {
    Log(Level::kInfo, "link.connected", {{"server", options_.server}});
  }
  last_error_ = std::move(text);
}

bool LinkAgent::Wait(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

void LinkAgent::SendLoop(const std::stop_token& stop) {
  auto wait = options_.first_wait;
  while (!stop.stop_requested()) {
    Result<bool> sent = SendBatch(stop);
    if (stop.stop_requested()) return;
    if (!sent) {
      Say(std::move(sent).error());
      if (!Wait(stop, WithChance(wait))) return;
      wait = std::min(options_.max_wait, wait * 2);
      continue;
    }
    Say(Ok{});
    wait = options_.first_wait;
    if (*sent) continue;
    {
      std::unique_lock lock(mutex_);
      auto until = last_sent_ + options_.heartbeat;
      changed_.wait_until(lock, stop, until, [&] { return waiting_; });
    }
    if (!Wait(stop, options_.linger)) return;
  }
}

// --- policies ---

Result<> LinkAgent::PollPolicy(const std::stop_token& stop) {
  auto client = Client();
  if (client == nullptr) return Error(Code::kUnavailable, "link.identity", "not enrolled");
  HttpResponse answer = BW_TRY(link::Send(
      *client, {.url = fmt::format("{}/link/v1/policy?version={}&wait={}", options_.server,
                                   policy_version_, options_.poll_wait.count()),
                .total_timeout = options_.poll_wait + std::chrono::seconds(30),
                .idle_timeout = options_.poll_wait + std::chrono::seconds(20),
                .stop = stop}));
  if (answer.status == 204) return Ok{};
  Arena arena;
  Value body = BW_TRY(ParseJson(answer.body, arena));
  for (const auto& [feature, then] : on_policy_) {
    if (const Value* policy = body["policies"].Find(feature); policy != nullptr) then(*policy);
  }
  policy_version_ = static_cast<uint64_t>(body["version"].ToInt().value_or(0));
  return Ok{};
}

void LinkAgent::PollLoop(const std::stop_token& stop) {
  auto wait = options_.first_wait;
  while (!stop.stop_requested()) {
    {
      // Until there is somebody to be.
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return client_ != nullptr && !refused_; })) return;
    }
    Result<> polled = PollPolicy(stop);
    if (stop.stop_requested()) return;
    if (polled) {
      wait = options_.first_wait;
      continue;
    }
    if (polled.error().code() == Code::kDenied && polled.error().id() == "link.server") {
      LoseIdentity();
    }
    if (!Wait(stop, WithChance(wait))) return;
    wait = std::min(options_.max_wait, wait * 2);
  }
}

}  // namespace bulwark::link
