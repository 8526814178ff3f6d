#include "platform/api/json_schema.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark::api {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::string_view kRefPrefix = "#/components/schemas/";

enum Type : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
};

constexpr std::pair<std::string_view, unsigned> kTypes[] = {
    {"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger}, {"number", kNumber},
    {"string", kString}, {"array", kArray},     {"object", kObject}};

unsigned TypeOf(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kNull: return kNull;
    case Value::Kind::kBool: return kBoolean;
    case Value::Kind::kString: return kString;
    case Value::Kind::kArray: return kArray;
    case Value::Kind::kMap: return kObject;
    default: return v.ToInt() ? kInteger | kNumber : kNumber;
  }
}

std::string TypeNames(unsigned types) {
  std::string out;
  for (const auto& [name, bit] : kTypes) {
    if ((types & bit) != 0) out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out;
}

struct Node {
  unsigned types = 0;  // 0: any
  Value allowed;       // of enum (an array); null: any
  std::map<std::string, std::unique_ptr<Node>, std::less<>> properties;
  std::vector<std::string> required;
  bool closed = false;               // additionalProperties: false
  std::unique_ptr<Node> additional;  // or a schema
  std::unique_ptr<Node> items;
  std::optional<int64_t> min_items, max_items, min_length, max_length;
  std::optional<double> minimum, maximum;
  std::unique_ptr<RE2> pattern;
  std::vector<std::unique_ptr<Node>> any_of, all_of;
  std::string ref;
  bool date_time = false;
};

Error Bad(std::string id, std::string message) {
  return Error(Code::kInvalid, std::move(id), std::move(message));
}

class Compiler {
 public:
  Compiler(Arena& arena, std::set<std::string>& refs) : arena_(arena), refs_(refs) {}

  Result<std::unique_ptr<Node>> Compile(const Value& schema, int depth = 0) {
    auto node = std::make_unique<Node>();
    if (schema.IsTrue()) return node;
    if (!schema.IsMap() || depth > kMaxDepth) return Bad("schema.json", "a schema is an object");
    for (const auto& [key, value] : schema.entries()) {
      std::string_view name = key.AsString();
      if (!FitsKeyword(name, value)) {
        return Bad("schema.keyword",
                   fmt::format("the keyword {} has a value of another type", name));
      }
      if (name == "type") {
        BW_TRY(Types(value, *node));
      } else if (name == "enum") {
        node->allowed = value.CopyTo(arena_);
      } else if (name == "const") {
        Value one[] = {value.CopyTo(arena_)};
        node->allowed = Value::Array(arena_, one);
      } else if (name == "properties") {
        for (const auto& [property, inner] : value.entries()) {
          auto compiled = BW_TRY(Compile(inner, depth + 1));
          node->properties.emplace(property.AsString(), std::move(compiled));
        }
      } else if (name == "required") {
        for (const Value& property : value.items()) {
          if (!property.IsString()) return Bad("schema.keyword", "required is a list of names");
          node->required.emplace_back(property.AsString());
        }
      } else if (name == "additionalProperties") {
        node->closed = value.IsFalse();
        if (value.IsMap()) node->additional = BW_TRY(Compile(value, depth + 1));
      } else if (name == "items") {
        node->items = BW_TRY(Compile(value, depth + 1));
      } else if (name == "minItems") {
        node->min_items = value.ToInt();
      } else if (name == "maxItems") {
        node->max_items = value.ToInt();
      } else if (name == "minLength") {
        node->min_length = value.ToInt();
      } else if (name == "maxLength") {
        node->max_length = value.ToInt();
      } else if (name == "minimum") {
        node->minimum = value.ToDouble();
      } else if (name == "maximum") {
        node->maximum = value.ToDouble();
      } else if (name == "pattern") {
        node->pattern = std::make_unique<RE2>(std::string(value.AsString()), RE2::Quiet);
        if (!node->pattern->ok()) return Bad("schema.pattern", node->pattern->error());
      } else if (name == "anyOf" || name == "allOf") {
        for (const Value& inner : value.items()) {
          auto compiled = BW_TRY(Compile(inner, depth + 1));
          (name == "anyOf" ? node->any_of : node->all_of).push_back(std::move(compiled));
        }
      } else if (name == "$ref") {
        if (!value.AsString().starts_with(kRefPrefix)) {
          return Bad("schema.keyword", "a $ref that is none to components/schemas");
        }
        node->ref = value.AsString().substr(kRefPrefix.size());
        refs_.insert(node->ref);
      } else if (name == "format") {
        node->date_time = value.AsString() == "date-time";
      } else if (!Describes(name)) {
        return Bad("schema.keyword", fmt::format("the keyword {} is not known", Quote(name)));
      }
    }
    return node;
  }

 private:
  static bool FitsKeyword(std::string_view name, const Value& value) {
    static constexpr std::pair<std::string_view, unsigned> kKeywords[] = {
        {"type", kString | kArray},
        {"enum", kArray},
        {"properties", kObject},
        {"required", kArray},
        {"items", kObject | kBoolean},
        {"additionalProperties", kObject | kBoolean},
        {"minItems", kInteger},
        {"maxItems", kInteger},
        {"minLength", kInteger},
        {"maxLength", kInteger},
        {"minimum", kNumber},
        {"maximum", kNumber},
        {"pattern", kString},
        {"anyOf", kArray},
        {"allOf", kArray},
        {"$ref", kString},
        {"format", kString}};
    for (const auto& [keyword, types] : kKeywords) {
      if (keyword == name) return (TypeOf(value) & types) != 0;
    }
    return true;
  }

  static bool Describes(std::string_view name) {
    static constexpr std::string_view kNames[] = {"title",     "description", "default",
                                                  "examples",  "example",     "readOnly",
                                                  "writeOnly", "deprecated"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  }

  static Result<> Types(const Value& value, Node& node) {
    auto add = [&](const Value& name) -> Result<> {
      for (const auto& [known, bit] : kTypes) {
        if (name.IsString() && name.AsString() == known) {
          node.types |= bit;
          return Ok();
        }
      }
      return Bad("schema.keyword", "an unknown type");
    };
    if (value.IsString()) return add(value);
    for (const Value& name : value.items()) BW_TRY(add(name));
    return Ok();
  }

  Arena& arena_;
  std::set<std::string>& refs_;
};

}  // namespace

struct JsonSchemas::State {
  Arena arena;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> nodes;
  std::set<std::string> refs;

  class Checker {
   public:
    Checker(const State& state, size_t max, bool complete)
        : state_(state), max_(max), complete_(complete) {}

    void Check(const Node& node, const Value& v, const std::string& path, int depth) {
      if (faults.size() >= max_) return;
      if (depth > kMaxDepth) return Fault(path, "api.fault.depth");
      if (!node.ref.empty()) {
        auto found = state_.nodes.find(node.ref);
        if (found != state_.nodes.end()) Check(*found->second, v, path, depth + 1);
      }
      if (node.types != 0 && (TypeOf(v) & node.types) == 0) {
        return Fault(path, "api.fault.type", {{"expected", TypeNames(node.types)}});
      }
      if (!node.allowed.IsNull() && !node.allowed.Contains(v)) {
        std::string all;
        for (const Value& item : node.allowed.items())
          all += (all.empty() ? "" : ", ") + ToJson(item);
        return Fault(path, "api.fault.enum", {{"expected", all}});
      }
      if (v.IsString()) CheckString(node, v.AsString(), path);
      if (v.IsNumber()) CheckNumber(node, v.ToDouble(), path);
      if (v.IsArray()) {
        CheckSize(node.min_items, node.max_items, v.size(), path, "api.fault.items");
        if (node.items) {
          for (size_t i = 0; i < v.size(); ++i) {
            Check(*node.items, v[i], fmt::format("{}[{}]", path, i), depth + 1);
          }
        }
      }
      if (v.IsMap()) CheckObject(node, v, path, depth);
      for (const auto& inner : node.all_of) Check(*inner, v, path, depth + 1);
      if (!node.any_of.empty() &&
          std::none_of(node.any_of.begin(), node.any_of.end(), [&](const auto& inner) {
            Checker other(state_, 1, complete_);
            other.Check(*inner, v, path, depth + 1);
            return other.faults.empty();
          })) {
        Fault(path, "api.fault.any");
      }
    }

    std::vector<SchemaFault> faults;

   private:
    void Fault(const std::string& path, std::string message,
               std::vector<std::pair<std::string, std::string>> args = {}) {
      if (faults.size() < max_) faults.push_back({path, std::move(message), std::move(args)});
    }
    void CheckSize(std::optional<int64_t> min, std::optional<int64_t> max, size_t size,
                   const std::string& path, const std::string& message) {
      auto n = static_cast<int64_t>(size);
      if ((min && n < *min) || (max && n > *max)) {
        Fault(
            path, message,
            {{"min", std::to_string(min.value_or(0))}, {"max", max ? std::to_string(*max) : "∞"}});
      }
    }
    void CheckString(const Node& node, std::string_view text, const std::string& path) {
      if (node.min_length || node.max_length) {
        CheckSize(node.min_length, node.max_length, CountCodePoints(text), path,
                  "api.fault.length");
      }
      if (node.pattern && !RE2::PartialMatch({text.data(), text.size()}, *node.pattern)) {
        Fault(path, "api.fault.pattern", {{"expected", node.pattern->pattern()}});
      }
      if (node.date_time && !ParseRfc3339(text)) Fault(path, "api.fault.time");
    }
    void CheckNumber(const Node& node, double number, const std::string& path) {
      if ((node.minimum && number < *node.minimum) || (node.maximum && number > *node.maximum)) {
        Fault(path, "api.fault.range",
              {{"min", node.minimum ? fmt::format("{}", *node.minimum) : "-∞"},
               {"max", node.maximum ? fmt::format("{}", *node.maximum) : "∞"}});
      }
    }
    void CheckObject(const Node& node, const Value& v, const std::string& path, int depth) {
      auto under = [&](std::string_view name) {
        return path.empty() ? std::string(name) : path + "." + std::string(name);
      };
      for (const std::string& name : node.required) {
        if (v.Find(name) == nullptr) Fault(under(name), "api.fault.required");
      }
      for (const auto& [key, value] : v.entries()) {
        std::string_view name = key.AsString();
        auto property = node.properties.find(name);
        if (property != node.properties.end()) {
          Check(*property->second, value, under(name), depth + 1);
        } else if (node.closed || (complete_ && !node.properties.empty() && !node.additional)) {
          std::vector<std::string_view> known;
          for (const auto& [k, inner] : node.properties) known.push_back(k);
          std::string_view meant = DidYouMean(name, known);
          Fault(under(name), meant.empty() ? "api.fault.unknown" : "api.fault.meant",
                {{"meant", std::string(meant)}});
        } else if (node.additional) {
          Check(*node.additional, value, under(name), depth + 1);
        }
      }
    }

    const State& state_;
    const size_t max_;
    const bool complete_;
  };
};

JsonSchemas::JsonSchemas() : state_(std::make_unique<State>()) {}
JsonSchemas::~JsonSchemas() = default;

Result<> JsonSchemas::Add(const std::string& name, std::string_view json) {
  Arena arena;
  Value schema = BW_TRY(ParseJson(json, arena));
  Compiler compiler(state_->arena, state_->refs);
  state_->nodes.insert_or_assign(name, BW_TRY(compiler.Compile(schema)));
  return Ok();
}

bool JsonSchemas::Has(std::string_view name) const { return state_->nodes.contains(name); }

Result<> JsonSchemas::Prepare(std::string_view schema) {
  if (schema.empty() || Has(schema)) return Ok();
  if (schema.starts_with('{')) return Add(std::string(schema), schema);
  state_->refs.emplace(schema);
  return Ok();
}

std::vector<SchemaFault> JsonSchemas::Check(std::string_view schema, const Value& value, size_t max,
                                            bool complete) const {
  auto found = state_->nodes.find(schema);
  if (found == state_->nodes.end()) return {};
  State::Checker checker(*state_, max, complete);
  checker.Check(*found->second, value, "", 0);
  return std::move(checker.faults);
}

std::vector<std::string> JsonSchemas::Missing() const {
  std::vector<std::string> out;
  for (const std::string& name : state_->refs) {
    if (!Has(name)) out.push_back(name);
  }
  return out;
}

}  // namespace bulwark::api
