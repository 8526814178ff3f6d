#include "formats/yaml.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "formats/document_builder.h"
#include "formats/yaml_block.h"
#include "formats/yaml_events.h"
#include "formats/yaml_scalar.h"

namespace bulwark {

namespace {

using yaml::ErrorAt;
using yaml::Events;
using yaml::Range;

// Gives equal keys one copy: a manifest repeats a few dozen.
class KeyCache {
 public:
  std::string_view Keep(std::string_view key, Arena& arena) {
    if (key.empty() || key.size() > 40) return arena.Copy(key);
    size_t at = (key.size() * 37 + static_cast<uint8_t>(key[0]) * 11 +
                 static_cast<uint8_t>(key[key.size() / 2]) * 5 + static_cast<uint8_t>(key.back())) %
                kPlaces;
    if (places_[at] != key) places_[at] = arena.Copy(key);
    return places_[at];
  }

 private:
  static constexpr size_t kPlaces = 512;
  std::string_view places_[kPlaces];
};

class Parser {
 public:
  Parser(std::string_view text, Arena& arena, const YamlOptions& options, SourceMap* positions)
      : text_(text),
        arena_(arena),
        options_(options),
        positions_(positions),
        builder_(arena, positions, options.drop_nulls) {}

  Result<Value> Parse(bool libyaml_only) {
    if (positions_ != nullptr) positions_->Begin(text_, options_.origin);
    if (!libyaml_only) {
      Sink sink(*this);
      if (yaml::BlockScanner<Sink>(text_, sink).Run()) return Finish();
      builder_.Clear();
      frames_.clear();
      if (positions_ != nullptr) positions_->Begin(text_, options_.origin);
    }
    Events events(text_);
    events_ = &events;
    while (true) {
      const yaml_event_t* event = events_->Next();
      if (event == nullptr) return events_->Problem(options_.origin);
      switch (event->type) {
        case YAML_SCALAR_EVENT: BW_TRY(Scalar(*event)); break;
        case YAML_ALIAS_EVENT: BW_TRY(Alias(*event)); break;
        case YAML_MAPPING_START_EVENT:
          BW_TRY(Open(events_->Offset(event->start_mark), true, event->data.mapping_start.anchor,
                      event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE));
          break;
        case YAML_SEQUENCE_START_EVENT:
          BW_TRY(Open(events_->Offset(event->start_mark), false, event->data.sequence_start.anchor,
                      event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE));
          break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT:
          BW_TRY(Close(events_->Offset(event->start_mark), events_->Offset(event->end_mark)));
          break;
        case YAML_DOCUMENT_START_EVENT:
          if (builder_.size() != 0) {
            return Fail(events_->Offset(event->start_mark), "yaml.trailing",
                        "another document follows in the same text");
          }
          break;
        case YAML_STREAM_END_EVENT: return Finish();
        default: break;
      }
    }
  }

 private:
  struct Frame {
    size_t first;  // of its slots in the builder
    uint32_t begin;
    bool map;
    bool flow;
    bool at_key;     // of a map: a key comes next
    bool merge;      // the key was <<: its value is to be merged
    bool merged;     // some was
    size_t height;   // of what it holds so far, in containers
    size_t nodes;    // it holds so far, aliases counted in full
    int32_t anchor;  // its number, or -1
  };
  struct Anchor {
    Value value;
    size_t height = 0;
    size_t nodes = 0;
    bool open = true;  // the container that it names has not ended yet
  };

