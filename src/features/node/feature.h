#pragma once

// Nodes in a server: what agents report of them.
//
// Takes envelopes node/report (node.h) and keeps
//   nodes         a record a node, for lists: {id, asset, cluster, node, os, kernel, runtime,
//                 kubelet, agentVersion?, passed, failed, errors, manual, worst, reportedAt}
//   node_reports  the facts and assessments in full
// and, where there is an inventory, an asset of the kind NodeFacts. Changes of facts, and checks
// that begin or cease to fail, become events of kind "node" (verbs changed, failed, fixed).
// Routes: GET /api/v1/nodes, /api/v1/nodes/{id}, /api/v1/nodes/{id}/report (permission
// assets.read).

#include <functional>
#include <memory>
#include <span>

#include "features/node/node.h"
#include "platform/service/service.h"
#include "platform/store/state_store.h"

namespace bulwark::link {
class LinkServer;
}

namespace bulwark::node {

struct NodeOptions {
  // Told of every report, before it is kept, and at the start of those that are kept: for whoever
  // makes findings of assessments. The asset is the cluster's Node; outside of any, the NodeFacts.
  std::function<Result<>(const Asset& asset, std::span<const NodeAssessment> assessments)> assessed;
};

// Before the link starts. Errors of the store.
Result<std::unique_ptr<Feature>> MakeNode(Services& services, link::LinkServer& link,
                                          NodeOptions options = {});

}  // namespace bulwark::node
