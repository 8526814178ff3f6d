#include "formats/yaml_edit.h"

#include <gtest/gtest.h>

#include "formats/json.h"

namespace bulwark {
namespace {

// "set a.b = {json}", "remove a[0]", "add a.list = json"; one a line.
std::string Edit(std::string_view text, std::string_view commands) {
  Arena arena;
  std::vector<DocumentEdit> edits;
  while (!commands.empty()) {
    size_t end = std::min(commands.find('\n'), commands.size());
    std::string_view line = commands.substr(0, end);
    commands.remove_prefix(std::min(end + 1, commands.size()));
    size_t space = line.find(' ');
    size_t equals = line.find(" = ");
    std::string_view verb = line.substr(0, space);
    DocumentEdit edit;
    edit.kind = verb == "set"   ? DocumentEdit::kSet
                : verb == "add" ? DocumentEdit::kAppend
                                : DocumentEdit::kRemove;
    edit.path = ParsePath(line.substr(space + 1, equals - space - 1)).value();
    if (equals != std::string_view::npos) {
      edit.value = ParseJson(line.substr(equals + 3), arena).value();
    }
    edits.push_back(edit);
  }
  Result<std::string> out = EditYaml(text, edits);
  return out ? *out : out.error().id() + ": " + out.error().message();
}

struct Case {
  const char* name;
  std::string_view before, edit, after;
};

constexpr Case kCases[] = {
    // --- set what is there ---
    {"Plain", "a: 1\nb: 2\n", "set a = 5", "a: 5\nb: 2\n"},
    {"KeepsComment", "a: 1   # why\nb: 2\n", "set a = true", "a: true   # why\nb: 2\n"},
    {"KeepsDoubleQuotes", "a: \"x\" # c\n", "set a = \"y: z\"", "a: \"y: z\" # c\n"},
    {"KeepsSingleQuotes", "a: 'x'\n", "set a = \"it's\"", "a: 'it''s'\n"},
    {"QuotesWhatWouldMeanSomethingElse", "a: x\n", "set a = \"yes\"", "a: \"yes\"\n"},
    {"QuotesNumbers", "a: x\n", "set a = \"0123\"", "a: \"0123\"\n"},
    {"QuotesEmpty", "a: x\n", "set a = \"\"", "a: \"\"\n"},
    {"EscapesLines", "a: x\n", "set a = \"1\\n2\\t\\u0001\"", "a: \"1\\n2\\t\\u0001\"\n"},
    {"Chinese", "名: 旧 # 注\n", "set 名 = \"新 的\"", "名: 新 的 # 注\n"},
    {"Crlf", "a: 1\r\nb: 2\r\n", "set b = 3\nset c.d = 4", "a: 1\r\nb: 3\r\nc:\r\n  d: 4\r\n"},
    {"NoLastLineBreak", "a: 1\nb: 2", "set b = 3\nset c = 4", "a: 1\nb: 3\nc: 4"},
    {"ValueBelowItsKey", "a:\n  \"x\"\nb: 1\n", "set a = \"y\"", "a:\n  \"y\"\nb: 1\n"},
    {"MultilinePlain", "a: one\n  two\nb: 1\n", "set a = \"x\"", "a: x\nb: 1\n"},
    {"BlockScalar", "a: |\n  x\n  y\n\nb: 1\n", "set a = \"z\"", "a: z\n\nb: 1\n"},
    {"BlockScalarToMap", "a: | # c\n  x\n\nb: 1\n", "set a = {\"k\": 1}",
     "a: # c\n  k: 1\n\nb: 1\n"},
    {"ScalarToMap", "a: x # c\nb: 1\n", "set a = {\"k\": 1, \"l\": [1, 2]}",
     "a: # c\n  k: 1\n  l:\n  - 1\n  - 2\nb: 1\n"},
    {"MapToScalar", "a: # c\n  x: 1 # gone\n  y: 2\nb: 1\n", "set a = 5", "a: 5 # c\nb: 1\n"},
    {"MapToMap", "a:\n    # lead\n    x: 1\n    y: 2 # tail\nb: 1\n",
     "set a = {\"z\": 3, \"w\": {\"v\": 1}}",
     "a:\n    # lead\n    z: 3\n    w:\n        v: 1 # tail\nb: 1\n"},
    {"MapToEmpty", "a:\n  x: 1\nb: 1\n", "set a = {}", "a: {}\nb: 1\n"},
    {"MapToList", "a:\n  x: 1\nb: 1\n", "set a = [1]", "a:\n- 1\nb: 1\n"},
    {"ListToList", "a:\n  - 1\n  - 2\nb: 1\n", "set a = [3]", "a:\n  - 3\nb: 1\n"},
    {"ListToMap", "a:\n- 1\n- 2\nb: 1\n", "set a = {\"k\": 3}", "a:\n  k: 3\nb: 1\n"},
    {"Item", "a:\n- x # c\n- y\n", "set a[0] = \"z\"", "a:\n- z # c\n- y\n"},
    {"ItemToMap", "a:\n- x\n- y\n", "set a[0] = {\"k\": 1, \"l\": 2}", "a:\n- k: 1\n  l: 2\n- y\n"},
    {"ItemToMapWithComment", "a:\n- x # c\n- y\n", "set a[0] = {\"k\": 1}",
     "a:\n- # c\n  k: 1\n- y\n"},
    {"MapItemToScalar", "a:\n- k: 1\n  l: 2\n- y\n", "set a[0] = 7", "a:\n- 7\n- y\n"},
    {"EmptyItem", "a:\n-\n- y\n", "set a[0] = 7", "a:\n- 7\n- y\n"},
    {"Root", "# c\nx\n", "set  = {\"a\": 1}", "# c\na: 1\n"},
    {"EmptyDocument", "# only a comment\n", "set a.b = 1", "# only a comment\na:\n  b: 1\n"},
    {"Separator", "---\na: 1\n", "set a = 2", "---\na: 2\n"},
    {"AliasItselfIsReplaced", "a: &x 1\nb: *x\n", "set b = 2", "a: &x 1\nb: 2\n"},
    {"UnusedAnchor", "a: &x\n  b: 1\n", "set a.b = 2", "a: &x\n  b: 2\n"},
    {"KeysThatAreNoStrings", "data:\n  8080: x\n  true: y\n", "set data[\"8080\"] = 1",
     "data:\n  8080: 1\n  true: y\n"},

    {"KeptBlockScalar", "a: |+ # c\n  x\n\nb: 1\n", "set a = 5", "a: 5\nb: 1\n"},
    {"ByteOrderMark",
     "\xef\xbb\xbf"
     "a: 1\n",
     "set b.c = 2\nremove a",
     "\xef\xbb\xbf"
     "b:\n  c: 2\n"},

    // --- set what is missing ---
    {"NewKey", "a: 1\nb:\n  c: 1 # c\n\n# end\n", "set b.d = 2",
     "a: 1\nb:\n  c: 1 # c\n  d: 2\n\n# end\n"},
    {"NewKeyAtRoot", "a:\n- 1\n", "set b = 2", "a:\n- 1\nb: 2\n"},
    {"NewKeyAfterBlockScalar", "a:\n  t: |\n    x\n\nb: 1\n", "set a.c = 2",
     "a:\n  t: |\n    x\n  c: 2\n\nb: 1\n"},
    {"NewKeyAfterKeptBlockScalar", "a:\n  t: |+\n    x\n\nb: 1\n", "set a.c = 2",
     "a:\n  t: |+\n    x\n\n  c: 2\nb: 1\n"},
    {"Parents", "spec:\n    a: 1\n", "set spec.b.c.d = 1",
     "spec:\n    a: 1\n    b:\n        c:\n            d: 1\n"},
    {"EmptyValue", "spec:\n  securityContext: # todo\n  x: 1\n",
     "set spec.securityContext.a = true",
     "spec:\n  securityContext: # todo\n    a: true\n  x: 1\n"},
    {"EmptyValueScalar", "a: # c\nb: 1\n", "set a = 2", "a: 2 # c\nb: 1\n"},
    {"ExplicitNull", "a: ~\nb: null # c\n", "set a.x = 1\nset b.z = 2",
     "a:\n  x: 1\nb: # c\n  z: 2\n"},
    {"EmptyFlowMap", "a: {} # c\nb: 1\n", "set a.x = 1", "a: # c\n  x: 1\nb: 1\n"},
    {"EmptyFlowList", "a: []\nb: 1\n", "add a = \"ALL\"", "a:\n- ALL\nb: 1\n"},
    {"InCompactItem", "c:\n- name: x\n  image: y\n- name: z\n", "set c[0].privileged = false",
     "c:\n- name: x\n  image: y\n  privileged: false\n- name: z\n"},
    {"InIndentedItem", "c:\n  - name: x\n",
     "set c[0].securityContext.capabilities.drop = [\"ALL\"]",
     "c:\n  - name: x\n    securityContext:\n      capabilities:\n        drop:\n          - "
     "ALL\n"},
    {"InIndentlessItem", "c:\n- name: x\n", "set c[0].sc.drop = [\"ALL\"]",
     "c:\n- name: x\n  sc:\n    drop:\n    - ALL\n"},
    {"NestedSequences", "a:\n- - 1\n  - 2\n", "add a[0] = 3\nadd a = [4]",
     "a:\n- - 1\n  - 2\n  - 3\n- - 4\n"},
    {"OverridesMerged", "b: &b {x: 1}\na:\n  <<: *b\n  y: 2\n", "set a.x = 5",
     "b: &b {x: 1}\na:\n  <<: *b\n  y: 2\n  x: 5\n"},
    {"QuotesKeys", "a:\n  b: 1\n", "set a[\"on\"] = 1\nset a[\"x: y\"] = 2",
     "a:\n  b: 1\n  \"on\": 1\n  \"x: y\": 2\n"},

    // --- add ---
    {"Add", "a:\n- 1 # one\n# after\nb: 2\n", "add a = 2", "a:\n- 1 # one\n- 2\n# after\nb: 2\n"},
    {"AddMap", "a:\n  - x: 1\n    y: 2\n", "add a = {\"x\": 3, \"z\": {\"w\": []}}",
     "a:\n  - x: 1\n    y: 2\n  - x: 3\n    z:\n      w: []\n"},
    {"AddMakesTheList", "a: 1\n", "add b.c = \"x\"", "a: 1\nb:\n  c:\n  - x\n"},
    {"AddToNull", "a:\nb: 1\n", "add a = \"x\"", "a:\n- x\nb: 1\n"},
    {"AddByIndex", "a: [1]\n", "set a[1] = 2", "a: [1, 2]\n"},

    // --- flow and JSON ---
    {"Flow", "a: {x: 1, l: [a, b]} # c\n", "set a.x = 2\nset a.z = \"q\"\nadd a.l = \"c\"",
     "a: {x: 2, l: [a, b, c], z: q} # c\n"},
    {"FlowNested", "a: {x: 1}\n", "set a.b.c = [1, \"a,b\"]", "a: {x: 1, b: {c: [1, \"a,b\"]}}\n"},
    {"FlowEmptyValue", "a: {x: , z}\n", "set a.x = 1\nset a.z = 2", "a: {x: 1, z: 2}\n"},
    {"FlowTrailingComma", "a: [1, ]\n", "add a = 2", "a: [1, 2, ]\n"},
    {"FlowLines", "a: [\n  x, # one\n  y # two\n]\n", "add a = \"z\"",
     "a: [\n  x, # one\n  y, # two\n  z\n]\n"},
    {"FlowLinesTrailingComma", "a: [\n  x,\n  y, # two\n]\n", "add a = \"z\"",
     "a: [\n  x,\n  y, # two\n  z,\n]\n"},
    {"Json", "{\n  \"a\": 1,\n  \"b\": {\"c\": [1]}\n}\n",
     "set a = \"x\"\nset b.d = true\nset e.f = [1]",
     "{\n  \"a\": \"x\",\n  \"b\": {\"c\": [1], \"d\": true},\n  \"e\": {\n    \"f\": [\n      1\n "
     "   ]\n"
     "  }\n}\n"},
    {"JsonTabs", "{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}", "set a.c = 2",
     "{\n\t\"a\": {\n\t\t\"b\": 1,\n\t\t\"c\": 2\n\t}\n}"},
    {"JsonOneLine", "{\"a\":{}}", "set a.b = 1\nset c = null", "{\"a\":{\"b\": 1}, \"c\": null}"},
    {"JsonEmpty", "{}", "set a.b = \"x\"", "{\"a\": {\"b\": \"x\"}}"},

    // --- remove ---
    {"Remove", "a: 1\nb: 2 # gone\n# stays\nc: 3\n", "remove b", "a: 1\n# stays\nc: 3\n"},
    {"RemoveLast", "a: 1\nb: 2", "remove b", "a: 1\n"},
    {"RemoveMap", "a: 1\nb:\n  c: 1\n  d:\n  - 2\ne: 3\n", "remove b", "a: 1\ne: 3\n"},
    {"RemoveBlockScalar", "a: 1\nb: |\n  x\n  y\nc: 3\n", "remove b", "a: 1\nc: 3\n"},
    {"RemoveOnlyKey", "a: # c\n  b: 1\nc: 2\n", "remove a.b", "a: {} # c\nc: 2\n"},
    {"RemoveOnlyItem", "a:\n- 1\nc: 2\n", "remove a[0]", "a: []\nc: 2\n"},
    {"RemoveOnlyRootKey", "# c\na: 1\n", "remove a", "# c\n{}\n"},
    {"RemoveItem", "a:\n- 1\n- b: 2\n  c: 3\n- 4\n", "remove a[1]", "a:\n- 1\n- 4\n"},
    {"RemoveFirstOfCompact", "a:\n- x: 1\n  y: 2\n  z: 3\n", "remove a[0].x",
     "a:\n- y: 2\n  z: 3\n"},
    {"RemoveFirstOfCompactKeepsComment", "a:\n- x: 1\n  # why y\n  y: 2\n", "remove a[0].x",
     "a:\n- \n  # why y\n  y: 2\n"},
    {"RemoveFirstOfNested", "a:\n- - 1\n  - 2\n", "remove a[0][0]", "a:\n- - 2\n"},
    {"RemoveOnlyOfCompact", "a:\n- x: 1\n- y: 2\n", "remove a[0].x", "a:\n- {}\n- y: 2\n"},
    {"RemoveFlowFirst", "a: {x: 1, y: 2}\n", "remove a.x", "a: {y: 2}\n"},
    {"RemoveFlowLast", "a: [1, 2, 3]\n", "remove a[2]", "a: [1, 2]\n"},
    {"RemoveFlowOnly", "a: [ 1 ]\n", "remove a[0]", "a: []\n"},
    {"RemoveJsonLines", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n", "remove c\nremove a",
     "{\n  \"b\": 2\n}\n"},
    {"RemoveFlowLineKeepsComments", "a: [\n  x, # one\n  y # two\n]\n", "remove a[1]",
     "a: [\n  x # one\n]\n"},

    // --- refused ---
    {"RefusesAlias", "a: &x {b: 1}\nc: *x\n", "set c.b = 2",
     "yaml_edit.shared: c: the edit would change other places too: it is an alias"},
    {"RefusesAnchor", "a: &x {b: 1}\nc: *x\n", "set a.b = 2",
     "yaml_edit.shared: a: the edit would change other places too: an alias refers to it"},
    {"RefusesMerged", "b: &b {x: {y: 1}}\na:\n  <<: *b\n", "set a.x.z = 5",
     "yaml_edit.shared: a.x: the edit would change other places too: it is merged with <<"},
    {"RefusesRemovingMerged", "b: &b {x: 1}\na:\n  <<: *b\n  y: 1\n", "remove a.x",
     "yaml_edit.shared: a.x: the edit would change other places too: it is merged with <<"},
    {"RefusesRemovingAnUsedAnchor", "a: &x 1\nb: *x\nc: 1\n", "remove a",
     "yaml_edit.shared: a: the edit would change other places too: an alias refers to it"},
    {"RefusesWhatIsNotThere", "a: 1\n", "remove b", "yaml_edit.path: b: is not there"},
    {"RefusesAnotherKind", "a: 1\n", "set a.b = 1",
     "yaml_edit.path: a: expected a map, found a scalar"},
    {"RefusesAHole", "a: [1]\n", "set a[3] = 1",
     "yaml_edit.path: a[3]: the array has 1 items only"},
    {"RefusesExplicitKeys", "? a\n: 1\n", "set b = 1",
     "yaml_edit.unsupported: the document: it has an explicit key (?)"},
    {"RefusesAKeyTwice", "a: 1\na: 2\n", "set a = 3",
     "yaml_edit.unsupported: a: the key stands there more than once"},
    {"RefusesRemovingTheDocument", "a: 1\n", "remove ",
     "yaml_edit.path: the document: the whole document cannot be removed"},
    {"RefusesBadText", "a: [1\n", "set a = 1",
     "yaml.syntax: line 2, column 1: while parsing a flow sequence: did not find expected ',' or "
     "']' (it began in line 1)"},
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.edit; }

class YamlEdit : public testing::TestWithParam<Case> {};
TEST_P(YamlEdit, ChangesThatAndNothingElse) {
  EXPECT_EQ(Edit(GetParam().before, GetParam().edit), GetParam().after);
}
INSTANTIATE_TEST_SUITE_P(Cases, YamlEdit, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(YamlEditRealistic, HardensADeployment) {
  std::string_view before = R"(# The web tier
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # 网站
spec:
  template:
    spec:
      hostNetwork: true   # for the old proxy
      containers:
        # the server
        - name: web
          image: "nginx:1.25"
          securityContext:
            privileged: true # FIXME
        - name: side
          image: busybox
      volumes: []
)";
  std::string_view after = R"(# The web tier
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # 网站
spec:
  template:
    spec:
      containers:
        # the server
        - name: web
          image: "nginx:1.25"
          securityContext:
            privileged: false # FIXME
            capabilities:
              drop:
                - ALL
        - name: side
          image: busybox
          securityContext:
            runAsNonRoot: true
      volumes: []
)";
  EXPECT_EQ(
      Edit(before,
           "set spec.template.spec.containers[0].securityContext.privileged = false\n"
           "add spec.template.spec.containers[0].securityContext.capabilities.drop = \"ALL\"\n"
           "set spec.template.spec.containers[1].securityContext.runAsNonRoot = true\n"
           "remove spec.template.spec.hostNetwork"),
      after);
}

}  // namespace
}  // namespace bulwark
