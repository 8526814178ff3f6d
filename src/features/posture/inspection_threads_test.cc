// The pool of workers: however many there are, the report is that of one.

#include <gtest/gtest.h>

#include <sstream>

#include "features/posture/testing.h"
#include "model/output/output.h"

namespace bulwark::posture {
namespace {

// Workloads with much in common and something apart, the objects that checks compare them with, and
// what cannot be read.
std::string Documents(size_t count) {
  std::ostringstream out;
  for (size_t i = 0; i < count; ++i) {
    out << "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-" << i
        << "\n  namespace: team-" << i % 7 << "\nspec:\n  replicas: " << 1 + i % 3
        << "\n  selector:\n    matchLabels: {app: web-" << i << "}\n  template:\n    metadata:\n"
        << "      labels:\n        app: web-" << i << "\n    spec:\n      containers:\n"
        << "        - name: main\n          image: example.com/web:"
        << (i % 5 != 0 ? "1.2" : "latest")
        << "\n          securityContext:\n            privileged: "
        << (i % 3 == 0 ? "true" : "false") << "\n            runAsUser: " << i % 4
        << "\n          env:\n            - name: N\n"
        << "              value: \"" << i << "\"\n";
    if (i % 10 == 0) {
      out << "---\napiVersion: v1\nkind: Service\nmetadata: {name: s-" << i << ", namespace: team-"
          << i % 7 << "}\nspec: {selector: {app: nothing-" << i << "}, ports: [{port: 80}]}\n";
    }
    if (i % 50 == 0) out << "---\nbroken: [" << i << "\n";
    if (i % 60 == 0) {
      out << "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: orphan-" << i
          << "\n  ownerReferences: [{controller: true, kind: Deployment, name: gone}]\n"
          << "spec: {template: {spec: {containers: [{name: a, image: b}]}}}\n";
    }
  }
  return std::move(out).str();
}

std::string Json(const Report& report) {
  std::string out;
  output::Write(output::Format::kJson, report, {}, [&](std::string_view part) { out += part; });
  return out;
}

std::string ReportOf(unsigned threads, const std::vector<std::string>& files) {
  InspectOptions options;
  options.threads = threads;
  Inspection inspection(BuiltInChecks(), options);
  for (size_t i = 0; i < files.size(); ++i) {
    inspection.AddText(files[i], "file-" + std::to_string(i) + ".yaml");
    if (i == 1) inspection.Wait();
  }
  return Json(inspection.Finish());
}

TEST(InspectionThreads, ManyWorkersReportWhatOneDoes) {
  std::vector<std::string> files;
  for (size_t i = 0; i < 4; ++i) files.push_back(Documents(150));
  files.push_back(R"({"apiVersion":"v1","kind":"List","items":[
    {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-1"}},
    {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}]}}]})");
  std::string one = ReportOf(1, files);
  EXPECT_GT(one.size(), 100'000U);
  for (unsigned threads : {2U, 5U}) EXPECT_EQ(ReportOf(threads, files), one) << threads;
}

// An inspection that is given up while its workers are busy.
TEST(InspectionThreads, EndsInTheMiddle) {
  std::string text = Documents(300);
  Inspection inspection(BuiltInChecks(), {.threads = 4});
  for (int i = 0; i < 6; ++i) inspection.AddText(text, "a.yaml");
}

}  // namespace
}  // namespace bulwark::posture
