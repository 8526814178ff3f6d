#include "platform/inventory/routes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml_write.h"
#include "model/record.h"
#include "platform/inventory/asset_record.h"
#include "platform/inventory/cluster_task.h"
#include "platform/inventory/manifest.h"
#include "platform/inventory/relations.h"

namespace bulwark {

namespace {

using api::Request;
using api::Response;

constexpr std::string_view kClusterSchema = R"({"type":"object","required":["id","name","state"],
  "properties":{"id":{"type":"string"},"name":{"type":"string"},"server":{"type":"string"},
  "version":{"type":"string"},
  "state":{"type":"string","enum":["connecting","ready","away","denied"]},
  "stateReason":{"type":"string"},"stateReasonId":{"type":"string"},
  "provider":{"type":"string"},"nodes":{"type":"integer"},
  "addedAt":{"type":"string","format":"date-time"},
  "lastSeen":{"type":"string","format":"date-time"},
  "syncedAt":{"type":"string","format":"date-time"},
  "labels":{"type":"array","items":{"type":"string"}},
  "unreadable":{"type":"array","items":{"type":"object","properties":{
    "resource":{"type":"string"},"error":{"type":"string"},"errorId":{"type":"string"}}}},
  "counts":{"type":"object","additionalProperties":{"type":"integer"}},
  "local":{"type":"boolean"},"insecure":{"type":"boolean"}}})";

constexpr std::string_view kNewClusterSchema = R"({"type":"object","additionalProperties":false,
  "required":["name","kubeconfig"],"properties":{
  "name":{"type":"string","minLength":1,"maxLength":128},
  "kubeconfig":{"type":"string","minLength":1,"maxLength":1048576,"writeOnly":true},
  "labels":{"type":"array","maxItems":64,"items":{"type":"string","maxLength":256}}}})";

constexpr std::string_view kClusterPatchSchema = R"({"type":"object","additionalProperties":false,
  "properties":{"name":{"type":"string","minLength":1,"maxLength":128},
  "kubeconfig":{"type":"string","minLength":1,"maxLength":1048576,"writeOnly":true},
  "labels":{"type":"array","maxItems":64,"items":{"type":"string","maxLength":256}}}})";

constexpr std::string_view kCheckSchema = R"({"type":"object","properties":{
  "version":{"type":"string"},"milliseconds":{"type":"integer"},"ok":{"type":"boolean"},
  "kinds":{"type":"array","items":{"type":"object","properties":{
  "resource":{"type":"string"},"kind":{"type":"string"},"needed":{"type":"boolean"},
  "list":{"type":"boolean"},"watch":{"type":"boolean"},"reason":{"type":"string"}}}}}})";

constexpr std::string_view kAssetSchema = R"({"type":"object","required":["key","asset"],
  "properties":{"key":{"type":"string"},"asset":{"$ref":"#/components/schemas/Asset"},
  "uid":{"type":"string"},"class":{"type":"string"},
  "labels":{"type":"array","items":{"type":"string"}},
  "owner":{"type":"object","required":["kind","name"],"properties":{"group":{"type":"string"},
    "kind":{"type":"string"},"name":{"type":"string"},"uid":{"type":"string"}}},
  "workload":{"type":"string"},"node":{"type":"string"},
  "serviceAccount":{"type":"string"},
  "images":{"type":"array","items":{"type":"object","required":["reference"],"properties":{
    "name":{"type":"string"},"reference":{"type":"string"},"digest":{"type":"string"}}}},
  "imageNames":{"type":"array","items":{"type":"string"}},"phase":{"type":"string"},
  "replicas":{"type":"integer"},"ready":{"type":"integer"},
  "createdAt":{"type":"string"},"firstSeen":{"type":"string","format":"date-time"},
  "lastSeen":{"type":"string","format":"date-time"},"gone":{"type":"boolean"},
  "summary":{"type":"object"}}})";

