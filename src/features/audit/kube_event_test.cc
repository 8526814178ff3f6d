#include "features/audit/kube_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/audit/texts.h"
#include "formats/json.h"
#include "model/catalog.h"

namespace bulwark::audit {
namespace {

std::optional<Event> From(std::string_view json) {
  Arena arena;
  auto v = ParseJson(json, arena);
  EXPECT_TRUE(v) << v.error().ToString();
  return FromKubernetesEvent(*v, "c1");
}

constexpr std::string_view kCore =
    R"({"apiVersion":"v1","kind":"Event","metadata":{"uid":"u1","namespace":"prod"},"involvedObject":{"kind":"Pod","namespace":"prod","name":"web","apiVersion":"v1"},"reason":"BackOff","message":"Back-off restarting failed container","type":"Warning","count":3,"source":{"component":"kubelet","host":"n1"},"firstTimestamp":"2026-01-01T00:00:00Z","lastTimestamp":"2026-01-01T00:05:00Z"})";

TEST(KubernetesEvent, Core) {
  auto e = From(kCore);
  ASSERT_TRUE(e);
  EXPECT_EQ(e->kind, "kubernetes");
  EXPECT_EQ(e->verb, "BackOff");
  EXPECT_EQ(e->user, "kubelet");
  EXPECT_EQ(e->node, "n1");
  EXPECT_EQ(e->pod, "web");
  EXPECT_EQ(e->severity, Severity::kLow);
  EXPECT_EQ(e->time_us, 1767225900000000);
  EXPECT_EQ(e->target.Label(), "Pod prod/web");
  Catalog catalog;
  AddTexts(catalog);
  EXPECT_EQ(catalog.Message(e->message, e->args, Language::kEnglish),
            "The Pod prod/web keeps failing, and its next start waits: Back-off restarting failed "
            "container");
  EXPECT_EQ(catalog.Message(e->message, e->args, Language::kChinese),
            "Pod prod/web 反复失败，正在等待重启：Back-off restarting failed container");
}

TEST(KubernetesEvent, TheNewerApiSaysTheSame) {
  auto old = From(kCore);
  auto e = From(
      R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"uid":"u1"},"regarding":{"kind":"Pod","namespace":"prod","name":"web","apiVersion":"v1"},"reason":"BackOff","note":"Back-off restarting failed container","type":"Warning","deprecatedCount":3,"deprecatedSource":{"component":"kubelet","host":"n1"},"reportingController":"kubelet","deprecatedLastTimestamp":"2026-01-01T00:05:00Z"})");
  ASSERT_TRUE(old && e);
  EXPECT_EQ(e->id, old->id);
  EXPECT_EQ(e->time_us, old->time_us);
  EXPECT_EQ(e->args, old->args);
  EXPECT_EQ(e->node, "n1");
}

TEST(KubernetesEvent, EachCountOfASeriesIsAnEvent) {
  auto series = [](int count) {
    return From(
        R"({"metadata":{"uid":"u2"},"regarding":{"kind":"Node","name":"n1"},"reason":"X","eventTime":"2026-01-01T00:00:00.000001Z","series":{"count":)" +
        std::to_string(count) + R"(,"lastObservedTime":"2026-01-01T00:01:00Z"}})");
  };
  EXPECT_EQ(series(2)->id, series(2)->id);
  EXPECT_NE(series(2)->id, series(3)->id);
  EXPECT_EQ(series(3)->time_us, 1767225660000000);
}

TEST(KubernetesEvent, WhatIsNoneIsNone) {
  EXPECT_FALSE(From("5"));
  EXPECT_FALSE(From("{}"));
  EXPECT_FALSE(From(R"({"metadata":{"uid":"u"}})"));
  EXPECT_FALSE(From(R"({"metadata":{},"regarding":{"kind":"Pod"}})"));
}

}  // namespace
}  // namespace bulwark::audit
