#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "lang/rego/builtins/big_int.h"
#include "lang/rego/builtins/json_schema_node.h"
#include "lang/rego/builtins/number.h"

namespace bulwark::rego {

namespace {

using Node = JsonSchema::Node;
using Failure = JsonSchema::Failure;

constexpr size_t kMaxDepth = 600;

bool Matches(const Pattern& pattern, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *pattern);
}

// Where in the document: a list from the inside out.
struct Place {
  std::string_view head;
  const Place* tail;

  std::string Text() const {
    if (tail == nullptr) return std::string(head);
    std::string out = tail->Text();
    out += '.';
    return out.append(head);
  }
  // Without the root before it.
  std::string Field() const {
    std::string text = Text();
    constexpr std::string_view kRoot = "(Root).";
    return text.starts_with(kRoot) ? text.substr(kRoot.size()) : text;
  }
};

// What was found wrong, and how well the document fitted all the same: of several alternatives that
// fail, the best is told of.
struct Outcomes {
  std::vector<Failure> failures;
  int64_t score = 0;

  bool valid() const { return failures.empty(); }
  void Fail(const Place& place, std::string_view type, std::string description) {
    failures.push_back({std::string(type), place.Field(), std::move(description)});
    score -= 2;
  }
  void Merge(Outcomes&& other) {
    std::move(other.failures.begin(), other.failures.end(), std::back_inserter(failures));
    score += other.score;
  }
};

class Validator {
 public:
  explicit Validator(const std::function<bool()>& spend) : spend_(spend) {}

  const std::string& stopped() const { return stopped_; }

  Outcomes Check(const Node* node, const Value& value, const Place& place) {
    Outcomes out;
    Walk(node, value, out, place);
    return out;
  }

  void Walk(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    if (!stopped_.empty()) return;
    if (++depth_ > kMaxDepth) stopped_ = "schema validation is nested too deeply";
    if (stopped_.empty() && !spend_()) stopped_ = "halted";
    if (stopped_.empty()) WalkNode(node, value, out, place);
    --depth_;
  }

 private:
  static bool Has(const Node* node, std::string_view type) {
    return std::find(node->types.begin(), node->types.end(), type) != node->types.end();
  }

  void WalkNode(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    if (node->pass) {
      if (!*node->pass) out.Fail(place, "false", "False always fails validation");
      return;
    }
    if (node->referenced != nullptr) {
      Walk(node->referenced, value, out, place);
      return;
    }
    std::string_view given = value.IsNull()         ? "null"
                             : value.IsBool()       ? "boolean"
                             : value.IsString()     ? "string"
                             : value.IsArray()      ? "array"
                             : value.IsMap()        ? "object"
                             : IsJsonInteger(value) ? "integer"
                                                    : "number";
    bool fits = Has(node, given) || (given == "integer" && Has(node, "number"));
    if (!node->types.empty() && !fits) {
      std::string expected = node->types.size() == 1 ? std::string(node->types[0])
                                                     : "[" + Join(node->types, ",") + "]";
      out.Fail(place, "invalid_type",
               fmt::format("Invalid type. Expected: {}, given: {}", expected, given));
      return;
    }
    CheckLogic(node, value, out, place);
    if (value.IsArray()) {
      CheckArray(node, value, out, place);
      CheckCommon(node, value, out, place);
    } else if (value.IsMap()) {
      CheckObject(node, value, out, place);
      CheckCommon(node, value, out, place);
      for (const Node* property : node->properties) {
        if (const Value* member = value.Find(property->property)) {
          Walk(property, *member, out, Place{property->property, &place});
        }
      }
    } else if (value.IsNull()) {
      CheckCommon(node, value, out, place);
    } else {
      if (value.IsNumber()) CheckNumber(node, value, out, place);
      CheckCommon(node, value, out, place);
      if (value.IsString()) CheckString(node, value.AsString(), out, place);
    }
    ++out.score;
  }

