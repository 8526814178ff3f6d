#include "lang/rego/builtins/go_yaml.h"

#include <yaml.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml_scalar.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/format.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/number.h"

namespace bulwark::rego {

namespace {

constexpr size_t kDeepest = 1000;
constexpr size_t kMostAliased = 400'000;  // nodes that all aliases stand for

// The words that YAML 1.1 took for booleans and go-yaml v3 does not.
bool IsOldBool(std::string_view text) {
  constexpr std::string_view kWords[] = {"y", "Y", "yes", "Yes", "YES", "on",  "On",  "ON",
                                         "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF"};
  return std::ranges::find(kWords, text) != std::end(kWords);
}

std::string_view TextOf(const yaml_event_t& event) {
  return {reinterpret_cast<const char*>(event.data.scalar.value), event.data.scalar.length};
}

std::string_view TextOf(const yaml_char_t* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

class Reader {
 public:
  Reader(std::string_view text, Arena& arena) : arena_(arena) {
    BW_CHECK(yaml_parser_initialize(&parser_) != 0);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() { yaml_parser_delete(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<Value> Read() {
    while (true) {
      yaml_event_t event;
      if (yaml_parser_parse(&parser_, &event) == 0) return Problem();
      bool end = event.type == YAML_STREAM_END_EVENT;
      Result<> taken = Take(event);
      yaml_event_delete(&event);
      BW_TRY(std::move(taken));
      if (end) return root_;
    }
  }

 private:
  struct Node {
    Value value;
    size_t nodes = 1;  // aliases counted in full
    bool merge = false;
  };
  struct Frame {
    bool map;
    std::vector<Node> nodes;  // of a map: key, value, key …
    std::string anchor;
  };

  Error Problem() const {
    // As go-yaml counts: where the construct began that went wrong, if not in the first line; what
    // the scanner finds is reported a line too early.
    size_t line =
        parser_.context_mark.line != 0 ? parser_.context_mark.line : parser_.problem_mark.line;
    if (line != 0 && parser_.error == YAML_SCANNER_ERROR) ++line;
    std::string message = "yaml: ";
    if (line != 0) message += "line " + std::to_string(line) + ": ";
    message +=
        parser_.problem != nullptr ? parser_.problem : "unknown problem parsing YAML content";
    return Error(Code::kInvalid, message);
  }
  static Error Fail(const std::string& what) { return Error(Code::kInvalid, "yaml: " + what); }

  Result<> Take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        ++documents_;
        anchors_.clear();
        return Ok();
      case YAML_SCALAR_EVENT: {
        Node node = BW_TRY(Scalar(event));
        return Complete(node, TextOf(event.data.scalar.anchor));
      }
      case YAML_ALIAS_EVENT: return Alias(TextOf(event.data.alias.anchor));
      case YAML_MAPPING_START_EVENT: return Open(true, TextOf(event.data.mapping_start.anchor));
      case YAML_SEQUENCE_START_EVENT: return Open(false, TextOf(event.data.sequence_start.anchor));
      case YAML_MAPPING_END_EVENT:
      case YAML_SEQUENCE_END_EVENT: return Close();
      default: return Ok();
    }
  }

  Result<Node> Scalar(const yaml_event_t& event) {
    std::string_view text = TextOf(event);
    bool plain = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const char* written = reinterpret_cast<const char*>(event.data.scalar.tag);
    yaml::Tag tag = yaml::ReadTag(written);
    Node node;
    if (tag == yaml::Tag::kNone && plain && text == "<<") {
      node.merge = true;
      return node;
    }
    if (tag == yaml::Tag::kBinary) {
      Result<std::string> bytes = DecodeGoBase64(text, GoBase64::kStandard);
      if (!bytes) return Fail("!!binary value contains invalid base64 data");
      node.value = Value::String(arena_, *bytes);
      return node;
    }
    bool untyped = tag == yaml::Tag::kNone && (!plain || IsOldBool(text));
    if (untyped || tag == yaml::Tag::kString || tag == yaml::Tag::kTimestamp) {
      node.value = Value::String(arena_, text);
      return node;
    }
    std::optional<Value> resolved = yaml::Resolve(tag, text);
    if (!resolved || (resolved->IsBool() && IsOldBool(text))) {
      std::string_view name = written == nullptr ? "" : written;
      constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
      std::string shown(name);
      if (name.starts_with(kPrefix)) shown = "!!" + std::string(name.substr(kPrefix.size()));
      return Fail("cannot decode !!str `" + std::string(text) + "` as a " + shown);
    }
    node.value = resolved->CopyTo(arena_);
    return node;
  }

  Result<> Open(bool map, std::string_view anchor) {
    if (frames_.size() >= kDeepest) return Fail("exceeded max depth of 1000");
    frames_.push_back({map, {}, std::string(anchor)});
    if (!anchor.empty()) anchors_.insert_or_assign(std::string(anchor), std::nullopt);
    return Ok();
  }

  Result<> Alias(std::string_view name) {
    auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      return Fail("unknown anchor '" + std::string(name) + "' referenced");
    }
    if (!found->second) return Fail("anchor '" + std::string(name) + "' value contains itself");
    aliased_ += found->second->nodes;
    if (aliased_ > kMostAliased) return Fail("document contains excessive aliasing");
    return Complete(*found->second, {});
  }

  Result<> Complete(const Node& node, std::string_view anchor) {
    if (!anchor.empty()) anchors_.insert_or_assign(std::string(anchor), node);
    if (!frames_.empty()) {
      frames_.back().nodes.push_back(node);
    } else if (documents_ == 1) {
      if (node.value.IsDouble() && !std::isfinite(node.value.AsDouble())) return NotFinite(node);
      root_ = AfterJson(node.value);
    }
    return Ok();
  }

  // A double is what Go's JSON of it reads as: without fraction an integer.
  Value AfterJson(const Value& value) {
    if (!value.IsDouble()) return value;
    std::string text;
    AppendJsonDouble(text, value.AsDouble());
    return NumberFromText(arena_, text);
  }

  static Error NotFinite(const Node& node) {
    double d = node.value.AsDouble();
    std::string_view text = std::isnan(d) ? "NaN" : (d < 0 ? "-Inf" : "+Inf");
    return Error(Code::kInvalid, "json: unsupported value: " + std::string(text));
  }

  Result<> Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Node node;
    for (Node& inner : frame.nodes) {
      node.nodes += inner.nodes;
      if (inner.merge) continue;
      bool key = frame.map && (&inner - frame.nodes.data()) % 2 == 0;
      if (key) continue;
      if (inner.value.IsDouble() && !std::isfinite(inner.value.AsDouble())) return NotFinite(inner);
      inner.value = AfterJson(inner.value);
    }
    if (frame.map) {
      node.value = BW_TRY(MapOf(frame.nodes));
    } else {
      std::vector<Value> items;
      for (const Node& inner : frame.nodes) {
        items.push_back(inner.merge ? Value::String("<<") : inner.value);
      }
      node.value = Value::Array(arena_, items);
    }
    return Complete(node, frame.anchor);
  }

  // What stands in the map wins over what is merged into it, and of that the first.
  Result<Value> MapOf(std::span<const Node> nodes) {
    MapBuilder out(arena_);
    std::vector<Value> merged;
    for (size_t i = 0; i + 1 < nodes.size(); i += 2) {
      const Value& value = nodes[i + 1].value;
      if (nodes[i].merge) {
        if (value.IsArray()) {
          merged.insert(merged.end(), value.items().begin(), value.items().end());
        } else {
          merged.push_back(value);
        }
        continue;
      }
      std::optional<std::string> key = yaml::KeyText(nodes[i].value);
      if (!key && nodes[i].value.IsNull()) {
        return Error(
            Code::kInvalid,
            "unsupported map key of type: %!s(<nil>), key: <nil>, value: " + ToRegoText(value));
      }
      if (!key) return Fail("invalid map key: " + ToRegoText(nodes[i].value));
      out.Add(Value::String(arena_, *key), nodes[i + 1].merge ? Value::String("<<") : value);
    }
    for (const Value& map : merged) {
      if (!map.IsMap()) return Fail("map merge requires map or sequence of maps as the value");
      aliased_ += map.size();
      if (aliased_ > kMostAliased) return Fail("document contains excessive aliasing");
      for (const Value::Entry& entry : map.entries()) {
        if (!out.Has(entry.key)) out.Add(entry.key, entry.value);
      }
    }
    return out.Finish();
  }

  Arena& arena_;
  yaml_parser_t parser_;
  std::vector<Frame> frames_;
  std::map<std::string, std::optional<Node>, std::less<>> anchors_;  // without a node: still open
  Value root_;
  size_t aliased_ = 0;
  size_t documents_ = 0;
};

// --- Writing -------------------------------------------------------------------------------------

// Numbers within keys count as numbers: a9 stands before a10.
bool NaturallyBefore(std::string_view a, std::string_view b) {
  std::u32string x;
  std::u32string y;
  for (CodePoint c : CodePoints(a)) x += c.value;
  for (CodePoint c : CodePoints(b)) y += c.value;
  auto digit = [](char32_t c) { return c >= '0' && c <= '9'; };
  auto letter = [](char32_t c) {
    return c < 0x80 ? IsAsciiLetter(static_cast<char>(c)) : c >= 0xaa;
  };
  bool digits = false;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
    if (x[i] == y[i]) {
      digits = digit(x[i]);
      continue;
    }
    bool lx = letter(x[i]);
    bool ly = letter(y[i]);
    if (lx && ly) return x[i] < y[i];
    if (lx || ly) return digits ? lx : ly;
    uint64_t nx = 0;
    uint64_t ny = 0;
    if (x[i] == '0' || y[i] == '0') {
      for (size_t j = i; j-- > 0 && digit(x[j]);) {
        if (x[j] != '0') {
          nx = ny = 1;
          break;
        }
      }
    }
    size_t ex = i;
    size_t ey = i;
    for (; ex < x.size() && digit(x[ex]); ++ex) nx = nx * 10 + (x[ex] - '0');
    for (; ey < y.size() && digit(y[ey]); ++ey) ny = ny * 10 + (y[ey] - '0');
    if (nx != ny) return nx < ny;
    if (ex != ey) return ex < ey;
    return x[i] < y[i];
  }
  return x.size() < y.size();
}

bool IsBreak(char32_t c) {
  return c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool IsPrintableYaml(char32_t c) {
  return c == '\n' || (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff) ||
         (c >= 0xe000 && c <= 0xfffd && c != 0xfeff);
}

// 1:30, which YAML 1.1 took for a number of base 60.
bool IsBase60(std::string_view text) {
  if (text.find(':') == text.npos) return false;
  if (text[0] == '+' || text[0] == '-') text.remove_prefix(1);
  if (text.empty() || !IsAsciiDigit(text[0])) return false;
  std::vector<std::string_view> parts = Split(text, ':');
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string_view part = parts[i];
    if (i + 1 == parts.size()) {
      size_t point = std::min(part.find('.'), part.size());
      std::string_view rest = part.substr(point);
      if (rest.find_first_not_of("._0123456789") != rest.npos) return false;
      part = part.substr(0, point);
    }
    bool first = i == 0;
    if (part.empty() || part.find_first_not_of(first ? "_0123456789" : "0123456789") != part.npos) {
      return false;
    }
    if (!first && (part.size() > 2 || (part.size() == 2 && part[0] > '5'))) return false;
  }
  return true;
}

// What a string may be written as.
struct Analysis {
  bool plain = true, single = true, literal = true, multiline = false;
};

Analysis Analyze(std::string_view text) {
  Analysis out;
  if (text.empty()) {
    out.literal = false;
    return out;
  }
  bool indicators = text.starts_with("---") || text.starts_with("...");
  bool special = false, tab = false;
  bool edge = false, trailing_space = false, break_space = false, space_break = false;
  bool after_space = false, after_break = false, after_blank = true;
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    size_t next = at + c.length;
    bool last = next == text.size();
    bool before_blank = last || text[next] == ' ' || text[next] == '\t';
    char byte = text[at];
    if (at == 0) {
      indicators = indicators || std::string_view("#,[]{}&*!|>'\"%@`").find(byte) != text.npos ||
                   (before_blank && (byte == '?' || byte == ':' || byte == '-'));
    } else {
      indicators = indicators || (byte == ':' && before_blank) || (byte == '#' && after_blank);
    }
    if (byte == '\t') {
      tab = true;
    } else if (!c.valid || !IsPrintableYaml(c.value)) {
      special = true;
    }
    if (byte == ' ') {
      edge = edge || at == 0 || last;
      trailing_space = trailing_space || last;
      break_space = break_space || after_break;
      after_space = true;
      after_break = false;
    } else if (IsBreak(c.value)) {
      out.multiline = true;
      edge = edge || at == 0 || last;
      space_break = space_break || after_space;
      after_space = false;
      after_break = true;
    } else {
      after_space = after_break = false;
    }
    after_blank = byte == ' ' || byte == '\t' || IsBreak(c.value);
    at = next;
  }
  bool odd = space_break || special;
  out.plain = !edge && !break_space && !odd && !tab && !out.multiline && !indicators;
  out.single = !break_space && !odd && !tab;
  out.literal = !trailing_space && !odd;
  return out;
}

