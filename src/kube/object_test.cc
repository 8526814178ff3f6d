#include "kube/object.h"

#include <gtest/gtest.h>

namespace bulwark::kube {
namespace {

Value Map(Arena& arena, std::initializer_list<std::pair<std::string_view, Value>> entries) {
  MapBuilder builder(arena);
  for (const auto& [key, value] : entries) builder.Add(key, value);
  return builder.Finish();
}

TEST(MinorVersion, ReadsWhatPeopleWrite) {
  EXPECT_EQ(ParseMinorVersion("1.34"), 34);
  EXPECT_EQ(ParseMinorVersion("v1.25.3"), 25);
  EXPECT_EQ(ParseMinorVersion("1.29-gke.100"), 29);
  EXPECT_EQ(ParseMinorVersion("1.30+"), 30);
  EXPECT_EQ(ParseMinorVersion("22"), 22);
  for (const char* bad : {"", "2.1", "x", "1.", "1.x", "-1", "1.34foo"}) {
    EXPECT_EQ(ParseMinorVersion(bad), std::nullopt) << bad;
  }
}

TEST(PodTemplate, IsFoundInEachKind) {
  Arena arena;
  Value spec = Map(arena, {{"containers", Value::EmptyArray()}});
  Value tmpl = Map(arena, {{"spec", spec}});
  auto object = [&](const char* api, const char* kind, Value body) {
    return Map(arena,
               {{"apiVersion", Value::String(api)}, {"kind", Value::String(kind)}, {"spec", body}});
  };
  EXPECT_EQ(PathToString(FindPodTemplate(object("v1", "Pod", spec))->at->spec), "spec");
  Value with_template = Map(arena, {{"template", tmpl}});
  for (const char* kind : {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}) {
    EXPECT_EQ(PathToString(FindPodTemplate(object("apps/v1", kind, with_template))->at->spec),
              "spec.template.spec");
  }
  Value cron = Map(arena, {{"jobTemplate", Map(arena, {{"spec", with_template}})}});
  EXPECT_EQ(PathToString(FindPodTemplate(object("batch/v1", "CronJob", cron))->at->spec),
            "spec.jobTemplate.spec.template.spec");
  EXPECT_TRUE(
      FindPodTemplate(object("argoproj.io/v1alpha1", "Rollout", with_template)).has_value());
  EXPECT_FALSE(FindPodTemplate(object("v1", "Service", with_template)).has_value());
  EXPECT_FALSE(FindPodTemplate(object("apps/v1", "Deployment", Value::Int(3))).has_value());

  PodTemplatePath own{"Widget", "example.com", *ParsePath("spec.pods.meta"),
                      *ParsePath("spec.pods.spec")};
  Value widget = object("example.com/v1", "Widget", Map(arena, {{"pods", tmpl}}));
  EXPECT_FALSE(FindPodTemplate(widget).has_value());
  EXPECT_TRUE(FindPodTemplate(widget, {&own, 1}).has_value());
}

TEST(Selects, AsLabelSelectorsDo) {
  Arena arena;
  Value labels = Map(arena, {{"app", Value::String("web")}, {"tier", Value::String("front")}});
  EXPECT_TRUE(Selects(Value::EmptyMap(), labels));
  EXPECT_FALSE(Selects(Value::Null(), labels));
  EXPECT_TRUE(Selects(Map(arena, {{"app", Value::String("web")}}), labels));
  EXPECT_FALSE(Selects(Map(arena, {{"app", Value::String("db")}}), labels));
  auto expression = [&](const char* op, std::initializer_list<Value> values) {
    Value e = Map(arena, {{"key", Value::String("app")},
                          {"operator", Value::String(op)},
                          {"values", Value::Array(arena, {values.begin(), values.size()})}});
    return Map(arena, {{"matchExpressions", Value::Array(arena, {{e}})}});
  };
  EXPECT_TRUE(Selects(expression("In", {Value::String("web")}), labels));
  EXPECT_FALSE(Selects(expression("NotIn", {Value::String("web")}), labels));
  EXPECT_TRUE(Selects(expression("NotIn", {Value::String("db")}), labels));
  EXPECT_TRUE(Selects(expression("Exists", {}), labels));
  EXPECT_FALSE(Selects(expression("DoesNotExist", {}), labels));
  EXPECT_FALSE(Selects(expression("Near", {}), labels));
}

TEST(Object, NamesWhatItCan) {
  Arena arena;
  Value v = Map(arena, {{"apiVersion", Value::String("apps/v1")},
                        {"kind", Value::String("Deployment")},
                        {"metadata", Map(arena, {{"generateName", Value::String("web-")},
                                                 {"namespace", Value::String("shop")}})}});
  EXPECT_EQ(Object(v).ToAsset().Label(), "Deployment shop/web-*");
  EXPECT_EQ(Object(v).ToAsset().Key(), "/apps/Deployment/shop/web-*");
  Value odd = Map(arena, {{"metadata", Value::Int(3)}, {"kind", Value::Bool(true)}});
  EXPECT_EQ(Object(odd).ToAsset().Label(), " ");
}

}  // namespace
}  // namespace bulwark::kube
