#include "platform/auth/providers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"
#include "platform/auth/credentials.h"
#include "platform/auth/state.h"

namespace bulwark::auth {
namespace {

// What is named in the settings and is none of these is a mistake that must not pass unseen.
Result<> OnlyFields(const Value& value, std::string_view where,
                    std::initializer_list<std::string_view> known) {
  if (!value.IsMap()) return FieldError(where, "an object is expected");
  for (const Value::Entry& entry : value.entries()) {
    std::string_view name = entry.key.AsString();
    if (std::ranges::find(known, name) == known.end()) {
      return FieldError(fmt::format("{}.{}", where, ToValidUtf8(name.substr(0, 64))), "not known");
    }
  }
  return Ok{};
}

Result<> Take(const Value& value, std::string_view field, size_t max, std::string& out) {
  std::string text = BW_TRY(TextField(value, field, max, false));
  if (!text.empty()) out = std::move(text);
  return Ok{};
}

Result<> TakeList(const Value& value, std::string_view field, std::vector<std::string>& out) {
  std::vector<std::string> list = BW_TRY(ListField(value, field, 50, 200));
  if (value.Find(field) != nullptr) out = std::move(list);
  return Ok{};
}

Result<OidcConfig> ParseOidc(const Value& v) {
  BW_TRY(OnlyFields(v, "oidc",
                    {"issuer", "clientId", "clientSecret", "scopes", "groupsClaims", "userClaim",
                     "nameClaim", "caPem", "algorithms"}));
  OidcConfig c;
  c.issuer = BW_TRY(TextField(v, "issuer", 500, true));
  if (!c.issuer.starts_with("https://") || c.issuer.find_first_of("?# ") != std::string::npos) {
    return FieldError("oidc.issuer", "an https URL without query is expected");
  }
  c.client_id = BW_TRY(TextField(v, "clientId", 255, true));
  c.client_secret = BW_TRY(TextField(v, "clientSecret", 1024, false));
  BW_TRY(TakeList(v, "scopes", c.scopes));
  for (const std::string& scope : c.scopes) {
    if (!std::ranges::all_of(scope, [](char ch) { return ch > 0x20 && ch < 0x7f; })) {
      return FieldError("oidc.scopes", "words without blanks are expected");
    }
  }
  if (std::ranges::find(c.scopes, "openid") == c.scopes.end()) {
    c.scopes.insert(c.scopes.begin(), "openid");
  }
  BW_TRY(TakeList(v, "groupsClaims", c.groups_claims));
  BW_TRY(Take(v, "userClaim", 200, c.user_claim));
  BW_TRY(Take(v, "nameClaim", 200, c.name_claim));
  BW_TRY(Take(v, "caPem", 64 << 10, c.ca_pem));
  BW_TRY(TakeList(v, "algorithms", c.algorithms));
  static constexpr std::string_view kAlgorithms[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                     "PS512", "ES256", "ES384", "ES512", "EdDSA"};
  for (const std::string& a : c.algorithms) {
    if (std::ranges::find(kAlgorithms, a) == std::end(kAlgorithms)) {
      return FieldError("oidc.algorithms", Quote(a) + " is not one that is taken");
    }
  }
  return c;
}

Result<LdapConfig> ParseLdap(const Value& v) {
  BW_TRY(OnlyFields(
      v, "ldap",
      {"url", "caPem", "bindDn", "bindPassword", "userBase", "userFilter", "idAttribute",
       "nameAttribute", "emailAttribute", "groupBase", "groupFilter", "groupAttribute"}));
  LdapConfig c;
  c.url = BW_TRY(TextField(v, "url", 500, true));
  BW_TRY(Take(v, "caPem", 64 << 10, c.ca_pem));
  BW_TRY(Take(v, "bindDn", 500, c.bind_dn));
  BW_TRY(Take(v, "bindPassword", 1024, c.bind_password));
  c.user_base = BW_TRY(TextField(v, "userBase", 500, true));
  BW_TRY(Take(v, "userFilter", 1000, c.user_filter));
  BW_TRY(Take(v, "idAttribute", 100, c.id_attribute));
  BW_TRY(Take(v, "nameAttribute", 100, c.name_attribute));
  BW_TRY(Take(v, "emailAttribute", 100, c.email_attribute));
  BW_TRY(Take(v, "groupBase", 500, c.group_base));
  BW_TRY(Take(v, "groupFilter", 1000, c.group_filter));
  BW_TRY(Take(v, "groupAttribute", 100, c.group_attribute));
  BW_TRY(CheckLdapConfig(c));
  return c;
}

Result<KubernetesConfig> ParseKubernetes(const Value& v) {
  BW_TRY(
      OnlyFields(v, "kubernetes", {"cluster", "audience", "group", "resource", "verb", "roles"}));
  KubernetesConfig c;
  c.cluster = BW_TRY(TextField(v, "cluster", 253, true));
  // It becomes a scope.
  if (!std::ranges::all_of(c.cluster, [](char ch) {
        return IsAsciiLetter(ch) || IsAsciiDigit(ch) || ch == '-' || ch == '.';
      })) {
    return FieldError("kubernetes.cluster", "the id of a cluster is expected");
  }
  BW_TRY(Take(v, "audience", 253, c.audience));
  BW_TRY(Take(v, "group", 253, c.group));
  BW_TRY(Take(v, "resource", 253, c.resource));
  BW_TRY(Take(v, "verb", 63, c.verb));
  BW_TRY(TakeList(v, "roles", c.roles));
  for (const std::string& role : c.roles) {
    if (!IsLocalName(role)) return FieldError("kubernetes.roles", "names of roles are expected");
  }
  return c;
}

Value Texts(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> items;
  for (const std::string& t : texts) items.push_back(Value::String(arena, t));
  return Value::Array(arena, items);
}

}  // namespace

std::string_view ProviderKindName(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::kOidc: return "oidc";
    case ProviderKind::kLdap: return "ldap";
    case ProviderKind::kKubernetes: return "kubernetes";
  }
  BW_UNREACHABLE();
}