class Writer {
 public:
  std::string Write(const Value& value) {
    Node(value, 0, true);
    NewLine();
    return std::move(out_);
  }

 private:
  void NewLine() {
    if (!out_.ends_with('\n')) out_ += '\n';
  }
  // At the beginning of a line, or behind the "- " of the sequence around it.
  void Begin(size_t indent, bool& behind_dash) {
    if (!behind_dash) {
      if (!out_.empty()) NewLine();
      out_.append(indent, ' ');
    }
    behind_dash = false;
  }

  // A collection's entries stand at `indent`; `here`: they may begin where the text ends now.
  void Node(const Value& value, size_t indent, bool here) {
    if (value.IsMap() && !value.empty()) return Map(value, indent, here);
    if (value.items().empty() && value.IsMap()) {
      out_ += "{}";
    } else if (value.IsArray() || value.IsSet()) {
      if (!value.empty()) return Sequence(value, indent, here);
      out_ += "[]";
    } else {
      Scalar(value, indent < 2 ? 2 : indent, false);
    }
  }

  void Map(const Value& value, size_t indent, bool here) {
    std::vector<std::pair<std::string, Value>> entries;
    for (const Value::Entry& entry : value.entries()) {
      entries.emplace_back(
          entry.key.IsString() ? std::string(entry.key.AsString()) : GoJson(entry.key),
          entry.value);
    }
    std::ranges::stable_sort(
        entries, [](const auto& a, const auto& b) { return NaturallyBefore(a.first, b.first); });
    for (const auto& [key, inner] : entries) {
      Begin(indent, here);
      if (key.size() > 128 || Analyze(key).multiline) {
        out_ += "? ";
        String(key, indent + 2, false);
        NewLine();
        out_.append(indent, ' ').append(":");
      } else {
        String(key, indent, true);
        out_ += ':';
      }
      bool block = (inner.IsMap() || inner.IsArray() || inner.IsSet()) && !inner.empty();
      if (!block) out_ += ' ';
      Node(inner, indent + 2, false);
    }
  }

