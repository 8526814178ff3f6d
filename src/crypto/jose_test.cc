#include "crypto/jose.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hash.h"

namespace bulwark::crypto {
namespace {

std::string B64(std::string_view text) { return Base64Encode(text, Base64::kUrl, Padding::kNo); }

// RFC 7515 A.2, A.3 and RFC 8037 A.2, A.4.
const char kRfcKeys[] = R"({"keys":[
  {"kty":"RSA","kid":"rsa","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},
  {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
  {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
  {"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
  {"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},
  {"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},
  {"kty":"RSA","n":"AQAB","e":"AQAB"},
  17
]})";
const char kPayload[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";

TEST(Jose, RfcVectors) {
  Jwks keys = Jwks::Parse(kRfcKeys).value();
  EXPECT_EQ(keys.keys().size(), 3u);
  EXPECT_EQ(keys.passed_over(), 5u);
  std::string rs256 = std::string("eyJhbGciOiJSUzI1NiJ9.") + kPayload +
                      ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-"
                      "0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrn"
                      "byTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi1"
                      "2jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs"
                      "98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
  std::string es256 =
      std::string("eyJhbGciOiJFUzI1NiJ9.") + kPayload +
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  for (const std::string& token : {rs256, es256}) {
    Result<Jwt> jwt = VerifyJwt(token, keys, {.issuer = "joe", .now = Timestamp{1300819300, 0}});
    ASSERT_TRUE(jwt) << jwt.error().message() << " " << token;
    EXPECT_EQ(jwt->claims.StringAt("iss"), "joe");
    EXPECT_TRUE(jwt->claims["http://example.com/is_root"].IsTrue());
    EXPECT_EQ(VerifyJwt(token, keys, {.now = Timestamp{1300819380 + 60, 0}}).error().id(),
              "jwt.expired");
    std::string bad = token;
    bad[bad.size() - 8] = bad[bad.size() - 8] == 'A' ? 'B' : 'A';
    EXPECT_EQ(VerifyJwt(bad, keys, {}).error().id(), "jwt.signature");
  }
  EXPECT_EQ(*VerifyJws("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0Jz"
                       "lnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
                       keys),
            "Example of Ed25519 signing");
}

struct Signer {
  std::string algorithm;
  KeyType type;
};
const Signer kSigners[] = {{"RS256", KeyType::kRsa},    {"RS384", KeyType::kRsa},
                           {"RS512", KeyType::kRsa},    {"PS256", KeyType::kRsa},
                           {"PS384", KeyType::kRsa},    {"PS512", KeyType::kRsa},
                           {"ES256", KeyType::kEcP256}, {"ES384", KeyType::kEcP384},
                           {"ES512", KeyType::kEcP521}, {"EdDSA", KeyType::kEd25519}};

TEST(Jose, EveryAlgorithmThroughAKeySet) {
  std::map<KeyType, PrivateKey> keys;
  std::string set = R"({"keys":[)";
  for (KeyType type :
       {KeyType::kRsa, KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521, KeyType::kEd25519}) {
    PrivateKey key = PrivateKey::Generate(type, 2048);
    set += ToJwk(key.Public(), std::string(KeyTypeName(type))) + ",";
    keys.emplace(type, key);
  }
  set.back() = ']';
  Jwks jwks = Jwks::Parse(set + "}").value();
  ASSERT_EQ(jwks.keys().size(), 5u);
  for (const Signer& s : kSigners) {
    for (std::string id : {std::string(KeyTypeName(s.type)), std::string()}) {
      std::string token =
          SignJwt(keys.at(s.type), s.algorithm, id, R"({"sub":"a","exp":4102444800})").value();
      Result<Jwt> jwt = VerifyJwt(token, jwks, {});
      ASSERT_TRUE(jwt) << s.algorithm << " " << jwt.error().message();
      EXPECT_EQ(jwt->algorithm, s.algorithm);
      EXPECT_EQ(VerifyJwt(token, jwks, {.algorithms = {"HS256"}}).error().id(), "jwt.algorithm");
      EXPECT_TRUE(VerifyJwt(token, jwks, {.algorithms = {s.algorithm}}));
    }
    EXPECT_EQ(
        VerifyJwt(*SignJwt(keys.at(s.type), s.algorithm, "gone", "{}"), jwks, {}).error().id(),
        "jwt.key");
  }
  EXPECT_FALSE(SignJwt(keys.at(KeyType::kRsa), "ES256", "", "{}"));
}

TEST(Jose, NoneAndHmacWithAPublicKeyAreRefused) {
  PrivateKey key = PrivateKey::Generate(KeyType::kRsa, 2048);
  Jwks jwks({Jwk{key.Public(), "k", ""}});
  std::string claims = B64(R"({"exp":4102444800})");
  for (std::string alg : {"none", "None", "HS256", "HS512", "dir", "RSA1_5", ""}) {
    std::string head = B64(fmt::format(R"({{"alg":"{}","kid":"k"}})", alg));
    for (const std::string& signature : {std::string(), B64("x")}) {
      EXPECT_EQ(VerifyJwt(head + "." + claims + "." + signature, jwks, {.algorithms = {alg}})
                    .error()
                    .id(),
                "jwt.algorithm")
          << alg;
    }
  }
}

TEST(Jose, AKeyIsUsedOnlyForItsAlgorithm) {
  PrivateKey key = PrivateKey::Generate(KeyType::kRsa, 2048);
  Jwks jwks({Jwk{key.Public(), "k", "PS256"}});
  EXPECT_TRUE(VerifyJwt(*SignJwt(key, "PS256", "k", R"({"exp":4102444800})"), jwks, {}));
  EXPECT_EQ(VerifyJwt(*SignJwt(key, "RS256", "k", R"({"exp":4102444800})"), jwks, {}).error().id(),
            "jwt.key");
  PrivateKey other = PrivateKey::Generate(KeyType::kRsa, 2048);
  EXPECT_EQ(VerifyJwt(*SignJwt(other, "PS256", "k", "{}"), jwks, {}).error().id(), "jwt.signature");
}

TEST(Jose, Claims) {
  PrivateKey key = PrivateKey::Generate(KeyType::kEd25519);
  Jwks jwks({Jwk{key.Public(), "", ""}});
  struct {
    const char *claims, *error;
  } const cases[] = {
      {R"({"iss":"i","aud":"me","exp":1000})", ""},
      {R"({"iss":"i","aud":["you","me"],"exp":1000.5,"nbf":900,"iat":900})", ""},
      {R"({"iss":"i","aud":"me","exp":941})", ""},
      {R"({"iss":"i","aud":"me","exp":940})", "jwt.expired"},
      {R"({"iss":"i","aud":"me"})", "jwt.claims"},
      {R"({"iss":"i","aud":"me","exp":"1000"})", "jwt.claims"},
      {R"({"iss":"i","aud":"me","exp":null})", "jwt.claims"},
      {R"({"iss":"i","aud":"me","exp":1e999})", "jwt.claims"},
      {R"({"iss":"i","aud":"me","exp":2000,"nbf":1061})", "jwt.not_yet"},
      {R"({"iss":"i","aud":"me","exp":2000,"iat":1061})", "jwt.not_yet"},
      {R"({"iss":"j","aud":"me","exp":2000})", "jwt.issuer"},
      {R"({"aud":"me","exp":2000})", "jwt.issuer"},
      {R"({"iss":"i","aud":"you","exp":2000})", "jwt.audience"},
      {R"({"iss":"i","aud":[],"exp":2000})", "jwt.audience"},
      {R"({"iss":"i","exp":2000})", "jwt.audience"},
      {R"({"iss":"i","iss":"i","aud":"me","exp":2000})", "jwt.malformed"},
      {R"([])", "jwt.malformed"},
      {R"({)", "jwt.malformed"},
  };
  for (const auto& c : cases) {
    Result<Jwt> jwt = VerifyJwt(*SignJwt(key, "EdDSA", "", c.claims), jwks,
                                {.issuer = "i", .audience = "me", .now = Timestamp{1000, 0}});
    EXPECT_EQ(jwt ? "" : jwt.error().id(), c.error) << c.claims;
  }
}

TEST(Jose, MalformedTokens) {
  Jwks jwks({});
  std::string good = B64(R"({"alg":"RS256"})") + "." + B64("{}") + "." + B64("x");
  EXPECT_EQ(VerifyJwt(good, jwks, {}).error().id(), "jwt.key");
  std::string cases[] = {
      "",
      ".",
      "..",
      "...",
      "a.b",
      good + ".",
      good + "=",
      " " + good,
      B64(R"({"alg":1})") + "." + B64("{}") + ".",
      B64("[]") + "..",
      B64("{}") + "..",
      B64(R"({"alg":"RS256","kid":1})") + "." + B64("{}") + "." + B64("x"),
      std::string(1 << 17, 'a'),
  };
  for (const std::string& token : cases) {
    EXPECT_EQ(VerifyJwt(token, jwks, {}).error().id(), "jwt.malformed") << token.substr(0, 80);
  }
  for (const char* header : {R"({"alg":"RS256","crit":["x"]})", R"({"alg":"RS256","b64":false})"}) {
    EXPECT_EQ(VerifyJwt(B64(header) + "." + B64("{}") + "." + B64("x"), jwks, {}).error().id(),
              "jwt.algorithm");
  }
  EXPECT_EQ(ReadUnverifiedJwt(B64(R"({"alg":"none"})") + "." + B64(R"({"iss":"i"})") + ".")
                ->claims.StringAt("iss"),
            "i");
}

TEST(Jose, MalformedKeySets) {
  std::string many = R"({"keys":[)";
  for (int i = 0; i < 101; ++i) many += i ? ",{}" : "{}";
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"keys":{}})"),
        many + "]}", std::string(1 << 21, ' ')}) {
    EXPECT_EQ(Jwks::Parse(text).error().id(), "jwks.malformed") << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace bulwark::crypto
