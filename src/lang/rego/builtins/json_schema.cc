#include "lang/rego/builtins/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/json_schema_node.h"

namespace bulwark::rego {

namespace {

using Node = JsonSchema::Node;

constexpr size_t kMaxDepth = 300;
constexpr size_t kMaxNodes = 200'000;
constexpr size_t kMaxBytes = size_t{16} << 20;

Error Wrong(std::string message) { return Error(Code::kInvalid, std::move(message)); }
Error InvalidType(std::string_view expected, std::string_view given) {
  return Wrong(fmt::format("Invalid type. Expected: {}, given: {}", expected, given));
}
Error MustBeOfA(std::string_view x, std::string_view y) {
  return Wrong(fmt::format("{} must be of a {}", x, y));
}
Error MustBeOfAn(std::string_view x, std::string_view y) {
  return Wrong(fmt::format("{} must be of an {}", x, y));
}
Error MustBeOfType(std::string_view key, std::string_view type) {
  return Wrong(fmt::format("{} must be of type {}", key, type));
}

// The entries by key, for errors and validations in a steady order.
std::vector<Value::Entry> Sorted(const Value& map) {
  std::vector<Value::Entry> out(map.entries().begin(), map.entries().end());
  std::sort(out.begin(), out.end(), [](const Value::Entry& a, const Value::Entry& b) {
    return a.key.AsString() < b.key.AsString();
  });
  return out;
}

bool IsCanonical(const GoUrl& url) {
  if (url.scheme == "file") return url.path.starts_with('/');
  return !url.scheme.empty() && !url.host.empty();
}

GoUrl WithoutFragment(GoUrl url) {
  url.fragment.clear();
  url.raw_fragment.clear();
  return url;
}

// RFC 6901; a fragment that is no pointer means the whole document.
Result<Value> Point(const Value& document, std::string_view pointer) {
  if (!pointer.starts_with('/')) return document;
  Value at = document;
  for (std::string_view part : Split(pointer.substr(1), '/')) {
    std::string token = ReplaceAll(ReplaceAll(part, "~1", "/"), "~0", "~");
    if (at.IsMap()) {
      const Value* found = at.Find(token);
      if (found == nullptr) return Wrong(fmt::format("Object has no key '{}'", token));
      at = *found;
    } else if (at.IsArray()) {
      size_t index = 0;
      bool number = !token.empty() && token.size() < 10 &&
                    std::all_of(token.begin(), token.end(), IsAsciiDigit);
      if (!number) return Wrong(fmt::format("Invalid array index '{}'", token));
      for (char c : token) index = index * 10 + static_cast<size_t>(c - '0');
      if (index >= at.size()) {
        return Wrong(fmt::format("Out of bound array[0,{}] index '{}'", at.size(), index));
      }
      at = at[index];
    } else {
      return Wrong(fmt::format("Invalid token reference '{}'", token));
    }
  }
  return at;
}

Result<std::optional<Draft>> DraftOf(const Value& document) {
  if (document.IsBool()) return std::optional<Draft>();
  if (!document.IsMap()) return Wrong("schema is invalid");
  const Value* schema = document.Find("$schema");
  if (schema == nullptr) return std::optional<Draft>();
  if (!schema->IsString()) return MustBeOfType("$schema", "string");
  std::string url = BW_TRY(GoUrl::Parse(schema->AsString()))
  .ToString();
  if (url == "http://json-schema.org/draft-04/schema") return std::optional(Draft::k4);
  if (url == "http://json-schema.org/draft-06/schema") return std::optional(Draft::k6);
  if (url == "http://json-schema.org/draft-07/schema") return std::optional(Draft::k7);
  return std::optional<Draft>();
}

class Compiler {
 public:
  Compiler(Arena& arena, std::vector<std::unique_ptr<Node>>& nodes)
      : arena_(arena), nodes_(nodes) {}

  Result<Node*> CompileRoot(const Value& document) {
    GoUrl base;
    if (Result<> pooled = AddDocument(document, base); !pooled) {
      return std::move(pooled).error();
    }
    std::optional<Draft> draft = BW_TRY(DraftOf(document));
    root_ = Make("(Root)", nullptr);
    root_->draft = draft.value_or(Draft::kHybrid);
    if (Result<> r = Read(document, root_, 0); !r) return std::move(r).error();
    return root_;
  }

