#include "platform/link/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "formats/json.h"
#include "platform/link/enrolment.h"
#include "platform/link/server_state.h"

namespace bulwark::link {
namespace {

using crypto::Certificate;
using net::ServerRequest;
using net::ServerResponse;
using store::Batch;
using store::Query;
using store::Record;

constexpr std::string_view kTokenPrefix = "bwe_";
constexpr std::string_view kOrganization = "bulwark:agents";
constexpr std::chrono::minutes kClockSkew{5};
constexpr size_t kMaxSpools = 32;
constexpr std::chrono::seconds kMaxWait{60};
constexpr size_t kMaxWaiters = 20'000;

ServerResponse Json(int status, std::string body) {
  return {
      .status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

int StatusOf(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kExists: return 409;
    case Code::kLimit: return 413;
    case Code::kUnavailable: return 503;
    case Code::kUnsupported: return 501;
    case Code::kInternal: return 500;
  }
  BW_UNREACHABLE();
}

ServerResponse Problem(const Error& error, int status = 0) {
  status = status != 0 ? status : StatusOf(error.code());
  std::string body = R"({"type":)";
  AppendJsonString(body, "urn:bulwark:" + error.id());
  body += fmt::format(R"(,"status":{},"title":)", status);
  AppendJsonString(body, error.message());
  return {.status = status,
          .headers = {{"Content-Type", "application/problem+json"}},
          .body = body + "}"};
}

Error NotAnAgent(std::string_view why) {
  return {Code::kDenied, "link.identity", fmt::format("not an agent of this server: {}", why)};
}

std::string JsonString(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

// A record's JSON with some members set anew.
std::string WithMembers(std::string_view body,
                        const std::vector<std::pair<std::string_view, Value>>& members) {
  Arena arena;
  Result<Value> old = ParseJson(body, arena);
  MapBuilder out(arena);
  if (old) {
    for (const Value::Entry& entry : old->entries()) out.Add(entry.key, entry.value);
  }
  for (const auto& [name, value] : members) out.Add(name, value);
  return ToJson(out.Finish());
}

std::string StateOf(const Record& record) {
  Arena arena;
  Result<Value> value = ParseJson(record.body, arena);
  return value ? std::string(value->StringAt("state")) : std::string();
}

}  // namespace

std::string AgentId(std::string_view cluster, std::string_view node) {
  return EventId({"agent", cluster, node}).substr(0, 24);
}

Result<std::optional<std::string>> Delivered::Get(std::string_view collection,
                                                  std::string_view key) const {
  const std::vector<Batch::Change>& changes = earlier.changes();
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    if (change->collection != collection) continue;
    // What a query deletes is not looked through: those who write so know what they wrote.
    if (change->kind == Batch::Change::Kind::kDeleteWhere || change->key != key) continue;
    if (change->kind == Batch::Change::Kind::kDelete) return std::optional<std::string>();
    return std::optional<std::string>(change->body);
  }
  std::optional<Record> record = BW_TRY(store.Get(collection, key));
  return record ? std::optional<std::string>(std::move(record->body)) : std::nullopt;
}

LinkServer::LinkServer(store::StateStore& state, Pipeline& pipeline,
                       vault::Certificates& certificates, Metrics& metrics,
                       LinkServerOptions options)
    : state_(std::make_shared<State>(state, pipeline, certificates, metrics, std::move(options))) {}

LinkServer::~LinkServer() { Stop(); }

void LinkServer::Handle(std::string feature, std::string kind, EnvelopeHandler handler) {
  BW_CHECK(IsWord(feature) && IsWord(kind) && state_->server == nullptr);
  state_->handlers[feature + "/" + kind] = std::move(handler);
}

uint16_t LinkServer::port() const { return state_->server->port(); }

// --- enrolment ---

Event LinkServer::State::NodeEvent(std::string_view verb, const NodeIdentity& who,
                                   std::string_view why, std::string_view by) const {
  Timestamp now = options.now();
  Event event;
  event.time_us = event.received_us = now.seconds * 1'000'000 + now.nanos / 1000;
  event.id = EventId({"link", verb, who.cluster, who.node, fmt::to_string(event.time_us)});
  event.kind = "node";
  event.cluster = who.cluster;
  event.verb = std::string(verb);
  event.node = who.node;
  event.user = std::string(by);
  event.target = {.cluster = who.cluster, .version = "v1", .kind = "Node", .name = who.node};
  event.message = fmt::format("link.agent.{}", verb);
  event.args = {{"node", who.node}, {"why", std::string(why)}};
  if (verb == "away") event.severity = Severity::kMedium;
  return event;
}

Result<std::string> LinkServer::State::IssueFor(const NodeIdentity& who,
                                                const crypto::Request& request,
                                                Certificate* issued) {
  Timestamp now = options.now();
  now.nanos = 0;
  // A common name has at most 64 characters; the name that counts is the URI.
  Certificate made = BW_TRY(certificates.Issue(
      request.public_key(), {.subject = {.common_name = who.node.substr(0, 64),
                                         .organizations = {std::string(kOrganization)}},
                             .names = {.uris = {ToUri(who)}},
                             .not_before = now - kClockSkew,
                             .not_after = now + options.certificate_life,
                             .client = true}));
  std::string out =
      fmt::format(R"({{"cluster":"{}","node":"{}","certificate":{},"ca":{}}})", who.cluster,
                  who.node, JsonString(made.ToPem()), JsonString(certificates.ca_pem()));
  *issued = std::move(made);
  return out;
}

// The agent's record after a certificate was issued.
std::string LinkServer::State::AgentRecord(const NodeIdentity& who, const Certificate& issued,
                                           const std::optional<Record>& old) const {
  Arena arena;
  std::string now = FormatRfc3339(options.now());
  std::string until = FormatRfc3339(issued.not_after()), id = AgentId(who.cluster, who.node);
  std::vector<std::pair<std::string_view, Value>> members = {
      {"id", Value::String(id)},
      {"cluster", Value::String(who.cluster)},
      {"node", Value::String(who.node)},
      {"enrolment", Value::String(who.enrolment)},
      {"state", Value::String("connected")},
      {"lastSeen", Value::String(now)},
      {"certificateExpires", Value::String(until)}};
  bool renewed = old && StateOf(*old) != "revoked";
  if (!renewed) members.emplace_back("enrolledAt", Value::String(now));
  return WithMembers(old ? old->body : "{}", members);
}

Result<std::string> LinkServer::State::Enrol(const ServerRequest& request) {
  if (!TakeEnrolment()) {
    return Error(Code::kUnavailable, "link.busy", "too many enrolments at once; try again");
  }
  // All of it before the token, which counts only once.
  EnrolmentRequest asked = BW_TRY(ParseEnrolment(request.body));
  NodeIdentity who{.enrolment = HexEncode(crypto::RandomBytes(8))};
  Batch batch;
  std::string how;
  if (asked.method == EnrolmentRequest::Method::kToken) {
    std::string hash = Sha256Hex(asked.token);
    std::optional<Record> record = BW_TRY(store.Get("agent_enrolments", hash));
    Error bad(Code::kDenied, "link.token",
              "the enrolment token is not known, used already, or too old: make a new one");
    if (!asked.token.starts_with(kTokenPrefix) || !record) return bad;
    Arena arena;
    Value stored = BW_TRY(ParseJson(record->body, arena));
    Result<Timestamp> expires = ParseRfc3339(stored.StringAt("expires"));
    if (!expires || *expires <= options.now()) return bad;
    who.cluster = std::string(stored.StringAt("cluster"));
    who.node = asked.node;
    std::string_view only = stored.StringAt("node");
    if (!only.empty() && only != who.node) {
      return Error(Code::kDenied, "link.token", "the enrolment token is for another node");
    }
    // Of two that bring the same token, the second finds it gone.
    batch.Delete("agent_enrolments", hash, record->revision);
    how = fmt::format("token made by {}", stored.StringAt("madeBy"));
  } else {
    if (!options.review) {
      return Error(Code::kUnsupported, "link.enrol", "service-account tokens are not taken here");
    }
    ReviewedToken reviewed = BW_TRY(options.review(asked.cluster, asked.token));
    if (std::find(options.service_accounts.begin(), options.service_accounts.end(),
                  reviewed.user) == options.service_accounts.end()) {
      return Error(Code::kDenied, "link.token",
                   fmt::format("{} is not an agent's service account", Quote(reviewed.user)));
    }
    if (!IsNodeName(reviewed.node)) {
      return Error(Code::kInvalid, "link.enrol", "the token's node has no valid name");
    }
    who.cluster = asked.cluster;
    who.node = reviewed.node;
    how = reviewed.user;
  }
  Certificate issued = certificates.ca();
  std::string answer = BW_TRY(IssueFor(who, asked.csr, &issued));
  std::string id = AgentId(who.cluster, who.node);
  std::optional<Record> old = BW_TRY(store.Get("agents", id));
  batch.Put("agents", id, AgentRecord(who, issued, old));
  Result<uint64_t> committed = store.Commit(batch);
  if (!committed && committed.error().code() == Code::kExists) {
    return Error(Code::kDenied, "link.token", "the enrolment token was used already");
  }
  BW_TRY(std::move(committed));
  BW_TRY(pipeline.Publish({NodeEvent("enrolled", who, how, "")}));
  Log(Level::kInfo, "link.enrolled",
      {{"cluster", who.cluster}, {"node", who.node}, {"peer", request.peer}});
  return answer;
}

Result<std::string> LinkServer::State::Renew(const NodeIdentity& who,
                                             const ServerRequest& request) {
  Arena arena;
  Result<Value> body = ParseJson(request.body, arena, {.max_depth = 8, .max_bytes = 128 * 1024});
  if (!body) return Error(Code::kInvalid, "link.enrol", "the renewal is not a JSON object");
  crypto::Request csr = BW_TRY(ParseAgentRequest(body->StringAt("csr")));
  Certificate issued = certificates.ca();
  std::string answer = BW_TRY(IssueFor(who, csr, &issued));
  std::string id = AgentId(who.cluster, who.node);
  std::optional<Record> old = BW_TRY(store.Get("agents", id));
  if (!old) return NotAnAgent("its enrolment was revoked");
  Batch batch;
  batch.Put("agents", id, AgentRecord(who, issued, old), old->revision);
  Result<uint64_t> committed = store.Commit(batch);
  if (!committed && committed.error().code() == Code::kExists) {
    return Error(Code::kUnavailable, "link.busy", "the agent's record changed; try again");
  }
  BW_TRY(std::move(committed));
  return answer;
}

// --- who asks ---

Result<NodeIdentity> LinkServer::State::Identify(const ServerRequest& request) {
  if (request.certificate == nullptr) return NotAnAgent("no client certificate");
  if (!request.certificate->verified) {
    return NotAnAgent("its certificate: " + request.certificate->verify_error);
  }
  Certificate certificate = BW_TRY(Certificate::FromDer(request.certificate->der));
  std::vector<std::string> uris = certificate.names().uris;
  if (!certificate.for_client() || certificate.is_ca() || uris.size() != 1 ||
      certificate.subject().organizations != std::vector<std::string>{std::string(kOrganization)}) {
    return NotAnAgent("its certificate is for something else");
  }
  NodeIdentity who = BW_TRY(ParseUri(uris[0]));
  std::optional<Record> record = BW_TRY(store.Get("agents", AgentId(who.cluster, who.node)));
  Arena arena;
  Result<Value> agent = record ? ParseJson(record->body, arena) : Result<Value>(Value());
  if (!agent || agent->StringAt("enrolment") != who.enrolment ||
      agent->StringAt("state") == "revoked") {
    return NotAnAgent("its enrolment was revoked");
  }
  return who;
}

// --- envelopes ---

Result<std::string> LinkServer::State::TakeBatch(const NodeIdentity& who,
                                                 const ServerRequest& request) {
  Arena arena;
  EnvelopeBatch batch = BW_TRY(ParseBatch(request.body, arena, options.batch));
  if (batch.cluster != who.cluster || batch.node != who.node) {
    foreign.Add();
    Log(Level::kWarn, "link.foreign",
        {{"node", who.node}, {"claimed", batch.node}, {"peer", request.peer}});
    return Error(Code::kDenied, "link.foreign", "a batch is refused: it is of another node");
  }
  std::string id = AgentId(who.cluster, who.node);
  std::optional<Record> record = BW_TRY(store.Get("agents", id));
  std::optional<Record> spool_record = BW_TRY(store.Get("agent_spools", id));
  if (!record) return NotAnAgent("its enrolment was revoked");
  Spools spools = ParseSpools(spool_record);
  Spools::Spool& spool = spools.Find(batch.epoch);

  Batch changes;
  std::vector<Event> events;
  std::string refused;
  uint64_t taken = 0, duplicates = 0, last = spool.last, lost = 0;
  Timestamp now = options.now();
  int64_t now_us = now.seconds * 1'000'000 + now.nanos / 1000;
  for (const Envelope& envelope : batch.envelopes) {
    if (envelope.seq <= spool.last) {
      ++duplicates;
      continue;
    }
    lost += envelope.seq - last - 1;
    last = envelope.seq;
    std::vector<Event> of_this;
    Batch state;
    Result<> handled = Deliver({who, envelope, state, of_this, store, changes});
    if (!handled && handled.error().code() == Code::kUnavailable) {
      return std::move(handled).error();
    }
    if (!handled) {
      if (!refused.empty()) refused += ',';
      refused += fmt::format(R"({{"seq":{},"error":{}}})", envelope.seq,
                             JsonString(handled.error().ToString()));
      refusals.Add();
      continue;
    }
    Append(changes, state);
    for (size_t i = 0; i < of_this.size(); ++i) {
      Event& event = of_this[i];
      event.id = EventId({"link", who.cluster, who.node, batch.epoch, fmt::to_string(envelope.seq),
                          fmt::to_string(i)});
      event.cluster = who.cluster;
      event.node = who.node;
      if (event.time_us == 0) event.time_us = envelope.time_us;
      event.received_us = now_us;
      events.push_back(std::move(event));
    }
    ++taken;
  }
  bool was_away = StateOf(*record) == "away";
  if (was_away) events.push_back(NodeEvent("back", who, "", ""));
  // Events first: told again after a crash, they have the same ids.
  if (!events.empty()) BW_TRY(pipeline.Publish(std::move(events)));

  spool.last = std::max(spool.last, last);
  spool.seen_us = now_us;
  changes.Put("agent_spools", id, ToJson(spools), spool_record ? spool_record->revision : 0);
  std::string seen = FormatRfc3339(now), version(batch.agent_version);
  changes.Put(
      "agents", id,
      WithMembers(record->body, {{"state", Value::String("connected")},
                                 {"lastSeen", Value::String(seen)},
                                 {"version", Value::String(version)},
                                 {"spooled", Value::Int(static_cast<int64_t>(batch.spooled))},
                                 {"dropped", Value::Int(static_cast<int64_t>(batch.dropped))}}),
      record->revision);
  Result<uint64_t> committed = store.Commit(changes);
  if (!committed && committed.error().code() == Code::kExists) {
    // Another batch of this node was quicker, or it was revoked: both are seen the next time.
    return Error(Code::kUnavailable, "link.busy", "the agent's record changed; send it again");
  }
  BW_TRY(std::move(committed));
  taken_count.Add(taken);
  duplicate_count.Add(duplicates);
  lost_count.Add(lost);
  return fmt::format(R"({{"acknowledged":{},"taken":{},"duplicates":{},"refused":[{}]}})",
                     batch.envelopes.empty() ? spool.last : batch.envelopes.back().seq, taken,
                     duplicates, refused);
}

Result<> LinkServer::State::Deliver(const Delivered& delivered) {
  std::string name = fmt::format("{}/{}", delivered.envelope.feature, delivered.envelope.kind);
  auto handler = handlers.find(name);
  if (handler == handlers.end()) {
    return Error(Code::kUnsupported, "link.unknown",
                 fmt::format("this server knows no envelopes {}", name), {{"kind", name}});
  }
  return handler->second(delivered);
}

void LinkServer::State::Append(Batch& to, const Batch& from) {
  for (const Batch::Change& change : from.changes()) {
    switch (change.kind) {
      case Batch::Change::Kind::kPut:
        to.Put(change.collection, change.key, change.body, change.expect);
        break;
      case Batch::Change::Kind::kDelete:
        to.Delete(change.collection, change.key, change.expect);
        break;
      case Batch::Change::Kind::kDeleteWhere:
        to.DeleteWhere(change.collection, change.filter);
        break;
    }
  }
}

LinkServer::State::Spools LinkServer::State::ParseSpools(const std::optional<Record>& record) {
  Spools out;
  Arena arena;
  Result<Value> value = record ? ParseJson(record->body, arena) : Result<Value>(Value());
  if (!value) return out;
  for (const Value& entry : (*value)["spools"].items()) {
    out.all.push_back({std::string(entry.StringAt("epoch")),
                       static_cast<uint64_t>(entry["last"].ToInt().value_or(0)),
                       entry["seen"].ToInt().value_or(0)});
  }
  return out;
}

LinkServer::State::Spools::Spool& LinkServer::State::Spools::Find(std::string_view epoch) {
  for (Spool& spool : all) {
    if (spool.epoch == epoch) return spool;
  }
  if (all.size() >= kMaxSpools) {
    all.erase(std::min_element(all.begin(), all.end(), [](const Spool& a, const Spool& b) {
      return a.seen_us < b.seen_us;
    }));
  }
  return all.emplace_back(Spool{std::string(epoch), 0, 0});
}

std::string LinkServer::State::ToJson(const Spools& spools) {
  std::string out = R"({"spools":[)";
  for (const Spools::Spool& spool : spools.all) {
    if (&spool != &spools.all[0]) out += ',';
    out += fmt::format(R"({{"epoch":"{}","last":{},"seen":{}}})", spool.epoch, spool.last,
                       spool.seen_us);
  }
  return out + "]}";
}

// --- policies ---

Result<LinkServer::State::Policies> LinkServer::State::PoliciesFor(std::string_view cluster) {
  Policies out;
  std::map<std::string, std::string> by_feature;
  BW_TRY(store.Scan("link_policies", Query::All(), [&](const Record& record) -> Result<> {
    Arena arena;
    Value value = BW_TRY(ParseJson(record.body, arena));
    std::string_view of = value.StringAt("cluster");
    if (!of.empty() && of != cluster) return Ok{};
    out.version = std::max(out.version, record.revision);
    std::string feature(value.StringAt("feature"));
    // A cluster's own goes before that of all.
    if (!of.empty() || !by_feature.contains(feature)) {
      by_feature[feature] = ::bulwark::ToJson(value["policy"]);
    }
    return Ok{};
  }));
  out.json = fmt::format(R"({{"version":{},"policies":{{)", out.version);
  bool first = true;
  for (const auto& [feature, policy] : by_feature) {
    out.json += fmt::format(R"({}"{}":{})", first ? "" : ",", feature, policy);
    first = false;
  }
  out.json += "}}";
  return out;
}

ServerResponse LinkServer::State::Poll(const NodeIdentity& who, const ServerRequest& request) {
  auto number = [&](std::string_view name, uint64_t most) {
    uint64_t n = 0;
    std::string_view text = request.Query(name).value_or("");
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc() ? std::min(n, most) : 0;
  };
  Touch(who);
  uint64_t known = number("version", UINT64_MAX);
  std::chrono::seconds wait(number("wait", static_cast<uint64_t>(kMaxWait.count())));
  Result<Policies> policies = PoliciesFor(who.cluster);
  if (!policies) return Problem(policies.error());
  if (policies->version != known) return Json(200, std::move(policies->json));
  if (wait.count() == 0) return {.status = 204};
  ServerResponse out;
  out.endless = true;
  out.later = [self = shared_from_this(), cluster = who.cluster, known,
               wait](std::shared_ptr<net::Responder> responder) {
    self->AddWaiter(
        {std::move(responder), cluster, known, std::chrono::steady_clock::now() + wait});
  };
  return out;
}

void LinkServer::State::AddWaiter(Waiter waiter) {
  // What changed between the look and now would else be told only at the end of the wait.
  Result<Policies> policies = PoliciesFor(waiter.cluster);
  if (policies && policies->version != waiter.known) {
    waiter.responder->Send(Json(200, std::move(policies->json)));
    return;
  }
  std::unique_lock lock(mutex);
  if (stopping || waiters.size() >= kMaxWaiters) {
    lock.unlock();
    waiter.responder->Send({.status = 204});
    return;
  }
  waiters.push_back(std::move(waiter));
}

// Answers those whose policies changed, and those whose time is over.
void LinkServer::State::AnswerWaiters(bool all) {
  std::list<Waiter> mine;
  {
    std::lock_guard lock(mutex);
    mine.swap(waiters);
  }
  std::map<std::string, Result<Policies>> by_cluster;
  std::list<Waiter> kept;
  auto now = std::chrono::steady_clock::now();
  for (auto it = mine.begin(); it != mine.end();) {
    auto next = std::next(it);
    auto found = by_cluster.find(it->cluster);
    if (found == by_cluster.end()) {
      found = by_cluster.emplace(it->cluster, PoliciesFor(it->cluster)).first;
    }
    if (found->second && found->second->version != it->known) {
      it->responder->Send(Json(200, found->second->json));
    } else if (all || it->deadline <= now) {
      it->responder->Send({.status = 204});
    } else if (it->responder->open()) {
      kept.splice(kept.end(), mine, it);
    }
    it = next;
  }
  std::lock_guard lock(mutex);
  waiters.splice(waiters.end(), kept);
}

Result<> LinkServer::SetPolicy(std::string_view feature, std::string_view cluster,
                               std::string_view json) {
  BW_CHECK(IsWord(feature));
  Arena arena;
  Value policy = BW_TRY(ParseJson(json, arena));
  if (!policy.IsMap()) return Error(Code::kInvalid, "link.policy", "a policy is a JSON object");
  Batch batch;
  batch.Put("link_policies", fmt::format("{}/{}", feature, cluster),
            fmt::format(R"({{"feature":"{}","cluster":{},"policy":{}}})", feature,
                        JsonString(cluster), ToJson(policy)));
  BW_TRY(state_->store.Commit(batch));
  state_->AnswerWaiters(false);
  return Ok{};
}

// --- tokens and revocation ---

Result<LinkServer::Enrolment> LinkServer::MakeToken(std::string_view cluster, std::string_view node,
                                                    std::chrono::seconds life,
                                                    std::string_view made_by) {
  if (!IsClusterId(cluster) || (!node.empty() && !IsNodeName(node))) {
    return Error(Code::kInvalid, "link.enrol", "not a cluster's id or a node's name");
  }
  if (life < std::chrono::seconds(1) || life > std::chrono::hours(24 * 30)) {
    return Error(Code::kInvalid, "link.enrol", "an enrolment token lives for at most 30 days");
  }
  Enrolment out{.token = std::string(kTokenPrefix) + crypto::RandomToken(),
                .expires = state_->options.now() + life};
  Batch batch;
  batch.Put("agent_enrolments", Sha256Hex(out.token),
            fmt::format(R"({{"cluster":"{}","node":"{}","expires":"{}","madeBy":{}}})", cluster,
                        node, FormatRfc3339(out.expires), JsonString(made_by)),
            0);
  BW_TRY(state_->store.Commit(batch));
  return out;
}

Result<> LinkServer::Revoke(std::string_view agent_id, std::string_view by) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::optional<Record> record = BW_TRY(state_->store.Get("agents", agent_id));
    if (!record || StateOf(*record) == "revoked") break;
    Arena arena;
    Value agent = BW_TRY(ParseJson(record->body, arena));
    NodeIdentity who{
        std::string(agent.StringAt("cluster")), std::string(agent.StringAt("node")), {}};
    Batch batch;
    batch.Put("agents", agent_id, WithMembers(record->body, {{"state", Value::String("revoked")}}),
              record->revision);
    Result<uint64_t> committed = state_->store.Commit(batch);
    if (!committed && committed.error().code() == Code::kExists) continue;  // it sent something
    BW_TRY(std::move(committed));
    BW_TRY(state_->pipeline.Publish({state_->NodeEvent("revoked", who, "", by)}));
    return Ok{};
  }
  return Error(Code::kNotFound, "link.agent", "no such agent");
}

