#include "plugin/git/stream.h"

#include <algorithm>
#include <cstring>

namespace hubrev {

Stream::Stream(Exchange& exchange, StreamAction action, GitService service)
    : exchange_(exchange), action_(action), service_(service), body_(exchange.folder()) {}

Status Stream::write(std::string_view bytes) {
  if (exchange_.cancelled()) return make_error(ErrorKind::kCancelled, "cancelled");
  return body_.append(bytes);
}

Result<std::size_t> Stream::read(std::span<char> buffer) {
  if (exchange_.cancelled()) return make_error(ErrorKind::kCancelled, "cancelled");
  if (!sent_) {
    sent_ = true;
    HUBREV_TRY(answer_, action_ == StreamAction::kReadRefs
                            ? exchange_.read_refs(service_)
                            : exchange_.call(service_, body_.source()));
  }
  const std::size_t count = std::min(buffer.size(), answer_.size() - given_);
  std::memcpy(buffer.data(), answer_.data() + given_, count);
  given_ += count;
  return count;
}

}  // namespace hubrev
