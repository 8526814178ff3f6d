#include "platform/vault/vault.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "formats/json.h"

namespace bulwark::vault {
namespace {

using store::Batch;
using store::Query;
using store::Record;

constexpr std::string_view kSecrets = "secrets", kKeys = "vault_keys", kKeyring = "keyring";
// What was sealed with a retired key may still be on its way into the store for so long.
constexpr auto kGrace = std::chrono::hours(1);
// Others may put secrets meanwhile; a pass that finds none left is the last.
constexpr int kMaxPasses = 100;

void AppendPart(std::string& out, std::string_view part) {
  for (char c : part) {
    if (c == '%') {
      out += "%25";
    } else if (c == '/') {
      out += "%2F";
    } else {
      out += c;
    }
  }
}

// The record that fields belong to, as something that no glob can be written in.
std::string OwnerOf(std::string_view collection, std::string_view key) {
  std::string text;
  AppendPart(text, collection);
  text += '/';
  AppendPart(text, key);
  return Sha256Hex(text);
}

std::string KeyContext(std::string_view id) { return fmt::format("bulwark data key {}", id); }

// The data keys, as the store has them.
struct Keyring {
  struct Key {
    std::string id, wrapped;
    Timestamp created;
    std::optional<Timestamp> retired;
  };
  std::string current;
  bool rotating = false;
  std::vector<Key> keys;
  uint64_t revision = 0;

  const Key* Find(std::string_view id) const {
    for (const Key& key : keys) {
      if (key.id == id) return &key;
    }
    return nullptr;
  }
};

std::string ToJson(const Keyring& ring) {
  std::string out = fmt::format(R"({{"current":"{}","rotating":{},"keys":[)", ring.current,
                                ring.rotating ? "true" : "false");
  for (const Keyring::Key& key : ring.keys) {
    if (&key != &ring.keys[0]) out += ',';
    out += fmt::format(R"({{"id":"{}","wrapped":"{}","createdAt":"{}")", key.id,
                       Base64Encode(key.wrapped), FormatRfc3339(key.created));
    if (key.retired) out += fmt::format(R"(,"retiredAt":"{}")", FormatRfc3339(*key.retired));
    out += '}';
  }
  return out + "]}";
}

Error BrokenStore(std::string_view what) {
  return {Code::kInternal, "vault.store",
          fmt::format("the vault's own record is damaged: {}", what)};
}

Result<Keyring> ParseKeyring(const Record& record) {
  Arena arena;
  Result<Value> value = ParseJson(record.body, arena);
  if (!value) return BrokenStore(value.error().message());
  Keyring out{.revision = record.revision};
  out.current = std::string(value->StringAt("current"));
  out.rotating = (*value)["rotating"].IsTrue();
  for (const Value& entry : (*value)["keys"].items()) {
    Keyring::Key key;
    key.id = std::string(entry.StringAt("id"));
    Result<std::string> wrapped = Base64Decode(entry.StringAt("wrapped"));
    Result<Timestamp> created = ParseRfc3339(entry.StringAt("createdAt"));
    if (key.id.empty() || !wrapped || !created) return BrokenStore("a data key");
    key.wrapped = *std::move(wrapped);
    key.created = *created;
    if (const Value* retired = entry.Find("retiredAt"); retired != nullptr) {
      Result<Timestamp> at = ParseRfc3339(entry.StringAt("retiredAt"));
      if (!at) return BrokenStore("a data key");
      key.retired = *at;
    }
    out.keys.push_back(std::move(key));
  }
  if (out.Find(out.current) == nullptr) return BrokenStore("no current data key");
  return out;
}

struct Secret {
  Place place;
  std::string key_id, sealed;
};

std::string ToJson(const Place& place, std::string_view key_id, std::string_view sealed) {
  std::string out = R"({"collection":)";
  AppendJsonString(out, place.collection);
  out += R"(,"key":)";
  AppendJsonString(out, place.key);
  out += R"(,"field":)";
  AppendJsonString(out, place.field);
  out += fmt::format(R"(,"owner":"{}","keyId":"{}","sealed":"{}","updatedAt":"{}"}})",
                     OwnerOf(place.collection, place.key), key_id, Base64Encode(sealed),
                     FormatRfc3339(Now()));
  return out;
}

Result<Secret> ParseSecret(const Record& record) {
  Arena arena;
  Result<Value> value = ParseJson(record.body, arena);
  if (!value) return BrokenStore(value.error().message());
  Secret out;
  out.place = {std::string(value->StringAt("collection")), std::string(value->StringAt("key")),
               std::string(value->StringAt("field"))};
  out.key_id = std::string(value->StringAt("keyId"));
  Result<std::string> sealed = Base64Decode(value->StringAt("sealed"));
  if (!sealed) return BrokenStore("a sealed secret");
  out.sealed = *std::move(sealed);
  return out;
}

class StoreVault final : public Vault {
 public:
  StoreVault(store::StateStore& state, std::unique_ptr<KeySource> master)
      : state_(state), master_(std::move(master)) {}

