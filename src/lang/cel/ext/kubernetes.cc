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
#include "lang/cel/ext/support.h"
#include "lang/cel/ext/urls.h"
#include "lang/cel/macros.h"

namespace bulwark::cel::ext {

namespace {

constexpr uint64_t kMaxFormatName = 64;

std::optional<CallEstimate> EqualityCost(CostContext& ctx, const Expr*,
                                         std::span<const Expr* const> args) {
  if (args.size() != 2) return std::nullopt;
  const Type type = ctx.TypeOf(args[0]);
  if (!(type == ctx.TypeOf(args[1]))) return std::nullopt;
  if (type.kind() != TypeKind::kStruct && type.kind() != TypeKind::kOpaque) return std::nullopt;
  const std::string_view name = type.name();
  if (name == FormatValue::kTypeName) {
    return CallEstimate{MultiplyByFactor({1, kMaxFormatName}, kStringFactor), std::nullopt};
  }
  if (name == UrlValue::kTypeName) {
    std::optional<Range> size = ctx.KnownSizeOf(args[1]);
    return CallEstimate{MultiplyByFactor({1, size ? size->max : 1}, kStringFactor), std::nullopt};
  }
  if (name == IpValue::kTypeName || name == CidrValue::kTypeName ||
      name == QuantityValue::kTypeName || name == SemverValue::kTypeName ||
      name.starts_with("kubernetes.authorization.")) {
    return CallEstimate{{1, 1}, std::nullopt};
  }
  return std::nullopt;
}

}  // namespace

const Library& KubeEquality() {
  static const Library kLibrary = [] {
    const Type a = Parameter("A");
    Library lib;
    lib.name = "kubernetes.equality";
    lib.functions = {
        {op::kEquals, {Global("equals", {a, a}, Type::Bool(), nullptr, {nullptr, EqualityCost})}}};
    return lib;
  }();
  return kLibrary;
}

EnvOptions KubernetesEnvironment(int minor_version, const KubernetesFeatures& features) {
  EnvOptions options;
  options.homogeneous_aggregate_literals = true;
  options.validate_literals = minor_version >= 29;
  options.optional_syntax = minor_version >= 28;
  options.cross_type_numeric_comparisons = minor_version >= 28;
  options.limits.max_cost = kKubernetesCallLimit;
  auto since = [&](int version, const Library& library) {
    if (minor_version >= version) options.libraries.push_back(&library);
  };
  since(0, KubeEquality());
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
  return {&KubeEquality(),
          &Urls(),
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
