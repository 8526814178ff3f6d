#include "features/posture/reads.h"

#include <algorithm>

#include "features/posture/check_set.h"

namespace bulwark::posture {

namespace {

using cel::Expr;
using cel::ExprKind;

class Finder {
 public:
  explicit Finder(const cel::Ast& ast) : ast_(ast) {}

  // As deep as the tree is, which the environment's limits bound.
  void Visit(const Expr* e) {
    if (e == nullptr || !reads.known) return;
    switch (e->kind) {
      case ExprKind::kLiteral: return;
      case ExprKind::kIdent:
      case ExprKind::kSelect: return Chain(e);
      case ExprKind::kCall:
        if (IsIndex(e)) return Chain(e);
        Visit(e->operand);
        for (const Expr* arg : e->args) Visit(arg);
        return;
      case ExprKind::kList:
        for (const Expr* arg : e->args) Visit(arg);
        return;
      case ExprKind::kMap:
      case ExprKind::kStruct:
        for (const cel::MapEntry& entry : e->entries) {
          Visit(entry.key);
          Visit(entry.value);
        }
        return;
      case ExprKind::kComprehension:
        for (const Expr* part : {e->loop->range, e->loop->accu_init, e->loop->condition,
                                 e->loop->step, e->loop->result}) {
          Visit(part);
        }
        return;
    }
  }

  Reads reads;

 private:
  static bool IsIndex(const Expr* e) {
    return e->kind == ExprKind::kCall && e->operand == nullptr && e->args.size() == 2 &&
           (e->name == cel::op::kIndex || e->name == cel::op::kOptIndex ||
            e->name == cel::op::kOptSelect);
  }

  void Chain(const Expr* e) {
    std::vector<std::pair<std::string, bool>> steps;  // key, soft; outermost first
    for (;;) {
      if (e->kind == ExprKind::kSelect) {
        steps.emplace_back(e->name, e->test_only);
        e = e->operand;
      } else if (IsIndex(e)) {
        const Expr* key = e->args[1];
        if (key->kind == ExprKind::kLiteral && key->literal.IsString()) {
          steps.emplace_back(key->literal.AsString(), e->name != cel::op::kIndex);
        } else {
          // What is taken by an index that is worked out: the field is what stands before it.
          Visit(key);
          steps.clear();
        }
        e = e->args[0];
      } else {
        break;
      }
    }
    if (e->kind != ExprKind::kIdent) return Visit(e);
    const cel::Reference& reference = ast_.references[static_cast<size_t>(e->id)];
    if (reference.is_constant || reference.slot < 0) return;  // a loop's variable
    switch (static_cast<Slot>(reference.slot)) {
      case kParamsSlot:
      case kKubeSlot:
      case kItemSlot:
      case kKeySlot: return;
      case kContainerTypeSlot: reads.container_type = true; return;
      case kObjectSlot:
      case kPodSlot:
      case kPodMetaSlot:
      case kContainerSlot: break;
      default: reads.known = false; return;
    }
    if (steps.empty()) {
      reads.known = false;
      return;
    }
    FieldRead read{.slot = static_cast<uint32_t>(reference.slot), .keys = {}};
    bool soft = steps.back().second;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      read.keys.push_back(std::move(step->first));
      if (!soft) break;
    }
    if (std::find(reads.fields.begin(), reads.fields.end(), read) == reads.fields.end()) {
      reads.fields.push_back(std::move(read));
    }
  }

  const cel::Ast& ast_;
};

}  // namespace

Reads ReadsOf(const cel::Ast& ast) {
  Finder finder(ast);
  finder.Visit(ast.root);
  return std::move(finder.reads);
}

