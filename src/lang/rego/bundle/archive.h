#pragma once

// .tar.gz in memory, for bundles.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::rego {

struct ArchiveFile {
  std::string path;  // as it stands in the archive
  std::string bytes;
};

struct ArchiveLimits {
  size_t max_file_bytes, max_total_bytes, max_files;
};

// The regular files in order; folders, links and devices are passed over. An error for what is no
// gzip or tar, for paths with `..` in them, and past the limits.
Result<std::vector<ArchiveFile>> ReadTarGz(std::string_view bytes, const ArchiveLimits& limits);
// Mode 0600, no owner, no time: the same files give the same bytes.
Result<std::string> WriteTarGz(const std::vector<ArchiveFile>& files);

}  // namespace bulwark::rego