  ~StoreVault() override {
    for (auto& [id, key] : open_) crypto::Wipe(key);
  }

  Result<> Begin() {
    BW_TRY(state_.Define({.name = std::string(kSecrets),
                          .version = 1,
                          .columns = {{.name = "owner", .path = "owner", .indexed = true},
                                      {.name = "collection", .path = "collection"},
                                      {.name = "keyid", .path = "keyId", .indexed = true}}}));
    BW_TRY(state_.Define({.name = std::string(kKeys), .version = 1}));
    std::lock_guard lock(mutex_);
    if (BW_TRY(state_.Get(kKeys, kKeyring)).has_value()) return Load();
    Keyring ring;
    BW_TRY(AddKey(ring));
    Batch batch;
    batch.Put(kKeys, kKeyring, ToJson(ring), 0);
    Result<uint64_t> committed = state_.Commit(batch);
    // Another process was quicker: its keyring it is.
    if (!committed && committed.error().code() != Code::kExists) {
      return std::move(committed).error();
    }
    return Load();
  }

  Result<> Put(Batch& batch, const Place& place, std::string_view secret) override {
    std::lock_guard lock(mutex_);
    BW_TRY(Load());
    batch.Put(kSecrets, place.ToString(), SealFor(place, secret));
    return Ok{};
  }

  void Delete(Batch& batch, const Place& place) override {
    batch.Delete(kSecrets, place.ToString());
  }

  void DeleteAll(Batch& batch, std::string_view collection, std::string_view key) override {
    batch.DeleteWhere(kSecrets, Query::Equals("owner", OwnerOf(collection, key)));
  }

  Result<> Put(const Place& place, std::string_view secret) override {
    Batch batch;
    BW_TRY(Put(batch, place, secret));
    BW_TRY(state_.Commit(batch));
    return Ok{};
  }

  Result<std::string> Get(const Place& place) override {
    std::optional<Record> record = BW_TRY(state_.Get(kSecrets, place.ToString()));
    if (!record) {
      return Error(Code::kNotFound, "vault.not_found",
                   fmt::format("no secret is stored as {}", place.ToString()),
                   {{"place", place.ToString()}});
    }
    Secret secret = BW_TRY(ParseSecret(*record));
    std::lock_guard lock(mutex_);
    return Unseal(place, secret);
  }

  Result<bool> Has(const Place& place) override {
    return BW_TRY(state_.Get(kSecrets, place.ToString()))
    .has_value();
  }

