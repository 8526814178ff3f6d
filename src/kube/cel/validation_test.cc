#include "kube/cel/validation.h"

#include "kube/cel/testing.h"

namespace bulwark::kube {
namespace {

class ValidationTest : public testing::Test {
 protected:
  Validator Compile(std::string_view schema, const CompileOptions& options = {}) {
    Result<Validator> validator = Validator::Compile(Json(arena_, schema), options);
    EXPECT_TRUE(validator.has_value()) << schema;
    return *std::move(validator);
  }
  static std::string Show(std::span<const Violation> violations) {
    std::string out;
    for (const Violation& v : violations) out += v.ToString() + "\n";
    return out;
  }
  std::string Errors(const Validator& validator, std::string_view object, std::string_view old = {},
                     const ValidateOptions& options = {}) {
    Value before = old.empty() ? Value() : Json(arena_, old);
    last_ = validator.Validate(Json(arena_, object), old.empty() ? nullptr : &before, options);
    return Show(last_.errors);
  }

  Arena arena_;
  Validation last_;
};

TEST_F(ValidationTest, RulesAtEachPlace) {
  Validator validator = Compile(R"({'type': 'object',
    'x-kubernetes-validations': [{'rule': 'self.metadata.name != \u0027bad\u0027'}],
    'properties': {'spec': {'type': 'object', 'properties': {
      'list': {'type': 'array', 'items': {'type': 'integer',
               'x-kubernetes-validations': [{'rule': 'self > 0', 'message': 'too small'}]}},
      'map': {'type': 'object', 'additionalProperties': {'type': 'string',
              'x-kubernetes-validations': [{'rule': 'self.size() < 3',
                'messageExpression': '\u0027not \u0027 + self'}]}}}}}})");
  EXPECT_EQ(Errors(validator, "{'metadata': {'name': 'x'}, 'spec': {'list': [1], 'map': {}}}"), "");
  EXPECT_EQ(Errors(validator, R"({'metadata': {'name': 'bad'},
                                  'spec': {'list': [1, 0], 'map': {'k/1': 'long'}}})"),
            "<nil>: Invalid value: \"object\": failed rule: self.metadata.name != 'bad'\n"
            "spec.list[1]: Invalid value: \"integer\": too small\n"
            "spec.map[k/1]: Invalid value: \"string\": not long\n");
  // A missing name is the rule's own error.
  EXPECT_EQ(Errors(validator, "{'metadata': {}}"),
            "<nil>: Invalid value: \"object\": no such key: name evaluating rule: "
            "self.metadata.name != 'bad'\n");
}

TEST_F(ValidationTest, ErrorsInTheDataAreErrorsOfPresenceToo) {
  Validator validator = Compile(R"({'type': 'object', 'properties': {'n': {'type': 'integer'}},
                                    'x-kubernetes-validations': [{'rule': 'has(self.n)'}]})");
  EXPECT_EQ(Errors(validator, "{'n': 1}"), "");
  EXPECT_EQ(Errors(validator, "{'n': 'x'}"),
            "<nil>: Invalid value: \"object\": invalid data, expected int, got string evaluating "
            "rule: has(self.n)\n");
}

TEST_F(ValidationTest, TransitionRules) {
  constexpr std::string_view kItem =
      "{'type': 'object', 'properties': {'k': {'type': 'string'}, 'v': {'type': 'integer',"
      "'x-kubernetes-validations': [{'rule': 'self >= oldSelf'}]}}}";
  const std::string keyed =
      "{'type': 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'],"
      "'items': " +
      std::string(kItem) + "}";
  const std::string atomic = "{'type': 'array', 'items': " + std::string(kItem) + "}";
  Validator validator = Compile("{'type': 'object', 'properties': {'keyed': " + keyed +
                                ", 'atomic': " + atomic + ", 'one': " + std::string(kItem) + "}}");
  constexpr std::string_view kOld =
      "{'keyed': [{'k': 'a', 'v': 5}, {'k': 'b', 'v': 1}], 'atomic': [{'k': 'a', 'v': 5}],"
      "'one': {'v': 7}}";
  constexpr std::string_view kNew =
      "{'keyed': [{'k': 'b', 'v': 0}, {'k': 'c', 'v': 0}, {'k': 'a', 'v': 6}],"
      "'atomic': [{'k': 'a', 'v': 0}], 'one': {'v': 6}}";
  EXPECT_EQ(Errors(validator, kNew), "");  // a creation
  EXPECT_EQ(Errors(validator, kNew, kOld),
            "keyed[0].v: Invalid value: \"integer\": failed rule: self >= oldSelf\n"
            "one.v: Invalid value: \"integer\": failed rule: self >= oldSelf\n");
  EXPECT_EQ(Errors(validator, kOld, kOld), "");
}

