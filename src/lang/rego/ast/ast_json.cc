#include "lang/rego/ast/ast_json.h"

#include <algorithm>
#include <unordered_map>

#include "formats/json.h"
#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser_impl.h"

namespace bulwark::rego {
namespace {

// A path of names as terms: the first is a variable.
Value PathTerms(const Value& path, Arena& arena) {
  std::vector<Value> terms;
  for (const Value& item : path.items()) {
    MapBuilder term(arena);
    const bool name = terms.empty() && item.IsString();
    term.Add("type", Value::String(name              ? "var"
                                   : item.IsString() ? "string"
                                   : item.IsBool()   ? "boolean"
                                   : item.IsNull()   ? "null"
                                                     : "number"));
    term.Add("value", item);
    terms.push_back(term.Finish());
  }
  return Value::Array(arena, terms);
}

// The value with the keys of all its maps in order.
Value Sorted(const Value& value, Arena& arena) {
  if (value.IsArray()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(Sorted(item, arena));
    return Value::Array(arena, items);
  }
  if (!value.IsMap()) return value;
  std::vector<Value::Entry> entries(value.entries().begin(), value.entries().end());
  std::sort(entries.begin(), entries.end(), [](const Value::Entry& a, const Value::Entry& b) {
    return Value::Compare(a.key, b.key) < 0;
  });
  MapBuilder map(arena, entries.size());
  for (const Value::Entry& entry : entries) map.Add(entry.key, Sorted(entry.value, arena));
  return map.Finish();
}

}  // namespace

Value AnnotationsJson(const Annotations& annotations, Arena& arena) {
  std::vector<Value::Entry> entries(annotations.value.entries().begin(),
                                    annotations.value.entries().end());
  std::sort(entries.begin(), entries.end(), [](const Value::Entry& a, const Value::Entry& b) {
    return Value::Compare(a.key, b.key) < 0;
  });
  MapBuilder out(arena);
  for (const auto& [key, value] : entries) {
    const std::string_view name = key.AsString();
    if (name == "schemas") {
      std::vector<Value> schemas;
      for (const Value& schema : value.items()) {
        MapBuilder map(arena);
        map.Add("path", PathTerms(schema["path"], arena));
        if (schema.Find("schema") != nullptr) map.Add("schema", PathTerms(schema["schema"], arena));
        if (schema.Find("definition") != nullptr) {
          map.Add("definition", Sorted(schema["definition"], arena));
        }
        schemas.push_back(map.Finish());
      }
      out.Add(name, Value::Array(arena, schemas));
    } else if (name == "compile") {
      MapBuilder map(arena);
      if (!value["unknowns"].empty()) {
        std::vector<Value> unknowns;
        for (const Value& ref : value["unknowns"].items())
          unknowns.push_back(PathTerms(ref, arena));
        map.Add("unknowns", Value::Array(arena, unknowns));
      }
      if (value.Find("mask_rule") != nullptr) {
        map.Add("mask_rule", PathTerms(value["mask_rule"], arena));
      }
      out.Add(name, map.Finish());
    } else if (name == "authors") {
      out.Add(name, value);
    } else {
      out.Add(name, Sorted(value, arena));
    }
  }
  return out.Finish();
}

namespace {

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) {
      group = (group << 8) | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k <= have ? kDigits[(group >> (18 - 6 * k)) & 63] : '=';
    }
  }
  return out;
}

class Builder {
 public:
  Builder(const Module* module, Arena& arena, const AstJsonOptions& options)
      : module_(module), arena_(arena), options_(options) {}

  Value OfModule() {
    MapBuilder out(arena_);
    for (const Annotations* a : module_->annotations) metadata_[a->at.row] = BlockText(*a);
    out.Add("package", OfPackage(module_->package));
    AddList(out, "imports", module_->imports, [&](const Import* i) { return OfImport(*i); });
    AddList(out, "annotations", module_->annotations,
            [&](const Annotations* a) { return OfAnnotations(*a); });
    AddList(out, "rules", module_->rules, [&](const Rule* r) { return OfRule(*r); });
    if (options_.comments) {
      AddList(out, "comments", module_->comments, [&](const Comment& c) { return OfComment(c); });
    }
    return out.Finish();
  }

