#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <array>

#include "base/check.h"

namespace bulwark {

uint64_t XxHash64(std::string_view bytes, uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

uint64_t XxHash3(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

namespace {

// The algorithm, looked up once: each look-up takes locks.
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  BW_CHECK(algorithm != nullptr);
  return algorithm;
}

}  // namespace

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    BW_CHECK(context != nullptr);
    Start();
  }
  ~State() { EVP_MD_CTX_free(context); }
  void Start() { BW_CHECK(EVP_DigestInit_ex(context, Sha256Algorithm(), nullptr) == 1); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::Update(std::string_view bytes) {
  BW_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256Stream::Finish() {
  std::string out(32, '\0');
  BW_CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()),
                              nullptr) == 1);
  state_->Start();
  return out;
}

std::string Sha256Stream::FinishHex() { return HexEncode(Finish()); }

std::string Sha256(std::string_view bytes) {
  thread_local Sha256Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

std::string Sha256Hex(std::string_view bytes) { return HexEncode(Sha256(bytes)); }

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

namespace {

constexpr char kStandardAlphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrlAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<uint8_t, 256> Reverse(const char* alphabet) {
  std::array<uint8_t, 256> out{};
  out.fill(0xff);
  for (uint8_t i = 0; i < 64; ++i) out[static_cast<uint8_t>(alphabet[i])] = i;
  return out;
}
constexpr std::array<uint8_t, 256> kStandardValues = Reverse(kStandardAlphabet);
constexpr std::array<uint8_t, 256> kUrlValues = Reverse(kUrlAlphabet);

void AppendBase64To(std::string& out, std::string_view bytes, const char* alphabet, bool pad) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])); };
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    uint32_t three = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    char four[4] = {alphabet[three >> 18], alphabet[three >> 12 & 63], alphabet[three >> 6 & 63],
                    alphabet[three & 63]};
    out.append(four, 4);
  }
  size_t rest = bytes.size() - i;
  if (rest == 0) return;
  uint32_t three = at(i) << 16 | (rest == 2 ? at(i + 1) << 8 : 0);
  out += alphabet[three >> 18];
  out += alphabet[three >> 12 & 63];
  if (rest == 2) out += alphabet[three >> 6 & 63];
  if (pad) out.append(3 - rest, '=');
}

}  // namespace

std::string Base64Encode(std::string_view bytes, Base64 alphabet, Padding padding) {
  std::string out;
  AppendBase64To(out, bytes, alphabet == Base64::kUrl ? kUrlAlphabet : kStandardAlphabet,
                 padding == Padding::kYes);
  return out;
}

void AppendBase64(std::string& out, std::string_view bytes) {
  AppendBase64To(out, bytes, kStandardAlphabet, true);
}

namespace {

Result<std::string> Decode(std::string_view text, Base64 alphabet, Padding padding, bool any_bits) {
  auto wrong = [](size_t at, const char* why) {
    return Error(Code::kInvalid, "base64.malformed",
                 "malformed base64 at byte " + std::to_string(at) + ": " + why,
                 {{"at", std::to_string(at)}, {"why", why}});
  };
  const auto& values = alphabet == Base64::kUrl ? kUrlValues : kStandardValues;
  if (padding == Padding::kYes) {
    if (text.size() % 4 != 0) return wrong(text.size(), "the length is no multiple of four");
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return wrong(text.size(), "a lone last character");
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    uint8_t value = values[static_cast<uint8_t>(text[i])];
    if (value == 0xff) return wrong(i, "a character outside the alphabet");
    bits = bits << 6 | value;
    if (i % 4 == 3) {
      char three[3] = {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8),
                       static_cast<char>(bits)};
      out.append(three, 3);
      bits = 0;
    }
  }
  if (text.size() % 4 == 2) {
    if (!any_bits && (bits & 15) != 0) return wrong(text.size() - 1, "unused bits are not zero");
    out += static_cast<char>(bits >> 4);
  } else if (text.size() % 4 == 3) {
    if (!any_bits && (bits & 3) != 0) return wrong(text.size() - 1, "unused bits are not zero");
    out += static_cast<char>(bits >> 10);
    out += static_cast<char>(bits >> 2);
  }
  return out;
}

}  // namespace

Result<std::string> Base64Decode(std::string_view text, Base64 alphabet, Padding padding) {
  return Decode(text, alphabet, padding, false);
}

Result<std::string> Base64DecodeLikeGo(std::string_view text) {
  std::string one_line;
  one_line.reserve(text.size());
  for (char c : text) {
    if (c != '\r' && c != '\n') one_line += c;
  }
  return Decode(one_line, Base64::kStandard, Padding::kYes, true);
}

std::string HexEncode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

Result<std::string> HexDecode(std::string_view text) {
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (text.size() % 2 != 0) {
    return Error(Code::kInvalid, "hex.malformed", "malformed hexadecimal: an odd number of digits");
  }
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    int high = digit(text[i]);
    int low = digit(text[i + 1]);
    if (high < 0 || low < 0) {
      return Error(
          Code::kInvalid, "hex.malformed",
          "malformed hexadecimal: no digit at byte " + std::to_string(high < 0 ? i : i + 1));
    }
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

}  // namespace bulwark