Result<Provider> ParseProvider(std::string_view name, const Value& value) {
  BW_TRY(OnlyFields(value, "provider",
                    {"name", "kind", "title", "enabled", "oidc", "ldap", "kubernetes"}));
  Provider p;
  p.name = name;
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || IsAsciiDigit(c) || c == '-'; };
  if (name.empty() || name.size() > 32 || !std::ranges::all_of(name, plain) || name[0] == '-') {
    return FieldError("name", "lower-case letters, digits and - are expected, at most 32");
  }
  p.title = BW_TRY(TextField(value, "title", 100, false));
  p.enabled = !value["enabled"].IsFalse();
  std::string kind = BW_TRY(TextField(value, "kind", 16, true));
  if (kind == "oidc") {
    p.kind = ProviderKind::kOidc;
    p.oidc = BW_TRY(ParseOidc(value["oidc"]));
  } else if (kind == "ldap") {
    p.kind = ProviderKind::kLdap;
    p.ldap = BW_TRY(ParseLdap(value["ldap"]));
  } else if (kind == "kubernetes") {
    p.kind = ProviderKind::kKubernetes;
    p.kubernetes = BW_TRY(ParseKubernetes(value["kubernetes"]));
  } else {
    return FieldError("kind", "oidc, ldap or kubernetes is expected");
  }
  return p;
}

