#include "platform/api/access.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace bulwark::api {
namespace {

Principal With(std::vector<Grant> grants) {
  Principal principal;
  principal.kind = Principal::Kind::kUser;
  principal.id = "user:alice";
  principal.grants = std::move(grants);
  return principal;
}

TEST(Scope, Covers) {
  struct Case {
    Scope scope;
    std::string cluster, ns;
    std::vector<std::string> labels;
    bool covered;
  };
  const Case cases[] = {
      {{}, "", "", {}, true},
      {{}, "c1", "", {}, true},
      {{}, "c1", "prod", {}, true},
      {{.clusters = {"c1"}}, "c1", "prod", {}, true},
      {{.clusters = {"c1"}}, "c1", "", {}, true},
      {{.clusters = {"c1"}}, "c2", "prod", {}, false},
      {{.clusters = {"c1"}}, "c11", "prod", {}, false},
      {{.clusters = {"c1"}}, "C1", "prod", {}, false},
      {{.clusters = {"c1", "c2"}}, "c2", "", {}, true},
      {{.clusters = {"c*"}}, "c2", "", {}, true},
      {{.clusters = {"c?"}}, "c2", "", {}, true},
      {{.clusters = {"c?"}}, "c22", "", {}, false},
      // What belongs to no cluster is of Bulwark itself.
      {{.clusters = {"c1"}}, "", "", {}, false},
      {{.clusters = {"*"}}, "", "", {}, false},
      {{.clusters = {""}}, "", "", {}, false},
      {{.namespaces = {"prod"}}, "c1", "prod", {}, true},
      {{.namespaces = {"prod"}}, "c2", "prod", {}, true},
      {{.namespaces = {"prod"}}, "c1", "prod2", {}, false},
      {{.namespaces = {"team-*"}}, "c1", "team-a", {}, true},
      {{.namespaces = {"team-*"}}, "c1", "team", {}, false},
      {{.namespaces = {"a", "b*"}}, "c1", "bee", {}, true},
      // Never what is cluster-scoped.
      {{.namespaces = {"prod"}}, "c1", "", {}, false},
      {{.namespaces = {"*"}}, "c1", "", {}, false},
      {{.namespaces = {"**"}}, "c1", "", {}, false},
      {{.namespaces = {""}}, "c1", "", {}, false},
      {{.clusters = {"c1"}, .namespaces = {"prod"}}, "c1", "prod", {}, true},
      {{.clusters = {"c1"}, .namespaces = {"prod"}}, "c2", "prod", {}, false},
      {{.clusters = {"c1"}, .namespaces = {"prod"}}, "c1", "dev", {}, false},
      {{.labels = {{"app", "web"}}}, "c1", "prod", {"app=web"}, true},
      {{.labels = {{"app", "web"}}}, "c1", "", {"app=web"}, true},
      {{.labels = {{"app", "web"}}}, "c1", "prod", {"tier=x", "app=web"}, true},
      {{.labels = {{"app", "web"}}}, "c1", "prod", {"app=web2"}, false},
      {{.labels = {{"app", "web"}}}, "c1", "prod", {"app"}, false},
      {{.labels = {{"app", "web"}}}, "c1", "prod", {}, false},
      {{.labels = {{"app", "w*"}}}, "c1", "prod", {"app=web"}, true},
      {{.labels = {{"a*", "web"}}}, "c1", "prod", {"app=web"}, false},
      {{.labels = {{"app", "web"}, {"tier", "front"}}}, "c1", "prod", {"app=web"}, false},
      {{.labels = {{"app", "web"}, {"tier", "front"}}},
       "c1",
       "prod",
       {"app=web", "tier=front"},
       true},
      {{.namespaces = {"prod"}, .labels = {{"app", "web"}}}, "c1", "dev", {"app=web"}, false},
      {{.namespaces = {"prod"}, .labels = {{"app", "web"}}}, "c1", "prod", {"app=web"}, true},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    const Case& c = cases[i];
    EXPECT_EQ(c.scope.Covers(c.cluster, c.ns, c.labels), c.covered) << "case " << i;
    if (c.labels.empty()) {
      EXPECT_EQ(c.scope.Covers(c.cluster, c.ns), c.covered) << "case " << i;
    }
    // May() and Covers() are one.
    Principal p = With({{.role = "r", .permissions = {"findings.read"}, .scope = c.scope}});
    EXPECT_EQ(p.May("findings.read", c.cluster, c.ns, c.labels), c.covered) << "case " << i;
    EXPECT_FALSE(p.May("findings.write", c.cluster, c.ns, c.labels)) << "case " << i;
  }
}

TEST(Scope, Contains) {
  struct Case {
    Scope outer, inner;
    bool contained;
  };
  const Case cases[] = {
      {{}, {}, true},
      {{}, {.clusters = {"c1"}}, true},
      {{.clusters = {"c1"}}, {}, false},
      {{.clusters = {"*"}}, {}, false},  // of no cluster
      {{.clusters = {"c1"}}, {.clusters = {"c1"}}, true},
      {{.clusters = {"c1"}}, {.clusters = {"c1", "c2"}}, false},
      {{.clusters = {"c1", "c2"}}, {.clusters = {"c2"}}, true},
      {{.clusters = {"c*"}}, {.clusters = {"c2"}}, true},
      {{.clusters = {"c*"}}, {.clusters = {"c2*"}}, true},
      {{.clusters = {"c*"}}, {.clusters = {"*"}}, false},
      {{.clusters = {"c1"}}, {.clusters = {"c?"}}, false},
      {{.clusters = {"c?"}}, {.clusters = {"c*"}}, false},
      {{.clusters = {"team-*"}}, {.clusters = {"te*"}}, false},
      {{.namespaces = {"prod"}}, {.clusters = {"c1"}}, false},
      {{.namespaces = {"prod"}}, {.clusters = {"c1"}, .namespaces = {"prod"}}, true},
      {{.namespaces = {"*"}}, {}, false},
      {{.labels = {{"a", "b"}}}, {}, false},
      {{.labels = {{"a", "b"}}}, {.labels = {{"a", "b"}, {"c", "d"}}}, true},
      {{.labels = {{"a", "b"}, {"c", "d"}}}, {.labels = {{"a", "b"}}}, false},
      {{.labels = {{"a", "*"}}}, {.labels = {{"a", "b"}}}, true},
      {{.labels = {{"a", "b"}}}, {.labels = {{"a", "*"}}}, false},
      {{}, {.labels = {{"a", "b"}}}, true},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    EXPECT_EQ(cases[i].outer.Contains(cases[i].inner), cases[i].contained) << "case " << i;
  }
}

// Contains() never says yes where Covers() differs: every scope out of a small world against every
// other, and every thing of that world.
TEST(Scope, ContainsIsSound) {
  const std::vector<std::string> globs = {"a", "ab", "a*", "*", "?", "a?", "*b", "b"};
  std::vector<Scope> scopes = {{}};
  for (const auto& x : globs) {
    scopes.push_back({.clusters = {x}});
    scopes.push_back({.namespaces = {x}});
    scopes.push_back({.labels = {{"k", x}}});
    for (const auto& y : globs) {
      scopes.push_back({.clusters = {x}, .namespaces = {y}});
      scopes.push_back({.namespaces = {x, y}});
    }
  }
  const std::vector<std::string> texts = {"", "a", "b", "ab", "abc", "ba"};
  int contained = 0;
  for (const Scope& outer : scopes) {
    for (const Scope& inner : scopes) {
      if (!outer.Contains(inner)) continue;
      ++contained;
      for (const auto& cluster : texts) {
        for (const auto& ns : texts) {
          for (const auto& value : texts) {
            std::vector<std::string> labels = {"k=" + value};
            if (inner.Covers(cluster, ns, labels)) {
              ASSERT_TRUE(outer.Covers(cluster, ns, labels))
                  << cluster << "/" << ns << " " << value;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(contained, 500);
}

TEST(Permission, Matches) {
  struct Case {
    std::string_view pattern, asked;
    bool matches;
  };
  const Case cases[] = {
      {"*", "findings.read", true},
      {"*", "*", true},
      {"*", "*.read", true},
      {"*.*", "*", true},
      {"findings.*", "findings.read", true},
      {"findings.*", "findings.*", true},
      {"findings.*", "finding.read", false},
      {"findings.*", "*.read", false},
      {"findings.*", "*", false},
      {"*.read", "findings.read", true},
      {"*.read", "findings.write", false},
      {"*.read", "findings.*", false},
      {"findings.read", "findings.read", true},
      {"findings.read", "findings.reads", false},
      {"findings.read", "findings", false},
      {"", "findings.read", false},
      {"findings.read", "", false},
      {"findings", "findings.read", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(PermissionMatches(c.pattern, c.asked), c.matches) << c.pattern << " " << c.asked;
  }
  for (std::string_view good : {"*", "*.*", "findings.*", "*.read", "a-b.c"}) {
    EXPECT_TRUE(IsPermissionPattern(good)) << good;
  }
  for (std::string_view bad : {"", "findings", "find*.read", "Findings.read", "a.b.c", ".read",
                               "findings.", "a b.c", "**", "*.re*", "a.b\n"}) {
    EXPECT_FALSE(IsPermissionPattern(bad)) << bad;
  }
  EXPECT_FALSE(IsPermissionPattern(std::string(70, 'a') + ".read"));
}

// An administrator of one namespace is none of Bulwark.
TEST(Principal, GlobalPermissionsNeedAnUnboundGrant) {
  Principal scoped = With({{"admin", {"*"}, {.namespaces = {"dev"}}},
                           {"admin", {"*"}, {.clusters = {"*"}}},
                           {"admin", {"*"}, {.labels = {{"a", "b"}}}}});
  Principal all = With({{"admin", {"*"}, {}}});
  for (std::string_view p :
       {"users.read", "users.write", "roles.write", "tokens.read", "providers.write",
        "settings.write", "audit.read", "system.backup", "system.read", "rules.write"}) {
    EXPECT_TRUE(IsGlobal(p)) << p;
    EXPECT_FALSE(scoped.May(p)) << p;
    EXPECT_FALSE(scoped.May(p, "c1", "dev")) << p;
    EXPECT_FALSE(scoped.Visible(p, true)) << p;
    EXPECT_TRUE(all.May(p)) << p;
    EXPECT_TRUE(all.May(p, "", "")) << p;
    EXPECT_TRUE(all.Visible(p)) << p;
  }
  for (std::string_view p : {"findings.read", "clusters.write", "rules.read", "agents.read"}) {
    EXPECT_FALSE(IsGlobal(p)) << p;
    EXPECT_TRUE(scoped.May(p)) << p;
  }
}

TEST(Principal, SeveralGrantsJoin) {
  Principal p = With({{"developer", {"findings.read"}, {.namespaces = {"dev"}}},
                      {"security", {"findings.*"}, {.clusters = {"c2"}}}});
  EXPECT_TRUE(p.May("findings.read"));
  EXPECT_TRUE(p.May("findings.write"));
  EXPECT_TRUE(p.May("findings.read", "c1", "dev"));
  EXPECT_FALSE(p.May("findings.write", "c1", "dev"));
  EXPECT_TRUE(p.May("findings.write", "c2", ""));
  EXPECT_FALSE(p.May("findings.read", "c1", ""));
  EXPECT_FALSE(p.May("alerts.read"));
  EXPECT_FALSE(Principal().May("findings.read"));
}

std::string Show(const store::Query& q) {
  auto list = [&](std::string_view word) {
    std::string out = std::string(word) + "(";
    for (size_t i = 0; i < q.parts.size(); ++i) out += (i ? " " : "") + Show(q.parts[i]);
    return out + ")";
  };
  switch (q.kind) {
    case store::Query::Kind::kAll: return "all";
    case store::Query::Kind::kAnd: return list("and");
    case store::Query::Kind::kOr: return list("or");
    case store::Query::Kind::kNot: return list("not");
    case store::Query::Kind::kTerm: break;
  }
  if (q.term.op == store::Term::Op::kHas) return "has:" + q.term.field;
  return q.term.field + ":" + Join(std::span<const std::string>(q.term.values), ",");
}

TEST(Principal, Visible) {
  struct Case {
    std::vector<Grant> grants;
    bool with_labels;
    std::string query;  // "-": nothing
  };
  const Grant dev{"d", {"findings.read"}, {.namespaces = {"dev"}}};
  const Grant c1{"d", {"findings.*"}, {.clusters = {"c1", "c2"}}};
  const Grant web{"d", {"*.read"}, {.labels = {{"app", "web"}}}};
  const Grant both{"d", {"*"}, {.clusters = {"c1"}, .namespaces = {"a*", "b"}}};
  const Grant any_ns{"d", {"*"}, {.namespaces = {"*"}}};
  const Grant other{"d", {"alerts.read"}, {}};
  const Grant all{"d", {"*"}, {}};
  const Case cases[] = {
      {{}, false, "-"},
      {{other}, false, "-"},
      {{dev}, false, "ns:dev"},
      {{dev, other}, false, "ns:dev"},
      {{c1}, false, "cluster:c1,c2"},
      {{dev, c1}, false, "or(ns:dev cluster:c1,c2)"},
      {{web}, false, "-"},
      {{web, dev}, false, "ns:dev"},
      {{web}, true, "label:app=web"},
      {{web, dev}, true, "or(label:app=web ns:dev)"},
      {{both}, false, "and(cluster:c1 ns:a*,b)"},
      // A namespace must be there.
      {{any_ns}, false, "and(ns:* has:ns)"},
      {{dev, all}, false, "all"},
      {{all}, true, "all"},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    auto query = With(cases[i].grants).Visible("findings.read", cases[i].with_labels);
    EXPECT_EQ(query ? Show(*query) : "-", cases[i].query) << "case " << i;
  }
}

TEST(Principal, HasAGrantOnlyWithinItsOwn) {
  Principal lead = With({{"lead", {"findings.*", "alerts.read"}, {.namespaces = {"team-*"}}},
                         {"watch", {"*.read"}, {}}});
  struct Case {
    Grant grant;
    bool has;
  };
  const Case cases[] = {
      {{"", {}, {}}, true},
      {{"", {"findings.write"}, {.namespaces = {"team-a"}}}, true},
      {{"", {"findings.*", "alerts.read"}, {.namespaces = {"team-a", "team-b*"}}}, true},
      {{"", {"findings.write"}, {.namespaces = {"prod"}}}, false},
      {{"", {"findings.write"}, {}}, false},
      {{"", {"findings.read"}, {}}, true},
      {{"", {"*.read"}, {.clusters = {"c1"}}}, true},
      {{"", {"*"}, {.namespaces = {"team-a"}}}, false},
      {{"", {"users.write"}, {.namespaces = {"team-a"}}}, false},
      {{"", {"findings.write", "alerts.write"}, {.namespaces = {"team-a"}}}, false},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    EXPECT_EQ(lead.Has(cases[i].grant), cases[i].has) << "case " << i;
  }
}

}  // namespace
}  // namespace bulwark::api
