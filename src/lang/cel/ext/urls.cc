#include "lang/cel/ext/urls.h"

#include <map>

#include "base/hash.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {

bool UrlValue::Equals(const Opaque& other) const {
  return other.tag() == kExtensionTag && other.TypeName() == kTypeName &&
         static_cast<const UrlValue&>(other).url_.ToString() == url_.ToString();
}

uint64_t UrlValue::Hash() const { return XxHash64(url_.ToString()); }

namespace {

Value ToUrl(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  // Only absolute URLs and paths are taken, but then fragments are understood.
  Result<GoUrl> url = GoUrl::ParseRequestUri(args[0].AsString());
  if (url) url = GoUrl::Parse(args[0].AsString());
  if (!url) {
    return ctx.Error("URL parse error during conversion from string: " + url.error().message());
  }
  return Value::FromOpaque(ctx.arena.Own<UrlValue>(*std::move(url)));
}

Value IsUrl(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  return Value::Bool(GoUrl::ParseRequestUri(args[0].AsString()).has_value());
}

std::string GetScheme(const GoUrl& url) { return url.scheme; }
std::string GetHost(const GoUrl& url) { return url.host; }
std::string GetHostname(const GoUrl& url) { return url.Hostname(); }
std::string GetPort(const GoUrl& url) { return url.Port(); }
std::string GetEscapedPath(const GoUrl& url) { return url.EscapedPath(); }

template <std::string (*kPart)(const GoUrl&)>
Value Get(CallContext& ctx, std::span<const Value> args) {
  const UrlValue* url = args.size() == 1 ? As<UrlValue>(args[0]) : nullptr;
  if (url == nullptr) return NoSuchOverload(ctx);
  return Value::String(ctx.arena, kPart(url->url()));
}

Value GetQuery(CallContext& ctx, std::span<const Value> args) {
  const UrlValue* url = args.size() == 1 ? As<UrlValue>(args[0]) : nullptr;
  if (url == nullptr) return NoSuchOverload(ctx);
  std::map<std::string, std::vector<Value>> by_name;
  for (const auto& [name, value] : url->url().Query()) {
    by_name[name].push_back(Value::String(ctx.arena, value));
  }
  MapBuilder map(ctx.arena, by_name.size());
  for (const auto& [name, values] : by_name) {
    map.Add(ctx.arena.Copy(name), List(ctx.arena, values));
  }
  return map.Finish();
}

}  // namespace

const Library& Urls() {
  static const Library kLibrary = [] {
    const Type s = Type::String();
    const Type url = StructNamed(UrlValue::kTypeName);
    Library lib;
    lib.name = "kubernetes.urls";
    lib.functions = {
        {"url", {Global("string_to_url", {s}, url, ToUrl, kTraversalSameSize)}},
        {"isURL", {Global("is_url_string", {s}, Type::Bool(), IsUrl)}},
        {"getScheme", {Member("url_get_scheme", {url}, s, Get<GetScheme>)}},
        {"getHost", {Member("url_get_host", {url}, s, Get<GetHost>)}},
        {"getHostname", {Member("url_get_hostname", {url}, s, Get<GetHostname>)}},
        {"getPort", {Member("url_get_port", {url}, s, Get<GetPort>)}},
        {"getEscapedPath", {Member("url_get_escaped_path", {url}, s, Get<GetEscapedPath>)}},
        {"getQuery", {Member("url_get_query", {url}, MapOf(s, ListOf(s)), GetQuery)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
