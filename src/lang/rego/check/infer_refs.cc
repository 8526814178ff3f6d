// The part of inference that follows references and unifies.

#include <algorithm>

#include "lang/rego/check/infer.h"
#include "lang/rego/check/text.h"

namespace bulwark::rego {

namespace {

bool IsConstant(const Node& node) {
  return node.kind == NodeKind::kScalar || node.kind == NodeKind::kName;
}

bool IsRoot(const Node& head) {
  return head.kind == NodeKind::kName && head.value.IsString() &&
         (head.value.AsString() == "data" || head.value.AsString() == "input");
}

bool SameNode(const Node& a, const Node& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == NodeKind::kLocal) return a.local == b.local;
  if (a.kind == NodeKind::kScalar) return Value::Equal(a.value, b.value);
  if (a.kind >= NodeKind::kArrayComprehension || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!SameNode(*a.items[i], *b.items[i])) return false;
  }
  return true;
}

std::vector<Value> ChildKeys(const TypeNode& node) {
  std::vector<Value> keys;
  for (const auto& child : node.children) keys.push_back(child->key);
  std::ranges::sort(keys, [](const Value& a, const Value& b) { return Value::Compare(a, b) < 0; });
  return keys;
}

}  // namespace

// ---- the types of references ----

// The built-in that the whole of a reference, or its beginning, names.
const Builtin* Inference::BuiltinOf(Nodes ref) const {
  const Node& head = *ref[0];
  if (head.kind != NodeKind::kName || !head.value.IsString()) return nullptr;
  std::string name(head.value.AsString());
  const Builtin* found = builtins_.Find(name);
  for (size_t i = 1; found == nullptr && i < ref.size(); ++i) {
    if (ref[i]->kind != NodeKind::kScalar || !ref[i]->value.IsString()) return nullptr;
    name.append(".").append(ref[i]->value.AsString());
    found = builtins_.Find(name);
  }
  return found;
}

TypeRef Inference::RefType(const Node& ref) {
  const Node& head = *ref.items[0];
  if (head.kind == NodeKind::kLocal) return SelectPath(LocalType(head.local), ref.items.subspan(1));
  if (IsRoot(head)) return RefTypeFrom(documents_, ref.items);
  const Builtin* builtin = BuiltinOf(ref.items);
  if (builtin == nullptr) return nullptr;
  const auto words = static_cast<size_t>(std::ranges::count(builtin->name, '.')) + 1;
  // The whole name stands in the head where a call was lowered.
  const bool whole = head.value.AsString() == builtin->name;
  return ref.items.size() == (whole ? 1 : words) ? builtin_types_.Find(builtin) : nullptr;
}

TypeRef Inference::RefTypeFrom(const TypeLayer* layer, Nodes ref) {
  for (; layer != nullptr; layer = layer->next) {
    const TypeNode* node = layer->tree->root().Child(ref[0]->value);
    if (node != nullptr) return RefTypeIn(layer, *node, ref, 1);
  }
  return kAnyType;
}

TypeRef Inference::RefTypeIn(const TypeLayer* layer, const TypeNode& start, Nodes ref, size_t at) {
  const TypeNode* node = &start;
  for (;; ++at) {
    if (at == ref.size()) return Extent(*node, types_);
    const TypeNode* child = IsConstant(*ref[at]) ? node->Child(ref[at]->value) : nullptr;
    if (node->type != nullptr && child == nullptr) return SelectPath(node->type, ref.subspan(at));
    if (!IsConstant(*ref[at])) return SelectPath(Extent(*node, types_), ref.subspan(at));
    if (child == nullptr) return RefTypeFrom(layer->next, ref);
    node = child;
  }
}

TypeRef Inference::SelectPath(TypeRef type, Nodes operands) {
  for (const Node* operand : operands) {
    if (type == nullptr) return nullptr;
    if (operand->kind == NodeKind::kScalar) {
      type = types_.Select(type, operand->value);
      continue;
    }
    // Of nothing, any element may be expected.
    if (type->IsEmptyCollection()) return kAnyType;
    type = types_.Values(type);
  }
  return type;
}

// ---- checks of references ----

