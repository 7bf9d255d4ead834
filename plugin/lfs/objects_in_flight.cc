#include "plugin/lfs/objects_in_flight.h"

#include <algorithm>

namespace hubrev {

ObjectsInFlight::Turn::~Turn() {
  if (keys_.empty()) return;
  {
    const std::lock_guard lock(all_->mutex_);
    for (const auto& key : keys_) all_->keys_.erase(key);
  }
  all_->changed_.notify_all();
}

Result<ObjectsInFlight::Turn> ObjectsInFlight::take(const std::string& server,
                                                    const std::vector<Sha256>& oids,
                                                    const std::stop_token& stop) {
  Keys keys;
  keys.reserve(oids.size());
  for (const Sha256& oid : oids) keys.emplace_back(server, oid);
  std::unique_lock lock(mutex_);
  const bool mine = changed_.wait(lock, stop, [&] {
    return std::none_of(keys.begin(), keys.end(),
                        [&](const auto& key) { return keys_.contains(key); });
  });
  if (!mine) return make_error(ErrorKind::kCancelled, "cancelled");
  keys_.insert(keys.begin(), keys.end());
  return Turn(*this, std::move(keys));
}

}  // namespace hubrev
