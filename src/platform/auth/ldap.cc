#include "platform/auth/ldap.h"

#include <fmt/format.h>
#include <ldap.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "crypto/random.h"
#include "platform/auth/records.h"

namespace bulwark::auth {
namespace {

constexpr size_t kMaxValues = 1000;

Error Wrong() { return Error(Code::kDenied, "auth.wrong", "the name or the password is wrong"); }

Error Settings(std::string what) {
  return Error(Code::kInvalid, "ldap.settings", "ldap: " + what, {{"what", what}});
}

// A message of libldap's, freed.
struct FreeMessage {
  void operator()(LDAPMessage* m) const { ldap_msgfree(m); }
};
using Message = std::unique_ptr<LDAPMessage, FreeMessage>;

// The library waits for ever while TLS is being set up, whatever times it is given. So the socket
// is shut down under it when the time is over, unless this has ended before.
class Deadline {
 public:
  Deadline(const std::atomic<int>& fd, std::chrono::seconds time)
      : thread_([this, &fd, time](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          changed_.wait_for(lock, stop, time, [] { return false; });
          if (stop.stop_requested()) return;
          passed_ = true;
          if (fd >= 0) ::shutdown(fd, SHUT_RDWR);
        }) {}
  bool passed() const { return passed_; }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::atomic<bool> passed_ = false;
  std::jthread thread_;
};

// One connection; tells after connecting where it went, before anything is sent.
class Connection {
 public:
  explicit Connection(const LdapConfig& config, const net::UrlGuard* guard)
      : config_(config), guard_(guard) {}
  Connection(const Connection&) = delete;
  ~Connection() {
    if (ld_ != nullptr) ldap_unbind_ext(ld_, nullptr, nullptr);
  }

  Result<> Open();
  // The result code of the directory.
  int Bind(const std::string& dn, const std::string& password);
  Result<Message> Search(const std::string& base, const std::string& filter,
                         const std::vector<std::string>& attributes, int size_limit);
  std::vector<std::string> Values(LDAPMessage* entry, const std::string& attribute) const;
  std::string Dn(LDAPMessage* entry) const;
  LDAP* ld() const { return ld_; }

  Error Failed(std::string_view id, Code code, std::string_view doing, int rc) const {
    std::string what = ldap_err2string(rc);
    char* detail = nullptr;
    if (ld_ != nullptr &&
        ldap_get_option(ld_, LDAP_OPT_DIAGNOSTIC_MESSAGE, &detail) == LDAP_OPT_SUCCESS &&
        detail != nullptr) {
      if (*detail != 0) what += fmt::format(" ({})", ToValidUtf8(detail));
      ldap_memfree(detail);
    }
    return Error(code, std::string(id), fmt::format("{}: {}: {}", config_.url, doing, what),
                 {{"what", what}});
  }

 private:
  Result<> Set(int option, const void* value, std::string_view name) {
    if (ldap_set_option(ld_, option, value) == LDAP_OPT_SUCCESS) return Ok{};
    return Settings(fmt::format("{} is not taken", name));
  }
  // Waits for the answer to one request, at most the timeout.
  int Await(int message_id, Message& out) {
    timeval timeout{.tv_sec = config_.timeout.count(), .tv_usec = 0};
    LDAPMessage* raw = nullptr;
    int kind = ldap_result(ld_, message_id, LDAP_MSG_ALL, &timeout, &raw);
    out.reset(raw);
    if (kind == 0) {
      ldap_abandon_ext(ld_, message_id, nullptr, nullptr);
      return LDAP_TIMEOUT;
    }
    if (kind < 0) {
      int rc = LDAP_SERVER_DOWN;
      ldap_get_option(ld_, LDAP_OPT_RESULT_CODE, &rc);
      return rc == LDAP_SUCCESS ? LDAP_SERVER_DOWN : rc;
    }
    int rc = LDAP_OTHER;
    int parsed = ldap_parse_result(ld_, raw, &rc, nullptr, nullptr, nullptr, nullptr, 0);
    return parsed == LDAP_SUCCESS ? rc : parsed;
  }

