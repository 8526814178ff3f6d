#include "lang/rego/ast/printer.h"

#include <charconv>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/ast_json.h"
#include "lang/rego/ast/lexer.h"
#include "lang/rego/ast/parser_impl.h"

namespace bulwark::rego {
namespace {

void AppendTerms(std::span<Term* const> terms, std::string& out) {
  for (size_t i = 0; i < terms.size(); ++i) {
    if (i != 0) out += ", ";
    AppendText(*terms[i], out);
  }
}

void AppendCall(std::span<Term* const> items, std::string& out) {
  AppendText(*items[0], out);
  out += '(';
  AppendTerms(items.subspan(1), out);
  out += ')';
}

// Operators within the head of a comprehension are written as such: `|` would be misread.
void AppendComprehensionTerm(const Term& term, std::string& out) {
  if (term.kind == TermKind::kCall && term.items.size() == 3) {
    const std::string_view sign = InfixOf(*term.items[0]);
    if (!sign.empty() && sign != "in") {
      out += '(';
      AppendComprehensionTerm(*term.items[1], out);
      out.append(" ").append(sign).append(" ");
      AppendComprehensionTerm(*term.items[2], out);
      out += ')';
      return;
    }
  }
  AppendText(term, out);
}

void AppendTemplateText(std::string_view text, std::string& out) {
  std::string quoted;
  AppendQuoted(text, quoted);
  const std::string_view inner = std::string_view(quoted).substr(1, quoted.size() - 2);
  for (size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '{' && (i == 0 || inner[i - 1] != '\\')) out += '\\';
    out += inner[i];
  }
}

bool LeadingBrace(const Term& term) {
  switch (term.kind) {
    case TermKind::kSet: return !term.items.empty();
    case TermKind::kObject:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: return true;
    case TermKind::kRef: return !term.items.empty() && LeadingBrace(*term.items[0]);
    default: return false;
  }
}

bool OperandNeedsParens(Body body, ExprKind parent, bool rhs) {
  if (body.size() != 1) return false;
  const Expr& expr = *body[0];
  if (!expr.with.empty()) return true;
  switch (expr.kind) {
    case ExprKind::kOr: return parent == ExprKind::kAnd || rhs;
    case ExprKind::kAnd: return parent == ExprKind::kAnd && rhs;
    case ExprKind::kTerm: return LeadingBrace(*expr.term);
    default: return false;
  }
}

void AppendOperand(Body body, bool braces, ExprKind parent, bool rhs, std::string& out) {
  if (!braces && body.size() == 1) {
    const bool parens = OperandNeedsParens(body, parent, rhs);
    if (parens) out += '(';
    AppendText(body, out);
    if (parens) out += ')';
    return;
  }
  out += "{ ";
  AppendText(body, out);
  out += " }";
}

bool NotNeedsParens(Body body) {
  if (body.size() != 1) return false;
  const Expr& expr = *body[0];
  if (!expr.with.empty()) return true;
  switch (expr.kind) {
    case ExprKind::kOr:
    case ExprKind::kAnd:
    case ExprKind::kNot: return true;
    case ExprKind::kTerm: return LeadingBrace(*expr.term);
    default: return false;
  }
}

void AppendNot(const Expr& expr, std::string& out) {
  if (!expr.explicit_lhs && expr.lhs.size() == 1) {
    const bool parens = NotNeedsParens(expr.lhs);
    out += parens ? "not (" : "not ";
    AppendText(expr.lhs, out);
    if (parens) out += ')';
    return;
  }
  out += "not {";
  AppendText(expr.lhs, out);
  out += '}';
}

bool HasControlOrBackslash(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7F || c == '\\') return true;
    if (c == 0xC2 && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[i + 1]);
      if (next >= 0x80 && next <= 0x9F) return true;
    }
  }
  return false;
}

