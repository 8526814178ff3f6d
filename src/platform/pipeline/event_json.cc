#include "platform/pipeline/event_json.h"

#include "formats/json.h"
#include "model/record.h"

namespace bulwark {

Value EventToValue(const Event& e, const Catalog& catalog, Language language, bool body,
                   Arena& arena) {
  MapBuilder out(arena, 24);
  auto text = [&](std::string_view s) { return Value::String(arena, s); };
  auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) out.Add(key, text(value));
  };
  out.Add("id", text(e.id));
  out.Add("time", text(FormatTime(e.time_us)));
  out.Add("received", text(FormatTime(e.received_us)));
  add("kind", e.kind);
  add("cluster", e.cluster);
  out.Add("severity", Value::String(SeverityName(e.severity)));
  add("verb", e.verb);
  add("outcome", e.outcome);
  add("user", e.user);
  add("sourceIp", e.source_ip);
  add("userAgent", e.user_agent);
  add("resource", e.resource);
  if (!e.target.kind.empty() || !e.target.name.empty()) {
    out.Add("target", ToValue(e.target, arena));
  }
  add("node", e.node);
  add("pod", e.pod);
  add("image", e.image);
  add("process", e.process);
  add("rule", e.rule);
  add("messageId", e.message);
  MapBuilder args(arena, e.args.size());
  for (const auto& [name, value] : e.args) args.Add(text(name), text(value));
  out.Add("args", args.Finish());
  out.Add("message", text(catalog.Message(e.message, e.args, language)));
  if (body && !e.body.empty()) {
    auto parsed = ParseJson(arena.Copy(e.body), arena,
                            {.max_depth = 250, .duplicate_keys = true, .borrow_text = true});
    if (parsed) out.Add("body", *parsed);
  }
  return out.Finish();
}

}  // namespace bulwark
