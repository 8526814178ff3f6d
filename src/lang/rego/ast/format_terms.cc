// Terms of formatted text.

#include <algorithm>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/format_impl.h"
#include "lang/rego/ast/lexer.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {

using Status = FormatWriter::Status;

bool IsUnionCall(const Term& term) {
  return term.kind == TermKind::kCall && InfixOf(*term.items[0]) == "|";
}

bool RendersBraceLead(const Term& term) {
  switch (term.kind) {
    case TermKind::kSet: return !term.items.empty();
    case TermKind::kObject:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: return true;
    case TermKind::kRef: return !term.items.empty() && RendersBraceLead(*term.items[0]);
    case TermKind::kCall:
      return IsInfixBuiltin(*term.items[0], term.items.size() - 1) &&
             RendersBraceLead(*term.items[1]);
    default: return false;
  }
}

namespace {

bool HasMadePlace(const Term& term);

// Whether OPA's grouping by lines gives up on it: something in it has no place in the source, or a
// name that a compiler would make.
bool HasMadePlace(const Expr& expr) {
  const auto any = [](Body body) {
    return std::any_of(body.begin(), body.end(), [](const Expr* e) { return HasMadePlace(*e); });
  };
  if (expr.term != nullptr) {
    if (HasMadePlace(*expr.term)) return true;
  } else if (std::any_of(expr.terms.begin(), expr.terms.end(),
                         [](const Term* term) { return term != nullptr && HasMadePlace(*term); })) {
    return true;
  }
  if (any(expr.lhs) || any(expr.rhs)) return true;
  return std::any_of(expr.with.begin(), expr.with.end(), [](const With& with) {
    return HasMadePlace(*with.target) || HasMadePlace(*with.value);
  });
}

bool HasMadePlace(const Term& term) {
  if (term.at.row == 0) return true;
  if (term.kind == TermKind::kVar) return term.name.starts_with("__local");
  return std::any_of(term.items.begin(), term.items.end(),
                     [](const Term* item) { return HasMadePlace(*item); }) ||
         std::any_of(term.body.begin(), term.body.end(),
                     [](const Expr* expr) { return HasMadePlace(*expr); });
}

// { opens an expression in a template's text, unless a backslash is before it.
std::string EscapeBraces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && (i == 0 || text[i - 1] != '\\')) out += '\\';
    out += text[i];
  }
  return out;
}

}  // namespace

Status FormatWriter::WriteTerm(Term& term, Comments& comments) {
  if (comments.empty()) return WriteTermParens(false, term, comments);
  const size_t length = out_.size();
  const int level = level_;
  const Comments saved = comments;
  const Status status = WriteTermParens(false, term, comments);
  if (status != Status::kUnexpected) return status;
  out_.resize(length);
  level_ = level;
  const Place at = PlaceOf(term.at);
  // A comment within the text that is about to be copied is not to be written a second time.
  if (before_end_ != nullptr && !at.text.empty() && before_end_->at.row >= at.row &&
      before_end_->at.row <= EndRow(at)) {
    before_end_ = nullptr;
  }
  comments = saved;
  if (WriteUnformatted(at, comments) == Status::kFatal) return Status::kFatal;
  return Status::kUnexpected;
}

// The source's own text, with what comments it has.
Status FormatWriter::WriteUnformatted(const Place& at, Comments& comments) {
  if (at.text.empty()) {
    Fail("rego_format_error", {}, "original unformatted text is empty");
    comments = {};
    return Status::kFatal;
  }
  const int64_t last = EndRow(at);
  Put(at.text);
  size_t done = 0;
  for (; done < comments.size() && comments[done]->at.row <= last; ++done) {
    if (comments[done]->at.row != last) continue;
    if (!comment_on_final_line_) break;
    Put(' ');
    Put(module_.Text(comments[done]->at));
  }
  comments = comments.subspan(done);
  return Status::kOk;
}

