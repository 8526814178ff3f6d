#include "lang/cel/ext/authz.h"

#include "base/text.h"
#include "lang/cel/ext/format.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

class AuthorizerValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "kubernetes.authorization.Authorizer";
  explicit AuthorizerValue(AuthorizationUser user)
      : Opaque(kExtensionTag), user_(std::move(user)) {}
  std::string_view TypeName() const override { return kTypeName; }
  const AuthorizationUser& user() const { return user_; }

 private:
  AuthorizationUser user_;
};

// A question that is being put together.
template <typename Tag>
class CheckValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = Tag::kTypeName;
  explicit CheckValue(AuthorizationCheck check) : Opaque(kExtensionTag), check_(std::move(check)) {}
  std::string_view TypeName() const override { return kTypeName; }
  const AuthorizationCheck& check() const { return check_; }

 private:
  AuthorizationCheck check_;
};

struct PathTag {
  static constexpr std::string_view kTypeName = "kubernetes.authorization.PathCheck";
};
struct GroupTag {
  static constexpr std::string_view kTypeName = "kubernetes.authorization.GroupCheck";
};
struct ResourceTag {
  static constexpr std::string_view kTypeName = "kubernetes.authorization.ResourceCheck";
};
using PathCheck = CheckValue<PathTag>;
using GroupCheck = CheckValue<GroupTag>;
using ResourceCheck = CheckValue<ResourceTag>;

class DecisionValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "kubernetes.authorization.Decision";
  explicit DecisionValue(AuthorizationDecision decision)
      : Opaque(kExtensionTag), decision_(std::move(decision)) {}
  std::string_view TypeName() const override { return kTypeName; }
  const AuthorizationDecision& decision() const { return decision_; }

 private:
  AuthorizationDecision decision_;
};

template <typename T, typename Content>
Value Make(Arena& arena, Content content) {
  return Value::FromOpaque(arena.Own<T>(std::move(content)));
}

// The receiver, if it is a T and the other arguments are texts.
template <typename T>
const T* Receiver(std::span<const Value> args, size_t count) {
  if (args.size() != count) return nullptr;
  for (const Value& arg : args.subspan(1)) {
    if (!arg.IsString()) return nullptr;
  }
  return As<T>(args[0]);
}

Value Path(CallContext& ctx, std::span<const Value> args) {
  const auto* authorizer = Receiver<AuthorizerValue>(args, 2);
  if (authorizer == nullptr) return NoSuchOverload(ctx);
  if (Trim(args[1].AsString()).empty()) return ctx.Error("path must not be empty");
  AuthorizationCheck check;
  check.user = authorizer->user();
  check.path = args[1].AsString();
  return Make<PathCheck>(ctx.arena, std::move(check));
}

Value Group(CallContext& ctx, std::span<const Value> args) {
  const auto* authorizer = Receiver<AuthorizerValue>(args, 2);
  if (authorizer == nullptr) return NoSuchOverload(ctx);
  AuthorizationCheck check;
  check.user = authorizer->user();
  check.api_group = args[1].AsString();
  return Make<GroupCheck>(ctx.arena, std::move(check));
}

Value ServiceAccount(CallContext& ctx, std::span<const Value> args) {
  const auto* authorizer = Receiver<AuthorizerValue>(args, 3);
  if (authorizer == nullptr) return NoSuchOverload(ctx);
  std::string space(args[1].AsString());
  std::string name(args[2].AsString());
  if (!FindNamedFormat("dns1123Subdomain")->validate(name).empty()) {
    return ctx.Error("Invalid service account name");
  }
  if (!FindNamedFormat("dns1123Label")->validate(space).empty()) {
    return ctx.Error("Invalid service account namespace");
  }
  AuthorizationUser user;
  user.is_requester = false;
  user.name = "system:serviceaccount:" + space + ":" + name;
  user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + space};
  return Make<AuthorizerValue>(ctx.arena, std::move(user));
}

Value Resource(CallContext& ctx, std::span<const Value> args) {
  const auto* group = Receiver<GroupCheck>(args, 2);
  if (group == nullptr) return NoSuchOverload(ctx);
  if (Trim(args[1].AsString()).empty()) return ctx.Error("resource must not be empty");
  AuthorizationCheck check = group->check();
  check.resource = args[1].AsString();
  return Make<ResourceCheck>(ctx.arena, std::move(check));
}

template <std::string AuthorizationCheck::* kField>
Value With(CallContext& ctx, std::span<const Value> args) {
  const auto* resource = Receiver<ResourceCheck>(args, 2);
  if (resource == nullptr) return NoSuchOverload(ctx);
  AuthorizationCheck check = resource->check();
  check.*kField = args[1].AsString();
  return Make<ResourceCheck>(ctx.arena, std::move(check));
}

template <std::optional<Selector> AuthorizationCheck::* kField,
          Selector (*kParse)(std::string_view)>
Value WithSelector(CallContext& ctx, std::span<const Value> args) {
  const auto* resource = Receiver<ResourceCheck>(args, 2);
  if (resource == nullptr) return NoSuchOverload(ctx);
  AuthorizationCheck check = resource->check();
  check.*kField = std::nullopt;
  if (!args[1].AsString().empty()) check.*kField = kParse(args[1].AsString());
  return Make<ResourceCheck>(ctx.arena, std::move(check));
}

template <typename T>
Value Check(CallContext& ctx, std::span<const Value> args) {
  const auto* question = Receiver<T>(args, 2);
  if (question == nullptr) return NoSuchOverload(ctx);
  if (ctx.authorizer == nullptr) return ctx.Error("there is no authorizer to ask here");
  AuthorizationCheck check = question->check();
  check.verb = args[1].AsString();
  return Make<DecisionValue>(ctx.arena, ctx.authorizer->Authorize(check));
}

