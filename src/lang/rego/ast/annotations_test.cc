#include <gtest/gtest.h>

#include "lang/rego/ast/ast_json.h"
#include "lang/rego/ast/parser.h"

namespace bulwark::rego {
namespace {

std::unique_ptr<Module> Parse(const std::string& text) {
  auto module = ParseModule("p.rego", text, {});
  if (!module) {
    ADD_FAILURE() << module.error().message();
    return nullptr;
  }
  return std::move(*module);
}

std::string FirstError(const std::string& block) {
  std::vector<Diagnostic> errors;
  const auto module =
      ParseModule("p.rego", "package t\n\n# METADATA\n" + block + "\np := 1\n", {}, &errors);
  if (module) return "none";
  return std::to_string(errors[0].at.row) + " " + errors[0].message;
}

TEST(Annotations, AllFields) {
  const auto module = Parse(R"(# METADATA
# title: Pods
# description: |
#  Two
#  lines
# scope: subpackages
# organizations: [ACME, 42]
# related_resources:
# - https://example.com/a b
# - ref: https://example.com/x
#   description: more
# authors:
# - Jane Doe <jane@example.com>
# - name: John
# schemas:
# - input.a: schema.pod
# - data.x: {type: string}
# custom:
#  yes: yes
#  when: 2020-01-02
#  nested: {b: 1, a: [1.5, ~]}
# labels: {team: x}
package t
p := 1
)");
  ASSERT_NE(module, nullptr);
  ASSERT_EQ(module->annotations.size(), 1U);
  EXPECT_EQ(
      AnnotationsJsonText(*module->annotations[0]),
      R"({"authors":[{"name":"Jane Doe","email":"jane@example.com"},{"name":"John"}],)"
      R"("custom":{"nested":{"a":[1.5,null],"b":1},"when":"2020-01-02T00:00:00Z","yes":"yes"},)"
      R"("description":"Two\nlines\n","labels":{"team":"x"},"organizations":["ACME","42"],)"
      R"("related_resources":[{"ref":"https://example.com/a%20b"},{"description":"more",)"
      R"("ref":"https://example.com/x"}],"schemas":[{"path":[{"type":"var","value":"input"},)"
      R"({"type":"string","value":"a"}],"schema":[{"type":"var","value":"schema"},)"
      R"({"type":"string","value":"pod"}]},{"path":[{"type":"var","value":"data"},)"
      R"({"type":"string","value":"x"}],"definition":{"type":"string"}}],)"
      R"("scope":"subpackages","title":"Pods"})");
}

TEST(Annotations, Attachment) {
  const auto module = Parse(R"(# METADATA
# title: the package
package t

# METADATA
# title: a document
# scope: document

# METADATA
# title: first
p contains 1

# METADATA
# entrypoint: true
q := 1

# METADATA
# title: second
p contains 2
)");
  ASSERT_NE(module, nullptr);
  ASSERT_EQ(module->annotations.size(), 5U);
  EXPECT_EQ(module->annotations[0]->scope, "package");
  EXPECT_EQ(module->annotations[0]->rule, nullptr);
  EXPECT_EQ(module->annotations[3]->scope, "document");
  const auto titles = [](const Rule& rule) {
    std::string out;
    for (const Annotations* a : rule.annotations) {
      out.append(a->value["title"].AsString()).append(";");
    }
    return out;
  };
  EXPECT_EQ(titles(*module->rules[0]), "a document;first;");
  EXPECT_EQ(titles(*module->rules[2]), "a document;second;");
  EXPECT_TRUE(module->rules[1]->annotations[0]->entrypoint);
}

TEST(Annotations, Errors) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "3 expected METADATA block, found whitespace"},
      {"# title: [", "4 yaml: line 1: did not find expected node content"},
      {"# entrypoint: 3",
       "4 yaml: unmarshal errors:\n  line 1: cannot unmarshal !!int `3` into bool"},
      {"# authors: me",
       "4 yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `me` into []interface {}"},
      {"# title: a\n# title: b",
       "5 yaml: unmarshal errors:\n  line 2: mapping key \"title\" already defined at line 1"},
      {"# scope: world",
       "3 invalid annotation scope 'world'. Use one of 'rule', 'document', 'package', or "
       "'subpackages'"},
      {"# scope: package", "3 annotation scope 'package' must be applied to package (have rule)"},
      {"# scope: rule\n# entrypoint: true",
       "3 annotation entrypoint applied to non-document or package scope 'rule'"},
      {"# authors: [{}]",
       "3 invalid author definition map[]: 'name' and/or 'email' values required in object"},
      {"# related_resources: ['']",
       "3 invalid related-resource definition : ref URL may not be empty string"},
      {"# schemas: [{'1': schema}]", "3 invalid document reference"},
      {"# schemas: [{input: other}]", "3 invalid schema reference"},
      {"# schemas: [{input: 1}]", "3 invalid schema declaration for path \"input\""},
      {"# custom: {a: {1: 2}}", "3 invalid map key type(s): "},
  };
  for (const auto& [block, want] : cases) EXPECT_EQ(FirstError(block), want) << block;
}

TEST(Annotations, CanBeLeftUnread) {
  ParseOptions options;
  options.annotations = false;
  EXPECT_TRUE(ParseModule("p.rego", "package t\n\n# METADATA\n# scope: world\np := 1\n", options)
                  .has_value());
}

TEST(Annotations, AliasesAreBounded) {
  std::string block = "# custom:\n#  a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = std::to_string(i - 1);
    block += "#  a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + before + ", *a" +
             before + "]\n";
  }
  EXPECT_NE(FirstError(block).find("excessive aliasing"), std::string::npos);
}

}  // namespace
}  // namespace bulwark::rego
