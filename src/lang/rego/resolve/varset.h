#pragma once

// A set of small numbers: the ids of a rule's variables. The first 64 take no allocation.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bulwark::rego {

class VarSet {
 public:
  bool Has(uint32_t id) const {
    if (id < 64) return (first_ >> id & 1) != 0;
    const size_t word = id / 64 - 1;
    return word < rest_.size() && (rest_[word] >> id % 64 & 1) != 0;
  }
  // True if it was not there.
  bool Add(uint32_t id) {
    if (Has(id)) return false;
    Word(id) |= uint64_t{1} << id % 64;
    return true;
  }
  void Remove(uint32_t id) {
    if (Has(id)) Word(id) &= ~(uint64_t{1} << id % 64);
  }
  void Add(const VarSet& other) {
    first_ |= other.first_;
    if (rest_.size() < other.rest_.size()) rest_.resize(other.rest_.size());
    for (size_t i = 0; i < other.rest_.size(); ++i) rest_[i] |= other.rest_[i];
  }
  void Remove(const VarSet& other) {
    first_ &= ~other.first_;
    for (size_t i = 0; i < rest_.size() && i < other.rest_.size(); ++i) rest_[i] &= ~other.rest_[i];
  }
  void Keep(const VarSet& other) {
    first_ &= other.first_;
    for (size_t i = 0; i < rest_.size(); ++i)
      rest_[i] &= i < other.rest_.size() ? other.rest_[i] : 0;
  }
  bool Within(const VarSet& other) const {
    if ((first_ & ~other.first_) != 0) return false;
    for (size_t i = 0; i < rest_.size(); ++i) {
      if ((rest_[i] & ~(i < other.rest_.size() ? other.rest_[i] : 0)) != 0) return false;
    }
    return true;
  }
  bool empty() const {
    if (first_ != 0) return false;
    for (uint64_t word : rest_) {
      if (word != 0) return false;
    }
    return true;
  }
  void Clear() {
    first_ = 0;
    rest_.clear();
  }
  template <typename F>
  void ForEach(F&& each) const {
    for (uint64_t bits = first_; bits != 0; bits &= bits - 1)
      each(static_cast<uint32_t>(std::countr_zero(bits)));
    for (size_t i = 0; i < rest_.size(); ++i) {
      for (uint64_t bits = rest_[i]; bits != 0; bits &= bits - 1)
        each(static_cast<uint32_t>((i + 1) * 64 + std::countr_zero(bits)));
    }
  }
  friend bool operator==(const VarSet& a, const VarSet& b) { return a.Within(b) && b.Within(a); }

 private:
  uint64_t& Word(uint32_t id) {
    if (id < 64) return first_;
    const size_t word = id / 64 - 1;
    if (rest_.size() <= word) rest_.resize(word + 1);
    return rest_[word];
  }
  uint64_t first_ = 0;
  std::vector<uint64_t> rest_;
};

}  // namespace bulwark::rego