const AuthorizationDecision* Decision(std::span<const Value> args) {
  const auto* value = Receiver<DecisionValue>(args, 1);
  return value != nullptr ? &value->decision() : nullptr;
}

Value Allowed(CallContext& ctx, std::span<const Value> args) {
  const AuthorizationDecision* decision = Decision(args);
  return decision != nullptr ? Value::Bool(decision->allowed) : NoSuchOverload(ctx);
}
Value Errored(CallContext& ctx, std::span<const Value> args) {
  const AuthorizationDecision* decision = Decision(args);
  return decision != nullptr ? Value::Bool(!decision->error.empty()) : NoSuchOverload(ctx);
}
Value Reason(CallContext& ctx, std::span<const Value> args) {
  const AuthorizationDecision* decision = Decision(args);
  return decision != nullptr ? Value::String(ctx.arena, decision->reason) : NoSuchOverload(ctx);
}
Value ErrorText(CallContext& ctx, std::span<const Value> args) {
  const AuthorizationDecision* decision = Decision(args);
  return decision != nullptr ? Value::String(ctx.arena, decision->error) : NoSuchOverload(ctx);
}

// --- Costs ---------------------------------------------------------------------------------------

// Dear enough that Kubernetes' budget of an expression allows two.
constexpr uint64_t kCheckCost = 350'000;
constexpr Cost kCheck = {
    [](std::span<const Value>, const Value&) { return kCheckCost; },
    [](CostContext&, const Expr*, std::span<const Expr* const>) -> std::optional<CallEstimate> {
      return CallEstimate{{kCheckCost, kCheckCost}, std::nullopt};
    }};

// Reading the text, and a struct and a list for each term, of which the shortest is two long.
Range SelectorRange(Range length) {
  Range terms = MultiplyByFactor(length, 0.5);
  return Range{kListBase, kListBase} + MultiplyByFactor(length, kStringFactor) +
         MultiplyByFactor(terms, kListBase + kStructBase);
}
constexpr Cost kSelector = {[](std::span<const Value> args, const Value&) {
                              uint64_t length = SizeOf(args[1]);
                              return SelectorRange({length, length}).max;
                            },
                            [](CostContext& ctx, const Expr*,
                               std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                              if (args.size() != 1) return std::nullopt;
                              return CallEstimate{SelectorRange(ctx.SizeOf(args[0])), std::nullopt};
                            }};

}  // namespace

Type AuthorizerType() {
  static const Type kType = StructNamed(AuthorizerValue::kTypeName);
  return kType;
}

Type ResourceCheckType() {
  static const Type kType = StructNamed(ResourceCheck::kTypeName);
  return kType;
}

Value RequestAuthorizer() {
  static const AuthorizerValue kValue{AuthorizationUser{}};
  return Value::FromOpaque(&kValue);
}

Value RequestResource(Arena& arena, const RequestedResource& resource) {
  AuthorizationCheck check;
  check.api_group = resource.api_group;
  check.resource = resource.resource;
  check.subresource = resource.subresource;
  check.namespace_name = resource.namespace_name;
  check.name = resource.name;
  return Make<ResourceCheck>(arena, std::move(check));
}

const Library& Authz() {
  static const Library kLibrary = [] {
    const Type b = Type::Bool();
    const Type s = Type::String();
    const Type authorizer = AuthorizerType();
    const Type path = StructNamed(PathCheck::kTypeName);
    const Type group = StructNamed(GroupCheck::kTypeName);
    const Type resource = ResourceCheckType();
    const Type decision = StructNamed(DecisionValue::kTypeName);
    Library lib;
    lib.name = "kubernetes.authz";
    lib.functions = {
        {"path", {Member("authorizer_path", {authorizer, s}, path, Path)}},
        {"group", {Member("authorizer_group", {authorizer, s}, group, Group)}},
        {"serviceAccount",
         {Member("authorizer_serviceaccount", {authorizer, s, s}, authorizer, ServiceAccount)}},
        {"resource", {Member("groupcheck_resource", {group, s}, resource, Resource)}},
        {"subresource",
         {Member("resourcecheck_subresource", {resource, s}, resource,
                 With<&AuthorizationCheck::subresource>)}},
        {"namespace",
         {Member("resourcecheck_namespace", {resource, s}, resource,
                 With<&AuthorizationCheck::namespace_name>)}},
        {"name",
         {Member("resourcecheck_name", {resource, s}, resource, With<&AuthorizationCheck::name>)}},
        {"check",
         {Member("pathcheck_check", {path, s}, decision, Check<PathCheck>, kCheck),
          Member("resourcecheck_check", {resource, s}, decision, Check<ResourceCheck>, kCheck)}},
        {"allowed", {Member("decision_allowed", {decision}, b, Allowed)}},
        {"reason", {Member("decision_reason", {decision}, s, Reason)}},
        {"errored", {Member("decision_errored", {decision}, b, Errored)}},
        {"error", {Member("decision_error", {decision}, s, ErrorText)}},
    };
    return lib;
  }();
  return kLibrary;
}

const Library& AuthzSelectors() {
  static const Library kLibrary = [] {
    const Type s = Type::String();
    const Type resource = ResourceCheckType();
    Library lib;
    lib.name = "kubernetes.authzSelectors";
    lib.functions = {
        {"fieldSelector",
         {Member("authorizer_fieldselector", {resource, s}, resource,
                 WithSelector<&AuthorizationCheck::field_selector, ParseFieldSelector>,
                 kSelector)}},
        {"labelSelector",
         {Member("authorizer_labelselector", {resource, s}, resource,
                 WithSelector<&AuthorizationCheck::label_selector, ParseLabelSelector>,
                 kSelector)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
