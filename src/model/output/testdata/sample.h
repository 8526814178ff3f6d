#pragma once

// Reports made by hand, for tests: a shop with a bit of everything, an empty one, and a large one.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/report.h"

namespace bulwark::output {

// Strangers' text: escape sequences, markup, formulas, control characters, mentions.
inline constexpr std::string_view kHostile =
    "=cmd()|'<script>alert(1)</script>\x1b[31mred\x1b]0;title\x07 @admin | `x` \xe2\x80\xae"
    "evil \xff ]]> --> </SCRIPT";

// Findings, and the tallies that go with them.
class ReportMaker {
 public:
  ReportMaker() {
    report.tool_version = "0.1.0";
    report.started = "2026-11-22T08:30:00Z";
    report.target = "k8s/shop";
    report.kubernetes = "1.34";
    auto check = [&](std::string id, Severity severity, std::string category, Text title,
                     Text message, Text why, Text remedy, bool fix,
                     std::vector<std::string> mitre = {},
                     std::map<std::string, std::vector<std::string>> controls = {}) {
      report.checks.push_back(
          {.id = std::move(id),
           .severity = severity,
           .category = std::move(category),
           .title = std::move(title),
           .description = {"Looks at every container, init and ephemeral ones too.",
                           "检查每个容器，包括初始化容器和临时容器。"},
           .why = std::move(why),
           .remedy = std::move(remedy),
           .message = std::move(message),
           .mitre = std::move(mitre),
           .controls = std::move(controls),
           .has_fix = fix,
           .origin = "rules/posture/pod.yaml"});
    };
    check("host-path-docker-socket", Severity::kCritical, "security",
          {"Container runtime socket mounted", "挂载了容器运行时套接字"},
          {"volume {volume} mounts {value}", "卷 {volume} 挂载了 {value}"},
          {"Whoever speaks to the socket is root on the node.",
           "能访问该套接字即等同于节点的 root。"},
          {"Remove the volume; build images with a rootless builder.",
           "移除该卷；请使用无 root 的构建工具构建镜像。"},
          false, {"T1611"}, {{"nsa", {"host-path"}}, {"pss-baseline", {"host-path-volumes"}}});
    check("image-tag-latest", Severity::kMedium, "image",
          {"Image without a fixed version", "镜像未固定版本"},
          {"image {value} has no fixed version", "镜像 {value} 未固定版本"},
          {"The same manifest runs something else tomorrow.", "同一清单明天可能运行不同的内容。"},
          {"Name a version, better a digest.", "请指定版本，最好使用摘要。"}, false, {"T1525"});
    check("no-memory-limit", Severity::kLow, "resources", {"No memory limit", "未设置内存限制"},
          {"container {container} has no memory limit", "容器 {container} 未设置内存限制"},
          {"One leak takes the whole node down.", "一次内存泄漏就会拖垮整个节点。"},
          {"Set resources.limits.memory to what it needs at its peak.",
           "将 resources.limits.memory 设为峰值所需。"},
          true);
    check("no-readiness-probe", Severity::kLow, "health", {"No readiness probe", "未设置就绪探针"},
          {"container {container} has no readiness probe", "容器 {container} 未设置就绪探针"}, {},
          {"Add a readinessProbe.", "添加 readinessProbe。"}, false);
    check("privileged-container", Severity::kCritical, "security",
          {"Privileged container", "特权容器"},
          {"container {container} runs privileged", "容器 {container} 以特权模式运行"},
          {"A privileged container is root on the node: it sees every device, and nothing of the "
           "kernel's confinement is left.",
           "特权容器等同于节点上的 root：可访问所有设备，内核的隔离机制全部失效。"},
          {"Set securityContext.privileged to false; add single capabilities where one is needed.",
           "将 securityContext.privileged 设为 false；确有需要时只添加单项能力。"},
          true, {"T1611", "T1610"},
          {{"nsa", {"privileged-containers"}}, {"pss-baseline", {"privileged-containers"}}});
    check("run-as-root", Severity::kHigh, "security", {"Runs as root", "以 root 用户运行"},
          {"container {container} may run as root", "容器 {container} 可能以 root 运行"},
          {"Root in the container is one kernel bug away from root on the node.",
           "容器内的 root 距离节点的 root 只差一个内核漏洞。"},
          {"Set runAsNonRoot to true and runAsUser to a number other than 0.",
           "将 runAsNonRoot 设为 true，并将 runAsUser 设为非 0 的数值。"},
          true, {"T1611"}, {{"nsa", {"non-root-containers"}}});
    check("secret-in-env", Severity::kHigh, "secrets", {"Secret in plain text", "明文凭证"},
          {"variable {variable} of container {container} holds {kind}: {masked}",
           "容器 {container} 的变量 {variable} 含有 {kind}：{masked}"},
          {"Whoever reads the manifest has it.", "能读取清单的人即可获得该凭证。"},
          {"Move it to a Secret and name it with secretKeyRef.",
           "移至 Secret，并用 secretKeyRef 引用。"},
          false, {"T1552.007"}, {{"nsa", {"secrets"}}});
    check("wildcard-rbac", Severity::kHigh, "access", {"Wildcard in a role", "角色使用通配符"},
          {"rule {index} allows every verb", "规则 {index} 允许所有动作"}, {},
          {"Name the verbs.", "请逐一列出动作。"}, false, {}, {{"nsa", {"rbac"}}});

    report.frameworks.push_back(
        {.id = "nsa",
         .version = "1.2",
         .url = "https://media.defense.gov/kubernetes-hardening",
         .title = {"NSA/CISA Kubernetes Hardening Guide", "NSA/CISA Kubernetes 加固指南"},
         .controls = {{"non-root-containers", {"Non-root containers", "非 root 容器"}},
                      {"privileged-containers", {"Privileged containers", "特权容器"}},
                      {"host-path", {"Host path volumes", "主机路径卷"}},
                      {"secrets", {"Secrets are kept in a store", "凭证集中保管"}},
                      {"rbac", {"Least privilege in roles", "角色最小权限"}},
                      {"audit-logging", {"Audit logs are kept", "保留审计日志"}}}});
    report.frameworks.push_back(
        {.id = "pss-baseline",
         .title = {"Pod Security Standards: Baseline", "Pod 安全标准：Baseline"},
         .controls = {{"privileged-containers", {"Privileged containers", "特权容器"}},
                      {"host-path-volumes", {"HostPath volumes", "HostPath 卷"}}}});
  }