 private:
  struct Document {
    Value value;
    std::optional<Draft> draft;
  };

  Node* Make(std::string_view property, const Node* parent) {
    nodes_.push_back(std::make_unique<Node>());
    Node* node = nodes_.back().get();
    node->property = property;
    node->parent = parent;
    return node;
  }

  // --- Documents and references ------------------------------------------------------------------

  Result<> AddDocument(const Value& document, const GoUrl& url) {
    std::string reference = url.ToString();
    if (documents_.contains(reference)) {
      return Wrong(fmt::format("Reference already exists: \"{}\"", reference));
    }
    std::optional<Draft> draft = BW_TRY(DraftOf(document));
    Result<> found = FindReferences(document, url, draft, 0);
    documents_[reference] = {document, draft};
    return found;
  }

  // Notes the documents that $id names, and makes each $ref absolute.
  Result<> FindReferences(const Value& value, const GoUrl& base, std::optional<Draft> draft,
                          size_t depth) {
    if (depth > kMaxDepth) return Wrong("schema is nested too deeply");
    if (value.IsArray()) {
      for (const Value& item : value.items()) {
        if (Result<> r = FindReferences(item, base, draft, depth + 1); !r) return r;
      }
      return Ok{};
    }
    if (!value.IsMap()) return Ok{};
    GoUrl local = base;
    const Value* id = value.Find("id");
    if (id == nullptr) id = value.Find("$id");
    if (id != nullptr && id->IsString()) {
      if (Result<GoUrl> url = GoUrl::Parse(id->AsString())) {
        local = WithoutFragment(base).Resolve(*url);
        std::string name = local.ToString();
        if (documents_.contains(name)) {
          return Wrong(fmt::format("Reference already exists: \"{}\"", name));
        }
        documents_[name] = {value, draft};
      }
    }
    if (const Value* ref = value.Find("$ref"); ref != nullptr && ref->IsString()) {
      if (Result<GoUrl> url = GoUrl::Parse(ref->AsString())) {
        absolute_[value.entries().data()] = WithoutFragment(local).Resolve(*url).ToString();
      }
    }
    for (const Value::Entry& entry : Sorted(value)) {
      std::string_view key = entry.key.AsString();
      if (key == "const" || key == "enum") continue;
      if (key == "properties" || key == "dependencies" || key == "patternProperties") {
        // What they have by these names are no keywords.
        if (!entry.value.IsMap()) continue;
        for (const Value::Entry& child : Sorted(entry.value)) {
          if (Result<> r = FindReferences(child.value, local, draft, depth + 2); !r) return r;
        }
      } else if (Result<> r = FindReferences(entry.value, local, draft, depth + 1); !r) {
        return r;
      }
    }
    return Ok{};
  }

  Result<Document> GetDocument(const GoUrl& reference) {
    std::string name = reference.ToString();
    if (auto found = documents_.find(name); found != documents_.end()) return found->second;
    GoUrl base = WithoutFragment(reference);
    std::string base_name = base.ToString();
    if (!documents_.contains(base_name)) {
      if (!IsCanonical(reference)) {
        return Wrong(fmt::format("Reference {} must be canonical", name));
      }
      std::string_view text = MetaSchema(base_name);
      if (text.empty()) return Wrong("remote reference loading disabled: " + name);
      Value document = BW_TRY(ParseJson(text, arena_));
      if (Result<> added = AddDocument(document, base); !added) return std::move(added).error();
    }
    Document found = documents_[base_name];
    found.value = BW_TRY(Point(found.value, reference.fragment));
    documents_[name] = found;
    return found;
  }

  // --- Keywords ----------------------------------------------------------------------------------

