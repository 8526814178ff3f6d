#include "lang/cel/ext/bindings.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

std::vector<std::string> CompileErrors(const Library& library, std::string_view expression) {
  return Try(*EnvWith({&library}), expression).compile_errors;
}

TEST(Block, SlotsMaySeeTheOnesBeforeThem) {
  ExpectAllTrue(*EnvWith({&Block()}), {
                                          "cel.block([1, cel.index(0) + 1], cel.index(1)) == 2",
                                          "cel.block([], 5) == 5",
                                          // What is not used may fail.
                                          "cel.block([1 / 0], true)",
                                          "cel.block([1 / 0], true || cel.index(0) == 1)",
                                      });
}

TEST(Block, RefusesWhatItIsNot) {
  EXPECT_EQ(CompileErrors(Block(), "cel.block(1, 2)"),
            std::vector<std::string>{"cel.block requires the first arg to be a list literal"});
  EXPECT_EQ(CompileErrors(Block(), "cel.index('a')"),
            std::vector<std::string>{"cel.index requires a single non-negative int constant arg"});
  EXPECT_EQ(CompileErrors(Block(), "cel.index(-1)"),
            std::vector<std::string>{"cel.index requires a single non-negative int constant arg"});
  EXPECT_EQ(CompileErrors(Block(), "[1].map(cel.iterVar(0, 'x'), 1)").at(0),
            "cel.iterVar requires two non-negative int constant args");
  EXPECT_FALSE(CompileErrors(Block(), "cel.block([1], cel.index(1))").empty());
}

TEST(Bindings, OnlyOnTheirNamespace) {
  EXPECT_FALSE(CompileErrors(Bindings(), "[1].bind(a, 1, a)").empty());
}

}  // namespace
}  // namespace bulwark::cel::ext
