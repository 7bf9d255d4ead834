#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/child_process.h"
#include "plugin/base/log.h"
#include "plugin/lfs/uploader.h"

namespace hubrev {

// A running transfer agent, which carries one object at a time. Errors name the agent and repeat
// its last words; none shows what a server told it in headers or behind a '?'. One thread at a
// time. Private to this layer.
class AgentProcess {
 public:
  // Starts it and waits until it says that it is ready. kConfig when there is no such program.
  static Result<std::unique_ptr<AgentProcess>> start(const TransferAgent& agent,
                                                     const AgentContext& context,
                                                     const std::vector<std::string>& environment,
                                                     std::size_t transfers,
                                                     const std::stop_token& stop);
  ~AgentProcess();  // end(), in a hurry
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  // Blocks until it has carried the object, whose bytes are in the file `path`. `action` is JSON.
  Status upload(const LfsPointer& object, const std::string& path, const std::string& action,
                Progress& progress, const std::stop_token& stop);

  // Whether it can be asked for another object: not after it died, fell silent, was stopped, or
  // said what cannot be understood.
  bool usable() const { return usable_; }

  // Tells it that this was all. Does not wait.
  void dismiss();
  // dismiss(), and waits at most `patience` for its end, less once stopped; then SIGTERM and, after
  // a moment, SIGKILL. Nothing of it is left.
  void end(std::chrono::milliseconds patience, const std::stop_token& stop);

 private:
  AgentProcess(const TransferAgent& agent, const AgentContext& context, ChildProcess child);
  Result<std::string> next_line(const std::stop_token& stop);
  Result<std::string> read_line(const std::stop_token& stop);
  Status carry(const LfsPointer& object, Progress& progress, const std::stop_token& stop);
  bool ends_within(std::chrono::milliseconds patience, const std::stop_token& stop);
  void read_output();
  void read_errors();
  void hide(const std::string& action);
  Error failure(Error error) const;

  const TransferAgent& agent_;
  const AgentContext& context_;
  ChildProcess child_;
  std::string to_send_;
  std::string received_;    // of its output; no whole line
  std::string said_;        // of its errors; no whole line
  std::string last_words_;  // the last line of its errors
  bool output_open_ = true;
  bool errors_open_ = true;
  bool usable_ = true;
  bool dismissed_ = false;
  bool ended_ = false;
  std::string how_it_ended_;
  Log hidden_;  // written to no file; holds what must not be shown
};

}  // namespace hubrev
