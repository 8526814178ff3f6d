// The CEL specification's own tests (cel.dev/expr, tests/simple/testdata; format: README.md): each
// is run as checked and, unless it is only about types, as only parsed. What does not pass stands
// in skips.txt with its reason; what stands there and passes is a failure, too.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "formats/json.h"
#include "lang/cel/env.h"
#include "lang/cel/expr_value.h"
#include "lang/cel/ext/bindings.h"
#include "lang/cel/ext/encoders.h"
#include "lang/cel/ext/lists.h"
#include "lang/cel/ext/math.h"
#include "lang/cel/ext/net.h"
#include "lang/cel/ext/optionals.h"
#include "lang/cel/ext/protos.h"
#include "lang/cel/ext/strings.h"
#include "lang/cel/macros.h"
#include "lang/cel/protobuf/messages.h"
#include "lang/cel/well_known_types.h"

namespace bulwark::cel {
namespace {

constexpr std::string_view kFolder = BULWARK_SOURCE_DIR "/tests/conformance/cel/spec/";

std::string DataFolder() {
  if (const char* folder = std::getenv("BULWARK_CONFORMANCE")) {
    return std::string(folder) + "/cel/spec/";
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string root =
      cache != nullptr ? cache : std::string(home != nullptr ? home : "") + "/.cache";
  return root + "/bulwark/conformance/cel/spec/";
}

std::optional<std::string> Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The messages that the tests use; nullptr where the data was not made.
const std::shared_ptr<const MessageTypes>& TestMessages() {
  static const std::shared_ptr<const MessageTypes> types = [] {
    std::shared_ptr<const MessageTypes> none;
    std::optional<std::string> set = Read(DataFolder() + "conformance.protoset");
    if (!set) return none;
    Result<std::shared_ptr<const MessageTypes>> made = MessageTypes::FromDescriptors(*set);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().ToString());
    return made ? *made : none;
  }();
  return types;
}

// --- skips.txt -----------------------------------------------------------------------------------

// "file/section/name: reason" a line; "file/section/" is all of a section.
class Skips {
 public:
  static const Skips& All() {
    static const Skips skips;
    return skips;
  }
  bool Has(const std::string& test) const {
    auto after = names_.upper_bound(test);
    if (after == names_.begin()) return false;
    const std::string& name = *std::prev(after);
    return name == test || (name.ends_with('/') && test.starts_with(name));
  }
  std::vector<std::string> Of(const std::string& file) const {
    std::vector<std::string> out;
    for (const std::string& name : names_) {
      if (name.starts_with(file + "/")) out.push_back(name);
    }
    return out;
  }

 private:
  Skips() {
    std::ifstream file{std::string(kFolder) + "skips.txt"};
    EXPECT_TRUE(file.good());
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line.starts_with('#')) continue;
      size_t colon = line.find(": ");
      EXPECT_TRUE(colon != std::string::npos && colon + 2 < line.size()) << "no reason: " << line;
      names_.insert(line.substr(0, colon));
    }
  }
  std::set<std::string> names_;
};

// --- One test ------------------------------------------------------------------------------------

Result<Value> ReadValue(const Value& json, Arena& arena) {
  return FromExprValue(
      json, arena, [](const Value& any, Arena& to) { return TestMessages()->FromJson(to, any); });
}

// A cel.expr.Type.
Type ReadType(const Value& json, Arena& arena) {
  EXPECT_EQ(json.size(), 1u) << ToJson(json);
  if (json.size() != 1) return Type::Error();
  const std::string_view kind = json.entries()[0].key.AsString();
  const Value& of = json.entries()[0].value;
  auto primitive = [&] {
    std::string_view name = of.IsString() ? of.AsString() : "";
    if (name == "BOOL") return Type::Bool();
    if (name == "INT64") return Type::Int();
    if (name == "UINT64") return Type::Uint();
    if (name == "DOUBLE") return Type::Double();
    if (name == "STRING") return Type::String();
    if (name == "BYTES") return Type::Bytes();
    ADD_FAILURE() << "no such primitive: " << name;
    return Type::Error();
  };
  if (kind == "dyn") return Type::Dyn();
  if (kind == "null") return Type::Null();
  if (kind == "error") return Type::Error();
  if (kind == "primitive") return primitive();
  if (kind == "wrapper") return Type::Wrapper(primitive());
  if (kind == "well_known") {
    if (of.AsString() == "ANY") return Type::Any();
    return of.AsString() == "TIMESTAMP" ? Type::Timestamp() : Type::Duration();
  }
  if (kind == "list_type") return Type::List(arena, ReadType(of["elem_type"], arena));
  if (kind == "map_type") {
    return Type::Map(arena, ReadType(of["key_type"], arena), ReadType(of["value_type"], arena));
  }
  if (kind == "type") return Type::TypeOf(arena, ReadType(of, arena));
  if (kind == "type_param") return Type::Param(arena, of.AsString());
  if (kind == "message_type") {
    std::optional<Type> type = TestMessages()->FindType(of.AsString());
    EXPECT_TRUE(type.has_value()) << of.AsString();
    return type ? *type : Type::Error();
  }
  if (kind == "abstract_type") {
    std::vector<Type> params;
    for (const Value& param : of["parameter_types"].items()) {
      params.push_back(ReadType(param, arena));
    }
    return Type::Opaque(arena, of.StringAt("name"), params);
  }
  ADD_FAILURE() << "no such type: " << kind;
  return Type::Error();
}

