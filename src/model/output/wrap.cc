#include "model/output/wrap.h"

#include <algorithm>

#include "base/text.h"

namespace bulwark::output {

namespace {

// Characters that must not begin a line.
bool IsClosing(char32_t c) {
  static constexpr std::u32string_view kClosing = U"，。、；：！？）】》」』”’%…";
  return kClosing.find(c) != std::u32string_view::npos;
}

// Pieces that a line may not break inside: words, single wide characters with the punctuation that
// follows them. `space` tells whether one stood before.
struct Piece {
  std::string_view text;
  size_t width;
  bool space;
};

std::vector<Piece> Pieces(std::string_view text) {
  std::vector<Piece> out;
  bool space = false, open = false;  // open: the last piece is a word that may grow
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    size_t width = static_cast<size_t>(DisplayWidth(c.value));
    if (c.value == ' ' || c.value == '\n' || c.value == '\t') {
      space = true;
      open = false;
    } else if (!out.empty() && !space &&
               (IsClosing(c.value) || width == 0 || (open && width < 2))) {
      Piece& last = out.back();
      last.text = {last.text.data(), last.text.size() + c.length};
      last.width += width;
    } else {
      out.push_back({text.substr(at, c.length), width, space});
      space = false;
      open = width < 2;
    }
    at += c.length;
  }
  return out;
}

}  // namespace

std::vector<std::string> Wrap(std::string_view text, size_t columns) {
  columns = std::max<size_t>(columns, 2);
  std::vector<std::string> lines(1);
  size_t used = 0;
  for (const Piece& piece : Pieces(text)) {
    size_t gap = piece.space && used > 0 ? 1 : 0;
    if (used > 0 && used + gap + piece.width > columns) {
      lines.emplace_back();
      used = gap = 0;
    }
    if (gap != 0) lines.back() += ' ';
    used += gap;
    if (used + piece.width <= columns) {
      lines.back() += piece.text;
      used += piece.width;
      continue;
    }
    // Longer than a line.
    for (size_t at = 0; at < piece.text.size();) {
      CodePoint c = DecodeUtf8(piece.text, at);
      size_t width = static_cast<size_t>(DisplayWidth(c.value));
      if (used + width > columns) {
        lines.emplace_back();
        used = 0;
      }
      lines.back() += piece.text.substr(at, c.length);
      used += width;
      at += c.length;
    }
  }
  return lines;
}

}  // namespace bulwark::output
