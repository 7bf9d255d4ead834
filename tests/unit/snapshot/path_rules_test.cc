#include "plugin/snapshot/path_rules.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

TEST(PathProblem, AcceptsWhatGitAccepts) {
  const std::string paths[] = {
      "model.safetensors",
      "a/b/c.json",
      ".gitattributes",
      ".gitignore",
      ".github/x",
      "git~10",
      "git",
      "x.git",
      ".git~1x",
      "with space and $ # ! * [x] ?",
      "caf\xC3\xA9.txt",
      "\xE6\xA8\xA1\xE5\x9E\x8B.bin",
      "\xF0\x9F\xA4\x97.md",
      "...",
      std::string(4096, 'a'),
  };
  for (const std::string& path : paths) {
    EXPECT_FALSE(path_problem(path).has_value()) << path << ": " << path_problem(path).value_or("");
  }
}

TEST(PathProblem, RefusesWhatNoRevisionCanHold) {
  struct Row {
    std::string path;
    const char* says;
  };
  const Row rows[] = {
      {"", "empty part"},
      {"/absolute", "empty part"},
      {"a//b", "empty part"},
      {"a/", "empty part"},
      {".", "'.'"},
      {"a/../b", "'..'"},
      {"..", "'..'"},
      {".GIT/config", "reserves"},
      {"a/.Git", "reserves"},
      {"GIT~1", "reserves"},
      {"git~1/x", "reserves"},
      {".git ", "reserves"},
      {".git. . .", "reserves"},
      {".git::$INDEX_ALLOCATION", "reserves"},
      {"git~1...", "reserves"},
      {".g\xE2\x80\x8Cit", "reserves"},              // U+200C, which HFS+ ignores
      {"\xEF\xBB\xBF.git", "reserves"},              // U+FEFF
      {".G\xE2\x80\x8Di\xE2\x81\xAFt", "reserves"},  // U+200D, U+206F
      {"a\nb", "control"},
      {std::string("a\0b", 3), "control"},
      {"tab\t", "control"},
      {"del\x7F", "control"},
      {"a\\b", "backslash"},
      {"\xFF", "UTF-8"},
      {"caf\xE9.txt", "UTF-8"},       // Latin-1
      {"\xC3", "UTF-8"},              // cut off
      {"\xC0\xAE", "UTF-8"},          // overlong '.'
      {"\xE0\x80\xAE", "UTF-8"},      // overlong '.'
      {"\xF0\x80\x80\xAE", "UTF-8"},  // overlong '.'
      {"\xED\xA0\x80", "UTF-8"},      // a surrogate
      {"\xF4\x90\x80\x80", "UTF-8"},  // above U+10FFFF
      {"\xF5\x80\x80\x80", "UTF-8"},
      {"\x80", "UTF-8"},
      {"\xE2\x28\xA1", "UTF-8"},
      {std::string(4097, 'a'), "4096"},
  };
  for (const Row& row : rows) {
    const auto problem = path_problem(row.path);
    ASSERT_TRUE(problem.has_value()) << row.path;
    EXPECT_NE(problem->find(row.says), std::string_view::npos) << row.path << ": " << *problem;
  }
}

TEST(Printable, ShowsEveryByteOfABadName) {
  EXPECT_EQ(shown_path("caf\xC3\xA9 x"), "caf\xC3\xA9 x");
  EXPECT_EQ(shown_path("a\nb\xFF\x7F"), "a\\x0ab\\xff\\x7f");
  EXPECT_EQ(shown_path("cut\xE2\x80"), "cut\\xe2\\x80");
  EXPECT_EQ(shown_path(""), "");
}

}  // namespace
}  // namespace hubrev
