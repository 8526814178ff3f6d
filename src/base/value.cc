#include "base/value.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>

namespace bulwark {

namespace {

// Up to this many entries a scan is faster than a hash.
constexpr size_t kScan = 8;

uint64_t Mix(uint64_t h) {
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93U;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93U;
  return h ^ (h >> 32);
}

// Seeded anew in each process, so that nobody can prepare keys that all fall into one place.
uint64_t HashText(std::string_view text) {
  static const uint64_t seed = [] {
    uint64_t random = 0;
    if (::getentropy(&random, sizeof random) != 0) random = reinterpret_cast<uintptr_t>(&kScan);
    return random;
  }();
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

int Sign(const auto& a, const auto& b) { return a < b ? -1 : (b < a ? 1 : 0); }

// The mathematical order of an int64 and a double. NaN stands first.
int CompareIntDouble(int64_t i, double d) {
  if (std::isnan(d)) return 1;
  if (d >= kTwo63) return -1;
  if (d < -kTwo63) return 1;
  int64_t whole = static_cast<int64_t>(d);
  if (int s = Sign(i, whole); s != 0) return s;
  return Sign(0.0, d - static_cast<double>(whole));
}

int CompareUintDouble(uint64_t u, double d) {
  if (std::isnan(d)) return 1;
  if (d >= kTwo64) return -1;
  if (d < 0) return 1;
  uint64_t whole = static_cast<uint64_t>(d);
  if (int s = Sign(u, whole); s != 0) return s;
  return Sign(0.0, d - static_cast<double>(whole));
}

int CompareDoubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return Sign(!std::isnan(a), !std::isnan(b));
  return Sign(a, b);
}

// A decimal taken apart: sign, digits without leading or trailing zeros, and the exponent of the
// point before the first digit (0.digits x 10^exponent).
struct Digits {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};

Digits TakeApart(std::string_view text) {
  Digits out;
  size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) out.negative = text[i++] == '-';
  int64_t whole = 0;
  bool point = false;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    if (!point) ++whole;
    out.digits += text[i];
  }
  int64_t exponent = 0;
  if (i < text.size()) {
    ++i;
    bool minus = i < text.size() && text[i] == '-';
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    for (; i < text.size(); ++i)
      exponent = std::min<int64_t>(exponent * 10 + (text[i] - '0'), 1'000'000'000);
    if (minus) exponent = -exponent;
  }
  size_t zeros = out.digits.find_first_not_of('0');
  if (zeros == std::string::npos) return {};
  out.digits.erase(0, zeros);
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  out.exponent = whole - static_cast<int64_t>(zeros) + exponent;
  return out;
}

int CompareDigits(const Digits& a, const Digits& b) {
  bool a_zero = a.digits.empty();
  bool b_zero = b.digits.empty();
  int a_sign = a_zero ? 0 : (a.negative ? -1 : 1);
  int b_sign = b_zero ? 0 : (b.negative ? -1 : 1);
  if (a_sign != b_sign) return Sign(a_sign, b_sign);
  if (a_sign == 0) return 0;
  int magnitude = Sign(a.exponent, b.exponent);
  if (magnitude == 0) magnitude = Sign(a.digits, b.digits);
  return a_sign * magnitude;
}

Digits DigitsOf(const Value& v) {
  char buffer[512];
  switch (v.kind()) {
    case Value::Kind::kInt: return TakeApart(std::to_string(v.AsInt()));
    case Value::Kind::kUint: return TakeApart(std::to_string(v.AsUint()));
    case Value::Kind::kDouble: {
      // Seventeen digits name a double; its exact value is not needed to tell it from a decimal
      // that a parser kept because no double prints like it.
      auto end = std::to_chars(buffer, buffer + sizeof buffer, v.AsDouble()).ptr;
      return TakeApart({buffer, static_cast<size_t>(end - buffer)});
    }
    default: return TakeApart(v.AsString());
  }
}

int CompareNumbers(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.kind() == b.kind()) {
    switch (a.kind()) {
      case Kind::kInt: return Sign(a.AsInt(), b.AsInt());
      case Kind::kUint: return Sign(a.AsUint(), b.AsUint());
      case Kind::kDouble: return CompareDoubles(a.AsDouble(), b.AsDouble());
      default: return CompareDigits(DigitsOf(a), DigitsOf(b));
    }
  }
  if (a.kind() > b.kind()) return -CompareNumbers(b, a);
  if (b.kind() == Kind::kDecimal) {
    if (a.IsDouble()) {
      double d = a.AsDouble();
      if (std::isnan(d) || std::isinf(d)) return std::isnan(d) || d < 0 ? -1 : 1;
    }
    return CompareDigits(DigitsOf(a), DigitsOf(b));
  }
  if (b.kind() == Kind::kUint) {  // int, uint
    return a.AsInt() < 0 ? -1 : Sign(static_cast<uint64_t>(a.AsInt()), b.AsUint());
  }
  return a.kind() == Kind::kInt ? CompareIntDouble(a.AsInt(), b.AsDouble())
                                : CompareUintDouble(a.AsUint(), b.AsDouble());
}

