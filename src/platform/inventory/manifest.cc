#include "platform/inventory/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace bulwark::inventory {

namespace {

bool IsLabel(std::string_view name) {
  return !name.empty() && name.size() <= 50 && IsAsciiLetter(name.front()) && name.back() != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || IsAsciiDigit(c) || c == '-'; });
}

constexpr std::string_view kSecretsEn =
    "# Secrets: Bulwark asks for their metadata only (who has which, never what is in them), but\n"
    "# RBAC cannot grant that alone: with this rule the account could read their contents as "
    "well.\n"
    "# Without it, Secrets are not listed; everything else works.\n";
constexpr std::string_view kSecretsZh =
    "# Secret：Bulwark 只读取其元数据（有哪些、属于谁，从不读取内容），但 RBAC "
    "无法单独授予元数据权限：\n"
    "# 有了这条规则，该账号也就能读取其内容。没有它，Secret 不会被列出，其余功能不受影响。\n";

}  // namespace

Result<ClusterManifest> MakeManifest(std::span<const kube::Resource> kinds,
                                     const ManifestOptions& o) {
  for (const std::string& name : {o.name, o.ns}) {
    if (!IsLabel(name)) {
      return Error(Code::kInvalid, "inventory.manifest_name",
                   fmt::format("{} is no name: lower-case letters, digits and hyphens, at most 50, "
                               "beginning with a letter",
                               Quote(name)),
                   {{"name", name}});
    }
  }
  const bool zh = o.language == Language::kChinese;
  std::map<std::string, std::set<std::string>> groups;
  for (const kube::Resource& r : kinds) {
    if (r.group.empty() && r.plural == "secrets") continue;
    groups[r.group].insert(r.plural);
  }
  std::string rules;
  for (const auto& [group, plurals] : groups) {
    rules += fmt::format("- apiGroups: [\"{}\"]\n  resources:\n", group);
    for (const std::string& plural : plurals) rules += fmt::format("  - {}\n", plural);
    rules += "  verbs: [get, list, watch]\n";
  }
  rules += zh ? kSecretsZh : kSecretsEn;
  const std::string_view mark = o.secrets ? "" : "# ";
  rules += fmt::format(
      "{0}- apiGroups: [\"\"]\n{0}  resources: [secrets]\n{0}  verbs: [get, list, watch]\n", mark);

  ClusterManifest out;
  out.yaml = fmt::format(
      R"({0}apiVersion: v1
kind: Namespace
metadata:
  name: {1}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {2}
  namespace: {1}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {2}
rules:
{3}---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {2}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {2}
subjects:
- kind: ServiceAccount
  name: {2}
  namespace: {1}
---
{4}apiVersion: v1
kind: Secret
metadata:
  name: {2}-token
  namespace: {1}
  annotations:
    kubernetes.io/service-account.name: {2}
type: kubernetes.io/service-account-token
)",
      zh ? "# 让 Bulwark 只读地查看这个集群：仅限它要读取的资源类型，没有任何写权限。\n"
         : "# Lets Bulwark look at this cluster: read-only, and only the kinds that it reads.\n",
      o.ns, o.name, rules,
      zh ? "# 该账号的长期令牌。删除它即可立即收回访问权。\n"
         : "# The account's lasting token. Deleting it takes the access back at once.\n");

  out.commands = fmt::format(
      R"({2}kubectl apply -f bulwark-cluster.yaml
{3}until TOKEN=$(kubectl -n {0} get secret {1}-token -o jsonpath='{{.data.token}}' | base64 -d) &&
  [ -n "$TOKEN" ]; do sleep 1; done
SERVER=$(kubectl config view --minify -o jsonpath='{{.clusters[0].cluster.server}}')
CA=$(kubectl config view --minify --raw --flatten \
  -o jsonpath='{{.clusters[0].cluster.certificate-authority-data}}')
(umask 077; cat > bulwark.kubeconfig <<EOF
apiVersion: v1
kind: Config
current-context: bulwark
contexts:
- name: bulwark
  context: {{cluster: bulwark, user: {1}}}
clusters:
- name: bulwark
  cluster:
    server: "$SERVER"
    certificate-authority-data: "$CA"
users:
- name: {1}
  user:
    token: "$TOKEN"
EOF
)
)",
      o.ns, o.name,
      zh ? "# 用能够管理该集群的 kubectl 运行：\n"
         : "# With a kubectl that may administer the cluster:\n",
      zh ? "# 集群随后生成令牌；把 bulwark.kubeconfig 的内容添加到 Bulwark。\n"
         : "# The cluster then makes a token; add the cluster with the text of "
           "bulwark.kubeconfig.\n");
  return out;
}

}  // namespace bulwark::inventory
