// Places, comments and lines of formatted text.

#include <algorithm>

#include "lang/rego/ast/format_impl.h"

namespace bulwark::rego {

using Status = FormatWriter::Status;

FormatWriter::Place FormatWriter::PlaceOf(const Location& at) const {
  if (at.row == 0) return {1, 1, {}, true};
  return {at.row, at.column, module_.Text(at), false};
}

FormatWriter::Place FormatWriter::PlaceOf(const Item& item) const {
  return PlaceOf(item.expr != nullptr ? item.expr->at : item.term->at);
}

int64_t FormatWriter::EndRow(const Place& at) {
  return at.row + std::count(at.text.begin(), at.text.end(), '\n');
}

// The row of the bracket that closes the first one of a place's text; -1: there is none. The
// brackets `skip_open` … `skip_close` before it are passed over, if given.
int64_t FormatWriter::ClosingRow(char skip_open, char skip_close, char open, char close,
                                 const Place& at) {
  const std::string_view text = at.text;
  size_t i = 0;
  int64_t rows = 0;
  // Leaves `i` at the bracket that closes; false: the text ends before.
  const auto close_from = [&](char opening, char closing) {
    for (int depth = 1; depth > 0;) {
      if (++i >= text.size()) return false;
      if (text[i] == opening) {
        ++depth;
      } else if (text[i] == closing) {
        --depth;
      } else if (text[i] == '\n') {
        ++rows;
      }
    }
    return true;
  };
  if (skip_open != 0) {
    i = std::min(text.find(skip_open), text.size());
    close_from(skip_open, skip_close);
  }
  if (i < text.size()) i = text.find(open, i);
  if (i >= text.size() || !close_from(open, close)) return -1;
  return at.row + rows;
}

FormatWriter::Comments FormatWriter::Before(Comments comments, int64_t row) {
  const auto end = std::partition_point(comments.begin(), comments.end(),
                                        [&](const Comment* c) { return c->at.row < row; });
  return comments.first(static_cast<size_t>(end - comments.begin()));
}

Status FormatWriter::InsertComments(Comments& comments, int64_t row) {
  const Comments before = Before(comments, row);
  comments = comments.subspan(before.size());
  const Comment* at = nullptr;
  while (!comments.empty() && comments[0]->at.row == row) {
    at = comments[0];
    comments = comments.subspan(1);
  }
  WriteComments(before);
  if (!before.empty() && row - before.back()->at.row > 1) BlankLine();
  return BeforeLineEnd(at);
}

std::string_view FormatWriter::CommentText(const Comment& comment) const {
  std::string_view text = comment.text;
  while (!text.empty()) {
    const auto last = static_cast<unsigned char>(text.back());
    if (last == ' ' || (last >= '\t' && last <= '\r')) {
      text.remove_suffix(1);
      continue;
    }
    // Blanks beyond ASCII: U+0085, U+00A0, U+1680, U+2000…U+200A, U+2028, U+2029, U+202F, U+205F,
    // U+3000.
    static constexpr std::string_view kBlanks[] = {
        "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
        "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
        "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
        "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
    const auto blank = std::find_if(std::begin(kBlanks), std::end(kBlanks),
                                    [&](std::string_view b) { return text.ends_with(b); });
    if (blank == std::end(kBlanks)) break;
    text.remove_suffix(blank->size());
  }
  return text;
}

namespace {

bool BeginsMetadata(const Comment& comment) {
  if (comment.at.column != 1) return false;
  const size_t begin = comment.text.find_first_not_of(" \t\r\n\v\f");
  return begin != std::string_view::npos && comment.text.substr(begin).starts_with("METADATA");
}

}  // namespace

void FormatWriter::WriteComments(Comments comments) {
  bool in_metadata = false;
  for (size_t i = 0; i < comments.size(); ++i) {
    if (i > 0) {
      const uint32_t rows = comments[i]->at.row - comments[i - 1]->at.row;
      if (rows > 1) {
        BlankLine();
        in_metadata = false;
      } else if (rows == 1 && in_metadata && BeginsMetadata(*comments[i])) {
        BlankLine();
      }
    }
    if (BeginsMetadata(*comments[i])) in_metadata = true;
    WriteWholeLine(*comments[i]);
  }
}

Status FormatWriter::BeforeLineEnd(const Comment* comment) {
  if (before_end_ == nullptr) {
    before_end_ = comment;
    return Status::kOk;
  }
  if (comment == nullptr) return Status::kOk;
  before_end_ = nullptr;
  return Status::kUnexpected;
}

void FormatWriter::StartLine() {
  inline_ = true;
  out_.append(static_cast<size_t>(level_), '\t');
}

void FormatWriter::EndLine() {
  inline_ = false;
  if (before_end_ != nullptr && !delay_) {
    Put(" #");
    Put(CommentText(*before_end_));
    before_end_ = nullptr;
  }
  delay_ = false;
  Put('\n');
}

void FormatWriter::BlankLine() {
  if (inline_) EndLine();
  Put('\n');
}

void FormatWriter::WriteWholeLine(const Comment& comment) {
  if (!inline_) StartLine();
  Put('#');
  Put(CommentText(comment));
  EndLine();
}

void FormatWriter::StartSequence() {
  EndLine();
  Up();
  StartLine();
}

void FormatWriter::Down() {
  BW_CHECK(level_ > 0);
  --level_;
}

void FormatWriter::Fail(std::string_view code, const Location& at, std::string message) {
  Diagnostic error;
  error.code = code;
  error.message = std::move(message);
  error.file = module_.file;
  error.at = at;
  errors_.push_back(std::move(error));
}

}  // namespace bulwark::rego
