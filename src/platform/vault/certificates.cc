#include "platform/vault/certificates.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"

namespace bulwark::vault {
namespace {

using crypto::Certificate;
using crypto::CertificateSpec;
using crypto::KeyType;
using crypto::PrivateKey;

constexpr std::string_view kCollection = "certificates";
constexpr size_t kMaxPem = size_t{1} << 20;

Place KeyPlace(std::string_view which) {
  return {std::string(kCollection), std::string(which), "key"};
}

std::string Describe(const Certificate& certificate) {
  std::string out = R"({"subject":)";
  AppendJsonString(out, certificate.SubjectText());
  out += fmt::format(R"(,"fingerprint":"{}","notBefore":"{}","notAfter":"{}","pem":)",
                     certificate.Fingerprint(), FormatRfc3339(certificate.not_before()),
                     FormatRfc3339(certificate.not_after()));
  AppendJsonString(out, certificate.ToPem());
  return out + "}";
}

Result<Certificate> ReadCertificate(const store::Record& record) {
  Arena arena;
  Value value = BW_TRY(ParseJson(record.body, arena));
  return Certificate::FromPem(value.StringAt("pem"));
}

Result<Certificate> OpenCa(store::StateStore& state, Vault& vault,
                           const CertificateOptions& options) {
  std::optional<store::Record> record = BW_TRY(state.Get(kCollection, "ca"));
  if (!record) {
    PrivateKey key = PrivateKey::Generate(KeyType::kEcP256);
    // Clocks of agents may be behind ours.
    Timestamp begin = options.now() - std::chrono::hours(1);
    begin.nanos = 0;
    Certificate made = BW_TRY(crypto::SelfSigned(
        key, {.subject = {.common_name = "Bulwark CA " + HexEncode(crypto::RandomBytes(4)),
                          .organizations = {"Bulwark"}},
              .not_before = begin,
              .not_after = begin + options.ca_life,
              .ca = true}));
    store::Batch batch;
    batch.Put(kCollection, "ca", Describe(made), 0);
    std::string pem = key.ToPem();
    Result<> put = vault.Put(batch, KeyPlace("ca"), pem);
    crypto::Wipe(pem);
    BW_TRY(std::move(put));
    Result<uint64_t> committed = state.Commit(batch);
    // Another process was quicker: its CA it is.
    if (!committed && committed.error().code() != Code::kExists) {
      return std::move(committed).error();
    }
    record = BW_TRY(state.Get(kCollection, "ca"));
    if (!record) return Error(Code::kInternal, "the CA's record is gone");
  }
  return ReadCertificate(*record);
}

crypto::AltNames AllNames(const CertificateOptions& options) {
  crypto::AltNames out = options.names;
  char host[256] = {};
  out.dns.emplace_back("localhost");
  if (::gethostname(host, sizeof(host) - 1) == 0 && host[0] != 0) out.dns.emplace_back(host);
  out.ips.emplace_back("127.0.0.1");
  out.ips.emplace_back("::1");
  for (auto* list : {&out.dns, &out.ips, &out.uris, &out.emails}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  return out;
}

}  // namespace

Certificates::Certificates(store::StateStore& state, Vault& vault, CertificateOptions options,
                           Certificate ca)
    : state_(state), vault_(vault), options_(std::move(options)), ca_(std::move(ca)) {}

Certificates::~Certificates() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  crypto::Wipe(internal_.key_pem);
  crypto::Wipe(from_files_.key_pem);
}

Result<std::unique_ptr<Certificates>> Certificates::Open(store::StateStore& state, Vault& vault,
                                                         CertificateOptions options) {
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return Error(Code::kInvalid, "certificates.mismatch",
                 "a certificate's file needs its key's file, and the other way round");
  }
  BW_TRY(state.Define({.name = std::string(kCollection), .version = 1}));
  Certificate ca = BW_TRY(OpenCa(state, vault, options));
  std::unique_ptr<Certificates> out(
      new Certificates(state, vault, std::move(options), std::move(ca)));
  out->names_ = AllNames(out->options_);
  if (!out->options_.ca_file.empty()) {
    BW_TRY(WriteFileAtomic(out->options_.ca_file, out->ca_pem(), 0644));
  }
  BW_TRY(out->LookAtOwn());
  BW_TRY(out->LookAtFiles());
  return out;
}

TlsPair Certificates::front() const {
  std::lock_guard lock(mutex_);
  return from_files_.certificate_pem.empty() ? internal_ : from_files_;
}

TlsPair Certificates::internal() const {
  std::lock_guard lock(mutex_);
  return internal_;
}

Result<Certificate> Certificates::Issue(const crypto::PublicKey& subject_key,
                                        const CertificateSpec& spec) {
  std::string pem = BW_TRY(vault_.Get(KeyPlace("ca")));
  Result<PrivateKey> key = PrivateKey::FromPem(pem);
  crypto::Wipe(pem);
  if (!key) return std::move(key).error().While("reading the CA's key");
  if (!Matches(ca_, *key)) {
    return Error(Code::kInternal, "certificates.mismatch", "the CA's key is not its certificate's");
  }
  return crypto::Issue(ca_, *key, subject_key, spec);
}

