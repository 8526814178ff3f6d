#pragma once

// Workload inspection: Kubernetes objects in, a Report (model/report.h) out.
//
//   CheckSet checks = BW_TRY(CheckSet::BuiltIn());
//   Inspection inspection(checks, {.kubernetes_minor = 34});
//   inspection.Add(document);                       // any number; each is judged as it comes
//   Report report = inspection.Finish();            // checks between objects, exceptions, totals
//
// The life of an inspection: source.cc finds documents (files, folders, standard input, Kustomize,
// Helm, a cluster); formats/ reads each into a Value with positions; check.cc runs on it every
// check that speaks of its kind, at once, and keeps of the object only what checks between objects
// (`needs`) ask for, so that memory does not grow with the input; Finish() runs those, applies
// exceptions and sums up; fix.cc turns failed checks into edits of the source; the writers in
// output/ print the Report.
