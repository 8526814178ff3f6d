// Types as text: OPA's notation (v1/types), its shortened form for type errors that do not fit a
// line (v1/ast/check_elide.go), and the parser of our own notation of built-ins.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "lang/rego/builtins/builtin.h"
#include "lang/rego/check/types.h"

namespace bulwark::rego {

namespace {

constexpr std::string_view kElision = "...";
constexpr size_t kShortWidth = 32;  // a type up to this long is not shortened
constexpr int kDifferenceDepth = 8;

using Texts = std::vector<std::string>;

size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Join(const Texts& parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += ", ";
    out += part;
  }
  return out;
}

std::string Composite(std::string_view name, const Texts& fixed, std::string_view dynamic) {
  std::string out(name);
  if (!fixed.empty()) out += "<" + Join(fixed) + ">";
  if (!dynamic.empty()) out.append("[").append(dynamic).append("]");
  return out;
}

std::string AnyText(const Texts& items) {
  return items.empty() ? "any" : "any<" + Join(items) + ">";
}

std::string FunctionText(const Texts& arguments, std::string_view result) {
  return "(" + Join(arguments) + ") => " + std::string(result);
}

// What is nested more than `depth` levels down is left out; a negative depth leaves out nothing.
std::string Elided(TypeRef type, int depth) {
  if (type == nullptr) return "???";
  const bool cut = depth == 0;
  const int next = depth < 0 ? depth : depth - 1;
  // Deeper than any policy's: ours is not to run out of stack.
  if (depth < -kMaxTypeDepth) return std::string(kElision);
  const int inner = depth < 0 ? depth - 1 : next;
  Texts parts;
  std::string dynamic;
  switch (type->kind) {
    case TypeKind::kNull: return "null";
    case TypeKind::kBoolean: return "boolean";
    case TypeKind::kNumber: return "number";
    case TypeKind::kString: return "string";
    case TypeKind::kRecursive: return "recursive(" + std::string(type->name) + ")";
    case TypeKind::kSet:
      if (type->value == nullptr) return "set";
      return "set[" + (cut ? std::string(kElision) : Elided(type->value, inner)) + "]";
    case TypeKind::kArray:
      if (cut && !type->items.empty()) {
        parts.emplace_back(kElision);
      } else {
        for (TypeRef item : type->items) parts.push_back(Elided(item, inner));
      }
      if (type->value != nullptr) dynamic = cut ? kElision : Elided(type->value, inner);
      return Composite("array", parts, dynamic);
    case TypeKind::kObject:
      if (cut && !type->properties.empty()) {
        parts.emplace_back(kElision);
      } else {
        for (const Property& p : type->properties) {
          parts.push_back(KeyText(p.key) + ": " + Elided(p.value, inner));
        }
      }
      if (type->dynamic) {
        dynamic = cut ? kElision : Elided(type->key, inner) + ": " + Elided(type->value, inner);
      }
      return Composite("object", parts, dynamic);
    case TypeKind::kAny:
      if (type->items.empty()) return "any";
      if (cut) {
        parts.emplace_back(kElision);
      } else {
        for (TypeRef item : type->items) parts.push_back(Elided(item, inner));
      }
      return AnyText(parts);
    case TypeKind::kFunction:
      if (cut) {
        if (!type->arguments.empty() || type->variadic) parts.emplace_back(kElision);
        return FunctionText(parts, type->result.type == nullptr ? "???" : kElision);
      }
      for (const Argument& a : type->arguments) parts.push_back(Elided(a.type, inner));
      if (type->variadic) parts.push_back(Elided(type->rest.type, inner) + "...");
      return FunctionText(parts, Elided(type->result.type, inner));
  }
  return {};
}

bool SameText(TypeRef a, TypeRef b) { return a == b || ToText(a) == ToText(b); }

using TextPair = std::pair<std::string, std::string>;

TextPair Difference(TypeRef a, TypeRef b, int depth);

TextPair ArrayDifference(TypeRef a, TypeRef b, int depth) {
  if (a->items.size() != b->items.size() || (a->value == nullptr) != (b->value == nullptr)) {
    return {Elided(a, 1), Elided(b, 1)};
  }
  Texts left;
  Texts right;
  for (size_t i = 0; i < a->items.size(); ++i) {
    auto [l, r] = Difference(a->items[i], b->items[i], depth + 1);
    left.push_back(std::move(l));
    right.push_back(std::move(r));
  }
  TextPair dynamic;
  if (a->value != nullptr) dynamic = Difference(a->value, b->value, depth + 1);
  return {Composite("array", left, dynamic.first), Composite("array", right, dynamic.second)};
}

std::string PropertyText(const Property& property) {
  return KeyText(property.key) + ": " + ShortText(property.value);
}

TextPair ObjectDifference(TypeRef a, TypeRef b, int depth) {
  Texts left;
  Texts right;
  bool elided = false;
  size_t i = 0;
  size_t j = 0;
  while (i < a->properties.size() || j < b->properties.size()) {
    int order = 0;
    if (j == b->properties.size()) {
      order = -1;
    } else if (i == a->properties.size()) {
      order = 1;
    } else {
      order = Value::Compare(a->properties[i].key, b->properties[j].key);
    }
    if (order < 0) {
      left.push_back(PropertyText(a->properties[i++]));
    } else if (order > 0) {
      right.push_back(PropertyText(b->properties[j++]));
    } else {
      const Property& x = a->properties[i++];
      const Property& y = b->properties[j++];
      if (SameText(x.value, y.value)) {
        elided = true;
        continue;
      }
      auto [l, r] = Difference(x.value, y.value, depth + 1);
      left.push_back(KeyText(x.key) + ": " + l);
      right.push_back(KeyText(y.key) + ": " + r);
    }
  }
  TextPair dynamic;
  if (a->dynamic && b->dynamic) {
    auto [key_left, key_right] = Difference(a->key, b->key, depth + 1);
    auto [value_left, value_right] = Difference(a->value, b->value, depth + 1);
    dynamic = {key_left + ": " + value_left, key_right + ": " + value_right};
  } else if (a->dynamic) {
    dynamic.first = ShortText(a->key) + ": " + ShortText(a->value);
  } else if (b->dynamic) {
    dynamic.second = ShortText(b->key) + ": " + ShortText(b->value);
  }
  if (elided) {
    left.emplace_back(kElision);
    right.emplace_back(kElision);
  }
  return {Composite("object", left, dynamic.first), Composite("object", right, dynamic.second)};
}

TextPair AnyDifference(TypeRef a, TypeRef b) {
  auto has = [](TypeRef any, TypeRef type) {
    return std::ranges::any_of(any->items, [&](TypeRef x) { return SameText(x, type); });
  };
  Texts left;
  Texts right;
  bool elided = false;
  for (TypeRef item : a->items) {
    if (has(b, item)) {
      elided = true;
    } else {
      left.push_back(ShortText(item));
    }
  }
  for (TypeRef item : b->items) {
    if (!has(a, item)) right.push_back(ShortText(item));
  }
  if (elided) {
    left.emplace_back(kElision);
    right.emplace_back(kElision);
  }
  return {AnyText(left), AnyText(right)};
}

TextPair FunctionDifference(TypeRef a, TypeRef b, int depth) {
  Texts left;
  Texts right;
  for (size_t i = 0; i < a->arguments.size(); ++i) {
    auto [l, r] = Difference(a->arguments[i].type, b->arguments[i].type, depth + 1);
    left.push_back(std::move(l));
    right.push_back(std::move(r));
  }
  if (a->variadic && b->variadic) {
    auto [l, r] = Difference(a->rest.type, b->rest.type, depth + 1);
    left.push_back(l + "...");
    right.push_back(r + "...");
  } else if (a->variadic) {
    left.push_back(ShortText(a->rest.type) + "...");
  } else if (b->variadic) {
    right.push_back(ShortText(b->rest.type) + "...");
  }
  auto [result_left, result_right] = Difference(a->result.type, b->result.type, depth + 1);
  return {FunctionText(left, result_left), FunctionText(right, result_right)};
}

TextPair Difference(TypeRef a, TypeRef b, int depth) {
  if (depth < kDifferenceDepth && a != nullptr && b != nullptr && a->kind == b->kind &&
      !SameText(a, b)) {
    switch (a->kind) {
      case TypeKind::kSet:
        if (a->value != nullptr && b->value != nullptr) {
          auto [l, r] = Difference(a->value, b->value, depth + 1);
          return {"set[" + l + "]", "set[" + r + "]"};
        }
        break;
      case TypeKind::kArray: return ArrayDifference(a, b, depth);
      case TypeKind::kObject: return ObjectDifference(a, b, depth);
      case TypeKind::kAny: return AnyDifference(a, b);
      case TypeKind::kFunction:
        if (a->arguments.size() == b->arguments.size()) return FunctionDifference(a, b, depth);
        break;
      default: break;
    }
  }
  return {ShortText(a), ShortText(b)};
}

std::string Named(const Argument& argument) {
  std::string text = ToText(argument.type);
  return argument.name.empty() ? text : std::string(argument.name) + ": " + text;
}

// ---- the parser of the notation ----

class Parser {
 public:
  Parser(std::string_view text, TypeFactory& types) : text_(text), types_(types) {}

