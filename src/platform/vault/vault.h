#pragma once

// The vault: secrets at rest (kubeconfigs, tokens, the CA's key, passwords of providers). A secret
// has a place, the record and the field that it belongs to, and lives in the vault's own collection
// beside that record, so that no list, export or page of the record can show it.
//
//   vault::Place place{"clusters", id, "kubeconfig"};
//   store::Batch batch;
//   batch.Put("clusters", id, json);
//   BW_TRY(vault.Put(batch, place, kubeconfig));   // both are committed, or neither
//   BW_TRY(state.Commit(batch));
//   std::string kubeconfig = BW_TRY(vault.Get(place));
//
// Each secret is sealed with AES-256-GCM (crypto/seal.h) under a data key, with its place as the
// associated data: moved to another place, it does not open. Data keys are wrapped by a master key
// that stays outside of the store (KeySource). Rotate() makes a new data key and seals everything
// anew; killed at any moment, everything still opens, and Rotate() goes on where it was. A retired
// data key is forgotten once nothing is sealed with it and an hour has passed (what was sealed just
// before may be committed just after).
//
// Secrets are never logged and appear in no error. Thread-safety: all members from any thread, and
// from several processes over one store.
//
// Errors beside those of the store:
//   vault.not_found   kNotFound  nothing is stored at that place
//   vault.master_key  kDenied    the master key is not the one that this store was sealed with
//   vault.broken      kDenied    a secret does not open: changed or moved
//   vault.key_file    kInvalid   the master key's file: malformed, or others may read it

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/store/state_store.h"

namespace bulwark::vault {

// Wraps data keys. A device (PKCS#11) would do so without its key ever leaving it.
class KeySource {
 public:
  virtual ~KeySource() = default;
  virtual std::string Describe() const = 0;  // "file /var/lib/bulwark/master.key"
  // `context` is bound to what is wrapped, as associated data.
  virtual Result<std::string> Wrap(std::string_view data_key, std::string_view context) = 0;
  virtual Result<std::string> Unwrap(std::string_view wrapped, std::string_view context) = 0;
};

// A file of master keys, one a line, each 32 bytes in base64; the first wraps, each may unwrap, so
// that a new one is put before the old, Rotate() runs, and the old one goes. Read anew for every
// use. A file that anybody but its owner (and its group, read-only, as Kubernetes mounts Secrets)
// may read is refused.
struct KeyFile {
  std::string path;
  bool create = true;  // where it is not there: 0600, random. Else (a mounted Secret): an error
};
Result<std::unique_ptr<KeySource>> OpenKeyFile(KeyFile file);

// Where a secret belongs: "clusters", a key, "kubeconfig".
struct Place {
  std::string collection, key, field;
  // "clusters/<key>/kubeconfig", with % and / of the parts escaped.
  std::string ToString() const;
};

class Vault {
 public:
  // Defines its collections. A store without data keys gets its first.
  static Result<std::unique_ptr<Vault>> Open(store::StateStore& state,
                                             std::unique_ptr<KeySource> master);
  virtual ~Vault() = default;

  // Adds the change to a batch of the caller's. Replaces what is there.
  virtual Result<> Put(store::Batch& batch, const Place& place, std::string_view secret) = 0;
  virtual void Delete(store::Batch& batch, const Place& place) = 0;
  // All fields of one record.
  virtual void DeleteAll(store::Batch& batch, std::string_view collection,
                         std::string_view key) = 0;
  // At once.
  virtual Result<> Put(const Place& place, std::string_view secret) = 0;
  virtual Result<std::string> Get(const Place& place) = 0;
  virtual Result<bool> Has(const Place& place) = 0;

  struct Rotation {
    uint64_t sealed_anew = 0;
    uint64_t keys_forgotten = 0;
    bool resumed = false;  // an earlier one had been interrupted, and is now complete
  };
  // Finishes a rotation that was interrupted, or else makes a new data key and seals everything
  // with it. `step` is told after each secret; an error of it ends the work, to be resumed.
  virtual Result<Rotation> Rotate(const std::function<Result<>(uint64_t done)>& step = nullptr) = 0;

  struct Status {
    std::string master;  // KeySource::Describe()
    uint64_t secrets = 0, not_current = 0, keys = 0;
    int64_t key_created_us = 0;
  };
  virtual Result<Status> Describe() = 0;
};

}  // namespace bulwark::vault