// --- life ---

bool LinkServer::State::TakeEnrolment() {
  std::lock_guard lock(mutex);
  auto now = std::chrono::steady_clock::now();
  if (now - enrolment_window > std::chrono::minutes(1)) {
    enrolment_window = now;
    enrolments = 0;
  }
  return ++enrolments <= options.enrolments_per_minute;
}

// It was heard of, without a batch. Written at most once in a third of the time to being away.
void LinkServer::State::Touch(const NodeIdentity& who) {
  std::string id = AgentId(who.cluster, who.node);
  Result<std::optional<Record>> record = store.Get("agents", id);
  if (!record || !*record) return;
  Arena arena;
  Result<Value> agent = ParseJson((*record)->body, arena);
  if (!agent) return;
  Result<Timestamp> seen = ParseRfc3339(agent->StringAt("lastSeen"));
  Timestamp now = options.now();
  bool away = agent->StringAt("state") == "away";
  if (seen && *seen + options.away_after / 3 > now && !away) return;
  std::string text = FormatRfc3339(now);
  Batch batch;
  batch.Put("agents", id,
            WithMembers((*record)->body,
                        {{"state", Value::String("connected")}, {"lastSeen", Value::String(text)}}),
            (*record)->revision);
  if (store.Commit(batch) && away) (void)pipeline.Publish({NodeEvent("back", who, "", "")});
}