// What Go does not print as it is: controls, formats, separators other than the space, private use
// and what is not assigned in the planes that hold nothing else.
bool IsUnprintable(uint32_t c) {
  static constexpr std::pair<uint32_t, uint32_t> kRanges[] = {
      {0x00, 0x1F},       {0x7F, 0xA0},       {0xAD, 0xAD},       {0x378, 0x379},
      {0x380, 0x383},     {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
      {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},     {0x1680, 0x1680},
      {0x180E, 0x180E},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},
      {0x3000, 0x3000},   {0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},
      {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0x1FFFE, 0x1FFFF},
      {0x323B0, 0xE00FF}, {0xE01F0, 0x10FFFF}};
  for (const auto& [first, last] : kRanges) {
    if (c >= first && c <= last) return true;
  }
  return false;
}

void AppendHex(uint32_t value, int digits, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kHex[(value >> shift) & 15];
}

// The character at the front of `text` and its bytes; 0 bytes: no UTF-8.
uint32_t DecodeFront(std::string_view text, size_t& size) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size = 0;
  uint32_t code = 0;
  size_t need = 0;
  if (byte(0) < 0x80) {
    size = 1;
    return byte(0);
  }
  if (byte(0) >= 0xC2 && byte(0) <= 0xDF) {
    need = 2, code = byte(0) & 0x1F;
  } else if ((byte(0) & 0xF0) == 0xE0) {
    need = 3, code = byte(0) & 0x0F;
  } else if (byte(0) >= 0xF0 && byte(0) <= 0xF4) {
    need = 4, code = byte(0) & 0x07;
  }
  if (need == 0 || text.size() < need) return 0;
  for (size_t i = 1; i < need; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3F);
  }
  if ((need == 3 && code < 0x800) || (need == 4 && (code < 0x10000 || code > 0x10FFFF)) ||
      (code >= 0xD800 && code < 0xE000)) {
    return 0;
  }
  size = need;
  return code;
}

bool UsesIf(Dialect dialect) { return dialect != Dialect::kV0; }

// The dialect that OPA prints a module's rules by.
Dialect PrintDialect(const Module* module) {
  return module == nullptr ? Dialect::kV1 : module->dialect;
}

void AppendRule(const Rule& rule, Dialect dialect, std::string& out) {
  for (const Annotations* annotations : rule.annotations) {
    out += "# METADATA\n# ";
    out += AnnotationsJsonText(*annotations);
    out += '\n';
  }
  if (rule.is_default) out += "default ";
  AppendText(rule.head, dialect, out);
  if (!rule.is_default) {
    out += UsesIf(dialect) ? " if { " : " { ";
    AppendText(rule.body, out);
    out += " }";
  }
  for (const Rule* other = rule.else_rule; other != nullptr; other = other->else_rule) {
    out += " else ";
    if (other->head.value != nullptr) {
      out += "= ";
      AppendText(*other->head.value, out);
    }
    out += UsesIf(dialect) ? " if { " : " { ";
    AppendText(other->body, out);
    out += " }";
  }
}

}  // namespace

void AppendQuoted(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    size_t size = 0;
    const uint32_t c = DecodeFront(text, size);
    if (size == 0) {
      out += "\\x";
      AppendHex(static_cast<unsigned char>(text[0]), 2, out);
      text.remove_prefix(1);
      continue;
    }
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += static_cast<char>(c);
        break;
      case '\a': out += "\\a"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      default:
        if (!IsUnprintable(c)) {
          out.append(text.substr(0, size));
        } else if (c < 0x20 || c == 0x7F) {
          out += "\\x";
          AppendHex(c, 2, out);
        } else if (c < 0x10000) {
          out += "\\u";
          AppendHex(c, 4, out);
        } else {
          out += "\\U";
          AppendHex(c, 8, out);
        }
    }
    text.remove_prefix(size);
  }
  out += '"';
}