uint64_t Load64(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint32_t Load32(const char* at) {
  uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// memcmp() == 0 without a call for what keys usually are: up to 16 bytes.
bool SameBytes(const char* a, const char* b, size_t size) {
  if (a == b) return true;
  if (size > 16) return std::memcmp(a, b, size) == 0;
  if (size >= 8) return Load64(a) == Load64(b) && Load64(a + size - 8) == Load64(b + size - 8);
  if (size >= 4) return Load32(a) == Load32(b) && Load32(a + size - 4) == Load32(b + size - 4);
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

// True if each key stands before the next one in the total order.
bool SortedByKey(std::span<const Value::Entry> entries) {
  for (size_t i = 1; i < entries.size(); ++i) {
    if (Value::Compare(entries[i - 1].key, entries[i].key) >= 0) return false;
  }
  return true;
}

int CompareEntries(std::span<const Value::Entry> a, std::span<const Value::Entry> b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (int s = Value::Compare(a[i].key, b[i].key); s != 0) return s;
    if (int s = Value::Compare(a[i].value, b[i].value); s != 0) return s;
  }
  return Sign(a.size(), b.size());
}

// The rank of a kind in the total order: all numbers share one.
int Rank(const Value& v) {
  return v.IsNumber() ? static_cast<int>(Value::Kind::kInt) : static_cast<int>(v.kind());
}

uint64_t HashNumber(const Value& v) {
  if (auto i = v.ToInt()) return Mix(static_cast<uint64_t>(*i) + 0x9e37U);
  if (v.IsUint()) return Mix(v.AsUint());
  double d = v.ToDouble();
  if (d > 0 && d < kTwo64 && d == std::floor(d)) return Mix(static_cast<uint64_t>(d));
  return Mix(std::bit_cast<uint64_t>(d));
}

}  // namespace

double Value::ToDouble() const {
  switch (kind_) {
    case Kind::kInt: return static_cast<double>(u_.integer);
    case Kind::kUint: return static_cast<double>(u_.unsigned_integer);
    case Kind::kDouble: return u_.real;
    case Kind::kDecimal: {
      double d = 0;
      auto [end, error] = std::from_chars(u_.text, u_.text + size_, d);
      if (error == std::errc::result_out_of_range) {
        Digits digits = TakeApart(View());
        d = digits.exponent > 0 ? HUGE_VAL : 0.0;
        return digits.negative ? -d : d;
      }
      return d;
    }
    default: CheckFailed("ToDouble() of what is not a number");
  }
}

std::optional<int64_t> Value::ToInt() const {
  switch (kind_) {
    case Kind::kInt: return u_.integer;
    case Kind::kUint:
      if (u_.unsigned_integer > INT64_MAX) return std::nullopt;
      return static_cast<int64_t>(u_.unsigned_integer);
    case Kind::kDouble: {
      double d = u_.real;
      if (!(d >= -kTwo63 && d < kTwo63) || d != std::floor(d)) return std::nullopt;
      return static_cast<int64_t>(d);
    }
    case Kind::kDecimal: {
      Digits digits = TakeApart(View());
      if (digits.digits.empty()) return 0;
      if (digits.exponent > 19 || digits.exponent < static_cast<int64_t>(digits.digits.size())) {
        return std::nullopt;
      }
      digits.digits.resize(static_cast<size_t>(digits.exponent), '0');
      if (digits.negative) digits.digits.insert(0, "-");
      int64_t i = 0;
      const char* end = digits.digits.data() + digits.digits.size();
      auto [at, error] = std::from_chars(digits.digits.data(), end, i);
      if (error != std::errc() || at != end) return std::nullopt;
      return i;
    }
    default: return std::nullopt;
  }
}

const Value* Value::Find(std::string_view key) const {
  if (kind_ != Kind::kMap || size_ == 0) return nullptr;
  const MapRep& map = *u_.map;
  if (map.index == nullptr) {
    for (uint32_t i = 0; i < size_; ++i) {
      const Value& k = map.entries[i].key;
      if (k.size_ == key.size() && k.kind_ == Kind::kString &&
          SameBytes(k.u_.text, key.data(), key.size())) {
        return &map.entries[i].value;
      }
    }
    return nullptr;
  }
  return Find(String(key));
}

const Value* Value::Find(const Value& key) const {
  if (kind_ != Kind::kMap || size_ == 0) return nullptr;
  const MapRep& map = *u_.map;
  if (map.index == nullptr) {
    for (uint32_t i = 0; i < size_; ++i) {
      if (Equal(map.entries[i].key, key)) return &map.entries[i].value;
    }
    return nullptr;
  }
  for (uint64_t at = key.Hash();; ++at) {
    uint32_t slot = map.index[at & map.mask];
    if (slot == 0) return nullptr;
    if (Equal(map.entries[slot - 1].key, key)) return &map.entries[slot - 1].value;
  }
}

bool Value::Contains(const Value& item) const {
  std::span<const Value> all = items();
  if (kind_ == Kind::kSet) {
    return std::binary_search(all.begin(), all.end(), item,
                              [](const Value& a, const Value& b) { return Compare(a, b) < 0; });
  }
  return std::find(all.begin(), all.end(), item) != all.end();
}

bool Value::Equal(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) {
    if (!a.IsNumber() || !b.IsNumber()) return false;
    if (a.IsDouble() && std::isnan(a.u_.real)) return false;
    if (b.IsDouble() && std::isnan(b.u_.real)) return false;
    return CompareNumbers(a, b) == 0;
  }
  switch (a.kind_) {
    case Kind::kNull: return true;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kUint: return a.u_.integer == b.u_.integer;
    case Kind::kDouble: return a.u_.real == b.u_.real;
    case Kind::kDecimal: return CompareNumbers(a, b) == 0;
    case Kind::kString:
    case Kind::kBytes: return a.size_ == b.size_ && SameBytes(a.u_.text, b.u_.text, a.size_);
    case Kind::kTimestamp:
    case Kind::kDuration: return a.u_.integer == b.u_.integer && a.size_ == b.size_;
    case Kind::kArray:
    case Kind::kSet: {
      if (a.size_ != b.size_) return false;
      for (uint32_t i = 0; i < a.size_; ++i) {
        if (!Equal(a.u_.items[i], b.u_.items[i])) return false;
      }
      return true;
    }
    case Kind::kMap: {
      if (a.size_ != b.size_) return false;
      for (const Entry& entry : a.entries()) {
        const Value* other = b.Find(entry.key);
        if (other == nullptr || !Equal(entry.value, *other)) return false;
      }
      return true;
    }
    case Kind::kOpaque: return a.u_.opaque == b.u_.opaque || a.u_.opaque->Equals(*b.u_.opaque);
  }
  BW_UNREACHABLE();
}

