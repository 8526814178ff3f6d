#pragma once

// For tests: authorities and certificates made on the spot (ECDSA P-256).
//
//   TestCa ca("test CA");
//   auto server = ca.Issue("bulwark", {.names = {"localhost", "127.0.0.1"}});

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "base/check.h"

namespace bulwark::net {

class TestCa {
 public:
  struct Pair {
    std::string certificate_pem, key_pem;
  };
  struct Options {
    std::vector<std::string> names;  // DNS names and IPv4 addresses
    bool client = false;             // else for servers
    int valid_days = 1;              // negative: expired
  };

  explicit TestCa(const std::string& name) : key_(NewKey()), certificate_(X509_new(), X509_free) {
    Fill(certificate_.get(), name, key_.get(), 1);
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    Extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    Extend(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    BW_CHECK(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) != 0);
  }

  std::string pem() const { return CertificatePem(certificate_.get()); }

  Pair Issue(const std::string& common_name, const Options& options) const {
    Key key = NewKey();
    std::unique_ptr<X509, decltype(&X509_free)> x(X509_new(), X509_free);
    Fill(x.get(), common_name, key.get(), options.valid_days);
    X509_set_issuer_name(x.get(), X509_get_subject_name(certificate_.get()));
    Extend(x.get(), NID_ext_key_usage, options.client ? "clientAuth" : "serverAuth");
    std::string alternatives;
    for (const std::string& name : options.names) {
      bool ip = name.find_first_not_of("0123456789.") == std::string::npos;
      alternatives += (alternatives.empty() ? "" : ",") + std::string(ip ? "IP:" : "DNS:") + name;
    }
    if (!alternatives.empty()) Extend(x.get(), NID_subject_alt_name, alternatives);
    BW_CHECK(X509_sign(x.get(), key_.get(), EVP_sha256()) != 0);
    return {CertificatePem(x.get()), KeyPem(key.get())};
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  static Key NewKey() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

  static void Fill(X509* x, const std::string& name, EVP_PKEY* key, int days) {
    static long serial = 1000;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), days < 0 ? -86400L * 30 : -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  }
  static void Extend(X509* x, int nid, const std::string& value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    BW_CHECK(e != nullptr);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
  }
  static std::string Text(BIO* bio) {
    char* data = nullptr;
    long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<size_t>(size));
    BIO_free(bio);
    return out;
  }
  static std::string CertificatePem(X509* x) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    return Text(bio);
  }
  static std::string KeyPem(EVP_PKEY* key) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    return Text(bio);
  }

  Key key_;
  std::unique_ptr<X509, decltype(&X509_free)> certificate_;
};

}  // namespace bulwark::net