bool Inference::CheckRefStart(const TypeLayer* layer, Nodes ref, std::vector<Diagnostic>& errors) {
  const Node& head = *ref[0];
  if (head.kind == NodeKind::kLocal) {
    if (LocalType(head.local) == nullptr) SetLocal(head.local, kAnyType);
    return CheckRefLeaf(LocalType(head.local), ref, 1, errors);
  }
  if (IsRoot(head)) return CheckRef(layer, layer->tree->root(), ref, 0, errors);
  const Builtin* builtin = BuiltinOf(ref);
  if (builtin == nullptr) return CheckRefLeaf(kAnyType, ref, 1, errors);
  const auto words = static_cast<size_t>(std::ranges::count(builtin->name, '.')) + 1;
  return CheckRefLeaf(builtin_types_.Find(builtin), ref, std::min(words, ref.size()), errors);
}

bool Inference::CheckRef(const TypeLayer* layer, const TypeNode& node, Nodes ref, size_t at,
                         std::vector<Diagnostic>& errors) {
  if (at == ref.size()) return true;
  Node& head = *ref[at];
  // Packages and rules have names.
  if (at == 1 || at == 2) {
    const bool name = head.kind == NodeKind::kLocal || (IsConstant(head) && head.value.IsString());
    if (!name) return Undefined(ref, at, true, TypeOf(head), kStringType, ChildKeys(node), errors);
  }
  if (head.kind == NodeKind::kLocal && at != 0) {
    TypeRef keys = types_.Keys(Extent(node, types_));
    if (TypeRef known = LocalType(head.local); known == nullptr) {
      SetLocal(head.local, keys);
    } else if (!Unifies(keys, known)) {
      return Undefined(ref, at, true, known, keys, ChildKeys(node), errors);
    }
  }
  const TypeNode* child = IsConstant(head) ? node.Child(head.value) : nullptr;
  if (child == nullptr) {
    if (layer->next != nullptr) {
      return CheckRef(layer->next, layer->next->tree->root(), ref, 0, errors);
    }
    if (at == 0) return CheckRefLeaf(kAnyType, ref, 1, errors);
    std::vector<Diagnostic> ignored;
    for (const auto& below : node.children) CheckRef(layer, *below, ref, at + 1, ignored);
    return true;
  }
  if (child->type != nullptr) return CheckRefLeaf(child->type, ref, at + 1, errors);
  return CheckRef(layer, *child, ref, at + 1, errors);
}

bool Inference::CheckRefLeaf(TypeRef type, Nodes ref, size_t at, std::vector<Diagnostic>& errors) {
  for (; at < ref.size(); ++at) {
    Node& head = *ref[at];
    if (type != nullptr && type->IsEmptyCollection()) {
      if (head.kind == NodeKind::kScalar) {
        return Undefined(ref, at, false, nullptr, nullptr, {}, errors);
      }
      if (head.kind == NodeKind::kLocal) {
        TypeRef known = LocalType(head.local);
        TypeRef keys = types_.Keys(type);
        if (known == nullptr) {
          SetLocal(head.local, kAnyType);
        } else if (keys != nullptr && !Unifies(known, keys)) {
          return Undefined(ref, at, true, known, keys, {}, errors);
        }
      }
      return true;
    }
    TypeRef keys = types_.Keys(type);
    if (keys == nullptr) return Unsupported(ref, at - 1, type, errors);
    switch (head.kind) {
      case NodeKind::kLocal:
        if (TypeRef known = LocalType(head.local); known == nullptr) {
          SetLocal(head.local, keys);
        } else if (!Unifies(known, keys)) {
          return Undefined(ref, at, true, known, keys, KnownKeys(type), errors);
        }
        break;
      case NodeKind::kRef:
        if (TypeRef known = RefType(head); known != nullptr && !Unifies(known, keys)) {
          return Undefined(ref, at, true, known, keys, KnownKeys(type), errors);
        }
        break;
      case NodeKind::kArray:
      case NodeKind::kObject:
      case NodeKind::kSet:
        if (!Fits(head, keys, false)) {
          return Undefined(ref, at, true, TypeOf(head), keys, {}, errors);
        }
        break;
      default: {
        TypeRef child = head.kind == NodeKind::kScalar ? types_.Select(type, head.value) : nullptr;
        if (child == nullptr) {
          return Undefined(ref, at, false, nullptr, keys, KnownKeys(type), errors);
        }
        type = child;
        continue;
      }
    }
    type = types_.Values(type);
  }
  return true;
}

