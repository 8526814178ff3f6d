// XML 1.0 by expat. A document type declaration is read over, but one that declares entities is
// refused: they exist in attacks, and not in configuration.

#include <expat.h>
#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/text.h"
#include "formats/config/config.h"
#include "formats/config/errors.h"

namespace bulwark {

namespace {

// One element: what Conftest makes of it. Text is that after the last child, or all of it where
// there is none, as there.
struct Element {
  std::string_view name;
  std::string text;
  std::vector<std::pair<std::string_view, Value>> children;
};

class Reader {
 public:
  Reader(Arena& arena, const ConfigLimits& limits)
      : arena_(arena), limits_(limits), parser_(XML_ParserCreate(nullptr)) {
    stack_.emplace_back();  // the document
  }

  Result<Value> Read(std::string_view text) {
    BW_CHECK(parser_ != nullptr);
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), OnStart, OnEnd);
    XML_SetCharacterDataHandler(parser_.get(), OnText);
    XML_SetEntityDeclHandler(parser_.get(), OnEntity);
    if (XML_Parse(parser_.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) !=
        XML_STATUS_OK) {
      if (too_deep_) return config_internal::TooDeep(limits_.max_depth);
      std::string_view what = entity_ ? "declarations of entities are not read"
                                      : XML_ErrorString(XML_GetErrorCode(parser_.get()));
      return config_internal::SyntaxErrorAt(XML_GetCurrentLineNumber(parser_.get()),
                                            XML_GetCurrentColumnNumber(parser_.get()) + 1, what);
    }
    return Finish(stack_.front());
  }

 private:
  static void OnStart(void* self, const XML_Char* name, const XML_Char** attributes) {
    auto& reader = *static_cast<Reader*>(self);
    if (reader.stack_.size() > reader.limits_.max_depth) {
      reader.too_deep_ = true;
      XML_StopParser(reader.parser_.get(), XML_FALSE);
      return;
    }
    Element element;
    element.name = reader.arena_.Copy(Local(name));
    for (size_t i = 0; attributes[i] != nullptr; i += 2) {
      element.children.emplace_back(reader.arena_.Copy("-" + std::string(Local(attributes[i]))),
                                    Value::String(reader.arena_, attributes[i + 1]));
    }
    reader.fresh_ = true;
    reader.stack_.push_back(std::move(element));
  }

  static void OnEnd(void* self, const XML_Char*) {
    auto& reader = *static_cast<Reader*>(self);
    Element done = std::move(reader.stack_.back());
    reader.stack_.pop_back();
    reader.stack_.back().children.emplace_back(done.name, reader.Finish(done));
    reader.fresh_ = true;
  }

  static void OnText(void* self, const XML_Char* text, int length) {
    auto& reader = *static_cast<Reader*>(self);
    // expat gives a run of text in pieces; a new run takes the place of the one before.
    if (reader.fresh_) reader.stack_.back().text.clear();
    reader.fresh_ = false;
    reader.stack_.back().text.append(text, static_cast<size_t>(length));
  }

  static void OnEntity(void* self, const XML_Char*, int, const XML_Char*, int, const XML_Char*,
                       const XML_Char*, const XML_Char*, const XML_Char*) {
    auto& reader = *static_cast<Reader*>(self);
    reader.entity_ = true;
    XML_StopParser(reader.parser_.get(), XML_FALSE);
  }

  static std::string_view Local(std::string_view name) {
    size_t colon = name.find(':');
    return colon == std::string_view::npos || colon + 1 == name.size() ? name
                                                                       : name.substr(colon + 1);
  }

  Value Finish(const Element& element) {
    std::string_view text = Trim(element.text);
    if (element.children.empty()) return Value::String(arena_, text);
    // Children of one name are an array, in the place of the first.
    std::map<std::string_view, std::vector<Value>> by_name;
    std::vector<std::string_view> order;
    for (const auto& [name, value] : element.children) {
      auto& list = by_name[name];
      if (list.empty()) order.push_back(name);
      list.push_back(value);
    }
    MapBuilder out(arena_);
    if (!text.empty()) out.Add("#content", Value::String(arena_, text));
    for (std::string_view name : order) {
      const auto& list = by_name[name];
      out.Add(name, list.size() == 1 ? list.front() : Value::Array(arena_, list));
    }
    return out.Finish();
  }

  struct FreeParser {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  Arena& arena_;
  ConfigLimits limits_;
  std::unique_ptr<XML_ParserStruct, FreeParser> parser_;
  std::vector<Element> stack_;
  bool fresh_ = true, too_deep_ = false, entity_ = false;
};

}  // namespace

Result<Value> ParseXml(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  // Its own declaration may say another encoding than UTF-8, which expat reads.
  if (text.size() > limits.max_bytes || text.size() > INT32_MAX) {
    BW_TRY(config_internal::CheckText(text, limits));
    return Error(Code::kLimit, "config.too_big", "more than 2 GiB");
  }
  return Reader(arena, limits).Read(text);
}

}  // namespace bulwark
