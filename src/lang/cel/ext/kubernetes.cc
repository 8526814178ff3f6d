#include "lang/cel/ext/kubernetes.h"

#include "lang/cel/ext/authz.h"
#include "lang/cel/ext/bindings.h"
#include "lang/cel/ext/encoders.h"
#include "lang/cel/ext/format.h"
#include "lang/cel/ext/json_patch.h"
#include "lang/cel/ext/kube_lists.h"
#include "lang/cel/ext/lists.h"
#include "lang/cel/ext/math.h"
#include "lang/cel/ext/net.h"
#include "lang/cel/ext/optionals.h"
#include "lang/cel/ext/protos.h"
#include "lang/cel/ext/quantity.h"
#include "lang/cel/ext/regex.h"
#include "lang/cel/ext/semver.h"
#include "lang/cel/ext/sets.h"
#include "lang/cel/ext/strings.h"
#include "lang/cel/ext/urls.h"
#include "lang/cel/macros.h"

namespace bulwark::cel::ext {

EnvOptions KubernetesEnvironment(int minor_version, const KubernetesFeatures& features) {
  EnvOptions options;
  options.homogeneous_aggregate_literals = true;
  options.optional_syntax = minor_version >= 28;
  options.cross_type_numeric_comparisons = minor_version >= 28;
  options.limits.max_cost = kKubernetesCallLimit;
  auto since = [&](int version, const Library& library) {
    if (minor_version >= version) options.libraries.push_back(&library);
  };
  since(0, Urls());
  since(0, KubeRegex());
  since(0, KubeLists());
  since(0, Strings(minor_version >= 29 ? 2 : 0));
  since(27, Authz());
  since(28, OptionalTypes());
  since(28, Quantities());
  since(29, Sets());
  since(30, Ip());
  since(30, Cidr());
  since(31, Formats());
  since(31, AuthzSelectors());
  since(32, TwoVarComprehensions());
  since(33, Semvers(1));
  since(34, Lists(3));
  if (features.json_patch) options.libraries.push_back(&JsonPatch());
  return options;
}

std::vector<const Library*> AllLibraries() {
  return {&Urls(),
          &KubeRegex(),
          &KubeLists(),
          &Strings(),
          &Authz(),
          &AuthzSelectors(),
          &OptionalTypes(),
          &Quantities(),
          &Sets(),
          &Ip(),
          &Cidr(),
          &Formats(),
          &TwoVarComprehensions(),
          &Semvers(),
          &Lists(),
          &JsonPatch(),
          &Math(),
          &Encoders(),
          &Bindings(),
          &Regex(),
          &Protos()};
}

}  // namespace bulwark::cel::ext
