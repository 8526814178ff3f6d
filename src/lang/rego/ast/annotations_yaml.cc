#include "lang/rego/ast/annotations_yaml.h"

#include <yaml.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

constexpr size_t kMaxDepth = 200;
constexpr size_t kMaxNodes = 400'000;  // those that aliases repeat counted too

struct Node {
  enum Kind : uint8_t { kScalar, kMap, kSequence, kAlias } kind = kScalar;
  bool plain = false;
  std::string tag;                    // as written, shortened; empty: none
  std::string value;                  // of a scalar
  size_t line = 0;                    // from 1
  std::vector<const Node*> children;  // of a map: key, value, key, value …
  const Node* target = nullptr;       // of an alias
};

Error YamlError(std::string message) {
  return {Code::kInvalid, "rego_annotation", std::move(message)};
}

// ----- Text to nodes -----

class Reader {
 public:
  explicit Reader(std::string_view text) {
    ok_ = yaml_parser_initialize(&parser_) != 0;
    if (ok_) {
      yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                   text.size());
    }
  }
  ~Reader() {
    if (ok_) yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The first document's root; nullptr: there is none.
  Result<const Node*> Read() {
    if (!ok_) return Error(Code::kInternal, "yaml: out of memory");
    for (;;) {
      Event event;
      if (!Next(event)) return Failure();
      if (event.get().type == YAML_STREAM_END_EVENT) return static_cast<const Node*>(nullptr);
      if (event.get().type == YAML_DOCUMENT_START_EVENT) break;
    }
    return ReadNode(1);
  }

 private:
  class Event {
   public:
    Event() = default;
    ~Event() {
      if (full_) yaml_event_delete(&event_);
    }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    yaml_event_t& get() { return event_; }
    yaml_event_t* Fill() {
      full_ = true;
      return &event_;
    }
    void Drop() { full_ = false; }

   private:
    yaml_event_t event_{};
    bool full_ = false;
  };

  bool Next(Event& event) {
    if (yaml_parser_parse(&parser_, event.Fill()) != 0) return true;
    event.Drop();
    return false;
  }

  Error Failure() const {
    size_t line =
        parser_.context_mark.line != 0 ? parser_.context_mark.line : parser_.problem_mark.line;
    if (line != 0 && parser_.error == YAML_SCANNER_ERROR) ++line;
    std::string message = "yaml: ";
    if (line != 0) message += "line " + std::to_string(line) + ": ";
    message +=
        parser_.problem != nullptr ? parser_.problem : "unknown problem parsing YAML content";
    return YamlError(std::move(message));
  }

  static std::string Text(const yaml_char_t* text) {
    return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text));
  }

  static std::string ShortTag(std::string tag) {
    constexpr std::string_view kLong = "tag:yaml.org,2002:";
    if (tag.starts_with(kLong)) return "!!" + tag.substr(kLong.size());
    return tag == "!" ? std::string() : tag;
  }

  Node* NewNode(Node::Kind kind, const yaml_event_t& event, std::string anchor, std::string tag) {
    nodes_.push_back(std::make_unique<Node>());
    Node* node = nodes_.back().get();
    node->kind = kind;
    node->line = event.start_mark.line + 1;
    node->tag = ShortTag(std::move(tag));
    if (!anchor.empty()) anchors_[std::move(anchor)] = node;
    return node;
  }

  Result<const Node*> ReadNode(size_t depth) {
    Event event;
    if (!Next(event)) return Failure();
    return ReadNode(event, depth);
  }

  Result<const Node*> ReadNode(Event& holder, size_t depth) {
    if (depth > kMaxDepth) return YamlError("yaml: exceeded max depth");
    const yaml_event_t& event = holder.get();
    switch (event.type) {
      case YAML_SCALAR_EVENT: {
        Node* node = NewNode(Node::kScalar, event, Text(event.data.scalar.anchor),
                             Text(event.data.scalar.tag));
        node->plain = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->value.assign(reinterpret_cast<const char*>(event.data.scalar.value),
                           event.data.scalar.length);
        return static_cast<const Node*>(node);
      }
      case YAML_ALIAS_EVENT: {
        const std::string name = Text(event.data.alias.anchor);
        const auto found = anchors_.find(name);
        if (found == anchors_.end())
          return YamlError("yaml: unknown anchor '" + name + "' referenced");
        Node* node = NewNode(Node::kAlias, event, {}, {});
        node->value = name;
        node->target = found->second;
        return static_cast<const Node*>(node);
      }
      case YAML_SEQUENCE_START_EVENT:
      case YAML_MAPPING_START_EVENT: {
        const bool map = event.type == YAML_MAPPING_START_EVENT;
        Node* node = map ? NewNode(Node::kMap, event, Text(event.data.mapping_start.anchor),
                                   Text(event.data.mapping_start.tag))
                         : NewNode(Node::kSequence, event, Text(event.data.sequence_start.anchor),
                                   Text(event.data.sequence_start.tag));
        for (;;) {
          Event next;
          if (!Next(next)) return Failure();
          const auto type = next.get().type;
          if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT) break;
          Result<const Node*> child = ReadNode(next, depth + 1);
          if (!child) return std::move(child).error();
          node->children.push_back(*child);
        }
        return static_cast<const Node*>(node);
      }
      default: return static_cast<const Node*>(nullptr);
    }
  }

  yaml_parser_t parser_{};
  bool ok_ = false;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unordered_map<std::string, const Node*> anchors_;
};

