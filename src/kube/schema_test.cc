#include "kube/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/path.h"
#include "formats/json.h"

namespace bulwark::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = SchemaProblem::Kind;

class SchemaTest : public ::testing::Test {
 protected:
  Value Json(std::string_view text) {
    Result<Value> value = ParseJson(text, arena_);
    BW_CHECK(value.has_value());
    return *arena_.New<Value>(*value);
  }

  std::vector<SchemaProblem> Validate(std::string_view json, int target = 30,
                                      Schemas::Options options = {}) {
    object_ = Json(json);
    std::vector<SchemaProblem> problems;
    Schemas::Outcome outcome = schemas_.Validate(object_, target, options, problems);
    checked_ = outcome.checked;
    complete_ = outcome.complete;
    return problems;
  }

  // The problems of a pod with this as its spec, each as "kind path expected>found suggestion".
  std::vector<std::string> Pod(std::string_view spec, int target = 30,
                               Schemas::Options options = {}) {
    return Lines(Validate(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":)" +
                              std::string(spec) + "}",
                          target, options));
  }

  static std::vector<std::string> Lines(const std::vector<SchemaProblem>& problems) {
    std::vector<std::string> lines;
    for (const SchemaProblem& p : problems) {
      std::string line(SchemaProblemName(p.kind));
      line += " " + p.path;
      if (!p.expected.empty()) line += " " + p.expected;
      if (p.kind == Kind::kWrongType) line += " > " + p.found;
      if (!p.suggestion.empty()) line += " -> " + p.suggestion;
      lines.push_back(line);
    }
    return lines;
  }

  // A value of a shape, with every field that the release has; a type within itself is null.
  Value Sample(std::string_view shape, int minor, std::set<std::string_view> within = {}) {
    if (shape.starts_with("[]")) {
      Value item = Sample(shape.substr(2), minor, within);
      return Value::Array(arena_, std::span(&item, 1));
    }
    if (shape.starts_with("{}")) {
      MapBuilder map(arena_);
      map.Add("example.com/key", Sample(shape.substr(2), minor, within));
      return map.Finish();
    }
    if (shape == "string") return Value::String("text");
    if (shape == "int32") return Value::Int(INT32_MAX);
    if (shape == "int64") return Value::Int(INT64_MAX);
    if (shape == "number") return Value::Double(0.5);
    if (shape == "boolean") return Value::Bool(true);
    if (shape == "quantity") return Value::String("1.5Gi");
    if (shape == "int-or-string") return Value::Int(80);
    if (shape == "date-time") return Value::String("2024-02-29T12:00:00Z");
    if (shape == "bytes") return Value::String("aGVsbG8=");
    if (shape == "object") return Value::EmptyMap();
    if (shape == "any") return Value::Bool(false);
    if (!within.insert(shape).second) return Value::Null();
    MapBuilder map(arena_);
    for (const FieldInfo& field : schemas_.FieldsOf(shape, minor)) {
      Value value = field.values.empty() ? Sample(field.shape, minor, within)
                                         : SampleOf(field.shape, field.values.back());
      map.Add(field.name, value);
    }
    return map.Finish();
  }

  Value SampleOf(std::string_view shape, std::string_view text) {
    Value value = Value::String(text);
    return shape.starts_with("[]") ? Value::Array(arena_, std::span(&value, 1)) : value;
  }

  const Schemas& schemas_ = Schemas::BuiltIn();
  Arena arena_;
  Value object_;
  bool checked_ = false, complete_ = true;
};

TEST_F(SchemaTest, CoversTheReleases) {
  EXPECT_EQ(schemas_.min_minor(), 20);
  EXPECT_GE(schemas_.max_minor(), 34);
  EXPECT_TRUE(schemas_.Covers(20));
  EXPECT_FALSE(schemas_.Covers(19));
}

