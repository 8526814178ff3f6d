#include "platform/auth/permissions.h"

#include <algorithm>

namespace bulwark::auth {
namespace {

struct Noun {
  std::string_view id, en, zh;
};

// "agents", "rules", …: each is read and written.
constexpr Noun kNouns[] = {
    {"agents", "agents", "节点代理"},
    {"alerts", "alerts", "告警"},
    {"assets", "assets", "资产"},
    {"audit", "the access log", "访问日志"},
    {"clusters", "clusters", "集群"},
    {"events", "events", "事件"},
    {"exceptions", "exceptions", "例外"},
    {"findings", "findings", "风险项"},
    {"inspections", "inspections", "巡检"},
    {"providers", "log-in providers", "登录提供方"},
    {"roles", "roles and grants", "角色与授权"},
    {"rules", "rules", "检测规则"},
    {"schedules", "schedules", "计划任务"},
    {"settings", "settings", "设置"},
    {"system", "the system's state", "系统状态"},
    {"tokens", "everybody's API tokens", "所有人的 API 令牌"},
    {"users", "users", "用户"},
};

struct Special {
  std::string_view id, en, zh;
};
constexpr Special kSpecial[] = {
    {"agents.enroll", "Enrol agents", "注册节点代理"},
    {"alerts.triage", "Handle alerts", "处置告警"},
    {"events.ingest", "Send events in", "写入外部事件"},
    {"exceptions.approve", "Approve exceptions", "审批例外"},
    {"exceptions.request", "Request exceptions", "申请例外"},
    {"inspections.run", "Run inspections", "执行巡检"},
    {"system.backup", "Make backups and support bundles", "创建备份与诊断包"},
};

std::vector<std::string> Reads(std::initializer_list<std::string_view> except,
                               std::vector<std::string> more) {
  std::vector<std::string> out;
  for (const Noun& noun : kNouns) {
    if (std::ranges::find(except, noun.id) == except.end()) {
      out.push_back(std::string(noun.id) + ".read");
    }
  }
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

const std::vector<Permission>& Permissions() {
  static const std::vector<Permission> all = [] {
    std::vector<Permission> out;
    for (const Noun& noun : kNouns) {
      std::string id(noun.id), en(noun.en), zh(noun.zh);
      out.push_back({.id = id + ".read", .title = {"Read " + en, "查看" + zh}});
      // What happened, nobody changes.
      if (noun.id == "audit" || noun.id == "system") continue;
      out.push_back({.id = id + ".write", .title = {"Change " + en, "修改" + zh}});
    }
    for (const Special& s : kSpecial) {
      out.push_back({.id = std::string(s.id), .title = {std::string(s.en), std::string(s.zh)}});
    }
    for (Permission& p : out) p.global = api::IsGlobal(p.id);
    std::ranges::sort(out, {}, &Permission::id);
    return out;
  }();
  return all;
}

const std::vector<Role>& BuiltInRoles() {
  static const std::vector<Role> roles = {
      {"admin", {"Administrator", "管理员"}, {"May do everything.", "拥有全部权限。"}, {"*"}},
      {"security",
       {"Security engineer", "安全工程师"},
       {"Reads everything but the access log; works on findings, exceptions, alerts, inspections, "
        "schedules and rules.",
        "可查看除访问日志外的全部内容；处理风险项、例外、告警、巡检、计划任务与检测规则。"},
       Reads({"audit"}, {"findings.*", "exceptions.*", "alerts.*", "inspections.*", "schedules.*",
                         "rules.*"})},
      {"operator",
       {"Platform operator", "平台运维"},
       {"Reads everything but the access log; connects clusters and agents, changes schedules and "
        "settings, runs inspections.",
        "可查看除访问日志外的全部内容；接入集群与节点代理，修改计划任务与设置，执行巡检。"},
       Reads({"audit"}, {"clusters.*", "agents.*", "schedules.*", "settings.write",
                         "inspections.run", "exceptions.request"})},
      {"developer",
       {"Developer", "开发者"},
       {"Sees clusters, assets, findings, alerts, exceptions and events; requests exceptions and "
        "runs inspections.",
        "可查看集群、资产、风险项、告警、例外与事件；可申请例外、执行巡检。"},
       {"clusters.read", "assets.read", "findings.read", "alerts.read", "exceptions.read",
        "events.read", "exceptions.request", "inspections.run"}},
      {"restricted",
       {"Restricted reader", "受限只读"},
       {"Sees assets, findings and exceptions.", "仅可查看资产、风险项与例外。"},
       {"assets.read", "findings.read", "exceptions.read"}},
      {"auditor",
       {"Auditor", "审计员"},
       {"Reads everything, the access log too, and changes nothing.",
        "可查看全部内容（含访问日志），不可做任何修改。"},
       {"*.read"}},
  };
  return roles;
}

const Role* FindBuiltInRole(std::string_view name) {
  for (const Role& role : BuiltInRoles()) {
    if (role.name == name) return &role;
  }
  return nullptr;
}

bool GivesSomething(std::string_view pattern) {
  return std::ranges::any_of(
      Permissions(), [&](const Permission& p) { return api::PermissionMatches(pattern, p.id); });
}

}  // namespace bulwark::auth
