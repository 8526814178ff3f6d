#include "features/posture/server/feature.h"

#include "base/check.h"
#include "features/posture/server/live_posture.h"
#include "features/posture/server/routes.h"
#include "platform/config/config.h"
#include "platform/schedule/schedule.h"

namespace bulwark::posture {

namespace {

void AddMessages(Catalog& catalog) {
  const std::pair<std::string_view, Text> messages[] = {
      {"posture.finding.opened",
       {"{check} fails at {kind} {namespace}/{name}", "{kind} {namespace}/{name} 未通过 {check}"}},
      {"posture.finding.reopened",
       {"{check} fails again at {kind} {namespace}/{name}",
        "{kind} {namespace}/{name} 再次未通过 {check}"}},
      {"posture.finding.closed",
       {"{check} no longer fails at {kind} {namespace}/{name}",
        "{kind} {namespace}/{name} 已不再违反 {check}"}},
      {"posture.finding.excepted",
       {"{check} at {kind} {namespace}/{name} is excepted",
        "{kind} {namespace}/{name} 的 {check} 已列为例外"}},
      {"posture.finding.unexcepted",
       {"{check} at {kind} {namespace}/{name} is no longer excepted",
        "{kind} {namespace}/{name} 的 {check} 不再是例外"}},
      {"posture.exception.requested",
       {"{user} asked for an exception from {check}: {reason}",
        "{user} 申请 {check} 的例外：{reason}"}},
      {"posture.exception.approved",
       {"{user} approved an exception from {check}", "{user} 批准了 {check} 的例外"}},
      {"posture.exception.refused",
       {"{user} refused an exception from {check}", "{user} 拒绝了 {check} 的例外"}},
      {"posture.exception.withdrawn",
       {"{user} withdrew an exception from {check}", "{user} 撤回了 {check} 的例外"}},
      {"posture.exception.expired", {"An exception from {check} expired", "{check} 的例外已到期"}},
      {"posture.exception.deleted",
       {"{user} deleted an exception from {check}", "{user} 删除了 {check} 的例外"}},
      {"posture.running",
       {"an inspection of that cluster is running already", "该集群的巡检正在进行"}},
      {"posture.stopped", {"the server is ending", "服务器正在停止"}},
      {"finding.not_found",
       {"no such finding, or you may not see it", "没有这个发现，或者您无权查看"}},
      {"finding.no_fix",
       {"there is no fix that a program can make here", "这里没有可自动完成的修复"}},
      {"check.not_found", {"no such check", "没有这个检查项"}},
      {"framework.not_found", {"no such framework", "没有这个合规框架"}},
      {"report.cluster", {"cluster is missing", "缺少 cluster"}},
      {"report.format",
       {"format must be html, json, sarif, junit, markdown or csv",
        "format 必须是 html、json、sarif、junit、markdown 或 csv"}},
      {"trends.days", {"days must be from 1 to 400", "days 必须在 1 到 400 之间"}},
      {"exception.missing", {"{field} is missing", "缺少 {field}"}},
      {"exception.text", {"{field} must be a text", "{field} 必须是文本"}},
      {"exception.long", {"{field} is longer than {limit} bytes", "{field} 超过 {limit} 字节"}},
      {"exception.labels", {"labels must be a map of texts", "labels 必须是文本映射"}},
      {"exception.narrow",
       {"an exception must be narrower than everything everywhere", "例外不能覆盖一切"}},
      {"exception.expires",
       {"expires must be a date such as 2027-06-30, or a time",
        "expires 必须是日期（如 2027-06-30）或时间"}},
      {"exception.past", {"its time has passed", "时间已过"}},
      {"exception.scope",
       {"this needs the right {permission} wherever the exception counts",
        "在例外生效的全部范围内都需要权限 {permission}"}},
      {"exception.no_namespace", {"the object is in no namespace", "该对象不属于任何命名空间"}},
      {"exception.not_found",
       {"no such exception, or you may not see it", "没有这个例外，或者您无权查看"}},
      {"exception.state",
       {"cannot {step} an exception that is {state}", "例外处于 {state} 状态，不能执行 {step}"}},
      {"exception.own", {"somebody else must approve one's own request", "自己的申请须由他人批准"}},
  };
  for (const auto& [id, text] : messages) catalog.Add(std::string(id), text);
}

class Posture : public Feature {
 public:
  Posture(Services& services, CheckSet checks, PostureOptions options)
      : checks_(std::move(checks)),
        live_(services, checks_, std::move(options.other_checks)),
        services_(services),
        others_may_approve_(options.others_may_approve) {
    AddMessages(services.catalog);
    routes_ = AddPostureRoutes(services, live_, std::move(options.others_may_approve));
    services.inventory.AddListener(&live_);
    services.scheduler.Register("posture",
                                [this](const Scheduler::Run& run) { return RunScheduled(run); });
  }

