#include "detect/secrets.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "base/check.h"
#include "base/text.h"

namespace bulwark::detect {

namespace {

// `secret` is the group that holds the secret itself. `literal` is a text that every match
// contains, so that most texts are passed over without a regular expression; empty where there is
// none.
struct Format {
  const char* kind;
  const char* literal;
  const char* pattern;
};

constexpr Format kFormats[] = {
    {"private-key", "PRIVATE KEY", R"((-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----))"},
    {"aws-access-key-id", "A", R"(\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b)"},
    {"alibaba-access-key-id", "LTAI", R"(\b(LTAI[A-Za-z0-9]{12,26})\b)"},
    {"tencent-secret-id", "AKID", R"(\b(AKID[A-Za-z0-9]{32})\b)"},
    {"azure-storage-key", "AccountKey=", R"(AccountKey=([A-Za-z0-9+/]{86}==))"},
    {"azure-sas", "sig=", R"([?&]sig=([A-Za-z0-9%]{43,63}(?:%3D|=)))"},
    {"google-api-key", "AIza", R"(\b(AIza[A-Za-z0-9_\-]{35})\b)"},
    {"google-oauth-secret", "GOCSPX-", R"(\b(GOCSPX-[A-Za-z0-9_\-]{28})\b)"},
    {"github-token", "gh", R"(\b(gh[pousr]_[A-Za-z0-9]{36,255})\b)"},
    {"github-token", "github_pat_", R"(\b(github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b)"},
    {"gitlab-token", "glpat-", R"(\b(glpat-[A-Za-z0-9_\-]{20,})\b)"},
    {"slack-token", "xox", R"(\b(xox[abeoprs]-[A-Za-z0-9\-]{10,250})\b)"},
    {"slack-webhook", "hooks.slack.com",
     R"((https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,60}))"},
    {"stripe-key", "k_", R"(\b((?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,247})\b)"},
    {"sendgrid-key", "SG.", R"(\b(SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43})\b)"},
    {"npm-token", "npm_", R"(\b(npm_[A-Za-z0-9]{36})\b)"},
    {"pypi-token", "pypi-", R"(\b(pypi-AgE[A-Za-z0-9_\-]{50,})\b)"},
    {"docker-hub-token", "dckr_pat_", R"(\b(dckr_pat_[A-Za-z0-9_\-]{27})\b)"},
    {"openai-key", "sk-",
     R"(\b(sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_\-]{20,}T3BlbkFJ[A-Za-z0-9_\-]{20,})\b)"},
    {"anthropic-key", "sk-ant-", R"(\b(sk-ant-[a-z0-9]+-[A-Za-z0-9_\-]{80,})\b)"},
    {"hugging-face-token", "hf_", R"(\b(hf_[A-Za-z]{34})\b)"},
    {"digitalocean-token", "do", R"(\b(do[opr]_v1_[a-f0-9]{64})\b)"},
    {"vault-token", "hv", R"(\b(hv[sbr]\.[A-Za-z0-9_\-]{24,300})\b)"},
    {"telegram-bot-token", ":AA", R"(\b([0-9]{8,10}:AA[A-Za-z0-9_\-]{33})\b)"},
    {"dingtalk-webhook",
     "access_token=", R"(oapi\.dingtalk\.com/robot/send\?access_token=([a-f0-9]{64}))"},
    {"wecom-webhook", "qyapi.weixin",
     R"(qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=([a-f0-9\-]{36}))"},
    {"jwt", "eyJ", R"(\b(eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}))"},
    {"url-credentials", "://",
     R"([a-zA-Z][a-zA-Z0-9+.\-]*://[^\s/:@]*:([^\s/:@${}<>*]{3,})@[^\s/@])"},
    {"basic-auth-header", "asic ", R"((?i)authorization:\s*basic\s+([A-Za-z0-9+/]{12,}={0,2}))"},
};

const std::vector<std::unique_ptr<RE2>>& Patterns() {
  static const auto* all = [] {
    auto* out = new std::vector<std::unique_ptr<RE2>>;
    for (const Format& format : kFormats) {
      out->push_back(std::make_unique<RE2>(format.pattern, RE2::Quiet));
      BW_CHECK(out->back()->ok());
    }
    return out;
  }();
  return *all;
}

std::string Mask(std::string_view secret) {
  // Enough to recognise it, too little to use it.
  size_t shown = secret.size() >= 16 ? 4 : 0;
  while (shown > 0 && (static_cast<unsigned char>(secret[shown]) & 0xC0) == 0x80) --shown;
  return fmt::format("{}*** ({} characters)", secret.substr(0, shown), secret.size());
}

// Values that stand under a secret's name without being one.
bool IsHarmless(std::string_view value) {
  if (value.size() < 4) return true;
  if (value.find("$(") != std::string_view::npos || value.find("${") != std::string_view::npos ||
      value.find("{{") != std::string_view::npos || value.starts_with("$") ||
      value.starts_with("<") || value.starts_with("vault:") || value.starts_with("ref+") ||
      value.starts_with("secret:") || value.starts_with("projects/") || value.starts_with("arn:")) {
    return true;  // filled in or looked up from elsewhere
  }
  if (value.find('/') == 0 || value.starts_with("./") || value.starts_with("~/") ||
      value.find("://") != std::string_view::npos) {
    return true;  // a path; URLs with credentials are a format of their own
  }
  if (std::all_of(value.begin(), value.end(),
                  [](char c) { return (c >= '0' && c <= '9') || c == '.'; })) {
    return value.size() < 8;
  }
  static constexpr std::array<std::string_view, 16> kWords = {
      "true",     "false",  "none",  "null", "nil", "enabled", "disabled", "required",
      "optional", "always", "never", "file", "env", "default", "vault",    "kubernetes"};
  std::string lower = AsciiLower(value);
  return std::find(kWords.begin(), kWords.end(), lower) != kWords.end();
}

}  // namespace

double Entropy(std::string_view text) {
  if (text.empty()) return 0;
  std::array<size_t, 256> counts{};
  for (unsigned char c : text) ++counts[c];
  double bits = 0;
  for (size_t n : counts) {
    if (n == 0) continue;
    double p = static_cast<double>(n) / static_cast<double>(text.size());
    bits -= p * std::log2(p);
  }
  return bits;
}

bool NameSaysSecret(std::string_view name) {
  // Words, so that "tokenizer" and "secretary" are none: split at separators and at case changes.
  std::vector<std::string> words(1);
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    bool upper = c >= 'A' && c <= 'Z';
    bool after_lower = i > 0 && name[i - 1] >= 'a' && name[i - 1] <= 'z';
    bool letter = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter || (upper && after_lower)) words.emplace_back();
    if (letter) words.back() += upper ? static_cast<char>(c + 32) : c;
  }
  std::erase(words, "");
  static constexpr std::string_view kSecret[] = {
      "password",   "passwd",      "passphrase", "pwd",       "secret",    "token",    "apikey",
      "credential", "credentials", "privatekey", "secretkey", "accesskey", "authtoken"};
  // "TOKEN_FILE", "SECRET_NAME", "PASSWORD_MIN_LENGTH" speak about a secret, and hold none.
  static constexpr std::string_view kAbout[] = {
      "file",     "path",      "name",   "dir",    "ref",        "url",       "uri",     "endpoint",
      "length",   "size",      "ttl",    "expiry", "expiration", "expires",   "timeout", "interval",
      "enabled",  "type",      "header", "field",  "policy",     "namespace", "issuer",  "audience",
      "lifetime", "algorithm", "mount",  "id",     "count",      "limit",     "age",     "rotation",
      "mode",     "provider",  "prefix", "format", "public"};
  if (words.empty()) return false;
  auto is_one_of = [](std::string_view word, std::span<const std::string_view> list) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  if (is_one_of(words.back(), kAbout)) return false;
  for (size_t i = 0; i < words.size(); ++i) {
    if (is_one_of(words[i], kSecret)) return true;
    if (words[i] == "key" && i > 0 &&
        (words[i - 1] == "api" || words[i - 1] == "private" || words[i - 1] == "access" ||
         words[i - 1] == "encryption" || words[i - 1] == "signing" || words[i - 1] == "master")) {
      return true;
    }
  }
  return false;
}

std::vector<Secret> FindSecrets(std::string_view text) {
  std::vector<Secret> out;
  const auto& patterns = Patterns();
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (text.find(kFormats[i].literal) == std::string_view::npos) continue;
    re2::StringPiece rest(text.data(), text.size()), secret;
    while (RE2::FindAndConsume(&rest, *patterns[i], &secret)) {
      size_t begin = static_cast<size_t>(secret.data() - text.data());
      out.push_back(
          {kFormats[i].kind, Mask({secret.data(), secret.size()}), begin, begin + secret.size()});
    }
  }
  return out;
}

std::vector<Secret> FindSecretValue(std::string_view name, std::string_view value) {
  std::vector<Secret> out = FindSecrets(value);
  if (!out.empty() || !NameSaysSecret(name) || IsHarmless(value)) return out;
  bool random = value.size() >= 16 && Entropy(value) >= 3.5;
  out.push_back({random ? "high-entropy" : "named-secret", Mask(value), 0, value.size()});
  return out;
}

}  // namespace bulwark::detect
