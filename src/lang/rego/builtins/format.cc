#include "lang/rego/builtins/format.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "lang/rego/builtins/big_int.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

constexpr int kMostWidth = 1'000'000;  // Go's own limit
constexpr std::string_view kLowerDigits = "0123456789abcdefx";
constexpr std::string_view kUpperDigits = "0123456789ABCDEFX";

// One argument as OPA hands it to Go.
struct Argument {
  enum Kind : uint8_t { kInt, kBig, kFloat, kString } kind = kString;
  int64_t integer = 0;
  double real = 0;
  BigInt big = {};
  std::string_view text = {};
  std::string own = {};  // what `text` views, where it is made here

  std::string_view TypeName() const {
    switch (kind) {
      case kInt: return "int64";
      case kBig: return "*big.Int";
      case kFloat: return "float64";
      default: return "string";
    }
  }
};

void SetText(Argument& argument, std::string text) {
  argument.own = std::move(text);
  argument.text = argument.own;
}

void ReadArgument(const Value& value, Argument& out) {
  if (value.IsInt()) {
    out.kind = Argument::kInt;
    out.integer = value.AsInt();
  } else if (value.IsString()) {
    out.text = value.AsString();
  } else if (!value.IsNumber()) {
    SetText(out, ToRegoText(value));
  } else if (SpelledAsFloat(value)) {
    double real = value.ToDouble();
    if (std::isinf(real)) {
      SetText(out, NumberText(value));
    } else {
      out.kind = Argument::kFloat;
      out.real = real;
    }
  } else if (std::optional<int64_t> integer = value.ToInt()) {
    out.kind = Argument::kInt;
    out.integer = *integer;
  } else if (std::optional<BigInt> big = ToBigInt(value)) {
    out.kind = Argument::kBig;
    out.big = *big;
  } else {
    SetText(out, NumberText(value));
  }
}

// The digits of a big integer without its sign.
std::string BigDigits(BigInt magnitude, unsigned base, bool upper) {
  if (base == 10) return magnitude.str();
  unsigned bits = base == 16 ? 4 : base == 8 ? 3 : 1;
  std::string out;
  do {
    out += (upper ? kUpperDigits : kLowerDigits)[static_cast<unsigned>(magnitude & (base - 1))];
    magnitude >>= bits;
  } while (magnitude != 0);
  return {out.rbegin(), out.rend()};
}

class Printer {
 public:
  Printer(Context& context, std::string_view format, std::span<const Value> args, std::string& out)
      : c_(context), format_(format), out_(out), args_(args.size()), values_(args) {}

  bool Print();

 private:
  struct Flags {
    bool width_given = false, precision_given = false;
    bool minus = false, plus = false, sharp = false, space = false, zero = false;
    bool sharp_v = false, plus_v = false;
    int width = 0, precision = 0;
  };

  const Argument& At(size_t index) {
    Argument& argument = args_[index];
    if (!read_.contains(index)) {
      ReadArgument(values_[index], argument);
      read_.insert(index);
    }
    return argument;
  }

  // The parts of a verb: each moves at_ on.
  bool ParseNumber(size_t end, int& number);
  bool ArgumentIndex();
  void Width(bool& after_index);
  void Precision(bool& after_index);
  bool StarArgument(int& number);

  void Pad(std::string_view text);
  void WritePadding(int64_t count);
  void PrintArgument(const Argument& argument, char32_t verb);
  void BadVerb(const Argument& argument, char32_t verb);
  void PrintInt(int64_t integer, char32_t verb, const Argument& argument);
  void FormatInt(int64_t integer, unsigned base, char32_t verb, std::string_view digits);
  void PrintBig(const BigInt& integer, char32_t verb);
  void PrintFloat(double real, char32_t verb, const Argument& argument);
  void FormatFloat(double real, char verb, int precision);
  void PrintString(std::string_view text, char32_t verb, const Argument& argument);
  void FormatHex(std::string_view text, std::string_view digits);
  void FormatQuoted(std::string_view text);
  void FormatRune(int64_t integer, bool quoted);
  void FormatUnicode(uint64_t integer);

