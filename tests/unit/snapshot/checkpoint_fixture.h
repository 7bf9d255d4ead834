#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "plugin/snapshot/freeze.h"
#include "tests/support/temp_dir.h"

namespace hubrev::testing {

// A checkpoint and, beside it, an empty job folder to freeze into.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    std::filesystem::create_directories(checkpoint_);
    std::filesystem::create_directories(job_);
  }

  std::string add(const std::string& name, const std::string& bytes = "{}") const {
    return temp_.write("checkpoint-500/" + name, bytes);
  }
  // Sparse: `size` costs no disk.
  std::string add_sparse(const std::string& name, std::uint64_t size) const {
    const std::string path = add(name, "x");
    std::filesystem::resize_file(path, size);
    return path;
  }
  void add_link(const std::string& name, const std::string& target) const {
    const std::filesystem::path link = checkpoint_ + "/" + name;
    std::filesystem::create_directories(link.parent_path());
    std::filesystem::create_symlink(target, link);
  }

  Result<FreezeOutcome> freeze(const Selection& selection = {}) const {
    return freeze_checkpoint({checkpoint_, files_, selection});
  }
  std::string frozen_file(const std::string& name) const { return files_ + "/" + name; }
  // What the spool holds of it, wherever it lies.
  static std::string frozen_bytes(const FrozenFile& file, const std::string& files) {
    if (file.method != FreezeMethod::kPacked) return TempDir::read(files + "/" + file.path);
    return TempDir::read(files + ".small").substr(file.offset, file.length);
  }
  std::map<std::string, std::string> frozen_contents(const FreezeOutcome& outcome) const {
    std::map<std::string, std::string> contents;
    for (const FrozenFile& file : outcome.frozen) contents[file.path] = frozen_bytes(file, files_);
    return contents;
  }

  static struct stat stat_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info;
  }
  static std::vector<std::string> paths_of(const FreezeOutcome& outcome) {
    std::vector<std::string> paths;
    for (const FrozenFile& file : outcome.frozen) paths.push_back(file.path);
    return paths;
  }

  TempDir temp_;
  const std::string checkpoint_ = temp_ / "checkpoint-500";
  const std::string job_ = temp_ / "job";
  const std::string files_ = job_ + "/files";
  const std::string pack_ = job_ + "/files.small";
};

}  // namespace hubrev::testing
