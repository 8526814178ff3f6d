#include "model/catalog.h"

#include "base/check.h"

namespace bulwark {

void Catalog::Add(std::string id, Text text) {
  auto [at, added] = texts_.try_emplace(std::move(id), text);
  BW_CHECK(added || (at->second.en == text.en && at->second.zh == text.zh));
}

const Text* Catalog::Find(std::string_view id) const {
  auto at = texts_.find(id);
  return at == texts_.end() ? nullptr : &at->second;
}

std::string Catalog::Message(std::string_view id, const MessageArgs& args,
                             Language language) const {
  if (const Text* text = Find(id)) return Render(text->In(language), args);
  std::string out(id);
  for (const auto& [name, value] : args) out += " " + name + "=" + value;
  return out;
}

std::string Catalog::Message(const Error& error, Language language) const {
  const Text* text = Find(error.id());
  if (text == nullptr) return error.ToString();
  MessageArgs args;
  for (const Error::Arg& arg : error.args()) args.emplace_back(arg.name, arg.value);
  return Render(text->In(language), args);
}

}  // namespace bulwark