  Value OfRule(const Rule& rule) {
    MapBuilder out(arena_);
    if (!rule.annotations.empty()) {
      AddList(out, "annotations", rule.annotations,
              [&](const Annotations* a) { return OfAnnotations(*a); });
    }
    out.Add("body", OfBody(rule.body));
    if (rule.is_default) out.Add("default", Value::Bool(true));
    if (rule.else_rule != nullptr) out.Add("else", OfRule(*rule.else_rule));
    out.Add("head", OfHead(rule.head));
    AddPlace(out, rule.at);
    return out.Finish();
  }

  Value OfBody(Body body) {
    std::vector<Value> items;
    for (const Expr* expr : body) items.push_back(OfExpr(*expr));
    return Value::Array(arena_, items);
  }

  Value OfTerm(const Term& term) {
    MapBuilder out(arena_);
    AddPlace(out, term.at);
    out.Add("type", Value::String(TermKindName(term)));
    out.Add("value", OfTermValue(term));
    return out.Finish();
  }

 private:
  template <typename List, typename Make>
  void AddList(MapBuilder& out, std::string_view name, const List& list, Make&& make) {
    if (list.empty()) return;
    std::vector<Value> items;
    for (const auto& item : list) items.push_back(make(item));
    out.Add(name, Value::Array(arena_, items));
  }

  Value Place(const Location& at, std::string_view text) {
    MapBuilder out(arena_);
    out.Add("file", Value::String(module_ != nullptr ? module_->file : std::string_view()));
    out.Add("row", Value::Int(at.row));
    out.Add("col", Value::Int(at.column));
    if (options_.locations && !text.empty()) {
      out.Add("text", Value::String(arena_, Base64(text)));
    }
    return out.Finish();
  }

  void AddPlace(MapBuilder& out, const Location& at, std::string_view name = "location") {
    if (!options_.locations || at.row == 0 || module_ == nullptr) return;
    out.Add(name, Place(at, module_->Text(at)));
  }

  // What a METADATA block reads like when every line begins with "# ".
  std::string BlockText(const Annotations& a) const {
    std::string out = "# METADATA";
    auto comment = std::partition_point(module_->comments.begin(), module_->comments.end(),
                                        [&](const Comment& c) { return c.at.row <= a.at.row; });
    for (; comment != module_->comments.end() && comment->at.row <= a.end.row; ++comment) {
      std::string_view text = comment->text;
      if (text.starts_with(' ')) text.remove_prefix(1);
      out.append("\n# ").append(text);
    }
    return out;
  }

  Value OfAnnotations(const Annotations& a) {
    const Value plain = AnnotationsJson(a, arena_);
    if (!options_.locations) return plain;
    MapBuilder out(arena_);
    bool placed = false;
    for (const auto& [key, value] : plain.entries()) {
      if (!placed && key.AsString() > "location") {
        out.Add("location", Place(a.at, metadata_[a.at.row]));
        placed = true;
      }
      out.Add(key, value);
    }
    return out.Finish();
  }

  Value OfComment(const Comment& comment) {
    MapBuilder out(arena_);
    const bool none = comment.text.empty() && comment.at.length > 1;  // just a carriage return
    out.Add("Text", none ? Value::Null() : Value::String(arena_, Base64(comment.text)));
    const auto block = metadata_.find(comment.at.row);
    out.Add("Location", Place(comment.at, block != metadata_.end() ? std::string_view(block->second)
                                                                   : module_->Text(comment.at)));
    return out.Finish();
  }

  Value OfTerms(std::span<Term* const> terms) {
    std::vector<Value> items;
    for (const Term* term : terms) items.push_back(OfTerm(*term));
    return Value::Array(arena_, items);
  }

  Value OfPackage(const Package& package) {
    MapBuilder out(arena_);
    AddPlace(out, package.at);
    out.Add("path", OfTerms(package.path));
    return out.Finish();
  }

