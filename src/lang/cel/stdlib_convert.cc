#include "lang/cel/stdlib_convert.h"

#include <charconv>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "lang/cel/operators.h"

namespace bulwark::cel {

namespace {

Value Failed(CallContext& ctx, const Value& from, std::string_view to) {
  return ctx.Error(std::string("type conversion error from '")
                       .append(TypeNameOf(from))
                       .append("' to '")
                       .append(to)
                       .append("'"));
}

template <typename T>
std::optional<T> ParseInteger(std::string_view text) {
  if (std::is_signed_v<T> && text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Value Text(CallContext& ctx, std::string_view text) { return Value::String(ctx.arena, text); }

template <typename T>
Value NumberText(CallContext& ctx, T number) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return Text(ctx, {buffer, static_cast<size_t>(end - buffer)});
}

std::string DurationText(int64_t nanos) {
  // Go prints the double of seconds, so that what a double cannot hold is rounded.
  double seconds =
      static_cast<double>(nanos / 1'000'000'000) + static_cast<double>(nanos % 1'000'000'000) / 1e9;
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, seconds, std::chars_format::fixed).ptr;
  return std::string(buffer, end) + "s";
}

}  // namespace

std::string FormatDouble(double d) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string_view scientific(buffer, static_cast<size_t>(end - buffer));
  int exponent = 0;
  std::string_view digits = scientific.substr(scientific.find('e') + 1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  // Go and C both write at least two digits of exponent.
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  char fixed[64];
  end = std::to_chars(fixed, fixed + sizeof fixed, d, std::chars_format::fixed).ptr;
  return {fixed, end};
}

std::optional<double> ParseDouble(std::string_view text) {
  std::string without;  // Go lets underscores stand between digits
  if (text.find('_') != std::string_view::npos) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '_') {
        without += text[i];
      } else if (i == 0 || i + 1 == text.size() || !IsAsciiDigit(text[i - 1]) ||
                 !IsAsciiDigit(text[i + 1])) {
        return std::nullopt;
      }
    }
    text = without;
  }
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  double sign = negative ? -1 : 1;
  if (EqualsIgnoringCase(text, "inf") || EqualsIgnoringCase(text, "infinity")) {
    return sign * HUGE_VAL;
  }
  if (EqualsIgnoringCase(text, "nan")) return std::nan("");
  auto format = std::chars_format::general;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    text.remove_prefix(2);
    if (text.find_first_of("pP") == std::string_view::npos) return std::nullopt;
    format = std::chars_format::hex;
  } else if (!IsAsciiDigit(text[0]) && text[0] != '.') {
    return std::nullopt;
  }
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, format);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is zero, too large an error.
    size_t e = text.find_first_of(format == std::chars_format::hex ? "pP" : "eE");
    bool small =
        e != std::string_view::npos ? text[e + 1] == '-' : text[0] == '0' || text[0] == '.';
    if (!small) return std::nullopt;
    value = 0;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return sign * value;
}

Value ToBool(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  if (v.IsBool()) return v;
  if (!v.IsString()) return NoSuchOverload(ctx);
  std::string_view s = v.AsString();
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (s == yes) return Value::Bool(true);
  }
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (s == no) return Value::Bool(false);
  }
  return Failed(ctx, v, "bool");
}

Value ToBytes(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  if (v.IsBytes()) return v;
  if (!v.IsString()) return NoSuchOverload(ctx);
  return Value::Bytes(v.AsString());
}

Value ToDouble(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  if (v.IsNumber()) return Value::Double(v.ToDouble());
  if (!v.IsString()) return NoSuchOverload(ctx);
  auto value = ParseDouble(v.AsString());
  return value ? Value::Double(*value) : Failed(ctx, v, "double");
}

