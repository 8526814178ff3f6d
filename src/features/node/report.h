#pragma once

// A node's report as the server takes it, apart from routes: for this folder alone.

#include <string>

#include "features/node/feature.h"
#include "model/catalog.h"
#include "platform/link/server.h"

namespace bulwark::node {

inline constexpr std::string_view kNodes = "nodes", kReports = "node_reports";

void AddNodeMessages(Catalog& catalog);
Result<> DefineNodes(store::StateStore& state);
// The envelope node/report: changes and events of it.
Result<> TakeReport(const NodeOptions& options, const link::Delivered& delivered);
// Tells of the assessments that are kept, as NodeOptions::assessed has it.
Result<> TellKept(const NodeOptions& options, store::StateStore& state);
// Whose findings those of a node are.
Asset JudgedAsset(const Asset& facts);
// A report with its checks' texts in a language.
Result<std::string> RenderReport(std::string_view record, Language language);

}  // namespace bulwark::node