  Value OfImport(const Import& import) {
    MapBuilder out(arena_);
    if (!import.alias.empty()) {
      out.Add("alias", Value::String(import.alias));
      AddPlace(out, import.alias_at, "alias_location");
    }
    AddPlace(out, import.at);
    out.Add("path", OfTerm(*import.path));
    return out.Finish();
  }

  Value OfHead(const Head& head) {
    MapBuilder out(arena_);
    if (head.has_name) out.Add("name", Value::String(head.name));
    if (!head.args.empty()) out.Add("args", OfTerms(head.args));
    if (head.key != nullptr) out.Add("key", OfTerm(*head.key));
    if (head.value != nullptr) out.Add("value", OfTerm(*head.value));
    if (head.assign) out.Add("assign", Value::Bool(true));
    out.Add("ref", OfTerms(head.ref));
    AddPlace(out, head.at);
    return out.Finish();
  }

  Value OfExpr(const Expr& expr) {
    MapBuilder out(arena_);
    if (expr.generated) out.Add("generated", Value::Bool(true));
    out.Add("index", Value::Int(expr.index));
    AddPlace(out, expr.at);
    if (expr.negated) out.Add("negated", Value::Bool(true));
    out.Add("terms", OfExprTerms(expr));
    AddList(out, "with", expr.with, [&](const With& with) {
      MapBuilder map(arena_);
      AddPlace(map, with.at);
      map.Add("target", OfTerm(*with.target));
      map.Add("value", OfTerm(*with.value));
      return map.Finish();
    });
    return out.Finish();
  }

  Value OfExprTerms(const Expr& expr) {
    MapBuilder out(arena_);
    // `some` and `every` are placed at their keyword.
    Location keyword = expr.at;
    keyword.length = expr.kind == ExprKind::kEvery ? 5 : 4;
    switch (expr.kind) {
      case ExprKind::kTerm: return OfTerm(*expr.term);
      case ExprKind::kCall: return OfTerms(expr.terms);
      case ExprKind::kSome:
        AddPlace(out, keyword);
        out.Add("symbols", OfTerms(expr.terms));
        break;
      case ExprKind::kSomeIn: {
        AddPlace(out, keyword);
        Term* const call = expr.term;
        out.Add("symbols", OfTerms({&call, 1}));
        break;
      }
      case ExprKind::kEvery:
        out.Add("body", OfBody(expr.lhs));
        out.Add("domain", OfTerm(*expr.terms[2]));
        out.Add("key", expr.terms[0] != nullptr ? OfTerm(*expr.terms[0]) : Value::Null());
        AddPlace(out, keyword);
        out.Add("value", OfTerm(*expr.terms[1]));
        break;
      case ExprKind::kNot:
        out.Add("body", OfBody(expr.lhs));
        out.Add("explicit_body", Value::Bool(expr.explicit_lhs));
        out.Add("type", Value::String("not"));
        break;
      case ExprKind::kAnd:
      case ExprKind::kOr:
        if (expr.explicit_lhs) out.Add("explicit_lhs", Value::Bool(true));
        if (expr.explicit_rhs) out.Add("explicit_rhs", Value::Bool(true));
        out.Add("lhs", OfBody(expr.lhs));
        out.Add("rhs", OfBody(expr.rhs));
        out.Add("type", Value::String(expr.kind == ExprKind::kAnd ? "and" : "or"));
        break;
    }
    return out.Finish();
  }