constexpr std::string_view kHistorySchema = R"({"type":"object","required":["items"],"properties":{
  "items":{"type":"array","items":{"type":"object",
    "required":["id","time","verb","userAgent","messageId","message","args"],"properties":{
    "id":{"type":"string"},"time":{"type":"string","format":"date-time"},
    "verb":{"type":"string","enum":["created","updated","deleted"]},
    "userAgent":{"type":"string","description":"The field manager"},
    "messageId":{"type":"string"},"message":{"type":"string"},
    "args":{"type":"object","additionalProperties":{"type":"string"}},
    "changes":{"type":"array","items":{"type":"object","required":["path","before","after"],
      "properties":{"path":{"type":"string"},"before":{"type":"string"},
      "after":{"type":"string"}}}},
    "more":{"type":"integer","description":"Changes beyond those"}}}},
  "next":{"type":"string"}}})";

constexpr std::string_view kRelatedSchema = R"({"type":"object","required":["key","asset"],
  "properties":{"key":{"type":"string"},"asset":{"$ref":"#/components/schemas/Asset"},
  "class":{"type":"string"},"phase":{"type":"string"},"gone":{"type":"boolean"},
  "role":{"type":"string"},"roleKind":{"type":"string"}}})";

// Of an asset, with what it has to do: lists of some kinds, and one thing of others.
std::string RelationsSchema() {
  std::string out = R"({"type":"object","required":["asset"],"properties":{
    "asset":{"$ref":"#/components/schemas/Asset"},"truncated":{"type":"boolean"})";
  for (const char* one : {"serviceAccount", "node"}) {
    out += fmt::format(R"(,"{}":{{"$ref":"#/components/schemas/RelatedAsset"}})", one);
  }
  for (const char* several :
       {"owners", "pods", "replicas", "workloads", "services", "ingresses", "networkPolicies",
        "images", "bindings", "roles", "serviceAccounts"}) {
    out += fmt::format(
        R"(,"{}":{{"type":"array","items":{{"$ref":"#/components/schemas/RelatedAsset"}}}})",
        several);
  }
  return out + "}}";
}

// An Error that was kept as JSON, for people.
std::string Said(const Catalog& catalog, const Value& kept, Language language) {
  return catalog.Message(inventory::ErrorFromJson(kept), language);
}

void RenderCluster(const Catalog& catalog, const Request& r, Value record, Arena& arena,
                   Value& out) {
  MapBuilder made(arena);
  for (const auto& [key, value] : record.entries()) {
    std::string_view name = key.AsString();
    if (name == "stateReason") {
      made.Add(name, Value::String(arena, Said(catalog, value, r.language)));
      made.Add("stateReasonId", value["id"]);
    } else if (name == "unreadable") {
      std::vector<Value> items;
      for (const Value& u : value.items()) {
        items.push_back(
            MapBuilder(arena)
                .Add("resource", u["resource"])
                .Add("error", Value::String(arena, Said(catalog, u["error"], r.language)))
                .Add("errorId", u["error"]["id"])
                .Finish());
      }
      made.Add(name, Value::Array(arena, items));
    } else {
      made.Add(key, value);
    }
  }
  out = made.Finish();
}

void RenderAsset(const store::Record& record, Value body, Arena& arena, Value& out) {
  MapBuilder made(arena);
  made.Add("key", Value::String(arena, record.key));
  for (const auto& [key, value] : body.entries()) {
    // What changes are told from, and of no use beside the object itself.
    if (key != Value::String("config")) made.Add(key, value);
  }
  out = made.Finish();
}

// "cluster/group/Kind/ns/name"; names of images have slashes of their own.
Result<Asset> AssetOfKey(std::string_view key) {
  Asset asset;
  std::string* parts[] = {&asset.cluster, &asset.group, &asset.kind, &asset.ns};
  std::string_view rest = key;
  for (std::string* part : parts) {
    auto cut = Cut(rest, "/");
    if (!cut) {
      return Error(
          Code::kInvalid, "inventory.key",
          fmt::format("{} is no key of an asset: cluster/group/Kind/namespace/name", Quote(key)),
          {{"key", std::string(key)}});
    }
    *part = cut->first;
    rest = cut->second;
  }
  asset.name = rest;
  return asset;
}

class Routes {
 public:
  Routes(api::Api& api, Inventory& inventory, store::StateStore& state, store::EventStore& events,
         const Catalog& catalog)
      : api_(api), inventory_(inventory), state_(state), events_(events), catalog_(catalog) {}

