#include "plugin/snapshot/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
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

Result<std::vector<Entry>> list_entries(DIR* directory, const std::string& path) {
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
  }
  if (errno != 0) return unreadable(path, errno);
  return entries;
}

// A folder on the way down; both are "" for the checkpoint, and end in a slash otherwise.
struct Folder {
  std::string path;    // in the revision
  std::string source;  // below the checkpoint, with no symbolic link in it
};

class Scanner {
 public:
  // `selection` outlives it.
  Scanner(OpenFolder checkpoint, const Selection& selection, FolderId spool)
      : checkpoint_(std::move(checkpoint)), selection_(selection), spool_(spool) {}

  Status walk(const Folder& folder);
  Scan take() && {
    std::sort(scan_.files.begin(), scan_.files.end(),
              [](const ScannedFile& a, const ScannedFile& b) { return a.path < b.path; });
    std::sort(scan_.excluded.begin(), scan_.excluded.end());
    scan_.checkpoint = std::move(checkpoint_);
    return std::move(scan_);
  }

 private:
  // What a symbolic link leads to.
  struct Target {
    std::string source;
    unsigned char type;  // as in Entry
  };

  Status visit(const Folder& folder, const Entry& entry);
  Result<DirectoryHandle> open(const Folder& folder) const;
  Result<std::vector<Entry>> list(const Folder& folder, const std::string& path);
  Result<unsigned char> look_up_type(const std::string& source) const;
  Result<std::string> follow(const std::string& source) const;
  Result<Target> look_up(const std::string& link) const;
  Result<std::optional<Target>> follow_unless_excluded(const std::string& path,
                                                       const std::string& source) const;
  Status enter(int directory, const std::string& path);
  // Both names count: a link must not smuggle in what its target's name keeps out.
  bool excluded(const std::string& path, const std::string& source) const {
    return is_excluded(path, selection_) || (source != path && is_excluded(source, selection_));
  }

  OpenFolder checkpoint_;
  const Selection& selection_;
  const FolderId spool_;
  std::vector<FolderId> ancestors_;  // of the folder being listed, itself included
  Scan scan_;
};