void AppendScalar(const Value& value, std::string& out) {
  switch (value.kind()) {
    case Value::Kind::kNull: out += "null"; return;
    case Value::Kind::kBool: out += value.AsBool() ? "true" : "false"; return;
    case Value::Kind::kInt: out += std::to_string(value.AsInt()); return;
    case Value::Kind::kUint: out += std::to_string(value.AsUint()); return;
    case Value::Kind::kDouble: {
      char digits[64];
      const auto end = std::to_chars(digits, digits + sizeof digits, value.AsDouble()).ptr;
      out.append(digits, end);
      return;
    }
    case Value::Kind::kDecimal: out += value.AsString(); return;
    case Value::Kind::kString: AppendQuoted(value.AsString(), out); return;
    case Value::Kind::kArray:
    case Value::Kind::kSet: {
      const bool set = value.IsSet();
      if (set && value.empty()) {
        out += "set()";
        return;
      }
      out += set ? '{' : '[';
      for (size_t i = 0; i < value.items().size(); ++i) {
        if (i != 0) out += ", ";
        AppendScalar(value.items()[i], out);
      }
      out += set ? '}' : ']';
      return;
    }
    case Value::Kind::kMap: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.entries()) {
        if (!first) out += ", ";
        first = false;
        AppendScalar(key, out);
        out += ": ";
        AppendScalar(item, out);
      }
      out += '}';
      return;
    }
    default: out += "null";
  }
}

void AppendRefText(std::span<Term* const> ref, std::string& out) {
  if (ref.empty()) return;
  const Term& head = *ref[0];
  if (head.kind == TermKind::kScalar && head.value.IsString()) {
    out += head.value.AsString();
  } else {
    AppendText(head, out);
  }
  for (const Term* item : ref.subspan(1)) {
    if (item->kind == TermKind::kScalar && item->value.IsString()) {
      const std::string_view text = item->value.AsString();
      if (IsVarName(text) && !IsKeywordIn(text, Dialect::kV1)) {
        out += '.';
        out += text;
      } else if (HasControlOrBackslash(text)) {
        out += '[';
        AppendQuoted(text, out);
        out += ']';
      } else {
        out.append("[\"").append(text).append("\"]");
      }
      continue;
    }
    out += '[';
    AppendText(*item, out);
    out += ']';
  }
}

void AppendText(const Term& term, std::string& out) {
  switch (term.kind) {
    case TermKind::kScalar:
      if (term.value.IsNumber() && !term.name.empty()) {
        out += term.name;
      } else {
        AppendScalar(term.value, out);
      }
      return;
    case TermKind::kVar:
      out += term.name.starts_with('$') ? std::string_view("_") : term.name;
      return;
    case TermKind::kRef: AppendRefText(term.items, out); return;
    case TermKind::kArray:
      out += '[';
      AppendTerms(term.items, out);
      out += ']';
      return;
    case TermKind::kSet: {
      if (term.items.empty()) {
        out += "set()";
        return;
      }
      out += '{';
      bool first = true;
      for (const Term* item : SortedItems(term)) {
        if (!first) out += ", ";
        first = false;
        AppendText(*item, out);
      }
      out += '}';
      return;
    }
    case TermKind::kObject: {
      out += '{';
      bool first = true;
      for (const auto& [key, value] : SortedPairs(term)) {
        if (!first) out += ", ";
        first = false;
        AppendText(*key, out);
        out += ": ";
        AppendText(*value, out);
      }
      out += '}';
      return;
    }
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: {
      const bool array = term.kind == TermKind::kArrayComprehension;
      out += array ? '[' : '{';
      AppendComprehensionTerm(*term.items[0], out);
      if (term.kind == TermKind::kObjectComprehension) {
        out += ": ";
        AppendComprehensionTerm(*term.items[1], out);
      }
      out += " | ";
      AppendText(term.body, out);
      out += array ? ']' : '}';
      return;
    }
    case TermKind::kCall: AppendCall(term.items, out); return;
    case TermKind::kTemplateString:
      out += "$\"";
      for (const Expr* part : term.body) {
        if (!part->generated) {
          out += '{';
          AppendText(*part, out);
          out += '}';
        } else if (part->term->value.IsString()) {
          AppendTemplateText(part->term->value.AsString(), out);
        } else {
          AppendText(*part->term, out);
        }
      }
      out += '"';
      return;
  }
}