TEST_F(ValidationTest, RatchetingForgivesWhatWasNotChanged) {
  Validator validator = Compile(R"({'type': 'object', 'properties': {
    'a': {'type': 'string', 'x-kubernetes-validations': [{'rule': 'self == \u0027x\u0027'}]},
    'b': {'type': 'string'}}})");
  EXPECT_EQ(Errors(validator, "{'a': 'old', 'b': '2'}", "{'a': 'old', 'b': '1'}"), "");
  EXPECT_EQ(Show(last_.warnings), "a: Invalid value: \"string\": failed rule: self == 'x'\n");
  EXPECT_NE(Errors(validator, "{'a': 'new'}", "{'a': 'old'}"), "");
  EXPECT_NE(Errors(validator, "{'a': 'old'}", "{'a': 'old'}", {.ratcheting = false}), "");
  EXPECT_NE(Errors(validator, "{'a': 'old'}"), "");
}

TEST_F(ValidationTest, Limits) {
  Validator validator = Compile(R"({'type': 'array', 'items': {'type': 'integer',
    'x-kubernetes-validations': [{'rule': 'self > 0'}]}})",
                                {.is_resource = false});
  EXPECT_EQ(Errors(validator, "[1, 1, 1]", {}, {.path = "root", .budget = 6}), "");
  EXPECT_EQ(last_.remaining_budget, 0);
  constexpr std::string_view kMessage =
      ": Invalid value: \"integer\": validation failed due to running out of cost budget, no "
      "further validation rules will be run\n";
  EXPECT_EQ(Errors(validator, "[1, 1, 1]", {}, {.path = "root", .budget = 4}),
            "root[2]" + std::string(kMessage));
  EXPECT_EQ(last_.remaining_budget, -1);
  EXPECT_EQ(Errors(validator, "[1, 1, 1]", {}, {.path = "root", .budget = 5}),
            "root[2]" + std::string(kMessage));

  Validator dear = Compile(R"({'type': 'array', 'items': {'type': 'integer'},
    'x-kubernetes-validations': [{'rule': 'self.all(x, self.all(y, x >= y - 100))'}]})",
                           {.is_resource = false, .per_call_limit = 100});
  std::string many = "[1";
  for (int i = 0; i < 100; ++i) many += ",1";
  EXPECT_EQ(
      Errors(dear, many + "]"),
      "<nil>: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no "
      "further validation rules will be run due to call cost exceeds limit for rule: "
      "self.all(x, self.all(y, x >= y - 100))\n");
}

TEST_F(ValidationTest, EstimatesMultiplyByWhatTheSchemaAllows) {
  Validator validator = Compile(R"({'type': 'object', 'properties': {
    'l': {'type': 'array', 'maxItems': 5, 'items': {'type': 'object', 'maxProperties': 3,
      'additionalProperties': {'type': 'integer',
        'x-kubernetes-validations': [{'rule': 'self > 0'}]}}},
    'u': {'type': 'array', 'items': {'type': 'integer',
      'x-kubernetes-validations': [{'rule': 'self > 0'}]}}}})");
  ASSERT_EQ(validator.rules().size(), 2U);
  const CompiledRule& bounded = validator.rules()[0];
  EXPECT_EQ(bounded.path, "properties[l].items.additionalProperties");
  EXPECT_EQ(bounded.max_cost, 2U);
  EXPECT_EQ(bounded.declared_cardinality, 15U);
  EXPECT_EQ(bounded.EstimatedCost(), 30U);
  const CompiledRule& unbounded = validator.rules()[1];
  EXPECT_EQ(unbounded.path, "properties[u].items");
  EXPECT_EQ(unbounded.declared_cardinality, std::nullopt);
  EXPECT_EQ(unbounded.max_cardinality, 1572864U);
  EXPECT_EQ(unbounded.EstimatedCost(), 3145728U);
  EXPECT_EQ(validator.EstimatedCost(), 3145758U);
}

TEST_F(ValidationTest, EnvironmentsByVersion) {
  constexpr std::string_view kSchema = R"({'type': 'object', 'x-kubernetes-validations': [
      {'rule': 'isQuantity(\u00271\u0027)'}]})";
  EXPECT_EQ(Compile(kSchema, {.kubernetes_minor = 28}).rules()[0].error, "");
  EXPECT_NE(Compile(kSchema, {.kubernetes_minor = 27}).rules()[0].error, "");
}

TEST_F(ValidationTest, WithoutRulesThereIsNothing) {
  Validator validator = Compile("{'type': 'object', 'properties': {'a': {'type': 'string'}}}");
  EXPECT_TRUE(validator.rules().empty());
  EXPECT_EQ(Errors(validator, "{'a': 1}"), "");
  EXPECT_FALSE(Validator::Compile(Json(arena_, "{'type': 5}")).has_value());
}

}  // namespace
}  // namespace bulwark::kube
