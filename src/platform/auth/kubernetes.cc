#include "platform/auth/kubernetes.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/json.h"

namespace bulwark::auth {
namespace {

Error Answer(std::string what) {
  return Error(Code::kInvalid, "kubernetes.answer", "the cluster's answer: " + what,
               {{"what", what}});
}

Value Texts(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> items;
  for (const std::string& t : texts) items.push_back(Value::String(arena, t));
  return Value::Array(arena, items);
}

std::vector<std::string> TextsOf(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) {
    if (item.IsString() && out.size() < 1000) out.emplace_back(item.AsString());
  }
  return out;
}

class OverApi : public KubernetesIdentity {
 public:
  explicit OverApi(ClientOf client_of) : client_of_(std::move(client_of)) {}

  Result<KubernetesUser> Review(std::string_view cluster, std::string_view token,
                                const std::string& audience) override {
    Arena arena;
    MapBuilder spec(arena);
    spec.Add("token", Value::String(token));
    if (!audience.empty()) spec.Add("audiences", Texts({audience}, arena));
    std::string text = BW_TRY(Ask(cluster, "authentication.k8s.io/v1", "TokenReview",
                                  "tokenreviews", spec.Finish(), arena));
    Value status = BW_TRY(ParseJson(text, arena))
    ["status"];
    if (!status["authenticated"].IsTrue()) return Wrong();
    // A server that knows no audiences answers with none: then it has not looked.
    if (!audience.empty() && !status["audiences"].Contains(Value::String(audience))) return Wrong();
    Value user = status["user"];
    KubernetesUser out;
    out.name = user.StringAt("username");
    out.uid = user.StringAt("uid");
    out.groups = TextsOf(user["groups"]);
    for (const Value::Entry& e : user["extra"].entries()) {
      out.extra.emplace_back(e.key.AsString(), TextsOf(e.value));
    }
    if (out.name.empty()) return Answer("no username");
    // Where anonymous requests are let in, a token that is none must not become somebody.
    if (out.name == "system:anonymous") return Wrong();
    return out;
  }

  Result<bool> May(std::string_view cluster, const KubernetesUser& user,
                   const KubernetesRight& right) override {
    Arena arena;
    MapBuilder extra(arena), spec(arena);
    for (const auto& [key, values] : user.extra) {
      extra.Add(Value::String(arena, key), Texts(values, arena));
    }
    spec.Add("user", Value::String(user.name))
        .Add("uid", Value::String(user.uid))
        .Add("groups", Texts(user.groups, arena))
        .Add("extra", extra.Finish())
        .Add("resourceAttributes", MapBuilder(arena)
                                       .Add("group", Value::String(right.group))
                                       .Add("resource", Value::String(right.resource))
                                       .Add("verb", Value::String(right.verb))
                                       .Add("name", Value::String(right.name))
                                       .Finish());
    std::string text = BW_TRY(Ask(cluster, "authorization.k8s.io/v1", "SubjectAccessReview",
                                  "subjectaccessreviews", spec.Finish(), arena));
    Value status = BW_TRY(ParseJson(text, arena))
    ["status"];
    if (!status["allowed"].IsBool()) return Answer("no verdict");
    return status["allowed"].AsBool() && !status["denied"].IsTrue();
  }

 private:
  static Error Wrong() {
    return Error(Code::kDenied, "auth.wrong", "the cluster does not take that token");
  }

  Result<std::string> Ask(std::string_view cluster, std::string_view version, std::string_view kind,
                          std::string_view resource, Value spec, Arena& arena) {
    auto client = BW_TRY(client_of_(cluster));
    Value body = MapBuilder(arena)
                     .Add("apiVersion", Value::String(version))
                     .Add("kind", Value::String(kind))
                     .Add("spec", spec)
                     .Finish();
    return client->Do({.verb = "create",
                       .what = std::string(resource),
                       .path = fmt::format("/apis/{}/{}", version, resource),
                       .body = ToJson(body),
                       .timeout = std::chrono::seconds(15),
                       .retries = 1});
  }

  ClientOf client_of_;
};

}  // namespace

std::shared_ptr<KubernetesIdentity> MakeKubernetesIdentity(ClientOf client_of) {
  return std::make_shared<OverApi>(std::move(client_of));
}

}  // namespace bulwark::auth
