#include "app/server/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/arena.h"
#include "base/files.h"
#include "base/hash.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kManifest = "manifest.json";

Error Bad(const std::string& folder, std::string_view why) {
  return Error(Code::kInvalid, "backup.invalid", fmt::format("backup {}: {}", folder, why),
               {{"folder", folder}, {"why", std::string(why)}});
}

Error Io(const std::string& path, const std::error_code& error) {
  return Error(Code::kUnavailable, "backup.io", fmt::format("{}: {}", path, error.message()),
               {{"path", path}});
}

Result<BackupManifest::File> Describe(const std::string& folder, const std::string& name) {
  BackupManifest::File file{.name = name};
  std::ifstream in(folder + "/" + name, std::ios::binary);
  if (!in) return Bad(folder, "cannot read " + name);
  Sha256Stream hash;
  std::string block(1 << 20, '\0');
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    auto got = static_cast<size_t>(in.gcount());
    hash.Update(std::string_view(block).substr(0, got));
    file.bytes += got;
  }
  if (!in.eof()) return Bad(folder, "cannot read " + name);
  file.sha256 = hash.FinishHex();
  return file;
}

// Every file below the folder but the manifest, by name.
Result<std::vector<std::string>> FilesOf(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(folder, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (at->is_symlink() || !(at->is_regular_file() || at->is_directory()))
      return Bad(folder, at->path().string() + " is no plain file");
    if (!at->is_regular_file()) continue;
    std::string name = fs::relative(at->path(), folder).string();
    if (name != kManifest) names.push_back(std::move(name));
  }
  if (error) return Io(folder, error);
  std::sort(names.begin(), names.end());
  return names;
}

std::string ToJson(const BackupManifest& manifest) {
  Arena arena;
  std::vector<Value> files;
  for (const BackupManifest::File& file : manifest.files) {
    files.push_back(MapBuilder(arena)
                        .Add("name", Value::String(file.name))
                        .Add("sha256", Value::String(file.sha256))
                        .Add("bytes", Value::Uint(file.bytes))
                        .Finish());
  }
  return bulwark::ToJson(MapBuilder(arena)
                             .Add("version", Value::String(manifest.version))
                             .Add("made", Value::String(manifest.made))
                             .Add("files", Value::Array(arena, files))
                             .Finish(),
                         {.indent = 2}) +
         "\n";
}

}  // namespace

uint64_t BackupManifest::bytes() const {
  uint64_t sum = 0;
  for (const File& file : files) sum += file.bytes;
  return sum;
}

Result<BackupManifest> WriteBackup(store::StateStore& state, store::EventStore& events,
                                   const std::string& folder, const std::string& version) {
  std::error_code error;
  if (fs::exists(folder, error)) {
    return Error(Code::kExists, "backup.exists", "there is something already: " + folder,
                 {{"folder", folder}});
  }
  // Made under another name, so that what has the name is whole.
  std::string partial = folder + ".partial";
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Io(partial, error);
  ::chmod(partial.c_str(), 0700);
  auto write = [&]() -> Result<BackupManifest> {
    BackupManifest manifest{.version = version, .made = FormatTime(NowUs())};
    BW_TRY(state.Backup(partial + "/state.db"));
    BW_TRY(events.Backup(partial + "/events.db"));
    for (const std::string& name : BW_TRY(FilesOf(partial))) {
      manifest.files.push_back(BW_TRY(Describe(partial, name)));
    }
    BW_TRY(WriteFileAtomic(partial + "/" + std::string(kManifest), ToJson(manifest), 0600));
    return manifest;
  };
  auto manifest = write();
  if (!manifest) {
    fs::remove_all(partial, error);
    return manifest;
  }
  fs::rename(partial, folder, error);
  if (error) return Io(folder, error);
  return manifest;
}

Result<BackupManifest> VerifyBackup(const std::string& folder) {
  std::string text = BW_TRY(ReadFile(folder + "/" + std::string(kManifest), 16 << 20));
  Arena arena;
  Value root = BW_TRY(ParseJson(text, arena));
  BackupManifest manifest{.version = std::string(root.StringAt("version")),
                          .made = std::string(root.StringAt("made"))};
  std::vector<std::string> there = BW_TRY(FilesOf(folder));
  Value files = root["files"];
  for (const Value& said : files.items()) {
    std::string name(said.StringAt("name"));
    // A name that leads elsewhere is not among those that are there.
    if (!std::binary_search(there.begin(), there.end(), name))
      return Bad(folder, name + " is missing");
    BackupManifest::File file = BW_TRY(Describe(folder, name));
    if (file.sha256 != said.StringAt("sha256")) return Bad(folder, name + " was changed");
    manifest.files.push_back(std::move(file));
  }
  if (manifest.files.empty()) return Bad(folder, "its manifest names no files");
  if (manifest.files.size() != there.size())
    return Bad(folder, "files that its manifest does not name");
  return manifest;
}

Result<BackupManifest> RestoreBackup(const std::string& backup, const std::string& data_folder,
                                     const std::string& master_key_file) {
  BackupManifest manifest = BW_TRY(VerifyBackup(backup));
  std::error_code error;
  fs::create_directories(data_folder, error);
  if (error) return Io(data_folder, error);
  ::chmod(data_folder.c_str(), 0700);
  std::string key = data_folder + "/master.key";
  if (master_key_file.empty() && !fs::exists(key, error)) {
    return Error(
        Code::kInvalid, "backup.key",
        "the master key is not in a backup: give it with --master-key, or put it at " + key,
        {{"path", key}});
  }
  // The state store takes the lock that a running server holds.
  {
    std::string state = data_folder + "/state.db";
    if (fs::exists(state, error)) {
      auto opened = store::OpenSqliteStateStore(state);
      if (!opened && opened.error().id() == "store.locked") return std::move(opened).error();
    }
  }
  for (std::string_view name : {"state.db", "state.db-wal", "state.db-shm", "events.db",
                                "events.db-wal", "events.db-shm", "events"}) {
    std::string path = fmt::format("{}/{}", data_folder, name);
    if (!fs::exists(path, error)) continue;
    std::string aside = path + ".before-restore";
    fs::remove_all(aside, error);
    fs::rename(path, aside, error);
    if (error) return Io(path, error);
  }
  for (const BackupManifest::File& file : manifest.files) {
    fs::path to = fs::path(data_folder) / file.name;
    fs::create_directories(to.parent_path(), error);
    fs::copy_file(backup + "/" + file.name, to, error);
    if (error) return Io(to.string(), error);
    ::chmod(to.c_str(), 0600);
  }
  if (!master_key_file.empty()) {
    std::string text = BW_TRY(ReadFile(master_key_file, 1 << 16));
    BW_TRY(WriteFileAtomic(key, text, 0600));
  }
  return manifest;
}

}  // namespace bulwark
