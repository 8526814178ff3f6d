#include "lang/rego/check/text.h"

#include <algorithm>
#include <array>

#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

namespace {

bool IsName(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool IsKeyword(std::string_view text) {
  static constexpr std::array<std::string_view, 15> kKeywords = {
      "not",  "package", "import", "as", "default",  "else", "with", "null",
      "true", "false",   "some",   "if", "contains", "in",   "every"};
  return std::ranges::find(kKeywords, text) != kKeywords.end();
}

class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}

  void Print(const Term& term) {
    if (++depth_ > kMaxDepth) {
      out_ += "...";
    } else {
      PrintAt(term);
    }
    --depth_;
  }

  void PrintBody(Body body) {
    std::string_view separator;
    for (const Expr* expr : body) {
      if (expr->kind == ExprKind::kSome) continue;
      out_ += separator;
      separator = "; ";
      PrintExpr(*expr);
    }
  }

 private:
  static constexpr int kMaxDepth = 200;

  void Name(std::string_view name) { out_ += name.starts_with('$') ? "_" : name; }

  void List(std::span<Term* const> terms) {
    for (size_t i = 0; i < terms.size(); ++i) {
      if (i != 0) out_ += ", ";
      Print(*terms[i]);
    }
  }

  void Operand(const Term& term) {
    if (term.kind == TermKind::kScalar) return AppendOperand(out_, term.value);
    out_ += '[';
    Print(term);
    out_ += ']';
  }

  void PrintAt(const Term& term) {
    switch (term.kind) {
      case TermKind::kScalar: out_ += ToRegoText(term.value); return;
      case TermKind::kVar:
        if (!term.resolved.empty()) {
          out_ += PathText(term.resolved);
        } else {
          Name(term.name);
        }
        return;
      case TermKind::kRef: Ref(term); return;
      case TermKind::kArray:
        out_ += '[';
        List(term.items);
        out_ += ']';
        return;
      case TermKind::kSet:
        if (term.items.empty()) {
          out_ += "set()";
          return;
        }
        out_ += '{';
        List(term.items);
        out_ += '}';
        return;
      case TermKind::kObject:
        out_ += '{';
        for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
          if (i != 0) out_ += ", ";
          Pair(term, i);
        }
        out_ += '}';
        return;
      case TermKind::kArrayComprehension:
      case TermKind::kSetComprehension:
      case TermKind::kObjectComprehension:
        out_ += term.kind == TermKind::kArrayComprehension ? '[' : '{';
        if (term.kind == TermKind::kObjectComprehension) {
          Pair(term, 0);
        } else {
          Print(*term.items[0]);
        }
        out_ += " | ";
        PrintBody(term.body);
        out_ += term.kind == TermKind::kArrayComprehension ? ']' : '}';
        return;
      case TermKind::kCall:
        Print(*term.items[0]);
        out_ += '(';
        List(term.items.subspan(1));
        out_ += ')';
        return;
      case TermKind::kTemplateString: Template(term); return;
    }
  }

  void Pair(const Term& term, size_t at) {
    Print(*term.items[at]);
    out_ += ": ";
    Print(*term.items[at + 1]);
  }

  void Ref(const Term& term) {
    if (!term.resolved.empty()) {
      out_ += PathText(term.resolved);
    } else {
      Print(*term.items[0]);
    }
    // The name of a built-in stands as it is ("regex.match"), whatever words are in it.
    if (IsBuiltin(term)) {
      for (const Term* item : term.items.subspan(1))
        out_.append(".").append(item->value.AsString());
      return;
    }
    for (const Term* item : term.items.subspan(1)) Operand(*item);
  }

  static bool IsBuiltin(const Term& ref) {
    if (!ref.resolved.empty() || ref.items[0]->kind != TermKind::kVar) return false;
    std::string name(ref.items[0]->name);
    for (const Term* item : ref.items.subspan(1)) {
      if (item->kind != TermKind::kScalar || !item->value.IsString()) return false;
      name.append(".").append(item->value.AsString());
    }
    return Registry::Standard().Find(name) != nullptr;
  }

  void Template(const Term& term) {
    out_ += "$\"";
    for (const Expr* part : term.body) {
      if (part->kind == ExprKind::kTerm && part->term->kind == TermKind::kScalar &&
          part->term->value.IsString()) {
        std::string quoted = ToRegoText(Value::String(part->term->value.AsString()));
        // Nested, so that it is quoted: without the quotes themselves.
        if (quoted.size() >= 2 && quoted.front() == '"')
          quoted = quoted.substr(1, quoted.size() - 2);
        for (char c : quoted) {
          if (c == '{') out_ += '\\';
          out_ += c;
        }
      } else {
        out_ += '{';
        PrintExpr(*part);
        out_ += '}';
      }
    }
    out_ += '"';
  }

  void Braced(Body body, bool braces) {
    if (braces) out_ += "{ ";
    PrintBody(body);
    if (braces) out_ += " }";
  }

  void PrintExpr(const Expr& expr) {
    if (++depth_ > kMaxDepth) {
      out_ += "...";
      --depth_;
      return;
    }
    if (expr.negated) out_ += "not ";
    switch (expr.kind) {
      case ExprKind::kTerm: Print(*expr.term); break;
      case ExprKind::kCall:
        if (expr.terms.size() == 3 && IsEquality(*expr.terms[0])) {
          Print(*expr.terms[1]);
          out_ += " = ";
          Print(*expr.terms[2]);
        } else {
          Print(*expr.terms[0]);
          out_ += '(';
          List(expr.terms.subspan(1));
          out_ += ')';
        }
        break;
      case ExprKind::kSome:
        out_ += "some ";
        List(expr.terms);
        break;
      case ExprKind::kSomeIn:
        Print(*expr.terms[expr.terms.size() - 2]);
        out_ += " = ";
        Print(*expr.terms.back());
        out_ += '[';
        if (expr.terms.size() == 3) {
          Print(*expr.terms[0]);
        } else {
          out_ += '_';
        }
        out_ += ']';
        break;
      case ExprKind::kEvery:
        out_ += "every ";
        if (expr.terms[0] != nullptr) {
          Print(*expr.terms[0]);
          out_ += ", ";
        }
        Print(*expr.terms[1]);
        out_ += " in ";
        Print(*expr.terms[2]);
        out_ += " ";
        Braced(expr.lhs, true);
        break;
      case ExprKind::kNot:
        out_ += "not ";
        Braced(expr.lhs, expr.explicit_lhs);
        break;
      case ExprKind::kAnd:
      case ExprKind::kOr:
        Braced(expr.lhs, expr.explicit_lhs);
        out_ += expr.kind == ExprKind::kAnd ? " and " : " or ";
        Braced(expr.rhs, expr.explicit_rhs);
        break;
    }
    for (const With& with : expr.with) {
      out_ += " with ";
      Print(*with.target);
      out_ += " as ";
      Print(*with.value);
    }
    --depth_;
  }

  static bool IsEquality(const Term& callee) {
    const Term& head = callee.kind == TermKind::kRef ? *callee.items[0] : callee;
    return head.kind == TermKind::kVar && head.resolved.empty() &&
           (callee.kind == TermKind::kVar || callee.items.size() == 1) &&
           (head.name == "eq" || head.name == "assign");
  }

  std::string& out_;
  int depth_ = 0;
};

