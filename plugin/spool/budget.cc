#include "plugin/spool/budget.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace hubrev {
namespace {

constexpr std::uint64_t kBlock = 512;  // unit of st_blocks

Error full(const std::string& what, const std::string& remedy) {
  return make_error(ErrorKind::kNoSpace, what + "; " + remedy);
}

// 0 when the file is not there.
std::uint64_t blocks_of(const std::string& path, nlink_t& links) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return 0;
  links = info.st_nlink;
  return static_cast<std::uint64_t>(info.st_blocks) * kBlock;
}

bool checkpoint_has(const std::string& checkpoint, const FrozenFile& file) {
  return ::access((checkpoint + "/" + file.path).c_str(), F_OK) == 0;
}

std::uint64_t held_bytes(const std::string& root, const std::string& checkpoint,
                         const FrozenFile& file) {
  nlink_t links = 0;
  const std::uint64_t bytes = blocks_of(root + "/" + file.path, links);
  switch (file.method) {
    case FreezeMethod::kHardLink:
      return links > 1 ? 0 : bytes;
    case FreezeMethod::kReflink:
      return checkpoint_has(checkpoint, file) ? 0 : bytes;
    case FreezeMethod::kCopy:
      return bytes;
    case FreezeMethod::kPacked:
      return 0;  // the pack is counted once
  }
  return 0;
}

// Free for this user; everything when the file system does not tell.
std::uint64_t free_bytes(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

std::uint64_t held_by_all(const Spool& spool, const SpoolUse& use) {
  std::uint64_t held = 0;
  for (const JobRecord& record : use.snapshots) held += hubrev::held_bytes(spool, record);
  return held;
}

}  // namespace

std::uint64_t held_bytes(const Spool& spool, const JobRecord& record) {
  const std::string root = spool.files_directory(record.id);
  nlink_t links = 0;
  std::uint64_t bytes = blocks_of(pack_path(root), links);
  const std::string checkpoint = checkpoint_of(spool.root(), record);
  for (const FrozenFile& file : record.frozen) bytes += held_bytes(root, checkpoint, file);
  return bytes;
}

std::uint64_t freed_by_its_end(const Spool& spool, const JobRecord& record) {
  const std::string root = spool.files_directory(record.id);
  const std::string checkpoint = checkpoint_of(spool.root(), record);
  std::size_t large = 0;
  std::uint64_t held = 0;
  for (const FrozenFile& file : record.frozen) {
    if (file.method != FreezeMethod::kPacked) large += 1;
    held += held_bytes(root, checkpoint, file);
  }
  return large > 0 && held == 0 ? 0 : held_bytes(spool, record);
}

std::uint64_t missing_bytes(const Settings& settings, const Spool& spool, const SpoolUse& use,
                            std::uint64_t wanted) {
  // One more: a limit that is just reached allows nothing.
  const auto beyond = [&](std::uint64_t used, std::uint64_t limit) {
    return used + wanted >= limit ? used + wanted - limit + 1 : 0;
  };
  std::uint64_t missing = beyond(settings.min_free_bytes, free_bytes(spool.root()));
  if (settings.max_spool_bytes) {
    missing = std::max(missing, beyond(held_by_all(spool, use), *settings.max_spool_bytes));
  }
  return missing;
}

Result<std::uint64_t> find_room(const Settings& settings, const Spool& spool, const SpoolUse& use) {
  if (settings.max_pending && use.pending >= *settings.max_pending) {
    return full(std::to_string(use.pending) + " checkpoints wait for their push",
                "'max_pending' allows no more");
  }
  const std::uint64_t free = free_bytes(spool.root());
  if (free <= settings.min_free_bytes && settings.min_free_bytes > 0) {
    return full("the disk of " + spool.root() + " has " + std::to_string(free) + " bytes left",
                "'min_free_bytes' keeps " + std::to_string(settings.min_free_bytes));
  }
  std::uint64_t room = free - settings.min_free_bytes;
  if (settings.max_spool_bytes) {
    const std::uint64_t held = held_by_all(spool, use);
    if (held >= *settings.max_spool_bytes) {
      return full("the spool " + spool.root() + " holds " + std::to_string(held) +
                      " bytes beyond the live checkpoints",
                  "'max_spool_bytes' allows " + std::to_string(*settings.max_spool_bytes));
    }
    room = std::min(room, *settings.max_spool_bytes - held);
  }
  return room;
}

}  // namespace hubrev