// Equal, with numbers of the same kind, and a NaN equal to a NaN.
bool Same(const Value& a, const Value& b) {
  if (a.IsDouble() && b.IsDouble() && std::isnan(a.AsDouble())) return std::isnan(b.AsDouble());
  if (a.kind() != b.kind()) return false;
  if (a.IsArray()) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!Same(a.items()[i], b.items()[i])) return false;
    }
    return true;
  }
  if (a.IsMap()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.entries()) {
      auto same = [&](const Value::Entry& e) { return Same(key, e.key) && Same(value, e.value); };
      if (std::ranges::none_of(b.entries(), same)) return false;
    }
    return true;
  }
  return CelEqual(a, b);
}

std::string Show(const Value& v) {
  return std::string(TypeNameOf(v)) + " " +
         (v.IsOpaque() ? v.AsOpaque()->ToString() : ToJson(v, {.sort_keys = true}));
}

// What stands for the functions that a test declares: only their types matter.
Value NotImplemented(CallContext& ctx, std::span<const Value>) {
  return ctx.Error("the function is only declared");
}

// A test with what it needs, run as often as wanted.
class SpecTest {
 public:
  explicit SpecTest(const Value& test) : test_(test) {}

  // Why it does not pass; empty if it does.
  std::string Run() {
    if (std::string why = Prepare(); !why.empty()) return why;
    if (!test_["disable_check"].IsTrue()) {
      if (std::string why = RunOnce(/*check=*/true); !why.empty()) return why;
    }
    if (test_["check_only"].IsTrue()) return "";
    std::string why = RunOnce(/*check=*/false);
    return why.empty() ? why : "only parsed: " + why;
  }

 private:
  std::string Prepare() {
    static const std::vector<const Library*> kLibraries = {
        &ext::Strings(),  &ext::Math(),           &ext::Lists(),   &ext::Encoders(),
        &ext::Bindings(), &ext::Block(),          &ext::Network(), &ext::OptionalTypes(),
        &ext::Protos(),   &TwoVarComprehensions()};
    EnvOptions options;
    options.container = test_.StringAt("container");
    options.types = TestMessages();
    options.error_on_bad_presence_test = true;
    if (test_["disable_macros"].IsTrue()) {
      options.standard_macros = false;
    } else {
      options.libraries = kLibraries;
    }
    for (const Value& declaration : test_["type_env"].items()) {
      std::string_view name = declaration.StringAt("name");
      if (const Value* ident = declaration.Find("ident")) {
        options.variables.push_back({std::string(name), ReadType((*ident)["type"], arena_)});
      } else {
        AddFunction(name, declaration["function"]);
      }
    }
    options.libraries.push_back(&declared_);
    for (const auto& [name, bound] : test_["bindings"].entries()) {
      auto declared = [&](const Variable& v) { return v.name == name.AsString(); };
      if (std::ranges::any_of(options.variables, declared)) continue;
      options.variables.push_back({std::string(name.AsString()), Type::Dyn()});
    }
    for (const Variable& variable : options.variables) {
      const Value bound = test_["bindings"][variable.name];
      Value value = MakeError(arena_, "no such attribute(s): " + variable.name);
      if (const Value* json = bound.Find("value")) {
        Result<Value> read = ReadValue(*json, arena_);
        if (!read) return "binding " + variable.name + ": " + read.error().ToString();
        value = *read;
      } else if (bound.Find("unknown") != nullptr) {
        const int64_t id = 1;
        value = MakeUnknown(arena_, std::span(&id, 1));
      }
      bindings_.push_back(value);
    }
    Result<std::shared_ptr<const Env>> env = Env::Create(std::move(options));
    if (!env) return env.error().ToString();
    env_ = *env;
    return "";
  }

  void AddFunction(std::string_view name, const Value& function) {
    FunctionDecl decl;
    decl.name = name;
    for (const Value& overload : function["overloads"].items()) {
      Overload made;
      made.id = overload.StringAt("overload_id");
      made.member = overload["is_instance_function"].IsTrue();
      for (const Value& param : overload["params"].items()) {
        made.params.push_back(ReadType(param, arena_));
      }
      made.result = ReadType(overload["result_type"], arena_);
      made.function = NotImplemented;
      decl.overloads.push_back(std::move(made));
    }
    declared_.functions.push_back(std::move(decl));
  }

