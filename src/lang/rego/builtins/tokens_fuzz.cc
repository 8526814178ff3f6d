// Tokens, keys and certificates: no crash, and no more work than the budget.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "lang/rego/builtins/builtin.h"

namespace {

using bulwark::Arena;
using bulwark::Value;

void Call(std::string_view name, std::initializer_list<Value> args, Arena& arena) {
  bulwark::rego::Host host;
  bulwark::rego::Context context(arena, host);
  context.refill = [spent = false](bulwark::rego::Context& in, uint64_t units,
                                   uint64_t& budget) mutable {
    if (spent || units > 1 << 20) {
      in.error_code = "eval_cancel_error";
      return false;
    }
    spent = true;
    budget = (1 << 20) - units;
    return true;
  };
  Value out;
  bulwark::rego::Registry::Standard().Find(name)->call(context, {args.begin(), args.size()}, out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // Two texts, with a zero byte between.
  size_t zero = text.find('\0');
  std::string_view first = text.substr(0, zero);
  std::string_view second = zero == std::string_view::npos ? "" : text.substr(zero + 1);
  Arena arena;
  Value token = Value::String(arena, first);
  Value key = Value::String(arena, second);
  Call("io.jwt.decode", {token}, arena);
  for (const char* verify : {"io.jwt.verify_hs256", "io.jwt.verify_rs256", "io.jwt.verify_ps256",
                             "io.jwt.verify_es256", "io.jwt.verify_eddsa"}) {
    Call(verify, {token, key}, arena);
  }
  for (const char* parse :
       {"crypto.x509.parse_certificates", "crypto.x509.parse_and_verify_certificates",
        "crypto.x509.parse_certificate_request", "crypto.x509.parse_rsa_private_key",
        "crypto.parse_private_keys"}) {
    Call(parse, {key}, arena);
  }
  return 0;
}
