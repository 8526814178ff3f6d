#pragma once

// Findings: very many findings in little memory. What repeats (assets, paths, values, names of
// files) is stored once; a finding is some fifty bytes, and is put together when it is looked at.
//
//   for (Finding f : report.findings) …      // by value
//
// Not thread-safe while being filled; each worker fills its own, and Merge() joins them.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "model/finding.h"

namespace bulwark {

// A finding in parts that somebody else keeps: what writers read and workers add, many thousands a
// second. Fields as Finding's.
struct FindingView {
  std::string_view check;
  Severity severity = Severity::kUnknown;
  Status status = Status::kFail;
  const Asset* asset = nullptr;
  std::string_view path, stable_path, value, container, file;
  uint32_t line = 0, column = 0, end_line = 0, end_column = 0;
  // Name, value, name, value …, each ended by a NUL (PackArg).
  std::string_view args;
  const Excused* excused = nullptr;
  bool fixable = false, is_new = false;
};

// Appends an argument to FindingView::args.
void PackArg(std::string& args, std::string_view name, std::string_view value);
// Calls f(name, value) for each of FindingView::args.
template <typename F>
void ForEachArg(std::string_view packed, F&& f) {
  while (!packed.empty()) {
    size_t name = packed.find('\0');
    size_t value = packed.find('\0', name + 1);
    f(packed.substr(0, name), packed.substr(name + 1, value - name - 1));
    packed.remove_prefix(value + 1);
  }
}

class Findings {
 public:
  // `stable_path` is Evidence::path with list indices replaced by names where items have them; it
  // goes into the id and nowhere else. Finding::id is made on reading.
  void Add(const Finding& finding, std::string_view stable_path);
  void Add(const FindingView& finding);
  // Takes what the other has, which is empty then.
  void Merge(Findings&& other);
  // By asset key, then worst first, check, path.
  void Sort();
  // Keeps those for which `keep` is true.
  void Filter(const std::function<bool(const Finding&)>& keep);

  size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  Finding operator[](size_t i) const;
  // Good as long as nothing is added. Of the asset, the address tells two apart.
  FindingView View(size_t i) const;
  std::string_view AssetKeyOf(size_t i) const { return asset_keys_[rows_[i].asset]; }
  // For writers that need only one thing of it.
  const Asset& AssetOf(size_t i) const { return assets_[rows_[i].asset]; }
  Severity SeverityOf(size_t i) const { return static_cast<Severity>(rows_[i].severity); }
  std::string_view CheckOf(size_t i) const { return text_[rows_[i].check]; }
  bool IsExcused(size_t i) const { return rows_[i].excused != 0; }
  Status StatusOf(size_t i) const { return static_cast<Status>(rows_[i].status); }
  std::string_view FileOf(size_t i) const { return text_[rows_[i].file]; }
  bool IsFixable(size_t i) const { return rows_[i].fixable; }
  // Changes what is found out late.
  void SetFixable(size_t i, bool fixable) { rows_[i].fixable = fixable; }
  void SetNew(size_t i, bool is_new) { rows_[i].is_new = is_new; }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Finding;
    using difference_type = std::ptrdiff_t;
    Iterator(const Findings* all, size_t at) : all_(all), at_(at) {}
    Finding operator*() const { return (*all_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Findings* all_;
    size_t at_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  struct Row {
    uint32_t asset, check, path, stable_path, value, container, file, args;
    uint32_t line, column, end_line, end_column;
    uint16_t excused;  // index in excuses_, 0: not
    uint8_t severity : 4, status : 4;
    uint8_t fixable : 1, is_new : 1;
  };
  // The texts of one column; what it held last mostly comes again.
  struct Column {
    uint32_t last = 0;
  };
  uint32_t Intern(std::string_view text, Column& column);
  uint32_t InternAsset(const Asset& asset);
  uint32_t InternAsset(const Asset& asset, std::string key);
  uint16_t InternExcuse(const Excused& excused);
  void Grow();

  std::vector<Row> rows_;
  std::vector<Asset> assets_;
  std::vector<std::string> asset_keys_;
  std::vector<Excused> excuses_{{}};
  std::vector<Arena> arenas_;
  std::vector<std::string_view> text_{std::string_view()};
  // Open addressing: number of a text + 1. What was merged is not in it: a text may stand there
  // twice.
  std::vector<uint32_t> text_index_;
  size_t indexed_ = 0;
  Column check_, path_, stable_path_, value_, container_, file_, args_;
  std::unordered_map<std::string, uint32_t> asset_index_;
};

}  // namespace bulwark
