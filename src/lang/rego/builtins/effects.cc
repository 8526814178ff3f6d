// What reaches outside of the policy, by way of the Host: http.send, net.lookup_ip_addr,
// opa.runtime, rand.intn, uuid.*, trace. Within a query, the same arguments get the same answer.

#include <fmt/format.h>

#include <array>
#include <map>

#include "base/hash.h"
#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/http_request.h"
#include "lang/rego/builtins/number.h"
#include "net/url_guard.h"

namespace bulwark::rego {

namespace {

// --- http.send -----------------------------------------------------------------------------------

// The answers of a query's requests.
struct HttpAnswers {
  struct Answer {
    std::optional<Value> response;
    std::string error;
    bool network = false;
  };
  std::map<std::string, Answer, std::less<>> answers;
};

// A network's errors are told apart from those in the request.
bool IsNetworkError(const Error& error) {
  return error.id().starts_with("http.") && error.id() != "http.url";
}

Value ErrorAnswer(Context& c, bool network, std::string_view message) {
  MapBuilder error(c.arena);
  error.Add("code", Value::String(network ? "eval_http_send_network_error"
                                          : "eval_http_send_internal_error"));
  error.Add("message", Value::String(c.arena, message));
  MapBuilder answer(c.arena);
  answer.Add("status_code", Value::Int(0));
  answer.Add("error", error.Finish());
  return answer.Finish();
}

// RFC 7231 section 6.1: answers that stay the same.
bool CacheableStatus(int64_t status) {
  constexpr std::array<int64_t, 11> kCodes = {200, 203, 204, 206, 300, 301,
                                              404, 405, 410, 414, 501};
  return std::find(kCodes.begin(), kCodes.end(), status) != kCodes.end();
}

HttpAnswers::Answer Ask(Context& c, const Value& request) {
  auto failed = [](const Error& error) {
    return HttpAnswers::Answer{
        .response = {}, .error = error.message(), .network = IsNetworkError(error)};
  };
  Result<std::string> key = RequestCacheKey(request, c.arena);
  if (!key) return failed(key.error());
  if (Result<SendRequest> read = ReadSendRequest(request, c.arena); !read) {
    return failed(read.error());
  }
  auto& answers = c.state<HttpAnswers>().answers;
  if (auto found = answers.find(*key); found != answers.end()) return found->second;
  Result<Value> response = c.host.HttpSend(request, c.arena);
  HttpAnswers::Answer answer;
  if (response) {
    answer.response = *response;
    std::optional<int64_t> status = (*response)["status_code"].ToInt();
    if (!CacheableStatus(status.value_or(0))) return answer;
  } else {
    answer = failed(response.error());
  }
  answers.emplace(*std::move(key), answer);
  return answer;
}

Outcome HttpSend(Context& c, Args args, Value& out) {
  const Value& request = args[0];
  if (!request.IsMap()) return c.WrongType(1, request, "object");
  bool raise = true;
  if (const Value* value = request.Find("raise_error")) {
    if (!value->IsBool()) return c.Fail("invalid value for raise_error field");
    raise = value->IsTrue();
  }
  if (!c.Spend(1000)) return Outcome::kHalt;
  if (Outcome checked = CheckRequestKeys(c, request, 1); checked != Outcome::kValue) {
    if (raise) return checked;
    out = ErrorAnswer(c, false, "eval_type_error: http.send: " + c.error);
    return Outcome::kValue;
  }
  HttpAnswers::Answer answer = Ask(c, request);
  if (answer.response) {
    out = *answer.response;
    return Outcome::kValue;
  }
  if (raise) return c.Fail(answer.error);
  out = ErrorAnswer(c, answer.network, answer.error);
  return Outcome::kValue;
}

// --- The rest ------------------------------------------------------------------------------------

struct Lookups {
  std::map<std::string, Value, std::less<>> addresses;
};

Outcome LookupIpAddr(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  std::string_view name = args[0].AsString();
  // An address is its own.
  if (std::optional<net::IpAddress> address = net::IpAddress::Parse(name)) {
    Value item = Value::String(c.arena, address->ToString());
    out = Value::Set(c.arena, {&item, 1});
    return Outcome::kValue;
  }
  auto& known = c.state<Lookups>().addresses;
  if (auto found = known.find(name); found != known.end()) {
    out = found->second;
    return Outcome::kValue;
  }
  Result<std::vector<std::string>> addresses = c.host.LookupAddress(name);
  if (!addresses) return c.Fail(addresses.error().message());
  std::vector<Value> items;
  for (const std::string& address : *addresses) items.push_back(Value::String(c.arena, address));
  out = Value::Set(c.arena, items);
  known.emplace(name, out);
  return Outcome::kValue;
}

Outcome Runtime(Context& c, Args, Value& out) {
  out = c.host.Runtime(c.arena);
  return Outcome::kValue;
}

struct Chances {
  std::map<std::string, int64_t, std::less<>> numbers;
  std::map<std::string, std::string, std::less<>> uuids;
};

Outcome RandIntn(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!args[1].IsNumber()) return c.WrongType(2, args[1], "number");
  std::optional<int64_t> operand = MachineInt(args[1]);
  if (!operand) return c.BadOperand(2, "must be integer number but got floating-point number");
  // Whatever its sign; the most negative number has no counterpart.
  auto bound =
      *operand < 0 ? ~static_cast<uint64_t>(*operand) + 1 : static_cast<uint64_t>(*operand);
  if (bound > INT64_MAX) return c.BadOperand(2, "must be within the range of 64 bits");
  out = Value::Int(0);
  if (bound == 0) return Outcome::kValue;
  std::string key = fmt::format("{}-{}", args[0].AsString(), bound);
  auto& numbers = c.state<Chances>().numbers;
  auto found = numbers.find(key);
  if (found == numbers.end()) {
    // Numbers past the last full multiple would make the small ones likelier.
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t number = 0;
    do {
      std::array<uint8_t, 8> bytes{};
      c.host.Random(bytes);
      number = 0;
      for (uint8_t byte : bytes) number = number << 8 | byte;
    } while (number >= limit && c.Spend(1));
    found = numbers.emplace(std::move(key), static_cast<int64_t>(number % bound)).first;
  }
  out = Value::Int(found->second);
  return Outcome::kValue;
}

std::string FormatUuid(std::span<const uint8_t, 16> bytes) {
  std::string hex = HexEncode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

Outcome UuidRfc4122(Context& c, Args args, Value& out) {
  std::string key = ToRegoText(args[0]);
  auto& uuids = c.state<Chances>().uuids;
  auto found = uuids.find(key);
  if (found == uuids.end()) {
    std::array<uint8_t, 16> bytes{};
    c.host.Random(bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    found = uuids.emplace(std::move(key), FormatUuid(bytes)).first;
  }
  out = Value::String(c.arena, found->second);
  return Outcome::kValue;
}

// The 16 bytes of a UUID in any of the forms that are in use.
std::optional<std::array<uint8_t, 16>> ReadUuid(std::string_view text) {
  constexpr std::string_view kUrn = "urn:uuid:";
  if (text.size() == 36 + kUrn.size()) {
    if (!EqualsIgnoringCase(text.substr(0, kUrn.size()), kUrn)) return std::nullopt;
    text.remove_prefix(kUrn.size());
  } else if (text.size() == 38) {
    text = text.substr(1, 36);  // in braces, or whatever stands there
  }
  std::string digits;
  if (text.size() == 36) {
    for (size_t i = 0; i < text.size(); ++i) {
      bool dash = i == 8 || i == 13 || i == 18 || i == 23;
      if (dash != (text[i] == '-')) return std::nullopt;
      if (!dash) digits += text[i];
    }
  } else if (text.size() == 32) {
    digits = text;
  } else {
    return std::nullopt;
  }
  Result<std::string> bytes = HexDecode(digits);
  if (!bytes) return std::nullopt;
  std::array<uint8_t, 16> out{};
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

Outcome UuidParse(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  std::optional<std::array<uint8_t, 16>> uuid = ReadUuid(args[0].AsString());
  if (!uuid) return Outcome::kUndefined;
  const std::array<uint8_t, 16>& b = *uuid;
  auto big_endian = [&](size_t at, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | b[at + i];
    return value;
  };
  int version = b[6] >> 4;
  std::string_view variant = (b[8] & 0xc0) == 0x80   ? "RFC4122"
                             : (b[8] & 0xe0) == 0xc0 ? "Microsoft"
                             : (b[8] & 0xe0) == 0xe0 ? "Future"
                                                     : "Reserved";
  MapBuilder map(c.arena);
  map.Add("version", Value::Int(version));
  map.Add("variant", Value::String(variant));
  if (version == 1 || version == 2) {
    uint64_t ticks = big_endian(0, 4) | big_endian(4, 2) << 32 | (big_endian(6, 2) & 0xfff) << 48;
    // 100 nanoseconds each, since 15 October 1582.
    constexpr int64_t kEpoch = 122192928000000000;
    int64_t since = static_cast<int64_t>(ticks) - kEpoch;
    // Seconds and the rest apart, then in 64 bits that may overflow, as Go has it.
    uint64_t nanos = static_cast<uint64_t>(since / 10'000'000) * 1'000'000'000 +
                     static_cast<uint64_t>(since % 10'000'000 * 100);
    map.Add("time", Value::Int(static_cast<int64_t>(nanos)));
    std::string node;
    for (size_t i = 10; i < 16; ++i) node += fmt::format("{}{:02x}", i == 10 ? "" : "-", b[i]);
    map.Add("nodeid", Value::String(c.arena, node));
    constexpr std::string_view kMac[] = {"global:unicast", "global:multicast", "local:unicast",
                                         "local:multicast"};
    map.Add("macvariables", Value::String(kMac[b[10] & 3]));
    map.Add("clocksequence", Value::Int(static_cast<int64_t>(big_endian(8, 2) & 0x3fff)));
    if (version == 2) {
      map.Add("id", Value::Int(static_cast<int64_t>(big_endian(0, 4))));
      constexpr std::string_view kDomains[] = {"Person", "Group", "Org"};
      map.Add("domain", b[9] < 3 ? Value::String(kDomains[b[9]])
                                 : Value::String(c.arena, fmt::format("Domain{}", b[9])));
    }
  }
  out = map.Finish();
  return Outcome::kValue;
}

Outcome Trace(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  c.host.Print(args[0].AsString(), "");
  out = Value::Bool(true);
  return Outcome::kValue;
}

constexpr Builtin kEffects[] = {
    {.name = "http.send",
     .type = "(request: object[string: any]) -> response: object[any: any]",
     .call = HttpSend,
     .nondeterministic = true},
    {.name = "net.lookup_ip_addr",
     .type = "(name: string) -> addrs: set[string]",
     .call = LookupIpAddr,
     .nondeterministic = true},
    {.name = "opa.runtime",
     .type = "() -> output: object[string: any]",
     .call = Runtime,
     .nondeterministic = true},
    {.name = "rand.intn",
     .type = "(str: string, n: number) -> y: number",
     .call = RandIntn,
     .nondeterministic = true},
    {.name = "uuid.rfc4122",
     .type = "(k: string) -> output: string",
     .call = UuidRfc4122,
     .nondeterministic = true},
    {"uuid.parse", "(uuid: string) -> result: object[string: any]", UuidParse},
    {"trace", "(note: string) -> result: boolean", Trace},
    {"providers.aws.sign_req",
     "(request: object[string: any], aws_config: object[string: any], time_ns: number) -> "
     "signed_request: object[any: any]",
     AwsSignRequest},
};

}  // namespace

std::span<const Builtin> EffectBuiltins() { return kEffects; }

}  // namespace bulwark::rego