void AppendText(const Expr& expr, std::string& out) {
  if (expr.negated) out += "not ";
  switch (expr.kind) {
    case ExprKind::kTerm: AppendText(*expr.term, out); break;
    case ExprKind::kCall:
      if (IsBuiltinCall(expr, "eq") && expr.terms.size() == 3) {
        AppendText(*expr.terms[1], out);
        out += " = ";
        AppendText(*expr.terms[2], out);
      } else {
        AppendCall(expr.terms, out);
      }
      break;
    case ExprKind::kSome:
      out += "some ";
      AppendTerms(expr.terms, out);
      break;
    case ExprKind::kSomeIn:
      out += "some ";
      AppendTerms(expr.terms.first(expr.terms.size() - 1), out);
      out += " in ";
      AppendText(*expr.terms.back(), out);
      break;
    case ExprKind::kEvery:
      out += "every ";
      if (expr.terms[0] != nullptr) {
        AppendText(*expr.terms[0], out);
        out += ", ";
      }
      AppendText(*expr.terms[1], out);
      out += " in ";
      AppendText(*expr.terms[2], out);
      out += " { ";
      AppendText(expr.lhs, out);
      out += " }";
      break;
    case ExprKind::kNot: AppendNot(expr, out); break;
    case ExprKind::kAnd:
    case ExprKind::kOr:
      AppendOperand(expr.lhs, expr.explicit_lhs, expr.kind, false, out);
      out += expr.kind == ExprKind::kAnd ? " and " : " or ";
      AppendOperand(expr.rhs, expr.explicit_rhs, expr.kind, true, out);
      break;
  }
  for (const With& with : expr.with) {
    out += " with ";
    AppendText(*with.target, out);
    out += " as ";
    AppendText(*with.value, out);
  }
}

void AppendText(Body body, std::string& out) {
  for (size_t i = 0; i < body.size(); ++i) {
    if (i != 0) out += "; ";
    AppendText(*body[i], out);
  }
}

void AppendText(const Head& head, Dialect dialect, std::string& out) {
  AppendRefText(head.ref, out);
  bool contains = false;
  if (!head.args.empty()) {
    out += '(';
    AppendTerms(head.args, out);
    out += ')';
  } else if (head.ref.size() == 1 && head.key != nullptr) {
    if (dialect == Dialect::kV0) {
      out += '[';
      AppendText(*head.key, out);
      out += ']';
    } else {
      out += " contains ";
      AppendText(*head.key, out);
      contains = true;
    }
  }
  if (head.value != nullptr) {
    out += head.assign ? " := " : " = ";
    AppendText(*head.value, out);
  } else if (!contains && !head.has_name && head.key != nullptr) {
    out += " contains ";
    AppendText(*head.key, out);
  }
}

std::string ToText(const Term& term) {
  std::string out;
  AppendText(term, out);
  return out;
}

std::string ToText(const Expr& expr) {
  std::string out;
  AppendText(expr, out);
  return out;
}

std::string ToText(Body body) {
  std::string out;
  AppendText(body, out);
  return out;
}

std::string ToText(const With& with) {
  return "with " + ToText(*with.target) + " as " + ToText(*with.value);
}

std::string ToText(const Import& import) {
  std::string out = "import " + ToText(*import.path);
  if (!import.alias.empty()) out.append(" as ").append(import.alias);
  return out;
}

std::string ToText(const Package& package) {
  std::string out = "package ";
  AppendRefText(package.path.subspan(1), out);
  return out;
}

std::string ToText(const Rule& rule) {
  std::string out;
  AppendRule(rule, PrintDialect(rule.module), out);
  return out;
}

std::string ToText(const Module& module) {
  std::string out;
  for (const Annotations* annotations : module.annotations) {
    if (annotations->scope == "package" || annotations->scope == "subpackages") {
      out += "# METADATA\n# ";
      out += AnnotationsJsonText(*annotations);
      out += '\n';
    }
  }
  out += ToText(module.package);
  out += '\n';
  if (!module.imports.empty()) {
    for (const Import* import : module.imports) {
      out += '\n';
      out += ToText(*import);
    }
    out += '\n';
  }
  for (const Rule* rule : module.rules) {
    out += '\n';
    AppendRule(*rule, module.dialect, out);
  }
  return out;
}

}  // namespace bulwark::rego