  Context& c_;
  std::string_view format_;
  std::string& out_;
  std::vector<Argument> args_;
  std::span<const Value> values_;
  struct IndexSet {
    std::vector<bool> seen;
    bool contains(size_t i) const { return i < seen.size() && seen[i]; }
    void insert(size_t i) {
      if (seen.size() <= i) seen.resize(i + 1);
      seen[i] = true;
    }
  } read_;
  Flags f_;
  size_t at_ = 0;
  size_t next_ = 0;  // the argument that comes next
  bool reordered_ = false;
  bool good_index_ = true;
};

// A number before `end`; at_ moves behind it. One past the limit moves to the end and is none.
bool Printer::ParseNumber(size_t end, int& number) {
  number = 0;
  bool any = false;
  while (at_ < end && IsAsciiDigit(format_[at_])) {
    if (number > kMostWidth) {
      number = 0;
      at_ = end;
      return false;
    }
    number = number * 10 + (format_[at_++] - '0');
    any = true;
  }
  return any;
}

// [3]: the argument that comes next. Whether there was one.
bool Printer::ArgumentIndex() {
  if (at_ >= format_.size() || format_[at_] != '[') return false;
  reordered_ = true;
  size_t close = format_.size() - at_ < 3 ? format_.npos : format_.find(']', at_ + 1);
  if (close == format_.npos) {
    good_index_ = false;
    ++at_;
    return false;
  }
  ++at_;
  int number = 0;
  bool ok = ParseNumber(close, number) && at_ == close;
  at_ = close + 1;
  if (!ok) {
    good_index_ = false;
    return false;
  }
  if (number >= 1 && static_cast<size_t>(number) <= args_.size()) {
    next_ = static_cast<size_t>(number) - 1;
  } else {
    good_index_ = false;
  }
  return true;
}

// * takes an integer from the arguments.
bool Printer::StarArgument(int& number) {
  number = 0;
  if (next_ >= args_.size()) return false;
  const Argument& argument = At(next_++);
  if (argument.kind != Argument::kInt) return false;
  if (argument.integer > kMostWidth || argument.integer < -kMostWidth) return false;
  number = static_cast<int>(argument.integer);
  return true;
}

void Printer::Width(bool& after_index) {
  if (at_ < format_.size() && format_[at_] == '*') {
    ++at_;
    f_.width_given = StarArgument(f_.width);
    if (!f_.width_given) out_ += "%!(BADWIDTH)";
    if (f_.width < 0) {
      f_.width = -f_.width;
      f_.minus = true;
      f_.zero = false;
    }
    after_index = false;
    return;
  }
  f_.width_given = ParseNumber(format_.size(), f_.width);
  if (after_index && f_.width_given) good_index_ = false;
}

void Printer::Precision(bool& after_index) {
  if (at_ >= format_.size() || format_[at_] != '.') return;
  ++at_;
  if (after_index) good_index_ = false;
  after_index = ArgumentIndex();
  if (at_ < format_.size() && format_[at_] == '*') {
    ++at_;
    f_.precision_given = StarArgument(f_.precision);
    if (f_.precision < 0) {
      f_.precision = 0;
      f_.precision_given = false;
    }
    if (!f_.precision_given) out_ += "%!(BADPREC)";
    after_index = false;
    return;
  }
  if (!ParseNumber(format_.size(), f_.precision)) f_.precision = 0;
  f_.precision_given = true;
}

