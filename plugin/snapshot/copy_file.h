#pragma once
// What both ways to freeze a file need: the checkpoint's file, the spool's file, and the bytes
// from one to the other. invalid_input is about the former, io about the latter.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "plugin/base/file.h"
#include "plugin/base/result.h"
#include "plugin/snapshot/open_folder.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// A file of the checkpoint, open for reading.
struct OpenedFile {
  const OpenFolder& checkpoint;
  const std::string& source;  // its path below the checkpoint
  Fd fd;
  FileStamp stamp;  // when it was opened

  std::string path() const { return checkpoint.below(source); }
};

// invalid_input when it cannot be read, vanished, or is no regular file any more. The result
// refers to both arguments.
Result<OpenedFile> open_source(const OpenFolder& checkpoint, const std::string& source);

// `name` must not exist in the folder; mode 0600.
Result<Fd> create_target(const OpenFolder& folder, const std::string& name);

// How many bytes one freeze may still copy, and for how long.
struct CopyBudget {
  std::uint64_t left = 0;
  std::stop_token stop = {};
};

// Gives what `in` holds to `out`, piece by piece, and takes it off the budget. no_space when that
// does not suffice; invalid_input when the file is not what it was when it was opened, cancelled
// once a stop is requested, and then some of it may have been given.
Status copy_bytes(const OpenedFile& in, CopyBudget& budget,
                  const std::function<Status(std::string_view)>& out);

// Appends `bytes` to the spool's file `path`.
Status write_target(int fd, std::string_view bytes, const std::string& path);

Result<FileStamp> stamp_target(int fd, const std::string& path);

Error changed_while_frozen(const std::string& source);
Error target_error(int code, const std::string& path);  // `code` is errno's

}  // namespace hubrev
