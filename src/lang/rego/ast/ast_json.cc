#include "lang/rego/ast/ast_json.h"

#include <algorithm>

#include "formats/json.h"

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

std::string AnnotationsJsonText(const Annotations& annotations) {
  Arena arena;
  return ToJson(AnnotationsJson(annotations, arena));
}

}  // namespace bulwark::rego
