#pragma once

#include <sys/stat.h>

#include "plugin/types/snapshot.h"

namespace hubrev {

inline FileStamp stamp_of(const struct stat& info) {
  return {info.st_ino, static_cast<std::uint64_t>(info.st_size),
          std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

}  // namespace hubrev