  void Sequence(const Value& value, size_t indent, bool here) {
    for (const Value& item : value.items()) {
      Begin(indent, here);
      out_ += "- ";
      Node(item, indent + 2, true);
    }
  }

  void Scalar(const Value& value, size_t indent, bool key) {
    if (value.IsString()) return String(value.AsString(), indent, key);
    if (value.IsDouble()) {
      out_ += SpellFloat(value.AsDouble(), 'g', -1);
    } else if (value.IsDecimal()) {
      double real = value.ToDouble();  // past its range go-yaml takes the number for a word
      out_ += std::isfinite(real) ? SpellFloat(real, 'g', -1) : NumberText(value);
    } else if (value.IsNumber()) {
      AppendNumber(out_, value);
    } else {
      out_ += value.IsNull() ? "null" : (value.IsTrue() ? "true" : "false");
    }
  }

  void String(std::string_view text, size_t indent, bool key) {
    Analysis may = Analyze(text);
    bool lines = text.find('\n') != text.npos;
    if (lines && may.literal && !key) return Literal(text, indent);
    if (lines) return DoubleQuoted(text);
    std::optional<Value> means = yaml::Resolve(yaml::Tag::kNone, text);
    bool date = text.size() >= 8 && text.size() <= 40 && IsAsciiDigit(text[0]) &&
                yaml::Resolve(yaml::Tag::kTimestamp, text).has_value();
    bool is_string = means && means->IsString() && !date;
    if (!is_string || IsBase60(text) || IsOldBool(text)) return DoubleQuoted(text);
    if (may.plain) {
      out_ += text;
    } else if (may.single && !may.multiline) {
      out_ += "'" + ReplaceAll(text, "'", "''") + "'";
    } else {
      DoubleQuoted(text);
    }
  }