  static Result<const Value*> Text(const Value& map, std::string_view key) {
    const Value* value = map.Find(key);
    if (value != nullptr && !value->IsString()) return InvalidType("string", key);
    return value;
  }
  static Result<const Value*> List(const Value& map, std::string_view key) {
    const Value* value = map.Find(key);
    if (value != nullptr && !value->IsArray()) return MustBeOfAn(key, "array");
    return value;
  }
  static Result<std::optional<int64_t>> Count(const Value& map, std::string_view key) {
    const Value* value = map.Find(key);
    if (value == nullptr) return std::optional<int64_t>();
    std::optional<int64_t> count =
        value->IsNumber() && IsJsonInteger(*value) ? value->ToInt() : std::nullopt;
    if (!count) return MustBeOfAn(key, "integer");
    if (*count < 0) return Wrong(fmt::format("{} must be greater than or equal to 0", key));
    return count;
  }
  static bool IsSchema(const Value& value) { return value.IsMap() || value.IsBool(); }

  const GoUrl& IdOf(const Node* node) const {
    static const GoUrl kNone;
    for (; node != nullptr; node = node->parent) {
      if (node->id) return *node->id;
    }
    return kNone;
  }

  Result<Node*> Child(std::string_view property, const Value& schema, Node* parent, size_t depth) {
    Node* node = Make(property, parent);
    if (Result<> r = Read(schema, node, depth + 1); !r) return std::move(r).error();
    return node;
  }
  // A keyword whose value is one schema.
  Result<> One(const Value& map, std::string_view key, Node* node, size_t depth, Node*& into,
               Error wrong) {
    const Value* value = map.Find(key);
    if (value == nullptr) return Ok{};
    if (!IsSchema(*value)) return wrong;
    into = BW_TRY(Child(key, *value, node, depth));
    return Ok{};
  }
  Result<> Several(const Value& map, std::string_view key, Node* node, size_t depth,
                   std::vector<Node*>& into) {
    const Value* list = BW_TRY(List(map, key));
    if (list == nullptr) return Ok{};
    for (const Value& item : list->items()) into.push_back(BW_TRY(Child(key, item, node, depth)));
    return Ok{};
  }

  Result<> Read(const Value& schema, Node* node, size_t depth) {
    if (depth > kMaxDepth || nodes_.size() > kMaxNodes) {
      return Wrong("schema is nested too deeply");
    }
    if (!node->draft) node->draft = node->parent->draft;
    if (*node->draft >= Draft::k6 && schema.IsBool()) {
      node->pass = schema.IsTrue();
      return Ok{};
    }
    if (!schema.IsMap()) return Wrong("Expected: Valid Schema, given: Invalid JSON");
    if (Result<> r = ReadIdentity(schema, node, depth); !r) return r;
    bool done = false;
    if (Result<> r = ReadReference(schema, node, depth, done); !r || done) return r;
    if (Result<> r = ReadTypes(schema, node); !r) return r;
    if (Result<> r = ReadObjectSchemas(schema, node, depth); !r) return r;
    if (Result<> r = ReadArraySchemas(schema, node, depth); !r) return r;
    if (Result<> r = ReadNumbers(schema, node); !r) return r;
    if (Result<> r = ReadLimits(schema, node); !r) return r;
    if (Result<> r = ReadValues(schema, node, depth); !r) return r;
    return ReadLogic(schema, node, depth);
  }

  Result<> ReadIdentity(const Value& schema, Node* node, size_t depth) {
    bool old = *node->draft == Draft::k4 ||
               (*node->draft == Draft::kHybrid && schema.Find("id") != nullptr);
    if (const Value* id = BW_TRY(Text(schema, old ? "id" : "$id"))) {
      GoUrl url = BW_TRY(GoUrl::Parse(id->AsString()));
      node->id = node == root_ ? url : WithoutFragment(IdOf(node->parent)).Resolve(url);
    }
    if (const Value* definitions = schema.Find("definitions")) {
      if (!definitions->IsMap()) return InvalidType("Array Of Schemas", "definitions");
      for (const Value::Entry& entry : Sorted(*definitions)) {
        if (!IsSchema(entry.value)) return InvalidType("Array Of Schemas", "definitions");
        BW_TRY(Child("definitions", entry.value, node, depth));
      }
    }
    BW_TRY(Text(schema, "title"));
    BW_TRY(Text(schema, "description"));
    return Ok{};
  }