  void CheckLogic(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    if (!node->any_of.empty()) {
      bool valid = false;
      std::optional<Outcomes> best;
      for (const Node* alternative : node->any_of) {
        Outcomes outcome = Check(alternative, value, place);
        valid = outcome.valid();
        if (valid) break;
        if (!best || outcome.score > best->score) best = std::move(outcome);
      }
      if (!valid) {
        out.Fail(place, "number_any_of", "Must validate at least one schema (anyOf)");
        if (best) out.Merge(*std::move(best));
      }
    }
    if (!node->one_of.empty()) {
      size_t valid = 0;
      std::optional<Outcomes> best;
      for (const Node* alternative : node->one_of) {
        Outcomes outcome = Check(alternative, value, place);
        if (outcome.valid()) {
          ++valid;
        } else if (valid == 0 && (!best || outcome.score > best->score)) {
          best = std::move(outcome);
        }
      }
      if (valid != 1) {
        out.Fail(place, "number_one_of", "Must validate one and only one schema (oneOf)");
        if (valid == 0 && best) out.Merge(*std::move(best));
      }
    }
    if (!node->all_of.empty()) {
      size_t valid = 0;
      for (const Node* part : node->all_of) {
        Outcomes outcome = Check(part, value, place);
        valid += outcome.valid() ? 1 : 0;
        out.Merge(std::move(outcome));
      }
      if (valid != node->all_of.size()) {
        out.Fail(place, "number_all_of", "Must validate all the schemas (allOf)");
      }
    }
    if (node->negated != nullptr && Check(node->negated, value, place).valid()) {
      out.Fail(place, "number_not", "Must not validate the schema (not)");
    }
    CheckDependencies(node, value, out, place);
    CheckCondition(node, value, out, place);
    ++out.score;
  }

  void CheckDependencies(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    if (!value.IsMap()) return;
    for (const auto& [key, dependency] : node->dependencies) {
      if (value.Find(key) == nullptr) continue;
      if (const auto* names = std::get_if<std::vector<std::string>>(&dependency)) {
        for (const std::string& name : *names) {
          if (value.Find(name) == nullptr) {
            out.Fail(place, "missing_dependency", "Has a dependency on " + name);
          }
        }
      } else {
        Walk(std::get<Node*>(dependency), value, out, place);
      }
    }
  }

  void CheckCondition(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    if (node->condition == nullptr) return;
    bool holds = Check(node->condition, value, place).valid();
    const Node* branch = holds ? node->then_node : node->else_node;
    if (branch == nullptr) return;
    Outcomes outcome = Check(branch, value, place);
    if (outcome.valid()) return;
    if (holds) {
      out.Fail(place, "condition_then", "Must validate \"then\" as \"if\" was valid");
    } else {
      out.Fail(place, "condition_else", "Must validate \"else\" as \"if\" was not valid");
    }
    out.Merge(std::move(outcome));
  }

  static void CheckCommon(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    if (node->constant || node->enumeration) {
      std::string text = GoJson(value, true);
      if (node->constant && text != *node->constant) {
        out.Fail(place, "const",
                 fmt::format("{} does not match: {}", place.Field(), *node->constant));
      }
      if (node->enumeration && std::find(node->enumeration->begin(), node->enumeration->end(),
                                         text) == node->enumeration->end()) {
        out.Fail(place, "enum",
                 fmt::format("{} must be one of the following: {}", place.Field(),
                             Join(*node->enumeration, ", ")));
      }
    }
    if (!node->format.empty() && value.IsString() &&
        !HasJsonFormat(node->format, value.AsString())) {
      out.Fail(place, "format", fmt::format("Does not match format '{}'", node->format));
    }
    ++out.score;
  }

  void CheckArray(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    std::span<const Value> items = value.items();
    std::vector<std::string> indices;
    for (size_t i = 0; i < items.size(); ++i) indices.push_back(std::to_string(i));
    auto check = [&](const Node* schema, size_t i) {
      return Check(schema, items[i], Place{indices[i], &place});
    };
    if (node->single_item) {
      for (size_t i = 0; i < items.size(); ++i) out.Merge(check(node->items[0], i));
    } else if (!node->items.empty()) {
      size_t count = std::min(node->items.size(), items.size());
      for (size_t i = 0; i < count; ++i) out.Merge(check(node->items[i], i));
      if (node->items.size() < items.size()) {
        if (const bool* allowed = std::get_if<bool>(&node->additional_items)) {
          if (!*allowed) {
            out.Fail(place, "array_no_additional_items", "No additional items allowed on array");
          }
        } else if (Node* const* schema = std::get_if<Node*>(&node->additional_items)) {
          for (size_t i = count; i < items.size(); ++i) out.Merge(check(*schema, i));
        }
      }
    }
    auto size = static_cast<int64_t>(items.size());
    if (node->min_items && size < *node->min_items) {
      out.Fail(place, "array_min_items",
               fmt::format("Array must have at least {} items", *node->min_items));
    }
    if (node->max_items && size > *node->max_items) {
      out.Fail(place, "array_max_items",
               fmt::format("Array must have at most {} items", *node->max_items));
    }
    if (node->unique_items) {
      std::unordered_map<std::string, size_t> seen;
      for (size_t i = 0; i < items.size(); ++i) {
        auto [found, added] = seen.emplace(GoJson(items[i], true), i);
        if (added) continue;
        out.Fail(place, "unique",
                 fmt::format("array items[{},{}] must be unique", found->second, i));
        found->second = i;
      }
    }
    if (node->contains != nullptr) {
      bool valid = false;
      std::optional<Outcomes> best;
      for (size_t i = 0; i < items.size() && !valid; ++i) {
        Outcomes outcome = check(node->contains, i);
        valid = outcome.valid();
        if (!valid && (!best || outcome.score > best->score)) best = std::move(outcome);
      }
      if (!valid) {
        out.Fail(place, "contains", "At least one of the items must match");
        if (best) out.Merge(*std::move(best));
      }
    }
    ++out.score;
  }