  Value OfTermValue(const Term& term) {
    switch (term.kind) {
      case TermKind::kScalar:
        // A null is written as an empty object.
        return term.value.IsNull() ? Value::EmptyMap() : term.value;
      case TermKind::kVar: return Value::String(term.name);
      case TermKind::kRef:
      case TermKind::kArray:
      case TermKind::kCall: return OfTerms(term.items);
      case TermKind::kSet: {
        std::vector<Value> items;
        for (const Term* item : SortedItems(term)) items.push_back(OfTerm(*item));
        return Value::Array(arena_, items);
      }
      case TermKind::kObject: {
        std::vector<Value> items;
        for (const auto& [key, value] : SortedPairs(term)) {
          const Value pair[] = {OfTerm(*key), OfTerm(*value)};
          items.push_back(Value::Array(arena_, pair));
        }
        return Value::Array(arena_, items);
      }
      case TermKind::kArrayComprehension:
      case TermKind::kSetComprehension: {
        MapBuilder out(arena_);
        out.Add("term", OfTerm(*term.items[0]));
        out.Add("body", OfBody(term.body));
        return out.Finish();
      }
      case TermKind::kObjectComprehension: {
        MapBuilder out(arena_);
        out.Add("key", OfTerm(*term.items[0]));
        out.Add("value", OfTerm(*term.items[1]));
        out.Add("body", OfBody(term.body));
        return out.Finish();
      }
      case TermKind::kTemplateString: {
        std::vector<Value> parts;
        for (const Expr* part : term.body) {
          parts.push_back(part->generated ? OfTerm(*part->term) : OfExpr(*part));
        }
        MapBuilder out(arena_);
        out.Add("parts", parts.empty() ? Value::Null() : Value::Array(arena_, parts));
        out.Add("multi_line", Value::Bool(term.multi_line));
        return out.Finish();
      }
    }
    BW_UNREACHABLE();
  }

  const Module* module_;
  Arena& arena_;
  const AstJsonOptions& options_;
  std::unordered_map<uint32_t, std::string> metadata_;  // by the row of METADATA
};

void AppendString(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += c;
        break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
        } else if (text.substr(i, 3) == "\u2028" || text.substr(i, 3) == "\u2029") {
          out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
          i += 2;
        } else {
          out += c;
        }
      }
    }
  }
  out += '"';
}

void AppendLine(int indent, size_t level, std::string& out) {
  if (indent == 0) return;
  out += '\n';
  out.append(level * static_cast<size_t>(indent), ' ');
}

void AppendValue(const Value& value, int indent, size_t level, std::string& out) {
  switch (value.kind()) {
    case Value::Kind::kString: AppendString(value.AsString(), out); return;
    case Value::Kind::kDecimal: out += value.AsString(); return;
    case Value::Kind::kMap:
    case Value::Kind::kArray: break;
    default: AppendJson(out, value); return;
  }
  const bool map = value.IsMap();
  if (value.empty()) {
    out += map ? "{}" : "[]";
    return;
  }
  out += map ? '{' : '[';
  for (size_t i = 0; i < value.size(); ++i) {
    if (i != 0) out += ',';
    AppendLine(indent, level + 1, out);
    if (map) {
      const Value::Entry& entry = value.entries()[i];
      AppendString(entry.key.IsString() ? entry.key.AsString() : std::string_view(), out);
      out += indent == 0 ? ":" : ": ";
      AppendValue(entry.value, indent, level + 1, out);
    } else {
      AppendValue(value.items()[i], indent, level + 1, out);
    }
  }
  AppendLine(indent, level, out);
  out += map ? '}' : ']';
}

}  // namespace

Value ModuleJson(const Module& module, Arena& arena, const AstJsonOptions& options) {
  return Builder(&module, arena, options).OfModule();
}

Value BodyJson(Body body, Arena& arena) {
  const AstJsonOptions options;
  return Builder(nullptr, arena, options).OfBody(body);
}

Value TermJson(const Term& term, Arena& arena) {
  const AstJsonOptions options;
  return Builder(nullptr, arena, options).OfTerm(term);
}

Value RuleJson(const Rule& rule, Arena& arena) {
  const AstJsonOptions options;
  return Builder(nullptr, arena, options).OfRule(rule);
}

std::string AstJsonText(const Value& value, int indent) {
  std::string out;
  AppendValue(value, indent, 0, out);
  return out;
}

std::string AnnotationsJsonText(const Annotations& annotations) {
  Arena arena;
  return AstJsonText(AnnotationsJson(annotations, arena), 0);
}

}  // namespace bulwark::rego
