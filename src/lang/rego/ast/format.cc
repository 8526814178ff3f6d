#include "lang/rego/ast/format.h"

#include <algorithm>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/format_impl.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"
#include "lang/rego/ast/v1_checks.h"

namespace bulwark::rego {

using Status = FormatWriter::Status;

namespace {

// The names of an import's path: "rego", "v1".
std::vector<std::string_view> PathOf(const Import& import) {
  std::vector<std::string_view> out;
  for (const Term* item : import.path->items) {
    out.push_back(item->kind == TermKind::kVar ? item->name : item->value.AsString());
  }
  return out;
}

bool IsPath(const Import& import, std::initializer_list<std::string_view> path) {
  const std::vector<std::string_view> names = PathOf(import);
  return std::equal(names.begin(), names.end(), path.begin(), path.end());
}

bool IsRegoV1(const Import& import) { return IsPath(import, {"rego", "v1"}); }
bool IsRegoV2(const Import& import) { return IsPath(import, {"rego", "v2"}); }
bool IsAllFuture(const Import& import) { return IsPath(import, {"future", "keywords"}); }
bool IsFuture(const Import& import) { return PathOf(import)[0] == "future"; }

// The keyword of `import future.keywords.x`, or nothing.
std::string_view FutureKeyword(const Import& import) {
  const std::vector<std::string_view> path = PathOf(import);
  return path.size() == 3 && path[0] == "future" && path[1] == "keywords" ? path[2]
                                                                          : std::string_view();
}

bool IsConstant(const Term& term) {
  switch (term.kind) {
    case TermKind::kScalar: return true;
    case TermKind::kVar:
    case TermKind::kRef:
    case TermKind::kCall:
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: return false;
    default: break;
  }
  return std::all_of(term.items.begin(), term.items.end(),
                     [](const Term* item) { return IsConstant(*item); }) &&
         std::all_of(term.body.begin(), term.body.end(), [](const Expr* part) {
           return part->kind == ExprKind::kTerm && IsConstant(*part->term);
         });
}

bool IsTrue(const Term& term) { return term.kind == TermKind::kScalar && term.value.IsTrue(); }

// `{ true }` and nothing else: the rule is a constant.
bool IsTrueBody(Body body) {
  return body.size() == 1 && body[0]->kind == ExprKind::kTerm && !body[0]->negated &&
         body[0]->with.empty() && IsTrue(*body[0]->term);
}

bool SamePlace(const Location& a, const Location& b) {
  return a.row != 0 && a.row == b.row && a.column == b.column && a.offset == b.offset &&
         a.length == b.length;
}

bool ByPlace(const Location& a, const Location& b) {
  return a.row != b.row ? a.row < b.row : a.column < b.column;
}

}  // namespace

FormatWriter::FormatWriter(Module& module, const FormatOptions& options)
    : module_(module), options_(options) {}

std::string FormatWriter::TakeText() {
  size_t end = out_.size();
  while (end > 0 && out_[end - 1] == '\n') --end;
  if (end < out_.size()) out_.resize(end + 1);
  return std::move(out_);
}

bool FormatWriter::Run() {
  if (options_.highest != Dialect::kV0) v1_ = ifs_ = contains_ = true;
  v2_ = options_.highest == Dialect::kV2;
  Prepare();
  static_cast<void>(WriteModule(ArrangeImports()));
  return errors_.empty();
}

// Looks over the tree for what the layout depends on.
void FormatWriter::Prepare() {
  for (const Import* import : module_.imports) {
    const std::string_view keyword = FutureKeyword(*import);
    if (!keyword.empty() && import->alias.empty()) imported_keywords_.push_back(keyword);
    if (IsRegoV1(*import) || IsRegoV2(*import) || IsAllFuture(*import)) contains_ = ifs_ = true;
    if (IsRegoV2(*import)) v2_imported_ = true;
    if (keyword == "contains") contains_ = true;
    if (keyword == "if") ifs_ = true;
  }
  for (Rule* rule : module_.rules) PrepareRule(*rule);
  // A wildcard that stands twice (in a head that was copied for another body) gets a name.
  bool twice = false;
  for (const auto& [name, count] : wildcards_) twice = twice || count > 1;
  if (twice) {
    for (auto& [name, count] : wildcards_) count = count > 1 ? UINT32_MAX : 0;
    for (Rule* rule : module_.rules) PrepareRule(*rule);
  }
  for (const Comment& comment : module_.comments) comments_.push_back(&comment);
}

void FormatWriter::PrepareRule(Rule& rule) {
  for (Rule* r = &rule; r != nullptr; r = r->else_rule) {
    Head& head = r->head;
    if (head.ref.size() > 2 ||
        (head.ref.size() == 2 && head.key != nullptr && head.value == nullptr)) {
      ref_heads_ = true;
    }
    for (Term* arg : head.args) PrepareTerm(*arg);
    if (head.key != nullptr) PrepareTerm(*head.key);
    if (head.value != nullptr) PrepareTerm(*head.value);
    for (Expr* expr : r->body) PrepareExpr(*expr);
  }
}

void FormatWriter::PrepareTerm(Term& term) {
  if (term.kind == TermKind::kVar && term.name.starts_with('$')) {
    uint32_t& count = wildcards_[term.name];
    if (count == UINT32_MAX) {
      term.name = module_.arena.Copy("_" + std::string(term.name.substr(1)));
    } else {
      ++count;
    }
    return;
  }
  for (Term* item : term.items) PrepareTerm(*item);
  for (Expr* expr : term.body) PrepareExpr(*expr);
}

void FormatWriter::PrepareExpr(Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kCall:
      if (InfixOf(*expr.terms[0]) == "in") uses_in_ = true;
      break;
    case ExprKind::kEvery: uses_every_ = true; break;
    case ExprKind::kNot: uses_not_ = true; break;
    case ExprKind::kAnd: uses_and_ = true; break;
    case ExprKind::kOr: uses_or_ = true; break;
    default: break;
  }
  if (expr.term != nullptr) {
    PrepareTerm(*expr.term);
  } else {
    for (Term* term : expr.terms) {
      if (term != nullptr) PrepareTerm(*term);
    }
  }
  for (Expr* inner : expr.lhs) PrepareExpr(*inner);
  for (Expr* inner : expr.rhs) PrepareExpr(*inner);
  for (With& with : expr.with) {
    PrepareTerm(*with.target);
    PrepareTerm(*with.value);
  }
}

