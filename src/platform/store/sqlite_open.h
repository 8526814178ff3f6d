#pragma once

// How both SQLite stores begin: one process a file, and its schema brought up to date.

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "platform/store/sqlite.h"

namespace bulwark::store {

// Holds `file`.lock for as long as the Fd lives; store.locked (kUnavailable) if somebody else does.
Result<Fd> LockDatabase(const std::string& file);

// Runs those steps (from version 0) that the file has not seen, each in a transaction of its own.
// store.newer (kUnsupported): it has seen more; store.corrupt: it is somebody else's database.
Result<> MigrateSchema(Connection& writer, int application, const std::vector<std::string>& steps);

}  // namespace bulwark::store
