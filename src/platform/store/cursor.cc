#include "platform/store/cursor.h"

#include <cstring>

#include "base/hash.h"

namespace bulwark::store {
namespace {

constexpr size_t kSeal = 12;
constexpr size_t kMaxCursor = 16384;

// SHA-256 with the secret before and after, each part with its length: nothing can be appended.
std::string Seal(std::string_view payload, std::string_view purpose, std::string_view secret) {
  Sha256Stream hash;
  for (std::string_view part : {secret, purpose, payload, secret}) {
    const uint64_t size = part.size();
    hash.Update({reinterpret_cast<const char*>(&size), sizeof size});
    hash.Update(part);
  }
  return hash.Finish().substr(0, kSeal);
}

Error Bad() {
  return Error(Code::kInvalid, "store.cursor",
               "this is not a cursor of this list; begin again from the first page");
}

}  // namespace

std::string EncodeCursor(const std::vector<CursorValue>& values, std::string_view purpose,
                         std::string_view secret) {
  std::string payload;
  for (const CursorValue& value : values) {
    payload += static_cast<char>(value.index());
    uint64_t number = 0;
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      std::memcpy(&number, integer, sizeof number);
    } else if (const auto* real = std::get_if<double>(&value)) {
      std::memcpy(&number, real, sizeof number);
    } else {
      number = std::get<std::string>(value).size();
    }
    payload.append(reinterpret_cast<const char*>(&number), sizeof number);
    if (const auto* text = std::get_if<std::string>(&value)) payload += *text;
  }
  return Base64Encode(Seal(payload, purpose, secret) + payload, Base64::kUrl, Padding::kNo);
}

Result<std::vector<CursorValue>> DecodeCursor(std::string_view cursor, std::string_view purpose,
                                              std::string_view secret) {
  if (cursor.size() > kMaxCursor) return Bad();
  const Result<std::string> bytes = Base64Decode(cursor, Base64::kUrl, Padding::kNo);
  if (!bytes || bytes->size() < kSeal) return Bad();
  std::string_view payload = std::string_view(*bytes).substr(kSeal);
  if (!ConstantTimeEquals(Seal(payload, purpose, secret),
                          std::string_view(*bytes).substr(0, kSeal))) {
    return Bad();
  }
  std::vector<CursorValue> values;
  while (!payload.empty()) {
    uint64_t number = 0;
    if (payload.size() < 1 + sizeof number) return Bad();
    const char kind = payload[0];
    std::memcpy(&number, payload.data() + 1, sizeof number);
    payload.remove_prefix(1 + sizeof number);
    if (kind == 0) {
      values.emplace_back(static_cast<int64_t>(number));
    } else if (kind == 1) {
      double real = 0;
      std::memcpy(&real, &number, sizeof real);
      values.emplace_back(real);
    } else if (kind == 2 && number <= payload.size()) {
      values.emplace_back(std::string(payload.substr(0, number)));
      payload.remove_prefix(number);
    } else {
      return Bad();
    }
  }
  return values;
}

}  // namespace bulwark::store