Value ToDuration(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  if (v.IsDuration()) return v;
  if (!v.IsString()) {
    return v.IsInt() ? Failed(ctx, v, "google.protobuf.Duration") : NoSuchOverload(ctx);
  }
  auto nanos = ParseGoDuration(v.AsString());
  return nanos ? DurationFromNanos(nanos->count()) : Failed(ctx, v, "google.protobuf.Duration");
}

Value ToInt(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  switch (v.kind()) {
    case Value::Kind::kInt: return v;
    case Value::Kind::kUint:
      if (v.AsUint() > INT64_MAX) return ctx.Error("integer overflow");
      return Value::Int(static_cast<int64_t>(v.AsUint()));
    case Value::Kind::kDouble: {
      double d = v.AsDouble();
      // Both ends excluded, as in cel-go: the upper one is no int64, the lower one suspect.
      if (!(d > -0x1p63 && d < 0x1p63)) return ctx.Error("integer overflow");
      return Value::Int(static_cast<int64_t>(d));
    }
    case Value::Kind::kTimestamp: return Value::Int(v.seconds());
    case Value::Kind::kDuration: {
      auto nanos = NanosOf(v);
      return nanos ? Value::Int(*nanos) : ctx.Error("integer overflow");
    }
    case Value::Kind::kString: {
      auto value = ParseInteger<int64_t>(v.AsString());
      return value ? Value::Int(*value) : Failed(ctx, v, "int");
    }
    default: return NoSuchOverload(ctx);
  }
}

Value ToUint(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  switch (v.kind()) {
    case Value::Kind::kUint: return v;
    case Value::Kind::kInt:
      if (v.AsInt() < 0) return ctx.Error("unsigned integer overflow");
      return Value::Uint(static_cast<uint64_t>(v.AsInt()));
    case Value::Kind::kDouble: {
      double d = v.AsDouble();
      if (!(d >= 0 && d < 0x1p64)) return ctx.Error("unsigned integer overflow");
      return Value::Uint(static_cast<uint64_t>(d));
    }
    case Value::Kind::kString: {
      auto value = ParseInteger<uint64_t>(v.AsString());
      return value ? Value::Uint(*value) : Failed(ctx, v, "uint");
    }
    default: return NoSuchOverload(ctx);
  }
}

Value ToText(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  switch (v.kind()) {
    case Value::Kind::kString: return v;
    case Value::Kind::kBool: return Value::String(v.AsBool() ? "true" : "false");
    case Value::Kind::kInt: return NumberText(ctx, v.AsInt());
    case Value::Kind::kUint: return NumberText(ctx, v.AsUint());
    case Value::Kind::kDouble: return Text(ctx, FormatDouble(v.AsDouble()));
    case Value::Kind::kBytes:
      if (!IsUtf8(v.AsString())) {
        return ctx.Error("invalid UTF-8 in bytes, cannot convert to string");
      }
      return Value::String(v.AsString());
    case Value::Kind::kTimestamp: return Text(ctx, FormatRfc3339({v.seconds(), v.nanos()}));
    case Value::Kind::kDuration: {
      auto nanos = NanosOf(v);
      return nanos ? Text(ctx, DurationText(*nanos)) : ctx.Error("duration overflow");
    }
    default: return NoSuchOverload(ctx);
  }
}

Value ToTimestamp(CallContext& ctx, std::span<const Value> args) {
  const Value& v = args[0];
  int64_t seconds = 0;
  int32_t nanos = 0;
  if (v.IsTimestamp()) return v;
  if (v.IsInt()) {
    seconds = v.AsInt();
  } else if (v.IsString()) {
    auto at = ParseRfc3339(v.AsString());
    if (!at) return Failed(ctx, v, "google.protobuf.Timestamp");
    seconds = at->seconds;
    nanos = at->nanos;
  } else {
    return NoSuchOverload(ctx);
  }
  if (seconds < kMinTimestamp || seconds > kMaxTimestamp) return ctx.Error("timestamp overflow");
  return Value::Timestamp(seconds, nanos);
}

}  // namespace bulwark::cel