// ----- What plain scalars mean -----

struct Scalar {
  std::string_view tag;  // "!!str" …
  Value value;
};

std::optional<Value> Integer(std::string_view text, int base, bool negative) {
  uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!negative) {
    return magnitude <= INT64_MAX ? Value::Int(static_cast<int64_t>(magnitude))
                                  : Value::Uint(magnitude);
  }
  if (magnitude > uint64_t{1} << 63) return std::nullopt;
  return Value::Int(static_cast<int64_t>(0 - magnitude));
}

// As Go's ParseInt with base 0, after the underscores are gone.
std::optional<Value> AnyInteger(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  return Integer(text, base, negative);
}

bool LooksLikeFloat(std::string_view text) {
  size_t i = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i > begin;
  };
  const bool whole = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits() && !whole) return false;
  } else if (!whole) {
    return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

// YYYY-M-D, alone or with a time; as RFC 3339, which is how Go prints it as JSON.
std::optional<std::string> Timestamp(std::string_view text) {
  size_t i = 0;
  const auto number = [&](size_t least, size_t most) -> std::optional<int> {
    const size_t begin = i;
    while (i < text.size() && i - begin < most && text[i] >= '0' && text[i] <= '9') ++i;
    if (i - begin < least) return std::nullopt;
    int out = 0;
    std::from_chars(text.data() + begin, text.data() + i, out);
    return out;
  };
  const auto take = [&](char c) {
    if (i >= text.size() || text[i] != c) return false;
    ++i;
    return true;
  };
  const auto two = [](int value) {
    std::string out = std::to_string(value);
    return out.size() < 2 ? "0" + out : out;
  };
  const auto year = number(4, 4);
  if (!year || !take('-')) return std::nullopt;
  const auto month = number(1, 2);
  if (!month || *month < 1 || *month > 12 || !take('-')) return std::nullopt;
  const auto day = number(1, 2);
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (!day || *day < 1 || *day > kDays[*month - 1] + (*month == 2 && leap ? 1 : 0)) {
    return std::nullopt;
  }
  std::string year_text = std::to_string(*year);
  year_text.insert(0, 4 - std::min<size_t>(4, year_text.size()), '0');
  std::string out = year_text + "-" + two(*month) + "-" + two(*day);
  if (i == text.size()) return out + "T00:00:00Z";
  const char mark = text[i];
  if (mark != 'T' && mark != 't' && mark != ' ') return std::nullopt;
  ++i;
  const auto hour = number(1, 2);
  if (!hour || *hour > 23 || !take(':')) return std::nullopt;
  const auto minute = number(1, 2);
  if (!minute || *minute > 59 || !take(':')) return std::nullopt;
  const auto second = number(1, 2);
  if (!second || *second > 59) return std::nullopt;
  out += "T" + two(*hour) + ":" + two(*minute) + ":" + two(*second);
  if (i < text.size() && (text[i] == '.' || text[i] == ',')) {
    const size_t begin = ++i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    if (i == begin) return std::nullopt;
    std::string fraction(text.substr(begin, std::min<size_t>(i - begin, 9)));
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    if (!fraction.empty()) out += "." + fraction;
  }
  if (mark == ' ') return i == text.size() ? std::optional(out + "Z") : std::nullopt;
  if (take('Z')) return i == text.size() ? std::optional(out + "Z") : std::nullopt;
  if (i >= text.size() || (text[i] != '+' && text[i] != '-')) return std::nullopt;
  const std::string_view zone = text.substr(i);
  ++i;
  if (!number(2, 2) || !take(':') || !number(2, 2) || i != text.size()) return std::nullopt;
  return out + (zone == "+00:00" ? "Z" : std::string(zone));
}

Scalar Resolve(const Node& node, Arena& arena) {
  const std::string_view text = node.value;
  const auto string = [&] { return Scalar{"!!str", Value::String(arena, text)}; };
  if (!node.plain || node.tag == "!!str" || node.tag == "!!binary") return string();
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return {"!!null", {}};
  }
  if (text == "true" || text == "True" || text == "TRUE") return {"!!bool", Value::Bool(true)};
  if (text == "false" || text == "False" || text == "FALSE") return {"!!bool", Value::Bool(false)};
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return {"!!float", Value::Double(NAN)};
  if (text == ".inf" || text == ".Inf" || text == ".INF" || text == "+.inf" || text == "+.Inf" ||
      text == "+.INF") {
    return {"!!float", Value::Double(INFINITY)};
  }
  if (text == "-.inf" || text == "-.Inf" || text == "-.INF") {
    return {"!!float", Value::Double(-INFINITY)};
  }
  const char first = text[0];
  if ((first < '0' || first > '9') && first != '-' && first != '+' && first != '.') return string();
  if (node.tag.empty()) {
    if (const auto time = Timestamp(text)) return {"!!timestamp", Value::String(arena, *time)};
  }
  std::string plain;
  for (char c : text) {
    if (c != '_') plain += c;
  }
  if (first != '.') {
    if (const auto integer = AnyInteger(plain)) return {"!!int", *integer};
  }
  if (LooksLikeFloat(plain)) {
    const char* begin = plain.data() + (plain[0] == '+' ? 1 : 0);
    double real = 0;
    const auto result = std::from_chars(begin, plain.data() + plain.size(), real);
    if (result.ec == std::errc()) return {"!!float", Value::Double(real)};
  }
  return string();
}