Status FormatWriter::WriteTermParens(bool parens, Term& term, Comments& comments) {
  if (paren_term_ == &term) {
    paren_term_ = nullptr;
    parens = true;
  }
  const Place at = PlaceOf(term.at);
  Status status = InsertComments(comments, at.row);
  if (status != Status::kOk) {
    comments = {};
    return status;
  }
  if (!inline_) StartLine();
  switch (term.kind) {
    case TermKind::kScalar:
      if (term.value.IsString()) {
        WriteString(term);
      } else {
        AppendText(term, out_);
      }
      break;
    case TermKind::kVar: AppendText(term, out_); break;
    case TermKind::kRef: status = WriteRef(term.items, comments); break;
    case TermKind::kArray: {
      Put('[');
      std::vector<Item> items;
      for (Term* item : term.items) items.push_back({item});
      status = WriteItems(std::move(items), at, ClosingRow(0, 0, '[', ']', at), comments,
                          &FormatWriter::WriteItemParens);
      Put(']');
      break;
    }
    case TermKind::kSet: {
      if (term.items.empty()) {
        Put("set()");
        status = InsertComments(comments, ClosingRow(0, 0, '(', ')', at));
        break;
      }
      Put('{');
      std::vector<Item> items;
      for (Term* item : term.items) items.push_back({item});
      status = WriteItems(std::move(items), at, ClosingRow(0, 0, '{', '}', at), comments,
                          &FormatWriter::WriteItemParens);
      Put('}');
      break;
    }
    case TermKind::kObject: {
      Put('{');
      std::vector<Item> items;
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        items.push_back({term.items[i], term.items[i + 1]});
      }
      status = WriteItems(std::move(items), at, ClosingRow(0, 0, '{', '}', at), comments,
                          &FormatWriter::WriteEntry);
      Put('}');
      break;
    }
    case TermKind::kArrayComprehension:
      Put('[');
      status = WriteComprehension('[', ']', *term.items[0], term.body, at, comments);
      Put(']');
      break;
    case TermKind::kSetComprehension:
      Put('{');
      status = WriteComprehension('{', '}', *term.items[0], term.body, at, comments);
      Put('}');
      break;
    case TermKind::kObjectComprehension: {
      Put('{');
      // The value never begins a line of its own.
      Term& value = *term.items[1];
      value.at.row = static_cast<uint32_t>(at.row);
      const bool key_parens = IsUnionCall(*term.items[0]);
      if (key_parens) Put('(');
      status = WriteTerm(*term.items[0], comments);
      if (status == Status::kOk) {
        if (key_parens) Put(')');
        Put(": ");
        status = WriteComprehension('{', '}', value, term.body, at, comments);
      }
      Put('}');
      break;
    }
    case TermKind::kCall: status = WriteCall(parens, term, comments); break;
    case TermKind::kTemplateString: status = WriteTemplate(term, comments); break;
  }
  if (status != Status::kOk) {
    comments = {};
    return status;
  }
  if (!inline_) StartLine();
  return Status::kOk;
}

void FormatWriter::WriteString(const Term& term) {
  const std::string_view text = TextOf(term.at);
  if (text.empty()) {
    AppendText(term, out_);
    return;
  }
  if (text[0] == '`') {
    Put(text);
    return;
  }
  // The text may begin before the string: `else := "x"`.
  const char last = text.back();
  const size_t quote = last == '"' || last == '`' ? text.find(last) : std::string_view::npos;
  if (quote == std::string_view::npos) {
    AppendText(term, out_);  // a name that became a string: p.x
    return;
  }
  Put(text.substr(quote));
}

Status FormatWriter::WriteTemplate(Term& term, Comments& comments) {
  Put('$');
  Put(term.multi_line ? '`' : '"');
  for (size_t i = 0; i < term.body.size(); ++i) {
    Expr& part = *term.body[i];
    if (part.generated) {
      if (part.term->value.IsString()) {
        if (term.multi_line) {
          Put(EscapeBraces(part.term->value.AsString()));
        } else {
          const std::string quoted = EscapeBraces(ToText(*part.term));
          Put(std::string_view(quoted).substr(1, quoted.size() - 2));
        }
      } else {
        AppendText(*part.term, out_);
      }
      continue;
    }
    Put('{');
    Up();
    if (before_end_ != nullptr) {
      EndLine();
      StartLine();
    } else if (const Comments before = Before(comments, PlaceOf(part.at).row); !before.empty()) {
      Put(' ');
      inline_ = true;
      WriteComments(before);
      comments = comments.subspan(before.size());
    }
    if (const Status status = WriteExpr(part, comments); status != Status::kOk) return status;
    if (i + 1 < term.body.size()) {
      const Comments before = Before(comments, PlaceOf(term.body[i + 1]->at).row);
      if (!before.empty()) {
        EndLine();
        WriteComments(before);
        comments = comments.subspan(before.size());
        StartLine();
      }
    }
    Put('}');
    Down();
  }
  Put(term.multi_line ? '`' : '"');
  return Status::kOk;
}