TEST_F(SchemaTest, EveryKindOfEveryReleaseValidatesItsSample) {
  int kinds = 0;
  for (int minor = schemas_.min_minor(); minor <= schemas_.max_minor(); ++minor) {
    for (const ApiKind& kind : schemas_.kinds()) {
      if (!kind.served.Has(minor) || schemas_.FieldsOf(kind.type, minor).empty()) continue;
      Value sample = Sample(kind.type, minor);
      MapBuilder object(arena_);
      for (const Value::Entry& entry : sample.entries()) object.Add(entry.key, entry.value);
      object.Add("apiVersion", Value::String(kind.api_version));
      object.Add("kind", Value::String(kind.kind));
      Value value = object.Finish();
      std::vector<SchemaProblem> problems;
      ASSERT_TRUE(schemas_.Validate(value, minor, {.required = true}, problems).checked);
      ASSERT_THAT(Lines(problems), IsEmpty()) << "1." << minor << " " << ToJson(value);
      arena_.Reset();
      ++kinds;
    }
  }
  EXPECT_GT(kinds, 2000);
}

TEST_F(SchemaTest, AGoodDeployment) {
  EXPECT_THAT(Validate(R"({"apiVersion":"apps/v1","kind":"Deployment",
    "metadata":{"name":"web","labels":{"app.kubernetes.io/name":"web"},"creationTimestamp":null},
    "spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},
      "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":0}},
      "template":{"metadata":{"labels":{"app":"web"}},"spec":{
        "securityContext":{"runAsNonRoot":true,"fsGroup":1000},
        "volumes":[{"name":"d","emptyDir":{"sizeLimit":"1Gi"}}],
        "containers":[{"name":"web","image":"nginx:1","ports":[{"containerPort":80},
            {"containerPort":80,"protocol":"UDP"}],
          "resources":{"limits":{"cpu":1.5,"memory":"128Mi"},
            "requests":{"cpu":"100m","memory":64000000}},
          "livenessProbe":{"httpGet":{"path":"/","port":"http"},"periodSeconds":10.0},
          "securityContext":{"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}}}]}}},
    "status":{}})"),
              IsEmpty());
  EXPECT_TRUE(checked_);
}

TEST_F(SchemaTest, MisplacedFields) {
  auto problems =
      Validate(R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{"spec":{
      "securityContext":{"readOnlyRootFilesystem":true}}}}})");
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].kind, Kind::kMisplaced);
  EXPECT_EQ(problems[0].path, "spec.template.spec.securityContext.readOnlyRootFilesystem");
  EXPECT_EQ(problems[0].suggestion,
            "spec.template.spec.containers[*].securityContext.readOnlyRootFilesystem");
  EXPECT_EQ(problems[0].found, "boolean");
  EXPECT_EQ(problems[0].value, "true");
  // The place in the document itself, so that a source map knows the line.
  EXPECT_EQ(problems[0].where, FindPath(object_, *ParsePath(problems[0].path)));

  EXPECT_THAT(Pod(R"({"containers":[{"hostNetwork":true}]})"),
              ElementsAre("misplaced_field spec.containers[0].hostNetwork -> spec.hostNetwork"));
  EXPECT_THAT(Pod(R"({"runAsUser":1,"privileged":true})"),
              ElementsAre("misplaced_field spec.runAsUser -> spec.securityContext.runAsUser",
                          "misplaced_field spec.privileged -> "
                          "spec.containers[*].securityContext.privileged"));
  EXPECT_THAT(Pod(R"({"containers":[{},{"limits":{"cpu":"1"}}]})"),
              ElementsAre("misplaced_field spec.containers[1].limits -> "
                          "spec.containers[1].resources.limits"));
  EXPECT_THAT(Pod(R"({"containers":[{"volumeMounts":[{"name":"a","mountPath":"/a",
                      "emptyDir":{}}]}]})"),
              ElementsAre("misplaced_field spec.containers[0].volumeMounts[0].emptyDir -> "
                          "spec.volumes[*].emptyDir"));
  EXPECT_THAT(
      Lines(Validate(R"({"apiVersion":"apps/v1","kind":"Deployment","spec":{
                  "containers":[{"image":"a"}],"restartPolicy":"Always"}})")),
      ElementsAre("misplaced_field spec.containers -> spec.template.spec.containers",
                  "misplaced_field spec.restartPolicy -> spec.template.spec.restartPolicy"));
  // One kind of volume is not another.
  EXPECT_THAT(Pod(R"({"volumes":[{"name":"a","storageos":{"pool":"default"}}]})"),
              ElementsAre("unknown_field spec.volumes[0].storageos.pool"));
  // A field that belongs around the object it stands in, not below it.
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"v1","kind":"Service","spec":{"ports":[
                  {"port":80,"type":"NodePort"}]}})")),
              ElementsAre("misplaced_field spec.ports[0].type -> spec.type"));
}

