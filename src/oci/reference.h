#pragma once

// Image references as container runtimes read them (the grammar of
// github.com/distribution/reference, with Docker's defaults filled in).

#include <optional>
#include <string>
#include <string_view>

namespace bulwark::oci {

struct Reference {
  std::string registry;    // "docker.io", "ghcr.io", "localhost:5000"
  std::string repository;  // "library/nginx"; without the registry
  std::string tag;         // empty: none given
  std::string digest;      // "sha256:…"; empty: none given
  // The last part of the repository: "nginx".
  std::string_view name() const;
};

// nullopt for text that is no image reference (upper case in the repository, bad characters, longer
// than 255 bytes of name, an unknown form of digest).
std::optional<Reference> ParseReference(std::string_view text);

}  // namespace bulwark::oci
