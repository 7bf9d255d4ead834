#include "plugin/lfs/gitattributes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>
#include <utility>

#include "plugin/lfs/attribute_rules.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using testing::TempDir;

using Values = std::map<std::pair<std::string, std::string>, std::string>;

// What git itself says under that .gitattributes: (path, attribute) -> value.
Values values_by_git(const std::string& attributes, const std::vector<std::string>& paths,
                     const std::string& names) {
  const TempDir dir;
  dir.write("repo/.gitattributes", attributes);
  std::string input;
  for (const std::string& path : paths) input += path + '\0';
  dir.write("paths", input);
  const std::string command =
      "cd '" + (dir / "repo") + "' && export GIT_CONFIG_NOSYSTEM=1 HOME='" + dir.path().string() +
      "' && git init -q . && git check-attr --stdin -z " + names + " < ../paths > ../out";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::istringstream out(TempDir::read(dir / "out"));
  Values values;
  std::string path, name, value;
  while (std::getline(out, path, '\0') && std::getline(out, name, '\0') &&
         std::getline(out, value, '\0')) {
    values[{path, name}] = value;
  }
  return values;
}

std::map<std::string, std::string> filters_by_git(const std::string& attributes,
                                                  const std::vector<std::string>& paths) {
  std::map<std::string, std::string> filters;
  for (const auto& [key, value] : values_by_git(attributes, paths, "filter")) {
    filters[key.first] = value;
  }
  return filters;
}

const std::vector<std::string> kPaths = {
    "config.json",
    "model.safetensors",
    "sub/model-00001-of-00002.safetensors",
    "tokenizer.json",
    "sub/tokenizer.json",
    "a.bin",
    "a.BIN",
    "abin",
    ".bin",
    "a.bin.txt",
    "x.tar.gz",
    "x.tar.",
    "tar",
    "a.lfs.json",
    "lfs.json",
    "saved_model/a",
    "saved_model/b/c/d.txt",
    "saved_model",
    "x/saved_model/a",
    "runs/events.out.tfevents.1.host.7.0",
    "tfevents",
    "tfevent",
    ".metadata",
    "with space.distcp",
    "with\ttab",
    "with\nnewline",
    "with \"quotes\" and \\ both",
    "quote\"inside",
    "\"leading quote",
    "star*.txt",
    "starX.txt",
    "question?.txt",
    "questionX.txt",
    "range[a-c].txt",
    "rangeb.txt",
    "back\\slash",
    "#hash",
    "!bang",
    " leading blank",
    "trailing blank ",
    "[attr]lfs",
    "-dash",
    "\xC3\xA9t\xC3\xA9/\xE2\x96\x81.vocab",
    "\x01\x02 control",
    "a/b/c/d/e",
    "a/c",
};

TEST(AttributePatterns, AgreeWithGit) {
  std::vector<std::string> patterns(kHubDefaultPatterns.begin(), kHubDefaultPatterns.end());
  for (const char* more : {"*",
                           "*.*",
                           "**",
                           "a/**",
                           "a/**/e",
                           "**/e",
                           "**/c/**",
                           "a/*/c",
                           "a/*",
                           "/*.json",
                           "*.json",
                           "tokenizer.json",
                           "/tokenizer.json",
                           "sub/*.json",
                           "sub/",
                           "?ub/*",
                           "[a-c].bin",
                           "[!a-c].bin",
                           "[^b]*.bin",
                           "range[[]a-c].txt",
                           "*\\*.txt",
                           "star\\*.txt",
                           "*[?]*",
                           "[]x]*",
                           "a/**/c",
                           "sub/**/model*",
                           "*a*e*n*.*",
                           "**b**",

                           "[a-",
                           "back\\\\slash",
                           "tar\\",
                           "*.",
                           "\\#*",
                           "*\xC3*",
                           "/a/b/c/d/e",
                           "//a/c",
                           "a//c",
                           "***/e",
                           "**/",
                           "/",
                           "/**"}) {
    patterns.emplace_back(more);
  }
  // One attribute for each pattern.
  std::string attributes;
  std::string names;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    attributes += patterns[i] + " m" + std::to_string(i) + "\n";
    names += " m" + std::to_string(i);
  }
  const Values by_git = values_by_git(attributes, kPaths, names);
  ASSERT_EQ(by_git.size(), kPaths.size() * patterns.size());
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    for (const std::string& path : kPaths) {
      EXPECT_EQ(attribute_pattern_matches(patterns[i], path),
                by_git.at({path, "m" + std::to_string(i)}) == "set")
          << "pattern " << patterns[i] << " path " << path;
    }
  }
}

TEST(AttributePatterns, AHostilePatternTakesNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "*a";
  EXPECT_FALSE(attribute_pattern_matches(pattern + "b", std::string(4000, 'a')));
  std::string spanning;
  std::string path;
  for (int i = 0; i < 500; ++i) spanning += "**/a/";
  for (int i = 0; i < 2000; ++i) path += "a/";
  EXPECT_FALSE(attribute_pattern_matches(spanning + "b", path + "a"));
}