TEST_F(SchemaTest, UnknownFields) {
  EXPECT_THAT(Pod(R"({"containers":[{"imagePullpolicy":"Always","volumeMount":[{"name":"a"}],
                      "readynessProbe":{"httpGet":{"port":1}},"zzz":{}}]})"),
              ElementsAre("unknown_field spec.containers[0].imagePullpolicy -> "
                          "spec.containers[0].imagePullPolicy",
                          "unknown_field spec.containers[0].volumeMount -> "
                          "spec.containers[0].volumeMounts",
                          "unknown_field spec.containers[0].readynessProbe -> "
                          "spec.containers[0].readinessProbe",
                          "unknown_field spec.containers[0].zzz"));
  EXPECT_THAT(Validate(R"({"apiVersion":"v1","kind":"ConfigMap","data":{"any thing":"x"},
                           "example.com/odd":1})"),
              ElementsAre(::testing::Field(&SchemaProblem::path, "[example.com/odd]")));
}

TEST_F(SchemaTest, KeysThatAreNoStrings) {
  MapBuilder labels(arena_);
  labels.Add(Value::Int(1), Value::Bool(true));
  MapBuilder metadata(arena_);
  metadata.Add("labels", labels.Finish()).Add(Value::Bool(true), Value::Int(1));
  MapBuilder pod(arena_);
  pod.Add("apiVersion", Value::String("v1")).Add("kind", Value::String("Pod"));
  pod.Add("metadata", metadata.Finish());
  std::vector<SchemaProblem> problems;
  schemas_.Validate(pod.Finish(), 30, {}, problems);
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_EQ(problems[0].kind, Kind::kWrongType);
  EXPECT_EQ(problems[1].kind, Kind::kUnknownField);
  EXPECT_EQ(problems[1].path, "metadata.true");
}

TEST_F(SchemaTest, FieldsOfOtherReleases) {
  auto problems = Validate(
      R"({"apiVersion":"v1","kind":"Pod","spec":{"initContainers":[{"restartPolicy":"Always"}]}})",
      27);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].kind, Kind::kOtherVersion);
  EXPECT_EQ(problems[0].path, "spec.initContainers[0].restartPolicy");
  EXPECT_EQ(problems[0].exists.from, 28);
  EXPECT_EQ(problems[0].exists.to, schemas_.max_minor());
  EXPECT_THAT(Pod(R"({"initContainers":[{"restartPolicy":"Always"}]})", 28), IsEmpty());

  problems = Validate(R"({"apiVersion":"v1","kind":"Service","spec":{"topologyKeys":["a"]}})", 25);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].exists, (MinorRange{20, 21}));
}

