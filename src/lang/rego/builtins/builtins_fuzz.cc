// Any built-in with any arguments: no crash, and no more work than its budget.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lang/rego/builtins/builtin.h"

namespace {

using bulwark::Arena;
using bulwark::MapBuilder;
using bulwark::Value;

// Values out of bytes: a kind, then what it needs.
class Maker {
 public:
  Maker(std::string_view bytes, Arena& arena) : bytes_(bytes), arena_(arena) {}

  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    auto out = static_cast<uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return out;
  }
  bool done() const { return bytes_.empty(); }

  Value Make(int depth) {
    switch (Byte() % (depth > 0 ? 14 : 9)) {
      case 0: return Value::Null();
      case 1: return Value::Bool(Byte() % 2 != 0);
      case 2: return Value::Int(static_cast<int8_t>(Byte()));
      case 3: {
        uint64_t bits = 0;
        for (int i = 0; i < 8; ++i) bits = bits << 8 | Byte();
        return bits % 2 != 0 ? Value::Int(static_cast<int64_t>(bits))
                             : Value::Uint(bits | 1ULL << 63);
      }
      case 4: return Value::Double(static_cast<int8_t>(Byte()) / 8.0);
      case 5: {
        constexpr std::string_view kNumbers[] = {"1e3",
                                                 "1e400",
                                                 "-1e-400",
                                                 "123456789012345678901234567890",
                                                 "2.50",
                                                 "1e99",
                                                 "1e29999",
                                                 "1e999999999",
                                                 "0.1234567890123456789012345",
                                                 "18446744073709551616"};
        return Value::Decimal(kNumbers[Byte() % std::size(kNumbers)]);
      }
      case 6:
      case 7:
      case 8: return Text();
      case 9:
      case 10:
      case 11: return Value::Array(arena_, Items(depth));
      case 12: return Value::Set(arena_, Items(depth));
      default: {
        MapBuilder out(arena_);
        for (int i = Byte() % 5; i > 0; --i) {
          Value key = Byte() % 4 == 0 ? Make(depth - 1) : Text();
          out.Add(key, Make(depth - 1));
        }
        return out.Finish();
      }
    }
  }

 private:
  Value Text() {
    const size_t wanted = Byte() % 64;  // before the rest is looked at: it takes a byte
    const size_t size = std::min(wanted, bytes_.size());
    Value out = Value::String(arena_, bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return out;
  }
  std::vector<Value> Items(int depth) {
    std::vector<Value> out;
    for (int i = Byte() % 6; i > 0; --i) out.push_back(Make(depth - 1));
    return out;
  }

  std::string_view bytes_;
  Arena& arena_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace rego = bulwark::rego;
  std::span<const rego::Builtin* const> all = rego::Registry::Standard().all();
  Arena arena;
  Maker maker({reinterpret_cast<const char*>(data), size}, arena);
  rego::Host host;
  rego::Context context(arena, host);
  bool given = false;
  context.refill = [&](rego::Context& in, uint64_t units, uint64_t& budget) {
    constexpr uint64_t kBudget = 20'000;
    if (given || units > kBudget) {
      in.error_code = "eval_limit_error";
      return false;
    }
    given = true;
    budget = kBudget - units;
    return true;
  };
  const rego::Builtin& builtin = *all[maker.Byte() % all.size()];
  if (builtin.call == nullptr) return 0;
  // As many arguments as it is declared with, for the compiler sees to that.
  size_t count = 0;
  int depth = 0;
  std::string_view declared = builtin.type.substr(1, builtin.type.find(") ->") - 1);
  if (!declared.empty()) count = 1;
  for (char c : declared) {
    if (c == '[' || c == '<') ++depth;
    if (c == ']' || c == '>') --depth;
    if (c == ',' && depth == 0) ++count;
  }
  std::vector<Value> args;
  for (size_t i = 0; i < count; ++i) args.push_back(maker.Make(4));
  Value out;
  rego::Outcome outcome = builtin.call(context, args, out);
  BW_CHECK(outcome == rego::Outcome::kValue || outcome == rego::Outcome::kUndefined ||
           !context.error_code.empty());
  if (outcome == rego::Outcome::kValue) rego::ToRegoText(out);
  return 0;
}
