#include "features/admission/review.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "features/admission/go_text.h"
#include "features/admission/mutator.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

Value GvkOf(std::string_view group, std::string_view version, std::string_view kind, Arena& arena) {
  return MapBuilder(arena, 3)
      .Add("group", Value::String(group))
      .Add("version", Value::String(version))
      .Add("kind", Value::String(kind))
      .Finish();
}

// A field of the request, or what Go's zero value of it is as JSON.
Value FieldOr(const Value& request, std::string_view name, Value otherwise) {
  const Value* found = request.Find(name);
  return found == nullptr || found->IsNull() ? otherwise : *found;
}

Value EmptyGvr(Arena& arena) {
  return MapBuilder(arena, 3)
      .Add("group", Value::String(""))
      .Add("version", Value::String(""))
      .Add("resource", Value::String(""))
      .Finish();
}

constexpr std::string_view kOptionalFields[] = {
    "subResource", "requestKind", "requestResource", "requestSubResource",
    "name",        "namespace",   "dryRun"};

bool IsZero(const Value& value) { return value.IsNull() || (value.IsString() && value.empty()); }

// The request as Go marshals it.
Value Complete(const Value& request, const Value& object, const Value& old_object, Arena& arena) {
  MapBuilder out(arena, 16);
  out.Add("uid", FieldOr(request, "uid", Value::String("")));
  out.Add("kind", FieldOr(request, "kind", GvkOf("", "", "", arena)));
  out.Add("resource", FieldOr(request, "resource", EmptyGvr(arena)));
  for (std::string_view name : kOptionalFields) {
    const Value* found = request.Find(name);
    if (found != nullptr && !IsZero(*found)) out.Add(name, *found);
  }
  out.Add("operation", FieldOr(request, "operation", Value::String("")));
  out.Add("userInfo", FieldOr(request, "userInfo", Value::EmptyMap()));
  out.Add("object", object);
  out.Add("oldObject", old_object);
  out.Add("options", request["options"]);
  out.Add("namespaceObject", Value::EmptyMap());
  return out.Finish();
}

// The request that Kubernetes makes anew for CEL (CreateAdmissionRequest).
Value CelRequest(const Value& complete, Arena& arena) {
  MapBuilder out(arena, 16);
  out.Add("uid", Value::String(""));
  const Value kind = complete["kind"], resource = complete["resource"];
  out.Add("kind", kind);
  out.Add("resource", resource);
  out.Add("requestKind", kind);
  out.Add("requestResource", resource);
  const Value sub = complete["subResource"];
  if (!IsZero(sub)) out.Add("subResource", sub).Add("requestSubResource", sub);
  for (std::string_view name : {"name", "namespace"}) {
    if (const Value found = complete[name]; !IsZero(found)) out.Add(name, found);
  }
  out.Add("operation", complete["operation"]);
  out.Add("userInfo", complete["userInfo"]);
  out.Add("dryRun", Value::Bool(complete["dryRun"].IsTrue()));
  out.Add("object", Value()).Add("oldObject", Value()).Add("options", complete["options"]);
  return out.Finish();
}

Review Finish(const Value& request, Value object, Value old_object, const NamespaceView* ns,
              std::string_view source, Arena& arena) {
  Review out;
  out.is_delete = request.StringAt("operation") == "DELETE";
  if (out.is_delete) object = old_object;
  out.request = Complete(request, object, old_object, arena);
  out.cel_request = CelRequest(out.request, arena);
  out.object = object;
  out.old_object = old_object;
  // The views refer to Values that must stay where they are.
  if (object.IsMap()) out.view = ObjectView(*arena.New<Value>(object));
  if (old_object.IsMap()) out.old_view = ObjectView(*arena.New<Value>(old_object));
  out.ns = request.StringAt("namespace");
  out.source = source;
  out.ns_object = ns;
  return out;
}

}  // namespace

Result<Review> Review::OfObject(const Value& object, const NamespaceView* ns,
                                std::string_view source, std::string_view operation, Arena& arena) {
  ObjectView view(object);
  MapBuilder request(arena, 4);
  request.Add("kind", GvkOf(view.group, view.version, view.kind, arena));
  if (!view.name.empty()) request.Add("name", Value::String(view.name));
  if (!view.ns.empty()) request.Add("namespace", Value::String(view.ns));
  if (!operation.empty()) request.Add("operation", Value::String(operation));
  bool is_delete = operation == "DELETE";
  return Finish(request.Finish(), is_delete ? Value() : object, is_delete ? object : Value(), ns,
                source, arena);
}

