#include "model/findings.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <tuple>

#include "base/value.h"

namespace bulwark {

namespace {

bool SameExcuse(const Excused& a, const Excused& b) {
  return std::tie(a.reason, a.owner, a.expires, a.by_owner) ==
         std::tie(b.reason, b.owner, b.expires, b.by_owner);
}

}  // namespace

// Neither can hold a NUL: they come from JSON or YAML text that was escaped for reading.
void PackArg(std::string& args, std::string_view name, std::string_view value) {
  args += name;
  args += '\0';
  size_t from = args.size();
  args += value;
  std::replace(args.begin() + static_cast<long>(from), args.end(), '\0', ' ');
  args += '\0';
}

void Findings::Grow() {
  text_index_.assign(std::max<size_t>(1024, std::bit_ceil(text_.size() * 4)), 0);
  indexed_ = 0;
  size_t mask = text_index_.size() - 1;
  for (uint32_t i = 0; i < text_.size(); ++i) {
    uint64_t at = Value::String(text_[i]).Hash();
    while (text_index_[at & mask] != 0) ++at;
    text_index_[at & mask] = i + 1;
    ++indexed_;
  }
}

uint32_t Findings::Intern(std::string_view text, Column& column) {
  if (text_[column.last] == text) return column.last;
  if ((indexed_ + 1) * 2 > text_index_.size()) Grow();
  size_t mask = text_index_.size() - 1;
  uint64_t at = Value::String(text).Hash();  // seeded a process
  for (; text_index_[at & mask] != 0; ++at) {
    uint32_t id = text_index_[at & mask] - 1;
    if (text_[id] == text) return column.last = id;
  }
  if (arenas_.empty()) arenas_.emplace_back(size_t{1} << 16);
  text_.push_back(arenas_.back().Copy(text));
  column.last = static_cast<uint32_t>(text_.size() - 1);
  text_index_[at & mask] = column.last + 1;
  ++indexed_;
  return column.last;
}

uint32_t Findings::InternAsset(const Asset& asset) {
  // The findings of one asset come together.
  if (!assets_.empty() && assets_.back() == asset) return static_cast<uint32_t>(assets_.size() - 1);
  return InternAsset(asset, asset.Key());
}

uint32_t Findings::InternAsset(const Asset& asset, std::string key) {
  auto [at, added] = asset_index_.emplace(key, static_cast<uint32_t>(assets_.size()));
  if (added) {
    assets_.push_back(asset);
    asset_keys_.push_back(std::move(key));
  }
  return at->second;
}

uint16_t Findings::InternExcuse(const Excused& excused) {
  auto same = std::find_if(excuses_.begin() + 1, excuses_.end(),
                           [&](const Excused& e) { return SameExcuse(e, excused); });
  if (same == excuses_.end() && excuses_.size() < UINT16_MAX) {
    excuses_.push_back(excused);
    same = excuses_.end() - 1;
  }
  if (same == excuses_.end()) --same;  // more texts than anybody wrote: the last stands for them
  return static_cast<uint16_t>(same - excuses_.begin());
}

void Findings::Add(const Finding& f, std::string_view stable_path) {
  std::string args;
  for (const auto& [name, value] : f.args) PackArg(args, name, value);
  const Place& place = f.evidence.place;
  Add({.check = f.check,
       .severity = f.severity,
       .status = f.status,
       .asset = &f.asset,
       .path = f.evidence.path,
       .stable_path = stable_path,
       .value = f.evidence.value,
       .container = f.evidence.container,
       .file = place.file,
       .line = place.line,
       .column = place.column,
       .end_line = place.end_line,
       .end_column = place.end_column,
       .args = args,
       .excused = f.excused ? &*f.excused : nullptr,
       .fixable = f.fixable,
       .is_new = f.is_new});
}

void Findings::Add(const FindingView& f) {
  rows_.push_back({.asset = InternAsset(*f.asset),
                   .check = Intern(f.check, check_),
                   .path = Intern(f.path, path_),
                   .stable_path = Intern(f.stable_path, stable_path_),
                   .value = Intern(f.value, value_),
                   .container = Intern(f.container, container_),
                   .file = Intern(f.file, file_),
                   .args = Intern(f.args, args_),
                   .line = f.line,
                   .column = f.column,
                   .end_line = f.end_line,
                   .end_column = f.end_column,
                   .excused = f.excused != nullptr ? InternExcuse(*f.excused) : uint16_t{0},
                   .severity = static_cast<uint8_t>(f.severity),
                   .status = static_cast<uint8_t>(f.status),
                   .fixable = f.fixable,
                   .is_new = f.is_new});
}

void Findings::Merge(Findings&& from) {
  Findings other = std::exchange(from, Findings());
  // Its texts come behind ours as they are: what is equal stands there twice, which costs less than
  // looking for it.
  auto offset = static_cast<uint32_t>(text_.size());
  text_.insert(text_.end(), other.text_.begin(), other.text_.end());
  // Ours stays the last, the one that is filled on.
  arenas_.insert(arenas_.begin(), std::make_move_iterator(other.arenas_.begin()),
                 std::make_move_iterator(other.arenas_.end()));
  std::vector<uint32_t> assets(other.assets_.size());
  for (size_t i = 0; i < assets.size(); ++i) {
    assets[i] = InternAsset(other.assets_[i], std::move(other.asset_keys_[i]));
  }
  std::vector<uint16_t> excuses(other.excuses_.size(), 0);
  for (size_t i = 1; i < excuses.size(); ++i) excuses[i] = InternExcuse(other.excuses_[i]);
  rows_.reserve(rows_.size() + other.rows_.size());
  for (Row row : other.rows_) {
    row.asset = assets[row.asset];
    for (uint32_t* id : {&row.check, &row.path, &row.stable_path, &row.value, &row.container,
                         &row.file, &row.args}) {
      *id += offset;
    }
    row.excused = excuses[row.excused];
    rows_.push_back(row);
  }
}

void Findings::Sort() {
  // By asset first, which are few: each one's rows are counted into their place, and sorted there.
  std::vector<uint32_t> order(assets_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return asset_keys_[a] < asset_keys_[b]; });
  std::vector<size_t> first(assets_.size() + 1, 0);  // by asset: where its rows begin
  for (const Row& row : rows_) ++first[row.asset];
  size_t before = 0;
  for (uint32_t asset : order) before += std::exchange(first[asset], before);
  std::vector<size_t> end = first;
  std::vector<Row> sorted(rows_.size());
  for (const Row& row : rows_) sorted[end[row.asset]++] = row;
  rows_ = std::move(sorted);
  auto before_in_asset = [&](const Row& a, const Row& b) {
    if (a.severity != b.severity) return a.severity > b.severity;
    auto compare = [&](uint32_t x, uint32_t y) { return x == y ? 0 : text_[x].compare(text_[y]); };
    if (int order_of = compare(a.check, b.check); order_of != 0) return order_of < 0;
    if (int order_of = compare(a.file, b.file); order_of != 0) return order_of < 0;
    if (a.line != b.line) return a.line < b.line;
    if (a.column != b.column) return a.column < b.column;
    if (int order_of = compare(a.path, b.path); order_of != 0) return order_of < 0;
    if (int order_of = compare(a.value, b.value); order_of != 0) return order_of < 0;
    return compare(a.args, b.args) < 0;
  };
  for (size_t asset = 0; asset < assets_.size(); ++asset) {
    std::sort(rows_.begin() + static_cast<long>(first[asset]),
              rows_.begin() + static_cast<long>(end[asset]), before_in_asset);
  }
}

