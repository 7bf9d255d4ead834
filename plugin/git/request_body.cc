#include "plugin/git/request_body.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace hubrev {
namespace {

constexpr std::size_t kMaxInMemory = 8u << 20;

}  // namespace

RequestBody::RequestBody(std::string folder) : folder_(std::move(folder)) {}

Status RequestBody::append(std::string_view bytes) {
  if (!file_ && memory_.size() + bytes.size() > kMaxInMemory) HUBREV_CHECK(spill());
  if (!file_) {
    memory_ += bytes;
    return {};
  }
  HUBREV_CHECK(write_all(file_.get(), bytes, "a temporary file in " + folder_));
  file_size_ += bytes.size();
  return {};
}

Source RequestBody::source() const {
  if (!file_) return Source::from_bytes(memory_);
  // A Source opens by name, and this is the name of a file that has none.
  return Source::from_file("/proc/self/fd/" + std::to_string(file_.get()), file_size_);
}

Status RequestBody::spill() {
  std::string name = folder_ + "/request-XXXXXX";
  file_ = Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_) return errno_error(errno, "cannot create a temporary file in " + folder_);
  if (::unlink(name.c_str()) != 0) return errno_error(errno, "cannot unlink " + name);
  HUBREV_CHECK(write_all(file_.get(), memory_, "a temporary file in " + folder_));
  file_size_ = memory_.size();
  memory_ = std::string();
  return {};
}

}  // namespace hubrev