  void AddFinding(Finding f) {
    const CheckInfo* check = report.FindCheck(f.check);
    f.severity = check->severity;
    Count(f.asset, f.evidence.place.file, *check, f.status, f.excused.has_value(), 1);
    std::string path = f.evidence.path;
    report.findings.Add(f, path);
  }

  void AddPassed(const Asset& asset, const std::string& file, const std::string& check,
                 uint64_t count = 1) {
    Count(asset, file, *report.FindCheck(check), Status::kPass, false, count);
  }

  Report Finish() {
    report.findings.Sort();
    std::sort(
        report.assets.begin(), report.assets.end(), [](const AssetTally& a, const AssetTally& b) {
          return std::pair(a.asset.Key(), a.place.file) < std::pair(b.asset.Key(), b.place.file);
        });
    report.objects = report.assets.size();
    return std::move(report);
  }

  Report report;

 private:
  void Count(const Asset& asset, const std::string& file, const CheckInfo& check, Status status,
             bool excused, uint64_t count) {
    auto found = index_.emplace(asset.Key() + "\n" + file, report.assets.size());
    if (found.second) {
      uint32_t line = file.empty() ? 0 : 1 + 40 * static_cast<uint32_t>(per_file_[file]++);
      report.assets.push_back({.asset = asset, .place = {.file = file, .line = line, .column = 1}});
    }
    report.assets[found.first->second].tally.Add(check.severity, status, excused, count);
    report.total.Add(check.severity, status, excused, count);
    report.by_category[check.category].Add(check.severity, status, excused, count);
    report.by_namespace[asset.ns].Add(check.severity, status, excused, count);
    report.by_check[check.id].Add(check.severity, status, excused, count);
    for (const auto& [framework, controls] : check.controls) {
      for (const std::string& control : controls) {
        report.by_control[framework][control].Add(check.severity, status, excused, count);
      }
    }
  }