  Result<TypeRef> Parse() {
    TypeRef type = BW_TRY(Peek("(") ? Function() : Union());
    if (!Rest().empty()) return Fail("the end");
    return type;
  }

 private:
  std::string_view Rest() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return text_.substr(at_);
  }
  bool Peek(std::string_view token) { return Rest().starts_with(token); }
  bool Take(std::string_view token) {
    if (!Peek(token)) return false;
    at_ += token.size();
    return true;
  }
  Error Fail(std::string_view expected) {
    return {Code::kInvalid, "rego.type_notation",
            "type \"" + std::string(text_) + "\": expected " + std::string(expected) + " at \"" +
                std::string(Rest()) + "\""};
  }
  std::string_view Word() {
    std::string_view rest = Rest();
    size_t end = 0;
    while (end < rest.size() && (rest[end] == '_' || (rest[end] >= '0' && rest[end] <= '9') ||
                                 ((rest[end] | 32) >= 'a' && (rest[end] | 32) <= 'z'))) {
      ++end;
    }
    at_ += end;
    return rest.substr(0, end);
  }

  // `name:` before a type; some are of several words.
  std::string_view Name() {
    Rest();
    const size_t start = at_;
    size_t end = start;
    while (!Word().empty()) end = at_;
    if (end != start && Take(":")) return types_.arena().Copy(text_.substr(start, end - start));
    at_ = start;
    return {};
  }