Status FormatWriter::WriteRef(std::span<Term* const> ref, Comments& comments) {
  if (ref.empty()) return Status::kOk;
  const bool parens = ref[0]->kind == TermKind::kCall && TextOf(ref[0]->at).starts_with('(');
  if (const Status status = WriteTermParens(parens, *ref[0], comments); status != Status::kOk) {
    comments = {};
    return status;
  }
  for (Term* operand : ref.subspan(1)) {
    if (operand->kind == TermKind::kScalar && operand->value.IsString()) {
      WriteOperandName(*operand);
      continue;
    }
    Put('[');
    if (operand->kind == TermKind::kVar) {
      AppendText(*operand, out_);
    } else {
      const Status status = WriteTerm(*operand, comments);
      if (status == Status::kFatal) {
        comments = {};
        return status;
      }
      // The bracket is not to become part of the comment.
      if (status == Status::kUnexpected) Put('\n');
    }
    Put(']');
  }
  return Status::kOk;
}

void FormatWriter::WriteOperandName(const Term& term) {
  const std::string_view name = term.value.AsString();
  bool brackets = !IsVarName(name);
  if (!brackets) {
    const Dialect dialect = v2_ || v2_imported_ ? Dialect::kV2 : v1_ ? Dialect::kV1 : Dialect::kV0;
    const bool keyword =
        IsKeywordIn(name, dialect) ||
        (dialect != Dialect::kV2 && std::find(imported_keywords_.begin(), imported_keywords_.end(),
                                              name) != imported_keywords_.end());
    brackets = keyword && TextOf(term.at).starts_with('"');
  }
  if (brackets) {
    Put('[');
    AppendQuoted(name, out_);
    Put(']');
  } else {
    Put('.');
    Put(name);
  }
}

Status FormatWriter::WriteCall(bool parens, Term& call, Comments& comments) {
  Term& function = *call.items[0];
  const std::string_view sign = InfixOf(function);
  if (sign.empty()) return WritePlainCall(call.items, comments);
  const std::span<Term*> operands = call.items.subspan(1);
  if (sign == "in") {
    const size_t arity = IsInfixBuiltin(function, 3) ? 3 : 2;
    return WriteIn(true, operands, arity, function, call.at, comments);
  }
  if (parens) Put('(');
  if (operands.size() != 2) {
    ArityError(operands, ToText(function), call.at);
    return Status::kOk;
  }
  for (size_t i = 0; i < 2; ++i) {
    if (i == 1) {
      Put(' ');
      Put(sign);
      Put(' ');
    }
    if (const Status status = WriteTermParens(true, *operands[i], comments);
        status != Status::kOk) {
      comments = {};
      return status;
    }
  }
  if (parens) Put(')');
  return Status::kOk;
}

// `x in xs`, `k, v in xs`.
Status FormatWriter::WriteIn(bool parens, std::span<Term*> operands, size_t arity,
                             const Term& function, const Location& at, Comments& comments) {
  if (operands.size() != arity) {
    ArityError(operands, ToText(function), at);
    return Status::kOk;
  }
  const bool wrapped = parens && arity == 3;
  if (wrapped) Put('(');
  Status status = Status::kOk;
  for (size_t i = 0; i < arity && status == Status::kOk; ++i) {
    if (i != 0) Put(i + 1 == arity ? " in " : ", ");
    status = WriteTermParens(true, *operands[i], comments);
  }
  if (wrapped) Put(')');
  if (status != Status::kOk) comments = {};
  return status;
}

Status FormatWriter::WriteComprehension(char open, char close, Term& term, Body body,
                                        const Place& at, Comments& comments) {
  const Place head = PlaceOf(term.at);
  if (head.row - at.row >= 1) {
    EndLine();
    StartLine();
  }
  const bool parens =
      term.kind == TermKind::kCall && (IsUnionCall(term) || head.text.starts_with('('));
  if (const Status status = WriteTermParens(parens, term, comments); status != Status::kOk) {
    comments = {};
    return status;
  }
  Put(" |");
  return WriteBracedBody(open, close, body, head, at, comments);
}

