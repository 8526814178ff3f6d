#include "app/server/support.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>

#include "base/arena.h"
#include "features/audit/redact.h"
#include "formats/json.h"

namespace bulwark {

namespace {

// No part is of use past this size; its end is the newest.
constexpr size_t kMaxPart = size_t{8} << 20;

std::string Redacted(const std::string& name, std::string text) {
  if (name.ends_with(".json")) {
    Arena arena;
    auto value = ParseJson(text, arena);
    if (value) {
      std::string out;
      audit::AppendRedacted(out, *value, {.objects = false});
      return out;
    }
  }
  if (text.size() > kMaxPart) text.erase(0, text.size() - kMaxPart);
  return audit::RedactText(std::move(text));
}

}  // namespace

Result<std::string> MakeSupportBundle(const SupportParts& parts, int64_t unix_seconds) {
  std::string out;
  std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  auto fail = [&] {
    const char* why = archive_error_string(writer.get());
    return Error(Code::kInternal, "support.archive",
                 fmt::format("cannot write the archive: {}", why != nullptr ? why : "no memory"));
  };
  auto append = [](archive*, void* to, const void* bytes, size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  if (writer == nullptr || archive_write_add_filter_gzip(writer.get()) != ARCHIVE_OK ||
      archive_write_set_format_pax_restricted(writer.get()) != ARCHIVE_OK ||
      archive_write_open(writer.get(), &out, nullptr, append, nullptr) != ARCHIVE_OK) {
    return fail();
  }
  for (const auto& [name, raw] : parts) {
    std::string text = Redacted(name, raw);
    std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                   archive_entry_free);
    archive_entry_set_pathname(entry.get(), ("bulwark-support/" + name).c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(text.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0600);
    archive_entry_set_mtime(entry.get(), unix_seconds, 0);
    if (archive_write_header(writer.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(writer.get(), text.data(), text.size()) !=
            static_cast<la_ssize_t>(text.size())) {
      return fail();
    }
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return fail();
  return out;
}

}  // namespace bulwark
