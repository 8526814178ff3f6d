#pragma once

// Workload inspection: Kubernetes objects in, a Report (model/report.h) out.
//
//   CheckSet checks = BW_TRY(CheckSet::BuiltIn());
//   Inspection inspection(checks, {.check = {.kubernetes_minor = 34}});
//   inspection.AddText(text, "deploy.yaml");        // any number; judged as they come
//   Report report = inspection.Finish();            // checks between objects, totals
//
// The life of an inspection: source.cc finds texts (files, folders, standard input, Kustomize,
// Helm) and cluster_source.cc a cluster's objects; inspection.cc divides them into documents, which
// formats/ reads into Values with positions; check.cc runs every check that speaks of an object's
// kind, unless reads.cc tells what comes out (of fields that are absent, of values that came
// before), and exceptions.cc marks what is excepted; inventory.cc keeps of the object only what
// checks between objects (`needs`) ask for, so that memory does not grow with the text; Finish()
// runs those and sums up; fix_plan.cc and fix_files.cc turn failed checks into edits of the source;
// model/output/ prints the Report.
