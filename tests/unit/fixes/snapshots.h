#pragma once
// Snapshots made of strings, for the tests of this folder.

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "plugin/fixes/fix.h"

namespace hubrev::testing {

using Files = std::map<std::string, std::string>;

inline Snapshot snapshot_of(const Files& files) {
  Snapshot snapshot;
  for (const auto& [path, bytes] : files) put_entry(snapshot, {path, Source::from_bytes(bytes)});
  return snapshot;
}

inline Files files_of(const Snapshot& snapshot) {
  Files files;
  for (const Entry& entry : snapshot.entries) {
    files[entry.path] = entry.source.read_all(std::uint64_t{1} << 24).value();
  }
  return files;
}

// The bytes that a fix gave `path`; "" where it left the file alone.
inline std::string edited(const FixEdit& edit, const std::string& path) {
  for (const Entry& entry : edit.entries) {
    if (entry.path == path) return entry.source.read_all(std::uint64_t{1} << 24).value();
  }
  return {};
}

}  // namespace hubrev::testing