TEST_F(SchemaTest, WrongTypes) {
  // Each scalar kind.
  EXPECT_THAT(Pod(R"({"hostNetwork":"true"})"),
              ElementsAre("wrong_type spec.hostNetwork boolean > string"));
  EXPECT_THAT(Pod(R"({"hostNetwork":1})"),
              ElementsAre("wrong_type spec.hostNetwork boolean > integer"));
  EXPECT_THAT(Pod(R"({"nodeName":5})"), ElementsAre("wrong_type spec.nodeName string > integer"));
  EXPECT_THAT(Pod(R"({"priority":"5"})"), ElementsAre("wrong_type spec.priority int32 > string"));
  EXPECT_THAT(Pod(R"({"priority":1.5})"), ElementsAre("wrong_type spec.priority int32 > number"));
  EXPECT_THAT(Pod(R"({"priority":2147483648})"),
              ElementsAre("wrong_type spec.priority int32 > integer"));
  EXPECT_THAT(Pod(R"({"priority":-2147483648,"activeDeadlineSeconds":9223372036854775807})"),
              IsEmpty());
  EXPECT_THAT(Pod(R"({"activeDeadlineSeconds":9223372036854775808})"),
              ElementsAre("wrong_type spec.activeDeadlineSeconds int64 > integer"));
  EXPECT_THAT(Pod(R"({"activeDeadlineSeconds":99999999999999999999})"),
              ElementsAre("wrong_type spec.activeDeadlineSeconds int64 > number"));
  EXPECT_THAT(Pod(R"({"containers":{}})"),
              ElementsAre("wrong_type spec.containers []core.v1.Container > object"));
  EXPECT_THAT(Pod(R"({"containers":["nginx"]})"),
              ElementsAre("wrong_type spec.containers[0] object > string"));
  EXPECT_THAT(Pod(R"({"securityContext":[]})"),
              ElementsAre("wrong_type spec.securityContext object > list"));
  EXPECT_THAT(Pod(R"({"nodeSelector":["a"]})"),
              ElementsAre("wrong_type spec.nodeSelector {}string > list"));
  EXPECT_THAT(Pod(R"({"containers":[{"command":"sh","args":["-c",1]}]})"),
              ElementsAre("wrong_type spec.containers[0].command []string > string",
                          "wrong_type spec.containers[0].args[1] string > integer"));
  EXPECT_THAT(Pod(R"({"containers":[{"livenessProbe":{"tcpSocket":{"port":true}}}]})"),
              ElementsAre("wrong_type spec.containers[0].livenessProbe.tcpSocket.port "
                          "int-or-string > boolean"));
  EXPECT_THAT(Pod(R"({"containers":[{"livenessProbe":{"tcpSocket":{"port":1e10}}}]})"), SizeIs(1));
  EXPECT_THAT(Pod(R"({"containers":[{"env":[{"name":"A","value":1}]}]})"),
              ElementsAre("wrong_type spec.containers[0].env[0].value string > integer"));
  EXPECT_THAT(Pod(R"([])"), ElementsAre("wrong_type spec object > list"));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"v1","kind":"ConfigMap",
        "metadata":{"labels":{"a.b/c":true},"annotations":{"x":1},"creationTimestamp":"yesterday"},
        "data":{"a.txt":true,"b":"x","n":null},"binaryData":{"k":"not base64","g":"aGk=",
        "h":"aGk"}})")),
              ElementsAre("wrong_type metadata.labels[a.b/c] string > boolean",
                          "wrong_type metadata.annotations.x string > integer",
                          "wrong_type metadata.creationTimestamp date-time > string",
                          "wrong_type data[a.txt] string > boolean",
                          "wrong_type binaryData.k bytes > string",
                          "wrong_type binaryData.h bytes > string"));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":
        "CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":{"maximum":"9",
        "properties":{"a":{"minimum":1.5,"default":[1]}},"enum":[1,"a",null]}}}]}})")),
              ElementsAre("wrong_type spec.versions[0].schema.openAPIV3Schema.maximum number > "
                          "string"));
}

TEST_F(SchemaTest, Quantities) {
  auto cpu = [&](std::string_view json) {
    return Pod(R"({"containers":[{"resources":{"limits":{"cpu":)" + std::string(json) + "}}}]}")
        .empty();
  };
  for (auto good :
       {R"("1")",   R"("1.5")",  R"(".5")",   R"("5.")",    R"("+1")",
        R"("-1")",  R"("100m")", R"("1Ki")",  R"("1Ei")",   R"("1E")",
        R"("1e3")", R"("1E3")",  R"("1e-3")", R"("12E+3")", R"("1n")",
        R"("1u")",  "1",         "1.5",       "1e3",        "123456789012345678901234567890"}) {
    EXPECT_TRUE(cpu(good)) << good;
  }
  for (auto bad : {R"("")", R"("1Gb")", R"("1 Gi")", R"("Gi")", R"("1g")", R"("1mi")", R"("1.2.3")",
                   R"("1e")", R"("1e+")", R"("1eE3")", R"("0x10")", R"("1K")", "true", "[]"}) {
    EXPECT_FALSE(cpu(bad)) << bad;
  }
}

TEST_F(SchemaTest, NullIsFineEverywhere) {
  EXPECT_THAT(Pod(R"({"containers":[{"name":null,"ports":null,"resources":null,"tty":null},null],
                      "nodeSelector":{"a":null},"priority":null,"restartPolicy":null})"),
              IsEmpty());
}