void LinkServer::State::MarkAway() {
  std::vector<Record> quiet;
  Timestamp before = options.now() - options.away_after;
  Result<> scanned = store.Scan("agents", Query::Equals("state", "connected"),
                                [&](const Record& record) -> Result<> {
                                  Arena arena;
                                  Value agent = BW_TRY(ParseJson(record.body, arena));
                                  Result<Timestamp> seen = ParseRfc3339(agent.StringAt("lastSeen"));
                                  if (seen && *seen < before) quiet.push_back(record);
                                  return Ok{};
                                });
  if (!scanned) Log(Level::kWarn, "link.sweep.failed", {{"error", scanned.error()}});
  for (const Record& record : quiet) {
    Arena arena;
    Result<Value> agent = ParseJson(record.body, arena);
    if (!agent) continue;
    NodeIdentity who{
        std::string(agent->StringAt("cluster")), std::string(agent->StringAt("node")), {}};
    Batch batch;
    batch.Put("agents", record.key, WithMembers(record.body, {{"state", Value::String("away")}}),
              record.revision);
    if (!store.Commit(batch)) continue;  // it has just been heard of
    (void)pipeline.Publish({NodeEvent("away", who, "", "")});
  }
}

void LinkServer::State::Sweep() {
  AnswerWaiters(false);
  auto now = std::chrono::steady_clock::now();
  if (now - last_slow_sweep < options.sweep_every) return;
  last_slow_sweep = now;
  MarkAway();
  std::vector<std::string> old;
  Result<> scanned =
      store.Scan("agent_enrolments", Query::All(), [&](const Record& record) -> Result<> {
        Arena arena;
        Value token = BW_TRY(ParseJson(record.body, arena));
        Result<Timestamp> expires = ParseRfc3339(token.StringAt("expires"));
        if (!expires || *expires <= options.now()) old.push_back(record.key);
        return Ok{};
      });
  Batch batch;
  for (const std::string& key : old) batch.Delete("agent_enrolments", key);
  if (!scanned || (!batch.empty() && !store.Commit(batch))) {
    Log(Level::kWarn, "link.sweep.failed", {});
  }
}