int Value::Compare(const Value& a, const Value& b) {
  if (int s = Sign(Rank(a), Rank(b)); s != 0) return s;
  switch (a.kind_) {
    case Kind::kNull: return 0;
    case Kind::kBool: return Sign(a.u_.integer, b.u_.integer);
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
    case Kind::kDecimal: return CompareNumbers(a, b);
    case Kind::kString:
    case Kind::kBytes:
      if (a.u_.text == b.u_.text) return Sign(a.size_, b.size_);
      return Sign(a.View().compare(b.View()), 0);
    case Kind::kTimestamp:
    case Kind::kDuration: {
      if (int s = Sign(a.u_.integer, b.u_.integer); s != 0) return s;
      return Sign(static_cast<int32_t>(a.size_), static_cast<int32_t>(b.size_));
    }
    case Kind::kArray:
    case Kind::kSet: {
      if (a.u_.items == b.u_.items) return Sign(a.size_, b.size_);
      for (uint32_t i = 0; i < std::min(a.size_, b.size_); ++i) {
        if (int s = Compare(a.u_.items[i], b.u_.items[i]); s != 0) return s;
      }
      return Sign(a.size_, b.size_);
    }
    case Kind::kMap: {
      if (a.u_.map == b.u_.map && a.size_ == b.size_) return 0;
      if (SortedByKey(a.entries()) && SortedByKey(b.entries()))
        return CompareEntries(a.entries(), b.entries());
      auto sorted = [](const Value& map) {
        std::vector<const Entry*> out;
        out.reserve(map.size_);
        for (const Entry& entry : map.entries()) out.push_back(&entry);
        std::sort(out.begin(), out.end(),
                  [](const Entry* x, const Entry* y) { return Compare(x->key, y->key) < 0; });
        return out;
      };
      auto left = sorted(a);
      auto right = sorted(b);
      for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
        if (int s = Compare(left[i]->key, right[i]->key); s != 0) return s;
        if (int s = Compare(left[i]->value, right[i]->value); s != 0) return s;
      }
      return Sign(left.size(), right.size());
    }
    case Kind::kOpaque: {
      if (a.u_.opaque == b.u_.opaque || a.u_.opaque->Equals(*b.u_.opaque)) return 0;
      if (int s = Sign(a.u_.opaque->TypeName(), b.u_.opaque->TypeName()); s != 0) return s;
      if (int s = Sign(a.u_.opaque->ToString(), b.u_.opaque->ToString()); s != 0) return s;
      return Sign(a.u_.opaque, b.u_.opaque);
    }
  }
  BW_UNREACHABLE();
}

