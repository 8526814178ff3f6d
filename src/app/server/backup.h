#pragma once

// Backups of a server: a folder with a copy of each store and a manifest with their SHA-256. Made
// while the server runs; each copy is one state of its store. The master key is not in it: without
// that key, which is kept elsewhere, the secrets in a backup are worth nothing to whoever has it,
// and to its owner too.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/store/event_store.h"
#include "platform/store/state_store.h"

namespace bulwark {

struct BackupManifest {
  std::string version, made;  // of Bulwark; RFC 3339
  struct File {
    std::string name, sha256;
    uint64_t bytes = 0;
  };
  std::vector<File> files;
  uint64_t bytes() const;
};

// `folder` must not exist. A backup that fails half-way is removed.
Result<BackupManifest> WriteBackup(store::StateStore& state, store::EventStore& events,
                                   const std::string& folder, const std::string& version);

// Checks a backup against its manifest.
Result<BackupManifest> VerifyBackup(const std::string& folder);

// Puts a backup into a data folder whose server is not running. What is there is moved aside, to
// "<file>.before-restore". `master_key_file`: copied there too, where it is given; else the folder
// must have its own already.
Result<BackupManifest> RestoreBackup(const std::string& backup, const std::string& data_folder,
                                     const std::string& master_key_file);

}  // namespace bulwark