bool IsGround(const Term& term) { return term.kind == TermKind::kScalar; }

}  // namespace

void AppendOperand(std::string& out, const Value& operand) {
  if (!operand.IsString()) {
    out += '[';
    out += ToRegoText(operand);
    out += ']';
    return;
  }
  std::string_view text = operand.AsString();
  if (IsName(text) && !IsKeyword(text)) {
    out.append(".").append(text);
    return;
  }
  const bool plain = std::ranges::none_of(
      text, [](char c) { return c == '\\' || static_cast<unsigned char>(c) < 32 || c == 127; });
  if (plain) {
    out.append("[\"").append(text).append("\"]");
  } else {
    out += '[';
    out += ToRegoText(operand);
    out += ']';
  }
}

std::string PathText(std::span<const Value> path) {
  std::string out;
  if (path.empty()) return out;
  out = path[0].IsString() ? std::string(path[0].AsString()) : ToRegoText(path[0]);
  for (const Value& operand : path.subspan(1)) AppendOperand(out, operand);
  return out;
}

std::string TermText(const Term& term) {
  std::string out;
  Printer(out).Print(term);
  return out;
}

std::string HeadText(const Head& head) {
  std::string out(head.name);
  if (head.ref.empty()) return out;
  for (const Term* operand : head.ref.subspan(1)) {
    if (operand->kind == TermKind::kScalar) {
      AppendOperand(out, operand->value);
    } else {
      out += '[';
      Printer(out).Print(*operand);
      out += ']';
    }
  }
  return out;
}

std::string RuleText(const Rule& rule, bool ground) {
  std::string out = "data";
  if (rule.module != nullptr) {
    std::span<Term*> path = rule.module->package.path;
    for (const Term* item : path.subspan(path.empty() ? 0 : 1)) AppendOperand(out, item->value);
  }
  AppendOperand(out, Value::String(rule.head.name));
  if (rule.head.ref.empty()) return out;
  for (const Term* operand : rule.head.ref.subspan(1)) {
    if (IsGround(*operand)) {
      AppendOperand(out, operand->value);
      continue;
    }
    if (ground) break;
    out += '[';
    Printer(out).Print(*operand);
    out += ']';
  }
  return out;
}

std::string_view ImportName(const Import& import) {
  if (!import.alias.empty()) return import.alias;
  if (import.path->kind == TermKind::kVar) return import.path->name;
  if (import.path->kind != TermKind::kRef || import.path->items.empty()) return {};
  const Term& last = *import.path->items.back();
  if (last.kind == TermKind::kVar) return last.name;
  return last.kind == TermKind::kScalar && last.value.IsString() ? last.value.AsString()
                                                                 : std::string_view();
}

std::string ImportText(const Import& import) {
  std::string out = "import " + TermText(*import.path);
  if (!import.alias.empty()) out.append(" as ").append(import.alias);
  return out;
}

std::string PlaceText(const Module* module, const Location& at) {
  if (module != nullptr && !module->file.empty()) {
    return module->file + ":" + std::to_string(at.row);
  }
  return std::to_string(at.row) + ":" + std::to_string(at.column);
}

}  // namespace bulwark::rego
