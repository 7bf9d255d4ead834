#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/lfs/agent_process.h"
#include "plugin/lfs/uploader.h"

namespace hubrev {

// The transfer agents of one upload: as many processes of each as may run side by side, started
// when there is something for them. Thread-safe. Private to this layer.
class TransferAgents {
 public:
  // `threads` is how many objects are on their way at once; `token` is kept from the agents.
  TransferAgents(const AgentContext& context, const Secret& token, std::size_t threads);

  // The transfers that a server may choose from.
  std::vector<std::string> names() const;
  // The agent that carries everything, without a server; null when there is none.
  const TransferAgent* standalone() const;

  // Blocks until one of `agent`'s processes has carried the object; for each at most one object is
  // written out as a file meanwhile. `action` is JSON. Does not retry. Errors name the agent.
  // Precondition: `agent` is one of names(), or standalone().
  Status upload(const std::string& agent, const LfsFile& file, const LfsPointer& object,
                const std::string& action, Progress& progress, const std::stop_token& stop);

  // Tells all that this was all, and waits for them. Afterwards nothing is to be uploaded.
  void finish(const std::stop_token& stop);

 private:
  struct Slots {
    const TransferAgent* agent = nullptr;
    std::vector<std::string> environment;
    std::size_t free = 0;  // so many more may run, idle ones included
    std::vector<std::unique_ptr<AgentProcess>> idle;
  };
  // Waits for a free slot, which is the caller's then; the process is null where none is idle.
  Result<std::unique_ptr<AgentProcess>> take(Slots& slots, const std::stop_token& stop);
  void give_back(Slots& slots, std::unique_ptr<AgentProcess> process);

  const AgentContext& context_;
  const std::size_t threads_;
  std::mutex mutex_;  // guards the slots' `free` and `idle`
  std::condition_variable_any freed_;
  std::map<std::string, Slots> slots_;
};

}  // namespace hubrev
