#include "features/audit/redact.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.h"
#include "detect/secrets.h"
#include "formats/json.h"

namespace bulwark::audit {

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

bool IsData(std::string_view key) {
  return key == "data" || key == "stringData" || key == "binaryData";
}

bool HoldsSecrets(const Value& object) {
  std::string_view kind = object.StringAt("kind");
  return kind == "Secret" || kind == "ConfigMap" || kind == "SecretList" || kind == "ConfigMapList";
}

// Fields that hold a credential whatever it looks like.
bool AlwaysSecret(std::string_view key) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "token",        "password",      "passwd",      "access_token",
      "id_token",     "refresh_token", "bearerToken", "client-key-data",
      "clientSecret", "client_secret", "secretKey",   "privateKey"};
  return std::find(kNames.begin(), kNames.end(), key) != kNames.end();
}

// Cheap: most keys of Kubernetes' objects say nothing of the sort.
bool MaySaySecret(std::string_view name) {
  static constexpr std::string_view kHints[] = {"pass", "pwd", "secret", "token", "key", "cred"};
  char lower[64];
  size_t n = std::min(name.size(), sizeof lower);
  for (size_t i = 0; i < n; ++i) lower[i] = AsciiLower(name[i]);
  std::string_view text(lower, n);
  return std::any_of(std::begin(kHints), std::end(kHints), [&](std::string_view hint) {
    return text.find(hint) != std::string_view::npos;
  });
}

bool IsSecretValue(std::string_view name, std::string_view value) {
  return MaySaySecret(name) && !detect::FindSecretValue(name, value).empty();
}

class Writer {
 public:
  Writer(std::string& out, const RedactOptions& options) : out_(out), options_(options) {}

  void Any(const Value& v, bool secret, bool top) {
    if (v.IsMap()) return Map(v, secret || HoldsSecrets(v), top);
    if (v.IsArray()) {
      out_ += '[';
      bool first = true;
      for (const Value& item : v.items()) {
        if (!first) out_ += ',';
        first = false;
        Any(item, secret, false);
      }
      out_ += ']';
      return;
    }
    if (v.IsString() && v.size() > options_.max_string) {
      AppendJsonString(out_, ToValidUtf8(v.AsString().substr(0, options_.max_string)) + "…");
      return;
    }
    AppendJson(out_, v);
  }

 private:
  void Map(const Value& map, bool secret, bool top) {
    // An environment variable, or an operation of a JSON Patch on a Secret.
    bool variable = false, patch = false;
    if (map.size() >= 2 && map.size() <= 4) {
      std::string_view name = map.StringAt("name");
      const Value* value = map.Find("value");
      variable = !name.empty() && value != nullptr && value->IsString() &&
                 IsSecretValue(name, value->AsString());
      patch = secret && map.Find("op") != nullptr && value != nullptr;
    }
    out_ += '{';
    bool first = true;
    for (const auto& [k, value] : map.entries()) {
      std::string_view key = k.IsString() ? k.AsString() : std::string_view("?");
      if (key == "managedFields") continue;
      if (!options_.annotations && key == "annotations" && !top) continue;
      if (top && !options_.objects && (key == "requestObject" || key == "responseObject")) {
        continue;
      }
      if (!first) out_ += ',';
      first = false;
      AppendJsonString(out_, key);
      out_ += ':';
      if (((variable || patch) && key == "value") || key == kLastApplied ||
          (AlwaysSecret(key) && value.IsString() && !value.empty())) {
        AppendJsonString(out_, kRedacted);
      } else if (secret && IsData(key)) {
        Data(value);
      } else if (top && key == "requestURI" && value.IsString()) {
        AppendJsonString(out_, RedactUri(value.AsString()));
      } else if (value.IsString() && value.size() >= 8 && IsSecretValue(key, value.AsString())) {
        AppendJsonString(out_, kRedacted);
      } else {
        Any(value, secret, false);
      }
    }
    out_ += '}';
  }

  // The names of the entries stay.
  void Data(const Value& data) {
    if (data.IsNull()) {
      out_ += "null";
      return;
    }
    if (!data.IsMap()) {
      AppendJsonString(out_, kRedacted);
      return;
    }
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : data.entries()) {
      if (!first) out_ += ',';
      first = false;
      AppendJsonString(out_, key.IsString() ? key.AsString() : std::string_view("?"));
      out_ += ':';
      AppendJsonString(out_, kRedacted);
    }
    out_ += '}';
  }

  std::string& out_;
  const RedactOptions& options_;
};

}  // namespace

void AppendRedacted(std::string& out, const Value& value, const RedactOptions& options) {
  std::string text;
  Writer(text, options).Any(value, options.secret_resource, true);
  out += RedactText(std::move(text));
}

std::string RedactText(std::string text) {
  auto found = detect::FindSecrets(text);
  if (found.empty()) return text;
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.begin < b.begin || (a.begin == b.begin && a.end > b.end);
  });
  std::string out;
  size_t at = 0;
  for (const detect::Secret& secret : found) {
    if (secret.begin < at || secret.end > text.size()) continue;
    size_t end = secret.end;
    if (secret.kind == "private-key") {
      // What was found is the first line: the key reaches to its last one, or to the end of the
      // text that it stands in.
      size_t last = text.find("-----END", end);
      size_t quote = text.find('"', end);
      end = std::min({last, quote, text.size()});
    }
    out.append(text, at, secret.begin - at);
    out += kRedacted;
    at = end;
  }
  out.append(text, at);
  return out;
}

std::string RedactUri(std::string_view uri) {
  size_t question = uri.find('?');
  if (question == std::string_view::npos) return std::string(uri);
  std::string out(uri.substr(0, question + 1));
  bool first = true;
  for (std::string_view parameter : Split(uri.substr(question + 1), '&')) {
    if (!first) out += '&';
    first = false;
    auto pair = Cut(parameter, "=");
    if (pair && (AlwaysSecret(pair->first) || detect::NameSaysSecret(pair->first))) {
      out.append(pair->first).append("=").append(kRedacted);
    } else {
      out += parameter;
    }
  }
  return RedactText(std::move(out));
}

}  // namespace bulwark::audit