namespace {

// Appends a value's kinds and contents, from which it could be read back; false if it is long.
bool Encode(const Value& v, std::string& out, int depth = 0) {
  constexpr size_t kLong = 300;
  if (out.size() > kLong || depth > 8) return false;
  auto number = [&](const auto& n) { out.append(reinterpret_cast<const char*>(&n), sizeof n); };
  out += static_cast<char>(v.kind());
  switch (v.kind()) {
    case Value::Kind::kNull: return true;
    case Value::Kind::kBool: out += v.AsBool() ? '1' : '0'; return true;
    case Value::Kind::kInt: number(v.AsInt()); return true;
    case Value::Kind::kUint: number(v.AsUint()); return true;
    case Value::Kind::kDouble: number(v.AsDouble()); return true;
    case Value::Kind::kDecimal:
    case Value::Kind::kString:
      if (v.size() > kLong) return false;
      number(static_cast<uint32_t>(v.size()));
      out += v.AsString();
      return true;
    case Value::Kind::kArray:
      number(static_cast<uint32_t>(v.size()));
      return std::all_of(v.items().begin(), v.items().end(),
                         [&](const Value& item) { return Encode(item, out, depth + 1); });
    case Value::Kind::kMap:
      number(static_cast<uint32_t>(v.size()));
      return std::all_of(v.entries().begin(), v.entries().end(), [&](const Value::Entry& entry) {
        return Encode(entry.key, out, depth + 1) && Encode(entry.value, out, depth + 1);
      });
    default: return false;
  }
}

}  // namespace

uint32_t FieldValues::IdOf(uint32_t field, const Value& value) {
  if (by_field_.size() <= field) by_field_.resize(field + 1);
  OfField& known = by_field_[field];
  // What hardly ever comes again is not worth looking for.
  if (known.missed > kTries && known.found < known.missed) return kOther;
  buffer_.clear();
  if (!Encode(value, buffer_)) {
    ++known.missed;
    return kOther;
  }
  auto found = known.ids.find(buffer_);
  if (found != known.ids.end()) {
    ++known.found;
    return found->second;
  }
  ++known.missed;
  if (known.ids.size() >= kMany) return kOther;
  auto id = static_cast<uint32_t>(known.ids.size()) + 1;
  known.ids.emplace(buffer_, id);
  return id;
}

uint32_t FieldIndex::Child(uint32_t node, const std::string& key) {
  for (const auto& [name, child] : nodes_[node].children) {
    if (name == key) return child;
  }
  auto made = static_cast<uint32_t>(nodes_.size());
  nodes_.emplace_back();
  nodes_[node].children.emplace_back(key, made);
  return made;
}

void FieldIndex::Mask::Add(const Mask& other) {
  parts.insert(parts.end(), other.parts.begin(), other.parts.end());
  for (uint32_t field : other.fields) {
    if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
  }
}

FieldIndex::Mask FieldIndex::Add(std::span<const FieldRead> fields) {
  Mask mask;
  for (const FieldRead& read : fields) {
    while (roots_.size() <= read.slot) {
      roots_.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.emplace_back();
    }
    uint32_t node = roots_[read.slot];
    for (const std::string& key : read.keys) node = Child(node, key);
    uint32_t& field = nodes_[node].field;
    if (field == kNone) field = fields_++;
    mask.parts.push_back({field / 64, uint64_t{1} << (field % 64)});
    if (std::find(mask.fields.begin(), mask.fields.end(), field) == mask.fields.end()) {
      mask.fields.push_back(field);
    }
  }
  return mask;
}

void FieldIndex::Mark(uint32_t slot, const Value& value, Present& present) const {
  if (slot < roots_.size()) MarkNode(roots_[slot], value, present);
}

void FieldIndex::MarkAll(uint32_t node, Present& present) const {
  // Not absent, and not to be compared: on the way to it is something else than a map.
  if (nodes_[node].field != kNone) present.Set(nodes_[node].field, FieldValues::kOther);
  for (const auto& [key, child] : nodes_[node].children) MarkAll(child, present);
}

void FieldIndex::MarkChild(uint32_t child, const Value& value, Present& present) const {
  uint32_t field = nodes_[child].field;
  if (field != kNone) present.Set(field, present.values->IdOf(field, value));
  if (!nodes_[child].children.empty()) MarkNode(child, value, present);
}

void FieldIndex::MarkNode(uint32_t node, const Value& value, Present& present) const {
  const auto& children = nodes_[node].children;
  if (!value.IsMap()) {
    for (const auto& [key, child] : children) MarkAll(child, present);
    return;
  }
  if (value.size() > 16) {
    for (const auto& [key, child] : children) {
      if (const Value* found = value.Find(key)) MarkChild(child, *found, present);
    }
    return;
  }
  for (const Value::Entry& entry : value.entries()) {
    if (!entry.key.IsString()) continue;
    std::string_view name = entry.key.AsString();
    for (const auto& [key, child] : children) {
      if (key == name) {
        MarkChild(child, entry.value, present);
        break;
      }
    }
  }
}

}  // namespace bulwark::posture
