#pragma once

// The CEL environments of Kubernetes' API servers (k8s.io/apiserver/pkg/cel/environment/base.go,
// v0.34): which libraries and options one has that is of minor version N.
//
//   since 1.0   homogeneous aggregate literals; urls, regex, lists, strings v0
//         1.27  authz               1.31  format, authz selectors
//         1.28  optionals, numbers of different kinds compare, quantity
//         1.29  strings v2, sets    1.32  comprehensions over two variables
//         1.30  ip, cidr            1.33  semver v1
//                                   1.34  lists v3
//
// Timestamps are read in UTC where an expression names no zone. Two costs differ from cel-go's: a
// presence test costs nothing (CostOptions::presence_test_has_cost = false when estimating).
// An API server checks new expressions by the version before its own, so that it can be rolled
// back; what it has stored it evaluates by its own.

#include <vector>

#include "lang/cel/env.h"
#include "lang/cel/library.h"

namespace bulwark::cel::ext {

// The newest minor version that differs from the one before it.
inline constexpr int kNewestKubernetes = 34;

// Cost units (k8s.io/apiserver/pkg/apis/cel/config.go).
inline constexpr uint64_t kKubernetesCallLimit = 1'000'000;             // one evaluation
inline constexpr uint64_t kKubernetesPolicyLimit = 10'000'000;          // all of one policy
inline constexpr uint64_t kKubernetesMatchConditionsLimit = 2'500'000;  // all of one webhook

struct KubernetesFeatures {
  bool json_patch = false;  // jsonpatch.escapeKey, in the mutations of mutating policies
};

// Without variables and types: those are the caller's.
EnvOptions KubernetesEnvironment(int minor_version = kNewestKubernetes,
                                 const KubernetesFeatures& features = {});

// What Kubernetes estimates == to cost on values of its own types (library/cost.go). Part of every
// environment above.
const Library& KubeEquality();

// Everything that agrees with each other, in its newest version, for Bulwark's own checks:
// Kubernetes' libraries and cel-go's. (Not Network(), which declares net.IP differently.)
std::vector<const Library*> AllLibraries();

}  // namespace bulwark::cel::ext
