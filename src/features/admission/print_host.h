#pragma once

// A Rego host that keeps what policies print() and gives them nothing else. As gator's, it keeps a
// megabyte and says where it left something out. One a thread.

#include <string>
#include <string_view>

#include "lang/rego/builtins/builtin.h"

namespace bulwark::admission {

class PrintHost final : public rego::Host {
 public:
  explicit PrintHost(std::string& out) : out_(out) {}
  void Print(std::string_view text, std::string_view place) override;

 private:
  static constexpr size_t kMost = size_t{1} << 20;
  std::string& out_;
  size_t written_ = 0;
  bool truncated_ = false;
};

}  // namespace bulwark::admission