uint64_t Value::Hash() const {
  switch (kind_) {
    case Kind::kNull: return 0x6e756c6c;
    case Kind::kBool: return Mix(u_.integer != 0 ? 0x74727565U : 0x66616c73U);
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
    case Kind::kDecimal: return HashNumber(*this);
    case Kind::kString: return HashText(View());
    case Kind::kBytes: return HashText(View()) + 1;
    case Kind::kTimestamp:
    case Kind::kDuration: return Mix(u_.unsigned_integer * 31 + size_);
    case Kind::kArray:
    case Kind::kSet: {
      uint64_t h = static_cast<uint64_t>(kind_) + size_;
      for (const Value& item : items()) h = Mix(h * 31 + item.Hash());
      return h;
    }
    case Kind::kMap: {
      uint64_t h = size_;  // order does not count: a sum
      for (const Entry& entry : entries()) h += Mix(entry.key.Hash() * 31 + entry.value.Hash());
      return Mix(h);
    }
    case Kind::kOpaque: return u_.opaque->Hash();
  }
  BW_UNREACHABLE();
}

namespace {

// Sorts texts by bytes. What all begin with is passed over once; then eight bytes of each decide
// most comparisons.
void SortTexts(std::vector<Value>& texts) {
  const std::string_view first = texts[0].AsString();
  size_t common = first.size();
  for (const Value& text : texts) {
    const std::string_view other = text.AsString();
    const size_t most = std::min(common, other.size());
    common = static_cast<size_t>(
        std::mismatch(first.begin(), first.begin() + static_cast<ptrdiff_t>(most), other.begin())
            .first -
        first.begin());
  }
  struct Keyed {
    uint64_t key;  // the next bytes, the first the most significant; 0 where the text ends
    Value text;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(texts.size());
  for (const Value& text : texts) {
    const std::string_view rest = text.AsString().substr(common);
    uint64_t key = 0;
    if (rest.size() >= 8) {
      std::memcpy(&key, rest.data(), sizeof key);
      key = __builtin_bswap64(key);
      if constexpr (std::endian::native == std::endian::big) key = __builtin_bswap64(key);
    } else {
      for (size_t i = 0; i < rest.size(); ++i)
        key |= uint64_t{static_cast<unsigned char>(rest[i])} << (56 - 8 * i);
    }
    keyed.push_back({key, text});
  }
  std::sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    if (a.key != b.key) return a.key < b.key;
    return a.text.AsString().substr(common) < b.text.AsString().substr(common);
  });
  for (size_t i = 0; i < texts.size(); ++i) texts[i] = keyed[i].text;
}

}  // namespace

