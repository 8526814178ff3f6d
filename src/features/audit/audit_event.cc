#include "features/audit/audit_event.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "features/audit/redact.h"
#include "features/audit/texts.h"
#include "formats/json.h"

namespace bulwark::audit {

namespace {

constexpr size_t kMaxStreams = 10'000;
constexpr size_t kMaxCommand = 300;
constexpr size_t kMaxField = 1'000;  // of what is indexed

// Indexed fields are short, whatever a client sent.
std::string Short(std::string_view text) {
  if (text.size() <= kMaxField) return std::string(text);
  return ToValidUtf8(text.substr(0, kMaxField)) + "…";
}

int64_t MicrosOf(const Value& event) {
  for (std::string_view field : {"requestReceivedTimestamp", "stageTimestamp"}) {
    if (auto at = ParseRfc3339(event.StringAt(field))) {
      return at->seconds * 1'000'000 + at->nanos / 1000;
    }
  }
  Timestamp now = Now();
  return now.seconds * 1'000'000 + now.nanos / 1000;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = AsciiLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
               HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return ToValidUtf8(out);
}

// The command of an exec: its parameters in order.
std::string CommandOf(std::string_view uri) {
  std::string out;
  size_t question = uri.find('?');
  if (question == std::string_view::npos) return out;
  for (std::string_view parameter : Split(uri.substr(question + 1), '&')) {
    auto pair = Cut(parameter, "=");
    if (!pair || pair->first != "command") continue;
    if (!out.empty()) out += ' ';
    out += Unescape(pair->second);
    if (out.size() > kMaxCommand) {
      out = ToValidUtf8(std::string_view(out).substr(0, kMaxCommand)) + "…";
      break;
    }
  }
  return RedactText(std::move(out));
}

std::string OutcomeOf(const Value& event) {
  if (event.StringAt("stage") == "Panic") return "failed";
  auto code = event["responseStatus"]["code"].ToInt();
  if (!code) {
    std::string_view decision = event["annotations"].StringAt("authorization.k8s.io/decision");
    return decision == "forbid" ? "denied" : "";
  }
  if (*code == 401 || *code == 403) return "denied";
  return *code >= 400 ? "failed" : "allowed";
}

std::string ReasonOf(const Value& event) {
  const Value status = event["responseStatus"];
  std::string_view message = status.StringAt("message", status.StringAt("reason"));
  if (!message.empty()) return RedactText(Short(message));
  auto code = status["code"].ToInt();
  return code ? fmt::format("HTTP {}", *code) : std::string(event.StringAt("stage"));
}

std::string NameOf(const Value& event) {
  std::string_view name = event["objectRef"].StringAt("name");
  // What a server named itself (generateName) stands in the answer.
  for (std::string_view object : {"responseObject", "requestObject"}) {
    if (name.empty() && event.StringAt("verb") == "create") {
      name = event[object]["metadata"].StringAt("name");
    }
  }
  return Short(name);
}

std::string ImageOf(const Value& object) {
  Value spec = object["spec"];
  if (spec["template"]["spec"].IsMap()) spec = spec["template"]["spec"];
  return Short(spec["containers"][size_t{0}].StringAt("image"));
}

bool IsStream(std::string_view subresource) {
  return subresource == "exec" || subresource == "attach" || subresource == "portforward";
}

}  // namespace

bool AuditReader::Started(std::string_view audit_id, bool now) {
  if (by_id_.contains(audit_id)) return true;
  if (!now) return false;
  if (started_.size() >= kMaxStreams) {
    by_id_.erase(started_.back());
    started_.pop_back();
  }
  started_.emplace_front(audit_id);
  by_id_.emplace(started_.front(), started_.begin());
  return false;
}

void AuditReader::Add(const Value& item, AuditBatch& batch) {
  auto invalid = [&](std::string_view why) {
    ++batch.invalid;
    if (batch.error.empty()) batch.error = why;
  };
  std::string_view audit_id = item.StringAt("auditID"), stage = item.StringAt("stage");
  if (!item.IsMap()) return invalid("an event must be an object");
  if (std::string_view version = item.StringAt("apiVersion");
      !version.empty() && version != "audit.k8s.io/v1") {
    return invalid("apiVersion must be audit.k8s.io/v1, not " + Quote(Short(version)));
  }
  if (audit_id.empty() || audit_id.size() > 256) return invalid("auditID is missing or too long");
  if (stage.empty() || stage.size() > 64) return invalid("stage is missing");
  if (stage == "RequestReceived") {
    ++batch.passed_over;
    return;
  }
  Value ref = item["objectRef"];
  std::string_view plural = ref.StringAt("resource"), subresource = ref.StringAt("subresource");
  bool stream = plural == "pods" && IsStream(subresource);
  if (stage == "ResponseStarted" && !stream) {
    ++batch.passed_over;
    return;
  }
  bool ended = stream && stage == "ResponseComplete" && Started(audit_id, false);
  if (stream && stage == "ResponseStarted") Started(audit_id, true);

  Event event;
  event.id = EventId({"audit", options_.cluster, audit_id, stage});
  event.time_us = MicrosOf(item);
  event.kind = "audit";
  event.cluster = options_.cluster;
  event.outcome = OutcomeOf(item);
  event.severity = event.outcome == "denied" ? Severity::kLow : Severity::kInfo;
  std::string_view verb = item.StringAt("verb");
  event.verb = ended ? "ended" : stream ? std::string(subresource) : Short(verb);
  event.user = Short(item["user"].StringAt("username"));
  if (auto ips = item["sourceIPs"].items(); !ips.empty() && ips.back().IsString()) {
    event.source_ip = Short(ips.back().AsString());
  }
  event.user_agent = Short(item.StringAt("userAgent"));
  std::string uri = Short(RedactUri(item.StringAt("requestURI")));

  std::string who = event.user.empty() ? "?" : event.user;
  if (std::string_view as = item["impersonatedUser"].StringAt("username"); !as.empty()) {
    who += " → " + Short(as);
  }
  event.args.emplace_back("user", who);
  if (plural.empty()) {
    event.resource = uri.substr(0, uri.find('?'));
    event.message = PathMessageId(event.outcome);
    event.args.emplace_back("uri", uri);
  } else {
    event.resource = Short(plural);
    if (!subresource.empty()) event.resource += "/" + Short(subresource);
    Asset& target = event.target;
    target.cluster = options_.cluster;
    target.group = Short(ref.StringAt("apiGroup"));
    target.version = Short(ref.StringAt("apiVersion"));
    target.kind = Short(KindOf(plural));
    target.ns = Short(ref.StringAt("namespace"));
    target.name = NameOf(item);
    if (plural == "namespaces" && target.ns == target.name) target.ns.clear();
    if (plural == "pods") event.pod = target.name;
    if (plural == "nodes") event.node = target.name;
    event.image = ImageOf(item["requestObject"]);
    event.message =
        ended ? std::string(kStreamEnded)
              : AuditMessageId(verb, plural, subresource, !target.ns.empty(), event.outcome);
    event.args.emplace_back("what", target.Label());
    event.args.emplace_back("resource", event.resource);
    if (!target.ns.empty()) event.args.emplace_back("ns", target.ns);
    if (subresource == "exec") {
      std::string command = CommandOf(item.StringAt("requestURI"));
      event.args.emplace_back("command", command.empty() ? "-" : command);
    }
    if (subresource == "proxy") event.args.emplace_back("uri", uri);
  }
  event.args.emplace_back("verb", event.verb);
  if (event.outcome == "denied" || event.outcome == "failed") {
    event.args.emplace_back("reason", ReasonOf(item));
  }

  RedactOptions redact{.secret_resource = plural == "secrets" || plural == "configmaps"};
  AppendRedacted(event.body, item, redact);
  if (size_t bytes = event.body.size(); bytes > options_.max_event_bytes) {
    ++batch.shortened;
    std::string mark = fmt::format(",\"shortened\":{{\"bytes\":{}}}}}", bytes);
    redact.max_string = 1024;
    redact.annotations = false;
    for (bool objects : {true, false}) {
      redact.objects = objects;
      event.body.clear();
      AppendRedacted(event.body, item, redact);
      event.body.pop_back();
      event.body += mark;
      if (event.body.size() <= options_.max_event_bytes) break;
    }
    // Headers that are that large are no audit event's; its fields say what there is to say.
    if (event.body.size() > options_.max_event_bytes) event.body = "{" + mark.substr(1);
  }
  batch.events.push_back(std::move(event));
}

void AuditReader::ReadLine(std::string_view line, AuditBatch& batch) {
  Arena arena(line.size() * 2 + 1024);
  auto value = ParseJson(line, arena,
                         {.max_depth = 200,
                          .max_bytes = options_.max_body_bytes,
                          .duplicate_keys = true,
                          .borrow_text = true});
  if (!value) {
    ++batch.invalid;
    if (batch.error.empty()) batch.error = value.error().ToString();
    return;
  }
  Add(*value, batch);
}

Result<AuditBatch> AuditReader::ReadBody(std::string_view body) {
  AuditBatch batch;
  Arena arena(body.size() + 4096);
  JsonOptions json{.max_depth = 200,
                   .max_bytes = options_.max_body_bytes,
                   .duplicate_keys = true,
                   .borrow_text = true};
  auto root = ParseJson(body, arena, json);
  if (!root) {
    // One event a line.
    JsonLines lines(body, json);
    while (lines.More()) {
      if (batch.events.size() >= options_.max_events) {
        return Error(Code::kLimit, "audit.limit", "more events than a batch may have");
      }
      Arena own;
      auto line = lines.Next(own);
      if (line && line->IsMap()) {
        Add(*line, batch);
      } else {
        ++batch.invalid;
        if (batch.error.empty() && !line) batch.error = line.error().ToString();
      }
    }
    if (batch.events.empty() && batch.passed_over == 0) {
      return Error(Code::kInvalid, "audit.body", "no audit events: " + root.error().ToString(),
                   {{"why", root.error().ToString()}});
    }
    return batch;
  }
  std::string_view kind = root->StringAt("kind");
  std::string_view version = root->StringAt("apiVersion");
  if ((kind != "EventList" && kind != "Event") || version != "audit.k8s.io/v1") {
    return Error(Code::kInvalid, "audit.kind",
                 "expected an EventList or Event of audit.k8s.io/v1, not " +
                     Quote(Short(std::string(kind) + " of " + std::string(version))),
                 {{"kind", Short(kind)}, {"version", Short(version)}});
  }
  if (kind == "Event") {
    Add(*root, batch);
    return batch;
  }
  if ((*root)["items"].size() > options_.max_events) {
    return Error(Code::kLimit, "audit.limit", "more events than a batch may have");
  }
  batch.events.reserve((*root)["items"].size());
  for (const Value& item : (*root)["items"].items()) Add(item, batch);
  return batch;
}

}  // namespace bulwark::audit