Result<TlsPair> Certificates::MakeServer() {
  PrivateKey key = PrivateKey::Generate(KeyType::kEcP256);
  Timestamp begin = options_.now() - std::chrono::hours(1);
  begin.nanos = 0;
  Certificate made = BW_TRY(Issue(
      key.Public(), {.subject = {.common_name = "bulwark-server", .organizations = {"Bulwark"}},
                     .names = names_,
                     .not_before = begin,
                     .not_after = begin + options_.server_life,
                     .server = true}));
  TlsPair out{
      .certificate_pem = made.ToPem(), .key_pem = key.ToPem(), .fingerprint = made.Fingerprint()};
  store::Batch batch;
  batch.Put(kCollection, "server", Describe(made));
  BW_TRY(vault_.Put(batch, KeyPlace("server"), out.key_pem));
  BW_TRY(state_.Commit(batch));
  Log(Level::kInfo, "certificates.server.made",
      {{"fingerprint", out.fingerprint}, {"until", FormatRfc3339(made.not_after())}});
  return out;
}

// The stored certificate where it is still good, else a new one.
Result<bool> Certificates::LookAtOwn() {
  double left = std::chrono::duration<double>(ca_.not_after() - options_.now()).count();
  Metrics::Default()
      .AddGauge("bulwark_ca_expiry_seconds", "Seconds until the server's own CA expires.")
      .Set(left);
  std::optional<store::Record> record = BW_TRY(state_.Get(kCollection, "server"));
  if (record) {
    Result<Certificate> stored = ReadCertificate(*record);
    Result<std::string> key = vault_.Get(KeyPlace("server"));
    if (stored && key && options_.now() < crypto::RenewAt(*stored) && stored->names() == names_ &&
        stored->IssuerText() == ca_.SubjectText()) {
      std::lock_guard lock(mutex_);
      if (internal_.fingerprint == stored->Fingerprint()) return false;
      internal_ = {stored->ToPem(), *std::move(key), stored->Fingerprint()};
      return true;
    }
  }
  TlsPair made = BW_TRY(MakeServer());
  std::lock_guard lock(mutex_);
  internal_ = std::move(made);
  return true;
}

Result<bool> Certificates::LookAtFiles() {
  if (options_.certificate_file.empty()) return false;
  std::string certificate = BW_TRY(ReadFile(options_.certificate_file, kMaxPem));
  std::string key_pem = BW_TRY(ReadFile(options_.key_file, kMaxPem));
  std::string seen = Sha256(certificate + '\0' + key_pem);
  if (seen == files_seen_) {
    crypto::Wipe(key_pem);
    return false;
  }
  // Also where it is no good: it is told once.
  files_seen_ = seen;
  Result<std::vector<Certificate>> chain = Certificate::AllFromPem(certificate);
  if (!chain) return std::move(chain).error().While("reading " + options_.certificate_file);
  Result<PrivateKey> key = PrivateKey::FromPem(key_pem);
  if (!key) return std::move(key).error().While("reading " + options_.key_file);
  if (!Matches((*chain)[0], *key)) {
    return Error(Code::kInvalid, "certificates.mismatch",
                 fmt::format("the key in {} is not that of the certificate in {}",
                             options_.key_file, options_.certificate_file),
                 {{"certificate", options_.certificate_file}, {"key", options_.key_file}});
  }
  const Certificate& leaf = (*chain)[0];
  if (leaf.not_after() <= options_.now()) {
    Log(Level::kWarn, "certificates.expired",
        {{"file", options_.certificate_file}, {"since", FormatRfc3339(leaf.not_after())}});
  }
  Log(Level::kInfo, "certificates.files.loaded",
      {{"file", options_.certificate_file}, {"fingerprint", leaf.Fingerprint()}});
  std::lock_guard lock(mutex_);
  from_files_ = {std::move(certificate), std::move(key_pem), leaf.Fingerprint()};
  return true;
}

Result<bool> Certificates::Look() {
  std::lock_guard one(looking_);
  Result<bool> own = LookAtOwn();
  Result<bool> files = LookAtFiles();
  bool changed = (own && *own) || (files && *files);
  if (changed) {
    for (const auto& then : on_change_) then();
  }
  if (!own) return std::move(own).error();
  if (!files) return std::move(files).error();
  return changed;
}

void Certificates::OnChange(std::function<void()> then) { on_change_.push_back(std::move(then)); }

void Certificates::Start() {
  BW_CHECK(!thread_.joinable());
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex waiting;
    bool warned = false;
    std::string last;
    for (;;) {
      {
        std::unique_lock lock(waiting);
        wake_.wait_for(lock, stop, options_.look_every, [] { return false; });
      }
      if (stop.stop_requested()) return;
      Result<bool> looked = Look();
      std::string now_said = looked ? "" : looked.error().ToString();
      if (now_said != last && !now_said.empty()) {
        Log(Level::kWarn, "certificates.kept", {{"error", now_said}});
      }
      last = std::move(now_said);
      if (!warned && ca_.not_after() < options_.now() + std::chrono::hours(24 * 365)) {
        warned = true;
        Log(Level::kWarn, "certificates.ca.expires", {{"at", FormatRfc3339(ca_.not_after())}});
      }
    }
  });
}

}  // namespace bulwark::vault