// ----- Nodes to fields -----

class Decoder {
 public:
  explicit Decoder(Arena& arena) : arena_(arena) {}

  Result<AnnotationFields> Run(const Node* root) {
    AnnotationFields out;
    if (root != nullptr) Fields(*root, out);
    if (!fatal_.empty()) return YamlError("yaml: " + fatal_);
    if (!wrong_.empty()) {
      std::string message = "yaml: unmarshal errors:";
      for (const std::string& line : wrong_) message += "\n  " + line;
      return YamlError(std::move(message));
    }
    return out;
  }

 private:
  // What an alias stands for, each use counted.
  const Node& Follow(const Node& node) {
    const Node* at = &node;
    while (at->kind == Node::kAlias) at = at->target;
    return *at;
  }

  bool Enter(size_t depth) {
    if (++count_ > kMaxNodes || depth > kMaxDepth) {
      if (fatal_.empty()) fatal_ = "document contains excessive aliasing";
      return false;
    }
    return fatal_.empty();
  }

  void Wrong(const Node& node, std::string_view wanted) {
    std::string tag = node.tag;
    if (node.kind == Node::kMap) tag = "!!map";
    if (node.kind == Node::kSequence) tag = "!!seq";
    if (node.kind == Node::kScalar) {
      if (tag.empty()) tag = Resolve(node, arena_).tag;
      tag += " `" + (node.value.size() > 10 ? node.value.substr(0, 7) + "..." : node.value) + "`";
    }
    wrong_.push_back("line " + std::to_string(node.line) + ": cannot unmarshal " + tag + " into " +
                     std::string(wanted));
  }

