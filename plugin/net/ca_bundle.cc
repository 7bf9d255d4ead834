#include "plugin/net/ca_bundle.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace hubrev {
namespace {

constexpr std::array<const char*, 3> kVariables = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
                                                   "SSL_CERT_FILE"};

constexpr std::array<const char*, 5> kPlaces = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",                   // RHEL, Fedora, Amazon Linux
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // what the one above links to
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/ssl/cert.pem",                                  // Alpine
};

std::string& spare() {
  static std::string file;
  return file;
}

}  // namespace

std::string system_ca_bundle(const std::string& root) {
  for (const char* place : kPlaces) {
    std::error_code ignored;
    const std::string file = root + place;
    if (std::filesystem::is_regular_file(file, ignored)) return file;
  }
  return "";
}

std::string ca_bundle_variable() {
  for (const char* name : kVariables) {
    if (const char* file = std::getenv(name); file != nullptr && *file != '\0') return name;
  }
  return "";
}

std::string ca_bundle() {
  const std::string variable = ca_bundle_variable();
  if (!variable.empty()) return std::getenv(variable.c_str());
  std::string file = system_ca_bundle();
  return file.empty() ? spare() : file;
}

void set_spare_ca_bundle(std::string file) {
  spare() = std::move(file);
}

}  // namespace hubrev