Status FormatWriter::WriteItems(std::vector<Item> items, const Place& at, int64_t close_row,
                                Comments& comments, ItemWriter write) {
  const Term* first_term = items.empty() ? nullptr : items[0].term;
  const std::vector<std::vector<Item>> lines = Group(std::move(items), at);
  bool newline_first = false;
  if (lines.size() == 1) {
    // With comments in between, the line stays as it is.
    const Comments after = comments.subspan(Before(comments, at.row + 1).size());
    if (!after.empty() && after[0]->at.row < close_row) return Status::kUnexpected;
    if (first_term != nullptr) {
      first_term = lines[0][0].term;
      const size_t cut = at.text.find(TextOf(first_term->at));
      if (cut != std::string_view::npos && cut > 0) {
        const size_t newline = at.text.substr(0, cut).find('\n');
        newline_first = newline != std::string_view::npos && newline > 0;
      }
    }
  }
  const bool multi_line = lines.size() > 1 || newline_first;
  if (multi_line) {
    delay_ = true;
    StartSequence();
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    if (const Status status = WriteLine(lines[i], comments, write); status != Status::kOk) {
      comments = {};
      return status;
    }
    if (i + 1 == lines.size()) break;
    Put(',');
    EndLine();
    StartLine();
  }
  if (multi_line) {
    Put(',');
    EndLine();
    if (const Status status = InsertComments(comments, close_row); status != Status::kOk) {
      comments = {};
      return status;
    }
    Down();
    StartLine();
  }
  return Status::kOk;
}

Status FormatWriter::WriteLine(std::span<const Item> items, Comments& comments, ItemWriter write) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0) Put(", ");
    const Status status = (this->*write)(items[i], comments);
    if (status != Status::kOk) {
      if (i + 1 < items.size()) comments = {};
      return status;
    }
  }
  return Status::kOk;
}

Status FormatWriter::WriteEntry(const Item& item, Comments& comments) {
  const bool key_parens = IsUnionCall(*item.term);
  if (key_parens) Put('(');
  if (const Status status = WriteTerm(*item.term, comments); status != Status::kOk) {
    comments = {};
    return status;
  }
  if (key_parens) Put(')');
  Put(": ");
  const bool value_parens = IsUnionCall(*item.value);
  if (value_parens) Put('(');
  const Status status = WriteTerm(*item.value, comments);
  if (value_parens) Put(')');
  return status;
}

Status FormatWriter::WriteItem(const Item& item, Comments& comments) {
  const bool parens = IsUnionCall(*item.term) && TextOf(item.term->at).starts_with('(');
  if (parens) Put('(');
  const Status status = WriteTerm(*item.term, comments);
  if (parens) Put(')');
  return status;
}

Status FormatWriter::WriteItemParens(const Item& item, Comments& comments) {
  const bool parens = IsUnionCall(*item.term);
  if (parens) Put('(');
  const Status status = WriteTerm(*item.term, comments);
  if (parens) Put(')');
  return status;
}

// What stood on one line stays on one.
std::vector<std::vector<FormatWriter::Item>> FormatWriter::Group(std::vector<Item> items,
                                                                 const Place& last) {
  for (const Item& item : items) {
    if (item.value != nullptr) break;  // OPA does not look into the entries of objects
    const bool made = item.expr != nullptr ? HasMadePlace(*item.expr) : HasMadePlace(*item.term);
    if (made) return {std::move(items)};
  }
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    const Place x = PlaceOf(a);
    const Place y = PlaceOf(b);
    return x.row != y.row ? x.row < y.row : x.column < y.column;
  });
  std::vector<std::vector<Item>> lines(1);
  int64_t row = last.row;
  for (size_t i = 0; i < items.size(); ++i) {
    const int64_t here = PlaceOf(items[i]).row;
    if (here > row && i > 0) lines.emplace_back();
    row = here;
    lines.back().push_back(items[i]);
  }
  return lines;
}

void FormatWriter::ArityError(std::span<Term* const> operands, std::string_view name,
                              const Location& at) {
  std::string want = "any,any";
  if (name == "plus" || name == "mul" || name == "div" || name == "rem") want = "number,number";
  if (name == "and" || name == "or") want = "set[any],set[any]";
  if (name == "minus") want = "any<number, set[any]>,any<number, set[any]>";
  if (name == "internal.member_3") want = "any,any,any";
  std::string have;
  for (const Term* operand : operands) {
    if (!have.empty()) have += ',';
    have += TermKindName(*operand);
  }
  Fail("rego_type_error", at, std::string(name) + ": arity mismatch");
  errors_.back().details = {"have: (" + have + ")", "want: (" + want + ")"};
}

}  // namespace bulwark::rego
