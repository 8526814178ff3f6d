#include "lang/cel/ext/encoders.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Encoders, AnswerAsCelGo) { ExpectAnswers("encoders.txt", *EnvWith({&Encoders()})); }

TEST(Encoders, BytesComeBack) {
  EnvOptions options;
  options.libraries = {&Encoders()};
  options.variables = {{"b", Type::Bytes()}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const Value bindings[] = {Value::Bytes(bytes)};
    Tried tried = Try(*env, "base64.decode(base64.encode(b)) == b", true, bindings);
    EXPECT_TRUE(tried.ok() && tried.value.IsTrue()) << i;
    bytes += static_cast<char>(i * 7);
  }
}

}  // namespace
}  // namespace bulwark::cel::ext