bool Printer::Print() {
  while (at_ < format_.size()) {
    good_index_ = true;
    size_t percent = std::min(format_.find('%', at_), format_.size());
    out_ += format_.substr(at_, percent - at_);
    at_ = percent;
    if (at_ == format_.size()) break;
    ++at_;
    f_ = {};
    for (; at_ < format_.size(); ++at_) {
      char flag = format_[at_];
      if (flag == '#') {
        f_.sharp = true;
      } else if (flag == '0') {
        f_.zero = true;
      } else if (flag == '+') {
        f_.plus = true;
      } else if (flag == '-') {
        f_.minus = true;
      } else if (flag == ' ') {
        f_.space = true;
      } else {
        break;
      }
    }
    bool after_index = ArgumentIndex();
    Width(after_index);
    Precision(after_index);
    if (!after_index) ArgumentIndex();
    if (at_ >= format_.size()) {
      out_ += "%!(NOVERB)";
      break;
    }
    CodePoint verb = DecodeUtf8(format_, at_);
    std::string_view spelled = format_.substr(at_, verb.length);
    at_ += verb.length;
    size_t before = out_.size();
    if (verb.value == '%') {
      out_ += '%';
    } else if (!good_index_) {
      out_.append("%!").append(spelled).append("(BADINDEX)");
    } else if (next_ >= args_.size()) {
      out_.append("%!").append(spelled).append("(MISSING)");
    } else {
      if (verb.value == 'v') {  // of %v, # and + say something else
        f_.sharp_v = f_.sharp;
        f_.plus_v = f_.plus;
        f_.sharp = f_.plus = false;
      }
      const Argument& argument = At(next_++);
      PrintArgument(argument, verb.value);
    }
    if (out_.size() > UINT32_MAX || !SpendText(c_, out_.size() - before)) return false;
  }
  if (!reordered_ && next_ < args_.size()) {
    f_ = {};
    out_ += "%!(EXTRA ";
    for (size_t i = next_; i < args_.size(); ++i) {
      size_t before = out_.size();
      if (i > next_) out_ += ", ";
      const Argument& argument = At(i);
      out_.append(argument.TypeName()).append("=");
      PrintArgument(argument, 'v');
      if (out_.size() > UINT32_MAX || !SpendText(c_, out_.size() - before)) return false;
    }
    out_ += ')';
  }
  return true;
}

void Printer::WritePadding(int64_t count) {
  if (count > 0) out_.append(static_cast<size_t>(count), f_.zero && !f_.minus ? '0' : ' ');
}

void Printer::Pad(std::string_view text) {
  int64_t count =
      f_.width_given ? f_.width - static_cast<int64_t>(CountCodePoints(text)) : int64_t{0};
  if (!f_.minus) WritePadding(count);
  out_ += text;
  if (f_.minus) WritePadding(count);
}

void Printer::PrintArgument(const Argument& argument, char32_t verb) {
  if (verb == 'T') return PrintString(argument.TypeName(), 's', argument);
  switch (argument.kind) {
    case Argument::kInt: return PrintInt(argument.integer, verb, argument);
    case Argument::kBig: return PrintBig(argument.big, verb);
    case Argument::kFloat: return PrintFloat(argument.real, verb, argument);
    case Argument::kString: return PrintString(argument.text, verb, argument);
  }
}

void Printer::BadVerb(const Argument& argument, char32_t verb) {
  out_ += "%!";
  AppendUtf8(out_, verb);
  out_.append("(").append(argument.TypeName()).append("=");
  PrintArgument(argument, 'v');
  out_ += ')';
}

void Printer::PrintInt(int64_t integer, char32_t verb, const Argument& argument) {
  switch (verb) {
    case 'v':
    case 'd': return FormatInt(integer, 10, verb, kLowerDigits);
    case 'b': return FormatInt(integer, 2, verb, kLowerDigits);
    case 'o':
    case 'O': return FormatInt(integer, 8, verb, kLowerDigits);
    case 'x': return FormatInt(integer, 16, verb, kLowerDigits);
    case 'X': return FormatInt(integer, 16, verb, kUpperDigits);
    case 'c': return FormatRune(integer, false);
    case 'q': return FormatRune(integer, true);
    case 'U': return FormatUnicode(static_cast<uint64_t>(integer));
    default: return BadVerb(argument, verb);
  }
}

