// The text files of LFS that a checkpoint or a repository brings along: the section
// "gitattributes", a pointer ("pointer"), and the revision's paths, one a line ("lfs", "git").

#include <algorithm>
#include <set>

#include "plugin/lfs/gitattributes.h"
#include "plugin/lfs/pointer.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// As a checkpoint's files are called: no part of a path is empty.
bool is_path(const std::string& path) {
  return path.front() != '/' && path.back() != '/' && path.find("//") == std::string::npos;
}

std::vector<std::string> paths_of(std::string_view text) {
  std::vector<std::string> paths = lines_of(text);
  std::erase_if(paths, [](const std::string& path) { return !is_path(path); });
  return paths;
}

}  // namespace

HUBREV_FUZZ(input) {
  const Sections sections = sections_of(input);
  if (const auto pointer = parse_pointer(section(sections, "pointer"))) {
    const std::string text = pointer_text(pointer->oid, pointer->size);
    HUBREV_REQUIRE(parse_pointer(text) == *pointer, text);
  }
  StoredPaths paths{paths_of(section(sections, "lfs")), {}};
  const std::set<std::string> lfs(paths.lfs.begin(), paths.lfs.end());
  for (std::string& path : paths_of(section(sections, "git"))) {
    if (!lfs.contains(path)) paths.git.push_back(std::move(path));
  }
  const std::string existing = section(sections, "gitattributes");
  const std::string text = gitattributes(paths, existing);
  HUBREV_REQUIRE(text.starts_with(existing), text);
  HUBREV_REQUIRE(gitattributes(paths, text) == text, text);
  std::reverse(paths.lfs.begin(), paths.lfs.end());
  HUBREV_REQUIRE(gitattributes(paths, existing) == text, text);
}

}  // namespace hubrev::fuzz
