#include "features/node/feature.h"

#include "features/node/report.h"
#include "formats/json.h"
#include "platform/api/api.h"

namespace bulwark::node {
namespace {

constexpr std::string_view kNodeSchema = R"({
  "type":"object","required":["id","cluster","node","failed"],
  "properties":{
    "id":{"type":"string"},"cluster":{"type":"string"},"node":{"type":"string"},
    "asset":{"type":"object"},
    "os":{"type":"string"},"kernel":{"type":"string"},"runtime":{"type":"string"},
    "kubelet":{"type":"string"},
    "passed":{"type":"integer"},"failed":{"type":"integer"},"errors":{"type":"integer"},
    "manual":{"type":"integer"},
    "worst":{"type":"string","description":"severity of the worst check that fails"},
    "failing":{"type":"array","items":{"type":"string"}},
    "reportedAt":{"type":"string","format":"date-time"}}})";

constexpr std::string_view kReportSchema = R"({
  "type":"object","required":["facts","assessments"],
  "properties":{
    "cluster":{"type":"string"},"node":{"type":"string"},
    "reportedAt":{"type":"string","format":"date-time"},
    "facts":{"type":"object"},
    "assessments":{"type":"array","items":{"type":"object","required":["check","status"],
      "properties":{
        "check":{"type":"string"},
        "status":{"type":"string"},
        "severity":{"type":"string"},"category":{"type":"string"},
        "title":{"type":"string"},"description":{"type":"string"},"remedy":{"type":"string"},
        "path":{"type":"string"},"value":{"type":"string"},"error":{"type":"string"},
        "controls":{"type":"array","items":{"type":"string"}}}}}}})";

class NodeFeature final : public Feature {
 public:
  NodeFeature(Services& services, link::LinkServer& link, NodeOptions options)
      : state_(services.state), options_(std::move(options)) {
    store::StateStore& state = services.state;
    AddNodeMessages(services.catalog);
    link.Handle("node", "report", [this](const link::Delivered& delivered) {
      return TakeReport(options_, delivered);
    });
    api::Api& api = services.api;
    api.AddSchema("Node", std::string(kNodeSchema));
    api.AddSchema("NodeReport", std::string(kReportSchema));
    api.AddCollection({.path = "/api/v1/nodes",
                       .collection = std::string(kNodes),
                       .tag = "nodes",
                       .id = "Node",
                       .permission = "assets.read",
                       .schema = "Node",
                       .csv_columns = {"node", "cluster", "os", "kernel", "runtime", "kubelet",
                                       "failed", "worst", "reportedAt"}});
    api.Add({.method = "GET",
             .path = "/api/v1/nodes/{id}/report",
             .id = "getNodeReport",
             .tag = "nodes",
             .summary = "A node's facts and the checks on them",
             .permission = "assets.read",
             .response = "NodeReport",
             .handler = [&state](api::Request& request) -> Result<api::Response> {
               std::optional<store::Record> record =
                   BW_TRY(state.Get(kReports, request.Param("id")));
               if (!record) return Error(Code::kNotFound, "node.unknown", "no such node");
               Arena arena;
               Value report = BW_TRY(ParseJson(record->body, arena));
               BW_TRY(request.Require("assets.read", report.StringAt("cluster"), ""));
               return api::Response::Json(BW_TRY(RenderReport(record->body, request.language)));
             }});
  }

  std::string name() const override { return "node"; }
  Result<> Start() override { return TellKept(options_, state_); }
  void Stop() override {}

 private:
  store::StateStore& state_;
  const NodeOptions options_;
};

}  // namespace

Result<std::unique_ptr<Feature>> MakeNode(Services& services, link::LinkServer& link,
                                          NodeOptions options) {
  BW_TRY(DefineNodes(services.state));
  return std::unique_ptr<Feature>(
      std::make_unique<NodeFeature>(services, link, std::move(options)));
}

}  // namespace bulwark::node
