#pragma once
// A question that is asked while the caller does something else.

#include <functional>
#include <future>
#include <stop_token>
#include <utility>

#include "plugin/base/result.h"

namespace hubrev {

// Asks at once, on a thread of its own that has the caller's priority; where no thread is to be
// had, in answer(). A stop of the caller's reaches it, and so does its own end: an answer that
// nobody takes any more is not waited for longer than stopping takes.
template <typename Answer>
class Meanwhile {
 public:
  using Ask = std::function<Result<Answer>(const std::stop_token& stop)>;

  // What `ask` refers to outlives this.
  Meanwhile(const std::stop_token& stop, Ask ask)
      : follow_caller_(stop, [this] { source_.request_stop(); }),
        answer_(std::async(
            [ask = std::move(ask), token = source_.get_token()] { return ask(token); })) {}
  ~Meanwhile() { source_.request_stop(); }
  Meanwhile(const Meanwhile&) = delete;
  Meanwhile& operator=(const Meanwhile&) = delete;

  // Blocks until it is there. Once.
  Result<Answer> answer() { return answer_.get(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> follow_caller_;
  std::future<Result<Answer>> answer_;  // last: its end is the thread's
};

}  // namespace hubrev