TEST_F(SchemaTest, Values) {
  auto problems = Validate(R"({"apiVersion":"v1","kind":"Pod","spec":{"restartPolicy":"always"}})");
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].kind, Kind::kBadValue);
  EXPECT_EQ(problems[0].expected, "Always, Never, OnFailure");
  EXPECT_EQ(problems[0].suggestion, "Always");
  EXPECT_EQ(problems[0].value, "\"always\"");
  EXPECT_THAT(Pod(R"({"restartPolicy":"always"})", 30, {.values = false}), IsEmpty());
  // A value of a later release.
  problems = Validate(
      R"({"apiVersion":"v1","kind":"PersistentVolumeClaim",
          "spec":{"accessModes":["ReadWriteOncePod"]}})",
      21);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].path, "spec.accessModes[0]");
  EXPECT_EQ(problems[0].exists.from, 22);
  // The empty string is "not given".
  EXPECT_THAT(Pod(R"({"tolerations":[{"effect":"","operator":"Exists"}]})"), IsEmpty());
}

TEST_F(SchemaTest, Duplicates) {
  EXPECT_THAT(Pod(R"({"containers":[{"env":[{"name":"A","value":"1"},{"name":"B"},{"name":"A"}],
      "ports":[{"containerPort":1},{"containerPort":1,"protocol":"TCP"},
               {"containerPort":1,"protocol":"UDP"}]}]})"),
              ElementsAre("duplicate_item spec.containers[0].env[2] name -> "
                          "spec.containers[0].env[0]",
                          "duplicate_item spec.containers[0].ports[1] containerPort,protocol -> "
                          "spec.containers[0].ports[0]"));
  EXPECT_THAT(Pod(R"({"containers":[{"env":[{},{},null,1]}]})"), SizeIs(1));
}

TEST_F(SchemaTest, DeprecatedAndMissingOnRequest) {
  EXPECT_THAT(Pod(R"({"serviceAccount":"a","containers":[]})", 30, {.deprecated = true}),
              ElementsAre("deprecated_field spec.serviceAccount"));
  EXPECT_THAT(Pod(R"({"containers":[{"image":"a"}]})", 30, {.required = true}),
              ElementsAre("missing_field spec.containers[0].name string"));
  EXPECT_THAT(Pod(R"({"serviceAccount":"a","containers":[{"image":"a"}]})"), IsEmpty());
}

TEST_F(SchemaTest, KindsThatAreNotServed) {
  auto problems = Validate(R"({"apiVersion":"extensions/v1beta1","kind":"Ingress","spec":{
      "backend":{"serviceName":"a","servicePort":80},"bakend":{}}})");
  ASSERT_THAT(Lines(problems), ElementsAre("api_not_served  -> networking.k8s.io/v1 Ingress",
                                           "unknown_field spec.bakend -> spec.backend"));
  EXPECT_TRUE(checked_);
  EXPECT_EQ(problems[0].exists, (MinorRange{1, 21}));

  // Gone before the first release of the table.
  problems = Validate(R"({"apiVersion":"extensions/v1beta1","kind":"Deployment","spec":{"x":1}})");
  ASSERT_THAT(Lines(problems), ElementsAre("api_not_served  -> apps/v1 Deployment"));
  EXPECT_FALSE(checked_);
  EXPECT_EQ(problems[0].exists, (MinorRange{1, 15}));

  // Not there yet.
  problems = Validate(R"({"apiVersion":"batch/v1","kind":"CronJob"})", 20);
  ASSERT_THAT(Lines(problems), ElementsAre("api_not_served  -> batch/v1beta1 CronJob"));
  EXPECT_EQ(problems[0].exists.from, 21);

  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"policy/v1beta1","kind":"PodSecurityPolicy"})")),
              ElementsAre("api_not_served "));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"v1","kind":"Deployment"})")),
              ElementsAre("unknown_kind  -> apps/v1 Deployment"));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"apps/v1","kind":"Deploymnet"})")),
              ElementsAre("unknown_kind  -> apps/v1 Deployment"));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"apps/v1"})")),
              ElementsAre("unknown_kind kind string"));
  EXPECT_THAT(Lines(Validate(R"({"kind":"Pod"})")), ElementsAre("unknown_kind apiVersion string"));
  EXPECT_THAT(Lines(Validate("[]")), ElementsAre("wrong_type  object > list"));
  EXPECT_THAT(Validate("null"), IsEmpty());
}

