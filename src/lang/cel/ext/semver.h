#pragma once

// Kubernetes' library of semantic versions (k8s.io/apiserver/pkg/cel/library/semverlib.go, v0.34,
// over github.com/blang/semver/v4): semver isSemver, isGreaterThan isLessThan compareTo, major
// minor patch. Type kubernetes.Semver.
//
//   version 1: semver(text, normalize) and isSemver(text, normalize): "v1.02" is 1.2.0

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Semvers(int version = 1);

// A version of semver.org 2.0.0.
struct Semver {
  struct PreRelease {
    std::string text;     // empty for a number
    uint64_t number = 0;  // which stands before any text
  };
  uint64_t major = 0, minor = 0, patch = 0;
  std::vector<PreRelease> pre;
  std::vector<std::string> build;  // does not count in comparisons

  static Result<Semver> Parse(std::string_view text);
  // Takes a "v" in front, one or two missing numbers, and leading zeros.
  static Result<Semver> ParseNormalized(std::string_view text);
  static int Compare(const Semver& a, const Semver& b);
  std::string ToString() const;
};

class SemverValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "kubernetes.Semver";
  explicit SemverValue(Semver semver) : Opaque(kExtensionTag), semver_(std::move(semver)) {}
  std::string_view TypeName() const override { return kTypeName; }
  bool Equals(const Opaque& other) const override {
    return other.tag() == kExtensionTag && other.TypeName() == kTypeName &&
           Semver::Compare(static_cast<const SemverValue&>(other).semver_, semver_) == 0;
  }
  uint64_t Hash() const override {
    return (semver_.major * 1'000'003 + semver_.minor) * 1'000'003 + semver_.patch;
  }
  std::string ToString() const override { return semver_.ToString(); }
  const Semver& semver() const { return semver_; }

 private:
  Semver semver_;
};

}  // namespace bulwark::cel::ext