  Result<Rotation> Rotate(const std::function<Result<>(uint64_t)>& step) override {
    // One at a time in this process; those of others meet at the keyring's revision.
    std::lock_guard one(rotation_);
    Rotation out;
    {
      std::lock_guard lock(mutex_);
      BW_TRY(Load());
      out.resumed = ring_.rotating;
      if (!out.resumed) {
        Keyring next = ring_;
        for (Keyring::Key& key : next.keys) {
          if (key.id == next.current) key.retired = Now();
        }
        BW_TRY(AddKey(next));
        next.rotating = true;
        BW_TRY(Save(next));
      }
    }
    uint64_t broken = 0;
    for (int pass = 0;; ++pass) {
      if (pass == kMaxPasses) {
        return Error(Code::kUnavailable, "vault.busy",
                     "secrets change faster than they are sealed anew; try again");
      }
      uint64_t moved = 0;
      BW_TRY(SealAnew(step, out, moved, broken));
      if (moved == 0) break;
    }
    BW_TRY(FinishRotation(out));
    Log(Level::kInfo, "vault.rotated",
        {{"sealed_anew", out.sealed_anew},
         {"keys_forgotten", out.keys_forgotten},
         {"broken", broken}});
    if (broken != 0) {
      return Error(Code::kDenied, "vault.broken",
                   fmt::format("{} secrets do not open and were left as they are; the log names "
                               "their places",
                               broken),
                   {{"count", fmt::to_string(broken)}});
    }
    return out;
  }

  Result<Status> Describe() override {
    Status out{.master = master_->Describe()};
    std::lock_guard lock(mutex_);
    BW_TRY(Load());
    out.keys = ring_.keys.size();
    const Keyring::Key* current = ring_.Find(ring_.current);
    out.key_created_us = current->created.seconds * 1'000'000 + current->created.nanos / 1000;
    out.secrets = BW_TRY(state_.Count(kSecrets, Query::All()));
    out.not_current = BW_TRY(state_.Count(kSecrets, NotCurrent()));
    return out;
  }

 private:
  Query NotCurrent() const { return Query::Not(Query::Equals("keyid", ring_.current)); }

  // The keyring as the store has it now, with its keys opened. Cheap where it has not changed.
  Result<> Load() {
    std::optional<Record> record = BW_TRY(state_.Get(kKeys, kKeyring));
    if (!record) return BrokenStore("no keyring");
    if (record->revision == ring_.revision) return Ok{};
    Keyring ring = BW_TRY(ParseKeyring(*record));
    std::map<std::string, std::string> open;
    for (const Keyring::Key& key : ring.keys) {
      if (auto known = open_.find(key.id); known != open_.end()) {
        open[key.id] = known->second;
        continue;
      }
      std::string data_key = BW_TRY(master_->Unwrap(key.wrapped, KeyContext(key.id)));
      if (data_key.size() != crypto::kSealKeyBytes) return BrokenStore("a data key");
      open[key.id] = std::move(data_key);
    }
    for (auto& [id, key] : open_) crypto::Wipe(key);
    open_ = std::move(open);
    ring_ = std::move(ring);
    return Ok{};
  }

  // A new current data key.
  Result<> AddKey(Keyring& ring) {
    std::string data_key = crypto::RandomBytes(crypto::kSealKeyBytes);
    std::string id = HexEncode(crypto::RandomBytes(8));
    Result<std::string> wrapped = master_->Wrap(data_key, KeyContext(id));
    crypto::Wipe(data_key);
    if (!wrapped) return std::move(wrapped).error();
    ring.keys.push_back({.id = id, .wrapped = *std::move(wrapped), .created = Now()});
    ring.current = id;
    return Ok{};
  }

  // In the place of the keyring that was loaded; store.conflict where another process was quicker.
  Result<> Save(const Keyring& ring) {
    Batch batch;
    batch.Put(kKeys, kKeyring, ToJson(ring), ring_.revision);
    BW_TRY(state_.Commit(batch));
    return Load();
  }

  std::string SealFor(const Place& place, std::string_view secret) const {
    return ToJson(place, ring_.current,
                  crypto::Seal(open_.at(ring_.current), secret, place.ToString()));
  }