TEST_F(SchemaTest, CustomResourcesAreLeftAlone) {
  EXPECT_THAT(Validate(R"({"apiVersion":"cert-manager.io/v1","kind":"Issuer","spec":{"x":1}})"),
              IsEmpty());
  EXPECT_FALSE(checked_);
  EXPECT_THAT(Validate(R"({"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshot"})"),
              IsEmpty());
}

TEST_F(SchemaTest, Lists) {
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"v1","kind":"List","items":[
      {"apiVersion":"v1","kind":"Pod","spec":{"privileged":true}},
      {"apiVersion":"extensions/v1beta1","kind":"Ingress"},
      {"apiVersion":"v1","kind":"Secret","data":{"a":"!"}}]})")),
              ElementsAre("misplaced_field items[0].spec.privileged -> "
                          "items[0].spec.containers[*].securityContext.privileged",
                          "api_not_served items[1] -> networking.k8s.io/v1 Ingress",
                          "wrong_type items[2].data.a bytes > string"));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"v1","kind":"PodList","metadata":{},"items":[
      {"metadata":{"name":"a"},"spec":{"hostPid":true}}]})")),
              ElementsAre("unknown_field items[0].spec.hostPid -> items[0].spec.hostPID"));
  EXPECT_THAT(Lines(Validate(R"({"apiVersion":"v1","kind":"List","items":{}})")),
              ElementsAre("wrong_type items []object > object"));
}

TEST_F(SchemaTest, ManyProblemsAreBounded) {
  std::string spec = R"({"apiVersion":"v1","kind":"ConfigMap","data":{)";
  for (int i = 0; i < 2000; ++i) spec += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  EXPECT_THAT(Validate(spec + "}}", 30, {.max_problems = 10}), SizeIs(10));
  EXPECT_FALSE(complete_);
  EXPECT_LT(Validate(spec + "}}", 30, {.max_problems = 5000, .max_bytes = 1000}).size(), 200);
  EXPECT_FALSE(complete_);
  EXPECT_THAT(Validate(spec + "}}", 30, {.max_problems = 5000}), SizeIs(2000));
  EXPECT_TRUE(complete_);
}

TEST_F(SchemaTest, LongValuesAreCut) {
  std::string text = R"({"apiVersion":"v1","kind":"Pod","spec":{"hostPID":")";
  text += std::string(59, 'a');
  for (int i = 0; i < 100; ++i) text += "é";
  auto problems = Validate(text + "\"}}");
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].value, "\"" + std::string(59, 'a') + "…\"");
}