Result<Review> Review::OfRequest(const Value& request, const NamespaceView* ns,
                                 std::string_view source, Arena& arena) {
  const Value old_object = request["oldObject"];
  if (request.StringAt("operation") == "DELETE" && old_object.IsNull()) {
    return Error(Code::kInvalid, "gate.review", "oldObject cannot be nil for DELETE operations");
  }
  return Finish(request, request["object"], old_object, ns, source, arena);
}

bool IsAdmissionReview(const ObjectView& object) {
  return object.kind == "AdmissionReview" && object.group == "admission.k8s.io";
}

namespace {

void Unknown(const Value& value, std::span<const std::string_view> known, std::string_view path,
             std::vector<std::string>& out) {
  for (const auto& [key, entry] : value.entries()) {
    if (std::find(known.begin(), known.end(), key.AsString()) == known.end()) {
      out.push_back(fmt::format("unknown field \"{}{}\"", path, key.AsString()));
    }
  }
}

}  // namespace

Result<Value> RequestOf(const Value& review) {
  constexpr std::string_view kReview[] = {"apiVersion", "kind", "request", "response"};
  constexpr std::string_view kRequest[] = {"uid",
                                           "kind",
                                           "resource",
                                           "subResource",
                                           "requestKind",
                                           "requestResource",
                                           "requestSubResource",
                                           "name",
                                           "namespace",
                                           "operation",
                                           "userInfo",
                                           "object",
                                           "oldObject",
                                           "dryRun",
                                           "options"};
  constexpr std::string_view kResponse[] = {"uid",       "allowed",          "status",  "patch",
                                            "patchType", "auditAnnotations", "warnings"};
  const Value request = review["request"];
  std::vector<std::string> unknown;
  Unknown(review, kReview, "", unknown);
  Unknown(request, kRequest, "request.", unknown);
  Unknown(review["response"], kResponse, "response.", unknown);
  auto invalid = [](std::string_view what) {
    return Error(Code::kInvalid, "gate.review.invalid",
                 fmt::format("not a valid AdmissionReview object: unable to convert to an "
                             "AdmissionReview object, error: {}",
                             what));
  };
  if (!unknown.empty()) {
    return invalid(fmt::format("strict decoding error: {}", fmt::join(unknown, ", ")));
  }
  if (request.IsNull()) {
    return Error(Code::kInvalid, "gate.review.missing",
                 "missing an AdmissionRequest object: request did not actually pass in an "
                 "AdmissionRequest");
  }
  if (!request.IsMap()) {
    return invalid(fmt::format("cannot restore struct from: {}", GoType(request)));
  }
  for (std::string_view field :
       {"uid", "subResource", "requestSubResource", "name", "namespace", "operation"}) {
    const Value* found = request.Find(field);
    if (found != nullptr && !found->IsString() && !found->IsNull()) {
      return invalid(fmt::format("cannot convert {} to string", GoType(*found)));
    }
  }
  for (std::string_view field :
       {"kind", "resource", "requestKind", "requestResource", "userInfo"}) {
    const Value* found = request.Find(field);
    if (found != nullptr && !found->IsMap() && !found->IsNull()) {
      return invalid(fmt::format("cannot restore struct from: {}", GoType(*found)));
    }
  }
  const Value object = request["object"], old_object = request["oldObject"];
  if (object.IsNull() && old_object.IsNull()) {
    return Error(Code::kInvalid, "gate.review.no_object",
                 "no object or oldObject found to review: AdmissionRequest does not contain an "
                 "\"object\" or \"oldObject\" to review");
  }
  for (const Value& value : {object, old_object}) {
    if (value.IsNull()) continue;
    if (!value.IsMap() || value.StringAt("kind").empty()) {
      return Error(
          Code::kInvalid, "gate.review.unmarshal",
          fmt::format("object or oldObject cannot be unmarshalled: Object 'Kind' is missing "
                      "in '{}'",
                      ToJson(value, {.sort_keys = true})));
    }
  }
  return request;
}

}  // namespace bulwark::admission
