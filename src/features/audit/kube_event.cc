#include "features/audit/kube_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/time.h"
#include "features/audit/redact.h"
#include "features/audit/texts.h"
#include "kube/object.h"

namespace bulwark::audit {

namespace {

std::string Cut(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  return ToValidUtf8(text.substr(0, bytes)) + "…";
}

int64_t MicrosOf(const Value& object) {
  std::string_view times[] = {object["series"].StringAt("lastObservedTime"),
                              object.StringAt("lastTimestamp"),
                              object.StringAt("deprecatedLastTimestamp"),
                              object.StringAt("eventTime"),
                              object.StringAt("firstTimestamp"),
                              object.StringAt("deprecatedFirstTimestamp"),
                              object["metadata"].StringAt("creationTimestamp")};
  for (std::string_view text : times) {
    if (auto at = ParseRfc3339(text)) return at->seconds * 1'000'000 + at->nanos / 1000;
  }
  Timestamp now = Now();
  return now.seconds * 1'000'000 + now.nanos / 1000;
}

int64_t CountOf(const Value& object) {
  for (const Value& count :
       {object["series"]["count"], object["count"], object["deprecatedCount"]}) {
    if (auto n = count.ToInt()) return *n;
  }
  return 1;
}

bool MeansHarm(std::string_view reason) {
  static constexpr std::array<std::string_view, 8> kReasons = {
      "OOMKilling", "SystemOOM",           "NodeNotReady",      "Evicted",
      "Rebooted",   "FreeDiskSpaceFailed", "ContainerGCFailed", "InvalidDiskCapacity"};
  return std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end();
}

}  // namespace

std::optional<Event> FromKubernetesEvent(const Value& object, const std::string& cluster) {
  if (!object.IsMap()) return std::nullopt;
  // events.k8s.io calls it `regarding`, core `involvedObject`.
  const Value* about = object.Find("regarding");
  if (about == nullptr) about = object.Find("involvedObject");
  std::string_view uid = object["metadata"].StringAt("uid");
  std::string_view reason = object.StringAt("reason");
  if (about == nullptr || !about->IsMap() || uid.empty()) return std::nullopt;

  Event event;
  std::string count = std::to_string(CountOf(object));
  event.id = EventId({"kubernetes", cluster, uid, count});
  event.time_us = MicrosOf(object);
  event.kind = "kubernetes";
  event.cluster = cluster;
  event.verb = Cut(reason, 200);
  bool warning = object.StringAt("type") == "Warning";
  event.severity = MeansHarm(reason) ? Severity::kMedium
                   : warning         ? Severity::kLow
                                     : Severity::kInfo;
  event.user = Cut(object.StringAt("reportingController",
                                   object.StringAt("reportingComponent",
                                                   object["source"].StringAt("component"))),
                   300);
  if (event.user.empty()) event.user = Cut(object["source"].StringAt("component"), 300);
  Asset& target = event.target;
  target.cluster = cluster;
  auto [group, version] = kube::SplitApiVersion(about->StringAt("apiVersion"));
  target.group = Cut(group, 300);
  target.version = Cut(version, 300);
  target.kind = Cut(about->StringAt("kind"), 300);
  target.ns = Cut(about->StringAt("namespace"), 300);
  target.name = Cut(about->StringAt("name"), 300);
  event.resource = "events";
  if (target.kind == "Pod") event.pod = target.name;
  if (target.kind == "Node") event.node = target.name;
  std::string_view host =
      object["source"].StringAt("host", object["deprecatedSource"].StringAt("host"));
  if (event.node.empty() && !host.empty()) event.node = Cut(host, 300);
  if (event.node.empty() && event.user == "kubelet") {
    event.node = Cut(object.StringAt("reportingInstance"), 300);
  }
  event.message = KubernetesMessageId(reason);
  std::string_view note = object.StringAt("note", object.StringAt("message"));
  event.args = {{"what", target.Label()},
                {"reason", event.verb},
                {"note", RedactText(Cut(note, 2000))},
                {"count", count},
                {"type", std::string(warning ? "Warning" : "Normal")}};
  AppendRedacted(event.body, object, {.max_string = 4096});
  return event;
}

}  // namespace bulwark::audit