// An import of the formatter's own, below the last one of its like.
void FormatWriter::AddImport(std::vector<Import*>& imports, std::string_view root,
                             std::string_view name, std::string_view keyword) {
  uint32_t row = 0;
  for (const Import* import : imports) {
    if (IsFuture(*import) || IsRegoV1(*import)) row = std::max(row, import->at.row);
  }
  Arena& arena = module_.arena;
  std::vector<Term*> path;
  for (std::string_view part : {root, name, keyword}) {
    if (part.empty()) continue;
    Term* term = arena.New<Term>();
    if (path.empty()) {
      term->kind = TermKind::kVar;
      term->name = part;
    } else {
      term->value = Value::String(part);
    }
    path.push_back(term);
  }
  Import* import = arena.New<Import>();
  import->path = arena.New<Term>();
  import->path->kind = TermKind::kRef;
  import->path->items = arena.Copy(std::span<Term* const>(path));
  // offset: beyond any text, which is what marks it as added.
  import->at = {UINT32_MAX, 0, row == 0 ? 1 : row + 1, 1};
  imports.push_back(import);
}

std::vector<Import*> FormatWriter::ArrangeImports() {
  std::vector<Import*> imports = module_.imports;
  const auto drop = [&](auto&& which) {
    std::erase_if(imports, [&](const Import* import) { return which(*import); });
  };
  const auto ensure_keyword = [&](std::string_view keyword) {
    for (const Import* import : imports) {
      const std::string_view has = FutureKeyword(*import);
      if (IsAllFuture(*import) || has == keyword || (has == "every" && keyword == "in")) return;
    }
    AddImport(imports, "future", "keywords", keyword);
  };
  const Dialect low = options_.lowest;
  const Dialect high = options_.highest;
  if (low == Dialect::kV2) {
    if (options_.drop_imports) {
      drop([](const Import& i) { return IsRegoV1(i) || IsRegoV2(i) || IsFuture(i); });
    }
    return imports;
  }
  const bool has_v2 =
      std::any_of(imports.begin(), imports.end(), [](const Import* i) { return IsRegoV2(*i); });
  if (high == Dialect::kV2) {
    if (!has_v2) AddImport(imports, "rego", "v2", "");
    drop([](const Import& i) { return IsRegoV1(i) || IsFuture(i); });
    return imports;
  }
  const auto has_v1 = [&] {
    return std::any_of(imports.begin(), imports.end(),
                       [](const Import* i) { return IsRegoV1(*i); });
  };
  if (has_v2 || (low == Dialect::kV1 && options_.drop_imports)) {
    drop(IsRegoV1);
  } else if (low != high && !has_v1()) {
    AddImport(imports, "rego", "v1", "");
  }
  const bool v1_imported = has_v1() || has_v2;
  if (high == Dialect::kV1 || v1_imported) {
    if (!options_.drop_imports && !v1_imported) {
      for (std::string_view keyword : imported_keywords_) ensure_keyword(keyword);
    } else {
      drop(IsFuture);
    }
    if (!has_v2) {
      if (uses_and_) ensure_keyword("and");
      if (uses_not_) ensure_keyword("not");
      if (uses_or_) ensure_keyword("or");
    }
    return imports;
  }
  if (uses_and_) ensure_keyword("and");
  if (uses_every_) ensure_keyword("every");
  if (uses_in_) ensure_keyword("in");
  if (uses_not_) ensure_keyword("not");
  if (uses_or_) ensure_keyword("or");
  return imports;
}