bool Inference::Undefined(Nodes ref, size_t at, bool has_type, TypeRef have, TypeRef want,
                          const std::vector<Value>& one_of, std::vector<Diagnostic>& errors) {
  std::string text = RefText(ref, ref.size());
  Diagnostic error = Error(ref[0]->at, "undefined ref: " + text);
  std::string pad(RefText(ref, at).size() + 1, ' ');
  error.details.push_back(text);
  error.details.push_back(pad + "^");
  if (has_type && have != nullptr) {
    error.details.push_back(pad + "have (type): " + ToText(have));
  } else {
    error.details.push_back(pad + "have: " + NodeText(*ref[at]));
  }
  if (!one_of.empty()) {
    std::string keys;
    for (const Value& key : one_of) {
      if (!keys.empty()) keys += ' ';
      keys += ToRegoText(key);
    }
    error.details.push_back(pad + "want (one of): [" + keys + "]");
  } else if (want == nullptr) {
    error.details.push_back(pad + "want (one of): []");
  } else {
    error.details.push_back(pad + "want (type): " + ToText(want));
  }
  errors.push_back(std::move(error));
  return false;
}

bool Inference::Unsupported(Nodes ref, size_t at, TypeRef have, std::vector<Diagnostic>& errors) {
  std::string text = RefText(ref, ref.size());
  std::string message = "undefined ref: " + text;
  if (have != nullptr && have->kind == TypeKind::kFunction) {
    const Node& last = *ref.back();
    const bool generated = last.kind == NodeKind::kLocal && locals_[last.local].name.empty() &&
                           locals_[last.local].subject == nullptr;
    message = "function " + (generated ? RefText(ref, ref.size() - 1) : text) +
              " used as reference, not called";
  }
  Diagnostic error = Error(ref[0]->at, std::move(message));
  error.details = {text, std::string(RefText(ref, at + 1).size(), '^'),
                   "have: " + (have == nullptr ? "<nil>" : ToText(have))};
  errors.push_back(std::move(error));
  return false;
}

std::string Inference::NodeText(const Node& node) const {
  switch (node.kind) {
    case NodeKind::kScalar: return ToRegoText(node.value);
    case NodeKind::kName: return std::string(node.value.AsString());
    case NodeKind::kLocal: {
      const Local& local = locals_[node.local];
      if (local.subject != nullptr) return TermText(*local.subject);
      if (local.name.empty()) return "__local" + std::to_string(node.local) + "__";
      return local.name.starts_with('$') ? "_" : std::string(local.name);
    }
    case NodeKind::kRef: return RefText(node.items, node.items.size());
    default: break;
  }
  if (node.kind == NodeKind::kSet && node.items.empty()) return "set()";
  const bool array = node.kind == NodeKind::kArray || node.kind == NodeKind::kArrayComprehension;
  std::string out = array ? "[" : "{";
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (i != 0) out += node.kind == NodeKind::kObject && i % 2 == 1 ? ": " : ", ";
    out += NodeText(*node.items[i]);
  }
  return out + (array ? "]" : "}");
}

std::string Inference::RefText(Nodes ref, size_t end) const {
  if (end == 0) return {};
  std::string out = NodeText(*ref[0]);
  for (size_t i = 1; i < end; ++i) {
    if (ref[i]->kind == NodeKind::kScalar) {
      AppendOperand(out, ref[i]->value);
    } else {
      out += "[" + NodeText(*ref[i]) + "]";
    }
  }
  return out;
}

// ---- unification ----

bool Inference::Unify(Node& a, TypeRef type_a, Node& b, TypeRef type_b) {
  const bool open_a = IsPartial(type_a);
  const bool open_b = IsPartial(type_b);
  if (open_a && !open_b) return Fits(a, type_b, false);
  if (open_b && !open_a) return Fits(b, type_a, false);
  if (!open_a) return Unifies(type_a, type_b);
  const bool local_a = a.kind == NodeKind::kLocal;
  const bool local_b = b.kind == NodeKind::kLocal;
  if (a.kind == NodeKind::kArray) return UnifyArray(a, b);
  if (a.kind == NodeKind::kObject) return UnifyObject(a, b);
  if (local_a) {
    if (local_b) return Fits(a, kAnyType, false) && Fits(b, TypeOf(a), false);
    if (b.kind == NodeKind::kArray) return UnifyArray(b, a);
    if (b.kind == NodeKind::kObject) return UnifyObject(b, a);
    if (b.kind == NodeKind::kRef) return Fits(a, kAnyType, false);
  } else if (a.kind == NodeKind::kRef && local_b) {
    return Fits(b, kAnyType, false);
  }
  if (local_a && type_a == nullptr && type_b != nullptr) return Fits(a, type_b, false);
  if (local_b && type_b == nullptr && type_a != nullptr) return Fits(b, type_a, false);
  return false;
}

