#include "lang/cel/ext/authz.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

// Remembers what it was asked last.
class Recorder final : public Authorizer {
 public:
  AuthorizationDecision decision{true, "because", ""};
  mutable AuthorizationCheck asked;
  AuthorizationDecision Authorize(const AuthorizationCheck& check) const override {
    asked = check;
    return decision;
  }
};

class AuthzTest : public testing::Test {
 protected:
  AuthzTest() {
    EnvOptions options;
    options.libraries = {&Authz(), &AuthzSelectors()};
    options.variables = {{"authorizer", AuthorizerType()},
                         {"authorizer.requestResource", ResourceCheckType()}};
    env_ = MakeEnv(options);
  }

  Tried Run(std::string_view expression, bool with_authorizer = true) {
    const Value bindings[] = {
        RequestAuthorizer(),
        RequestResource(arena_, {"apps", "deployments", "scale", "web", "front"})};
    RunOptions run;
    run.authorizer = with_authorizer ? &recorder_ : nullptr;
    return Try(*env_, expression, true, bindings, run);
  }

  Arena arena_;
  Recorder recorder_;
  std::shared_ptr<const Env> env_;
};

TEST_F(AuthzTest, AsksForResources) {
  Tried tried =
      Run("authorizer.group('apps').resource('deployments').subresource('status').namespace('web')"
          ".name('front').check('update').allowed()");
  EXPECT_TRUE(tried.value.IsTrue()) << tried.runtime_error;
  const AuthorizationCheck& asked = recorder_.asked;
  EXPECT_TRUE(asked.user.is_requester);
  EXPECT_TRUE(asked.is_resource_request());
  EXPECT_EQ(asked.verb, "update");
  EXPECT_EQ(asked.api_group, "apps");
  EXPECT_EQ(asked.resource, "deployments");
  EXPECT_EQ(asked.subresource, "status");
  EXPECT_EQ(asked.namespace_name, "web");
  EXPECT_EQ(asked.name, "front");
  EXPECT_FALSE(asked.label_selector);
}

