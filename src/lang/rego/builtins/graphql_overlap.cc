#include "lang/rego/builtins/graphql_overlap.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulwark::rego {

namespace {

constexpr size_t kMaxDepth = 300;

bool SameValue(const GqlValue& a, const GqlValue& b) {
  if (a.kind != b.kind || a.raw != b.raw || a.children.size() != b.children.size()) return false;
  auto ordered = [](const GqlValue& value) {
    std::vector<const GqlValue::Child*> children;
    for (const GqlValue::Child& child : value.children) children.push_back(&child);
    if (value.kind == GqlKind::kObject) {
      std::stable_sort(
          children.begin(), children.end(),
          [](const GqlValue::Child* x, const GqlValue::Child* y) { return x->name < y->name; });
    }
    return children;
  };
  std::vector<const GqlValue::Child*> x = ordered(a);
  std::vector<const GqlValue::Child*> y = ordered(b);
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i]->name != y[i]->name || !SameValue(*x[i]->value, *y[i]->value)) return false;
  }
  return true;
}

bool SameArguments(const std::vector<GqlArgument>& a, const std::vector<GqlArgument>& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&](const GqlArgument& x) {
    return std::any_of(b.begin(), b.end(), [&](const GqlArgument& y) {
      return x.name == y.name && SameValue(*x.value, *y.value);
    });
  });
}

}  // namespace

std::string GqlOverlaps::Conflict::Text() const {
  if (parts.empty()) return message;
  std::string out;
  for (const Conflict& part : parts) {
    if (!out.empty()) out += " and ";
    out += fmt::format("subfields \"{}\" conflict because {}", part.name, part.Text());
  }
  return out;
}

const GqlOverlaps::Collected& GqlOverlaps::Collect(const std::vector<GqlSelection*>& selections) {
  std::unique_ptr<Collected>& found = collected_[&selections];
  if (found == nullptr) {
    found = std::make_unique<Collected>();
    CollectInto(selections, *found);
  }
  return *found;
}

void GqlOverlaps::CollectInto(const std::vector<GqlSelection*>& selections, Collected& out) {
  for (const GqlSelection* selection : selections) {
    if (!Go()) return;
    switch (selection->kind) {
      case GqlSelection::Kind::kField: {
        const std::string& name = selection->ResponseName();
        auto [at, added] = out.index.emplace(name, out.fields.size());
        if (added) out.fields.push_back({name, {}});
        out.fields[at->second].second.push_back(selection);
        break;
      }
      case GqlSelection::Kind::kInline: CollectInto(selection->selections, out); break;
      case GqlSelection::Kind::kSpread: out.spreads.push_back(selection); break;
    }
  }
}

void GqlOverlaps::Check(const std::vector<GqlSelection*>& selections,
                        std::vector<GqlError>& errors) {
  if (selections.empty() || !Go()) return;
  const Collected& set = Collect(selections);
  Conflicts conflicts;
  for (const auto& [name, fields] : set.fields) {
    for (size_t i = 0; i < fields.size(); ++i) {
      for (size_t j = i + 1; j < fields.size() && Go(); ++j) {
        Compare(conflicts, false, *fields[i], *fields[j]);
      }
    }
  }
  compared_fragments_.clear();
  for (size_t i = 0; i < set.spreads.size(); ++i) {
    FieldsAndFragment(conflicts, false, set, *set.spreads[i]);
    for (size_t j = i + 1; j < set.spreads.size() && Go(); ++j) {
      Fragments(conflicts, false, *set.spreads[i], *set.spreads[j]);
    }
  }
  for (const Conflict& conflict : conflicts) {
    errors.push_back({conflict.place,
                      fmt::format("Fields \"{}\" conflict because {}. Use different aliases on the "
                                  "fields to fetch both if this was intentional.",
                                  conflict.name, conflict.Text())});
  }
}

void GqlOverlaps::FieldsAndFragment(Conflicts& out, bool exclusive, const Collected& fields,
                                    const GqlSelection& spread) {
  if (!Go() || depth_ > kMaxDepth) return;
  if (!compared_fragments_.insert(spread.name).second) return;
  if (spread.fragment == nullptr) return;
  const Collected& other = Collect(spread.fragment->selections);
  if (&other == &fields) return;
  Between(out, exclusive, fields, other);
  ++depth_;
  for (const GqlSelection* further : other.spreads) {
    if (further->name != spread.name) FieldsAndFragment(out, exclusive, fields, *further);
  }
  --depth_;
}