  const LdapConfig& config_;
  const net::UrlGuard* guard_;
  std::string forbidden_;
  std::atomic<int> fd_ = -1;  // the library's
  std::optional<TempDir> ca_folder_;
  ldap_conncb callback_{};
  LDAP* ld_ = nullptr;
};

Result<> Connection::Open() {
  bool tls = config_.url.starts_with("ldaps://");
  int rc = ldap_initialize(&ld_, config_.url.c_str());
  if (rc != LDAP_SUCCESS) return Settings(ldap_err2string(rc));
  int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, server = 0,
      minimum = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, never = LDAP_DEREF_NEVER;
  timeval timeout{.tv_sec = config_.timeout.count(), .tv_usec = 0};
  BW_TRY(Set(LDAP_OPT_PROTOCOL_VERSION, &version, "version 3"));
  BW_TRY(Set(LDAP_OPT_REFERRALS, LDAP_OPT_OFF, "no referrals"));
  BW_TRY(Set(LDAP_OPT_DEREF, &never, "no aliases"));
  BW_TRY(Set(LDAP_OPT_NETWORK_TIMEOUT, &timeout, "timeout"));
  BW_TRY(Set(LDAP_OPT_TIMEOUT, &timeout, "timeout"));
  BW_TRY(Set(LDAP_OPT_X_TLS_REQUIRE_CERT, &demand, "certificates"));
  BW_TRY(Set(LDAP_OPT_X_TLS_PROTOCOL_MIN, &minimum, "TLS 1.2"));
  if (!config_.ca_pem.empty()) {
    // The library takes CAs from files alone.
    ca_folder_ = BW_TRY(TempDir::Make("bulwark-ldap-"));
    std::string file = ca_folder_->File("ca.pem");
    BW_TRY(WriteFileAtomic(file, config_.ca_pem, 0600));
    BW_TRY(Set(LDAP_OPT_X_TLS_CACERTFILE, file.c_str(), "caPem"));
  }
  BW_TRY(Set(LDAP_OPT_X_TLS_NEWCTX, &server, "caPem"));
  // Where it was connected to, after names were resolved.
  callback_.lc_arg = this;
  callback_.lc_add = [](LDAP*, Sockbuf* socket, LDAPURLDesc*, sockaddr* address,
                        ldap_conncb* self) {
    auto* connection = static_cast<Connection*>(self->lc_arg);
    int fd = -1;
    if (ber_sockbuf_ctrl(socket, LBER_SB_OPT_GET_FD, &fd) == 1) connection->fd_ = fd;
    if (connection->guard_ == nullptr) return 0;
    auto ip = net::IpAddress::Of(address);
    std::string_view what = ip ? connection->guard_->Forbidden(*ip) : "no IP address";
    connection->forbidden_ = what;
    return what.empty() ? 0 : 1;
  };
  callback_.lc_del = [](LDAP*, Sockbuf*, ldap_conncb*) {};
  BW_TRY(Set(LDAP_OPT_CONNECT_CB, &callback_, "a guard"));

  // Connecting has a time of its own.
  Deadline deadline(fd_, 2 * config_.timeout);
  rc = ldap_connect(ld_);
  if (!forbidden_.empty()) {
    return Error(
        Code::kDenied, "url_guard.forbidden",
        fmt::format("{}: the address is {}, where requests must not go", config_.url, forbidden_),
        {{"host", config_.url}, {"what", forbidden_}});
  }
  if (rc != LDAP_SUCCESS) {
    // Only a handshake fails with words of its own.
    char* detail = nullptr;
    ldap_get_option(ld_, LDAP_OPT_DIAGNOSTIC_MESSAGE, &detail);
    bool handshake = tls && !deadline.passed() && detail != nullptr && *detail != 0;
    if (detail != nullptr) ldap_memfree(detail);
    return handshake ? Failed("ldap.tls", Code::kDenied, "TLS", rc)
                     : Failed("ldap.connect", Code::kUnavailable, "connecting", rc);
  }
  if (tls) return Ok{};
  int id = 0;
  rc = ldap_start_tls(ld_, nullptr, nullptr, &id);
  Message answer;
  if (rc == LDAP_SUCCESS) rc = Await(id, answer);
  if (rc == LDAP_SUCCESS) rc = ldap_install_tls(ld_);
  if (rc == LDAP_SERVER_DOWN || rc == LDAP_TIMEOUT || deadline.passed()) {
    return Failed("ldap.connect", Code::kUnavailable, "StartTLS", rc);
  }
  if (rc != LDAP_SUCCESS) return Failed("ldap.tls", Code::kDenied, "StartTLS", rc);
  return Ok{};
}

int Connection::Bind(const std::string& dn, const std::string& password) {
  berval credentials{.bv_len = password.size(), .bv_val = const_cast<char*>(password.data())};
  int id = 0;
  int rc = ldap_sasl_bind(ld_, dn.c_str(), LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr, &id);
  if (rc != LDAP_SUCCESS) return rc;
  Message answer;
  return Await(id, answer);
}

Result<Message> Connection::Search(const std::string& base, const std::string& filter,
                                   const std::vector<std::string>& attributes, int size_limit) {
  std::vector<char*> names;
  for (const std::string& a : attributes) names.push_back(const_cast<char*>(a.c_str()));
  names.push_back(nullptr);
  timeval timeout{.tv_sec = config_.timeout.count(), .tv_usec = 0};
  int id = 0;
  int rc = ldap_search_ext(ld_, base.c_str(), LDAP_SCOPE_SUBTREE, filter.c_str(), names.data(), 0,
                           nullptr, nullptr, &timeout, size_limit, &id);
  Message answer;
  if (rc == LDAP_SUCCESS) rc = Await(id, answer);
  // What there is of more than was asked for is enough to know that.
  if (rc == LDAP_SUCCESS || (rc == LDAP_SIZELIMIT_EXCEEDED && answer)) return answer;
  if (rc == LDAP_FILTER_ERROR) return Settings("a filter is malformed");
  return Failed("ldap.search", Code::kUnavailable, "searching", rc);
}

std::vector<std::string> Connection::Values(LDAPMessage* entry,
                                            const std::string& attribute) const {
  std::vector<std::string> out;
  berval** values = ldap_get_values_len(ld_, entry, attribute.c_str());
  for (berval** v = values; v != nullptr && *v != nullptr && out.size() < kMaxValues; ++v) {
    out.emplace_back((*v)->bv_val, (*v)->bv_len);
  }
  if (values != nullptr) ldap_value_free_len(values);
  return out;
}

std::string Connection::Dn(LDAPMessage* entry) const {
  char* dn = ldap_get_dn(ld_, entry);
  std::string out = dn != nullptr ? dn : "";
  if (dn != nullptr) ldap_memfree(dn);
  return out;
}

// The value of the first cn (or what stands first) of a name: groups in memberOf.
std::string FirstValueOf(const std::string& dn) {
  LDAPDN parsed = nullptr;
  if (ldap_str2dn(dn.c_str(), &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS) return {};
  std::string out;
  if (parsed != nullptr && parsed[0] != nullptr && parsed[0][0] != nullptr) {
    out.assign(parsed[0][0]->la_value.bv_val, parsed[0][0]->la_value.bv_len);
  }
  ldap_dnfree(parsed);
  return out;
}

bool IsAttribute(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '-' || c == '.' || c == ';';
  });
}

}  // namespace

