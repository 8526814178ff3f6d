#include "features/audit/texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace bulwark::audit {

namespace {

// What was done: done, to do; in Chinese 做了, 做. {user} stands before.
struct Deed {
  std::string_view id, done, todo, done_zh, todo_zh;
};

constexpr Deed kDeeds[] = {
    {"get", "read the {what}", "read the {what}", "读取了 {what}", "读取 {what}"},
    {"create", "created the {what}", "create the {what}", "创建了 {what}", "创建 {what}"},
    {"update", "updated the {what}", "update the {what}", "更新了 {what}", "更新 {what}"},
    {"patch", "changed the {what}", "change the {what}", "修改了 {what}", "修改 {what}"},
    {"delete", "deleted the {what}", "delete the {what}", "删除了 {what}", "删除 {what}"},
    {"list", "listed {resource} in namespace {ns}", "list {resource} in namespace {ns}",
     "列出了命名空间 {ns} 中的 {resource}", "列出命名空间 {ns} 中的 {resource}"},
    {"list-all", "listed {resource} of the whole cluster", "list {resource} of the whole cluster",
     "列出了整个集群的 {resource}", "列出整个集群的 {resource}"},
    {"watch", "watched {resource} in namespace {ns}", "watch {resource} in namespace {ns}",
     "监视了命名空间 {ns} 中的 {resource}", "监视命名空间 {ns} 中的 {resource}"},
    {"watch-all", "watched {resource} of the whole cluster",
     "watch {resource} of the whole cluster", "监视了整个集群的 {resource}",
     "监视整个集群的 {resource}"},
    {"deletecollection", "deleted all {resource} that were selected in namespace {ns}",
     "delete many {resource} at once in namespace {ns}", "批量删除了命名空间 {ns} 中的 {resource}",
     "批量删除命名空间 {ns} 中的 {resource}"},
    {"deletecollection-all", "deleted all {resource} that were selected in the cluster",
     "delete many {resource} at once in the cluster", "批量删除了集群中的 {resource}",
     "批量删除集群中的 {resource}"},
    {"exec", "ran a command in the {what}: {command}", "run a command in the {what}: {command}",
     "在 {what} 中执行了命令：{command}", "在 {what} 中执行命令：{command}"},
    {"attach", "attached to the {what}", "attach to the {what}", "连接到了 {what} 的进程",
     "连接到 {what} 的进程"},
    {"portforward", "forwarded a port of the {what}", "forward a port of the {what}",
     "转发了 {what} 的端口", "转发 {what} 的端口"},
    {"log", "read the log of the {what}", "read the log of the {what}", "读取了 {what} 的日志",
     "读取 {what} 的日志"},
    {"proxy", "reached through the {what}: {uri}", "reach through the {what}: {uri}",
     "经由 {what} 代理访问了 {uri}", "经由 {what} 代理访问 {uri}"},
    {"ephemeralcontainers", "put an ephemeral container into the {what}",
     "put an ephemeral container into the {what}", "向 {what} 添加了临时容器",
     "向 {what} 添加临时容器"},
    {"token", "requested a token of the {what}", "request a token of the {what}",
     "申请了 {what} 的令牌", "申请 {what} 的令牌"},
    {"eviction", "evicted the {what}", "evict the {what}", "驱逐了 {what}", "驱逐 {what}"},
    {"binding", "placed the {what} on a node", "place the {what} on a node",
     "将 {what} 调度到了节点", "将 {what} 调度到节点"},
    {"scale", "scaled the {what}", "scale the {what}", "调整了 {what} 的副本数",
     "调整 {what} 的副本数"},
    {"status", "updated the status of the {what}", "update the status of the {what}",
     "更新了 {what} 的状态", "更新 {what} 的状态"},
    {"approval", "decided on the {what}", "decide on the {what}", "审批了 {what}", "审批 {what}"},
    {"other", "did \"{verb}\" to the {what}", "do \"{verb}\" to the {what}",
     "对 {what} 执行了“{verb}”", "对 {what} 执行“{verb}”"},
    {"path", "called {uri}", "call {uri}", "访问了 {uri}", "访问 {uri}"},
};

bool IsDeed(std::string_view id) {
  return std::any_of(std::begin(kDeeds), std::end(kDeeds),
                     [&](const Deed& deed) { return deed.id == id; });
}

struct Reason {
  std::string_view reason, en, zh;
};

constexpr Reason kReasons[] = {
    {"OOMKilling", "The kernel killed a process on the {what} for lack of memory: {note}",
     "{what} 上有进程因内存不足被内核终止：{note}"},
    {"SystemOOM", "The {what} ran out of memory: {note}", "{what} 内存耗尽：{note}"},
    {"Evicted", "The {what} was evicted: {note}", "{what} 被驱逐：{note}"},
    {"BackOff", "The {what} keeps failing, and its next start waits: {note}",
     "{what} 反复失败，正在等待重启：{note}"},
    {"FailedScheduling", "No node takes the {what}: {note}", "{what} 无法调度：{note}"},
    {"Failed", "The {what} failed: {note}", "{what} 失败：{note}"},
    {"ErrImagePull", "The image of the {what} could not be pulled: {note}",
     "{what} 拉取镜像失败：{note}"},
    {"ImagePullBackOff", "The image of the {what} cannot be pulled: {note}",
     "{what} 无法拉取镜像：{note}"},
    {"FailedMount", "A volume of the {what} could not be mounted: {note}",
     "{what} 挂载卷失败：{note}"},
    {"FailedAttachVolume", "A volume of the {what} could not be attached: {note}",
     "{what} 关联卷失败：{note}"},
    {"FailedCreate", "The {what} could not create what it manages: {note}",
     "{what} 创建对象失败：{note}"},
    {"FailedCreatePodSandBox", "The {what} got no sandbox: {note}", "{what} 创建沙箱失败：{note}"},
    {"Unhealthy", "The {what} fails a probe: {note}", "{what} 探针检查失败：{note}"},
    {"NodeNotReady", "The {what} is not ready: {note}", "{what} 未就绪：{note}"},
    {"NodeReady", "The {what} is ready", "{what} 已就绪"},
    {"Rebooted", "The {what} was rebooted: {note}", "{what} 已重启：{note}"},
    {"Killing", "The {what} is being stopped: {note}", "正在停止 {what}：{note}"},
    {"Created", "The {what} got a container: {note}", "{what} 创建了容器：{note}"},
    {"Started", "The {what} started: {note}", "{what} 已启动：{note}"},
    {"Pulled", "The image of the {what} is there: {note}", "{what} 的镜像已就绪：{note}"},
    {"Pulling", "The image of the {what} is being pulled: {note}", "{what} 正在拉取镜像：{note}"},
    {"Scheduled", "The {what} got a node: {note}", "{what} 已调度：{note}"},
    {"SuccessfulCreate", "The {what} created: {note}", "{what} 创建了对象：{note}"},
    {"SuccessfulDelete", "The {what} deleted: {note}", "{what} 删除了对象：{note}"},
    {"ScalingReplicaSet", "The {what} changes its replicas: {note}", "{what} 调整副本：{note}"},
};

struct KindName {
  std::string_view plural, kind;
};

// Sorted by plural.
constexpr KindName kKinds[] = {
    {"apiservices", "APIService"},
    {"bindings", "Binding"},
    {"certificatesigningrequests", "CertificateSigningRequest"},
    {"clusterrolebindings", "ClusterRoleBinding"},
    {"clusterroles", "ClusterRole"},
    {"clustertrustbundles", "ClusterTrustBundle"},
    {"componentstatuses", "ComponentStatus"},
    {"configmaps", "ConfigMap"},
    {"controllerrevisions", "ControllerRevision"},
    {"cronjobs", "CronJob"},
    {"csidrivers", "CSIDriver"},
    {"csinodes", "CSINode"},
    {"csistoragecapacities", "CSIStorageCapacity"},
    {"customresourcedefinitions", "CustomResourceDefinition"},
    {"daemonsets", "DaemonSet"},
    {"deployments", "Deployment"},
    {"deviceclasses", "DeviceClass"},
    {"endpoints", "Endpoints"},
    {"endpointslices", "EndpointSlice"},
    {"events", "Event"},
    {"flowschemas", "FlowSchema"},
    {"horizontalpodautoscalers", "HorizontalPodAutoscaler"},
    {"ingressclasses", "IngressClass"},
    {"ingresses", "Ingress"},
    {"ipaddresses", "IPAddress"},
    {"jobs", "Job"},
    {"leases", "Lease"},
    {"limitranges", "LimitRange"},
    {"localsubjectaccessreviews", "LocalSubjectAccessReview"},
    {"mutatingadmissionpolicies", "MutatingAdmissionPolicy"},
    {"mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding"},
    {"mutatingwebhookconfigurations", "MutatingWebhookConfiguration"},
    {"namespaces", "Namespace"},
    {"networkpolicies", "NetworkPolicy"},
    {"nodes", "Node"},
    {"persistentvolumeclaims", "PersistentVolumeClaim"},
    {"persistentvolumes", "PersistentVolume"},
    {"poddisruptionbudgets", "PodDisruptionBudget"},
    {"pods", "Pod"},
    {"podtemplates", "PodTemplate"},
    {"priorityclasses", "PriorityClass"},
    {"prioritylevelconfigurations", "PriorityLevelConfiguration"},
    {"replicasets", "ReplicaSet"},
    {"replicationcontrollers", "ReplicationController"},
    {"resourceclaims", "ResourceClaim"},
    {"resourceclaimtemplates", "ResourceClaimTemplate"},
    {"resourcequotas", "ResourceQuota"},
    {"resourceslices", "ResourceSlice"},
    {"rolebindings", "RoleBinding"},
    {"roles", "Role"},
    {"runtimeclasses", "RuntimeClass"},
    {"secrets", "Secret"},
    {"selfsubjectaccessreviews", "SelfSubjectAccessReview"},
    {"selfsubjectreviews", "SelfSubjectReview"},
    {"selfsubjectrulesreviews", "SelfSubjectRulesReview"},
    {"serviceaccounts", "ServiceAccount"},
    {"servicecidrs", "ServiceCIDR"},
    {"services", "Service"},
    {"statefulsets", "StatefulSet"},
    {"storageclasses", "StorageClass"},
    {"subjectaccessreviews", "SubjectAccessReview"},
    {"tokenreviews", "TokenReview"},
    {"validatingadmissionpolicies", "ValidatingAdmissionPolicy"},
    {"validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"},
    {"validatingwebhookconfigurations", "ValidatingWebhookConfiguration"},
    {"volumeattachments", "VolumeAttachment"},
    {"volumeattributesclasses", "VolumeAttributesClass"},
};
static_assert(std::is_sorted(std::begin(kKinds), std::end(kKinds),
                             [](const KindName& a, const KindName& b) {
                               return a.plural < b.plural;
                             }));

std::string WithOutcome(std::string_view deed, std::string_view outcome) {
  std::string id = fmt::format("audit.{}", deed);
  if (outcome == "denied" || outcome == "failed") id.append(".").append(outcome);
  return id;
}

}  // namespace

