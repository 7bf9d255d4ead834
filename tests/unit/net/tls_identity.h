#pragma once
// A certificate of a test's own, for 127.0.0.1 only.

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace hubrev::testing {

// Immutable, so any thread may use it.
class TlsIdentity {
 public:
  TlsIdentity();  // throws std::runtime_error
  // The certificate in PEM form; it is its own authority.
  const std::string& certificate() const { return certificate_; }
  // Offers HTTP/2 before HTTP/1.1.
  SSL_CTX* context() const { return context_.get(); }

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, ContextDeleter> context_;
  std::string certificate_;
};

}  // namespace hubrev::testing