  static void Add(std::shared_ptr<Routes> self) {
    api::Api& api = self->api_;
    api.AddSchema("Cluster", std::string(kClusterSchema));
    api.AddSchema("NewCluster", std::string(kNewClusterSchema));
    api.AddSchema("ClusterPatch", std::string(kClusterPatchSchema));
    api.AddSchema("ClusterCheck", std::string(kCheckSchema));
    api.AddSchema("InventoryAsset", std::string(kAssetSchema));
    api.AddSchema("AssetHistory", std::string(kHistorySchema));
    api.AddSchema("RelatedAsset", std::string(kRelatedSchema));
    api.AddSchema("AssetRelations", RelationsSchema());
    api.AddSchema("ClusterManifest", R"({"type":"object","required":["manifest","commands"],
      "properties":{"manifest":{"type":"string"},"commands":{"type":"string"}}})");
    api.AddCollection(
        {.path = "/api/v1/clusters",
         .collection = "clusters",
         .tag = "clusters",
         .id = "Cluster",
         .permission = "clusters.read",
         .schema = "Cluster",
         .scoped = true,
         .time_field = "lastseen",
         .csv_columns = {"id", "name", "server", "version", "state", "provider", "nodes",
                         "lastSeen"},
         .render = [self](const Request& r, const store::Record&, Value record, Arena& arena,
                          Value& out) { RenderCluster(self->catalog_, r, record, arena, out); }});
    api.AddCollection(
        {.path = "/api/v1/assets",
         .collection = "assets",
         .tag = "assets",
         .id = "Asset",
         .permission = "assets.read",
         .schema = "InventoryAsset",
         .scoped = true,
         .labels = true,
         .key_with_slashes = true,
         .time_field = "lastseen",
         .csv_columns = {"asset.cluster", "asset.namespace", "asset.kind", "asset.name", "class",
                         "phase", "node", "serviceAccount", "workload", "createdAt", "lastSeen"},
         .render = [](const Request&, const store::Record& record, Value body, Arena& arena,
                      Value& out) { RenderAsset(record, body, arena, out); }});
    auto on = [self](auto member) {
      return [self, member](Request& r) -> Result<Response> { return ((*self).*member)(r); };
    };
    api.Add({.method = "POST",
             .path = "/api/v1/clusters",
             .id = "addCluster",
             .tag = "clusters",
             .summary = "Adds a cluster",
             .description = "The kubeconfig must be self-contained: programs (exec), "
                            "auth-provider, tokenFile and paths of files are refused. It is "
                            "sealed, and never shown again.",
             .permission = "clusters.write",
             .parameters = {},
             .request = "NewCluster",
             .response = "Cluster",
             .status = 201,
             .max_body_bytes = size_t{2} << 20,
             .handler = on(&Routes::AddCluster)});
    api.Add({.method = "PATCH",
             .path = "/api/v1/clusters/{cluster}",
             .id = "changeCluster",
             .tag = "clusters",
             .summary = "Renames a cluster, sets its labels or replaces its credentials",
             .description = {},
             .permission = "clusters.write",
             .parameters = {},
             .request = "ClusterPatch",
             .response = "Cluster",
             .max_body_bytes = size_t{2} << 20,
             .handler = on(&Routes::ChangeCluster)});
    api.Add({.method = "DELETE",
             .path = "/api/v1/clusters/{cluster}",
             .id = "removeCluster",
             .tag = "clusters",
             .summary = "Removes a cluster with its assets and credentials",
             .description = {},
             .permission = "clusters.write",
             .parameters = {},
             .request = {},
             .response = {},
             .status = 204,
             .handler = on(&Routes::RemoveCluster)});
    api.Add({.method = "POST",
             .path = "/api/v1/clusters/{cluster}/check",
             .id = "checkCluster",
             .tag = "clusters",
             .summary = "Connects, and asks which kinds the account may read",
             .description = {},
             .permission = "clusters.read",
             .parameters = {},
             .request = {},
             .response = "ClusterCheck",
             .handler = on(&Routes::CheckCluster)});
    api.Add({.method = "GET",
             .path = "/api/v1/cluster-manifest",
             .id = "getClusterManifest",
             .tag = "clusters",
             .summary = "An account with the least rights, to add a cluster with",
             .description = "As JSON {manifest, commands}, or as YAML with ?format=yaml.",
             .permission = "clusters.write",
             .parameters = {{.name = "name", .description = "of account and role"},
                            {.name = "namespace", .description = "to put the account in"},
                            {.name = "secrets",
                             .description = "also let it read Secrets",
                             .schema = R"({"type":"string","enum":["true","false"]})"},
                            {.name = "format",
                             .description = "json or yaml",
                             .schema = R"({"type":"string","enum":["json","yaml"]})"}},
             .request = {},
             .response = "ClusterManifest",
             .types = {"application/yaml"},
             .handler = on(&Routes::Manifest)});
    auto of_key = [&](std::string path, std::string id, std::string summary, std::string response,
                      auto member, std::vector<api::Parameter> parameters = {},
                      std::vector<std::string> types = {}) {
      api.Add({.method = "GET",
               .path = "/api/v1/" + path + "/{key...}",
               .id = std::move(id),
               .tag = "assets",
               .summary = std::move(summary),
               .description = {},
               .permission = "assets.read",
               .parameters = std::move(parameters),
               .request = {},
               .response = std::move(response),
               .types = std::move(types),
               .handler = on(member)});
    };
    of_key("asset-object", "getAssetObject", "The object as it is in the cluster now",
           R"({"type":"object","description":"As its kind has it"})", &Routes::Object,
           {{.name = "format",
             .description = "json or yaml",
             .schema = R"({"type":"string","enum":["json","yaml"]})"}},
           {"application/yaml"});
    of_key("asset-history", "getAssetHistory", "How an asset changed, the newest first",
           "AssetHistory", &Routes::History,
           {{.name = "limit",
             .description = "1 to 200",
             .schema = R"({"type":"integer","minimum":1,"maximum":200})"},
            {.name = "cursor", .description = "next of the page before"}});
    of_key("asset-relations", "getAssetRelations", "What an asset has to do with others",
           "AssetRelations", &Routes::Related);
    self->inventory_.SetTeller([self](const InventoryChange& change) { self->Tell(change); });
  }

 private:
  // --- Clusters ----------------------------------------------------------------------------------

  // The cluster, if the caller may do that with it.
  Result<std::string> ClusterFor(const Request& r, std::string_view permission) const {
    const std::string& id = r.Param("cluster");
    BW_TRY(r.Require("clusters.read", id, ""));
    BW_TRY(r.Require(permission, id, ""));
    return id;
  }

  Result<Response> Shown(const Request& r, const std::string& id, int status) const {
    auto record = BW_TRY(state_.Get("clusters", id));
    if (!record) {
      return Error(Code::kNotFound, "inventory.no_cluster", fmt::format("no cluster {}", Quote(id)),
                   {{"cluster", id}});
    }
    Value body = BW_TRY(ParseJson(record->body, *r.arena));
    Value out;
    RenderCluster(catalog_, r, body, *r.arena, out);
    Response response = Response::Json(ToJson(out), status);
    response.revision = record->revision;
    return response;
  }

  static std::vector<std::string> Labels(const Value& labels) {
    std::vector<std::string> out;
    for (const Value& label : labels.items()) {
      if (label.IsString()) out.emplace_back(label.AsString());
    }
    return out;
  }

  Result<Response> AddCluster(Request& r) {
    // Which cluster it is shows only when it is asked: the right must hold for any.
    bool anywhere = std::any_of(
        r.principal.grants.begin(), r.principal.grants.end(), [](const api::Grant& grant) {
          return grant.scope.everything() &&
                 std::any_of(grant.permissions.begin(), grant.permissions.end(),
                             [](const std::string& pattern) {
                               return api::PermissionMatches(pattern, "clusters.write");
                             });
        });
    if (!anywhere) {
      return Error(Code::kDenied, "api.denied", "this needs the right clusters.write everywhere",
                   {{"permission", "clusters.write"}});
    }
    Cluster added =
        BW_TRY(inventory_.Add(std::string(r.body.StringAt("name")), r.body.StringAt("kubeconfig")));
    if (auto labels = Labels(r.body["labels"]); !labels.empty()) {
      BW_TRY(inventory_.SetLabels(added.id, std::move(labels)));
    }
    return Shown(r, added.id, 201);
  }

  Result<Response> ChangeCluster(Request& r) {
    std::string id = BW_TRY(ClusterFor(r, "clusters.write"));
    if (r.body["kubeconfig"].IsString()) {
      BW_TRY(inventory_.ReplaceCredentials(id, r.body.StringAt("kubeconfig")));
    }
    if (r.body["labels"].IsArray()) BW_TRY(inventory_.SetLabels(id, Labels(r.body["labels"])));
    if (r.body["name"].IsString()) {
      BW_TRY(inventory_.Rename(id, std::string(r.body.StringAt("name"))));
    }
    return Shown(r, id, 200);
  }

  Result<Response> RemoveCluster(Request& r) {
    std::string id = BW_TRY(ClusterFor(r, "clusters.write"));
    BW_TRY(inventory_.Remove(id));
    return Response::NoContent();
  }

  Result<Response> CheckCluster(Request& r) {
    std::string id = BW_TRY(ClusterFor(r, "clusters.read"));
    ClusterCheck check = BW_TRY(inventory_.Check(id));
    Arena& arena = *r.arena;
    std::vector<Value> kinds;
    bool ok = true;
    for (const ClusterCheck::Kind& kind : check.kinds) {
      ok = ok && (!kind.needed || (kind.list && kind.watch));
      MapBuilder item(arena);
      item.Add("resource", Value::String(arena, kind.resource.Name()))
          .Add("kind", Value::String(kind.resource.kind))
          .Add("needed", Value::Bool(kind.needed))
          .Add("list", Value::Bool(kind.list))
          .Add("watch", Value::Bool(kind.watch));
      if (!kind.reason.empty()) item.Add("reason", Value::String(kind.reason));
      kinds.push_back(item.Finish());
    }
    return Response::Json(ToJson(MapBuilder(arena)
                                     .Add("version", Value::String(check.version))
                                     .Add("milliseconds", Value::Int(check.milliseconds))
                                     .Add("ok", Value::Bool(ok))
                                     .Add("kinds", Value::Array(arena, kinds))
                                     .Finish()));
  }

  Result<Response> Manifest(Request& r) {
    inventory::ManifestOptions options;
    if (auto name = r.Query("name"); name && !name->empty()) options.name = *name;
    if (auto ns = r.Query("namespace"); ns && !ns->empty()) options.ns = *ns;
    options.secrets = r.Query("secrets").value_or("") == "true";
    options.language = r.language;
    auto made = BW_TRY(inventory::MakeManifest(inventory_.Kinds(), options));
    if (r.Query("format").value_or("") == "yaml") {
      Response response;
      response.content_type = "application/yaml";
      for (std::string_view line : SplitLines(made.commands)) {
        response.body +=
            line.starts_with('#') ? fmt::format("{}\n", line) : fmt::format("#   {}\n", line);
      }
      response.body += made.yaml;
      return response;
    }
    Arena& arena = *r.arena;
    return Response::Json(ToJson(MapBuilder(arena)
                                     .Add("manifest", Value::String(made.yaml))
                                     .Add("commands", Value::String(made.commands))
                                     .Finish()));
  }

  // --- Assets ------------------------------------------------------------------------------------

  static bool MaySee(const api::Principal& who, const Value& record) {
    const Value asset = record["asset"];
    std::vector<std::string> labels = Labels(record["labels"]);
    return who.May("assets.read", asset.StringAt("cluster"), asset.StringAt("namespace"), labels);
  }

  // The asset of the path, if the caller may see it.
  Result<Asset> AssetFor(const Request& r) const {
    const std::string& key = r.Param("key");
    Asset asset = BW_TRY(AssetOfKey(key));
    auto record = BW_TRY(state_.Get("assets", key));
    if (record) {
      Arena arena;
      Value body = BW_TRY(ParseJson(record->body, arena));
      if (MaySee(r.principal, body)) {
        asset.version = body["asset"].StringAt("version");
        return asset;
      }
    } else if (r.principal.May("assets.read", asset.cluster, asset.ns)) {
      return asset;
    }
    return Error(Code::kNotFound, "inventory.no_asset", fmt::format("no asset {}", Quote(key)),
                 {{"key", key}});
  }

  Result<Response> Object(Request& r) {
    Asset asset = BW_TRY(AssetFor(r));
    // Bulwark's account may be able to read more than Bulwark shows.
    auto kinds = inventory_.Kinds();
    bool known = std::any_of(kinds.begin(), kinds.end(), [&](const kube::Resource& k) {
      return k.group == asset.group && k.kind == asset.kind;
    });
    if (!known) {
      return Error(Code::kNotFound, "inventory.no_object",
                   fmt::format("the cluster has no {}", asset.Label()),
                   {{"object", asset.Label()}});
    }
    std::string json = BW_TRY(inventory_.Object(asset));
    if (r.Query("format").value_or("json") != "yaml") return Response::Json(std::move(json));
    Response response;
    response.content_type = "application/yaml";
    response.body = ToYaml(BW_TRY(ParseJson(json, *r.arena)));
    return response;
  }

  Result<Response> History(Request& r) {
    Asset asset = BW_TRY(AssetFor(r));
    using store::Query;
    store::EventQuery query;
    query.filter =
        Query::And({Query::Equals("kind", "asset"), Query::Exactly("cluster", asset.cluster),
                    Query::Exactly("targetkind", asset.kind), Query::Exactly("name", asset.name)});
    if (!asset.ns.empty()) query.filter.parts.push_back(Query::Exactly("ns", asset.ns));
    query.cursor = r.Query("cursor").value_or("");
    query.limit = 50;
    if (auto limit = r.Query("limit")) query.limit = std::clamp(std::atoi(limit->c_str()), 1, 200);
    store::EventPage page = BW_TRY(events_.Search(query));
    Arena& arena = *r.arena;
    std::vector<Value> items;
    for (const Event& event : page.events) {
      if (event.target.group != asset.group || event.target.ns != asset.ns) continue;
      MapBuilder args(arena);
      for (const auto& [name, value] : event.args) {
        args.Add(arena.Copy(name), Value::String(value));
      }
      MapBuilder item(arena);
      item.Add("id", Value::String(event.id))
          .Add("time", Value::String(arena, FormatTime(event.time_us)))
          .Add("verb", Value::String(event.verb))
          .Add("userAgent", Value::String(event.user_agent))
          .Add("messageId", Value::String(event.message))
          .Add("message",
               Value::String(arena, catalog_.Message(event.message, event.args, r.language)))
          .Add("args", args.Finish());
      if (!event.body.empty()) {
        if (auto body = ParseJson(event.body, arena)) {
          item.Add("changes", (*body)["changes"]);
          if (const Value more = (*body)["more"]; !more.IsNull()) item.Add("more", more);
        }
      }
      items.push_back(item.Finish());
    }
    MapBuilder out(arena);
    out.Add("items", Value::Array(arena, items));
    if (!page.next.empty()) out.Add("next", Value::String(page.next));
    return Response::Json(ToJson(out.Finish()));
  }

  Result<Response> Related(Request& r) {
    return Response::Json(BW_TRY(inventory::RelationsOf(
        state_, r.Param("key"), [&](const Value& record) { return MaySee(r.principal, record); })));
  }

  void Tell(const InventoryChange& change) {
    std::string data = fmt::format(R"({{"op":"{}","key":)", change.deleted ? "delete" : "put");
    AppendJsonString(data, change.key);
    data += R"(,"cluster":)";
    AppendJsonString(data, change.cluster);
    if (!change.ns.empty()) {
      data += R"(,"namespace":)";
      AppendJsonString(data, change.ns);
    }
    data += R"(,"kind":)";
    AppendJsonString(data, change.kind);
    data += R"(,"name":)";
    AppendJsonString(data, change.name);
    api_.Tell({.topic = change.topic,
               .permission = change.topic + ".read",
               .cluster = change.cluster,
               .ns = change.ns,
               .labels = {},
               .data = data + "}"});
  }

  api::Api& api_;
  Inventory& inventory_;
  store::StateStore& state_;
  store::EventStore& events_;
  const Catalog& catalog_;
};

}  // namespace

