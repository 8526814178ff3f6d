#include "lang/rego/builtins/builtin.h"

#include <algorithm>
#include <chrono>

#include "crypto/random.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

int64_t Host::NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Host::Random(std::span<uint8_t> out) {
  std::string bytes = crypto::RandomBytes(out.size());
  std::ranges::copy(bytes, out.begin());
}

Value Host::Runtime(Arena& /*arena*/) { return Value::EmptyMap(); }

Result<Value> Host::HttpSend(const Value& /*request*/, Arena& /*arena*/) {
  return Error(Code::kDenied, "rego.no_network", "the host lends no network");
}

Result<std::vector<std::string>> Host::LookupAddress(std::string_view /*name*/) {
  return Error(Code::kDenied, "rego.no_network", "the host lends no network");
}

void Host::Print(std::string_view /*text*/, std::string_view /*place*/) {}

Outcome Context::WrongType(size_t operand, const Value& got, std::string_view expected) {
  error_code = "eval_type_error";
  error = "operand " + std::to_string(operand) + " must be ";
  error.append(expected).append(" but got ").append(TypeName(got));
  return Outcome::kError;
}

Outcome Context::BadOperand(size_t operand, std::string_view what) {
  error_code = "eval_type_error";
  error = "operand " + std::to_string(operand) + " ";
  error.append(what);
  return Outcome::kError;
}

Outcome Context::Fail(std::string_view message) {
  error_code = "eval_builtin_error";
  error = message;
  return Outcome::kError;
}

bool Context::Refill(uint64_t units) {
  if (refill == nullptr) {  // nobody counts
    budget_ = UINT64_MAX;
    return true;
  }
  halted_ = !refill(*this, units, budget_);
  return !halted_;
}

int64_t Context::now_nanos() {
  if (now_ == INT64_MIN) now_ = host.NowNanos();
  return now_;
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull: return "null";
    case Value::Kind::kBool: return "boolean";
    case Value::Kind::kInt:
    case Value::Kind::kUint:
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: return "number";
    case Value::Kind::kString: return "string";
    case Value::Kind::kArray: return "array";
    case Value::Kind::kMap: return "object";
    case Value::Kind::kSet: return "set";
    default: return "any";
  }
}

std::span<const Value::Entry> SortedEntries(const Value& object, Arena& arena) {
  std::span<const Value::Entry> entries = object.entries();
  auto less = [](const Value::Entry& a, const Value::Entry& b) {
    if (a.key.IsString() && b.key.IsString()) return a.key.AsString() < b.key.AsString();
    return Value::Compare(a.key, b.key) < 0;
  };
  if (std::is_sorted(entries.begin(), entries.end(), less)) return entries;
  std::span<Value::Entry> copy = arena.Copy(entries);
  std::sort(copy.begin(), copy.end(), less);
  return copy;
}

namespace {

void AppendText(std::string& out, const Value& value, Arena& arena) {
  switch (value.kind()) {
    case Value::Kind::kNull: out += "null"; return;
    case Value::Kind::kBool: out += value.IsTrue() ? "true" : "false"; return;
    case Value::Kind::kInt:
    case Value::Kind::kUint:
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: AppendNumber(out, value); return;
    case Value::Kind::kString: AppendQuoted(out, value.AsString()); return;
    case Value::Kind::kArray:
    case Value::Kind::kSet: {
      if (value.IsSet() && value.empty()) {
        out += "set()";
        return;
      }
      out += value.IsSet() ? '{' : '[';
      bool first = true;
      for (const Value& item : value.items()) {
        if (!first) out += ", ";
        first = false;
        AppendText(out, item, arena);
      }
      out += value.IsSet() ? '}' : ']';
      return;
    }
    case Value::Kind::kMap: {
      out += '{';
      bool first = true;
      for (const Value::Entry& entry : SortedEntries(value, arena)) {
        if (!first) out += ", ";
        first = false;
        AppendText(out, entry.key, arena);
        out += ": ";
        AppendText(out, entry.value, arena);
      }
      out += '}';
      return;
    }
    default: out += "<" + std::string(TypeName(value)) + ">"; return;
  }
}

}  // namespace

std::string ToRegoText(const Value& value) {
  std::string out;
  Arena arena;
  AppendText(out, value, arena);
  return out;
}

}  // namespace bulwark::rego
