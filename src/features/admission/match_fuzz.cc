// Two documents: a match and an object. Then the same two as a mutator and what it mutates.

#include <cstdint>
#include <string_view>

#include "features/admission/match.h"
#include "features/admission/mutation.h"
#include "features/admission/suite.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  using namespace bulwark::admission;
  if (size > 16384) return 0;
  Arena arena;
  auto objects =
      ReadSuiteObjects(std::string_view(reinterpret_cast<const char*>(data), size), arena);
  if (!objects || objects->size() < 2) return 0;
  ObjectView view((*objects)[1]);
  NamespaceView ns{"n", view.labels};
  if (auto match = Match::Read((*objects)[0])) {
    (void)match->Matches({view, nullptr, kSourceOriginal}).has_value();
    (void)match->Matches({view, &ns, kSourceGenerated}).has_value();
  }
  if (auto mutator = Mutator::Read((*objects)[0])) {
    MutationSystem system;
    (void)system.Upsert(*std::move(mutator)).has_value();
    (void)system.Mutate({(*objects)[1], &ns, "", kSourceOriginal, ""}, arena).has_value();
  }
  return 0;
}
