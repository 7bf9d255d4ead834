#include "plugin/types/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "plugin/types/settings.h"
#include "plugin/types/target.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RepositoryUrl, IsTakenApart) {
  struct Row {
    const char* text;
    const char* url;
    const char* server;
    const char* username;
  };
  const Row rows[] = {
      {"https://git.example/group/name.git", "https://git.example/group/name.git",
       "https://git.example", ""},
      {"https://git.example:8443/a/b/c/name/", "https://git.example:8443/a/b/c/name",
       "https://git.example:8443", ""},
      {"http://ann@127.0.0.1:80/name.git", "http://127.0.0.1:80/name.git", "http://127.0.0.1:80",
       "ann"},
      {"file:///models/name.git", "file:///models/name.git", "file:///models", ""},
      {"file:///with%20space/name", "file:///with%20space/name", "file:///with%20space", ""},
      {"file:///name.git", "file:///name.git", "file:///", ""},
  };
  for (const Row& row : rows) {
    EXPECT_TRUE(is_repository_url(row.text));
    const auto parsed = parse_repository_url(row.text);
    ASSERT_TRUE(parsed.ok()) << row.text << parsed.error().message;
    EXPECT_EQ(parsed->url, row.url);
    EXPECT_EQ(parsed->server, row.server);
    EXPECT_EQ(parsed->username, row.username);
  }
  EXPECT_FALSE(is_repository_url("namespace/name"));
  EXPECT_FALSE(is_repository_url("name"));
}

TEST(RepositoryUrl, WhatIsNoneIsRefusedWithTheRemedy) {
  const std::pair<const char*, const char*> rows[] = {
      {"ssh://git@git.example/pw/name.git", "ssh is not spoken"},
      {"git@git.example:pw/name.git", "ssh is not spoken"},
      {"/models/pw.git", "file://"},
      {"https://ann:pw@git.example/a/name.git", "HF_TOKEN"},
      {"https://ann:@git.example/a/name.git", "HF_TOKEN"},
      {"https://git.example", "must name a host and a repository"},
      {"https:///pw/name.git", "must name a host and a repository"},
      {"https://:80/pw/name.git", "must name a host and a repository"},
      {"https://git.example/a?pw", "must name a host and a repository"},
      {"https://git.example/a pw", "must name a host and a repository"},
      {"https://git.example/a/../pw", "must name a host and a repository"},
      {"https://git.example//pw", "must name a host and a repository"},
      {"file://models/pw.git", "by its whole path"},
      {"file:///", "file://"},
      {"file:///a/../pw", "by its whole path"},
      {"file:///a%2F..%2Fpw", "by its whole path"},
      {"file:///a%0Apw", "by its whole path"},
  };
  for (const auto& [text, words] : rows) {
    const auto parsed = parse_repository_url(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(parsed.error().message, HasSubstr(words));
    EXPECT_THAT(parsed.error().message, HasSubstr("'repo_id'"));
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("pw"))) << text;
  }
}

TEST(RepositoryUrl, OfAFolderIsDecodedAsGitDoes) {
  EXPECT_EQ(file_url_path("file:///models/name.git"), "/models/name.git");
  EXPECT_EQ(file_url_path("file:///with%20space%2Fa"), "/with space/a");
  EXPECT_EQ(file_url_path("file:///100%/%zz%4"), "/100%/%zz%4");
}

TEST(Settings, AnAddressBringsItsServerAndUser) {
  const auto parsed = parse_settings({{"repo_id", "https://ann@git.example/group/name.git"},
                                      {"endpoint", "https://hub.example"},
                                      {"lfs_url", "https://lfs.example/x/"}});
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->repo_id, "https://git.example/group/name.git");
  EXPECT_EQ(parsed->endpoint, "https://git.example");
  EXPECT_EQ(parsed->username, "ann");
  EXPECT_EQ(parsed->lfs_url, "https://lfs.example/x");
  EXPECT_EQ(parse_settings({{"repo_id", "a/b"}, {"username", "bob"}})->username, "bob");
  for (const auto& [key, value] : {std::pair("username", "ann:pw"),
                                   {"lfs_url", "ftp://pw"},
                                   {"lfs_url", "https://ann:pw@lfs.example"}}) {
    const auto refused = parse_settings({{key, value}});
    ASSERT_FALSE(refused.ok()) << value;
    EXPECT_THAT(refused.error().message, HasSubstr(key));
    EXPECT_THAT(refused.error().message, Not(HasSubstr("pw")));
  }
}

TEST(Target, KnowsItsLfsServerAndPage) {
  Target target;
  target.endpoint = "https://example.com";
  target.repo_id = "a/b";
  target.revision = "step-1";
  EXPECT_EQ(lfs_server_url(target), "https://example.com/a/b.git/info/lfs");
  EXPECT_EQ(revision_url(target), "https://example.com/a/b/tree/step-1");
  target.provider = Provider::kGit;
  EXPECT_EQ(revision_url(target), "https://example.com/a/b.git");
  target.repo_id = "https://example.com/a/b";
  EXPECT_EQ(repository_url(target), "https://example.com/a/b");
  EXPECT_EQ(lfs_server_url(target), "https://example.com/a/b.git/info/lfs");
  target.lfs_url = "https://lfs.example/x";
  EXPECT_EQ(lfs_server_url(target), "https://lfs.example/x");
  target.provider = Provider::kFile;
  target.endpoint = "file:///models";
  target.repo_id = "a/b";
  target.lfs_url = "";
  EXPECT_EQ(repository_url(target), "file:///models/a/b.git");
  EXPECT_EQ(lfs_server_url(target), "file:///models/a/b.git");
}

}  // namespace
}  // namespace hubrev
