#include "lang/cel/ext/encoders.h"

#include "base/hash.h"
#include "base/text.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

int Sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (IsAsciiDigit(c)) return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

Value Corrupt(const CallContext& ctx, size_t at) {
  return ctx.Error("illegal base64 data at input byte " + std::to_string(at));
}

Value Decode(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;           // sextets of the group that is being read
  size_t group_start = 0;  // where it begins
  size_t at = 0;
  for (; at < text.size() && text[at] != '='; ++at) {
    if (text[at] == '\n' || text[at] == '\r') continue;
    int sextet = Sextet(text[at]);
    if (sextet < 0) return Corrupt(ctx, at);
    if (count == 0) group_start = at;
    bits = bits << 6 | static_cast<uint32_t>(sextet);
    if (++count == 4) {
      for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
      bits = 0;
      count = 0;
    }
  }
  // What is left may be padded, but then wholly.
  size_t padding = at;
  int pads = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '\n' || text[at] == '\r') continue;
    if (text[at] != '=' || ++pads > 2) return Corrupt(ctx, padding);
  }
  if (pads > 0 && count + pads != 4) return Corrupt(ctx, padding);
  if (count == 1) return Corrupt(ctx, group_start);
  if (count == 2) out += static_cast<char>(bits >> 4);
  if (count == 3) {
    out += static_cast<char>(bits >> 10);
    out += static_cast<char>(bits >> 2);
  }
  return Value::Bytes(ctx.arena.Copy(out));
}

Value Encode(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "y")) return NoSuchOverload(ctx);
  if (!Fits(ctx, args[0].size() / 3 * 4 + 4)) return TooLarge(ctx);
  return Value::String(ctx.arena, Base64Encode(args[0].AsString()));
}

}  // namespace

const Library& Encoders() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "cel.lib.ext.encoders";
    lib.functions = {
        {"base64.decode",
         {Global("base64_decode_string", {Type::String()}, Type::Bytes(), Decode)}},
        {"base64.encode", {Global("base64_encode_bytes", {Type::Bytes()}, Type::String(), Encode)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