TEST_F(AuthzTest, AsksForPathsAndForOthers) {
  EXPECT_TRUE(Run("authorizer.path('/healthz').check('get').allowed()").value.IsTrue());
  EXPECT_EQ(recorder_.asked.path, "/healthz");
  EXPECT_FALSE(recorder_.asked.is_resource_request());

  EXPECT_TRUE(Run("authorizer.serviceAccount('web', 'builder').group('').resource('pods')"
                  ".check('list').allowed()")
                  .value.IsTrue());
  EXPECT_FALSE(recorder_.asked.user.is_requester);
  EXPECT_EQ(recorder_.asked.user.name, "system:serviceaccount:web:builder");
  EXPECT_EQ(recorder_.asked.user.groups,
            (std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:web"}));

  EXPECT_TRUE(Run("authorizer.requestResource.check('get').allowed()").value.IsTrue());
  EXPECT_EQ(recorder_.asked.resource, "deployments");
  EXPECT_EQ(recorder_.asked.subresource, "scale");
}

TEST_F(AuthzTest, AChainDoesNotChangeWhatItStartsFrom) {
  EXPECT_TRUE(Run("[authorizer.group('').resource('pods')].map(r, [r.name('a'), r])[0][1]"
                  ".check('get').allowed()")
                  .value.IsTrue());
  EXPECT_EQ(recorder_.asked.name, "");
}

TEST_F(AuthzTest, TellsDecisions) {
  recorder_.decision = {false, "no rule", "unreachable"};
  constexpr char kCheck[] = "authorizer.group('').resource('pods').check('get')";
  EXPECT_TRUE(Run(std::string(kCheck) + ".allowed()").value.IsFalse());
  EXPECT_EQ(Run(std::string(kCheck) + ".reason()").value, Value::String("no rule"));
  EXPECT_TRUE(Run(std::string(kCheck) + ".errored()").value.IsTrue());
  EXPECT_EQ(Run(std::string(kCheck) + ".error()").value, Value::String("unreachable"));
}

TEST_F(AuthzTest, SaysWhatIsWrong) {
  EXPECT_EQ(Run("authorizer.path(' ').check('get').allowed()").runtime_error,
            "path must not be empty");
  EXPECT_EQ(Run("authorizer.group('').resource(' ').check('get').allowed()").runtime_error,
            "resource must not be empty");
  EXPECT_EQ(
      Run("authorizer.serviceAccount('web', 'A').path('/x').check('get').allowed()").runtime_error,
      "Invalid service account name");
  EXPECT_EQ(
      Run("authorizer.serviceAccount('a.b', 'x').path('/x').check('get').allowed()").runtime_error,
      "Invalid service account namespace");
  EXPECT_EQ(Run("authorizer.path('/x').check('get').allowed()", false).runtime_error,
            "there is no authorizer to ask here");
}

TEST_F(AuthzTest, PassesSelectors) {
  EXPECT_TRUE(Run("authorizer.group('').resource('pods').labelSelector('app in (b, a),!old')"
                  ".fieldSelector('spec.nodeName=n1').check('list').allowed()")
                  .value.IsTrue());
  using Op = SelectorTerm::Op;
  ASSERT_TRUE(recorder_.asked.label_selector && recorder_.asked.field_selector);
  EXPECT_EQ(
      recorder_.asked.label_selector->terms,
      (std::vector<SelectorTerm>{{"app", Op::kIn, {"a", "b"}}, {"old", Op::kDoesNotExist, {}}}));
  EXPECT_EQ(recorder_.asked.field_selector->terms,
            (std::vector<SelectorTerm>{{"spec.nodeName", Op::kIn, {"n1"}}}));
  EXPECT_TRUE(Run("authorizer.group('').resource('pods').labelSelector('')"
                  ".fieldSelector('x').check('list').allowed()")
                  .value.IsTrue());
  EXPECT_FALSE(recorder_.asked.label_selector);
  EXPECT_EQ(recorder_.asked.field_selector->error, "invalid selector: 'x'; can't understand 'x'");
}

struct LabelRow {
  std::string_view text;
  std::vector<SelectorTerm> terms;
  std::string_view error;
};

TEST(Selectors, LabelsAsKubernetesReadsThem) {
  using Op = SelectorTerm::Op;
  const LabelRow rows[] = {
      {"", {}, ""},
      {"a", {{"a", Op::kExists, {}}}, ""},
      {"!a", {{"a", Op::kDoesNotExist, {}}}, ""},
      {"a=b", {{"a", Op::kIn, {"b"}}}, ""},
      {"a==b", {{"a", Op::kIn, {"b"}}}, ""},
      {"a!=b", {{"a", Op::kNotIn, {"b"}}}, ""},
      {"a = ,b", {{"a", Op::kIn, {""}}, {"b", Op::kExists, {}}}, ""},
      {"b,a", {{"a", Op::kExists, {}}, {"b", Op::kExists, {}}}, ""},
      {"a in (x,y,x)", {{"a", Op::kIn, {"x", "y"}}}, ""},
      {"a in ()", {{"a", Op::kIn, {""}}}, ""},
      {"a in (,x)", {{"a", Op::kIn, {"", "x"}}}, ""},
      {"a notin (in)", {{"a", Op::kNotIn, {"in"}}}, ""},
      {"in in (notin)", {{"in", Op::kIn, {"notin"}}}, ""},
      {"a>5", {{"a", Op::kGreaterThan, {"5"}}}, ""},
      {"a<x",
       {},
       "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer"},
      {"a,", {}, "found '', expected: identifier after ','"},
      {"a b", {}, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a=b c", {}, "found 'c', expected: ',' or 'end of string'"},
      {"=a", {}, "found '=', expected: !, identifier, or 'end of string'"},
      {"a in b", {}, "unable to parse requirement: found 'b' expected: '('"},
      {"a in (b", {}, "unable to parse requirement: found '', expected: ',' or ')'"},
  };
  for (const LabelRow& row : rows) {
    Selector selector = ParseLabelSelector(row.text);
    EXPECT_EQ(selector.terms, row.terms) << row.text;
    EXPECT_EQ(selector.error, row.error) << row.text;
  }
  EXPECT_TRUE(ParseLabelSelector("a=_b").error.contains("Invalid value: \"_b\""));
  EXPECT_TRUE(ParseLabelSelector("-a").error.contains("Invalid value: \"-a\""));
}

TEST(Selectors, FieldsAsKubernetesReadsThem) {
  using Op = SelectorTerm::Op;
  EXPECT_EQ(ParseFieldSelector("b!=1,,a==x\\,y").terms,
            (std::vector<SelectorTerm>{{"a", Op::kIn, {"x,y"}}, {"b", Op::kNotIn, {"1"}}}));
  EXPECT_EQ(ParseFieldSelector("a=b=c").error,
            "invalid field selector: unescaped character in value: =");
  EXPECT_EQ(ParseFieldSelector("a=\\q").error,
            "invalid field selector: invalid escape sequence: \\q");
  EXPECT_EQ(ParseFieldSelector("a=\\").error,
            "invalid field selector: invalid escape sequence: \\");
  EXPECT_TRUE(ParseFieldSelector("").terms.empty());
}

}  // namespace
}  // namespace bulwark::cel::ext
