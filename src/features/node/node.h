#pragma once

// What a node is and how it is set up: facts, and checks on them.
//
//   in:   /proc, /sys, /etc and the sockets of a machine, below any prefix (an agent in a pod sees
//         its host at /host); the kubelet's flags and configuration files
//   out:  facts (one JSON object), and an assessment of each check
//
// Facts (what is not there was not there to read; what could not be read is in `unreadable`):
//   kernel {release, version, arch}, os {id, versionId, prettyName, variant}, bootId, cpus,
//   memoryKib, uptimeSeconds, clock {synchronized, offsetMicros, maxErrorMicros}, cgroupVersion,
//   lsms [..], runtimes [{name, version, pid, executable}], kubelet {pid, version, flags,
//   configFile, config {…effective…}, sources {…}}, sysctls {name: text}, swaps [{name, kib}],
//   mounts [{target, source, type, options}], listening [{address, port, process}],
//   files [{path, mode, uid, gid, kind}], unreadable [{what, error}]
//
// The kubelet's effective configuration is its defaults, then the file of --config and the files of
// --config-dir in their order, then its flags; without --config, the defaults are the older and
// laxer ones of its flags. Values of flags that may be secret are not kept.
//
// Nothing on the machine is changed. Programs are run only to ask the version of a container
// runtime or kubelet that runs already, from its own executable, and only where that belongs to
// root. Pure functions apart from Collect(); safe from any thread.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "model/check.h"
#include "model/finding.h"

namespace bulwark::node {

struct HostOptions {
  std::string root = "/";    // where the machine's file system is seen
  bool ask_versions = true;  // run <program> --version
  size_t max_processes = 100'000;
};

// Never fails as a whole: what could not be read is in `unreadable`.
Value Collect(const HostOptions& options, Arena& arena);
// The facts that stay the same while nothing happens: as JSON, without clock and uptime.
std::string StableText(const Value& facts);

struct NodeAssessment {
  std::string check;
  Status status = Status::kPass;
  std::string path;   // in the facts: "kubelet.config.readOnlyPort"
  std::string value;  // what is there, as JSON
  std::string error;  // of kError: why it could not be judged
};

// The checks, by id; their controls are those of rules/frameworks.
const std::vector<CheckInfo>& NodeChecks();
const CheckInfo* FindNodeCheck(std::string_view id);
// One assessment a check, in the order of NodeChecks(). `today`: seconds since 1970, for ends of
// life.
std::vector<NodeAssessment> Assess(const Value& facts, int64_t today);

// As an envelope carries them: {"facts":{…},"assessments":[{check,status,path,value,error}]}.
std::string ReportJson(const Value& facts, const std::vector<NodeAssessment>& assessments);
// The reverse, of a stranger: unknown checks and states are an error (node.report kInvalid).
Result<std::vector<NodeAssessment>> ParseAssessments(const Value& report);

}  // namespace bulwark::node
