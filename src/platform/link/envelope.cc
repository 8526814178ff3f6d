#include "platform/link/envelope.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark::link {
namespace {

constexpr size_t kEpochDigits = 16;
// Far enough, and exact in every number that JSON knows.
constexpr int64_t kMaxSeq = int64_t{1} << 53;

Error Bad(std::string_view why) {
  return {Code::kInvalid,
          "link.batch",
          fmt::format("a batch is refused: {}", why),
          {{"why", std::string(why)}}};
}

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || IsAsciiDigit(c); }

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return IsAsciiDigit(c) || (c >= 'a' && c <= 'f');
         });
}

Result<uint64_t> Number(const Value& map, std::string_view name) {
  const Value* found = map.Find(name);
  if (found == nullptr) return uint64_t{0};
  std::optional<int64_t> number = found->ToInt();
  if (!number || *number < 0 || *number > kMaxSeq) {
    return Bad(fmt::format("{} is not a number of things", Quote(name)));
  }
  return static_cast<uint64_t>(*number);
}

Result<Envelope> ParseEnvelope(const Value& value) {
  if (!value.IsMap()) return Bad("an envelope is not an object");
  Envelope out;
  out.seq = BW_TRY(Number(value, "seq"));
  if (out.seq == 0) return Bad("an envelope without a sequence number");
  out.feature = value.StringAt("feature");
  out.kind = value.StringAt("kind");
  if (!IsWord(out.feature) || !IsWord(out.kind)) return Bad("an envelope's feature or kind");
  out.version = static_cast<int64_t>(BW_TRY(Number(value, "version")));
  if (out.version < 1 || out.version > 1000) return Bad("an envelope's version");
  Result<Timestamp> time = ParseRfc3339(value.StringAt("time"));
  if (!time) return Bad("an envelope's time");
  out.time_us = time->seconds * 1'000'000 + time->nanos / 1000;
  out.payload = value["payload"];
  if (!out.payload.IsMap()) return Bad("an envelope's payload is not an object");
  return out;
}

}  // namespace

bool IsClusterId(std::string_view text) {
  return text.size() <= 63 &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsNodeName(std::string_view text) {
  return !text.empty() && text.size() <= 253 && IsLowerAlnum(text.front()) &&
         IsLowerAlnum(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return IsLowerAlnum(c) || c == '-' || c == '.';
         });
}

bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return IsLowerAlnum(c) || c == '-' || c == '_';
  });
}

std::string ToUri(const NodeIdentity& identity) {
  return fmt::format("bulwark:agent:{}:{}:{}", identity.cluster, identity.node, identity.enrolment);
}

Result<NodeIdentity> ParseUri(std::string_view uri) {
  std::vector<std::string_view> parts = Split(uri, ':');
  if (parts.size() != 5 || parts[0] != "bulwark" || parts[1] != "agent" || !IsClusterId(parts[2]) ||
      !IsNodeName(parts[3]) || !IsHex(parts[4], kEpochDigits)) {
    return Error(Code::kInvalid, "link.identity", "the certificate is not an agent's");
  }
  return NodeIdentity{std::string(parts[2]), std::string(parts[3]), std::string(parts[4])};
}

Result<EnvelopeBatch> ParseBatch(std::string_view json, Arena& arena, const BatchLimits& limits) {
  Result<Value> parsed =
      ParseJson(json, arena, {.max_depth = limits.depth, .max_bytes = limits.bytes});
  if (!parsed) {
    return Error(parsed.error().code(), "link.batch",
                 "a batch is refused: " + parsed.error().message());
  }
  const Value& root = *parsed;
  if (!root.IsMap()) return Bad("not an object");
  EnvelopeBatch out{.cluster = root.StringAt("cluster"),
                    .node = root.StringAt("node"),
                    .epoch = root.StringAt("epoch")};
  if (!IsClusterId(out.cluster) || !IsNodeName(out.node)) return Bad("its cluster or node");
  if (!IsHex(out.epoch, kEpochDigits)) return Bad("its epoch is not 16 hexadecimal digits");
  Value agent = root["agent"];
  out.agent_version = agent.StringAt("version");
  if (out.agent_version.size() > 64) return Bad("the agent's version");
  out.spooled = BW_TRY(Number(agent, "spooled"));
  out.dropped = BW_TRY(Number(agent, "dropped"));
  Value envelopes = root["envelopes"];
  if (!envelopes.IsArray()) return Bad("no array \"envelopes\"");
  if (envelopes.size() > limits.envelopes) {
    return Error(Code::kLimit, "link.batch",
                 fmt::format("a batch is refused: more than {} envelopes", limits.envelopes));
  }
  out.envelopes.reserve(envelopes.size());
  for (const Value& item : envelopes.items()) {
    Envelope envelope = BW_TRY(ParseEnvelope(item));
    if (!out.envelopes.empty() && envelope.seq <= out.envelopes.back().seq) {
      return Bad("sequence numbers do not ascend");
    }
    out.envelopes.push_back(envelope);
  }
  return out;
}

std::string EnvelopeJson(uint64_t seq, std::string_view feature, std::string_view kind,
                         int64_t version, int64_t time_us, std::string_view payload) {
  BW_CHECK(IsWord(feature) && IsWord(kind));
  Timestamp time{time_us / 1'000'000, static_cast<int32_t>(time_us % 1'000'000) * 1000};
  return fmt::format(
      R"({{"seq":{},"feature":"{}","kind":"{}","version":{},"time":"{}","payload":{}}})", seq,
      feature, kind, version, FormatRfc3339(time), payload);
}

std::string BatchJson(const NodeIdentity& identity, std::string_view epoch,
                      std::string_view agent_version, uint64_t spooled, uint64_t dropped,
                      const std::vector<std::string_view>& envelopes) {
  std::string version;
  AppendJsonString(version, agent_version);
  std::string out = fmt::format(
      R"({{"cluster":"{}","node":"{}","epoch":"{}","agent":{{"version":{},"spooled":{},"dropped":{}}},"envelopes":[)",
      identity.cluster, identity.node, epoch, version, spooled, dropped);
  for (size_t i = 0; i < envelopes.size(); ++i) {
    if (i != 0) out += ',';
    out += envelopes[i];
  }
  return out + "]}";
}

}  // namespace bulwark::link