  bool UniqueKeys(const Node& map) {
    const size_t before = wrong_.size();
    std::map<std::pair<int, std::string_view>, std::vector<const Node*>> seen;
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      const Node& key = *map.children[i];
      auto& same = seen[{key.kind, key.value}];
      for (const Node* first : same) {
        std::string quoted;
        AppendQuoted(key.value, quoted);
        wrong_.push_back("line " + std::to_string(key.line) + ": mapping key " + quoted +
                         " already defined at line " + std::to_string(first->line));
        if (wrong_.size() > 100) return false;
      }
      same.push_back(&key);
    }
    return wrong_.size() == before;
  }

  static bool IsMerge(const Node& key) {
    return key.kind == Node::kScalar && key.plain && key.value == "<<" &&
           (key.tag.empty() || key.tag == "!!merge");
  }

  // The entries of a map, those that << merges in last; the first of a name counts.
  void Entries(const Node& map, std::vector<std::pair<const Node*, const Node*>>& out,
               size_t depth) {
    if (!Enter(depth)) return;
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      if (!IsMerge(*map.children[i])) out.emplace_back(map.children[i], map.children[i + 1]);
    }
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      if (!IsMerge(*map.children[i])) continue;
      const Node& merged = Follow(*map.children[i + 1]);
      if (merged.kind == Node::kMap) {
        Entries(merged, out, depth + 1);
      } else if (merged.kind == Node::kSequence) {
        for (const Node* item : merged.children) {
          const Node& each = Follow(*item);
          if (each.kind == Node::kMap) Entries(each, out, depth + 1);
        }
      } else if (fatal_.empty()) {
        fatal_ = "map merge requires map or sequence of maps as the value";
      }
    }
  }

  void Fields(const Node& node, AnnotationFields& out) {
    const Node& root = Follow(node);
    if (root.kind == Node::kScalar && Resolve(root, arena_).tag == "!!null") return;
    if (root.kind != Node::kMap) {
      Wrong(root, "ast.rawAnnotation");
      return;
    }
    if (!UniqueKeys(root)) return;
    std::vector<std::pair<const Node*, const Node*>> entries;
    Entries(root, entries, 1);
    std::map<std::string, bool> done;
    for (const auto& [key_node, value_node] : entries) {
      if (key_node->kind != Node::kScalar) {
        Wrong(*key_node, "string");
        continue;
      }
      const std::string& key = key_node->value;
      if (done[key]) continue;
      done[key] = true;
      const Node& value = Follow(*value_node);
      if (key == "scope") {
        String(value, out.scope);
      } else if (key == "title") {
        String(value, out.title);
      } else if (key == "description") {
        String(value, out.description);
      } else if (key == "entrypoint") {
        Bool(value, out.entrypoint);
      } else if (key == "organizations") {
        Strings(value, out.organizations);
      } else if (key == "related_resources") {
        List(value, "[]interface {}", out.related_resources);
      } else if (key == "authors") {
        List(value, "[]interface {}", out.authors);
      } else if (key == "schemas") {
        Maps(value, out.schemas);
      } else if (key == "compile") {
        out.has_compile = Map(value, out.compile);
      } else if (key == "custom") {
        Map(value, out.custom);
      } else if (key == "labels") {
        Map(value, out.labels);
      }
    }
  }

  bool IsNull(const Node& node) {
    return node.kind == Node::kScalar && Resolve(node, arena_).tag == "!!null";
  }

  bool String(const Node& node, std::string& out) {
    if (node.kind != Node::kScalar) {
      Wrong(node, "string");
      return false;
    }
    if (IsNull(node)) return false;
    out = node.value;
    return true;
  }

  void Bool(const Node& node, bool& out) {
    if (node.kind == Node::kScalar) {
      const Scalar scalar = Resolve(node, arena_);
      if (scalar.tag == "!!null") return;
      if (scalar.tag == "!!bool") {
        out = scalar.value.AsBool();
        return;
      }
      if (scalar.tag == "!!str") {
        for (std::string_view yes : {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}) {
          if (node.value == yes) {
            out = true;
            return;
          }
        }
        for (std::string_view no : {"n", "N", "no", "No", "NO", "off", "Off", "OFF"}) {
          if (node.value == no) return;
        }
      }
    }
    Wrong(node, "bool");
  }

  void Strings(const Node& node, std::vector<std::string>& out) {
    if (IsNull(node)) return;
    if (node.kind != Node::kSequence) {
      Wrong(node, "[]string");
      return;
    }
    for (const Node* item : node.children) {
      std::string text;
      if (String(Follow(*item), text)) out.push_back(std::move(text));
    }
  }

  void List(const Node& node, std::string_view type, std::vector<Value>& out) {
    if (IsNull(node)) return;
    if (node.kind != Node::kSequence) {
      Wrong(node, type);
      return;
    }
    for (const Node* item : node.children) out.push_back(Any(Follow(*item), 1));
  }

  void Maps(const Node& node, std::vector<Value>& out) {
    if (IsNull(node)) return;
    if (node.kind != Node::kSequence) {
      Wrong(node, "[]map[string]interface {}");
      return;
    }
    for (const Node* item : node.children) {
      Value map;
      if (Map(Follow(*item), map) || IsNull(Follow(*item))) {
        out.push_back(map.IsMap() ? map : Value::EmptyMap());
      }
    }
  }

  // A map whose keys are text, whatever they look like.
  bool Map(const Node& node, Value& out) {
    if (IsNull(node)) return false;
    if (node.kind != Node::kMap) {
      Wrong(node, "map[string]interface {}");
      return false;
    }
    if (!UniqueKeys(node)) return false;
    std::vector<std::pair<const Node*, const Node*>> entries;
    Entries(node, entries, 1);
    MapBuilder map(arena_);
    for (const auto& [key_node, value] : entries) {
      std::string key;
      if (!String(Follow(*key_node), key)) continue;
      const Value name = Value::String(arena_, key);
      if (!map.Has(name)) map.Add(name, Any(Follow(*value), 1));
    }
    out = map.Finish();
    return true;
  }

  Value Any(const Node& node, size_t depth) {
    if (!Enter(depth)) return {};
    if (node.kind == Node::kScalar) return Resolve(node, arena_).value;
    if (node.kind == Node::kSequence) {
      std::vector<Value> items;
      for (const Node* item : node.children) items.push_back(Any(Follow(*item), depth + 1));
      return Value::Array(arena_, items);
    }
    if (!UniqueKeys(node)) return {};
    std::vector<std::pair<const Node*, const Node*>> entries;
    Entries(node, entries, depth);
    MapBuilder map(arena_);
    for (const auto& [key, value] : entries) {
      const Value name = Any(Follow(*key), depth + 1);
      if (name.IsMap() || name.IsArray()) {
        if (fatal_.empty()) fatal_ = "invalid map key";
        return {};
      }
      if (!map.Has(name)) map.Add(name, Any(Follow(*value), depth + 1));
    }
    return map.Finish();
  }

  Arena& arena_;
  std::vector<std::string> wrong_;
  std::string fatal_;
  size_t count_ = 0;
};

}  // namespace

Result<AnnotationFields> ReadAnnotationFields(std::string_view yaml, Arena& arena) {
  Reader reader(yaml);
  Result<const Node*> root = reader.Read();
  if (!root) return std::move(root).error();
  return Decoder(arena).Run(*root);
}

}  // namespace bulwark::rego