void AddTexts(Catalog& catalog) {
  for (const Deed& d : kDeeds) {
    std::string id = fmt::format("audit.{}", d.id);
    catalog.Add(id, {fmt::format("{{user}} {}", d.done), fmt::format("{{user}} {}", d.done_zh)});
    catalog.Add(id + ".denied", {fmt::format("{{user}} was not allowed to {}", d.todo),
                                 fmt::format("{{user}} 无权{}", d.todo_zh)});
    catalog.Add(id + ".failed", {fmt::format("{{user}} tried to {}: {{reason}}", d.todo),
                                 fmt::format("{{user}} 尝试{}，未成功：{{reason}}", d.todo_zh)});
  }
  catalog.Add(std::string(kStreamEnded),
              {"The session of {user} with the {what} ended", "{user} 与 {what} 的会话已结束"});
  for (const Reason& r : kReasons) {
    catalog.Add(fmt::format("kubernetes.{}", r.reason), {std::string(r.en), std::string(r.zh)});
  }
  catalog.Add("kubernetes.event", {"{what}: {reason}: {note}", "{what}：{reason}：{note}"});
}

std::string AuditMessageId(std::string_view verb, std::string_view resource,
                           std::string_view subresource, bool ns, std::string_view outcome) {
  if (!subresource.empty()) {
    if (subresource == "log" || subresource == "exec" || subresource == "attach" ||
        subresource == "portforward" || subresource == "proxy") {
      return WithOutcome(subresource, outcome);
    }
    bool writes = verb == "create" || verb == "update" || verb == "patch";
    if (writes && subresource != "path" && subresource != "other" && IsDeed(subresource) &&
        !(subresource == "token" && resource != "serviceaccounts")) {
      return WithOutcome(subresource, outcome);
    }
  }
  if (verb == "list" || verb == "watch" || verb == "deletecollection") {
    // A watch of one object is still one of a list.
    return WithOutcome(ns ? std::string(verb) : std::string(verb) + "-all", outcome);
  }
  bool plain =
      verb == "get" || verb == "create" || verb == "update" || verb == "patch" || verb == "delete";
  return WithOutcome(plain ? verb : "other", outcome);
}

std::string PathMessageId(std::string_view outcome) { return WithOutcome("path", outcome); }

std::string KubernetesMessageId(std::string_view reason) {
  bool known = std::any_of(std::begin(kReasons), std::end(kReasons),
                           [&](const Reason& r) { return r.reason == reason; });
  return known ? fmt::format("kubernetes.{}", reason) : std::string("kubernetes.event");
}

std::string_view KindOf(std::string_view plural) {
  auto at = std::lower_bound(std::begin(kKinds), std::end(kKinds), plural,
                             [](const KindName& k, std::string_view p) { return k.plural < p; });
  return at != std::end(kKinds) && at->plural == plural ? at->kind : plural;
}

}  // namespace bulwark::audit