Status FormatWriter::WriteModule(std::vector<Import*> imports) {
  struct Statement {
    Location at;
    Import* import;
    Rule* rule;
  };
  std::vector<Statement> statements;
  for (Import* import : imports) statements.push_back({import->at, import, nullptr});
  for (Rule* rule : module_.rules) statements.push_back({rule->at, nullptr, rule});
  std::stable_sort(statements.begin(), statements.end(),
                   [](const Statement& a, const Statement& b) { return ByPlace(a.at, b.at); });
  // An import that was added has no effect below a rule.
  std::vector<Import*> added;
  const auto is_added = [](const Import* import) { return import->at.offset == UINT32_MAX; };
  const auto rule = std::find_if(statements.begin(), statements.end(),
                                 [](const Statement& s) { return s.rule != nullptr; });
  const bool below = rule != statements.end() &&
                     std::any_of(statements.begin(), statements.end(), [&](const Statement& s) {
                       return s.import != nullptr && is_added(s.import) && s.at.row >= rule->at.row;
                     });
  if (below) {
    std::erase_if(statements, [&](const Statement& s) {
      if (s.import == nullptr || !is_added(s.import)) return false;
      added.push_back(s.import);
      return true;
    });
  }
  Comments comments = comments_;
  if (const Status status = WritePackage(comments); status != Status::kOk) return status;
  if (const Status status = WriteImports(added, comments); status != Status::kOk) return status;
  for (size_t i = 0; i < statements.size();) {
    std::vector<Import*> group;
    for (; i < statements.size() && statements[i].import != nullptr; ++i) {
      group.push_back(statements[i].import);
    }
    if (const Status status = WriteImports(group, comments); status != Status::kOk) return status;
    std::vector<Rule*> rules;
    for (; i < statements.size() && statements[i].rule != nullptr; ++i) {
      rules.push_back(statements[i].rule);
    }
    if (const Status status = WriteRules(rules, comments); status != Status::kOk) return status;
  }
  for (const Comment* comment : comments) WriteWholeLine(*comment);
  if (!comments.empty()) Put('\n');
  return Status::kOk;
}

Status FormatWriter::WritePackage(Comments& comments) {
  if (const Status status = InsertComments(comments, module_.package.at.row);
      status != Status::kOk) {
    return status;
  }
  StartLine();
  Put("package ");
  Put(module_.package.path[1]->value.AsString());
  for (const Term* item : module_.package.path.subspan(2)) WriteOperandName(*item);
  BlankLine();
  return Status::kOk;
}

Status FormatWriter::WriteImports(std::vector<Import*> imports, Comments& comments) {
  if (imports.empty()) return Status::kOk;
  // Comments beside imports go with them.
  std::unordered_map<uint32_t, const Import*> rows;
  for (const Import* import : imports) rows.emplace(import->at.row, import);
  std::unordered_map<const Import*, const Comment*> beside;
  std::vector<const Comment*> left;
  for (const Comment* comment : comments) {
    const auto row = rows.find(comment->at.row);
    if (row != rows.end()) {
      beside[row->second] = comment;
    } else {
      left.push_back(comment);
    }
  }
  left_.swap(left);
  comments = left_;
  std::vector<std::vector<Import*>> groups(1);
  for (Import* import : imports) {
    if (!groups.back().empty() && import->at.row > groups.back().back()->at.row + 1) {
      groups.emplace_back();
    }
    groups.back().push_back(import);
  }
  for (std::vector<Import*>& group : groups) {
    if (const Status status = InsertComments(comments, group[0]->at.row); status != Status::kOk) {
      return status;
    }
    std::stable_sort(group.begin(), group.end(), [](const Import* a, const Import* b) {
      const int c = CompareTerms(*a->path, *b->path);
      return c != 0 ? c < 0 : a->alias < b->alias;
    });
    for (const Import* import : group) {
      StartLine();
      if (const Status status = WriteImport(*import); status != Status::kOk) return status;
      if (const auto found = beside.find(import); found != beside.end()) {
        Put(" #");
        Put(CommentText(*found->second));
      }
      EndLine();
    }
    BlankLine();
  }
  return Status::kOk;
}