bool Inference::UnifyArray(Node& a, Node& b) {
  if (b.kind == NodeKind::kLocal) return Fits(a, kAnyType, false) && Fits(b, TypeOf(a), false);
  if (b.kind != NodeKind::kArray || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    Node& x = *a.items[i];
    Node& y = *b.items[i];
    if (!Unify(x, TypeOf(x), y, TypeOf(y))) return false;
  }
  return true;
}

bool Inference::UnifyObject(Node& a, Node& b) {
  if (b.kind == NodeKind::kLocal) return Fits(a, kAnyType, false) && Fits(b, TypeOf(a), false);
  if (b.kind != NodeKind::kObject || a.items.size() != b.items.size()) return false;
  std::vector<std::pair<Node*, Node*>> pairs;
  for (size_t i = 0; i + 1 < a.items.size(); i += 2) {
    for (size_t j = 0; j + 1 < b.items.size(); j += 2) {
      if (!SameNode(*a.items[i], *b.items[j])) continue;
      pairs.emplace_back(a.items[i + 1], b.items[j + 1]);
      break;
    }
  }
  if (pairs.size() * 2 != a.items.size()) return false;
  return std::ranges::all_of(pairs, [this](const auto& pair) {
    return Unify(*pair.first, TypeOf(*pair.first), *pair.second, TypeOf(*pair.second));
  });
}

bool Inference::FitsAny(Node& node, TypeRef type) {
  if (type->items.empty()) {
    for (Node* item : node.items) Fits(*item, kAnyType, true);
    return true;
  }
  bool fits = false;
  for (TypeRef item : type->items) fits = Fits(node, item, true) || fits;
  return fits;
}

bool Inference::Fits(Node& node, TypeRef type, bool join) {
  switch (node.kind) {
    case NodeKind::kArray: {
      type = Unfold(type);
      if (type == nullptr) return false;
      if (type->kind == TypeKind::kAny) return FitsAny(node, type);
      if (type->kind != TypeKind::kArray) return false;
      if (node.items.size() != type->items.size() && type->value == nullptr) return false;
      for (size_t i = 0; i < node.items.size(); ++i) {
        TypeRef item = i < type->items.size() ? type->items[i] : type->value;
        if (!Fits(*node.items[i], item, join)) return false;
      }
      return true;
    }
    case NodeKind::kObject: {
      type = Unfold(type);
      if (type == nullptr) return false;
      if (type->kind == TypeKind::kAny) return FitsAny(node, type);
      if (type->kind != TypeKind::kObject) return false;
      const bool dynamic = type->dynamic && type->value != nullptr;
      if (node.items.size() / 2 != type->properties.size() && !dynamic) return false;
      for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
        if (!node.items[i]->constant) {
          Fits(*node.items[i + 1], kAnyType, join);
          continue;
        }
        TypeRef child = types_.Select(type, ConstantValue(*node.items[i]));
        if (child == nullptr || !Fits(*node.items[i + 1], child, join)) return false;
      }
      return true;
    }
    case NodeKind::kSet: {
      if (type == nullptr) return false;
      if (type->kind == TypeKind::kAny) return FitsAny(node, type);
      if (type->kind != TypeKind::kSet) return false;
      return std::ranges::all_of(node.items,
                                 [&](Node* item) { return Fits(*item, type->value, join); });
    }
    case NodeKind::kLocal: {
      TypeRef known = LocalType(node.local);
      if (join) {
        SetLocal(node.local, types_.Or(known, type));
        return true;
      }
      if (known != nullptr) return Unifies(known, type);
      SetLocal(node.local, type);
      return true;
    }
    default: return Unifies(TypeOf(node), type);
  }
}

}  // namespace bulwark::rego