  Result<TypeRef> Function() {
    Take("(");
    std::vector<Argument> arguments;
    std::optional<Argument> rest;
    while (!Take(")")) {
      if ((!arguments.empty() || rest) && !Take(",")) return Fail("\",\" or \")\"");
      if (rest) return Fail("nothing after \"...\"");
      Argument argument;
      argument.name = Name();
      argument.type = BW_TRY(Union());
      if (Take("...")) {
        rest = argument;
      } else {
        arguments.push_back(argument);
      }
    }
    if (!Take("->") && !Take("=>")) return Fail("\"->\"");
    Argument result;
    if (!Take("void")) {
      result.name = Name();
      result.type = BW_TRY(Union());
    }
    std::span<Argument> copy = types_.arena().Copy(std::span<const Argument>(arguments));
    return rest ? types_.Variadic(copy, *rest) : types_.Function(copy, result);
  }

  Result<TypeRef> Union() {
    TypeRef type = BW_TRY(Single());
    while (Take("|")) type = types_.Or(type, BW_TRY(Single()));
    return type;
  }

  Result<std::vector<TypeRef>> List() {
    std::vector<TypeRef> items;
    do {
      items.push_back(BW_TRY(Union()));
    } while (Take(","));
    if (!Take(">")) return Fail("\">\"");
    return items;
  }

  Result<TypeRef> Single() {
    if (++depth_ > kMaxTypeDepth) return Fail("less nesting");
    Result<TypeRef> type = SingleAt();
    --depth_;
    return type;
  }