void AddInventoryMessages(Catalog& catalog) {
  const std::pair<const char*, Text> texts[] = {
      {"asset.created", {"{object} was created", "{object} 已创建"}},
      {"asset.updated",
       {"{object} was changed by {manager}: {fields}", "{manager} 修改了 {object}：{fields}"}},
      {"asset.deleted", {"{object} was deleted", "{object} 已删除"}},
      {"cluster.away",
       {"cluster {cluster} does not answer: {reason}", "集群 {cluster} 没有响应：{reason}"}},
      {"cluster.denied",
       {"cluster {cluster} does not let us in: {reason}", "集群 {cluster} 拒绝访问：{reason}"}},
      {"cluster.ready", {"cluster {cluster} is back", "集群 {cluster} 已恢复"}},
      {"inventory.name",
       {"a cluster's name has 1 to {limit} bytes, none of them controls, and no blanks at its ends",
        "集群名称须为 1 到 {limit} 字节，不含控制字符，首尾没有空格"}},
      {"inventory.no_cluster", {"there is no cluster {cluster}", "没有集群 {cluster}"}},
      {"inventory.exists",
       {"that cluster is there already, as {name}", "该集群已添加，名为 {name}"}},
      {"inventory.busy",
       {"that cluster is being added or removed at this moment", "该集群正在被添加或移除"}},
      {"inventory.http",
       {"the server's address {server} is not https: credentials would be readable on the way",
        "服务器地址 {server} 不是 https：凭据会在传输中暴露"}},
      {"inventory.proxy",
       {"the proxy must be given by its address, for a name may lead anywhere",
        "代理须以 IP 地址给出：域名可能指向任何地方"}},
      {"inventory.identity",
       {"the account may not read the namespace kube-system, whose UID identifies the cluster",
        "该账号无权读取命名空间 kube-system，而其 UID 是集群的标识"}},
      {"inventory.other_cluster",
       {"another cluster answers at this address, or to these credentials",
        "该地址或该凭据对应的是另一个集群"}},
      {"inventory.no_credentials",
       {"this cluster's credentials were those of a process that has ended; start with them again",
        "该集群使用的是某个进程自带的凭据，而该进程已结束；请带着这些凭据重新启动"}},
      {"inventory.away", {"cluster {cluster} is not connected", "集群 {cluster} 未连接"}},
      {"inventory.too_many",
       {"at most {limit} clusters can be added", "最多可添加 {limit} 个集群"}},
      {"inventory.labels",
       {"labels are at most {limit} texts \"key=value\"", "标签最多 {limit} 个，格式为 \"键=值\""}},
      {"inventory.manifest_name",
       {"{name} is no name: lower-case letters, digits and hyphens, at most 50, beginning with a "
        "letter",
        "{name} 不是合法的名称：须为小写字母、数字和连字符，最多 50 个字符，以字母开头"}},
      {"inventory.key",
       {"{key} is no key of an asset: cluster/group/Kind/namespace/name",
        "{key} 不是资产的键：cluster/group/Kind/namespace/name"}},
      {"inventory.no_asset", {"there is no asset {key}", "没有资产 {key}"}},
      {"inventory.no_object", {"the cluster has no {object}", "集群中没有 {object}"}},
      {"kube.config_refused",
       {"{field}: programs and files of this machine are not used for a kubeconfig from elsewhere; "
        "give {instead} instead",
        "{field}：不会为外来的 kubeconfig 运行本机程序或读取本机文件；请改为提供 {instead}"}},
  };
  for (const auto& [id, text] : texts) catalog.Add(id, text);
}

void AddInventoryRoutes(api::Api& api, Inventory& inventory, store::StateStore& state,
                        store::EventStore& events, const Catalog& catalog) {
  Routes::Add(std::make_shared<Routes>(api, inventory, state, events, catalog));
}

}  // namespace bulwark
