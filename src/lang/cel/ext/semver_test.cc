#include "lang/cel/ext/semver.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Semver, AnswersAsKubernetes) { ExpectAnswers("semver.txt", *EnvWith({&Semvers()})); }

}  // namespace
}  // namespace bulwark::cel::ext