Status FormatWriter::WriteImport(const Import& import) {
  Put("import ");
  const bool keyword = !FutureKeyword(import).empty() && import.alias.empty();
  const std::span<Term* const> path = import.path->items;
  Put(path[0]->name);
  for (const Term* item : path.subspan(1)) {
    if (keyword && !TextOf(item->at).starts_with('"')) {
      Put('.');
      Put(item->value.AsString());
    } else {
      WriteOperandName(*item);
    }
  }
  if (!import.alias.empty()) {
    Put(" as ");
    Put(import.alias);
  }
  return Status::kOk;
}

Status FormatWriter::WriteRules(std::span<Rule* const> rules, Comments& comments) {
  for (size_t i = 0; i < rules.size(); ++i) {
    Rule& rule = *rules[i];
    // Unexpected comments were written with the terms they are in.
    static_cast<void>(InsertComments(comments, PlaceOf(rule.at).row));
    static_cast<void>(WriteRule(rule, false, comments));
    if (i + 1 < rules.size() && IsOneLiner(rule) && IsOneLiner(*rules[i + 1]) &&
        rules[i + 1]->at.row == rule.at.row + 1) {
      continue;
    }
    BlankLine();
  }
  return Status::kOk;
}

bool FormatWriter::IsOneLiner(const Rule& rule) const {
  if (rule.body.size() > 1 || rule.is_default || rule.else_rule != nullptr ||
      (rule.body.size() == 1 && IsSetTerm(*rule.body[0]))) {
    return false;
  }
  return (v1_ || ifs_) && (contains_ || rule.head.value != nullptr);
}

Status FormatWriter::WriteRule(Rule& rule, bool is_else, Comments& comments) {
  Rule* current = &rule;
  // Else branches follow in a loop: each is written as a rule of its own.
  if (!is_else) StartLine();
  if (current->is_default) Put("default ");
  const bool is_const = IsTrueBody(current->body) && current->else_rule == nullptr;
  comment_on_final_line_ = is_const;
  bool unexpected = false;
  const Status head = WriteHead(*current, is_else, is_const, comments);
  if (head == Status::kFatal) {
    comments = {};
    return head;
  }
  unexpected = head == Status::kUnexpected;
  if (is_const) {
    EndLine();
    return Status::kOk;
  }
  comment_on_final_line_ = true;
  const bool uses_if = (v1_ || ifs_) && (contains_ || rule.head.value != nullptr);
  if (uses_if) {
    Put(" if");
    if (rule.body.size() == 1) {
      Expr& only = *rule.body[0];
      if (PlaceOf(only.at).row == EndRow(PlaceOf(rule.head.at)) && !IsSetTerm(only)) {
        Put(' ');
        if (WriteExpr(only, comments) == Status::kFatal) {
          comments = {};
          return Status::kFatal;
        }
        EndLine();
        return rule.else_rule != nullptr ? WriteElse(rule, comments) : Status::kOk;
      }
    }
  }
  if (unexpected && !comments.empty()) {
    Put(" { ");
  } else {
    Put(" {");
    EndLine();
  }
  if (uses_if && !is_else) MarkUnionLead(*rule.body[0]);
  Up();
  static_cast<void>(WriteBody(rule.body, comments));
  const Place at = PlaceOf(rule.at);
  const bool args = !rule.head.args.empty() && !is_else;
  const bool key = rule.head.key != nullptr;
  const int64_t close = ClosingRow(args  ? '('
                                   : key ? '['
                                         : 0,
                                   args  ? ')'
                                   : key ? ']'
                                         : 0,
                                   '{', '}', at);
  if (const Status status = InsertComments(comments, close); status != Status::kOk) {
    comments = {};
    Down();
    return status;
  }
  Down();
  StartLine();
  Put('}');
  return rule.else_rule != nullptr ? WriteElse(rule, comments) : Status::kOk;
}