TEST_F(SchemaTest, LifecycleAndScope) {
  auto life = schemas_.LifecycleOf("policy/v1beta1", "PodDisruptionBudget");
  ASSERT_TRUE(life.has_value());
  EXPECT_EQ(life->introduced, 5);
  EXPECT_EQ(life->deprecated, 21);
  EXPECT_EQ(life->removed, 25);
  EXPECT_EQ(life->replacement_api_version, "policy/v1");
  EXPECT_TRUE(life->DeprecatedIn(24));
  EXPECT_FALSE(life->RemovedIn(24));
  EXPECT_TRUE(life->RemovedIn(25));
  auto removed = [&](std::string_view api_version, std::string_view kind) {
    auto found = schemas_.LifecycleOf(api_version, kind);
    return found ? found->removed.value_or(0) : -1;
  };
  EXPECT_EQ(removed("extensions/v1beta1", "Deployment"), 16);
  EXPECT_EQ(removed("extensions/v1beta1", "Ingress"), 22);
  EXPECT_EQ(removed("networking.k8s.io/v1beta1", "Ingress"), 22);
  EXPECT_EQ(removed("rbac.authorization.k8s.io/v1beta1", "Role"), 22);
  EXPECT_EQ(removed("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"), 22);
  EXPECT_EQ(removed("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration"), 22);
  EXPECT_EQ(removed("policy/v1beta1", "PodSecurityPolicy"), 25);
  EXPECT_EQ(removed("batch/v1beta1", "CronJob"), 25);
  EXPECT_EQ(removed("autoscaling/v2beta1", "HorizontalPodAutoscaler"), 25);
  EXPECT_EQ(removed("autoscaling/v2beta2", "HorizontalPodAutoscaler"), 26);
  EXPECT_EQ(removed("storage.k8s.io/v1beta1", "CSIStorageCapacity"), 27);
  EXPECT_EQ(removed("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema"), 26);
  EXPECT_EQ(removed("flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema"), 29);
  EXPECT_EQ(removed("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema"), 32);
  EXPECT_EQ(removed("apps/v1", "Deployment"), 0);
  EXPECT_EQ(removed("example.com/v1", "Foo"), -1);
  // Past a replacement that is gone as well.
  EXPECT_EQ(
      schemas_.ReplacementFor("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema", 30)->first,
      "flowcontrol.apiserver.k8s.io/v1beta3");
  EXPECT_EQ(
      schemas_.ReplacementFor("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema", 32)->first,
      "flowcontrol.apiserver.k8s.io/v1");
  EXPECT_FALSE(schemas_.ReplacementFor("policy/v1beta1", "PodSecurityPolicy", 30));

  EXPECT_EQ(schemas_.IsNamespaced("v1", "Pod"), true);
  EXPECT_EQ(schemas_.IsNamespaced("v1", "Namespace"), false);
  EXPECT_EQ(schemas_.IsNamespaced("rbac.authorization.k8s.io/v1", "ClusterRole"), false);
  EXPECT_EQ(schemas_.IsNamespaced("rbac.authorization.k8s.io/v1", "Role"), true);
  EXPECT_EQ(schemas_.IsNamespaced("example.com/v1", "Foo"), std::nullopt);
  EXPECT_EQ(schemas_.IsServed("batch/v1", "CronJob", 20), false);
  EXPECT_EQ(schemas_.IsServed("batch/v1", "CronJob", 21), true);
  EXPECT_EQ(schemas_.IsServed("extensions/v1beta1", "Deployment", 21), false);
  EXPECT_EQ(schemas_.FindKind("apps/v1", "Deployment")->plural, "deployments");
  EXPECT_EQ(schemas_.FindKind("v1", "Endpoints")->plural, "endpoints");
  EXPECT_EQ(schemas_.FindKind("networking.k8s.io/v1", "NetworkPolicy")->plural, "networkpolicies");
}

TEST_F(SchemaTest, FieldsByPath) {
  std::string_view ports[] = {"spec", "template", "spec", "containers", "ports"};
  EXPECT_THAT(schemas_.ListMapKeys("apps/v1", "Deployment", ports, 30),
              ElementsAre("containerPort", "protocol"));
  std::string_view policy[] = {"spec", "containers", "imagePullPolicy"};
  EXPECT_THAT(schemas_.FieldAt("v1", "Pod", policy, 30)->values,
              ElementsAre("Always", "IfNotPresent", "Never"));
  std::string_view none[] = {"spec", "nodeName", "x"};
  EXPECT_FALSE(schemas_.FieldAt("v1", "Pod", none, 30));
  EXPECT_THAT(schemas_.ListMapKeys("v1", "Pod", none, 30), IsEmpty());
}

TEST(SchemaTables, MalformedOnesAreRefused) {
  constexpr std::string_view kGood =
      "minors 20 30\nkind v1 Pod core.v1.Pod namespaced pods\ntype core.v1.Pod\n spec string\n";
  EXPECT_TRUE(Schemas::Parse(kGood, "v1 Pod 1.0 - -\n"));
  auto message = [](std::string_view types, std::string_view lives = "") {
    Result<Schemas> result = Schemas::Parse(types, lives);
    return result ? "" : result.error().message();
  };
  EXPECT_EQ(message(""), "kubernetes.txt:0: no types");
  EXPECT_EQ(message(" spec string\n"), "kubernetes.txt:1: a field outside of a type");
  EXPECT_EQ(message("minors 20 30\ntype a @19-\n"), "kubernetes.txt:2: malformed range");
  EXPECT_EQ(message("minors 20 30\ntype a\n b string @x\n"),
            "kubernetes.txt:3: malformed attribute \"@x\"");
  EXPECT_EQ(message("minors 20 30\ntype a\n b c.Missing\n"),
            "kubernetes.txt:3: there is no type \"c.Missing\"");
  EXPECT_EQ(message(kGood, "v1 Pod 2.0 - -\n"),
            "lifecycle.txt:1: expected a version such as 1.22, or -");
}

}  // namespace
}  // namespace bulwark::kube