  Result<std::string> Unseal(const Place& place, const Secret& secret) {
    if (!open_.contains(secret.key_id)) BW_TRY(Load());
    auto key = open_.find(secret.key_id);
    Result<std::string> opened = key == open_.end()
                                     ? Error(Code::kDenied, "its data key is not there")
                                     : crypto::Open(key->second, secret.sealed, place.ToString());
    if (!opened) {
      return Error(Code::kDenied, "vault.broken",
                   fmt::format("the secret {} does not open: {}", place.ToString(),
                               opened.error().message()),
                   {{"place", place.ToString()}});
    }
    return opened;
  }

  // One pass over what is not sealed with the current key.
  Result<> SealAnew(const std::function<Result<>(uint64_t)>& step, Rotation& out, uint64_t& moved,
                    uint64_t& broken) {
    std::vector<std::string> keys;
    Query not_current = [&] {
      std::lock_guard lock(mutex_);
      return NotCurrent();
    }();
    BW_TRY(state_.Scan(kSecrets, not_current, [&](const Record& record) -> Result<> {
      keys.push_back(record.key);
      return Ok{};
    }));
    broken = 0;
    for (const std::string& key : keys) {
      std::optional<Record> record = BW_TRY(state_.Get(kSecrets, key));
      if (!record) continue;  // deleted meanwhile
      Secret secret = BW_TRY(ParseSecret(*record));
      Batch batch;
      {
        std::lock_guard lock(mutex_);
        Result<std::string> opened = secret.place.ToString() == key
                                         ? Unseal(secret.place, secret)
                                         : Error(Code::kDenied, "vault.broken", "it was moved");
        if (!opened) {
          ++broken;
          Log(Level::kError, "vault.secret.broken", {{"place", key}, {"error", opened.error()}});
          continue;
        }
        batch.Put(kSecrets, key, SealFor(secret.place, *opened), record->revision);
        crypto::Wipe(*opened);
      }
      Result<uint64_t> committed = state_.Commit(batch);
      if (!committed && committed.error().code() != Code::kExists) {
        return std::move(committed).error();
      }
      // One that changed meanwhile is looked at in the next pass.
      ++moved;
      if (committed) ++out.sealed_anew;
      if (step) BW_TRY(step(out.sealed_anew));
    }
    return Ok{};
  }

  // Forgets data keys that nothing needs, and wraps the others with the first master key.
  Result<> FinishRotation(Rotation& out) {
    std::lock_guard lock(mutex_);
    BW_TRY(Load());
    Keyring next = ring_;
    next.rotating = false;
    std::vector<Keyring::Key> kept;
    for (Keyring::Key& key : next.keys) {
      bool may_go = key.id != next.current && key.retired && *key.retired + kGrace <= Now();
      if (may_go && BW_TRY(state_.Count(kSecrets, Query::Equals("keyid", key.id))) == 0) {
        ++out.keys_forgotten;
        continue;
      }
      key.wrapped = BW_TRY(master_->Wrap(open_.at(key.id), KeyContext(key.id)));
      kept.push_back(std::move(key));
    }
    next.keys = std::move(kept);
    return Save(next);
  }

  store::StateStore& state_;
  const std::unique_ptr<KeySource> master_;
  std::mutex rotation_;
  std::mutex mutex_;  // of what follows
  Keyring ring_;
  std::map<std::string, std::string> open_;  // data keys by id
};

}  // namespace

std::string Place::ToString() const {
  std::string out;
  AppendPart(out, collection);
  out += '/';
  AppendPart(out, key);
  out += '/';
  AppendPart(out, field);
  return out;
}

Result<std::unique_ptr<Vault>> Vault::Open(store::StateStore& state,
                                           std::unique_ptr<KeySource> master) {
  auto vault = std::make_unique<StoreVault>(state, std::move(master));
  BW_TRY(vault->Begin());
  return std::unique_ptr<Vault>(std::move(vault));
}

}  // namespace bulwark::vault