ServerResponse LinkServer::State::Answer(const ServerRequest& request) {
  auto json = [](Result<std::string> body) {
    return body ? Json(200, *std::move(body)) : Problem(body.error());
  };
  const bool post = request.method == "POST";
  if (request.path == "/link/v1/enrol" && post) return json(Enrol(request));
  // Everything else is for agents alone; strangers learn nothing of what there is.
  Result<NodeIdentity> who = Identify(request);
  if (!who) return Problem(who.error(), who.error().code() == Code::kDenied ? 401 : 0);
  if (request.path == "/link/v1/batch" && post) return json(TakeBatch(*who, request));
  if (request.path == "/link/v1/renew" && post) return json(Renew(*who, request));
  if (request.path == "/link/v1/policy" && request.method == "GET") return Poll(*who, request);
  return Problem(Error(Code::kNotFound, "link.path", "there is nothing here"));
}

Result<> LinkServer::Start() {
  State& s = *state_;
  BW_TRY(s.store.Define(
      {.name = "agents",
       .version = 1,
       .columns = {{.name = "id", .path = "id"},
                   {.name = "cluster", .path = "cluster", .indexed = true},
                   {.name = "ns", .path = "namespace"},
                   {.name = "node", .path = "node", .full_text = true},
                   {.name = "state", .path = "state", .indexed = true},
                   {.name = "version", .path = "version"},
                   {.name = "lastseen", .path = "lastSeen", .type = store::ColumnType::kTime}},
       .default_sort = "node"}));
  for (const char* name : {"agent_enrolments", "agent_spools", "link_policies"}) {
    BW_TRY(s.store.Define({.name = name, .version = 1}));
  }
  vault::TlsPair pair = s.certificates.internal();
  s.server = BW_TRY(net::HttpServer::Start(
      {.listen = s.options.listen,
       .name = "link",
       .tls = net::TlsServerOptions{.certificate_pem = pair.certificate_pem,
                                    .key_pem = pair.key_pem,
                                    .client_certificates = net::ClientCertificates::kOptional,
                                    .client_ca_pem = s.certificates.ca_pem()},
       .redirect_to_https = false,
       .limits = {.max_body_bytes = s.options.batch.bytes},
       .workers = 4},
      // Not shared: the state owns the server, and Stop() ends it before the state goes.
      [state = state_.get()](const ServerRequest& request) { return state->Answer(request); }));
  s.certificates.OnChange([weak = std::weak_ptr(state_)] {
    auto state = weak.lock();
    if (state == nullptr || state->server == nullptr) return;
    vault::TlsPair fresh = state->certificates.internal();
    Result<> set = state->server->SetCertificate(fresh.certificate_pem, fresh.key_pem);
    if (!set) Log(Level::kError, "link.certificate", {{"error", set.error()}});
  });
  s.sweeper = std::jthread([state = state_.get()](const std::stop_token& stop) {
    std::mutex waiting;
    std::condition_variable_any wake;
    while (!stop.stop_requested()) {
      std::unique_lock lock(waiting);
      wake.wait_for(lock, stop, std::min(state->options.sweep_every, kSweep), [] { return false; });
      if (!stop.stop_requested()) state->Sweep();
    }
  });
  return Ok{};
}

void LinkServer::Stop() {
  State& s = *state_;
  {
    std::lock_guard lock(s.mutex);
    s.stopping = true;
  }
  if (s.sweeper.joinable()) {
    s.sweeper.request_stop();
    s.sweeper.join();
  }
  s.AnswerWaiters(true);
  if (s.server) s.server->Shutdown(std::chrono::seconds(5));
}

}  // namespace bulwark::link
