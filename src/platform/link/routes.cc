// Agents in the API, and the link's messages.

#include <fmt/format.h>

#include "base/time.h"
#include "formats/json.h"
#include "platform/api/api.h"
#include "platform/link/server_state.h"

namespace bulwark::link {
namespace {

constexpr std::chrono::hours kTokenLife{1};

constexpr std::string_view kAgentSchema = R"({
  "type":"object",
  "required":["id","cluster","node","state"],
  "properties":{
    "id":{"type":"string"},
    "cluster":{"type":"string","description":"UID of its cluster's kube-system; empty outside of any"},
    "node":{"type":"string"},
    "state":{"type":"string","enum":["connected","away","revoked"]},
    "version":{"type":"string"},
    "enrolledAt":{"type":"string","format":"date-time"},
    "lastSeen":{"type":"string","format":"date-time"},
    "certificateExpires":{"type":"string","format":"date-time"},
    "spooled":{"type":"integer","description":"envelopes that wait on the node"},
    "dropped":{"type":"integer","description":"envelopes that the node had to drop"}}})";

constexpr std::string_view kEnrolmentRequest = R"({
  "type":"object","additionalProperties":false,
  "properties":{
    "cluster":{"type":"string","description":"an id of clusters; none: a machine outside of any"},
    "node":{"type":"string","description":"the only node that may use it; none: any"},
    "expires":{"type":"string","format":"date-time","description":"in an hour, unless told; at most 30 days"}}})";

constexpr std::string_view kEnrolmentResponse = R"({
  "type":"object","required":["token","expires","ca"],
  "properties":{
    "token":{"type":"string","description":"good for one agent; shown this once"},
    "expires":{"type":"string","format":"date-time"},
    "ca":{"type":"string","description":"PEM of the CA that agents trust"}}})";

struct Message {
  const char *id, *en, *zh;
};
constexpr Message kMessages[] = {
    {"link.agent.enrolled", "The agent on node {node} enrolled ({why})",
     "节点 {node} 上的代理已注册（{why}）"},
    {"link.agent.revoked", "The agent on node {node} was revoked", "节点 {node} 上的代理已被吊销"},
    {"link.agent.away", "Nothing has been heard of the agent on node {node} for a while",
     "节点 {node} 上的代理已失联"},
    {"link.agent.back", "The agent on node {node} is back", "节点 {node} 上的代理已恢复连接"},
    {"link.agent", "no such agent", "没有这个代理"},
    {"link.enrol", "The enrolment is not valid", "注册请求无效"},
    {"link.token", "The enrolment token is not accepted", "注册令牌未被接受"},
    {"link.token_node", "The service-account token is bound to no node",
     "服务账号令牌未绑定到节点"},
    {"link.foreign", "The batch is of another node", "该批次属于其他节点"},
    {"link.busy", "Too much at once; try again", "请求过多，请稍后重试"},
};

// Neither its enrolment's id nor anything else that is the link's own.
void RenderAgent(const api::Request&, const store::Record&, Value record, Arena& arena,
                 Value& out) {
  MapBuilder map(arena);
  for (const Value::Entry& entry : record.entries()) {
    if (!(entry.key.IsString() && entry.key.AsString() == "enrolment")) {
      map.Add(entry.key, entry.value);
    }
  }
  out = map.Finish();
}

}  // namespace

void LinkServer::AddMessages(Catalog& catalog) {
  for (const Message& message : kMessages) {
    catalog.Add(message.id, {.en = message.en, .zh = message.zh});
  }
}

void LinkServer::AddRoutes(api::Api& api) {
  api.AddSchema("Agent", std::string(kAgentSchema));
  api.AddSchema("AgentEnrolmentRequest", std::string(kEnrolmentRequest));
  api.AddSchema("AgentEnrolment", std::string(kEnrolmentResponse));
  api.AddCollection({.path = "/api/v1/agents",
                     .collection = "agents",
                     .tag = "agents",
                     .id = "Agent",
                     .permission = "agents.read",
                     .schema = "Agent",
                     .csv_columns = {"node", "cluster", "state", "version", "lastSeen",
                                     "certificateExpires", "spooled", "dropped"},
                     .render = RenderAgent});
  api.Add({.method = "DELETE",
           .path = "/api/v1/agents/{id}",
           .id = "revokeAgent",
           .tag = "agents",
           .summary = "Revokes an agent: its certificate is worth nothing from now on",
           .permission = "agents.write",
           .status = 204,
           .handler = [state = state_, this](api::Request& request) -> Result<api::Response> {
             std::string id = request.Param("id");
             Error none(Code::kNotFound, "link.agent", "no such agent");
             std::optional<store::Record> record = BW_TRY(state->store.Get("agents", id));
             if (!record) return none;
             Arena arena;
             Value agent = BW_TRY(ParseJson(record->body, arena));
             BW_TRY(request.Require("agents.write", agent.StringAt("cluster"), ""));
             BW_TRY(Revoke(id, request.principal.name));
             return api::Response::NoContent();
           }});
  api.Add({.method = "POST",
           .path = "/api/v1/agents/enrolment",
           .id = "makeAgentEnrolment",
           .tag = "agents",
           .summary = "Makes a token with which one agent may enrol",
           .permission = "agents.enroll",
           .request = "AgentEnrolmentRequest",
           .response = "AgentEnrolment",
           .status = 201,
           .handler = [state = state_, this](api::Request& request) -> Result<api::Response> {
             std::string_view cluster = request.body.StringAt("cluster");
             BW_TRY(request.Require("agents.enroll", cluster, ""));
             std::chrono::seconds life = kTokenLife;
             if (std::string_view text = request.body.StringAt("expires"); !text.empty()) {
               Timestamp expires = BW_TRY(ParseRfc3339(text));
               life =
                   std::chrono::duration_cast<std::chrono::seconds>(expires - state->options.now());
             }
             Enrolment made = BW_TRY(
                 MakeToken(cluster, request.body.StringAt("node"), life, request.principal.name));
             std::string body = R"({"token":)";
             AppendJsonString(body, made.token);
             body += fmt::format(R"(,"expires":"{}","ca":)", FormatRfc3339(made.expires));
             AppendJsonString(body, state->certificates.ca_pem());
             return api::Response::Json(body + "}", 201);
           }});
}

}  // namespace bulwark::link
