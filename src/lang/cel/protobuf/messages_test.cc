#include "lang/cel/protobuf/messages.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include "lang/cel/env.h"

namespace bulwark::cel {
namespace {

// Two small files: pod.proto in proto3, old.proto in proto2.
constexpr const char* kPod = R"(
  name: "pod.proto" package: "pkg" syntax: "proto3"
  dependency: ["google/protobuf/any.proto", "google/protobuf/struct.proto",
               "google/protobuf/wrappers.proto"]
  enum_type { name: "Phase" value { name: "UNKNOWN" number: 0 } value { name: "RUNNING" number: 3 } }
  message_type {
    name: "Pod"
    field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "restarts" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "ports" number: 3 type: TYPE_UINT32 label: LABEL_REPEATED }
    field { name: "labels" number: 4 type: TYPE_MESSAGE label: LABEL_REPEATED
            type_name: ".pkg.Pod.LabelsEntry" }
    field { name: "phase" number: 5 type: TYPE_ENUM label: LABEL_OPTIONAL type_name: ".pkg.Phase" }
    field { name: "owner" number: 6 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: ".pkg.Pod" }
    field { name: "grace" number: 7 type: TYPE_MESSAGE label: LABEL_OPTIONAL
            type_name: ".google.protobuf.Int32Value" }
    field { name: "extra" number: 8 type: TYPE_MESSAGE label: LABEL_OPTIONAL
            type_name: ".google.protobuf.Any" }
    field { name: "json" number: 9 type: TYPE_MESSAGE label: LABEL_OPTIONAL
            type_name: ".google.protobuf.Value" }
    field { name: "host_ip" json_name: "hostIp" number: 10 type: TYPE_BYTES label: LABEL_OPTIONAL }
    field { name: "load" number: 11 type: TYPE_FLOAT label: LABEL_OPTIONAL }
    field { name: "any_of" number: 12 type: TYPE_MESSAGE label: LABEL_REPEATED
            type_name: ".google.protobuf.Any" }
    nested_type {
      name: "LabelsEntry" options { map_entry: true }
      field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
      field { name: "value" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
    }
  })";
constexpr const char* kOld = R"(
  name: "old.proto" package: "pkg" syntax: "proto2"
  message_type {
    name: "Old"
    field { name: "size" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL default_value: "-7" }
    field { name: "group" number: 2 type: TYPE_GROUP label: LABEL_OPTIONAL type_name: ".pkg.Old.Group" }
    field { name: "must" number: 3 type: TYPE_BOOL label: LABEL_REQUIRED }
    nested_type {
      name: "Group"
      field { name: "a" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL }
    }
    extension_range { start: 100 end: 200 }
  }
  extension { name: "note" number: 100 type: TYPE_STRING label: LABEL_OPTIONAL extendee: ".pkg.Old" })";

const std::shared_ptr<const MessageTypes>& Types() {
  static const std::shared_ptr<const MessageTypes> types = [] {
    namespace pb = google::protobuf;
    pb::FileDescriptorSet files;
    pb::Any::descriptor()->file()->CopyTo(files.add_file());
    pb::Value::descriptor()->file()->CopyTo(files.add_file());
    pb::Int32Value::descriptor()->file()->CopyTo(files.add_file());
    EXPECT_TRUE(pb::TextFormat::ParseFromString(kPod, files.add_file()));
    EXPECT_TRUE(pb::TextFormat::ParseFromString(kOld, files.add_file()));
    return MessageTypes::FromDescriptors(files.SerializeAsString()).value();
  }();
  return types;
}

struct Tried {
  Value value;
  std::string error;
};
Tried Try(std::string_view expression, bool check, Arena& arena, Value pod = {}) {
  static const std::shared_ptr<const Env> env = [] {
    EnvOptions options;
    options.container = "pkg";
    options.types = Types();
    options.variables = {{"pod", Types()->FindType("pkg.Pod").value()}};
    options.error_on_bad_presence_test = true;
    return Env::Create(std::move(options)).value();
  }();
  Result<std::shared_ptr<Ast>> ast = env->Parse(expression);
  if (ast && check) ast = env->Check(*ast);
  if (!ast) return {{}, ast.error().message()};
  auto* program = arena.Own<std::shared_ptr<const Program>>(*env->Plan(*ast));
  Value v = Evaluator().Run(**program, std::span(&pod, 1), {}, &arena).value;
  return {v, IsError(v) ? std::string(ErrorMessage(v)) : ""};
}

