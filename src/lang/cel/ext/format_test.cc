#include "lang/cel/ext/format.h"

#include "lang/cel/ext/json_patch.h"
#include "lang/cel/ext/optionals.h"
#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Format, AnswersAsKubernetes) {
  ExpectAnswers("format.txt", *EnvWith({&OptionalTypes(), &Formats(), &JsonPatch()}));
}

TEST(Format, ThirteenByName) {
  EXPECT_EQ(NamedFormats().size(), 13u);
  std::shared_ptr<const Env> env = EnvWith({&OptionalTypes(), &Formats()});
  for (const NamedFormat& format : NamedFormats()) {
    std::string name(format.name);
    ExpectAllTrue(*env, {"format.named('" + name + "').value() == format." + name + "()",
                         "type(format." + name + "()) == type(format.uri())"});
  }
}

}  // namespace
}  // namespace bulwark::cel::ext
