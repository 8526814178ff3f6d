// The writing half of formats/json.h.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark {

namespace {

void AppendEscape(std::string& out, uint32_t unit) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char escape[6] = {'\\',
                    'u',
                    kDigits[unit >> 12 & 15],
                    kDigits[unit >> 8 & 15],
                    kDigits[unit >> 4 & 15],
                    kDigits[unit & 15]};
  out.append(escape, 6);
}

void AppendInteger(std::string& out, auto number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// "3.5s": the spelling that protobuf's JSON gives a Duration.
void AppendSeconds(std::string& out, int64_t seconds, int32_t nanos) {
  if (seconds == 0 && nanos < 0) out += '-';
  AppendInteger(out, seconds);
  if (nanos != 0) {
    std::string digits = std::to_string(nanos < 0 ? -nanos : nanos);
    out += '.';
    out.append(9 - digits.size(), '0');
    out += digits.substr(0, digits.find_last_not_of('0') + 1);
  }
  out += 's';
}

class Writer {
 public:
  Writer(std::string& out, const JsonWriteOptions& options) : out_(out), options_(options) {}

  void Write(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::kNull: out_ += "null"; return;
      case Value::Kind::kBool: out_ += value.AsBool() ? "true" : "false"; return;
      case Value::Kind::kInt: AppendInteger(out_, value.AsInt()); return;
      case Value::Kind::kUint: AppendInteger(out_, value.AsUint()); return;
      case Value::Kind::kDouble:
        if (std::isfinite(value.AsDouble())) {
          AppendJsonDouble(out_, value.AsDouble());
        } else {
          all_finite_ = false;
          out_ += "null";
        }
        return;
      case Value::Kind::kDecimal: out_ += value.AsString(); return;
      case Value::Kind::kString: AppendJsonString(out_, value.AsString(), options_.ascii); return;
      case Value::Kind::kBytes:
        out_ += '"';
        AppendBase64(out_, value.AsString());
        out_ += '"';
        return;
      case Value::Kind::kTimestamp:
        out_ += '"';
        out_ += FormatRfc3339({value.seconds(), value.nanos()});
        out_ += '"';
        return;
      case Value::Kind::kDuration:
        out_ += '"';
        AppendSeconds(out_, value.seconds(), value.nanos());
        out_ += '"';
        return;
      case Value::Kind::kArray:
      case Value::Kind::kSet: WriteItems(value); return;
      case Value::Kind::kMap: WriteEntries(value); return;
      case Value::Kind::kOpaque:
        AppendJsonString(out_, value.AsOpaque()->ToString(), options_.ascii);
        return;
    }
    BW_UNREACHABLE();
  }

  bool all_finite() const { return all_finite_; }

 private:
  void WriteItems(const Value& value) {
    Open('[');
    bool first = true;
    for (const Value& item : value.items()) {
      Separate(first);
      Write(item);
    }
    Close(']', first);
  }

  void WriteEntries(const Value& value) {
    Open('{');
    bool first = true;
    if (options_.sort_keys) {
      std::vector<std::pair<std::string, const Value*>> sorted;
      sorted.reserve(value.size());
      for (const Value::Entry& entry : value.entries()) {
        sorted.emplace_back(KeyText(entry.key), &entry.value);
      }
      std::sort(sorted.begin(), sorted.end(),
                [](const auto& a, const auto& b) { return a.first < b.first; });
      for (const auto& [key, item] : sorted) WriteEntry(key, *item, first);
    } else {
      for (const Value::Entry& entry : value.entries()) {
        if (entry.key.IsString()) {
          WriteEntry(entry.key.AsString(), entry.value, first);
        } else {
          WriteEntry(KeyText(entry.key), entry.value, first);
        }
      }
    }
    Close('}', first);
  }

  void WriteEntry(std::string_view key, const Value& value, bool& first) {
    Separate(first);
    AppendJsonString(out_, key, options_.ascii);
    out_ += options_.indent > 0 ? ": " : ":";
    Write(value);
  }

  std::string KeyText(const Value& key) {
    if (key.IsString()) return std::string(key.AsString());
    std::string text;
    Writer writer(text, {.sort_keys = true});
    writer.Write(key);
    all_finite_ = all_finite_ && writer.all_finite_;
    // What is written as a JSON string needs no second pair of quotes.
    bool quoted = key.IsBytes() || key.IsTimestamp() || key.IsDuration();
    return quoted ? text.substr(1, text.size() - 2) : text;
  }

  void Open(char bracket) {
    out_ += bracket;
    ++depth_;
  }
  void Separate(bool& first) {
    if (!first) out_ += ',';
    first = false;
    NewLine();
  }
  void Close(char bracket, bool empty) {
    --depth_;
    if (!empty) NewLine();
    out_ += bracket;
  }
  void NewLine() {
    if (options_.indent <= 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(options_.indent) * depth_, ' ');
  }

  std::string& out_;
  const JsonWriteOptions& options_;
  size_t depth_ = 0;
  bool all_finite_ = true;
};

}  // namespace