TEST(AttributePatterns, LinesAreReadAsGitReadsThem) {
  struct Row {
    const char* line;
    const char* pattern;  // nullptr: says nothing
    LfsFilter filter;
  };
  const Row rows[] = {
      {"*.bin filter=lfs diff=lfs merge=lfs -text\n", "*.bin", LfsFilter::kOn},
      {"  *.bin\tfilter=lfs\r\n", "*.bin", LfsFilter::kOn},
      {"*.bin -filter", "*.bin", LfsFilter::kOff},
      {"*.bin !filter", "*.bin", LfsFilter::kOff},
      {"*.bin filter=crypt", "*.bin", LfsFilter::kOff},
      {"*.bin filter=lfs -filter", "*.bin", LfsFilter::kOff},
      {"\"a b\\\"\\\\\\n\\303\" filter=lfs", "a b\"\\\n\xC3", LfsFilter::kOn},
      {"\"a filter=lfs", "\"a", LfsFilter::kOn},
      {"\"a\\q\" filter=lfs", "\"a\\q\"", LfsFilter::kOn},
      {"# *.bin filter=lfs", nullptr, LfsFilter::kOff},
      {"!*.bin filter=lfs", nullptr, LfsFilter::kOff},
      {"[attr]big filter=lfs", nullptr, LfsFilter::kOff},
      {"*.bin text", nullptr, LfsFilter::kOff},
      {"*.bin", nullptr, LfsFilter::kOff},
      {"", nullptr, LfsFilter::kOff},
      {" \r\n", nullptr, LfsFilter::kOff},
  };
  for (const Row& row : rows) {
    const auto rule = parse_attribute_line(row.line);
    ASSERT_EQ(rule.has_value(), row.pattern != nullptr) << row.line;
    if (!rule) continue;
    EXPECT_EQ(rule->pattern, row.pattern);
    EXPECT_EQ(rule->filter, row.filter) << row.line;
  }
}

TEST(Gitattributes, GitRunsTheFilterOnExactlyThePointers) {
  const std::optional<std::string> existing[] = {
      std::nullopt,
      "",
      "tokenizer.json filter=lfs diff=lfs merge=lfs -text",  // no line end
      "*.json filter=lfs\n*.bin -filter\n",
      "*.bin filter=lfs diff=lfs merge=lfs -text\na.bin !filter\n",
      "* filter=lfs\n",
      "* -filter\n",
      "\"with space.distcp\" filter=lfs\r\n# a comment\r\n*.txt text eol=lf\r\n",
      "**/c/** filter=lfs\n[a-z]* filter=lfs\n*[?]* filter=other\n",
  };
  for (const auto& text : existing) {
    for (int half = 0; half < 2; ++half) {
      StoredPaths paths;
      for (std::size_t i = 0; i < kPaths.size(); ++i) {
        (static_cast<int>(i % 2) == half ? paths.lfs : paths.git).push_back(kPaths[i]);
      }
      const auto by_git = filters_by_git(gitattributes(paths, text), kPaths);
      for (const std::string& path : paths.lfs) EXPECT_EQ(by_git.at(path), "lfs") << path;
      for (const std::string& path : paths.git) EXPECT_NE(by_git.at(path), "lfs") << path;
    }
  }
}

TEST(Gitattributes, OrdinaryCheckpointNeedsTheDefaultRulesOnly) {
  const std::string text =
      gitattributes({{"model.safetensors"}, {"config.json", ".gitattributes"}}, std::nullopt);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 35);
  EXPECT_TRUE(text.starts_with("*.7z filter=lfs diff=lfs merge=lfs -text\n"));
  EXPECT_TRUE(text.ends_with("\n*tfevents* filter=lfs diff=lfs merge=lfs -text\n"));
}

TEST(Gitattributes, NamesWhatTheRulesDoNotCover) {
  const std::string text = gitattributes(
      {{"tokenizer.json", "a b.distcp", "model.bin"}, {"empty.bin", "config.json"}}, std::nullopt);
  EXPECT_TRUE(
      text.ends_with("*tfevents* filter=lfs diff=lfs merge=lfs -text\n"
                     "\"/a b.distcp\" filter=lfs diff=lfs merge=lfs -text\n"
                     "/empty.bin !filter !diff !merge !text\n"
                     "/tokenizer.json filter=lfs diff=lfs merge=lfs -text\n"))
      << text;
}

TEST(Gitattributes, AnExactLineTouchesNoNamesake) {
  const std::string text = gitattributes({{"tokenizer.json"}, {}}, std::nullopt);
  const auto by_git = filters_by_git(text, {"tokenizer.json", "sub/tokenizer.json"});
  EXPECT_EQ(by_git.at("tokenizer.json"), "lfs");
  EXPECT_EQ(by_git.at("sub/tokenizer.json"), "unspecified");
}

TEST(Gitattributes, KeepsWhatTheCheckpointHadWordForWord) {
  const std::string existing =
      "# mine\n\n*.txt  text eol=lf\n*.bin filter=lfs diff=lfs merge=lfs -text";
  const std::string text = gitattributes({{"a.bin"}, {}}, existing);
  EXPECT_TRUE(text.starts_with(existing + "\n"));
  EXPECT_EQ(text.find("*.bin filter", existing.size()), std::string::npos) << "not said twice";
}

TEST(Gitattributes, DependsOnTheSetOfPathsAloneAndIsStable) {
  StoredPaths paths{{"z.json", "a.json", "m.safetensors"}, {"q.bin", "b.txt"}};
  const std::string text = gitattributes(paths, std::nullopt);
  std::reverse(paths.lfs.begin(), paths.lfs.end());
  std::reverse(paths.git.begin(), paths.git.end());
  EXPECT_EQ(gitattributes(paths, std::nullopt), text);
  EXPECT_EQ(gitattributes(paths, text), text);
}

}  // namespace
}  // namespace hubrev