  // `done`: nothing else of the schema counts.
  Result<> ReadReference(const Value& schema, Node* node, size_t depth, bool& done) {
    const Value* ref = BW_TRY(Text(schema, "$ref"));
    if (ref == nullptr) return Ok{};
    auto absolute = absolute_.find(schema.entries().data());
    GoUrl url = BW_TRY(GoUrl::Parse(absolute != absolute_.end() ? std::string_view(absolute->second)
                                                                : ref->AsString()));
    std::string name = url.ToString();
    node->ref = url;
    if (auto found = references_.find(name); found != references_.end()) {
      node->referenced = found->second;
      return Ok{};
    }
    done = true;
    Node* target = Make("$ref", node);
    references_[name] = target;
    Document document = BW_TRY(GetDocument(url));
    target->id = url;
    target->draft = document.draft;
    if (!IsSchema(document.value)) return MustBeOfType("Valid Schema", "object");
    if (Result<> r = Read(document.value, target, depth + 1); !r) return r;
    node->referenced = target;
    return Ok{};
  }

  static Result<> AddType(std::string_view type, Node* node) {
    constexpr std::string_view kTypes[] = {"array", "boolean", "integer", "number",
                                           "null",  "object",  "string"};
    const auto* known = std::find(std::begin(kTypes), std::end(kTypes), type);
    if (known == std::end(kTypes)) {
      return Wrong(fmt::format(
          "has a primitive type that is NOT VALID -- given: /{}/ Expected valid values are:[array "
          "boolean integer number null object string]",
          type));
    }
    if (std::find(node->types.begin(), node->types.end(), type) != node->types.end()) {
      return Wrong(fmt::format("{} type is duplicated", type));
    }
    node->types.push_back(*known);
    return Ok{};
  }

  static Result<> ReadTypes(const Value& schema, Node* node) {
    const Value* type = schema.Find("type");
    if (type == nullptr) return Ok{};
    if (type->IsString()) return AddType(type->AsString(), node);
    if (!type->IsArray()) return InvalidType("type", "string/Array Of Strings");
    for (const Value& item : type->items()) {
      if (!item.IsString()) return InvalidType("type", "string/Array Of Strings");
      if (Result<> r = AddType(item.AsString(), node); !r) return r;
    }
    return Ok{};
  }

  Result<> ReadObjectSchemas(const Value& schema, Node* node, size_t depth) {
    if (const Value* properties = schema.Find("properties")) {
      if (!properties->IsMap()) return MustBeOfType("Properties", "object");
      for (const Value::Entry& entry : Sorted(*properties)) {
        node->properties.push_back(BW_TRY(Child(entry.key.AsString(), entry.value, node, depth)));
      }
    }
    if (const Value* additional = schema.Find("additionalProperties")) {
      if (additional->IsBool()) {
        node->additional_properties = additional->IsTrue();
      } else if (additional->IsMap()) {
        node->additional_properties =
            BW_TRY(Child("additionalProperties", *additional, node, depth));
      } else {
        return InvalidType("boolean/Valid Schema", "additionalProperties");
      }
    }
    if (const Value* patterns = schema.Find("patternProperties")) {
      if (!patterns->IsMap()) return InvalidType("Valid Schema", "patternProperties");
      for (const Value::Entry& entry : Sorted(*patterns)) {
        std::string text(entry.key.AsString());
        Result<Pattern> pattern = CompileRegex(text);
        if (!pattern) return Wrong(fmt::format("Invalid regex pattern '{}'", text));
        Node* child = BW_TRY(Child(text, entry.value, node, depth));
        node->pattern_properties.push_back({text, *std::move(pattern), child});
      }
    }
    if (*node->draft >= Draft::k6) {
      if (Result<> r = One(schema, "propertyNames", node, depth, node->property_names,
                           InvalidType("Valid Schema", "patternProperties"));
          !r) {
        return r;
      }
    }
    return ReadDependencies(schema, node, depth);
  }