TEST(Messages, AreMadeReadAndCompared) {
  for (std::string_view expression : {
           "Pod{name: 'a', restarts: 3}.name == 'a'",
           "Pod{}.name == '' && Pod{}.ports == [] && Pod{}.labels == {} && Pod{}.phase == 0",
           "!has(Pod{restarts: 0}.restarts) && has(Pod{restarts: 1}.restarts)",
           "Pod{ports: [1u, 2u]}.ports[1] == 2u && !has(Pod{ports: []}.ports)",
           "Pod{labels: {'a': 1}}.labels == {'a': 1} && Pod{labels: {'a': 1}}.labels.a == 1",
           "Pod{phase: Phase.RUNNING}.phase == 3 && pkg.Phase.RUNNING == 3",
           "Pod{phase: 99}.phase == 99",
           "Pod{owner: Pod{name: 'o'}}.owner.name == 'o' && Pod{}.owner.owner.name == ''",
           "!has(Pod{}.owner) && has(Pod{owner: Pod{}}.owner) && Pod{owner: null} == Pod{}",
           "Pod{}.grace == null && Pod{grace: 5}.grace == 5 && Pod{grace: null} == Pod{}",
           "has(Pod{grace: 0}.grace) && Pod{grace: 0} != Pod{}",
           "Pod{}.extra == null && Pod{extra: Pod{name: 'x'}}.extra.name == 'x'",
           "Pod{extra: [1, 'a']}.extra == [1.0, 'a'] && Pod{extra: 1u}.extra == 1u",
           "Pod{any_of: [1, null]}.any_of == [1, null]",
           "Pod{json: {'a': [1]}}.json == {'a': [1.0]} && Pod{json: Pod{name: 'n', restarts: "
           "1}}.json"
           " == {'name': 'n', 'restarts': 1.0}",
           "Pod{host_ip: b'\\x7f'}.host_ip == b'\\x7f' && Pod{load: 0.1}.load != 0.1",
           "Pod{labels: {'a': 1, 'b': 2}} == Pod{labels: {'b': 2, 'a': 1}}",
           "Pod{ports: [1u, 2u]} != Pod{ports: [2u, 1u]} && Pod{extra: 1} != Pod{extra: 2}",
           "Pod{load: double('NaN')} != Pod{load: double('NaN')}",
           "type(Pod{}) == Pod && type(Pod{}) == pkg.Pod",
           "Old{}.size == -7 && !has(Old{}.size) && has(Old{size: -7}.size)",
           "!Old{}.group.a && Old{group: Old.Group{a: true}}.group.a",
           "Old{}.`pkg.note` == '' && has(Old{`pkg.note`: 'n'}.`pkg.note`)",
       }) {
    for (bool check : {true, false}) {
      Arena arena;
      Tried tried = Try(expression, check, arena);
      EXPECT_TRUE(tried.value.IsTrue()) << expression << "\n" << tried.error;
    }
  }
}

TEST(Messages, RefuseWhatTheyCannotHold) {
  struct Row {
    std::string_view expression, error;
  };
  for (const Row& row : {
           Row{"Pod{restarts: 2147483648}", "range error: value of field 'restarts'"},
           Row{"Pod{ports: [4294967296u]}", "range error: value of field 'ports'"},
           Row{"Pod{phase: 5000000000}", "range error: value of field 'phase'"},
           Row{"Pod{grace: 5000000000}", "range error: integer overflow"},
           Row{"Pod{name: 1}", "unsupported type 'int' of a value for field 'name'"},
           Row{"Pod{name: null}", "unsupported type 'null_type' of a value for field 'name'"},
           Row{"Pod{ports: null}", "unsupported type 'null_type' of a value for field 'ports'"},
           Row{"Pod{owner: Old{}}", "unsupported type 'pkg.Old' of a value for field 'owner'"},
           Row{"Pod{labels: {1: 1}}", "unsupported type 'int' of a value for field 'key'"},
           Row{"Pod{nam: 'x'}", "no such field 'nam'"},
           Row{"Pod{}.nam", "no such field 'nam'"},
           Row{"has(Pod{}.nam)", "no such field 'nam'"},
           Row{"Pod{}.`pkg.note`", "no such field 'pkg.note'"},
           Row{"google.protobuf.Any{type_url: 'x/pkg.Nope'}", "unknown type: pkg.Nope"},
           Row{"google.protobuf.Any{type_url: 'x/pkg.Pod', value: b'\\n'}",
               "malformed message of type pkg.Pod"},
       }) {
    Arena arena;
    Tried tried = Try(row.expression, false, arena);
    EXPECT_EQ(tried.error, row.error) << row.expression;
  }
  Arena arena;
  EXPECT_NE(Try("Pod{name: 1}", true, arena).error, "");
  EXPECT_NE(Try("Pod{}.nam", true, arena).error, "");
}

