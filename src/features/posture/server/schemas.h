#pragma once

// What the routes of findings, inspections, checks and exceptions take and answer with, for the
// OpenAPI document.

namespace bulwark::api {
class Api;
}

namespace bulwark::posture {

// Finding, FindingFix, Exception, ExceptionRequest, Tally, InspectedWorkload, Inspection,
// InspectionList, Run, RunStarted, Check, CheckList, Control, Framework, FrameworkList, TrendPoint,
// TrendList, InspectionReport.
void AddPostureSchemas(api::Api& api);

}  // namespace bulwark::posture