std::string EscapeLdapFilter(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '*' || c == '(' || c == ')' || c == '\\' || byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string FillLdapFilter(std::string_view filter, std::string_view user, std::string_view dn) {
  // In one pass: what is put in is not looked at again.
  std::string out;
  while (!filter.empty()) {
    if (filter.starts_with("{user}")) {
      out += EscapeLdapFilter(user);
      filter.remove_prefix(6);
    } else if (filter.starts_with("{dn}")) {
      out += EscapeLdapFilter(dn);
      filter.remove_prefix(4);
    } else {
      out += filter[0];
      filter.remove_prefix(1);
    }
  }
  return out;
}

Result<> CheckLdapConfig(const LdapConfig& c) {
  std::string_view rest = c.url;
  if (rest.starts_with("ldaps://"))
    rest.remove_prefix(8);
  else if (rest.starts_with("ldap://"))
    rest.remove_prefix(7);
  else
    return Settings("ldaps://host or ldap://host (with StartTLS) is expected");
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty() || !std::ranges::all_of(rest, [](char ch) {
        return IsAsciiLetter(ch) || IsAsciiDigit(ch) ||
               std::string_view("-.:[]_").find(ch) != std::string_view::npos;
      })) {
    return Settings("the URL has a host and maybe a port, and nothing else");
  }
  if (c.user_base.empty()) return Settings("userBase is missing");
  for (const std::string* text : {&c.bind_dn, &c.user_base, &c.user_filter, &c.group_base,
                                  &c.group_filter, &c.bind_password}) {
    if (text->find('\0') != std::string::npos) return Settings("a zero byte");
  }
  if (c.user_filter.find("{user}") == std::string::npos) {
    return Settings("userFilter must have {user} in it");
  }
  for (const std::string* a :
       {&c.id_attribute, &c.name_attribute, &c.email_attribute, &c.group_attribute}) {
    if (!IsAttribute(*a)) return Settings("a name of an attribute is malformed");
  }
  if (!c.bind_dn.empty() && c.bind_dn.size() > 500) return Settings("bindDn is too long");
  return Ok{};
}

