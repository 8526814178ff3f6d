#pragma once

// libyaml's events over a text, its marks (which count characters) turned into bytes; and the
// errors of the YAML modules. Internal to formats/yaml and formats/yaml_edit: it brings libyaml's
// header.

#include <yaml.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/result.h"
#include "base/text.h"
#include "formats/source_map.h"

namespace bulwark::yaml {

using Range = SourceMap::Range;

inline Error ErrorAt(std::string_view text, size_t offset, Origin origin, Code code, const char* id,
                     const std::string& message) {
  Position at = PositionAt(text, offset, origin);
  std::string line = std::to_string(at.line);
  std::string column = std::to_string(at.column);
  return Error(code, id, "line " + line + ", column " + column + ": " + message,
               {{"line", line}, {"column", column}, {"problem", message}});
}

// libyaml's parser over a text, its marks turned into bytes.
class Events {
 public:
  explicit Events(std::string_view text) : text_(text) {
    ready_ = yaml_parser_initialize(&parser_) != 0;
    BW_CHECK(ready_);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    std::string_view body = text_;
    // A byte order mark is no character of libyaml's count.
    if (text_.starts_with("\xef\xbb\xbf")) {
      body.remove_prefix(3);
      cursor_byte_ = body_ = 3;
    }
    ascii_ = IsAscii(text_);
    unread_ = body;
    last_break_ = !text_.ends_with('\n');
    yaml_parser_set_input(&parser_, &Events::Read, this);
  }
  ~Events() {
    if (have_event_) yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // The next event, good until the call after; nullptr after an error.
  const yaml_event_t* Next() {
    if (have_event_) yaml_event_delete(&event_);
    have_event_ = yaml_parser_parse(&parser_, &event_) != 0;
    return have_event_ ? &event_ : nullptr;
  }

  // Marks come in the order of the text, give or take a token; so a cursor follows them.
  uint32_t Offset(const yaml_mark_t& mark) {
    if (ascii_) return static_cast<uint32_t>(std::min(mark.index, text_.size()));
    auto is_continuation = [&](size_t at) {
      return (static_cast<uint8_t>(text_[at]) & 0xc0) == 0x80;
    };
    while (cursor_char_ < mark.index && cursor_byte_ < text_.size()) {
      ++cursor_char_;
      ++cursor_byte_;
      while (cursor_byte_ < text_.size() && is_continuation(cursor_byte_)) ++cursor_byte_;
    }
    while (cursor_char_ > mark.index && cursor_byte_ > 0) {
      --cursor_char_;
      --cursor_byte_;
      while (cursor_byte_ > 0 && is_continuation(cursor_byte_)) --cursor_byte_;
    }
    return static_cast<uint32_t>(cursor_byte_);
  }
  Range RangeOf(const yaml_event_t& event) {
    uint32_t begin = Offset(event.start_mark);
    return {begin, Offset(event.end_mark)};
  }

  Error Problem(Origin origin) {
    if (parser_.error == YAML_MEMORY_ERROR) {
      return Error(Code::kLimit, "yaml.too_big", "libyaml is out of memory");
    }
    if (parser_.error == YAML_READER_ERROR) {
      size_t at = std::min(parser_.problem_offset + body_, text_.size());
      return ErrorAt(
          text_, at, origin, Code::kInvalid, "yaml.control",
          "a control character, " +
              Quote(text_.substr(at, at < text_.size() ? DecodeUtf8(text_, at).length : 0)) +
              ", which YAML does not allow");
    }
    std::string message = parser_.problem != nullptr ? parser_.problem : "malformed YAML";
    if (parser_.context != nullptr) {
      message = std::string(parser_.context) + ": " + message;
      // Where the construct began, if that is another line.
      if (parser_.context_mark.line != parser_.problem_mark.line) {
        Position at = PositionAt(text_, Offset(parser_.context_mark), origin);
        message += " (it began in line " + std::to_string(at.line) + ")";
      }
    }
    return ErrorAt(text_, Offset(parser_.problem_mark), origin, Code::kInvalid, "yaml.syntax",
                   message);
  }

 private:
  // Every line ends with a line break, the last one too: kubectl reads by lines, and to a block
  // scalar at the end it makes a difference.
  static int Read(void* self, unsigned char* to, size_t room, size_t* count) {
    auto& events = *static_cast<Events*>(self);
    std::string_view& unread = events.unread_;
    *count = std::min(room, unread.size());
    if (*count != 0) {
      std::memcpy(to, unread.data(), *count);
      unread.remove_prefix(*count);
    } else if (room != 0 && events.last_break_) {
      *to = '\n';
      *count = 1;
      events.last_break_ = false;
    }
    return 1;
  }

  std::string_view text_;
  std::string_view unread_;
  bool last_break_ = false;  // is still to be given to libyaml
  yaml_parser_t parser_;
  yaml_event_t event_;
  bool ready_ = false;
  bool have_event_ = false;
  bool ascii_ = false;
  size_t body_ = 0;  // where the text begins that libyaml sees
  size_t cursor_char_ = 0;
  size_t cursor_byte_ = 0;
};

}  // namespace bulwark::yaml
