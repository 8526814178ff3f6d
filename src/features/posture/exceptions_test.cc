#include "features/posture/exceptions.h"

#include <gmock/gmock.h>

#include "features/posture/testing.h"

namespace bulwark::posture {
namespace {

using testing::HasSubstr;

constexpr int64_t kNow = 1'767'225'600;  // 2026-01-01T00:00:00Z

std::string Pod(const std::string& meta, const std::string& image = "x") {
  return "apiVersion: v1\nkind: Pod\nmetadata: " + meta +
         "\nspec: {containers: [{name: a, image: " + image +
         ", securityContext: {privileged: true}}]}\n";
}

struct Outcome {
  std::string line;
  std::vector<std::string> warnings;
  std::optional<Excused> excused;
};

Outcome InspectWith(std::string_view yaml, const std::string& pod) {
  auto exceptions = Exceptions::Parse(yaml, "e.yaml", kNow);
  EXPECT_TRUE(exceptions.has_value()) << (exceptions ? "" : exceptions.error().ToString());
  CheckSet checks = ChecksFrom(kPrivileged);
  InspectOptions options;
  options.check.exceptions = &*exceptions;
  Report report = Inspect(checks, pod, options);
  return {Lines(report).at(0), report.warnings, report.findings[0].excused};
}

TEST(Exceptions, CoverWhatTheyName) {
  std::string base = "exceptions:\n  - {check: priv*, reason: because, owner: me";
  for (const char* matching :
       {"}", ", namespace: mon*}", ", kind: Pod, name: 'node-*'}", ", labels: {app: node}}",
        ", image: quay.io/*}", ", expires: 2026-01-01}", ", expires: '2027-06-30T00:00:00Z'}"}) {
    Outcome out = InspectWith(
        base + matching,
        Pod("{name: node-1, namespace: monitoring, labels: {app: node}}", "quay.io/a/b"));
    EXPECT_THAT(out.line, HasSubstr("excepted")) << matching;
    EXPECT_TRUE(out.warnings.empty()) << matching;
    EXPECT_EQ(out.excused->owner, "me");
  }
  for (const char* other : {", namespace: shop}", ", kind: Deployment}", ", labels: {app: web}}",
                            ", image: ghcr.io/*}"}) {
    Outcome out = InspectWith(
        base + other,
        Pod("{name: node-1, namespace: monitoring, labels: {app: node}}", "quay.io/a/b"));
    EXPECT_THAT(out.line, testing::Not(HasSubstr("excepted"))) << other;
    ASSERT_EQ(out.warnings.size(), 1U) << other;
    EXPECT_THAT(out.warnings[0], HasSubstr("e.yaml:2: the exception for priv* matches nothing"));
  }
}

TEST(Exceptions, ExpiredOnesAreFindingsAgain) {
  Outcome out = InspectWith(
      "exceptions:\n  - {check: '*', reason: r, owner: o, expires: 2025-12-31}", Pod("{name: p}"));
  EXPECT_THAT(out.line, testing::Not(HasSubstr("excepted")));
  ASSERT_EQ(out.warnings.size(), 1U);
  EXPECT_THAT(out.warnings[0], HasSubstr("expired on 2025-12-31"));
}

TEST(Exceptions, ByTheirOwnerOnlyWhereAllowed) {
  std::string pod =
      Pod("{name: p, namespace: dev-a, annotations: {except.bulwark.io/privileged: 'debugging; "
          "owner=ann; expires=2026-02-01'}}");
  EXPECT_THAT(InspectWith("", pod).line, testing::Not(HasSubstr("excepted")));
  EXPECT_THAT(InspectWith("annotations: {allow: [image-*]}", pod).line,
              testing::Not(HasSubstr("excepted")));
  EXPECT_THAT(InspectWith("annotations: {allow: ['*'], namespaces: [prod]}", pod).line,
              testing::Not(HasSubstr("excepted")));
  Outcome out = InspectWith("annotations: {allow: [priv*], namespaces: [dev-*]}", pod);
  EXPECT_THAT(out.line, HasSubstr("excepted"));
  EXPECT_TRUE(out.excused->by_owner);
  EXPECT_EQ(out.excused->reason, "debugging");
  EXPECT_EQ(out.excused->owner, "ann");
  std::string expired =
      Pod("{name: p, annotations: {except.bulwark.io/privileged: 'x; expires=2025-01-01'}}");
  EXPECT_THAT(InspectWith("annotations: {allow: ['*']}", expired).line,
              testing::Not(HasSubstr("excepted")));
  std::string no_reason =
      Pod("{name: p, annotations: {except.bulwark.io/privileged: 'owner=ann'}}");
  EXPECT_THAT(InspectWith("annotations: {allow: ['*']}", no_reason).line,
              testing::Not(HasSubstr("excepted")));
}

TEST(Exceptions, SayWhatIsWrongAndWhere) {
  struct Case {
    const char *yaml, *message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"exceptions:\n  - {check: x, owner: o}", "e.yaml:2: reason is missing"},
           {"exceptions:\n  - {check: x, reason: r}", "e.yaml:2: owner is missing"},
           {"exceptions:\n  - {reason: r, owner: o}", "check is missing"},
           {"exceptions:\n  - {check: x, reason: r, owner: o, namspace: y}",
            "did you mean \"namespace\"?"},
           {"exceptions:\n  - {check: x, reason: r, owner: o, expires: soon}",
            "expires must be a date"},
           {"exceptions:\n  - {check: 3, reason: r, owner: o}", "check must be a string"},
           {"exceptions: 3", "must be a list"},
           {"exception: []", "unknown key"},
           {"[]", "expected a map"},
           {"exceptions: [", "e.yaml"},
       }) {
    auto parsed = Exceptions::Parse(c.yaml, "e.yaml", kNow);
    ASSERT_FALSE(parsed.has_value()) << c.yaml;
    EXPECT_THAT(parsed.error().ToString(), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace bulwark::posture