  // What the scanner of blocks finds. Any failure is libyaml's to report.
  class Sink {
   public:
    explicit Sink(Parser& parser) : parser_(parser) {}
    bool Key(std::string_view text, Range range, bool plain, bool) {
      return parser_.Key(text, range, plain).has_value();
    }
    bool Scalar(std::string_view text, Range range, bool plain, bool lasting) {
      Value value = plain ? yaml::AfterJson(ResolveYamlScalar(text)) : Value::String(text);
      if (!lasting || !parser_.options_.borrow_text) value = parser_.Keep(value);
      return parser_.Complete(value, range, 0, 1, false).has_value();
    }
    bool Open(uint32_t begin, bool map, bool flow) {
      return parser_.Open(begin, map, nullptr, flow).has_value();
    }
    bool Close(uint32_t end) { return parser_.Close(end, end).has_value(); }

   private:
    Parser& parser_;
  };

  Result<Value> Finish() {
    if (builder_.size() == 0) builder_.Push(Value::Null(), {0, 0});
    if (positions_ != nullptr) {
      positions_->SetRoot(builder_.range(0));
      positions_->Finish();
    }
    return builder_.slot(0);
  }

  Result<> Scalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    Range range = events_->RangeOf(event);
    // The usual: no anchor, no tag; a key, or a plain or quoted text.
    if (scalar.anchor == nullptr && scalar.tag == nullptr) [[likely]] {
      if (AtKey()) return Key(text, range, scalar.plain_implicit != 0);
      Value value = scalar.plain_implicit != 0 ? yaml::AfterJson(ResolveYamlScalar(text))
                                               : Value::String(text);
      return Complete(Keep(value), range, 0, 1, false);
    }
    yaml::Tag tag = yaml::ReadTag(reinterpret_cast<const char*>(scalar.tag));
    bool key = AtKey();
    bool merge_tag = scalar.tag != nullptr && std::strcmp(reinterpret_cast<const char*>(scalar.tag),
                                                          "tag:yaml.org,2002:merge") == 0;
    if (key && text == "<<" && merge_tag) return MergeKey(range);
    Value value = BW_TRY(Resolve(text, range, scalar.plain_implicit != 0, tag));
    if (scalar.anchor != nullptr) {
      anchors_.push_back({.value = Keep(value), .nodes = 1, .open = false});
      Name(scalar.anchor);
    }
    if (key) {
      if (text == "<<" && scalar.plain_implicit != 0) return MergeKey(range);
      return PushKey(value, range);
    }
    return Complete(Keep(yaml::AfterJson(value)), range, 0, 1, false);
  }

  Result<Value> Resolve(std::string_view text, Range range, bool plain, yaml::Tag tag) {
    if (tag == yaml::Tag::kNone && !plain) return Value::String(text);
    auto value = yaml::Resolve(tag, text);
    if (!value) {
      return Fail(range.begin, "yaml.tag",
                  "the text " + Quote(text.substr(0, 40)) + " is not what its tag says it is");
    }
    if (tag != yaml::Tag::kBinary) return *value;
    Result<std::string> bytes = Base64DecodeLikeGo(text);
    if (!bytes) return Fail(range.begin, "yaml.tag", "!!binary: " + bytes.error().message());
    return Value::String(arena_, ToValidUtf8(*bytes));
  }

  bool AtKey() const { return !frames_.empty() && frames_.back().map && frames_.back().at_key; }

  Result<> Key(std::string_view text, Range range, bool plain) {
    if (!plain) return TakeKey(cache_.Keep(text, arena_), range);
    if (text == "<<") return MergeKey(range);
    Value resolved = ResolveYamlScalar(text);
    if (resolved.IsString()) [[likely]]
      return TakeKey(cache_.Keep(text, arena_), range);
    return PushKey(resolved, range);
  }

  Result<> PushKey(const Value& resolved, Range range) {
    auto text = yaml::KeyText(resolved);
    if (!text) {
      return Fail(range.begin, "yaml.key",
                  "expected a key that is a string, a bool or a number, found " +
                      std::string(resolved.IsNull()    ? "null"
                                  : resolved.IsMap()   ? "a map"
                                  : resolved.IsArray() ? "a sequence"
                                                       : "a number past int64"));
    }
    return TakeKey(cache_.Keep(*text, arena_), range);
  }