Result<Identity> LdapLogIn(const LdapConfig& config, std::string_view name,
                           std::string_view password, const net::UrlGuard* guard) {
  BW_TRY(CheckLdapConfig(config));
  // An empty password would bind as nobody, and that succeeds.
  if (name.empty() || name.size() > 256 || password.empty() || password.size() > 1024 ||
      name.find('\0') != std::string_view::npos || password.find('\0') != std::string_view::npos) {
    return Wrong();
  }
  if (!config.bind_dn.empty() && config.bind_password.empty()) {
    return Settings("bindPassword is missing");
  }
  Connection reader(config, guard);
  BW_TRY(reader.Open());
  if (int rc = reader.Bind(config.bind_dn, config.bind_password); rc != LDAP_SUCCESS) {
    return reader.Failed("ldap.reader", Code::kDenied, "binding as the reader", rc);
  }
  Message found = BW_TRY(reader.Search(
      config.user_base, FillLdapFilter(config.user_filter, name, ""),
      {config.id_attribute, config.name_attribute, config.email_attribute, "memberOf", "uid"}, 2));
  LDAPMessage* entry = found ? ldap_first_entry(reader.ld(), found.get()) : nullptr;
  bool one = entry != nullptr && ldap_next_entry(reader.ld(), entry) == nullptr;
  // Somebody who is not there takes as long, and is told the same.
  std::string dn =
      one ? reader.Dn(entry) : fmt::format("cn={},{}", crypto::RandomToken(8), config.user_base);
  {
    Connection as_user(config, guard);
    BW_TRY(as_user.Open());
    int rc = as_user.Bind(dn, std::string(password));
    if (rc == LDAP_SERVER_DOWN || rc == LDAP_TIMEOUT || rc == LDAP_BUSY || rc == LDAP_UNAVAILABLE) {
      return as_user.Failed("ldap.connect", Code::kUnavailable, "checking the password", rc);
    }
    if (!one || dn.empty() || rc != LDAP_SUCCESS) return Wrong();
  }

  Identity out;
  auto first = [&](const std::string& attribute) {
    std::vector<std::string> values = reader.Values(entry, attribute);
    return values.empty() ? std::string() : values[0];
  };
  out.subject = first(config.id_attribute);
  if (out.subject.empty()) {
    return Settings(fmt::format("the entry has no {}", config.id_attribute));
  }
  // objectGUID is bytes.
  if (!IsUtf8(out.subject) || std::ranges::any_of(out.subject, [](char c) {
        return static_cast<unsigned char>(c) < 0x20;
      })) {
    out.subject = HexEncode(out.subject);
  }
  out.name = ToValidUtf8(first(config.name_attribute));
  out.email = ToValidUtf8(first(config.email_attribute));
  if (config.group_base.empty()) {
    for (const std::string& group : reader.Values(entry, "memberOf")) {
      if (std::string cn = FirstValueOf(group); !cn.empty()) out.groups.push_back(std::move(cn));
    }
    return out;
  }
  std::string uid = first("uid");
  Message groups = BW_TRY(reader.Search(
      config.group_base, FillLdapFilter(config.group_filter, uid.empty() ? name : uid, dn),
      {config.group_attribute}, static_cast<int>(kMaxValues)));
  for (LDAPMessage* g = groups ? ldap_first_entry(reader.ld(), groups.get()) : nullptr;
       g != nullptr && out.groups.size() < kMaxValues; g = ldap_next_entry(reader.ld(), g)) {
    std::vector<std::string> values = reader.Values(g, config.group_attribute);
    if (!values.empty()) out.groups.push_back(ToValidUtf8(values[0]));
  }
  return out;
}

}  // namespace bulwark::auth