Result<DirectoryHandle> Scanner::open(const Folder& folder) const {
  std::string name = ".";
  // Behind a slash, even O_NOFOLLOW follows a link.
  if (!folder.source.empty()) name = folder.source.substr(0, folder.source.size() - 1);
  const int fd =
      ::openat(checkpoint_.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DirectoryHandle directory(fd < 0 ? nullptr : ::fdopendir(fd));
  if (directory) return directory;
  const int code = errno;
  if (fd >= 0) ::close(fd);
  return unreadable(checkpoint_.below(folder.source), code);
}

// The type of what stands there, as in Entry.
Result<unsigned char> Scanner::look_up_type(const std::string& source) const {
  struct stat info {};
  if (::fstatat(checkpoint_.fd.get(), source.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return unreadable(checkpoint_.below(source), errno);
  }
  return static_cast<unsigned char>(IFTODT(info.st_mode));
}

// `path` is the folder's, for messages, here and below.
Status Scanner::enter(int directory, const std::string& path) {
  struct stat info {};
  if (::fstat(directory, &info) != 0) return unreadable(path, errno);
  const FolderId id{info.st_dev, info.st_ino};
  if (id == spool_) {
    return refused(checkpoint_.path, "holds the spool itself; choose a 'spool_dir' outside of it");
  }
  if (std::find(ancestors_.begin(), ancestors_.end(), id) != ancestors_.end()) {
    return refused(path, "is reached again through a symbolic link inside it; remove that link");
  }
  if (ancestors_.size() >= kMaxDepth) {
    return refused(path, "is nested more than " + std::to_string(kMaxDepth) +
                             " folders deep; flatten the checkpoint");
  }
  ancestors_.push_back(id);
  return {};
}

Result<std::vector<Entry>> Scanner::list(const Folder& folder, const std::string& path) {
  HUBREV_TRY(const DirectoryHandle directory, open(folder));
  HUBREV_CHECK(enter(::dirfd(directory.get()), path));
  return list_entries(directory.get(), path);
}

Status Scanner::walk(const Folder& folder) {
  const std::string path =
      folder.source.empty() ? checkpoint_.path : checkpoint_.below(folder.source);
  HUBREV_TRY(const std::vector<Entry> entries, list(folder, path));
  if (entries.size() > kMaxEntriesPerFolder) {
    return refused(path, "holds more than " + std::to_string(kMaxEntriesPerFolder) +
                             " entries, the limit of the Hub; spread them over folders");
  }
  for (const Entry& entry : entries) HUBREV_CHECK(visit(folder, entry));
  ancestors_.pop_back();
  return {};
}

// Where a symbolic link leads, below the checkpoint and with no link left in it.
Result<std::string> Scanner::follow(const std::string& source) const {
  const std::string link = checkpoint_.below(source);
  auto [root, root_code] = resolve(checkpoint_.path);
  if (root_code != 0) return unreadable(checkpoint_.path, root_code);
  auto [target, code] = resolve(link);
  if (code == ENOENT) {
    return refused(link, "is a symbolic link to nothing; restore what it names or remove it");
  }
  if (code == ELOOP) return refused(link, "is a symbolic link to itself; remove it");
  if (code != 0) return unreadable(link, code);
  if (target == root) return refused(link, "is a symbolic link to the checkpoint; remove it");
  if (!target.starts_with(root + "/")) {
    return refused(link, "is a symbolic link to " + shown_path(target) +
                             ", outside the checkpoint; replace it by a copy");
  }
  return target.substr(root.size() + 1);
}

// nullopt where the link stays out, wherever it leads: by its name, or by that of a folder where
// it leads to none of our files.
Result<std::optional<Scanner::Target>> Scanner::follow_unless_excluded(
    const std::string& path, const std::string& source) const {
  std::optional<Target> none;
  if (is_excluded(path, selection_)) return none;
  Result<Target> target = look_up(source);
  const bool file = target.ok() && target->type == DT_REG;
  if (!file && is_excluded(path + "/", selection_)) return none;
  HUBREV_TRY(Target found, std::move(target));
  return std::optional(std::move(found));
}

Result<Scanner::Target> Scanner::look_up(const std::string& link) const {
  HUBREV_TRY(std::string source, follow(link));
  HUBREV_TRY(const unsigned char type, look_up_type(source));
  return Target{std::move(source), type};
}

Status Scanner::visit(const Folder& folder, const Entry& entry) {
  const std::string path = folder.path + entry.name;
  std::string source = folder.source + entry.name;
  unsigned char type = entry.type;
  if (type == DT_UNKNOWN) {
    HUBREV_TRY(type, look_up_type(source));
  }
  if (type == DT_LNK) {
    HUBREV_TRY(const std::optional<Target> target, follow_unless_excluded(path, source));
    if (!target) {
      scan_.excluded.push_back(path);
      return {};
    }
    source = target->source;
    type = target->type;
  }
  const bool is_folder = type == DT_DIR;
  if (const char* slash = is_folder ? "/" : ""; excluded(path + slash, source + slash)) {
    scan_.excluded.push_back(path + slash);
    return {};
  }
  if (const auto problem = path_problem(path)) {
    return refused(checkpoint_.below(path), "cannot be published because its name " +
                                                std::string(*problem) + "; rename or remove it");
  }
  if (is_folder) return walk({path + "/", source + "/"});
  if (type != DT_REG) {
    return refused(checkpoint_.below(source),
                   "is neither a file nor a folder; remove it from the checkpoint");
  }
  if (scan_.files.size() >= kMaxFiles) {
    return refused(checkpoint_.path, "holds more than " + std::to_string(kMaxFiles) +
                                         " files; publish the folder of one model");
  }
  scan_.files.push_back({path, std::move(source)});
  return {};
}

Error unopened(const std::string& checkpoint, int code) {
  struct stat info {};
  if (code == ENOTDIR && ::stat(checkpoint.c_str(), &info) == 0) {
    return refused(checkpoint, "is not a folder; name the folder that the trainer saved");
  }
  if (code == ENOENT || code == ENOTDIR) {
    return refused(checkpoint, "does not exist; name the folder that the trainer saved");
  }
  return unreadable(checkpoint, code);
}

}  // namespace

Result<Scan> scan_checkpoint(const std::string& checkpoint, const Selection& selection,
                             FolderId spool) {
  OpenFolder folder{checkpoint, Fd(::open(checkpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))};
  if (!folder.fd) return unopened(checkpoint, errno);
  struct stat info {};
  const std::string marker(kIncompleteMarker);
  if (::fstatat(folder.fd.get(), marker.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    return refused(checkpoint, "is still being written (it holds " + marker +
                                   "); publish it when its save is done");
  }
  Scanner scanner(std::move(folder), selection, spool);
  HUBREV_CHECK(scanner.walk({"", ""}));
  return std::move(scanner).take();
}

}  // namespace hubrev
