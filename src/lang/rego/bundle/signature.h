#pragma once

// Signatures of bundles: a JSON Web Token whose claim `files` has the hash of every file
// (https://www.openpolicyagent.org/docs/management-bundles#signature-format). HS256/384/512 with a
// secret; RS, PS and ES 256/384/512 and EdDSA with keys in PEM. RSA keys of less than 2048 bits are
// refused.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

struct VerificationKey {
  std::string key;  // the secret, or PEM of a public key or certificate
  std::string algorithm = "RS256";
  std::string scope;
};

struct Verification {
  std::map<std::string, VerificationKey> keys;  // by id
  std::string key_id;                           // which of them; empty: as the token says
  std::string scope;
  std::vector<std::string> exclude;  // patterns of files that are not checked
  bool required = true;
};

struct Signing {
  std::string key;  // the secret, or PEM of a private key
  std::string algorithm = "RS256";
  std::string key_id;
  Value claims;  // further claims: a map, or null
};

struct FileHash {
  std::string name;
  std::string hash;  // hex
  std::string algorithm;
};

// The files that a token speaks of, after its signature and scope were checked.
Result<std::map<std::string, FileHash>> VerifyToken(std::string_view token,
                                                    const Verification& verification);
Result<std::string> SignToken(const std::vector<FileHash>& files, const Signing& signing);

// The hash of a file's content, in hex. Structured files (data.json, data.yaml, .manifest) are
// hashed as JSON without white space and with sorted keys, whatever they look like.
Result<std::string> HashOfFile(std::string_view name, std::string_view content,
                               std::string_view algorithm);
bool IsStructured(std::string_view name);

}  // namespace bulwark::rego
