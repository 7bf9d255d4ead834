#pragma once
// Which certificate authorities are trusted, on whatever distribution this runs. curl and OpenSSL
// know one place, that of the system they were built on.

#include <string>

namespace hubrev {

// The file of authorities that the distribution below `root` keeps; "" where it has none.
std::string system_ca_bundle(const std::string& root = "");

// REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE, the first that is set, as with Python's HTTP
// stacks; "" where none is.
std::string ca_bundle_variable();

// The file to trust: what that variable names; else the system's; else the spare one; else "".
std::string ca_bundle();

// For a container without authorities of its own: certifi's, say. To be called before any client is
// made.
void set_spare_ca_bundle(std::string file);

}  // namespace hubrev
