#pragma once

// Secrets in text: tokens whose format is known (cloud access keys, API tokens, private keys,
// credentials in URLs), and values that look random under a name that says secret. Pure functions;
// safe from any thread. Linear in the text.

#include <string>
#include <string_view>
#include <vector>

namespace bulwark::detect {

struct Secret {
  std::string kind;           // "aws-access-key-id", "private-key", "high-entropy"
  std::string masked;         // its first characters and its length: what a report may show
  size_t begin = 0, end = 0;  // bytes in the text
};

// Known formats only.
std::vector<Secret> FindSecrets(std::string_view text);
// Known formats, and anything that is not plainly harmless where `name` says that a secret stands
// there ("DB_PASSWORD", "api-token"): not a reference, path, placeholder, boolean or number.
std::vector<Secret> FindSecretValue(std::string_view name, std::string_view value);
// Whether a variable or key of that name holds a secret.
bool NameSaysSecret(std::string_view name);
// Shannon entropy in bits a byte.
double Entropy(std::string_view text);

}  // namespace bulwark::detect
