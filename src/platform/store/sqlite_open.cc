#include "platform/store/sqlite_open.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

namespace bulwark::store {

Result<Fd> LockDatabase(const std::string& file) {
  const std::string name = file + ".lock";
  Fd fd = BW_TRY(OpenFile(name, O_RDWR | O_CREAT, 0600));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return Error(Code::kUnavailable, "store.locked",
               fmt::format("{} is in use by another process", file), {{"file", file}});
}

Result<> MigrateSchema(Connection& writer, int application, const std::vector<std::string>& steps) {
  const int64_t seen = BW_TRY(writer.QueryInt("PRAGMA user_version"));
  const int64_t of = BW_TRY(writer.QueryInt("PRAGMA application_id"));
  if (seen != 0 && of != application) {
    return Error(Code::kInternal, "store.corrupt", "this is another program's database");
  }
  const auto known = static_cast<int64_t>(steps.size());
  if (seen > known) {
    return Error(Code::kUnsupported, "store.newer",
                 fmt::format("the store has schema {}, this program knows {}", seen, known),
                 {{"schema", std::to_string(seen)}, {"known", std::to_string(known)}});
  }
  for (int64_t step = seen; step < known; ++step) {
    Transaction transaction = BW_TRY(Transaction::Begin(writer, true));
    BW_TRY(writer.Run(steps[static_cast<size_t>(step)]));
    BW_TRY(writer.Run(
        fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", application, step + 1)));
    BW_TRY(transaction.Commit());
  }
  return Ok();
}

}  // namespace bulwark::store
