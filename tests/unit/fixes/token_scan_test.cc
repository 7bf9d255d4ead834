#include "plugin/fixes/token_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stop_token>

namespace hubrev {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kToken = "hf_" + std::string(34, 'a');

std::vector<std::string> found(const std::string& path, std::string bytes,
                               const std::vector<Secret>& secrets = {}) {
  Snapshot snapshot;
  put_entry(snapshot, {path, Source::from_bytes(std::move(bytes))});
  return find_tokens(snapshot, secrets, {}).value();
}

std::string safetensors(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header + data;
}

TEST(TokenScan, FindsTheShapeOfAToken) {
  EXPECT_THAT(found("run.py", "login('" + kToken + "')"), ElementsAre("run.py"));
  EXPECT_THAT(found("run.py", kToken), ElementsAre("run.py"));
  EXPECT_THAT(found("run.py", "api_org_" + std::string(34, 'Z')), ElementsAre("run.py"));
  EXPECT_THAT(found("run.py", "hf_short hf_" + std::string(34, 'b')), ElementsAre("run.py"));
}

TEST(TokenScan, LeavesOtherTextAlone) {
  EXPECT_THAT(found("a.py", "hf_hub_download(hf_token, 'hf_xxxx')"), IsEmpty());
  EXPECT_THAT(found("a.py", "shf_" + std::string(34, 'a')), IsEmpty()) << "within a word";
  EXPECT_THAT(found("a.py", "hf_" + std::string(29, 'a')), IsEmpty());
  EXPECT_THAT(found("a.py", ""), IsEmpty());
}

TEST(TokenScan, FindsTheTokenInUseWhateverItsShape) {
  const std::vector<Secret> secrets = {Secret("my-own-server-token")};
  EXPECT_THAT(found("a.bin", std::string("\0\1x my-own-server-tokeny", 24), secrets),
              ElementsAre("a.bin"));
  EXPECT_THAT(found("a.bin", "nothing", secrets), IsEmpty());
  EXPECT_THAT(found("a.bin", "abc", {Secret("abc"), Secret("")}), IsEmpty()) << "too short";
}

TEST(TokenScan, FindsOneThatLiesAcrossTwoReads) {
  for (const std::size_t cut : {1u, 10u, 20u, 36u}) {
    const std::string before((1u << 20) - cut, ' ');
    EXPECT_THAT(found("a.txt", before + kToken + " "), ElementsAre("a.txt")) << cut;
  }
}

TEST(TokenScan, OfSafetensorsOnlyTheHeaderIsText) {
  EXPECT_THAT(found("m.safetensors", safetensors("{}", kToken)), IsEmpty());
  EXPECT_THAT(found("m.safetensors", safetensors("{\"k\":\"" + kToken + "\"}", "xx")),
              ElementsAre("m.safetensors"));
  EXPECT_THAT(found("m.safetensors", "1234567=" + kToken), ElementsAre("m.safetensors"))
      << "no safetensors file after all";
}

TEST(TokenScan, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  Snapshot snapshot;
  put_entry(snapshot, {"a", Source::from_bytes("x")});
  EXPECT_EQ(find_tokens(snapshot, {}, stop.get_token()).error().kind, ErrorKind::kCancelled);
}

}  // namespace
}  // namespace hubrev
