#pragma once

#include <string>
#include <utility>

namespace hubrev {

// A token. It has no stream operator and no conversion, so it cannot slip into a message, a log or
// a record; `reveal()` is called where a request's header is written, and nowhere else.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  bool empty() const { return value_.empty(); }
  const std::string& reveal() const { return value_; }

 private:
  std::string value_;
};

}  // namespace hubrev
