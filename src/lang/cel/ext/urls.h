#pragma once

// Kubernetes' library of URLs (k8s.io/apiserver/pkg/cel/library/urls.go, v0.34): url isURL,
// getScheme getHost getHostname getPort getEscapedPath getQuery. Type kubernetes.URL.

#include "lang/cel/ext/go_url.h"
#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Urls();

class UrlValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "kubernetes.URL";
  explicit UrlValue(GoUrl url) : Opaque(kExtensionTag), url_(std::move(url)) {}
  std::string_view TypeName() const override { return kTypeName; }
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override;
  std::string ToString() const override { return url_.ToString(); }
  const GoUrl& url() const { return url_; }

 private:
  GoUrl url_;
};

}  // namespace bulwark::cel::ext
