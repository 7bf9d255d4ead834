#pragma once
// A request's body while libgit2 writes it piece by piece. Internal to this layer.

#include <cstdint>
#include <string>
#include <string_view>

#include "plugin/base/file.h"
#include "plugin/base/result.h"
#include "plugin/types/source.h"

namespace hubrev {

// In memory up to 8 MiB, then in a file of `folder` that has no name any more, so nothing is left
// behind whatever happens to the process.
class RequestBody {
 public:
  explicit RequestBody(std::string folder);

  Status append(std::string_view bytes);
  // What was appended so far; valid while the RequestBody lives and is not appended to.
  Source source() const;

 private:
  Status spill();

  std::string folder_;
  std::string memory_;
  Fd file_;                      // holds everything once it is open
  std::uint64_t file_size_ = 0;  // bytes
};

}  // namespace hubrev
