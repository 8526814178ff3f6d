#include "model/catalog.h"

#include "base/check.h"

namespace bulwark {

namespace {

// Arguments of an error that are those of its reason.
constexpr std::string_view kWhyArg = "why.";
constexpr std::string_view kWhyId = "why.#";

}  // namespace

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
  MessageArgs args, why_args;
  std::string why_id;
  for (const Error::Arg& arg : error.args()) {
    if (arg.name == kWhyId) {
      why_id = arg.value;
    } else if (arg.name.starts_with(kWhyArg)) {
      why_args.emplace_back(arg.name.substr(kWhyArg.size()), arg.value);
    } else {
      args.emplace_back(arg.name, arg.value);
    }
  }
  if (const Text* why = why_id.empty() ? nullptr : Find(why_id)) {
    for (auto& [name, value] : args) {
      if (name != "why") continue;
      why_args.emplace_back("message", value);
      value = Render(why->In(language), why_args);
    }
  }
  args.emplace_back("message", error.ToString());
  return Render(text->In(language), args);
}

void AddWhy(std::vector<Error::Arg>& args, const Error& why) {
  args.push_back({"why", why.ToString()});
  args.push_back({std::string(kWhyId), why.id()});
  for (const Error::Arg& arg : why.args()) {
    // A reason's own reason is said as it is.
    if (!arg.name.starts_with(kWhyArg))
      args.push_back({std::string(kWhyArg) + arg.name, arg.value});
  }
}

}  // namespace bulwark
