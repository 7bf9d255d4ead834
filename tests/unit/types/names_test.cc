#include <gmock/gmock.h>

#include "plugin/types/settings.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;

TEST(RenderRevision, FillsTheTemplate) {
  struct Row {
    const char* revision_template;
    RevisionFields fields;
    const char* expected;
  };
  const Row rows[] = {
      {"", {"", 500, {}, {}, ""}, "step-000000500"},
      {"", {"main-run", 500, {}, {}, ""}, "main-run-step-000000500"},
      {"", {"team/run", 7, {}, {}, ""}, "team/run-step-000000007"},
      {"", {"", 500, {}, {}, "run-3"}, "run-3-step-000000500"},
      {"", {"p", 500, {}, {}, "run-3"}, "run-3-p-step-000000500"},
      {"", {"", 12'345'678'901, {}, {}, ""}, "step-12345678901"},
      {"s{step}", {"", 0, {}, {}, ""}, "s0"},
      {"{step:d}", {"", 42, {}, {}, ""}, "42"},
      {"{step:04d}", {"", 42, {}, {}, ""}, "0042"},
      {"{step:020d}", {"", 42, {}, {}, ""}, "00000000000000000042"},
      {"{revision}/{step}", {"p", 42, {}, {}, ""}, "p/42"},
      {"e{epoch}-{step}", {"", 42, 1.5, {}, ""}, "e1.5-42"},
      {"e{epoch}-{step}", {"", 42, 2.0, {}, ""}, "e2-42"},
      {"e{epoch}-{step}", {"", 42, {}, {}, ""}, "e0-42"},
      {"{run}/{step}", {"", 42, {}, {}, "run-3"}, "run-3/42"},
      {"x{run}{step}{step}", {"", 4, {}, {}, ""}, "x44"},
      {"s{step}-t{tokens}", {"", 5, {}, 1'234'567, ""}, "s5-t1234567"},
      {"s{step}-t{tokens_m}M", {"", 5, {}, 1'999'999, ""}, "s5-t1M"},
      {"s{step}-t{tokens_b}B", {"", 5, {}, 2'460'000'000'000, ""}, "s5-t2460B"},
      {"s{step}-t{tokens_b}B", {"", 5, {}, {}, ""}, "s5-t0B"},
  };
  for (const Row& row : rows) {
    Settings settings;
    settings.revision_template = row.revision_template;
    settings.revision = row.fields.prefix;
    const auto name = render_revision(settings, row.fields);
    ASSERT_TRUE(name.ok()) << row.revision_template << ": " << name.error().message;
    EXPECT_EQ(name.value(), row.expected) << row.revision_template;
  }
}

TEST(RenderRevision, RefusesTemplatesThatCannotWork) {
  struct Row {
    const char* revision_template;
    const char* says;
  };
  const Row rows[] = {
      {"fixed", "must contain {step}"},
      {"{revision}", "must contain {step}"},
      {"{step}-{loss}", "{loss}"},
      {"{step}-{}", "{}"},
      {"{step:9d}", "{step:9d}"},
      {"{step:09x}", "{step:09x}"},
      {"{step:09}", "{step:09}"},
      {"{step:021d}", "{step:021d}"},
      {"{step:099999999999999999999d}", "{step:"},
      {"{step:-1d}", "{step:-1d}"},
      {"{step", "'{' without '}'"},
      {"{step}{epoch:3}", "{epoch:3}"},
      {"{step}{tokens:03d}", "{tokens:03d}"},
      {"{step} x", "not valid"},
      {"../{step}", "not valid"},
      {"refs/{step}", "not valid"},
  };
  for (const Row& row : rows) {
    Settings settings;
    settings.revision_template = row.revision_template;
    const auto name = render_revision(settings, {"", 5, 1.0, 5, ""});
    ASSERT_FALSE(name.ok()) << row.revision_template << " gave " << name.value();
    EXPECT_EQ(name.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(name.error().message, HasSubstr(row.says)) << row.revision_template;
    EXPECT_THAT(name.error().message, HasSubstr("revision_template"));
  }
}

TEST(CheckRevisionName, AcceptsBranchNames) {
  const std::string names[] = {"main",
                               "a",
                               "step-000000500",
                               "team/run-1/step-5",
                               "v1.0",
                               "a@b",
                               "@a",
                               "x{1}",
                               "HEAD-1",
                               "a.b.c",
                               "caf\xC3\xA9",
                               "a-",
                               "heads/refs/x",
                               "lock",
                               "a.locked",
                               std::string(200, 'x')};
  for (const std::string& name : names) {
    const Status status = check_revision_name(name);
    EXPECT_TRUE(status.ok()) << name << ": " << status.error().message;
  }
}

TEST(CheckRevisionName, RefusesWhatGitRefuses) {
  const std::string names[] = {
      "",
      "@",
      "HEAD",
      "refs/heads/x",
      "-x",
      "x.",
      "x/",
      "/x",
      "a//b",
      ".x",
      "a/.b",
      "a..b",
      "a.lock",
      "a.lock/b",
      "a b",
      "a~b",
      "a^b",
      "a:b",
      "a?b",
      "a*b",
      "a[b",
      "a\\b",
      "a@{b",
      "a\tb",
      "a\nb",
      "a\x7F",
      std::string("a\0b", 3),
      std::string(201, 'x'),
  };
  for (const std::string& name : names) {
    const Status status = check_revision_name(name);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(status.error().message, HasSubstr("'revision_template'"));
  }
}

TEST(CheckRepoId, AcceptsRepositoryIds) {
  for (const std::string& id :
       {std::string("name"), std::string("namespace/name"), std::string("A.b_c-9/x_Y.z"),
        std::string("_a/b_"), std::string("a/gitx"), std::string("a/b.git.c"), std::string("1/2"),
        std::string(96, 'x')}) {
    const Status status = check_repo_id(id);
    EXPECT_TRUE(status.ok()) << id << ": " << status.error().message;
  }
}

TEST(CheckRepoId, RefusesEverythingElse) {
  const std::string ids[] = {"",
                             "/",
                             "a/",
                             "/a",
                             "a//b",
                             "a/b/c",
                             "a b",
                             "a/b c",
                             "-a",
                             "a-",
                             ".a",
                             "a.",
                             "-a/b",
                             "a/b.",
                             "a/-b",
                             "a--b/c",
                             "a/b..c",
                             "a/b.git",
                             "a\\b",
                             "a/b\n",
                             "a/caf\xC3\xA9",
                             "https://x/y",
                             "a:b",
                             "a/b?",
                             std::string(97, 'x')};
  for (const std::string& id : ids) {
    const Status status = check_repo_id(id);
    ASSERT_FALSE(status.ok()) << id;
    EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(status.error().message, HasSubstr("'repo_id'"));
  }
}

}  // namespace
}  // namespace hubrev