void Findings::Filter(const std::function<bool(const Finding&)>& keep) {
  size_t kept = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (keep((*this)[i])) rows_[kept++] = rows_[i];
  }
  rows_.resize(kept);
}

FindingView Findings::View(size_t i) const {
  const Row& row = rows_[i];
  return {.check = text_[row.check],
          .severity = static_cast<Severity>(row.severity),
          .status = static_cast<Status>(row.status),
          .asset = &assets_[row.asset],
          .path = text_[row.path],
          .stable_path = text_[row.stable_path],
          .value = text_[row.value],
          .container = text_[row.container],
          .file = text_[row.file],
          .line = row.line,
          .column = row.column,
          .end_line = row.end_line,
          .end_column = row.end_column,
          .args = text_[row.args],
          .excused = row.excused != 0 ? &excuses_[row.excused] : nullptr,
          .fixable = row.fixable != 0,
          .is_new = row.is_new != 0};
}

Finding Findings::operator[](size_t i) const {
  FindingView view = View(i);
  Finding f;
  f.check = view.check;
  f.severity = view.severity;
  f.status = view.status;
  f.asset = *view.asset;
  f.id = FindingId(f.check, AssetKeyOf(i), view.stable_path);
  f.evidence.path = view.path;
  f.evidence.value = view.value;
  f.evidence.container = view.container;
  f.evidence.place = {std::string(view.file), view.line, view.column, view.end_line,
                      view.end_column};
  ForEachArg(view.args, [&](std::string_view name, std::string_view value) {
    f.args.emplace_back(name, value);
  });
  if (view.excused != nullptr) f.excused = *view.excused;
  f.fixable = view.fixable;
  f.is_new = view.is_new;
  return f;
}

}  // namespace bulwark
