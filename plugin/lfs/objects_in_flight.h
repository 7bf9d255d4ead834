#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/base/sha256.h"

namespace hubrev {

// Which objects are on their way to which server, so that two checkpoints that share a file and are
// pushed side by side do not both send it. Thread-safe; outlives what it handed out.
class ObjectsInFlight {
 public:
  using Keys = std::vector<std::pair<std::string, Sha256>>;  // server, object

  // Whoever has it is the only one to send these objects, as long as it lives. Movable.
  class Turn {
   public:
    Turn(ObjectsInFlight& all, Keys keys) : all_(&all), keys_(std::move(keys)) {}
    ~Turn();
    Turn(Turn&& other) noexcept : all_(other.all_), keys_(std::exchange(other.keys_, {})) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    ObjectsInFlight* all_;
    Keys keys_;  // empty once moved from
  };

  // Blocks until nobody else sends any of them; all are taken at once, so that two who wait for
  // each other cannot be. Afterwards the server is to be asked which of them it still lacks.
  // kCancelled when stopped. Precondition: `oids` are distinct, and the thread holds no other turn.
  Result<Turn> take(const std::string& server, const std::vector<Sha256>& oids,
                    const std::stop_token& stop);

 private:
  std::mutex mutex_;                     // guards keys_
  std::condition_variable_any changed_;  // a turn has ended
  std::set<std::pair<std::string, Sha256>> keys_;
};

}  // namespace hubrev