TEST(Messages, AreParsed) {
  Arena arena;
  Value pod =
      Types()->Parse(arena, "pkg.Pod", "\x0a\x01x\x1a\x02\x05\x06\x22\x05\x0a\x01k\x10\x09");
  EXPECT_TRUE(Try("pod == Pod{name: 'x', ports: [5u, 6u], labels: {'k': 9}}", true, arena, pod)
                  .value.IsTrue());
  EXPECT_TRUE(Types()->Parse(arena, "google.protobuf.Int32Value", "\x08\x05").IsInt());
  EXPECT_TRUE(IsError(Types()->Parse(arena, "pkg.Pod", "\x0a\x05x")));
  EXPECT_TRUE(IsError(Types()->Parse(arena, "pkg.Nope", "")));
  EXPECT_FALSE(MessageTypes::FromDescriptors("\x0a\x05x").has_value());
}

Value Object(Arena& arena, std::vector<std::pair<std::string_view, Value>> entries) {
  MapBuilder map(arena);
  for (const auto& [key, value] : entries) map.Add(key, value);
  return map.Finish();
}

TEST(Messages, AreReadFromJson) {
  Arena arena;
  const Value ports[] = {Value::Int(80)};
  Value json = Object(arena, {{"@type", Value::String("type.googleapis.com/pkg.Pod")},
                              {"name", Value::String("x")},
                              {"ports", Value::Array(ports)},
                              {"labels", Object(arena, {{"k", Value::String("9")}})},
                              {"phase", Value::String("RUNNING")},
                              {"grace", Value::Int(4)},
                              {"owner", Object(arena, {{"hostIp", Value::String("fw==")}})},
                              {"load", Value::String("Infinity")},
                              {"json", Value::Null()},
                              {"restarts", Value::Null()}});
  Result<Value> pod = Types()->FromJson(arena, json);
  ASSERT_TRUE(pod.has_value()) << pod.error().message();
  Tried tried =
      Try("pod == Pod{name: 'x', ports: [80u], labels: {'k': 9}, phase: 3, grace: 4, "
          "owner: Pod{host_ip: b'\\x7f'}, load: double('Infinity'), json: null}",
          true, arena, *pod);
  EXPECT_TRUE(tried.value.IsTrue()) << tried.error;

  Value old = Object(arena, {{"@type", Value::String("x/pkg.Old")},
                             {"[pkg.note]", Value::String("n")},
                             {"Group", Object(arena, {{"a", Value::Bool(true)}})}});
  Result<Value> read = Types()->FromJson(arena, old);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  const auto* object = static_cast<const ObjectValue*>(read->AsOpaque());
  EXPECT_EQ(object->Get(arena, "pkg.note"), Value::String("n"));
  EXPECT_EQ(object->Has("group"), true);
  EXPECT_EQ(object->Has("must"), false);

  using Entries = std::vector<std::pair<std::string_view, Value>>;
  for (const Entries& bad :
       {Entries{{"nam", Value::String("x")}}, Entries{{"name", Value::Int(1)}},
        Entries{{"ports", Value::Int(1)}}, Entries{{"labels", Value::Int(1)}},
        Entries{{"phase", Value::String("NO")}}, Entries{{"owner", Value::Int(1)}},
        Entries{{"restarts", Value::Int(int64_t{1} << 40)}},
        Entries{{"[pkg.note]", Value::String("not Pod's")}},
        Entries{{"@type", Value::String("x/pkg.Nope")}}}) {
    Entries entries = bad;
    entries.insert(entries.begin(), {"@type", Value::String("x/pkg.Pod")});
    EXPECT_FALSE(Types()->FromJson(arena, Object(arena, entries)).has_value()) << bad[0].first;
  }
}

}  // namespace
}  // namespace bulwark::cel
