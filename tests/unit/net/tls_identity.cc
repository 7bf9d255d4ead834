#include "tests/unit/net/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace hubrev::testing {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_free>>;

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

Certificate self_signed(EVP_PKEY* key) {
  constexpr long kDay = 24 * 3600;
  Certificate certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(x), kDay);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("loopback"), -1, -1, 0);
  X509_set_issuer_name(x, name);
  const Extension names(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1"));
  require(names && X509_add_ext(x, names.get(), -1) == 1, "subjectAltName failed");
  require(X509_sign(x, key, EVP_sha256()) != 0, "X509_sign failed");
  return certificate;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned int offered_length, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, length, kOurs, sizeof kOurs - 1, offered, offered_length);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

TlsIdentity::TlsIdentity() : context_(SSL_CTX_new(TLS_server_method())) {
  const Key key(EVP_EC_gen("P-256"));
  require(context_ && key, "no TLS");
  const Certificate certificate = self_signed(key.get());
  require(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1, "certificate refused");
  require(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1, "key refused");
  SSL_CTX_set_alpn_select_cb(context_.get(), choose_protocol, nullptr);
  const Memory pem(BIO_new(BIO_s_mem()));
  require(pem && PEM_write_bio_X509(pem.get(), certificate.get()) == 1, "no PEM");
  char* text = nullptr;
  const long length = BIO_get_mem_data(pem.get(), &text);
  certificate_.assign(text, static_cast<std::size_t>(length));
}

}  // namespace hubrev::testing
