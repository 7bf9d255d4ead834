#pragma once
// Small, whole-file helpers and the owning file descriptor. Checkpoint bytes go through
// types/source.h instead: they are never read whole.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugin/base/result.h"

namespace hubrev {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(Fd&& other) noexcept;
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

enum class Durability {
  kRename,  // atomic for other processes; the kernel writes it out when it likes
  kSync,    // on disk when the call returns
};

// The whole file; an error (invalid_input) when it is larger than `limit` bytes.
Result<std::string> read_file(const std::string& path, std::uint64_t limit);
// Writes a temporary file beside `path` (mode 0600, kTemporarySuffix behind its name) and renames
// it into place.
inline constexpr const char* kTemporarySuffix = ".tmp";
Status write_file_atomic(const std::string& path, std::string_view bytes, Durability durability);
// Writes a file that nobody looks at yet, and that is missing or empty (mode 0600). Not truncated:
// ext4 writes a truncated file to disk when it is closed (auto_da_alloc), and the caller waits.
Status fill_file(const std::string& path, std::string_view bytes);
// Writes all of `bytes` to an open descriptor; `what` names it in the error.
Status write_all(int fd, std::string_view bytes, std::string_view what);
// Has what is written to a file, or the entries of a folder, on disk when it returns.
Status sync_to_disk(const std::string& path);
// `path` from the root, without "." and "..", and without a slash at its end; symbolic links stay.
// How records spell folders.
std::string absolute_path(const std::string& path);
// Creates the folder and its missing parents; the last one with mode 0700.
Status make_private_directory(const std::string& path);

}  // namespace hubrev