std::string ToRecord(const Provider& p) {
  Arena arena;
  MapBuilder out(arena), in(arena);
  auto text = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) in.Add(name, Value::String(arena, value));
  };
  out.Add("name", Value::String(p.name)).Add("kind", Value::String(ProviderKindName(p.kind)));
  if (!p.title.empty()) out.Add("title", Value::String(p.title));
  out.Add("enabled", Value::Bool(p.enabled));
  switch (p.kind) {
    case ProviderKind::kOidc:
      text("issuer", p.oidc.issuer);
      text("clientId", p.oidc.client_id);
      in.Add("scopes", Texts(p.oidc.scopes, arena));
      in.Add("groupsClaims", Texts(p.oidc.groups_claims, arena));
      text("userClaim", p.oidc.user_claim);
      text("nameClaim", p.oidc.name_claim);
      text("caPem", p.oidc.ca_pem);
      in.Add("algorithms", Texts(p.oidc.algorithms, arena));
      break;
    case ProviderKind::kLdap:
      text("url", p.ldap.url);
      text("caPem", p.ldap.ca_pem);
      text("bindDn", p.ldap.bind_dn);
      text("userBase", p.ldap.user_base);
      text("userFilter", p.ldap.user_filter);
      text("idAttribute", p.ldap.id_attribute);
      text("nameAttribute", p.ldap.name_attribute);
      text("emailAttribute", p.ldap.email_attribute);
      text("groupBase", p.ldap.group_base);
      text("groupFilter", p.ldap.group_filter);
      text("groupAttribute", p.ldap.group_attribute);
      break;
    case ProviderKind::kKubernetes:
      text("cluster", p.kubernetes.cluster);
      text("audience", p.kubernetes.audience);
      text("group", p.kubernetes.group);
      text("resource", p.kubernetes.resource);
      text("verb", p.kubernetes.verb);
      in.Add("roles", Texts(p.kubernetes.roles, arena));
      break;
  }
  out.Add(ProviderKindName(p.kind), in.Finish());
  return ToJson(out.Finish());
}

Providers::Providers(store::StateStore& state, vault::Vault& vault,
                     std::vector<std::string> allow_addresses, std::function<Timestamp()> now)
    : state_(state), vault_(vault), now_(std::move(now)) {
  Result<net::UrlGuard> guard = net::UrlGuard::Make({.allow = std::move(allow_addresses)});
  if (!guard) {
    // Then nothing is allowed beside.
    Log(Level::kError, "auth.allow_addresses", {{"error", guard.error()}});
    guard = net::UrlGuard::Make({});
  }
  guard_ = std::make_shared<net::UrlGuard>(std::move(guard).value());
}

Result<std::shared_ptr<const Providers::Open>> Providers::Find(std::string_view name) {
  Error none(Code::kNotFound, "auth.not_found", "there is no such log-in provider",
             {{"what", std::string(name)}});
  std::optional<store::Record> record = BW_TRY(state_.Get(kProviders, name));
  if (!record) return none;
  std::lock_guard lock(mutex_);
  auto cached = cache_.find(name);
  if (cached == cache_.end() || cached->second.revision != record->revision) {
    Arena arena;
    Value settings = BW_TRY(ParseJson(record->body, arena));
    Provider p = BW_TRY(ParseProvider(name, settings));
    auto secret = [&](std::string_view field, std::string& to) -> Result<> {
      Result<std::string> text = vault_.Get({std::string(kProviders), p.name, std::string(field)});
      if (text)
        to = std::move(*text);
      else if (text.error().code() != Code::kNotFound)
        return std::move(text).error();
      return Ok{};
    };
    BW_TRY(secret("clientSecret", p.oidc.client_secret));
    BW_TRY(secret("bindPassword", p.ldap.bind_password));
    auto open = std::make_shared<Open>();
    if (p.kind == ProviderKind::kOidc) {
      open->oidc = std::make_shared<OidcClient>(p.oidc, guard_, now_);
    }
    open->provider = std::move(p);
    cached = cache_.insert_or_assign(std::string(name), Cached{record->revision, open}).first;
  }
  if (!cached->second.open->provider.enabled) return none;
  return cached->second.open;
}

Result<std::vector<Provider>> Providers::List() {
  std::vector<Provider> out;
  auto take = [&](const store::Record& record) -> Result<> {
    Arena arena;
    Value settings = BW_TRY(ParseJson(record.body, arena));
    Provider p = BW_TRY(ParseProvider(record.key, settings));
    if (p.enabled) out.push_back(std::move(p));
    return Ok{};
  };
  BW_TRY(state_.Scan(kProviders, store::Query::All(), take));
  return out;
}

Result<> Providers::CheckAddresses(const Provider& provider) const {
  if (provider.kind == ProviderKind::kOidc) return guard_->CheckUrl(provider.oidc.issuer);
  if (provider.kind == ProviderKind::kLdap) {
    // The guard asks for the host alone.
    auto parts = Cut(provider.ldap.url, "://");
    return guard_->CheckUrl("https://" + std::string(parts ? parts->second : ""));
  }
  return Ok{};
}

}  // namespace bulwark::auth