  Result<> ReadDependencies(const Value& schema, Node* node, size_t depth) {
    const Value* dependencies = schema.Find("dependencies");
    if (dependencies == nullptr) return Ok{};
    if (!dependencies->IsMap()) return MustBeOfType("dependencies", "object");
    Error wrong = MustBeOfType("Dependency", "Schema Or Array Of Strings");
    for (const Value::Entry& entry : Sorted(*dependencies)) {
      std::string key(entry.key.AsString());
      if (entry.value.IsArray()) {
        std::vector<std::string> names;
        for (const Value& name : entry.value.items()) {
          if (!name.IsString()) return wrong;
          names.emplace_back(name.AsString());
        }
        if (!names.empty()) node->dependencies[key] = std::move(names);
      } else if (IsSchema(entry.value)) {
        node->dependencies[key] = BW_TRY(Child(key, entry.value, node, depth));
      } else {
        return wrong;
      }
    }
    return Ok{};
  }

  Result<> ReadArraySchemas(const Value& schema, Node* node, size_t depth) {
    Error wrong = InvalidType("Valid Schema/Array Of Schemas", "items");
    if (const Value* items = schema.Find("items")) {
      if (items->IsArray()) {
        for (const Value& item : items->items()) {
          if (!IsSchema(item)) return wrong;
          node->items.push_back(BW_TRY(Child("items", item, node, depth)));
        }
      } else if (IsSchema(*items)) {
        node->items.push_back(BW_TRY(Child("items", *items, node, depth)));
        node->single_item = true;
      } else {
        return wrong;
      }
    }
    if (const Value* additional = schema.Find("additionalItems")) {
      if (additional->IsBool()) {
        node->additional_items = additional->IsTrue();
      } else if (additional->IsMap()) {
        node->additional_items = BW_TRY(Child("additionalItems", *additional, node, depth));
      } else {
        return InvalidType("boolean/Valid Schema", "additionalItems");
      }
    }
    return Ok{};
  }

  static Result<> ReadExclusive(const Value& schema, Draft draft, std::string_view key,
                                std::string_view bound_key, std::optional<Value>& bound,
                                std::optional<Value>& exclusive) {
    const Value* value = schema.Find(key);
    if (value == nullptr) return Ok{};
    bool as_flag = draft == Draft::k4 || (draft == Draft::kHybrid && value->IsBool());
    if (as_flag) {
      if (!value->IsBool()) return InvalidType("boolean", key);
      if (!bound) return Wrong(fmt::format("{} cannot be used without {}", key, bound_key));
      if (value->IsTrue()) {
        exclusive = bound;
        bound.reset();
      }
      return Ok{};
    }
    if (!value->IsNumber()) {
      return InvalidType(draft == Draft::kHybrid ? "boolean/number" : "number", key);
    }
    exclusive = *value;
    return Ok{};
  }

  static Result<> ReadNumbers(const Value& schema, Node* node) {
    if (const Value* multiple = schema.Find("multipleOf")) {
      if (!multiple->IsNumber()) return InvalidType("Number", "multipleOf");
      if (Value::Compare(*multiple, Value::Int(0)) <= 0) {
        return Wrong("multipleOf must be strictly greater than 0");
      }
      node->multiple_of = *multiple;
    }
    struct Bound {
      std::string_view key, exclusive_key;
      std::optional<Value> Node::* bound;
      std::optional<Value> Node::* exclusive;
    };
    for (const Bound& bound :
         {Bound{"minimum", "exclusiveMinimum", &Node::minimum, &Node::exclusive_minimum},
          Bound{"maximum", "exclusiveMaximum", &Node::maximum, &Node::exclusive_maximum}}) {
      if (const Value* value = schema.Find(bound.key)) {
        if (!value->IsNumber()) return MustBeOfA(bound.key, "Number");
        node->*bound.bound = *value;
      }
      if (Result<> r = ReadExclusive(schema, *node->draft, bound.exclusive_key, bound.key,
                                     node->*bound.bound, node->*bound.exclusive);
          !r) {
        return r;
      }
    }
    return Ok{};
  }

