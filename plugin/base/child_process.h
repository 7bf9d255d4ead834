#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/file.h"

namespace hubrev {

// A program that runs beside us, its three streams in our hands. It leads a process group of its
// own: a terminal's Ctrl-C does not reach it, and a signal reaches what it has started too. The
// streams are open in no program that is started after it, so that its input ends when we do,
// however that happens. Movable; one thread at a time.
class ChildProcess {
 public:
  // Looks for command[0] on PATH. No shell; `environment` holds "NAME=value", and nothing is added.
  // kConfig when it cannot be started. Inherits the priority of the calling thread.
  static Result<ChildProcess> spawn(const std::vector<std::string>& command,
                                    const std::vector<std::string>& environment);
  ~ChildProcess();  // kills what is left
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  const Fd& input() const { return input_; }    // does not block; closed once refused
  const Fd& output() const { return output_; }  // its standard output
  const Fd& errors() const { return errors_; }
  void close_input() { input_ = Fd(); }
  // Gives it as much of `bytes` as it takes now, without a SIGPIPE where it takes no more: then the
  // input is closed and all of them are gone. Returns how many bytes went.
  std::size_t write_some(std::string_view bytes);

  bool has_ended() const;
  // To it and to what it has started. Does nothing once it has been reaped.
  void signal(int number) const;
  // Waits for its end, kills what it leaves behind, and says how it ended: "exit status 3".
  std::string reap();

 private:
  ChildProcess(pid_t pid, Fd input, Fd output, Fd errors);

  pid_t pid_;  // -1 when moved from or reaped
  Fd input_;
  Fd output_;
  Fd errors_;
};

}  // namespace hubrev