namespace {

// How many bytes, in eights, from the first on need no escape.
size_t PlainRun(const char* text, size_t size) {
  constexpr uint64_t kOnes = 0x0101010101010101U;
  constexpr uint64_t kHighs = 0x8080808080808080U;
  auto zeros = [](uint64_t v) { return (v - kOnes) & ~v & kHighs; };
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    uint64_t v = 0;
    std::memcpy(&v, text + at, 8);
    uint64_t special = zeros(v ^ kOnes * '"') | zeros(v ^ kOnes * '\\') |
                       ((v - kOnes * 0x20) & ~v & kHighs) | (v & kHighs);
    if (special != 0) break;
  }
  return at;
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  size_t plain = 0;  // where the run that needs no escape began
  for (size_t at = 0; at < text.size();) {
    at += PlainRun(text.data() + at, text.size() - at);
    if (at == text.size()) break;
    auto byte = static_cast<uint8_t>(text[at]);
    if (byte >= 0x20 && byte != '"' && byte != '\\' && byte < 0x80) [[likely]] {
      ++at;
      continue;
    }
    CodePoint c = DecodeUtf8(text, at);
    if (byte >= 0x80 && c.valid && !ascii) {
      at += c.length;
      continue;
    }
    out.append(text.substr(plain, at - plain));
    at += c.length;
    plain = at;
    switch (c.value) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (c.value >= 0x10000) {
          AppendEscape(out, 0xd800 + ((c.value - 0x10000) >> 10));
          AppendEscape(out, 0xdc00 + ((c.value - 0x10000) & 0x3ff));
        } else if (c.value < 0x20 || ascii) {
          AppendEscape(out, c.value);
        } else {
          AppendUtf8(out, c.value);
        }
    }
  }
  out.append(text.substr(plain));
  out += '"';
}

void AppendJsonDouble(std::string& out, double number) {
  char text[32];
  double size = std::fabs(number);
  auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::scientific).ptr;
  std::string_view spelling(text, static_cast<size_t>(end - text));
  size_t e = spelling.find('e');
  if (size != 0 && (size < 1e-6 || size >= 1e21)) {
    out += spelling.substr(0, e + 2);  // with the exponent's sign
    size_t digits = std::min(spelling.find_first_not_of('0', e + 2), spelling.size() - 1);
    out += spelling.substr(digits);
    return;
  }
  int exponent = 0;
  std::from_chars(spelling[e + 1] == '+' ? text + e + 2 : text + e + 1, end, exponent);
  std::string_view mantissa = spelling.substr(0, e);
  if (mantissa.front() == '-') {
    out += '-';
    mantissa.remove_prefix(1);
  }
  std::string digits;
  for (char c : mantissa) {
    if (c != '.') digits += c;
  }
  if (exponent < 0) {
    out += "0.";
    out.append(static_cast<size_t>(-exponent - 1), '0');
    out += digits;
  } else if (digits.size() <= static_cast<size_t>(exponent) + 1) {
    out += digits;
    out.append(static_cast<size_t>(exponent) + 1 - digits.size(), '0');
  } else {
    out += digits.substr(0, static_cast<size_t>(exponent) + 1);
    out += '.';
    out += digits.substr(static_cast<size_t>(exponent) + 1);
  }
}

void AppendJson(std::string& out, const Value& value, const JsonWriteOptions& options) {
  Writer(out, options).Write(value);
}

std::string ToJson(const Value& value, const JsonWriteOptions& options) {
  std::string out;
  AppendJson(out, value, options);
  return out;
}

Result<std::string> ToStrictJson(const Value& value, const JsonWriteOptions& options) {
  std::string out;
  Writer writer(out, options);
  writer.Write(value);
  if (!writer.all_finite()) {
    return Error(Code::kInvalid, "json.not_finite", "JSON cannot hold NaN or an infinity");
  }
  return out;
}

}  // namespace bulwark