  Result<> TakeKey(std::string_view text, Range range) {
    builder_.Push(Value::String(text), range);
    frames_.back().at_key = false;
    return Ok{};
  }

  Result<> MergeKey(Range range) {
    builder_.Push(Value::String("<<"), range);
    frames_.back().at_key = false;
    frames_.back().merge = true;
    return Ok{};
  }

  Result<> Open(uint32_t begin, bool map, const yaml_char_t* anchor, bool flow) {
    if (AtKey()) {
      return Fail(begin, "yaml.key",
                  std::string("expected a key that is a string, a bool or a number, found a ") +
                      (map ? "map" : "sequence"));
    }
    if (frames_.size() >= options_.max_depth) return TooDeep(begin);
    int32_t number = -1;
    if (anchor != nullptr) {
      number = static_cast<int32_t>(anchors_.size());
      anchors_.push_back({});
      Name(anchor);
    }
    frames_.push_back({.first = builder_.size(),
                       .begin = begin,
                       .map = map,
                       .flow = flow,
                       .at_key = map,
                       .merge = false,
                       .merged = false,
                       .height = 0,
                       .nodes = 0,
                       .anchor = number});
    return Ok{};
  }

  // `start` and `end` of the event.
  Result<> Close(uint32_t start, uint32_t end) {
    Frame frame = frames_.back();
    Range range = {frame.begin, 0};
    // A block's end event comes with the token after it; the block ends where its last part does.
    if (frame.flow) {
      range.end = end;
    } else {
      range.end = builder_.size() > frame.first ? builder_.range(builder_.size() - 1).end : start;
    }
    if (frame.map) {
      BW_TRY(CloseMap(frame, range));
    } else {
      builder_.CloseArray(frame.first, range);
    }
    frames_.pop_back();
    Value container = builder_.slot(frame.first);
    builder_.Pop();
    size_t height = frame.height + 1;
    size_t nodes = frame.nodes + 1;
    if (frame.anchor >= 0) {
      anchors_[static_cast<size_t>(frame.anchor)] = {container, height, nodes, false};
    }
    return Complete(container, range, height, nodes, false);
  }

  Result<> CloseMap(const Frame& frame, Range range) {
    bool last_wins = options_.duplicate_keys;
    // A merged entry that another one overrides stands there once.
    if (!last_wins && frame.merged) {
      BW_TRY(CheckOwnKeys(frame));
      last_wins = true;
    }
    if (auto twice = builder_.CloseMap(frame.first, range, last_wins)) return Duplicate(*twice);
    return Ok{};
  }

  // Of the entries that are not merged, no two may have one key.
  Result<> CheckOwnKeys(const Frame& frame) {
    DocumentBuilder own(arena_, nullptr);
    std::vector<size_t> slots;
    for (size_t i = frame.first; i < builder_.size(); i += 2) {
      if (std::binary_search(merged_slots_.begin(), merged_slots_.end(), i)) continue;
      own.Push(builder_.slot(i), {});
      own.Push(builder_.slot(i + 1), {});
      slots.push_back(i);
    }
    if (auto twice = own.FindDuplicate(0)) return Duplicate(slots[*twice / 2]);
    return Ok{};
  }

  Error Duplicate(size_t slot) {
    return Fail(builder_.range(slot).begin, "yaml.duplicate_key",
                "the key " + Quote(builder_.slot(slot).AsString()) + " stands here a second time");
  }