Value Value::Set(Arena& arena, std::span<const Value> items) {
  const bool ordered = [&] {
    for (size_t i = 1; i < items.size(); ++i) {
      if (Compare(items[i - 1], items[i]) >= 0) return false;
    }
    return true;
  }();
  if (ordered) {
    Value out = Array(arena, items);
    out.kind_ = Kind::kSet;
    return out;
  }
  std::vector<Value> sorted(items.begin(), items.end());
  const auto all = [&](auto what) { return std::all_of(sorted.begin(), sorted.end(), what); };
  if (sorted.size() > 8 && all([](const Value& item) { return item.IsString(); })) {
    SortTexts(sorted);
  } else if (sorted.size() > 2 &&
             all([](const Value& item) { return item.IsMap() && SortedByKey(item.entries()); })) {
    std::sort(sorted.begin(), sorted.end(), [](const Value& a, const Value& b) {
      return CompareEntries(a.entries(), b.entries()) < 0;
    });
  } else {
    std::sort(sorted.begin(), sorted.end(),
              [](const Value& a, const Value& b) { return Compare(a, b) < 0; });
  }
  sorted.erase(std::unique(sorted.begin(), sorted.end(),
                           [](const Value& a, const Value& b) { return Compare(a, b) == 0; }),
               sorted.end());
  Value out = Array(arena, sorted);
  out.kind_ = Kind::kSet;
  return out;
}

Value Value::CopyTo(Arena& arena) const {
  Value out = *this;
  switch (kind_) {
    case Kind::kDecimal:
    case Kind::kString:
    case Kind::kBytes: out.u_.text = arena.Copy(View()).data(); return out;
    case Kind::kArray:
    case Kind::kSet: {
      if (size_ == 0) return out;
      Value* copies = arena.Array<Value>(size_);
      for (uint32_t i = 0; i < size_; ++i) new (&copies[i]) Value(u_.items[i].CopyTo(arena));
      out.u_.items = copies;
      return out;
    }
    case Kind::kMap: {
      if (size_ == 0) return EmptyMap();
      Entry* copies = arena.Array<Entry>(size_);
      for (uint32_t i = 0; i < size_; ++i) {
        const Entry& entry = u_.map->entries[i];
        new (&copies[i]) Entry{entry.key.CopyTo(arena), entry.value.CopyTo(arena)};
      }
      return MapBuilder::FromUnique(arena, {copies, size_});
    }
    default: return out;
  }
}

uint32_t* MapBuilder::Slot(const Value& key) {
  uint64_t mask = index_.size() - 1;
  for (uint64_t at = key.Hash();; ++at) {
    uint32_t& slot = index_[at & mask];
    if (slot == 0 || Value::Equal(entries_[slot - 1].key, key)) return &slot;
  }
}

MapBuilder& MapBuilder::Add(Value key, Value value) {
  if (entries_.size() < kScan) {
    for (Value::Entry& entry : entries_) {
      if (Value::Equal(entry.key, key)) {
        entry.value = value;
        return *this;
      }
    }
    entries_.push_back({key, value});
    return *this;
  }
  if (entries_.size() * 2 >= index_.size()) {
    index_.assign(std::bit_ceil(entries_.size() * 4), 0);
    for (size_t i = 0; i < entries_.size(); ++i) {
      *Slot(entries_[i].key) = static_cast<uint32_t>(i + 1);
    }
  }
  uint32_t* slot = Slot(key);
  if (*slot != 0) {
    entries_[*slot - 1].value = value;
  } else {
    entries_.push_back({key, value});
    *slot = static_cast<uint32_t>(entries_.size());
  }
  return *this;
}

bool MapBuilder::Has(const Value& key) const {
  if (!index_.empty()) return *const_cast<MapBuilder*>(this)->Slot(key) != 0;
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Value::Entry& entry) { return Value::Equal(entry.key, key); });
}

Value MapBuilder::Finish() {
  Value out = FromUnique(arena_, arena_.Copy<Value::Entry>(entries_));
  entries_.clear();
  index_.clear();
  return out;
}

Value MapBuilder::FromUnique(Arena& arena, std::span<const Value::Entry> entries) {
  if (entries.empty()) return Value::EmptyMap();
  BW_CHECK(entries.size() <= UINT32_MAX / 4);
  auto* rep = arena.New<Value::MapRep>(Value::MapRep{entries.data(), nullptr, 0});
  if (entries.size() > kScan) {
    size_t slots = std::bit_ceil(entries.size() * 2);
    auto* index = arena.Array<uint32_t>(slots);
    std::fill_n(index, slots, 0);
    rep->mask = static_cast<uint32_t>(slots - 1);
    for (size_t i = 0; i < entries.size(); ++i) {
      uint64_t at = entries[i].key.Hash();
      while (index[at & rep->mask] != 0) ++at;
      index[at & rep->mask] = static_cast<uint32_t>(i + 1);
    }
    rep->index = index;
  }
  return {Value::Kind::kMap, static_cast<uint32_t>(entries.size()), {.map = rep}};
}

}  // namespace bulwark