Status FormatWriter::WriteElse(Rule& rule, Comments& comments) {
  Rule& other = *rule.else_rule;
  // An `else` that began its line in the source begins one here.
  const Place at = PlaceOf(rule.at);
  bool was_inline = false;
  const int64_t relative = PlaceOf(other.at).row - at.row;
  if (relative > 0) {
    std::string_view rest = at.text;
    int64_t line = 0;
    for (; line < relative; ++line) {
      const size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
    if (line == relative) {
      const size_t begin = rest.find_first_not_of(" \t\r\v\f");
      was_inline = begin == std::string_view::npos || !rest.substr(begin).starts_with("else");
    }
  }
  const int64_t head_row = PlaceOf(other.head.at).row;
  const bool comment_above =
      (!comments.empty() && comments[0]->at.row < head_row) || before_end_ != nullptr;
  if (!comment_above && was_inline) {
    Put(' ');
  } else {
    BlankLine();
    StartLine();
  }
  if (const Status status = InsertComments(comments, head_row); status != Status::kOk) {
    comments = {};
    return status;
  }
  if (comment_above && !was_inline) StartLine();
  if (other.head.value != nullptr) other.head.value->at = other.head.at;
  return WriteRule(other, true, comments);
}

Status FormatWriter::WriteHead(const Rule& rule, bool is_else, bool is_const, Comments& comments) {
  const Head& head = rule.head;
  if (is_else) {
    // As OPA's: a reference of one variable, whose place is the head's.
    if (const Status status = InsertComments(comments, PlaceOf(head.at).row);
        status != Status::kOk) {
      comments = {};
      return status;
    }
    if (!inline_) StartLine();
    Put("else");
  } else if (ref_heads_ || head.ref.size() == 1) {
    if (const Status status = WriteRef(head.ref, comments); status != Status::kOk) {
      comments = {};
      return status;
    }
  } else {
    if (!comments.empty() && PlaceOf(head.ref[1]->at).row == comments[0]->at.row) {
      return WriteUnformatted(PlaceOf(head.at), comments);
    }
    AppendText(*head.ref[0], out_);
    Put('[');
    AppendText(*head.ref[1], out_);
    Put(']');
  }
  if (!head.args.empty() && !is_else) {
    Put('(');
    std::vector<Item> items;
    for (Term* arg : head.args) items.push_back({arg});
    const Place at = PlaceOf(head.at);
    const Status status = WriteItems(std::move(items), at, ClosingRow(0, 0, '(', ')', at), comments,
                                     &FormatWriter::WriteItem);
    Put(')');
    if (status != Status::kOk) return status;
  }
  if (head.key != nullptr && head.value == nullptr) {
    Put(contains_ ? " contains " : "[");
    if (const Status status = WriteTerm(*head.key, comments); status != Status::kOk) return status;
    if (!contains_) Put(']');
  }
  if (head.value == nullptr ||
      (head.key == nullptr && IsTrue(*head.value) && !is_const && !rule.is_default)) {
    return Status::kOk;
  }
  // A value that nobody wrote is not written, but for a constant of v1 (`a.b.c := true`).
  const bool needs_value = v1_ && is_const && head.key == nullptr && (head.args.empty() || is_else);
  if (!is_else && SamePlace(head.at, head.value->at) && IsTrue(*head.value) && !needs_value) {
    return Status::kOk;
  }
  Put(head.assign || v1_ ? " := " : " = ");
  return WriteTerm(*head.value, comments);
}

Result<std::string> FormatSource(std::string file, std::string text, const FormatOptions& options,
                                 std::vector<Diagnostic>* errors) {
  ParseOptions parse;
  parse.dialect = options.source;
  parse.annotations = false;
  parse.max_depth = options.max_depth;
  parse.max_bytes = options.max_bytes;
  Result<std::unique_ptr<Module>> module = ParseModule(file, std::move(text), parse, errors);
  if (!module) return std::move(module).error();
  std::vector<Diagnostic> found;
  const auto fail = [&](std::string_view prefix) {
    Error error(Code::kInvalid, "rego_format_error", std::string(prefix) + DiagnosticsText(found));
    if (errors != nullptr) std::move(found.begin(), found.end(), std::back_inserter(*errors));
    return error;
  };
  if (options.highest != Dialect::kV0) {
    CheckForV1(**module, options.highest == Dialect::kV2, found);
    if (!found.empty()) return fail("");
  }
  FormatWriter writer(**module, options);
  if (!writer.Run()) {
    found = writer.errors();
    return fail(file + ": ");
  }
  return writer.TakeText();
}

}  // namespace bulwark::rego