  Result<> Alias(const yaml_event_t& event) {
    std::string_view name(reinterpret_cast<const char*>(event.data.alias.anchor));
    Range range = events_->RangeOf(event);
    auto found = names_.find(std::string(name));
    if (found == names_.end()) {
      return Fail(range.begin, "yaml.alias",
                  "no anchor " + Quote(name) + " stands before this alias");
    }
    const Anchor anchor = anchors_[found->second];
    if (anchor.open) {
      return Fail(range.begin, "yaml.alias", "the anchor " + Quote(name) + " would contain itself");
    }
    BW_TRY(Expand(anchor.nodes, range));
    if (frames_.size() + anchor.height > options_.max_depth) return TooDeep(range.begin);
    if (AtKey()) return PushKey(anchor.value, range);
    Value value = yaml::AfterJson(anchor.value);
    return Complete(value, range, anchor.height, anchor.nodes, true);
  }

  Result<> Expand(size_t nodes, Range range) {
    alias_nodes_ += nodes;
    if (alias_nodes_ > options_.max_alias_nodes) {
      return Error(Fail(range.begin, "yaml.alias_bomb",
                        "aliases stand for more than the " +
                            std::to_string(options_.max_alias_nodes) + " nodes that are allowed",
                        Code::kLimit));
    }
    return Ok{};
  }

  // A value is complete: it becomes an item, a key's value, or the document.
  Result<> Complete(Value value, Range range, size_t height, size_t nodes, bool alias) {
    if (value.IsDouble() && !std::isfinite(value.AsDouble())) {
      return Fail(range.begin, "yaml.not_finite", "JSON cannot hold NaN or an infinity");
    }
    if (frames_.empty()) {
      builder_.Push(value, range);
      return Ok{};
    }
    Frame& frame = frames_.back();
    frame.height = std::max(frame.height, height);
    frame.nodes += nodes;
    frame.at_key = frame.map;
    if (frame.merge) [[unlikely]]
      return Merge(value, range, alias);
    builder_.Push(value, range);
    return Ok{};
  }

  Result<> Merge(Value from, Range range, bool alias) {
    Frame& frame = frames_.back();
    frame.merge = false;
    frame.merged = true;
    builder_.Pop();  // the key <<
    bool maps = from.IsMap() || (from.IsArray() && !alias);
    for (const Value& item : from.items()) maps = maps && item.IsMap();
    if (!maps) {
      return Fail(range.begin, "yaml.merge",
                  "expected a map, or a sequence of maps, as the value of the merge key <<");
    }
    if (from.IsMap()) return MergeMap(from, range);
    // Of several maps the first wins, so it comes last.
    for (size_t i = from.size(); i-- > 0;) BW_TRY(MergeMap(from.items()[i], range));
    return Ok{};
  }

  Result<> MergeMap(const Value& from, Range range) {
    BW_TRY(Expand(from.size(), range));
    while (!merged_slots_.empty() && merged_slots_.back() >= builder_.size()) {
      merged_slots_.pop_back();  // of maps that have been closed since
    }
    for (const Value::Entry& entry : from.entries()) {
      merged_slots_.push_back(builder_.size());
      builder_.Push(entry.key, range);
      builder_.Push(entry.value, range);
    }
    return Ok{};
  }

  // A copy whose text is in the arena.
  Value Keep(Value value) {
    return value.IsString() ? Value::String(arena_.Copy(value.AsString())) : value;
  }

  void Name(const yaml_char_t* anchor) {
    names_[reinterpret_cast<const char*>(anchor)] = anchors_.size() - 1;
  }

  Error Fail(uint32_t offset, const char* id, const std::string& message,
             Code code = Code::kInvalid) const {
    return ErrorAt(text_, offset, options_.origin, code, id, message);
  }
  Error TooDeep(uint32_t offset) const {
    return Fail(
        offset, "yaml.too_deep",
        "nested deeper than the " + std::to_string(options_.max_depth) + " levels that are allowed",
        Code::kLimit);
  }

