#include "features/posture/variants.h"

#include <string>
#include <string_view>

#include "formats/json.h"

namespace bulwark::posture {

namespace {

Value Substitute(const Value& v, const Value& variant, Arena& arena) {
  switch (v.kind()) {
    case Value::Kind::kString: {
      std::string_view text = v.AsString();
      size_t at = text.find("${");
      if (at == std::string_view::npos) return v;
      std::string out;
      for (;;) {
        size_t close = at == std::string_view::npos ? at : text.find('}', at);
        if (close == std::string_view::npos) break;
        const Value* with = variant.Find(text.substr(at + 2, close - at - 2));
        if (with != nullptr && at == 0 && close + 1 == text.size() && out.empty()) return *with;
        out += text.substr(0, at);
        if (with == nullptr) {
          out += text.substr(at, close + 1 - at);
        } else {
          out += with->IsString() ? std::string(with->AsString()) : ToJson(*with);
        }
        text.remove_prefix(close + 1);
        at = text.find("${");
      }
      return Value::String(arena, out + std::string(text));
    }
    case Value::Kind::kArray: {
      std::vector<Value> items;
      for (const Value& item : v.items()) items.push_back(Substitute(item, variant, arena));
      return Value::Array(arena, items);
    }
    case Value::Kind::kMap: {
      MapBuilder map(arena, v.size());
      for (const auto& [key, value] : v.entries()) {
        map.Add(Substitute(key, variant, arena), Substitute(value, variant, arena));
      }
      return map.Finish();
    }
    default: return v;
  }
}

}  // namespace

std::vector<Value> ExpandVariants(const Value& check, Arena& arena) {
  const Value variants = check["variants"];
  if (variants.items().empty()) return {check};
  MapBuilder plain(arena, check.size());
  for (const auto& [key, value] : check.entries()) {
    if (key != Value::String("variants")) plain.Add(key, value);
  }
  Value one = plain.Finish();
  std::vector<Value> out;
  for (const Value& variant : variants.items()) out.push_back(Substitute(one, variant, arena));
  return out;
}

}  // namespace bulwark::posture
