#include "plugin/types/snapshot.h"

#include <algorithm>
#include <utility>

namespace hubrev {
namespace {

template <typename Entries>
auto position_of(Entries& entries, const std::string& path) {
  return std::lower_bound(entries.begin(), entries.end(), path,
                          [](const Entry& entry, const std::string& p) { return entry.path < p; });
}

}  // namespace

const Entry* find_entry(const Snapshot& snapshot, const std::string& path) {
  const auto at = position_of(snapshot.entries, path);
  return at != snapshot.entries.end() && at->path == path ? &*at : nullptr;
}

void put_entry(Snapshot& snapshot, Entry entry) {
  const auto at = position_of(snapshot.entries, entry.path);
  if (at != snapshot.entries.end() && at->path == entry.path) {
    *at = std::move(entry);
  } else {
    snapshot.entries.insert(at, std::move(entry));
  }
}

void remove_entry(Snapshot& snapshot, const std::string& path) {
  const auto at = position_of(snapshot.entries, path);
  if (at != snapshot.entries.end() && at->path == path) snapshot.entries.erase(at);
}

}  // namespace hubrev