  std::string RunOnce(bool check) {
    const bool want_error = test_.Find("eval_error") != nullptr;
    const bool want_errors = test_.Find("any_eval_errors") != nullptr;
    Result<std::shared_ptr<Ast>> ast = env_->Parse(test_.StringAt("expr"));
    if (ast && check) ast = env_->Check(*ast);
    if (!ast) {
      // An error of evaluation is wanted; of the checker only where it says so.
      const std::string_view message = test_["eval_error"]["errors"][size_t{0}].StringAt("message");
      return check && !message.empty() && ast.error().message().contains(message)
                 ? ""
                 : ast.error().ToString();
    }
    const Value* typed = test_.Find("typed_result");
    if (check && typed != nullptr) {
      const Type want = ReadType((*typed)["deduced_type"], arena_);
      const Type got = (*ast)->type();
      if (got != want) return "deduced " + got.ToString() + ", want " + want.ToString();
    }
    if (test_["check_only"].IsTrue()) return "";
    Result<std::shared_ptr<const Program>> program = env_->Plan(*ast);
    if (!program) return want_error || want_errors ? "" : program.error().ToString();
    programs_.push_back(*program);
    Evaluator evaluator;
    const Value got = evaluator.Run(**program, bindings_, {}, &arena_).value;
    if (want_error || want_errors) return IsError(got) ? "" : "no error but " + Show(got);
    if (test_.Find("unknown") != nullptr || test_.Find("any_unknowns") != nullptr) {
      return IsUnknown(got) ? "" : "not unknown but " + Show(got);
    }
    Value want = Value::Bool(true);
    const Value* json = typed != nullptr ? typed->Find("result") : test_.Find("value");
    if (json != nullptr) {
      if (const Value* strong = json->Find("enum_value")) {
        if (TypeNameOf(got) != strong->StringAt("type")) return "not an enum but " + Show(got);
      }
      Result<Value> read = ReadValue(*json, arena_);
      if (!read) return "value: " + read.error().ToString();
      want = *read;
    }
    return Same(got, want) ? "" : "got " + Show(got) + ", want " + Show(want);
  }

  const Value& test_;
  Arena arena_;
  Library declared_;
  std::vector<Value> bindings_;
  std::shared_ptr<const Env> env_;
  std::vector<std::shared_ptr<const Program>> programs_;  // values may be views of theirs
};

// --- The files -----------------------------------------------------------------------------------

struct SpecFile {
  const char* name;
  size_t tests;
};
void PrintTo(const SpecFile& file, std::ostream* out) { *out << file.name; }

class Specification : public testing::TestWithParam<SpecFile> {
 public:
  static void TearDownTestSuite() {
    std::cout << "[ counts   ] all files: " << passed_ << " passed, " << skipped_ << " skipped\n";
  }
  static inline size_t passed_ = 0, skipped_ = 0;
};

TEST_P(Specification, Passes) {
  const SpecFile& file = GetParam();
  std::optional<std::string> text = Read(DataFolder() + file.name + ".json");
  if (!text || TestMessages() == nullptr) {
    GTEST_SKIP() << "no conformance data: run tests/conformance/cel/dump.sh";
  }
  Arena arena;
  Result<Value> data = ParseJson(*text, arena);
  ASSERT_TRUE(data.has_value()) << data.error().ToString();
  size_t passed = 0;
  size_t skipped = 0;
  std::set<std::string> names;
  for (const Value& section : (*data)["section"].items()) {
    for (const Value& test : section["test"].items()) {
      std::string name = std::string(file.name) + "/" + std::string(section.StringAt("name")) +
                         "/" + std::string(test.StringAt("name"));
      names.insert(name);
      std::string why = SpecTest(test).Run();
      if (!Skips::All().Has(name)) {
        EXPECT_TRUE(why.empty()) << name << ": " << test.StringAt("expr") << "\n  " << why;
        if (why.empty()) ++passed;
      } else {
        EXPECT_FALSE(why.empty()) << name << " now passes, remove it from skips.txt";
        ++skipped;
      }
    }
  }
  for (const std::string& skip : Skips::All().Of(file.name)) {
    auto first = names.lower_bound(skip);
    const bool known =
        first != names.end() && (skip.ends_with('/') ? first->starts_with(skip) : *first == skip);
    EXPECT_TRUE(known) << skip << ": in skips.txt, but there is no such test";
  }
  std::cout << "[ counts   ] " << file.name << ": " << passed << " passed, " << skipped
            << " skipped\n";
  Specification::passed_ += passed;
  Specification::skipped_ += skipped;
  EXPECT_EQ(passed + skipped, file.tests);
}

INSTANTIATE_TEST_SUITE_P(
    Files, Specification,
    testing::ValuesIn(std::initializer_list<SpecFile>{
        {"basic", 43},          {"bindings_ext", 8}, {"block_ext", 37},    {"comparisons", 406},
        {"conversions", 109},   {"dynamic", 226},    {"encoders_ext", 4},  {"enums", 85},
        {"fields", 60},         {"fp_math", 30},     {"integer_math", 64}, {"lists", 39},
        {"lists_ext", 52},      {"logic", 30},       {"macros", 44},       {"macros2", 46},
        {"math_ext", 199},      {"namespace", 14},   {"network_ext", 69},  {"optionals", 70},
        {"parse", 219},         {"plumbing", 5},     {"proto2", 118},      {"proto2_ext", 18},
        {"proto3", 85},         {"string", 51},      {"string_ext", 216},  {"timestamps", 78},
        {"type_deduction", 47}, {"unknowns", 0},     {"wrappers", 36}}),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace bulwark::cel
