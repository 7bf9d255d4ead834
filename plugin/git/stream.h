#pragma once
// One request to a git service and its answer, as libgit2 wants it: written and read in pieces.
// Internal to this layer.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "plugin/git/exchange.h"
#include "plugin/git/request_body.h"

namespace hubrev {

enum class StreamAction {
  kReadRefs,  // GET info/refs; nothing is written
  kCall,      // POST
};

// libgit2 writes a request in many pieces (17 for a push of five small files) and never says which
// is the last, so nothing is sent before the first read. One thread.
class Stream {
 public:
  Stream(Exchange& exchange, StreamAction action, GitService service);

  Exchange& exchange() const { return exchange_; }
  Status write(std::string_view bytes);
  // Blocks in the first call, until the whole answer is here. 0 is its end.
  Result<std::size_t> read(std::span<char> buffer);

 private:
  Exchange& exchange_;
  const StreamAction action_;
  const GitService service_;
  RequestBody body_;
  bool sent_ = false;
  std::string answer_;
  std::size_t given_ = 0;  // bytes of answer_ that libgit2 has
};

}  // namespace hubrev
