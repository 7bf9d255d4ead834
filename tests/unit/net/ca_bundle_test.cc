#include "plugin/net/ca_bundle.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/temp_dir.h"
#include "tests/unit/net/client_fixture.h"

namespace hubrev::testing {
namespace {

class CaBundleTest : public ::testing::Test {
 protected:
  ~CaBundleTest() override { set_spare_ca_bundle(""); }

  // As if unset: empty variables are passed over.
  const EnvironmentVariable requests_{"REQUESTS_CA_BUNDLE", ""};
  const EnvironmentVariable curl_{"CURL_CA_BUNDLE", ""};
  const EnvironmentVariable openssl_{"SSL_CERT_FILE", ""};
  const TempDir root_;
};

TEST_F(CaBundleTest, EachDistributionsPlaceIsFound) {
  for (const char* place :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem"}) {
    const TempDir system;
    const std::string file = system.write(std::string(place).substr(1), "PEM");
    EXPECT_EQ(system_ca_bundle(system.path()), file);
  }
}

TEST_F(CaBundleTest, AFolderOfThatNameIsNoBundle) {
  root_.write("etc/ssl/cert.pem/certificate", "PEM");
  EXPECT_EQ(system_ca_bundle(root_.path()), "");
}

TEST_F(CaBundleTest, VariablesComeFirstInTheirOrder) {
  set_spare_ca_bundle("spare.pem");
  const EnvironmentVariable third("SSL_CERT_FILE", "third.pem");
  EXPECT_EQ(ca_bundle(), "third.pem");
  const EnvironmentVariable second("CURL_CA_BUNDLE", "second.pem");
  EXPECT_EQ(ca_bundle(), "second.pem");
  const EnvironmentVariable first("REQUESTS_CA_BUNDLE", "first.pem");
  EXPECT_EQ(ca_bundle(), "first.pem");
}

TEST_F(CaBundleTest, TheSystemsComesBeforeTheSpareOne) {
  set_spare_ca_bundle("spare.pem");
  const std::string system = system_ca_bundle();
  EXPECT_EQ(ca_bundle(), system.empty() ? "spare.pem" : system);
}

}  // namespace
}  // namespace hubrev::testing