void Printer::FormatInt(int64_t integer, unsigned base, char32_t verb, std::string_view digits) {
  bool negative = integer < 0;
  uint64_t rest = negative ? -static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
  bool zero = f_.zero;
  size_t least = 0;
  if (f_.precision_given) {
    least = static_cast<size_t>(f_.precision);
    if (least == 0 && rest == 0) {
      f_.zero = false;
      WritePadding(f_.width);
      f_.zero = zero;
      return;
    }
  } else if (f_.zero && !f_.minus && f_.width_given) {
    least = static_cast<size_t>(f_.width);
    if (least > 0 && (negative || f_.plus || f_.space)) --least;
  }
  std::string reversed;
  do {
    reversed += digits[rest % base];
    rest /= base;
  } while (rest != 0);
  if (reversed.size() < least) reversed.resize(least, '0');
  if (f_.sharp) {
    if (base == 2) reversed += "b0";
    if (base == 8 && reversed.back() != '0') reversed += '0';
    if (base == 16) reversed.append(1, digits[16]).append("0");
  }
  if (verb == 'O') reversed += "o0";
  if (negative) {
    reversed += '-';
  } else if (f_.plus) {
    reversed += '+';
  } else if (f_.space) {
    reversed += ' ';
  }
  std::ranges::reverse(reversed);
  f_.zero = false;
  Pad(reversed);
  f_.zero = zero;
}

void Printer::PrintBig(const BigInt& integer, char32_t verb) {
  unsigned base = 10;
  switch (verb) {
    case 'b': base = 2; break;
    case 'o':
    case 'O': base = 8; break;
    case 'd':
    case 's':
    case 'v': base = 10; break;
    case 'x':
    case 'X': base = 16; break;
    default:
      out_ += "%!";
      AppendUtf8(out_, verb);
      out_.append("(big.Int=").append(integer.str()).append(")");
      return;
  }
  std::string_view sign;
  if (integer < 0) {
    sign = "-";
  } else if (f_.plus || f_.plus_v) {
    sign = "+";
  } else if (f_.space) {
    sign = " ";
  }
  std::string_view prefix;
  if (f_.sharp || f_.sharp_v) {
    if (verb == 'b') prefix = "0b";
    if (verb == 'o') prefix = "0";
    if (verb == 'x') prefix = "0x";
    if (verb == 'X') prefix = "0X";
  }
  if (verb == 'O') prefix = "0o";
  std::string digits = BigDigits(abs(integer), base, verb == 'X');
  size_t zeros = 0;
  if (f_.precision_given && digits.size() < static_cast<size_t>(f_.precision)) {
    zeros = static_cast<size_t>(f_.precision) - digits.size();
  }
  size_t length = sign.size() + prefix.size() + zeros + digits.size();
  size_t room = f_.width_given && length < static_cast<size_t>(f_.width)
                    ? static_cast<size_t>(f_.width) - length
                    : 0;
  bool zero_padded = !f_.minus && f_.zero && !f_.precision_given;
  if (zero_padded) zeros = room;
  if (!f_.minus && !zero_padded) out_.append(room, ' ');
  out_.append(sign).append(prefix).append(zeros, '0').append(digits);
  if (f_.minus) out_.append(room, ' ');
}

void Printer::PrintFloat(double real, char32_t verb, const Argument& argument) {
  switch (verb) {
    case 'v': return FormatFloat(real, 'g', -1);
    case 'b':
    case 'g':
    case 'G':
    case 'x':
    case 'X': return FormatFloat(real, static_cast<char>(verb), -1);
    case 'f':
    case 'e':
    case 'E': return FormatFloat(real, static_cast<char>(verb), 6);
    case 'F': return FormatFloat(real, 'f', 6);
    default: return BadVerb(argument, verb);
  }
}

void Printer::FormatFloat(double real, char verb, int precision) {
  if (f_.precision_given) precision = f_.precision;
  std::string number = SpellFloat(real, verb, precision);
  if (number[0] != '-') number.insert(0, "+");
  if (f_.space && number[0] == '+' && !f_.plus) number[0] = ' ';
  if (f_.sharp && verb != 'b') {  // the point and the zeros after it are shown
    int missing = 0;
    if (verb == 'g' || verb == 'G' || verb == 'x') missing = precision == -1 ? 6 : precision;
    bool hex = verb == 'x' || verb == 'X';
    size_t tail_at = std::min(number.find_first_of(hex ? "pP" : "eE"), number.size());
    std::string tail = number.substr(tail_at);
    number.resize(tail_at);
    bool point = false;
    bool nonzero = false;
    for (size_t i = 1; i < number.size(); ++i) {
      if (number[i] == '.') {
        point = true;
        continue;
      }
      nonzero = nonzero || number[i] != '0';
      if (nonzero) --missing;
    }
    if (!point) {
      if (number.size() == 2 && number[1] == '0') --missing;
      number += '.';
    }
    if (missing > 0) number.append(static_cast<size_t>(missing), '0');
    number += tail;
  }
  if (f_.plus || number[0] != '+') {
    if (f_.zero && !f_.minus && f_.width_given && static_cast<size_t>(f_.width) > number.size()) {
      out_ += number[0];
      WritePadding(f_.width - static_cast<int64_t>(number.size()));
      out_.append(number, 1);
      return;
    }
    return Pad(number);
  }
  Pad(std::string_view(number).substr(1));
}