  void Literal(std::string_view text, size_t indent) {
    out_ += '|';
    CodePoint first = DecodeUtf8(text, 0);
    if (first.value == ' ' || IsBreak(first.value)) out_ += '2';
    if (!text.ends_with('\n')) {
      out_ += '-';
    } else if (text.size() == 1 || text[text.size() - 2] == '\n') {
      out_ += '+';
    }
    out_ += '\n';
    bool at_line = true;
    for (char c : text) {
      if (c != '\n' && at_line) out_.append(indent, ' ');
      at_line = c == '\n';
      out_ += c;
    }
  }

  void DoubleQuoted(std::string_view text) {
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      CodePoint c = DecodeUtf8(text, at);
      std::string_view spelled = text.substr(at, c.length);
      at += c.length;
      auto code = static_cast<uint32_t>(c.value);
      bool plain =
          c.value != '"' && c.value != '\\' && IsPrintableYaml(c.value) && !IsBreak(c.value);
      if (plain) {
        out_ += spelled;
        continue;
      }
      constexpr std::pair<uint32_t, char> kNames[] = {
          {0x00, '0'},  {0x07, 'a'}, {0x08, 'b'}, {0x09, 't'},   {0x0a, 'n'},
          {0x0b, 'v'},  {0x0c, 'f'}, {0x0d, 'r'}, {0x1b, 'e'},   {0x22, '"'},
          {0x5c, '\\'}, {0x85, 'N'}, {0xa0, '_'}, {0x2028, 'L'}, {0x2029, 'P'}};
      const auto* name = std::ranges::find(kNames, code, &std::pair<uint32_t, char>::first);
      out_ += '\\';
      if (name != std::end(kNames)) {
        out_ += name->second;
        continue;
      }
      int digits = code <= 0xff ? 2 : (code <= 0xffff ? 4 : 8);
      out_ += digits == 2 ? 'x' : (digits == 4 ? 'u' : 'U');
      for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
        out_ += "0123456789ABCDEF"[(code >> shift) & 0xf];
      }
    }
    out_ += '"';
  }

  std::string out_;
};

}  // namespace

Result<Value> ParseGoYaml(std::string_view text, Arena& arena) {
  return Reader(text, arena).Read();
}

std::string ToGoYaml(const Value& value) { return Writer().Write(value); }

}  // namespace bulwark::rego