void GqlOverlaps::Fragments(Conflicts& out, bool exclusive, const GqlSelection& a,
                            const GqlSelection& b) {
  if (a.name == b.name || !Go() || depth_ > kMaxDepth) return;
  std::pair<std::string_view, std::string_view> pair =
      std::minmax(std::string_view(a.name), std::string_view(b.name));
  auto [known, added] = compared_pairs_.emplace(pair, exclusive);
  if (!added) {
    // What was compared as exclusive was not compared in full.
    if (exclusive || !known->second) return;
    known->second = exclusive;
  }
  if (a.fragment == nullptr || b.fragment == nullptr) return;
  const Collected& x = Collect(a.fragment->selections);
  const Collected& y = Collect(b.fragment->selections);
  Between(out, exclusive, x, y);
  ++depth_;
  for (const GqlSelection* further : y.spreads) Fragments(out, exclusive, a, *further);
  for (const GqlSelection* further : x.spreads) Fragments(out, exclusive, *further, b);
  --depth_;
}

void GqlOverlaps::Between(Conflicts& out, bool exclusive, const Collected& a, const Collected& b) {
  for (const auto& [name, fields] : a.fields) {
    auto found = b.index.find(name);
    if (found == b.index.end()) continue;
    for (const GqlSelection* x : fields) {
      for (const GqlSelection* y : b.fields[found->second].second) {
        if (!Go()) return;
        Compare(out, exclusive, *x, *y);
      }
    }
  }
}

void GqlOverlaps::Subselections(Conflicts& out, bool exclusive, const std::vector<GqlSelection*>& a,
                                const std::vector<GqlSelection*>& b) {
  const Collected& x = Collect(a);
  const Collected& y = Collect(b);
  Between(out, exclusive, x, y);
  for (const GqlSelection* spread : y.spreads) {
    compared_fragments_.clear();
    FieldsAndFragment(out, exclusive, x, *spread);
  }
  for (const GqlSelection* spread : x.spreads) {
    compared_fragments_.clear();
    FieldsAndFragment(out, exclusive, y, *spread);
  }
  for (const GqlSelection* first : x.spreads) {
    for (const GqlSelection* second : y.spreads) Fragments(out, exclusive, *first, *second);
  }
}

void GqlOverlaps::Compare(Conflicts& out, bool parents_exclusive, const GqlSelection& a,
                          const GqlSelection& b) {
  if (a.parent == nullptr || b.parent == nullptr || depth_ > kMaxDepth) return;
  bool exclusive = parents_exclusive || (a.parent->name != b.parent->name &&
                                         a.parent->kind == "OBJECT" && b.parent->kind == "OBJECT" &&
                                         a.definition != nullptr && b.definition != nullptr);
  auto conflict = [&](std::string message) {
    out.push_back(
        {.message = std::move(message), .name = a.ResponseName(), .parts = {}, .place = b.place});
  };
  if (!exclusive) {
    if (a.name != b.name) {
      return conflict(fmt::format("\"{}\" and \"{}\" are different fields", a.name, b.name));
    }
    if (!SameArguments(a.arguments, b.arguments)) {
      return conflict("they have differing arguments");
    }
  }
  if (a.definition != nullptr && b.definition != nullptr &&
      TypesConflict(*a.definition->type, *b.definition->type)) {
    return conflict(fmt::format("they return conflicting types \"{}\" and \"{}\"",
                                a.definition->type->Text(), b.definition->type->Text()));
  }
  Conflicts parts;
  ++depth_;
  Subselections(parts, exclusive, a.selections, b.selections);
  --depth_;
  if (parts.empty()) return;
  out.push_back(
      {.message = {}, .name = a.ResponseName(), .parts = std::move(parts), .place = b.place});
}

bool GqlOverlaps::TypesConflict(const GqlType& a, const GqlType& b) const {
  if (a.element != nullptr && b.element != nullptr) return TypesConflict(*a.element, *b.element);
  if (a.element != nullptr || b.element != nullptr || a.non_null != b.non_null) return true;
  const GqlDefinition* x = schema_.Type(a.name);
  const GqlDefinition* y = schema_.Type(b.name);
  return x != nullptr && y != nullptr && x->IsLeaf() && y->IsLeaf() && x->name != y->name;
}

}  // namespace bulwark::rego
