#include "base/text.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/api/api.h"
#include "platform/notify/sinks.h"

namespace bulwark::notify {

using api::Request;
using api::Response;

namespace {

constexpr std::string_view kSettings =
    R"({"type":"object","additionalProperties":false,"required":["type"],"properties":{"id":{"type":"string"},"name":{"type":"string","maxLength":200},"type":{"type":"string","maxLength":40},"enabled":{"type":"boolean"},"kinds":{"type":"array","maxItems":20,"items":{"type":"string","maxLength":64}},"q":{"type":"string","maxLength":4096},"language":{"type":"string","enum":["en","zh-CN"]},"bodies":{"type":"boolean"},"path":{"type":"string","maxLength":100},"maxBytes":{"type":"integer"},"files":{"type":"integer"},"url":{"type":"string","maxLength":2000},"format":{"type":"string","enum":["lines","array"]},"headers":{"type":"object","additionalProperties":{"type":"string","maxLength":8000}},"secretHeaders":{"type":"object","additionalProperties":{"type":"string","maxLength":8000}}}})";
constexpr std::string_view kSink = R"({"type":"object",
  "required":["id","type","enabled","secretHeaders","createdAt","createdBy","status"],"properties":{
  "id":{"type":"string"},"name":{"type":"string"},"type":{"type":"string"},
  "enabled":{"type":"boolean"},"kinds":{"type":"array","items":{"type":"string"}},
  "q":{"type":"string"},"language":{"type":"string","enum":["en","zh-CN"]},
  "bodies":{"type":"boolean"},"path":{"type":"string"},"maxBytes":{"type":"integer"},
  "files":{"type":"integer"},"url":{"type":"string"},
  "format":{"type":"string","enum":["lines","array"]},
  "headers":{"type":"object","additionalProperties":{"type":"string"}},
  "secretHeaders":{"type":"array","items":{"type":"string"},"description":"Their names"},
  "createdAt":{"type":"string","format":"date-time"},"createdBy":{"type":"string"},
  "status":{"type":"object","required":["sent","failures","dropped","waiting"],"properties":{
    "sent":{"type":"integer"},"failures":{"type":"integer"},"dropped":{"type":"integer"},
    "waiting":{"type":"integer"},"lastSent":{"type":"string","format":"date-time"},
    "lastError":{"type":"string"}}}}})";
constexpr std::string_view kPatch = R"({"type":"object"})";

Value Rendered(const Sinks& sinks, std::string_view id, const Value& record, Arena& arena) {
  Sinks::Status s = sinks.StatusOf(id);
  MapBuilder out(arena, record.size() + 6);
  for (const auto& [key, value] : record.entries()) out.Add(key, value);
  MapBuilder status(arena);
  auto number = [](uint64_t n) { return Value::Int(static_cast<int64_t>(n)); };
  status.Add("sent", number(s.sent));
  status.Add("failures", number(s.failures));
  status.Add("dropped", number(s.dropped));
  status.Add("waiting", number(s.waiting));
  if (s.last_sent_us != 0) {
    status.Add("lastSent", Value::String(arena, FormatTime(s.last_sent_us)));
  }
  if (!s.last_error.empty()) status.Add("lastError", Value::String(arena, s.last_error));
  out.Add("status", status.Finish());
  return out.Finish();
}

}  // namespace

void Sinks::AddRoutes(api::Api& api) {
  auto answer = [this](const store::Record& record, int status) -> Result<Response> {
    Arena arena;
    Value v = BW_TRY(ParseJson(record.body, arena));
    Response out = Response::Json(ToJson(Rendered(*this, record.key, v, arena)), status);
    out.revision = record.revision;
    return out;
  };
  api.AddSchema("Sink", std::string(kSink));
  api.AddCollection(
      {.path = "/api/v1/sinks",
       .collection = std::string(kCollection),
       .tag = "sinks",
       .id = "Sink",
       .permission = "settings.read",
       .schema = "Sink",
       .scoped = false,
       .csv_columns = {"id", "name", "type", "enabled"},
       .render = [this](const Request&, const store::Record& record, Value v, Arena& arena,
                        Value& out) { out = Rendered(*this, record.key, v, arena); }});
  api.Add({.method = "POST",
           .path = "/api/v1/sinks",
           .id = "addSink",
           .tag = "sinks",
           .summary = "Send results to a file or an endpoint",
           .permission = "settings.write",
           .request = std::string(kSettings),
           .response = "Sink",
           .status = 201,
           .handler = [this, answer](Request& r) -> Result<Response> {
             store::Record record = BW_TRY(Save("", r.body, r.principal.id));
             return answer(record, 201);
           }});
  api.Add({.method = "PATCH",
           .path = "/api/v1/sinks/{id}",
           .id = "changeSink",
           .tag = "sinks",
           .summary = "Change a sink",
           .permission = "settings.write",
           .request = std::string(kPatch),
           .response = "Sink",
           .handler = [this, answer](Request& r) -> Result<Response> {
             auto found = BW_TRY(state_.Get(kCollection, r.Param("id")));
             if (!found) return Error(Code::kNotFound, "sinks.none", "there is no such sink");
             Arena arena;
             Value old = BW_TRY(ParseJson(found->body, arena));
             // A merge patch of what may be set; secrets stay unless they are given.
             MapBuilder merged(arena);
             for (const auto& [key, value] : old.entries()) {
               std::string_view name = key.AsString();
               if (name == "createdAt" || name == "createdBy" || name == "secretHeaders") continue;
               const Value* patch = r.body.Find(name);
               if (patch == nullptr) merged.Add(key, value);
             }
             for (const auto& [key, value] : r.body.entries()) {
               if (!value.IsNull()) merged.Add(key, value);
             }
             store::Record record =
                 BW_TRY(Save(r.Param("id"), merged.Finish(), r.principal.id, r.IfMatch()));
             return answer(record, 200);
           }});
  api.Add({.method = "DELETE",
           .path = "/api/v1/sinks/{id}",
           .id = "deleteSink",
           .tag = "sinks",
           .summary = "Send nothing there any more",
           .permission = "settings.write",
           .status = 204,
           .handler = [this](Request& r) -> Result<Response> {
             BW_TRY(Delete(r.Param("id")));
             return Response::NoContent();
           }});
  api.Add({.method = "POST",
           .path = "/api/v1/sinks/{id}/test",
           .id = "testSink",
           .tag = "sinks",
           .summary = "Send one line, to see whether it arrives",
           .permission = "settings.write",
           .response =
               R"({"type":"object","required":["sent"],"properties":{"sent":{"type":"integer"}}})",
           .handler = [this](Request& r) -> Result<Response> {
             BW_TRY(Test(r.Param("id")));
             return Response::Json(R"({"sent":1})");
           }});
}

}  // namespace bulwark::notify
