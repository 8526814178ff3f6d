#include "model/findings.h"

#include <algorithm>
#include <tuple>

namespace bulwark {

namespace {

// Arguments are stored as one text: name, value, name, value …, each ended by a NUL. Neither can
// hold one: they come from JSON or YAML text that was escaped for reading.
std::string PackArgs(const MessageArgs& args) {
  std::string out;
  for (const auto& [name, value] : args) {
    out += name;
    out += '\0';
    for (char c : value) out += c == '\0' ? ' ' : c;
    out += '\0';
  }
  return out;
}

MessageArgs UnpackArgs(std::string_view packed) {
  MessageArgs args;
  auto next = [&] {
    size_t end = packed.find('\0');
    std::string out(packed.substr(0, end));
    packed.remove_prefix(end + 1);
    return out;
  };
  while (!packed.empty()) {
    std::string name = next();
    args.emplace_back(std::move(name), next());
  }
  return args;
}

bool SameExcuse(const Excused& a, const Excused& b) {
  return std::tie(a.reason, a.owner, a.expires, a.by_owner) ==
         std::tie(b.reason, b.owner, b.expires, b.by_owner);
}

}  // namespace

uint32_t Findings::Intern(std::string_view text) {
  auto found = text_index_.find(text);
  if (found != text_index_.end()) return found->second;
  std::string_view kept = arena_.Copy(text);
  text_.push_back(kept);
  uint32_t id = static_cast<uint32_t>(text_.size() - 1);
  text_index_.emplace(kept, id);
  return id;
}

uint32_t Findings::InternAsset(const Asset& asset) {
  // The findings of one asset come together.
  if (!assets_.empty() && assets_.back() == asset) return static_cast<uint32_t>(assets_.size() - 1);
  std::string key = asset.Key();
  auto [at, added] = asset_index_.emplace(key, static_cast<uint32_t>(assets_.size()));
  if (added) {
    assets_.push_back(asset);
    asset_keys_.push_back(std::move(key));
  }
  return at->second;
}

void Findings::Add(const Finding& f, std::string_view stable_path) {
  uint16_t excused = 0;
  if (f.excused) {
    auto same = std::find_if(excuses_.begin() + 1, excuses_.end(),
                             [&](const Excused& e) { return SameExcuse(e, *f.excused); });
    if (same == excuses_.end() && excuses_.size() < UINT16_MAX) {
      excuses_.push_back(*f.excused);
      same = excuses_.end() - 1;
    }
    if (same == excuses_.end()) --same;  // more texts than anybody wrote: the last stands for them
    excused = static_cast<uint16_t>(same - excuses_.begin());
  }
  rows_.push_back({.asset = InternAsset(f.asset),
                   .check = Intern(f.check),
                   .path = Intern(f.evidence.path),
                   .stable_path = Intern(stable_path),
                   .value = Intern(f.evidence.value),
                   .container = Intern(f.evidence.container),
                   .file = Intern(f.evidence.place.file),
                   .args = Intern(PackArgs(f.args)),
                   .line = f.evidence.place.line,
                   .column = f.evidence.place.column,
                   .end_line = f.evidence.place.end_line,
                   .end_column = f.evidence.place.end_column,
                   .excused = excused,
                   .severity = static_cast<uint8_t>(f.severity),
                   .status = static_cast<uint8_t>(f.status),
                   .fixable = f.fixable,
                   .is_new = f.is_new});
}

void Findings::Merge(const Findings& other) {
  std::vector<uint32_t> text(other.text_.size());
  for (size_t i = 0; i < text.size(); ++i) text[i] = Intern(other.text_[i]);
  std::vector<uint32_t> assets(other.assets_.size());
  for (size_t i = 0; i < assets.size(); ++i) assets[i] = InternAsset(other.assets_[i]);
  std::vector<uint16_t> excuses(other.excuses_.size(), 0);
  for (size_t i = 1; i < excuses.size(); ++i) {
    auto same = std::find_if(excuses_.begin() + 1, excuses_.end(),
                             [&](const Excused& e) { return SameExcuse(e, other.excuses_[i]); });
    if (same == excuses_.end() && excuses_.size() < UINT16_MAX) {
      excuses_.push_back(other.excuses_[i]);
      same = excuses_.end() - 1;
    }
    if (same == excuses_.end()) --same;
    excuses[i] = static_cast<uint16_t>(same - excuses_.begin());
  }
  rows_.reserve(rows_.size() + other.rows_.size());
  for (Row row : other.rows_) {
    row.asset = assets[row.asset];
    for (uint32_t* id : {&row.check, &row.path, &row.stable_path, &row.value, &row.container,
                         &row.file, &row.args}) {
      *id = text[*id];
    }
    row.excused = excuses[row.excused];
    rows_.push_back(row);
  }
}

void Findings::Sort() {
  // Ranks first, so that sorting compares numbers rather than texts.
  auto ranks = [](const auto& texts) {
    std::vector<uint32_t> order(texts.size()), rank(texts.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return texts[a] < texts[b]; });
    for (uint32_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
    return rank;
  };
  std::vector<uint32_t> asset_rank = ranks(asset_keys_);
  std::vector<uint32_t> text_rank = ranks(text_);
  std::sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) {
    auto key = [&](const Row& r) {
      return std::make_tuple(asset_rank[r.asset], -static_cast<int>(r.severity), text_rank[r.check],
                             text_rank[r.file], r.line, r.column, text_rank[r.path],
                             text_rank[r.value], text_rank[r.args]);
    };
    return key(a) < key(b);
  });
}

void Findings::Filter(const std::function<bool(const Finding&)>& keep) {
  size_t kept = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (keep((*this)[i])) rows_[kept++] = rows_[i];
  }
  rows_.resize(kept);
}

Finding Findings::operator[](size_t i) const {
  const Row& row = rows_[i];
  Finding f;
  f.check = text_[row.check];
  f.severity = static_cast<Severity>(row.severity);
  f.status = static_cast<Status>(row.status);
  f.asset = assets_[row.asset];
  f.id = FindingId(f.check, asset_keys_[row.asset], text_[row.stable_path]);
  f.evidence.path = text_[row.path];
  f.evidence.value = text_[row.value];
  f.evidence.container = text_[row.container];
  f.evidence.place = {std::string(text_[row.file]), row.line, row.column, row.end_line,
                      row.end_column};
  f.args = UnpackArgs(text_[row.args]);
  if (row.excused != 0) f.excused = excuses_[row.excused];
  f.fixable = row.fixable;
  f.is_new = row.is_new;
  return f;
}

}  // namespace bulwark