void Printer::PrintString(std::string_view text, char32_t verb, const Argument& argument) {
  auto truncated = [&] {
    if (!f_.precision_given) return text;
    size_t at = 0;
    for (int left = f_.precision; left > 0 && at < text.size(); --left) {
      at += DecodeUtf8(text, at).length;
    }
    return text.substr(0, at);
  };
  switch (verb) {
    case 'v':
      if (f_.sharp_v) return FormatQuoted(truncated());
      return Pad(truncated());
    case 's': return Pad(truncated());
    case 'x': return FormatHex(text, kLowerDigits);
    case 'X': return FormatHex(text, kUpperDigits);
    case 'q': return FormatQuoted(truncated());
    default: return BadVerb(argument, verb);
  }
}

void Printer::FormatHex(std::string_view text, std::string_view digits) {
  if (f_.precision_given) text = text.substr(0, static_cast<size_t>(f_.precision));
  if (text.empty()) {
    if (f_.width_given) WritePadding(f_.width);
    return;
  }
  std::string hex;
  if (f_.sharp) hex.append("0").append(1, digits[16]);
  for (size_t i = 0; i < text.size(); ++i) {
    if (f_.space && i > 0) {
      hex += ' ';
      if (f_.sharp) hex.append("0").append(1, digits[16]);
    }
    auto byte = static_cast<uint8_t>(text[i]);
    hex += digits[byte >> 4];
    hex += digits[byte & 0xf];
  }
  Pad(hex);
}

// What may stand in a raw string of Go: printable text on one line without a backquote.
bool CanBackquote(std::string_view text) {
  bool plain = std::ranges::all_of(text, [](char c) {
    auto byte = static_cast<uint8_t>(c);
    return c == '\t' || (byte >= ' ' && c != '`' && byte != 0x7f);
  });
  return plain && IsUtf8(text) && text.find("\xef\xbb\xbf") == text.npos;
}

void Printer::FormatQuoted(std::string_view text) {
  if (f_.sharp && CanBackquote(text)) return Pad("`" + std::string(text) + "`");
  std::string quoted;
  AppendQuoted(quoted, text, f_.plus);
  Pad(quoted);
}

void Printer::FormatRune(int64_t integer, bool quoted) {
  auto rune =
      static_cast<uint64_t>(integer) > 0x10ffff ? kReplacement : static_cast<char32_t>(integer);
  std::string text;
  AppendUtf8(text, rune);
  if (!quoted) return Pad(text);
  std::string spelled;
  AppendQuoted(spelled, text, f_.plus);
  spelled.front() = spelled.back() = '\'';
  if (rune == '"') spelled = "'\"'";
  if (rune == '\'') spelled = "'\\''";
  Pad(spelled);
}

void Printer::FormatUnicode(uint64_t integer) {
  char digits[20];
  int count = std::snprintf(digits, sizeof digits, "%lX", static_cast<unsigned long>(integer));
  int least = f_.precision_given && f_.precision > 4 ? f_.precision : 4;
  std::string text = "U+";
  text.append(static_cast<size_t>(std::max(least - count, 0)), '0').append(digits);
  if (f_.sharp && integer <= 0x10ffff && IsPrintable(static_cast<char32_t>(integer))) {
    text += " '";
    AppendUtf8(text, static_cast<char32_t>(integer));
    text += '\'';
  }
  bool zero = f_.zero;
  f_.zero = false;
  Pad(text);
  f_.zero = zero;
}

}  // namespace

