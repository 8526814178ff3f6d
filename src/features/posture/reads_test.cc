// Which fields an expression reads, which of them an object has, and that what follows from it
// changes no report.

#include "features/posture/reads.h"

#include <gmock/gmock.h>

#include "features/posture/testing.h"
#include "formats/yaml.h"

namespace bulwark::posture {
namespace {

using testing::ElementsAre;

// "pod.hostPID container.securityContext.privileged", "*" where it is not known.
std::string ReadsOfText(const char* expression) {
  static constexpr const char* kNames[] = {"object", "pod", "podMeta", "container"};
  auto program = CheckEnvironment().Compile(expression);
  EXPECT_TRUE(program.has_value()) << expression;
  if (!program) return {};
  Reads reads = ReadsOf(cel::AstOf(**program));
  if (!reads.known) return "*";
  std::string out = reads.container_type ? "type" : "";
  for (const FieldRead& read : reads.fields) {
    out += (out.empty() ? "" : " ") + std::string(kNames[read.slot]);
    for (const std::string& key : read.keys) out += "." + key;
  }
  return out;
}

TEST(Reads, AreFoundInTheTree) {
  struct Case {
    const char* expression;
    const char* reads;
  };
  for (const Case& c : std::vector<Case>{
           {"true", ""},
           {"kube > 30 && params.x", ""},
           {"container.?a.?b.orValue(false)", "container.a.b"},
           {"container.?a.b.c.hasValue()", "container.a.b.c"},
           {"container[?'a'].?b.orValue(1) < 1", "container.a.b"},
           {"container.a.b", "container.a"},
           {"has(container.a)", "container.a"},
           {"has(container.a.b)", "container.a"},
           {"has(container.?a.b)", "container.a.b"},
           {"container['a'] == 1", "container.a"},
           {"container.?a[key].?b.orValue(1) == 1", "container.a"},
           {"container.?a[?pod.?x.orValue('')].hasValue()", "pod.x container.a"},
           {"container[containerType]", "*"},
           {"'a' in container", "*"},
           {"schemaProblems(object, kube)", "*"},
           {"containerType == 'containers' && pod.?a.orValue(1) == pod.?a.orValue(2)",
            "type pod.a"},
           {"pod.?volumes.orValue([]).exists(v, has(v.hostPath) && v.name in object.x)",
            "pod.volumes object.x"},
           {"pod.?a.orValue([]).exists(pod, pod.x)", "pod.a"},
           {"(kube > 1 ? pod : container).a", "*"},
           {"[podMeta.?labels, item.?x].size() > 1", "podMeta.labels"},
           {"peers.Service.exists(s, true)", "*"},
       }) {
    EXPECT_EQ(ReadsOfText(c.expression), c.reads) << c.expression;
  }
}

TEST(FieldIndex, TellsWhatIsThere) {
  FieldIndex index;
  std::vector<FieldRead> reads = {{.slot = kPodSlot, .keys = {"a"}},
                                  {.slot = kPodSlot, .keys = {"a", "b"}},
                                  {.slot = kPodSlot, .keys = {"c", "d"}},
                                  {.slot = kContainerSlot, .keys = {"a"}}};
  std::vector<FieldIndex::Mask> masks;
  for (const FieldRead& read : reads) masks.push_back(index.Add(std::span(&read, 1)));
  FieldIndex::Mask both = index.Add(std::span(reads).subspan(1, 2));
  FieldValues values;
  auto present = [&](const char* yaml) {
    Arena arena;
    FieldIndex::Present out;
    out.Clear(index, values);
    index.Mark(kPodSlot, *ParseYaml(yaml, arena), out);
    std::vector<bool> there;
    for (const FieldIndex::Mask& mask : masks) there.push_back(out.Any(mask));
    there.push_back(out.Any(both));
    return there;
  };
  EXPECT_THAT(present("{x: 1}"), ElementsAre(false, false, false, false, false));
  EXPECT_THAT(present("{a: {}}"), ElementsAre(true, false, false, false, false));
  EXPECT_THAT(present("{a: {b: 1}}"), ElementsAre(true, true, false, false, true));
  EXPECT_THAT(present("{c: {d: null}}"), ElementsAre(false, false, true, false, true));
  // What is no map cannot be told: an expression fails upon it.
  EXPECT_THAT(present("{a: text}"), ElementsAre(true, true, false, false, true));
  EXPECT_THAT(present("text"), ElementsAre(true, true, true, false, true));
  // A large map is looked up rather than walked.
  EXPECT_THAT(present("{q: 1, w: 1, e: 1, r: 1, t: 1, y: 1, u: 1, i: 1, o: 1, p: 1, s: 1, f: 1, "
                      "g: 1, h: 1, j: 1, k: 1, l: 1, c: {d: 1}}"),
              ElementsAre(false, false, true, false, true));
}

TEST(FieldValues, AreTheSameOnlyIfTheyAreOfOneKind) {
  FieldValues values;
  Arena arena;
  std::map<uint32_t, std::string> seen;
  for (const char* yaml : {"1", "1.5", "'1'", "true", "false", "[1]", "['1']", "{a: 1}", "{b: 1}",
                           "{a: [1]}", "[[1]]", "[]", "{}", "''", "18446744073709551615"}) {
    uint32_t id = values.IdOf(3, *ParseYaml(yaml, arena));
    EXPECT_NE(id, FieldValues::kAbsent);
    EXPECT_NE(id, FieldValues::kOther);
    EXPECT_TRUE(seen.emplace(id, yaml).second) << yaml << " and " << seen[id];
    EXPECT_EQ(values.IdOf(3, *ParseYaml(yaml, arena)), id);
  }
  EXPECT_NE(values.IdOf(3, Value::Int(1)), values.IdOf(3, Value::Uint(1)));
  std::string text(1000, 'x');
  EXPECT_EQ(values.IdOf(3, Value::String(text)), FieldValues::kOther);
}

// Objects that go through one checker after another give what each gives alone.
TEST(Reads, RememberedOutcomesAreThoseOfEachObjectAlone) {
  const char* kContainers[] = {
      "{name: a}",
      "{name: a, securityContext: {privileged: true}}",
      "{name: a, securityContext: {privileged: false, runAsUser: 0}}",
      "{name: a, securityContext: {privileged: 'true', capabilities: {add: [SYS_ADMIN]}}}",
      "{name: a, securityContext: text}",
      "{name: a, securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}}",
      "{name: a, image: 'x:1', resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 2}}}",
      "{name: a, image: 'x@sha256:0', ports: [{containerPort: 80}, {containerPort: 80}]}",
      "{name: a, env: [{name: PASSWORD, value: secret}, {name: A, value: b}]}",
      "{name: a, env: [{name: A, value: b}], livenessProbe: {httpGet: {port: 80}}}",
      "text",
  };
  const char* kPods[] = {"", "hostPID: true, ", "securityContext: {runAsNonRoot: true}, ",
                         "volumes: [{name: v, hostPath: {path: /}}], hostNetwork: true, "};
  std::string all;
  std::vector<std::string> apart;
  size_t n = 0;
  for (int round = 0; round < 2; ++round) {
    for (const char* pod : kPods) {
      for (const char* container : kContainers) {
        for (const char* list : {"containers", "initContainers"}) {
          std::string object = "apiVersion: v1\nkind: Pod\nmetadata: {name: p" +
                               std::to_string(n++) + "}\nspec: {" + pod + list + ": [" + container +
                               "]}\n";
          all += "---\n" + object;
          Report report = Inspect(BuiltInChecks(), object, {.threads = 1});
          for (Finding f : report.findings) {
            apart.push_back(f.asset.name + " " + f.check + " " + f.evidence.path + " " +
                            MessageOf(*report.FindCheck(f.check), f, Language::kEnglish));
          }
        }
      }
    }
  }
  Report together = Inspect(BuiltInChecks(), all, {.threads = 1});
  std::vector<std::string> found;
  for (Finding f : together.findings) {
    found.push_back(f.asset.name + " " + f.check + " " + f.evidence.path + " " +
                    MessageOf(*together.FindCheck(f.check), f, Language::kEnglish));
  }
  std::sort(apart.begin(), apart.end());
  std::sort(found.begin(), found.end());
  // Checks between objects see more of them together.
  EXPECT_GT(apart.size(), 1000U);
  std::vector<std::string> differ;
  std::set_symmetric_difference(apart.begin(), apart.end(), found.begin(), found.end(),
                                std::back_inserter(differ));
  for (const std::string& line : differ) {
    std::string check = line.substr(line.find(' ') + 1);
    const Check* of = BuiltInChecks().Find(check.substr(0, check.find(' ')));
    EXPECT_TRUE(of != nullptr && of->needs_others()) << line;
  }
}

}  // namespace
}  // namespace bulwark::posture