  std::string_view text_;
  Arena& arena_;
  const YamlOptions& options_;
  SourceMap* positions_;
  Events* events_ = nullptr;
  DocumentBuilder builder_;
  std::vector<Frame> frames_;
  std::vector<Anchor> anchors_;
  std::unordered_map<std::string, size_t> names_;  // the anchor that a name stands for now
  std::vector<size_t> merged_slots_;  // the keys of entries that were merged, in ascending order
  size_t alias_nodes_ = 0;
  KeyCache cache_;
};

// What libyaml would take for something else.
Result<> CheckText(std::string_view text, const YamlOptions& options) {
  size_t limit = std::min<size_t>(options.max_bytes, size_t{1} << 30);
  if (text.size() > limit || text.size() > UINT32_MAX - options.origin.offset) {
    return Error(Code::kLimit, "yaml.too_big",
                 "a YAML text of " + std::to_string(text.size()) + " bytes, more than the " +
                     std::to_string(limit) + " that are allowed",
                 {{"bytes", std::to_string(text.size())}, {"limit", std::to_string(limit)}});
  }
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return Error(Code::kUnsupported, "yaml.utf16",
                 "the text is UTF-16, by its byte order mark; expected UTF-8");
  }
  if (size_t bad = FirstInvalidUtf8(text); bad != std::string_view::npos) {
    return ErrorAt(text, bad, options.origin, Code::kInvalid, "yaml.utf8", "the text is not UTF-8");
  }
  return Ok{};
}

}  // namespace

Value ResolveYamlScalar(std::string_view plain) { return *yaml::Resolve(yaml::Tag::kNone, plain); }

Result<Value> ParseYaml(std::string_view text, Arena& arena, const YamlOptions& options,
                        SourceMap* positions) {
  BW_TRY(CheckText(text, options));
  auto parser = std::make_unique<Parser>(text, arena, options, positions);
  return parser->Parse(false);
}

Result<Value> yaml::ParseWithLibyaml(std::string_view text, Arena& arena,
                                     const YamlOptions& options, SourceMap* positions) {
  BW_TRY(CheckText(text, options));
  auto parser = std::make_unique<Parser>(text, arena, options, positions);
  return parser->Parse(true);
}

YamlDocuments::YamlDocuments(std::string_view text, Origin origin)
    : text_(text), origin_(origin), line_(origin.line), more_(!text.empty()) {}

bool YamlDocuments::FindSeparator(size_t from, Separator& out) const {
  while (from < text_.size()) {
    std::string_view rest = text_.substr(from);
    if (!rest.starts_with("---")) {
      size_t next = rest.find("\n---");
      if (next == std::string_view::npos) return false;
      from += next + 1;
      rest = text_.substr(from);
    }
    out.begin = from;
    out.end = from + std::min(rest.find('\n'), rest.size() - 1) + 1;
    return true;
  }
  return false;
}

void YamlDocuments::Advance(size_t to) {
  line_ += static_cast<uint32_t>(std::count(text_.begin() + static_cast<long>(at_),
                                            text_.begin() + static_cast<long>(to), '\n'));
  at_ = to;
  more_ = at_ < text_.size();
}

Result<YamlDocument> YamlDocuments::Next() {
  BW_CHECK(more_);
  size_t first = at_;
  YamlDocument document{{}, {origin_.offset + static_cast<uint32_t>(first), line_}};
  // A separator where nothing stands before it begins a document, else it ends one.
  Separator separator{};
  size_t from = at_;
  while (FindSeparator(from, separator)) {
    std::string_view line = text_.substr(separator.begin, separator.end - separator.begin);
    std::string_view after = Trim(line.substr(3));
    if (!after.empty() && after[0] != '#') {
      more_ = false;
      return ErrorAt(
          text_, separator.begin, origin_, Code::kInvalid, "yaml.separator",
          "expected nothing but a comment after ---, found " + Quote(after.substr(0, 40)));
    }
    if (separator.begin > first) {
      document.text = text_.substr(first, separator.begin - first);
      Advance(separator.end);
      return document;
    }
    from = separator.end;
  }
  document.text = text_.substr(first);
  Advance(text_.size());
  return document;
}

}  // namespace bulwark