  std::map<std::string, size_t> index_;
  std::map<std::string, int> per_file_;
};

inline Asset Workload(std::string ns, std::string name, std::string kind = "Deployment") {
  return {.group = "apps",
          .version = "v1",
          .kind = std::move(kind),
          .ns = std::move(ns),
          .name = std::move(name)};
}

inline Report SampleReport() {
  ReportMaker maker;
  const std::string file = "k8s/shop/deploy.yaml";
  Asset web = Workload("shop", "web"), cart = Workload("shop", "购物车");
  auto container = [](const std::string& field) {
    return "spec.template.spec.containers[0]" + field;
  };
  maker.AddFinding({.check = "privileged-container",
                    .asset = web,
                    .evidence = {container(".securityContext.privileged"),
                                 "true",
                                 "web",
                                 {file, 27, 23, 27, 27}},
                    .fixable = true});
  maker.AddFinding(
      {.check = "run-as-root",
       .asset = web,
       .evidence = {container(".securityContext.runAsNonRoot"), "", "web", {file, 25, 11, 30, 1}},
       .fixable = true,
       .is_new = true});
  maker.AddFinding({.check = "run-as-root",
                    .asset = web,
                    .evidence = {"spec.template.spec.containers[1].securityContext.runAsNonRoot",
                                 "",
                                 "sidecar-代理",
                                 {file, 52, 11, 55, 1}},
                    .fixable = true,
                    .is_new = true});
  maker.AddFinding(
      {.check = "secret-in-env",
       .asset = web,
       .evidence = {container(".env[1].value"), "\"ghp_****\"", "web", {file, 34, 20, 34, 60}},
       .args = {{"variable", "TOKEN"}, {"kind", "a GitHub token"}, {"masked", "ghp_****"}}});
  maker.AddFinding(
      {.check = "no-memory-limit",
       .asset = web,
       .evidence = {container(".resources.limits.memory"), "", "web", {file, 40, 11, 0, 0}},
       .excused = Excused{"measured peak is 90 MiB; sized with the team", "team-shop", "2027-06-30",
                          false}});
  maker.AddFinding({.check = "no-readiness-probe",
                    .asset = web,
                    .evidence = {container(""), "", "web", {file, 21, 9, 44, 1}},
                    .excused = Excused{"静态页面，无需探针", "", "", true}});
  for (const char* check : {"image-tag-latest", "host-path-docker-socket"}) {
    maker.AddPassed(web, file, check);
  }
  maker.AddFinding({.check = "image-tag-latest",
                    .asset = cart,
                    .evidence = {container(".image"),
                                 "\"registry.example.com/购物车:latest\"",
                                 "购物车",
                                 {"k8s/shop/购物车.yaml", 18, 26, 18, 60}}});
  maker.AddFinding({.check = "run-as-root",
                    .status = Status::kError,
                    .asset = cart,
                    .evidence = {container(".securityContext.runAsUser"),
                                 "\"root\"",
                                 "购物车",
                                 {"k8s/shop/购物车.yaml", 22, 24, 22, 28}},
                    .args = {{"error", "runAsUser must be a number, not \"root\""}}});
  maker.AddPassed(cart, "k8s/shop/购物车.yaml", "privileged-container");
  maker.AddPassed(cart, "k8s/shop/购物车.yaml", "no-memory-limit", 2);

  // A name as hostile as names get: a file need not hold what the API server would take.
  Asset hostile = Workload("", std::string(kHostile), "Job");
  hostile.group = "batch";
  maker.AddFinding({.check = "host-path-docker-socket",
                    .asset = hostile,
                    .evidence = {"spec.template.spec.volumes[0].hostPath.path",
                                 "\"" + std::string(kHostile) + "\"",
                                 "",
                                 {"k8s/shop/a b&'c'<d>.yaml", 9, 5, 9, 30}},
                    .args = {{"volume", std::string(kHostile) + std::string("\0nul", 4)},
                             {"value", "=HYPERLINK(\"http://x\")"}}});
  Asset role{
      .group = "rbac.authorization.k8s.io", .version = "v1", .kind = "ClusterRole", .name = "ops"};
  maker.AddFinding(
      {.check = "wildcard-rbac",
       .asset = role,
       .evidence = {"rules[0].verbs[0]", "\"*\"", "", {"k8s/shop/rbac.yaml", 8, 14, 8, 17}},
       .args = {{"index", "0"}},
       .is_new = true});
  Asset good = Workload("tools", "backup", "CronJob");
  good.group = "batch";
  maker.AddPassed(good, "k8s/shop/cron.yaml", "privileged-container");
  maker.AddPassed(good, "k8s/shop/cron.yaml", "run-as-root");

  maker.report.unread.push_back(
      {"k8s/shop/broken.yaml",
       {"k8s/shop/broken.yaml", 3, 7, 0, 0},
       "k8s/shop/broken.yaml:3:7: expected a mapping, found \"<b>\x1b[2J\""});
  maker.report.warnings.push_back("exceptions.yaml:12: matches nothing");
  Report report = maker.Finish();
  std::string id;
  for (const Finding& f : report.findings) {
    if (f.check == "privileged-container") id = f.id;
  }
  report.fixes.push_back(
      {.file = file,
       .diff = "--- k8s/shop/deploy.yaml\n+++ k8s/shop/deploy.yaml\n@@ -25,5 +25,5 @@\n"
               "         securityContext:\n           # 需要访问设备\n-          privileged: true\n"
               "+          privileged: false\n",
       .findings = {id},
       .replacements = {{.finding = id,
                         .begin = 512,
                         .end = 516,
                         .begin_line = 27,
                         .begin_column = 23,
                         .end_line = 27,
                         .end_column = 27,
                         .text = "false"}}});
  return report;
}

inline Report EmptyReport() {
  Report report;
  report.tool_version = "0.1.0";
  report.started = "2026-11-22T08:30:00Z";
  report.target = "k8s";
  report.kubernetes = "1.34";
  return report;
}

// `objects` workloads in ten namespaces with five findings each.
inline Report LargeReport(size_t objects) {
  ReportMaker maker;
  for (size_t i = 0; i < objects; ++i) {
    Asset asset = Workload(fmt::format("team-{}", i % 10), fmt::format("service-{:05}", i));
    std::string file = fmt::format("k8s/team-{}/service-{:05}.yaml", i % 10, i);
    size_t n = 0;
    for (const char* check : {"privileged-container", "run-as-root", "image-tag-latest",
                              "no-memory-limit", "no-readiness-probe"}) {
      std::string path = fmt::format("spec.template.spec.containers[{}]", n++);
      Place place{file, static_cast<uint32_t>(10 + n), 9, static_cast<uint32_t>(10 + n), 20};
      maker.AddFinding({.check = check,
                        .asset = asset,
                        .evidence = {path, "true", fmt::format("app-{}", i % 7), place},
                        .fixable = n < 3});
    }
    maker.AddPassed(asset, file, "secret-in-env", i % 13);
    maker.AddPassed(asset, file, "host-path-docker-socket", i % 5);
  }
  return maker.Finish();
}

}  // namespace bulwark::output