  Result<TypeRef> SingleAt() {
    if (Take("(")) {
      TypeRef inner = BW_TRY(Union());
      if (!Take(")")) return Fail("\")\"");
      return inner;
    }
    std::string_view word = Word();
    if (word == "null") return kNullType;
    if (word == "boolean") return kBooleanType;
    if (word == "number") return kNumberType;
    if (word == "string") return kStringType;
    if (word == "any") {
      if (!Take("<")) return kAnyType;
      std::vector<TypeRef> items = BW_TRY(List());
      return types_.Any(items);
    }
    if (word == "set") {
      if (!Take("[")) return types_.Set(nullptr);
      TypeRef of = BW_TRY(Union());
      if (!Take("]")) return Fail("\"]\"");
      return types_.Set(of);
    }
    if (word == "array") {
      std::vector<TypeRef> items;
      TypeRef value = nullptr;
      if (Take("<")) items = BW_TRY(List());
      if (Take("[")) {
        value = BW_TRY(Union());
        if (!Take("]")) return Fail("\"]\"");
      }
      return types_.Array(types_.arena().Copy(std::span<const TypeRef>(items)), value);
    }
    if (word == "object") return Object();
    return Fail("a type");
  }

  Result<TypeRef> Object() {
    std::vector<Property> properties;
    bool dynamic = false;
    TypeRef key = nullptr;
    TypeRef value = nullptr;
    if (Take("<")) {
      do {
        std::string_view name;
        if (Take("\"")) {
          size_t end = text_.find('"', at_);
          if (end == std::string_view::npos) return Fail("\"");
          name = text_.substr(at_, end - at_);
          at_ = end + 1;
        } else {
          size_t start = at_;
          name = Word();
          if (name == "any" || name == "string" || name == "number") {
            at_ = start;
            dynamic = true;
            key = BW_TRY(Union());
          }
        }
        if (!Take(":")) return Fail("\":\"");
        TypeRef type = BW_TRY(Union());
        if (dynamic) {
          value = type;
          break;
        }
        properties.push_back({.key = Value::String(types_.arena(), name), .value = type});
      } while (Take(","));
      if (!Take(">")) return Fail("\">\"");
    }
    if (Take("[")) {
      dynamic = true;
      key = BW_TRY(Union());
      if (!Take(":")) return Fail("\":\"");
      value = BW_TRY(Union());
      if (!Take("]")) return Fail("\"]\"");
    }
    return dynamic ? types_.Object(properties, key, value) : types_.Object(properties);
  }

  std::string_view text_;
  TypeFactory& types_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string KeyText(const Value& key) {
  if (key.IsString()) return std::string(key.AsString());
  if (key.IsNull()) return "<nil>";
  if (key.IsArray() || key.IsSet()) {
    std::string out = "[";
    for (const Value& item : key.items()) {
      if (out.size() > 1) out += ' ';
      out += KeyText(item);
    }
    return out + "]";
  }
  if (key.IsMap()) {
    Arena arena;
    std::string out = "map[";
    for (const Value::Entry& entry : SortedEntries(key, arena)) {
      if (out.size() > 4) out += ' ';
      out += KeyText(entry.key) + ":" + KeyText(entry.value);
    }
    return out + "]";
  }
  return ToRegoText(key);
}

std::string ToText(TypeRef type) { return Elided(type, -1); }

std::string ShortText(TypeRef type) {
  std::string full = ToText(type);
  return Width(full) <= kShortWidth ? full : Elided(type, 0);
}

std::string ConstructorText(TypeRef type) { return Elided(type, 0); }

std::pair<std::string, std::string> DifferenceText(TypeRef a, TypeRef b) {
  return Difference(a, b, 0);
}

std::string ArgumentsText(TypeRef function, bool with_result) {
  Texts parts;
  for (const Argument& argument : function->arguments) parts.push_back(Named(argument));
  if (with_result && function->result.type != nullptr) parts.push_back(Named(function->result));
  if (function->variadic) parts.push_back(Named(function->rest) + "...");
  return "(" + Join(parts) + ")";
}

Result<TypeRef> ParseType(std::string_view text, TypeFactory& types) {
  return Parser(text, types).Parse();
}

}  // namespace bulwark::rego
