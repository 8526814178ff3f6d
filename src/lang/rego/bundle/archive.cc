#include "lang/rego/bundle/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"

namespace bulwark::rego {

namespace {

struct FreeRead {
  void operator()(::archive* a) const { archive_read_free(a); }
};
struct FreeWrite {
  void operator()(::archive* a) const { archive_write_free(a); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

Error ReadFailed(::archive* a) {
  const char* why = archive_error_string(a);
  return Error(Code::kInvalid, fmt::format("archive read failed: {}", why ? why : "malformed"));
}

}  // namespace

Result<std::vector<ArchiveFile>> ReadTarGz(std::string_view bytes, const ArchiveLimits& limits) {
  std::unique_ptr<::archive, FreeRead> reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_tar(reader.get());
  if (!bytes.starts_with("\x1f\x8b")) {
    return Error(Code::kInvalid, "archive read failed: gzip: invalid header");
  }
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    return ReadFailed(reader.get());
  }
  std::vector<ArchiveFile> files;
  size_t total = 0, entries = 0;
  while (true) {
    archive_entry* entry = nullptr;
    int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) return files;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return ReadFailed(reader.get());
    if (++entries > limits.max_files) {
      return Error(Code::kLimit,
                   fmt::format("the archive has more than {} files", limits.max_files));
    }
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr) return Error(Code::kInvalid, "a file without a name in the archive");
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      continue;
    }
    ArchiveFile file{path, {}};
    for (std::string_view part : Split(file.path, '/')) {
      if (part == "..") {
        return Error(Code::kInvalid,
                     fmt::format("the archive names {}, which leads out of it", Quote(file.path)));
      }
    }
    std::array<char, 65536> block{};
    while (true) {
      la_ssize_t got = archive_read_data(reader.get(), block.data(), block.size());
      if (got == 0) break;
      if (got < 0) return ReadFailed(reader.get());
      auto size = static_cast<size_t>(got);
      total += size;
      if (file.bytes.size() + size > limits.max_file_bytes || total > limits.max_total_bytes) {
        return Error(Code::kLimit,
                     fmt::format("bundle file '{}' size exceeded max size ({} bytes)", file.path,
                                 std::min(limits.max_file_bytes, limits.max_total_bytes)));
      }
      file.bytes.append(block.data(), size);
    }
    files.push_back(std::move(file));
  }
}

Result<std::string> WriteTarGz(const std::vector<ArchiveFile>& files) {
  std::string out;
  std::unique_ptr<::archive, FreeWrite> writer(archive_write_new());
  auto fail = [&] {
    const char* why = archive_error_string(writer.get());
    return Error(Code::kInternal, fmt::format("writing an archive: {}", why ? why : "failed"));
  };
  archive_write_add_filter_gzip(writer.get());
  // No time in gzip's header.
  archive_write_set_filter_option(writer.get(), "gzip", "timestamp", nullptr);
  archive_write_set_format_pax_restricted(writer.get());
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  auto write = [](::archive*, void* to, const void* data, size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  };
  if (archive_write_open(writer.get(), &out, nullptr, write, nullptr) != ARCHIVE_OK) return fail();
  for (const ArchiveFile& file : files) {
    std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), file.path.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0600);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.bytes.size()));
    if (archive_write_header(writer.get(), entry.get()) != ARCHIVE_OK) return fail();
    if (!file.bytes.empty() &&
        archive_write_data(writer.get(), file.bytes.data(), file.bytes.size()) !=
            static_cast<la_ssize_t>(file.bytes.size())) {
      return fail();
    }
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return fail();
  return out;
}

}  // namespace bulwark::rego