  std::string name() const override { return "posture"; }
  Result<> Start() override { return live_.Start(); }
  void Stop() override { live_.Stop(); }
  LivePosture& live() { return live_; }
  const LivePosture& live() const { return live_; }
  // Whoever applies files may agree to exceptions only as they may in the console.
  bool MayApproveAlone(const ConfigActor& who) const {
    return who.may != nullptr && who.may("exceptions.approve") &&
           !(others_may_approve_ != nullptr && others_may_approve_(who.id));
  }

 private:
  Result<std::string> RunScheduled(const Scheduler::Run& run) {
    std::vector<std::string> clusters;
    if (!run.cluster.empty()) {
      clusters.push_back(run.cluster);
    } else {
      for (const Cluster& cluster : services_.inventory.Clusters()) clusters.push_back(cluster.id);
    }
    std::string outcome;
    for (const std::string& cluster : clusters) {
      Report report = BW_TRY(live_.Run(cluster, "schedule:" + run.schedule, run.stop));
      outcome += (outcome.empty() ? "" : "; ") + report.target + ": " +
                 std::to_string(report.total.Score()) + "/100, " +
                 std::to_string(report.total.failed) + " open";
    }
    return outcome;
  }

  CheckSet checks_;
  LivePosture live_;
  std::shared_ptr<void> routes_;
  Services& services_;
  const std::function<bool(const std::string& principal)> others_may_approve_;
};

}  // namespace

Result<std::unique_ptr<Feature>> MakePosture(Services& services, PostureOptions options) {
  CheckSet checks = BW_TRY(CheckSet::BuiltIn());
  for (const std::string& folder : options.check_folders) BW_TRY(checks.AddFolder(folder));
  for (const store::Collection* collection :
       {&FindingsCollection(), &ExceptionsCollection(), &InspectionsCollection(),
        &InspectedCollection(), &TrendsCollection(), &RunsCollection()}) {
    BW_TRY(services.state.Define(*collection));
  }
  return std::unique_ptr<Feature>(
      std::make_unique<Posture>(services, std::move(checks), std::move(options)));
}

const KnownChecks& ChecksOf(const Feature& feature) {
  auto* posture = dynamic_cast<const Posture*>(&feature);
  BW_CHECK(posture != nullptr);
  return posture->live().known();
}

Result<> TakeAssessments(Feature& feature, const Asset& asset,
                         std::span<const OtherAssessment> assessments) {
  auto* posture = dynamic_cast<Posture*>(&feature);
  BW_CHECK(posture != nullptr);
  return posture->live().TakeOthers(asset, assessments);
}

void ExceptionSettingsChanged(Feature& feature) {
  auto* posture = dynamic_cast<Posture*>(&feature);
  BW_CHECK(posture != nullptr);
  posture->live().ExceptionsChanged();
}

void AddPostureConfig(Config& config, Feature& feature) {
  auto* posture = dynamic_cast<Posture*>(&feature);
  BW_CHECK(posture != nullptr);
  ExceptionBook& book = posture->live().exceptions();
  config.Register(
      {.kind = "Exception",
       .collection = std::string(kExceptions),
       .noun = "exceptions",
       .fields = {"check", "cluster", "namespace", "kind", "name", "image", "labels", "reason",
                  "expires"},
       .exported = store::Query::Equals("state", "approved"),
       .make =
           [&book, posture](std::string_view name, const Value& spec, const Value& old,
                            Arena& arena, const ConfigActor& by) {
             return book.FromSpec(name, spec, old, arena, by.id, posture->MayApproveAlone(by));
           },
       .changed = [posture](std::string_view) { posture->live().ExceptionsChanged(); }});
}

}  // namespace bulwark::posture
