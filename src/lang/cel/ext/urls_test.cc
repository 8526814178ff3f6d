#include "lang/cel/ext/urls.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Urls, AnswersAsKubernetes) { ExpectAnswers("urls.txt", *EnvWith({&Urls()})); }

}  // namespace
}  // namespace bulwark::cel::ext