  void CheckObject(const Node* node, const Value& value, Outcomes& out, const Place& place) {
    auto size = static_cast<int64_t>(value.size());
    if (node->min_properties && size < *node->min_properties) {
      out.Fail(place, "array_min_properties",
               fmt::format("Must have at least {} properties", *node->min_properties));
    }
    if (node->max_properties && size > *node->max_properties) {
      out.Fail(place, "array_max_properties",
               fmt::format("Must have at most {} properties", *node->max_properties));
    }
    for (const std::string& name : node->required) {
      if (value.Find(name) != nullptr) {
        ++out.score;
      } else {
        out.Fail(place, "required", name + " is required");
      }
    }
    std::vector<const Value::Entry*> members;
    for (const Value::Entry& entry : value.entries()) members.push_back(&entry);
    std::sort(members.begin(), members.end(), [](const Value::Entry* a, const Value::Entry* b) {
      return a->key.AsString() < b->key.AsString();
    });
    bool looks = !node->pattern_properties.empty() ||
                 !std::holds_alternative<std::monostate>(node->additional_properties);
    for (const Value::Entry* member : members) {
      if (!looks) break;
      std::string_view key = member->key.AsString();
      bool known = std::any_of(node->properties.begin(), node->properties.end(),
                               [&](const Node* p) { return p->property == key; });
      bool matched = false;
      for (const Node::PatternProperty& pattern : node->pattern_properties) {
        if (!Matches(pattern.pattern, key)) continue;
        matched = true;
        out.Merge(Check(pattern.node, member->value, Place{key, &place}));
      }
      if (matched) ++out.score;
      if (known || matched) continue;
      if (const bool* allowed = std::get_if<bool>(&node->additional_properties)) {
        if (!*allowed) {
          out.Fail(place, "additional_property_not_allowed",
                   fmt::format("Additional property {} is not allowed", key));
        }
      } else if (Node* const* schema = std::get_if<Node*>(&node->additional_properties)) {
        out.Merge(Check(*schema, member->value, Place{key, &place}));
      }
    }
    if (node->property_names != nullptr) {
      for (const Value::Entry* member : members) {
        Outcomes outcome = Check(node->property_names, member->key, place);
        if (outcome.valid()) continue;
        out.Fail(place, "invalid_property_name",
                 fmt::format("Property name of \"{}\" does not match", member->key.AsString()));
        out.Merge(std::move(outcome));
      }
    }
    ++out.score;
  }

  static void CheckString(const Node* node, std::string_view text, Outcomes& out,
                          const Place& place) {
    if (node->min_length || node->max_length) {
      auto length = static_cast<int64_t>(CountCodePoints(text));
      if (node->min_length && length < *node->min_length) {
        out.Fail(
            place, "string_gte",
            fmt::format("String length must be greater than or equal to {}", *node->min_length));
      }
      if (node->max_length && length > *node->max_length) {
        out.Fail(place, "string_lte",
                 fmt::format("String length must be less than or equal to {}", *node->max_length));
      }
    }
    if (node->pattern != nullptr && !Matches(node->pattern, text)) {
      out.Fail(place, "pattern", fmt::format("Does not match pattern '{}'", node->pattern_text));
    }
    ++out.score;
  }

