#include "plugin/snapshot/scan.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include "plugin/snapshot/contents.h"
#include "plugin/snapshot/path_rules.h"
#include "plugin/snapshot/refusal.h"

namespace hubrev {
namespace {

// The Hub's limit for one folder of a repository, and its advice for the whole.
constexpr std::size_t kMaxEntriesPerFolder = 10'000;
constexpr std::size_t kMaxFiles = 100'000;
constexpr std::size_t kMaxDepth = 64;

// transformers' JIT checkpointing puts it in while it writes a checkpoint and takes it out again.
constexpr std::string_view kIncompleteMarker = "checkpoint-is-incomplete.txt";

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryHandle = std::unique_ptr<DIR, CloseDirectory>;

struct FreeString {
  void operator()(char* text) const { std::free(text); }
};

// The path without symbolic links; errno's value on failure.
std::pair<std::string, int> resolve(const std::string& path) {
  const std::unique_ptr<char, FreeString> resolved(::realpath(path.c_str(), nullptr));
  if (!resolved) return {std::string(), errno};
  return {std::string(resolved.get()), 0};
}

struct Entry {
  std::string name;
  unsigned char
      type;  // DT_REG, DT_DIR, DT_LNK ...; DT_UNKNOWN where the file system keeps no types
};

Result<std::vector<Entry>> list_entries(const std::string& folder) {
  const DirectoryHandle directory(::opendir(folder.c_str()));
  if (!directory) return unreadable(folder, errno);
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
  }
  if (errno != 0) return unreadable(folder, errno);
  return entries;
}

// The type of what stands at `path`, as in Entry.
Result<unsigned char> look_up_type(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return unreadable(path, errno);
  return static_cast<unsigned char>(IFTODT(info.st_mode));
}

// A folder on the way down.
struct Folder {
  std::string path;    // in the revision, with a slash at its end; "" for the checkpoint
  std::string source;  // absolute, with no symbolic link in it
};

class Scanner {
 public:
  Scanner(std::string root, Contents contents, FolderId spool)
      : root_(std::move(root)), contents_(contents), spool_(spool) {}

  Status walk(const Folder& folder);
  Scan take() && {
    std::sort(scan_.files.begin(), scan_.files.end(),
              [](const ScannedFile& a, const ScannedFile& b) { return a.path < b.path; });
    std::sort(scan_.excluded.begin(), scan_.excluded.end());
    return std::move(scan_);
  }

 private:
  Status visit(const Folder& folder, const Entry& entry);
  Result<std::string> follow(const std::string& link) const;
  Status enter(const std::string& source);
  // Both names count: a link must not smuggle in what its target's name keeps out.
  bool excluded(const std::string& path, const std::string& source) const {
    return is_excluded(path, contents_) ||
           is_excluded(std::string_view(source).substr(root_.size() + 1), contents_);
  }

  const std::string root_;  // with no symbolic link in it
  const Contents contents_;
  const FolderId spool_;
  std::vector<FolderId> ancestors_;  // of the folder being listed, itself included
  Scan scan_;
};

Status Scanner::enter(const std::string& source) {
  struct stat info {};
  if (::stat(source.c_str(), &info) != 0) return unreadable(source, errno);
  const FolderId id{info.st_dev, info.st_ino};
  if (id == spool_) {
    return refused(root_, "holds the spool itself; choose a 'spool_dir' outside of it");
  }
  if (std::find(ancestors_.begin(), ancestors_.end(), id) != ancestors_.end()) {
    return refused(source, "is reached again through a symbolic link inside it; remove that link");
  }
  if (ancestors_.size() >= kMaxDepth) {
    return refused(source, "is nested more than " + std::to_string(kMaxDepth) +
                               " folders deep; flatten the checkpoint");
  }
  ancestors_.push_back(id);
  return {};
}

Status Scanner::walk(const Folder& folder) {
  HUBREV_CHECK(enter(folder.source));
  HUBREV_TRY(const std::vector<Entry> entries, list_entries(folder.source));
  if (entries.size() > kMaxEntriesPerFolder) {
    return refused(folder.source, "holds more than " + std::to_string(kMaxEntriesPerFolder) +
                                      " entries, the limit of the Hub; spread them over folders");
  }
  for (const Entry& entry : entries) HUBREV_CHECK(visit(folder, entry));
  ancestors_.pop_back();
  return {};
}

// Where a symbolic link leads, with no link left in it.
Result<std::string> Scanner::follow(const std::string& link) const {
  auto [target, code] = resolve(link);
  if (code == ENOENT) {
    return refused(link, "is a symbolic link to nothing; restore what it names or remove it");
  }
  if (code == ELOOP) return refused(link, "is a symbolic link to itself; remove it");
  if (code != 0) return unreadable(link, code);
  if (target == root_) return refused(link, "is a symbolic link to the checkpoint; remove it");
  if (!target.starts_with(root_ + "/")) {
    return refused(link, "is a symbolic link to " + shown_path(target) +
                             ", outside the checkpoint; replace it by a copy");
  }
  return target;
}

Status Scanner::visit(const Folder& folder, const Entry& entry) {
  const std::string path = folder.path + entry.name;
  std::string source = folder.source + "/" + entry.name;
  unsigned char type = entry.type;
  if (type == DT_UNKNOWN) {
    HUBREV_TRY(type, look_up_type(source));
  }
  if (type == DT_LNK) {
    if (is_excluded(path, contents_) || is_excluded(path + "/", contents_)) {
      scan_.excluded.push_back(path);  // wherever it leads
      return {};
    }
    HUBREV_TRY(source, follow(source));
    HUBREV_TRY(type, look_up_type(source));
  }
  const bool is_folder = type == DT_DIR;
  if (const char* slash = is_folder ? "/" : ""; excluded(path + slash, source + slash)) {
    scan_.excluded.push_back(path + slash);
    return {};
  }
  if (const auto problem = path_problem(path)) {
    return refused(root_ + "/" + path, "cannot be published because its name " +
                                           std::string(*problem) + "; rename or remove it");
  }
  if (is_folder) return walk({path + "/", source});
  if (type != DT_REG) {
    return refused(source, "is neither a file nor a folder; remove it from the checkpoint");
  }
  if (scan_.files.size() >= kMaxFiles) {
    return refused(root_, "holds more than " + std::to_string(kMaxFiles) +
                              " files; publish the folder of one model");
  }
  scan_.files.push_back({path, std::move(source)});
  return {};
}

}  // namespace

Result<Scan> scan_checkpoint(const std::string& checkpoint, Contents contents, FolderId spool) {
  const auto [root, code] = resolve(checkpoint);
  if (code == ENOENT || code == ENOTDIR) {
    return refused(checkpoint, "does not exist; name the folder that the trainer saved");
  }
  if (code != 0) return unreadable(checkpoint, code);
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0) return unreadable(root, errno);
  if (!S_ISDIR(info.st_mode)) {
    return refused(checkpoint, "is not a folder; name the folder that the trainer saved");
  }
  if (::lstat((root + "/" + std::string(kIncompleteMarker)).c_str(), &info) == 0) {
    return refused(checkpoint, "is still being written (it holds " +
                                   std::string(kIncompleteMarker) +
                                   "); publish it when its save is done");
  }
  Scanner scanner(root, contents, spool);
  HUBREV_CHECK(scanner.walk({"", root}));
  return std::move(scanner).take();
}

}  // namespace hubrev