  static Result<> ReadLimits(const Value& schema, Node* node) {
    node->min_length = BW_TRY(Count(schema, "minLength"));
    node->max_length = BW_TRY(Count(schema, "maxLength"));
    if (node->min_length && node->max_length && *node->min_length > *node->max_length) {
      return Wrong("minLength cannot be greater than maxLength");
    }
    if (const Value* pattern = BW_TRY(Text(schema, "pattern"))) {
      Result<Pattern> compiled = CompileRegex(pattern->AsString());
      if (!compiled) return Wrong("pattern must be a valid regex");
      node->pattern = *std::move(compiled);
      node->pattern_text = pattern->AsString();
    }
    if (const Value* format = BW_TRY(Text(schema, "format"))) node->format = format->AsString();
    node->min_properties = BW_TRY(Count(schema, "minProperties"));
    node->max_properties = BW_TRY(Count(schema, "maxProperties"));
    if (node->min_properties && node->max_properties &&
        *node->min_properties > *node->max_properties) {
      return Wrong("minProperties cannot be greater than maxProperties");
    }
    if (const Value* required = BW_TRY(List(schema, "required"))) {
      for (const Value& item : required->items()) {
        if (!item.IsString()) return InvalidType("string", "required");
        std::string name(item.AsString());
        if (std::find(node->required.begin(), node->required.end(), name) != node->required.end()) {
          return Wrong("required items must be unique");
        }
        node->required.push_back(std::move(name));
      }
    }
    node->min_items = BW_TRY(Count(schema, "minItems"));
    node->max_items = BW_TRY(Count(schema, "maxItems"));
    if (const Value* unique = schema.Find("uniqueItems")) {
      if (!unique->IsBool()) return MustBeOfA("uniqueItems", "boolean");
      node->unique_items = unique->IsTrue();
    }
    return Ok{};
  }

  Result<> ReadValues(const Value& schema, Node* node, size_t depth) {
    if (*node->draft >= Draft::k6) {
      if (const Value* contains = schema.Find("contains")) {
        node->contains = BW_TRY(Child("contains", *contains, node, depth));
      }
      if (const Value* constant = schema.Find("const")) {
        node->constant = GoJson(*constant, true);
      }
    }
    if (const Value* list = BW_TRY(List(schema, "enum"))) {
      node->enumeration.emplace();
      for (const Value& item : list->items()) {
        std::string text = GoJson(item, true);
        if (std::find(node->enumeration->begin(), node->enumeration->end(), text) !=
            node->enumeration->end()) {
          return Wrong("enum items must be unique");
        }
        node->enumeration->push_back(std::move(text));
      }
    }
    return Ok{};
  }

  Result<> ReadLogic(const Value& schema, Node* node, size_t depth) {
    if (Result<> r = Several(schema, "oneOf", node, depth, node->one_of); !r) return r;
    if (Result<> r = Several(schema, "anyOf", node, depth, node->any_of); !r) return r;
    if (Result<> r = Several(schema, "allOf", node, depth, node->all_of); !r) return r;
    auto one = [&](std::string_view key, Node*& into) {
      return One(schema, key, node, depth, into, MustBeOfAn(key, "object"));
    };
    if (Result<> r = one("not", node->negated); !r) return r;
    if (*node->draft < Draft::k7) return Ok{};
    if (Result<> r = one("if", node->condition); !r) return r;
    if (Result<> r = one("then", node->then_node); !r) return r;
    return one("else", node->else_node);
  }

  Arena& arena_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  Node* root_ = nullptr;
  std::unordered_map<std::string, Document> documents_;
  std::unordered_map<std::string, Node*> references_;
  // The absolute $ref of a map, by where its entries are.
  std::unordered_map<const Value::Entry*, std::string> absolute_;
};

}  // namespace

Result<JsonSchema> JsonSchema::Compile(std::string_view text) {
  auto state = std::make_shared<State>();
  Value document = BW_TRY(ParseJson(
      text, state->arena, {.max_depth = 1000, .max_bytes = kMaxBytes, .duplicate_keys = true}));
  Compiler compiler(state->arena, state->nodes);
  state->root = BW_TRY(compiler.CompileRoot(document));
  return JsonSchema(std::move(state));
}

}  // namespace bulwark::rego
