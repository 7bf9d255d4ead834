#include "plugin/git/advertisement.h"

#include <gtest/gtest.h>

#include <string>

namespace hubrev {
namespace {

std::string packet(const std::string& payload) {
  char length[5];
  std::snprintf(length, sizeof(length), "%04zx", payload.size() + 4);
  return length + payload;
}

const std::string kId(40, 'a');
const std::string kHead = packet("# service=git-upload-pack\n") + "0000";
const std::string kFirst = packet(kId + " HEAD" + '\0' + "side-band-64k ofs-delta\n");
const std::string kSecond = packet(kId + " refs/heads/main\n");

std::string verdict(const Status& status) {
  return status.ok() ? "ok" : std::string(to_string(status.error().kind));
}

TEST(Advertisement, Table) {
  const std::pair<std::string, const char*> rows[] = {
      {kHead + kFirst + kSecond + "0000", "ok"},
      {kHead + "0000", "ok"},
      {packet("# service=git-upload-pack") + "0000" + kFirst + "0000", "ok"},
      {"", "network"},
      {kHead, "network"},
      {kHead + kFirst, "network"},
      {kHead + kFirst + kSecond.substr(0, 20), "network"},
      {kHead + kFirst + "00", "network"},
      {kFirst + "0000", "network"},
      {packet("# service=git-receive-pack\n") + "0000" + "0000", "network"},
      {"<!DOCTYPE html>", "network"},
      {kHead + packet("ACK " + kId) + "0000", "network"},
      {kHead + packet("NAK\n") + "0000", "network"},
      {kHead + packet("shallow " + kId) + "0000", "network"},
      {kHead + packet("version 1") + kFirst + "0000", "network"},
      {kHead + packet(kId) + "0000", "network"},
      {kHead + packet(kId + " ") + "0000", "network"},
      {kHead + packet(kId + " \n") + "0000", "network"},
      {kHead + packet(kId + " " + '\0' + "caps") + "0000", "network"},
      {kHead + kFirst + packet(kId + " refs/heads/a" + '\0' + "b\n") + "0000", "network"},
      {kHead + packet(std::string(40, 'g') + " refs/heads/a") + "0000", "network"},
      {kHead + "0004" + "0000", "network"},
      {kHead + "0001" + "0000", "network"},
      {kHead + "+00a" + "0000", "network"},
      {kHead + "-00a" + "0000", "network"},
      {kHead + " 00a" + "0000", "network"},
      {kHead + "0x0a" + "0000", "network"},
      {kHead + packet("ERR no such repository") + "0000", "rejected"},
      {packet("ERR no such repository"), "rejected"},
      {kHead + packet(std::string(64, 'a') + " refs/heads/main\n") + "0000", "rejected"},
  };
  for (const auto& [body, kind] : rows) {
    EXPECT_EQ(verdict(check_advertisement(body, GitService::kUploadPack)), kind) << body;
  }
}

TEST(Advertisement, ShowsTheServersWords) {
  const Status status =
      check_advertisement(kHead + packet("ERR access denied"), GitService::kUploadPack);
  EXPECT_EQ(status.error().message, "the server says: access denied");
}

TEST(Advertisement, IsNarrowedToWhatIsWanted) {
  const std::string caps = std::string(1, '\0') + "side-band-64k ofs-delta\n";
  const std::string whole = kHead + kFirst + kSecond + packet(kId + " refs/heads/x\n") + "0000";
  const auto only = [&](std::string_view name) {
    const std::string kept =
        narrowed(whole, [&](std::string_view ref, const GitId&) { return ref == name; });
    EXPECT_EQ(verdict(check_advertisement(kept, GitService::kUploadPack)), "ok");
    return kept;
  };
  EXPECT_EQ(only("HEAD"), kHead + kFirst + "0000");
  EXPECT_EQ(only("refs/heads/x"), kHead + packet(kId + " refs/heads/x" + caps) + "0000");
  EXPECT_EQ(only("none"),
            kHead + packet(std::string(40, '0') + " capabilities^{}" + caps) + "0000");
  EXPECT_EQ(narrowed(whole, [](std::string_view, const GitId& id) { return id.hex() == kId; }),
            whole);
  EXPECT_EQ(narrowed(kHead + "0000", [](std::string_view, const GitId&) { return true; }),
            kHead + "0000");
}

TEST(Advertisement, EveryCutIsNoticed) {
  const std::string whole = kHead + kFirst + kSecond + "0000";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(verdict(check_advertisement(whole.substr(0, length), GitService::kUploadPack)),
              "network")
        << length;
  }
}

TEST(Report, EveryCutIsNoticed) {
  const std::string whole =
      packet("\x02hook\n") + packet("\x01" + packet("unpack ok\n") + "0000") + "0000";
  EXPECT_EQ(verdict(check_report(whole)), "ok");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(verdict(check_report(whole.substr(0, length))), "network") << length;
  }
}

TEST(Pack, Table) {
  const auto data = [](const std::string& bytes) { return packet("\x01" + bytes); };
  const std::string two = std::string("PACK\0\0\0\2\0\0\0\2", 12);
  const std::string many = std::string("PACK\0\0\0\2\xff\xff\xff\xff", 12);
  const std::pair<std::string, const char*> rows[] = {
      {packet("NAK\n"), "ok"},
      {packet("ACK " + kId + " common\n") + packet("NAK\n"), "ok"},
      {packet("NAK\n") + data(two + "xx") + "0000", "ok"},
      {packet("NAK\n") +
           packet("\x02"
                  "counting") +
           data("PA") + data(two.substr(2)) + "0000",
       "ok"},
      {packet("NAK\n") + data(two + "xx"), "network"},
      {packet("NAK\n") + data("PACK") + "0000", "network"},
      {packet("NAK\n") + data(many) + "0000", "network"},
      {packet("NAK\n") + data(many.substr(0, 5)) + data(many.substr(5)) + "0000", "network"},
      {packet("NAK\n") + two, "network"},
      {packet("ok abcde\n") + "0000", "network"},
      {packet("ng abcde why\n"), "network"},
      {packet(kId + " refs/heads/main\n"), "network"},
      {packet("ERR no\n"), "ok"},
  };
  for (const auto& [body, kind] : rows) EXPECT_EQ(verdict(check_pack(body)), kind) << body;
}

}  // namespace
}  // namespace hubrev