  static void CheckNumber(const Node* node, const Value& number, Outcomes& out,
                          const Place& place) {
    if (node->multiple_of && !IsMultiple(number, *node->multiple_of)) {
      out.Fail(place, "multiple_of", "Must be a multiple of " + ShortNumber(*node->multiple_of));
    }
    if (node->maximum && Value::Compare(number, *node->maximum) > 0) {
      out.Fail(place, "number_lte", "Must be less than or equal to " + ShortNumber(*node->maximum));
    }
    if (node->exclusive_maximum && Value::Compare(number, *node->exclusive_maximum) >= 0) {
      out.Fail(place, "number_lt", "Must be less than " + ShortNumber(*node->exclusive_maximum));
    }
    if (node->minimum && Value::Compare(number, *node->minimum) < 0) {
      out.Fail(place, "number_gte",
               "Must be greater than or equal to " + ShortNumber(*node->minimum));
    }
    if (node->exclusive_minimum && Value::Compare(number, *node->exclusive_minimum) <= 0) {
      out.Fail(place, "number_gt", "Must be greater than " + ShortNumber(*node->exclusive_minimum));
    }
    ++out.score;
  }

  const std::function<bool()>& spend_;
  std::string stopped_;
  size_t depth_ = 0;
};

// ± digits × 10^exponent, digits without zeros at either end ("" for 0).
struct Digits {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};

Digits DigitsOf(const Value& number) {
  std::string text = NumberText(number);
  Digits out;
  std::string_view rest = text;
  if (rest.starts_with('-')) {
    out.negative = true;
    rest.remove_prefix(1);
  }
  if (size_t e = rest.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view exponent = rest.substr(e + 1);
    bool down = exponent.starts_with('-');
    if (down || exponent.starts_with('+')) exponent.remove_prefix(1);
    for (char c : exponent) {
      if (out.exponent < 1'000'000'000) out.exponent = out.exponent * 10 + (c - '0');
    }
    if (down) out.exponent = -out.exponent;
    rest = rest.substr(0, e);
  }
  size_t point = rest.find('.');
  out.digits = std::string(rest.substr(0, point));
  if (point != std::string_view::npos) {
    out.digits += rest.substr(point + 1);
    out.exponent -= static_cast<int64_t>(rest.size() - point - 1);
  }
  while (out.digits.ends_with('0')) {
    out.digits.pop_back();
    ++out.exponent;
  }
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  if (out.digits.empty()) out.exponent = 0;
  return out;
}

}  // namespace

bool IsJsonInteger(const Value& number) {
  if (number.IsInt() || number.IsUint()) return true;
  return DigitsOf(number).exponent >= 0;
}

bool IsMultiple(const Value& number, const Value& of) {
  Digits a = DigitsOf(number);
  Digits b = DigitsOf(of);
  if (a.digits.empty()) return true;
  int64_t least = std::min(a.exponent, b.exponent);
  auto scaled = [&](const Digits& d) -> std::optional<BigInt> {
    constexpr int64_t kMaxZeros = 5000;
    if (d.exponent - least > kMaxZeros) return std::nullopt;
    return ParseBigInt(d.digits + std::string(static_cast<size_t>(d.exponent - least), '0'));
  };
  std::optional<BigInt> dividend = scaled(a);
  std::optional<BigInt> divisor = scaled(b);
  if (!dividend || !divisor || *divisor == 0) return false;
  return *dividend % *divisor == 0;
}

std::string ShortNumber(const Value& number) {
  Digits d = DigitsOf(number);
  if (d.digits.empty()) return "0";
  std::string out = d.negative ? "-" : "";
  auto count = static_cast<int64_t>(d.digits.size());
  int64_t scientific = count + d.exponent - 1;
  if (scientific < -4 || scientific >= std::max<int64_t>(6, 0)) {
    out += d.digits.substr(0, 1);
    if (count > 1) out += "." + d.digits.substr(1);
    return out + fmt::format("e{}{:02}", scientific < 0 ? '-' : '+', std::abs(scientific));
  }
  if (d.exponent >= 0) return out + d.digits + std::string(static_cast<size_t>(d.exponent), '0');
  if (scientific >= 0) {
    auto whole = static_cast<size_t>(scientific + 1);
    return out + d.digits.substr(0, whole) + "." + d.digits.substr(whole);
  }
  return out + "0." + std::string(static_cast<size_t>(-scientific - 1), '0') + d.digits;
}

Result<std::vector<Failure>> JsonSchema::Validate(const Value& document,
                                                  const std::function<bool()>& spend) const {
  Validator validator(spend);
  Place root{"(Root)", nullptr};
  Outcomes out = validator.Check(state_->root, document, root);
  if (!validator.stopped().empty()) return Error(Code::kLimit, validator.stopped());
  return std::move(out.failures);
}

}  // namespace bulwark::rego