std::string SpellFloat(double real, char verb, int precision) {
  if (!std::isfinite(real)) return std::isnan(real) ? "NaN" : (real < 0 ? "-Inf" : "+Inf");
  if (verb == 'b') {  // mantissa and power of two
    int exponent = 0;
    auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(real, &exponent), 53));
    exponent = real == 0 ? -1074 : exponent - 53;
    if (real != 0 && exponent < -1074) {
      mantissa >>= -1074 - exponent;
      exponent = -1074;
    }
    std::string sign = real == 0 && std::signbit(real) ? "-" : "";
    return sign + std::to_string(mantissa) + "p" + (exponent >= 0 ? "+" : "") +
           std::to_string(exponent);
  }
  char lower = AsciiLower(verb);
  std::string out;
  // Room for the digits before the point, and those that are asked for.
  out.resize(400 + static_cast<size_t>(std::max(precision, 0)));
  auto written = [&](std::to_chars_result r) {
    out.resize(static_cast<size_t>(r.ptr - out.data()));
  };
  char* begin = out.data();
  char* end = begin + out.size();
  if (lower == 'x') {
    char* at = begin;
    if (std::signbit(real)) *at++ = '-';
    *at++ = '0';
    *at++ = 'x';
    int power = 0;  // apart, so that the smallest numbers begin with a 1 too
    double magnitude = std::frexp(std::abs(real), &power) * 2;
    written(precision < 0 ? std::to_chars(at, end, magnitude, std::chars_format::hex)
                          : std::to_chars(at, end, magnitude, std::chars_format::hex, precision));
    size_t p = out.find('p');
    int exponent = std::atoi(out.c_str() + p + 1) + (real == 0 ? 0 : power - 1);
    out.resize(p);
    std::string digits = std::to_string(std::abs(exponent));
    out.append(exponent < 0 ? "p-" : "p+").append(digits.size() < 2 ? "0" : "").append(digits);
  } else if (lower == 'g' && precision < 0) {
    written(std::to_chars(begin, end, real, std::chars_format::scientific));
    size_t e = out.find('e');
    int exponent = std::atoi(out.c_str() + e + 1);
    if (exponent >= -4 && exponent < 6) {
      out.resize(400);
      begin = out.data();
      written(std::to_chars(begin, begin + out.size(), real, std::chars_format::fixed));
    }
  } else {
    std::chars_format style = lower == 'e'   ? std::chars_format::scientific
                              : lower == 'f' ? std::chars_format::fixed
                                             : std::chars_format::general;
    // Of %g, a precision of 0 counts as 1.
    written(precision < 0 ? std::to_chars(begin, end, real, style)
                          : std::to_chars(begin, end, real, style, precision));
  }
  if (verb >= 'A' && verb <= 'Z') out = AsciiUpper(out);
  return out;
}

bool FormatLikeGo(Context& context, std::string_view format, std::span<const Value> args,
                  std::string& out) {
  if (!context.Spend(args.size()) || !SpendText(context, format.size())) return false;
  out.reserve(format.size() + 16 * args.size());
  // What nearly every policy says: plain %v, %s and %d, one for each argument.
  size_t next = 0;
  size_t at = 0;
  while (true) {
    size_t percent = std::min(format.find('%', at), format.size());
    out += format.substr(at, percent - at);
    if (percent == format.size()) {
      if (next == args.size()) return true;
      break;
    }
    char verb = percent + 1 < format.size() ? format[percent + 1] : '\0';
    if (verb == '%') {
      out += '%';
      at = percent + 2;
      continue;
    }
    if (next == args.size()) break;
    const Value& value = args[next];
    if (value.IsString() && (verb == 's' || verb == 'v')) {
      out += value.AsString();
    } else if (value.IsInt() && (verb == 'd' || verb == 'v')) {
      AppendNumber(out, value);
    } else if (!value.IsNumber() && !value.IsString() && (verb == 's' || verb == 'v')) {
      out += ToRegoText(value);
    } else {
      break;
    }
    if (!SpendText(context, out.size() / args.size())) return false;
    ++next;
    at = percent + 2;
  }
  out.clear();
  return Printer(context, format, args, out).Print();
}

}  // namespace bulwark::rego
